//! Tampering with a journal by SQL: the chain finds it and names the first event that does not fit.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::store::{Documents, NewEvent, NewRun, RunId, Store, VerifyError};
use rusqlite::Connection;
use serde_json::json;
use std::path::PathBuf;

fn run_of_six(finished: bool) -> (tempfile::TempDir, PathBuf, RunId) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let new = NewRun {
        rollout: "checkout".to_owned(),
        title: "Checkout v2".to_owned(),
        environment: "production".to_owned(),
        policy_path: "checkout.canary".to_owned(),
        plan_hash: "aa".repeat(32),
        bindings_hash: "bb".repeat(32),
        documents: Documents {
            plan_json: "{}".to_owned(),
            bindings_json: "{}".to_owned(),
            provenance_json: "{}".to_owned(),
        },
        started: 1_795_252_500_000,
    };
    // a neighbour, whose events must not be mistaken for this run's
    let other = store.create_run(&new).unwrap();
    let run = store.create_run(&new).unwrap();
    for n in 1..=6 {
        let events = [NewEvent {
            at: 1000 * n,
            kind: if n % 2 == 0 { "even" } else { "odd" },
            body: json!({"n": n, "share": 0.1 * n as f64}),
        }];
        store.append(&run, &events, None, None).unwrap();
        store.append(&other, &events, None, None).unwrap();
    }
    if finished {
        store.finish_run(&run, "rolled back", 7000).unwrap();
    }
    assert_eq!(store.verify(&run).unwrap().seq, 6);
    assert_eq!(store.verify(&other).unwrap().seq, 6);
    (dir, path, run)
}

/// What `verify` says after `sql`, in which `:run` is the run: the first event that does not fit, and why.
fn after(finished: bool, sql: &str) -> (u64, String) {
    let (_dir, path, run) = run_of_six(finished);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("DROP TRIGGER events_stay; DROP TRIGGER events_remain").unwrap();
    let before = raw.total_changes();
    raw.execute_batch(&sql.replace(":run", &format!("'{run}'"))).unwrap();
    assert!(raw.total_changes() > before, "the tampering did nothing: {sql}");
    match Store::open_readonly(&path).unwrap().verify(&run) {
        Err(VerifyError::Chain(e)) => (e.seq, e.to_string()),
        other => panic!("{sql}: {other:?}"),
    }
}

#[test]
fn an_altered_event_is_found() {
    for what in [
        r#"body = replace(body, '"n":3', '"n":4')"#,
        "body = body || ' '",
        "at = at + 1",
        "kind = 'even'",
        "hash = replace(hash, substr(hash, 1, 1), 'x')",
        "prev_hash = replace(prev_hash, substr(prev_hash, 1, 1), 'x')",
    ] {
        let (seq, words) = after(false, &format!("UPDATE events SET {what} WHERE run = :run AND seq = 3"));
        assert_eq!(seq, 3, "{what}: {words}");
        assert!(words.starts_with("event 3: it was altered"), "{what}: {words}");
    }
    // the first and the last one too
    for seq in [1, 6] {
        let sql = format!("UPDATE events SET body = '{{}}' WHERE run = :run AND seq = {seq}");
        assert_eq!(after(false, &sql).0, seq);
    }
}

#[test]
fn an_altered_event_with_a_hash_to_match_breaks_the_next_link() {
    let (_dir, path, run) = run_of_six(false);
    let raw = Connection::open(&path).unwrap();
    raw.execute_batch("DROP TRIGGER events_stay").unwrap();
    let prev: String =
        raw.query_row("SELECT prev_hash FROM events WHERE run = ?1 AND seq = 3", [run.as_str()], |r| r.get(0)).unwrap();
    let forged =
        canary::plan::hash::canonical(&json!({"run": run.as_str(), "seq": 3, "at": 3000, "kind": "odd", "body": {}}));
    let hash = canary::plan::hash::sha256_hex(format!("{prev}{forged}").as_bytes());
    raw.execute("UPDATE events SET body = '{}', hash = ?2 WHERE run = ?1 AND seq = 3", [run.as_str(), &hash]).unwrap();
    let store = Store::open_readonly(&path).unwrap();
    let Err(VerifyError::Chain(e)) = store.verify(&run) else { panic!("the forged event was not found") };
    assert_eq!(e.seq, 4);
    assert!(e.to_string().starts_with("event 4: it does not follow event 3"), "{e}");
}

