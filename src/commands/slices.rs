//! `--slice tenant=acme,severity=low`: which slices of a run a person means; what is said of many slices at once.

use super::exit::{Status, because};
use super::run_slices::kept;
use super::runs::{at, pinned, to_resume};
use crate::engine::explain::guard_reports;
use crate::engine::{Stage, State, Word};
use crate::plan::slices::{Meant, as_json, switch_of, written};
use crate::plan::{Plan, show};
use crate::report::approvals;
use crate::report::style::Style;
use crate::report::text::{date_time, reading, rfc3339};
use crate::runtime::clock::now;
use crate::runtime::fleet::Kept;
use crate::store::{Latch, Run, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::IsTerminal;

/// Slices that `status` names; the others are counted.
const NAMED: usize = 20;

/// Which slices are meant.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SliceArg {
    /// Only these slices of a sliced rollout: `tenant=acme,severity=low`; dimensions that are left out may have any value
    #[arg(long = "slice", value_name = "DIM=VALUE,…", value_parser = Meant::parse)]
    pub slice: Option<Meant>,
}

impl SliceArg {
    /// Whether a run has such slices.
    ///
    /// # Errors
    /// The exit status; it was said on standard error.
    pub fn fits(&self, store: &Store, run: &Run) -> Result<(), Status> {
        let Some(meant) = &self.slice else { return Ok(()) };
        let (plan, _) = pinned(store, run)?;
        fits(meant, &plan)
    }
}

/// Whether a plan has such slices.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn fits(meant: &Meant, plan: &Plan) -> Result<(), Status> {
    let unknown = meant.unknown(&plan.slices);
    if unknown.is_empty() {
        return Ok(());
    }
    let known: Vec<&str> = plan.slices.iter().map(|d| d.name.as_str()).collect();
    let why = match known.is_empty() {
        true => format!("{} has one life for all: it has no slices", plan.rollout),
        false => format!("{} has no slices by {}: it has {}", plan.rollout, unknown.join(", "), known.join(", ")),
    };
    Err(because(Status::Wrong, &why))
}

/// A slice with its life.
struct Life {
    values: Vec<String>,
    state: State,
}

fn lives(kept: &Kept) -> Vec<Life> {
    let life = |s| Some(Life { values: kept.fleet.key(s)?.to_vec(), state: kept.fleet.state(s)? });
    kept.fleet.slices().filter_map(life).collect()
}

/// Where a life stands: `in canary`, `paused in canary`, `rolling back`, `not begun`.
fn place(plan: &Plan, state: &State) -> String {
    match (state.stage, &state.paused) {
        (Stage::Idle, _) => String::from("not begun"),
        (Stage::Phase(p), None) => format!("in {}", plan.phase_name(p)),
        (Stage::Phase(p), Some(_)) => format!("paused in {}", plan.phase_name(p)),
        (Stage::RollingBack(_), _) => String::from("rolling back"),
        (Stage::Done(v), _) => v.text().replace('_', " "),
    }
}

/// What is wrong with a life, the worst first; none: nothing.
fn wrong(plan: &Plan, life: &Life, latches: &[Latch]) -> Option<(u8, String)> {
    let state = &life.state;
    if matches!(state.stage, Stage::RollingBack(_)) {
        return Some((0, state.explanation.as_ref().map_or_else(String::new, |e| e.summary.clone())));
    }
    let latched = plan.switches.iter().map(|s| match s.for_all {
        true => s.name.clone(),
        false => switch_of(&s.name, &plan.slices, &life.values),
    });
    if let Some(l) = latches.iter().find(|l| latched.clone().any(|name| name == l.switch)) {
        return Some((1, format!("killed {} by {}", date_time(l.at), l.who)));
    }
    if let Some(p) = &state.paused {
        return Some((2, p.why.clone()));
    }
    if !matches!(state.stage, Stage::Phase(_)) {
        return None;
    }
    let reports = guard_reports(plan, state);
    let bad = |w: Word| !matches!(w, Word::Ok | Word::Warming | Word::Thin);
    let bad: Vec<String> = reports
        .iter()
        .filter(|g| bad(g.word))
        .map(|g| format!("{} {} ({})", g.guard, g.word.text(), reading(g)))
        .collect();
    if !bad.is_empty() {
        return Some((3, bad.join("; ")));
    }
    let late = state.target.verified.is_none() && now() - state.target.requested > 10_000;
    late.then(|| (4, String::from("its settings are not read back yet")))
}

