//! Kill switches of sliced rollouts, thrown by a person and reset: of the slices that are meant, or of all.

use super::Format;
use super::exit::{Status, because};
use super::people::{post_and_wait, runner, who};
use super::run::{lease, observer, stop_on_signals};
use super::run_slices::take_back;
use super::runs::{at, to_resume};
use super::slices::settled;
use super::switches::{Pinned, because_of, unfinished};
use crate::engine::Operator;
use crate::plan::slices::Meant;
use crate::report::text::date_time;
use crate::runtime::clock::now;
use crate::runtime::fleet::SLICES;
use crate::store::{Latch, Store};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long to wait for a live runner's rollback.
const ROLLBACK: Duration = Duration::from_secs(120);

/// The unfinished runs with slices whose plan has the switch.
///
/// # Errors
/// The exit status when the store cannot be read; it was said on standard error.
pub fn sliced(
    store: &Store,
    switch: &str,
    environment: Option<&str>,
    rollout: Option<&str>,
) -> Result<Vec<Pinned>, Status> {
    let mut found = unfinished(store, switch, environment, rollout)?;
    found.retain(|p| !p.plan.slices.is_empty());
    Ok(found)
}

/// Throws a switch in sliced runs.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn kill(
    store: &Arc<Store>,
    found: &[Pinned],
    switch: &str,
    meant: Option<&Meant>,
    why: &str,
) -> Result<Status, Status> {
    let mut worst = Status::Success;
    for p in found {
        let status = match runner(store, &p.run) {
            Some(_) => tell(store, p, switch, meant, why),
            None => alone(store, p, switch, meant, why),
        };
        if let (Ok(s) | Err(s), Status::Success) = (status, worst) {
            worst = s;
        }
    }
    Ok(worst)
}

fn tell(store: &Store, p: &Pinned, switch: &str, meant: Option<&Meant>, why: &str) -> Result<Status, Status> {
    let slices = meant.map(|m| format!("{SLICES}{}", serde_json::to_string(m).unwrap_or_default()));
    let kind = format!("kill {switch}{}", slices.unwrap_or_default());
    let outcome = post_and_wait(store, &p.run, &kind, why)?;
    let said = format!("{} run {}: {outcome}", p.run.rollout, p.run.id);
    if !outcome.starts_with("killed") {
        return Err(because(Status::Refused, &said));
    }
    outln!("{said}");
    let begun = Instant::now();
    while meant.is_none() && begun.elapsed() < ROLLBACK {
        let run = store.run(&p.run.id).map_err(|e| because(Status::Unfinished, &e.to_string()))?;
        if run.verdict.is_some() {
            outln!("{} run {}: taken back", p.run.rollout, p.run.id);
            return Ok(Status::Success);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    match meant {
        Some(_) => Ok(Status::Success),
        None => Err(because(Status::Unfinished, "not all is read back yet: its runner keeps trying")),
    }
}

fn alone(store: &Arc<Store>, p: &Pinned, switch: &str, meant: Option<&Meant>, why: &str) -> Result<Status, Status> {
    let (run, Some(id)) = (&p.run, p.plan.switch(switch)) else { return Ok(Status::Success) };
    if meant.is_some() {
        let message = format!(
            "no runner is alive for run {}: `{}` first, then kill the slice, or kill all of them without `--slice`",
            run.id,
            to_resume(store, run)
        );
        return Err(because(Status::Refused, &message));
    }
    let runtime = super::runs::tokio()
        .map_err(|e| because(Status::Unfinished, &format!("cannot start the async runtime: {e}")))?;
    let lease = lease(store, &p.plan, &run.environment).map_err(|r| r.say())?;
    let status = runtime.block_on(async {
        let (stop, observer) = (stop_on_signals(), observer(Format::Human, &run.environment, false));
        let said = (who(), why.to_owned());
        take_back(store, run, lease, p.plan.clone(), &p.bindings, Operator::Kill(id), said, stop, observer).await
    });
    match status.map_err(|r| r.say())? {
        Status::Person | Status::Bad => Ok(Status::Success),
        other => Err(other),
    }
}

/// A switch with the slice that it is of: `autonomy_off[tenant=acme,severity=low]`.
#[must_use]
pub fn apart(switch: &str) -> Option<(&str, Meant)> {
    let (name, slice) = switch.split_once('[')?;
    Some((name, Meant::parse(slice.strip_suffix(']')?).ok()?))
}

/// Clears the latches of slices.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn reset(store: &Store, switch: &str, meant: &Meant, environment: Option<&str>, why: &str) -> Result<(), Status> {
    let failed = |e: crate::store::StoreError| because(Status::Wrong, &e.to_string());
    let all = store.latches(environment).map_err(failed)?;
    let of_slices = |l: &Latch| apart(&l.switch).is_some_and(|(name, slice)| name == switch && meant.covers(&slice));
    let ours: Vec<Latch> = all.into_iter().filter(of_slices).collect();
    let mut environments: Vec<&str> = ours.iter().map(|l| l.environment.as_str()).collect();
    environments.sort_unstable();
    environments.dedup();
    match environments.as_slice() {
        [] => {
            let message = format!("{switch} is not latched for such a slice (see `canary killswitch{}`)", at(store));
            return Err(because(Status::Wrong, &message));
        }
        [_] => {}
        several => {
            let message = format!("{switch} is latched in {}: say `--env NAME`", several.join(" and "));
            return Err(because(Status::Wrong, &message));
        }
    }
    let runs = sliced(store, switch, environments.first().copied(), None)?;
    for latch in &ours {
        let Some((_, slice)) = apart(&latch.switch) else { continue };
        for p in &runs {
            let value = |name: &str| slice.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            let values: Option<Vec<&str>> = p.plan.slices.iter().map(|d| value(&d.name)).collect();
            if values.is_some_and(|v| !settled(store, &p.run, &v)) {
                let message =
                    format!("{} is not taken back yet in run {}: wait for that, then reset", latch.switch, p.run.id);
                return Err(because(Status::Refused, &message));
            }
        }
        let done = store.reset_latch(&latch.environment, &latch.switch, &who(), why, now()).map_err(failed)?;
        outln!(
            "{} on {}: reset by {}: {why}; it was thrown {} by {}{}. No port was changed",
            done.switch,
            done.environment,
            who(),
            date_time(done.at),
            done.who,
            because_of(&done.why)
        );
    }
    Ok(())
}
