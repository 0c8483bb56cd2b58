//! The program as it grows: nodes are added once, and looked through.

use super::expr::Lower;
use crate::plan::{InputId, Node, NodeId, Population};
use std::collections::BTreeSet;

/// By what a node is found again; none of one that has a state of its own. A past is the run's, and nobody's to begin anew: all who
/// look back at the same share one.
pub(super) fn key(node: &Node) -> Option<String> {
    match *node {
        Node::For { .. } | Node::Accumulated { .. } => None,
        Node::OverTime { of, how, window, .. } => Some(format!("{:?}", Node::OverTime { of, how, window, slot: 0 })),
        ref other => Some(format!("{other:?}")),
    }
}

impl Lower<'_, '_> {
    /// Adds a node, or finds the same one.
    pub(super) fn push(&mut self, node: Node) -> NodeId {
        let key = key(&node);
        if let Some(id) = key.as_ref().and_then(|k| self.shared.get(k)) {
            return *id;
        }
        let id = NodeId::at(self.program.nodes.len());
        if let Some(key) = key {
            self.shared.insert(key, id);
        }
        self.program.nodes.push(node);
        id
    }

    /// Whether a value is computed from counted events.
    pub(super) fn sized(&self, node: NodeId) -> bool {
        match self.program.nodes.get(node.index()) {
            Some(Node::Events { .. } | Node::Share { .. } | Node::Quantile { .. }) => true,
            // a score has no sample size, whatever its parts have
            Some(Node::Scored { .. }) => false,
            Some(n) => n.operands().any(|o| self.sized(o)),
            None => false,
        }
    }

    /// The inputs below a node, without those of `before`: they are read once, before anything changes.
    pub(super) fn inputs_below(&self, node: NodeId) -> Vec<InputId> {
        let mut out = BTreeSet::new();
        let mut todo = vec![node];
        while let Some(n) = todo.pop() {
            if let Some(n) = self.program.nodes.get(n.index()) {
                out.extend(n.inputs());
                todo.extend(n.operands());
            }
        }
        out.into_iter()
            .filter(|i| self.inputs.list.get(i.index()).is_some_and(|i| i.population != Population::Before))
            .collect()
    }

    /// The first comparison of a condition, in the order of the text.
    pub(super) fn first_comparison(&self, node: NodeId) -> Option<NodeId> {
        match self.program.nodes.get(node.index())? {
            Node::Compare { .. } => Some(node),
            n => n.operands().find_map(|o| self.first_comparison(o)),
        }
    }
}
