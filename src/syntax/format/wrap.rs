//! Statements of several lines: broken because they are too long, or kept because comments stand inside them.

use super::layout::{STEP, WIDTH};
use super::tokens::{Kind, Token, line};
use unicode_width::UnicodeWidthStr;

/// Tokens over several lines: the longest outermost list, one element a line; else before each `and`, `or`. `indent` is that
/// of the statement, `column` where the first token will stand. What cannot be broken stays long.
pub(super) fn broken(tokens: &[Token], indent: usize, column: usize) -> String {
    if column + line(tokens).width() <= WIDTH {
        return line(tokens);
    }
    if let Some((open, close)) = longest_group(tokens) {
        let (before, rest) = tokens.split_at(open + 1);
        let (inside, after) = rest.split_at(close - open - 1);
        let inner = indent + STEP;
        let mut out = line(before);
        for element in elements(inside) {
            out.push('\n');
            out.push_str(&" ".repeat(inner));
            out.push_str(&broken(element, inner, inner));
            out.push(',');
        }
        out.push('\n');
        out.push_str(&" ".repeat(indent));
        out.push_str(&line(after));
        return out;
    }
    let mut out = String::new();
    let mut from = 0;
    let mut depth = 0usize;
    for (i, t) in tokens.iter().enumerate() {
        depth = (depth + usize::from(t.opens())).saturating_sub(usize::from(t.closes()));
        if t.kind == Kind::Joint && depth == 0 && i > 0 {
            out.push_str(&line(tokens.get(from..i).unwrap_or(&[])));
            out.push('\n');
            out.push_str(&" ".repeat(indent + 2 * STEP));
            from = i;
        }
    }
    out.push_str(&line(tokens.get(from..).unwrap_or(&[])));
    out
}

/// The brackets of the longest outermost list or call; round brackets that only group are none.
fn longest_group(tokens: &[Token]) -> Option<(usize, usize)> {
    let mut best: Option<(usize, usize, usize)> = None;
    let mut open: Vec<usize> = Vec::new();
    for (i, t) in tokens.iter().enumerate() {
        if t.opens() {
            open.push(i);
        } else if t.closes()
            && let Some(from) = open.pop()
            && open.is_empty()
            && i > from + 1
            && tokens.get(from).is_some_and(|o| o.kind == Kind::Glued || o.text == "[")
        {
            let length = line(tokens.get(from..i).unwrap_or(&[])).width();
            if best.is_none_or(|(.., l)| length > l) {
                best = Some((from, i, length));
            }
        }
    }
    best.map(|(from, to, _)| (from, to))
}

fn elements(inside: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0usize;
    inside
        .split(|t| {
            depth = (depth + usize::from(t.opens())).saturating_sub(usize::from(t.closes()));
            depth == 0 && t.is_comma()
        })
        .collect()
}

/// A statement with comments inside keeps its lines: only their indentation and the blanks in them are set.
pub(super) fn as_written(tokens: &[Token], indent: usize, source: &str) -> String {
    let on_next_line = |a: &Token, b: &Token| source.get(a.end..b.start).is_some_and(|gap| gap.contains('\n'));
    let mut out = String::new();
    let mut depth = 0usize;
    let mut rest = tokens;
    while !rest.is_empty() {
        // a comment ends its line; what stood behind a line break, stands there
        let mut n = 0;
        while let Some(t) = rest.get(n) {
            n += 1;
            let ends = t.kind == Kind::Comment || rest.get(n).is_none_or(|next| on_next_line(t, next));
            if ends {
                break;
            }
        }
        let (here, after) = rest.split_at(n);
        if !out.is_empty() {
            let closing = here.iter().take_while(|t| t.closes()).count();
            let extra = if depth == 0 { 2 * STEP } else { STEP * depth.saturating_sub(closing) };
            out.push('\n');
            out.push_str(&" ".repeat(indent + extra));
        }
        out.push_str(&spaced(here));
        for t in here {
            depth = (depth + usize::from(t.opens())).saturating_sub(usize::from(t.closes()));
        }
        rest = after;
    }
    out
}

fn spaced(tokens: &[Token]) -> String {
    match tokens.split_last() {
        Some((comment, before)) if comment.kind == Kind::Comment && !before.is_empty() => {
            format!("{}  {}", line(before), comment.text)
        }
        _ => line(tokens),
    }
}
