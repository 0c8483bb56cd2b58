//! Numbers as the language writes them: `1%`, `350ms`, `1h30m`, `200/s`, `10MiB`.

use super::{Millis, Unit};

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
    for (name, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ] {
        let n = rest / size;
        if n > 0 {
            out.push_str(&format!("{n}{name}"));
            rest %= size;
        }
    }
    out
}

fn seconds(v: f64) -> String {
    let ms = v * 1000.0;
    // whole milliseconds are written as the language writes them, finer ones with decimals
    if ms.is_finite() && ms.abs() < 1e15 && (ms - ms.round()).abs() < 1e-6 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "bounded by 1e15 just above"
        )]
        return duration(ms.round() as Millis);
    }
    if v.abs() < 1.0 {
        format!("{}ms", number(ms))
    } else {
        format!("{}s", number(v))
    }
}

fn bytes(v: f64) -> String {
    for (name, size) in [
        ("GiB", 1024.0_f64.powi(3)),
        ("MiB", 1024.0_f64.powi(2)),
        ("KiB", 1024.0),
    ] {
        if v.abs() >= size {
            return format!("{}{name}", number(v / size));
        }
    }
    format!("{}B", number(v))
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
    }
}
