//! Looking at a balanced text without parsing it: words, lines, blocks.

use super::forms::{CONTEXTS, Context, nearest};

pub(super) struct Trimmed {
    pub start: usize,
    pub end: usize,
}

impl Trimmed {
    pub fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// A text without blanks and comments before it, and without blanks behind it.
pub(super) fn blank_trimmed(text: &str) -> Trimmed {
    let mut start = 0;
    loop {
        let rest = text.get(start..).unwrap_or("");
        start += rest.len() - rest.trim_start().len();
        let rest = text.get(start..).unwrap_or("");
        if !rest.starts_with('#') {
            break;
        }
        start += rest.find('\n').unwrap_or(rest.len());
    }
    Trimmed { start, end: text.trim_end().len() }
}

/// The word a text begins with.
pub(super) fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or("")
}

/// Whether a word stands somewhere in a text.
pub(super) fn holds_word(text: &str, wanted: &str) -> bool {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).any(|w| w == wanted)
}

/// `NAME =` or `NAME:`
pub(super) fn is_binding(text: &str, first: &str) -> bool {
    let rest = text.get(first.len()..).unwrap_or("").trim_start();
    !first.is_empty() && (rest.starts_with('=') || rest.starts_with(':'))
}

/// Offsets of the first words of lines that begin outside all brackets, strings and backtick texts of a balanced text.
pub(super) fn outer_lines(text: &str) -> Vec<usize> {
    let mut out = Vec::new();
    let (mut depth, mut fresh) = (0_usize, false);
    let mut chars = text.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match c {
            '\n' => fresh = true,
            '#' => while chars.next_if(|(_, c)| *c != '\n').is_some() {},
            c if c.is_whitespace() => {}
            _ => {
                if fresh && depth == 0 {
                    out.push(i);
                }
                fresh = false;
                match c {
                    '(' | '[' | '{' => depth += 1,
                    ')' | ']' | '}' => depth = depth.saturating_sub(1),
                    '`' => while chars.next().is_some_and(|(_, c)| c != '`') {},
                    '"' => {
                        while let Some((_, c)) = chars.next_if(|(_, c)| *c != '\n') {
                            match c {
                                '"' => break,
                                '\\' => {
                                    chars.next();
                                }
                                _ => {}
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
    }
    out
}

/// Whether a line looks like the beginning of a statement or declaration: a keyword or nearly one, `name:`, `name =`, or
/// any two words that stand no deeper than the piece before (`level`).
pub(super) fn begins_something(rest: &str, context: Context, level: bool) -> bool {
    let first = word(rest);
    if first.is_empty()
        || first.starts_with(|c: char| c.is_ascii_digit())
        || (CONTINUATIONS.contains(&first) && context.form(first).is_none())
    {
        return false;
    }
    let behind = rest.get(first.len()..).unwrap_or("");
    let next = behind.trim_start_matches([' ', '\t']);
    let goes_on = next.is_empty()
        || next.starts_with('\n')
        || (next.len() < behind.len()
            && next.starts_with(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '"' | '{')));
    let known = CONTEXTS.iter().any(|c| c.form(first).is_some())
        && !(first == "at" && (next.starts_with("least") || next.starts_with("most")));
    let near = || nearest(first, context.forms().iter().map(|f| f.keyword)).is_some();
    (goes_on && (known || level || near())) || (is_binding(rest, first) && !next.starts_with("=="))
}

/// Words that go on with a statement at the beginning of a line.
pub(super) const CONTINUATIONS: &[&str] = &[
    "and",
    "or",
    "not",
    "in",
    "for",
    "else",
    "tolerate",
    "from",
    "until",
    "never",
    "within",
    "limit",
    "per",
    "confidence",
    "as",
    "to",
    "by",
    "with",
    "undo",
    "timeout",
    "about",
    "because",
    "over",
    "bad",
    "good",
    "weight",
];

/// The first block of a piece: its head, and the offsets of its braces.
pub(super) fn block_of(text: &str) -> Option<(&str, usize, usize)> {
    let (mut depth, mut open) = (0_usize, None);
    let mut chars = text.char_indices();
    while let Some((i, c)) = chars.next() {
        match c {
            '#' => {
                for (_, c) in chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
            }
            '`' => {
                for (_, c) in chars.by_ref() {
                    if c == '`' {
                        break;
                    }
                }
            }
            '"' => {
                let mut escaped = false;
                for (_, c) in chars.by_ref() {
                    match c {
                        '"' if !escaped => break,
                        '\\' => escaped = !escaped,
                        _ => escaped = false,
                    }
                }
            }
            '(' | '[' | '{' => {
                if depth == 0 && c == '{' && open.is_none() {
                    open = Some(i);
                }
                depth += 1;
            }
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0
                    && c == '}'
                    && let Some(open) = open
                {
                    return Some((text.get(..open)?, open, i));
                }
            }
            _ => {}
        }
    }
    None
}
