//! Kill switches of sliced rollouts, thrown by a person and reset: of the slices that are meant, or of all.

use super::exit::{Status, because};
use super::kill::{Kill, Look, worse};
use super::kill_over::some;
use super::people::{of_slices, runner, who};
use super::run_slices::kept;
use super::runs::{at, to_resume};
use super::slices::settled;
use super::switches::{Pinned, because_of, deeds, unfinished};
use crate::engine::Stage;
use crate::engine::fleet::SliceId;
use crate::plan::slices::Meant;
use crate::report::text::date_time;
use crate::runtime::clock::now;
use crate::runtime::fleet::{Kept, NONE_MEANT};
use crate::runtime::journal::Journal;
use crate::store::{Latch, RunId, Store, StoreError};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a live runner may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// So many latches are told of one by one; more are one line.
pub(super) const EACH: usize = 3;
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

impl Kill<'_> {
    /// Throws a switch in sliced runs that are under way, and for slices that only runs before them know.
    pub(super) fn sliced(&self, found: &[Pinned], patient_enough: bool) -> Result<Look, Status> {
        let mut worst = Status::Success;
        let mut again = false;
        for p in found {
            let look = match runner(&self.store, &p.run) {
                Some(_) => self.tell_sliced(p),
                None => self.take_over_slices(p, patient_enough),
            };
            match look {
                Ok(Look::Again) => again = true,
                Ok(Look::Done(status)) | Err(status) => worst = worse(worst, status),
            }
        }
        if again {
            return Ok(Look::Again);
        }
        let told: Vec<RunId> = found.iter().map(|p| p.run.id.clone()).collect();
        for (i, p) in found.iter().enumerate() {
            let again = |q: &Pinned| q.run.rollout == p.run.rollout && q.run.environment == p.run.environment;
            if found.iter().take(i).any(again) {
                continue;
            }
            if let Ok(Look::Done(status)) | Err(status) = self.over(&p.plan, &p.bindings, &told, true) {
                worst = worse(worst, status);
            }
        }
        let environment = found.first().map_or("", |p| p.run.environment.as_str());
        let done = found.iter().flat_map(|p| deeds(&p.plan, &p.bindings, &self.args.switch)).collect();
        let worst = worse(worst, self.called_the_same(environment, &done));
        Ok(Look::Done(match self.args.slice.slice {
            None => self.latched(environment, None, worst),
            Some(_) => worst,
        }))
    }

    fn tell_sliced(&self, p: &Pinned) -> Result<Look, Status> {
        let (args, run, store) = (self.args, &p.run, &self.store);
        let kind = of_slices(&format!("kill {}", args.switch), &args.slice);
        let failed = |e: StoreError| because(Status::Unfinished, &e.to_string());
        let id = match store.post_command(&run.id, &kind, &who(), &args.why, now()) {
            Ok(id) => id,
            // it has ended meanwhile
            Err(StoreError::Refused { .. }) => return Ok(Look::Again),
            Err(e) => return Err(failed(e)),
        };
        let over = || store.run(&run.id).map(|r| r.verdict.is_some()).map_err(failed);
        let begun = Instant::now();
        let outcome = loop {
            if let Some(outcome) = store.command(id).ok().and_then(|c| c.outcome) {
                break outcome;
            }
            if over()? || runner(store, run).is_none() {
                return Ok(Look::Again);
            }
            if begun.elapsed() > ANSWER {
                let message = format!("the runner of {} has not answered yet: it will still see this", run.id);
                return Err(because(Status::Unfinished, &message));
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        let said = format!("{} run {}: {outcome}", run.rollout, run.id);
        if outcome == NONE_MEANT {
            // runs before it may know such slices
            return Ok(Look::Done(if self.known_before(p)? {
                Status::Success
            } else {
                because(Status::Refused, &said)
            }));
        }
        if !outcome.starts_with("killed") {
            return Err(because(Status::Refused, &said));
        }
        outln!("{said}");
        let begun = Instant::now();
        while begun.elapsed() < ROLLBACK {
            if over()? {
                outln!("{} run {}: taken back", run.rollout, run.id);
                return Ok(Look::Done(Status::Success));
            }
            if let Some(meant) = &args.slice.slice
                && all_settled(store, p, meant)
            {
                return Ok(Look::Done(Status::Success));
            }
            if runner(store, run).is_none() && !over()? {
                return Ok(Look::Again);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(because(Status::Unfinished, "not all is read back yet: its runner keeps trying"))
    }

    /// Nobody runs it: this process takes the slices that are meant back. Where others are left, the run stays to be resumed.
    fn take_over_slices(&self, p: &Pinned, patient_enough: bool) -> Result<Look, Status> {
        let (run, Some(id)) = (&p.run, p.plan.switch(&self.args.switch)) else {
            return Ok(Look::Done(Status::Success));
        };
        let lease = match self.leased(&p.plan, &p.bindings)? {
            Some(lease) => lease,
            None if !patient_enough => return Ok(Look::Again),
            None => {
                let message = format!("somebody else holds what run {} has set: kill again", run.id);
                return Err(because(Status::Unfinished, &message));
            }
        };
        if self.store.run(&run.id).is_ok_and(|r| r.verdict.is_some()) {
            return Ok(Look::Again);
        }
        let kept = kept(&self.store, run).map_err(|r| r.say())?.unwrap_or_else(|| Kept::new(&p.plan, now(), None));
        let fits = |s: &SliceId| {
            let values = kept.fleet.key(*s).unwrap_or_default();
            self.args.slice.slice.as_ref().is_none_or(|m| m.is(&p.plan.slices, values))
        };
        let whose: Vec<SliceId> = kept.fleet.slices().filter(fits).collect();
        let only = match self.args.slice.slice {
            Some(_) if whose.is_empty() && self.known_before(p)? => return Ok(Look::Done(Status::Success)),
            Some(_) if whose.is_empty() => {
                let message = format!("{} run {}: {NONE_MEANT}", run.rollout, run.id);
                return Err(because(Status::Refused, &message));
            }
            Some(_) => whose.clone(),
            None => Vec::new(),
        };
        let backends = self.connected(&p.plan, &p.bindings)?;
        let journal = Journal::new(Arc::clone(&self.store), run, lease, p.plan.check_every);
        let env = run.environment.as_str();
        let left = !only.is_empty();
        let status = self.drive(p.plan.clone(), backends, journal, kept, id, only, &whose, env)?;
        let n = whose.len();
        outln!("{} run {}: killed, set and read back: {n} slice{}", run.rollout, run.id, if n == 1 { "" } else { "s" });
        if left && self.store.run(&run.id).is_ok_and(|r| r.verdict.is_none()) {
            outln!("the others are left as they are: nobody runs them until `{}`", to_resume(&self.store, run));
        }
        Ok(Look::Done(status))
    }

    /// Whether a run before this one knows slices that are meant.
    fn known_before(&self, p: &Pinned) -> Result<bool, Status> {
        let parts = self.parts(&p.plan, &p.bindings, std::slice::from_ref(&p.run.id), self.args.slice.slice.as_ref());
        parts.map(|parts| !parts.is_empty())
    }
}

/// Whether all that are meant are read back.
fn all_settled(store: &Store, p: &Pinned, meant: &Meant) -> bool {
    let Ok(Some(kept)) = kept(store, &p.run).map_err(drop) else { return false };
    kept.fleet.slices().all(|s| {
        let values = kept.fleet.key(s).unwrap_or_default();
        !meant.is(&p.plan.slices, values) || !matches!(kept.fleet.stage(s), Some(Stage::RollingBack(_)))
    })
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
        [] if store.latches(environment).map_err(failed)?.iter().any(|l| l.switch == switch) => {
            let message = format!("{switch} is latched for all slices at once: reset it without `--slice`");
            return Err(because(Status::Wrong, &message));
        }
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
    }
    let mut names = Vec::new();
    for latch in &ours {
        let done = store.reset_latch(&latch.environment, &latch.switch, &who(), why, now()).map_err(failed)?;
        if ours.len() > EACH {
            names.extend(apart(&done.switch).map(|(_, slice)| slice.text()));
            continue;
        }
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
    if let (Some(first), false) = (ours.first(), names.is_empty()) {
        let (n, env) = (names.len(), &first.environment);
        outln!("{switch} on {env}: reset for {n} slices by {}: {why}: {}. No port was changed", who(), some(&names));
    }
    Ok(())
}
