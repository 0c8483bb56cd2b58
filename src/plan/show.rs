//! Numbers as the language writes them: `1%`, `350ms`, `1h30m`, `200/s`, `10MiB`; exactly where they were written, briefly where
//! they were measured.

use super::{Millis, Time, Unit};
use chrono::DateTime;

/// A value in base units, with its unit.
#[must_use]
pub fn value(v: f64, unit: Unit) -> String {
    match unit {
        Unit::Bool => String::from(if v == 0.0 { "off" } else { "on" }),
        Unit::Number | Unit::Count => number(v),
        Unit::Ratio => format!("{}%", number(v * 100.0)),
        Unit::Duration => seconds(v),
        Unit::Rate => format!("{}/s", number(v)),
        Unit::Bytes => bytes(v),
    }
}

/// The difference of two ratios in percentage points: `0.5pp`.
#[must_use]
pub fn points(v: f64) -> String {
    format!("{}pp", number(v * 100.0))
}

/// A bare number without needless digits (six decimals).
#[must_use]
pub fn number(v: f64) -> String {
    if !v.is_finite() {
        return format!("{v}");
    }
    let text = format!("{v:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    String::from(if text == "-0" { "0" } else { text })
}

/// A duration in milliseconds as a literal: `1h30m`, `1500ms`, `0s`.
#[must_use]
pub fn duration(ms: Millis) -> String {
    if ms == 0 {
        return String::from("0s");
    }
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    // a few seconds and a bit read better undivided: `1500ms`
    if ms < 10_000 && !ms.is_multiple_of(1000) {
        return format!("{sign}{ms}ms");
    }
    let mut rest = ms;
    let mut out = String::from(sign);
    for (name, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        let n = rest / size;
        if n > 0 {
            out.push_str(&format!("{n}{name}"));
            rest %= size;
        }
    }
    out
}

/// A duration to the second, from ten seconds on: how long ago something was, for people.
#[must_use]
pub fn roughly(ms: Millis) -> String {
    duration(if ms.unsigned_abs() < 10_000 { ms } else { ms.saturating_add(500).div_euclid(1000) * 1000 })
}

/// A point in time for people anywhere: `2026-11-21 09:20:05 UTC`.
#[must_use]
pub fn utc(at: Time) -> String {
    DateTime::from_timestamp_millis(at)
        .map_or_else(|| at.to_string(), |t| t.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

fn seconds(v: f64) -> String {
    let ms = v * 1000.0;
    // whole milliseconds are written as the language writes them, finer ones with decimals
    if ms.is_finite() && ms.abs() < 1e15 && (ms - ms.round()).abs() < 1e-6 {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by 1e15 just above")]
        return duration(ms.round() as Millis);
    }
    if v.abs() < 1.0 { format!("{}ms", number(ms)) } else { format!("{}s", number(v)) }
}

fn bytes(v: f64) -> String {
    for (name, size) in [("GiB", 1_073_741_824.0), ("MiB", 1_048_576.0), ("KiB", 1024.0)] {
        if v.abs() >= size {
            return format!("{}{name}", number(v / size));
        }
    }
    format!("{}B", number(v))
}

/// A measured value, with at most four significant digits: `99.61%`, `352.4ms`, `12.5/s`.
#[must_use]
pub fn brief(v: f64, unit: Unit) -> String {
    match unit {
        Unit::Bool => value(v, unit),
        Unit::Number | Unit::Count => digits(v),
        Unit::Ratio => format!("{}%", digits(v * 100.0)),
        Unit::Rate => format!("{}/s", digits(v)),
        Unit::Duration if v.abs() < 1.0 => format!("{}ms", digits(v * 1000.0)),
        Unit::Duration if v.abs() < 120.0 => format!("{}s", digits(v)),
        Unit::Duration => seconds(v.round()),
        Unit::Bytes => bytes(v.round()),
    }
}

/// A measured difference of two values, with its sign: ratios differ by percentage points.
#[must_use]
pub fn difference(v: f64, unit: Unit) -> String {
    let sign = if v >= 0.0 { "+" } else { "-" };
    match unit {
        Unit::Ratio => format!("{sign}{}pp", digits(v.abs() * 100.0)),
        other => format!("{sign}{}", brief(v.abs(), other)),
    }
}

fn digits(v: f64) -> String {
    if v == 0.0 {
        return String::from("0");
    }
    let decimals = match v.abs() {
        x if x >= 1000.0 => 0,
        x if x >= 100.0 => 1,
        x if x >= 10.0 => 2,
        x if x >= 0.1 => 3,
        _ => 5,
    };
    let s = format!("{v:.decimals$}");
    if !s.contains('.') {
        return s;
    }
    let s = s.trim_end_matches('0').trim_end_matches('.');
    String::from(if s == "-0" || s.is_empty() { "0" } else { s })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_they_are_written() {
        for (v, unit, want) in [
            (0.996, Unit::Ratio, "99.6%"),
            (0.0, Unit::Ratio, "0%"),
            (1.5, Unit::Duration, "1500ms"),
            (0.35, Unit::Duration, "350ms"),
            (5400.0, Unit::Duration, "1h30m"),
            (0.000_25, Unit::Duration, "0.25ms"),
            (200.0, Unit::Rate, "200/s"),
            (10.0 * 1024.0 * 1024.0, Unit::Bytes, "10MiB"),
            (3.0, Unit::Count, "3"),
            (1.0, Unit::Bool, "on"),
        ] {
            assert_eq!(value(v, unit), want);
        }
        assert_eq!(points(0.005), "0.5pp");
        assert!(roughly(Millis::MAX).ends_with("d7h12m55s"));
    }

    #[test]
    fn measured_values_are_brief() {
        for (v, unit, want) in [
            (0.0125, Unit::Ratio, "1.25%"),
            (0.996_123_45, Unit::Ratio, "99.61%"),
            (0.352_44, Unit::Duration, "352.4ms"),
            (2.5, Unit::Duration, "2.5s"),
            (5400.2, Unit::Duration, "1h30m"),
            (0.000_04, Unit::Ratio, "0.004%"),
            (123_456.7, Unit::Number, "123457"),
        ] {
            assert_eq!(brief(v, unit), want);
        }
        assert_eq!(difference(-0.005, Unit::Ratio), "-0.5pp");
        assert_eq!(difference(0.05, Unit::Duration), "+50ms");
    }
}
