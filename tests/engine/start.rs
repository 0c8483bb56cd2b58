//! §5.8: a start that is refused changes nothing and gives all its reasons at once.

use super::world::{Empty, Failed, Is, World};
use canary::engine::{Effect, Verdict};
use canary::plan::{Population, Setting};

const BODY: &str = "baseline 5m
    require queue < 5 \"a short queue\"
    guard load: load < 5 else rollback
    guard worse: errors <= before + 1pp tolerate 1m else rollback
    guard soft: mean < 5 else hold
    phase one { traffic checkout = 5%, flag cache = on, flag workers = 2  hold 1m }";

#[test]
fn a_healthy_world_starts() {
    let run = World::of(BODY).run("0s");
    assert_eq!((run.course, run.refused.len()), (vec![String::from("0s entered one")], 0));
}

#[test]
fn all_reasons_together_and_nothing_is_asked_for() {
    let run = World::of(BODY)
        .original("checkout", Setting::Share(0.1))
        .original("cache", Setting::Bool(true))
        .all("queue", Is(7.0))
        .all("load", Is(7.0))
        .of_population("served", Population::Before, Empty)
        .run("1h");
    assert_eq!(run.course, ["0s refused"]);
    let has = |part: &str| assert_eq!(run.refused.iter().filter(|r| r.contains(part)).count(), 1, "{:#?}", run.refused);
    has("checkout is already at 10%");
    has("cache is already at on");
    has("`require queue < 5` is not met (a short queue)");
    has("guard load is false before anything was changed");
    has("no baseline for served: in the 5m before now it has a value less than half of the time");
    assert_eq!(run.refused.len(), 5);
    assert!(!run.effects.iter().any(|(_, e)| matches!(e, Effect::Apply { .. } | Effect::Run { .. })));
    assert_eq!(run.state.verdict(), Some(Verdict::Refused));
}

#[test]
fn a_requirement_that_is_not_known_refuses() {
    let run = World::of(BODY).all("queue", Failed).run("1h");
    assert_eq!(run.refused, ["`require queue < 5` is not known (a short queue)"]);
}

#[test]
fn a_baseline_that_is_no_number_is_missing() {
    let run = World::of(BODY).of_population("served", Population::Before, Is(f64::NAN)).run("1h");
    assert_eq!(run.refused.len(), 1);
    assert!(run.refused[0].contains("no baseline for served"), "{:?}", run.refused);
    // that nothing failed before is no reason
    let run = World::of(BODY).of_population("failed", Population::Before, Empty).run("0s");
    assert_eq!(run.refused.len(), 0);
}

#[test]
fn a_guard_that_is_not_known_or_only_holds_does_not_refuse() {
    let run = World::of(BODY).all("load", Failed).all("mean", Is(9.0)).run("0s");
    assert_eq!(run.course, ["0s entered one"]);
    // a count is no exposure; it is restored all the same
    let run = World::of(BODY).original("workers", Setting::Count(3)).run("0s");
    assert_eq!(run.course, ["0s entered one"]);
}

#[test]
fn the_baseline_is_read_once_before_the_first_change() {
    // 5 % failed before, 5.5 % do now; that nobody is left in the old population changes nothing
    let run = World::of(BODY).all("failed", Is(55.0)).of_population("failed", Population::Before, Is(50.0)).run("1h");
    assert_eq!(run.course.last().unwrap(), "3m15s promoted");
    let run = World::of(BODY).all("failed", Is(61.0)).of_population("failed", Population::Before, Is(50.0)).run("1h");
    assert_eq!(run.course, ["0s refused"]);
}
