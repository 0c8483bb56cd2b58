//! `canary test`: the real binary on policies that hold every line a test can have, and on tests that fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use serde_json::Value;
use std::process::Command;

/// Exit code, standard output (real durations blotted out) and standard error.
fn canary(args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_canary")).arg("test").args(args).output().unwrap();
    let text = String::from_utf8(out.stdout).unwrap();
    let blot = |line: &str| match line.rsplit_once(" in ") {
        Some((head, tail)) if tail.ends_with(" ms") => format!("{head} in N ms"),
        _ => line.to_owned(),
    };
    let text: Vec<String> = text.lines().map(blot).collect();
    (out.status.code().unwrap(), text.join("\n"), String::from_utf8(out.stderr).unwrap())
}

fn snapshot(name: &str, shown: &str) {
    insta::with_settings!({
        snapshot_path => "policy_tests/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, shown);
    });
}

#[test]
fn the_example_of_the_front_page_and_its_mutants() {
    let (code, text, err) = canary(&["tests/policy_tests/checkout.canary", "--coverage", "--mutate"]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
    snapshot("checkout", &text);
}

#[test]
fn every_line_does_what_it_says() {
    let (code, text, err) = canary(&["tests/policy_tests/words.canary"]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
    snapshot("words", &text);
}

#[test]
fn windows_are_made_of_what_is_given() {
    let (code, text, err) = canary(&["tests/policy_tests/windows.canary"]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
    snapshot("windows", &text);
}

#[test]
fn a_failure_shows_its_cause_its_place_its_check_and_the_course() {
    let (code, text, _) = canary(&["tests/policy_tests/failing.canary"]);
    assert_eq!(code, 1);
    snapshot("failing", &text);
}

#[test]
fn too_little_coverage_fails_and_a_mutant_that_survives_too() {
    let file = "tests/policy_tests/checkout.canary";
    let (code, text, err) = canary(&[file, "--filter", "smoke", "--coverage-min", "90"]);
    assert_eq!(code, 1, "{text}");
    assert!(err.contains("checkout: ") && err.contains("90 % are asked"), "{err}");
    assert!(text.contains("guard slow is never ok on values"), "{text}");
    let (code, text, _) = canary(&[file, "--filter", "smoke", "--mutate"]);
    assert_eq!(code, 1, "{text}");
    assert!(
        text.contains("survived tests/policy_tests/checkout.canary:20:3: guard slow: limit 95% became 96%"),
        "{text}"
    );
    // mutants of a policy whose tests fail say nothing
    let (code, text, err) = canary(&["tests/policy_tests/failing.canary", "--mutate"]);
    assert_eq!(code, 1);
    assert!(!text.contains("mutants") && err.contains("no mutants were tried"), "{err}");
}

#[test]
fn events_that_are_given_are_counted_wherever_they_are_counted() {
    let (code, text, err) = canary(&["tests/policy_tests/events.canary"]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
}

#[test]
fn what_only_a_hold_or_a_dimension_reads_can_be_given() {
    let (code, text, err) = canary(&["tests/policy_tests/read.canary"]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
}

#[test]
fn every_line_can_be_of_one_slice() {
    let (code, text, err) = canary(&["tests/policy_tests/slices.canary"]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
    snapshot("slices", &text);
}

#[test]
fn a_switch_for_all_slices_is_thrown_for_all_of_them() {
    let file = "tests/policy_tests/slices_for_all.canary";
    let (code, text, err) = canary(&[file]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
}

#[test]
fn a_failure_of_a_sliced_rollout_names_its_slice() {
    let file = "tests/policy_tests/slices_failing.canary";
    let (code, text, _) = canary(&[file]);
    assert_eq!(code, 1);
    snapshot("slices_failing", &text);
    let (_, text, _) = canary(&[file, "--format", "json"]);
    let whole: Value = serde_json::from_str(&text).unwrap();
    let first = &whole["tests"][0];
    assert_eq!(first["failures"][0]["slice"]["tenant"], "acme");
    assert_eq!(first["failures"][1]["slice"]["tenant"], "orb");
    assert_eq!(first["slices"][1]["slice"]["tenant"], "orb");
    assert_eq!((&first["slices"][0]["verdict"], &first["slices"][1]["verdict"]), (&Value::Null, &"rolled_back".into()));
    let (_, text, _) = canary(&[file, "--format", "junit"]);
    assert!(text.contains("none of 2 slices; orb/low: it rolled back at 1h10m because precision"), "{text}");
}

#[test]
fn a_whole_life_with_ramps_gates_switches_and_a_hold_without_an_end() {
    let (code, text, err) = canary(&["tests/policy_tests/lifecycle.canary", "--coverage"]);
    assert_eq!((code, err.as_str()), (0, ""), "{text}");
    snapshot("lifecycle", &text);
}

#[test]
fn what_this_version_cannot_run_is_refused_and_neither_passed_nor_skipped() {
    let file = "tests/policy_tests/unbuilt.canary";
    let (code, text, _) = canary(&[file]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("REFUSED a full pool takes it back"), "{text}");
    assert!(text.contains("E0490: `mirror` is not built yet (tests/policy_tests/unbuilt.canary:9:"), "{text}");
    let (_, text, _) = canary(&[file, "--format", "json"]);
    let whole: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["tests"][0]["result"], "refused");
    let (_, text, _) = canary(&[file, "--format", "junit"]);
    assert!(text.contains("errors=\"1\"") && text.contains("not built yet"), "{text}");
}

#[test]
fn for_programs() {
    let both = ["tests/policy_tests/checkout.canary", "tests/policy_tests/failing.canary"];
    let (code, text, _) = canary(&[both[0], both[1], "--format", "json", "--coverage"]);
    assert_eq!(code, 1);
    let whole: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(whole["schema"], "canary.test/1");
    let tests = whole["tests"].as_array().unwrap();
    let failed: Vec<&Value> = tests.iter().filter(|t| t["result"] == "failed").collect();
    assert_eq!((tests.len(), failed.len()), (12, 5));
    assert_eq!(failed[0]["failures"][0]["actual_ms"], 16 * 60_000);
    assert_eq!(failed[0]["failures"][0]["expected_ms"], 17 * 60_000);
    assert_eq!(whole["coverage"].as_array().unwrap().len(), 2);
    let (code, text, _) = canary(&[both[0], both[1], "--format", "junit"]);
    assert_eq!(code, 1);
    assert!(text.contains("<testsuites tests=\"12\" failures=\"5\" errors=\"0\""), "{text}");
    assert!(text.contains("because slow: it rolled back at 16m because errors"), "{text}");
}

#[test]
fn what_is_wrong_is_said_and_nothing_is_run() {
    let (code, text, err) = canary(&["tests/check/test_given.canary"]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(err.contains("E0480"), "{err}");
    // a folder may have none; who asks how much is tested is not content with that
    let (code, _, err) = canary(&["policies/environments"]);
    assert_eq!(code, 0);
    assert!(err.contains("no test in these files"), "{err}");
    assert_eq!(canary(&["policies/environments", "--coverage-min", "1"]).0, 1);
    let (code, _, err) = canary(&["tests/policy_tests/checkout.canary", "--filter", "no such title"]);
    assert_eq!(code, 2);
    assert!(err.contains("no test has `no such title` in its title"), "{err}");
}

/// The policies that ship and can be run show what they do: nine tenths of their rules, and no guard whose limit, tolerance or
/// consequence could change without a test that fails.
#[test]
fn what_ships_is_tested() {
    for policy in ["checkout", "m4_flags", "materializers", "relay_r1", "autonomy"] {
        let file = format!("policies/{policy}.canary");
        let (status, out, err) = canary(&[&file, "--coverage-min", "90", "--mutate"]);
        assert_eq!(status, 0, "{out}{err}");
        assert!(!out.contains("survived"), "{out}");
    }
}

#[test]
fn a_rollback_to_a_phase_enters_it_anew() {
    let (code, text, err) = canary(&["tests/policy_tests/again.canary"]);
    assert_eq!(code, 0, "{text}{err}");
}
