//! Questions for all slices at once against a real Prometheus: a row a slice, one query a question.
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
use canary::backend::{Metrics, Rows, Stretch};
use canary::plan::{Answer, Ask, Missing, Reading, Selector, Time, Window};
use std::fmt::Write;
use support::load::exchange;
use support::prometheus::{Prometheus as Server, Setup};
use support::require;

/// The recording begins here (seconds); a sample every 15 s, for 20 minutes.
const T0: i64 = 1_700_000_010;
/// Tenants beside those with something special.
const MANY: usize = 1_000;

fn at(second: i64) -> Time {
    (T0 + second) * 1000
}

fn history() -> String {
    let mut om = String::new();
    let mut series = |name: &str, value: &dyn Fn(i64) -> Option<f64>| {
        for s in (0..=1200).step_by(15) {
            if let Some(v) = value(s) {
                writeln!(om, "{name} {v} {}", T0 + s).unwrap();
            }
        }
    };
    for i in 0..MANY {
        let labels = format!("tenant=\"t{i}\",sev=\"low\"");
        series(&format!("level{{{labels}}}"), &|_| Some(i as f64));
        series(&format!("right_total{{{labels}}}"), &|s| Some((s / 15 * 9) as f64));
        series(&format!("decided_total{{{labels}}}"), &|s| Some((s / 15 * 10) as f64));
    }
    // two series for one slice
    series("level{tenant=\"twice\",sev=\"low\",pod=\"a\"}", &|_| Some(1.0));
    series("level{tenant=\"twice\",sev=\"low\",pod=\"b\"}", &|_| Some(2.0));
    // without one of the labels, or with an empty one
    series("level{tenant=\"no severity\"}", &|_| Some(1.0));
    series("level{sev=\"low\",tenant=\"\"}", &|_| Some(1.0));
    // died
    series("right_total{tenant=\"dead\",sev=\"low\"}", &|s| (s <= 600).then_some((s / 15) as f64));
    series("decided_total{tenant=\"dead\",sev=\"low\"}", &|s| (s <= 600).then_some((s / 15) as f64));
    // born with its first event; and a slice of two series
    series("missed_total{tenant=\"t0\",sev=\"low\"}", &|s| (s >= 900).then_some(2.0));
    series("missed_total{tenant=\"t1\",sev=\"low\",pod=\"a\"}", &|s| Some(if s >= 1050 { 3.0 } else { 1.0 }));
    series("missed_total{tenant=\"t1\",sev=\"low\",pod=\"b\"}", &|s| Some(if s >= 1050 { 5.0 } else { 1.0 }));
    series("level{tenant=\"away\",sev=\"low\"}", &|s| (s >= 1100).then_some(7.0));
    for (le, n) in [("0.1", 9), ("1.0", 14), ("+Inf", 15)] {
        series(&format!("latency_bucket{{tenant=\"t0\",sev=\"low\",le=\"{le}\"}}"), &|s| Some((s / 15 * n) as f64));
    }
    series("latency_bucket{tenant=\"t1\",sev=\"low\",le=\"0.1\"}", &|s| Some((s / 15) as f64));
    om + "# EOF\n"
}

fn sel(s: &str) -> Selector {
    Selector(s.into())
}

/// How many queries the server has answered.
fn asked(server: &Server) -> f64 {
    let page = exchange(server.port, "GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let of = |handler: &str| -> f64 {
        let begin = "prometheus_http_requests_total{";
        let lines = page.lines().filter(|l| l.starts_with(begin) && l.contains(&format!("handler=\"{handler}\"")));
        lines.map(|l| l.rsplit(' ').next().unwrap().parse::<f64>().unwrap()).sum()
    };
    of("/api/v1/query") + of("/api/v1/query_range")
}

fn row<'a>(rows: &'a Rows, tenant: &str) -> &'a Answer {
    rows.by_slice.get(&vec![tenant.to_owned(), "low".to_owned()]).unwrap_or_else(|| panic!("no row for {tenant}"))
}

