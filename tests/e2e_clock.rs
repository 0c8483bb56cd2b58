//! A source whose clock is not this machine's: refused, or warned of, before anything is changed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::backend::Metrics;
use canary::backend::prometheus::{Prometheus, PrometheusConfig};
use canary::backend::scrape::{Scrape, ScrapeConfig};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use support::canary::Work;
use support::http::{Pages, Reply, Request};
use support::page::{Flagged, flag, now};
use support::prometheus::{Prometheus as Server, Setup};

/// An API whose clock is ahead of this machine's, and which answers every other question at once.
fn api(ahead: Arc<AtomicI64>) -> Pages {
    Pages::serve(move |r: &Request| {
        let here = now();
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of this century")]
        let secs = |ms: i64| ms as f64 / 1000.0;
        let body = if r.path.contains("buildinfo") {
            String::from(r#"{"status":"success","data":{"version":"9"}}"#)
        } else if r.body.contains("query=time") {
            assert!(!r.body.contains("&time=") && r.body.contains("nocache=1"), "as of its own now: {}", r.body);
            let theirs = secs(here + ahead.load(Ordering::Relaxed));
            format!(r#"{{"status":"success","data":{{"resultType":"scalar","result":[{theirs},"{theirs}"]}}}}"#)
        } else {
            let (at, value) = (secs(here), if r.body.contains("timestamp") { secs(here) } else { 0.001 });
            format!(
                r#"{{"status":"success","data":{{"resultType":"vector","result":[{{"metric":{{}},"value":[{at},"{value}"]}}]}}}}"#
            )
        };
        Reply::json(200, &body)
    })
}

#[test]
fn a_source_on_another_time_is_refused_and_one_that_is_near_is_warned_of() {
    let ahead = Arc::new(AtomicI64::new(0));
    let server = api(Arc::clone(&ahead));
    let work = Work::new("flag.canary", &["recorded"]);
    let file = work.path("flags.json");
    std::fs::write(&file, "{ \"checkout\": 0 }").unwrap();
    let work = work.with("PROMETHEUS_URL", server.url()).with("FLAG_FILE", file.to_str().unwrap());
    let run = ["run", "checkout.canary", "--env", "recorded"];
    for skew in [120_000, -120_000] {
        ahead.store(skew, Ordering::Relaxed);
        let done = work.canary(&run).exits(3).says("nothing was changed");
        for part in ["source prometheus: its clock says ", "this machine's says ", "apart", "NTP"] {
            assert!(done.err.contains(part), "no `{part}` in:\n{}", done.err);
        }
        assert_eq!(flag(&file), 0.0);
        work.canary(&[&run[..], &["--dry-run"]].concat()).exits(3).says("its clock says");
    }
    ahead.store(12_000, Ordering::Relaxed);
    let dry = work.canary(&[&run[..], &["--dry-run"]].concat()).exits(0);
    assert!(dry.out.contains("warning: source prometheus: its clock says"), "{}", dry.out);
    work.canary(&run).exits(0).shows("warning: source prometheus: its clock says");
    std::fs::write(&file, "{ \"checkout\": 0 }").unwrap();
    ahead.store(0, Ordering::Relaxed);
    let done = work.canary(&run).exits(0);
    assert!(!done.out.contains("its clock"), "{}", done.out);
}

fn http_date(ahead: i64) -> String {
    let at = chrono::DateTime::from_timestamp_millis(now() + ahead).unwrap();
    at.format("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[test]
fn a_page_says_its_time_in_its_date() {
    let ahead = Arc::new(AtomicI64::new(60_000));
    let shown = Arc::clone(&ahead);
    let page = Pages::serve(move |_| {
        let date = http_date(shown.load(Ordering::Relaxed));
        let headers = vec![("Content-Type", String::from("text/plain; version=0.0.4")), ("Date", date)];
        Reply::Full(200, headers, String::from("# TYPE error_share gauge\nerror_share 0.001\n"))
    });
    let f = Flagged::new(|_| 0.001);
    let Flagged { work, file, page: _page } = f;
    let work = work.with("METRICS_URL", page.url());
    let run = ["run", "checkout.canary", "--env", "page"];
    work.canary(&run).exits(3).says("source prometheus: its clock says").says("nothing was changed");
    assert_eq!(flag(&file), 0.0);
    ahead.store(-10_000, Ordering::Relaxed);
    work.canary(&run).exits(0).shows("warning: source prometheus: its clock says");
    std::fs::write(&file, "{ \"checkout\": 0 }").unwrap();
    // a date is cut to the second
    ahead.store(0, Ordering::Relaxed);
    let done = work.canary(&run).exits(0);
    assert!(!done.out.contains("its clock"), "{}", done.out);
}

#[tokio::test]
async fn a_page_without_a_date_or_out_of_a_cache_says_nothing() {
    let page = Pages::serve(|r: &Request| {
        let mut headers = vec![("Content-Type", String::from("text/plain"))];
        if r.path.contains("cached") {
            headers.extend([("Date", http_date(-600_000)), ("Age", String::from("600"))]);
        }
        Reply::Full(200, headers, String::from("a 1\n"))
    });
    for path in ["plain", "cached"] {
        let scrape = Scrape::start(&ScrapeConfig::new([format!("{}/{path}", page.url()).into()])).unwrap();
        scrape.ready().await.unwrap();
        assert_eq!(scrape.clock().await, Ok(None), "{path}");
    }
}

/// What a server's clock says, compared with ours; both run on this machine.
async fn near(url: String) {
    let source = Prometheus::new(PrometheusConfig::new(url)).unwrap();
    let before = now();
    let theirs = source.clock().await.unwrap().unwrap();
    // VictoriaMetrics cuts it to the second
    assert!((before - 1000..=now()).contains(&theirs), "{theirs} is not after {before}");
}

#[tokio::test]
async fn the_real_prometheus_has_this_machines_time() {
    if !support::require("prometheus") {
        return;
    }
    near(Server::start(&Setup::default()).url()).await;
}

#[tokio::test]
async fn the_real_victoria_metrics_has_it_too() {
    if !support::require("victoria-metrics") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let port = support::free_port();
    let args = [
        format!("-storageDataPath={}", dir.path().join("data").display()),
        format!("-httpListenAddr=127.0.0.1:{port}"),
    ];
    let mut server = support::Server::spawn("victoria-metrics", &args, &dir.path().join("log"));
    server
        .wait_ready(|| support::load::exchange(port, "GET /health HTTP/1.0\r\n\r\n").is_ok_and(|a| a.contains("200")));
    // without `nocache` it answers as of 30 s ago
    near(format!("http://127.0.0.1:{port}")).await;
}
