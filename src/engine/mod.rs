//! The engine: `step(&Plan, &mut State, Input) → effects`. No clock, no I/O, no randomness. Knows nothing of tokio, files or
//! networks; everything it knows of the world came in with an [`Input`], everything it wants done goes out as an [`Effect`].
//!
//! `run`, and later `test`, `sim` and `repl`, drive this same step; only the clock, the observations and the performer of
//! effects differ. Given the same plan and inputs it returns the same effects, byte for byte, on every machine:
//!
//! - Numbers are 64-bit floats under `+ - * /`, comparisons and rounding, which IEEE 754 defines to the last bit. `powf`, `exp`,
//!   `ln` and their like come from the platform's mathematics and may differ by a bit: whoever needs one takes it from `libm`,
//!   in pure Rust. `min` and `max` of 0 and -0 may give either: [`value`] makes every zero that it computes a positive one.
//! - Sums are taken in the order of the plan (operands from left to right) and of time (one increment a check), never in that of
//!   a map; nothing here or in the plan is kept in a map that hashes.
//! - What is journalled is read back to the last bit: JSON numbers are written in the shortest form that reads back the same
//!   (`float_roundtrip`), and no state holds what JSON cannot say (NaN, ±∞).

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
pub mod past;
mod people;
#[cfg(feature = "planted")]
pub mod planted;
#[cfg(not(feature = "planted"))]
mod planted;
mod ramp;
mod reactions;
pub mod record;
mod rollback;
pub mod standing;
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
pub use standing::{Observation, Seen, Standing};
pub use state::{RunCause, Stage, State, Verdict, WaitsFor, Word};
pub use step::{Effect, Input, Operator, step, step_given};
pub use tick::{go_by, since};
