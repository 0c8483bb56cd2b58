//! What stands under the cursor: what completion and hints go by.

use super::entry::is_command;
use crate::repl::{Argument, COMMANDS, Command};
use crate::syntax::typing::{Token, TokenKind, tokens};

/// Where the cursor is. Offsets are bytes of the whole text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place<'t> {
    /// In a string, a query, a comment.
    Nowhere,
    /// In a command's name.
    Command {
        /// Where it begins.
        start: usize,
        /// As far as it is typed.
        typed: &'t str,
    },
    /// Behind a command.
    Argument {
        /// Which.
        command: &'static Command,
        /// What is wanted here.
        argument: Argument,
        /// Where the word begins.
        start: usize,
        /// The word as far as it is typed.
        typed: &'t str,
        /// The command's words before this one.
        before: Vec<&'t str>,
    },
    /// In or behind a number.
    Unit {
        /// Where its unit begins.
        start: usize,
        /// The unit as far as it is typed.
        typed: &'t str,
    },
    /// In a name, or where one may begin.
    Name {
        /// Where it begins.
        start: usize,
        /// As far as it is typed.
        typed: &'t str,
        /// Nothing stands before it.
        first: bool,
    },
}

/// What stands at an offset.
pub(super) fn place(text: &str, pos: usize) -> Place<'_> {
    let before = text.get(..pos).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |n| n + 1);
    let line = before.get(line_start..).unwrap_or("");
    if is_command(line) {
        return behind_command(line, line_start);
    }
    in_language(before, 0)
}

/// The command of a name, or of a beginning that only one has.
pub(super) fn command(name: &str) -> Option<&'static Command> {
    if let Some(same) = COMMANDS.iter().find(|c| c.name == name) {
        return Some(same);
    }
    let mut begun = COMMANDS.iter().filter(|c| name.len() > 1 && c.name.starts_with(name));
    begun.next().filter(|_| begun.next().is_none())
}

fn behind_command(line: &str, offset: usize) -> Place<'_> {
    let blank = line.len() - line.trim_start().len();
    let body = line.get(blank..).unwrap_or("");
    let Some(end) = body.find(char::is_whitespace) else {
        return Place::Command { start: offset + blank, typed: body };
    };
    let (name, rest) = body.split_at(end);
    let Some(command) = command(name) else { return Place::Nowhere };
    let typed_at = rest.rfind(char::is_whitespace).map_or(0, |n| n + 1);
    let (earlier, typed) = rest.split_at(typed_at);
    let before: Vec<&str> = earlier.split_whitespace().collect();
    let last = command.arguments.len().saturating_sub(1);
    let Some(argument) = command.arguments.get(before.len().min(last)).copied() else { return Place::Nowhere };
    // what is reckoned is read as an expression, from the command on
    let from = offset + blank + end;
    let reckons = matches!(argument, Argument::Expression);
    if reckons {
        return in_language(rest, from);
    }
    Place::Argument { command, argument, start: from + typed_at, typed, before }
}

/// In a text of the language that begins at an offset.
pub(super) fn in_language(before: &str, offset: usize) -> Place<'_> {
    let all = tokens(before);
    let first = all.iter().filter(|t| t.end < before.len() || t.kind != TokenKind::Name).count() == 0;
    let none = Place::Name { start: offset + before.len(), typed: "", first };
    let Some(last) = all.last().filter(|t| t.end == before.len()) else { return none };
    let text = before.get(last.start..).unwrap_or("");
    match last.kind {
        TokenKind::Comment | TokenKind::Text { open: true } | TokenKind::Raw { open: true } => Place::Nowhere,
        TokenKind::Number { .. } => in_number(text, offset + last.start),
        TokenKind::Name => Place::Name { start: offset + last.start, typed: text, first },
        _ => none,
    }
}

/// In a number: behind its last digit.
fn in_number(text: &str, offset: usize) -> Place<'_> {
    // a moment of the world has none
    if text.contains(['T', ':']) || text.matches('-').count() > 1 {
        return Place::Nowhere;
    }
    let digits = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == '_').map_or(0, |n| n + 1);
    Place::Unit { start: offset + digits, typed: text.get(digits..).unwrap_or("") }
}

