//! The engine: `step(&Plan, &mut State, Input) → effects`. No clock, no I/O, no randomness. Knows nothing of tokio, files or
//! networks; everything it knows of the world came in with an [`Input`], everything it wants done goes out as an [`Effect`].
//!
//! `run`, and later `test`, `sim` and `repl`, drive this same step; only the clock, the observations and the performer of
//! effects differ. Given the same plan and inputs it returns the same effects, byte for byte.

pub mod eval;
pub mod explain;
mod guards;
pub mod monitor;
mod reactions;
pub mod record;
pub mod state;
mod step;
pub mod truth;
pub mod value;

pub use explain::{Explanation, GuardReport, InputReport};
pub use record::Record;
pub use state::{RunCause, Stage, State, Verdict, Word};
pub use step::{Effect, Input, Operator, VERIFY_WITHIN, since, step, step_text};
