//! The course of a run: a check from its beginning to its end, the steps of a phase, the next phase.

use super::condition::Owner;
use super::guard::Asks;
use super::temporal::Watch;
use super::truth::Truth::True;
use super::{Look, Reference, StepRun};
use canary::engine::{RunCause, Stage, Verdict, Word};
use canary::plan::{Consequence, Drift, Happening, PhaseId, Setting, Step, Time};

impl Reference<'_> {
    /// A check. `read` is what ports were read as, if that was after the request in force was read back.
    pub fn check(&mut self, look: Look<'_>, read: Option<&[Option<Setting>]>, live: bool) {
        match self.stage {
            Stage::RollingBack(_) => {
                self.last = Some(look.at);
                self.rolling_back(look.at, read);
            }
            Stage::Phase(_) => {
                if self.asked.epoch == 0 {
                    // while the first change waits sums are of one check
                    self.count_all_anew();
                }
                self.count(look);
                self.settle(look.at, live);
                if self.asked.settled.is_some() {
                    for goal in self.conditions() {
                        self.begin_goals(goal);
                    }
                }
                self.elapsed.mark(look.at, live, self.asked.settled.is_some());
                self.observed.mark(look.at, live, true);
                self.look_at_windows(look);
                let mut asks = Asks::default();
                let breaches = self.check_guards(look, &mut asks);
                let silent = self.newly_silent(look);
                self.no_data(look, &mut asks);
                self.unverified(look.at, &mut asks);
                let drifts = self.drifts(read, look.at, &mut asks);
                let holds = self.promote_conditions(look);
                self.ask_gate(look);
                let may_start = self.asked.epoch > 0 || self.may_start(look);
                self.snapshots(look.at);
                for (n, what) in [(breaches, Happening::Breach), (silent, Happening::Blind), (drifts, Happening::Pause)]
                {
                    for _ in 0..n {
                        self.happened(what, look.at);
                    }
                }
                if !self.decide(look.at, live, asks) {
                    self.go_on(look.at, live, read, &holds, may_start);
                }
                if matches!(self.stage, Stage::Phase(_)) {
                    self.timed(look, live);
                }
                self.last = Some(look.at);
            }
            Stage::Idle | Stage::Done(_) => {}
        }
    }

    /// Goals count from the first live check after the read-back and `settle`, once nothing is left to be undone.
    fn settle(&mut self, at: Time, live: bool) {
        let Some(verified) = self.asked.verified else { return };
        let over = at >= verified + self.plan.settle.unwrap_or(0) && self.kill_actions.is_empty();
        if live && over && self.asked.settled.is_none() && self.next_undo().is_none() {
            self.asked.settled = Some(at);
            if !self.asked.goes_on {
                self.elapsed = Watch::default();
            }
            for node in self.conditions() {
                self.anew(node, &|_| false);
            }
        }
    }

    /// The conditions that this phase's steps wait for.
    fn conditions(&self) -> Vec<canary::plan::NodeId> {
        let when = |s: &Step| match s {
            Step::Promote { when, .. } | Step::HoldUntil { when, .. } => Some(*when),
            _ => None,
        };
        self.plan.phases[self.phase].steps.iter().filter_map(when).collect()
    }

    /// Whether each step's condition is true: asked once goals count, and from the first check on at which all that it reads is
    /// of the time after the read-back.
    fn promote_conditions(&mut self, look: Look<'_>) -> Vec<bool> {
        let plan = self.plan;
        let mut out = Vec::new();
        for s in &plan.phases[self.phase].steps {
            out.push(match s {
                Step::Promote { when, .. } | Step::HoldUntil { when, .. } if self.asked.settled.is_some() => {
                    !self.reaches_back(look, *when, 0) && self.truth(look, *when, Owner::Phase(self.phase)).0 == True
                }
                _ => false,
            });
        }
        out
    }

    /// Ports that are read as something else than asked for, each told once. Those that cannot be read are no drift. Returns how
    /// many notices there are: while a pause is latched already, each is told by itself.
    fn drifts(&mut self, read: Option<&[Option<Setting>]>, at: Time, asks: &mut Asks) -> usize {
        let Some(read) = read else { return 0 };
        let mut told = 0;
        for (port, asked) in self.asked.settings.clone() {
            match read[port.index()] {
                None => {}
                Some(r) if r.same(asked) => self.drifted.retain(|p| *p != port),
                Some(r) => {
                    let anew = !self.drifted.contains(&port);
                    if anew {
                        self.drifted.push(port);
                        self.wrote("drift");
                    }
                    match self.plan.drift {
                        Drift::Pause if anew => {
                            told += usize::from(self.paused);
                            asks.pause();
                        }
                        Drift::Tell if anew => self.told(Happening::Pause),
                        Drift::Correct => {
                            if anew {
                                self.corrected.push((port, at));
                                self.tell_correction(port);
                            }
                            asks.off(port, super::ahead::amount(r) > super::ahead::amount(asked));
                        }
                        Drift::Pause | Drift::Tell => {}
                    }
                }
            }
        }
        told
    }

    /// Goes on through the steps as far as this check lets it.
    fn go_on(&mut self, at: Time, live: bool, read: Option<&[Option<Setting>]>, holds: &[bool], may_start: bool) {
        let plan = self.plan;
        let every = plan.check_every;
        if self.asked.epoch == 0 {
            // the first raise waits still
            if live && !self.paused {
                self.begin(at, may_start);
            }
            return;
        }
        let steps = &plan.phases[self.phase].steps;
        let words = || {
            let all = plan.guards.iter().zip(&self.guards);
            all.filter(|(g, s)| s.active && g.otherwise != Consequence::Tell).map(|(_, s)| s.word)
        };
        let all_ok = words().all(|w| w == Some(Word::Ok));
        let frozen = words().any(|w| matches!(w, None | Some(Word::Warming | Word::Dark | Word::Blind)));
        let as_asked = |read: &[Option<Setting>]| {
            self.asked.settings.iter().all(|(port, asked)| read[port.index()].is_some_and(|r| r.same(*asked)))
        };
        let may_end = all_ok && read.is_some_and(as_asked);
        let ready = live && !self.paused && self.asked.settled.is_some();
        let open = ready && !self.is_held_down();
        match steps.get(self.step) {
            Some(Step::Hold(_)) => self.hold.mark(at, live, open && !frozen),
            Some(Step::Ramp { .. }) => self.hold.mark(at, live, open),
            Some(Step::Promote { .. } | Step::HoldUntil { .. }) => self.within.mark(at, live, open),
            _ => {}
        }
        if !ready {
            return;
        }
        let waited = self.waiting.take();
        if !open {
            self.held_down(waited, at);
            return;
        }
        while self.step < steps.len() {
            let done = match &steps[self.step] {
                Step::Run { action, .. } => {
                    if self.step_run.is_none() {
                        self.step_run = Some(StepRun::Running);
                        self.run(*action, RunCause::Step);
                    }
                    self.step_run == Some(StepRun::Succeeded)
                }
                Step::Hold(d) => self.hold.counted(every) >= *d,
                Step::Promote { within, .. } | Step::HoldUntil { within, .. } => {
                    let late = within.filter(|(limit, _)| self.within.counted(every) >= *limit);
                    if let (Some((_, otherwise)), false, false) = (late, holds[self.step], self.within_fired) {
                        self.within_fired = true;
                        self.follow(otherwise, at);
                        return;
                    }
                    holds[self.step] && may_end
                }
                Step::HoldForever => {
                    if may_end {
                        self.stay(at);
                    }
                    false
                }
                ramp @ Step::Ramp { .. } => self.ramp(ramp, may_end, waited, at),
            };
            if !done {
                return;
            }
            // what the last step waits for must be true when the next phase is entered
            if may_end
                && self.step + 1 == steps.len()
                && let Some(on) = self.before_phase(self.phase + 1)
            {
                self.wait(on, waited);
                self.within.mark(at, true, false);
                return;
            }
            self.wrote("step_done");
            self.begin_step(self.step + 1);
            match steps.get(self.step) {
                Some(Step::Hold(_)) => self.hold.mark(at, true, !frozen),
                Some(Step::Ramp { .. }) => self.hold.mark(at, true, true),
                Some(Step::Promote { .. } | Step::HoldUntil { .. }) => self.within.mark(at, true, true),
                _ => {}
            }
        }
        if may_end {
            match self.before_phase(self.phase + 1) {
                Some(on) => self.wait(on, waited),
                None => self.pass(at),
            }
        }
    }

    pub fn begin_step(&mut self, step: usize) {
        self.step = step;
        self.step_run = None;
        self.hold = Watch::default();
        self.within = Watch::default();
        self.within_fired = false;
        self.ramp = None;
    }

    /// A phase from its first step on.
    pub fn begin_phase(&mut self) {
        self.begin_step(0);
        self.anew = false;
        // a ramp that is the first step begins with the phase's settings
        if let Some(Step::Ramp { from, .. }) = self.plan.phases[self.phase].steps.first() {
            self.ramp = Some(*from);
        }
        self.waiting = None;
        self.promoted = false;
        self.elapsed = Watch::default();
    }

    /// The consequence of a step that failed or came too late.
    pub fn follow(&mut self, what: Consequence, at: Time) {
        match what {
            Consequence::Tell | Consequence::Hold => {}
            Consequence::Pause | Consequence::Halt => self.pause(at),
            Consequence::Rollback(None) => self.roll_back(at, Verdict::RolledBack),
            Consequence::Rollback(Some(to)) if to.index() < self.phase => self.roll_back_to(at, to.index()),
            Consequence::Rollback(Some(_)) => {}
        }
    }

    fn pass(&mut self, at: Time) {
        self.wrote("passed");
        self.happened(Happening::Promote, at);
        if self.phase + 1 < self.plan.phases.len() {
            self.enter(self.phase + 1, at);
        } else {
            self.finish(Verdict::Promoted, at);
        }
    }

    pub fn enter(&mut self, phase: usize, at: Time) {
        self.stage = Stage::Phase(PhaseId::at(phase));
        self.phase = phase;
        self.furthest = self.furthest.max(phase);
        self.begin_phase();
        // guards arm before the change is asked for
        self.arm(phase, false);
        self.wrote("entered");
        let settings = self.settings_of(phase);
        if settings == self.asked.settings && self.asked.verified.is_some() && self.asked.epoch > 0 {
            // nothing new: it was read back long ago
            self.asked.settled = None;
            self.count_phase_anew();
        } else {
            self.ask(settings, false, at);
            self.apply();
        }
    }

    pub fn finish(&mut self, verdict: Verdict, at: Time) {
        self.early_snapshot();
        self.stage = Stage::Done(verdict);
        self.paused = false;
        self.wrote("finished");
        self.happened(Happening::Done, at);
        self.did.push(super::Did::Finish(verdict));
    }
}
