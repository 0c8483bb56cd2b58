//! An expression at a moment: compiled beside the rollout, kept by the engine over the whole replay up to then, and said with its unit,
//! its sides and its causes.

use super::policy::Question;
use super::world::{Recorded, Replayed};
use crate::check::ask::Asked;
use crate::engine::eval::{self, Check, Value};
use crate::engine::explain::input_reports;
use crate::engine::state::Owner;
use crate::engine::truth::Truth;
use crate::engine::value::{Causes, Num};
use crate::engine::{Given, InputReport, State};
use crate::plan::{Answer, InputId, Node, NodeId, Plan, Population, Time, Unit, show};
use crate::report::style::Style;
use crate::report::text::sides;
use crate::sim::replay::{self, misfit_watched};

/// An expression with its place in a plan.
pub(super) struct Probe<'q> {
    pub(super) plan: &'q Plan,
    pub(super) node: NodeId,
    /// Its unit; a condition has none.
    pub(super) unit: Unit,
    pub(super) kind: &'static str,
    pub(super) condition: bool,
}

impl<'q> Probe<'q> {
    /// None of a constant.
    pub(super) fn of(q: &'q Question) -> Option<Self> {
        Some(match q.asked {
            Asked::Constant { .. } => return None,
            Asked::Condition(node) => {
                Self { plan: &q.plan, node, unit: Unit::Bool, kind: "condition", condition: true }
            }
            Asked::Number { node, unit, kind } => Self { plan: &q.plan, node, unit, kind, condition: false },
        })
    }

    /// Why the recording cannot answer.
    pub(super) fn lacks(&self, world: &Replayed, r: &Recorded) -> Option<String> {
        let why = misfit_watched(self.plan, &r.recording, &world.scenario)?;
        // it is not the policy that reads it
        Some(why.replace("the policy reads", "this reads").replace("the policy asks", "this asks"))
    }

    /// Its value at every check up to one, and what is known at that one.
    pub(super) fn follow(&self, world: &Replayed, r: &Recorded, until: Time) -> (Vec<(Time, Value)>, Option<Moment>) {
        let mut values = Vec::new();
        let mut moment = None;
        replay::watch(self.plan, &r.recording, &world.scenario, Some(until), &mut |check: replay::Check<'_>| {
            let last = check.at == until;
            let before = last.then(|| check.state.clone());
            let engine = Check { plan: check.plan, at: check.at, answers: check.answers, given: Given::NONE };
            let value = eval::eval(engine, check.state, self.node, Owner::Rollout);
            values.push((check.at, value));
            if let Some(state) = before {
                moment = Some(Moment { at: check.at, value, state, answers: check.answers.to_vec() });
            }
        });
        (values, moment)
    }
}

/// All that is known at a check.
pub(super) struct Moment {
    pub(super) at: Time,
    pub(super) value: Value,
    /// Before the expression was evaluated at it.
    state: State,
    answers: Vec<Answer>,
}

impl Moment {
    /// What a part of the expression is.
    pub(super) fn part(&self, plan: &Plan, node: NodeId) -> Value {
        let check = Check { plan, at: self.at, answers: &self.answers, given: Given::NONE };
        eval::eval(check, &mut self.state.clone(), node, Owner::Rollout)
    }

    /// What is read below a node.
    pub(super) fn inputs(&self, plan: &Plan, node: NodeId) -> Vec<InputReport> {
        let check = Check { plan, at: self.at, answers: &self.answers, given: Given::NONE };
        input_reports(check, &self.state, &below(plan, node))
    }
}

/// The inputs below a node, in the order of the text.
fn below(plan: &Plan, root: NodeId) -> Vec<InputId> {
    let mut out: Vec<InputId> = Vec::new();
    let mut todo = vec![root];
    let mut seen = vec![false; plan.program.nodes.len()];
    while let Some(id) = todo.pop() {
        let (Some(node), Some(mark)) = (plan.program.nodes.get(id.index()), seen.get_mut(id.index())) else { continue };
        if std::mem::replace(mark, true) {
            continue;
        }
        for i in node.inputs() {
            if !out.contains(&i) {
                out.push(i);
            }
        }
        let operands: Vec<NodeId> = node.operands().collect();
        todo.extend(operands.into_iter().rev());
    }
    out
}

/// A number as far as it is known, with what stands behind it.
pub(super) fn number(n: &Num, unit: Unit, kind: &str) -> String {
    let one = |v: f64| {
        if kind.starts_with("difference") { show::difference(v, unit) } else { show::brief(v, unit) }
    };
    match (n.lo.is_finite(), n.hi.is_finite()) {
        (true, true) if n.lo.to_bits() == n.hi.to_bits() || one(n.lo) == one(n.hi) => one(n.lo),
        (true, true) => format!("between {} and {}", one(n.lo), one(n.hi)),
        (true, false) => format!("at least {}", one(n.lo)),
        (false, true) => format!("at most {}", one(n.hi)),
        (false, false) => String::from("unknown"),
    }
}

