//! What joins the lives: halts, people, notices, limits, the run's clock, its end.

use super::world::{HOUR, MINUTE, World, plan};
use canary::engine::{Effect, FleetEffect, Operator, Record, Verdict};
use canary::plan::SwitchId;

fn fine(_: &str, _: &str, _: i64) -> Option<f64> {
    Some(1.0)
}

const PHASES: &str = "phase one { flag cache = on  hold 10m }  phase deep { flag depth = 1  hold 10m }";

#[test]
fn a_halt_pauses_every_other_and_nobody_begins_until_a_person_says_so() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else halt  {PHASES}  on pause: notify oncall"));
    let busy = |s: &str, _: &str, at: i64| Some(if s == "b/low" && at == 5 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low", "c/high"], busy).late("d/low", 6 * MINUTE);
    w.to(4 * MINUTE);
    assert!(w.fleet.halted().is_none());
    w.to(7 * MINUTE);
    let why = &w.fleet.halted().unwrap().why;
    assert!(why.starts_with("halted by b/low: guard busy breached"), "{why}");
    for s in ["a/low", "b/low", "c/high"] {
        assert!(w.state(s).paused.is_some(), "{s}");
    }
    assert_eq!(w.at("d/low"), "idle");
    assert_eq!(w.records("paused"), ["5m b/low", "5m a/low", "5m c/high", "5m all"]);
    assert_eq!(w.notices(), ["5m oncall: shop: 3 slices: paused: b/low, a/low, c/high"], "once");
    w.to(HOUR);
    assert_eq!(w.at("a/low"), "one", "paused: nothing goes on");
    w.say(&["a/low"], Operator::Resume);
    w.to(HOUR + 2 * MINUTE);
    assert!(w.state("a/low").paused.is_none() && w.fleet.halted().is_some());
    assert_eq!(w.at("d/low"), "idle");
    w.say(&[], Operator::Resume);
    w.to(3 * HOUR);
    assert_eq!(w.finished().unwrap().1, Verdict::Promoted);
    assert_eq!(w.at("d/low"), "promoted");
}

#[test]
fn no_life_goes_on_at_the_check_at_which_another_halts() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else halt  {PHASES}"));
    // a would pass its phase at 11m, and is looked at before b
    let calm = |_: &str, _: &str, _: i64| Some(1.0);
    let mut w = World::new(&plan, &["a/low", "b/low"], calm);
    w.to(30 * MINUTE);
    assert_eq!(w.records("passed")[..2], ["11m a/low", "11m b/low"]);
    let busy = |s: &str, _: &str, at: i64| Some(if s == "b/low" && at == 11 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.to(30 * MINUTE);
    assert_eq!(w.records("passed"), Vec::<String>::new());
    assert_eq!(w.at("a/low"), "one");
    assert_eq!(w.records("paused"), ["11m a/low", "11m b/low", "11m all"]);
    let applied = w.log.iter().filter(|(at, e)| *at == 11 * MINUTE && matches!(e.effect, Effect::Apply { .. }));
    assert_eq!(applied.count(), 0, "nothing is raised");
}

#[test]
fn a_person_pauses_all_and_one() {
    let plan = plan(&format!(
        "start slices by severity limit 1 per 5m  check every 1m  guard busy: load < 5 else rollback  {PHASES}"
    ));
    let mut w = World::new(&plan, &["a/low", "b/low", "c/low"], fine);
    w.to(6 * MINUTE);
    w.say(&["a/low"], Operator::Pause);
    w.to(7 * MINUTE);
    assert!(w.state("a/low").paused.is_some() && w.state("b/low").paused.is_none() && w.fleet.halted().is_none());
    w.say(&[], Operator::Pause);
    w.to(20 * MINUTE);
    assert_eq!(w.at("c/low"), "idle", "nobody begins");
    w.say(&[], Operator::Resume);
    w.to(2 * HOUR);
    assert_eq!(w.finished().unwrap().1, Verdict::Promoted);
}

