//! Going through the phases: entering, steps, pausing, passing, ending.

use super::eval::pace;
use super::explain::{Explanation, guard_reports};
use super::gate;
use super::guards::{arm, count_anew};
use super::monitor::Stopwatch;
use super::planted::planted;
use super::ramp::ramp;
use super::reactions;
use super::record::Record;
use super::rollback::{roll_back, roll_back_to};
use super::state::{
    Owner, Paused, RunCause, Running, Stage, State, StepRun, Target, Undoable, Verdict, WaitsFor, Word,
};
use super::step::Effect;
use crate::plan::{ActionId, Consequence, Happening, PhaseId, Plan, PortId, Setting, Step, Time, show};

pub(super) fn latch_pause(plan: &Plan, state: &mut State, at: Time, why: Explanation, out: &mut Vec<Effect>) {
    if state.paused.is_some() {
        return;
    }
    state.paused = Some(Paused { since: at, why: why.summary.clone() });
    let text = why.summary.clone();
    out.push(Effect::record(Record::Paused { explanation: why }));
    reactions::happened(plan, state, at, Happening::Pause, &format!("paused: {text}"), "", out);
}

/// Goes through the phase's steps as far as this check lets it, and ends the phase if all is well and every port was read
/// `as_asked` for.
/// `unmet` is what the first change, where it is still to come, may not be made for.
pub(super) fn advance(
    plan: &Plan,
    state: &mut State,
    at: Time,
    live: bool,
    as_asked: bool,
    unmet: &[String],
    out: &mut Vec<Effect>,
) {
    let Some(phase) = plan.phases.get(state.phase.index()) else {
        return;
    };
    if state.target.epoch == 0 {
        // nothing was asked for yet: the first raise waits
        if live && state.paused.is_none() {
            begin(plan, state, at, unmet, out);
        }
        return;
    }
    let settled = state.target.settled.is_some();
    let clock = pace(plan, Owner::Rollout);
    let ready = settled && (live || planted!(7)) && state.paused.is_none();
    // what a thrown switch keeps down was not tried: no time counts, and once it may be set again the phase begins anew
    let held_down = gate::held_down(plan, state);
    let open = ready && held_down.is_none() && !state.anew;
    let blinded = |w| planted!(2) && w == Word::Blind;
    let frozen = watching(plan, state).any(|w| w.is_none_or(|w| w.freezes_hold() && !blinded(w)));
    let may_end = as_asked && watching(plan, state).all(|w| w == Some(Word::Ok));
    match phase.steps.get(state.step) {
        Some(Step::Hold(_)) => state.hold.observe(clock, at, open && !frozen, live),
        // not frozen by what guards say: a raise asks them by itself
        Some(Step::Ramp { .. }) => state.hold.observe(clock, at, open, live),
        Some(Step::Promote { .. } | Step::HoldUntil { .. }) => state.within.observe(clock, at, open, live),
        Some(Step::Run { .. } | Step::HoldForever) | None => {}
    }
    if !ready {
        return;
    }
    let waited = state.waiting.take();
    if !open {
        let shut = || gate::shut(plan, state, &gate::settings_of(plan, state, state.phase));
        match held_down.map(WaitsFor::Switch).or_else(shut) {
            Some(on) => gate::wait(plan, state, at, waited, on, || gate::waits_for(plan, on), out),
            // bad news raises nothing
            None if watching(plan, state).any(|w| matches!(w, Some(Word::Failing | Word::Breached))) => {}
            None => enter(plan, state, state.phase, at, out),
        }
        return;
    }
    while let Some(step) = phase.steps.get(state.step) {
        let done = match step {
            Step::Run { action, .. } => match state.step_run {
                Some(StepRun::Succeeded) => true,
                Some(StepRun::Running | StepRun::Failed) => false,
                None => {
                    state.step_run = Some(StepRun::Running);
                    run(plan, state, at, *action, RunCause::Step, out);
                    false
                }
            },
            Step::Hold(d) => state.hold.counted >= *d,
            Step::HoldForever => {
                if may_end {
                    stay(plan, state, at, out);
                }
                false
            }
            Step::Ramp { .. } => ramp(plan, state, at, step, may_end, waited, out),
            Step::Promote { within, .. } | Step::HoldUntil { within, .. } => {
                let holds = state.promote.get(state.step).is_some_and(|t| t.is_true());
                if !holds
                    && let Some((limit, otherwise)) = within
                    && state.within.counted >= *limit
                    && !state.within_fired
                {
                    state.within_fired = true;
                    let summary = format!("`{}` was not met within {}", step_text(plan, step), show::duration(*limit));
                    let why = Explanation::plain(plan, state, at, "within", &phase.name, summary);
                    consequence(plan, state, at, *otherwise, why, out);
                    return;
                }
                // not latched: it must be true at the very check at which the guards are ok and the ports are seen
                holds && (may_end || planted!(6))
            }
        };
        if !done {
            return;
        }
        // the last step is asked again at each check while the next phase may not be entered: what was true must still be
        if may_end
            && state.step + 1 == phase.steps.len()
            && let Some(on) = gate::before_phase(plan, state, next(state))
        {
            gate::wait(plan, state, at, waited, on, || gate::waits_for(plan, on), out);
            state.within.step(clock, at, false);
            return;
        }
        out.push(Effect::record(Record::StepDone { phase: phase.name.clone(), step: step_text(plan, step) }));
        state.step += 1;
        state.step_run = None;
        state.ramp = None;
        state.hold = Stopwatch::default();
        state.within = Stopwatch::default();
        state.within_fired = false;
        // the next step's clock starts at this check
        match phase.steps.get(state.step) {
            Some(Step::Hold(_)) => state.hold.step(clock, at, !frozen),
            Some(Step::Ramp { .. }) => state.hold.step(clock, at, true),
            Some(Step::Promote { .. } | Step::HoldUntil { .. }) => state.within.step(clock, at, true),
            Some(Step::Run { .. } | Step::HoldForever) | None => {}
        }
    }
    if !may_end {
        return;
    }
    match gate::before_phase(plan, state, next(state)) {
        Some(on) => gate::wait(plan, state, at, waited, on, || gate::waits_for(plan, on), out),
        None => pass(plan, state, at, out),
    }
}

