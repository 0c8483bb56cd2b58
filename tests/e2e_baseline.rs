//! `before`: what a run compares with is what was measured before its first change. The numbers are reckoned here once more, from
//! the samples that Prometheus' range API gives out, or from what a page has shown.
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
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::canary::{Live, Work, time};
use support::load::exchange;
use support::page::{Page, flag};
use support::prometheus::{Prometheus, Setup};

const LONG: Duration = Duration::from_secs(30);

/// Every kind of `before`, each beside the number it is compared with; nothing they say changes the course.
const POLICY: &str = r#"edition 2026

metric pool:    ratio     = prometheus(`pool_used / pool_max`, max_age: 10m)
metric failed:  counter   = prometheus(`failed_total`, max_age: 10m)
metric served:  counter   = prometheus(`served_total`, max_age: 10m)
metric errors:  events    = events(bad: failed, total: served, window: 5s)
metric latency: histogram = prometheus(`latency_seconds_bucket`, unit: 1s, window: 5s, max_age: 10m)

flag checkout: ratio in [0%, 50%]

rollout checkout {
  check every 1s
  baseline 40s
  guard gauge:    pool <= before                        else tell
  guard ratio:    errors <= before                      else tell
  guard fast:     share(latency < 100ms) >= before      else tell
  guard quantile: p95(latency) <= before                else tell
  guard counted:  increase(failed, 10s) <= before       else tell
  phase half { flag checkout = 50%   hold 1s }
}

environment recorded {
  prometheus = prometheus(url: env("PROMETHEUS_URL"), scrape: 1s)
  checkout   = json_file(path: env("FLAG_FILE"), key: "checkout")
}
"#;

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Two minutes of a service, and one to come: before `turn` it was quite another one; from there on it has its bad time first, and
/// then a good and busy one. Nothing that looks at the wrong stretch, or at the last value alone, or takes means of ratios, comes to
/// the same numbers.
fn history(turn: i64) -> String {
    let mut lines: [String; 5] = Default::default();
    let (mut failed, mut served, mut fast) = (0, 0, 0);
    for t in turn - 80..turn + 100 {
        let (bad, all, pool) = match t - turn {
            ..0 => (90, 100, 90.0),
            since @ 0..20 => (4, 20, 10.0 + since as f64),
            since => (0, 60, 10.0 + since as f64),
        };
        (failed, served, fast) = (failed + bad, served + all, fast + all - bad);
        for (line, (name, value)) in lines.iter_mut().zip([
            ("pool_used", pool),
            ("pool_max", 100.0),
            ("failed_total", f64::from(failed)),
            ("served_total", f64::from(served)),
        ]) {
            writeln!(line, "{name} {value} {t}").unwrap();
        }
        // bad ones take 0.8 s, good ones 0.05 s
        for (le, n) in [("0.1", fast), ("1.0", served), ("+Inf", served)] {
            writeln!(lines[4], "latency_seconds_bucket{{le=\"{le}\"}} {n} {t}").unwrap();
        }
    }
    let types = ["pool_used gauge", "pool_max gauge", "failed counter", "served counter", "latency_seconds histogram"];
    let blocks: Vec<String> = types.iter().zip(lines).map(|(kind, text)| format!("# TYPE {kind}\n{text}")).collect();
    blocks.concat() + "# EOF\n"
}

/// The samples of a query at every second of a stretch.
fn samples(port: u16, query: &str, from: f64, to: f64) -> Vec<f64> {
    let query: String = query.bytes().map(|b| format!("%{b:02x}")).collect();
    let ask = format!("GET /api/v1/query_range?query={query}&start={from}&end={to}&step=1 HTTP/1.0\r\n\r\n");
    let answer = exchange(port, &ask).unwrap();
    let body: Value = serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap();
    let points = body["data"]["result"][0]["values"].as_array().unwrap_or_else(|| panic!("{body}"));
    points.iter().map(|p| p[1].as_str().unwrap().parse().unwrap()).collect()
}

