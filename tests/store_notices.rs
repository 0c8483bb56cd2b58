//! Notices in the store: with the events that they tell of or not at all, and what becomes of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::store::{
    Beside, Documents, Fate, MAX_BODY, NewEvent, NewNotice, NewRun, NoticeMark, RunId, Store, StoreError,
};
use serde_json::json;

fn store() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("s.db")).unwrap();
    (dir, store)
}

fn run(store: &Store, rollout: &str) -> RunId {
    let text = "{}".to_owned();
    let documents = Documents { plan_json: text.clone(), bindings_json: text.clone(), provenance_json: text };
    store
        .create_run(&NewRun {
            rollout: rollout.into(),
            environment: "prod".into(),
            documents,
            started: 1_795_252_500_000,
            ..NewRun::default()
        })
        .unwrap()
}

fn notice(channel: &str, number: u64) -> NewNotice {
    NewNotice { channel: channel.into(), number, at: 5, body: json!({"number": number, "title": "t"}) }
}

fn event(fill: usize) -> NewEvent<'static> {
    NewEvent { at: 5, kind: "rollback", body: json!("x".repeat(fill)) }
}

fn mark(run: &RunId, channel: &str, number: u64, fate: Fate) -> NoticeMark {
    NoticeMark { run: run.clone(), channel: channel.into(), number, tries: 2, fate }
}

#[test]
fn a_notice_is_there_with_its_event_or_not_at_all() {
    let (_dir, store) = store();
    let r = run(&store, "checkout");
    let both = [notice("oncall", 1), notice("team", 1)];
    let refused = store.append_with(
        &r,
        &[event(MAX_BODY)],
        None,
        None,
        &Beside { notices: &both, marks: &[], ..Beside::default() },
    );
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    assert!(store.notices(&r).unwrap().is_empty());
    store
        .append_with(&r, &[event(1)], None, None, &Beside { notices: &both, marks: &[], ..Beside::default() })
        .unwrap();
    let kept = store.open_notices("checkout").unwrap();
    assert_eq!(kept.iter().map(|n| n.channel.as_str()).collect::<Vec<_>>(), ["oncall", "team"]);
    assert_eq!((kept[0].environment.as_str(), kept[0].at, kept[0].tries), ("prod", 5, 0));
    assert_eq!(store.last_notice(&r).unwrap(), 1);
    assert!(store.open_notices("other").unwrap().is_empty());
    // a runner that was fenced off keeps nothing either
    let other = Store::open(store.path()).unwrap();
    other.append(&r, &[event(1)], None, None).unwrap();
    let fenced = store.append_with(
        &r,
        &[event(1)],
        None,
        None,
        &Beside { notices: &[notice("oncall", 2)], marks: &[], ..Beside::default() },
    );
    assert!(matches!(fenced, Err(StoreError::Fenced { .. })), "{fenced:?}");
    assert_eq!(store.notices(&r).unwrap().len(), 2);
}

#[test]
fn what_became_of_them() {
    let (_dir, store) = store();
    let (a, b) = (run(&store, "checkout"), run(&store, "checkout"));
    store
        .append_with(
            &a,
            &[],
            None,
            None,
            &Beside {
                notices: &[notice("oncall", 1), notice("oncall", 2), notice("team", 1)],
                marks: &[],
                ..Beside::default()
            },
        )
        .unwrap();
    store
        .append_with(
            &b,
            &[],
            None,
            None,
            &Beside { notices: &[notice("oncall", 1), notice("oncall", 2)], marks: &[], ..Beside::default() },
        )
        .unwrap();
    store
        .mark_notices(&[
            mark(&a, "oncall", 1, Fate::Failed("down".into())),
            mark(&a, "oncall", 2, Fate::Delivered(9)),
            mark(&a, "team", 1, Fate::GivenUp(9, "gone".into())),
            mark(&b, "oncall", 1, Fate::Replaced),
            mark(&b, "nobody", 7, Fate::Delivered(9)),
        ])
        .unwrap();
    let open = store.open_notices("checkout").unwrap();
    let which: Vec<_> = open.iter().map(|n| (n.run == a, n.body["number"].as_u64().unwrap())).collect();
    assert_eq!(which, [(true, 1), (false, 2)], "the oldest first, those of both runs");
    assert_eq!((open[0].tries, open[0].error.as_deref()), (2, Some("down")));
    assert_eq!(store.notices(&b).unwrap().len(), 1, "a replaced one is gone");
    let undelivered = |since| store.undelivered_notices(None, since).unwrap().len();
    assert_eq!((undelivered(9), undelivered(10)), (3, 2), "given up: for a while");
    assert_eq!(store.undelivered_notices(Some("other"), 0).unwrap().len(), 0);
    // a delivered one stays delivered, whatever comes late
    store.mark_notices(&[mark(&a, "oncall", 2, Fate::Failed("down".into()))]).unwrap();
    assert_eq!(store.notices(&a).unwrap()[1].delivered, Some(9));
}

#[test]
fn kept_and_marked_in_one_transaction() {
    let (_dir, store) = store();
    let r = run(&store, "checkout");
    // sent while the store was out of reach: kept and marked at once, when it is back
    let marks = [mark(&r, "oncall", 1, Fate::Delivered(8))];
    store
        .append_with(
            &r,
            &[event(1)],
            None,
            None,
            &Beside { notices: &[notice("oncall", 1), notice("oncall", 2)], marks: &marks, ..Beside::default() },
        )
        .unwrap();
    let all = store.notices(&r).unwrap();
    assert_eq!(all.iter().map(|n| n.delivered).collect::<Vec<_>>(), [Some(8), None]);
    assert_eq!(store.last_notice(&r).unwrap(), 2);
    // what is still to be told is never too old to be kept
    assert_eq!(store.prune_notices(5).unwrap(), 0);
    assert_eq!(store.prune_notices(6).unwrap(), 1);
    assert_eq!(store.notices(&r).unwrap().iter().map(|n| n.body["number"].as_u64().unwrap()).collect::<Vec<_>>(), [2]);
}
