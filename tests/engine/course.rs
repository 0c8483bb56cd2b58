//! §5.6 what one tick decides and when goals begin to count, §5.7 when a phase ends, steps and their consequences.

use super::world::{Ends, Failed, Is, World, ms};
use canary::engine::{Operator, RunCause, Word};
use canary::plan::Setting;

const TWO: &str = "phase taste { traffic checkout = 5%  hold 1m }
    phase full { traffic checkout = 100%  hold 2m }";
const LONG: &str = "phase all { traffic checkout = 100%  hold 30m }";

#[test]
fn a_hold_ends_one_check_and_its_length_after_the_phase_was_entered() {
    let run = World::of(&format!("guard load: load < 10 else rollback\n{TWO}")).run("1h");
    assert_eq!(run.course, ["0s entered taste", "1m15s entered full", "3m30s promoted"]);
}

#[test]
fn the_windows_of_the_guards_come_on_top() {
    let run = World::of(&format!("guard errors: errors < 1% else rollback\n{TWO}")).run("1h");
    assert_eq!(run.course, ["0s entered taste", "2m15s entered full", "5m30s promoted"]);
}

#[test]
fn settle_counts_from_the_read_back() {
    // read back just before 15 s; the first check 30 s after that is the one at 45 s
    let run = World::of(&format!("settle 30s\n{TWO}")).run("1h");
    assert_eq!(run.course, ["0s entered taste", "1m45s entered full", "4m30s promoted"]);
    // read back late: the hold waits for it
    let run = World::of(TWO).withholds("0s", "45s").run("1h");
    assert_eq!(run.course[1], "2m entered full");
}

#[test]
fn settings_that_do_not_change_still_cost_one_check() {
    let run = World::of("phase a { traffic checkout = 5%  hold 1m }\nphase b { hold 1m }").run("1h");
    assert_eq!(run.course, ["0s entered a", "1m15s entered b", "2m30s promoted"]);
}

#[test]
fn a_condition_to_promote_counts_from_the_first_check_after_the_read_back_plus_its_window() {
    let at = |when: &str| {
        let body = format!("phase all {{ traffic checkout = 100%  promote when {when} }}");
        World::of(&body).run("1h").course[1].clone()
    };
    assert_eq!(at("load < 5"), "15s promoted");
    assert_eq!(at("load < 5 for 1m"), "1m15s promoted");
    assert_eq!(at("load < 5 for 3 checks"), "45s promoted");
    assert_eq!(at("errors < 1%"), "1m15s promoted");
    assert_eq!(at("errors < 1% for 1m"), "2m15s promoted");
    assert_eq!(at("mean < 5"), "2m15s promoted");
    assert_eq!(at("phase.elapsed >= 1m"), "1m15s promoted");
    assert_eq!(at("rollout.elapsed >= 1m"), "1m promoted");
}

#[test]
fn the_time_in_a_phase_begins_anew_with_each_phase() {
    let run = World::of(
        "phase a { traffic checkout = 5%  promote when phase.elapsed >= 2m }
        phase b { traffic checkout = 50%  promote when phase.elapsed >= 1m }",
    )
    .run("1h");
    assert_eq!(run.course, ["0s entered a", "2m15s entered b", "3m30s promoted"]);
    // a guard that reads it does not see the last phase's time before the settings are read back
    let run = World::of(
        "guard g: phase.elapsed < 90s else tell
        phase a { traffic checkout = 5%  hold 1m }
        phase b { traffic checkout = 50%  hold 1m }",
    )
    .withholds("1m", "1m45s")
    .run("1h");
    assert_eq!(run.words_of("g"), ["15s ok"]);
}

#[test]
fn rollback_over_pause_over_promote() {
    let both = "guard a: load < 5 else pause\nguard b: queue < 5 else rollback";
    let run = World::of(&format!("{both}\n{LONG}")).from("load", "2m", Is(9.0)).from("queue", "2m", Is(9.0)).run("5m");
    assert_eq!(run.course, ["0s entered all", "2m rollback because b", "2m15s rolled back"]);
    // the phase would end at the check at which somebody is seen to have moved the traffic
    let run = World::of(TWO).drifts("checkout", Setting::Share(0.3), "1m15s").run("5m");
    assert_eq!(run.course, ["0s entered taste", "1m15s checkout drifted to 30%", "1m15s paused because checkout"]);
}

