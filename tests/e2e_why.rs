//! `canary why --at` on a run of the real binary on its lab: what it says of every check is what the journal says, and each time that can
//! be asked for has a clear answer.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

mod support;

use canary::store::Store;
use serde_json::{Value, json};
use support::canary::{Work, at, of_kind};

fn utc(ms: i64) -> String {
    chrono::DateTime::from_timestamp_millis(ms).unwrap().to_rfc3339()
}

fn why(work: &Work, more: &[&str]) -> Value {
    let mut args = vec!["why", "checkout", "--format", "json"];
    args.extend(more);
    serde_json::from_str(&work.canary(&args).exits(0).out).unwrap()
}

#[test]
fn any_check_of_a_run_is_explained() {
    let work = Work::new("checkout.canary", &["servers"]);
    work.canary(&["run", "checkout.canary", "--env", "lab", "--fault", "slow=400ms at 50%"]).exits(1);
    let events = work.history();
    let first = at(&events[0]);

    // what every guard is said to be at the check of its change is what the journal tells of it
    for e in of_kind(&events, "guard") {
        let said = why(&work, &["--at", &utc(at(e))]);
        assert_eq!(said["schema"], "canary.why/1");
        let guards = said["at"]["guards"].as_array().unwrap();
        let guard = guards.iter().find(|g| g["guard"] == e["report"]["guard"]).unwrap();
        for key in ["word", "since", "reading", "condition", "tolerate", "otherwise"] {
            assert_eq!(guard[key], e["report"][key], "{key} at {}", utc(at(e)));
        }
        for input in guard["inputs"].as_array().unwrap() {
            let query = input["query"].as_str().unwrap();
            assert!(!query.contains("${"), "as it was asked: {query}");
        }
    }

    // at the check that took it back: the decision, as `why` itself tells it
    let rollback = of_kind(&events, "rollback")[0];
    let (whole, then) = (why(&work, &[]), why(&work, &["--at", &utc(at(rollback))]));
    for key in ["decided", "decision", "explanation", "run", "rollout", "verdict"] {
        assert_eq!(whole[key], then[key], "{key}");
    }
    assert_eq!((&then["decision"], &then["explanation"]["rule"]), (&json!("rollback"), &json!("slow")));
    work.canary(&["why", "checkout", "--at", &utc(at(rollback))]).exits(0).shows("decided rollback").shows("not by");

    // the check before it decided nothing, and says what kept the phase open
    let before = why(&work, &["--at", &utc(at(rollback) - 1)]);
    assert_eq!((&before["decision"], &before["decided"]), (&Value::Null, &Value::Null));
    assert!(!before["at"]["open"].as_array().unwrap().is_empty(), "{before:#}");
    assert_eq!(before["at"]["standing"]["live"], true);

    // a time since the first check, and the same as an instant
    let second = why(&work, &["--at", "2s"]);
    assert_eq!(second["at"], why(&work, &["--at", &utc(first + 2000)])["at"]);
    assert_eq!(second["at"]["since_first_check_ms"], 2000);

    // one guard
    let one = why(&work, &["--at", "2s", "--rule", "slow"]);
    assert_eq!(one["at"]["guards"].as_array().unwrap().len(), 1);
    work.canary(&["why", "checkout", "--at", "2s", "--rule", "sloww"]).exits(2).says("has no guard sloww").says("slow");

    // before the first check, after the last, and what is no time
    work.canary(&["why", "checkout", "--at", &utc(first - 5000)]).exits(2).says("there is nothing before it");
    work.canary(&["why", "checkout", "--at", "9h"]).exits(0).shows("the run was over by then");
    work.canary(&["why", "checkout", "--at", "noon"]).exits(2).says("12m30s").says("2026-11-21T18:00:00Z");
    work.canary(&["why", "checkout", "--rule", "slow"]).exits(2).says("--at");

    // pruned: the journal still tells of changes and of decisions, and says that the rest is gone
    let store = Store::open(&work.path(".canary/store.db")).unwrap();
    assert!(store.prune_observations(i64::MAX).unwrap() > 3);
    drop(store);
    let pruned = work.canary(&["why", "checkout", "--at", &utc(at(rollback))]).exits(0);
    pruned.shows("is not kept any more").shows("decided rollback").shows("guard slow breached");
    let pruned = why(&work, &["--at", &utc(at(rollback))]);
    assert_eq!((&pruned["at"]["check"], &pruned["explanation"]), (&Value::Null, &whole["explanation"]));
}

#[test]
fn without_a_run_there_is_nothing_to_explain() {
    let work = Work::new("checkout.canary", &["servers"]);
    work.canary(&["why", "checkout", "--at", "2s"]).exits(2);
}
