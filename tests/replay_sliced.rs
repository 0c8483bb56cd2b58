//! What would it have done: replays of rollouts with slices, on recordings made in memory, against a plain driver of the same lives,
//! against `canary test` in the same world; and `canary sim` on their files. `CANARY_CASES=2000 cargo test --test replay_sliced`
//! replays more runs.
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
#[allow(dead_code, reason = "half of it is of rollouts without slices")]
mod plain;
#[path = "replay_sliced/world.rs"]
mod world;

use canary::check;
use canary::engine::{Record, Verdict};
use canary::plan::slices::Meant;
use canary::plan::{Answer, Plan, Reading, Time};
use canary::report::style::Style;
use canary::report::timeline;
use canary::sim::recording::sliced::Sliced;
use canary::sim::recording::{Happened, Recording, decode, encode};
use canary::sim::replay::outcome::{Outcome, closely};
use canary::sim::replay::{Detail, Scenario, change, inject, misfit, replay, replay_exposed, sweep};
use canary::sim::{self, Event};
use canary::syntax::{self, source::SourceMap};
use plain::{START, plan};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use world::{APART, Checks, JOINED, Told, keys, plainly, rows, run};

fn journal(plan: &Plan, outcome: &Outcome) -> Vec<(Time, Option<String>, String)> {
    let one = |d: &canary::sim::replay::outcome::Decision| {
        (d.at, d.slice.as_ref().map(|s| s.written().to_owned()), serde_json::to_string(&d.record).unwrap())
    };
    assert!(outcome.slices.as_ref().is_some_and(|s| s.unlisted == 0), "{}", plan.rollout);
    outcome.decisions.iter().map(one).collect()
}

fn told(plan: &Plan, journal: &[Told]) -> Vec<(Time, Option<String>, String)> {
    let name = |v: &Vec<String>| canary::plan::slices::written(&plan.slices, v);
    journal.iter().map(|(at, s, r)| (*at, s.as_ref().map(name), serde_json::to_string(r).unwrap())).collect()
}

#[track_caller]
fn same(left: &[(Time, Option<String>, String)], right: &[(Time, Option<String>, String)], seed: u64) {
    for (i, (a, b)) in left.iter().zip(right).enumerate() {
        assert_eq!(a, b, "seed {seed}, decision {i}");
    }
    assert_eq!(left.len(), right.len(), "seed {seed}");
}

