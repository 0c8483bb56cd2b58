//! Somebody who looks on while a replay goes its way: it can be stopped at a moment, and what it knows is shown at every check. Whoever
//! looks changes nothing of what is decided.

use super::drive::Driver;
use super::outcome::Outcome;
use super::{Scenario, span};
use crate::engine::{self, Effect, Observation, Stage, State};
use crate::plan::{Answer, Plan, Setting, Time};
use crate::sim::recording::Recording;

/// A check, right after it was made.
pub struct Check<'s> {
    /// When.
    pub at: Time,
    /// What is replayed.
    pub plan: &'s Plan,
    /// What the engine keeps. Operators of an expression that was asked beside the rollout are stepped in it by whoever looks; nothing
    /// else is to be changed.
    pub state: &'s mut State,
    /// What was answered.
    pub answers: &'s [Answer],
    /// What ports were read as.
    pub ports: &'s [Option<Setting>],
    /// What of it is known only while it is made.
    pub(super) kept: engine::Seen,
}

impl Check<'_> {
    /// What `run` keeps of a check, for an explanation of it.
    #[must_use]
    pub fn observation(&self) -> Observation {
        Observation::of(self.plan, self.state, self.kept, self.answers, self.ports)
    }
}

/// Who looks on.
pub(in crate::sim) trait Watch {
    /// A step was made; what it asks for, and the state after it.
    fn happened(&mut self, _at: Time, _state: &State, _effects: &[Effect]) {}

    /// A check was made.
    fn checked(&mut self, check: Check<'_>);

    /// Whether checks behind the end of the rollout are shown as well, as long as the recording goes on. There nothing is decided any
    /// more; sums and values over time go on.
    fn stays(&self) -> bool {
        false
    }
}

/// Looks at checks, and stays.
struct Each<'l>(&'l mut dyn FnMut(Check<'_>));

impl Watch for Each<'_> {
    fn checked(&mut self, check: Check<'_>) {
        (self.0)(check);
    }

    fn stays(&self) -> bool {
        true
    }
}

/// [`super::replay`], with somebody who looks on.
pub(in crate::sim) fn watched(
    plan: &Plan,
    recording: &Recording,
    scenario: &Scenario,
    watch: &mut dyn Watch,
) -> Outcome {
    let mut driver = Driver::new(plan, recording, scenario);
    driver.watch = Some(watch);
    driver.go().0
}

/// [`super::replay`] up to and with the check at or before `until`, shown check by check to `look`: behind the end of the rollout as well, as
/// long as the recording goes on. There nothing is decided any more; sums and values over time go on.
pub fn watch(
    plan: &Plan,
    recording: &Recording,
    scenario: &Scenario,
    until: Option<Time>,
    look: &mut dyn FnMut(Check<'_>),
) -> Outcome {
    let mut each = Each(look);
    let mut driver = Driver::new(plan, recording, scenario);
    driver.until = until.unwrap_or(Time::MAX);
    driver.watch = Some(&mut each);
    driver.go().0
}

impl Driver<'_> {
    /// Shows a check. `over`: the rollout was over before it, and its sums have not been told of it.
    pub(super) fn show(&mut self, at: Time, kept: engine::Seen, over: bool) {
        let Some(watch) = &mut self.watch else { return };
        let answers = self.life.answers.now();
        if over && watch.stays() {
            engine::go_by(self.plan, &mut self.life.state, at, answers);
        }
        watch.checked(Check { at, plan: self.plan, state: &mut self.life.state, answers, ports: &self.ports, kept });
    }

    /// Whether the rollout is not in a phase any more: checks decide nothing.
    pub(super) fn is_over(&self) -> bool {
        !matches!(self.life.state.stage, Stage::Phase(_) | Stage::Idle)
    }

    /// What is recorded behind the end of the rollout, for somebody who looks on.
    pub(super) fn look_on(&mut self) {
        if !self.watch.as_ref().is_some_and(|w| w.stays()) {
            return;
        }
        let every = self.plan.check_every.max(1);
        let end = span(self.recording).1.min(self.until);
        while let Some(at) = self.last.checked_add(every).filter(|at| *at <= end) {
            let (recorded, exposure) = (self.recorded, self.exposure());
            self.life.look(at, recorded, exposure);
            self.ports.iter_mut().for_each(|p| *p = None);
            let kept = engine::Seen::of_tick(&self.life.state, &self.ports, 0, true);
            self.last = at;
            self.show(at, kept, true);
        }
    }
}
