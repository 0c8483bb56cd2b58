//! Brackets: the stack of what is open, and where the unclosed was meant to end.

use super::{MAX_NESTING, Scan, codes, word};
use crate::syntax::diagnostic::Diagnostic;

/// An open bracket.
pub(super) struct Open {
    pub at: usize,
    pub bracket: char,
    /// Indentation of its line.
    pub indent: usize,
    /// It is the block of a phase.
    pub phase: bool,
}

/// Words that begin a declaration and nothing inside a block.
const ITEMS: &[&str] = &[
    "edition",
    "param",
    "let",
    "metric",
    "channel",
    "environment",
    "rollout",
    "use",
    "slice",
    "probe",
    "load",
    "killswitch",
    "window",
    "signoff",
    "slo",
    "score",
    "test",
];

/// Words that begin a statement somewhere.
const STATEMENTS: &[&str] = &[
    "owner",
    "link",
    "check",
    "settle",
    "baseline",
    "require",
    "no",
    "guard",
    "phase",
    "on",
    "every",
    "at",
    "when",
    "release",
    "advance",
    "cooldown",
    "start",
    "drift",
    "route",
    "after",
    "traffic",
    "flag",
    "run",
    "hold",
    "promote",
    "ramp",
    "mirror",
    "irreversible",
    "action",
    "flags",
    "step",
    "artifact",
    "expires",
    "objective",
    "part",
    "given",
    "expect",
    "source",
    "runner",
    "operator",
    "port",
    "starts",
    "assume",
];

/// Whether a line begins a declaration, without indentation.
pub(super) fn begins_item(line: &str) -> bool {
    let first = word(line);
    ITEMS.contains(&first) && introduces(line, first)
}

/// Whether a keyword is followed by what a declaration or statement goes on with, not by `:`, `=`, `(`.
fn introduces(line: &str, first: &str) -> bool {
    let rest = line.get(first.len()..).unwrap_or("");
    rest.starts_with([' ', '\t'])
        && rest.trim_start().starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '"')
}

fn closer(bracket: char) -> char {
    match bracket {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

impl Scan<'_> {
    pub(super) fn open(&mut self, at: usize, bracket: char) {
        if self.stack.len() == MAX_NESTING {
            self.too_deep = true;
            self.diagnostics.push(
                Diagnostic::error(
                    codes::TOO_DEEP,
                    format!("brackets are nested more than {MAX_NESTING} deep"),
                    self.span(at, at + 1),
                    format!("this is number {}", MAX_NESTING + 1),
                )
                .help("name an inner part with `let` and use the name; the rest of the file was not looked at"),
            );
            return;
        }
        let phase = bracket == '{' && std::mem::take(&mut self.owner);
        let indent = self.indent;
        self.stack.push(Open { at, bracket, indent, phase });
    }

    pub(super) fn close(&mut self, at: usize, bracket: char, fresh: bool) {
        if self.guess && fresh && bracket == '}' {
            self.close_by_indent(at);
        }
        let depth = self.stack.iter().rposition(|o| closer(o.bracket) == bracket);
        let Some(depth) = depth else {
            self.unbalanced = true;
            if self.full() {
                self.edit(at, at + 1, " ");
                return;
            }
            self.diagnostics.push(
                Diagnostic::error(
                    codes::STRAY_CLOSER,
                    format!("this `{bracket}` closes nothing"),
                    self.span(at, at + 1),
                    "no opener before it",
                )
                .help("remove it, or look above for a block that was closed too early")
                .fix(self.span(at, at + 1), ""),
            );
            self.edit(at, at + 1, " ");
            return;
        };
        while self.stack.len() > depth + 1 {
            self.unclosed(Some((at, bracket)));
        }
        self.stack.pop();
    }

    /// A `}` at the indentation of an outer block's line closes that block: what stands between was left open.
    fn close_by_indent(&mut self, at: usize) {
        let indent = self.indent;
        let outer = self.stack.iter().rposition(|o| o.bracket == '{' && o.indent <= indent);
        let Some(outer) = outer else { return };
        let exact = self.stack.get(outer).is_some_and(|o| o.indent == indent);
        if exact {
            while self.stack.len() > outer + 1 {
                self.unclosed(Some((at, '}')));
            }
        }
    }

    /// Reports the innermost open bracket and closes it behind the last token.
    fn unclosed(&mut self, met: Option<(usize, char)>) {
        let Some(open) = self.stack.pop() else { return };
        self.unbalanced = true;
        let wanted = closer(open.bracket);
        let end = self.last_end.max(open.at + 1);
        let mut d = Diagnostic::error(
            codes::UNCLOSED,
            format!("this `{}` is never closed", open.bracket),
            self.span(open.at, open.at + 1),
            "opened here",
        )
        .help(format!("`{wanted}` is missing"))
        .fix(self.span(end, end), wanted.to_string());
        if let Some((at, bracket)) = met {
            d = d.also(self.span(at, at + 1), format!("`{wanted}` is missing before this `{bracket}`"));
        }
        self.diagnostics.push(d);
        let comment_safe = if open.bracket == '{' { " }" } else { "" };
        if comment_safe.is_empty() {
            self.edit(end, end, wanted.to_string());
            self.poisoned.push((open.at, end + 1));
        } else {
            self.edit(end, end, comment_safe);
        }
    }

    /// A line begins with a word: what must have ended before it?
    pub(super) fn line_begins_with(&mut self, first: &str, at: usize) {
        if !self.guess || self.stack.is_empty() {
            return;
        }
        let line = self.rest(at);
        if !introduces(line, first) {
            return;
        }
        let item = self.indent == 0 && ITEMS.contains(&first);
        let statement = item || STATEMENTS.contains(&first);
        while let Some(top) = self.stack.last() {
            let ends = match top.bracket {
                '{' => item || (top.phase && matches!(first, "phase" | "guard") && self.indent <= top.indent),
                _ => statement,
            };
            if !ends {
                break;
            }
            self.unclosed(None);
        }
    }

    /// The end of the text.
    pub(super) fn finish(&mut self) {
        while !self.stack.is_empty() {
            self.unclosed(None);
        }
    }
}
