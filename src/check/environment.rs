//! Environments: what each port, source, channel and action of a policy is bound to.

use super::lab_environment as lab;
use super::signatures::{self, Role, Signature};
use super::variants::Variants;
use super::{Cx, rollout, suggest};
use crate::plan::{Arg, Binding, Bindings, Millis, Release};
use crate::syntax::ast;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeMap;

/// What a rollout needs of its environment, each with the place of one use.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) sources: BTreeMap<String, Span>,
    pub(super) traffic: BTreeMap<String, Span>,
    pub(super) flags: BTreeMap<String, Span>,
    pub(super) actions: BTreeMap<String, Span>,
    pub(super) channels: BTreeMap<String, Span>,
    /// Probes and loads.
    pub(super) requests: BTreeMap<String, Span>,
    /// A query with `${where}`.
    pub(super) separable: Option<Span>,
}

impl Needs {
    fn all(&self) -> impl Iterator<Item = (Role, &str, Span)> {
        [
            (Role::Metrics, &self.sources),
            (Role::Traffic, &self.traffic),
            (Role::Flag, &self.flags),
            (Role::Action, &self.actions),
            (Role::Channel, &self.channels),
            (Role::Requests, &self.requests),
        ]
        .into_iter()
        .flat_map(|(role, map)| map.iter().map(move |(n, s)| (role, n.as_str(), *s)))
    }
}

/// How long a reload may take unless the environment says otherwise.
pub const RELOAD_WITHIN: Millis = 60_000;

/// The environment that a plan is compiled for.
pub(super) struct Chosen<'a> {
    name: String,
    /// `None`: the lab.
    declared: Option<&'a ast::Environment>,
    bound: BTreeMap<&'a str, (Option<Binding>, Span)>,
    variants: Vec<Variants<'a>>,
    people: BTreeMap<&'a str, Vec<String>>,
    labels: BTreeMap<&'a str, &'a str>,
}

/// The environment that was asked for, or the only one that is declared.
pub(super) fn choose<'a>(cx: &Cx<'a>, name: Option<&str>) -> Option<Chosen<'a>> {
    let declared = &cx.scope().environments;
    let start = cx.files.first().map_or_else(Span::default, |f| f.span.head());
    let mut names: Vec<&str> = declared.keys().copied().collect();
    names.push(lab::NAME);
    let found = match (name, declared.len()) {
        (Some(n), _) => match declared.get(n) {
            Some(e) => Some(*e),
            None if n == lab::NAME => None,
            None => {
                cx.push(Diagnostic::error("E0511", format!("no environment `{n}`"), start, "").help(suggest::help(
                    n,
                    &names,
                    "the environments here",
                    "",
                )));
                return None;
            }
        },
        (None, 1) => declared.values().next().copied(),
        (None, _) => {
            cx.push(
                Diagnostic::error("E0511", "no environment is chosen", start, "")
                    .help(format!("say which: {}", suggest::list(&names))),
            );
            return None;
        }
    };
    Some(Chosen {
        name: found.map_or_else(|| lab::NAME.to_owned(), |e| e.name.node.clone()),
        declared: found,
        bound: found.map(|e| cx.bindings(e)).unwrap_or_default(),
        variants: found.map(|e| cx.variants(e)).unwrap_or_default(),
        people: found.map(|e| cx.people(e)).unwrap_or_default(),
        labels: found.map(|e| cx.labels(e)).unwrap_or_default(),
    })
}

/// Finds everything that is wrong with an environment by itself.
pub(super) fn check<'a>(cx: &Cx<'a>, e: &'a ast::Environment) {
    let _ = cx.bindings(e);
    let _ = cx.variants(e);
    let _ = cx.people(e);
    let _ = cx.labels(e);
}

