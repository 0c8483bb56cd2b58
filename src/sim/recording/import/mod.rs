//! Recordings of what others kept: raw samples to answers, as a source would have given them at every check.
//!
//! A text is read to [`Raw`] series by the reader of its format (OpenMetrics' is the one that scrapes pages, in
//! [`crate::commands`]); [`import`] then answers the policy's questions from them: counters become reset-aware increases over each
//! question's own window, gauges hold until they are older than the metric's `max_age`.

mod answers;
mod csv;
mod error;
mod mapping;
mod prometheus;
mod promtool;
#[cfg(test)]
mod tests;
mod units;

pub use self::csv::read as csv;
pub use error::ImportError;
pub use mapping::{Mapping, Rule};
pub use prometheus::read as prometheus_json;
pub use promtool::read as promtool;

use super::key::word;
use super::{About, Key, Query, Recording, Series, VERSION};
use crate::plan::{Input, Millis, Plan, Population, Time, show};
use std::collections::{BTreeMap, BTreeSet};

/// A series of samples as a text has it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Raw {
    /// Its name: of a metric of the policy, or what the source calls it.
    pub name: String,
    /// Its labels. `population` and `slice_<dimension>` mean what they say; `le` is a bucket's upper bound.
    pub labels: Vec<(String, String)>,
    /// The unit of its values (of buckets: of their bounds), where the text says it: `ms`, `%`.
    pub unit: Option<String>,
    /// Where it begins, for errors: `line 7`.
    pub place: String,
    /// Its samples: rising times; `None` is a mark that the series ended (stale). Counters are raw readings.
    pub samples: Vec<(Time, Option<f64>)>,
}

impl Raw {
    fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str())
    }

    /// As the source would write it: `served{version="v2"}`.
    fn shown(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
        if labels.is_empty() { self.name.clone() } else { format!("{}{{{}}}", self.name, labels.join(",")) }
    }

    /// Sorts the samples by time.
    ///
    /// # Errors
    /// Two samples of one time.
    fn sort(&mut self) -> Result<(), ImportError> {
        if !self.samples.is_sorted_by_key(|s| s.0) {
            self.samples.sort_by_key(|s| s.0);
        }
        let twice = self.samples.windows(2).find_map(|w| match w {
            [a, b] if a.0 == b.0 => Some(a.0),
            _ => None,
        });
        let Some(time) = twice else { return Ok(()) };
        let what = format!("`{}` has two samples for {}", self.shown(), show::utc(time));
        let help = "keep one for each time; series that differ need a label (in CSV a column) that tells them apart";
        Err(ImportError::at(&self.place, what, help))
    }
}

/// What came of an import.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The recording.
    pub recording: Recording,
    /// The names of series that the policy does not read.
    pub unused: Vec<String>,
}

/// The most answers of an import: more is a wrong unit of time, or too small a step.
const MOST: i64 = 50_000_000;

