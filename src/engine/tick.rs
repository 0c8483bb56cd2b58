//! One check: guards first, then the rules that take back, then, if nothing does, what lets the rollout go on.

use super::advance::{advance, latch_pause};
use super::drift::{self, drift};
use super::eval::{Check, eval, in_phase, pace};
use super::explain::{Explanation, guard_reports, input_reports};
use super::guards::{check_guards, condition_warming, restart};
use super::irreversible;
use super::kill::{Thrown, kill};
use super::monitor::{Pace, Stopwatch};
use super::reactions;
use super::record::Record;
use super::rollback::{next_undo, roll_back, roll_back_to, rolling_back};
use super::state::{Owner, Stage, State, Verdict, Word};
use super::step::{Effect, Wish};
use super::truth::Truth;
use crate::plan::{
    Ask, Consequence, Guard, Happening, InputId, Missing, Node, PhaseId, Plan, Population, PortId, Reading, Setting,
    Step, Time, Tolerance, Window, show,
};

/// Adds this check's disjoint increments to every accumulator, and notes which inputs were answered.
pub(super) fn accumulate(check: Check<'_>, state: &mut State) {
    for node in &check.plan.program.nodes {
        let Node::Accumulated { input, slot, .. } = *node else {
            continue;
        };
        let got = match check.reading(state, input) {
            Ok(Reading::Increase(v) | Reading::Value(v)) => Some(*v),
            _ => None,
        };
        if let Some(acc) = state.accumulators.get_mut(slot as usize) {
            acc.sum += got.unwrap_or(0.0);
            acc.behind = got.is_none();
        }
    }
    for i in 0..check.plan.inputs.len() {
        if check.plan.inputs.get(i).is_some_and(|x| x.population != Population::Before)
            && check.reading(state, InputId::at(i)).is_ok()
            && let Some(slot) = state.answered.get_mut(i)
        {
            *slot = Some(check.at);
        }
    }
}

/// From when an input's disjoint increments are to be counted at the next check.
#[must_use]
pub fn since(plan: &Plan, state: &State, id: InputId) -> Option<Time> {
    match plan.inputs.get(id.index())?.ask {
        Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast) => {
            state.answered.get(id.index()).copied().flatten()
        }
        _ => None,
    }
}

pub(super) fn tick(
    check: Check<'_>,
    state: &mut State,
    ports: &[Option<Setting>],
    ports_epoch: u32,
    live: bool,
    out: &mut Vec<Effect>,
) {
    let (plan, at) = (check.plan, check.at);
    if state.last.is_some_and(|last| at <= last) {
        return;
    }
    match state.stage {
        Stage::Phase(_) => {}
        Stage::RollingBack(_) => {
            state.last = Some(at);
            rolling_back(plan, state, at, ports, ports_epoch, out);
            return;
        }
        Stage::Idle | Stage::Done(_) => return,
    }
    accumulate(check, state);
    settle(plan, state, at, live);
    let settled = state.target.settled.is_some();
    state.elapsed.observe(pace(plan, Owner::Rollout), at, settled, live);
    let mut wishes = check_guards(check, state, out);
    wishes.extend(blind_told(check, state));
    wishes.extend(no_data(check, state));
    wishes.extend(unverified(plan, state, at));
    wishes.extend(drift(plan, state, at, ports, ports_epoch, out));
    ask_gate(check, state);
    promote_conditions(check, state);
    reactions::snapshots(check, state, out);
    let acted = decide(plan, state, at, wishes, live, out);
    if !acted {
        let as_asked = as_asked(state, ports, ports_epoch);
        advance(plan, state, at, live, as_asked, out);
    }
    if in_phase(state) {
        reactions::timed(check, state, live, out);
    }
    state.last = Some(at);
}

/// The first live check after read-back (and `settle`): from here goals count.
fn settle(plan: &Plan, state: &mut State, at: Time, live: bool) {
    let Some(verified) = state.target.verified else {
        return;
    };
    if !live
        || next_undo(state).is_some()
        || !state.kill_actions.is_empty()
        || state.target.settled.is_some()
        || at < verified + plan.settle.unwrap_or(0)
    {
        return;
    }
    state.target.settled = Some(at);
    if !state.target.goes_on {
        state.elapsed = Stopwatch::default();
    }
    let phase = state.phase;
    // its sums have counted since the read-back: what went wrong while it settled is not forgotten
    restart(plan, state, Owner::Phase(phase), |_| false);
}

