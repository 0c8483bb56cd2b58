//! Messages about units and names that several checks share: both sides are shown, and the one token that mends it.

use super::types::{self, Ty};
use super::{Cx, suggest};
use crate::plan::show;
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Literal};
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// The number of an expression that is nothing but a literal without unit.
pub(super) fn bare_number(e: &Expr) -> Option<(f64, Span)> {
    match &e.kind {
        ExprKind::Literal(Literal::Number(v)) => Some((*v, e.span)),
        ExprKind::Paren(x) => bare_number(x),
        _ => None,
    }
}

impl Cx<'_> {
    /// Two sides that cannot be compared (or that a function cannot choose between).
    pub(super) fn mismatch(&self, what: &str, l: (&Expr, Ty), r: (&Expr, Ty)) {
        let code =
            if (l.1 == Ty::Ratio && bare_number(r.0).is_some()) || (r.1 == Ty::Ratio && bare_number(l.0).is_some()) {
                "E0302"
            } else {
                "E0301"
            };
        let d = Diagnostic::error(
            code,
            format!("{what} {} and {}", l.1.a(), r.1.a()),
            r.0.span,
            format!("this is {}", r.1.a()),
        )
        .also(l.0.span, format!("this is {}", l.1.a()));
        let mend = |number: &Expr, want: Ty| {
            let (v, span) = bare_number(number)?;
            Some((v, span, types::with_unit(v, want)))
        };
        let d = match mend(r.0, l.1).or_else(|| mend(l.0, r.1)) {
            Some((_, span, Some(token))) => d.help(format!("write `{token}`")).fix(span, token),
            Some((v, _, None)) => {
                let want = if bare_number(r.0).is_some() { l.1 } else { r.1 };
                d.help(unit_choices(v, want))
            }
            None => match (l.1, r.1) {
                (Ty::Points, Ty::Ratio) | (Ty::Ratio, Ty::Points) => {
                    d.help("the difference of two ratios is written in points: `0.5pp`")
                }
                _ => d.help(format!("both sides must be of one kind, as in `{}`", l.1.example())),
            },
        };
        self.push(d);
    }

    /// A sum, difference, product or quotient that has no meaning.
    pub(super) fn bad_arithmetic(&self, op: BinaryOp, span: Span, l: (&Expr, Ty), r: (&Expr, Ty)) {
        if op == BinaryOp::Add && l.1 == Ty::Ratio && r.1 == Ty::Ratio {
            let written = self.as_written(r.0.span);
            let d = Diagnostic::error("E0303", "a ratio plus a ratio has two readings", r.0.span, "percent of what?");
            let d = match written.strip_suffix('%') {
                Some(n) => d
                    .help(format!(
                        "`+ {n}pp` adds that many percentage points; `* (100% + {n}%)` is that much more in relation"
                    ))
                    .fix(r.0.span, format!("{n}pp")),
                None => d.help("add points (`0.5pp`), or multiply (`* 150%`)"),
            };
            self.push(d);
            return;
        }
        self.cannot_reckon(op, span, (l.0.span, l.1.a()), (r.0.span, r.1.a()));
    }

    /// As [`Cx::bad_arithmetic`], with the two kinds named.
    pub(super) fn cannot_reckon(&self, op: BinaryOp, span: Span, l: (Span, &str), r: (Span, &str)) {
        let verb = match op {
            BinaryOp::Add => "add",
            BinaryOp::Sub => "subtract",
            BinaryOp::Mul => "multiply",
            _ => "divide",
        };
        let _ = span;
        self.push(
            Diagnostic::error("E0303", format!("cannot {verb} {} and {}", l.1, r.1), r.0, format!("this is {}", r.1))
                .also(l.0, format!("this is {}", l.1))
                .help(match (bare(l.1), bare(r.1)) {
                    (true, false) | (false, true) => {
                        "say the unit of the one that has none, as in `100ms`, `0.5pp`, `3/s`"
                    }
                    _ => "bring both to one kind first; what a metric counts in is said by its `unit:`",
                }),
        );
    }

    /// A name that nothing declares, in an expression.
    pub(super) fn unknown_name(&self, name: &str, span: Span) {
        if self.of_broken_module(name) {
            return;
        }
        if let Some((message, help, fix)) = suggest::habit(name) {
            let d = Diagnostic::error(codes::HABIT, message, span, "a word of other languages").help(help);
            self.push(match fix {
                Some(word) => d.fix(span, word),
                None => d,
            });
            return;
        }
        let mut known = self.scope().of_kind(|d| {
            use super::scope::Decl;
            matches!(d, Decl::Param(_) | Decl::Let(_) | Decl::Metric(_))
        });
        known.extend(["stable", "before", "healthy"]);
        let how = "declare it with `metric`, `param` or `let`";
        let help = match suggest::nearest(name, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => how.to_owned(),
        };
        self.push(Diagnostic::error("E0201", format!("unknown name `{name}`"), span, "not declared").help(help));
    }
}

/// Whether a kind, as it is called in a message, is that of a number without unit.
fn bare(kind: &str) -> bool {
    kind.ends_with("without unit")
}

fn unit_choices(v: f64, want: Ty) -> String {
    let n = show::number(v);
    match want {
        Ty::Ratio => format!(
            "a ratio needs a percent sign: `{n}%`, or `{}%` if {n} was meant as a fraction",
            show::number(v * 100.0)
        ),
        Ty::Bytes => format!("say which: `{n}KiB`, `{n}MiB`, `{n}GiB`"),
        other => format!("say its unit, as in `{}`", other.example()),
    }
}
