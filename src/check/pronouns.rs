//! `stable` and `before`: the metric on the other side of the comparison, of another population.

use super::expr::{Lower, Val};
use super::functions;
use super::scope::Decl;
use crate::plan::Population;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Lower<'_, 'a> {
    /// Both sides of a comparison; a pronoun on one side stands for the metric on the other.
    pub(super) fn sides(&mut self, left: &'a Expr, right: &'a Expr) -> (Option<Val>, Option<Val>) {
        match (self.pronoun_in(left), self.pronoun_in(right)) {
            (Some(_), Some(at)) => {
                self.cx.push(
                    Diagnostic::error(
                        "E0313",
                        "both sides of this comparison are pronouns",
                        at,
                        "stands for the metric on the other side",
                    )
                    .help("write the metric on one side: `errors <= stable + 0.5pp`"),
                );
                (None, None)
            }
            (None, Some(at)) => {
                let l = self.value(left);
                let r = self.facing(left, at, |s| s.value(right));
                (l, r)
            }
            (Some(at), None) => {
                let l = self.facing(right, at, |s| s.value(left));
                (l, self.value(right))
            }
            (None, None) => {
                let l = self.value(left);
                (l, self.value(right))
            }
        }
    }

    /// Lowers one side while its pronouns stand for the metric of the other.
    fn facing(&mut self, other: &'a Expr, at: Span, lower: impl FnOnce(&mut Self) -> Option<Val>) -> Option<Val> {
        let mut found = Vec::new();
        self.metrics_in(other, &mut found);
        let target = match found.as_slice() {
            [one] => *one,
            [] => {
                // what stands there instead has been reported, unless it reads no metric at all
                if self.reads_nothing(other) {
                    self.cx.push(
                        Diagnostic::error(
                            "E0313",
                            "there is no metric on the other side for this to stand for",
                            at,
                            "",
                        )
                        .also(other.span, "no metric here")
                        .help("write the metric on one side: `errors <= stable + 0.5pp`"),
                    );
                }
                return None;
            }
            [first, second, ..] => {
                self.cx.push(
                    Diagnostic::error("E0313", "this could stand for more than one metric", at, "")
                        .also(first.span, "this one")
                        .also(second.span, "or this one")
                        .help("name the expression with `metric name: kind = …` and compare that"),
                );
                return None;
            }
        };
        let outer = self.target.replace(target);
        let out = lower(self);
        self.target = outer;
        out
    }

    /// A pronoun as a value.
    pub(super) fn pronoun(&mut self, e: &'a Expr, population: Population) -> Option<Val> {
        let Some(target) = self.target.take() else {
            let word = self.cx.as_written(e.span);
            self.cx.push(
                Diagnostic::error(
                    "E0313",
                    format!("`{word}` stands for the metric on the other side of a comparison"),
                    e.span,
                    "no comparison here",
                )
                .help(format!("for example `errors <= {word} + 0.5pp`")),
            );
            return None;
        };
        if population == Population::Before {
            self.reads_before = true;
        }
        let outer = (self.population, self.pronoun);
        (self.population, self.pronoun) = (population, Some(e.span));
        let v = self.value(target);
        (self.population, self.pronoun) = outer;
        self.target = Some(target);
        v
    }

    /// The place of a pronoun below an expression; lets are looked into.
    pub(super) fn pronoun_in(&self, e: &'a Expr) -> Option<Span> {
        self.cx.step(e.span, || self.pronoun_in_here(e))?
    }

    fn pronoun_in_here(&self, e: &'a Expr) -> Option<Span> {
        match &e.kind {
            ExprKind::Name(path) => match path.as_slice() {
                [n] if n.node == "stable" || n.node == "before" => Some(n.span),
                [n] => self.through_let(n, |x| self.pronoun_in(x).map(|_| e.span)),
                _ => None,
            },
            ExprKind::Paren(x) | ExprKind::Neg(x) => self.pronoun_in(x),
            ExprKind::Binary { op, left, right, .. } if !op.is_comparison() => {
                self.pronoun_in(left).or_else(|| self.pronoun_in(right))
            }
            ExprKind::Call { args, .. } => args.iter().find_map(|a| self.pronoun_in(&a.value)),
            _ => None,
        }
    }

    fn through_let<T>(&self, n: &Name, f: impl FnOnce(&'a Expr) -> Option<T>) -> Option<T> {
        match self.cx.scope().names.get(n.node.as_str()) {
            Some(Decl::Let(l)) => self.cx.guarded(&l.name.node, || f(&l.value)).flatten(),
            _ => None,
        }
    }

    /// The uses of metrics below an expression: names, and calls that ask a metric for something.
    fn metrics_in(&self, e: &'a Expr, out: &mut Vec<&'a Expr>) {
        let _ = self.cx.step(e.span, || self.metrics_in_here(e, out));
    }

    fn metrics_in_here(&self, e: &'a Expr, out: &mut Vec<&'a Expr>) {
        match &e.kind {
            ExprKind::Name(path) => {
                if let [root, _] = path.as_slice()
                    && self.cx.has_fields(root)
                {
                    out.push(e);
                }
                if let [n] = path.as_slice() {
                    match self.cx.scope().names.get(n.node.as_str()) {
                        Some(Decl::Metric(_)) => out.push(e),
                        Some(Decl::Let(l)) => {
                            let _ = self.cx.guarded(&l.name.node, || self.metrics_in(&l.value, out));
                        }
                        _ => {}
                    }
                }
            }
            ExprKind::Paren(x) | ExprKind::Neg(x) => self.metrics_in(x, out),
            ExprKind::Binary {
                op: BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div, left, right, ..
            } => {
                self.metrics_in(left, out);
                self.metrics_in(right, out);
            }
            ExprKind::Call { callee, args } => {
                if matches!(callee.as_slice(), [n] if functions::chooses(&n.node)) {
                    for a in args {
                        self.metrics_in(&a.value, out);
                    }
                } else {
                    out.push(e);
                }
            }
            _ => {}
        }
    }

    /// Whether an expression is made of known things only and none of them is measured by a metric.
    fn reads_nothing(&self, e: &'a Expr) -> bool {
        match &e.kind {
            ExprKind::Hole => false,
            ExprKind::Name(path) => match path.as_slice() {
                [n] => !matches!(self.cx.scope().names.get(n.node.as_str()), None | Some(Decl::Later(_))),
                [root, ..] => matches!(root.node.as_str(), "phase" | "rollout"),
                [] => false,
            },
            ExprKind::Paren(x) | ExprKind::Neg(x) => self.reads_nothing(x),
            ExprKind::Binary { left, right, .. } => self.reads_nothing(left) && self.reads_nothing(right),
            _ => true,
        }
    }
}