#[test]
fn of_several_rollbacks_the_earliest_target() {
    let phases = "phase a { traffic checkout = 1%  hold 1m }
        phase b { traffic checkout = 5%  hold 1m }
        phase c { traffic checkout = 50%  hold 1m }";
    let three = |x: &str, y: &str| {
        let body = format!("guard x: load < 5 else {x}\nguard y: queue < 5 else {y}\n{phases}");
        World::of(&body).from("load", "3m", Is(9.0)).from("queue", "3m", Is(9.0)).run("3m").course.pop().unwrap()
    };
    assert_eq!(three("rollback to b", "rollback to a"), "3m rollback to a because y");
    assert_eq!(three("rollback to a", "rollback to b"), "3m rollback to a because x");
    assert_eq!(three("rollback to a", "rollback"), "3m rollback because y");
    assert_eq!(three("rollback", "rollback to a"), "3m rollback because x");
}

#[test]
fn guards_arm_with_the_request_and_are_judged_from_the_next_check() {
    let body = format!("guard late: queue < 5 from full else rollback\n{TWO}");
    // false at the check that enters the phase it watches: that one does not count
    let run = World::of(&body).during("queue", "1m", "1m30s", Is(9.0)).run("1h");
    assert_eq!(run.course, ["0s entered taste", "1m15s entered full", "3m30s promoted"]);
    let (_, entered) = run.states.iter().find(|(t, _)| *t == ms("1m15s")).unwrap();
    assert!(entered.guards[0].active && entered.guards[0].word.is_none() && entered.target.verified.is_none());
    let run = World::of(&body).during("queue", "1m", "1m45s", Is(9.0)).run("1h");
    assert_eq!(run.course[2], "1m30s rollback because late");
}

#[test]
fn a_guard_ends_with_its_last_phase() {
    let body = format!("guard early: queue < 5 until full else rollback\n{TWO}");
    let run = World::of(&body).from("queue", "1m30s", Is(9.0)).run("1h");
    assert_eq!(run.course.last().unwrap(), "3m30s promoted");
}

#[test]
fn guards_keep_their_clocks_across_phases() {
    let body = format!("guard soft: queue < 5 tolerate 2m else tell\n{TWO}");
    let run = World::of(&body).from("queue", "30s", Is(9.0)).run("1h");
    assert_eq!(run.words_of("soft"), ["15s ok", "30s failing", "2m30s breached"]);
}

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
fn a_pause_stops_hold_and_timeouts_and_no_guard() {
    let body = "guard load: load < 5 else rollback\nphase all { traffic checkout = 100%  hold 2m }";
    let paused = |w: World| w.operator(Operator::Pause, "1m").operator(Operator::Resume, "3m");
    // 45 s before, 75 s after
    let run = paused(World::of(body)).run("1h");
    assert_eq!(run.course, ["0s entered all", "1m paused because kim", "3m resumed", "4m15s promoted"]);
    let run = paused(World::of(body)).from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(run.course[2..], ["2m rollback because load", "2m15s rolled back"]);
    let wait = "phase all { traffic checkout = 100%  promote when queue > 5 within 2m else rollback }";
    let run = paused(World::of(wait)).run("1h");
    assert_eq!(run.course[2..4], ["3m resumed", "4m15s rollback because all"]);
    // it latches: a condition that becomes true meanwhile waits for a person
    let run = World::of(wait).operator(Operator::Pause, "1m").from("queue", "1m30s", Is(9.0)).run("30m");
    assert_eq!(run.course, ["0s entered all", "1m paused because kim"]);
}

#[test]
fn a_guard_pauses_once_and_a_person_lets_it_go_on() {
    let body = "guard load: load < 5 else pause\nphase all { traffic checkout = 100%  hold 2m }";
    let run = World::of(body).during("load", "1m", "2m", Is(9.0)).operator(Operator::Resume, "3m").run("1h");
    assert_eq!(run.course, ["0s entered all", "1m paused because load", "3m resumed", "4m15s promoted"]);
    // resumed while it is still bad: it does not fire again, and the phase does not end
    let run = World::of(body).during("load", "1m", "9m", Is(9.0)).operator(Operator::Resume, "2m").run("1h");
    assert_eq!(run.course, ["0s entered all", "1m paused because load", "2m resumed", "9m promoted"]);
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
    let dark = World::of(&body("hold")).canary("load", "30s", "1m", super::world::Empty).run("1h").course;
    assert_eq!(dark, ["0s entered all", "1m45s promoted"]);
    // thin does not
    let thin = World::of(&body("hold")).during("load", "30s", "1m", super::world::NotANumber).run("1h").course;
    assert_eq!(thin, ["0s entered all", "1m15s promoted"]);
}

