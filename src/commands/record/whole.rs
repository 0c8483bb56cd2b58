//! The recording that the chunks make up.

use super::ask::Job;
use super::chunks::Chunks;
use crate::backend::Stretch;
use crate::commands::load::Compiled;
use crate::commands::recording::{Gathered, about};
use crate::plan::{Answer, InputId, Missing, Time};
use crate::runtime::fleet::ask::in_order;
use crate::sim::recording::Recording;
use std::collections::{BTreeMap, BTreeSet};

type Rows = BTreeMap<Time, Answer>;

/// Puts all chunks together.
///
/// # Errors
/// A chunk cannot be read, or holds what a recording cannot; in words.
pub fn recording(compiled: &Compiled, chunks: &Chunks, jobs: &[Job], over: Stretch) -> Result<Recording, String> {
    let plan = &compiled.plan;
    let mut all: Vec<BTreeMap<Vec<String>, Rows>> = Vec::new();
    for (j, job) in jobs.iter().enumerate() {
        let mut of_job: BTreeMap<Vec<String>, Rows> = BTreeMap::new();
        for (c, _) in job.chunks(over).enumerate() {
            for (row, answers) in chunks.read(j, c)? {
                // a slice's values in the order of the plan's dimensions; what concerns all of them has none
                let slice = match row.is_empty() {
                    true => Some(Vec::new()),
                    false => in_order(plan, InputId::at(job.input), &row)
                        .map(|values| values.into_iter().map(str::to_owned).collect()),
                };
                if let Some(slice) = slice {
                    of_job.entry(slice).or_default().extend(answers);
                }
            }
        }
        all.push(of_job);
    }
    let slices: BTreeSet<Vec<String>> =
        all.iter().flat_map(|of| of.keys()).filter(|s| !s.is_empty()).cloned().collect();
    let mut gathered = Gathered::default();
    for (job, of_job) in jobs.iter().zip(all) {
        let Some(input) = plan.inputs.get(job.input) else { continue };
        let nothing = Rows::new();
        let everyone = of_job.get(&[][..]).unwrap_or(&nothing);
        if job.by.is_empty() {
            for (at, answer) in everyone {
                gathered.add(input, &[], *at, answer.clone())?;
            }
            continue;
        }
        // a check asks for all slices at once: who has no row has no series, while others may have
        let seen: BTreeSet<Time> =
            of_job.iter().filter(|(s, _)| !s.is_empty()).flat_map(|(_, r)| r.keys().copied()).collect();
        for slice in &slices {
            let rows = of_job.get(slice).unwrap_or(&nothing);
            let times = (0..).map(|i| over.from + i * over.step).take_while(|at| *at <= over.to);
            for at in times {
                let others = Some(seen.contains(&at));
                let absent = || Answer::missing(Missing::Empty { others });
                let answer = rows.get(&at).or_else(|| everyone.get(&at)).cloned().unwrap_or_else(absent);
                gathered.add(input, slice, at, answer)?;
            }
        }
    }
    let mut about = about(plan, &compiled.bindings);
    (about.step, about.from, about.to) = (over.step, over.from, over.to);
    Ok(Recording { about, series: gathered.series(), happened: Vec::new() })
}
