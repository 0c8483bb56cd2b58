//! The lives of a rollout's slices: every slice goes through the phases by itself, driven by the same [`step_given`] as a rollout
//! with one life. What joins them stands here: which slices are seen, in which order and how fast they begin, `halt`, and when the
//! whole run is over.

mod begin;
mod keys;
mod observed;
mod step;

pub use begin::Begin;
pub use keys::{Key, SliceId};
pub use observed::Observed;
pub use step::{FleetEffect, FleetInput, fleet_step};

use super::state::{Paused, Stage, State, Verdict};
use crate::plan::{Plan, Time};
use keys::Keys;
use serde::{Deserialize, Serialize};

/// The state of a sliced run: everything that must survive the process, and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// Every slice that was ever seen in this run, with its values; its place is its [`SliceId`].
    keys: Keys,
    /// Slices that were seen and have not begun, with when they were first seen.
    waiting: Vec<(SliceId, Time)>,
    /// Each slice's life.
    lives: Vec<State>,
    /// The first check's planned time.
    started: Option<Time>,
    /// The last check's planned time.
    last: Option<Time>,
    /// When slices began, for `limit n per d`: those of the last d.
    starts: Vec<Time>,
    /// Every slice is paused, and no other begins.
    halted: Option<Paused>,
    /// How the whole run ended.
    verdict: Option<Verdict>,
}

impl Fleet {
    /// The state of a run that has not started.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            keys: Keys::new(plan),
            waiting: Vec::new(),
            lives: Vec::new(),
            started: None,
            last: None,
            starts: Vec::new(),
            halted: None,
            verdict: None,
        }
    }

    /// Notes that a slice is seen, by its values in the order of [`Plan::slices`]; it begins when its turn comes. `None` for
    /// values that the policy does not list, and for empty ones: no slice of this rollout.
    pub fn see(&mut self, plan: &Plan, values: &[&str], at: Time) -> Option<SliceId> {
        if let Some(known) = self.keys.id(values) {
            return Some(known);
        }
        let id = self.keys.add(plan, values)?;
        self.lives.push(State::new(plan));
        self.waiting.push((id, at));
        Some(id)
    }

    /// How many slices were seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lives.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lives.is_empty()
    }

    /// All slices that were seen, in the order in which they were.
    pub fn slices(&self) -> impl Iterator<Item = SliceId> + use<> {
        (0..self.lives.len()).map(SliceId::at)
    }

    /// A slice's values, in the order of [`Plan::slices`].
    #[must_use]
    pub fn key(&self, slice: SliceId) -> Option<Key<'_>> {
        self.keys.key(slice)
    }

    /// A slice by its values.
    #[must_use]
    pub fn slice(&self, values: &[&str]) -> Option<SliceId> {
        self.keys.id(values)
    }

    /// The state of a slice's life.
    #[must_use]
    pub fn state(&self, slice: SliceId) -> Option<State> {
        self.lives.get(slice.index()).cloned()
    }

    /// Where a slice stands.
    #[must_use]
    pub fn stage(&self, slice: SliceId) -> Option<Stage> {
        self.lives.get(slice.index()).map(|s| s.stage)
    }

    /// The last check's planned time.
    #[must_use]
    pub fn last(&self) -> Option<Time> {
        self.last
    }

    /// Why all slices are paused, if they are.
    #[must_use]
    pub fn halted(&self) -> Option<&Paused> {
        self.halted.as_ref()
    }

    /// How the whole run ended, if it has.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }
}
