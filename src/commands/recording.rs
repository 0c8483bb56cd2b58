//! What recordings are made of, whoever makes them: series by key, and a file of which a reader never finds half.

use super::whole;
use crate::plan::{Answer, Bindings, Input, InputId, Plan, Time};
use crate::report::why::query;
use crate::sim::recording::{About, Key, Query, Recording, Series, encode, encode_with_plan};
use std::collections::BTreeMap;
use std::path::Path;

/// Gathers answers by key.
#[derive(Debug, Default)]
pub struct Gathered {
    series: BTreeMap<Key, Series>,
}

impl Gathered {
    /// Adds what a question was answered at a check. Of two inputs that ask the same, one is kept.
    ///
    /// # Errors
    /// The answer cannot stand in a recording; in words.
    pub fn add(&mut self, input: &Input, slice: &[String], at: Time, answer: Answer) -> Result<(), String> {
        let key = Key::of(input, slice);
        let series = match self.series.entry(key) {
            std::collections::btree_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => {
                let series = Series::new(new.key().clone()).map_err(|e| e.to_string())?;
                new.insert(series)
            }
        };
        if series.times.last() == Some(&at) {
            return Ok(());
        }
        series.push(at, answer).map_err(|e| e.to_string())
    }

    /// The series, sorted by key.
    #[must_use]
    pub fn series(self) -> Vec<Series> {
        self.series.into_values().collect()
    }
}

/// What a recording of a plan is of, but for its times.
#[must_use]
pub fn about(plan: &Plan, bindings: &Bindings) -> About {
    let mut queries: Vec<Query> = Vec::new();
    for (i, input) in plan.inputs.iter().enumerate() {
        let key = Key::of(input, &[]);
        let Some(text) = query(plan, bindings, InputId::at(i)) else { continue };
        let asked = Query { metric: key.metric, population: key.population, question: key.question, text };
        if !queries.contains(&asked) {
            queries.push(asked);
        }
    }
    About {
        version: 1,
        writer: format!("canary {}", env!("CARGO_PKG_VERSION")),
        rollout: plan.rollout.clone(),
        policy: plan.hash.clone(),
        run: None,
        environment: Some(bindings.environment.clone()),
        incomplete: false,
        step: plan.check_every,
        from: 0,
        to: 0,
        slices: plan.slices.iter().map(|d| d.name.clone()).collect(),
        queries,
    }
}

/// Writes a recording in the place of a file.
///
/// # Errors
/// In words, with the path.
pub fn write(recording: &Recording, file: &Path) -> Result<(), String> {
    put(file, encode(recording).map_err(|e| format!("{}: {e}", file.display()))?)
}

/// As [`write`], with the plan that a run had: its policy may be another one when the recording is replayed.
///
/// # Errors
/// In words, with the path.
pub fn write_with_plan(recording: &Recording, plan: &Plan, file: &Path) -> Result<(), String> {
    put(file, encode_with_plan(recording, plan).map_err(|e| format!("{}: {e}", file.display()))?)
}

fn put(file: &Path, bytes: Vec<u8>) -> Result<(), String> {
    let shown = file.display();
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    // `.part` is what it is made of, and stays until it is written
    let mut beside = target.clone().into_os_string();
    beside.push(".new");
    whole::replace(&target, &bytes, Path::new(&beside)).map_err(|e| format!("{shown} cannot be written: {e}"))
}
