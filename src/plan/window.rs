//! Civil time: working hours, freezes. A window is judged by the wall clock of its zone, point by point, which decides what clock
//! changes do to it: an hour that is skipped is never met, so that a window which would begin in it begins with the next instant;
//! an hour that is repeated is met twice, and both passes are inside.

use super::Time;
use chrono::{DateTime, Datelike, TimeZone, Timelike, Weekday};
use serde::{Deserialize, Serialize};

/// Minutes of a day.
pub const DAY: u16 = 24 * 60;

/// `window n = mon..fri 09:00..17:00 zone "Europe/Berlin"`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CivilWindow {
    /// Its name.
    pub name: String,
    /// Days of the week on which it begins, 0 is Monday, sorted.
    pub days: Vec<u8>,
    /// From which minute after midnight until before which; an end that is not after its beginning lies on the next day.
    pub hours: Vec<(u16, u16)>,
    /// A name of the IANA time zone database.
    pub zone: String,
}

/// Whether a name is in the time zone database that is built in.
#[must_use]
pub fn is_zone(name: &str) -> bool {
    name.parse::<chrono_tz::Tz>().is_ok()
}

/// All names of the time zone database that is built in.
pub fn zones() -> impl Iterator<Item = &'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|z| z.name())
}

impl CivilWindow {
    /// Whether a point in time lies inside; `None` where the zone is not known to this build.
    #[must_use]
    pub fn holds(&self, at: Time) -> Option<bool> {
        let zone: chrono_tz::Tz = self.zone.parse().ok()?;
        let local = zone.from_utc_datetime(&DateTime::from_timestamp_millis(at)?.naive_utc());
        let minute = u16::try_from(local.hour() * 60 + local.minute()).ok()?;
        let (today, yesterday) = (index(local.weekday()), index(local.weekday().pred()));
        Some(self.hours.iter().any(|&(from, to)| {
            let begins = self.days.contains(&today) && minute >= from;
            // an overnight window belongs to the day on which it begins
            if from < to { begins && minute < to } else { begins || (self.days.contains(&yesterday) && minute < to) }
        }))
    }
}

fn index(day: Weekday) -> u8 {
    u8::try_from(day.num_days_from_monday()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[u8], from: u16, to: u16) -> CivilWindow {
        let zone = String::from("Europe/Berlin");
        CivilWindow { name: "w".into(), days: days.to_vec(), hours: vec![(from, to)], zone }
    }

    fn at(text: &str) -> Time {
        DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
    }

    #[test]
    fn working_hours_are_half_open_in_their_own_zone() {
        let office = window(&[0, 1, 2, 3, 4], 9 * 60, 17 * 60);
        for (time, want) in [
            ("2026-11-23T07:59:59Z", false),
            ("2026-11-23T08:00:00Z", true),
            ("2026-11-23T15:59:59Z", true),
            ("2026-11-23T16:00:00Z", false),
            // Saturday
            ("2026-11-21T10:00:00Z", false),
            // summer
            ("2026-07-20T07:00:00Z", true),
        ] {
            assert_eq!(office.holds(at(time)), Some(want), "{time}");
        }
    }

    #[test]
    fn a_skipped_start_is_the_next_instant_and_both_passes_of_a_repeated_hour_are_inside() {
        let all = [0, 1, 2, 3, 4, 5, 6];
        let spring = window(&all, 150, 210);
        let autumn = window(&all, 120, 180);
        for (w, time, want) in [
            (&spring, "2026-03-29T00:59:59Z", false),
            (&spring, "2026-03-29T01:00:00Z", true),
            (&spring, "2026-03-29T01:29:59Z", true),
            (&spring, "2026-03-29T01:30:00Z", false),
            (&autumn, "2026-10-24T23:59:59Z", false),
            (&autumn, "2026-10-25T00:00:00Z", true),
            (&autumn, "2026-10-25T01:59:59Z", true),
            (&autumn, "2026-10-25T02:00:00Z", false),
        ] {
            assert_eq!(w.holds(at(time)), Some(want), "{time}");
        }
    }

    #[test]
    fn a_night_belongs_to_the_day_on_which_it_begins() {
        // Fridays, 22:00 to 06:00
        let night = window(&[4], 22 * 60, 6 * 60);
        for (time, want) in [
            ("2026-11-20T20:59:59Z", false),
            ("2026-11-20T21:00:00Z", true),
            ("2026-11-21T04:59:59Z", true),
            ("2026-11-21T05:00:00Z", false),
            ("2026-11-20T04:00:00Z", false),
            ("2026-11-21T21:30:00Z", false),
        ] {
            assert_eq!(night.holds(at(time)), Some(want), "{time}");
        }
    }

    #[test]
    fn a_zone_that_nobody_knows_says_nothing() {
        let lost = CivilWindow { zone: "Europe/Atlantis".into(), ..window(&[0], 0, DAY) };
        assert_eq!(lost.holds(0), None);
        assert!(is_zone("Europe/Berlin") && is_zone("UTC") && !is_zone("Europe/Atlantis") && !is_zone("CEST+1"));
    }
}
