//! A test of a recording: the replay of `canary sim`, noted as the run of any other test is, so that the same words judge it.

use super::life::{note, row};
use super::recording::Recording;
use super::replay::{self, Injection, Scenario, Watch, inject};
use super::trace::Trace;
use super::{coverage::Seen, runner};
use crate::check::tests::Test;
use crate::engine::{Effect, Given, State};
use crate::plan::{Millis, Plan, PortId, Time, show};

/// A test, and the recording that it names.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The test.
    pub test: &'a Test,
    /// What `given recording` names; none where the test has no such line.
    pub recording: Option<&'a Recording>,
    /// The plan that the recorded run had, where the recording's file has it.
    pub then: Option<&'a Plan>,
}

impl Case<'_> {
    /// Why this cannot be run, with a way out.
    #[must_use]
    pub fn misfit(&self) -> Option<String> {
        let of = self.test.recording.as_ref()?;
        let Some(recording) = self.recording else { return Some(format!("`{}` is not there", of.file)) };
        let plan = &self.test.plan;
        let wrong = |text: &String| inject::parse(text, plan).err().map(|e| format!("`inject \"{text}\"`: {e}"));
        if let Some(why) = of.injections.iter().find_map(|(text, _)| wrong(text)) {
            return Some(why);
        }
        replay::misfit_watched(plan, recording, &self.scenario(plan)).map(|why| format!("`{}`: {why}", of.file))
    }

    /// Runs it on a plan: its own, or one that differs from it in a rule.
    #[must_use]
    pub fn run(&self, plan: &Plan) -> Trace {
        match self.recording {
            None => runner::run(self.test, plan),
            Some(recording) => self.watched(plan, recording, None).trace,
        }
    }

    /// The state right after the last check at or before `at`: of a slice by its place in [`Trace::slices`], of a rollout without
    /// slices for `None`.
    #[must_use]
    pub fn look(&self, plan: &Plan, slice: Option<usize>, at: Millis) -> State {
        match self.recording {
            None => runner::look(self.test, plan, slice, at),
            Some(recording) => self.watched(plan, recording, Some(at)).state.unwrap_or_else(|| State::new(plan)),
        }
    }

    /// What the recording could not know, and what was taken instead, a line each; of a test without a recording nothing.
    #[must_use]
    pub fn assumed(&self, plan: &Plan) -> Vec<String> {
        let Some(recording) = self.recording else { return Vec::new() };
        let outcome = replay::replay(plan, recording, &self.scenario(plan));
        let since =
            |at: Option<Time>| at.map_or_else(String::new, |t| format!("from {}: ", show::duration(t - outcome.start)));
        outcome.assumptions.iter().map(|a| format!("{}{}", since(a.since), a.text)).collect()
    }

    fn scenario(&self, plan: &Plan) -> Scenario {
        let injections = self.test.recording.iter().flat_map(|r| &r.injections);
        // what cannot be read was refused by `misfit`
        let injections: Vec<Injection> = injections.filter_map(|(text, _)| inject::parse(text, plan).ok()).collect();
        // a plan that a mutant differs from may be the one that the run had
        let own = self.recording.is_some_and(|r| r.about.policy == self.test.plan.hash);
        let then = if own { Some(Plan::clone(&self.test.plan)) } else { self.then.cloned() };
        Scenario { start: self.test.starts, unchanged: then, injections, ..Scenario::default() }
    }

    fn watched<'p>(&self, plan: &'p Plan, recording: &Recording, look: Option<Millis>) -> Watcher<'p> {
        let scenario = self.scenario(plan);
        let start = replay::first_check(recording, scenario.start);
        let trace = Trace {
            rows: Vec::new(),
            marks: Vec::new(),
            guards: plan.guards.len(),
            ports: Vec::new(),
            events: Vec::new(),
            end: 0,
            verdict: None,
            seen: Seen::of(plan),
            slices: Vec::new(),
        };
        let mut watcher = Watcher { plan, start, trace, look, state: None };
        let outcome = replay::watched(plan, recording, &scenario, &mut watcher);
        let every = plan.check_every;
        let trace = &mut watcher.trace;
        trace.end = trace.rows.last().map_or(0, |r| r.at);
        for (i, port) in outcome.ports.iter().enumerate() {
            let read = port.observed.iter().map(|(t, is)| (check_at(start, every, *t), PortId::at(i), *is));
            trace.ports.extend(read);
        }
        trace.ports.sort_by_key(|(t, p, _)| (*t, p.index()));
        watcher
    }
}

/// The check, counted from the first one, at which a test sees what happened at a moment: what came between two checks is seen at
/// the second.
pub(super) fn check_at(start: Time, every: Millis, at: Time) -> Millis {
    let every = every.max(1);
    let since = at.saturating_sub(start).max(0);
    since.saturating_add(every - 1).div_euclid(every).saturating_mul(every)
}

/// Notes a replay.
struct Watcher<'p> {
    plan: &'p Plan,
    start: Time,
    trace: Trace,
    /// Until when states are looked at, and the newest of them.
    look: Option<Millis>,
    state: Option<State>,
}

impl Watcher<'_> {
    fn row(&mut self, at: Millis, state: &State) {
        if self.trace.rows.last().is_some_and(|r| r.at == at) {
            self.trace.rows.pop();
            let marks = self.trace.rows.len() * self.trace.guards;
            self.trace.marks.truncate(marks);
        }
        row(&mut self.trace, at, state, |_| false);
        self.trace.verdict = state.verdict();
    }
}

impl Watch for Watcher<'_> {
    fn happened(&mut self, at: Time, state: &State, effects: &[Effect]) {
        self.trace.seen.happened(self.plan, state, effects);
        let at = check_at(self.start, self.plan.check_every, at);
        for effect in effects {
            note(self.plan, at, effect.clone(), &mut self.trace.events);
        }
        // when it is over nobody checks any more: how it ended is seen where the next check would have been
        if state.verdict().is_some() && self.trace.rows.last().is_some_and(|r| r.at < at) {
            self.row(at, state);
        }
    }

    fn checked(&mut self, check: replay::Check<'_>) {
        let state = &*check.state;
        let first = self.trace.rows.is_empty();
        let at = check_at(self.start, self.plan.check_every, check.at);
        let none = Given::default();
        if first {
            self.trace.seen.started(state, &none);
        } else {
            self.trace.seen.checked(self.plan, state, &none);
        }
        self.row(at, state);
        if self.look.is_some_and(|until| at <= until) {
            self.state = Some(state.clone());
        }
    }
}
