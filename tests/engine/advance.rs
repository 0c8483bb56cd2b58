//! `advance when C` (§4, §5.3, SYNTAX §11.14): asked before each raise of exposure, the first too; it shuts and reopens by itself.

use super::world::{Empty, Failed, Is, World, plan, plan_with};
use canary::engine::{Operator, Stage, Verdict};
use canary::plan::{PhaseId, Setting};

const BODY: &str = "advance when queue < 5
    guard load: load < 5 tolerate 1m else rollback
    phase one { traffic checkout = 5%  hold 1m }
    phase two { ramp checkout from 20% to 40% by 20% every 1m  hold 1m }";

#[test]
fn an_open_gate_changes_nothing() {
    let run = World::of(BODY).run("1h");
    assert_eq!(
        run.course[..4],
        ["0s entered one", "1m15s entered two", "2m30s raised checkout to 40%", "3m45s promoted"]
    );
}

#[test]
fn the_first_raise_waits_and_the_run_is_not_refused() {
    let run = World::of(BODY).during("queue", "0s", "10m", Is(9.0)).run("1h");
    assert_eq!(run.course[..2], ["0s waits for advance: queue < 5", "10m entered one"]);
    assert_eq!(run.requests(&plan(BODY))[0], "10m checkout 5%", "nothing was asked for before");
    assert_eq!(run.words_of("load")[0], "10m15s ok", "no guard watches before there is anything to watch");
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
}

#[test]
fn what_the_start_asks_must_hold_when_the_first_raise_is_made() {
    let body = format!("require load < 5 \"no load\"\n{BODY}").replace("guard load: load", "guard busy: busy");
    let body = body.replace("busy < 5", "mean < 5");
    let shut = |body: &str| World::of(body).during("queue", "0s", "10m", Is(9.0));
    // whatever it was meanwhile
    let run = shut(&body).during("load", "1m", "9m", Is(9.0)).run("1h");
    assert_eq!(run.course[..2], ["0s waits for advance: queue < 5", "10m entered one"]);
    for (says, why) in [(Is(9.0), "is not met"), (Failed, "is not known")] {
        let run = shut(&body).stored().during("load", "9m", "12m", says).run("1h");
        assert_eq!(
            run.course[..3],
            [
                String::from("0s waits for advance: queue < 5"),
                format!("10m waits for start: `require load < 5` {why} (no load)"),
                String::from("12m entered one")
            ]
        );
    }
    // a guard that would take back, as at the start
    let run = shut(BODY).during("load", "9m", "12m", Is(9.0)).run("1h");
    assert_eq!(
        run.course[1..3],
        ["10m waits for start: guard load is false before anything was changed: `load < 5`", "12m entered one"]
    );
    // one that holds does not
    let hold = BODY.replace("else rollback", "else hold");
    assert_eq!(shut(&hold).during("load", "9m", "12m", Is(9.0)).run("1h").course[1], "10m entered one");
    // what was counted hours ago is no reason
    let leaks = BODY.replace("guard load: load < 5", "guard leaks: increase(leaks) < 3");
    assert_eq!(shut(&leaks).during("leaks", "1m", "2m", Is(2.0)).run("1h").course[1], "10m entered one");
}

#[test]
fn a_run_that_waits_for_its_first_raise_can_be_paused_aborted_and_stopped() {
    let shut = || World::of(BODY).during("queue", "0s", "10m", Is(9.0));
    let run = shut().operator(Operator::Abort, "5m").run("1h");
    assert_eq!(run.course[1..], ["5m rollback because kim", "5m aborted"]);
    let run = shut().operator(Operator::Pause, "5m").operator(Operator::Resume, "20m").run("1h");
    assert_eq!(run.course[1..4], ["5m paused because kim", "20m resumed", "20m entered one"]);
    for backfilled in [false, true] {
        let run = shut().stored().stops("3m", "12m", backfilled).run("1h");
        assert_eq!(run.course[..2], ["0s waits for advance: queue < 5", "12m entered one"], "a live check opens it");
    }
}

#[test]
fn the_old_phase_stays_and_its_guards_go_on_watching() {
    let run = World::of(BODY).during("queue", "1m", "10m", Is(9.0)).run("9m");
    assert_eq!(run.course, ["0s entered one", "1m15s waits for advance: queue < 5"]);
    assert_eq!(run.state.stage, Stage::Phase(PhaseId(0)));
    assert_eq!(run.state.waiting.map(|w| w.since), Some(75_000));
    let run = World::of(BODY).during("queue", "1m", "10m", Is(9.0)).run("1h");
    assert_eq!(run.course[2], "10m entered two", "it reopens by itself");
    let run = World::of(BODY).during("queue", "1m", "10m", Is(9.0)).from("load", "5m", Is(9.0)).run("1h");
    assert_eq!(run.course[2..], ["6m rollback because load", "6m15s rolled back"], "a rollback asks no gate");
}

#[test]
fn it_is_asked_at_each_step_of_a_ramp() {
    let run = World::of(BODY).during("queue", "2m", "20m", Is(9.0)).run("1h");
    assert_eq!(
        run.course[2..4],
        ["2m30s waits for advance: queue < 5", "20m raised checkout to 40%"],
        "{:#?}",
        run.course
    );
}

