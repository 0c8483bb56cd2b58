//! Bugs that others have reported against other tools, each with a test that says that this one has not got it. The numbers name the
//! reports; what they say is told in our own words.

use super::world::{Empty, Ends, Failed, Is, NotANumber, Run, Says, World, ms, plan};
use canary::engine::{Effect, Operator, Record, Word};
use canary::plan::{Population, Setting};

const GUARDED: &str = "no data tolerate 1h else hold
    guard g: load < 5 else rollback
    phase one { traffic checkout = 5%  hold 2m }
    phase two { traffic checkout = 50%  hold 2m }";

fn promoted(run: &Run) -> bool {
    run.course.iter().any(|l| l.ends_with("entered two") || l.ends_with("promoted"))
}

/// argo-rollouts #3850 (mended by #3873): a background analysis that stayed inconclusive was started over and over, and when the
/// pause was over the rollout was promoted.
#[test]
fn inconclusive_is_not_promoted_when_the_time_is_over() {
    let body = "no data tolerate 1h else hold
        guard g: share(latency < 200ms) >= 95% else rollback
        phase one { traffic checkout = 5%  hold 2m }
        phase two { traffic checkout = 50%  hold 2m }";
    let run = World::of(body).run("10h");
    assert_eq!(run.word(&plan(body), "g", "10h"), Some(Word::Undecided));
    assert!(!promoted(&run), "{:#?}", run.course);
}

/// argo-rollouts #222: while failures added up below their limit the rollout went on to the next weight.
#[test]
fn no_phase_ends_while_failures_add_up() {
    let body = GUARDED.replace("load < 5 else", "load < 5 tolerate 1h else");
    let run = World::of(&body).from("load", "1m", Is(9.0)).run("50m");
    assert!(!promoted(&run), "{:#?}", run.course);
}

/// flagger #1098 (mended by #1095): NaN from Prometheus was taken for a number below the threshold, and the canary advanced.
/// argo-rollouts #180: a rate over no requests is NaN and must not count as a success.
#[test]
fn nan_is_not_healthy() {
    for condition in ["load < 5", "load >= 0", "not (load > 5)", "load != 7", "default(load, 9) < 5"] {
        let body = GUARDED.replace("load < 5", condition);
        for says in [Is(f64::NAN), Is(f64::INFINITY), Is(f64::NEG_INFINITY), NotANumber] {
            let run = World::of(&body).from("load", "15s", says.clone()).run("5h");
            assert!(!promoted(&run), "{condition} with {says:?}: {:#?}", run.course);
        }
    }
}

/// flagger #1098, #1581; kayenta #700, pipecd #3661: no data, or no metric at all, passed as a good result. kayenta #421 had to add a
/// switch for metrics that must have data; here every one of them is such.
#[test]
fn no_data_does_not_pass() {
    for says in [Empty, Failed, Says::Ambiguous, Says::NotAsked, Says::Old(1.0, 61_000)] {
        let run = World::of(GUARDED).from("load", "15s", says.clone()).run("10h");
        assert!(!promoted(&run), "{says:?}: {:#?}", run.course);
    }
    // and it does not wait for ever without a word: by default a person decides
    let run = World::of(&GUARDED.replace("no data tolerate 1h else hold", "")).from("load", "15s", Failed).run("1h");
    assert!(run.course.iter().any(|l| l.contains("paused because no data")), "{:#?}", run.course);
}

/// kayenta #377, #799 (spinnaker #6275): the control had no errors, hence no series; the canary had errors, and the comparison passed.
#[test]
fn errors_of_the_canary_alone_are_seen_though_the_others_have_none() {
    let body = "guard g: errors <= stable + 0.5pp else rollback
        phase one { traffic checkout = 5%  hold 5m }";
    let w = World::of(body).of_population("failed", Population::Stable, Empty).canary("failed", "3m", "9h", Is(50.0));
    assert_eq!(w.run("1h").course[1], "3m rollback because g");
    // neither has any: that is no reason to go back
    let run = World::of(body).all("failed", Empty).run("1h");
    assert_eq!(run.course[1], "6m15s promoted");
}

/// argo-rollouts #3503: an empty answer for "no errors" was an error, and the healthy rollout was taken back.
#[test]
fn a_counter_of_errors_that_does_not_exist_yet_is_no_error() {
    let body = "guard g: errors < 1% else rollback\nphase one { traffic checkout = 5%  hold 2m }";
    assert_eq!(World::of(body).all("failed", Empty).run("1h").course[1], "3m15s promoted");
}

/// argo-rollouts #1329, #4479, #2026: a measurement that was ended counted as successful, and an analysis of which every measurement had
/// failed or erred was called successful.
#[test]
fn what_was_ended_has_not_succeeded() {
    let body = "guard g: load < 5 else rollback to one
        phase one { traffic checkout = 5%  hold 1m }
        phase two { traffic checkout = 50%  run smoke  hold 2m }";
    // the rollback ends the action under way, which then exits well all the same
    let w = World::of(body).action("smoke", "0s", "", Ends::Never).during("load", "2m", "2m15s", Is(9.0));
    let run = w.run("20m");
    let passed = |(_, e): &(i64, Effect)| matches!(e, Effect::Record(r) if matches!(r.as_ref(), Record::Passed { phase, .. } if phase == "two"));
    assert!(!run.effects.iter().any(passed), "{:#?}", run.course);
    // a guard whose source erred at every check has no success to count either
    assert!(!promoted(&World::of(GUARDED).from("load", "15s", Failed).run("10h")));
}

