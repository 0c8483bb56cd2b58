//! How many threads compute a check changes nothing but its time.

use super::world::{MINUTE, plan};
use canary::engine::fleet::{Begin, Fleet, FleetInput, Observed, fleet_step};
use canary::engine::{Effect, Given};
use canary::plan::{Answer, Ask, InputId, Missing, Plan, PortId, Reading, Setting};
use std::collections::BTreeMap;
use std::num::NonZero;

/// More than two shards, the last of them not full.
const SLICES: u32 = 4_200;

const BODY: &str = "check every 1m
    no data tolerate 3m else pause
    guard busy: load < 5 tolerate 2m else rollback to one
    guard full: not ((queue > 5) for 2 of 5 checks) else pause
    guard much: not ((queue > 4) for 60% of 5m) else pause
    guard mean: avg(load, 4m) < 8 tolerate 2m else rollback
    guard leak: increase(leaks) < 3 else rollback
    phase one { flag cache = on  hold 3m }
    phase deep { flag depth = 1  promote when (load < 5) for 3m }
    on breach, promote: notify oncall
    when queue > 7: notify team
    every 4m: notify team
    at 6m: snapshot";

/// Bad, silent and leaking slices among many good ones, each at its own times.
fn answer(plan: &Plan, slice: u32, input: usize, at: i64) -> Answer {
    let k = u32::try_from(at / MINUTE).unwrap();
    let n = slice.wrapping_mul(2_654_435_761).wrapping_add(k / 4 * 40_503 + input as u32 * 97) >> 7;
    if n.is_multiple_of(23) && k > 1 {
        return Answer::missing(Missing::Empty { others: Some(n.is_multiple_of(2)) });
    }
    let bad = n.is_multiple_of(11) && k > 2;
    let value = match plan.inputs[input].ask {
        Ask::Increase(..) => Reading::Increase(f64::from(u32::from(bad))),
        _ => Reading::Value(if bad { 9.0 } else { f64::from(n % 4) }),
    };
    Answer { value: Ok(value), sampled_at: Some(at), series: 1 }
}

/// A run; returns all effects as they are written, and the state after each check.
fn run(plan: &Plan, threads: usize) -> (Vec<String>, Vec<Fleet>) {
    let mut fleet = Fleet::new(plan);
    fleet.spread(NonZero::new(threads).unwrap());
    for i in 0..SLICES {
        fleet.see(plan, &[&format!("t{i}"), ["low", "medium", "high"][i as usize % 3]], 0).unwrap();
    }
    let (mut effects, mut states) = (Vec::new(), Vec::new());
    let mut set: BTreeMap<_, (u32, Vec<(PortId, Setting)>)> = BTreeMap::new();
    let mut observed = Observed::new(plan, SLICES as usize);
    for k in 0..12 {
        let at = k * MINUTE;
        observed.clear(SLICES as usize);
        for s in fleet.slices() {
            for i in 0..plan.inputs.len() {
                observed.answer(s, InputId::at(i), answer(plan, s.0, i, at));
            }
            if let Some((epoch, settings)) = set.get(&s) {
                settings.iter().for_each(|(port, is)| observed.port(s, *port, Some(*is)));
                observed.epoch(s, *epoch);
            }
        }
        let off = vec![(PortId(0), Setting::Bool(false)), (PortId(1), Setting::Count(0))];
        let begin = |slice| Begin { slice, originals: Ok(off.clone()), baseline: Vec::new() };
        let begins = fleet.due(plan, at).into_iter().map(begin).collect();
        let mut out = Vec::new();
        let tick = FleetInput::Tick { at, observed: &observed, begins, rolled_back: None, live: k != 7 };
        fleet_step(plan, &mut fleet, tick, &|_| Given::NONE, &mut out);
        for e in out.clone() {
            let (Some(slice), Effect::Apply { epoch, settings, .. }) = (e.slice, e.effect) else { continue };
            let now = set.entry(slice).or_default();
            now.0 = epoch;
            for (port, is) in &settings {
                now.1.retain(|(p, _)| p != port);
                now.1.push((*port, *is));
            }
            let read = FleetInput::Verified { slice, at: at + 1, epoch, read: settings };
            fleet_step(plan, &mut fleet, read, &|_| Given::NONE, &mut out);
        }
        effects.extend(out.iter().map(|e| serde_json::to_string(e).unwrap()));
        states.push(fleet.clone());
    }
    (effects, states)
}

#[test]
fn any_number_of_threads_comes_to_the_same() {
    let plan = plan(BODY);
    assert!(plan.unbuilt.is_empty(), "{:?}", plan.unbuilt);
    let (effects, states) = run(&plan, 1);
    for kind in ["\"snapshot\"", "\"paused\"", "\"finished\"", "\"rollback\"", "\"notify\"", "\"passed\""] {
        assert!(effects.iter().any(|e| e.contains(kind)), "no {kind} in {} effects", effects.len());
    }
    let written = serde_json::to_string(states.last().unwrap()).unwrap();
    let back: Fleet = serde_json::from_str(&written).unwrap();
    assert_eq!(&back, states.last().unwrap());
    let (also, others) = run(&plan, 3);
    assert_eq!(also.len(), effects.len());
    if let Some((one, other)) = effects.iter().zip(&also).find(|(a, b)| a != b) {
        panic!("{other} in the place of {one}");
    }
    assert!(others == states, "another state");
    assert_eq!(serde_json::to_string(others.last().unwrap()).unwrap(), written);
}

#[test]
fn shards_that_do_not_fit_together_are_refused() {
    let plan = plan(BODY);
    let mut fleet = Fleet::new(&plan);
    fleet.see(&plan, &["a", "low"], 0).unwrap();
    let good = serde_json::to_value(&fleet).unwrap();
    let shard = good.pointer("/lives/0").unwrap().clone();
    for lives in [serde_json::json!([]), serde_json::json!([shard, shard])] {
        let mut bad = good.clone();
        *bad.pointer_mut("/lives").unwrap() = lives;
        let why = serde_json::from_value::<Fleet>(bad).unwrap_err().to_string();
        assert!(why.contains("do not fit together"), "{why}");
    }
}
