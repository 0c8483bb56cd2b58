//! What a notice says beside its title: which guard is bad, what is exposed, what was done about it. As it stands after the step,
//! so that the notice of a breach says already that it is being taken back.

use super::advance::watching;
use super::explain::{GuardReport, guard_report};
use super::gate::waits_for;
use super::state::{Stage, State, Verdict, Word};
use super::step::Effect;
use crate::plan::{GuardId, Plan, Time, show};

/// Gives every notice of a step its facts.
pub(super) fn complete(plan: &Plan, state: &State, out: &mut [Effect]) {
    let mut made = None;
    for effect in out {
        if let Effect::Notify { facts, .. } = effect {
            facts.clone_from(made.get_or_insert_with(|| facts_of(plan, state)));
        }
    }
}

fn facts_of(plan: &Plan, state: &State) -> Vec<(String, String)> {
    let mut guards: Vec<(usize, (String, String))> = Vec::new();
    for i in 0..plan.guards.len() {
        let Some(s) = state.guards.get(i).filter(|s| s.active) else { continue };
        let Some(report) = guard_report(plan, state, GuardId::at(i)) else { continue };
        // how long it has been bad, not how long it has been called so
        let since = match report.word {
            Word::Failing | Word::Breached | Word::Dark => s.monitor.since().unwrap_or(s.since),
            _ => s.since,
        };
        guards.push((rank(report.word), (format!("guard {}", report.guard), guard(&report, since))));
    }
    guards.sort_by_key(|(rank, _)| *rank);
    let well = guards.partition_point(|(rank, _)| *rank < rank_of_ok());
    let mut fine = guards.split_off(well);
    let mut out: Vec<(String, String)> = guards.into_iter().map(|(_, fact)| fact).collect();
    out.push((String::from("exposure"), exposure(plan, state)));
    out.push((String::from("now"), done(plan, state)));
    if let Stage::Phase(p) = state.stage {
        let place = format!("{} ({} of {})", plan.phase_name(p), p.index() + 1, plan.phases.len());
        out.push((String::from("phase"), place));
    }
    out.extend(fine.drain(..).map(|(_, fact)| fact));
    out
}

/// The worst first.
fn rank(word: Word) -> usize {
    match word {
        Word::Breached => 0,
        Word::Dark => 1,
        Word::Failing => 2,
        Word::Blind => 3,
        Word::Undecided | Word::Thin | Word::Warming => rank_of_ok(),
        Word::Ok => rank_of_ok() + 1,
    }
}

const fn rank_of_ok() -> usize {
    4
}

/// `breached: value 2.4%, limit 1%, bad since 2026-11-21 09:15:00 UTC`
fn guard(report: &GuardReport, since: Time) -> String {
    let value = |v: Option<f64>| v.map_or_else(|| String::from("unknown"), |v| show::brief(v, report.unit));
    let bad = if matches!(report.word, Word::Failing | Word::Breached | Word::Dark) { "bad since" } else { "since" };
    let (v, l) = (value(report.reading.value), value(report.reading.limit));
    format!("{}: value {v}, limit {l}, {bad} {}", report.word.text(), show::utc(since))
}

fn exposure(plan: &Plan, state: &State) -> String {
    let asked: Vec<String> =
        state.target.settings.iter().map(|(port, s)| format!("{} = {s}", plan.port_name(*port))).collect();
    if asked.is_empty() {
        return String::from("nothing was set");
    }
    let how = match state.target.verified {
        Some(at) => format!("read back {}", show::utc(at)),
        None => format!("asked for {}, not read back yet", show::utc(state.target.requested)),
    };
    format!("{} ({how})", asked.join(", "))
}

/// What was done about it, and what happens next.
fn done(plan: &Plan, state: &State) -> String {
    let held = || {
        let bad = |w: Option<Word>| matches!(w, Some(Word::Breached | Word::Failing | Word::Dark | Word::Blind));
        watching(plan, state).any(bad)
    };
    match (&state.paused, state.stage) {
        (_, Stage::Done(Verdict::Promoted)) => String::from("promoted: it stays as it is set"),
        (_, Stage::Done(Verdict::RolledBack | Verdict::Aborted | Verdict::Killed)) => {
            // a switch that was thrown where nothing ran has taken nothing back but what it sets itself
            let what =
                if state.originals.is_empty() { "what the switch sets was set" } else { "everything was taken back" };
            let switches: Vec<&str> = state.killed.iter().map(|s| plan.switch_name(*s)).collect();
            let killed = match switches.as_slice() {
                [] => String::new(),
                names => format!("; {} stays thrown until `canary reset`", names.join(", ")),
            };
            format!("{what} and read back{killed}; the run is over")
        }
        (_, Stage::Done(Verdict::Refused)) => String::from("refused: nothing was changed"),
        (_, Stage::RollingBack(_)) if state.originals.is_empty() => String::from("what the switch sets is being set"),
        (_, Stage::RollingBack(_)) => String::from("everything is being taken back"),
        (Some(_), _) => format!("paused: nothing is raised until `canary resume {}`", plan.rollout),
        (None, Stage::Phase(p)) if state.target.lowers && state.target.verified.is_none() => {
            format!("it is being taken back to phase {}", plan.phase_name(p))
        }
        (None, Stage::Phase(p)) if state.waiting.is_some() => {
            let what = state.waiting.map_or_else(String::new, |w| waits_for(plan, w.on));
            format!("phase {} stays: the next raise waits for {what}", plan.phase_name(p))
        }
        (None, Stage::Phase(p)) if held() => {
            format!("phase {} goes on and cannot end while a guard is bad", plan.phase_name(p))
        }
        (None, Stage::Phase(p)) if state.promoted.is_some() => {
            format!("promoted: phase {} holds, and its guards go on watching", plan.phase_name(p))
        }
        (None, Stage::Phase(p)) => format!("phase {} goes on", plan.phase_name(p)),
        (None, Stage::Idle) => String::from("not started"),
    }
}
