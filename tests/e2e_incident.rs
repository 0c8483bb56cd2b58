//! `canary test --from-run`: a run that was recorded becomes a test with its recording, which passes until the policy would decide
//! otherwise. On a page, on the lab, and on a real HAProxy and Prometheus.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use rustix::process::Signal;
use serde_json::{Value, json};
use std::time::Duration;
use support::canary::{Done, Live, Work};
use support::page::Flagged;
use support::servers::Servers;

const RUN: [&str; 6] = ["run", "checkout.canary", "--env", "page", "--record", "rec.parquet"];
const FROM: [&str; 4] = ["test", "checkout.canary", "--from-run", "checkout"];
const TEST: [&str; 2] = ["test", "checkout.canary"];
const LONG: Duration = Duration::from_secs(30);

fn bad_at_half(flag: f64) -> f64 {
    if flag >= 0.5 { 0.2 } else { 0.001 }
}

fn text(work: &Work, name: &str) -> String {
    std::fs::read_to_string(work.path(name)).unwrap()
}

/// Tests with some words of the policy replaced; the policy is put back.
#[track_caller]
fn with(work: &Work, old: &str, new: &str) -> Done {
    let policy = text(work, "checkout.canary");
    assert!(policy.contains(old), "no `{old}` in the policy");
    std::fs::write(work.path("checkout.canary"), policy.replacen(old, new, 1)).unwrap();
    let done = work.canary(&TEST);
    std::fs::write(work.path("checkout.canary"), policy).unwrap();
    done
}

#[test]
fn an_incident_becomes_a_test_that_fails_when_the_policy_decides_otherwise() {
    let f = Flagged::new(bad_at_half);
    f.work.canary(&["fmt", "checkout.canary"]).exits(0);
    f.work.canary(&RUN).exits(1);
    let before = text(&f.work, "checkout.canary");
    let done =
        f.work.canary(&FROM).exits(0).shows("rolled back because harm").shows("run it: canary test checkout.canary");
    let after = text(&f.work, "checkout.canary");
    let block = after.strip_prefix(before.trim_end()).expect("what was there stands as it was");
    for line in [
        "  given recording \"rec.parquet\"\n",
        "  expect phase taste at 0s\n",
        "  expect phase half at ",
        "  expect guard harm is failing at ",
        "  expect rollback at ",
        " because harm\n",
        "  expect checkout is 50% at ",
        "  expect checkout is 0% at ",
    ] {
        assert!(block.contains(line), "no `{line}` in {block}");
    }
    assert!(done.out.contains("rec.parquet: its recording, which was there already"), "{}", done.out);
    f.work.canary(&TEST).exits(0).shows("1 passed");
    f.work.canary(&["check", "checkout.canary"]).exits(0);
    f.work.canary(&["fmt", "--check", "checkout.canary"]).exits(0);
    // what decides the same keeps it green: a rule more, another title, another limit on the same side of what was measured
    with(&f.work, "  phase taste", "  guard told: harm < 90%  else tell\n\n  phase taste").exits(0);
    with(&f.work, "harm <= 1%", "harm <= 2%").exits(0);
    // what decides otherwise is shown as what happens instead
    with(&f.work, "harm <= 1%", "harm <= 30%")
        .exits(1)
        .shows("expected rollback at ")
        .shows("from ")
        .shows("assumed: ");
    let sooner = with(&f.work, "tolerate patience", "tolerate 0s").exits(1);
    assert!(sooner.out.contains(" because harm: it rolled back at "), "{}", sooner.out);
    with(&f.work, "else rollback", "else pause").exits(1).shows("it paused at ");
    // coverage and mutants count it as any other test
    let measured = f.work.canary(&["test", "checkout.canary", "--coverage", "--mutate", "--format", "json"]);
    let whole: Value = serde_json::from_str(&measured.out).unwrap();
    let missing = whole["coverage"][0]["missing"].to_string();
    assert!(!missing.contains("guard harm"), "{missing}");
    let (all, left) = (whole["mutants"][0]["mutants"].as_u64().unwrap(), whole["mutants"][0]["survivors"].to_string());
    assert!(all >= 4 && !left.contains("became `tolerate 400ms`") && !left.contains("else rollback"), "{left}");
    // neither written twice nor over anything
    f.work.canary(&FROM).exits(2).says("is there already");
    assert_eq!(text(&f.work, "checkout.canary"), after);
}

