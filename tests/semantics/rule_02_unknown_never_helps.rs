//! Rule 2: unknown never helps the canary. Kleene's three values; a guard is always in one state, and its words are used everywhere.
//! First that fits: blind, dark, warming, thin, undecided, breached or failing, ok. The table of what each state does is in
//! `rule_02_state_table.rs`.

use super::world::{Ambiguous, Empty, Failed, Is, NotANumber, Old, Says, World};
use canary::plan::Population;

const LONG: &str = "phase all { traffic checkout = 100%  hold 30m }";

fn body(guard: &str) -> String {
    format!("guard g: {guard}\nno data tolerate 1h else hold\n{LONG}")
}

fn words(guard: &str, world: impl Fn(World) -> World) -> Vec<String> {
    world(World::of(&body(guard))).run("6m").words_of("g")
}

#[test]
fn true_is_ok_and_false_is_failing_then_breached() {
    assert_eq!(words("load < 5 else hold", |w| w), ["15s ok"]);
    let w = words("load < 5 tolerate 1m else hold", |w| w.during("load", "1m", "3m", Is(5.0)));
    assert_eq!(w, ["15s ok", "1m failing", "2m breached", "3m ok"]);
}

#[test]
fn a_failed_an_empty_an_ambiguous_and_a_stale_source_is_blind() {
    let blind = ["15s ok", "1m blind", "2m ok"];
    for says in [Failed, Empty, Ambiguous, Old(1.0, 60_001), super::world::NotAsked] {
        assert_eq!(words("load < 5 else hold", |w| w.during("load", "1m", "2m", says.clone())), blind, "{says:?}");
    }
    // exactly as old as it may be, and taken after the read-back
    assert_eq!(words("load < 5 else hold", |w| w.during("load", "2m", "3m", Old(1.0, 60_000))), ["15s ok"]);
}

#[test]
fn a_series_that_is_gone_while_the_source_answers_for_others_is_dark() {
    let dark = ["15s ok", "1m dark", "2m ok"];
    for says in [Empty, Old(1.0, 60_001)] {
        assert_eq!(words("load < 5 else hold", |w| w.canary("load", "1m", "2m", says.clone())), dark, "{says:?}");
    }
    // the others must be fresh themselves, and a failed source says nothing of the canary
    let stale_others =
        |w: World| w.of_population("load", Population::Stable, Old(1.0, 60_001)).canary("load", "1m", "2m", Empty);
    assert_eq!(words("load < 5 else hold", stale_others), ["15s ok", "1m blind", "2m ok"]);
    assert_eq!(words("load < 5 else hold", |w| w.canary("load", "1m", "2m", Failed)), ["15s ok", "1m blind", "2m ok"]);
    // a query that cannot tell populations apart has no others
    assert_eq!(words("queue < 5 else hold", |w| w.during("queue", "1m", "2m", Empty)), ["15s ok", "1m blind", "2m ok"]);
}

#[test]
fn nan_infinity_and_nothing_out_of_nothing_are_thin() {
    for says in [Is(f64::NAN), Is(f64::INFINITY), Is(f64::NEG_INFINITY), NotANumber] {
        let w = words("load < 5 else hold", |w| w.during("load", "1m", "2m", says.clone()));
        assert_eq!(w, ["15s ok", "1m thin", "2m ok"], "{says:?}");
    }
    let w = words("errors < 1% else hold", |w| w.during("served", "2m", "3m", Is(0.0)));
    assert_eq!(w, ["15s warming", "1m15s ok", "2m thin", "3m ok"]);
    let w = words("load / queue < 5 else hold", |w| w.during("queue", "2m", "3m", Is(0.0)));
    assert_eq!(w, ["15s ok", "2m thin", "3m ok"]);
    let none = Says::Buckets(vec![(0.1, 0.0), (f64::INFINITY, 0.0)]);
    let w = words("p95(latency) < 1s else hold", |w| w.during("latency", "2m", "3m", none.clone()));
    assert_eq!(w, ["15s warming", "1m15s ok", "2m thin", "3m ok"]);
}

