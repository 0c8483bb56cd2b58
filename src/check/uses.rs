//! Uses of metrics: what the name of a metric stands for, for the present population.

use super::expr::{Lower, Val};
use super::inputs::How;
use super::metrics::{Body, Metric, Source};
use super::types::{self, Ty};
use crate::plan::{Millis, Node, Population, Window};
use crate::syntax::ast::Expr;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'c, 'a> Lower<'c, 'a> {
    /// The present population's value of a metric; `window` is the one in the call.
    pub(super) fn metric(&mut self, name: &'a str, window: Option<Millis>, at: Span) -> Option<Val> {
        self.cx.use_name(name);
        let cx = self.cx;
        let m: &Metric<'a> = cx.metric(name)?;
        self.reads(name);
        let (node, ty) = match &m.body {
            Body::Gauge(s) => {
                if window.is_some() && !s.windowed() {
                    cx.push(
                        Diagnostic::error(
                            "E0207",
                            format!("`{name}` takes no window"),
                            at,
                            "its query has no `${window}`",
                        )
                        .also(s.raw, "the query")
                        .help("write `[${window}]` in the query, or use the metric without parentheses"),
                    );
                    return None;
                }
                let w = window.or(s.window).unwrap_or_else(|| self.usual_window(s));
                (Node::Gauge(self.input(name, s, How::Value(w), at)?), m.ty)
            }
            Body::Events { bad, total, window: own } => {
                let (Some(b), Some(t)) = (self.counter(bad), self.counter(total)) else {
                    return None;
                };
                let w = match self.population {
                    Population::Before => self.baseline,
                    _ => window.or(*own).unwrap_or_else(|| self.usual_window(b)),
                };
                let how = How::Increase(Window::Last(w));
                let bad_input = self.input(bad, b, how, at);
                let total_input = self.input(total, t, how, at);
                (Node::Events { bad: bad_input?, total: total_input? }, Ty::Ratio)
            }
            Body::Derived(value) => {
                if window.is_some() {
                    cx.push(
                        Diagnostic::error("E0207", format!("`{name}` takes no window"), at, "")
                            .also(m.ast.name.span, "it is an expression over other metrics")
                            .help("give the windows to the metrics inside it"),
                    );
                    return None;
                }
                return self.derived(m, value);
            }
            Body::Counter(_) => {
                cx.push(
                    Diagnostic::error(
                        "E0309",
                        format!("`{name}` is a counter: its value only ever grows"),
                        at,
                        "count its increments",
                    )
                    .help("`increase(c)` counts since the guard watches, `increase(c, 5m)` in a window")
                    .fix(at, format!("increase({name}, 5m)")),
                );
                return None;
            }
            Body::Histogram(_) => {
                let example = if m.ty == Ty::Duration { "300ms" } else { m.ty.example() };
                cx.push(
                    Diagnostic::error(
                        "E0309",
                        format!("`{name}` is a histogram, not one number"),
                        at,
                        "ask for a share or a quantile",
                    )
                    .help(format!("`share({name} < {example})` or `p95({name})`")),
                );
                return None;
            }
        };
        let node = self.push(node);
        Some(Val { node, ty, zero: false, live: true })
    }

    /// A derived metric by itself, used or not.
    pub(super) fn check_derived(&mut self, m: &Metric<'a>) -> Option<Val> {
        match &m.body {
            Body::Derived(value) => self.derived(m, value),
            _ => None,
        }
    }

    fn derived(&mut self, m: &Metric<'a>, value: &'a Expr) -> Option<Val> {
        let cx = self.cx;
        let name = m.ast.name.node.as_str();
        let Some(v) = cx.guarded(&m.ast.name.node, || self.value(value)) else {
            cx.cycle(name, m.ast.name.span);
            return None;
        };
        let v = v?;
        if !types::fits(v.ty, v.zero, m.ty) {
            cx.push(
                Diagnostic::error(
                    "E0301",
                    format!("`{name}` is declared as {}, and this is {}", m.ty.a(), v.ty.a()),
                    value.span,
                    format!("this is {}", v.ty.a()),
                )
                .also(m.ast.kind.span, format!("declared as {}", m.ty.a()))
                .help("change the kind, or the expression"),
            );
            return None;
        }
        Some(Val { ty: m.ty, ..v })
    }

    /// The source of a counter by name.
    pub(super) fn counter(&mut self, name: &'a str) -> Option<&'c Source<'a>> {
        self.cx.use_name(name);
        let cx = self.cx;
        let m = cx.metric(name)?;
        self.reads(name);
        match &m.body {
            Body::Counter(s) => Some(s),
            _ => None,
        }
    }

    pub(super) fn reads(&mut self, name: &'a str) {
        if !self.metrics.contains(&name) {
            self.metrics.push(name);
        }
    }
}
