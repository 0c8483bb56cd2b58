//! What editors are given stands in step with the grammar, and does what it says: the TextMate grammar in an engine of
//! TextMate grammars, the rest in Vim itself.
//!
//! After a change of `grammar/canary.pest`:  `CANARY_REGENERATE=1 cargo test --test editors`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "editors/engine.rs"]
mod engine;
mod support;
#[path = "editors/textmate.rs"]
mod textmate;
#[path = "editors/vim.rs"]
mod vim;
#[path = "editors/words.rs"]
mod words;

use canary::syntax::source::{FileId, SourceMap};
use canary::{check, syntax};
use engine::Engine;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use words::Words;

const TEXTMATE: &str = "editors/vscode/syntaxes/canary.tmLanguage.json";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn words() -> Words {
    Words::of(&std::fs::read_to_string(root().join("grammar/canary.pest")).unwrap())
}

/// Names that the language gives a meaning.
fn predeclared() -> BTreeSet<String> {
    check::PREDECLARED.iter().map(|s| (*s).to_owned()).collect()
}

fn json(path: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(root().join(path)).unwrap()).unwrap()
}

/// Every policy of the project that parses without a word.
fn policies() -> Vec<(PathBuf, String)> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for path in std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|e| e == "canary") {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    for folder in ["policies", "examples", "stdlib", "tests/fixtures/syntax", "tests/fixtures/e2e"] {
        walk(&root().join(folder), &mut paths);
    }
    paths.sort();
    let texts = paths.into_iter().map(|p| (p.clone(), std::fs::read_to_string(p).unwrap()));
    let out: Vec<_> = texts.filter(|(_, text)| syntax::parse(FileId(0), text).1.is_empty()).collect();
    assert!(out.len() > 15, "only {} policies were found", out.len());
    out
}

/// The fuzzers' dictionary: what a policy is made of, a token a line.
fn dictionary(w: &Words) -> String {
    let mut out = String::from("# made from grammar/canary.pest: CANARY_REGENERATE=1 cargo test --test editors\n");
    let words = [&w.items, &w.statements, &w.tails, &w.consequences, &w.operators, &w.constants, &predeclared()];
    let words: BTreeSet<String> = words.into_iter().flatten().cloned().collect();
    for word in words {
        let _ = writeln!(out, "\"{word} \"");
    }
    for unit in &w.units {
        let _ = writeln!(out, "\"5{unit}\"");
    }
    for sign in [
        "{ ",
        " }",
        "(",
        ")",
        "[",
        "]",
        "`",
        "\\\"",
        "# ",
        "\\x0a",
        ": ",
        " = ",
        "==",
        "<= ",
        "${where}",
        ", ",
        "2026-12-20T09:00Z",
    ] {
        let _ = writeln!(out, "\"{sign}\"");
    }
    out
}

#[test]
fn what_is_made_from_the_grammar_is_in_step_with_it() {
    let w = words();
    let made = [
        (TEXTMATE, format!("{:#}\n", textmate::grammar(&w))),
        ("editors/vim/syntax/canary.vim", vim::syntax(&w)),
        ("fuzz/canary.dict", dictionary(&w)),
    ];
    for (path, text) in made {
        let file = root().join(path);
        if std::env::var_os("CANARY_REGENERATE").is_some() {
            std::fs::write(&file, &text).unwrap();
        }
        let there = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(there == text, "{path} is not what the grammar says: CANARY_REGENERATE=1 cargo test --test editors");
    }
}

#[test]
fn the_words_are_those_of_the_grammar() {
    let w = words();
    let has = |set: &BTreeSet<String>, words: &[&str]| words.iter().all(|x| set.contains(*x));
    assert!(has(&w.items, &["metric", "rollout", "traffic", "environment", "edition", "killswitch"]), "{w:?}");
    assert!(has(&w.statements, &["guard", "phase", "hold", "promote", "traffic", "variants", "no"]), "{w:?}");
    assert!(has(&w.tails, &["tolerate", "else", "within", "notify", "kill"]), "{w:?}");
    assert!(!w.tails.contains("guard") && !w.keywords().contains("and"));
    assert_eq!(w.consequences.len(), 5);
    assert!(has(&w.named, &["guard", "metric", "run", "notify", "until"]) && !w.named.contains("hold"), "{w:?}");
    assert_eq!(w.units[..4], ["GiB", "KiB", "MiB", "/h"]);
}

