//! JUnit's XML, as CI servers read it: a test case a file, which fails when the file has errors.

use super::words;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::SourceMap;
use std::fmt::Write;

/// The report. Warnings stand in a case's output and do not fail it, unless `deny_warnings`.
#[must_use]
pub fn junit(sources: &SourceMap, diagnostics: &[Diagnostic], deny_warnings: bool) -> String {
    let fails = |d: &Diagnostic| d.is_error() || deny_warnings;
    let mut cases = String::new();
    let (mut total, mut failed) = (0usize, 0usize);
    for (i, file) in sources.files().iter().enumerate() {
        let here: Vec<&Diagnostic> = diagnostics.iter().filter(|d| d.span().file.0 as usize == i).collect();
        total += 1;
        let _ = write!(cases, "    <testcase classname=\"canary.check\" name=\"{}\"", escaped(&file.name));
        if here.is_empty() {
            cases.push_str("/>\n");
            continue;
        }
        cases.push_str(">\n");
        let lines = |ds: &[&&Diagnostic]| {
            let text = |d: &&&Diagnostic| {
                let indented = words(d).replace('\n', "\n  ");
                format!("{}: {} {indented}", sources.place(d.span()), d.code)
            };
            ds.iter().map(text).collect::<Vec<_>>().join("\n")
        };
        let (bad, rest): (Vec<&&Diagnostic>, Vec<&&Diagnostic>) = here.iter().partition(|d| fails(d));
        if let Some(first) = bad.first() {
            failed += 1;
            let (message, kind) = (escaped(&first.message), escaped(&first.code));
            let _ = writeln!(
                cases,
                "      <failure message=\"{message}\" type=\"{kind}\">{}</failure>",
                escaped(&lines(&bad))
            );
        }
        if !rest.is_empty() {
            let _ = writeln!(cases, "      <system-out>{}</system-out>", escaped(&lines(&rest)));
        }
        cases.push_str("    </testcase>\n");
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{total}\" failures=\"{failed}\">\n  \
         <testsuite name=\"canary check\" tests=\"{total}\" failures=\"{failed}\" errors=\"0\" skipped=\"0\">\n{cases}  \
         </testsuite>\n</testsuites>\n"
    )
}

/// Text for XML 1.0: its five special characters, and a sign where a character cannot stand at all.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c < ' ' || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
