//! The stretch of time that a picture shows, and the marks on it.

use crate::plan::{Millis, Time, show};
use crate::sim::replay::outcome::Outcome;

/// From the first check to whatever is last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The left edge: the first check.
    pub from: Time,
    /// The right edge; always behind the left one.
    pub to: Time,
}

const SECOND: Millis = 1_000;
const MINUTE: Millis = 60 * SECOND;
const HOUR: Millis = 60 * MINUTE;
const DAY: Millis = 24 * HOUR;

/// Distances of marks that people count in.
const STEPS: [Millis; 25] = [
    SECOND,
    2 * SECOND,
    5 * SECOND,
    10 * SECOND,
    15 * SECOND,
    30 * SECOND,
    MINUTE,
    2 * MINUTE,
    5 * MINUTE,
    10 * MINUTE,
    15 * MINUTE,
    30 * MINUTE,
    HOUR,
    2 * HOUR,
    3 * HOUR,
    6 * HOUR,
    12 * HOUR,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
    30 * DAY,
    90 * DAY,
    180 * DAY,
    360 * DAY,
];

impl Span {
    /// All of an outcome. One that ended at its first check is one check long.
    #[must_use]
    pub fn of(outcome: &Outcome) -> Self {
        let least = outcome.start.saturating_add(outcome.every.max(1));
        // what is read back at the end is told a moment after the last check
        let told = outcome.decisions.iter().map(|d| d.at);
        let to = outcome.phases.iter().map(|p| p.to).chain(told).chain([outcome.end]).fold(least, Time::max);
        Self { from: outcome.start, to }
    }

    /// How long.
    #[must_use]
    pub fn length(self) -> Millis {
        self.to.saturating_sub(self.from).max(1)
    }

    /// Where a moment lies: 0 at the left edge, 1 at the right; what lies outside is at the edge.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a place in a picture")]
    pub fn share(self, at: Time) -> f64 {
        (at.saturating_sub(self.from) as f64 / self.length() as f64).clamp(0.0, 1.0)
    }

    /// The column of a moment, of so many.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below `columns`")]
    #[expect(clippy::cast_precision_loss, reason = "a picture has few columns")]
    pub fn column(self, at: Time, columns: usize) -> usize {
        ((self.share(at) * columns as f64) as usize).min(columns.saturating_sub(1))
    }

    /// Marks at round times since the start, `most` at most, the start included.
    #[must_use]
    pub fn ticks(self, most: usize) -> Vec<Millis> {
        let most = Millis::try_from(most.max(2)).unwrap_or(2);
        let fits = |step: &Millis| self.length() / step < most;
        let step = STEPS.into_iter().find(fits).unwrap_or_else(|| self.length() / most + 1);
        let mut out = Vec::new();
        let mut at = 0;
        while at <= self.length() {
            out.push(at);
            at += step;
        }
        out
    }

    /// How long after the start: `+12m30s`.
    #[must_use]
    pub fn since_start(self, at: Time) -> String {
        elapsed(at.saturating_sub(self.from))
    }
}

/// `+12m30s`; to the second from ten seconds on.
#[must_use]
pub fn elapsed(ms: Millis) -> String {
    let sign = if ms < 0 { "" } else { "+" };
    format!("{sign}{}", show::roughly(ms))
}

/// `09:20:05`, in UTC: a report is read in other places than the one it was made in.
#[must_use]
pub fn clock(at: Time) -> String {
    let text = show::utc(at);
    text.split_whitespace().nth(1).map_or_else(|| text.clone(), str::to_owned)
}

/// `2026-11-21 09:20`, in UTC, without seconds.
#[must_use]
pub fn minute(at: Time) -> String {
    let text = show::utc(at);
    text.get(..16).map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(length: Millis) -> Span {
        Span { from: 1_000_000, to: 1_000_000 + length }
    }

    #[test]
    fn marks_stand_at_round_times() {
        assert_eq!(span(HOUR).ticks(8), [0, 10, 20, 30, 40, 50, 60].map(|m| m * MINUTE));
        assert_eq!(span(90 * SECOND).ticks(4), [0, 30, 60, 90].map(|s| s * SECOND));
        assert_eq!(span(1).ticks(8), [0]);
        for length in [1, 999, MINUTE, 100 * DAY, 40_000 * DAY, Millis::MAX / 4] {
            let n = span(length).ticks(8).len();
            assert!((1..=8).contains(&n), "{n} marks on {length}");
        }
    }

    #[test]
    fn what_lies_outside_is_at_the_edge() {
        let s = span(100);
        assert!((s.share(1_000_050) - 0.5).abs() < 1e-12);
        assert_eq!((s.share(0), s.share(Time::MAX)), (0.0, 1.0));
        assert_eq!((s.column(1_000_000, 10), s.column(1_000_100, 10), s.column(Time::MIN, 10)), (0, 9, 0));
    }

    #[test]
    fn times_are_told_in_utc_and_since_the_start() {
        let s = Span { from: 1_767_225_600_000, to: 1_767_229_200_000 };
        assert_eq!(s.since_start(s.from + 750_000), "+12m30s");
        assert_eq!((clock(s.from), minute(s.from)), (String::from("00:00:00"), String::from("2026-01-01 00:00")));
    }
}
