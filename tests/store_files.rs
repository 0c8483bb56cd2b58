//! The store's files: who may read them, what happens when they are something else, damaged or taken away.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::store::{Documents, Holder, NewEvent, NewRun, RunFilter, Store, StoreError};
use serde_json::{Value, json};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// 2026-11-21 09:15:00 UTC
const START: i64 = 1_795_252_500_000;

fn new_run(rollout: &str, started: i64) -> NewRun {
    NewRun {
        rollout: rollout.to_owned(),
        title: "Checkout v2".to_owned(),
        environment: "production".to_owned(),
        policy_path: "policies/checkout.canary".to_owned(),
        plan_hash: "aa".repeat(32),
        bindings_hash: "bb".repeat(32),
        documents: Documents {
            plan_json: r#"{"rollout":"checkout"}"#.to_owned(),
            bindings_json: r#"{"environment":"production"}"#.to_owned(),
            provenance_json: r#"{"who":"eva"}"#.to_owned(),
        },
        started,
    }
}

fn event(at: i64, kind: &str, body: Value) -> NewEvent<'_> {
    NewEvent { at, kind, body }
}

struct Fixture {
    dir: tempfile::TempDir,
    path: PathBuf,
    store: Store,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/store.db");
    let store = Store::open(&path).unwrap();
    Fixture { dir, path, store }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

#[test]
fn a_new_store_is_for_its_user_alone() {
    let f = fixture();
    f.store.create_run(&new_run("checkout", START)).unwrap();
    let _lease = f.store.lease(&["rollout/checkout".to_owned()], &Holder::this_process(START)).unwrap();
    assert_eq!(mode(&f.path), 0o600);
    assert_eq!(mode(&beside(&f.path, "-wal")), 0o600);
    assert_eq!(mode(&beside(&f.path, ".locks")), 0o700);
    assert_eq!(mode(&f.dir.path().join("deep/er")), 0o700);
    assert_eq!(mode(&f.dir.path().join("deep")), 0o700);
}

#[test]
fn files_that_are_no_store_are_named_with_a_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let both = |path: &Path| [Store::open(path).unwrap_err(), Store::open_readonly(path).unwrap_err()];

    let none = Store::open_readonly(&at("none.db")).unwrap_err();
    assert!(none.to_string().starts_with("no runs yet"), "{none}");
    assert!(matches!(Store::open_existing(&at("none.db")), Err(StoreError::NoRuns { .. })));
    assert!(!at("none.db").exists(), "looking creates nothing");

    std::fs::write(at("empty.db"), "").unwrap();
    assert!(matches!(Store::open_readonly(&at("empty.db")), Err(StoreError::NoRuns { .. })));
    Store::open(&at("empty.db")).unwrap();

    std::fs::write(at("text.db"), "edition 2026\n".repeat(200)).unwrap();
    for e in both(&at("text.db")) {
        assert!(e.to_string().contains("the file is not a database"), "{e}");
        assert!(e.to_string().contains("text.db"), "{e}");
    }
    assert_eq!(std::fs::read_to_string(at("text.db")).unwrap(), "edition 2026\n".repeat(200));

    std::fs::create_dir(at("folder.db")).unwrap();
    for e in both(&at("folder.db")) {
        assert!(e.to_string().contains("it is a folder"), "{e}");
    }

    rusqlite::Connection::open(at("foreign.db")).unwrap().execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    let bytes = std::fs::read(at("foreign.db")).unwrap();
    for e in both(&at("foreign.db")) {
        assert!(e.to_string().contains("a database of another program"), "{e}");
    }
    assert_eq!(std::fs::read(at("foreign.db")).unwrap(), bytes, "it is left as it was");

    drop(Store::open(&at("newer.db")).unwrap());
    rusqlite::Connection::open(at("newer.db"))
        .unwrap()
        .execute_batch("UPDATE schema_version SET version = 99")
        .unwrap();
    for e in both(&at("newer.db")) {
        assert!(e.to_string().contains("written by a newer canary (schema 99"), "{e}");
    }

    std::fs::write(at("file"), "").unwrap();
    let below = Store::open(&at("file/store.db")).unwrap_err();
    assert!(matches!(below, StoreError::Io { .. }), "{below:?}");
}