/// What the tree says of a place: a declared name, a literal, a query.
fn places(v: &Value, key: &str, out: &mut Vec<(&'static str, usize, usize)>) {
    let at = |v: &Value| {
        let at = |k: &str| usize::try_from(v[k].as_u64().unwrap()).unwrap();
        (at("start"), at("end"))
    };
    match v {
        Value::Object(o) => {
            if let (Some(span), Some(Value::Object(kind))) = (o.get("span"), o.get("kind")) {
                let (start, end) = at(span);
                match kind.keys().next().map(String::as_str) {
                    Some("literal") => out.push(("constant", start, end)),
                    Some("raw") => out.push(("string", start, start + 1)),
                    Some("text") => out.push(("string", start, end)),
                    _ => {}
                }
            }
            if ["metric", "param", "let", "rollout", "phase", "guard", "killswitch", "action"].contains(&key)
                && let Some(name) = o.get("name").and_then(|n| n.get("span"))
            {
                let (start, end) = at(name);
                out.push(("entity.name", start, end));
            }
            o.iter().for_each(|(k, v)| places(v, k, out));
        }
        Value::Array(a) => a.iter().for_each(|v| places(v, key, out)),
        _ => {}
    }
}

/// What the parser takes for a literal, a text, a query or a declared name is painted as one, in every policy of the project.
#[test]
fn every_policy_is_painted_as_it_is_parsed() {
    let engine = Engine::new(&root().join(TEXTMATE));
    let mut checked = 0;
    for (path, text) in policies() {
        let painted = engine.paint(&format!("{text}\nedition 2026"));
        // nothing is left open at the end
        assert_eq!(painted.at(text.len() + 1, text.len() + 8), "keyword.declaration.canary", "{}", path.display());
        let (tree, _) = syntax::parse(FileId(0), &text);
        let mut all = Vec::new();
        places(&serde_json::to_value(&tree.items).unwrap(), "", &mut all);
        for (kind, start, end) in all {
            let found = painted.at(start, start + 1);
            let ok = match kind {
                // a unit is told from its number; on and off are constants of the language
                "constant" => found.starts_with("constant") && painted.at(end - 1, end) != "variable.other.canary",
                kind => found.starts_with(kind),
            };
            assert!(ok, "{}: {:?} is {kind}, and is painted {found:?}", path.display(), &text[start..end]);
            checked += 1;
        }
    }
    assert!(checked > 300, "only {checked} places were looked at");
}

#[test]
fn chosen_words_have_their_scopes() {
    let text = "edition 2026\n\
        metric guard: counter = prometheus(`sum by (job) (rate(up{code=~\"5..\", ${where}}[5m]))`, window: 1m)  # all\n\
        param when: ratio = 1.5% at most 2pp \"doc ${x} \\n\"\n\
        traffic checkout per tenant\n\
        rollout r \"a # title\" {\n\
        \x20 no data tolerate 4 checks else pause\n\
        \x20 guard phase: guard(10m) <= stable + 0.5pp and phase.elapsed > 1h30m until full else rollback to q, kill stop\n\
        \x20 phase taste { traffic checkout = 5%   flag f = on   run smoke   hold 10m }\n\
        \x20 on breach, rollback: notify oncall\n\
        \x20 at 2026-12-20T09:00Z: snapshot\n\
        }\n\
        window office = mon..fri 09:00..17:00 zone \"Europe/Berlin\"\n";
    let painted = Engine::new(&root().join(TEXTMATE)).paint(text);
    for (before, word, scope) in [
        ("", "edition", "keyword.declaration.canary"),
        ("", "metric", "keyword.declaration.canary"),
        ("metric ", "guard", "entity.name.type.canary"),
        ("guard: ", "counter", "storage.type.canary"),
        ("= ", "prometheus", "entity.name.function.canary"),
        ("`", "sum", "entity.name.function.promql"),
        ("sum ", "by", "keyword.operator.word.promql"),
        ("rate(", "up", "variable.other.metric.promql"),
        ("up{", "code", "variable.parameter.label.promql"),
        ("code=~", "\"5..\"", "string.quoted.promql"),
        (", ", "${where}", "variable.other.placeholder.canary"),
        ("[", "5m", "constant.numeric.promql"),
        (", ", "window", "variable.parameter.canary"),
        ("", "# all", "comment.line.number-sign.canary"),
        ("param ", "when", "entity.name.type.canary"),
        ("= ", "1.5", "constant.numeric.canary"),
        ("1.5", "%", "keyword.other.unit.canary"),
        ("most 2", "pp", "keyword.other.unit.canary"),
        ("at ", "most", "keyword.other.canary"),
        ("doc ", "${x}", "variable.other.placeholder.canary"),
        ("${x} ", "\\n", "constant.character.escape.canary"),
        ("a ", "# title", "string.quoted.double.canary"),
        ("traffic ", "checkout", "entity.name.type.canary"),
        ("  guard ", "phase", "entity.name.section.canary"),
        ("phase: ", "guard", "entity.name.function.canary"),
        ("<= ", "stable", "variable.language.canary"),
        ("and phase.", "elapsed", "variable.other.member.canary"),
        ("pp ", "and", "keyword.operator.word.canary"),
        ("> ", "1h30m", "constant.numeric.canary"),
        ("until ", "full", "variable.other.canary"),
        ("else ", "pause", "keyword.control.consequence.canary"),
        ("full else ", "rollback", "keyword.control.consequence.canary"),
        ("kill ", "stop", "variable.other.canary"),
        ("phase ", "taste", "entity.name.section.canary"),
        ("{ traffic ", "checkout", "variable.other.canary"),
        ("f = ", "on", "constant.language.canary"),
        ("run ", "smoke", "entity.name.section.canary"),
        ("   ", "hold", "keyword.control.canary"),
        ("  ", "on", "keyword.control.canary"),
        ("breach, ", "rollback", "support.constant.happening.canary"),
        ("notify ", "oncall", "variable.other.canary"),
        ("at ", "2026-12-20T09:00Z", "constant.other.time.canary"),
        ("fri ", "09:00..17:00", "constant.other.hours.canary"),
    ] {
        assert_eq!(painted.of(text, before, word), scope, "{before}⟪{word}⟫");
    }
}

/// The binary's folder first on the PATH, as an installed one would be.
fn path_with_canary() -> std::ffi::OsString {
    let folder = Path::new(env!("CARGO_BIN_EXE_canary")).parent().unwrap().to_owned();
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&rest))).unwrap()
}

