//! Evaluates conditions at one check: answers in, truth and causes out.

mod walk;

pub(super) use walk::{Shown, truth};

use super::given::Given;
use super::monitor::Pace;
use super::past::Past;
use super::state::{Approval, GuardReading, Owner, Stage, State, Word};
use super::truth::Truth;
use super::value::{Causes, Num};
use crate::plan::{
    Answer, Bucket, Compare, Consequence, GroupId, Input, InputId, Millis, Missing, Node, NodeId, Plan, Population,
    Reading, Time, Tolerance,
};
use std::borrow::Cow;
use walk::number;

/// What a node is at a check.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A number.
    Num(Num),
    /// A truth value, and why it is not known better.
    Truth(Truth, Causes),
}

impl Value {
    pub(super) fn num(self) -> Num {
        match self {
            Self::Num(n) => n,
            Self::Truth(Truth::True, _) => Num::known(1.0),
            Self::Truth(Truth::False, _) => Num::known(0.0),
            Self::Truth(Truth::Unknown, c) => Num { lo: 0.0, hi: 1.0, events: None, causes: c },
        }
    }

    pub(super) fn truth(self) -> (Truth, Causes) {
        match self {
            Self::Truth(t, c) => (t, c),
            Self::Num(n) if n.is_missing() => (Truth::Unknown, n.causes),
            Self::Num(n) => (Truth::from(n.lo != 0.0 || n.hi != 0.0), Causes::NONE),
        }
    }
}

/// One check's view: what was answered as of `at`.
#[derive(Clone, Copy)]
pub struct Check<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The planned time.
    pub at: Time,
    /// What was answered, by input. Inputs of the baseline are taken from the state.
    pub answers: &'a [Answer],
    /// What is said instead of measured.
    pub given: Given<'a>,
}

