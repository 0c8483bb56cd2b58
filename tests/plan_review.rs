//! What `canary plan` tells a reviewer beyond what the policy says: ends, exposure, arming, worst cases, people.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check;
use canary::plan::review::{Review, mermaid, review};
use canary::plan::{Bindings, Plan};
use canary::syntax::{self, source::SourceMap};

const TEXT: &str = r#"
edition 2026
metric failed: counter = prometheus(`errors_total{${where}}`)
metric served: counter = prometheus(`requests_total{${where}}`)
metric errors: events  = events(bad: failed, total: served, window: 2m)
metric queue:  count   = prometheus(`queue_depth`, lag: 20s)
traffic checkout
flag search: bool
action smoke timeout 90s, undo clean
action clean timeout 10s, undo none
channel oncall
killswitch stop { traffic checkout = 0% }
rollout checkout "Checkout \"v2\"; #1" {
  check every 10s
  no data tolerate 1m else rollback
  guard errors: errors < 1%                     tolerate 25s      else rollback, kill stop
  guard deep:   not ((queue > 5) for 3 checks)  tolerate 2 checks  else rollback to a
  guard late:   queue < 50      from b                            else pause
  phase a { traffic checkout = 5%   run smoke   hold 10m }
  phase b { flag search = on   promote when errors < 0.5% within 30m else pause }
  phase c { traffic checkout = 100%   hold 1h }
  on rollback, kill: notify oncall
}
environment production {
  prometheus = prometheus(url: env("P"), bearer: secret("T"), scrape: 30s)
  checkout   = haproxy(socket: "/run/h.sock", backend: "be", canary: "v2", stable: "v1")
  search     = json_file(path: "flags.json", key: "search")
  smoke      = command(["./smoke.sh"])
  clean      = command(["./clean.sh"])
  oncall     = slack(url: secret("S"))
  variants checkout { canary = `version="v2"`   stable = `version="v1"` }
}
"#;

fn made(text: &str) -> (Plan, Bindings) {
    let mut map = SourceMap::default();
    let id = map.add("p.canary", text);
    let (file, mut found) = syntax::parse(id, text);
    let (made, more) = check::compile(&[file], &map, None, Some("production"), &[]);
    found.extend(more);
    made.unwrap_or_else(|| panic!("{found:#?}"))
}

fn reviewed(text: &str) -> (Plan, Review) {
    let (plan, bindings) = made(text);
    let seen = review(&plan, &bindings);
    (plan, seen)
}

#[test]
fn the_worst_case_is_the_sum_of_what_can_take_time() {
    let (_, seen) = reviewed(TEXT);
    let [errors, deep] = &seen.worst_cases[..] else { panic!("{:#?}", seen.worst_cases) };
    // tolerated time is used up at a check: 25s on a grid of 10s is 30s
    let parts = |w: &canary::plan::review::Worst| {
        [w.window_ms, w.scrape_ms, w.lasting_ms, w.tolerance_ms, w.interval_ms, w.actuation_ms]
    };
    assert_eq!(parts(errors), [120_000, 30_000, 0, 30_000, 10_000, 60_000]);
    // three checks in a row are two intervals; so is the second of two tolerated checks one; the lag comes on top of the scrape
    assert_eq!(parts(deep), [0, 50_000, 20_000, 10_000, 10_000, 60_000]);
    for w in [errors, deep] {
        assert_eq!(w.total_ms, parts(w).iter().sum::<i64>());
    }
}

#[test]
fn phases_say_what_is_exposed_and_who_watches() {
    let (_, seen) = reviewed(TEXT);
    let shown = |i: usize| -> Vec<String> {
        seen.phases[i].exposes.iter().map(|(n, s): &(String, _)| format!("{n} = {s}")).collect()
    };
    assert_eq!(shown(0), ["checkout = 5%"]);
    assert_eq!(shown(1), ["search = on", "checkout = 5%"], "what an earlier phase set stands");
    assert_eq!(shown(2), ["search = on", "checkout = 100%"]);
    assert_eq!(seen.phases[0].guards, ["errors", "deep"]);
    assert_eq!(
        (&seen.phases[1].guards[..], &seen.phases[1].armed[..]),
        (&["errors", "deep", "late"].map(String::from)[..], &[String::from("late")][..])
    );
    assert!(seen.phases[2].armed.is_empty());
    assert_eq!(seen.phases[0].gates, ["run smoke within 1m30s else rollback", "hold 10m"]);
}

#[test]
fn ends_are_told_or_why_there_is_none() {
    let (_, seen) = reviewed(TEXT);
    // a: a check, the window of `errors`, the hold. b: a check, the window. c: as a, an hour
    let a = 10_000 + 120_000 + 600_000;
    let b = 10_000 + 120_000;
    let c = 10_000 + 120_000 + 3_600_000;
    assert_eq!(seen.earliest_end_ms, Some(a + b + c));
    // and the read-back of each phase, the smoke test that is seen to end at a check, and all of `within`
    let late = 3 * 60_000 + (90_000 + 10_000) + (1_800_000 + 10_000);
    assert_eq!(seen.latest_end_ms, Some(a + b + c + late));
    assert_eq!(seen.phases[1].latest_ms, Some(a + 60_000 + 100_000));
    assert!(seen.unlimited.is_empty());

    let (_, seen) = reviewed(&TEXT.replace(" within 30m else pause", ""));
    assert_eq!(seen.earliest_end_ms, Some(a + b + c));
    assert_eq!(seen.latest_end_ms, None);
    assert_eq!(seen.unlimited, ["phase b: `promote when errors < 0.5%` has no `within`"]);
}

