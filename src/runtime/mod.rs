//! The executor: ticks on planned times, asks, steps the engine, journals, performs, reads back, recovers. Knows nothing of the
//! command line: what a person sees goes through [`Observer`].

pub mod apply;
pub mod backends;
pub mod clock;
pub mod clocks;
pub mod executor;
pub mod fault;
pub mod fetch;
pub mod fleet;
pub mod journal;
pub mod notices;
pub mod observe;
pub mod preflight;
pub mod recorder;
pub mod teller;
pub mod watcher;

pub use backends::{Backends, SlicePorts};
pub use executor::{Executor, Outcome};
pub use observe::{Observer, View};
