//! What came of a test's run: one row a check, and what happened at it.

use super::coverage::Seen;
use crate::engine::{Explanation, RunCause, Verdict, Word};
use crate::plan::{ActionId, ChannelId, GuardId, Millis, PhaseId, PortId, Setting, SwitchId};

/// Why something happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What kind of rule: `guard`, `person`, `action`, …
    pub kind: String,
    /// Its name.
    pub rule: String,
    /// In a sentence.
    pub summary: String,
}

impl Cause {
    pub(super) fn of(e: &Explanation) -> Self {
        Self { kind: e.kind.clone(), rule: e.rule.clone(), summary: e.summary.clone() }
    }

    /// Whether a test's `because` means it.
    #[must_use]
    pub fn is(&self, name: &str) -> bool {
        match (name, self.kind.as_str()) {
            ("operator", kind) => kind == "person",
            ("no_data", kind) => kind == "no data",
            (_, "person") => false,
            _ => self.rule == name,
        }
    }

    /// The word that a test would write behind `because`.
    #[must_use]
    pub fn word(&self) -> &str {
        match self.kind.as_str() {
            "person" => "operator",
            "no data" => "no_data",
            _ => &self.rule,
        }
    }
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The start was refused, for these reasons.
    Refused(Vec<String>),
    /// A phase was entered.
    Entered(PhaseId),
    /// A phase ended well.
    Passed(PhaseId),
    /// A pause was latched.
    Paused(Cause),
    /// A person let it go on.
    Resumed,
    /// `hold forever` was reached: promoted, and the run lives on.
    Promoted,
    /// A rollback began: to a phase, or of everything.
    Rollback(Option<PhaseId>, Cause),
    /// A kill switch was thrown.
    Killed(SwitchId, Cause),
    /// A channel was told.
    Notified(ChannelId),
    /// An action was started.
    Ran(ActionId, RunCause),
    /// A snapshot was taken.
    Snapshot,
    /// The run was over.
    Finished(Verdict),
}

/// A guard at a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It did not watch.
    Off,
    /// Ok without values: the test assumes it.
    Assumed,
    /// Its word.
    Word(Word),
}

impl Mark {
    /// The letter in a strip.
    #[must_use]
    pub fn letter(self) -> char {
        match self {
            Self::Off => ' ',
            Self::Assumed => '·',
            Self::Word(Word::Ok) => 'o',
            Self::Word(Word::Failing) => 'f',
            Self::Word(Word::Breached) => 'B',
            Self::Word(Word::Warming) => 'w',
            Self::Word(Word::Thin) => 't',
            Self::Word(Word::Undecided) => 'u',
            Self::Word(Word::Dark) => 'd',
            Self::Word(Word::Blind) => 'b',
        }
    }

    /// The word that a test would expect.
    #[must_use]
    pub fn text(self) -> Option<&'static str> {
        match self {
            Self::Off => None,
            Self::Assumed => Some(Word::Ok.text()),
            Self::Word(w) => Some(w.text()),
        }
    }

    /// How bad it is: of several checks in one column of a strip the worst is shown.
    #[must_use]
    pub fn badness(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Assumed => 1,
            Self::Word(Word::Ok) => 2,
            Self::Word(Word::Warming) => 3,
            Self::Word(Word::Thin) => 4,
            Self::Word(Word::Undecided) => 5,
            Self::Word(Word::Blind) => 6,
            Self::Word(Word::Dark) => 7,
            Self::Word(Word::Failing) => 8,
            Self::Word(Word::Breached) => 9,
        }
    }
}

/// One check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its time since the first one.
    pub at: Millis,
    /// The phase that the run was in after it; none once it takes everything back, or is over.
    pub phase: Option<PhaseId>,
    /// Whether the run was paused after it.
    pub paused: bool,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// The checks in order.
    pub rows: Vec<Row>,
    /// The guards of every row, one row after the other.
    pub(super) marks: Vec<Mark>,
    pub(super) guards: usize,
    /// What ports were read as, each time that it was something new.
    pub(super) ports: Vec<(Millis, PortId, Setting)>,
    /// What happened, in order, with the time of the check at or before which it did.
    pub events: Vec<(Millis, Event)>,
    /// When the test ended.
    pub end: Millis,
    /// How the run ended; none: the test was over before it.
    pub verdict: Option<Verdict>,
    /// What was exercised.
    pub seen: Seen,
}

impl Trace {
    /// The place of the last check at or before a time.
    #[must_use]
    pub fn row_at(&self, at: Millis) -> Option<usize> {
        self.rows.partition_point(|r| r.at <= at).checked_sub(1)
    }

    /// A guard at a row.
    #[must_use]
    pub fn mark(&self, row: usize, guard: GuardId) -> Mark {
        self.marks.get(row * self.guards + guard.index()).copied().unwrap_or(Mark::Off)
    }

    /// What a port was last read as by then.
    #[must_use]
    pub fn port(&self, at: Millis, port: PortId) -> Option<Setting> {
        self.ports.iter().rev().find(|(t, p, _)| *t <= at && *p == port).map(|(_, _, s)| *s)
    }

    /// Everything that ports were read as, with the time of the first check at which they were.
    pub fn readings(&self, port: PortId) -> impl Iterator<Item = (Millis, Setting)> + '_ {
        self.ports.iter().filter(move |(_, p, _)| *p == port).map(|(t, _, s)| (*t, *s))
    }
}
