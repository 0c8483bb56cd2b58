//! `drift pause | tell | correct` (§5.9): what is done about a port that somebody else has set.

use super::world::{Empty, Failed, Is, Run, World, plan};
use canary::engine::{Effect, Operator, Verdict};
use canary::plan::Setting;

fn body(word: &str) -> String {
    format!(
        "drift {word}
        guard load: load < 5 tolerate 5m else rollback
        phase one {{ flag cache = on, traffic checkout = 20%  hold 10m }}
        on pause: notify oncall"
    )
}

fn told(run: &Run) -> Vec<&String> {
    run.notices.iter().filter(|n| n.contains("somebody else changed it")).collect()
}

#[test]
fn pause_pauses_and_tells() {
    let run = World::of(&body("pause")).drifts("checkout", Setting::Share(0.5), "3m").run("1h");
    assert_eq!(run.course[1..], ["3m checkout drifted to 50%", "3m paused because checkout"]);
    assert_eq!(run.ports[1], Some(Setting::Share(0.5)));
}

#[test]
fn tell_only_tells_and_the_phase_does_not_end_on_it() {
    let run = World::of(&body("tell"))
        .drifts("checkout", Setting::Share(0.5), "3m")
        .drifts("checkout", Setting::Share(0.2), "30m")
        .run("1h");
    assert_eq!(run.course[1..], ["3m checkout drifted to 50%", "30m promoted"]);
    assert_eq!(told(&run).len(), 1, "once: {:#?}", run.notices);
    assert!(run.state.paused.is_none());
}

#[test]
fn correct_lowers_at_once_what_is_read_higher() {
    let run = World::of(&body("correct")).drifts("checkout", Setting::Share(0.5), "3m").run("1h");
    assert_eq!(run.course[1..3], ["3m checkout drifted to 50%", "3m set again"]);
    assert_eq!(run.requests(&plan(&body("correct")))[1], "3m cache on, checkout 20%");
    let lowers = run.effects.iter().filter(|(_, e)| matches!(e, Effect::Apply { lowers: true, .. })).count();
    assert_eq!(lowers, 1, "by the way that nothing stands in front of");
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted), "{:#?}", run.course);
    assert_eq!(told(&run).len(), 1);
}

#[test]
fn correct_raises_again_what_is_read_lower_behind_the_journal() {
    let run = World::of(&body("correct")).drifts("checkout", Setting::Share(0.0), "3m").run("1h");
    assert_eq!(run.course[1..3], ["3m checkout drifted to 0%", "3m set again"]);
    assert!(
        !run.effects.iter().any(|(_, e)| matches!(e, Effect::Apply { lowers: true, .. })),
        "no way round the journal"
    );
    assert_eq!(run.ports[1], Some(Setting::Share(0.2)));
}

#[test]
fn it_raises_nothing_while_it_is_paused_or_a_guard_is_bad() {
    let run = World::of(&body("correct"))
        .operator(Operator::Pause, "2m")
        .drifts("checkout", Setting::Share(0.0), "3m")
        .operator(Operator::Resume, "10m")
        .run("1h");
    assert_eq!(run.requests(&plan(&body("correct"))), ["0s cache on, checkout 20%", "10m cache on, checkout 20%"]);
    let run = World::of(&body("correct"))
        .during("load", "2m", "6m", Is(9.0))
        .drifts("checkout", Setting::Share(0.0), "3m")
        .run("1h");
    assert_eq!(run.requests(&plan(&body("correct")))[1], "6m cache on, checkout 20%", "{:#?}", run.course);
    // but lowers
    let run = World::of(&body("correct"))
        .operator(Operator::Pause, "2m")
        .drifts("checkout", Setting::Share(0.9), "3m")
        .run("1h");
    assert_eq!(run.ports[1], Some(Setting::Share(0.2)), "{:#?}", run.course);
}

/// With `drift correct`, one guard and a long phase: when it is set again after somebody has lowered it at 3m.
fn raised(guard: &str, world: impl Fn(World) -> World) -> Vec<String> {
    let body = format!("drift correct\nno data else hold\n{guard}\nphase one {{ traffic checkout = 20%  hold 1h }}");
    let run = world(World::of(&body)).drifts("checkout", Setting::Share(0.0), "3m").run("30m");
    run.requests(&plan(&body))[1..].to_vec()
}

#[test]
fn it_raises_nothing_while_a_guard_is_blind_or_dark_or_its_window_reaches_back() {
    let load = "guard load: load < 5 tolerate 1h else rollback";
    assert_eq!(raised(load, |w| w.during("load", "2m", "6m", Failed)), ["6m checkout 20%"]);
    assert_eq!(raised(load, |w| w.canary("load", "2m", "6m", Empty)), ["6m checkout 20%"]);
    // not asked of a guard that only tells
    let tell = "guard load: load < 5 else tell";
    assert_eq!(raised(tell, |w| w.during("load", "2m", "6m", Failed)), ["3m checkout 20%"]);
    // set again at 3m, read back at 3m15s; what is lowered at 3m30s waits until a window of 1m lies behind that
    let errors = "guard errors: errors < 1% tolerate 1h else rollback";
    let again = |w: World| w.drifts("checkout", Setting::Share(0.0), "3m30s");
    assert_eq!(raised(errors, again), ["3m checkout 20%", "4m15s checkout 20%"]);
}

