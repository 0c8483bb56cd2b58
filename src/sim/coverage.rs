//! What tests exercise of a plan: each side of each guard, each consequence, each phase, gate and reaction.

use crate::engine::truth::Truth;
use crate::engine::{Effect, Given, Record, Stage, State, Verdict, Word};
use crate::plan::{Consequence, GuardId, Happening, Plan, Step, Trigger};
use std::collections::BTreeSet;

/// One thing that a test can exercise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A guard was ok on values.
    GuardOk(usize),
    /// A guard was false on values.
    GuardFalse(usize),
    /// A guard's tolerance was used up: its consequence followed.
    Consequence(usize),
    /// A phase was entered.
    Entered(usize),
    /// A phase ended well.
    Passed(usize),
    /// A `promote when` was true.
    Met(usize),
    /// A `promote when` was not true while it was asked.
    NotMet(usize),
    /// `within` passed and its consequence followed.
    Within(usize),
    /// An awaited action did not succeed, by phase and step.
    RunFailed(usize, usize),
    /// A preflight condition was true on values.
    RequireMet(usize),
    /// A preflight condition refused the start.
    RequireNotMet(usize),
    /// `no data` had its consequence.
    NoData,
    /// `cooldown` refused the start.
    Cooldown,
    /// A reaction fired.
    Reaction(usize),
}

/// Everything that can be exercised of a plan, in the order of the policy.
#[must_use]
pub fn points(plan: &Plan) -> Vec<Point> {
    let mut out = Vec::new();
    out.extend(plan.cooldown.map(|_| Point::Cooldown));
    for i in 0..plan.requires.len() {
        out.extend([Point::RequireMet(i), Point::RequireNotMet(i)]);
    }
    if !plan.inputs.is_empty() && plan.no_data.otherwise != Consequence::Hold {
        out.push(Point::NoData);
    }
    for i in 0..plan.guards.len() {
        out.extend([Point::GuardOk(i), Point::GuardFalse(i), Point::Consequence(i)]);
    }
    for (i, phase) in plan.phases.iter().enumerate() {
        out.push(Point::Entered(i));
        for (j, step) in phase.steps.iter().enumerate() {
            match step {
                Step::Promote { within, .. } => {
                    out.extend([Point::Met(i), Point::NotMet(i)]);
                    out.extend(within.map(|_| Point::Within(i)));
                }
                Step::HoldUntil { within, .. } => out.extend(within.map(|_| Point::Within(i))),
                Step::Run { .. } => out.push(Point::RunFailed(i, j)),
                Step::Hold(_) | Step::HoldForever | Step::Ramp { .. } => {}
            }
        }
        // nobody leaves a phase that lasts for ever
        if !phase.steps.iter().any(|s| matches!(s, Step::HoldForever)) {
            out.push(Point::Passed(i));
        }
    }
    out.extend((0..plan.reactions.len()).map(Point::Reaction));
    out
}

/// What a point is, in words.
#[must_use]
pub fn describe(plan: &Plan, point: Point) -> String {
    let guard = |i: usize| plan.guard_name(GuardId::at(i)).to_owned();
    let phase = |i: usize| plan.phases.get(i).map_or("?", |p| p.name.as_str()).to_owned();
    match point {
        Point::GuardOk(i) => format!("guard {} is never ok on values", guard(i)),
        Point::GuardFalse(i) => format!("guard {} is never false", guard(i)),
        Point::Consequence(i) => {
            let word = plan.guards.get(i).map_or("?", |g| g.otherwise.word());
            format!("guard {}'s tolerance is never used up: `else {word}`", guard(i))
        }
        Point::Entered(i) => format!("phase {} is never entered", phase(i)),
        Point::Passed(i) => format!("phase {} is never passed", phase(i)),
        Point::Met(i) => format!("phase {}: `promote when` is never met", phase(i)),
        Point::NotMet(i) => format!("phase {}: `promote when` never keeps it waiting", phase(i)),
        Point::Within(i) => format!("phase {}: `within` never passes", phase(i)),
        Point::RunFailed(i, j) => {
            let step = plan.phases.get(i).and_then(|p| p.steps.get(j));
            let text = step.map_or_else(String::new, |s| crate::engine::step_text(plan, s));
            format!("phase {}: `{text}` never fails", phase(i))
        }
        Point::RequireMet(i) => {
            format!("`require {}` is never met on values", plan.requires.get(i).map_or("?", |r| r.text.as_str()))
        }
        Point::RequireNotMet(i) => {
            format!("`require {}` never refuses the start", plan.requires.get(i).map_or("?", |r| r.text.as_str()))
        }
        Point::NoData => format!("`no data … else {}` never follows", plan.no_data.otherwise.word()),
        Point::Cooldown => String::from("`cooldown` never refuses the start"),
        Point::Reaction(i) => format!("`{}` never fires", plan.reactions.get(i).map_or("?", |r| r.text.as_str())),
    }
}

/// What a run has exercised.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    points: BTreeSet<Point>,
    happened: BTreeSet<u8>,
    requires: usize,
}

