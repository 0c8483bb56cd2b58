//! Operators: precedence climbing over the flat list that the grammar gives.
//!
//! `or` < `and` < `not` < comparison, `in`, `for`, `confidence` < `+ -` < `* /` < unary minus. Depth is bounded: the caller
//! has counted the operators.

use super::Builder;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, ForSpan};
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::iter::Peekable;
use std::vec::IntoIter;

/// A piece of the flat list.
pub(crate) enum Token {
    Not(Span),
    Neg(Span),
    Operand(Expr),
    Infix(BinaryOp, Span),
    /// `not in`
    NotIn(Span),
    For(ForSpan, Span),
    Confidence(Expr, bool, Span),
}

const NOT: u8 = 3;
const COMPARISON: u8 = 4;
const NEG: u8 = 7;

fn level(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Add | BinaryOp::Sub => 5,
        BinaryOp::Mul | BinaryOp::Div => 6,
        _ => COMPARISON,
    }
}

type Tokens = Peekable<IntoIter<Token>>;

impl Builder<'_> {
    pub fn fold(&mut self, tokens: Vec<Token>, whole: Span) -> Expr {
        let mut tokens = tokens.into_iter().peekable();
        self.climb(&mut tokens, 0, whole)
    }

    fn climb(&mut self, tokens: &mut Tokens, min: u8, whole: Span) -> Expr {
        let mut left = match tokens.next() {
            Some(Token::Not(at)) => {
                let of = self.climb(tokens, NOT, whole);
                self.bare_for(&of, |inner, tail| (format!("not ({inner} {tail})"), format!("(not {inner}) {tail}")));
                Expr { span: at.to(of.span), kind: ExprKind::Not(Box::new(of)) }
            }
            Some(Token::Neg(at)) => {
                let of = self.climb(tokens, NEG, whole);
                Expr { span: at.to(of.span), kind: ExprKind::Neg(Box::new(of)) }
            }
            Some(Token::Operand(e)) => e,
            _ => return Self::hole(whole),
        };
        while let Some(next) = tokens.peek() {
            let strength = match next {
                Token::Infix(op, _) => level(*op),
                _ => COMPARISON,
            };
            if strength < min {
                break;
            }
            match tokens.next() {
                Some(Token::Infix(op, at)) => {
                    let right = self.climb(tokens, strength + 1, whole);
                    left = self.binary(op, at, left, right);
                }
                Some(Token::NotIn(at)) => {
                    let right = self.climb(tokens, strength + 1, whole);
                    let within = self.binary(BinaryOp::In, at, left, right);
                    left = Expr { span: within.span, kind: ExprKind::Not(Box::new(within)) };
                }
                Some(Token::For(tail, at)) => left = self.temporal(left, tail, at),
                Some(Token::Confidence(level, or_undecided, at)) => {
                    left = self.confidence(left, level, or_undecided, at);
                }
                _ => break,
            }
        }
        left
    }

    fn binary(&mut self, op: BinaryOp, at: Span, left: Expr, right: Expr) -> Expr {
        match op {
            BinaryOp::And | BinaryOp::Or => {
                let word = op.text();
                let other = self.excerpt(right.span);
                self.bare_for(&left, |inner, tail| {
                    (format!("({inner} {tail}) {word} {other}"), format!("({inner} {word} {other}) {tail}"))
                });
                let other = self.excerpt(left.span);
                self.bare_for(&right, |inner, tail| {
                    (format!("{other} {word} ({inner} {tail})"), format!("({other} {word} {inner}) {tail}"))
                });
            }
            _ if level(op) == COMPARISON => self.chained(&left, at, &right),
            _ => {}
        }
        Expr {
            span: left.span.to(right.span),
            kind: ExprKind::Binary { op, op_span: at, left: Box::new(left), right: Box::new(right) },
        }
    }

    /// `a < b < c` says nothing: the first comparison is not a value that could be compared.
    fn chained(&mut self, left: &Expr, at: Span, right: &Expr) {
        let ExprKind::Binary { op, op_span, left: first, right: middle } = &left.kind else {
            return;
        };
        if level(*op) != COMPARISON {
            return;
        }
        let (a, b, c) = (self.excerpt(first.span), self.excerpt(middle.span), self.excerpt(right.span));
        let second = self.excerpt(at);
        self.report(
            Diagnostic::error(codes::CHAINED, "comparisons cannot be chained", at, "the second comparison")
                .also(*op_span, "the first")
                .help(format!("write `{a} {} {b} and {b} {second} {c}`", op.text())),
        );
    }

    /// `for` whose reach a reader could take in two ways.
    fn bare_for(&mut self, e: &Expr, readings: impl FnOnce(&str, &str) -> (String, String)) {
        let ExprKind::For { of, .. } = &e.kind else {
            return;
        };
        let tail_span = Span { start: of.span.end, ..e.span };
        let (inner, tail) = (self.excerpt(of.span), self.excerpt(tail_span));
        let (one, two) = readings(&inner, &tail);
        self.report(
            Diagnostic::error(
                codes::AMBIGUOUS_FOR,
                format!("`{tail}` can be read in two ways here"),
                e.span,
                "what does it last for?",
            )
            .help(format!("write `{one}` or `{two}`")),
        );
    }

    fn temporal(&mut self, of: Expr, tail: ForSpan, at: Span) -> Expr {
        if matches!(of.kind, ExprKind::For { .. }) {
            let inner = self.excerpt(of.span);
            self.report(
                Diagnostic::error(
                    codes::AMBIGUOUS_FOR,
                    "a `for` on top of a `for` needs parentheses",
                    at,
                    "the second `for`",
                )
                .help(format!("write `({inner}) {}`", self.excerpt(at)))
                .fix(of.span, format!("({inner})")),
            );
        }
        Expr { span: of.span.to(at), kind: ExprKind::For { of: Box::new(of), span: Box::new(tail) } }
    }

    fn confidence(&mut self, of: Expr, level: Expr, or_undecided: bool, at: Span) -> Expr {
        let compares = match &of.kind {
            ExprKind::Binary { op, .. } => op.is_comparison(),
            ExprKind::Hole => true,
            _ => false,
        };
        if !compares {
            self.report(
                Diagnostic::error(
                    codes::EXPECTED,
                    "`confidence` stands behind a comparison",
                    at,
                    "there is none before it",
                )
                .also(of.span, "not a comparison")
                .help("as in `errors <= stable + 0.5pp confidence 99%`"),
            );
        }
        Expr {
            span: of.span.to(at),
            kind: ExprKind::Confidence { of: Box::new(of), level: Box::new(level), or_undecided },
        }
    }

    /// The text of a place on one line, for a message.
    pub fn excerpt(&self, span: Span) -> String {
        let text = self.source.get(span.start as usize..span.end as usize).unwrap_or("");
        let words: Vec<&str> = text.split_whitespace().collect();
        let line = words.join(" ");
        if line.chars().count() > 60 {
            let head: String = line.chars().take(57).collect();
            format!("{head}…")
        } else {
            line
        }
    }
}
