//! The order of a guard's tails: any order is understood, one is written.

use super::Builder;
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::grammar::Rule;
use crate::syntax::source::Span;

/// The tails of one guard as they were met.
#[derive(Default)]
pub(crate) struct Tails {
    highest: u8,
    /// The first tail that stands behind a later one.
    late: Option<Span>,
}

impl Tails {
    pub fn seen(&mut self, rule: Rule, at: Span) {
        let rank = match rule {
            Rule::guard_least => 1,
            Rule::guard_from => 2,
            Rule::guard_until => 3,
            Rule::tolerate => 4,
            Rule::never_waived => 5,
            _ => return,
        };
        if rank < self.highest && self.late.is_none() {
            self.late = Some(at);
        }
        self.highest = self.highest.max(rank);
    }

    pub fn check(&self, b: &mut Builder<'_>) {
        if let Some(at) = self.late {
            b.report(
                Diagnostic::warning(
                    codes::TAIL_ORDER,
                    "the tails of a guard stand in another order",
                    at,
                    "this belongs further left",
                )
                .help("the order is: `at least n events`, `from PHASE`, `until PHASE`, `tolerate D`, `never waived`, `else …`"),
            );
        }
    }
}