/// Runs commands in Vim, with this project's files for it, and returns what they wrote to the file named by `g:out`.
fn in_vim(folder: &Path, commands: &[String]) -> Option<String> {
    if !support::require("vim") {
        return None;
    }
    let out = folder.join("out");
    let mut script = format!(
        "set nocompatible nomore runtimepath^={}\nlet g:out = '{}'\nfiletype plugin indent on\nsyntax on\n",
        root().join("editors/vim").display(),
        out.display()
    );
    for c in commands {
        script.push_str(c);
        script.push('\n');
    }
    script.push_str("qall!\n");
    std::fs::write(folder.join("script.vim"), script).unwrap();
    let done = Command::new("vim")
        .args(["-u", "NONE", "-i", "NONE", "-n", "-es", "-S", "script.vim"])
        .current_dir(folder)
        .env("PATH", path_with_canary())
        .env("HOME", folder)
        .output()
        .unwrap();
    Some(std::fs::read_to_string(&out).unwrap_or_else(|_| panic!("Vim wrote nothing: {done:?}")))
}

#[test]
fn vim_colours_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let text = "edition 2026\n\
        metric errors: counter = prometheus(`up{code=\"5..\", ${where}} # no`, window: 1m)  # all\n\
        rollout r \"a # title\" {\n\
        \x20 guard slow: errors <= stable + 0.5pp and on tolerate 1h30m else rollback\n\
        \x20 phase half { traffic checkout = 5%   hold 10m }\n\
        \x20 on breach, rollback: notify oncall\n\
        }\n";
    std::fs::write(folder.path().join("p.canary"), text).unwrap();
    let wanted = [
        ("", "edition", "canaryItem"),
        ("", "metric", "canaryItem"),
        ("metric ", "errors", "canaryDeclared"),
        ("errors: ", "counter", "canaryType"),
        ("= ", "prometheus", "canaryCall"),
        ("(", "`up", "canaryQuery"),
        ("code=", "\"5..\"", "canaryQueryString"),
        (", ", "${where}", "canaryPlaceholder"),
        ("} ", "# no", "canaryQuery"),
        (", ", "window", "canaryArgument"),
        (": ", "1m", "canaryNumber"),
        ("  ", "# all", "canaryComment"),
        ("a ", "# title", "canaryString"),
        ("  ", "guard", "canaryStatement"),
        ("guard ", "slow", "canaryDeclared"),
        ("<= ", "stable", "canaryPronoun"),
        ("+ ", "0.5pp", "canaryNumber"),
        (" ", "and", "canaryOperator"),
        ("and ", "on", "canaryConstant"),
        ("tolerate ", "1h30m", "canaryNumber"),
        ("else ", "rollback", "canaryConsequence"),
        ("= ", "5%", "canaryNumber"),
        ("   ", "hold", "canaryStatement"),
        ("  ", "on", "canaryOn"),
        ("notify ", "oncall", ""),
        (" ", "notify", "canaryTail"),
    ];
    let mut commands = vec![String::from("edit p.canary"), String::from("let found = [&filetype]")];
    for (before, word, _) in &wanted {
        let at = text.find(&format!("{before}{word}")).unwrap_or_else(|| panic!("{before}{word}")) + before.len();
        let line = text[..at].matches('\n').count() + 1;
        let first = at - text[..at].rfind('\n').map_or(0, |i| i + 1) + 1;
        let last = first + word.len() - 1;
        // the first and the last character: a match that ends too early shows
        commands.push(format!(
            "call add(found, synIDattr(synID({line}, {first}, 1), 'name') . ' ' . synIDattr(synID({line}, {last}, 1), 'name'))"
        ));
    }
    commands.push(String::from("call writefile(found, g:out)"));
    let Some(out) = in_vim(folder.path(), &commands) else { return };
    let mut lines = out.lines();
    assert_eq!(lines.next(), Some("canary"), "the file's type");
    for ((before, word, name), found) in wanted.iter().zip(lines) {
        assert_eq!(found, format!("{name} {name}"), "{before}⟪{word}⟫");
    }
}

