//! The lab over real TCP, asked by a client of the test's own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::lab::{self, Fault, FaultChange, Faults, Lab, LabConfig, Service};
use canary::plan::Setting;
use std::io::ErrorKind;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// An answer as it came over the wire.
#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn version(&self) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix("x-version: "))
    }
}

/// One request on one connection.
async fn ask(method: &str, url: &str, body: &str) -> std::io::Result<Answer> {
    let rest = url.strip_prefix("http://").unwrap();
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "{method} /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| std::io::Error::new(ErrorKind::UnexpectedEof, format!("no answer: {text:?}")))?;
    Ok(Answer {
        status: head.split(' ').nth(1).unwrap().parse().unwrap(),
        head: head.to_owned(),
        body: body.to_owned(),
    })
}

async fn get(url: &str) -> std::io::Result<Answer> {
    ask("GET", url, "").await
}

/// Many requests at once.
async fn many(url: &str, requests: usize) -> Vec<Answer> {
    let mut all = JoinSet::new();
    for _ in 0..requests {
        let url = url.to_owned();
        all.spawn(async move { get(&url).await.unwrap() });
    }
    all.join_all().await
}

/// A series' value on a Prometheus page.
async fn series(url: &str, series: &str) -> f64 {
    let page = get(url).await.unwrap().body;
    page.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .unwrap_or_else(|| panic!("no {series} in\n{page}"))
        .parse()
        .unwrap()
}

/// Without load, so that every request is the test's.
async fn quiet() -> Lab {
    lab::start(LabConfig { rate: 0, ..LabConfig::default() }).await.unwrap()
}

/// Waits for something that other tasks bring about.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < Duration::from_secs(10), "never: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn refused(url: &str) -> bool {
    let address = url.strip_prefix("http://").unwrap();
    matches!(TcpStream::connect(address).await, Err(e) if e.kind() == ErrorKind::ConnectionRefused)
}

