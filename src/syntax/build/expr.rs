//! Expressions: operands here, operators in `fold`.

use super::fold::Token;
use super::{Builder, P, child};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, ForSpan, Name};
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::grammar::Rule;
use crate::syntax::source::{Span, Spanned};

/// Operators that one expression may hold, its parentheses included: the tree leans to one side, and whoever walks it has a
/// stack.
pub(crate) const MAX_OPERATORS: usize = 256;

impl Builder<'_> {
    /// A whole expression: a `dur`, `cond` or `value` pair.
    pub fn value(&mut self, p: P<'_>) -> Expr {
        let span = self.span(&p);
        let mut operators = 0;
        let built = self.expr(p, &mut operators);
        if operators > MAX_OPERATORS {
            self.report(
                Diagnostic::error(
                    codes::TOO_LONG,
                    format!("an expression may hold {MAX_OPERATORS} operators, this one has {operators}"),
                    span,
                    "too long",
                )
                .help("name its parts with `let`"),
            );
            return Self::hole(span);
        }
        built
    }

    /// The expression inside a rule that holds one `dur`, `cond` or `value`.
    pub fn value_in(&mut self, p: P<'_>, at: Span) -> Expr {
        p.into_inner()
            .find(|q| matches!(q.as_rule(), Rule::dur | Rule::cond | Rule::value))
            .map_or_else(|| Self::hole(at), |q| self.value(q))
    }

    fn expr(&mut self, p: P<'_>, operators: &mut usize) -> Expr {
        let span = self.span(&p);
        let mut tokens = Vec::new();
        for q in p.into_inner() {
            let at = self.span(&q);
            match q.as_rule() {
                Rule::neg => {
                    *operators += 1;
                    tokens.push(Token::Neg(at));
                }
                Rule::kw_not => {
                    *operators += 1;
                    tokens.push(Token::Not(at));
                }
                Rule::primary => tokens.push(Token::Operand(self.primary(q, operators))),
                Rule::infix | Rule::arithmetic => {
                    *operators += 1;
                    let token = self.infix(q.as_str(), at);
                    tokens.push(token);
                }
                Rule::for_tail => {
                    *operators += 1;
                    let f = self.for_tail(q, operators);
                    tokens.push(Token::For(f, at));
                }
                Rule::confidence => {
                    *operators += 1;
                    let mut level = Self::hole(at);
                    let mut undecided = false;
                    for r in q.into_inner() {
                        match r.as_rule() {
                            Rule::primary => level = self.primary(r, operators),
                            Rule::or_undecided => undecided = true,
                            _ => {}
                        }
                    }
                    tokens.push(Token::Confidence(level, undecided, at));
                }
                _ => {}
            }
        }
        if *operators > MAX_OPERATORS {
            // told once, by the outermost
            return Self::hole(span);
        }
        self.fold(tokens, span)
    }

    fn infix(&mut self, text: &str, at: Span) -> Token {
        let op = match text {
            "or" => BinaryOp::Or,
            "and" => BinaryOp::And,
            "==" => BinaryOp::Eq,
            "!=" => BinaryOp::Ne,
            "<" => BinaryOp::Lt,
            "<=" => BinaryOp::Le,
            ">" => BinaryOp::Gt,
            ">=" => BinaryOp::Ge,
            "in" => BinaryOp::In,
            "+" => BinaryOp::Add,
            "-" => BinaryOp::Sub,
            "*" => BinaryOp::Mul,
            "/" => BinaryOp::Div,
            "=" => {
                self.report(
                    Diagnostic::error(codes::HABIT, "`=` sets a value, `==` compares two", at, "a comparison is meant")
                        .help("write `==`")
                        .fix(at, "=="),
                );
                BinaryOp::Eq
            }
            _ => return Token::NotIn(at),
        };
        Token::Infix(op, at)
    }

    fn for_tail(&mut self, p: P<'_>, operators: &mut usize) -> ForSpan {
        let at = self.span(&p);
        let (mut first, mut second, mut checks, mut of) = (None, None, false, false);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::primary if first.is_none() => first = Some(self.primary(q, operators)),
                Rule::primary => second = Some(self.primary(q, operators)),
                Rule::kw_checks => checks = true,
                Rule::kw_of => of = true,
                _ => {}
            }
        }
        let first = first.unwrap_or_else(|| Self::hole(at));
        match (of, checks) {
            (false, false) => ForSpan::Duration(first),
            (false, true) => ForSpan::Checks(first),
            (true, true) => ForSpan::KOfN(first, second.unwrap_or_else(|| Self::hole(at))),
            (true, false) => ForSpan::ShareOf(first, second.unwrap_or_else(|| Self::hole(at))),
        }
    }

    fn primary(&mut self, p: P<'_>, operators: &mut usize) -> Expr {
        let span = self.span(&p);
        let Some(q) = p.into_inner().next() else {
            return Self::hole(span);
        };
        let kind = match q.as_rule() {
            Rule::paren => match child(q, Rule::expr) {
                Some(e) => ExprKind::Paren(Box::new(self.expr(e, operators))),
                None => ExprKind::Hole,
            },
            Rule::list => ExprKind::List(self.elements(q, operators)),
            Rule::text => ExprKind::Text(self.text(&q).node),
            Rule::raw => ExprKind::Raw(self.raw(&q).node),
            Rule::reference => return self.reference(q, operators),
            _ => match self.literal(&q) {
                Some(l) => ExprKind::Literal(l),
                None => ExprKind::Hole,
            },
        };
        Expr { kind, span }
    }

    /// A `list` outside an expression (the values of a flag).
    pub fn list(&mut self, p: P<'_>) -> Expr {
        let span = self.span(&p);
        let mut operators = 0;
        Expr { kind: ExprKind::List(self.elements(p, &mut operators)), span }
    }

    fn elements(&mut self, p: P<'_>, operators: &mut usize) -> Vec<Expr> {
        p.into_inner().filter(|e| e.as_rule() == Rule::expr).map(|e| self.expr(e, operators)).collect()
    }

    pub fn reference(&mut self, p: P<'_>, operators: &mut usize) -> Expr {
        let span = self.span(&p);
        let (mut path, mut args, mut dims, mut base_end) = (Vec::new(), None, None, span);
        for q in p.into_inner() {
            let at = self.span(&q);
            match q.as_rule() {
                Rule::path => {
                    base_end = at;
                    path = self.path(q);
                }
                Rule::call_args => {
                    base_end = at;
                    args = Some(self.args(q, operators));
                }
                Rule::index => dims = Some(self.dims(q, operators)),
                _ => {}
            }
        }
        let base = Expr {
            kind: match args {
                Some(args) => ExprKind::Call { callee: path, args },
                None => ExprKind::Name(path),
            },
            span: span.head().to(base_end),
        };
        match dims {
            Some(dims) => Expr { kind: ExprKind::Index { base: Box::new(base), dims }, span },
            None => base,
        }
    }

    pub fn path(&self, p: P<'_>) -> Vec<Name> {
        p.into_inner().filter(|q| matches!(q.as_rule(), Rule::name | Rule::member)).map(|q| self.name(&q)).collect()
    }

    /// The arguments of a `call_args`.
    pub fn args(&mut self, p: P<'_>, operators: &mut usize) -> Vec<Arg> {
        p.into_inner().filter(|a| a.as_rule() == Rule::arg).map(|a| self.arg(a, operators)).collect()
    }

    fn arg(&mut self, p: P<'_>, operators: &mut usize) -> Arg {
        let at = self.span(&p);
        let (mut name, mut value) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::arg_name => name = Some(self.name(&q)),
                Rule::expr => value = Some(self.expr(q, operators)),
                // `since phase`: an argument named `since`, the one that is written without a colon
                Rule::kw_since => name = Some(Spanned::new(String::from("since"), self.span(&q))),
                Rule::kw_phase => {
                    let span = self.span(&q);
                    value = Some(Expr { kind: ExprKind::Name(vec![self.name(&q)]), span });
                }
                _ => {}
            }
        }
        let value = value.unwrap_or_else(|| Self::hole(at));
        if name.is_none() {
            return self.argument_set_with_equals(value);
        }
        Arg { name, value }
    }

    /// `max_age=1m` is understood, and told: arguments are named with a colon.
    fn argument_set_with_equals(&mut self, value: Expr) -> Arg {
        let (op_span, left, right) = match value.kind {
            ExprKind::Binary { op: BinaryOp::Eq, op_span, left, right } if self.excerpt(op_span) == "=" => {
                (op_span, left, right)
            }
            kind => {
                return Arg { name: None, value: Expr { kind, ..value } };
            }
        };
        let ExprKind::Name(path) = &left.kind else {
            return Arg { name: None, value: *right };
        };
        if let Some(d) = self.diagnostics.iter_mut().find(|d| d.span() == op_span) {
            *d = Diagnostic::error(codes::HABIT, "an argument is named with `:`", op_span, "not with `=`")
                .help("write `:`")
                .fix(op_span, ": ");
        }
        Arg { name: path.first().cloned(), value: *right }
    }

    /// The dimensions of an `index`, with their values.
    pub fn dims(&mut self, p: P<'_>, operators: &mut usize) -> Vec<(Name, Expr)> {
        p.into_inner()
            .filter(|d| d.as_rule() == Rule::dim)
            .filter_map(|d| {
                let (mut name, mut value) = (None, None);
                for q in d.into_inner() {
                    match q.as_rule() {
                        Rule::said => name = Some(self.name(&q)),
                        Rule::expr => value = Some(self.expr(q, operators)),
                        _ => {}
                    }
                }
                name.zip(value)
            })
            .collect()
    }
}
