//! Scores: several signals as one ratio, each between an anchor that is bad and one that is good.

use super::Cx;
use super::expr::{Lower, Val};
use super::objectives::anchor;
use super::scope::duplicate;
use super::types::{Ty, Value};
use crate::plan::Node;
use crate::syntax::ast;
use crate::syntax::diagnostic::Diagnostic;

const SHAPE: &str = "for example `part errors = errors bad 2% good 0.1% weight 3`";

impl<'a> Lower<'_, 'a> {
    /// A score as a value: the weighted mean of its parts; without one of them it is missing.
    pub(super) fn score(&mut self, s: &'a ast::Score) -> Option<Val> {
        let cx = self.cx;
        cx.use_name(&s.name.node);
        match cx.guarded(&s.name.node, || self.score_here(s)) {
            Some(v) => v,
            None => {
                cx.cycle(&s.name.node, s.name.span);
                None
            }
        }
    }

    fn score_here(&mut self, s: &'a ast::Score) -> Option<Val> {
        let cx = self.cx;
        if s.parts.is_empty() {
            let message = format!("score `{}` has no part", s.name.node);
            cx.push(Diagnostic::error("E0445", message, s.name.span, "").help(SHAPE));
            return None;
        }
        let mut sum = None;
        let mut total = 0.0;
        let mut whole = true;
        for (i, p) in s.parts.iter().enumerate() {
            if let Some(first) = s.parts.iter().take(i).find(|o| o.name.node == p.name.node) {
                whole = false;
                cx.push(duplicate(&p.name.node, p.name.span, first.name.span));
            }
            let Some((node, weight)) = self.part(p) else {
                whole = false;
                continue;
            };
            total += weight;
            let weight = self.push(Node::Const(weight));
            let weighted = self.push(Node::Mul(node, weight));
            sum = Some(match sum {
                None => weighted,
                Some(before) => self.push(Node::Add(before, weighted)),
            });
        }
        if !whole {
            return None;
        }
        let total = self.push(Node::Const(total));
        let node = self.push(Node::Div(sum?, total));
        Some(Val { node, ty: Ty::Ratio, zero: false, live: true })
    }

    fn part(&mut self, p: &'a ast::Part) -> Option<(crate::plan::NodeId, f64)> {
        let cx = self.cx;
        let value = self.value(&p.value);
        let weight = match &p.weight {
            None => Some(1.0),
            Some(w) => weight(cx, w),
        };
        let value = value?;
        if value.ty == Ty::Bool || !value.live {
            let message = format!("part `{}` measures nothing", p.name.node);
            cx.push(Diagnostic::error("E0445", message, p.value.span, "").help(SHAPE));
            return None;
        }
        let (bad, good) = (anchor(cx, &p.bad, value.ty, "`bad`"), anchor(cx, &p.good, value.ty, "`good`"));
        let (bad, good) = (bad?, good?);
        if (bad - good).abs() <= f64::EPSILON * bad.abs() {
            let message = format!("part `{}` is as good as it is bad", p.name.node);
            cx.push(Diagnostic::error("E0445", message, p.bad.span.to(p.good.span), "the same").help(SHAPE));
            return None;
        }
        let node = self.push(Node::Scored { of: value.node, bad, good });
        Some((node, weight?))
    }
}

fn weight<'a>(cx: &Cx<'a>, e: &'a ast::Expr) -> Option<f64> {
    match cx.constant(e, "`weight`")? {
        Value::Num(n, Ty::Number | Ty::Count) if n > 0.0 => Some(n),
        other @ Value::Num(_, Ty::Number | Ty::Count) => {
            cx.push(Diagnostic::error("E0445", "a weight is greater than zero", e.span, other.show()).help(SHAPE));
            None
        }
        other => {
            cx.wants(e, &other, Ty::Number, "`weight`");
            None
        }
    }
}
