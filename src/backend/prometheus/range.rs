//! Questions about the past, for recordings: what the checks of a stretch would be answered, from a range query or two.
//!
//! | question | what is asked |
//! |---|---|
//! | one that is answered by a query | that query and the one for its age, both as range queries with the checks' step; where a target was dead, also when it had been alive (`age.rs`) |
//! | increments since the last check | `S[…]` over all of it and the hour before, counted as `since.rs` counts: of one step each |
//! | a baseline, at each check | the query over the checks and the baseline's length before them; of a window that is all of it also `count(S)` |
//!
//! The answers are made by the same functions as those of a check, so that a replay reads what a check at that time would have.

use super::age::{self, Age, longest_range};
use super::api::{Data, Item, Line, Metric};
use super::grouped::{self, Ages, since_last};
use super::since::{Grown, GrownSeries, KEPT};
use super::{MOST_POINTS, Prometheus, answered, bucketed, single};
use crate::backend::rows::{Sorted, ambiguous};
use crate::backend::series::{LOOKBACK, growth};
use crate::backend::{BackendError, Metrics, Ranged, Stretch, buckets};
use crate::plan::{Answer, Ask, Millis, Missing, Reading, Selector, Time, Window};
use std::collections::BTreeMap;

/// What a query's answer at one time is made into.
type Read = fn(Data) -> Result<Result<Reading, Missing>, String>;

/// What there is of all slices at one time.
type GroupedAt = (Time, Sorted<(Metric, f64)>, Ages);

/// What increments are made into.
type ReadGrown = fn(&[GrownSeries]) -> Result<Reading, String>;

/// The query of a question, how far back it reaches, and how its answer is read.
struct Query<'a> {
    text: String,
    selectors: &'a [Selector],
    range: Millis,
    read: Read,
}

fn increased(data: Data) -> Result<Result<Reading, Missing>, String> {
    Ok(single(data)?.map(|reading| match reading {
        Reading::Value(v) => Reading::Increase(v),
        other => other,
    }))
}

/// The query of a question; `None` for increments since the last check, which no query answers.
fn query<'a>(ask: &'a Ask, by: &[String]) -> Option<Query<'a>> {
    let labels = by.join(", ");
    Some(match ask {
        Ask::PromQl { query, selectors } => {
            Query { text: query.clone(), selectors, range: longest_range(query), read: single }
        }
        Ask::Gauge(s) => Query { text: s.0.clone(), selectors: std::slice::from_ref(s), range: 0, read: single },
        Ask::Increase(s, Window::Last(d)) => {
            let by = if by.is_empty() { String::new() } else { format!(" by ({labels}) ") };
            let text = format!("sum{by}(increase({}[{d}ms]))", s.0);
            Query { text, selectors: std::slice::from_ref(s), range: *d, read: increased }
        }
        Ask::Buckets(s, Window::Last(d)) => {
            let by = if by.is_empty() { String::new() } else { format!(", {labels}") };
            let text = format!("sum by (le{by}) (increase({}[{d}ms]))", s.0);
            Query { text, selectors: std::slice::from_ref(s), range: *d, read: bucketed }
        }
        Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast) => return None,
    })
}

/// The points of a range query, time by time.
struct Walk {
    lines: Vec<(Line, usize)>,
}

impl Walk {
    fn of(lines: Vec<Line>) -> Self {
        Self { lines: lines.into_iter().map(|l| (l, 0)).collect() }
    }

    /// What there is at a time; times are to rise.
    fn at(&mut self, at: Time) -> Result<Vec<(&Metric, f64)>, String> {
        let mut out = Vec::new();
        for (line, next) in &mut self.lines {
            if line.values.is_empty() {
                return Err(String::from("the query answers with a native histogram where a number is needed"));
            }
            match line.values.get(*next) {
                Some(p) if p.time < at => {
                    return Err(String::from(
                        "it answers a range query for other times than those that were asked for",
                    ));
                }
                Some(p) if p.time == at => {
                    out.push((&line.metric, p.value));
                    *next += 1;
                }
                _ => {}
            }
        }
        Ok(out)
    }
}

fn vector<'a>(items: impl IntoIterator<Item = (&'a Metric, f64)>, at: Time) -> Data {
    Data::Vector(items.into_iter().map(|(m, v)| Item::new(m.clone(), at, v)).collect())
}

