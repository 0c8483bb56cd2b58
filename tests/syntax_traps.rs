//! Traps that the grammar fell into once, or could: each has a test, so that no change of the grammar falls in again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::syntax::ast::{BinaryOp, Expect, Expr, ExprKind, ForSpan, Given, Item, Statement, TestLine, TestLineKind};
use canary::syntax::codes;
use canary::syntax::diagnostic::Diagnostic;
use canary::syntax::source::FileId;

fn parse(text: &str) -> (Vec<Item>, Vec<Diagnostic>) {
    let (tree, found) = canary::syntax::parse(FileId(0), text);
    (tree.items, found)
}

/// The lines of a test that has no mistakes.
fn lines(body: &str) -> Vec<TestLine> {
    let (items, found) = parse(&format!("test \"t\" for r {{ {body} }}"));
    assert!(found.is_empty(), "{body}\n{found:#?}");
    let [Item::Test(t)] = items.as_slice() else { panic!("{items:#?}") };
    t.body.clone()
}

fn expression(text: &str) -> Expr {
    let (items, found) = parse(&format!("let it = {text}"));
    assert!(found.is_empty(), "{text}\n{found:#?}");
    let [Item::Let(l)] = items.as_slice() else { panic!("{items:#?}") };
    l.value.clone()
}

fn name(e: &Expr) -> &str {
    let ExprKind::Name(path) = &e.kind else { panic!("{e:#?}") };
    &path[0].node
}

#[test]
fn a_wrong_consequence_leaves_the_next_statement_alone() {
    let (items, found) = parse("rollout r {\n  guard a: x < 5% else notify\n  phase p { hold 5m }\n}");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].message.contains("consequence"), "{}", found[0].message);
    let [Item::Rollout(r)] = items.as_slice() else { panic!("{items:#?}") };
    assert!(r.body.iter().any(|s| matches!(s, Statement::Phase(p) if p.name.node == "p")), "{r:#?}");
}

#[test]
fn names_may_begin_with_a_word_of_the_language() {
    for word in
        ["notready", "order", "android", "inner", "format", "on_call", "offset", "truely", "mine", "hours", "days"]
    {
        assert_eq!(name(&expression(word)), word);
    }
    // tails and lines of a test
    for body in [
        "given stable_errors = 2%",
        "given rolled_back = 3",
        "given before_all ramps 1 to 2",
        "given from_a = 3 from 3m",
        "expect rollbacks is 5%",
        "expect phase_x is 5%",
        "expect not_x is 5% at 3m",
        "expect no_x is 5%",
        "expect notified_x is 5%",
        "source failsafe fails",
        "action hangs_not hangs",
    ] {
        assert_eq!(lines(body).len(), 1, "{body}");
    }
    let line = &lines("given stable_errors = 2%")[0];
    assert!(matches!(&line.kind, TestLineKind::Given { population: None, .. }), "{line:#?}");
}

#[test]
fn the_longest_unit_comes_first() {
    use canary::syntax::ast::Literal;
    for (text, wanted) in [
        ("5ms", Literal::Duration(5)),
        ("5m", Literal::Duration(300_000)),
        ("1m5ms", Literal::Duration(60_005)),
        ("5MB", Literal::Bytes(5e6)),
        ("5MiB", Literal::Bytes(5_242_880.0)),
        ("5pp", Literal::Points(0.05)),
    ] {
        assert_eq!(expression(text).kind, ExprKind::Literal(wanted), "{text}");
    }
}

#[test]
fn slips_in_literals_are_named() {
    for text in ["5min", "1mo", ".5", "2026-12-2", "5 %"] {
        let (_, found) = parse(&format!("let it = {text}"));
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert_eq!(found[0].code, codes::LITERAL, "{text}");
        assert!(found[0].help.is_some() || found[0].fix.is_some(), "{text}");
    }
}

/// The natural grammar took 15 s at 22 parentheses, twice as long for each more.
#[test]
fn parentheses_are_not_tried_twice() {
    for n in [22, 60] {
        let (_, found) = parse(&format!("let it = {}x{}", "(".repeat(n), ")".repeat(n)));
        assert!(found.is_empty());
        let (_, found) = parse(&format!("test \"t\" for r {{ given {}x{} = 2% }}", "(".repeat(n), ")".repeat(n)));
        assert!(found.is_empty());
        let (_, found) = parse(&format!("test \"t\" for r {{ expect {}x{} is 2% }}", "(".repeat(n), ")".repeat(n)));
        assert_eq!(found.len(), 1);
    }
}

