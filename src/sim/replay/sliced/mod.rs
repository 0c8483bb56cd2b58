//! Replay of a rollout with slices: the same step as in a run ([`crate::engine::fleet`]), over a recording.
//!
//! Slices are those that the recording has answers of, each seen at the first check at which it has one; everything that joins them
//! (who begins, halts, switches for all, limits, the end) is the engine's. One slice is looked at closely, of the others decisions
//! and ends are kept: a picture of each of ten thousand would tell nobody anything.

mod answers;
mod drive;
mod lives;
mod notes;
pub mod outcome;

use super::exposed::Exposed;
use super::outcome::Outcome;
use super::{Detail, Scenario};
use crate::plan::slices::{Meant, written};
use crate::plan::{Plan, Slice, show};
use crate::sim::recording::Happened;
use crate::sim::recording::Recording;
use crate::sim::recording::sliced::Sliced;
use std::collections::BTreeSet;

/// So many slices are named in a message.
const NAMED: usize = 5;

/// Replays.
pub(super) fn replay(plan: &Plan, recording: &Recording, scenario: &Scenario) -> (Outcome, Exposed) {
    let driven = |shown, detail| drive::Driver::new(plan, recording, scenario, shown, detail).go();
    let asked = scenario.slice.as_ref().and_then(|meant| one(plan, recording, meant).ok());
    let shown = match scenario.detail {
        Detail::Course => None,
        // which of them ends worst is known when it has ended: replayed once more, with an eye on it
        Detail::Full | Detail::Brief => asked.or_else(|| driven(None, Detail::Course).2),
    };
    let (outcome, exposed, _) = driven(shown, scenario.detail);
    (outcome, exposed)
}

/// What of a scenario does not fit slices, with a way out.
pub(super) fn misfit(plan: &Plan, recording: &Recording, scenario: &Scenario) -> Option<String> {
    let (every, step) = (plan.check_every, recording.about.step);
    if !plan.slices.is_empty() && !recording.happened.is_empty() && every != step {
        let (every, step) = (show::duration(every), show::duration(step));
        return Some(format!(
            "{} checks every {every}, and the recorded run did every {step}: let it check every {step}",
            plan.rollout
        ));
    }
    match &scenario.slice {
        None => None,
        Some(_) if plan.slices.is_empty() => Some(format!("{} has no slices: leave `--slice` out", plan.rollout)),
        Some(meant) => one(plan, recording, meant).err(),
    }
}

/// The values of the slices of a recording.
fn values(recording: &Recording) -> BTreeSet<&[String]> {
    let rows = recording.series.iter().map(|s| s.key.slice.as_slice());
    let seen = recording.happened.iter().flat_map(|h| match h {
        Happened::Sliced(Sliced::Seen { slices, .. }) => slices.as_slice(),
        _ => &[],
    });
    rows.chain(seen.map(Vec::as_slice)).filter(|s| !s.is_empty()).collect()
}

/// The one slice that is meant.
fn one(plan: &Plan, recording: &Recording, meant: &Meant) -> Result<Vec<String>, String> {
    let dims: &[Slice] = &plan.slices;
    if let Some(name) = meant.unknown(dims).first() {
        let has: Vec<&str> = dims.iter().map(|d| d.name.as_str()).collect();
        return Err(format!("{} has no slices by `{name}`; it has {}", plan.rollout, has.join(", ")));
    }
    let all = values(recording);
    let found: Vec<&[String]> = all.iter().copied().filter(|s| meant.is(dims, s)).collect();
    let listed = |list: &mut dyn Iterator<Item = &[String]>, many: usize| {
        let named: Vec<String> = list.take(NAMED).map(|s| written(dims, s)).collect();
        let more = many.saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{more}", named.join(" · "))
    };
    match found.as_slice() {
        [slice] => Ok(slice.to_vec()),
        [] if all.is_empty() => Err(format!("no slice {} in the recording: it has none", meant.text())),
        [] => {
            let has = listed(&mut all.iter().copied(), all.len());
            Err(format!("no slice {} in the recording; it has {has}", meant.text()))
        }
        several => {
            let has = listed(&mut several.iter().copied(), several.len());
            Err(format!("{} means {} slices, {has}: name one", meant.text(), several.len()))
        }
    }
}
