use super::*;
use crate::backend::exposition::{Format, parse};
use crate::plan::Bucket;

const LIMITS: Limits = Limits { keep: 600_000, every: 2_000, max_series: 20 };

fn store(targets: usize) -> Store {
    Store::new((0..targets).map(|i| (format!("http://t{i}/metrics"), format!("t{i}:80"))), LIMITS)
}

fn page(text: &str) -> Result<Vec<Exposed>, String> {
    parse(text, Format::Text).map_err(|e| e.to_string())
}

fn gauge(s: &str) -> Ask {
    Ask::Gauge(Selector(s.into()))
}
fn since_last(s: &str) -> Ask {
    Ask::Increase(Selector(s.into()), Window::SinceLast)
}
fn increase(s: &str, d: Millis) -> Ask {
    Ask::Increase(Selector(s.into()), Window::Last(d))
}
fn empty() -> Result<Reading, Missing> {
    Err(Missing::Empty { others: None })
}
fn failure(a: &Answer) -> &str {
    match &a.value {
        Err(Missing::Failed { message }) => message,
        other => panic!("{other:?}"),
    }
}

#[test]
fn gauges_of_several_targets_are_told_apart_by_instance() {
    let mut s = store(2);
    s.page(0, 1000, page("pool 0.5"));
    s.page(1, 1001, page("pool 0.75\nbad NaN\nworse +Inf"));
    let a = s.answer(&gauge("pool{instance=\"t1:80\"}"), 2000, None);
    assert_eq!(a, Answer { value: Ok(Reading::Value(0.75)), sampled_at: Some(1001), series: 1 });
    let a = s.answer(&gauge("pool"), 2000, None);
    assert_eq!(a.value, Err(Missing::Ambiguous { series: 2 }));
    assert_eq!(s.answer(&gauge("nope"), 2000, None).value, empty());
    for bad in ["bad", "worse"] {
        let a = s.answer(&gauge(bad), 2000, None);
        assert_eq!(a.value, Err(Missing::NotANumber), "{bad}");
    }
    assert_eq!(s.status().expect("ready"), "4 series scraped from http://t0/metrics, http://t1/metrics");
}

#[test]
fn a_page_s_own_instance_stays() {
    let mut s = store(1);
    s.page(0, 1000, page("up{instance=\"other:1\"} 1"));
    let a = s.answer(&gauge("up{instance=\"other:1\"}"), 1000, None);
    assert_eq!(a.value, Ok(Reading::Value(1.0)));
}

#[test]
fn a_dead_target_s_series_grow_old_and_a_vanished_one_is_gone() {
    let mut s = store(1);
    s.page(0, 1000, page("a 1\nb 2"));
    s.page(0, 3000, Err("connection refused".into()));
    s.page(0, 5000, Err("connection refused".into()));
    let a = s.answer(&gauge("a"), 90_000, None);
    assert_eq!((a.value, a.sampled_at), (Ok(Reading::Value(1.0)), Some(1000)));
    let a = s.answer(&increase("a", 60_000), 90_000, None);
    assert_eq!(
        (a.value, a.sampled_at),
        (Ok(Reading::Increase(0.0)), Some(1000)),
        "nothing was seen to grow, and its age says how long nobody looked"
    );
    // what nobody has ever seen may stand on the page that cannot be read
    let a = s.answer(&gauge("c"), 5000, None);
    assert_eq!(failure(&a), "connection refused");
    assert_eq!(s.status(), Err("connection refused".into()));

    s.page(0, 91_000, page("a 1"));
    let a = s.answer(&gauge("b"), 91_000, None);
    assert_eq!(a.value, empty());
    let a = s.answer(&increase("b", 60_000), 91_000, None);
    assert_eq!(a.value, empty());
}

#[test]
fn what_vanished_still_counts_for_the_window_it_was_in() {
    let mut s = store(1);
    s.page(0, 0, page("e{pod=\"1\"} 5\ne{pod=\"2\"} 5"));
    s.page(0, 2000, page("e{pod=\"1\"} 9\ne{pod=\"2\"} 6"));
    s.page(0, 4000, page("e{pod=\"2\"} 7"));
    let a = s.answer(&increase("e", 4000), 4000, None);
    assert_eq!((a.value, a.series), (Ok(Reading::Increase(6.0)), 1));
}

#[test]
fn resets_and_births_and_disjoint_checks() {
    let mut s = store(1);
    let e = "errors_total";
    s.page(0, 0, page("errors_total{code=\"500\"} 100\nother 1"));
    // counting begins: what stands on the first page is not new
    let a = s.answer(&since_last(e), 1000, None);
    assert_eq!(a.value, Ok(Reading::Increase(0.0)));
    s.page(0, 2000, page("errors_total{code=\"500\"} 103\nother 1"));
    let a = s.answer(&since_last(e), 3000, Some(1000));
    assert_eq!(a.value, Ok(Reading::Increase(3.0)));
    // restarted: 2 since; and a first 503, which did not stand on the page before
    let text = "errors_total{code=\"500\"} 2\nerrors_total{code=\"503\"} 1\nother 1";
    s.page(0, 4000, page(text));
    let a = s.answer(&since_last(e), 5000, Some(3000));
    assert_eq!((a.value, a.series), (Ok(Reading::Increase(3.0)), 2));
    let a = s.answer(&since_last(e), 5000, Some(5000));
    assert_eq!(a.value, Ok(Reading::Increase(0.0)));
    let a = s.answer(&increase(e, 10_000), 5000, None);
    assert_eq!(a.value, Ok(Reading::Increase(6.0)), "answered from what there is");
}

