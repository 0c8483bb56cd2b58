//! How an expression comes to its value: its tree beside the nodes that it became, part by part.

use super::ask::{Moment, Probe, brief, missing, whose};
use super::policy::Question;
use crate::engine::eval::Value;
use crate::plan::{Node, NodeId, Plan, Unit, show};
use crate::report::style::Style;
use crate::report::text::pad;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Item};

/// So deep parts are shown.
const DEEPEST: usize = 24;
/// So many lines at most.
const LINES: usize = 200;

/// A line of the explanation.
struct Line {
    depth: usize,
    text: String,
    value: String,
}

/// The explanation of an expression.
pub(super) fn explain(q: &Question, probe: &Probe<'_>, m: &Moment, style: Style) -> String {
    let mut walk = Walk { q, plan: probe.plan, m, lines: Vec::new() };
    walk.part(&q.expr, probe.node, probe.unit, probe.kind, 0);
    let wide = |l: &Line| l.depth * 2 + l.text.chars().count();
    let width = walk.lines.iter().map(wide).max().unwrap_or(0).min(60);
    let mut out = String::new();
    for l in &walk.lines {
        let text = format!("{}{}", "  ".repeat(l.depth), l.text);
        let text = pad(&text, width);
        let value = if l.depth == 0 { style.bold(&l.value) } else { l.value.clone() };
        out.push_str(format!("{text}  {value}").trim_end());
        out.push('\n');
    }
    out
}

struct Walk<'w> {
    q: &'w Question,
    plan: &'w Plan,
    m: &'w Moment,
    lines: Vec<Line>,
}

impl Walk<'_> {
    fn part(&mut self, e: &Expr, node: NodeId, unit: Unit, kind: &str, depth: usize) {
        if self.lines.len() >= LINES || depth > DEEPEST {
            return;
        }
        if let ExprKind::Paren(inner) = &e.kind {
            return self.part(inner, node, unit, kind, depth);
        }
        let plan = self.plan;
        let value = if constant(plan, node) && literal(e) {
            String::new()
        } else {
            let v = self.m.part(plan, node);
            let events = match v {
                Value::Num(n) => n.events.map_or_else(String::new, |n| format!(", {n:.0} events")),
                Value::Truth(..) => String::new(),
            };
            format!("{}{events}", brief(v, unit, kind))
        };
        self.lines.push(Line { depth, text: self.q.policy.written(e.span), value });
        // a `let` is what it stands for
        if let Some(meant) = self.meant(e).cloned() {
            return self.part(&meant, node, unit, kind, depth + 1);
        }
        let Some(here) = plan.program.nodes.get(node.index()).cloned() else { return };
        match (&e.kind, &here) {
            (ExprKind::Binary { op, left, right, .. }, Node::Compare { left: l, right: r, unit, .. })
                if op.is_comparison() =>
            {
                self.part(left, *l, *unit, "", depth + 1);
                self.part(right, *r, *unit, "", depth + 1);
            }
            (ExprKind::Binary { op: BinaryOp::And, left, right, .. }, Node::And(l, r))
            | (ExprKind::Binary { op: BinaryOp::Or, left, right, .. }, Node::Or(l, r)) => {
                self.part(left, *l, Unit::Bool, "", depth + 1);
                self.part(right, *r, Unit::Bool, "", depth + 1);
            }
            (
                ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, left, right, .. },
                Node::Add(l, r) | Node::Sub(l, r),
            ) => {
                self.part(left, *l, unit, "", depth + 1);
                self.part(right, *r, unit, "", depth + 1);
            }
            (ExprKind::Not(x), Node::Not(of)) => self.part(x, *of, Unit::Bool, "", depth + 1),
            (ExprKind::Neg(x), Node::Neg(of)) => self.part(x, *of, unit, "", depth + 1),
            (ExprKind::For { of: x, .. }, Node::For { of, .. }) => self.part(x, *of, Unit::Bool, "", depth + 1),
            (ExprKind::Call { args, .. }, Node::Greater(l, r) | Node::Lesser(l, r) | Node::Default(l, r)) => {
                for (arg, id) in args.iter().zip([l, r]) {
                    self.part(&arg.value, *id, unit, "", depth + 1);
                }
            }
            _ => self.read(node, depth + 1),
        }
    }

    /// What was read for a part that is not taken apart.
    fn read(&mut self, node: NodeId, depth: usize) {
        for i in self.m.inputs(self.plan, node) {
            let value = match i.value {
                Some(v) => show::brief(v, Unit::Number),
                None => missing(&i),
            };
            let age = i.age.map_or_else(String::new, |a| format!(", sampled {} before", show::duration(a)));
            self.lines.push(Line {
                depth,
                text: format!("{}{} was answered", i.metric, whose(i.population)),
                value: format!("{value}{age}"),
            });
        }
    }

    /// The expression that a name stands for.
    fn meant(&self, e: &Expr) -> Option<&Expr> {
        let ExprKind::Name(path) = &e.kind else { return None };
        let [name] = path.as_slice() else { return None };
        self.q.policy.files().iter().flat_map(|f| &f.items).find_map(|i| match i {
            Item::Let(l) if l.name.node == name.node => Some(&l.value),
            _ => None,
        })
    }
}

/// Whether an expression says its value itself.
fn literal(e: &Expr) -> bool {
    matches!(e.kind, ExprKind::Literal(_) | ExprKind::Text(_))
}

fn constant(plan: &Plan, node: NodeId) -> bool {
    matches!(plan.program.nodes.get(node.index()), Some(Node::Const(_) | Node::Bool(_)))
}
