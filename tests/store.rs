//! The store as its callers see it: runs, journals, observations, commands.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::store::{Documents, EventFilter, MAX_BODY, NewEvent, NewRun, RunFilter, RunId, Store, StoreError};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

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
    _dir: tempfile::TempDir,
    path: PathBuf,
    store: Store,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/er/store.db");
    let store = Store::open(&path).unwrap();
    Fixture { _dir: dir, path, store }
}

#[test]
fn runs_are_named_by_their_start_listed_newest_first_and_end_once() {
    let f = fixture();
    let mut ids = Vec::new();
    for (i, (rollout, started)) in [
        ("checkout", START),
        ("checkout", START), // the same millisecond
        ("relay", START + 1),
        ("checkout", START + 59_999),
        ("relay", START + 60_000),
    ]
    .into_iter()
    .enumerate()
    {
        let id = f.store.create_run(&new_run(rollout, started)).unwrap();
        assert!(id.as_str().starts_with("20261121-091"), "{id}");
        assert_eq!(id.as_str().len(), "20261121-0915-k3f9".len());
        if i % 2 == 0 {
            f.store.finish_run(&id, "promoted", started + 10).unwrap();
        }
        ids.push(id);
    }
    let mut sorted = ids.clone();
    sorted.sort();
    assert_eq!(sorted, ids, "the order of names is the order of starts");

    let names = |filter: RunFilter| -> Vec<usize> {
        let runs = f.store.runs(&filter).unwrap();
        runs.iter().map(|run| ids.iter().position(|id| *id == run.id).unwrap()).collect()
    };
    let all = RunFilter::default;
    assert_eq!(names(all()), [4, 3, 2, 1, 0]);
    assert_eq!(names(RunFilter { limit: Some(2), ..all() }), [4, 3]);
    assert_eq!(names(RunFilter { rollout: Some("relay".into()), ..all() }), [4, 2]);
    assert_eq!(names(RunFilter { since: Some(START + 1), until: Some(START + 60_000), ..all() }), [3, 2]);
    assert_eq!(names(RunFilter { verdict: Some("promoted".into()), ..all() }), [4, 2, 0]);
    assert_eq!(names(RunFilter { unfinished: true, ..all() }), [3, 1]);
    assert_eq!(f.store.latest_run("relay").unwrap().unwrap().id, ids[4]);
    assert_eq!(f.store.unfinished_run("checkout").unwrap().unwrap().id, ids[3]);
    assert_eq!(f.store.unfinished_run("relay").unwrap(), None);
    assert_eq!(f.store.latest_run("other").unwrap(), None);

    let run = f.store.run(&ids[0]).unwrap();
    assert_eq!((run.verdict.as_deref(), run.finished), (Some("promoted"), Some(START + 10)));
    assert_eq!(f.store.documents(&ids[0]).unwrap(), new_run("checkout", START).documents);
    // the same once more is nothing new; another word is refused, and the first one stands
    f.store.finish_run(&ids[0], "promoted", START + 99).unwrap();
    let refused = f.store.finish_run(&ids[0], "rolled back", START + 99).unwrap_err();
    assert!(refused.to_string().contains("has ended already, as `promoted`"), "{refused}");
    assert_eq!(f.store.run(&ids[0]).unwrap().finished, Some(START + 10));

    let nobody = RunId::from("20200101-0000-0000");
    for missing in [
        f.store.run(&nobody).unwrap_err(),
        f.store.events(&nobody, &EventFilter::default()).unwrap_err(),
        f.store.state(&nobody).unwrap_err(),
        f.store.append(&nobody, &[], None, None).unwrap_err(),
        f.store.finish_run(&nobody, "promoted", 0).unwrap_err(),
        f.store.last_observation(&nobody).unwrap_err(),
        f.store.post_command(&nobody, "pause", "eva", "", 0).unwrap_err(),
    ] {
        assert_eq!(missing.to_string(), "there is no run 20200101-0000-0000 in the store");
        assert!(!missing.is_unavailable());
    }
}

