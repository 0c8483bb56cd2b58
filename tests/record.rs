//! `canary record` against a real Prometheus: what is recorded is what checks at those times would be answered. A server that wants
//! to be left alone, that answers in small pieces only, that dies half way.
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
use canary::plan::{Answer, Ask, Bindings, InputId, Missing, Plan, Population, Selector, Time, Window};
use canary::sim::recording::Key;
use canary::syntax::source::SourceMap;
use rustix::process::Signal;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::canary::Work;
use support::http::{Pages, Reply};
use support::prometheus::{Prometheus as Server, Setup};
use support::recorded::recording;
use support::require;

/// The data begins here (seconds); a sample every 15 s, for an hour.
const T0: i64 = 1_700_000_010;
const LONG: Duration = Duration::from_secs(40);

fn at(second: i64) -> Time {
    (T0 + second) * 1000
}

fn history() -> String {
    let mut om = String::new();
    let mut series = |name: &str, value: &dyn Fn(i64) -> Option<f64>| {
        for s in (0..=3600).step_by(15) {
            if let Some(v) = value(s) {
                writeln!(om, "{name} {v} {}", T0 + s).unwrap();
            }
        }
    };
    for (version, n) in [("v1", 70), ("v2", 10)] {
        series(&format!("requests_total{{version=\"{version}\"}}"), &|s| Some((s / 15 * n) as f64 + 0.1));
    }
    // restarted at 450 s
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
    series("died_total", &|s| (s <= 1800).then_some((s / 15) as f64));
    series("pool{pod=\"a\"}", &|s| Some(s as f64 / 3600.0));
    series("pool{pod=\"b\"}", &|s| Some(0.5 + s as f64 / 1e5));
    series("sparse", &|s| (s <= 600).then_some(2.0));
    series("hole", &|s| Some(if s < 300 { f64::NAN } else { 4.0 }));
    // two series that only one matches, for a while
    series("twice{x=\"1\"}", &|_| Some(1.0));
    series("twice{x=\"2\"}", &|s| (900..1000).contains(&s).then_some(1.0));
    for (le, n) in [("0.1", 9), ("1.0", 14), ("+Inf", 15)] {
        for version in ["v1", "v2"] {
            let name = format!("latency_bucket{{version=\"{version}\",le=\"{le}\"}}");
            series(&name, &|s| Some((s / 15 * n) as f64));
        }
    }
    om + "# EOF\n"
}

fn server() -> Option<Server> {
    if !require("prometheus") || !require("promtool") {
        return None;
    }
    let text = history();
    Some(Server::start(&Setup { history: Some(&text), ..Setup::default() }))
}

fn sel(s: &str) -> Selector {
    Selector(s.into())
}

fn promql(query: &str, selectors: &[&str]) -> Ask {
    Ask::PromQl { query: query.into(), selectors: selectors.iter().map(|s| sel(s)).collect() }
}

fn times(over: Stretch) -> Vec<Time> {
    (0..).map(|i| over.from + i * over.step).take_while(|t| *t <= over.to).collect()
}

const M5: Window = Window::Last(300_000);

fn asks() -> Vec<Ask> {
    vec![
        Ask::Gauge(sel("pool{pod=\"b\"}")),
        Ask::Gauge(sel("pool")),
        Ask::Gauge(sel("nope")),
        Ask::Gauge(sel("hole")),
        Ask::Gauge(sel("sparse")),
        promql("sum(rate(errors_total[5m])) / sum(rate(requests_total[5m]))", &["errors_total", "requests_total"]),
        promql("sum(pool) + max(sparse)", &["pool", "sparse", "nope"]),
        promql("vector(0)", &[]),
        promql("scalar(vector(3))", &[]),
        promql("sum(nope) or vector(0)", &["nope"]),
        promql("vector(0) / vector(0)", &[]),
        Ask::Increase(sel("requests_total"), M5),
        Ask::Increase(sel("errors_total{version=\"v2\"}"), M5),
        // answers for a while after its target has died
        Ask::Increase(sel("died_total"), M5),
        promql("sum(rate(died_total[10m]))", &["died_total"]),
        Ask::Buckets(sel("latency_bucket"), M5),
        // fails: no label `le`
        Ask::Buckets(sel("requests_total"), M5),
    ]
}

