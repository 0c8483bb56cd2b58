//! The state of a run: everything that must survive the process, and nothing else. It is journalled after every step.

use super::explain::Explanation;
use super::monitor::{Monitor, Stopwatch};
use super::past::Past;
use crate::plan::{
    ActionId, Answer, GroupId, GuardId, Millis, Node, NodeId, PhaseId, Plan, PortId, Setting, Step, SwitchId, Time,
    Trigger,
};
use serde::{Deserialize, Serialize};

/// The words for a guard, used everywhere (LANGUAGE §5.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// True on fresh, sufficient data.
    Ok,
    /// False, tolerance not used up.
    Failing,
    /// False, tolerance used up.
    Breached,
    /// Its window, or its newest sample, still reaches before the settings were verified.
    Warming,
    /// Fewer events than `at least n events`, or 0/0.
    Thin,
    /// Everything is there, but it does not decide.
    Undecided,
    /// The canary's series is gone while the source answers for others.
    Dark,
    /// The source failed, or all of it is empty.
    Blind,
}

impl Word {
    /// The word as it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failing => "failing",
            Self::Breached => "breached",
            Self::Warming => "warming",
            Self::Thin => "thin",
            Self::Undecided => "undecided",
            Self::Dark => "dark",
            Self::Blind => "blind",
        }
    }

    /// Whether it freezes `hold`.
    #[must_use]
    pub fn freezes_hold(self) -> bool {
        matches!(self, Self::Warming | Self::Dark | Self::Blind)
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The last phase ended.
    Promoted,
    /// A rule took the exposure back.
    RolledBack,
    /// A person took the exposure back.
    Aborted,
    /// A person threw a kill switch.
    Killed,
    /// Nothing was changed: the start was refused.
    Refused,
}

impl Verdict {
    /// The word as it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Promoted => "promoted",
            Self::RolledBack => "rolled_back",
            Self::Aborted => "aborted",
            Self::Killed => "killed",
            Self::Refused => "refused",
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Not started.
    Idle,
    /// In a phase.
    Phase(PhaseId),
    /// Taking everything back; ends as this verdict.
    RollingBack(Verdict),
    /// Over.
    Done(Verdict),
}

/// A latched pause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub since: Time,
    /// By what or whom, and why.
    pub why: String,
}

/// How often a port was set again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Correction {
    /// The port.
    pub port: PortId,
    /// How often since it was last left alone for an hour.
    pub times: u32,
    /// The last time.
    pub last: Time,
}

/// A raise of exposure for which the rollout is ready and which waits for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// Since when.
    pub since: Time,
    /// For what.
    pub on: WaitsFor,
}

/// What a raise of exposure can wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// `advance when`: until its condition is true.
    Advance,
    /// A thrown kill switch that sets one of the ports: until a person resets it.
    Switch(SwitchId),
    /// The first raise, when it has waited for something else: until what `require` and the guards said at the start holds again.
    Start,
}

/// The state of one guard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GuardState {
    /// Whether it watches.
    pub active: bool,
    /// Its word at the last check; `None` before its first.
    pub word: Option<Word>,
    /// Since when it has had this word.
    pub since: Time,
    /// `(not healthy) for tolerate`.
    pub monitor: Monitor,
    /// Its consequence has fired and it has not been ok since.
    pub fired: bool,
    /// It fell silent at a check at which nobody asked: told if it still is when somebody does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
    /// What it last read, to be shown.
    pub reading: GuardReading,
}

/// What a guard last read, to be shown and explained.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct GuardReading {
    /// Left side of its comparison, in base units.
    pub value: Option<f64>,
    /// Right side.
    pub limit: Option<f64>,
    /// How far the value is from the limit on the healthy side; negative when beyond it.
    pub margin: Option<f64>,
    /// Sample size.
    pub events: Option<f64>,
    /// How much of the tolerance is used up: milliseconds, or checks.
    pub used: i64,
    /// Age of the oldest of its inputs' newest samples.
    pub age: Option<Millis>,
}

/// Increments summed since some moment.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Accumulator {
    /// The sum.
    pub sum: f64,
    /// Whether the newest increments are still to come (the source did not answer at the last check).
    pub behind: bool,
    /// Increments between were never counted: one question asks for all slices at once, and it went on while this one had no
    /// answer. What was counted is then a lower bound, until the sum starts anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub short: bool,
    /// The sum has started anew, and no check has been since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// What the sum was when goals began to count: at the first check behind read-back and `settle` at which all was answered. Kept
    /// of sums that the phase's goals read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<f64>,
}

impl Accumulator {
    /// Begins to count at nothing. What the newest answer has left open stays open until the next one.
    pub(super) fn start_anew(&mut self) {
        *self = Self { behind: self.behind, fresh: true, ..Self::default() };
    }
}

