//! A kill switch without `per` is one for all slices: what one slice's guard throws is thrown in every other.

use super::world::{HOUR, MINUTE, World, plan_with};
use canary::engine::{Effect, Operator, Record, Verdict};
use canary::plan::{Plan, SwitchId};

const DEEP: &str = "killswitch total { flag depth = 0 }";
const PHASES: &str = "phase one { flag cache = on  hold 10m }  phase deep { flag depth = 1  hold 30m }";

fn total(plan: &Plan) -> SwitchId {
    plan.switch("total").unwrap()
}

/// Where depth was last asked to be.
fn depth(w: &World<'_>, slice: &str) -> Option<String> {
    let state = w.state(slice);
    let port = w.plan.ports.iter().position(|p| p.name == "depth").unwrap();
    state.target.settings.iter().find(|(p, _)| p.index() == port).map(|(_, s)| s.to_string())
}

#[test]
fn a_guard_of_one_slice_takes_all_of_them_back_and_nobody_begins_until_it_is_reset() {
    let body = format!(
        "check every 1m  start slices by severity limit 2 per 14m  guard busy: load < 5 from deep else rollback to one, kill total  {PHASES}"
    );
    let plan = plan_with(DEEP, &body);
    assert!(plan.switches.iter().find(|s| s.name == "total").unwrap().for_all);
    let busy = |s: &str, _: &str, at: i64| Some(if s == "b/low" && at == 20 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low", "c/low", "d/low", "e/low"], busy);
    w.to(19 * MINUTE);
    let at = |w: &World<'_>| ["a/low", "b/low", "c/low", "d/low", "e/low"].map(|s| w.at(s));
    assert_eq!(at(&w), ["deep", "deep", "one", "one", "idle"]);
    assert_eq!(depth(&w, "a/low").as_deref(), Some("1"));
    w.to(21 * MINUTE);
    assert_eq!(at(&w), ["one", "one", "one", "one", "idle"]);
    // it lies over what a slice asks for that has not raised it yet, and nothing of that slice is taken back
    for s in ["a/low", "b/low", "c/low", "d/low"] {
        assert_eq!(depth(&w, s).as_deref(), Some("0"), "{s}");
    }
    assert_eq!(w.records("rollback"), ["20m b/low", "20m a/low"]);
    assert_eq!(w.records("kill_switch.activated").len(), 4);
    let all = w.log.iter().filter_map(|(_, e)| match &e.effect {
        Effect::Record(r) => match r.as_ref() {
            Record::KillSwitch { all, .. } => Some(*all),
            _ => None,
        },
        _ => None,
    });
    assert!(all.clone().count() == 4 && all.into_iter().all(|a| a), "latched once, for all");
    w.to(2 * HOUR);
    assert_eq!(at(&w), ["one", "one", "one", "one", "idle"], "no slice goes on, and none begins");
    // whoever is named: it is one for all
    w.say(&["c/low"], Operator::Reset(total(&plan)));
    w.to(2 * HOUR + 2 * MINUTE);
    assert_eq!(w.records("kill_switch.reset").len(), 4);
    w.to(5 * HOUR);
    assert_eq!(w.finished().unwrap().1, Verdict::Promoted);
}

#[test]
fn no_slice_goes_on_at_the_check_at_which_another_throws_for_all() {
    let plan = plan_with(DEEP, &format!("check every 1m  guard busy: load < 5 else rollback, kill total  {PHASES}"));
    // a would pass its phase at 11m, and is looked at before b
    let busy = |s: &str, _: &str, at: i64| Some(if s == "b/low" && at == 11 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.to(30 * MINUTE);
    assert_eq!(w.records("passed"), Vec::<String>::new());
    assert_eq!((w.at("a/low"), w.at("b/low")), ("rolled_back".into(), "rolled_back".into()));
    let raised =
        w.log.iter().filter(|(at, e)| *at == 11 * MINUTE && matches!(e.effect, Effect::Apply { lowers: false, .. }));
    assert_eq!(raised.count(), 0, "nothing is raised");
}

#[test]
fn with_a_rollback_of_everything_what_is_done_and_what_waits_is_killed_too() {
    let body = format!(
        "check every 1m  start slices by severity limit 1 per 50m  guard busy: load < 5 else rollback, kill total  {PHASES}"
    );
    let plan = plan_with(DEEP, &body);
    let busy = |s: &str, _: &str, at: i64| Some(if s == "b/low" && at == 70 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low", "c/low"], busy).late("d/low", 80 * MINUTE);
    w.to(69 * MINUTE);
    assert_eq!((w.at("a/low"), w.at("b/low"), w.at("c/low")), ("promoted".into(), "deep".into(), "idle".into()));
    w.to(2 * HOUR);
    assert_eq!((w.at("a/low"), w.at("b/low"), w.at("c/low")), ("killed".into(), "rolled_back".into(), "killed".into()));
    for s in ["a/low", "b/low", "c/low"] {
        assert_eq!(depth(&w, s).as_deref(), Some("0"), "{s}");
    }
    assert_eq!(w.finished().unwrap().1, Verdict::Killed);
}

#[test]
fn a_person_throws_it_for_all_whoever_is_named() {
    let plan = plan_with(DEEP, &format!("check every 1m  guard busy: load < 5 else rollback  {PHASES}"));
    let mut w = World::new(&plan, &["a/low", "b/low"], |_, _, _| Some(1.0));
    w.to(3 * MINUTE);
    w.say(&["b/low"], Operator::Kill(total(&plan)));
    w.to(HOUR);
    assert_eq!((w.at("a/low"), w.at("b/low")), ("killed".into(), "killed".into()));
}

#[test]
fn a_halt_of_another_slice_at_the_same_check_pauses_those_that_live_on() {
    let body = format!(
        "check every 1m  guard busy: load < 5 from deep else rollback to one, kill total  guard full: queue < 5 else halt  {PHASES}"
    );
    let plan = plan_with(DEEP, &body);
    let says = |s: &str, m: &str, at: i64| match (s, m, at == 20 * MINUTE) {
        ("b/low", "load", true) | ("a/low", "queue", true) => Some(9.0),
        _ => Some(1.0),
    };
    let mut w = World::new(&plan, &["a/low", "b/low"], says);
    w.to(21 * MINUTE);
    for s in ["a/low", "b/low"] {
        assert_eq!(w.at(s), "one", "{s}");
        assert!(w.state(s).paused.is_some(), "{s}");
    }
    assert!(w.fleet.halted().is_some());
}
