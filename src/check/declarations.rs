//! Declarations that need more than their name: actions with their undo, metrics made of metrics.

use super::Cx;
use super::consts::to_millis;
use super::expr::Lower;
use super::metrics::Body;
use super::rollout::Builder;
use super::scope::Decl;
use super::types::{Ty, Value};
use crate::plan::{Action, ActionId, Millis};
use crate::syntax::ast::{self, Name, Undo};
use crate::syntax::diagnostic::Diagnostic;

/// How long an action may take that does not say.
const TIMEOUT: Millis = 60_000;

impl<'a> Cx<'a> {
    /// Checks every declaration by itself, used or not.
    pub(super) fn check_declarations(&self) {
        for (name, decl) in &self.scope().names {
            match decl {
                Decl::Action(a) => self.check_action(a),
                Decl::Flag(f) => {
                    let _ = self.flag_kind(f);
                    let _ = self.dims(&f.per);
                }
                Decl::Flags(g) => self.check_group(g),
                Decl::Traffic(t) => {
                    let _ = self.dims(&t.per);
                    if let Some(about) = &t.about
                        && let Some(v) = self.constant(about, "`about`")
                        && !matches!(v, Value::Num(_, Ty::Rate))
                    {
                        self.wants(about, &v, Ty::Rate, "`about`");
                    }
                }
                Decl::Let(l) if self.is_const(&l.value) => {
                    let _ = self.constant(&l.value, "a constant");
                }
                Decl::Metric(_) => {
                    if let Some(m) = self.metric(name)
                        && let Body::Derived(_) = m.body
                    {
                        let mut scratch = Lower::new(self, None, 1);
                        let _ = scratch.check_derived(m);
                    }
                }
                Decl::Switch(k) => self.check_switch(k),
                Decl::Slice(s) => self.check_slice(s),
                Decl::Probe(p) => {
                    let _ = self.probe(p);
                }
                Decl::Load(l) => {
                    let _ = self.load(l);
                }
                Decl::Window(w) => {
                    let _ = self.window(w);
                }
                Decl::Signoff(s) => {
                    let _ = Lower::new(self, None, 1).signoff(s);
                }
                Decl::Slo(s) => {
                    let _ = self.objective(s);
                }
                Decl::Score(s) => {
                    // what only checks it makes no use of it
                    let used = self.used.borrow().contains(*name);
                    let _ = Lower::new(self, None, 1).score(s);
                    if !used {
                        self.used.borrow_mut().remove(*name);
                    }
                }
                Decl::Let(l) => self.check_let(l),
                Decl::Param(_) | Decl::Channel(_) | Decl::Module(_) | Decl::Later(_) => {}
            }
        }
    }

    fn check_action(&self, a: &'a ast::Action) {
        if let Some(t) = &a.timeout {
            let _ = self.duration(t, "`timeout`", 1);
        }
        match &a.undo {
            None => {
                let sep = if a.timeout.is_some() { "," } else { "" };
                self.push(
                    Diagnostic::error(
                        "E0406",
                        format!("action `{}` does not say how it is undone", a.name.node),
                        a.span,
                        "a rollback must know",
                    )
                    .help("say `undo other`, or `undo none` when there is nothing to undo")
                    .fix(a.span.tail(), format!("{sep} undo none")),
                );
            }
            Some(Undo::None(_)) => {}
            Some(Undo::Action(other)) => {
                let _ = self.undo_of(other);
                self.undo_circle(a, other);
            }
        }
    }

    fn undo_of(&self, name: &Name) -> Option<&'a ast::Action> {
        let decl = self.expect_decl(name, "actions", "declare it with `action name timeout 60s, undo none`", |d| {
            matches!(d, Decl::Action(_))
        })?;
        match decl {
            Decl::Action(a) => Some(a),
            _ => None,
        }
    }

    /// An action whose undo leads back to it.
    fn undo_circle(&self, a: &'a ast::Action, first: &Name) {
        let mut chain = vec![a.name.node.as_str()];
        let mut at = &first.node;
        while let Some(Decl::Action(next)) = self.scope().names.get(at.as_str()) {
            if chain.contains(&at.as_str()) {
                if *at == a.name.node {
                    chain.push(at);
                    let chain: Vec<String> = chain.iter().map(|n| (*n).to_owned()).collect();
                    self.circle(&chain, first.span, "undone");
                }
                return;
            }
            chain.push(at);
            match &next.undo {
                Some(Undo::Action(n)) => at = &n.node,
                _ => return,
            }
        }
    }
}

impl<'a> Builder<'_, 'a> {
    /// An action that the rollout runs, with what undoes it.
    pub(super) fn action(&mut self, name: &Name) -> Option<ActionId> {
        if let Some(Decl::Load(l)) = self.cx.scope().names.get(name.node.as_str()) {
            self.cx.use_name(&name.node);
            return self.add_load(l, name);
        }
        let a = self.cx.undo_of(name)?;
        Some(self.add_action(a, name))
    }

    fn add_action(&mut self, a: &'a ast::Action, used: &Name) -> ActionId {
        if let Some(i) = self.actions.iter().position(|b| b.name == a.name.node) {
            return ActionId::at(i);
        }
        let timeout = a
            .timeout
            .as_ref()
            .and_then(|t| match self.cx.constant(t, "`timeout`")? {
                Value::Num(s, Ty::Duration) => Some(to_millis(s)),
                _ => None,
            })
            .unwrap_or(TIMEOUT);
        let id = ActionId::at(self.actions.len());
        self.actions.push(Action { name: a.name.node.clone(), timeout, undo: None, load: None });
        self.needs.actions.entry(a.name.node.clone()).or_insert(used.span);
        if let Some(Undo::Action(other)) = &a.undo
            && let Some(Decl::Action(b)) = self.cx.scope().names.get(other.node.as_str())
        {
            let undo = self.add_action(b, other);
            if let Some(mine) = self.actions.get_mut(id.index()) {
                mine.undo = Some(undo);
            }
        }
        id
    }
}
