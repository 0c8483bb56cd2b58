//! Taking back: rollbacks, kill switches, undoing.

use super::{Did, Reference, StepRun};
use canary::engine::{RunCause, Stage, Verdict};
use canary::plan::{ActionId, Happening, Phase, PhaseId, PortId, Setting, Step, SwitchId, Time};

/// How often an action that takes back is tried.
const TRIES: usize = 3;

impl Reference<'_> {
    /// Ports that a phase up to the furthest one has set, as they were before the first change.
    fn originals_of_what_was_set(&self) -> Vec<(PortId, Setting)> {
        let ramps = |s: &Step, port| matches!(s, Step::Ramp { port: p, .. } if *p == port);
        let by = |p: &Phase, port| p.settings.iter().any(|s| s.0 == port) || p.steps.iter().any(|s| ramps(s, port));
        let set = |port: PortId| self.plan.phases[..=self.furthest].iter().any(|p| by(p, port));
        self.originals.iter().copied().filter(|(p, _)| set(*p)).collect()
    }

    /// Traffic first, then flags, the last declared first; what stands later in the list lies over what stands before.
    pub fn in_order_of_taking_back(&self, list: Vec<(PortId, Setting)>) -> Vec<(PortId, Setting)> {
        let mut out = std::collections::BTreeMap::new();
        for (port, setting) in list {
            out.insert((!self.is_traffic(port), std::cmp::Reverse(port)), setting);
        }
        out.into_iter().map(|((_, port), s)| (port.0, s)).collect()
    }

    /// Everything back to what was read before the first change, and over it what thrown switches set.
    pub fn roll_back(&mut self, at: Time, verdict: Verdict) {
        if self.crosses(None) {
            return self.stand(at);
        }
        let under_way = matches!(self.stage, Stage::RollingBack(_));
        let mut settings = self.originals_of_what_was_set();
        for k in &self.killed {
            settings.extend(&self.plan.switches[k.index()].settings);
        }
        let undo_ran = under_way && self.undo_ran;
        self.ask(self.in_order_of_taking_back(settings), true, at);
        self.undo_ran = undo_ran;
        self.stage = Stage::RollingBack(verdict);
        self.paused = false;
        self.approvals.clear();
        self.slow_told = false;
        self.waiting = None;
        self.promoted = false;
        self.wrote("rollback");
        self.apply();
        if !under_way {
            if !self.running.is_empty() {
                self.did.push(Did::CancelRuns);
            }
            self.happened(Happening::Rollback, at);
        }
    }

    /// Back to an earlier phase, where the run lives on.
    pub fn roll_back_to(&mut self, at: Time, to: usize) {
        if self.crosses(Some(PhaseId::at(to))) {
            return self.stand(at);
        }
        let mut settings = self.originals_of_what_was_set();
        // nothing of the phase is raised by it above what is asked for now: then it has to begin anew
        let mut below = false;
        let (by_switches, own): (Vec<_>, Vec<_>) =
            self.settings_of(to).into_iter().partition(|(port, _)| self.barred(*port).is_some());
        for (port, setting) in own {
            let now = self.now(port);
            let above = super::ahead::amount(setting) > super::ahead::amount(now) && !setting.same(now);
            below |= above;
            settings.push((port, if above { now } else { setting }));
        }
        settings.extend(by_switches);
        self.approvals.clear();
        self.stage = Stage::Phase(PhaseId::at(to));
        self.phase = to;
        self.begin_phase();
        self.anew = below;
        // nobody waits any more for the action of the step that is left
        let mut awaited = false;
        for r in self.running.iter_mut().filter(|r| r.cause == RunCause::Step) {
            r.cause = RunCause::Reaction;
            awaited = true;
        }
        self.ask(self.in_order_of_taking_back(settings), true, at);
        self.arm(to, true);
        self.wrote("rollback");
        self.apply();
        if awaited {
            self.did.push(Did::CancelRuns);
        }
        self.happened(Happening::Rollback, at);
    }

    /// A request was read back as asked for.
    pub fn read_back(&mut self, at: Time, epoch: u32) {
        if epoch == self.asked.epoch && self.asked.verified.is_none() {
            self.asked.verified = Some(at);
            if !self.asked.goes_on {
                self.count_phase_anew();
            }
            self.wrote("verified");
            self.undo_next(at);
        }
    }

    /// A check while everything is taken back: what does not hold is restored again; that it takes long is told once.
    pub fn rolling_back(&mut self, at: Time, read: Option<&[Option<Setting>]>) {
        if !self.slow_told && self.asked.verified.is_none() && self.unverified_for(at) >= self.plan.verify_within {
            self.slow_told = true;
            self.wrote("rollback_slow");
            self.told(Happening::Rollback);
            if !self.killed.is_empty() {
                self.told(Happening::Kill);
            }
            self.kill_next();
        }
        let Some(read) = read else { return };
        let mut again = false;
        for (port, asked) in self.asked.settings.clone() {
            if read[port.index()].is_some_and(|r| !r.same(asked)) {
                self.wrote("drift");
                again = true;
            }
        }
        if again {
            self.restore_again(at);
        }
    }

    fn restore_again(&mut self, at: Time) {
        self.ask(self.asked.settings.clone(), true, at);
        self.apply();
    }

    /// What is to be undone next, newest first: all of it at a rollback, what later phases did after a rollback to a phase.
    pub fn next_undo(&self) -> Option<usize> {
        match self.stage {
            Stage::RollingBack(_) => self.to_undo.len().checked_sub(1),
            Stage::Phase(_) => self.to_undo.iter().rposition(|(_, phase)| *phase > self.phase),
            Stage::Idle | Stage::Done(_) => None,
        }
    }

    fn undo_of(&self, action: ActionId) -> Option<ActionId> {
        self.plan.actions[action.index()].undo
    }

    /// Once all is read back: first what switches run, then undoing, one after the other; then all is read back once more, and
    /// the rollback is done.
    pub fn undo_next(&mut self, at: Time) {
        if self.kill_next() || self.is_running(RunCause::Undo) {
            return;
        }
        if let Some(i) = self.next_undo() {
            let undo = self.undo_of(self.to_undo[i].0).unwrap();
            self.run(undo, RunCause::Undo);
            self.undo_ran = true;
        } else if let Stage::RollingBack(verdict) = self.stage {
            if self.undo_ran {
                self.restore_again(at);
            } else {
                self.told(Happening::Rollback);
                self.finish(verdict, at);
            }
        }
    }

    /// Begins the next action of thrown switches, once their settings are read back or have not been for too long. Whether one
    /// is under way or still to come.
    pub fn kill_next(&mut self) -> bool {
        if self.is_running(RunCause::Kill) || self.kill_actions.is_empty() {
            return self.is_running(RunCause::Kill);
        }
        let slow = self.slow_told || self.stuck == Some(self.asked.epoch);
        if self.asked.verified.is_some() || slow {
            self.run(self.kill_actions[0], RunCause::Kill);
            self.undo_ran = true;
        }
        true
    }

    /// A life that is over, as if it were still in the phase that it was in, and the switch not thrown; one that never began was in
    /// none.
    pub fn goes_on_without(&mut self, switch: SwitchId) {
        self.stage = if !self.originals.is_empty() {
            Stage::Phase(PhaseId::at(self.phase))
        } else if self.asked.epoch > 0 {
            Stage::RollingBack(Verdict::Killed)
        } else {
            Stage::Idle
        };
        self.killed.retain(|k| *k != switch);
    }

    pub fn killed_by_hand(&mut self, at: Time, switch: SwitchId) {
        match self.stage {
            Stage::Done(_) => return,
            Stage::Idle => {
                self.started = at;
                self.last = Some(at);
            }
            // a guard has thrown it, and the run lives on: this ends it
            Stage::Phase(_) if self.killed.contains(&switch) => return self.roll_back(at, Verdict::Killed),
            Stage::RollingBack(_) if self.killed.contains(&switch) => return,
            Stage::Phase(_) | Stage::RollingBack(_) => {}
        }
        self.kill(at, &[switch], None, Verdict::Killed);
    }

    /// Another slice's guard has thrown switches that are one for all: this life goes back as far as that guard says. Where that is
    /// nowhere it stays, with what the switches set over what it has asked for.
    pub fn killed_by_another(&mut self, at: Time, switches: &[SwitchId], to: Option<PhaseId>, verdict: Verdict) {
        let switches: Vec<SwitchId> = switches.iter().copied().filter(|k| !self.killed.contains(k)).collect();
        if switches.is_empty() {
            return;
        }
        match self.stage {
            Stage::Done(_) => {}
            Stage::Idle => {
                self.started = at;
                self.last = Some(at);
                self.kill(at, &switches, None, verdict);
            }
            Stage::Phase(_) => self.kill(at, &switches, to, verdict),
            Stage::RollingBack(verdict) => self.kill(at, &switches, None, verdict),
        }
    }

    /// Throws switches that are not thrown yet, and takes back: to a phase, or everything.
    pub fn kill(&mut self, at: Time, switches: &[SwitchId], to: Option<PhaseId>, verdict: Verdict) {
        let under_way = matches!(self.stage, Stage::RollingBack(_));
        let (mut thrown, mut pointless) = (0, false);
        for k in switches {
            if self.killed.contains(k) {
                continue;
            }
            self.killed.push(*k);
            thrown += 1;
            let actions = &self.plan.switches[k.index()].actions;
            // what a switch does is not undone behind it
            let undos: Vec<_> = actions.iter().filter_map(|a| self.undo_of(*a)).collect();
            pointless |= self.running.iter().any(|r| r.cause == RunCause::Undo && undos.contains(&r.action));
            self.to_undo.retain(|(a, _)| !actions.contains(a));
            self.kill_actions.extend(actions);
            self.wrote("kill_switch.activated");
        }
        let crosses = self.crosses(to);
        match to {
            Some(to) if matches!(self.stage, Stage::Phase(_)) && to.index() >= self.phase => {
                self.lay_switches_over(at);
                self.asked.goes_on = true;
                self.apply();
            }
            _ if crosses => self.set_switches_only(at),
            None => self.roll_back(at, verdict),
            Some(to) => self.roll_back_to(at, to.index()),
        }
        if pointless && (under_way || to.is_some() || crosses) {
            self.did.push(Did::CancelRuns);
        }
        for _ in 0..thrown {
            self.happened(Happening::Kill, at);
        }
    }

    pub fn action_ended(&mut self, at: Time, token: u32, ok: bool) {
        let Some(i) = self.running.iter().position(|r| r.token == token) else { return };
        let ended = self.running.remove(i);
        self.wrote("action_ended");
        let phase = matches!(self.stage, Stage::Phase(_));
        let rolling = matches!(self.stage, Stage::RollingBack(_));
        match ended.cause {
            RunCause::Step if phase => {
                self.step_run = Some(if ok { StepRun::Succeeded } else { StepRun::Failed });
                if let (false, Some(Step::Run { otherwise, .. })) =
                    (ok, self.plan.phases[self.phase].steps.get(self.step))
                {
                    self.follow(*otherwise, at);
                }
            }
            RunCause::Kill if rolling || phase => self.kill_action_ended(at, ended.action, ok),
            RunCause::Undo if rolling || phase => self.undo_ended(at, ended.action, ok),
            _ => {}
        }
    }

    fn kill_action_ended(&mut self, at: Time, action: ActionId, ok: bool) {
        if self.kill_actions.first() == Some(&action) {
            self.kill_tries += 1;
            if ok || self.kill_tries == TRIES {
                self.kill_actions.remove(0);
                self.kill_tries = 0;
                if !ok {
                    self.told(Happening::Kill);
                    if matches!(self.stage, Stage::Phase(_)) {
                        self.pause(at);
                    }
                }
            }
        }
        if self.asked.verified.is_some() {
            self.undo_next(at);
        } else {
            self.kill_next();
        }
    }

    fn undo_ended(&mut self, at: Time, undo: ActionId, ok: bool) {
        let undone = |(a, _): &(ActionId, usize)| self.undo_of(*a) == Some(undo);
        let next = self.next_undo().filter(|i| undone(&self.to_undo[*i]));
        let which = next.or_else(|| self.to_undo.iter().rposition(undone));
        let read_back = self.asked.verified.is_some();
        if let Some(i) = which {
            // before the read-back the rollback itself has ended it: that was no try
            self.undo_tries += usize::from(!ok && read_back);
            if ok || self.undo_tries == TRIES {
                self.undo_tries = 0;
                self.to_undo.remove(i);
                if !ok && matches!(self.stage, Stage::Phase(_)) {
                    self.pause(at);
                }
            }
        }
        if read_back {
            self.undo_next(at);
        }
    }
}
