//! What the lab costs at its default rate, measured on this process alone.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::lab::{self, LabConfig};
use canary::plan::Setting;
use std::time::{Duration, Instant};

/// Seconds of processor time that this process has used: fields 14 and 15 of `/proc/self/stat`, in ticks of 10 ms (proc(5)).
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
    let ticks = |place: usize| fields.get(place)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / 100.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_requests_a_second_are_kept_up_and_cheap() {
    let lab = lab::start(LabConfig::default()).await.unwrap();
    lab.traffic().set(Setting::Share(0.5)).await.unwrap();
    let warm = Instant::now() + Duration::from_millis(500);
    tokio::time::sleep_until(warm.into()).await;
    let (seen, used, started) = (lab.seen(), processor_seconds(), Instant::now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    let took = started.elapsed().as_secs_f64();
    let requests = (lab.seen().total() - seen.total()) as f64;
    let rate = requests / took;
    assert!((190.0..=210.0).contains(&rate), "{rate} requests/s");
    assert_eq!(lab.seen().failed + lab.seen().skipped, 0);
    assert_eq!(lab.seen().answers.keys().copied().collect::<Vec<_>>(), [200]);
    if let (Some(before), Some(after)) = (used, processor_seconds()) {
        let share = (after - before) / took;
        println!("{rate:.0} requests/s cost {:.1}% of one core", share * 100.0);
        // Unoptimised builds run the tests; an optimised one needs a fraction of it.
        assert!(share < 0.5, "{share} of a core");
    } else {
        println!("SKIPPED: no /proc/self/stat here, so the cost was not measured");
    }
    lab.stop().await;
}
