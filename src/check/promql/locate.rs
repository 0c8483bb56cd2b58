//! Where in a query an error is. The PromQL parser says what is wrong but not where; this finds the place by asking it about
//! parts of the query.

use promql_parser::parser::parse;
use std::ops::Range;

/// What the parser says when the grammar does not fit.
const INVALID_QUERY_INFO: &str = "invalid promql query";

/// Queries longer than this (in bytes) are labelled as a whole: the search parses about once a character.
const LONGEST: usize = 1000;

/// The bytes to put a label under, and the message to show.
pub(super) fn locate(text: &str, message: &str) -> (Range<usize>, String) {
    let whole = trimmed(text);
    if text.len() > LONGEST {
        return (whole, message.to_owned());
    }
    if message == INVALID_QUERY_INFO {
        return unexpected_token(text).unwrap_or((whole, message.to_owned()));
    }
    if message.starts_with("unclosed") || message.starts_with("unexpected end of input inside") {
        let (open, _) = brackets(text);
        if let Some(&(at, c)) = open.last() {
            return (at..at + 1, format!("`{c}` is not closed"));
        }
    }
    if message.starts_with("unterminated quoted string")
        && let (_, Some(at)) = brackets(text)
    {
        return (at..whole.end.max(at + 1), String::from("the string is not closed"));
    }
    if let Some(name) = message.strip_prefix("unknown function with name '").and_then(|m| m.strip_suffix('\''))
        && let Some(range) = called(text, name)
    {
        return (range, format!("unknown function `{name}`"));
    }
    if let Some(range) = smallest_call(text, message) {
        return (range, message.to_owned());
    }
    (first_prefix(text, message).unwrap_or(whole), message.to_owned())
}

fn trimmed(text: &str) -> Range<usize> {
    let start = text.len() - text.trim_start().len();
    start..text.trim_end().len().max(start)
}

/// Brackets that are still open at the end, and the quote that is.
fn brackets(text: &str) -> (Vec<(usize, char)>, Option<usize>) {
    let mut open = Vec::new();
    let mut quote: Option<(usize, char)> = None;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (c, quote) {
            ('\\', Some((_, '"' | '\''))) => {
                chars.next();
            }
            (c, Some((_, q))) if c == q => quote = None,
            (_, Some(_)) => {}
            ('"' | '\'' | '`', None) => quote = Some((at, c)),
            ('(' | '[' | '{', None) => open.push((at, c)),
            (')' | ']' | '}', None) => {
                open.pop();
            }
            _ => {}
        }
    }
    (open, quote.map(|(at, _)| at))
}

/// The last character of the shortest prefix with the same error: where a scanner stopped.
fn first_prefix(text: &str, message: &str) -> Option<Range<usize>> {
    text.char_indices().find_map(|(at, c)| {
        let end = at + c.len_utf8();
        let prefix = text.get(..end)?;
        (parse(prefix).err().as_deref() == Some(message)).then_some(at..end)
    })
}

/// Where a name is called.
fn called(text: &str, name: &str) -> Option<Range<usize>> {
    let tokens = tokens(text);
    tokens.windows(2).find_map(|pair| match pair {
        [word, open] if text.get(word.clone()) == Some(name) && text.get(open.clone()) == Some("(") => {
            Some(word.clone())
        }
        _ => None,
    })
}

/// The shortest call `name(…)` that has the same error by itself.
fn smallest_call(text: &str, message: &str) -> Option<Range<usize>> {
    let tokens = tokens(text);
    let mut best: Option<Range<usize>> = None;
    for (i, name) in tokens.iter().enumerate() {
        let word = text.get(name.clone())?;
        if !word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') {
            continue;
        }
        let Some(end) = call_end(text, &tokens, i) else {
            continue;
        };
        let range = name.start..end;
        let part = text.get(range.clone())?;
        if parse(part).err().as_deref() == Some(message) && best.as_ref().is_none_or(|b| range.len() < b.len()) {
            best = Some(range);
        }
    }
    best
}