impl Seen {
    pub(super) fn of(plan: &Plan) -> Self {
        Self { requires: plan.requires.len(), ..Self::default() }
    }

    /// What was exercised.
    #[must_use]
    pub fn points(&self) -> &BTreeSet<Point> {
        &self.points
    }

    /// The start: what it did not assume it has looked at.
    pub(super) fn started(&mut self, state: &State, given: &Given<'_>) {
        if state.stage != Stage::Done(Verdict::Refused) {
            self.points.extend((0..self.requires).filter(|i| !given.grants(*i)).map(Point::RequireMet));
        }
    }

    /// A check.
    pub(super) fn checked(&mut self, plan: &Plan, state: &State, given: &Given<'_>) {
        for (i, g) in state.guards.iter().enumerate() {
            if !g.active || given.assumes(GuardId::at(i)) {
                continue;
            }
            match g.word {
                Some(Word::Ok) => self.points.insert(Point::GuardOk(i)),
                Some(Word::Failing | Word::Breached) => self.points.insert(Point::GuardFalse(i)),
                _ => false,
            };
        }
        if let (Stage::Phase(phase), true) = (state.stage, state.target.settled.is_some())
            && let Some(Step::Promote { .. }) = plan.phases.get(phase.index()).and_then(|p| p.steps.get(state.step))
            && let Some(truth) = state.promote.get(state.step)
        {
            let i = phase.index();
            self.points.insert(if *truth == Truth::True { Point::Met(i) } else { Point::NotMet(i) });
        }
    }

    /// A step's effects, and the state after it.
    pub(super) fn happened(&mut self, plan: &Plan, state: &State, effects: &[Effect]) {
        for (i, g) in state.guards.iter().enumerate() {
            if g.fired {
                self.points.insert(Point::Consequence(i));
                self.note(Happening::Breach);
            }
            if g.active && matches!(g.word, Some(Word::Blind | Word::Dark)) {
                self.note(Happening::Blind);
            }
        }
        if state.no_data_fired {
            self.points.insert(Point::NoData);
        }
        for effect in effects {
            match effect {
                Effect::Record(r) => self.record(plan, state, r),
                Effect::Finish(v) if *v != Verdict::Refused => self.note(Happening::Done),
                _ => {}
            }
        }
        for (i, (reaction, r)) in plan.reactions.iter().zip(&state.reactions).enumerate() {
            let fired = match &reaction.trigger {
                Trigger::On(list) => list.iter().any(|h| self.happened.contains(&(*h as u8))),
                _ => r.due > 0,
            };
            if fired {
                self.points.insert(Point::Reaction(i));
            }
        }
    }

    fn note(&mut self, h: Happening) {
        self.happened.insert(h as u8);
    }

    fn record(&mut self, plan: &Plan, state: &State, record: &Record) {
        let phase = |name: &str| plan.phases.iter().position(|p| p.name == name);
        match record {
            Record::Refused { reasons } => {
                for reason in reasons {
                    if reason.starts_with("cooldown") {
                        self.points.insert(Point::Cooldown);
                    }
                    let of = |r: &crate::plan::Require| reason.starts_with(&format!("`require {}` is not", r.text));
                    self.points.extend(
                        plan.requires.iter().enumerate().filter(|(_, r)| of(r)).map(|(i, _)| Point::RequireNotMet(i)),
                    );
                }
            }
            Record::Entered { phase: name, .. } => self.points.extend(phase(name).map(Point::Entered)),
            Record::Passed { phase: name, .. } => {
                let i = phase(name);
                self.points.extend(i.map(Point::Passed));
                let promotes = |i: &usize| {
                    plan.phases.get(*i).is_some_and(|p| p.steps.iter().any(|s| matches!(s, Step::Promote { .. })))
                };
                self.points.extend(i.filter(promotes).map(Point::Met));
                self.note(Happening::Promote);
            }
            Record::Paused { explanation } => {
                self.note(Happening::Pause);
                self.stopped(plan, state, explanation);
            }
            Record::Rollback { explanation, .. } => {
                self.note(Happening::Rollback);
                self.stopped(plan, state, explanation);
            }
            Record::KillSwitch { .. } => self.note(Happening::Kill),
            Record::Promoted { .. } => self.note(Happening::Promote),
            _ => {}
        }
    }

    /// A phase's own rule has stopped the run.
    fn stopped(&mut self, plan: &Plan, state: &State, why: &crate::engine::Explanation) {
        match why.kind.as_str() {
            "within" => {
                self.points.extend(plan.phases.iter().position(|p| p.name == why.rule).map(Point::Within));
            }
            "action" => {
                let steps = plan.phases.get(state.phase.index()).map_or(&[][..], |p| p.steps.as_slice());
                for (j, s) in steps.iter().enumerate() {
                    if matches!(s, Step::Run { action, .. } if plan.action_name(*action) == why.rule) {
                        self.points.insert(Point::RunFailed(state.phase.index(), j));
                    }
                }
            }
            _ => {}
        }
    }
}
