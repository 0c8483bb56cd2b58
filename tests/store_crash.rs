//! What happens to the store when a process is killed, a disk is full or a file system cannot be written.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::store::{Documents, EventFilter, Holder, NewEvent, NewRun, RunId, Store, StoreError};
use serde_json::json;
use std::io::{BufRead, BufReader, Lines};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

const START: i64 = 1_795_252_500_000;

fn new_run() -> NewRun {
    NewRun {
        rollout: "checkout".to_owned(),
        documents: Documents {
            plan_json: "{}".to_owned(),
            bindings_json: "{}".to_owned(),
            provenance_json: "{}".to_owned(),
        },
        started: START,
        ..NewRun::default()
    }
}

fn names() -> [String; 2] {
    ["rollout/checkout".to_owned(), "port/production/checkout".to_owned()]
}

/// Another process: this test's own binary, asked for one of the `child_…` functions below.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(function: &str, store: &Path, run: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", function, "--ignored", "--nocapture", "--test-threads=1"])
            .env("CANARY_TEST_STORE", store)
            .env("CANARY_TEST_RUN", run)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that the child said on purpose; `None` when it has ended.
    fn says(&mut self) -> Option<String> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| line.strip_prefix("CHILD ").map(str::to_owned))
    }

    fn kill_9(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The store and the run that the parent names; `None` when somebody runs the ignored tests by hand.
fn asked() -> Option<(Store, RunId)> {
    let path = PathBuf::from(std::env::var_os("CANARY_TEST_STORE")?);
    let run = RunId::from(std::env::var("CANARY_TEST_RUN").ok()?);
    Some((Store::open(&path).unwrap(), run))
}

#[test]
#[ignore = "started by other tests as a second process"]
fn child_holds_leases() {
    let Some((store, _)) = asked() else { return };
    let _lease = store.lease(&names(), &Holder::this_process(START)).unwrap();
    println!("\nCHILD holds {}", std::process::id());
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "started by other tests as a second process"]
fn child_appends_for_ever() {
    let Some((store, run)) = asked() else { return };
    let _lease = store.lease(&names(), &Holder::this_process(START)).unwrap();
    let mut n = store.state(&run).unwrap().map_or(0, |(seq, _)| seq);
    loop {
        // three events, a state and an observation: all of them or none
        let batch: Vec<_> = (1..=3)
            .map(|i| NewEvent {
                at: i64::try_from(n).unwrap() + i,
                kind: "tick",
                body: json!({"fill": "x".repeat(2000)}),
            })
            .collect();
        n += 3;
        let (at, state) = (i64::try_from(n).unwrap(), json!({"seq": n}));
        store.append(&run, &batch, Some(&state), Some((at, &state))).unwrap();
        println!("\nCHILD {n}");
    }
}

#[test]
fn kill_9_frees_a_lease_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let mut other = Other::start("child_holds_leases", &path, "");
    let pid = other.says().unwrap().replace("holds ", "");
    for name in names() {
        let held = store.lease(std::slice::from_ref(&name), &Holder::this_process(START)).unwrap_err();
        let StoreError::Held { name: which, by } = &held else { panic!("{held:?}") };
        assert_eq!(*which, name);
        assert!(by.starts_with(&format!("pid {pid} on ")), "{by}");
        assert!(by.ends_with("since 2026-11-21 09:15:00 UTC"), "{by}");
        assert!(held.is_taken() && !held.is_unavailable());
        assert_eq!(store.lease_holder(&name).unwrap().as_ref(), Some(by));
    }
    // others are free
    drop(store.lease(&["rollout/relay".to_owned()], &Holder::this_process(START)).unwrap());

    other.kill_9();
    assert_eq!(store.lease_holder("rollout/checkout").unwrap(), None);
    let lease = store.lease(&names(), &Holder::this_process(START)).unwrap();
    lease.confirm().unwrap();
}

