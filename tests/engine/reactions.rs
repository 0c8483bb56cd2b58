//! §4 reactions: they tell and do chores, and never steer. SYNTAX §11 question 9.

use super::world::{Ends, Failed, Is, NotAsked, World, plan};
use canary::engine::{Effect, Operator, RunCause};

const PHASE: &str = "phase one { traffic checkout = 5%  hold 1h }";

fn of(reaction: &str) -> World {
    World::of(&format!("no data else hold\n{reaction}\n{PHASE}"))
}

#[test]
fn a_rising_edge_runs_and_what_stays_true_does_not() {
    let run = of("when queue > 5: run scale")
        .during("queue", "1m", "5m", Is(9.0))
        .during("queue", "7m", "9m", Is(9.0))
        .run("20m");
    assert_eq!(run.course, ["0s entered one", "1m ran scale", "7m ran scale"]);
    // true from the first check on
    let run = of("when queue > 5: run scale").all("queue", Is(9.0)).run("5m");
    assert_eq!(run.course, ["0s entered one", "15s ran scale"]);
}

#[test]
fn unknown_neither_fires_nor_re_arms() {
    let run = of("when queue > 5: run scale")
        .during("queue", "1m", "5m", Is(9.0))
        .during("queue", "2m", "3m", Failed)
        .run("20m");
    assert_eq!(run.course, ["0s entered one", "1m ran scale"]);
    let run =
        of("when queue > 5: run scale").during("queue", "1m", "2m", Failed).from("queue", "2m", Is(9.0)).run("20m");
    assert_eq!(run.course, ["0s entered one", "2m ran scale"]);
}

#[test]
fn the_limit_counts_over_a_sliding_stretch() {
    let mut world = of("when queue > 5: run scale limit 2 per 10m");
    for (from, to) in [("1m", "2m"), ("5m", "6m"), ("10m", "10m30s"), ("11m", "12m"), ("14m", "14m30s"), ("15m", "16m")]
    {
        world = world.during("queue", from, to, Is(9.0));
    }
    // at 10m there were two within ten minutes; at 11m the first is ten minutes old and counts no more
    let run = world.run("20m");
    assert_eq!(run.course, ["0s entered one", "1m ran scale", "5m ran scale", "11m ran scale", "15m ran scale"]);
}

#[test]
fn nobody_waits_for_it_and_its_failure_steers_nothing() {
    let w = of("when queue > 5: run scale").from("queue", "1m", Is(9.0)).action("scale", "0s", "", Ends::Badly);
    assert_eq!(w.run("2h").course, ["0s entered one", "1m ran scale", "1m15s scale failed", "1h15s promoted"]);
}

#[test]
fn it_is_undone_at_a_rollback() {
    let body = format!("guard load: load < 5 else rollback\nwhen queue > 5: run scale\n{PHASE}");
    let run = World::of(&body).from("queue", "1m", Is(9.0)).from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(run.course[1..], ["1m ran scale", "2m rollback because load", "2m15s ran unscale", "2m30s rolled back"]);
}

#[test]
fn nothing_is_begun_at_the_check_that_ends_or_takes_back() {
    let body = format!("guard load: load < 5 else rollback\nwhen queue > 5: run scale\n{PHASE}");
    let run = World::of(&body).from("queue", "2m", Is(9.0)).from("load", "2m", Is(9.0)).run("1h");
    assert_eq!(run.course[1..], ["2m rollback because load", "2m15s rolled back"]);
    let run = of("when queue > 5: run scale").from("queue", "1h15s", Is(9.0)).run("2h");
    assert_eq!(run.course, ["0s entered one", "1h15s promoted"]);
    assert_eq!(run.runs(&plan(&format!("when queue > 5: run scale\n{PHASE}")), "scale", RunCause::Reaction), 0);
}

#[test]
fn every_so_often_also_while_paused() {
    let run = of("every 10m: notify team").operator(Operator::Pause, "15m").run("45m");
    let at: Vec<&str> = run.notices.iter().map(|n| n.split(' ').next().unwrap()).collect();
    assert_eq!(at, ["10m", "20m", "30m", "40m"]);
    // several that fell due during a stop are one
    let run = of("every 10m: notify team").stops("5m", "45m", false).run("55m");
    let at: Vec<&str> = run.notices.iter().map(|n| n.split(' ').next().unwrap()).collect();
    assert_eq!(at, ["45m", "50m"]);
}

#[test]
fn back_filled_checks_begin_no_chore_and_tell_nobody() {
    // up and down every five minutes of an eight-hour stop, and low at its end: hours-old values start nothing
    let mut world = of("when queue > 5: run scale limit 4 per 1h");
    for i in 0..96 {
        let from = i * 300_000 + 60_000;
        world = world.during("queue", &format!("{from}ms"), &format!("{}ms", from + 60_000), Is(9.0));
    }
    let run = world.stops("30s", "8h", true).run("8h");
    assert_eq!(run.course, ["0s entered one"]);
    let run = of("every 5m: notify team").stops("6m", "8h1m", true).run("8h6m");
    let at: Vec<&str> = run.notices.iter().map(|n| n.split(' ').next().unwrap()).collect();
    // as after a stop without history: what fell due meanwhile is told once
    assert_eq!(at, ["5m", "8h1m", "8h5m"]);
}

