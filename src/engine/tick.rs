//! One check: guards first, then the rules that take back, then, if nothing does, what lets the rollout go on.

use super::advance::{advance, latch_pause};
use super::drift::{self, drift};
use super::eval::{Check, eval, in_phase, pace};
use super::explain::{Explanation, guard_reports, input_reports};
use super::given::Given;
use super::guards::{check_guards, condition_warming, restart};
use super::irreversible;
use super::kill::{Thrown, kill, run_next};
use super::monitor::{Pace, Stopwatch};
use super::past;
use super::planted::planted;
use super::reactions;
use super::record::Record;
use super::rollback::{next_undo, roll_back, roll_back_to, rolling_back};
use super::start::not_met;
use super::state::{Accumulator, Owner, Stage, State, Verdict, Word, goals, subtree};
use super::step::{Effect, Wish};
use super::truth::Truth;
use crate::plan::{
    Answer, Ask, Consequence, Guard, Happening, InputId, Missing, Node, PhaseId, Plan, Population, PortId, Reading,
    Setting, Step, Time, Tolerance, Window, show,
};

/// Adds this check's disjoint increments to every accumulator, and notes which inputs were answered.
pub(super) fn accumulate(check: Check<'_>, state: &mut State) {
    let sums = if check.plan.program.accumulators == 0 { &[] } else { check.plan.program.nodes.as_slice() };
    for node in sums {
        let Node::Accumulated { input, slot, .. } = *node else {
            continue;
        };
        let got = match check.reading(state, input) {
            Ok(Reading::Increase(v) | Reading::Value(v)) => Some(*v),
            _ => None,
        };
        if let Some(acc) = state.accumulators.get_mut(slot as usize) {
            // ∞ has no JSON: a state that held it could not be read back
            acc.sum = (acc.sum + got.unwrap_or(0.0)).clamp(f64::MIN, f64::MAX);
            acc.behind = got.is_none();
            acc.fresh = false;
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

/// A check of a run that is over, for somebody who still asks: sums and values over time go on, and nothing is decided.
pub fn go_by(plan: &Plan, state: &mut State, at: Time, answers: &[Answer]) {
    let check = Check { plan, at, answers, given: Given::NONE };
    accumulate(check, state);
    past::collect(check, state);
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
    if state.target.epoch == 0 {
        // the first change waits: what is asked of it is asked of this check, and sums do not pile up meanwhile
        state.accumulators.iter_mut().for_each(Accumulator::start_anew);
    }
    accumulate(check, state);
    settle(plan, state, at, live);
    begin_goals(plan, state);
    let settled = state.target.settled.is_some();
    state.elapsed.observe(pace(plan, Owner::Rollout), at, settled, live);
    state.observed.observe(pace(plan, Owner::Rollout), at, true, live);
    past::collect(check, state);
    let (no_data_fired, was_paused) = (state.no_data_fired, state.paused.is_some());
    let mut wishes = check_guards(check, state, out);
    blind_told(check, state, &mut wishes);
    // hardly ever is there one to be moved
    if let Some(wish) = no_data(check, state) {
        wishes.push(wish);
    }
    if let Some(wish) = unverified(plan, state, at) {
        wishes.push(wish);
    }
    wishes.extend(drift(plan, state, at, ports, ports_epoch, out));
    ask_gate(check, state);
    let unmet = if state.target.epoch == 0 { not_met(check, state) } else { Vec::new() };
    promote_conditions(check, state);
    reactions::snapshots(check, state, out);
    let acted = decide(plan, state, at, wishes, live, out);
    if acted && !no_data_fired && !was_paused && state.paused.is_none() {
        // a pause that a rollback came before: while nobody can see it is still to come
        state.no_data_fired &= !matches!(plan.no_data.otherwise, Consequence::Pause | Consequence::Halt);
    }
    if !acted {
        let as_asked = as_asked(state, ports, ports_epoch);
        advance(plan, state, at, live, as_asked, &unmet, out);
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
    restart(plan, state, Owner::Phase(phase), |_| false);
}

/// What this phase's goals count begins here: with the first check behind read-back and `settle` at which nothing is still to come,
/// since an answer that was late tells of the time before as well. A step of a ramp and a correction go on with what has begun.
fn begin_goals(plan: &Plan, state: &mut State) {
    if state.target.settled.is_none() {
        return;
    }
    for node in goals(plan, state.phase) {
        subtree(plan, node, &mut |_, node| {
            if let Node::Accumulated { slot, since_phase: true, .. } = *node
                && let Some(acc) = state.accumulators.get_mut(slot as usize)
                && !acc.behind
            {
                acc.before.get_or_insert(acc.sum);
            }
        });
    }
}

/// Tells of guards that have become blind or dark, at this check or while nobody could ask.
fn blind_told(check: Check<'_>, state: &mut State, wishes: &mut Vec<Wish>) {
    let (plan, at) = (check.plan, check.at);
    // empty ones ask for no memory
    let (mut blind, mut dark) = (Vec::new(), Vec::new());
    for (i, guard) in plan.guards.iter().enumerate() {
        let Some(s) = state.guards.get(i) else { continue };
        let silent = s.active && matches!(s.word, Some(Word::Blind | Word::Dark));
        let due = silent && (s.untold || s.since == at);
        let unasked = due && unasked(check, state, guard);
        if due && !unasked {
            let names = if s.word == Some(Word::Dark) { &mut dark } else { &mut blind };
            names.push(guard.name.as_str());
        }
        if let Some(s) = state.guards.get_mut(i) {
            s.untold = unasked;
        }
    }
    if !blind.is_empty() {
        wishes.push(Wish::Tell(Happening::Blind, format!("blind: {}", blind.join(", "))));
    }
    if !dark.is_empty() {
        wishes.push(Wish::Tell(Happening::Blind, format!("dark: {}", dark.join(", "))));
    }
}

/// Whether a guard is blind only because nobody asked: a back-filled check that its source keeps no history of.
fn unasked(check: Check<'_>, state: &State, guard: &Guard) -> bool {
    let inputs = check.measured(guard.healthy, &guard.inputs);
    let mut missing = inputs.filter_map(|i| check.reading(state, i).err()).peekable();
    missing.peek().is_some() && missing.all(|m| *m == Missing::NotAsked)
}

/// The guards that are blind and may hold the rollout up.
fn blind_guards<'a>(plan: &'a Plan, state: &'a State) -> impl Iterator<Item = &'a Guard> + 'a {
    let watching = plan.guards.iter().zip(&state.guards);
    let blind = watching.filter(|(g, s)| s.active && s.word == Some(Word::Blind) && g.otherwise != Consequence::Tell);
    blind.map(|(g, _)| g)
}

/// `no data tolerate … else …`
fn no_data(check: Check<'_>, state: &mut State) -> Option<Wish> {
    let (plan, at) = (check.plan, check.at);
    let (mut blind, mut not_asked) = (false, false);
    for guard in blind_guards(plan, state) {
        let silent = unasked(check, state, guard);
        (blind, not_asked) = (blind || !silent, not_asked || silent);
    }
    if !blind && not_asked && !planted!(4) {
        // a missed check neither runs the clock nor clears it
        return None;
    }
    let clock = Pace { check_every: plan.check_every, bridge: None };
    let up = state.no_data.step(plan.no_data.tolerate.temporal(), clock, at, Truth::from(blind));
    if !blind {
        state.no_data_fired = false;
        return None;
    }
    if !up.is_true() || state.no_data_fired {
        return None;
    }
    state.no_data_fired = true;
    let blind: Vec<&str> =
        blind_guards(plan, state).filter(|g| !unasked(check, state, g)).map(|g| g.name.as_str()).collect();
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
pub(super) fn as_asked(state: &State, ports: &[Option<Setting>], ports_epoch: u32) -> bool {
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
    let settled = state.target.settled.is_some_and(|s| check.at >= s);
    let owner = Owner::Phase(state.phase);
    state.promote.clear();
    for s in &phase.steps {
        let value = match s {
            // it is measured from its first valid check: its windows must lie behind the verification
            Step::Promote { when, .. } | Step::HoldUntil { when, .. }
                if settled && !condition_warming(check, state, *when) =>
            {
                eval(check, state, *when, owner).truth().0
            }
            _ => Truth::Unknown,
        };
        state.promote.push(value);
    }
}

/// One tick decides once: kill > rollback > halt > pause > promote; of several rollbacks the earliest target wins. A rollback of this
/// life takes nothing from a `halt`: the other lives are paused all the same. Returns whether a rollback began.
fn decide(plan: &Plan, state: &mut State, at: Time, wishes: Vec<Wish>, live: bool, out: &mut Vec<Effect>) -> bool {
    let mut back: Option<(Option<PhaseId>, Explanation)> = None;
    let (mut halt, mut pause) = (None, None);
    let mut kills = Vec::new();
    // where the switches lead back to, of those targets that no point of no return lies in front of
    let mut kill_to: Option<Option<PhaseId>> = None;
    // of switches that are one for all slices, and where their guards lead the others back to
    let (mut shared, mut shared_to) = (Vec::new(), None);
    let (mut stands, mut off) = (None, None);
    for wish in wishes {
        match wish {
            Wish::Tell(happening, text) => reactions::happened(plan, state, at, happening, &text, "", out),
            Wish::Pause(why) => pause = pause.or(Some(why)),
            Wish::Halt(why) => halt = halt.or(Some(why)),
            // never instead of a rollback: inert where it does not lead back
            Wish::Kill(_, Some(to), _) if to >= state.phase => {}
            Wish::Kill(switch, to, why) => {
                let for_all = plan.switches.get(switch.index()).is_some_and(|s| s.for_all);
                if for_all && !state.killed.contains(&switch) {
                    shared.push((switch, why.clone()));
                    shared_to = Some(shared_to.map_or(to, |other: Option<PhaseId>| other.min(to)));
                }
                if irreversible::crosses(plan, state, to) {
                    stands = stands.or(Some(why.clone()));
                } else {
                    kill_to = Some(kill_to.map_or(to, |other: Option<PhaseId>| other.min(to)));
                }
                kills.push(Thrown::by_guard(switch, why));
            }
            // inert unless it leads back
            Wish::Rollback(Some(to), _) if to >= state.phase => {}
            Wish::Rollback(to, why) if irreversible::crosses(plan, state, to) => stands = stands.or(Some(why)),
            Wish::Correct(ports) => off = Some(ports),
            // `None` (everything) sorts before every phase
            Wish::Rollback(to, why) => {
                if back.as_ref().is_none_or(|(best, _)| if planted!(5) { to > *best } else { to < *best }) {
                    back = Some((to, why));
                }
            }
        }
    }
    if let Some(why) = &halt {
        out.push(Effect::Halt { explanation: Box::new(why.clone()) });
    }
    if let Some(to) = shared_to {
        out.push(Effect::Throw { thrown: shared, to });
    }
    if !kills.is_empty() {
        // of all rollbacks of this check, with a switch or without, the earliest target
        let to = back.map(|(to, _)| to).into_iter().chain(kill_to).min();
        kill(plan, state, at, kills, to.flatten(), Verdict::RolledBack, out);
        // where none of them leads back the kill itself says so
        if let (Some(_), Some(why)) = (to, stands) {
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
        // a switch whose settings are not read back runs its actions all the same
        run_next(plan, state, at, out);
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
