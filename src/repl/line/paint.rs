//! An entry in colours, as it is typed. What the colours say is said in words too: by hints, and by the answer.

use super::entry::is_command;
use super::place::command;
use super::scope::Scope;
use crate::repl::NameKind;
use crate::report::style::Style;
use crate::syntax::typing::{Token, TokenKind, tokens};
use std::fmt::Write as _;

/// A text with colours around its tokens; `pair` marks the bracket at the cursor and its other one. Takes as many columns as the text.
pub(super) fn paint(scope: &Scope, style: Style, text: &str, cursor: Option<usize>) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    let mut rest = text;
    let mut offset = 0;
    // commands are of one line; what stands between is the language's
    while !rest.is_empty() {
        let end = if is_command(rest) {
            let line = rest.find('\n').map_or(rest.len(), |n| n + 1);
            let name = rest.len() - rest.trim_start().len();
            let name_end = rest.get(name..line).and_then(|r| r.find(char::is_whitespace)).map_or(line, |n| name + n);
            let (head, tail) = (rest.get(..name_end).unwrap_or(""), rest.get(name_end..line).unwrap_or(""));
            out.push_str(&if command(head.trim()).is_some() { style.bold(head) } else { head.to_owned() });
            piece(&mut out, scope, style, tail, cursor.and_then(|c| c.checked_sub(offset + name_end)));
            line
        } else {
            let line = next_command(rest);
            let part = rest.get(..line).unwrap_or("");
            piece(&mut out, scope, style, part, cursor.and_then(|c| c.checked_sub(offset)));
            line
        };
        offset += end;
        rest = rest.get(end..).unwrap_or("");
    }
    out
}

/// Where the next line begins that is a command.
fn next_command(text: &str) -> usize {
    let starts = text.match_indices('\n').map(|(i, _)| i + 1);
    let mut commands = starts.filter(|i| text.get(*i..).is_some_and(is_command_line));
    commands.next().unwrap_or(text.len())
}

fn is_command_line(rest: &str) -> bool {
    rest.lines().next().is_some_and(is_command)
}

fn piece(out: &mut String, scope: &Scope, style: Style, text: &str, cursor: Option<usize>) {
    let all = tokens(text);
    let pair = cursor.and_then(|c| pair(&all, c));
    let mut at = 0;
    for t in &all {
        out.push_str(text.get(at..t.start).unwrap_or(""));
        let word = text.get(t.start..t.end).unwrap_or("");
        let marked = pair.is_some_and(|(a, b)| t.start == a || t.start == b);
        let _ = write!(out, "{}", if marked { style.marked(word) } else { token(scope, style, t.kind, word) });
        at = t.end;
    }
    out.push_str(text.get(at..).unwrap_or(""));
}

fn token(scope: &Scope, style: Style, kind: TokenKind, word: &str) -> String {
    match kind {
        TokenKind::Comment => style.faint(word),
        TokenKind::Text { .. } | TokenKind::Raw { .. } => lines(word, |l| style.good(l)),
        TokenKind::Number { sound: true } => style.unsure(word),
        TokenKind::Name => match scope.all(word).next().map(|n| n.kind) {
            Some(NameKind::Keyword) => style.bold(word),
            Some(_) => style.known(word),
            None => word.to_owned(),
        },
        _ => word.to_owned(),
    }
}

/// Each line by itself: a colour that goes over a line's end would colour what an editor puts there.
fn lines(text: &str, paint: impl Fn(&str) -> String) -> String {
    text.split('\n').map(|l| if l.is_empty() { String::new() } else { paint(l) }).collect::<Vec<_>>().join("\n")
}

/// Both brackets, where the cursor is on or behind one that has another.
fn pair(all: &[Token], cursor: usize) -> Option<(usize, usize)> {
    let mut open: Vec<usize> = Vec::new();
    let mut pairs = Vec::new();
    for t in all {
        match t.kind {
            TokenKind::Opener => open.push(t.start),
            TokenKind::Closer => pairs.extend(open.pop().map(|o| (o, t.start))),
            _ => {}
        }
    }
    let at = |place: usize| pairs.iter().find(|(a, b)| *a == place || *b == place).copied();
    at(cursor).or_else(|| cursor.checked_sub(1).and_then(at))
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    fn painted(text: &str, cursor: Option<usize>) -> String {
        paint(&Scope::new(&fake::names()), Style::COLOURED, text, cursor)
    }

    /// Without escape sequences.
    fn bare(text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('\x1b') {
            out.push_str(before);
            rest = after.split_once('m').unwrap().1;
        }
        out + rest
    }

    #[test]
    fn each_token_has_its_colour() {
        assert_eq!(
            painted("guard x: errors < 1.5% # why", None),
            "\x1b[1mguard\x1b[0m x: \x1b[36merrors\x1b[0m < \x1b[33m1.5%\x1b[0m \x1b[2m# why\x1b[0m"
        );
        assert_eq!(painted("nonsense", None), "nonsense");
        assert_eq!(painted("\"errors\"", None), "\x1b[32m\"errors\"\x1b[0m");
        assert_eq!(painted(":step 5m", None), "\x1b[1m:step\x1b[0m \x1b[33m5m\x1b[0m");
        assert_eq!(painted(":stop 5x", None), ":stop 5x");
        assert_eq!(painted("`a\nb`", None), "\x1b[32m`a\x1b[0m\n\x1b[32mb`\x1b[0m");
    }

    #[test]
    fn the_other_bracket_is_marked() {
        assert_eq!(painted("(a)", Some(3)), "\x1b[1;4m(\x1b[0ma\x1b[1;4m)\x1b[0m");
        assert_eq!(painted("(a)", Some(0)), "\x1b[1;4m(\x1b[0ma\x1b[1;4m)\x1b[0m");
        assert_eq!(painted("(a", Some(1)), "(a");
        assert_eq!(painted("\"(\" )", Some(5)), "\x1b[32m\"(\"\x1b[0m )");
        assert_eq!(painted(":plot (a)", Some(9)), "\x1b[1m:plot\x1b[0m \x1b[1;4m(\x1b[0ma\x1b[1;4m)\x1b[0m");
    }

    #[test]
    fn colours_change_no_letter() {
        for text in [
            "guard x: (\n  errors < 1%\n)",
            ":set a=1\n:why\nerrors # é",
            "\"é\n`x\ny",
            ":",
            "",
            "\n\n:step",
            "a\r\n:b",
        ] {
            for cursor in 0..=text.len() {
                assert_eq!(bare(&painted(text, Some(cursor))), text);
            }
            assert_eq!(paint(&Scope::default(), Style::PLAIN, text, None), text);
        }
    }
}