#[test]
fn a_removed_event_is_found() {
    for (gone, named) in [("seq = 1", 1), ("seq = 3", 3), ("seq = 6", 6), ("seq > 4", 5), ("seq > 0", 1)] {
        let (seq, words) = after(false, &format!("DELETE FROM events WHERE run = :run AND {gone}"));
        assert_eq!(seq, named, "{gone}: {words}");
        assert!(words.contains("was removed"), "{gone}: {words}");
    }
    // the gap closed by renumbering: the next one is not what it says it is
    let (seq, words) = after(
        false,
        "DELETE FROM events WHERE run = :run AND seq = 3;
         UPDATE events SET seq = seq - 1 WHERE run = :run AND seq > 3",
    );
    assert_eq!(seq, 3, "{words}");
    // the last one removed, and the head set back to the one before
    let (seq, words) = after(
        true,
        "DELETE FROM events WHERE run = :run AND seq = 6;
         UPDATE heads SET seq = 5, hash = (SELECT hash FROM events WHERE run = :run AND seq = 5) WHERE run = :run",
    );
    assert_eq!(seq, 0, "{words}");
    assert!(words.contains("how the run ended"), "{words}");
}

#[test]
fn an_inserted_event_is_found() {
    let copy = |seq: &str, from: &str| {
        format!(
            "INSERT INTO events SELECT run, {seq}, at, kind, body, prev_hash, hash FROM events WHERE run = :run AND seq = {from}"
        )
    };
    let (seq, words) = after(false, &copy("0", "1"));
    assert_eq!(seq, 1, "{words}");
    assert!(words.contains("number 0 was inserted before it"), "{words}");
    let (seq, words) = after(false, &copy("7", "6"));
    assert_eq!(seq, 7, "{words}");
    let (seq, words) = after(
        false,
        &format!(
            "UPDATE events SET seq = -seq WHERE run = :run AND seq > 2;
             UPDATE events SET seq = 1 - seq WHERE run = :run AND seq < 0; {}",
            copy("3", "2")
        ),
    );
    assert_eq!(seq, 3, "{words}");
}

#[test]
fn an_event_added_past_the_head_is_found_even_when_it_chains() {
    let (_dir, path, run) = run_of_six(false);
    let raw = Connection::open(&path).unwrap();
    let prev: String = raw.query_row("SELECT hash FROM heads WHERE run = ?1", [run.as_str()], |r| r.get(0)).unwrap();
    let forged =
        canary::plan::hash::canonical(&json!({"run": run.as_str(), "seq": 7, "at": 7000, "kind": "odd", "body": {}}));
    let hash = canary::plan::hash::sha256_hex(format!("{prev}{forged}").as_bytes());
    raw.execute(
        "INSERT INTO events (run, seq, at, kind, body, prev_hash, hash) VALUES (?1, 7, 7000, 'odd', '{}', ?2, ?3)",
        [run.as_str(), &prev, &hash],
    )
    .unwrap();
    let Err(VerifyError::Chain(e)) = Store::open_readonly(&path).unwrap().verify(&run) else {
        panic!("the added event was not found")
    };
    assert_eq!(e.to_string(), "event 7: it was added outside of the journal");
}

#[test]
fn reordered_events_are_found() {
    let (seq, words) = after(
        false,
        "UPDATE events SET seq = -1 WHERE run = :run AND seq = 3;
         UPDATE events SET seq = 3 WHERE run = :run AND seq = 4;
         UPDATE events SET seq = 4 WHERE run = :run AND seq = -1",
    );
    assert_eq!(seq, 3, "{words}");
}

