//! Which slices begin: the least risky first, so many in so long.

use super::step::{FleetEffect, Step};
use super::{Fleet, SliceId, Waiting};
use crate::engine::record::Record;
use crate::engine::state::{Stage, Verdict};
use crate::engine::step::{Effect, Input, step_given};
use crate::plan::{Answer, Plan, PortId, Setting, Time};
use std::collections::BTreeMap;

/// A slice that begins at a check, with what was read for it before anything of it is changed.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Which.
    pub slice: SliceId,
    /// What every port of it was read as; else what keeps it from beginning at this check. It is then tried again, after all who
    /// never were.
    pub originals: Result<Vec<(PortId, Setting)>, String>,
    /// What every input of the baseline was answered for it; `None` for the others.
    pub baseline: Vec<Option<Answer>>,
}

impl Fleet {
    /// The slices that begin at a check at `at`, in their order: those that wait, the least risky first (`start slices by`), of
    /// equal risk those seen first, as many as the limit leaves. Whoever was refused comes after all who never were, so that they
    /// keep nobody from beginning. Nobody begins while everything is halted.
    #[must_use]
    pub fn due(&self, plan: &Plan, at: Time) -> Vec<SliceId> {
        if self.halted.is_some() || self.verdict.is_some() || self.closed || !self.thrown.is_empty() {
            return Vec::new();
        }
        let room = match plan.start_slices.as_ref().and_then(|s| s.limit) {
            None => self.waiting.len(),
            Some((n, d)) => (n as usize).saturating_sub(self.starts.iter().filter(|t| at - **t < d).count()),
        };
        let room = room.min(self.waiting.len());
        if room == 0 {
            return Vec::new();
        }
        let order = |w: &&Waiting| (w.tried, w.risk, w.seen, w.slice);
        let mut list: Vec<&Waiting> = self.waiting.iter().collect();
        if room < list.len() {
            list.select_nth_unstable_by_key(room - 1, order);
            list.truncate(room);
        }
        list.sort_unstable_by_key(order);
        list.into_iter().map(|w| w.slice).collect()
    }
}

impl Step<'_, '_> {
    /// Those that are due begin, with what was read for them.
    pub(super) fn begin(&mut self, at: Time, begins: Vec<Begin>, rolled_back: Option<Time>) {
        // a check that is not live tries nobody: the first one that does is the run's start
        let first = std::mem::take(&mut self.fleet.unlived);
        if begins.is_empty() && !first {
            return;
        }
        let mut read: BTreeMap<SliceId, Begin> = begins.into_iter().map(|b| (b.slice, b)).collect();
        let due = self.fleet.due(self.plan, at);
        // what could not be read of some says nothing of those that the limit has kept from being tried
        let more = due.len() < self.fleet.waiting.len();
        let open = more && due.iter().any(|s| read.get(s).is_some_and(|b| b.originals.is_err()));
        let (mut begun, mut refused) = (0, BTreeMap::new());
        for slice in due {
            let Some(begin) = read.remove(&slice) else { continue };
            match self.begin_one(at, begin, rolled_back) {
                None => begun += 1,
                Some(reasons) => {
                    refused.insert(slice, reasons);
                }
            }
        }
        if let Some((_, d)) = self.plan.start_slices.as_ref().and_then(|s| s.limit) {
            self.fleet.starts.retain(|t| at - *t < d);
            self.fleet.starts.extend(std::iter::repeat_n(at, begun));
        }
        for w in &mut self.fleet.waiting {
            if let Some(reasons) = refused.get(&w.slice) {
                w.tried = Some(at);
                if w.reasons != *reasons {
                    w.reasons.clone_from(reasons);
                    let effect = Effect::record(Record::Refused { reasons: reasons.clone() });
                    self.out.push(FleetEffect { slice: Some(w.slice), effect });
                }
            }
        }
        self.forget_those_that_began();
        if first && begun == 0 && !open && self.fleet.halted.is_none() && !self.fleet.closed {
            self.refuse(&refused);
        }
    }

