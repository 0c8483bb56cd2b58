//! What rustyline asks while somebody types.

use super::entry::goes_on;
use super::scope::Scope;
use super::{complete, hint, paint};
use crate::report::style::Style;
use crate::report::text::cut;
use rustyline::completion::{Completer, Pair};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hint, Hinter};
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};
use std::borrow::Cow;
use std::cell::Cell;
use unicode_width::UnicodeWidthStr;

/// Columns of the terminal.
pub(super) fn columns() -> usize {
    terminal_size::terminal_size().map_or(80, |(w, _)| usize::from(w.0))
}

/// Knows what may be named, and how wide the terminal is.
pub(super) struct Guide {
    pub(super) scope: Scope,
    pub(super) style: Style,
    /// Columns, where they are not the terminal's, which may change while somebody types.
    width: Option<usize>,
    /// Columns of the prompt.
    pub(super) prompt: usize,
    /// The line is as it will stay: no brackets are marked in it.
    done: Cell<bool>,
}

impl Guide {
    pub(super) fn new(style: Style) -> Self {
        Self { scope: Scope::default(), style, width: None, prompt: 0, done: Cell::new(false) }
    }

    /// Columns that are left behind the last line of a text.
    fn left(&self, text: &str) -> usize {
        let last = text.rsplit('\n').next().unwrap_or(text);
        let before = if last.len() == text.len() { self.prompt } else { 0 };
        let width = self.width.unwrap_or_else(columns);
        width.saturating_sub((before + last.width()) % width.max(1) + 1)
    }
}

/// Something to read, which no key takes into the line.
pub(super) struct Said(String);

impl Hint for Said {
    fn display(&self) -> &str {
        &self.0
    }

    fn completion(&self) -> Option<&str> {
        None
    }
}

impl Hinter for Guide {
    type Hint = Said;

    fn hint(&self, line: &str, pos: usize, _: &Context<'_>) -> Option<Said> {
        if pos < line.len() {
            return None;
        }
        let said = hint::hint(&self.scope, line)?;
        // a hint that is broken over lines would push the entry around
        let left = self.left(line).saturating_sub(3);
        (left >= 12).then(|| Said(format!("   {}", cut(&said, left))))
    }
}

impl Completer for Guide {
    type Candidate = Pair;

    fn complete(&self, line: &str, pos: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<Pair>)> {
        Ok(complete::complete(&self.scope, line, pos))
    }
}

impl Highlighter for Guide {
    fn highlight<'l>(&self, line: &'l str, pos: usize) -> Cow<'l, str> {
        let cursor = (!self.done.get()).then_some(pos);
        Cow::Owned(paint::paint(&self.scope, self.style, line, cursor))
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.style.faint(hint))
    }

    fn highlight_char(&self, _: &str, _: usize, kind: CmdKind) -> bool {
        self.done.set(kind == CmdKind::ForcedRefresh);
        // one letter more may colour the whole word, one column on may mark a bracket
        true
    }
}

impl Validator for Guide {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        Ok(if is_whole(context.input()) { ValidationResult::Valid(None) } else { ValidationResult::Incomplete })
    }
}

/// Whether what was typed is entered at the enter key: an empty line ends what is not finished, so that nobody is caught in it.
fn is_whole(input: &str) -> bool {
    let empty_line = input.rsplit_once('\n').is_some_and(|(_, last)| last.trim().is_empty());
    empty_line || super::entry::cut(input).last().is_none_or(|last| !goes_on(last))
}

impl Helper for Guide {}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;
    use rustyline::history::MemHistory;

    fn guide(width: usize) -> Guide {
        Guide { scope: Scope::new(&fake::names()), width: Some(width), prompt: 4, ..Guide::new(Style::PLAIN) }
    }

    fn shown(guide: &Guide, line: &str) -> Option<String> {
        let history = MemHistory::new();
        guide.hint(line, line.len(), &Context::new(&history)).map(|h| h.display().to_owned())
    }

    #[test]
    fn an_entry_is_whole_or_ended_by_an_empty_line() {
        assert!(is_whole("errors"));
        assert!(is_whole(""));
        assert!(!is_whole("share("));
        assert!(!is_whole("share(\n  latency"));
        assert!(is_whole("share(\n"));
        assert!(is_whole("share(\n   "));
        assert!(is_whole(":plot share("));
        // several that were pasted: the last one decides
        assert!(!is_whole(":step\nshare("));
        assert!(is_whole("rollout r {\n\n  phase a { }\n}"));
    }

    #[test]
    fn a_hint_never_goes_over_the_line() {
        for width in [20, 40, 80] {
            for line in ["errors", ":step", "increase(failed, ", "share(\nerrors"] {
                let guide = guide(width);
                if let Some(hint) = shown(&guide, line) {
                    let last = line.rsplit('\n').next().unwrap();
                    let used = last.width() + if last.len() == line.len() { 4 } else { 0 };
                    assert!(used % width + hint.width() < width, "{width} {line}: {hint:?}");
                }
            }
        }
        assert_eq!(shown(&guide(80), "errors").as_deref(), Some("   metric ratio: failed of all requests; guard"));
        assert!(shown(&guide(20), "errors").is_none());
    }

    #[test]
    fn no_hint_while_the_cursor_is_inside() {
        let history = MemHistory::new();
        assert!(guide(80).hint("errors", 3, &Context::new(&history)).is_none());
    }
}
