//! `C for …` where it can only do harm: it is false until it has lasted, and nobody waits for it.

use super::Cx;
use crate::plan::OverTime;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, ForSpan};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// The first `C for …` that must hold for the condition to hold: one under an odd number of `not`s says how long bad news may last.
fn must_last(e: &Expr, positive: bool) -> Option<&Expr> {
    match &e.kind {
        ExprKind::For { .. } if positive => Some(e),
        ExprKind::For { of, .. } => must_last(of, positive),
        ExprKind::Not(x) => must_last(x, !positive),
        ExprKind::Paren(x) => must_last(x, positive),
        ExprKind::Binary { op: BinaryOp::And | BinaryOp::Or, left, right, .. } => {
            must_last(left, positive).or_else(|| must_last(right, positive))
        }
        _ => None,
    }
}

impl Cx<'_> {
    /// A guard that acts at once, and states what must have lasted, acts on healthy values.
    pub(super) fn guard_that_must_last(&self, name: &str, healthy: &Expr, consequence: &str) {
        let Some(found) = must_last(healthy, true) else { return };
        let ExprKind::For { of, span } = &found.kind else { return };
        let condition = self.as_written(of.span);
        let help = match &**span {
            ForSpan::Duration(d) => {
                let d = self.as_written(d.span);
                format!("to put up with bad news for {d}: `guard {name}: {condition} tolerate {d} else {consequence}`")
            }
            _ => String::from("say how long bad news may last: `not ((BAD) for 3 of 5 checks)`"),
        };
        self.push(
            Diagnostic::error(
                "E0428",
                format!("guard `{name}` is false until its condition has lasted"),
                found.span,
                format!("would {} on healthy values", consequence.replace("rollback", "roll back")),
            )
            .help(help),
        );
    }

    /// A window over checks, where there was none yet.
    pub(super) fn window_before_the_start(&self, word: &str, how: OverTime, e: &Expr, (of, window): (&Expr, Span)) {
        let (of, window) = (self.as_written(of.span), self.as_written(window));
        let instead = match how {
            OverTime::Avg
            | OverTime::Max
            | OverTime::Min
            | OverTime::Sum
            | OverTime::Stddev
            | OverTime::Quantile(_) => {
                format!("{word}_over_time")
            }
            OverTime::Delta | OverTime::Rate => String::from("delta"),
        };
        self.push(
            Diagnostic::error(
                "E0428",
                "`require` is asked once, before the start, and the checks of a window come after it",
                e.span,
                "never known there",
            )
            .help(format!(
                "ask for `{of}` as it is, or let the source look back: a metric whose query says `{instead}(…[{window}])`"
            )),
        );
    }

    /// What is asked once, before the start, has lasted for no time.
    pub(super) fn require_that_must_last(&self, cond: &Expr) {
        if let Some(found) = must_last(cond, true) {
            self.push(
                Diagnostic::error(
                    "E0428",
                    "`require` is asked once, before the start",
                    found.span,
                    "can never have lasted",
                )
                .help("leave `for …` out, or look back by a window that the source answers: `errors(10m) < 1%`"),
            );
        }
    }
}
