//! The adapters that a plan's bindings name, connected.

use crate::backend::{Metrics, Notifier, Port, Runner};
use crate::plan::{ActionId, ChannelId, PortId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Everything a run talks to.
#[derive(Clone)]
pub struct Backends {
    /// Sources by name.
    pub sources: BTreeMap<String, Arc<dyn Metrics>>,
    /// Ports in the plan's order.
    pub ports: Vec<Arc<dyn Port>>,
    /// Channels in the plan's order.
    pub channels: Vec<Arc<dyn Notifier>>,
    /// Actions in the plan's order.
    pub actions: Vec<Arc<dyn Runner>>,
    /// Label matchers of each population.
    pub variants: BTreeMap<String, String>,
}

impl Backends {
    /// The port of an id.
    #[must_use]
    pub fn port(&self, id: PortId) -> Option<&Arc<dyn Port>> {
        self.ports.get(id.index())
    }

    /// The channel of an id.
    #[must_use]
    pub fn channel(&self, id: ChannelId) -> Option<&Arc<dyn Notifier>> {
        self.channels.get(id.index())
    }

    /// The action of an id.
    #[must_use]
    pub fn action(&self, id: ActionId) -> Option<&Arc<dyn Runner>> {
        self.actions.get(id.index())
    }
}
