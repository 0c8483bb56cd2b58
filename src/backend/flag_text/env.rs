//! One variable of an env file: `KEY=value` lines, as shells and dotenv libraries read them.
//!
//! Own code: the libraries that read such files keep neither comments nor quotes. Understood: `export`, comments on lines of
//! their own and behind a value (after a blank), single and double quotes, values of several lines in quotes, a backslash at a
//! line's end. Where readers differ (blanks round `=`, text behind a closing quote, a variable that is set twice) our
//! variable is refused with its place, and other variables are left alone. (Docker's `--env-file` and systemd know no
//! comments behind values and Docker no quotes: for those, write the file without.)
//!
//! A variable that is not there is added as the file's last line, and taken away with its line.

use super::splice::{line_at, line_behind, place, short, spliced, without_line};
use super::{Found, Key};
use std::ops::Range;

/// One assignment.
#[derive(Debug, Clone)]
struct Assignment {
    name: Range<usize>,
    exported: bool,
    /// The value as written, quotes included.
    value: Range<usize>,
    /// Why readers would not agree about it.
    doubt: Option<&'static str>,
}

pub(super) fn find(text: &str, key: &Key) -> Result<Option<Found>, String> {
    Ok(assignment(text, key)?.map(|a| {
        let raw = text.get(a.value.clone()).unwrap_or("");
        Found {
            scalar: (!raw.is_empty() && !raw.contains('\n')).then(|| raw.to_owned()),
            what: if raw.is_empty() { "nothing".to_owned() } else { format!("`{}`", short(raw)) },
            place: place(text, a.value.start),
        }
    }))
}

pub(super) fn edit(text: &str, key: &Key, value: Option<&str>) -> Result<String, String> {
    let splice = match (assignment(text, key)?, value) {
        (None, None) => return Ok(text.to_owned()),
        (Some(a), Some(v)) => (a.value, v.to_owned()),
        (Some(a), None) => {
            let first = line_at(text, a.name.start);
            let last = line_at(text, a.value.end.max(a.name.end));
            without_line(text, first.start..last.end)
        }
        (None, Some(v)) => {
            // as the neighbours do
            let last = lines(text).into_iter().filter_map(|l| l.assignment).next_back();
            let export = if last.is_some_and(|a| a.exported) { "export " } else { "" };
            line_behind(text, text.len(), &format!("{export}{key}={v}"))
        }
    };
    Ok(spliced(text, vec![splice]))
}

/// The one assignment of a variable.
fn assignment(text: &str, key: &Key) -> Result<Option<Assignment>, String> {
    if text.starts_with('\u{feff}') {
        return Err("1:1: begins with a byte order mark, which readers take for a part of the first name".to_owned());
    }
    let name = key.0.first().map_or("", String::as_str);
    let lines = lines(text);
    let mut ours = Vec::new();
    for line in lines.iter() {
        if let Some(a) = &line.assignment
            && text.get(a.name.clone()) == Some(name)
        {
            ours.push(a);
        }
        // what a shell sets, and others take for a part of what stands before it
        let word =
            |at: &&usize| text.get(**at..).and_then(|t| t.strip_prefix(name)).is_some_and(|t| t.starts_with('='));
        if let Some(at) = line.words.iter().find(word) {
            return Err(format!(
                "{}: {name} stands behind something else on its line, which readers understand differently: give it a line \
                 of its own",
                place(text, *at)
            ));
        }
    }
    let mut ours = ours.into_iter();
    let Some(found) = ours.next() else { return Ok(None) };
    if let Some(second) = ours.next() {
        let (here, first) = (place(text, second.name.start), place(text, found.name.start));
        return Err(format!("{here}: {name} is set here a second time (first at {first})"));
    }
    let here = place(text, found.name.start);
    if let Some(quote) = lines.iter().filter_map(|l| l.open.as_ref()).find(|o| o.contains(&found.name.start)) {
        return Err(format!(
            "{here}: {name} stands behind a quote that is open at the end of line {}, so that a shell takes it for a text: \
             put that value into quotes",
            text.get(..quote.start).unwrap_or("").matches('\n').count()
        ));
    }
    match found.doubt {
        Some(why) => {
            Err(format!("{}: {name} has {why}, which readers understand differently", place(text, found.name.end)))
        }
        None => Ok(Some(found.clone())),
    }
}

/// A line, with those that its quotes and backslashes join to it.
#[derive(Debug)]
struct Line {
    assignment: Option<Assignment>,
    /// Where further words begin, outside of quotes and comments.
    words: Vec<usize>,
    /// The lines below that a shell takes for a part of this one, because of a quote inside its value.
    open: Option<Range<usize>>,
}

fn lines(text: &str) -> Vec<Line> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let line = line_at(text, at);
        let shell = Shell::of(text, line.start);
        let assignment = one(text, line.clone(), &shell);
        at = assignment.as_ref().map_or(line.end, |a| line_at(text, a.value.end).end.max(line.end));
        // a quote that is never closed is an apostrophe
        let open = shell.end.filter(|end| assignment.is_some() && *end > at).map(|end| at..end);
        let own = assignment.as_ref().map_or(line.start, |a| a.name.start);
        let words = shell.words.into_iter().filter(|w| *w != own && *w < at).collect();
        out.push(Line { assignment, words, open });
    }
    out
}

