//! Which decisions change the course of a run, and which belong to it every minute.

use crate::engine::{Explanation, Record, Verdict, Word};
use crate::sim::replay::outcome::{Decision, Outcome};

/// How a decision is marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// A character that stands for it.
    pub sign: char,
    /// For styles.
    pub class: &'static str,
    /// It changes the course: it is marked even where there is little room.
    pub major: bool,
}

/// The mark of a record.
#[must_use]
pub fn mark(record: &Record) -> Mark {
    let major = |sign, class| Mark { sign, class, major: true };
    let minor = |sign, class| Mark { sign, class, major: false };
    match record {
        Record::Started { .. } => major('●', "begin"),
        Record::Entered { .. } => major('▲', "up"),
        Record::Raised { .. } => minor('▲', "up"),
        Record::Passed { .. } => minor('✓', "good"),
        Record::Promoted { .. } | Record::Finished { verdict: Verdict::Promoted, .. } => major('✓', "good"),
        Record::Finished { .. } => major('■', "bad"),
        Record::Rollback { .. } => major('▼', "bad"),
        Record::KillSwitch { .. } => major('×', "bad"),
        Record::Refused { .. } | Record::NotRolledBack { .. } | Record::RollbackSlow { .. } | Record::Drift { .. } => {
            major('!', "bad")
        }
        Record::ActionEnded { ok: false, .. } => major('!', "bad"),
        Record::Guard { report, .. } if report.word == Word::Breached => major('B', "bad"),
        Record::Paused { .. } => major('‖', "wait"),
        Record::Waiting { .. } => minor('‖', "wait"),
        Record::Resumed { .. } | Record::Approved { .. } | Record::KillReset { .. } => major('►', "person"),
        Record::Verified { .. }
        | Record::Guard { .. }
        | Record::ActionStarted { .. }
        | Record::ActionEnded { .. }
        | Record::StepDone { .. }
        | Record::SetAgain { .. }
        | Record::Snapshot { .. } => minor('·', "small"),
    }
}

/// The decision that sealed the course: the last rollback, kill or refusal; else how it ended; else the last pause.
#[must_use]
pub fn decisive(outcome: &Outcome) -> Option<usize> {
    let last = |is: fn(&Record) -> bool| outcome.decisions.iter().rposition(|d| is(&d.record));
    last(|r| matches!(r, Record::Rollback { .. } | Record::Refused { .. } | Record::NotRolledBack { .. }))
        .or_else(|| last(|r| matches!(r, Record::Finished { .. } | Record::Promoted { .. })))
        .or_else(|| last(|r| matches!(r, Record::Paused { .. })))
}

/// The first line of what is told of a decision.
#[must_use]
pub fn headline(decision: &Decision) -> &str {
    decision.text.lines().next().unwrap_or("")
}

/// The explanation: the decision's own, else that of its record.
#[must_use]
pub fn explanation(decision: &Decision) -> Option<&Explanation> {
    decision.explanation.as_ref().or(match &decision.record {
        Record::Paused { explanation }
        | Record::KillSwitch { explanation, .. }
        | Record::Rollback { explanation, .. }
        | Record::NotRolledBack { explanation }
        | Record::Finished { explanation, .. } => Some(explanation),
        _ => None,
    })
}

/// The places of at most `most` decisions that are shown: all, or those that change the course, or of those the first and the last.
#[must_use]
pub fn shown(outcome: &Outcome, most: usize) -> Vec<usize> {
    let all = 0..outcome.decisions.len();
    if outcome.decisions.len() <= most {
        return all.collect();
    }
    let major: Vec<usize> = all.filter(|i| outcome.decisions.get(*i).is_some_and(|d| mark(&d.record).major)).collect();
    if major.len() <= most {
        return major;
    }
    let (head, tail) = (most / 2, major.len() - (most - most / 2));
    major.iter().enumerate().filter(|(i, _)| *i < head || *i >= tail).map(|(_, d)| *d).collect()
}
