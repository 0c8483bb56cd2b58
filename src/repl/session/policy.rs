//! The policy that is talked about, with what was typed in: texts become trees, trees a plan.

use super::entry::Wrapped;
use super::merge::{self, Merged};
use crate::check;
use crate::check::ask::{Asked, Scope, ask};
use crate::plan::{Bindings, Plan};
use crate::report::style::Style;
use crate::syntax::ast::{self, Item};
use crate::syntax::diagnostic::{Diagnostic, Label};
use crate::syntax::source::{FileId, SourceMap, Span};
use crate::syntax::{parse, render};
use std::collections::{BTreeMap, BTreeSet};

/// A policy as it was read, modules put in place of their `use`s.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The texts.
    pub map: SourceMap,
    /// The trees: the policy's first, then that of the environment where there is one.
    pub files: Vec<ast::File>,
    /// The rollout that was asked for; none where there is only one.
    pub rollout: Option<String>,
    /// The environment; none: the plan as it is by itself.
    pub environment: Option<String>,
    /// What other policies declare that share the environment.
    pub others: BTreeSet<String>,
}

/// A policy in a conversation. What is typed in is parsed within words that the grammar wants around it: nobody sees them, and places
/// are those of the text that was typed.
#[derive(Debug, Clone)]
pub(super) struct Talked {
    policy: Policy,
    /// The texts that were typed in.
    typed: BTreeMap<FileId, Wrapped>,
}

/// What became of something that was typed in.
pub(super) type Made<T> = Result<T, Vec<Diagnostic>>;

impl Talked {
    pub(super) fn new(policy: Policy) -> Self {
        Self { policy, typed: BTreeMap::new() }
    }

    /// From here on one rollout is meant.
    pub(super) fn means(&mut self, rollout: &str) {
        self.policy.rollout = Some(rollout.to_owned());
    }

    pub(super) fn environment(&self) -> Option<&str> {
        self.policy.environment.as_deref()
    }

    pub(super) fn files(&self) -> &[ast::File] {
        &self.policy.files
    }

    pub(super) fn map(&self) -> &SourceMap {
        &self.policy.map
    }

    /// The plan with params set.
    pub(super) fn compile(&self, sets: &[(String, String)]) -> Made<(Plan, Bindings)> {
        let p = &self.policy;
        let (made, mut found) = match &p.environment {
            None => {
                let (made, found) = check::compile_alone(&p.files, &p.map, p.rollout.as_deref(), sets);
                (made.map(|plan| (plan, Bindings::default())), found)
            }
            env => check::compile_beside(&p.files, &p.map, p.rollout.as_deref(), env.as_deref(), sets, &p.others),
        };
        if let Some((plan, _)) = &made {
            found.extend(check::cannot_run(plan, &p.map));
        }
        made.filter(|_| !found.iter().any(Diagnostic::is_error)).ok_or(found)
    }

    /// Reads declarations or statements that were typed in, and puts them in place; what was done of each.
    pub(super) fn declare(&self, wrapped: Wrapped) -> (Self, Made<Vec<Merged>>) {
        let mut new = self.clone();
        let statements = !wrapped.before.is_empty();
        let read = new.parse(wrapped);
        let rollout = self.policy.rollout.as_deref().filter(|_| statements);
        let done = read.and_then(|(id, tree)| merge::merge(&mut new.policy.files, &tree, id, rollout));
        (new, done)
    }

    /// Reads an expression that was typed in, and compiles it beside the rollout. With what was typed, for places.
    pub(super) fn ask(&self, wrapped: Wrapped, sets: &[(String, String)]) -> Result<Question, (Self, Vec<Diagnostic>)> {
        let mut new = self.clone();
        let (id, tree) = match new.parse(wrapped) {
            Ok(read) => read,
            Err(found) => return Err((new, found)),
        };
        let expr = match tree.items.as_slice() {
            [Item::Let(l)] => l.value.clone(),
            _ => {
                let span = tree.items.get(1).map_or(Span::new(id, 0, 0), item_span);
                let d = Diagnostic::error("E0113", "one expression is asked at a time", span, "this is another one")
                    .help("ask them one after the other, or join conditions by `and`");
                return Err((new, vec![d]));
            }
        };
        let p = &new.policy;
        let scope = Scope {
            files: &p.files,
            map: &p.map,
            rollout: p.rollout.as_deref(),
            environment: p.environment.as_deref(),
            sets,
            others: &p.others,
        };
        let (made, mut found) = ask(scope, &expr);
        if let Some((plan, _)) = &made {
            // what the policy itself cannot do was said when the conversation began
            found.extend(check::cannot_run(plan, &p.map));
        }
        match made.filter(|_| !found.iter().any(Diagnostic::is_error)) {
            Some((plan, asked)) => Ok(Question { policy: new, plan, asked, expr }),
            None => Err((new, found)),
        }
    }

