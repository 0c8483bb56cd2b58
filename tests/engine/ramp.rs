//! `ramp x from a to b by s every d` (§4, SYNTAX §8): each raise waits for observed time and for all guards ok, at one check.

use super::world::{Ends, Failed, Is, Run, World, plan, plan_with};
use canary::engine::{Operator, RunCause, Stage, Verdict};
use canary::plan::{PhaseId, Plan, Setting};

const BODY: &str = "guard load: load < 5 else rollback
    phase taste { ramp checkout from 5% to 35% by 15% every 2m   hold 1m }
    phase full { flag cache = on   hold 1m }";

fn raised(run: &Run, plan: &Plan) -> Vec<String> {
    run.requests(plan)
}

#[test]
fn its_whole_timeline() {
    let run = World::of(BODY).run("1h");
    assert_eq!(
        run.course,
        [
            "0s entered taste",
            "2m15s raised checkout to 20%",
            "4m30s raised checkout to 35%",
            "5m45s entered full",
            "7m promoted"
        ],
        "each value is read back and settled at the next check; then two minutes"
    );
    assert_eq!(
        raised(&run, &plan(BODY)),
        ["0s checkout 5%", "2m15s checkout 20%", "4m30s checkout 35%", "5m45s cache on, checkout 35%"],
        "the last value stays in the phases behind it"
    );
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
}

#[test]
fn the_last_step_is_shorter_and_the_end_is_met() {
    let body = BODY.replace("to 35% by 15%", "to 30% by 15%");
    let run = World::of(&body).run("1h");
    assert_eq!(run.course[1..3], ["2m15s raised checkout to 20%", "4m30s raised checkout to 30%"]);
}

#[test]
fn a_count_goes_up_by_whole_numbers() {
    let body = "phase one { ramp workers from 1 to 3 by 1 every 1m }";
    let run = World::of(body).run("1h");
    assert_eq!(raised(&run, &plan(body)), ["0s workers 1", "1m15s workers 2", "2m30s workers 3"]);
    assert_eq!(run.course.last().unwrap(), "2m45s promoted");
}

#[test]
fn behind_another_step_its_first_value_waits_for_no_time() {
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  hold 1m  ramp checkout from 20% to 30% by 10% every 2m }";
    let run = World::of(body).run("1h");
    assert_eq!(
        raised(&run, &plan(body)),
        ["0s checkout 5%", "1m15s checkout 20%", "3m30s checkout 30%"],
        "{:#?}",
        run.course
    );
}

#[test]
fn a_first_value_that_is_set_already_is_not_asked_for_again() {
    let body = "phase one { traffic checkout = 10%  hold 1m  ramp checkout from 10% to 20% by 10% every 2m }";
    let run = World::of(body).run("1h");
    assert_eq!(raised(&run, &plan(body)), ["0s checkout 10%", "3m15s checkout 20%"]);
    // and in a phase that begins with it
    let body = "phase one { traffic checkout = 10%  hold 1m }
        phase two { ramp checkout from 10% to 20% by 10% every 2m }";
    let run = World::of(body).run("1h");
    assert_eq!(raised(&run, &plan(body)), ["0s checkout 10%", "3m30s checkout 20%"], "{:#?}", run.course);
}

#[test]
fn a_guard_that_is_not_ok_holds_the_raise_and_its_time_goes_on() {
    let body = BODY.replace("else rollback", "else hold");
    let run = World::of(&body).during("load", "1m", "5m", Is(9.0)).run("1h");
    assert_eq!(run.course[1..3], ["5m raised checkout to 20%", "7m15s raised checkout to 35%"]);
    // what is not known is not ok either
    let run =
        World::of(&format!("no data tolerate 10m else pause\n{BODY}")).during("load", "1m", "4m", Failed).run("1h");
    assert_eq!(run.course[1], "4m raised checkout to 20%", "{:#?}", run.course);
}

#[test]
fn a_guard_with_a_window_warms_anew_after_each_raise() {
    let body = BODY.replace("load: load < 5", "mean: mean < 5").replace("every 2m", "every 1m");
    let run = World::of(&body).run("1h");
    // read back just before 15s; a window of 2m lies behind that at 2m15s
    assert_eq!(run.course[1..3], ["2m15s raised checkout to 20%", "4m30s raised checkout to 35%"]);
}

#[test]
fn a_breach_in_the_middle_takes_everything_back() {
    let run = World::of(BODY).from("load", "3m", Is(9.0)).run("1h");
    assert_eq!(run.course[1..], ["2m15s raised checkout to 20%", "3m rollback because load", "3m15s rolled back"]);
    assert_eq!(raised(&run, &plan(BODY))[2..], ["3m checkout 0%"]);
}

#[test]
fn a_rollback_to_an_earlier_phase_and_its_own() {
    let body = "guard load: load < 5 from two else rollback to one
        phase zero { flag cache = on  hold 1m }
        phase one { ramp checkout from 5% to 10% by 5% every 1m }
        phase two { ramp checkout from 20% to 40% by 10% every 1m  hold 10m }";
    let run = World::of(body).during("load", "6m", "6m15s", Is(9.0)).run("20m");
    assert_eq!(
        raised(&run, &plan(body))[..7],
        [
            "0s cache on",
            "1m15s cache on, checkout 5%",
            "2m30s cache on, checkout 10%",
            "2m45s cache on, checkout 20%",
            "4m cache on, checkout 30%",
            "5m15s cache on, checkout 40%",
            "6m checkout 5%, cache on"
        ],
        "the phase that is gone back to begins with its ramp's first value: {:#?}",
        run.course
    );
    assert_eq!(
        run.course[6..9],
        ["6m rollback to one because load", "7m15s raised checkout to 10%", "7m30s entered two"]
    );
}

