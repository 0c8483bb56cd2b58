//! The world of a test: what sources answer at a check, and what is said in their place.

use crate::check::tests::{Course, Given as Line, Replaced, Sample, SourceFault, Test};
use crate::engine::eval::Value;
use crate::engine::truth::Truth;
use crate::engine::value::{Causes, Num};
use crate::engine::{Given, State, since};
use crate::plan::{
    Answer, Ask, GuardId, InputId, Millis, Missing, Node, NodeId, Plan, Population, Reading, Time, Window,
};
use std::collections::BTreeSet;

/// So many events are enough for every `hold until`.
const WITHOUT_LIMIT: f64 = 1e9;

/// What the lines of a test say of one node.
struct NodeLines {
    node: NodeId,
    inputs: Vec<InputId>,
    population: Population,
    /// The lines, the last of them first: a later line wins.
    lines: Vec<usize>,
}

/// What a condition can be assumed by.
struct Ground {
    /// All nodes below it.
    nodes: BTreeSet<NodeId>,
    inputs: BTreeSet<InputId>,
}

/// A test's world.
pub(super) struct World<'t> {
    test: &'t Test,
    plan: &'t Plan,
    /// The first check.
    start: Time,
    nodes: Vec<NodeLines>,
    /// By input: the nodes that read it.
    readers: Vec<Vec<NodeId>>,
    guards: Vec<Ground>,
    requires: Vec<Ground>,
    /// What `advance when` stands on, and whether it asks for the time of day.
    gate: Option<(Ground, bool)>,
    /// What holds at the check that was last looked at.
    values: Vec<(NodeId, Value)>,
    assumed: Vec<GuardId>,
    granted: Vec<usize>,
    opens_gate: bool,
    answers: Vec<Answer>,
}

impl<'t> World<'t> {
    /// The world of a test around a plan: its own, or one that differs in a rule.
    pub(super) fn new(test: &'t Test, plan: &'t Plan, start: Time) -> Self {
        let node = |id: NodeId| plan.program.nodes.get(id.index());
        let mut nodes: Vec<NodeLines> = Vec::new();
        for (i, line) in test.givens.iter().enumerate().rev() {
            let Replaced::Nodes(ids) = &line.what else { continue };
            for id in ids {
                match nodes.iter_mut().find(|n| n.node == *id) {
                    Some(n) => n.lines.push(i),
                    None => {
                        let inputs = ground(plan, *id).inputs.into_iter().collect::<Vec<_>>();
                        let population = inputs
                            .first()
                            .and_then(|i| plan.inputs.get(i.index()))
                            .map_or(Population::Canary, |i| i.population);
                        nodes.push(NodeLines { node: *id, inputs, population, lines: vec![i] });
                    }
                }
            }
        }
        nodes.sort_by_key(|n| n.node);
        let mut readers = vec![Vec::new(); plan.inputs.len()];
        for i in 0..plan.program.nodes.len() {
            let id = NodeId::at(i);
            for input in node(id).into_iter().flat_map(Node::inputs) {
                if let Some(r) = readers.get_mut(input.index()) {
                    r.push(id);
                }
            }
        }
        Self {
            test,
            plan,
            start,
            nodes,
            readers,
            guards: plan.guards.iter().map(|g| ground(plan, g.healthy)).collect(),
            requires: plan.requires.iter().map(|r| ground(plan, r.cond)).collect(),
            gate: plan.advance.as_ref().map(|g| {
                let ground = ground(plan, g.when);
                let timed = ground.nodes.iter().any(|n| matches!(node(*n), Some(Node::InWindow(_))));
                (ground, timed)
            }),
            values: Vec::new(),
            assumed: Vec::new(),
            granted: Vec::new(),
            opens_gate: false,
            answers: Vec::new(),
        }
    }

    /// Looks at the world at a check: what is answered then, and what is said.
    pub(super) fn at(&mut self, at: Millis, state: &State, live: bool) {
        self.values.clear();
        for n in &self.nodes {
            // what is read once, before the first change, is what it was then
            let when = if n.population == Population::Before { 0 } else { at };
            if n.inputs.iter().any(|i| self.fault(*i, when, live).is_some()) {
                continue;
            }
            let line = n.lines.iter().filter_map(|i| self.test.givens.get(*i)).find(|l| l.during.holds(when));
            if let Some(value) = line.and_then(|l| value(l, when)) {
                self.values.push((n.node, value));
            }
        }
        self.answers = (0..self.plan.inputs.len()).map(|i| self.answer(InputId::at(i), at, state, live)).collect();
        self.assumed.clear();
        self.granted.clear();
        self.opens_gate = false;
        if self.test.assume_healthy {
            let free = |g: &Ground| self.is_free(g, at, live);
            let guards = self.guards.iter().enumerate().filter(|(_, g)| free(g)).map(|(i, _)| GuardId::at(i)).collect();
            let requires = self.requires.iter().enumerate().filter(|(_, g)| free(g)).map(|(i, _)| i).collect();
            // a test that says when it begins means the time of day
            let open = self
                .gate
                .as_ref()
                .is_some_and(|(g, timed)| !(*timed && self.test.starts.is_some()) && (g.inputs.is_empty() || free(g)));
            (self.assumed, self.granted, self.opens_gate) = (guards, requires, open);
        }
    }

