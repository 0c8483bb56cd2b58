//! Values over time: `avg(pool, 5m)` and its kin over the checks of the last so many minutes, computed here and never by a source.
//!
//! The checks of a window of `d` are those in `(t - d, t]`. One without a value contributes nothing, whether it was missed, not
//! answered or no number; with fewer than half of the checks that were planned in `d` nothing is known. `min`, `max`, `avg`, `sum`,
//! `stddev`, `delta` and `rate` cost O(1) amortised a check, a quantile a binary search and a move of part of the window's values;
//! memory is a time and a value a check of the window. What is made of the values is exact and rounded once ([`exact`]), so it
//! depends neither on their order, nor on what has left the window, nor on the machine, nor on a restart.
//!
//! Source: `tests/vectors/window_reference.py`, the naive evaluator that defines them.

pub mod exact;
mod work;

use super::eval::{Check, Value, eval};
use super::state::{Owner, State};
use super::value::{Causes, Num};
use crate::plan::{InputId, Millis, Node, NodeId, OverTime, Time};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use work::Work;

/// The checks of one window, and what is made of them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Past {
    /// Checks inside the window that have a value, oldest first.
    samples: VecDeque<(Time, f64)>,
    /// The last check.
    last: Option<Time>,
    /// What was made of the window at it.
    value: Option<f64>,
    /// Why nothing was.
    causes: Causes,
    /// Follows from the samples.
    #[serde(skip)]
    work: Option<Work>,
}

impl Past {
    /// Bytes that it takes, without what the allocator adds.
    pub(super) fn bytes(&self) -> usize {
        let samples = self.samples.capacity() * size_of::<(Time, f64)>();
        size_of::<Self>() + samples + self.work.as_ref().map_or(0, Work::bytes)
    }
}

impl PartialEq for Past {
    fn eq(&self, o: &Self) -> bool {
        let bits = |v: &Self| v.value.map(f64::to_bits);
        self.last == o.last
            && self.causes == o.causes
            && bits(self) == bits(o)
            && self.samples.len() == o.samples.len()
            && self.samples.iter().zip(&o.samples).all(|((t, x), (u, y))| t == u && x.to_bits() == y.to_bits())
    }
}

/// What is made of a past, and how far back.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// What is made of it.
    pub how: OverTime,
    /// The window: the checks in `(t - window, t]`.
    pub window: Millis,
    /// Planned distance between checks.
    pub check_every: Millis,
}

impl Past {
    /// Takes the value at a check and returns what is made of the window that ends with it. A second call for the same check
    /// returns the same and changes nothing.
    ///
    /// A value that is known from one side only, or to lie between two bounds, is none.
    pub fn step(&mut self, span: Span, at: Time, operand: Num) -> Num {
        if self.last.is_some_and(|last| at <= last) {
            return self.value();
        }
        let samples = &self.samples;
        let work = self.work.get_or_insert_with(|| {
            let mut work = Work::new(span.how);
            samples.iter().for_each(|(t, x)| work.add(*t, *x));
            work
        });
        while let Some((t, x)) = self.samples.front().copied().filter(|(t, _)| *t <= at.saturating_sub(span.window)) {
            work.remove(t, x);
            self.samples.pop_front();
        }
        let sample = exactly(operand);
        if let Ok(x) = sample {
            work.add(at, x);
            self.samples.push_back((at, x));
        }
        let here = i64::try_from(self.samples.len()).unwrap_or(i64::MAX);
        let enough = here.saturating_mul(2).saturating_mul(span.check_every) >= span.window;
        self.value = if enough { work.value(span.how, &self.samples) } else { None };
        self.causes = match (self.value, sample) {
            (Some(_), _) => Causes::NONE,
            (None, Err(why)) => why,
            // too few, and of those that there are not one says that there is nothing
            (None, Ok(_)) => Causes::THIN.with(Causes::SILENT),
        };
        self.last = Some(at);
        self.value()
    }

    /// What was made of the window at the last check.
    #[must_use]
    pub fn value(&self) -> Num {
        match self.value {
            Some(v) => Num::known(v),
            // before the first check nobody has asked
            None => {
                Num::missing(if self.causes == Causes::NONE { Causes::BLIND.with(Causes::SILENT) } else { self.causes })
            }
        }
    }

    /// How many checks of the window have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// Whether none has.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }
}

/// The one number that an operand is, or why there is none.
#[expect(clippy::float_cmp, reason = "both ends are the same number where it is known")]
fn exactly(n: Num) -> Result<f64, Causes> {
    match (n.lo == n.hi && n.lo.is_finite(), n.causes) {
        // -0 is 0: which of them is the less must not be asked
        (true, Causes::NONE) => Ok(n.lo + 0.0),
        (_, Causes::NONE) => Err(Causes::THIN.with(Causes::SILENT)),
        (_, why) => Err(why),
    }
}

/// Hands every value over time its value at this check, in the order of the plan: what stands inside another comes before it. Who
/// reads them, and whether anybody does yet, makes no difference: a past is the run's, and is never begun anew.
pub(super) fn collect(check: Check<'_>, state: &mut State) {
    let plan = check.plan;
    if plan.program.pasts == 0 {
        return;
    }
    state.pasts.resize_with(plan.program.pasts as usize, Past::default);
    for node in &plan.program.nodes {
        let Node::OverTime { of, how, window, slot } = *node else { continue };
        let operand = match eval(check, state, of, Owner::Rollout) {
            Value::Num(n) => n,
            Value::Truth(_, why) => Num::missing(why.with(Causes::THIN)),
        };
        if let Some(past) = state.pasts.get_mut(slot as usize) {
            past.step(Span { how, window, check_every: plan.check_every }, check.at, operand);
        }
    }
}

/// Whether a window anywhere below a condition, those around it counted in, still reaches before the settings were verified, or
/// something that it reads does: `by_input` says so of an input, seen from so long ago.
pub(super) fn reaches_back(
    check: Check<'_>,
    state: &State,
    root: NodeId,
    ago: Millis,
    by_input: &impl Fn(InputId, Millis) -> bool,
) -> bool {
    let (mut root, mut ago) = (root, ago);
    loop {
        if check.given.value(root).is_some() {
            return false;
        }
        let Some(node) = check.plan.program.nodes.get(root.index()) else { return false };
        match *node {
            // what most conditions are made of goes on by itself: this is asked of every guard at every check
            Node::Const(_) => return false,
            Node::Gauge(i) | Node::Increase(i, _) => return by_input(i, ago),
            Node::Not(of) | Node::For { of, .. } => root = of,
            Node::Compare { left, right, .. } | Node::And(left, right) | Node::Or(left, right) => {
                if reaches_back(check, state, left, ago, by_input) {
                    return true;
                }
                root = right;
            }
            _ => {
                if let Node::OverTime { window, .. } = node {
                    ago = ago.saturating_add(*window);
                    if state.target.verified.is_none_or(|v| check.at.saturating_sub(ago) < v) {
                        return true;
                    }
                }
                return node.inputs().any(|i| by_input(i, ago))
                    || node.operands().any(|o| reaches_back(check, state, o, ago, by_input));
            }
        }
    }
}
