//! Values over time and the state of monitors, as properties: what is made of a window depends on the window alone, to the last
//! bit, and the store changes nothing.
//!
//! `CANARY_CASES=20000` asks for more than the usual three hundred of each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::engine::monitor::{Monitor, Pace, Stopwatch};
use canary::engine::past::{Past, Span};
use canary::engine::truth::Truth;
use canary::engine::value::{Causes, Num};
use canary::plan::{OverTime, Temporal, Time};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};

const EVERY: i64 = 15_000;
const ALL: [OverTime; 8] = [
    OverTime::Avg,
    OverTime::Max,
    OverTime::Min,
    OverTime::Sum,
    OverTime::Stddev,
    OverTime::Delta,
    OverTime::Rate,
    OverTime::Quantile(0.7),
];

fn span(how: OverTime, checks: i64) -> Span {
    Span { how, window: checks * EVERY, check_every: EVERY }
}

/// What is made of values a check apart, all of them in the window.
fn made(how: OverTime, xs: &[f64]) -> Option<f64> {
    let mut past = Past::default();
    let span = span(how, i64::try_from(xs.len()).unwrap());
    let mut out = None;
    for (i, x) in (0..).zip(xs) {
        out = past.step(span, i * EVERY, Num::known(*x)).shown();
    }
    out
}

fn bits(v: Option<f64>) -> Option<u64> {
    v.map(f64::to_bits)
}

fn stored<T: serde::Serialize + serde::de::DeserializeOwned>(x: &T) -> T {
    serde_json::from_str(&serde_json::to_string(x).unwrap()).unwrap()
}

/// Numbers of all sizes.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => (-1000..1000_i32).prop_map(|n| f64::from(n) / 10.0),
        2 => -1.0..1.0_f64,
        2 => prop::sample::select(vec![1e308, -1e308, f64::MAX, f64::MIN, 5e-324, -5e-324, f64::MIN_POSITIVE, 0.0, -0.0]),
        1 => any::<f64>().prop_filter("finite", |x| x.is_finite()),
    ]
}

fn numbers() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(number(), 1..24)
}

fn how() -> impl Strategy<Value = OverTime> {
    prop_oneof![prop::sample::select(ALL.to_vec()), (0.0..=1.0_f64).prop_map(OverTime::Quantile)]
}

