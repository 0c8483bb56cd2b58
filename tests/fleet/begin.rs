//! Who is a slice, and when it begins.

use super::world::{HOUR, MINUTE, World, plan};
use canary::engine::fleet::{Fleet, FleetInput, Observed, fleet_step};
use canary::engine::{Given, Operator, Stage, Verdict};
use canary::plan::{PortId, Setting};

const TWO: &str = "
  check every 1m
  guard busy: load < 5 tolerate 2m else rollback
  phase one { flag cache = on  hold 10m }
  phase deep { flag depth = 1  hold 10m }";

fn fine(_: &str, _: &str, _: i64) -> Option<f64> {
    Some(1.0)
}

#[test]
fn what_is_no_slice_is_refused() {
    let plan = plan(TWO);
    let mut fleet = Fleet::new(&plan);
    for bad in [&["acme", "urgent"][..], &["", "low"], &["acme"], &["acme", "low", "more"], &[], &["low", "acme"]] {
        assert_eq!(fleet.see(&plan, bad, 0), None, "{bad:?}");
    }
    assert!(fleet.is_empty());
    let a = fleet.see(&plan, &["acme", "low"], 0).unwrap();
    assert_eq!(fleet.see(&plan, &["acme", "low"], 9), Some(a), "once");
    assert_eq!(fleet.key(a).unwrap(), ["acme", "low"]);
    assert_eq!(fleet.slice(&["acme", "low"]), Some(a));
    assert_eq!(fleet.slice(&["acme", "high"]), None, "combinations that are seen, never the product");
    assert_eq!(fleet.len(), 1);
}

#[test]
fn more_slices_than_memory_is_for_are_not_taken() {
    let plan = plan(TWO);
    let mut fleet = Fleet::new(&plan);
    let most = canary::engine::fleet::MOST_SLICES;
    for i in 0..most {
        assert!(fleet.see(&plan, &[&format!("t{i}"), "low"], 0).is_some());
    }
    assert_eq!(fleet.see(&plan, &["one more", "low"], 0), None);
    assert_eq!(fleet.slice(&["t7", "low"]).map(|s| s.0), Some(7));
}

#[test]
fn the_least_risky_begin_first_and_no_more_than_the_limit_in_any_stretch() {
    let body = format!("start slices by severity limit 2 per 10m {TWO}");
    let plan = plan(&body);
    let mut w = World::new(&plan, &["a/high", "b/low", "c/medium", "d/low", "e/low"], fine);
    w.to(9 * MINUTE);
    assert_eq!(w.records("started"), ["0s b/low", "0s d/low"]);
    w.shown.push((vec![String::from("z"), String::from("low")], 0));
    w.to(10 * MINUTE);
    assert_eq!(
        w.records("started")[2..],
        ["10m e/low", "10m z/low"],
        "the window slides; late ones of low risk come first"
    );
    w.to(30 * MINUTE);
    assert_eq!(w.records("started")[4..], ["20m c/medium", "20m a/high"]);
}

#[test]
fn a_late_slice_joins_and_goes_through_all_phases() {
    let plan = plan(TWO);
    let mut w = World::new(&plan, &["a/low"], fine).late("b/high", 8 * MINUTE).compared();
    w.to(2 * HOUR);
    assert_eq!(w.records("started"), ["0s a/low", "8m b/high"]);
    let (at, verdict) = w.finished().unwrap();
    assert_eq!(verdict, Verdict::Promoted);
    let ends = w.records("finished");
    assert_eq!(ends.len(), 2, "{ends:?}");
    assert!(ends[1].ends_with("b/high") && at >= 28 * MINUTE, "{ends:?}: the run ends with its last slice");
}

