//! Rollouts and their statements.

use super::{Builder, P, child};
use crate::syntax::ast::{
    Act, Consequence, ConsequenceKind, Expr, Guard, Reaction, Rollout, Statement, Tolerance, Trigger,
};
use crate::syntax::grammar::Rule;
use crate::syntax::recover::Context;
use crate::syntax::source::{Span, Spanned};

impl Builder<'_> {
    pub fn rollout(&mut self, p: P<'_>) -> Option<Rollout> {
        let span = self.span(&p);
        let (mut name, mut title, mut per, mut body) = (None, None, Vec::new(), Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::text => title = Some(self.text(&q)),
                Rule::per => per = self.names(q),
                Rule::rollout_block => body = self.rollout_body(q),
                _ => {}
            }
        }
        Some(Rollout { name: name?, title, per, body, span })
    }

    /// The statements of a `rollout_body`, or of a pair that holds one.
    pub fn rollout_body(&mut self, p: P<'_>) -> Vec<Statement> {
        p.into_inner()
            .flat_map(|q| match q.as_rule() {
                Rule::rollout_body => self.rollout_body(q),
                Rule::junk_rollout => {
                    let range = self.range(&q);
                    self.recover(range, Context::Rollout)
                }
                _ => self.statement(q).into_iter().collect(),
            })
            .collect()
    }

    /// One statement; nothing for pairs that are none.
    pub fn statement(&mut self, p: P<'_>) -> Option<Statement> {
        let span = self.span(&p);
        match p.as_rule() {
            Rule::owner => child(p, Rule::text).map(|t| Statement::Owner(self.text(&t))),
            Rule::link => {
                let (mut kind, mut target) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::name => kind = Some(self.name(&q)),
                        Rule::text => target = Some(self.text(&q)),
                        _ => {}
                    }
                }
                Some(Statement::Link { kind: kind?, target: target?, span })
            }
            Rule::check_every => Some(Statement::CheckEvery(self.value_in(p, span), span)),
            Rule::settle => Some(Statement::Settle(self.value_in(p, span), span)),
            Rule::baseline => Some(Statement::Baseline(self.value_in(p, span), span)),
            Rule::require => {
                let (cond, why) = self.required(p);
                Some(Statement::Require { cond: cond?, why, span })
            }
            Rule::no_data => {
                let (mut tolerate, mut otherwise) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::tolerate => tolerate = Some(self.tolerance(q)),
                        Rule::otherwise => otherwise = self.otherwise(q),
                        _ => {}
                    }
                }
                Some(Statement::NoData { tolerate, otherwise: otherwise?, span })
            }
            Rule::guard => self.guard(p).map(Statement::Guard),
            Rule::phase => self.phase(p).map(Statement::Phase),
            Rule::reaction => self.reaction(p).map(Statement::Reaction),
            _ => self.course(p),
        }
    }

    /// The condition of a `require`, and why it is asked.
    pub fn required(&mut self, p: P<'_>) -> (Option<Expr>, Option<Spanned<String>>) {
        let (mut cond, mut why) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::cond => cond = Some(self.value(q)),
                Rule::text => why = Some(self.text(&q)),
                _ => {}
            }
        }
        (cond, why)
    }

    fn guard(&mut self, p: P<'_>) -> Option<Guard> {
        let span = self.span(&p);
        let (mut name, mut healthy, mut at_least, mut from) = (None, None, None, None);
        let (mut until, mut tolerate, mut waived, mut otherwise) = (None, None, None, None);
        let mut order = super::order::Tails::default();
        for q in p.into_inner() {
            let at = self.span(&q);
            order.seen(q.as_rule(), at);
            match q.as_rule() {
                Rule::name => name = Some(self.name(&q)),
                Rule::cond => healthy = Some(self.value(q)),
                Rule::guard_least => {
                    let v = self.value_in(q, at);
                    self.once(&mut at_least, v, at, "at least");
                }
                Rule::guard_from => {
                    if let Some(n) = child(q, Rule::name).map(|n| self.name(&n)) {
                        self.once(&mut from, n, at, "from");
                    }
                }
                Rule::guard_until => {
                    if let Some(n) = child(q, Rule::name).map(|n| self.name(&n)) {
                        self.once(&mut until, n, at, "until");
                    }
                }
                Rule::tolerate => {
                    let t = self.tolerance(q);
                    self.once(&mut tolerate, t, at, "tolerate");
                }
                Rule::never_waived => self.once(&mut waived, (), at, "never waived"),
                Rule::otherwise => otherwise = self.otherwise(q),
                _ => {}
            }
        }
        order.check(self);
        Some(Guard {
            name: name?,
            healthy: healthy?,
            at_least,
            from,
            until,
            tolerate,
            never_waived: waived.is_some(),
            otherwise: otherwise?,
            span,
        })
    }

    fn tolerance(&mut self, p: P<'_>) -> Tolerance {
        let span = self.span(&p);
        let mut value = None;
        let mut checks = false;
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::dur => value = Some(self.value(q)),
                Rule::kw_checks => checks = true,
                _ => {}
            }
        }
        let value = value.unwrap_or_else(|| Self::hole(span));
        if checks { Tolerance::Checks(value) } else { Tolerance::For(value) }
    }

    /// The consequence of an `otherwise` pair.
    pub fn otherwise(&mut self, p: P<'_>) -> Option<Consequence> {
        let p = child(p, Rule::consequence)?;
        let span = self.span(&p);
        let (mut kind, mut to, mut kill, mut word) = (None, None, None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::consequence_word => {
                    kind = match q.as_str() {
                        "tell" => Some(ConsequenceKind::Tell),
                        "hold" => Some(ConsequenceKind::Hold),
                        "pause" => Some(ConsequenceKind::Pause),
                        "halt" => Some(ConsequenceKind::Halt),
                        _ => Some(ConsequenceKind::Rollback),
                    };
                }
                Rule::kw_to | Rule::kw_kill => word = Some(q.as_rule()),
                Rule::name if word == Some(Rule::kw_to) => to = Some(self.name(&q)),
                Rule::said => kill = Some(self.name(&q)),
                _ => {}
            }
        }
        Some(Consequence { kind: kind?, to, kill, span })
    }

    fn reaction(&mut self, p: P<'_>) -> Option<Reaction> {
        let span = self.span(&p);
        let (mut trigger, mut act) = (None, None);
        for q in p.into_inner() {
            let at = self.span(&q);
            match q.as_rule() {
                Rule::on_ => trigger = child(q, Rule::names).map(|n| Trigger::On(self.names(n))),
                Rule::every => trigger = Some(Trigger::Every(self.value_in(q, at))),
                Rule::at_ => {
                    trigger = Some(Trigger::At(
                        q.into_inner().filter(|d| d.as_rule() == Rule::dur).map(|d| self.value(d)).collect(),
                    ));
                }
                Rule::when_ => trigger = Some(Trigger::When(self.value_in(q, at))),
                Rule::act => act = self.act(q, at),
                _ => {}
            }
        }
        Some(Reaction { trigger: trigger?, act: act?, span })
    }

    fn act(&mut self, p: P<'_>, at: Span) -> Option<Act> {
        let p = p.into_inner().next()?;
        match p.as_rule() {
            Rule::notify => child(p, Rule::said_names).map(|n| Act::Notify(self.names(n))),
            Rule::run_act => {
                let (mut action, mut limit) = (None, None);
                for q in p.into_inner() {
                    match q.as_rule() {
                        Rule::said => action = Some(self.name(&q)),
                        Rule::limit => limit = self.limit(q),
                        _ => {}
                    }
                }
                Some(Act::Run { action: action?, limit })
            }
            _ => Some(Act::Snapshot(at)),
        }
    }

    pub fn limit(&mut self, p: P<'_>) -> Option<(Expr, Expr)> {
        let (mut n, mut per) = (None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::value => n = Some(self.value(q)),
                Rule::dur => per = Some(self.value(q)),
                _ => {}
            }
        }
        n.zip(per)
    }
}
