//! What people say to chosen slices, or to all.

use super::keys::SliceId;
use super::step::Step;
use crate::engine::explain::Explanation;
use crate::engine::record::Record;
use crate::engine::state::{Paused, Stage, Verdict};
use crate::engine::step::{Effect, Input, Operator};
use crate::plan::{SwitchId, Time};

impl Step<'_, '_> {
    /// A person's word to some, or to all and those that are still to begin.
    pub(super) fn person(&mut self, slices: &[SliceId], at: Time, act: Operator, who: &str, why: &str) {
        if matches!(act, Operator::Kill(_)) {
            // a switch is thrown whatever is under way, and also where all is over: then the run ends once more
            self.fleet.verdict = None;
        }
        if self.fleet.verdict.is_some() {
            return;
        }
        // a switch that is one for all is thrown and reset for all, whoever is named
        let all = slices.is_empty() || self.is_for_all(act);
        let mut chosen: Vec<SliceId> = if all { self.fleet.slices().collect() } else { slices.to_vec() };
        chosen.sort_unstable();
        chosen.dedup();
        for slice in chosen {
            match (act, self.fleet.stage(slice)) {
                (_, None) => continue,
                (Operator::Abort, Some(Stage::Idle)) => self.never_begins(slice, at, who, why),
                (Operator::Resume, _) => self.count_anew(slice, at),
                (Operator::Kill(switch), Some(Stage::Done(_))) => self.goes_on(slice, switch, at),
                _ => {}
            }
            self.feed(slice, at, Input::Operator { at, act, who: who.to_owned(), why: why.to_owned() });
        }
        self.forget_those_that_began();
        if all {
            self.all(at, act, who, why);
        }
        self.joined(at, true, Vec::new());
    }

    /// Whether a word is about a switch that is one for all slices.
    fn is_for_all(&self, act: Operator) -> bool {
        let (Operator::Kill(switch) | Operator::Reset(switch)) = act else { return false };
        self.plan.switches.get(switch.index()).is_some_and(|s| s.for_all)
    }

    /// What a word to all means for the run itself.
    fn all(&mut self, at: Time, act: Operator, who: &str, why: &str) {
        let because = if why.is_empty() { String::new() } else { format!(": {why}") };
        match act {
            Operator::Pause if self.fleet.halted.is_none() => {
                let summary = format!("paused by {who}{because}");
                self.fleet.halted = Some(Paused { since: at, why: summary.clone() });
                let explanation = said(at, who, summary);
                self.tell_run(Effect::record(Record::Paused { explanation }));
            }
            Operator::Resume if self.fleet.halted.take().is_some() => {
                let (who, why) = (who.to_owned(), why.to_owned());
                self.tell_run(Effect::record(Record::Resumed { who, why }));
            }
            Operator::Abort | Operator::Kill(_) => self.fleet.closed = true,
            Operator::Reset(switch) if !who.trim().is_empty() && !why.trim().is_empty() => {
                self.fleet.thrown.retain(|k| *k != switch);
            }
            Operator::Pause | Operator::Resume | Operator::Approve(_) | Operator::Reset(_) => {}
        }
    }

    /// A slice that waits is aborted: nothing of it was changed, and nothing will be.
    fn never_begins(&mut self, slice: SliceId, at: Time, who: &str, why: &str) {
        let because = if why.is_empty() { String::new() } else { format!(": {why}") };
        let explanation = said(at, who, format!("aborted by {who} before it began{because}"));
        self.load(slice.index());
        let state = &mut self.desk.state;
        state.stage = Stage::Done(Verdict::Aborted);
        state.explanation = Some(explanation.clone());
        let record = Record::Finished { verdict: Verdict::Aborted, explanation };
        self.desk.effects.push(Effect::record(record));
        self.store(slice, at);
    }

    /// A life that is over is killed like one that goes on: what it has left exposed is taken back. A switch that was thrown before
    /// is thrown again.
    pub(super) fn goes_on(&mut self, slice: SliceId, switch: SwitchId, at: Time) {
        self.load(slice.index());
        let state = &mut self.desk.state;
        // one that never began has entered no phase and passed no point of no return
        state.stage = match (state.originals.is_empty(), state.target.epoch) {
            (false, _) => Stage::Phase(state.phase),
            (true, 0) => Stage::Idle,
            (true, _) => Stage::RollingBack(Verdict::Killed),
        };
        state.killed.retain(|k| *k != switch);
        self.store(slice, at);
    }

    /// A person who resumes a slice says that what it could not count is no reason to stay.
    fn count_anew(&mut self, slice: SliceId, at: Time) {
        self.load(slice.index());
        let state = &mut self.desk.state;
        if state.paused.is_some() {
            for sum in state.accumulators.iter_mut().filter(|a| a.short) {
                // goals that counted already go on from here
                let before = sum.before.map(|_| 0.0);
                sum.start_anew();
                sum.before = before;
            }
        }
        self.store(slice, at);
    }
}

/// Why, when a person says so.
fn said(at: Time, who: &str, summary: String) -> Explanation {
    Explanation {
        at,
        kind: String::from("person"),
        rule: who.to_owned(),
        summary,
        guard: None,
        inputs: Vec::new(),
        others: Vec::new(),
    }
}
