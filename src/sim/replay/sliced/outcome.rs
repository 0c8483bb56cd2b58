//! What came of each slice.

use crate::engine::Verdict;
use crate::plan::{Plan, Time, slices};
use crate::sim::replay::outcome::{Cell, Decision, Outcome};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::sync::Arc;

/// A slice by name, kept once however often it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named(Arc<Name>);

#[derive(Debug, PartialEq, Eq)]
struct Name {
    written: String,
    json: serde_json::Value,
}

impl Named {
    /// By its values, in the order of the plan's dimensions.
    #[must_use]
    pub fn of(plan: &Plan, values: &[String]) -> Self {
        let json = slices::as_json(&plan.slices, values);
        Self(Arc::new(Name { written: slices::written(&plan.slices, values), json }))
    }

    /// As people write it: `severity=low,tenant=acme`.
    #[must_use]
    pub fn written(&self) -> &str {
        &self.0.written
    }
}

impl Serialize for Named {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.json.serialize(to)
    }
}

/// How the slices of a rollout ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slices {
    /// The one whose phases, ports and guards the outcome has: the one that was asked for, else the one that ended worst; none where
    /// no slice was seen.
    pub shown: Option<Named>,
    /// How many ended how.
    pub counts: Counts,
    /// Every slice that was seen, in the order in which they were.
    pub list: Vec<OfSlice>,
    /// Decisions of other slices than [`Slices::shown`] that are not among [`super::super::outcome::Outcome::decisions`]: there were
    /// too many.
    pub unlisted: usize,
}

/// How a slice ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfSlice {
    /// Which.
    pub slice: Named,
    /// When it began; `None`: it never did.
    pub began: Option<Time>,
    /// How it ended.
    #[serde(flatten)]
    pub cell: Cell,
    /// Other guards that were failing or breached when it was taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// Why it was taken back, or what keeps it from beginning, in one line; empty where it is neither.
    pub why: String,
}

/// How many slices ended how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Counts {
    /// That were seen.
    pub seen: usize,
    /// Promoted.
    pub promoted: usize,
    /// Taken back by a rule.
    pub rolled_back: usize,
    /// Aborted or killed.
    pub stopped: usize,
    /// That had not begun when the recording was over.
    pub waiting: usize,
    /// On their way when the recording was over.
    pub open: usize,
}

impl Counts {
    /// Of these.
    #[must_use]
    pub fn of(list: &[OfSlice]) -> Self {
        let mut out = Self { seen: list.len(), ..Self::default() };
        for s in list {
            let place = match (s.cell.verdict, s.began) {
                (Some(Verdict::Promoted), _) => &mut out.promoted,
                (Some(Verdict::RolledBack), _) => &mut out.rolled_back,
                (Some(Verdict::Aborted | Verdict::Killed), _) => &mut out.stopped,
                (Some(Verdict::Refused), _) | (None, None) => &mut out.waiting,
                (None, Some(_)) => &mut out.open,
            };
            *place += 1;
        }
        out
    }

    /// In words: `40 slices: 37 promoted, 3 rolled back`.
    #[must_use]
    pub fn text(&self) -> String {
        let parts = [
            (self.promoted, "promoted"),
            (self.rolled_back, "rolled back"),
            (self.stopped, "stopped"),
            (self.open, "not decided"),
            (self.waiting, "not begun"),
        ];
        let parts: Vec<String> = parts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        let slices = if self.seen == 1 { "slice" } else { "slices" };
        match parts.is_empty() {
            true => String::from("no slice was seen"),
            false => format!("{} {slices}: {}", self.seen, parts.join(", ")),
        }
    }
}

/// What of an outcome is of one life: of a rollout with slices without the decisions of those that are not looked at closely.
#[must_use]
pub fn closely(outcome: &Outcome) -> Cow<'_, Outcome> {
    let Some(slices) = &outcome.slices else { return Cow::Borrowed(outcome) };
    let mine = |d: &&Decision| d.slice.is_none() || d.slice == slices.shown;
    let decisions = outcome.decisions.iter().filter(mine).cloned().collect();
    // no need for the others' either
    let none = Slices { list: Vec::new(), ..slices.clone() };
    let rest = Outcome {
        decisions,
        rollout: outcome.rollout.clone(),
        policy: outcome.policy.clone(),
        phases: outcome.phases.clone(),
        ports: outcome.ports.clone(),
        guards: outcome.guards.clone(),
        assumptions: outcome.assumptions.clone(),
        slices: Some(none),
        ..*outcome
    };
    Cow::Owned(rest)
}

/// How bad an end is: the worst is looked at first.
#[must_use]
pub fn badness(verdict: Option<Verdict>) -> u8 {
    match verdict {
        Some(Verdict::Promoted) => 0,
        None => 1,
        Some(Verdict::Refused) => 2,
        Some(Verdict::Aborted) => 3,
        Some(Verdict::RolledBack) => 4,
        Some(Verdict::Killed) => 5,
    }
}

impl Slices {
    /// The places of the slices, the worst first; of equally bad ones those that were decided first.
    #[must_use]
    pub fn by_badness(&self) -> Vec<usize> {
        by_badness(&self.list)
    }

    /// The first slice that was taken back.
    #[must_use]
    pub fn first_back(&self) -> Option<&OfSlice> {
        let back = |s: &&OfSlice| badness(s.cell.verdict) >= 3;
        self.list.iter().filter(back).min_by_key(|s| s.cell.decided_at.unwrap_or(Time::MAX))
    }

    /// The whole in a few words: of slices that were taken back, what is said is of the first.
    #[must_use]
    pub fn cell(&self, verdict: Option<Verdict>) -> Cell {
        let first = self.first_back();
        let last = || self.list.iter().max_by_key(|s| s.cell.decided_at);
        let told = first.or_else(last).map(|s| s.cell.clone());
        // as long as some go on, the whole is not decided: what was taken back is said all the same
        let decided_at = match (verdict, first) {
            (None, None) => None,
            _ => told.as_ref().and_then(|c| c.decided_at),
        };
        let (phase, rule) = told.map_or_else(Default::default, |c| (c.phase, c.rule));
        Cell { verdict, decided_at, phase, rule, slices: Some(self.counts) }
    }
}

/// As [`Slices::by_badness`].
pub(super) fn by_badness(list: &[OfSlice]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..list.len()).collect();
    let order = |i: &usize| {
        let cell = list.get(*i).map(|s| &s.cell);
        let bad = cell.map_or(0, |c| badness(c.verdict));
        (std::cmp::Reverse(bad), cell.and_then(|c| c.decided_at).unwrap_or(Time::MAX), *i)
    };
    places.sort_unstable_by_key(order);
    places
}
