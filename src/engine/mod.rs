//! The engine: `step(&Plan, &mut State, Input) → effects`. No clock, no I/O, no randomness. Knows nothing of tokio, files or
//! networks; everything it knows of the world came in with an [`Input`], everything it wants done goes out as an [`Effect`].
//!
//! `run`, and later `test`, `sim` and `repl`, drive this same step; only the clock, the observations and the performer of
//! effects differ. Given the same plan and inputs it returns the same effects, byte for byte.

mod advance;
mod drift;
pub mod eval;
pub mod explain;
pub mod fleet;
mod gate;
pub mod given;
mod guards;
mod irreversible;
mod kill;
pub mod monitor;
mod people;
mod ramp;
mod reactions;
pub mod record;
mod rollback;
mod start;
pub mod state;
mod step;
mod tick;
mod told;
pub mod truth;
pub mod value;

pub use advance::step_text;
pub use explain::{Explanation, GuardReport, InputReport};
pub use fleet::{Fleet, FleetEffect, FleetInput, SliceId, fleet_step};
pub use gate::waits_for;
pub use given::Given;
pub use record::Record;
pub use state::{RunCause, Stage, State, Verdict, WaitsFor, Word};
pub use step::{Effect, Input, Operator, step, step_given};
pub use tick::since;
