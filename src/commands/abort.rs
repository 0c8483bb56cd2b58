//! `canary abort`: takes everything back. A live runner is told to; without one this process does it itself.

use super::connect::connect_to_take_back;
use super::exit::{Status, because};
use super::people::{Args, of_slices, open_to_write, post_and_wait, runner, unfinished, who};
use super::run::{kept_state, lease, observer, resume_with, stop_on_signals};
use super::runs::{at, pinned};
use super::{Format, lab, run_slices};
use crate::engine::Operator;
use crate::plan::{Bindings, Plan};
use crate::runtime::executor::{Beginning, STANDS};
use crate::store::{LeaseGuard, Run, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait for a live runner's rollback.
const ROLLBACK: Duration = Duration::from_secs(120);

/// Takes back.
#[must_use]
pub fn main(args: &Args) -> Status {
    match abort(args) {
        Ok(status) | Err(status) => status,
    }
}

fn abort(args: &Args) -> Result<Status, Status> {
    let store = open_to_write(&args.store.store)?;
    let run = match unfinished(&store, &args.name) {
        Ok(run) => run,
        Err(status) => {
            deliver_left(store, &args.name);
            return Err(status);
        }
    };
    args.slice.fits(&store, &run)?;
    match (runner(&store, &run).is_some(), args.slice.slice.is_some()) {
        (true, true) => {
            let outcome = post_and_wait(&store, &run, &of_slices("abort", &args.slice), &args.why)?;
            let said = format!("{} run {}: {outcome}", run.rollout, run.id);
            if !outcome.starts_with("rolling back") {
                return Err(because(Status::Refused, &said));
            }
            outln!("{said}");
            return Ok(Status::Success);
        }
        (true, false) => return tell(&store, &run, &args.why),
        (false, true) => {
            let message = format!(
                "no runner is alive for run {}: `{}` first, then abort the slice, or abort all of them without `--slice`",
                run.id,
                super::runs::to_resume(&store, &run)
            );
            return Err(because(Status::Refused, &message));
        }
        (false, false) => {}
    }
    let (plan, bindings) = pinned(&store, &run)?;
    let lease = match lease(&store, &plan, &bindings.environment) {
        Ok(lease) => lease,
        // somebody has resumed it meanwhile
        Err(_) if runner(&store, &run).is_some() => return tell(&store, &run, &args.why),
        Err(held) => return Err(held.say()),
    };
    let runtime = super::runs::tokio()
        .map_err(|e| because(Status::Unfinished, &format!("cannot start the async runtime: {e}")))?;
    runtime.block_on(take_back(Arc::new(store), &run, &args.why, plan, bindings, lease))
}

/// There is nothing to take back, but people may not have been told yet.
fn deliver_left(store: Store, name: &str) {
    let Ok(run) = super::runs::find(&store, Some(name)) else { return };
    let waiting = store.open_notices(&run.rollout).is_ok_and(|open| !open.is_empty());
    if !waiting || runner(&store, &run).is_some() {
        return;
    }
    let Ok((plan, bindings)) = pinned(&store, &run) else { return };
    let Ok(lease) = lease(&store, &plan, &bindings.environment) else { return };
    if let Ok(runtime) = super::runs::tokio() {
        runtime.block_on(super::left::deliver(&Arc::new(store), &run, lease, plan, &bindings));
    }
}

/// A live runner takes it back; its verdict is waited for.
fn tell(store: &Store, run: &Run, why: &str) -> Result<Status, Status> {
    let outcome = post_and_wait(store, run, "abort", why)?;
    if outcome == STANDS {
        return Err(because(Status::Bad, &format!("{} run {}: {outcome}: act by hand", run.rollout, run.id)));
    }
    outln!("{} run {}: {outcome}", run.rollout, run.id);
    let begin = Instant::now();
    while begin.elapsed() < ROLLBACK {
        let now = store.run(&run.id).map_err(|e| because(Status::Unfinished, &e.to_string()))?;
        if let Some(verdict) = now.verdict {
            if verdict == "promoted" {
                return Err(promoted(run));
            }
            outln!("{} run {}: {}", run.rollout, run.id, verdict.replace('_', " "));
            return Ok(Status::Success);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let see = format!("canary status{}", at(store));
    let message = format!("the rollback is not read back yet; the runner keeps trying (see `{see}`)");
    Err(because(Status::Unfinished, &message))
}

/// What was to be taken back stays.
fn promoted(run: &Run) -> Status {
    let message = format!("run {} of {} was promoted before it could be taken back", run.id, run.rollout);
    because(Status::Bad, &message)
}

/// Nobody runs it: this process takes it over, only to take it back, with the plan and bindings that it began with.
async fn take_back(
    store: Arc<Store>,
    run: &Run,
    why: &str,
    plan: Plan,
    bindings: Bindings,
    lease: LeaseGuard,
) -> Result<Status, Status> {
    if bindings.environment == "lab" {
        // the lab went away with the process that ran it: there is nothing left that could be exposed
        store
            .finish_run(&run.id, "aborted", crate::runtime::clock::now())
            .map_err(|e| because(Status::Unfinished, &e.to_string()))?;
        lab::clean_up();
        outln!("{} run {}: aborted (its lab is gone already)", run.rollout, run.id);
        return Ok(Status::Success);
    }
    if !plan.slices.is_empty() {
        let (stop, observer) = (stop_on_signals(), observer(Format::Human, &bindings.environment, false));
        let said = (who(), why.to_owned());
        let done =
            run_slices::take_back(&store, run, lease, plan, &bindings, Operator::Abort, said, stop, observer).await;
        return match done.map_err(|r| r.say())? {
            Status::Person | Status::Bad => Ok(Status::Success),
            Status::Success => Err(promoted(run)),
            other => Ok(other),
        };
    }
    let Some(state) = kept_state(&store, run).map_err(|r| r.say())? else {
        store
            .finish_run(&run.id, "aborted", crate::runtime::clock::now())
            .map_err(|e| because(Status::Unfinished, &e.to_string()))?;
        outln!("{} run {}: aborted before it had changed anything", run.rollout, run.id);
        return Ok(Status::Success);
    };
    let plan = Arc::new(plan);
    let (backends, without) = connect_to_take_back(&plan, &bindings).map_err(|reasons| {
        because(Status::Refused, &format!("nothing was taken back:\n  - {}", reasons.join("\n  - ")))
    })?;
    for w in without {
        eprintln!("canary: taking back without it: {w}");
    }
    let beginning =
        Beginning::TakeBack { state: Box::new(state), act: Operator::Abort, who: who(), why: why.to_owned() };
    let stop = stop_on_signals();
    let observer = observer(Format::Human, &bindings.environment, false);
    let status = resume_with(&store, run, lease, plan, backends, beginning, stop, observer, None).await;
    // what was asked for is done, whether this call or a rollback under way did it
    Ok(match status {
        Status::Person | Status::Bad => Status::Success,
        Status::Success => promoted(run),
        other => other,
    })
}
