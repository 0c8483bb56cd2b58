//! Rule 4: missed checks are unknown checks (a single one is held over); back-filled ones feed conditions, never `hold`; a phase ends
//! only on a live, fresh check.

use super::world::{Is, Old, World};

const WAIT: &str = "phase all { traffic checkout = 100%  promote when queue < 5 for 2m }";
const HOLD: &str = "guard load: load < 5 else rollback
    phase all { traffic checkout = 100%  hold 2m }";

#[test]
fn one_missed_check_is_held_over_and_a_gap_is_not() {
    assert_eq!(World::of(HOLD).run("1h").course[1], "2m15s promoted");
    assert_eq!(World::of(HOLD).stops("1m", "1m15s", false).run("1h").course[1], "2m15s promoted");
    // checks at 45 s and 1 m 30 s: the 45 s between them do not count
    assert_eq!(World::of(HOLD).stops("1m", "1m30s", false).run("1h").course[1], "3m promoted");
}

#[test]
fn back_filled_checks_feed_conditions_and_never_hold() {
    assert_eq!(World::of(HOLD).stops("1m", "1m30s", true).run("1h").course[1], "3m promoted");
    assert_eq!(World::of(WAIT).stops("1m", "1m30s", true).run("1h").course[1], "2m15s promoted");
    // without history the gap is unknown: frozen
    assert_eq!(World::of(WAIT).stops("1m", "1m30s", false).run("1h").course[1], "3m promoted");
}

#[test]
fn a_phase_ends_only_on_a_live_check() {
    // the condition has been true for 2m at the back-filled check of 2m15s
    assert_eq!(World::of(WAIT).stops("1m", "4m", true).run("1h").course[1], "4m promoted");
}

#[test]
fn back_filled_checks_roll_back() {
    let body = "guard load: load < 5 tolerate 30s else rollback
        phase all { traffic checkout = 100%  hold 1h }";
    let run = World::of(body).during("load", "1m", "2m", Is(9.0)).stops("1m", "3m", true).run("1h");
    assert_eq!(run.course[1], "1m30s rollback because load");
}

#[test]
fn a_runner_that_was_down_cannot_promote_by_the_clock() {
    let body = "guard load: load < 5 else rollback
        phase all { traffic checkout = 100%  hold 1h }";
    // 30 s were observed before the stop (15 s to 45 s), an hour less 30 s is missing after it
    let run = World::of(body).stops("1m", "3h", false).run("10h");
    assert_eq!(run.course, ["0s entered all", "3h59m30s promoted"]);
    let run =
        World::of("phase all { traffic checkout = 100%  promote when phase.elapsed >= 1h }").stops("1m", "3h", false);
    assert_eq!(run.run("10h").course, ["0s entered all", "3h59m30s promoted"]);
}

#[test]
fn a_request_that_a_stop_kept_from_being_read_back_is_made_again_and_given_its_time() {
    // entered at 0 s; the runner is gone before the first read-back, which comes just before the check at 10 m
    for filled in [false, true] {
        let run = World::of(HOLD).stops("15s", "10m", filled).run("1h");
        assert_eq!(run.course, ["0s entered all", "12m promoted"], "back-filled: {filled}");
    }
}

#[test]
fn a_restart_does_not_cost_thirteen_days_either() {
    let body = "check every 1h
        no data tolerate 3h else hold
        phase all { traffic checkout = 100%  promote when queue < 5 for 14d }";
    // without a stop: fourteen days from the first check behind the read-back
    assert_eq!(World::of(body).run("30d").course[1], "14d1h promoted");
    // down for five hours on the thirteenth day, asked from the source's history: nothing is lost
    assert_eq!(World::of(body).stops("13d", "13d5h", true).run("30d").course[1], "14d1h promoted");
    // a source without history: the five hours are unknown, more than the bridge; what is known begins anew
    assert_eq!(World::of(body).stops("13d", "13d5h", false).run("30d").course[1], "27d5h promoted");
    // two hours are bridged: they do not count, and nothing is thrown away
    assert_eq!(World::of(body).stops("13d", "13d1h", false).run("30d").course[1], "14d1h promoted");
    assert_eq!(World::of(body).stops("13d", "13d2h", false).run("30d").course[1], "14d4h promoted");
}

#[test]
fn a_phase_ends_only_on_a_fresh_check() {
    // a live check with a sample from before the read-back's bridge: stale is unknown
    let body = "no data tolerate 1h else hold
        guard load: load < 5 else hold
        phase all { traffic checkout = 100%  hold 1m }";
    let run = World::of(body).during("load", "1m", "5m", Old(1.0, 61_000)).run("1h");
    assert_eq!(run.course[1], "5m15s promoted", "frozen from 1m on, and 15 s to go");
}