fn next(state: &State) -> PhaseId {
    PhaseId::at(state.phase.index() + 1)
}

/// Enters the first phase, or waits before it.
///
/// `unmet`: what `require` and the guards have against the first change at this check.
pub(super) fn begin(plan: &Plan, state: &mut State, at: Time, unmet: &[String], out: &mut Vec<Effect>) {
    let first = PhaseId(0);
    let waited = state.waiting.take();
    let unmet_now = (!unmet.is_empty()).then_some(WaitsFor::Start);
    let Some(on) = gate::before_phase(plan, state, first).or(unmet_now) else {
        enter(plan, state, first, at, out);
        return;
    };
    // there is nothing to be read back, and nothing to be taken back
    state.stage = Stage::Phase(first);
    state.target.verified = Some(at);
    let what = || match on {
        WaitsFor::Start => format!("start: {}", unmet.join("; ")),
        other => gate::waits_for(plan, other),
    };
    gate::wait(plan, state, at, waited, on, what, out);
}

/// `hold forever` is reached with all guards ok: that is the promotion, and it is said once.
fn stay(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    if state.promoted.is_some() {
        return;
    }
    state.promoted = Some(at);
    let phase = plan.phase_name(state.phase).to_owned();
    let text = format!("promoted: phase {phase} holds for good");
    out.push(Effect::record(Record::Promoted { phase, guards: guard_reports(plan, state) }));
    reactions::happened(plan, state, at, Happening::Promote, &text, "", out);
}

/// The words of the guards that can keep a phase from ending.
pub(super) fn watching<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = Option<Word>> + 'a {
    plan.guards
        .iter()
        .zip(&state.guards)
        .filter(|(g, s)| s.active && g.otherwise != Consequence::Tell)
        .map(|(_, s)| s.word)
}

/// A step in words, as it stands in the policy.
#[must_use]
pub fn step_text(plan: &Plan, step: &Step) -> String {
    match step {
        Step::Run { action, .. } => format!("run {}", plan.action_name(*action)),
        Step::Hold(d) => format!("hold {}", show::duration(*d)),
        Step::Promote { text, .. } => format!("promote when {text}"),
        Step::HoldUntil { text, .. } => format!("hold until {text}"),
        Step::HoldForever => String::from("hold forever"),
        Step::Ramp { port, from, to, by, every } => {
            format!("ramp {} from {from} to {to} by {by} every {}", plan.port_name(*port), show::duration(*every))
        }
    }
}

pub(super) fn pass(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) {
    let name = plan.phase_name(state.phase).to_owned();
    out.push(Effect::record(Record::Passed { phase: name.clone(), guards: guard_reports(plan, state) }));
    let next = PhaseId::at(state.phase.index() + 1);
    if next.index() < plan.phases.len() {
        let text = format!("phase {name} passed, next is {}", plan.phase_name(next));
        reactions::happened(plan, state, at, Happening::Promote, &text, "", out);
        enter(plan, state, next, at, out);
    } else {
        let summary = String::from("every phase ended with all guards ok");
        let why = Explanation::plain(plan, state, at, "plan", &name, summary);
        reactions::happened(plan, state, at, Happening::Promote, "promoted: every phase passed", "", out);
        finish(plan, state, at, Verdict::Promoted, why, out);
    }
}

