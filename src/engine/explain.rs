//! Why a decision was taken: the rule, its values, and what every other rule said at that check.

use super::eval::Check;
use super::state::{GuardReading, State, Word};
use crate::plan::{GuardId, InputId, Millis, Plan, Population, Reading, Time, Tolerance, Unit};
use serde::{Deserialize, Serialize};

/// The explanation of one decision, computed from the check at which it was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The check.
    pub at: Time,
    /// What kind of rule decided: `guard`, `no data`, `action`, `settings`, `within`, `drift`, `person`, `plan`.
    pub kind: String,
    /// Its name: the guard's, the action's, the person's.
    pub rule: String,
    /// One sentence for a person.
    pub summary: String,
    /// The guard that decided.
    pub guard: Option<GuardReport>,
    /// What was read for it.
    pub inputs: Vec<InputReport>,
    /// What every other active guard said at that check: these did not cause it.
    pub others: Vec<GuardReport>,
}

/// One guard at one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardReport {
    /// Its name.
    pub guard: String,
    /// Its condition as written.
    pub condition: String,
    /// Its word.
    pub word: Word,
    /// Since when it has had this word.
    pub since: Time,
    /// Value, limit, margin, sample size, tolerance used, age.
    pub reading: GuardReading,
    /// Unit of value, limit and margin.
    pub unit: Unit,
    /// Its tolerance.
    pub tolerate: Tolerance,
    /// The word of its consequence.
    pub otherwise: String,
}

/// One input at one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputReport {
    /// Which.
    pub input: InputId,
    /// The metric.
    pub metric: String,
    /// Whose numbers.
    pub population: Population,
    /// What was read (buckets: their total).
    pub value: Option<f64>,
    /// Why nothing was.
    pub missing: Option<String>,
    /// Age of the newest sample.
    pub age: Option<Millis>,
}

/// A guard's report as of the last check.
#[must_use]
pub fn guard_report(plan: &Plan, state: &State, id: GuardId) -> Option<GuardReport> {
    let (guard, s) = (plan.guards.get(id.index())?, state.guards.get(id.index())?);
    Some(GuardReport {
        guard: guard.name.clone(),
        condition: guard.text.clone(),
        word: s.word?,
        since: s.since,
        reading: s.reading,
        unit: guard.unit,
        tolerate: guard.tolerate,
        otherwise: guard.otherwise.word().to_owned(),
    })
}

/// Reports of all active guards.
#[must_use]
pub fn guard_reports(plan: &Plan, state: &State) -> Vec<GuardReport> {
    active(state).filter_map(|id| guard_report(plan, state, id)).collect()
}

fn active(state: &State) -> impl Iterator<Item = GuardId> + '_ {
    state.guards.iter().enumerate().filter(|(_, s)| s.active).map(|(i, _)| GuardId::at(i))
}

/// What was read for some inputs at a check.
#[must_use]
pub fn input_reports(check: Check<'_>, state: &State, inputs: &[InputId]) -> Vec<InputReport> {
    inputs
        .iter()
        .filter_map(|&id| {
            let input = check.plan.inputs.get(id.index())?;
            let reading = check.reading(state, id);
            let value = match &reading {
                Ok(Reading::Value(v) | Reading::Increase(v)) => Some(*v),
                Ok(Reading::Buckets(b)) => b.last().map(|b| b.count),
                Err(_) => None,
            };
            Some(InputReport {
                input: id,
                metric: input.metric.clone(),
                population: input.population,
                value,
                missing: reading.err().map(|m| m.to_string()),
                age: if input.population == Population::Before { None } else { check.age(state, id) },
            })
        })
        .collect()
}

impl Explanation {
    /// The explanation of a decision that no guard took.
    pub fn plain(plan: &Plan, state: &State, at: Time, kind: &str, rule: &str, summary: String) -> Self {
        Self {
            at,
            kind: kind.to_owned(),
            rule: rule.to_owned(),
            summary,
            guard: None,
            inputs: Vec::new(),
            others: guard_reports(plan, state),
        }
    }

    /// The explanation of a decision that a guard took.
    pub fn of_guard(check: Check<'_>, state: &State, id: GuardId, kind: &str, summary: String) -> Self {
        let plan = check.plan;
        let guard = plan.guards.get(id.index());
        let inputs: Vec<InputId> = guard.map_or_else(Vec::new, |g| check.measured(g.healthy, &g.inputs).collect());
        Self {
            at: check.at,
            kind: kind.to_owned(),
            rule: plan.guard_name(id).to_owned(),
            summary,
            guard: guard_report(plan, state, id),
            inputs: input_reports(check, state, &inputs),
            others: active(state).filter(|o| *o != id).filter_map(|o| guard_report(plan, state, o)).collect(),
        }
    }
}
