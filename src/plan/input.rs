//! What is asked of the sources at each check, and what they answer.

use super::{Millis, Time, id};
use serde::{Deserialize, Serialize};

id!(
    /// An input of [`super::Plan::inputs`].
    InputId
);

/// Whose numbers are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Population {
    /// The canary (`${where}` is its matchers); also queries without `${where}`.
    Canary,
    /// The concurrent stable population.
    Stable,
    /// The stable population before the first change; asked once, over the baseline.
    Before,
}

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Input {
    /// The metric it belongs to (for the raw counters of an `events` metric: their own names).
    pub metric: String,
    /// The source port: `prometheus`.
    pub source: String,
    /// Whose numbers.
    pub population: Population,
    /// Whether its query has a `${where}`: only then can the canary be dark while others answer.
    pub separable: bool,
    /// The same question for the stable population, asked when this one is empty, to tell dark from blind.
    pub sibling: Option<InputId>,
    /// The labels by whose values the answer is split: one answer a slice. None: one number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// The question, with `${where}` and params still to be filled in by [`Ask::filled`].
    pub ask: Ask,
    /// How old an answer's newest sample may be.
    pub max_age: Millis,
    /// How late samples reach the source: added to the window when warming is judged.
    pub lag: Millis,
    /// What stands for `${window}` in its query, where the query has one: the same metric may be asked over several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Millis>,
    /// Factor to base units (`unit: 1ms` → 0.001).
    pub scale: f64,
    /// How far back the answer reaches: its window, or the longest range inside a PromQL query; 0 for none.
    pub reach: Millis,
    /// `at least n events` etc. do not apply: this input is only asked to tell dark from blind or for `query`.
    pub auxiliary: bool,
}

/// A question that every source understands, except [`Ask::PromQl`], which only a PromQL source can answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The one value of a PromQL expression that is more than a bare selector.
    PromQl {
        /// The query, `${where}` still in it.
        query: String,
        /// The bare selectors inside it: their newest samples tell its age.
        selectors: Vec<Selector>,
    },
    /// The one value of a bare selector.
    Gauge(Selector),
    /// The sum over series of reset-aware increments.
    Increase(Selector, Window),
    /// As [`Ask::Increase`], for each `le` of a histogram's `_bucket` series.
    Buckets(Selector, Window),
}

/// `name{matchers}` as text; `${where}` may stand among the matchers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Selector(pub String);

/// The stretch over which increments are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// The last so many milliseconds.
    Last(Millis),
    /// Since the last check that was answered: disjoint increments.
    SinceLast,
}

impl Ask {
    /// The question for one population: every `${where}` replaced by its label matchers (``version="v2"``, may be empty).
    /// A comma that would be left over (`{a="b",}` is fine for PromQL, `{,a="b"}` is not) is removed.
    #[must_use]
    pub fn filled(&self, matchers: &str) -> Self {
        let fill = |s: &Selector| Selector(fill_where(&s.0, matchers));
        match self {
            Self::PromQl { query, selectors } => {
                Self::PromQl { query: fill_where(query, matchers), selectors: selectors.iter().map(fill).collect() }
            }
            Self::Gauge(s) => Self::Gauge(fill(s)),
            Self::Increase(s, w) => Self::Increase(fill(s), *w),
            Self::Buckets(s, w) => Self::Buckets(fill(s), *w),
        }
    }
}

fn fill_where(text: &str, matchers: &str) -> String {
    let m = matchers.trim().trim_matches(',').trim();
    if !m.is_empty() {
        return text.replace("${where}", m);
    }
    // an empty population: take a neighbouring comma along
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${where}") {
        let (head, tail) = (rest.get(..at).unwrap_or(""), rest.get(at + "${where}".len()..).unwrap_or(""));
        let trimmed = tail.trim_start();
        if let Some(after) = trimmed.strip_prefix(',') {
            out.push_str(head);
            rest = after;
        } else {
            out.push_str(head.trim_end().strip_suffix(',').unwrap_or(head));
            rest = tail;
        }
    }
    out.push_str(rest);
    out
}

/// What a source said to one question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The numbers, or why there are none.
    pub value: Result<Reading, Missing>,
    /// When the newest sample behind it was taken; `None` where the source cannot tell.
    pub sampled_at: Option<Time>,
    /// How many series stood behind it.
    pub series: u32,
}

impl Answer {
    /// An answer without numbers.
    #[must_use]
    pub fn missing(why: Missing) -> Self {
        Self { value: Err(why), sampled_at: None, series: 0 }
    }

    /// An answer because of a failure.
    #[must_use]
    pub fn failed(message: impl Into<String>) -> Self {
        Self::missing(Missing::Failed { message: message.into() })
    }
}

/// Numbers, not yet scaled to base units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// A gauge's value.
    Value(f64),
    /// Increments of counters.
    Increase(f64),
    /// Increments a bucket, cumulative: upper bound (`+Inf` as `f64::INFINITY`, written as `null` in JSON) and count, sorted.
    Buckets(Vec<Bucket>),
}

/// One cumulative histogram bucket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// Upper bound; `None` is `+Inf`.
    pub le: Option<f64>,
    /// Increments at or below it.
    pub count: f64,
}

/// Why there is no number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum Missing {
    /// The source could not be reached, refused, or answered nonsense: with its words.
    Failed {
        /// The source's or the system's words, without secrets.
        message: String,
    },
    /// The query matched no series. `others` is whether it does for another population (`None`: there is none to ask).
    Empty {
        /// Whether the same query answers for another population.
        others: Option<bool>,
    },
    /// The newest sample is older than `max_age`.
    Stale {
        /// Its age.
        age: Millis,
        /// Whether the same query answers, freshly, for another population.
        others: Option<bool>,
    },
    /// NaN or ±Inf.
    NotANumber,
    /// More than one series where one was asked for.
    Ambiguous {
        /// How many.
        series: u32,
    },
    /// Nobody asked: a missed check, or a source without history.
    NotAsked,
}

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed { message } => write!(f, "source failed: {message}"),
            Self::Empty { others: Some(true) } => f.write_str("no series for the canary, while others have some"),
            Self::Empty { .. } => f.write_str("no series"),
            Self::Stale { age, others } => {
                write!(f, "newest sample is {}s old", age / 1000)?;
                if *others == Some(true) { f.write_str(", while others are fresh") } else { Ok(()) }
            }
            Self::NotANumber => f.write_str("not a number (0/0 or overflow)"),
            Self::Ambiguous { series } => write!(f, "{series} series where one is needed: aggregate them in the query"),
            Self::NotAsked => f.write_str("not asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_is_filled_and_takes_its_comma_along() {
        for (text, matchers, want) in [
            ("x{a=\"b\",${where}}", "v=\"2\"", "x{a=\"b\",v=\"2\"}"),
            ("x{a=\"b\",${where}}", "", "x{a=\"b\"}"),
            ("x{${where},a=\"b\"}", "", "x{a=\"b\"}"),
            ("x{${where}}", "", "x{}"),
            ("sum(x{${where}}) / sum(y{c=\"d\", ${where}})", "", "sum(x{}) / sum(y{c=\"d\"})"),
        ] {
            assert_eq!(fill_where(text, matchers), want);
        }
    }
}
