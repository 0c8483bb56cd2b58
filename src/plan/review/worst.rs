//! How long harm can last that a guard rolls back: from the fault to the moment at which traffic is what it was.

use super::below;
use crate::plan::render::watches;
use crate::plan::{
    Bindings, Consequence, Guard, Input, Millis, Node, NodeId, PhaseId, Plan, Population, Temporal, Tolerance,
};
use serde::Serialize;

/// The worst case of one guard, part by part, in milliseconds. It holds while the source answers; a silent source is the matter of
/// `no data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Worst {
    /// The guard.
    pub guard: String,
    /// A window must fill with what is bad before the condition has to be false.
    pub window_ms: Millis,
    /// Until a sample is taken, and until the source has it.
    pub scrape_ms: Millis,
    /// A condition inside the guard that must last: `not (C for 2 checks)`.
    pub lasting_ms: Millis,
    /// What the guard tolerates, in whole checks.
    pub tolerance_ms: Millis,
    /// Until the next check.
    pub interval_ms: Millis,
    /// Until what is taken back is read back, at most: then people are told that it is not.
    pub actuation_ms: Millis,
    /// All of it.
    pub total_ms: Millis,
}

/// The worst case of a guard that rolls back; none of one that does not.
#[must_use]
pub fn worst(plan: &Plan, bindings: &Bindings, guard: &Guard) -> Option<Worst> {
    if !matches!(guard.otherwise, Consequence::Rollback(_)) {
        return None;
    }
    let inputs = || guard.inputs.iter().filter_map(|i| plan.inputs.get(i.index()));
    let most = |of: &dyn Fn(&Input) -> Millis| inputs().map(of).max().unwrap_or(0);
    let window_ms = farthest(plan, guard.healthy, &|i| i.reach);
    let scrape_ms = most(&|i| i.lag.saturating_add(bindings.scrape(&i.source)));
    let lasting_ms = lasting(plan, guard.healthy);
    let tolerance_ms = match guard.tolerate {
        Tolerance::For(d) => on_the_grid(plan, d),
        Tolerance::Checks(n) => checks(plan, n),
    };
    let (interval_ms, actuation_ms) = (plan.check_every, plan.verify_within);
    let total_ms = [window_ms, scrape_ms, lasting_ms, tolerance_ms, interval_ms, actuation_ms]
        .into_iter()
        .fold(0_i64, Millis::saturating_add);
    Some(Worst {
        guard: guard.name.clone(),
        window_ms,
        scrape_ms,
        lasting_ms,
        tolerance_ms,
        interval_ms,
        actuation_ms,
        total_ms,
    })
}

/// The longest stretch that a temporal operator below a condition asks for.
pub(super) fn lasting(plan: &Plan, condition: NodeId) -> Millis {
    let length = |t: Temporal| match t {
        Temporal::For(d) | Temporal::ShareOf(_, d) => on_the_grid(plan, d),
        Temporal::Checks(n) | Temporal::KOfN(_, n) => checks(plan, n),
    };
    let all = below(plan, condition);
    all.into_iter()
        .filter_map(|n| if let Node::For { op, .. } = n { Some(length(*op)) } else { None })
        .max()
        .unwrap_or(0)
}

/// How far back a condition reaches, lag included.
pub(super) fn reach(plan: &Plan, condition: NodeId) -> Millis {
    farthest(plan, condition, &|i| i.reach.saturating_add(i.lag))
}

/// How far back a condition reaches: by its inputs, and by windows of checks around them, which add up.
fn farthest(plan: &Plan, condition: NodeId, of: &dyn Fn(&Input) -> Millis) -> Millis {
    // a node's operands stand before it: what is known of it when its turn comes is all there is
    let mut around: Vec<Option<Millis>> = vec![None; plan.program.nodes.len()];
    if let Some(root) = around.get_mut(condition.index()) {
        *root = Some(0);
    }
    let mut farthest = 0;
    for (i, node) in plan.program.nodes.iter().enumerate().rev() {
        let Some(mut ago) = around.get(i).copied().flatten() else { continue };
        if let Node::OverTime { window, .. } = node {
            ago = ago.saturating_add(*window);
        }
        let inputs = node.inputs().filter_map(|i| plan.inputs.get(i.index()));
        let inputs = inputs.filter(|i| i.population != Population::Before).map(of).max().unwrap_or(0);
        farthest = farthest.max(ago.saturating_add(inputs));
        for o in node.operands() {
            if let Some(slot) = around.get_mut(o.index()) {
                *slot = Some(slot.unwrap_or(0).max(ago));
            }
        }
    }
    farthest
}

/// A duration is used up at a check: the first one at or after it.
fn on_the_grid(plan: &Plan, d: Millis) -> Millis {
    let every = plan.check_every.max(1);
    d.saturating_add(every - 1) / every * every
}

/// The first of n checks is the one that [`Worst::interval_ms`] waits for.
fn checks(plan: &Plan, n: u32) -> Millis {
    plan.check_every.saturating_mul(i64::from(n.saturating_sub(1)))
}

/// How long the guards of a phase are warming after its settings were verified.
pub(in crate::plan) fn warming(plan: &Plan, phase: PhaseId) -> Millis {
    plan.guards
        .iter()
        .filter(|g| watches(g, phase) && g.otherwise != Consequence::Tell)
        .map(|g| reach(plan, g.healthy))
        .max()
        .unwrap_or(0)
}
