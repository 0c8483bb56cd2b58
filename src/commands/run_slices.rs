//! `canary run` of a rollout with a life a slice.

use super::connect::{connect, connect_to_take_back};
use super::exit::{Refusal, Status, because};
use super::lab;
use super::load::Compiled;
use super::run::{Args, OBSERVATIONS_KEPT, create_run, last_rollback, not_latched};
use super::runs::{at as at_store, to_resume};
use crate::engine::{Operator, Verdict};
use crate::plan::{Bindings, Plan};
use crate::report::provenance::Provenance;
use crate::runtime::clock::now;
use crate::runtime::fleet::Beginning;
use crate::runtime::fleet::{FleetExecutor, Kept};
use crate::runtime::journal::Journal;
use crate::runtime::{Backends, Observer, Outcome, preflight};
use crate::store::{LeaseGuard, Run, Store};
use std::sync::Arc;
use tokio::sync::watch;

/// What a sliced rollout cannot have yet.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn refuse(args: &Args, compiled: &Compiled) -> Result<(), Status> {
    if compiled.plan.slices.is_empty() {
        return Ok(());
    }
    let why = if args.report.is_some() {
        "a report of a sliced run is not built yet: `canary history` and `canary why` tell of each slice"
    } else if lab::is_needed(&compiled.bindings) {
        "the lab has no slices: run a sliced rollout on an environment with a Prometheus"
    } else {
        return Ok(());
    };
    Err(because(Status::Wrong, why))
}

/// Starts from the beginning.
///
/// # Errors
/// Why it cannot start.
pub async fn fresh(
    args: &Args,
    compiled: &Compiled,
    provenance: &Provenance,
    store: &Arc<Store>,
    lease: LeaseGuard,
    stop: watch::Receiver<bool>,
    mut observer: Box<dyn Observer>,
) -> Result<Status, Refusal> {
    not_latched(store, compiled)?;
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, None).map_err(Refusal::all)?;
    let rolled_back = last_rollback(store, &plan)?;
    let warnings = preflight::reach(&plan, &backends, observer.as_mut()).await.map_err(Refusal::all)?;
    if *stop.borrow() {
        return Err(Refusal::one("stopped before anything was changed"));
    }
    for w in warnings {
        observer.remark(now(), &format!("warning: {w}"));
    }
    // events are kept for ever, notices that nothing more comes of are not
    let _ = store.prune_observations(now() - OBSERVATIONS_KEPT);
    let _ = store.prune_notices(now() - OBSERVATIONS_KEPT);
    let at = now();
    let run = create_run(args, compiled, provenance, store, at)?;
    Ok(drive(store, &run, lease, plan, backends, Beginning::Start { at, rolled_back }, stop, observer).await)
}

/// Goes on with a run.
///
/// # Errors
/// Why it cannot.
pub async fn resume(
    compiled: &Compiled,
    store: &Arc<Store>,
    run: &Run,
    lease: LeaseGuard,
    stop: watch::Receiver<bool>,
    mut observer: Box<dyn Observer>,
) -> Result<Status, Refusal> {
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, None).map_err(Refusal::all)?;
    let beginning = match kept(store, run)? {
        Some(kept) => Beginning::Recovered(Box::new(kept)),
        None => {
            // its runner stopped before it had journalled anything: nothing was changed
            preflight::reach(&plan, &backends, observer.as_mut()).await.map_err(Refusal::all)?;
            Beginning::Start { at: now(), rolled_back: last_rollback(store, &plan)? }
        }
    };
    Ok(drive(store, run, lease, plan, backends, beginning, stop, observer).await)
}

/// Takes a run back that nobody runs.
///
/// # Errors
/// The exit status; it was said on standard error.
#[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
pub async fn take_back(
    store: &Arc<Store>,
    run: &Run,
    lease: LeaseGuard,
    plan: Plan,
    bindings: &Bindings,
    act: Operator,
    (who, why): (String, String),
    stop: watch::Receiver<bool>,
    observer: Box<dyn Observer>,
) -> Result<Status, Refusal> {
    let Some(kept) = kept(store, run)? else {
        store.finish_run(&run.id, "aborted", now()).map_err(|e| Refusal::one(e.to_string()))?;
        outln!("{} run {}: aborted before it had changed anything", run.rollout, run.id);
        return Ok(Status::Person);
    };
    let plan = Arc::new(plan);
    let (backends, without) = connect_to_take_back(&plan, bindings).map_err(Refusal::all)?;
    for w in without {
        eprintln!("canary: taking back without it: {w}");
    }
    let beginning = Beginning::TakeBack { kept: Box::new(kept), act, who, why };
    Ok(drive(store, run, lease, plan, backends, beginning, stop, observer).await)
}

/// The state that a run was left in.
///
/// # Errors
/// Why it cannot be read.
pub fn kept(store: &Store, run: &Run) -> Result<Option<Kept>, Refusal> {
    let kept = store.state(&run.id).map_err(|e| Refusal::one(e.to_string()))?;
    let Some((_, value)) = kept else { return Ok(None) };
    serde_json::from_value(value)
        .map(Some)
        .map_err(|e| Refusal::one(format!("the state of run {} was written by another version: {e}", run.id)))
}

/// Drives a run to its end or to a stop.
#[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
async fn drive(
    store: &Arc<Store>,
    run: &Run,
    lease: LeaseGuard,
    plan: Arc<Plan>,
    backends: Backends,
    beginning: Beginning,
    stop: watch::Receiver<bool>,
    observer: Box<dyn Observer>,
) -> Status {
    let journal = Journal::new(Arc::clone(store), run, lease, plan.check_every);
    let (outcome, _) = FleetExecutor::new(plan, backends, journal, observer).run(beginning, stop).await;
    match outcome {
        Outcome::Finished(Verdict::Promoted) => Status::Success,
        Outcome::Finished(Verdict::RolledBack) => Status::Bad,
        Outcome::Finished(Verdict::Aborted | Verdict::Killed) => Status::Person,
        Outcome::Finished(Verdict::Refused) => Status::Refused,
        Outcome::Taken(why) => {
            eprintln!("canary: run {} is no longer this runner's, which does nothing any more: {why}", run.id);
            Status::Unfinished
        }
        Outcome::Stopped => {
            eprintln!("\ncanary: stopped; the state of run {} is kept", run.id);
            eprintln!("  go on     {}", to_resume(store, run));
            eprintln!("  take back canary abort {}{}", run.rollout, at_store(store));
            Status::Unfinished
        }
    }
}
