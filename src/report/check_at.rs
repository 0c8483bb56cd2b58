//! What any past check said, and why: `canary why --at`. Computed from the journal and from what was kept of the check.

use super::document::Happened;
use super::lines::line;
use super::style::Style;
use super::text::{reading, rfc3339, tolerance, used};
use super::why::{Subject, measured, query, row};
use crate::engine::standing::Blocker;
use crate::engine::{Explanation, GuardReport, InputReport, Observation, Record, Stage, Word};
use crate::plan::{Answer, Consequence, GuardId, Population, Time, show};
use serde_json::{Value, json};

/// Which check is asked about.
pub struct Look<'a> {
    /// The run.
    pub subject: &'a Subject<'a>,
    /// The moment that was asked for.
    pub asked: Time,
    /// The run's first check.
    pub first: Time,
    /// The check at or before that moment, and what was kept of it; none when nothing is kept any more.
    pub check: Option<(Time, &'a Observation)>,
    /// A check of all slices of which nothing of this one is kept, and why.
    pub unkept: Option<(Time, &'a str)>,
    /// The next check of which anything is kept.
    pub next: Option<Time>,
    /// When the run ended.
    pub ended: Option<Time>,
    /// What was answered over the baseline, by input.
    pub baseline: &'a [Option<Answer>],
    /// Only this guard.
    pub rule: Option<&'a str>,
}

/// A guard at the check, with what was read for it.
struct Said {
    report: GuardReport,
    inputs: Vec<InputReport>,
    missing: Option<String>,
    tells: bool,
}

impl Look<'_> {
    /// The check that is told of; without one, the moment itself.
    fn at(&self) -> Time {
        self.check.map(|c| c.0).or(self.unkept.map(|u| u.0)).unwrap_or(self.asked)
    }

    fn since_first(&self, at: Time) -> String {
        if at == self.first {
            String::from("the first check")
        } else {
            format!("{} after the first check", show::roughly(at - self.first))
        }
    }

    /// What must be said before anything else: that nobody checked at that time, that the run was over, that nothing is kept.
    fn note(&self) -> Option<String> {
        let every = self.subject.plan.check_every;
        if let Some((_, why)) = self.unkept {
            return Some(format!("{why}: what follows is the journal's, which keeps every change"));
        }
        let Some((at, _)) = self.check else {
            return Some(String::from(
                "what was read at this check is not kept any more: what follows is the journal's, which keeps every change",
            ));
        };
        if self.ended.is_some_and(|ended| self.asked >= ended) && self.next.is_none() {
            let long = show::roughly(self.asked - at);
            return (self.asked > at)
                .then(|| format!("the run was over by then: this is its last check, {long} before"));
        }
        if self.asked - at <= 2 * every && self.next.is_none_or(|next| next - at <= 2 * every) {
            return None;
        }
        let until = self.next.map_or_else(|| String::from("until now"), |n| format!("until {}", self.since_first(n)));
        (self.asked > at).then(|| {
            let from = self.since_first(at);
            format!(
                "of no check from {from} on anything is kept, {until}: nobody checked, or the store was out of reach. This is the last one before"
            )
        })
    }

    /// The journal's records of the check itself, or of what came after it and before the next one.
    fn records(&self, after: bool) -> Vec<&Happened> {
        let (at, next) = (self.at(), self.next.unwrap_or(Time::MAX));
        self.subject.events.iter().filter(|e| if after { at < e.at && e.at < next } else { e.at == at }).collect()
    }

    /// The decision that was taken at the check, and its explanation where it has one.
    fn decided(&self) -> Option<(&'static str, &Record, Option<&Explanation>)> {
        let rank = |r: &Record| match r {
            Record::KillSwitch { .. } => 0,
            Record::Rollback { .. } => 1,
            Record::Refused { .. } => 2,
            Record::Paused { .. } => 3,
            Record::Finished { .. } => 4,
            Record::Passed { .. } => 5,
            Record::Promoted { .. } => 6,
            Record::Raised { .. } => 7,
            _ => 9,
        };
        let first =
            self.records(false).into_iter().map(|e| &e.record).filter(|r| rank(r) < 9).min_by_key(|r| rank(r))?;
        Some(match first {
            Record::KillSwitch { explanation, .. } => ("kill", first, Some(explanation)),
            Record::Rollback { explanation, .. } => ("rollback", first, Some(explanation)),
            Record::Paused { explanation } => ("paused", first, Some(explanation)),
            Record::Finished { explanation, .. } => ("finished", first, Some(explanation)),
            Record::Refused { .. } => ("refused", first, None),
            Record::Promoted { .. } => ("promoted", first, None),
            Record::Raised { .. } => ("raised", first, None),
            _ => ("passed", first, None),
        })
    }

    /// What every guard said at the check: as it was kept; where a decision has armed guards anew, as the decision tells; and where
    /// nothing is kept, the last change that the journal tells of.
    fn guards(&self) -> Vec<Said> {
        let plan = self.subject.plan;
        let mut reports: Vec<GuardReport> = self.check.map_or_else(Vec::new, |(_, o)| o.guards.clone());
        let mut add = |r: &GuardReport| {
            if !reports.iter().any(|have| have.guard == r.guard) {
                reports.push(r.clone());
            }
        };
        for e in self.records(false) {
            match &e.record {
                Record::Passed { guards, .. } | Record::Promoted { guards, .. } => guards.iter().for_each(&mut add),
                Record::KillSwitch { explanation: x, .. }
                | Record::Rollback { explanation: x, .. }
                | Record::Paused { explanation: x }
                | Record::Finished { explanation: x, .. } => x.guard.iter().chain(&x.others).for_each(&mut add),
                _ => {}
            }
        }
        if self.check.is_none() {
            for e in self.subject.events.iter().rev().filter(|e| e.at <= self.asked) {
                if let Record::Guard { report, .. } = &e.record {
                    add(report);
                }
            }
        }
        let place = |name: &str| plan.guards.iter().position(|g| g.name == name);
        reports.sort_by_key(|r| place(&r.guard));
        let said = |report: GuardReport| {
            let index = place(&report.guard);
            let inputs = match (self.check, index) {
                (Some((at, o)), Some(i)) => o.inputs(plan, self.baseline, at, GuardId::at(i)),
                _ => Vec::new(),
            };
            let tells = index.and_then(|i| plan.guards.get(i)).is_some_and(|g| g.otherwise == Consequence::Tell);
            Said { missing: missing(&report, &inputs), report, inputs, tells }
        };
        reports.into_iter().filter(|r| self.rule.is_none_or(|name| r.guard == name)).map(said).collect()
    }

    /// What kept the phase open at the check; nothing where something was decided that ended it.
    fn open(&self) -> Vec<Blocker> {
        let Some((at, o)) = self.check else { return Vec::new() };
        match (&o.standing, self.decided()) {
            (Some(s), None | Some(("paused" | "raised" | "promoted", ..))) => s.open(self.subject.plan, &o.guards, at),
            _ => Vec::new(),
        }
    }

    /// The phase of the check, before what was decided at it.
    fn phase(&self) -> Option<(&str, Time)> {
        let at = self.at();
        let mut found = None;
        for e in self.subject.events {
            // the first phase is entered at the first check, the others at the end of the one before
            if e.at > at || (e.at == at && found.is_some()) {
                break;
            }
            if let Record::Entered { phase, .. } | Record::Rollback { to: Some(phase), .. } = &e.record {
                found = Some((phase.as_str(), e.at));
            }
        }
        found
    }
}

