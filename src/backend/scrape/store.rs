//! The samples of all pages, and answers out of them. Every time is given from outside: this has no clock.

use crate::backend::Stretch;
use crate::backend::buckets;
use crate::backend::exposition::Exposed;
use crate::backend::selector::Matching;
use crate::backend::series::{Grown, Labels, Sample, Series};
use crate::plan::{Answer, Ask, Millis, Missing, Reading, Selector, Time, Window};
use std::collections::{BTreeMap, BTreeSet};

/// What bounds the memory.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long samples are kept, in milliseconds.
    pub keep: Millis,
    /// Distance between two reads of a page, in milliseconds.
    pub every: Millis,
    /// How many series all targets may have together.
    pub max_series: usize,
}

#[derive(Debug)]
struct Target {
    /// What it is called in messages.
    url: String,
    /// The value of its label `instance`.
    instance: String,
    /// When its newest good page was read.
    read: Option<Time>,
    /// When its process started, as its newest good page has it.
    started: Option<Time>,
    /// What its last read came to.
    last: Option<Result<(), String>>,
}

/// Series by metric name; within a name by target and labels, so that sums are always added in the same order.
type ByName = BTreeMap<String, BTreeMap<(usize, Labels), Series>>;

/// The gauge with which a process says when it started, in seconds since 1970, as client libraries have it.
const PROCESS_START: &str = "process_start_time_seconds";

/// All that is known of all targets.
#[derive(Debug)]
pub struct Store {
    targets: Vec<Target>,
    series: ByName,
    count: usize,
    /// The latest time for which increments were asked.
    asked: Time,
    limits: Limits,
}

impl Store {
    /// A store for targets, each with its URL (for messages) and its `host:port` (for the label `instance`).
    pub fn new(targets: impl IntoIterator<Item = (String, String)>, limits: Limits) -> Self {
        let target = |(url, instance)| Target { url, instance, read: None, started: None, last: None };
        Self {
            targets: targets.into_iter().map(target).collect(),
            series: ByName::new(),
            count: 0,
            asked: Time::MIN,
            limits,
        }
    }

    /// Samples further apart than this are never taken for a stretch without change: one read may fail or be late.
    fn max_gap(&self) -> Millis {
        self.limits.every.saturating_mul(5) / 2
    }

    /// Takes in what a read of a target's page, begun at `time`, came to. A failed read changes no series: they grow old. A
    /// good page ends the series that are no longer on it. A page with more series than there is room for is a failed one.
    pub fn page(&mut self, target: usize, time: Time, page: Result<Vec<Exposed>, String>) {
        let taken = page.and_then(|samples| self.take(target, time, samples));
        if let Some(t) = self.targets.get_mut(target) {
            if taken.is_ok() {
                t.read = Some(time);
            }
            t.last = Some(taken);
        }
        self.prune(time - self.limits.keep);
    }

    fn take(&mut self, target: usize, time: Time, page: Vec<Exposed>) -> Result<(), String> {
        let Some(known) = self.targets.get(target) else {
            return Ok(());
        };
        let gap = self.max_gap();
        // its target was read before and did not show it: a new series began at zero since
        let born = known.read.is_some();
        // a page that was begun before a check and comes after it belongs to the next one: else the increments on it would
        // be counted by neither
        let came = time.max(self.asked.saturating_add(1));
        let mut samples: BTreeMap<(usize, Labels), Sample> = BTreeMap::new();
        for mut exposed in page {
            exposed.labels.add_absent("instance", &known.instance);
            let sample = Sample { time: exposed.time.unwrap_or(time).min(time), value: exposed.value };
            // a series that stands twice on a page: the first counts, as in Prometheus
            samples.entry((target, exposed.labels)).or_insert(sample);
        }
        let has = |key: &(usize, Labels)| self.series.get(&key.1.name).is_some_and(|s| s.contains_key(key));
        let fresh = samples.keys().filter(|k| !has(k)).count();
        if self.count + fresh > self.limits.max_series {
            return Err(format!(
                "scrape of {}: with its {} series there would be {}, more than the {} that are kept: read fewer or smaller pages",
                known.url,
                samples.len(),
                self.count + fresh,
                self.limits.max_series
            ));
        }
        self.count += fresh;
        let started = samples
            .iter()
            .filter(|((_, labels), s)| labels.name == PROCESS_START && s.value.is_finite())
            .map(|(_, s)| (s.value * 1000.0) as Time)
            .max();
        if let Some(t) = self.targets.get_mut(target) {
            t.started = started;
        }
        for (key, series) in self.series.values_mut().flatten() {
            if key.0 == target && !samples.contains_key(key) {
                series.vanish(came);
            }
        }
        for (key, sample) in samples {
            let named = match self.series.get_mut(&key.1.name) {
                Some(named) => named,
                None => self.series.entry(key.1.name.clone()).or_default(),
            };
            named.entry(key).or_insert_with(|| Series::new(born)).push(came, sample, gap);
        }
        Ok(())
    }