#[tokio::test]
async fn a_range_answers_what_checks_would_be_answered() {
    let Some(server) = server() else { return };
    let source = || Prometheus::new(PrometheusConfig::new(server.url())).unwrap();
    let p = source();
    let over = Stretch { from: at(7), to: at(3500), step: 59_000, max_age: 60_000 };
    are_checks(&p, over, |_| false).await;
    since_the_last_check(&source, over).await;
    baselines(&p).await;
    // one moment's matching error is that moment's: the source refuses the whole range
    let many = promql("pool{pod=\"b\"} * on() group_left() twice", &["twice"]);
    let refused = p.range(&many, &[], over).await.unwrap_err();
    assert!(!refused.transient && refused.message.contains("it refused the query"), "{refused:?}");
}

/// `ended`: at that second a series that has ended lately may be there for a check, and not for a range.
async fn are_checks(p: &Prometheus, over: Stretch, ended: fn(i64) -> bool) {
    for ask in &asks() {
        let got = p.range(ask, &[], over).await.unwrap_or_else(|e| panic!("{ask:?}: {e}"));
        let got = &got[&Vec::new()];
        assert_eq!(got.iter().map(|(at, _)| *at).collect::<Vec<_>>(), times(over));
        for (time, answer) in got {
            let (want, second) = (p.ask(ask, *time, None).await, time / 1000 - T0);
            let less = answer.value.is_err() || (answer.value == want.value && answer.series < want.series);
            assert!(
                *answer == want || (ended(second) && less),
                "{ask:?} at {second}s: {answer:?}, and a check {want:?}"
            );
        }
        let by = [String::from("version")];
        let Ok(got) = p.range(ask, &by, over).await else {
            // no query of one number for all
            assert!(p.ask_by(ask, &by, at(7), None).await.is_err(), "{ask:?}");
            continue;
        };
        for time in times(over).into_iter().filter(|t| !ended(t / 1000 - T0)) {
            let want = p.ask_by(ask, &by, time, None).await;
            let got: Vec<_> = got
                .iter()
                .filter_map(|(slice, rows)| Some((slice.clone(), rows.iter().find(|r| r.0 == time)?.1.clone())))
                .collect();
            let want: Vec<_> = want.map(|rows| rows.by_slice.into_iter().collect()).unwrap_or_default();
            assert_eq!(got, want, "{ask:?} by version at {}s", time / 1000 - T0);
        }
    }
}

/// VictoriaMetrics speaks the same API with another engine behind it, which moves the ends of ranges unless it is asked not to. Over a
/// range it takes a series for ended after two of its own intervals, at a moment after five minutes: nothing that is asked changes that.
#[tokio::test]
async fn so_does_a_range_of_victoria_metrics() {
    if !require("victoria-metrics") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let (server, url) = victoria(dir.path()).await;
    let source = || Prometheus::new(PrometheusConfig::new(url.as_str())).unwrap();
    let p = source();
    let over = Stretch { from: at(7), to: at(3500), step: 59_000, max_age: 60_000 };
    are_checks(&p, over, |second| (631..=900).contains(&second)).await;
    since_the_last_check(&source, over).await;
    baselines(&p).await;
    drop(server);
}

