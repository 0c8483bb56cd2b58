//! SARIF 2.1.0 (OASIS Standard, errata 01), as GitHub's code scanning and most editors read it.

use super::{meaning, words};
use crate::check::suppress::Suppressed;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// The log of one run. Columns count characters (`unicodeCodePoints`), from 1.
#[must_use]
pub fn sarif(sources: &SourceMap, diagnostics: &[Diagnostic], suppressed: &[Suppressed]) -> Value {
    let found = || diagnostics.iter().chain(suppressed.iter().map(|s| &s.finding));
    let codes: Vec<&str> = found().map(|d| d.code.as_str()).collect::<BTreeSet<_>>().into_iter().collect();
    let rules: Vec<Value> = codes
        .iter()
        .map(|code| {
            let (slug, text) = meaning(code);
            let page = crate::check::registry::page(code).unwrap_or(text);
            let level = if code.starts_with('W') { "warning" } else { "error" };
            json!({
                "id": code,
                "name": slug,
                "shortDescription": { "text": text },
                "help": { "text": page, "markdown": page },
                "fullDescription": { "text": description(code, text) },
                "defaultConfiguration": { "level": level },
            })
        })
        .collect();
    let mut results: Vec<Value> = diagnostics.iter().map(|d| result(sources, d, &codes)).collect();
    results.extend(suppressed.iter().map(|s| {
        let mut out = result(sources, &s.finding, &codes);
        if let Some(o) = out.as_object_mut() {
            let suppression = json!({
                "kind": "inSource",
                "status": "accepted",
                "justification": s.reason,
                "location": { "physicalLocation": place(sources, s.comment) },
            });
            o.insert(String::from("suppressions"), json!([suppression]));
        }
        out
    }));
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "canary",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// What the page of a code says before its examples, in one paragraph.
fn description(code: &str, meaning: &str) -> String {
    let page = crate::check::registry::page(code).unwrap_or("");
    let prose: Vec<&str> = page.lines().skip(1).take_while(|l| *l != "Wrong:").filter(|l| !l.is_empty()).collect();
    if prose.is_empty() { meaning.to_owned() } else { prose.join(" ") }
}

fn result(sources: &SourceMap, d: &Diagnostic, codes: &[&str]) -> Value {
    let mut out = json!({
        "ruleId": d.code,
        "ruleIndex": codes.iter().position(|c| *c == d.code),
        "level": match d.severity { Severity::Error => "error", Severity::Warning => "warning" },
        "message": { "text": words(d) },
        "locations": [{ "physicalLocation": place(sources, d.span()) }],
    });
    let Some(o) = out.as_object_mut() else { return out };
    let related: Vec<Value> = d
        .labels
        .iter()
        .skip(1)
        .map(|l| json!({ "physicalLocation": place(sources, l.span), "message": { "text": l.text } }))
        .collect();
    if !related.is_empty() {
        o.insert(String::from("relatedLocations"), json!(related));
    }
    if let Some(fix) = &d.fix {
        let at = place(sources, fix.span);
        o.insert(
            String::from("fixes"),
            json!([{
                "description": { "text": format!("write `{}`", fix.replacement) },
                "artifactChanges": [{
                    "artifactLocation": at.get("artifactLocation"),
                    "replacements": [{
                        "deletedRegion": at.get("region"),
                        "insertedContent": { "text": fix.replacement },
                    }],
                }],
            }]),
        );
    }
    out
}

fn place(sources: &SourceMap, span: Span) -> Value {
    let file = sources.get(span.file);
    let (line, column) = file.map_or((1, 1), |f| f.line_col(span.start));
    let (end_line, end_column) = file.map_or((1, 1), |f| f.line_col(span.end));
    json!({
        "artifactLocation": { "uri": uri(file.map_or("", |f| f.name.as_str())) },
        "region": { "startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column },
    })
}

/// A path as a URI reference (RFC 3986): relative ones stay relative to where the tool was started.
fn uri(path: &str) -> String {
    use std::fmt::Write;
    let mut out = String::from(if path.starts_with('/') { "file://" } else { "" });
    for b in path.bytes() {
        if b.is_ascii_alphanumeric() || b"/-._~".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_uri() {
        assert_eq!(uri("policies/a b#1.canary"), "policies/a%20b%231.canary");
        assert_eq!(uri("/srv/ä.canary"), "file:///srv/%C3%A4.canary");
    }
}
