//! Numbers as intervals, with the reasons why they are not known better.
//!
//! A missing number is the interval from -∞ to +∞ with a cause; a histogram's share between two bucket bounds is the interval
//! between the shares at the bounds. A comparison is true when it holds for every pair out of both intervals, false when for
//! none, else unknown: one rule covers what is missing, what is thin and what lies between.

use super::truth::Truth;
use crate::plan::{Compare, Unit};
use serde::{Deserialize, Serialize};

/// Why something is not known: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Causes(u8);

impl Causes {
    /// Nothing stands in the way.
    pub const NONE: Self = Self(0);
    /// The source failed, or all of it is empty.
    pub const BLIND: Self = Self(1);
    /// The canary's series is gone while the source answers for others.
    pub const DARK: Self = Self(2);
    /// Too few events, or 0/0 with the series present.
    pub const THIN: Self = Self(4);
    /// Beside one of the others: no source has said that there is nothing. It failed, was not asked, said too much, or what it said
    /// is too old. `missing(m)` is then not known, and `default(m, v)` is not `v`.
    pub const SILENT: Self = Self(8);

    /// Both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether it holds a cause.
    #[must_use]
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

/// A number, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Num {
    /// Not below this.
    pub lo: f64,
    /// Not above this.
    pub hi: f64,
    /// How many events stand behind it, for ratios of events and histograms.
    pub events: Option<f64>,
    /// Why it is not known better.
    pub causes: Causes,
}

impl Num {
    /// A known number; NaN and ±∞ are missing for want of events (0/0).
    #[must_use]
    pub fn known(v: f64) -> Self {
        if v.is_finite() {
            Self { lo: v, hi: v, events: None, causes: Causes::NONE }
        } else {
            Self::missing(Causes::THIN)
        }
    }

    /// A missing one.
    #[must_use]
    pub fn missing(causes: Causes) -> Self {
        Self { lo: f64::NEG_INFINITY, hi: f64::INFINITY, events: None, causes }
    }

    /// Somewhere between two bounds.
    #[must_use]
    pub fn between(lo: f64, hi: f64) -> Self {
        if lo.is_finite() && hi.is_finite() && lo <= hi {
            Self { lo, hi, events: None, causes: Causes::NONE }
        } else {
            Self::missing(Causes::THIN)
        }
    }

    /// With a sample size.
    #[must_use]
    pub fn of(self, events: f64) -> Self {
        Self { events: Some(events), ..self }
    }

