//! Holds until events were counted, scores and windows of civil time. Time begins at 1970-01-01T00:00Z, a Thursday.

use super::world::{Empty, Failed, Is, World, plan_with};

#[test]
fn a_hold_until_counts_from_the_first_check_behind_the_read_back_and_waits_for_the_guards() {
    let body = "guard g: load < 10 tolerate 10m else rollback
        phase one { traffic checkout = 5%  hold until 500 events of errors within 5m else pause }
        phase two { traffic checkout = 10%  hold 15s }";
    // 100 events a check; read back and settled at the check of 15s: what it counts came before
    let run = World::of(body).all("served", Is(100.0)).run("1h");
    assert_eq!(run.course, ["0s entered one", "1m30s entered two", "2m promoted"], "{:#?}", run.words);
    // the events are there, and a guard is not ok
    let run = World::of(body).all("served", Is(100.0)).during("load", "1m", "3m", Is(20.0)).run("1h");
    assert_eq!(run.course[..2], ["0s entered one", "3m entered two"], "{:#?}", run.words);
}

#[test]
fn what_is_counted_while_it_settles_is_not_enough_for_a_hold_until() {
    let body = "settle 2m
        phase one { traffic checkout = 5%  hold until 500 events of errors }";
    // settled at 2m15s, then five checks
    let run = World::of(body).all("served", Is(100.0)).run("1h");
    assert_eq!(run.course, ["0s entered one", "3m30s promoted"]);
    let run = World::of(body).stored().all("served", Is(100.0)).run("1h");
    assert_eq!(run.course, ["0s entered one", "3m30s promoted"], "a journal keeps where goals began");
    // no answer at the check at which it settles: the one that comes tells of the time before as well
    let run = World::of(body).all("served", Is(100.0)).during("served", "2m", "3m", Failed).run("1h");
    assert_eq!(run.course, ["0s entered one", "4m15s promoted"]);
}

#[test]
fn a_hold_until_that_is_not_met_ends_as_it_says() {
    let body = "phase one { traffic checkout = 5%  hold until 500 events of errors within 5m else pause }";
    let run = World::of(body).all("served", Is(1.0)).run("1h");
    assert_eq!(run.course, ["0s entered one", "5m15s paused because one"]);
}

const SCORE: &str = "score health {
  part load = load bad 10 good 0 weight 3
  part room = queue bad 10 good 0
}";

#[test]
fn a_score_is_the_weighted_mean_of_its_parts_between_their_anchors() {
    let body = "guard g: health >= 50% else rollback  phase one { traffic checkout = 5%  hold 1h }";
    let world = || World::of_plan(plan_with(SCORE, body));
    // (3 · 0.1 + 0.9) / 4 = 30 %
    let run = world().from("load", "5m", Is(9.0)).run("1h");
    assert_eq!(run.course[1], "5m rollback because g");
    // beyond its anchor a part counts nothing, and no less: (3 · 1 + 0) / 4
    let run = world().all("load", Is(-50.0)).from("queue", "5m", Is(1000.0)).run("10m");
    assert_eq!(run.course, ["0s entered one"]);
}

#[test]
fn a_score_without_one_of_its_parts_is_unknown_however_bad_the_rest_is() {
    let body = "no data tolerate 1h else pause
        guard g: health >= 50% else rollback  phase one { traffic checkout = 5%  hold 1h }";
    let world = World::of_plan(plan_with(SCORE, body));
    let run = world.from("load", "5m", Is(10.0)).from("queue", "5m", Empty).run("10m");
    assert_eq!(run.course, ["0s entered one"]);
    assert_eq!(run.words.last().unwrap(), "5m g blind");
}