/// Why a guard has no value: what its inputs say, or that what they say divides by nothing.
fn missing(report: &GuardReport, inputs: &[InputReport]) -> Option<String> {
    let of_input = inputs.iter().find_map(|i| i.missing.clone().map(|m| format!("{} of {}: {m}", i.metric, who(i))));
    match report.word {
        Word::Dark | Word::Blind => of_input,
        Word::Thin if of_input.is_none() && report.reading.value.is_none() => {
            Some(String::from("no number: 0/0, or a division by 0"))
        }
        _ if report.reading.value.is_none() => of_input,
        _ => None,
    }
}

fn who(i: &InputReport) -> &'static str {
    match i.population {
        Population::Canary => "canary",
        Population::Stable => "stable",
        Population::Before => "before",
    }
}

/// For people. Times count from the first check, and are given in UTC once: an explanation says the same to everybody.
#[must_use]
pub fn text(l: &Look<'_>, style: Style) -> String {
    let s = l.subject;
    let mut out =
        format!("{} run {}, {} ({})\n", style.bold(&s.plan.rollout), s.run, l.since_first(l.at()), show::utc(l.at()));
    if let Some(note) = l.note() {
        out.push_str(&format!("{note}\n"));
    }
    out.push_str(&where_it_stood(l, style));
    for said in l.guards() {
        out.push_str(&guard_text(l, &said, style));
    }
    out.push_str(&decided_text(l, style));
    let then = l.records(true);
    for (i, e) in
        then.iter().filter(|e| !matches!(e.record, Record::Guard { .. } | Record::Snapshot { .. })).enumerate()
    {
        let head = if i == 0 { "then    " } else { "        " };
        out.push_str(&format!("{head}{}: {}\n", l.since_first(e.at), line(&e.record, style)));
    }
    out
}