#[test]
fn a_promoted_run_goes_to_a_new_file_by_its_recording_alone() {
    let f = Flagged::new(|_| 0.001);
    let args: Vec<&str> = RUN.iter().copied().chain(["--set", "watch=600ms"]).collect();
    f.work.canary(&args).exits(0);
    let before = text(&f.work, "checkout.canary");
    // the store is gone: a recording is enough, with what the run had set
    std::fs::remove_dir_all(f.work.path(".canary")).unwrap();
    let from = ["test", "checkout.canary", "--from-run", "rec.parquet", "--out", "made/incident.canary"];
    f.work
        .canary(&[&from[..], &["--set", "watch=600ms"]].concat())
        .exits(2)
        .says("made/incident.canary cannot be written");
    std::fs::create_dir(f.work.path("made")).unwrap();
    f.work.canary(&from).exits(2).says("is not the one that run").says("`--set NAME=VALUE`");
    assert!(!f.work.path("made/incident.canary").exists());
    let set: Vec<&str> = from.iter().copied().chain(["--set", "watch=600ms"]).collect();
    f.work.canary(&set).exits(0);
    assert_eq!(text(&f.work, "checkout.canary"), before);
    let made = text(&f.work, "made/incident.canary");
    assert!(made.contains("with watch = 600ms {") && made.contains("given recording \"recordings/"), "{made}");
    assert!(made.contains("expect promoted at ") && made.contains("expect no rollback"), "{made}");
    f.work.canary(&["test", "made/incident.canary"]).exits(0);
    f.work.canary(&set).exits(2).says("made/incident.canary is there already, and is left as it is");
    // nothing but what is meant is left
    let names: Vec<String> =
        f.work.contents().iter().map(|(p, _)| p.file_name().unwrap().to_string_lossy().into()).collect();
    assert!(!names.iter().any(|n| n.contains("tried") || n.ends_with(".part")), "{names:?}");
}

#[test]
fn runs_that_were_killed_and_resumed_paused_and_aborted() {
    let f = Flagged::new(bad_at_half);
    let mut live = f.work.start(&RUN);
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::KILL);
    drop(live);
    let again: Vec<&str> = RUN.iter().copied().chain(["--resume"]).collect();
    f.work.canary(&again).exits(1);
    f.work.canary(&FROM).exits(0);
    let mut live =
        f.work.start(&["run", "checkout.canary", "--env", "page", "--record", "two.parquet", "--set", "watch=20s"]);
    live.until("read back checkout = 5%", LONG);
    f.work.canary(&FROM).exits(2).says("is not over");
    f.work.canary(&["pause", "checkout"]).exits(0);
    live.until("paused", LONG);
    f.work.canary(&["abort", "checkout", "--why", "enough"]).exits(0);
    live.end(LONG).exits(4);
    f.work.canary(&FROM).exits(0).shows(": aborted\"");
    let made = text(&f.work, "checkout.canary");
    assert!(made.contains("because operator"), "{made}");
    f.work.canary(&TEST).exits(0).shows("2 passed");
}

#[test]
fn what_stands_in_the_way_is_said_and_nothing_is_written() {
    let f = Flagged::new(|_| 0.001);
    f.work.canary(&["run", "checkout.canary", "--env", "page"]).exits(0);
    // reading a store leaves traces of SQLite's
    let contents =
        || f.work.contents().into_iter().filter(|(p, _)| !p.to_string_lossy().contains(".canary/")).collect::<Vec<_>>();
    let before = contents();
    f.work.canary(&FROM).exits(2).says("was begun without `--record`").says("canary record checkout.canary --env page");
    f.work
        .canary(&["test", "checkout.canary", "--from-run", "nobody"])
        .exits(2)
        .says("no run and no rollout called `nobody`");
    f.work.canary(&["test", ".", "--from-run", "checkout"]).exits(2).says("is a folder");
    f.work.canary(&["test", "checkout.canary", "--recording", "x"]).exits(2);
    f.work
        .canary(&["test", "checkout.canary", "--from-run", "checkout", "--set", "harm.limit=2%"])
        .exits(2)
        .says("write the value into the policy");
    assert!(contents() == before);
    let back = || std::fs::write(&f.file, "{\n  \"checkout\": 0\n}\n").unwrap();

    back();
    f.work.canary(&RUN).exits(0);
    back();
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--record", "other.parquet"]).exits(0);
    let own = |more: &[&str]| f.work.canary(&[&FROM[..], more].concat());
    own(&["--recording", "rec.parquet"]).exits(2).says("is a recording of run ").says(", and not of run ");
    own(&["--recording", "checkout.canary"]).exits(2).says("checkout.canary");
    std::fs::rename(f.work.path("other.parquet"), f.work.path("moved.parquet")).unwrap();
    own(&[]).exits(2).says("`--recording FILE` says where it is now");
    // another policy than the recorded one
    let policy = text(&f.work, "checkout.canary");
    std::fs::write(f.work.path("checkout.canary"), policy.replace("harm <= 1%", "harm <= 2%")).unwrap();
    own(&["--recording", "moved.parquet"])
        .exits(2)
        .says("the policy is not the one that run")
        .says("take that from version control");
    std::fs::write(f.work.path("checkout.canary"), &policy).unwrap();
    assert!(!f.work.path("recordings").exists());
    own(&["--recording", "moved.parquet"]).exits(0);
    // a test whose recording is gone, or is none, or lies outside, is refused and not passed over
    let made = text(&f.work, "checkout.canary");
    for (file, says) in [
        ("recordings/none.parquet", "is not there"),
        ("/etc/passwd", "is an absolute path"),
        ("../../x.parquet", "leads out of"),
        ("flags.json", "flags.json"),
    ] {
        std::fs::write(f.work.path("checkout.canary"), made.replace("moved.parquet", file)).unwrap();
        let done = f.work.canary(&TEST).exits(2);
        assert!(done.out.contains("REFUSED") && done.out.contains(says), "{file}: {}", done.out);
    }
    let elsewhere = made.replace("moved.parquet\"", "moved.parquet\" in production");
    std::fs::write(f.work.path("checkout.canary"), elsewhere).unwrap();
    f.work.canary(&TEST).exits(2).shows("there is no environment `production` beside the policy").shows("page");
}

