//! Backtests: a rollout begun again and again over one recording, and what its rules were worth.

use super::exposed::Exposed;
use super::outcome::{Cell, Outcome};
use super::{first_check, span, sweep};
use crate::engine::{Explanation, Record, Verdict, Word};
use crate::plan::{Millis, Plan, Time};
use crate::sim::recording::Recording;
use serde::Serialize;

/// What came of rollouts begun again and again.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Backtest {
    /// The distance of two starts.
    pub every: Millis,
    /// The rollouts, in the order of their starts.
    pub runs: Vec<Run>,
    /// The guards, in the order of the policy.
    pub guards: Vec<Worth>,
    /// How often it cried wolf; `None` where no stretch was said to be healthy.
    pub healthy: Option<Healthy>,
}

/// One of the rollouts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Run {
    /// Its first check.
    pub start: Time,
    /// The last check that was made.
    pub end: Time,
    /// How it ended.
    #[serde(flatten)]
    pub cell: Cell,
    /// Whom it has hurt.
    #[serde(flatten)]
    pub exposed: Exposed,
    /// Other guards that were failing or breached when it was taken back.
    pub also: Vec<String>,
}

/// What a guard was worth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worth {
    /// The guard.
    pub guard: String,
    /// How many rollouts it took back.
    pub decided: usize,
    /// How many of these no other guard had anything against.
    pub alone: usize,
    /// How many it had something against (failing or breached) when another rule took them back.
    pub agreed: usize,
}

/// How rollouts ended that lay in stretches that somebody says were healthy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Healthy {
    /// The stretches.
    pub stretches: Vec<(Time, Time)>,
    /// Rollouts that began in one of them and were decided, or over, before it was.
    pub runs: usize,
    /// Those that were taken back by any rule: false alarms.
    pub rolled_back: usize,
}

impl Healthy {
    /// The family-wise share of false alarms; `None` without a rollout.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a few thousand rollouts")]
    pub fn share(&self) -> Option<f64> {
        (self.runs > 0).then(|| self.rolled_back as f64 / self.runs as f64)
    }
}

/// When the rollouts begin: at each `every` from `from` (or the recording's first check) on.
#[must_use]
pub fn starts(recording: &Recording, from: Option<Time>, every: Millis) -> Vec<Time> {
    let (mut at, mut out) = (first_check(recording, from), Vec::new());
    let (_, end) = span(recording);
    while at <= end && every > 0 {
        let start = first_check(recording, Some(at));
        if out.last() != Some(&start) {
            out.push(start);
        }
        at = at.saturating_add(every);
    }
    out
}

impl Run {
    /// Whether it was taken back by a rule; with slices, one of them.
    #[must_use]
    pub fn is_back(&self) -> bool {
        self.cell.verdict == Some(Verdict::RolledBack) || self.cell.slices.is_some_and(|n| n.rolled_back > 0)
    }
}

/// One rollout out of its replay.
#[must_use]
pub fn run(outcome: &Outcome, exposed: Exposed) -> Run {
    let back = outcome.decisions.iter().rev().find_map(|d| match &d.record {
        Record::Rollback { to: None, explanation, .. } => Some(explanation),
        _ => None,
    });
    let cell = sweep::cell(outcome);
    let of_slices = outcome.slices.as_ref().and_then(|s| s.first_back()).map(|s| s.also.clone());
    let also = of_slices.or_else(|| back.map(against)).unwrap_or_default();
    Run { start: outcome.start, end: outcome.end, also, cell, exposed }
}

/// The guards, beside the one that decided, that were against going on.
pub(super) fn against(e: &Explanation) -> Vec<String> {
    let bad = e.others.iter().filter(|g| matches!(g.word, Word::Failing | Word::Breached));
    bad.map(|g| g.guard.clone()).filter(|g| *g != e.rule).collect()
}

/// All of them together.
#[must_use]
pub fn sum(plan: &Plan, every: Millis, runs: Vec<Run>, stretches: &[(Time, Time)]) -> Backtest {
    let back = |r: &&Run| r.is_back();
    let guards = plan
        .guards
        .iter()
        .map(|g| {
            let name = Some(&g.name);
            let mine = || runs.iter().filter(back).filter(|r| r.cell.rule.as_ref() == name);
            Worth {
                guard: g.name.clone(),
                decided: mine().count(),
                alone: mine().filter(|r| r.also.is_empty()).count(),
                agreed: runs.iter().filter(|r| r.also.contains(&g.name)).count(),
            }
        })
        .collect();
    let healthy = (!stretches.is_empty()).then(|| {
        let inside = |r: &&Run| {
            let end = r.cell.decided_at.unwrap_or(r.end);
            stretches.iter().any(|(from, to)| *from <= r.start && end <= *to)
        };
        Healthy {
            stretches: stretches.to_vec(),
            runs: runs.iter().filter(inside).count(),
            rolled_back: runs.iter().filter(inside).filter(back).count(),
        }
    });
    Backtest { every, runs, guards, healthy }
}
