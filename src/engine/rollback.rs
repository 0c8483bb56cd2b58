//! Taking back: what is restored, in which order, until it is read back and undone.

use super::advance::{finish, latch_pause, named, request, reset_steps, run};
use super::explain::Explanation;
use super::gate::{self, under_switches};
use super::guards::{arm, count_anew};
use super::irreversible;
use super::kill::{self, TRIES};
use super::planted::planted;
use super::reactions;
use super::record::Record;
use super::state::{RunCause, Stage, State, Undoable, Verdict};
use super::step::Effect;
use crate::plan::{ActionId, Happening, PhaseId, Plan, PortId, Setting, Time, show};

/// Takes everything back to what was read before the first change: traffic first, then flags.
pub(super) fn roll_back(
    plan: &Plan,
    state: &mut State,
    at: Time,
    verdict: Verdict,
    why: Explanation,
    out: &mut Vec<Effect>,
) {
    if irreversible::crosses(plan, state, None) {
        irreversible::stand(plan, state, at, why, out);
        return;
    }
    // a kill on top of a rollback under way: its actions run on, and what was told is not told again
    let anew = !matches!(state.stage, Stage::RollingBack(_));
    let settings = way_back(plan, state);
    let ran = state.undo_ran;
    request(state, at, settings.clone(), true);
    state.undo_ran = ran && !anew;
    state.stage = Stage::RollingBack(verdict);
    state.paused = None;
    state.waiting = None;
    state.promoted = None;
    state.approvals.clear();
    state.slow_told = false;
    state.explanation = Some(why.clone());
    let summary = why.summary.clone();
    let epoch = state.target.epoch;
    out.push(Effect::record(Record::Rollback { to: None, settings: named(plan, &settings), epoch, explanation: why }));
    out.push(Effect::Apply { epoch, settings, lowers: true });
    if anew {
        if !state.running.is_empty() {
            out.push(Effect::CancelRuns);
        }
        reactions::happened(plan, state, at, Happening::Rollback, &format!("rolling back: {summary}"), "", out);
    }
}

/// What everything is taken back to: what was read before the first change of what was changed, and over it what the thrown kill
/// switches set.
fn way_back(plan: &Plan, state: &State) -> Vec<(PortId, Setting)> {
    let touched =
        |port: PortId| plan.phases.iter().take(state.furthest.index() + 1).any(|p| p.ports().any(|q| q == port));
    let mut settings: Vec<(PortId, Setting)> =
        state.originals.iter().copied().filter(|(port, _)| touched(*port)).collect();
    under_switches(plan, state, &mut settings);
    plan.in_order_of_taking_back(&mut settings);
    settings
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
    if irreversible::crosses(plan, state, Some(to)) {
        irreversible::stand(plan, state, at, why, out);
        return;
    }
    let mut settings = plan.settings_at(to);
    // a rollback raises nothing above what is asked for now; what stays below the phase's own setting is raised when it begins anew
    let below = gate::never_above(state, &mut settings);
    // what later phases set goes back to what was read before the first change
    for (port, original) in &state.originals {
        let later = plan.phases.iter().take(state.furthest.index() + 1).any(|p| p.ports().any(|q| q == *port));
        if later && !settings.iter().any(|(q, _)| q == port) {
            settings.push((*port, *original));
        }
    }
    under_switches(plan, state, &mut settings);
    plan.in_order_of_taking_back(&mut settings);
    if !planted!(12) {
        state.approvals.clear();
    }
    state.stage = Stage::Phase(to);
    state.phase = to;
    state.entered = at;
    reset_steps(plan, state, to);
    state.anew = below;
    // the step that waited for an action is left: whatever the action says now says nothing to this phase
    let awaited = state.running.iter().any(|r| r.cause == RunCause::Step);
    for r in state.running.iter_mut().filter(|r| r.cause == RunCause::Step) {
        r.cause = RunCause::Reaction;
    }
    request(state, at, settings.clone(), true);
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
    if awaited {
        out.push(Effect::CancelRuns);
    }
    let text = format!("rolling back to phase {name}: {summary}");
    reactions::happened(plan, state, at, Happening::Rollback, &text, "", out);
}

fn rollback_slow(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    if state.slow_told || state.target.verified.is_some() || at - state.target.requested < plan.verify_within {
        return;
    }
    state.slow_told = true;
    let since = state.target.requested;
    out.push(Effect::record(Record::RollbackSlow { since }));
    let text = format!("the rollback has not been read back for {}: act by hand", show::duration(at - since));
    reactions::told(plan, state, at, Happening::Rollback, &text, "", out);
    if !state.killed.is_empty() {
        // who is only told of kills must know that this one does not hold
        reactions::told(plan, state, at, Happening::Kill, &text, "", out);
    }
    // what a switch stops is not left running because a port cannot be read back
    kill::run_next(plan, state, at, out);
}

pub(super) fn verified(
    plan: &Plan,
    state: &mut State,
    at: Time,
    epoch: u32,
    read: &[(PortId, Setting)],
    out: &mut Vec<Effect>,
) {
    if (epoch != state.target.epoch && !planted!(11)) || state.target.verified.is_some() {
        return;
    }
    state.target.verified = Some(at);
    if !state.target.goes_on {
        count_anew(plan, state);
    }
    let took = at - state.target.requested;
    out.push(Effect::record(Record::Verified { epoch, read: named(plan, read), took }));
    undo_next(plan, state, at, out);
}