/// What a shell makes of the line that begins at a place.
#[derive(Debug)]
struct Shell {
    /// Behind its last line's break; `None` where a quote is never closed.
    end: Option<usize>,
    /// Where words begin, outside of quotes.
    words: Vec<usize>,
    /// Where a comment begins.
    comment: Option<usize>,
}

impl Shell {
    fn of(text: &str, from: usize) -> Self {
        let mut out = Self { end: None, words: Vec::new(), comment: None };
        let (mut quote, mut fresh) = (None, true);
        let mut chars = text.get(from..).unwrap_or("").char_indices().map(|(i, c)| (from + i, c)).peekable();
        while let Some((i, c)) = chars.next() {
            match (quote, c) {
                (None | Some('"'), '\\') => {
                    // with a line's break behind it, it joins the next one
                    if fresh {
                        out.words.push(i);
                    }
                    fresh = false;
                    if let Some((_, '\r')) = chars.next() {
                        chars.next_if(|(_, c)| *c == '\n');
                    }
                }
                (Some(q), c) if q == c => quote = None,
                (Some(_), _) => {}
                (None, '\n') => {
                    out.end = Some(i + 1);
                    return out;
                }
                (None, '#') if fresh => {
                    out.comment = Some(i);
                    out.end = Some(line_at(text, i).end);
                    return out;
                }
                (None, ' ' | '\t' | '\r' | ';' | '&' | '|' | '(' | ')') => fresh = true,
                (None, c) => {
                    if fresh {
                        out.words.push(i);
                    }
                    fresh = false;
                    quote = matches!(c, '"' | '\'').then_some(c);
                }
            }
        }
        if quote.is_none() {
            out.end = Some(text.len());
        }
        out
    }
}

/// The assignment that begins in a line.
fn one(text: &str, line: Range<usize>, shell: &Shell) -> Option<Assignment> {
    let blank = |c: char| c == ' ' || c == '\t';
    let mut at = line.start;
    let rest = |at: usize| text.get(at..line.end).unwrap_or("");
    at += rest(at).len() - rest(at).trim_start_matches(blank).len();
    let exported = rest(at).strip_prefix("export").is_some_and(|r| r.starts_with(blank));
    if exported {
        at += "export".len();
        at += rest(at).len() - rest(at).trim_start_matches(blank).len();
    }
    let name = rest(at).find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '-')).unwrap_or(0);
    if name == 0 {
        return None;
    }
    let name = at..at + name;
    let behind = rest(name.end);
    let equals = behind.trim_start_matches(blank);
    let mut doubt = (equals.len() < behind.len()).then_some("blanks before `=`");
    if !equals.starts_with('=') {
        return None;
    }
    let mut start = line.end - equals.len() + 1;
    let blanks = rest(start).len() - rest(start).trim_start_matches(blank).len();
    if blanks > 0 && !rest(start + blanks).trim_end().is_empty() && !rest(start + blanks).starts_with('#') {
        doubt = doubt.or(Some("blanks behind `=`"));
        start += blanks;
    }
    let value = match text.get(start..).and_then(|t| t.chars().next()) {
        Some(q @ ('"' | '\'')) => {
            let end = closing(text, start + 1, q);
            let tail = text.get(end..line_at(text, end.saturating_sub(1)).end).unwrap_or("").trim_end();
            if !(tail.is_empty() || tail.starts_with(blank) && tail.trim_start().starts_with('#')) {
                doubt = Some("text behind its closing quote");
            }
            start..end
        }
        _ => {
            let mut end = line.end;
            if shell.comment.is_none_or(|at| at >= end) {
                // a backslash before the line break joins two lines, two of them do not
                while text.get(start..end).is_some_and(joins) && end < text.len() {
                    end = line_at(text, end).end;
                }
            }
            let whole = text.get(start..end).unwrap_or("");
            let comment = whole
                .char_indices()
                .find(|(i, c)| *c == '#' && (*i == 0 || whole.get(..*i).is_some_and(|h| h.ends_with(blank))))
                .map_or(whole.len(), |(i, _)| i);
            start..start + whole.get(..comment).unwrap_or("").trim_end().len()
        }
    };
    Some(Assignment { name, exported, value, doubt })
}

/// Whether a line goes on in the next one.
fn joins(line: &str) -> bool {
    let bare = line.trim_end_matches(['\r', '\n']);
    (bare.len() - bare.trim_end_matches('\\').len()) % 2 == 1
}

/// Behind the closing quote, or the end of the text.
fn closing(text: &str, from: usize, quote: char) -> usize {
    let mut escaped = false;
    for (i, c) in text.get(from..).unwrap_or("").char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' && quote == '"' {
            escaped = true;
        } else if c == quote {
            return from + i + 1;
        }
    }
    text.len()
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
