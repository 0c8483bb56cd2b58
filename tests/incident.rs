//! Incidents as tests: what is written of a replay, compiled and run, passes; and fails where the policy decides otherwise. On runs
//! with faults by chance. `CANARY_CASES=2000 cargo test --test incident` tries more of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "replay/world.rs"]
#[allow(dead_code, reason = "made for the tests of replays too")]
mod world;

use canary::check::tests::{Test, compile};
use canary::plan::Plan;
use canary::sim::incident::{Incident, title, write};
use canary::sim::recording::{Happened, Recording, decode, decode_plan, encode, encode_with_plan};
use canary::sim::replay::{Scenario, inject, replay};
use canary::sim::{Case, judge};
use canary::syntax::{self, format, source::SourceMap};
use world::{START, plan, run};

const POLICY: &str = include_str!("replay/policy.canary");

fn cases(few: u64) -> u64 {
    std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

fn scenario(plan: &Plan) -> Scenario {
    Scenario { unchanged: Some(plan.clone()), ..Scenario::default() }
}

fn written(plan: &Plan, recording: &Recording, scenario: &Scenario) -> Result<String, String> {
    let outcome = replay(plan, recording, scenario);
    write(&Incident {
        plan,
        recording,
        scenario,
        outcome: &outcome,
        file: "recordings/a.parquet",
        environment: None,
        with: &[],
        fields: &[],
    })
}

/// The last test of a policy with a block behind it.
fn test_of(policy: &str, block: &str) -> Test {
    let text = format!("{policy}\n{block}");
    let mut map = SourceMap::default();
    let id = map.add("p.canary", text.clone());
    let (file, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}\n{block}");
    let mut compiled = compile(&[file], &map);
    assert!(!compiled.diagnostics.iter().any(|d| d.is_error()), "{:#?}\n{block}", compiled.diagnostics);
    compiled.tests.pop().unwrap_or_else(|| panic!("no test: {:#?}\n{block}", compiled.diagnostics))
}

/// What a test fails by, in a line each.
fn failures(test: &Test, recording: &Recording, then: &Plan) -> Vec<String> {
    let case = Case { test, recording: Some(recording), then: Some(then) };
    assert_eq!(case.misfit(), None);
    let trace = case.run(&test.plan);
    judge(test, &test.plan, &trace).into_iter().map(|f| f.cause).collect()
}

#[test]
fn what_is_written_of_a_run_passes_and_stands_as_the_formatter_would_have_it() {
    let plan = plan(POLICY);
    let (mut rolled_back, mut recovered, mut lines) = (0, 0, 0);
    for seed in 1..=cases(80) {
        let (recording, _) = run(&plan, seed, 200);
        let block = match written(&plan, &recording, &scenario(&plan)) {
            Ok(block) => block,
            Err(e) => panic!("seed {seed}: {e}"),
        };
        let test = test_of(POLICY, &block);
        assert_eq!(failures(&test, &recording, &plan), [""; 0], "seed {seed}\n{block}");
        // the comments' words are the engine's, and end with their lines
        let text = format!("edition 2026\n\n{block}");
        assert_eq!(format::format(syntax::source::FileId(0), &text).unwrap(), text, "seed {seed}");
        rolled_back += usize::from(block.contains("expect rollback at"));
        recovered += usize::from(recording.happened.iter().any(|h| matches!(h, Happened::Recovered { .. })));
        lines += block.lines().count();
    }
    assert!(rolled_back > 5 && recovered > 5 && lines > 500, "{rolled_back} {recovered} {lines}");
}

#[test]
fn a_change_that_decides_nothing_else_keeps_it_green_and_one_that_does_makes_it_red() {
    let then = plan(POLICY);
    // a rule more, that only tells: the plan is another one, and what it asks for is the same
    let harmless = POLICY.replacen("  phase ", "  guard told: errors < 90%  else tell\n  phase ", 1);
    assert_ne!(plan(&harmless).hash, then.hash);
    let (mut red, mut of) = (0, 0);
    for seed in 1..=cases(60) {
        let (recording, _) = run(&then, seed, 200);
        let Ok(block) = written(&then, &recording, &scenario(&then)) else { continue };
        assert_eq!(failures(&test_of(&harmless, &block), &recording, &then), [""; 0], "seed {seed}\n{block}");
        // with the phases swapped for shorter ones everything comes sooner
        if block.contains("expect phase half at") && !block.contains("expect paused") {
            of += 1;
            let shorter = POLICY.replace("hold 3m", "hold 1m");
            assert_ne!(shorter, POLICY);
            red += usize::from(!failures(&test_of(&shorter, &block), &recording, &then).is_empty());
        }
    }
    assert!(of > 3 && red == of, "{red} of {of}");
}

#[test]
fn a_recording_keeps_the_plan_that_its_run_had() {
    let plan = plan(POLICY);
    let (recording, _) = run(&plan, 3, 40);
    let bytes = encode_with_plan(&recording, &plan).unwrap();
    assert_eq!(decode(&bytes, "a").unwrap(), recording);
    assert_eq!(decode_plan(&bytes), Some(plan.clone()));
    assert_eq!(decode_plan(&encode(&recording).unwrap()), None);
    // of another policy it is none
    let mut other = recording.clone();
    other.about.policy = String::from("another");
    assert_eq!(decode_plan(&encode_with_plan(&other, &plan).unwrap()), None);
    for cut in [0, 4, 11, bytes.len() / 2, bytes.len() - 1] {
        assert_eq!(decode_plan(&bytes[..cut]), None);
    }
}

#[test]
fn what_was_put_in_and_where_it_begins_is_said() {
    let plan = plan(POLICY);
    let (mut recording, _) = run(&plan, 4, 200);
    recording.happened.clear();
    recording.about.run = None;
    let mut of = scenario(&plan);
    of.injections = vec![inject::parse("source prometheus outage from 5m to 15m", &plan).unwrap()];
    of.start = Some(START + 60_500);
    let block = written(&plan, &recording, &of).unwrap();
    assert!(block.contains("  starts at 2026-11-21T"), "{block}");
    assert!(block.contains("  inject \"source prometheus outage from 5m to 15m\"\n"), "{block}");
    assert!(block.contains("# Assumed: "), "{block}");
    assert_eq!(failures(&test_of(POLICY, &block), &recording, &plan), [""; 0], "{block}");
}

#[test]
fn what_a_test_cannot_say_is_refused_with_a_way_out() {
    let plan = plan(POLICY);
    let (recording, _) = run(&plan, 3, 40);
    let of = scenario(&plan);
    let outcome = replay(&plan, &recording, &of);
    let fields = [(String::from("errors.limit"), String::from("2%"))];
    let mut incident = Incident {
        plan: &plan,
        recording: &recording,
        scenario: &of,
        outcome: &outcome,
        file: "a \"b\".parquet",
        environment: Some("lab"),
        with: &[],
        fields: &fields,
    };
    let why = write(&incident).unwrap_err();
    assert!(why.contains("`errors.limit=2%` is a change of the policy") && why.contains("guard errors"), "{why}");
    incident.fields = &[];
    let block = write(&incident).unwrap();
    assert!(block.contains("  given recording \"a \\\"b\\\".parquet\" in lab\n"), "{block}");
    assert!(block.contains(&format!("test \"{}\" for", title(&incident))), "{block}");
}
