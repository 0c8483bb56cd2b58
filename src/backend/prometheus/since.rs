//! Exact increments between two checks.
//!
//! `increase` extrapolates, and two windows that touch share or lose what lies between their samples. Sums over a whole phase
//! need neither: here the raw samples (`S[…]`, each with its own time) are fetched and counted, series by series, across resets.
//!
//! What a series is counted from:
//! - the sample that the check before ended with. It is remembered, because "the last sample before that time" can be another
//!   one by now: a scrape's samples carry the time at which it began and arrive when it has ended;
//! - after a restart of this process: the last sample at or before that time;
//! - a series that was away: its last value in the hour before;
//! - else zero: the series was born since. So the first error of a label that was never seen before is an error.
//!
//! Without a time to count from, counting begins: the increase is zero if there are series.

use super::api::{Api, Data, Line, Metric};
use crate::backend::BackendError;
use crate::backend::series::{LOOKBACK, Sample, growth};
use crate::plan::{Answer, Millis, Missing, Reading, Selector, Time};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How long the last value of a series that does not answer is kept.
pub(super) const KEPT: Millis = 60 * 60 * 1000;

/// How many checks are remembered a selector: one that was asked but whose answer came too late is not what the next one counts
/// from.
const CHECKS: usize = 4;

type Ends = BTreeMap<Metric, Sample>;

/// The samples that earlier checks ended with.
#[derive(Debug, Default)]
pub(super) struct SinceLast {
    checks: Mutex<HashMap<String, VecDeque<(Time, Ends)>>>,
}

/// The growth of each series.
#[derive(Debug)]
pub(super) struct Grown {
    pub series: Vec<GrownSeries>,
}

/// How much one series grew.
#[derive(Debug)]
pub(super) struct GrownSeries {
    /// Its labels.
    pub metric: Metric,
    /// How much.
    pub by: f64,
    /// The sample that it ends with.
    pub sampled_at: Time,
}

impl Grown {
    /// Makes an answer of it; the error is in the server's data.
    pub fn answer(&self, read: impl Fn(&[GrownSeries]) -> Result<Reading, String>) -> Answer {
        if self.series.is_empty() {
            return Answer::missing(Missing::Empty { others: None });
        }
        Answer {
            value: read(&self.series).map_err(|message| Missing::Failed { message }),
            sampled_at: self.series.iter().map(|g| g.sampled_at).max(),
            series: u32::try_from(self.series.len()).unwrap_or(u32::MAX),
        }
    }
}

impl SinceLast {
    /// How much each series of a selector grew in `(since, at]`.
    pub async fn grown(
        &self,
        api: &Api,
        selector: &Selector,
        at: Time,
        since: Option<Time>,
    ) -> Result<Grown, BackendError> {
        let from = since.unwrap_or(at).min(at);
        let lines = ranges(api, selector, at - from + LOOKBACK, at).await?;
        let (before, now) = self.ends(&selector.0, at, since, &lines);
        let mut series = Vec::with_capacity(lines.len());
        let bases = match since {
            None => None,
            Some(since) => Some(bases(api, selector, &lines, since, before).await?),
        };
        for line in lines {
            // a series that came to light after this check was first answered belongs to the next one
            let Some(end) = now.get(&line.metric) else {
                continue;
            };
            let by = match &bases {
                None => 0.0,
                Some(bases) => {
                    let (start, base) = bases.get(&line.metric).map_or((Time::MIN, 0.0), |s| (s.time, s.value));
                    let inside = line.values.iter().filter(|p| p.time > start && p.time <= end.time);
                    growth(base, inside.map(|p| p.value))
                }
            };
            series.push(GrownSeries { metric: line.metric, by, sampled_at: end.time });
        }
        Ok(Grown { series })
    }

    /// The samples that the check at `since` ended with, if it is remembered, and those that this one ends with. The first
    /// answer for a time fixes its ends, so that asking twice counts nothing twice and loses nothing.
    fn ends(&self, selector: &str, at: Time, since: Option<Time>, lines: &[Line]) -> (Option<Ends>, Ends) {
        let mut checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        let checks = checks.entry(selector.to_owned()).or_default();
        let find = |checks: &VecDeque<(Time, Ends)>, time| {
            checks.iter().find(|(t, _)| *t == time).map(|(_, ends)| ends.clone())
        };
        let before = since.and_then(|s| find(checks, s));
        if let Some(now) = find(checks, at) {
            return (before, now);
        }
        // series that do not answer now keep the value with which they may come back
        let mut now: Ends = before.clone().unwrap_or_default();
        now.retain(|_, s| s.time >= at - KEPT);
        for line in lines {
            if let Some(p) = line.values.iter().rev().find(|p| !p.value.is_nan()) {
                now.insert(line.metric.clone(), p.0);
            }
        }
        if checks.len() >= CHECKS {
            checks.pop_front();
        }
        checks.push_back((at, now.clone()));
        (before, now)
    }
}

/// Raw samples of the last `width`, by series.
async fn ranges(api: &Api, selector: &Selector, width: Millis, at: Time) -> Result<Vec<Line>, BackendError> {
    match api.query(&format!("{}[{width}ms]", selector.0), at).await? {
        Data::Matrix(lines) => Ok(lines.into_iter().filter(|l| l.values.iter().any(|p| !p.value.is_nan())).collect()),
        _ => Err(api.error("its answer for a range of samples is no matrix")),
    }
}

/// What each series stood at when the last check was made: as `remembered`, else as far as the source knows.
async fn bases(
    api: &Api,
    selector: &Selector,
    lines: &[Line],
    since: Time,
    remembered: Option<Ends>,
) -> Result<Ends, BackendError> {
    let mut bases = remembered.unwrap_or_else(|| {
        let last = |line: &Line| {
            let mut before = line.values.iter().rev();
            before.find(|p| p.time <= since && !p.value.is_nan()).map(|p| p.0)
        };
        lines.iter().filter_map(|line| Some((line.metric.clone(), last(line)?))).collect()
    });
    let newcomer = |line: &Line| !bases.contains_key(&line.metric) && line.values.iter().any(|p| p.value > 0.0);
    if lines.iter().any(newcomer) {
        // born, or only away for longer than the samples at hand reach back?
        let query = format!("last_over_time({}[{KEPT}ms])", selector.0);
        let then = since - LOOKBACK;
        if let Data::Vector(items) = api.query(&query, then).await? {
            for item in items {
                let value = item.point().map_err(|words| api.error(words))?.value;
                bases.entry(item.metric).or_insert(Sample { time: then, value });
            }
        }
    }
    Ok(bases)
}