#[test]
fn what_is_journalled_is_read_back_as_it_was() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    let header = f.store.run(&run).unwrap().header_hash;
    assert_eq!(f.store.events(&run, &EventFilter::default()).unwrap(), []);
    assert_eq!(f.store.state(&run).unwrap(), None);
    assert_eq!(f.store.last_observation(&run).unwrap(), None);

    // a float with all its digits, the keys out of order
    let body = json!({"z": 0.1 + 0.2, "a": [1, 5e-324, 1.797_693_134_862_315_7e308, -0.0, "ü\n\u{0}"]});
    let first =
        f.store.append(&run, &[event(1, "started", body.clone())], Some(&body), Some((1, &json!({"x": 1})))).unwrap();
    assert_eq!(first[0].prev_hash, header);
    let more = f
        .store
        .append(
            &run,
            &[event(2, "breach", json!({"guard": "errors"})), event(3, "set", json!(null))],
            None,
            Some((3, &json!({"x": 3}))),
        )
        .unwrap();
    assert_eq!(more[0].prev_hash, first[0].hash);
    // an observation alone, and a state alone
    f.store.append(&run, &[], None, Some((4, &json!({"x": 4})))).unwrap();
    assert_eq!(f.store.state(&run).unwrap(), Some((1, body)));
    f.store.append(&run, &[], Some(&json!({"n": 2})), None).unwrap();
    assert_eq!(f.store.state(&run).unwrap(), Some((3, json!({"n": 2}))));

    let all: Vec<_> = first.into_iter().chain(more).collect();
    let seqs =
        |filter: EventFilter| -> Vec<u64> { f.store.events(&run, &filter).unwrap().iter().map(|e| e.seq).collect() };
    let any = EventFilter::default;
    assert_eq!(f.store.events(&run, &any()).unwrap(), all);
    assert_eq!(seqs(EventFilter { kinds: vec!["set".into(), "started".into()], ..any() }), [1, 3]);
    assert_eq!(seqs(EventFilter { kinds: vec!["'\"".into()], ..any() }), Vec::<u64>::new());
    assert_eq!(seqs(EventFilter { since_seq: 1, ..any() }), [2, 3]);
    assert_eq!(seqs(EventFilter { since_seq: u64::MAX, ..any() }), Vec::<u64>::new());
    assert_eq!(seqs(EventFilter { limit: Some(2), ..any() }), [1, 2]);
    assert_eq!(seqs(EventFilter { limit: Some(2), newest: true, ..any() }), [2, 3]);
    assert_eq!(seqs(EventFilter { since: Some(2), until: Some(3), ..any() }), [2]);

    assert_eq!(f.store.observations(&run, 1, 4).unwrap(), [(1, json!({"x": 1})), (3, json!({"x": 3}))]);
    assert_eq!(f.store.last_observation(&run).unwrap(), Some((4, json!({"x": 4}))));
    let before = f.store.verify(&run).unwrap();
    assert_eq!(before.seq, 3);
    assert_eq!(f.store.prune_observations(4).unwrap(), 2);
    assert_eq!(f.store.prune_observations(4).unwrap(), 0);
    assert_eq!(f.store.observations(&run, 0, 100).unwrap(), [(4, json!({"x": 4}))]);
    assert_eq!(f.store.verify(&run).unwrap(), before, "pruning leaves the chain alone");

    for at in 5..15 {
        f.store.append(&run, &[], None, Some((at, &json!({ "x": "y".repeat(100) })))).unwrap();
    }
    assert_eq!(f.store.trim_observations(&run, 10_000).unwrap(), 0, "they fit");
    assert_eq!(f.store.trim_observations(&run, 3 * 108 + 107).unwrap(), 8, "three of 108 bytes fit, four do not");
    let times: Vec<_> = f.store.observations(&run, 0, 100).unwrap().into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [12, 13, 14]);
    assert_eq!(f.store.trim_observations(&run, 1).unwrap(), 2, "the newest one stays, however large it is");
    assert_eq!(f.store.last_observation(&run).unwrap().unwrap().0, 14);
    assert_eq!(f.store.verify(&run).unwrap(), before, "nor does trimming touch it");

    // and all of it by another process, later
    let path = f.path.clone();
    drop(f.store);
    let again = Store::open_readonly(&path).unwrap();
    assert_eq!(again.events(&run, &any()).unwrap(), all);
    assert_eq!(again.verify(&run).unwrap(), before);
    again.check_integrity().unwrap();
}

