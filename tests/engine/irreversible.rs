//! `irreversible "why"` (SYNTAX §11.13): from the moment the phase's settings are asked for no rollback leads back across it.

use super::world::{Ends, Failed, Is, Run, World, plan_with};
use canary::engine::{Effect, Operator, RunCause, Stage, Verdict};
use canary::plan::{PhaseId, Plan, Setting, SwitchId};

const BODY: &str = "guard load: load < 5 else rollback
    phase one { traffic checkout = 5%  hold 1m }
    phase two { irreversible \"the old schema is gone\"  traffic checkout = 50%  hold 10m }
    phase three { traffic checkout = 100%  hold 10m }
    on rollback: notify oncall
    on pause: notify team";

fn plan_of(body: &str) -> Plan {
    plan_with("killswitch stop { flag workers = 0   run revert }", body)
}

fn world(body: &str) -> World {
    World::of_plan(plan_of(body))
}

fn told(run: &Run, part: &str) -> usize {
    run.notices.iter().filter(|n| n.contains(part)).count()
}

#[test]
fn before_it_a_rollback_is_a_rollback() {
    let run = world(BODY).from("load", "1m", Is(9.0)).run("1h");
    assert_eq!(run.course[1..], ["1m rollback because load", "1m15s rolled back"]);
}

#[test]
fn a_guard_behind_it_pauses_and_tells_why_there_was_no_rollback() {
    let run = world(BODY).from("load", "3m", Is(9.0)).run("30m");
    assert_eq!(
        run.course,
        ["0s entered one", "1m15s entered two", "3m not rolled back: load", "3m paused because load"]
    );
    let why = "NOT ROLLED BACK: phase two is irreversible: the old schema is gone";
    assert_eq!(told(&run, why), 2, "both channels, once: {:#?}", run.notices);
    assert_eq!(told(&run, "oncall: shop: not rolled back, act by hand: guard load breached"), 1);
    assert!(run.state.paused.as_ref().unwrap().why.contains(why));
    assert_eq!((run.ports[0], run.state.stage), (Some(Setting::Share(0.5)), Stage::Phase(PhaseId(1))));
}

#[test]
fn it_is_reached_with_the_request_and_not_with_the_read_back() {
    let run = world(BODY).withholds("1m15s", "20m").run("25m");
    assert_eq!(
        run.course[2..],
        ["2m15s not rolled back: two", "2m15s paused because two"],
        "told once, though it stays unverified for long"
    );
    assert_eq!(run.requests(&plan_of(BODY)).len(), 2, "nothing else is asked for");
}

#[test]
fn an_abort_behind_it_pauses() {
    let run = world(BODY).operator(Operator::Abort, "3m").run("1h");
    assert_eq!(run.course[2..], ["3m not rolled back: kim", "3m paused because kim"]);
    // and goes on when somebody says so
    let run = world(BODY).operator(Operator::Abort, "3m").operator(Operator::Resume, "5m").run("2h");
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted), "{:#?}", run.course);
}

#[test]
fn so_do_silence_a_failed_action_and_a_limit() {
    let body = format!("no data tolerate 1m else rollback\n{BODY}");
    let run = world(&body).during("load", "3m", "20m", Failed).run("10m");
    assert_eq!(run.course[2..], ["4m not rolled back: no data", "4m paused because no data"]);
    let body = BODY.replace("50%  hold 10m", "50%  run smoke  hold 10m");
    let run = world(&body).action("smoke", "0s", "", Ends::Badly).run("10m");
    assert_eq!(run.course.last().unwrap(), "1m45s paused because smoke", "{:#?}", run.course);
    let body = BODY.replace("50%  hold 10m", "50%  promote when queue > 5 within 2m else rollback");
    let run = world(&body).run("10m");
    assert_eq!(run.course[2..], ["3m30s not rolled back: two", "3m30s paused because two"]);
}

#[test]
fn to_a_phase_at_or_behind_it_a_rollback_leads_as_ever() {
    let body = BODY.replace("load < 5 else rollback", "load < 5 from three else rollback to two");
    let run = world(&body).during("load", "13m", "14m", Is(9.0)).run("1h");
    assert_eq!(run.course[3..5], ["13m rollback to two because load", "23m15s entered three"], "{:#?}", run.course);
    let body = BODY.replace("load < 5 else rollback", "load < 5 from three else rollback to one");
    let run = world(&body).during("load", "13m", "14m", Is(9.0)).run("1h");
    assert_eq!(run.course[3..], ["13m not rolled back: load", "13m paused because load"]);
}

