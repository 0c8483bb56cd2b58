//! The first check: everything that must hold before anything is changed, all reasons together.

use super::advance::{begin, named};
use super::eval::{Check, eval, is_finite, pace};
use super::given::read_below;
use super::past;
use super::record::Record;
use super::state::{Owner, Stage, State, Verdict, roots};
use super::step::Effect;
use super::tick::{accumulate, ask_gate};
use super::truth::Truth;
use crate::plan::{
    Answer, Consequence, GuardId, InputId, Missing, Phase, PhaseId, Plan, Population, PortId, PortKind, Setting, Step,
    Time, show,
};
use std::collections::BTreeSet;

pub(super) fn start(
    check: Check<'_>,
    state: &mut State,
    originals: Vec<(PortId, Setting)>,
    baseline: Vec<Option<Answer>>,
    rolled_back: Option<Time>,
    out: &mut Vec<Effect>,
) {
    let (plan, at) = (check.plan, check.at);
    if state.stage != Stage::Idle {
        return;
    }
    state.baseline = baseline;
    for answer in state.baseline.iter_mut().flatten() {
        if answer.value.as_ref().is_ok_and(|r| !is_finite(r)) {
            answer.value = Err(Missing::NotANumber);
        }
    }
    state.originals = originals;
    state.started = Some(at);
    state.last = Some(at);
    state.entered = at;
    state.observed.step(pace(plan, Owner::Rollout), at, true);
    accumulate(check, state);
    past::collect(check, state);
    let mut reasons = cooling(plan, at, rolled_back);
    reasons.extend(exposed_already(plan, state));
    reasons.extend(outside_their_list(plan, state));
    reasons.extend(missing_baseline(check, state));
    reasons.extend(not_met(check, state));
    if !reasons.is_empty() {
        state.stage = Stage::Done(Verdict::Refused);
        out.push(Effect::record(Record::Refused { reasons }));
        out.push(Effect::Finish(Verdict::Refused));
        return;
    }
    out.push(Effect::record(Record::Started { originals: named(plan, &state.originals) }));
    ask_gate(check, state);
    begin(plan, state, at, &[], out);
}

/// Why the first change may not be made: a `require` that is not known to be true, a guard that would take back and is false. Asked at
/// the start, and where the first raise waits at every check until it is made.
pub(super) fn not_met(check: Check<'_>, state: &mut State) -> Vec<String> {
    let plan = check.plan;
    let mut reasons = Vec::new();
    for (i, r) in plan.requires.iter().enumerate() {
        if check.given.grants(i) {
            continue;
        }
        let (truth, _) = eval(check, state, r.cond, Owner::Rollout).truth();
        let why = if r.why.is_empty() { String::new() } else { format!(" ({})", r.why) };
        match truth {
            Truth::True => {}
            Truth::False => reasons.push(format!("`require {}` is not met{why}", r.text)),
            Truth::Unknown => reasons.push(format!("`require {}` is not known{why}", r.text)),
        }
    }
    for (i, g) in plan.guards.iter().enumerate() {
        let rolls_back = matches!(g.otherwise, Consequence::Rollback(_) | Consequence::Halt);
        if g.from == PhaseId(0) && rolls_back && !check.given.assumes(GuardId::at(i)) {
            let owner = Owner::Guard(GuardId::at(i));
            if eval(check, state, g.healthy, owner).truth().0.is_false() {
                reasons.push(format!("guard {} is false before anything was changed: `{}`", g.name, g.text));
            }
        }
    }
    reasons
}

/// `cooldown d after rollback`: what was taken back is not put out again at once.
fn cooling(plan: &Plan, at: Time, rolled_back: Option<Time>) -> Vec<String> {
    let (Some(cooldown), Some(last)) = (plan.cooldown, rolled_back) else { return Vec::new() };
    let left = last + cooldown - at;
    if left <= 0 {
        return Vec::new();
    }
    vec![format!(
        "cooldown: rolled back {} ago, and `cooldown {} after rollback` lasts for another {}",
        show::duration((at - last).max(0)),
        show::duration(cooldown),
        show::duration(left)
    )]
}

