//! Strings and backtick texts.

use super::{Builder, P};
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Spanned;

impl Builder<'_> {
    /// A `text` pair: its content with escapes resolved.
    pub fn text(&mut self, p: &P<'_>) -> Spanned<String> {
        let span = self.span(p);
        let (start, _) = self.range(p);
        let inner = between(p.as_str());
        let mut out = String::with_capacity(inner.len());
        let mut chars = inner.char_indices();
        while let Some((_, c)) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, '"')) => out.push('"'),
                Some((_, '\\')) => out.push('\\'),
                Some((at, other)) => {
                    // `at` counts from behind the quote; the backslash stands one before it
                    let from = start + at;
                    let place = self.patched.span(from, from + 1 + other.len_utf8());
                    self.report(
                        Diagnostic::error(
                            codes::ESCAPE,
                            format!("`\\{other}` is no escape"),
                            place,
                            "unknown escape",
                        )
                        .help("a string knows `\\\"`, `\\\\`, `\\n` and `\\t`; a text between backticks is taken as it stands")
                        .fix(place, format!("\\\\{other}")),
                    );
                    out.push('\\');
                    out.push(other);
                }
                None => out.push('\\'),
            }
        }
        Spanned::new(out, span)
    }

    /// A `raw` pair: exactly what stands between the backticks.
    pub fn raw(&self, p: &P<'_>) -> Spanned<String> {
        Spanned::new(between(p.as_str()).to_owned(), self.span(p))
    }
}

/// A quoted text without its two delimiters of one byte each.
fn between(quoted: &str) -> &str {
    quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or("")
}
