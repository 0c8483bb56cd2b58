//! `canary pause`, `canary resume`, `canary approve`: a person's word to a live run, through the store.

use super::exit::{Status, because};
use super::runs::{StoreArg, at, find, to_resume};
use super::slices::SliceArg;
use crate::plan::Bindings;
use crate::runtime::clock::now;
use crate::runtime::fleet::SLICES;
use crate::store::{Run, RunFilter, Store, host, user};
use std::time::Duration;

/// How long a live runner may take to answer.
const ANSWER: Duration = Duration::from_secs(10);

/// The answers after which a run is as it was asked to be. All others say why it is not.
const DONE: [&str; 4] = ["paused", "it was paused already", "resumed", "approved"];

/// Arguments of `canary pause`, `resume` and `abort`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rollout, or a run's id
    pub name: String,
    /// Why; kept in the journal
    #[arg(long, default_value = "")]
    pub why: String,
    /// Which slices
    #[command(flatten)]
    pub slice: SliceArg,
    /// Where the run is kept
    #[command(flatten)]
    pub store: StoreArg,
}

/// Arguments of `canary approve`.
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// The group that you speak for, as the policy names it
    group: String,
    /// The rollout, or a run's id; not needed while one run is under way
    name: Option<String>,
    /// Why; kept in the journal
    #[arg(long)]
    why: String,
    /// Which slices
    #[command(flatten)]
    slice: SliceArg,
    /// Where the run is kept
    #[command(flatten)]
    store: StoreArg,
}

/// Says yes, for a group, to the phase that a run is in.
#[must_use]
pub fn approve(args: &Approve) -> Status {
    match tell_approval(args) {
        Ok(status) | Err(status) => status,
    }
}

fn tell_approval(args: &Approve) -> Result<Status, Status> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => {
            let store = Store::open_existing(&args.store.store).map_err(|e| because(Status::Wrong, &e.to_string()))?;
            let filter = RunFilter { unfinished: true, ..RunFilter::default() };
            let runs = store.runs(&filter).map_err(|e| because(Status::Wrong, &e.to_string()))?;
            match runs.as_slice() {
                [run] => run.id.to_string(),
                [] => return Err(because(Status::Refused, "no run is under way: there is nothing to approve of")),
                several => {
                    let names: Vec<&str> = several.iter().map(|r| r.rollout.as_str()).collect();
                    let text = format!("several runs are under way: say which of {}", names.join(", "));
                    return Err(because(Status::Wrong, &text));
                }
            }
        }
    };
    let asked = Args { name, why: args.why.clone(), slice: args.slice.clone(), store: args.store.clone() };
    may_approve(&asked, &args.group)?;
    tell(&format!("approve {}", args.group), &asked)
}

/// Whether the environment that the run was started with lets this person speak for a group. One that it does not bind has no
/// members that anybody could be checked against: then whoever may write the store may approve, and is told so.
fn may_approve(asked: &Args, group: &str) -> Result<(), Status> {
    let store = open_to_write(&asked.store.store)?;
    let run = unfinished(&store, &asked.name)?;
    let documents = store.documents(&run.id).map_err(|e| because(Status::Wrong, &e.to_string()))?;
    let bindings: Bindings = serde_json::from_str(&documents.bindings_json)
        .map_err(|e| because(Status::Wrong, &format!("the bindings of run {} cannot be read: {e}", run.id)))?;
    let me = user();
    match bindings.people.get(group) {
        Some(people) if people.contains(&me) => Ok(()),
        Some(people) => {
            let text =
                format!("{me} does not speak for {group}: environment {} names {}", run.environment, people.join(", "));
            Err(because(Status::Refused, &text))
        }
        None if !bindings.people.is_empty() => {
            let named: Vec<&str> = bindings.people.keys().map(String::as_str).collect();
            let text = format!("environment {} names no group {group}: it names {}", run.environment, named.join(", "));
            Err(because(Status::Refused, &text))
        }
        None => {
            eprintln!(
                "canary: environment {} does not say who {group} is (`people {group} = […]`): anybody's word counts",
                run.environment
            );
            Ok(())
        }
    }
}

/// Tells the live runner and waits for its answer.
#[must_use]
pub fn main(kind: &str, args: &Args) -> Status {
    match tell(kind, args) {
        Ok(status) | Err(status) => status,
    }
}

fn tell(kind: &str, args: &Args) -> Result<Status, Status> {
    let store = open_to_write(&args.store.store)?;
    let run = unfinished(&store, &args.name)?;
    if runner(&store, &run).is_none() {
        let rollout = &run.rollout;
        return Err(because(
            Status::Refused,
            &format!(
                "no runner is alive for run {}: nothing moves until `{}`; `canary abort {rollout}{}` takes it back now",
                run.id,
                to_resume(&store, &run),
                at(&store)
            ),
        ));
    }
    args.slice.fits(&store, &run)?;
    let outcome = post_and_wait(&store, &run, &of_slices(kind, &args.slice), &args.why)?;
    let said = format!("{} run {}: {outcome}", run.rollout, run.id);
    let done = |d: &str| outcome == d || outcome.strip_prefix(d).is_some_and(|rest| rest.starts_with(':'));
    if !DONE.iter().any(|d| done(d)) {
        return Err(because(Status::Refused, &said));
    }
    outln!("{said}");
    Ok(Status::Success)
}

/// A command with the slices that it means.
#[must_use]
pub fn of_slices(kind: &str, slices: &SliceArg) -> String {
    match &slices.slice {
        None => kind.to_owned(),
        Some(meant) => format!("{kind}{SLICES}{}", serde_json::to_string(meant).unwrap_or_default()),
    }
}

/// Opens a store that must exist already, to write people's words into it.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn open_to_write(path: &std::path::Path) -> Result<Store, Status> {
    // a mistyped path must not make an empty store
    Store::open_existing(path).map_err(|e| because(Status::Wrong, &e.to_string()))
}

/// The unfinished run of a rollout of that name, or the run of that id, if it is not over.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn unfinished(store: &Store, name: &str) -> Result<Run, Status> {
    // a kill may have made a run of its own since: that one is over
    let unfinished = store.unfinished_run(name).map_err(|e| because(Status::Wrong, &e.to_string()))?;
    if let Some(run) = unfinished {
        return Ok(run);
    }
    let run = find(store, Some(name))?;
    match &run.verdict {
        None => Ok(run),
        Some(v) => {
            let v = v.replace('_', " ");
            Err(because(Status::Refused, &format!("run {} of {} is over: {v}", run.id, run.rollout)))
        }
    }
}

/// Who runs it, if anybody does.
#[must_use]
pub fn runner(store: &Store, run: &Run) -> Option<String> {
    store.lease_holder(&format!("rollout/{}", run.rollout)).ok().flatten()
}

/// Posts a command and waits for what the runner says.
///
/// # Errors
/// The exit status when the store fails or nobody answers; it was said on standard error.
pub fn post_and_wait(store: &Store, run: &Run, kind: &str, why: &str) -> Result<String, Status> {
    let failed = |e: crate::store::StoreError| because(Status::Wrong, &e.to_string());
    let id = store.post_command(&run.id, kind, &who(), why, now()).map_err(failed)?;
    if let Some(outcome) = store.await_command(id, ANSWER).map_err(failed)?.outcome {
        return Ok(outcome);
    }
    let message =
        format!("the runner of {} has not answered within {}s; it will still see this", run.id, ANSWER.as_secs());
    Err(because(Status::Unfinished, &message))
}

/// Who this is: the login name, with the host.
#[must_use]
pub fn who() -> String {
    format!("{}@{}", user(), host())
}
