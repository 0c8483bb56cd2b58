//! Comparisons: two sides of one dimension.

use super::expr::Lower;
use super::types::{self, Ty};
use crate::plan::{Compare, Node, NodeId};
use crate::syntax::ast::{BinaryOp, Expr};
use crate::syntax::diagnostic::Diagnostic;

impl<'a> Lower<'_, 'a> {
    /// `left op right`
    pub(super) fn comparison(&mut self, op: BinaryOp, e: &'a Expr, left: &'a Expr, right: &'a Expr) -> Option<NodeId> {
        if self.cx.is_const(left) && self.cx.is_const(right) {
            // a poisoned side makes no second finding
            let sides = (self.cx.constant(left, "a value"), self.cx.constant(right, "a value"));
            if let (Some(_), Some(_)) = sides {
                self.cx.push(
                    Diagnostic::error("E0305", "two constants are compared", e.span, "always the same answer")
                        .help("one side must be measured"),
                );
            }
            return None;
        }
        let (l, r) = self.sides(left, right);
        let (l, r) = (l?, r?);
        let Some(ty) = types::common(l.ty, l.zero, r.ty, r.zero) else {
            self.cx.mismatch("cannot compare", (left, l.ty), (right, r.ty));
            return None;
        };
        if ty == Ty::Bool && !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            self.cx.push(
                Diagnostic::error("E0301", "bools have no order", e.span, "").help("compare them with `==` or `!=`"),
            );
            return None;
        }
        if ty == Ty::Count {
            for (side, v) in [(left, l), (right, r)] {
                if let Some(Node::Const(n)) = self.program.nodes.get(v.node.index())
                    && n.fract() != 0.0
                {
                    self.cx.push(
                        Diagnostic::error("E0306", "counts are whole", side.span, "not a whole number")
                            .help("write a whole number"),
                    );
                    return None;
                }
            }
        }
        self.wants_floor(op, right, r, ty);
        self.wants_floor(mirrored(op), left, l, ty);
        let at_least = self.at_least.filter(|_| self.sized(l.node) || self.sized(r.node));
        self.at_least_used |= at_least.is_some();
        Some(self.push(Node::Compare { op: compare(op), left: l.node, right: r.node, at_least, unit: ty.unit() }))
    }
}

/// The comparison as it reads from the other side.
fn mirrored(op: BinaryOp) -> BinaryOp {
    match op {
        BinaryOp::Lt => BinaryOp::Gt,
        BinaryOp::Le => BinaryOp::Ge,
        BinaryOp::Gt => BinaryOp::Lt,
        BinaryOp::Ge => BinaryOp::Le,
        other => other,
    }
}

fn compare(op: BinaryOp) -> Compare {
    match op {
        BinaryOp::Ne => Compare::Ne,
        BinaryOp::Lt => Compare::Lt,
        BinaryOp::Le => Compare::Le,
        BinaryOp::Gt => Compare::Gt,
        BinaryOp::Ge => Compare::Ge,
        // the callers pass comparisons only
        _ => Compare::Eq,
    }
}
