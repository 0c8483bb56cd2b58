//! Replay: a policy over a recording, on virtual time, by the engine's own step.
//!
//! Whatever the recording knows is given to the engine as it was. What it cannot know (what a port would have been read as after a
//! decision that was not taken then, how an action would have ended) is made up by fixed rules, and each is an
//! [`outcome::Assumption`]:
//!
//! - What is asked for is read back just before the next check, as asked for; actions end well just before the next check after
//!   they were begun: the rules of `canary test`, by the same code.
//! - A run's own recording, with something changed: the policy as it was runs beside, on what was recorded. As long as both ask for
//!   the same, what was recorded then is what would have happened; from the first difference on the rules above hold.

mod answers;
mod assumed;
pub mod backtest;
pub mod change;
mod drive;
pub mod exposed;
pub mod inject;
mod life;
mod live;
pub mod outcome;
mod ports;
mod sliced;
pub mod sweep;
mod track;
mod watch;
pub mod when;

pub use inject::Injection;
pub use live::Live;
pub use track::Detail;
pub use watch::{Check, watch};
pub(super) use watch::{Watch, watched};

use super::recording::{Happened, Lack, Recording, fits};
use crate::plan::slices::Meant;
use crate::plan::{Plan, Population, Time, show};
use outcome::Outcome;

/// What is asked of a recording.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Scenario {
    /// When the rollout begins: the first check of the recording at or after it. `None`: where the recording begins.
    pub start: Option<Time>,
    /// The plan as its file says it, where the replayed one was changed.
    pub unchanged: Option<Plan>,
    /// What is put into the recording.
    pub injections: Vec<Injection>,
    /// How much is noted.
    pub detail: Detail,
    /// Of a rollout with slices: which one is looked at closely. `None`: the one that ended worst.
    pub slice: Option<Meant>,
}

/// Replays a plan over a recording. What [`misfit`] refuses comes to nothing, or to much that is not known.
#[must_use]
pub fn replay(plan: &Plan, recording: &Recording, scenario: &Scenario) -> Outcome {
    replay_exposed(plan, recording, scenario).0
}

/// [`replay`], and whom the rollout has reached.
#[must_use]
pub fn replay_exposed(plan: &Plan, recording: &Recording, scenario: &Scenario) -> (Outcome, exposed::Exposed) {
    if plan.slices.is_empty() {
        drive::Driver::new(plan, recording, scenario).go()
    } else {
        sliced::replay(plan, recording, scenario)
    }
}

/// Why a plan cannot be replayed over a recording, with a way out: a line each.
#[must_use]
pub fn misfit(plan: &Plan, recording: &Recording, scenario: &Scenario) -> Option<String> {
    if recording.series.iter().all(|s| s.times.is_empty()) && recording.happened.is_empty() {
        return Some(String::from("the recording is empty: it has no check at all"));
    }
    // what was before a start can be reckoned, or is missing: the engine says what comes of that
    let before = |l: &Lack| {
        matches!(
            l,
            Lack::Population { population: Population::Before, .. }
                | Lack::Question { population: Population::Before, .. }
        )
    };
    let lacks = fits(recording, plan).err().unwrap_or_default();
    let lacks: Vec<String> = lacks.iter().filter(|l| !before(l)).map(ToString::to_string).collect();
    if !lacks.is_empty() {
        return Some(lacks.join("\n"));
    }
    if let Some(why) = sliced::misfit(plan, recording, scenario) {
        return Some(why);
    }
    let (from, to) = span(recording);
    let late = scenario.start.filter(|t| *t > to)?;
    let (from, to) = (show::utc(from), show::utc(to));
    Some(format!("no check at or after {}: the recording is from {from} to {to}", show::utc(late)))
}

/// As [`misfit`], for whoever looks on at a replay check by check: of a rollout with slices that is not built.
#[must_use]
pub fn misfit_watched(plan: &Plan, recording: &Recording, scenario: &Scenario) -> Option<String> {
    if plan.slices.is_empty() {
        return misfit(plan, recording, scenario);
    }
    let text = "a rollout with slices cannot be looked at check by check yet: `canary sim --recording FILE --slice NAME=VALUE` replays it";
    Some(String::from(text))
}

/// The first check that a replay makes.
#[must_use]
pub fn first_check(recording: &Recording, start: Option<Time>) -> Time {
    let about = &recording.about;
    let (from, _) = span(recording);
    let Some(start) = start else { return began(recording).unwrap_or(from) };
    let checks = recording.happened.iter().filter(|h| h.is_check() == Some(true)).map(Happened::at);
    if recording.happened.is_empty() {
        let step = about.step.max(1);
        let behind = start.saturating_sub(from).max(0);
        return from.saturating_add(behind.div_euclid(step) * step + if behind % step == 0 { 0 } else { step });
    }
    checks.filter(|at| *at >= start).min().unwrap_or(start)
}

/// The first and the last moment of which a recording holds anything; what it says of itself may be more.
pub(crate) fn span(recording: &Recording) -> (Time, Time) {
    let rows = recording.series.iter().map(|s| &s.times);
    let first = rows.clone().filter_map(|t| t.first().copied()).chain(recording.happened.first().map(Happened::at));
    let last = rows.filter_map(|t| t.last().copied()).chain(recording.happened.last().map(Happened::at));
    let about = &recording.about;
    (first.min().unwrap_or(about.from), last.max().unwrap_or(about.from).min(about.to))
}

/// When the run began that wrote a recording.
fn began(recording: &Recording) -> Option<Time> {
    recording.happened.iter().find_map(Happened::begins)
}
