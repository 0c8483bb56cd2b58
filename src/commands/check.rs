//! `canary check`: everything that is wrong with policies and environments, in one run.

use super::Format;
use super::exit::Status;
use super::load::{load, policies, print_diagnostics};
use crate::syntax::diagnostic::{Diagnostic, Severity};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

/// Arguments of `canary check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy and environment files, or folders that hold some
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Let warnings fail the check as well
    #[arg(long, value_name = "WHAT", value_parser = ["warnings"])]
    deny: Option<String>,
}

/// Checks each file with the environments beside it.
#[must_use]
pub fn main(args: &Args) -> Status {
    let Ok(paths) = policies(&args.paths) else { return Status::Wrong };
    let Ok(loaded) = load(&paths) else { return Status::Wrong };
    let mut diagnostics = loaded.diagnostics;
    diagnostics.extend(crate::check::check_files(&loaded.files, &loaded.map).diagnostics);
    diagnostics.sort_by_key(|d| (d.span().file, d.span().start));
    let out = &mut std::io::stdout();
    print_diagnostics(&diagnostics, &loaded.map, args.format, out, std::io::stdout().is_terminal());
    let count = |s: Severity| diagnostics.iter().filter(|d| d.severity == s).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if args.format == Format::Human {
        let _ = writeln!(out, "{}", summary(paths.len(), errors, warnings));
    }
    if diagnostics.iter().any(Diagnostic::is_error) || (args.deny.is_some() && warnings > 0) {
        Status::Bad
    } else {
        Status::Success
    }
}

fn summary(files: usize, errors: usize, warnings: usize) -> String {
    let many = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
    let files = many(files, "file");
    match (errors, warnings) {
        (0, 0) => format!("{files} checked, nothing to say"),
        (0, w) => format!("{files} checked: {}", many(w, "warning")),
        (e, 0) => format!("{files} checked: {}", many(e, "error")),
        (e, w) => format!("{files} checked: {}, {}", many(e, "error"), many(w, "warning")),
    }
}