/// flagger #1801: while a gate waited, checks failed beyond their threshold, and no rollback came. flagger #1432: the way back was not
/// looked at while the way forward waited.
#[test]
fn a_gate_that_waits_does_not_block_a_rollback() {
    for gate in ["approved(\"people\")", "queue > 5", "queue > 5 for 1h"] {
        let body = format!(
            "guard g: load < 5 tolerate 1m else rollback
            phase one {{ traffic checkout = 5%  promote when {gate} within 5h else pause }}"
        );
        let run = World::of(&body).from("load", "10m", Is(9.0)).run("1h");
        assert_eq!(run.course[1..], ["11m rollback because g", "11m15s rolled back"], "{gate}");
    }
}

/// argo-rollouts #1152: an abort during a pause was not obeyed; the rollout waited and promoted. flagger #724: there was no way to
/// give up in the middle.
#[test]
fn an_abort_is_obeyed_whatever_is_waited_for() {
    let abort = |w: World| w.operator(Operator::Abort, "5m").run("2h").course.last().unwrap().clone();
    assert_eq!(abort(World::of("phase one { traffic checkout = 5%  hold 1h }")), "5m aborted");
    assert_eq!(
        abort(World::of("phase one { traffic checkout = 5%  hold 1h }").operator(Operator::Pause, "1m")),
        "5m aborted"
    );
    assert_eq!(abort(World::of("phase one { traffic checkout = 5%  promote when queue > 5 }")), "5m aborted");
    let hangs =
        World::of("phase one { traffic checkout = 5%  run smoke  hold 1h }").action("smoke", "0s", "", Ends::Never);
    assert_eq!(abort(hangs), "5m aborted");
    assert_eq!(abort(World::of(GUARDED).from("load", "1m", Failed)), "5m aborted");
}

/// argo-rollouts #4841 (since v1.9.0, #4035), #2576, #1838; #1190: after an abort some weight stayed on the canary.
#[test]
fn no_weight_is_left_after_an_abort() {
    let body = "guard g: load < 5 else rollback
        phase one { traffic checkout = 5%, flag cache = on  hold 1m }
        phase two { traffic checkout = 50%, flag m4 = on, flag workers = 2  run scale  hold 1h }";
    let aborted = |w: World| w.operator(Operator::Abort, "5m").run("2h");
    let w = || World::of(body);
    for (how, run) in [
        ("alone", aborted(w())),
        ("paused", aborted(w().operator(Operator::Pause, "3m"))),
        ("read back late", aborted(w().withholds("4m59s", "20m"))),
        (
            "raised by somebody",
            aborted(w().drifts("checkout", Setting::Share(0.9), "5m15s").withholds("4m59s", "5m20s")),
        ),
        ("in the first phase", World::of(body).operator(Operator::Abort, "30s").run("2h")),
        ("stopped", aborted(w().withholds("4m59s", "5m1s").stops("5m15s", "1h", false))),
    ] {
        let p = plan(body);
        for (port, setting) in p.ports.iter().zip(&run.ports) {
            assert!(!setting.unwrap().exposes(), "{how}: {} is at {}", port.name, setting.unwrap());
        }
        assert!(run.course.last().unwrap().ends_with("aborted"), "{how}: {:#?}", run.course);
    }
}

/// argo-rollouts #701, #3333: the weight was believed to be set, and the rollout went on (and ended) before the balancer had done it.
#[test]
fn nothing_goes_on_before_the_weight_was_read_back() {
    let w = World::of(
        "guard g: load < 5 else rollback\nphase one { traffic checkout = 5%  hold 30s }\nphase two { traffic checkout = 100%  hold 30s }",
    );
    let run = w.withholds("45s", "1m30s").run("1h");
    let verified = |epoch: u32| {
        let is = |(_, e): &&(i64, Effect)| matches!(e, Effect::Record(r) if matches!(r.as_ref(), Record::Verified { epoch: n, .. } if *n == epoch));
        run.effects.iter().find(is).unwrap().0
    };
    assert_eq!(run.course, ["0s entered one", "45s entered two", "2m15s promoted"]);
    assert!(verified(2) > ms("1m30s"), "and half a minute from there");
}

