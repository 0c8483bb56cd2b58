//! `every d` and `at …`: the run's, once, on the run's clock.

use super::Fleet;
use super::step::Step;
use crate::engine::reactions::{due, due_now};
use crate::engine::record::Record;
use crate::engine::state::{RunCause, Running, Stage, Verdict};
use crate::engine::step::Effect;
use crate::plan::{Act, ActionId, Millis, PhaseId, Plan, Time, show};

impl Step<'_, '_> {
    /// Which snapshots are taken already: a life that ends between two checks takes the others early.
    pub(super) fn know_what_is_due(&mut self) {
        for (i, told) in &mut self.desk.timed {
            let snapshot = self.plan.reactions.get(*i).is_some_and(|r| matches!(r.act, Act::Snapshot));
            let taken = self.fleet.reactions.get(*i).map_or(0, |r| r.due);
            *told = if snapshot { taken } else { i64::MAX };
        }
    }

    /// What comes due at a check. A snapshot is one of every life, which is told so; the others are returned.
    pub(super) fn clock(&mut self, at: Time, live: bool) -> bool {
        let (Some(started), false) = (self.fleet.started, self.fleet.last.is_none()) else { return false };
        let mut others = false;
        for (i, told) in &mut self.desk.timed {
            let (Some(reaction), Some(r)) = (self.plan.reactions.get(*i), self.fleet.reactions.get_mut(*i)) else {
                continue;
            };
            let now = due(&reaction.trigger, at - started);
            let snapshot = matches!(reaction.act, Act::Snapshot);
            // a life's own clock began later than the run's: what the run has seen come due, no life has before it
            *told = match (snapshot, now > r.due) {
                (true, true) => due_now(now),
                (true, false) => r.due,
                (false, _) => i64::MAX,
            };
            others |= !snapshot && live && now > r.due;
            if snapshot {
                r.due = r.due.max(now);
            }
        }
        others
    }

    /// Notifies and runs what has come due, after the lives were checked.
    pub(super) fn fire(&mut self, at: Time, fires: bool) {
        let (true, Some(started)) = (fires, self.fleet.started) else { return };
        if !self.fleet.lives.any_under_way() {
            return;
        }
        for k in 0..self.desk.timed.len() {
            let Some((i, _)) = self.desk.timed.get(k).copied() else { continue };
            let (Some(reaction), Some(r)) = (self.plan.reactions.get(i), self.fleet.reactions.get_mut(i)) else {
                continue;
            };
            let now = due(&reaction.trigger, at - started);
            if now <= r.due {
                continue;
            }
            r.due = now;
            match &reaction.act {
                Act::Notify(channels) => {
                    let status = status(self.plan, self.fleet);
                    let halted = self.fleet.halted.as_ref().map_or(String::new(), |p| format!(", {}", p.why));
                    let elapsed = show::duration(at - started);
                    self.tell_run(Effect::Notify {
                        channels: channels.clone(),
                        happening: None,
                        title: format!("{}: {status} after {elapsed}{halted}", self.plan.rollout),
                        text: String::new(),
                        facts: vec![(String::from("slices"), status)],
                    });
                }
                Act::Run { action, limit } => self.run_own(at, i, *action, *limit),
                Act::Snapshot => {}
            }
        }
    }

    fn run_own(&mut self, at: Time, index: usize, action: ActionId, limit: Option<(u32, Millis)>) {
        if let (Some(r), Some((n, d))) = (self.fleet.reactions.get_mut(index), limit) {
            r.runs.retain(|t| at - *t < d);
            if r.runs.len() >= n as usize {
                return;
            }
            r.runs.push(at);
        }
        let (token, cause) = (self.fleet.next_token, RunCause::Reaction);
        self.fleet.next_token += 1;
        self.fleet.running.push(Running { token, action, cause, since: at });
        let name = self.plan.action_name(action).to_owned();
        self.tell_run(Effect::record(Record::ActionStarted { action: name, token, cause }));
        self.tell_run(Effect::Run { token, action, cause });
    }

    /// An action of the run itself has ended; nobody waits for it.
    pub(super) fn own_ended(&mut self, token: u32, ok: bool, how: String, output: String) {
        let Some(i) = self.fleet.running.iter().position(|r| r.token == token) else { return };
        let ended = self.fleet.running.remove(i);
        let action = self.plan.action_name(ended.action).to_owned();
        self.tell_run(Effect::record(Record::ActionEnded { action, token, ok, how, output }));
    }

    /// After a stop nobody knows how they ended, and nobody waits for them.
    pub(super) fn own_forgotten(&mut self) {
        for r in std::mem::take(&mut self.fleet.running) {
            self.fleet.running.push(r.clone());
            self.own_ended(r.token, false, String::from("not known: the runner stopped while it ran"), String::new());
        }
    }
}

/// Where the slices stand: `812 in phase shadow, 3 in phase canary, 2 rolled back, 4 waiting`.
pub(super) fn status(plan: &Plan, fleet: &Fleet) -> String {
    let mut phases = vec![0_usize; plan.phases.len()];
    let mut back = 0;
    let ends = [Verdict::Promoted, Verdict::RolledBack, Verdict::Aborted, Verdict::Killed, Verdict::Refused];
    let mut ended = ends.map(|v| (v, 0_usize));
    for stage in fleet.slices().filter_map(|s| fleet.stage(s)) {
        match stage {
            Stage::Idle => {}
            Stage::Phase(p) => {
                if let Some(n) = phases.get_mut(p.index()) {
                    *n += 1;
                }
            }
            Stage::RollingBack(_) => back += 1,
            Stage::Done(v) => ended.iter_mut().filter(|(w, _)| *w == v).for_each(|(_, n)| *n += 1),
        }
    }
    let phases = phases.into_iter().enumerate();
    let mut out: Vec<String> = phases
        .filter(|(_, n)| *n > 0)
        .map(|(i, n)| format!("{n} in phase {}", plan.phase_name(PhaseId::at(i))))
        .collect();
    if back > 0 {
        out.push(format!("{back} being taken back"));
    }
    let ended = ended.into_iter().filter(|(_, n)| *n > 0);
    out.extend(ended.map(|(v, n)| format!("{n} {}", v.text().replace('_', " "))));
    if !fleet.waiting.is_empty() {
        out.push(format!("{} waiting", fleet.waiting.len()));
    }
    out.join(", ")
}