#[test]
fn pruning_many_observations_takes_them_all() {
    let f = fixture();
    let runs: Vec<_> = (0..2).map(|i| f.store.create_run(&new_run("checkout", START + i)).unwrap()).collect();
    let raw = rusqlite::Connection::open(&f.path).unwrap();
    for run in &runs {
        raw.execute(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 4999)
             INSERT INTO observations SELECT ?1, i, '{}' FROM n",
            [run.as_str()],
        )
        .unwrap();
    }
    assert_eq!(f.store.prune_observations(4990).unwrap(), 2 * 4990);
    for run in &runs {
        assert_eq!(f.store.observations(run, 0, 10_000).unwrap().len(), 10);
    }
}

#[test]
fn what_is_too_large_or_cannot_be_read_again_is_refused_whole() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    let fits = json!("x".repeat(MAX_BODY - 2));
    f.store.append(&run, &[event(1, "big", fits)], None, None).unwrap();
    let large = f
        .store
        .append(&run, &[event(2, "small", json!(1)), event(2, "big", json!("x".repeat(MAX_BODY - 1)))], None, None)
        .unwrap_err();
    assert_eq!(large.to_string(), "the body of event `big` has 1048577 bytes, the store takes at most 1048576");
    assert!(!large.is_unavailable());
    let deep = (0..101).fold(json!(1), |inner, _| json!([inner]));
    let refused = f.store.append(&run, &[], Some(&deep), None).unwrap_err();
    assert!(refused.to_string().contains("nested deeper than 100"), "{refused}");
    let deep = (0..100).fold(json!(1), |inner, _| json!([inner]));
    f.store.append(&run, &[], Some(&deep), None).unwrap();
    assert_eq!(f.store.state(&run).unwrap(), Some((1, deep)));
    let mut not_json = new_run("checkout", START);
    not_json.documents.bindings_json = "{".to_owned();
    let refused = f.store.create_run(&not_json).unwrap_err();
    assert!(refused.to_string().contains("bindings is not JSON"), "{refused}");
}

#[test]
fn a_second_runner_fences_the_first_one_off() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    let tick = |n: i64| [event(n, "tick", json!({"n": n}))];
    f.store.append(&run, &tick(1), None, None).unwrap();
    let second = Store::open(&f.path).unwrap();
    // reading and commands take nothing over
    second.state(&run).unwrap();
    second.post_command(&run, "pause", "eva", "", 1).unwrap();
    f.store.append(&run, &tick(2), None, None).unwrap();

    second.append(&run, &tick(3), None, None).unwrap();
    for fenced in [
        f.store.append(&run, &tick(4), None, None).unwrap_err(),
        f.store.append(&run, &[], Some(&json!(1)), None).unwrap_err(),
        f.store.finish_run(&run, "promoted", 4).unwrap_err(),
    ] {
        assert!(matches!(fenced, StoreError::Fenced { .. }), "{fenced:?}");
        assert!(fenced.is_taken() && !fenced.is_unavailable());
    }
    second.append(&run, &tick(5), None, None).unwrap();
    assert_eq!(second.verify(&run).unwrap().seq, 4);
}

#[test]
fn commands_reach_the_runner_once_and_their_outcome_comes_back() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    let other = f.store.create_run(&new_run("relay", START)).unwrap();
    let person = Store::open_existing(&f.path).unwrap();
    let pause = person.post_command(&run, "pause", "eva", "odd latency", 10).unwrap();
    let resume = person.post_command(&run, "resume", "jo", "", 20).unwrap();
    person.post_command(&other, "abort", "jo", "", 30).unwrap();

    let taken = f.store.take_commands(&run, 0).unwrap();
    assert_eq!(taken.iter().map(|c| c.id).collect::<Vec<_>>(), [pause, resume]);
    assert_eq!(
        (taken[0].kind.as_str(), taken[0].who.as_str(), taken[0].why.as_str(), taken[0].at),
        ("pause", "eva", "odd latency", 10)
    );
    assert_eq!(f.store.take_commands(&run, pause).unwrap().len(), 1);
    let waited = person.await_command(pause, Duration::ZERO).unwrap();
    assert_eq!(waited.acknowledged, None);

    f.store.acknowledge(pause, 11, "paused").unwrap();
    f.store.acknowledge(pause, 12, "paused").unwrap();
    let refused = f.store.acknowledge(pause, 13, "refused").unwrap_err();
    assert!(refused.to_string().contains("has its outcome already: `paused`"), "{refused}");
    let seen = person.await_command(pause, Duration::from_secs(60)).unwrap();
    assert_eq!((seen.acknowledged, seen.outcome.as_deref()), (Some(11), Some("paused")));
    // a runner that starts again asks from the beginning and gets only what is still open
    assert_eq!(f.store.take_commands(&run, 0).unwrap().iter().map(|c| c.id).collect::<Vec<_>>(), [resume]);
    assert_eq!(f.store.commands(&run).unwrap().len(), 2);

    f.store.finish_run(&run, "promoted", 40).unwrap();
    let late = person.post_command(&run, "abort", "jo", "", 50).unwrap_err();
    assert!(late.to_string().contains("has ended (`promoted`): there is nothing to abort"), "{late}");
    assert_eq!(person.command(999).unwrap_err().to_string(), "there is no command 999 in the store");
    assert!(person.post_command(&other, "", "jo", "", 50).is_err());
    assert!(person.post_command(&other, "pause", "", "", 50).is_err());
    let long = person.post_command(&other, "pause", "jo", &"x".repeat(20_000), 50).unwrap_err();
    assert!(matches!(long, StoreError::TooLarge { .. }), "{long:?}");
}

