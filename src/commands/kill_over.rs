//! Kill switches of sliced rollouts of which no run is under way: what their slices were left with is in the store.

use super::exit::{Status, because};
use super::kill::{Kill, Look, no_lease, worse};
use super::people::who;
use super::run::{new_run, stop_on_signals};
use super::run_slices::kept;
use super::runs::{at, pinned};
use super::side_by_side::observer_of;
use crate::engine::fleet::SliceId;
use crate::engine::{Operator, Stage};
use crate::plan::slices::{Meant, as_json, written};
use crate::plan::{Bindings, Plan, SwitchId};
use crate::report::provenance::{Git, Provenance};
use crate::runtime::clock::now;
use crate::runtime::fleet::{Beginning, FleetExecutor, Kept};
use crate::runtime::journal::Journal;
use crate::runtime::{Backends, Outcome};
use crate::store::{LeaseGuard, RunFilter, RunId};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How many of a rollout's newest runs are looked at for slices that later ones do not have.
const LOOK_BACK: usize = 200;

/// Slices that are named; the others are counted.
const NAMED: usize = 5;

/// A run's slices that a switch is to be thrown for.
pub(super) struct Part {
    plan: Plan,
    bindings: Bindings,
    policy: PathBuf,
    kept: Kept,
    slices: Vec<SliceId>,
}