/// Whether a phase exposes anything through a port.
fn raised(phase: &Phase, port: PortId) -> bool {
    let ramped = |s: &Step| matches!(s, Step::Ramp { port: p, .. } if *p == port);
    phase.settings.iter().any(|(p, v)| *p == port && v.exposes()) || phase.steps.iter().any(ramped)
}

/// Exposure above 0 before the first change is refused: a rollback could not tell what to go back to.
pub(super) fn exposed_already(plan: &Plan, state: &State) -> Vec<String> {
    state
        .originals
        .iter()
        .filter(|(port, setting)| {
            let kind = plan.ports.get(port.index()).map(|p| &p.kind);
            let raised = plan.phases.iter().any(|ph| raised(ph, *port));
            raised && setting.exposes() && !matches!(kind, Some(PortKind::CountFlag(_)) | None)
        })
        .map(|(port, setting)| {
            format!(
                "{} is already at {setting}: a rollout starts from 0 (set it back, or finish the run that raised it)",
                plan.port_name(*port)
            )
        })
        .collect()
}

/// A flag that stands outside the values it may take: taking back would set it outside of them.
fn outside_their_list(plan: &Plan, state: &State) -> Vec<String> {
    let outside = |port: PortId, setting: Setting| {
        let kind = plan.ports.get(port.index()).map(|p| &p.kind);
        let (among, list) = match (kind, setting) {
            (Some(PortKind::CountFlag(list)), Setting::Count(n)) => {
                (list.contains(&n), list.iter().map(|n| Setting::Count(*n)).collect::<Vec<_>>())
            }
            (Some(PortKind::RatioFlag(list)), Setting::Share(_)) => {
                let list: Vec<Setting> = list.iter().map(|r| Setting::Share(*r)).collect();
                (list.iter().any(|s| s.same(setting)), list)
            }
            _ => return None,
        };
        let list: Vec<String> = list.iter().map(ToString::to_string).collect();
        (!among && !list.is_empty()).then(|| {
            let name = plan.port_name(port);
            format!("{name} is at {setting}, which is none of {}: set it to one of them first", list.join(", "))
        })
    };
    state.originals.iter().filter_map(|(port, setting)| outside(*port, *setting)).collect()
}

/// The inputs that something reads which is not given; `None`: all of them.
fn wanted(check: Check<'_>) -> Option<BTreeSet<InputId>> {
    if check.given.is_none() {
        return None;
    }
    let (plan, given) = (check.plan, check.given);
    let mut out = BTreeSet::new();
    let mut requires = 0;
    for (root, owner) in roots(plan) {
        let assumed = match owner {
            Owner::Guard(g) => given.assumes(g),
            Owner::Rollout => {
                plan.requires.iter().any(|r| r.cond == root) && {
                    requires += 1;
                    given.grants(requires - 1)
                }
            }
            Owner::Phase(_) => false,
        };
        if !assumed {
            out.extend(read_below(plan, given, root));
        }
    }
    Some(out)
}

pub(super) fn missing_baseline(check: Check<'_>, state: &State) -> Vec<String> {
    let mut out = Vec::new();
    let wanted = wanted(check);
    for (i, input) in check.plan.inputs.iter().enumerate() {
        if input.population != Population::Before || wanted.as_ref().is_some_and(|w| !w.contains(&InputId::at(i))) {
            continue;
        }
        if let Err(why) = check.reading(state, InputId::at(i)) {
            // bad events that never happened are no reason: the whole tells
            if matches!(*why, Missing::Empty { .. }) && check.plan.is_bad_part(InputId::at(i)) {
                continue;
            }
            let why = match *why {
                // there may be some: it is too little to be taken for the whole
                Missing::Empty { .. } => {
                    let length = check.plan.baseline.unwrap_or_default();
                    format!("in the {} before now it has a value less than half of the time", show::duration(length))
                }
                _ => why.to_string(),
            };
            out.push(format!("no baseline for {}: {why}", input.metric));
        }
    }
    out
}
