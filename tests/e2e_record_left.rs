//! What is hostile to a run's recording: kills while it is written, a side file that is moved away, that another run has taken, or
//! that nobody goes on with because the journal is gone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::plan::Plan;
use canary::sim::recording::Happened;
use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;
use support::canary::{Live, Work};
use support::page::Flagged;
use support::recorded::{Told, is_the_run, journal, recording, replayed};

const RUN: [&str; 6] = ["run", "checkout.canary", "--env", "page", "--record", "rec.parquet"];
const RESUME: [&str; 7] = ["run", "checkout.canary", "--env", "page", "--record", "rec.parquet", "--resume"];
const FINISH: [&str; 8] =
    ["record", "checkout.canary", "--env", "page", "--finish", "rec.parquet.part", "-o", "left.parquet"];
const SLOW: [&str; 2] = ["--set", "watch=3s"];
const LONG: Duration = Duration::from_secs(30);

fn with<'a>(base: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    base.iter().chain(more).copied().collect()
}

/// A run that was killed in its first phase.
fn killed() -> Flagged {
    let f = Flagged::new(|_| 0.001);
    let mut live = f.work.start(&with(&RUN, &SLOW));
    live.until("read back checkout = 5%", LONG);
    std::thread::sleep(Duration::from_millis(450));
    live.signal(Signal::KILL);
    live.end(LONG);
    f
}

/// The journal, which is no more.
fn taken_away(work: &Work) -> (Plan, Vec<Told>) {
    let told = journal(work, "checkout");
    std::fs::remove_dir_all(work.path(".canary")).unwrap();
    told
}

/// A recording holds what the journal said, and at most what came of one input more.
fn begins_with(work: &Work, file: &str, (plan, told): &(Plan, Vec<Told>)) {
    let again = replayed(plan, &recording(work, file));
    assert!(told.len() > 2 && again.len() >= told.len(), "{} and {}", again.len(), told.len());
    assert_eq!(again[..told.len()], told[..]);
    assert!(again[told.len()..].windows(2).all(|w| w[0].0 == w[1].0));
}

#[test]
fn killed_while_the_recording_is_written() {
    for boundary in ["gathered", "written"] {
        let f = Flagged::new(|_| 0.001);
        let mut command = f.work.command(&RUN);
        command.env("CANARY_FAULT", boundary);
        let done = Live::of(command).end(LONG);
        assert_eq!(done.status.signal(), Some(9), "{done:?}");
        assert!(f.work.path("rec.parquet.part").exists());
        // half a file is never in its place
        assert_eq!(f.work.path("rec.parquet").exists(), boundary == "written");
        std::fs::write(f.work.path("rec.parquet.new"), "PAR1 half of").unwrap();
        // without the journal
        f.work.canary(&FINISH).exits(0);
        let (plan, told) = journal(&f.work, "checkout");
        let left = recording(&f.work, "left.parquet");
        assert_eq!(replayed(&plan, &left), told);
        assert!(!left.about.incomplete, "it leads to the end");
        // and with it
        f.work.canary(&RESUME).exits(3).says("which is over, is in rec.parquet");
        is_the_run(&f.work, "checkout", "rec.parquet");
    }
}

#[test]
fn a_side_file_whose_journal_is_gone_becomes_a_recording() {
    let f = killed();
    let told = taken_away(&f.work);
    // it is the last of its run: nothing removes it
    f.work.canary(&with(&RUN, &SLOW)).exits(3).says("--finish rec.parquet.part");
    f.work.canary(&FINISH).exits(2).says("had another plan").says("`--set` of then");
    let done = f.work.canary(&with(&FINISH, &SLOW)).exits(0).says("it ends before run").says("is kept");
    assert!(done.out.contains("1 series"), "{}", done.out);
    assert!(f.work.path("rec.parquet.part").exists());
    begins_with(&f.work, "left.parquet", &told);
    assert!(recording(&f.work, "left.parquet").about.incomplete);
    f.work.canary(&with(&FINISH, &SLOW)).exits(2).says("left.parquet is there already");
    let sim = ["sim", "checkout.canary", "--recording", "left.parquet", "--set", "watch=3s", "--format", "json"];
    let done = f.work.canary(&sim).exits(5);
    let outcome = &serde_json::from_str::<Value>(&done.out).unwrap()["outcome"];
    assert!(outcome["decisions"].as_array().unwrap().len() >= told.1.len());
    // what is none
    std::fs::write(f.work.path("none.part"), "{\"part\":1}\n").unwrap();
    let none = ["record", "checkout.canary", "--env", "page", "--finish", "none.part", "-o", "none.parquet"];
    f.work.canary(&none).exits(2).says("is no side file of a recording");
    let head = std::fs::read_to_string(f.work.path("rec.parquet.part")).unwrap();
    std::fs::write(f.work.path("none.part"), head.lines().next().unwrap().to_owned() + "\n{\"bef").unwrap();
    f.work.canary(&with(&none, &SLOW)).exits(2).says("nothing of it was recorded");
    assert!(!f.work.path("none.parquet").exists());
    f.work.canary(&["record", "checkout.canary", "--env", "page", "--finish", "x", "--from", "1h", "-o", "y"]).exits(2);
}

