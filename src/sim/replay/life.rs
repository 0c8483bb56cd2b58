//! A plan on its way through a recording: the engine's state, and what it is answered.

use super::answers::Answers;
use super::inject::Injected;
use crate::engine::{Effect, Input, State, since, step};
use crate::plan::{Answer, Plan, PortId, Setting, Time};
use crate::sim::recording::Recording;

/// A plan on its way through the recording.
pub(super) struct Life<'a> {
    pub(super) plan: &'a Plan,
    pub(super) state: State,
    pub(super) answers: Answers<'a>,
    /// What the last step asks for.
    pub(super) effects: Vec<Effect>,
}

impl<'a> Life<'a> {
    pub(super) fn new(plan: &'a Plan, recording: &'a Recording, injected: Vec<Injected>) -> Self {
        Self { plan, state: State::new(plan), answers: Answers::new(plan, recording, injected), effects: Vec::new() }
    }

    pub(super) fn look(&mut self, at: Time, recorded: bool, exposure: f64) {
        let (plan, state) = (self.plan, &self.state);
        let answered = |input| since(plan, state, input);
        self.answers.look(at, if recorded { None } else { Some(&answered) }, exposure);
    }

    pub(super) fn start(
        &mut self,
        at: Time,
        originals: Vec<(PortId, Setting)>,
        before: Vec<Option<Answer>>,
        back: Option<Time>,
    ) {
        let answers = self.answers.now();
        let input = Input::Start { at, originals, answers, baseline: before, rolled_back: back };
        step(self.plan, &mut self.state, input, &mut self.effects);
    }

    pub(super) fn tick(&mut self, at: Time, ports: &[Option<Setting>], ports_epoch: u32, live: bool) {
        let answers = self.answers.now();
        let input = Input::Tick { at, answers, ports, ports_epoch, live };
        step(self.plan, &mut self.state, input, &mut self.effects);
    }

    pub(super) fn tell(&mut self, input: Input<'_>) {
        step(self.plan, &mut self.state, input, &mut self.effects);
    }

    /// What the last step wants of the world.
    pub(super) fn wants(&self) -> impl Iterator<Item = &Effect> {
        self.effects
            .iter()
            .filter(|e| matches!(e, Effect::Apply { .. } | Effect::Run { .. } | Effect::CancelRuns | Effect::Finish(_)))
    }
}
