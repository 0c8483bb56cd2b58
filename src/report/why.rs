//! Why a run is where it is: from the journal's own records, nothing is computed a second time.

use super::document::Happened;
use super::style::Style;
use super::text::{clock, date_time, reading, rfc3339, settings, tolerance};
use crate::engine::{Explanation, GuardReport, InputReport, Record};
use crate::plan::{Ask, Bindings, InputId, Plan, Population, Selector, Slice, Time, Unit, Window, show};
use serde_json::{Value, json};

/// What is asked about.
pub struct Subject<'a> {
    /// The pinned plan.
    pub plan: &'a Plan,
    /// The pinned bindings.
    pub bindings: &'a Bindings,
    /// The slice that is asked about, by its values in the order of the plan's dimensions; none of a rollout with one life.
    pub slice: Option<&'a [String]>,
    /// The run's id.
    pub run: &'a str,
    /// When it began.
    pub started: Time,
    /// `promoted`, `rolled_back`, …; none while it is not over.
    pub verdict: Option<&'a str>,
    /// Its journal.
    pub events: &'a [Happened],
}

/// What was decided, by the record that says so.
pub(super) struct Decided<'a> {
    /// The record's place among the events.
    index: usize,
    /// When.
    at: Time,
    /// `refused`, `rollback`, `finished`, `paused`.
    pub(super) kind: &'static str,
    /// Why.
    pub(super) why: Decision<'a>,
}

pub(super) enum Decision<'a> {
    Refused(&'a [String]),
    Explained(&'a Explanation),
}

/// The decision that explains where the run is: a refusal, a rollback of everything, else the end, else a pause, else the newest
/// rollback to an earlier phase, from which the run lives on.
pub(super) fn decision(events: &[Happened]) -> Option<Decided<'_>> {
    let mut whole: Option<Decided<'_>> = None;
    let mut paused: Option<Decided<'_>> = None;
    let mut back: Option<Decided<'_>> = None;
    for (index, e) in events.iter().enumerate() {
        let explained =
            |kind, explanation| Some(Decided { index, at: e.at, kind, why: Decision::Explained(explanation) });
        match &e.record {
            Record::Refused { reasons } => {
                whole = Some(Decided { index, at: e.at, kind: "refused", why: Decision::Refused(reasons) });
            }
            Record::Rollback { to: None, explanation, .. } => whole = explained("rollback", explanation),
            Record::Rollback { to: Some(_), explanation, .. } => {
                back = explained("rollback", explanation);
                // what a pause before it said is no longer where the run is
                paused = None;
            }
            Record::Finished { explanation, .. } if whole.is_none() => whole = explained("finished", explanation),
            Record::Paused { explanation } if paused.is_none() => paused = explained("paused", explanation),
            Record::Resumed { .. } => paused = None,
            _ => {}
        }
    }
    whole.or(paused).or(back)
}

/// For people.
#[must_use]
pub fn text(s: &Subject<'_>, style: Style) -> String {
    let mut out = String::new();
    let verdict = s.verdict.map_or_else(|| String::from("not over"), |v| v.replace('_', " "));
    out.push_str(&format!(
        "{} run {} began {}: {}\n",
        style.bold(&s.plan.rollout),
        s.run,
        date_time(s.started),
        style.bold(&verdict)
    ));
    match decision(s.events) {
        None => {
            out.push_str("\nno rule has decided anything yet\n");
            if let Some(g) = s.events.iter().rev().find_map(|e| match &e.record {
                Record::Guard { report, .. } => Some((e.at, report)),
                _ => None,
            }) {
                out.push_str(&format!("last change: {} guard {} {}\n", clock(g.0), g.1.guard, g.1.word.text()));
            }
        }
        Some(Decided { at, why: Decision::Refused(reasons), .. }) => {
            out.push_str(&format!("\n{} the start was refused, nothing was changed:\n", clock(at)));
            for r in reasons {
                out.push_str(&format!("  - {r}\n"));
            }
        }
        Some(Decided { index, at, kind, why: Decision::Explained(e) }) => {
            out.push_str(&format!("\n{} {kind}: {}\n", clock(at), style.bold(&e.summary)));
            out.push_str(&rule_text(s, e));
            out.push_str(&output_text(s.events.get(..index).unwrap_or_default(), e));
            out.push_str(&effects_text(s.events.get(index..).unwrap_or_default()));
        }
    }
    out
}

