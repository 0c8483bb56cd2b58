//! `canary run --record`: what is recorded, given to the engine once more, comes to what the journal says, to the byte; whatever
//! happened to the process meanwhile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::sim::recording::Happened;
use rustix::process::Signal;
use std::os::unix::process::ExitStatusExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::canary::{Live, Work, of_kind};
use support::page::{Flagged, Page};
use support::recorded::{is_the_run, journal, recording, replayed};
use support::servers::Servers;

const RUN: [&str; 6] = ["run", "checkout.canary", "--env", "page", "--record", "rec.parquet"];
const RESUME: [&str; 7] = ["run", "checkout.canary", "--env", "page", "--record", "rec.parquet", "--resume"];
const LONG: Duration = Duration::from_secs(30);

fn bad_at_half(flag: f64) -> f64 {
    if flag >= 0.5 { 0.2 } else { 0.001 }
}

#[test]
fn a_run_that_is_promoted_and_one_that_is_rolled_back() {
    let f = Flagged::new(|_| 0.001);
    f.work.canary(&RUN).exits(0);
    let r = is_the_run(&f.work, "checkout", "rec.parquet");
    assert!(r.about.writer.starts_with("canary ") && !r.about.incomplete, "{:?}", r.about);
    assert_eq!(r.about.environment.as_deref(), Some("page"));
    assert_eq!((r.about.step, r.about.rollout.as_str(), r.series.len()), (200, "checkout", 1));
    assert!(r.about.run.is_some() && r.about.queries[0].text.contains("error_share"), "{:?}", r.about);
    // a recording is not written over
    f.work.canary(&RUN).exits(3).says("rec.parquet is there already");

    let f = Flagged::new(bad_at_half);
    f.work.canary(&RUN).exits(1);
    let r = is_the_run(&f.work, "checkout", "rec.parquet");
    // observations only
    let text = serde_json::to_string(&r.happened).unwrap();
    assert!(!text.contains("rollback") && !text.contains("breached"), "{text}");
}

/// Killed when a boundary is reached the nth time (1 and 2: raises, 3: the rollback), then resumed.
fn survives(boundary: &str, n: usize) {
    let f = Flagged::new(bad_at_half);
    let mut command = f.work.command(&RUN);
    command.env("CANARY_FAULT", format!("{boundary}:{n}"));
    let killed = Live::of(command).end(LONG);
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    assert!(f.work.path("rec.parquet.part").exists() && !f.work.path("rec.parquet").exists());
    let journalled = of_kind(&f.work.history(), "rollback").len() == 1;
    if n == 3 && !journalled && f.flag() == 0.0 {
        // lowered, and the decision lost: drift, and a person
        let mut live = f.work.start(&RESUME);
        live.until("paused", LONG);
        f.work.canary(&["abort", "checkout"]).exits(0);
        live.end(LONG).exits(4);
    } else {
        f.work.canary(&RESUME).exits(1);
    }
    let r = is_the_run(&f.work, "checkout", "rec.parquet");
    let starts = r.happened.iter().filter(|h| matches!(h, Happened::Start { .. })).count();
    assert_eq!(starts, 1);
    if of_kind(&f.work.history(), "recovered").is_empty() && n > 1 {
        assert!(r.happened.iter().any(|h| matches!(h, Happened::Recovered { .. })), "{:?}", r.happened);
    }
}

#[test]
fn killed_at_the_first_raise() {
    for boundary in ["decided", "recorded", "journalled", "confirmed"] {
        survives(boundary, 1);
    }
}

#[test]
fn killed_at_the_second_raise() {
    for boundary in ["decided", "recorded", "journalled", "performed", "confirmed"] {
        survives(boundary, 2);
    }
}

#[test]
fn killed_at_the_rollback() {
    for boundary in ["decided", "recorded", "journalled", "performed", "confirmed"] {
        survives(boundary, 3);
    }
}

