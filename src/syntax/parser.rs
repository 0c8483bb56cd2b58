//! The entry: text to tree, whatever the text.

use super::ast::{File, Item};
use super::build::Builder;
use super::codes;
use super::diagnostic::Diagnostic;
use super::grammar::{self, Rule};
use super::patch::Patched;
use super::source::{FileId, Span};

/// Parses a text. Never fails: what cannot be understood is left out of the tree (or stands in it as junk) and is told in
/// the diagnostics, in the order of the text. Codes: E0103 to E0120 of [`codes::CODES`].
#[must_use]
pub fn parse(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    let whole = Span::new(file, 0, text.len());
    let patched = Patched::new(file, text, Vec::new());
    let mut builder = Builder::new(&patched, text);
    let tree = match grammar::run(Rule::file, &patched.text) {
        Ok(mut pairs) => match pairs.next() {
            Some(p) => builder.file(p, whole),
            None => empty(whole),
        },
        Err(e) => {
            builder.report(Diagnostic::error(
                codes::EXPECTED,
                "this text cannot be parsed",
                whole.head(),
                e.variant.message().to_string(),
            ));
            File { items: vec![Item::Junk(whole)], span: whole }
        }
    };
    let mut diagnostics = builder.diagnostics;
    for (start, end) in builder.junk {
        diagnostics.push(Diagnostic::error(codes::EXPECTED, "this is not understood", patched.span(start, end), ""));
    }
    (tree, diagnostics)
}

fn empty(span: Span) -> File {
    File { items: Vec::new(), span }
}
