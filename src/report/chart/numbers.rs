//! A guard's numbers: how they are printed, and where they lie in a picture.

use super::columns::known;
use crate::plan::{Time, Unit, show};
use crate::sim::replay::outcome::GuardTrack;

/// The unit behind its name.
#[must_use]
pub fn unit(name: &str) -> Option<Unit> {
    match name {
        "" => Some(Unit::Number),
        "%" => Some(Unit::Ratio),
        "s" => Some(Unit::Duration),
        "/s" => Some(Unit::Rate),
        "B" => Some(Unit::Bytes),
        name => serde_json::from_value(serde_json::Value::String(name.to_owned())).ok(),
    }
}

/// A measured number of a guard; `–` where it is not known.
#[must_use]
pub fn brief(v: Option<f64>, unit_name: &str) -> String {
    match (v, unit(unit_name)) {
        (None, _) => String::from("–"),
        (Some(v), Some(u)) => show::brief(v, u),
        (Some(v), None) => format!("{} {unit_name}", show::number(v)),
    }
}

/// What a picture's height stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// At the bottom.
    pub lo: f64,
    /// At the top.
    pub hi: f64,
    /// The farthest value that does not fit in: it is drawn at the edge, and has to be told.
    pub beyond: Option<f64>,
}

/// So many times the room between the good edge and the limit is shown: beyond it the good part could not be read any more.
const ROOM: f64 = 6.0;

impl Scale {
    /// So that the limit and what is near it can be read.
    #[must_use]
    pub fn of(track: &GuardTrack) -> Self {
        let numbers = |f: fn(&crate::sim::replay::outcome::Point) -> Option<f64>| {
            let known = track.points.iter().filter_map(move |p| known(f(p)));
            (known.clone().fold(f64::INFINITY, f64::min), known.fold(f64::NEG_INFINITY, f64::max))
        };
        let (values, limits) = (numbers(|p| p.value), numbers(|p| p.limit));
        let (least, most) = (values.0.min(limits.0), values.1.max(limits.1));
        if !(least.is_finite() && most.is_finite()) {
            return Self { lo: 0.0, hi: 1.0, beyond: None };
        }
        let (mut lo, mut hi, mut beyond) = (least, most, None);
        // what counts up from nothing begins at nothing
        if track.below && least >= 0.0 {
            lo = 0.0;
        }
        if limits.0.is_finite() {
            let (good, limit) = if track.below { (lo, limits.1) } else { (hi, limits.0) };
            let edge = limit + (limit - good) * (ROOM - 1.0);
            // a limit at the good edge leaves no room to count in
            if (limit - good).abs() > 0.0 && edge.is_finite() {
                if track.below && hi > edge {
                    beyond = Some(hi);
                    hi = edge;
                } else if !track.below && lo < edge {
                    beyond = Some(lo);
                    lo = edge;
                }
            }
        }
        let air = (hi - lo) * 0.08;
        // a line that is always the same lies in the middle
        let air = if air > 0.0 { air } else { hi.abs().max(1.0) * 0.5 };
        let bottom = if lo == 0.0 && track.below { 0.0 } else { lo - air };
        Self { lo: bottom, hi: hi + air, beyond }
    }

    /// Where a number lies: 0 at the bottom, 1 at the top, at the edge what does not fit in.
    #[must_use]
    pub fn share(self, v: f64) -> f64 {
        let of = self.hi - self.lo;
        if of > 0.0 && of.is_finite() { ((v - self.lo) / of).clamp(0.0, 1.0) } else { 0.5 }
    }
}

/// Whether a value is on the bad side of its limit. What is not known is on neither.
#[must_use]
pub fn bad(track: &GuardTrack, value: f64, limit: f64) -> bool {
    if track.below { value > limit } else { value < limit }
}

/// The check at which the value was farthest beyond its limit, or nearest to it: when, value, limit; of equal ones the first.
#[must_use]
pub fn farthest(track: &GuardTrack) -> Option<(Time, f64, f64)> {
    let both = track.points.iter().filter_map(|p| Some((p.at, known(p.value)?, known(p.limit)?)));
    let distance = |(_, value, limit): &(Time, f64, f64)| if track.below { value - limit } else { limit - value };
    both.reduce(|a, b| if distance(&b) > distance(&a) { b } else { a })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::replay::outcome::Point;

    fn track(below: bool, limit: f64, values: &[f64]) -> GuardTrack {
        GuardTrack {
            name: String::from("g"),
            condition: String::new(),
            unit: String::from("ratio"),
            words: Vec::new(),
            points: values.iter().map(|v| Point { at: 0, value: Some(*v), limit: Some(limit) }).collect(),
            below,
        }
    }

    #[test]
    fn units_are_known_by_their_names() {
        assert_eq!(brief(Some(0.012), "ratio"), "1.2%");
        assert_eq!(brief(Some(0.012), "%"), "1.2%");
        assert_eq!(brief(Some(0.35), "duration"), "350ms");
        assert_eq!(brief(Some(3.0), "bananas"), "3 bananas");
        assert_eq!(brief(None, "ratio"), "–");
    }

    #[test]
    fn the_limit_can_be_read_beside_an_outlier() {
        let s = Scale::of(&track(true, 0.01, &[0.001, 0.9]));
        assert_eq!(s.beyond, Some(0.9));
        assert!(s.share(0.01) > 0.1 && s.share(0.9) >= 1.0);
        let s = Scale::of(&track(false, 0.95, &[0.99, 0.1]));
        assert_eq!(s.beyond, Some(0.1));
        assert!(s.share(0.95) < 0.9 && s.share(0.1) <= 0.0);
    }

    #[test]
    fn scales_of_nothing_and_of_extremes_are_finite() {
        for t in [
            track(true, 0.0, &[]),
            track(true, 0.0, &[0.0]),
            track(true, f64::NAN, &[f64::INFINITY]),
            track(true, f64::MAX, &[f64::MIN, f64::MAX]),
            track(false, -5.0, &[-5.0, -5.0]),
            track(false, f64::MIN, &[f64::MAX]),
        ] {
            let s = Scale::of(&t);
            for v in [0.0, f64::MAX, f64::MIN, 1e-300] {
                assert!((0.0..=1.0).contains(&s.share(v)), "{s:?} {v}");
            }
        }
    }
}
