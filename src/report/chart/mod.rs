//! What the pictures of an outcome have in common, in a browser and in a terminal: how long it was, which letter a word has, what
//! held at a moment, and how many points become as many as there are columns without losing the one that matters.

pub mod at;
pub mod columns;
pub mod decisions;
pub mod numbers;
pub mod sweep;
pub mod time;
pub mod words;
