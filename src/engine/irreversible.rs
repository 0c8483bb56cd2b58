//! `irreversible "why"`: from the moment the phase's settings are asked for no rollback leads back across its beginning, whoever asks for
//! it. What would have been a rollback becomes a pause, and whoever waits for a rollback is told that there was none, and why.

use super::advance::latch_pause;
use super::explain::Explanation;
use super::reactions;
use super::record::Record;
use super::state::{Stage, State};
use super::step::Effect;
use crate::plan::{Happening, PhaseId, Plan, Time};

/// The last point of no return that was passed: the phase, and why.
fn passed<'p>(plan: &'p Plan, state: &State) -> Option<(PhaseId, &'p str)> {
    if state.target.epoch == 0 || matches!(state.stage, Stage::RollingBack(_)) {
        // nothing was asked for yet, or everything is on its way back already
        return None;
    }
    let entered = plan.phases.iter().enumerate().take(state.furthest.index() + 1);
    let mut points = entered.filter_map(|(i, p)| Some((PhaseId::at(i), p.irreversible.as_deref()?)));
    points.next_back()
}

/// Whether a rollback to a phase, or (`None`) of everything, would lead back across a point of no return.
pub(super) fn crosses(plan: &Plan, state: &State, to: Option<PhaseId>) -> bool {
    // `None` (everything) sorts before every phase
    passed(plan, state).is_some_and(|(point, _)| to < Some(point))
}

/// In place of a rollback that would cross the point: tells whoever waits for one, and pauses.
pub(super) fn stand(plan: &Plan, state: &mut State, at: Time, mut why: Explanation, out: &mut Vec<Effect>) {
    if let Some((point, because)) = passed(plan, state) {
        let name = plan.phase_name(point);
        why.summary.push_str(&format!("; NOT ROLLED BACK: phase {name} is irreversible: {because}"));
    }
    out.push(Effect::record(Record::NotRolledBack { explanation: why.clone() }));
    let text = format!("not rolled back, act by hand: {}", why.summary);
    reactions::told(plan, state, at, Happening::Rollback, &text, "", out);
    latch_pause(plan, state, at, why, out);
}
