//! What was done in a run besides setting ports: actions, and what people said.

use super::document::Happened;
use super::text::rfc3339;
use crate::engine::record::Thrower;
use crate::engine::{Explanation, Record};
use serde_json::{Value, json};

/// How much of an action's output stands in the list of actions, in characters: its end. All that is kept is in the event.
const OUTPUT: usize = 2_000;

/// Every attempt at an action, in the order in which they were started.
#[must_use]
pub fn actions(events: &[Happened]) -> Vec<Value> {
    let mut out: Vec<(u32, Value)> = Vec::new();
    for e in events {
        match &e.record {
            Record::ActionStarted { action, token, cause } => out.push((
                *token,
                json!({
                    "action": action,
                    "cause": cause,
                    "started": rfc3339(e.at),
                    "ended": null,
                    "ok": null,
                    "how": null,
                    "output": null,
                }),
            )),
            Record::ActionEnded { token, ok, how, output, .. } => {
                let started = out.iter_mut().rev().find(|(t, _)| t == token);
                if let Some((_, Value::Object(a))) = started {
                    a.insert(String::from("ended"), json!(rfc3339(e.at)));
                    a.insert(String::from("ok"), json!(ok));
                    a.insert(String::from("how"), json!(how));
                    a.insert(String::from("output"), json!(end(output)));
                }
            }
            _ => {}
        }
    }
    out.into_iter().map(|(_, v)| v).collect()
}

fn end(text: &str) -> &str {
    let over = text.chars().count().saturating_sub(OUTPUT);
    text.char_indices().nth(over).and_then(|(i, _)| text.get(i..)).unwrap_or("")
}

/// What people said that changed the run's course: pauses, resumptions, aborts, kills.
#[must_use]
pub fn people(events: &[Happened]) -> Vec<Value> {
    let act = |e: &Happened, act: &str, who: &str, why: &str| json!({ "at": rfc3339(e.at), "act": act, "switch": null, "who": who, "why": why });
    let said = |e: &Happened, word: &str, x: &Explanation| {
        (x.kind == "person").then(|| act(e, word, &x.rule, reason(&x.summary, &x.rule)))
    };
    // the rollback that comes with a kill is no abort besides
    let mut killed = None;
    events
        .iter()
        .filter_map(|e| match &e.record {
            Record::KillSwitch { switch, by: Thrower::Person, who, why, .. } => {
                killed = Some(who.clone());
                let mut kill = act(e, "kill", who, why);
                if let Some(k) = kill.as_object_mut() {
                    k.insert(String::from("switch"), json!(switch));
                }
                Some(kill)
            }
            Record::Rollback { explanation, .. } if killed.take().is_some_and(|who| who == explanation.rule) => None,
            Record::KillReset { switch, who, why } => {
                let mut reset = act(e, "reset", who, why);
                if let Some(r) = reset.as_object_mut() {
                    r.insert(String::from("switch"), json!(switch));
                }
                Some(reset)
            }
            Record::Paused { explanation } => said(e, "pause", explanation),
            Record::Rollback { explanation, .. } => said(e, "abort", explanation),
            Record::Resumed { who, why } => Some(act(e, "resume", who, why)),
            Record::Approved { group, phase, who, why } => {
                let mut approval = act(e, "approve", who, why);
                if let Some(a) = approval.as_object_mut() {
                    a.insert(String::from("group"), json!(group));
                    a.insert(String::from("phase"), json!(phase));
                }
                Some(approval)
            }
            _ => None,
        })
        .collect()
}

/// What follows the person's name in `paused by eva@host: the dashboard is down`.
fn reason<'a>(summary: &'a str, who: &str) -> &'a str {
    summary.split_once(who).map_or("", |(_, rest)| rest.trim_start_matches(':').trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_an_output_is_kept() {
        assert_eq!(end("short ü"), "short ü");
        assert_eq!(end(""), "");
        let long = format!("{}ü", "x".repeat(OUTPUT));
        assert_eq!(end(&long).chars().count(), OUTPUT);
        assert!(end(&long).ends_with("xü"));
    }

    #[test]
    fn a_reason_is_what_stands_behind_the_name() {
        assert_eq!(reason("aborted by eva@h: bad: really", "eva@h"), "bad: really");
        assert_eq!(reason("paused by eva@h", "eva@h"), "");
    }
}
