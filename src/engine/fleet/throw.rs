//! A kill switch without `per` is one for all slices: what one life's guard throws is thrown in every other.

use super::keys::{Keys, SliceId};
use super::step::Step;
use crate::engine::explain::Explanation;
use crate::engine::state::{Stage, Verdict};
use crate::engine::step::Input;
use crate::plan::{PhaseId, SwitchId, Time};

/// What lives throw for all at one check: each switch once, by the first that does.
#[derive(Debug, Default)]
pub(super) struct Throw {
    thrown: Vec<(SwitchId, Explanation)>,
    /// Of several rollbacks the earliest target: none (everything) sorts before every phase.
    to: Option<PhaseId>,
}

impl Throw {
    pub fn is_empty(&self) -> bool {
        self.thrown.is_empty()
    }

    /// A life has thrown these.
    pub fn add(&mut self, keys: &Keys, by: SliceId, thrown: Vec<(SwitchId, Explanation)>, to: Option<PhaseId>) {
        self.to = if self.is_empty() { to } else { self.to.min(to) };
        for (switch, mut why) in thrown {
            if self.thrown.iter().all(|(known, _)| *known != switch) {
                let name = keys.key(by).map_or_else(|| String::from("?"), |key| key.join("/"));
                why.summary = format!("thrown by {name}: {}", why.summary);
                self.thrown.push((switch, why));
            }
        }
    }
}

impl Step<'_, '_> {
    /// Throws them in one life. What is over is killed as by a person; what waits goes on waiting, unless everything is taken back.
    pub(super) fn throw_in(&mut self, slice: SliceId, at: Time, throw: &Throw) {
        let verdict = match self.fleet.stage(slice) {
            None => return,
            Some(Stage::Idle) if throw.to.is_some() => return,
            Some(Stage::Idle) => Verdict::Killed,
            Some(Stage::Done(_)) => {
                for (switch, _) in &throw.thrown {
                    self.goes_on(slice, *switch, at);
                }
                let (thrown, verdict) = (throw.thrown.as_slice(), Verdict::Killed);
                self.feed(slice, at, Input::Thrown { at, thrown, to: None, verdict });
                return;
            }
            Some(Stage::Phase(_) | Stage::RollingBack(_)) => Verdict::RolledBack,
        };
        self.feed(slice, at, Input::Thrown { at, thrown: &throw.thrown, to: throw.to, verdict });
    }

    /// Throws them in every life, and keeps others from beginning.
    pub(super) fn throw_in_all(&mut self, at: Time, throw: &Throw) {
        for slice in self.fleet.slices() {
            self.throw_in(slice, at, throw);
        }
        self.forget_those_that_began();
        match throw.to {
            None => self.fleet.closed = true,
            Some(_) => {
                for (switch, _) in &throw.thrown {
                    if !self.fleet.thrown.contains(switch) {
                        self.fleet.thrown.push(*switch);
                    }
                }
            }
        }
    }
}
