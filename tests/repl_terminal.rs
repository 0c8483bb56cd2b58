//! `canary repl` as people and scripts use it: the real binary, in a pseudo-terminal and behind a pipe.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "repl_terminal/pty.rs"]
mod pty;
mod support;

use pty::Pty;
use rustix::process::{Pid, Signal, kill_process};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use support::canary::CANARY;

const POLICY: &str = include_str!("replay/policy.canary");

/// Ctrl-C, Ctrl-D and the arrow up.
const CANCEL: &str = "\x03";
const END: &str = "\x04";
const UP: &str = "\x1b[A";

/// A folder of a user's own, with a policy.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("checkout.canary"), POLICY).unwrap();
        Self(folder)
    }

    fn history(&self) -> PathBuf {
        self.0.path().join("state/canary/repl_history")
    }

    /// A conversation at a terminal, from its first prompt on.
    fn talks(&self, env: &[(&str, &str)], columns: u16) -> Pty {
        let state = self.0.path().join("state").display().to_string();
        let mut all = vec![("XDG_STATE_HOME", state.as_str())];
        all.extend(env);
        let mut pty = Pty::run(CANARY, &["repl", "checkout.canary"], self.0.path(), &all, columns);
        pty.shows("› ");
        pty
    }

    /// A script's exit status, what was printed, and what was said on standard error.
    fn script(&self, args: &[&str], script: &[u8]) -> (i32, String, String) {
        let mut command = Command::new(CANARY);
        command.arg("repl").args(args).current_dir(self.0.path()).env("XDG_STATE_HOME", self.0.path().join("state"));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // a program that stopped reads no more
        let _ = child.stdin.take().unwrap().write_all(script);
        let out = child.wait_with_output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }
}

#[test]
fn what_is_typed_is_completed_answered_and_ended() {
    let home = Home::new();
    let mut pty = home.talks(&[], 100);
    assert!(!pty.is_plain());
    // a command, by its beginning
    pty.types(":pla\t").shows(":plan");
    pty.types("\r").shows("taste");
    pty.prompts();
    // a name of the policy, a call, its argument, the unit behind a number
    pty.types("incr\t").shows("increase(");
    pty.types("fai\t").shows("failed");
    pty.types(", 5").types(CANCEL).prompts();
    // several that fit are listed
    pty.types("max\t").shows("max_errors");
    pty.types(CANCEL).prompts();
    pty.types("errors < 1\t").shows("MiB");
    pty.types(CANCEL).prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
    assert!(pty.is_plain());
}

#[test]
fn hints_say_what_a_name_is_and_what_a_command_takes() {
    let home = Home::new();
    let mut pty = home.talks(&[], 140);
    pty.types(":goto").shows("TIME");
    pty.types(CANCEL).prompts();
    pty.types("max_errors").shows("share of failed requests we live with");
    pty.types(CANCEL).prompts();
    pty.types("increase(").shows("counter");
    pty.types("failed, ").shows("over: duration");
    pty.types(CANCEL).prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
    // in a narrow one they never go over the line
    let mut pty = home.talks(&[], 40);
    pty.types("max_errors").shows("…");
    pty.types(CANCEL).prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
}

#[test]
fn an_entry_goes_on_until_it_is_whole_or_a_line_is_empty() {
    let home = Home::new();
    let mut pty = home.talks(&[], 100);
    pty.types("let limit = (\r").shows("an empty line ends it");
    pty.types("  2 * max_errors\r)\r").prompts();
    // as it was entered: one entry
    pty.types(UP).shows("2 * max_errors");
    pty.types(CANCEL).prompts();
    // an unfinished one is told as what it is
    pty.types("let more = (\r").shows("an empty line ends it");
    pty.types("\r").shows("never closed");
    pty.prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
}

