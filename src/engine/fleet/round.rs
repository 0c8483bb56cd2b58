//! A check of lives that nothing joins but the run's clock: shard by shard, by as many threads as there may be. Threads are only a
//! way of computing it: a life's check reads the plan, its own answers and its own state, what it wants done is put together in the
//! order of the slices, and nothing of it depends on who computed what, or when.

use super::keys::SliceId;
use super::lives::Lives;
use super::observed::Observed;
use super::shards::SHARD;
use super::step::{FleetEffect, Said, Step};
use super::work::Work;
use crate::engine::explain::Explanation;
use crate::engine::step::{Effect, Input, step_given};
use crate::plan::{Plan, Time};
use std::sync::Mutex;

/// What is the same for all lives of a check.
struct Round<'a, 'g> {
    plan: &'a Plan,
    given: &'a Said<'a, 'g>,
    observed: &'a Observed,
    /// When the question behind each input was last answered for any slice.
    answered: &'a [Option<Time>],
    at: Time,
    live: bool,
}

/// What the lives of a shard want done.
#[derive(Default)]
struct Wanted {
    out: Vec<FleetEffect>,
    halt: Option<(SliceId, Explanation)>,
}

impl Step<'_, '_> {
    /// A check of every life that is under way.
    pub(super) fn check_all(&mut self, at: Time, live: bool) {
        let (Some(observed), plan) = (self.observed, self.plan) else { return };
        let fleet = &mut *self.fleet;
        let round = Round { plan, given: self.given, observed, answered: &fleet.answered, at, live };
        let shards = fleet.lives.list_mut();
        let threads = fleet.desk.threads.get().min(shards.len());
        if threads < 2 {
            let mut wanted = Wanted { out: std::mem::take(self.out), halt: None };
            for (first, shard) in shards.iter_mut().enumerate() {
                round.check(&mut self.desk, first * SHARD, shard, &mut wanted);
            }
            *self.out = wanted.out;
            self.halt = wanted.halt;
        } else {
            let others = &mut fleet.desk.others;
            others.retain(|w| w.hash == plan.hash);
            others.resize_with(threads - 1, || Work::new(plan));
            for work in others.iter_mut() {
                work.timed.clone_from(&self.desk.timed);
                work.answered.clear();
            }
            let mut wanted: Vec<Wanted> = Vec::new();
            wanted.resize_with(shards.len(), Wanted::default);
            round.spread(&mut self.desk, others, shards, &mut wanted);
            for input in others.iter().flat_map(|w| &w.answered) {
                if !self.desk.answered.contains(input) {
                    self.desk.answered.push(*input);
                }
            }
            for w in wanted {
                self.out.extend(w.out);
                self.halt = self.halt.take().or(w.halt);
            }
        }
        self.joined(at, live, Vec::new());
    }
}

impl Round<'_, '_> {
    /// Checks shards in several threads: whoever is free takes the next one. Where no thread can be had, this one does it all.
    fn spread(&self, desk: &mut Work, others: &mut [Work], shards: &mut [Lives], wanted: &mut [Wanted]) {
        let left = Mutex::new(shards.iter_mut().zip(wanted).enumerate());
        let all = |desk: &mut Work| {
            loop {
                // nobody panics while it is locked
                let next = left.lock().ok().and_then(|mut left| left.next());
                let Some((n, (shard, wanted))) = next else { break };
                self.check(desk, n * SHARD, shard, wanted);
            }
        };
        let all = &all;
        std::thread::scope(|scope| {
            for other in others {
                let made = std::thread::Builder::new().spawn_scoped(scope, move || all(other));
                if made.is_err() {
                    break;
                }
            }
            all(desk);
        });
    }

    /// A check of a shard's lives, the first of which is slice `first`.
    fn check(&self, desk: &mut Work, first: usize, shard: &mut Lives, wanted: &mut Wanted) {
        for k in 0..shard.len() {
            if !shard.is_under_way(k) {
                continue;
            }
            let slice = SliceId::at(first + k);
            shard.load(k, &mut desk.state);
            desk.tell_time();
            shard.swap_baseline(k, &mut desk.state);
            desk.mind_the_gap(self.answered);
            let input = Input::Tick {
                at: self.at,
                answers: self.observed.answers(slice),
                ports: self.observed.ports(slice),
                ports_epoch: self.observed.verified(slice),
                live: self.live,
            };
            step_given(self.plan, &mut desk.state, input, (self.given)(slice), &mut desk.effects);
            shard.swap_baseline(k, &mut desk.state);
            desk.note_answered(self.at);
            desk.forget_time();
            shard.store(k, &mut desk.state);
            for effect in desk.effects.drain(..) {
                match effect {
                    Effect::Halt { explanation } => {
                        wanted.halt.get_or_insert((slice, *explanation));
                    }
                    effect => wanted.out.push(FleetEffect { slice: Some(slice), effect }),
                }
            }
        }
    }
}
