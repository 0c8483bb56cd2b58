//! Bugs that are planted in the engine, one after the other: the harness must find each of them.

use super::harness;
use canary::engine::planted::{BUGS, plant};

/// Within so many pairs.
const WITHIN: u64 = 10_000;

#[test]
fn every_planted_bug_is_found() {
    let mut missed = Vec::new();
    for (i, what) in BUGS.iter().enumerate() {
        // CANARY_PLANTED=5 plants the fifth alone
        if super::number("CANARY_PLANTED").is_some_and(|n| n != i as u64 + 1) {
            continue;
        }
        plant(u8::try_from(i + 1).unwrap());
        let (tally, found) = harness::run(super::number("CANARY_FIRST").unwrap_or(0), WITHIN);
        plant(0);
        let Some(found) = found else {
            missed.push(what);
            println!("{:>2} {what}: NOT FOUND in {} pairs", i + 1, tally.pairs);
            continue;
        };
        let events = found.lines().find(|l| l.contains(" events, made ")).unwrap_or_default();
        println!("{:>2} {what}: found after {} pairs; {}", i + 1, tally.pairs, events.split(':').next().unwrap());
    }
    // without any of them, the same pairs pass
    let (tally, found) = harness::run(0, 400);
    println!("without any: {}", tally.report().0);
    assert_eq!(found, None);
    assert!(missed.is_empty(), "{missed:#?}");
}
