//! Replay equals run, by chance: policies with something of everything that decides, on the lab and on a real HAProxy and Prometheus;
//! services, sources, proxies, stores and disks that fail, people who say something, runners that are killed and go on. What the
//! journal says is put aside, the journal is deleted, and the recording alone must give the same decisions at the same times in the
//! same words, byte for byte.
//!
//! `CANARY_SEEDS` says how many of each kind (2), `CANARY_FIRST` from which on (1), `CANARY_PARALLEL` how many at once (2). A seed
//! decides the policy and what is done when; how long a machine takes is its own.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "oracle/dice.rs"]
mod dice;
#[path = "replay_equals_run/faults.rs"]
mod faults;
#[path = "replay_equals_run/policy.rs"]
mod policy;
#[path = "replay_equals_run/run.rs"]
mod run;
mod support;
#[path = "replay_equals_run/world.rs"]
mod world;

use policy::Ground;
use run::{Summary, one};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(otherwise)
}

/// Seeds until so many have begun a run.
fn many(ground: &(dyn Fn(u64) -> Ground + Sync)) {
    let wanted = usize::try_from(number("CANARY_SEEDS", 2)).unwrap();
    let first = number("CANARY_FIRST", 1);
    let (next, begun) = (AtomicU64::new(first), AtomicUsize::new(0));
    let all: Mutex<Vec<Result<Summary, String>>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..number("CANARY_PARALLEL", 2) {
            scope.spawn(|| {
                // those that are under way by then make it a few more
                while begun.load(Ordering::Relaxed) < wanted {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    assert!(seed < first + 20 * wanted as u64, "hardly any start is not refused");
                    let ground = ground(seed);
                    let done = std::panic::catch_unwind(|| one(seed, ground));
                    let done = done.unwrap_or_else(|_| Err(format!("{ground:?} seed {seed}: panicked, see above")));
                    if !done.as_ref().is_ok_and(|s| s.refused) {
                        begun.fetch_add(1, Ordering::Relaxed);
                    }
                    match &done {
                        Ok(s) if s.refused => {}
                        Ok(s) => println!(
                            "{ground:?} seed {seed}: {}, {} decisions, {} kills, {} resumes{}{}",
                            s.verdict,
                            s.decisions,
                            s.kills,
                            s.resumes,
                            s.prefix.as_ref().map_or_else(String::new, |p| format!(", {p}")),
                            if s.finished { ", finished from its side file" } else { "" }
                        ),
                        Err(e) => println!("{e}"),
                    }
                    all.lock().unwrap().push(done);
                }
            });
        }
    });
    let all = all.into_inner().unwrap();
    let bad: Vec<&String> = all.iter().filter_map(|r| r.as_ref().err()).collect();
    assert!(
        bad.is_empty(),
        "{} of {} differ:\n{}",
        bad.len(),
        all.len(),
        bad.iter().map(|b| format!("{b}\n")).collect::<String>()
    );
    let good: Vec<&Summary> = all.iter().flatten().filter(|s| !s.refused).collect();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for (kind, n) in good.iter().flat_map(|s| &s.kinds) {
        *kinds.entry(kind).or_default() += n;
    }
    let sum = |f: fn(&Summary) -> usize| good.iter().map(|s| f(s)).sum::<usize>();
    println!(
        "{} runs, {} kills, {} resumes, {} decisions the same: {kinds:?}",
        good.len(),
        sum(|s| s.kills),
        sum(|s| s.resumes),
        sum(|s| s.decisions)
    );
    assert!(good.len() >= wanted && sum(|s| s.decisions) >= wanted, "too little was compared");
}

#[test]
fn on_the_lab() {
    many(&|seed| if seed % 2 == 0 { Ground::Lab } else { Ground::LabFlags });
}

#[test]
fn on_a_real_haproxy_and_prometheus() {
    if support::require("haproxy") && support::require("prometheus") {
        many(&|_| Ground::Servers);
    }
}
