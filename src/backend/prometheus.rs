//! Prometheus, and what speaks its HTTP API (<https://prometheus.io/docs/prometheus/latest/querying/api/>): VictoriaMetrics,
//! Thanos, Mimir.
//!
//! How each question becomes PromQL (`S` is the bare selector):
//!
//! | question | query | age |
//! |---|---|---|
//! | a PromQL expression | itself | `max(timestamp(S))` of each selector in it, the oldest counts |
//! | gauge | `S` | `max(timestamp(S))` |
//! | increase over a window | `sum(increase(S[w]))` | `max(timestamp(S))` |
//! | buckets over a window | `sum by (le) (increase(S[w]))` | `max(timestamp(S))` |
//! | increments since the last check | `S[…]`, counted here without extrapolation (`since.rs`) | the samples' own |
//!
//! `increase` is Prometheus' own, with its two habits: it extrapolates to the window's ends, and a series that is born inside
//! the window counts from its first sample, so that a counter's very first error is not in it. Since the last check, it is.
//! A window with a single sample a series answers nothing: that is [`Missing::Empty`], never zero.
//!
//! Questions for all slices at once are in `grouped.rs`, those about all checks of a stretch in `range.rs`.
//!
//! An instant query's own timestamp is the time it was asked for, so the age of an answer takes a second query, sent at the
//! same time as the first. See `age.rs` for what becomes of a target that died.

mod age;
mod api;
mod grouped;
mod range;
mod since;

pub use range::is_too_much;

use super::http::{Auth, Endpoint, Redirects};
use super::{BackendError, Metrics, Ranged, Rows, Secret, Stretch, buckets, http};
use crate::plan::{Answer, Ask, Millis, Missing, Reading, Selector, Time, Window};
use age::Age;
use api::{Api, Data};
use async_trait::async_trait;
use since::SinceLast;
use std::time::Duration;

/// How to reach a Prometheus.
#[derive(Debug, Clone)]
pub struct PrometheusConfig {
    /// Its base URL. May carry `user:password@` and a query (`?extra_label=…`) that is sent along; neither is ever shown.
    pub url: Secret,
    /// A bearer token.
    pub bearer: Option<Secret>,
    /// User and password.
    pub basic: Option<(String, Secret)>,
    /// Its scrape interval: the resolution with which the age of a dead target is found out.
    pub scrape: Duration,
    /// How long one exchange may take.
    pub timeout: Duration,
}

impl PrometheusConfig {
    /// No credentials beyond the URL's, scraped every 15 s, 10 s for an exchange.
    pub fn new(url: impl Into<Secret>) -> Self {
        Self {
            url: url.into(),
            bearer: None,
            basic: None,
            scrape: Duration::from_secs(15),
            timeout: Duration::from_secs(10),
        }
    }
}

/// A PromQL source.
#[derive(Debug)]
pub struct Prometheus {
    api: Api,
    scrape: Millis,
    since: SinceLast,
}

impl Prometheus {
    /// Makes the client; nothing is sent yet.
    ///
    /// # Errors
    /// A URL that cannot be used, or two kinds of credentials at once.
    pub fn new(config: PrometheusConfig) -> Result<Self, BackendError> {
        let endpoint =
            Endpoint::parse(&config.url).map_err(|e| BackendError { message: format!("prometheus: {e}"), ..e })?;
        let auth = match (config.bearer, config.basic, endpoint.auth()) {
            (Some(token), None, Auth::None) => Auth::Bearer(token),
            (None, Some((user, password)), Auth::None) => Auth::Basic(user, password),
            (None, None, auth) => auth.clone(),
            _ => {
                return Err(BackendError::permanent(format!(
                    "prometheus at {}: it is given two kinds of credentials",
                    endpoint.shown()
                ))
                .help("keep one of: a bearer token, a user with password, credentials in the URL"));
            }
        };
        let client = http::client(&endpoint, config.timeout, Redirects::Refuse)?;
        Ok(Self {
            api: Api::new(endpoint, client, auth, config.timeout),
            scrape: Millis::try_from(config.scrape.as_millis()).unwrap_or(Millis::MAX).max(1),
            since: SinceLast::default(),
        })
    }

