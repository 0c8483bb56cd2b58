//! What came of a replay, as data: the timeline, the report in HTML and the JSON are written from it.

pub use super::sliced::outcome::{Counts, Named, OfSlice, Slices, closely};
use crate::engine::{Explanation, Record, Verdict, Word};
use crate::plan::{Millis, Setting, Time};
use serde::Serialize;

/// What came of one replay.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The rollout.
    pub rollout: String,
    /// The hash of the plan that was replayed.
    pub policy: String,
    /// The first check.
    pub start: Time,
    /// The last check that was made.
    pub end: Time,
    /// The distance of checks.
    pub every: Millis,
    /// How it ended; `None`: the recording was over first.
    pub verdict: Option<Verdict>,
    /// Every record of the engine, in order.
    pub decisions: Vec<Decision>,
    /// Stretches in which the run was in one phase.
    pub phases: Vec<PhaseBand>,
    /// What every port was asked to be and what it was (or is assumed to have been), at each change.
    pub ports: Vec<PortTrack>,
    /// Every guard: its word at each change, its value and limit along the way.
    pub guards: Vec<GuardTrack>,
    /// What the recording could not know, and what was taken instead.
    pub assumptions: Vec<Assumption>,
    /// Of a rollout with slices: how each of them ended. Phases, ports and guards are then those of [`Slices::shown`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slices: Option<Slices>,
}

/// A record of the engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// When.
    pub at: Time,
    /// Which slice it is of; `None`: of all, or of a rollout without slices.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slice: Option<Named>,
    /// In one line, as `run` prints it.
    pub text: String,
    /// The explanation, where it has one.
    pub explanation: Option<Explanation>,
    /// What the journal of a run would hold.
    pub record: Record,
}

/// A stretch in one phase; an ended one ends where the next begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PhaseBand {
    /// The phase; `rolling back` while everything is taken back.
    pub name: String,
    /// From.
    pub from: Time,
    /// To.
    pub to: Time,
    /// Stretches of it in which the run was paused.
    pub paused: Vec<(Time, Time)>,
}

/// A port over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PortTrack {
    /// The port.
    pub name: String,
    /// What was asked for, at each change.
    pub requested: Vec<(Time, Setting)>,
    /// What was read, at each change.
    pub observed: Vec<(Time, Setting)>,
    /// Since when what was observed is assumed and not recorded.
    pub assumed_since: Option<Time>,
}

/// A guard over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GuardTrack {
    /// The guard.
    pub name: String,
    /// Its condition as text.
    pub condition: String,
    /// The unit of value and limit: what they are printed in.
    pub unit: String,
    /// Its word at each change; `None`: it does not watch.
    pub words: Vec<(Time, Option<Word>)>,
    /// One point a check (or a pixel's worth of checks): value and limit of its first comparison, `None` where not known.
    pub points: Vec<Point>,
    /// The value must stay below the limit (`<`); otherwise above.
    pub below: bool,
}

/// A guard's numbers at a check.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Point {
    /// When.
    pub at: Time,
    /// The value, in base units.
    pub value: Option<f64>,
    /// The limit, in base units.
    pub limit: Option<f64>,
}

/// Something that the recording could not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assumption {
    /// Since when; `None`: all along.
    pub since: Option<Time>,
    /// What is assumed, and how it was made: `checkout at 50%: the recording has the canary at 25% at most; its numbers are those
    /// measured at 25%`.
    pub text: String,
}

/// What came of the same replay with other values: a grid over one or several of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sweep {
    /// What is varied, in the order of the request.
    pub axes: Vec<Axis>,
    /// One for each combination: the last axis varies fastest, so that of two axes the cell at row `i` of the first and column `j`
    /// of the second is `cells[i * axes[1].values.len() + j]`.
    pub cells: Vec<Cell>,
}

/// Something that is varied.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Axis {
    /// As it was named: `errors.limit`, `max_errors`.
    pub name: String,
    /// Its values, rising.
    pub values: Vec<AxisValue>,
    /// What the policy says; `None` where that is not one value.
    pub now: Option<AxisValue>,
}

/// A value on an axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AxisValue {
    /// As it would be written: `0.5%`, `30s`.
    pub text: String,
    /// In base units: 0.005, 30.
    pub number: f64,
}

/// What came of one combination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// How it ended; `None`: the recording was over first, and nothing was taken back until then.
    pub verdict: Option<Verdict>,
    /// When that was decided; `None` where nothing was. A rollback is decided when it begins.
    pub decided_at: Option<Time>,
    /// The phase that was entered last; empty where the start was refused.
    pub phase: String,
    /// The rule that decided: the guard's name; `None` where nothing was taken back.
    pub rule: Option<String>,
    /// Of a rollout with slices: how they ended. What stands above is then of the whole, or of the first slice to be taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slices: Option<Counts>,
}