fn blind_told(check: Check<'_>, state: &State) -> Vec<Wish> {
    let (plan, at) = (check.plan, check.at);
    let newly = |w: Word| {
        let names: Vec<&str> = plan
            .guards
            .iter()
            .zip(&state.guards)
            .filter(|(g, s)| s.active && s.word == Some(w) && s.since == at && !unasked(check, state, g))
            .map(|(g, _)| g.name.as_str())
            .collect();
        names.join(", ")
    };
    let (blind, dark) = (newly(Word::Blind), newly(Word::Dark));
    let mut out = Vec::new();
    if !blind.is_empty() {
        out.push(Wish::Tell(Happening::Blind, format!("blind: {blind}")));
    }
    if !dark.is_empty() {
        out.push(Wish::Tell(Happening::Blind, format!("dark: {dark}")));
    }
    out
}

/// Whether a guard is blind only because nobody asked: a back-filled check that its source keeps no history of.
fn unasked(check: Check<'_>, state: &State, guard: &Guard) -> bool {
    let inputs = check.measured(guard.healthy, &guard.inputs);
    let mut missing = inputs.iter().filter_map(|i| check.reading(state, *i).err()).peekable();
    missing.peek().is_some() && missing.all(|m| m == Missing::NotAsked)
}

/// `no data tolerate … else …`
fn no_data(check: Check<'_>, state: &mut State) -> Option<Wish> {
    let (plan, at) = (check.plan, check.at);
    let (not_asked, blind): (Vec<&Guard>, Vec<&Guard>) = plan
        .guards
        .iter()
        .zip(&state.guards)
        .filter(|(g, s)| s.active && s.word == Some(Word::Blind) && g.otherwise != Consequence::Tell)
        .map(|(g, _)| g)
        .partition(|g| unasked(check, state, g));
    if blind.is_empty() && !not_asked.is_empty() {
        // a missed check neither runs the clock nor clears it
        return None;
    }
    let blind: Vec<&str> = blind.iter().map(|g| g.name.as_str()).collect();
    let clock = Pace { check_every: plan.check_every, bridge: None };
    let up = state.no_data.step(plan.no_data.tolerate.temporal(), clock, at, Truth::from(!blind.is_empty()));
    if blind.is_empty() {
        state.no_data_fired = false;
        return None;
    }
    if !up.is_true() || state.no_data_fired {
        return None;
    }
    state.no_data_fired = true;
    let long = match plan.no_data.tolerate {
        Tolerance::For(_) => show::duration(state.no_data.known()),
        Tolerance::Checks(_) => format!("{} checks", state.no_data.known()),
    };
    let summary = format!("no data for {}: {} blind for {long}", plan.rollout, blind.join(", "));
    let explanation = Explanation::plain(plan, state, at, "no data", "no data", summary);
    match plan.no_data.otherwise {
        Consequence::Tell | Consequence::Hold => None,
        Consequence::Pause => Some(Wish::Pause(explanation)),
        Consequence::Halt => Some(Wish::Halt(explanation)),
        Consequence::Rollback(to) => Some(Wish::Rollback(to, explanation)),
    }
}

fn unverified(plan: &Plan, state: &mut State, at: Time) -> Option<Wish> {
    if state.target.verified.is_some() || at - state.target.requested < plan.verify_within {
        return None;
    }
    let summary = format!(
        "settings of phase {} were not read back within {}",
        plan.phase_name(state.phase),
        show::duration(plan.verify_within)
    );
    let why = Explanation::plain(plan, state, at, "settings", plan.phase_name(state.phase), summary);
    if irreversible::crosses(plan, state, None) {
        // it stays unverified for as long as it does: said once
        if state.stuck == Some(state.target.epoch) {
            return None;
        }
        state.stuck = Some(state.target.epoch);
    }
    Some(Wish::Rollback(None, why))
}

/// Whether every port of the request was read at this check, after its read-back, and is as asked for. What could not be read is
/// no drift, but it is not known either: nothing ends on it.
fn as_asked(state: &State, ports: &[Option<Setting>], ports_epoch: u32) -> bool {
    let read = |port: PortId| ports.get(port.index()).copied().flatten();
    state.target.verified.is_some()
        && ports_epoch == state.target.epoch
        && state.target.settings.iter().all(|(port, asked)| read(*port).is_some_and(|r| r.same(*asked)))
}

