//! canary: a small declarative language for rollouts, and the engine that checks, plans and executes it.
//!
//! Rooms, in the order in which data flows (a room may import from those before it, never from those behind it; the test
//! `tests/rooms.rs` walks the imports): [`syntax`] → [`check`] → [`plan`] → [`engine`] → [`sim`] → [`backend`] → [`store`] → [`runtime`] →
//! [`report`] → [`repl`] → [`commands`]. `check` produces the plan, so it may import `plan`'s data types. [`lab`] stands beside `backend`: it
//! imports the ports and `plan`, and only `commands` imports it.

pub mod backend;
pub mod check;
pub mod commands;
pub mod engine;
pub mod lab;
pub mod plan;
pub mod repl;
pub mod report;
pub mod runtime;
pub mod sim;
pub mod store;
pub mod syntax;