    fn prune(&mut self, cutoff: Time) {
        let count = &mut self.count;
        self.series.retain(|_, named| {
            named.retain(|_, series| {
                let keep = series.prune(cutoff);
                *count -= usize::from(!keep);
                keep
            });
            !named.is_empty()
        });
    }

    /// Whether every target was read at least once, with or without success.
    #[must_use]
    pub fn all_tried(&self) -> bool {
        self.targets.iter().all(|t| t.last.is_some())
    }

    /// What is read, or which targets cannot be.
    ///
    /// # Errors
    /// One line that names each target whose last read failed or is not done.
    pub fn status(&self) -> Result<String, String> {
        let bad: Vec<_> = self
            .targets
            .iter()
            .filter_map(|t| match &t.last {
                Some(Ok(())) => None,
                Some(Err(why)) => Some(why.clone()),
                None => Some(format!("scrape of {}: no answer yet", t.url)),
            })
            .collect();
        if !bad.is_empty() {
            return Err(bad.join("; "));
        }
        let urls: Vec<_> = self.targets.iter().map(|t| t.url.as_str()).collect();
        Ok(format!("{} series scraped from {}", self.count, urls.join(", ")))
    }

    /// Answers a question as of a time, as [`crate::backend::Metrics::ask`] has it.
    pub fn answer(&mut self, ask: &Ask, at: Time, since: Option<Time>) -> Answer {
        self.asked = self.asked.max(at);
        self.past(ask, at, since)
    }

    fn past(&self, ask: &Ask, at: Time, since: Option<Time>) -> Answer {
        match ask {
            Ask::PromQl { query, .. } => Answer::failed(format!(
                "only a PromQL source can answer `{}`; collected samples answer bare selectors",
                crate::backend::http::one_line(query)
            )),
            Ask::Gauge(s) => self.with(s, at, |live| self.gauge(live, at)),
            Ask::Increase(s, w) => self.with(s, at, |live| {
                let grown = self.grown(live, *w, at, since)?;
                Ok(Reading::Increase(grown.iter().map(|(_, v)| v).sum()))
            }),
            Ask::Buckets(s, w) => self.with(s, at, |live| {
                let grown = self.grown(live, *w, at, since)?;
                let by_le = grown.iter().map(|(labels, v)| {
                    let le = labels.get("le");
                    ((!le.is_empty()).then_some(le), *v)
                });
                let buckets = buckets::assemble(by_le).map_err(|message| Missing::Failed { message })?;
                Ok(Reading::Buckets(buckets))
            }),
        }
    }

    /// Finds the series of a selector and hands them on, if any of them is still there.
    fn with(
        &self,
        selector: &Selector,
        at: Time,
        read: impl Fn(&[(usize, &Labels, &Series)]) -> Result<Reading, Missing>,
    ) -> Answer {
        let matching = match Matching::parse(selector) {
            Ok(m) => m,
            Err(message) => return Answer::failed(message),
        };
        let all = self.series.iter();
        let found: Vec<_> = all
            .filter(|(name, _)| matching.name().is_none_or(|n| n == *name))
            .flat_map(|(_, named)| named)
            .filter(|((_, labels), _)| matching.matches(labels))
            .filter_map(|((target, labels), s)| {
                let newest = s.latest(at, self.max_gap())?;
                Some((*target, labels, s, newest))
            })
            .collect();
        let alive = || found.iter().filter(|(_, _, s, _)| !s.is_gone(at));
        let Some(sampled_at) = alive().map(|(.., newest)| newest.time).max() else {
            // nobody knows what a page that cannot be read would show
            let failing = self.targets.iter().find_map(|t| t.last.as_ref()?.as_ref().err());
            return match failing {
                Some(why) => Answer::failed(why.clone()),
                None if !self.all_tried() => Answer::failed("scrape: no page was read yet"),
                None => Answer::missing(Missing::Empty { others: None }),
            };
        };
        // what has vanished still counts for the window in which it was there
        let series: Vec<_> = found.iter().map(|(t, l, s, _)| (*t, *l, *s)).collect();
        Answer {
            value: read(&series),
            sampled_at: Some(sampled_at),
            series: u32::try_from(alive().count()).unwrap_or(u32::MAX),
        }
    }

