//! §5.8 taking back, §5.9 drift, §5.10 recovery, SYNTAX §11 question 10.

use super::world::{Ends, Failed, Is, Run, World, plan, plan_with};
use canary::engine::{Effect, Operator, RunCause};

const PORTS: &str = "guard load: load < 5 else rollback
    phase one { flag workers = 1, traffic checkout = 5%  hold 1m }
    phase two { flag cache = on, traffic checkout = 50%  hold 10m }";

#[test]
fn an_undo_is_tried_three_times_and_then_named() {
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  run migrate  run scale  hold 10m }";
    let run = World::of(body).action("unscale", "0s", "", Ends::Badly).from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(run.runs(&plan(body), "unscale", RunCause::Undo), 3);
    assert_eq!(run.runs(&plan(body), "revert", RunCause::Undo), 1);
    assert!(summary(&run).contains("NOT UNDONE: scale failed 3 times"), "{}", summary(&run));
    // one that works at the second try is undone
    let run = World::of(body).action("unscale", "0s", "2m15s", Ends::Badly).from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(run.runs(&plan(body), "unscale", RunCause::Undo), 2, "{:#?}", run.course);
    assert!(!summary(&run).contains("NOT UNDONE"));
}

fn summary(run: &Run) -> String {
    run.state.explanation.as_ref().map(|e| e.summary.clone()).unwrap_or_default()
}

const BACK: &str = "guard load: load < 5 else rollback to a
    phase a { traffic checkout = 1%  hold 1m }
    phase b { traffic checkout = 5%  hold 1m }
    phase c { flag cache = on, traffic checkout = 50%  hold 1h }";

#[test]
fn rollback_to_a_phase_restores_its_settings_and_lives_on() {
    let run = World::of(BACK).during("load", "3m", "3m15s", Is(9.0)).run("6m");
    assert_eq!(
        run.course,
        [
            "0s entered a",
            "1m15s entered b",
            "2m30s entered c",
            "3m rollback to a because load",
            "4m15s entered b",
            "5m30s entered c"
        ]
    );
    // what only later phases set goes back to what it was
    assert_eq!(run.requests(&plan(BACK))[3], "3m checkout 1%, cache off");
    let lowers = |(_, e): &(i64, Effect)| matches!(e, Effect::Apply { lowers: true, .. });
    assert_eq!(run.effects.iter().filter(|e| lowers(e)).count(), 1);
}

#[test]
fn rollback_to_a_phase_is_inert_in_it_and_fires_once() {
    let run = World::of(BACK).during("load", "30s", "10m", Is(9.0)).run("10m");
    assert_eq!(run.course, ["0s entered a", "10m entered b"]);
    // two back, still false: in b it would fire again, had it not to be ok first
    let body = BACK.replace("rollback to a", "rollback to b");
    let run = World::of(&body).during("load", "3m", "8m", Is(9.0)).run("8m");
    assert_eq!(run.course[3..], ["3m rollback to b because load", "8m entered c"]);
    let body = "guard x: load < 5 else rollback to b
        guard y: queue < 5 else rollback to a
        phase a { traffic checkout = 1%  hold 1m }
        phase b { traffic checkout = 5%  hold 1m }
        phase c { traffic checkout = 50%  hold 1h }";
    let run = World::of(body).during("load", "3m", "5m", Is(9.0)).during("queue", "4m", "5m", Is(9.0)).run("6m");
    assert_eq!(run.course[3..], ["3m rollback to b because x", "4m rollback to a because y", "5m15s entered b"]);
}

