//! Values over time: `avg(load, 2m)` and its kin over the run's own checks.

use super::world::{Failed, Is, World, ms, plan};
use canary::engine::{RunCause, State, Word};

#[test]
fn a_window_is_warming_until_it_lies_behind_the_verification() {
    let body = "guard soft: avg(load, 2m) < 5 else hold
        phase a { traffic checkout = 5%  hold 1m }
        phase b { traffic checkout = 50%  hold 1m }";
    let run = World::of(body).run("1h");
    assert_eq!(run.course, ["0s entered a", "3m15s entered b", "6m30s promoted"]);
    assert_eq!(run.words_of("soft"), ["15s warming", "2m15s ok", "3m30s warming", "5m30s ok"]);
}

#[test]
fn a_window_around_a_window_or_a_query_with_a_range_reaches_farther() {
    let first_ok = |of: &str| {
        let body = format!("guard soft: {of} < 5 else hold\nphase a {{ traffic checkout = 5%  hold 10m }}");
        World::of(&body).run("20m").words_of("soft")[1].clone()
    };
    assert_eq!(first_ok("max(avg(load, 2m), 3m)"), "5m15s ok");
    // `mean` is a query over two minutes
    assert_eq!(first_ok("max(mean, 3m)"), "5m15s ok");
    assert_eq!(first_ok("avg(load, 10s)"), "30s ok");
}

#[test]
fn bad_news_counts_before_the_window_is_full() {
    let body = "guard hard: avg(load, 2m) < 5 else rollback\nphase a { traffic checkout = 5%  hold 10m }";
    // four of eight checks are enough: 0s reads 1, the next three 9
    let run = World::of(body).from("load", "15s", Is(9.0)).run("1h");
    assert_eq!(run.course[1], "45s rollback because hard");
    // fewer decide nothing: with every other check silent the fourth value comes at 1m30s
    let mut w = World::of(body).from("load", "15s", Is(9.0));
    for at in ["15s", "45s", "1m15s"] {
        w = w.during("load", at, &format!("{}s", ms(at) / 1000 + 15), Failed);
    }
    assert_eq!(w.run("1h").course[1], "1m30s rollback because hard");
}

