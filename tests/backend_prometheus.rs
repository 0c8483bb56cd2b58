//! The Prometheus source against a real Prometheus: recorded data with values known beforehand, a target that dies,
//! credentials.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::backend::prometheus::{Prometheus, PrometheusConfig};
use canary::backend::{Metrics, Stretch};
use canary::plan::{Answer, Ask, Missing, Reading, Selector, Time, Window};
use std::fmt::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::http::{Pages, Reply};
use support::prometheus::{Prometheus as Server, Setup};
use support::require;

/// The recording begins here (seconds); a sample every 15 s, for an hour.
const T0: i64 = 1_700_000_010;

fn at(second: i64) -> Time {
    (T0 + second) * 1000
}

/// The recording: each line a function of the second since its beginning.
fn history() -> String {
    let mut om = String::new();
    let mut series = |name: &str, value: &dyn Fn(i64) -> Option<f64>| {
        for s in (0..=3600).step_by(15) {
            if let Some(v) = value(s) {
                writeln!(om, "{name} {v} {}", T0 + s).unwrap();
            }
        }
    };
    // 10 every 15 s
    series("requests_total{version=\"v2\"}", &|s| Some((s / 15 * 10) as f64));
    // 2 every 15 s; restarted at 450 s
    series("errors_total{version=\"v2\",code=\"500\"}", &|s| {
        Some(((s - if s >= 450 { 450 } else { 0 }) / 15 * 2) as f64)
    });
    // born at 600 s with its first error
    series("errors_total{version=\"v2\",code=\"503\"}", &|s| (s >= 600).then_some(1.0));
    // away from 600 s to 1500 s
    series("errors_total{version=\"v1\",code=\"500\"}", &|s| match s {
        ..=600 => Some(50.0),
        1500.. => Some(53.0),
        _ => None,
    });
    // died at 1800 s
    series("died_total", &|s| (s <= 1800).then_some((s / 15) as f64));
    series("pool{pod=\"a\"}", &|s| Some(s as f64 / 3600.0));
    series("pool{pod=\"b\"}", &|_| Some(0.5));
    series("sparse", &|s| (s <= 600).then_some(2.0));
    series("hole", &|s| Some(if s < 300 { f64::NAN } else { 4.0 }));
    // 15 events in 15 s: 9 below 0.1, 14 below 1
    for (le, n) in [("0.1", 9), ("1.0", 14), ("+Inf", 15)] {
        series(&format!("latency_bucket{{pod=\"a\",le=\"{le}\"}}"), &|s| Some((s / 15 * n) as f64));
        series(&format!("latency_bucket{{pod=\"b\",le=\"{le}\"}}"), &|s| Some((s / 15) as f64));
    }
    om + "# EOF\n"
}

fn sel(s: &str) -> Selector {
    Selector(s.into())
}

fn promql(query: &str, selectors: &[&str]) -> Ask {
    Ask::PromQl { query: query.into(), selectors: selectors.iter().map(|s| sel(s)).collect() }
}

fn failure(a: &Answer) -> &str {
    match &a.value {
        Err(Missing::Failed { message }) => message,
        other => panic!("{other:?}"),
    }
}

fn number(a: &Answer) -> f64 {
    match &a.value {
        Ok(Reading::Value(v) | Reading::Increase(v)) => *v,
        other => panic!("{other:?}"),
    }
}

fn close(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-9, "{got} instead of {want}");
}

const EMPTY: Result<Reading, Missing> = Err(Missing::Empty { others: None });

#[tokio::test]
async fn recorded_data() {
    if !require("prometheus") || !require("promtool") {
        return;
    }
    let text = history();
    let server = Server::start(&Setup { history: Some(&text), ..Setup::default() });
    let source = || Prometheus::new(PrometheusConfig::new(server.url())).unwrap();
    let p = source();
    let what = p.ready().await.unwrap();
    assert!(what.starts_with("Prometheus 2.") && what.ends_with(&format!(" at {}", server.url())), "{what}");
    assert!(p.has_history());

    values_and_ages(&p).await;
    windows(&p).await;
    disjoint_increments(&source).await;
    dead_targets(&p).await;
    means(&p).await;
    refusals(&p).await;
}