#[test]
fn fewer_events_than_asked_for_are_thin_unless_the_bad_ones_alone_decide() {
    let guard = "errors < 1% at least 300 events else hold";
    let of = |bad: f64, total: f64| words(guard, |w| w.from("failed", "2m", Is(bad)).from("served", "2m", Is(total)));
    assert_eq!(of(0.0, 299.0).last().unwrap(), "2m thin");
    assert_eq!(of(0.0, 300.0), ["15s warming", "1m15s ok"]);
    // 2 of 10: with 290 good ones it would be 0.67 %
    assert_eq!(of(2.0, 10.0).last().unwrap(), "2m thin");
    // 4 of 10: not even 290 good ones could make up for them
    assert_eq!(of(4.0, 10.0).last().unwrap(), "2m breached");
    // limit × n is 3: 3 is not below it, but it is not above it either
    assert_eq!(of(3.0, 10.0).last().unwrap(), "2m breached");
    let at_most = |bad: f64| {
        let w = |w: World| w.from("failed", "2m", Is(bad)).from("served", "2m", Is(10.0));
        words("errors <= 1% at least 300 events else hold", w)
    };
    assert_eq!(at_most(3.0).last().unwrap(), "2m thin");
    assert_eq!(at_most(4.0).last().unwrap(), "2m breached");
}

#[test]
fn bad_events_that_were_never_counted_are_none_once_the_whole_is_there() {
    assert_eq!(words("errors < 1% else hold", |w| w.all("failed", Empty)), ["15s warming", "1m15s ok"]);
}

#[test]
fn warming_until_the_window_lies_behind_the_verification() {
    assert_eq!(words("errors < 1% else hold", |w| w), ["15s warming", "1m15s ok"]);
    // the range inside a PromQL query counts too
    assert_eq!(words("mean < 5 else hold", |w| w), ["15s warming", "2m15s ok"]);
    // read back three checks late
    let late = words("errors < 1% else hold", |w| w.withholds("0s", "45s"));
    assert_eq!(late, ["15s warming", "2m ok"]);
}

#[test]
fn a_sample_from_before_the_read_back_is_warming_without_any_window() {
    // read back just before 15 s: what was sampled at 0 s says nothing of it, what was sampled at 15 s does
    let old = |w: World| w.from("load", "1s", Old(1.0, 15_000));
    assert_eq!(words("load < 5 else hold", old), ["15s warming", "30s ok"]);
    // bad news from before it still count
    let bad = |w: World| w.from("load", "1s", Old(9.0, 15_000));
    assert_eq!(words("load < 5 tolerate 1m else hold", bad), ["15s warming", "30s failing", "1m15s breached"]);
    // a window begins at its newest sample, not at the check
    let late = |w: World| w.from("served", "1s", Old(1000.0, 15_000));
    assert_eq!(words("errors < 1% else hold", late), ["15s warming", "1m30s ok"]);
}

#[test]
fn a_condition_to_promote_waits_for_a_sample_from_after_the_read_back() {
    let at = |when: &str, w: fn(World) -> World| {
        let body = format!("phase all {{ traffic checkout = 100%  promote when {when} }}");
        w(World::of(&body)).run("1h").course[1].clone()
    };
    let old = |w: World| w.from("load", "1s", Old(1.0, 15_000)).from("leaks", "1s", Old(0.0, 30_000));
    assert_eq!(at("load < 5", old), "30s promoted");
    assert_eq!(at("load < 5 for 1m", old), "1m30s promoted");
    // nothing has been counted since, as far as is known
    assert_eq!(at("increase(leaks, since phase) == 0", old), "45s promoted");
}

#[test]
fn while_warming_the_clock_runs_on_bad_news_only() {
    let guard = "errors < 1% tolerate 30s else rollback";
    let run = World::of(&body(guard)).from("failed", "0s", Is(500.0)).run("6m");
    // refused before the start: begin bad just after it
    assert_eq!(run.course, ["0s refused"]);
    let run = World::of(&body(guard)).from("failed", "1s", Is(500.0)).run("6m");
    assert_eq!(run.course[..2], ["0s entered all", "45s rollback because g"]);
    assert_eq!(run.words_of("g"), ["15s warming"]);
    // bad, good, bad: good news while warming freezes the clock and does not clear it (15 s to 30 s, then 45 s to 1 m)
    let run = World::of(&body(guard)).from("failed", "1s", Is(500.0)).during("failed", "30s", "45s", Is(0.0)).run("6m");
    assert_eq!(run.course[..2], ["0s entered all", "1m rollback because g"]);
}