#[test]
fn a_source_that_falls_silent_while_nobody_asks_is_told_when_somebody_does() {
    let body = format!("no data else hold\nguard load: load < 5 else hold\non blind: notify team\n{PHASE}");
    let of = || World::of(&body).during("load", "1m", "3m", NotAsked).stops("1m", "3m", true);
    let run = of().from("load", "3m", Failed).run("5m");
    assert_eq!(run.notices, ["3m team: shop: blind: load"]);
    // what nobody asked is no silence
    assert!(of().run("5m").notices.is_empty());
    // once is enough
    let run =
        of().from("load", "30s", Failed).during("load", "1m", "3m", NotAsked).from("load", "3m", Failed).run("9m");
    assert_eq!(run.notices, ["30s team: shop: blind: load"]);
}

#[test]
fn what_is_still_true_at_the_first_live_check_fires_once() {
    let of = || of("when queue > 5: run scale");
    // it rose during the stop and is still high
    let run = of().from("queue", "10m", Is(9.0)).stops("5m", "30m", true).run("40m");
    assert_eq!(run.course, ["0s entered one", "30m ran scale"]);
    // it was high before the stop and never fell: no edge
    let run = of().from("queue", "1m", Is(9.0)).stops("5m", "30m", true).run("40m");
    assert_eq!(run.course, ["0s entered one", "1m ran scale"]);
    // it fell during the stop, which re-arms, and rose again
    let run =
        of().from("queue", "1m", Is(9.0)).during("queue", "10m", "11m", Is(1.0)).stops("5m", "30m", true).run("40m");
    assert_eq!(run.course, ["0s entered one", "1m ran scale", "30m ran scale"]);
}

#[test]
fn snapshots_at_their_times_and_one_early_at_the_end() {
    let run = of("at 15m, 30m, 2h: snapshot").run("3h");
    assert_eq!(
        run.course,
        ["0s entered one", "15m snapshot", "30m snapshot", "1h15s snapshot, early", "1h15s promoted"]
    );
    let run = of("at 15m, 30m: snapshot").run("3h");
    assert_eq!(run.course, ["0s entered one", "15m snapshot", "30m snapshot", "1h15s promoted"]);
    // due at the very check that ends the run: in time
    let body = "at 1m15s: snapshot\nphase one { traffic checkout = 5%  hold 1m }";
    assert_eq!(World::of(body).run("1h").course, ["0s entered one", "1m15s snapshot", "1m15s promoted"]);
}

#[test]
fn a_snapshot_that_fell_due_during_a_rollback_is_taken_early_too() {
    let body = format!("guard load: load < 5 else rollback\nat 15m: snapshot\n{PHASE}");
    let w = World::of(&body).from("load", "14m30s", Is(9.0)).withholds("14m", "15m30s");
    assert_eq!(
        w.run("1h").course[1..],
        ["14m30s rollback because load", "15m30s rollback is slow", "15m45s snapshot, early", "15m45s rolled back"]
    );
}

#[test]
fn one_notice_each() {
    let body = "no data tolerate 2m else pause
        guard load: load < 5 tolerate 1m else rollback
        guard queue: queue < 5 else hold
        on breach, pause, rollback, promote, blind, done: notify oncall
        phase one { traffic checkout = 5%  hold 4m }
        phase two { traffic checkout = 50%  hold 30m }";
    let run = World::of(body)
        .during("queue", "1m", "2m", Failed)
        .during("queue", "3m", "4m", Is(9.0))
        .from("load", "10m", Is(9.0))
        .run("1h");
    let short: Vec<String> = run.notices.iter().map(|n| n.chars().take(36).collect()).collect();
    assert_eq!(
        short,
        [
            "1m oncall: shop: blind: queue",
            "3m oncall: shop: guard queue breache",
            "5m15s oncall: shop: phase one passed",
            // one step tells a channel once: the breach is the notice's first line
            "11m oncall: shop: rolling back: guar",
            "11m15s oncall: shop: rolled back: gu"
        ]
    );
    let run = World::of(body).during("queue", "1m", "4m", Failed).run("4m");
    let short: Vec<String> = run.notices.iter().map(|n| n.chars().take(36).collect()).collect();
    assert_eq!(short, ["1m oncall: shop: blind: queue", "3m oncall: shop: paused: no data for"]);
    let run = World::of(body).run("1h");
    let short: Vec<String> = run.notices.iter().map(|n| n.chars().take(36).collect()).collect();
    assert_eq!(short, ["4m15s oncall: shop: phase one passed", "34m30s oncall: shop: promoted: every"]);
}

#[test]
fn a_guard_that_has_gone_dark_is_told_as_such_and_once_more_when_it_breaches() {
    let body = "guard load: load < 5 tolerate 1m else rollback
        on breach, blind: notify oncall
        phase one { traffic checkout = 5%  hold 30m }";
    let run = World::of(body).canary("load", "2m", "30m", super::world::Empty).run("1h");
    let short: Vec<String> = run.notices.iter().map(|n| n.chars().take(32).collect()).collect();
    assert_eq!(short, ["2m oncall: shop: dark: load", "3m oncall: shop: guard load brea"]);
}

