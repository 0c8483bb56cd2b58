//! The lives of a rollout's slices: every slice goes through the phases by itself, driven by the same
//! [`step_given`](super::step_given) as a rollout with one life. What joins them stands here.
//!
//! - **Who is a slice.** The combinations of values that are seen ([`Fleet::see`]), never the product; of a listed dimension only
//!   the listed values. One that is new begins when its turn comes. One that vanishes stays, and goes dark by its inputs. When
//!   nobody is seen at the first live check the run is refused: most likely a label's name is wrong, and nothing was changed yet.
//! - **Who begins.** [`Fleet::due`]: the least risky first, so many in any stretch of so long, nobody while all are halted. A slice
//!   whose start is refused was not changed, does not count for the limit, and waits: it is tried again, after those that were
//!   never tried, and its reasons are recorded when they change. When every slice that is tried at the first live check is refused, the
//!   run is refused with all reasons.
//! - **Halt.** `halt` in one life, or a person's pause of all, pauses every life and keeps others from beginning; no life passes a
//!   phase at the check at which another halts. A person's resume of all ends it; a life that is resumed by itself goes on alone.
//! - **A kill switch without `per`** is one for all: thrown by one life's guard it is thrown in every life at that check, each goes back as
//!   far as that guard says, and nobody begins until it is reset. What is over is killed as by a person's kill of all.
//! - **What is the run's, once.** `every d` and `at …` go by the run's clock; a snapshot is one of every life. `limit n per d` counts
//!   over all lives. One step tells a channel once for one kind of happening.
//! - **One question for all.** [`Fleet::since`] is where the next increments begin, for all lives: the last check at which any of
//!   them had an answer. No life counts anything twice. One that had no answer then has missed what the question went on over;
//!   its sum is a lower bound from there on ([`Accumulator::short`](super::state::Accumulator::short)), which can still breach
//!   `increase(x) == 0` and never satisfy it, until the sum starts anew: by a phase, by a rollback to one, or by a person who
//!   pauses and resumes that slice.
//! - **The end.** When nobody waits and every life is over; badly if one of them ended badly.

mod begin;
pub(in crate::engine) mod cells;
mod clock;
mod halt;
mod kept;
mod keys;
mod lives;
mod notices;
mod observed;
mod people;
mod rare;
mod round;
mod shards;
mod step;
mod table;
mod throw;
mod work;

pub use begin::{Begin, nobody_seen};
pub use keys::{Key, SliceId};
pub use observed::Observed;
pub use step::{FleetEffect, FleetInput, fleet_step, fleet_steps};

use super::state::{Paused, ReactionState, Running, Stage, State, Verdict};
use crate::plan::{Ask, InputId, Plan, PortId, SliceValues, SwitchId, Time, Window};
use keys::Keys;
use serde::{Deserialize, Serialize};
use shards::Shards;
use std::num::NonZero;
use work::Desk;

/// The state of a sliced run: everything that must survive the process, and nothing else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fleet {
    /// Every slice that was ever seen in this run, with its values; its place is its [`SliceId`].
    keys: Keys,
    /// Slices that were seen and have not begun.
    waiting: Vec<Waiting>,
    /// Each slice's life.
    lives: Shards,
    /// The first check's planned time.
    started: Option<Time>,
    /// The last check's planned time.
    last: Option<Time>,
    /// No check was live yet.
    #[serde(default)]
    unlived: bool,
    /// When slices began, for `limit n per d`: those of the last d.
    starts: Vec<Time>,
    /// Every slice is paused, and no other begins.
    halted: Option<Paused>,
    /// A person, or a kill of all with a rollback of everything, has ended it for all: nobody begins any more.
    closed: bool,
    /// Kill switches for all that a guard has thrown, and with which lives go on: nobody begins until they are reset.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    thrown: Vec<SwitchId>,
    /// When the question behind each input was last answered for any slice, for disjoint increments.
    answered: Vec<Option<Time>>,
    /// The run's reactions: what has come due of `every d` and `at …`, and what counts for limits.
    reactions: Vec<ReactionState>,
    /// Actions of the run's own reactions that are under way.
    running: Vec<Running>,
    /// The next of their tokens.
    next_token: u32,
    /// How the whole run ended.
    verdict: Option<Verdict>,
    /// What a step works with.
    #[serde(skip)]
    desk: Desk,
}

/// A slice that has not begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Waiting {
    slice: SliceId,
    /// When it was first seen.
    seen: Time,
    /// How risky it is, by `start slices by`.
    risk: u32,
    /// When its start was last refused.
    tried: Option<Time>,
    /// Why.
    reasons: Vec<String>,
}

/// As many slices can a run have: a label whose values nobody bounds does not fill the memory.
pub const MOST_SLICES: usize = 1 << 20;

