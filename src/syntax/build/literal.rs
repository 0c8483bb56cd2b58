//! Literals and their slips.

use super::slips;
use super::{Builder, P};
use crate::syntax::ast::Literal;
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::grammar::Rule;
use crate::syntax::source::Span;
use chrono::{NaiveDate, TimeDelta};

/// Duration units from long to short, with their milliseconds.
pub(crate) const DURATION_UNITS: &[(&str, i128)] =
    &[("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Builder<'_> {
    /// The value of a literal; nothing (and a diagnostic) where the token is a slip.
    pub fn literal(&mut self, p: &P<'_>) -> Option<Literal> {
        let text = p.as_str();
        let span = self.span(p);
        match p.as_rule() {
            Rule::bool => Some(Literal::Bool(matches!(text, "true" | "on"))),
            Rule::number => self.decimal(text, "", span).map(Literal::Number),
            Rule::ratio => self.decimal(text.strip_suffix('%')?, "e-2", span).map(Literal::Ratio),
            Rule::points => self.decimal(text.strip_suffix("pp")?, "e-2", span).map(Literal::Points),
            Rule::rate => {
                let (n, unit) = text.split_once('/')?;
                let n = self.decimal(n, "", span)?;
                Some(Literal::Rate(match unit {
                    "m" => n / 60.0,
                    "h" => n / 3600.0,
                    _ => n,
                }))
            }
            Rule::bytes => {
                let at = text.find(|c: char| c.is_ascii_alphabetic())?;
                let (n, unit) = text.split_at(at);
                let factor = match unit {
                    "KiB" => 1024.0,
                    "MiB" => 1_048_576.0,
                    "GiB" => 1_073_741_824.0,
                    "kB" => 1e3,
                    "MB" => 1e6,
                    "GB" => 1e9,
                    _ => 1.0,
                };
                self.decimal(n, "", span).map(|n| Literal::Bytes(n * factor))
            }
            Rule::duration => self.told(duration(text), text, span).map(Literal::Duration),
            Rule::time => self.told(time(text), text, span).map(Literal::Time),
            _ => {
                let slip = slips::explain(text);
                self.slip(slip, text, span);
                None
            }
        }
    }

    /// A decimal number; `exponent` is put behind its digits so that `99.6%` is the number nearest to 0.996.
    fn decimal(&mut self, digits: &str, exponent: &str, span: Span) -> Option<f64> {
        let plain: String = digits.chars().filter(|c| *c != '_').collect();
        let value = format!("{plain}{exponent}").parse::<f64>().ok();
        let finite = value.filter(|v| v.is_finite());
        if finite.is_none() {
            self.report(
                Diagnostic::error(codes::LITERAL, "this number is too large", span, "beyond 1.8e308")
                    .help("write a number that a 64-bit float can hold"),
            );
        }
        finite
    }

    fn told<T>(&mut self, value: Result<T, slips::Slip>, text: &str, span: Span) -> Option<T> {
        match value {
            Ok(v) => Some(v),
            Err(slip) => {
                self.slip(slip, text, span);
                None
            }
        }
    }

    fn slip(&mut self, slip: slips::Slip, text: &str, span: Span) {
        let mut d = Diagnostic::error(codes::LITERAL, slip.message, span, slip.label);
        d.help = Some(match (&slip.help, &slip.fix) {
            (Some(h), _) => h.clone(),
            (None, Some(f)) => format!("write `{f}`"),
            (None, None) => format!("`{text}` is no literal of the language"),
        });
        if let Some(fix) = slip.fix {
            d = d.fix(span, fix);
        }
        self.report(d);
    }
}

/// Milliseconds of `1h30m`: units descending, each once, the sum whole.
fn duration(text: &str) -> Result<i64, slips::Slip> {
    let parts = slips::parts(text);
    let mut total: i128 = 0;
    let mut last = 0;
    for (i, (digits, unit)) in parts.iter().enumerate() {
        let Some(rank) = DURATION_UNITS.iter().position(|u| u.0 == *unit) else {
            return Err(slips::explain(text));
        };
        if i > 0 && rank <= last {
            return Err(slips::unordered(text, &parts));
        }
        last = rank;
        let factor = DURATION_UNITS.get(rank).map_or(1, |u| u.1);
        let Some(ms) = scaled(digits, factor) else {
            return Err(slips::too_fine(text));
        };
        total = total.saturating_add(ms);
    }
    // a hundred years: beyond it a clock's arithmetic could overflow, and nobody waits that long
    if total > 100 * 366 * 86_400_000 {
        return Err(slips::too_long(text));
    }
    i64::try_from(total).map_err(|_| slips::too_long(text))
}

/// `digits × factor` if that is whole; saturates far beyond the longest duration.
fn scaled(digits: &str, factor: i128) -> Option<i128> {
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let whole: i128 = if whole.len() > 24 { i128::MAX / 1_000_000_000_000 } else { whole.parse().ok()? };
    let fraction = fraction.trim_end_matches('0');
    if fraction.len() > 12 {
        return None;
    }
    let scale = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part: i128 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    let part = part.checked_mul(factor)?;
    (part % scale == 0).then(|| whole.saturating_mul(factor).saturating_add(part / scale))
}

/// Milliseconds since 1970 of `2026-12-20T09:00Z`, `…T09:00:30+02:00`.
fn time(text: &str) -> Result<i64, slips::Slip> {
    let field = |from: usize, to: usize| text.get(from..to).and_then(|s| s.parse::<u32>().ok());
    let wrong = || slips::no_such_time(text);
    let year = text.get(..4).and_then(|s| s.parse::<i32>().ok()).ok_or_else(wrong)?;
    let (month, day) = field(5, 7).zip(field(8, 10)).ok_or_else(wrong)?;
    let (hour, minute) = field(11, 13).zip(field(14, 16)).ok_or_else(wrong)?;
    let rest = text.get(16..).unwrap_or("");
    let (second, zone) = match rest.strip_prefix(':') {
        Some(r) => (r.get(..2).and_then(|s| s.parse().ok()).ok_or_else(wrong)?, r.get(2..).unwrap_or("")),
        None => (0, rest),
    };
    let offset = match zone.chars().next() {
        Some(sign @ ('+' | '-')) => {
            let part = |from, to| zone.get(from..to).and_then(|s: &str| s.parse::<i64>().ok());
            let (h, m) = part(1, 3).zip(part(4, 6)).ok_or_else(wrong)?;
            if h > 14 || m > 59 {
                return Err(wrong());
            }
            let minutes = h * 60 + m;
            if sign == '-' { -minutes } else { minutes }
        }
        _ => 0,
    };
    let local = NaiveDate::from_ymd_opt(year, month, day)
        .and_then(|d| d.and_hms_opt(hour, minute, second))
        .ok_or_else(wrong)?;
    let utc = local.checked_sub_signed(TimeDelta::minutes(offset)).ok_or_else(wrong)?;
    Ok(utc.and_utc().timestamp_millis())
}
