//! Kill switches: what each takes away, which of them concern a rollout, and where one may be thrown.

use super::Cx;
use super::rollout::{Builder, word};
use super::scope::Decl;
use crate::plan::{ActionId, KillSwitch, PortId, Setting, SwitchId};
use crate::syntax::ast::{self, ConsequenceKind, Name, PhaseStatement, Statement};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{FileId, Span, Spanned};

/// Stands for the rollout where a switch is checked by itself.
static NO_ROLLOUT: ast::Rollout = ast::Rollout {
    name: Spanned { node: String::new(), span: NOWHERE },
    title: None,
    per: Vec::new(),
    body: Vec::new(),
    span: NOWHERE,
};
const NOWHERE: Span = Span { file: FileId(0), start: 0, end: 0 };

impl<'a> Cx<'a> {
    /// A switch by itself, used or not.
    pub(super) fn check_switch(&self, k: &'a ast::Killswitch) {
        let _ = self.dims(&k.per);
        let mut alone = Builder::new(self, &NO_ROLLOUT, None);
        // one for all sets what every slice has: of which dimensions that must be is the rollout's matter
        alone.any_dims = k.per.is_empty();
        let _ = alone.lower_switch(k);
    }
}

impl<'a> Builder<'_, 'a> {
    /// The switches that concern the rollout: a guard names them, they set a port that it sets, or it is the only one.
    pub(super) fn lower_switches(&mut self) -> Vec<KillSwitch> {
        let cx = self.cx;
        let all: Vec<&'a ast::Killswitch> = cx
            .scope()
            .names
            .values()
            .filter_map(|d| match d {
                Decl::Switch(k) => Some(*k),
                _ => None,
            })
            .collect();
        let mut out = Vec::new();
        for k in all {
            if !(cx.scope().rollouts.len() == 1 || self.named_by_a_guard(k) || self.sets_a_port_of(k)) {
                continue;
            }
            cx.use_name(&k.name.node);
            if let Some(made) = self.lower_switch(k).filter(|_| self.of_this_rollout(k)) {
                self.switches.push(&k.name.node);
                out.push(made);
            }
        }
        out
    }

    fn named_by_a_guard(&self, k: &ast::Killswitch) -> bool {
        self.rollout.body.iter().any(|s| match s {
            Statement::Guard(g) => g.otherwise.kill.as_ref().is_some_and(|n| n.node == k.name.node),
            _ => false,
        })
    }

    fn sets_a_port_of(&self, k: &ast::Killswitch) -> bool {
        k.body.iter().any(|s| match s {
            PhaseStatement::Set { port, .. } => self.ports.iter().any(|p| p.bound_as() == port.node),
            _ => false,
        })
    }

    fn lower_switch(&mut self, k: &'a ast::Killswitch) -> Option<KillSwitch> {
        let outer = (self.dims, self.dims_of);
        if !k.per.is_empty() {
            (self.dims, self.dims_of) = (&k.per, "this kill switch");
        }
        let made = self.lower_switch_here(k);
        (self.dims, self.dims_of) = outer;
        made
    }

    /// Whether a slice of the rollout has a switch of its own, or all of them have one; why not is reported.
    fn of_this_rollout(&self, k: &'a ast::Killswitch) -> bool {
        let sorted = |list: &[Name]| {
            let mut out: Vec<String> = list.iter().map(|n| n.node.clone()).collect();
            out.sort_unstable();
            out
        };
        if k.per.is_empty() || sorted(&k.per) == sorted(&self.rollout.per) {
            return true;
        }
        let written = |list: &[Name]| list.iter().map(|n| n.node.as_str()).collect::<Vec<_>>().join(", ");
        let r = self.rollout;
        let (is, help) = match written(&r.per) {
            none if none.is_empty() => {
                (String::from("has one life for all"), String::from("leave `per` out of the kill switch"))
            }
            per => {
                let help = "to throw one slice's, or leave `per` out to throw it for all of them";
                (format!("is `per {per}`"), format!("declare it `per {per}` {help}"))
            }
        };
        let (switch, per) = (&k.name.node, written(&k.per));
        let message = format!("kill switch `{switch}` is `per {per}`, and rollout `{}` {is}", r.name.node);
        self.cx.push(
            Diagnostic::error("E0430", message, k.name.span, "would be thrown for slices that this rollout has not")
                .also(r.name.span, "a guard of it throws the switch, or it sets a port that the switch sets")
                .help(help),
        );
        false
    }

    fn lower_switch_here(&mut self, k: &'a ast::Killswitch) -> Option<KillSwitch> {
        let cx = self.cx;
        if k.body.is_empty() {
            cx.push(
                Diagnostic::error(
                    "E0420",
                    format!("kill switch `{}` sets nothing and runs nothing", k.name.node),
                    k.name.span,
                    "takes nothing away",
                )
                .help("say what it takes away: `flag f = off`, `traffic t = 0%`, `run stop_workers`"),
            );
            return None;
        }
        let mut settings: Vec<(PortId, Setting, Span)> = Vec::new();
        let mut actions: Vec<(ActionId, Span)> = Vec::new();
        let mut whole = true;
        for s in &k.body {
            let taken = match s {
                PhaseStatement::Set { keyword, port, value, span } => self
                    .settings(*keyword, port, value)
                    .filter(|all| all.first().is_none_or(|(_, to)| takes_away(cx, *to, port, value)))
                    .filter(|all| {
                        let first = settings.iter().find(|(q, ..)| all.iter().any(|(id, _)| id == q));
                        once(cx, format!("`{}` is set", port.node), *span, first.map(|(.., at)| *at))
                    })
                    .map(|all| settings.extend(all.into_iter().map(|(id, to)| (id, to, *span)))),
                PhaseStatement::Run { action, otherwise, span } => self
                    .action(action)
                    .filter(|_| no_else(cx, otherwise.as_ref()))
                    .filter(|id| {
                        let first = actions.iter().find(|(a, _)| a == id).map(|(_, at)| *at);
                        once(cx, format!("`{}` is run", action.node), *span, first)
                    })
                    .map(|id| actions.push((id, *span))),
                // a finding of the parser's; nothing else stands in a switch
                _ => None,
            };
            whole &= taken.is_some();
        }
        if !whole {
            // without one of its statements a switch would not take away what it says
            cx.holes.set(true);
            return None;
        }
        let traffic = |id: PortId| self.ports.get(id.index()).is_some_and(|p| p.kind == crate::plan::PortKind::Traffic);
        settings.sort_by_key(|(id, ..)| (!traffic(*id), std::cmp::Reverse(*id)));
        Some(KillSwitch {
            name: k.name.node.clone(),
            settings: settings.into_iter().map(|(id, to, _)| (id, to)).collect(),
            actions: actions.into_iter().map(|(id, _)| id).collect(),
            for_all: k.per.is_empty() && !self.rollout.per.is_empty(),
        })
    }

    /// The switch that a guard throws.
    pub(super) fn switch(&self, name: &Name) -> Option<SwitchId> {
        let how = "declare it with `killswitch name { flag f = off }`";
        self.cx.expect_decl(name, "kill switches", how, |d| matches!(d, Decl::Switch(_)))?;
        self.switches.iter().position(|n| *n == name.node).map(SwitchId::at)
    }

    /// Whether `, kill K` may stand behind this consequence; why not is reported.
    pub(super) fn kill_allowed(&self, c: &ast::Consequence, kill: &Name, of: &str) -> Option<()> {
        let cx = self.cx;
        let word_end = c.span.start + u32::try_from(word(c.kind).len()).unwrap_or(0);
        let before = c.to.as_ref().map_or(word_end, |to| to.span.end);
        let tail = Span { start: before, end: kill.span.end, ..c.span };
        if of != "guard" {
            cx.use_name(&kill.node);
            cx.push(
                Diagnostic::error("E0423", "only a guard throws a kill switch", kill.span, format!("not `{of}`"))
                    .help("leave it out: what goes wrong here can be watched by a guard with `else rollback, kill …`")
                    .fix(tail, ""),
            );
            return None;
        }
        if c.kind != ConsequenceKind::Rollback {
            cx.use_name(&kill.node);
            let place = Span { end: word_end, ..c.span };
            let message = format!("`kill` stands behind `rollback` only, not behind `{}`", word(c.kind));
            cx.push(
                Diagnostic::error("E0423", message, kill.span, "a kill comes with a rollback")
                    .help(format!("write `else rollback, kill {}`", kill.node))
                    .fix(place, "rollback"),
            );
            return None;
        }
        Some(())
    }
}