fn change(text: &str) -> FaultChange {
    serde_json::from_str(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_is_exact_and_is_read_back() {
    let lab = quiet().await;
    let traffic = lab.traffic();
    assert_eq!(traffic.read().await.unwrap(), Setting::Share(0.0));
    for (share, of_canary) in [(0.0, 0), (0.05, 10), (0.125, 25), (1.0, 200), (0.0, 0)] {
        traffic.set(Setting::Share(share)).await.unwrap();
        assert!(traffic.read().await.unwrap().same(Setting::Share(share)));
        let before = lab.sent();
        let answers = many(&lab.proxy_url(), 200).await;
        assert!(answers.iter().all(|a| a.status == 200));
        let canary = answers.iter().filter(|a| a.version() == Some("v2")).count();
        let stable = answers.iter().filter(|a| a.version() == Some("v1")).count();
        assert_eq!((canary, stable), (of_canary, 200 - of_canary), "at {share}");
        assert_eq!(lab.sent().canary - before.canary, of_canary as u64);
    }
    // What the services counted is what was asked of them.
    let [canary, stable] = &lab.metrics_urls()[..] else { panic!("two pages") };
    assert_eq!(series(canary, r#"http_requests_total{code="200",version="v2"}"#).await, 235.0);
    assert_eq!(series(stable, r#"http_requests_total{code="200",version="v1"}"#).await, 765.0);
    assert_eq!(series(canary, r#"http_in_flight{version="v2"}"#).await, 0.0);
    lab.stop().await;
}

#[tokio::test]
async fn port_refuses_what_is_no_share_and_tells_a_lab_that_is_gone() {
    let lab = quiet().await;
    let traffic = lab.traffic();
    for wrong in [Setting::Share(1.5), Setting::Bool(true), Setting::Absent] {
        assert!(!traffic.set(wrong).await.unwrap_err().transient);
    }
    assert_eq!(traffic.read().await.unwrap(), Setting::Share(0.0));
    lab.stop().await;
    let error = traffic.set(Setting::Share(0.5)).await.unwrap_err();
    assert!(error.transient && error.message.contains("refused"), "{error}");
}

#[tokio::test]
async fn control_explains_what_it_does_not_understand() {
    let lab = quiet().await;
    let weights = format!("{}/weights", lab.control_url());
    let fault = format!("{}/fault", lab.canary().url());
    let cases = [
        ("PUT", &weights, r#"{"canary":5}"#, 400, "missing field `stable`"),
        ("PUT", &weights, r#"{"canary":2.5,"stable":97.5}"#, 400, "2.5"),
        ("PUT", &weights, r#"{"canary":0,"stable":0}"#, 400, "above 0"),
        ("PUT", &weights, r#"{"canary":-1,"stable":1}"#, 400, "-1"),
        ("PUT", &weights, r#"{"canary":1,"stable":1,"blue":1}"#, 400, "blue"),
        ("DELETE", &weights, "", 405, "GET, PUT"),
        ("POST", &fault, r#"{"error_rate":20}"#, 400, "share from 0 to 1"),
        ("POST", &fault, r#"{"latency_ms":60001}"#, 400, "at most 60000"),
        ("POST", &fault, r#"{"slow":1}"#, 400, "slow"),
        ("POST", &fault, "", 400, "EOF"),
        ("PUT", &fault, "{}", 405, "GET, POST, DELETE"),
        ("GET", &format!("{}/weight", lab.control_url()), "", 404, "/weights"),
    ];
    for (method, url, body, status, part) in cases {
        let answer = ask(method, url, body).await.unwrap();
        assert_eq!(answer.status, status, "{method} {url} {body}: {}", answer.body);
        assert!(answer.body.contains(part), "{body}: {}", answer.body);
    }
    assert_eq!(get(&weights).await.unwrap().body, "{\"canary\":0,\"stable\":100}\n");
    assert_eq!(lab.canary().faults().await.unwrap(), Faults::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crashed_canary_refuses_until_it_is_restarted_with_counters_at_zero() {
    let lab = quiet().await;
    let canary = lab.canary();
    lab.traffic().set(Setting::Share(0.5)).await.unwrap();
    many(&lab.proxy_url(), 20).await;
    let ok = r#"http_requests_total{code="200",version="v2"}"#;
    let start = r#"process_start_time_seconds{version="v2"}"#;
    assert_eq!(series(&canary.metrics_url(), ok).await, 10.0);
    let started = series(&canary.metrics_url(), start).await;
    canary.set_fault(change(r#"{"latency_ms":50}"#)).await.unwrap();

    canary.crash().await.unwrap();
    assert!(!canary.is_up());
    assert!(refused(&canary.url()).await);
    let scrape = get(&canary.metrics_url()).await.unwrap_err();
    assert_eq!(scrape.kind(), ErrorKind::ConnectionRefused);
    assert!(canary.faults().await.unwrap_err().transient);
    let taken = TcpListener::bind(canary.url().strip_prefix("http://").unwrap()).await;
    assert_eq!(taken.unwrap_err().kind(), ErrorKind::AddrInUse, "its port stays reserved");
    let answers = many(&lab.proxy_url(), 20).await;
    assert_eq!(answers.iter().filter(|a| a.status == 502).count(), 10);
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 10);
    let edge = r#"edge_requests_total{code="502",version="v2"}"#;
    assert_eq!(series(&lab.edge_metrics_url(), edge).await, 10.0);
    assert!(lab.stable().is_up());

    canary.restart().await.unwrap();
    assert!(canary.is_up());
    assert_eq!(series(&canary.metrics_url(), ok).await, 0.0);
    assert!(series(&canary.metrics_url(), start).await > started);
    assert_eq!(canary.faults().await.unwrap(), Faults::default());
    let answers = many(&lab.proxy_url(), 20).await;
    assert!(answers.iter().all(|a| a.status == 200));
    assert_eq!(series(&canary.metrics_url(), ok).await, 10.0);

    // A service that runs can be restarted too.
    canary.restart().await.unwrap();
    assert_eq!(series(&canary.metrics_url(), ok).await, 0.0);
}

#[tokio::test]
async fn connections_under_way_break_with_the_crash() {
    let lab = quiet().await;
    let canary = lab.canary().clone();
    canary.set_fault(change(r#"{"latency_ms":30000}"#)).await.unwrap();
    let url = format!("{}/slow", canary.url());
    let waiting = tokio::spawn(async move { get(&url).await });
    let in_flight = r#"http_in_flight{version="v2"}"#;
    until("in flight", async || series(&canary.metrics_url(), in_flight).await == 1.0).await;
    canary.crash().await.unwrap();
    waiting.await.unwrap().expect_err("no answer after a crash");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slowness_is_measured() {
    let lab = quiet().await;
    let canary = lab.canary();
    let page = canary.metrics_url();
    let bucket = |le: &str| format!(r#"http_request_duration_seconds_bucket{{version="v2",le="{le}"}}"#);
    let sum = r#"http_request_duration_seconds_sum{version="v2"}"#;
    many(&canary.url(), 20).await;
    let quick = series(&page, &bucket("0.3")).await;
    assert_eq!(quick, 20.0);
    assert_eq!(series(&page, &bucket("0.005")).await, 0.0, "work takes at least 8 ms");
    let sum_before = series(&page, sum).await;
    assert!(sum_before > 20.0 * 0.008, "{sum_before}");

    canary.set_fault(change(r#"{"latency_ms":310}"#)).await.unwrap();
    let started = Instant::now();
    many(&canary.url(), 20).await;
    assert!(started.elapsed() > Duration::from_millis(318));
    assert_eq!(series(&page, &bucket("0.3")).await, quick, "none of them was quick");
    assert_eq!(series(&page, &bucket("+Inf")).await, 40.0);
    assert!(series(&page, sum).await - sum_before > 20.0 * (0.31 + 0.008));

    canary.clear_faults().await.unwrap();
    many(&canary.url(), 20).await;
    assert_eq!(series(&page, &bucket("0.3")).await, quick + 20.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_counted_as_they_were_answered() {
    let lab = quiet().await;
    let canary = lab.canary();
    canary.set_fault(change(r#"{"error_rate":0.2}"#)).await.unwrap();
    let answers = many(&canary.url(), 400).await;
    let failed = answers.iter().filter(|a| a.status == 500).count();
    let fine = answers.iter().filter(|a| a.status == 200).count();
    assert_eq!(failed + fine, 400);
    // Six standard deviations about 80; and the seed is fixed.
    assert!((32..=128).contains(&failed), "{failed}");
    let counted = |code| format!(r#"http_requests_total{{code="{code}",version="v2"}}"#);
    assert_eq!(series(&canary.metrics_url(), &counted(500)).await, failed as f64);
    assert_eq!(series(&canary.metrics_url(), &counted(200)).await, fine as f64);
    let kept = canary.set_fault(change(r#"{"latency_ms":1}"#)).await.unwrap();
    assert_eq!((kept.error_rate, kept.latency_ms), (0.2, 1), "what is left out stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_service_accepts_and_does_not_answer_until_it_wakes() {
    let lab = quiet().await;
    let canary = lab.canary();
    canary.set_fault(change(r#"{"hang":true}"#)).await.unwrap();
    let patience = Duration::from_millis(300);
    let page = canary.metrics_url();
    assert!(!refused(&canary.url()).await);
    assert!(tokio::time::timeout(patience, get(&page)).await.is_err());
    let url = canary.url();
    let waiting = tokio::spawn(async move { get(&url).await.unwrap().status });
    tokio::time::sleep(patience).await;
    assert!(!waiting.is_finished());
    canary.set_fault(change(r#"{"hang":false}"#)).await.unwrap();
    assert_eq!(waiting.await.unwrap(), 200);
    let below = r#"http_request_duration_seconds_bucket{version="v2",le="0.2"}"#;
    assert_eq!(series(&page, below).await, 0.0, "its wait counts as latency");
    // The client that went away is neither counted nor in flight.
    assert_eq!(series(&page, r#"http_in_flight{version="v2"}"#).await, 0.0);
}

#[tokio::test]
async fn faults_wait_for_their_share_and_do_not_miss_a_short_one() {
    let lab = lab::start(LabConfig {
        rate: 0,
        faults: Fault::parse("slow=40ms, errors=20% at 50%, crash after 1h").unwrap(),
        ..LabConfig::default()
    })
    .await
    .unwrap();
    let (canary, traffic) = (lab.canary(), lab.traffic());
    until("slow from the start", async || lab.injected().len() == 1).await;
    traffic.set(Setting::Share(0.49)).await.unwrap();
    assert_eq!(canary.faults().await.unwrap().error_rate, 0.0);
    traffic.set(Setting::Share(0.6)).await.unwrap();
    traffic.set(Setting::Share(0.0)).await.unwrap();
    until("errors at 50%", async || lab.injected().len() == 2).await;
    let faults = canary.faults().await.unwrap();
    assert_eq!((faults.latency_ms, faults.error_rate, faults.crash), (40, 0.2, false));
    let injected = lab.injected();
    assert!(injected.iter().all(|i| i.failed.is_none()), "{injected:?}");
    assert_eq!(injected[1].fault.to_string(), "errors=20% at 50%");
}

#[tokio::test]
async fn crash_by_schedule_closes_the_port() {
    let lab =
        lab::start(LabConfig { rate: 0, faults: Fault::parse("crash after 50ms").unwrap(), ..LabConfig::default() })
            .await
            .unwrap();
    until("crash", async || !lab.injected().is_empty()).await;
    assert_eq!(lab.injected()[0].failed, None);
    assert!(refused(&lab.canary().url()).await);
}

#[tokio::test]
async fn stable_is_never_the_one_that_suffers() {
    let lab =
        lab::start(LabConfig { faults: Fault::parse("errors=100%").unwrap(), ..LabConfig::default() }).await.unwrap();
    until("load", async || lab.seen().total() > 50).await;
    assert_eq!(lab.seen().answers.keys().copied().collect::<Vec<_>>(), [200]);
    lab.traffic().set(Setting::Share(1.0)).await.unwrap();
    until("errors", async || lab.seen().answers.contains_key(&500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hanging_under_load_does_not_take_control_or_stable_with_it() {
    let lab = lab::start(LabConfig { faults: Fault::parse("hang").unwrap(), ..LabConfig::default() }).await.unwrap();
    until("hang", async || lab.injected().len() == 1).await;
    let traffic = lab.traffic();
    traffic.set(Setting::Share(1.0)).await.unwrap();
    let waiting = r#"edge_in_flight{version="v2"}"#;
    let edge = lab.edge_metrics_url();
    until("a queue", async || series(&edge, waiting).await > 100.0).await;
    traffic.set(Setting::Share(0.0)).await.unwrap();
    let before = lab.seen().answers.get(&200).copied().unwrap_or(0);
    until("stable serves", async || lab.seen().answers.get(&200).copied().unwrap_or(0) > before + 100).await;
    let late = r#"edge_requests_total{code="504",version="v2"}"#;
    until("504", async || series(&edge, late).await > 0.0).await;
    assert!(!lab.canary().faults().await.unwrap().crash);
}

fn addresses(lab: &Lab) -> Vec<String> {
    vec![lab.canary().url(), lab.stable().url(), lab.proxy_url(), lab.control_url()]
}

#[tokio::test]
async fn nothing_listens_after_the_end() {
    let lab = lab::start(LabConfig::default()).await.unwrap();
    let urls = addresses(&lab);
    for url in &urls {
        assert!(!refused(url).await, "{url}");
        assert!(url.starts_with("http://127.0.0.1:"), "{url}");
    }
    let handle: Service = lab.canary().clone();
    lab.stop().await;
    for url in &urls {
        assert!(refused(url).await, "{url} is still served");
    }
    assert!(handle.restart().await.is_err(), "a handle does not revive it");

    let lab = lab::start(LabConfig::default()).await.unwrap();
    let urls = addresses(&lab);
    drop(lab);
    for url in &urls {
        until("refused after drop", async || refused(url).await).await;
    }
}

#[tokio::test]
async fn configs_out_of_range_are_refused() {
    let wrong = [
        LabConfig { rate: 5_001, ..LabConfig::default() },
        LabConfig { canary_version: "v1".to_owned(), ..LabConfig::default() },
        LabConfig { canary_version: "v\n2".to_owned(), ..LabConfig::default() },
    ];
    for config in wrong {
        let error = lab::start(config).await.unwrap_err();
        assert!(error.help.is_some(), "{error}");
    }
}

#[tokio::test]
async fn standalone_service_says_where_it_listens_and_ends_with_its_crash() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let service = tokio::spawn(async move {
        let mut out = writer;
        lab::serve_forever("v2", ([127, 0, 0, 1], 0).into(), 1, &mut out).await
    });
    let url = tokio::task::spawn_blocking(move || {
        let mut line = String::new();
        let mut byte = [0];
        while !line.ends_with('\n') {
            std::io::Read::read_exact(&mut reader, &mut byte).unwrap();
            line.push(char::from(byte[0]));
        }
        line.trim().strip_prefix("listening on ").unwrap().to_owned()
    })
    .await
    .unwrap();
    assert_eq!(get(&url).await.unwrap().version(), Some("v2"));
    let answer = ask("POST", &format!("{url}/fault"), r#"{"crash":true}"#).await;
    assert!(answer.is_err(), "a crashed process does not answer: {answer:?}");
    assert!(service.await.unwrap().is_err());
    assert!(refused(&url).await);

    let everywhere = ([0, 0, 0, 0], 0).into();
    let error = lab::serve_forever("v2", everywhere, 1, &mut Vec::new()).await;
    assert!(error.unwrap_err().message.contains("not a loopback"));
}

/// Whether a program is there; its absence is told loudly, and fails where servers are required.
fn has(program: &str) -> bool {
    let found = std::process::Command::new(program)
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok();
    if !found {
        assert_ne!(std::env::var("CANARY_REQUIRE_SERVERS").as_deref(), Ok("1"), "{program} is not installed");
        println!("SKIPPED: {program} is not installed");
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn promtool_reads_every_page() {
    if !has("promtool") {
        return;
    }
    let lab = quiet().await;
    many(&lab.proxy_url(), 20).await;
    let mut pages = lab.metrics_urls();
    pages.push(lab.edge_metrics_url());
    for url in pages {
        let answer = get(&url).await.unwrap();
        let kind = "content-type: text/plain; version=0.0.4; charset=utf-8";
        assert!(answer.head.contains(kind), "{}", answer.head);
        let mut promtool = std::process::Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = promtool.stdin.take().unwrap();
        std::io::Write::write_all(&mut input, answer.body.as_bytes()).unwrap();
        drop(input);
        let said = promtool.wait_with_output().unwrap();
        assert!(said.status.success(), "{url}: {}", String::from_utf8_lossy(&said.stderr));
    }
}
