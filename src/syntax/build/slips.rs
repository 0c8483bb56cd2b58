//! Tokens that were meant as literals: what is wrong with each, and the token that was meant.

use super::literal::DURATION_UNITS;

/// A slip: message, label, and either what to write or what to know.
pub(crate) struct Slip {
    pub message: String,
    pub label: String,
    pub help: Option<String>,
    pub fix: Option<String>,
}

fn slip(message: impl Into<String>, label: impl Into<String>) -> Slip {
    Slip { message: message.into(), label: label.into(), help: None, fix: None }
}

impl Slip {
    fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Number and unit of each part of `1h30m`.
pub(crate) fn parts(text: &str) -> Vec<(&str, &str)> {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        out.push((number, unit));
        rest = tail;
    }
    out
}

/// The unit of the language that a foreign word means.
fn unit(word: &str) -> Option<&'static str> {
    Some(match word {
        "milliseconds" | "millisecond" | "millis" | "msec" | "msecs" => "ms",
        "seconds" | "second" | "secs" | "sec" | "S" => "s",
        "minutes" | "minute" | "mins" | "min" => "m",
        "hours" | "hour" | "hrs" | "hr" | "H" => "h",
        "days" | "day" | "D" => "d",
        "weeks" | "week" | "W" => "w",
        "percent" | "pct" => "%",
        "points" | "PP" => "pp",
        "KB" | "kb" | "K" | "k" => "kB",
        "mb" | "Mb" => "MB",
        "gb" | "Gb" | "G" => "GB",
        "kib" | "Ki" | "KIB" => "KiB",
        "mib" | "Mi" | "MIB" => "MiB",
        "gib" | "Gi" | "GIB" => "GiB",
        "b" | "bytes" | "byte" => "B",
        "%" => "%",
        "ms" => "ms",
        "s" => "s",
        "m" => "m",
        "h" => "h",
        "d" => "d",
        "w" => "w",
        "pp" => "pp",
        "B" => "B",
        "KiB" => "KiB",
        "MiB" => "MiB",
        "GiB" => "GiB",
        "kB" => "kB",
        "MB" => "MB",
        "GB" => "GB",
        _ => return None,
    })
}

const UNITS: &str = "durations: `ms s m h d w`; shares: `%`, `pp`; rates: `/s /m /h`; sizes: `B kB MB GB KiB MiB GiB`";

/// What is wrong with a token that begins like a number.
pub(crate) fn explain(text: &str) -> Slip {
    let mut chars = text.chars();
    if chars.next() == Some('.') {
        return slip("a number begins with a digit", "digit missing before the point").fix(format!("0{text}"));
    }
    if is_date(text) {
        return date(text);
    }
    if let Some((n, per)) = text.split_once('/') {
        let fix = match unit(per) {
            Some(u @ ("s" | "m" | "h")) => Some(format!("{n}/{u}")),
            _ => None,
        };
        let s = slip(format!("`/{per}` is no unit of a rate"), "unknown unit")
            .help("a rate is counted per second, minute or hour: `200/s`, `12000/m`, `720000/h`");
        return match fix {
            Some(f) => s.help(format!("write `{f}`")).fix(f),
            None => s,
        };
    }
    let number_end = text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
    let (number, tail) = text.split_at(number_end);
    let word = tail.trim_start();
    if word.len() != tail.len() {
        return spaced(number, word);
    }
    if tail.is_empty() {
        return digits(number);
    }
    if number.ends_with('.') || number.matches('.').count() > 1 {
        return digits(number);
    }
    if matches!(word, "mo" | "month" | "months" | "M") {
        return month(number);
    }
    if matches!(word, "y" | "yr" | "year" | "years" | "Y") {
        return slip("a year has no fixed length", "not a duration").help("count in days: `365d`, or in weeks: `52w`");
    }
    if word.starts_with(['e', 'E']) && exponent(word) {
        return scientific(text);
    }
    let parts = parts(text);
    let (number, word) =
        parts.iter().find(|(_, u)| !DURATION_UNITS.iter().any(|d| d.0 == *u)).map_or((number, word), |(n, u)| (*n, *u));
    if let Some(fix) = mended(text) {
        return slip(format!("`{word}` is no unit"), "unknown unit").fix(fix);
    }
    let near = near_unit(word);
    let s = slip(format!("`{word}` is no unit"), "unknown unit");
    match near {
        Some(u) => s.help(format!("did you mean `{number}{u}`? {UNITS}")),
        None => s.help(UNITS),
    }
}

/// The whole token with every foreign unit replaced, if that makes a literal.
fn mended(text: &str) -> Option<String> {
    let parts = parts(text);
    let mut out = String::new();
    for (n, u) in &parts {
        if n.is_empty() || n.ends_with('.') {
            return None;
        }
        out.push_str(n);
        out.push_str(unit(u)?);
    }
    let durations = parts.iter().all(|(_, u)| unit(u).is_some_and(|u| DURATION_UNITS.iter().any(|d| d.0 == u)));
    (out != text && (parts.len() == 1 || durations)).then_some(out)
}

