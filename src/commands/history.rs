//! `canary history`: past runs, and the events of one.

use super::exit::{Status, because};
use super::runs::{StoreArg, events, find, open};
use super::{Format, report};
use crate::report::document::event_json;
use crate::report::lines::line;
use crate::report::style::Style;
use crate::report::text::{date_time, pad, rfc3339};
use crate::store::{EventFilter, Run, RunFilter, Store};
use serde_json::json;
use std::io::IsTerminal;
use std::path::PathBuf;

/// Arguments of `canary history`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's id: list its events
    run: Option<String>,
    /// Only runs of this rollout
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// Only runs with this verdict
    #[arg(long, value_name = "VERDICT", value_parser = ["promoted", "rolled_back", "aborted", "killed", "refused"])]
    verdict: Option<String>,
    /// At most so many runs, newest first
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// Recompute the run's hash chain and say whether it holds
    #[arg(long, requires = "run")]
    verify: bool,
    /// Write the run's report (`canary.report/1`) as `canary run --report` does; `-` is standard output
    #[arg(long, value_name = "FILE", requires = "run", conflicts_with = "verify")]
    report: Option<PathBuf>,
    #[command(flatten)]
    slice: super::slices::SliceArg,
    #[command(flatten)]
    store: StoreArg,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints runs or events.
#[must_use]
pub fn main(args: &Args) -> Status {
    match list(args) {
        Ok(status) | Err(status) => status,
    }
}

fn list(args: &Args) -> Result<Status, Status> {
    let store = open(&args.store.store)?;
    let Some(name) = &args.run else {
        if args.slice.slice.is_some() {
            let why = "`--slice` picks from the events of one run: name the run, or its rollout for the newest one";
            return Err(because(Status::Wrong, why));
        }
        let filter = RunFilter {
            rollout: args.rollout.clone(),
            verdict: args.verdict.clone(),
            limit: Some(args.limit),
            ..RunFilter::default()
        };
        let runs = store.runs(&filter).map_err(|e| because(Status::Wrong, &e.to_string()))?;
        print_runs(&runs, args.format);
        return Ok(Status::Success);
    };
    let run = find(&store, Some(name))?;
    if args.slice.slice.is_some() && (args.verify || args.report.is_some()) {
        let why = "`--slice` picks from the events of a run: it goes with neither `--verify` nor `--report`, which are of all";
        return Err(because(Status::Wrong, why));
    }
    if args.verify {
        return Ok(verify(&store, &run, args.format));
    }
    if let Some(file) = &args.report {
        let document = report::of_run(&store, &run)?;
        let written = report::write(&document, file);
        written.map_err(|e| because(Status::Wrong, &format!("no report can be written to {}: {e}", file.display())))?;
        return Ok(Status::Success);
    }
    args.slice.fits(&store, &run)?;
    let mut events = events(&store, &run)?;
    events.retain(|e| args.slice.slice.as_ref().is_none_or(|m| e.slice.as_ref().is_some_and(|s| m.covers(s))));
    match args.format {
        Format::Human => {
            let style = Style::for_terminal(std::io::stdout().is_terminal());
            for e in &events {
                let of = e.slice.as_ref().map_or(String::new(), |s| format!("{} ", s.text()));
                outln!("{} {of}{}", style.faint(&date_time(e.at)), line(&e.record, style));
            }
        }
        Format::Json => {
            let list: Vec<_> = events.iter().map(event_json).collect();
            outln!("{}", json!({ "schema": "canary.history/1", "run": run.id.as_str(), "events": list }));
        }
    }
    Ok(Status::Success)
}

fn verify(store: &Store, run: &Run, format: Format) -> Status {
    let found = store.verify(&run.id);
    if format == Format::Json {
        let chain = match &found {
            Ok(head) => json!({ "holds": true, "events": head.seq, "head": head.hash }),
            Err(e) => json!({
                "holds": false,
                "events": store.events(&run.id, &EventFilter::default()).ok().map(|all| all.len()),
                "error": e.to_string(),
            }),
        };
        outln!("{}", json!({ "schema": "canary.history/1", "run": run.id.as_str(), "chain": chain }));
        return if found.is_ok() { Status::Success } else { Status::Bad };
    }
    match found {
        Ok(head) => {
            outln!("run {}: the chain holds: {} events, head {}", run.id, head.seq, head.hash);
            Status::Success
        }
        Err(e) => because(Status::Bad, &format!("run {}: {e}", run.id)),
    }
}

fn print_runs(runs: &[Run], format: Format) {
    if format == Format::Json {
        let list: Vec<_> = runs
            .iter()
            .map(|r| {
                json!({
                    "run": r.id.as_str(),
                    "rollout": r.rollout,
                    "environment": r.environment,
                    "started": rfc3339(r.started),
                    "ended": r.finished.map(rfc3339),
                    "verdict": r.verdict,
                    "plan_hash": r.plan_hash,
                })
            })
            .collect();
        outln!("{}", json!({ "schema": "canary.history/1", "runs": list }));
        return;
    }
    if runs.is_empty() {
        outln!("no such runs");
    }
    for r in runs {
        let verdict = r.verdict.as_deref().unwrap_or("not over").replace('_', " ");
        outln!(
            "{}  {}  {}  {}  {}",
            date_time(r.started),
            pad(r.id.as_str(), 18),
            pad(&verdict, 11),
            pad(&r.rollout, 16),
            r.environment
        );
    }
}
