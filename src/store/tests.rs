//! What needs the connection itself: a full database, one locked by another process, the settings.

use super::*;
use serde_json::json;

fn new_run(rollout: &str) -> NewRun {
    NewRun {
        rollout: rollout.to_owned(),
        documents: Documents {
            plan_json: "{}".to_owned(),
            bindings_json: "{}".to_owned(),
            provenance_json: "{}".to_owned(),
        },
        started: 1_795_252_500_000,
        ..NewRun::default()
    }
}

fn event(at: i64, bytes: usize) -> NewEvent<'static> {
    NewEvent { at, kind: "tick", body: json!({"fill": "x".repeat(bytes)}) }
}

fn pragma(store: &Store, text: &str) -> String {
    let inner = store.inner();
    inner
        .conn
        .query_row(&format!("PRAGMA {text}"), [], |row| {
            let value: rusqlite::types::Value = row.get(0)?;
            Ok(match value {
                rusqlite::types::Value::Integer(i) => i.to_string(),
                rusqlite::types::Value::Text(t) => t,
                other => format!("{other:?}"),
            })
        })
        .unwrap()
}

#[test]
fn a_commit_is_on_disk_when_it_returns() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    assert_eq!(pragma(&store, "journal_mode"), "wal");
    assert_eq!(pragma(&store, "synchronous"), "2"); // FULL
    assert_eq!(pragma(&store, "busy_timeout"), "5000");
}

#[test]
fn a_full_store_refuses_whole_appends_and_works_again_once_there_is_space() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    let run = store.create_run(&new_run("checkout")).unwrap();
    pragma(&store, "max_page_count = 60");
    let mut kept = 0;
    let full = loop {
        let batch = [event(kept, 3000), event(kept, 3000)];
        match store.append(&run, &batch, Some(&json!({"n": kept})), None) {
            Ok(_) => kept += 1,
            Err(e) => break e,
        }
        assert!(kept < 100, "sixty pages cannot hold this");
    };
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    assert!(full.is_unavailable());
    assert!(full.to_string().contains("no space left"), "{full}");
    // nothing of the refused append is there, and reading goes on
    assert!(kept > 3);
    let two = u64::try_from(kept * 2).unwrap();
    assert_eq!(store.verify(&run).unwrap().seq, two);
    assert_eq!(store.state(&run).unwrap(), Some((two, json!({"n": kept - 1}))));
    // still full at the next attempt
    let again = store.append(&run, &[event(0, 200_000)], None, None);
    assert!(matches!(again, Err(StoreError::Full { .. })), "{again:?}");

    pragma(&store, "max_page_count = 100000");
    let event = store.append(&run, &[event(kept, 200_000)], None, None).unwrap();
    assert_eq!(event[0].seq, two + 1);
    assert_eq!(store.verify(&run).unwrap().hash, event[0].hash);
}

#[test]
fn a_store_locked_by_another_process_is_busy_until_it_lets_go() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    let store = Store::open(&path).unwrap();
    let run = store.create_run(&new_run("checkout")).unwrap();
    store.inner().conn.busy_timeout(Duration::from_millis(1)).unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let busy = store.append(&run, &[event(1, 10)], None, None).unwrap_err();
    assert!(matches!(busy, StoreError::Busy { .. }), "{busy:?}");
    assert!(busy.is_unavailable());
    // readers are not in the way of a writer, nor it in theirs
    assert_eq!(store.events(&run, &EventFilter::default()).unwrap(), []);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.append(&run, &[event(1, 10)], None, None).unwrap()[0].seq, 1);
}

#[test]
fn a_panic_inside_a_transaction_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    let run = store.create_run(&new_run("checkout")).unwrap();
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.write::<()>(|tx, _| {
            tx.execute("DELETE FROM heads", [])?;
            panic!("in the middle");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!(store.append(&run, &[event(1, 10)], None, None).unwrap()[0].seq, 1);
}

#[test]
fn the_journal_cannot_be_changed_by_accident() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    let run = store.create_run(&new_run("checkout")).unwrap();
    store.append(&run, &[event(1, 10)], None, None).unwrap();
    for sql in ["DELETE FROM events", "UPDATE events SET at = 0"] {
        let refused = store.inner().conn.execute(sql, []).unwrap_err();
        assert!(refused.to_string().contains("the journal only grows"), "{refused}");
    }
}

#[test]
fn a_store_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Store>();
    shared::<LeaseGuard>();
}

#[test]
fn a_store_that_may_not_be_made_says_what_to_do() {
    let denied = std::io::Error::from_raw_os_error(13);
    let said = StoreError::io(std::path::Path::new(".canary/store.db"), &denied).to_string();
    assert!(said.starts_with("store .canary/store.db: Permission denied"), "{said}");
    assert!(said.contains("must be writable") && said.contains("CANARY_STORE"), "{said}");
}