#[test]
fn two_runners_of_one_process_exclude_each_other_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let holder = Holder::this_process(START);
    let lease = store.lease(&names(), &holder).unwrap();
    assert_eq!(lease.names().collect::<Vec<_>>(), ["port/production/checkout", "rollout/checkout"]);
    // by another way to the same store
    let link = dir.path().join("link.db");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let second = Store::open(&link).unwrap();
    std::thread::scope(|threads| {
        let (second, holder) = (&second, &holder);
        threads.spawn(move || {
            let wanted = ["free".to_owned(), "rollout/checkout".to_owned()];
            assert!(matches!(second.lease(&wanted, holder), Err(StoreError::Held { .. })));
            // all or none: `free` is free again
            assert_eq!(second.lease_holder("free").unwrap(), None);
        });
    });
    drop(lease);
    drop(second.lease(&names(), &holder).unwrap());
}

#[test]
fn one_of_many_threads_gets_a_lease() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("store.db")).unwrap();
    let holder = Holder::this_process(START);
    let got: Vec<_> = std::thread::scope(|threads| {
        let tries: Vec<_> = (0..8).map(|_| threads.spawn(|| store.lease(&names(), &holder))).collect();
        tries.into_iter().map(|t| t.join().unwrap()).collect()
    });
    assert_eq!(got.iter().filter(|lease| lease.is_ok()).count(), 1);
}

#[test]
fn a_lease_whose_file_is_deleted_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let store = Store::open(&path).unwrap();
    let lease = store.lease(&names(), &Holder::this_process(START)).unwrap();
    lease.confirm().unwrap();
    std::fs::remove_dir_all(dir.path().join("store.db.locks")).unwrap();
    let lost = lease.confirm().unwrap_err();
    assert!(matches!(lost, StoreError::LeaseLost { .. }), "{lost:?}");
    assert!(lost.is_taken());
    // the next one gets it, and the first one still knows that it has not
    let next = store.lease(&names(), &Holder::this_process(START)).unwrap();
    assert!(lease.confirm().is_err());
    next.confirm().unwrap();
    drop(lease);
    next.confirm().unwrap();
    assert!(store.lease_holder("rollout/checkout").unwrap().is_some());
}

#[test]
fn kill_9_while_appending_leaves_whole_appends_only() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store.db");
    let run = Store::open(&path).unwrap().create_run(&new_run()).unwrap();
    let mut written = 0;
    // enough rounds for the write-ahead log to be moved into the database now and then
    for round in 0..8 {
        let mut other = Other::start("child_appends_for_ever", &path, run.as_str());
        for _ in 0..=(round * 23) {
            written = other.says().expect("the child goes on").parse().unwrap();
        }
        other.kill_9();
        let store = Store::open(&path).unwrap();
        store.check_integrity().unwrap();
        let head = store.verify(&run).unwrap();
        // what was said to be on disk is there; at most what was under way comes on top of it
        assert!(head.seq >= written, "{head:?} after {written}");
        assert_eq!(head.seq % 3, 0);
        assert_eq!(store.state(&run).unwrap(), Some((head.seq, json!({"seq": head.seq}))));
        let at = i64::try_from(head.seq).unwrap();
        assert_eq!(store.last_observation(&run).unwrap(), Some((at, json!({"seq": head.seq}))));
        assert_eq!(store.observations(&run, 0, i64::MAX).unwrap().len() as u64, head.seq / 3);
        assert_eq!(store.events(&run, &EventFilter::default()).unwrap().len() as u64, head.seq);
        drop(store.lease(&names(), &Holder::this_process(START)).unwrap());
    }
    println!("{written} events over 8 killed writers");
}

/// A file system in memory, of a given size; unmounted when this is dropped.
struct Tmpfs {
    dir: tempfile::TempDir,
}

impl Tmpfs {
    fn mount(test: &str, options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(dir.path()).output();
        match mounted {
            Ok(out) if out.status.success() => Some(Self { dir }),
            Ok(out) => {
                let why = String::from_utf8_lossy(&out.stderr);
                let why = why.lines().next().unwrap_or("no reason given");
                println!("SKIPPED: {test}: a tmpfs cannot be mounted here: {why}");
                None
            }
            Err(e) => {
                println!("SKIPPED: {test}: `mount` cannot be run: {e}");
                None
            }
        }
    }

