//! Kill switches: thrown by a guard or a person, always with a rollback, never instead of one.
//!
//! A person's kill takes everything back; a guard's as far as its rollback leads. From then on, until it is reset, the switch's settings
//! lie over what is restored and over every phase's. Once all of it is read back the switch's actions run, one after the other,
//! before anything is undone; then what phases have run is undone, and everything is read back once more.

use super::advance::{latch_pause, named, request, run};
use super::explain::Explanation;
use super::gate::{self, under_switches};
use super::irreversible;
use super::reactions;
use super::record::{Record, Thrower};
use super::rollback::{roll_back, roll_back_to, undo_next};
use super::state::{RunCause, Stage, State, Verdict};
use super::step::Effect;
use crate::plan::{ActionId, Happening, PhaseId, Plan, SwitchId, Time};

/// How often an action of a switch is tried.
pub(super) const TRIES: usize = 3;

/// A switch, who threw it, and why.
pub(super) struct Thrown {
    switch: SwitchId,
    by: Thrower,
    who: String,
    why: String,
    explanation: Explanation,
}

impl Thrown {
    /// By the guard that the explanation is about.
    pub(super) fn by_guard(switch: SwitchId, explanation: Explanation) -> Self {
        let (who, why) = (explanation.rule.clone(), explanation.summary.clone());
        Self { switch, by: Thrower::Guard, who, why, explanation }
    }
}

/// A person throws a switch: in a phase, during a rollback, or where nothing runs at all.
pub(super) fn by_hand(
    plan: &Plan,
    state: &mut State,
    at: Time,
    switch: SwitchId,
    who: &str,
    why: &str,
    out: &mut Vec<Effect>,
) {
    match state.stage {
        Stage::Done(_) => return,
        Stage::Idle => {
            state.started = Some(at);
            state.last = Some(at);
            state.entered = at;
        }
        Stage::Phase(_) | Stage::RollingBack(_) => {}
    }
    let because = if why.is_empty() { String::new() } else { format!(": {why}") };
    let mut summary = format!("kill switch {} thrown by {who}{because}", plan.switch_name(switch));
    if let (Stage::RollingBack(_), Some(before)) = (state.stage, &state.explanation) {
        summary.push_str(&format!("; being taken back already: {}", before.summary));
    }
    let explanation = Explanation::plain(plan, state, at, "person", who, summary);
    if matches!(state.stage, Stage::Phase(_)) && state.killed.contains(&switch) {
        // a guard has thrown it, and the run lives on in an earlier phase: this kill ends it
        roll_back(plan, state, at, Verdict::Killed, explanation, out);
        return;
    }
    let thrown = Thrown { switch, by: Thrower::Person, who: who.to_owned(), why: why.to_owned(), explanation };
    kill(plan, state, at, vec![thrown], None, Verdict::Killed, out);
}

/// Another life's guard has thrown switches that are one for all slices. This one goes back as far as that guard's consequence says;
/// where that leads back nowhere it stays in its phase, with what the switches set over it.
pub(super) fn by_another(
    plan: &Plan,
    state: &mut State,
    at: Time,
    thrown: &[(SwitchId, Explanation)],
    to: Option<PhaseId>,
    verdict: Verdict,
    out: &mut Vec<Effect>,
) {
    let anew = thrown.iter().filter(|(switch, _)| !state.killed.contains(switch));
    let anew: Vec<Thrown> = anew.map(|(switch, why)| Thrown::by_guard(*switch, why.clone())).collect();
    if anew.is_empty() {
        return;
    }
    let (to, verdict) = match state.stage {
        Stage::Done(_) => return,
        Stage::Idle => {
            state.started = Some(at);
            state.last = Some(at);
            state.entered = at;
            (None, verdict)
        }
        Stage::Phase(_) => (to, verdict),
        // it ends as it would have
        Stage::RollingBack(verdict) => (None, verdict),
    };
    kill(plan, state, at, anew, to, verdict, out);
}

/// A person clears a thrown switch of a run that lives on. What it took away stays away until a phase sets it.
pub(super) fn reset(plan: &Plan, state: &mut State, switch: SwitchId, who: &str, why: &str, out: &mut Vec<Effect>) {
    if who.trim().is_empty() || why.trim().is_empty() || !state.killed.contains(&switch) {
        return;
    }
    state.killed.retain(|k| *k != switch);
    // what the phase sets was kept down while it lasted: it begins anew
    state.anew |= state.target.epoch != 0 && gate::touches(plan, state.phase, switch);
    out.push(Effect::record(Record::KillReset {
        switch: plan.switch_name(switch).to_owned(),
        who: who.to_owned(),
        why: why.to_owned(),
    }));
}