impl Kill<'_> {
    /// Throws the switch for the slices that are meant (none: all) as runs that are over have left them. `told`: runs whose slices
    /// are killed already.
    pub(super) fn over(
        &self,
        plan: &Plan,
        bindings: &Bindings,
        told: &[RunId],
        patient_enough: bool,
    ) -> Result<Look, Status> {
        let meant = self.args.slice.slice.as_ref();
        if let Some(meant) = meant {
            super::slices::fits(meant, plan)?;
        }
        let mut parts = self.parts(plan, bindings, told, meant)?;
        if parts.is_empty() && !told.is_empty() {
            return Ok(Look::Done(Status::Success));
        }
        let known = !parts.is_empty();
        if !known {
            parts.push(self.unknown(plan, bindings, meant)?);
        }
        let env = bindings.environment.as_str();
        let (mut status, mut slices) = (Status::Success, 0);
        for part in parts {
            let Some(switch) = part.plan.switch(&self.args.switch) else { continue };
            let lease = match self.leased(&part.plan, &part.bindings)? {
                Some(lease) => lease,
                // its runner may be there still
                None if told.is_empty() && !patient_enough => return Ok(Look::Again),
                None => no_lease(&self.store)?,
            };
            slices += part.slices.len();
            let done = self.taken_back(part, switch, lease);
            let (Ok(s) | Err(s)) = done;
            status = worse(status, s);
        }
        let (rollout, switch, at) = (&plan.rollout, &self.args.switch, at(&self.store));
        if slices == 0 && meant.is_none() {
            let status = self.latched(env, None, status);
            let message = format!(
                "{rollout} has a life a slice, and the store knows no run of it on {env}: which slices there are is not known, \
                 so nothing was set (set their flags by hand); {switch} is latched for all of them, so that none begins"
            );
            return Ok(Look::Done(worse(status, because(Status::Unfinished, &message))));
        }
        if status == Status::Success {
            outln!(
                "{rollout} on {env}: killed, set and read back: {slices} slice{}",
                if slices == 1 { "" } else { "s" }
            );
        }
        match meant {
            None if told.is_empty() => Ok(Look::Done(self.latched(env, None, status))),
            None => Ok(Look::Done(status)),
            Some(meant) => {
                if status == Status::Success {
                    let slice = crate::backend::quoted(&meant.text());
                    outln!("latched until `canary reset {switch} --slice {slice} --env {env} --why WHY{at}`");
                }
                Ok(Look::Done(status))
            }
        }
    }

    /// Every slice that is meant once, as the newest run that knows it has left it.
    pub(super) fn parts(
        &self,
        plan: &Plan,
        bindings: &Bindings,
        told: &[RunId],
        meant: Option<&Meant>,
    ) -> Result<Vec<Part>, Status> {
        let filter = RunFilter { rollout: Some(plan.rollout.clone()), limit: Some(LOOK_BACK), ..RunFilter::default() };
        let runs = self.store.runs(&filter).map_err(|e| because(Status::Unfinished, &e.to_string()))?;
        let (mut known, mut parts) = (BTreeSet::new(), Vec::new());
        for run in runs.into_iter().filter(|r| r.environment == bindings.environment) {
            // what another version wrote tells nothing
            let Ok((plan, bindings)) = pinned(&self.store, &run) else { continue };
            let Ok(Some(kept)) = kept(&self.store, &run).map_err(drop) else { continue };
            let mut slices = Vec::new();
            for slice in kept.fleet.slices() {
                let values = kept.fleet.key(slice).unwrap_or_default();
                let new = known.insert(as_json(&plan.slices, values).to_string());
                if new && meant.is_none_or(|m| m.is(&plan.slices, values)) {
                    slices.push(slice);
                }
            }
            // one that is under way is told, or taken over, by itself
            let theirs = run.verdict.is_none() || told.contains(&run.id);
            if theirs || slices.is_empty() || plan.switch(&self.args.switch).is_none() {
                continue;
            }
            parts.push(Part { plan, bindings, policy: PathBuf::from(run.policy_path), kept, slices });
        }
        Ok(parts)
    }

    /// Slices of which no run knows: one that all dimensions of are said is set by its own ports; of all, none can be.
    fn unknown(&self, plan: &Plan, bindings: &Bindings, meant: Option<&Meant>) -> Result<Part, Status> {
        let mut kept = Kept::new(plan, now(), None);
        let mut slices = Vec::new();
        if let Some(meant) = meant {
            let value = |name: &str| meant.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
            let values: Option<Vec<&str>> = plan.slices.iter().map(|d| value(&d.name)).collect();
            let slice = values.and_then(|values| kept.fleet.see(plan, &values, now()));
            let Some(slice) = slice else {
                let message = format!("no run of {} knows a slice {}: nothing was set", plan.rollout, meant.text());
                return Err(because(Status::Refused, &message));
            };
            slices.push(slice);
        }
        let policy = self.args.file.clone().unwrap_or_default();
        Ok(Part { plan: plan.clone(), bindings: bindings.clone(), policy, kept, slices })
    }

    /// As a run of its own, which goes on from what the last one has left.
    fn taken_back(&self, part: Part, switch: SwitchId, lease: LeaseGuard) -> Result<Status, Status> {
        let Part { plan, bindings, policy, mut kept, slices } = part;
        let backends = self.connected(&plan, &bindings)?;
        // nothing but what is known at once: a kill waits for no git
        let git = Git { why: Some(String::from("not asked: a kill waits for nothing")), ..Git::default() };
        let provenance = Provenance { git, ..super::provenance::at_once(&[]) };
        let new = new_run(&plan, &bindings, Path::new(&policy), &provenance, now());
        let journal = Journal::of_new_run(Arc::clone(&self.store), new, lease, plan.check_every);
        kept.closing = Some(crate::engine::Verdict::Killed);
        // all that are left are all of them: then also those that nobody has seen yet
        let all = self.args.slice.slice.is_none() && slices.len() == kept.fleet.len();
        let only = if all { Vec::new() } else { slices.clone() };
        self.drive(plan, backends, journal, kept, switch, only, &slices, &bindings.environment)
    }

    /// Throws the switch for some slices (none: all) of a state that nobody runs, and looks at how `whose` are left.
    #[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
    pub(super) fn drive(
        &self,
        plan: Plan,
        backends: Backends,
        journal: Journal,
        kept: Kept,
        switch: SwitchId,
        slices: Vec<SliceId>,
        whose: &[SliceId],
        environment: &str,
    ) -> Result<Status, Status> {
        let plan = Arc::new(plan);
        let why = self.args.why.clone();
        let act = Operator::Kill(switch);
        let beginning = Beginning::TakeBack { kept: Box::new(kept), slices, act, who: who(), why };
        let (outcome, kept) = self.runtime.block_on(async {
            let observer = observer_of(&plan.rollout, environment, false);
            let stop = stop_on_signals();
            FleetExecutor::new(Arc::clone(&plan), backends, journal, observer).run(beginning, stop).await
        });
        if let Outcome::Taken(why) = outcome {
            return Err(because(Status::Unfinished, &why));
        }
        let (mut open, mut failed) = (Vec::new(), Vec::new());
        for slice in whose {
            let Some(state) = kept.fleet.state(*slice) else { continue };
            let name = written(&plan.slices, kept.fleet.key(*slice).unwrap_or_default());
            if !state.killed.contains(&switch) || matches!(state.stage, Stage::RollingBack(_)) {
                open.push(name);
            } else if !state.kill_failed.is_empty() {
                failed.push(name);
            }
        }
        if !open.is_empty() {
            let message = format!("not read back: {}: kill again, or set them by hand", some(&open));
            return Err(because(Status::Unfinished, &message));
        }
        if !failed.is_empty() {
            let message = format!("everything is set, but an action failed for {}: act by hand", some(&failed));
            return Err(because(Status::Bad, &message));
        }
        Ok(Status::Success)
    }
}

/// The first ones, and how many more.
pub(super) fn some(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let named: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    format!("{}{more}", named.join(" · "))
}