impl<'a> Chosen<'a> {
    /// The label that tells the value of a dimension, if the environment says it.
    pub(super) fn label(&self, dim: &str) -> Option<&'a str> {
        self.labels.get(dim).copied()
    }

    /// An environment that says who some people are says it of every group that the rollout waits for: a misspelt group would be
    /// anybody.
    pub(super) fn names_groups(&self, cx: &Cx<'a>, r: &'a ast::Rollout, groups: &[String]) {
        if self.people.is_empty() {
            return;
        }
        let known: Vec<&str> = self.people.keys().copied().collect();
        for g in groups.iter().filter(|g| !self.people.contains_key(g.as_str())) {
            // the place is the rollout, so this is no word that could be put in its place
            let help = format!("it names {}", super::suggest::list(&known));
            let message = format!("environment `{}` names nobody for group `{g}`", self.name);
            cx.push(Diagnostic::error("E0519", message, r.name.span, "waits for its approval").help(help));
        }
    }

    /// How often a source takes samples, if it is known.
    pub(super) fn scrape(&self, source: &str) -> Option<Millis> {
        if self.declared.is_none() {
            return Some(crate::plan::binding::LAB_SCRAPE);
        }
        let (binding, _) = self.bound.get(source)?;
        let binding = binding.as_ref()?;
        if binding.backend == "lab" {
            return Some(crate::plan::binding::LAB_SCRAPE);
        }
        match binding.arg("scrape").or_else(|| binding.arg("every")) {
            Some(Arg::Duration(ms)) => Some(*ms),
            _ => None,
        }
    }

    /// The backend of a source, if it reads bare selectors only.
    pub(super) fn page_only(&self, source: &str) -> Option<&str> {
        if self.declared.is_none() {
            return Some("lab_scrape");
        }
        let (binding, _) = self.bound.get(source)?;
        let backend = binding.as_ref()?.backend.as_str();
        (backend != "prometheus").then_some(backend)
    }

    /// The longest time that a flag of a rollout may take to be read anew.
    pub(super) fn longest_reload(&self, needs: &Needs) -> Millis {
        let binding = |name: &String| self.bound.get(name.as_str()).and_then(|(b, _)| b.as_ref());
        let within = |b: &Binding| match (b.arg("reload"), b.arg("reload_within")) {
            (None, _) => 0,
            (_, Some(Arg::Duration(ms))) => *ms,
            _ => RELOAD_WITHIN,
        };
        needs.flags.keys().filter_map(binding).map(within).max().unwrap_or(0)
    }

    /// All bindings that a rollout needs; everything that is missing is reported together.
    pub(super) fn bind(
        &self,
        cx: &Cx<'a>,
        r: &'a ast::Rollout,
        needs: &Needs,
        release: Option<&Release>,
    ) -> Option<Bindings> {
        let mut out = Bindings { environment: self.name.clone(), ..Bindings::default() };
        let mut missing: Vec<(Role, &str, Span)> = Vec::new();
        let mut bad = ["store", "evidence"].iter().any(|n| matches!(self.bound.get(n), Some((None, _))));
        for (role, name, span) in needs.all() {
            let binding = match self.declared {
                None => lab::binding(name, role, cx.group(name).is_some()),
                Some(_) => match self.bound.get(name) {
                    Some((b, _)) => b.clone(),
                    None => {
                        missing.push((role, name, span));
                        continue;
                    }
                },
            };
            match binding {
                Some(b) => {
                    out.bindings.insert(name.to_owned(), b);
                }
                // there, and bad: that was reported
                None => bad = true,
            }
        }
        // a line that could not be read, or a name that is a slip: that was told, and is the same mistake
        let broken = self.declared.map_or("", |e| cx.map.slice(e.span));
        let begins = |line: &str, name: &str| {
            let rest = line.trim_start().strip_prefix(name);
            rest.is_some_and(|r| !r.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        };
        let slips: Vec<&str> = self.bound.iter().filter(|(_, (b, _))| b.is_none()).map(|(n, _)| *n).collect();
        let found = missing.len();
        missing.retain(|(_, name, _)| {
            !broken.lines().any(|l| begins(l, name)) && suggest::nearest(name, slips.iter().copied()).is_none()
        });
        bad |= missing.len() < found;
        self.report_missing(cx, &missing);
        if self.declared.is_none() && needs.traffic.len() > 1 {
            let mut spans = needs.traffic.values();
            let first = spans.next().copied().unwrap_or(r.name.span);
            let mut d = Diagnostic::error(
                "E0510",
                "the lab has one balancer, and this rollout sets more than one traffic port",
                first,
                "",
            )
            .help("declare an environment of your own for it");
            for s in spans {
                d = d.also(*s, "and this one");
            }
            cx.push(d);
        }
        out.people = self.people.iter().map(|(g, p)| ((*g).to_owned(), p.clone())).collect();
        out.variants = self.variants_of(cx, needs, release)?;
        if bad {
            return None;
        }
        out.store = self.bound.get("store").and_then(|(b, _)| b.clone());
        out.evidence = self.bound.get("evidence").and_then(|(b, _)| b.clone());
        // places move when a comment is added above them: they are no part of the content
        let mut content = out.clone();
        for b in content.bindings.values_mut().chain(&mut content.store).chain(&mut content.evidence) {
            b.place = String::new();
        }
        out.hash = rollout::hash_of(&content)?;
        Some(out)
    }

    fn report_missing(&self, cx: &Cx<'a>, missing: &[(Role, &str, Span)]) {
        let Some((first_role, first, span)) = missing.first() else {
            return;
        };
        let names: Vec<&str> = missing.iter().map(|(_, n, _)| *n).collect();
        let mut d = Diagnostic::error(
            "E0506",
            format!("environment `{}` does not bind {}", self.name, suggest::list(&names)),
            *span,
            format!("`{first}` is {}", first_role.a()),
        );
        for (role, name, span) in missing.iter().skip(1) {
            d = d.also(*span, format!("`{name}` is {}", role.a()));
        }
        if let Some(e) = self.declared {
            d = d.also(e.name.span, "the environment");
        }
        let unused: Vec<&str> = self.bound.keys().copied().collect();
        let near = suggest::nearest(first, unused.iter().copied());
        let lines: Vec<String> = missing
            .iter()
            .map(|(role, name, _)| {
                let shape = signatures::of_role(*role).next().map(Signature::written).unwrap_or_default();
                format!("`{name} = {shape}`")
            })
            .collect();
        d = d.help(match near {
            Some(n) => format!("it binds `{n}`: is that what was meant? else add, for example, {}", lines.join(", ")),
            None => format!("add to it, for example, {}", lines.join(", ")),
        });
        cx.push(d);
    }

    /// What `${where}` is for the ports of a rollout.
    fn variants_of(&self, cx: &Cx<'a>, needs: &Needs, release: Option<&Release>) -> Option<BTreeMap<String, String>> {
        if self.declared.is_none() {
            return Some(lab::variants());
        }
        let ours: Vec<&Variants<'_>> = self
            .variants
            .iter()
            .filter(|v| needs.traffic.contains_key(&v.port.node) || needs.flags.contains_key(&v.port.node))
            .collect();
        let Some(first) = ours.first() else {
            if let Some(span) = needs.separable {
                let ours = |n: &ast::Name| needs.traffic.contains_key(&n.node) || needs.flags.contains_key(&n.node);
                let told = |e: &&ast::Environment| {
                    e.entries.iter().any(|x| matches!(x, ast::EnvEntry::Variants { port, .. } if ours(port)))
                };
                if self.declared.as_ref().is_some_and(told) {
                    // they are there, and wrong
                    return None;
                }
                let port = needs.traffic.keys().chain(needs.flags.keys()).next();
                let port = port.map_or("PORT", String::as_str);
                let mut d = Diagnostic::error(
                    "E0509",
                    format!("environment `{}` does not say what `${{where}}` is for `{port}`", self.name),
                    span,
                    "this query tells the canary from the rest",
                );
                if let Some(e) = self.declared {
                    d = d.also(e.name.span, "the environment");
                }
                cx.push(d.help(format!(
                    "add ``variants {port} {{ canary = `version=\"v2\"`   stable = `version=\"v1\"` }}``"
                )));
                return None;
            }
            return Some(BTreeMap::new());
        };
        if let Some(other) = ours.iter().find(|v| v.matchers != first.matchers) {
            cx.push(
                Diagnostic::error(
                    "E0490",
                    "two ports with different variants in one rollout are not built yet",
                    other.span,
                    format!("other than those of `{}`", first.port.node),
                )
                .also(first.span, "these")
                .help("make two rollouts of it"),
            );
            return None;
        }
        first.released(cx, release)
    }
}
