//! Columns hold exactly what whole states would, whatever happens; and what they are written as comes back equal.

use super::world::{DAY, HOUR, MINUTE, World, plan};
use canary::engine::fleet::{Fleet, FleetEffect, FleetInput, Observed, fleet_step};
use canary::engine::{Given, Operator};
use canary::plan::{GroupId, InputId, PortId, Setting, SwitchId};
use proptest::prelude::*;

const BODIES: [&str; 3] = [
    "check every 1m
     no data tolerate 3m else pause
     guard busy: load < 5 tolerate 2m else rollback to one, kill stop
     guard full: not ((queue > 5) for 2 of 5 checks) else pause
     guard leak: increase(leaks) < 3 from deep else rollback
     phase one { flag cache = on  run migrate  hold 5m }
     phase deep { flag depth = 1  promote when (load < 5 for 60% of 5m) and increase(leaks, since phase) == 0 within 30m else rollback }
     on pause, rollback: notify oncall
     when queue > 7: notify team",
    "check every 1m
     baseline 5m
     guard busy: load <= before * 300% tolerate 2m else rollback
     guard full: not ((queue > 5) for 30% of 10m) else pause
     phase one { flag cache = on  run smoke else pause  hold 5m }
     phase deep { flag depth = 2  promote when approved(\"sre\", valid: 1h) }",
    "check every 1m
     no data tolerate 2 checks else rollback
     guard busy: not ((load > 5) for 3m) tolerate 3 checks else hold
     guard tell: queue < 5 else tell
     phase one { flag cache = on  flag depth = 1  hold 3m  run migrate  promote when healthy for 4m }
     phase more { flag depth = 0  hold 4m }
     on breach: run smoke",
];

/// Deterministic noise.
fn noise(seed: u64, parts: &[u64]) -> u64 {
    let mut h = seed ^ 0x9e37_79b9_7f4a_7c15;
    for p in parts {
        h = (h ^ p).wrapping_mul(0xff51_afd7_ed55_8ccd);
        h ^= h >> 32;
    }
    h
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn a_fleet_is_a_list_of_states(body in 0..3_usize, seed: u64, bad in 0..40_u64, missing in 0..30_u64, acts in 0..8_u64) {
        let plan = plan(BODIES[body]);
        let says = move |s: &str, m: &str, at: i64| {
            let text: u64 = s.bytes().chain(m.bytes()).map(u64::from).fold(7, |a: u64, b| a.wrapping_mul(31).wrapping_add(b));
            let n = noise(seed, &[text, at as u64]);
            if n % 100 < missing && at > 0 {
                return None;
            }
            // bad for a while, not for a moment
            let spell = noise(seed, &[text, at as u64 / 240_000, 5]) % 100 < bad;
            Some(match m {
                "leaks" => f64::from(spell && n.is_multiple_of(7)),
                _ => if spell && at > 2 * MINUTE { 9.0 } else { (n % 4) as f64 },
            })
        };
        let mut w = World::new(&plan, &["a/low", "b/low", "c/high", "d/medium"], says)
            .late("e/low", 7 * MINUTE)
            .compared();
        if noise(seed, &[1]).is_multiple_of(3) {
            w.failing.insert(String::from("smoke"));
        }
        if noise(seed, &[2]).is_multiple_of(4) {
            w.failing.insert(String::from("migrate"));
        }
        w.see(0);
        let a = w.id("a/low");
        if noise(seed, &[3]).is_multiple_of(4) {
            w.ports.insert((a, PortId(0)), Setting::Bool(true));
        }
        for k in 0..40_i64 {
            w.to(k * MINUTE);
            if w.fleet.verdict().is_some() {
                break;
            }
            let n = noise(seed, &[99, k as u64]);
            if n % 40 < acts {
                let who = ["b/low", "c/high", "d/medium"][(n >> 8) as usize % 3];
                match (n >> 16) % 6 {
                    0 => w.say(&[who], Operator::Pause),
                    1 | 2 => w.say(&["b/low", who], Operator::Resume),
                    3 if !plan.switches.is_empty() => w.say(&[who], Operator::Kill(SwitchId(0))),
                    4 if !plan.groups.is_empty() => w.say(&["b/low", "c/high", "d/medium"], Operator::Approve(GroupId(0))),
                    _ => {
                        let until = w.next + 4 * MINUTE;
                        w.stops(until, n.is_multiple_of(2));
                    }
                }
            }
            if n.is_multiple_of(11) {
                let text = serde_json::to_string(&w.fleet).unwrap();
                let back: Fleet = serde_json::from_str(&text).unwrap();
                prop_assert_eq!(&back, &w.fleet);
                // and the run goes on from what was read
                w.fleet = back;
            }
        }
    }
}

#[test]
fn what_does_not_fit_into_cells_is_kept_whole() {
    let plan = plan(BODIES[0]);
    let mut w = World::new(&plan, &["a/low"], |_, _, _| Some(1.0)).compared();
    w.start = i64::MAX / 4;
    w.to(20 * MINUTE);
    assert_eq!(w.state("a/low").started, Some(i64::MAX / 4));
    let text = serde_json::to_string(&w.fleet).unwrap();
    assert_eq!(serde_json::from_str::<Fleet>(&text).unwrap(), w.fleet);
}

#[test]
fn columns_that_do_not_fit_together_are_refused() {
    let plan = plan(BODIES[0]);
    let mut w = World::new(&plan, &["a/low", "b/low"], |_, _, _| Some(1.0));
    w.to(3 * MINUTE);
    let good = serde_json::to_value(&w.fleet).unwrap();
    for (pointer, bad) in [
        ("/lives/0/guards/rows", serde_json::json!(3)),
        ("/lives/0/core/columns/0/0", serde_json::json!([1, 9])),
        ("/lives/0/core/columns/0/0", serde_json::json!([i64::MAX, 2])),
        ("/lives/0/stages/columns", serde_json::json!([])),
    ] {
        let mut text = good.clone();
        *text.pointer_mut(pointer).unwrap() = bad;
        assert!(serde_json::from_value::<Fleet>(text).is_err(), "{pointer}");
    }
}

#[test]
fn equal_lives_cost_little_to_write() {
    let plan = plan(BODIES[0]);
    let names: Vec<String> = (0..500).map(|i| format!("t{i}/low")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut w = World::new(&plan, &names, |_, _, _| Some(1.0));
    w.to(2 * MINUTE);
    let text = serde_json::to_string(&w.fleet).unwrap();
    let windows = 500 * 800;
    assert!(text.len() < 500 * 40 + windows, "{} bytes", text.len());
}

#[test]
fn a_hundred_thousand_slices_in_one_check() {
    let plan = plan("check every 1m  guard busy: load < 5 else rollback  phase one { flag cache = on  hold 10m }");
    let mut fleet = Fleet::new(&plan);
    let n = 100_000;
    for i in 0..n {
        fleet.see(&plan, &[&format!("t{i}"), ["low", "high"][i % 2]], 0).unwrap();
    }
    let load = InputId::at(plan.inputs.iter().position(|i| i.metric == "load").unwrap());
    let mut observed = Observed::new(&plan, n);
    let mut out = Vec::new();
    for k in 0..3 {
        let at = k * MINUTE;
        observed.clear(n);
        let one = |s| {
            (s, canary::plan::Answer { value: Ok(canary::plan::Reading::Value(1.0)), sampled_at: Some(at), series: 1 })
        };
        observed.grouped(load, fleet.slices().map(one));
        let read = |s| canary::engine::fleet::Begin {
            slice: s,
            originals: Ok(vec![(PortId(0), Setting::Bool(false))]),
            baseline: Vec::new(),
        };
        let begins = fleet.due(&plan, at).into_iter().map(read).collect();
        out.clear();
        let input = FleetInput::Tick { at, observed: &observed, begins, rolled_back: None, live: true };
        fleet_step(&plan, &mut fleet, input, &|_| Given::NONE, &mut out);
        if k == 0 {
            let asked = |e: &&FleetEffect| matches!(e.effect, canary::engine::Effect::Apply { .. });
            assert_eq!(out.iter().filter(asked).count(), n);
        }
    }
    assert_eq!(fleet.len(), n);
    assert!(fleet.verdict().is_none() && HOUR < DAY);
    assert!(out.is_empty() || out.len() <= n, "at most a guard's first word each");
}