/// The action to be undone next, newest first: at a rollback every one, after a rollback to a phase those of later phases.
pub(super) fn next_undo(state: &State) -> Option<usize> {
    match state.stage {
        Stage::RollingBack(_) if planted!(10) => (!state.to_undo.is_empty()).then_some(0),
        Stage::RollingBack(_) => state.to_undo.len().checked_sub(1),
        Stage::Phase(phase) => state.to_undo.iter().rposition(|u| u.phase > phase),
        Stage::Idle | Stage::Done(_) => None,
    }
}

/// Starts the next undo unless one is under way; when none is left a rollback is done.
///
/// What kill switches run comes before every undo, and does not wait for one that is under way.
pub(super) fn undo_next(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    if kill::run_next(plan, state, at, out) {
        return;
    }
    if state.running.iter().any(|r| r.cause == RunCause::Undo) {
        return;
    }
    while let Some(i) = next_undo(state) {
        let action = state.to_undo.get(i).and_then(|u| plan.actions.get(u.action.index()));
        if let Some(undo) = action.and_then(|a| a.undo) {
            run(plan, state, at, undo, RunCause::Undo, out);
            state.undo_ran = true;
            return;
        }
        state.to_undo.remove(i);
    }
    if let Stage::RollingBack(verdict) = state.stage {
        if state.undo_ran {
            // undoing took its time: everything is read back before the rollback is done
            restore_again(state, at, out);
            return;
        }
        rolled_back(plan, state, at, verdict, out);
    }
}

/// An undo has ended: it is tried again, or given up and told, and the next one follows.
pub(super) fn undone(plan: &Plan, state: &mut State, at: Time, undo: ActionId, ok: bool, out: &mut Vec<Effect>) {
    let fits = |u: &Undoable| plan.actions.get(u.action.index()).is_some_and(|a| a.undo == Some(undo));
    let next = next_undo(state).filter(|i| state.to_undo.get(*i).is_some_and(fits));
    let read_back = state.target.verified.is_some();
    let Some(i) = next.or_else(|| state.to_undo.iter().rposition(fits)) else {
        // a kill switch has made it pointless meanwhile; what comes after it has waited for its end
        if read_back {
            undo_next(plan, state, at, out);
        }
        return;
    };
    if ok {
        state.to_undo.remove(i);
        state.undo_tries = 0;
    } else if read_back {
        // before the read-back it was ended by the rollback: that was no try
        state.undo_tries += 1;
        if state.undo_tries >= UNDO_TRIES {
            state.undo_tries = 0;
            let action = state.to_undo.remove(i).action;
            state.undo_failed.push(action);
            if let Stage::Phase(_) = state.stage {
                let (name, by) = (plan.action_name(action), plan.action_name(undo));
                let summary = format!("action {name} could not be undone: {by} failed {UNDO_TRIES} times");
                let why = Explanation::plain(plan, state, at, "action", name, summary);
                latch_pause(plan, state, at, why, out);
            }
        }
    }
    if read_back {
        undo_next(plan, state, at, out);
    }
}

/// Asks once more for what is being restored.
fn restore_again(state: &mut State, at: Time, out: &mut Vec<Effect>) {
    let settings = state.target.settings.clone();
    request(state, at, settings.clone(), true);
    out.push(Effect::Apply { epoch: state.target.epoch, settings, lowers: true });
}

/// A check during a rollback: it is told once that it takes long, and what was restored and does not hold is restored again.
pub(super) fn rolling_back(
    plan: &Plan,
    state: &mut State,
    at: Time,
    ports: &[Option<Setting>],
    ports_epoch: u32,
    out: &mut Vec<Effect>,
) {
    rollback_slow(plan, state, at, out);
    if state.target.verified.is_none() || ports_epoch != state.target.epoch {
        return;
    }
    let read = |port: PortId| ports.get(port.index()).copied().flatten();
    let mut again = false;
    for &(port, asked) in &state.target.settings {
        if let Some(read) = read(port).filter(|r| !r.same(asked)) {
            again = true;
            out.push(Effect::record(Record::Drift { port: plan.port_name(port).to_owned(), asked, read }));
        }
    }
    if again {
        restore_again(state, at, out);
    }
}

/// How people are told that what a switch sets is set, where nothing had been changed.
pub(super) const SET: &str = "set and read back";
/// How people are told that a rollback is done.
pub(super) const TAKEN_BACK: &str = "rolled back and read back";

fn rolled_back(plan: &Plan, state: &mut State, at: Time, verdict: Verdict, out: &mut Vec<Effect>) {
    let mut why = state
        .explanation
        .clone()
        .unwrap_or_else(|| Explanation::plain(plan, state, at, "plan", &plan.rollout, String::from("rolled back")));
    if !state.undo_failed.is_empty() {
        let names: Vec<&str> = state.undo_failed.iter().map(|a| plan.action_name(*a)).collect();
        why.summary.push_str(&format!("; NOT UNDONE: {} failed {UNDO_TRIES} times", names.join(", ")));
    }
    if !state.kill_failed.is_empty() {
        let names: Vec<&str> = state.kill_failed.iter().map(|a| plan.action_name(*a)).collect();
        why.summary.push_str(&format!("; NOT DONE: {} failed {TRIES} times", names.join(", ")));
    }
    // a switch that was thrown where nothing ran has taken nothing back but what it sets itself
    let what = if state.originals.is_empty() { SET } else { TAKEN_BACK };
    let text = format!("{what}: {}", why.summary);
    reactions::told(plan, state, at, Happening::Rollback, &text, "", out);
    finish(plan, state, at, verdict, why, out);
}

/// How often an undo action is tried.
pub(super) const UNDO_TRIES: usize = 3;
