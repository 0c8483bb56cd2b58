//! What a life shares with the others of its run.

use super::Reference;
use canary::plan::{Act, Ask, InputId, Node, Time, Window};

impl Reference<'_> {
    /// Every `Increase` that is asked for since the last check, by sum.
    fn sums(&self) -> Vec<(usize, InputId)> {
        let nodes = self.plan.program.nodes.iter().filter_map(|n| match *n {
            Node::Accumulated { input, slot, .. } => Some((slot as usize, input)),
            _ => None,
        });
        let since_last = |(_, i): &(usize, InputId)| {
            matches!(
                self.plan.inputs[i.index()].ask,
                Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast)
            )
        };
        nodes.filter(since_last).collect()
    }

    /// The question was last answered to anybody then: what lies between that and this life's own last answer is lost to it.
    pub fn mind_the_gap(&mut self, asked: &[Option<Time>]) {
        for (slot, input) in self.sums() {
            let answered = self.answered[input.index()].unwrap_or(self.started).max(self.started);
            // what came before the sum began is nothing to it
            let began = self.counted_from[slot].checked_sub(1).map(|i| self.checks[i]);
            if asked[input.index()].is_some_and(|t| t > answered && began.is_none_or(|b| t > b)) {
                self.short[slot] = Some(self.increments[slot].len());
            }
        }
    }

    pub fn is_short(&self, slot: usize) -> bool {
        self.short[slot].is_some_and(|i| i >= self.counted_from[slot])
    }

    /// A person resumes it: what could not be counted is no reason to stay.
    pub fn count_short_sums_anew(&mut self) {
        for slot in 0..self.short.len() {
            if self.paused && self.is_short(slot) {
                self.counted_from[slot] = self.increments[slot].len();
                if self.goals_from[slot].is_some() {
                    self.goals_from[slot] = Some(self.increments[slot].len());
                }
            }
        }
    }

    /// Takes over what is the run's: its clock, what has come due of it, and what counts for limits.
    pub fn join(&mut self, clock: Time, due: &[usize], runs: &[Vec<Time>]) {
        self.clock = Some(clock);
        for (i, r) in self.plan.reactions.iter().enumerate() {
            self.reacted[i].due = due[i];
            if matches!(r.act, Act::Run { limit: Some(_), .. }) {
                self.reacted[i].runs.clone_from(&runs[i]);
            }
        }
    }

    /// What it has run, by reaction.
    pub fn runs(&self, reaction: usize) -> &[Time] {
        &self.reacted[reaction].runs
    }
}
