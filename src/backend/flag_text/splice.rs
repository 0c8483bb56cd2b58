//! Edits of a text at places, and places in words.

use std::ops::Range;

/// A range of bytes and what stands there afterwards.
pub(super) type Splice = (Range<usize>, String);

/// The text with all edits made; they must not overlap.
pub(super) fn spliced(text: &str, mut splices: Vec<Splice>) -> String {
    splices.sort_by_key(|(r, _)| r.start);
    let mut out = String::with_capacity(text.len() + 64);
    let mut at = 0;
    for (range, with) in splices {
        out.push_str(text.get(at..range.start).unwrap_or(""));
        out.push_str(&with);
        at = range.end;
    }
    out.push_str(text.get(at..).unwrap_or(""));
    out
}

/// `line:column`, both from 1, in characters.
pub(super) fn place(text: &str, at: usize) -> String {
    let head = text.get(..at).unwrap_or(text);
    let line = head.matches('\n').count() + 1;
    let column = head.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    format!("{line}:{column}")
}

/// How this text ends its lines.
pub(super) fn line_break(text: &str) -> &'static str {
    match text.find('\n') {
        Some(at) if text.get(..at).is_some_and(|head| head.ends_with('\r')) => "\r\n",
        _ => "\n",
    }
}

/// The line that holds a place: from its first byte to behind its line break.
pub(super) fn line_at(text: &str, at: usize) -> Range<usize> {
    let start = text.get(..at).and_then(|head| head.rfind('\n')).map_or(0, |i| i + 1);
    let end = text.get(at..).and_then(|tail| tail.find('\n')).map_or(text.len(), |i| at + i + 1);
    start..end
}

/// A new line behind the line that ends at `end` (its break included). A text without a last line break stays without one:
/// that is how [`without_line`] knows.
pub(super) fn line_behind(text: &str, end: usize, line: &str) -> Splice {
    let br = line_break(text);
    let head = text.get(..end).unwrap_or("");
    if head.is_empty() || head.ends_with('\n') {
        (end..end, format!("{line}{br}"))
    } else {
        (end..end, format!("{br}{line}"))
    }
}

/// A line taken away: the inverse of [`line_behind`].
pub(super) fn without_line(text: &str, line: Range<usize>) -> Splice {
    let whole = text.get(line.clone()).unwrap_or("");
    if whole.ends_with('\n') || line.start == 0 {
        return (line, String::new());
    }
    let head = text.get(..line.start).unwrap_or("");
    let kept = head.strip_suffix('\n').map_or(head, |h| h.strip_suffix('\r').unwrap_or(h));
    (kept.len()..line.end, String::new())
}

/// At most 40 characters of a text, to be shown.
pub(super) fn short(raw: &str) -> String {
    let first = raw.lines().next().unwrap_or("");
    let mut out: String = first.chars().take(40).collect();
    if out.len() < raw.len() {
        out.push('…');
    }
    out
}
