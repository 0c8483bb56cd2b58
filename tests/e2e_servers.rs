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

use rustix::process::Signal;
use serde_json::json;
use std::time::Duration;
use support::canary::{Work, at, of_kind, words};
use support::page::{Dial, Page, flag, now};
use support::servers::{Prometheus, Servers, settled};

const LONG: Duration = Duration::from_secs(30);
/// `check every 1s`
const CHECK: i64 = 1000;

#[test]
fn two_weights_set_one_after_the_other_are_one_change() {
    let seen = [(0, 0.0), (9_000, 5.0), (12_000, 34.4828), (12_010, 50.0), (15_000, 0.0)];
    assert_eq!(settled(&seen), [0.0, 5.0, 50.0, 0.0]);
    // more than what was asked for, if only for a moment, is never left out; nor is what stands
    assert_eq!(settled(&[(0, 5.0), (10, 60.0), (20, 50.0)]), [5.0, 60.0, 50.0]);
    assert_eq!(settled(&[(0, 0.0), (10, 5.0), (3_000, 50.0)]), [0.0, 5.0, 50.0]);
}

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
    // the sampler may have looked last just before the read-back
    support::eventually("weight 0 is seen from outside", || seen.values().len() > 2);
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

#[test]
fn a_window_longer_than_max_age_does_not_hide_a_death() {
    let Some(mut s) = Servers::start() else { return };
    let policy = s.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    // Prometheus goes on answering from the samples in these twenty seconds
    std::fs::write(&policy, text.replace("window: 4s", "window: 20s")).unwrap();
    let mut live = s.run(&["--set", "watch=20s", "--set", "patience=3s"]);
    live.until("read back checkout = 5%", LONG);
    s.v2.kill();
    let killed = now();
    live.until("read back checkout = 0% after ", LONG);
    let took = now() - killed;
    live.end(LONG).exits(1);
    // four scrapes until a sample is too old, the tolerance, and a scrape, a check and a read-back to notice
    assert!((3000..=4000 + 3000 + 3 * CHECK).contains(&took), "{took} ms from the kill to the read-back");
    let events = s.work.history();
    for name in ["errors", "slow"] {
        assert!(words(&events, name).iter().all(|(w, _)| w != "blind"), "{name}");
    }
}

/// A counter on a page, a flag in a file, and what reads the page.
struct Counted {
    work: Work,
    lost: Dial,
    _page: Page,
    _prometheus: Option<Prometheus>,
}

impl Counted {
    fn start(environment: &str) -> Option<Self> {
        let work = Work::new("counted.canary", &[environment]);
        let file = work.path("flags.json");
        std::fs::write(&file, "{ \"checkout\": 0 }").unwrap();
        let lost = Dial::default();
        lost.set(7.0);
        let shown = lost.clone();
        let page =
            Page::start(move || Some(format!("# TYPE orders_lost_total counter\norders_lost_total {}\n", shown.get())));
        let prometheus = if environment == "recorded" {
            if !support::require("prometheus") {
                return None;
            }
            Some(Prometheus::start(work.folder.path(), &[page.port]))
        } else {
            None
        };
        if let Some(p) = &prometheus {
            support::eventually("Prometheus has scraped the page", || p.value("orders_lost_total") == Some(7.0));
        }
        let url = prometheus.as_ref().map_or(String::new(), |p| format!("http://127.0.0.1:{}", p.port));
        let work =
            work.with("PROMETHEUS_URL", url).with("METRICS_URL", page.url()).with("FLAG_FILE", file.to_str().unwrap());
        Some(Self { work, lost, _page: page, _prometheus: prometheus })
    }

    fn args<'a>(&self, environment: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let mut args = vec!["run", "checkout.canary", "--env", environment];
        args.extend(more);
        args
    }

    fn flag(&self) -> f64 {
        flag(&self.work.path("flags.json"))
    }
}

#[test]
fn what_is_lost_while_nobody_watches_is_counted_by_prometheus() {
    let Some(c) = Counted::start("recorded") else { return };
    let mut live = c.work.start(&c.args("recorded", &[]));
    live.until("guard lost ok", LONG);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    c.lost.set(8.0);
    support::eventually("Prometheus has seen it", || {
        c._prometheus.as_ref().is_some_and(|p| p.value("orders_lost_total") == Some(8.0))
    });
    let done = c.work.canary(&c.args("recorded", &["--resume"])).exits(1);
    assert!(done.out.contains("guard lost breached: value 1, limit 0"), "{}", done.out);
    assert_eq!(c.flag(), 0.0);
}

#[test]
fn what_is_counted_is_counted_once() {
    let Some(c) = Counted::start("recorded") else { return };
    let mut live = c.work.start(&c.args("recorded", &["--set", "watch=3s"]));
    live.until("guard lost ok", LONG);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    // nothing happened meanwhile: the seven of before the start are nobody's
    c.work.canary(&c.args("recorded", &["--resume", "--set", "watch=3s"])).exits(0);
    assert_eq!(c.flag(), 0.5);
}

#[test]
fn what_is_lost_while_no_page_is_read_is_not_taken_for_nothing() {
    let Some(c) = Counted::start("page") else { return };
    let mut live = c.work.start(&c.args("page", &["--set", "watch=3s"]));
    live.until("guard lost ok", LONG);
    live.signal(Signal::TERM);
    live.end(LONG).exits(5);
    c.lost.set(8.0);
    // a page has no past: whether something was lost meanwhile cannot be told, so it does not go on as if nothing was
    let mut live = c.work.start(&c.args("page", &["--resume", "--set", "watch=3s"]));
    live.until("paused: no data for checkout", LONG);
    assert!(live.out().contains("while its page was not read is not known"), "{}", live.out());
    c.work.canary(&["abort", "checkout"]).exits(0);
    live.end(LONG).exits(4);
    assert_eq!(c.flag(), 0.0);
}