impl Stretch {
    /// Its times.
    fn times(&self) -> impl Iterator<Item = Time> + use<> {
        let (from, to, step) = (self.from, self.to, self.step.max(1));
        (0..).map(move |i| from + i * step).take_while(move |t| *t <= to)
    }
}

impl Prometheus {
    async fn lines(&self, query: &str, over: Stretch) -> Result<Vec<Line>, BackendError> {
        match self.api.query_range(query, over.from, over.to, over.step.max(1)).await? {
            Data::Matrix(lines) => Ok(lines),
            _ => Err(self.api.error("its answer to a range query is no matrix")),
        }
    }

    /// As [`Metrics::range`].
    pub(super) async fn ranged(&self, ask: &Ask, by: &[String], over: Stretch) -> Result<Ranged, BackendError> {
        let Some(query) = query(ask, by) else { return self.ranged_since(ask, by, over, true).await };
        if by.is_empty() { self.ranged_alone(&query, over).await } else { self.ranged_grouped(&query, by, over).await }
    }

    async fn ranged_alone(&self, query: &Query<'_>, over: Stretch) -> Result<Ranged, BackendError> {
        let newest = age::newest_query(query.selectors);
        let (values, ages) = tokio::try_join!(self.lines(&query.text, over), async {
            match &newest {
                Some(newest) => self.lines(newest, over).await,
                None => Ok(Vec::new()),
            }
        })?;
        let (mut values, mut ages) = (Walk::of(values), Walk::of(ages));
        let mut read: Vec<(Time, Result<Reading, Missing>, Age)> = Vec::new();
        for at in over.times() {
            let items = values.at(at).map_err(|words| self.api.error(words))?;
            let value = (query.read)(vector(items, at))
                .unwrap_or_else(|words| Err(Missing::Failed { message: self.api.error(words).message }));
            let items = ages.at(at).map_err(|words| self.api.error(words))?;
            read.push((at, value, Age::read(items)));
        }
        let dead = |(_, value, age): &(Time, Result<Reading, Missing>, Age)| value.is_ok() && age.sampled_at.is_none();
        if let (Some(first), Some(last)) = (read.iter().find(|r| dead(r)), read.iter().rfind(|r| dead(r)))
            && let Some(text) = age::last_query(query.selectors, query.range, self.scrape)
        {
            let mut older = Walk::of(self.lines(&text, Stretch { from: first.0, to: last.0, ..over }).await?);
            let (from, to) = (first.0, last.0);
            for r in read.iter_mut().filter(|r| r.0 >= from && r.0 <= to) {
                let items = older.at(r.0).map_err(|words| self.api.error(words))?;
                if dead(r) {
                    r.2 = Age::read(items);
                }
            }
        }
        let answers = read.into_iter().map(|(at, value, age)| {
            // as `ask`, which makes a failure of words that cannot be read
            let failed = matches!(value, Err(Missing::Failed { .. }));
            (at, if failed { Answer { value, sampled_at: None, series: 0 } } else { answered(value, age) })
        });
        Ok(BTreeMap::from([(Vec::new(), answers.collect())]))
    }

