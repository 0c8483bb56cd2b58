//! One line an event: what a pipe gets, and the log under the live view.

use super::approvals;
use super::style::Style;
use super::text::{clock, printable, reading, rfc3339, settings};
use crate::engine::record::Thrower;
use crate::engine::{Record, RunCause, Verdict, Word};
use crate::plan::{Time, show};
use crate::runtime::{Observer, View};
use serde_json::json;
use std::io::Write;

/// A record as one line (several for an action that failed with output), without the time.
#[must_use]
pub fn line(record: &Record, style: Style) -> String {
    match record {
        Record::Started { originals } => format!("started; a rollback restores {}", settings(originals)),
        Record::Refused { reasons } => {
            format!("{}: nothing was changed\n{}", style.bad("refused"), bullets(reasons))
        }
        Record::Entered { phase, settings: s, .. } => format!("phase {}: set {}", style.bold(phase), settings(s)),
        Record::Verified { read, took, .. } => {
            format!("read back {} after {}", style.bold(&settings(read)), show::duration(*took))
        }
        Record::Guard { report, missing, .. } => {
            let why = missing.as_ref().map_or(String::new(), |m| format!(" ({m})"));
            let word = style.word(report.word, report.word.text());
            match report.word {
                Word::Ok | Word::Failing | Word::Breached | Word::Thin | Word::Undecided => {
                    format!("guard {} {word}: {}{why}", report.guard, reading(report))
                }
                Word::Warming | Word::Dark | Word::Blind => format!("guard {} {word}{why}", report.guard),
            }
        }
        Record::ActionStarted { action, cause, .. } => match cause {
            RunCause::Step => format!("running {action}"),
            RunCause::Reaction => format!("running {action} (nobody waits for it)"),
            RunCause::Undo => format!("undoing: running {action}"),
            RunCause::Kill => format!("kill switch: running {action}"),
        },
        Record::ActionEnded { action, ok: true, how, .. } => format!("{action} {}: {how}", style.good("succeeded")),
        Record::ActionEnded { action, how, output, .. } => {
            let tail: Vec<&str> = output.lines().rev().take(5).collect();
            let tail: Vec<String> = tail.into_iter().rev().map(|l| format!("    | {}", printable(l))).collect();
            let tail = if tail.is_empty() { String::new() } else { format!("\n{}", tail.join("\n")) };
            format!("{action} {}: {how}{tail}", style.bad("failed"))
        }
        Record::StepDone { phase, step } => format!("phase {phase}: done: {step}"),
        Record::Paused { explanation } => format!("{}: {}", style.unsure("paused"), explanation.summary),
        Record::Resumed { who, why } => {
            format!("resumed by {who}{}", if why.is_empty() { String::new() } else { format!(": {why}") })
        }
        Record::Approved { group, phase, who, why } => {
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("phase {phase} approved for {group} by {who}{why}")
        }
        Record::Drift { port, asked, read } => {
            format!("{}: {port} was read as {read}, asked for was {asked}", style.bad("drift"))
        }
        Record::Waiting { phase, what } => {
            format!("{}: phase {phase} stays, waiting for {what}", style.unsure("waiting"))
        }
        Record::Raised { phase, port, to, .. } => {
            format!("phase {phase}: raise {} to {}", style.bold(port), style.bold(&to.to_string()))
        }
        Record::Promoted { phase, .. } => {
            format!("{}: phase {} holds for good, its guards go on watching", style.good("promoted"), style.bold(phase))
        }
        Record::KillReset { switch, who, why } => format!("kill switch {} reset by {who}: {why}", style.bold(switch)),
        Record::Passed { phase, .. } => format!("phase {} {}", style.bold(phase), style.good("passed")),
        Record::Rollback { to, settings: s, explanation, .. } => {
            let to = to.as_ref().map_or(String::new(), |p| format!(" to phase {p}"));
            format!("{}{to}: {}; set {}", style.bad("rollback"), explanation.summary, settings(s))
        }
        Record::KillSwitch { switch, by, who, why, .. } => {
            let by = if *by == Thrower::Guard { "guard " } else { "" };
            let why = if why.is_empty() { String::new() } else { format!(": {why}") };
            format!("{} {} thrown by {by}{who}{why}", style.bad("kill switch"), style.bold(switch))
        }
        Record::NotRolledBack { explanation } => {
            format!("{}: {}", style.bad("not rolled back"), explanation.summary)
        }
        Record::SetAgain { settings: s, .. } => format!("set again: {}", settings(s)),
        Record::RollbackSlow { since } => {
            format!("{}: not read back since {}", style.bad("the rollback takes long"), clock(*since))
        }
        Record::Snapshot { early, .. } => {
            String::from(if *early { "snapshot (taken early: the run ends)" } else { "snapshot" })
        }
        Record::Finished { verdict, explanation } => {
            let word = verdict.text().replace('_', " ");
            let word = if *verdict == Verdict::Promoted { style.good(&word) } else { style.bad(&word) };
            format!("{word}: {}", explanation.summary)
        }
    }
}

