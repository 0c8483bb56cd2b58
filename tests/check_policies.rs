//! The policies that the project ships compile without a finding, for the lab and for production.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check;
use canary::plan::{Bindings, Plan};
use canary::syntax::{self, ast, diagnostic::Diagnostic, source::SourceMap};

fn load(paths: &[&str]) -> (Vec<ast::File>, SourceMap, Vec<Diagnostic>) {
    let mut map = SourceMap::default();
    let (mut files, mut found) = (Vec::new(), Vec::new());
    for path in paths {
        let text = std::fs::read_to_string(path).unwrap();
        let id = map.add(*path, text.clone());
        let (file, diagnostics) = syntax::parse(id, &text);
        files.push(file);
        found.extend(diagnostics);
    }
    (files, map, found)
}

fn compiled(paths: &[&str], env: &str, sets: &[(&str, &str)]) -> (Plan, Bindings) {
    let (files, map, mut found) = load(paths);
    found.extend(check::check_files(&files, &map).diagnostics);
    let sets: Vec<_> = sets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let (made, more) = check::compile(&files, &map, None, Some(env), &sets);
    found.extend(more);
    assert_eq!(found, [], "{paths:?}");
    made.unwrap()
}

const QUICKSTART: &str = "examples/quickstart/checkout.canary";
const CHECKOUT: [&str; 2] = ["policies/checkout.canary", "policies/environments/production.canary"];

#[test]
fn the_quickstart_compiles_for_the_lab() {
    let (plan, bindings) = compiled(&[QUICKSTART], "lab", &[]);
    insta::assert_snapshot!(canary::plan::render::text(&plan, &bindings));
}

#[test]
fn the_checkout_policy_compiles_for_production() {
    let (plan, bindings) = compiled(&CHECKOUT, "production", &[]);
    insta::assert_snapshot!(canary::plan::render::text(&plan, &bindings));
}
