//! What must not hold up a guard: a reader that does not read, a store that somebody keeps locked, a machine that slept, people's
//! words left behind.
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
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};
use support::canary::of_kind;
use support::page::{Dial, Flagged};

const RUN: [&str; 6] = ["run", "checkout.canary", "--env", "page", "--set", "watch=20s"];
const RESUME: [&str; 7] = ["run", "checkout.canary", "--env", "page", "--set", "watch=20s", "--resume"];
const LONG: Duration = Duration::from_secs(20);

/// A flag whose gauge is what the test says.
fn dialled() -> (Flagged, Dial) {
    let dial = Dial::default();
    dial.set(0.001);
    let page = dial.clone();
    (Flagged::new(move |_| page.get()), dial)
}

/// Ends its process when dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn within(what: &str, limit: Duration, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        assert!(begin.elapsed() < limit, "not within {limit:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_reader_that_does_not_read() {
    let (f, dial) = dialled();
    let mut command =
        f.work.command(&["run", "checkout.canary", "--env", "page", "--set", "watch=20s", "--format", "json"]);
    // nobody reads either pipe: fill what the system keeps with a flood of changes of the guard
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let _running = Ended(child);
    within("the flag is raised", LONG, || f.flag() > 0.0);
    let begin = Instant::now();
    let mut up = false;
    while begin.elapsed() < Duration::from_secs(8) {
        // short of the tolerance: each flip is a line of a kilobyte
        dial.set(if up { 0.001 } else { 0.2 });
        up = !up;
        std::thread::sleep(Duration::from_millis(60));
    }
    dial.set(0.2);
    within("rolled back although nobody reads", Duration::from_secs(5), || f.flag() == 0.0);
}

#[test]
fn a_store_that_somebody_keeps_locked() {
    let (f, dial) = dialled();
    let mut live = f.work.start(&RUN);
    live.until("guard harm ok", LONG);
    let store = f.work.path(".canary/store.db");
    let lock = rusqlite::Connection::open(&store).unwrap();
    lock.execute_batch("begin immediate").unwrap();
    dial.set(0.2);
    within("rolled back under the lock", Duration::from_secs(8), || f.flag() == 0.0);
    lock.execute_batch("rollback").unwrap();
    live.end(LONG).exits(1);
    let events = f.work.history();
    assert_eq!(of_kind(&events, "rollback").len(), 1, "what happened under the lock was written behind it");
    f.work.verify();
}

#[test]
fn a_machine_that_slept_does_not_promote_on_what_it_knew_before() {
    let (f, dial) = dialled();
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", "watch=1s"]);
    live.until("guard harm ok", LONG);
    live.signal(Signal::STOP);
    dial.set(0.2);
    std::thread::sleep(Duration::from_secs(3));
    assert_eq!(f.flag(), 0.05);
    live.signal(Signal::CONT);
    live.end(LONG).exits(1);
    let events = f.work.history();
    assert_eq!(of_kind(&events, "entered").len(), 1, "no phase was entered on old answers: {events:#?}");
}

#[test]
fn an_abort_that_nobody_heard_is_obeyed_before_anything_else() {
    let (f, _dial) = dialled();
    let mut live = f.work.start(&RUN);
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::STOP);
    // the runner holds its lease and does not answer
    let unheard = f.work.canary(&["abort", "checkout"]).exits(5);
    assert!(unheard.err.contains("has not answered"), "{}", unheard.err);
    live.signal(Signal::KILL);
    live.end(LONG);
    assert_eq!(f.flag(), 0.05);
    f.work.canary(&RESUME).exits(4);
    assert_eq!(f.flag(), 0.0);
    assert_eq!(of_kind(&f.work.history(), "entered").len(), 1);
}

#[test]
fn a_stop_before_anything_was_changed_changes_nothing() {
    // the page answers late: the stop comes during preflight
    let (f, _dial) = dialled();
    let page = support::page::Page::start(|| {
        std::thread::sleep(Duration::from_millis(1500));
        Some(String::from("# TYPE error_share gauge\nerror_share 0.001\n"))
    });
    let mut command = f.work.command(&RUN);
    command.env("METRICS_URL", page.url());
    let live = support::canary::Live::of(command);
    std::thread::sleep(Duration::from_millis(700));
    live.signal(Signal::INT);
    let done = live.end(LONG);
    assert!(done.status.code() == Some(3) || done.status.code() == Some(5), "{done:?}");
    assert_eq!(f.flag(), 0.0, "nothing was raised");
    f.work.canary(&["status"]).shows("nothing is running");
}