/// VictoriaMetrics speaks the same API, with another engine behind it.
#[tokio::test]
async fn victoriametrics() {
    if !require("victoria-metrics") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", support::free_port());
    let args = [
        format!("-httpListenAddr={address}"),
        format!("-storageDataPath={}", dir.path().join("data").display()),
        String::from("-retentionPeriod=100y"),
        String::from("-search.latencyOffset=0s"),
    ];
    let mut server = support::Server::spawn("victoria-metrics", &args, &dir.path().join("log"));
    server.wait_ready(|| std::net::TcpStream::connect(&address).is_ok());
    let url = format!("http://{address}");
    canary::backend::http::install_crypto();
    let import = reqwest::Client::new().post(format!("{url}/api/v1/import/prometheus")).body(history()).send();
    assert_eq!(import.await.unwrap().status().as_u16(), 204);
    let source = || Prometheus::new(PrometheusConfig::new(url.as_str())).unwrap();
    let p = source();
    wait(|| async {
        let a = p.ask(&Ask::Gauge(sel("sparse")), at(600), None).await;
        a.value.is_ok().then_some(())
    })
    .await;
    assert!(p.ready().await.unwrap().ends_with(&format!(" at {url}")));
    let a = p.ask(&Ask::Gauge(sel("pool{pod=\"b\"}")), at(607), None).await;
    assert_eq!((number(&a), a.sampled_at, a.series), (0.5, Some(at(600)), 1));
    let ratio = "sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))";
    let ask = promql(ratio, &["errors_total", "requests_total"]);
    let a = p.ask(&ask, at(400), None).await;
    close(number(&a), 0.2);
    assert_eq!((a.sampled_at, a.series), (Some(at(390)), 3));
    // its `increase` is not extrapolated: 20 samples of 10
    let ask = Ask::Increase(sel("requests_total"), Window::Last(300_000));
    close(number(&p.ask(&ask, at(607), None).await), 200.0);
    let ask = Ask::Buckets(sel("latency_bucket"), Window::Last(300_000));
    assert_buckets(&p.ask(&ask, at(607), None).await, [200.0, 300.0, 320.0]);
    disjoint_increments(&source).await;
    dead_targets(&p).await;
    let pool_a = Ask::Gauge(sel("pool{pod=\"a\"}"));
    let a = p.mean(&pool_a, over(at(600), at(900), 15_000)).await;
    close(number(&a), 750.0 / 3600.0);
    let a = p.ask(&promql("sum(rate(x[5m])", &["x"]), at(0), None).await;
    assert!(failure(&a).contains("it refused the query: "), "{a:?}");
}

