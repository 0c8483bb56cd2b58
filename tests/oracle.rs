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
#[path = "oracle/generate/mod.rs"]
mod generate;
#[path = "oracle/harness.rs"]
mod harness;
#[path = "oracle/invariants.rs"]
mod invariants;
#[path = "oracle/reference/mod.rs"]
mod reference;
#[path = "oracle/run.rs"]
mod run;
#[path = "oracle/tally.rs"]
mod tally;
#[path = "oracle/world.rs"]
mod world;

/// So many pairs where nobody says how many.
const CASES: u64 = 10_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|n| n.parse().unwrap_or_else(|_| panic!("{name}={n} is no number")))
}

#[test]
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
