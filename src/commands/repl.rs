//! `canary repl`: what if, one entry at a time.

use super::exit::{Status, because};
use super::{load, policy};
use crate::repl::line::{self, Ended, Script, Terminal};
use crate::report::style::Style;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

/// What `canary repl --help` says of scripts and exit statuses.
const MORE: &str = "\
`:help` lists what can be entered; Ctrl-D ends. Entries may come from a file or a pipe, too:
  canary repl POLICY --recording R < entries

Exit status:
  0  everything that was entered could be done; at a terminal always
  2  wrong usage, an invalid policy, a recording that does not fit it, or an entry of a script that could not be done";

/// Arguments of `canary repl`.
#[derive(Debug, clap::Args)]
#[command(after_help = MORE)]
pub struct Args {
    /// The policy file; without it the only one of this folder
    file: Option<PathBuf>,
    /// What is replayed: a file that `canary record` or `canary run --record` has written
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,
    /// The environment, where the plan depends on it: the one that a run was recorded in
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Which rollout, when the file declares several
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// Go on with a script behind an entry that could not be done
    #[arg(long)]
    keep_going: bool,
}

/// Talks.
#[must_use]
pub fn main(args: &Args) -> Status {
    match talk(args) {
        Ok(status) | Err(status) => status,
    }
}

fn talk(args: &Args) -> Result<Status, Status> {
    let alone = if args.file.is_none() { Some(only_policy(Path::new("."))?) } else { None };
    let Some(file) = args.file.as_deref().or(alone.as_deref()) else { return Err(Status::Wrong) };
    let (input, output) = (io::stdin(), io::stdout());
    let style = Style::for_terminal(output.is_terminal());
    let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
    let env = args.env.as_deref();
    let recording = args.recording.as_deref();
    let mut session = policy::conversation(file, env, args.rollout.as_deref(), recording, style, width)?;
    let lost = |e: &io::Error| because(Status::Wrong, &format!("the conversation is over: {}", load::plain(e)));
    if !input.is_terminal() {
        let who = Script::File { keep_going: args.keep_going };
        let ended = line::run(&mut session, input.lock(), &mut output.lock(), who);
        return match ended {
            // a reader that went away is no mistake
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(Status::Success),
            ended => Ok(told(&ended.map_err(|e| lost(&e))?, args.keep_going)),
        };
    }
    out!("{}", session.greeting());
    if output.is_terminal() && !is_dumb() {
        let terminal = Terminal { style, history: history() };
        line::converse(&mut session, &terminal, crate::repl::session::Session::set_width).map_err(|e| lost(&e))?;
    } else {
        line::run(&mut session, input.lock(), &mut io::stdout(), Script::Person).map_err(|e| lost(&e))?;
    }
    Ok(Status::Success)
}

/// How a script ended.
fn told(ended: &Ended, keep_going: bool) -> Status {
    match ended {
        Ended::Well => Status::Success,
        Ended::Failed { .. } if keep_going => Status::Wrong,
        Ended::Failed { line } => {
            let why = format!("stopped at line {line}, which could not be done; `--keep-going` goes on behind it");
            because(Status::Wrong, &why)
        }
        Ended::Unreadable { line } => {
            because(Status::Wrong, &format!("line {line} is no UTF-8 text; entries are text"))
        }
    }
}

/// The policy of a folder, where there is just one.
fn only_policy(folder: &Path) -> Result<PathBuf, Status> {
    let entries = std::fs::read_dir(folder).map(|all| all.flatten().map(|e| e.path()).collect::<Vec<_>>());
    let mut found: Vec<PathBuf> = entries.unwrap_or_default();
    found.retain(|p| p.extension().is_some_and(|e| e == "canary") && p.is_file());
    found.sort();
    let names: Vec<String> = found.iter().filter_map(|p| Some(p.file_name()?.to_string_lossy().into_owned())).collect();
    match (found.pop(), names.as_slice()) {
        (Some(_), [name]) => Ok(PathBuf::from(name)),
        (Some(_), names) => {
            let why = format!("which policy? `canary repl FILE`; this folder has {}", names.join(", "));
            Err(because(Status::Wrong, &why))
        }
        (None, _) => Err(because(Status::Wrong, "which policy? `canary repl FILE`; this folder has none")),
    }
}

/// A terminal that has no cursor to move: entries are read as they are typed, without an editor.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|t| ["dumb", "cons25", "emacs"].iter().any(|d| t.eq_ignore_ascii_case(d)))
}

/// Where entries are kept: in the user's folder for what programs remember
/// (<https://specifications.freedesktop.org/basedir-spec/latest/>).
fn history() -> Option<PathBuf> {
    let folder = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|p| p.is_absolute());
    let state = folder("XDG_STATE_HOME").or_else(|| Some(folder("HOME")?.join(".local/state")))?;
    Some(state.join("canary/repl_history"))
}
