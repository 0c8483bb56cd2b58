//! Phases and their statements; kill switches, which are made of the same ones.

use super::{Builder, P, child};
use crate::syntax::ast::{Consequence, Expr, Killswitch, Phase, PhaseStatement, SetKeyword};
use crate::syntax::grammar::Rule;
use crate::syntax::recover::Context;

impl Builder<'_> {
    pub fn phase(&mut self, p: P<'_>) -> Option<Phase> {
        let span = self.span(&p);
        let (mut name, mut purpose, mut body) = (None, None, Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::text => purpose = Some(self.text(&q)),
                Rule::phase_block => body = self.phase_body(q),
                _ => {}
            }
        }
        Some(Phase { name: name?, purpose, body, span })
    }

    /// The statements of a `phase_body`, or of a pair that holds one.
    pub fn phase_body(&mut self, p: P<'_>) -> Vec<PhaseStatement> {
        p.into_inner()
            .flat_map(|q| match q.as_rule() {
                Rule::phase_body => self.phase_body(q),
                Rule::junk_phase => {
                    let range = self.range(&q);
                    self.recover(range, Context::Phase)
                }
                _ => self.phase_statements(q),
            })
            .collect()
    }

    pub fn killswitch(&mut self, p: P<'_>) -> Option<Killswitch> {
        let span = self.span(&p);
        let (mut name, mut per, mut body) = (None, Vec::new(), Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::per => per = self.names(q),
                Rule::switch_block => body = self.switch_body(q),
                _ => {}
            }
        }
        Some(Killswitch { name: name?, per, body, span })
    }

    /// The statements of a `switch_body`, or of a pair that holds one.
    pub fn switch_body(&mut self, p: P<'_>) -> Vec<PhaseStatement> {
        p.into_inner()
            .flat_map(|q| match q.as_rule() {
                Rule::switch_body => self.switch_body(q),
                Rule::junk_switch => {
                    let range = self.range(&q);
                    self.recover(range, Context::Switch)
                }
                _ => self.phase_statements(q),
            })
            .collect()
    }

    /// The statements of one pair: several for a list of settings.
    pub fn phase_statements(&mut self, p: P<'_>) -> Vec<PhaseStatement> {
        match p.as_rule() {
            Rule::settings => {
                p.into_inner().filter(|s| s.as_rule() == Rule::setting).filter_map(|s| self.setting(s)).collect()
            }
            _ => self.phase_statement(p).into_iter().collect(),
        }
    }

    fn setting(&mut self, p: P<'_>) -> Option<PhaseStatement> {
        let span = self.span(&p);
        let (mut keyword, mut port, mut value) = (None, None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::kw_traffic => keyword = Some(SetKeyword::Traffic),
                Rule::kw_flag => keyword = Some(SetKeyword::Flag),
                Rule::said => port = Some(self.name(&q)),
                Rule::value => value = Some(self.value(q)),
                _ => {}
            }
        }
        Some(PhaseStatement::Set { keyword: keyword?, port: port?, value: value?, span })
    }

    fn phase_statement(&mut self, p: P<'_>) -> Option<PhaseStatement> {
        let span = self.span(&p);
        match p.as_rule() {
            Rule::run => {
                let (mut action, mut otherwise) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::said => action = Some(self.name(&q)),
                        Rule::otherwise => otherwise = self.otherwise(q),
                        _ => {}
                    }
                }
                Some(PhaseStatement::Run { action: action?, otherwise, span })
            }
            Rule::hold => Some(PhaseStatement::Hold(self.value_in(p, span), span)),
            Rule::promote => {
                let (mut when, mut within) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::cond => when = Some(self.value(q)),
                        Rule::within => within = self.within(q),
                        _ => {}
                    }
                }
                Some(PhaseStatement::Promote { when: when?, within, span })
            }
            Rule::hold_forever => Some(PhaseStatement::HoldForever(span)),
            Rule::hold_until => {
                let (mut events, mut of, mut within) = (None, None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::value => events = Some(self.value(q)),
                        Rule::path => of = Some(self.path(q)),
                        Rule::within => within = self.within(q),
                        _ => {}
                    }
                }
                Some(PhaseStatement::HoldUntil { events: events?, of, within, span })
            }
            Rule::ramp => {
                let (mut port, mut values, mut every) = (None, Vec::new(), None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::said => port = Some(self.name(&q)),
                        Rule::value => values.push(self.value(q)),
                        Rule::dur => every = Some(self.value(q)),
                        _ => {}
                    }
                }
                let mut values = values.into_iter();
                let (from, to, by) = (values.next()?, values.next()?, values.next()?);
                Some(PhaseStatement::Ramp { port: port?, from, to, by, every: every?, span })
            }
            Rule::mirror => self.named_value(p).map(|(port, value)| PhaseStatement::Mirror { port, value, span }),
            Rule::irreversible => child(p, Rule::text).map(|t| PhaseStatement::Irreversible(self.text(&t), span)),
            _ => None,
        }
    }

    /// The time and the consequence of a `within`.
    fn within(&mut self, p: P<'_>) -> Option<(Expr, Consequence)> {
        let (mut limit, mut otherwise) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::dur => limit = Some(self.value(q)),
                Rule::otherwise => otherwise = self.otherwise(q),
                _ => {}
            }
        }
        limit.zip(otherwise)
    }
}
