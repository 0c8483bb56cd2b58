//! `COMPARISON confidence 99% [or undecided]`: an always-valid sequential test instead of a comparison of two numbers.

use super::expr::Lower;
use crate::plan::{Node, NodeId, Population};
use crate::syntax::ast::{Expr, ExprKind};
use crate::syntax::diagnostic::Diagnostic;

const SHAPE: &str = "for example `errors <= stable + 0.5pp confidence 99% or undecided`";

impl<'a> Lower<'_, 'a> {
    pub(super) fn confidence(
        &mut self,
        e: &'a Expr,
        of: &'a Expr,
        level: &'a Expr,
        or_undecided: bool,
    ) -> Option<NodeId> {
        let cx = self.cx;
        let share = cx.ratio(level, "`confidence`", 0.5, 0.999_999);
        if !is_comparison(of) {
            // the parser has said so
            return None;
        }
        let node = self.condition(of)?;
        let share = share?;
        let Some(&Node::Compare { left, right, at_least, .. }) = self.program.nodes.get(node.index()) else {
            return None;
        };
        if at_least.is_some() {
            cx.push(
                Diagnostic::error(
                    "E0319",
                    "`at least n events` beside `confidence`",
                    e.span,
                    "the test itself knows when it has seen enough",
                )
                .help("leave `at least` out"),
            );
            return None;
        }
        let fits = |counted: NodeId, other: NodeId| self.counted(counted) && self.stable_or_constant(other);
        if !fits(left, right) && !fits(right, left) {
            cx.push(
                Diagnostic::error(
                    "E0319",
                    "`confidence` tests counted events against `stable` or a constant",
                    of.span,
                    "not such a comparison",
                )
                .help(format!("one side is an `events` metric, a `share` or an `increase`: {SHAPE}")),
            );
            return None;
        }
        self.later("confidence", e.span);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 500,000 and 999,999")]
        let level = (share * 1e6).round() as u32;
        Some(self.push(Node::Confidence { of: node, level, or_undecided }))
    }

    /// Counts of the canary, nothing made of them.
    fn counted(&self, id: NodeId) -> bool {
        let of_canary = |n: &Node| {
            n.inputs().all(|i| self.inputs.list.get(i.index()).is_some_and(|i| i.population == Population::Canary))
        };
        self.program.nodes.get(id.index()).is_some_and(|n| {
            matches!(n, Node::Events { .. } | Node::Share { .. } | Node::Increase(..) | Node::Accumulated { .. })
                && of_canary(n)
        })
    }

    fn stable_or_constant(&self, id: NodeId) -> bool {
        let Some(n) = self.program.nodes.get(id.index()) else { return false };
        n.inputs().all(|i| self.inputs.list.get(i.index()).is_some_and(|i| i.population == Population::Stable))
            && n.operands().all(|o| self.stable_or_constant(o))
            && !matches!(n, Node::PhaseElapsed | Node::RolloutElapsed | Node::Outside(_))
    }
}

fn is_comparison(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Paren(x) => is_comparison(x),
        ExprKind::Binary { op, .. } => op.is_comparison(),
        _ => false,
    }
}
