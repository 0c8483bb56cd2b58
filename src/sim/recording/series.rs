//! Writing a series, answer by answer.

use super::key::Kind;
use super::{Key, NOT_KNOWN, Series, Values};
use crate::plan::{Answer, Bucket, Missing, Reading, Time, show};

/// Why an answer could not be appended to a series; it is as it was before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushError {
    /// The answer is not newer than the last one.
    NotLater {
        /// Whose.
        key: Box<Key>,
        /// The last one's time.
        last: Time,
        /// The new one's.
        time: Time,
    },
    /// The answer is of another kind than the question.
    OtherKind {
        /// Whose.
        key: Box<Key>,
        /// The kind of the answer: `value`, `increase`, `buckets`.
        found: &'static str,
    },
    /// The upper bounds of buckets do not rise, or one is no number.
    Bounds {
        /// Whose.
        key: Box<Key>,
        /// When.
        time: Time,
    },
    /// The question is none that a recording knows.
    Question {
        /// Whose.
        key: Box<Key>,
    },
}

impl std::fmt::Display for PushError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotLater { key, last, time } if last == time => {
                write!(f, "{key}: two answers for {}; a series has one for a time", show::utc(*time))
            }
            Self::NotLater { key, last, time } => {
                write!(
                    f,
                    "{key}: an answer for {} after one for {}; times must rise",
                    show::utc(*time),
                    show::utc(*last)
                )
            }
            Self::OtherKind { key, found } => write!(f, "{key}: an answer of the kind `{found}` to another question"),
            Self::Bounds { key, time } => {
                write!(f, "{key}: the upper bounds of the buckets at {} do not rise", show::utc(*time))
            }
            Self::Question { key } => write!(
                f,
                "{key}: no such question; there are `value`, `value over 5m`, `increase over 5m`, `increase since last`, \
                 `buckets over 5m`, `buckets since last`"
            ),
        }
    }
}

impl std::error::Error for PushError {}

impl Series {
    /// A series without answers.
    ///
    /// # Errors
    /// The key's question is none that a recording knows.
    pub fn new(key: Key) -> Result<Self, PushError> {
        let values = match Kind::of(&key.question) {
            Some(Kind::Value) => Values::Value(Vec::new()),
            Some(Kind::Increase) => Values::Increase(Vec::new()),
            Some(Kind::Buckets) => Values::Buckets { bounds: Vec::new(), counts: Vec::new() },
            None => return Err(PushError::Question { key: Box::new(key) }),
        };
        Ok(Self {
            key,
            times: Vec::new(),
            values,
            sampled: Vec::new(),
            counts: Vec::new(),
            missing: std::collections::BTreeMap::new(),
        })
    }

    /// Appends what was answered at a check. A number that is none (NaN, an infinity) is kept as [`Missing::NotANumber`], as which
    /// the engine takes it.
    ///
    /// # Errors
    /// The time is not later than the last one; the answer is of another kind than the question; bounds of buckets do not rise.
    pub fn push(&mut self, time: Time, answer: Answer) -> Result<(), PushError> {
        if let Some(last) = self.times.last().copied().filter(|last| *last >= time) {
            return Err(PushError::NotLater { key: Box::new(self.key.clone()), last, time });
        }
        let row = self.times.len();
        let value = answer.value.and_then(|r| if finite(&r) { Ok(r) } else { Err(Missing::NotANumber) });
        match (&mut self.values, value) {
            (Values::Value(v), Ok(Reading::Value(n))) | (Values::Increase(v), Ok(Reading::Increase(n))) => v.push(n),
            (Values::Buckets { bounds, counts }, Ok(Reading::Buckets(buckets))) => {
                if !rising(&buckets) {
                    return Err(PushError::Bounds { key: Box::new(self.key.clone()), time });
                }
                push_buckets(bounds, counts, row, &buckets);
            }
            (values, Err(why)) => {
                match values {
                    Values::Value(v) | Values::Increase(v) => v.push(f64::NAN),
                    Values::Buckets { bounds, counts } => push_buckets(bounds, counts, row, &[]),
                }
                self.missing.insert(row, why);
            }
            (_, Ok(other)) => {
                let found = match other {
                    Reading::Value(_) => "value",
                    Reading::Increase(_) => "increase",
                    Reading::Buckets(_) => "buckets",
                };
                return Err(PushError::OtherKind { key: Box::new(self.key.clone()), found });
            }
        }
        self.times.push(time);
        self.sampled.push(answer.sampled_at.unwrap_or(NOT_KNOWN));
        self.counts.push(answer.series);
        Ok(())
    }
}

fn finite(reading: &Reading) -> bool {
    match reading {
        Reading::Value(v) | Reading::Increase(v) => v.is_finite(),
        Reading::Buckets(b) => b.iter().all(|b| b.count.is_finite()),
    }
}

/// A bound as a number: `+Inf` where the plan has none.
pub(super) fn bound(le: Option<f64>) -> f64 {
    le.unwrap_or(f64::INFINITY)
}

fn rising(buckets: &[Bucket]) -> bool {
    let inf = |b: &Bucket| b.le.is_some_and(|le| !le.is_finite());
    !buckets.iter().any(inf) && buckets.is_sorted_by(|a, b| bound(a.le) < bound(b.le))
}

/// Appends a row of buckets. Bounds that no earlier row had become columns of all rows.
pub(super) fn push_buckets(bounds: &mut Vec<Option<f64>>, counts: &mut Vec<f64>, rows: usize, buckets: &[Bucket]) {
    let known = |le: Option<f64>| bounds.binary_search_by(|b| bound(*b).total_cmp(&bound(le)));
    if buckets.iter().any(|b| known(b.le).is_err()) {
        let mut all: Vec<_> = bounds.iter().copied().chain(buckets.iter().map(|b| b.le)).collect();
        all.sort_by(|a, b| bound(*a).total_cmp(&bound(*b)));
        all.dedup();
        let mut wider = vec![f64::NAN; all.len() * rows];
        if !bounds.is_empty() {
            for (old, new) in counts.chunks_exact(bounds.len()).zip(wider.chunks_exact_mut(all.len())) {
                for (le, n) in bounds.iter().zip(old) {
                    if let Some(cell) =
                        all.binary_search_by(|b| bound(*b).total_cmp(&bound(*le))).ok().and_then(|i| new.get_mut(i))
                    {
                        *cell = *n;
                    }
                }
            }
        }
        (*bounds, *counts) = (all, wider);
    }
    let mut given = buckets.iter().peekable();
    for le in bounds.iter() {
        let here = given.next_if(|b| bound(b.le).total_cmp(&bound(*le)).is_eq());
        counts.push(here.map_or(f64::NAN, |b| b.count));
    }
}