#[test]
fn killed_at_any_time_and_stopped_at_others() {
    let f = Flagged::new(|_| 0.001);
    let args =
        |base: &[&'static str]| -> Vec<&'static str> { base.iter().copied().chain(["--set", "watch=2s"]).collect() };
    let mut live = f.work.start(&args(&RUN));
    live.until("read back checkout = 5%", LONG);
    std::thread::sleep(Duration::from_millis(450));
    live.signal(Signal::KILL);
    drop(live);
    for signal in [Signal::KILL, Signal::TERM] {
        let mut live = f.work.start(&args(&RESUME));
        live.until("goes on", LONG);
        std::thread::sleep(Duration::from_millis(450));
        live.signal(signal);
        let done = live.end(LONG);
        if signal == Signal::TERM {
            done.exits(5).says("rec.parquet").says("--resume");
            assert!(recording(&f.work, "rec.parquet").happened.len() > 3, "what there is so far is written");
            assert!(f.work.path("rec.parquet.part").exists(), "and goes on");
        }
    }
    f.work.canary(&args(&RESUME)).exits(0);
    let r = is_the_run(&f.work, "checkout", "rec.parquet");
    let again = r.happened.iter().filter(|h| matches!(h, Happened::Recovered { .. })).count();
    assert_eq!(again, 3, "{:?}", r.happened);
}

#[test]
fn what_was_not_recorded_is_said_and_never_passed_over() {
    let f = Flagged::new(|_| 0.001);
    let with = |base: &[&'static str], more: &[&'static str]| -> Vec<&'static str> {
        base.iter().copied().chain(["--set", "watch=3s"]).chain(more.iter().copied()).collect()
    };
    let mut live = f.work.start(&with(&RUN, &[]));
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::KILL);
    drop(live);
    // goes on without being recorded
    let mut live = f.work.start(&with(&["run", "checkout.canary", "--env", "page", "--resume"], &[]));
    live.until("goes on", LONG);
    std::thread::sleep(Duration::from_millis(700));
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    f.work
        .canary(&with(&RESUME, &[]))
        .exits(3)
        .says("does not lead to where run")
        .says("another file records from here on");
    // a file of another run
    f.work.canary(&with(&RUN[..4], &["--record", "two.parquet"])).exits(3).says("is not finished");
    let mut live = f.work.start(&with(&RESUME[..4], &["--record", "two.parquet", "--resume"]));
    live.until("begins in the middle of run", LONG);
    live.end(LONG).exits(0);
    let r = recording(&f.work, "two.parquet");
    assert!(!r.happened.iter().any(|h| matches!(h, Happened::Start { .. })));
    assert!(f.work.path("rec.parquet.part").exists(), "what was recorded before is kept");
    f.work.canary(&RUN).exits(3).says("rec.parquet.part holds an unfinished recording of run").says("--resume");
}

/// A run that ended when nobody recorded it: what there is becomes a recording all the same.
#[test]
fn what_was_recorded_of_a_run_that_is_over_is_not_lost() {
    let f = Flagged::new(|_| 0.001);
    let args: Vec<&str> = RUN.iter().copied().chain(["--set", "watch=3s"]).collect();
    let mut live = f.work.start(&args);
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::KILL);
    drop(live);
    f.work.canary(&["abort", "checkout"]).exits(0);
    let args: Vec<&str> = RESUME.iter().copied().chain(["--set", "watch=3s"]).collect();
    f.work.canary(&args).exits(3).says("it ends before the run does").says("which is over, is in rec.parquet");
    let r = recording(&f.work, "rec.parquet");
    assert!(r.about.incomplete && !r.about.writer.contains("incomplete"), "{:?}", r.about);
    let (plan, told) = journal(&f.work, "checkout");
    let again = replayed(&plan, &r);
    assert!(again.len() > 2 && again.len() < told.len());
    assert_eq!(again, told[..again.len()]);
    assert!(!f.work.path("rec.parquet.part").exists());
}

#[test]
fn what_cannot_be_recorded_is_refused_before_anything_is_changed() {
    let f = Flagged::new(|_| 0.001);
    std::fs::create_dir(f.work.path("folder")).unwrap();
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--record", "folder"]).exits(2).says("is a folder");
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--record", "-"]).exits(2).says("name a file");
    f.work
        .canary(&["run", "checkout.canary", "--env", "page", "--record", "no/where"])
        .exits(3)
        .says("cannot be written");
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--record", "x", "--dry-run"]).exits(2);
    let same = ["run", "checkout.canary", "--env", "page", "--record", "x", "--report", "x"];
    f.work.canary(&same).exits(2).says("name the same file");
    assert_eq!(f.flag(), 0.0);
    // no run was begun that would have to be resumed
    f.work.canary(&RUN).exits(0);
}

