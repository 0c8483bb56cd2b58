//! Commands as actions and as ports: real processes, their groups, their output.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::backend::command::CommandRunner;
use canary::backend::command_port::CommandPort;
use canary::backend::flag::FlagKind;
use canary::backend::{ActionOutcome, Port, Runner};
use canary::plan::Setting;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(30);

fn list(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| (*w).to_owned()).collect()
}

/// Written by another process: a file that this one has open for writing while another test forks cannot be run ("text file
/// busy").
fn script(folder: &Path, name: &str, text: &str) {
    let status = Command::new("sh")
        .args(["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh", name, text])
        .current_dir(folder)
        .status();
    assert!(status.unwrap().success());
}

async fn sh(folder: &Path, text: &str, timeout: Duration) -> ActionOutcome {
    CommandRunner::new(list(&["sh", "-c", text]), folder).run(timeout, &[]).await
}

/// Whether a process is there and is not a zombie.
fn lives(pid: &str) -> bool {
    std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
        .is_ok_and(|s| !s.rsplit(") ").next().unwrap().starts_with('Z'))
}

fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "not within 10s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[tokio::test]
async fn output_comes_in_order_with_the_folder_and_the_variables() {
    let folder = tempfile::tempdir().unwrap();
    script(
        folder.path(),
        "smoke.sh",
        "#!/bin/sh\necho one; echo two >&2; echo three; echo \"$1 $CANARY_PHASE\"; pwd; cat; exit 3\n",
    );
    let runner = CommandRunner::new(list(&["./smoke.sh", "a b; exit 0"]), folder.path());
    let vars = [("CANARY_PHASE".to_owned(), "half".to_owned())];
    let outcome = runner.run(LONG, &vars).await;
    let here = folder.path().canonicalize().unwrap();
    assert_eq!(
        outcome,
        ActionOutcome {
            ok: false,
            how: "exit status 3".into(),
            output: format!("one\ntwo\nthree\na b; exit 0 half\n{}\n", here.display()),
        }
    );
    assert!(sh(folder.path(), "true", LONG).await.ok);
    let killed = sh(folder.path(), "kill -9 $$", LONG).await;
    assert_eq!((killed.ok, killed.how.as_str()), (false, "ended by signal 9"));
}

#[tokio::test]
async fn files_that_cannot_be_run_say_why() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("plain.sh"), "#!/bin/sh\n").unwrap();
    script(folder.path(), "headless", "\u{7f}nothing that a kernel knows\n");
    script(folder.path(), "lost", "#!/no/such/shell\n");
    for (program, how) in [
        ("./plain.sh", "cannot start ./plain.sh: Permission denied (is it executable?)"),
        ("./headless", "cannot start ./headless: Exec format error (does its first line begin with `#!`?)"),
        ("./lost", "cannot start ./lost: No such file or directory"),
    ] {
        let outcome = CommandRunner::new(list(&[program]), folder.path()).run(LONG, &[]).await;
        assert_eq!((outcome.ok, outcome.how.as_str()), (false, how));
    }
}

#[tokio::test]
async fn much_output_is_cut_and_odd_bytes_are_kept() {
    let here = std::env::temp_dir();
    let outcome = sh(&here, "i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done", LONG).await;
    assert!(outcome.ok);
    assert!(outcome.output.starts_with('[') && outcome.output.ends_with("line 19999\n"));
    let (note, kept) = outcome.output.split_once('\n').unwrap();
    assert!(note.ends_with("bytes before this are not kept]"), "{note}");
    assert_eq!(kept.len(), 64 * 1024);
    let odd = sh(&here, r"printf 'a\377b'", LONG).await;
    assert_eq!(odd.output, "a\u{fffd}b");
}

#[tokio::test]
async fn a_timeout_ends_the_whole_group_politely_first() {
    let here = std::env::temp_dir();
    let start = Instant::now();
    let outcome = sh(&here, "trap 'echo bye; exit 0' TERM; sleep 60 & echo $!; wait", Duration::from_millis(300)).await;
    assert_eq!((outcome.ok, outcome.how.as_str()), (false, "timed out after 300ms"));
    let (pid, rest) = outcome.output.split_once('\n').unwrap();
    assert_eq!(rest, "bye\n");
    assert!(start.elapsed() < Duration::from_secs(2), "TERM was enough");
    assert!(!lives(pid));
}

