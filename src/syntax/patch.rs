//! A text in which what was open is closed and what was foreign is translated, and the way back to the places of the
//! original.
//!
//! The scan mends what would otherwise hide everything behind it (an unclosed brace, `&&`, a smart quote): it says so, and
//! hands the grammar a mended text. Places are always told in the original.

use super::source::{FileId, Span};

/// One replacement; `end == start` for an insertion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// First replaced byte of the original.
    pub start: usize,
    /// One past the last replaced byte of the original.
    pub end: usize,
    /// What stands there instead.
    pub text: String,
}

/// A mended text.
#[derive(Debug, Clone)]
pub(crate) struct Patched {
    /// The mended text.
    pub text: String,
    /// Per edit, in order: start in the mended text, length there, start and length in the original.
    edits: Vec<(usize, usize, usize, usize)>,
    file: FileId,
    original_len: usize,
}

impl Patched {
    /// Applies edits; overlapping ones after the first are dropped.
    pub fn new(file: FileId, original: &str, mut edits: Vec<Edit>) -> Self {
        edits.sort_by_key(|e| e.start);
        let mut text = String::with_capacity(original.len() + edits.len());
        let mut map = Vec::with_capacity(edits.len());
        let mut at = 0;
        for e in edits {
            let Some(between) = original.get(at..e.start) else {
                continue;
            };
            text.push_str(between);
            map.push((text.len(), e.text.len(), e.start, e.end - e.start));
            text.push_str(&e.text);
            at = e.end;
        }
        text.push_str(original.get(at..).unwrap_or(""));
        Self { text, edits: map, file, original_len: original.len() }
    }

    /// The original place of an offset; inside a replacement: its start, or its end for `after`.
    fn original(&self, offset: usize, after: bool) -> usize {
        // the last edit that begins before the offset (an end at an edit's very start lies before that edit)
        let n = self.edits.partition_point(|e| if after { e.0 < offset } else { e.0 <= offset });
        let Some((at, len, from, removed)) = n.checked_sub(1).and_then(|n| self.edits.get(n)) else {
            return offset.min(self.original_len);
        };
        let place = if offset >= at + len {
            from + removed + (offset - at - len)
        } else if after {
            from + removed
        } else {
            *from
        };
        place.min(self.original_len)
    }

    /// The original place of a range of the mended text.
    pub fn span(&self, start: usize, end: usize) -> Span {
        let from = self.original(start, false);
        Span::new(self.file, from, self.original(end, true).max(from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(start: usize, end: usize, text: &str) -> Edit {
        Edit { start, end, text: text.to_owned() }
    }

    #[test]
    fn places_come_back() {
        let p = Patched::new(FileId(0), "a && b; (c", vec![edit(2, 4, "and"), edit(6, 7, ""), edit(10, 10, ")")]);
        assert_eq!(p.text, "a and b (c)");
        let span = |a, b| {
            let s = p.span(a, b);
            (s.start, s.end)
        };
        assert_eq!(span(0, 1), (0, 1));
        assert_eq!(span(2, 5), (2, 4));
        assert_eq!(span(6, 7), (5, 6));
        assert_eq!(span(8, 11), (8, 10));
        assert_eq!(span(9, 10), (9, 10));
        assert_eq!(span(11, 11), (10, 10));
    }
}
