//! Findings of `check` for the programs that show them elsewhere: code scanning, a pull request, a test report.

pub mod github;
pub mod junit;
pub mod sarif;
pub mod short;

use crate::syntax::diagnostic::Diagnostic;

/// What a code stands for: its slug, and one line.
fn meaning(code: &str) -> (&'static str, &'static str) {
    crate::check::registry::find(code).map_or(("unknown", "not registered"), |c| (c.1, c.2))
}

/// A finding in words: what is wrong, and on the next line what to do.
fn words(d: &Diagnostic) -> String {
    match &d.help {
        Some(help) => format!("{}\n{help}", d.message),
        None => d.message.clone(),
    }
}
