//! A text while it is being typed: its tokens, and whether it breaks off. For editors of a line.

use super::grammar::{self, Rule};
use super::recover::CONTEXTS;
use super::scan;

/// A token of a text that may be wrong and need not be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Byte offset of its first character.
    pub start: usize,
    /// Byte offset behind its last character.
    pub end: usize,
}

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// `# …` up to the end of its line.
    Comment,
    /// `"…"`; an open one goes on to the end of its line.
    Text {
        /// Its closing quote is missing.
        open: bool,
    },
    /// A text between backticks; an open one goes on to the end of the text.
    Raw {
        /// Its closing backtick is missing.
        open: bool,
    },
    /// `(`, `[`, `{`
    Opener,
    /// `)`, `]`, `}`
    Closer,
    /// A number with its unit.
    Number {
        /// The language has such a literal.
        sound: bool,
    },
    /// A word, or several with dots between: `errors`, `http.errors`, `http.`
    Name,
    /// Any other sign.
    Sign,
}

/// The tokens of a text, in its order; blanks are none.
#[must_use]
pub fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        if c.is_whitespace() {
            at += c.len_utf8();
            continue;
        }
        let (kind, end) = token(text, at, c);
        let end = end.max(at + c.len_utf8());
        out.push(Token { kind, start: at, end });
        at = end;
    }
    out
}

fn token(text: &str, at: usize, c: char) -> (TokenKind, usize) {
    let rest = text.get(at..).unwrap_or("");
    let line_end = at + rest.find('\n').unwrap_or(rest.len());
    match c {
        '#' => (TokenKind::Comment, line_end),
        '`' => match rest.get(1..).and_then(|r| r.find('`')) {
            Some(n) => (TokenKind::Raw { open: false }, at + n + 2),
            None => (TokenKind::Raw { open: true }, text.len()),
        },
        '(' | '[' | '{' => (TokenKind::Opener, at + 1),
        ')' | ']' | '}' => (TokenKind::Closer, at + 1),
        c if c.is_ascii_digit() => number(rest, at),
        c if c.is_ascii_alphabetic() || c == '_' => (TokenKind::Name, at + path(rest)),
        _ => {
            let (end, open) = scan::token_at(text, at);
            let long = end > at + c.len_utf8();
            let kind = match c {
                '/' if long => TokenKind::Comment,
                '"' => TokenKind::Text { open },
                // quotes of other languages
                c if long && (c == '\'' || !c.is_ascii_punctuation()) => TokenKind::Text { open },
                _ => TokenKind::Sign,
            };
            (kind, if open { line_end } else { end })
        }
    }
}

fn number(rest: &str, at: usize) -> (TokenKind, usize) {
    let read = grammar::run(Rule::literal, rest).ok().and_then(|mut pairs| pairs.next());
    match read {
        // two words in one slip: here they are two
        Some(p) if p.as_rule() == Rule::spaced_unit => {
            let digits = p.as_str().find([' ', '\t', '\r']).unwrap_or(1);
            (TokenKind::Number { sound: true }, at + digits)
        }
        Some(p) => {
            let sound = !matches!(p.as_rule(), Rule::bad_literal | Rule::bad_date | Rule::bad_rate);
            (TokenKind::Number { sound }, at + p.as_span().end())
        }
        None => (TokenKind::Number { sound: false }, at + 1),
    }
}

/// The length of a name with its dots.
fn path(rest: &str) -> usize {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
    let text = rest.get(..end).unwrap_or("");
    // `mon..fri` are two
    text.find("..").unwrap_or(end)
}