/// How a sliced run stands, for people.
pub fn human(store: &Store, run: &Run, plan: &Plan, runner: Option<&str>, latches: &[Latch], only: Option<&Meant>) {
    let style = Style::for_terminal(std::io::stdout().is_terminal());
    outln!("{} on {}, run {}, began {}", style.bold(&run.rollout), run.environment, run.id, date_time(run.started));
    match runner {
        Some(r) => outln!("  runner    {r}"),
        None => {
            outln!("  runner    {}", style.bad("none"));
            outln!("  go on     {}", to_resume(store, run));
            outln!("  take back canary abort {}{}", run.rollout, at(store));
        }
    }
    let Some(kept) = kept(store, run).ok().flatten() else {
        outln!("  state     not readable by this version, or not there yet");
        return;
    };
    let mut all = lives(&kept);
    all.retain(|l| only.is_none_or(|m| m.is(&plan.slices, &l.values)));
    let list: Vec<String> = counts(plan, &all).into_iter().map(|(p, n)| format!("{n} {p}")).collect();
    outln!("  slices    {}: {}", all.len(), if list.is_empty() { String::from("none") } else { list.join(", ") });
    if let Some(p) = kept.fleet.halted() {
        outln!("  {}    since {}: {}", style.bad("halted"), date_time(p.since), p.why);
    }
    let mut awaited: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
    for l in &all {
        *awaited.entry(approvals::awaited(plan, &l.state)).or_insert(0) += 1;
    }
    for (groups, n) in awaited.iter().filter(|(groups, _)| !groups.is_empty()) {
        let slices = if *n == 1 { String::from("1 slice") } else { format!("{n} slices") };
        outln!("  approval  {slices}: {}", style.unsure(&approvals::text(plan, groups)));
    }
    let mut unhealthy: Vec<(u8, String, &Life)> =
        all.iter().filter_map(|l| wrong(plan, l, latches).map(|(n, why)| (n, why, l))).collect();
    unhealthy.sort_by_key(|(n, ..)| *n);
    for (_, why, l) in unhealthy.iter().take(NAMED) {
        let slice = written(&plan.slices, &l.values);
        outln!("  {}  {}: {why}", style.bad(&slice), place(plan, &l.state));
    }
    if unhealthy.len() > NAMED {
        outln!("  and {} more that are not well", unhealthy.len() - NAMED);
    }
    if only.is_some() {
        for l in all.iter().take(NAMED) {
            let set: Vec<String> =
                plan.shown(&l.state.target.settings).iter().map(|(name, s)| format!("{name} = {s}")).collect();
            outln!("  {}  {}; {}", written(&plan.slices, &l.values), place(plan, &l.state), set.join(", "));
            for g in guard_reports(plan, &l.state) {
                outln!("    guard   {} {} ({})", g.guard, style.word(g.word, g.word.text()), reading(&g));
            }
        }
    }
    if let Some(last) = kept.fleet.last() {
        outln!("  checked   {} ago", show::duration((now() - last) / 1000 * 1000));
    }
}

fn counts(plan: &Plan, all: &[Life]) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for l in all {
        *counts.entry(place(plan, &l.state)).or_insert(0) += 1;
    }
    counts
}

/// The same for machines.
pub fn machine(
    store: &Store,
    run: &Run,
    plan: &Plan,
    runner: Option<&str>,
    latches: &[Latch],
    only: Option<&Meant>,
) -> Value {
    let kept = kept(store, run).ok().flatten();
    let mut all = kept.as_ref().map(lives).unwrap_or_default();
    all.retain(|l| only.is_none_or(|m| m.is(&plan.slices, &l.values)));
    let one = |l: &Life| {
        json!({
            "slice": as_json(&plan.slices, &l.values),
            "stage": place(plan, &l.state),
            "phase": plan.phase_name(l.state.phase),
            "settings": l.state.target.settings.iter().map(|(p, v)| (plan.port_name(*p).to_owned(), json!(v)))
                .collect::<serde_json::Map<_, _>>(),
            "wrong": wrong(plan, l, latches).map(|(_, why)| why),
        })
    };
    json!({
        "run": run.id.as_str(),
        "rollout": run.rollout,
        "environment": run.environment,
        "started": rfc3339(run.started),
        "runner": runner,
        "counts": counts(plan, &all),
        "slices": all.iter().map(one).collect::<Vec<_>>(),
    })
}

/// Whether every slice has done all that switches thrown for it do.
pub fn all_settled(store: &Store, run: &Run) -> bool {
    let Ok(Some(kept)) = kept(store, run) else { return false };
    kept.fleet.slices().all(|s| {
        let values: Vec<&str> = kept.fleet.key(s).unwrap_or_default().iter().map(String::as_str).collect();
        is_settled(&kept, &values)
    })
}

/// Whether each slice whose switch is latched has done all that the switch does, and lives on or is over.
pub fn settled(store: &Store, run: &Run, values: &[&str]) -> bool {
    kept(store, run).ok().flatten().is_some_and(|kept| is_settled(&kept, values))
}

fn is_settled(kept: &Kept, values: &[&str]) -> bool {
    let Some(state) = kept.fleet.slice(values).and_then(|s| kept.fleet.state(s)) else { return true };
    match state.stage {
        Stage::Idle | Stage::Done(_) => true,
        Stage::Phase(_) => state.target.verified.is_some() && state.kill_actions.is_empty(),
        Stage::RollingBack(_) => false,
    }
}
