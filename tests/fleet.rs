//! Runs with a life for each slice: who begins and when, what joins the lives, and that columns hold what whole states would.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "fleet/begin.rs"]
mod begin;
#[path = "fleet/columns.rs"]
mod columns;
#[path = "fleet/for_all.rs"]
mod for_all;
#[path = "fleet/joined.rs"]
mod joined;
#[path = "fleet/kept.rs"]
mod kept;
#[path = "fleet/naive.rs"]
mod naive;
#[path = "fleet/sums.rs"]
mod sums;
#[path = "fleet/threads.rs"]
mod threads;
#[path = "fleet/world.rs"]
mod world;
