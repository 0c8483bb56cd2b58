//! Which slice is which: values in the order of the plan's dimensions, each kept once.

use crate::plan::{Plan, SliceValues};
use hashbrown::HashTable;
use serde::{Deserialize, Serialize};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A slice of a run: its place in the order in which slices were first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SliceId(pub u32);

impl SliceId {
    /// Its place.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// The slice at a place.
    #[must_use]
    pub fn at(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A slice's values, in the order of [`Plan::slices`].
pub type Key<'a> = &'a [String];

/// All keys: values one behind the other, and which slice has them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(from = "Wire", into = "Wire")]
pub(super) struct Keys {
    dims: usize,
    values: Vec<String>,
    index: HashTable<u32>,
}

/// The form in a journal.
#[derive(Serialize, Deserialize)]
struct Wire {
    dims: usize,
    values: Vec<String>,
}

/// The same in every process: what is found never depends on chance.
fn hash<'a>(values: impl Iterator<Item = &'a str>) -> u64 {
    let mut hasher = DefaultHasher::new();
    values.for_each(|v| v.hash(&mut hasher));
    hasher.finish()
}

impl Keys {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { dims: plan.slices.len(), values: Vec::new(), index: HashTable::new() }
    }

    pub(super) fn id(&self, values: &[&str]) -> Option<SliceId> {
        let same = |i: &u32| self.key(SliceId(*i)).is_some_and(|key| key.iter().eq(values.iter()));
        self.index.find(hash(values.iter().copied()), same).map(|i| SliceId(*i))
    }

    pub(super) fn key(&self, slice: SliceId) -> Option<Key<'_>> {
        let from = slice.index() * self.dims;
        self.values.get(from..from + self.dims)
    }

    /// Adds a slice, if it is one of the rollout's.
    pub(super) fn add(&mut self, plan: &Plan, values: &[&str]) -> Option<SliceId> {
        let fits = values.len() == plan.slices.len()
            && !values.is_empty()
            && plan.slices.iter().zip(values).all(|(dim, v)| match &dim.values {
                SliceValues::Listed(list) => list.iter().any(|l| l == v),
                SliceValues::Of(_) => !v.is_empty(),
            });
        if !fits {
            return None;
        }
        let id = SliceId::at(self.values.len() / self.dims);
        self.values.extend(values.iter().map(|v| (*v).to_owned()));
        self.enter(id);
        Some(id)
    }

    fn enter(&mut self, id: SliceId) {
        let Self { dims, values, index } = self;
        let of = |i: u32| {
            let from = i as usize * *dims;
            hash(values.get(from..from + *dims).unwrap_or_default().iter().map(String::as_str))
        };
        index.insert_unique(of(id.0), id.0, |i| of(*i));
    }

    /// Bytes that they take, without what the allocator adds.
    pub(super) fn bytes(&self) -> usize {
        let texts: usize = self.values.iter().map(String::capacity).sum();
        self.values.capacity() * size_of::<String>() + texts + self.index.capacity() * (size_of::<u32>() + 1)
    }
}

impl PartialEq for Keys {
    fn eq(&self, other: &Self) -> bool {
        self.dims == other.dims && self.values == other.values
    }
}

impl From<Wire> for Keys {
    fn from(wire: Wire) -> Self {
        let count = wire.values.len().checked_div(wire.dims).unwrap_or(0);
        let mut keys = Self { dims: wire.dims, values: wire.values, index: HashTable::with_capacity(count) };
        (0..count).for_each(|i| keys.enter(SliceId::at(i)));
        keys
    }
}

impl From<Keys> for Wire {
    fn from(keys: Keys) -> Self {
        Self { dims: keys.dims, values: keys.values }
    }
}