#[test]
fn what_is_there_and_does_not_decide_is_undecided() {
    // the bound lies between two buckets: the share is somewhere between 90 % and 100 %
    let w = words("share(latency < 200ms) >= 95% else hold", |w| w);
    assert_eq!(w, ["15s warming", "1m15s undecided"]);
    assert_eq!(words("share(latency < 200ms) >= 90% else hold", |w| w), ["15s warming", "1m15s ok"]);
    // after an outage a window of checks does not know, though nothing is missing now
    let w = words("not ((load > 5) for 2 of 3 checks) else hold", |w| w.during("load", "1m", "1m30s", Failed));
    assert_eq!(w, ["15s ok", "1m15s blind", "1m30s undecided", "1m45s ok"]);
}

#[test]
fn kleene_decides_in_spite_of_a_missing_input() {
    let blind = |w: World| w.during("load", "1m", "2m", Failed);
    assert_eq!(words("load < 5 or queue < 5 else hold", blind), ["15s ok"]);
    let w = words("load < 5 and queue < 5 else hold", |w| blind(w).during("queue", "1m", "2m", Is(9.0)));
    assert_eq!(w, ["15s ok", "1m breached", "2m ok"]);
    // it made the result unknown: it wins
    assert_eq!(words("load < 5 and queue < 5 else hold", blind), ["15s ok", "1m blind", "2m ok"]);
}

#[test]
fn what_is_missing_is_what_a_source_has_not_and_not_what_nobody_has_said() {
    let (default, missing) = ("default(load, 0) < 5 else hold", "not missing(load) else hold");
    // it has answered: there is no such series, or no number
    for says in [Empty, NotANumber, Is(f64::NAN)] {
        let none = |w: World| w.during("load", "1m", "2m", says.clone());
        assert_eq!(words(default, none), ["15s ok"], "{says:?}");
        assert_eq!(words("default(load, 9) < 5 else hold", none), ["15s ok", "1m breached", "2m ok"], "{says:?}");
        assert_eq!(words(missing, none), ["15s ok", "1m breached", "2m ok"], "{says:?}");
    }
    assert_eq!(words(default, |w| w.canary("load", "1m", "2m", Empty)), ["15s ok"]);
    // nobody has answered
    for says in [Failed, Ambiguous, Old(1.0, 60_001), super::world::NotAsked] {
        let silent = |w: World| w.during("load", "1m", "2m", says.clone());
        assert_eq!(words(default, silent), ["15s ok", "1m blind", "2m ok"], "{says:?}");
        assert_eq!(words(missing, silent), ["15s ok", "1m blind", "2m ok"], "{says:?}");
        assert_eq!(words("missing(load) or queue > 5 else hold", silent)[1], "1m blind", "{says:?}");
    }
    assert_eq!(words(default, |w| w.canary("load", "1m", "2m", Old(1.0, 60_001))), ["15s ok", "1m dark", "2m ok"]);
    // one of two that nobody has told
    let both = |w: World| w.during("load", "1m", "2m", Empty).during("queue", "1m", "2m", Failed);
    assert_eq!(words("default(load + queue, 0) < 5 else hold", both), ["15s ok", "1m blind", "2m ok"]);
    // a window that knows too little after an outage; of a quotient by what may be 0
    let out = |w: World| w.during("load", "1m15s", "2m30s", Failed);
    let avg = words("default(avg(load, 1m), 0) < 5 else hold", out);
    assert_eq!(avg, ["15s warming", "1m15s ok", "1m45s blind", "2m30s thin", "2m45s ok"]);
}

#[test]
fn a_dead_source_promotes_nothing() {
    let dead = |when: &str| {
        let body = format!("no data else hold\nphase all {{ traffic checkout = 100%  promote when {when} }}");
        World::of(&body).from("load", "10s", Failed).run("30m").course
    };
    assert_eq!(dead("default(load, 0) < 5"), ["0s entered all"]);
    assert_eq!(dead("missing(load)"), ["0s entered all"]);
    assert_eq!(dead("not missing(load)"), ["0s entered all"]);
}