    /// Whether nothing at all is known of it.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.causes != Causes::NONE && self.lo == f64::NEG_INFINITY && self.hi == f64::INFINITY
    }

    /// The value to show: the middle where both ends are known, the known end where one is.
    #[must_use]
    pub fn shown(&self) -> Option<f64> {
        match (self.lo.is_finite(), self.hi.is_finite()) {
            (true, true) => Some(f64::midpoint(self.lo, self.hi)),
            (true, false) => Some(self.lo),
            (false, true) => Some(self.hi),
            (false, false) => None,
        }
    }

    fn combine(a: Self, b: Self, corners: [f64; 4]) -> Self {
        let causes = a.causes.with(b.causes);
        // ∞ - ∞ and 0 · ∞ at a corner: nothing is known
        if corners.iter().any(|c| c.is_nan()) {
            let causes = if causes == Causes::NONE { Causes::THIN } else { causes };
            return Self::missing(causes);
        }
        // `min` and `max` may give either zero of 0 and -0; adding 0 makes both the positive one, here and everywhere
        let lo = corners.iter().copied().fold(f64::INFINITY, f64::min) + 0.0;
        let hi = corners.iter().copied().fold(f64::NEG_INFINITY, f64::max) + 0.0;
        let overflow = causes == Causes::NONE && !(lo.is_finite() && hi.is_finite());
        if overflow {
            return Self::missing(Causes::THIN);
        }
        let events = match (a.events, b.events) {
            (Some(x), Some(y)) => Some(x.min(y)),
            (x, y) => x.or(y),
        };
        Self { lo, hi, events, causes }
    }

    /// Sum.
    #[must_use]
    pub fn plus(self, o: Self) -> Self {
        Self::combine(self, o, [self.lo + o.lo, self.hi + o.hi, self.lo + o.lo, self.hi + o.hi])
    }

    /// `-x`
    #[must_use]
    pub fn negated(self) -> Self {
        Self { lo: -self.hi, hi: -self.lo, ..self }
    }

    /// Product.
    #[must_use]
    pub fn times(self, o: Self) -> Self {
        Self::combine(self, o, [self.lo * o.lo, self.lo * o.hi, self.hi * o.lo, self.hi * o.hi])
    }

    /// Quotient; a divisor that may be zero makes it missing.
    #[must_use]
    pub fn over(self, o: Self) -> Self {
        if o.lo <= 0.0 && o.hi >= 0.0 {
            let causes = self.causes.with(o.causes);
            // of what may or may not be 0 nobody says that there is no quotient
            let unsure = if o.lo < o.hi { Causes::THIN.with(Causes::SILENT) } else { Causes::THIN };
            return Self::missing(if causes == Causes::NONE { unsure } else { causes });
        }
        Self::combine(self, o, [self.lo / o.lo, self.lo / o.hi, self.hi / o.lo, self.hi / o.hi])
    }

    /// The greater of two.
    #[must_use]
    pub fn greater(self, o: Self) -> Self {
        let (lo, hi) = (self.lo.max(o.lo), self.hi.max(o.hi));
        Self::combine(self, o, [lo, hi, lo, hi])
    }

    /// The lesser of two.
    #[must_use]
    pub fn lesser(self, o: Self) -> Self {
        let (lo, hi) = (self.lo.min(o.lo), self.hi.min(o.hi));
        Self::combine(self, o, [lo, hi, lo, hi])
    }

    /// What this ratio can still become once `n` events are in: with `bad` of `m < n` seen, between `bad / n` and
    /// `(bad + n - m) / n`. So bad events alone decide as soon as no number of good ones could make up for them.
    fn at_sample_size(self, n: f64) -> Self {
        let Some(m) = self.events else { return self };
        if n <= 0.0 || self.is_missing() {
            return self;
        }
        Self { lo: self.lo * m / n, hi: (self.hi * m + n - m) / n, ..self }
    }
}

/// Compares two numbers. With fewer than `at_least` events on the left the result is never true.
#[must_use]
pub fn compare(op: Compare, left: Num, right: Num, at_least: Option<u64>, unit: Unit) -> (Truth, Causes) {
    #[expect(clippy::cast_precision_loss, reason = "event counts beyond 2^52 do not occur")]
    let minimum = at_least.map(|n| n as f64);
    let thin = match (minimum, left.events) {
        (Some(n), Some(m)) => m < n,
        _ => false,
    };
    let judged = match minimum {
        Some(n) if thin && unit == Unit::Ratio => left.at_sample_size(n),
        Some(_) if thin => Num::missing(left.causes.with(Causes::THIN)),
        _ => left,
    };
    let truth = match op {
        Compare::Lt => less(judged, right),
        Compare::Ge => !less(judged, right),
        Compare::Gt => less(right, judged),
        Compare::Le => !less(right, judged),
        Compare::Eq => equal(judged, right),
        Compare::Ne => !equal(judged, right),
    };
    let causes = judged.causes.with(right.causes).with(if thin { Causes::THIN } else { Causes::NONE });
    match truth {
        Truth::True if thin => (Truth::Unknown, causes),
        Truth::Unknown => (truth, causes),
        decided => (decided, Causes::NONE),
    }
}

fn less(a: Num, b: Num) -> Truth {
    if a.hi < b.lo {
        Truth::True
    } else if a.lo >= b.hi {
        Truth::False
    } else {
        Truth::Unknown
    }
}