    /// Begins a slice; else why not, and then nothing of it has changed.
    fn begin_one(&mut self, at: Time, begin: Begin, rolled_back: Option<Time>) -> Option<Vec<String>> {
        let Begin { slice, originals, baseline } = begin;
        let originals = match originals {
            Ok(originals) => originals,
            Err(why) => return Some(vec![why]),
        };
        let i = slice.index();
        let answers = self.answers(slice);
        self.load(i);
        let desk = self.desk.as_mut();
        let (state, effects) = (&mut desk.state, &mut desk.effects);
        let input = Input::Start { at, originals, answers, baseline, rolled_back };
        step_given(self.plan, state, input, (self.given)(slice), effects);
        if state.stage == Stage::Done(Verdict::Refused) {
            let reasons = effects.drain(..).find_map(|e| match e {
                Effect::Record(r) => match *r {
                    Record::Refused { reasons } => Some(reasons),
                    _ => None,
                },
                _ => None,
            });
            self.desk.unload(self.fleet);
            self.desk.state.baseline = vec![None; self.plan.inputs.len()];
            self.fleet.lives.forget(i);
            return Some(reasons.unwrap_or_default());
        }
        self.fleet.lives.keep_baseline(i, &mut self.desk.state);
        self.store(slice, at);
        None
    }

    /// Slices that are no longer waiting, by whatever they began.
    pub(super) fn forget_those_that_began(&mut self) {
        let lives = &self.fleet.lives;
        self.fleet.waiting.retain(|w| lives.stage(w.slice.index()) == Some(Stage::Idle));
    }

    /// Nobody could begin at the first check: nothing was changed, and nothing will be.
    fn refuse(&mut self, refused: &BTreeMap<SliceId, Vec<String>>) {
        let mut by_reason: Vec<(&str, Vec<SliceId>)> = Vec::new();
        for (slice, reason) in refused.iter().flat_map(|(s, reasons)| reasons.iter().map(move |r| (*s, r.as_str()))) {
            match by_reason.iter_mut().find(|(r, _)| *r == reason) {
                Some((_, who)) => who.push(slice),
                None => by_reason.push((reason, vec![slice])),
            }
        }
        let mut reasons: Vec<String> = by_reason
            .into_iter()
            .map(|(reason, who)| {
                if who.len() == refused.len() && who.len() > 1 {
                    format!("all {} slices: {reason}", who.len())
                } else {
                    format!("{}: {reason}", super::notices::names(self.fleet, &who))
                }
            })
            .collect();
        let left = self.fleet.waiting.len() - refused.len();
        if self.fleet.is_empty() {
            reasons.push(nobody_seen(self.plan));
        } else if left > 0 {
            let tried = if refused.is_empty() { "none" } else { "and none of the others could begin" };
            reasons.push(match refused.len() {
                0 => format!("{left} slices were seen, and the ports of none could be read"),
                _ => format!("{left} more slices were seen, {tried}"),
            });
        }
        self.fleet.verdict = Some(Verdict::Refused);
        self.tell_run(Effect::record(Record::Refused { reasons }));
        self.tell_run(Effect::Finish(Verdict::Refused));
    }
}

/// Why a run in which no slice is seen does not begin, and what to look at.
#[must_use]
pub fn nobody_seen(plan: &Plan) -> String {
    let asked = plan.seen_in.iter().filter_map(|i| Some(plan.inputs.get(i.index())?.metric.as_str()));
    let asked: Vec<&str> = asked.collect();
    let labels: Vec<&str> = plan.slices.iter().map(|s| s.label.as_str()).collect();
    format!(
        "no slice was seen: {} has no series with the label{} {}; look at it with `canary query`, and name the labels in \
         the environment (`labels {{ {} = \"…\" }}`)",
        if asked.is_empty() { String::from("nothing that is asked") } else { asked.join(", ") },
        if labels.len() == 1 { "" } else { "s" },
        labels.join(", "),
        plan.slices.first().map_or("slice", |s| s.name.as_str()),
    )
}