/// What the run wants the world to be, and how far that is confirmed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Target {
    /// Counts up with each request; an answer for an older one is ignored.
    pub epoch: u32,
    /// What every port is to be set to.
    pub settings: Vec<(PortId, Setting)>,
    /// Whether it takes exposure back.
    pub lowers: bool,
    /// When it was asked for.
    pub requested: Time,
    /// When it was read back.
    pub verified: Option<Time>,
    /// The first check after read-back and `settle`: goals count from here.
    pub settled: Option<Time>,
    /// It was asked for within a phase: the phase's own time and sums go on over it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub goes_on: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_false(b: &bool) -> bool {
    !*b
}

/// An action that was started and can be undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undoable {
    /// Which.
    pub action: ActionId,
    /// The phase in which it was started.
    pub phase: PhaseId,
}

/// An action that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Names this one attempt.
    pub token: u32,
    /// Which.
    pub action: ActionId,
    /// Why it runs.
    pub cause: RunCause,
    /// Since when.
    pub since: Time,
}

/// A person's yes to a phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// The group that the person speaks for.
    pub group: GroupId,
    /// The phase that it was given to.
    pub phase: PhaseId,
    /// When.
    pub at: Time,
    /// By whom.
    pub who: String,
}

/// Why an action runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunCause {
    /// A step of the phase waits for it.
    Step,
    /// A reaction asked for it; nobody waits.
    Reaction,
    /// It undoes another at a rollback.
    Undo,
    /// A kill switch runs it.
    Kill,
}

/// How an awaited action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepRun {
    /// Under way.
    Running,
    /// It succeeded.
    Succeeded,
    /// It failed; its consequence has fired.
    Failed,
}

/// The state of one reaction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ReactionState {
    /// `when C`: whether C was known to be true when it was last known.
    pub high: bool,
    /// `every d`, `at …`: how many have come due.
    pub due: i64,
    /// When its action was started, for the limit.
    pub runs: Vec<Time>,
}

/// Who steps a temporal operator or accumulator, which decides over its bridge and when it starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// A guard: unknown freezes, never resets.
    Guard(GuardId),
    /// A phase's `promote when`.
    Phase(PhaseId),
    /// A reaction or a preflight condition.
    Rollout,
}

/// The whole state of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Where it stands.
    pub stage: Stage,
    /// The first check's planned time.
    pub started: Option<Time>,
    /// The last check's planned time.
    pub last: Option<Time>,
    /// The phase entered last.
    pub phase: PhaseId,
    /// The latest phase that was ever entered: a rollback restores what any of them may have changed.
    pub furthest: PhaseId,
    /// When it was entered.
    pub entered: Time,
    /// What was read before the first change: what a rollback restores.
    pub originals: Vec<(PortId, Setting)>,
    /// How the originals are written where they stand, as their backends tell it; nothing here reads it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mementos: Vec<(PortId, String)>,
    /// What the world should be.
    pub target: Target,
    /// A latched pause.
    pub paused: Option<Paused>,
    /// Index of the step under way; past the last one when all are done.
    pub step: usize,
    /// The awaited action, if one was started in this step.
    pub step_run: Option<StepRun>,
    /// The value that the ramp under way has come to; `None` before its first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Setting>,
    /// `hold` of the step under way, or the time since a ramp's last value has settled.
    pub hold: Stopwatch,
    /// `within` of the step under way.
    pub within: Stopwatch,
    /// `within` has passed and its consequence has fired.
    pub within_fired: bool,
    /// Observed time since the phase's settings were verified.
    pub elapsed: Stopwatch,
    /// Observed time since the first check: a runner that was down has seen none of it.
    #[serde(default)]
    pub observed: Stopwatch,
    /// What the next raise waits for, as of the last live check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// When `hold forever` was reached with all guards ok: the run is promoted, and lives on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted: Option<Time>,
    /// Whether `advance when` holds, as of the last check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<super::truth::Truth>,
    /// Whether this phase's `promote when` holds, as of the last check.
    pub promote: Vec<super::truth::Truth>,
    /// Guards in the plan's order.
    pub guards: Vec<GuardState>,
    /// Temporal operators by slot.
    pub monitors: Vec<Monitor>,
    /// Accumulators by slot.
    pub accumulators: Vec<Accumulator>,
    /// Values over time by slot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pasts: Vec<Past>,
    /// `no data tolerate`: how long an active guard has been blind.
    pub no_data: Monitor,
    /// Its consequence has fired and not all guards have seen since.
    pub no_data_fired: bool,
    /// What was answered over the baseline, by input; `None` for inputs that are not of it.
    pub baseline: Vec<Option<Answer>>,
    /// When each input was last answered, for disjoint increments.
    pub answered: Vec<Option<Time>>,
    /// Reactions in the plan's order.
    pub reactions: Vec<ReactionState>,
    /// Actions under way.
    pub running: Vec<Running>,
    /// Actions that were started and can be undone, oldest first.
    pub to_undo: Vec<Undoable>,
    /// An undo was started since the last request: all is to be read back once more.
    pub undo_ran: bool,
    /// How often the undo under way has failed.
    pub undo_tries: usize,
    /// Undo actions that did not succeed.
    pub undo_failed: Vec<ActionId>,
    /// Kill switches that were thrown, in that order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub killed: Vec<SwitchId>,
    /// A switch was reset that kept down what the present phase sets: the phase begins anew.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anew: bool,
    /// Actions of thrown switches that have not succeeded yet, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kill_actions: Vec<ActionId>,
    /// How often the first of them has failed.
    #[serde(default)]
    pub kill_tries: usize,
    /// Actions of thrown switches that did not succeed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kill_failed: Vec<ActionId>,
    /// What people have said yes to since the last rollback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The next token.
    pub next_token: u32,
    /// The ports that were last read as something else than asked for, and are told about already.
    pub drifted: Vec<PortId>,
    /// What was set again lately because somebody else keeps changing it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub corrected: Vec<Correction>,
    /// The request of which was said that it is not read back and, behind a point of no return, is not taken back either.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stuck: Option<u32>,
    /// A rollback that takes long was told about.
    pub slow_told: bool,
    /// Why the run ended, or is being taken back.
    pub explanation: Option<Explanation>,
}

