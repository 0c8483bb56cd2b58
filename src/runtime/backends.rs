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
    /// Ports in the plan's order; of a sliced rollout there are none, see [`Backends::slices`].
    pub ports: Vec<Arc<dyn Port>>,
    /// Where the ports of a slice come from, of a sliced rollout.
    pub slices: Option<Arc<dyn SlicePorts>>,
    /// Channels in the plan's order.
    pub channels: Vec<Arc<dyn Notifier>>,
    /// Actions in the plan's order.
    pub actions: Vec<Arc<dyn Runner>>,
    /// Label matchers of each population.
    pub variants: BTreeMap<String, String>,
}

/// Makes the ports of slices, which are not known before they are seen.
pub trait SlicePorts: Send + Sync {
    /// The ports of a slice, in the plan's order; its values are in the order of the plan's dimensions. To be called once a
    /// slice.
    ///
    /// # Errors
    /// Why this slice can have none: a value that would reach another place than its own.
    fn make(&self, slice: &[String]) -> Result<Vec<Arc<dyn Port>>, String>;

    /// Whether what all slices share (the file, the program) is there; all reasons why not.
    fn ready(&self) -> Vec<String>;
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
