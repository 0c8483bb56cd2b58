//! Faults as people write them: `slow=400ms at 50%, crash after 30s`.

use super::service::FaultChange;
use crate::backend::BackendError;
use std::time::Duration;

/// The longest latency, in milliseconds, as the service's `/fault` takes it.
const MAX_SLOW: Duration = Duration::from_secs(60);
/// What can be written, for messages.
const FORMS: &str = "`slow=400ms`, `errors=20%`, `crash`, `hang`, each alone, with `at 50%` (of traffic on the canary; of flags: `at 10%`, `at on`) or with `after 10s`";

/// Something that will go wrong with the canary.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fault {
    /// When.
    pub after: Trigger,
    /// What.
    pub what: FaultKind,
}

/// When a fault begins.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Trigger {
    /// With the lab.
    Start,
    /// So long after the lab's start.
    After(Duration),
    /// When the canary's share of traffic (0 to 1), or what flags expose, is first this or more. A flag that is on is 1.
    AtShare(f64),
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultKind {
    /// So much extra latency.
    Slow(Duration),
    /// This share of requests (0 to 1) is answered with 500.
    Errors(f64),
    /// The process is gone.
    Crash,
    /// The process accepts and never answers.
    Hang,
}

impl FaultKind {
    /// The change that `POST /fault` is sent.
    #[must_use]
    pub fn change(self) -> FaultChange {
        let mut change = FaultChange::default();
        match self {
            Self::Slow(by) => change.latency_ms = u64::try_from(by.as_millis()).ok(),
            Self::Errors(rate) => change.error_rate = Some(rate),
            Self::Crash => change.crash = Some(true),
            Self::Hang => change.hang = Some(true),
        }
        change
    }
}

impl Fault {
    /// Reads a list of faults separated by commas. The error quotes the part that is wrong and says what would be right.
    pub fn parse(spec: &str) -> Result<Vec<Self>, BackendError> {
        spec.split(',').map(|item| one(item.trim())).collect()
    }
}

impl std::str::FromStr for Fault {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self, BackendError> {
        one(text.trim())
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.what {
            FaultKind::Slow(by) => write!(f, "slow={by:?}")?,
            FaultKind::Errors(rate) => write!(f, "errors={}", percent(rate))?,
            FaultKind::Crash => f.write_str("crash")?,
            FaultKind::Hang => f.write_str("hang")?,
        }
        match self.after {
            Trigger::Start => Ok(()),
            Trigger::After(time) => write!(f, " after {time:?}"),
            Trigger::AtShare(share) => write!(f, " at {}", percent(share)),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{}%", (share * 1e8).round() / 1e6)
}

fn wrong(message: String, help: impl Into<String>) -> BackendError {
    BackendError::permanent(format!("fault: {message}")).help(help)
}

fn one(item: &str) -> Result<Fault, BackendError> {
    if item.is_empty() {
        return Err(wrong("nothing between two commas, or nothing at all".to_owned(), FORMS));
    }
    // `slow = 400ms` is what `slow=400ms` is.
    let spaced = item.replace('=', " = ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (what, rest) = match words.as_slice() {
        [name, "=", value, rest @ ..] => (kind(item, name, Some(value))?, rest),
        [name, "="] => (kind(item, name, None)?, &[][..]),
        [name, rest @ ..] => (kind(item, name, None)?, rest),
        [] => return Err(wrong(format!("nothing to do in `{item}`"), FORMS)),
    };
    let after = match rest {
        [] => Trigger::Start,
        ["at", "on"] => Trigger::AtShare(1.0),
        ["at", share] => Trigger::AtShare(ratio(share).map_err(|why| match duration(share) {
            Ok(_) => wrong(
                format!("`at` takes a share of traffic, not `{share}`, in `{item}`"),
                format!("for a time write `after {share}`"),
            ),
            Err(_) => wrong(format!("{why} after `at` in `{item}`"), "a share is written `50%`"),
        })?),
        ["after", time] => Trigger::After(duration(time).map_err(|why| match ratio(time) {
            Ok(_) => wrong(
                format!("`after` takes a time, not `{time}`, in `{item}`"),
                format!("for a share of traffic write `at {time}`"),
            ),
            Err(_) => wrong(format!("{why} after `after` in `{item}`"), "a time is written `10s`"),
        })?),
        [word @ ("at" | "after")] => {
            return Err(wrong(format!("nothing follows `{word}` in `{item}`"), "write `at 50%` or `after 10s`"));
        }
        [word, ..] => {
            let message = format!("`{}` is not understood in `{item}`", rest.join(" "));
            return Err(match nearest(word, &["at", "after"]) {
                Some(meant) if !["at", "after"].contains(word) => {
                    wrong(message, format!("did you mean `{meant}`? {FORMS}"))
                }
                _ => wrong(message, FORMS),
            });
        }
    };
    Ok(Fault { after, what })
}

fn kind(item: &str, name: &str, value: Option<&str>) -> Result<FaultKind, BackendError> {
    let bare = |kind| match value {
        None => Ok(kind),
        Some(value) => Err(wrong(
            format!("`{name}` takes no value, and `{item}` gives it `{value}`"),
            format!("write `{name}`, `{name} at 50%` or `{name} after 10s`"),
        )),
    };
    match name {
        "slow" => {
            let help = "write how much slower: `slow=400ms`";
            let value = value.ok_or_else(|| wrong(format!("`slow` needs a duration in `{item}`"), help))?;
            let by = duration(value).map_err(|why| wrong(format!("{why} in `{item}`"), help))?;
            if by > MAX_SLOW {
                let message = format!("`slow` is at most 60s, and `{item}` asks for `{value}`");
                return Err(wrong(message, "for a service that never answers write `hang`"));
            }
            Ok(FaultKind::Slow(by))
        }
        "errors" => {
            let help = "write the share of failing requests: `errors=20%`";
            let value = value.ok_or_else(|| wrong(format!("`errors` needs a share in `{item}`"), help))?;
            let rate = ratio(value).map_err(|why| wrong(format!("{why} in `{item}`"), help))?;
            Ok(FaultKind::Errors(rate))
        }
        "crash" => bare(FaultKind::Crash),
        "hang" => bare(FaultKind::Hang),
        _ => {
            let message = format!("unknown fault `{name}` in `{item}`");
            Err(match nearest(name, &["slow", "errors", "crash", "hang"]) {
                Some(meant) => wrong(message, format!("did you mean `{meant}`? {FORMS}")),
                None => wrong(message, FORMS),
            })
        }
    }
}

/// The known word that `word` was probably meant to be.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(3))
        .min()
        .map(|(_, candidate)| candidate)
}

/// `20%` as 0.2.
fn ratio(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').ok_or_else(|| format!("`{text}` is no share (`20%`)"))?;
    match decimal(number) {
        Some(percent) if percent <= 100.0 => Ok(percent / 100.0),
        Some(_) => Err(format!("`{text}` is above 100%")),
        None => Err(format!("`{text}` is no share (`20%`)")),
    }
}

/// `400ms`, `1.5s`, `2m`, `1h`, in whole milliseconds.
fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1.0), ("s", 1e3), ("m", 6e4), ("h", 3.6e6)];
    let parts = units.iter().find_map(|(unit, scale)| Some((decimal(text.strip_suffix(unit)?)?, scale)));
    match parts {
        Some((number, scale)) if number * scale <= 3.6e9 => Ok(Duration::from_millis((number * scale).round() as u64)),
        Some(_) => Err(format!("`{text}` is above 1000 hours")),
        None if decimal(text).is_some() => Err(format!("`{text}` has no unit (`{text}ms` or `{text}s`)")),
        None => Err(format!("`{text}` is no duration (`400ms`)")),
    }
}