impl State {
    /// The state of a run that has not started.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        Self {
            stage: Stage::Idle,
            started: None,
            last: None,
            phase: PhaseId(0),
            furthest: PhaseId(0),
            entered: 0,
            originals: Vec::new(),
            mementos: Vec::new(),
            target: Target {
                epoch: 0,
                settings: Vec::new(),
                lowers: false,
                requested: 0,
                verified: None,
                settled: None,
                goes_on: false,
            },
            paused: None,
            step: 0,
            step_run: None,
            ramp: None,
            hold: Stopwatch::default(),
            within: Stopwatch::default(),
            within_fired: false,
            elapsed: Stopwatch::default(),
            observed: Stopwatch::default(),
            waiting: None,
            promoted: None,
            gate: None,
            promote: Vec::new(),
            guards: plan
                .guards
                .iter()
                .map(|_| GuardState {
                    active: false,
                    word: None,
                    since: 0,
                    monitor: Monitor::default(),
                    fired: false,
                    untold: false,
                    reading: GuardReading::default(),
                })
                .collect(),
            monitors: vec![Monitor::default(); plan.program.monitors as usize],
            accumulators: vec![Accumulator::default(); plan.program.accumulators as usize],
            pasts: vec![Past::default(); plan.program.pasts as usize],
            no_data: Monitor::default(),
            no_data_fired: false,
            baseline: vec![None; plan.inputs.len()],
            answered: vec![None; plan.inputs.len()],
            reactions: vec![ReactionState::default(); plan.reactions.len()],
            running: Vec::new(),
            to_undo: Vec::new(),
            undo_ran: false,
            undo_tries: 0,
            undo_failed: Vec::new(),
            killed: Vec::new(),
            anew: false,
            kill_actions: Vec::new(),
            kill_tries: 0,
            kill_failed: Vec::new(),
            approvals: Vec::new(),
            next_token: 1,
            drifted: Vec::new(),
            corrected: Vec::new(),
            stuck: None,
            slow_told: false,
            explanation: None,
        }
    }

    /// Whether the run is over.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        match self.stage {
            Stage::Done(v) => Some(v),
            _ => None,
        }
    }
}

/// Every node below a root, the root included.
pub(super) fn subtree(plan: &Plan, root: NodeId, visit: &mut dyn FnMut(NodeId, &Node)) {
    if let Some(node) = plan.program.nodes.get(root.index()) {
        visit(root, node);
        for operand in node.operands() {
            subtree(plan, operand, visit);
        }
    }
}

/// What a phase's steps wait for: `promote when`, `hold until`.
pub(super) fn goals(plan: &Plan, phase: PhaseId) -> impl Iterator<Item = NodeId> + '_ {
    plan.phases.get(phase.index()).into_iter().flat_map(|phase| &phase.steps).filter_map(|step| match step {
        Step::Promote { when, .. } | Step::HoldUntil { when, .. } => Some(*when),
        _ => None,
    })
}

/// The conditions of a plan with their owners.
pub(super) fn roots(plan: &Plan) -> impl Iterator<Item = (NodeId, Owner)> + '_ {
    let guards = plan.guards.iter().enumerate().map(|(i, g)| (g.healthy, Owner::Guard(GuardId::at(i))));
    let phases = (0..plan.phases.len())
        .map(PhaseId::at)
        .flat_map(move |phase| goals(plan, phase).map(move |when| (when, Owner::Phase(phase))));
    let requires = plan.requires.iter().map(|r| (r.cond, Owner::Rollout));
    let gate = plan.advance.iter().map(|g| (g.when, Owner::Rollout));
    let reactions = plan.reactions.iter().filter_map(|r| match r.trigger {
        Trigger::When(c) => Some((c, Owner::Rollout)),
        _ => None,
    });
    guards.chain(phases).chain(requires).chain(gate).chain(reactions)
}
