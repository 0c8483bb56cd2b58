//! Reactions: they tell and do chores, and never steer.

use super::expr::Place;
use super::rollout::Builder;
use super::scope::Decl;
use super::suggest;
use crate::plan::{Act, ChannelId, Happening, Reaction, Trigger};
use crate::syntax::ast::{self, Name, Statement};
use crate::syntax::diagnostic::Diagnostic;

const HAPPENINGS: [(&str, Happening); 7] = [
    ("breach", Happening::Breach),
    ("pause", Happening::Pause),
    ("rollback", Happening::Rollback),
    ("promote", Happening::Promote),
    ("blind", Happening::Blind),
    ("kill", Happening::Kill),
    ("done", Happening::Done),
];

impl<'a> Builder<'_, 'a> {
    /// All reactions in the order of the text.
    pub(super) fn lower_reactions(&mut self) -> Vec<Reaction> {
        let mut out = Vec::new();
        for s in &self.rollout.body {
            let Statement::Reaction(r) = s else { continue };
            let trigger = self.trigger(&r.trigger);
            let act = self.act(&r.act);
            if let (Some(trigger), Some(act)) = (trigger, act) {
                out.push(Reaction { trigger, act, text: self.cx.as_written(r.span) });
            }
        }
        out
    }

    fn trigger(&mut self, t: &'a ast::Trigger) -> Option<Trigger> {
        let cx = self.cx;
        match t {
            ast::Trigger::On(names) => {
                let found: Vec<_> = names.iter().map(|n| self.happening(n)).collect();
                found.into_iter().collect::<Option<Vec<_>>>().map(Trigger::On)
            }
            ast::Trigger::Every(d) => Some(Trigger::Every(cx.duration(d, "`every`", 1)?)),
            ast::Trigger::At(times) => {
                let found: Vec<_> = times.iter().map(|t| cx.duration(t, "`at`", 0)).collect();
                let mut found = found.into_iter().collect::<Option<Vec<_>>>()?;
                found.sort_unstable();
                found.dedup();
                Some(Trigger::At(found))
            }
            ast::Trigger::When(c) => Some(Trigger::When(self.lower.condition_at(Place::When, c)?)),
        }
    }

    fn happening(&self, n: &Name) -> Option<Happening> {
        let cx = self.cx;
        match HAPPENINGS.iter().find(|(w, _)| *w == n.node) {
            Some((_, h)) => Some(*h),
            None => {
                let known: Vec<&str> = HAPPENINGS.iter().map(|(w, _)| *w).collect();
                cx.push(
                    Diagnostic::error("E0208", format!("nothing called `{}` happens in a rollout", n.node), n.span, "")
                        .help(suggest::help(&n.node, &known, "what happens", "")),
                );
                None
            }
        }
    }

    fn act(&mut self, a: &'a ast::Act) -> Option<Act> {
        match a {
            ast::Act::Notify(names) => {
                let found: Vec<_> = names.iter().map(|n| self.channel(n)).collect();
                found.into_iter().collect::<Option<Vec<_>>>().map(Act::Notify)
            }
            ast::Act::Run { action, limit } => {
                let id = self.action(action);
                let limit = match limit {
                    None => Some(None),
                    Some((n, d)) => {
                        let n = self.cx.count(n, "`limit`", 1);
                        let d = self.cx.duration(d, "`limit … per`", 1);
                        n.zip(d).map(Some)
                    }
                };
                Some(Act::Run { action: id?, limit: limit? })
            }
            ast::Act::Snapshot(_) => Some(Act::Snapshot),
        }
    }

    fn channel(&mut self, n: &Name) -> Option<ChannelId> {
        self.cx.expect_decl(n, "channels", "declare it with `channel name`", |d| matches!(d, Decl::Channel(_)))?;
        self.needs.channels.entry(n.node.clone()).or_insert(n.span);
        let at = self.channels.iter().position(|c| *c == n.node);
        Some(ChannelId::at(at.unwrap_or_else(|| {
            self.channels.push(n.node.clone());
            self.channels.len() - 1
        })))
    }
}
