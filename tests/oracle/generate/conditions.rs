//! Conditions that are true in a healthy world.

use super::Dice;
use std::fmt;

/// Where a condition stands, which decides over what may be in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    Start,
    Guard { alone: bool },
    Promote,
}

pub struct Condition {
    pub text: String,
    /// One comparison of something that is counted: `at least n events` may follow.
    pub counted: bool,
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn plain(text: impl Into<String>) -> Condition {
    Condition { text: text.into(), counted: false }
}

const GAUGES: [&str; 24] = [
    "load < 5",
    "load <= 5",
    "queue < 5",
    "queue < 5",
    "mean < 5",
    "slow < 5",
    "load != 9",
    "pool < 80%",
    "pool <= 80%",
    "pool <= 81% - 1pp",
    "health >= 60%",
    "ready",
    "default(load, 0) < 5",
    "not missing(load)",
    "missing(load) or load < 5",
    "default(load / queue, 0) < 5",
    "default(slow, queue) < 5",
    "default(errors, 0%) < 1%",
    "queue in [0, 1, 5]",
    "load + queue < 11",
    "2 * load - queue / 2 < 8",
    "-load > -5",
    "lesser(load, queue) < 5",
    "not (now in quarter)",
];
const COUNTED: [&str; 9] = [
    "errors < 1%",
    "errors <= 1%",
    "errors(2m) < 1%",
    "share(latency < 300ms) >= 95%",
    "share(latency < 300ms) > 94%",
    "share(latency < 200ms) >= 90%",
    "p95(latency) < 1s",
    "p50(latency) <= 300ms",
    "quantile(latency, 0.9) < 500ms",
];
const COUNTERS: [&str; 5] = [
    "increase(leaks) < 4",
    "increase(leaks) == 0",
    "increase(leaks, 1m) == 0",
    "increase(leaks, since phase) < 3",
    "increase(failed, 1m) <= 10",
];
const STABLE: [&str; 6] = [
    "load <= stable + 1",
    "load < stable * 200%",
    "errors <= stable + 0.5pp",
    "slow <= stable + 4",
    "share(latency < 300ms) >= stable - 5pp",
    "increase(leaks, 1m) <= stable + 1",
];
const BEFORE: [&str; 6] = [
    "load <= before * 150%",
    "load <= greater(before * 150%, 5)",
    "errors <= greater(before * 150%, 1%)",
    "p95(latency) <= before + 500ms",
    "increase(leaks, 1m) <= before + 1",
    "pool <= before + 30pp",
];
/// Over limits that no rounding reaches.
const OVER_TIME: [&str; 14] = [
    "avg(load, 1m) < 5.01",
    "avg(queue, 2m) <= 4.3",
    "max(load, 1m) < 5",
    "min(load, 1m) <= 5",
    "sum(queue, 1m) < 21.3",
    "stddev(load, 2m) < 2.7183",
    "delta(queue, 1m) < 4.2",
    "rate(load, 1m) < 0.111/s",
    "default(avg(load, 1m), 0) < 5.01",
    "missing(max(load, 30s)) or load < 5",
    "quantile(load, 0.9, 2m) < 5.01",
    "avg(load, 1m) <= stable + 1.01",
    "max(avg(load, 30s), 1m) < 5.01",
    "rate(leaks, 1m) < 0.049/s",
];
/// Conditions that are false in a healthy world.
const UNHEALTHY: [&str; 5] = ["load > 5", "queue >= 5", "mean > 4", "errors > 1%", "pool > 80% or load > 6"];

pub fn healthy(dice: &mut Dice, at: At) -> Condition {
    match dice.below(22) {
        0..=5 => plain(dice.one(&GAUGES)),
        6..=8 => Condition { text: String::from(dice.one(&COUNTED)), counted: true },
        9 | 10 if at != At::Start => plain(dice.one(&COUNTERS)),
        11 if at != (At::Guard { alone: true }) && at != At::Promote => plain(dice.one(&STABLE)),
        12 => plain(dice.one(&BEFORE)),
        13..=15 => {
            let unhealthy = dice.one(&UNHEALTHY);
            match at {
                // in a promotion `not (C for d)` would be true at once
                At::Start => plain(dice.one(&GAUGES)),
                At::Promote => plain(format!("({}) for {}", dice.one(&GAUGES), span(dice))),
                At::Guard { .. } => plain(format!("not (({unhealthy}) for {})", span(dice))),
            }
        }
        16 | 17 => {
            let op = dice.one(&["and", "or"]);
            plain(format!("({}) {op} ({})", healthy(dice, at), healthy(dice, at)))
        }
        20 | 21 if at != At::Start => {
            let alone = matches!(at, At::Guard { alone: true } | At::Promote);
            plain(dice.one(&OVER_TIME[..if alone { 11 } else { OVER_TIME.len() }]))
        }
        18 if at == At::Promote => plain(dice.one(&[
            "healthy",
            "healthy for 45s",
            "phase.elapsed >= 1m",
            "rollout.elapsed > 2m",
            "increase(served, since phase) >= 3000",
            "increase(served) > 2000 and increase(failed, since phase) <= 20",
        ])),
        _ => plain(dice.one(&GAUGES)),
    }
}

pub fn span(dice: &mut Dice) -> &'static str {
    dice.one(&[
        "30s",
        "1m",
        "2m",
        "2 checks",
        "3 checks",
        "2 of 4 checks",
        "1 of 3 checks",
        "3 of 3 checks",
        "50% of 2m",
        "80% of 1m",
        "100% of 1m",
    ])
}

/// What stands before each raise.
pub fn gate(dice: &mut Dice) -> String {
    let gauge = dice.one(&["queue < 5", "load <= 5", "not (now in quarter)", "errors < 1%", "mean < 5"]);
    if dice.percent(30) { format!("({gauge}) for {}", span(dice)) } else { String::from(gauge) }
}

/// What a reaction waits for.
pub fn trigger(dice: &mut Dice) -> String {
    if dice.percent(30) {
        format!("({}) for {}", dice.one(&UNHEALTHY), span(dice))
    } else {
        String::from(dice.one(&UNHEALTHY))
    }
}