#[test]
fn events_of_another_run_do_not_pass_for_this_ones() {
    let (seq, words) = after(
        false,
        "DELETE FROM events WHERE run = :run AND seq = 2;
         UPDATE events SET run = :run WHERE run <> :run AND seq = 2",
    );
    assert_eq!(seq, 2, "{words}");
}

#[test]
fn an_altered_header_is_found() {
    for sql in [
        "UPDATE runs SET rollout = 'relay' WHERE id = :run",
        "UPDATE runs SET title = 'x' WHERE id = :run",
        "UPDATE runs SET environment = 'staging' WHERE id = :run",
        "UPDATE runs SET policy_path = 'x' WHERE id = :run",
        "UPDATE runs SET plan_hash = bindings_hash WHERE id = :run",
        "UPDATE runs SET bindings_hash = plan_hash WHERE id = :run",
        "UPDATE runs SET started = started + 1 WHERE id = :run",
        "UPDATE runs SET header_hash = 'x' WHERE id = :run",
        "UPDATE documents SET plan = '[]' WHERE run = :run",
        "UPDATE documents SET bindings = '[]' WHERE run = :run",
        "UPDATE documents SET provenance = '[]' WHERE run = :run",
    ] {
        let (seq, words) = after(true, sql);
        assert_eq!(seq, 0, "{sql}: {words}");
        assert!(words.starts_with("the run's header was altered"), "{sql}: {words}");
    }
    let (seq, words) = after(true, "DELETE FROM documents WHERE run = :run");
    assert_eq!((seq, words.as_str()), (0, "the run's documents were removed"));
}

#[test]
fn an_altered_end_is_found() {
    for sql in [
        "UPDATE runs SET verdict = 'promoted' WHERE id = :run",
        "UPDATE runs SET finished = finished + 1 WHERE id = :run",
        "UPDATE runs SET finished_seq = 5 WHERE id = :run",
        "UPDATE runs SET seal = NULL WHERE id = :run",
        "UPDATE runs SET verdict = NULL WHERE id = :run",
    ] {
        let (seq, words) = after(true, sql);
        assert_eq!(seq, 0, "{sql}: {words}");
        assert!(words.contains("how the run ended"), "{sql}: {words}");
    }
    let (seq, _) = after(false, "UPDATE runs SET verdict = 'promoted', finished = 1, finished_seq = 6 WHERE id = :run");
    assert_eq!(seq, 0);
}

#[test]
fn what_is_journalled_after_the_end_leaves_the_end_as_it_was() {
    let (_dir, path, run) = run_of_six(true);
    let late = NewEvent { at: 8000, kind: "notified", body: json!({}) };
    let store = Store::open(&path).unwrap();
    store.append(&run, &[late], None, None).unwrap();
    assert_eq!(store.verify(&run).unwrap().seq, 7);
    assert_eq!(store.run(&run).unwrap().finished_seq, Some(6));
}

#[test]
fn a_head_that_does_not_fit_is_found() {
    assert_eq!(after(false, "UPDATE heads SET seq = 8 WHERE run = :run").0, 7);
    assert_eq!(after(false, "UPDATE heads SET seq = 4 WHERE run = :run").0, 5);
    assert_eq!(after(false, "UPDATE heads SET hash = 'x' WHERE run = :run").0, 6);
    assert_eq!(after(false, "DELETE FROM heads WHERE run = :run").0, 6);
}

#[test]
fn a_state_that_is_not_what_was_written_is_refused() {
    let (_dir, path, run) = run_of_six(false);
    let store = Store::open(&path).unwrap();
    store.append(&run, &[], Some(&json!({"phase": 1})), None).unwrap();
    Connection::open(&path).unwrap().execute_batch(r#"UPDATE states SET body = '{"phase":2}'"#).unwrap();
    let refused = store.state(&run).unwrap_err();
    assert!(refused.to_string().contains("the state of run"), "{refused}");
    assert!(refused.is_unavailable());
}
