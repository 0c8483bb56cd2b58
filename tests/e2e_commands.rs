//! Commands beside the policy, other folders than the policy's, and exit statuses: the real binary.
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
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use support::canary::{Live, of_kind};
use support::page::{Flagged, flag};

const RUN: [&str; 4] = ["run", "checkout.canary", "--env", "page"];
const LONG: Duration = Duration::from_secs(20);

fn good(_: f64) -> f64 {
    0.001
}

/// The policy in a folder `rollout` below the user's, set and read by scripts beside its environment, with an action.
fn scripted() -> Flagged {
    let f = Flagged::new(good);
    let to = |name: &str| f.work.path("rollout").join(name);
    std::fs::create_dir_all(to("environments")).unwrap();
    let policy = std::fs::read_to_string(f.work.path("checkout.canary")).unwrap();
    let policy = policy
        .replace("rollout checkout \"", "action smoke timeout 10s, undo none\n\nrollout checkout \"")
        .replace("flag checkout = 5%  ", "flag checkout = 5%  run smoke  ");
    assert!(policy.contains("run smoke"));
    std::fs::write(to("checkout.canary"), policy).unwrap();
    std::fs::write(
        to("environments/page.canary"),
        r#"edition 2026

environment page {
  prometheus = scrape(urls: [env("METRICS_URL")], every: 100ms)
  checkout   = command(set: ["./set.sh", "${percent}"], get: ["./get.sh"])
  smoke      = command(["./smoke.sh"])
}
"#,
    )
    .unwrap();
    for (name, text) in [
        ("set.sh", "echo \"{ \\\"checkout\\\": $1 }\" > part && mv part \"$FLAG_FILE\""),
        ("get.sh", "tr -dc 0-9. < \"$FLAG_FILE\""),
        ("smoke.sh", "test -f smoke.sh"),
    ] {
        let file = to("environments").join(name);
        std::fs::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    f
}

const BELOW: [&str; 4] = ["run", "rollout/checkout.canary", "--env", "page"];

#[test]
fn commands_start_in_the_folder_that_binds_them() {
    let f = scripted();
    f.work.canary(&BELOW).exits(0).shows("smoke succeeded");
    assert_eq!(f.flag(), 0.5);
}

#[test]
fn programs_that_are_not_there_are_named_together_before_anything_changes() {
    let f = scripted();
    for name in ["set.sh", "smoke.sh"] {
        std::fs::remove_file(f.work.path("rollout/environments").join(name)).unwrap();
    }
    f.work
        .canary(&BELOW)
        .exits(3)
        .says("nothing was changed")
        .says("smoke: cannot start ./smoke.sh: No such file or directory")
        .says("checkout: cannot start ./set.sh: No such file or directory");
    assert_eq!(f.flag(), 0.0);
}

#[test]
fn it_is_taken_back_from_another_folder_and_without_its_action() {
    let f = scripted();
    let mut args = BELOW.to_vec();
    args.extend(["--set", "watch=20s"]);
    let mut live = f.work.start(&args);
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::KILL);
    live.end(LONG);
    assert_eq!(f.flag(), 0.05);
    std::fs::remove_file(f.work.path("rollout/environments/smoke.sh")).unwrap();
    let store = f.work.path(".canary/store.db").canonicalize().unwrap().display().to_string();
    let elsewhere = tempfile::tempdir().unwrap();
    let there = |args: &[&str]| {
        let mut c = f.work.command(args);
        c.current_dir(elsewhere.path());
        Live::of(c).end(LONG)
    };
    let hint = format!("canary abort checkout --store {store}");
    there(&["status", "--store", &store]).exits(0).shows(&hint);
    there(&["pause", "checkout", "--store", &store]).exits(3).says(&hint);
    there(&["abort", "checkout", "--store", &store]).exits(0).shows("read back checkout = 0%");
    assert_eq!(flag(&f.file), 0.0);
}

