//! Latches: kill switches that were thrown, over reopening, twice, at once, and after a reset.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::store::{Beside, Documents, EventFilter, NewEvent, NewLatch, NewRun, RunId, Store, StoreError};
use serde_json::json;
use std::path::{Path, PathBuf};

const START: i64 = 1_795_252_500_000;

struct Fixture {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    Fixture { _dir: dir, path }
}

fn run_in(store: &Store, environment: &str) -> RunId {
    let empty = || String::from("{}");
    let documents = Documents { plan_json: empty(), bindings_json: empty(), provenance_json: empty() };
    let new = NewRun {
        rollout: String::from("checkout"),
        environment: environment.to_owned(),
        documents,
        started: START,
        ..NewRun::default()
    };
    store.create_run(&new).unwrap()
}

fn thrown(switch: &str, who: &str) -> NewLatch {
    NewLatch { switch: switch.to_owned(), who: who.to_owned(), why: String::from("workers eat orders"), at: START + 1 }
}

fn names(store: &Store, environment: Option<&str>) -> Vec<(String, String)> {
    store.latches(environment).unwrap().into_iter().map(|l| (l.environment, l.switch)).collect()
}

fn pair(environment: &str, switch: &str) -> (String, String) {
    (environment.to_owned(), switch.to_owned())
}

#[test]
fn a_latch_outlives_its_process_and_is_one_however_often_it_is_thrown() {
    let f = fixture();
    {
        let store = Store::open(&f.path).unwrap();
        let run = run_in(&store, "production");
        store.latch(&run, &thrown("stop", "kim")).unwrap();
        store.latch(&run, &thrown("stop", "eva")).unwrap();
        // another environment is another latch
        let staging = run_in(&store, "staging");
        store.latch(&staging, &thrown("stop", "eva")).unwrap();
        store.finish_run(&run, "killed", START + 2).unwrap();
    }
    let store = Store::open_readonly(&f.path).unwrap();
    assert_eq!(names(&store, Some("production")), [pair("production", "stop")]);
    assert_eq!(names(&store, None).len(), 2);
    let latch = store.latches(Some("production")).unwrap().remove(0);
    assert_eq!((latch.who.as_str(), latch.why.as_str(), latch.at), ("kim", "workers eat orders", START + 1));
    assert_eq!(store.latches_for_run(&latch.run).unwrap(), [latch]);
    assert!(store.reset_latch("production", "stop", "kim", "x", START).is_err(), "a reader writes nothing");
}

#[test]
fn a_reset_keeps_the_row_and_the_switch_can_be_thrown_again() {
    let f = fixture();
    let store = Store::open(&f.path).unwrap();
    let run = run_in(&store, "production");
    store.latch(&run, &thrown("stop", "kim")).unwrap();
    for (who, why) in [("", "mended"), ("eva", ""), ("eva", "  ")] {
        let refused = store.reset_latch("production", "stop", who, why, START + 5);
        assert!(matches!(refused, Err(StoreError::Refused { .. })), "{refused:?}");
    }
    for (environment, switch) in [("staging", "stop"), ("production", "stopp")] {
        let unknown = store.reset_latch(environment, switch, "eva", "mended", START + 5);
        assert!(matches!(unknown, Err(StoreError::NotFound { .. })), "{unknown:?}");
    }
    let was = store.reset_latch("production", "stop", "eva", "mended", START + 5).unwrap();
    assert_eq!(was.who, "kim");
    assert_eq!(names(&store, None), []);
    assert!(store.reset_latch("production", "stop", "eva", "mended", START + 6).is_err(), "it is not latched any more");
    store.latch(&run, &thrown("stop", "noa")).unwrap();
    let all = store.thrown(Some("production")).unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!((all[0].who.as_str(), &all[0].reset), ("noa", &None));
    let reset = all[1].reset.as_ref().unwrap();
    assert_eq!((reset.at, reset.who.as_str(), reset.why.as_str()), (START + 5, "eva", "mended"));
}

#[test]
fn it_is_latched_with_the_event_that_tells_of_it_or_not_at_all() {
    let f = fixture();
    let store = Store::open(&f.path).unwrap();
    let run = run_in(&store, "production");
    let event = |fill: usize| NewEvent { at: START, kind: "kill_switch.activated", body: json!("x".repeat(fill)) };
    // an event that is too large takes the latch with it
    let refused = store.append_with(
        &run,
        &[event(2 << 20)],
        None,
        None,
        &Beside { latches: &[thrown("stop", "kim")], ..Beside::default() },
    );
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })));
    assert_eq!((names(&store, None).len(), store.events(&run, &EventFilter::default()).unwrap().len()), (0, 0));
    store
        .append_with(&run, &[event(1)], None, None, &Beside { latches: &[thrown("stop", "kim")], ..Beside::default() })
        .unwrap();
    assert_eq!((names(&store, None).len(), store.events(&run, &EventFilter::default()).unwrap().len()), (1, 1));
    store.verify(&run).unwrap();
    let nobody = store.latch(&RunId::from("no-such-run"), &thrown("stop", "kim"));
    assert!(matches!(nobody, Err(StoreError::NotFound { .. })));
}

#[test]
fn two_at_once_latch_once() {
    let f = fixture();
    let run = run_in(&Store::open(&f.path).unwrap(), "production");
    let one = |path: &Path, who: String| Store::open(path).unwrap().latch(&run, &thrown("stop", &who)).unwrap();
    std::thread::scope(|s| {
        for i in 0..8 {
            let (one, path) = (&one, &f.path);
            s.spawn(move || one(path, format!("shell {i}")));
        }
    });
    let store = Store::open(&f.path).unwrap();
    assert_eq!((names(&store, None).len(), store.thrown(None).unwrap().len()), (1, 1));
    let resets: Vec<bool> = std::thread::scope(|s| {
        let reset = || Store::open(&f.path).unwrap().reset_latch("production", "stop", "eva", "mended", START).is_ok();
        let all: Vec<_> = (0..4).map(|_| s.spawn(reset)).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(resets.iter().filter(|ok| **ok).count(), 1, "one of them has reset it: {resets:?}");
}
