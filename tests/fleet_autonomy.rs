//! `policies/autonomy.canary` over three weeks: what happens to each slice, and that nothing happens to any other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "fleet_autonomy/story.rs"]
mod story;

use canary::engine::SliceId;
use story::{DAY, DROP, END, HOUR, LATE, LOST, MISS, Told};

const KILLED: &str = "kill_switch.activated";

fn when(told: &Told, slice: SliceId, kind: &str) -> Vec<i64> {
    told.records.iter().filter(|(_, s, k)| *s == Some(slice) && *k == kind).map(|(at, ..)| *at).collect()
}

#[test]
fn three_weeks_of_autonomy() {
    let told = story::tell(1_000);
    assert_eq!(told.fleet.len(), 1_001);
    // the least risky first, 200 in any hour
    let started = |from: i64, to: i64| {
        let began = |r: &&(i64, Option<SliceId>, &str)| r.2 == "started" && (from..to).contains(&r.0);
        told.records.iter().filter(began).map(|r| r.1.unwrap()).collect::<Vec<_>>()
    };
    for h in 0..5 {
        assert_eq!(started(h * HOUR, (h + 1) * HOUR).len(), 200, "hour {h}");
    }
    let severity = told.plan.slices.iter().position(|d| d.name == "severity").unwrap();
    let of = |s: &SliceId| told.fleet.key(*s).unwrap()[severity].clone();
    assert!(started(0, HOUR).iter().all(|s| of(s) == "low"));
    assert!(started(4 * HOUR, 5 * HOUR).iter().all(|s| of(s) == "high"));

    // those whose precision fell: back in the shadow, each by its own switch, at that very check
    assert!(!told.drops.is_empty());
    for s in &told.drops {
        assert_eq!(when(&told, *s, KILLED), [DROP], "{}", told.fleet.name(*s));
        assert_eq!(when(&told, *s, "rollback"), [DROP]);
        assert_eq!(told.phase(*s), "shadow");
        assert!(!told.on[s.index()]);
    }
    // the one that missed a detection
    assert_eq!(when(&told, told.misses, KILLED), [MISS]);
    assert_eq!(told.phase(told.misses), "shadow");
    assert!(!told.on[told.misses.index()]);
    // the one that was lost while it decided: dark is no good news
    assert_eq!(when(&told, told.lost, KILLED), [LOST]);
    assert_eq!(told.phase(told.lost), "shadow");
    // the one that was gone for longer than the bridge: its fourteen days count from its return, and nothing was thrown
    assert_eq!(when(&told, told.gone, KILLED), Vec::<i64>::new());
    assert_eq!(told.phase(told.gone), "shadow");
    // the late one began when it was seen, and is in the canary since
    assert_eq!(when(&told, told.late, "started"), [LATE]);
    assert_eq!(told.phase(told.late), "canary");
    let passed = when(&told, told.late, "passed");
    assert!(passed.len() == 1 && (LATE + 14 * DAY..LATE + 14 * DAY + HOUR).contains(&passed[0]), "{passed:?}");

    // all others are active: an outage of 40 minutes, asked for afterwards, has cost nobody a day
    let special = |s: SliceId| told.drops.contains(&s) || [told.misses, told.lost, told.gone, told.late].contains(&s);
    for s in told.fleet.slices().filter(|s| !special(*s)) {
        assert_eq!(told.phase(s), "active", "{}", told.fleet.name(s));
        assert!(told.on[s.index()]);
        let began = when(&told, s, "started")[0];
        let passed = when(&told, s, "passed");
        assert!(passed[0] <= began + 14 * DAY + HOUR && passed[1] <= began + 21 * DAY + HOUR, "{passed:?}");
        assert_eq!(when(&told, s, KILLED), Vec::<i64>::new());
    }
    // no other slice was touched
    assert!(told.lowered.iter().all(|(_, s)| special(*s)), "{:?}", told.lowered);
    assert_eq!(told.lowered.len(), told.drops.len() + 2);
    // one check tells a channel once
    let kills: Vec<&(i64, String)> = told.notices.iter().filter(|(at, _)| *at == DROP).collect();
    assert!(kills[0].1.starts_with(&format!("autonomy: {} slices: ", told.drops.len())), "{kills:?}");
    assert!(told.fleet.verdict().is_none() && END > 0, "active is for ever");
}
