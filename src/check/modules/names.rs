//! Which names a file declares, and which of them another file may use.

use crate::syntax::ast::{self, Item, Name};
use std::collections::BTreeSet;

/// The names that an item declares among the names of a file.
pub(super) fn of_item(item: &Item) -> Vec<&Name> {
    match item {
        Item::Param(d) => vec![&d.name],
        Item::Let(d) => vec![&d.name],
        Item::Metric(d) => vec![&d.name],
        Item::Traffic(d) => vec![&d.name],
        Item::Flag(d) => vec![&d.name],
        Item::Flags(d) => vec![&d.name],
        Item::Action(d) => vec![&d.name],
        Item::Channel(names) => names.iter().collect(),
        Item::Killswitch(d) => vec![&d.name],
        Item::Slice(d) => vec![&d.name],
        Item::Probe(d) => vec![&d.name],
        Item::Load(d) => vec![&d.name],
        Item::Window(d) => vec![&d.name],
        Item::Signoff(d) => vec![&d.name],
        Item::Slo(d) => vec![&d.name],
        Item::Score(d) => vec![&d.name],
        Item::Edition(_)
        | Item::Environment(_)
        | Item::Rollout(_)
        | Item::Use(_)
        | Item::Imported(_)
        | Item::Test(_)
        | Item::Junk(_) => Vec::new(),
    }
}

/// Whether an item of a module comes along. Its rollouts, environments and tests do not: they are run, bound and tried out where
/// that file is checked itself. What could not be understood does, so that no plan is made beside it.
pub(super) fn importable(item: &Item) -> bool {
    !matches!(item, Item::Edition(_) | Item::Environment(_) | Item::Rollout(_) | Item::Test(_))
}

/// The names that a file declares itself.
pub(super) fn declared(items: &[Item]) -> BTreeSet<String> {
    items.iter().flat_map(of_item).map(|n| n.node.clone()).collect()
}

/// The names that a file which imports this one may say. What it imports itself is its own business.
pub(super) fn exported(file: &ast::File) -> BTreeSet<String> {
    declared(&file.items)
}