#[test]
fn vim_indents_as_the_formatter_does() {
    let folder = tempfile::tempdir().unwrap();
    let shipped: Vec<_> = policies().into_iter().filter(|(p, _)| !p.to_str().unwrap().contains("fixtures")).collect();
    let mut commands = Vec::new();
    for (i, (_, text)) in shipped.iter().enumerate() {
        // flat at first, but for what stands between backticks: there blanks mean something
        let mut inside = false;
        let flat: String = text
            .lines()
            .map(|l| {
                let line = if inside { l.to_owned() } else { l.trim_start().to_owned() };
                inside ^= l.split('#').next().unwrap().matches('`').count() % 2 == 1;
                line + "\n"
            })
            .collect();
        std::fs::write(folder.path().join(format!("{i}.canary")), flat).unwrap();
        commands.push(format!("edit {i}.canary"));
        commands.push(String::from("silent normal! gg=G"));
        commands.push(String::from("write"));
    }
    commands.push(String::from("call writefile(['done'], g:out)"));
    let Some(out) = in_vim(folder.path(), &commands) else { return };
    assert_eq!(out, "done\n");
    for (i, (path, text)) in shipped.iter().enumerate() {
        let indented = std::fs::read_to_string(folder.path().join(format!("{i}.canary"))).unwrap();
        let diff = similar::TextDiff::from_lines(text.as_str(), indented.as_str());
        assert!(indented == *text, "{}:\n{}", path.display(), diff.unified_diff());
    }
}

/// A policy with one error, at 5:19.
const WRONG: &str = "edition 2026\ntraffic shop\nmetric good: ratio = prometheus(`up`)\nrollout r {\n  guard a: good < 500 else rollback\n  phase p { traffic shop = 5%   hold 1m }\n}\n";

#[test]
fn vim_finds_the_place_of_a_finding() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.canary"), WRONG).unwrap();
    let commands = [
        "edit p.canary",
        "silent! make",
        "call writefile(map(filter(getqflist(), 'v:val.valid'), {_, q -> bufname(q.bufnr) . ' ' . q.lnum . ':' . q.col . ' ' . q.type . ' ' . q.text}), g:out)",
    ];
    let Some(out) = in_vim(folder.path(), &commands.map(str::to_owned)) else { return };
    assert!(out.starts_with("p.canary 5:19 e [E0302]: "), "{out}");
    assert_eq!(out.lines().count(), 1, "{out}");
}

