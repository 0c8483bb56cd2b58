//! canary: a small declarative language for rollouts, and the engine that checks, plans and executes it.
//!
//! Rooms, in the order in which data flows (a room may import from those before it, never from those behind it; the test
//! `tests/rooms.rs` walks the imports): [`syntax`] → [`check`] → [`plan`] → [`engine`] → [`backend`] → [`store`] → [`runtime`] →
//! [`report`] → [`commands`]. `check` produces the plan, so it may import `plan`'s data types.

pub mod backend;
pub mod plan;
pub mod store;
pub mod syntax;
