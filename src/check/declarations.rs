//! Declarations that need more than their name: actions with their undo, flags with their values, metrics made of metrics.

use super::Cx;
use super::consts::to_millis;
use super::expr::Lower;
use super::metrics::Body;
use super::rollout::Builder;
use super::scope::Decl;
use super::types::{Ty, Value};
use crate::plan::{Action, ActionId, Millis, PortKind};
use crate::syntax::ast::{self, ExprKind, Name, Undo};
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
                    for dim in &f.per {
                        self.push(super::not_built("per", dim.span, self.map));
                    }
                }
                Decl::Traffic(t) => {
                    for dim in &t.per {
                        self.push(super::not_built("per", dim.span, self.map));
                    }
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
                Decl::Let(_) | Decl::Param(_) | Decl::Channel(_) | Decl::Unbuilt(_) => {}
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

    /// What can be set on a flag.
    pub(super) fn flag_kind(&self, f: &'a ast::Flag) -> Option<PortKind> {
        let ty = match f.ty.node.as_str() {
            "bool" => Ty::Bool,
            "count" => Ty::Count,
            "ratio" => Ty::Ratio,
            other => {
                self.push(
                    Diagnostic::error("E0315", format!("a flag cannot be of type `{other}`"), f.ty.span, "")
                        .help("it takes `bool`, `count` or `ratio`"),
                );
                return None;
            }
        };
        let list = match &f.values {
            None => &[],
            Some(e) => match &e.kind {
                ExprKind::List(items) => items.as_slice(),
                ExprKind::Hole => return None,
                _ => {
                    self.push(
                        Diagnostic::error("E0403", "a list of values is needed", e.span, "")
                            .help("for example `in [0, 1, 2]`"),
                    );
                    return None;
                }
            },
        };
        let what = format!("flag `{}`", f.name.node);
        match ty {
            Ty::Bool => {
                if let Some(e) = &f.values {
                    self.push(
                        Diagnostic::error("E0403", "a bool flag has two values", e.span, "").help("leave the list out"),
                    );
                }
                Some(PortKind::BoolFlag)
            }
            Ty::Count => {
                let values: Vec<_> = list.iter().map(|e| self.count(e, &what, 0)).collect();
                let values: Option<Vec<_>> = values.into_iter().collect();
                Some(PortKind::CountFlag(values?.into_iter().map(i64::from).collect()))
            }
            _ => {
                let values: Vec<_> = list.iter().map(|e| self.ratio(e, &what, 0.0, 1.0)).collect();
                let values: Option<Vec<_>> = values.into_iter().collect();
                Some(PortKind::RatioFlag(values?))
            }
        }
    }
}

impl<'a> Builder<'_, 'a> {
    /// An action that the rollout runs, with what undoes it.
    pub(super) fn action(&mut self, name: &Name) -> Option<ActionId> {
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
        self.actions.push(Action { name: a.name.node.clone(), timeout, undo: None });
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