    async fn ranged_grouped(&self, query: &Query<'_>, by: &[String], over: Stretch) -> Result<Ranged, BackendError> {
        let newest = grouped::newest_query(query.selectors, by);
        let (values, ages) = tokio::try_join!(self.lines(&query.text, over), async {
            match &newest {
                Some(newest) => self.lines(newest, over).await,
                None => Ok(Vec::new()),
            }
        })?;
        let (mut values, mut ages) = (Walk::of(values), Walk::of(ages));
        // every time's rows are looked at twice, so they are kept: a chunk is as large as one answer may be
        let mut all: Vec<GroupedAt> = Vec::new();
        for at in over.times() {
            let items = values.at(at).map_err(|words| self.api.error(words))?;
            let items = items.into_iter().map(|(m, v)| (m.clone(), v));
            let sorted = Sorted::of(items, |(m, _)| grouped::of_metric(by, m));
            let ages = Ages::read(by, ages.at(at).map_err(|words| self.api.error(words))?);
            all.push((at, sorted, ages));
        }
        let dead = |(_, sorted, ages): &GroupedAt| sorted.by_slice.keys().any(|slice| ages.of(slice).is_none());
        let mut older: BTreeMap<Time, Ages> = BTreeMap::new();
        if let (Some(first), Some(last)) = (all.iter().find(|r| dead(r)), all.iter().rfind(|r| dead(r)))
            && let Some(text) = grouped::last_query(query.selectors, by, query.range, self.scrape)
        {
            let over = Stretch { from: first.0, to: last.0, ..over };
            let mut walk = Walk::of(self.lines(&text, over).await?);
            for at in over.times() {
                let items = walk.at(at).map_err(|words| self.api.error(words))?;
                older.insert(at, Ages::read(by, items));
            }
        }
        let mut out = Ranged::new();
        let nothing = Ages::default();
        for (at, sorted, ages) in all {
            let older = older.get(&at).unwrap_or(&nothing);
            let rows = sorted.rows(|slice, items| {
                let series = items.len();
                let value = (query.read)(vector(items.iter().map(|(m, v)| (m, *v)), at))
                    .unwrap_or_else(|words| Err(Missing::Failed { message: self.api.error(words).message }));
                if let Err(Missing::Ambiguous { .. }) = value {
                    return ambiguous(series);
                }
                Answer { value, sampled_at: ages.of(slice).or_else(|| older.of(slice)), series: 1 }
            });
            for (slice, answer) in rows.by_slice {
                out.entry(slice).or_default().push((at, answer));
            }
        }
        Ok(out)
    }

    /// Increments of one step each; `counting`: else the question is asked for the first time at each of them, and nothing grew.
    async fn ranged_since(
        &self,
        ask: &Ask,
        by: &[String],
        over: Stretch,
        counting: bool,
    ) -> Result<Ranged, BackendError> {
        let (selector, read): (_, ReadGrown) = match ask {
            Ask::Buckets(s, _) => (s, |all| {
                let by_le = all.iter().map(|g| (g.metric.get("le").map(String::as_str), g.by));
                Ok(Reading::Buckets(buckets::assemble(by_le)?))
            }),
            Ask::Increase(s, _) | Ask::Gauge(s) => (s, |all| Ok(Reading::Increase(all.iter().map(|g| g.by).sum()))),
            Ask::PromQl { .. } => return Err(BackendError::permanent("an expression has no increments")),
        };
        let width = over.to - over.from + over.step + LOOKBACK + KEPT;
        let Data::Matrix(mut lines) = self.api.query(&format!("{}[{width}ms]", selector.0), over.to).await? else {
            return Err(self.api.error("its answer for a range of samples is no matrix"));
        };
        for line in &mut lines {
            line.values.retain(|p| !p.value.is_nan());
        }
        let mut out = Ranged::new();
        for at in over.times() {
            let since = at - over.step;
            let view = if counting { since } else { at } - LOOKBACK;
            let mut series = Vec::new();
            for line in &lines {
                let until = |t: Time| line.values.partition_point(|p| p.time <= t);
                let Some(end) = line.values.get(..until(at)).and_then(<[_]>::last).filter(|p| p.time >= view) else {
                    continue;
                };
                let before = line.values.get(..until(since)).and_then(<[_]>::last);
                let base = before.filter(|p| p.time >= since - LOOKBACK - KEPT);
                let first = if base.is_some() { until(since) } else { line.values.partition_point(|p| p.time < view) };
                let inside = line.values.get(first..until(at)).unwrap_or_default();
                let by = match counting {
                    true => growth(base.map_or(0.0, |p| p.value), inside.iter().map(|p| p.value)),
                    false => 0.0,
                };
                series.push(GrownSeries { metric: line.metric.clone(), by, sampled_at: end.time });
            }
            if by.is_empty() {
                out.entry(Vec::new()).or_default().push((at, Grown { series }.answer(read)));
                continue;
            }
            for (slice, answer) in since_last(series, by, read).by_slice {
                out.entry(slice).or_default().push((at, answer));
            }
        }
        Ok(out)
    }

