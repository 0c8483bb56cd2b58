//! A monitor in a journal: every part by its name, whatever the form in memory is, so that older journals are read.

use super::super::truth::Truth;
use super::Monitor;
use super::window::{Stretches, Window};
use crate::plan::{Millis, Time};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The form in a journal.
#[derive(Serialize, Deserialize)]
struct Wire {
    /// The last check and what the operand was at it.
    last: Option<(Time, Truth)>,
    /// What the operator was at that check.
    value: Option<Truth>,
    /// Length of the unknown stretch that ends at the last check.
    unknown_for: Millis,
    /// Pessimistic measure: milliseconds, or checks.
    known: i64,
    /// Optimistic measure, where it is not derived from `since`.
    possible: i64,
    /// Start of the run without a false check.
    since: Option<Time>,
    /// `k of n`: the last n planned checks.
    slots: Vec<Truth>,
    /// `p% of d`: the stretches inside the window; neighbours with one value are merged.
    segments: Vec<Segment>,
}

/// A stretch over which one value stood.
#[derive(Serialize, Deserialize)]
struct Segment {
    start: Time,
    end: Time,
    value: Truth,
}

impl From<&Monitor> for Wire {
    fn from(m: &Monitor) -> Self {
        let segment = |(start, end, value)| Segment { start, end, value };
        Self {
            last: m.operand.map(|operand| (m.at, operand)),
            value: m.value,
            unknown_for: m.unknown_for,
            known: m.known,
            possible: if m.running { 0 } else { m.possible },
            since: m.since(),
            slots: m.window.iter().flat_map(|w| w.slots.iter()).collect(),
            segments: m.window.iter().flat_map(|w| w.stretches.iter()).map(segment).collect(),
        }
    }
}

impl From<Wire> for Monitor {
    fn from(w: Wire) -> Self {
        let mut stretches = Stretches::default();
        for s in &w.segments {
            stretches.push(s.start, s.end, s.value);
        }
        let windowed = !w.slots.is_empty() || !w.segments.is_empty();
        Self {
            at: w.last.map_or(0, |(at, _)| at),
            unknown_for: w.unknown_for,
            known: w.known,
            possible: w.since.unwrap_or(w.possible),
            window: windowed.then(|| Box::new(Window { slots: w.slots.into_iter().collect(), stretches })),
            operand: w.last.map(|(_, operand)| operand),
            value: w.value,
            running: w.since.is_some(),
        }
    }
}

impl Serialize for Monitor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Monitor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Wire::deserialize(deserializer).map(Self::from)
    }
}

/// Of one history, whatever is left over of a window that has run empty.
impl PartialEq for Monitor {
    fn eq(&self, other: &Self) -> bool {
        let scalars = |m: &Self| (m.operand.map(|o| (m.at, o)), m.value, m.unknown_for, m.known, m.possible, m.running);
        let windows = |m: &Self, o: &Self| match (&m.window, &o.window) {
            (Some(a), Some(b)) => a.slots == b.slots && a.stretches.iter().eq(b.stretches.iter()),
            (Some(w), None) | (None, Some(w)) => w.slots.iter().next().is_none() && w.stretches.iter().next().is_none(),
            (None, None) => true,
        };
        scalars(self) == scalars(other) && windows(self, other)
    }
}

impl Eq for Monitor {}

#[cfg(test)]
mod tests {
    use super::super::Pace;
    use super::*;
    use crate::plan::Temporal;

    const PACE: Pace = Pace { check_every: 15_000, bridge: Some(60_000) };
    const OPS: [Temporal; 4] =
        [Temporal::For(60_000), Temporal::Checks(5), Temporal::KOfN(3, 40), Temporal::ShareOf(800_000, 120_000)];

    /// Times with a gap among them, and values with a pattern.
    fn history() -> impl Iterator<Item = (Time, Truth)> {
        (0..200_i64).map(|i| {
            let at = i * 15_000 + if i > 90 { 120_000 } else { 0 };
            (at, [Truth::True, Truth::False, Truth::True, Truth::Unknown, Truth::True][(i * i / 3 % 5) as usize])
        })
    }

    #[test]
    fn a_monitor_that_was_written_and_read_goes_on_as_before() {
        for op in OPS {
            let (mut kept, mut stored) = (Monitor::default(), Monitor::default());
            for (at, operand) in history() {
                assert_eq!(kept.step(op, PACE, at, operand), stored.step(op, PACE, at, operand), "{op:?} at {at}");
                assert_eq!(kept, stored, "{op:?} at {at}");
                stored = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
                assert_eq!(kept, stored, "{op:?} at {at}, read back");
            }
        }
    }

    #[test]
    fn journals_of_before_are_read() {
        // as they were written when a monitor was kept in this form
        let slots = r#"{"last":[30000,"true"],"value":"false","unknown_for":0,"known":1,"possible":2,"since":null,
            "slots":["unknown","false","true"],"segments":[]}"#;
        let mut m: Monitor = serde_json::from_str(slots).unwrap();
        assert_eq!(m.step(Temporal::KOfN(2, 3), PACE, 45_000, Truth::True), Truth::True);
        let run = r#"{"last":[30000,"true"],"value":"unknown","unknown_for":0,"known":15000,"possible":0,"since":0,
            "slots":[],"segments":[]}"#;
        let mut m: Monitor = serde_json::from_str(run).unwrap();
        assert_eq!((m.since(), m.known()), (Some(0), 15_000));
        assert_eq!(m.step(Temporal::For(30_000), PACE, 45_000, Truth::True), Truth::True);
        let share = r#"{"last":[30000,"true"],"value":"false","unknown_for":0,"known":15000,"possible":30000,"since":null,
            "slots":[],"segments":[{"start":0,"end":15000,"value":"unknown"},{"start":15000,"end":30000,"value":"true"}]}"#;
        let mut m: Monitor = serde_json::from_str(share).unwrap();
        assert_eq!(m.step(Temporal::ShareOf(1_000_000, 30_000), PACE, 45_000, Truth::False), Truth::True);
        assert_eq!(
            serde_json::to_string(&Monitor::default()).unwrap(),
            r#"{"last":null,"value":null,"unknown_for":0,"known":0,"possible":0,"since":null,"slots":[],"segments":[]}"#
        );
    }

    #[test]
    fn a_monitor_is_small() {
        assert!(size_of::<Monitor>() <= 48, "{}", size_of::<Monitor>());
    }
}
