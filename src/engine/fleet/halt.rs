//! `halt`: one life pauses every other.

use super::keys::SliceId;
use super::step::{FleetEffect, Step};
use crate::engine::record::Record;
use crate::engine::state::{Paused, State};
use crate::engine::step::{Effect, Input};
use crate::plan::Time;
use std::ops::Range;

/// A life that went on at this check.
pub(super) struct WentOn {
    pub slice: SliceId,
    /// What it wanted done.
    pub wanted: Range<usize>,
    /// As it was before.
    pub before: State,
    /// By limited reaction: how often it ran.
    pub ran: Vec<usize>,
}

impl Step<'_, '_> {
    /// Pauses every life but the one that halts, if one does. What went on at this very check has not: a halt comes before any
    /// promotion, whichever life was looked at first.
    pub(super) fn halt_with(&mut self, at: Time, live: bool, went_on: Vec<WentOn>) {
        let Some((by, explanation)) = self.halt.take() else { return };
        let name = self.fleet.name(by);
        let mut why = explanation;
        why.summary = format!("halted by {name}: {}", why.summary);
        for WentOn { slice, wanted, mut before, ran } in went_on.into_iter().rev() {
            self.fleet.lives.store(slice.index(), &mut before);
            let behind = self.out.split_off(wanted.end);
            self.out.truncate(wanted.start);
            for (i, ran) in self.desk.limited.iter().zip(ran) {
                let Some(r) = self.fleet.reactions.get_mut(*i) else { continue };
                // what was not run does not count
                for _ in 0..ran {
                    r.runs.iter().rposition(|t| *t == at).map(|k| r.runs.remove(k));
                }
            }
            self.feed(slice, at, Input::Halted { at, explanation: &why });
            self.check(slice, at, live);
            self.out.extend(behind);
        }
        // a life that was looked at again may want the same: all of them are being halted already
        self.halt = None;
        for slice in self.fleet.slices() {
            if slice != by && self.fleet.lives.is_under_way(slice.index()) {
                self.feed(slice, at, Input::Halted { at, explanation: &why });
            }
        }
        if self.fleet.halted.is_none() {
            self.fleet.halted = Some(Paused { since: at, why: why.summary.clone() });
            let effect = Effect::record(Record::Paused { explanation: why });
            self.out.push(FleetEffect { slice: None, effect });
        }
    }
}