/// Whether a text breaks off: a bracket or a backtick is open, or the grammar wants something more where it ends. What is wrong
/// before its end, it is not broken off for.
#[must_use]
pub fn breaks_off(text: &str) -> bool {
    let tokens = tokens(text);
    let (mut depth, mut deepest) = (0_usize, 0);
    for t in &tokens {
        match t.kind {
            TokenKind::Opener => depth += 1,
            TokenKind::Closer => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    if depth > 0 || tokens.last().is_some_and(|t| t.kind == TokenKind::Raw { open: true }) {
        return true;
    }
    // which is told as what it is, and not given to the grammar
    if deepest >= scan::MAX_NESTING {
        return false;
    }
    let Some(first) = tokens.iter().find(|t| t.kind != TokenKind::Comment) else { return false };
    let rest = text.get(first.start..).unwrap_or("");
    // an expression in brackets ends where they are closed
    let inside = format!("({rest}\n)");
    match gives_up(Rule::paren, &inside) {
        None => return false,
        Some(at) if at + 1 >= inside.len() => return true,
        Some(_) => {}
    }
    let word = text.get(first.start..first.end).unwrap_or("");
    let rules = CONTEXTS.iter().filter_map(|c| c.form(word)).flat_map(|form| form.rules);
    let mut wants_more = false;
    for rule in rules {
        match gives_up(*rule, rest) {
            None => return false,
            Some(at) => wants_more |= blank(rest.get(at..).unwrap_or("")),
        }
    }
    wants_more
}

/// Where a rule cannot go on, if it cannot; what stands behind a whole statement may break off itself.
fn gives_up(rule: Rule, text: &str) -> Option<usize> {
    match grammar::run(rule, text) {
        Ok(mut pairs) => {
            let end = pairs.next().map_or(0, |p| p.as_span().end());
            let rest = text.get(end..).unwrap_or("");
            (end > 0 && !blank(rest) && breaks_off(rest)).then_some(text.len())
        }
        Err(e) => Some(match e.location {
            pest::error::InputLocation::Pos(p) | pest::error::InputLocation::Span((p, _)) => p,
        }),
    }
}

/// Nothing but blanks and comments.
fn blank(text: &str) -> bool {
    tokens(text).iter().all(|t| t.kind == TokenKind::Comment)
}

/// How the statement that a keyword begins is written, as in `let NAME = EXPRESSION`.
#[must_use]
pub fn shape(keyword: &str) -> Option<&'static str> {
    let written = CONTEXTS.iter().find_map(|c| c.form(keyword)).map(|form| form.shape)?;
    // several ways stand with backticks between
    written.split('`').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<(&str, TokenKind)> {
        tokens(text).iter().map(|t| (&text[t.start..t.end], t.kind)).collect()
    }

    #[test]
    fn tokens_are_those_of_the_language() {
        use TokenKind::{Closer, Comment, Name, Number, Opener, Raw, Sign, Text};
        let sound = Number { sound: true };
        assert_eq!(
            shown("guard slow: share(latency < 300ms) >= 99.5% # why"),
            [
                ("guard", Name),
                ("slow", Name),
                (":", Sign),
                ("share", Name),
                ("(", Opener),
                ("latency", Name),
                ("<", Sign),
                ("300ms", sound),
                (")", Closer),
                (">", Sign),
                ("=", Sign),
                ("99.5%", sound),
                ("# why", Comment),
            ]
        );
        assert_eq!(shown("http.errors"), [("http.errors", Name)]);
        assert_eq!(shown("mon..fri"), [("mon", Name), (".", Sign), (".", Sign), ("fri", Name)]);
        assert_eq!(
            shown("\"a # b\" `c \" d`"),
            [("\"a # b\"", Text { open: false }), ("`c \" d`", Raw { open: false })]
        );
        assert_eq!(shown("30x 5 m"), [("30x", Number { sound: false }), ("5", sound), ("m", Name)]);
        assert_eq!(shown("2026-11-21T10:00Z"), [("2026-11-21T10:00Z", sound)]);
        assert_eq!(shown("200/s 10MiB 1h30m"), [("200/s", sound), ("10MiB", sound), ("1h30m", sound)]);
    }

    #[test]
    fn what_is_open_reaches_as_far_as_it_could() {
        use TokenKind::{Name, Raw, Text};
        assert_eq!(shown("\"half )\nx"), [("\"half )", Text { open: true }), ("x", Name)]);
        assert_eq!(shown("`half )\nx"), [("`half )\nx", Raw { open: true })]);
        assert_eq!(shown("\"escaped \\\""), [("\"escaped \\\"", Text { open: true })]);
    }

    #[test]
    fn any_text_has_tokens_that_cover_it_in_order() {
        for text in
            ["", "é「\u{0}", "'a' ‘b’ “c", "$ ! ;;", "1.2.3..4", "//x", "/* y", "\u{feff}a", "°%&|", "\\\"", "'"]
        {
            let mut last = 0;
            for t in tokens(text) {
                assert!(t.start >= last && t.end > t.start, "{text}: {t:?}");
                assert!(text.get(last..t.start).is_some_and(|b| b.trim().is_empty()), "{text}: {t:?}");
                last = t.end;
            }
            assert!(text.get(last..).is_some_and(|b| b.trim().is_empty()), "{text}");
            let _ = breaks_off(text);
        }
    }

    #[test]
    fn what_is_nested_too_deep_is_left_to_the_parser() {
        let deep = |n: usize| format!("{}1{}", "(".repeat(n), ")".repeat(n));
        assert!(!breaks_off(&deep(100_000)));
        assert!(!breaks_off(&deep(60)));
        assert!(breaks_off(&deep(100_000)[1..].replacen(')', "(", 2)));
        assert!(!breaks_off(&format!("{}1", "not ".repeat(20_000))));
        assert!(breaks_off(&"not ".repeat(20_000)));
    }

    #[test]
    fn an_entry_breaks_off_where_the_grammar_wants_more() {
        for text in [
            "errors <",
            "errors < 1% and",
            "share(latency <",
            "share(latency < 300ms",
            "not",
            "metric x: ratio =",
            "metric x: ratio",
            "metric x: ratio = prometheus(`sum(",
            "guard slow: share(latency < 300ms) >= 95% else",
            "guard slow",
            "guard slow:   # comment",
            "let x = 2 *",
            "rollout x {",
            "rollout x {\n  phase a {\n  }\n",
            "phase a",
            "let x = 5\nlet y =",
            "traffic checkout = 5%,",
        ] {
            assert!(breaks_off(text), "{text}");
        }
    }

    #[test]
    fn an_entry_that_is_whole_or_wrong_does_not() {
        for text in [
            "",
            "   ",
            "# a comment",
            "errors",
            "errors < 1%",
            "errors @ 12m30s",
            "p95(latency)",
            "p95(latency))",
            "let x = 5",
            "let x = 5 # five",
            "metric x: ratio = prometheus(`sum(x)`)",
            "guard slow: share(latency < 300ms) >= 95% else rollback",
            "phase a { hold 5m }",
            "a b",
            "errors < 5 5",
            "\"half",
            "load",
            "= 5",
            "traffic checkout",
        ] {
            assert!(!breaks_off(text), "{text}");
        }
    }

    #[test]
    fn keywords_have_a_shape() {
        assert_eq!(shape("let"), Some("let NAME = EXPRESSION"));
        assert_eq!(shape("flags"), Some("flags NAME: [A, B]"));
        assert_eq!(shape("errors"), None);
    }
}
