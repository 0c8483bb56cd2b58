//! A guard's cells.

use super::super::cells::{F64, I48, cells};
use super::{WORDS, place};
use crate::engine::state::{GuardReading, GuardState};

cells! {
    /// A guard without its monitor.
    GuardCells {
        since: I48,
        used: I48,
        age: I48,
        value: F64,
        limit: F64,
        margin: F64,
        events: F64,
        word: u8,
        /// Those of [`ACTIVE`] and the like.
        flags: u8,
    }
}

pub(super) const ACTIVE: u8 = 1;
const FIRED: u8 = 2;
const VALUE: u8 = 4;
const LIMIT: u8 = 8;
const MARGIN: u8 = 16;
const EVENTS: u8 = 32;
const UNTOLD: u8 = 64;

impl GuardCells {
    /// Gives it to a guard.
    #[inline]
    pub(super) fn put(&self, g: &mut GuardState) {
        let up = |flag: u8| self.flags & flag != 0;
        let there = |flag: u8, v: F64| up(flag).then(|| v.get());
        g.active = up(ACTIVE);
        g.fired = up(FIRED);
        g.untold = up(UNTOLD);
        g.word = usize::from(self.word).checked_sub(1).and_then(|w| WORDS.get(w)).copied();
        g.since = self.since.get();
        g.reading = GuardReading {
            value: there(VALUE, self.value),
            limit: there(LIMIT, self.limit),
            margin: there(MARGIN, self.margin),
            events: there(EVENTS, self.events),
            used: self.used.get(),
            age: self.age.maybe(),
        };
    }

    /// A guard's; `None` where it does not fit.
    #[inline]
    pub(super) fn of(g: &GuardState) -> Option<Self> {
        let GuardReading { value, limit, margin, events, used, age } = g.reading;
        let mut flags = 0;
        let mut note = |on: bool, flag: u8| flags |= if on { flag } else { 0 };
        note(g.active, ACTIVE);
        note(g.fired, FIRED);
        note(value.is_some(), VALUE);
        note(limit.is_some(), LIMIT);
        note(margin.is_some(), MARGIN);
        note(events.is_some(), EVENTS);
        note(g.untold, UNTOLD);
        Some(Self {
            since: I48::of(g.since)?,
            used: I48::of(used)?,
            age: I48::or_none(age)?,
            value: F64::of(value.unwrap_or_default()),
            limit: F64::of(limit.unwrap_or_default()),
            margin: F64::of(margin.unwrap_or_default()),
            events: F64::of(events.unwrap_or_default()),
            word: g.word.map_or(0, |w| place(&WORDS, &w) + 1),
            flags,
        })
    }
}
