//! The wall clock, in the plan's unit.

use crate::plan::{Millis, Time};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Now, in milliseconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Time::try_from(since.as_millis()).unwrap_or(Time::MAX)
}

/// Milliseconds as a [`Duration`]; negative ones are zero.
#[must_use]
pub fn duration(ms: Millis) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}

/// The planned time of the next check: the newest multiple of `every` since `started` that is not in the future, or the first
/// one after `last`. A runner that was late skips what it missed; the engine sees the gap.
#[must_use]
pub fn next_check(started: Time, every: Millis, last: Time, now: Time) -> Time {
    let every = every.max(1);
    let newest = started + (now - started).div_euclid(every) * every;
    let after_last = started + ((last - started).div_euclid(every) + 1) * every;
    newest.max(after_last)
}

#[cfg(test)]
mod tests {
    use super::next_check;

    #[test]
    fn checks_keep_to_their_grid() {
        assert_eq!(next_check(1000, 100, 1000, 1010), 1100);
        assert_eq!(next_check(1000, 100, 1100, 1100), 1200);
        // late by two and a half intervals: the two missed ones stay missed
        assert_eq!(next_check(1000, 100, 1100, 1450), 1400);
        // the clock was set back: wait for the next planned one
        assert_eq!(next_check(1000, 100, 1500, 1200), 1600);
    }
}