/// `advance when`: asked at every check, so that what it says of a stretch of time is known when it is needed.
pub(super) fn ask_gate(check: Check<'_>, state: &mut State) {
    if let Some(gate) = &check.plan.advance {
        state.gate = Some(if check.given.opens_gate {
            Truth::True
        } else {
            eval(check, state, gate.when, Owner::Rollout).truth().0
        });
    }
}

fn promote_conditions(check: Check<'_>, state: &mut State) {
    let Some(phase) = check.plan.phases.get(state.phase.index()) else {
        return;
    };
    if state.target.settled.is_none_or(|s| check.at < s) {
        state.promote = phase.steps.iter().map(|_| Truth::Unknown).collect();
        return;
    }
    let owner = Owner::Phase(state.phase);
    let mut values = Vec::with_capacity(phase.steps.len());
    for s in &phase.steps {
        values.push(match s {
            // it is measured from its first valid check: its windows must lie behind the verification
            Step::Promote { when, .. } | Step::HoldUntil { when, .. } if !condition_warming(check, state, *when) => {
                eval(check, state, *when, owner).truth().0
            }
            _ => Truth::Unknown,
        });
    }
    state.promote = values;
}

/// One tick decides once: kill > rollback > halt > pause > promote; of several rollbacks the earliest target wins. A rollback of this
/// life takes nothing from a `halt`: the other lives are paused all the same. Returns whether a rollback began.
fn decide(plan: &Plan, state: &mut State, at: Time, wishes: Vec<Wish>, live: bool, out: &mut Vec<Effect>) -> bool {
    let mut back: Option<(Option<PhaseId>, Explanation)> = None;
    let (mut halt, mut pause) = (None, None);
    let (mut kills, mut kill_to) = (Vec::new(), None);
    let (mut stands, mut off) = (None, None);
    for wish in wishes {
        match wish {
            Wish::Tell(happening, text) => reactions::happened(plan, state, at, happening, &text, "", out),
            Wish::Pause(why) => pause = pause.or(Some(why)),
            Wish::Halt(why) => halt = halt.or(Some(why)),
            // never instead of a rollback: inert where it does not lead back
            Wish::Kill(_, Some(to), _) if to >= state.phase => {}
            Wish::Kill(switch, to, why) => {
                kill_to = if kills.is_empty() { to } else { kill_to.min(to) };
                kills.push(Thrown::by_guard(switch, why));
            }
            // inert unless it leads back
            Wish::Rollback(Some(to), _) if to >= state.phase => {}
            Wish::Rollback(to, why) if irreversible::crosses(plan, state, to) => stands = stands.or(Some(why)),
            Wish::Correct(ports) => off = Some(ports),
            // `None` (everything) sorts before every phase
            Wish::Rollback(to, why) => {
                if back.as_ref().is_none_or(|(best, _)| to < *best) {
                    back = Some((to, why));
                }
            }
        }
    }
    if let Some(why) = &halt {
        out.push(Effect::Halt { explanation: Box::new(why.clone()) });
    }
    if !kills.is_empty() {
        // of all rollbacks of this check, with a switch or without, the earliest target
        let to = back.map_or(kill_to, |(to, _)| to.min(kill_to));
        let led_back = !irreversible::crosses(plan, state, to);
        kill(plan, state, at, kills, to, Verdict::RolledBack, out);
        if let (true, Some(why)) = (led_back, stands) {
            irreversible::stand(plan, state, at, why, out);
        }
        return true;
    }
    if let Some((to, why)) = back {
        match to {
            None => roll_back(plan, state, at, Verdict::RolledBack, why, out),
            Some(phase) => roll_back_to(plan, state, at, phase, why, out),
        }
        if let Some(why) = stands {
            irreversible::stand(plan, state, at, why, out);
        }
        return true;
    }
    let stood = stands.is_some();
    if let Some(why) = stands {
        irreversible::stand(plan, state, at, why, out);
    }
    if let Some(why) = halt.or(pause) {
        latch_pause(plan, state, at, why, out);
    }
    if let Some(off) = off {
        drift::correct(plan, state, at, &off, live, out);
    }
    stood
}

/// A record of all values at this check.
pub(super) fn snapshot(check: Check<'_>, state: &State) -> Record {
    let all: Vec<InputId> = (0..check.plan.inputs.len()).map(InputId::at).collect();
    Record::Snapshot {
        guards: guard_reports(check.plan, state),
        inputs: input_reports(check, state, &all),
        early: false,
    }
}