#[test]
fn a_slice_that_vanishes_stays_and_goes_dark() {
    let plan = plan(TWO);
    let gone = |s: &str, _: &str, at: i64| (s != "a/low" || at < 5 * MINUTE).then_some(1.0);
    let mut w = World::new(&plan, &["a/low", "b/low"], gone).compared();
    w.to(6 * MINUTE);
    assert_eq!(w.state("a/low").guards[0].word.unwrap().text(), "dark");
    assert_eq!(w.state("b/low").guards[0].word.unwrap().text(), "ok");
    w.to(2 * HOUR);
    assert_eq!(w.at("a/low"), "rolled_back", "dark is bad news for the guard's clock");
    assert_eq!(w.at("b/low"), "promoted");
    assert_eq!(w.finished().unwrap().1, Verdict::RolledBack, "badly if one ended badly");
}

#[test]
fn when_nobody_is_seen_the_run_is_refused() {
    let plan = plan(TWO);
    let mut w = World::new(&plan, &["a/low"], |_, _, _| None);
    w.to(HOUR);
    assert_eq!(w.finished(), Some((0, Verdict::Refused)));
    let why = w.refusals();
    assert!(why[0].contains("no slice was seen: load has no series with the labels tenant_id, severity"), "{why:?}");
    assert_eq!(w.fleet.see(&plan, &["a", "low"], 1), None, "it is over");
}

