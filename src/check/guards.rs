//! Guards: what must stay true, and what follows when it does not.

use super::expr::Place;
use super::rollout::Builder;
use super::scope::duplicate;
use crate::plan::{Guard, PhaseId, Tolerance, Unit, expr::Node};
use crate::syntax::ast::{self, ConsequenceKind, Statement};
use crate::syntax::diagnostic::Diagnostic;

impl<'a> Builder<'_, 'a> {
    /// All guards in the order of the text.
    pub(super) fn lower_guards(&mut self) -> Vec<Guard> {
        let cx = self.cx;
        let mut out = Vec::new();
        let mut seen: Vec<&ast::Guard> = Vec::new();
        for s in &self.rollout.body {
            let Statement::Guard(g) = s else { continue };
            if let Some(first) = seen.iter().find(|o| o.name.node == g.name.node) {
                self.cx.push(duplicate(&g.name.node, g.name.span, first.name.span));
            }
            cx.not_predeclared(&g.name, "guard");
            seen.push(g);
            out.extend(self.lower_guard(g));
        }
        out
    }

    fn lower_guard(&mut self, g: &'a ast::Guard) -> Option<Guard> {
        let cx = self.cx;
        let at_least = match &g.at_least {
            Some(n) => cx.count(n, "`at least … events`", 1).map(u64::from),
            None => None,
        };
        self.lower.at_least = at_least;
        self.lower.at_least_used = false;
        let healthy = self.lower.condition_at(Place::Guard, &g.healthy);
        self.lower.at_least = None;
        if let (Some(n), Some(_), Some(_), false) = (&g.at_least, at_least, healthy, self.lower.at_least_used) {
            cx.push(
                Diagnostic::error(
                    "E0316",
                    format!("guard `{}` counts no events", g.name.node),
                    n.span,
                    "at least so many of what?",
                )
                .also(g.healthy.span, "reads no `events` metric and no histogram")
                .help("compare an `events` metric, or leave `at least` out"),
            );
        }
        let from = match &g.from {
            Some(p) => self.phase(p),
            None => Some(PhaseId(0)),
        };
        let until = match &g.until {
            Some(p) => self.phase(p).map(Some),
            None => Some(None),
        };
        if let (Some(f), Some(Some(u)), Some(name)) = (from, until, &g.until)
            && u <= f
        {
            cx.push(
                Diagnostic::error(
                    "E0409",
                    format!("guard `{}` never watches", g.name.node),
                    name.span,
                    "ends before it begins",
                )
                .help("`until p` ends where phase p begins; it must come after `from`"),
            );
        }
        let tolerate = match &g.tolerate {
            Some(t) => self.tolerance(t),
            None => Some(Tolerance::For(0)),
        };
        let allowed = [
            ConsequenceKind::Tell,
            ConsequenceKind::Hold,
            ConsequenceKind::Pause,
            ConsequenceKind::Halt,
            ConsequenceKind::Rollback,
        ];
        let end = until.flatten().map_or(self.phases.len(), |u: PhaseId| u.index());
        let otherwise = self.consequence(&g.otherwise, "guard", &allowed, end);
        let kill = match &g.otherwise.kill {
            // a kill that may not stand here was reported
            Some(name) if otherwise.is_some() => self.switch(name).map(Some),
            Some(_) => None,
            None => Some(None),
        };
        let healthy = healthy?;
        if matches!(g.otherwise.kind, ConsequenceKind::Pause | ConsequenceKind::Halt | ConsequenceKind::Rollback) {
            let word = otherwise.map_or("act", crate::plan::Consequence::word);
            cx.guard_that_must_last(&g.name.node, &g.healthy, word);
        }
        let shown = self.lower.first_comparison(healthy);
        let unit = shown.and_then(|s| match self.lower.program.nodes.get(s.index()) {
            Some(Node::Compare { unit, .. }) => Some(*unit),
            _ => None,
        });
        Some(Guard {
            name: g.name.node.clone(),
            healthy,
            text: cx.as_written(g.healthy.span),
            inputs: self.lower.inputs_below(healthy),
            tolerate: tolerate?,
            otherwise: otherwise?,
            kill: kill?,
            from: from?,
            until: until?,
            never_waived: g.never_waived,
            shown,
            unit: unit.unwrap_or(Unit::Bool),
        })
    }
}
