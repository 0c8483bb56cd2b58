//! A policy's unit test: what is given, what people do, what is expected, on virtual time.

use super::{Expr, Name};
use crate::syntax::source::{Span, Spanned};
use serde::{Deserialize, Serialize};

/// `test "what it shows" for checkout with max_errors = 2% { … }`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Test {
    /// What it shows.
    pub title: Spanned<String>,
    /// The rollout.
    pub rollout: Name,
    /// Values of params.
    pub with: Vec<(Name, Expr)>,
    /// Its lines in order.
    pub body: Vec<TestLine>,
    /// The whole test.
    pub span: Span,
}

/// A line of a test. Times are since the run's first check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TestLine {
    /// What it says.
    pub kind: TestLineKind,
    /// `from t`: includes t. Only with `given`, `source`, `runner`, `action`.
    pub from: Option<Expr>,
    /// `to t`: excludes t.
    pub to: Option<Expr>,
    /// `at t`: with `operator`, `port`, `expect`.
    pub at: Option<Expr>,
    /// `[tenant: "acme"]`: of these slices of the rollout alone; with `action`, `operator`, `port`, `expect`. What is named by an
    /// expression (`given`, `expect PORT is …`, `expect killed`) has it there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slices: Option<Dims>,
    /// The line.
    pub span: Span,
}

/// `[tenant: "acme", severity: "low"]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dims {
    /// Dimensions and their values.
    pub dims: Vec<(Name, Expr)>,
    /// The brackets and all between them.
    pub span: Span,
}

/// The kinds of lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestLineKind {
    /// `assume healthy`
    AssumeHealthy,
    /// `starts at 2026-10-25T00:30Z`
    Starts(Expr),
    /// `given …`
    Given {
        /// `stable`, `before` or `canary` in front of what is given.
        population: Option<Name>,
        /// A metric, a field, or a call or comparison's side that stands in the policy; may be indexed by slice.
        what: Expr,
        /// Its value.
        value: Given,
    },
    /// `given rolled back 3h ago`
    GivenRolledBack(Expr),
    /// `given recording "incidents/20261121-0915-k3f9.parquet" in production`
    Recording {
        /// The file, seen from the folder of the policy.
        file: Spanned<String>,
        /// The environment that the run was of, where the plan depends on it.
        environment: Option<Name>,
    },
    /// `inject "latency +300ms from 20m to 40m"`
    Inject(Spanned<String>),
    /// `source prometheus fails` · `source prometheus lacks canary` · `source prometheus keeps no history`
    Source {
        /// The source port.
        source: Name,
        /// What is the matter with it.
        fault: SourceFault,
    },
    /// `runner stops`
    RunnerStops,
    /// `action smoke fails` · `action smoke hangs`
    Action {
        /// The action or load.
        action: Name,
        /// `fails` or `hangs`.
        how: ActionFault,
    },
    /// `operator approves "engineering" as "user-1" at 20m`
    Operator {
        /// What is done.
        act: OperatorAct,
        /// `as "who"`; a person of no name without it.
        who: Option<Spanned<String>>,
    },
    /// `port checkout drifts to 20% at 10m` · `port checkout fails from 5m to 6m`
    Port {
        /// The port.
        port: Name,
        /// The value somebody else sets; none: it cannot be set or read.
        drifts_to: Option<Expr>,
    },
    /// `expect …`
    Expect {
        /// `expect no …` or `expect not …`
        not: bool,
        /// What.
        what: Expect,
        /// `because GUARD`
        because: Option<Name>,
    },
    /// Text that no line could be made of; a diagnostic says why.
    Junk,
}

/// The value of a `given`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Given {
    /// `= 80%`, ``= series(`70 70 _x3`, step: 1m, unit: 1%)``, `= missing`
    Value(Expr),
    /// `= 2% of 100/s`
    Of {
        /// The bad share.
        share: Expr,
        /// How many events a second.
        rate: Expr,
    },
    /// `ramps 70% to 90%`
    Ramp {
        /// At the start of the line's time.
        from: Expr,
        /// At its end.
        to: Expr,
    },
}

/// What is the matter with a source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceFault {
    /// It cannot be asked.
    Fails,
    /// It has no series for one population: `canary`, `stable`.
    Lacks(Name),
    /// It cannot be asked about the past.
    KeepsNoHistory,
}

/// What is the matter with an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionFault {
    /// It ends with an error at once.
    Fails,
    /// It runs into its timeout.
    Hangs,
}

/// What a person does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperatorAct {
    /// `approves "group"`
    Approves(Spanned<String>),
    /// `pauses`
    Pauses,
    /// `resumes`
    Resumes,
    /// `aborts`
    Aborts,
    /// `kills NAME`
    Kills(Name),
    /// `resets NAME`
    Resets(Name),
}

/// What is expected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expect {
    /// `rollback [to phase]`
    Rollback(Option<Name>),
    /// `promoted`
    Promoted,
    /// `paused`
    Paused,
    /// `refused`
    Refused,
    /// `phase half`: it is entered then
    Phase(Name),
    /// `guard slow is failing`
    Guard {
        /// The guard.
        guard: Name,
        /// A guard's state: `ok`, `failing`, …
        word: Name,
    },
    /// `checkout is 50%`
    Port {
        /// The port, indexed where it has slices.
        port: Expr,
        /// Its value.
        value: Expr,
    },
    /// `notified oncall`
    Notified(Name),
    /// `ran smoke [3 times]`
    Ran {
        /// The action or load.
        action: Name,
        /// How often.
        times: Option<Expr>,
    },
    /// `killed autonomy_off`, indexed where it has slices
    Killed(Expr),
    /// `snapshot`
    Snapshot,
}
