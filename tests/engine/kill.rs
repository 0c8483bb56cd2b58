//! Kill switches (§5.6, §5.8): precedence, what is set, in which order, and that nothing of it is lost.

use super::world::{Ends, Is, Run, World, plan_with};
use canary::engine::record::{KILLED, Thrower};
use canary::engine::{Effect, Input, Operator, Record, RunCause, Stage, State, Verdict, step};
use canary::plan::{Plan, PortId, Setting, SwitchId};

const SWITCHES: &str = "killswitch all { flag workers = 0, traffic checkout = 0%   run revert   run smoke }
    killswitch soft { flag cache = off }";
const ALL: Operator = Operator::Kill(SwitchId(0));
const SOFT: Operator = Operator::Kill(SwitchId(1));

const BODY: &str = "guard load: load < 5 else rollback, kill all
    guard queue: queue < 5 else rollback
    phase one { traffic checkout = 5%  run scale  hold 2m }
    phase two { flag cache = on, traffic checkout = 50%  hold 10m }
    on kill: notify oncall
    on rollback: notify team";

fn plan() -> Plan {
    plan_with(SWITCHES, BODY)
}

fn world() -> World {
    World::of_plan(plan()).original("workers", Setting::Count(2))
}

fn summary(run: &Run) -> String {
    run.state.explanation.as_ref().map(|e| e.summary.clone()).unwrap_or_default()
}

fn thrown(run: &Run) -> Vec<&Record> {
    let of_kill = |e: &'_ Effect| matches!(e, Effect::Record(r) if r.kind() == KILLED);
    run.effects
        .iter()
        .filter(|(_, e)| of_kill(e))
        .filter_map(|(_, e)| match e {
            Effect::Record(r) => Some(r.as_ref()),
            _ => None,
        })
        .collect()
}

#[test]
fn a_person_throws_it_and_everything_goes_in_order() {
    let run = world().operator(ALL, "3m").run("1h");
    assert_eq!(
        run.course[2..],
        [
            "2m30s entered two",
            "3m killed all by kim",
            "3m rollback because kim",
            "3m ran revert",
            "3m15s ran smoke",
            "3m30s ran unscale",
            "3m45s killed"
        ]
    );
    // what was read before, and over it what the switch sets: workers were at 2, which no phase touched
    let requests = run.requests(&plan());
    assert_eq!(requests[2], "3m checkout 0%, workers 0, cache off");
    assert_eq!(requests[3], "3m45s checkout 0%, workers 0, cache off", "read back once more behind the actions");
    assert_eq!(run.runs(&plan(), "revert", RunCause::Kill), 1);
    assert_eq!(run.state.verdict(), Some(Verdict::Killed));
    assert_eq!(summary(&run), "kill switch all thrown by kim");
    let at = |part: &str| run.notices.iter().filter(|n| n.contains(part)).count();
    assert_eq!(
        (at("oncall: shop: killed: kill switch all"), at("team: shop: rolling back")),
        (1, 1),
        "{:#?}",
        run.notices
    );
}

#[test]
fn the_record_says_who_and_why() {
    let by_hand = world().operator(ALL, "3m").run("1h");
    let records = thrown(&by_hand);
    assert_eq!(records.len(), 1);
    assert_eq!(serde_json::to_value(records[0]).unwrap()["kind"], "kill_switch.activated");
    let back: Record = serde_json::from_value(serde_json::to_value(records[0]).unwrap()).unwrap();
    assert_eq!(back, *records[0]);
    let Record::KillSwitch { switch, by, who, .. } = records[0] else { panic!() };
    assert_eq!((switch.as_str(), *by, who.as_str()), ("all", Thrower::Person, "kim"));

    let by_guard = world().from("load", "1m", Is(9.0)).run("1h");
    let records = thrown(&by_guard);
    let Record::KillSwitch { switch, by, who, why, explanation, all: false } = records[0] else { panic!() };
    assert_eq!((switch.as_str(), *by, who.as_str()), ("all", Thrower::Guard, "load"));
    assert!(why.starts_with("guard load breached"), "{why}");
    assert_eq!(explanation.guard.as_ref().unwrap().guard, "load");
}

