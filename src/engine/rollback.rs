//! Taking back: what is restored, in which order, until it is read back and undone.

use super::advance::{finish, named, request, reset_steps, run};
use super::explain::Explanation;
use super::guards::arm;
use super::reactions;
use super::record::Record;
use super::state::{RunCause, Stage, State, Verdict};
use super::step::Effect;
use crate::plan::{Happening, Millis, PhaseId, Plan, PortId, Setting, Time, show};

/// Takes everything back to what was read before the first change: traffic first, then flags.
pub(super) fn roll_back(
    plan: &Plan,
    state: &mut State,
    at: Time,
    verdict: Verdict,
    why: Explanation,
    out: &mut Vec<Effect>,
) {
    let touched = |port: PortId| {
        plan.phases.iter().take(state.furthest.index() + 1).any(|p| p.settings.iter().any(|(q, _)| *q == port))
    };
    let mut settings: Vec<(PortId, Setting)> =
        state.originals.iter().copied().filter(|(port, _)| touched(*port)).collect();
    settings.sort_by_key(|(p, _)| (!plan.is_traffic(*p), std::cmp::Reverse(*p)));
    request(state, at, settings.clone());
    state.stage = Stage::RollingBack(verdict);
    state.paused = None;
    state.slow_told = false;
    state.explanation = Some(why.clone());
    let summary = why.summary.clone();
    let epoch = state.target.epoch;
    out.push(Effect::record(Record::Rollback { to: None, settings: named(plan, &settings), epoch, explanation: why }));
    out.push(Effect::Apply { epoch, settings, lowers: true });
    if !state.running.is_empty() {
        out.push(Effect::CancelRuns);
    }
    reactions::happened(plan, state, at, Happening::Rollback, &format!("rolling back: {summary}"), "", out);
}

/// Takes the run back to an earlier phase; it lives on from there.
pub(super) fn roll_back_to(
    plan: &Plan,
    state: &mut State,
    at: Time,
    to: PhaseId,
    why: Explanation,
    out: &mut Vec<Effect>,
) {
    let mut settings = plan.settings_at(to);
    // what later phases set goes back to what was read before the first change
    for (port, original) in &state.originals {
        let later =
            plan.phases.iter().take(state.furthest.index() + 1).any(|p| p.settings.iter().any(|(q, _)| q == port));
        if later && !settings.iter().any(|(q, _)| q == port) {
            settings.push((*port, *original));
        }
    }
    settings.sort_by_key(|(p, _)| (!plan.is_traffic(*p), std::cmp::Reverse(*p)));
    state.stage = Stage::Phase(to);
    state.phase = to;
    state.entered = at;
    reset_steps(state);
    request(state, at, settings.clone());
    arm(plan, state, to, true);
    let summary = why.summary.clone();
    let (name, epoch) = (plan.phase_name(to).to_owned(), state.target.epoch);
    out.push(Effect::record(Record::Rollback {
        to: Some(name.clone()),
        settings: named(plan, &settings),
        epoch,
        explanation: why,
    }));
    out.push(Effect::Apply { epoch, settings, lowers: true });
    let text = format!("rolling back to phase {name}: {summary}");
    reactions::happened(plan, state, at, Happening::Rollback, &text, "", out);
}

pub(super) fn rollback_slow(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    if state.slow_told || state.target.verified.is_some() || at - state.target.requested < VERIFY_WITHIN {
        return;
    }
    state.slow_told = true;
    let since = state.target.requested;
    out.push(Effect::record(Record::RollbackSlow { since }));
    let text = format!("the rollback has not been read back for {}: act by hand", show::duration(at - since));
    reactions::happened(plan, state, at, Happening::Rollback, &text, "", out);
}

pub(super) fn verified(
    plan: &Plan,
    state: &mut State,
    at: Time,
    epoch: u32,
    read: &[(PortId, Setting)],
    out: &mut Vec<Effect>,
) {
    if epoch != state.target.epoch || state.target.verified.is_some() {
        return;
    }
    state.target.verified = Some(at);
    let took = at - state.target.requested;
    out.push(Effect::record(Record::Verified { epoch, read: named(plan, read), took }));
    if let Stage::RollingBack(verdict) = state.stage {
        undo_next(plan, state, at, verdict, out);
    }
}

/// Starts the next undo, newest action first; when none is left the rollback is done.
pub(super) fn undo_next(plan: &Plan, state: &mut State, at: Time, verdict: Verdict, out: &mut Vec<Effect>) {
    while let Some(action) = state.to_undo.last().copied() {
        if let Some(undo) = plan.actions.get(action.index()).and_then(|a| a.undo) {
            run(plan, state, at, undo, RunCause::Undo, out);
            return;
        }
        state.to_undo.pop();
    }
    let mut why = state
        .explanation
        .clone()
        .unwrap_or_else(|| Explanation::plain(plan, state, at, "plan", &plan.rollout, String::from("rolled back")));
    if !state.undo_failed.is_empty() {
        let names: Vec<&str> = state.undo_failed.iter().map(|a| plan.action_name(*a)).collect();
        why.summary.push_str(&format!("; NOT UNDONE: {} failed {UNDO_TRIES} times", names.join(", ")));
    }
    let text = format!("rolled back and read back: {}", why.summary);
    reactions::happened(plan, state, at, Happening::Rollback, &text, "", out);
    finish(plan, state, at, verdict, why, out);
}

/// How often an undo action is tried.
pub(super) const UNDO_TRIES: usize = 3;

/// How long a request may stay unverified before the phase is taken back.
pub const VERIFY_WITHIN: Millis = 60_000;
