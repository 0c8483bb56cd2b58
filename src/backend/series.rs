//! Series of samples: their labels, a bounded memory of their values, and reset-aware growth.

use crate::plan::{Millis, Time};
use std::collections::VecDeque;

/// How far back a sample still counts as the value before a window: Prometheus' own default.
pub const LOOKBACK: Millis = 5 * 60 * 1000;

/// A series' identity.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels {
    /// The metric's name.
    pub name: String,
    /// All other labels, sorted by name; none is empty (an empty label is an absent one).
    pub rest: Vec<(String, String)>,
}

impl Labels {
    /// Sorts labels and drops empty ones.
    #[must_use]
    pub fn new(name: String, mut rest: Vec<(String, String)>) -> Self {
        rest.retain(|(_, v)| !v.is_empty());
        rest.sort();
        Self { name, rest }
    }

    /// A label's value; empty where it is absent. `__name__` is the metric's name.
    #[must_use]
    pub fn get(&self, label: &str) -> &str {
        if label == "__name__" {
            return &self.name;
        }
        self.rest
            .binary_search_by(|(k, _)| k.as_str().cmp(label))
            .ok()
            .and_then(|i| self.rest.get(i))
            .map_or("", |(_, v)| v)
    }

    /// Adds a label unless it is there.
    pub fn add_absent(&mut self, label: &str, value: &str) {
        if let Err(at) = self.rest.binary_search_by(|(k, _)| k.as_str().cmp(label)) {
            self.rest.insert(at, (label.to_owned(), value.to_owned()));
        }
    }
}

/// How much a counter grew from `base` through `values` (in order of time). A value below its predecessor is a reset: the
/// counter began again at zero, so all of it is growth. NaN values say nothing and are passed over.
#[must_use]
pub fn growth(base: f64, values: impl IntoIterator<Item = f64>) -> f64 {
    let (mut last, mut sum) = (base, 0.0);
    for v in values.into_iter().filter(|v| !v.is_nan()) {
        sum += if v < last { v } else { v - last };
        last = v;
    }
    sum
}

/// One value with its time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// When it was taken.
    pub time: Time,
    /// The value.
    pub value: f64,
}

/// What is known of a counter's growth over a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grown {
    /// By so much.
    By(f64),
    /// There is no sample in the window: its target does not answer. Nothing was seen to grow.
    Silent,
    /// There is a single sample and none before it: it cannot be known.
    Unknown,
}

/// Equal values in a row, that came at least every `max_gap` from `from` on for `span` ms: counters at rest cost nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Stretch {
    from: Time,
    value: f64,
    span: u32,
    /// How much earlier than they came the values had been taken, at most.
    lag: u32,
}

impl Stretch {
    fn to(&self) -> Time {
        self.from + Millis::from(self.span)
    }
}

/// The samples of one series, newest last.
#[derive(Debug, Clone, Default)]
pub struct Series {
    stretches: VecDeque<Stretch>,
    /// The first sample of `stretches` is the first that ever was: an earlier page of its target did not have the series.
    born: bool,
    /// When a page of its target was read that no longer had it.
    gone: Option<Time>,
}

impl Series {
    /// A series without samples. `born`: its target was read before and did not have it, so it began at zero in between.
    #[must_use]
    pub fn new(born: bool) -> Self {
        Self { born, ..Self::default() }
    }

    /// Adds a sample that came at `time`; `sample.time` is when it was taken. Windows go by when samples came, because what
    /// was answered once must not change; ages go by when they were taken. A sample that is not newer than the last one is
    /// passed over. Samples that came further apart than `max_gap` are never joined into one stretch.
    pub fn push(&mut self, time: Time, sample: Sample, max_gap: Millis) {
        self.gone = None;
        let short = |ms: Millis| u32::try_from(ms.max(0)).unwrap_or(u32::MAX);
        let lag = short(time - sample.time);
        if let Some(last) = self.stretches.back_mut() {
            let to = last.to();
            if time <= to || sample.time <= to - Millis::from(last.lag) {
                return;
            }
            let span = u32::try_from(time - last.from);
            if let Ok(span) = span
                && last.value.to_bits() == sample.value.to_bits()
                && time - to <= max_gap
            {
                last.span = span;
                last.lag = lag;
                return;
            }
        }
        self.stretches.push_back(Stretch { from: time, value: sample.value, span: 0, lag });
    }

