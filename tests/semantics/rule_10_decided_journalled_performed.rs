//! Rule 10: effects are decided, journalled, performed, confirmed. After a crash anywhere the same plan goes on: nothing skipped,
//! nothing begun again, an unfinished rollback first. (With real processes, stores and leases: `tests/e2e_crash.rs`,
//! `tests/store_crash.rs`, `tests/e2e_held_up.rs`.)

use super::world::{Ends, Is, World, plan};
use canary::engine::{Effect, Input, Operator, Record, RunCause, Stage, State, step};
use canary::plan::{Answer, GroupId, PortId, Setting};

const PORTS: &str = "guard load: load < 5 else rollback
    phase one { flag workers = 1, traffic checkout = 5%  hold 1m }
    phase two { flag cache = on, traffic checkout = 50%  hold 10m }";
const BACK: &str = "guard load: load < 5 else rollback to a
    phase a { traffic checkout = 1%  hold 1m }
    phase b { traffic checkout = 5%  hold 1m }
    phase c { flag cache = on, traffic checkout = 50%  hold 1h }";

/// A recovery in the middle of something: effects of the new runner.
fn recovered(world: &World, at: &str) -> Vec<Effect> {
    let run = world.run(at);
    let mut state: State = serde_json::from_str(&serde_json::to_string(&run.state).unwrap()).unwrap();
    let mut out = Vec::new();
    let at = state.last.unwrap();
    step(&world.plan, &mut state, Input::Recovered { at }, &mut out);
    out
}

#[test]
fn a_new_runner_asks_again_for_what_is_not_confirmed() {
    // confirmed: nothing
    assert_eq!(recovered(&World::of(PORTS), "1m"), []);
    // requested at 1m15s, not read back
    let out = recovered(&World::of(PORTS), "1m15s");
    assert!(matches!(out.as_slice(), [Effect::Apply { epoch: 2, lowers: false, .. }]), "{out:?}");
    // a rollback first, and it still lowers
    let out = recovered(&World::of(PORTS).from("load", "2m", Is(9.0)), "2m");
    assert!(matches!(out.as_slice(), [Effect::Apply { epoch: 3, lowers: true, .. }]), "{out:?}");
    let out = recovered(&World::of(BACK).from("load", "3m", Is(9.0)), "3m");
    assert!(matches!(out.as_slice(), [Effect::Apply { epoch: 4, lowers: true, .. }]), "{out:?}");
    // an awaited action, with its own token
    let body = "phase one { traffic checkout = 5%  run smoke  hold 1m }";
    let out = recovered(&World::of(body).action("smoke", "0s", "", Ends::Never), "1m");
    assert!(matches!(out.as_slice(), [Effect::Run { token: 1, cause: RunCause::Step, .. }]), "{out:?}");
    // one that nobody waits for is not begun again
    let body = "when queue > 5: run scale\nphase one { traffic checkout = 5%  hold 1h }";
    let w = World::of(body).from("queue", "1m", Is(9.0)).action("scale", "0s", "", Ends::Never);
    let out = recovered(&w, "2m");
    assert!(
        matches!(out.as_slice(), [Effect::Record(r)] if matches!(r.as_ref(), Record::ActionEnded { ok: false, .. })),
        "{out:?}"
    );
}

#[test]
fn an_answer_for_an_older_request_is_ignored() {
    let w = World::of(PORTS).from("load", "2m", Is(9.0)).withholds("2m", "5m");
    let mut state = w.run("2m15s").state;
    let mut out = Vec::new();
    assert!(matches!(state.stage, Stage::RollingBack(_)));
    step(&w.plan, &mut state, Input::Verified { at: 140_000, epoch: 2, read: Vec::new() }, &mut out);
    assert_eq!((out.len(), state.target.verified), (0, None));
}

#[test]
fn a_check_that_is_not_later_than_the_last_is_ignored() {
    let w = World::of(PORTS);
    let mut state = w.run("1m").state;
    let (before, mut out) = (state.clone(), Vec::new());
    let answers: Vec<Answer> = w.plan.inputs.iter().map(|_| Answer::failed("?")).collect();
    let ports = [Some(Setting::Share(1.0)); 3];
    step(
        &w.plan,
        &mut state,
        Input::Tick { at: 60_000, answers: &answers, ports: &ports, ports_epoch: 1, live: true },
        &mut out,
    );
    assert_eq!((out.len(), state == before), (0, true));
}

