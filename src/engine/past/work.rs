//! What is kept beside a past's samples so that a check does not look at all of them.

use super::exact::Exact;
use crate::plan::{OverTime, Time};
use std::cmp::Ordering;
use std::collections::VecDeque;

/// Follows from the samples and what is made of them; it is not kept in a state that is written down, but made anew.
#[derive(Debug, Clone)]
pub(super) enum Work {
    /// For the mean and the sum.
    Sum(Exact),
    /// For the deviation: the sum, and that of the squares.
    Squares(Exact, Exact),
    /// For the greatest and the least: those samples that no later one surpasses.
    Peaks(VecDeque<(Time, f64)>, Ordering),
    /// For a quantile: all values in order.
    Sorted(Vec<f64>),
    /// For what is made of the first and the last one.
    Ends,
}

impl Work {
    pub(super) fn new(how: OverTime) -> Self {
        match how {
            OverTime::Avg | OverTime::Sum => Self::Sum(Exact::default()),
            OverTime::Stddev => Self::Squares(Exact::default(), Exact::default()),
            OverTime::Max => Self::Peaks(VecDeque::new(), Ordering::Greater),
            OverTime::Min => Self::Peaks(VecDeque::new(), Ordering::Less),
            OverTime::Quantile(_) => Self::Sorted(Vec::new()),
            OverTime::Delta | OverTime::Rate => Self::Ends,
        }
    }

    /// A new sample.
    pub(super) fn add(&mut self, at: Time, x: f64) {
        match self {
            Self::Sum(s) => s.add(x),
            Self::Squares(s, q) => {
                s.add(x);
                q.add_product(x, x);
            }
            Self::Peaks(peaks, better) => {
                while peaks.back().is_some_and(|(_, p)| p.total_cmp(&x) != *better) {
                    peaks.pop_back();
                }
                peaks.push_back((at, x));
            }
            Self::Sorted(all) => {
                let i = all.partition_point(|y| y.total_cmp(&x) == Ordering::Less);
                all.insert(i, x);
            }
            Self::Ends => {}
        }
    }

    /// The oldest sample has left the window.
    pub(super) fn remove(&mut self, at: Time, x: f64) {
        match self {
            Self::Sum(s) => s.remove(x),
            Self::Squares(s, q) => {
                s.remove(x);
                q.add_product(-x, x);
            }
            Self::Peaks(peaks, _) => {
                if peaks.front().is_some_and(|(t, _)| *t == at) {
                    peaks.pop_front();
                }
            }
            Self::Sorted(all) => {
                let i = all.partition_point(|y| y.total_cmp(&x) == Ordering::Less);
                if i < all.len() {
                    all.remove(i);
                }
            }
            Self::Ends => {}
        }
    }

    /// What is made of the samples; `None` of too few, and of what no number can hold.
    pub(super) fn value(&self, how: OverTime, samples: &VecDeque<(Time, f64)>) -> Option<f64> {
        let n = u32::try_from(samples.len()).ok().filter(|n| *n > 0)?;
        match (self, how) {
            (Self::Sum(s), OverTime::Sum) => s.value(),
            (Self::Sum(s), _) => s.times_over(1, u64::from(n)),
            (Self::Squares(s, q), _) => s.deviation(q, n),
            (Self::Peaks(peaks, _), _) => peaks.front().map(|(_, x)| *x),
            (Self::Sorted(all), OverTime::Quantile(q)) => quantile(all, q),
            (Self::Sorted(_), _) => None,
            (Self::Ends, _) => {
                let ((from, first), (to, last)) = (samples.front()?, samples.back()?);
                let span = u64::try_from(to - from).ok().filter(|ms| *ms > 0)?;
                let mut change = Exact::default();
                change.add(*last);
                change.remove(*first);
                if how == OverTime::Rate { change.times_over(1000, span) } else { change.value() }
            }
        }
    }
}

/// The quantile of sorted values, straight between the two nearest of them, as Prometheus' `quantile_over_time` takes it; only that
/// it is rounded once, and so never leaves the two.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    #[expect(clippy::cast_precision_loss, reason = "a window of 2^52 checks is longer than anything")]
    let rank = q.clamp(0.0, 1.0) * last as f64;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and the last place")]
    let below = (rank.floor() as usize).min(last);
    let (a, b) = (sorted.get(below)?, sorted.get((below + 1).min(last))?);
    let part = rank - rank.floor();
    let mut between = Exact::default();
    between.add(*a);
    between.add_product(*b, part);
    between.add_product(-*a, part);
    between.value()
}
