//! What a condition is at a check: answers in, truth and reasons out.

use super::temporal::Past;
use super::truth::Truth::{self, False, True, Unknown};
use super::truth::{BLIND, DARK, NOTHING, Number, SILENT, THIN, Why, compare};
use super::{Look, Reference};
use canary::engine::Word;
use canary::plan::{
    Answer, Bucket, Consequence, InputId, Millis, Missing, Node, NodeId, Population, Reading, Time, Tolerance,
};

pub enum Value {
    Number(Number),
    Truth(Truth, Why),
}

/// Whose condition it is. A guard's operators bridge any silence, all others one as long as `no data tolerate`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    Guard(usize),
    Phase(usize),
    Rollout,
}

impl Reference<'_> {
    pub fn truth(&mut self, look: Look<'_>, node: NodeId, owner: Owner) -> (Truth, Why) {
        match self.value(look, node, owner) {
            Value::Truth(t, why) => (t, why),
            Value::Number(n) if n.is_missing() => (Unknown, n.why),
            Value::Number(n) => (Truth::of(n.lo != 0.0 || n.hi != 0.0), NOTHING),
        }
    }

    fn number(&mut self, look: Look<'_>, node: NodeId, owner: Owner) -> Number {
        match self.value(look, node, owner) {
            Value::Number(n) => n,
            Value::Truth(True, _) => Number::known(1.0),
            Value::Truth(False, _) => Number::known(0.0),
            Value::Truth(Unknown, why) => Number { lo: 0.0, hi: 1.0, events: None, why },
        }
    }

    pub fn value(&mut self, look: Look<'_>, node: NodeId, owner: Owner) -> Value {
        let plan = self.plan;
        let mut pair = |a: NodeId, b: NodeId| (self.number(look, a, owner), self.number(look, b, owner));
        Value::Number(match plan.program.nodes[node.index()] {
            Node::Const(v) => Number::known(v),
            Node::Gauge(i) => self.gauge(look, i),
            Node::Increase(i, factor) => self.gauge(look, i).times(Number::known(factor)),
            Node::Accumulated { input, slot, .. } => self.accumulated(look, input, slot as usize, owner),
            Node::Events { bad, total } => self.events(look, bad, total),
            Node::Share { buckets, below } => match self.buckets(look, buckets) {
                Ok(b) => share(&b, below / plan.inputs[buckets.index()].scale),
                Err(n) => n,
            },
            Node::Quantile { buckets, q } => match self.buckets(look, buckets) {
                Ok(b) => quantile(&b, q, plan.inputs[buckets.index()].scale),
                Err(n) => n,
            },
            Node::PhaseElapsed => Number::known(self.elapsed.counted(plan.check_every) as f64 / 1000.0),
            Node::RolloutElapsed => Number::known(self.observed.counted(plan.check_every) as f64 / 1000.0),
            Node::Add(a, b) => {
                let (a, b) = pair(a, b);
                a.plus(b)
            }
            Node::Sub(a, b) => {
                let (a, b) = pair(a, b);
                a.plus(b.negated())
            }
            Node::Mul(a, b) => {
                let (a, b) = pair(a, b);
                a.times(b)
            }
            Node::Div(a, b) => {
                let (a, b) = pair(a, b);
                a.over(b)
            }
            Node::Greater(a, b) => {
                let (a, b) = pair(a, b);
                a.greater(b)
            }
            Node::Lesser(a, b) => {
                let (a, b) = pair(a, b);
                a.lesser(b)
            }
            Node::Default(a, b) => {
                let (a, b) = pair(a, b);
                // where nobody has said that there is nothing it is not known
                if a.is_missing() && !a.why.silent { b } else { a }
            }
            Node::Neg(a) => self.number(look, a, owner).negated(),
            Node::OverTime { how, window, slot, .. } => self.over_time(slot as usize, how, window),
            Node::Scored { of, bad, good } => {
                let v = self.number(look, of, owner);
                if v.is_missing() {
                    v
                } else {
                    let at = v.plus(Number::known(-bad)).over(Number::known(good - bad));
                    Number { events: None, ..at.greater(Number::known(0.0)).lesser(Number::known(1.0)) }
                }
            }
            _ => return self.logic(look, node, owner),
        })
    }

    fn logic(&mut self, look: Look<'_>, node: NodeId, owner: Owner) -> Value {
        let plan = self.plan;
        let (truth, why) = match plan.program.nodes[node.index()] {
            Node::Bool(b) => (Truth::of(b), NOTHING),
            Node::Missing(a) => match self.number(look, a, owner) {
                n if n.is_missing() && n.why.silent => (Unknown, n.why),
                n => (Truth::of(n.is_missing()), NOTHING),
            },
            Node::Compare { op, left, right, at_least, unit } => {
                let (l, r) = (self.number(look, left, owner), self.number(look, right, owner));
                compare(op, l, r, at_least, unit)
            }
            Node::And(a, b) => {
                let (a, b) = (self.truth(look, a, owner), self.truth(look, b, owner));
                kleene(a.0.min(b.0), a, b)
            }
            Node::Or(a, b) => {
                let (a, b) = (self.truth(look, a, owner), self.truth(look, b, owner));
                kleene(a.0.max(b.0), a, b)
            }
            Node::Not(a) => {
                let (t, why) = self.truth(look, a, owner);
                (t.not(), why)
            }
            Node::For { of, op, slot } => {
                let (t, why) = self.truth(look, of, owner);
                let bridge = if matches!(owner, Owner::Guard(_)) { None } else { Some(self.bridge()) };
                let log = &mut self.operands[slot as usize];
                log.push((look.at, t));
                let now = Past { log, every: plan.check_every, bridge }.now(op);
                (now, if now == Unknown { why } else { NOTHING })
            }
            Node::Healthy => (self.healthy(), NOTHING),
            Node::Approved { group, valid } => {
                let counts = |a: &super::Approval| {
                    a.group == group
                        && a.phase == self.phase
                        && a.at <= look.at
                        && valid.is_none_or(|v| look.at - a.at < v)
                };
                (Truth::of(self.approvals.iter().any(counts)), NOTHING)
            }
            Node::InWindow(w) => (Truth::of(plan.windows[w as usize].holds(look.at).unwrap()), NOTHING),
            ref other => panic!("the reference does not know {other:?}"),
        };
        Value::Truth(truth, why)
    }

    /// As long as `no data tolerate`.
    fn bridge(&self) -> Millis {
        match self.plan.no_data.tolerate {
            Tolerance::For(d) => d,
            Tolerance::Checks(n) => i64::from(n) * self.plan.check_every,
        }
    }

    /// Every active guard that can block is ok: false only if one is failing, breached or dark.
    fn healthy(&self) -> Truth {
        let words = || {
            let all = self.plan.guards.iter().zip(&self.guards);
            all.filter(|(g, s)| s.active && g.otherwise != Consequence::Tell).map(|(_, s)| s.word)
        };
        if words().any(|w| matches!(w, Some(Word::Failing | Word::Breached | Word::Dark))) {
            False
        } else if words().all(|w| w == Some(Word::Ok)) {
            True
        } else {
            Unknown
        }
    }

    pub fn answer<'a>(&'a self, look: Look<'a>, id: InputId) -> Option<&'a Answer> {
        match self.plan.inputs[id.index()].population {
            Population::Before => self.baseline.get(id.index())?.as_ref(),
            _ => look.answers.get(id.index()),
        }
    }

    /// Age of the newest sample, where its source tells it.
    fn age(&self, look: Look<'_>, id: InputId) -> Option<Millis> {
        let sampled: Time = self.answer(look, id)?.sampled_at?;
        Some((look.at - sampled).max(0))
    }

    fn stale(&self, look: Look<'_>, id: InputId) -> bool {
        let input = &self.plan.inputs[id.index()];
        input.population != Population::Before && self.age(look, id).is_some_and(|age| age > input.max_age)
    }

    /// The numbers, or the reason why there are none.
    pub fn reading(&self, look: Look<'_>, id: InputId) -> Result<Reading, Missing> {
        let answer = self.answer(look, id).ok_or(Missing::NotAsked)?;
        let sibling = self.plan.inputs[id.index()].sibling;
        let others = sibling.and_then(|s| {
            let a = self.answer(look, s)?;
            let max_age = self.plan.inputs[s.index()].max_age;
            Some(a.value.is_ok() && self.age(look, s).is_none_or(|age| age <= max_age))
        });
        match &answer.value {
            // who asked for all slices at once has seen that others have a series
            Err(Missing::Empty { others: seen }) => Err(Missing::Empty { others: seen.filter(|s| *s).or(others) }),
            Err(why) => Err(why.clone()),
            Ok(_) if self.stale(look, id) => Err(Missing::Stale { age: 0, others }),
            Ok(r) if finite(r) => Ok(r.clone()),
            Ok(_) => Err(Missing::NotANumber),
        }
    }

    fn gauge(&self, look: Look<'_>, id: InputId) -> Number {
        match self.reading(look, id) {
            Ok(Reading::Value(v) | Reading::Increase(v)) => Number::known(v * self.plan.inputs[id.index()].scale),
            Ok(Reading::Buckets(_)) => Number::missing(BLIND.and(SILENT)),
            Err(why) => Number::missing(reason(&why)),
        }
    }

    fn buckets(&self, look: Look<'_>, id: InputId) -> Result<Vec<Bucket>, Number> {
        match self.reading(look, id) {
            Ok(Reading::Buckets(b)) => Ok(b),
            Ok(_) => Err(Number::missing(BLIND.and(SILENT))),
            Err(why) => Err(Number::missing(reason(&why))),
        }
    }

    fn events(&self, look: Look<'_>, bad: InputId, total: InputId) -> Number {
        let all = self.gauge(look, total);
        // bad events that have no series have not happened, as long as the whole is there
        let none = matches!(self.reading(look, bad), Err(Missing::Empty { .. }));
        let bad = if none { Number::known(0.0) } else { self.gauge(look, bad) };
        if all.is_missing() {
            all
        } else if bad.is_missing() {
            bad
        } else if all.lo <= 0.0 {
            Number::missing(THIN)
        } else {
            Number::known((bad.lo / all.lo).clamp(0.0, 1.0)).of(all.lo)
        }
    }

    /// What was counted since the sum began. Of what is not known yet it can only become more. For a goal what was counted before
    /// it began may count, and may not.
    fn accumulated(&self, look: Look<'_>, input: InputId, slot: usize, owner: Owner) -> Number {
        let increments = &self.increments[slot];
        let scale = self.plan.inputs[input.index()].scale;
        let since =
            |from: usize| increments.iter().skip(from).map(|i| i.unwrap_or(0.0)).fold(0.0, |a, b| a + b) * scale;
        let all = since(self.counted_from[slot]);
        let least = match owner {
            Owner::Phase(_) => since(self.goals_from[slot].unwrap_or(increments.len())),
            Owner::Guard(_) | Owner::Rollout => all,
        };
        let open = |why| Number { lo: least, hi: f64::INFINITY, events: None, why };
        match (increments.last().copied().flatten(), self.reading(look, input)) {
            (Some(_), _) | (None, Ok(_)) if self.is_short(slot) => open(NOTHING),
            (Some(_), _) => Number::between(least, all),
            (None, Err(why)) => open(reason(&why)),
            (None, Ok(_)) => open(BLIND.and(SILENT)),
        }
    }

    /// The inputs that are read anywhere below a node.
    pub fn read_below(&self, node: NodeId) -> Vec<InputId> {
        let node = &self.plan.program.nodes[node.index()];
        let mut out: Vec<InputId> = node.inputs().collect();
        for below in node.operands() {
            out.extend(self.read_below(below));
        }
        out
    }

    /// Whether an answer still tells of the time before the settings were read back: by its window, or, having none, by its
    /// newest sample.
    pub fn warming(&self, look: Look<'_>, id: InputId, ago: Millis) -> bool {
        let input = &self.plan.inputs[id.index()];
        let sampled = self.answer(look, id).and_then(|a| a.sampled_at);
        let newest = sampled.unwrap_or(look.at).min(look.at);
        match self.asked.verified {
            _ if input.population == Population::Before => false,
            None => input.reach > 0,
            // what has neither a window nor a time is of now
            Some(_) if input.reach == 0 && sampled.is_none() => false,
            Some(verified) => newest - ago - input.reach - input.lag < verified,
        }
    }
}

