//! Questions for all slices at once: one query a question, whatever the number of slices, and one for the ages of the answers.
//!
//! | question | query | age |
//! |---|---|---|
//! | a PromQL expression | itself: its `${by}` is filled in already | `max by (labels) (timestamp(S))` of each selector |
//! | gauge | `S` | `max by (labels) (timestamp(S))` |
//! | increase over a window | `sum by (labels) (increase(S[w]))` | the same |
//! | buckets over a window | `sum by (le, labels) (increase(S[w]))` | the same |
//! | increments since the last check | `S[…]`, as for one life (`since.rs`) | the samples' own |
//!
//! A slice whose target died answers from old samples, as one life does (`age.rs`): its age is then looked for in the past, by
//! one more query for all such slices together.

use super::age::{PART, longest_range};
use super::api::{Data, Item, Metric, Point, millis};
use super::since::GrownSeries;
use super::{Prometheus, bucketed, single};
use crate::backend::rows::{Rows, Sorted, ambiguous, key};
use crate::backend::series::LOOKBACK;
use crate::backend::{BackendError, Stretch, buckets};
use crate::plan::{Answer, Ask, Millis, Missing, Reading, Selector, Time, Window};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Points a slice of a range query, so that the answer for thousands of slices stays within what is read.
pub(super) const MOST_POINTS: i64 = 500;

/// When the newest sample of each slice was taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Ages {
    by_slice: BTreeMap<Vec<String>, Time>,
    /// Of selectors whose series have none of the labels: what they say is part of every slice's answer.
    everyone: Option<Time>,
}

impl Ages {
    fn note(&mut self, slice: Option<Vec<String>>, time: Time) {
        match slice {
            // the oldest of all selectors counts
            Some(slice) => self.by_slice.entry(slice).and_modify(|t| *t = (*t).min(time)).or_insert(time),
            None => self.everyone.insert(self.everyone.map_or(time, |t| t.min(time))),
        };
    }

    /// What the parts of a joint query tell.
    pub fn read<'a>(by: &[String], parts: impl IntoIterator<Item = (&'a Metric, f64)>) -> Self {
        let mut ages = Self::default();
        for (metric, value) in parts {
            let time = millis(value);
            let bare = by.iter().all(|label| metric.get(label).is_none_or(String::is_empty));
            match of_metric(by, metric) {
                Some(slice) => ages.note(Some(slice), time),
                None if bare => ages.note(None, time),
                // a series with some of the labels is of no slice
                None => {}
            }
        }
        ages
    }

    pub fn of(&self, slice: &[String]) -> Option<Time> {
        match (self.by_slice.get(slice), self.everyone) {
            (Some(a), Some(b)) => Some(*a.min(&b)),
            (Some(t), None) => Some(*t),
            // a part that all share is not the slice's own sample
            (None, _) => None,
        }
    }
}

/// The slice that a series is of.
pub(super) fn of_metric(by: &[String], metric: &Metric) -> Option<Vec<String>> {
    key(by, |label| metric.get(label).map_or("", String::as_str))
}

fn list(by: &[String]) -> String {
    by.join(", ")
}

/// When the newest sample of each slice was taken; none without selectors.
pub(super) fn newest_query(selectors: &[Selector], by: &[String]) -> Option<String> {
    joint(selectors, |s| format!("max by ({}) (timestamp({}))", list(by), s.0))
}

/// When there last was a sample of each slice; see [`super::age::Age::search`].
pub(super) fn last_query(selectors: &[Selector], by: &[String], range: Millis, scrape: Millis) -> Option<String> {
    let range = range.max(LOOKBACK);
    let step = scrape.max(range / 1000);
    let labels = list(by);
    joint(selectors, |Selector(s)| format!("max by ({labels}) (max_over_time(timestamp({s})[{range}ms:{step}ms]))"))
}

