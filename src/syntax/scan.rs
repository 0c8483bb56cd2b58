//! The lexical look at a text before the grammar: nesting is capped, what was left open is closed, what was written as in
//! another language is translated. Each with a diagnostic; the text that comes out is balanced.
//!
//! One pass over the bytes, aware of strings, backtick texts and comments. A second one only for a text whose brackets do
//! not match: then indentation and statement keywords say where a bracket was meant to end.

mod foreign;
mod open;

use super::codes;
use super::diagnostic::Diagnostic;
use super::patch::Edit;
use super::source::{FileId, Span};
use open::Open;

/// Brackets of all kinds that may stand in each other.
pub(crate) const MAX_NESTING: usize = 64;

/// What the scan found.
pub(crate) struct Scan<'a> {
    text: &'a str,
    file: FileId,
    /// Replacements that mend the text.
    pub edits: Vec<Edit>,
    /// What is wrong with it.
    pub diagnostics: Vec<Diagnostic>,
    /// Places (of the original) in which nothing more need be said.
    pub poisoned: Vec<(usize, usize)>,
    /// The nesting went beyond the cap: the text must not be parsed.
    pub too_deep: bool,
    stack: Vec<Open>,
    /// Whether brackets did not match.
    unbalanced: bool,
    /// Whether to guess where an unclosed bracket was meant to end.
    guess: bool,
    /// End of the last token that is no comment.
    last_end: usize,
    /// Indentation of the current line, in bytes.
    indent: usize,
    /// Only blanks since the line began.
    fresh: bool,
    /// The next `{` is a phase's.
    owner: bool,
    /// No `*/` stands behind this point: looked for once only.
    comments_end: bool,
}

/// Scans a text.
pub(crate) fn scan(file: FileId, text: &str) -> Scan<'_> {
    let first = walk(file, text, false);
    if first.unbalanced && !first.too_deep { walk(file, text, true) } else { first }
}

fn walk(file: FileId, text: &str, guess: bool) -> Scan<'_> {
    let mut s = Scan::new(file, text, guess);
    let mut at = 0;
    while at < text.len() && !s.too_deep {
        at = s.token(at).max(at + 1);
    }
    if !s.too_deep {
        s.finish();
    }
    s.poisoned = disjoint(std::mem::take(&mut s.poisoned));
    s
}

/// Stretches in order, those that touch made one.
fn disjoint(mut stretches: Vec<(usize, usize)>) -> Vec<(usize, usize)> {
    stretches.sort_unstable();
    let mut out: Vec<(usize, usize)> = Vec::with_capacity(stretches.len());
    for (start, end) in stretches {
        match out.last_mut() {
            Some(last) if start <= last.1 => last.1 = last.1.max(end),
            _ => out.push((start, end)),
        }
    }
    out
}

/// The end of the string, sign or comment at an offset, and whether it is one that is open still.
pub(crate) fn token_at(text: &str, at: usize) -> (usize, bool) {
    let mut s = Scan::new(FileId(u32::MAX), text, false);
    let end = s.token(at).clamp(at + 1, text.len().max(at + 1));
    (end, s.diagnostics.iter().any(|d| d.code == codes::UNCLOSED))
}

impl<'a> Scan<'a> {
    fn new(file: FileId, text: &'a str, guess: bool) -> Self {
        Self {
            text,
            file,
            edits: Vec::new(),
            diagnostics: Vec::new(),
            poisoned: Vec::new(),
            too_deep: false,
            stack: Vec::new(),
            unbalanced: false,
            guess,
            last_end: 0,
            indent: 0,
            fresh: true,
            owner: false,
            comments_end: false,
        }
    }