#[test]
fn notices_stand_behind_the_request_that_lowers() {
    let body = "guard load: load < 5 else rollback
        on rollback: notify oncall
        phase one { traffic checkout = 5%  hold 30m }";
    let run = World::of(body).from("load", "2m", Is(9.0)).run("1h");
    let place = |f: fn(&Effect) -> bool| run.effects.iter().position(|(_, e)| f(e)).unwrap();
    let lowers = place(|e| matches!(e, Effect::Apply { lowers: true, .. }));
    assert!(lowers < place(|e| matches!(e, Effect::Notify { .. })));
}

#[test]
fn a_rollback_is_told_at_both_ends_and_runs_its_action_once() {
    let body = "guard load: load < 5 else rollback
        on rollback: run smoke
        on rollback: notify oncall
        phase one { traffic checkout = 5%  hold 30m }";
    // slow as well: not read back for longer than a minute
    let run = World::of(body).from("load", "2m", Is(9.0)).withholds("2m", "4m").run("1h");
    assert_eq!(run.course.iter().filter(|c| c.ends_with("ran smoke")).count(), 1, "{:?}", run.course);
    assert_eq!(run.notices.len(), 3, "begun, slow, done: {:?}", run.notices);
}

/// The facts of each notice, `name: value`, with its title's first words.
fn facts(run: &super::world::Run) -> Vec<(String, Vec<String>)> {
    let one = |e: &Effect| match e {
        Effect::Notify { title, facts, .. } => {
            let title = title.split(": ").take(2).collect::<Vec<_>>().join(": ");
            Some((title, facts.iter().map(|(name, value)| format!("{name}: {value}")).collect()))
        }
        _ => None,
    };
    run.effects.iter().filter_map(|(_, e)| one(e)).collect()
}

#[test]
fn a_notice_says_what_is_bad_what_is_exposed_and_what_was_done() {
    let body = "guard fine: queue < 5 else rollback
        guard load: load < 5 tolerate 1m else rollback
        on rollback, promote: notify oncall
        phase one { traffic checkout = 5%  hold 4m }
        phase two { traffic checkout = 50%  hold 30m }";
    let run = World::of(body).from("load", "10m", Is(9.0)).run("1h");
    let told = facts(&run);
    let titles: Vec<&str> = told.iter().map(|(t, _)| t.as_str()).collect();
    assert_eq!(
        titles,
        ["shop: phase one passed, next is two", "shop: rolling back", "shop: rolled back and read back"]
    );
    let starts = |i: usize, want: &[&str]| {
        let (_, facts): &(String, Vec<String>) = &told[i];
        assert_eq!(facts.len(), want.len(), "{facts:#?}");
        for (fact, want) in facts.iter().zip(want) {
            assert!(fact.starts_with(want), "{fact}, expected {want}");
        }
    };
    starts(
        0,
        &[
            "exposure: checkout = 50% (asked for ",
            "now: phase two goes on",
            "phase: two (2 of 2)",
            "guard fine: ok: value 1, limit 5, since ",
            "guard load: ok: value 1, limit 5, since ",
        ],
    );
    // the bad one first, bad since it is bad and not since its tolerance was used up; what was done is done already
    starts(
        1,
        &[
            "guard load: breached: value 9, limit 5, bad since ",
            "exposure: checkout = 0% (asked for ",
            "now: everything is being taken back",
            "guard fine: ok",
        ],
    );
    starts(
        2,
        &[
            "guard load: breached: value 9, limit 5, bad since ",
            "exposure: checkout = 0% (read back ",
            "now: everything was taken back and read back; the run is over",
            "guard fine: ok",
        ],
    );
    let at = run
        .effects
        .iter()
        .find(|(_, e)| matches!(e, Effect::Notify { title, .. } if title.contains("rolling")))
        .unwrap()
        .0;
    let since = canary::plan::show::utc(at - 60_000);
    assert!(told[1].1[0].ends_with(&since), "{}, since {since}", told[1].1[0]);
}

#[test]
fn a_notice_says_that_a_bad_guard_holds_the_phase_or_that_a_person_is_waited_for() {
    let now = |body: &str| {
        let run = World::of(body).from("load", "2m", Is(9.0)).run("4m");
        facts(&run)[0].1.iter().find(|f| f.starts_with("now: ")).unwrap().clone()
    };
    let phase = "on breach, pause: notify oncall\nphase one { traffic checkout = 5%  hold 30m }";
    assert_eq!(
        now(&format!("guard load: load < 5 else hold\n{phase}")),
        "now: phase one goes on and cannot end while a guard is bad"
    );
    assert_eq!(now(&format!("guard load: load < 5 else tell\n{phase}")), "now: phase one goes on");
    assert_eq!(
        now(&format!("guard load: load < 5 else pause\n{phase}")),
        "now: paused: nothing is raised until `canary resume shop`"
    );
}
