//! The report of a run, `canary.report/1`: what happened, with where it came from. Made from the journal.

use super::text::rfc3339;
use super::why;
use crate::engine::{Explanation, GuardReport, Record};
use crate::plan::{Plan, Setting, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A journalled record.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    /// Its place in the run's chain.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// What.
    pub record: Record,
}

/// Where a run came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// This tool's version.
    pub version: String,
    /// Who started it.
    pub user: String,
    /// On which machine.
    pub host: String,
    /// The runner's process id.
    pub pid: u32,
    /// The policy files, as given.
    pub files: Vec<String>,
    /// What has to be said again to go on with the plan: `--rollout NAME`, `--set NAME=VALUE`, as given.
    #[serde(default)]
    pub arguments: Vec<String>,
}

/// What a report is made of.
pub struct Source<'a> {
    /// The pinned plan.
    pub plan: &'a Plan,
    /// The bindings' hash.
    pub bindings_hash: &'a str,
    /// The environment's name.
    pub environment: &'a str,
    /// The run's id.
    pub run: &'a str,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Option<Time>,
    /// How it ended.
    pub verdict: Option<&'a str>,
    /// Where it came from.
    pub provenance: Value,
    /// Its journal.
    pub events: &'a [Happened],
    /// The chain's last hash.
    pub chain: &'a str,
}

/// The report as JSON.
#[must_use]
pub fn report(s: &Source<'_>) -> Value {
    let mut phases: Vec<Value> = Vec::new();
    let decided = why::decision(s.events);
    let decision: Option<&Explanation> = match decided.as_ref().map(|d| &d.why) {
        Some(why::Decision::Explained(e)) => Some(e),
        _ => None,
    };
    let rolled_back = decided.as_ref().is_some_and(|d| d.kind == "rollback");
    let mut guards: Vec<&GuardReport> = Vec::new();
    let mut originals: &[(String, Setting)] = &[];
    let mut final_read: &[(String, Setting)] = &[];
    let mut rollback: Option<(Time, u32)> = None;
    let mut breach_to_read_back: Option<i64> = None;
    for e in s.events {
        match &e.record {
            Record::Started { originals: o } => originals = o,
            Record::Entered { phase, settings, .. } => {
                phases.push(json!({ "phase": phase, "entered": rfc3339(e.at), "settings": settings_json(settings) }));
            }
            Record::Passed { phase, guards: g } => {
                guards = g.iter().collect();
                let open = phases.iter_mut().rev().find(|p| p.get("phase").and_then(Value::as_str) == Some(phase));
                if let Some(Value::Object(p)) = open {
                    p.insert(String::from("passed"), json!(rfc3339(e.at)));
                    p.insert(String::from("guards"), json!(g));
                }
            }
            Record::Verified { read, epoch, took } => {
                final_read = read;
                if rollback.is_some_and(|(_, n)| n == *epoch) {
                    breach_to_read_back = Some(*took);
                }
            }
            Record::Rollback { to, settings, explanation, epoch } => {
                if let Some(phase) = to {
                    let settings = settings_json(settings);
                    phases
                        .push(json!({ "phase": phase, "entered": rfc3339(e.at), "settings": settings, "back": true }));
                }
                breach_to_read_back = None;
                rollback = Some((e.at, *epoch));
                guards = explanation.guard.iter().chain(&explanation.others).collect();
            }
            _ => {}
        }
    }
    let refused: Vec<&String> = s
        .events
        .iter()
        .filter_map(|e| match &e.record {
            Record::Refused { reasons } => Some(reasons),
            _ => None,
        })
        .flatten()
        .collect();
    json!({
        "schema": "canary.report/1",
        "run": s.run,
        "rollout": s.plan.rollout,
        "title": s.plan.title,
        "environment": s.environment,
        "verdict": s.verdict,
        "started": rfc3339(s.started),
        "ended": s.ended.map(rfc3339),
        "plan_hash": s.plan.hash,
        "bindings_hash": s.bindings_hash,
        "params": s.plan.params.iter().map(|(k, v)| (k.clone(), json!(v))).collect::<serde_json::Map<_, _>>(),
        "provenance": s.provenance,
        "exposure": {
            "before": settings_json(originals),
            "after": settings_json(final_read),
        },
        "decision": decision,
        "refused": refused,
        "rollback_ms": breach_to_read_back.filter(|_| rolled_back),
        "phases": phases,
        "guards": guards,
        "events": s.events.iter().map(event_json).collect::<Vec<_>>(),
        "chain": s.chain,
    })
}

/// One journalled record for machines.
#[must_use]
pub fn event_json(e: &Happened) -> Value {
    let mut whole = json!({ "seq": e.seq, "at": rfc3339(e.at) });
    if let (Some(w), Ok(Value::Object(body))) = (whole.as_object_mut(), serde_json::to_value(&e.record)) {
        w.extend(body);
    }
    whole
}

fn settings_json(list: &[(String, Setting)]) -> Value {
    Value::Object(list.iter().map(|(p, s)| (p.clone(), json!(s))).collect())
}
