//! The real binary on a real HAProxy, a real Prometheus, and two real services under load. The policy is the one that
//! `e2e_lab.rs` runs on the lab.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use serde_json::json;
use std::time::Duration;
use support::canary::{at, of_kind, words};
use support::page::now;
use support::servers::Servers;

const LONG: Duration = Duration::from_secs(30);
/// `check every 1s`
const CHECK: i64 = 1000;

#[test]
fn a_healthy_canary_is_promoted() {
    let Some(s) = Servers::start() else { return };
    let seen = s.haproxy.watch();
    let mut live = s.run(&["--report", "report.json"]);
    for (line, share) in
        [("read back checkout = 5%", 5.0), ("read back checkout = 50%", 50.0), ("read back checkout = 100%", 100.0)]
    {
        live.until(line, LONG);
        assert_eq!(s.haproxy.share(), share, "what HAProxy itself says when `{line}` is printed");
    }
    live.end(LONG).exits(0).shows("phase taste passed").shows("phase half passed").shows("promoted");
    assert_eq!(s.haproxy.share(), 100.0);
    assert_eq!(seen.values(), [0.0, 5.0, 50.0, 100.0]);

    let events = s.work.history();
    let read: Vec<_> = of_kind(&events, "verified").iter().map(|e| e["read"][0].clone()).collect();
    let share = |v: f64| json!(["checkout", { "share": v }]);
    assert_eq!(read, [share(0.05), share(0.5), share(1.0)]);
    assert!(of_kind(&events, "rollback").is_empty());
    let report = s.work.json("report.json");
    assert_eq!((&report["verdict"], &report["rollback_ms"]), (&json!("promoted"), &json!(null)));
    assert_eq!(report["exposure"]["after"], json!({ "checkout": { "share": 1.0 } }));
    s.work.verify();
}

#[test]
fn a_canary_that_turns_slow_is_taken_back() {
    let Some(s) = Servers::start() else { return };
    let seen = s.haproxy.watch();
    let mut live = s.run(&["--report", "report.json", "--set", "watch=3s"]);
    live.until("read back checkout = 50%", LONG);
    s.v2.fault(&json!({ "latency_ms": 400 }));
    live.until("rollback: guard slow breached", LONG);
    live.until("read back checkout = 0% after ", LONG);
    assert_eq!(s.haproxy.share(), 0.0);
    live.end(LONG).exits(1);
    assert_eq!(seen.values(), [0.0, 5.0, 50.0, 0.0]);

    let events = s.work.history();
    let rollback = of_kind(&events, "rollback")[0];
    assert_eq!(rollback["explanation"]["rule"], "slow");
    let half = of_kind(&events, "verified")[1];
    assert!(at(rollback) - at(half) >= 2000, "not before its tolerance");
    let report = s.work.json("report.json");
    assert_eq!(report["verdict"], "rolled_back");
    let took = report["rollback_ms"].as_i64().unwrap();
    assert!((0..CHECK + 250).contains(&took), "{took} ms from breach to read-back");
    s.work.canary(&["why", "checkout"]).exits(0).shows("slow").shows("share(latency < slow) >= 90%");
    s.work.verify();
}

#[test]
fn without_prometheus_nothing_moves() {
    let Some(mut s) = Servers::start() else { return };
    let seen = s.haproxy.watch();
    let mut live = s.run(&["--set", "watch=3s"]);
    live.until("read back checkout = 50%", LONG);
    s.prometheus.stop();
    let stopped = now();
    live.until("paused: no data for checkout", LONG);
    let events = s.work.history();
    let paused = of_kind(&events, "paused")[0];
    for guard in ["errors", "slow"] {
        let (word, blind) = words(&events, guard).pop().unwrap();
        assert_eq!(word, "blind", "{guard}");
        assert!(at(blind) - stopped <= 2 * CHECK, "{guard} is blind at once");
        // `no data tolerate 4s`, counted from the first blind check
        let after = at(paused) - at(blind);
        assert!((4000..=4000 + 2 * CHECK).contains(&after), "paused {after} ms after {guard} was blind");
    }
    s.work.canary(&["status"]).exits(0).shows("paused since").shows("blind");
    assert_eq!(seen.values(), [0.0, 5.0, 50.0]);

    s.prometheus.restart();
    live.until("guard slow ok", LONG);
    let before = live.out().matches("guard slow ok").count();
    assert!(before >= 1);
    assert_eq!(s.haproxy.share(), 50.0, "the pause is latched: seeing again is not enough");
    s.work.canary(&["resume", "checkout"]).exits(0).shows("resumed");
    live.end(LONG).exits(0).shows("promoted");
    assert_eq!(seen.values(), [0.0, 5.0, 50.0, 100.0]);
    let events = s.work.history();
    assert_eq!(of_kind(&events, "paused").len(), 1);
    assert_eq!(of_kind(&events, "entered").len(), 3);
    s.work.verify();
}

#[test]
fn a_canary_that_is_killed_is_dark_and_taken_back() {
    let Some(mut s) = Servers::start() else { return };
    let seen = s.haproxy.watch();
    let mut live = s.run(&["--set", "watch=20s", "--set", "patience=3s"]);
    live.until("guard slow ok", LONG);
    s.v2.kill();
    let killed = now();
    live.until("read back checkout = 0% after ", LONG);
    live.end(LONG).exits(1);
    assert_eq!(seen.values(), [0.0, 5.0, 0.0]);

    let events = s.work.history();
    let rollback = of_kind(&events, "rollback")[0];
    let guard = rollback["explanation"]["rule"].as_str().unwrap();
    for name in ["errors", "slow"] {
        assert!(
            words(&events, name).iter().all(|(w, _)| w != "blind"),
            "the source answers for v1: {name} is not blind"
        );
    }
    let dark =
        words(&events, guard).into_iter().find(|(w, _)| w == "dark").expect("it is dark before it is breached").1;
    // a sample is good for four scrapes; it takes a scrape to notice and a check to see
    let noticed = at(dark) - killed;
    assert!((0..=4000 + 2 * CHECK).contains(&noticed), "dark {noticed} ms after the kill");
    let tolerated = at(rollback) - at(dark);
    assert!((3000..=3000 + CHECK).contains(&tolerated), "rolled back {tolerated} ms after {guard} was dark");
    s.work.canary(&["why", "checkout"]).exits(0).shows(guard).shows("dark");
    s.work.verify();
}