#[test]
fn nothing_reaches_a_run_that_is_over() {
    let w = World::of(PORTS).from("load", "30s", Is(9.0));
    let mut state = w.run("1h").state;
    let before = state.clone();
    let answers: Vec<Answer> = w.plan.inputs.iter().map(|_| Answer::failed("?")).collect();
    let mut out = Vec::new();
    let at = 10_000_000;
    step(&w.plan, &mut state, Input::Tick { at, answers: &answers, ports: &[], ports_epoch: 9, live: true }, &mut out);
    for act in [Operator::Pause, Operator::Resume, Operator::Abort] {
        let (who, why) = (String::from("kim"), String::new());
        step(&w.plan, &mut state, Input::Operator { at, act, who, why }, &mut out);
    }
    step(&w.plan, &mut state, Input::Recovered { at }, &mut out);
    step(&w.plan, &mut state, Input::Verified { at, epoch: 1, read: vec![(PortId(0), Setting::Share(1.0))] }, &mut out);
    assert_eq!((out, state), (Vec::new(), before));
}

#[test]
fn every_request_stands_behind_the_record_that_tells_of_it() {
    let body = format!("{PORTS}\non rollback: run smoke");
    let run = World::of(&body).from("load", "3m", Is(9.0)).run("1h");
    let mut told = None;
    let mut requests = 0;
    for (at, e) in &run.effects {
        match e {
            Effect::Record(r) => match r.as_ref() {
                Record::Entered { epoch, .. } | Record::Rollback { epoch, .. } => told = Some((*at, *epoch)),
                Record::ActionStarted { token, .. } => told = Some((*at, *token)),
                _ => {}
            },
            Effect::Apply { epoch, .. } => {
                assert_eq!(told, Some((*at, *epoch)));
                requests += 1;
            }
            Effect::Run { token, .. } => assert_eq!(told, Some((*at, *token))),
            _ => {}
        }
    }
    assert_eq!(requests, 3);
}

#[test]
fn wherever_it_stops_nothing_is_skipped_and_nothing_begun_again() {
    let body = "phase one { traffic checkout = 1%  run migrate  hold 1m }
        phase two { traffic checkout = 5%  run scale  hold 1m }
        phase three { flag cache = on, traffic checkout = 50%  hold 1m }";
    let p = plan(body);
    for check in 1..20 {
        let (from, to) = (format!("{}s", check * 15), format!("{}s", check * 15 + 600));
        let run = World::of(body).stops(&from, &to, false).run("3h");
        let entered: Vec<&str> = run.course.iter().filter_map(|l| l.split_once(" entered ").map(|x| x.1)).collect();
        assert_eq!(entered, ["one", "two", "three"], "stopped at {from}");
        assert!(run.course.last().unwrap().ends_with("promoted"), "stopped at {from}: {:#?}", run.course);
        for action in ["migrate", "scale"] {
            let started = |(_, e): &&(i64, Effect)| matches!(e, Effect::Record(r) if matches!(r.as_ref(), Record::ActionStarted { action: a, .. } if a == action));
            assert_eq!(run.effects.iter().filter(started).count(), 1, "{action}, stopped at {from}");
            assert!(run.runs(&p, action, RunCause::Step) <= 2, "asked for again at most once");
        }
    }
}

#[test]
fn an_unfinished_rollback_is_finished_before_anything_else() {
    // the read-back of the rollback at 2m is not seen: the runner is gone from 2m15s on
    let run = World::of(PORTS).from("load", "2m", Is(9.0)).stops("2m15s", "30m", false).run("1h");
    let requests = run.requests(&plan(PORTS));
    assert_eq!(requests[2..], ["2m checkout 0%, cache off, workers 0", "29m46s checkout 0%, cache off, workers 0"]);
    assert_eq!(run.course.last().unwrap(), "30m rolled back");
}

#[test]
fn an_approval_is_of_the_run_and_of_the_phase_in_which_it_was_given() {
    let body = "phase one { traffic checkout = 5%   promote when approved(\"people\") }
        phase two { traffic checkout = 50%  promote when approved(\"people\") }";
    let run = World::of(body).operator(Operator::Approve(GroupId(0)), "5m").run("1h");
    assert_eq!(run.course, ["0s entered one", "5m approved one for people by kim", "5m entered two"]);
    // it is in this run's own state: another run begins without one
    assert!(State::new(&plan(body)).approvals.is_empty());
}