    /// What was answered.
    pub(super) fn answers(&self) -> &[Answer] {
        &self.answers
    }

    /// What was answered over the baseline.
    pub(super) fn baseline(&self) -> Vec<Option<Answer>> {
        let one = |(i, input): (usize, &crate::plan::Input)| {
            (input.population == Population::Before).then(|| self.answers.get(i).cloned()).flatten()
        };
        self.plan.inputs.iter().enumerate().map(one).collect()
    }

    /// What is said instead of measured.
    pub(super) fn given(&self) -> Given<'_> {
        Given { nodes: &self.values, guards: &self.assumed, requires: &self.granted, opens_gate: self.opens_gate }
    }

    /// Whether a guard was ok only because the test assumes it.
    pub(super) fn assumes(&self, guard: GuardId) -> bool {
        self.given().assumes(guard)
    }

    /// Whether any source can be asked about that moment afterwards.
    pub(super) fn has_history(&self, at: Millis) -> bool {
        let sources: BTreeSet<&str> = self.plan.inputs.iter().map(|i| i.source.as_str()).collect();
        sources.is_empty() || sources.into_iter().any(|s| !self.is(s, at, SourceFault::NoHistory) && !self.fails(s, at))
    }

    fn is(&self, source: &str, at: Millis, fault: SourceFault) -> bool {
        self.test.sources.iter().any(|l| l.source == source && l.fault == fault && l.during.holds(at))
    }

    fn fails(&self, source: &str, at: Millis) -> bool {
        self.is(source, at, SourceFault::Fails)
    }

    /// Why an input has no answer whatever is given: a `source` line wins over a `given`.
    fn fault(&self, id: InputId, at: Millis, live: bool) -> Option<Missing> {
        let input = self.plan.inputs.get(id.index())?;
        if self.fails(&input.source, at) {
            return Some(Missing::Failed { message: String::from("the test says that it fails") });
        }
        if !live && self.is(&input.source, at, SourceFault::NoHistory) {
            return Some(Missing::NotAsked);
        }
        let population = if input.population == Population::Before { Population::Stable } else { input.population };
        if input.separable && self.is(&input.source, at, SourceFault::Lacks(population)) {
            return Some(Missing::Empty { others: None });
        }
        None
    }

    fn answer(&self, id: InputId, at: Millis, state: &State, live: bool) -> Answer {
        let Some(input) = self.plan.inputs.get(id.index()) else { return Answer::missing(Missing::NotAsked) };
        if let Some(why) = self.fault(id, at, live) {
            return Answer::missing(why);
        }
        let some = |value: Reading| Answer { value: Ok(value), sampled_at: Some(self.start + at), series: 1 };
        if let Some(increments) = self.counted(id, at, state) {
            return some(Reading::Increase(increments));
        }
        let readers = self.readers.get(id.index()).map_or(&[][..], Vec::as_slice);
        let given = |n: &NodeId| self.values.binary_search_by_key(n, |(m, _)| *m).is_ok();
        // nothing reads this answer for its number: it only says that the source has some
        let only_there = !readers.is_empty() && readers.iter().all(given);
        let beside = input.population == Population::Stable
            && self.is(&input.source, at, SourceFault::Lacks(Population::Canary));
        if only_there || beside {
            return some(match input.ask {
                Ask::Increase(..) => Reading::Increase(1.0),
                Ask::Buckets(..) => Reading::Buckets(Vec::new()),
                Ask::Gauge(_) | Ask::PromQl { .. } => Reading::Value(1.0),
            });
        }
        Answer::missing(Missing::Empty { others: None })
    }

    /// The increments of a counter whose readings are given.
    fn counted(&self, id: InputId, at: Millis, state: &State) -> Option<f64> {
        let input = self.plan.inputs.get(id.index())?;
        let Ask::Increase(_, window) = &input.ask else { return None };
        let lines: Vec<&Line> = self
            .test
            .givens
            .iter()
            .rev()
            .filter(|l| {
                matches!(&l.what, Replaced::Counter { metric, population }
                    if *metric == input.metric && *population == input.population)
            })
            .collect();
        let from = match window {
            Window::Last(d) => at - d,
            Window::SinceLast => since(self.plan, state, id).map_or(at, |t| t - self.start),
        };
        if lines.is_empty() {
            return self.counted_along(input, at, at - from);
        }
        let read = |t: Millis| lines.iter().find(|l| l.during.holds(t)).and_then(|l| number(l, t));
        let mut last = read(at)?;
        let every = self.plan.check_every.max(1);
        let (mut t, mut sum) = (at - every, 0.0);
        while t >= from.max(0) {
            if let Some(earlier) = read(t) {
                // a counter that reads less has begun anew
                sum += if last >= earlier { last - earlier } else { last };
                last = earlier;
            }
            t -= every;
        }
        Some(sum)
    }

    /// The increments of a counter that an `events` metric is made of, where that is given: who counts events by themselves must
    /// not see others. Without a rate there are events without limit, and how many of them are bad cannot be said.
    fn counted_along(&self, input: &crate::plan::Input, at: Millis, length: Millis) -> Option<f64> {
        let same = |id: InputId| {
            self.plan
                .inputs
                .get(id.index())
                .is_some_and(|i| i.metric == input.metric && i.population == input.population)
        };
        self.nodes.iter().find_map(|n| {
            let Some(Node::Events { bad, total }) = self.plan.program.nodes.get(n.node.index()) else { return None };
            let line = n.lines.iter().filter_map(|i| self.test.givens.get(*i)).find(|l| l.during.holds(at))?;
            let share = number(line, at)?;
            let all = line.rate.map(|r| r * crate::engine::eval::seconds(length));
            match (same(*total), same(*bad), all) {
                (true, _, all) => Some(all.unwrap_or(WITHOUT_LIMIT)),
                (false, true, Some(all)) => Some(all * share),
                (false, true, None) => (share == 0.0).then_some(0.0),
                (false, false, _) => None,
            }
        })
    }

    /// Whether nothing is given below a condition, and its sources answer: then it is what the test assumes.
    fn is_free(&self, ground: &Ground, at: Millis, live: bool) -> bool {
        if ground.inputs.is_empty() {
            return false;
        }
        // what is only given to be compared with says nothing of the canary
        let canary = |n: &NodeId| {
            self.nodes
                .binary_search_by_key(n, |l| l.node)
                .is_ok_and(|i| self.nodes.get(i).is_some_and(|l| l.population == Population::Canary))
        };
        let said = |l: &Line| {
            l.during.holds(at)
                && match &l.what {
                    Replaced::Nodes(ids) => ids.iter().any(|n| ground.nodes.contains(n) && canary(n)),
                    Replaced::Counter { metric, population } => ground.inputs.iter().any(|i| {
                        self.plan.inputs.get(i.index()).is_some_and(|i| {
                            i.metric == *metric && i.population == *population && i.population == Population::Canary
                        })
                    }),
                }
        };
        let silent = |i: &InputId| {
            let before = self.plan.inputs.get(i.index()).is_some_and(|i| i.population == Population::Before);
            self.fault(*i, if before { 0 } else { at }, live).is_some()
        };
        !self.test.givens.iter().any(said) && !ground.inputs.iter().any(silent)
    }
}

