//! What is kept of a slice's check beside the journal: the same as of a rollout with one life.

use super::{Fleet, Observed, SliceId};
use crate::engine::standing::{Observation, Seen};
use crate::engine::state::Word;
use crate::plan::Plan;

impl Fleet {
    /// Whether nothing that watches a slice says anything but ok.
    #[must_use]
    pub fn is_well(&self, slice: SliceId) -> bool {
        self.lives.words(slice.index()).all(|w| w == Word::Ok)
    }

    /// Whether a slice was in a life at the last check: had begun by it, and was not over before.
    #[must_use]
    pub fn was_checked(&self, slice: SliceId) -> bool {
        self.last.is_some() && self.lives.last(slice.index()) == self.last
    }

    /// What the check that has just been made is kept as, for a slice; `before` is the fleet before it. None where the slice had
    /// not begun, or was over.
    #[must_use]
    pub fn observation(
        &self,
        plan: &Plan,
        before: &Self,
        slice: SliceId,
        observed: &Observed,
        live: bool,
    ) -> Option<Observation> {
        let state = self.state(slice).filter(|_| self.was_checked(slice))?;
        let ports = observed.ports(slice);
        let seen = Seen::of_tick(&before.state(slice)?, ports, observed.verified(slice), live);
        Some(Observation::of(plan, &state, seen, observed.answers(slice), ports))
    }
}