#[test]
fn a_page_that_comes_after_the_check_in_which_it_began_is_counted_by_the_next() {
    let mut s = store(1);
    let ask = since_last("x");
    s.page(0, 1000, page("x 1"));
    let first = s.answer(&ask, 2000, Some(1000));
    s.page(0, 1999, page("x 5"));
    let second = s.answer(&ask, 4000, Some(2000));
    assert_eq!(first.value, Ok(Reading::Increase(0.0)));
    assert_eq!(second.value, Ok(Reading::Increase(4.0)));
    assert_eq!(second.sampled_at, Some(1999), "its age is its own");
    let again = s.answer(&ask, 2000, Some(1000));
    assert_eq!(again.value, first.value, "what was answered stays");
}

#[test]
fn one_sample_says_nothing_of_growth() {
    let mut s = store(1);
    s.page(0, 1000, page("x 100"));
    assert_eq!(s.answer(&increase("x", 60_000), 1500, None).value, empty());
    s.page(0, 3000, page("x 100"));
    let a = s.answer(&increase("x", 60_000), 3000, None);
    assert_eq!(a.value, Ok(Reading::Increase(0.0)));
}

#[test]
fn buckets_are_summed_over_series_and_sorted() {
    let mut s = store(1);
    let text = |a: [u32; 3]| {
        page(&format!(
            "h_bucket{{p=\"x\",le=\"+Inf\"}} {}\nh_bucket{{p=\"x\",le=\"0.5\"}} {}\nh_bucket{{p=\"y\",le=\"0.50\"}} 1\nh_bucket{{p=\"y\",le=\"+Inf\"}} {}",
            a[0], a[1], a[2]
        ))
    };
    s.page(0, 0, text([10, 5, 4]));
    s.page(0, 2000, text([20, 9, 5]));
    let ask = |w| Ask::Buckets(Selector("h_bucket".into()), w);
    let want = vec![Bucket { le: Some(0.5), count: 4.0 }, Bucket { le: None, count: 11.0 }];
    let a = s.answer(&ask(Window::Last(2000)), 2000, None);
    assert_eq!((a.value, a.series), (Ok(Reading::Buckets(want.clone())), 4));
    let a = s.answer(&ask(Window::SinceLast), 2000, Some(0));
    assert_eq!(a.value, Ok(Reading::Buckets(want)));
    let a = s.answer(&Ask::Buckets(Selector("nope_bucket".into()), Window::SinceLast), 2000, None);
    assert_eq!(a.value, empty());
}

#[test]
fn too_many_series_is_an_error_that_names_the_page() {
    let mut s = store(2);
    let many: String = (0..15).map(|i| format!("m{{i=\"{i}\"}} 1\n")).collect();
    s.page(0, 0, page(&many));
    s.page(1, 0, page(&many));
    let why = s.status().expect_err("too many");
    assert_eq!(
        why,
        "scrape of http://t1/metrics: with its 15 series there would be 30, more than the 20 that are kept: read fewer or smaller pages"
    );
    let a = s.answer(&gauge("m{i=\"3\"}"), 0, None);
    assert_eq!(a.value, Ok(Reading::Value(1.0)), "the first page still answers");
}

#[test]
fn memory_is_bounded_in_time() {
    let mut s = store(1);
    for i in 0..1000 {
        s.page(0, i * 2000, page(&format!("x {i}\ny{{i=\"{}\"}} 1", i / 100)));
    }
    let held: usize = s.series.values().flatten().map(|(_, s)| s.held()).sum();
    // 300 samples of x in ten minutes, four of the y that came and went
    assert!(held <= 301 + 5, "{held}");
    assert!(s.count <= 5, "{}", s.count);
    let a = s.answer(&increase("x", 400_000), 999 * 2000, None);
    assert_eq!(a.value, Ok(Reading::Increase(200.0)));
}

#[test]
fn the_first_of_two_equal_series_counts() {
    let mut s = store(1);
    s.page(0, 0, page("x 1\nx 2"));
    let a = s.answer(&gauge("x"), 0, None);
    assert_eq!(a.value, Ok(Reading::Value(1.0)));
}

/// A sample is good for a minute.
fn over(from: Time, to: Time, step: Millis) -> Stretch {
    Stretch { from, to, step, max_age: 60_000 }
}

