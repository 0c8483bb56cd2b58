//! Policy tests on virtual time: the world that a test tells of, the real [`crate::engine`] in it, and what came of it.
//!
//! Nothing here decides anything: every decision is the engine's, by the same step that `run` drives. The clock, the answers of
//! the sources and the performer of effects are made of the test's lines.

pub mod catch_up;
pub mod coverage;
mod hands;
pub mod in_parallel;
pub mod incident;
pub mod judge;
mod life;
pub mod mutate;
mod recorded;
pub mod recording;
pub mod replay;
mod runner;
mod sliced;
pub mod strip;
pub mod trace;
mod world;

pub use judge::{Failure, judge};
pub use recorded::Case;
pub use runner::{look, run};
pub use trace::{Cause, Event, SliceTrace, Trace};
