//! `variants PORT { … }`: the label matchers of each population.

use super::Cx;
use super::scope::{Decl, duplicate};
use crate::plan::Release;
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

/// What stands for the release in label matchers.
const RELEASE: &str = "${release}";

impl Variants<'_> {
    /// The matchers with the releases of the rollout filled in.
    pub(super) fn released(&self, cx: &Cx<'_>, release: Option<&Release>) -> Option<BTreeMap<String, String>> {
        let mut out = BTreeMap::new();
        for (population, text) in &self.matchers {
            if !text.contains(RELEASE) {
                out.insert(population.clone(), text.clone());
                continue;
            }
            let name = release.and_then(|r| match population.as_str() {
                "canary" => Some(r.canary.as_str()),
                "stable" => r.stable.as_deref(),
                _ => None,
            });
            let Some(name) = name else {
                let missing = if release.is_some() { "names no stable one" } else { "names no release" };
                cx.push(
                    Diagnostic::error(
                        "E0518",
                        format!("nothing fills `{RELEASE}` for `{population}`: the rollout {missing}"),
                        self.span,
                        "",
                    )
                    .help("write `release canary \"…\" stable \"…\"` in the rollout, or the matchers themselves"),
                );
                return None;
            };
            out.insert(population.clone(), text.replace(RELEASE, name));
        }
        Some(out)
    }
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
            let filled = text.node.replace(RELEASE, "r");
            if filled.contains("${") || (population.node == "all" && filled != text.node) {
                ok = false;
                let what = if population.node == "all" {
                    "all releases have no name"
                } else {
                    "only `${release}` is filled in here"
                };
                self.push(
                    Diagnostic::error("E0518", what, text.span, "")
                        .help("`${release}` is the name behind `release canary` or `stable`; write the rest out"),
                );
                continue;
            }
            let query = format!("x{{{filled}}}");
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
        let by_release = |text: Option<&String>| text.is_some_and(|t| t.contains(RELEASE));
        if ok && out.get("canary") == out.get("stable") && !by_release(out.get("canary")) {
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
