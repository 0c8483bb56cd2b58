//! Which names there are: all files of a run share one namespace.

use super::{Cx, later, suggest};
use crate::syntax::ast::{self, Item, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeMap;

/// Names that the language gives a meaning; `canary` may name a phase.
pub const PREDECLARED: [&str; 8] = ["stable", "before", "healthy", "undecided", "now", "phase", "rollout", "canary"];

/// What a name stands for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decl<'a> {
    Param(&'a ast::Param),
    Let(&'a ast::Let),
    Metric(&'a ast::Metric),
    Traffic(&'a ast::Traffic),
    Flag(&'a ast::Flag),
    /// A group.
    Flags(&'a ast::Flags),
    Action(&'a ast::Action),
    Channel(&'a Name),
    Switch(&'a ast::Killswitch),
    /// Declared by something that is not built yet: its uses are not reported again.
    Unbuilt(&'a ast::Unbuilt),
    /// The same.
    Later(&'a Name),
}

impl Decl<'_> {
    /// Its kind, with its article.
    pub(super) fn a(&self) -> &'static str {
        match self {
            Self::Param(_) => "a param",
            Self::Let(_) => "a `let`",
            Self::Metric(_) => "a metric",
            Self::Traffic(_) => "a traffic port",
            Self::Flag(_) => "a flag",
            Self::Flags(_) => "a group of flags",
            Self::Action(_) => "an action",
            Self::Channel(_) => "a channel",
            Self::Switch(_) => "a kill switch",
            Self::Unbuilt(_) | Self::Later(_) => "not built yet",
        }
    }

    pub(super) fn span(&self) -> Span {
        match self {
            Self::Param(d) => d.name.span,
            Self::Let(d) => d.name.span,
            Self::Metric(d) => d.name.span,
            Self::Traffic(d) => d.name.span,
            Self::Flag(d) => d.name.span,
            Self::Flags(d) => d.name.span,
            Self::Action(d) => d.name.span,
            Self::Channel(n) => n.span,
            Self::Switch(d) => d.name.span,
            Self::Later(n) => n.span,
            Self::Unbuilt(u) => u.name.as_ref().map_or(u.span, |n| n.span),
        }
    }
}

/// All names of all files. Environments and rollouts have namespaces of their own: `rollout checkout` may steer
/// `traffic checkout`.
#[derive(Debug, Default)]
pub(super) struct Scope<'a> {
    pub(super) names: BTreeMap<&'a str, Decl<'a>>,
    pub(super) environments: BTreeMap<&'a str, &'a ast::Environment>,
    pub(super) rollouts: Vec<&'a ast::Rollout>,
}

impl<'a> Scope<'a> {
    /// Collects the names; reports duplicates, predeclared names and constructs that are not built yet.
    pub(super) fn collect(files: &'a [ast::File], cx: &Cx<'a>) -> Self {
        let mut scope = Self::default();
        for item in files.iter().flat_map(|f| &f.items) {
            match item {
                Item::Param(d) => scope.declare(&d.name, Decl::Param(d), cx),
                Item::Let(d) => scope.declare(&d.name, Decl::Let(d), cx),
                Item::Metric(d) => scope.declare(&d.name, Decl::Metric(d), cx),
                Item::Traffic(d) => scope.declare(&d.name, Decl::Traffic(d), cx),
                Item::Flag(d) => scope.declare(&d.name, Decl::Flag(d), cx),
                Item::Flags(d) => scope.declare(&d.name, Decl::Flags(d), cx),
                Item::Action(d) => scope.declare(&d.name, Decl::Action(d), cx),
                Item::Channel(names) => {
                    for n in names {
                        scope.declare(n, Decl::Channel(n), cx);
                    }
                }
                Item::Killswitch(d) => scope.declare(&d.name, Decl::Switch(d), cx),
                Item::Environment(e) => scope.environment(e, cx),
                Item::Rollout(r) => scope.rollout(r, cx),
                Item::Unbuilt(u) => {
                    cx.not_built(u);
                    if let Some(n) = &u.name {
                        scope.names.entry(&n.node).or_insert(Decl::Unbuilt(u));
                    }
                }
                Item::Edition(_) | Item::Junk(_) => {}
                other => {
                    let Some((what, name, span)) = later::item(other) else { continue };
                    cx.later(Some((what, span)));
                    if let Some(n) = name {
                        scope.names.entry(&n.node).or_insert(Decl::Later(n));
                    }
                }
            }
        }
        scope
    }

    fn declare(&mut self, name: &'a Name, decl: Decl<'a>, cx: &Cx<'a>) {
        if PREDECLARED.contains(&name.node.as_str()) {
            cx.push(
                Diagnostic::error(
                    "E0203",
                    format!("`{}` has a meaning in the language", name.node),
                    name.span,
                    "cannot be declared again",
                )
                .help("choose another name"),
            );
            return;
        }
        if let Some(first) = self.names.get(name.node.as_str()) {
            cx.push(duplicate(&name.node, name.span, first.span()));
            return;
        }
        self.names.insert(&name.node, decl);
    }

    fn environment(&mut self, e: &'a ast::Environment, cx: &Cx<'a>) {
        if e.name.node == "lab" {
            cx.push(
                Diagnostic::error("E0510", "environment `lab` is built in", e.name.span, "cannot be declared")
                    .help("it binds every port to the lab inside this tool; give yours another name"),
            );
            return;
        }
        if let Some(first) = self.environments.get(e.name.node.as_str()) {
            cx.push(duplicate(&e.name.node, e.name.span, first.name.span));
            return;
        }
        self.environments.insert(&e.name.node, e);
    }

    fn rollout(&mut self, r: &'a ast::Rollout, cx: &Cx<'a>) {
        if let Some(first) = self.rollouts.iter().find(|o| o.name.node == r.name.node) {
            cx.push(duplicate(&r.name.node, r.name.span, first.name.span));
            return;
        }
        self.rollouts.push(r);
    }

    /// Names of one kind, for "did you mean".
    pub(super) fn of_kind(&self, pick: impl Fn(&Decl<'a>) -> bool) -> Vec<&'a str> {
        self.names.iter().filter(|(_, d)| pick(d)).map(|(n, _)| *n).collect()
    }
}

/// The same name declared twice.
pub(super) fn duplicate(name: &str, here: Span, first: Span) -> Diagnostic {
    Diagnostic::error("E0202", format!("`{name}` is declared twice"), here, "declared again here")
        .also(first, "first declared here")
        .help("give one of them another name")
}

impl<'a> Cx<'a> {
    /// The declaration of a name of a certain kind; a wrong or unknown one is reported and poisoned. `kind` is a plural for
    /// messages: `traffic ports`.
    pub(super) fn expect_decl(
        &self,
        name: &Name,
        kind: &str,
        how: &str,
        pick: impl Fn(&Decl<'a>) -> bool,
    ) -> Option<Decl<'a>> {
        self.use_name(&name.node);
        match self.scope().names.get(name.node.as_str()) {
            Some(d) if pick(d) => Some(*d),
            Some(Decl::Unbuilt(_) | Decl::Later(_)) => None,
            Some(d) => {
                self.push(
                    Diagnostic::error(
                        "E0204",
                        format!("`{}` is {}, not one of the {kind}", name.node, d.a()),
                        name.span,
                        String::new(),
                    )
                    .also(d.span(), "declared here"),
                );
                None
            }
            None => {
                let known = self.scope().of_kind(pick);
                self.push(
                    Diagnostic::error("E0201", format!("unknown name `{}`", name.node), name.span, "not declared")
                        .help(suggest::help(&name.node, &known, &format!("the {kind} of this policy"), how)),
                );
                None
            }
        }
    }
}