fn where_it_stood(l: &Look<'_>, style: Style) -> String {
    let mut out = match l.phase() {
        Some((phase, entered)) => format!("phase {}, entered at {}", style.bold(phase), l.since_first(entered)),
        None => String::from("no phase had been entered"),
    };
    if let Some(Stage::RollingBack(_)) = l.check.and_then(|(_, o)| o.standing.as_ref()).map(|s| s.stage) {
        out.push_str("; everything is being taken back");
    }
    out.push('\n');
    out
}

fn guard_text(l: &Look<'_>, said: &Said, style: Style) -> String {
    let g = &said.report;
    let since = l.since_first(g.since);
    let mut out = format!("\nguard {} {}, since {since}\n", style.bold(&g.guard), style.word(g.word, g.word.text()));
    let tolerate = tolerance(g.tolerate).map_or(String::new(), |t| format!(" tolerate {t}"));
    out.push_str(&format!("rule    `{}`{tolerate} else {}\n", g.condition, g.otherwise));
    let then = if l.check.is_none() { ", when that began" } else { "" };
    out.push_str(&format!("values  {}{then}\n", reading(g)));
    if let Some(used) = used(g).filter(|_| g.reading.used > 0) {
        out.push_str(&format!("        bad for {used}\n"));
    }
    if let Some(why) = &said.missing {
        out.push_str(&format!("        missing: {why}\n"));
    }
    for (i, input) in said.inputs.iter().enumerate() {
        let head = if i == 0 { "asked   " } else { "        " };
        let value = match (&input.missing, input.value) {
            (Some(m), _) => m.clone(),
            (None, Some(v)) => measured(l.subject.plan, input.input, v),
            (None, None) => String::from("no value"),
        };
        let age = input.age.map_or(String::new(), |a| format!(", sampled {} before", show::duration(a)));
        out.push_str(&format!("{head}{} of {}: {value}{age}\n", input.metric, who(input)));
        if let Some(q) = query(l.subject.plan, l.subject.bindings, input.input) {
            out.push_str(&format!("          {q}\n"));
        }
        if let Some(row) = row(l.subject, input.input) {
            out.push_str(&format!("          the row with {row}\n"));
        }
    }
    if said.tells {
        out.push_str("        it tells, and keeps no phase open\n");
    }
    out
}

