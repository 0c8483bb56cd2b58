//! `canary why`: why a run is where it is.

use super::Format;
use super::exit::Status;
use super::runs::{StoreArg, events, find, open, pinned};
use crate::report::style::Style;
use crate::report::why::{Subject, json, text};
use std::io::IsTerminal;

/// Arguments of `canary why`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's id, or a rollout (its newest run); the newest run of all when left out
    name: Option<String>,
    #[command(flatten)]
    store: StoreArg,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
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
    let events = events(&store, &run)?;
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