    /// Notes that a page of its target, read at `time`, does not have it.
    pub fn vanish(&mut self, time: Time) {
        self.gone.get_or_insert(time);
    }

    /// Whether it had vanished at a time.
    #[must_use]
    pub fn is_gone(&self, at: Time) -> bool {
        self.gone.is_some_and(|g| g <= at)
    }

    /// Forgets what is older than the value held at `cutoff`: that one is what windows and increments since then count from,
    /// also when its target was silent for longer. Returns whether anything worth keeping is left: a series that vanished
    /// before the cutoff is not.
    pub fn prune(&mut self, cutoff: Time) -> bool {
        while self.stretches.get(1).is_some_and(|s| s.from <= cutoff) {
            self.stretches.pop_front();
            self.born = false;
        }
        self.gone.is_none_or(|g| g >= cutoff)
    }

    /// How many stretches are held.
    #[must_use]
    pub fn held(&self) -> usize {
        self.stretches.len()
    }

    /// The newest sample that had come at a time. Inside a stretch its time is rounded down by up to `max_gap`: never younger
    /// than it was.
    #[must_use]
    pub fn latest(&self, at: Time, max_gap: Millis) -> Option<Sample> {
        let s = self.stretch(at)?;
        let came = if s.to() <= at { s.to() } else { s.from.max(at - max_gap) };
        Some(Sample { time: came - Millis::from(s.lag), value: s.value })
    }

    /// The newest stretch that had begun at a time.
    fn stretch(&self, at: Time) -> Option<&Stretch> {
        let after = self.stretches.partition_point(|s| s.from <= at);
        self.stretches.get(after.checked_sub(1)?)
    }

    /// Growth in `(at - width, at]`, counted from the value at the window's start if there is one no older than
    /// [`LOOKBACK`], from zero for a series born in the window, else from the first sample in the window. Nothing is
    /// extrapolated.
    #[must_use]
    pub fn grown_over(&self, width: Millis, at: Time) -> Grown {
        let start = at - width;
        let base = self.stretch(start).filter(|s| s.to() >= start - LOOKBACK).map(|s| s.value);
        self.grown(base, start, at)
    }

    /// Whether its value at a time is known: it was watched then, or began later at zero.
    #[must_use]
    pub fn known_at(&self, time: Time) -> bool {
        self.born || self.stretch(time).is_some()
    }

    /// Growth up to and with `at` of a counter that began at zero after `since`, although its first samples were not seen.
    #[must_use]
    pub fn grown_from_zero(&self, since: Time, at: Time) -> f64 {
        match self.grown(Some(0.0), since, at) {
            Grown::By(v) => v,
            Grown::Silent | Grown::Unknown => 0.0,
        }
    }

    /// Growth since a time, up to and with `at`: from the value held at `since`, however old; from zero for a series born
    /// after it; else (it was not watched yet) from its first sample.
    #[must_use]
    pub fn grown_since(&self, since: Time, at: Time) -> f64 {
        let base = self.stretch(since).map(|s| s.value);
        match self.grown(base, since, at) {
            Grown::By(v) => v,
            Grown::Silent | Grown::Unknown => 0.0,
        }
    }

