//! Policy tests: their names resolved, their values typed, their expressions matched to the nodes of the plan that they speak of.
//!
//! A test is compiled against the plan of its rollout, without an environment: what it gives is given whatever answers it.

mod expect;
mod given;
mod lines;
mod nodes;
mod recorded;
pub(crate) mod series;
mod slices;

use super::Cx;
use super::rollout;
use crate::plan::{ActionId, ChannelId, GuardId, PhaseId};
use crate::plan::{GroupId, Millis, NodeId, Plan, Population, PortId, Setting, SwitchId, Time};
use crate::syntax::ast;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{SourceMap, Span};
pub use slices::{Index, Slices};
use std::sync::Arc;

/// A test that can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct Test {
    /// What it shows.
    pub title: String,
    /// The whole test.
    pub span: Span,
    /// Its title as written.
    pub title_span: Span,
    /// The plan that it is about, params set as the test says.
    pub plan: Arc<Plan>,
    /// `assume healthy`
    pub assume_healthy: bool,
    /// `starts at …`
    pub starts: Option<Time>,
    /// `given rolled back 3h ago`
    pub rolled_back: Option<Millis>,
    /// `given recording "…"`: the world is a recorded one.
    pub recording: Option<Recorded>,
    /// The slices that a `given` names by all their values, in the order of [`Plan::slices`] and in that of the text.
    pub slices: Vec<Vec<String>>,
    /// What is given, in the order of the text: a later line wins.
    pub givens: Vec<Given>,
    /// What is the matter with sources.
    pub sources: Vec<SourceLine>,
    /// When the runner is away.
    pub stops: Vec<Stretch>,
    /// How actions end.
    pub actions: Vec<ActionLine>,
    /// What people do, in the order of the text.
    pub acts: Vec<ActLine>,
    /// What is the matter with ports.
    pub ports: Vec<PortLine>,
    /// What is expected, in the order of the text.
    pub expects: Vec<Expectation>,
    /// The latest time that a line names.
    pub last_named: Option<Millis>,
}

/// The recorded world of a test. What is in the file, and whether it fits, is for whoever runs the test to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The file, seen from the folder of the policy.
    pub file: String,
    /// The environment that the recorded run was of, where the plan depends on it.
    pub environment: Option<String>,
    /// What is put into it, each with its place: `latency +300ms from 20m to 40m`.
    pub injections: Vec<(String, Span)>,
    /// The params that the test sets, by name.
    pub with: Vec<String>,
    /// The line.
    pub span: Span,
}

/// A stretch of time since the first check: `from` is inside, `to` is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// Its start.
    pub from: Millis,
    /// Its end.
    pub to: Millis,
}

impl Stretch {
    /// From the start to the end.
    pub const ALL: Self = Self { from: 0, to: Millis::MAX };

    /// Whether a moment lies inside.
    #[must_use]
    pub fn holds(self, at: Millis) -> bool {
        self.from <= at && at < self.to
    }
}

/// One `given`.
#[derive(Debug, Clone, PartialEq)]
pub struct Given {
    /// What it stands for.
    pub what: Replaced,
    /// Of which slices.
    pub slices: Slices,
    /// Its values, in base units.
    pub course: Course,
    /// `of 100/s`: events a second; `None`: without limit.
    pub rate: Option<f64>,
    /// The window over which such events are counted.
    pub window: Millis,
    /// When it holds.
    pub during: Stretch,
    /// The line.
    pub span: Span,
}

/// What a `given` stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Replaced {
    /// The values of these nodes: all that say the same.
    Nodes(Vec<NodeId>),
    /// What a counter reads; increments are counted from it.
    Counter {
        /// The metric.
        metric: String,
        /// Whose.
        population: Population,
    },
}

/// How a given value goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Course {
    /// One value.
    Steady(f64),
    /// A condition is true or false.
    Truth(bool),
    /// From one value at the start of the stretch to another at its end.
    Ramp(f64, f64),
    /// One value after the other.
    Series {
        /// The values.
        values: Vec<Sample>,
        /// How long each of them stands.
        step: Millis,
    },
    /// There is none.
    Missing,
}

/// One value of a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sample {
    /// A number.
    Is(f64),
    /// No series, or a stale one.
    Missing,
    /// `NaN`
    NotANumber,
}

/// `source prometheus fails from 5m to 9m`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// The source port.
    pub source: String,
    /// What is the matter.
    pub fault: SourceFault,
    /// When.
    pub during: Stretch,
}

