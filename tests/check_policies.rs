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

const M4_FLAGS: [&str; 2] = ["policies/m4_flags.canary", "policies/environments/staging.canary"];
const MATERIALIZERS: [&str; 2] = ["policies/materializers.canary", "policies/environments/materializers.canary"];

const RELAY: [&str; 2] = ["policies/relay_r1.canary", "policies/environments/relay.canary"];
const AUTONOMY: [&str; 2] = ["policies/autonomy.canary", "policies/environments/detection.canary"];
const PLATFORM: [&str; 2] = ["policies/platform.canary", "policies/environments/platform.canary"];

#[test]
fn the_relay_policy_compiles_and_nothing_but_its_bindings_is_unbuilt() {
    let (plan, bindings) = compiled(&RELAY, "relay", &[]);
    assert_eq!(plan.unbuilt, []);
    insta::assert_snapshot!(canary::plan::render::text(&plan, &bindings));
}

#[test]
fn the_autonomy_policy_compiles_with_a_life_a_slice() {
    let (plan, bindings) = compiled(&AUTONOMY, "detection", &[]);
    assert_eq!(plan.unbuilt, []);
    insta::assert_snapshot!(canary::plan::render::text(&plan, &bindings));
}

#[test]
fn the_platform_policy_compiles_with_probes_score_and_windows() {
    let (plan, bindings) = compiled(&PLATFORM, "platform", &[]);
    assert!(!plan.unbuilt.is_empty());
    insta::assert_snapshot!(canary::plan::render::text(&plan, &bindings));
}

/// A comment above it moves a construct and changes nothing of what the plan is.
#[test]
fn the_hash_covers_what_cannot_be_run_and_not_where_it_stands() {
    let hash = |edit: &dyn Fn(&str) -> String| {
        let (mut map, mut files) = (SourceMap::default(), Vec::new());
        for (i, path) in PLATFORM.iter().enumerate() {
            let text = std::fs::read_to_string(path).unwrap();
            let text = if i == 0 { edit(&text) } else { text };
            let id = map.add(*path, text.clone());
            files.push(syntax::parse(id, &text).0);
        }
        check::compile(&files, &map, None, Some("platform"), &[]).0.unwrap().0.hash
    };
    let as_it_is = hash(&str::to_owned);
    assert_eq!(hash(&|t| format!("# another line\n{t}")), as_it_is);
    for (from, to) in [
        ("by 15% every 10m", "by 15% every 11m"),
        ("weight 3", "weight 4"),
        ("mon..thu", "mon..wed"),
        ("within: 800ms, json", "within: 900ms, json"),
        ("over 30d", "over 28d"),
        ("rollbacks(within: 1d)", "rollbacks(within: 2d)"),
        ("now in office and", "now in office or"),
    ] {
        assert_ne!(hash(&|t| t.replacen(from, to, 1)), as_it_is, "{from}");
    }
}

#[test]
fn the_m4_flags_policy_compiles_for_staging() {
    let (plan, bindings) = compiled(&M4_FLAGS, "staging", &[]);
    let text = canary::plan::render::text(&plan, &bindings);
    // the team's own queries, word for word
    for query in
        ["sum(rate(nova_workflow_error_total[1m])) or vector(0)\n", "sum(nova_golden_mismatch_total) or vector(0)\n"]
    {
        assert!(text.contains(query), "{text}");
    }
    insta::assert_snapshot!(text);
}

#[test]
fn the_materializers_policy_compiles_for_its_environment() {
    let (plan, bindings) = compiled(&MATERIALIZERS, "materializers", &[]);
    insta::assert_snapshot!(canary::plan::render::text(&plan, &bindings));
}

/// A rehearsal may be short, but no command line makes a policy blind.
#[test]
fn what_could_hide_a_regression_has_bounds() {
    let refused = |paths: &[&str], env: &str, name: &str, value: &str| {
        let (files, map, _) = load(paths);
        let (made, found) = check::compile(&files, &map, None, Some(env), &[(name.to_owned(), value.to_owned())]);
        assert!(made.is_none() && found.iter().any(|d| d.code == "E0307"), "{name} = {value}: {found:?}");
    };
    for (name, value) in [
        ("more_errors", "250%"),
        ("errors_to_spare", "50/s"),
        ("slower", "1m"),
        ("least_traffic", "0/s"),
        ("blindness", "1d"),
        ("lull", "1h"),
        ("smoke_timeout", "1h"),
    ] {
        refused(&M4_FLAGS, "staging", name, value);
    }
    for (name, value) in
        [("least_success", "10%"), ("most_errors", "50%"), ("patience", "1d"), ("blindness", "7d"), ("deep", "100000")]
    {
        refused(&MATERIALIZERS, "materializers", name, value);
    }
}

/// All policies with all environments, as `canary check policies/` sees them: they stand in one folder.
#[test]
fn the_folder_checks_without_a_word() {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_canary"))
        .args(["check", "policies", "examples", "--deny", "warnings"])
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}
