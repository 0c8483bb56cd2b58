//! §5.8 taking back, §5.9 drift, §5.10 recovery, SYNTAX §11 question 10.

use super::world::{Ends, Failed, Is, Run, World, plan};
use canary::engine::{Effect, Input, Operator, Record, RunCause, Stage, State, step};
use canary::plan::{Answer, PortId, Setting};

const PORTS: &str = "guard load: load < 5 else rollback
    phase one { flag workers = 1, traffic checkout = 5%  hold 1m }
    phase two { flag cache = on, traffic checkout = 50%  hold 10m }";

#[test]
fn settings_are_one_batch_flags_before_traffic_and_are_taken_back_the_other_way_round() {
    let run = World::of(PORTS)
        .original("workers", Setting::Count(2))
        .original("cache", Setting::Absent)
        .from("load", "2m", Is(9.0))
        .run("1h");
    assert_eq!(
        run.requests(&plan(PORTS)),
        [
            "0s workers 1, checkout 5%",
            "1m15s workers 1, cache on, checkout 50%",
            "2m checkout 0%, cache absent, workers 2"
        ]
    );
    assert_eq!(run.course[2..], ["2m rollback because load", "2m15s rolled back"]);
    let p = plan(PORTS);
    let port = |name: &str| run.ports[p.ports.iter().position(|x| x.name == name).unwrap()];
    assert_eq!(port("checkout"), Some(Setting::Share(0.0)));
    assert_eq!((port("cache"), port("workers")), (Some(Setting::Absent), Some(Setting::Count(2))));
}

#[test]
fn what_no_phase_has_changed_yet_is_left_alone() {
    let run = World::of(PORTS).original("cache", Setting::Absent).from("load", "30s", Is(9.0)).run("1h");
    assert_eq!(run.requests(&plan(PORTS))[1..], ["30s checkout 0%, workers 0"]);
}

#[test]
fn a_rollback_is_done_only_when_it_is_read_back() {
    let run = World::of(PORTS).from("load", "30s", Is(9.0)).withholds("30s", "20m").run("1h");
    assert_eq!(run.course[1..], ["30s rollback because load", "1m30s rollback is slow", "20m15s rolled back"]);
    // told once that it takes long, beside its beginning and its end
    let body = format!("{PORTS}\non rollback: notify oncall");
    let run = World::of(&body).from("load", "30s", Is(9.0)).withholds("30s", "20m").run("1h");
    assert_eq!(run.notices.len(), 3, "{:#?}", run.notices);
    assert!(run.notices[1].starts_with("1m30s oncall: shop: the rollback has not been read back for 1m"));
}

#[test]
fn settings_that_are_not_read_back_within_a_minute_are_taken_back() {
    let run = World::of(PORTS).withholds("1m15s", "2m15s").run("1h");
    assert_eq!(run.course[1..3], ["1m15s entered two", "2m15s rollback because two"]);
    let run = World::of(PORTS).withholds("1m15s", "1m45s").run("3m");
    assert_eq!(run.course[1..], ["1m15s entered two"]);
}

#[test]
fn actions_are_undone_newest_first_once_the_settings_are_read_back() {
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  run migrate  run smoke  run scale  hold 10m }";
    let run = World::of(body).from("load", "2m", Is(9.0)).withholds("2m", "2m45s").run("1h");
    assert_eq!(
        run.course[4..],
        ["2m rollback because load", "3m ran unscale", "3m15s ran revert", "3m30s rolled back"]
    );
    // an action under way has to be undone too
    let run = World::of(body).action("scale", "0s", "", Ends::Never).from("load", "2m", Is(9.0)).run("1h");
    assert!(run.effects.iter().any(|(_, e)| *e == Effect::CancelRuns));
    assert_eq!(run.course.last().unwrap(), "2m45s rolled back");
    assert_eq!(
        (run.runs(&plan(body), "unscale", RunCause::Undo), run.runs(&plan(body), "revert", RunCause::Undo)),
        (1, 1)
    );
}

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
fn drift_pauses_and_tells_once() {
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  hold 10m }
        on pause: notify oncall";
    let run = World::of(body).drifts("checkout", Setting::Share(0.2), "2m").run("5m");
    assert_eq!(run.course[1..], ["2m checkout drifted to 20%", "2m paused because checkout"]);
    assert_eq!(run.notices.len(), 1);
    // a person lets it go on: it is set again, and goals wait for the read-back
    let w = World::of(body).drifts("checkout", Setting::Share(0.2), "2m").operator(Operator::Resume, "4m");
    let run = w.run("1h");
    assert_eq!(run.requests(&plan(body)), ["0s checkout 5%", "4m checkout 5%"]);
    assert_eq!(run.course[3..], ["4m resumed", "12m15s promoted"]);
    // while a person has paused it, it is told all the same
    let w = World::of(body).operator(Operator::Pause, "1m").drifts("checkout", Setting::Share(0.2), "2m");
    let run = w.run("5m");
    assert_eq!(run.notices.len(), 2, "{:#?}", run.notices);
    assert!(run.notices[1].starts_with("2m oncall:") && run.notices[1].contains("20%"), "{:#?}", run.notices);
}

#[test]
fn ports_read_before_the_request_was_read_back_say_nothing() {
    let run = World::of(PORTS).withholds("1m15s", "1m45s").run("5m");
    assert!(!run.course.iter().any(|l| l.contains("drifted")), "{:#?}", run.course);
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
fn a_blind_source_does_not_stand_in_front_of_a_rollback() {
    let run = World::of(PORTS).during("load", "30s", "45s", Is(9.0)).from("load", "45s", Failed).run("1h");
    assert_eq!(run.course[1..], ["30s rollback because load", "45s rolled back"]);
}
