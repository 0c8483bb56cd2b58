//! Scraped pages over real TCP, and what Prometheus says to the same questions about the same pages.
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
use canary::backend::scrape::{Scrape, ScrapeConfig};
use canary::backend::{Metrics, Secret, Stretch};
use canary::plan::{Answer, Ask, Missing, Reading, Selector, Time, Window};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use support::http::{Pages, Reply};
use support::prometheus::{Prometheus as Server, Setup};
use support::require;

fn now() -> Time {
    chrono::Utc::now().timestamp_millis()
}

fn config<'a>(urls: impl IntoIterator<Item = &'a str>) -> ScrapeConfig {
    ScrapeConfig {
        every: Duration::from_millis(100),
        timeout: Duration::from_millis(500),
        ..ScrapeConfig::new(urls.into_iter().map(Secret::from))
    }
}

fn gauge(s: &str) -> Ask {
    Ask::Gauge(Selector(s.into()))
}

fn number(a: &Answer) -> f64 {
    match &a.value {
        Ok(Reading::Value(v) | Reading::Increase(v)) => *v,
        other => panic!("{other:?}"),
    }
}

/// Asks again until there is an answer, for at most 15 s.
async fn wait<T, F: Future<Output = Option<T>>>(ask: impl Fn() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(got) = ask().await {
            return got;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "nothing came");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// What a server answers, and what is said of it.
type Case = (fn() -> Reply, &'static str);

#[tokio::test]
async fn pages_are_read_until_it_is_dropped() {
    let reads = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&reads);
    let server = Pages::serve(move |r| {
        let n = count.fetch_add(1, Ordering::SeqCst);
        assert_eq!(r.header("authorization"), "Basic bWU6d3Jlbg==");
        if r.path.starts_with("/old") {
            return Reply::Full(302, vec![("Location", "/metrics".into())], String::new());
        }
        Reply::typed(
            200,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            &format!("# TYPE x counter\nx_total{{a=\"b\"}} {n} # {{id=\"1\"}} 1\n# EOF\n"),
        )
    });
    let url = format!("http://me:wren@127.0.0.1:{}/old?key=wren", server.port);
    let s = Scrape::start(&config([url.as_str()])).unwrap();
    let what = s.ready().await.unwrap();
    assert_eq!(what, format!("1 series scraped from {}/old", server.url()));
    assert!(!s.has_history());
    assert!(!format!("{s:?}").contains("wren"));
    let selector = format!("x_total{{a=\"b\",instance=\"127.0.0.1:{}\"}}", server.port);
    wait(|| async { (number(&s.ask(&gauge(&selector), now(), None).await) > 4.0).then_some(()) }).await;
    drop(s);
    // a read may be under way
    tokio::time::sleep(Duration::from_millis(150)).await;
    let then = reads.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(reads.load(Ordering::SeqCst), then);
}

#[tokio::test]
async fn faults_name_the_page_and_the_line() {
    let cases: Vec<Case> = vec![
        (|| Reply::text("a 1\nb{ 2\n"), "line 2: `=` or `}` is expected, not `2`"),
        (
            || Reply::typed(200, "application/openmetrics-text", "a 1\n"),
            "line 2: the page ends without `# EOF`: it was cut off",
        ),
        (|| Reply::typed(200, "text/html", "<html></html>"), "it is a web page, not a page of metrics"),
        (
            || Reply::typed(500, "text/plain", "collector\nfailed"),
            "it answers 500 Internal Server Error: collector failed",
        ),
        (|| Reply::CutOff("a 1\n".into()), "the answer broke off: "),
        (|| Reply::Hang(Duration::from_millis(1200)), "no answer within 500ms"),
    ];
    for (reply, want) in cases {
        let server = Pages::serve(move |_| reply());
        let url = format!("{}/metrics?key=wren", server.url());
        let s = Scrape::start(&config([url.as_str()])).unwrap();
        let e = s.ready().await.unwrap_err();
        let head = format!("scrape of {}/metrics: {want}", server.url());
        assert!(e.message.starts_with(&head), "{e}\ninstead of\n{head}");
        let a = s.ask(&gauge("a"), now(), None).await;
        assert_eq!(a.value, Err(Missing::Failed { message: e.message }));
    }
    for (bad, want) in [(vec![], "no page"), (vec!["ftp://x"], "`http://`")] {
        let e = Scrape::start(&config(bad)).unwrap_err();
        assert!(e.message.contains(want), "{e}");
    }
}

#[tokio::test]
async fn a_target_that_dies_grows_old_while_the_other_one_stays_young() {
    let page = || Pages::serve(|_| Reply::text("level 3\nhits_total 5\n"));
    let (one, two) = (page(), page());
    let urls = [one.url(), two.url()];
    let s = Scrape::start(&config(urls.iter().map(String::as_str))).unwrap();
    s.ready().await.unwrap();
    let level = |port: u16| gauge(&format!("level{{instance=\"127.0.0.1:{port}\"}}"));
    let port = one.port;
    drop(one);
    let dead = now();
    wait(|| async { s.ready().await.is_err().then_some(()) }).await;
    wait(|| async { (now() > dead + 400).then_some(()) }).await;
    let a = s.ask(&level(port), now(), None).await;
    assert_eq!(number(&a), 3.0);
    assert!(a.sampled_at.unwrap() <= dead, "{a:?}");
    let a = wait(|| async {
        let a = s.ask(&level(two.port), now(), None).await;
        (a.sampled_at? > dead).then_some(a)
    })
    .await;
    assert_eq!(number(&a), 3.0);
    let why = s.ready().await.unwrap_err();
    assert!(why.transient && why.message.contains("cannot connect: Connection refused"), "{why}");
}

/// Requests that grow by 20 a second, one in ten an error, with one restart; a histogram beside them.
fn service(restarted: &Arc<AtomicBool>) -> Pages {
    let began = Instant::now();
    let restarted = Arc::clone(restarted);
    let second_life = std::sync::OnceLock::new();
    Pages::serve(move |_| {
        let since = if restarted.load(Ordering::SeqCst) { *second_life.get_or_init(Instant::now) } else { began };
        let n = since.elapsed().as_millis() as u64 / 50;
        Reply::text(&format!(
            "# TYPE requests_total counter\n\
             requests_total{{version=\"v2\",code=\"200\"}} {}\n\
             requests_total{{version=\"v2\",code=\"500\"}} {}\n\
             requests_total{{version=\"v1\",code=\"200\"}} 77\n\
             latency_bucket{{le=\"0.1\"}} {}\n\
             latency_bucket{{le=\"0.5\"}} {}\n\
             latency_bucket{{le=\"+Inf\"}} {n}\n\
             pool 0.25\n",
            n - n / 10,
            n / 10,
            n / 2,
            n * 9 / 10,
        ))
    })
}

#[tokio::test]
async fn it_says_what_prometheus_says() {
    if !require("prometheus") {
        return;
    }
    let restarted = Arc::new(AtomicBool::new(false));
    let page = service(&restarted);
    let server = Server::start(&Setup { targets: &[format!("127.0.0.1:{}", page.port)], ..Setup::default() });
    let p = Prometheus::new(PrometheusConfig { scrape: Duration::from_secs(1), ..PrometheusConfig::new(server.url()) })
        .unwrap();
    let url = format!("{}/metrics", page.url());
    let s = Scrape::start(&config([url.as_str()])).unwrap();
    s.ready().await.unwrap();
    // counting begins once both have seen the page
    let all = Ask::Increase(Selector("requests_total{version=\"v2\"}".into()), Window::SinceLast);
    let start = wait(|| async {
        let at = now();
        let both = p.ask(&all, at, None).await.value.is_ok() && s.ask(&all, at, None).await.value.is_ok();
        both.then_some(at)
    })
    .await;
    tokio::time::sleep(Duration::from_millis(4_500)).await;
    restarted.store(true, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(4_500)).await;

    let at = now();
    let window = Window::Last(7_000);
    let sel = |s: &str| Selector(s.into());
    // 20 a second: Prometheus' samples are up to a second older, and it may miss up to a second before the restart
    let second = 20.0;
    for (ask, want) in [
        (Ask::Increase(sel("requests_total{version=\"v2\"}"), window), 140.0),
        (Ask::Increase(sel("requests_total{version=~\"v2\",code=~\"5..\"}"), window), 14.0),
        (Ask::Increase(sel("requests_total{version!=\"v2\"}"), window), 0.0),
    ] {
        let (a, b) = (p.ask(&ask, at, None).await, s.ask(&ask, at, None).await);
        let tolerance = if want == 0.0 { 0.0 } else { want / 7.0 * 3.0 + 1.0 };
        let (a, b) = (number(&a), number(&b));
        assert!((a - b).abs() <= tolerance, "{ask:?}: {a} and {b}");
        assert!((b - want).abs() <= tolerance, "{ask:?}: {b}, not {want}");
    }
    for ask in [gauge("pool"), gauge("nope"), gauge("requests_total")] {
        let (a, b) = (p.ask(&ask, at, None).await, s.ask(&ask, at, None).await);
        assert_eq!((a.value, a.series), (b.value, b.series), "{ask:?}");
    }

    let ask = Ask::Buckets(sel("latency_bucket"), window);
    let (a, b) = (p.ask(&ask, at, None).await, s.ask(&ask, at, None).await);
    let (Ok(Reading::Buckets(a)), Ok(Reading::Buckets(b))) = (&a.value, &b.value) else { panic!("{a:?} {b:?}") };
    assert_eq!(a.len(), 3);
    for (a, b) in a.iter().zip(b) {
        assert_eq!(a.le, b.le);
        assert!((a.count - b.count).abs() <= 3.0 * second + 1.0, "{a:?} {b:?}");
    }

    // exact on both sides, so that only the last scrape and the one before the restart can differ
    let (a, b) = (p.ask(&all, at, Some(start)).await, s.ask(&all, at, Some(start)).await);
    let (a, b) = (number(&a), number(&b));
    assert!(b > 150.0 && (a - b).abs() <= 3.0 * second, "{a} and {b}");

    let mean = gauge("pool");
    let over = Stretch { from: at - 5_000, to: at, step: 1_000, max_age: 60_000 };
    let (a, b) = (p.mean(&mean, over).await, s.mean(&mean, over).await);
    assert_eq!(a.value, b.value);
}