fn cases(few: u64) -> u64 {
    std::env::var("CANARY_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

#[test]
fn replaying_a_run_of_slices_is_the_run_byte_for_byte() {
    let mut verdicts = BTreeSet::new();
    let (mut recovered, mut halted, mut waited, mut decisions) = (0, 0, 0, 0);
    for text in [APART, JOINED] {
        let plan = plan(text);
        for seed in 1..=cases(40) {
            let (recording, then) = run(&plan, seed, 120);
            let read =
                if seed % 5 == 0 { decode(&encode(&recording).unwrap(), "a file").unwrap() } else { recording.clone() };
            assert_eq!(misfit(&plan, &read, &Scenario::default()), None);
            let outcome = replay(&plan, &read, &Scenario::default());
            same(&journal(&plan, &outcome), &told(&plan, &then), seed);
            let of_the_world = |text: &str| text.contains("read back") || text.contains("not what happened");
            assert!(!outcome.assumptions.iter().any(|a| of_the_world(&a.text)), "{:?}", outcome.assumptions);
            let slices = outcome.slices.as_ref().unwrap();
            verdicts.extend(slices.list.iter().map(|s| s.cell.verdict.map(Verdict::text)));
            recovered += usize::from(recording.happened.iter().any(|h| matches!(h, Happened::Recovered { .. })));
            let all = |k: &str| then.iter().filter(|(_, s, r)| s.is_none() && r.kind() == k).count();
            halted += all("paused");
            waited += then.iter().filter(|(_, s, r)| s.is_some() && r.kind() == "refused").count();
            decisions += then.len();
        }
    }
    assert!(
        verdicts.len() >= 4 && recovered > 5 && halted > 3 && waited > 3,
        "{verdicts:?} {recovered} {halted} {waited}"
    );
    assert!(decisions > 1000, "{decisions}");
}

#[test]
fn over_answers_alone_a_replay_is_the_lives_stepped_by_hand() {
    let mut verdicts = BTreeSet::new();
    for text in [APART, JOINED] {
        let plan = plan(text);
        for seed in 1..=cases(40) {
            let (mut recording, _) = run(&plan, seed, 120);
            recording.happened.clear();
            let outcome = replay(&plan, &recording, &Scenario::default());
            // a check at which nothing is recorded of anybody is none of the plain driver's
            let then = plainly(&plan, &recording);
            let end = recording.about.to;
            let ours: Vec<_> = journal(&plan, &outcome).into_iter().filter(|d| d.0 <= end).collect();
            same(&ours, &told(&plan, &then), seed);
            verdicts.extend(outcome.slices.unwrap().list.iter().map(|s| s.cell.verdict.map(Verdict::text)));
        }
    }
    assert!(verdicts.len() >= 3, "{verdicts:?}");
}

#[test]
fn a_changed_policy_lives_in_the_recorded_world_until_it_asks_for_something_else() {
    let plan = plan(APART);
    let mut parted = 0;
    for seed in 1..=cases(30) {
        let (recording, then) = run(&plan, seed, 120);
        let changed = change::set(&plan, "queue.tolerate", "3m").unwrap();
        let scenario = Scenario { unchanged: Some(plan.clone()), ..Scenario::default() };
        let outcome = replay(&changed, &recording, &scenario);
        let since = outcome.assumptions.iter().find(|a| a.text.contains("not what happened")).map(|a| a.since.unwrap());
        let of_it = |text: &str| ["\"entered", "\"verified", "\"action_started"].iter().any(|k| text.contains(k));
        let until = since.unwrap_or(Time::MAX);
        let world = |list: Vec<(Time, Option<String>, String)>| -> Vec<_> {
            list.into_iter().filter(|(t, _, r)| *t < until && of_it(r)).collect()
        };
        assert_eq!(world(journal(&plan, &outcome)), world(told(&plan, &then)), "seed {seed}");
        parted += usize::from(since.is_some());
    }
    assert!(parted > 0);
}

/// What a test's words make of slices, as data.
const TEST: &str = r#"
test "one of three" for shop {
  given queue[tenant: "acme", severity: "low"] = 10
  given queue[tenant: "beta", severity: "low"] = 10
  given queue[tenant: "orb", severity: "high"] = 10 from 2m
  given queue[tenant: "beta"] = 25 from 6m to 9m
  given queue[tenant: "orb"] = 19 from 5m to 7m
  given load = 4
  given load before = 4
  given increase(leaks) = 0
  expect phase light[tenant: "acme"] at 40m
}
"#;

#[test]
fn what_a_test_says_of_slices_a_replay_of_the_same_world_does() {
    let text = format!("{}\n{TEST}", APART.replace("guard leaks: increase(leaks) < 400  else rollback\n", ""))
        .replace("  given increase(leaks) = 0\n", "")
        .replace("  given load before = 4\n", "")
        .replace("  baseline 1m\n", "")
        .replace("load < before + 8", "load < 9");
    let mut map = SourceMap::default();
    let id = map.add("test.canary", text.clone());
    let (file, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}");
    let compiled = check::tests::compile(&[file], &map);
    let test = &compiled.tests[0];
    let plan = &test.plan;
    let trace = sim::run(test, plan);
    let minute = 60_000;
    let queue = |tenant: &str, t: Time| match tenant {
        "beta" if (6 * minute..9 * minute).contains(&t) => 25.0,
        "orb" if (5 * minute..7 * minute).contains(&t) => 19.0,
        _ => 10.0,
    };
    let mut checks: Checks = Vec::new();
    for k in 0..=(trace.end / plan.check_every) {
        let (t, at) = (k * plan.check_every, START + k * plan.check_every);
        let mut given = BTreeMap::new();
        for (tenant, severity, from) in [("acme", "low", 0), ("beta", "low", 0), ("orb", "high", 2 * minute)] {
            if t < from {
                continue;
            }
            let answers = plan.inputs.iter().map(|input| {
                let v = if input.metric == "queue" { queue(tenant, t) } else { 4.0 };
                Answer { value: Ok(Reading::Value(v)), sampled_at: Some(at), series: 1 }
            });
            let of = |name: &str| if name == "tenant" { tenant.to_owned() } else { severity.to_owned() };
            given.insert(plan.slices.iter().map(|d| of(&d.name)).collect::<Vec<_>>(), answers.collect());
        }
        checks.push((at, given));
    }
    let to = checks.last().unwrap().0;
    let recording = Recording { about: world::about(plan, to), series: rows(plan, &checks), happened: Vec::new() };
    let outcome = replay(plan, &recording, &Scenario::default());
    assert_eq!(trace.slices.len(), 3);
    for slice in &trace.slices {
        let name = canary::plan::slices::written(&plan.slices, &slice.key);
        let phase = |p: &canary::plan::PhaseId| plan.phase_name(*p).to_owned();
        let tested = slice.trace.events.iter().filter_map(|(at, e)| {
            let told = match e {
                Event::Entered(p) => format!("entered {}", phase(p)),
                Event::Passed(p) => format!("passed {}", phase(p)),
                Event::Rollback(to, why) => format!("rollback {:?} {}", to.as_ref().map(phase), why.rule),
                Event::Finished(v) => format!("finished {}", v.text()),
                _ => return None,
            };
            Some((*at, told))
        });
        let every = plan.check_every;
        let mine = outcome.decisions.iter().filter(|d| d.slice.as_ref().is_some_and(|s| s.written() == name));
        let replayed = mine.filter_map(|d| {
            let told = match &d.record {
                Record::Entered { phase, .. } => format!("entered {phase}"),
                Record::Passed { phase, .. } => format!("passed {phase}"),
                Record::Rollback { to, explanation, .. } => format!("rollback {to:?} {}", explanation.rule),
                Record::Finished { verdict, .. } => format!("finished {}", verdict.text()),
                _ => return None,
            };
            // what comes just before a check stands at it in a test
            Some(((d.at - START + every - 1).div_euclid(every) * every, told))
        });
        let (tested, replayed): (Vec<_>, Vec<_>) = (tested.collect(), replayed.collect());
        assert_eq!(tested, replayed, "{name}");
        assert!(tested.len() > 2, "{name}: {tested:?}");
    }
    let counts = outcome.slices.unwrap().counts;
    assert_eq!((counts.seen, counts.promoted, counts.rolled_back), (3, 2, 1), "{counts:?}");
}

/// Steady answers: everybody is well but who `bad` says.
fn steady(plan: &Plan, checks: i64, bad: impl Fn(&[String], i64) -> bool) -> Recording {
    let mut out: Checks = Vec::new();
    for k in 0..checks {
        let at = START + k * plan.check_every;
        let one = |values: &Vec<String>| {
            let answers = plan.inputs.iter().map(|input| {
                let reading = match (&input.ask, input.metric.as_str()) {
                    (canary::plan::Ask::Increase(..), _) => Reading::Increase(0.0),
                    (_, "queue") => Reading::Value(if bad(values, k) { 25.0 } else { 10.0 }),
                    _ => Reading::Value(4.0),
                };
                Answer { value: Ok(reading), sampled_at: Some(at), series: 1 }
            });
            (values.clone(), answers.collect())
        };
        out.push((at, keys(plan).iter().map(one).collect()));
    }
    let to = out.last().unwrap().0;
    Recording { about: world::about(plan, to), series: rows(plan, &out), happened: Vec::new() }
}

fn is(values: &[String], what: &str) -> bool {
    values.iter().any(|v| v == what)
}

#[test]
fn one_slice_is_looked_at_closely_and_all_are_told_of() {
    let plan = plan(APART);
    let recording = steady(&plan, 80, |s, k| is(s, "beta") && is(s, "low") && k >= 24);
    let outcome = replay(&plan, &recording, &Scenario::default());
    let slices = outcome.slices.as_ref().unwrap();
    // "odd" is no value that the policy lists
    assert_eq!((slices.list.len(), slices.counts.seen), (8, 8));
    assert_eq!(
        slices.shown.as_ref().unwrap().written(),
        "severity=low,tenant=beta".split(',').rev().collect::<Vec<_>>().join(",")
    );
    assert_eq!((slices.counts.promoted, slices.counts.rolled_back), (7, 1), "{:?}", slices.counts);
    assert_eq!(outcome.verdict, Some(Verdict::RolledBack));
    assert!(!outcome.guards.is_empty() && outcome.phases.iter().any(|p| p.name == "rolling back"));
    // the least risky begin first, two a minute
    let mut began: Vec<Time> = slices.list.iter().map(|s| s.began.unwrap() - START).collect();
    began.sort_unstable();
    assert_eq!(began, [0, 0, 60_000, 60_000, 120_000, 120_000, 180_000, 180_000]);
    let close = closely(&outcome);
    assert!(close.decisions.len() < outcome.decisions.len());
    assert!(close.decisions.iter().all(|d| d.slice.is_none() || d.slice == slices.shown));

    let slice = Some(Meant::parse("tenant=acme,severity=low").unwrap());
    let other = replay(&plan, &recording, &Scenario { slice, ..Scenario::default() });
    assert_eq!(other.slices.as_ref().unwrap().list, slices.list);
    assert_eq!(other.decisions, outcome.decisions);
    assert!(other.phases.iter().all(|p| p.name != "rolling back") && !other.guards[0].points.is_empty());

    // a sweep and a backtest know how many, and nothing of one
    let brief = Scenario { detail: Detail::Course, ..Scenario::default() };
    let (few, exposed) = replay_exposed(&plan, &recording, &brief);
    let cell = sweep::cell(&few);
    assert_eq!(cell, sweep::cell(&outcome));
    assert_eq!((cell.rule.as_deref(), cell.slices), (Some("queue"), Some(slices.counts)));
    assert!(few.decisions.is_empty() && few.slices.unwrap().shown.is_none());
    assert!(exposed.exposure_seconds > 0.0);
}

#[test]
fn a_fault_can_be_put_into_all_slices_or_into_some() {
    let plan = plan(APART);
    let recording = steady(&plan, 80, |_, _| false);
    let with = |fault: &str| {
        let injections = vec![inject::parse(fault, &plan).unwrap_or_else(|e| panic!("{e}"))];
        let outcome = replay(&plan, &recording, &Scenario { injections, ..Scenario::default() });
        let slices = outcome.slices.unwrap();
        let back = slices.list.iter().filter(|s| s.cell.verdict == Some(Verdict::RolledBack));
        back.map(|s| s.slice.written().to_owned()).collect::<Vec<_>>()
    };
    assert!(with("queue +5").is_empty(), "15 is still below 20");
    assert!(with("queue +15").is_empty(), "nobody begins where it is bad from the first check on");
    assert_eq!(with("queue +15 from 6m").len(), 8);
    assert_eq!(with("queue +15 in tenant=acme from 6m").len(), 2);
    assert_eq!(with("queue +15 in tenant=acme,severity=low from 6m").len(), 1);
    assert!(with("queue +15 in tenant=nobody from 6m").is_empty());
    let wrong = |fault: &str| inject::parse(fault, &plan).unwrap_err();
    assert!(wrong("queue +15 in region=eu").contains("it has"), "{}", wrong("queue +15 in region=eu"));
    assert!(wrong("queue +15 in").contains("names no slice"));
    assert!(wrong("source prometheus outage in tenant=acme").contains("one for all slices"));
    assert!(wrong("runner outage in tenant=acme to 3m").contains("one for all slices"));
    // what one slice lacks is dark while others have it
    let missing = |fault: &str| {
        let injections = vec![inject::parse(fault, &plan).unwrap()];
        let slice = Some(Meant::parse("tenant=acme,severity=low").unwrap());
        let outcome = replay(&plan, &recording, &Scenario { injections, slice, ..Scenario::default() });
        let words: BTreeSet<String> =
            outcome.guards[0].words.iter().filter_map(|(_, w)| w.map(|w| w.text().to_owned())).collect();
        words
    };
    assert!(missing("queue missing in tenant=acme from 3m").contains("dark"));
}

#[test]
fn a_runner_that_was_gone_asks_for_what_it_missed_of_all() {
    let plan = plan(APART);
    // bad only while the runner is gone
    let recording = steady(&plan, 80, |s, k| is(s, "beta") && is(s, "low") && (24..32).contains(&k));
    let injections = vec![inject::parse("runner outage from 5m50s to 8m10s", &plan).unwrap()];
    let outcome = replay(&plan, &recording, &Scenario { injections, ..Scenario::default() });
    let back: Vec<_> = outcome.decisions.iter().filter(|d| matches!(d.record, Record::Rollback { .. })).collect();
    assert_eq!(back.len(), 1, "{back:#?}");
    assert_eq!(back[0].at, START + 27 * 15_000);
    assert!(outcome.assumptions.iter().any(|a| a.text.contains("missed")));
}

#[test]
fn what_does_not_fit_is_said() {
    let (apart, joined) = (plan(APART), plan(JOINED));
    let recording = steady(&apart, 10, |_, _| false);
    let say =
        |plan: &Plan, recording: &Recording, scenario: &Scenario| misfit(plan, recording, scenario).unwrap_or_default();
    let usual = Scenario::default();
    assert!(
        say(&joined, &recording, &usual).contains("has slices per `tenant`"),
        "{}",
        say(&joined, &recording, &usual)
    );
    let slice = |text: &str| Scenario { slice: Some(Meant::parse(text).unwrap()), ..Scenario::default() };
    assert!(say(&apart, &recording, &slice("region=eu")).contains("it has"));
    assert!(say(&apart, &recording, &slice("tenant=nobody")).contains("no slice tenant=nobody in the recording"));
    let several = say(&apart, &recording, &slice("tenant=acme"));
    assert!(several.contains("means 3 slices") && several.contains("name one"), "{several}");
    assert_eq!(say(&apart, &recording, &slice("tenant=acme,severity=low")), "");
    let unsliced =
        plan(&APART.replace(" per tenant, severity", "").replace("  start slices by severity limit 2 per 1m\n", ""));
    assert!(
        say(&unsliced, &recording, &slice("tenant=acme")).contains("slice"),
        "{}",
        say(&unsliced, &recording, &usual)
    );
}

#[test]
fn odd_recordings_of_slices_come_to_an_end() {
    let plan = plan(APART);
    let (whole, _) = run(&plan, 3, 60);
    // places of slices that nobody has seen, and far too many of them
    for place in [7, 4_000_000_000] {
        let mut odd = whole.clone();
        for h in &mut odd.happened {
            match h {
                Happened::Sliced(Sliced::Check { read, begins, .. }) => {
                    read.iter_mut().for_each(|r| r.of = vec![(0, place), (place, 1)]);
                    begins.iter_mut().for_each(|b| b.slice = place);
                }
                Happened::Sliced(Sliced::Verified { slice, .. }) => *slice = place,
                Happened::Sliced(Sliced::Seen { slices, .. }) => slices.iter_mut().for_each(|s| s.push(String::new())),
                _ => {}
            }
        }
        let outcome = replay(&plan, &odd, &Scenario::default());
        assert!(outcome.end >= outcome.start);
    }
    // nobody is seen: the run is refused, as a run would be
    let mut nobody = steady(&plan, 10, |_, _| false);
    nobody.series.iter_mut().for_each(|s| s.times.iter_mut().for_each(|t| *t += 5_000));
    nobody.about.to += 5_000;
    let outcome = replay(&plan, &nobody, &Scenario { start: Some(START), ..Scenario::default() });
    assert!(outcome.verdict == Some(Verdict::Refused) || outcome.slices.unwrap().counts.seen > 0);
    let mut empty = steady(&plan, 10, |_, _| false);
    empty.series.retain(|s| s.key.slice.is_empty());
    let outcome = replay(&plan, &empty, &Scenario::default());
    assert_ne!(outcome.verdict, Some(Verdict::Promoted));
}

fn sim(folder: &Path, args: &[&str]) -> (i32, String, String) {
    canary(folder, &[&["sim"], args].concat())
}

fn canary(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_canary")).args(args).current_dir(folder).output().unwrap();
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
    (out.status.code().unwrap(), text(&out.stdout), text(&out.stderr))
}

#[test]
fn the_timeline_tells_of_all_and_of_one() {
    let plan = plan(APART);
    let recording = steady(&plan, 80, |s, k| is(s, "beta") && is(s, "low") && k >= 24);
    let mut outcome = replay(&plan, &recording, &Scenario::default());
    timeline::tell(&mut outcome);
    assert!(outcome.decisions.iter().all(|d| !d.text.is_empty()));
    insta::assert_snapshot!(timeline::text(&outcome, Style::PLAIN));
}

#[test]
fn the_command_tells_it_too() {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan(APART);
    std::fs::write(folder.path().join("p.canary"), APART).unwrap();
    let one_bad = steady(&plan, 80, |s, k| is(s, "beta") && is(s, "low") && k >= 24);
    std::fs::write(folder.path().join("r.parquet"), encode(&one_bad).unwrap()).unwrap();
    let on = |more: &[&str]| sim(folder.path(), &[&["p.canary", "--recording", "r.parquet"], more].concat());
    let (status, out, err) = on(&[]);
    assert_eq!((status, err.as_str()), (1, ""), "{out}");
    assert!(out.contains("8 slices: 7 promoted, 1 rolled back") && out.contains("> "), "{out}");
    let (status, out, _) = on(&["--set", "queue.limit=30"]);
    assert_eq!(status, 0, "{out}");
    assert!(out.contains("8 slices: 8 promoted"), "{out}");
    let (_, out, _) = on(&["--format", "json", "--slice", "tenant=acme,severity=low"]);
    let whole: serde_json::Value = serde_json::from_str(&out).unwrap();
    let slices = &whole["outcome"]["slices"];
    assert_eq!(slices["shown"], serde_json::json!({ "tenant": "acme", "severity": "low" }));
    assert_eq!((slices["list"].as_array().unwrap().len(), slices["counts"]["rolled_back"].as_u64()), (8, Some(1)));
    assert!(whole["outcome"]["decisions"].as_array().unwrap().iter().any(|d| d["slice"]["tenant"] == "beta"));
    let (status, _, err) = on(&["--slice", "tenant=acme"]);
    assert!(status == 2 && err.contains("means 3 slices"), "{err}");

    let (status, out, err) = on(&["--vary", "queue.limit=9,15,30", "--vary", "queue.tolerate=0s,1m"]);
    assert_eq!(status, 0, "{err}");
    insta::assert_snapshot!("sweep", out);
    let (status, out, err) = on(&["--backtest", "every 5m", "--healthy", "0s..5m"]);
    assert_eq!(status, 0, "{err}");
    insta::assert_snapshot!("backtest", out);
    let (status, out, _) = on(&["--picture", "--html", "r.html"]);
    assert!(status == 1 && out.contains("7 promoted, 1 rolled back"), "{out}");
    let page = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
    assert!(page.contains("id=\"slices\"") && page.contains("tenant=beta"), "{page}");
}

/// They look on at one life, check by check.
#[test]
fn tests_of_recordings_and_the_conversation_refuse_slices() {
    let folder = tempfile::tempdir().unwrap();
    let recording = steady(&plan(APART), 80, |_, _| false);
    std::fs::write(folder.path().join("r.parquet"), encode(&recording).unwrap()).unwrap();
    let test = format!("{APART}\ntest \"then\" for shop {{\n  given recording \"r.parquet\"\n  expect promoted\n}}\n");
    std::fs::write(folder.path().join("p.canary"), test).unwrap();
    let why = "cannot be looked at check by check yet";
    let (status, out, err) = canary(folder.path(), &["test", "p.canary"]);
    assert!(status == 2 && (out + &err).contains("E0486"), "{status}: {err}");
    std::fs::write(folder.path().join("p.canary"), APART).unwrap();
    let (status, out, err) = canary(folder.path(), &["repl", "p.canary", "--recording", "r.parquet"]);
    assert!(status == 2 && err.contains(why), "{status}: {out}{err}");
    let (status, out, err) = canary(folder.path(), &["test", "p.canary", "--from-run", "r.parquet"]);
    assert!(status == 2 && err.contains(why), "{status}: {out}{err}");
}

/// What a recording of many slices takes: `CANARY_SLICES=1000 CANARY_CHECKS=1440 cargo test --release --test replay_sliced -- --ignored
/// --nocapture` prints it.
#[test]
#[ignore = "it measures, and takes its time"]
fn many_slices_are_read_and_replayed() {
    let number = |name: &str, usual: usize| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (slices, checks) = (number("CANARY_SLICES", 1000), number("CANARY_CHECKS", 1440));
    let text = APART
        .replace("check every 15s", "check every 1m")
        .replace("limit 2 per 1m", "limit 100000 per 1m")
        .replace("hold 2m", "hold 12h")
        .replace("  baseline 1m\n", "")
        .replace("load < before + 8", "load < 9");
    let plan = plan(&text);
    let at = |k: usize| START + plan.check_every * i64::try_from(k).unwrap();
    let mut series = Vec::new();
    for s in 0..slices {
        let (tenant, severity) = (format!("tenant-{s:06}"), String::from(if s % 2 == 0 { "low" } else { "high" }));
        let values: Vec<String> =
            plan.slices.iter().map(|d| if d.name == "tenant" { tenant.clone() } else { severity.clone() }).collect();
        for input in &plan.inputs {
            let mut one = canary::sim::recording::Series::new(canary::sim::recording::Key::of(input, &values)).unwrap();
            for k in 0..checks {
                let reading = match input.ask {
                    canary::plan::Ask::Increase(..) => Reading::Increase((k % 3) as f64 / 10.0),
                    _ => Reading::Value(
                        ((s * 31 + k * 7) % 100) as f64 / 25.0 + if s == 7 && k > 900 { 30.0 } else { 1.0 },
                    ),
                };
                one.push(at(k), Answer { value: Ok(reading), sampled_at: Some(at(k) - 5_000), series: 1 }).unwrap();
            }
            series.push(one);
        }
    }
    series.sort_by(|a, b| a.key.cmp(&b.key));
    series.dedup_by(|a, b| a.key == b.key);
    let answers: usize = series.iter().map(|s| s.times.len()).sum();
    let recording = Recording { about: world::about(&plan, at(checks - 1)), series, happened: Vec::new() };
    let timed = |what: &str, begun: std::time::Instant| {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or("").to_owned();
        println!("{what}: {:.1} s ({peak})", begun.elapsed().as_secs_f64());
    };
    println!("{slices} slices, {checks} checks, {} inputs: {answers} answers", plan.inputs.len());
    let begun = std::time::Instant::now();
    let bytes = encode(&recording).unwrap();
    timed(&format!("written, {:.1} MB", bytes.len() as f64 / 1e6), begun);
    drop(recording);
    let begun = std::time::Instant::now();
    let read = canary::sim::recording::decode_owned(bytes, "many").unwrap();
    timed("read", begun);
    let begun = std::time::Instant::now();
    let outcome = replay(&plan, &read, &Scenario::default());
    timed("replayed, and once more with an eye on the worst", begun);
    let counts = outcome.slices.unwrap();
    println!("{}; {} decisions, {} more", counts.counts.text(), outcome.decisions.len(), counts.unlisted);
    assert_eq!(counts.counts.seen, slices);
    let begun = std::time::Instant::now();
    let brief = replay(&plan, &read, &Scenario { detail: Detail::Brief, ..Scenario::default() });
    timed("a cell of a sweep", begun);
    assert_eq!(brief.slices.unwrap().counts, counts.counts);
}
