//! Recordings: what sources answered, and, where a run wrote it, what else reached its engine. Observations only: no decision stands
//! in a recording, so that replaying one shows what the engine decides, not what it decided.
//!
//! Two kinds are one format. `canary record` asks a source about the past: answers on a grid of check times, nothing else. `canary
//! run --record` keeps what its engine was given, in order: answers, what ports were read as, read-backs, ends of actions, people's
//! words, restarts. Bytes in, bytes out: files are the business of [`crate::commands`].

mod error;
mod file;
mod fit;
pub mod import;
mod key;
mod series;
pub mod sliced;
#[cfg(test)]
mod tests;

pub use error::{Fault, RecordingError, VERSION};
pub use file::{decode, decode_owned, decode_plan, encode, encode_to, encode_with_plan};
pub use fit::{Lack, fits, notes};
pub use key::{Kind, question, word};
pub use series::PushError;

use crate::plan::{Answer, Bucket, Millis, Missing, Population, Reading, Setting, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A recording in memory.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Recording {
    /// What it is of.
    pub about: About,
    /// What was answered: sorted by key, each key once.
    pub series: Vec<Series>,
    /// What else reached the engine of a run, in its order; empty where no run wrote it.
    pub happened: Vec<Happened>,
}

/// What a recording is of. Stands in the file's metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct About {
    /// The version of the format: 1.
    pub version: u32,
    /// Who wrote it: `canary 0.1.0`.
    pub writer: String,
    /// The rollout.
    pub rollout: String,
    /// The hash of the plan that it was made for; empty for an import.
    pub policy: String,
    /// The run that wrote it; `None`: a source was asked about the past, or it was imported.
    pub run: Option<String>,
    /// The environment whose sources have answered; `None`: it was imported, or is older than this field.
    #[serde(default)]
    pub environment: Option<String>,
    /// Whether it ends before the run does: the disk was full, or somebody else took the run over.
    #[serde(default)]
    pub incomplete: bool,
    /// The distance of the check times.
    pub step: Millis,
    /// The first check time.
    pub from: Time,
    /// The last one.
    pub to: Time,
    /// The dimensions of slices; empty without slices.
    pub slices: Vec<String>,
    /// What was asked, by [`Key::metric`], population and question: the filled query.
    pub queries: Vec<Query>,
}

/// A question that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// As in [`Key`].
    pub metric: String,
    /// As in [`Key`].
    pub population: Population,
    /// As in [`Key`].
    pub question: String,
    /// The text that the source was asked, or where it was imported from.
    pub text: String,
}

/// Which input of a plan, and whose.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The metric ([`crate::plan::Input::metric`]).
    pub metric: String,
    /// Whose numbers.
    pub population: Population,
    /// What was asked, so that two questions of one metric are two series: `value`, `value over 5m` (a query with a `${window}`),
    /// `increase over 5m`, `increase since last`, `buckets over 5m`, `buckets since last`. A PromQL expression and a gauge are both
    /// `value`.
    pub question: String,
    /// The values of the slice's dimensions, in their order; empty without slices.
    pub slice: Vec<String>,
}

/// What one question was answered, over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    /// Which.
    pub key: Key,
    /// The check times, rising.
    pub times: Vec<Time>,
    /// The numbers, not scaled to base units; NaN where [`Series::missing`] says why there is none.
    pub values: Values,
    /// When the newest sample was taken, by row; [`NOT_KNOWN`] where the source could not tell.
    pub sampled: Vec<Time>,
    /// How many series stood behind it, by row.
    pub counts: Vec<u32>,
    /// Why a row has no number.
    pub missing: BTreeMap<usize, Missing>,
}

/// In the place of a sample's time that nobody knows.
pub const NOT_KNOWN: Time = Time::MIN;

