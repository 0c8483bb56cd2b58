//! Times as people write them.

use super::inject::duration;
use crate::plan::{Millis, Time};
use crate::sim::recording::Recording;
use chrono::{DateTime, NaiveDateTime};

/// `2026-11-21T10:00Z`, `2026-11-21T10:00:30+01:00`, `2026-11-21 10:00:30` (UTC, as it is printed).
///
/// # Errors
/// What was expected instead.
pub fn time(text: &str) -> Result<Time, String> {
    let text = text.trim();
    if let Ok(t) = DateTime::parse_from_rfc3339(text) {
        return Ok(t.timestamp_millis());
    }
    for form in ["%Y-%m-%dT%H:%M%#z", "%Y-%m-%dT%H:%M%:z"] {
        // `Z` is a zone of its own
        let whole = text.strip_suffix('Z').map_or_else(|| text.to_owned(), |t| format!("{t}+00:00"));
        if let Ok(t) = DateTime::parse_from_str(&whole, form) {
            return Ok(t.timestamp_millis());
        }
    }
    let bare = text.strip_suffix(" UTC").unwrap_or(text);
    for form in ["%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"] {
        if let Ok(t) = NaiveDateTime::parse_from_str(bare, form) {
            return Ok(t.and_utc().timestamp_millis());
        }
    }
    Err(format!("`{text}` is no time, such as `2026-11-21T10:00Z`"))
}

/// A time, or how long behind the recording's beginning.
///
/// # Errors
/// What was expected instead.
pub fn start(text: &str, recording: &Recording) -> Result<Time, String> {
    if let Ok(since) = duration(text.trim().trim_start_matches('+')) {
        return Ok(recording.about.from.saturating_add(since));
    }
    time(text).map_err(|e| format!("{e}, and no time since the recording's beginning, such as `2h`"))
}

/// `every 1h`
///
/// # Errors
/// What was expected instead.
pub fn every(text: &str) -> Result<Millis, String> {
    let text = text.trim();
    let length = duration(text.strip_prefix("every").unwrap_or(text))?;
    if length > 0 { Ok(length) } else { Err(format!("`{text}`: a distance above 0 is wanted, such as `every 1h`")) }
}

/// `FROM..TO`
///
/// # Errors
/// What was expected instead.
pub fn stretch(text: &str, recording: &Recording) -> Result<(Time, Time), String> {
    let wanted = || format!("`{text}` is no stretch, such as `2026-11-21T10:00Z..2026-11-21T18:00Z` or `0s..8h`");
    let (from, to) = text.split_once("..").ok_or_else(wanted)?;
    let (from, to) = (start(from, recording)?, start(to, recording)?);
    if from < to { Ok((from, to)) } else { Err(format!("`{text}` ends before it begins")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_is_written() {
        for text in [
            "2026-11-21T10:00Z",
            "2026-11-21T10:00:00Z",
            "2026-11-21T11:00+01:00",
            "2026-11-21 10:00:00 UTC",
            "2026-11-21 10:00",
        ] {
            assert_eq!(time(text), Ok(1_795_255_200_000), "{text}");
        }
        assert!(time("yesterday").is_err() && time("2026-13-21T10:00Z").is_err());
        assert_eq!(every("every 1h"), Ok(3_600_000));
        assert!(every("every 0s").is_err() && every("hourly").is_err());
    }
}