#[test]
fn entries_are_remembered_from_one_conversation_to_the_next() {
    let home = Home::new();
    let mut pty = home.talks(&[], 100);
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
    assert!(!home.history().exists(), "nothing was entered");
    let mut pty = home.talks(&[], 100);
    pty.types(":plan\r").shows("taste");
    pty.prompts();
    pty.types(" :state\r").prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
    assert_eq!(home.history().metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let mut pty = home.talks(&[], 100);
    // what began with a blank is not kept
    pty.types(UP).shows(":plan");
    pty.types("\r").shows("taste");
    pty.prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
}

#[test]
fn a_history_that_cannot_be_kept_is_told_once_and_missed_by_nobody() {
    let home = Home::new();
    std::fs::write(home.0.path().join("state"), "a file").unwrap();
    let mut pty = home.talks(&[], 100);
    pty.types(":plan\r").shows("taste");
    pty.prompts();
    pty.types(":plan\r").shows("taste");
    pty.prompts();
    pty.types(UP).shows(":plan");
    pty.types(CANCEL).prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
    assert_eq!(pty.raw().matches("entries are not kept").count(), 1, "{}", pty.raw());
}

#[test]
fn an_interrupt_gives_up_the_line_and_nothing_else() {
    let home = Home::new();
    let mut pty = home.talks(&[], 100);
    pty.types(":nonsense (").shows("(");
    pty.types(CANCEL).prompts();
    pty.types("let a = (\r").shows("an empty line ends it");
    pty.types(CANCEL).shows("Ctrl-D or `:quit` ends");
    pty.prompts();
    pty.types(":plan\r").shows("taste");
    pty.prompts();
    // nothing of what was given up was entered
    assert!(!pty.raw().contains("never closed"), "{}", pty.raw());
    pty.types(":quit\r");
    assert_eq!(pty.ends().code(), Some(0));
    assert!(pty.is_plain());
}

#[test]
fn what_is_typed_ahead_or_pasted_is_entered_too() {
    let home = Home::new();
    let mut pty = home.talks(&[], 100);
    pty.types("let a = 1\r1 + 2\r:plan\r").shows("taste");
    pty.prompts();
    // as a terminal marks what is pasted
    pty.types("\x1b[200~let b = 2\r\rlet c = (\r  3)\r:plan\x1b[201~").shows(":plan");
    pty.types("\r").shows("taste");
    pty.prompts();
    pty.types("b + c\r").shows("5  number");
    pty.prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
}

#[test]
fn colours_only_where_they_are_wanted() {
    let home = Home::new();
    let colours = |text: &str| {
        text.split("\x1b[")
            .skip(1)
            .any(|s| s.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m'))
    };
    let mut pty = home.talks(&[], 100);
    pty.types(":plan\r").shows("taste");
    pty.prompts();
    pty.types(END);
    pty.ends();
    assert!(colours(&pty.raw()));
    let mut pty = home.talks(&[("NO_COLOR", "1")], 100);
    pty.types("max_errors < 1%").shows("1%");
    pty.types("\r").prompts();
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
    assert!(!colours(&pty.raw()), "{:?}", pty.raw());
}

#[test]
fn a_dumb_terminal_gets_lines_and_nothing_else() {
    let home = Home::new();
    let mut pty = home.talks(&[("TERM", "dumb")], 100);
    pty.types("let a = (\n").shows("  › ");
    pty.types("  1)\n").shows("› ");
    pty.types(":plan\n").shows("taste");
    pty.shows("› ");
    // given up: in the middle of a line, and in the middle of an entry
    pty.types("let b = (\n").shows("  › ");
    pty.types("nonsense").shows("nonsense");
    pty.types(CANCEL).shows("recording › ");
    pty.types("a + 1\n").shows("2");
    pty.shows("› ");
    pty.types(END);
    assert_eq!(pty.ends().code(), Some(0));
    assert!(!pty.raw().contains('\x1b'), "{:?}", pty.raw());
    assert!(!pty.raw().contains("never closed"), "{:?}", pty.raw());
}

#[test]
fn whatever_ends_it_leaves_the_terminal_as_it_was() {
    let home = Home::new();
    let mut pty = home.talks(&[], 100);
    pty.types("err").shows("err");
    assert!(!pty.is_plain());
    let pid = Pid::from_raw(i32::try_from(pty.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let status = pty.ends();
    assert_eq!((status.code(), status.signal()), (Some(143), None));
    assert!(pty.is_plain());
    assert!(pty.raw().ends_with("\x1b[?2004l\r\n"), "{:?}", pty.raw());
}

#[test]
fn a_script_is_printed_as_a_transcript() {
    let home = Home::new();
    let (status, out, err) =
        home.script(&["checkout.canary"], b"# what if\nlet a = (\n  1\n)\n\na + 1\n:quit\nnever\n");
    assert_eq!(status, 0, "{out}{err}");
    let first: Vec<&str> = out.lines().take(4).collect();
    assert_eq!(first, ["no recording › # what if", "no recording › let a = (", "  ›   1", "  › )"], "{out}");
    assert!(out.contains("recording › a + 1\n") && out.ends_with("recording › :quit\n"), "{out}");
    assert!(!out.contains("never") && !out.contains('\x1b'), "{out}");
    assert_eq!(err, "");
    assert!(!home.history().exists(), "a script is no history");
}

#[test]
fn a_script_stops_at_what_cannot_be_done() {
    let home = Home::new();
    let script = b":plan\nnonsense_name\nlet a = 1\n";
    let (status, out, err) = home.script(&["checkout.canary"], script);
    assert_eq!(status, 2);
    assert!(out.contains("nonsense_name") && !out.contains("let a"), "{out}");
    assert!(err.contains("stopped at line 2") && err.contains("--keep-going"), "{err}");
    let (status, out, err) = home.script(&["checkout.canary", "--keep-going"], script);
    assert_eq!((status, err.as_str()), (2, ""));
    assert!(out.contains("recording › let a = 1\n"), "{out}");
    let (status, _, err) = home.script(&["checkout.canary"], b":plan\n\xff\n");
    assert_eq!(status, 2);
    assert!(err.contains("line 2 is no UTF-8 text"), "{err}");
}

#[test]
fn without_a_file_it_is_the_only_policy_of_the_folder() {
    let home = Home::new();
    assert_eq!(home.script(&[], b":plan\n").0, 0);
    std::fs::write(home.0.path().join("other.canary"), "").unwrap();
    let (status, _, err) = home.script(&[], b":plan\n");
    assert_eq!(status, 2);
    assert!(err.contains("checkout.canary, other.canary"), "{err}");
    let (status, _, err) = home.script(&["nowhere.canary"], b":plan\n");
    assert_eq!(status, 2);
    assert!(err.contains("nowhere.canary"), "{err}");
}