#[test]
fn a_report_that_cannot_be_written() {
    let f = Flagged::new(good);
    let mut args = RUN.to_vec();
    args.extend(["--report", "reports/last.json"]);
    f.work.canary(&args).exits(2).says("no report can be written to reports/last.json").says("nothing was changed");
    assert_eq!(f.flag(), 0.0);
    assert!(!f.work.path(".canary").exists());
    // it could be written when the run began, and not when it ended
    std::fs::create_dir(f.work.path("reports")).unwrap();
    let mut live = f.work.start(&args);
    live.until("read back checkout = 5%", LONG);
    assert_eq!(std::fs::read_dir(f.work.path("reports")).unwrap().count(), 0);
    std::fs::remove_dir(f.work.path("reports")).unwrap();
    live.end(LONG).exits(0).says("its report cannot be written to reports/last.json");
    assert_eq!(f.flag(), 0.5);
}

#[test]
fn a_word_that_did_nothing_is_no_success() {
    let f = Flagged::new(good);
    let mut args = RUN.to_vec();
    args.extend(["--set", "watch=20s"]);
    let mut live = f.work.start(&args);
    live.until("read back checkout = 5%", LONG);
    f.work.canary(&["resume", "checkout"]).exits(3).says("it was not paused");
    f.work.canary(&["pause", "checkout"]).exits(0).shows("paused");
    f.work.canary(&["pause", "checkout"]).exits(0).shows("it was paused already");
    f.work.canary(&["resume", "checkout"]).exits(0).shows("resumed");
    f.work.canary(&["abort", "checkout"]).exits(0).shows("aborted");
    live.end(LONG).exits(4);

    let verify = ["history", "checkout", "--verify", "--format", "json"];
    let said: serde_json::Value = serde_json::from_str(&f.work.canary(&verify).exits(0).out).unwrap();
    assert_eq!(said["schema"], "canary.history/1");
    assert_eq!(said["chain"]["holds"], true);
    assert_eq!(said["chain"]["events"], f.work.history().len());
    assert_eq!(said["chain"]["head"].as_str().unwrap().len(), 64);
}

#[test]
fn a_rollback_to_a_phase_does_not_explain_a_promotion() {
    // bad at 50 % until it has been back at 5 %
    let (was_up, mended) = (AtomicBool::new(false), AtomicBool::new(false));
    let f = Flagged::new(move |flag| {
        if flag >= 0.5 {
            was_up.store(true, Ordering::Relaxed);
        } else if was_up.load(Ordering::Relaxed) {
            mended.store(true, Ordering::Relaxed);
        }
        if flag >= 0.5 && !mended.load(Ordering::Relaxed) { 0.2 } else { 0.001 }
    });
    let policy = f.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("else rollback\n", "else rollback to taste\n")).unwrap();
    let mut args = RUN.to_vec();
    args.extend(["--report", "report.json"]);
    f.work.canary(&args).exits(0).shows("rollback to phase taste");
    let report = f.work.json("report.json");
    assert_eq!(report["verdict"], "promoted");
    assert_eq!(report["decision"]["guard"], serde_json::Value::Null, "{:#}", report["decision"]);
    assert_eq!(report["rollback_ms"], serde_json::Value::Null);
    let phases: Vec<_> = report["phases"].as_array().unwrap().iter().map(|p| (&p["phase"], &p["back"])).collect();
    let names: Vec<_> = phases.iter().map(|(name, _)| name.as_str().unwrap()).collect();
    assert_eq!(names, ["taste", "half", "taste", "half"]);
    assert_eq!(phases.iter().map(|(_, back)| **back == true).collect::<Vec<_>>(), [false, false, true, false]);
    let why: serde_json::Value =
        serde_json::from_str(&f.work.canary(&["why", "checkout", "--format", "json"]).exits(0).out).unwrap();
    assert_eq!(why["decision"], "finished");
    assert_eq!(of_kind(&f.work.history(), "rollback").len(), 1);
}

