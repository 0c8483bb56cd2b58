//! What would it have done: replays, what is put into them, sweeps and backtests, on recordings made in memory; and `canary sim` on
//! the files of them. `CANARY_CASES=2000 cargo test --test replay` replays more runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::float_cmp,
    clippy::cast_precision_loss,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "replay/world.rs"]
mod world;

use canary::engine::{Record, Verdict, Word};
use canary::plan::{Answer, Ask, Missing, Plan, Population, Reading, Setting, Time, Window};
use canary::report::style::Style;
use canary::report::timeline;
use canary::sim::recording::{Happened, Key, Recording, decode, encode};
use canary::sim::replay::outcome::Outcome;
use canary::sim::replay::{Scenario, change, inject, misfit, replay, sweep};
use std::path::Path;
use std::process::Command;
use world::{START, known, plainly, plan, range, run};

const POLICY: &str = include_str!("replay/policy.canary");

/// Only `errors < 1%`, on counters that a check counts on: nothing else decides.
const PLAIN: &str = r#"
edition 2026
metric failed: counter = prometheus(`http_requests_total{code=~"5..", ${where}}`)
metric served: counter = prometheus(`http_requests_total{${where}}`)
metric errors: events  = events(bad: failed, total: served, window: 1m)
metric delay:  duration = prometheus(`delay_seconds`)
traffic checkout
rollout checkout {
  check every 15s
  guard errors: errors < 1%  tolerate 30s  else rollback
  guard delay:  delay < 2s   tolerate 30s  else rollback
  phase taste { traffic checkout = 10%  hold 10m }
  phase full  { traffic checkout = 100% hold 10m }
}
"#;

fn journal(outcome: &Outcome) -> Vec<(Time, Record)> {
    outcome.decisions.iter().map(|d| (d.at, d.record.clone())).collect()
}

