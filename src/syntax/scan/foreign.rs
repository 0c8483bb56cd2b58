//! Characters and signs of other languages: named, and translated so that the text behind them can be read.

use super::{Scan, codes, line_length};
use crate::syntax::diagnostic::Diagnostic;

/// Signs of other languages and what is written here; longest first.
const SIGNS: &[(&str, &str)] = &[
    ("===", "=="),
    ("!==", "!="),
    ("&&", "and"),
    ("||", "or"),
    ("<>", "!="),
    ("=<", "<="),
    ("=>", ">="),
    (":=", "="),
    ("≤", "<="),
    ("≥", ">="),
    ("≠", "!="),
    ("×", "*"),
    ("÷", "/"),
    ("−", "-"),
    ("–", "-"),
    ("—", "-"),
    ("：", ":"),
    ("，", ","),
    ("＝", "="),
    ("％", "%"),
];

/// Signs of the language that need no attention.
const OWN: &[char] = &[':', ',', '.', '=', '<', '>', '+', '-', '*', '/', '%'];

pub(super) fn is_double(quote: char) -> bool {
    matches!(quote, '“' | '”' | '„' | '«' | '»' | '‟')
}

/// Whether a quote closes what another opened.
pub(super) fn closes(open: char, c: char) -> bool {
    if is_double(open) { is_double(c) } else { matches!(c, '\'' | '‘' | '’') }
}

