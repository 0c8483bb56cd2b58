//! `canary why`: why a run is where it is.

use super::Format;
use super::exit::{Status, because};
use super::runs::{StoreArg, events, find, open, pinned};
use crate::backend::quoted;
use crate::engine::Record;
use crate::report::document::Happened;
use crate::report::style::Style;
use crate::report::why::{Subject, json, text};
use crate::store::Run;
use std::io::IsTerminal;

/// Arguments of `canary why`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's id, or a rollout (its newest run); the newest run of all when left out
    name: Option<String>,
    #[command(flatten)]
    slice: super::slices::SliceArg,
    #[command(flatten)]
    store: StoreArg,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Slices that are named.
const NAMED: usize = 20;

/// A run of many lives is where it is for many reasons.
fn say_which(run: &Run, events: &[Happened]) -> Status {
    let mut decided: Vec<String> = Vec::new();
    for e in events.iter().rev() {
        let told = matches!(e.record, Record::Rollback { .. } | Record::Paused { .. } | Record::Refused { .. });
        if let (true, Some(slice)) = (told && decided.len() < NAMED, &e.slice) {
            let line = format!("\n  --slice {}", quoted(&slice.text()));
            if !decided.contains(&line) {
                decided.push(line);
            }
        }
    }
    let list = match decided.is_empty() {
        true => String::from(" (nothing was taken back or paused yet)"),
        false => format!("; those of which something was decided last:{}", decided.concat()),
    };
    because(Status::Wrong, &format!("{} has a life a slice: say which one{list}", run.rollout))
}

/// Prints the explanation.
#[must_use]
pub fn main(args: &Args) -> Status {
    match explain(args) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

fn explain(args: &Args) -> Result<(), Status> {
    let store = open(&args.store.store)?;
    let run = find(&store, args.name.as_deref())?;
    let (plan, bindings) = pinned(&store, &run)?;
    args.slice.fits(&store, &run)?;
    let mut events = events(&store, &run)?;
    if !plan.slices.is_empty() {
        let Some(meant) = &args.slice.slice else { return Err(say_which(&run, &events)) };
        // what concerns all of them concerns this one
        events.retain(|e| e.slice.as_ref().is_none_or(|s| meant.covers(s)));
        let mut named: Vec<String> = events.iter().filter_map(|e| Some(e.slice.as_ref()?.text())).collect();
        named.sort();
        named.dedup();
        match named.len() {
            0 => return Err(because(Status::Wrong, "no such slice was seen in this run")),
            1 => {}
            n => {
                return Err(because(
                    Status::Wrong,
                    &format!("{n} slices are meant by that: name all dimensions of one"),
                ));
            }
        }
    }
    let subject = Subject {
        plan: &plan,
        bindings: &bindings,
        run: run.id.as_str(),
        started: run.started,
        verdict: run.verdict.as_deref(),
        events: &events,
    };
    match args.format {
        Format::Human => out!("{}", text(&subject, Style::for_terminal(std::io::stdout().is_terminal()))),
        Format::Json => outln!("{}", json(&subject)),
    }
    Ok(())
}
