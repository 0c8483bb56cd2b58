//! A replay of the present: the engine's step on answers as they come in, with nobody who does what it asks for. What it takes for
//! granted is what a replay over answers alone takes for granted, by the same code.

use super::assumed::MADE_UP;
use super::outcome::{Decision, Outcome};
use super::track::{Detail, Track};
use crate::engine::{Effect, Input, Stage, State, step};
use crate::plan::{Answer, Plan, Setting, Time};
use crate::sim::hands::{Ended, Hands};

/// A rollout that is watched and not made.
pub struct Live<'p> {
    plan: &'p Plan,
    state: State,
    hands: Hands,
    track: Track,
    effects: Vec<Effect>,
    ports: Vec<Option<Setting>>,
}

impl<'p> Live<'p> {
    /// The start at the first check: what every input was answered then, and what those of the baseline were.
    #[must_use]
    pub fn start(plan: &'p Plan, at: Time, answers: &[Answer], baseline: Vec<Option<Answer>>) -> Self {
        let mut out = Self {
            plan,
            state: State::new(plan),
            hands: Hands::untouched(plan),
            track: Track::new(plan, at, at, Detail::Full),
            effects: Vec::new(),
            ports: vec![None; plan.ports.len()],
        };
        for text in ASSUMED {
            out.track.assume(None, (*text).replace("{made up}", MADE_UP));
        }
        if plan.cooldown.is_some() {
            out.track.assume(
                None,
                String::from("it was not rolled back lately: what the store knows of `cooldown` is not read"),
            );
        }
        if !plan.groups.is_empty() {
            out.track.assume(None, String::from("nobody approves anything"));
        }
        out.track.ports_assumed(at);
        let originals: Vec<_> = out.hands.ports().collect();
        for (port, is) in &originals {
            out.track.observed(at, *port, *is);
        }
        out.feed(at, Input::Start { at, originals, answers, baseline, rolled_back: None });
        out.track.checked(at, &out.state);
        out
    }

    /// A check at its planned time.
    pub fn check(&mut self, at: Time, answers: &[Answer]) {
        let just = at - 1;
        for e in self.hands.ended(|_, _| Some(Ended::well())) {
            let input = Input::ActionEnded { at: just, token: e.token, ok: e.ok, how: e.how, output: String::new() };
            self.feed(just, input);
        }
        if let Some((epoch, read)) = self.hands.verified(|_| false) {
            for (port, is) in &read {
                self.track.observed(just, *port, *is);
            }
            self.feed(just, Input::Verified { at: just, epoch, read });
        }
        if self.is_over() {
            return;
        }
        let target = &self.state.target;
        let ports_epoch = if target.verified.is_some() { target.epoch } else { 0 };
        for (slot, (_, is)) in self.ports.iter_mut().zip(self.hands.ports()) {
            *slot = Some(is);
        }
        let ports = std::mem::take(&mut self.ports);
        self.feed(at, Input::Tick { at, answers, ports: &ports, ports_epoch, live: true });
        self.ports = ports;
        self.track.checked(at, &self.state);
    }

    /// The engine's state.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Everything that was decided so far.
    #[must_use]
    pub fn decisions(&self) -> &[Decision] {
        self.track.decisions()
    }

    /// Whether nothing more can come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.state.verdict().is_some()
    }

    /// What came of it. A rollback under way is seen to its end: that needs no answers.
    #[must_use]
    pub fn outcome(mut self) -> Outcome {
        let none = vec![Answer::missing(crate::plan::Missing::NotAsked); self.plan.inputs.len()];
        let every = self.plan.check_every.max(1);
        for _ in 0..super::drive::TAIL {
            if !matches!(self.state.stage, Stage::RollingBack(_)) {
                break;
            }
            let last = self.state.last.unwrap_or_default();
            self.check(last.saturating_add(every), &none);
        }
        self.track.stopped(&self.state)
    }

    fn feed(&mut self, at: Time, input: Input<'_>) {
        step(self.plan, &mut self.state, input, &mut self.effects);
        for effect in std::mem::take(&mut self.effects) {
            if matches!(effect, Effect::Run { .. }) {
                self.track
                    .assume(Some(at), String::from("actions end well, just before the check after they were begun"));
            }
            self.hands.does(at, &effect);
            self.track.happened(at, effect);
        }
    }
}

/// What holds all along.
const ASSUMED: &[&str] = &[
    "nothing is set, and nothing is taken to be exposed at the start: {made up}",
    "the numbers are those of the world as it is, whatever exposure that has, and not of what a phase asks for",
    "no action is run, and nobody is told",
];
