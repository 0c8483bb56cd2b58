//! Samples to the answers of a source, check by check.

use super::super::Series;
use super::{ImportError, Raw};
use crate::plan::{Answer, Ask, Bucket, Input, Millis, Missing, Reading, Time, Window};

/// How far apart series must begin for the later one to count as born, not as there before: Prometheus' own look-back.
const BORN: Millis = 5 * 60 * 1000;

/// Appends the answers to an input from the first check to the last, a step apart.
///
/// # Errors
/// A bucket without its bound.
pub(super) fn all(
    input: &Input,
    raws: &[&Raw],
    scale: Vec<f64>,
    (from, to, step): (Time, Time, Millis),
    out: &mut Series,
) -> Result<(), ImportError> {
    let mut counters = Vec::new();
    for (raw, scale) in raws.iter().zip(&scale) {
        counters.push(Counter::new(raw, bound(input, raw, *scale)?, from));
    }
    // a window that begins before the data is not answered: nobody knows what was in it
    let mut last = None;
    for at in (0..).map(|i| from + i * step).take_while(|at| *at <= to) {
        let answer = match &input.ask {
            Ask::PromQl { .. } | Ask::Gauge(_) => gauge(raws, &scale, at, input.max_age),
            Ask::Increase(_, w) | Ask::Buckets(_, w) => match w {
                Window::Last(d) if at - d < from => Answer::missing(Missing::NotAsked),
                Window::Last(d) => grown(input, &mut counters, at - d, at, *d),
                Window::SinceLast => grown(input, &mut counters, last.unwrap_or(at), at, input.max_age),
            },
        };
        if answer.value.is_ok() {
            last = Some(at);
        }
        out.push(at, answer).map_err(|e| ImportError::new(e.to_string(), "correct the data"))?;
    }
    Ok(())
}

/// The upper bound of a bucket's series; `None`: +Inf, and where there are no buckets.
fn bound(input: &Input, raw: &Raw, scale: f64) -> Result<Option<f64>, ImportError> {
    if !matches!(input.ask, Ask::Buckets(..)) {
        return Ok(None);
    }
    match raw.label("le").map(str::parse::<f64>) {
        Some(Ok(le)) if le == f64::INFINITY => Ok(None),
        Some(Ok(le)) if le.is_finite() => Ok(Some(le * scale)),
        _ => {
            let what = format!("`{}` is of a histogram, and says no bound", raw.shown());
            Err(ImportError::at(
                &raw.place,
                what,
                "give it the label `le` (in CSV the column `le`) with a number or `+Inf`",
            ))
        }
    }
}

/// The newest sample at a time.
fn newest(raw: &Raw, at: Time) -> Option<(Time, Option<f64>)> {
    let n = raw.samples.partition_point(|s| s.0 <= at);
    raw.samples.get(n.checked_sub(1)?).copied()
}

fn gauge(raws: &[&Raw], scale: &[f64], at: Time, max_age: Millis) -> Answer {
    let mut found = Vec::new();
    for (raw, scale) in raws.iter().zip(scale) {
        if let Some((time, Some(value))) = newest(raw, at).filter(|(time, _)| at - time <= max_age) {
            found.push((time, value * scale));
        }
    }
    let series = u32::try_from(found.len()).unwrap_or(u32::MAX);
    match found.as_slice() {
        [] => Answer::missing(Missing::Empty { others: None }),
        [(time, value)] => Answer { value: Ok(Reading::Value(*value)), sampled_at: Some(*time), series },
        _ => Answer { series, ..Answer::missing(Missing::Ambiguous { series }) },
    }
}

/// A counter's samples with how much it had grown by each.
struct Counter {
    le: Option<f64>,
    /// Time, growth since the first.
    grown: Vec<(Time, f64)>,
    /// How many samples are not newer than the last check, and how many not newer than the window's begin.
    at: usize,
    begin: usize,
}

impl Counter {
    /// A value below its predecessor is a reset: the counter began again at zero. So did one that was not there when the data began.
    fn new(raw: &Raw, le: Option<f64>, from: Time) -> Self {
        let mut grown = Vec::new();
        let (mut last, mut sum) = (None, 0.0);
        for (time, value) in raw.samples.iter().filter_map(|(t, v)| v.filter(|v| !v.is_nan()).map(|v| (*t, v))) {
            sum += match last {
                Some(last) if value >= last => value - last,
                Some(_) => value,
                None if time - from > BORN => value,
                None => 0.0,
            };
            last = Some(value);
            grown.push((time, sum));
        }
        Self { le, grown, at: 0, begin: 0 }
    }

    /// The growth in `(begin, at]`, both never smaller than before, and the time of the newest sample.
    fn between(&mut self, begin: Time, at: Time) -> (f64, Option<Time>) {
        let step = |place: &mut usize, till: Time| {
            while self.grown.get(*place).is_some_and(|s| s.0 <= till) {
                *place += 1;
            }
            place.checked_sub(1).and_then(|i| self.grown.get(i)).copied()
        };
        let (start, end) = (step(&mut self.begin, begin), step(&mut self.at, at));
        (end.map_or(0.0, |e| e.1) - start.map_or(0.0, |s| s.1), end.map(|e| e.0))
    }
}

fn grown(input: &Input, counters: &mut [Counter], begin: Time, at: Time, fresh: Millis) -> Answer {
    let mut sampled_at = None;
    let mut series = 0;
    let mut sum = 0.0;
    let mut buckets: Vec<Bucket> = Vec::new();
    for c in counters {
        let (by, newest) = c.between(begin, at);
        // one that says nothing in the window has no part in it
        if newest.is_none_or(|t| at - t >= fresh.max(1)) {
            continue;
        }
        series += 1;
        sampled_at = sampled_at.max(newest);
        sum += by;
        match buckets.iter_mut().find(|b| b.le == c.le) {
            Some(b) => b.count += by,
            None => buckets.push(Bucket { le: c.le, count: by }),
        }
    }
    if series == 0 {
        return Answer::missing(Missing::Empty { others: None });
    }
    let bound = |b: &Bucket| b.le.unwrap_or(f64::INFINITY);
    buckets.sort_by(|a, b| bound(a).total_cmp(&bound(b)));
    let value = if matches!(input.ask, Ask::Buckets(..)) { Reading::Buckets(buckets) } else { Reading::Increase(sum) };
    Answer { value: Ok(value), sampled_at, series }
}
