//! `hold forever` (§3, SYNTAX §8): reaching it is the promotion, said once; the run lives on, and its guards still take back.

use super::world::{Is, Run, World};
use canary::engine::{Operator, Record, Stage, Verdict};
use canary::plan::{PhaseId, Setting};

const BODY: &str = "guard load: load < 5 tolerate 1m else rollback
    guard mean: mean < 5 else pause
    phase one { traffic checkout = 5%  hold 2m }
    phase two { traffic checkout = 100%  hold 1m  hold forever }
    on promote: notify team
    on rollback: notify oncall";

fn told(run: &Run, part: &str) -> usize {
    run.notices.iter().filter(|n| n.contains(part)).count()
}

#[test]
fn it_is_promoted_once_and_never_ends() {
    let run = World::of(BODY).run("3h");
    assert_eq!(run.course, ["0s entered one", "4m15s entered two", "7m30s promoted in two"]);
    assert_eq!(run.state.stage, Stage::Phase(PhaseId(1)), "it lives on");
    assert_eq!(told(&run, "promoted: phase two holds for good"), 1, "{:#?}", run.notices);
}

#[test]
fn a_breach_behind_it_still_takes_everything_back() {
    let run = World::of(BODY).from("load", "2h", Is(9.0)).run("4h");
    assert_eq!(run.course[2..], ["7m30s promoted in two", "2h1m rollback because load", "2h1m15s rolled back"]);
    assert_eq!(run.state.verdict(), Some(Verdict::RolledBack));
    assert_eq!(run.ports[0], Some(Setting::Share(0.0)));
    assert_eq!(run.state.promoted, None, "what is taken back is promoted no more");
}

#[test]
fn it_is_said_only_when_every_guard_is_ok() {
    // the window of `mean` is two minutes: it is warming when the hold of a minute would be over
    let run = World::of(BODY).during("load", "7m15s", "8m", Is(9.0)).run("1h");
    assert_eq!(run.course.last().unwrap(), "8m promoted in two", "{:#?}", run.course);
}

#[test]
fn a_pause_and_a_stop_change_nothing_of_it() {
    let run = World::of(BODY)
        .operator(Operator::Pause, "20m")
        .operator(Operator::Resume, "30m")
        .stops("40m", "50m", true)
        .run("2h");
    assert_eq!(run.course.iter().filter(|l| l.contains("promoted")).count(), 1, "{:#?}", run.course);
    let run = World::of(BODY).operator(Operator::Pause, "5m").operator(Operator::Resume, "30m").run("1h");
    assert_eq!(run.course.last().unwrap(), "31m promoted in two", "{:#?}", run.course);
    let run = World::of(BODY).operator(Operator::Abort, "20m").run("1h");
    assert_eq!(run.state.verdict(), Some(Verdict::Aborted));
}

#[test]
fn after_a_rollback_to_a_phase_it_is_promoted_anew() {
    let body = BODY.replace("else rollback\n", "from two else rollback to one\n");
    let body = body.replace("tolerate 1m from two", "from two tolerate 1m");
    let run = World::of(&body).during("load", "30m", "32m", Is(9.0)).run("2h");
    let promoted: Vec<&String> = run.course.iter().filter(|l| l.contains("promoted")).collect();
    assert_eq!(promoted, ["7m30s promoted in two", "38m30s promoted in two"], "{:#?}", run.course);
}

#[test]
fn its_record_names_the_guards_that_were_ok() {
    let run = World::of(BODY).run("1h");
    let found = run.effects.iter().find_map(|(_, e)| match e {
        canary::engine::Effect::Record(r) => match r.as_ref() {
            Record::Promoted { guards, .. } => Some(guards.len()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(found, Some(2));
}