pub fn finite(r: &Reading) -> bool {
    match r {
        Reading::Value(v) | Reading::Increase(v) => v.is_finite(),
        Reading::Buckets(b) => b.iter().all(|b| b.count.is_finite()),
    }
}

fn reason(why: &Missing) -> Why {
    match why {
        Missing::Empty { others: Some(true) } => DARK,
        Missing::Empty { .. } => BLIND,
        Missing::NotANumber => THIN,
        // nobody has said that there is nothing
        Missing::Stale { others: Some(true), .. } => DARK.and(SILENT),
        _ => BLIND.and(SILENT),
    }
}

fn kleene(result: Truth, a: (Truth, Why), b: (Truth, Why)) -> (Truth, Why) {
    let mut why = NOTHING;
    for (t, w) in [a, b] {
        // what is missing counts only if it made the result unknown
        if result == Unknown && t == Unknown {
            why = why.and(w);
        }
    }
    (result, why)
}

/// The share of events below a bound: between two buckets' bounds it lies between their shares.
fn share(buckets: &[Bucket], bound: f64) -> Number {
    let total = buckets.last().map_or(0.0, |b| b.count);
    if total <= 0.0 {
        return Number::missing(THIN);
    }
    let at = |b: &Bucket| b.le.unwrap_or(f64::INFINITY);
    let same = |b: &Bucket| (at(b) - bound).abs() <= bound.abs() * 1e-9;
    let part = |b: &Bucket| (b.count / total).min(1.0);
    if let Some(b) = buckets.iter().find(|b| same(b)) {
        return Number::known(part(b)).of(total);
    }
    let below = buckets.iter().rfind(|b| at(b) < bound).map_or(0.0, part);
    let above = buckets.iter().find(|b| at(b) > bound).map_or(1.0, part);
    Number::between(below, above).of(total)
}

/// A quantile as Prometheus' `histogram_quantile` defines it.
fn quantile(buckets: &[Bucket], q: f64, scale: f64) -> Number {
    let total = buckets.last().map_or(0.0, |b| b.count);
    if total <= 0.0 {
        return Number::missing(THIN);
    }
    let rank = q * total;
    let Some(i) = buckets.iter().position(|b| b.count >= rank && b.count > 0.0) else { return Number::missing(THIN) };
    let below = if i == 0 { None } else { Some(buckets[i - 1]) };
    let value = match (buckets[i].le, below) {
        // in the last bucket: the greatest bound that there is
        (None, Some(b)) => b.le,
        (None, None) => None,
        (Some(le), below) => {
            let start = below.and_then(|b| b.le).unwrap_or(if le > 0.0 { 0.0 } else { le });
            let before = below.map_or(0.0, |b| b.count);
            let inside = buckets[i].count - before;
            Some(if inside > 0.0 { start + (le - start) * ((rank - before) / inside) } else { le })
        }
    };
    value.map_or(Number::missing(THIN), |v| Number::known(v * scale).of(total))
}