#[test]
fn readers_see_whole_appends_only_while_a_writer_writes() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|threads| {
        let readers: Vec<_> = (0..3)
            .map(|_| {
                threads.spawn(|| {
                    let reader = Store::open_readonly(&f.path).unwrap();
                    let (mut looks, mut last) = (0, 0);
                    loop {
                        let over = done.load(std::sync::atomic::Ordering::Acquire);
                        let head = reader.verify(&run).unwrap();
                        assert!(head.seq >= last && head.seq.is_multiple_of(3), "{head:?} after {last}");
                        if let Some((seq, state)) = reader.state(&run).unwrap() {
                            assert_eq!(state, json!({"seq": seq}));
                        }
                        last = head.seq;
                        looks += 1;
                        if over {
                            return (looks, last);
                        }
                    }
                })
            })
            .collect();
        for n in 0..100 {
            let batch: Vec<_> = (0..3).map(|_| event(n, "tick", json!({"n": n}))).collect();
            let state = json!({"seq": 3 * (n + 1)});
            f.store.append(&run, &batch, Some(&state), Some((n, &state))).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Release);
        for reader in readers {
            let (looks, last) = reader.join().unwrap();
            assert!(looks > 1);
            assert_eq!(last, 300);
        }
    });
}

/// How fast events can be appended; a figure to read, not a limit.
#[test]
fn a_hundred_thousand_events() {
    let f = fixture();
    let run = f.store.create_run(&new_run("checkout", START)).unwrap();
    let body = json!({"guard": "errors", "value": 0.0123, "limit": 0.01, "since": START, "why": "above its limit"});
    let (many, each) = (100_000, 100);
    let start = Instant::now();
    for n in 0..many / each {
        let batch: Vec<_> = (0..each).map(|_| event(n, "tick", body.clone())).collect();
        f.store.append(&run, &batch, None, None).unwrap();
    }
    let took = start.elapsed();
    let single = Instant::now();
    for n in 0..200 {
        f.store.append(&run, &[event(n, "tick", body.clone())], Some(&body), None).unwrap();
    }
    let single = single.elapsed() / 200;
    let walked = Instant::now();
    assert_eq!(f.store.verify(&run).unwrap().seq, 100_200);
    println!(
        "100,000 events in transactions of 100: {:.0} events/s; one event and a state on disk: {single:?}; verified in {:?}",
        100_000.0 / took.as_secs_f64(),
        walked.elapsed()
    );
}

#[test]
fn a_run_that_was_told_of_before_keeps_its_name_unless_that_is_taken() {
    let f = fixture();
    let proposed = RunId::proposed(START, 7).unwrap();
    assert_ne!(Some(&proposed), RunId::proposed(START, 8).as_ref(), "two processes in one millisecond");
    assert_eq!(RunId::proposed(i64::MAX, 0), None);
    assert_eq!(f.store.create_run_as(&proposed, &new_run("checkout", START)).unwrap(), proposed);
    let other = f.store.create_run_as(&proposed, &new_run("checkout", START)).unwrap();
    assert_ne!(other, proposed);
    assert_eq!(f.store.runs(&RunFilter::default()).unwrap().len(), 2);
}