/// What a guard was compared with.
fn limit(report: &Value, guard: &str) -> f64 {
    let guards = report["phases"][0]["guards"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let found = guards.iter().find(|g| g["guard"] == guard).unwrap();
    found["reading"]["limit"].as_f64().unwrap_or_else(|| panic!("{found:#}"))
}

#[test]
fn before_is_what_the_range_api_says_of_the_baseline() {
    if !support::require("prometheus") {
        return;
    }
    // the baseline will reach back to a few seconds after `turn`
    let turn = now() as i64 - 43;
    let prometheus = Prometheus::start(&Setup { history: Some(&history(turn)), ..Setup::default() });
    let work = Work::of_text(POLICY);
    let file = work.path("flags.json");
    std::fs::write(&file, "{ \"checkout\": 0 }").unwrap();
    let work = work.with("PROMETHEUS_URL", prometheus.url()).with("FLAG_FILE", file.to_str().unwrap());
    work.canary(&["run", "policy.canary", "--env", "recorded", "--report", "report.json"]).exits(0).shows("promoted");
    let report = work.json("report.json");

    let at = time(report["started"].as_str().unwrap()) as f64 / 1000.0;
    let grown = |query: &str| {
        // from the first sample inside the baseline to the last
        let all = samples(prometheus.port, query, at - 39.0, at);
        all.last().unwrap() - all.first().unwrap()
    };
    let pool = samples(prometheus.port, "pool_used", at - 40.0, at);
    let mean = pool.iter().sum::<f64>() / pool.len() as f64 / 100.0;
    let (failed, served) = (grown("failed_total"), grown("served_total"));
    let fast = grown("latency_seconds_bucket{le=\"0.1\"}");
    // 95 % of them lie so far up in the bucket from 0.1 to 1 s
    let p95 = 0.1 + 0.9 * (0.95 * served - fast).max(0.0) / (served - fast);
    let p95 = if fast >= 0.95 * served { 0.1 * 0.95 * served / fast } else { p95 };
    // `increase` extrapolates to the window's ends: up to a scrape more, in 40
    for (guard, want, part) in [
        ("gauge", mean, 0.01),
        ("ratio", failed / served, 0.01),
        ("fast", fast / served, 0.01),
        ("quantile", p95, 0.01),
        ("counted", failed / 4.0, 0.05),
    ] {
        let got = limit(&report, guard);
        assert!((got - want).abs() <= want.abs() * part, "{guard}: {got}, reckoned {want}");
    }
}

const ON_A_PAGE: &str = r#"edition 2026

param length: duration = 2s at most 1m "the baseline"

metric harm: ratio = page(`error_share`, max_age: 1s)

flag checkout: ratio in [0%, 50%]

rollout checkout {
  check every 200ms
  baseline length
  guard harm: harm <= before + 50pp else rollback
  phase half { flag checkout = 50%   hold 400ms }
}

environment page {
  page     = scrape(urls: [env("METRICS_URL")], every: 100ms)
  checkout = json_file(path: env("FLAG_FILE"), key: "checkout")
}
"#;

/// The policy on a page; each read of the page calls `text`.
fn on_a_page(text: impl Fn() -> Option<String> + Send + 'static) -> (Page, Work) {
    let page = Page::start(text);
    let work = Work::of_text(ON_A_PAGE);
    let file = work.path("flags.json");
    std::fs::write(&file, "{ \"checkout\": 0 }").unwrap();
    let work = work.with("METRICS_URL", page.url()).with("FLAG_FILE", file.to_str().unwrap());
    (page, work)
}

#[test]
fn a_page_has_no_past_so_its_baseline_is_waited_for() {
    let begin = now();
    let rising = move || Some(format!("error_share {}\n", (now() - begin) / 100.0));
    let (_page, work) = on_a_page(rising);
    let args = ["run", "policy.canary", "--env", "page", "--report", "report.json"];
    let done = work.canary(&args).exits(0).shows("collecting the baseline for 2s: the source keeps no history");
    for so_far in ["500ms of 2s", "1s of 2s", "1500ms of 2s"] {
        assert!(done.out.contains(&format!("collecting the baseline: {so_far}")), "{}", done.out);
    }
    let report = work.json("report.json");
    let started = time(report["started"].as_str().unwrap()) as f64 / 1000.0 - begin;
    // the mean of a straight line is its value half way
    let want = (started - 1.0) / 100.0;
    let got = limit(&report, "harm") - 0.5;
    assert!((got - want).abs() <= 0.1 * want, "{got}, reckoned {want}");
}

#[test]
fn a_baseline_that_cannot_be_collected_refuses_the_start() {
    // two good pages, and then none: a sample is good for a second
    let reads = AtomicUsize::new(0);
    let (_page, work) =
        on_a_page(move || (reads.fetch_add(1, Ordering::Relaxed) < 2).then(|| String::from("error_share 0.01\n")));
    let done = work.canary(&["run", "policy.canary", "--env", "page", "--set", "length=4s"]).exits(3);
    assert!(done.out.contains("no baseline for harm"), "{}{}", done.out, done.err);
    assert_eq!(flag(&work.path("flags.json")), 0.0);

    // who stops the wait has changed nothing
    let (_page, work) = on_a_page(|| Some(String::from("error_share 0.01\n")));
    let mut live: Live = work.start(&["run", "policy.canary", "--env", "page", "--set", "length=1m"]);
    live.until("collecting the baseline for 1m", LONG);
    live.signal(rustix::process::Signal::TERM);
    live.end(LONG).exits(3).says("stopped before anything was changed");
    assert_eq!(flag(&work.path("flags.json")), 0.0);
}
