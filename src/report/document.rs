//! The report of a run, `canary.report/1` (`docs/report.schema.json`): what happened, with where it came from. Made from what the
//! store keeps, so that it says the same at the end of a run and a year later.

use super::deeds::{actions, people};
use super::observed::Observed;
use super::provenance::{Provenance, config_hash};
use super::text::rfc3339;
use super::why;
use crate::engine::explain::input_reports;
use crate::engine::{Explanation, Given, GuardReport, Record, State, eval::Check};
use crate::plan::slices::Meant;
use crate::plan::{Answer, Bindings, InputId, Plan, Population, Setting, Time};
use serde_json::{Map, Value, json};

/// A journalled record.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// Its place in the run's chain.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// Of which slice, in a sliced run.
    pub slice: Option<Meant>,
    /// What.
    pub record: Record,
}

/// What a report is made of.
pub struct Source<'a> {
    /// The pinned plan.
    pub plan: &'a Plan,
    /// The pinned bindings.
    pub bindings: &'a Bindings,
    /// The run's id; none for a start that was refused before there was a run.
    pub run: Option<&'a str>,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Option<Time>,
    /// How it ended.
    pub verdict: Option<&'a str>,
    /// The exit status that `canary run` has for that.
    pub exit_status: u8,
    /// Where it came from.
    pub provenance: Provenance,
    /// What was answered over the baseline, by input; empty when that is not known.
    pub baseline: &'a [Option<Answer>],
    /// Its journal.
    pub events: &'a [Happened],
    /// What was measured at its checks.
    pub observed: &'a Observed<'a>,
    /// Why it was refused before there was a run.
    pub refused: &'a [String],
    /// The chain's last hash.
    pub chain: Option<&'a str>,
}

/// The report as JSON.
#[must_use]
pub fn report(s: &Source<'_>) -> Value {
    let decided = why::decision(s.events);
    let decision: Option<&Explanation> = match decided.as_ref().map(|d| &d.why) {
        Some(why::Decision::Explained(e)) => Some(e),
        _ => None,
    };
    let rolled_back = decided.as_ref().is_some_and(|d| d.kind == "rollback");
    let course = course(s.plan, s.events);
    let refused = s.events.iter().filter_map(|e| match &e.record {
        Record::Refused { reasons } => Some(reasons),
        _ => None,
    });
    let refused: Vec<&String> = s.refused.iter().chain(refused.flatten()).collect();
    let mut provenance = s.provenance.clone();
    provenance.baseline = None;
    json!({
        "schema": "canary.report/1",
        "run": s.run,
        "rollout": s.plan.rollout,
        "title": s.plan.title,
        "environment": s.bindings.environment,
        "state": if s.verdict.is_some() { "finished" } else { "unfinished" },
        "verdict": s.verdict,
        "exit_status": s.exit_status,
        "started": rfc3339(s.started),
        "ended": s.ended.map(rfc3339),
        "duration_ms": s.ended.map(|e| e - s.started),
        "plan_hash": s.plan.hash,
        "bindings_hash": s.bindings.hash,
        "config_hash": config_hash(&s.plan.hash, &s.bindings.hash),
        "params": s.plan.params.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<Map<_, _>>(),
        "provenance": provenance,
        "baseline": baseline(s),
        "exposure": {
            "before": settings_json(course.originals),
            "after": settings_json(course.last_read),
        },
        "decision": decision,
        "refused": refused,
        "rollback_ms": course.rollback_ms.filter(|_| rolled_back),
        "phases": course.phases,
        "guards": course.guards,
        "observed": s.observed.json(course.began),
        "actions": actions(s.events),
        "people": people(s.events),
        "events": s.events.iter().map(event_json).collect::<Vec<_>>(),
        "chain": s.chain,
    })
}

/// What the journal says of phases, guards and exposure.
#[derive(Default)]
struct Course<'a> {
    began: Option<Time>,
    phases: Vec<Value>,
    /// Every guard at the deciding check.
    guards: Vec<&'a GuardReport>,
    originals: &'a [(String, Setting)],
    last_read: &'a [(String, Setting)],
    rollback_ms: Option<i64>,
}

