//! All lives, so many to a shard. What a life's check changes lies in its shard alone, so that several can be stepped at once.

use super::lives::Lives;
use crate::engine::state::{Stage, State, Word};
use crate::plan::{Plan, PortId, Time};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

/// As many lives lie in a shard. Fixed: what is journalled must not depend on the machine.
pub(super) const SHARD: usize = 2048;

/// The lives of all slices. There is always a shard, and all but the last are full.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub(super) struct Shards(Vec<Lives>);

impl<'de> Deserialize<'de> for Shards {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let list: Vec<Lives> = Vec::deserialize(from)?;
        match list.split_last() {
            Some((last, full)) if last.len() <= SHARD && full.iter().all(|l| l.len() == SHARD) => Ok(Self(list)),
            _ => Err(D::Error::custom("the shards of the slices' state do not fit together")),
        }
    }
}

impl Shards {
    pub fn new(plan: &Plan) -> Self {
        Self(vec![Lives::new(plan)])
    }

    /// The shards, in order.
    pub fn list_mut(&mut self) -> &mut [Lives] {
        &mut self.0
    }

    fn at(&self, i: usize) -> Option<(&Lives, usize)> {
        self.0.get(i / SHARD).map(|shard| (shard, i % SHARD))
    }

    fn at_mut(&mut self, i: usize) -> Option<(&mut Lives, usize)> {
        self.0.get_mut(i / SHARD).map(|shard| (shard, i % SHARD))
    }

    pub fn len(&self) -> usize {
        self.0.last().map_or(0, |last| (self.0.len() - 1) * SHARD + last.len())
    }

    /// A life more, which has not started.
    pub fn grow(&mut self) {
        if let Some(last) = self.0.last()
            && last.len() == SHARD
        {
            let empty = last.empty();
            self.0.push(empty);
        }
        if let Some(last) = self.0.last_mut() {
            last.grow();
        }
    }

    /// Where a life stands.
    pub fn stage(&self, i: usize) -> Option<Stage> {
        self.at(i).and_then(|(shard, k)| shard.stage(k))
    }

    /// Whether all lives are over.
    pub fn all_over(&self) -> bool {
        self.0.iter().all(Lives::all_over)
    }

    /// Whether a check can change a life at all: it has begun and is not over.
    pub fn is_under_way(&self, i: usize) -> bool {
        self.at(i).is_some_and(|(shard, k)| shard.is_under_way(k))
    }

    /// Whether a check can change any of them.
    pub fn any_under_way(&self) -> bool {
        self.0.iter().any(|shard| (0..shard.len()).any(|k| shard.is_under_way(k)))
    }

    /// The last check that a life was in.
    pub fn last(&self, i: usize) -> Option<Time> {
        self.at(i).and_then(|(shard, k)| shard.last(k))
    }

    /// What the guards that watch a life say, those that were judged.
    pub fn words(&self, i: usize) -> impl Iterator<Item = Word> + '_ {
        self.at(i).into_iter().flat_map(|(shard, k)| shard.words(k))
    }

    /// A life as it is, whole.
    pub fn state(&self, i: usize) -> Option<State> {
        self.at(i).and_then(|(shard, k)| shard.state(k))
    }

    /// Bytes that all lives take.
    pub fn bytes(&self) -> usize {
        self.0.iter().map(Lives::bytes).sum()
    }

    /// Keeps how a life's originals are written where they stand.
    pub fn remember(&mut self, i: usize, mementos: &Vec<(PortId, String)>) {
        if let Some((shard, k)) = self.at_mut(i) {
            shard.remember(k, mementos);
        }
    }

    /// Loads a life to be stepped; [`Shards::store`] must follow.
    pub fn load(&mut self, i: usize, s: &mut State) {
        if let Some((shard, k)) = self.at_mut(i) {
            shard.load(k, s);
        }
    }

    /// A copy of a life, without its baseline and how its originals are written.
    pub fn copy(&self, i: usize, s: &mut State) {
        if let Some((shard, k)) = self.at(i) {
            shard.copy(k, s);
        }
    }

    /// Stores a life.
    pub fn store(&mut self, i: usize, s: &mut State) {
        if let Some((shard, k)) = self.at_mut(i) {
            shard.store(k, s);
        }
    }

    /// A life as if it had never been loaded: of a slice whose start was refused.
    pub fn forget(&mut self, i: usize) {
        if let Some((shard, k)) = self.at_mut(i) {
            shard.forget(k);
        }
    }

    /// Puts what a life's baseline was answered into a loaded state, and, called again, back.
    pub fn swap_baseline(&mut self, i: usize, s: &mut State) {
        if let Some((shard, k)) = self.at_mut(i) {
            shard.swap_baseline(k, s);
        }
    }

    /// Takes the baseline out of a state that has just started.
    pub fn keep_baseline(&mut self, i: usize, s: &mut State) {
        if let Some((shard, k)) = self.at_mut(i) {
            shard.keep_baseline(k, s);
        }
    }
}