async fn values_and_ages(p: &Prometheus) {
    let a = p.ask(&Ask::Gauge(sel("pool{pod=\"b\"}")), at(607), None).await;
    assert_eq!(a, Answer { value: Ok(Reading::Value(0.5)), sampled_at: Some(at(600)), series: 1 });
    let a = p.ask(&Ask::Gauge(sel("pool")), at(607), None).await;
    assert_eq!(a.value, Err(Missing::Ambiguous { series: 2 }));
    let a = p.ask(&Ask::Gauge(sel("nope")), at(607), None).await;
    assert_eq!((a.value, a.sampled_at, a.series), (EMPTY, None, 0));
    let a = p.ask(&Ask::Gauge(sel("hole")), at(107), None).await;
    assert_eq!(a.value, Err(Missing::NotANumber));

    let ratio = "sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))";
    let a = p.ask(&promql(ratio, &["errors_total", "requests_total"]), at(400), None).await;
    close(number(&a), 0.2);
    assert_eq!((a.sampled_at, a.series), (Some(at(390)), 3));

    // the oldest of the selectors with samples counts: `sparse` ended at 600 s
    let a = p.ask(&promql("sum(pool) + max(sparse)", &["pool", "sparse", "nope"]), at(720), None).await;
    close(number(&a), 720.0 / 3600.0 + 0.5 + 2.0);
    assert_eq!(a.sampled_at, Some(at(600)));

    let a = p.ask(&promql("vector(0)", &[]), at(720), None).await;
    assert_eq!((number(&a), a.sampled_at, a.series), (0.0, None, 1));
    let a = p.ask(&promql("scalar(vector(3))", &[]), at(720), None).await;
    close(number(&a), 3.0);
    let a = p.ask(&promql("sum(nope) or vector(0)", &["nope"]), at(720), None).await;
    assert_eq!((number(&a), a.sampled_at), (0.0, None));
    let a = p.ask(&promql("vector(0) / vector(0)", &[]), at(720), None).await;
    assert_eq!(a.value, Err(Missing::NotANumber));
    let a = p.ask(&promql("pool", &["pool"]), at(720), None).await;
    assert_eq!(a.value, Err(Missing::Ambiguous { series: 2 }));
    let a = p.ask(&promql("sum(nope)", &["nope"]), at(720), None).await;
    assert_eq!(a.value, EMPTY);
    let a = p.ask(&promql("pool[5m]", &["pool"]), at(720), None).await;
    assert!(failure(&a).contains("range of samples"), "{a:?}");
}

async fn windows(p: &Prometheus) {
    let minutes_5 = Window::Last(300_000);
    let a = p.ask(&Ask::Increase(sel("requests_total"), minutes_5), at(607), None).await;
    close(number(&a), 200.0);
    assert_eq!((a.sampled_at, a.series), (Some(at(600)), 1));
    // across the restart at 450 s, which cost one sample's 2
    let a = p.ask(&Ask::Increase(sel("errors_total{code=\"500\",version=\"v2\"}"), minutes_5), at(600), None).await;
    close(number(&a), 38.0);
    let a = p.ask(&Ask::Increase(sel("nope"), minutes_5), at(607), None).await;
    assert_eq!(a.value, EMPTY);

    let a = p.ask(&Ask::Buckets(sel("latency_bucket"), minutes_5), at(607), None).await;
    assert_eq!((a.sampled_at, a.series), (Some(at(600)), 6));
    assert_buckets(&a, [200.0, 300.0, 320.0]);
    let a = p.ask(&Ask::Buckets(sel("requests_total"), minutes_5), at(607), None).await;
    assert!(failure(&a).contains("label `le`"), "{a:?}");
    let a = p.ask(&Ask::Buckets(sel("latency_bucket{le=\"0.1\"}"), minutes_5), at(607), None).await;
    assert!(failure(&a).contains("+Inf"), "{a:?}");
}

fn assert_buckets(a: &Answer, want: [f64; 3]) {
    let Ok(Reading::Buckets(b)) = &a.value else { panic!("{a:?}") };
    let bounds: Vec<_> = b.iter().map(|b| b.le).collect();
    assert_eq!(bounds, [Some(0.1), Some(1.0), None]);
    for (got, want) in b.iter().zip(want) {
        close(got.count, want);
    }
}