/// A plain decimal number; not the signs, exponents, `inf` and `nan` that Rust's own parser takes.
fn decimal(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.') && text.starts_with(|c: char| c.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read_and_written_back() {
        let spec = "slow=400ms, slow = 1.5s at 50%, errors=20% after 10s, errors=0.5%, crash at 2.5%, hang after 2m, crash, crash at on";
        let faults = Fault::parse(spec).unwrap();
        let ms = Duration::from_millis;
        let expected = [
            (Trigger::Start, FaultKind::Slow(ms(400))),
            (Trigger::AtShare(0.5), FaultKind::Slow(ms(1500))),
            (Trigger::After(ms(10_000)), FaultKind::Errors(0.2)),
            (Trigger::Start, FaultKind::Errors(0.005)),
            (Trigger::AtShare(0.025), FaultKind::Crash),
            (Trigger::After(ms(120_000)), FaultKind::Hang),
            (Trigger::Start, FaultKind::Crash),
            (Trigger::AtShare(1.0), FaultKind::Crash),
        ]
        .map(|(after, what)| Fault { after, what });
        assert_eq!(faults, expected);
        for fault in faults {
            assert_eq!(fault.to_string().parse::<Fault>().unwrap(), fault, "{fault}");
        }
    }

    #[test]
    fn wrong_specs_say_what_is_wrong_and_what_would_be_right() {
        let cases = [
            ("slw=400ms", "unknown fault `slw`", "did you mean `slow`?"),
            ("error=20%", "unknown fault `error`", "did you mean `errors`?"),
            ("sloth", "unknown fault `sloth`", "did you mean `slow`?"),
            ("latency=1s", "unknown fault `latency`", "`slow=400ms`"),
            ("slow", "`slow` needs a duration", "`slow=400ms`"),
            ("slow=", "`slow` needs a duration", "`slow=400ms`"),
            ("slow=400", "`400` has no unit (`400ms` or `400s`)", "`slow=400ms`"),
            ("slow=-4ms", "`-4ms` is no duration", "`slow=400ms`"),
            ("slow=infs", "`infs` is no duration", "`slow=400ms`"),
            ("slow=2m", "`slow` is at most 60s", "`hang`"),
            ("slow=9999999h", "above 1000 hours", "`slow=400ms`"),
            ("errors=20", "`20` is no share", "`errors=20%`"),
            ("errors=120%", "`120%` is above 100%", "`errors=20%`"),
            ("crash=1s", "`crash` takes no value", "`crash after 10s`"),
            ("hang at 5s", "`at` takes a share of traffic, not `5s`", "`after 5s`"),
            ("hang after 50%", "`after` takes a time, not `50%`", "`at 50%`"),
            ("hang at", "nothing follows `at`", "`at 50%`"),
            ("hang at half", "`half` is no share", "`50%`"),
            ("hang aftr 5s", "`aftr 5s` is not understood", "did you mean `after`?"),
            ("hang at 5% at 6%", "`at 5% at 6%` is not understood", "`slow=400ms`"),
            ("crash,,hang", "nothing between two commas", "`crash`"),
            ("", "nothing between two commas, or nothing at all", "`crash`"),
            ("=5", "unknown fault `=`", "`crash`"),
        ];
        for (spec, message, help) in cases {
            let error = Fault::parse(spec).expect_err(spec);
            assert!(error.message.contains(message), "{spec}: {}", error.message);
            let given = error.help.unwrap_or_default();
            assert!(given.contains(help), "{spec}: {given}");
            assert!(!error.transient);
        }
    }
}