#[test]
fn too_few_events_do_not_keep_it_down_for_good() {
    let few = "guard errors: errors < 1% at least 300 events else rollback";
    assert_eq!(raised(few, |w| w.from("served", "3m", Is(10.0))), ["3m checkout 20%"]);
    let none = "guard errors: errors < 1% else rollback";
    assert_eq!(raised(none, |w| w.from("served", "3m", Is(0.0))), ["3m checkout 20%"]);
}

#[test]
fn it_raises_nothing_while_the_gate_is_shut_and_lowers() {
    let gate = "advance when queue < 5";
    assert_eq!(raised(gate, |w| w.during("queue", "2m", "6m", Is(9.0))), ["6m checkout 20%"]);
    assert_eq!(raised(gate, |w| w.during("queue", "2m", "6m", Failed)), ["6m checkout 20%"]);
    let body = format!("{gate}\n{}", body("correct"));
    let run =
        World::of(&body).during("queue", "2m", "6m", Is(9.0)).drifts("checkout", Setting::Share(0.5), "3m").run("5m");
    assert_eq!(run.requests(&plan(&body))[1..], ["3m cache on, checkout 20%"]);
}

#[test]
fn one_higher_and_one_lower_are_two_requests() {
    let run = World::of(&body("correct"))
        .drifts("checkout", Setting::Share(0.5), "3m")
        .drifts("cache", Setting::Bool(false), "3m")
        .run("1h");
    assert_eq!(
        run.requests(&plan(&body("correct")))[1..],
        ["3m checkout 20%", "3m15s cache on, checkout 20%"],
        "what raises waits for the journal, what lowers for nothing: {:#?}",
        run.course
    );
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted));
}

#[test]
fn whoever_keeps_changing_it_is_told_of_and_not_at_every_check() {
    let mut w = World::of(&body("correct").replace("hold 10m", "hold 60m"));
    for minute in 3..12 {
        w = w.drifts("checkout", Setting::Share(0.5), &format!("{minute}m"));
    }
    let run = w.run("30m");
    assert_eq!(run.course.iter().filter(|l| l.contains("set again")).count(), 9);
    assert_eq!(told(&run).len(), 2, "the first time, and that it goes on: {:#?}", run.notices);
    assert!(told(&run)[1].contains("3 times by now"));
    assert_eq!(run.ports[1], Some(Setting::Share(0.2)));
}

#[test]
fn a_rollback_of_the_same_check_goes_before_a_correction() {
    let body = body("correct").replace("tolerate 5m ", "");
    let run = World::of(&body).from("load", "3m", Is(9.0)).drifts("checkout", Setting::Share(0.0), "3m").run("1h");
    assert_eq!(run.course[1..], ["3m checkout drifted to 0%", "3m rollback because load", "3m15s rolled back"]);
}

#[test]
fn it_never_sets_more_than_a_ramp_has_reached() {
    let body = "drift correct
        phase one { ramp checkout from 5% to 35% by 15% every 2m }";
    let run = World::of(body).drifts("checkout", Setting::Share(1.0), "3m").run("1h");
    assert_eq!(run.requests(&plan(body))[..3], ["0s checkout 5%", "2m15s checkout 20%", "3m checkout 20%"]);
    assert_eq!(run.state.verdict(), Some(Verdict::Promoted), "{:#?}", run.course);
}

#[test]
fn a_runner_that_asks_again_for_a_lowering_raises_nothing_with_it() {
    let run = World::of(&body("correct"))
        .stored()
        .drifts("checkout", Setting::Share(0.5), "3m")
        .drifts("cache", Setting::Bool(false), "3m")
        .withholds("3m", "3m20s")
        .stops("3m5s", "4m", false)
        .run("1h");
    assert_eq!(
        run.requests(&plan(&body("correct")))[1..],
        ["3m checkout 20%", "3m46s checkout 20%", "4m cache on, checkout 20%"],
        "{:#?}",
        run.course
    );
}

#[test]
fn a_correction_that_a_stop_interrupts_lowers_alone_again() {
    let run = World::of(&body("correct"))
        .drifts("checkout", Setting::Share(0.5), "3m")
        .drifts("cache", Setting::Bool(false), "3m")
        .withholds("3m", "5m")
        .stops("3m15s", "4m", false)
        .run("1h");
    let lowered = run.effects.iter().filter_map(|(_, e)| match e {
        Effect::Apply { lowers: true, settings, .. } => Some(settings.len()),
        _ => None,
    });
    let lowered: Vec<usize> = lowered.take(2).collect();
    assert_eq!(lowered, [1, 1], "what is below is raised on no way round the journal: {:#?}", run.course);
}