/// Joins a query a selector into one.
fn joint(selectors: &[Selector], of: impl Fn(&Selector) -> String) -> Option<String> {
    let mut query = String::new();
    for (i, selector) in selectors.iter().enumerate() {
        let or = if query.is_empty() { "" } else { " or " };
        // a String takes all that is written
        let _ = write!(query, "{or}label_replace({}, \"{PART}\", \"{i}\", \"\", \"\")", of(selector));
    }
    (!query.is_empty()).then_some(query)
}

impl Prometheus {
    /// As `answer`, for all slices at once.
    pub(super) async fn rows(
        &self,
        ask: &Ask,
        by: &[String],
        at: Time,
        since: Option<Time>,
    ) -> Result<Rows, BackendError> {
        let labels = list(by);
        match ask {
            Ask::PromQl { query, selectors } => {
                self.grouped(query, selectors, longest_range(query), by, at, |data| single(Data::Vector(data))).await
            }
            Ask::Gauge(s) => {
                self.grouped(&s.0, std::slice::from_ref(s), 0, by, at, |data| single(Data::Vector(data))).await
            }
            Ask::Increase(s, Window::Last(d)) => {
                let query = format!("sum by ({labels}) (increase({}[{d}ms]))", s.0);
                self.grouped(&query, std::slice::from_ref(s), *d, by, at, |data| {
                    Ok(single(Data::Vector(data))?.map(|reading| match reading {
                        Reading::Value(v) => Reading::Increase(v),
                        other => other,
                    }))
                })
                .await
            }
            Ask::Buckets(s, Window::Last(d)) => {
                let query = format!("sum by (le, {labels}) (increase({}[{d}ms]))", s.0);
                self.grouped(&query, std::slice::from_ref(s), *d, by, at, |data| bucketed(Data::Vector(data))).await
            }
            Ask::Increase(s, Window::SinceLast) => {
                let grown = self.since.grown(&self.api, s, at, since).await?;
                Ok(since_last(grown.series, by, |all| Ok(Reading::Increase(all.iter().map(|g| g.by).sum()))))
            }
            Ask::Buckets(s, Window::SinceLast) => {
                let grown = self.since.grown(&self.api, s, at, since).await?;
                Ok(since_last(grown.series, by, |all| {
                    let by_le = all.iter().map(|g| (g.metric.get("le").map(String::as_str), g.by));
                    Ok(Reading::Buckets(buckets::assemble(by_le)?))
                }))
            }
        }
    }

    /// One query for the values and, at the same time, one for the ages.
    async fn grouped(
        &self,
        query: &str,
        selectors: &[Selector],
        range: Millis,
        by: &[String],
        at: Time,
        read: impl Fn(Vec<Item>) -> Result<Result<Reading, Missing>, String>,
    ) -> Result<Rows, BackendError> {
        let newest = newest_query(selectors, by);
        let (data, ages) = tokio::try_join!(self.api.query(query, at), self.ages(newest, by, at))?;
        let Data::Vector(items) = data else {
            return Err(self
                .api
                .error("its answer for all slices at once is no vector")
                .help("group the query: `by (${by})`"));
        };
        let sorted = Sorted::of(items, |item| of_metric(by, &item.metric));
        let dead = |slice: &Vec<String>| ages.of(slice).is_none();
        let older = match !selectors.is_empty() && sorted.by_slice.keys().any(dead) {
            true => self.older(selectors, by, at, range).await?,
            false => Ages::default(),
        };
        Ok(sorted.rows(|slice, items| {
            let series = items.len();
            let value =
                read(items).unwrap_or_else(|words| Err(Missing::Failed { message: self.api.error(words).message }));
            if let Err(Missing::Ambiguous { .. }) = value {
                return ambiguous(series);
            }
            Answer { value, sampled_at: ages.of(slice).or_else(|| older.of(slice)), series: 1 }
        }))
    }

    /// When there last was a sample of slices that have none now; see [`super::age::Age::search`].
    async fn older(
        &self,
        selectors: &[Selector],
        by: &[String],
        at: Time,
        range: Millis,
    ) -> Result<Ages, BackendError> {
        self.ages(last_query(selectors, by, range, self.scrape), by, at).await
    }

