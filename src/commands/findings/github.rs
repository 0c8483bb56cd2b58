//! Workflow commands of GitHub Actions: one annotation a finding, at its line of the pull request.

use super::words;
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::source::SourceMap;
use std::fmt::Write;

/// A line a finding. Columns are left out where a finding goes over several lines: GitHub refuses them then.
#[must_use]
pub fn github(sources: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let kind = match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let span = d.span();
        let file = sources.get(span.file);
        let (line, column) = file.map_or((1, 1), |f| f.line_col(span.start));
        let (end_line, end_column) = file.map_or((1, 1), |f| f.line_col(span.end));
        let name = property(file.map_or("", |f| f.name.as_str()));
        let _ = write!(out, "::{kind} file={name},line={line},endLine={end_line}");
        if line == end_line {
            let _ = write!(out, ",col={column},endColumn={end_column}");
        }
        let _ = writeln!(out, ",title={}::{}", property(&d.code), message(&words(d)));
    }
    out
}

fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
