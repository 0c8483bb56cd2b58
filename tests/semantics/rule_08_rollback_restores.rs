//! Rule 8: a rollback restores what was read before the first change, flags after traffic, undoes actions, reads everything back, and
//! only then is done. Nothing stands in front of it. It is retried until it holds. `halt` and `pause` never lower exposure. A start
//! with exposure above 0 is refused. (`tests/e2e_crash.rs`, `e2e_notices.rs` and `e2e_held_up.rs` say the same of a store and of
//! webhooks that are out of reach, with the real ones.)

use super::world::{Ends, Failed, Is, World, ms, plan};
use canary::engine::{Effect, Input, Operator, RunCause, State, Verdict, step};
use canary::plan::Setting;

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
fn what_does_not_hold_during_a_rollback_is_restored_again() {
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  run scale  hold 10m }";
    // somebody raises the traffic while the undo hangs
    let w = World::of(body).from("load", "2m", Is(9.0)).drifts("checkout", Setting::Share(0.7), "3m");
    let run = w.action("unscale", "0s", "", Ends::Never).run("3m15s");
    assert_eq!(run.course[2..], ["2m rollback because load", "2m15s ran unscale", "3m checkout drifted to 70%"]);
    assert_eq!(run.requests(&plan(body)), ["0s checkout 5%", "2m checkout 0%", "3m checkout 0%"]);
    // or between the last check and the end of the undo: all is read back once more
    let w = World::of(body).from("load", "2m", Is(9.0)).drifts("checkout", Setting::Share(0.7), "2m30s");
    let run = w.run("1h");
    assert_eq!(run.course[2..], ["2m rollback because load", "2m15s ran unscale", "2m30s rolled back"]);
    assert_eq!(run.requests(&plan(body)), ["0s checkout 5%", "2m checkout 0%", "2m30s checkout 0%"]);
    assert_eq!(run.ports[0], Some(Setting::Share(0.0)));
}

#[test]
fn a_blind_source_does_not_stand_in_front_of_a_rollback() {
    let run = World::of(PORTS).during("load", "30s", "45s", Is(9.0)).from("load", "45s", Failed).run("1h");
    assert_eq!(run.course[1..], ["30s rollback because load", "45s rolled back"]);
}

#[test]
fn no_notice_stands_in_front_of_it() {
    let body = format!("{PORTS}\non breach, rollback, blind: notify oncall, team");
    let run = World::of(&body).from("load", "2m", Is(9.0)).run("1h");
    let at = |f: fn(&Effect) -> bool| run.effects.iter().position(|(t, e)| *t == ms("2m") && f(e)).unwrap();
    let lowers = at(|e| matches!(e, Effect::Apply { lowers: true, .. }));
    assert!(lowers < at(|e| matches!(e, Effect::Notify { .. })), "told before it is asked for");
}

#[test]
fn no_approval_and_no_gate_stands_in_front_of_it() {
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  promote when approved(\"people\") and queue > 5 }";
    let run = World::of(body).from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(run.course[1..], ["2m rollback because load", "2m15s rolled back"]);
}

#[test]
fn no_hold_no_pause_and_no_action_under_way_stands_in_front_of_it() {
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  run smoke  hold 10m }";
    let w = World::of(body).action("smoke", "0s", "", Ends::Never).operator(Operator::Pause, "1m");
    let run = w.from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(
        run.course[2..],
        ["1m paused because kim", "2m rollback because load", "2m15s smoke failed", "2m15s rolled back"]
    );
}

#[test]
fn it_is_retried_until_it_holds() {
    // somebody raises the traffic again at every second check
    let body = "guard load: load < 5 else rollback
        phase one { traffic checkout = 5%  run scale  hold 10m }";
    let mut w = World::of(body).from("load", "2m", Is(9.0)).action("unscale", "0s", "", Ends::Never);
    for at in ["3m", "3m30s", "4m", "4m30s"] {
        w = w.drifts("checkout", Setting::Share(0.7), at);
    }
    let run = w.run("6m");
    let again = run.requests(&plan(body)).into_iter().skip(1).collect::<Vec<_>>();
    assert_eq!(again, ["2m checkout 0%", "3m checkout 0%", "3m30s checkout 0%", "4m checkout 0%", "4m30s checkout 0%"]);
    assert_eq!(run.ports[0], Some(Setting::Share(0.0)));
}

#[test]
fn a_halt_and_a_pause_never_lower_exposure() {
    for consequence in ["halt", "pause", "hold", "tell"] {
        let body = format!("guard g: load < 5 else {consequence}\nphase one {{ traffic checkout = 5%  hold 10m }}");
        let run = World::of(&body).from("load", "2m", Is(9.0)).run("9m");
        assert_eq!(run.requests(&plan(&body)), ["0s checkout 5%"], "{consequence}");
        assert_eq!(run.ports[0], Some(Setting::Share(0.05)), "{consequence}");
    }
    let body = "phase one { traffic checkout = 5%  hold 10m }";
    let run = World::of(body).operator(Operator::Pause, "2m").run("1h");
    assert_eq!(run.ports[0], Some(Setting::Share(0.05)));
}

#[test]
fn a_start_with_exposure_above_0_is_refused() {
    let run = World::of(PORTS).original("checkout", Setting::Share(0.001)).run("1h");
    assert_eq!((run.requests(&plan(PORTS)), run.course), (Vec::new(), vec![String::from("0s refused")]));
    // a flag that is off, and a count that is no exposure, do not stand in the way
    let run = World::of(PORTS).original("workers", Setting::Count(3)).run("0s");
    assert_eq!(run.course, ["0s entered one"]);
}

#[test]
fn a_cooldown_lasts_to_its_last_moment() {
    let plan = plan("cooldown 24h after rollback  phase one { traffic checkout = 5%  hold 10m }");
    let day = ms("24h");
    let verdict = |ago: i64| {
        let mut state = State::new(&plan);
        let (originals, baseline) = (vec![(canary::plan::PortId(0), Setting::Share(0.0))], Vec::new());
        let input = Input::Start { at: day, originals, answers: &[], baseline, rolled_back: Some(day - ago) };
        let mut out = Vec::new();
        step(&plan, &mut state, input, &mut out);
        (state.verdict(), out)
    };
    assert_eq!(verdict(day).0, None);
    let (refused, out) = verdict(day - 1000);
    assert_eq!(refused, Some(Verdict::Refused));
    let text = format!("{out:?}");
    assert!(text.contains("cooldown: rolled back 23h59m59s ago") && text.contains("for another 1s"), "{text}");
}

#[test]
fn a_cooldown_of_a_day_ends_after_a_day_and_not_a_minute_before() {
    let plan = plan("cooldown 24h after rollback  phase one { traffic checkout = 5%  hold 10m }");
    let verdict = |ago: &str| {
        let (mut state, mut out) = (State::new(&plan), Vec::new());
        let (originals, baseline) = (vec![(canary::plan::PortId(0), Setting::Share(0.0))], Vec::new());
        let rolled_back = Some(ms("10d") - ms(ago));
        let input = Input::Start { at: ms("10d"), originals, answers: &[], baseline, rolled_back };
        step(&plan, &mut state, input, &mut out);
        state.verdict()
    };
    assert_eq!(verdict("23h59m"), Some(Verdict::Refused));
    assert_eq!(verdict("23h59m59s"), Some(Verdict::Refused));
    assert_eq!(verdict("24h"), None);
    assert_eq!(verdict("0s"), Some(Verdict::Refused));
}