/// A recording for a plan out of series, with an answer every `step`, from the first sample to the last. `name` is what they were
/// read from.
///
/// A series belongs to the metric and population that a rule of the mapping says; without a rule for them, to the metric of its
/// name and the population in its label `population` (`canary` without one). Questions about `before` are answered from `stable`
/// where there are no series for `before`: before the change everybody is stable.
///
/// # Errors
/// [`ImportError`]: a rule that is for no metric; no series that the policy reads; a sample that its metric's unit does not allow; a
/// slice or a bucket without its label; two samples of one time; a step that is none, or far too small.
pub fn import(
    mut raws: Vec<Raw>,
    name: &str,
    plan: &Plan,
    step: Millis,
    mapping: &Mapping,
) -> Result<Imported, ImportError> {
    if step <= 0 {
        return Err(ImportError::new(
            "the step is not longer than nothing",
            "give the distance of checks: `--step 15s`",
        ));
    }
    mapping.fit(plan)?;
    raws.iter_mut().try_for_each(Raw::sort)?;
    let mut used = BTreeSet::new();
    let mut groups: BTreeMap<Key, (&Input, Vec<usize>)> = BTreeMap::new();
    for input in &plan.inputs {
        for at in mapping.chosen(&raws, input) {
            let Some(raw) = raws.get(at) else { continue };
            used.insert(at);
            let slice = slice_of(raw, input, plan)?;
            let key = Key::of(input, &slice);
            // two inputs with the same question have the same answer
            let (first, group) = groups.entry(key).or_insert_with(|| (input, Vec::new()));
            if std::ptr::eq(*first, input) {
                group.push(at);
            }
        }
    }
    let times = || used.iter().filter_map(|i| raws.get(*i)).flat_map(|r| r.samples.iter().map(|s| s.0));
    let (Some(from), Some(to)) = (times().min(), times().max()) else { return Err(nothing(&raws, plan)) };
    let rows = to.saturating_sub(from) / step + 1;
    if rows.saturating_mul(i64::try_from(groups.len()).unwrap_or(i64::MAX)) > MOST {
        let what = format!(
            "a check every {} from {} to {} are too many answers",
            show::duration(step),
            show::utc(from),
            show::utc(to)
        );
        return Err(ImportError::new(what, "look at the unit of the times; take a larger step, or less of the data"));
    }
    let mut series = Vec::new();
    let mut queries: Vec<Query> = Vec::new();
    for (key, (input, group)) in groups {
        let of: Vec<&Raw> = group.iter().filter_map(|i| raws.get(*i)).collect();
        let scale = units::scale(plan, input, &of)?;
        // once for all slices
        let asked = |q: &Query| (&q.metric, q.population, &q.question) == (&key.metric, key.population, &key.question);
        if !queries.iter().any(asked) {
            let text = format!("imported from {name}: {}", of.first().map(|r| r.shown()).unwrap_or_default());
            let (metric, question) = (key.metric.clone(), key.question.clone());
            queries.push(Query { metric, population: key.population, question, text });
        }
        let mut out = Series::new(key).map_err(|e| ImportError::new(e.to_string(), "choose another window"))?;
        answers::all(input, &of, scale, (from, to, step), &mut out)?;
        series.push(out);
    }
    let about = About {
        version: VERSION,
        writer: format!("canary {}", env!("CARGO_PKG_VERSION")),
        rollout: plan.rollout.clone(),
        policy: String::new(),
        run: None,
        environment: None,
        incomplete: false,
        step,
        from,
        to: from + (rows - 1) * step,
        slices: plan.slices.iter().map(|s| s.name.clone()).collect(),
        queries,
    };
    let unused: BTreeSet<String> =
        raws.iter().enumerate().filter(|(i, _)| !used.contains(i)).map(|(_, r)| r.name.clone()).collect();
    Ok(Imported { recording: Recording { about, series, happened: Vec::new() }, unused: unused.into_iter().collect() })
}

fn nothing(raws: &[Raw], plan: &Plan) -> ImportError {
    let list =
        |names: BTreeSet<&str>| names.into_iter().take(12).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    let there = list(raws.iter().map(|r| r.name.as_str()).collect());
    let wanted = list(plan.inputs.iter().map(|i| i.metric.as_str()).collect());
    let there = if there.is_empty() { String::from("it has no samples at all") } else { format!("it has {there}") };
    ImportError::new(
        format!("no series is of a metric that the policy reads: {there}; the policy reads {wanted}"),
        "name the series as the metrics are named, or say which is which: `--map 'stable served = requests_total{version=\"v1\"}'`",
    )
}

/// The values of a slice's dimensions in a series; none for an input that is not split.
fn slice_of(raw: &Raw, input: &Input, plan: &Plan) -> Result<Vec<String>, ImportError> {
    let mut slice = Vec::new();
    for (i, label) in input.by.iter().enumerate() {
        let column = plan.slices.get(i).map(|s| format!("slice_{}", s.name));
        let value = column.as_deref().and_then(|c| raw.label(c)).or_else(|| raw.label(label)).filter(|v| !v.is_empty());
        let Some(value) = value else {
            let what =
                format!("`{}` does not say of which slice it is, and `{}` is read by slice", raw.shown(), input.metric);
            let help = format!(
                "give it the label `{label}` (in CSV the column `{}`)",
                column.unwrap_or_else(|| label.clone())
            );
            return Err(ImportError::at(&raw.place, what, &help));
        };
        slice.push(value.to_owned());
    }
    Ok(slice)
}

/// The population that a series names itself.
fn own_population(raw: &Raw) -> Option<Population> {
    let named = raw.label("population").filter(|p| !p.is_empty()).unwrap_or("canary");
    [Population::Canary, Population::Stable, Population::Before].into_iter().find(|p| word(*p) == named)
}
