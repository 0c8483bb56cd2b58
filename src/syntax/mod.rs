//! Text to tree. Knows nothing of types, files or time: a text goes in, `(tree, diagnostics)` comes out, whatever the text.
//!
//! `scan` mends the text lexically (nesting, what was left open, foreign notation), `grammar/canary.pest` parses it, `build`
//! makes the tree, `recover` explains what the grammar could not take.

pub mod ast;
mod build;
pub mod codes;
pub mod diagnostic;
pub mod docs;
pub mod format;
mod grammar;
pub mod parser;
mod patch;
pub mod read;
mod recover;
pub mod render;
mod scan;
pub mod source;
pub mod typing;

pub use parser::parse;
pub use read::read_source;
