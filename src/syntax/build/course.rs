//! What a rollout says of its start, its order and its surroundings: releases, gates, cooldown, slices, drift, routes.

use super::{Builder, P, child};
use crate::syntax::ast::Statement;
use crate::syntax::grammar::Rule;

impl Builder<'_> {
    /// One of these statements; nothing for pairs that are none.
    pub fn course(&mut self, p: P<'_>) -> Option<Statement> {
        let span = self.span(&p);
        match p.as_rule() {
            Rule::release => {
                let (mut canary, mut stable, mut proven_by) = (None, None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::text if canary.is_none() => canary = Some(self.text(&q)),
                        Rule::text => stable = Some(self.text(&q)),
                        Rule::path => proven_by = Some(self.path(q)),
                        _ => {}
                    }
                }
                Some(Statement::Release { canary: canary?, stable, proven_by, span })
            }
            Rule::advance => Some(Statement::Advance(self.value_in(p, span), span)),
            Rule::cooldown => {
                let after = child(p.clone(), Rule::name).map(|n| self.name(&n))?;
                Some(Statement::Cooldown { length: self.value_in(p, span), after, span })
            }
            Rule::start_slices => {
                let (mut by, mut limit) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::said => by = Some(self.name(&q)),
                        Rule::limit => limit = self.limit(q),
                        _ => {}
                    }
                }
                Some(Statement::StartSlices { by: by?, limit, span })
            }
            Rule::drift => child(p, Rule::name).map(|n| Statement::Drift(self.name(&n), span)),
            Rule::route => {
                let (mut names, mut texts) = (Vec::new(), Vec::new());
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::name | Rule::said => names.push(self.name(&q)),
                        Rule::text => texts.push(self.text(&q)),
                        _ => {}
                    }
                }
                let (mut names, mut texts) = (names.into_iter(), texts.into_iter());
                let (port, by, key) = (names.next()?, names.next()?, texts.next()?);
                Some(Statement::Route { port, by, key, value: texts.next(), span })
            }
            Rule::after => {
                let rollout = child(p.clone(), Rule::name).map(|n| self.name(&n))?;
                Some(Statement::After { rollout, within: self.value_in(p, span), span })
            }
            _ => None,
        }
    }
}