pub(super) fn enter(plan: &Plan, state: &mut State, phase: PhaseId, at: Time, out: &mut Vec<Effect>) {
    state.stage = Stage::Phase(phase);
    state.phase = phase;
    state.furthest = state.furthest.max(phase);
    state.entered = at;
    reset_steps(plan, state, phase);
    arm(plan, state, phase, false);
    let settings = gate::settings_of(plan, state, phase);
    let changed = settings != state.target.settings || state.target.verified.is_none() || state.target.epoch == 0;
    if changed {
        request(state, at, settings.clone(), false);
    } else {
        state.target.settled = None;
        // what is asked for was read back long ago
        count_anew(plan, state);
    }
    let epoch = state.target.epoch;
    out.push(Effect::record(Record::Entered {
        phase: plan.phase_name(phase).to_owned(),
        settings: named(plan, &settings),
        epoch,
    }));
    if changed {
        out.push(Effect::Apply { epoch, settings, lowers: false });
    }
}

pub(super) fn reset_steps(plan: &Plan, state: &mut State, phase: PhaseId) {
    state.step = 0;
    state.anew = false;
    state.step_run = None;
    // a ramp that is the first step begins with the phase's settings
    state.ramp = match plan.phases.get(phase.index()).and_then(|p| p.steps.first()) {
        Some(Step::Ramp { from, .. }) => Some(*from),
        _ => None,
    };
    state.waiting = None;
    state.promoted = None;
    state.hold = Stopwatch::default();
    state.within = Stopwatch::default();
    state.within_fired = false;
    state.elapsed = Stopwatch::default();
    state.promote.clear();
}

pub(super) fn request(state: &mut State, at: Time, settings: Vec<(PortId, Setting)>, lowers: bool) {
    let epoch = state.target.epoch + 1;
    state.target = Target { epoch, settings, lowers, requested: at, verified: None, settled: None, goes_on: false };
    state.drifted.clear();
    state.undo_ran = false;
}

pub(super) fn consequence(
    plan: &Plan,
    state: &mut State,
    at: Time,
    what: Consequence,
    why: Explanation,
    out: &mut Vec<Effect>,
) {
    match what {
        Consequence::Tell | Consequence::Hold => {}
        Consequence::Pause => latch_pause(plan, state, at, why, out),
        Consequence::Halt => {
            out.push(Effect::Halt { explanation: Box::new(why.clone()) });
            latch_pause(plan, state, at, why, out);
        }
        Consequence::Rollback(Some(to)) if to < state.phase => roll_back_to(plan, state, at, to, why, out),
        Consequence::Rollback(Some(_)) => {}
        Consequence::Rollback(None) => roll_back(plan, state, at, Verdict::RolledBack, why, out),
    }
}

pub(super) fn finish(
    plan: &Plan,
    state: &mut State,
    at: Time,
    verdict: Verdict,
    why: Explanation,
    out: &mut Vec<Effect>,
) {
    reactions::early_snapshot(plan, state, out);
    state.stage = Stage::Done(verdict);
    state.paused = None;
    let text = format!("{}: {}", verdict.text().replace('_', " "), why.summary);
    state.explanation = Some(why.clone());
    out.push(Effect::record(Record::Finished { verdict, explanation: why }));
    reactions::happened(plan, state, at, Happening::Done, &text, "", out);
    out.push(Effect::Finish(verdict));
}

/// Settings with their ports' names.
pub(super) fn named(plan: &Plan, settings: &[(PortId, Setting)]) -> Vec<(String, Setting)> {
    settings.iter().map(|(p, s)| (plan.port_name(*p).to_owned(), *s)).collect()
}

/// Starts an action.
pub(super) fn run(plan: &Plan, state: &mut State, at: Time, action: ActionId, cause: RunCause, out: &mut Vec<Effect>) {
    let token = state.next_token;
    state.next_token += 1;
    state.running.push(Running { token, action, cause, since: at });
    // what takes back is not undone itself
    if !matches!(cause, RunCause::Undo | RunCause::Kill)
        && plan.actions.get(action.index()).is_some_and(|a| a.undo.is_some())
    {
        state.to_undo.push(Undoable { action, phase: state.phase });
    }
    out.push(Effect::record(Record::ActionStarted { action: plan.action_name(action).to_owned(), token, cause }));
    out.push(Effect::Run { token, action, cause });
}
