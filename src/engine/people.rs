//! What reaches the engine between checks: ended actions, people, a new runner.

use super::advance::{consequence, latch_pause, request};
use super::eval::pace;
use super::explain::Explanation;
use super::kill;
use super::monitor::Stopwatch;
use super::record::Record;
use super::rollback::{next_undo, roll_back, undo_next, undone};
use super::state::{Approval, Owner, RunCause, Stage, State, StepRun, Verdict};
use super::step::{Effect, Operator};
use crate::plan::{Plan, Step, Time};

#[expect(clippy::too_many_arguments, reason = "the fields of one input")]
pub(super) fn action_ended(
    plan: &Plan,
    state: &mut State,
    at: Time,
    token: u32,
    ok: bool,
    how: String,
    output: String,
    out: &mut Vec<Effect>,
) {
    let Some(i) = state.running.iter().position(|r| r.token == token) else {
        return;
    };
    let ended = state.running.remove(i);
    let name = plan.action_name(ended.action).to_owned();
    out.push(Effect::record(Record::ActionEnded { action: name.clone(), token, ok, how: how.clone(), output }));
    match (ended.cause, state.stage) {
        (RunCause::Step, Stage::Phase(_)) => {
            state.step_run = Some(if ok { StepRun::Succeeded } else { StepRun::Failed });
            let step = plan.phases.get(state.phase.index()).and_then(|p| p.steps.get(state.step));
            if let (false, Some(Step::Run { otherwise, .. })) = (ok, step) {
                let summary = format!("action {name} failed: {how}");
                let why = Explanation::plain(plan, state, at, "action", &name, summary);
                consequence(plan, state, at, *otherwise, why, out);
            }
        }
        (RunCause::Kill, Stage::Phase(_) | Stage::RollingBack(_)) => kill::ran(plan, state, at, ended.action, ok, out),
        (RunCause::Undo, Stage::Phase(_) | Stage::RollingBack(_)) => undone(plan, state, at, ended.action, ok, out),
        _ => {}
    }
}

pub(super) fn operator(
    plan: &Plan,
    state: &mut State,
    at: Time,
    act: Operator,
    who: &str,
    why: &str,
    out: &mut Vec<Effect>,
) {
    if let Operator::Kill(switch) = act {
        kill::by_hand(plan, state, at, switch, who, why, out);
        return;
    }
    if !matches!(state.stage, Stage::Phase(_)) {
        return;
    }
    let because = if why.is_empty() { String::new() } else { format!(": {why}") };
    match act {
        Operator::Pause => {
            let summary = format!("paused by {who}{because}");
            let why = Explanation::plain(plan, state, at, "person", who, summary);
            latch_pause(plan, state, at, why, out);
        }
        Operator::Abort => {
            let summary = format!("aborted by {who}{because}");
            let why = Explanation::plain(plan, state, at, "person", who, summary);
            roll_back(plan, state, at, Verdict::Aborted, why, out);
        }
        // thrown above, at whatever stage
        Operator::Kill(_) => {}
        Operator::Reset(switch) => kill::reset(plan, state, switch, who, why, out),
        Operator::Approve(group) => {
            let phase = state.phase;
            state.approvals.push(Approval { group, phase, at, who: who.to_owned() });
            out.push(Effect::record(Record::Approved {
                group: plan.group_name(group).to_owned(),
                phase: plan.phase_name(phase).to_owned(),
                who: who.to_owned(),
                why: why.to_owned(),
            }));
        }
        Operator::Resume => {
            if state.paused.take().is_none() {
                return;
            }
            // a failed step is tried again, a timed-out gate gets its time again
            if state.step_run == Some(StepRun::Failed) {
                state.step_run = None;
            }
            if state.within_fired {
                state.within = Stopwatch::default();
                state.within_fired = false;
            }
            out.push(Effect::record(Record::Resumed { who: who.to_owned(), why: why.to_owned() }));
            if !state.drifted.is_empty() && state.target.verified.is_some() {
                let settings = state.target.settings.clone();
                request(state, at, settings.clone(), false);
                // the phase is the one that it was: what went wrong in it is not forgotten
                state.target.goes_on = true;
                out.push(Effect::Apply { epoch: state.target.epoch, settings, lowers: false });
            }
        }
    }
}

/// Another life has halted all of them.
pub(super) fn halted(plan: &Plan, state: &mut State, at: Time, why: &Explanation, out: &mut Vec<Effect>) {
    if matches!(state.stage, Stage::Phase(_)) {
        latch_pause(plan, state, at, why.clone(), out);
    }
}

/// After a stop: an unfinished rollback first, then what was asked for and not confirmed; nothing skipped, nothing begun again.
pub(super) fn recovered(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    let lowers = state.target.lowers;
    if matches!(state.stage, Stage::Idle | Stage::Done(_)) {
        return;
    }
    if state.target.verified.is_none() {
        // a stop does not use up the time in which settings must be read back
        let seen = state.last.unwrap_or(at).max(state.target.requested);
        if matches!(state.stage, Stage::Phase(_)) && pace(plan, Owner::Rollout).is_gap(at - seen) {
            state.target.requested += at - seen;
        }
        // what `drift correct` leaves as it is until the rest is lowered is left so
        let asked = state.target.settings.iter().copied().filter(|(port, _)| !state.drifted.contains(port));
        out.push(Effect::Apply { epoch: state.target.epoch, settings: asked.collect(), lowers });
    }
    let mut kept = Vec::new();
    for r in std::mem::take(&mut state.running) {
        let awaited = matches!(
            (r.cause, state.stage),
            (RunCause::Step | RunCause::Undo | RunCause::Kill, Stage::Phase(_))
                | (RunCause::Undo | RunCause::Kill, Stage::RollingBack(_))
        );
        if awaited {
            // how it ended is not known, and unknown never helps the canary: it must succeed under our eyes
            out.push(Effect::Run { token: r.token, action: r.action, cause: r.cause });
            kept.push(r);
        } else {
            out.push(Effect::record(Record::ActionEnded {
                action: plan.action_name(r.action).to_owned(),
                token: r.token,
                ok: false,
                how: String::from("not known: the runner stopped while it ran"),
                output: String::new(),
            }));
        }
    }
    state.running = kept;
    let undoing =
        matches!(state.stage, Stage::RollingBack(_)) || next_undo(state).is_some() || !state.kill_actions.is_empty();
    if undoing && state.target.verified.is_some() {
        undo_next(plan, state, at, out);
    }
}