#[test]
fn a_switch_is_thrown_for_the_slices_that_are_named() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else rollback, kill stop  {PHASES}"));
    let mut w = World::new(&plan, &["a/low", "b/low", "c/low"], fine);
    w.to(3 * MINUTE);
    w.say(&["b/low"], Operator::Kill(SwitchId(0)));
    w.to(2 * HOUR);
    assert_eq!(w.records("kill_switch.activated"), ["4m b/low"]);
    assert_eq!((w.at("a/low"), w.at("b/low"), w.at("c/low")), ("promoted".into(), "killed".into(), "promoted".into()));
    let set = w.log.iter().filter(|(at, e)| *at > 3 * MINUTE && matches!(e.effect, Effect::Apply { lowers: true, .. }));
    let whose: Vec<_> = set.map(|(_, e)| w.fleet.name(e.slice.unwrap())).collect();
    assert!(whose.iter().all(|n| n == "b/low") && !whose.is_empty(), "{whose:?}: no other slice is touched");
    assert_eq!(w.finished().unwrap().1, Verdict::Killed);
}

#[test]
fn a_switch_is_thrown_for_one_that_waits() {
    let plan = plan(&format!(
        "start slices by severity limit 1 per 5h  check every 1m  guard busy: load < 5 else rollback, kill stop  {PHASES}"
    ));
    let mut w = World::new(&plan, &["a/low", "b/low"], fine);
    w.to(3 * MINUTE);
    w.say(&["b/low"], Operator::Kill(SwitchId(0)));
    w.to(2 * HOUR);
    assert_eq!((w.at("a/low"), w.at("b/low")), ("promoted".into(), "killed".into()));
    assert_eq!(w.finished().unwrap().1, Verdict::Killed);
}