/// Throws switches and takes back to a phase or (`None`) everything; switches that are thrown already are left as they are. The first
/// one explains the rollback. To the present phase or a later one: nothing is taken back but what the switches set.
pub(super) fn kill(
    plan: &Plan,
    state: &mut State,
    at: Time,
    thrown: Vec<Thrown>,
    to: Option<PhaseId>,
    verdict: Verdict,
    out: &mut Vec<Effect>,
) {
    let (mut first, mut known): (Option<Explanation>, Option<Explanation>) = (None, None);
    let mut told = Vec::new();
    let mut pointless = false;
    for t in thrown {
        let Some(switch) = plan.switches.get(t.switch.index()) else { continue };
        if state.killed.contains(&t.switch) {
            // what it sets is set already; the guard's rollback is still to come
            if t.by == Thrower::Guard {
                known.get_or_insert(t.explanation);
            }
            continue;
        }
        state.killed.push(t.switch);
        // an action that two switches run is run once more: nobody knows what was done in between
        state.kill_actions.extend(&switch.actions);
        // what a switch does must not be undone behind it
        let undoing = |a: &ActionId| plan.actions.get(a.index()).and_then(|a| a.undo);
        let undos: Vec<ActionId> = switch.actions.iter().filter_map(undoing).collect();
        pointless |= state.running.iter().any(|r| r.cause == RunCause::Undo && undos.contains(&r.action));
        state.to_undo.retain(|u| !switch.actions.contains(&u.action));
        let mut explanation = t.explanation;
        if t.by == Thrower::Guard {
            explanation.summary.push_str(&format!("; kill switch {}", switch.name));
        }
        told.push(explanation.summary.clone());
        first.get_or_insert_with(|| explanation.clone());
        let (name, all) = (switch.name.clone(), switch.for_all);
        out.push(Effect::record(Record::KillSwitch {
            switch: name,
            by: t.by,
            all,
            who: t.who,
            why: t.why,
            explanation,
        }));
    }
    let Some(mut why) = first.or(known) else { return };
    if told.len() > 1 {
        why.summary = told.join("; ");
    }
    let here = matches!(state.stage, Stage::Phase(_)) && to.is_some_and(|to| to >= state.phase);
    let stays = here || irreversible::crosses(plan, state, to);
    // a rollback that begins cancels them itself
    let anew = !stays && !matches!(state.stage, Stage::RollingBack(_));
    match to {
        _ if stays => {
            // what the switches set is set; nothing else is taken back across the point
            let mut settings = state.target.settings.clone();
            under_switches(plan, state, &mut settings);
            plan.in_order_of_taking_back(&mut settings);
            request(state, at, settings.clone(), true);
            // where nothing was to be taken back the phase is the one that it was
            state.target.goes_on = here;
            let epoch = state.target.epoch;
            out.push(Effect::record(Record::SetAgain { settings: named(plan, &settings), epoch }));
            out.push(Effect::Apply { epoch, settings, lowers: true });
            if !here {
                irreversible::stand(plan, state, at, why, out);
            }
        }
        None => roll_back(plan, state, at, verdict, why, out),
        Some(phase) => roll_back_to(plan, state, at, phase, why, out),
    }
    if pointless && (!anew || to.is_some()) {
        out.push(Effect::CancelRuns);
    }
    for text in told {
        reactions::happened(plan, state, at, Happening::Kill, &format!("killed: {text}"), "", out);
    }
}

/// Starts the next action of the thrown switches once their settings are read back, or have not been for too long. Whether one
/// is still to come or under way: then nothing is undone yet.
pub(super) fn run_next(plan: &Plan, state: &mut State, at: Time, out: &mut Vec<Effect>) -> bool {
    if state.running.iter().any(|r| r.cause == RunCause::Kill) {
        return true;
    }
    let Some(action) = state.kill_actions.first().copied() else { return false };
    // behind a point of no return what cannot be read back stays as it is, and is told once
    let slow = state.slow_told || state.stuck == Some(state.target.epoch);
    if state.target.verified.is_some() || slow {
        run(plan, state, at, action, RunCause::Kill, out);
        state.undo_ran = true;
    }
    true
}

/// An action of a switch has ended: it is tried again, or given up and told, and the next one follows.
pub(super) fn ran(plan: &Plan, state: &mut State, at: Time, action: ActionId, ok: bool, out: &mut Vec<Effect>) {
    if state.kill_actions.first() == Some(&action) {
        state.kill_tries += 1;
        if ok || state.kill_tries >= TRIES {
            state.kill_tries = 0;
            state.kill_actions.remove(0);
            if !ok {
                state.kill_failed.push(action);
                let text = format!("{} failed {TRIES} times: act by hand", plan.action_name(action));
                reactions::told(plan, state, at, Happening::Kill, &text, "", out);
                if matches!(state.stage, Stage::Phase(_)) {
                    let name = plan.action_name(action);
                    let why = Explanation::plain(plan, state, at, "action", name, text);
                    latch_pause(plan, state, at, why, out);
                }
            }
        }
    }
    if state.target.verified.is_some() {
        undo_next(plan, state, at, out);
    } else {
        run_next(plan, state, at, out);
    }
}
