//! One question for all slices, and what a slice loses that had no answer.

use super::world::{HOUR, MINUTE, World, plan};
use canary::engine::Operator;
use canary::plan::InputId;

const PLAN: &str = "
  check every 1m
  no data tolerate 30m else pause
  guard none: increase(leaks) < 1 tolerate 5m else rollback
  phase one { flag cache = on  promote when increase(leaks, since phase) == 0 for 10m }
  phase deep { flag depth = 1  hold 10m }";

#[test]
fn the_question_goes_on_when_anybody_was_answered() {
    let plan = plan(PLAN);
    let leaks = InputId::at(plan.inputs.iter().position(|i| i.metric == "leaks").unwrap());
    let says = |s: &str, m: &str, at: i64| match (s, m) {
        (_, "load") => Some(1.0),
        ("a/low", _) if at == 3 * MINUTE || at == 4 * MINUTE => None,
        (_, _) if at == 4 * MINUTE => None,
        _ => Some(0.0),
    };
    let mut w = World::new(&plan, &["a/low", "b/low"], says).compared();
    w.to(3 * MINUTE);
    assert_eq!(w.fleet.since(&plan, leaks), Some(w.start + 3 * MINUTE), "b was answered");
    w.to(4 * MINUTE);
    assert_eq!(w.fleet.since(&plan, leaks), Some(w.start + 3 * MINUTE), "nobody was: the next answer covers it");
    w.to(6 * MINUTE);
    let short = |w: &World<'_>, s: &str| w.state(s).accumulators.iter().any(|a| a.short);
    assert!(short(&w, "a/low"));
    assert!(!short(&w, "b/low"), "its last answer is where the question went on from");
    assert_eq!(w.state("a/low").guards[0].word.unwrap().text(), "undecided", "neither ok nor blind");
    w.to(HOUR);
    assert_eq!((w.at("a/low").as_str(), w.at("b/low").as_str()), ("one", "promoted"), "unknown never helps the canary");
    // a person takes it upon themselves
    w.say(&["a/low"], Operator::Pause);
    w.say(&["a/low"], Operator::Resume);
    w.to(3 * HOUR);
    assert_eq!(w.at("a/low"), "promoted");
}

#[test]
fn what_was_lost_before_a_sum_began_is_nothing_to_it() {
    let plan = plan(
        "check every 1m
        no data tolerate 30m else pause
        phase one { flag cache = on  hold 5m }
        phase deep { flag depth = 1  promote when increase(leaks, since phase) == 0 for 3m }",
    );
    // a has no answer at the check at which it enters the second phase, and none at the one after it
    for silent in [6 * MINUTE..=6 * MINUTE, 6 * MINUTE..=7 * MINUTE] {
        let lost = *silent.end() == 7 * MINUTE;
        let says = |s: &str, m: &str, at: i64| match (s, m) {
            ("a/low", "leaks") if silent.contains(&at) => None,
            (_, "leaks") => Some(0.0),
            _ => Some(1.0),
        };
        let mut w = World::new(&plan, &["a/low", "b/low"], says).compared();
        w.to(HOUR);
        assert_eq!(w.at("b/low"), "promoted");
        assert_eq!(w.at("a/low"), if lost { "deep" } else { "promoted" }, "{silent:?}");
    }
    // nobody is answered at the check after it: the next answer covers all of it
    let says = |s: &str, m: &str, at: i64| match (s, m) {
        ("a/low", "leaks") if at == 6 * MINUTE => None,
        (_, "leaks") if at == 7 * MINUTE => None,
        (_, "leaks") => Some(0.0),
        _ => Some(1.0),
    };
    let mut w = World::new(&plan, &["a/low", "b/low"], says).compared();
    w.to(HOUR);
    assert_eq!(w.at("a/low"), "promoted");
}

#[test]
fn what_a_slice_counts_after_a_gap_still_breaches() {
    let plan = plan(PLAN);
    let says = |s: &str, m: &str, at: i64| match (s, m) {
        (_, "load") => Some(1.0),
        ("a/low", _) if at == 3 * MINUTE => None,
        ("a/low", _) if at == 6 * MINUTE => Some(2.0),
        _ => Some(0.0),
    };
    let mut w = World::new(&plan, &["a/low", "b/low"], says).compared();
    w.to(15 * MINUTE);
    assert_eq!((w.at("a/low").as_str(), w.at("b/low").as_str()), ("rolled_back", "deep"));
}
