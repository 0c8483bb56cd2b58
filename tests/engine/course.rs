//! §5.6 what one tick decides and when goals begin to count, §5.7 when a phase ends, steps and their consequences.

use super::world::{Ends, Failed, Is, World, ms};
use canary::engine::{Operator, RunCause, Word};

const TWO: &str = "phase taste { traffic checkout = 5%  hold 1m }
    phase full { traffic checkout = 100%  hold 2m }";

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
fn a_guard_ends_with_its_last_phase() {
    let body = format!("guard early: queue < 5 until full else rollback\n{TWO}");
    let run = World::of(&body).from("queue", "1m30s", Is(9.0)).run("1h");
    assert_eq!(run.course.last().unwrap(), "3m30s promoted");
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