fn rule_text(s: &Subject<'_>, e: &Explanation) -> String {
    let mut out = String::new();
    if let Some(g) = &e.guard {
        out.push_str(&format!("\nrule     guard {}: {}\n", g.guard, g.condition));
        let tolerate = tolerance(g.tolerate).map_or(String::new(), |t| format!(" tolerate {t}"));
        out.push_str(&format!("        {tolerate} else {}\n", g.otherwise));
        out.push_str(&format!("values   {}\n", reading(g)));
        for (at, word, text) in history(s.events, &g.guard, e.at) {
            out.push_str(&format!("         {} {word}{text}\n", clock(at)));
        }
    } else {
        out.push_str(&format!("\nrule     {} ({})\n", e.rule, e.kind));
    }
    for (i, input) in e.inputs.iter().enumerate() {
        let head = if i == 0 { "asked  " } else { "       " };
        out.push_str(&format!("{head}  {}\n", input_text(s, input)));
    }
    let others: Vec<String> =
        e.others.iter().map(|g| format!("guard {} {} ({})", g.guard, g.word.text(), reading(g))).collect();
    for (i, o) in others.iter().enumerate() {
        let head = if i == 0 { "not by " } else { "       " };
        out.push_str(&format!("{head}  {o}\n"));
    }
    out
}

/// How many lines of a failed action's output are shown; all of it that was kept stands in the report.
const OUTPUT_LINES: usize = 12;

/// The end of what the action said whose failure decided: why a smoke test failed is what people ask first.
fn output_text(before: &[Happened], e: &Explanation) -> String {
    if e.kind != "action" {
        return String::new();
    }
    let output = before.iter().rev().find_map(|h| match &h.record {
        Record::ActionEnded { action, ok: false, output, .. } if *action == e.rule => Some(output.as_str()),
        _ => None,
    });
    let lines: Vec<&str> = output.unwrap_or("").lines().collect();
    let end = lines.get(lines.len().saturating_sub(OUTPUT_LINES)..).unwrap_or_default();
    let mut out = String::new();
    for (i, line) in end.iter().enumerate() {
        let head = if i == 0 { "output " } else { "       " };
        out.push_str(&format!("{head}  | {line}\n"));
    }
    out
}

fn input_text(s: &Subject<'_>, i: &InputReport) -> String {
    let who = match i.population {
        Population::Canary => "canary",
        Population::Stable => "stable",
        Population::Before => "before",
    };
    let value = match (i.value, &i.missing) {
        (_, Some(m)) => m.clone(),
        (Some(v), None) => measured(s.plan, i.input, v),
        (None, None) => String::from("–"),
    };
    let age = i.age.map_or(String::new(), |a| format!(", sampled {} before", show::duration(a)));
    let query = query(s.plan, s.bindings, i.input).map_or(String::new(), |q| format!("\n           {q}"));
    let query = row(s, i.input).map_or(query.clone(), |row| format!("{query}\n           the row with {row}"));
    format!("{} of {who}: {value}{age}{query}", i.metric)
}

/// What an input was answered, rounded and with its unit, as everywhere.
pub(super) fn measured(plan: &Plan, id: InputId, v: f64) -> String {
    let input = plan.inputs.get(id.index());
    let gauge = input.filter(|i| matches!(i.ask, Ask::Gauge(_) | Ask::PromQl { .. }));
    let unit = gauge.and_then(|i| plan.metrics.iter().find(|m| m.name == i.metric)).map_or(Unit::Number, |m| m.unit);
    show::brief(v, unit)
}

/// Which row of a grouped question's answer is the slice's: the labels that pick it.
pub(super) fn row(s: &Subject<'_>, id: InputId) -> Option<String> {
    let by = &s.plan.inputs.get(id.index())?.by;
    let one = |(d, v): (&Slice, &String)| by.contains(&d.label).then(|| format!("{}={v:?}", d.label));
    let labels: Vec<String> = s.plan.slices.iter().zip(s.slice?).filter_map(one).collect();
    (!labels.is_empty()).then(|| labels.join(", "))
}

