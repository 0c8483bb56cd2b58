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
#[derive(Debug)]
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
            let export = if assignments(text).last().is_some_and(|a| a.exported) { "export " } else { "" };
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
    let mut ours = assignments(text).into_iter().filter(|a| text.get(a.name.clone()) == Some(name));
    let Some(found) = ours.next() else { return Ok(None) };
    if let Some(second) = ours.next() {
        let (here, first) = (place(text, second.name.start), place(text, found.name.start));
        return Err(format!("{here}: {name} is set here a second time (first at {first})"));
    }
    match found.doubt {
        Some(why) => {
            Err(format!("{}: {name} has {why}, which readers understand differently", place(text, found.name.end)))
        }
        None => Ok(Some(found)),
    }
}

fn assignments(text: &str) -> Vec<Assignment> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let line = line_at(text, at);
        match one(text, line.clone()) {
            Some(a) => {
                at = line_at(text, a.value.end).end.max(line.end);
                out.push(a);
            }
            None => at = line.end,
        }
    }
    out
}

/// The assignment that begins in a line.
fn one(text: &str, line: Range<usize>) -> Option<Assignment> {
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
            // a backslash before the line break joins two lines
            while text.get(start..end).is_some_and(|v| v.trim_end_matches(['\r', '\n']).ends_with('\\'))
                && end < text.len()
            {
                end = line_at(text, end).end;
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
