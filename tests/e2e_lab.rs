//! The real binary on its lab, with the policy that `e2e_servers.rs` runs on real servers.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;
use support::canary::{Done, Work, at, of_kind, words};

/// `check every 1s`
const CHECK: i64 = 1000;

/// Runs on the lab. With what it printed, its events and its report.
fn run(more: &[&str], code: i32) -> (Work, Done, Vec<Value>, Value) {
    let work = Work::new("checkout.canary", &["servers"]);
    let mut args = vec!["run", "checkout.canary", "--env", "lab", "--report", "report.json"];
    args.extend(more);
    let done = work.canary(&args).exits(code);
    work.verify();
    let (events, report) = (work.history(), work.json("report.json"));
    (work, done, events, report)
}

fn read_back(events: &[Value]) -> Vec<f64> {
    of_kind(events, "verified").iter().map(|e| e["read"][0][1]["share"].as_f64().unwrap()).collect()
}

#[test]
fn the_plan_is_the_same_as_on_real_servers() {
    let work = Work::new("checkout.canary", &["servers"]);
    let hashes = |env: &str| {
        let out = work.canary(&["plan", "checkout.canary", "--env", env]).exits(0).out;
        let hash =
            |word: &str| out.lines().find_map(|l| l.strip_prefix(word)).map(|h| h.trim().to_owned()).expect("a hash");
        (hash("plan "), hash("bindings "))
    };
    let (lab, servers) = (hashes("lab"), hashes("servers"));
    assert_eq!(lab.0, servers.0, "what is tried on the lab is what runs on the servers");
    assert_ne!(lab.1, servers.1);
}

#[test]
fn a_healthy_canary_is_promoted() {
    let (_, done, events, report) = run(&[], 0);
    for share in ["5%", "50%", "100%"] {
        assert!(done.out.contains(&format!("read back checkout = {share} after ")), "{}", done.out);
    }
    assert_eq!(read_back(&events), [0.05, 0.5, 1.0]);
    assert_eq!((&report["verdict"], &report["rollback_ms"]), (&json!("promoted"), &json!(null)));
}

/// Taken back because of a guard, from 50 %.
#[track_caller]
fn taken_back(fault: &str, guard: &str) {
    let (work, done, events, report) = run(&["--fault", fault], 1);
    assert_eq!(read_back(&events), [0.05, 0.5, 0.0], "{}", done.out);
    let rollback = of_kind(&events, "rollback")[0];
    assert_eq!(rollback["explanation"]["rule"], guard);
    let half = of_kind(&events, "verified")[1];
    assert!(at(rollback) - at(half) >= 2000, "not before its tolerance");
    let took = report["rollback_ms"].as_i64().unwrap();
    assert!((0..CHECK + 250).contains(&took), "{took} ms from breach to read-back");
    assert!(done.out.contains("read back checkout = 0% after "), "{}", done.out);
    work.canary(&["why", "checkout"]).exits(0).shows(guard);
}

#[test]
fn a_slow_canary_is_taken_back() {
    taken_back("slow=400ms at 50%", "slow");
}

#[test]
fn a_failing_canary_is_taken_back() {
    taken_back("errors=20% at 50%", "errors");
}

/// A canary that cannot be scraped any more is dark, never blind, and taken back when its tolerance is used up.
#[track_caller]
fn dark(fault: &str) {
    let (_, done, events, _) = run(&["--fault", fault, "--set", "patience=3s"], 1);
    assert_eq!(read_back(&events), [0.05, 0.5, 0.0], "{}", done.out);
    let rollback = of_kind(&events, "rollback")[0];
    let guard = rollback["explanation"]["rule"].as_str().unwrap();
    for name in ["errors", "slow"] {
        assert!(words(&events, name).iter().all(|(w, _)| w != "blind"), "{}", done.out);
    }
    let bad = words(&events, guard).into_iter().find(|(w, _)| w == "dark").expect("it is dark before it is breached").1;
    let tolerated = at(rollback) - at(bad);
    assert!((3000..=3000 + CHECK).contains(&tolerated), "rolled back {tolerated} ms after {guard} was dark");
}

#[test]
fn a_crashed_canary_is_dark_and_taken_back() {
    dark("crash at 50%");
}

#[test]
fn a_canary_that_hangs_is_dark_and_taken_back() {
    dark("hang at 50%");
}

#[test]
fn a_killed_run_is_resumed_on_a_new_lab() {
    let work = Work::new("checkout.canary", &[]);
    let mut live = work.start(&["run", "checkout.canary", "--env", "lab"]);
    live.until("read back checkout = 50%", Duration::from_secs(30));
    live.signal(Signal::KILL);
    drop(live);
    work.canary(&["run", "checkout.canary", "--env", "lab"]).exits(3).says("--env lab --resume");
    work.canary(&["run", "checkout.canary", "--env", "lab", "--resume"]).exits(0).shows("read back checkout = 100%");
    let phases: Vec<_> = of_kind(&work.history(), "entered").iter().map(|e| e["phase"].clone()).collect();
    assert_eq!(phases, [json!("taste"), json!("half"), json!("full")]);
    work.verify();
}

#[test]
fn faults_go_with_the_lab_only_and_are_explained() {
    let work = Work::new("checkout.canary", &["servers"]);
    let done = work.canary(&["run", "checkout.canary", "--env", "lab", "--fault", "slw=400ms"]).exits(2);
    done.says("unknown fault `slw`").says("did you mean `slow`?");
    let done = work.canary(&["run", "checkout.canary", "--env", "servers", "--fault", "crash"]).exits(2);
    done.says("--env lab");
    assert!(!work.path(".canary").exists());
}