    async fn answer(&self, ask: &Ask, at: Time, since: Option<Time>) -> Result<Answer, BackendError> {
        match ask {
            Ask::PromQl { query, selectors } => {
                self.instant(query, selectors, age::longest_range(query), at, single).await
            }
            Ask::Gauge(s) => self.instant(&s.0, std::slice::from_ref(s), 0, at, single).await,
            Ask::Increase(s, Window::Last(d)) => {
                let query = format!("sum(increase({}[{d}ms]))", s.0);
                self.instant(&query, std::slice::from_ref(s), *d, at, |data| {
                    Ok(single(data)?.map(|reading| match reading {
                        Reading::Value(v) => Reading::Increase(v),
                        other => other,
                    }))
                })
                .await
            }
            Ask::Buckets(s, Window::Last(d)) => {
                let query = format!("sum by (le) (increase({}[{d}ms]))", s.0);
                self.instant(&query, std::slice::from_ref(s), *d, at, bucketed).await
            }
            Ask::Increase(s, Window::SinceLast) => {
                let grown = self.since.grown(&self.api, s, at, since).await?;
                Ok(grown.answer(|all| Ok(Reading::Increase(all.iter().map(|g| g.by).sum()))))
            }
            Ask::Buckets(s, Window::SinceLast) => {
                let grown = self.since.grown(&self.api, s, at, since).await?;
                Ok(grown.answer(|all| {
                    let by_le = all.iter().map(|g| (g.metric.get("le").map(String::as_str), g.by));
                    Ok(Reading::Buckets(buckets::assemble(by_le)?))
                }))
            }
        }
    }

    /// Asks for a value and, at the same time, for its age. `range`: how far back the query reaches.
    async fn instant(
        &self,
        query: &str,
        selectors: &[Selector],
        range: Millis,
        at: Time,
        read: impl Fn(Data) -> Result<Result<Reading, Missing>, String>,
    ) -> Result<Answer, BackendError> {
        let (data, mut age) = tokio::try_join!(self.api.query(query, at), Age::ask(&self.api, selectors, at))?;
        let value = read(data).map_err(|words| self.api.error(words))?;
        if value.is_ok() && age.sampled_at.is_none() && !selectors.is_empty() {
            age = Age::search(&self.api, selectors, at, range, self.scrape).await?;
        }
        Ok(answered(value, age))
    }

    /// The mean of a question's value over a stretch, as [`Metrics::mean`] has it. The step is made coarser where a range
    /// query would have more than the 11,000 points that Prometheus grants.
    async fn range_mean(&self, ask: &Ask, over: Stretch) -> Result<Answer, BackendError> {
        let query = match ask {
            Ask::PromQl { query, .. } => query.clone(),
            Ask::Gauge(s) => s.0.clone(),
            Ask::Increase(s, Window::Last(d)) => format!("sum(increase({}[{d}ms]))", s.0),
            Ask::Increase(_, Window::SinceLast) | Ask::Buckets(..) => {
                return Err(BackendError::permanent(
                    "only a gauge, an expression or an increase over a window has a mean",
                ));
            }
        };
        let Stretch { from, to, .. } = over;
        let width = (to - from).max(0);
        let step = over.step.max(1).max(width / MOST_POINTS + 1);
        let lines = match self.api.query_range(&query, from, to, step).await? {
            Data::Matrix(lines) => lines,
            _ => return Err(self.api.error("its answer to a range query is no matrix")),
        };
        let series = u32::try_from(lines.len()).unwrap_or(u32::MAX);
        let points = match lines.as_slice() {
            [] => return Ok(Answer::missing(Missing::Empty { others: None })),
            [line] => &line.values,
            _ => {
                return Ok(Answer { series, ..Answer::missing(Missing::Ambiguous { series }) });
            }
        };
        let present: Vec<_> = points.iter().filter(|p| p.value.is_finite()).collect();
        let planned = width / step + 1;
        if (present.len() as i64) * 2 < planned {
            return Ok(Answer::missing(Missing::Empty { others: None }));
        }
        let mean = present.iter().map(|p| p.value).sum::<f64>() / present.len() as f64;
        Ok(Answer {
            value: Ok(match ask {
                Ask::Increase(..) => Reading::Increase(mean),
                _ => Reading::Value(mean),
            }),
            sampled_at: present.last().map(|p| p.time),
            series,
        })
    }
}

/// An answer with its age.
fn answered(value: Result<Reading, Missing>, age: Age) -> Answer {
    let series = match &value {
        Ok(_) => age.series.max(1),
        Err(Missing::Ambiguous { series }) => *series,
        Err(_) => age.series,
    };
    Answer { value, sampled_at: age.sampled_at, series }
}

fn failed(e: BackendError) -> Missing {
    Missing::Failed { message: e.message }
}

/// Points of a range query; Prometheus refuses more than 11,000.
const MOST_POINTS: i64 = 10_000;

