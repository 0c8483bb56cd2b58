//! What a parsed query asks: its selectors, how far back it reaches, and of what type its answer is.

use super::WHERE;
use crate::plan::{Millis, Selector};
use promql_parser::parser::value::ValueType;
use promql_parser::parser::{Expr, Offset, VectorSelector};
use std::time::Duration;

/// What a query asks.
#[derive(Debug)]
pub(crate) struct Inspected {
    /// Its bare selectors, `${where}` put back.
    pub(crate) selectors: Vec<Selector>,
    /// How far back it reaches, in milliseconds.
    pub(crate) reach: Millis,
    /// Whether it is nothing but an instant selector.
    pub(crate) bare: bool,
    /// The name of the one metric that a bare selector asks for.
    pub(crate) name: Option<String>,
    /// Whether it answers with one number a series (or one number).
    pub(crate) numbers: bool,
}

/// Looks through a query.
pub(crate) fn inspect(expr: &Expr) -> Inspected {
    let mut selectors = Vec::new();
    collect(expr, &mut selectors);
    let (bare, name) = match expr {
        Expr::VectorSelector(v) => (v.offset.is_none() && v.at.is_none(), v.name.clone()),
        _ => (false, None),
    };
    Inspected {
        selectors,
        reach: Millis::try_from(reach(expr).as_millis()).unwrap_or(Millis::MAX),
        bare,
        name,
        numbers: matches!(expr.value_type(), ValueType::Vector | ValueType::Scalar),
    }
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Aggregate(a) => std::iter::once(&*a.expr).chain(a.param.as_deref()).collect(),
        Expr::Unary(u) => vec![&*u.expr],
        Expr::Binary(b) => vec![&*b.lhs, &*b.rhs],
        Expr::Paren(p) => vec![&*p.expr],
        Expr::Subquery(s) => vec![&*s.expr],
        Expr::Call(c) => c.args.args.iter().map(|a| &**a).collect(),
        Expr::Extension(e) => e.expr.children().iter().collect(),
        Expr::NumberLiteral(_) | Expr::StringLiteral(_) | Expr::VectorSelector(_) | Expr::MatrixSelector(_) => {
            Vec::new()
        }
    }
}

fn collect(expr: &Expr, out: &mut Vec<Selector>) {
    let selector = match expr {
        Expr::VectorSelector(v) => Some(v),
        Expr::MatrixSelector(m) => Some(&m.vs),
        _ => None,
    };
    if let Some(v) = selector {
        let s = bare(v);
        if !out.contains(&s) {
            out.push(s);
        }
    }
    for child in children(expr) {
        collect(child, out);
    }
}

fn bare(v: &VectorSelector) -> Selector {
    let mut v = v.clone();
    v.offset = None;
    v.at = None;
    Selector(v.to_string().replace(WHERE, "${where}"))
}

fn back(offset: Option<&Offset>) -> Duration {
    match offset {
        Some(Offset::Pos(d)) => *d,
        Some(Offset::Neg(_)) | None => Duration::ZERO,
    }
}

fn reach(expr: &Expr) -> Duration {
    let inner = children(expr).into_iter().map(reach).max().unwrap_or_default();
    let own = match expr {
        Expr::VectorSelector(v) => back(v.offset.as_ref()),
        Expr::MatrixSelector(m) => m.range.saturating_add(back(m.vs.offset.as_ref())),
        Expr::Subquery(s) => s.range.saturating_add(back(s.offset.as_ref())),
        _ => Duration::ZERO,
    };
    own.saturating_add(inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Ask;

    fn look(q: &str) -> Inspected {
        inspect(&promql_parser::parser::parse(q).unwrap())
    }

    #[test]
    fn ranges_subqueries_and_offsets_add_up() {
        assert_eq!(look("x").reach, 0);
        assert_eq!(look("rate(x[5m]) / rate(y[1m] offset 10m)").reach, 660_000);
        assert_eq!(look("max_over_time(rate(x[5m])[30m:1m])").reach, 2_100_000);
    }

    #[test]
    fn selectors_come_back_with_their_placeholder() {
        let i = look(&format!("sum(rate(a{{code=~\"5..\",{WHERE}}}[1m])) / sum(b)"));
        let ask = Ask::PromQl { query: String::new(), selectors: i.selectors };
        let Ask::PromQl { selectors, .. } = ask.filled("version=\"v2\"") else {
            panic!("the kind of an ask does not change");
        };
        for s in &selectors {
            promql_parser::parser::parse(&s.0).unwrap();
        }
        assert!(selectors.iter().any(|s| s.0.contains("version=\"v2\"")));
        assert!(!i.bare && i.numbers);
        assert!(look("a{b=\"c\"}").bare);
        assert!(!look("a[5m]").numbers);
    }
}