impl Fleet {
    /// The state of a run that has not started.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            keys: Keys::new(plan),
            waiting: Vec::new(),
            lives: Shards::new(plan),
            started: None,
            last: None,
            unlived: true,
            starts: Vec::new(),
            halted: None,
            closed: false,
            thrown: Vec::new(),
            answered: vec![None; plan.inputs.len()],
            reactions: vec![ReactionState::default(); plan.reactions.len()],
            running: Vec::new(),
            next_token: 1,
            verdict: None,
            desk: Desk::default(),
        }
    }

    /// Lets checks be computed by so many threads, where there are slices enough and nothing but the run's clock joins their lives.
    /// It is no part of the state, and changes nothing but the time that a check takes: at first it is one.
    pub fn spread(&mut self, threads: NonZero<usize>) {
        self.desk.threads = threads;
    }

    /// Notes that a slice is seen, by its values in the order of [`Plan::slices`]; it begins when its turn comes. `None` for what is
    /// no slice of this rollout: values that the policy does not list, empty ones, too many or too few; and for a new one when
    /// there are [`MOST_SLICES`] already, or nobody begins any more.
    pub fn see(&mut self, plan: &Plan, values: &[&str], at: Time) -> Option<SliceId> {
        if let Some(known) = self.keys.id(values) {
            return Some(known);
        }
        if self.closed || self.verdict.is_some() || self.lives.len() >= MOST_SLICES {
            return None;
        }
        let slice = self.keys.add(plan, values)?;
        self.lives.grow();
        self.waiting.push(Waiting { slice, seen: at, risk: risk(plan, values), tried: None, reasons: Vec::new() });
        Some(slice)
    }

    /// How many slices were seen.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lives.len()
    }

    /// Whether none was.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lives.len() == 0
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

    /// A slice in words: its values, `acme/low`.
    #[must_use]
    pub fn name(&self, slice: SliceId) -> String {
        self.key(slice).map_or_else(|| String::from("?"), |key| key.join("/"))
    }

    /// A slice by its values.
    #[must_use]
    pub fn slice(&self, values: &[&str]) -> Option<SliceId> {
        self.keys.id(values)
    }

    /// The state of a slice's life.
    #[must_use]
    pub fn state(&self, slice: SliceId) -> Option<State> {
        self.lives.state(slice.index())
    }

    /// Where a slice stands.
    #[must_use]
    pub fn stage(&self, slice: SliceId) -> Option<Stage> {
        self.lives.stage(slice.index())
    }

    /// Why a slice's start was refused when it was last tried: empty where it was not tried yet. `None` for one that has begun.
    #[must_use]
    pub fn waits(&self, slice: SliceId) -> Option<&[String]> {
        self.waiting.iter().find(|w| w.slice == slice).map(|w| w.reasons.as_slice())
    }

    /// The slices that wait, with when each was first seen.
    pub fn waiting_since(&self) -> impl Iterator<Item = (SliceId, Time)> + '_ {
        self.waiting.iter().map(|w| (w.slice, w.seen))
    }

    /// Keeps how a slice's originals are written where they stand ([`State::mementos`]).
    pub fn remember(&mut self, slice: SliceId, mementos: Vec<(PortId, String)>) {
        self.lives.remember(slice.index(), &mementos);
    }

    /// From when an input's disjoint increments are to be counted at the next check: one question for all slices.
    #[must_use]
    pub fn since(&self, plan: &Plan, input: InputId) -> Option<Time> {
        match plan.inputs.get(input.index())?.ask {
            Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast) => {
                self.answered.get(input.index()).copied().flatten()
            }
            _ => None,
        }
    }

    /// The first check's planned time.
    #[must_use]
    pub fn started(&self) -> Option<Time> {
        self.started
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

    /// Kill switches for all slices that a guard has thrown, and that nobody has reset: until then nobody begins.
    #[must_use]
    pub fn thrown(&self) -> &[SwitchId] {
        &self.thrown
    }

    /// How the whole run ended, if it has.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.verdict
    }

    /// Bytes that the state of all lives takes, and those that their values take.
    #[must_use]
    pub fn bytes(&self) -> (usize, usize) {
        (self.lives.bytes(), self.keys.bytes())
    }
}

/// The place of a slice's value in the list that `start slices by` names: the least risky is 0.
fn risk(plan: &Plan, values: &[&str]) -> u32 {
    let by = plan.start_slices.as_ref().and_then(|s| plan.slices.iter().position(|d| d.name == s.by));
    let listed = by.and_then(|i| Some((&plan.slices.get(i)?.values, *values.get(i)?)));
    let Some((SliceValues::Listed(list), value)) = listed else { return 0 };
    list.iter().position(|v| v == value).and_then(|i| u32::try_from(i).ok()).unwrap_or(u32::MAX)
}
