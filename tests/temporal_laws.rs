//! The thirty laws of `tests/vectors/temporal_laws.py`, asked of the library's own monitors over random traces. Each test is named
//! after its law, and bears its number there.
//!
//! `CANARY_CASES=20000` asks for more than the usual five hundred of each; what fails is shrunk, and its seed is kept in
//! `proptest-regressions/temporal_laws.txt`, from which it is tried first from then on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "support/formula.rs"]
mod formula;

use canary::engine::monitor::{Monitor, Stopwatch};
use canary::engine::truth::Truth::{self, False as F, True as T, Unknown as U};
use canary::plan::{Compare, Millis, Temporal, Time};
use formula::{Formula, Operand, Shown, Trace, evaluate, truths};
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence};
use std::collections::BTreeMap;

const FOR_EVER: Millis = 1_000_000_000_000;

/// A metric holds 1, 0 or nothing, so that the formula reads true, false or unknown.
fn metric(name: &str) -> Formula {
    Formula::Cmp(Operand::Metric(name.to_owned()), Compare::Gt, 0.0)
}
fn x() -> Formula {
    metric("x")
}
fn y() -> Formula {
    metric("y")
}
fn temporal(f: Formula, op: Temporal) -> Formula {
    Formula::Temporal(Box::new(f), op, Monitor::default())
}
fn lasts(f: Formula, d: Millis) -> Formula {
    temporal(f, Temporal::For(d))
}
fn checks(f: Formula, n: u32) -> Formula {
    temporal(f, Temporal::Checks(n))
}
fn k_of_n(f: Formula, k: u32, n: u32) -> Formula {
    temporal(f, Temporal::KOfN(k, n))
}
fn share(f: Formula, percent: u32, d: Millis) -> Formula {
    temporal(f, Temporal::ShareOf(percent * 10_000, d))
}
fn hold(f: Formula, d: Millis) -> Formula {
    Formula::Hold(Box::new(f), d, Stopwatch::default())
}
fn not(f: Formula) -> Formula {
    Formula::Not(Box::new(f))
}
fn and(a: Formula, b: Formula) -> Formula {
    Formula::And(vec![a, b])
}
fn or(a: Formula, b: Formula) -> Formula {
    Formula::Or(vec![a, b])
}

/// What traces a law speaks of.
#[derive(Debug, Clone, Copy)]
struct Of {
    gaps: bool,
    missing: bool,
    jitter: bool,
    /// In milliseconds; any where none is said.
    bridge: Option<Millis>,
}
const ANY: Of = Of { gaps: true, missing: true, jitter: true, bridge: None };
const CLEAN: Of = Of { gaps: false, missing: false, ..ANY };
const GRID: Of = Of { jitter: false, ..CLEAN };

/// One random trace with everything that a law may need. Times in milliseconds, whole seconds all of them.
#[derive(Debug, Clone)]
struct Case {
    every: Millis,
    ticks: Vec<Time>,
    x: Vec<Option<bool>>,
    y: Vec<Option<bool>>,
    /// What missing values could turn out to be.
    turns_out: (Vec<bool>, Vec<bool>),
    bridge: Millis,
    active_from: Time,
    d: Millis,
    /// At least d.
    longer: Millis,
    n: u32,
    /// At most n.
    k: u32,
    percent: u32,
    pick: prop::sample::Index,
    other_pick: prop::sample::Index,
    /// Lengths of an unknown stretch and of the true one before it.
    stretch: (usize, usize),
}

