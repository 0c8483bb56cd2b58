//! Kill switches as the store knows them: which runs have one, which are latched.

use super::exit::{Status, because};
use super::runs::at;
use crate::plan::{Bindings, Plan, Port};
use crate::report::text::date_time;
use crate::store::{Latch, Run, RunFilter, Store, StoreError};
use std::collections::BTreeSet;

/// How many of the newest runs are looked at: more than a year of daily runs.
const LOOK_BACK: usize = 1_000;

/// A run with what it was pinned to.
pub struct Pinned {
    /// The run.
    pub run: Run,
    /// Its plan.
    pub plan: Plan,
    /// Its bindings.
    pub bindings: Bindings,
}

/// The unfinished runs whose plan has the switch, the newest first.
///
/// # Errors
/// The exit status when the store cannot be read; it was said on standard error.
pub fn unfinished(
    store: &Store,
    switch: &str,
    environment: Option<&str>,
    rollout: Option<&str>,
) -> Result<Vec<Pinned>, Status> {
    let filter = RunFilter { rollout: rollout.map(str::to_owned), unfinished: true, ..RunFilter::default() };
    let runs = store.runs(&filter).map_err(|e| because(Status::Unfinished, &e.to_string()))?;
    Ok(runs
        .into_iter()
        .filter(|r| environment.is_none_or(|e| e == r.environment))
        .filter_map(|run| {
            let (plan, bindings) = super::runs::pinned(store, &run).ok()?;
            plan.switch(switch).is_some().then_some(Pinned { run, plan, bindings })
        })
        .collect())
}

/// The newest run of each environment and rollout that has a kill switch of which `wanted` wants to know.
///
/// # Errors
/// The exit status when the store cannot be read; it was said on standard error.
pub fn newest(store: &Store, rollout: Option<&str>, wanted: impl Fn(&Plan) -> bool) -> Result<Vec<Pinned>, Status> {
    let filter = RunFilter { rollout: rollout.map(str::to_owned), limit: Some(LOOK_BACK), ..RunFilter::default() };
    let runs = store.runs(&filter).map_err(|e| because(Status::Unfinished, &e.to_string()))?;
    let (mut seen, mut without) = (BTreeSet::new(), BTreeSet::new());
    let mut out = Vec::new();
    for run in runs {
        if seen.contains(&(run.environment.clone(), run.rollout.clone())) || without.contains(&run.plan_hash) {
            continue;
        }
        // one that another version wrote tells nothing; the next one may
        let Ok((plan, bindings)) = super::runs::pinned(store, &run) else { continue };
        if !wanted(&plan) {
            without.insert(run.plan_hash);
            continue;
        }
        seen.insert((run.environment.clone(), run.rollout.clone()));
        out.push(Pinned { run, plan, bindings });
    }
    Ok(out)
}

/// What a switch does where it is bound: what it sets on which backend, and what it runs. Two policies may give one name to
/// different switches.
#[must_use]
pub fn deeds(plan: &Plan, bindings: &Bindings, switch: &str) -> BTreeSet<String> {
    let Some(switch) = plan.switch(switch).and_then(|s| plan.switches.get(s.index())) else { return BTreeSet::new() };
    let bound = |name: &str| {
        // a group is bound once for all of its flags
        let bound_as = plan.ports.iter().find(|p| p.name == name).map_or(name, Port::bound_as);
        bindings.bindings.get(bound_as).map(|b| format!("{} {:?}", b.backend, b.args)).unwrap_or_default()
    };
    let sets = switch.settings.iter().map(|(port, to)| {
        let name = plan.port_name(*port);
        format!("{name} = {to}: {}", bound(name))
    });
    let runs = switch.actions.iter().map(|a| {
        let name = plan.action_name(*a);
        format!("run {name}: {}", bound(name))
    });
    sets.chain(runs).collect()
}

/// Why a rollout cannot start: one reason a latched switch of its plan.
///
/// # Errors
/// The store cannot be read.
pub fn latched(store: &Store, plan: &Plan, environment: &str) -> Result<Vec<String>, StoreError> {
    if plan.switches.is_empty() {
        return Ok(Vec::new());
    }
    let all = store.latches(Some(environment))?;
    let ours = all.iter().filter(|l| plan.switch(&l.switch).is_some());
    Ok(ours
        .map(|l| {
            format!(
                "{}; `canary reset {} --env {} --why WHY{}` lets it start again",
                said(l),
                l.switch,
                l.environment,
                at(store)
            )
        })
        .collect())
}

/// `kill switch stop_async is latched on production since … by kim@host: why`
#[must_use]
pub fn said(l: &Latch) -> String {
    let why = because_of(&l.why);
    format!("kill switch {} is latched on {} since {} by {}{why}", l.switch, l.environment, date_time(l.at), l.who)
}

/// `: why`, if there is a why.
#[must_use]
pub fn because_of(why: &str) -> String {
    if why.is_empty() { String::new() } else { format!(": {why}") }
}
