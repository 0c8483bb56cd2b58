//! Kleene's three values, and numbers as intervals: what is missing is anything between -∞ and +∞, for a reason.

use canary::plan::{Compare, Unit};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Truth {
    False,
    Unknown,
    True,
}
use Truth::{False, True, Unknown};

impl Truth {
    pub fn of(b: bool) -> Self {
        if b { True } else { False }
    }

    pub fn not(self) -> Self {
        match self {
            False => True,
            Unknown => Unknown,
            True => False,
        }
    }
}

/// Why something is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Why {
    pub blind: bool,
    pub dark: bool,
    pub thin: bool,
    /// No source has said that there is nothing.
    pub silent: bool,
}

pub const NOTHING: Why = Why { blind: false, dark: false, thin: false, silent: false };
pub const SILENT: Why = Why { silent: true, ..NOTHING };
pub const BLIND: Why = Why { blind: true, ..NOTHING };
pub const DARK: Why = Why { dark: true, ..NOTHING };
pub const THIN: Why = Why { thin: true, ..NOTHING };

impl Why {
    pub fn and(self, o: Self) -> Self {
        Self {
            blind: self.blind || o.blind,
            dark: self.dark || o.dark,
            thin: self.thin || o.thin,
            silent: self.silent || o.silent,
        }
    }
}

/// A number that lies between two, both included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Number {
    pub lo: f64,
    pub hi: f64,
    /// How many events stand behind it.
    pub events: Option<f64>,
    pub why: Why,
}

impl Number {
    pub fn missing(why: Why) -> Self {
        Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY, events: None, why }
    }

    pub fn known(v: f64) -> Self {
        Self::between(v, v)
    }

    /// What is no number is missing for want of events: 0/0.
    pub fn between(lo: f64, hi: f64) -> Self {
        if lo.is_finite() && hi.is_finite() { Self { lo, hi, events: None, why: NOTHING } } else { Self::missing(THIN) }
    }

    pub fn of(self, events: f64) -> Self {
        Self { events: Some(events), ..self }
    }

    pub fn is_missing(self) -> bool {
        self.lo == f64::NEG_INFINITY && self.hi == f64::INFINITY
    }

    /// All results of an operation lie between the least and the greatest of those at the corners.
    fn with(self, o: Self, f: impl Fn(f64, f64) -> f64) -> Self {
        let corners = [f(self.lo, o.lo), f(self.lo, o.hi), f(self.hi, o.lo), f(self.hi, o.hi)];
        let why = self.why.and(o.why);
        let lo = corners.iter().copied().fold(f64::INFINITY, f64::min);
        let hi = corners.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if corners.iter().any(|c| c.is_nan()) || (why == NOTHING && !(lo.is_finite() && hi.is_finite())) {
            return Self::missing(if why == NOTHING { THIN } else { why });
        }
        let events = self.events.into_iter().chain(o.events).reduce(f64::min);
        Self { lo, hi, events, why }
    }

    pub fn plus(self, o: Self) -> Self {
        // the corners that mix ends lie between the two others
        let sum = |a: f64, b: f64| if a.is_infinite() && b.is_infinite() && a != b { a } else { a + b };
        self.with(o, sum)
    }

    pub fn negated(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo, ..self }
    }

    pub fn times(self, o: Self) -> Self {
        self.with(o, |a, b| a * b)
    }

    pub fn over(self, o: Self) -> Self {
        if o.lo <= 0.0 && 0.0 <= o.hi {
            let why = self.why.and(o.why);
            // by 0 there is no quotient; by what may be 0 there may be one
            let none = if o.lo == o.hi { THIN } else { THIN.and(SILENT) };
            return Self::missing(if why == NOTHING { none } else { why });
        }
        self.with(o, |a, b| a / b)
    }

    pub fn greater(self, o: Self) -> Self {
        self.with(o, f64::max)
    }

    pub fn lesser(self, o: Self) -> Self {
        self.with(o, f64::min)
    }
}

/// True where it holds for all pairs out of both, false where for none.
pub fn compare(op: Compare, left: Number, right: Number, at_least: Option<u64>, unit: Unit) -> (Truth, Why) {
    let wanted = at_least.map_or(0.0, |n| n as f64);
    let thin = left.events.is_some_and(|m| m < wanted);
    let mut judged = left;
    if thin {
        let m = left.events.unwrap();
        judged = if unit != Unit::Ratio || left.is_missing() {
            if unit == Unit::Ratio { left } else { Number::missing(left.why.and(THIN)) }
        } else {
            // the events that are still to come may all be of the one or of the other kind
            Number { lo: left.lo * m / wanted, hi: (left.hi * m + wanted - m) / wanted, ..left }
        };
    }
    let (a, b) = (judged, right);
    let (always, never) = match op {
        Compare::Lt => (a.hi < b.lo, a.lo >= b.hi),
        Compare::Le => (a.hi <= b.lo, a.lo > b.hi),
        Compare::Gt => (a.lo > b.hi, a.hi <= b.lo),
        Compare::Ge => (a.lo >= b.hi, a.hi < b.lo),
        Compare::Eq | Compare::Ne => {
            let same = a.lo == a.hi && b.lo == b.hi && a.lo == b.lo;
            let apart = a.hi < b.lo || b.hi < a.lo;
            if op == Compare::Eq { (same, apart) } else { (apart, same) }
        }
    };
    let why = judged.why.and(right.why).and(if thin { THIN } else { NOTHING });
    match (always, never) {
        (_, true) => (False, NOTHING),
        (true, _) if !thin => (True, NOTHING),
        _ => (Unknown, why),
    }
}