    fn remount(&self, options: &str) {
        let done =
            Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.dir.path()).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.dir.path()).status();
    }
}

fn append(store: &Store, run: &RunId, at: i64, bytes: usize) -> Result<u64, StoreError> {
    let event = NewEvent { at, kind: "tick", body: json!({"fill": "x".repeat(bytes)}) };
    let state = json!({"at": at});
    let events = store.append(run, &[event], Some(&state), Some((at, &state)))?;
    Ok(events[0].seq)
}

#[test]
fn a_disk_that_fills_up_and_is_freed_again() {
    let Some(disk) = Tmpfs::mount("a_disk_that_fills_up_and_is_freed_again", "size=3m,mode=700") else {
        return;
    };
    let path = disk.dir.path().join("canary/store.db");
    let store = Store::open(&path).unwrap();
    let run = store.create_run(&new_run()).unwrap();
    let filler = disk.dir.path().join("filler");
    for round in 0..3 {
        std::fs::write(&filler, vec![1; 800_000]).unwrap();
        let mut last = None;
        let full = loop {
            match append(&store, &run, round, 40_000) {
                Ok(seq) => last = Some(seq),
                Err(e) => break e,
            }
            assert!(last < Some(500), "three MiB cannot hold this");
        };
        assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
        assert!(full.is_unavailable());
        // reading goes on, and nothing is half there
        let head = store.verify(&run).unwrap();
        assert!(last.is_none_or(|seq| seq == head.seq), "{last:?} {head:?}");
        assert!(matches!(append(&store, &run, round, 200_000), Err(StoreError::Full { .. })));
        // a rollback must still find its way to its lease, whatever the disk says
        let leased = store.lease(&["rollout/checkout".to_owned()], &Holder::this_process(START));
        assert!(matches!(&leased, Ok(_) | Err(StoreError::Full { .. })), "{leased:?}");

        std::fs::remove_file(&filler).unwrap();
        let seq = append(&store, &run, round, 4000).unwrap();
        assert_eq!(seq, head.seq + 1, "the same store works again, where it stopped");
        assert_eq!(store.state(&run).unwrap(), Some((seq, json!({"at": round}))));
        disk.remount(&format!("size={}m", 3 + 2 * (round + 1)));
    }
    store.check_integrity().unwrap();
    let head = store.verify(&run).unwrap();
    drop(store);
    assert_eq!(Store::open(&path).unwrap().verify(&run).unwrap(), head);
    // a new store on a disk without any space
    let _ = std::fs::write(&filler, vec![1; 20_000_000]);
    let none = Store::open(&disk.dir.path().join("second/store.db")).unwrap_err();
    assert!(matches!(none, StoreError::Full { .. }), "{none:?}");
}

#[test]
fn a_file_system_that_becomes_read_only() {
    let Some(disk) = Tmpfs::mount("a_file_system_that_becomes_read_only", "size=8m,mode=700") else {
        return;
    };
    let path = disk.dir.path().join("store.db");
    let run = {
        let store = Store::open(&path).unwrap();
        let run = store.create_run(&new_run()).unwrap();
        append(&store, &run, 1, 100).unwrap();
        run
    };
    disk.remount("ro");
    let refused = Store::open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::ReadOnly { .. }), "{refused:?}");
    assert!(refused.is_unavailable());
    let reader = Store::open_readonly(&path).unwrap();
    assert_eq!(reader.verify(&run).unwrap().seq, 1);
    drop(reader);
    let new = Store::open(&disk.dir.path().join("new/store.db")).unwrap_err();
    assert!(matches!(new, StoreError::ReadOnly { .. }), "{new:?}");
    disk.remount("rw");
    let store = Store::open(&path).unwrap();
    assert_eq!(append(&store, &run, 2, 100).unwrap(), 2);
}