#[test]
fn a_guard_throws_it_and_the_run_is_rolled_back() {
    let run = world().from("load", "1m", Is(9.0)).run("1h");
    assert_eq!(
        run.course[2..],
        [
            "1m killed all by load",
            "1m rollback because load",
            "1m15s ran revert",
            "1m30s ran smoke",
            "1m45s ran unscale",
            "2m rolled back"
        ]
    );
    assert!(summary(&run).contains("guard load breached") && summary(&run).ends_with("; kill switch all"));
    // nothing of phase two was touched
    assert_eq!(run.requests(&plan())[1], "1m checkout 0%, workers 0");
}

#[test]
fn a_kill_goes_before_a_rollback_and_before_a_pause() {
    let body = "guard p: load < 5 else pause
        guard r: load < 5 else rollback
        guard k: load < 5 else rollback, kill all
        guard t: load < 5 else rollback, kill soft
        phase one { traffic checkout = 5%  hold 10m }";
    let run = World::of_plan(plan_with(SWITCHES, body)).from("load", "1m", Is(9.0)).run("1h");
    assert_eq!(
        run.course[1..4],
        ["1m killed all by k", "1m killed soft by t", "1m rollback because k"],
        "{:#?}",
        run.course
    );
    assert!(
        summary(&run).contains("kill switch all") && summary(&run).contains("kill switch soft"),
        "{}",
        summary(&run)
    );
    assert_eq!(run.requests(&plan_with(SWITCHES, body))[1], "1m checkout 0%, cache off, workers 0");
    assert_eq!(run.course.last().unwrap(), "1m45s rolled back");
}

#[test]
fn thrown_twice_is_thrown_once() {
    let run = world().operator(ALL, "3m").operator(ALL, "3m15s").run("1h");
    assert_eq!(thrown(&run).len(), 1, "{:#?}", run.course);
    assert_eq!((run.runs(&plan(), "revert", RunCause::Kill), run.runs(&plan(), "smoke", RunCause::Kill)), (1, 1));
}

#[test]
fn during_a_rollback_its_settings_are_added_and_nothing_is_lost() {
    // a guard rolls back; while the undo runs, a person throws the switch
    let w = world().from("queue", "3m", Is(9.0)).action("unscale", "0s", "3m20s", Ends::Never);
    let run = w.operator(ALL, "3m30s").run("6m");
    assert_eq!(
        run.course[3..8],
        [
            "3m rollback because queue",
            "3m15s ran unscale",
            "3m30s killed all by kim",
            "3m30s rollback because kim",
            "3m30s ran revert"
        ],
        "what it runs does not wait for the undo that hangs: {:#?}",
        run.course
    );
    assert_eq!(run.requests(&plan())[3], "3m30s checkout 0%, workers 0, cache off");
    assert_eq!(run.state.stage, Stage::RollingBack(Verdict::Killed), "the undo still hangs");
    assert!(summary(&run).contains("being taken back already: guard queue breached"), "{}", summary(&run));
    // the same, and the undo ends
    let run = world().from("queue", "3m", Is(9.0)).operator(ALL, "3m15s").run("1h");
    assert_eq!(run.course.last().unwrap(), "4m killed", "{:#?}", run.course);
    assert_eq!(run.runs(&plan(), "unscale", RunCause::Undo), 1);
    // people who wait for a rollback are told once that it begins
    assert_eq!(run.notices.iter().filter(|n| n.contains("team: shop: rolling back")).count(), 1, "{:#?}", run.notices);
}

#[test]
fn a_second_switch_joins_the_first() {
    let run = world().operator(SOFT, "2m").operator(ALL, "2m15s").run("1h");
    let kinds: Vec<_> = thrown(&run).iter().map(|r| serde_json::to_value(r).unwrap()["switch"].clone()).collect();
    assert_eq!(kinds, ["soft", "all"]);
    assert_eq!(run.requests(&plan())[3], "2m15s checkout 0%, workers 0, cache off");
    assert_eq!(run.state.verdict(), Some(Verdict::Killed));
    assert_eq!(run.ports[1], Some(Setting::Bool(false)), "{:?}", run.ports);
    // while the first one's action runs
    let run = world().operator(ALL, "2m").operator(SOFT, "2m30s").action("revert", "0s", "", Ends::Well).run("1h");
    assert_eq!((run.runs(&plan(), "revert", RunCause::Kill), run.runs(&plan(), "smoke", RunCause::Kill)), (1, 1));
    assert_eq!(run.state.verdict(), Some(Verdict::Killed), "{:#?}", run.course);
}