fn near_unit(word: &str) -> Option<&'static str> {
    let lower = word.to_ascii_lowercase();
    unit(&lower).filter(|u| *u != word)
}

fn exponent(word: &str) -> bool {
    let digits = word.get(1..).unwrap_or("");
    !digits.is_empty() && digits.chars().all(|c| c.is_ascii_digit())
}

fn scientific(text: &str) -> Slip {
    let s = slip("numbers are written without an exponent", "scientific notation");
    match text.parse::<f64>() {
        Ok(v) if v.is_finite() && v.abs() < 1e15 => s.fix(format!("{v}")),
        _ => s.help("write the number with all its digits; `_` may group them: `1_000_000`"),
    }
}

fn digits(number: &str) -> Slip {
    if number.matches('.').count() > 1 {
        return slip("a number has one decimal point", "several points")
            .help("a version belongs in quotes: `\"1.2.3\"`");
    }
    if let Some(n) = number.strip_suffix('.') {
        return slip("a number does not end with its decimal point", "digit missing behind the point")
            .fix(n.to_owned());
    }
    let fix: String = number.chars().filter(|c| *c != '_').collect();
    slip("`_` stands between two digits", "misplaced `_`").fix(fix)
}

fn spaced(number: &str, word: &str) -> Slip {
    if matches!(word, "mo" | "month" | "months") {
        return month(number);
    }
    match unit(word) {
        Some(u) => slip("a unit touches its number", "blank before the unit").fix(format!("{number}{u}")),
        None => slip(format!("`{word}` is no unit"), "unknown unit").help(UNITS),
    }
}

fn month(number: &str) -> Slip {
    let s = slip("a month has no fixed length", "not a duration");
    match number.parse::<u32>() {
        Ok(n) if n > 0 && n < 1200 => s.help(format!("count in days or weeks: `{}d`, `{}w`", n * 30, n * 4)),
        _ => s.help("count in days or weeks: `30d`, `4w`"),
    }
}

fn is_date(text: &str) -> bool {
    let head: String = text.chars().take(5).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    head == "0000-"
}

fn date(text: &str) -> Slip {
    let (day, clock) = text.split_once(['T', 't', '_']).unwrap_or((text, ""));
    let fields: Vec<&str> = day.split('-').collect();
    let [y, m, d] = fields.as_slice() else {
        return slip("this is no point in time", "not a time").help("a time is written `2026-12-20T09:00Z`");
    };
    let padded = format!("{y}-{m:0>2}-{d:0>2}");
    if clock.is_empty() {
        return slip("a time needs the hour and the zone", "only a date")
            .help(format!("write `{padded}T00:00Z` for the day's start in UTC"))
            .fix(format!("{padded}T00:00Z"));
    }
    let zoned = clock.ends_with('Z') || clock.contains('+') || clock.contains('-');
    if !zoned {
        return slip("a time needs its zone", "zone missing")
            .help("`Z` for UTC, or an offset: `2026-12-20T09:00Z`, `2026-12-20T09:00+01:00`");
    }
    if padded != day {
        return slip("a date has two digits for month and day", "digit missing").fix(format!("{padded}T{clock}"));
    }
    slip("this is no point in time", "not a time")
        .help("a time is written `2026-12-20T09:00Z` or `2026-12-20T09:00:30+01:00`")
}

/// A well-formed date that no calendar has.
pub(crate) fn no_such_time(text: &str) -> Slip {
    slip(format!("there is no `{text}`"), "no such date or hour")
        .help("months have 28 to 31 days, days 24 hours; offsets reach to ±14:00")
}

/// `30m1h`, `1h1h`
pub(crate) fn unordered(text: &str, parts: &[(&str, &str)]) -> Slip {
    let rank = |u: &str| DURATION_UNITS.iter().position(|d| d.0 == u);
    let mut sorted = parts.to_vec();
    sorted.sort_by_key(|p| rank(p.1));
    let repeated = sorted.iter().zip(sorted.iter().skip(1)).any(|(a, b)| a.1 == b.1);
    if repeated {
        return slip(format!("`{text}` names a unit twice"), "each unit once").help("add the parts up, as in `1h30m`");
    }
    let fix: String = sorted.iter().map(|(n, u)| format!("{n}{u}")).collect();
    slip("a duration names its long units first", "units in another order").fix(fix)
}

/// `0.3ms`
pub(crate) fn too_fine(text: &str) -> Slip {
    slip(format!("`{text}` is no whole number of milliseconds"), "too fine").help("the shortest duration is `1ms`")
}

/// A duration of more than a century.
pub(crate) fn too_long(text: &str) -> Slip {
    slip(format!("`{text}` is longer than a hundred years"), "too long").help("the longest duration is a century")
}
