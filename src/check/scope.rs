//! Which names there are: all files of a run share one namespace.

use super::{Cx, later, suggest};
use crate::syntax::ast::{self, Item, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{SourceMap, Span};
use std::collections::{BTreeMap, BTreeSet};

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
    /// The alias of a module, which stands in front of what it declares.
    Module(&'a ast::Imported),
    Slice(&'a ast::Slice),
    Probe(&'a ast::Probe),
    Load(&'a ast::Load),
    Window(&'a ast::CivilWindow),
    Signoff(&'a ast::Signoff),
    Slo(&'a ast::Slo),
    Score(&'a ast::Score),
    /// Declared by something that is not built yet, so that its uses are not reported again;
    /// or declared, perhaps, by text that could not be read, which the parser has told of.
    Later(Span),
}

impl Decl<'_> {
    /// Its kind, with its article.
    pub(super) fn a(&self) -> &'static str {
        match self {
            Self::Param(_) => "a param",
            Self::Let(_) => "a `let`",
            Self::Metric(m) => match m.kind.node.as_str() {
                "counter" => "a counter",
                "histogram" => "a histogram",
                "events" => "an `events` metric",
                _ => "a gauge",
            },
            Self::Traffic(_) => "a traffic port",
            Self::Flag(_) => "a flag",
            Self::Flags(_) => "a group of flags",
            Self::Action(_) => "an action",
            Self::Channel(_) => "a channel",
            Self::Switch(_) => "a kill switch",
            Self::Module(_) => "a module",
            Self::Slice(_) => "a slice",
            Self::Probe(_) => "a probe",
            Self::Load(_) => "a load",
            Self::Window(_) => "a window",
            Self::Signoff(_) => "a signoff",
            Self::Slo(_) => "an objective",
            Self::Score(_) => "a score",
            Self::Later(_) => "not built yet",
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
            Self::Module(m) => m.alias.span,
            Self::Slice(d) => d.name.span,
            Self::Probe(d) => d.name.span,
            Self::Load(d) => d.name.span,
            Self::Window(d) => d.name.span,
            Self::Signoff(d) => d.name.span,
            Self::Slo(d) => d.name.span,
            Self::Score(d) => d.name.span,
            Self::Later(span) => *span,
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
    /// Text between declarations of which nothing could be made.
    junk: Vec<Span>,
    /// All words of that text.
    mentioned: BTreeSet<&'a str>,
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
                Item::Imported(m) => scope.declare(&m.alias, Decl::Module(m), cx),
                Item::Slice(d) => scope.declare(&d.name, Decl::Slice(d), cx),
                Item::Probe(d) => scope.declare(&d.name, Decl::Probe(d), cx),
                Item::Load(d) => scope.declare(&d.name, Decl::Load(d), cx),
                Item::Window(d) => scope.declare(&d.name, Decl::Window(d), cx),
                Item::Signoff(d) => scope.declare(&d.name, Decl::Signoff(d), cx),
                Item::Slo(d) => scope.declare(&d.name, Decl::Slo(d), cx),
                Item::Score(d) => scope.declare(&d.name, Decl::Score(d), cx),
                Item::Environment(e) => scope.environment(e, cx),
                Item::Rollout(r) => scope.rollout(r, cx),
                // a test has no name of its own
                Item::Edition(_) | Item::Test(_) => {}
                Item::Junk(span) => scope.junk.push(*span),
                other => {
                    let Some((what, name, span)) = later::item(other) else { continue };
                    cx.later(Some((what, span)));
                    if let Some(n) = name {
                        scope.names.entry(&n.node).or_insert(Decl::Later(n.span));
                    }
                }
            }
        }
        scope.poison(cx.map);
        scope
    }

    /// What stands before the first `:`, `=`, bracket or quote of a line that could not be read was perhaps declared there: its
    /// uses are silent.
    fn poison(&mut self, map: &'a SourceMap) {
        for span in std::mem::take(&mut self.junk) {
            let text = map.slice(span);
            for line in text.lines() {
                let head = line.split(['#', ':', '=', '(', '[', '{', '"', '`']).next().unwrap_or("");
                // `traffic "checkout"`, `resource "traffic" "checkout" {`
                let rest = line.get(head.len()..).filter(|rest| rest.starts_with('"')).unwrap_or("");
                let quoted = rest.split(['{', '=', ':']).next().unwrap_or("");
                for name in words(head).chain(words(quoted)) {
                    self.names.entry(name).or_insert(Decl::Later(span));
                }
            }
            self.mentioned.extend(words(text));
        }
    }

    /// Whether a word stands in text of which nothing could be made.
    pub(super) fn mentions(&self, word: &str) -> bool {
        self.mentioned.contains(word)
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
        // `_` stands for a letter that cannot stand in a name
        self.names.iter().filter(|(n, d)| pick(d) && !n.ends_with('_')).map(|(n, _)| *n).collect()
    }
}

/// The module that a name is of: `http.` of `http.errors`, nothing of a name that the file declares itself.
pub(super) fn home(name: &str) -> &str {
    name.rfind('.').and_then(|i| name.get(..=i)).unwrap_or("")
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|w| w.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'))
}

/// The same name declared twice.
pub(super) fn duplicate(name: &str, here: Span, first: Span) -> Diagnostic {
    Diagnostic::error("E0202", format!("`{name}` is declared twice"), here, "declared again here")
        .also(first, "first declared here")
        .help("give one of them another name")
}

impl<'a> Cx<'a> {
    /// A guard or phase that has the name of something of the language; `canary` may name a phase.
    pub(super) fn not_predeclared(&self, name: &Name, what: &str) {
        let is = PREDECLARED.contains(&name.node.as_str());
        if is && !(what == "phase" && name.node == "canary") {
            let message = format!("`{}` has a meaning in the language", name.node);
            self.push(
                Diagnostic::error("E0203", message, name.span, format!("cannot name a {what}"))
                    .help("choose another name"),
            );
        }
    }

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
            Some(Decl::Later(_)) => None,
            // its kind is unknown, which was told where it is declared
            Some(Decl::Metric(m)) if !super::metrics::is_kind(&m.kind.node) => None,
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
            None if self.of_broken_module(&name.node) => None,
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

    /// Whether a name would be of a module that could not be read, or not in whole: that was reported.
    pub(super) fn of_broken_module(&self, name: &str) -> bool {
        let alias = home(name).trim_end_matches('.');
        !alias.is_empty() && matches!(self.scope().names.get(alias), Some(Decl::Module(m)) if m.broken)
    }

    /// `http.erors`: a name that a module does not declare. `span` begins with the path.
    pub(super) fn not_in_module(&self, m: &ast::Imported, span: Span) {
        if m.broken {
            return;
        }
        let alias = m.alias.node.as_str();
        let path = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let written: String = self.map.slice(span).chars().take_while(|c| path(*c)).collect();
        let inside = format!("{alias}.");
        let known: Vec<&str> = self.scope().of_kind(|d| !matches!(d, Decl::Module(_)));
        let known: Vec<&str> = known.into_iter().filter(|n| home(n) == inside).collect();
        let said = alias.rsplit('.').next().unwrap_or(alias);
        if !written.contains('.') {
            let d = Diagnostic::error("E0204", format!("`{alias}` is a module, and has no value"), span, "");
            let help = suggest::help("", &known, "it brings", "it declares nothing");
            self.push(d.also(m.span, "imported here").help(help));
            return;
        }
        let name = written.split('.').nth(1).unwrap_or("");
        let tails: Vec<&str> = known.iter().filter_map(|n| n.get(inside.len()..)).collect();
        let help = match suggest::nearest(name, tails.iter().copied()) {
            Some(near) => format!("did you mean `{said}.{near}`?"),
            None if known.is_empty() => String::from("it declares nothing that can be imported"),
            None => {
                let rest = "its rollouts, environments, tests and own imports do not come along";
                format!("it brings {}; {rest}", suggest::list(&tails))
            }
        };
        let end = span.start.saturating_add(u32::try_from(written.len()).unwrap_or(0)).min(span.end);
        let span = Span { end, ..span };
        let d = Diagnostic::error("E0201", format!("module `{said}` has no `{name}`"), span, "not declared there");
        self.push(d.also(m.span, "imported here").help(help));
    }
}