fn config() -> Config {
    Config {
        cases: std::env::var("CANARY_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(300),
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/windows.txt"))),
        ..Config::default()
    }
}

/// A check's distance from the one before it, and its value.
fn trace() -> impl Strategy<Value = Vec<(Time, Num)>> {
    let hop = prop_oneof![8 => Just(EVERY), 1 => 10_000..20_000_i64, 1 => 30_000..200_000_i64];
    let value = prop_oneof![
        6 => number().prop_map(Num::known),
        1 => Just(Num::missing(Causes::BLIND)),
        1 => Just(Num::missing(Causes::DARK)),
        1 => Just(Num::between(1.0, 2.0)),
    ];
    prop::collection::vec((hop, value), 1..60).prop_map(|hops| {
        let mut at = 0;
        hops.into_iter()
            .map(|(hop, x)| {
                at += hop;
                (at, x)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_past_goes_through_the_store_at_any_check(how in how(), checks in 1..20_i64, trace in trace(), cut in any::<prop::sample::Index>()) {
        let span = Span { window: checks * EVERY - 7, ..span(how, checks) };
        let (mut one, mut other) = (Past::default(), Past::default());
        let cut = cut.index(trace.len());
        for (i, (at, x)) in trace.iter().enumerate() {
            let value = one.step(span, *at, *x);
            prop_assert_eq!(value, other.step(span, *at, *x));
            if i == cut {
                let back = stored(&other);
                prop_assert_eq!(&back, &other);
                other = back;
                // the same check once more: the same, and nothing is changed by it
                prop_assert_eq!(value, other.step(span, *at, *x));
                prop_assert_eq!(&one, &other);
            }
        }
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_monitor_goes_through_the_store_at_any_check(
        op in prop_oneof![
            (0..200_000_i64).prop_map(Temporal::For),
            (1..8_u32).prop_map(Temporal::Checks),
            (1..8_u32).prop_flat_map(|n| (1..=n).prop_map(move |k| Temporal::KOfN(k, n))),
            (0..=1_000_000_u32, 1..200_000_i64).prop_map(|(p, d)| Temporal::ShareOf(p, d)),
        ],
        bridge in prop::option::of(0..100_000_i64),
        trace in trace(),
        cut in any::<prop::sample::Index>(),
    ) {
        let pace = Pace { check_every: EVERY, bridge };
        let (mut one, mut other) = (Monitor::default(), Monitor::default());
        let (mut clock, mut other_clock) = (Stopwatch::default(), Stopwatch::default());
        let cut = cut.index(trace.len());
        for (i, (at, x)) in trace.iter().enumerate() {
            let truth = if x.is_missing() { Truth::Unknown } else { Truth::from(x.lo > 0.0) };
            prop_assert_eq!(one.step(op, pace, *at, truth), other.step(op, pace, *at, truth));
            clock.step(pace, *at, truth.is_true());
            other_clock.step(pace, *at, truth.is_true());
            if i == cut {
                (other, other_clock) = (stored(&other), stored(&other_clock));
            }
            prop_assert_eq!((&one, clock), (&other, other_clock));
        }
    }

    #[test]
    fn the_order_of_the_values_does_not_matter(xs in numbers(), seed in any::<u64>()) {
        let mut mixed = xs.clone();
        let mut s = seed;
        for i in (1..mixed.len()).rev() {
            s = s.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            mixed.swap(i, usize::try_from(s >> 33).unwrap() % (i + 1));
        }
        for how in ALL.into_iter().filter(|h| !matches!(h, OverTime::Delta | OverTime::Rate)) {
            prop_assert_eq!(bits(made(how, &xs)), bits(made(how, &mixed)), "{:?}", how);
        }
    }

    #[test]
    fn what_has_left_the_window_leaves_no_trace(gone in numbers(), xs in numbers(), how in how()) {
        let mut past = Past::default();
        let span = span(how, i64::try_from(xs.len()).unwrap());
        let mut out = None;
        for (i, x) in (0..).zip(gone.iter().chain(&xs)) {
            out = past.step(span, i * EVERY, Num::known(*x)).shown();
        }
        prop_assert_eq!(bits(out), bits(made(how, &xs)));
    }

    #[test]
    fn the_mean_and_every_quantile_lie_between_the_least_and_the_greatest(xs in numbers(), p in 0.0..=1.0_f64, q in 0.0..=1.0_f64) {
        let of = |how| made(how, &xs).unwrap();
        let (least, greatest, mean) = (of(OverTime::Min), of(OverTime::Max), of(OverTime::Avg));
        let (low, high) = (of(OverTime::Quantile(p.min(q))), of(OverTime::Quantile(p.max(q))));
        prop_assert!(least <= low && low <= high && high <= greatest, "{least} {low} {high} {greatest}");
        prop_assert!(least <= mean && mean <= greatest);
        prop_assert_eq!((of(OverTime::Quantile(0.0)), of(OverTime::Quantile(1.0))), (least, greatest));
        // no deviation is greater than half of the way from end to end (Popoviciu), or less than 0
        let deviation = of(OverTime::Stddev);
        prop_assert!(0.0 <= deviation && deviation <= greatest / 2.0 - least / 2.0 + f64::from_bits(1));
        prop_assert_eq!(deviation == 0.0, least == greatest);
    }

    #[test]
    fn turning_the_signs_turns_the_results(xs in numbers()) {
        let turned: Vec<f64> = xs.iter().map(|x| -x).collect();
        let plus_zero = |v: Option<f64>| v.map(|v| 0.0 - v);
        for (a, b) in [
            (OverTime::Max, OverTime::Min),
            (OverTime::Sum, OverTime::Sum),
            (OverTime::Avg, OverTime::Avg),
            (OverTime::Delta, OverTime::Delta),
            (OverTime::Rate, OverTime::Rate),
        ] {
            prop_assert_eq!(bits(made(a, &turned)), bits(plus_zero(made(b, &xs))), "{:?}", a);
        }
        prop_assert_eq!(bits(made(OverTime::Stddev, &turned)), bits(made(OverTime::Stddev, &xs)));
    }
}

#[test]
fn a_hundred_thousand_checks_are_as_exact_as_one() {
    const N: i64 = 100_000;
    // beside 10⁹ a double keeps 22 bits of the fraction: sums of squares in doubles would be off from the first digits on
    let value = |i: i64| 1_000_000_000 + (i * 7919) % 1000;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let float = |i: i64| i as f64;
    let run = |how, window: i64| {
        let mut past = Past::default();
        let mut out = None;
        // the first thousand have left at the end
        for i in 0..window + 1000 {
            out = past.step(span(how, window), i * EVERY, Num::known(float(value(i)))).shown();
        }
        assert_eq!(past.len(), usize::try_from(window).unwrap());
        out.unwrap()
    };
    let all: Vec<i64> = (1000..1000 + N).map(value).collect();
    let sum: i64 = all.iter().sum();
    assert_eq!(run(OverTime::Sum, N), float(sum));
    assert_eq!(run(OverTime::Avg, N), float(sum) / float(N));
    // every thousand in a row is each of 0 to 999 once: the variance is (1000² - 1) / 12
    assert_eq!(run(OverTime::Stddev, N), (999_999.0_f64 / 12.0).sqrt());
    assert_eq!((run(OverTime::Min, N), run(OverTime::Max, N)), (1_000_000_000.0, 1_000_000_999.0));
    assert_eq!(run(OverTime::Delta, N), float(value(N + 999) - value(1000)));
    assert_eq!(run(OverTime::Quantile(0.5), 10_000), 1_000_000_499.5);
}

#[test]
fn an_operand_that_is_not_one_number_is_none() {
    let step = |past: &mut Past, at, x| past.step(span(OverTime::Avg, 2), at * EVERY, x);
    let mut past = Past::default();
    // there is one, somewhere: no `default` stands for it
    let somewhere = Causes::THIN.with(Causes::SILENT);
    assert_eq!(step(&mut past, 0, Num::between(1.0, 2.0)), Num::missing(somewhere));
    let one_sided = Num { lo: 3.0, hi: f64::INFINITY, events: None, causes: Causes::BLIND };
    assert_eq!(step(&mut past, 1, one_sided), Num::missing(Causes::BLIND));
    assert_eq!(step(&mut past, 2, Num::known(4.0)), Num::known(4.0));
    // beside one that is known
    assert_eq!(step(&mut past, 3, Num::between(1.0, 2.0)), Num::known(4.0));
    assert_eq!(step(&mut past, 4, Num::missing(Causes::DARK)), Num::missing(Causes::DARK));
}

#[test]
fn time_does_not_go_back() {
    let mut past = Past::default();
    let span = span(OverTime::Sum, 4);
    past.step(span, 2 * EVERY, Num::known(1.0));
    let kept = past.clone();
    assert_eq!(past.step(span, EVERY, Num::known(5.0)), kept.value());
    assert_eq!(past, kept);
}