#[tokio::test]
async fn who_does_not_listen_is_killed() {
    let here = std::env::temp_dir();
    let start = Instant::now();
    // an ignored signal is ignored by its children, too
    let outcome = sh(&here, "trap '' TERM; echo $$; sleep 61 & echo $!; wait", Duration::from_millis(200)).await;
    assert_eq!(outcome.how, "timed out after 200ms");
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(5), "{took:?}");
    for pid in outcome.output.lines() {
        eventually("killed", || !lives(pid));
    }
}

#[tokio::test]
async fn what_is_left_running_is_ended_and_not_waited_for() {
    let here = std::env::temp_dir();
    let start = Instant::now();
    // the grandchild keeps the pipe open
    let outcome = sh(&here, "sleep 62 & echo $!", LONG).await;
    assert!(outcome.ok);
    assert_eq!(outcome.how, "exit status 0 (what it left running was ended)");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    eventually("ended", || !lives(&outcome.output));
    // this one does not hold the pipe
    let outcome = sh(&here, "sleep 63 >/dev/null 2>&1 & echo $!", LONG).await;
    assert!(outcome.ok);
    eventually("ended", || !lives(&outcome.output));
}

#[tokio::test]
async fn one_that_left_the_group_with_the_pipe_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let outcome = sh(folder.path(), "setsid sleep 8 & sleep 0.1; echo done", LONG).await;
    assert!(outcome.ok, "{outcome:?}");
    assert!(outcome.output.starts_with("done"));
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_dropped_run_kills_the_group() {
    let folder = tempfile::tempdir().unwrap();
    let pids = folder.path().join("pids");
    {
        let runner = CommandRunner::new(
            list(&["sh", "-c", "sleep 64 & echo $$ $! >pids.tmp; mv pids.tmp pids; wait"]),
            folder.path(),
        );
        let run = runner.run(LONG, &[]);
        tokio::pin!(run);
        while !pids.exists() {
            let _ = tokio::time::timeout(Duration::from_millis(10), &mut run).await;
        }
    }
    let text = std::fs::read_to_string(&pids).unwrap();
    for pid in text.split_whitespace() {
        eventually("killed", || !lives(pid));
    }
}

fn port(folder: &Path, read: Option<&str>) -> CommandPort {
    CommandPort::new(FlagKind::Ratio, list(&["./lb", "split", "${percent}"]), list(&["./lb", "show"]), read, folder)
        .unwrap()
}

#[tokio::test]
async fn a_port_is_set_and_read_by_commands() {
    let folder = tempfile::tempdir().unwrap();
    script(
        folder.path(),
        "lb",
        "#!/bin/sh
case $1 in
split) echo \"{\\\"pools\\\": [{\\\"canary\\\": $2}]}\" >state ;;
show) echo 'a remark' >&2; cat state ;;
esac
",
    );
    let edge = port(folder.path(), Some("$.pools[0].canary"));
    let e = edge.read().await.unwrap_err();
    assert!(e.transient, "{e}");
    assert!(e.message.starts_with("./lb show: exit status 1: cat: state: "), "{e}");
    for share in [0.05, 0.005, 1.0, 0.0, 0.07] {
        edge.set(Setting::Share(share)).await.unwrap();
        assert!(edge.read().await.unwrap().same(Setting::Share(share)), "{share}");
    }
    let bare = port(folder.path(), None);
    assert!(bare.read().await.unwrap_err().message.contains("a percentage from 0 to 100 was expected"));
    std::fs::write(folder.path().join("state"), "12.5\n").unwrap();
    assert_eq!(bare.read().await, Ok(Setting::Share(0.125)));
    std::fs::remove_file(folder.path().join("lb")).unwrap();
    let e = bare.set(Setting::Share(0.5)).await.unwrap_err();
    assert!(e.message.ends_with("cannot start ./lb: No such file or directory") && !e.transient, "{e}");
}