/// What is the matter with a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFault {
    /// It cannot be asked.
    Fails,
    /// It has no series of this population, and of others it has.
    Lacks(Population),
    /// It cannot be asked about the past.
    NoHistory,
}

/// `action smoke fails`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionLine {
    /// Which.
    pub action: ActionId,
    /// Of which slices.
    pub slices: Slices,
    /// How.
    pub how: ast::ActionFault,
    /// When it is started.
    pub during: Stretch,
}

/// `operator … at t`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActLine {
    /// What.
    pub act: Act,
    /// To which slices.
    pub slices: Slices,
    /// Who.
    pub who: String,
    /// When.
    pub at: Millis,
}

/// What a person does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// `approves "group"`
    Approve(GroupId),
    /// `pauses`
    Pause,
    /// `resumes`
    Resume,
    /// `aborts`
    Abort,
    /// `kills NAME`
    Kill(SwitchId),
    /// `resets NAME as "user"`
    Reset(SwitchId),
}

/// `port x drifts to 20% at 10m` · `port x fails from 5m to 6m`
#[derive(Debug, Clone, PartialEq)]
pub struct PortLine {
    /// The port, or the members of the group.
    pub ports: Vec<PortId>,
    /// Of which slices.
    pub slices: Slices,
    /// What somebody else sets, at the stretch's start; `None`: it can be neither set nor read.
    pub drifts_to: Option<Setting>,
    /// When.
    pub during: Stretch,
}

/// One `expect`.
#[derive(Debug, Clone, PartialEq)]
pub struct Expectation {
    /// What.
    pub what: Expected,
    /// Of which slices: that one of them does it, or with `not`, that none of them does.
    pub slices: Slices,
    /// `expect no …`
    pub not: bool,
    /// `because NAME`
    pub because: Option<String>,
    /// `at t`
    pub at: Option<Millis>,
    /// The line as written.
    pub text: String,
    /// The line.
    pub span: Span,
}

/// What is expected.
#[derive(Debug, Clone, PartialEq)]
pub enum Expected {
    /// Exposure is taken back: to a phase, or (`None`) anywhere.
    Rollback(Option<PhaseId>),
    /// The last phase ends.
    Promoted,
    /// A pause is latched.
    Paused,
    /// The start is refused.
    Refused,
    /// A phase is entered.
    Phase(PhaseId),
    /// A guard's word.
    Guard(GuardId, String),
    /// What ports are read as.
    Port(Vec<PortId>, Setting),
    /// A channel is told.
    Notified(ChannelId),
    /// An action is started: so often, or at all.
    Ran(ActionId, Option<u32>),
    /// A kill switch is thrown.
    Killed(SwitchId),
    /// A snapshot is taken.
    Snapshot,
}

/// The words for a guard's state that a test may expect.
pub const WORDS: [&str; 8] = ["ok", "failing", "breached", "warming", "thin", "undecided", "dark", "blind"];

/// What `because` may name beside guards, phases, actions and ports.
pub const CAUSES: [&str; 3] = ["cooldown", "no_data", "operator"];

/// The tests of some files, and the rollouts that they could be about.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Compiled {
    /// Every test that is written, in the order of the text, unless one of the findings is an error.
    pub tests: Vec<Test>,
    /// Every rollout as it stands, in the order of the text.
    pub rollouts: Vec<Plan>,
    /// What is wrong, or worth a look.
    pub diagnostics: Vec<Diagnostic>,
}

/// Compiles all tests of some files that share one namespace.
#[must_use]
pub fn compile(files: &[ast::File], map: &SourceMap) -> Compiled {
    let none = std::collections::BTreeSet::new();
    let cx = Cx::new(files, map, &[], &none);
    let tests = cx.check_all();
    let rollouts = cx.scope().rollouts.iter().filter_map(|r| plan_of(&cx, r)).collect();
    Compiled { tests, rollouts, diagnostics: cx.finish() }
}

/// Checks every test, and returns those that could be compiled.
pub(super) fn check<'a>(cx: &Cx<'a>) -> Vec<Test> {
    let mut plans = lines::Plans::default();
    let mut out = Vec::new();
    for item in cx.files.iter().flat_map(|f| &f.items) {
        if let ast::Item::Test(t) = item {
            out.extend(lines::test(cx, t, &mut plans));
        }
    }
    out
}

/// The plan of a rollout, whatever the environment; none if something is missing in it.
fn plan_of<'a>(cx: &Cx<'a>, r: &'a ast::Rollout) -> Option<Plan> {
    rollout::plan_alone(cx, r)
}
