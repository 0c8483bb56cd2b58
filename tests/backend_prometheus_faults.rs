//! What the Prometheus source makes of servers, proxies and networks that do not behave.
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
use canary::plan::{Answer, Ask, Missing, Reading, Selector, Window};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use support::http::{Pages, Reply, Request};

const TOKEN: &str = "tok-3n-of-a-wren";
const ONE: &str = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[5,"1"]}]}}"#;

fn source(url: &str) -> Prometheus {
    Prometheus::new(PrometheusConfig {
        bearer: Some(TOKEN.into()),
        timeout: Duration::from_millis(400),
        ..PrometheusConfig::new(url)
    })
    .unwrap()
}

fn vector() -> Ask {
    Ask::PromQl { query: "vector(1)".into(), selectors: Vec::new() }
}

fn words(a: &Answer) -> String {
    match &a.value {
        Err(Missing::Failed { message }) => message.clone(),
        other => panic!("{other:?}"),
    }
}

/// What a server answers, and what is said of it.
type Case = (fn() -> Reply, &'static str);

#[tokio::test]
async fn each_fault_is_one_clear_line_without_a_secret() {
    let cases: Vec<Case> = vec![
        (
            || {
                Reply::json(
                    400,
                    r#"{"status":"error","errorType":"bad_data","error":"1:5: parse error:\n unexpected"}"#,
                )
            },
            "it refused the query: bad_data: 1:5: parse error: unexpected",
        ),
        (
            || Reply::json(422, r#"{"status":"error","errorType":"422","error":"cannot parse query"}"#),
            "it refused the query: cannot parse query",
        ),
        (
            || Reply::json(422, r#"{"status":"error","errorType":"execution","error":"found duplicate series"}"#),
            "it refused the query: execution: found duplicate series",
        ),
        (
            || Reply::typed(401, "text/plain", "Unauthorized: bad token tok-3n-of-a-wren\n"),
            "it refused the credentials (401 Unauthorized): Unauthorized: bad token ***",
        ),
        (|| Reply::json(403, ""), "it refused the credentials (403 Forbidden)"),
        (
            || Reply::typed(503, "text/html", "<html><body>upstream down</body></html>"),
            "it answers 503 Service Unavailable: (a web page)",
        ),
        (
            || Reply::json(503, r#"{"status":"error","errorType":"timeout","error":"query timed out"}"#),
            "it answers 503 Service Unavailable: timeout: query timed out",
        ),
        (
            || Reply::typed(404, "text/plain", "404 page not found"),
            "it has no query API there (404 Not Found): 404 page not found",
        ),
        (
            || Reply::typed(200, "text/html; charset=utf-8", "<!doctype html><title>Login</title>"),
            "it answers with a web page instead of JSON",
        ),
        (|| Reply::json(200, &ONE[..60]), "its answer cannot be read: EOF while parsing"),
        (|| Reply::json(200, "{}"), "its answer cannot be read: missing field"),
        (|| Reply::json(200, r#"{"status":"success"}"#), "its answer holds no data"),
        (|| Reply::json(200, r#"{"status":"error","errorType":"internal","error":"oops"}"#), "internal: oops"),
        (
            || Reply::json(200, &ONE.replacen('{', r#"{"warnings":["store x did not answer","y"],"#, 1)),
            "it warns: store x did not answer; y",
        ),
        (
            || Reply::Full(302, vec![("Location", "/login?token=tok-3n-of-a-wren".into())], String::new()),
            "it redirects (302 Found) to http://127.0.0.1:",
        ),
        (|| Reply::CutOff(ONE[..50].into()), "the answer broke off: "),
        (|| Reply::Hang(Duration::from_millis(900)), "no answer within 400ms"),
        (|| Reply::json(200, &" ".repeat(33 << 20)), "the answer is larger than 32 MiB"),
    ];
    for (reply, want) in cases {
        let server = Pages::serve(move |_| reply());
        let url = format!("{}/?key=tok-3n-of-a-wren", server.url());
        let a = source(&url).ask(&vector(), 5000, None).await;
        let got = words(&a);
        let head = format!("prometheus at {}: {want}", server.url());
        assert!(got.starts_with(&head), "{got}\ninstead of\n{head}");
        assert!(!got.contains("wren") && !got.contains('\n'), "{got}");
    }
}

#[tokio::test]
async fn nobody_listens() {
    let url = format!("http://127.0.0.1:{}", support::free_port());
    let p = source(&url);
    let got = words(&p.ask(&vector(), 5000, None).await);
    assert!(got.contains("cannot connect: Connection refused"), "{got}");
    let e = p.ready().await.unwrap_err();
    assert!(e.transient && e.message.contains("cannot connect"), "{e}");
    let over = Stretch { from: 0, to: 60_000, step: 15_000, max_age: 60_000 };
    let got = words(&p.mean(&Ask::Gauge(Selector("x".into())), over).await);
    assert!(got.contains("cannot connect"), "{got}");
}

/// Answers every query and remembers what was asked.
fn remembering(refuse_post: bool) -> (Pages, Arc<Mutex<Vec<Request>>>) {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let server = Pages::serve(move |r| {
        list.lock().unwrap().push(r.clone());
        if refuse_post && r.method == "POST" {
            Reply::typed(405, "text/plain", "Method Not Allowed")
        } else if r.path.contains("buildinfo") {
            Reply::typed(404, "text/plain", "404 page not found")
        } else {
            Reply::json(200, ONE)
        }
    });
    (server, seen)
}

#[tokio::test]
async fn what_is_sent() {
    let (server, seen) = remembering(false);
    let p = source(&format!("{}/prom/?extra_label=a%3Db", server.url()));
    let ask = Ask::PromQl { query: "1 + sum(x{a=\"ü&=%\"})".into(), selectors: Vec::new() };
    let a = p.ask(&ask, 1_700_000_000_007, None).await;
    assert_eq!(a.value, Ok(Reading::Value(1.0)));
    let seen = seen.lock().unwrap();
    let r = &seen[0];
    assert_eq!((seen.len(), r.method.as_str()), (1, "POST"));
    assert_eq!(r.path, "/prom/api/v1/query?extra_label=a%3Db");
    assert_eq!(r.body, "query=1+%2B+sum%28x%7Ba%3D%22%C3%BC%26%3D%25%22%7D%29&time=1700000000.007");
    assert_eq!(r.header("authorization"), format!("Bearer {TOKEN}"));
    assert_eq!(r.header("user-agent"), concat!("canary/", env!("CARGO_PKG_VERSION")));
}

#[tokio::test]
async fn a_proxy_that_lets_only_get_through() {
    let (server, seen) = remembering(true);
    let p = source(&server.url());
    for _ in 0..2 {
        let a = p.ask(&vector(), 5000, None).await;
        assert_eq!(a.value, Ok(Reading::Value(1.0)));
    }
    let seen = seen.lock().unwrap();
    let methods: Vec<_> = seen.iter().map(|r| r.method.as_str()).collect();
    assert_eq!(methods, ["POST", "GET", "GET"], "POST is not tried again");
    assert_eq!(seen[1].path, "/api/v1/query?query=vector%281%29&time=5.000");
}

#[tokio::test]
async fn a_server_without_build_information_is_ready_when_it_answers() {
    let (server, _) = remembering(false);
    let what = source(&server.url()).ready().await.unwrap();
    assert_eq!(what, format!("a PromQL server at {}", server.url()));
}

/// A scrape's sample carries the time at which it began and arrives later: after a check for a later time was answered.
#[tokio::test]
async fn a_late_sample_is_counted_by_the_next_check_and_once() {
    let late = Arc::new(Mutex::new(false));
    let is_late = Arc::clone(&late);
    let server = Pages::serve(move |r| {
        let extra = if *is_late.lock().unwrap() { r#",[119.9,"17"]"# } else { "" };
        let later = if r.body.contains("time=135") { r#",[134.9,"18"]"# } else { "" };
        // a whole series may come late, too
        let born = if extra.is_empty() {
            String::new()
        } else {
            format!(r#",{{"metric":{{"a":"c"}},"values":[[119.95,"3"]{}]}}"#, later.replace("18", "3"))
        };
        if r.body.contains("last_over_time") {
            return Reply::json(200, r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#);
        }
        Reply::json(
            200,
            &format!(
                r#"{{"status":"success","data":{{"resultType":"matrix","result":[{{"metric":{{"a":"b"}},"values":[[104.9,"10"]{extra}{later}]}}{born}]}}}}"#
            ),
        )
    });
    let p = source(&server.url());
    let ask = Ask::Increase(Selector("x".into()), Window::SinceLast);
    let zero = p.ask(&ask, 105_000, None).await;
    assert_eq!(zero.value, Ok(Reading::Increase(0.0)));
    let first = p.ask(&ask, 120_000, Some(105_000)).await;
    assert_eq!(first.value, Ok(Reading::Increase(0.0)));
    assert_eq!(first.sampled_at, Some(104_900));
    *late.lock().unwrap() = true;
    let again = p.ask(&ask, 120_000, Some(105_000)).await;
    assert_eq!(again, first, "what was answered stays");
    let next = p.ask(&ask, 135_000, Some(120_000)).await;
    assert_eq!(next.value, Ok(Reading::Increase(8.0 + 3.0)));
    assert_eq!(next.sampled_at, Some(134_900));
}