#[test]
fn what_was_true_must_still_be_when_it_opens() {
    // a guard that is bad at the check at which the gate opens
    let run =
        World::of(BODY).during("queue", "1m", "10m", Is(9.0)).during("load", "9m45s", "10m30s", Is(9.0)).run("1h");
    assert_eq!(run.course[2], "10m30s entered two", "{:#?}", run.course);
    // a condition to promote
    let body = "advance when queue < 5
        phase one { traffic checkout = 5%  promote when load < 5 }
        phase two { traffic checkout = 20%  hold 1m }";
    let run = World::of(body).during("queue", "10s", "10m", Is(9.0)).during("load", "9m", "12m", Is(9.0)).run("1h");
    assert_eq!(
        run.course,
        ["0s entered one", "15s waits for advance: queue < 5", "12m entered two", "13m15s promoted"]
    );
}

#[test]
fn the_limit_of_the_old_phase_has_stopped() {
    let body = "advance when queue < 5
        phase one { traffic checkout = 5%  promote when load < 5 within 3m else rollback }
        phase two { traffic checkout = 20%  hold 1m }";
    let run = World::of(body).during("queue", "10s", "30m", Is(9.0)).run("1h");
    assert_eq!(run.course[1..3], ["15s waits for advance: queue < 5", "30m entered two"], "{:#?}", run.course);
    // what it waits for becomes false: then it is not the gate that it waits for, and the limit runs on
    let run = World::of(body).during("queue", "10s", "30m", Is(9.0)).from("load", "10m", Is(9.0)).run("1h");
    assert_eq!(run.course[2], "13m rollback because one", "{:#?}", run.course);
}

#[test]
fn unknown_does_not_open_it_and_freezes_its_clock_for_no_longer_than_the_bridge() {
    let run = World::of(BODY).during("queue", "1m", "10m", Failed).run("1h");
    assert_eq!(run.course[1..3], ["1m15s waits for advance: queue < 5", "10m entered two"]);
    let body = |d: &str| {
        format!(
            "no data tolerate 2m else pause
            advance when queue < 5 for 5m
            phase one {{ traffic checkout = 5%  hold {d} }}"
        )
    };
    // five minutes of evidence, with a minute and a half of which nothing is known
    let run = World::of(&body("1m")).during("queue", "2m", "3m30s", Empty).run("1h");
    assert_eq!(run.course[1], "6m30s entered one", "{:#?}", run.course);
    let run = World::of(&body("1m")).during("queue", "2m", "4m30s", Empty).run("1h");
    assert_eq!(run.course[1], "9m30s entered one", "a longer stretch begins it anew: {:#?}", run.course);
}

#[test]
fn what_raises_nothing_does_not_ask() {
    let body = "advance when queue < 5
        phase zero { hold 1m }
        phase one { traffic checkout = 20%  hold 1m }
        phase less { traffic checkout = 10%  hold 1m }
        phase same { traffic checkout = 10%  hold 1m }";
    let run = World::of(body).during("queue", "0s", "30s", Is(9.0)).from("queue", "90s", Is(9.0)).run("1h");
    assert_eq!(
        run.course,
        ["0s entered zero", "1m15s entered one", "2m30s entered less", "3m45s entered same", "5m promoted"],
        "a phase that lowers, sets the same, or sets nothing is no raise; neither is the end"
    );
}

#[test]
fn a_life_that_went_back_waits_for_it_as_well() {
    let body = "advance when queue < 5
        guard load: load < 5 from two else rollback to one
        phase one { traffic checkout = 5%  hold 1m }
        phase two { traffic checkout = 50%  hold 10m }";
    let run = World::of(body).during("load", "3m", "3m15s", Is(9.0)).during("queue", "2m", "30m", Is(9.0)).run("1h");
    assert_eq!(
        run.course[2..5],
        ["3m rollback to one because load", "4m15s waits for advance: queue < 5", "30m entered two"],
        "{:#?}",
        run.course
    );
    assert_eq!(run.ports[0], Some(Setting::Share(0.5)));
}

#[test]
fn by_the_clock_of_a_window() {
    // the world begins at midnight of a Thursday, UTC
    let p = plan_with(
        "window office = mon..fri 09:00..17:00 zone \"UTC\"",
        "check every 15m
        advance when now in office
        phase one { traffic checkout = 5%  hold 6h }
        phase two { traffic checkout = 20%  hold 4h }",
    );
    let run = World::of_plan(p).run("40h");
    assert_eq!(
        run.course,
        ["0s waits for advance: now in office", "9h entered one", "15h15m entered two", "19h30m promoted"]
    );
    let p = plan_with(
        "window office = mon..fri 09:00..17:00 zone \"UTC\"",
        "check every 15m
        advance when now in office
        phase one { traffic checkout = 5%  hold 8h }
        phase two { traffic checkout = 20%  hold 4h }",
    );
    let run = World::of_plan(p).run("40h");
    assert_eq!(run.course[1..4], ["9h entered one", "17h15m waits for advance: now in office", "1d9h entered two"]);
}
