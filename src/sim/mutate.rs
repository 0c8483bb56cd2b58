//! Mutants: plans that differ from the real one in a single rule. A test should notice; where none does, the rule is not tested.

use super::judge::passes;
use super::recorded::Case;
use super::replay::change::hashed;
use crate::plan::{Compare, Consequence, Guard, Node, NodeId, PhaseId, Plan, Tolerance, Unit, show};

/// What is changed in one guard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// The limit of the n-th comparison: looser or stricter.
    Limit(usize, Way),
    /// The tolerance.
    Tolerance(Way),
    /// The consequence.
    Consequence,
    /// The kill switch is left out.
    Kill,
    /// `at least n events` of the n-th comparison is left out.
    AtLeast(usize),
    /// `from` is left out.
    From,
    /// `until` is left out.
    Until,
}

/// Up or down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// A changed plan that a test is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mutation {
    guard: usize,
    change: Change,
}

/// A change that no test noticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Survivor {
    /// The guard's name.
    pub guard: String,
    /// What was changed, in words.
    pub what: String,
}

/// What came of the mutants of one rollout.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// How many there were.
    pub mutants: usize,
    /// Those that no test noticed.
    pub survivors: Vec<Survivor>,
}

/// Changes every guard of a rollout in turn and asks its tests. All of them are of one rollout and pass on their own plans.
#[must_use]
pub fn mutate(tests: &[Case<'_>]) -> Report {
    let mut out = Report::default();
    let Some(first) = tests.first() else { return out };
    for mutation in mutations(&first.test.plan) {
        let Some((_, what)) = changed(&first.test.plan, mutation) else { continue };
        out.mutants += 1;
        let noticed = tests.iter().any(|case| {
            // with params of its own a test has a plan of its own
            changed(&case.test.plan, mutation).is_some_and(|(plan, _)| {
                // a replay knows by its hash whether a plan is the one that was recorded
                let plan = if case.recording.is_some() { hashed(plan) } else { plan };
                !passes(case.test, &plan, &case.run(&plan))
            })
        });
        if !noticed {
            let guard = first.test.plan.guards.get(mutation.guard).map_or_else(String::new, |g| g.name.clone());
            out.survivors.push(Survivor { guard, what });
        }
    }
    out
}

fn mutations(plan: &Plan) -> Vec<Mutation> {
    let mut out = Vec::new();
    for (i, guard) in plan.guards.iter().enumerate() {
        let mut add = |change| out.push(Mutation { guard: i, change });
        for n in 0..comparisons(plan, guard.healthy).len() {
            add(Change::Limit(n, Way::Up));
            add(Change::Limit(n, Way::Down));
            add(Change::AtLeast(n));
        }
        add(Change::Tolerance(Way::Up));
        add(Change::Tolerance(Way::Down));
        add(Change::Consequence);
        add(Change::Kill);
        add(Change::From);
        add(Change::Until);
    }
    out
}

/// The comparisons of a condition, in the order of the text.
pub(super) fn comparisons(plan: &Plan, root: NodeId) -> Vec<NodeId> {
    match plan.program.nodes.get(root.index()) {
        Some(Node::Compare { .. }) => vec![root],
        Some(n) => n.operands().flat_map(|o| comparisons(plan, o)).collect(),
        None => Vec::new(),
    }
}

/// The plan with one change, and the change in words; none where there is nothing to change.
fn changed(plan: &Plan, m: Mutation) -> Option<(Plan, String)> {
    let mut out = plan.clone();
    let guard = plan.guards.get(m.guard)?;
    let what = match m.change {
        Change::Limit(n, way) => limit(&mut out, m.guard, guard, n, way)?,
        Change::AtLeast(n) => {
            let at = *comparisons(plan, guard.healthy).get(n)?;
            let Node::Compare { op, left, right, at_least: Some(events), unit } =
                *plan.program.nodes.get(at.index())?
            else {
                return None;
            };
            replace(&mut out, m.guard, at, Node::Compare { op, left, right, at_least: None, unit });
            format!("`at least {events} events` left out")
        }
        Change::Tolerance(way) => {
            let (to, text) = tolerance(guard.tolerate, way)?;
            out.guards.get_mut(m.guard)?.tolerate = to;
            text
        }
        Change::Consequence => {
            let to = milder(guard.otherwise);
            out.guards.get_mut(m.guard)?.otherwise = to;
            out.guards.get_mut(m.guard)?.kill = None;
            let back = match guard.otherwise {
                Consequence::Rollback(Some(p)) => format!("rollback to {}", plan.phase_name(p)),
                other => other.word().to_owned(),
            };
            format!("`else {back}` became `else {}`", to.word())
        }
        Change::Kill => {
            let switch = guard.kill?;
            out.guards.get_mut(m.guard)?.kill = None;
            format!("`kill {}` left out", plan.switch_name(switch))
        }
        Change::From => {
            if guard.from == PhaseId(0) {
                return None;
            }
            out.guards.get_mut(m.guard)?.from = PhaseId(0);
            format!("`from {}` left out", plan.phase_name(guard.from))
        }
        Change::Until => {
            let until = guard.until?;
            out.guards.get_mut(m.guard)?.until = None;
            format!("`until {}` left out", plan.phase_name(until))
        }
    };
    Some((out, what))
}

/// The consequence next to one, on the side of doing less; `tell` does more.
fn milder(c: Consequence) -> Consequence {
    match c {
        Consequence::Rollback(Some(_)) | Consequence::Rollback(None) | Consequence::Pause => Consequence::Hold,
        Consequence::Halt => Consequence::Pause,
        Consequence::Hold => Consequence::Tell,
        Consequence::Tell => Consequence::Hold,
    }
}

fn tolerance(t: Tolerance, way: Way) -> Option<(Tolerance, String)> {
    let (from, to) = match (t, way) {
        (Tolerance::For(0), _) => return None,
        (Tolerance::For(d), Way::Up) => (show::duration(d), Tolerance::For(d * 2)),
        (Tolerance::For(d), Way::Down) => (show::duration(d), Tolerance::For(d / 2)),
        (Tolerance::Checks(n), Way::Up) => (format!("{n} checks"), Tolerance::Checks(n * 2)),
        (Tolerance::Checks(n), Way::Down) if n > 1 => (format!("{n} checks"), Tolerance::Checks(n / 2)),
        (Tolerance::Checks(_), Way::Down) => return None,
    };
    let shown = match to {
        Tolerance::For(d) => show::duration(d),
        Tolerance::Checks(n) => format!("{n} checks"),
    };
    Some((to, format!("`tolerate {from}` became `tolerate {shown}`")))
}

/// Moves the limit of a comparison by a quarter.
fn limit(out: &mut Plan, index: usize, guard: &Guard, n: usize, way: Way) -> Option<String> {
    let at = *comparisons(out, guard.healthy).get(n)?;
    let Node::Compare { op, left, right, at_least, unit } = *out.program.nodes.get(at.index())? else { return None };
    // the limit is the constant side; else the one on the right, reckoned from `stable` or `before`
    let constant = |id: NodeId| match out.program.nodes.get(id.index()) {
        Some(Node::Const(v)) => Some(*v),
        _ => None,
    };
    let on_the_left = constant(left).is_some() && constant(right).is_none();
    let side = if on_the_left { left } else { right };
    let (node, op, text) = match constant(side) {
        Some(v) => {
            let (to, op) = moved(v, unit, op, way)?;
            let (from, to_text) = (show::value(v, unit), show::value(to, unit));
            (Node::Const(to), op, format!("limit {from} became {to_text}"))
        }
        None => {
            let factor = if way == Way::Up { 1.25 } else { 0.8 };
            out.program.nodes.push(Node::Const(factor));
            let by = NodeId::at(out.program.nodes.len() - 1);
            (Node::Mul(side, by), op, format!("limit times {factor}"))
        }
    };
    out.program.nodes.push(node);
    let moved = NodeId::at(out.program.nodes.len() - 1);
    let (left, right) = if on_the_left { (moved, right) } else { (left, moved) };
    replace(out, index, at, Node::Compare { op, left, right, at_least, unit });
    Some(text)
}

/// A constant limit, moved. Shares near the whole move by a quarter of what is missing; at zero there is nothing to scale, so that
/// it moves by a little, and `==` becomes `<=`.
fn moved(v: f64, unit: Unit, op: Compare, way: Way) -> Option<(f64, Compare)> {
    let up = way == Way::Up;
    if unit == Unit::Bool {
        return None;
    }
    if v == 0.0 {
        let little = match unit {
            Unit::Ratio | Unit::Duration => 0.001,
            _ => 1.0,
        };
        let op = if op == Compare::Eq { Compare::Le } else { op };
        return up.then_some((little, op));
    }
    let factor = if up { 1.25 } else { 0.8 };
    let to = match unit {
        Unit::Ratio if v >= 1.0 => return (!up).then_some((0.999, op)),
        Unit::Ratio if v > 0.5 => 1.0 - (1.0 - v) / factor,
        Unit::Count if up => (v * factor).round().max(v + 1.0),
        Unit::Count => (v * factor).round().min(v - 1.0),
        _ => v * factor,
    };
    Some((to, op))
}

/// Puts another comparison in the place of one, for one guard alone: what it shares with others stays as it is for them.
pub(super) fn replace(out: &mut Plan, index: usize, at: NodeId, by: Node) {
    let Some(root) = out.guards.get(index).map(|g| g.healthy) else { return };
    out.program.nodes.push(by);
    let new = NodeId::at(out.program.nodes.len() - 1);
    let root = copied(out, root, at, new);
    if let Some(g) = out.guards.get_mut(index) {
        g.healthy = root;
        if g.shown == Some(at) {
            g.shown = Some(new);
        }
    }
}

/// A copy of the way from `node` down to `at`, with `new` in its place; a node that does not lead there is itself.
fn copied(out: &mut Plan, node: NodeId, at: NodeId, new: NodeId) -> NodeId {
    if node == at {
        return new;
    }
    let Some(here) = out.program.nodes.get(node.index()).cloned() else { return node };
    let mut sub = |n: NodeId| copied(out, n, at, new);
    let changed = match here {
        Node::And(a, b) => Node::And(sub(a), sub(b)),
        Node::Or(a, b) => Node::Or(sub(a), sub(b)),
        Node::Not(a) => Node::Not(sub(a)),
        Node::For { of, op, slot } => Node::For { of: sub(of), op, slot },
        Node::Confidence { of, level, or_undecided } => Node::Confidence { of: sub(of), level, or_undecided },
        Node::AtSlice { of, dims } => Node::AtSlice { of: sub(of), dims },
        _ => return node,
    };
    if out.program.nodes.get(node.index()) == Some(&changed) {
        return node;
    }
    out.program.nodes.push(changed);
    NodeId::at(out.program.nodes.len() - 1)
}
