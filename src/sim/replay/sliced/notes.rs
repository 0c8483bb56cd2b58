//! What is noted of a replay of slices along the way.

use super::outcome::{Counts, Named, OfSlice, Slices, badness, by_badness};
use crate::engine::fleet::{Fleet, FleetEffect, SliceId};
use crate::engine::{Effect, Record, Stage, State, Verdict};
use crate::plan::{Plan, PortId, Setting, Time};
use crate::sim::replay::Detail;
use crate::sim::replay::backtest::against;
use crate::sim::replay::outcome::{Cell, Decision, Outcome};
use crate::sim::replay::track::{Track, explanation};

/// So many decisions of slices that are not looked at closely are kept.
const KEPT: usize = 20_000;

/// Notes.
pub(super) struct Notes<'a> {
    plan: &'a Plan,
    full: bool,
    /// The slice that is looked at closely: its values, and which it is once it was seen.
    wanted: Option<Vec<String>>,
    shown: Option<SliceId>,
    track: Track,
    decisions: Vec<Decision>,
    others: usize,
    unlisted: usize,
    list: Vec<OfSlice>,
}

impl<'a> Notes<'a> {
    pub(super) fn new(plan: &'a Plan, start: Time, last: Time, detail: Detail, wanted: Option<Vec<String>>) -> Self {
        Self {
            plan,
            full: detail != Detail::Course,
            track: Track::new(plan, start, last, detail),
            wanted,
            shown: None,
            decisions: Vec::new(),
            others: 0,
            unlisted: 0,
            list: Vec::new(),
        }
    }

    /// Notes the slices that were seen since.
    pub(super) fn follow(&mut self, fleet: &Fleet) {
        for id in self.list.len()..fleet.len() {
            let values = fleet.key(SliceId::at(id)).unwrap_or_default();
            if self.wanted.as_deref() == Some(values) {
                self.shown = Some(SliceId::at(id));
            }
            let cell = Cell { verdict: None, decided_at: None, phase: String::new(), rule: None, slices: None };
            self.list.push(OfSlice {
                slice: Named::of(self.plan, values),
                began: None,
                cell,
                also: Vec::new(),
                why: String::new(),
            });
        }
    }

    pub(super) fn assume(&mut self, since: Option<Time>, text: String) {
        self.track.assume(since, text);
    }

    /// From here on nobody knows what ports were.
    pub(super) fn ports_assumed(&mut self, since: Time) {
        self.track.ports_assumed(since);
    }

    /// A slice's port was read.
    pub(super) fn observed(&mut self, at: Time, slice: SliceId, port: PortId, is: Setting) {
        if self.shown == Some(slice) {
            self.track.observed(at, port, is);
        }
    }

    /// What a step has asked for.
    pub(super) fn happened(&mut self, at: Time, e: &FleetEffect) {
        if self.full && e.slice.is_some() && e.slice == self.shown {
            self.track.happened(at, e.effect.clone());
        }
        let Effect::Record(record) = &e.effect else { return };
        if let Some(slice) = e.slice {
            self.ends(at, slice, record);
        }
        if !self.full {
            return;
        }
        let other = e.slice.is_some() && e.slice != self.shown;
        if other && self.others >= KEPT {
            self.unlisted += 1;
            return;
        }
        self.others += usize::from(other);
        self.decisions.push(Decision {
            at,
            slice: e.slice.and_then(|s| self.list.get(s.index())).map(|s| s.slice.clone()),
            text: String::new(),
            explanation: explanation(record).cloned(),
            record: (**record).clone(),
        });
    }

    /// What a record says of how a slice ends.
    fn ends(&mut self, at: Time, slice: SliceId, record: &Record) {
        let Some(of) = self.list.get_mut(slice.index()) else { return };
        let cell = &mut of.cell;
        match record {
            Record::Started { .. } => {
                of.began = Some(at);
                of.why.clear();
            }
            Record::Entered { phase, .. } | Record::Rollback { to: Some(phase), .. } => cell.phase.clone_from(phase),
            Record::Rollback { to: None, explanation, .. } => {
                (cell.decided_at, cell.rule) = (Some(at), Some(explanation.rule.clone()));
                of.also = against(explanation);
                of.why.clone_from(&explanation.summary);
            }
            Record::Promoted { .. } => cell.decided_at = cell.decided_at.or(Some(at)),
            Record::Refused { reasons } => of.why = reasons.join("; "),
            Record::Finished { explanation, verdict } => {
                cell.decided_at = cell.decided_at.or(Some(at));
                if of.why.is_empty() && *verdict != Verdict::Promoted {
                    of.why.clone_from(&explanation.summary);
                }
            }
            _ => {}
        }
    }

    /// A check was made.
    pub(super) fn checked(&mut self, at: Time, fleet: &Fleet) {
        let state = self.shown.filter(|_| self.full).and_then(|s| fleet.state(s));
        match state.filter(|s| s.stage != Stage::Idle) {
            Some(state) => self.track.checked(at, &state),
            None => self.track.waited(at),
        }
    }

    /// What came of it all, and which slice ended worst. `closing`: how a person has ended the whole.
    pub(super) fn done(mut self, fleet: &Fleet, closing: Option<Verdict>) -> (Outcome, Option<Vec<String>>) {
        for (i, of) in self.list.iter_mut().enumerate() {
            let slice = SliceId::at(i);
            of.cell.verdict = match fleet.stage(slice) {
                Some(Stage::Done(v)) => Some(v),
                // what was being taken back when the recording was over is decided all the same
                Some(Stage::RollingBack(v)) => Some(v),
                // a life that holds for good is promoted
                Some(Stage::Phase(_)) => fleet.state(slice).and_then(|s: State| s.promoted).map(|_| Verdict::Promoted),
                Some(Stage::Idle) | None => None,
            };
        }
        let all_decided = !self.list.is_empty() && self.list.iter().all(|s| s.cell.verdict.is_some());
        let worst = || self.list.iter().filter_map(|s| s.cell.verdict).max_by_key(|v| badness(Some(*v)));
        let verdict = fleet.verdict().or(closing).or_else(|| worst().filter(|_| all_decided));
        let first = by_badness(&self.list).first().copied();
        let values = first.and_then(|i| fleet.key(SliceId::at(i))).map(<[String]>::to_vec);
        let over = self.shown.is_none_or(|s| matches!(fleet.stage(s), Some(Stage::Done(_))));
        let mut out = self.track.ended(verdict, over);
        out.decisions = self.decisions;
        let shown = self.shown.and_then(|s| self.list.get(s.index())).map(|s| s.slice.clone());
        let counts = Counts::of(&self.list);
        out.slices = Some(Slices { shown, counts, list: self.list, unlisted: self.unlisted });
        (out, values)
    }
}
