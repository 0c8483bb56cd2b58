//! `canary fmt`: the one layout.

use super::Format;
use super::exit::{Status, because};
use super::load::{plain, policies, print_diagnostics};
use super::whole;
use crate::syntax::format::{FormatError, format};
use crate::syntax::read_source;
use crate::syntax::source::SourceMap;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

/// Arguments of `canary fmt`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy and environment files, or folders that hold some; `-` reads standard input and writes standard output
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Change nothing; exit 1 and name the files that are not formatted
    #[arg(long)]
    check: bool,
    /// Change nothing; show what would change (exit 1 if anything would)
    #[arg(long)]
    diff: bool,
}

/// What became of one file.
enum Done {
    Clean,
    Changed,
}

/// Formats.
#[must_use]
pub fn main(args: &Args) -> Status {
    if args.paths.iter().any(|p| p.as_os_str() == "-") {
        return standard_input(args);
    }
    let Ok(paths) = policies(&args.paths) else { return Status::Wrong };
    let (mut changed, mut worst) = (0usize, Status::Success);
    for path in &paths {
        match file(path, args) {
            Ok(Done::Clean) => {}
            Ok(Done::Changed) => changed += 1,
            Err(status) => worst = status,
        }
    }
    let files = |n: usize| format!("{n} file{}", if n == 1 { "" } else { "s" });
    match (worst, changed) {
        (Status::Success, 0) => eprintln!("{} formatted already", files(paths.len())),
        (Status::Success, n) if args.check || args.diff => {
            eprintln!("{} of {} not formatted: `canary fmt` does it", n, files(paths.len()));
            return Status::Bad;
        }
        (_, 0) => {}
        (_, n) => eprintln!("{} of {} formatted", n, files(paths.len())),
    }
    worst
}

fn standard_input(args: &Args) -> Status {
    if args.paths.len() > 1 {
        return because(Status::Wrong, "`-` stands alone: standard input is one file");
    }
    let mut bytes = Vec::new();
    if let Err(e) = std::io::stdin().read_to_end(&mut bytes) {
        return because(Status::Wrong, &format!("cannot read standard input: {}", plain(&e)));
    }
    let (before, after) = match formatted(bytes, "standard input") {
        Ok(both) => both,
        Err(status) => return status,
    };
    if args.diff {
        print_diff("standard input", &before, &after);
    } else if !args.check {
        out!("{after}");
    }
    if (args.check || args.diff) && before != after { Status::Bad } else { Status::Success }
}

fn file(path: &Path, args: &Args) -> Result<Done, Status> {
    let name = path.display().to_string();
    let cannot =
        |what: &str, e: &std::io::Error| because(Status::Wrong, &format!("cannot {what} {name}: {}", plain(e)));
    let bytes = std::fs::read(path).map_err(|e| cannot("read", &e))?;
    let (before, after) = formatted(bytes, &name)?;
    if before == after {
        return Ok(Done::Clean);
    }
    if args.diff {
        print_diff(&name, &before, &after);
    } else if args.check {
        outln!("{name}");
    } else {
        whole::write(path, &after).map_err(|e| cannot("write", &e))?;
    }
    Ok(Done::Changed)
}

/// The text and what it is formatted; what stands in the way is said on standard error.
fn formatted(bytes: Vec<u8>, name: &str) -> Result<(String, String), Status> {
    let marked = bytes.starts_with(&[0xEF, 0xBB, 0xBF]);
    let text = read_source(bytes, name).map_err(|e| because(Status::Wrong, &format!("{} ({})", e.message, e.help)))?;
    let mut map = SourceMap::default();
    let id = map.add(name.to_owned(), text.clone());
    match format(id, &text) {
        Ok(after) => Ok((if marked { format!("\u{feff}{text}") } else { text }, after)),
        Err(FormatError::Syntax(found)) => {
            print_diagnostics(&found, &map, Format::Human, &mut std::io::stderr(), std::io::stderr().is_terminal());
            Err(because(Status::Wrong, &format!("{name} is left as it is: mend its errors first")))
        }
        Err(FormatError::Unfaithful(why)) => Err(because(
            Status::Wrong,
            &format!("{name} is left as it is: {why}. This is a mistake of `fmt`: please report it"),
        )),
    }
}

fn print_diff(name: &str, before: &str, after: &str) {
    let diff = similar::TextDiff::from_lines(before, after);
    out!("{}", diff.unified_diff().context_radius(2).header(name, &format!("{name} (formatted)")));
}
