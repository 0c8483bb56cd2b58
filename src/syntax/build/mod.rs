//! From pest's pairs to the tree. One file a part of the grammar; nothing here can fail: what the grammar let through and
//! the tree cannot say becomes a hole and a diagnostic.

mod blocks;
mod course;
mod declared;
mod environment;
mod expr;
mod fold;
mod items;
mod literal;
mod order;
mod phase;
mod rollout;
mod slips;
mod test;
mod text;

use super::ast::{Expr, ExprKind, Name};
use super::diagnostic::Diagnostic;
use super::grammar::Rule;
use super::patch::Patched;
use super::source::{Span, Spanned};
use pest::iterators::Pair;

pub(crate) type P<'i> = Pair<'i, Rule>;

/// What is carried along while a tree is built.
pub(crate) struct Builder<'a> {
    /// The mended text, with the way back.
    pub patched: &'a Patched,
    /// The original text.
    pub source: &'a str,
    /// Where the slice that is being built begins in the mended text.
    pub base: usize,
    /// What was found so far.
    pub diagnostics: Vec<Diagnostic>,
    /// Places of the original in which nothing more need be said.
    pub poisoned: Vec<(usize, usize)>,
    /// Where the last `key: value` line that was met ends in the mended text.
    pub keys_end: usize,
}

impl<'a> Builder<'a> {
    pub fn new(patched: &'a Patched, source: &'a str) -> Self {
        Self { patched, source, base: 0, diagnostics: Vec::new(), poisoned: Vec::new(), keys_end: usize::MAX }
    }

    /// The original place of a pair.
    pub fn span(&self, p: &P<'_>) -> Span {
        let (start, end) = self.range(p);
        self.patched.span(start, end)
    }

    /// The place of a pair in the mended text.
    pub fn range(&self, p: &P<'_>) -> (usize, usize) {
        let s = p.as_span();
        (s.start() + self.base, s.end() + self.base)
    }

    pub fn report(&mut self, d: Diagnostic) {
        self.diagnostics.push(d);
    }

    pub fn name(&self, p: &P<'_>) -> Name {
        Spanned::new(p.as_str().to_owned(), self.span(p))
    }

    /// The names of a `names` or `per` pair.
    pub fn names(&self, p: P<'_>) -> Vec<Name> {
        p.into_inner()
            .flat_map(|q| match q.as_rule() {
                Rule::name | Rule::said => vec![self.name(&q)],
                Rule::names | Rule::said_names => self.names(q),
                _ => Vec::new(),
            })
            .collect()
    }

    /// An expression that could not be read; the reason is told elsewhere.
    pub fn hole(span: Span) -> Expr {
        Expr { kind: ExprKind::Hole, span }
    }
}

/// The first child of a rule.
pub(crate) fn child<'i>(p: P<'i>, rule: Rule) -> Option<P<'i>> {
    p.into_inner().find(|q| q.as_rule() == rule)
}
