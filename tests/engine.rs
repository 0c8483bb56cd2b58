//! The engine in its parts and against properties of all runs. The binding rules (LANGUAGE §5) have a file each in
//! `tests/semantics`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "engine/advance.rs"]
mod advance;
#[path = "engine/back.rs"]
mod back;
#[path = "engine/back_and_kill.rs"]
mod back_and_kill;
#[path = "engine/course.rs"]
mod course;
#[path = "engine/drift.rs"]
mod drift;
#[path = "engine/forever.rs"]
mod forever;
#[path = "engine/given.rs"]
mod given;
#[path = "engine/groups.rs"]
mod groups;
#[path = "engine/halt.rs"]
mod halt;
#[path = "engine/irreversible.rs"]
mod irreversible;
#[path = "engine/kill.rs"]
mod kill;
#[path = "engine/props.rs"]
mod props;
#[path = "engine/ramp.rs"]
mod ramp;
#[path = "engine/reactions.rs"]
mod reactions;
#[path = "engine/start.rs"]
mod start;
#[path = "engine/steps.rs"]
mod steps;
#[path = "engine/sums.rs"]
mod sums;
#[path = "engine/watch.rs"]
mod watch;
#[path = "engine/windows.rs"]
mod windows;
#[allow(dead_code, reason = "shared with tests/semantics, which uses the rest")]
#[path = "engine/world.rs"]
mod world;
