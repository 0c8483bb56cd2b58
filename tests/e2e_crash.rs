//! A run that is killed, stopped, taken over: the real binary, a flag in a file, a metrics page.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;
use support::canary::{Live, at, of_kind};
use support::page::{Flagged, Watched};

const RUN: [&str; 4] = ["run", "checkout.canary", "--env", "page"];
const RESUME: [&str; 5] = ["run", "checkout.canary", "--env", "page", "--resume"];
const LONG: Duration = Duration::from_secs(20);

/// The gauge turns bad when the flag stands at 50 %.
fn bad_at_half(flag: f64) -> f64 {
    if flag >= 0.5 { 0.2 } else { 0.001 }
}

fn always_good(_: f64) -> f64 {
    0.001
}

fn share(text: &Value) -> f64 {
    // settings are written as the engine keeps them: {"share": 0.05}
    text["share"].as_f64().unwrap()
}

/// What the journal allows the flag to be at most at a time, and what it demands after a rollback.
fn allowed(events: &[Value], time: i64) -> f64 {
    let mut most: f64 = 0.0;
    for e in events.iter().filter(|e| at(e) <= time) {
        match e["kind"].as_str().unwrap() {
            "entered" => most = share(&e["settings"][0][1]),
            // the old value may be seen until the rollback is read back
            "verified" => most = share(&e["read"][0][1]),
            _ => {}
        }
    }
    most
}

/// Never above what the journal allowed, and never up again after it went down.
fn exposure_was_in_order(events: &[Value], seen: &[(i64, f64)]) {
    for (time, value) in seen {
        let most = allowed(events, *time);
        assert!(*value <= most + 1e-9, "{value} at {time}, allowed {most}\nseen: {seen:?}\n{events:#?}");
    }
    let peak = seen.iter().position(|(_, v)| *v == seen.iter().map(|(_, v)| *v).fold(0.0, f64::max)).unwrap();
    assert!(seen[..=peak].is_sorted_by(|a, b| a.1 < b.1), "{seen:?}");
    assert!(seen[peak..].is_sorted_by(|a, b| a.1 > b.1), "{seen:?}");
}

fn entered(events: &[Value]) -> Vec<&str> {
    of_kind(events, "entered").into_iter().map(|e| e["phase"].as_str().unwrap()).collect()
}

/// Kills the run at the `n`th time that it reaches a boundary (1: the first raise, 2: the second, 3: the rollback), looks at
/// what it left behind, resumes it, and compares with what an uninterrupted run comes to.
fn survives(boundary: &str, n: usize) {
    let f = Flagged::new(bad_at_half);
    let seen = Watched::start(f.file.clone());
    let mut command = f.work.command(&RUN);
    command.env("CANARY_FAULT", format!("{boundary}:{n}"));
    let killed = Live::of(command).end(LONG);
    assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
    assert!(killed.err.contains(&format!("fault: killed at {boundary} #{n}\n")), "{}", killed.err);

    let left = f.work.history();
    let journalled = n == of_kind(&left, "entered").len() + of_kind(&left, "rollback").len();
    let confirmed = of_kind(&left, "verified").len() == n;
    let (before, after) = [(0.0, 0.05), (0.05, 0.5), (0.5, 0.0)][n - 1];
    match boundary {
        "decided" => assert_eq!((journalled, confirmed, f.flag()), (false, false, before)),
        // lowering does not wait for the journal: it may be done already, or not yet
        "journalled" if n == 3 => assert_eq!((journalled, confirmed), (true, false)),
        "journalled" => assert_eq!((journalled, confirmed, f.flag()), (true, false, before)),
        "performed" if n == 3 => assert_eq!((confirmed, f.flag()), (false, after)),
        "performed" => assert_eq!((journalled, confirmed, f.flag()), (true, false, after)),
        "confirmed" => assert_eq!((journalled, confirmed, f.flag()), (true, true, after)),
        other => panic!("{other}"),
    }
    f.work.verify();

    if boundary == "performed" && n == 3 && !journalled {
        // The rollback was carried out and its decision was lost with the process: the flag is down and the journal says 50 %.
        // That is read as a change by somebody else: it waits for a person, and nothing goes up.
        let mut live = f.work.start(&RESUME);
        live.until("drift: checkout was read as 0%, asked for was 50%", LONG);
        live.until("paused", LONG);
        assert_eq!(f.flag(), 0.0);
        f.work.canary(&["abort", "checkout"]).exits(0);
        live.end(LONG).exits(4);
        assert_eq!(f.flag(), 0.0);
        return;
    }

    let resumed = f.work.canary(&RESUME).exits(1);
    assert_eq!(f.flag(), 0.0);
    let events = f.work.history();
    assert_eq!(entered(&events), ["taste", "half"], "{}", resumed.out);
    assert_eq!(of_kind(&events, "rollback").len(), 1);
    assert_eq!(of_kind(&events, "finished").last().unwrap()["verdict"], "rolled_back");
    assert_eq!(events[..left.len()], left[..], "what was journalled before the kill is kept");
    if n == 3 && journalled {
        // an unfinished rollback is finished before anything else: no check, no guard before the read-back; what was confirmed
        // is over
        let next: Vec<&str> = events[left.len()..].iter().map(|e| e["kind"].as_str().unwrap()).take(2).collect();
        let expected: &[&str] = if confirmed { &[] } else { &["verified", "finished"] };
        assert_eq!(next, expected);
    }
    exposure_was_in_order(&events, &seen.end());
    f.work.verify();
}

#[test]
fn killed_when_the_first_raise_was_decided() {
    survives("decided", 1);
}

#[test]
fn killed_when_the_first_raise_was_journalled() {
    survives("journalled", 1);
}

#[test]
fn killed_when_the_first_raise_was_performed() {
    survives("performed", 1);
}

#[test]
fn killed_when_the_first_raise_was_confirmed() {
    survives("confirmed", 1);
}

#[test]
fn killed_when_the_second_raise_was_decided() {
    survives("decided", 2);
}

#[test]
fn killed_when_the_second_raise_was_journalled() {
    survives("journalled", 2);
}

#[test]
fn killed_when_the_second_raise_was_performed() {
    survives("performed", 2);
}

#[test]
fn killed_when_the_second_raise_was_confirmed() {
    survives("confirmed", 2);
}

#[test]
fn killed_when_the_rollback_was_decided() {
    survives("decided", 3);
}

#[test]
fn killed_when_the_rollback_was_journalled() {
    survives("journalled", 3);
}

#[test]
fn killed_when_the_rollback_was_performed() {
    survives("performed", 3);
}

#[test]
fn killed_when_the_rollback_was_confirmed() {
    survives("confirmed", 3);
}

#[test]
fn without_interruption_it_comes_to_the_same() {
    let f = Flagged::new(bad_at_half);
    let seen = Watched::start(f.file.clone());
    let done = f.work.canary(&RUN).exits(1).shows("read back checkout = 5%").shows("read back checkout = 50%");
    assert!(done.out.contains("guard harm breached"), "{}", done.out);
    let events = f.work.history();
    assert_eq!(entered(&events), ["taste", "half"]);
    exposure_was_in_order(&events, &seen.end());
    let f = Flagged::new(always_good);
    f.work.canary(&RUN).exits(0);
    assert_eq!(f.flag(), 0.5);
}
