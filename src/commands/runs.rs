//! Runs in the store, as the commands need them.

use super::exit::{Status, because};
use crate::backend::quoted;
use crate::engine::Record;
use crate::plan::slices::Meant;
use crate::plan::{Bindings, Plan};
use crate::report::document::Happened;
use crate::report::provenance::Provenance;
use crate::store::{EventFilter, Run, RunFilter, Store, StoreError};
use std::path::{Path, PathBuf};

/// Where runs are kept unless the environment binds `store`.
pub const DEFAULT_STORE: &str = ".canary/store.db";

/// Which store a command reads.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreArg {
    /// The store to read
    #[arg(long, value_name = "FILE", env = "CANARY_STORE", default_value = DEFAULT_STORE)]
    pub store: PathBuf,
}

/// A multi-threaded runtime: two workers are enough for what waits on sockets.
///
/// # Errors
/// When the system gives no threads.
pub fn tokio() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// What a command that is to be typed needs to find a store: nothing for the one that it takes by itself, else ` --store FILE`.
#[must_use]
pub fn at(store: &Store) -> String {
    let own = std::env::var_os("CANARY_STORE").map_or_else(|| PathBuf::from(DEFAULT_STORE), PathBuf::from);
    if std::fs::canonicalize(own).is_ok_and(|own| own == store.path()) {
        return String::new();
    }
    format!(" --store {}", quoted(&store.path().display().to_string()))
}

/// The command that goes on with a run, as it began: without its `--set`s it would be another plan, and refused.
#[must_use]
pub fn to_resume(store: &Store, run: &Run) -> String {
    let kept = store.documents(&run.id).ok();
    let provenance = kept.and_then(|d| serde_json::from_str::<Provenance>(&d.provenance_json).ok());
    let arguments: String = provenance.iter().flat_map(|p| &p.again).map(|a| format!(" {}", quoted(a))).collect();
    format!("canary run {} --env {}{arguments} --resume", quoted(&run.policy_path), run.environment)
}

/// Opens a store to read.
///
/// # Errors
/// The exit status when there is none; it was said on standard error.
pub fn open(path: &Path) -> Result<Store, Status> {
    Store::open_readonly(path).map_err(|e| because(Status::Wrong, &e.to_string()))
}

/// A run by its id, or the newest run of a rollout of that name, or (without a name) the newest run of all.
///
/// # Errors
/// The exit status when there is none; it was said on standard error.
pub fn find(store: &Store, name: Option<&str>) -> Result<Run, Status> {
    let filter = RunFilter { limit: Some(1), rollout: name.map(str::to_owned), ..RunFilter::default() };
    let by_rollout = store.runs(&filter).map_err(|e| said(&e))?;
    if let Some(run) = by_rollout.into_iter().next() {
        return Ok(run);
    }
    // a run that is asked for by its id is found among all
    let all = if name.is_some() { store.runs(&RunFilter::default()).map_err(|e| said(&e))? } else { Vec::new() };
    let by_id = all.into_iter().find(|r| Some(r.id.as_str()) == name);
    by_id.ok_or_else(|| match name {
        Some(n) => {
            let message =
                format!("no run and no rollout called `{n}` in this store (see `canary history{}`)", at(store));
            because(Status::Wrong, &message)
        }
        None => because(Status::Wrong, "no runs yet in this store"),
    })
}

fn said(e: &StoreError) -> Status {
    because(Status::Wrong, &e.to_string())
}

/// The pinned plan and bindings of a run.
///
/// # Errors
/// The exit status when they cannot be read; it was said on standard error.
pub fn pinned(store: &Store, run: &Run) -> Result<(Plan, Bindings), Status> {
    let broken = |what: &str, e: serde_json::Error| {
        because(Status::Wrong, &format!("the {what} of run {} cannot be read by this version: {e}", run.id))
    };
    let documents = store.documents(&run.id).map_err(|e| said(&e))?;
    let plan = serde_json::from_str(&documents.plan_json).map_err(|e| broken("plan", e))?;
    let bindings = serde_json::from_str(&documents.bindings_json).map_err(|e| broken("bindings", e))?;
    Ok((plan, bindings))
}

/// The slice that an event is of.
fn slice_of(body: &serde_json::Value) -> Option<Meant> {
    let named = body.get("slice")?.as_object()?;
    Some(Meant(named.iter().filter_map(|(n, v)| Some((n.clone(), v.as_str()?.to_owned()))).collect()))
}

/// All records of a run. Those that this version does not know are left out and counted.
///
/// # Errors
/// The exit status when the store cannot be read; it was said on standard error.
pub fn events(store: &Store, run: &Run) -> Result<Vec<Happened>, Status> {
    let events = store.events(&run.id, &EventFilter::default()).map_err(|e| said(&e))?;
    let mut unknown = 0;
    let mut out = Vec::with_capacity(events.len());
    for e in events {
        match serde_json::from_value::<Record>(e.body.clone()) {
            Ok(record) => out.push(Happened { seq: e.seq, at: e.at, slice: slice_of(&e.body), record }),
            Err(_) => unknown += 1,
        }
    }
    if unknown > 0 {
        eprintln!("canary: {unknown} events of run {} were written by another version and are not shown", run.id);
    }
    Ok(out)
}