#[test]
fn rollback_to_a_phase_arms_every_guard_anew_once() {
    // the other guard had used up 45 s of its minute; it starts from nothing
    let body = "guard x: load < 5 else rollback to a
        guard y: queue < 5 tolerate 1m else rollback
        phase a { traffic checkout = 1%  hold 1m }
        phase b { traffic checkout = 5%  hold 1h }";
    let run = World::of(body).from("queue", "2m", Is(9.0)).during("load", "2m45s", "3m", Is(9.0)).run("1h");
    assert_eq!(run.course[2..4], ["2m45s rollback to a because x", "4m rollback because y"]);
    let run = World::of(body).from("queue", "2m", Is(9.0)).run("1h");
    assert_eq!(run.course[2], "3m rollback because y");
}

#[test]
fn a_pause_that_lost_against_a_rollback_to_a_phase_is_not_forgotten() {
    let body = "guard x: load < 5 else rollback to a
        guard y: queue < 5 else pause
        phase a { traffic checkout = 1%  hold 1m }
        phase b { traffic checkout = 5%  hold 1h }";
    let run = World::of(body).from("queue", "2m", Is(9.0)).during("load", "2m", "2m15s", Is(9.0)).run("3m");
    assert_eq!(run.course[2..], ["2m rollback to a because x", "2m15s paused because y"]);
}

#[test]
fn rollback_to_a_phase_ends_and_undoes_what_later_phases_ran() {
    let body = "guard load: load < 5 else rollback to a
        phase a { traffic checkout = 1%  run migrate  hold 1m }
        phase b { traffic checkout = 5%  run scale  hold 1h }";
    let run = World::of(body).during("load", "3m", "3m15s", Is(9.0)).run("7m");
    // the phase goes on when all is undone: read back at 3m15s, undone at 3m30s, action, hold
    assert_eq!(
        run.course,
        [
            "0s entered a",
            "15s ran migrate",
            "1m30s entered b",
            "1m45s ran scale",
            "3m rollback to a because load",
            "3m15s ran unscale",
            "3m30s ran migrate",
            "4m45s entered b",
            "5m ran scale"
        ]
    );
    let run = World::of(body).action("scale", "0s", "", Ends::Never).during("load", "3m", "3m15s", Is(9.0)).run("4m");
    assert_eq!(
        run.course[4..],
        ["3m rollback to a because load", "3m15s scale failed", "3m15s ran unscale", "3m30s ran migrate"]
    );
    // what cannot be undone is a person's matter
    let w = World::of(body).action("unscale", "0s", "", Ends::Badly).during("load", "3m", "3m15s", Is(9.0));
    let run = w.run("20m");
    assert_eq!(run.course.last().unwrap(), "4m paused because scale", "{:#?}", run.course);
}

#[test]
fn an_undo_under_way_does_not_run_ahead_of_a_later_rollback() {
    let body = "guard load: load < 5 else rollback to a
        guard queue: queue < 5 else rollback
        phase a { traffic checkout = 1%  run migrate  hold 1m }
        phase b { traffic checkout = 5%  run scale  hold 1h }";
    // 3m back to a, 3m15s its undo begins, 3m15s everything back, not read back until 5m
    let run = World::of(body)
        .during("load", "3m", "3m15s", Is(9.0))
        .from("queue", "3m15s", Is(9.0))
        .withholds("3m15s", "5m")
        .run("1h");
    assert_eq!(
        run.course[4..],
        [
            "3m rollback to a because load",
            "3m15s ran unscale",
            "3m15s rollback because queue",
            "3m30s unscale failed",
            "4m15s rollback is slow",
            "5m15s ran unscale",
            "5m30s ran revert",
            "5m45s rolled back"
        ]
    );
}

#[test]
fn a_person_aborts_at_any_time_also_while_paused() {
    let run = World::of(PORTS).operator(Operator::Abort, "30s").run("1h");
    assert_eq!(run.course[1..], ["30s rollback because kim", "30s aborted"]);
    let run = World::of(PORTS).operator(Operator::Pause, "30s").operator(Operator::Abort, "1m").run("1h");
    assert_eq!(run.course[2..], ["1m rollback because kim", "1m aborted"]);
    // too late: it is being taken back already, for another reason
    let w = World::of(PORTS).from("load", "30s", Is(9.0)).withholds("30s", "2m").operator(Operator::Abort, "1m");
    assert_eq!(w.run("1h").course.last().unwrap(), "2m15s rolled back");
}

