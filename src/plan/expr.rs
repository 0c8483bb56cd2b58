//! Conditions as flat code: nodes in an arena, each after its operands, so that one pass from front to back evaluates all.

use super::{GroupId, InputId, Millis, Unit, id};
use serde::{Deserialize, Serialize};

id!(
    /// A node of [`Program::nodes`].
    NodeId
);

/// All nodes of a plan. A node's operands stand before it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Program {
    /// The nodes.
    pub nodes: Vec<Node>,
    /// How many temporal operators there are: the length of the engine's monitor table.
    pub monitors: u32,
    /// How many accumulators there are: the length of the engine's accumulator table.
    pub accumulators: u32,
    /// How many values over time there are: the length of the engine's table of their pasts.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pasts: u32,
}

impl Program {
    /// Whether a value over time stands at or below a node.
    #[must_use]
    pub fn looks_back(&self, root: NodeId) -> bool {
        let mut seen = vec![false; self.nodes.len()];
        let mut todo = vec![root];
        while let Some(id) = todo.pop() {
            let (Some(mark), Some(node)) = (seen.get_mut(id.index()), self.nodes.get(id.index())) else { continue };
            if matches!(node, Node::OverTime { .. }) {
                return true;
            }
            if !std::mem::replace(mark, true) {
                todo.extend(node.operands());
            }
        }
        false
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
fn is_zero(n: &u32) -> bool {
    *n == 0
}

/// One node. Numbers are in base units.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Node {
    /// A number.
    Const(f64),
    /// A truth value.
    Bool(bool),
    /// A gauge's value.
    Gauge(InputId),
    /// Increments over the input's window, times a factor (`before` of `increase(c, d)` is scaled by d / baseline).
    Increase(InputId, f64),
    /// Disjoint increments summed since the accumulator was last reset: at the guard's arming, or (`since_phase`) when the
    /// phase's settings were verified. `slot` is its place in the engine's table.
    Accumulated {
        /// The input, asked with [`super::Window::SinceLast`].
        input: InputId,
        /// Its accumulator.
        slot: u32,
        /// Reset at each phase's verification instead of at arming.
        since_phase: bool,
    },
    /// Bad of total, with its sample size.
    Events {
        /// Bad events.
        bad: InputId,
        /// All events.
        total: InputId,
    },
    /// The share of a histogram below a bound (base units of the histogram), with its sample size.
    Share {
        /// The buckets.
        buckets: InputId,
        /// The bound.
        below: f64,
    },
    /// A quantile of a histogram, interpolated as Prometheus' `histogram_quantile` does.
    Quantile {
        /// The buckets.
        buckets: InputId,
        /// 0 to 1.
        q: f64,
    },
    /// Observed seconds since the phase's settings were verified.
    PhaseElapsed,
    /// Observed seconds since the first check.
    RolloutElapsed,
    /// Sum.
    Add(NodeId, NodeId),
    /// Difference.
    Sub(NodeId, NodeId),
    /// Product.
    Mul(NodeId, NodeId),
    /// Quotient; something over zero is missing.
    Div(NodeId, NodeId),
    /// `-x`
    Neg(NodeId),
    /// The greater of two.
    Greater(NodeId, NodeId),
    /// The lesser of two.
    Lesser(NodeId, NodeId),
    /// The first, or the second where the first is missing.
    Default(NodeId, NodeId),
    /// Whether the operand is missing: never unknown.
    Missing(NodeId),
    /// A comparison.
    Compare {
        /// The operator.
        op: Compare,
        /// Left side.
        left: NodeId,
        /// Right side.
        right: NodeId,
        /// `at least n events`: with fewer, never true.
        at_least: Option<u64>,
        /// Unit of both sides.
        unit: Unit,
    },
    /// Kleene's and.
    And(NodeId, NodeId),
    /// Kleene's or.
    Or(NodeId, NodeId),
    /// Kleene's not.
    Not(NodeId),
    /// A temporal operator; `slot` is its place in the engine's monitor table.
    For {
        /// The condition.
        of: NodeId,
        /// How it is measured.
        op: Temporal,
        /// Its monitor.
        slot: u32,
    },
    /// Every active guard is ok.
    Healthy,
    /// Somebody of a group has approved of the present phase, in this run, and not longer ago than `valid`; never unknown.
    Approved {
        /// Whose word.
        group: GroupId,
        /// For how long it counts; `None`: as long as the phase lasts.
        valid: Option<Millis>,
    },
    /// A value between two anchors: 0 at `bad` and beyond, 1 at `good` and beyond, straight between them. A missing one stays
    /// missing.
    Scored {
        /// The value.
        of: NodeId,
        /// Scored 0.
        bad: f64,
        /// Scored 1.
        good: f64,
    },
    /// Whether the check lies in a window of civil time: its place in [`super::Plan::windows`].
    InWindow(u32),
    /// A value over the checks of the last `window` milliseconds.
    OverTime {
        /// The value at one check.
        of: NodeId,
        /// What is made of them.
        how: OverTime,
        /// How far back: the checks in `(t - window, t]`.
        window: Millis,
        /// Its place in the engine's table of pasts.
        slot: u32,
    },
    /// The share of a probe's flows that succeeded over a window; unknown until 80 % of the window was probed.
    Availability {
        /// Flows that failed.
        bad: InputId,
        /// All flows.
        total: InputId,
    },
    /// A comparison by an always-valid sequential test.
    Confidence {
        /// A [`Node::Compare`] of something counted.
        of: NodeId,
        /// The level in millionths: 99 % is 990,000.
        level: u32,
        /// Whether an undecided test counts as true.
        or_undecided: bool,
    },
    /// One slice's value.
    AtSlice {
        /// The value in any slice.
        of: NodeId,
        /// Dimension and value.
        dims: Vec<(String, String)>,
    },
    /// What others say.
    Outside(Outside),
}

/// What is made of a value's past.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverTime {
    /// The mean.
    Avg,
    /// The greatest.
    Max,
    /// The least.
    Min,
    /// The sum.
    Sum,
    /// The standard deviation.
    Stddev,
    /// The last less the first.
    Delta,
    /// The last less the first, a second.
    Rate,
    /// The value below which this share of them lies.
    Quantile(f64),
}