fn ground(plan: &Plan, root: NodeId) -> Ground {
    let mut out = Ground { nodes: BTreeSet::new(), inputs: BTreeSet::new() };
    let mut todo = vec![root];
    while let Some(id) = todo.pop() {
        if out.nodes.insert(id)
            && let Some(node) = plan.program.nodes.get(id.index())
        {
            out.inputs.extend(node.inputs());
            todo.extend(node.operands());
        }
    }
    out
}

/// The number of a line at a time, where it has one.
fn number(line: &Line, at: Millis) -> Option<f64> {
    match sample(line, at)? {
        Sample::Is(v) => Some(v),
        Sample::Missing | Sample::NotANumber => None,
    }
}

fn sample(line: &Line, at: Millis) -> Option<Sample> {
    Some(match &line.course {
        Course::Steady(v) => Sample::Is(*v),
        Course::Truth(b) => Sample::Is(f64::from(u8::from(*b))),
        Course::Missing => Sample::Missing,
        Course::Ramp(from, to) => {
            let length = crate::engine::eval::seconds(line.during.to - line.during.from);
            let done = crate::engine::eval::seconds(at - line.during.from) / length;
            Sample::Is(from + (to - from) * done)
        }
        Course::Series { values, step } => {
            let i = usize::try_from((at - line.during.from) / (*step).max(1)).ok()?;
            *values.get(i)?
        }
    })
}

/// What a line says of a node at a time; none: there is no series.
fn value(line: &Line, at: Millis) -> Option<Value> {
    let sample = sample(line, at)?;
    if let (Course::Truth(b), _) = (&line.course, &sample) {
        return Some(Value::Truth(Truth::from(*b), Causes::NONE));
    }
    let num = match sample {
        Sample::Missing => return None,
        Sample::NotANumber => Num::missing(Causes::THIN),
        Sample::Is(v) => match line.rate {
            None => Num::known(v),
            Some(rate) => {
                let events = rate * crate::engine::eval::seconds(line.window);
                if events > 0.0 { Num::known(v).of(events) } else { Num::missing(Causes::THIN) }
            }
        },
    };
    Some(Value::Num(num))
}