fn bullets(list: &[String]) -> String {
    list.iter().map(|r| format!("  - {r}")).collect::<Vec<_>>().join("\n")
}

/// Writes one line an event.
pub struct Lines<W> {
    out: W,
    style: Style,
    /// What was said last of approvals that are awaited.
    awaited: Option<String>,
}

impl<W: Write + Send> Lines<W> {
    /// To a writer.
    pub fn new(out: W, style: Style) -> Self {
        Self { out, style, awaited: None }
    }
}

impl<W: Write + Send> Observer for Lines<W> {
    fn record(&mut self, at: Time, record: &Record) {
        // a reader that went away does not stop a rollout
        let _ = writeln!(self.out, "{} {}", clock(at), line(record, self.style));
        let _ = self.out.flush();
    }

    fn of_slice(&mut self, at: Time, slice: &str, record: &Record) {
        let _ = writeln!(self.out, "{} {} {}", clock(at), printable(slice), line(record, self.style));
        let _ = self.out.flush();
    }

    fn view(&mut self, view: View<'_>) {
        let groups = approvals::awaited(view.plan, view.state);
        let awaited = (!groups.is_empty()).then(|| {
            let text = approvals::text(view.plan, &groups);
            format!("phase {} {text}", view.plan.phase_name(view.state.phase))
        });
        if awaited != self.awaited {
            self.awaited = awaited;
            if let (Some(text), Some(at)) = (self.awaited.clone(), view.state.last) {
                self.remark(at, &text);
            }
        }
    }

    fn remark(&mut self, at: Time, text: &str) {
        let _ = writeln!(self.out, "{} {}", clock(at), printable(text));
        let _ = self.out.flush();
    }
}

/// Writes one JSON object a line: `{"schema":"canary.event/1","at":…,"kind":…,…}`.
pub struct JsonLines<W> {
    out: W,
}

impl<W: Write + Send> JsonLines<W> {
    /// To a writer.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    fn put(&mut self, at: Time, body: serde_json::Value) {
        let mut whole = json!({ "schema": "canary.event/1", "at": rfc3339(at) });
        if let (Some(whole), serde_json::Value::Object(body)) = (whole.as_object_mut(), body) {
            whole.extend(body);
        }
        let _ = writeln!(self.out, "{whole}");
        let _ = self.out.flush();
    }
}

impl<W: Write + Send> Observer for JsonLines<W> {
    fn record(&mut self, at: Time, record: &Record) {
        let body = serde_json::to_value(record).unwrap_or_default();
        self.put(at, body);
    }

    fn of_slice(&mut self, at: Time, slice: &str, record: &Record) {
        let mut body = serde_json::to_value(record).unwrap_or_default();
        let named = crate::plan::slices::Meant::parse(slice).unwrap_or_default();
        if let Some(body) = body.as_object_mut() {
            let named: serde_json::Map<_, _> = named.0.into_iter().map(|(n, v)| (n, json!(v))).collect();
            body.insert(String::from("slice"), json!(named));
        }
        self.put(at, body);
    }

    fn view(&mut self, _view: View<'_>) {}

    fn remark(&mut self, at: Time, text: &str) {
        self.put(at, json!({ "kind": "remark", "text": text }));
    }
}