impl OverTime {
    /// How it is written of something, over a window.
    #[must_use]
    pub fn written(self, of: &str, window: &str) -> String {
        let word = match self {
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Min => "min",
            Self::Sum => "sum",
            Self::Stddev => "stddev",
            Self::Delta => "delta",
            Self::Rate => "rate",
            Self::Quantile(q) => return format!("quantile({of}, {q}, {window})"),
        };
        format!("{word}({of}, {window})")
    }
}

/// What is asked of others than the sources of metrics.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outside {
    /// Whether a signoff is there and good: its place in [`super::Plan::signoffs`].
    SignedOff(u32),
    /// Whether an alert of this name is firing, silenced or not.
    AlertFiring(String),
    /// Whether a silence with this comment or for this alert is in force.
    Silenced(String),
    /// How many rollbacks of this rollout began in the last so many milliseconds.
    Rollbacks(Millis),
}

impl Node {
    /// The nodes that this one reads, left before right.
    pub fn operands(&self) -> impl Iterator<Item = NodeId> + use<> {
        let (a, b) = match *self {
            Self::InWindow(_) | Self::Availability { .. } | Self::Outside(_) => (None, None),
            Self::Scored { of, .. }
            | Self::OverTime { of, .. }
            | Self::Confidence { of, .. }
            | Self::AtSlice { of, .. } => (Some(of), None),
            Self::Const(_)
            | Self::Bool(_)
            | Self::Gauge(_)
            | Self::Increase(..)
            | Self::Accumulated { .. }
            | Self::Events { .. }
            | Self::Share { .. }
            | Self::Quantile { .. }
            | Self::PhaseElapsed
            | Self::RolloutElapsed
            | Self::Healthy
            | Self::Approved { .. } => (None, None),
            Self::Neg(a) | Self::Missing(a) | Self::Not(a) | Self::For { of: a, .. } => (Some(a), None),
            Self::Add(a, b)
            | Self::Sub(a, b)
            | Self::Mul(a, b)
            | Self::Div(a, b)
            | Self::Greater(a, b)
            | Self::Lesser(a, b)
            | Self::Default(a, b)
            | Self::And(a, b)
            | Self::Or(a, b)
            | Self::Compare { left: a, right: b, .. } => (Some(a), Some(b)),
        };
        a.into_iter().chain(b)
    }

    /// The inputs that this node reads itself.
    pub fn inputs(&self) -> impl Iterator<Item = InputId> + use<> {
        let (a, b) = match *self {
            Self::Gauge(i) | Self::Increase(i, _) | Self::Accumulated { input: i, .. } => (Some(i), None),
            Self::Share { buckets: i, .. } | Self::Quantile { buckets: i, .. } => (Some(i), None),
            Self::Events { bad, total } | Self::Availability { bad, total } => (Some(bad), Some(total)),
            _ => (None, None),
        };
        a.into_iter().chain(b)
    }
}

/// Comparison operators.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// `==`
    Eq,
    /// `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Compare {
    /// How it is written.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Eq => "==",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// How long a condition must have been true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Temporal {
    /// `for d`
    For(Millis),
    /// `for n checks`
    Checks(u32),
    /// `for k of n checks`
    KOfN(u32, u32),
    /// `for p% of d`: percent in millionths (80 % = 800,000) so that state and plan stay integers
    ShareOf(u32, Millis),
}
