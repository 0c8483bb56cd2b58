//! The engine against a second one: policies by chance, in worlds by chance, with faults and people by chance, given input by
//! input to the engine and to a naive reference interpreter, which must agree on every decision; and against the invariants of
//! the design, which are watched without asking either of them.
//!
//! `CANARY_CASES=1000000 cargo test --release --test oracle` runs so many pairs of policy and trace, from policy `CANARY_FIRST`
//! on; `CANARY_SEED=n cargo test --test oracle replay -- --nocapture` repeats pair n.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "oracle/dice.rs"]
mod dice;
#[path = "oracle/fleet/mod.rs"]
mod fleet;
#[path = "oracle/generate/mod.rs"]
mod generate;
#[path = "oracle/harness.rs"]
mod harness;
#[path = "oracle/invariants.rs"]
mod invariants;
#[cfg(feature = "planted")]
#[path = "oracle/planted.rs"]
mod planted;
#[path = "oracle/reference/mod.rs"]
mod reference;
#[path = "oracle/run.rs"]
mod run;
#[path = "oracle/tally.rs"]
mod tally;
#[path = "oracle/world.rs"]
mod world;

#[cfg(not(feature = "planted"))]
/// So many pairs where nobody says how many.
const CASES: u64 = 3_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|n| n.parse().unwrap_or_else(|_| panic!("{name}={n} is no number")))
}

#[test]
#[cfg(not(feature = "planted"))]
fn the_engine_and_the_reference_agree_and_every_invariant_holds() {
    let begun = std::time::Instant::now();
    let (tally, failed) = harness::run(number("CANARY_FIRST").unwrap_or(0), number("CANARY_CASES").unwrap_or(CASES));
    let (text, seldom) = tally.report();
    println!("{text}in {:?}", begun.elapsed());
    if let Some(what) = failed {
        panic!("{what}");
    }
    assert!(seldom.is_empty(), "reached by less than one pair in a hundred: {seldom:#?}");
}

#[test]
fn replay() {
    let Some(n) = number("CANARY_SEED") else { return };
    if let Some(what) = harness::replay(n) {
        panic!("{what}");
    }
    println!("pair {n} passes");
}

/// What the reference may name of the engine: words for what comes in and goes out, and no function.
const NAMES: [&str; 7] = ["Explanation", "Input", "Operator", "RunCause", "Stage", "Verdict", "Word"];

#[test]
fn the_reference_uses_nothing_of_the_engine_but_its_words() {
    let mut files = 0;
    let of_lives = std::path::PathBuf::from("tests/oracle/fleet/reference.rs");
    let files_of_one = std::fs::read_dir("tests/oracle/reference").unwrap().map(|file| file.unwrap().path());
    for path in files_of_one.chain([of_lives]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for part in text.split("canary::engine::").skip(1) {
            let end = if part.starts_with('{') { part.find('}') } else { part.find(';') };
            let names =
                part[..end.unwrap()].trim_start_matches('{').split(',').map(str::trim).filter(|n| !n.is_empty());
            for name in names {
                assert!(NAMES.contains(&name), "{} names {name} of the engine", path.display());
            }
        }
        for forbidden in
            ["canary::{", "canary::engine as", "canary as", ".freezes_hold(", ".temporal(", ".text(", ".settings_at("]
        {
            assert!(!text.contains(forbidden), "{} has {forbidden}", path.display());
        }
        files += 1;
    }
    assert!(files > 5);
}
