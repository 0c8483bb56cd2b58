//! Columns of characters: exposure as blocks, values against their limit as blocks, words as letters.

use crate::engine::Word;
use crate::plan::{Setting, Time};
use crate::report::chart::at;
use crate::report::chart::columns::known;
use crate::report::chart::numbers::{Scale, bad};
use crate::report::chart::time::Span;
use crate::report::chart::words::of_word;
use crate::report::style::Style;
use crate::sim::replay::outcome::GuardTrack;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The block of a share; whatever is above nothing is seen.
fn block(share: f64) -> char {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
    let i = (share.clamp(0.0, 1.0) * 7.0).round() as usize;
    BLOCKS.get(i).copied().unwrap_or('█')
}

/// The moment at which a column ends.
#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a place in a picture")]
fn end(span: Span, column: usize, columns: usize) -> Time {
    span.from.saturating_add((span.length() as f64 * (column + 1) as f64 / columns as f64) as i64 - 1)
}

/// A port's settings: in each column the most, so that a short exposure is seen. A blank where nothing is known, `_` for nothing.
#[must_use]
pub fn settings(changes: &[(Time, Setting)], span: Span, columns: usize, top: f64) -> String {
    let mut from = 0;
    let mut held: Option<f64> = None;
    (0..columns)
        .map(|c| {
            let to = changes.partition_point(|(t, _)| *t <= end(span, c, columns));
            let here = changes.get(from..to).unwrap_or_default();
            // what held when the column began counts too, unless it was changed in its first moment
            let began = here.first().is_some_and(|(t, _)| span.column(*t, columns) == c && c == 0);
            let before = held.filter(|_| !began);
            let most = here.iter().map(|(_, s)| s.size()).chain(before).reduce(f64::max);
            held = here.last().map(|(_, s)| s.size()).or(held);
            from = to;
            match most {
                None => ' ',
                Some(v) if v <= 0.0 => '_',
                Some(v) => block(v / top),
            }
        })
        .collect()
}

/// A guard's value against its limit, in each column at its worst: of a limit from above `▇` and `█` lie beyond it, of one from below
/// `▁`; `·` is unknown, a blank before it watches.
#[must_use]
pub fn values(guard: &GuardTrack, span: Span, columns: usize) -> String {
    let scale = Scale::of(guard);
    let mut worst: Vec<Option<(f64, char)>> = vec![None; columns];
    for p in &guard.points {
        let c = span.column(p.at, columns);
        let (badness, shown) = match (known(p.value), known(p.limit)) {
            (Some(v), Some(l)) => (if guard.below { v - l } else { l - v }, against(guard, scale, v, l)),
            (Some(v), None) => (f64::MIN, block(scale.share(v))),
            (None, _) => (f64::NEG_INFINITY, '·'),
        };
        if let Some(there) = worst.get_mut(c)
            && there.is_none_or(|(b, _)| badness > b)
        {
            *there = Some((badness, shown));
        }
    }
    // a column between two checks shows the one before
    let mut last = ' ';
    let mut out = String::new();
    for (c, w) in worst.iter().enumerate() {
        let over = guard.points.last().is_none_or(|p| span.column(p.at, columns) < c);
        last = w.map_or(if over { ' ' } else { last }, |(_, shown)| shown);
        out.push(last);
    }
    out
}

fn against(guard: &GuardTrack, scale: Scale, v: f64, l: f64) -> char {
    let within =
        |share: f64, lowest: f64, highest: f64| block((lowest + share.clamp(0.0, 1.0) * (highest - lowest)) / 7.0);
    let part = |a: f64, b: f64| if b.abs() > 0.0 && (a / b).is_finite() { a / b } else { 0.0 };
    match (guard.below, bad(guard, v, l)) {
        (true, false) => within(part(v - scale.lo, l - scale.lo), 0.0, 5.0),
        (true, true) => within(part(v - l, l - scale.lo), 6.0, 7.0),
        (false, false) => within(part(v - l, scale.hi - l), 1.0, 7.0),
        (false, true) => BLOCKS.first().copied().unwrap_or(' '),
    }
}

/// Paints a row by the words of its columns, a colour code a stretch.
#[must_use]
pub fn painted(row: &str, words: &[Option<Option<Word>>], style: Style) -> String {
    let mut out = String::new();
    let mut open: Option<(Option<Option<Word>>, String)> = None;
    let flush = |open: Option<(Option<Option<Word>>, String)>, out: &mut String| match open {
        Some((Some(Some(word)), text)) => out.push_str(&style.word(word, &text)),
        Some((_, text)) => out.push_str(&text),
        None => {}
    };
    for (c, word) in row.chars().zip(words.iter().copied().chain(std::iter::repeat(None))) {
        match &mut open {
            Some((w, text)) if *w == word => text.push(c),
            _ => flush(open.replace((word, c.to_string())), &mut out),
        }
    }
    flush(open, &mut out);
    out
}

/// Words as letters.
#[must_use]
pub fn letters(words: &[Option<Option<Word>>]) -> String {
    words.iter().map(|w| w.map_or(' ', |w| of_word(w).letter)).collect()
}

/// What a port was last asked to be and read as.
#[must_use]
pub fn last(changes: &[(Time, Setting)], span: Span) -> String {
    at::last(changes, span.to).map_or_else(|| String::from("–"), |s| s.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::replay::outcome::Point;

    const SPAN: Span = Span { from: 0, to: 100 };

    #[test]
    fn a_short_exposure_is_seen() {
        let changes = [(0, Setting::Share(0.0)), (41, Setting::Share(0.5)), (42, Setting::Share(0.0))];
        assert_eq!(settings(&changes, SPAN, 10, 1.0), "____▅_____");
        assert_eq!(settings(&[(50, Setting::Share(1.0))], SPAN, 10, 1.0), "     █████");
        assert_eq!(settings(&[(0, Setting::Share(0.001))], SPAN, 4, 1.0), "▁▁▁▁");
    }

    #[test]
    fn the_limit_can_be_told_from_the_height() {
        let track = |below, values: &[f64]| GuardTrack {
            name: String::new(),
            condition: String::new(),
            unit: String::from("ratio"),
            words: Vec::new(),
            points: (0..)
                .zip(values)
                .map(|(i, v)| Point { at: i * 10, value: Some(*v).filter(|v| *v >= 0.0), limit: Some(0.5) })
                .collect(),
            below,
        };
        assert_eq!(values(&track(true, &[0.0, 0.25, 0.5, 0.51, 0.9, -1.0, 0.1]), SPAN, 10), "▁▄▆▇█·▂   ");
        assert_eq!(values(&track(false, &[0.9, 0.5, 0.49, 0.0]), SPAN, 10), "█▂▁▁      ");
        // of several checks in a column the worst one
        assert_eq!(values(&track(true, &[0.0, 0.6, 0.0, -1.0]), SPAN, 2).chars().next(), Some('▇'));
    }
}
