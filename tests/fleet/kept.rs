//! What is kept of a check of many slices: of each what is kept of one life, in no more bytes than are said.

use super::world::{MINUTE, plan};
use canary::engine::fleet::{Begin, Fleet, FleetInput, Observed, SliceId, fleet_step};
use canary::engine::{Effect, Given, Word};
use canary::plan::{Answer, InputId, Plan, PortId, Reading, Setting};
use canary::runtime::fleet::{Found, Noted};
use std::collections::BTreeSet;

const SLICES: usize = 300;

struct Made {
    plan: Plan,
    before: Fleet,
    fleet: Fleet,
    observed: Observed,
}

impl Made {
    /// Slices at their second check: each with a load of its own, number 7 with too much; the last one has not begun.
    fn new() -> Self {
        let plan = plan(
            "check every 1m
             guard busy: load < 5 tolerate 2m else rollback
             guard full: queue < 5 tolerate 2m else pause
             phase one { flag cache = on  hold 10m }",
        );
        let mut fleet = Fleet::new(&plan);
        for i in 0..SLICES {
            fleet.see(&plan, &[&format!("t{i}"), "low"], 0).unwrap();
        }
        // number 7 is well when it begins
        let observed = |second: bool| {
            let mut observed = Observed::new(&plan, SLICES);
            for i in 0..SLICES {
                for (k, load) in [load(i, second), 2.0].into_iter().enumerate() {
                    let answer = Answer { value: Ok(Reading::Value(load)), sampled_at: Some(MINUTE), series: 1 };
                    observed.answer(SliceId::at(i), InputId::at(k), answer);
                }
            }
            observed
        };
        let begin = |i| Begin {
            slice: SliceId::at(i),
            originals: Ok((0..plan.ports.len()).map(|p| (PortId::at(p), Setting::Absent)).collect()),
            baseline: vec![None; plan.inputs.len()],
        };
        let begins: Vec<Begin> = (0..SLICES - 1).map(begin).collect();
        let tick = |fleet: &mut Fleet, at, observed: &Observed, begins| {
            let mut effects = Vec::new();
            let tick = FleetInput::Tick { at, observed, begins, rolled_back: None, live: true };
            fleet_step(&plan, fleet, tick, &|_| Given::NONE, &mut effects);
            effects
        };
        let effects = tick(&mut fleet, 0, &observed(false), begins);
        let mut observed = observed(true);
        for e in effects {
            let (Some(slice), Effect::Apply { epoch, settings, .. }) = (e.slice, e.effect) else { continue };
            for (port, to) in &settings {
                observed.port(slice, *port, Some(*to));
            }
            observed.epoch(slice, epoch);
            let read_back = FleetInput::Verified { slice, at: 100, epoch, read: settings };
            fleet_step(&plan, &mut fleet, read_back, &|_| Given::NONE, &mut Vec::new());
        }
        let before = fleet.clone();
        tick(&mut fleet, MINUTE, &observed, Vec::new());
        Self { plan, before, fleet, observed }
    }

    fn noted(&self, decided: &[usize], most: usize) -> (Noted, usize) {
        let decided: BTreeSet<SliceId> = decided.iter().map(|i| SliceId::at(*i)).collect();
        let noted = Noted::of(&self.plan, &self.before, &self.fleet, &decided, (&self.observed, true), most).unwrap();
        // as a store gives it back
        let text = serde_json::to_string(&noted).unwrap();
        (serde_json::from_str(&text).unwrap(), text.len())
    }
}

fn load(i: usize, second: bool) -> f64 {
    if i == 7 && second { 9.0 } else { 1.0 + i as f64 / 1000.0 }
}

fn key(i: usize) -> Vec<String> {
    vec![format!("t{i}"), String::from("low")]
}

#[test]
fn of_each_slice_is_kept_what_is_kept_of_one_life() {
    let m = Made::new();
    let (noted, bytes) = m.noted(&[], 1 << 20);
    assert_eq!((noted.len(), noted.left_out, noted.left_out_unwell), (SLICES - 1, 0, 0));
    for i in 0..SLICES - 1 {
        let whole = m.fleet.observation(&m.plan, &m.before, SliceId::at(i), &m.observed, true).unwrap();
        let said = whole.answers[0].value.clone().unwrap();
        assert_eq!(said, Reading::Value(load(i, true)));
        let busy = whole.guards.iter().find(|g| g.guard == "busy").unwrap();
        assert_eq!((busy.word == Word::Ok, m.fleet.is_well(SliceId::at(i))), (i != 7, i != 7), "{i} {busy:?}");
        let standing = whole.standing.as_ref().unwrap();
        assert!(standing.live && standing.as_asked && whole.ports == [Some(Setting::Bool(true))], "{whole:?}");
        assert_eq!(noted.find(&key(i)).unwrap(), Found::Kept(Box::new(whole)));
    }
    assert_eq!(noted.find(&key(SLICES - 1)).unwrap(), Found::NotThere, "it has not begun");
    assert!(bytes < SLICES * 200, "what they have in common is kept once: {bytes} bytes");
}

#[test]
fn where_there_is_no_room_those_that_are_not_well_come_first() {
    let m = Made::new();
    let (noted, bytes) = m.noted(&[250], 8_000);
    assert!(bytes < 8_000 + 200, "{bytes} bytes");
    assert!(
        noted.len() > 2 && noted.left_out == SLICES - 1 - noted.len() && noted.left_out_unwell == 0,
        "{}",
        noted.len()
    );
    assert!(matches!(noted.find(&key(7)).unwrap(), Found::Kept(_)), "it is not well");
    assert!(matches!(noted.find(&key(250)).unwrap(), Found::Kept(_)), "something was decided of it");
    assert_eq!(noted.find(&key(249)).unwrap(), Found::LeftOut);
    let (noted, bytes) = m.noted(&[250], 10);
    assert!(noted.is_empty() && bytes < 200, "{bytes} bytes");
    assert_eq!((noted.left_out, noted.left_out_unwell), (SLICES - 1, 2));
    assert_eq!(noted.find(&key(7)).unwrap(), Found::LeftOut);
}