#[test]
fn when_paused_and_when_aborting() {
    let run = world().operator(Operator::Pause, "1m").operator(ALL, "2m").run("1h");
    assert_eq!(run.state.verdict(), Some(Verdict::Killed), "{:#?}", run.course);
    let run = world().operator(Operator::Abort, "1m").withholds("45s", "2m").operator(ALL, "1m30s").run("1h");
    assert_eq!(run.state.verdict(), Some(Verdict::Killed), "{:#?}", run.course);
    assert_eq!(run.runs(&plan(), "revert", RunCause::Kill), 1);
    // over is over
    let run = world().operator(Operator::Abort, "1m").operator(ALL, "10m").run("1h");
    assert_eq!((run.state.verdict(), thrown(&run).len()), (Some(Verdict::Aborted), 0));
}

#[test]
fn an_action_that_fails_is_tried_three_times_and_told() {
    let run = world().operator(ALL, "3m").action("revert", "0s", "", Ends::Badly).run("1h");
    assert_eq!(run.runs(&plan(), "revert", RunCause::Kill), 3);
    assert_eq!(run.runs(&plan(), "smoke", RunCause::Kill), 1, "the next one is run all the same");
    assert_eq!(run.runs(&plan(), "unscale", RunCause::Undo), 1);
    assert!(summary(&run).contains("NOT DONE: revert failed 3 times"), "{}", summary(&run));
    assert!(
        run.notices.iter().any(|n| n.contains("oncall: shop: revert failed 3 times: act by hand")),
        "{:#?}",
        run.notices
    );
    // one that works at the second try is done
    let run = world().operator(ALL, "3m").action("revert", "0s", "3m", Ends::Badly).run("1h");
    assert_eq!(run.runs(&plan(), "revert", RunCause::Kill), 2);
    assert!(!summary(&run).contains("NOT DONE"));
}

#[test]
fn what_a_switch_runs_is_not_undone_behind_it() {
    // scale is undone by unscale: the switch scales down for good
    let switches = "killswitch all { run scale }";
    let body = "phase one { traffic checkout = 5%  run scale  hold 10m }";
    let plan = plan_with(switches, body);
    let run = World::of_plan(plan.clone()).operator(ALL, "2m").run("1h");
    assert_eq!(run.runs(&plan, "scale", RunCause::Kill), 1);
    assert_eq!(run.runs(&plan, "unscale", RunCause::Undo), 0, "{:#?}", run.course);
    // also when its undo is under way already
    let body = "guard queue: queue < 5 else rollback
        phase one { traffic checkout = 5%  run scale  hold 10m }";
    let plan = plan_with(switches, body);
    let w = World::of_plan(plan.clone()).from("queue", "1m", Is(9.0)).operator(ALL, "1m30s");
    let run = w.action("unscale", "0s", "1m20s", Ends::Never).run("1h");
    assert!(run.effects.iter().any(|(_, e)| *e == Effect::CancelRuns), "{:#?}", run.course);
    assert_eq!(run.state.verdict(), Some(Verdict::Killed), "{:#?}", run.course);
}

#[test]
fn a_port_that_cannot_be_read_back_does_not_keep_the_workers_running() {
    let run = world().operator(ALL, "3m").withholds("2m45s", "20m").run("1h");
    let ran = run.course.iter().position(|l| l.ends_with("ran revert")).unwrap();
    let slow = run.course.iter().position(|l| l.ends_with("rollback is slow")).unwrap();
    assert!(slow < ran, "{:#?}", run.course);
    assert_eq!(run.course[ran], "4m ran revert");
    assert_eq!(run.state.verdict(), Some(Verdict::Killed));
    assert_eq!(run.runs(&plan(), "unscale", RunCause::Undo), 1);
}

