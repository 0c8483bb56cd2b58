//! A world: the policy with everything that was typed in and set, the faults that were put in, and what comes of them over the
//! recording. Each change makes another one; the old ones are kept to go back to.

use super::policy::Talked;
use crate::engine::{Observation, Record, State};
use crate::plan::{Answer, Bindings, Plan, Time};
use crate::report::document::Happened;
use crate::report::timeline;
use crate::sim::recording::Recording;
use crate::sim::replay::outcome::{Decision, Outcome};
use crate::sim::replay::{self, Check, Detail, Injection, Scenario, change, inject, misfit_watched};
use crate::syntax::diagnostic::Diagnostic;

/// What was recorded, and the name that it goes by.
#[derive(Debug)]
pub struct Recorded {
    /// As people know it: its file.
    pub name: String,
    /// What it holds.
    pub recording: Recording,
    /// The plan that the recorded run had, where it is known by more than the policy.
    pub then: Option<Plan>,
}

/// What one world is made of.
#[derive(Debug, Clone)]
pub(super) struct Makings {
    /// What was entered to get here.
    pub(super) change: String,
    pub(super) policy: Talked,
    /// Params and fields that are set, each once.
    pub(super) sets: Vec<(String, String)>,
    /// Faults, as written.
    pub(super) faults: Vec<String>,
}

/// A world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) of: Makings,
    pub(super) plan: Plan,
    pub(super) bindings: Bindings,
    /// What comes of it; none without a recording.
    pub(super) replayed: Option<Replayed>,
}

/// What came of a replay.
#[derive(Debug)]
pub(super) struct Replayed {
    pub(super) scenario: Scenario,
    pub(super) outcome: Outcome,
    /// Every check that was made, and those behind the end of the rollout that the recording has; rising.
    pub(super) checks: Vec<Time>,
}

/// Why a world cannot be.
pub(super) enum Refused {
    /// By the checker.
    Findings(Box<Talked>, Vec<Diagnostic>),
    /// In words.
    Words(String),
}

/// How things stand right after a check.
pub(super) struct Here {
    pub(super) at: Time,
    pub(super) state: State,
    pub(super) observation: Observation,
}

impl World {
    /// Whether the change that made it was typed in as text of the policy.
    pub(super) fn typed(&self) -> bool {
        !self.of.change.is_empty() && !self.of.change.starts_with(':')
    }

    /// Makes a world.
    pub(super) fn make(of: Makings, recorded: Option<&Recorded>) -> Result<Self, Refused> {
        let (fields, params): (Vec<_>, Vec<_>) = of.sets.iter().cloned().partition(|(n, _)| change::is_field(n));
        let (set, bindings) = match of.policy.compile(&params) {
            Ok(made) => made,
            Err(found) => return Err(Refused::Findings(Box::new(of.policy.clone()), found)),
        };
        let mut plan = set.clone();
        for (name, value) in &fields {
            plan = change::set(&plan, name, value).map_err(Refused::Words)?;
        }
        let injections: Result<Vec<Injection>, String> = of.faults.iter().map(|f| inject::parse(f, &plan)).collect();
        let injections = injections.map_err(Refused::Words)?;
        let replayed = match recorded {
            None => None,
            Some(r) => {
                let was = |p: &&Plan| p.hash == r.recording.about.policy;
                let unchanged = Some(&set).filter(was).or(r.then.as_ref()).cloned();
                let scenario = Scenario { start: None, unchanged, injections, detail: Detail::Full, slice: None };
                if let Some(why) = misfit_watched(&plan, &r.recording, &scenario) {
                    return Err(Refused::Words(why));
                }
                Some(Replayed::of(&plan, r, scenario))
            }
        };
        Ok(Self { of, plan, bindings, replayed })
    }

    /// The scenario of another plan in the same world.
    pub(super) fn brief(&self) -> Option<Scenario> {
        let r = self.replayed.as_ref()?;
        Some(Scenario { detail: Detail::Brief, ..r.scenario.clone() })
    }
}

