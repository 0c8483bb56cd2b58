//! Objectives and their budgets: `platform_slo.burn(1h)`, `platform_slo.spent`. What was bad, over what may be.

use super::Cx;
use super::expr::{Lower, Val};
use super::inputs::How;
use super::metrics::Body;
use super::scope::Decl;
use super::types::{Ty, Value};
use crate::plan::{Millis, Node, Population, Window};
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

const SHAPE: &str = "for example `objective errors <= 0.1% over 30d`";

/// What may be bad, of what, over which period.
pub(super) struct Objective<'a> {
    metric: &'a Name,
    limit: f64,
    over: Millis,
}

impl<'a> Cx<'a> {
    /// The objective of a `slo`; what is wrong with it is reported.
    pub(super) fn objective(&self, s: &'a ast::Slo) -> Option<Objective<'a>> {
        let o = match s.objectives.as_slice() {
            [o] => o,
            [] => {
                let message = format!("`{}` says no objective", s.name.node);
                self.push(Diagnostic::error("E0444", message, s.name.span, "").help(SHAPE));
                return None;
            }
            [first, second, ..] => {
                self.push(
                    Diagnostic::error(
                        "E0444",
                        format!("`{}` has two objectives", s.name.node),
                        second.span,
                        "again here",
                    )
                    .also(first.span, "the first")
                    .help("give each a `slo` of its own"),
                );
                return None;
            }
        };
        let over = self.duration(&o.over, "`over`", 60_000);
        let (left, right) = match &o.of.kind {
            ExprKind::Hole => return None,
            ExprKind::Binary { op: BinaryOp::Le | BinaryOp::Lt, left, right, .. } => (left, right),
            _ => {
                let what = "an objective says which share may be bad at most";
                self.push(Diagnostic::error("E0444", what, o.of.span, "").help(SHAPE));
                return None;
            }
        };
        let metric = match &left.kind {
            ExprKind::Name(path) => self.one_name(path, "an `events` metric")?,
            _ => {
                self.push(Diagnostic::error("E0444", "an `events` metric is needed", left.span, "").help(SHAPE));
                return None;
            }
        };
        let is_events = |d: &Decl<'_>| matches!(d, Decl::Metric(m) if m.kind.node == "events");
        self.expect_decl(
            metric,
            "`events` metrics",
            "declare it with `metric name: events = events(bad: …, total: …)`",
            is_events,
        )?;
        let limit = self.ratio(right, "the limit of an objective", 0.0, 1.0)?;
        if limit <= 0.0 {
            self.push(
                Diagnostic::error(
                    "E0444",
                    "an objective without a budget: nothing can be spent of it",
                    right.span,
                    "0%",
                )
                .help("give it a budget, or write a guard: `increase(failed) == 0`"),
            );
            return None;
        }
        Some(Objective { metric, limit, over: over? })
    }
}

impl<'a> Lower<'_, 'a> {
    /// The bad share over the limit: over a window it is how fast the budget burns (a number), over the whole period how much of it
    /// is spent (a ratio).
    pub(super) fn burnt(&mut self, s: &'a ast::Slo, o: Objective<'a>, window: Option<Millis>, at: Span) -> Option<Val> {
        let cx = self.cx;
        if self.population == Population::Before {
            cx.push(
                Diagnostic::error(
                    "E0313",
                    format!("`{}` has no `before`", s.name.node),
                    self.pronoun.unwrap_or(at),
                    "",
                )
                .help("compare what is burnt with a constant: `burn(1h) < 14`"),
            );
            return None;
        }
        let m = cx.metric(&o.metric.node)?;
        self.reads(&o.metric.node);
        let Body::Events { bad, total, .. } = &m.body else { return None };
        let (b, t) = (self.counter(bad)?, self.counter(total)?);
        let how = How::Increase(Window::Last(window.unwrap_or(o.over)));
        let (bad, total) = (self.input(bad, b, how, at), self.input(total, t, how, at));
        let share = self.push(Node::Events { bad: bad?, total: total? });
        let limit = self.push(Node::Const(o.limit));
        let node = self.push(Node::Div(share, limit));
        Some(Val { node, ty: if window.is_some() { Ty::Number } else { Ty::Ratio }, zero: false, live: true })
    }
}

/// A constant that stands beside a value of some type, in base units.
pub(super) fn anchor<'a>(cx: &Cx<'a>, e: &'a Expr, ty: Ty, what: &str) -> Option<f64> {
    let v = cx.constant(e, what)?;
    match &v {
        Value::Num(n, have) if super::types::common(ty, false, *have, v.is_zero()).is_some() => Some(*n),
        other => {
            cx.wants(e, other, ty, what);
            None
        }
    }
}
