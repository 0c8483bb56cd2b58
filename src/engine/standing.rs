//! Where a run stands at a check, and what keeps its phase open: what an explanation of any past check needs beside what was read.
//! Kept with every check; what it means is computed when somebody asks.

use super::advance::step_text;
use super::eval::{Check, is_finite};
use super::explain::{GuardReport, InputReport, guard_reports, input_reports};
use super::gate::waits_for;
use super::given::Given;
use super::rollback::next_undo;
use super::state::{Paused, Stage, State, StepRun, Waiting, Word};
use super::step::Input;
use super::tick::as_asked;
use super::truth::Truth;
use crate::plan::{Answer, Consequence, GuardId, Millis, Missing, PhaseId, Plan, Setting, Step, Time, show};
use serde::{Deserialize, Serialize};

/// What is kept of one check beside the journal: it can be pruned, and every explanation of the check is computed from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// What every input was answered.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// What every port was last read as.
    #[serde(default)]
    pub ports: Vec<Option<Setting>>,
    /// What every guard said that had been judged by then and watches on.
    #[serde(default)]
    pub guards: Vec<GuardReport>,
    /// Where the run stood; none in what earlier versions have kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Standing>,
}

/// What of a check is known only while it is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    live: bool,
    as_asked: bool,
}

impl Seen {
    /// Of an input that is about to be stepped; none of one that is no check.
    #[must_use]
    pub fn of(before: &State, input: &Input<'_>) -> Option<Self> {
        match input {
            Input::Start { .. } => Some(Self { live: true, as_asked: false }),
            Input::Tick { ports, ports_epoch, live, .. } => {
                Some(Self { live: *live, as_asked: as_asked(before, ports, *ports_epoch) })
            }
            _ => None,
        }
    }

    /// Of a check of a slice: a start, where it had not begun.
    #[must_use]
    pub fn of_tick(before: &State, ports: &[Option<Setting>], ports_epoch: u32, live: bool) -> Self {
        Self { live, as_asked: before.stage != Stage::Idle && as_asked(before, ports, ports_epoch) }
    }
}

/// Where a run stood right after a check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// Whether it was made at its time and with the journal in reach: a phase ends on no other.
    pub live: bool,
    /// Whether every port was read at it as asked for.
    pub as_asked: bool,
    /// In a phase, being taken back, or over.
    pub stage: Stage,
    /// The phase entered last.
    pub phase: PhaseId,
    /// When it was entered.
    pub entered: Time,
    /// When what it sets was asked for last.
    pub requested: Time,
    /// When its settings were read back.
    pub verified: Option<Time>,
    /// The check from which its goals count.
    pub settled: Option<Time>,
    /// Whether an action of a later phase was still to be undone.
    pub undoing: bool,
    /// A latched pause.
    pub paused: Option<Paused>,
    /// Index of the step under way; past the last one when all were done.
    pub step: usize,
    /// Its awaited action.
    pub step_run: Option<StepRun>,
    /// What its `hold` had counted, in milliseconds, and whether it ran on from this check.
    pub hold: (Millis, bool),
    /// What its `within` had counted, in milliseconds, and whether it ran on.
    pub within: (Millis, bool),
    /// What its condition was.
    pub promote: Option<Truth>,
    /// What its ramp had come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ramp: Option<Setting>,
    /// What the next raise waited for, though the rollout was ready for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Since when a phase that holds for good counted as promoted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted: Option<Time>,
    /// Whether nothing had been asked for yet: the first raise waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unbegun: bool,
}

