//! What is kept of a sliced run: the state of all lives, and what only the executor knows.

use super::recorder::Mark;
use crate::engine::Stage;
use crate::engine::Verdict;
use crate::engine::fleet::{Fleet, SliceId};
use crate::plan::{InputId, Plan, Time};
use serde::{Deserialize, Serialize};

/// The snapshot of a sliced run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// All lives.
    pub fleet: Fleet,
    /// The first check's planned time.
    pub started: Time,
    /// When this rollout was last rolled back by a run before this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rolled_back: Option<Time>,
    /// A person has ended the whole run so: no slice begins any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closing: Option<Verdict>,
    /// How far the recording of the run goes, where it is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<Mark>,
}

impl Kept {
    /// Of a run that begins.
    #[must_use]
    pub fn new(plan: &Plan, started: Time, rolled_back: Option<Time>) -> Self {
        Self { fleet: Fleet::new(plan), started, rolled_back, closing: None, recorded: None }
    }

    /// From when each input's disjoint increments are to be counted at the next check.
    #[must_use]
    pub fn sinces(&self, plan: &Plan) -> Vec<Option<Time>> {
        (0..plan.inputs.len()).map(|i| self.fleet.since(plan, InputId::at(i))).collect()
    }

    /// Slices that have begun and are not over.
    pub fn active(&self) -> impl Iterator<Item = SliceId> + '_ {
        let active = |s: &SliceId| matches!(self.fleet.stage(*s), Some(Stage::Phase(_) | Stage::RollingBack(_)));
        self.fleet.slices().filter(active)
    }

    /// How the whole run ended, if it has.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.fleet.verdict().or_else(|| self.closing.filter(|_| self.active().next().is_none()))
    }
}