impl Scan<'_> {
    /// A character that begins no word, string or bracket; the offset behind it.
    pub(super) fn foreign(&mut self, at: usize, c: char) -> usize {
        let rest = self.rest(at);
        if self.full() && !OWN.contains(&c) {
            self.edit(at, at + c.len_utf8(), " ");
            return at + c.len_utf8();
        }
        if is_double(c) || (matches!(c, '\'' | '‘' | '’') && self.closed_on_line(at, c)) {
            return self.string(at, c, true);
        }
        if rest.starts_with("//") {
            return self.slashes(at);
        }
        if rest.starts_with("/*") {
            return self.block_comment(at);
        }
        if rest.starts_with("!=") && !rest.starts_with("!==") {
            return at + 2;
        }
        if rest.starts_with("==") && !rest.starts_with("===") {
            return at + 2;
        }
        if let Some((sign, own)) = SIGNS.iter().find(|s| rest.starts_with(s.0)) {
            let place = self.span(at, at + sign.len());
            self.diagnostics.push(
                Diagnostic::error(codes::HABIT, format!("`{sign}` is written `{own}` here"), place, "")
                    .help(format!("write `{own}`"))
                    .fix(place, *own),
            );
            self.edit(at, at + sign.len(), format!(" {own} "));
            return at + sign.len();
        }
        match c {
            c if OWN.contains(&c) => {}
            '!' => {
                let place = self.span(at, at + 1);
                self.diagnostics.push(
                    Diagnostic::error(codes::HABIT, "`!` is written `not` here", place, "")
                        .help("write `not`")
                        .fix(place, "not "),
                );
                self.edit(at, at + 1, " not ");
            }
            ';' => {
                let place = self.span(at, at + 1);
                self.diagnostics.push(
                    Diagnostic::error(codes::HABIT, "statements do not end in `;`", place, "not needed")
                        .help("remove it: each statement begins with its keyword")
                        .fix(place, ""),
                );
                self.edit(at, at + 1, " ");
            }
            '$' if rest.get(1..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')) => {
                let place = self.span(at, at + 1);
                self.diagnostics.push(
                    Diagnostic::error(codes::HABIT, "a name stands without `$`", place, "not needed")
                        .help("remove it; `${name}` is filled in between backticks only")
                        .fix(place, ""),
                );
                self.edit(at, at + 1, "");
            }
            _ => return self.unknown(at, c),
        }
        at + c.len_utf8()
    }

    fn closed_on_line(&self, at: usize, quote: char) -> bool {
        self.rest(at + quote.len_utf8()).chars().take_while(|c| *c != '\n').any(|c| closes(quote, c))
    }

    /// `// comment`, or a URL without quotes.
    fn slashes(&mut self, at: usize) -> usize {
        let rest = self.rest(at);
        let before = self.text.get(..at).unwrap_or("");
        if let Some(scheme) = before.strip_suffix(':') {
            let from = scheme.trim_end_matches(|c: char| c.is_ascii_alphanumeric()).len();
            if from < scheme.len() {
                let len =
                    rest.find(|c: char| c.is_whitespace() || matches!(c, ')' | ',' | '"' | '`')).unwrap_or(rest.len());
                let url = self.text.get(from..at + len).unwrap_or("").to_owned();
                let place = self.span(from, at + len);
                self.diagnostics.push(
                    Diagnostic::error(codes::HABIT, "a URL stands in quotes", place, "not quoted")
                        .help(format!("write `\"{url}\"`"))
                        .fix(place, format!("\"{url}\"")),
                );
                self.edit(from, at + len, "\"\"");
                return at + len;
            }
        }
        let place = self.span(at, at + 2);
        self.diagnostics.push(
            Diagnostic::error(codes::HABIT, "a comment begins with `#`", place, "not a comment here")
                .help("write `#`")
                .fix(place, "#"),
        );
        self.edit(at, at + 2, "#");
        at + line_length(rest)
    }

    fn block_comment(&mut self, at: usize) -> usize {
        let rest = self.rest(at);
        let end = if self.comments_end { None } else { rest.find("*/") };
        self.comments_end = end.is_none();
        let len = end.map_or_else(|| line_length(rest), |n| n + 2);
        self.diagnostics.push(
            Diagnostic::error(
                codes::HABIT,
                "a comment begins with `#` and ends with its line",
                self.span(at, at + 2),
                "not a comment here",
            )
            .help("begin each of its lines with `#`"),
        );
        self.edit(at, at + len, " ");
        at + len
    }

    fn unknown(&mut self, at: usize, c: char) -> usize {
        let mut end = at + c.len_utf8();
        if c.is_alphabetic() {
            // the rest of the word, so that it is told once
            let rest = self.rest(end);
            end += rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        }
        let place = self.span(at, end);
        let number = format!("U+{:04X}", u32::from(c));
        let mut stand_in = " ";
        let d = if c.is_alphabetic() || c.is_numeric() {
            // keeps the word in one piece, so that only this is said of it
            stand_in = "_";
            Diagnostic::error(
                codes::CHARACTER,
                format!("`{c}` cannot stand in a name or number"),
                place,
                "a foreign letter",
            )
            .help(
                "names are made of `a` to `z`, `A` to `Z`, digits and `_`; other letters belong in quotes or comments",
            )
        } else if c.is_whitespace() {
            Diagnostic::error(
                codes::CHARACTER,
                format!("a blank that only looks like one ({number})"),
                place,
                "not a blank here",
            )
            .help("replace it by an ordinary blank")
            .fix(place, " ")
        } else if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        {
            stand_in = "";
            Diagnostic::error(codes::CHARACTER, format!("an invisible character ({number})"), place, "here")
                .help("remove it")
                .fix(place, "")
        } else {
            // what stands behind it on the line was written for another language
            if self.poisoned.last().is_none_or(|p| p.1 < at) {
                self.poisoned.push((at, at + line_length(self.rest(at))));
            }
            let d = Diagnostic::error(codes::CHARACTER, format!("`{c}` means nothing in a policy"), place, number);
            match c {
                '?' => d.help(
                    "there is no `? :`: write two guards, or take `greater(a, b)`, `lesser(a, b)`, `default(a, b)`",
                ),
                '|' | '&' => d.help("conditions are joined by `and` and `or`"),
                _ => d.help("remove it, or put the text it belongs to in quotes"),
            }
        };
        self.diagnostics.push(d);
        self.edit(at, end, stand_in);
        end
    }
}