/// The page that is scraped does not answer for a while: the guards are blind, the run pauses, a person lets it go on.
#[test]
fn an_outage_of_the_metrics_is_recorded_as_it_was() {
    let work = Work::new("flag.canary", &["page"]);
    std::fs::write(work.path("flags.json"), "{\n  \"checkout\": 0\n}\n").unwrap();
    let up = Arc::new(AtomicBool::new(true));
    let answers = Arc::clone(&up);
    let page = Page::start(move || {
        answers.load(Ordering::Relaxed).then(|| String::from("# TYPE error_share gauge\nerror_share 0.001\n"))
    });
    let flags = work.path("flags.json").to_str().unwrap().to_owned();
    let work = work.with("METRICS_URL", page.url()).with("FLAG_FILE", flags);
    let args: Vec<&str> = RUN.iter().copied().chain(["--set", "watch=3s"]).collect();
    let mut live = work.start(&args);
    live.until("read back checkout = 5%", LONG);
    up.store(false, Ordering::Relaxed);
    live.until("paused", LONG);
    up.store(true, Ordering::Relaxed);
    live.until("guard harm ok", LONG);
    work.canary(&["resume", "checkout", "--why", "it is back"]).exits(0);
    live.end(LONG).exits(0);
    let r = is_the_run(&work, "checkout", "rec.parquet");
    // what is scraped answers from the last page, and the engine judges its age
    let age = r.series[0].times.iter().zip(&r.series[0].sampled).map(|(at, sampled)| at - sampled).max();
    assert!(age > Some(1000), "the outage is in it: {age:?}");
    assert!(
        r.happened
            .iter()
            .any(|h| matches!(h, Happened::Operator { act, why, .. } if act == "resume" && why == "it is back"))
    );
}

/// On the lab, with counters and histograms, killed and resumed, with a fault that takes it back.
#[test]
fn a_run_on_the_lab() {
    let work = Work::new("checkout.canary", &[]);
    let args = ["run", "checkout.canary", "--env", "lab", "--record", "rec.parquet", "--fault", "slow=400ms at 50%"];
    let mut live = work.start(&args);
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::KILL);
    drop(live);
    let again: Vec<&str> = args.iter().copied().chain(["--resume"]).collect();
    work.canary(&again).exits(1);
    let r = is_the_run(&work, "checkout", "rec.parquet");
    let questions: Vec<&str> = r.series.iter().map(|s| s.key.question.as_str()).collect();
    assert!(questions.contains(&"increase over 4s") && questions.contains(&"buckets over 4s"), "{questions:?}");
}

/// On a real HAProxy and a real Prometheus that goes away for a while, with a runner that is killed meanwhile.
#[test]
fn a_run_on_real_servers_with_an_outage_and_a_kill() {
    let Some(mut s) = Servers::start() else { return };
    let record = ["--record", "rec.parquet", "--set", "watch=4s", "--set", "blindness=40s"];
    let mut live = s.run(&record);
    live.until("read back checkout = 5%", LONG);
    s.prometheus.stop();
    live.until("blind", LONG);
    live.signal(Signal::KILL);
    drop(live);
    s.prometheus.restart();
    let mut live = s.run(&[&record[..], &["--resume"]].concat());
    live.until("goes on", LONG);
    live.end(Duration::from_secs(60)).exits(0);
    let r = is_the_run(&s.work, "checkout", "rec.parquet");
    assert!(r.series.iter().any(|s| !s.missing.is_empty()), "the outage is in it");
}

/// With a baseline: the answers that the run began with are in it.
#[test]
fn a_baseline_is_recorded_with_the_start() {
    let policy = r#"edition 2026
metric harm: ratio = prometheus(`error_share`, max_age: 1s)
flag checkout: ratio in [0%, 5%]
rollout checkout {
  check every 200ms
  baseline 1s
  guard harm: harm <= before + 5pp  tolerate 400ms  else rollback
  phase taste { flag checkout = 5%  hold 600ms }
}
"#;
    let f = Flagged::new(|_| 0.002);
    std::fs::write(f.work.path("checkout.canary"), policy).unwrap();
    f.work.canary(&RUN).exits(0);
    let r = is_the_run(&f.work, "checkout", "rec.parquet");
    let before = r.series.iter().find(|s| s.key.population == canary::plan::Population::Before).expect("the baseline");
    assert_eq!(before.times, [r.about.from]);
}