fn course<'a>(plan: &Plan, events: &'a [Happened]) -> Course<'a> {
    let mut c = Course::default();
    let mut rollback: Option<u32> = None;
    // the request by which the newest phase was entered
    let mut entered: Option<u32> = None;
    for e in events {
        match &e.record {
            Record::Started { originals } => {
                c.began = Some(e.at);
                c.originals = originals;
                c.last_read = originals;
            }
            Record::Entered { phase, settings, epoch } => {
                entered = Some(*epoch);
                c.phases.push(phase_json(plan, phase, e.at, settings, false));
            }
            Record::Passed { phase: _, guards } => {
                c.guards = guards.iter().collect();
                ended(&mut c.phases, "passed", e.at, &c.guards);
            }
            Record::Verified { read, epoch, took } => {
                c.last_read = read;
                if rollback == Some(*epoch) {
                    c.rollback_ms = Some(*took);
                }
                if entered == Some(*epoch) {
                    set(&mut c.phases, "verified", json!(rfc3339(e.at)));
                }
            }
            Record::Rollback { to, settings, explanation, epoch } => {
                c.guards = explanation.guard.iter().chain(&explanation.others).collect();
                ended(&mut c.phases, "rolled_back", e.at, &c.guards);
                if let Some(phase) = to {
                    c.phases.push(phase_json(plan, phase, e.at, settings, true));
                }
                c.rollback_ms = None;
                rollback = Some(*epoch);
                entered = to.as_ref().map(|_| *epoch);
            }
            _ => {}
        }
    }
    c
}

fn phase_json(plan: &Plan, phase: &str, at: Time, settings: &[(String, Setting)], back: bool) -> Value {
    let purpose = plan.phases.iter().find(|p| p.name == phase).and_then(|p| p.purpose.as_ref());
    json!({
        "phase": phase,
        "purpose": purpose,
        "back": back,
        "entered": rfc3339(at),
        "verified": null,
        "passed": null,
        "rolled_back": null,
        "settings": settings_json(settings),
        "guards": [],
    })
}

fn set(phases: &mut [Value], name: &str, to: Value) {
    if let Some(Value::Object(p)) = phases.last_mut() {
        p.insert(name.to_owned(), to);
    }
}

/// The newest phase ended, unless it had ended already.
fn ended(phases: &mut [Value], how: &str, at: Time, guards: &[&GuardReport]) {
    let open = phases.last().is_some_and(|p| {
        let none = |name| p.get(name).is_some_and(Value::is_null);
        none("passed") && none("rolled_back")
    });
    if open {
        set(phases, how, json!(rfc3339(at)));
        set(phases, "guards", json!(guards));
    }
}

fn baseline(s: &Source<'_>) -> Value {
    let Some(length) = s.plan.baseline else { return Value::Null };
    let window = s.provenance.baseline;
    json!({
        "from": window.map(|w| rfc3339(w.from)),
        "to": window.map(|w| rfc3339(w.to)),
        "length_ms": length,
        "values": baseline_values(s.plan, s.bindings, s.baseline),
    })
}

/// What was answered over the baseline, in base units (of a histogram: how many events it holds).
#[must_use]
pub fn baseline_values(plan: &Plan, bindings: &Bindings, answers: &[Option<Answer>]) -> Vec<Value> {
    if answers.is_empty() {
        return Vec::new();
    }
    let mut state = State::new(plan);
    state.baseline = answers.to_vec();
    let check = Check { plan, at: 0, answers: &[], given: Given::NONE };
    let inputs = plan.inputs.iter().enumerate().filter(|(_, i)| i.population == Population::Before);
    let inputs: Vec<InputId> = inputs.map(|(n, _)| InputId::at(n)).collect();
    input_reports(check, &state, &inputs)
        .into_iter()
        .map(|r| {
            let input = plan.inputs.get(r.input.index());
            let counted = matches!(input.map(|i| &i.ask), Some(crate::plan::Ask::Buckets(..)));
            let scale = if counted { 1.0 } else { input.map_or(1.0, |i| i.scale) };
            let series = answers.get(r.input.index()).and_then(Option::as_ref).map_or(0, |a| a.series);
            json!({
                "input": r.input,
                "metric": r.metric,
                "query": why::query(plan, bindings, r.input),
                "value": r.value.map(|v| v * scale),
                "missing": r.missing,
                "series": series,
            })
        })
        .collect()
}

/// One journalled record for machines.
#[must_use]
pub fn event_json(e: &Happened) -> Value {
    let mut whole = json!({ "seq": e.seq, "at": rfc3339(e.at) });
    if let (Some(w), Ok(Value::Object(body))) = (whole.as_object_mut(), serde_json::to_value(&e.record)) {
        w.extend(body);
        if let Some(slice) = &e.slice {
            let named: serde_json::Map<_, _> = slice.0.iter().map(|(n, v)| (n.clone(), json!(v))).collect();
            w.insert(String::from("slice"), Value::Object(named));
        }
    }
    whole
}

fn settings_json(list: &[(String, Setting)]) -> Value {
    Value::Object(list.iter().map(|(p, s)| (p.clone(), json!(s))).collect())
}
