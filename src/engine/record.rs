//! What goes into the journal: the transitions of a run, each with what is needed to explain it later.

use super::explain::{Explanation, GuardReport};
use super::state::{Verdict, Word};
use crate::plan::{Setting, Time};
use serde::{Deserialize, Serialize};

/// The kind of the record that tells of a thrown kill switch: auditors ask for it by this name.
pub const KILLED: &str = "kill_switch.activated";

/// The kind of the record that tells of a reset one.
pub const RESET: &str = "kill_switch.reset";

/// Who threw a kill switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Thrower {
    /// A person.
    Person,
    /// A guard of the rollout.
    Guard,
}

/// One transition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Record {
    /// The run began.
    Started {
        /// What was read before the first change: what a rollback restores.
        originals: Vec<(String, Setting)>,
    },
    /// The start was refused; nothing was changed.
    Refused {
        /// All reasons.
        reasons: Vec<String>,
    },
    /// A phase was entered: its settings are asked for from here on.
    Entered {
        /// The phase.
        phase: String,
        /// What is asked for.
        settings: Vec<(String, Setting)>,
        /// The request's number.
        epoch: u32,
    },
    /// A request was read back from the backends.
    Verified {
        /// The request's number.
        epoch: u32,
        /// What was read.
        read: Vec<(String, Setting)>,
        /// Milliseconds from request to read-back.
        took: i64,
    },
    /// A guard changed its word.
    Guard {
        /// Its word before; none at its first check.
        from: Option<Word>,
        /// The guard now.
        report: GuardReport,
        /// Why something is missing, for dark and blind.
        missing: Option<String>,
    },
    /// An action was started.
    ActionStarted {
        /// Its name.
        action: String,
        /// The attempt.
        token: u32,
        /// `step`, `reaction`, `undo`, `kill`.
        cause: super::state::RunCause,
    },
    /// An action ended.
    ActionEnded {
        /// Its name.
        action: String,
        /// The attempt.
        token: u32,
        /// Whether it succeeded.
        ok: bool,
        /// `exit status 3`, …
        how: String,
        /// Its output's end.
        output: String,
    },
    /// A step of a phase is done.
    StepDone {
        /// The phase.
        phase: String,
        /// The step in words.
        step: String,
    },
    /// The run was paused.
    Paused {
        /// Why.
        explanation: Explanation,
    },
    /// A person let it go on.
    Resumed {
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// A person said yes, for a group, to the phase that the run is in.
    Approved {
        /// The group.
        group: String,
        /// The phase.
        phase: String,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// A port was read as something else than asked for.
    Drift {
        /// The port.
        port: String,
        /// What was asked for.
        asked: Setting,
        /// What was read.
        read: Setting,
    },
    /// The next raise of exposure waits, though the rollout is ready for it.
    Waiting {
        /// The phase that stays meanwhile.
        phase: String,
        /// For what: `advance: now in office`, `kill switch stop_async`.
        what: String,
    },
    /// A ramp has gone up by a step: this is asked for from here on.
    Raised {
        /// The phase.
        phase: String,
        /// The port.
        port: String,
        /// To what.
        to: Setting,
        /// All that is asked for.
        settings: Vec<(String, Setting)>,
        /// The request's number.
        epoch: u32,
    },
    /// `hold forever` was reached with all guards ok: the rollout is promoted, and its guards go on watching.
    Promoted {
        /// The phase.
        phase: String,
        /// All guards at that check.
        guards: Vec<GuardReport>,
    },
    /// A phase ended well.
    Passed {
        /// The phase.
        phase: String,
        /// All guards at that check.
        guards: Vec<GuardReport>,
    },
    /// A kill switch was thrown: the rollback that belongs to it follows.
    #[serde(rename = "kill_switch.activated")]
    KillSwitch {
        /// The switch.
        switch: String,
        /// `person` or `guard`.
        by: Thrower,
        /// It is one for all slices of the run ([`KillSwitch::for_all`](crate::plan::KillSwitch)), and latched so.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        all: bool,
        /// The person, or the guard's name.
        who: String,
        /// Why: the person's own words, or what the guard saw.
        why: String,
        /// The rule, its values, and which other rules did not cause it.
        explanation: Explanation,
    },
    /// A person reset a thrown kill switch while the run lived on. No port was changed by it.
    #[serde(rename = "kill_switch.reset")]
    KillReset {
        /// The switch.
        switch: String,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// A rollback was decided.
    Rollback {
        /// To which phase; none: to what was read before the first change.
        to: Option<String>,
        /// What is asked for.
        settings: Vec<(String, Setting)>,
        /// The request's number.
        epoch: u32,
        /// Why.
        explanation: Explanation,
    },
    /// A rollback was asked for that would have led back across a point of no return: there was none, and the run is paused.
    NotRolledBack {
        /// What asked for it, and why there was none.
        explanation: Explanation,
    },
    /// What holds is asked for once more, or what a kill switch sets is besides: the phase stays.
    SetAgain {
        /// What is asked for.
        settings: Vec<(String, Setting)>,
        /// The request's number.
        epoch: u32,
    },
    /// A rollback is taking long.
    RollbackSlow {
        /// Since when.
        since: Time,
    },
    /// Values of all metrics, kept on request.
    Snapshot {
        /// All guards at that check.
        guards: Vec<GuardReport>,
        /// All inputs at that check.
        inputs: Vec<super::explain::InputReport>,
        /// Whether the run ended before the snapshot's time.
        early: bool,
    },
    /// The run is over.
    Finished {
        /// How.
        verdict: Verdict,
        /// Why.
        explanation: Explanation,
    },
}

impl Record {
    /// The record's kind as it stands in the journal.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Started { .. } => "started",
            Self::Refused { .. } => "refused",
            Self::Entered { .. } => "entered",
            Self::Verified { .. } => "verified",
            Self::Guard { .. } => "guard",
            Self::ActionStarted { .. } => "action_started",
            Self::ActionEnded { .. } => "action_ended",
            Self::StepDone { .. } => "step_done",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Approved { .. } => "approved",
            Self::Drift { .. } => "drift",
            Self::Waiting { .. } => "waiting",
            Self::Raised { .. } => "raised",
            Self::Promoted { .. } => "promoted",
            Self::Passed { .. } => "passed",
            Self::KillSwitch { .. } => KILLED,
            Self::KillReset { .. } => RESET,
            Self::Rollback { .. } => "rollback",
            Self::NotRolledBack { .. } => "not_rolled_back",
            Self::SetAgain { .. } => "set_again",
            Self::RollbackSlow { .. } => "rollback_slow",
            Self::Snapshot { .. } => "snapshot",
            Self::Finished { .. } => "finished",
        }
    }
}