/// Why something is not known.
pub(super) fn causes(c: Causes) -> String {
    let mut out = Vec::new();
    if c.has(Causes::DARK) {
        out.push("the canary's series is gone while the source answers for others (dark)");
    }
    if c.has(Causes::BLIND) {
        out.push("no source has said anything (blind)");
    }
    if c.has(Causes::THIN) {
        out.push("there are too few events, or it is 0/0 (thin)");
    }
    if out.is_empty() {
        out.push("everything is there, and does not decide");
    }
    out.join("; ")
}

/// `true`, `false`, `unknown`
pub(super) fn truth(t: Truth) -> &'static str {
    match t {
        Truth::True => "true",
        Truth::False => "false",
        Truth::Unknown => "unknown",
    }
}

/// A value in a few words.
pub(super) fn brief(v: Value, unit: Unit, kind: &str) -> String {
    match v {
        Value::Num(n) => number(&n, unit, kind),
        Value::Truth(t, _) => truth(t).to_owned(),
    }
}

/// The answer to an expression: its value, then what stands behind it. `after` is when, in words.
pub(super) fn answer(probe: &Probe<'_>, m: &Moment, after: &str, style: Style) -> String {
    let mut out = String::new();
    match m.value {
        Value::Num(n) => {
            let mut about = vec![probe.kind.to_owned()];
            about.extend(n.events.map(|e| format!("{e:.0} events")));
            let value = number(&n, probe.unit, probe.kind);
            let value = if n.is_missing() { style.unsure(&value) } else { style.bold(&value) };
            out.push_str(&format!("{value}  {}\n", style.faint(&format!("{}, {after}", about.join(", ")))));
            if n.causes != Causes::NONE {
                out.push_str(&format!("  because {}\n", causes(n.causes)));
            }
        }
        Value::Truth(t, why) => {
            let word = match t {
                Truth::True => style.good(truth(t)),
                Truth::False => style.bad(truth(t)),
                Truth::Unknown => style.unsure(truth(t)),
            };
            out.push_str(&format!("{word}  {}\n", style.faint(after)));
            if t == Truth::Unknown {
                out.push_str(&format!("  because {}\n", causes(why)));
            }
            for compare in comparisons(probe.plan, probe.node) {
                if let Some(text) = compared(probe.plan, m, compare) {
                    out.push_str(&format!("  {text}\n"));
                }
            }
        }
    }
    let known = match m.value {
        Value::Num(n) => n.causes == Causes::NONE,
        Value::Truth(t, _) => t != Truth::Unknown,
    };
    // what is missing matters where it is missed
    for input in m.inputs(probe.plan, probe.node).iter().filter(|i| !known && i.missing.is_some()) {
        out.push_str(&format!("  {}\n", missing(input)));
    }
    out
}

/// The comparisons in a condition, in the order of the text.
fn comparisons(plan: &Plan, root: NodeId) -> Vec<NodeId> {
    match plan.program.nodes.get(root.index()) {
        Some(Node::Compare { .. }) => vec![root],
        Some(Node::And(..) | Node::Or(..) | Node::Not(_) | Node::For { .. }) => {
            let node = plan.program.nodes.get(root.index());
            node.map(|n| n.operands().flat_map(|o| comparisons(plan, o)).collect()).unwrap_or_default()
        }
        _ => Vec::new(),
    }
}

/// `value 1.4%, limit 1%, margin -0.4pp, 812 events`: the words of an explanation.
pub(super) fn compared(plan: &Plan, m: &Moment, id: NodeId) -> Option<String> {
    let Node::Compare { op, left, right, unit, .. } = *plan.program.nodes.get(id.index())? else { return None };
    let (Value::Num(l), Value::Num(r)) = (m.part(plan, left), m.part(plan, right)) else { return None };
    // a flag is on or off: it has no margin
    (unit != Unit::Bool).then(|| sides(&eval::sides(op, l, r), unit))
}

/// What an input said instead of a number.
pub(super) fn missing(i: &InputReport) -> String {
    let who = whose(i.population);
    format!("{}{who}: {}", i.metric, i.missing.as_deref().unwrap_or("nothing"))
}

/// Whose numbers, where they are not the canary's.
pub(super) fn whose(p: Population) -> &'static str {
    match p {
        Population::Canary => "",
        Population::Stable => " of stable",
        Population::Before => " of before",
    }
}
