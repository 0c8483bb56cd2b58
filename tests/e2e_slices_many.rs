//! Thousands of slices by the real binary, on a real Prometheus and one flag file: how long their first check takes, how long it
//! takes until all flags are set, and until all are taken back. It checks what is set and says how long it took; it has no limit
//! but patience. `CANARY_SLICES=5000 cargo test --test e2e_slices_many -- --ignored --nocapture`
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use support::canary::{Live, Work};
use support::page::Page;
use support::servers::Prometheus;
use support::{eventually, require};

const PATIENCE: Duration = Duration::from_secs(300);
const BEFORE: &str =
    "{\n  // whose flags these are\n  \"autonomy\": {\n    \"acme\": { \"low\": false }\n  },\n  \"other\": 1\n}\n";

/// Waits until so many flags are on, while the run goes on.
fn until_on(file: &Path, live: &mut Live, count: usize) {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap();
        if text.matches("true").count() == count {
            return;
        }
        let said = live.out();
        assert!(begun.elapsed() < PATIENCE, "{}", said.get(said.len().saturating_sub(3000)..).unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
#[ignore = "minutes of work on a small machine: docs/operations.md says how to measure"]
fn thousands_begin_at_one_check_and_are_taken_back() {
    if !require("prometheus") {
        return;
    }
    let count: usize = std::env::var("CANARY_SLICES").ok().and_then(|n| n.parse().ok()).unwrap_or(5_000);
    let work = Work::new("slices.canary", &["slices"]);
    let policy = work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    let text = text.replace(" limit 3 per 3s", "").replace("check every 1s", "check every 5s").replace("4s)", "30s)");
    std::fs::write(&policy, text).unwrap();
    let file = work.path("flags.json");
    std::fs::write(&file, BEFORE).unwrap();
    let page = Page::start(move || {
        let mut text = String::new();
        for i in 0..count {
            let labels = format!("tenant_id=\"t{}\",sev=\"{}\"", i / 2, if i % 2 == 0 { "low" } else { "high" });
            writeln!(text, "agreed{{{labels}}} 99\nreviewed{{{labels}}} 100").unwrap();
            let labels = format!("{labels},decided_by=\"detector\"");
            writeln!(text, "right{{{labels}}} 0.99\nmissed_total{{{labels}}} 0").unwrap();
        }
        Some(text)
    });
    let prometheus = Prometheus::start(work.folder.path(), &[page.port]);
    let work = work
        .with("PROMETHEUS_URL", format!("http://127.0.0.1:{}", prometheus.port))
        .with("FLAG_FILE", file.to_str().unwrap());
    eventually("Prometheus has scraped all slices", || prometheus.value("count(reviewed)") == Some(count as f64));

    let begun = Instant::now();
    let mut live = work.start(&["run", "checkout.canary", "--env", "slices"]);
    live.until("phase shadow", PATIENCE);
    println!("{count} slices: first check after {:.1?}", begun.elapsed());
    live.until("phase canary", PATIENCE);
    let raising = Instant::now();
    until_on(&file, &mut live, count);
    println!("{count} slices: all flags on {:.1?} after the first was asked for", raising.elapsed());
    let back = Instant::now();
    work.canary(&["abort", "autonomy", "--why", "measured"]).exits(0);
    until_on(&file, &mut live, 0);
    println!("{count} slices: all flags back {:.1?} after they were asked for", back.elapsed());
    live.end(PATIENCE);
    println!("{count} slices: the run ended {:.1?} after it was asked to", back.elapsed());
    assert_eq!(std::fs::read_to_string(&file).unwrap(), BEFORE);
    work.canary(&["history", "autonomy", "--verify"]).exits(0).shows("the chain holds");
}