impl Observation {
    /// Of the check that has just been made.
    #[must_use]
    pub fn of(plan: &Plan, state: &State, seen: Seen, answers: &[Answer], ports: &[Option<Setting>]) -> Self {
        let standing = Standing {
            live: seen.live,
            as_asked: seen.as_asked,
            stage: state.stage,
            phase: state.phase,
            entered: state.entered,
            requested: state.target.requested,
            verified: state.target.verified,
            settled: state.target.settled,
            undoing: next_undo(state).is_some(),
            paused: state.paused.clone(),
            step: state.step,
            step_run: state.step_run,
            hold: (state.hold.counted, state.hold.runs()),
            within: (state.within.counted, state.within.runs()),
            promote: state.promote.get(state.step).copied(),
            ramp: state.ramp,
            waiting: state.waiting,
            promoted: state.promoted,
            unbegun: state.target.epoch == 0,
        };
        // NaN and ±∞ have no JSON: one of them would make the whole check unreadable
        let kept = |a: &Answer| match &a.value {
            Ok(r) if !is_finite(r) => Answer { value: Err(Missing::NotANumber), ..a.clone() },
            _ => a.clone(),
        };
        Self {
            answers: answers.iter().map(kept).collect(),
            ports: ports.to_vec(),
            guards: guard_reports(plan, state),
            standing: Some(standing),
        }
    }

    /// What was read for a guard at the check: staleness is judged as it was then.
    #[must_use]
    pub fn inputs(&self, plan: &Plan, baseline: &[Option<Answer>], at: Time, guard: GuardId) -> Vec<InputReport> {
        let Some(guard) = plan.guards.get(guard.index()) else { return Vec::new() };
        let mut state = State::new(plan);
        state.baseline = baseline.to_vec();
        let check = Check { plan, at, answers: &self.answers, given: Given::NONE };
        input_reports(check, &state, &guard.inputs)
    }
}

/// Something that keeps a phase open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Blocker {
    /// `not_live`, `paused`, `waiting`, `settings`, `ports`, `undo`, `guard`, `step`.
    pub kind: &'static str,
    /// Its name, where it has one: a guard's.
    pub name: Option<String>,
    /// In a sentence.
    pub text: String,
}

impl Blocker {
    fn new(kind: &'static str, text: impl Into<String>) -> Self {
        Self { kind, name: None, text: text.into() }
    }
}

impl Standing {
    /// Why the phase did not end at this check: everything that stood in the way, at the check at `at`. Nothing for a run that was
    /// not in a phase.
    #[must_use]
    pub fn open(&self, plan: &Plan, guards: &[GuardReport], at: Time) -> Vec<Blocker> {
        if !matches!(self.stage, Stage::Phase(_)) {
            return Vec::new();
        }
        let mut out = Vec::new();
        if !self.live {
            let text = "the check was not live: it was made later than its time, or while the store was out of reach";
            out.push(Blocker::new("not_live", text));
        }
        if let Some(p) = &self.paused {
            let since = show::roughly((at - p.since).max(0));
            out.push(Blocker::new("paused", format!("paused {since} before: {}", p.why)));
        }
        if let Some(w) = self.waiting {
            let since = show::roughly((at - w.since).max(0));
            out.push(Blocker::new(
                "waiting",
                format!("the next raise waits for {}, for {since}", waits_for(plan, w.on)),
            ));
        }
        if self.unbegun {
            // no guard watches yet, and no step is under way
            return out;
        }
        out.extend(self.settings(plan, at));
        if self.verified.is_some() && self.entered < at && !self.as_asked {
            out.push(Blocker::new("ports", "not every port was read as asked for at this check"));
        }
        out.extend(self.guards(plan, guards));
        out.extend(self.steps(plan, guards));
        out
    }

    fn settings(&self, plan: &Plan, at: Time) -> Option<Blocker> {
        let Some(verified) = self.verified else {
            let asked = show::roughly((at - self.requested).max(0));
            let text = if self.entered == at {
                String::from("the phase was entered at this check")
            } else if self.requested == at {
                String::from("its settings are asked for at this check")
            } else {
                format!("its settings, asked for {asked} before, had not been read back")
            };
            return Some(Blocker::new("settings", text));
        };
        if self.undoing {
            return Some(Blocker::new("undo", "an action of a later phase was still being undone"));
        }
        if self.settled.is_some() {
            return None;
        }
        let left = (verified + plan.settle.unwrap_or(0) - at).max(0);
        let text = if left > 0 {
            format!("its settings are given {} to settle", show::roughly(left))
        } else {
            String::from("goals count from the first live check after the read-back")
        };
        Some(Blocker::new("settings", text))
    }

