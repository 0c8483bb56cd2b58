//! What held at a moment.

use crate::plan::{Setting, Time};
use crate::sim::replay::outcome::{Outcome, PhaseBand, Point};

/// The last of some changes at or before a moment.
#[must_use]
pub fn last<T: Copy>(changes: &[(Time, T)], at: Time) -> Option<T> {
    let behind = changes.partition_point(|(t, _)| *t <= at);
    behind.checked_sub(1).and_then(|i| changes.get(i)).map(|(_, v)| *v)
}

/// The last point at or before a moment.
#[must_use]
pub fn point(points: &[Point], at: Time) -> Option<Point> {
    let behind = points.partition_point(|p| p.at <= at);
    behind.checked_sub(1).and_then(|i| points.get(i)).copied()
}

/// The phase at a moment; at the end of the last one, that one.
#[must_use]
pub fn phase(outcome: &Outcome, at: Time) -> Option<&PhaseBand> {
    outcome.phases.iter().rev().find(|p| p.from <= at && at <= p.to)
}

/// The most that a port was asked to be or was, as [`Setting::size`] counts; at least 1, so that a share has the whole height.
#[must_use]
pub fn largest(requested: &[(Time, Setting)], observed: &[(Time, Setting)]) -> f64 {
    requested.iter().chain(observed).map(|(_, s)| s.size()).filter(|s| s.is_finite()).fold(1.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_change_holds() {
        let changes = [(10, 'a'), (20, 'b'), (20, 'c')];
        assert_eq!([9, 10, 19, 20, 99].map(|t| last(&changes, t)), [None, Some('a'), Some('a'), Some('c'), Some('c')]);
    }
}
