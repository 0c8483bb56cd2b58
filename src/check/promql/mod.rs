//! Queries between backticks: placeholders filled in, PromQL parsed, errors put where they stand in the policy.

mod inspect;
mod locate;
mod template;

pub(super) use inspect::{Inspected, inspect};
pub(super) use template::{Filled, Problem, Stand, Template};

/// What stands for `${where}` while a query is parsed: a matcher that no policy writes.
pub(super) const WHERE: &str = "canary_where_=\"1\"";

/// A query that could not be understood: the place in the raw text, and why.
#[derive(Debug)]
pub(super) struct Malformed {
    /// Bytes of the filled text.
    pub(super) range: std::ops::Range<usize>,
    /// The parser's words.
    pub(super) message: String,
}

/// Parses a filled query.
pub(super) fn parse(text: &str) -> Result<promql_parser::parser::Expr, Malformed> {
    promql_parser::parser::parse(text).map_err(|message| {
        let (range, message) = locate::locate(text, &message);
        Malformed { range, message }
    })
}