fn case(of: Of) -> impl Strategy<Value = Case> {
    let value = move || {
        let weights = if of.missing { [5, 3, 2] } else { [5, 3, 0] };
        prop::collection::vec(
            (0..weights.iter().sum::<u32>()).prop_map(move |w| match w {
                w if w < weights[0] => Some(true),
                w if w < weights[0] + weights[1] => Some(false),
                _ => None,
            }),
            32,
        )
    };
    let hop = (0..10_u8, 0..5_usize, 0..=1000_i64);
    let trace = (
        prop::sample::select(vec![10_i64, 15, 30]),
        prop::bool::weighted(0.3),
        prop::collection::vec(hop, 3..=32),
        (value(), value()),
        (prop::collection::vec(any::<bool>(), 32), prop::collection::vec(any::<bool>(), 32)),
    );
    let numbers = (
        (prop::sample::select(vec![0_i64, 1, 2, 5, -1]), prop::sample::select(vec![0_i64, 0, 2])),
        (prop::sample::select(vec![0_i64, 1, 2, 3, 5, 7]), prop::sample::select(vec![0_i64, 0, 4]), 0..4_i64),
        (1..=6_u32).prop_flat_map(|n| (Just(n), 1..=n)),
        prop::sample::select(vec![10_u32, 50, 80, 100]),
        (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        (1..=3_usize, 1..=4_usize),
    );
    (trace, numbers).prop_map(move |(trace, numbers)| {
        let (every, late, hops, (x, y), turns_out) = trace;
        let ((bridge, from), (d, more, extra), (n, k), percent, (pick, other_pick), stretch) = numbers;
        let (mut t, mut ticks) = (if late { every } else { 0 }, Vec::new());
        for (gap, far, jitter) in &hops {
            ticks.push(t * 1000);
            t += match () {
                () if of.gaps && *gap == 0 => [2 * every, 2 * every + 1, 3 * every, 5 * every, 9 * every][*far],
                () if of.jitter => every - every / 3 + jitter % (2 * (every / 3) + 1),
                () => every,
            };
        }
        let count = ticks.len();
        let cut = |v: Vec<Option<bool>>| v.into_iter().take(count).collect();
        let bridge = of.bridge.unwrap_or(if bridge < 0 { FOR_EVER } else { bridge * every * 1000 });
        let d = (d * every + more) * 1000;
        Case {
            every: every * 1000,
            ticks,
            x: cut(x),
            y: cut(y),
            turns_out,
            bridge,
            active_from: from * every * 1000,
            d,
            longer: d + extra * every * 1000,
            n,
            k,
            percent,
            pick,
            other_pick,
            stretch,
        }
    })
}

fn row(values: &[Option<bool>]) -> Vec<Option<f64>> {
    values.iter().map(|v| v.map(|b| f64::from(u8::from(b)))).collect()
}

impl Case {
    fn trace(&self) -> Trace {
        Trace {
            ticks: self.ticks.clone(),
            metrics: BTreeMap::from([("x".into(), row(&self.x)), ("y".into(), row(&self.y))]),
            check_every: self.every,
            bridge: self.bridge,
            active_from: self.active_from,
        }
    }

    fn is(&self, f: &Formula) -> Vec<Option<Truth>> {
        truths(f, &self.trace())
    }

    /// With every missing value known.
    fn known(&self) -> Trace {
        let fill = |v: &[Option<bool>], by: &[bool]| -> Vec<Option<bool>> {
            v.iter().zip(by).map(|(v, b)| Some(v.unwrap_or(*b))).collect()
        };
        let (x, y) = (fill(&self.x, &self.turns_out.0), fill(&self.y, &self.turns_out.1));
        Self { x, y, ..self.clone() }.trace()
    }

    /// Every operator over x.
    fn operators(&self) -> Vec<Formula> {
        vec![
            lasts(x(), self.d),
            checks(x(), self.n),
            k_of_n(x(), self.k, self.n),
            share(x(), self.percent, self.d.max(1000)),
            hold(x(), self.d),
        ]
    }
}

/// Pointwise p ≤ q in the order of truth.
fn below(p: &[Option<Truth>], q: &[Option<Truth>]) -> bool {
    p.len() == q.len() && p.iter().zip(q).all(|(p, q)| p.is_none() || p <= q)
}

/// What is decided stays as it is where more is known.
fn refines(less: &[Option<Truth>], more: &[Option<Truth>], which: &[Truth]) -> bool {
    less.iter().zip(more).all(|(v, w)| !v.is_some_and(|v| which.contains(&v)) || v == w)
}

fn true_stays(less: &[Option<Truth>], more: &[Option<Truth>]) -> bool {
    refines(less, more, &[T])
}

/// How long the formula had been unknown, without a break, when check k came.
fn unknown_before(trace: &Trace, c: &[Option<Truth>], mut k: usize) -> Millis {
    let mut total = 0;
    while k > trace.first() && (trace.length(k) > 2 * trace.check_every || c[k - 1] == Some(U)) {
        total += trace.length(k);
        k -= 1;
        if c[k] != Some(U) {
            break;
        }
    }
    total
}

macro_rules! laws {
    ($($(#[$doc:meta])* $name:ident($of:expr, $c:ident) $body:block)*) => {
        proptest! {
            #![proptest_config(Config {
                cases: std::env::var("CANARY_CASES").ok().and_then(|c| c.parse().ok()).unwrap_or(500),
                failure_persistence: Some(Box::new(FileFailurePersistence::Direct("proptest-regressions/temporal_laws.txt"))),
                ..Config::default()
            })]
            $($(#[$doc])* #[test] fn $name($c in case($of)) {
                let holds: bool = $body;
                prop_assert!(holds, "the law does not hold");
            })*
        }
    };
}