#[test]
fn a_rollback_to_a_phase_raises_nothing_and_the_phase_begins_anew_by_the_gate() {
    // the later phase exposes less: what the earlier one says is above that
    let body = "guard load: load < 5 from b else rollback to a
        phase a { traffic checkout = 50%  hold 1m }
        phase b { traffic checkout = 5%  hold 1h }";
    let run = World::of(body).during("load", "3m", "5m", Is(9.0)).run("8m");
    assert_eq!(
        run.course[..3],
        ["0s entered a", "1m15s entered b", "3m rollback to a because load"],
        "{:#?}",
        run.course
    );
    let requests = run.requests(&plan(body));
    assert_eq!(requests[2], "3m checkout 5%", "{requests:#?}");
    // the raise is one like every other: asked for as a raise, at a check at which no guard that watches is failing
    assert_eq!(requests[3], "3m15s checkout 50%", "{requests:#?}");
    let lowers = |(_, e): &(i64, Effect)| match e {
        Effect::Apply { lowers, .. } => Some(*lowers),
        _ => None,
    };
    assert_eq!(run.effects.iter().filter_map(lowers).take(4).collect::<Vec<_>>(), [false, false, true, false]);
    // a guard that watches there and is bad keeps it down
    let body = body.replace("phase a", "guard queue: queue < 5 else hold\n phase a");
    let run = World::of(&body).during("load", "3m", "5m", Is(9.0)).from("queue", "3m", Is(9.0)).run("20m");
    let requests = run.requests(&plan(&body));
    assert_eq!(requests.last().unwrap(), "3m checkout 5%", "{requests:#?}");
}

#[test]
fn a_rollback_after_a_reset_raises_nothing() {
    let switches = "killswitch drain { traffic checkout = 0% }";
    let body = "guard load: load < 5 from b else rollback to a, kill drain
        guard queue: queue < 5 from b else rollback to a
        phase a { traffic checkout = 5%  hold 1m }
        phase b { flag cache = on  hold 1h }";
    let p = plan_with(switches, body);
    for (port, s) in p.switches[0].settings.iter() {
        assert!(!s.exposes(), "{port:?}");
    }
    let run = World::of_plan(p.clone())
        .during("load", "3m", "3m15s", Is(9.0))
        .operator(Operator::Reset(canary::plan::SwitchId(0)), "4m")
        .run("10m");
    let raised = run.effects.iter().any(|(_, e)| match e {
        Effect::Apply { lowers: true, settings, .. } => settings.iter().any(|(_, s)| s.exposes()),
        _ => false,
    });
    assert!(!raised, "{:#?}", run.requests(&p));
}

#[test]
fn a_pause_for_silence_that_a_rollback_came_before_is_still_to_come() {
    // at 5m both: load has been blind for so long, and queue breaches
    let body = "no data tolerate 1m else pause
        guard load: load < 5 else hold
        guard queue: mean < 5 else rollback to a
        phase a { traffic checkout = 1%  hold 1m }
        phase b { traffic checkout = 5%  hold 2h }";
    let alone = World::of(body).during("load", "4m", "1h", Failed).run("10m");
    let paused = alone.course.iter().find(|c| c.contains("paused")).unwrap().clone();
    assert!(paused.starts_with("5m "), "{:#?}", alone.course);
    let both = World::of(body).during("load", "4m", "1h", Failed).during("mean", "5m", "5m15s", Is(9.0)).run("10m");
    let all = &both.course;
    assert!(all.iter().any(|c| c.starts_with("5m rollback to a")), "{all:#?}");
    assert!(both.state.paused.is_some(), "{all:#?}");
}
