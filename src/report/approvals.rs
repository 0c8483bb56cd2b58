//! Whose approval a run waits for, and how it is given.

use crate::engine::explain::guard_reports;
use crate::engine::{Stage, State, Word};
use crate::plan::{Node, NodeId, PhaseId, Plan, Step};

/// The groups whose approval keeps the phase from ending, once everything before it is done: its settings are read back, its steps
/// up to `promote when` are done, every guard that can block is ok and nothing is paused. None where it waits for something else.
#[must_use]
pub fn awaited<'p>(plan: &'p Plan, state: &State) -> Vec<&'p str> {
    let Stage::Phase(phase) = state.stage else { return Vec::new() };
    let step = plan.phases.get(phase.index()).and_then(|p| p.steps.get(state.step));
    let Some(Step::Promote { when, .. }) = step else { return Vec::new() };
    let blocked = |g: &crate::engine::GuardReport| g.word != Word::Ok && g.otherwise != "tell";
    if state.paused.is_some()
        || state.waiting.is_some()
        || state.target.settled.is_none()
        || guard_reports(plan, state).iter().any(blocked)
    {
        return Vec::new();
    }
    let mut out = Vec::new();
    missing(plan, state, phase, *when, &mut out);
    out
}

/// Approvals that a condition cannot be true without, and has not.
fn missing<'p>(plan: &'p Plan, state: &State, phase: PhaseId, node: NodeId, out: &mut Vec<&'p str>) {
    match plan.program.nodes.get(node.index()) {
        Some(Node::And(a, b)) => {
            missing(plan, state, phase, *a, out);
            missing(plan, state, phase, *b, out);
        }
        Some(Node::Approved { group, valid }) => {
            let now = state.last.unwrap_or_default();
            let given = state.approvals.iter().any(|a| {
                a.group == *group && a.phase == phase && valid.is_none_or(|valid| now.saturating_sub(a.at) < valid)
            });
            let name = plan.group_name(*group);
            if !given && !out.contains(&name) {
                out.push(name);
            }
        }
        _ => {}
    }
}

/// What a person is told who looks: `waits for approval of engineering: canary approve engineering shop --why "…"`.
#[must_use]
pub fn text(plan: &Plan, groups: &[&str]) -> String {
    let one = |g: &&str| format!("`canary approve {g} {} --why \"…\"`", plan.rollout);
    let how: Vec<String> = groups.iter().map(one).collect();
    format!("waits for approval of {}: {}", groups.join(" and of "), how.join(", "))
}