/// The question behind an input as it is asked, in PromQL's notation.
#[must_use]
pub fn query(plan: &Plan, bindings: &Bindings, id: InputId) -> Option<String> {
    let input = plan.inputs.get(id.index())?;
    let population = match input.population {
        Population::Canary => "canary",
        Population::Stable | Population::Before => "stable",
    };
    let filled = input.ask.filled(bindings.variants.get(population).map_or("", String::as_str));
    let over = |s: &Selector, w: Window| match w {
        Window::Last(d) => format!("increase({}[{}])", s.0, show::duration(d)),
        Window::SinceLast => format!("increase({}[since the last check])", s.0),
    };
    Some(match &filled {
        Ask::PromQl { query, .. } => query.clone(),
        Ask::Gauge(s) => s.0.clone(),
        Ask::Increase(s, w) if input.by.is_empty() => format!("sum({})", over(s, *w)),
        Ask::Increase(s, w) => format!("sum by ({}) ({})", input.by.join(", "), over(s, *w)),
        Ask::Buckets(s, w) if input.by.is_empty() => format!("sum by (le) ({})", over(s, *w)),
        Ask::Buckets(s, w) => format!("sum by (le, {}) ({})", input.by.join(", "), over(s, *w)),
    })
}

/// How the guard came to its word: its changes in the run up to the decision.
fn history(events: &[Happened], guard: &str, until: Time) -> Vec<(Time, &'static str, String)> {
    let mut out: Vec<(Time, &'static str, String)> = events
        .iter()
        .filter(|e| e.at <= until)
        .filter_map(|e| match &e.record {
            Record::Guard { report, missing, .. } if report.guard == guard => {
                let why = missing.as_ref().map_or_else(|| short(report), |m| format!(": {m}"));
                Some((e.at, report.word.text(), why))
            }
            _ => None,
        })
        .collect();
    let over = out.len().saturating_sub(6);
    out.drain(..over);
    out
}

fn short(g: &GuardReport) -> String {
    g.reading.value.map_or(String::new(), |v| format!(": {}", show::brief(v, g.unit)))
}

/// What was done about it.
fn effects_text(events: &[Happened]) -> String {
    let mut out = String::new();
    let mut asked: Option<(Time, u32)> = None;
    for e in events {
        match &e.record {
            Record::Rollback { settings: list, epoch, .. } => {
                asked = Some((e.at, *epoch));
                out.push_str(&format!("\n{} asked for {}\n", clock(e.at), settings(list)));
            }
            Record::Verified { epoch, read, took } if asked.is_some_and(|(_, n)| n == *epoch) => {
                let took = show::duration(*took);
                out.push_str(&format!("{} read back {} ({took} after it was decided)\n", clock(e.at), settings(read)));
            }
            Record::ActionEnded { action, ok, how, .. } if asked.is_some() => {
                let word = if *ok { "succeeded" } else { "failed" };
                out.push_str(&format!("{} {action} {word}: {how}\n", clock(e.at)));
            }
            Record::RollbackSlow { .. } => {
                out.push_str(&format!("{} the rollback took long: people were told\n", clock(e.at)));
            }
            _ => {}
        }
    }
    out
}

/// For machines: `canary.why/1`.
#[must_use]
pub fn json(s: &Subject<'_>) -> Value {
    let (decided, kind, body) = match decision(s.events) {
        None => (Value::Null, Value::Null, Value::Null),
        Some(Decided { at, kind, why: Decision::Refused(reasons), .. }) => {
            (json!(rfc3339(at)), json!(kind), json!({ "reasons": reasons }))
        }
        Some(Decided { at, kind, why: Decision::Explained(e), .. }) => (json!(rfc3339(at)), json!(kind), json!(e)),
    };
    let queries: Vec<Value> = match decision(s.events) {
        Some(Decided { why: Decision::Explained(e), .. }) => {
            let one = |i: &InputReport| {
                let mut one = json!({ "input": i.input, "query": query(s.plan, s.bindings, i.input) });
                if let (Some(one), Some(row)) = (one.as_object_mut(), row(s, i.input)) {
                    one.insert("row".into(), row.into());
                }
                one
            };
            e.inputs.iter().map(one).collect()
        }
        _ => Vec::new(),
    };
    json!({
        "schema": "canary.why/1",
        "run": s.run,
        "rollout": s.plan.rollout,
        "verdict": s.verdict,
        "decided": decided,
        "decision": kind,
        "explanation": body,
        "queries": queries,
    })
}
