//! The engine against the binding text (LANGUAGE §5, SYNTAX §11), one test a rule, and against properties of all runs.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

#[path = "engine/back.rs"]
mod back;
#[path = "engine/back_and_kill.rs"]
mod back_and_kill;
#[path = "engine/clocks.rs"]
mod clocks;
#[path = "engine/course.rs"]
mod course;
#[path = "engine/forever.rs"]
mod forever;
#[path = "engine/given.rs"]
mod given;
#[path = "engine/groups.rs"]
mod groups;
#[path = "engine/halt.rs"]
mod halt;
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
#[path = "engine/words.rs"]
mod words;
#[path = "engine/world.rs"]
mod world;
