//! Monitors and stopwatches as cells of few bytes, for runs with many lives.

use super::super::fleet::cells::{I48, cells};
use super::super::truth::Truth;
use super::{Monitor, Stopwatch};
use crate::plan::{Millis, Time};

cells! {
    /// A monitor without a window.
    MonitorCells {
        at: I48,
        unknown_for: I48,
        known: I48,
        possible: I48,
        /// Operand, value, running.
        flags: u8,
    }
}

/// A truth value or none in two bits.
pub(in crate::engine) fn bits(t: Option<Truth>) -> u8 {
    match t {
        None => 0,
        Some(Truth::False) => 1,
        Some(Truth::Unknown) => 2,
        Some(Truth::True) => 3,
    }
}

/// Back from its two bits.
pub(in crate::engine) fn truth(bits: u8) -> Option<Truth> {
    match bits & 3 {
        0 => None,
        1 => Some(Truth::False),
        2 => Some(Truth::Unknown),
        _ => Some(Truth::True),
    }
}

impl Monitor {
    /// Becomes cells, and says whether it has a window, which does not fit into any: then they stay as they were. `None` where a
    /// number does not fit.
    #[inline]
    pub(in crate::engine) fn pack(&self, cells: &mut MonitorCells) -> Option<bool> {
        let Self { at, unknown_for, known, possible, window, operand, value, running } = self;
        if window.is_some() {
            return Some(true);
        }
        *cells = MonitorCells {
            at: I48::of(*at)?,
            unknown_for: I48::of(*unknown_for)?,
            known: I48::of(*known)?,
            possible: I48::of(*possible)?,
            flags: bits(*operand) | bits(*value) << 2 | u8::from(*running) << 4,
        };
        Some(false)
    }

    /// Whether it has a window, which does not fit into cells.
    #[inline]
    pub(in crate::engine) fn has_window(&self) -> bool {
        self.window.is_some()
    }

    /// Bytes that its window takes.
    pub(in crate::engine) fn window_bytes(&self) -> usize {
        self.window.as_ref().map_or(0, |w| size_of_val(w.as_ref()) + w.bytes())
    }

    /// Becomes what the cells say.
    #[inline]
    pub(in crate::engine) fn unpack(&mut self, c: &MonitorCells) {
        self.at = c.at.get();
        self.unknown_for = c.unknown_for.get();
        self.known = c.known.get();
        self.possible = c.possible.get();
        self.window = None;
        self.operand = truth(c.flags);
        self.value = truth(c.flags >> 2);
        self.running = c.flags & 16 != 0;
    }
}

impl Stopwatch {
    /// When it was last stepped, whether it has run since, and what it counted.
    #[inline]
    pub(in crate::engine) fn parts(self) -> (Option<Time>, bool, Millis) {
        (self.last.map(|(t, _)| t), self.last.is_some_and(|(_, ran)| ran), self.counted)
    }

    /// Back from its parts.
    #[inline]
    pub(in crate::engine) fn of_parts(last: Option<Time>, ran: bool, counted: Millis) -> Self {
        Self { last: last.map(|t| (t, ran)), counted }
    }
}