async fn disjoint_increments(source: &dyn Fn() -> Prometheus) {
    let v2 = || Ask::Increase(sel("errors_total{version=\"v2\"}"), Window::SinceLast);
    // with and without memory of the check before
    let p = source();
    let a = p.ask(&v2(), at(307), None).await;
    assert_eq!((number(&a), a.sampled_at), (0.0, Some(at(300))));
    let mut since = at(307);
    let mut sum = 0.0;
    for second in (322..=907).step_by(15) {
        let (now, fresh) = (at(second), source());
        let a = p.ask(&v2(), now, Some(since)).await;
        let b = fresh.ask(&v2(), now, Some(since)).await;
        assert_eq!(a.value, b.value, "at {second}s");
        assert_eq!(p.ask(&v2(), now, Some(since)).await.value, a.value, "asked twice");
        sum += number(&a);
        since = now;
    }
    // 300 s to 900 s: 40 samples of 2, one of them lost in the restart, and the birth of the 503
    close(sum, 79.0);
    // in one piece, by one that knows nothing
    let a = source().ask(&v2(), at(907), Some(at(307))).await;
    close(number(&a), 79.0);
    assert_eq!((a.sampled_at, a.series), (Some(at(900)), 2));

    // back after 15 minutes: compared with what it was, not with nothing
    let v1 = Ask::Increase(sel("errors_total{version=\"v1\"}"), Window::SinceLast);
    let a = source().ask(&v1, at(1505), Some(at(1490))).await;
    close(number(&a), 3.0);
    let p = source();
    assert_eq!(p.ask(&v1, at(1490), Some(at(1475))).await.value, EMPTY);
    close(number(&p.ask(&v1, at(1505), Some(at(1490))).await), 3.0);
    close(number(&p.ask(&v1, at(1520), Some(at(1505))).await), 0.0);

    let h = Ask::Buckets(sel("latency_bucket"), Window::SinceLast);
    let a = source().ask(&h, at(907), Some(at(607))).await;
    assert_buckets(&a, [200.0, 300.0, 320.0]);
    let a = source().ask(&h, at(907), None).await;
    assert_buckets(&a, [0.0, 0.0, 0.0]);
    let a = source().ask(&Ask::Increase(sel("nope"), Window::SinceLast), at(907), Some(at(607))).await;
    assert_eq!(a.value, EMPTY);
}

async fn dead_targets(p: &Prometheus) {
    // gone from sight after five minutes, while `increase` still answers
    let minutes_10 = Window::Last(600_000);
    let a = p.ask(&Ask::Increase(sel("died_total"), minutes_10), at(2190), None).await;
    assert!(number(&a) > 0.0);
    assert_eq!((a.sampled_at, a.series), (Some(at(1800)), 1));
    let a = p.ask(&promql("sum(rate(died_total[10m]))", &["died_total"]), at(2190), None).await;
    assert!(number(&a) > 0.0);
    assert_eq!(a.sampled_at, Some(at(1800)));
    let a = p.ask(&Ask::Increase(sel("died_total"), minutes_10), at(2430), None).await;
    assert_eq!(a.value, EMPTY);
    let a = p.ask(&Ask::Increase(sel("died_total"), Window::SinceLast), at(2005), Some(at(1990))).await;
    assert_eq!((number(&a), a.sampled_at), (0.0, Some(at(1800))));
}

fn over(from: i64, to: i64, step: i64) -> Stretch {
    Stretch { from, to, step, max_age: 60_000 }
}

