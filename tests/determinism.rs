//! Invariant 7: the same plan, observations and times give the same decisions, byte for byte: twice, through the store at every
//! step, and on any other machine. What other machines are compared with stands in `tests/determinism/golden.txt`; after a change
//! that is meant to change decisions or their wording, `CANARY_GOLDEN=write cargo test --test determinism` writes it anew, and the
//! difference belongs to the change.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "determinism/scenarios.rs"]
mod scenarios;
#[path = "engine/watch.rs"]
mod watch;
#[allow(dead_code, reason = "shared with the engine's other tests, which use the rest")]
#[path = "engine/world.rs"]
mod world;

use canary::engine::State;
use canary::plan::{Answer, Bucket, Missing, Reading};
use scenarios::scenarios;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use world::{Is, Run, World};

/// The effects of a run with their times, one a line: what everything else follows from.
fn effects(run: &Run) -> String {
    let line = |e: &(i64, canary::engine::Effect)| format!("{} {}\n", e.0, serde_json::to_string(&e.1).unwrap());
    run.effects.iter().map(line).collect()
}

/// Every state of a run, as it is journalled.
fn states(run: &Run) -> String {
    run.states.iter().map(|(at, s)| format!("{at} {}\n", serde_json::to_string(s).unwrap())).collect()
}

/// Where two texts part, so that a failure can be read.
fn first_difference(a: &str, b: &str) -> Option<String> {
    let mut lines = a.lines().zip(b.lines());
    let differ = lines.find(|(x, y)| x != y).map(|(x, y)| format!("{x}\n{y}"));
    differ.or_else(|| (a.len() != b.len()).then(|| format!("one goes on: {} and {} bytes", a.len(), b.len())))
}

#[test]
fn the_same_twice_and_through_the_store_at_every_step() {
    for (name, until, world) in scenarios() {
        let run = world().run(until);
        for (how, again) in [("again", world().run(until)), ("stored", world().stored().run(until))] {
            assert_eq!(first_difference(&effects(&run), &effects(&again)), None, "{name}, {how}");
            assert_eq!(first_difference(&states(&run), &states(&again)), None, "{name}, {how}");
        }
    }
}

