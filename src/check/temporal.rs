//! `C for …`: the one temporal word. That it stands in parentheses under `and`, `or`, `not` is seen by the parser.

use super::expr::Lower;
use crate::plan::{Node, NodeId, Temporal};
use crate::syntax::ast::{Expr, ForSpan};
use crate::syntax::diagnostic::Diagnostic;

impl<'a> Lower<'_, 'a> {
    /// `C for 5m` and its three other forms.
    pub(super) fn temporal(&mut self, of: &'a Expr, span: &'a ForSpan) -> Option<NodeId> {
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
}