async fn means(p: &Prometheus) {
    let pool_a = Ask::Gauge(sel("pool{pod=\"a\"}"));
    let a = p.mean(&pool_a, over(at(600), at(900), 15_000)).await;
    close(number(&a), 750.0 / 3600.0);
    assert_eq!(a.sampled_at, Some(at(900)));
    // 3,600 s in milliseconds: far more points than are granted
    let a = p.mean(&pool_a, over(at(0), at(3600), 10)).await;
    assert!((number(&a) - 0.5).abs() < 0.01, "{a:?}");
    // seen until 900 s: 300 of 1200 s are under half, 300 of 500 s are not
    let sparse = Ask::Gauge(sel("sparse"));
    assert_eq!(p.mean(&sparse, over(at(600), at(1800), 15_000)).await.value, EMPTY);
    close(number(&p.mean(&sparse, over(at(600), at(1100), 15_000)).await), 2.0);
    // NaN is no point
    let hole = Ask::Gauge(sel("hole"));
    close(number(&p.mean(&hole, over(at(150), at(600), 15_000)).await), 4.0);
    assert_eq!(p.mean(&hole, over(at(0), at(400), 15_000)).await.value, EMPTY);
    let a = p.mean(&Ask::Gauge(sel("pool")), over(at(0), at(600), 15_000)).await;
    assert_eq!(a.value, Err(Missing::Ambiguous { series: 2 }));
    let ask = Ask::Increase(sel("requests_total"), Window::Last(60_000));
    let a = p.mean(&ask, over(at(600), at(900), 15_000)).await;
    assert!(matches!(a.value, Ok(Reading::Increase(v)) if (v - 40.0).abs() < 1e-9));
    // a window answers from whatever it has; taken for the whole, it must have half
    let died = |from: i64, to: i64| {
        let ask = Ask::Increase(sel("died_total"), Window::Last((to - from) * 1000));
        async move { (p.ask(&ask, at(to), None).await, p.whole(&ask, over(at(from), at(to), 15_000)).await) }
    };
    let (part, whole) = died(1200, 2400).await;
    assert!(number(&part) > 0.0 && part.value == whole.value, "{part:?}, {whole:?}");
    let (part, whole) = died(1500, 3000).await;
    assert!(number(&part) > 0.0 && whole.value == EMPTY, "{part:?}, {whole:?}");
    let ask = Ask::Buckets(sel("latency_bucket"), Window::Last(300_000));
    assert_eq!(p.whole(&ask, over(at(600), at(900), 15_000)).await.value, p.ask(&ask, at(900), None).await.value);
    let ask = Ask::Buckets(sel("latency_bucket"), Window::Last(60_000));
    let a = p.mean(&ask, over(at(600), at(900), 15_000)).await;
    assert!(failure(&a).contains("has a mean"), "{a:?}");
}

async fn refusals(p: &Prometheus) {
    let a = p.ask(&promql("sum(rate(x[5m])", &["x"]), at(0), None).await;
    let words = failure(&a);
    assert!(
        words.starts_with("prometheus at http://127.0.0.1:")
            && words.contains("it refused the query: bad_data: ")
            && words.contains("parse error")
            && !words.contains('\n'),
        "{words}"
    );
    let a = p.ask(&Ask::Gauge(sel("a b")), at(0), None).await;
    assert!(failure(&a).contains("parse error"), "{a:?}");
}

#[tokio::test]
async fn a_target_that_dies_under_the_eyes_of_prometheus() {
    if !require("prometheus") {
        return;
    }
    let count = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&count);
    let page = Pages::serve(move |_| {
        let n = counter.fetch_add(5, Ordering::SeqCst);
        Reply::text(&format!("hits_total {n}\nlevel 7\n"))
    });
    let server = Server::start(&Setup { targets: &[format!("127.0.0.1:{}", page.port)], ..Setup::default() });
    let p = Prometheus::new(PrometheusConfig { scrape: Duration::from_secs(1), ..PrometheusConfig::new(server.url()) })
        .unwrap();
    let now = || chrono::Utc::now().timestamp_millis();
    let level = Ask::Gauge(sel("level"));
    let hits = Ask::Increase(sel("hits_total"), Window::Last(60_000));
    let since = Ask::Increase(sel("hits_total"), Window::SinceLast);

    // live: at least three samples, young ones
    let first = wait(|| async {
        let (at, a) = (now(), p.ask(&since, now(), None).await);
        (a.value.is_ok()).then_some(at)
    })
    .await;
    let start = now();
    let mut last = p.ask(&since, start, None).await;
    assert_eq!(last.value, Ok(Reading::Increase(0.0)));
    let began = p.ask(&Ask::Gauge(sel("hits_total")), start, None).await;
    let (mut sum, mut at) = (0.0, start);
    while now() < first + 4_500 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let then = now();
        last = p.ask(&since, then, Some(at)).await;
        sum += number(&last);
        at = then;
    }
    let ended = p.ask(&Ask::Gauge(sel("hits_total")), at, None).await;
    // both ends are read a moment after the sums, so that at most the last sample can be another one
    let whole = number(&ended) - number(&began);
    assert!((sum - whole).abs() <= 5.0 && sum >= 10.0, "{sum}, {whole}");
    let a = p.ask(&level, at, None).await;
    assert_eq!(number(&a), 7.0);
    let age = at - a.sampled_at.unwrap();
    assert!((0..4_000).contains(&age), "{age}");

    drop(page);
    let dead = now();
    let a = wait(|| async {
        let a = p.ask(&level, now(), None).await;
        a.value.is_err().then_some(a)
    })
    .await;
    assert_eq!(a.value, EMPTY);
    // increase() goes on; its age does not say it is young
    let a = p.ask(&hits, now(), None).await;
    assert!(number(&a) > 0.0, "{a:?}");
    let sampled_at = a.sampled_at.unwrap();
    assert!(sampled_at <= dead && sampled_at >= dead - 5_000, "{sampled_at} {dead}");
    let a = p.ask(&since, now(), Some(at)).await;
    assert!(a.sampled_at.unwrap() <= dead, "{a:?}");
}