#[test]
fn the_same_bytes_on_every_machine() {
    let mut golden = String::new();
    for (name, until, world) in scenarios() {
        let run = world().run(until);
        let bytes = effects(&run);
        let hash: String = Sha256::digest(bytes.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
        let end = run.course.last().unwrap();
        golden.push_str(&format!("{name}: {} effects, {end}\n  {hash}\n", run.effects.len()));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/determinism/golden.txt");
    if std::env::var("CANARY_GOLDEN").is_ok_and(|v| v == "write") {
        std::fs::write(&path, &golden).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), golden);
}

#[test]
fn the_scenarios_reach_every_kind_of_decision() {
    // without this the golden bytes could be those of runs in which nothing happens
    let all: Vec<String> = scenarios().into_iter().flat_map(|(_, until, world)| world().run(until).course).collect();
    for part in [
        "entered",
        "promoted",
        "rolled back",
        "paused because",
        "resumed",
        "rollback because",
        "ran ",
        "killed",
        "snapshot",
        "approved",
        "drifted",
        "refused",
        "rollback is slow",
    ] {
        assert!(all.iter().any(|l| l.contains(part)), "no {part:?} in {all:#?}");
    }
}

/// Doubles that a careless printer or reader changes: neighbours of 1, halves of the last digit, subnormals, the extremes, and one
/// that reads one bit off in a fast path without correct rounding.
const AWKWARD: [f64; 20] = [
    0.1,
    0.2 + 0.1,
    1.0 / 3.0,
    2.0 / 3.0,
    1.0 - f64::EPSILON / 2.0,
    1.0 + f64::EPSILON,
    9_007_199_254_740_993.0,
    9_007_199_254_740_995.0,
    123_456_789.123_456_79,
    5e-324,
    2.225_073_858_507_201e-308,
    f64::MIN_POSITIVE,
    f64::MAX,
    f64::MIN,
    -0.0,
    1e23,
    8.41e21,
    9.5e-7,
    6.928_571_428_571_429e-2,
    51.247_682_785_098_53,
];

fn through<T: serde::Serialize + serde::de::DeserializeOwned>(v: &T) -> T {
    // as the store does it: to a value, to text, from text, from a value
    let text = serde_json::to_string(&serde_json::to_value(v).unwrap()).unwrap();
    serde_json::from_value(serde_json::from_str(&text).unwrap()).unwrap()
}

#[test]
fn awkward_doubles_are_read_back_to_the_last_bit() {
    let mut more: Vec<f64> = AWKWARD.to_vec();
    // and many that nobody chose
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    while more.len() < 20_000 {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let v = f64::from_bits(seed);
        if v.is_finite() {
            more.push(v);
        }
    }
    for v in more {
        assert_eq!(through(&v).to_bits(), v.to_bits(), "{v:e}");
        let answer =
            Answer { value: Ok(Reading::Buckets(vec![Bucket { le: Some(v), count: v }])), sampled_at: None, series: 1 };
        assert_eq!(format!("{:?}", through(&answer)), format!("{answer:?}"));
    }
}

#[test]
fn a_state_full_of_awkward_doubles_is_read_back_to_the_last_bit() {
    let world = World::of("guard g: increase(leaks) < 10 else tell\nphase all { traffic checkout = 5%  hold 1m }");
    let mut state: State = world.run("1m").state;
    for v in AWKWARD {
        state.accumulators[0].sum = v;
        state.guards[0].reading.value = Some(v);
        state.guards[0].reading.margin = Some(-v);
        state.baseline = vec![Some(Answer { value: Ok(Reading::Value(v)), sampled_at: Some(1), series: 1 }), None];
        let read = through(&state);
        assert_eq!(read.accumulators[0].sum.to_bits(), v.to_bits());
        assert_eq!(serde_json::to_string(&read).unwrap(), serde_json::to_string(&state).unwrap());
    }
    state.baseline = vec![Some(Answer::missing(Missing::NotANumber))];
    assert_eq!(through(&state), state);
}

#[test]
fn a_sum_that_leaves_the_range_of_doubles_keeps_its_state_readable() {
    // ∞ has no JSON: a run that holds it could not be resumed. The watch reads every state back.
    let body = "no data tolerate 1h else hold
        guard leaks: increase(leaks) == 0 tolerate 1m else rollback
        phase all { traffic checkout = 5%  hold 10m }";
    let run = World::of(body).from("leaks", "1m", Is(1.7e308)).stored().run("20m");
    assert_eq!(run.course[1..], ["2m rollback because leaks", "2m15s rolled back"]);
    let run = World::of(body).from("leaks", "1m", Is(-1.7e308)).stored().run("20m");
    assert_eq!(run.course[1..], ["2m rollback because leaks", "2m15s rolled back"]);
}

/// The sources of a room, without comments and without their own tests.
fn sources(room: &str) -> Vec<(PathBuf, String)> {
    let mut todo = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room)];
    let mut out = Vec::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(std::fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            let lines: Vec<&str> = code.lines().map(|l| l.split("//").next().unwrap()).collect();
            out.push((path, lines.join("\n")));
        }
    }
    assert!(out.len() > 5, "{room} has moved");
    out
}

#[test]
fn nothing_in_the_engine_or_the_plan_is_in_the_order_of_a_hash() {
    for (path, code) in ["engine", "plan"].into_iter().flat_map(sources) {
        for word in ["HashMap", "HashSet", "hash_map", "RandomState", "IndexMap"] {
            assert!(!code.contains(word), "{} uses {word}: its order differs from run to run", path.display());
        }
    }
}

#[test]
fn the_engine_uses_only_floating_point_that_ieee_754_defines_to_the_last_bit() {
    // methods of f64 that are the platform's mathematics: a bit more or less from one machine to the next
    let inexact = [
        "powf", "powi", "exp", "exp2", "exp_m1", "ln", "ln_1p", "log", "log2", "log10", "cbrt", "hypot", "sin", "cos",
        "tan", "asin", "acos", "atan", "atan2", "sin_cos", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "gamma",
        "ln_gamma", "mul_add",
    ];
    for (path, code) in ["engine", "plan"].into_iter().flat_map(sources) {
        for name in inexact {
            for form in [format!(".{name}("), format!("f64::{name}"), format!("f32::{name}")] {
                let found = code.match_indices(&form).any(|(i, _)| !code[i + form.len()..].starts_with('_'));
                assert!(!found, "{} uses `{form}`: take it from `libm`", path.display());
            }
        }
        assert!(!code.contains("f32"), "{} computes with f32", path.display());
        assert!(!code.contains("algebraic"), "{} lets the compiler reorder sums", path.display());
    }
}