#[test]
fn of_several_words_the_first_in_the_table() {
    // blind before dark
    let w = words("load < 5 and queue < 5 else hold", |w| {
        w.canary("load", "1m", "2m", Empty).during("queue", "1m", "2m", Failed)
    });
    assert_eq!(w, ["15s ok", "1m blind", "2m ok"]);
    // dark before warming, dark before thin
    let w = words("errors < 1% tolerate 5m else hold", |w| w.canary("served", "0s", "30s", Empty));
    assert_eq!(w, ["15s dark", "30s warming", "1m15s ok"]);
    let w = words("load < 5 and errors < 1% tolerate 5m else hold", |w| {
        w.canary("load", "2m", "3m", Empty).during("served", "2m", "3m", Is(0.0))
    });
    assert_eq!(w, ["15s warming", "1m15s ok", "2m dark", "3m ok"]);
    // warming before thin and before failing
    assert_eq!(words("errors < 1% else hold", |w| w.during("served", "15s", "30s", Is(0.0)))[0], "15s warming");
    let w = words("errors < 1% tolerate 5m else hold", |w| w.during("failed", "15s", "2m", Is(500.0)));
    assert_eq!(w, ["15s warming", "1m15s failing", "2m ok"]);
    // thin before undecided
    let w = words("share(latency < 200ms) >= 95% at least 5000 events else hold", |w| w);
    assert_eq!(w, ["15s warming", "1m15s thin"]);
}

#[test]
fn dark_and_warming_stay_what_they_are_when_their_tolerance_is_used_up() {
    let w = words("load < 5 else hold", |w| w.canary("load", "1m", "2m", Empty));
    assert_eq!(w, ["15s ok", "1m dark", "2m ok"]);
    let run = World::of(&body("load < 5 tolerate 1m else rollback")).canary("load", "2m", "10m", Empty).run("6m");
    assert_eq!(run.words_of("g"), ["15s ok", "2m dark"]);
    assert_eq!(run.course[1], "3m rollback because g");
}

#[test]
fn dark_feeds_false_to_the_tolerance() {
    // half false, half dark
    let run = World::of(&body("load < 5 tolerate 2m else rollback"))
        .during("load", "1m", "2m", Is(9.0))
        .canary("load", "2m", "10m", Empty)
        .run("6m");
    assert_eq!(run.course, ["0s entered all", "3m rollback because g", "3m15s rolled back"]);
}

#[test]
fn thin_undecided_and_blind_freeze_the_tolerance() {
    for says in [Failed, NotANumber] {
        // false at 1m and 1m15s: 30 s are used up when it becomes unknown; 30 s more are needed from 5m on
        let run = World::of(&body("load < 5 tolerate 1m else rollback"))
            .from("load", "1m", Is(9.0))
            .during("load", "1m30s", "5m", says)
            .run("10m");
        assert_eq!(run.course[1], "5m30s rollback because g");
    }
    let bad = Says::Buckets(vec![(0.1, 0.0), (0.3, 100.0), (f64::INFINITY, 1000.0)]);
    let unclear = Says::Buckets(vec![(0.1, 900.0), (0.3, 1000.0), (f64::INFINITY, 1000.0)]);
    let run = World::of(&body("share(latency < 200ms) >= 95% tolerate 1m else rollback"))
        .from("latency", "2m", bad)
        .during("latency", "2m30s", "5m", unclear)
        .run("10m");
    assert_eq!(run.course[1], "5m30s rollback because g");
    // good news clears it
    let run = World::of(&body("load < 5 tolerate 1m else rollback"))
        .from("load", "1m", Is(9.0))
        .during("load", "1m45s", "2m", Is(1.0))
        .run("10m");
    assert_eq!(run.course[1], "3m rollback because g");
}

#[test]
fn tolerate_n_checks_breaches_at_the_nth_false_check() {
    let at = |n: u32| {
        let b = body(&format!("load < 5 tolerate {n} checks else rollback"));
        World::of(&b).from("load", "1m", Is(9.0)).run("10m").course[1].clone()
    };
    assert_eq!(at(1), "1m rollback because g");
    assert_eq!(at(2), "1m15s rollback because g");
    assert_eq!(at(4), "1m45s rollback because g");
    // `tolerate 15s` on a grid of 15 s: at the second false check
    let run = World::of(&body("load < 5 tolerate 15s else rollback")).from("load", "1m", Is(9.0)).run("10m");
    assert_eq!(run.course[1], "1m15s rollback because g");
}
