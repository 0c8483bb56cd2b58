//! A multiple of a baseline that can be zero: `errors <= before * 150%` is `errors <= 0` where there were none, so that one stray
//! error is a regression, and `served >= before * 50%` is then true of a service that has stopped.

use super::expr::{Lower, Val};
use super::scope::Decl;
use super::types::Ty;
use crate::plan::{Node, NodeId};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Lower<'_, 'a> {
    /// Warns of a side that is a multiple of `before` or `stable`, and 0 where that is.
    pub(super) fn wants_floor(&self, op: BinaryOp, side: &'a Expr, value: Val, ty: Ty) {
        let Some((at, pronoun)) = self.multiple(side) else { return };
        if !self.can_be_zero(value.node) {
            return;
        }
        let written = self.cx.as_written(at);
        let then = match op {
            BinaryOp::Lt | BinaryOp::Le => "then the smallest amount is too much",
            BinaryOp::Gt | BinaryOp::Ge => "then nothing at all is enough",
            _ => return,
        };
        self.cx.push(
            Diagnostic::warning("W0613", format!("`{written}` is 0 where {pronoun} is"), at, then).help(format!(
                "put a floor under it, at what is no cause for alarm: `greater({written}, {})`",
                floor(ty)
            )),
        );
    }

    /// The place of a product or quotient of a pronoun, and the pronoun; lets are looked into.
    fn multiple(&self, e: &'a Expr) -> Option<(Span, &'static str)> {
        self.cx.step(e.span, || self.multiple_here(e))?
    }

    fn multiple_here(&self, e: &'a Expr) -> Option<(Span, &'static str)> {
        match &e.kind {
            ExprKind::Paren(x) | ExprKind::Neg(x) => self.multiple(x),
            ExprKind::Binary { op: BinaryOp::Mul | BinaryOp::Div, left, right, .. } => {
                let pronoun = self.named_in(left).or_else(|| self.named_in(right))?;
                Some((e.span, pronoun))
            }
            ExprKind::Binary { op: BinaryOp::Add | BinaryOp::Sub, left, right, .. } => {
                self.multiple(left).or_else(|| self.multiple(right))
            }
            ExprKind::Call { args, .. } => args.iter().find_map(|a| self.multiple(&a.value)),
            ExprKind::Name(path) => match path.as_slice() {
                [n] => match self.cx.scope().names.get(n.node.as_str()) {
                    Some(Decl::Let(l)) => {
                        let found = self.cx.guarded(&l.name.node, || self.multiple(&l.value)).flatten();
                        found.map(|(_, pronoun)| (e.span, pronoun))
                    }
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    fn named_in(&self, e: &'a Expr) -> Option<&'static str> {
        let at = self.pronoun_in(e)?;
        Some(match self.cx.map.slice(at) {
            "stable" => "`stable`",
            "before" => "`before`",
            // a let that stands for one of them
            _ => "what it stands for",
        })
    }

    /// Whether a value can be 0, nothing that is measured being below it. Of a quantile it is taken that it cannot: without
    /// events there is none, and events take time.
    fn can_be_zero(&self, id: NodeId) -> bool {
        let of = |id: NodeId| self.can_be_zero(id);
        match self.program.nodes.get(id.index()) {
            Some(Node::Const(v)) => *v <= 0.0,
            Some(Node::Quantile { .. }) | None => false,
            Some(Node::Add(a, b) | Node::Greater(a, b)) => of(*a) && of(*b),
            Some(Node::Mul(a, b) | Node::Lesser(a, b) | Node::Default(a, b)) => of(*a) || of(*b),
            Some(Node::Sub(a, _) | Node::Div(a, _) | Node::Neg(a)) => of(*a),
            Some(_) => true,
        }
    }
}

/// An example of a floor.
fn floor(ty: Ty) -> &'static str {
    match ty {
        Ty::Ratio | Ty::Points | Ty::Quotient => "0.1%",
        Ty::Rate => "0.1/s",
        Ty::Duration => "10ms",
        Ty::Bytes => "1MiB",
        _ => "1",
    }
}