#[test]
fn what_must_last_is_part_of_the_earliest_end() {
    let lasting = |what: &str| {
        let (_, seen) = reviewed(&TEXT.replace("promote when errors < 0.5%", what));
        seen.phases[2].earliest_ms.unwrap() - seen.phases[1].earliest_ms.unwrap()
    };
    // measured from the first check on whose window holds nothing of before
    assert_eq!(lasting("promote when errors < 0.5% for 20m"), 10_000 + 120_000 + 1_200_000);
    assert_eq!(lasting("promote when queue < 3 for 20m"), 10_000 + 20_000 + 1_200_000);
    // beside a hold, not behind it
    assert_eq!(lasting("hold 30m   promote when queue < 3 for 20m"), 10_000 + 120_000 + 1_800_000);
}

#[test]
fn windows_of_checks_are_part_of_every_time() {
    let with = |what: &str| reviewed(&TEXT.replace("not ((queue > 5) for 3 checks)", what)).1;
    let window = |seen: &Review| seen.worst_cases[1].window_ms;
    assert_eq!(window(&with("avg(queue, 4m) < 50")), 240_000);
    // one around another adds to it
    assert_eq!(window(&with("max(avg(queue, 4m), 3m) < 50")), 420_000);
    assert_eq!(window(&with("avg(queue, 4m) < 50 and queue < 90")), 240_000);
    // hold stands still until the window, with what the source lags behind, lies behind the settings
    let begins = |seen: &Review| seen.phases[1].earliest_ms.unwrap();
    assert_eq!(begins(&with("avg(queue, 4m) < 50")), 10_000 + 260_000 + 600_000);
    let (_, seen) = reviewed(&TEXT.replace("promote when errors < 0.5%", "promote when min(queue, 7m) < 3 for 20m"));
    assert_eq!(seen.phases[2].earliest_ms.unwrap() - seen.phases[1].earliest_ms.unwrap(), 10_000 + 440_000 + 1_200_000);
}

#[test]
fn people_actions_questions_and_credentials_are_listed() {
    let (_, seen) = reviewed(TEXT);
    assert_eq!(
        seen.people,
        [
            "somebody who resumes or aborts a pause, which can follow guard late, `errors < 0.5%` not met in phase b or a port that \
         somebody else changed",
            "somebody who resets kill switch stop once it was thrown",
        ]
    );
    let by = |name: &str| seen.actions.iter().find(|a| a.name == name).unwrap().started_by.clone();
    assert_eq!(by("smoke"), ["phase a"]);
    assert_eq!(by("clean"), ["a rollback, to undo smoke"]);
    let [questions] = &seen.questions[..] else { panic!("{:#?}", seen.questions) };
    assert_eq!((questions.each_check, questions.once), (5, 0), "two counters of two populations, and the queue");
    assert_eq!(questions.only_to_tell_apart, 2);
    let credentials: Vec<_> = seen.credentials.iter().map(|c| (c.name.as_str(), c.secret)).collect();
    assert_eq!(credentials, [("P", false), ("S", true), ("T", true)]);
}

#[test]
fn a_phase_that_nobody_watches_is_said() {
    let (plan, bindings) = made(
        &TEXT
            .replace("tolerate 25s ", "from b ")
            .replace("tolerate 2 checks", "from b")
            .replace("rollback to a", "rollback"),
    );
    assert!(canary::plan::render::text(&plan, &bindings).contains("watched by nobody"));
}

#[test]
fn the_diagram_is_drawn_with_its_texts_escaped() {
    let (plan, seen) = reviewed(TEXT);
    insta::assert_snapshot!(mermaid::diagram(&plan, &seen));
}

#[test]
fn the_whole_plan_is_readable() {
    let (plan, bindings) = made(TEXT);
    insta::assert_snapshot!(canary::plan::render::text(&plan, &bindings));
}

#[test]
fn what_cannot_be_taken_back_is_said_where_it_matters() {
    let (_, seen) = reviewed(&TEXT.replace("phase c {", "phase c { irreversible \"the old schema is gone\""));
    assert_eq!(seen.phases[2].irreversible.as_deref(), Some("the old schema is gone"));
    assert_eq!(seen.phases[1].irreversible, None);
    let text = canary::plan::review::text(&seen);
    let worst = text.split("how much is asked").next().unwrap();
    assert!(worst.contains("from phase c on (irreversible: the old schema is gone) nothing is taken back"), "{text}");
    let people = text.split("\npeople\n").nth(1).unwrap();
    assert!(people.contains("or what would roll back across phase c"), "{text}");
    assert!(people.contains("somebody who mends what fails from phase c on"), "{text}");
    assert!(!canary::plan::review::text(&reviewed(TEXT).1).contains("irreversible"));
}

#[test]
fn little_exposure_is_not_shown_as_none() {
    use canary::plan::Setting;
    let shown = |v: f64| Setting::Share(v).to_string();
    assert_eq!([shown(0.0), shown(1e-9), shown(0.05), shown(0.1 + 0.2)], ["0%", "0.0000001%", "5%", "30%"]);
}
