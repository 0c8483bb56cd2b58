//! One line a finding, as compilers write it: for an editor's problem matcher, an errorformat, `grep`.

use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::source::SourceMap;
use std::fmt::Write;

/// `file:line:column: error[E0302]: message (help)`; lines and columns count from 1, columns in characters.
#[must_use]
pub fn short(sources: &SourceMap, diagnostics: &[Diagnostic]) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let kind = match d.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        let span = d.span();
        let file = sources.get(span.file);
        let (line, column) = file.map_or((1, 1), |f| f.line_col(span.start));
        let name = file.map_or("", |f| f.name.as_str());
        let help = d.help.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
        let text = format!("{}{help}", d.message).replace(['\r', '\n'], " ");
        let _ = writeln!(out, "{name}:{line}:{column}: {kind}[{}]: {text}", d.code);
    }
    out
}