#[test]
fn healthy_is_false_only_for_failing_breached_and_dark() {
    let body = "no data tolerate 1m else hold
        guard g: load < 5 tolerate 1h else rollback
        guard t: mean < 5 else tell
        phase all { traffic checkout = 100%  promote when healthy for 2m }";
    assert_eq!(World::of(body).run("1h").course[1], "2m15s promoted");
    // blind: unknown, frozen; failing and dark: false, begins anew; the one that tells does not count
    let at = |w: World| w.during("mean", "1m", "2m", Is(9.0)).run("1h").course[1].clone();
    assert_eq!(at(World::of(body).during("load", "1m", "1m45s", Failed)), "3m promoted");
    assert_eq!(at(World::of(body).during("load", "1m", "1m45s", Is(9.0))), "3m45s promoted");
    assert_eq!(at(World::of(body).canary("load", "1m", "1m45s", super::world::Empty)), "3m45s promoted");
}

#[test]
fn a_gate_that_stays_shut_does_what_it_says() {
    let body = |c: &str| {
        format!("phase all {{ traffic checkout = 100%  hold 1m  promote when queue > 5 within 2m else {c} }}")
    };
    // reached at 1m15s
    let run = World::of(&body("rollback")).run("1h");
    assert_eq!(run.course, ["0s entered all", "3m15s rollback because all", "3m30s rolled back"]);
    // a person gives it its time again
    let run = World::of(&body("pause")).operator(Operator::Resume, "5m").run("30m");
    assert_eq!(run.course[1..], ["3m15s paused because all", "5m resumed", "7m paused because all"]);
    // true at the very check: not shut
    let run = World::of(&body("rollback")).from("queue", "3m15s", Is(9.0)).run("1h");
    assert_eq!(run.course, ["0s entered all", "3m15s promoted"]);
}

#[test]
fn steps_are_done_in_order_and_a_run_is_waited_for() {
    let body = "phase all { traffic checkout = 100%  run smoke  hold 1m }";
    let run = World::of(body).run("1h");
    assert_eq!(run.course, ["0s entered all", "15s ran smoke", "1m30s promoted"]);
    let run = World::of(body).action("smoke", "0s", "", Ends::Never).run("1h");
    assert_eq!(run.course, ["0s entered all", "15s ran smoke"]);
}

#[test]
fn a_run_that_fails_does_what_it_says() {
    let body = |tail: &str| format!("phase all {{ traffic checkout = 100%  run smoke {tail}  hold 1m }}");
    let run = World::of(&body("")).action("smoke", "0s", "", Ends::Badly).run("1h");
    assert_eq!(run.course[2..], ["30s smoke failed", "30s rollback because smoke", "30s rolled back"]);
    // a person has it tried again
    let w = World::of(&body("else pause")).action("smoke", "0s", "1m", Ends::Badly).operator(Operator::Resume, "2m");
    let run = w.run("1h");
    assert_eq!(
        run.course[1..],
        [
            "15s ran smoke",
            "30s smoke failed",
            "30s paused because smoke",
            "2m resumed",
            "2m ran smoke",
            "3m15s promoted"
        ]
    );
    assert_eq!(run.runs(&plan_of(&body("else pause")), "smoke", RunCause::Step), 2);
}

fn plan_of(body: &str) -> canary::plan::Plan {
    super::world::plan(body)
}

#[test]
fn an_action_of_a_phase_that_was_left_says_nothing_to_the_next() {
    let body = "guard g: load < 5 else rollback to a
        phase a { traffic checkout = 1%  run smoke  hold 1m }
        phase b { traffic checkout = 5%  run migrate  hold 1m }";
    // b is left at 2m while its action runs; it fails when the first phase waits for its own
    let run = World::of(body).during("load", "2m", "2m15s", Is(9.0)).run("2m30s");
    assert_eq!(
        run.course[..5],
        ["0s entered a", "15s ran smoke", "1m30s entered b", "1m45s ran migrate", "2m rollback to a because g"]
    );
    let state = run.states.iter().find(|(t, _)| *t == ms("2m15s")).unwrap();
    assert_eq!(state.1.step, 0, "{:#?}", run.course);
}

#[test]
fn words_of_all_guards_are_there_when_a_phase_ends() {
    let run = World::of(&format!("guard load: load < 10 else rollback\n{TWO}")).run("1h");
    let plan = plan_of(&format!("guard load: load < 10 else rollback\n{TWO}"));
    assert_eq!(run.word(&plan, "load", "1m15s"), Some(Word::Ok));
}