/// One past the `)` that closes the call whose name is token `i`.
fn call_end(text: &str, tokens: &[Range<usize>], i: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for t in tokens.get(i + 1..)? {
        match text.get(t.clone())? {
            "(" => depth += 1,
            ")" => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(t.end);
                }
            }
            _ if depth == 0 => return None,
            _ => {}
        }
    }
    None
}

/// What can stand behind the beginning of a query so that, with all brackets closed, it is one.
const REST: [&str; 18] = [
    "", " x", " 1", " 1m", "[1m]", "(x)", " (x)", "(a) (x)", "a) (x)", "a) x", " (a) x", "(x[1m])", "(1, x)", "\"b\"",
    "=\"b\"", "a=\"b\"", ",a=\"b\"", "1m:1m",
];

/// The first token with which no query can begin. When there is none, the query ends too early.
fn unexpected_token(text: &str) -> Option<(Range<usize>, String)> {
    let tokens = tokens(text);
    for token in &tokens {
        let prefix = text.get(..token.end)?;
        if !REST.iter().any(|rest| begins(prefix, rest)) {
            let word = text.get(token.clone())?;
            return Some((token.clone(), format!("`{word}` is not expected here")));
        }
    }
    let last = tokens.last()?;
    Some((last.clone(), String::from("the query ends too early")))
}

fn begins(prefix: &str, rest: &str) -> bool {
    let mut candidate = format!("{prefix}{rest}");
    let (open, _) = brackets(&candidate);
    for (_, c) in open.iter().rev() {
        candidate.push(match c {
            '(' => ')',
            '[' => ']',
            _ => '}',
        });
    }
    match parse(&candidate) {
        Ok(_) => true,
        // what is left to complain of is not the grammar
        Err(m) => m != INVALID_QUERY_INFO && !m.starts_with("unexpected"),
    }
}

/// The words, numbers, strings and operators of a query.
fn tokens(text: &str) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c.is_whitespace() {
            continue;
        }
        if c == '#' {
            while chars.next_if(|(_, c)| *c != '\n').is_some() {}
            continue;
        }
        if c.is_alphanumeric() || c == '_' || c == ':' {
            while chars.next_if(|(_, c)| c.is_alphanumeric() || matches!(c, '_' | ':' | '.')).is_some() {}
        } else if matches!(c, '"' | '\'' | '`') {
            while let Some((_, d)) = chars.next() {
                if d == '\\' && c != '`' {
                    chars.next();
                } else if d == c {
                    break;
                }
            }
        } else if matches!(c, '=' | '!' | '<' | '>') {
            chars.next_if(|(_, d)| matches!(d, '=' | '~'));
        }
        let end = chars.peek().map_or(text.len(), |(i, _)| *i);
        out.push(at..end);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(query: &str) -> (&str, String) {
        let message = parse(query).unwrap_err();
        let (range, message) = locate(query, &message);
        (&query[range], message)
    }

    #[test]
    fn the_label_stands_under_the_culprit() {
        for (query, part) in [
            ("sum(rate(x[5m])", "("),
            ("sum(rate(x[5m]", "("),
            ("x{a=\"b\"", "{"),
            ("x{a=\"b}", "\"b}"),
            ("rate(x)", "rate(x)"),
            ("sum(rate(x[5m])) / sum(rate(y))", "rate(y)"),
            ("sum(rte(x[5m]))", "rte"),
            ("a / / b", "/"),
            ("sum by (a) x", "x"),
            ("sum(x) +", "+"),
            ("x{a~\"b\"}", "~"),
            ("a b", "b"),
            ("x[5x]", "x"),
        ] {
            let (got, message) = at(query);
            assert_eq!(got, part, "{query}: {message}");
        }
        assert_eq!(at("a / / b").1, "`/` is not expected here");
        assert_eq!(at("sum(x) +").1, "the query ends too early");
    }
}
