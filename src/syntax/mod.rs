//! Text to tree. Knows nothing of types, files or time: a text goes in, `(tree, diagnostics)` comes out, whatever the text.

pub mod ast;
pub mod diagnostic;
pub mod source;
