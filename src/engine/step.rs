//! One step of a run: `(plan, state, input) → effects`. Pure: times come in with the inputs, nothing goes out but effects.

use super::eval::Check;
use super::explain::Explanation;
use super::given::Given;
use super::kill::by_another;
use super::people::{action_ended, halted, operator, recovered};
use super::reactions;
use super::record::Record;
use super::rollback::verified;
use super::start::start;
use super::state::{RunCause, State, Verdict};
use super::tick::tick;
use super::told;
use crate::plan::{ActionId, Answer, ChannelId, GroupId, Happening, PhaseId, Plan, PortId, Setting, SwitchId, Time};
use serde::{Deserialize, Serialize};

/// What reaches the engine.
#[derive(Debug, Clone)]
pub enum Input<'a> {
    /// The first check, before anything is changed.
    Start {
        /// Its planned time.
        at: Time,
        /// What every port was read as.
        originals: Vec<(PortId, Setting)>,
        /// What every input was answered (those of the baseline are ignored here).
        answers: &'a [Answer],
        /// What every input of the baseline was answered; `None` for the others.
        baseline: Vec<Option<Answer>>,
        /// When this rollout was last rolled back, by a run before this one; for `cooldown`.
        rolled_back: Option<Time>,
    },
    /// A check.
    Tick {
        /// Its planned time.
        at: Time,
        /// What every input was answered as of then.
        answers: &'a [Answer],
        /// What every port was read as; `None` where it was not read or could not be.
        ports: &'a [Option<Setting>],
        /// The epoch that was verified when `ports` were read.
        ports_epoch: u32,
        /// Whether it was asked at its time: a back-filled check feeds conditions, never `hold`, and ends no phase.
        live: bool,
    },
    /// A request was read back as asked for.
    Verified {
        /// When.
        at: Time,
        /// Which request.
        epoch: u32,
        /// What was read.
        read: Vec<(PortId, Setting)>,
    },
    /// An action ended.
    ActionEnded {
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
        /// When.
        at: Time,
        /// What.
        act: Operator,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// Another life of the same rollout has halted all of them: this one is paused too, for the same reason. Nothing is asked
    /// of one that is being taken back, or over.
    Halted {
        /// When.
        at: Time,
        /// Why, as the life said that halted ([`Effect::Halt`]).
        explanation: &'a Explanation,
    },
    /// Another life's guard has thrown kill switches that are one for all slices ([`Effect::Throw`]).
    Thrown {
        /// When.
        at: Time,
        /// Which, and why.
        thrown: &'a [(SwitchId, Explanation)],
        /// Where that guard's rollback leads to; none: everything is taken back.
        to: Option<PhaseId>,
        /// How a life ends of which everything is taken back now.
        verdict: Verdict,
    },
    /// A runner has loaded this state after a stop: what was asked for and is not confirmed is asked for again.
    Recovered {
        /// When.
        at: Time,
    },
}

/// What a person can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operator {
    /// Latch a pause.
    Pause,
    /// End it.
    Resume,
    /// Take everything back and end.
    Abort,
    /// Say yes, for a group, to the phase that the run is in.
    Approve(GroupId),
    /// Throw a kill switch: take everything back, with its settings over it, run its actions, and end. Also of a run that has
    /// not started (nothing but the switch's own settings is asked for then) and of one that is being taken back already.
    Kill(SwitchId),
    /// Clear a thrown kill switch of a run that lives on: phases that set its ports may be entered again. It wants somebody's name
    /// and a reason, and changes no port.
    Reset(SwitchId),
}

/// What the engine wants done. Effects come in the order in which they are to be journalled and begun. Serialised, the effects of
/// a run are the bytes that must be the same on every machine (`tests/determinism.rs`).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Write this into the journal.
    Record(Box<Record>),
    /// Make the world equal to this, read it back, and say so ([`Input::Verified`]). Replaces every earlier request.
    Apply {
        /// The request's number.
        epoch: u32,
        /// What to set, in this order.
        settings: Vec<(PortId, Setting)>,
        /// It takes exposure back: nothing may stand in front of it, not even the journal.
        lowers: bool,
    },
    /// Run an action and say how it ended.
    Run {
        /// The attempt.
        token: u32,
        /// Which action.
        action: ActionId,
        /// Why.
        cause: RunCause,
    },
    /// End every action under way.
    CancelRuns,
    /// Pause every other life of the rollout ([`Input::Halted`]). This one is paused already, or is being taken back.
    Halt {
        /// The rule that asks for it.
        explanation: Box<Explanation>,
    },
    /// Throw kill switches in every other life ([`Input::Thrown`]): here they are thrown.
    Throw {
        /// Which, and why.
        thrown: Vec<(SwitchId, Explanation)>,
        /// Where the guard's rollback leads to; none: everything is taken back.
        to: Option<PhaseId>,
    },
    /// Tell people.
    Notify {
        /// Where.
        channels: Vec<ChannelId>,
        /// What happened; none for `every d` and `at …`.
        happening: Option<Happening>,
        /// One line.
        title: String,
        /// More: what else happened in the same step.
        text: String,
        /// What a person needs to see, the most important first, as it stands after the step.
        facts: Vec<(String, String)>,
    },
    /// The run is over.
    Finish(Verdict),
}

impl Effect {
    pub(super) fn record(r: Record) -> Self {
        Self::Record(Box::new(r))
    }
}

/// What the rules of one check ask for; [`decide`] picks by precedence.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// Tell people.
    Tell(Happening, String),
    /// Latch a pause.
    Pause(Explanation),
    /// Latch a pause here and in every other life.
    Halt(Explanation),
    /// Set again what was read as something else; of each port whether as more.
    Correct(Vec<(PortId, bool)>),
    /// Take back: to a phase, or everything.
    Rollback(Option<PhaseId>, Explanation),
    /// Throw a kill switch and take back: to a phase, or everything.
    Kill(SwitchId, Option<PhaseId>, Explanation),
}

/// Takes one input, changes the state, and appends what is to be done to `out`.
pub fn step(plan: &Plan, state: &mut State, input: Input<'_>, out: &mut Vec<Effect>) {
    step_given(plan, state, input, Given::NONE, out);
}

/// [`step`] with values that are said instead of measured: the one path for both.
pub fn step_given(plan: &Plan, state: &mut State, input: Input<'_>, given: Given<'_>, out: &mut Vec<Effect>) {
    match input {
        Input::Start { at, originals, answers, baseline, rolled_back } => {
            let check = Check { plan, at, answers, given };
            start(check, state, originals, baseline, rolled_back, out);
        }
        Input::Tick { at, answers, ports, ports_epoch, live } => {
            let check = Check { plan, at, answers, given };
            tick(check, state, ports, ports_epoch, live, out);
        }
        Input::Verified { at, epoch, read } => verified(plan, state, at, epoch, &read, out),
        Input::ActionEnded { at, token, ok, how, output } => action_ended(plan, state, at, token, ok, how, output, out),
        Input::Operator { at, act, who, why } => operator(plan, state, at, act, &who, &why, out),
        Input::Halted { at, explanation } => halted(plan, state, at, explanation, out),
        Input::Thrown { at, thrown, to, verdict } => by_another(plan, state, at, thrown, to, verdict, out),
        Input::Recovered { at } => recovered(plan, state, at, out),
    }
    reactions::merge_notices(out);
    told::complete(plan, state, out);
}
