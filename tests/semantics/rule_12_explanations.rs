//! Rule 12: every decision carries its explanation: rule, values, margin, since when, sample size, age, query, and which rules did not
//! cause it. (Queries as asked and any check in the past: `tests/e2e_why.rs`.)

use super::world::{Failed, Is, World};
use canary::engine::{Effect, Explanation, Operator, Record, Verdict, Word};

fn explained(run: &super::world::Run) -> Vec<Explanation> {
    let one = |(_, e): &(i64, Effect)| match e {
        Effect::Record(r) => match r.as_ref() {
            Record::Rollback { explanation, .. }
            | Record::Paused { explanation }
            | Record::KillSwitch { explanation, .. }
            | Record::Finished { explanation, .. } => Some(explanation.clone()),
            _ => None,
        },
        _ => None,
    };
    run.effects.iter().filter_map(one).collect()
}

#[test]
fn a_guards_decision_names_rule_values_margin_since_sample_size_age_and_what_did_not_cause_it() {
    let body = "guard errors: errors < 1% at least 100 events tolerate 1m else rollback
        guard load: load < 5 tolerate 5m else rollback
        phase all { traffic checkout = 5%  hold 30m }";
    let w = World::of(body).from("failed", "5m", Is(30.0)).from("served", "1s", super::world::Old(1000.0, 5_000));
    let run = w.from("load", "5m", Is(9.0)).run("1h");
    let e = &explained(&run)[0];
    assert_eq!((e.at, e.kind.as_str(), e.rule.as_str()), (360_000, "guard", "errors"));
    let g = e.guard.as_ref().unwrap();
    assert_eq!((g.word, g.since), (Word::Breached, 360_000));
    assert_eq!((g.reading.value, g.reading.limit, g.reading.events), (Some(0.03), Some(0.01), Some(1000.0)));
    assert!((g.reading.margin.unwrap() + 0.02).abs() < 1e-12, "two points beyond the limit");
    assert_eq!((g.reading.used, g.reading.age), (60_000, Some(5_000)));
    assert_eq!(e.inputs.len(), 2, "what was asked for it: {:?}", e.inputs);
    // failing as well, and not the cause: its tolerance was not used up
    let others: Vec<(&str, Word)> = e.others.iter().map(|o| (o.guard.as_str(), o.word)).collect();
    assert_eq!(others, [("load", Word::Failing)]);
}

#[test]
fn every_decision_has_one_whoever_takes_it() {
    let phases =
        "phase one { traffic checkout = 5%  run smoke  hold 1m  promote when queue > 5 within 2m else rollback }";
    let guard = "guard load: load < 5 else rollback";
    let of = |w: World| explained(&w.run("1h")).first().map(|e| (e.kind.clone(), e.rule.clone())).unwrap();
    let body = format!("{guard}\n{phases}");
    assert_eq!(of(World::of(&body)), ("within".into(), "one".into()));
    assert_eq!(of(World::of(&body).from("load", "1m", Is(9.0))), ("guard".into(), "load".into()));
    assert_eq!(of(World::of(&body).from("load", "1m", Failed)), ("no data".into(), "no data".into()));
    assert_eq!(of(World::of(&body).operator(Operator::Abort, "1m")), ("person".into(), "kim".into()));
    assert_eq!(of(World::of(&body).operator(Operator::Pause, "1m")), ("person".into(), "kim".into()));
    assert_eq!(of(World::of(&body).withholds("0s", "1h")), ("settings".into(), "one".into()));
    let failed = World::of(&body).action("smoke", "0s", "", super::world::Ends::Badly);
    assert_eq!(of(failed), ("action".into(), "smoke".into()));
    let drifted = World::of(&body).drifts("checkout", canary::plan::Setting::Share(0.3), "1m");
    assert_eq!(of(drifted), ("drift".into(), "checkout".into()));
    let run = World::of(&body).from("queue", "1m", Is(9.0)).run("1h");
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
    assert_eq!(explained(&run)[0].kind, "plan");
}