impl Check<'_> {
    #[inline]
    fn answer<'s>(&'s self, state: &'s State, id: InputId) -> Option<&'s Answer> {
        match self.plan.inputs.get(id.index())?.population {
            Population::Before => state.baseline.get(id.index())?.as_ref(),
            _ => self.answers.get(id.index()),
        }
    }

    /// When an input's newest sample was taken, where its source can tell.
    pub(super) fn sampled_at(&self, state: &State, id: InputId) -> Option<Time> {
        self.answer(state, id)?.sampled_at
    }

    /// Age of an input's newest sample.
    #[must_use]
    pub fn age(&self, state: &State, id: InputId) -> Option<Millis> {
        Some((self.at - self.sampled_at(state, id)?).max(0))
    }

    /// The reading of an input, or why there is none: staleness is judged here, by the sample's own time. A source's own words
    /// are lent, not copied: it is asked for at every check.
    #[inline]
    pub fn reading<'s>(&'s self, state: &'s State, id: InputId) -> Result<&'s Reading, Cow<'s, Missing>> {
        let (Some(input), Some(answer)) = (self.plan.inputs.get(id.index()), self.answer(state, id)) else {
            return Err(Cow::Owned(Missing::NotAsked));
        };
        match &answer.value {
            Ok(r) if self.is_fresh(input, answer) && is_finite(r) => Ok(r),
            _ => Err(self.why_missing(state, id, answer)),
        }
    }

    /// Whether an answer's newest sample is not too old; the baseline's never is.
    #[inline]
    fn is_fresh(&self, input: &Input, answer: &Answer) -> bool {
        input.population == Population::Before
            || answer.sampled_at.is_none_or(|sampled| (self.at - sampled).max(0) <= input.max_age)
    }

    /// Why an answer gives no reading.
    #[cold]
    fn why_missing<'s>(&self, state: &State, id: InputId, answer: &'s Answer) -> Cow<'s, Missing> {
        match &answer.value {
            // whoever asked for all slices at once has seen that others have a series
            Err(Missing::Empty { others: Some(true) }) => Cow::Borrowed(&Missing::Empty { others: Some(true) }),
            Err(Missing::Empty { .. }) => Cow::Owned(Missing::Empty { others: self.others(state, id) }),
            Err(other) => Cow::Borrowed(other),
            Ok(_) => Cow::Owned(match self.plan.inputs.get(id.index()) {
                Some(input) if !self.is_fresh(input, answer) => {
                    let age = answer.sampled_at.map_or(0, |sampled| (self.at - sampled).max(0));
                    Missing::Stale { age, others: self.others(state, id) }
                }
                // one NaN in a sum of increments would stay in it for ever
                _ => Missing::NotANumber,
            }),
        }
    }

    /// Whether the same query answers, freshly, for another population.
    fn others(&self, state: &State, id: InputId) -> Option<bool> {
        let sibling = self.plan.inputs.get(id.index())?.sibling?;
        let max_age = self.plan.inputs.get(sibling.index())?.max_age;
        let answer = self.answer(state, sibling)?;
        Some(answer.value.is_ok() && self.age(state, sibling).is_none_or(|age| age <= max_age))
    }

    #[cold]
    fn missing(&self, why: &Missing) -> Num {
        Num::missing(match why {
            Missing::Empty { others: Some(true) } => Causes::DARK,
            Missing::Stale { others: Some(true), .. } => Causes::DARK.with(Causes::SILENT),
            Missing::NotANumber => Causes::THIN,
            Missing::Empty { .. } => Causes::BLIND,
            Missing::Failed { .. } | Missing::Stale { .. } | Missing::Ambiguous { .. } | Missing::NotAsked => {
                Causes::BLIND.with(Causes::SILENT)
            }
        })
    }

    #[inline]
    fn scale(&self, id: InputId) -> f64 {
        self.plan.inputs.get(id.index()).map_or(1.0, |i| i.scale)
    }

    #[inline]
    fn gauge(&self, state: &State, id: InputId) -> Num {
        match self.reading(state, id) {
            Ok(Reading::Value(v) | Reading::Increase(v)) => Num::known(v * self.scale(id)),
            Ok(Reading::Buckets(_)) => Num::missing(Causes::BLIND.with(Causes::SILENT)),
            Err(why) => self.missing(&why),
        }
    }

    fn events(&self, state: &State, bad: InputId, total: InputId) -> Num {
        let total = self.gauge(state, total);
        if total.is_missing() {
            return total;
        }
        let bad = match self.reading(state, bad) {
            Ok(Reading::Value(v) | Reading::Increase(v)) => *v * self.scale(bad),
            // the whole is there: a counter of bad ones that does not exist (yet) has counted nothing
            Err(why) if matches!(*why, Missing::Empty { .. }) => 0.0,
            Ok(Reading::Buckets(_)) => return Num::missing(Causes::BLIND.with(Causes::SILENT)),
            Err(why) => return self.missing(&why),
        };
        if total.lo <= 0.0 {
            return Num::missing(Causes::THIN);
        }
        // extrapolation may put the part above the whole
        Num::known((bad / total.lo).clamp(0.0, 1.0)).of(total.lo)
    }

    fn buckets<'s>(&'s self, state: &'s State, id: InputId) -> Result<&'s [Bucket], Num> {
        match self.reading(state, id) {
            Ok(Reading::Buckets(b)) => Ok(b),
            Ok(_) => Err(Num::missing(Causes::BLIND.with(Causes::SILENT))),
            Err(why) => Err(self.missing(&why)),
        }
    }

    fn share(&self, state: &State, id: InputId, below: f64) -> Num {
        match self.buckets(state, id) {
            Ok(b) => share_below(b, below / self.scale(id)),
            Err(n) => n,
        }
    }

    fn quantile(&self, state: &State, id: InputId, q: f64) -> Num {
        let scale = self.scale(id);
        match self.buckets(state, id) {
            Ok(b) => quantile(b, q).map_or_else(|| Num::missing(Causes::THIN), |(v, n)| Num::known(v * scale).of(n)),
            Err(n) => n,
        }
    }
}

/// Whether all its numbers are.
pub(super) fn is_finite(reading: &Reading) -> bool {
    match reading {
        Reading::Value(v) | Reading::Increase(v) => v.is_finite(),
        Reading::Buckets(b) => b.iter().all(|b| b.count.is_finite()),
    }
}

/// The share of events at or below a bound: exact at a bucket's bound, between two bounds only known to lie between the shares
/// at both.
#[must_use]
pub fn share_below(buckets: &[Bucket], bound: f64) -> Num {
    let Some(total) = buckets.last().map(|b| b.count).filter(|t| *t > 0.0) else {
        return Num::missing(Causes::THIN);
    };
    let tolerance = bound.abs() * 1e-9;
    let mut below = 0.0;
    for b in buckets {
        let le = b.le.unwrap_or(f64::INFINITY);
        if (le - bound).abs() <= tolerance {
            return Num::known((b.count / total).min(1.0)).of(total);
        }
        if le > bound {
            return Num::between((below / total).min(1.0), (b.count / total).min(1.0)).of(total);
        }
        below = b.count;
    }
    Num::between((below / total).min(1.0), 1.0).of(total)
}

