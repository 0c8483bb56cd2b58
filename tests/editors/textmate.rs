//! The TextMate grammar, made of the words: rules in the order in which they are tried.

use super::words::Words;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A name that is no reserved word's beginning or end.
const NAME: &str = "[A-Za-z_][A-Za-z0-9_]*";

/// One of these words, whole.
fn any<'w>(words: impl IntoIterator<Item = &'w String>) -> String {
    let words: BTreeSet<&str> = words.into_iter().map(String::as_str).collect();
    format!("\\b(?:{})\\b", words.into_iter().collect::<Vec<_>>().join("|"))
}

/// A unit with what is special in a regular expression escaped, and the end of a word behind it.
fn unit(u: &String) -> String {
    let end = if u.ends_with(|c: char| c.is_ascii_alphanumeric()) { "\\b" } else { "" };
    format!("{u}{end}")
}

/// `editors/vscode/syntaxes/canary.tmLanguage.json`
pub fn grammar(w: &Words) -> Value {
    let units = w.units.iter().map(unit).collect::<Vec<_>>().join("|");
    let durations: Vec<&str> =
        w.units.iter().map(String::as_str).filter(|u| ["ms", "s", "m", "h", "d", "w"].contains(u)).collect();
    let durations = durations.join("|");
    let both: BTreeSet<String> = w.items.intersection(&w.statements).cloned().collect();
    let declared: BTreeSet<String> = w.items.intersection(&w.named).cloned().collect();
    let parts: BTreeSet<String> = w.statements.difference(&w.items).filter(|k| w.named.contains(*k)).cloned().collect();
    let tails: BTreeSet<String> = w.tails.intersection(&w.named).cloned().collect();
    let not_name = any(w.operators.iter().chain(&w.constants).chain(&w.tails));
    let reserved = any(w.operators.iter().chain(&w.constants));
    let none = any(&w.consequences);
    let plain = |words: &BTreeSet<String>| format!("{}(?!\\s*[:.(]|\\s*=(?!=))", any(words));
    json!({
        "$schema": "https://raw.githubusercontent.com/martinring/tmlanguage/master/tmlanguage.json",
        "//": "made from grammar/canary.pest: CANARY_REGENERATE=1 cargo test --test editors",
        "name": "canary",
        "scopeName": "source.canary",
        "fileTypes": ["canary"],
        "patterns": [{ "include": "#all" }],
        "repository": {
            "all": { "patterns": [
                { "include": "#comment" },
                { "include": "#query" },
                { "include": "#string" },
                { "include": "#literal" },
                { "include": "#name" },
                { "include": "#keyword" },
                { "include": "#operator" }
            ]},
            "comment": {
                "name": "comment.line.number-sign.canary", "match": "#.*$"
            },
            "placeholder": {
                "name": "variable.other.placeholder.canary", "match": "\\$\\{[^}`\"]*\\}"
            },
            "string": {
                "name": "string.quoted.double.canary", "begin": "\"", "end": "\"|$",
                "patterns": [
                    { "name": "constant.character.escape.canary", "match": "\\\\." },
                    { "include": "#placeholder" }
                ]
            },
            "query": {
                "name": "string.quoted.other.query.canary", "begin": "`", "end": "`",
                "contentName": "meta.embedded.inline.promql",
                "patterns": [{ "include": "#placeholder" }, { "include": "#promql" }]
            },
            "promql": { "patterns": [
                { "name": "string.quoted.promql", "match": "\"(?:\\\\.|[^\"\\\\`])*\"|'(?:\\\\.|[^'\\\\`])*'" },
                { "name": "constant.numeric.promql", "match": format!("\\b\\d[\\d.]*(?:e[+-]?\\d+)?(?:(?:{durations}|y)\\d*)*\\b") },
                { "name": "keyword.operator.word.promql", "match": "\\b(?:by|without|on|ignoring|group_left|group_right|bool|offset|and|or|unless|atan2)\\b(?!\\s*[=!]~?)" },
                { "name": "entity.name.function.promql", "match": "\\b[A-Za-z_][A-Za-z0-9_]*(?=\\s*(?:\\(|(?:by|without)\\b))" },
                { "name": "variable.parameter.label.promql", "match": "\\b[A-Za-z_][A-Za-z0-9_]*(?=\\s*(?:=~|!~|!=|=(?!=)))" },
                { "name": "variable.other.metric.promql", "match": "\\b[A-Za-z_:][A-Za-z0-9_:]*" },
                { "name": "keyword.operator.promql", "match": "=~|!~|!=|==|<=|>=|[-+*/%^<>=]" }
            ]},
            "literal": { "patterns": [
                { "name": "constant.other.time.canary", "match": "\\b\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(?::\\d{2})?(?:Z|[+-]\\d{2}:\\d{2})" },
                { "name": "constant.other.hours.canary", "match": "\\b\\d+:\\d{2}\\.\\.\\d+:\\d{2}\\b" },
                {
                    "match": format!("\\b(\\d[\\d_]*(?:\\.\\d+)?)({units})"),
                    "name": "constant.numeric.canary",
                    "captures": { "2": { "name": "keyword.other.unit.canary" } }
                },
                { "name": "constant.numeric.canary", "match": format!("\\b(?:\\d[\\d_]*(?:\\.\\d+)?(?:{durations}))+\\b") },
                { "name": "constant.numeric.canary", "match": "\\b\\d[\\d_]*(?:\\.\\d+)?\\b" }
            ]},
            "name": { "patterns": [
                { "name": "variable.other.member.canary", "match": format!("(?<=\\w\\.){NAME}") },
                {
                    // `on breach, pause:` begins a reaction; any other `on` is a value
                    "begin": format!("\\b(on)(?=\\s+{NAME}(?:\\s*,\\s*{NAME})*\\s*:)"),
                    "beginCaptures": { "1": { "name": "keyword.control.canary" } },
                    "end": "(?=:)",
                    "patterns": [{ "name": "support.constant.happening.canary", "match": NAME }]
                },
                {
                    "match": format!("({})\\s+({NAME})(?=\\s*=(?!=))", any(&both)),
                    "captures": { "1": { "name": "keyword.control.canary" }, "2": { "name": "variable.other.canary" } }
                },
                {
                    "match": format!("({})\\s+({NAME})\\s*(:)\\s*({NAME})", any(&declared)),
                    "captures": {
                        "1": { "name": "keyword.declaration.canary" }, "2": { "name": "entity.name.type.canary" },
                        "3": { "name": "punctuation.separator.canary" }, "4": { "name": "storage.type.canary" }
                    }
                },
                {
                    "match": format!("({})\\s+({NAME})", any(&declared)),
                    "captures": { "1": { "name": "keyword.declaration.canary" }, "2": { "name": "entity.name.type.canary" } }
                },
                {
                    "match": format!("({})\\s+(?!{reserved})({NAME})", any(&parts)),
                    "captures": { "1": { "name": "keyword.control.canary" }, "2": { "name": "entity.name.section.canary" } }
                },
                {
                    "match": format!("({})\\s+(?!{not_name}|{none})({NAME})(?!\\s*[.(])", any(&tails)),
                    "captures": { "1": { "name": "keyword.other.canary" }, "2": { "name": "variable.other.canary" } }
                },
                { "name": "variable.parameter.canary", "match": format!("(?!{}){NAME}(?=\\s*:)", any(&w.constants)) },
                { "name": "entity.name.function.canary", "match": format!("\\b(?!{}){NAME}(?=\\()", any(w.operators.iter())) }
            ]},
            "keyword": { "patterns": [
                {
                    "match": format!("\\b(else)\\s+({none})"),
                    "captures": { "1": { "name": "keyword.other.canary" }, "2": { "name": "keyword.control.consequence.canary" } }
                },
                { "name": "keyword.declaration.canary", "match": format!("{}(?=\\s+[\\w\"])", any(w.items.difference(&w.statements))) },
                { "name": "keyword.control.canary", "match": plain(&w.statements) },
                { "name": "variable.language.canary", "match": any(&super::predeclared()) },
                { "name": "keyword.other.canary", "match": plain(&w.tails) },
                { "name": "keyword.control.consequence.canary", "match": plain(&w.consequences) },
                { "name": "keyword.operator.word.canary", "match": any(&w.operators) },
                { "name": "constant.language.canary", "match": any(&w.constants) },
                { "name": "variable.other.canary", "match": format!("\\b{NAME}") }
            ]},
            "operator": { "patterns": [
                { "name": "keyword.operator.canary", "match": "==|!=|<=|>=|[-+*/<>=]" },
                { "name": "punctuation.separator.canary", "match": "[:,]" }
            ]}
        }
    })
}
