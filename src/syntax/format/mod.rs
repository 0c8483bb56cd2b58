//! The formatter: one layout for every policy. Works on pest's pairs, so that no byte of meaning passes through the tree, and
//! compares the trees of what it read and wrote before it believes itself (as Cedar's formatter does).
//!
//! A comment stays with its statement: behind it, before it, or inside it. A statement with comments inside keeps its lines.

mod compare;
mod layout;
mod outline;
mod tokens;
mod wrap;

use super::diagnostic::Diagnostic;
use super::grammar::{self, Rule};
use super::parser::parse;
use super::source::FileId;

/// Why a text was not formatted.
#[derive(Debug, Clone, PartialEq)]
pub enum FormatError {
    /// It has errors: what cannot be read cannot be laid out.
    Syntax(Vec<Diagnostic>),
    /// The result would not have meant the same: a mistake of the formatter, which therefore writes nothing.
    Unfaithful(String),
}

/// The text in the one layout.
///
/// # Errors
/// [`FormatError`]; the text is to be left as it is.
pub fn format(file: FileId, text: &str) -> Result<String, FormatError> {
    let (before, found) = parse(file, text);
    if found.iter().any(Diagnostic::is_error) {
        return Err(FormatError::Syntax(found));
    }
    let unfaithful = |why: &str| FormatError::Unfaithful(why.to_owned());
    let mut pairs = grammar::run(Rule::file, text).map_err(|_| unfaithful("the text cannot be parsed as it stands"))?;
    let pair = pairs.next().ok_or_else(|| unfaithful("the text cannot be parsed as it stands"))?;
    let out = layout::layout(&outline::outline(pair, text), text);
    let (after, found) = parse(file, &out);
    if found.iter().any(Diagnostic::is_error) {
        return Err(unfaithful("the result could not be read again"));
    }
    if !compare::same_tree(&before, &after) {
        return Err(unfaithful("the result would mean something else"));
    }
    if !compare::same_words(text, &out) {
        return Err(unfaithful("the result would lose or move a comment"));
    }
    Ok(out)
}
