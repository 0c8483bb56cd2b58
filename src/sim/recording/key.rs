//! What a question is called in a recording.

use super::{Key, Recording, Series};
use crate::plan::{Ask, Input, Population, Window, show};

/// What kind of numbers a question is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// [`crate::plan::Reading::Value`]: the question is `value`, or `value over 5m` of a query with a `${window}`.
    Value,
    /// [`crate::plan::Reading::Increase`]: it begins with `increase`.
    Increase,
    /// [`crate::plan::Reading::Buckets`]: it begins with `buckets`.
    Buckets,
}

impl Kind {
    /// The kind that the text of a question tells.
    #[must_use]
    pub fn of(question: &str) -> Option<Self> {
        let (first, rest) = question.split_once(' ').unwrap_or((question, ""));
        let over = rest.strip_prefix("over ").is_some_and(|d| !d.is_empty());
        let counted = rest == "since last" || over;
        match first {
            "value" if rest.is_empty() || over => Some(Self::Value),
            "increase" if counted => Some(Self::Increase),
            "buckets" if counted => Some(Self::Buckets),
            _ => None,
        }
    }
}

/// The text of a question: `value`, `value over 5m`, `increase over 5m`, `buckets since last`.
#[must_use]
pub fn question(input: &Input) -> String {
    match &input.ask {
        Ask::PromQl { .. } | Ask::Gauge(_) => match input.window {
            // a metric that is asked over two windows is two questions
            Some(window) => format!("value {}", over(Window::Last(window))),
            None => String::from("value"),
        },
        Ask::Increase(_, window) => format!("increase {}", over(*window)),
        Ask::Buckets(_, window) => format!("buckets {}", over(*window)),
    }
}

fn over(window: Window) -> String {
    match window {
        Window::Last(ms) => format!("over {}", show::duration(ms)),
        Window::SinceLast => String::from("since last"),
    }
}

/// The word for a population in a recording and for people.
#[must_use]
pub fn word(population: Population) -> &'static str {
    match population {
        Population::Canary => "canary",
        Population::Stable => "stable",
        Population::Before => "before",
    }
}

impl Key {
    /// The key under which the answers to an input stand: `slice` holds the values of the slice's dimensions in their order, and is
    /// empty without slices.
    #[must_use]
    pub fn of(input: &Input, slice: &[String]) -> Self {
        Self {
            metric: input.metric.clone(),
            population: input.population,
            question: question(input),
            slice: slice.to_vec(),
        }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} ({})", self.metric, word(self.population), self.question)?;
        if self.slice.is_empty() { Ok(()) } else { write!(f, " in slice {}", self.slice.join(" / ")) }
    }
}

impl Recording {
    /// The answers under a key.
    #[must_use]
    pub fn find(&self, key: &Key) -> Option<&Series> {
        self.series.binary_search_by(|s| s.key.cmp(key)).ok().and_then(|i| self.series.get(i))
    }
}