/// The one number of an answer; the outer error is for an answer that no number can come from.
fn single(data: Data) -> Result<Result<Reading, Missing>, String> {
    let point = match data {
        Data::Scalar(p) => p.0,
        Data::Vector(list) => match list.as_slice() {
            [] => return Ok(Err(Missing::Empty { others: None })),
            [one] => one.point()?,
            _ => {
                let series = u32::try_from(list.len()).unwrap_or(u32::MAX);
                return Ok(Err(Missing::Ambiguous { series }));
            }
        },
        Data::Matrix(_) => {
            return Err(String::from("the query answers with a range of samples where one value is needed"));
        }
        Data::String(_) => return Err(String::from("the query answers with a text")),
    };
    Ok(if point.value.is_finite() { Ok(Reading::Value(point.value)) } else { Err(Missing::NotANumber) })
}

fn bucketed(data: Data) -> Result<Result<Reading, Missing>, String> {
    let Data::Vector(list) = data else {
        return Err(String::from("its answer for a histogram is no vector"));
    };
    if list.is_empty() {
        return Ok(Err(Missing::Empty { others: None }));
    }
    let mut by_le = Vec::with_capacity(list.len());
    for item in &list {
        let value = item.point()?.value;
        if !value.is_finite() {
            return Ok(Err(Missing::NotANumber));
        }
        by_le.push((item.metric.get("le").map(String::as_str), value));
    }
    Ok(Ok(Reading::Buckets(buckets::assemble(by_le)?)))
}

#[async_trait]
impl Metrics for Prometheus {
    async fn ask(&self, ask: &Ask, at: Time, since: Option<Time>) -> Answer {
        match self.answer(ask, at, since).await {
            Ok(answer) => answer,
            Err(e) => Answer::failed(e.message),
        }
    }

    async fn ask_by(&self, ask: &Ask, by: &[String], at: Time, since: Option<Time>) -> Result<Rows, Missing> {
        self.rows(ask, by, at, since).await.map_err(failed)
    }

    async fn mean_by(&self, ask: &Ask, by: &[String], over: Stretch) -> Result<Rows, Missing> {
        self.row_means(ask, by, over).await.map_err(failed)
    }

    async fn whole_by(&self, ask: &Ask, by: &[String], over: Stretch) -> Result<Rows, Missing> {
        self.row_wholes(ask, by, over).await.map_err(failed)
    }

    async fn range(&self, ask: &Ask, by: &[String], over: Stretch) -> Result<Ranged, BackendError> {
        self.ranged(ask, by, over).await
    }

    async fn range_before(
        &self,
        ask: &Ask,
        by: &[String],
        over: Stretch,
        length: Millis,
        bad_part: bool,
    ) -> Result<Ranged, BackendError> {
        self.ranged_before(ask, by, over, length, bad_part).await
    }

    async fn ready(&self) -> Result<String, BackendError> {
        let at = self.api.shown();
        match self.api.version().await {
            Ok(version) => Ok(format!("Prometheus {version} at {at}")),
            // a proxy or an old server may not have this page; what counts is that it answers queries
            Err(_) => {
                let now = chrono::Utc::now().timestamp_millis();
                self.api.query("vector(1)", now).await?;
                Ok(format!("a PromQL server at {at}"))
            }
        }
    }

    fn has_history(&self) -> bool {
        true
    }

    async fn clock(&self) -> Result<Option<Time>, BackendError> {
        let data = self.api.query_now("time()").await?;
        match single(data).map_err(|words| self.api.error(words))? {
            Ok(Reading::Value(seconds)) => Ok(Some(api::millis(seconds))),
            _ => Err(self.api.error("`time()` has no value")),
        }
    }

    async fn mean(&self, ask: &Ask, over: Stretch) -> Answer {
        match self.range_mean(ask, over).await {
            Ok(answer) => answer,
            Err(e) => Answer::failed(e.message),
        }
    }

    async fn whole(&self, ask: &Ask, over: Stretch) -> Answer {
        let selector = match ask {
            Ask::Increase(s, _) | Ask::Buckets(s, _) | Ask::Gauge(s) => s,
            Ask::PromQl { .. } => return Answer::failed("an expression has no window"),
        };
        let present = Ask::PromQl { query: format!("count({})", selector.0), selectors: Vec::new() };
        match self.range_mean(&present, over).await {
            Ok(Answer { value: Ok(_), .. }) => self.ask(ask, over.to, None).await,
            Ok(missing) => missing,
            Err(e) => Answer::failed(e.message),
        }
    }
}
