//! `halt` (§5.6): pauses this life and asks for the others; between a rollback and a pause.

use super::world::{Is, World, plan};
use canary::engine::explain::Explanation;
use canary::engine::{Effect, Input, Stage, State, Verdict, step};
use canary::plan::PhaseId;

const BODY: &str = "guard load: load < 5 else halt
    guard queue: queue < 5 else rollback
    phase one { traffic checkout = 5%  hold 10m }
    on pause: notify oncall";

fn halts(effects: &[(i64, Effect)]) -> Vec<&Explanation> {
    let one = |(_, e): &'_ (i64, Effect)| matches!(e, Effect::Halt { .. });
    let found = effects.iter().filter(|e| one(e));
    found
        .map(|(_, e)| match e {
            Effect::Halt { explanation } => explanation.as_ref(),
            _ => unreachable!(),
        })
        .collect()
}

#[test]
fn this_life_is_paused_and_the_others_are_asked_for() {
    let run = World::of(BODY).from("load", "2m", Is(9.0)).run("5m");
    assert_eq!(run.course, ["0s entered one", "2m halts because load", "2m paused because load"]);
    let why = halts(&run.effects);
    assert_eq!(why.len(), 1);
    assert!(why[0].summary.contains("value 9, limit 5"), "{}", why[0].summary);
    assert!(run.state.paused.is_some());
    assert_eq!(run.state.stage, Stage::Phase(PhaseId(0)), "halt takes nothing back");
}

#[test]
fn a_rollback_goes_before_it_and_takes_it_from_nobody_else() {
    let run = World::of(BODY).from("load", "2m", Is(9.0)).from("queue", "2m", Is(9.0)).run("5m");
    assert_eq!(
        run.course,
        ["0s entered one", "2m halts because load", "2m rollback because queue", "2m15s rolled back"],
        "this life is taken back and not paused; the others are halted all the same"
    );
    assert_eq!(run.state.verdict(), Some(Verdict::RolledBack));
}

#[test]
fn it_goes_before_a_pause_of_the_same_check() {
    let body = "guard queue: queue < 5 else pause
        guard load: load < 5 else halt
        phase one { traffic checkout = 5%  hold 10m }";
    let run = World::of(body).from("load", "2m", Is(9.0)).from("queue", "2m", Is(9.0)).run("5m");
    assert_eq!(run.course[1..], ["2m halts because load", "2m paused because load"]);
}

#[test]
fn a_life_that_is_paused_already_halts_the_others() {
    let body = "guard queue: queue < 5 else pause
        guard load: load < 5 else halt
        phase one { traffic checkout = 5%  hold 10m }";
    let run = World::of(body).from("queue", "2m", Is(9.0)).from("load", "3m", Is(9.0)).run("5m");
    assert_eq!(run.course[1..], ["2m paused because queue", "3m halts because load"]);
}

#[test]
fn the_halt_of_another_life_pauses_this_one_for_its_reason() {
    let plan = plan(BODY);
    let explanation = halts(&World::of(BODY).from("load", "2m", Is(9.0)).run("3m").effects)[0].clone();
    let mut state = World::of(BODY).run("1m").state;
    let mut out = Vec::new();
    step(&plan, &mut state, Input::Halted { at: 61_000, explanation: &explanation }, &mut out);
    assert_eq!(state.paused.as_ref().map(|p| p.why.as_str()), Some(explanation.summary.as_str()));
    assert!(out.iter().any(|e| matches!(e, Effect::Notify { title, .. } if title.contains("paused"))), "{out:#?}");
    assert!(!out.iter().any(|e| matches!(e, Effect::Halt { .. })), "it is not passed on: {out:#?}");
    // and again changes nothing
    let before = state.clone();
    out.clear();
    step(&plan, &mut state, Input::Halted { at: 62_000, explanation: &explanation }, &mut out);
    assert_eq!((state, out.len()), (before, 0));
}

#[test]
fn a_life_that_has_not_begun_or_is_over_is_left_alone() {
    let plan = plan(BODY);
    let explanation = halts(&World::of(BODY).from("load", "2m", Is(9.0)).run("3m").effects)[0].clone();
    for mut state in [State::new(&plan), World::of(BODY).run("1h").state] {
        let (before, mut out) = (state.clone(), Vec::new());
        step(&plan, &mut state, Input::Halted { at: 9_000_000, explanation: &explanation }, &mut out);
        assert_eq!((state, out.len()), (before, 0));
    }
}
