//! `rollback to p, kill n` (§5.6, SYNTAX §6): one decision throws the switch and goes back to p; from then on the switch's settings win,
//! and what sets its ports waits until a named person has reset it for a reason.

use super::world::{Ends, Is, World, plan_with};
use canary::engine::{Effect, Input, Operator, Record, RunCause, Stage, Verdict, step};
use canary::plan::{PhaseId, Plan, SwitchId};

const SWITCHES: &str = "killswitch stop { flag cache = off   run revert }
    killswitch drain { flag workers = 0 }";
const OFF: SwitchId = SwitchId(1);
const RESET: Operator = Operator::Reset(OFF);

const BODY: &str = "guard load: load < 5 from canary else rollback to shadow, kill stop
    phase shadow { hold 2m }
    phase canary { flag cache = on   hold 5m }
    phase full { traffic checkout = 50%   hold 10m }
    on kill: notify oncall
    on rollback: notify team";

fn plan() -> Plan {
    plan_with(SWITCHES, BODY)
}

fn world() -> World {
    World::of_plan(plan())
}

#[test]
fn the_switch_is_the_second_of_the_plan() {
    assert_eq!(plan().switch("stop"), Some(OFF));
}

#[test]
fn one_decision_throws_the_switch_and_goes_back_to_the_phase() {
    let run = world().during("load", "4m", "5m", Is(9.0)).run("30m");
    assert_eq!(
        run.course,
        [
            "0s entered shadow",
            "2m15s entered canary",
            "4m killed stop by load",
            "4m rollback to shadow because load",
            "4m15s ran revert",
            "6m30s waits for kill switch stop"
        ],
        "the switch's action runs once what it sets is read back; shadow's goals count from then"
    );
    assert_eq!(run.requests(&plan())[2..], ["4m cache off"]);
    assert_eq!(run.state.stage, Stage::Phase(PhaseId(0)));
    assert_eq!(run.state.killed, [OFF]);
    assert_eq!(run.runs(&plan(), "revert", RunCause::Kill), 1);
    let told = |part: &str| run.notices.iter().filter(|n| n.contains(part)).count();
    assert_eq!((told("oncall: shop: killed: guard load"), told("team: shop: rolling back to phase shadow")), (1, 1));
}

#[test]
fn a_reset_by_a_named_person_with_a_reason_lets_it_go_on() {
    let run = world().during("load", "4m", "5m", Is(9.0)).operator(RESET, "20m").run("2h");
    assert_eq!(
        run.course[5..8],
        ["6m30s waits for kill switch stop", "20m reset stop by kim: mended", "20m entered canary"]
    );
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted), "{:#?}", run.course);
    // and before it waits at all
    let run = world().during("load", "4m", "5m", Is(9.0)).operator(RESET, "5m").run("2h");
    assert!(!run.course.iter().any(|l| l.contains("waits")), "{:#?}", run.course);
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
}

#[test]
fn nobody_without_a_name_or_a_reason_resets_and_no_port_is_changed_by_it() {
    let plan = plan();
    let stopped = world().during("load", "4m", "5m", Is(9.0)).run("10m").state;
    for (who, why) in [("", "mended"), ("kim", ""), ("  ", "mended"), ("kim", " \t")] {
        let (mut state, mut out) = (stopped.clone(), Vec::new());
        let act = Input::Operator { at: 700_000, act: RESET, who: who.to_owned(), why: why.to_owned() };
        step(&plan, &mut state, act, &mut out);
        assert_eq!((&state, out.len()), (&stopped, 0), "{who:?} {why:?}");
    }
    let (mut state, mut out) = (stopped.clone(), Vec::new());
    let act = Input::Operator { at: 700_000, act: RESET, who: String::from("kim"), why: String::from("mended") };
    step(&plan, &mut state, act, &mut out);
    assert!(state.killed.is_empty());
    assert!(
        matches!(out.as_slice(), [Effect::Record(r)]
            if matches!(r.as_ref(), Record::KillReset { switch, who, why } if switch == "stop" && who == "kim" && why == "mended")),
        "{out:#?}"
    );
    assert_eq!(state.target, stopped.target);
}

#[test]
fn a_switch_that_was_not_thrown_is_not_reset() {
    let plan = plan();
    let mut state = world().run("3m").state;
    let (before, mut out) = (state.clone(), Vec::new());
    let act = Input::Operator { at: 200_000, act: RESET, who: String::from("kim"), why: String::from("mended") };
    step(&plan, &mut state, act, &mut out);
    assert_eq!((state, out.len()), (before, 0));
}

