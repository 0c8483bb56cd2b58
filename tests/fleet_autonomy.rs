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

#[test]
fn three_weeks_of_autonomy() {
    // `cargo bench --bench slices` tells it with a thousand, in seconds
    let n = if cfg!(debug_assertions) { 108 } else { 1_000 };
    story::must_be_so(&story::tell(n), n);
}
