//! Rule 3: towards more exposure unknown up to the bridge freezes `for`, and a longer stretch resets it; towards less unknown
//! freezes, never resets. `no data` is the bridge.

use super::world::{Empty, Failed, Is, NotAsked, World};

const WAIT: &str = "phase all { traffic checkout = 100%  promote when queue < 5 for 2m }";

#[test]
fn towards_more_exposure_unknown_freezes_up_to_the_bridge_and_resets_beyond_it() {
    let body = format!("no data tolerate 1m else hold\n{WAIT}");
    assert_eq!(World::of(&body).run("1h").course[1], "2m15s promoted");
    // unknown for 45 s and for exactly a minute: 45 s were counted before, 75 s are missing
    let run = World::of(&body).during("queue", "1m", "1m45s", Failed).run("1h");
    assert_eq!(run.course[1], "3m promoted");
    let run = World::of(&body).during("queue", "1m", "2m", Failed).run("1h");
    assert_eq!(run.course[1], "3m15s promoted");
    // beyond it everything is asked anew
    let run = World::of(&body).during("queue", "1m", "2m15s", Failed).run("1h");
    assert_eq!(run.course[1], "4m15s promoted");
}

#[test]
fn the_bridge_may_be_given_in_checks() {
    let body = format!("no data tolerate 4 checks else hold\n{WAIT}");
    let run = World::of(&body).during("queue", "1m", "2m", Failed).run("1h");
    assert_eq!(run.course[1], "3m15s promoted");
    let run = World::of(&body).during("queue", "1m", "2m15s", Failed).run("1h");
    assert_eq!(run.course[1], "4m15s promoted");
}

fn no_data(statement: &str) -> World {
    World::of(&format!(
        "no data {statement}
        guard load: load < 5 else hold
        guard told: queue < 5 else tell
        phase all {{ traffic checkout = 100%  hold 10m }}"
    ))
}

#[test]
fn no_data_for_a_time_and_for_checks() {
    let at = |s: &str| no_data(s).from("load", "1m", Failed).run("4m").course;
    assert_eq!(at("tolerate 1m else pause")[1..], ["2m paused because no data"]);
    assert_eq!(at("tolerate 4 checks else pause")[1..], ["1m45s paused because no data"]);
    assert_eq!(at("tolerate 1m else rollback")[1..], ["2m rollback because no data", "2m15s rolled back"]);
    assert_eq!(at("else pause")[1..], ["1m paused because no data"]);
    // the default
    let body = "guard load: load < 5 else hold\nphase all { traffic checkout = 100%  hold 10m }";
    let run = World::of(body).from("load", "1m", Failed).run("4m");
    assert_eq!(run.course[1..], ["1m45s paused because no data"]);
}

#[test]
fn the_clock_of_no_data_is_cleared_when_no_guard_is_blind() {
    let w = no_data("tolerate 1m else pause").from("load", "1m", Failed).during("load", "1m45s", "2m", Is(1.0));
    assert_eq!(w.run("10m").course[1..], ["3m paused because no data"]);
    // dark is not blind
    let w = no_data("tolerate 1m else pause").canary("load", "1m", "9m", Empty);
    assert_eq!(w.run("9m").course[1..], [""; 0]);
}

#[test]
fn any_blind_guard_runs_the_clock_and_one_that_only_tells_does_not() {
    let w = no_data("tolerate 1m else pause").from("queue", "1m", Failed);
    assert_eq!(w.run("20m").course, ["0s entered all", "10m15s promoted"]);
    let body = "no data tolerate 1m else pause
        guard load: load < 5 else hold
        guard queue: queue < 5 else hold
        phase all { traffic checkout = 100%  hold 10m }";
    // one after the other, without a check at which both see
    let w = World::of(body).during("load", "1m", "1m30s", Failed).during("queue", "1m30s", "5m", Failed);
    assert_eq!(w.run("5m").course[1..], ["2m paused because no data"]);
}

#[test]
fn missed_checks_never_run_the_clock_of_no_data() {
    // blind at 1m; no check until 30m; blind for 1m after that
    let w = |filled| no_data("tolerate 1m else pause").from("load", "1m", Failed).stops("1m15s", "30m", filled);
    assert_eq!(w(false).run("40m").course[1..], ["31m paused because no data"]);
    // a source without history leaves missed checks as they are, also where another source has one
    let asked = w(true).during("load", "1m15s", "30m", NotAsked).run("40m");
    assert_eq!(asked.course[1..], ["31m paused because no data"]);
}

#[test]
fn no_data_else_hold_is_not_latched() {
    // blind for 2m in the middle of the hold: frozen, then goes on
    let w = no_data("tolerate 1m else hold").during("load", "5m", "7m", Failed);
    assert_eq!(w.run("1h").course[1..], ["12m15s promoted"]);
}

#[test]
fn no_data_rolls_back_to_an_earlier_phase_only() {
    let body = "no data tolerate 1m else rollback to taste
        guard load: load < 5 else hold
        phase taste { traffic checkout = 5%  hold 5m }
        phase full { traffic checkout = 100%  hold 10m }";
    // in the phase itself it is inert
    let run = World::of(body).during("load", "1m", "4m", Failed).run("1h");
    assert_eq!(run.course, ["0s entered taste", "8m15s entered full", "18m30s promoted"]);
    let run = World::of(body).during("load", "6m", "8m", Failed).run("9m");
    assert_eq!(run.course, ["0s entered taste", "5m15s entered full", "7m rollback to taste because no data"]);
}

#[test]
fn towards_less_exposure_unknown_freezes_and_never_resets() {
    let body = "no data tolerate 1m else hold
        guard g: load < 5 tolerate 2m else rollback
        phase all { traffic checkout = 100%  hold 3h }";
    // 1m30s bad, an hour of nothing, which is sixty bridges, 30 s bad: two minutes
    let w = World::of(body).from("load", "5m", Is(9.0)).during("load", "6m30s", "1h6m30s", Failed);
    assert_eq!(w.run("2h").course[1], "1h7m rollback because g");
    // the same inside of the condition: what a guard's own operator has seen is kept, too
    let body = "no data tolerate 1m else hold
        guard g: not ((load > 5) for 2m) else rollback
        phase all { traffic checkout = 100%  hold 3h }";
    let w = World::of(body).from("load", "5m", Is(9.0)).during("load", "6m30s", "1h6m30s", Failed);
    assert_eq!(w.run("2h").course[1], "1h7m rollback because g");
}

#[test]
fn the_same_words_towards_more_exposure_begin_anew() {
    // an operator in `promote when` under the same hour of nothing: its 1m30s are gone
    let body = "no data tolerate 1m else hold
        phase all { traffic checkout = 100%  promote when queue > 5 for 2m }";
    let w = World::of(body).from("queue", "5m", Is(9.0)).during("queue", "6m30s", "1h6m30s", Failed);
    assert_eq!(w.run("2h").course[1], "1h8m30s promoted");
}