#[test]
fn a_side_file_that_is_moved_away_is_written_on_and_not_lost() {
    let f = Flagged::new(|_| 0.001);
    let mut live = f.work.start(&with(&RUN, &SLOW));
    live.until("read back checkout = 5%", LONG);
    std::fs::rename(f.work.path("rec.parquet.part"), f.work.path("moved.part")).unwrap();
    live.end(LONG).exits(0).says("rec.parquet.part cannot be read").says("--finish");
    assert!(!f.work.path("rec.parquet").exists());
    let finish = ["record", "checkout.canary", "--env", "page", "--finish", "moved.part", "-o", "rec.parquet"];
    f.work.canary(&with(&finish, &SLOW)).exits(0);
    is_the_run(&f.work, "checkout", "rec.parquet");
}

/// Two runs to one file, by the hand of somebody who removes what is in the way of the second one.
#[test]
fn a_side_file_that_is_another_runs_by_now_is_left_to_it() {
    let (one, two) = (Flagged::new(|_| 0.001), Flagged::new(|_| 0.001));
    let file = one.work.path("rec.parquet").to_str().unwrap().to_owned();
    let to = |base: &[&'static str]| -> Vec<String> {
        base.iter().map(|a| if *a == "rec.parquet" { file.clone() } else { (*a).to_owned() }).collect()
    };
    let run = to(&with(&RUN, &SLOW));
    let run: Vec<&str> = run.iter().map(String::as_str).collect();
    let mut first = one.work.start(&run);
    first.until("read back checkout = 5%", LONG);
    two.work.canary(&run).exits(3).says("holds an unfinished recording of run");
    std::fs::remove_file(format!("{file}.part")).unwrap();
    let mut second = two.work.start(&run);
    second.until("read back checkout = 5%", LONG);
    first.end(LONG).exits(0).says("is of run");
    second.end(LONG).exits(0);
    // the second one's, whole
    std::fs::copy(&file, two.work.path("rec.parquet")).unwrap();
    is_the_run(&two.work, "checkout", "rec.parquet");
    // and a recording of somebody else's that came meanwhile is not written over
    let one = Flagged::new(|_| 0.001);
    let file = one.work.path("rec.parquet");
    let mut third = one.work.start(&with(&RUN, &SLOW));
    third.until("read back checkout = 5%", LONG);
    std::fs::copy(two.work.path("rec.parquet"), &file).unwrap();
    third.end(LONG).exits(0).says("is something else by now");
    assert_eq!(std::fs::read(&file).unwrap(), std::fs::read(two.work.path("rec.parquet")).unwrap());
    assert!(one.work.path("rec.parquet.part").exists());
}

/// What the runner was told it has written down, but the journal never got it: another process takes the run back.
#[test]
fn what_another_process_has_done_again_stands_once() {
    let f = Flagged::new(|_| 0.001);
    let mut command = f.work.command(&with(&RUN, &SLOW));
    // 1 is the first phase, 2 what is said below
    command.env("CANARY_FAULT", "recorded:2");
    let mut live = Live::of(command);
    live.until("read back checkout = 5%", LONG);
    std::thread::sleep(Duration::from_millis(450));
    // said to the runner, which falls over it
    let said = f.work.start(&["abort", "checkout"]);
    assert_eq!(live.end(LONG).status.signal(), Some(9));
    drop(said);
    f.work.canary(&["abort", "checkout"]).exits(0);
    let (plan, told) = journal(&f.work, "checkout");
    let side = canary::runtime::recorder::read(&f.work.path("rec.parquet.part")).unwrap();
    let last = side.lines.last().unwrap().happened.clone();
    assert!(matches!(&last, Happened::Operator { act, .. } if act == "abort"), "{last:?}");
    f.work.canary(&with(&RESUME, &SLOW)).exits(3).says("it ends before the run does");
    let again = replayed(&plan, &recording(&f.work, "rec.parquet"));
    assert!(again.len() > 2 && again.len() < told.len());
    assert_eq!(again, told[..again.len()]);
}
