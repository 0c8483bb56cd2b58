//! `halt`: one life pauses every other; and what else one life's rules do to the others at a check.

use super::keys::SliceId;
use super::step::{FleetEffect, Step};
use crate::engine::explain::Explanation;
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
    /// What one life's rules do to the others: switches that are one for all are thrown in every life, a halt pauses every life but
    /// the one that halts. What went on at this very check has not: a kill and a halt come before any promotion, whichever life was
    /// looked at first.
    pub(super) fn joined(&mut self, at: Time, live: bool, went_on: Vec<WentOn>) {
        let halt = self.halt.take().map(|(by, mut why)| {
            why.summary = format!("halted by {}: {}", self.fleet.name(by), why.summary);
            (by, why)
        });
        let throw = std::mem::take(&mut self.throw);
        if halt.is_none() && throw.is_empty() {
            return;
        }
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
            if !throw.is_empty() {
                self.throw_in(slice, at, &throw);
            }
            if let Some((_, why)) = &halt {
                self.feed(slice, at, Input::Halted { at, explanation: why });
            }
            self.check(slice, at, live);
        }
        self.out.extend(told);
        // a life that was looked at again may want the same: all of them are being halted already
        self.halt = None;
        if !throw.is_empty() {
            self.throw_in_all(at, &throw);
        }
        if let Some((by, why)) = halt {
            self.halt_all_but(by, at, why);
        }
        if !self.throw.is_empty() {
            // another switch, of a life that was looked at again
            self.joined(at, live, Vec::new());
        }
    }

    fn halt_all_but(&mut self, by: SliceId, at: Time, why: Explanation) {
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
