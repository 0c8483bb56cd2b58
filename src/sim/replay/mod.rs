//! Replay: a policy over a recording, on virtual time, by the engine's own step.
//!
//! Whatever the recording knows is given to the engine as it was. What it cannot know (what a port would have been read as after a
//! decision that was not taken then, how an action would have ended) is made up by fixed rules, and each is an
//! [`outcome::Assumption`].

pub mod outcome;