/// A quantile by linear interpolation inside the bucket it falls into, and the number of events, as Prometheus'
/// `histogram_quantile` computes it: the lowest bucket starts at 0 where its bound is above 0, and the answer in the `+Inf`
/// bucket is the highest finite bound.
#[must_use]
pub fn quantile(buckets: &[Bucket], q: f64) -> Option<(f64, f64)> {
    let total = buckets.last().map(|b| b.count).filter(|t| *t > 0.0)?;
    let rank = q * total;
    let mut lower = (None, 0.0);
    for b in buckets {
        if b.count >= rank && b.count > 0.0 {
            let Some(le) = b.le else {
                return lower.0.map(|v| (v, total));
            };
            let start = lower.0.unwrap_or(if le > 0.0 { 0.0 } else { le });
            let inside = b.count - lower.1;
            let v = if inside > 0.0 { start + (le - start) * ((rank - lower.1) / inside) } else { le };
            return Some((v, total));
        }
        lower = (b.le.or(lower.0), b.count);
    }
    None
}

/// What is shown of the two sides of a comparison.
#[must_use]
pub fn sides(op: Compare, left: Num, right: Num) -> GuardReading {
    Shown::reading(op, left, right)
}

/// Evaluates the node `id` and steps the temporal operators below it.
pub fn eval(check: Check<'_>, state: &mut State, id: NodeId, owner: Owner) -> Value {
    any(&check, state, id, owner, &mut Shown::of(None))
}

/// [`eval`], which notes the sides of a comparison on its way.
fn any(check: &Check<'_>, state: &mut State, id: NodeId, owner: Owner, shown: &mut Shown) -> Value {
    let Some(node) = check.plan.program.nodes.get(id.index()) else {
        return UNKNOWN;
    };
    if let Some(value) = check.given.value(id) {
        return value;
    }
    let mut sub = |state: &mut State, id: NodeId| any(check, state, id, owner, shown);
    match *node {
        Node::Const(_)
        | Node::Gauge(_)
        | Node::Increase(..)
        | Node::Events { .. }
        | Node::Share { .. }
        | Node::Quantile { .. }
        | Node::Add(..)
        | Node::Sub(..)
        | Node::Mul(..)
        | Node::Div(..)
        | Node::Greater(..)
        | Node::Lesser(..) => Value::Num(number(check, state, id, owner, shown)),
        Node::Compare { .. } | Node::And(..) | Node::Or(..) | Node::Not(_) | Node::For { .. } => {
            let (t, c) = truth(check, state, id, owner, shown);
            Value::Truth(t, c)
        }
        Node::Bool(b) => Value::Truth(Truth::from(b), Causes::NONE),
        Node::Accumulated { input, slot, .. } => Value::Num(accumulated(*check, state, input, slot, owner)),
        Node::PhaseElapsed => Value::Num(Num::known(seconds(state.elapsed.counted))),
        Node::RolloutElapsed => Value::Num(Num::known(seconds(state.observed.counted))),
        Node::Neg(a) => Value::Num(sub(state, a).num().negated()),
        Node::Default(a, b) => {
            let (a, b) = (sub(state, a).num(), sub(state, b).num());
            Value::Num(if a.is_missing() && !a.causes.has(Causes::SILENT) { b } else { a })
        }
        Node::Missing(a) => {
            let a = sub(state, a).num();
            if a.is_missing() && a.causes.has(Causes::SILENT) {
                Value::Truth(Truth::Unknown, a.causes)
            } else {
                Value::Truth(Truth::from(a.is_missing()), Causes::NONE)
            }
        }
        Node::Healthy => Value::Truth(healthy(check.plan, state), Causes::NONE),
        Node::Approved { group, valid } => Value::Truth(approved(state, check.at, group, valid), Causes::NONE),
        Node::Scored { of, bad, good } => Value::Num(scored(sub(state, of).num(), bad, good)),
        Node::InWindow(w) => {
            let holds = check.plan.windows.get(w as usize).and_then(|w| w.holds(check.at));
            holds.map_or(UNKNOWN, |h| Value::Truth(Truth::from(h), Causes::NONE))
        }
        // it was handed its value at this check by `past::collect`
        Node::OverTime { slot, .. } => {
            let past = state.pasts.get(slot as usize);
            Value::Num(past.map_or(Num::missing(Causes::BLIND.with(Causes::SILENT)), Past::value))
        }
        // no run is made of a plan with these: see `Plan::unbuilt`
        Node::Availability { .. } | Node::Confidence { .. } | Node::AtSlice { .. } | Node::Outside(_) => UNKNOWN,
    }
}

/// Nobody knows.
const UNKNOWN: Value = Value::Truth(Truth::Unknown, Causes::BLIND);

/// A value between its anchors, 0 at the bad one and 1 at the good one; a missing one stays missing, so that a score without one
/// of its parts is none.
fn scored(value: Num, bad: f64, good: f64) -> Num {
    if value.is_missing() {
        return value;
    }
    let span = Num::known(good - bad);
    let at = value.plus(Num::known(-bad)).over(span);
    // its events are those of the value, not of the score
    Num { events: None, ..at.greater(Num::known(0.0)).lesser(Num::known(1.0)) }
}

