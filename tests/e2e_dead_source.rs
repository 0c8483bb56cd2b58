//! A series that a real Prometheus does not have, and a Prometheus that does not answer: `default(m, v)` stands for the first, never
//! for the second.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::time::Duration;
use support::canary::{Work, of_kind, words};
use support::servers::Prometheus;

const LONG: Duration = Duration::from_secs(30);

const POLICY: &str = r#"edition 2026

metric backlog: number = prometheus(`backlog_depth`)
flag checkout: bool

rollout checkout {
  check every 1s
  no data tolerate 4s else pause
  guard backlog: default(backlog, 0) < 5   else rollback
  guard there:   missing(backlog)          else hold
  phase taste { flag checkout = on   hold 2s }
  phase stay  { hold 10s   promote when default(backlog, 0) < 5 }
}

environment recorded {
  prometheus = prometheus(url: env("PROMETHEUS_URL"), scrape: 1s)
  checkout   = json_file(path: env("FLAG_FILE"), key: "checkout")
}
"#;

#[test]
fn a_default_stands_for_a_series_that_is_not_there_and_not_for_a_source_that_is_not() {
    if !support::require("prometheus") {
        return;
    }
    let work = Work::of_text(POLICY);
    let file = work.path("flags.json");
    std::fs::write(&file, "{ \"checkout\": false }").unwrap();
    let mut prometheus = Prometheus::start(work.path("").as_path(), &[]);
    let url = format!("http://127.0.0.1:{}", prometheus.port);
    let work = work.with("PROMETHEUS_URL", url).with("FLAG_FILE", file.to_str().unwrap());
    let mut live = work.start(&["run", "policy.canary", "--env", "recorded"]);
    // it answers that there is none
    live.until("phase taste passed", LONG);
    prometheus.stop();
    live.until("paused: no data for checkout", LONG);
    let events = work.history();
    for guard in ["backlog", "there"] {
        assert_eq!(words(&events, guard).pop().unwrap().0, "blind", "{guard}");
    }
    assert!(of_kind(&events, "finished").is_empty() && of_kind(&events, "rollback").is_empty());
    prometheus.restart();
    live.until("guard backlog ok", LONG);
    work.canary(&["resume", "checkout"]).exits(0);
    live.end(LONG).exits(0).shows("promoted");
    work.verify();
}