/// The call that the cursor is in: the name of what is called, and which of its arguments is being typed, from 0.
pub(super) fn call(before: &str) -> Option<(&str, usize)> {
    let mut open: Vec<(Option<Token>, usize)> = Vec::new();
    let mut last: Option<Token> = None;
    for t in tokens(before) {
        match t.kind {
            TokenKind::Opener => open.push((last.filter(|l| l.kind == TokenKind::Name && l.end == t.start), 0)),
            TokenKind::Closer => drop(open.pop()),
            TokenKind::Sign if before.get(t.start..t.end) == Some(",") => {
                if let Some(top) = open.last_mut() {
                    top.1 += 1;
                }
            }
            _ => {}
        }
        last = Some(t);
    }
    // within brackets for reckoning or a list one is still in the call around them
    let (name, nth) = open.iter().rev().find_map(|(name, nth)| name.map(|n| (n, *nth)))?;
    Some((before.get(name.start..name.end)?, nth))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_end(text: &str) -> Place<'_> {
        place(text, text.len())
    }

    #[test]
    fn nothing_is_completed_in_strings_queries_and_comments() {
        for text in ["\"err", "let x = `sum(err", "errors # err", "let x = `sum(\nerr"] {
            assert_eq!(at_end(text), Place::Nowhere, "{text}");
        }
        // behind them it is
        assert_eq!(at_end("\"a\" err"), Place::Name { start: 4, typed: "err", first: false });
        assert_eq!(at_end("# why\nerr"), Place::Name { start: 6, typed: "err", first: false });
        assert_eq!(at_end("\"open\nerr"), Place::Name { start: 6, typed: "err", first: false });
    }

    #[test]
    fn a_name_is_taken_with_its_dots_and_a_number_without_its_digits() {
        assert_eq!(at_end("http.er"), Place::Name { start: 0, typed: "http.er", first: true });
        assert_eq!(at_end("share(http."), Place::Name { start: 6, typed: "http.", first: false });
        assert_eq!(at_end("errors < 30"), Place::Unit { start: 11, typed: "" });
        assert_eq!(at_end("errors < 1h30m"), Place::Unit { start: 13, typed: "m" });
        assert_eq!(at_end("0.5p"), Place::Unit { start: 3, typed: "p" });
        assert_eq!(at_end("errors @ 2026-11-21T10:00Z"), Place::Nowhere);
        assert_eq!(at_end(""), Place::Name { start: 0, typed: "", first: true });
        assert_eq!(at_end("errors "), Place::Name { start: 7, typed: "", first: false });
    }

    #[test]
    fn the_cursor_may_stand_inside() {
        assert_eq!(place("err < 5", 2), Place::Name { start: 0, typed: "er", first: true });
        assert_eq!(place("é", 1), at_end("é"));
    }

    #[test]
    fn arguments_of_a_command_are_counted() {
        let Place::Argument { argument, start, typed, before, .. } = at_end(":save test ba") else { panic!() };
        assert_eq!((argument, start, typed, before), (Argument::File, 11, "ba", vec!["test"]));
        let Place::Argument { argument, typed, .. } = at_end("errors\n  :set a.limit=2% b.") else { panic!() };
        assert_eq!((argument, typed), (Argument::Setting, "b."));
        assert_eq!(at_end(":st"), Place::Command { start: 0, typed: ":st" });
        let Place::Argument { command, .. } = at_end(":inj la") else { panic!() };
        assert_eq!(command.name, ":inject");
        assert_eq!(at_end(":s x"), Place::Nowhere);
        assert_eq!(at_end(":nonsense x"), Place::Nowhere);
        assert_eq!(at_end(":run x"), Place::Nowhere);
    }

    #[test]
    fn the_call_is_the_innermost_that_is_open() {
        assert_eq!(call("increase(failed, "), Some(("increase", 1)));
        assert_eq!(call("share(latency < (3"), Some(("share", 0)));
        assert_eq!(call("increase(sum(a, b), 5m"), Some(("increase", 1)));
        assert_eq!(call("increase(a)"), None);
        assert_eq!(call("(a, "), None);
    }
}
