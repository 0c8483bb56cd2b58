//! Whether a recording holds what a policy asks for.

use super::key::{question, word};
use super::{Key, Recording};
use crate::plan::{Input, Millis, Plan, Population, show};
use std::collections::BTreeSet;
use std::fmt;

/// Something that a policy needs and a recording has not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// A metric.
    Metric {
        /// Which.
        metric: String,
        /// Those that there are.
        has: Vec<String>,
    },
    /// A population of a metric that is there.
    Population {
        /// Which metric.
        metric: String,
        /// Whose numbers.
        population: Population,
        /// Those that there are.
        has: Vec<Population>,
    },
    /// A question of a metric and population that are there.
    Question {
        /// Which metric.
        metric: String,
        /// Whose numbers.
        population: Population,
        /// What the policy asks.
        question: String,
        /// What the recording has answers to; the nearest first.
        has: Vec<String>,
    },
    /// Answers by slice, or for all together.
    Sliced {
        /// Which metric.
        metric: String,
        /// Whose numbers.
        population: Population,
        /// Whether the policy asks by slice.
        by_slice: bool,
    },
    /// Answers at the policy's checks: the recording's are too far apart, or between them.
    Step {
        /// The distance of the recording's checks.
        step: Millis,
        /// The distance of the policy's.
        check_every: Millis,
    },
    /// The dimensions of slices are others.
    Slices {
        /// The recording's.
        has: Vec<String>,
        /// The policy's.
        wanted: Vec<String>,
    },
}

impl fmt::Display for Lack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Metric { metric, has } => write!(
                f,
                "the policy reads the metric `{metric}`, and the recording has {}; record it with this policy",
                ticked(has.iter().map(String::as_str), "no metric")
            ),
            Self::Population { metric, population, has } => write!(
                f,
                "the policy reads `{metric}` of {}, and the recording has it of {}; record it with this policy",
                word(*population),
                ticked(has.iter().map(|p| word(*p)), "nobody")
            ),
            Self::Question { metric, population, question, has } => write!(
                f,
                "the policy asks `{question}` of `{metric}` ({}), and the recording has {}; set the policy's window so, or record it \
                 with this policy",
                word(*population),
                ticked(has.iter().map(String::as_str), "no answer")
            ),
            Self::Sliced { metric, population, by_slice: true } => write!(
                f,
                "the policy reads `{metric}` of {} for each slice, and the recording has it for all slices together; record it with \
                 this policy",
                word(*population)
            ),
            Self::Sliced { metric, population, by_slice: false } => write!(
                f,
                "the policy reads `{metric}` of {} for all together, and the recording has it for each slice; record it with this \
                 policy",
                word(*population)
            ),
            Self::Step { step, check_every } => write!(
                f,
                "the policy checks every {}, and the recording has answers every {}, which is no part of it; record with `--step {}`, \
                 or write `check every {}`",
                show::duration(*check_every),
                show::duration(*step),
                show::duration(*check_every),
                show::duration((*step).max(1))
            ),
            Self::Slices { has, wanted } => write!(
                f,
                "the policy has slices per {}, and the recording has {}; record it with this policy",
                ticked(wanted.iter().map(String::as_str), "nothing"),
                ticked(has.iter().map(String::as_str), "none")
            ),
        }
    }
}

fn ticked<'a>(names: impl Iterator<Item = &'a str>, none: &str) -> String {
    const SHOWN: usize = 12;
    let names: Vec<_> = names.collect();
    if names.is_empty() {
        return String::from(none);
    }
    let shown = names.iter().take(SHOWN).map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// Whether a policy can be replayed over a recording. Inputs that only tell a dark canary from a blind source may be absent:
/// [`notes`] names them.
///
/// # Errors
/// Everything that the policy lacks in it, each with what is nearest.
pub fn fits(recording: &Recording, plan: &Plan) -> Result<(), Vec<Lack>> {
    let mut lacks = Vec::new();
    let (step, check_every) = (recording.about.step, plan.check_every);
    if step <= 0 || check_every % step != 0 {
        lacks.push(Lack::Step { step, check_every });
    }
    let wanted: Vec<String> = plan.slices.iter().map(|s| s.name.clone()).collect();
    let by_slice = plan.inputs.iter().any(|i| !i.by.is_empty());
    if wanted != recording.about.slices && (by_slice || !recording.about.slices.is_empty()) {
        lacks.push(Lack::Slices { has: recording.about.slices.clone(), wanted });
    }
    let keys: Vec<&Key> = recording.series.iter().map(|s| &s.key).collect();
    for input in plan.inputs.iter().filter(|i| !i.auxiliary) {
        if let Some(lack) = lack(&keys, input)
            && !lacks.contains(&lack)
        {
            lacks.push(lack);
        }
    }
    if lacks.is_empty() { Ok(()) } else { Err(lacks) }
}

fn lack(keys: &[&Key], input: &Input) -> Option<Lack> {
    let metric = || input.metric.clone();
    let population = input.population;
    let of_metric: Vec<&&Key> = keys.iter().filter(|k| k.metric == input.metric).collect();
    if of_metric.is_empty() {
        let has: BTreeSet<String> = keys.iter().map(|k| k.metric.clone()).collect();
        return Some(Lack::Metric { metric: metric(), has: has.into_iter().collect() });
    }
    let of_population: Vec<&&&Key> = of_metric.iter().filter(|k| k.population == population).collect();
    if of_population.is_empty() {
        let has: BTreeSet<Population> = of_metric.iter().map(|k| k.population).collect();
        return Some(Lack::Population { metric: metric(), population, has: has.into_iter().collect() });
    }
    let asked = question(input);
    let same: Vec<_> = of_population.iter().filter(|k| k.question == asked).collect();
    if same.is_empty() {
        let has: BTreeSet<String> = of_population.iter().map(|k| k.question.clone()).collect();
        let mut has: Vec<String> = has.into_iter().collect();
        has.sort_by_key(|q| std::cmp::Reverse(alike(q, &asked)));
        return Some(Lack::Question { metric: metric(), population, question: asked, has });
    }
    let by_slice = !input.by.is_empty();
    let there = same.iter().any(|k| k.slice.is_empty() != by_slice);
    (!there).then(|| Lack::Sliced { metric: metric(), population, by_slice })
}

/// How many words two questions begin with alike.
fn alike(a: &str, b: &str) -> usize {
    a.split(' ').zip(b.split(' ')).take_while(|(a, b)| a == b).count()
}

/// What is to be known before a policy is replayed over a recording, and stops nobody: it was made with another rollout or another
/// version of the policy; what tells a dark canary from a blind source is not in it.
#[must_use]
pub fn notes(recording: &Recording, plan: &Plan) -> Vec<String> {
    let about = &recording.about;
    let mut notes = Vec::new();
    if !about.rollout.is_empty() && about.rollout != plan.rollout {
        notes.push(format!("the recording is of the rollout `{}`, the policy's is `{}`", about.rollout, plan.rollout));
    } else if !about.policy.is_empty() && about.policy != plan.hash {
        notes.push(String::from("the recording was made with another version of the policy"));
    }
    let keys: Vec<&Key> = recording.series.iter().map(|s| &s.key).collect();
    for input in plan.inputs.iter().filter(|i| i.auxiliary && lack(&keys, i).is_some()) {
        notes.push(format!(
            "the recording lacks `{}` of {}: a canary without series cannot be told from a source that is blind",
            input.metric,
            word(input.population)
        ));
    }
    notes
}
