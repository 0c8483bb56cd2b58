//! `C for …`: the one temporal word.

use super::expr::Lower;
use crate::plan::{Node, NodeId, Temporal};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, ForSpan};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Lower<'_, 'a> {
    /// `C for 5m` and its three other forms.
    pub(super) fn temporal(&mut self, e: &'a Expr, of: &'a Expr, span: &'a ForSpan) -> Option<NodeId> {
        if let ExprKind::Not(_) | ExprKind::Binary { op: BinaryOp::And | BinaryOp::Or, .. } = &of.kind {
            self.two_readings(of, e.span);
        }
        let op = self.temporal_op(span);
        let of = self.condition(of);
        let (op, of) = (op?, of?);
        let slot = self.program.monitors;
        self.program.monitors += 1;
        Some(self.push(Node::For { of, op, slot }))
    }

    fn temporal_op(&self, span: &'a ForSpan) -> Option<Temporal> {
        let cx = self.cx;
        match span {
            ForSpan::Duration(d) => Some(Temporal::For(cx.duration(d, "`for`", 1)?)),
            ForSpan::Checks(n) => Some(Temporal::Checks(cx.count(n, "`for … checks`", 1)?)),
            ForSpan::KOfN(k, n) => {
                let (ke, ne) = (k, n);
                let k = cx.count(k, "`for k of n checks`", 1);
                let n = cx.count(n, "`for k of n checks`", 1);
                let (k, n) = (k?, n?);
                if k > n {
                    cx.push(
                        Diagnostic::error(
                            "E0306",
                            format!("{k} of {n} checks can never be true"),
                            ke.span.to(ne.span),
                            "",
                        )
                        .help(format!("write `for {n} of {k} checks`")),
                    );
                    return None;
                }
                Some(Temporal::KOfN(k, n))
            }
            ForSpan::ShareOf(p, d) => {
                let share = cx.ratio(p, "`for …% of d`", 1e-6, 1.0);
                let d = cx.duration(d, "`for …% of d`", 1);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and 1,000,000")]
                let millionths = (share? * 1e6).round() as u32;
                Some(Temporal::ShareOf(millionths, d?))
            }
        }
    }

    /// `C for d` directly under `and`, `or`, `not` reads in two ways.
    pub(super) fn alone(&self, side: &'a Expr, _under: &str) {
        if let ExprKind::For { of, .. } = &side.kind {
            self.two_readings(of, side.span);
        }
    }

    fn two_readings(&self, of: &Expr, whole: Span) {
        let condition = self.cx.as_written(of.span);
        let all = self.cx.as_written(whole);
        let tail = all.strip_prefix(condition.as_str()).unwrap_or("").trim();
        self.cx.push(
            Diagnostic::error(
                "E0314",
                "`for` under `and`, `or`, `not` has two readings",
                whole,
                "put parentheses",
            )
            .help(format!(
                "`({condition} {tail})` measures this part alone; put the whole condition in parentheses, `(…) {tail}`, to measure all of it"
            )),
        );
    }
}
