//! Where a report goes, and reports out of the store.

use super::exit::{Status, because};
use super::load::Compiled;
use super::runs::{events, pinned};
use super::whole;
use crate::engine::State;
use crate::plan::{Answer, Time};
use crate::report::document::{Source, report};
use crate::report::observed::Observed;
use crate::report::provenance::Provenance;
use crate::store::{Run, Store};
use serde_json::Value;
use std::io::Write;
use std::path::Path;

/// Whether a report goes to standard output.
#[must_use]
pub fn is_out(file: &Path) -> bool {
    file.as_os_str() == "-"
}

/// Whether a report could be written: a run may take hours, and its report is made at its end.
///
/// # Errors
/// The exit status when it could not; it was said on standard error.
pub fn check(file: &Path) -> Result<(), Status> {
    if is_out(file) {
        return Ok(());
    }
    let part = whole::part_of(file);
    let failed = |why: &str| {
        because(Status::Wrong, &format!("nothing was changed: no report can be written to {}: {why}", file.display()))
    };
    if file.is_dir() {
        return Err(failed("it is a folder"));
    }
    let was_there = part.exists();
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&part);
    opened.map_err(|e| failed(&e.to_string()))?;
    if !was_there {
        let _ = std::fs::remove_file(&part);
    }
    Ok(())
}

/// Writes a document to a file, of which a reader never finds half, or to standard output.
///
/// # Errors
/// What the system says.
pub fn write(document: &Value, file: &Path) -> std::io::Result<()> {
    let text = serde_json::to_string_pretty(document).unwrap_or_default() + "\n";
    if is_out(file) {
        let mut out = std::io::stdout();
        return out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
    whole::write(file, &text)
}

/// The report of a run, as far as it has come.
///
/// # Errors
/// The exit status when the store cannot be read, or its chain does not hold; it was said on standard error.
pub fn of_run(store: &Store, run: &Run) -> Result<Value, Status> {
    let failed =
        |e: &dyn std::fmt::Display| because(Status::Wrong, &format!("no report of run {} can be made: {e}", run.id));
    let run = store.run(&run.id).map_err(|e| failed(&e))?;
    let (plan, bindings) = pinned(store, &run)?;
    let events = events(store, &run)?;
    let chain = store.verify(&run.id).map_err(|e| failed(&e))?.hash;
    let documents = store.documents(&run.id).map_err(|e| failed(&e))?;
    let mut provenance: Provenance = serde_json::from_str(&documents.provenance_json).unwrap_or_default();
    let mut observed = Observed::new(&plan, &bindings);
    store.each_observation(&run.id, Time::MIN, Time::MAX, |at, body| observed.see(at, body)).map_err(|e| failed(&e))?;
    let state: Option<State> =
        store.state(&run.id).map_err(|e| failed(&e))?.and_then(|(_, v)| serde_json::from_value(v).ok());
    // a runner that was killed before its start was journalled read a baseline of its own: the next one read it again, over a
    // stretch that nobody has written down
    if state.as_ref().and_then(|s| s.started) != Some(run.started) {
        provenance.baseline = None;
    }
    let baseline = state.map(|s| s.baseline).unwrap_or_default();
    Ok(report(&Source {
        plan: &plan,
        bindings: &bindings,
        run: Some(run.id.as_str()),
        started: run.started,
        ended: run.finished,
        verdict: run.verdict.as_deref(),
        exit_status: exit_status(run.verdict.as_deref()).code(),
        provenance,
        baseline: &baseline,
        events: &events,
        observed: &observed,
        refused: &[],
        chain: Some(&chain),
    }))
}

/// The report of a start that was refused before there was a run.
#[must_use]
pub fn of_refusal(compiled: &Compiled, provenance: Provenance, at: (Time, Time), reasons: &[String]) -> Value {
    let none: &[Option<Answer>] = &[];
    report(&Source {
        plan: &compiled.plan,
        bindings: &compiled.bindings,
        run: None,
        started: at.0,
        ended: Some(at.1),
        verdict: Some("refused"),
        exit_status: Status::Refused.code(),
        provenance,
        baseline: none,
        events: &[],
        observed: &Observed::new(&compiled.plan, &compiled.bindings),
        refused: reasons,
        chain: None,
    })
}

/// The exit status that a verdict has.
#[must_use]
pub fn exit_status(verdict: Option<&str>) -> Status {
    match verdict {
        Some("promoted") => Status::Success,
        Some("rolled_back") => Status::Bad,
        Some("aborted" | "killed") => Status::Person,
        Some("refused") => Status::Refused,
        _ => Status::Unfinished,
    }
}
