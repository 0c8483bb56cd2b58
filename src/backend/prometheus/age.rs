//! How old an answer is: when the newest sample behind it was taken.
//!
//! `timestamp(S)` is the time of the sample that an instant query sees. It is empty once Prometheus has noticed that the
//! target died (a staleness marker, one scrape later), while `increase(S[5m])` goes on answering from the samples before:
//! "no new errors" from the grave. So when a value is there and `timestamp(S)` is empty, the same question is put to the past
//! ([`Age::search`]): the last time at which there was a sample. The caller then sees an old answer instead of a fresh zero.

use super::api::{Api, Data, Metric, millis};
use crate::backend::{BackendError, series::LOOKBACK};
use crate::plan::{Millis, Selector, Time};
use promql_parser::parser::{self, Expr};
use promql_parser::util::{ExprVisitor, walk_expr};
use std::fmt::Write;
use std::time::Duration;

/// The label by which the parts of a joint query are told apart.
pub(super) const PART: &str = "canary_part";

/// When the newest sample was taken, and how many series have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Age {
    /// The oldest of all selectors' newest samples. Selectors without any are passed over: `a or b` needs only one of them.
    pub sampled_at: Option<Time>,
    /// Series behind all selectors.
    pub series: u32,
}

impl Age {
    /// What instant selectors see: one query for all of them. No selector: no query, no age.
    pub async fn ask(api: &Api, selectors: &[Selector], at: Time) -> Result<Self, BackendError> {
        Self::query(api, newest_query(selectors), at).await
    }

    /// When there last was a sample in the last `range` (at least [`LOOKBACK`]), to within `step` or a thousandth of the range,
    /// rounded towards older.
    pub async fn search(
        api: &Api,
        selectors: &[Selector],
        at: Time,
        range: Millis,
        step: Millis,
    ) -> Result<Self, BackendError> {
        Self::query(api, last_query(selectors, range, step), at).await
    }

    async fn query(api: &Api, query: Option<String>, at: Time) -> Result<Self, BackendError> {
        let Some(query) = query else { return Ok(Self::default()) };
        let Data::Vector(items) = api.query(&query, at).await? else {
            return Err(api.error("its answer about the age of samples is no vector"));
        };
        let mut parts = Vec::with_capacity(items.len());
        for item in &items {
            parts.push((&item.metric, item.point().map_err(|words| api.error(words))?.value));
        }
        Ok(Self::read(parts))
    }

    /// The age that the parts of a joint query tell.
    pub fn read<'a>(parts: impl IntoIterator<Item = (&'a Metric, f64)>) -> Self {
        let mut age = Self::default();
        for (metric, value) in parts {
            let part = metric.get(PART).map_or("", String::as_str);
            if part.starts_with("time") {
                let time = millis(value);
                age.sampled_at = Some(age.sampled_at.map_or(time, |t| t.min(time)));
            } else {
                age.series = age.series.saturating_add(value as u32);
            }
        }
        age
    }
}

/// The query behind [`Age::ask`]; none without selectors.
pub(super) fn newest_query(selectors: &[Selector]) -> Option<String> {
    joint(selectors, |s| [format!("max(timestamp({}))", s.0), format!("count({})", s.0)])
}

/// The query behind [`Age::search`]; none without selectors.
pub(super) fn last_query(selectors: &[Selector], range: Millis, step: Millis) -> Option<String> {
    let range = range.max(LOOKBACK);
    let step = step.max(range / 1000);
    joint(selectors, |Selector(s)| {
        [
            format!("max(max_over_time(timestamp({s})[{range}ms:{step}ms]))"),
            format!("count(last_over_time({s}[{range}ms]))"),
        ]
    })
}

/// Joins a pair of queries (time, count) a selector into one, so that all are answered from the same state of the data.
fn joint(selectors: &[Selector], pair: impl Fn(&Selector) -> [String; 2]) -> Option<String> {
    let mut query = String::new();
    for (i, selector) in selectors.iter().enumerate() {
        for (kind, part) in ["time", "count"].iter().zip(pair(selector)) {
            let or = if query.is_empty() { "" } else { " or " };
            // a String takes all that is written
            let _ = write!(query, "{or}label_replace({part}, \"{PART}\", \"{kind}{i}\", \"\", \"\")");
        }
    }
    (!query.is_empty()).then_some(query)
}

/// The longest range inside a query (`[5m]`, `[1h:1m]`): how far back its answer reaches. 0 where there is none, or where the
/// query cannot be parsed (the server will say so).
pub(super) fn longest_range(query: &str) -> Millis {
    struct Longest(Duration);
    impl ExprVisitor for Longest {
        type Error = std::convert::Infallible;
        fn pre_visit(&mut self, expr: &Expr) -> Result<bool, Self::Error> {
            match expr {
                Expr::MatrixSelector(m) => self.0 = self.0.max(m.range),
                Expr::Subquery(s) => self.0 = self.0.max(s.range),
                _ => {}
            }
            Ok(true)
        }
    }
    let mut longest = Longest(Duration::ZERO);
    if let Ok(expr) = parser::parse(query) {
        let Ok(_) = walk_expr(&mut longest, &expr);
    }
    Millis::try_from(longest.0.as_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_found_wherever_they_stand() {
        for (query, want) in [
            ("x", 0),
            ("vector(0)", 0),
            ("sum(rate(x[5m])) / sum(rate(y[90s]))", 300_000),
            ("-(max_over_time(rate(x[5m])[1h:1m]) > 3)", 3_600_000),
            ("clamp_max(quantile_over_time(0.9, x[2m]), 5)", 120_000),
            ("this is (no query", 0),
        ] {
            assert_eq!(longest_range(query), want, "{query}");
        }
    }
}
