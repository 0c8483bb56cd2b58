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

use rustix::process::Signal;
use serde_json::Value;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};
use support::canary::{Live, at, of_kind};
use support::page::{Dial, Flagged, Watched};

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

/// A run that is watched for long enough to be disturbed.
fn long(f: &Flagged) -> Live {
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=20s"]);
    live.until("read back checkout = 5%", LONG);
    live
}

#[test]
fn a_signal_keeps_the_state_and_says_how_to_go_on() {
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        let f = Flagged::new(always_good);
        let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=2s"]);
        live.until("guard harm ok", LONG);
        live.signal(signal);
        let done = live.end(LONG).exits(5);
        assert!(
            done.err.contains("canary run checkout.canary --env page --set watch=2s --resume"),
            "{signal:?}: {}",
            done.err
        );
        let done = done.says("canary abort checkout").says("by hand:");
        assert!(done.err.contains(f.file.to_str().unwrap()), "the line for a person names the file: {}", done.err);
        assert_eq!(f.flag(), 0.05);
        // without the `--set` it is another plan
        let refused = f.work.canary(&RESUME).exits(3).says("began with another policy");
        refused.says("the plan (").says("canary abort checkout");
        assert_eq!(f.flag(), 0.05);
        let mut resume = RESUME.to_vec();
        resume.extend(["--set", "watch=2s"]);
        f.work.canary(&resume).exits(0).shows("promoted");
        assert_eq!(entered(&f.work.history()), ["taste", "half"]);
        assert_eq!(f.flag(), 0.5);
        f.work.verify();
    }
}

/// A run whose rollback cannot be carried out: where the flag file was there is a folder. With the file's text.
fn stuck_in_rollback() -> (Flagged, Live, Vec<u8>) {
    let harm = Dial::default();
    let shown = harm.clone();
    let f = Flagged::new(move |_| shown.get());
    let mut live = long(&f);
    let kept = std::fs::read(&f.file).unwrap();
    std::fs::remove_file(&f.file).unwrap();
    std::fs::create_dir(&f.file).unwrap();
    harm.set(0.2);
    live.until("rollback: guard harm breached", LONG);
    live.until("settings do not hold yet (attempt 1)", LONG);
    (f, live, kept)
}

#[test]
fn the_second_ctrl_c_ends_at_once() {
    // a rollback that cannot be carried out keeps the first one waiting
    let (f, mut live, kept) = stuck_in_rollback();
    live.signal(Signal::INT);
    live.until("settings do not hold yet (attempt 3)", LONG);
    let asked = Instant::now();
    live.signal(Signal::INT);
    live.end(LONG).exits(5).says("ended at once");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
    // the rollback goes on with the next runner
    std::fs::remove_dir(&f.file).unwrap();
    std::fs::write(&f.file, kept).unwrap();
    let mut resume = RESUME.to_vec();
    resume.extend(["--set", "watch=20s"]);
    f.work.canary(&resume).exits(1);
    assert_eq!(f.flag(), 0.0);
    f.work.verify();
}

#[test]
fn a_stop_waits_for_a_rollback_under_way() {
    let (f, live, kept) = stuck_in_rollback();
    live.signal(Signal::TERM);
    std::fs::remove_dir(&f.file).unwrap();
    std::fs::write(&f.file, kept).unwrap();
    live.end(LONG).exits(1).shows("read back checkout = 0%");
    assert_eq!(f.flag(), 0.0);
}

#[test]
fn abort_without_a_runner_takes_it_back_itself() {
    let f = Flagged::new(always_good);
    let live = long(&f);
    live.signal(Signal::KILL);
    drop(live);
    f.work.canary(&["status"]).exits(0).shows("none").shows("canary abort checkout");
    f.work.canary(&["pause", "checkout"]).exits(3).says("no runner is alive").says("--resume");
    let done = f.work.canary(&["abort", "checkout", "--why", "enough"]).exits(0);
    let done = done.shows("aborted by tester@").shows(": enough").shows("read back checkout = 0%");
    assert!(!done.out.contains("read back checkout = 5%"), "{}", done.out);
    assert_eq!(f.flag(), 0.0);
    let events = f.work.history();
    assert_eq!(of_kind(&events, "finished")[0]["verdict"], "aborted");
    f.work.verify();
    f.work.canary(&["abort", "checkout"]).exits(3).says("is over: aborted");
    f.work.canary(&RESUME).exits(3).says("no unfinished run to resume");
    // and nothing stands in the way of the next one
    f.work.canary(&RUN).exits(0);
}