#[test]
fn of_all_rollbacks_of_a_check_the_earliest_target_wins_and_the_switch_is_thrown() {
    let body = format!("guard queue: queue < 5 else rollback\n{BODY}");
    let run = World::of_plan(plan_with(SWITCHES, &body))
        .during("load", "4m", "5m", Is(9.0))
        .during("queue", "4m", "5m", Is(9.0))
        .run("30m");
    assert_eq!(run.course[2..4], ["4m killed stop by load", "4m rollback because load"]);
    assert_eq!(run.state.verdict(), Some(Verdict::RolledBack));
    // the other way round: a switch whose rollback takes everything, and a guard that goes back to a phase
    let body = BODY.replace("rollback to shadow, kill stop", "rollback, kill stop")
        + "\nguard queue: queue < 5 from canary else rollback to shadow";
    let run = World::of_plan(plan_with(SWITCHES, &body))
        .during("load", "4m", "5m", Is(9.0))
        .during("queue", "4m", "5m", Is(9.0))
        .run("30m");
    assert_eq!(run.course[2..4], ["4m killed stop by load", "4m rollback because load"]);
}

#[test]
fn two_switches_of_one_check_are_both_thrown() {
    let body = format!("guard queue: queue < 5 from canary else rollback to shadow, kill drain\n{BODY}");
    let plan = plan_with(SWITCHES, &body);
    let run = World::of_plan(plan.clone())
        .during("load", "4m", "5m", Is(9.0))
        .during("queue", "4m", "5m", Is(9.0))
        .run("30m");
    assert_eq!(
        run.course[2..5],
        ["4m killed drain by queue", "4m killed stop by load", "4m rollback to shadow because queue"]
    );
    assert_eq!(run.requests(&plan)[2], "4m workers 0, cache off");
    // drain sets no port of the phase that waits; off does
    assert_eq!(run.course.last().unwrap(), "6m30s waits for kill switch stop");
}

#[test]
fn inert_where_the_phase_is_reached_already() {
    let body = "guard queue: queue < 5 else rollback to shadow, kill stop
        phase shadow { hold 2m }
        phase canary { flag cache = on   hold 5m }";
    let run = World::of_plan(plan_with(SWITCHES, body)).during("queue", "1m", "90s", Is(9.0)).run("1h");
    assert!(run.words_of("queue").contains(&String::from("1m breached")));
    assert!(!run.course.iter().any(|l| l.contains("killed")), "never without a rollback: {:#?}", run.course);
}

#[test]
fn a_person_who_throws_it_again_ends_the_run() {
    let run = world().during("load", "4m", "5m", Is(9.0)).operator(Operator::Kill(OFF), "10m").run("1h");
    assert_eq!(run.course[6..], ["10m rollback because kim", "10m killed"]);
    assert_eq!(run.state.verdict(), Some(Verdict::Killed));
}

#[test]
fn a_guard_that_is_still_bad_does_not_throw_it_at_every_check() {
    let run = world().from("load", "4m", Is(9.0)).run("1h");
    assert_eq!(run.course.iter().filter(|l| l.contains("killed")).count(), 1, "{:#?}", run.course);
}

#[test]
fn an_action_of_the_switch_that_fails_pauses_the_life() {
    let run = world().during("load", "4m", "5m", Is(9.0)).action("revert", "0s", "", Ends::Badly).run("30m");
    assert_eq!(run.runs(&plan(), "revert", RunCause::Kill), 3);
    assert_eq!(run.course.last().unwrap(), "5m paused because revert", "{:#?}", run.course);
}

#[test]
fn it_goes_on_after_a_stop_wherever_that_falls() {
    for (from, to) in [("4m15s", "8m"), ("4m30s", "8m"), ("6m30s", "8m"), ("7m", "9m")] {
        let run = world().stored().during("load", "4m", "4m15s", Is(9.0)).stops(from, to, false).run("1h");
        assert_eq!(run.state.stage, Stage::Phase(PhaseId(0)), "{from}: {:#?}", run.course);
        assert!(run.course.last().unwrap().ends_with("waits for kill switch stop"), "{from}: {:#?}", run.course);
        assert!(run.runs(&plan(), "revert", RunCause::Kill) >= 1);
        assert_eq!(run.state.killed, [OFF]);
    }
}

#[test]
fn what_a_switch_sets_wins_over_every_phase_until_it_is_reset() {
    // the phase that is gone back to sets one of its ports itself: it is not tried, and nothing of it goes on
    let body = "guard load: load < 5 from full else rollback to canary, kill stop
        phase canary { flag cache = on   hold 2m }
        phase half { traffic checkout = 20%   hold 2m }
        phase full { traffic checkout = 50%   hold 10m }";
    let plan = plan_with(SWITCHES, body);
    let run = World::of_plan(plan.clone()).during("load", "6m", "6m15s", Is(9.0)).run("12m");
    assert_eq!(run.requests(&plan)[3..], ["6m checkout 0%, cache off"]);
    assert_eq!(run.course.last().unwrap(), "6m30s waits for kill switch stop", "{:#?}", run.course);
    // and once somebody has reset it the phase begins anew: what it holds it has then held
    let reset = Operator::Reset(plan.switch("stop").unwrap());
    let run = World::of_plan(plan.clone()).during("load", "6m", "6m15s", Is(9.0)).operator(reset, "30m").run("2h");
    assert_eq!(run.requests(&plan)[4..6], ["30m cache on", "32m15s cache on, checkout 20%"], "{:#?}", run.course);
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
}