    fn gauge(&self, series: &[(usize, &Labels, &Series)], at: Time) -> Result<Reading, Missing> {
        let live: Vec<_> = series
            .iter()
            .filter(|(_, _, s)| !s.is_gone(at))
            .filter_map(|(_, _, s)| s.latest(at, self.max_gap()))
            .collect();
        match live.as_slice() {
            [] => Err(Missing::Empty { others: None }),
            [one] if one.value.is_finite() => Ok(Reading::Value(one.value)),
            [_] => Err(Missing::NotANumber),
            _ => Err(Missing::Ambiguous { series: u32::try_from(live.len()).unwrap_or(u32::MAX) }),
        }
    }

    /// The growth of each series. Increments since a time at which nobody read the pages (this process began later) are known
    /// only of what started since; otherwise they are missing: what happened unseen may have been bad.
    fn grown<'a>(
        &self,
        series: &[(usize, &'a Labels, &Series)],
        window: Window,
        at: Time,
        since: Option<Time>,
    ) -> Result<Vec<(&'a Labels, f64)>, Missing> {
        let mut out = Vec::with_capacity(series.len());
        let mut known = false;
        for (target, labels, s) in series {
            let target = self.targets.get(*target);
            let grown = match (window, since) {
                (Window::Last(d), _) => s.grown_over(d, at),
                (Window::SinceLast, Some(since)) if s.known_at(since) => Grown::By(s.grown_since(since, at)),
                (Window::SinceLast, Some(since)) if target.is_some_and(|t| t.started > Some(since)) => {
                    Grown::By(s.grown_from_zero(since, at))
                }
                (Window::SinceLast, Some(_)) => {
                    let url = target.map_or("", |t| &t.url);
                    return Err(Missing::Failed {
                        message: format!(
                            "scrape of {url}: what {} counted while its page was not read is not known",
                            labels.name
                        ),
                    });
                }
                (Window::SinceLast, None) => Grown::By(0.0),
            };
            let by = match grown {
                Grown::By(v) => v,
                // its age will tell
                Grown::Silent => 0.0,
                // one sample says nothing of growth, as with `increase`
                Grown::Unknown => continue,
            };
            known = true;
            if !by.is_finite() {
                return Err(Missing::NotANumber);
            }
            out.push((*labels, by));
        }
        if known { Ok(out) } else { Err(Missing::Empty { others: None }) }
    }

    /// A window's answer, if there were samples at half of its points, as [`crate::backend::Metrics::whole`] has it.
    #[must_use]
    pub fn whole(&self, ask: &Ask, over: Stretch) -> Answer {
        let selector = match ask {
            Ask::Increase(s, _) | Ask::Buckets(s, _) | Ask::Gauge(s) => s,
            Ask::PromQl { .. } => return self.past(ask, over.to, None),
        };
        let (mut present, mut planned, mut at) = (0_u32, 0_u32, over.from);
        while at <= over.to {
            // whatever it is: what counts is that there is a sample
            let sampled = self.past(&Ask::Gauge(selector.clone()), at, None).sampled_at;
            present += u32::from(sampled.is_some_and(|t| t >= at - over.max_age));
            planned += 1;
            at += over.step.max(1);
        }
        let answer = self.past(ask, over.to, None);
        match answer.value {
            Err(_) => answer,
            Ok(_) if present == 0 || present * 2 < planned => Answer::missing(Missing::Empty { others: None }),
            Ok(_) => answer,
        }
    }

    /// The mean over what was collected, as [`crate::backend::Metrics::mean`] has it.
    #[must_use]
    pub fn mean(&self, ask: &Ask, over: Stretch) -> Answer {
        let step = over.step.max(1);
        let (mut sum, mut present, mut planned) = (0.0, 0_u32, 0_u32);
        let (mut sampled_at, mut series) = (None, BTreeSet::new());
        let mut at = over.from;
        while at <= over.to {
            planned += 1;
            let answer = self.past(ask, at, None);
            let oldest = at - over.max_age;
            at += step;
            match answer.value {
                Ok(Reading::Value(v) | Reading::Increase(v)) if answer.sampled_at.is_some_and(|t| t >= oldest) => {
                    sum += v;
                    present += 1;
                    sampled_at = answer.sampled_at;
                    series.insert(answer.series);
                }
                Ok(Reading::Buckets(_)) => {
                    return Answer::failed("only a gauge, an expression or an increase over a window has a mean");
                }
                Err(why @ (Missing::Ambiguous { .. } | Missing::Failed { .. })) => {
                    return Answer::missing(why);
                }
                Ok(_) | Err(_) => {}
            }
        }
        if present == 0 || present * 2 < planned {
            return Answer::missing(Missing::Empty { others: None });
        }
        let mean = sum / f64::from(present);
        Answer {
            value: Ok(match ask {
                Ask::Increase(..) => Reading::Increase(mean),
                _ => Reading::Value(mean),
            }),
            sampled_at,
            series: series.last().copied().unwrap_or(0),
        }
    }
}

#[cfg(test)]
mod tests;
