//! What lies in the window of an operator that has one: the last n planned checks, or the stretches of the last d.

use super::super::truth::Truth;
use crate::plan::{Millis, Time};
use std::collections::VecDeque;

/// A monitor uses one of them, and most use none: it stands apart, so that the others stay small.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Window {
    /// `k of n`
    pub slots: Slots,
    /// `p% of d`
    pub stretches: Stretches,
}

impl Window {
    /// Bytes that its parts take beside it.
    pub fn bytes(&self) -> usize {
        self.slots.words.capacity() * size_of::<u64>() + self.stretches.starts.capacity() * size_of::<(Time, Truth)>()
    }

    /// Empties it; its room is kept.
    pub fn clear(&mut self) {
        self.slots.words.clear();
        (self.slots.len, self.slots.oldest) = (0, 0);
        self.stretches.starts.clear();
    }
}

/// The last n planned checks, two bits each: a ring once there are n.
#[derive(Debug, Clone, Default)]
pub(super) struct Slots {
    words: Vec<u64>,
    len: usize,
    /// Where the oldest stands, and the next is written over it.
    oldest: usize,
}

/// Checks in one word.
const IN_WORD: usize = 32;

impl Slots {
    /// Adds a check, and gives the one that n newer ones push out.
    pub fn push(&mut self, value: Truth, n: usize) -> Option<Truth> {
        if self.len < n {
            if self.len.is_multiple_of(IN_WORD) {
                self.words.push(0);
            }
            self.len += 1;
            self.set(self.len - 1, value);
            return None;
        }
        let old = self.get(self.oldest);
        self.set(self.oldest, value);
        self.oldest = if self.oldest + 1 >= self.len { 0 } else { self.oldest + 1 };
        old
    }

    /// From the oldest to the newest.
    pub fn iter(&self) -> impl Iterator<Item = Truth> + '_ {
        (self.oldest..self.len).chain(0..self.oldest).filter_map(|i| self.get(i))
    }

    fn get(&self, i: usize) -> Option<Truth> {
        let word = self.words.get(i / IN_WORD)?;
        Some(match word >> (2 * (i % IN_WORD)) & 0b11 {
            0 => Truth::False,
            1 => Truth::Unknown,
            _ => Truth::True,
        })
    }

    fn set(&mut self, i: usize, value: Truth) {
        if let Some(word) = self.words.get_mut(i / IN_WORD) {
            let shift = 2 * (i % IN_WORD);
            *word = *word & !(0b11 << shift) | (value as u64) << shift;
        }
    }
}

impl FromIterator<Truth> for Slots {
    fn from_iter<I: IntoIterator<Item = Truth>>(values: I) -> Self {
        let mut out = Self::default();
        for value in values {
            out.push(value, usize::MAX);
        }
        out
    }
}

/// Where the ring begins is no difference.
impl PartialEq for Slots {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

impl Eq for Slots {}

/// Stretches that touch, each with the value that stood over it; neighbours with one value are one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stretches {
    /// Start and value; each ends where the next one starts.
    starts: VecDeque<(Time, Truth)>,
    /// Where the last one ends.
    end: Time,
}

impl Stretches {
    /// Adds a stretch behind the others.
    pub fn push(&mut self, start: Time, end: Time, value: Truth) {
        if self.starts.back().is_none_or(|(_, last)| *last != value) {
            self.starts.push_back((start, value));
        }
        self.end = end;
    }

    /// Drops, or cuts, what lies before a time, and says how much of each value that was.
    pub fn forget(&mut self, before: Time, mut gone: impl FnMut(Truth, Millis)) {
        while let Some((start, value)) = self.starts.front().copied()
            && start < before
        {
            let end = self.starts.get(1).map_or(self.end, |(next, _)| *next);
            gone(value, end.min(before) - start);
            if end <= before {
                self.starts.pop_front();
            } else if let Some(first) = self.starts.front_mut() {
                first.0 = before;
            }
        }
    }

    /// Start, end and value of each, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = (Time, Time, Truth)> + '_ {
        let ends = self.starts.iter().skip(1).map(|(start, _)| *start).chain([self.end]);
        self.starts.iter().zip(ends).map(|((start, value), end)| (*start, end, *value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_a_ring_of_the_last_n() {
        let (mut slots, mut list) = (Slots::default(), VecDeque::new());
        for i in 0..400_u32 {
            let value = [Truth::False, Truth::Unknown, Truth::True][(i * i % 7 % 3) as usize];
            list.push_back(value);
            let out = if list.len() > 70 { list.pop_front() } else { None };
            assert_eq!(slots.push(value, 70), out, "push {i}");
            assert!(slots.iter().eq(list.iter().copied()), "after push {i}");
            assert_eq!(slots, slots.iter().collect::<Slots>(), "where it begins is no difference");
        }
        assert_eq!(slots.words.len(), 3);
    }

    #[test]
    fn stretches_are_merged_cut_and_dropped() {
        let mut s = Stretches::default();
        for (start, end, value) in
            [(0, 10, Truth::True), (10, 20, Truth::True), (20, 30, Truth::False), (30, 40, Truth::Unknown)]
        {
            s.push(start, end, value);
        }
        let all: Vec<_> = s.iter().collect();
        assert_eq!(all, [(0, 20, Truth::True), (20, 30, Truth::False), (30, 40, Truth::Unknown)]);
        let mut gone = Vec::new();
        s.forget(25, |value, length| gone.push((value, length)));
        assert_eq!(gone, [(Truth::True, 20), (Truth::False, 5)]);
        assert_eq!(s.iter().collect::<Vec<_>>(), [(25, 30, Truth::False), (30, 40, Truth::Unknown)]);
        s.forget(99, |_, _| {});
        assert_eq!(s.iter().count(), 0);
    }
}
