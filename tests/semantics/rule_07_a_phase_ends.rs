//! Rule 7: a phase ends when every active guard is ok, its steps are done, its hold is over and its `promote` condition is true, at the
//! same check.

use super::world::{Empty, Ends, Failed, Is, NotANumber, World};

const TWO: &str = "phase taste { traffic checkout = 5%  hold 1m }
    phase full { traffic checkout = 100%  hold 2m }";

#[test]
fn a_phase_ends_only_where_every_port_was_read_as_asked_for() {
    // out of reach for the whole of the last hold: exposure is unknown
    let run = World::of(TWO).unread("checkout", "1m30s", "2h").run("3h");
    assert_eq!(run.course, ["0s entered taste", "1m15s entered full", "2h promoted"]);
    // the hold itself goes on meanwhile, and so does a phase in the middle once it is seen
    let run = World::of(TWO).unread("checkout", "30s", "2m").run("1h");
    assert_eq!(run.course, ["0s entered taste", "2m entered full", "4m15s promoted"]);
    // a condition to promote must be true at the check at which the ports are seen
    let body = "phase all { traffic checkout = 100%  promote when queue < 5 }";
    let world = || World::of(body).unread("checkout", "15s", "1m").during("queue", "1m", "2m", Is(9.0));
    assert_eq!(world().run("1h").course, ["0s entered all", "2m promoted"]);
    // a flag that only a later phase sets does not matter yet, one that is set does
    let later = "phase a { traffic checkout = 5%  hold 1m }\nphase b { flag cache = on  hold 1m }";
    assert_eq!(
        World::of(later).unread("cache", "15s", "1m30s").run("1h").course[1..],
        ["1m15s entered b", "2m30s promoted"]
    );
    let flag = "phase all { flag cache = on, traffic checkout = 100%  hold 1m }";
    assert_eq!(World::of(flag).unread("cache", "15s", "5m").run("1h").course[1], "5m promoted");
}

#[test]
fn a_phase_ends_when_everything_is_true_at_the_same_check() {
    let body = "guard soft: load < 5 else hold
        phase all { traffic checkout = 100%  hold 30s  promote when queue < 5 }";
    // the condition is true from 1m to 1m30s, the guard ok from 2m on, both from 3m on
    let run = World::of(body)
        .during("load", "15s", "2m", Is(9.0))
        .during("queue", "0s", "3m", Is(9.0))
        .during("queue", "1m", "1m30s", Is(1.0))
        .run("1h");
    assert_eq!(run.course, ["0s entered all", "3m promoted"]);
}

#[test]
fn a_gate_that_is_met_does_not_time_out_while_it_waits_for_a_guard() {
    let body = "guard soft: load < 5 else hold
        phase all { traffic checkout = 100%  promote when queue < 5 within 1m else rollback }";
    let run = World::of(body).during("load", "15s", "5m", Is(9.0)).run("1h");
    assert_eq!(run.course, ["0s entered all", "5m promoted"]);
    // once it is not met any more, and its time is over, it is shut
    let run = World::of(body).during("load", "15s", "5m", Is(9.0)).from("queue", "3m", Is(9.0)).run("1h");
    assert_eq!(run.course[1], "3m rollback because all");
}

#[test]
fn guards_that_tell_are_outside_and_guards_that_hold_block() {
    let body = |c: &str| format!("guard g: load < 5 else {c}\nphase all {{ traffic checkout = 100%  hold 1m }}");
    let bad = |c: &str| World::of(&body(c)).during("load", "15s", "5m", Is(9.0)).run("1h").course;
    assert_eq!(bad("tell"), ["0s entered all", "1m15s promoted"]);
    // the hold goes on under a breached guard, the phase does not end
    assert_eq!(bad("hold"), ["0s entered all", "5m promoted"]);
    // blind: one that tells neither freezes the hold nor blocks; one that holds does both
    let blind = |c: &str| World::of(&body(c)).during("load", "30s", "1m", Failed).run("1h").course;
    assert_eq!(blind("tell"), ["0s entered all", "1m15s promoted"]);
    assert_eq!(blind("hold"), ["0s entered all", "1m45s promoted"]);
    // dark freezes the hold, also when its tolerance is used up
    let dark = World::of(&body("hold")).canary("load", "30s", "1m", Empty).run("1h").course;
    assert_eq!(dark, ["0s entered all", "1m45s promoted"]);
    // thin does not
    let thin = World::of(&body("hold")).during("load", "30s", "1m", NotANumber).run("1h").course;
    assert_eq!(thin, ["0s entered all", "1m15s promoted"]);
}

/// All four conditions at once, each of them late in turn.
#[test]
fn each_of_the_four_alone_keeps_it_open() {
    let body = "guard soft: load < 5 else hold
        phase all { traffic checkout = 100%  run smoke  hold 1m  promote when queue < 5 }";
    let end = |w: World| w.run("1h").course.last().unwrap().clone();
    // the action is over at 30 s, the hold a minute later
    assert_eq!(end(World::of(body)), "1m30s promoted");
    assert_eq!(end(World::of(body).during("load", "1m30s", "20m", Is(9.0))), "20m promoted", "a guard");
    assert_eq!(end(World::of(body).action("smoke", "0s", "", Ends::Never)), "15s ran smoke", "a step");
    assert_eq!(end(World::of(body).canary("load", "1m", "20m", Empty)), "20m30s promoted", "a hold that was frozen");
    assert_eq!(end(World::of(body).during("queue", "1m30s", "20m", Is(9.0))), "20m promoted", "a condition");
}

#[test]
fn the_last_word_of_every_guard_before_its_first_check_is_no_ok() {
    // armed at 1m15s with the second phase, which has nothing to wait for: it is judged once before anything ends
    let body = "guard late: queue < 5 from b else hold
        phase a { traffic checkout = 5%  hold 1m }
        phase b { traffic checkout = 50% }";
    assert_eq!(World::of(body).run("1h").course[1..], ["1m15s entered b", "1m30s promoted"]);
    let w = World::of(body).during("queue", "1m30s", "10m", Is(9.0));
    assert_eq!(w.run("1h").course[1..], ["1m15s entered b", "10m promoted"]);
}
