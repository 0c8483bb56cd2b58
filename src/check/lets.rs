//! `let`s that nothing uses yet: what is wrong with them is found before somebody does.

use super::Cx;
use super::expr::Lower;
use super::functions::is_function;
use super::scope::{Decl, PREDECLARED};
use crate::syntax::ast::{Expr, ExprKind, ForSpan, Let};
use std::collections::BTreeSet;

/// The longest circle that is looked for where nobody uses it.
const LONGEST: usize = 32;

impl<'a> Cx<'a> {
    /// Names that nothing declares, functions that there are not, and circles. Types are known where a `let` is used.
    pub(super) fn check_let(&self, l: &'a Let) {
        let mut seen = BTreeSet::new();
        if self.leads_to(&l.value, &l.name.node, &mut seen) {
            // the way round is told by whoever goes it
            let _ = self.guarded(&l.name.node, || self.constant(&l.value, "a constant"));
            return;
        }
        self.names_in(&l.value);
    }

    /// Whether an expression needs a `let` of this name, itself or by another one.
    fn leads_to(&self, e: &'a Expr, name: &str, seen: &mut BTreeSet<&'a str>) -> bool {
        if let ExprKind::Name(path) = &e.kind {
            let [n] = path.as_slice() else { return false };
            if n.node == name {
                return true;
            }
            return match self.scope().names.get(n.node.as_str()) {
                // a circle longer than that is found by whoever uses it
                Some(Decl::Let(l)) if seen.len() < LONGEST && seen.insert(&l.name.node) => {
                    self.leads_to(&l.value, name, seen)
                }
                _ => false,
            };
        }
        parts(e).into_iter().any(|p| self.leads_to(p, name, seen))
    }

    fn names_in(&self, e: &'a Expr) {
        match &e.kind {
            ExprKind::Name(path) => {
                if let [n] = path.as_slice()
                    && !self.scope().names.contains_key(n.node.as_str())
                    && !PREDECLARED.contains(&n.node.as_str())
                {
                    self.unknown_name(&n.node, e.span);
                }
            }
            ExprKind::Call { callee, .. }
                if matches!(callee.as_slice(), [n]
                    if !is_function(&n.node) && !self.scope().names.contains_key(n.node.as_str())) =>
            {
                let _ = Lower::new(self, None, 1).value(e);
                return;
            }
            _ => {}
        }
        for p in parts(e) {
            self.names_in(p);
        }
    }
}

/// The expressions inside one, but for names that stand for a part of a call's own language (`since phase`).
fn parts(e: &Expr) -> Vec<&Expr> {
    match &e.kind {
        ExprKind::Literal(_) | ExprKind::Text(_) | ExprKind::Raw(_) | ExprKind::Name(_) | ExprKind::Hole => Vec::new(),
        ExprKind::List(items) => items.iter().collect(),
        ExprKind::Call { args, .. } => {
            args.iter().filter(|a| a.name.as_ref().is_none_or(|n| n.node != "since")).map(|a| &a.value).collect()
        }
        ExprKind::Index { base, .. } => vec![base],
        ExprKind::Neg(x) | ExprKind::Not(x) | ExprKind::Paren(x) => vec![x],
        ExprKind::Binary { left, right, .. } => vec![left, right],
        ExprKind::For { of, span } => match &**span {
            ForSpan::Duration(a) | ForSpan::Checks(a) => vec![of, a],
            ForSpan::KOfN(a, b) | ForSpan::ShareOf(a, b) => vec![of, a, b],
        },
        ExprKind::Confidence { of, level, .. } => vec![of, level],
    }
}