fn decided_text(l: &Look<'_>, style: Style) -> String {
    let mut out = String::new();
    if let Some((kind, record, explanation)) = l.decided() {
        out.push_str(&format!("\ndecided {}\n", line(record, style)));
        if kind == "passed" {
            out.push_str("        every guard that can keep it open was ok, its steps were done, and every port was as asked for\n");
        }
        if let Some(e) = explanation {
            out.push_str(&format!("by      {} {}\n", e.kind, e.rule));
            for (i, g) in e.others.iter().enumerate() {
                let head = if i == 0 { "not by  " } else { "        " };
                out.push_str(&format!(
                    "{head}guard {} {} ({})\n",
                    g.guard,
                    style.word(g.word, g.word.text()),
                    reading(g)
                ));
            }
        }
    } else {
        out.push_str("\ndecided nothing\n");
    }
    let open = l.open();
    for (i, b) in open.iter().enumerate() {
        let head = if i == 0 { "open    " } else { "        " };
        out.push_str(&format!("{head}{}\n", b.text));
    }
    if open.is_empty() && l.decided().is_none() && l.check.is_some_and(|(_, o)| o.standing.is_none()) {
        out.push_str("        (where the phase stood was not kept by the version that ran it)\n");
    }
    out
}

/// For machines: `canary.why/1` with what the check said beside it.
#[must_use]
pub fn json(l: &Look<'_>) -> Value {
    let s = l.subject;
    let decided = l.decided();
    let explanation = decided.as_ref().and_then(|d| d.2);
    let said = l.guards();
    let guards: Vec<Value> = said
        .iter()
        .map(|g| {
            let mut v = json!(g.report);
            let inputs: Vec<Value> = g
                .inputs
                .iter()
                .map(|i| {
                    let mut v = json!(i);
                    if let Some(o) = v.as_object_mut() {
                        o.insert("query".into(), json!(query(s.plan, s.bindings, i.input)));
                    }
                    v
                })
                .collect();
            if let Some(o) = v.as_object_mut() {
                o.insert("missing".into(), json!(g.missing));
                o.insert("inputs".into(), json!(inputs));
            }
            v
        })
        .collect();
    let mut queries: Vec<Value> = Vec::new();
    for i in said.iter().flat_map(|g| &g.inputs) {
        let q = json!({ "input": i.input, "query": query(s.plan, s.bindings, i.input) });
        if !queries.contains(&q) {
            queries.push(q);
        }
    }
    let standing = l.check.and_then(|(_, o)| o.standing.as_ref());
    let ports = |o: &Observation| {
        let one = |(p, s): (&crate::plan::Port, &Option<_>)| json!({ "port": p.name, "read": s });
        s.plan.ports.iter().zip(&o.ports).map(one).collect::<Vec<_>>()
    };
    let phase = l.phase();
    json!({
        "schema": "canary.why/1",
        "run": s.run,
        "rollout": s.plan.rollout,
        "verdict": s.verdict,
        "decided": decided.as_ref().map(|_| rfc3339(l.at())),
        "decision": decided.as_ref().map(|d| d.0),
        "explanation": explanation,
        "queries": queries,
        "at": {
            "asked": rfc3339(l.asked),
            "check": l.check.map(|(at, _)| rfc3339(at)),
            "since_first_check_ms": l.at() - l.first,
            "next_check": l.next.map(rfc3339),
            "note": l.note(),
            "phase": phase.map(|p| p.0),
            "entered": phase.map(|p| rfc3339(p.1)),
            "standing": standing,
            "open": l.open(),
            "guards": guards,
            "ports": l.check.map(|(_, o)| ports(o)),
            "records": l.records(false).iter().map(|e| &e.record).collect::<Vec<_>>(),
            "then": l.records(true).iter().map(|e| json!({ "at": rfc3339(e.at), "record": e.record })).collect::<Vec<_>>(),
        },
    })
}
