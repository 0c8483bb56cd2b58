//! How numbers and durations are shown to people: with the unit they would be written with.

use super::{Millis, Unit};

/// A value in base units, with at most four significant digits: `1.25%`, `350ms`, `2.5s`, `12.5/s`, `10MiB`.
#[must_use]
pub fn value(v: f64, unit: Unit) -> String {
    match unit {
        Unit::Bool => String::from(if v == 0.0 { "off" } else { "on" }),
        Unit::Number | Unit::Count => digits(v),
        Unit::Ratio => format!("{}%", digits(v * 100.0)),
        Unit::Rate => format!("{}/s", digits(v)),
        Unit::Duration if v.abs() < 1.0 => format!("{}ms", digits(v * 1000.0)),
        Unit::Duration if v.abs() < 120.0 => format!("{}s", digits(v)),
        Unit::Duration =>
        {
            #[expect(clippy::cast_possible_truncation, reason = "shown to the second")]
            duration((v * 1000.0).round() as Millis)
        }
        Unit::Bytes => bytes(v),
    }
}

/// A difference of two values: ratios differ by percentage points.
#[must_use]
pub fn difference(v: f64, unit: Unit) -> String {
    let sign = if v >= 0.0 { "+" } else { "-" };
    match unit {
        Unit::Ratio => format!("{sign}{}pp", digits(v.abs() * 100.0)),
        other => format!("{sign}{}", value(v.abs(), other)),
    }
}

fn bytes(v: f64) -> String {
    let mut v = v;
    for unit in ["B", "KiB", "MiB", "GiB", "TiB"] {
        if v.abs() < 1024.0 || unit == "TiB" {
            return format!("{}{unit}", digits(v));
        }
        v /= 1024.0;
    }
    digits(v)
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

/// A duration as it would be written: `1h30m`, `90s` as `1m30s`, `1500ms` as `1s500ms`.
#[must_use]
pub fn duration(ms: Millis) -> String {
    if ms == 0 {
        return String::from("0s");
    }
    let mut rest = ms.unsigned_abs();
    let mut out = String::from(if ms < 0 { "-" } else { "" });
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
        if rest >= size {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_read_as_they_are_written() {
        for (v, unit, want) in [
            (0.0125, Unit::Ratio, "1.25%"),
            (0.99612345, Unit::Ratio, "99.61%"),
            (0.35, Unit::Duration, "350ms"),
            (2.5, Unit::Duration, "2.5s"),
            (5400.0, Unit::Duration, "1h30m"),
            (3.0, Unit::Count, "3"),
            (12.5, Unit::Rate, "12.5/s"),
            (10_485_760.0, Unit::Bytes, "10MiB"),
            (0.00004, Unit::Ratio, "0.004%"),
            (123_456.7, Unit::Number, "123457"),
        ] {
            assert_eq!(value(v, unit), want);
        }
        assert_eq!(difference(-0.005, Unit::Ratio), "-0.5pp");
        assert_eq!(difference(0.05, Unit::Duration), "+50ms");
    }

    #[test]
    fn durations_read_as_they_are_written() {
        for (ms, want) in [(0, "0s"), (90_000, "1m30s"), (5_400_000, "1h30m"), (1500, "1s500ms"), (86_400_000, "1d")] {
            assert_eq!(duration(ms), want);
        }
    }
}
