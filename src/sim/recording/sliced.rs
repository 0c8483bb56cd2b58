//! What reaches the engine of a run with slices.

use crate::plan::{Setting, Time};
use serde::{Deserialize, Serialize};

/// What reached the engine of a run with slices beside answers; those of a check are the rows at its time. A slice is its place in
/// the order in which this recording tells of slices ([`Sliced::Seen`]).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Sliced {
    /// The run begins.
    Start {
        /// Its first check's planned time.
        at: Time,
        /// When this rollout was last rolled back before.
        rolled_back: Option<Time>,
    },
    /// Slices were seen for the first time.
    Seen {
        /// When.
        at: Time,
        /// Their values in the order of the dimensions.
        slices: Vec<Vec<String>>,
    },
    /// A check of all of them.
    Check {
        /// Its planned time.
        at: Time,
        /// Whether it was asked at its time.
        live: bool,
        /// What ports were read as.
        read: Vec<Read>,
        /// Those that may begin.
        begins: Vec<Begun>,
    },
    /// A slice's request was read back as asked for.
    Verified {
        /// When.
        at: Time,
        /// Whose.
        slice: u32,
        /// Which.
        epoch: u32,
        /// What was read.
        read: Vec<(String, Setting)>,
    },
    /// An action ended.
    ActionEnded {
        /// When.
        at: Time,
        /// Whose; none: the run's own.
        slice: Option<u32>,
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
        /// To whom; empty: to all, and to those that are still to begin.
        slices: Vec<u32>,
        /// As in [`super::Happened::Operator`].
        act: String,
        /// The group or the switch, where it is about one.
        of: Option<String>,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
}

/// What the ports of slices were read as that all read the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Read {
    /// What each port was read as; one that could not be read is absent.
    pub ports: Vec<(String, Setting)>,
    /// The request that was verified when they were read.
    pub epoch: u32,
    /// The slices: first and last of each stretch of neighbours.
    pub of: Vec<(u32, u32)>,
}

/// What was read of a slice that may begin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// Which.
    pub slice: u32,
    /// What every port of it was read as; else what kept it from beginning.
    pub originals: Result<Vec<(String, Setting)>, String>,
}

impl Sliced {
    /// When it reached the engine; of a check its planned time.
    #[must_use]
    pub fn at(&self) -> Time {
        match self {
            Self::Start { at, .. }
            | Self::Seen { at, .. }
            | Self::Check { at, .. }
            | Self::Verified { at, .. }
            | Self::ActionEnded { at, .. }
            | Self::Operator { at, .. } => *at,
        }
    }
}