#[test]
fn a_past_is_the_runs_and_is_there_before_anybody_asks() {
    // nothing is set anew in the second phase: what the first has seen is what the window holds
    let body = "guard soft: max(load, 2m) < 5 from b else hold
        phase a { traffic checkout = 5%  hold 4m }
        phase b { hold 1m  promote when avg(load, 2m) < 3 }";
    let run = World::of(body).during("load", "3m", "3m15s", Is(9.0)).run("1h");
    assert_eq!(run.words_of("soft"), ["4m30s breached", "5m ok"]);
    assert_eq!(run.course, ["0s entered a", "4m15s entered b", "5m30s promoted"]);
    // two that look back at the same have one past
    let p = plan("guard a: avg(load, 2m) < 5 else hold  guard b: avg(load, 2m) < 6 else hold  guard c: avg(load, 3m) < 6 else hold
        phase a { traffic checkout = 5%  hold 4m }");
    assert_eq!((p.program.pasts, State::new(&p).pasts.len()), (2, 2));
}

#[test]
fn promote_waits_for_the_window_and_a_rollback_to_a_phase_warms_it_again() {
    let body = "guard leaks: increase(leaks, 15s) < 2 else rollback to a
        phase a { traffic checkout = 5%  promote when avg(load, 2m) < 5 }
        phase b { traffic checkout = 50%  hold 10m }";
    let run = World::of(body).during("leaks", "3m", "3m15s", Is(9.0)).run("1h");
    assert_eq!(
        run.course[..4],
        ["0s entered a", "2m15s entered b", "3m rollback to a because leaks", "5m15s entered b"]
    );
}

#[test]
fn a_reaction_knows_nothing_before_the_window_is_full() {
    let body = "phase a { traffic checkout = 5%  hold 10m }\nwhen avg(queue, 2m) > 5: run scale";
    let w = World::of(body).from("queue", "0s", Is(9.0));
    assert_eq!(w.run("2m").runs(&w.plan, "scale", RunCause::Reaction), 0);
    assert_eq!(w.run("2m15s").runs(&w.plan, "scale", RunCause::Reaction), 1);
}

#[test]
fn half_of_the_planned_checks_are_enough_and_the_cause_is_the_last_ones() {
    let body =
        "no data else hold\nguard soft: avg(load, 2m) < 5 else hold\nphase a { traffic checkout = 5%  hold 10m }";
    let run = World::of(body).during("load", "3m", "5m", Failed).run("10m");
    // the window of 3m45s still holds four of eight values, that of 4m three; 5m45s again four
    assert_eq!(run.words_of("soft")[1..], ["2m15s ok", "4m blind", "5m thin", "5m45s ok"]);
    let run = World::of(body).during("load", "3m", "5m", Is(f64::NAN)).run("10m");
    assert_eq!(run.words_of("soft")[1..], ["2m15s ok", "4m thin", "5m45s ok"]);
    // of the canary alone: dark
    let run = World::of(body).canary("load", "3m", "5m", super::world::Empty).run("10m");
    assert_eq!(run.words_of("soft")[1..3], ["2m15s ok", "4m dark"]);
}

#[test]
fn back_filled_checks_are_checks_and_missed_ones_are_none() {
    let body =
        "no data else hold\nguard soft: avg(load, 2m) < 5 else hold\nphase a { traffic checkout = 5%  hold 20m }";
    let asked = World::of(body).stops("5m", "8m", true).run("9m");
    assert_eq!(asked.words_of("soft"), ["15s warming", "2m15s ok"]);
    let lost = World::of(body).stops("5m", "8m", false).run("10m");
    assert_eq!(lost.words_of("soft"), ["15s warming", "2m15s ok", "8m thin", "8m45s ok"]);
}

#[test]
fn a_window_of_one_check_can_refuse_the_start() {
    let body =
        |w: &str| format!("guard soft: max(load, {w}) < 5 else rollback\nphase a {{ traffic checkout = 5%  hold 1m }}");
    let refused = |w: &str| World::of(&body(w)).from("load", "0s", Is(9.0)).run("1h").refused.len();
    assert_eq!((refused("15s"), refused("30s"), refused("2m")), (1, 1, 0));
}

#[test]
fn the_state_goes_through_the_store_and_an_older_one_can_be_read() {
    let body = "guard soft: quantile(load, 0.9, 2m) + stddev(load, 1m) < 5 else hold
        guard hard: rate(load, 2m) < 1/s else rollback
        phase a { traffic checkout = 5%  hold 10m }";
    let w = || World::of(body).during("load", "3m", "5m", Is(2.0)).during("load", "6m", "7m", Failed);
    let (run, stored) = (w().run("20m"), w().stored().run("20m"));
    assert_eq!((run.course, run.words, run.state), (stored.course, stored.words, stored.state));
    // before there were windows, states had no pasts
    let mut state = serde_json::to_value(State::new(&plan(body))).unwrap();
    state.as_object_mut().unwrap().remove("pasts").expect("it has some");
    let older: State = serde_json::from_value(state).unwrap();
    assert!(older.pasts.is_empty());
    let none = plan("guard soft: load < 5 else hold\nphase a { traffic checkout = 5%  hold 1m }");
    assert!(serde_json::to_value(State::new(&none)).unwrap().get("pasts").is_none());
}

#[test]
fn what_is_shown_is_what_was_judged() {
    let body = "guard soft: avg(load, 2m) < 5 else hold\nphase a { traffic checkout = 5%  hold 10m }";
    let w = World::of(body).from("load", "4m", Is(3.0));
    let run = w.run("5m");
    let reading = run.state.guards[0].reading;
    // 4m to 5m: five of eight read 3
    assert_eq!((reading.value, reading.limit, reading.margin), (Some(2.25), Some(5.0), Some(2.75)));
    assert_eq!(run.word(&w.plan, "soft", "5m"), Some(Word::Ok));
}