#[test]
fn what_leads_back_far_enough_is_done_beside_what_may_not_be() {
    let body = BODY.replace(
        "guard load: load < 5 else rollback",
        "guard load: load < 5 else rollback\n guard queue: queue < 5 from three else rollback to two",
    );
    let run = world(&body).during("load", "13m", "14m", Is(9.0)).during("queue", "13m", "14m", Is(9.0)).run("20m");
    assert_eq!(
        run.course[3..],
        ["13m rollback to two because queue", "13m not rolled back: load", "13m paused because load"]
    );
    assert_eq!(run.ports[0], Some(Setting::Share(0.5)));
}

#[test]
fn a_kill_switch_still_sets_what_it_sets_and_nothing_else_is_taken_back() {
    let p = plan_of(BODY);
    let kill = Operator::Kill(SwitchId(0));
    let w = || World::of_plan(p.clone()).original("workers", Setting::Count(2));
    let run = w().operator(kill, "3m").run("30m");
    assert_eq!(
        run.course[2..],
        ["3m killed stop by kim", "3m set again", "3m not rolled back: kim", "3m paused because kim", "3m ran revert"],
        "{:#?}",
        run.course
    );
    assert_eq!(run.requests(&p)[2], "3m checkout 50%, workers 0");
    assert_eq!(run.runs(&p, "revert", RunCause::Kill), 1);
    assert_eq!(run.state.stage, Stage::Phase(PhaseId(1)));
    // and by a guard
    let body = BODY.replace("else rollback", "else rollback, kill stop");
    let run = world(&body).original("workers", Setting::Count(2)).from("load", "3m", Is(9.0)).run("30m");
    assert_eq!(
        run.course[2..6],
        ["3m killed stop by load", "3m set again", "3m not rolled back: load", "3m paused because load"]
    );
}

#[test]
fn a_stop_behind_it_goes_on_with_the_same_settings() {
    let run = world(BODY).stored().stops("3m", "20m", false).run("2h");
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted), "{:#?}", run.course);
    let run = world(BODY).stored().withholds("1m15s", "1m29s").stops("1m30s", "20m", false).run("2h");
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted), "{:#?}", run.course);
}

#[test]
fn a_kill_that_may_not_lead_back_takes_no_rollback_with_it_that_may() {
    let body = BODY.replace(
        "guard load: load < 5 else rollback",
        "guard load: load < 5 from three else rollback to one, kill stop\n guard queue: queue < 5 from three else rollback to two",
    );
    let run = world(&body).during("load", "13m", "14m", Is(9.0)).during("queue", "13m", "14m", Is(9.0)).run("13m10s");
    assert_eq!(
        run.course[3..],
        [
            "13m killed stop by load",
            "13m rollback to two because load",
            "13m not rolled back: load",
            "13m paused because load"
        ]
    );
}

#[test]
fn a_kill_whose_settings_are_not_read_back_runs_its_actions_all_the_same() {
    let p = plan_of(BODY);
    let run = World::of_plan(p.clone())
        .original("workers", Setting::Count(2))
        .operator(Operator::Kill(SwitchId(0)), "3m")
        .withholds("2m50s", "50m")
        .run("30m");
    assert_eq!(run.course.last().unwrap(), "4m ran revert", "{:#?}", run.course);
}

#[test]
fn a_kill_behind_it_ends_the_undoing_of_what_it_runs() {
    let body = BODY
        .replace("load < 5 else rollback", "load < 5 from three else rollback to two")
        .replace("100%  hold 10m", "100%  run migrate  hold 10m");
    let p = plan_with("killswitch stop { flag workers = 0   run migrate }", &body);
    let run = World::of_plan(p.clone())
        .original("workers", Setting::Count(2))
        .during("load", "13m", "14m", Is(9.0))
        .action("revert", "0s", "", Ends::Never)
        .operator(Operator::Kill(SwitchId(0)), "13m30s")
        .run("20m");
    assert!(run.effects.iter().any(|(_, e)| *e == Effect::CancelRuns), "{:#?}", run.course);
    assert_eq!(run.runs(&p, "migrate", RunCause::Kill), 1);
}
