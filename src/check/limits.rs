//! Bounds on the work that a text can ask for: lets may double each other, and a short file would grow without end.

use super::Cx;
use crate::syntax::ast;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::cell::Cell;

/// Deepest nesting of expressions, those inside lets and metrics counted in: the walk recurses.
const DEEPEST: u32 = 200;
/// Steps that any text may take.
const STEPS: u64 = 100_000;
/// Steps that a text may take more for each of its bytes; an ordinary policy takes about two.
const STEPS_A_BYTE: u64 = 40;

/// What may still be spent.
#[derive(Debug)]
pub(super) struct Effort {
    most: u64,
    steps: Cell<u64>,
    depth: Cell<u32>,
    told: Cell<bool>,
}

impl Effort {
    pub(super) fn for_texts(files: &[ast::File]) -> Self {
        let bytes: u64 = files.iter().map(|f| u64::from(f.span.end - f.span.start)).sum();
        let most = STEPS + STEPS_A_BYTE * bytes;
        Self { most, steps: Cell::new(most), depth: Cell::new(0), told: Cell::new(false) }
    }

    /// All of it again: for another compilation of the same texts.
    pub(super) fn renew(&self) {
        self.steps.set(self.most);
    }
}

impl Cx<'_> {
    /// Takes one step of a walk over an expression, one level deeper; `None`, and a report, when that is too much.
    pub(super) fn step<T>(&self, at: Span, walk: impl FnOnce() -> T) -> Option<T> {
        let e = &self.effort;
        let Some(left) = e.steps.get().checked_sub(1) else {
            self.too_much(at, "this grows beyond all bounds when its lets and metrics are put in");
            return None;
        };
        if e.depth.get() >= DEEPEST {
            self.too_much(at, "this is nested too deep when its lets and metrics are put in");
            return None;
        }
        e.steps.set(left);
        e.depth.set(e.depth.get() + 1);
        let out = walk();
        e.depth.set(e.depth.get() - 1);
        Some(out)
    }

    fn too_much(&self, at: Span, message: &str) {
        if !self.effort.told.replace(true) {
            self.push(
                Diagnostic::error("E0318", message, at, "here the limit was reached")
                    .help("define less by means of other definitions"),
            );
        }
    }
}