    fn rest(&self, at: usize) -> &'a str {
        self.text.get(at..).unwrap_or("")
    }

    /// Enough was found: the rest is only made harmless.
    fn full(&self) -> bool {
        self.diagnostics.len() >= super::parser::ENOUGH
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(self.file, start, end)
    }

    fn edit(&mut self, start: usize, end: usize, text: impl Into<String>) {
        let text = text.into();
        self.edits.push(Edit { start, end, text });
    }

    /// Takes the token at an offset; the offset behind it.
    fn token(&mut self, at: usize) -> usize {
        let rest = self.rest(at);
        let Some(c) = rest.chars().next() else {
            return at + 1;
        };
        match c {
            '\n' => {
                self.fresh = true;
                self.indent = 0;
                return at + 1;
            }
            ' ' | '\t' | '\r' | '\u{0c}' => {
                if self.fresh {
                    self.indent += 1;
                }
                return at + 1;
            }
            '#' => return at + line_length(rest),
            '\u{feff}' if at == 0 => {
                self.edit(0, 3, "");
                return 3;
            }
            _ => {}
        }
        let fresh = std::mem::replace(&mut self.fresh, false);
        let end = match c {
            '"' => self.string(at, '"', false),
            '`' => self.raw(at),
            '(' | '[' | '{' => {
                self.open(at, c);
                at + 1
            }
            ')' | ']' | '}' => {
                self.close(at, c, fresh);
                at + 1
            }
            c if c.is_ascii_alphanumeric() || c == '_' => {
                let word = word(rest);
                if fresh {
                    self.line_begins_with(word, at);
                }
                self.owner = word == "phase" || (self.owner && !matches!(word, "rollout" | "guard"));
                at + word.len()
            }
            _ => self.foreign(at, c),
        };
        self.last_end = end.min(self.text.len());
        end
    }

    /// A string from its opening quote. `mend`: both quotes are foreign and are replaced.
    fn string(&mut self, at: usize, quote: char, mend: bool) -> usize {
        let from = at + quote.len_utf8();
        let mut escaped = false;
        for (i, c) in self.rest(from).char_indices() {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' if quote == '"' || foreign::is_double(quote) => {
                    return self.quoted(at, quote, from + i, 1, mend);
                }
                c if mend && foreign::closes(quote, c) => {
                    return self.quoted(at, quote, from + i, c.len_utf8(), mend);
                }
                _ => {}
            }
        }
        let line = self.rest(from);
        let line = line.get(..line_length(line)).unwrap_or(line);
        // a bracket at the line's end is more likely the statement's than the string's
        let kept = line.trim_end_matches([' ', '\t', '\r', '{', '}', ')', ']', ',']);
        let end = from + kept.len();
        if mend {
            self.edit(at, from, "\"");
        }
        self.edit(end, end, "\"");
        self.poisoned.push((at, end + 1));
        self.diagnostics.push(
            Diagnostic::error(codes::UNCLOSED, "this string is never closed", self.span(at, from), "opened here")
                .help("a string ends on the line it begins on, with `\"`")
                .fix(self.span(end, end), "\""),
        );
        end
    }

    fn quoted(&mut self, at: usize, quote: char, close: usize, len: usize, mend: bool) -> usize {
        let end = close + len;
        if mend {
            let from = at + quote.len_utf8();
            let inner = self.text.get(from..close).unwrap_or("");
            let plain = format!("\"{}\"", inner.replace('"', "\\\""));
            self.diagnostics.push(
                Diagnostic::error(
                    codes::HABIT,
                    "a string stands in straight double quotes",
                    self.span(at, end),
                    format!("in `{quote}` here"),
                )
                .help(format!("write `{plain}`"))
                .fix(self.span(at, end), plain.clone()),
            );
            self.edit(at, from, "\"");
            self.edit(close, end, "\"");
        }
        end
    }

    fn raw(&mut self, at: usize) -> usize {
        let rest = self.rest(at + 1);
        if let Some(n) = rest.find('`') {
            let inner = rest.get(..n).unwrap_or("");
            // a text that runs over a declaration was not meant to
            if !inner.lines().skip(1).any(open::begins_item) {
                return at + 1 + n + 1;
            }
        }
        let line = rest.get(..line_length(rest)).unwrap_or(rest);
        // the arguments behind it belong to the call, not to the text
        let kept = line.trim_end_matches([' ', '\t', '\r', ')', ',']);
        let end = at + 1 + kept.len();
        self.edit(end, end, "`");
        self.poisoned.push((at, end + 1));
        self.diagnostics.push(
            Diagnostic::error(
                codes::UNCLOSED,
                "this backtick text is never closed",
                self.span(at, at + 1),
                "opened here",
            )
            .help("put a backtick behind its last character; a text between backticks may run over several lines")
            .fix(self.span(end, end), "`"),
        );
        end
    }
}

/// Bytes up to the end of the line.
fn line_length(text: &str) -> usize {
    text.find('\n').unwrap_or(text.len())
}

/// The word that a text begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}