/// Asks again until there is an answer, for at most 15 s: another process has the clock.
async fn wait<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(got) = ask().await {
            return got;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "nothing came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn credentials() {
    if !require("prometheus") {
        return;
    }
    let server = Server::start(&Setup {
        // bcrypt of `wren-and-robin`, with the lowest cost
        web: Some("basic_auth_users: {canary: \"$2b$04$abcdefghijklmnopqrstuuVxO96pcwxIc/k2ABGstXXfjjeK9WM8W\"}\n"),
        ..Setup::default()
    });
    let basic = |user: &str, password: &str| {
        Prometheus::new(PrometheusConfig {
            basic: Some((user.into(), password.into())),
            ..PrometheusConfig::new(server.url())
        })
        .unwrap()
    };
    let ask = promql("vector(1)", &[]);
    let now = chrono::Utc::now().timestamp_millis();
    let right = basic("canary", "wren-and-robin");
    assert!(right.ready().await.is_ok());
    close(number(&right.ask(&ask, now, None).await), 1.0);
    let url = server.url().replace("http://", "http://canary:wren-and-robin@");
    let in_url = Prometheus::new(PrometheusConfig::new(url)).unwrap();
    close(number(&in_url.ask(&ask, now, None).await), 1.0);
    let shown = format!("{in_url:?} {right:?} {}", in_url.ready().await.unwrap());
    assert!(!shown.contains("wren"), "{shown}");

    let wrong = basic("canary", "wren-or-robin");
    let e = wrong.ready().await.unwrap_err();
    assert!(e.message.contains("refused the credentials (401"), "{e}");
    assert!(!e.transient && !e.message.contains("wren"), "{e}");
    let a = wrong.ask(&ask, now, None).await;
    assert!(failure(&a).contains("refused the credentials (401"), "{a:?}");
    let none = Prometheus::new(PrometheusConfig::new(server.url())).unwrap();
    let a = none.ask(&ask, now, None).await;
    assert!(failure(&a).contains("it wants credentials (401"), "{a:?}");
    let bearer = Prometheus::new(PrometheusConfig {
        bearer: Some("wren-and-robin".into()),
        ..PrometheusConfig::new(server.url())
    })
    .unwrap();
    let a = bearer.ask(&ask, now, None).await;
    assert!(failure(&a).contains("refused the credentials"), "{a:?}");
    let both = PrometheusConfig {
        bearer: Some("x".into()),
        basic: Some(("y".into(), "z".into())),
        ..PrometheusConfig::new(server.url())
    };
    assert!(Prometheus::new(both).unwrap_err().message.contains("two kinds"));
}
