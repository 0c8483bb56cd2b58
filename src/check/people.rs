//! `people engineering = ["user-1"]` and `labels { tenant = "tenant_id" }`: who may approve, and which label tells a slice.

use super::Cx;
use super::scope::{Decl, duplicate};
use super::slices::is_label;
use super::types::Value;
use crate::syntax::ast::{self, EnvEntry, Name};
use crate::syntax::diagnostic::Diagnostic;
use std::collections::BTreeMap;

impl<'a> Cx<'a> {
    /// The groups of an environment; what is wrong with them is reported.
    pub(super) fn people(&self, e: &'a ast::Environment) -> BTreeMap<&'a str, Vec<String>> {
        let mut out: BTreeMap<&'a str, Vec<String>> = BTreeMap::new();
        let mut seen: Vec<&'a Name> = Vec::new();
        for entry in &e.entries {
            let EnvEntry::People { group, people, .. } = entry else { continue };
            if let Some(first) = seen.iter().find(|n| n.node == group.node) {
                self.push(duplicate(&group.node, group.span, first.span));
                continue;
            }
            seen.push(group);
            let Some(value) = self.constant(people, "people") else { continue };
            let mut names: Vec<String> = Vec::new();
            let problem = match value {
                Value::List(items) if items.is_empty() => Some(format!("group `{}` is nobody", group.node)),
                Value::List(items) => items.into_iter().find_map(|i| match i {
                    Value::Text(t) if t.trim().is_empty() => {
                        Some(format!("somebody in group `{}` has no name", group.node))
                    }
                    Value::Text(t) if names.contains(&t) => Some(format!("{t:?} is twice in group `{}`", group.node)),
                    Value::Text(t) => {
                        names.push(t);
                        None
                    }
                    other => Some(format!("people are named by texts, and this is {}", other.a())),
                }),
                other => Some(format!("a list of people is needed, and this is {}", other.a())),
            };
            if let Some(message) = problem {
                self.push(Diagnostic::error("E0519", message, people.span, "").help(
                    "for example `people engineering = [\"ada\", \"grace\"]`: names as the operating system knows them",
                ));
                continue;
            }
            out.insert(&group.node, names);
        }
        out
    }

    /// The labels of an environment's slices; what is wrong with them is reported.
    pub(super) fn labels(&self, e: &'a ast::Environment) -> BTreeMap<&'a str, &'a str> {
        let mut out: BTreeMap<&'a str, &'a str> = BTreeMap::new();
        for (dim, label) in e.entries.iter().flat_map(|entry| match entry {
            EnvEntry::Labels { entries, .. } => entries.as_slice(),
            _ => &[],
        }) {
            let alone = self.scope().rollouts.is_empty() || self.others.contains(&dim.node);
            if !alone || self.scope().names.contains_key(dim.node.as_str()) {
                let is_slice = |d: &Decl<'_>| matches!(d, Decl::Slice(_));
                let how = "declare it with `slice name in [\"a\", \"b\"]` or `slice name of metric`";
                if self.expect_decl(dim, "slices", how, is_slice).is_none() {
                    continue;
                }
            }
            if !is_label(&label.node) {
                self.push(
                    Diagnostic::error("E0520", format!("{:?} cannot be a label's name", label.node), label.span, "")
                        .help("a label's name is made of letters, digits and `_`, as in `tenant = \"tenant_id\"`"),
                );
                continue;
            }
            if let Some((other, _)) = out.iter().find(|(d, l)| **l == label.node && **d != dim.node) {
                self.push(
                    Diagnostic::error(
                        "E0520",
                        format!("`{other}` and `{}` are told by one label", dim.node),
                        label.span,
                        "",
                    )
                    .help("each dimension has a label of its own"),
                );
                continue;
            }
            if out.insert(&dim.node, &label.node).is_some() {
                self.push(
                    Diagnostic::error(
                        "E0520",
                        format!("the label of `{}` is given twice", dim.node),
                        dim.span,
                        "again here",
                    )
                    .help("keep one of them"),
                );
            }
        }
        out
    }
}
