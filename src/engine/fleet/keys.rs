//! Which slice is which: values in the order of the plan's dimensions, each kept once.

use crate::plan::{Plan, SliceValues};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// All keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Vec<Vec<String>>", into = "Vec<Vec<String>>")]
pub(super) struct Keys {
    list: Vec<Vec<String>>,
    index: BTreeMap<Vec<String>, SliceId>,
}

impl Keys {
    pub(super) fn new(_: &Plan) -> Self {
        Self::from(Vec::new())
    }

    pub(super) fn id(&self, values: &[&str]) -> Option<SliceId> {
        let key: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        self.index.get(&key).copied()
    }

    pub(super) fn key(&self, slice: SliceId) -> Option<Key<'_>> {
        self.list.get(slice.index()).map(Vec::as_slice)
    }

    /// Adds a slice, if it is one of the rollout's.
    pub(super) fn add(&mut self, plan: &Plan, values: &[&str]) -> Option<SliceId> {
        let fits = values.len() == plan.slices.len()
            && plan.slices.iter().zip(values).all(|(dim, v)| match &dim.values {
                SliceValues::Listed(list) => list.iter().any(|l| l == v),
                SliceValues::Of(_) => !v.is_empty(),
            });
        if !fits {
            return None;
        }
        let id = SliceId::at(self.list.len());
        let key: Vec<String> = values.iter().map(|v| (*v).to_owned()).collect();
        self.list.push(key.clone());
        self.index.insert(key, id);
        Some(id)
    }
}

impl From<Vec<Vec<String>>> for Keys {
    fn from(list: Vec<Vec<String>>) -> Self {
        let index = list.iter().enumerate().map(|(i, k)| (k.clone(), SliceId::at(i))).collect();
        Self { list, index }
    }
}

impl From<Keys> for Vec<Vec<String>> {
    fn from(keys: Keys) -> Self {
        keys.list
    }
}