/// The numbers of a series.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// [`Reading::Value`], a row each.
    Value(Vec<f64>),
    /// [`Reading::Increase`], a row each.
    Increase(Vec<f64>),
    /// [`Reading::Buckets`]: cumulative counts by upper bound (`None` is `+Inf`), a row of all bounds behind the other; NaN where a
    /// row has no such bound.
    Buckets {
        /// The upper bounds, rising, `+Inf` last.
        bounds: Vec<Option<f64>>,
        /// Rows × bounds.
        counts: Vec<f64>,
    },
}

/// What reached the engine of a run beside answers; those of a check are the rows at its time. Ports, groups and switches by name:
/// a recording outlives the plan that it was made with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Happened {
    /// The first check.
    Start {
        /// Its planned time.
        at: Time,
        /// What every port was read as.
        originals: Vec<(String, Setting)>,
        /// When this rollout was last rolled back before.
        rolled_back: Option<Time>,
    },
    /// A check.
    Check {
        /// Its planned time.
        at: Time,
        /// What ports were read as; one that could not be read is absent.
        ports: Vec<(String, Setting)>,
        /// The request that was verified when they were read.
        ports_epoch: u32,
        /// Whether it was asked at its time.
        live: bool,
    },
    /// A request was read back as asked for.
    Verified {
        /// When.
        at: Time,
        /// Which.
        epoch: u32,
        /// What was read.
        read: Vec<(String, Setting)>,
    },
    /// An action ended.
    ActionEnded {
        /// When.
        at: Time,
        /// Which attempt.
        token: u32,
        /// Whether it succeeded.
        ok: bool,
        /// How.
        how: String,
        /// Its output's end.
        output: String,
    },
    /// A person's word.
    Operator {
        /// When.
        at: Time,
        /// What: `pause`, `resume`, `abort`, `approve`, `kill`, `reset`.
        act: String,
        /// The group or the switch, where it is about one.
        of: Option<String>,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// A new runner went on after a stop.
    Recovered {
        /// When.
        at: Time,
    },
    /// Of a run with slices.
    Sliced(sliced::Sliced),
}

impl Happened {
    /// When it reached the engine; of a check its planned time.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Start { at, .. }
            | Self::Check { at, .. }
            | Self::Verified { at, .. }
            | Self::ActionEnded { at, .. }
            | Self::Operator { at, .. }
            | Self::Recovered { at } => *at,
            Self::Sliced(of) => of.at(),
        }
    }

    /// When a run begins with it; `None` for anything else.
    #[must_use]
    pub fn begins(&self) -> Option<Time> {
        match self {
            Self::Start { at, .. } | Self::Sliced(sliced::Sliced::Start { at, .. }) => Some(*at),
            _ => None,
        }
    }

    /// Whether it is a check, the first one of a run without slices among them; and one that was asked at its time.
    #[must_use]
    pub fn is_check(&self) -> Option<bool> {
        match self {
            Self::Start { .. } => Some(true),
            Self::Check { live, .. } | Self::Sliced(sliced::Sliced::Check { live, .. }) => Some(*live),
            _ => None,
        }
    }
}

impl Series {
    /// The answer of a row.
    #[must_use]
    pub fn answer(&self, row: usize) -> Option<Answer> {
        let sampled_at = self.sampled.get(row).copied().filter(|t| *t != NOT_KNOWN);
        let series = self.counts.get(row).copied()?;
        if let Some(why) = self.missing.get(&row) {
            return Some(Answer { value: Err(why.clone()), sampled_at, series });
        }
        let reading = match &self.values {
            Values::Value(v) => Reading::Value(*v.get(row)?),
            Values::Increase(v) => Reading::Increase(*v.get(row)?),
            Values::Buckets { bounds, counts } => {
                let row = counts.get(row * bounds.len()..(row + 1) * bounds.len())?;
                let buckets = bounds.iter().zip(row).filter(|(_, n)| !n.is_nan());
                Reading::Buckets(buckets.map(|(le, n)| Bucket { le: *le, count: *n }).collect())
            }
        };
        Some(Answer { value: Ok(reading), sampled_at, series })
    }
}
