//! Constant expressions: literals, params, and lets over them.

use super::types::{self, Ty, Value};
use super::{Cx, scope::Decl};
use crate::plan::Millis;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Literal};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Cx<'a> {
    /// Whether an expression reads nothing that is measured. A hole, an unknown name and a poisoned one count as constant:
    /// evaluating them says what there is to say.
    pub(super) fn is_const(&self, e: &'a Expr) -> bool {
        self.step(e.span, || self.is_const_here(e)).unwrap_or(false)
    }

    fn is_const_here(&self, e: &'a Expr) -> bool {
        match &e.kind {
            ExprKind::Literal(_) | ExprKind::Text(_) | ExprKind::Raw(_) => true,
            ExprKind::List(items) => items.iter().all(|i| self.is_const(i)),
            ExprKind::Paren(x) | ExprKind::Neg(x) => self.is_const(x),
            ExprKind::Binary { op, left, right, .. } => {
                matches!(op, BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div)
                    && self.is_const(left)
                    && self.is_const(right)
            }
            ExprKind::Name(path) => match path.as_slice() {
                [n] => match self.scope().names.get(n.node.as_str()) {
                    Some(Decl::Param(_)) => true,
                    Some(Decl::Let(l)) => self.guarded(&l.name.node, || self.is_const(&l.value)).unwrap_or(false),
                    _ => false,
                },
                _ => false,
            },
            _ => false,
        }
    }

    /// Runs `f` while `name` is being expanded; `None` when it already is.
    pub(super) fn guarded<T>(&self, name: &'a str, f: impl FnOnce() -> T) -> Option<T> {
        if self.open.borrow().contains(&name) {
            return None;
        }
        self.open.borrow_mut().push(name);
        let out = f();
        self.open.borrow_mut().pop();
        Some(out)
    }

    /// The value of a constant; what is not one is reported. `what` is for messages: "`hold`".
    pub(super) fn constant(&self, e: &'a Expr, what: &str) -> Option<Value> {
        self.step(e.span, || self.constant_here(e, what))?
    }

    fn constant_here(&self, e: &'a Expr, what: &str) -> Option<Value> {
        match &e.kind {
            ExprKind::Literal(l) => Some(literal(*l)),
            ExprKind::Text(t) => Some(Value::Text(t.clone())),
            ExprKind::List(items) => {
                let items: Vec<_> = items.iter().map(|i| self.constant(i, what)).collect();
                items.into_iter().collect::<Option<Vec<_>>>().map(Value::List)
            }
            ExprKind::Paren(x) => self.constant(x, what),
            ExprKind::Neg(x) => match self.constant(x, what)? {
                Value::Num(v, ty) => Some(Value::Num(-v, ty)),
                other => {
                    self.push(Diagnostic::error("E0303", format!("{} has no negative", other.a()), e.span, ""));
                    None
                }
            },
            ExprKind::Binary {
                op: op @ (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div),
                left,
                right,
                ..
            } => {
                let l = self.constant(left, what);
                let r = self.constant(right, what);
                self.fold(*op, e.span, (left, l?), (right, r?))
            }
            ExprKind::Name(path) => match path.as_slice() {
                [n] => self.constant_name(e, &n.node, what),
                [root, ..] if matches!(self.scope().names.get(root.node.as_str()), Some(Decl::Module(_))) => {
                    self.module_path(root, e.span);
                    None
                }
                _ => self.not_const(e, what),
            },
            ExprKind::Hole => {
                self.holes.set(true);
                None
            }
            _ => self.not_const(e, what),
        }
    }

    fn constant_name(&self, e: &'a Expr, name: &str, what: &str) -> Option<Value> {
        match self.scope().names.get(name) {
            Some(Decl::Param(_)) => {
                self.use_name(name);
                self.param(name)
            }
            Some(Decl::Let(l)) => {
                self.use_name(name);
                match self.guarded(&l.name.node, || self.constant(&l.value, what)) {
                    Some(v) => v,
                    None => {
                        self.cycle(&l.name.node, l.name.span);
                        None
                    }
                }
            }
            Some(Decl::Later(_)) => {
                self.use_name(name);
                None
            }
            Some(Decl::Module(m)) => {
                self.not_in_module(m, e.span);
                None
            }
            Some(_) => self.not_const(e, what),
            None => {
                self.unknown_name(name, e.span);
                None
            }
        }
    }

    fn not_const(&self, e: &Expr, what: &str) -> Option<Value> {
        self.push(
            Diagnostic::error(
                "E0304",
                format!("{what} must be known before the rollout starts"),
                e.span,
                "not a constant",
            )
            .help("write a literal, a `param`, or a `let` over them"),
        );
        None
    }

    /// A `let`, param or metric that is defined by itself.
    pub(super) fn cycle(&self, name: &str, span: Span) {
        let mut chain: Vec<String> =
            self.open.borrow().iter().skip_while(|n| **n != name).map(|n| (*n).to_owned()).collect();
        chain.push(name.to_owned());
        self.circle(&chain, span, "defined");
    }

    /// Reports a circle once, whichever of its members is come upon first. The chain ends with its first name.
    pub(super) fn circle(&self, chain: &[String], span: Span, how: &str) {
        let mut members: Vec<String> = chain.iter().skip(1).cloned().collect();
        members.sort_unstable();
        if !self.circles.borrow_mut().insert(members) {
            return;
        }
        let name = chain.last().map_or("", String::as_str);
        let chain: Vec<String> = chain.iter().map(|n| format!("`{n}`")).collect();
        self.push(
            Diagnostic::error("E0205", format!("`{name}` is {how} by itself"), span, "a circle")
                .help(chain.join(" → ")),
        );
    }

    fn fold(&self, op: BinaryOp, span: Span, (le, l): (&Expr, Value), (re, r): (&Expr, Value)) -> Option<Value> {
        let (Value::Num(a, lt), Value::Num(b, rt)) = (&l, &r) else {
            self.cannot_reckon(op, span, (le.span, l.a()), (re.span, r.a()));
            return None;
        };
        let ty = match op {
            BinaryOp::Add | BinaryOp::Sub => types::sum(op == BinaryOp::Sub, *lt, l.is_zero(), *rt, r.is_zero(), false),
            BinaryOp::Mul => types::product(*lt, *rt),
            _ => types::quotient(*lt, *rt),
        };
        let Some(ty) = ty else {
            self.bad_arithmetic(op, span, (le, *lt), (re, *rt));
            return None;
        };
        let v = match op {
            BinaryOp::Add => a + b,
            BinaryOp::Sub => a - b,
            BinaryOp::Mul => a * b,
            _ => a / b,
        };
        if !v.is_finite() {
            self.push(
                Diagnostic::error("E0306", "this division has no result", span, "divides by zero")
                    .help("divide by something that is not 0"),
            );
            return None;
        }
        Some(Value::Num(v, ty))
    }

    /// A constant duration; `min` is the least that makes sense, in milliseconds.
    pub(super) fn duration(&self, e: &'a Expr, what: &str, min: Millis) -> Option<Millis> {
        let v = self.constant(e, what)?;
        let ms = match v {
            Value::Num(s, Ty::Duration) => to_millis(s),
            Value::Num(n, Ty::Number) if n == 0.0 && min <= 0 => 0,
            ref other => {
                self.wants(e, other, Ty::Duration, what);
                return None;
            }
        };
        if ms < min {
            let msg = if min > 1 {
                format!("{what} must be at least {}", crate::plan::show::duration(min))
            } else if min == 1 {
                format!("{what} must be longer than nothing")
            } else {
                format!("{what} cannot be negative")
            };
            self.push(Diagnostic::error("E0306", msg, e.span, v.show()).help("write a duration such as `30s`"));
            return None;
        }
        Some(ms)
    }

    /// A constant whole number.
    pub(super) fn count(&self, e: &'a Expr, what: &str, min: u32) -> Option<u32> {
        let v = self.constant(e, what)?;
        let n = match v {
            Value::Num(n, Ty::Number | Ty::Count | Ty::Quotient) => n,
            ref other => {
                self.wants(e, other, Ty::Count, what);
                return None;
            }
        };
        if n.fract() != 0.0 || n < f64::from(min) || n > f64::from(u32::MAX) {
            self.push(
                Diagnostic::error(
                    "E0306",
                    format!("{what} must be a whole number from {min} to {}", u32::MAX),
                    e.span,
                    v.show(),
                )
                .help(format!("write a whole number such as `{}`", min.max(3))),
            );
            return None;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and within u32, see above")]
        Some(n as u32)
    }

    /// A constant ratio within bounds (fractions of one).
    pub(super) fn ratio(&self, e: &'a Expr, what: &str, min: f64, max: f64) -> Option<f64> {
        let v = self.constant(e, what)?;
        let r = match v {
            Value::Num(r, Ty::Ratio) => r,
            Value::Num(r, Ty::Number) if r == 0.0 => r,
            ref other => {
                self.wants(e, other, Ty::Ratio, what);
                return None;
            }
        };
        if r < min || r > max {
            self.push(
                Diagnostic::error(
                    "E0306",
                    format!(
                        "{what} must be between {} and {}",
                        Value::Num(min, Ty::Ratio).show(),
                        Value::Num(max, Ty::Ratio).show()
                    ),
                    e.span,
                    v.show(),
                )
                .help("choose a share within these bounds"),
            );
            return None;
        }
        Some(r)
    }

    /// A constant of the wrong type, with the one-token fix where there is one.
    pub(super) fn wants(&self, e: &Expr, got: &Value, want: Ty, what: &str) {
        self.push(self.not_of_type(e, got, want, what));
    }

    /// As [`Cx::wants`], not yet reported.
    pub(super) fn not_of_type(&self, e: &Expr, got: &Value, want: Ty, what: &str) -> Diagnostic {
        let code = if want == Ty::Ratio { "E0302" } else { "E0301" };
        let d = Diagnostic::error(
            code,
            format!("{what} takes {}, and `{}` is {}", want.a(), got.show(), got.a()),
            e.span,
            format!("expected {}", want.a()),
        );
        let token = match got {
            Value::Num(v, Ty::Number) if want != Ty::Duration => types::with_unit(*v, want),
            _ => None,
        };
        match (token, got) {
            (Some(t), _) => d.help(format!("write `{t}`")).fix(e.span, t),
            (None, Value::Num(v, Ty::Number)) if want == Ty::Duration => {
                let n = crate::plan::show::number(*v);
                d.help(format!("say its unit: `{n}s` or `{n}m`"))
            }
            (None, Value::Text(t)) if t.starts_with(|c: char| c.is_ascii_digit()) && !t.contains(' ') => {
                d.help(format!("a value stands without quotes: `{t}`")).fix(e.span, t.clone())
            }
            // 1 may be all or a hundredth; more than 100 is a share of nothing but a factor
            (None, Value::Num(v, Ty::Number)) if want == Ty::Ratio && *v >= 1.0 => {
                d.help(format!("a ratio needs its percent sign: `{}%`", crate::plan::show::number(*v)))
            }
            _ => d.help(format!("for example `{}`", want.example())),
        }
    }
}

/// A literal as a value in base units.
pub(super) fn literal(l: Literal) -> Value {
    #[expect(clippy::cast_precision_loss, reason = "durations and times stay below 2^53 ms")]
    match l {
        Literal::Bool(b) => Value::Bool(b),
        Literal::Number(v) => Value::Num(v, Ty::Number),
        Literal::Ratio(v) => Value::Num(v, Ty::Ratio),
        Literal::Points(v) => Value::Num(v, Ty::Points),
        Literal::Duration(ms) => Value::Num(ms as f64 / 1000.0, Ty::Duration),
        Literal::Rate(v) => Value::Num(v, Ty::Rate),
        Literal::Bytes(v) => Value::Num(v, Ty::Bytes),
        Literal::Time(ms) => Value::Num(ms as f64 / 1000.0, Ty::Time),
    }
}

/// Seconds to whole milliseconds.
pub(super) fn to_millis(seconds: f64) -> Millis {
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
    {
        (seconds * 1000.0).round() as Millis
    }
}