    fn parse(&mut self, wrapped: Wrapped) -> Made<(FileId, ast::File)> {
        let n = self.typed.len() + 1;
        let id = self.policy.map.add(format!("entry {n}"), wrapped.text());
        let (tree, found) = parse(id, &wrapped.text());
        self.typed.insert(id, wrapped);
        if found.iter().any(Diagnostic::is_error) { Err(found) } else { Ok((id, tree)) }
    }

    /// Findings for people, in the words that were typed: those of the newest entry alone where it has some.
    pub(super) fn tell(&self, found: &[Diagnostic], style: Style, width: usize) -> String {
        let last = self.typed.keys().next_back();
        let errors: Vec<&Diagnostic> = found.iter().filter(|d| d.is_error()).collect();
        let mine: Vec<&Diagnostic> = errors.iter().copied().filter(|d| Some(&d.span().file) == last).collect();
        let shown = if mine.is_empty() { errors } else { mine };
        let mut map = SourceMap::default();
        for (i, f) in self.policy.map.files().iter().enumerate() {
            let id = FileId(u32::try_from(i).unwrap_or(u32::MAX));
            map.add(f.name.clone(), self.typed.get(&id).map_or_else(|| f.text.clone(), |w| w.entry.clone()));
        }
        let shown: Vec<Diagnostic> = shown.into_iter().map(|d| self.unwrapped(d)).collect();
        let style = render::Style { colour: style.colours(), width: width.clamp(60, 120) };
        let text = render::human(&map, &shown, style);
        // one entry has one mistake, mostly: they need no count
        let count = render::summary(&shown).map(|s| s + "\n");
        let text = count.and_then(|c| text.strip_suffix(&c)).unwrap_or(&text);
        text.trim_end().to_owned() + "\n"
    }

    fn unwrapped(&self, d: &Diagnostic) -> Diagnostic {
        let mut d = d.clone();
        for Label { span, .. } in &mut d.labels {
            *span = self.place(*span);
        }
        if let Some(fix) = &mut d.fix {
            fix.span = self.place(fix.span);
        }
        // nobody has written a `let`
        if let Some(help) = &mut d.help {
            *help = help.replace("it is written `let NAME = EXPRESSION`", "one expression, such as `errors < 1%`");
        }
        d
    }

    /// A place in a text that was typed, without the words around it.
    fn place(&self, span: Span) -> Span {
        let Some(w) = self.typed.get(&span.file) else { return span };
        let before = u32::try_from(w.before.len()).unwrap_or(u32::MAX);
        let length = u32::try_from(w.entry.len()).unwrap_or(u32::MAX);
        let moved = |at: u32| at.saturating_sub(before).min(length);
        Span { start: moved(span.start), end: moved(span.end), ..span }
    }

    /// The text under a span, on one line.
    pub(super) fn written(&self, span: Span) -> String {
        self.policy.map.slice(span).split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

/// An expression that was understood.
pub(super) struct Question {
    /// The policy with its text.
    pub(super) policy: Talked,
    /// The rollout with it beside.
    pub(super) plan: Plan,
    /// What it became.
    pub(super) asked: Asked,
    /// Its tree.
    pub(super) expr: ast::Expr,
}

/// Where an item stands.
fn item_span(item: &Item) -> Span {
    merge::declared(item).map_or_else(
        || match item {
            Item::Edition(e) => e.span,
            Item::Junk(s) => *s,
            Item::Test(t) => t.span,
            Item::Use(u) => u.span,
            _ => Span::default(),
        },
        |n| n.span,
    )
}
