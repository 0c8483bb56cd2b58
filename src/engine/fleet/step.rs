//! One step of all lives: `(plan, fleet, input) → effects`, each with the slice that it is of.

use super::Fleet;
use super::begin::Begin;
use super::keys::SliceId;
use super::observed::Observed;
use crate::engine::given::Given;
use crate::engine::state::{Stage, Verdict};
use crate::engine::step::{Effect, Input, Operator, step_given};
use crate::plan::{Plan, PortId, Setting, Time};

/// What reaches a sliced run.
#[derive(Debug, Clone)]
pub enum FleetInput<'a> {
    /// A check: the slices in `begins` begin, all that have begun before are checked.
    Tick {
        /// Its planned time.
        at: Time,
        /// What was answered, a row for every slice that was seen.
        observed: &'a Observed,
        /// Those of [`Fleet::due`] for which everything could be read.
        begins: Vec<Begin>,
        /// When this rollout was last rolled back, by a run before this one; for `cooldown`.
        rolled_back: Option<Time>,
        /// Whether it was asked at its time.
        live: bool,
    },
    /// A slice's request was read back as asked for.
    Verified {
        /// Whose.
        slice: SliceId,
        /// When.
        at: Time,
        /// Which request.
        epoch: u32,
        /// What was read.
        read: Vec<(PortId, Setting)>,
    },
    /// An action ended.
    ActionEnded {
        /// The slice that ran it.
        slice: SliceId,
        /// When.
        at: Time,
        /// Which attempt.
        token: u32,
        /// Whether it succeeded.
        ok: bool,
        /// How it ended.
        how: String,
        /// Its output's end.
        output: String,
    },
    /// A person's word.
    Operator {
        /// To which slices; empty: to all.
        slices: &'a [SliceId],
        /// When.
        at: Time,
        /// What.
        act: Operator,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// A runner has loaded this state after a stop.
    Recovered {
        /// When.
        at: Time,
    },
}

/// An effect, and whose it is.
#[derive(Debug, Clone, PartialEq)]
pub struct FleetEffect {
    /// The slice; none for what concerns all of them ([`Effect::Finish`] is then the end of the whole run).
    pub slice: Option<SliceId>,
    /// What is to be done.
    pub effect: Effect,
}

/// Takes one input, changes the state, and appends what is to be done to `out`. `given` is what is said instead of measured, by
/// slice.
pub fn fleet_step<'g>(
    plan: &Plan,
    fleet: &mut Fleet,
    input: FleetInput<'_>,
    given: &dyn Fn(SliceId) -> Given<'g>,
    out: &mut Vec<FleetEffect>,
) {
    let mut effects = Vec::new();
    let mut feed = |fleet: &mut Fleet, slice: SliceId, input: Input<'_>| {
        if let Some(life) = fleet.lives.get_mut(slice.index()) {
            step_given(plan, life, input, given(slice), &mut effects);
            out.extend(effects.drain(..).map(|effect| FleetEffect { slice: Some(slice), effect }));
        }
    };
    match input {
        FleetInput::Tick { at, observed, begins, rolled_back, live } => {
            fleet.started.get_or_insert(at);
            for slice in fleet.slices() {
                let (answers, ports, ports_epoch) =
                    (observed.answers(slice), observed.ports(slice), observed.verified(slice));
                feed(fleet, slice, Input::Tick { at, answers, ports, ports_epoch, live });
            }
            for Begin { slice, originals, baseline } in begins {
                fleet.waiting.retain(|(s, _)| *s != slice);
                fleet.starts.push(at);
                let answers = observed.answers(slice);
                feed(fleet, slice, Input::Start { at, originals, answers, baseline, rolled_back });
            }
            fleet.last = Some(at);
        }
        FleetInput::Verified { slice, at, epoch, read } => feed(fleet, slice, Input::Verified { at, epoch, read }),
        FleetInput::ActionEnded { slice, at, token, ok, how, output } => {
            feed(fleet, slice, Input::ActionEnded { at, token, ok, how, output });
        }
        FleetInput::Operator { slices, at, act, who, why } => {
            let all: Vec<SliceId> = if slices.is_empty() { fleet.slices().collect() } else { slices.to_vec() };
            for slice in all {
                feed(fleet, slice, Input::Operator { at, act, who: who.clone(), why: why.clone() });
            }
        }
        FleetInput::Recovered { at } => {
            for slice in fleet.slices() {
                feed(fleet, slice, Input::Recovered { at });
            }
        }
    }
    if fleet.verdict.is_none()
        && let Some(verdict) = over(fleet)
    {
        fleet.verdict = Some(verdict);
        out.push(FleetEffect { slice: None, effect: Effect::Finish(verdict) });
    }
}

/// How the whole run has ended: when no slice waits and every one has; badly if one has.
fn over(fleet: &Fleet) -> Option<Verdict> {
    if fleet.started.is_none() || !fleet.waiting.is_empty() || fleet.lives.is_empty() {
        return None;
    }
    let badness = |v: Verdict| match v {
        Verdict::Promoted => 0,
        Verdict::Refused => 1,
        Verdict::Aborted => 2,
        Verdict::RolledBack => 3,
        Verdict::Killed => 4,
    };
    let mut worst = Verdict::Promoted;
    for life in &fleet.lives {
        match life.stage {
            Stage::Done(v) => worst = if badness(v) > badness(worst) { v } else { worst },
            _ => return None,
        }
    }
    Some(worst)
}