fn number(a: &Answer) -> f64 {
    match &a.value {
        Ok(Reading::Value(v) | Reading::Increase(v)) => *v,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_row_a_slice_and_a_query_a_question() {
    if !require("prometheus") || !require("promtool") {
        return;
    }
    let text = history();
    let server = Server::start(&Setup { history: Some(&text), ..Setup::default() });
    let p = Prometheus::new(PrometheusConfig::new(server.url())).unwrap();
    let by = ["tenant".to_owned(), "sev".to_owned()];
    let end = at(1200);

    // a gauge
    let before = asked(&server);
    let rows = p.ask_by(&Ask::Gauge(sel("level")), &by, end, None).await.unwrap();
    assert_eq!(asked(&server) - before, 2.0, "the values, and their ages");
    assert_eq!((rows.by_slice.len(), rows.unlabelled), (MANY + 2, 2));
    for i in [0, 1, MANY - 1] {
        let a = row(&rows, &format!("t{i}"));
        assert_eq!((number(a), a.sampled_at), (i as f64, Some(end)));
    }
    assert_eq!(row(&rows, "twice").value, Err(Missing::Ambiguous { series: 2 }));
    assert_eq!(number(row(&rows, "away")), 7.0);

    // an expression; what died is old, not fresh
    let query =
        "sum by (tenant, sev) (increase(right_total[15m])) / sum by (tenant, sev) (increase(decided_total[15m]))";
    let ask = Ask::PromQl { query: query.into(), selectors: vec![sel("right_total"), sel("decided_total")] };
    let before = asked(&server);
    let rows = p.ask_by(&ask, &by, end, None).await.unwrap();
    assert_eq!(asked(&server) - before, 3.0, "the values, their ages, and once for all the age of what died");
    assert_eq!(rows.by_slice.len(), MANY + 1);
    assert!((number(row(&rows, "t5")) - 0.9).abs() < 1e-9);
    assert_eq!(row(&rows, "t5").sampled_at, Some(end));
    let dead = row(&rows, "dead");
    assert!(dead.value.is_ok());
    let old = end - dead.sampled_at.unwrap();
    assert!((300_000..=900_000).contains(&old), "{old} ms old: it died 10 minutes before");

    // increments of a window, and since the last check
    let ask = Ask::Increase(sel("decided_total"), Window::Last(300_000));
    let rows = p.ask_by(&ask, &by, end, None).await.unwrap();
    assert!((number(row(&rows, "t7")) - 200.0).abs() < 11.0);
    let ask = Ask::Increase(sel("missed_total"), Window::SinceLast);
    let before = asked(&server);
    let rows = p.ask_by(&ask, &by, at(840), None).await.unwrap();
    assert_eq!(asked(&server) - before, 1.0, "the samples have their own times");
    assert_eq!(rows.by_slice.len(), 1);
    let rows = p.ask_by(&ask, &by, at(960), Some(at(840))).await.unwrap();
    assert_eq!((number(row(&rows, "t0")), number(row(&rows, "t1"))), (2.0, 0.0));
    let rows = p.ask_by(&ask, &by, at(1080), Some(at(960))).await.unwrap();
    assert_eq!((number(row(&rows, "t0")), number(row(&rows, "t1"))), (0.0, 6.0));
    assert_eq!(row(&rows, "t1").series, 2);

    // histograms
    let ask = Ask::Buckets(sel("latency_bucket"), Window::Last(300_000));
    let rows = p.ask_by(&ask, &by, end, None).await.unwrap();
    let Ok(Reading::Buckets(b)) = &row(&rows, "t0").value else { panic!("{rows:?}") };
    assert_eq!(b.iter().map(|b| b.le).collect::<Vec<_>>(), [Some(0.1), Some(1.0), None]);
    let Err(Missing::Failed { message }) = &row(&rows, "t1").value else { panic!("{rows:?}") };
    assert!(message.contains("+Inf"), "one slice's broken histogram is that slice's: {message}");

    // baselines
    let over = Stretch { from: at(0), to: end, step: 15_000, max_age: 60_000 };
    let before = asked(&server);
    let rows = p.mean_by(&Ask::Gauge(sel("level")), &by, over).await.unwrap();
    assert_eq!(asked(&server) - before, 1.0);
    assert_eq!(number(row(&rows, "t9")), 9.0);
    assert_eq!(row(&rows, "away").value, Err(Missing::Empty { others: None }), "there less than half of the time");
    assert_eq!(row(&rows, "twice").value, Err(Missing::Ambiguous { series: 2 }));
    let ask = Ask::Increase(sel("missed_total"), Window::Last(1_200_000));
    let rows = p.whole_by(&ask, &by, over).await.unwrap();
    assert_eq!(row(&rows, "t0").value, Err(Missing::Empty { others: None }));
    assert!(number(row(&rows, "t1")) > 5.0);

    // what is no row a slice
    let Err(Missing::Failed { message }) =
        p.ask_by(&Ask::PromQl { query: "1".into(), selectors: vec![] }, &by, end, None).await
    else {
        panic!("a number is no answer for slices")
    };
    assert!(message.contains("no vector"), "{message}");
    assert!(p.ask_by(&Ask::Gauge(sel("nothing")), &by, end, None).await.unwrap().by_slice.is_empty());
    assert!(p.ask_by(&Ask::Gauge(sel("nothing{")), &by, end, None).await.is_err());
}