/// A VictoriaMetrics of the test's own with [`history`].
async fn victoria(folder: &std::path::Path) -> (support::Server, String) {
    let address = format!("127.0.0.1:{}", support::free_port());
    let args = [
        format!("-httpListenAddr={address}"),
        format!("-storageDataPath={}", folder.join("data").display()),
        String::from("-retentionPeriod=100y"),
        String::from("-search.latencyOffset=0s"),
    ];
    let mut server = support::Server::spawn("victoria-metrics", &args, &folder.join("log"));
    server.wait_ready(|| TcpStream::connect(&address).is_ok());
    let url = format!("http://{address}");
    canary::backend::http::install_crypto();
    let import = reqwest::Client::new().post(format!("{url}/api/v1/import/prometheus")).body(history()).send();
    assert_eq!(import.await.unwrap().status().as_u16(), 204);
    let p = Prometheus::new(PrometheusConfig::new(url.as_str())).unwrap();
    // what was written is found a moment later
    let began = std::time::Instant::now();
    while p.ask(&Ask::Gauge(sel("sparse")), at(600), None).await.value.is_err() {
        assert!(began.elapsed() < LONG, "nothing came");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    (server, url)
}

async fn since_the_last_check(source: &dyn Fn() -> Prometheus, over: Stretch) {
    for ask in [
        Ask::Increase(sel("errors_total{version=\"v2\"}"), Window::SinceLast),
        Ask::Increase(sel("errors_total"), Window::SinceLast),
        Ask::Increase(sel("nope"), Window::SinceLast),
        Ask::Buckets(sel("latency_bucket"), Window::SinceLast),
    ] {
        let got = source().range(&ask, &[], over).await.unwrap();
        let by = [String::from("version")];
        let grouped = source().range(&ask, &by, over).await.unwrap();
        let (remembers, mut since) = (source(), over.from - over.step);
        let _ = remembers.ask(&ask, since, None).await;
        for (time, answer) in &got[&Vec::new()] {
            let second = time / 1000 - T0;
            assert_eq!(*answer, remembers.ask(&ask, *time, Some(since)).await, "{ask:?} at {second}s");
            assert_eq!(
                *answer,
                source().ask(&ask, *time, Some(since)).await,
                "{ask:?} at {second}s, by another process"
            );
            let want = source().ask_by(&ask, &by, *time, Some(since)).await.unwrap();
            let rows: Vec<_> = grouped
                .iter()
                .filter_map(|(slice, rows)| Some((slice.clone(), rows.iter().find(|r| r.0 == *time)?.1.clone())))
                .collect();
            assert_eq!(rows, want.by_slice.into_iter().collect::<Vec<_>>(), "{ask:?} by version at {second}s");
            since = *time;
        }
    }
}

async fn baselines(p: &Prometheus) {
    let asks = [
        Ask::Gauge(sel("pool{pod=\"b\"}")),
        Ask::Gauge(sel("pool")),
        Ask::Gauge(sel("sparse")),
        Ask::Gauge(sel("hole")),
        promql("sum(rate(requests_total[5m]))", &["requests_total"]),
        Ask::Increase(sel("requests_total"), M5),
        Ask::Increase(sel("died_total"), M5),
        Ask::Buckets(sel("latency_bucket"), M5),
    ];
    for (length, step) in [(300_000, 30_000), (100_000, 37_000)] {
        let over = Stretch { from: at(307), to: at(2500), step, max_age: 60_000 };
        for ask in &asks {
            let is_mean = matches!(ask, Ask::Gauge(_) | Ask::PromQl { .. });
            let got = p.range_before(ask, &[], over, length, false).await.unwrap();
            for (time, answer) in &got[&Vec::new()] {
                let stretch = Stretch { from: time - length, to: *time, ..over };
                let want = if is_mean { p.mean(ask, stretch).await } else { p.whole(ask, stretch).await };
                assert_eq!(*answer, want, "{ask:?} over {length} ms at {}s", time / 1000 - T0);
            }
            if matches!(ask, Ask::Increase(..)) {
                let bad = p.range_before(ask, &[], over, length, true).await.unwrap();
                for (time, answer) in &bad[&Vec::new()] {
                    assert_eq!(*answer, p.ask(ask, *time, None).await, "{ask:?}, bad events");
                }
            }
            let by = [String::from("version")];
            let got = p.range_before(ask, &by, over, length, false).await.unwrap();
            for time in times(over) {
                let stretch = Stretch { from: time - length, to: time, ..over };
                let want =
                    if is_mean { p.mean_by(ask, &by, stretch).await } else { p.whole_by(ask, &by, stretch).await };
                let rows: Vec<_> = got
                    .iter()
                    .filter_map(|(slice, rows)| Some((slice.clone(), rows.iter().find(|r| r.0 == time)?.1.clone())))
                    .collect();
                let want: Vec<_> = want.unwrap().by_slice.into_iter().collect();
                assert_eq!(rows, want, "{ask:?} by version over {length} ms at {}s", time / 1000 - T0);
            }
        }
    }
}

const POLICY: &str = r#"edition 2026

metric failed:  counter   = prometheus(`errors_total{code="500", ${where}}`)
metric served:  counter   = prometheus(`requests_total{${where}}`)
metric errors:  events    = events(bad: failed, total: served, window: 5m)
metric latency: histogram = prometheus(`latency_bucket{${where}}`, unit: 1s, window: 5m)
metric pool:    ratio     = prometheus(`pool{pod="b"}`)
metric matched: ratio     = prometheus(`pool{pod="b"} * on() group_left() twice`)

flag x: ratio in [0%, 5%]

rollout checkout {
  check every 15s
  baseline 5m
  guard errors:  errors < stable + 5pp                 tolerate 1m  else rollback
  guard slow:    share(latency < 100ms) >= 10%         tolerate 1m  else rollback
  guard total:   increase(failed, since phase) <= 1000 tolerate 1m  else rollback
  guard pool:    pool <= before + 5pp                  tolerate 1m  else rollback
  guard matched: matched <= 90%                        tolerate 1m  else rollback
  phase taste { flag x = 5%  hold 5m }
}

environment past {
  prometheus = prometheus(url: env("PROMETHEUS_URL"))
  x = json_file(path: env("NOT_SET_AND_NOT_NEEDED"), key: "x")
  variants x { canary = `version="v2"`  stable = `version="v1"` }
}
"#;

fn compiled(text: &str) -> (Plan, Bindings) {
    let mut map = SourceMap::default();
    let id = map.add(String::from("policy.canary"), text.to_owned());
    let (file, found) = canary::syntax::parse(id, text);
    assert!(found.is_empty(), "{found:#?}");
    let (made, found) = canary::check::compile(&[file], &map, None, Some("past"), &[]);
    made.unwrap_or_else(|| panic!("{found:#?}"))
}

fn rfc(second: i64) -> String {
    chrono::DateTime::from_timestamp(T0 + second, 0).unwrap().to_rfc3339()
}

fn args<'a>(from: &'a str, to: &'a str) -> Vec<&'a str> {
    vec!["record", "policy.canary", "--env", "past", "--from", from, "--to", to, "-o", "rec.parquet"]
}

#[tokio::test]
async fn what_is_recorded_is_what_a_run_would_have_been_answered() {
    let Some(server) = server() else { return };
    let work = Work::of_text(POLICY).with("PROMETHEUS_URL", server.url());
    let (from, to) = (rfc(607), rfc(1800));
    let done = work.canary(&args(&from, &to)).exits(0).says("80 checks, every 15s").shows("rec.parquet: ");
    assert!(!done.err.contains('\r'), "no progress where nobody looks: {}", done.err);
    assert!(!work.path("rec.parquet.part").exists());
    let r = recording(&work, "rec.parquet");
    let (plan, bindings) = compiled(POLICY);
    assert_eq!((r.about.policy.as_str(), r.about.run.as_ref()), (plan.hash.as_str(), None));
    assert_eq!((r.about.step, r.about.from, r.about.to), (15_000, at(607), at(607 + 79 * 15)));
    assert!(r.happened.is_empty());
    let p = Prometheus::new(PrometheusConfig::new(server.url())).unwrap();
    for (i, input) in plan.inputs.iter().enumerate() {
        let series = r.find(&Key::of(input, &[])).unwrap_or_else(|| panic!("{input:?}"));
        assert_eq!(series.times.len(), 80, "{}", series.key);
        let of = if input.population == Population::Canary { "canary" } else { "stable" };
        let ask = input.ask.filled(&bindings.variants[of]);
        for (row, time) in series.times.iter().enumerate() {
            let stretch = Stretch { from: time - 300_000, to: *time, step: 15_000, max_age: input.max_age };
            let want = match (&ask, input.population) {
                (Ask::Increase(..), Population::Before) if plan.is_bad_part(InputId::at(i)) => {
                    p.ask(&ask, *time, None).await
                }
                (Ask::Increase(..) | Ask::Buckets(..), Population::Before) => p.whole(&ask, stretch).await,
                (_, Population::Before) => p.mean(&ask, stretch).await,
                _ => p.ask(&ask, *time, Some(time - 15_000)).await,
            };
            let got = series.answer(row).unwrap();
            assert_eq!(got, want, "{} at {}s", series.key, time / 1000 - T0);
        }
    }
    let all: Vec<Answer> = r.series.iter().flat_map(|s| (0..s.times.len()).filter_map(|i| s.answer(i))).collect();
    let failed = all.iter().filter(|a| matches!(a.value, Err(Missing::Failed { .. }))).count();
    assert!((5..60).contains(&failed), "only the moments that cannot be matched have failed: {failed}");
    assert!(all.iter().filter(|a| a.value.is_ok()).count() > 400);
}

const SLICED: &str = r#"edition 2026

slice release in ["v1", "v2", "v3"]

metric share:  ratio   = prometheus(`sum by (${by}) (rate(errors_total[5m])) / sum by (${by}) (rate(requests_total[5m]))`)
metric failed: counter = prometheus(`errors_total{code="500"}`)

flag x: bool per release

rollout checkout per release {
  check every 15s
  guard share: share <= 50%                       tolerate 1m  else rollback
  guard total: increase(failed, since phase) <= 9 tolerate 1m  else rollback
  phase some { flag x = on  hold 5m }
}

environment past {
  prometheus = prometheus(url: env("PROMETHEUS_URL"))
  x = json_file(path: env("NOT_SET_AND_NOT_NEEDED"), key: "x/${release}")
  labels { release = "version" }
}
"#;

#[tokio::test]
async fn slices_are_asked_for_all_at_once() {
    let Some(server) = server() else { return };
    let work = Work::of_text(SLICED).with("PROMETHEUS_URL", server.url());
    let (from, to) = (rfc(607), rfc(1800));
    work.canary(&args(&from, &to)).exits(0).says("for each slice");
    let r = recording(&work, "rec.parquet");
    let (plan, _) = compiled(SLICED);
    assert_eq!(r.about.slices, ["release"]);
    let p = Prometheus::new(PrometheusConfig::new(server.url())).unwrap();
    for input in &plan.inputs {
        assert_eq!(input.by, ["version"]);
        for slice in [vec![String::from("v1")], vec![String::from("v2")]] {
            let series = r.find(&Key::of(input, &slice)).unwrap_or_else(|| panic!("{input:?} {slice:?}"));
            assert_eq!(series.times.len(), 80, "{}", series.key);
            for (row, time) in series.times.iter().enumerate() {
                let rows = p.ask_by(&input.ask.filled(""), &input.by, *time, Some(time - 15_000)).await.unwrap();
                let nobody = Answer::missing(Missing::Empty { others: Some(!rows.by_slice.is_empty()) });
                let want = rows.by_slice.get(&slice).unwrap_or(&nobody);
                assert_eq!(series.answer(row).as_ref(), Some(want), "{} at {}s", series.key, time / 1000 - T0);
            }
        }
        assert!(r.find(&Key::of(input, &[String::from("v3")])).is_none(), "nobody has seen it");
    }
}

/// A server in front of a Prometheus that answers as it is told to.
fn in_front(port: u16, refuse: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static) -> Pages {
    Pages::serve(move |request| {
        if let Some(reply) = refuse(&format!("{}?{}", request.path, request.body)) {
            return reply;
        }
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        write!(
            stream,
            "{} {} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{}",
            request.method,
            request.path,
            request.body.len(),
            request.body
        )
        .unwrap();
        let mut got = String::new();
        stream.read_to_string(&mut got).unwrap();
        let (head, body) = got.split_once("\r\n\r\n").unwrap();
        Reply::json(head.split(' ').nth(1).unwrap().parse().unwrap(), body)
    })
}

/// Without the server's name in a failure.
fn nameless(answer: Option<Answer>) -> Option<Answer> {
    answer.map(|a| match a.value {
        Err(Missing::Failed { .. }) => Answer::failed("it refused"),
        _ => a,
    })
}

fn field(asked: &str, name: &str) -> f64 {
    let value = asked.split('&').find_map(|f| f.strip_prefix(&format!("{name}="))).unwrap_or("0");
    value.parse().unwrap_or(0.0)
}

#[test]
fn a_server_that_wants_little_at_a_time_gets_little_at_a_time() {
    let Some(server) = server() else { return };
    let (from, to) = (rfc(607), rfc(1800));
    let work = Work::of_text(POLICY).with("PROMETHEUS_URL", server.url());
    work.canary(&args(&from, &to)).exits(0);
    let whole = recording(&work, "rec.parquet");

    let busy = AtomicUsize::new(0);
    let front = in_front(server.port, move |asked| {
        if !asked.contains("query_range") {
            return None;
        }
        let points = (field(asked, "end") - field(asked, "start")) / field(asked, "step").max(0.001);
        // longer than the baseline's own stretch, which cannot be shared out
        if points > 35.0 {
            let text = r#"{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}"#;
            return Some(Reply::json(422, text));
        }
        let retry = || vec![("Retry-After", String::from("0.01")), ("Content-Type", String::from("application/json"))];
        busy.fetch_add(1, Ordering::SeqCst).is_multiple_of(3).then(|| Reply::Full(429, retry(), String::from("{}")))
    });
    let work = Work::of_text(POLICY).with("PROMETHEUS_URL", front.url());
    work.canary(&args(&from, &to)).exits(0);
    let pieces = recording(&work, "rec.parquet");
    assert_eq!(pieces.series.len(), whole.series.len());
    for (a, b) in pieces.series.iter().zip(&whole.series) {
        assert_eq!((&a.key, &a.times), (&b.key, &b.times));
        for row in 0..a.times.len() {
            assert_eq!(nameless(a.answer(row)), nameless(b.answer(row)), "{}, row {row}", a.key);
        }
    }
}

#[test]
fn a_recording_that_broke_off_goes_on_and_asks_for_nothing_twice() {
    let Some(server) = server() else { return };
    let asked: Arc<Mutex<Vec<String>>> = Arc::default();
    let left = Arc::new(AtomicUsize::new(5));
    let (log, budget) = (Arc::clone(&asked), Arc::clone(&left));
    let (hangs, hung) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (hang, count) = (Arc::clone(&hangs), Arc::clone(&hung));
    let front = in_front(server.port, move |what| {
        if !what.contains("/api/v1/query") {
            return None;
        }
        if hang.load(Ordering::SeqCst) {
            count.fetch_add(1, Ordering::SeqCst);
            return Some(Reply::Hang(Duration::from_secs(3)));
        }
        if budget.load(Ordering::SeqCst) == 0 {
            return Some(Reply::Full(503, vec![("Retry-After", String::from("0"))], String::from("going down")));
        }
        budget.fetch_sub(1, Ordering::SeqCst);
        log.lock().unwrap().push(what.to_owned());
        None
    });
    let work = Work::of_text(POLICY).with("PROMETHEUS_URL", front.url());
    // some time ago: the times of the first command are those of the second
    let args = args("10m", "1m");
    work.canary(&args).exits(1).says("503").says("rec.parquet.part: the same command goes on");
    assert!(!work.path("rec.parquet").exists());
    let about = work.json("rec.parquet.part/about.json");
    // another recording is not mixed into it
    let other: Vec<&str> = args.iter().map(|a| if *a == "10m" { "20m" } else { a }).collect();
    work.canary(&other).exits(2).says("is of another recording, from ").says("name another file with `-o`");
    let stepped: Vec<&str> = args.iter().copied().chain(["--step", "30s"]).collect();
    work.canary(&stepped).exits(2).says("is of another recording, every 15s");
    std::fs::write(work.path("policy.canary"), POLICY.replace("tolerate 1m", "tolerate 2m")).unwrap();
    work.canary(&args).exits(2).says("made for another policy");
    std::fs::write(work.path("policy.canary"), POLICY).unwrap();
    let before = asked.lock().unwrap().len();

    // Ctrl-C while it waits for an answer
    hangs.store(true, Ordering::SeqCst);
    let live = work.start(&args);
    support::eventually("it asks", || hung.load(Ordering::SeqCst) > 0);
    live.signal(Signal::INT);
    live.end(LONG).exits(5).says("rec.parquet.part: the same command goes on");
    hangs.store(false, Ordering::SeqCst);

    left.store(10_000, Ordering::SeqCst);
    work.canary(&args).exits(0);
    let r = recording(&work, "rec.parquet");
    assert_eq!((r.about.from, r.about.to), (about["from"].as_i64().unwrap(), about["to"].as_i64().unwrap()));
    let asked = asked.lock().unwrap();
    // what was kept is not asked for again; the question that broke off is
    let again = asked[before..].iter().filter(|q| asked[..before].contains(q)).count();
    assert!((0..=3).contains(&again), "{again} of {before} questions were put twice");
    assert!(before >= 3, "{asked:#?}");
}

#[test]
fn what_cannot_be_recorded_is_refused_with_a_way_out() {
    let work = Work::of_text(POLICY).with("PROMETHEUS_URL", "http://127.0.0.1:9");
    let (from, to) = (rfc(607), rfc(1800));
    let base = args(&from, &to);
    let with = |more: &[&'static str]| -> Vec<String> {
        base.iter().map(|a| (*a).to_owned()).chain(more.iter().map(|a| (*a).to_owned())).collect()
    };
    let run = |args: Vec<String>| work.canary(&args.iter().map(String::as_str).collect::<Vec<_>>());
    run(with(&["--step", "20s"])).exits(2).says("--step 20s is no multiple of the policy's `check every 15s`");
    run(with(&["--step", "0s"])).exits(2);
    run(with(&["--limit", "10"])).exits(2).says("more than `--limit 10`: ask for a shorter stretch");
    assert!(!work.path("rec.parquet.part").exists());
    work.canary(&args(&to, &from)).exits(2).says("is not before");
    work.canary(&args(&from, "2999-01-01T00:00:00Z")).exits(2).says("lies in the future");
    work.canary(&args("yesterday", &to)).exits(2).says("how long ago is written as `12m30s`");
    let closed = run(with(&[])).exits(1);
    assert!(closed.err.contains("source prometheus: ") && !closed.err.contains("goes on"), "{}", closed.err);
    assert!(!work.path("rec.parquet.part").exists(), "nothing was answered, nothing is left");
    // a folder of that name that is not ours stays as it is
    std::fs::create_dir(work.path("rec.parquet.part")).unwrap();
    std::fs::write(work.path("rec.parquet.part/mine"), "mine").unwrap();
    run(with(&[])).exits(2).says("rec.parquet.part is no folder of a recording that goes on");
    assert!(work.path("rec.parquet.part/mine").exists());
    std::fs::remove_dir_all(work.path("rec.parquet.part")).unwrap();
    std::fs::write(work.path("rec.parquet"), "mine").unwrap();
    run(with(&[])).exits(2).says("rec.parquet is there already");

    let work = Work::new("checkout.canary", &[]);
    let lab = ["record", "checkout.canary", "--env", "lab", "--from", "1h", "-o", "rec.parquet"];
    work.canary(&lab).exits(2).says("the lab has no past").says("canary run … --record FILE");
    let f = support::page::Flagged::new(|_| 0.0);
    let page = ["record", "checkout.canary", "--env", "page", "--from", "1h", "-o", "rec.parquet"];
    f.work.canary(&page).exits(1).says("this source has no range API");
}

/// The same five samples in every format are one recording.
#[test]
fn what_others_kept_is_imported_from_each_format() {
    let values = [0.5, 0.625, 0.25, 0.75, 0.5];
    let second = |i: usize| T0 + 15 * i as i64;
    let each = |line: &dyn Fn(usize, f64) -> String| -> String {
        values.iter().enumerate().map(|(i, v)| line(i, *v)).collect()
    };
    let rfc = |i: usize| chrono::DateTime::from_timestamp(second(i), 0).unwrap().to_rfc3339();
    let work = Work::of_text(POLICY);
    let put = |name: &str, text: String| std::fs::write(work.path(name), text).unwrap();
    put("data.csv", format!("time,metric,value\n{}", each(&|i, v| format!("{},pool,{v}\n", rfc(i)))));
    put(
        "data.om",
        format!("# TYPE pool gauge\n{}other 1 {T0}\n# EOF\n", each(&|i, v| format!("pool {v} {}\n", second(i)))),
    );
    let points = each(&|i, v| format!("[{},\"{v}\"],", second(i)));
    put(
        "data.json",
        format!(
            r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"__name__":"pool"}},"values":[{}]}}]}}}}"#,
            points.trim_end_matches(',')
        ),
    );
    let list = each(&|_, v| format!("{v} "));
    put(
        "data.yml",
        format!(
            "tests:\n- interval: 15s\n  input_series:\n  - series: seen{{x=\"1\"}}\n    values: '{}'\n",
            list.trim()
        ),
    );
    let begin = rfc(0);
    let import = |data: &str, format: &str, out: &str, more: &[&str]| {
        let mut args =
            vec!["record", "policy.canary", "--env", "past", "--import", data, "--format", format, "-o", out];
        args.extend(more);
        work.canary(&args)
    };
    import("data.csv", "csv", "a.parquet", &[]).exits(0).shows("a.parquet: ");
    import("data.om", "openmetrics", "b.parquet", &[]).exits(0).says("not read by the policy: other");
    import("data.json", "query_range", "c.parquet", &[]).exits(0);
    import("data.yml", "promtool", "d.parquet", &["--from", &begin, "--map", "pool = seen{x=\"1\"}"]).exits(0);
    let first = recording(&work, "a.parquet");
    let (plan, _) = compiled(POLICY);
    let pool = plan.inputs.iter().find(|i| i.metric == "pool").unwrap();
    let of = |r: &canary::sim::recording::Recording| r.find(&Key::of(pool, &[])).unwrap().clone();
    assert_eq!(of(&first).values, canary::sim::recording::Values::Value(values.to_vec()));
    assert_eq!(of(&first).times[0], T0 * 1000);
    for name in ["b.parquet", "c.parquet", "d.parquet"] {
        assert_eq!(of(&recording(&work, name)), of(&first), "{name}");
    }
    assert_eq!((first.about.run.as_ref(), first.about.step), (None, 15_000));

    // each refusal names the file, the place and a way out, and leaves no file
    put("bad.csv", format!("time,metric,value\n{},pool,much\n", rfc(0)));
    import("bad.csv", "csv", "e.parquet", &[]).exits(2).says("bad.csv: line 2: ");
    put("page.om", String::from("pool 0.5\n# EOF\n"));
    import("page.om", "openmetrics", "e.parquet", &[]).exits(2).says("has a line without a time");
    import("data.json", "csv", "e.parquet", &[]).exits(2).says("data.json: ");
    import("data.om", "openmetrics", "e.parquet", &["--map", "nonsense"]).exits(2).says("--map `nonsense`: ");
    import("nowhere", "csv", "e.parquet", &[]).exits(2).says("cannot read nowhere");
    std::fs::write(work.path("bytes"), [0xff, 0xfe, 0]).unwrap();
    import("bytes", "csv", "e.parquet", &[]).exits(2).says("is not UTF-8");
    import("data.csv", "csv", "a.parquet", &[]).exits(2).says("a.parquet is there already");
    assert!(!work.path("e.parquet").exists());
    let bare = ["record", "policy.canary", "--env", "past", "--import", "data.csv", "-o", "e.parquet"];
    work.canary(&bare).exits(2).says("--format");
    work.canary(&["record", "policy.canary", "--env", "past", "-o", "e.parquet"]).exits(2).says("--from");
}