/// What is offered to go on with goes on, word for word: without its `--set`s the plan would be another, and refused.
#[test]
fn the_command_that_goes_on_is_said_as_it_works() {
    let f = Flagged::new(good);
    let set = "watch=40s";
    let mut live = f.work.start(&["run", "checkout.canary", "--env", "page", "--set", set]);
    live.until("read back checkout = 5%", LONG);
    live.signal(Signal::KILL);
    live.end(LONG);
    let command = "canary run checkout.canary --env page --set watch=40s --resume";
    f.work.canary(&["status"]).exits(0).shows(command).shows("canary abort checkout");
    f.work.canary(&["pause", "checkout"]).exits(3).says(command);
    f.work.canary(&["run", "checkout.canary", "--env", "page"]).exits(3).says(command);
    f.work.canary(&["run", "checkout.canary", "--env", "page", "--resume"]).exits(3).says(command);
    let words: Vec<&str> = command.split(' ').skip(1).collect();
    let mut live = f.work.start(&words);
    live.until("goes on: in phase taste", LONG);
    live.signal(Signal::INT);
    live.end(LONG).exits(5).says(command);
}

/// The policy waits for an approval in its first phase; `people` is a line of its environment.
fn waiting(people: &str) -> Flagged {
    let f = Flagged::new(good);
    let edit = |name: &str, from: &str, to: &str| {
        let text = std::fs::read_to_string(f.work.path(name)).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(f.work.path(name), text.replace(from, to)).unwrap();
    };
    let gate = "hold watch   promote when approved(\"engineering\", valid: 1m) }\n  phase half";
    edit("checkout.canary", "hold watch }\n  phase half", gate);
    edit("environments/page.canary", "  store =", &format!("  {people}\n  store ="));
    f
}

#[test]
fn a_phase_waits_for_an_approval_of_the_right_group() {
    let f = waiting("");
    let why = ["--why", "the dashboards are fine"];
    let approve = |group: &str| f.work.canary(&["approve", group, why[0], why[1]]);
    let mut live = f.work.start(&RUN);
    live.until("read back checkout = 5%", LONG);
    let waits = "waits for approval of engineering: `canary approve engineering checkout --why";
    live.until(&format!("phase taste {waits}"), LONG);
    f.work.canary(&["status"]).exits(0).shows(waits);
    let asked: serde_json::Value =
        serde_json::from_str(&f.work.canary(&["status", "--format", "json"]).exits(0).out).unwrap();
    assert_eq!(asked["runs"][0]["awaits_approval"], serde_json::json!(["engineering"]), "{asked}");
    approve("marketing").exits(3).says("asks for no approval of marketing, only of engineering");
    assert_eq!(f.flag(), 0.05);
    approve("engineering").exits(0).shows("approved").says("anybody's word counts");
    live.end(LONG).exits(0).shows("phase taste approved for engineering by");
    assert_eq!(f.flag(), 0.5);
    let approved = f.work.history();
    let approved = of_kind(&approved, "approved");
    assert_eq!(approved.len(), 1);
    assert!(approved[0].to_string().contains("the dashboards are fine"), "{}", approved[0]);
    approve("engineering").exits(3).says("no run is under way");
}

#[test]
fn who_may_approve_is_what_the_environment_says() {
    let f = waiting("people engineering = [\"somebody-else\"]");
    let mut live = f.work.start(&RUN);
    live.until("read back checkout = 5%", LONG);
    let refused = f.work.canary(&["approve", "engineering", "checkout", "--why", "looks good"]).exits(3);
    refused.says("does not speak for engineering: environment page names somebody-else");
    f.work.canary(&["abort", "checkout"]).exits(0);
    live.end(LONG).exits(4);
    assert!(of_kind(&f.work.history(), "approved").is_empty());
}

#[test]
fn what_was_rolled_back_is_not_begun_again_at_once() {
    let f = Flagged::new(|flag| if flag > 0.0 { 0.2 } else { 0.001 });
    let policy = f.work.path("checkout.canary");
    let text = std::fs::read_to_string(&policy).unwrap();
    std::fs::write(&policy, text.replace("  no data tolerate", "  cooldown 24h after rollback\n  no data tolerate"))
        .unwrap();
    f.work.canary(&RUN).exits(1).shows("rollback");
    f.work.canary(&RUN).exits(3).shows("cooldown: rolled back");
    let mut dry = RUN.to_vec();
    dry.push("--dry-run");
    f.work.canary(&dry).exits(3).shows("cooldown: rolled back");
    assert_eq!(f.flag(), 0.0);
}
