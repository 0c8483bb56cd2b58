//! The runner on virtual time: the checks one after the other, and between them what the world does.

use super::catch_up;
use super::life::{Life, Lines, operator, why};
use super::sliced::Sliced;
use super::trace::Trace;
use super::world;
use crate::check::tests::Test;
use crate::engine::{Effect, Input, Stage, State, since, step_given};
use crate::plan::{Millis, Plan, Time};

/// When the first check of a test is that does not say: the first second of 2026, UTC.
const BEGINNING: Time = 1_767_225_600_000;
/// How long a test goes on behind the last time that it names.
const AFTER: Millis = 3_600_000;

/// Runs a test on a plan: its own, or one that differs from it in a rule.
#[must_use]
pub fn run(test: &Test, plan: &Plan) -> Trace {
    if !plan.slices.is_empty() {
        return Sliced::new(test, plan).run();
    }
    let mut runner = Runner::new(test, plan);
    runner.go(None);
    runner.life.trace
}

/// The state right after the last check at or before `at`: of a slice by its place in [`Trace::slices`], of a rollout without
/// slices for `None`.
#[must_use]
pub fn look(test: &Test, plan: &Plan, slice: Option<usize>, at: Millis) -> State {
    if let Some(slice) = slice {
        return Sliced::new(test, plan).look(slice, at);
    }
    let mut runner = Runner::new(test, plan);
    runner.go(Some(at));
    runner.state
}

/// The moment of a test's first check.
#[must_use]
pub fn beginning(test: &Test) -> Time {
    test.starts.unwrap_or(BEGINNING)
}

/// The last moment at which a test can have a check: an hour after the last time that it names.
pub(super) fn limit(test: &Test) -> Millis {
    test.last_named.unwrap_or(0).saturating_add(AFTER)
}

struct Runner<'t> {
    test: &'t Test,
    plan: &'t Plan,
    start: Time,
    state: State,
    life: Life<'t>,
    /// Room for a step's effects.
    effects: Vec<Effect>,
}

impl<'t> Runner<'t> {
    fn new(test: &'t Test, plan: &'t Plan) -> Self {
        let start = beginning(test);
        let life = Life::new(test, plan, start, Lines::all(test));
        Self { test, plan, start, state: State::new(plan), life, effects: Vec::new() }
    }

    /// Goes through the checks until the run is over, or the test, or the check at `until` was made.
    fn go(&mut self, until: Option<Millis>) {
        let every = self.plan.check_every.max(1);
        let limit = limit(self.test).min(until.unwrap_or(Millis::MAX));
        self.life.world.at(0, &|_| None, true);
        let originals = self.life.originals();
        let (answers, baseline) = (self.life.world.answers().to_vec(), self.life.world.baseline());
        let rolled_back = self.test.rolled_back.map(|ago| self.start - ago);
        let input = Input::Start { at: self.start, originals, answers: &answers, baseline, rolled_back };
        self.feed(0, input);
        self.life.trace.seen.started(&self.state, &self.life.world.given());
        self.life.row(0, &self.state);
        let mut at = every;
        while at <= limit && self.state.verdict().is_none() {
            if let Some(stop) = self.test.stops.iter().find(|s| s.holds(at)).copied() {
                at = self.recover(at, stop.to);
                continue;
            }
            self.between(at);
            if self.state.verdict().is_none() {
                self.tick(at, true);
            } else {
                // nobody checks any more; what was read back last stays readable
                self.life.read(at);
            }
            self.life.row(at, &self.state);
            at += every;
        }
        self.life.trace.end = self.life.trace.rows.last().map_or(0, |r| r.at);
        self.life.trace.verdict = self.state.verdict();
    }

    /// The runner is gone until `to`; actions go down with it. Then it asks for the checks that it has missed, as far as sources
    /// can still be asked. Returns the next check that it makes at its time.
    fn recover(&mut self, from: Millis, to: Millis) -> Millis {
        let every = self.plan.check_every.max(1);
        self.life.stopped();
        self.act(to, from);
        self.feed(to, Input::Recovered { at: self.start + to });
        let mut at = catch_up::first_asked(from, to - every, every);
        while at <= to - every
            && matches!(self.state.stage, Stage::Phase(_))
            && world::has_history(self.test, self.plan, at)
        {
            self.tick(at, false);
            self.life.row(at, &self.state);
            at += every;
        }
        back(from, to, every)
    }

    /// What happens just before the check at `at`, in a fixed order: actions end, people speak, requests are read back.
    fn between(&mut self, at: Millis) {
        let just = self.start + at - 1;
        for e in self.life.ended(at) {
            let ended = Input::ActionEnded { at: just, token: e.token, ok: e.ok, how: e.how, output: String::new() };
            self.feed(at, ended);
        }
        self.act(at, at - self.plan.check_every.max(1) + 1);
        if let Some((epoch, read)) = self.life.verified(at) {
            self.feed(at, Input::Verified { at: just, epoch, read });
        }
    }

    /// What people and others have done from `from` up to the check at `at`.
    fn act(&mut self, at: Millis, from: Millis) {
        let test = self.test;
        for line in test.acts.iter().filter(|l| (from..=at).contains(&l.at)) {
            let (act, who, why) = (operator(line.act), line.who.clone(), why(line.act));
            self.feed(at, Input::Operator { at: self.start + at - 1, act, who, why });
        }
        self.life.drift(at, from);
    }

    fn tick(&mut self, at: Millis, live: bool) {
        self.life.world.at(at, &|input| since(self.plan, &self.state, input), live);
        let (ports, ports_epoch) = self.life.ports(at, &self.state, live);
        if live {
            self.life.read(at);
        }
        let answers = self.life.world.answers().to_vec();
        self.feed(at, Input::Tick { at: self.start + at, answers: &answers, ports: &ports, ports_epoch, live });
        self.life.trace.seen.checked(self.plan, &self.state, &self.life.world.given());
    }

    fn feed(&mut self, at: Millis, input: Input<'_>) {
        step_given(self.plan, &mut self.state, input, self.life.world.given(), &mut self.effects);
        self.life.perform(at, &self.state, &mut self.effects);
    }
}

/// The first check at its time after a stop: checks stand on one grid, whenever the runner comes back.
pub(super) fn back(from: Millis, to: Millis, every: Millis) -> Millis {
    from + (to - from + every - 1).div_euclid(every) * every
}