#[test]
fn paused_it_neither_raises_nor_counts() {
    let run = World::of(BODY).operator(Operator::Pause, "1m15s").operator(Operator::Resume, "10m").run("1h");
    let at = run.course.iter().find(|l| l.contains("raised")).unwrap();
    assert_eq!(at, "11m raised checkout to 20%", "{:#?}", run.course);
}

#[test]
fn a_stop_in_the_middle_goes_on_at_the_same_step() {
    for backfilled in [false, true] {
        let run = World::of(BODY).stored().stops("3m", "20m", backfilled).run("1h");
        assert_eq!(
            raised(&run, &plan(BODY))[..3],
            ["0s checkout 5%", "2m15s checkout 20%", "21m45s checkout 35%"],
            "nothing is skipped, nothing begun again, and the stop counts for nothing: {:#?}",
            run.course
        );
    }
    // before the read-back of a raise: the same value is asked for again
    let run = World::of(BODY).withholds("2m15s", "2m29s").stops("2m30s", "9m", false).run("1h");
    assert_eq!(raised(&run, &plan(BODY))[1..3], ["2m15s checkout 20%", "8m46s checkout 20%"], "{:#?}", run.course);
}

#[test]
fn a_raise_that_is_not_read_back_is_taken_back() {
    let run = World::of(BODY).withholds("2m15s", "20m").run("19m");
    assert_eq!(run.course[1..3], ["2m15s raised checkout to 20%", "3m15s rollback because taste"], "{:#?}", run.course);
}

#[test]
fn drift_is_told_by_the_present_value() {
    let run = World::of(BODY).drifts("checkout", Setting::Share(0.05), "3m").run("10m");
    assert_eq!(run.course[2..4], ["3m checkout drifted to 5%", "3m paused because checkout"]);
    let run = World::of(BODY).drifts("checkout", Setting::Share(0.2), "3m").run("10m");
    assert!(!run.course.iter().any(|l| l.contains("drifted")), "{:#?}", run.course);
}

#[test]
fn a_port_that_cannot_be_read_holds_the_raise() {
    let run = World::of(BODY).unread("checkout", "2m", "6m").run("1h");
    assert_eq!(run.course[1], "6m raised checkout to 20%", "{:#?}", run.course);
}

#[test]
fn the_sums_and_the_time_of_the_phase_go_on_over_a_raise() {
    let body = "guard load: load < 5 else rollback
        phase one { ramp checkout from 5% to 20% by 15% every 1m
            promote when increase(leaks, since phase) == 0 and phase.elapsed >= 3m }";
    // a leak at the first value is not forgotten by the raise
    let run = World::of(body).during("leaks", "45s", "1m", Is(1.0)).run("30m");
    assert_eq!(run.course, ["0s entered one", "1m15s raised checkout to 20%"]);
    let run = World::of(body).run("30m");
    assert_eq!(
        run.course.last().unwrap(),
        "3m15s promoted",
        "three minutes since the phase's own settings were read back"
    );
}

#[test]
fn two_ramps_one_behind_the_other() {
    let body = "phase one { ramp checkout from 5% to 10% by 5% every 1m  run smoke
        ramp checkout from 20% to 30% by 10% every 1m }";
    let p = plan(body);
    let run = World::of(body).run("1h");
    assert_eq!(
        raised(&run, &p),
        ["0s checkout 5%", "1m15s checkout 10%", "1m45s checkout 20%", "3m checkout 30%"],
        "{:#?}",
        run.course
    );
    assert_eq!(run.runs(&p, "smoke", RunCause::Step), 1);
    let run = World::of(body).action("smoke", "0s", "", Ends::Badly).run("1h");
    assert_eq!(run.ports[0], Some(Setting::Share(0.0)));
}

#[test]
fn a_thrown_switch_holds_it_down_until_it_is_reset() {
    let switches = "killswitch stop { traffic checkout = 0% }";
    let body = "guard load: load < 5 from two else rollback to one, kill stop
        phase one { ramp checkout from 5% to 10% by 5% every 1m }
        phase two { flag cache = on  hold 10m }";
    let p = plan_with(switches, body);
    let world = World::of_plan(p.clone()).during("load", "3m", "3m15s", Is(9.0));
    let run = world.run("30m");
    assert_eq!(run.course.last().unwrap(), "3m15s waits for kill switch stop", "{:#?}", run.course);
    assert_eq!(run.state.stage, Stage::Phase(PhaseId(0)));
    let reset = Operator::Reset(p.switch("stop").unwrap());
    let run = World::of_plan(p.clone()).during("load", "3m", "3m15s", Is(9.0)).operator(reset, "20m").run("1h");
    assert_eq!(
        run.requests(&p)[3..6],
        ["3m checkout 0%, cache off", "20m checkout 5%", "21m15s checkout 10%"],
        "{:#?}",
        run.course
    );
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
}

#[test]
fn it_goes_on_from_where_it_stood_in_a_hundred_small_steps() {
    let body = "phase one { ramp checkout from 1% to 100% by 1% every 15s }";
    let run = World::of(body).run("4h");
    assert_eq!(run.requests(&plan(body)).len(), 100);
    assert_eq!(run.requests(&plan(body)).last().unwrap(), "49m30s checkout 100%");
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
}