#[test]
fn a_mean_counts_a_sample_for_as_long_as_a_check_would() {
    let mut s = store(1);
    for i in 0..3 {
        s.page(0, i * 2000, page("g 1"));
    }
    let of_age = |max_age| s.mean(&gauge("g"), Stretch { max_age, ..over(0, 60_000, 2_000) }).value;
    assert_eq!(of_age(20_000), empty());
    assert_eq!(of_age(30_000), Ok(Reading::Value(1.0)));
}

#[test]
fn a_mean_needs_half_of_its_points() {
    let mut s = store(1);
    for i in 0..31 {
        s.page(0, i * 2000, page(&format!("g {i}")));
    }
    let a = s.mean(&gauge("g"), over(0, 60_000, 10_000));
    assert_eq!(a.value, Ok(Reading::Value(15.0)));
    assert_eq!(a.sampled_at, Some(60_000));
    // the target is dead from here on; its last sample is good for a minute, then its points are absent
    let a = s.mean(&gauge("g"), over(0, 240_000, 10_000));
    assert!(a.value.is_ok(), "{a:?}");
    let a = s.mean(&gauge("g"), over(0, 400_000, 10_000));
    assert_eq!(a.value, empty());
    let a = s.mean(&increase("g", 10_000), over(10_000, 60_000, 10_000));
    assert_eq!(a.value, Ok(Reading::Increase(5.0)));
    let a = s.mean(&gauge("nope"), over(0, 60_000, 10_000));
    assert_eq!(a.value, empty());
}

#[test]
fn a_whole_window_needs_samples_at_half_of_its_points() {
    let mut s = store(1);
    for i in 0..31 {
        s.page(0, i * 2000, page(&format!("c{{a=\"1\"}} {i}\nc{{a=\"2\"}} {i}")));
    }
    let a = s.whole(&increase("c", 60_000), over(0, 60_000, 10_000));
    assert_eq!((a.value, a.series), (Ok(Reading::Increase(60.0)), 2));
    // it was first seen at 0: of two minutes before that nothing is known
    assert_eq!(s.whole(&increase("c", 120_000), over(-60_000, 60_000, 10_000)).value, Ok(Reading::Increase(60.0)));
    assert_eq!(s.whole(&increase("c", 180_000), over(-120_000, 60_000, 10_000)).value, empty());
    assert_eq!(s.whole(&increase("nope", 60_000), over(0, 60_000, 10_000)).value, empty());
    s.page(0, 62_000, Err(String::from("it is gone")));
    assert!(failure(&s.whole(&increase("nope", 60_000), over(0, 62_000, 10_000))).contains("it is gone"));
}

#[test]
fn what_cannot_be_answered_says_why() {
    let mut s = store(1);
    let a = s.answer(&gauge("x"), 0, None);
    assert_eq!(failure(&a), "scrape: no page was read yet");
    let ask = Ask::PromQl { query: "sum(rate(x[5m]))".into(), selectors: Vec::new() };
    let a = s.answer(&ask, 0, None);
    assert!(failure(&a).starts_with("only a PromQL source can answer `sum(rate(x[5m]))`"));
    let a = s.answer(&gauge("sum(x)"), 0, None);
    assert!(failure(&a).contains("no bare selector"));
}

#[test]
fn increments_since_a_time_at_which_nobody_read_are_missing() {
    let mut s = store(1);
    s.page(0, 10_000, page("c 7"));
    s.page(0, 12_000, page("c 9"));
    // this process began to read at 10 s; the check before was answered at 4 s, by another
    let a = s.answer(&since_last("c"), 12_000, Some(4_000));
    assert!(failure(&a).contains("what c counted while its page was not read is not known"), "{a:?}");
    assert_eq!(s.answer(&since_last("c"), 12_000, Some(10_000)).value, Ok(Reading::Increase(2.0)));
    // windows say nothing of what was before them
    assert_eq!(s.answer(&increase("c", 2000), 12_000, Some(4_000)).value, Ok(Reading::Increase(2.0)));
}

#[test]
fn a_process_that_started_since_began_at_zero() {
    let mut s = store(1);
    s.page(0, 10_000, page("c 7\nprocess_start_time_seconds 5.5"));
    s.page(0, 12_000, page("c 9\nprocess_start_time_seconds 5.5"));
    assert_eq!(s.answer(&since_last("c"), 12_000, Some(4_000)).value, Ok(Reading::Increase(9.0)));
    let a = s.answer(&since_last("c"), 12_000, Some(5_500));
    assert!(failure(&a).contains("is not known"), "{a:?}");
}

#[test]
fn increments_over_a_long_silence_are_counted_from_the_last_value() {
    let mut s = store(1);
    s.page(0, 0, page("c 5"));
    let late = 24 * 3_600_000;
    s.page(0, late, page("c 9"));
    s.page(0, late + 2000, page("c 10"));
    assert_eq!(s.answer(&since_last("c"), late + 2000, Some(0)).value, Ok(Reading::Increase(5.0)));
}
