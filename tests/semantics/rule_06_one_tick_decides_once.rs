//! Rule 6: one tick decides once: kill (with a rollback, never instead) > rollback > halt > pause > promote; of several rollbacks the
//! earliest target wins. Guards arm before the change is requested; goals count from the first check after it was verified plus
//! the metric's own window. Guards keep their clocks across phases. Pausing latches and stops hold and timeouts, never guards.

use super::world::{Is, World, ms, plan_with};
use canary::engine::{Effect, Operator};
use canary::plan::Setting;

const TWO: &str = "phase taste { traffic checkout = 5%  hold 1m }
    phase full { traffic checkout = 100%  hold 2m }";
const AB: &str = "phase a { traffic checkout = 5%  hold 1m }
    phase b { traffic checkout = 50%  hold 10m }";
const LONG: &str = "phase all { traffic checkout = 100%  hold 30m }";
const STOP: &str = "killswitch stop { flag workers = 0 }";

/// Consequences from the strongest to the weakest, with the line of the course that each leaves at the check.
const STRENGTH: [(&str, &str); 4] = [
    ("rollback, kill stop", "2m killed stop by"),
    ("rollback", "2m rollback because"),
    ("halt", "2m paused because"),
    ("pause", "2m paused because"),
];

#[test]
fn of_each_two_consequences_the_stronger_one_decides_whichever_guard_stands_first() {
    for (i, (strong, line)) in STRENGTH.iter().enumerate() {
        for (weak, _) in &STRENGTH[i + 1..] {
            for strong_first in [true, false] {
                let (a, b) = if strong_first { (strong, weak) } else { (weak, strong) };
                let body = format!("guard a: load < 5 else {a}\nguard b: load < 5 else {b}\n{LONG}");
                let run = World::of_plan(plan_with(STOP, &body)).from("load", "2m", Is(9.0)).run("2m");
                let by = if strong_first { "a" } else { "b" };
                // a halt and a pause end in the same latch; either may name it
                if *strong == "halt" {
                    assert!(run.course[1].starts_with(line), "{strong} against {weak}: {:?}", run.course);
                } else {
                    assert_eq!(run.course[1], format!("{line} {by}"), "{strong} against {weak}");
                }
                let pauses = run.course.iter().filter(|l| l.contains("paused")).count();
                assert_eq!(pauses, usize::from(*strong == "halt"), "{strong} against {weak}: {:?}", run.course);
            }
        }
    }
}

#[test]
fn each_consequence_wins_over_the_end_of_a_phase() {
    // the phase would end at 1m15s, and the guard `tell`s nothing that could keep it
    for (consequence, _) in STRENGTH {
        let body = format!("guard g: load < 5 else {consequence}\n{TWO}");
        let run = World::of_plan(plan_with(STOP, &body)).from("load", "1m15s", Is(9.0)).run("10m");
        assert!(!run.course.iter().any(|l| l.contains("entered full")), "{consequence}: {:#?}", run.course);
    }
    let run = World::of(&format!("guard g: load < 5 else tell\n{TWO}")).from("load", "1m15s", Is(9.0)).run("10m");
    assert_eq!(run.course[1], "1m15s entered full");
}

#[test]
fn a_kill_comes_with_a_rollback_and_never_instead_of_one() {
    let body = format!("guard g: load < 5 else rollback, kill stop\n{LONG}");
    let world = World::of_plan(plan_with(STOP, &body)).original("workers", Setting::Count(3));
    let run = world.from("load", "2m", Is(9.0)).run("10m");
    assert_eq!(run.course[1..], ["2m killed stop by g", "2m rollback because g", "2m15s rolled back"]);
    let lowers = |(_, e): &&(i64, Effect)| matches!(e, Effect::Apply { lowers: true, .. });
    assert_eq!(run.effects.iter().filter(lowers).count(), 1, "one decision, one request");
}

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
fn guards_keep_their_clocks_across_phases() {
    let body = format!("guard soft: queue < 5 tolerate 2m else tell\n{TWO}");
    let run = World::of(&body).from("queue", "30s", Is(9.0)).run("1h");
    assert_eq!(run.words_of("soft"), ["15s ok", "30s failing", "2m30s breached"]);
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
fn a_guard_counts_since_it_was_armed() {
    let body = format!("guard leaks: increase(leaks) < 10 else rollback\n{AB}");
    // one at each check from 1m on: the tenth comes at 3m15s, over the change of phase
    let run = World::of(&body).from("leaks", "1m", Is(1.0)).run("1h");
    assert_eq!(run.course, ["0s entered a", "1m15s entered b", "3m15s rollback because leaks", "3m30s rolled back"]);
    // armed with the second phase at 1m15s: what came before does not count
    let body = format!("guard leaks: increase(leaks) < 10 from b else rollback\n{AB}");
    let run = World::of(&body).from("leaks", "30s", Is(1.0)).run("1h");
    assert_eq!(run.course[2], "3m45s rollback because leaks");
}

#[test]
fn a_rollback_to_a_phase_begins_the_count_anew() {
    let body = "guard leaks: increase(leaks) == 0 else rollback to a\nphase a { traffic checkout = 5%  hold 1m }
        phase b { traffic checkout = 50%  hold 1m }";
    let run = World::of(body).during("leaks", "2m", "2m15s", Is(3.0)).run("1h");
    assert_eq!(
        run.course,
        ["0s entered a", "1m15s entered b", "2m rollback to a because leaks", "3m15s entered b", "4m30s promoted"]
    );
}

#[test]
fn a_pause_that_a_guard_asks_for_stops_no_other_guard() {
    let body = "guard a: load < 5 else pause\nguard b: queue < 5 tolerate 1m else rollback\nphase all { traffic checkout = 100%  hold 30m }";
    let run = World::of(body).from("load", "2m", Is(9.0)).from("queue", "2m30s", Is(9.0)).run("10m");
    assert_eq!(run.course[1..], ["2m paused because a", "3m30s rollback because b", "3m45s rolled back"]);
}
