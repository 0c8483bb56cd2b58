//! The line editor: prompts, completes, hints, colours, remembers, and hands each entry to whoever talks. Knows terminals, the
//! language's tokens and the table of commands; what an entry means it leaves to [`super::Talk`].
//!
//! `place` says what stands under the cursor, `complete`, `hint` and `paint` what follows from it; `entry` cuts what was typed into
//! entries, `terminal` is a conversation with a person, `script` one with a file, `history` what is remembered.

mod complete;
mod entry;
#[cfg(test)]
mod fake;
mod helper;
mod hint;
mod history;
mod paint;
mod place;
mod scope;
mod script;
mod signals;
mod terminal;

pub use history::DEFAULT_LENGTH;
pub use script::{Ended, Script, run};
pub use terminal::{Terminal, converse};

/// What stands in front of the first line of an entry: no answer has this sign, so that a transcript can be read by a program.
fn prompt(at: &str) -> String {
    format!("{at} › ")
}

/// What stands in front of its other lines.
const FURTHER: &str = "  › ";