laws! {
    /// Law 1.
    for_0s_and_1_check_and_1_of_1_are_the_condition_itself(ANY, c) {
        let itself = c.is(&x());
        [lasts(x(), 0), checks(x(), 1), k_of_n(x(), 1, 1)].iter().all(|f| c.is(f) == itself)
    }

    /// Law 2.
    what_must_last_is_never_truer_than_the_condition(ANY, c) {
        below(&c.is(&lasts(x(), c.d)), &c.is(&x())) && below(&c.is(&checks(x(), c.n)), &c.is(&x()))
    }

    /// Law 3.
    what_has_lasted_so_long_was_observed_so_long(ANY, c) {
        let held = c.is(&hold(Formula::Const(T), c.d));
        c.is(&lasts(x(), c.d)).iter().zip(held).all(|(f, h)| *f != Some(T) || h == Some(T))
    }

    /// Law 4.
    longer_is_harder(ANY, c) {
        below(&c.is(&lasts(x(), c.longer)), &c.is(&lasts(x(), c.d)))
            && below(&c.is(&checks(x(), c.n + 1)), &c.is(&checks(x(), c.n)))
            && below(&c.is(&share(x(), 90, c.d + 1000)), &c.is(&share(x(), 40, c.d + 1000)))
    }

    /// Law 5.
    more_of_as_many_is_harder_and_of_more_easier(ANY, c) {
        let at_once = c.is(&k_of_n(x(), c.k, c.n + 1));
        below(&c.is(&k_of_n(x(), c.k + 1, c.n + 1)), &at_once) && below(&c.is(&k_of_n(x(), c.k, c.n)), &at_once)
    }

    /// Law 6.
    every_operator_is_monotone(ANY, c) {
        let truth = |v: Option<bool>| v.map_or(U, Truth::from);
        let lesser = |(a, b): (&Option<bool>, &Option<bool>)| if truth(*b) < truth(*a) { *b } else { *a };
        let low = Case { x: c.x.iter().zip(&c.y).map(lesser).collect(), ..c.clone() };
        c.operators().iter().all(|f| below(&low.is(f), &c.is(f)))
    }

    /// Law 7.
    lasting_together_is_harder_than_lasting_each(ANY, c) {
        below(&c.is(&lasts(and(x(), y()), c.d)), &c.is(&and(lasts(x(), c.d), lasts(y(), c.d))))
    }

    /// Law 8.
    nothing_unknown_lasting_together_is_lasting_each(CLEAN, c) {
        c.is(&lasts(and(x(), y()), c.d)) == c.is(&and(lasts(x(), c.d), lasts(y(), c.d)))
    }

    /// Law 9.
    one_that_lasts_is_harder_than_that_one_of_them_does(ANY, c) {
        below(&c.is(&or(lasts(x(), c.d), lasts(y(), c.d))), &c.is(&lasts(or(x(), y()), c.d)))
    }

    /// Law 10.
    on_a_grid_a_duration_is_a_number_of_checks(GRID, c) {
        let n = u32::try_from((c.d + c.every - 1) / c.every + 1).unwrap();
        c.is(&lasts(x(), c.d)) == c.is(&checks(x(), n))
    }

    /// Law 11.
    on_a_grid_durations_add_up(GRID, c) {
        let (a, b) = (c.d / c.every * c.every, i64::from(c.n) * c.every);
        c.is(&lasts(lasts(x(), a), b)) == c.is(&lasts(x(), a + b))
    }

    /// Law 12.
    n_of_n_is_harder_than_n(ANY, c) {
        below(&c.is(&k_of_n(x(), c.n, c.n)), &c.is(&checks(x(), c.n)))
    }

    /// Law 13.
    nothing_unknown_n_of_n_is_n(CLEAN, c) {
        c.is(&k_of_n(x(), c.n, c.n)) == c.is(&checks(x(), c.n))
    }

    /// Law 14.
    nothing_unknown_lasting_is_all_of_the_time_and_now(CLEAN, c) {
        c.is(&lasts(x(), c.d + 1000)) == c.is(&and(x(), share(x(), 100, c.d + 1000)))
    }

    /// Law 15.
    not_k_of_n_is_that_the_others_are_too_many(ANY, c) {
        let (l, r) = (c.is(&not(k_of_n(x(), c.k, c.n))), c.is(&k_of_n(not(x()), c.n - c.k + 1, c.n)));
        // once n checks were planned
        let from = (c.trace().first() + c.n as usize - 1).min(l.len());
        l[from..] == r[from..]
    }

    /// Law 16.
    what_is_said_does_not_depend_on_what_comes(ANY, c) {
        let cut = 1 + c.pick.index(c.ticks.len());
        let first = Case {
            ticks: c.ticks[..cut].to_vec(),
            x: c.x[..cut].to_vec(),
            y: c.y[..cut].to_vec(),
            ..c.clone()
        };
        c.operators().iter().all(|f| first.is(f) == c.is(f)[..cut])
    }

    /// Law 17.
    neither_the_origin_of_time_nor_its_unit_matters(ANY, c) {
        let moved = Case {
            ticks: c.ticks.iter().map(|t| t + 1_000_000).collect(),
            active_from: c.active_from + 1_000_000,
            ..c.clone()
        };
        let scaled = Case {
            ticks: c.ticks.iter().map(|t| 3 * t).collect(),
            every: 3 * c.every,
            bridge: 3 * c.bridge,
            active_from: 3 * c.active_from,
            ..c.clone()
        };
        let (f, longer) = (lasts(x(), c.d), lasts(x(), 3 * c.d));
        moved.is(&f) == c.is(&f) && scaled.is(&longer) == c.is(&f)
    }

    /// Law 18.
    a_check_that_says_the_same_again_changes_no_other(ANY, c) {
        let trace = c.trace();
        let fits = |k: &usize| (2000..=2 * c.every).contains(&trace.length(*k));
        let spots: Vec<usize> = (trace.first() + 1..c.ticks.len()).filter(fits).collect();
        spots.is_empty() || {
            let k = spots[c.pick.index(spots.len())];
            let seconds = usize::try_from(trace.length(k) / 1000 - 1).unwrap();
            let mut more = c.clone();
            more.ticks.insert(k, c.ticks[k - 1] + 1000 * (1 + i64::try_from(c.other_pick.index(seconds)).unwrap()));
            more.x.insert(k, c.x[k - 1]);
            more.y.insert(k, c.y[k - 1]);
            [lasts(x(), c.d), share(x(), c.percent, c.d + 1000), hold(x(), c.d)].iter().all(|f| {
                let mut without = more.is(f);
                without.remove(k);
                without == c.is(f)
            })
        }
    }

    /// Law 19.
    nothing_has_lasted_before_it_could(ANY, c) {
        let first = c.trace().first();
        let early = |i: &usize| c.ticks[*i] - c.ticks[first] < c.d;
        let (lasting, other) = (c.is(&lasts(x(), c.d)), c.is(&not(lasts(x(), c.d))));
        (first..c.ticks.len()).filter(early).all(|i| lasting[i] == Some(F) && other[i] == Some(T))
    }

    /// Law 20.
    who_watches_later_knows_no_more(ANY, c) {
        let later = Case { active_from: c.active_from + 2 * c.every, ..c.clone() };
        below(&later.is(&lasts(x(), c.d)), &c.is(&lasts(x(), c.d)))
    }

    /// Law 21.
    false_stays_false_whatever_is_missing(ANY, c) {
        c.operators()[..4].iter().all(|f| refines(&c.is(f), &truths(f, &c.known()), &[F]))
    }

    /// Law 22.
    of_k_of_n_and_a_share_true_stays_true_whatever_is_missing(ANY, c) {
        c.operators()[2..4].iter().all(|f| refines(&c.is(f), &truths(f, &c.known()), &[T, F]))
    }

    /// Law 23.
    with_bridge_0_what_has_lasted_has_whatever_is_missing(Of { bridge: Some(0), ..ANY }, c) {
        let f = lasts(x(), c.d);
        refines(&c.is(&f), &truths(&f, &c.known()), &[T, F])
    }

    /// Law 24.
    a_wider_bridge_never_takes_a_true_away(ANY, c) {
        let wider = Case { bridge: c.bridge + 3 * c.every, ..c.clone() };
        c.operators().iter().all(|f| true_stays(&c.is(f), &wider.is(f)))
    }

    /// Law 25.
    missing_is_never_unknown(ANY, c) {
        let m = || Formula::Missing(Operand::Metric("x".into()));
        !c.is(&m()).contains(&Some(U)) && c.is(&or(m(), not(m()))).iter().flatten().all(|v| *v == T)
    }

    /// Law 26.
    a_bridged_unknown_stretch_costs_its_own_length(GRID, c) {
        let (u, before) = c.stretch;
        let values: Vec<Option<bool>> = (0..before + u + 14)
            .map(|i| if (before..before + u).contains(&i) { None } else { Some(true) })
            .collect();
        let one = Case {
            ticks: (0..).map(|i| i * c.every).take(values.len()).collect(),
            y: values.clone(),
            bridge: i64::try_from(u).unwrap() * c.every,
            active_from: 0,
            ..c.clone()
        };
        let whole = Case { x: vec![Some(true); values.len()], ..one.clone() };
        let broken = Case { x: values, ..one };
        let first = |c: &Case| c.is(&lasts(x(), c.d)).iter().position(|v| *v == Some(T));
        match (first(&broken), first(&whole)) {
            (None, _) => true,
            (Some(a), b) => b.is_some_and(|b| if b < before { a == b } else { a == b + u }),
        }
    }

    /// Law 27.
    after_a_blackout_everything_begins_anew(Of { bridge: Some(20_000), ..ANY }, c) {
        let trace = c.trace();
        let (itself, lasting) = (c.is(&x()), c.is(&lasts(x(), c.d)));
        let cut = |k: &usize| unknown_before(&trace, &itself, *k) > c.bridge;
        (trace.first()..c.ticks.len()).filter(cut).all(|k| {
            (k..c.ticks.len()).all(|i| lasting[i] != Some(T) || c.ticks[i] - c.ticks[k] >= c.d || c.d == 0)
        })
    }

    /// Law 28.
    a_breach_is_that_it_was_bad_for_so_long(ANY, c) {
        let words = |d| -> Vec<Option<Shown>> {
            evaluate(&Formula::Threshold(Box::new(x()), d, Monitor::default()), &c.trace(), formula::Care::default())
        };
        let is = |w: &Option<Shown>, word| *w == Some(Shown::Word(word));
        let (short, long) = (words(c.d), words(c.longer));
        let bad = c.is(&lasts(not(x()), c.d));
        words(0).iter().all(|w| !is(w, "failing"))
            && short.iter().zip(bad).all(|(w, b)| is(w, "breached") == (b == Some(T)))
            && short.iter().zip(&long).all(|(s, l)| !is(l, "breached") || is(s, "breached"))
    }

    /// Law 29.
    a_hold_never_goes_back_and_is_observed_time(ANY, c) {
        let trace = c.trace();
        let first = trace.first();
        let held = c.is(&hold(Formula::Const(T), c.d));
        let mut observed = 0;
        let mut last = F;
        (first..c.ticks.len()).all(|i| {
            let counts = i > first && trace.length(i) <= 2 * c.every;
            observed += if counts { trace.length(i) } else { 0 };
            let value = held[i].unwrap();
            let forward = value >= std::mem::replace(&mut last, value);
            forward && value != U && (observed >= c.d) == (value == T)
                && (value != T || c.ticks[i] - c.ticks[first] >= c.d)
        })
    }

    /// Law 30.
    nothing_unknown_true_and_false_shares_add_up(CLEAN, c) {
        let of = c.is(&share(x(), c.percent, c.d + 1000));
        of.iter().zip(c.is(&share(not(x()), 101 - c.percent, c.d + 1000))).all(|(a, b)| (*a, b) != (Some(T), Some(T)))
    }
}
