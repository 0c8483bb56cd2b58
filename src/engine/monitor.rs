//! The temporal operators as streaming monitors: `for d`, `for n checks`, `for k of n checks`, `for p% of d`, and the stopwatch
//! behind `hold`.
//!
//! Source: `tests/vectors/temporal_reference.py`, the naive evaluator that defines them. Each operator keeps a pessimistic
//! measure of what is known true and an optimistic one of what is not known false; it is true when the first suffices, false
//! when not even the second does, else unknown. State is integers; a check costs O(1) amortised, however long `d` is.

pub(super) mod packed;
mod window;
mod wire;

use super::planted::planted;
use super::truth::Truth;
use crate::plan::{Millis, Temporal, Time};
use serde::{Deserialize, Serialize};
use window::Window;

/// What a monitor must know of the rollout's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// Planned distance between checks; two checks more than twice this apart leave a gap.
    pub check_every: Millis,
    /// Longest unknown stretch over which evidence is kept; `None`: it is never thrown away.
    pub bridge: Option<Millis>,
}

impl Pace {
    /// Whether two neighbouring checks leave a gap, in which nothing is known.
    #[must_use]
    pub fn is_gap(self, length: Millis) -> bool {
        length > 2 * self.check_every
    }

    /// Planned checks that never happened in a stretch of this length.
    #[must_use]
    pub fn missed(self, length: Millis) -> i64 {
        if self.is_gap(length) && self.check_every > 0 { length / self.check_every - 1 } else { 0 }
    }
}

/// The state of one temporal operator: 48 bytes, and for the operators with a window what lies in it beside. In a journal it has
/// the form of `monitor/wire.rs`.
#[derive(Debug, Clone, Default)]
pub struct Monitor {
    /// The last check, where there was one.
    at: Time,
    /// Length of the unknown stretch that ends at the last check.
    unknown_for: Millis,
    /// Pessimistic measure: milliseconds, or checks.
    known: i64,
    /// Optimistic measure: milliseconds, or checks; while `running`, the start of the run without a false check.
    possible: i64,
    /// What the window of `k of n` or `p% of d` holds.
    window: Option<Box<Window>>,
    /// What the operand was at the last check.
    operand: Option<Truth>,
    /// What the operator was at that check.
    value: Option<Truth>,
    /// `for d`: a run without a false check is under way.
    running: bool,
}

impl Monitor {
    /// Takes the operand's value at a check and returns the operator's. A second call for the same check returns the same.
    pub fn step(&mut self, op: Temporal, pace: Pace, at: Time, operand: Truth) -> Truth {
        if let (Some(_), Some(value)) = (self.operand, self.value)
            && self.at == at
        {
            return value;
        }
        let length = if self.operand.is_some() { at - self.at } else { 0 };
        // the value that stood over the stretch since the last check; a gap makes it unknown
        let stood = if pace.is_gap(length) { Some(Truth::Unknown) } else { self.operand };
        self.unknown_for = match (stood, self.operand) {
            (Some(Truth::Unknown), Some(Truth::Unknown)) => self.unknown_for + length,
            (Some(Truth::Unknown), _) => length,
            _ => 0,
        };
        let value = match op {
            Temporal::For(d) => self.for_duration(pace, at, operand, length, stood, d),
            Temporal::Checks(n) => self.for_checks(pace, operand, length, i64::from(n)),
            Temporal::KOfN(k, n) => self.k_of_n(pace, operand, length, i64::from(k), n as usize),
            Temporal::ShareOf(share, d) => self.share_of(at, length, stood, i64::from(share), d),
        };
        self.at = at;
        self.operand = Some(operand);
        self.value = Some(value);
        value
    }

    /// Starts anew, as if it had never seen a check; what its window took stays taken.
    pub fn restart(&mut self) {
        let mut window = self.window.take();
        if let Some(window) = &mut window {
            window.clear();
        }
        *self = Self { window, ..Self::default() };
    }

    /// What the operator was at the last check.
    #[must_use]
    pub fn value(&self) -> Option<Truth> {
        self.value
    }

    /// The pessimistic measure: how long (milliseconds) or how often (checks) the operand is known to have been true.
    #[must_use]
    pub fn known(&self) -> i64 {
        self.known
    }

    /// Start of the run without a false check.
    #[must_use]
    pub fn since(&self) -> Option<Time> {
        self.running.then_some(self.possible)
    }

    fn blackout(&self, pace: Pace) -> bool {
        pace.bridge.is_some_and(|bridge| self.unknown_for > bridge)
    }

