//! What stands before a raise of exposure though the rollout itself is ready for it: a latched kill switch, and `advance when`. Both
//! are asked anew at each live check; nothing but the raise waits, and never a rollback.

use super::record::Record;
use super::state::{State, Waiting, WaitsFor};
use super::step::Effect;
use super::truth::Truth;
use crate::plan::{Phase, PhaseId, Plan, PortId, Setting, SwitchId, Time};

/// Lays what the thrown switches set over settings: it wins over every phase's. Of two switches that set one port the last thrown
/// wins.
pub(super) fn under_switches(plan: &Plan, state: &State, settings: &mut Vec<(PortId, Setting)>) {
    for (port, to) in state.killed.iter().filter_map(|k| plan.switches.get(k.index())).flat_map(|s| &s.settings) {
        match settings.iter_mut().find(|(q, _)| q == port) {
            Some(slot) => slot.1 = *to,
            None => settings.push((*port, *to)),
        }
    }
}

/// What is asked for when a phase is entered: its settings over those of all before it, under the thrown switches'.
pub(super) fn settings_of(plan: &Plan, state: &State, phase: PhaseId) -> Vec<(PortId, Setting)> {
    let mut settings = plan.settings_at(phase);
    under_switches(plan, state, &mut settings);
    // flags first, then traffic: whoever is exposed finds the flags set
    settings.sort_by_key(|(p, _)| (plan.is_traffic(*p), *p));
    settings
}

/// What keeps a phase from being entered.
pub(super) fn before_phase(plan: &Plan, state: &State, phase: PhaseId) -> Option<WaitsFor> {
    plan.phases.get(phase.index())?;
    if let Some(switch) = bars(plan, state, phase) {
        return Some(WaitsFor::Switch(switch));
    }
    shut(plan, state, &settings_of(plan, state, phase))
}

/// The thrown switch that sets something which a phase sets, or one before it whose settings persist.
fn bars(plan: &Plan, state: &State, phase: PhaseId) -> Option<SwitchId> {
    if state.killed.is_empty() {
        return None;
    }
    let mut ports = plan.phases.iter().take(phase.index() + 1).flat_map(Phase::ports);
    ports.find_map(|port| barred(plan, state, port))
}

/// The thrown switch that keeps down what the present phase sets.
pub(super) fn held_down(plan: &Plan, state: &State) -> Option<SwitchId> {
    bars(plan, state, state.phase)
}

/// Whether a phase, or one before it, sets something that a switch sets.
pub(super) fn touches(plan: &Plan, phase: PhaseId, switch: SwitchId) -> bool {
    let sets = |port| plan.switches.get(switch.index()).is_some_and(|s| s.settings.iter().any(|(q, _)| *q == port));
    plan.phases.iter().take(phase.index() + 1).flat_map(Phase::ports).any(sets)
}

/// The thrown switch that sets a port.
pub(super) fn barred(plan: &Plan, state: &State, port: PortId) -> Option<SwitchId> {
    let sets = |k: &&SwitchId| plan.switches.get(k.index()).is_some_and(|s| s.settings.iter().any(|(q, _)| *q == port));
    state.killed.iter().find(sets).copied()
}

/// Whether `advance when` lets anything be raised.
pub(super) fn open(plan: &Plan, state: &State) -> bool {
    plan.advance.is_none() || state.gate == Some(Truth::True)
}

/// `advance when`, where these settings raise anything above what is asked for now.
pub(super) fn shut(plan: &Plan, state: &State, settings: &[(PortId, Setting)]) -> Option<WaitsFor> {
    (!open(plan, state) && raises(state, settings)).then_some(WaitsFor::Advance)
}

/// Whether settings raise anything above what is asked for now, or, where nothing is, what was read before the first change.
fn raises(state: &State, settings: &[(PortId, Setting)]) -> bool {
    settings.iter().any(|(port, to)| is_above(*to, asked(state, *port)))
}

fn is_above(to: Setting, now: Setting) -> bool {
    to.size() > now.size() && !to.same(now)
}

/// What is asked for now of a port; where nothing is, what was read before the first change.
fn asked(state: &State, port: PortId) -> Setting {
    let of = |list: &[(PortId, Setting)]| list.iter().find(|(q, _)| *q == port).map(|(_, s)| *s);
    of(&state.target.settings).or_else(|| of(&state.originals)).unwrap_or(Setting::Absent)
}

/// Leaves what would be raised as it is. Whether anything was.
pub(super) fn never_above(state: &State, settings: &mut [(PortId, Setting)]) -> bool {
    let mut below = false;
    for (port, to) in settings {
        let now = asked(state, *port);
        if is_above(*to, now) {
            (*to, below) = (now, true);
        }
    }
    below
}

/// Notes that the raise waits, and writes down for `what` when it begins to.
pub(super) fn wait(
    plan: &Plan,
    state: &mut State,
    at: Time,
    before: Option<Waiting>,
    on: WaitsFor,
    what: impl FnOnce() -> String,
    out: &mut Vec<Effect>,
) {
    let known = before.filter(|w| w.on == on);
    if known.is_none() {
        out.push(Effect::record(Record::Waiting { phase: plan.phase_name(state.phase).to_owned(), what: what() }));
    }
    state.waiting = Some(known.unwrap_or(Waiting { since: at, on }));
}

/// `advance: now in office`, `kill switch stop_async`
#[must_use]
pub fn waits_for(plan: &Plan, on: WaitsFor) -> String {
    match on {
        WaitsFor::Advance => {
            format!("advance: {}", plan.advance.as_ref().map_or("?", |g| g.text.as_str()))
        }
        WaitsFor::Switch(s) => format!("kill switch {}", plan.switch_name(s)),
        WaitsFor::Start => String::from("start: `require` and the guards must hold when the first raise is made"),
    }
}