#[test]
fn the_problem_matcher_takes_every_line_of_the_short_form() {
    let folder = tempfile::tempdir().unwrap();
    let many = std::fs::read_to_string(root().join("tests/fixtures/wrong/three_habits.canary")).unwrap();
    std::fs::write(folder.path().join("p.canary"), WRONG).unwrap();
    std::fs::write(folder.path().join("q.canary"), many).unwrap();
    let out = Command::new(env!("CARGO_BIN_EXE_canary"))
        .args(["check", "--format", "short", "p.canary", "q.canary"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    let out = String::from_utf8(out.stdout).unwrap();
    assert!(out.lines().count() >= 4, "{out}");
    let package = json("editors/vscode/package.json");
    let pattern = &package["contributes"]["problemMatchers"][0]["pattern"];
    // `(.+?)` as VS Code's engine reads it, and this one
    let matcher = regex::Regex::new(pattern["regexp"].as_str().unwrap()).unwrap();
    for line in out.lines() {
        let m = matcher.captures(line).unwrap_or_else(|| panic!("no match: {line}"));
        let part = |key: &str| m.get(usize::try_from(pattern[key].as_u64().unwrap()).unwrap()).unwrap().as_str();
        assert!(["p.canary", "q.canary"].contains(&part("file")), "{line}");
        assert!(part("line").parse::<u32>().is_ok() && part("column").parse::<u32>().is_ok(), "{line}");
        assert!(["error", "warning"].contains(&part("severity")) && part("code").len() == 5, "{line}");
        assert!(!part("message").is_empty(), "{line}");
    }
    assert!(out.starts_with("p.canary:5:19: error[E0302]: "), "{out}");
}

/// A snippet as it is inserted: the first choice everywhere.
fn inserted(body: &Value) -> String {
    let lines: Vec<&str> = body.as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
    let text = lines.join("\n");
    let stop = regex::Regex::new(r"\$\{\d+(?::((?:\\.|[^}\\])*)|\|([^,|]*)[^}]*)\}").unwrap();
    let once = stop.replace_all(&text, "$1$2");
    once.replace("\\$", "$").replace("\\}", "}") + "\n"
}

#[test]
fn a_snippet_is_a_policy_or_a_piece_of_one() {
    let snippets = json("editors/vscode/snippets/canary.json");
    let head = "edition 2026\nmetric error_rate: ratio = prometheus(`up{${where}}`)\ntraffic shop\n";
    let mut seen = BTreeSet::new();
    for (name, snippet) in snippets.as_object().unwrap() {
        let prefix = snippet["prefix"].as_str().unwrap();
        let text = inserted(&snippet["body"]);
        assert!(!text.contains("${1"), "{name}: {text}");
        let whole = match prefix {
            "guard" | "guard-stable" => format!("rollout r {{\n  {text}}}\n"),
            "phase" => format!("rollout r {{\n  {text}}}\n"),
            _ => text.clone(),
        };
        let formatted = syntax::format::format(FileId(0), &whole).unwrap_or_else(|e| panic!("{name}: {e:?}\n{whole}"));
        if prefix != "environment" {
            assert_eq!(formatted, whole, "{name}");
        }
        if prefix == "rollout" {
            let whole = format!("{head}{text}");
            let mut map = SourceMap::default();
            let id = map.add("snippet.canary", whole.as_str());
            let (file, _) = syntax::parse(id, &whole);
            let found = check::check_files(&[file], &map).diagnostics;
            assert!(found.is_empty(), "{}", syntax::render::human(&map, &found, syntax::render::Style::default()));
        }
        seen.insert(prefix.to_owned());
    }
    for wanted in ["rollout", "guard", "phase", "metric", "test", "environment"] {
        assert!(seen.contains(wanted), "no snippet for {wanted}");
    }
}

#[test]
fn the_extension_names_what_is_there() {
    let package = json("editors/vscode/package.json");
    let c = &package["contributes"];
    for path in [&c["languages"][0]["configuration"], &c["grammars"][0]["path"], &c["snippets"][0]["path"]] {
        assert!(json(&format!("editors/vscode/{}", path.as_str().unwrap())).is_object());
    }
    assert_eq!(json(TEXTMATE)["scopeName"], c["grammars"][0]["scopeName"]);
    let version = package["version"].as_str().unwrap();
    assert_eq!(version, env!("CARGO_PKG_VERSION"), "the extension is of the version of the binary");
}
