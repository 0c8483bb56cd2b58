//! Which of the checks that a stopped runner has missed are asked for when it is back.

use crate::plan::{Millis, Time};

/// So many at most, the newest: a runner that was away for weeks has something better to do than to ask for each of them. It stands
/// here, for `run`, policy tests and replays alike.
pub const MOST: i64 = 2_000;

/// The first that is asked for, of those from `first` on, one each `every`, that are not later than `until`.
#[must_use]
pub fn first_asked(first: Time, until: Time, every: Millis) -> Time {
    let missed = missed(first, until, every);
    if missed > MOST { first + (missed - MOST) * every.max(1) } else { first }
}

/// How many were missed.
#[must_use]
pub fn missed(first: Time, until: Time, every: Millis) -> i64 {
    ((until - first).div_euclid(every.max(1)) + 1).max(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_asked_for() {
        assert_eq!((missed(10, 9, 5), missed(10, 10, 5), missed(10, 14, 5), missed(10, 15, 5)), (0, 1, 1, 2));
        assert_eq!(first_asked(10, 9, 5), 10);
        let last = 10 + (MOST - 1) * 5;
        assert_eq!((first_asked(10, last, 5), first_asked(10, last + 4, 5)), (10, 10));
        assert_eq!(first_asked(10, last + 5, 5), 15);
        assert_eq!(missed(first_asked(10, last + 5_000, 5), last + 5_000, 5), MOST);
    }
}
