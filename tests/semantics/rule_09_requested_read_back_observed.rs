//! Rule 9: requested, read back and observed exposure are three numbers. Drift: pause and tell.

use super::world::{Is, World, plan};
use canary::engine::Effect;
use canary::engine::{Operator, Record};
use canary::plan::Setting;

const PORTS: &str = "guard load: load < 5 else rollback
    phase one { flag workers = 1, traffic checkout = 5%  hold 1m }
    phase two { flag cache = on, traffic checkout = 50%  hold 10m }";

#[test]
fn settings_that_are_not_read_back_within_a_minute_are_taken_back() {
    let run = World::of(PORTS).withholds("1m15s", "2m15s").run("1h");
    assert_eq!(run.course[1..3], ["1m15s entered two", "2m15s rollback because two"]);
    let run = World::of(PORTS).withholds("1m15s", "1m45s").run("3m");
    assert_eq!(run.course[1..], ["1m15s entered two"]);
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
fn what_was_asked_for_is_not_believed_before_it_was_read() {
    let run = World::of(PORTS).withholds("0s", "45s").run("1h");
    for (at, state) in run.states.iter().take_while(|(at, _)| *at <= 30_000) {
        assert_eq!((state.target.settings.len(), state.target.verified), (2, None), "at {at}");
    }
    let verified = run.effects.iter().find_map(|(_, e)| match e {
        Effect::Record(r) => match r.as_ref() {
            Record::Verified { read, .. } => Some(read.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(verified.unwrap(), [("workers".into(), Setting::Count(1)), ("checkout".into(), Setting::Share(0.05))]);
}

#[test]
fn drift_lowers_and_raises_nothing_by_itself() {
    for to in [0.2, 0.0] {
        let run = World::of(PORTS).drifts("checkout", Setting::Share(to), "30s").run("20m");
        assert_eq!(run.requests(&plan(PORTS)).len(), 1, "{:#?}", run.course);
        assert_eq!(run.course.last().unwrap(), "30s paused because checkout");
    }
    // guards go on: what is bad while it is adrift is taken back
    let w = World::of(PORTS).drifts("checkout", Setting::Share(0.2), "30s").from("load", "1m", Is(9.0));
    assert_eq!(w.run("20m").course.last().unwrap(), "1m15s rolled back");
}
