//! `variants PORT { … }`: the label matchers of each population.

use super::Cx;
use super::scope::{Decl, duplicate};
use crate::syntax::ast::{self, EnvEntry, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{Span, Spanned};
use std::collections::BTreeMap;

/// A `variants PORT { … }` line.
pub(super) struct Variants<'a> {
    pub(super) port: &'a Name,
    /// `canary`, `stable`, `all`.
    pub(super) matchers: BTreeMap<String, String>,
    pub(super) span: Span,
}

impl<'a> Cx<'a> {
    pub(super) fn variants(&self, e: &'a ast::Environment) -> Vec<Variants<'a>> {
        let mut out: Vec<Variants<'a>> = Vec::new();
        for entry in &e.entries {
            let EnvEntry::Variants { port, entries, span } = entry else {
                continue;
            };
            if let Some(first) = out.iter().find(|v| v.port.node == port.node) {
                self.push(duplicate(&port.node, port.span, first.port.span));
                continue;
            }
            let is_port = |d: &Decl<'_>| matches!(d, Decl::Traffic(_) | Decl::Flag(_) | Decl::Flags(_));
            let alone = self.scope().rollouts.is_empty();
            let elsewhere = self.others.contains(&port.node);
            let taken_at_its_word = (alone || elsewhere) && !self.scope().names.contains_key(port.node.as_str());
            if !taken_at_its_word
                && self.expect_decl(port, "ports", "declare it with `traffic name`", is_port).is_none()
            {
                continue;
            }
            if let Some(matchers) = self.matchers(port, entries, *span) {
                out.push(Variants { port, matchers, span: *span });
            }
        }
        out
    }

    fn matchers(
        &self,
        port: &Name,
        entries: &'a [(Name, Spanned<String>)],
        span: Span,
    ) -> Option<BTreeMap<String, String>> {
        let mut out = BTreeMap::new();
        let mut ok = true;
        for (population, text) in entries {
            if !["canary", "stable", "all"].contains(&population.node.as_str()) {
                ok = false;
                self.push(
                    Diagnostic::error(
                        "E0509",
                        format!("unknown population `{}`", population.node),
                        population.span,
                        "",
                    )
                    .help("there are `canary`, `stable` and `all`"),
                );
                continue;
            }
            if text.node.contains("${") {
                ok = false;
                self.push(super::not_built("${…} in an environment", text.span, self.map));
                continue;
            }
            let query = format!("x{{{}}}", text.node);
            let parsed = super::promql::parse(&query);
            if let Err(bad) = parsed {
                ok = false;
                self.push(
                    Diagnostic::error("E0509", format!("these are not label matchers: {}", bad.message), text.span, "")
                        .help("for example `` `version=\"v2\"` ``"),
                );
                continue;
            }
            if out.insert(population.node.clone(), text.node.trim().to_owned()).is_some() {
                ok = false;
                self.push(
                    Diagnostic::error("E0509", format!("`{}` is given twice", population.node), population.span, "")
                        .help("keep one of them"),
                );
            }
        }
        if ok && (!out.contains_key("canary") || !out.contains_key("stable")) {
            self.push(
                Diagnostic::error(
                    "E0509",
                    format!("`variants {}` must name `canary` and `stable`", port.node),
                    span,
                    "",
                )
                .help("the matchers that tell them apart: ``canary = `version=\"v2\"`   stable = `version=\"v1\"` ``"),
            );
            return None;
        }
        if ok && out.get("canary") == out.get("stable") {
            self.push(
                Diagnostic::error(
                    "E0509",
                    "canary and stable have the same matchers",
                    span,
                    "nothing tells them apart",
                )
                .help("name the label that differs"),
            );
            return None;
        }
        out.entry(String::from("all")).or_default();
        ok.then_some(out)
    }
}
