//! A statement's tokens, from pest's pairs and what stands between them.

use crate::syntax::build::P;
use crate::syntax::grammar::Rule;

/// What a token is to its neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, keyword, literal, text or operator.
    Word,
    /// A minus sign before its operand.
    Sign,
    /// `and`, `or`: where a long condition may be broken.
    Joint,
    /// A bracket, comma, colon or dot.
    Mark,
    /// The `(` of a call or the `[` of an index, which touch what they belong to.
    Glued,
    /// `# …` up to the end of its line.
    Comment,
}

/// One token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: Kind,
    pub text: String,
    /// Byte offset in the source.
    pub start: usize,
    pub end: usize,
}

impl Token {
    fn is(&self, marks: &[&str]) -> bool {
        matches!(self.kind, Kind::Mark | Kind::Glued) && marks.contains(&self.text.as_str())
    }

    pub fn opens(&self) -> bool {
        self.is(&["(", "[", "{"])
    }

    pub fn closes(&self) -> bool {
        self.is(&[")", "]", "}"])
    }

    pub fn is_comma(&self) -> bool {
        self.is(&[","])
    }
}

/// All tokens of a pair in the order of the text.
pub(super) fn tokens(pair: &P<'_>, source: &str) -> Vec<Token> {
    let mut leaves = Vec::new();
    let mut glued = Vec::new();
    collect(pair.clone(), &mut leaves, &mut glued);
    let span = pair.as_span();
    let mut out = Vec::new();
    let mut at = span.start();
    for leaf in leaves {
        between(source, at, leaf.start, &glued, &mut out);
        at = leaf.end;
        out.push(leaf);
    }
    between(source, at, span.end(), &glued, &mut out);
    without_last_commas(out)
}

fn collect(pair: P<'_>, leaves: &mut Vec<Token>, glued: &mut Vec<usize>) {
    let span = pair.as_span();
    if matches!(pair.as_rule(), Rule::call_args | Rule::index) {
        glued.push(span.start());
    }
    let rule = pair.as_rule();
    let text = pair.as_str();
    let mut inner = pair.into_inner().peekable();
    if inner.peek().is_some() {
        inner.for_each(|p| collect(p, leaves, glued));
        return;
    }
    // look-aheads are pairs without text
    if text.is_empty() {
        return;
    }
    let kind = match rule {
        Rule::neg => Kind::Sign,
        Rule::infix if matches!(text, "and" | "or") => Kind::Joint,
        Rule::colon | Rule::comma | Rule::close_paren | Rule::close_bracket | Rule::close_brace => Kind::Mark,
        _ => Kind::Word,
    };
    // the one operator of two words may stand on two lines
    let text = match rule {
        Rule::infix if text.starts_with("not") && !text.contains('#') => String::from("not in"),
        _ => text.to_owned(),
    };
    leaves.push(Token { kind, text, start: span.start(), end: span.end() });
}

/// Marks and comments between two pairs.
pub(super) fn loose(source: &str, from: usize, to: usize) -> Vec<Token> {
    let mut out = Vec::new();
    between(source, from, to, &[], &mut out);
    out
}

/// What no pair stands for: marks of the grammar, and comments.
fn between(source: &str, from: usize, to: usize, glued: &[usize], out: &mut Vec<Token>) {
    let mut at = from;
    while let Some(c) = source.get(at..to).and_then(|rest| rest.chars().next()) {
        let end = match c {
            '#' => source.get(at..to).and_then(|rest| rest.find('\n')).map_or(to, |n| at + n),
            c => at + c.len_utf8(),
        };
        if !c.is_whitespace() {
            let kind = match c {
                '#' => Kind::Comment,
                _ if glued.contains(&at) => Kind::Glued,
                _ => Kind::Mark,
            };
            let text = source.get(at..end).unwrap_or("").trim_end().to_owned();
            out.push(Token { kind, text, start: at, end });
        }
        at = end;
    }
}

/// A comma before a closing bracket means nothing; one is written where every element has a line of its own.
fn without_last_commas(tokens: Vec<Token>) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    for t in tokens {
        if t.closes() && out.last().is_some_and(Token::is_comma) {
            out.pop();
        }
        out.push(t);
    }
    out
}

/// Tokens on one line, with the blanks that belong between them.
pub(super) fn line(tokens: &[Token]) -> String {
    let mut out = String::new();
    let mut last: Option<&Token> = None;
    for t in tokens {
        if last.is_some_and(|l| apart(l, t)) {
            out.push(' ');
        }
        out.push_str(&t.text);
        last = Some(t);
    }
    out
}

fn apart(a: &Token, b: &Token) -> bool {
    if b.kind == Kind::Glued || b.is(&[",", ")", "]", ":", "."]) || a.is(&["(", "[", "."]) {
        return false;
    }
    a.kind != Kind::Sign
}
