//! The answer to one question that was asked for all slices at once: a row a slice.

use crate::plan::{Answer, Missing};
use std::collections::BTreeMap;

/// Rows by the values of labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rows {
    /// A slice's values, in the order of the labels that were asked for, and its answer.
    pub by_slice: BTreeMap<Vec<String>, Answer>,
    /// Rows without one of the labels: of no slice.
    pub unlabelled: usize,
}

/// The values of labels; `None` where one of them is absent, which is the same as empty.
pub(super) fn key<'a>(by: &[String], label: impl Fn(&str) -> &'a str) -> Option<Vec<String>> {
    let values = by.iter().map(|name| label(name));
    let values: Vec<String> = values.map(str::to_owned).collect();
    values.iter().all(|v| !v.is_empty()).then_some(values)
}

/// Things by slice, and how many are of none.
#[derive(Debug)]
pub(super) struct Sorted<T> {
    pub by_slice: BTreeMap<Vec<String>, Vec<T>>,
    pub unlabelled: usize,
}

impl<T> Sorted<T> {
    /// Sorts by what `key` says of each.
    pub fn of(items: impl IntoIterator<Item = T>, key: impl Fn(&T) -> Option<Vec<String>>) -> Self {
        let mut out = Self { by_slice: BTreeMap::new(), unlabelled: 0 };
        for item in items {
            match key(&item) {
                Some(key) => out.by_slice.entry(key).or_default().push(item),
                None => out.unlabelled += 1,
            }
        }
        out
    }

    /// The rows that `read` makes of them.
    pub fn rows(self, read: impl Fn(&[String], Vec<T>) -> Answer) -> Rows {
        let by_slice = self.by_slice.into_iter().map(|(key, items)| {
            let answer = read(&key, items);
            (key, answer)
        });
        Rows { by_slice: by_slice.collect(), unlabelled: self.unlabelled }
    }
}

/// What a slice with several series is told where one is needed.
pub(super) fn ambiguous(series: usize) -> Answer {
    let series = u32::try_from(series).unwrap_or(u32::MAX);
    Answer { series, ..Answer::missing(Missing::Ambiguous { series }) }
}
