//! `increase(c)`: disjoint increments, since a guard was armed or since the phase's settings were verified.

use super::world::{Empty, Failed, Is, NotANumber, World, plan};
use canary::engine::{State, Word, since};
use canary::plan::Population;

const TWO: &str = "phase a { traffic checkout = 5%  hold 1m }
    phase b { traffic checkout = 50%  hold 10m }";

#[test]
fn since_phase_counts_for_a_goal_from_where_it_has_settled() {
    let body = "phase a { traffic checkout = 5%  hold 1m }
        phase b { traffic checkout = 50%  promote when increase(leaks, since phase) >= 4 }";
    // entered at 1m15s, read back just before 1m30s and settled with it: those of 1m45s, 2m, 2m15s, 2m30s
    let run = World::of(body).from("leaks", "30s", Is(1.0)).run("1h");
    assert_eq!(run.course, ["0s entered a", "1m15s entered b", "2m30s promoted"]);
    // nothing to set: since the phase was entered, without what came before
    let body = "phase a { traffic checkout = 5%  hold 1m }
        phase b { promote when increase(leaks, since phase) >= 4 }";
    let run = World::of(body).from("leaks", "30s", Is(1.0)).run("1h");
    assert_eq!(run.course, ["0s entered a", "1m15s entered b", "2m30s promoted"]);
}

#[test]
fn what_goes_wrong_while_it_settles_stays_counted() {
    let body = "settle 5m\nphase a { traffic checkout = 5%  promote when increase(leaks, since phase) == 0 }";
    assert_eq!(World::of(body).run("1h").course, ["0s entered a", "5m15s promoted"]);
    let run = World::of(body).during("leaks", "1m", "2m", Is(3.0)).run("1h");
    assert_eq!(run.course, ["0s entered a"]);
    // what came before the read-back, just before 1m, does not count
    let run = World::of(body).withholds("0s", "45s").during("leaks", "15s", "45s", Is(3.0)).run("1h");
    assert_eq!(run.course, ["0s entered a", "6m promoted"]);
}

#[test]
fn a_guard_counts_while_it_settles_what_a_goal_does_not() {
    let body = "settle 2m
        guard leaks: increase(leaks, since phase) < 4 tolerate 1h else hold
        phase a { traffic checkout = 5%  promote when increase(leaks, since phase) >= 4 }";
    let run = World::of(body).during("leaks", "1m", "1m15s", Is(4.0)).run("30m");
    assert_eq!(run.words_of("leaks"), ["15s ok", "1m failing"]);
    let goal = "settle 2m\nphase a { traffic checkout = 5%  promote when increase(leaks, since phase) >= 4 }";
    assert_eq!(World::of(goal).during("leaks", "1m", "1m15s", Is(4.0)).run("30m").course, ["0s entered a"]);
    // what somebody else changes and is set again within the phase begins nothing anew
    let body = format!("drift correct\n{goal}");
    let run = World::of(&body)
        .from("leaks", "2m30s", Is(1.0))
        .drifts("checkout", canary::plan::Setting::Share(0.0), "2m45s")
        .run("30m");
    assert_eq!(run.course[3..], ["5m promoted"], "{:#?}", run.course);
}

#[test]
fn what_is_not_known_to_have_come_before_is_neither_counted_nor_forgotten() {
    // no answer from before it has settled (15s) to 1m: three leaks, nobody knows when
    let world = |c: &str| {
        let body = format!("no data else hold\nphase a {{ traffic checkout = 5%  promote when {c} }}");
        World::of(&body).during("leaks", "15s", "1m", Failed).during("leaks", "1m", "1m15s", Is(3.0)).run("10m").course
    };
    assert_eq!(world("increase(leaks) == 0"), ["0s entered a"]);
    assert_eq!(world("increase(leaks) >= 3"), ["0s entered a"]);
    assert_eq!(world("increase(leaks) < 4"), ["0s entered a", "1m promoted"]);
}

#[test]
fn a_silent_source_leaves_the_sum_open_upwards() {
    let body = |c: &str| format!("no data else hold\nguard leaks: increase(leaks) {c} else hold\n{TWO}");
    let word = |c: &str, at: &str| {
        let w = World::of(&body(c)).during("leaks", "30s", "45s", Is(2.0)).during("leaks", "1m", "5m", Failed);
        w.run("6m").word(&plan(&body(c)), "leaks", at)
    };
    // two were counted: they stay counted, what is missing can only add to them
    assert_eq!(word("== 0", "2m"), Some(Word::Breached));
    assert_eq!(word("< 2", "2m"), Some(Word::Breached));
    assert_eq!(word("< 10", "2m"), Some(Word::Blind));
    assert_eq!(word(">= 1", "2m"), Some(Word::Ok));
    assert_eq!(word("< 10", "5m"), Some(Word::Ok));
}

#[test]
fn what_is_no_number_does_not_stay_in_the_sum() {
    let body = format!("no data else hold\nguard leaks: increase(leaks) < 10 else rollback\n{TWO}");
    for says in [Is(f64::NAN), Is(f64::INFINITY), NotANumber] {
        let run = World::of(&body).during("leaks", "1m", "2m", says).run("1h");
        assert_eq!(run.words_of("leaks"), ["15s ok", "1m thin", "2m ok"]);
    }
}

#[test]
fn increments_are_asked_for_since_the_last_answer() {
    let body = format!("no data else hold\nguard leaks: increase(leaks) < 10 else hold\n{TWO}");
    let p = plan(&body);
    let id = super::world::Run::input(&p, "leaks", Population::Canary);
    let w = World::of(&body).during("leaks", "1m", "2m", Failed).canary("leaks", "3m", "4m", Empty);
    let run = w.run("5m");
    let asked = |at: &str| {
        let (_, state): &(i64, State) = run.states.iter().find(|(t, _)| *t == super::world::ms(at)).unwrap();
        since(&p, state, id).unwrap() / 1000
    };
    // after the check of 1m45s: still since 45 s; the answer of 2m covers all of it
    assert_eq!(
        [asked("45s"), asked("1m"), asked("1m45s"), asked("2m"), asked("3m45s"), asked("4m")],
        [45, 45, 45, 120, 165, 240]
    );
}

#[test]
fn an_increase_over_a_window_is_no_sum() {
    let body = format!("guard leaks: increase(leaks, 2m) < 10 else rollback\n{TWO}");
    let run = World::of(&body).from("leaks", "20s", Is(9.0)).run("5m");
    assert_eq!(run.words_of("leaks"), ["15s warming", "2m15s ok", "3m30s warming"], "{:#?}", run.course);
}