#[test]
fn or_undecided_belongs_to_confidence_and_or_does_not() {
    assert!(matches!(
        expression("a <= stable confidence 99% or undecided").kind,
        ExprKind::Confidence { or_undecided: true, .. }
    ));
    for text in ["a <= stable confidence 99% or undecided_x", "a <= stable confidence 99% or undecidedly"] {
        assert!(matches!(expression(text).kind, ExprKind::Binary { op: BinaryOp::Or, .. }), "{text}");
    }
}

#[test]
fn what_stands_behind_of_decides_the_form_of_for() {
    let span = |text: &str| {
        let ExprKind::For { span, .. } = expression(text).kind else { panic!("{text}") };
        *span
    };
    assert!(matches!(span("a for 5m"), ForSpan::Duration(_)));
    assert!(matches!(span("a for 3 checks"), ForSpan::Checks(_)));
    assert!(matches!(span("a for 3 of 5 checks"), ForSpan::KOfN(..)));
    assert!(matches!(span("health < 95% for 80% of 10m"), ForSpan::ShareOf(..)));
}

#[test]
fn membership_is_an_operator_of_one_or_two_words() {
    assert!(matches!(expression("now in office").kind, ExprKind::Binary { op: BinaryOp::In, .. }));
    let ExprKind::Not(inner) = expression("now not in freeze").kind else { panic!() };
    assert!(matches!(inner.kind, ExprKind::Binary { op: BinaryOp::In, .. }));
    // `not` alone binds less than `in`, and more than `and`
    let ExprKind::Binary { op: BinaryOp::And, right, .. } = expression("now in office and not now in freeze").kind
    else {
        panic!()
    };
    assert!(matches!(right.kind, ExprKind::Not(_)));
    let ExprKind::Binary { op: BinaryOp::And, left, .. } = expression("now not in freeze and a < b").kind else {
        panic!()
    };
    assert!(matches!(left.kind, ExprKind::Not(_)));
}

/// After `expect promoted` the tail `at` would take `at 20m: …` from the next line: no line begins with a word of a tail.
#[test]
fn a_line_that_begins_with_a_tail_is_told() {
    let (items, found) = parse("test \"t\" for r {\n  expect promoted\n  at 20m: approve \"x\"\n  expect rollback\n}");
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].help.as_deref().unwrap_or("").contains("operator approves"), "{found:#?}");
    let [Item::Test(t)] = items.as_slice() else { panic!("{items:#?}") };
    let expected = t.body.iter().filter(|l| matches!(l.kind, TestLineKind::Expect { .. }) && l.at.is_none()).count();
    assert_eq!(expected, 2, "{t:#?}");
}

/// `ran x` may end in a number of times, and only in a number: `given times` is the next line.
#[test]
fn how_often_it_ran_begins_with_a_digit() {
    let body = lines("expect ran smoke given times = 3 expect ran smoke 3 times");
    assert_eq!(body.len(), 3, "{body:#?}");
    let ran = |l: &TestLine| match &l.kind {
        TestLineKind::Expect { what: Expect::Ran { times, .. }, .. } => times.is_some(),
        _ => panic!("{l:#?}"),
    };
    assert!(!ran(&body[0]));
    assert!(ran(&body[2]));
}

#[test]
fn the_value_of_a_given_ends_where_its_tails_begin() {
    let body = lines("given errors = 2% of 100/s from 3m to 5m given pool ramps 1 to 2 to 5m given a / b = c from 3m");
    let [of, ramp, sum] = body.as_slice() else { panic!("{body:#?}") };
    assert!(
        matches!(&of.kind, TestLineKind::Given { value: Given::Of { .. }, .. }) && of.from.is_some() && of.to.is_some()
    );
    assert!(
        matches!(&ramp.kind, TestLineKind::Given { value: Given::Ramp { .. }, .. })
            && ramp.from.is_none()
            && ramp.to.is_some()
    );
    let TestLineKind::Given { what, .. } = &sum.kind else { panic!("{sum:#?}") };
    assert!(matches!(what.kind, ExprKind::Binary { op: BinaryOp::Div, .. }) && sum.from.is_some());
}

#[test]
fn the_parenthesis_of_a_call_touches_its_name() {
    for text in ["let it = f (1)", "probe p every 30s { step a = get (\"/\") }", "use std.http (a: 1) as x"] {
        let (_, found) = parse(text);
        assert_eq!(found.len(), 1, "{text}\n{found:#?}");
        assert!(found[0].message.contains("touches the name"), "{}", found[0].message);
    }
    assert!(matches!(expression("`a $$ ${where} \"b\"`").kind, ExprKind::Raw(r) if r == "a $$ ${where} \"b\""));
}