/// A kill switch only takes away.
fn takes_away(cx: &Cx<'_>, to: Setting, port: &Name, value: &ast::Expr) -> bool {
    if !to.exposes() {
        return true;
    }
    let none = match to {
        Setting::Share(_) => "0%",
        Setting::Count(_) => "0",
        Setting::Bool(_) | Setting::Absent => "off",
    };
    cx.push(
        Diagnostic::error(
            "E0421",
            format!("a kill switch only takes away, and `{} = {to}` exposes", port.node),
            value.span,
            "more than nothing",
        )
        .help(format!("write `{} = {none}`", port.node))
        .fix(value.span, none),
    );
    false
}

/// Whether this is the first time; the second one is reported.
fn once(cx: &Cx<'_>, what: String, here: Span, first: Option<Span>) -> bool {
    let Some(first) = first else { return true };
    cx.push(
        Diagnostic::error("E0422", format!("{what} twice in one kill switch"), here, "again here")
            .also(first, "first here")
            .help("keep one of the two"),
    );
    false
}

/// A `run` of a switch has no `else`: nothing follows a kill.
fn no_else(cx: &Cx<'_>, otherwise: Option<&ast::Consequence>) -> bool {
    let Some(c) = otherwise else { return true };
    cx.push(
        Diagnostic::error("E0407", "`run` in a kill switch is followed by nothing", c.span, "no `else` here")
            .help("everything is taken back already; an action that fails is tried three times, then people are told"),
    );
    false
}