#[test]
fn one_step_tells_a_channel_once() {
    let plan = plan(&format!(
        "check every 1m  guard busy: load < 5 else rollback, kill stop  {PHASES}  on kill: notify oncall  on rollback: notify team, oncall"
    ));
    let busy = |_: &str, _: &str, at: i64| Some(if at == 5 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low", "c/low", "d/low", "e/low"], busy);
    w.to(5 * MINUTE);
    assert_eq!(
        w.notices(),
        [
            "5m team+oncall: shop: 5 slices: rollback: a/low, b/low, c/low and 2 more",
            "5m oncall: shop: 5 slices: kill: a/low, b/low, c/low and 2 more",
        ]
    );
    let kill = w.log.iter().rev().find_map(|(_, e)| match &e.effect {
        Effect::Notify { text, facts, .. } => Some((text.clone(), facts.clone())),
        _ => None,
    });
    let (text, facts) = kill.unwrap();
    assert!(text.contains("a/low: killed: guard busy breached") && text.ends_with("and 2 more"), "{text}");
    assert_eq!(facts[0], (String::from("slices"), String::from("5 of 5")));
    assert_eq!(facts[1], (String::from("all slices"), String::from("5 being taken back")));
}

#[test]
fn a_single_slice_is_named() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else pause  {PHASES}  on pause: notify oncall"));
    let busy = |s: &str, _: &str, _: i64| Some(if s == "b/low" { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.to(MINUTE);
    let told = w.notices();
    assert!(told[0].starts_with("1m oncall: shop: b/low: paused: guard busy breached"), "{told:?}");
}

#[test]
fn a_limit_counts_over_all_slices() {
    let plan = plan(&format!(
        "check every 1m  guard busy: load < 50 else pause  {PHASES}  when queue > 5: run smoke limit 3 per 10m"
    ));
    let full = |_: &str, m: &str, at: i64| Some(if m == "queue" && (at / MINUTE) % 2 == 1 { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], full);
    w.to(9 * MINUTE);
    assert_eq!(w.records("action_started"), ["1m a/low", "1m b/low", "3m a/low"]);
    w.to(11 * MINUTE);
    assert_eq!(w.records("action_started")[3..], ["11m a/low", "11m b/low"]);
}

#[test]
fn what_comes_due_is_the_runs_once() {
    let plan = plan(&format!(
        "check every 1m  guard busy: load < 5 else pause  {PHASES}  every 5m: notify team  at 7m: run smoke  at 6m, 9m: snapshot"
    ));
    let mut w = World::new(&plan, &["a/low", "b/low"], fine).late("c/low", 4 * MINUTE);
    w.to(10 * MINUTE);
    assert_eq!(
        w.notices()[..2],
        ["5m team: shop: 3 in phase one after 5m", "10m team: shop: 3 in phase one after 10m"]
    );
    assert_eq!(w.records("action_started"), ["7m all"]);
    assert_eq!(w.records("action_ended"), ["8m all"]);
    let snapshots = ["6m a/low", "6m b/low", "6m c/low", "9m a/low", "9m b/low", "9m c/low"];
    assert_eq!(w.records("snapshot"), snapshots);
}

#[test]
fn an_action_of_the_run_itself_is_forgotten_by_a_stop() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else pause  {PHASES}  at 2m: run smoke"));
    let mut w = World::new(&plan, &["a/low"], fine);
    w.to(2 * MINUTE);
    w.stops(5 * MINUTE, false);
    assert_eq!(w.records("action_ended"), ["5m all"]);
    let how = w.log.iter().find_map(|(_, e)| match &e.effect {
        Effect::Record(r) => match &**r {
            Record::ActionEnded { how, .. } => Some(how.clone()),
            _ => None,
        },
        _ => None,
    });
    assert_eq!(how.unwrap(), "not known: the runner stopped while it ran");
}

#[test]
fn the_run_ends_as_badly_as_its_worst_slice() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else rollback  {PHASES}"));
    let busy = |s: &str, _: &str, at: i64| Some(if s == "b/low" && at == 5 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.to(10 * MINUTE);
    assert_eq!(w.at("b/low"), "rolled_back");
    assert_eq!(w.finished(), None, "the other goes on");
    w.to(HOUR);
    assert_eq!(w.finished().unwrap().1, Verdict::RolledBack);
}

#[test]
fn a_halt_that_takes_back_an_end_leaves_the_run_open_for_the_others() {
    let plan = plan("check every 1m  guard busy: load < 5 else halt  phase one { flag cache = on  hold 10m }");
    // a would end at 11m, and is looked at before b
    let busy =
        |s: &str, _: &str, at: i64| Some(if s == "b/low" && (11..40).contains(&(at / MINUTE)) { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.to(20 * MINUTE);
    assert_eq!((w.at("a/low"), w.at("b/low")), ("one".into(), "one".into()));
    w.say(&["a/low"], Operator::Resume);
    w.to(30 * MINUTE);
    assert_eq!(w.at("a/low"), "promoted");
    assert!(w.finished().is_none(), "b is in its phase");
    w.say(&[], Operator::Resume);
    w.to(2 * HOUR);
    assert_eq!(w.at("b/low"), "promoted");
    assert_eq!(w.finished().unwrap().1, Verdict::Promoted);
}

#[test]
fn a_switch_takes_back_a_slice_that_is_done_and_the_run_ends_once_more() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else rollback, kill stop  {PHASES}"));
    let mut w = World::new(&plan, &["a/low", "b/low"], fine).late("c/low", 20 * MINUTE);
    w.to(30 * MINUTE);
    assert_eq!((w.at("a/low"), w.at("c/low")), ("promoted".into(), "one".into()));
    w.say(&["a/low"], Operator::Kill(SwitchId(0)));
    w.to(2 * HOUR);
    assert_eq!((w.at("a/low"), w.at("b/low"), w.at("c/low")), ("killed".into(), "promoted".into(), "promoted".into()));
    assert_eq!(w.finished().unwrap().1, Verdict::Killed);
    let lowered = |w: &World<'_>, s: &str| {
        let of = |e: &FleetEffect| e.slice.is_some_and(|slice| w.fleet.name(slice) == s);
        w.log.iter().filter(|(_, e)| of(e) && matches!(e.effect, Effect::Apply { lowers: true, .. })).count()
    };
    // set, and read back once more behind the switch's action
    assert_eq!((lowered(&w, "a/low"), lowered(&w, "b/low")), (2, 0));
    // and where all is over
    w.say(&[], Operator::Kill(SwitchId(0)));
    w.to(3 * HOUR);
    assert_eq!((w.at("a/low"), w.at("b/low"), w.at("c/low")), ("killed".into(), "killed".into(), "killed".into()));
    assert_eq!((lowered(&w, "a/low"), lowered(&w, "b/low")), (4, 2), "killing again sets again");
}

#[test]
fn a_life_that_ends_between_two_checks_takes_the_snapshots_that_are_still_to_come_and_no_others() {
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else pause  {PHASES}  at 6m: snapshot"));
    let early = |until: i64, stored: bool| {
        let mut w = World::new(&plan, &["a/low"], fine);
        w.to(until);
        if stored {
            w.fleet = serde_json::from_str(&serde_json::to_string(&w.fleet).unwrap()).unwrap();
        }
        w.say(&["a/low"], Operator::Abort);
        w.to(HOUR);
        assert_eq!(w.at("a/low"), "aborted");
        w.records("snapshot")
    };
    for stored in [false, true] {
        assert_eq!(early(3 * MINUTE, stored), ["4m a/low"], "stored {stored}");
        assert_eq!(early(6 * MINUTE, stored), ["6m a/low"], "stored {stored}");
    }
}

#[test]
fn a_late_life_that_ends_at_the_last_snapshot_takes_it_once() {
    // it ends at 27m by the clock of the run, which is 22m by its own
    let plan = plan(&format!("check every 1m  guard busy: load < 5 else pause  {PHASES}  at 27m: snapshot"));
    let mut w = World::new(&plan, &["a/low"], fine).late("b/low", 5 * MINUTE);
    w.to(HOUR);
    assert_eq!((w.at("a/low"), w.at("b/low")), ("promoted".into(), "promoted".into()));
    let ended = w.records("finished");
    let taken: Vec<String> = w.records("snapshot").into_iter().filter(|r| r.ends_with("b/low")).collect();
    assert_eq!(taken.len(), 1, "{taken:?}, ended {ended:?}");
    assert!(ended.contains(&taken[0]), "{taken:?}, ended {ended:?}: they must coincide for this test to say something");
}

#[test]
fn what_a_halt_takes_back_does_not_count_for_a_limit() {
    let plan = plan(&format!(
        "check every 1m  guard busy: load < 5 else halt  {PHASES}  on promote: run smoke limit 1 per 1h"
    ));
    let busy = |s: &str, _: &str, at: i64| Some(if s == "b/low" && at == 11 * MINUTE { 9.0 } else { 1.0 });
    let mut w = World::new(&plan, &["a/low", "b/low"], busy);
    w.to(15 * MINUTE);
    assert_eq!(w.records("action_started"), Vec::<String>::new());
    w.say(&[], Operator::Resume);
    w.to(16 * MINUTE);
    assert_eq!(
        (w.records("passed"), w.records("action_started")),
        (vec![String::from("16m a/low"), String::from("16m b/low")], vec![String::from("16m a/low")])
    );
}

#[test]
fn read_backs_that_come_at_once_are_told_once() {
    let plan = plan(&format!("check every 1m  {PHASES}  on rollback: notify oncall"));
    let mut w = World::new(&plan, &["a/low", "b/low", "c/high", "d/high"], fine);
    w.to(3 * MINUTE);
    w.say(&[], Operator::Abort);
    w.reads_back_together();
    let told = w.notices();
    assert_eq!(told.len(), 2, "it begins, and it is done: {told:?}");
    assert_eq!(told[1], "4m oncall: shop: 4 slices: rolled back and read back: a/low, b/low, c/high and 1 more");
    assert_eq!(w.fleet.verdict(), Some(Verdict::Aborted));
    assert!(matches!(w.log.last().unwrap().1.effect, Effect::Finish(Verdict::Aborted)), "the end comes last");
}
