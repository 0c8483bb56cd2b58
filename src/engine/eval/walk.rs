//! Goes through a condition where most of a check's time is spent: numbers as numbers and truths as truths, which stay in
//! registers, and not as a [`Value`] that may be both.

use super::{Check, Value, any, pace};
use crate::engine::state::{GuardReading, Owner, State};
use crate::engine::truth::Truth;
use crate::engine::value::{Causes, Num, compare};
use crate::plan::{Compare, Node, NodeId};

/// What a guard shows of one comparison, noted while it is evaluated: nothing is evaluated twice to be shown.
pub(in crate::engine) struct Shown {
    /// The comparison.
    of: Option<NodeId>,
    /// Value, limit, margin and events, once it was evaluated.
    pub noted: Option<GuardReading>,
}

impl Shown {
    /// Of this comparison.
    pub fn of(comparison: Option<NodeId>) -> Self {
        Self { of: comparison, noted: None }
    }

    /// What is shown of two sides.
    #[inline]
    pub fn reading(op: Compare, left: Num, right: Num) -> GuardReading {
        let margin = match op {
            Compare::Lt | Compare::Le => right.lo - left.hi,
            Compare::Gt | Compare::Ge => left.lo - right.hi,
            Compare::Eq | Compare::Ne => -(left.lo - right.lo).abs(),
        };
        GuardReading {
            value: left.shown(),
            limit: right.shown(),
            margin: margin.is_finite().then_some(margin),
            events: left.events,
            used: 0,
            age: None,
        }
    }
}

/// The number that a node is.
pub(in crate::engine) fn number(
    check: &Check<'_>,
    state: &mut State,
    id: NodeId,
    owner: Owner,
    shown: &mut Shown,
) -> Num {
    if let Some(value) = check.given.value(id) {
        return value.num();
    }
    let node = check.plan.program.nodes.get(id.index());
    let mut both =
        |state: &mut State, a, b| (number(check, state, a, owner, shown), number(check, state, b, owner, shown));
    match node {
        Some(&Node::Const(v)) => Num::known(v),
        Some(&Node::Gauge(i)) => check.gauge(state, i),
        Some(&Node::Increase(i, factor)) => check.gauge(state, i).times(Num::known(factor)),
        Some(&Node::Events { bad, total }) => check.events(state, bad, total),
        Some(&Node::Share { buckets, below }) => check.share(state, buckets, below),
        Some(&Node::Quantile { buckets, q }) => check.quantile(state, buckets, q),
        Some(&Node::Add(a, b)) => {
            let (a, b) = both(state, a, b);
            a.plus(b)
        }
        Some(&Node::Sub(a, b)) => {
            let (a, b) = both(state, a, b);
            a.plus(b.negated())
        }
        Some(&Node::Mul(a, b)) => {
            let (a, b) = both(state, a, b);
            a.times(b)
        }
        Some(&Node::Div(a, b)) => {
            let (a, b) = both(state, a, b);
            a.over(b)
        }
        Some(&Node::Greater(a, b)) => {
            let (a, b) = both(state, a, b);
            a.greater(b)
        }
        Some(&Node::Lesser(a, b)) => {
            let (a, b) = both(state, a, b);
            a.lesser(b)
        }
        _ => any(check, state, id, owner, shown).num(),
    }
}

/// The truth value that a node is, and why it is not known better. Steps the temporal operators below it.
pub(in crate::engine) fn truth(
    check: &Check<'_>,
    state: &mut State,
    id: NodeId,
    owner: Owner,
    shown: &mut Shown,
) -> (Truth, Causes) {
    if let Some(value) = check.given.value(id) {
        return value.truth();
    }
    match check.plan.program.nodes.get(id.index()) {
        Some(&Node::Compare { op, left, right, at_least, unit }) => {
            let (l, l_is_number) = side(check, state, left, owner, shown);
            let (r, r_is_number) = side(check, state, right, owner, shown);
            if shown.of == Some(id) {
                // a truth value has no number to show
                let number = |is, n| if is { n } else { Num::missing(Causes::NONE) };
                shown.noted = Some(Shown::reading(op, number(l_is_number, l), number(r_is_number, r)));
            }
            compare(op, l, r, at_least, unit)
        }
        Some(&Node::And(a, b)) => {
            // both sides always: a temporal operator must see every check
            let (ta, ca) = truth(check, state, a, owner, shown);
            let (tb, cb) = truth(check, state, b, owner, shown);
            joined(ta.and(tb), ta, ca, tb, cb)
        }
        Some(&Node::Or(a, b)) => {
            let (ta, ca) = truth(check, state, a, owner, shown);
            let (tb, cb) = truth(check, state, b, owner, shown);
            joined(ta.or(tb), ta, ca, tb, cb)
        }
        Some(&Node::Not(a)) => {
            let (t, c) = truth(check, state, a, owner, shown);
            (!t, c)
        }
        Some(&Node::For { of, op, slot }) => {
            let (t, c) = truth(check, state, of, owner, shown);
            let pace = pace(check.plan, owner);
            let value = state.monitors.get_mut(slot as usize).map_or(Truth::Unknown, |m| m.step(op, pace, check.at, t));
            (value, if value == Truth::Unknown { c } else { Causes::NONE })
        }
        _ => any(check, state, id, owner, shown).truth(),
    }
}

/// One side of a comparison, and whether it is a number: here and now for what most comparisons compare, a measured value and a
/// constant.
#[inline]
fn side(check: &Check<'_>, state: &mut State, id: NodeId, owner: Owner, shown: &mut Shown) -> (Num, bool) {
    if check.given.nodes.is_empty() {
        match check.plan.program.nodes.get(id.index()) {
            Some(&Node::Const(v)) => return (Num::known(v), true),
            Some(&Node::Gauge(i)) => return (check.gauge(state, i), true),
            Some(
                Node::Increase(..)
                | Node::Events { .. }
                | Node::Share { .. }
                | Node::Quantile { .. }
                | Node::Add(..)
                | Node::Sub(..)
                | Node::Mul(..)
                | Node::Div(..)
                | Node::Greater(..)
                | Node::Lesser(..),
            ) => return (number(check, state, id, owner, shown), true),
            _ => {}
        }
    }
    let value = any(check, state, id, owner, shown);
    (value.num(), matches!(value, Value::Num(_)))
}

/// The causes of a Kleene result: those of the operands that are unknown, and only if they made the result unknown.
fn joined(result: Truth, ta: Truth, ca: Causes, tb: Truth, cb: Causes) -> (Truth, Causes) {
    let mut causes = Causes::NONE;
    if result == Truth::Unknown {
        if ta == Truth::Unknown {
            causes = causes.with(ca);
        }
        if tb == Truth::Unknown {
            causes = causes.with(cb);
        }
    }
    (result, causes)
}