    fn for_duration(
        &mut self,
        pace: Pace,
        at: Time,
        operand: Truth,
        length: Millis,
        stood: Option<Truth>,
        d: Millis,
    ) -> Truth {
        if operand.is_false() {
            (self.known, self.possible, self.running) = (0, 0, false);
            return Truth::False;
        }
        if self.running {
            if self.blackout(pace) {
                self.known = 0;
            } else if stood == Some(Truth::True) {
                self.known += length;
            }
        } else {
            // the run may have begun at the first missed check after the last false one
            let missed_some = self.operand.is_some() && pace.missed(length) > 0;
            self.possible = if missed_some { self.at + pace.check_every } else { at };
            self.running = true;
        }
        let since = self.possible;
        if operand.is_true() && (self.known > d || (self.known == d && !planted!(3))) {
            Truth::True
        } else if at - since < d {
            Truth::False
        } else {
            Truth::Unknown
        }
    }

    fn for_checks(&mut self, pace: Pace, operand: Truth, length: Millis, n: i64) -> Truth {
        if operand.is_false() {
            (self.known, self.possible) = (0, 0);
            return Truth::False;
        }
        self.possible += 1 + pace.missed(length);
        if self.blackout(pace) {
            self.known = 0;
        }
        self.known += i64::from(operand.is_true());
        if operand.is_true() && self.known >= n {
            Truth::True
        } else if self.possible < n {
            Truth::False
        } else {
            Truth::Unknown
        }
    }

    fn k_of_n(&mut self, pace: Pace, operand: Truth, length: Millis, k: i64, n: usize) -> Truth {
        let slots = &mut self.window.get_or_insert_default().slots;
        for value in std::iter::repeat_n(Truth::Unknown, missed(pace, length, n)).chain([operand]) {
            self.known += i64::from(value.is_true());
            self.possible += i64::from(!value.is_false());
            if let Some(old) = slots.push(value, n) {
                self.known -= i64::from(old.is_true());
                self.possible -= i64::from(!old.is_false());
            }
        }
        if self.known >= k {
            Truth::True
        } else if self.possible < k {
            Truth::False
        } else {
            Truth::Unknown
        }
    }

    /// `share` in millionths. Time before the first check counts as not true.
    fn share_of(&mut self, at: Time, length: Millis, stood: Option<Truth>, share: i64, d: Millis) -> Truth {
        let stretches = &mut self.window.get_or_insert_default().stretches;
        if let Some(value) = stood {
            stretches.push(at - length, at, value);
            self.known += if value.is_true() { length } else { 0 };
            self.possible += if value.is_false() { 0 } else { length };
        }
        stretches.forget(at - d, |value, gone| {
            self.known -= if value.is_true() { gone } else { 0 };
            self.possible -= if value.is_false() { 0 } else { gone };
        });
        // milliseconds times millionths: 106 days of milliseconds fit 63 bits a thousand times over
        if self.known.saturating_mul(1_000_000) >= share.saturating_mul(d) {
            Truth::True
        } else if self.possible.saturating_mul(1_000_000) < share.saturating_mul(d) {
            Truth::False
        } else {
            Truth::Unknown
        }
    }
}

/// Missed checks that the window of the last n planned checks takes in.
fn missed(pace: Pace, length: Millis, n: usize) -> usize {
    usize::try_from(pace.missed(length)).map_or(0, |missed| missed.min(n))
}

/// A stopwatch that never resets: observed time during which something stood true (`hold`, `within`, elapsed time).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Stopwatch {
    last: Option<(Time, bool)>,
    /// Milliseconds counted so far.
    pub counted: Millis,
}

impl Stopwatch {
    /// Takes whether it runs from this check on, and counts the stretch since the last one if it ran then.
    pub fn step(&mut self, pace: Pace, at: Time, runs: bool) {
        if let Some((t, ran)) = self.last {
            let length = at - t;
            if ran && !pace.is_gap(length) && length > 0 {
                self.counted += length;
            }
        }
        self.last = Some((at, runs));
    }

    /// Whether it runs on from the last check.
    #[must_use]
    pub fn runs(&self) -> bool {
        self.last.is_some_and(|(_, runs)| runs)
    }

    /// As [`Stopwatch::step`] at a live check. A back-filled one counts nothing, neither before nor after it.
    pub fn observe(&mut self, pace: Pace, at: Time, runs: bool, live: bool) {
        if live {
            self.step(pace, at, runs);
        } else {
            self.last = Some((at, false));
        }
    }
}

#[cfg(test)]
mod tests {
    //! Every vector of the reference is in `tests/temporal_vectors.rs`, its laws in `tests/temporal_laws.rs`.

    use super::*;

    #[test]
    fn a_second_step_at_one_check_changes_nothing() {
        let pace = Pace { check_every: 15_000, bridge: None };
        let mut m = Monitor::default();
        m.step(Temporal::Checks(2), pace, 0, Truth::True);
        assert_eq!(m.step(Temporal::Checks(2), pace, 0, Truth::True), Truth::False);
        assert_eq!(m.step(Temporal::Checks(2), pace, 15_000, Truth::True), Truth::True);
    }
}
