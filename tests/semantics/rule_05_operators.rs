//! Rule 5: the operators are those of `vectors/temporal_reference.py`, whose 500 vectors `src/engine/monitor.rs` runs. Here each of
//! them inside a compiled policy, and what must hold of their state.

use super::world::{Is, Noise, World};
use serde_json::Value;

fn promoted(when: &str, w: impl Fn(World) -> World) -> String {
    let body = format!("no data tolerate 1m else hold\nphase all {{ traffic checkout = 100%  promote when {when} }}");
    w(World::of(&body)).run("2h").course.get(1).cloned().unwrap_or_default()
}

#[test]
fn each_operator_is_true_when_the_known_measure_suffices() {
    // from the first check behind the read-back, at 15 s
    assert_eq!(promoted("queue < 5 for 2m", |w| w), "2m15s promoted");
    assert_eq!(promoted("queue < 5 for 3 checks", |w| w), "45s promoted");
    assert_eq!(promoted("queue < 5 for 3 of 5 checks", |w| w), "45s promoted");
    // of the window of ten minutes eight must be known to have been true
    assert_eq!(promoted("queue < 5 for 80% of 10m", |w| w), "8m15s promoted");
    let body = "phase all { traffic checkout = 100%  hold 2m }";
    assert_eq!(World::of(body).run("1h").course[1], "2m15s promoted");
}

#[test]
fn each_operator_knows_what_a_bad_check_costs() {
    let bad = |w: World| w.during("queue", "1m", "1m15s", Is(9.0));
    assert_eq!(promoted("queue < 5 for 2m", bad), "3m15s promoted");
    assert_eq!(promoted("queue < 5 for 5 checks", bad), "2m15s promoted");
    // 15 s, 30 s, 45 s good, 1 m bad, 1m15s and 1m30s good: five of the last six
    assert_eq!(promoted("queue < 5 for 5 of 6 checks", bad), "1m30s promoted");
    // fifteen seconds of the ten minutes were bad
    assert_eq!(promoted("queue < 5 for 80% of 10m", bad), "8m30s promoted");
    let body = "guard g: load < 5 tolerate 2m else rollback\nphase all { traffic checkout = 100%  hold 2h }";
    let w = World::of(body).from("load", "1m", Is(9.0)).during("load", "2m", "2m15s", Is(1.0));
    assert_eq!(w.run("1h").course[1], "4m15s rollback because g");
}

#[test]
fn observed_time_counts_what_was_seen_and_never_resets() {
    let body = "guard g: load < 5 else rollback\nphase all { traffic checkout = 100%  hold 1h }";
    // nobody looked for ten hours
    assert_eq!(World::of(body).stops("31m", "10h31m", false).run("24h").course[1], "11h30s promoted");
}

fn numbers(v: &Value, path: &str, out: &mut Vec<String>) {
    match v {
        Value::Number(n) if !n.is_i64() && !n.is_u64() => out.push(format!("{path} = {n}")),
        Value::Array(a) => a.iter().for_each(|v| numbers(v, path, out)),
        Value::Object(o) => o.iter().for_each(|(k, v)| numbers(v, &format!("{path}/{k}"), out)),
        _ => {}
    }
}

#[test]
fn their_state_is_integers_and_is_journalled_and_never_replayed() {
    let body = "no data tolerate 1m else hold
        guard a: not ((load > 5) for 80% of 10m) else tell
        guard b: not ((queue > 5) for 3 of 7 checks) tolerate 5m else tell
        phase all { traffic checkout = 100%  promote when mean < 5 for 2h }";
    let world = World::of(body).noise(Noise { seed: 3, bad: 20, missing: 10 });
    let (run, stored) =
        (world.run("3h"), World::of(body).noise(Noise { seed: 3, bad: 20, missing: 10 }).stored().run("3h"));
    for (_, state) in &run.states {
        let state = serde_json::to_value(state).unwrap();
        let mut found = Vec::new();
        for part in ["monitors", "no_data", "hold", "within", "elapsed"] {
            numbers(&state[part], part, &mut found);
        }
        for g in state["guards"].as_array().unwrap() {
            numbers(&g["monitor"], "guard", &mut found);
        }
        assert_eq!(found, [""; 0]);
    }
    // a runner that has nothing but the last state goes on as if it had seen everything
    assert_eq!(run.course, stored.course);
    assert_eq!(run.states, stored.states);
}

#[test]
fn a_checks_time_is_its_planned_time() {
    // what is on time by the plan counts as on time: nothing of how long the check itself took is in its inputs
    let run = World::of("phase all { traffic checkout = 100%  hold 2m }").run("1h");
    assert!(run.states.iter().all(|(at, s)| at % 15_000 == 0 && s.last == Some(*at)));
}
