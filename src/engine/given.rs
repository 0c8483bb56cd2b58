//! What is said instead of measured: values in the place of nodes. `run` says nothing; a test, and whoever asks "what if", says
//! what a metric was, and the same step goes on with it.

use super::eval::{Check, Value};
use crate::plan::{GuardId, InputId, NodeId, Plan};
use std::collections::BTreeSet;

/// What holds at one check without being measured. Empty in `run`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Given<'a> {
    /// Values of nodes, sorted by node: fresh, complete, and without a window that could still be warming.
    pub nodes: &'a [(NodeId, Value)],
    /// Guards that are ok without values, sorted.
    pub guards: &'a [GuardId],
    /// Preflight conditions that are true without values, by their place in the plan, sorted.
    pub requires: &'a [usize],
    /// Whether `advance when` is true without values.
    pub opens_gate: bool,
}

impl Given<'_> {
    /// Nothing: everything is measured.
    pub const NONE: Given<'static> = Given { nodes: &[], guards: &[], requires: &[], opens_gate: false };

    /// Whether everything is measured.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.nodes.is_empty() && self.guards.is_empty() && self.requires.is_empty() && !self.opens_gate
    }

    /// The value that stands for a node.
    #[must_use]
    pub fn value(&self, node: NodeId) -> Option<Value> {
        let i = self.nodes.binary_search_by_key(&node, |(n, _)| *n).ok()?;
        self.nodes.get(i).map(|(_, v)| *v)
    }

    /// Whether a guard is ok without values.
    #[must_use]
    pub fn assumes(&self, guard: GuardId) -> bool {
        self.guards.binary_search(&guard).is_ok()
    }

    /// Whether a preflight condition is true without values.
    #[must_use]
    pub fn grants(&self, require: usize) -> bool {
        self.requires.binary_search(&require).is_ok()
    }
}

/// The inputs that are read below a node, those below a given one left out.
#[must_use]
pub fn read_below(plan: &Plan, given: Given<'_>, root: NodeId) -> BTreeSet<InputId> {
    let mut out = BTreeSet::new();
    any_below(plan, given, root, &mut |id| {
        out.insert(id);
        false
    });
    out
}

/// Whether any of the inputs that are read below a node, those below a given one left out, is as asked.
pub(super) fn any_below(plan: &Plan, given: Given<'_>, root: NodeId, is: &mut dyn FnMut(InputId) -> bool) -> bool {
    if given.value(root).is_some() {
        return false;
    }
    plan.program.nodes.get(root.index()).is_some_and(|node| {
        node.inputs().any(&mut *is) || node.operands().any(|operand| any_below(plan, given, operand, is))
    })
}

impl Check<'_> {
    /// Those of a condition's inputs that are still measured: what is given counts neither for warming nor for what is missing.
    pub(super) fn measured<'p>(
        &self,
        root: NodeId,
        inputs: &'p [InputId],
    ) -> impl Iterator<Item = InputId> + use<'p, '_> {
        let (plan, given) = (self.plan, self.given);
        let read = move |i: &InputId| given.nodes.is_empty() || any_below(plan, given, root, &mut |read| read == *i);
        inputs.iter().copied().filter(read)
    }
}
