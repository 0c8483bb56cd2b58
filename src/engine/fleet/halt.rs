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
        // before any of them is looked at again: what is taken back of one counts for no other
        for ran in went_on.iter().map(|w| &w.ran) {
            for (i, ran) in self.desk.limited.iter().zip(ran) {
                let Some(r) = self.fleet.reactions.get_mut(*i) else { continue };
                for _ in 0..*ran {
                    r.runs.iter().rposition(|t| *t == at).map(|k| r.runs.remove(k));
                }
            }
        }
        let mut place = went_on.first().map_or(self.out.len(), |w| w.wanted.start);
        let mut told = self.out.split_off(place).into_iter();
        for WentOn { slice, wanted, mut before, .. } in went_on {
            self.out.extend(told.by_ref().take(wanted.start.saturating_sub(place)));
            // what it wanted done is taken back
            told.by_ref().take(wanted.len()).for_each(drop);
            place = wanted.end;
            self.fleet.lives.store(slice.index(), &mut before);
            self.feed(slice, at, Input::Halted { at, explanation: &why });
            self.check(slice, at, live);
        }
        self.out.extend(told);
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
