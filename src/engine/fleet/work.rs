//! What a step works with: one life at a time in a state that is used again and again, so that a check in which nothing happens
//! allocates nothing.

use super::Fleet;
use crate::engine::state::State;
use crate::engine::step::Effect;
use crate::plan::{Act, Ask, Consequence, Node, Plan, Time, Trigger, Window};
use std::num::NonZero;

/// The desks of a [`Fleet`]; no part of its state.
#[derive(Debug)]
pub(super) struct Desk {
    /// What every step works with.
    pub first: Option<Box<Work>>,
    /// What other threads work with.
    pub others: Vec<Work>,
    /// So many threads may compute a check.
    pub threads: NonZero<usize>,
}

impl Default for Desk {
    fn default() -> Self {
        Self { first: None, others: Vec::new(), threads: NonZero::<usize>::MIN }
    }
}

impl Clone for Desk {
    fn clone(&self) -> Self {
        Self { threads: self.threads, ..Self::default() }
    }
}

impl PartialEq for Desk {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// One life, what it wants done, and what is to be known of the plan for all of them.
#[derive(Debug)]
pub(super) struct Work {
    /// The plan that it was made for.
    pub hash: String,
    /// The life under the hand.
    pub state: State,
    /// What it wants done.
    pub effects: Vec<Effect>,
    /// A life as it was before this check, where another may halt it.
    pub before: State,
    /// Sums of disjoint increments, with their inputs.
    pub sums: Vec<(usize, usize)>,
    /// Inputs of sums that were answered for somebody at this check.
    pub answered: Vec<usize>,
    /// Reactions whose limit counts over all lives.
    pub limited: Vec<usize>,
    /// How often each of them has run at this check.
    pub counted: Vec<usize>,
    /// `every d` and `at …`: the run's, with what a life is told has come due.
    pub timed: Vec<(usize, i64)>,
    /// Whether a rule of one life can halt all of them, or throw a switch for all.
    pub joins: bool,
}

impl Work {
    pub fn new(plan: &Plan) -> Self {
        let since_last = |i: usize| {
            plan.inputs.get(i).is_some_and(|i| {
                matches!(i.ask, Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast))
            })
        };
        let sums = plan.program.nodes.iter().filter_map(|n| match *n {
            Node::Accumulated { input, slot, .. } if since_last(input.index()) => Some((slot as usize, input.index())),
            _ => None,
        });
        let reactions = || plan.reactions.iter().enumerate();
        let limited = reactions().filter(|(_, r)| matches!(r.act, Act::Run { limit: Some(_), .. }));
        let timed = reactions().filter(|(_, r)| matches!(r.trigger, Trigger::Every(_) | Trigger::At(_)));
        Self {
            hash: plan.hash.clone(),
            state: State::new(plan),
            effects: Vec::new(),
            before: State::new(plan),
            sums: sums.collect(),
            answered: Vec::new(),
            limited: limited.map(|(i, _)| i).collect(),
            counted: Vec::new(),
            timed: timed.map(|(i, _)| (i, i64::MAX)).collect(),
            joins: plan.switches.iter().any(|s| s.for_all)
                || plan.guards.iter().any(|g| g.otherwise == Consequence::Halt)
                || plan.no_data.otherwise == Consequence::Halt
                || plan.phases.iter().flat_map(|p| &p.steps).any(|s| s.otherwise() == Some(Consequence::Halt)),
        }
    }

    /// Puts what is the run's into a loaded life, so that its step counts with it.
    pub fn lend(&mut self, fleet: &mut Fleet) {
        for i in &self.limited {
            if let (Some(life), Some(run)) = (self.state.reactions.get_mut(*i), fleet.reactions.get_mut(*i)) {
                std::mem::swap(&mut life.runs, &mut run.runs);
            }
        }
        self.tell_time();
    }

    /// What has come due by the run's clock.
    pub fn tell_time(&mut self) {
        for (i, due) in &self.timed {
            if let Some(life) = self.state.reactions.get_mut(*i) {
                life.due = *due;
            }
        }
    }

    /// Notes how often each limited reaction has run at this check so far.
    pub fn count_runs(&mut self, fleet: &Fleet, at: Time) {
        let Self { counted, limited, .. } = self;
        counted.clear();
        let runs =
            limited.iter().map(|i| fleet.reactions.get(*i).map_or(0, |r| r.runs.iter().filter(|t| **t == at).count()));
        counted.extend(runs);
    }

    /// Takes it back.
    pub fn unload(&mut self, fleet: &mut Fleet) {
        for i in &self.limited {
            if let (Some(life), Some(run)) = (self.state.reactions.get_mut(*i), fleet.reactions.get_mut(*i)) {
                std::mem::swap(&mut life.runs, &mut run.runs);
            }
        }
        self.forget_time();
    }

    /// No life keeps the run's clock.
    pub fn forget_time(&mut self) {
        for (i, _) in &self.timed {
            if let Some(life) = self.state.reactions.get_mut(*i) {
                life.due = 0;
            }
        }
    }

    /// Whether a life can change what another one's check comes to: then they are checked one after the other.
    pub fn joins_lives(&self) -> bool {
        self.joins || !self.limited.is_empty()
    }

    /// Notes which sums' inputs the life on the desk was answered at a check.
    pub fn note_answered(&mut self, at: Time) {
        for &(_, input) in &self.sums {
            let answered = self.state.answered.get(input).copied().flatten() == Some(at);
            if answered && !self.answered.contains(&input) {
                self.answered.push(input);
            }
        }
    }

    /// The question for all slices, last answered to anybody at `answered`, went on while this life had no answer: what was counted
    /// between is lost to it.
    pub fn mind_the_gap(&mut self, answered: &[Option<Time>]) {
        for &(slot, input) in &self.sums {
            let covered = self.state.answered.get(input).copied().flatten().max(self.state.started);
            let last = self.state.last;
            if let (Some(asked), Some(covered)) = (answered.get(input).copied().flatten(), covered)
                && asked > covered
                && let Some(sum) = self.state.accumulators.get_mut(slot)
                // what was lost up to the last check lies before a sum that has started anew since
                && !(sum.fresh && last.is_some_and(|last| asked <= last))
                // and was minded at the first check behind it
                && last.is_none_or(|last| asked >= last)
            {
                sum.short = true;
            }
        }
    }
}
