//! An expression that somebody asks beside a policy, in the scope of one of its rollouts: typed and lowered by the same walk as those
//! that stand in it, behind all of them, so that it changes nothing of what the rollout does.

use super::expr::{Lower, Place};
use super::scope::Decl;
use super::types::Value;
use super::{Cx, environment, rollout};
use crate::plan::{NodeId, Plan, Unit};
use crate::syntax::ast::{self, BinaryOp, Expr, ExprKind};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::SourceMap;
use std::collections::BTreeSet;

/// What was made of an expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// It reads nothing that is measured: its value as it would be written, and its type in words.
    Constant {
        /// `2%`
        written: String,
        /// `ratio`
        kind: &'static str,
    },
    /// Something true, false or unknown.
    Condition(NodeId),
    /// A number.
    Number {
        /// Where it is computed.
        node: NodeId,
        /// How it is shown.
        unit: Unit,
        /// Its type in words: `ratio`, `difference of ratios (pp)`.
        kind: &'static str,
    },
}

/// Who asks what: texts, a rollout of theirs, an environment where one matters, params that are set, and what other policies declare
/// that share the environment.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'q> {
    /// The trees.
    pub files: &'q [ast::File],
    /// Their texts.
    pub map: &'q SourceMap,
    /// The rollout; none where there is only one.
    pub rollout: Option<&'q str>,
    /// The environment; none: the plan as it is by itself.
    pub environment: Option<&'q str>,
    /// Params that are set.
    pub sets: &'q [(String, String)],
    /// What others declare.
    pub others: &'q BTreeSet<String>,
}

/// Compiles a rollout with an expression beside it. The plan has no hash: it is another one's with more in it. There is none if a
/// finding is an error; of the policy itself nothing is found here that [`super::compile`] does not find as well.
#[must_use]
pub fn ask(scope: Scope<'_>, e: &Expr) -> (Option<(Plan, Asked)>, Vec<Diagnostic>) {
    let cx = Cx::new(scope.files, scope.map, scope.sets, scope.others);
    let chosen = rollout::choose(&cx, scope.rollout);
    let env = scope.environment.map(|name| environment::choose(&cx, Some(name)));
    let made = match (chosen, &env) {
        (Some(r), None) => rollout::plan_asked(&cx, r, None, e),
        (Some(r), Some(Some(env))) => rollout::plan_asked(&cx, r, Some(env), e),
        _ => None,
    };
    let found = cx.finish();
    let broken = found.iter().any(Diagnostic::is_error);
    (made.filter(|_| !broken), found)
}

/// The names of calls that are true or false.
const CONDITIONS: [&str; 5] = ["missing", "approved", "signed_off", "alert_firing", "silenced"];

impl<'a> Lower<'_, 'a> {
    /// What somebody asks.
    pub(super) fn asked(&mut self, e: &'a Expr) -> Option<Asked> {
        self.place = Place::Asked;
        if self.cx.is_const(e) {
            let v = self.cx.constant(e, "a value")?;
            return Some(Asked::Constant { written: v.show(), kind: words(&v) });
        }
        if self.is_condition(e) {
            return self.condition(e).map(Asked::Condition);
        }
        let v = self.value(e)?;
        if v.ty == super::types::Ty::Bool {
            return self.condition(e).map(Asked::Condition);
        }
        Some(Asked::Number { node: v.node, unit: v.ty.unit(), kind: bare(v.ty.a()) })
    }

    /// Whether an expression says something that is true or false, by its form; a `let` is what it stands for.
    fn is_condition(&self, e: &'a Expr) -> bool {
        match &e.kind {
            ExprKind::Paren(x) => self.is_condition(x),
            ExprKind::Not(_) | ExprKind::For { .. } | ExprKind::Confidence { .. } => true,
            ExprKind::Binary { op, .. } => {
                op.is_comparison() || matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::In)
            }
            ExprKind::Call { callee, .. } => {
                matches!(callee.as_slice(), [n] if CONDITIONS.contains(&n.node.as_str()))
            }
            ExprKind::Name(path) => match path.as_slice() {
                [n] if matches!(n.node.as_str(), "healthy" | "undecided" | "now") => true,
                [n] => match self.cx.scope().names.get(n.node.as_str()) {
                    Some(Decl::Let(l)) => {
                        self.cx.guarded(&l.name.node, || self.is_condition(&l.value)).unwrap_or(false)
                    }
                    _ => false,
                },
                _ => false,
            },
            _ => false,
        }
    }
}

/// The type of a constant in words.
fn words(v: &Value) -> &'static str {
    bare(v.a())
}

/// Without its article.
fn bare(a: &'static str) -> &'static str {
    a.strip_prefix("an ").or_else(|| a.strip_prefix("a ")).unwrap_or(a)
}