/// An action that fails is what happened, and stays so while the policy asks for it.
#[test]
fn a_run_whose_action_failed() {
    let work = Work::of_text(
        r#"edition 2026
metric load: number = prometheus(`up`, max_age: 1m)
flag checkout: bool
action smoke timeout 5s, undo none
rollout checkout {
  check every 200ms
  guard load: load < 5 else rollback
  phase taste { flag checkout = on   run smoke   hold 400ms }
}
environment here {
  prometheus = scrape(urls: [env("METRICS_URL")], every: 100ms)
  checkout   = json_file(path: "flags.json", key: "checkout")
  smoke      = command(["./smoke.sh"])
}
"#,
    );
    std::fs::write(work.path("flags.json"), "{ \"checkout\": false }\n").unwrap();
    work.script("smoke.sh", "exit 3");
    let page = support::page::Page::start(|| Some(String::from("# TYPE up gauge\nup 1\n")));
    let work = work.with("METRICS_URL", page.url());
    work.canary(&["run", "policy.canary", "--env", "here", "--record", "rec.parquet"]).exits(1);
    work.canary(&["test", "policy.canary", "--from-run", "rec.parquet"]).exits(0).shows("rolled back because smoke");
    work.canary(&["test", "policy.canary"]).exits(0);
    let policy = text(&work, "policy.canary");
    std::fs::write(work.path("policy.canary"), policy.replace("load < 5", "load < 6")).unwrap();
    work.canary(&["test", "policy.canary"]).exits(0);
    std::fs::write(work.path("policy.canary"), policy.replace("run smoke ", "run smoke else pause ")).unwrap();
    work.canary(&["test", "policy.canary"]).exits(1).shows("it paused at ");
}

/// On the lab, whose plan is one of its own: the test says so.
#[test]
fn an_incident_on_the_lab() {
    let work = Work::new("checkout.canary", &[]);
    work.canary(&["run", "checkout.canary", "--env", "lab", "--record", "rec.parquet", "--fault", "slow=400ms at 50%"])
        .exits(1);
    work.canary(&FROM).exits(0).shows("rolled back because slow");
    work.canary(&TEST).exits(0);
    with(&work, ">= 90%", ">= 0%").exits(1).shows("expected rollback at ");
}

#[test]
fn an_incident_on_real_servers() {
    let Some(s) = Servers::start() else { return };
    let mut live: Live = s.run(&["--record", "rec.parquet"]);
    live.until("read back checkout = 5%", LONG);
    s.v2.fault(&json!({ "latency_ms": 400 }));
    live.end(Duration::from_secs(60)).exits(1);
    s.work.canary(&FROM).exits(0).shows("rolled back because slow");
    s.work.canary(&TEST).exits(0).shows("1 passed");
    with(&s.work, "share(latency < slow) >= 90%", "share(latency < slow) >= 0%")
        .exits(1)
        .shows("expected rollback at ");
}