    fn grown(&self, base: Option<f64>, start: Time, at: Time) -> Grown {
        if self.stretch(at).is_none_or(|s| s.to() <= start) {
            return Grown::Silent;
        }
        let first = self.stretches.partition_point(|s| s.from <= start);
        let mut inside = self.stretches.iter().skip(first).take_while(|s| s.from <= at);
        let base = match base {
            Some(b) => b,
            // the first sample that ever was lies in the window
            None if self.born && first == 0 => 0.0,
            // two samples at least: the first is the base of the others
            None => match inside.next() {
                Some(s) if s.from < s.to().min(at) || inside.clone().next().is_some() => s.value,
                _ => return Grown::Unknown,
            },
        };
        Grown::By(growth(base, inside.map(|s| s.value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Millis = 30;

    fn series(born: bool, samples: &[(Time, f64)]) -> Series {
        let mut s = Series::new(born);
        for &(time, value) in samples {
            s.push(time, Sample { time, value }, GAP);
        }
        s
    }

    #[test]
    fn growth_adds_across_resets() {
        assert_eq!(growth(10.0, [12.0, 15.0]), 5.0);
        assert_eq!(growth(10.0, [12.0, 3.0, 4.0]), 6.0);
        assert_eq!(growth(10.0, [f64::NAN, 11.0]), 1.0);
        assert_eq!(growth(0.0, []), 0.0);
    }

    #[test]
    fn windows_are_half_open_and_disjoint_ones_add_up() {
        let s = series(false, &[(0, 5.0), (10, 6.0), (20, 6.0), (30, 9.0), (40, 2.0), (50, 4.0)]);
        assert_eq!(s.grown_over(20, 30), Grown::By(3.0));
        assert_eq!(s.grown_over(30, 30), Grown::By(4.0));
        assert_eq!(s.grown_over(50, 50), Grown::By(8.0));
        let whole = s.grown_since(0, 50);
        for cut in 0..=50 {
            let parts = s.grown_since(0, cut) + s.grown_since(cut, 50);
            assert_eq!(parts, whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_birth_counts_from_zero_and_a_first_sight_does_not() {
        let page = [(100, 7.0), (110, 9.0)];
        assert_eq!(series(true, &page).grown_over(50, 110), Grown::By(9.0));
        assert_eq!(series(true, &page).grown_since(90, 110), 9.0);
        assert_eq!(series(false, &page).grown_over(50, 110), Grown::By(2.0));
        assert_eq!(series(false, &page).grown_since(90, 110), 2.0);
        assert_eq!(series(false, &page[..1]).grown_over(50, 110), Grown::Unknown);
        // at rest since its first sight: known not to have grown
        assert_eq!(series(false, &[(100, 7.0), (110, 7.0)]).grown_over(50, 110), Grown::By(0.0));
    }

    #[test]
    fn a_birth_is_forgotten_with_its_sample() {
        let mut s = series(true, &[(0, 7.0), (100, 8.0), (110, 9.0)]);
        assert!(s.prune(50));
        assert_eq!(s.held(), 3, "what was held at the cutoff is what a window from there counts from");
        assert_eq!(s.grown_over(60, 110), Grown::By(2.0));
        assert!(s.prune(100));
        assert_eq!(s.held(), 2);
        assert_eq!(s.grown_over(60, 110), Grown::By(1.0));
        assert!(!s.known_at(50));
    }

    #[test]
    fn an_old_value_is_a_base_for_since_but_not_for_a_window() {
        let late = LOOKBACK + 1000;
        let s = series(false, &[(0, 5.0), (late, 9.0), (late + 10, 10.0)]);
        assert_eq!(s.grown_over(100, late + 10), Grown::By(1.0));
        assert_eq!(s.grown_since(late - 100, late + 10), 5.0);
    }

    #[test]
    fn rest_is_one_stretch_and_never_looks_younger_than_it_is() {
        let mut s = series(false, &[]);
        for i in 0..100 {
            s.push(i * 10, Sample { time: i * 10, value: 3.0 }, GAP);
        }
        assert_eq!(s.held(), 1);
        assert_eq!(s.latest(2000, GAP).map(|s| s.time), Some(990));
        assert_eq!(s.latest(500, GAP).map(|s| s.time), Some(470));
        assert_eq!(s.latest(5, GAP).map(|s| s.time), Some(0));
        assert_eq!(s.latest(-1, GAP), None);
        assert_eq!(s.grown_over(100, 1500), Grown::Silent);
        // a hole is never bridged
        s.push(2000, Sample { time: 2000, value: 3.0 }, GAP);
        assert_eq!(s.held(), 2);
        assert_eq!(s.latest(1500, GAP).map(|s| s.time), Some(990));
    }

    #[test]
    fn older_samples_are_passed_over_and_gone_ones_come_back() {
        let mut s = series(false, &[(10, 1.0), (5, 9.0), (10, 9.0)]);
        assert_eq!(s.latest(10, GAP).map(|s| s.value), Some(1.0));
        s.vanish(20);
        s.vanish(30);
        assert!(s.is_gone(20) && !s.is_gone(19));
        assert!(s.prune(20) && !s.prune(21));
        s.push(40, Sample { time: 40, value: 2.0 }, GAP);
        assert!(!s.is_gone(40));
    }

    #[test]
    fn ages_go_by_when_samples_were_taken_and_windows_by_when_they_came() {
        let mut s = Series::new(false);
        let mut push = |came, time, value| s.push(came, Sample { time, value }, GAP);
        push(100, 40, 1.0);
        push(110, 40, 9.0); // the same sample shown again: nothing new
        push(120, 60, 4.0);
        assert_eq!(s.latest(115, GAP).map(|s| s.time), Some(40));
        assert_eq!(s.latest(120, GAP).map(|s| s.time), Some(60));
        assert_eq!(s.grown_since(119, 120), 3.0);
        assert_eq!(s.grown_since(100, 119), 0.0);
    }

    proptest::proptest! {
        /// Stretches save memory, and nothing else: growth is what a plain list of samples gives, however it is cut.
        #[test]
        fn stretches_change_nothing(
            steps in proptest::collection::vec((1_i64..60, 0_u8..4), 1..60),
            born in proptest::bool::ANY,
            cuts in (0_i64..2000, 0_i64..2000, 0_i64..2000),
        ) {
            let mut time = 0;
            let samples: Vec<_> = steps.iter().map(|&(d, v)| { time += d; (time, f64::from(v)) }).collect();
            let s = series(born, &samples);
            let plain = |since: Time, at: Time| {
                let before = samples.iter().rev().find(|(t, _)| *t <= since);
                let mut inside = samples.iter().filter(|(t, _)| *t > since && *t <= at).map(|(_, v)| *v);
                let base = match before {
                    Some((_, v)) => Some(*v),
                    None if born => Some(0.0),
                    None => inside.next(),
                };
                base.map_or(0.0, |b| growth(b, inside))
            };
            let mut cuts = [cuts.0, cuts.1, cuts.2];
            cuts.sort_unstable();
            let [a, b, c] = cuts;
            proptest::prop_assert_eq!(s.grown_since(a, b), plain(a, b));
            proptest::prop_assert_eq!(s.grown_since(b, c), plain(b, c));
            if born || samples[0].0 <= a {
                proptest::prop_assert_eq!(s.grown_since(a, b) + s.grown_since(b, c), s.grown_since(a, c));
            }
            if let Some(newest) = s.latest(b, GAP) {
                let truth = samples.iter().rev().find(|(t, _)| *t <= b).expect("a sample");
                proptest::prop_assert_eq!(newest.value, truth.1);
                proptest::prop_assert!(newest.time <= truth.0 && newest.time >= truth.0 - GAP);
            }
        }
    }

    #[test]
    fn labels_are_sorted_and_empty_ones_absent() {
        let mut l = Labels::new(
            "m".into(),
            vec![("b".into(), "2".into()), ("a".into(), "1".into()), ("c".into(), String::new())],
        );
        l.add_absent("a", "x");
        l.add_absent("aa", "3");
        assert_eq!(["__name__", "a", "aa", "b", "c"].map(|k| l.get(k)), ["m", "1", "3", "2", ""]);
    }
}