#[test]
fn a_store_of_an_older_version_is_read_and_brought_up_to_date() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    drop(f.store);
    let raw = || rusqlite::Connection::open(&f.path).unwrap();
    raw().execute_batch("DROP TABLE latches; DROP TABLE notices; UPDATE schema_version SET version = 1").unwrap();
    let tables = || {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('latches', 'latched', 'notices', 'notices_open')";
        raw().query_row(sql, [], |r| r.get::<_, i64>(0)).unwrap()
    };

    let reader = Store::open_readonly(&f.path).unwrap();
    assert_eq!(reader.run(&run).unwrap().rollout, "checkout");
    drop(reader);
    assert_eq!(tables(), 0, "reading changes nothing");

    let store = Store::open(&f.path).unwrap();
    assert_eq!(store.run(&run).unwrap().rollout, "checkout");
    drop(store);
    assert_eq!(tables(), 4);
    assert_eq!(raw().query_row("SELECT version FROM schema_version", [], |r| r.get::<_, i64>(0)).unwrap(), 2);
}

#[test]
fn a_damaged_store_says_so() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    for n in 0..40 {
        let body = json!({"fill": "x".repeat(1000)});
        f.store.append(&run, &[event(n, "tick", body)], Some(&json!({"n": n})), None).unwrap();
    }
    drop(f.store);
    let mut bytes = std::fs::read(&f.path).unwrap();
    assert!(bytes.len() > 60_000);
    for byte in &mut bytes[8192..] {
        *byte = byte.wrapping_mul(31).wrapping_add(7);
    }
    std::fs::write(&f.path, bytes).unwrap();
    let damaged = match Store::open(&f.path) {
        Err(e) => e,
        Ok(store) => store
            .check_integrity()
            .and(store.append(&run, &[event(1, "tick", json!(1))], None, None).map(|_| ()))
            .unwrap_err(),
    };
    assert!(matches!(damaged, StoreError::Corrupt { .. }), "{damaged:?}");
    assert!(damaged.is_unavailable());
    assert!(damaged.to_string().contains("restore it from a backup"), "{damaged}");
}

#[test]
fn a_store_deleted_or_replaced_underneath_is_noticed_at_the_next_write() {
    for end in ["", "-wal", "-shm"] {
        let f = fixture();
        let run = f.store.create_run(&new_run("checkout", START)).unwrap();
        let victim = beside(&f.path, end);
        let kept = std::fs::read(&victim).unwrap();
        std::fs::remove_file(&victim).unwrap();
        let gone = f.store.append(&run, &[event(1, "tick", json!(1))], None, None).unwrap_err();
        assert!(matches!(gone, StoreError::Gone { .. }), "{end}: {gone:?}");
        assert!(gone.is_unavailable());
        std::fs::write(&victim, kept).unwrap();
        let replaced = f.store.take_commands(&run, 0).unwrap_err();
        assert!(matches!(replaced, StoreError::Gone { .. }), "{end}: {replaced:?}");
    }
}

#[test]
fn a_reader_writes_nothing() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    let reader = Store::open_readonly(&f.path).unwrap();
    assert_eq!(reader.latest_run("checkout").unwrap().unwrap().id, run);
    let refused = reader.append(&run, &[event(1, "tick", json!(1))], None, None).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    f.store.append(&run, &[event(1, "tick", json!(1))], None, None).unwrap();
    assert_eq!(reader.verify(&run).unwrap().seq, 1);
}

#[test]
fn many_openers_of_a_new_store_all_succeed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s.db");
    std::thread::scope(|threads| {
        for n in 0..8 {
            let path = &path;
            threads.spawn(move || {
                let store = Store::open(path).unwrap();
                store.create_run(&new_run("checkout", START + n)).unwrap();
            });
        }
    });
    assert_eq!(Store::open(&path).unwrap().runs(&RunFilter::default()).unwrap().len(), 8);
}

#[test]
fn a_write_protected_store_can_be_read_only() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    drop(f.store);
    std::fs::set_permissions(&f.path, std::fs::Permissions::from_mode(0o400)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(&f.path).is_ok() {
        println!("SKIPPED: a_write_protected_store_can_be_read_only: this user writes to protected files");
        return;
    }
    let refused = Store::open(&f.path).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    assert_eq!(Store::open_readonly(&f.path).unwrap().verify(&run).unwrap().seq, 0);
    // nor its folder: no companion file can be made
    let folder = f.path.parent().unwrap();
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    let reader = Store::open_readonly(&f.path).map(|store| store.verify(&run).map(|head| head.seq));
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(reader.unwrap(), Ok(0));
}