    /// Guards that can keep a phase open and were not ok.
    fn guards(&self, plan: &Plan, reports: &[GuardReport]) -> Vec<Blocker> {
        let mut out = Vec::new();
        for g in &plan.guards {
            let watches = g.from <= self.phase && g.until.is_none_or(|until| self.phase < until);
            if !watches || g.otherwise == Consequence::Tell {
                continue;
            }
            let text = match reports.iter().find(|r| r.guard == g.name) {
                Some(r) if r.word == Word::Ok => continue,
                Some(r) => format!("guard {} is {}", g.name, r.word.text()),
                None => format!("guard {} has not been judged in this phase", g.name),
            };
            out.push(Blocker { kind: "guard", name: Some(g.name.clone()), text });
        }
        out
    }

    /// The step under way, and those behind it.
    fn steps(&self, plan: &Plan, reports: &[GuardReport]) -> Vec<Blocker> {
        let steps = plan.phases.get(self.phase.index()).map_or(&[][..], |p| p.steps.as_slice());
        let mut out = Vec::new();
        for (i, step) in steps.iter().enumerate().skip(self.step) {
            let name = step_text(plan, step);
            let text = if i > self.step {
                format!("`{name}` is still to come")
            } else {
                self.under_way(plan, step, &name, reports)
            };
            out.push(Blocker::new("step", text));
        }
        out
    }

    fn under_way(&self, plan: &Plan, step: &Step, name: &str, reports: &[GuardReport]) -> String {
        match step {
            Step::Run { .. } => match self.step_run {
                None => format!("`{name}` was still to begin"),
                Some(StepRun::Running) => format!("`{name}` was under way"),
                Some(StepRun::Succeeded) => format!("`{name}` had succeeded and waited for a check"),
                Some(StepRun::Failed) => format!("`{name}` had failed"),
            },
            Step::Hold(d) => {
                let counted = format!("`{name}`: {} of {} observed", show::duration(self.hold.0), show::duration(*d));
                if self.hold.1 || self.hold.0 >= *d {
                    return counted;
                }
                format!("{counted}, frozen because {}", self.frozen_by(plan, reports))
            }
            Step::Promote { within, .. } | Step::HoldUntil { within, .. } => {
                let truth = match self.promote {
                    Some(Truth::True) => "true, and waits for the rest",
                    Some(Truth::False) => "false",
                    Some(Truth::Unknown) | None => "not known",
                };
                let limit = within.map_or_else(String::new, |(d, otherwise)| {
                    let used = show::duration(self.within.0);
                    format!("; {used} of {} used up, then {}", show::duration(d), otherwise.word())
                });
                format!("`{name}` is {truth}{limit}")
            }
            Step::HoldForever => match self.promoted {
                Some(_) => format!("`{name}` is reached: it stays as it is"),
                None => format!("`{name}` is reached, and is the promotion once every guard is ok"),
            },
            Step::Ramp { every, .. } => match self.ramp {
                Some(v) => {
                    let counted = show::duration(self.hold.0.min(*every));
                    format!("`{name}` is at {v}, {counted} of {} observed there", show::duration(*every))
                }
                None => format!("`{name}` was still to begin"),
            },
        }
    }

    /// What stops `hold` at this check.
    fn frozen_by(&self, plan: &Plan, reports: &[GuardReport]) -> String {
        if !self.live {
            return String::from("the check was not live");
        }
        if self.paused.is_some() {
            return String::from("it is paused");
        }
        if self.settled.is_none() {
            return String::from("the settings are not read back and settled");
        }
        let tells = |r: &GuardReport| plan.guards.iter().any(|g| g.name == r.guard && g.otherwise == Consequence::Tell);
        let names: Vec<String> = reports
            .iter()
            .filter(|r| r.word.freezes_hold() && !tells(r))
            .map(|r| format!("guard {} is {}", r.guard, r.word.text()))
            .collect();
        if names.is_empty() { String::from("a guard has not been judged yet") } else { names.join(", ") }
    }
}