/// flagger #1663, #1450: a webhook that failed or never answered stopped the course, or left it for hours. An action of the way forward
/// that hangs, fails or cannot be undone stands in front of no rollback; nor does a notice (see rule 8 and `tests/e2e_notices.rs`).
#[test]
fn no_failing_chore_aborts_a_rollback() {
    let body = "guard g: load < 5 else rollback
        phase one { traffic checkout = 5%  run scale  hold 1h }
        on rollback: run smoke
        on rollback, breach, done: notify oncall";
    for ends in [Ends::Badly, Ends::Never] {
        let w = World::of(body).action("smoke", "0s", "", ends).action("unscale", "0s", "2m", ends);
        let run = w.from("load", "5m", Is(9.0)).run("1h");
        assert_eq!(run.requests(&plan(body))[1], "5m checkout 0%", "{ends:?}");
        assert_eq!(run.ports[0], Some(Setting::Share(0.0)), "{ends:?}");
        assert!(run.course.last().unwrap().ends_with("rolled back"), "{ends:?}: {:#?}", run.course);
    }
}

/// spinnaker #4426, #1585: a restart lost track of stages that ran; they neither ended nor went on. argo-rollouts #720: a pause that was
/// over began again, because an old copy of the state was read.
#[test]
fn a_restart_loses_no_state() {
    let body = "guard g: load < 5 tolerate 2m else rollback
        guard leaks: increase(leaks) < 3 else rollback
        phase one { traffic checkout = 5%  run smoke  hold 10m }
        phase two { traffic checkout = 50%  hold 10m  promote when queue < 5 for 5m }";
    let world = || World::of(body).during("load", "3m", "4m", Is(9.0)).during("leaks", "2m", "2m15s", Is(1.0));
    let whole = world().stored().run("2h");
    assert_eq!(whole.course, world().run("2h").course);
    // a single missed check, held over, changes nothing, wherever it is
    for check in 2..60 {
        let (from, to) = (format!("{}s", check * 15), format!("{}s", check * 15 + 15));
        let run = world().stops(&from, &to, true).run("2h");
        let names = |r: &Run| r.course.iter().map(|l| l.split_once(' ').unwrap().1.to_owned()).collect::<Vec<_>>();
        assert_eq!(names(&run), names(&whole), "restarted at {from}");
    }
    // a pause that somebody ended stays ended
    let w = world().operator(Operator::Pause, "1m").operator(Operator::Resume, "2m").stops("2m15s", "2m30s", false);
    assert_eq!(w.run("2h").course.iter().filter(|l| l.contains("paused")).count(), 1);
}

/// argo-rollouts #926, #990 and SYNTAX §11: time that nobody looked, because it was paused or the runner was down, was counted.
#[test]
fn no_clock_runs_while_nobody_looks() {
    let hold = "guard g: load < 5 else rollback\nphase one { traffic checkout = 5%  hold 10m }";
    assert_eq!(World::of(hold).stops("5m", "3h", false).run("9h").course[1], "3h5m30s promoted");
    let w = World::of(hold).operator(Operator::Pause, "5m").operator(Operator::Resume, "3h");
    assert_eq!(w.run("9h").course.last().unwrap(), "3h5m15s promoted");
    // a gate's own time, while paused
    let gate = "phase one { traffic checkout = 5%  promote when queue > 5 within 10m else rollback }";
    let w = World::of(gate).operator(Operator::Pause, "5m").operator(Operator::Resume, "3h");
    assert_eq!(w.run("9h").course[3], "3h5m15s rollback because one");
    assert_eq!(World::of(gate).stops("5m", "3h", false).run("9h").course[1], "3h5m30s rollback because one");
    // and a guard's tolerance, while the runner was down
    let guard = "guard g: load < 5 tolerate 10m else rollback\nphase one { traffic checkout = 5%  hold 9h }";
    let w = World::of(guard).from("load", "1m", Is(9.0)).stops("5m", "3h", false);
    assert_eq!(w.run("9h").course[1], "3h6m15s rollback because g");
}

/// argo-rollouts #4792 (asked for), #1674 (explained): failures were counted in all, not one after the other, so that a blip now and then
/// took back; and consecutive errors were counted apart. Here `tolerate` means what stands, and a good check clears it.
#[test]
fn blips_do_not_add_up_and_a_run_of_them_does() {
    let body = "guard g: load < 5 tolerate 3 checks else rollback\nphase one { traffic checkout = 5%  hold 2h }";
    let mut w = World::of(body);
    for minute in 1..100 {
        w = w.during("load", &format!("{minute}m"), &format!("{minute}m30s"), Is(9.0));
    }
    assert_eq!(w.run("3h").course.last().unwrap(), "2h15s promoted");
    let w = World::of(body).during("load", "5m", "5m45s", Is(9.0));
    assert_eq!(w.run("3h").course[1], "5m30s rollback because g");
    // a check without an answer between two bad ones is no good one
    let w = World::of(body).during("load", "5m", "6m", Is(9.0)).during("load", "5m15s", "5m30s", Failed);
    assert_eq!(w.run("3h").course[1], "5m45s rollback because g");
}

/// argo-rollouts #261: who let an inconclusive rollout go on was paused again at once, for the same thing.
#[test]
fn who_resumes_is_not_paused_again_for_the_same_reason() {
    let body = "guard g: load < 5 else pause\nphase one { traffic checkout = 5%  hold 10m }";
    let run = World::of(body).from("load", "2m", Is(9.0)).operator(Operator::Resume, "5m").run("1h");
    assert_eq!(run.course[1..], ["2m paused because g", "5m resumed"]);
}