    async fn ages(&self, query: Option<String>, by: &[String], at: Time) -> Result<Ages, BackendError> {
        let Some(query) = query else { return Ok(Ages::default()) };
        let Data::Vector(items) = self.api.query(&query, at).await? else {
            return Err(self.api.error("its answer about the age of samples is no vector"));
        };
        let mut parts = Vec::with_capacity(items.len());
        for item in &items {
            parts.push((&item.metric, item.point().map_err(|words| self.api.error(words))?.value));
        }
        Ok(Ages::read(by, parts))
    }

    /// As `range_mean`, for all slices at once.
    pub(super) async fn row_means(&self, ask: &Ask, by: &[String], over: Stretch) -> Result<Rows, BackendError> {
        let query = match ask {
            Ask::PromQl { query, .. } => query.clone(),
            Ask::Gauge(s) => s.0.clone(),
            Ask::Increase(s, Window::Last(d)) => format!("sum by ({}) (increase({}[{d}ms]))", list(by), s.0),
            Ask::Increase(_, Window::SinceLast) | Ask::Buckets(..) => {
                return Err(BackendError::permanent(
                    "only a gauge, an expression or an increase over a window has a mean",
                ));
            }
        };
        self.means(&query, matches!(ask, Ask::Increase(..)), by, over).await
    }

    async fn means(&self, query: &str, increase: bool, by: &[String], over: Stretch) -> Result<Rows, BackendError> {
        let Stretch { from, to, .. } = over;
        let width = (to - from).max(0);
        let step = over.step.max(1).max(width / MOST_POINTS + 1);
        let Data::Matrix(lines) = self.api.query_range(query, from, to, step).await? else {
            return Err(self.api.error("its answer to a range query is no matrix"));
        };
        let planned = width / step + 1;
        Ok(Sorted::of(lines, |line| of_metric(by, &line.metric)).rows(|_, lines| match lines.as_slice() {
            [line] => mean(&line.values, increase, planned),
            several => ambiguous(several.len()),
        }))
    }

    /// As `whole`, for all slices at once.
    pub(super) async fn row_wholes(&self, ask: &Ask, by: &[String], over: Stretch) -> Result<Rows, BackendError> {
        let selector = match ask {
            Ask::Increase(s, _) | Ask::Buckets(s, _) | Ask::Gauge(s) => s,
            Ask::PromQl { .. } => return Err(BackendError::permanent("an expression has no window")),
        };
        let present = self.means(&format!("count by ({}) ({})", list(by), selector.0), false, by, over).await?;
        let mut rows = self.rows(ask, by, over.to, None).await?;
        for (slice, answer) in &mut rows.by_slice {
            match present.by_slice.get(slice).map(|a| &a.value) {
                Some(Ok(_)) => {}
                Some(Err(why)) => *answer = Answer::missing(why.clone()),
                None => *answer = Answer::missing(Missing::Empty { others: None }),
            }
        }
        Ok(rows)
    }
}

/// The mean of the points of one series; there is none with fewer than half of those that were planned.
pub(super) fn mean(points: &[Point], increase: bool, planned: i64) -> Answer {
    let present: Vec<_> = points.iter().filter(|p| p.value.is_finite()).collect();
    if present.is_empty() || (present.len() as i64) * 2 < planned {
        return Answer::missing(Missing::Empty { others: None });
    }
    let mean = present.iter().map(|p| p.value).sum::<f64>() / present.len() as f64;
    let value = Ok(if increase { Reading::Increase(mean) } else { Reading::Value(mean) });
    Answer { value, sampled_at: present.last().map(|p| p.time), series: 1 }
}

pub(super) fn since_last(
    series: Vec<GrownSeries>,
    by: &[String],
    read: impl Fn(&[GrownSeries]) -> Result<Reading, String>,
) -> Rows {
    Sorted::of(series, |g| of_metric(by, &g.metric)).rows(|_, all| Answer {
        value: read(&all).map_err(|message| Missing::Failed { message }),
        sampled_at: all.iter().map(|g| g.sampled_at).max(),
        series: u32::try_from(all.len()).unwrap_or(u32::MAX),
    })
}