fn cases(few: u64) -> u64 {
    std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

fn json(journal: &[(Time, Record)]) -> String {
    journal.iter().map(|e| serde_json::to_string(e).unwrap() + "\n").collect()
}

fn minutes(n: i64) -> i64 {
    n * 60_000
}

/// What errors are, in thousandths of 200 events a minute, and the delay in seconds.
fn plain(plan: &Plan, checks: usize, bad: impl Fn(usize) -> f64) -> Recording {
    range(plan, checks, |k, i| {
        let input = &plan.inputs[i];
        let reading = match (&input.ask, input.metric.as_str()) {
            (Ask::Increase(..), "failed") => Reading::Increase(1000.0 * bad(k)),
            (Ask::Increase(..), _) => Reading::Increase(1000.0),
            _ => Reading::Value(1.0),
        };
        known(reading, k, plan)
    })
}

#[test]
fn replaying_a_run_is_the_run_byte_for_byte() {
    let plan = plan(POLICY);
    let (mut ended, mut recovered, mut back) = (0, 0, 0);
    // 426: an action ends when the run is over already
    for seed in (1..=cases(60)).chain([426]) {
        let (recording, then) = run(&plan, seed, 200);
        let read =
            if seed % 5 == 0 { decode(&encode(&recording).unwrap(), "a file").unwrap() } else { recording.clone() };
        let outcome = replay(&plan, &read, &Scenario::default());
        assert_eq!(json(&journal(&outcome)), json(&then), "seed {seed}");
        let of_the_world = |text: &str| text.contains("read back") || text.contains("not what happened");
        assert!(!outcome.assumptions.iter().any(|a| of_the_world(&a.text)), "{:?}", outcome.assumptions);
        ended += usize::from(outcome.verdict.is_some());
        recovered += usize::from(recording.happened.iter().any(|h| matches!(h, Happened::Recovered { .. })));
        back += usize::from(outcome.verdict == Some(Verdict::RolledBack));
    }
    assert!(ended > 5 && recovered > 5 && back > 2, "ended {ended}, recovered {recovered}, rolled back {back}");
}

#[test]
fn over_answers_alone_a_replay_is_the_engine_stepped_by_hand() {
    let plan = plan(POLICY);
    let mut verdicts = std::collections::BTreeSet::new();
    for seed in 1..=cases(60) {
        let (mut recording, _) = run(&plan, seed, 260);
        recording.happened.clear();
        let outcome = replay(&plan, &recording, &Scenario::default());
        assert_eq!(json(&journal(&outcome)), json(&plainly(&plan, &recording)), "seed {seed}");
        verdicts.insert(outcome.verdict.map(Verdict::text));
    }
    assert!(verdicts.len() > 1, "{verdicts:?}");
}

/// A picture draws what is beyond a limit: of `not (x > limit)` that is above it.
#[test]
fn a_guard_knows_on_which_side_of_its_limit_it_is_well() {
    let text = PLAIN
        .replace("guard delay:  delay < 2s ", "guard delay:  not (delay > 2s) ")
        .replace("errors < 1%", "not (errors < 1%)");
    let text = text
        .replace("rollout checkout {", "rollout checkout {\n  guard more: delay > 1ms  tolerate 30s  else rollback");
    let plan = plan(&text);
    let recording =
        Recording { about: world::about(&plan, START + minutes(1)), series: Vec::new(), happened: Vec::new() };
    let outcome = replay(&plan, &recording, &Scenario::default());
    let below: Vec<(&str, bool)> = outcome.guards.iter().map(|g| (g.name.as_str(), g.below)).collect();
    assert_eq!(below, [("more", false), ("errors", false), ("delay", true)]);
}

#[test]
fn setting_what_is_said_already_changes_nothing() {
    let plan = plan(POLICY);
    for (name, value) in
        [("errors.limit", "1%"), ("errors.tolerate", "1m"), ("errors.for", "60s"), ("errors.at_least", "50")]
    {
        assert_eq!(change::set(&plan, name, value).unwrap(), plan, "{name}");
    }
    let other = change::set(&plan, "errors.limit", "2%").unwrap();
    assert_ne!(other.hash, plan.hash);
    // the same plan, found again by another way, is replayed as if nothing had been said
    for seed in 1..=10 {
        let (recording, then) = run(&plan, seed, 150);
        let scenario = Scenario { unchanged: Some(plan.clone()), ..Scenario::default() };
        assert_eq!(json(&journal(&replay(&plan, &recording, &scenario))), json(&then));
    }
}

#[test]
fn a_changed_policy_lives_in_the_recorded_world_until_it_asks_for_something_else() {
    let plan = plan(POLICY);
    let mut parted = 0;
    for seed in 1..=cases(60) {
        let (recording, then) = run(&plan, seed, 200);
        let changed = change::set(&plan, "errors.tolerate", "3m").unwrap();
        let scenario = Scenario { unchanged: Some(plan.clone()), ..Scenario::default() };
        let outcome = replay(&changed, &recording, &scenario);
        let since = outcome.assumptions.iter().find(|a| a.text.contains("not what happened")).map(|a| a.since.unwrap());
        // reports tell the tolerance: settings, read-backs and actions are compared
        let world = |list: &[(Time, Record)], until: Time| -> Vec<String> {
            let of_it = |r: &Record| matches!(r.kind(), "entered" | "verified" | "action_started" | "action_ended");
            list.iter().filter(|(t, r)| *t < until && of_it(r)).map(|e| serde_json::to_string(e).unwrap()).collect()
        };
        let until = since.unwrap_or(Time::MAX);
        assert_eq!(world(&journal(&outcome), until), world(&then, until), "seed {seed}");
        parted += usize::from(since.is_some());
        let track = &outcome.ports[0];
        assert_eq!(track.assumed_since, since, "seed {seed}");
    }
    assert!(parted > 0);
}

#[test]
fn a_worse_fault_is_never_promoted_where_a_milder_one_was_rolled_back() {
    let plan = plan(PLAIN);
    for seed in 1..=20_u64 {
        let recording = plain(&plan, 90, |k| {
            ((seed * 7919 + k as u64 * 104_729) % 97) as f64 / 97.0 * if k == 0 { 0.0 } else { 0.012 }
        });
        let mut before: Option<Time> = None;
        for tenth in 0..30 {
            let fault = format!("errors +{}pp from 3m to 12m", f64::from(tenth) / 10.0);
            let injections = vec![inject::parse(&fault, &plan).unwrap()];
            let cell = sweep::cell(&replay(&plan, &recording, &Scenario { injections, ..Scenario::default() }));
            let back = (cell.verdict == Some(Verdict::RolledBack)).then_some(cell.decided_at).flatten();
            if let Some(before) = before {
                assert!(back.is_some_and(|t| t <= before), "seed {seed}: {fault}: {cell:?}, milder: {before}");
            }
            before = before.or(back).map(|t| back.unwrap_or(t));
        }
        assert!(before.is_some(), "seed {seed}");
    }
}

#[test]
fn a_fault_measured_for_everybody_hurts_as_far_as_the_canary_is_exposed() {
    let plan = plan(PLAIN);
    let recording = plain(&plan, 90, |_| 0.0);
    let with = |fault: &str| {
        let injections = vec![inject::parse(fault, &plan).unwrap()];
        replay(&plan, &recording, &Scenario { injections, ..Scenario::default() })
    };
    let at = |o: &Outcome, t: Time| o.guards[1].points.iter().rev().find(|p| p.at <= START + t).unwrap().value.unwrap();
    // `delay` has no `${where}`: 2 s at 10 % are 0.2 s, and all of them at 100 %
    let outcome = with("delay +2s from 5m");
    assert_eq!(at(&outcome, minutes(4)), 1.0);
    assert!((at(&outcome, minutes(6)) - 1.2).abs() < 1e-9, "{}", at(&outcome, minutes(6)));
    assert_eq!(outcome.verdict, Some(Verdict::RolledBack));
    let cell = sweep::cell(&outcome);
    assert_eq!((cell.phase.as_str(), cell.rule.as_deref()), ("full", Some("delay")));
    assert!(outcome.assumptions.iter().any(|a| a.text.contains("times the canary's share of the traffic")));
    // `errors` is measured for the canary alone: the whole of it at 10 % already, a window's part at first
    let outcome = with("errors +2pp from 5m");
    let cell = sweep::cell(&outcome);
    assert_eq!((cell.phase.as_str(), cell.rule.as_deref()), ("taste", Some("errors")));
    let errors = |t: Time| outcome.guards[0].points.iter().rev().find(|p| p.at <= START + t).unwrap().value.unwrap();
    assert_eq!(errors(minutes(5)), 0.0);
    assert!((errors(minutes(5) + 15_000) - 0.005).abs() < 1e-9, "a quarter of the window");
    assert!((errors(minutes(5) + 45_000) - 0.015).abs() < 1e-9);
}

#[test]
fn missing_stale_and_silent_are_what_the_engine_calls_them() {
    let plan = plan(PLAIN);
    let recording = plain(&plan, 60, |_| 0.0);
    let words = |fault: &str, guard: usize| {
        let injections = vec![inject::parse(fault, &plan).unwrap()];
        let outcome = replay(&plan, &recording, &Scenario { injections, ..Scenario::default() });
        outcome.guards[guard].words.clone()
    };
    let word = |fault: &str, guard: usize, t: Time| {
        words(fault, guard).iter().rev().find(|(at, _)| *at <= START + t).and_then(|(_, w)| *w)
    };
    // others have a series, and the canary has none
    assert_eq!(word("errors missing from 5m to 5m15s", 0, minutes(5)), Some(Word::Dark));
    assert_eq!(word("errors missing from 5m to 5m15s", 0, minutes(5) + 15_000), Some(Word::Ok));
    assert_eq!(word("source prometheus outage from 5m to 6m", 1, minutes(5)), Some(Word::Blind));
    assert_eq!(word("source prometheus outage from 5m to 6m", 1, minutes(6)), Some(Word::Ok));
    // old samples are believed for a while
    assert_eq!(word("errors stale from 5m", 0, minutes(5)), Some(Word::Ok));
    let dark = words("errors stale from 5m", 0).iter().find(|(_, w)| *w == Some(Word::Dark)).unwrap().0;
    let max_age = plan.inputs.iter().find(|i| i.metric == "served").unwrap().max_age;
    assert_eq!(dark, START + minutes(5) + max_age + 15_000);
}

#[test]
fn a_runner_that_was_gone_asks_for_what_it_missed() {
    let plan = plan(PLAIN);
    // bad only while the runner is gone: the checks of then tell of it, and what they tell is acted upon
    let recording = plain(&plan, 90, |k| if (20..28).contains(&k) { 0.05 } else { 0.0 });
    let injections = vec![inject::parse("runner outage from 4m30s to 6m30s", &plan).unwrap()];
    let outcome = replay(&plan, &recording, &Scenario { injections, ..Scenario::default() });
    let back = outcome.decisions.iter().find(|d| matches!(d.record, Record::Rollback { .. })).unwrap();
    assert_eq!(back.at, START + 22 * 15_000, "{outcome:#?}");
    assert!(outcome.assumptions.iter().any(|a| a.text.contains("missed")));
}

/// As `run` does: of very many missed checks the newest 2000 are asked for.
#[test]
fn a_runner_that_was_gone_for_long_asks_for_the_newest() {
    let plan = plan(&PLAIN.replace("hold 10m", "hold 20h"));
    let bad = |from: usize| plain(&plan, 2_700, move |k| if (from..from + 20).contains(&k) { 0.05 } else { 0.0 });
    let replayed = |recording: &Recording| {
        // 2400 checks: those from 100 to 2499
        let injections = vec![inject::parse("runner outage from 25m to 10h25m", &plan).unwrap()];
        replay(&plan, recording, &Scenario { injections, ..Scenario::default() })
    };
    let back = |o: &Outcome| o.decisions.iter().find(|d| matches!(d.record, Record::Rollback { .. })).map(|d| d.at);
    let forgotten = replayed(&bad(300));
    assert_eq!(back(&forgotten), None, "{:#?}", forgotten.decisions);
    let told = forgotten.assumptions.iter().map(|a| a.text.as_str()).collect::<Vec<_>>();
    assert!(told.contains(&"2400 checks were missed, and the newest 2000 of them are asked for"), "{told:#?}");
    let asked = replayed(&bad(600));
    assert!(back(&asked).is_some_and(|at| at > START + 600 * 15_000 && at < START + 620 * 15_000), "{asked:#?}");
    let few = replay(&plan, &bad(300), &Scenario::default());
    assert!(!few.assumptions.iter().any(|a| a.text.contains("newest")));
}

/// A policy that checks less often than what was recorded: its own checks are taken, with what was counted between them.
#[test]
fn a_recording_with_more_checks_is_sampled_down() {
    let fine = plan(&PLAIN.replace("every 15s", "every 5s"));
    let coarse = plan(PLAIN);
    let bad = |at: Time| if (START + minutes(5)..START + minutes(7)).contains(&at) { 0.05 } else { 0.0 };
    let answers = plain(&fine, 300, |k| bad(START + i64::try_from(k).unwrap() * 5_000));
    // each third row, with its own sample's time
    let mut sampled = answers.clone();
    sampled.about.step = 15_000;
    for s in &mut sampled.series {
        let mut kept = canary::sim::recording::Series::new(s.key.clone()).unwrap();
        for row in (0..s.times.len()).step_by(3) {
            kept.push(s.times[row], s.answer(row).unwrap()).unwrap();
        }
        *s = kept;
    }
    let want = replay(&coarse, &sampled, &Scenario::default());
    assert_eq!(want.verdict, Some(Verdict::RolledBack));
    let decided = |r: &Recording| {
        assert_eq!(misfit(&coarse, r, &Scenario::default()), None);
        replay(&coarse, r, &Scenario::default())
    };
    assert_eq!(json(&journal(&decided(&answers))), json(&journal(&want)));
    // the same out of a run that checked oftener
    let mut of_a_run = answers.clone();
    of_a_run.about.run = Some(String::from("run-1"));
    let originals = vec![(String::from("checkout"), Setting::Share(0.0))];
    of_a_run.happened.push(Happened::Start { at: START, originals, rolled_back: None });
    for k in 1..300 {
        let ports = vec![(String::from("checkout"), Setting::Share(0.5))];
        of_a_run.happened.push(Happened::Check { at: START + k * 5_000, ports, ports_epoch: 0, live: true });
    }
    let got = decided(&of_a_run);
    assert_eq!(json(&journal(&got)), json(&journal(&want)));
    let told = got.assumptions.iter().map(|a| a.text.as_str()).collect::<Vec<_>>();
    assert!(told.iter().any(|t| t.starts_with("the recorded run checked every 5s, of which")), "{told:#?}");
    // the other way round there is nothing to be had
    let few = misfit(&fine, &sampled, &Scenario::default()).unwrap();
    assert!(
        few.contains("checks every 5s, and the recording has answers every 15s")
            && few.contains("write `check every 15s`")
    );
    let begins = Scenario { start: Some(START + 5_000), ..Scenario::default() };
    assert_eq!(replay(&coarse, &of_a_run, &begins).start, START + 5_000);
}

#[test]
fn what_people_said_while_the_runner_was_gone_comes_before_what_it_missed() {
    let plan = plan(PLAIN);
    let mut recording = plain(&plan, 90, |k| if (20..28).contains(&k) { 0.05 } else { 0.0 });
    let (act, who, why) = (String::from("abort"), String::from("ada"), String::from("enough"));
    let originals = plan.ports.iter().map(|p| (p.name.clone(), Setting::Share(0.0))).collect();
    recording.happened.push(Happened::Start { at: START, originals, rolled_back: None });
    for k in 1..90 {
        let at = START + k * 15_000;
        recording.happened.push(Happened::Check { at, ports: Vec::new(), ports_epoch: 0, live: true });
        if k == 24 {
            let (act, who, why) = (act.clone(), who.clone(), why.clone());
            recording.happened.push(Happened::Operator { at, act, of: None, who, why });
        }
    }
    // another policy wrote it: the world is made up all along
    recording.about.policy = String::from("another");
    let injections = vec![inject::parse("runner outage from 4m30s to 6m30s", &plan).unwrap()];
    let outcome = replay(&plan, &recording, &Scenario { injections, ..Scenario::default() });
    // as a run does that is resumed: an abort does not wait for checks that could do something else first
    assert_eq!(outcome.verdict, Some(Verdict::Aborted), "{outcome:#?}");
}

#[test]
fn what_is_counted_from_check_to_check_is_not_lost_over_a_silence() {
    let plan = plan(
        "edition 2026\n\
         metric failed: counter = prometheus(`x_total{code=~\"5..\", ${where}}`)\n\
         metric served: counter = prometheus(`x_total{${where}}`)\n\
         metric errors: events = events(bad: failed, total: served, window: 1m)\n\
         traffic t\n\
         rollout r {\n  check every 15s\n  guard errors: errors < 50% else tell\n  \
         phase p { traffic t = 10%  hold until 400 events of errors }\n}\n",
    );
    let since_last = |i: &canary::plan::Input| matches!(i.ask, Ask::Increase(_, Window::SinceLast));
    assert!(plan.inputs.iter().any(since_last));
    let recording = range(&plan, 80, |k, i| {
        let n = if plan.inputs[i].metric == "failed" { 0.0 } else { 10.0 };
        known(Reading::Increase(n), k, &plan)
    });
    let end = |injections: &[&str]| {
        let injections = injections.iter().map(|t| inject::parse(t, &plan).unwrap()).collect();
        sweep::cell(&replay(&plan, &recording, &Scenario { injections, ..Scenario::default() })).decided_at.unwrap()
    };
    let plainly = end(&[]);
    assert_eq!(end(&["source prometheus outage from 3m to 6m"]), plainly);
    assert_eq!(end(&["runner outage from 3m to 6m"]), plainly);
    assert!(end(&["source prometheus outage from 3m to 15m"]) > plainly);
}

#[test]
fn a_baseline_is_recorded_or_reckoned_or_missing() {
    let plan = plan(
        "edition 2026\nmetric delay: duration = prometheus(`delay_seconds{${where}}`)\ntraffic t\n\
         rollout r {\n  check every 15s\n  baseline 1m\n  guard a: delay <= before + 1s else rollback\n  \
         guard b: delay <= stable + 100s else rollback\n  phase p { traffic t = 10%  hold 2m }\n}\n",
    );
    let recording = range(&plan, 60, |k, i| {
        let v = match plan.inputs[i].population {
            Population::Before => 5.0,
            Population::Stable => k as f64,
            Population::Canary => 6.5,
        };
        known(Reading::Value(v), k, &plan)
    });
    let at = |start: Option<Time>| replay(&plan, &recording, &Scenario { start, ..Scenario::default() });
    // 6.5 <= 5 + 1 is false from the first check on: refused
    assert_eq!(at(None).verdict, Some(Verdict::Refused));
    // the mean of what stable was in the minute before: 17, 18, 19, 20
    let later = at(Some(START + 20 * 15_000));
    assert_eq!(later.verdict, Some(Verdict::Promoted), "{:#?}", later.decisions);
    assert_eq!(later.guards[0].points[1].limit, Some(19.5));
    assert!(later.assumptions.iter().any(|a| a.text.contains("reckoned from")), "{:?}", later.assumptions);
    // half a minute is no minute
    let early = at(Some(START + 2 * 15_000));
    assert_eq!(early.verdict, Some(Verdict::Refused));
    assert!(early.assumptions.iter().any(|a| a.text.contains("not recorded without a gap")), "{:?}", early.assumptions);
}

#[test]
fn what_the_recording_never_saw_is_said() {
    let plan = plan(PLAIN);
    let mut recording = plain(&plan, 90, |_| 0.0);
    let says = |o: &Outcome, t: &str| o.assumptions.iter().any(|a| a.text.contains(t));
    assert!(says(&replay(&plan, &recording, &Scenario::default()), "how much the canary was exposed"));
    // a run of another policy that went to a quarter
    recording.about.policy = String::from("another");
    recording.happened.push(Happened::Start {
        at: START,
        originals: vec![(String::from("checkout"), Setting::Share(0.0))],
        rolled_back: None,
    });
    for k in 1..90 {
        recording.happened.push(Happened::Check {
            at: START + k * 15_000,
            ports: vec![(String::from("checkout"), Setting::Share(0.25))],
            ports_epoch: 1,
            live: true,
        });
    }
    let outcome = replay(&plan, &recording, &Scenario::default());
    assert!(says(&outcome, "checkout at 100%: the recording has it at 25% at most"), "{:?}", outcome.assumptions);
    assert!(!says(&outcome, "checkout at 10%"));
    assert!(says(&outcome, "another policy"));
    // a hole is said, and the end
    let mut holed = plain(&plan, 20, |_| 0.0);
    for s in &mut holed.series {
        s.times.remove(10);
        s.sampled.remove(10);
        s.counts.remove(10);
        match &mut s.values {
            canary::sim::recording::Values::Value(v) | canary::sim::recording::Values::Increase(v) => {
                v.remove(10);
            }
            canary::sim::recording::Values::Buckets { .. } => unreachable!(),
        }
    }
    let outcome = replay(&plan, &holed, &Scenario::default());
    assert_eq!(outcome.verdict, None);
    assert!(says(&outcome, "delay: the recording has nothing at 2m30s"), "{:?}", outcome.assumptions);
    assert!(says(&outcome, "not decided: the recording was over after 4m45s"));
    // between two checks: the next one
    let start = Some(START + 1);
    assert!(says(
        &replay(&plan, &holed, &Scenario { start, ..Scenario::default() }),
        "the first recorded check at or after"
    ));
}

#[test]
fn a_recording_that_ended_early_says_so() {
    let plan = plan(PLAIN);
    let mut recording = plain(&plan, 20, |_| 0.0);
    let says = |r: &Recording| {
        let outcome = replay(&plan, r, &Scenario::default());
        outcome
            .assumptions
            .iter()
            .any(|a| a.text.contains("ends before the run does") && a.since == Some(START + 19 * 15_000))
    };
    assert!(!says(&recording));
    recording.about.incomplete = true;
    assert!(says(&decode(&encode(&recording).unwrap(), "r").unwrap()));
}

#[test]
fn what_cannot_be_is_refused_with_a_way_out() {
    let plan = plan(PLAIN);
    for (text, want) in [
        ("errors +300ms", "is a ratio"),
        ("delay +1pp", "is a duration"),
        ("failed +3", "`+5/s`"),
        ("latency +300ms", "reads no metric `latency`: it reads"),
        ("error +1pp", "did you mean `errors`?"),
        ("errors", "is not understood"),
        ("errors +1pp from", "wants a time"),
        ("errors +1pp from 5m to 3m", "ends before it begins"),
        ("errors +1pp from 5m from 6m", "is not understood here"),
        ("source loki outage", "it reads prometheus"),
        ("runner outage from 5m", "say until when"),
        ("errors +", "expected a value"),
        ("", "is not understood"),
    ] {
        let error = inject::parse(text, &plan).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
    for (name, value, want) in [
        ("errors.limit", "300ms", "the limit of errors is 1%"),
        ("errors.limit", "-1%", "the limit of errors is 1%"),
        ("error.limit", "1%", "did you mean `errors`?"),
        ("errors.size", "1%", "has no `size` to set"),
        ("errors.at_least", "5", "has no `at least n events`"),
        ("errors.tolerate", "many", "`many`"),
        ("errors.tolerate", "0 checks", "from 1 on"),
    ] {
        let error = change::set(&plan, name, value).unwrap_err();
        assert!(error.contains(want), "{name}={value}: {error}");
    }
    for (text, want) in [
        ("errors.limit", "no `=`"),
        ("errors.limit=1%..5%", "wants a step"),
        ("errors.limit=5%..1%:1%", "must rise"),
        ("errors.limit=1%..5%:0%", "must rise"),
        ("errors.limit=1%..5s:1%", "not of one unit"),
        ("errors.limit=0%..100%:0.0001%", "more than 100000"),
    ] {
        let error = sweep::axis(text).unwrap_err();
        assert!(error.contains(want), "{text}: {error}");
    }
    let axis = sweep::axis("errors.limit=0.5%..5%:0.5%").unwrap();
    let texts: Vec<&str> = axis.values.iter().map(|v| v.text.as_str()).collect();
    assert_eq!(texts, ["0.5%", "1%", "1.5%", "2%", "2.5%", "3%", "3.5%", "4%", "4.5%", "5%"]);
    assert_eq!(sweep::axis("g.tolerate=0s..3m:90s").unwrap().values[1].text, "1m30s");
    let mut recording = plain(&plan, 20, |_| 0.0);
    recording.about.step = 10_000;
    assert!(misfit(&plan, &recording, &Scenario::default()).unwrap().contains("every 10s"));
    recording.about.step = 5_000;
    assert_eq!(misfit(&plan, &recording, &Scenario::default()), None);
    let late = Scenario { start: Some(START + minutes(60)), ..Scenario::default() };
    assert!(misfit(&plan, &recording, &late).unwrap().contains("no check at or after"));
    assert!(misfit(&plan, &Recording::default(), &Scenario::default()).unwrap().contains("empty"));
}

#[test]
fn odd_recordings_come_to_an_end() {
    let plan = plan(POLICY);
    // no series at all, one row, answers of another kind, a NaN
    let mut odd = vec![Recording { about: world::about(&plan, START), ..Recording::default() }];
    odd.push(range(&plan, 1, |_, _| Answer::missing(Missing::NotANumber)));
    odd.push(range(&plan, 30, |_, _| Answer::failed("down")));
    let mut nan = plain(&plan_of_plain(), 30, |_| f64::NAN);
    nan.series.iter_mut().for_each(|s| s.missing.clear());
    odd.push(nan);
    // what it says of itself is more than there is
    let mut boast = range(&plan, 30, |_, _| Answer::failed("down"));
    (boast.about.from, boast.about.to) = (Time::MIN, Time::MAX);
    odd.push(boast.clone());
    for start in [Time::MIN, Time::MAX, START - 1, START + 1] {
        let outcome = replay(&plan, &boast, &Scenario { start: Some(start), ..Scenario::default() });
        assert!(outcome.verdict != Some(Verdict::Promoted));
    }
    for recording in odd {
        let outcome = replay(&plan, &recording, &Scenario::default());
        assert!(outcome.end >= outcome.start && outcome.verdict != Some(Verdict::Promoted), "{outcome:#?}");
    }
    let input = &plan.inputs[0];
    assert_eq!(Key::of(input, &[]).slice, Vec::<String>::new());
}

fn plan_of_plain() -> Plan {
    plan(PLAIN)
}

/// An incident: from 8m on, 4 % of the canary's answers are errors.
fn incident(plan: &Plan) -> Recording {
    plain(plan, 120, |k| if k >= 32 { 0.04 } else { 0.002 })
}

#[test]
fn the_timeline_tells_what_and_why() {
    let plan = plan(PLAIN);
    let mut outcome = replay(&plan, &incident(&plan), &Scenario::default());
    timeline::tell(&mut outcome);
    assert!(outcome.decisions.iter().all(|d| !d.text.is_empty()));
    insta::assert_snapshot!(timeline::text(&outcome, Style::PLAIN));
}

fn sim(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_canary")).arg("sim").args(args).current_dir(folder).output().unwrap();
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn the_command_tells_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(PLAIN);
    std::fs::write(folder.path().join("p.canary"), PLAIN).unwrap();
    std::fs::write(folder.path().join("incident.parquet"), encode(&incident(&plan)).unwrap()).unwrap();
    std::fs::write(folder.path().join("fine.parquet"), encode(&plain(&plan, 400, |_| 0.0)).unwrap()).unwrap();
    let on =
        |recording: &str, more: &[&str]| sim(folder.path(), &[&["p.canary", "--recording", recording], more].concat());
    let (status, out, err) = on("incident.parquet", &[]);
    assert_eq!((status, err.as_str()), (1, ""), "{out}");
    assert!(out.contains("because") || out.contains("rolled back after"), "{out}");
    let (status, out, _) = on("incident.parquet", &["--set", "errors.limit=5%"]);
    assert_eq!(status, 0, "{out}");
    let (status, out, _) = on("incident.parquet", &["--start", "29m"]);
    assert!(status == 5 || status == 3, "{status}: {out}");
    let (status, out, _) = on("fine.parquet", &["--inject", "errors +3pp from 2m"]);
    assert_eq!(status, 1, "{out}");
    for (args, want) in [
        (["--inject", "errors +3s"], "is a ratio"),
        (["--set", "nothing=3"], "no param `nothing`"),
        (["--set", "no.limit=3"], "has no guard `no`"),
        (["--vary", "errors.limit=1%"], ""),
        (["--vary", "errors.limit=1s,2s"], "the limit of errors is 1%"),
        (["--start", "soon"], "is no time"),
        (["--recording", "p.canary"], "--recording"),
        (["--backtest", "hourly"], "no number"),
    ] {
        let (status, out, err) = on("incident.parquet", &args);
        assert!(status == if want.is_empty() { 0 } else { 2 } && err.contains(want), "{args:?}: {status} {out} {err}");
    }
    let (status, _, err) = sim(folder.path(), &["p.canary", "--recording", "nothing.parquet"]);
    assert!(status == 2 && err.contains("cannot read nothing.parquet"), "{err}");
    let (status, _, err) = sim(folder.path(), &["p.canary", "--recording", "p.canary"]);
    assert!(status == 2 && err.contains("p.canary"), "{err}");

    std::fs::write(folder.path().join("other.canary"), PLAIN.replace("delay", "lag")).unwrap();
    let (status, _, err) = sim(folder.path(), &["other.canary", "--recording", "fine.parquet"]);
    assert!(status == 2 && err.contains("reads the metric `lag`"), "{err}");

    let vary = ["--vary", "errors.limit=1%..5%:2%", "--vary", "errors.tolerate=0s,2m"];
    let (status, out, _) = on("incident.parquet", &vary);
    assert_eq!(status, 0);
    insta::assert_snapshot!("sweep", out);
    let (_, out, _) = on("incident.parquet", &[&vary[..], &["--format", "json"]].concat());
    let whole: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(whole["schema"], "canary.sim/1");
    assert_eq!(whole["sweep"]["cells"].as_array().unwrap().len(), 6);
    assert_eq!(whole["sweep"]["axes"][0]["now"]["text"], "1%");
    assert_eq!(whole["outcome"]["verdict"], "rolled_back");

    // as a picture, and as a page
    let (status, out, _) = on("incident.parquet", &["--picture", "--html", "report.html"]);
    assert_eq!(status, 1);
    assert!(out.contains("limit < 1%") && out.contains("taste"), "{out}");
    let page = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(page.starts_with("<!doctype html>") && page.contains("guard errors breached"));
    let (status, out, _) = on("incident.parquet", &[&vary[..], &["--picture", "--html", "map.html"]].concat());
    assert!(status == 0 && out.contains("errors.tolerate"), "{out}");
    assert!(std::fs::read_to_string(folder.path().join("map.html")).unwrap().contains("errors.tolerate"));
    let (status, _, err) = on("incident.parquet", &["--html", "no/such/folder.html"]);
    assert!(status == 2 && err.contains("cannot write"), "{err}");

    let test = ["--backtest", "every 10m", "--healthy", "0s..8m", "--healthy", "0s..1h"];
    let (status, out, _) = on("incident.parquet", &test);
    assert_eq!(status, 0, "{out}");
    insta::assert_snapshot!("backtest", out);
}

#[test]
fn the_environment_of_a_recorded_run_is_found() {
    let quickstart =
        std::fs::read_to_string(format!("{}/examples/quickstart/checkout.canary", env!("CARGO_MANIFEST_DIR")));
    let text = quickstart.unwrap();
    let (alone, lab) = (plan(&text), world::plan_on_the_lab(&text));
    assert_ne!(alone.hash, lab.hash);
    let (mut recording, then) = run(&lab, 3, 60);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.canary"), &text).unwrap();
    std::fs::write(folder.path().join("run.parquet"), encode(&recording).unwrap()).unwrap();
    recording.about.environment = Some(String::from("lab"));
    std::fs::write(folder.path().join("says.parquet"), encode(&recording).unwrap()).unwrap();
    // one that has another name by now
    recording.about.environment = Some(String::from("gone"));
    std::fs::write(folder.path().join("gone.parquet"), encode(&recording).unwrap()).unwrap();
    for args in [&["run.parquet"][..], &["run.parquet", "--env", "lab"], &["says.parquet"], &["gone.parquet"]] {
        let all = [&["p.canary", "--format", "json", "--recording"], args].concat();
        let (_, out, err) = sim(folder.path(), &all);
        assert_eq!(err, "");
        let whole: serde_json::Value = serde_json::from_str(&out).unwrap();
        let records = whole["outcome"]["decisions"].as_array().unwrap();
        let records: Vec<_> =
            records.iter().map(|d| serde_json::from_value::<Record>(d["record"].clone()).unwrap()).collect();
        assert_eq!(records, then.iter().map(|(_, r)| r.clone()).collect::<Vec<_>>());
    }
}

/// The environment says how often is scraped, and so what is asked: of answers alone it is found as well, by its name.
#[test]
fn the_environment_of_recorded_answers_is_the_one_that_they_name() {
    let text = PLAIN.replace(", window: 1m", "");
    let environment = "edition 2026\nenvironment slow {\n  prometheus = prometheus(url: \"http://127.0.0.1:9\", scrape: 30s)\n  \
                       checkout = command(set: [\"true\"], get: [\"true\"])\n  \
                       variants checkout { canary = `v=\"2\"` stable = `v=\"1\"` }\n}\n";
    let slow = world::plan_on(&format!("{text}{}", environment.replace("edition 2026\n", "")), "slow");
    let mut recording = plain(&slow, 200, |_| 0.0);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("environments")).unwrap();
    std::fs::write(folder.path().join("environments/slow.canary"), environment).unwrap();
    std::fs::write(folder.path().join("p.canary"), &text).unwrap();
    let mut of = |name: Option<&str>| {
        recording.about.environment = name.map(String::from);
        std::fs::write(folder.path().join("r.parquet"), encode(&recording).unwrap()).unwrap();
        sim(folder.path(), &["p.canary", "--recording", "r.parquet"])
    };
    let (status, out, err) = of(Some("slow"));
    assert!(status == 0 && err.is_empty() && !out.contains("another version"), "{status} {out}{err}");
    for name in [None, Some("gone")] {
        let (status, _, err) = of(name);
        assert!(
            status == 2 && err.contains("`increase over 1m`") && err.contains("`increase over 2m`"),
            "{status} {err}"
        );
    }
}