#[expect(clippy::float_cmp, reason = "`==` in a policy is meant: counts against a constant")]
fn equal(a: Num, b: Num) -> Truth {
    if a.lo == a.hi && b.lo == b.hi && a.lo == b.lo {
        Truth::True
    } else if a.hi < b.lo || b.hi < a.lo {
        Truth::False
    } else {
        Truth::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zero_that_is_computed_is_positive() {
        let zero = |n: Num| assert_eq!((n.lo.to_bits(), n.hi.to_bits()), (0, 0), "{n:?}");
        let (plus, minus) = (Num::known(0.0), Num::known(-0.0));
        for (a, b) in [(plus, minus), (minus, plus), (minus, minus)] {
            zero(a.greater(b));
            zero(a.lesser(b));
            zero(a.plus(b));
            zero(a.times(b));
            zero(a.over(Num::known(5.0)));
        }
        zero(Num::known(3.0).times(minus));
    }

    fn lt(l: Num, r: f64, n: Option<u64>) -> (Truth, Causes) {
        compare(Compare::Lt, l, Num::known(r), n, Unit::Ratio)
    }

    #[test]
    fn a_missing_number_is_unknown_and_says_why() {
        assert_eq!(lt(Num::missing(Causes::BLIND), 1.0, None), (Truth::Unknown, Causes::BLIND));
        assert_eq!(lt(Num::known(f64::NAN), 1.0, None), (Truth::Unknown, Causes::THIN));
    }

    #[test]
    fn thin_is_never_true_but_enough_bad_events_are_false() {
        // 0 bad of 299, 300 asked
        assert_eq!(lt(Num::known(0.0).of(299.0), 0.01, Some(300)), (Truth::Unknown, Causes::THIN));
        // 3 bad of 10: even with 290 good ones it is 1 %
        assert_eq!(lt(Num::known(0.3).of(10.0), 0.01, Some(300)).0, Truth::False);
        // 2 bad of 10: 0.67 % is still possible
        assert_eq!(lt(Num::known(0.2).of(10.0), 0.01, Some(300)).0, Truth::Unknown);
        assert_eq!(lt(Num::known(0.0).of(300.0), 0.01, Some(300)).0, Truth::True);
        // a share of good ones: 100 % of 10 is thin, 50 % of 200 can no longer become 95 % of 300
        let ge = |l: Num| compare(Compare::Ge, l, Num::known(0.95), Some(300), Unit::Ratio).0;
        assert_eq!(ge(Num::known(1.0).of(10.0)), Truth::Unknown);
        assert_eq!(ge(Num::known(0.5).of(200.0)), Truth::False);
    }

    #[test]
    fn between_bounds_is_decided_only_where_both_ends_agree() {
        let x = Num::between(0.90, 0.97);
        let ge = |limit: f64| compare(Compare::Ge, x, Num::known(limit), None, Unit::Ratio).0;
        assert_eq!([ge(0.90), ge(0.95), ge(0.98)], [Truth::True, Truth::Unknown, Truth::False]);
    }

    #[test]
    fn division_by_what_may_be_zero_is_missing() {
        assert!(Num::known(1.0).over(Num::known(0.0)).is_missing());
        assert!(Num::known(0.0).over(Num::known(0.0)).is_missing());
        assert!(Num::known(1.0).over(Num::between(-1.0, 1.0)).is_missing());
        assert_eq!(Num::known(1.0).over(Num::known(4.0)).shown(), Some(0.25));
    }

    #[test]
    fn a_lower_bound_alone_decides_against() {
        // increments seen so far: at least 2; `== 0` is false whatever the silent source would say
        let seen = Num { lo: 2.0, hi: f64::INFINITY, events: None, causes: Causes::BLIND };
        assert_eq!(compare(Compare::Eq, seen, Num::known(0.0), None, Unit::Count).0, Truth::False);
        let none = Num { lo: 0.0, ..seen };
        assert_eq!(compare(Compare::Eq, none, Num::known(0.0), None, Unit::Count), (Truth::Unknown, Causes::BLIND));
    }

    #[test]
    fn a_missing_part_does_not_hide_in_arithmetic() {
        let sum = Num::missing(Causes::BLIND).plus(Num::known(1.0));
        assert!(sum.is_missing() && sum.causes == Causes::BLIND);
        let product = Num::missing(Causes::DARK).times(Num::known(0.0));
        assert!(product.is_missing() && product.causes.has(Causes::DARK));
        let floor = Num::missing(Causes::BLIND).greater(Num::known(0.001));
        assert_eq!((floor.lo, floor.hi), (0.001, f64::INFINITY));
    }
}