impl Replayed {
    fn of(plan: &Plan, r: &Recorded, scenario: Scenario) -> Self {
        let mut checks: Vec<Time> = Vec::new();
        let mut outcome = replay::watch(plan, &r.recording, &scenario, None, &mut |check: Check<'_>| {
            checks.push(check.at);
        });
        timeline::tell(&mut outcome);
        checks.sort_unstable();
        checks.dedup();
        Self { scenario, outcome, checks }
    }

    /// The first check.
    pub(super) fn start(&self) -> Time {
        self.outcome.start
    }

    /// The check at which it is over, or the last one that was made.
    pub(super) fn end(&self) -> Time {
        let end = self.outcome.end.max(self.over().unwrap_or(self.outcome.end));
        // what is told just before a check is told at it
        let behind = self.checks.partition_point(|t| *t < end);
        self.checks.get(behind).copied().unwrap_or_else(|| self.last())
    }

    /// The last check that there is, of the rollout or of the recording behind it.
    pub(super) fn last(&self) -> Time {
        self.checks.last().copied().unwrap_or(self.outcome.end)
    }

    /// The check at or before a moment; before the first one, the first.
    pub(super) fn check_at(&self, at: Time) -> Time {
        let behind = self.checks.partition_point(|t| *t <= at);
        self.checks.get(behind.saturating_sub(1)).copied().unwrap_or(self.outcome.start)
    }

    /// The check behind a moment.
    pub(super) fn next(&self, at: Time) -> Option<Time> {
        self.checks.get(self.checks.partition_point(|t| *t <= at)).copied()
    }

    /// What was decided behind `from`, up to and with `to`.
    pub(super) fn between(&self, from: Option<Time>, to: Time) -> Vec<Decision> {
        // what is read back at the very end is told a moment behind the last check
        let all = to >= self.last();
        let inside = |d: &&Decision| from.is_none_or(|f| d.at > f) && (all || d.at <= to);
        self.outcome.decisions.iter().filter(inside).cloned().collect()
    }

    /// Whether the rollout was over by then.
    pub(super) fn over_by(&self, at: Time) -> bool {
        self.over().is_some_and(|t| t <= at)
    }

    /// When it was over; none where the recording was over first, or it holds for good.
    pub(super) fn over(&self) -> Option<Time> {
        let finished = |d: &&Decision| matches!(d.record, Record::Finished { .. } | Record::Refused { .. });
        self.outcome.decisions.iter().rev().find(finished).map(|d| d.at)
    }

    /// The decisions as a journal has them.
    pub(super) fn events(&self, until: Time) -> Vec<Happened> {
        let one = |(seq, d): (u64, &Decision)| Happened { seq, at: d.at, slice: None, record: d.record.clone() };
        (0..).zip(self.outcome.decisions.iter().filter(|d| d.at <= until)).map(one).collect()
    }

    /// How things stand at a check.
    pub(super) fn here(&self, plan: &Plan, r: &Recorded, at: Time) -> Option<Here> {
        let mut found = None;
        let mut seen = None;
        let mut look = |wanted: Time| {
            replay::watch(plan, &r.recording, &self.scenario, Some(wanted), &mut |check: Check<'_>| {
                seen = Some(check.at);
                if check.at == wanted {
                    let observation = check.observation();
                    found = Some(Here { at: check.at, state: check.state.clone(), observation });
                }
            });
            (found.take(), seen)
        };
        match look(at) {
            (Some(here), _) => Some(here),
            // a runner that is away at that moment makes its check later
            (None, Some(before)) => look(before).0,
            (None, None) => None,
        }
    }
}

impl Here {
    /// What was answered before the start, by input.
    pub(super) fn baseline(&self) -> &[Option<Answer>] {
        &self.state.baseline
    }
}
