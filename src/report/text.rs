//! Small pieces of text that several reports share.

use crate::engine::GuardReport;
use crate::engine::state::GuardReading;
use crate::plan::{Setting, Time, Tolerance, Unit, groups, show};
use chrono::{Local, SecondsFormat, TimeZone, Utc};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// `15:04:05` on this machine's clock.
#[must_use]
pub fn clock(at: Time) -> String {
    Local.timestamp_millis_opt(at).single().map_or_else(|| at.to_string(), |t| t.format("%H:%M:%S").to_string())
}

/// `2026-11-21 15:04:05` on this machine's clock.
#[must_use]
pub fn date_time(at: Time) -> String {
    Local
        .timestamp_millis_opt(at)
        .single()
        .map_or_else(|| at.to_string(), |t| t.format("%Y-%m-%d %H:%M:%S").to_string())
}

/// RFC 3339 in UTC, to the millisecond: for machines.
#[must_use]
pub fn rfc3339(at: Time) -> String {
    Utc.timestamp_millis_opt(at)
        .single()
        .map_or_else(|| at.to_string(), |t| t.to_rfc3339_opts(SecondsFormat::Millis, true))
}

/// `checkout = 50%, cache = on`, `m4 (2 flags) = on`
#[must_use]
pub fn settings(list: &[(String, Setting)]) -> String {
    if list.is_empty() {
        return String::from("nothing");
    }
    groups::together(list).iter().map(|(p, s)| format!("{p} = {s}")).collect::<Vec<_>>().join(", ")
}

/// A tolerance as it is written: `5m`, `2 checks`; nothing for none.
#[must_use]
pub fn tolerance(t: Tolerance) -> Option<String> {
    match t {
        Tolerance::For(0) => None,
        Tolerance::For(d) => Some(show::duration(d)),
        Tolerance::Checks(n) => Some(format!("{n} checks")),
    }
}

/// How much of a guard's tolerance is used up: `3s of 5s`.
#[must_use]
pub fn used(g: &GuardReport) -> Option<String> {
    match g.tolerate {
        Tolerance::For(0) => None,
        Tolerance::For(d) => Some(format!("{} of {}", show::duration(g.reading.used), show::duration(d))),
        Tolerance::Checks(n) => Some(format!("{} of {n} checks", g.reading.used)),
    }
}

/// `value 0.2%, limit 1%, margin +0.8pp, 812 events`
#[must_use]
pub fn reading(g: &GuardReport) -> String {
    sides(&g.reading, g.unit)
}

/// The same of any comparison.
#[must_use]
pub fn sides(r: &GuardReading, unit: Unit) -> String {
    let mut parts = Vec::new();
    match r.value {
        Some(v) => parts.push(format!("value {}", show::brief(v, unit))),
        None => parts.push(String::from("no value")),
    }
    if let Some(l) = r.limit {
        parts.push(format!("limit {}", show::brief(l, unit)));
    }
    if let Some(m) = r.margin {
        parts.push(format!("margin {}", show::difference(m, unit)));
    }
    if let Some(n) = r.events {
        parts.push(format!("{n:.0} events"));
    }
    if let Some(a) = r.age {
        parts.push(format!("sampled {} ago", show::duration(a)));
    }
    parts.join(", ")
}

/// Cuts text to a width in columns, with an ellipsis.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        out.push(c);
        used += w;
    }
    out.push('…');
    out
}

/// Pads text with blanks to a width in columns.
#[must_use]
pub fn pad(text: &str, width: usize) -> String {
    let mut out = text.to_owned();
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(text.width())));
    out
}

/// A control character could move the cursor or hide text: each becomes `�`, newlines stay.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_by_columns_not_bytes() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(pad("日", 4), "日  ");
    }

    #[test]
    fn output_of_actions_cannot_move_the_cursor() {
        assert_eq!(printable("a\x1b[2Jb\n"), "a\u{fffd}[2Jb\n");
    }
}