#[test]
fn a_killed_run_goes_on_after_a_stop() {
    // stopped while the settings are not read back, and while an action runs
    for (from, to) in [("3m15s", "8m"), ("3m30s", "8m"), ("3m45s", "8m")] {
        let run = world().operator(ALL, "3m").withholds("2m45s", "3m10s").stops(from, to, false).run("1h");
        assert_eq!(run.state.verdict(), Some(Verdict::Killed), "{:#?}", run.course);
        assert!(run.runs(&plan(), "revert", RunCause::Kill) >= 1 && run.runs(&plan(), "smoke", RunCause::Kill) >= 1);
        assert_eq!(
            run.ports,
            [0.0]
                .map(|s| Some(Setting::Share(s)))
                .into_iter()
                .chain([Some(Setting::Bool(false)), Some(Setting::Count(0))])
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn where_nothing_runs_only_what_the_switch_sets_is_set() {
    let plan = plan();
    let mut state = State::new(&plan);
    let mut effects = Vec::new();
    step(
        &plan,
        &mut state,
        Input::Operator { at: 1_000, act: ALL, who: String::from("kim"), why: String::from("3 am") },
        &mut effects,
    );
    let asked: Vec<_> = effects
        .iter()
        .filter_map(|e| match e {
            Effect::Apply { epoch, settings, lowers } => Some((*epoch, settings.clone(), *lowers)),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 1);
    let port = |name: &str| PortId::at(plan.ports.iter().position(|p| p.name == name).unwrap());
    assert_eq!(asked[0].1, [(port("checkout"), Setting::Share(0.0)), (port("workers"), Setting::Count(0))]);
    assert!(asked[0].2);
    assert!(effects.iter().any(
        |e| matches!(e, Effect::Record(r) if matches!(r.as_ref(), Record::KillSwitch { why, .. } if why == "3 am"))
    ));
    // read back, then its actions
    effects.clear();
    let read = asked[0].1.clone();
    step(&plan, &mut state, Input::Verified { at: 1_100, epoch: asked[0].0, read }, &mut effects);
    assert!(effects.iter().any(|e| matches!(e, Effect::Run { cause: RunCause::Kill, .. })));
}

/// What was told under a title that holds `part`: what is done about it.
fn now(effects: &[Effect], part: &str) -> Option<String> {
    effects.iter().find_map(|e| match e {
        Effect::Notify { title, facts, .. } if title.contains(part) => {
            facts.iter().find(|(name, _)| name == "now").map(|(_, value)| value.clone())
        }
        _ => None,
    })
}

#[test]
fn what_is_told_of_a_kill_is_what_was_done() {
    let effects = |run: &Run| run.effects.iter().map(|(_, e)| e.clone()).collect::<Vec<_>>();
    // a guard's kill ends as a rollback does, and leaves a switch that is thrown
    let by_guard = world().from("load", "3m", Is(9.0)).run("1h");
    assert_eq!(by_guard.state.verdict(), Some(Verdict::RolledBack));
    assert_eq!(
        now(&effects(&by_guard), "rolled back and read back").as_deref(),
        Some("everything was taken back and read back; all stays thrown until `canary reset`; the run is over")
    );
    // where nothing ran nothing was taken back but what the switch sets
    let plan = plan_with(SWITCHES, &BODY.replace("on kill: notify oncall", "on kill, done: notify oncall"));
    let mut state = State::new(&plan);
    let mut out = Vec::new();
    let by_hand = Input::Operator { at: 1_000, act: SOFT, who: String::from("kim"), why: String::new() };
    step(&plan, &mut state, by_hand, &mut out);
    assert_eq!(now(&out, "killed: ").as_deref(), Some("what the switch sets is being set"));
    let (epoch, read) = (state.target.epoch, state.target.settings.clone());
    out.clear();
    step(&plan, &mut state, Input::Verified { at: 1_100, epoch, read }, &mut out);
    assert_eq!(state.verdict(), Some(Verdict::Killed));
    assert_eq!(now(&out, "rolled back"), None);
    assert_eq!(
        now(&out, "shop: set and read back: ").as_deref(),
        Some("what the switch sets was set and read back; soft stays thrown until `canary reset`; the run is over")
    );
}

#[test]
fn who_is_only_told_of_kills_is_told_of_one_that_does_not_hold() {
    let run = world().operator(ALL, "3m").withholds("2m45s", "20m").run("1h");
    let told = |channel: &str| run.notices.iter().filter(|n| n.contains(channel) && n.contains("act by hand")).count();
    assert_eq!((told("oncall"), told("team")), (1, 1), "{:#?}", run.notices);
    // one that is told of both is told once
    let body = BODY.replace("on kill: notify oncall", "").replace("on rollback:", "on rollback, kill:");
    let run = World::of_plan(plan_with(SWITCHES, &body)).operator(ALL, "3m").withholds("2m45s", "20m").run("1h");
    assert_eq!(run.notices.iter().filter(|n| n.contains("act by hand")).count(), 1, "{:#?}", run.notices);
}
