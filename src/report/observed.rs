//! What was measured at all checks of a run, from the observations that the store keeps of each: so a run that was stopped and
//! resumed has one history, whichever process made a check.

use super::text::rfc3339;
use super::why::query;
use crate::engine::{GuardReport, Word};
use crate::plan::{Answer, Bindings, Guard, Input, InputId, Plan, Population, Reading, Time};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// As the executor keeps an observation.
#[derive(Deserialize)]
struct Kept {
    #[serde(default)]
    answers: Vec<Answer>,
    #[serde(default)]
    guards: Vec<GuardReport>,
}

/// The least, the greatest and the newest of some values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Range {
    min: f64,
    max: f64,
    last: f64,
}

fn note(range: &mut Option<Range>, value: Option<f64>) {
    let Some(v) = value.filter(|v| v.is_finite()) else { return };
    *range = Some(match *range {
        None => Range { min: v, max: v, last: v },
        Some(r) => Range { min: r.min.min(v), max: r.max.max(v), last: v },
    });
}

fn shown(range: Option<Range>) -> Value {
    range.map_or(Value::Null, |r| json!({ "min": r.min, "max": r.max, "last": r.last }))
}

#[derive(Debug, Default)]
struct GuardHistory {
    checks: u64,
    words: BTreeMap<&'static str, u64>,
    value: Option<Range>,
    limit: Option<Range>,
    margin: Option<Range>,
    events: Option<Range>,
    age: Option<Range>,
}

#[derive(Debug, Default)]
struct InputHistory {
    answered: u64,
    missing: u64,
    why: Option<String>,
    value: Option<Range>,
}

/// What all observations of one run come to.
pub struct Observed<'a> {
    plan: &'a Plan,
    bindings: &'a Bindings,
    checks: u64,
    unreadable: u64,
    first: Option<Time>,
    last: Option<Time>,
    guards: Vec<GuardHistory>,
    inputs: Vec<InputHistory>,
}

/// Every word a guard can have, so that a report has all of them and a word that never came is 0.
const WORDS: [Word; 8] =
    [Word::Ok, Word::Failing, Word::Breached, Word::Warming, Word::Thin, Word::Undecided, Word::Dark, Word::Blind];

impl<'a> Observed<'a> {
    /// None yet.
    #[must_use]
    pub fn new(plan: &'a Plan, bindings: &'a Bindings) -> Self {
        Self {
            plan,
            bindings,
            checks: 0,
            unreadable: 0,
            first: None,
            last: None,
            guards: plan.guards.iter().map(|_| GuardHistory::default()).collect(),
            inputs: plan.inputs.iter().map(|_| InputHistory::default()).collect(),
        }
    }

    /// The next observation, in the order of time.
    pub fn see(&mut self, at: Time, body: Value) {
        self.first = self.first.or(Some(at));
        self.last = Some(at);
        self.checks += 1;
        let Ok(kept) = serde_json::from_value::<Kept>(body) else {
            self.unreadable += 1;
            return;
        };
        for report in &kept.guards {
            let index = self.plan.guards.iter().position(|g| g.name == report.guard);
            let Some(h) = index.and_then(|i| self.guards.get_mut(i)) else { continue };
            h.checks += 1;
            *h.words.entry(report.word.text()).or_default() += 1;
            let r = &report.reading;
            note(&mut h.value, r.value);
            note(&mut h.limit, r.limit);
            note(&mut h.margin, r.margin);
            note(&mut h.events, r.events);
            #[expect(clippy::cast_precision_loss, reason = "an age of 2^52 ms is 140,000 years")]
            note(&mut h.age, r.age.map(|a| a as f64));
        }
        for ((answer, input), h) in kept.answers.iter().zip(&self.plan.inputs).zip(&mut self.inputs) {
            match &answer.value {
                Ok(reading) => {
                    h.answered += 1;
                    note(&mut h.value, measured(reading, input));
                }
                Err(why) => {
                    h.missing += 1;
                    h.why = Some(why.to_string());
                }
            }
        }
    }

    /// As the report has it. `started`: when the first check was, if the run came that far.
    #[must_use]
    pub fn json(&self, started: Option<Time>) -> Value {
        let every = self.plan.check_every.max(1);
        // the first check is observed in the transaction that journals the start: it is missing only when it was removed
        let pruned = started.is_some_and(|s| self.first != Some(s));
        let planned = started.zip(self.last).map(|(s, l)| (l - s).max(0) / every + 1);
        json!({
            "checks": {
                "every_ms": every,
                "observed": self.checks,
                "planned": planned,
                "unreadable": self.unreadable,
                "first": self.first.map(rfc3339),
                "last": self.last.map(rfc3339),
                "pruned": pruned,
            },
            "guards": self.plan.guards.iter().zip(&self.guards).map(|(g, h)| guard(g, h)).collect::<Vec<_>>(),
            "inputs": self.inputs(),
        })
    }

    fn inputs(&self) -> Vec<Value> {
        let all = self.plan.inputs.iter().zip(&self.inputs).enumerate();
        all.filter(|(_, (i, _))| i.population != Population::Before)
            .map(|(n, (i, h))| {
                json!({
                    "input": n,
                    "metric": i.metric,
                    "population": i.population,
                    "query": query(self.plan, self.bindings, InputId::at(n)),
                    "answered": h.answered,
                    "missing": h.missing,
                    "why": h.why,
                    "value": shown(h.value),
                })
            })
            .collect()
    }
}

/// In base units; of buckets their total count, which has no unit.
fn measured(reading: &Reading, input: &Input) -> Option<f64> {
    match reading {
        Reading::Value(v) | Reading::Increase(v) => Some(v * input.scale),
        Reading::Buckets(b) => b.last().map(|b| b.count),
    }
}

fn guard(g: &Guard, h: &GuardHistory) -> Value {
    let words: Map<String, Value> =
        WORDS.iter().map(|w| (w.text().to_owned(), json!(h.words.get(w.text()).copied().unwrap_or(0)))).collect();
    json!({
        "guard": g.name,
        "condition": g.text,
        "otherwise": g.otherwise.word(),
        "tolerate": g.tolerate,
        "unit": g.unit,
        "checks": h.checks,
        "words": words,
        "value": shown(h.value),
        "limit": shown(h.limit),
        "margin": shown(h.margin),
        "events": shown(h.events),
        "age_ms": shown(h.age),
    })
}