#[test]
fn abort_before_anything_was_journalled_just_ends_it() {
    let f = Flagged::new(always_good);
    let mut command = f.work.command(&RUN);
    command.env("CANARY_FAULT", "decided:1");
    assert_eq!(Live::of(command).end(LONG).status.signal(), Some(9));
    f.work.canary(&RUN).exits(3).says("--resume");
    f.work.canary(&["abort", "checkout"]).exits(0).shows("aborted before it had changed anything");
    f.work.canary(&RUN).exits(0);
}

#[test]
fn abort_with_a_live_runner_is_done_by_it() {
    let f = Flagged::new(always_good);
    let live = long(&f);
    let done = f.work.canary(&["abort", "checkout", "--why", "enough"]).exits(0);
    done.shows("rolling back").shows(": aborted");
    assert_eq!(f.flag(), 0.0);
    let ended = live.end(LONG).exits(4);
    assert!(ended.out.contains("aborted by tester@"), "{}", ended.out);
    assert_eq!(of_kind(&f.work.history(), "rollback")[0]["explanation"]["kind"], "person");
}

#[test]
fn pause_and_resume_from_another_process() {
    let f = Flagged::new(always_good);
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=1s"]);
    live.until("read back checkout = 5%", LONG);
    f.work.canary(&["pause", "checkout", "--why", "lunch"]).exits(0).shows("paused");
    f.work.canary(&["pause", "checkout"]).exits(0).shows("it was paused already");
    f.work.canary(&["status"]).exits(0).shows("paused since").shows("lunch");
    // longer than both phases would take: a paused run stays where it is, its guards go on
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(f.flag(), 0.05);
    assert_eq!(entered(&f.work.history()), ["taste"]);
    f.work.canary(&["resume", "checkout"]).exits(0).shows("resumed");
    live.end(LONG).exits(0);
    let events = f.work.history();
    let who = of_kind(&events, "resumed")[0]["who"].as_str().unwrap().to_owned();
    assert!(who.starts_with("tester@"), "{who}");
    assert_eq!(entered(&events), ["taste", "half"]);
}

#[test]
fn a_paused_run_still_rolls_back() {
    let harm = Dial::default();
    let shown = harm.clone();
    let f = Flagged::new(move |_| shown.get());
    let live = long(&f);
    f.work.canary(&["pause", "checkout"]).exits(0);
    harm.set(0.2);
    live.end(LONG).exits(1);
    assert_eq!(f.flag(), 0.0);
}

#[test]
fn one_rollout_has_one_runner() {
    let f = Flagged::new(always_good);
    let live = long(&f);
    let holder = format!("pid {} on ", live.pid());
    for args in [&RUN[..], &RESUME[..]] {
        f.work.canary(args).exits(3).says(&holder).says("canary status");
    }
    f.work.canary(&["status"]).exits(0).shows(&holder);
    assert_eq!(f.flag(), 0.05);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    // nobody holds it now, but it is not over
    f.work
        .canary(&RUN)
        .exits(3)
        .says("canary run checkout.canary --env page --set watch=20s --resume")
        .says("canary abort checkout");
    assert_eq!(f.flag(), 0.05);
}

#[test]
fn drift_pauses_and_resume_sets_it_right() {
    let f = Flagged::new(always_good);
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=1s"]);
    live.until("read back checkout = 5%", LONG);
    std::fs::write(&f.file, "{ \"checkout\": 1 }").unwrap();
    live.until("drift: checkout was read as 1%, asked for was 5%", LONG);
    live.until("paused", LONG);
    f.work.canary(&["resume", "checkout"]).exits(0);
    live.end(LONG).exits(0);
    assert_eq!(f.flag(), 0.5);
}

/// How the original was written is kept with the run: another process puts it back to the byte.
#[test]
fn the_spelling_of_the_original_outlives_its_process() {
    for (fault, then, code) in [("confirmed:2", &RESUME[..], 1), ("confirmed:1", &["abort", "checkout"][..], 0)] {
        let f = Flagged::new(bad_at_half);
        let original = "{\r\n\t\"theirs\": [ 1,2 ],   \"checkout\" : 0.00e1 }";
        std::fs::write(&f.file, original).unwrap();
        let mut command = f.work.command(&RUN);
        command.env("CANARY_FAULT", fault);
        let killed = Live::of(command).end(LONG);
        assert_eq!(killed.status.signal(), Some(9), "{killed:?}");
        assert!(f.flag() > 0.0);
        f.work.canary(then).exits(code);
        assert_eq!(std::fs::read_to_string(&f.file).unwrap(), original);
    }
}