#[test]
fn when_every_slice_is_refused_at_the_first_check_so_is_the_run() {
    let plan = plan(&format!("require queue < 5 \"empty queues\" {TWO}"));
    let busy = |_: &str, m: &str, _: i64| Some(if m == "queue" { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.to(HOUR);
    assert_eq!(w.finished(), Some((0, Verdict::Refused)));
    let why = w.refusals();
    assert_eq!(why.last().unwrap(), "0s all: all 2 slices: `require queue < 5` is not met (empty queues)");
    assert!(w.records("started").is_empty());
}

#[test]
fn a_first_check_that_is_not_live_is_no_start() {
    let plan = plan(&format!("require queue < 5 \"empty queues\" {TWO}"));
    let busy = |_: &str, m: &str, _: i64| Some(if m == "queue" { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.tick(0, false);
    assert_eq!(w.finished(), None, "nobody was tried");
    w.next = plan.check_every;
    w.to(HOUR);
    assert_eq!(w.finished(), Some((plan.check_every, Verdict::Refused)));
    // and one that has begun is not refused because a later check tries nobody
    let mut w = World::new(&plan, &["a/low"], |_, _, _| Some(1.0));
    w.tick(0, false);
    w.next = plan.check_every;
    w.to(HOUR);
    assert_eq!(w.finished().unwrap().1, Verdict::Promoted);
}

#[test]
fn one_that_is_refused_waits_and_begins_when_it_can() {
    let plan = plan(TWO);
    let mut w = World::new(&plan, &["a/low", "b/low"], fine).compared();
    w.see(0);
    let (a, cache) = (w.id("a/low"), PortId(0));
    w.ports.insert((a, cache), Setting::Bool(true));
    w.to(5 * MINUTE);
    assert_eq!(w.stage("a/low"), Stage::Idle);
    assert_eq!(w.at("b/low"), "one");
    assert_eq!(w.refusals().len(), 1, "told once: {:?}", w.refusals());
    assert!(w.fleet.waits(a).unwrap()[0].contains("cache is already at on"));
    w.ports.remove(&(a, cache));
    w.to(6 * MINUTE);
    assert_eq!(w.at("a/low"), "one");
    assert_eq!(w.fleet.waits(a), None);
    assert_eq!(w.finished(), None);
    w.to(HOUR);
    assert_eq!(w.finished().unwrap().1, Verdict::Promoted);
}

#[test]
fn those_that_are_refused_keep_nobody_from_beginning() {
    let plan = plan(&format!("start slices by severity limit 1 per 1m {TWO}"));
    let mut w = World::new(&plan, &["c/low", "a/low", "b/low"], fine);
    w.see(0);
    let a = w.id("a/low");
    w.ports.insert((a, PortId(0)), Setting::Bool(true));
    w.to(3 * MINUTE);
    assert_eq!(w.records("started"), ["0s c/low", "2m b/low"]);
    w.ports.remove(&(a, PortId(0)));
    w.to(4 * MINUTE);
    assert_eq!(w.records("started")[2..], ["4m a/low"]);
}

#[test]
fn nobody_begins_at_a_check_that_is_not_live_or_without_its_turn() {
    let plan = plan(&format!("start slices by severity limit 1 per 1h {TWO}"));
    let mut w = World::new(&plan, &["a/low", "b/low"], fine);
    w.to(MINUTE);
    let b = w.id("b/low");
    let observed = Observed::new(&plan, 2);
    let begin = canary::engine::fleet::Begin { slice: b, originals: Ok(Vec::new()), baseline: Vec::new() };
    for live in [true, false] {
        let at = w.start + w.next + i64::from(live);
        let input = FleetInput::Tick { at, observed: &observed, begins: vec![begin.clone()], rolled_back: None, live };
        let mut out = Vec::new();
        fleet_step(&plan, &mut w.fleet, input, &|_| Given::NONE, &mut out);
        assert_eq!(w.stage("b/low"), Stage::Idle);
    }
}

#[test]
fn aborting_all_ends_those_that_wait_too_and_nobody_joins() {
    let plan = plan(&format!("start slices by severity limit 1 per 1h {TWO}"));
    let mut w = World::new(&plan, &["a/low", "b/low"], fine).late("c/low", 4 * MINUTE);
    w.to(3 * MINUTE);
    w.say(&[], Operator::Abort);
    assert_eq!(w.at("b/low"), "aborted");
    w.to(HOUR);
    assert_eq!(w.fleet.len(), 2);
    assert_eq!(w.finished().unwrap().1, Verdict::Aborted);
}

#[test]
fn what_cannot_be_read_keeps_nobody_else_from_beginning() {
    let plan = plan(&format!("start slices by severity limit 1 per 1h {TWO}"));
    let mut fleet = Fleet::new(&plan);
    let a = fleet.see(&plan, &["a", "low"], 0).unwrap();
    let b = fleet.see(&plan, &["b", "low"], 0).unwrap();
    let load = canary::plan::InputId::at(plan.inputs.iter().position(|i| i.metric == "load").unwrap());
    let mut told = Vec::new();
    for k in 0..2 {
        let at = k * MINUTE;
        let mut observed = Observed::new(&plan, 2);
        let one = |s| {
            (s, canary::plan::Answer { value: Ok(canary::plan::Reading::Value(1.0)), sampled_at: Some(at), series: 1 })
        };
        observed.grouped(load, fleet.slices().map(one));
        let off = vec![(PortId(0), Setting::Bool(false)), (PortId(1), Setting::Count(0))];
        let read = |s| if s == a { Err(String::from("flags.json: no such file")) } else { Ok(off.clone()) };
        let begin = |s| canary::engine::fleet::Begin { slice: s, originals: read(s), baseline: Vec::new() };
        let begins: Vec<_> = fleet.due(&plan, at).into_iter().map(begin).collect();
        let input = FleetInput::Tick { at, observed: &observed, begins, rolled_back: None, live: true };
        let mut out = Vec::new();
        fleet_step(&plan, &mut fleet, input, &|_| Given::NONE, &mut out);
        told.extend(out.into_iter().filter_map(|e| match e.effect {
            canary::engine::Effect::Record(r) => match *r {
                canary::engine::Record::Refused { reasons } => Some((k, e.slice, reasons)),
                _ => None,
            },
            _ => None,
        }));
        assert_eq!(fleet.verdict(), None, "b was not tried yet");
    }
    assert_eq!(told, [(0, Some(a), vec![String::from("flags.json: no such file")])]);
    assert_eq!(fleet.stage(a), Some(Stage::Idle));
    assert!(matches!(fleet.stage(b), Some(Stage::Phase(_))), "{:?}", fleet.stage(b));
}
