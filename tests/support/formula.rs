//! The formulas of `tests/vectors/*.json` over the library's monitors, evaluated check by check. What the operators mean is said by `temporal_reference.py` and `window_reference.py` beside the vectors.
#![allow(dead_code, reason = "each test file uses its part")]

use canary::engine::monitor::{Monitor, Pace, Stopwatch};
use canary::engine::past::{Past, Span};
use canary::engine::truth::Truth;
use canary::engine::value::{Causes, Num, compare};
use canary::plan::{Compare, Millis, OverTime, Temporal, Time, Unit};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A number at a check: a metric's, or what is made of a window.
#[derive(Debug, Clone)]
pub enum Operand {
    Metric(String),
    Window { of: Box<Operand>, how: OverTime, window: Millis, past: Past },
}

/// A formula with the state of its operators.
#[derive(Debug, Clone)]
pub enum Formula {
    Cmp(Operand, Compare, f64),
    Missing(Operand),
    Const(Truth),
    Not(Box<Formula>),
    And(Vec<Formula>),
    Or(Vec<Formula>),
    Temporal(Box<Formula>, Temporal, Monitor),
    Hold(Box<Formula>, Millis, Stopwatch),
    /// Outermost only.
    Threshold(Box<Formula>, Millis, Monitor),
    /// Outermost only.
    Observed(Stopwatch),
    /// Outermost only: a window's own number.
    Number(Operand),
}

/// What a formula is at a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    Truth(Truth),
    Word(&'static str),
    Seconds(i64),
    /// None: the value is missing.
    Number(Option<f64>),
}

/// When checks are made, and what metrics are then.
#[derive(Debug, Clone)]
pub struct Trace {
    pub ticks: Vec<Time>,
    pub metrics: BTreeMap<String, Vec<Option<f64>>>,
    pub check_every: Millis,
    pub bridge: Millis,
    pub active_from: Time,
}

impl Trace {
    pub fn pace(&self) -> Pace {
        Pace { check_every: self.check_every, bridge: Some(self.bridge) }
    }

    /// The first check that a rule sees.
    pub fn first(&self) -> usize {
        self.ticks.iter().position(|t| *t >= self.active_from).unwrap_or(self.ticks.len())
    }

    /// How long between a check and the one before it.
    pub fn length(&self, k: usize) -> Millis {
        self.ticks[k] - self.ticks[k - 1]
    }
}

/// What is done between and at checks that must change nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Care {
    /// The state goes through JSON after every check, as through the store.
    pub stored: bool,
    /// Every check is evaluated twice.
    pub twice: bool,
}

/// The formula at every check; none before it is active.
pub fn evaluate(formula: &Formula, trace: &Trace, care: Care) -> Vec<Option<Shown>> {
    let mut f = formula.clone();
    let mut out = Vec::new();
    for (i, at) in trace.ticks.iter().enumerate() {
        if *at < trace.active_from {
            out.push(None);
            continue;
        }
        let row = |m: &str| trace.metrics.get(m).and_then(|row| row[i]);
        let value = f.step(trace.pace(), *at, &row);
        if care.twice {
            assert_eq!(f.step(trace.pace(), *at, &row), value, "evaluated twice at check {i}");
        }
        if care.stored {
            f.store();
        }
        out.push(Some(value));
    }
    out
}

/// The truth of a formula at every check; none before it is active.
pub fn truths(formula: &Formula, trace: &Trace) -> Vec<Option<Truth>> {
    let truth = |s: Shown| match s {
        Shown::Truth(t) => t,
        other => panic!("{other:?} is no truth"),
    };
    evaluate(formula, trace, Care::default()).into_iter().map(|s| s.map(truth)).collect()
}

type Row<'a> = &'a dyn Fn(&str) -> Option<f64>;

impl Operand {
    fn step(&mut self, pace: Pace, at: Time, row: Row<'_>) -> Num {
        match self {
            Self::Metric(name) => row(name).map_or(Num::missing(Causes::BLIND), Num::known),
            Self::Window { of, how, window, past } => {
                let x = of.step(pace, at, row);
                past.step(Span { how: *how, window: *window, check_every: pace.check_every }, at, x)
            }
        }
    }

    fn store(&mut self) {
        if let Self::Window { of, past, .. } = self {
            of.store();
            through_json(past);
        }
    }
}

impl Formula {
    fn truth(&mut self, pace: Pace, at: Time, row: Row<'_>) -> Truth {
        match self {
            Self::Cmp(x, op, bound) => compare(*op, x.step(pace, at, row), Num::known(*bound), None, Unit::Number).0,
            Self::Missing(x) => Truth::from(x.step(pace, at, row).is_missing()),
            Self::Const(v) => *v,
            Self::Not(f) => !f.truth(pace, at, row),
            // every part at every check: none of them may miss one
            Self::And(fs) => fs.iter_mut().fold(Truth::True, |v, f| f.truth(pace, at, row).and(v)),
            Self::Or(fs) => fs.iter_mut().fold(Truth::False, |v, f| f.truth(pace, at, row).or(v)),
            Self::Temporal(of, op, monitor) => {
                let v = of.truth(pace, at, row);
                monitor.step(*op, pace, at, v)
            }
            Self::Hold(of, d, watch) => {
                let v = of.truth(pace, at, row);
                watch.step(pace, at, v.is_true());
                Truth::from(watch.counted >= *d)
            }
            Self::Threshold(..) | Self::Observed(_) | Self::Number(_) => panic!("stands outermost, or nowhere"),
        }
    }

    pub fn step(&mut self, pace: Pace, at: Time, row: Row<'_>) -> Shown {
        match self {
            Self::Threshold(healthy, d, monitor) => {
                let v = healthy.truth(pace, at, row);
                let bad = monitor.step(Temporal::For(*d), pace, at, !v);
                Shown::Word(match (v, bad) {
                    (Truth::True, _) => "ok",
                    (Truth::Unknown, _) => "unknown",
                    (Truth::False, Truth::True) => "breached",
                    (Truth::False, _) => "failing",
                })
            }
            Self::Observed(watch) => {
                watch.step(pace, at, true);
                Shown::Seconds(watch.counted / 1000)
            }
            Self::Number(x) => Shown::Number(x.step(pace, at, row).shown()),
            other => Shown::Truth(other.truth(pace, at, row)),
        }
    }

    /// Sends the state of every operator through JSON and back.
    fn store(&mut self) {
        match self {
            Self::Cmp(x, ..) | Self::Missing(x) | Self::Number(x) => x.store(),
            Self::Const(_) => {}
            Self::Not(f) => f.store(),
            Self::And(fs) | Self::Or(fs) => fs.iter_mut().for_each(Self::store),
            Self::Temporal(f, _, monitor) | Self::Threshold(f, _, monitor) => {
                f.store();
                through_json(monitor);
            }
            Self::Hold(f, _, watch) => {
                f.store();
                through_json(watch);
            }
            Self::Observed(watch) => through_json(watch),
        }
    }
}

/// Writes something as JSON text and reads it back; it must be the same.
pub fn through_json<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(x: &mut T) {
    let text = serde_json::to_string(x).unwrap();
    let back: T = serde_json::from_str(&text).unwrap();
    assert_eq!(back, *x, "{text}");
    *x = back;
}