    /// As [`Metrics::range_before`].
    pub(super) async fn ranged_before(
        &self,
        ask: &Ask,
        by: &[String],
        over: Stretch,
        length: Millis,
        bad_part: bool,
    ) -> Result<Ranged, BackendError> {
        let asked = async || match query(ask, by) {
            Some(_) => self.ranged(ask, by, over).await,
            None => self.ranged_since(ask, by, over, false).await,
        };
        let (means, increase) = match ask {
            Ask::Gauge(_) | Ask::PromQl { .. } => (query(ask, by).map_or_else(String::new, |q| q.text), false),
            Ask::Increase(..) if bad_part => return asked().await,
            Ask::Increase(s, _) | Ask::Buckets(s, _) if by.is_empty() => (format!("count({})", s.0), true),
            Ask::Increase(s, _) | Ask::Buckets(s, _) => (format!("count by ({}) ({})", by.join(", "), s.0), true),
        };
        let most = if by.is_empty() { MOST_POINTS } else { grouped::MOST_POINTS };
        if length / most + 1 > over.step {
            return self.one_by_one(ask, by, over, length).await;
        }
        let steps = length.max(0) / over.step.max(1);
        let lines =
            self.lines(&means, Stretch { from: over.from - length, to: over.to - length + steps * over.step, ..over });
        let lines = lines.await?;
        let mut out = Ranged::new();
        let sorted = Sorted::of(lines, |line| match by.is_empty() {
            true => Some(Vec::new()),
            false => grouped::of_metric(by, &line.metric),
        });
        for at in over.times() {
            let mut seen = false;
            for (slice, lines) in &sorted.by_slice {
                let within = lines.iter().map(|line| {
                    let first = line.values.partition_point(|p| p.time < at - length);
                    let last = line.values.partition_point(|p| p.time <= at);
                    line.values.get(first..last).unwrap_or_default()
                });
                let within: Vec<_> = within.filter(|points| !points.is_empty()).collect();
                let answer = match within.as_slice() {
                    [] => continue,
                    [points] => grouped::mean(points, false, steps + 1),
                    several => ambiguous(several.len()),
                };
                seen = true;
                out.entry(slice.clone()).or_default().push((at, answer));
            }
            if by.is_empty() && !seen {
                let none = Answer::missing(Missing::Empty { others: None });
                out.entry(Vec::new()).or_default().push((at, none));
            }
        }
        if !increase {
            return Ok(out);
        }
        // a window answers from the samples that it has: only where there were enough of them does it say something
        let mut whole = asked().await?;
        for (slice, answers) in &mut whole {
            let present: BTreeMap<Time, &Answer> =
                out.get(slice).into_iter().flatten().map(|(at, a)| (*at, a)).collect();
            for (at, answer) in answers {
                match present.get(at).map(|a| &a.value) {
                    Some(Ok(_)) => {}
                    Some(Err(_)) if by.is_empty() => {
                        if let Some(missing) = present.get(at) {
                            *answer = (*missing).clone();
                        }
                    }
                    Some(Err(why)) => *answer = Answer::missing(why.clone()),
                    None => *answer = Answer::missing(Missing::Empty { others: None }),
                }
            }
        }
        Ok(whole)
    }

    /// Where a baseline is so long that its mean is taken at other times than those of checks.
    async fn one_by_one(
        &self,
        ask: &Ask,
        by: &[String],
        over: Stretch,
        length: Millis,
    ) -> Result<Ranged, BackendError> {
        let mut out = Ranged::new();
        for at in over.times() {
            let over = Stretch { from: at - length, to: at, ..over };
            let is_mean = matches!(ask, Ask::Gauge(_) | Ask::PromQl { .. });
            if by.is_empty() {
                let answer = if is_mean { self.mean(ask, over).await } else { self.whole(ask, over).await };
                if let Err(Missing::Failed { message }) = answer.value {
                    return Err(BackendError::transient(message));
                }
                out.entry(Vec::new()).or_default().push((at, answer));
                continue;
            }
            let rows =
                if is_mean { self.row_means(ask, by, over).await? } else { self.row_wholes(ask, by, over).await? };
            for (slice, answer) in rows.by_slice {
                out.entry(slice).or_default().push((at, answer));
            }
        }
        Ok(out)
    }
}

/// Whether a server said that one answer would be too large: a shorter stretch may do.
#[must_use]
pub fn is_too_much(e: &BackendError) -> bool {
    // Prometheus: samples, points a series; VictoriaMetrics: samples, points, series; a gateway's and our own limits of an answer's size
    let words = [
        "too many samples",
        "maximum resolution",
        "too many points",
        "cannot select more than",
        "exceeds",
        "larger than",
    ];
    let slow = ["timed out", "timeout", "no answer within", "context deadline"];
    words.iter().chain(&slow).any(|w| e.message.contains(w))
}