/// What was counted. A goal counts from the first check behind read-back and `settle`: what came before it is not enough for it, and
/// not forgotten either, so that the sum lies between what was counted since then and what was since the read-back.
fn accumulated(check: Check<'_>, state: &State, input: InputId, slot: u32, owner: Owner) -> Num {
    let Some(acc) = state.accumulators.get(slot as usize) else {
        return Num::missing(Causes::BLIND.with(Causes::SILENT));
    };
    let scale = check.scale(input);
    let least = match owner {
        Owner::Phase(_) => acc.sum - acc.before.unwrap_or(acc.sum),
        Owner::Guard(_) | Owner::Rollout => acc.sum,
    };
    if !acc.behind && !acc.short {
        return Num::between(least * scale, acc.sum * scale);
    }
    // what has been counted stays counted; what is missing can only add to it
    let causes = match check.reading(state, input) {
        Err(why) => check.missing(&why).causes,
        // nothing is missing now: it does not decide
        Ok(_) if acc.short => Causes::NONE,
        Ok(_) => Causes::BLIND.with(Causes::SILENT),
    };
    Num { lo: least * scale, hi: f64::INFINITY, events: None, causes }
}

/// Whether somebody of a group has said yes to the present phase, and not too long ago.
fn approved(state: &State, at: Time, group: GroupId, valid: Option<Millis>) -> Truth {
    let counts =
        |a: &Approval| a.group == group && a.phase == state.phase && a.at <= at && valid.is_none_or(|v| at - a.at < v);
    Truth::from(state.approvals.iter().any(counts))
}

/// Whether every active guard is ok: false only if one is failing, breached or dark.
fn healthy(plan: &Plan, state: &State) -> Truth {
    let mut out = Truth::True;
    for (guard, s) in plan.guards.iter().zip(&state.guards) {
        if !s.active || guard.otherwise == Consequence::Tell {
            continue;
        }
        out = out.and(match s.word {
            Some(Word::Ok) => Truth::True,
            Some(Word::Failing | Word::Breached | Word::Dark) => Truth::False,
            Some(Word::Warming | Word::Thin | Word::Undecided | Word::Blind) | None => Truth::Unknown,
        });
    }
    out
}

/// The clock under which an owner's operators run: guards' never forget, the others forget after the bridge of `no data`.
#[must_use]
pub fn pace(plan: &Plan, owner: Owner) -> Pace {
    let bridge = match (owner, plan.no_data.tolerate) {
        (Owner::Guard(_), _) => None,
        (_, Tolerance::For(d)) => Some(d),
        (_, Tolerance::Checks(n)) => Some(i64::from(n) * plan.check_every),
    };
    Pace { check_every: plan.check_every, bridge }
}

/// Milliseconds as seconds, for values.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "spans of a rollout are far below 2^52 ms")]
pub fn seconds(ms: Millis) -> f64 {
    ms as f64 / 1000.0
}

/// Whether a run is in a phase (not before it, not on its way back, not over).
#[must_use]
pub fn in_phase(state: &State) -> bool {
    matches!(state.stage, Stage::Phase(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Vec<Bucket> {
        [(Some(0.1), 50.0), (Some(0.3), 90.0), (Some(1.0), 100.0), (None, 100.0)]
            .into_iter()
            .map(|(le, count)| Bucket { le, count })
            .collect()
    }

    #[test]
    fn a_share_is_exact_at_a_bound_and_an_interval_between() {
        let h = histogram();
        assert_eq!(share_below(&h, 0.3), Num::known(0.9).of(100.0));
        let between = share_below(&h, 0.2);
        assert_eq!((between.lo, between.hi), (0.5, 0.9));
        assert!(share_below(&[], 0.3).is_missing());
    }

    #[test]
    fn quantiles_agree_with_histogram_quantile() {
        // by hand: rank 95 lies 5/10 into (0.3, 1.0]
        let (v, n) = quantile(&histogram(), 0.95).unwrap();
        assert!((v - 0.65).abs() < 1e-12 && (n - 100.0).abs() < 1e-12);
        // rank 25 lies half into the first bucket, which starts at 0
        assert!((quantile(&histogram(), 0.25).unwrap().0 - 0.05).abs() < 1e-12);
        // in +Inf: the highest finite bound
        let h = [Bucket { le: Some(0.5), count: 1.0 }, Bucket { le: None, count: 10.0 }];
        assert_eq!(quantile(&h, 0.9).unwrap().0, 0.5);
        assert_eq!(quantile(&[Bucket { le: None, count: 0.0 }], 0.5), None);
    }
}
