//! Tests and their lines.

use super::{Builder, P, child};
use crate::syntax::ast::{
    ActionFault, Dims, Expect, Expr, Given, OperatorAct, SourceFault, Test, TestLine, TestLineKind,
};
use crate::syntax::grammar::Rule;
use crate::syntax::recover::Context;

impl Builder<'_> {
    pub fn test(&mut self, p: P<'_>) -> Option<Test> {
        let span = self.span(&p);
        let (mut title, mut rollout, mut with, mut body) = (None, None, Vec::new(), Vec::new());
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::text => title = Some(self.text(&q)),
                Rule::name => rollout = Some(self.name(&q)),
                Rule::binding => with.extend(self.named_value(q)),
                Rule::test_block => body = self.test_body(q),
                _ => {}
            }
        }
        Some(Test { title: title?, rollout: rollout?, with, body, span })
    }

    /// The lines of a `test_body`, or of a pair that holds one.
    pub fn test_body(&mut self, p: P<'_>) -> Vec<TestLine> {
        p.into_inner()
            .flat_map(|q| match q.as_rule() {
                Rule::test_body => self.test_body(q),
                Rule::junk_test => {
                    let range = self.range(&q);
                    self.recover(range, Context::Test)
                }
                _ => self.test_line(q).into_iter().collect(),
            })
            .collect()
    }

    /// One line; nothing for pairs that are none.
    pub fn test_line(&mut self, p: P<'_>) -> Option<TestLine> {
        let span = self.span(&p);
        let mut time = |rule| child(p.clone(), rule).map(|t| self.value_in(t, span));
        let (from, to, at) = (time(Rule::from_time), time(Rule::to_time), time(Rule::at_time));
        let slices = self.slices(&p);
        let kind = match p.as_rule() {
            Rule::assume => TestLineKind::AssumeHealthy,
            Rule::starts => TestLineKind::Starts(self.value_in(p, span)),
            Rule::given => self.given(p)?,
            Rule::inject => TestLineKind::Inject(child(p, Rule::text).map(|t| self.text(&t))?),
            Rule::source_line => {
                let source = child(p.clone(), Rule::name).map(|n| self.name(&n))?;
                let fault = p.into_inner().find_map(|q| match q.as_rule() {
                    Rule::kw_fails => Some(SourceFault::Fails),
                    Rule::lacks => child(q, Rule::name).map(|n| SourceFault::Lacks(self.name(&n))),
                    Rule::no_history => Some(SourceFault::KeepsNoHistory),
                    _ => None,
                });
                TestLineKind::Source { source, fault: fault? }
            }
            Rule::runner_line => TestLineKind::RunnerStops,
            Rule::action_line => {
                let action = child(p.clone(), Rule::said).map(|n| self.name(&n))?;
                let hangs = child(p, Rule::kw_hangs).is_some();
                TestLineKind::Action { action, how: if hangs { ActionFault::Hangs } else { ActionFault::Fails } }
            }
            Rule::operator_line => {
                let who = child(p.clone(), Rule::as_who).and_then(|w| child(w, Rule::text)).map(|t| self.text(&t));
                TestLineKind::Operator { act: self.operator(p)?, who }
            }
            Rule::port_line => {
                let port = child(p.clone(), Rule::said).map(|n| self.name(&n))?;
                let drifts_to = child(p, Rule::drifts).map(|d| self.value_in(d, span));
                TestLineKind::Port { port, drifts_to }
            }
            Rule::expect => self.expect(p)?,
            _ => return None,
        };
        Some(TestLine { kind, from, to, at, slices, span })
    }

    /// The brackets behind what happens, or behind the verb: of which slices a line speaks. Those of an expression lie deeper.
    fn slices(&mut self, p: &P<'_>) -> Option<Dims> {
        let own = child(p.clone(), Rule::index);
        let index = own.or_else(|| p.clone().into_inner().find_map(|q| child(q, Rule::index)))?;
        Some(Dims { span: self.span(&index), dims: self.dims(index, &mut 0) })
    }

    fn given(&mut self, p: P<'_>) -> Option<TestLineKind> {
        let span = self.span(&p);
        let (mut population, mut what, mut value) = (None, None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::given_rolled => return Some(TestLineKind::GivenRolledBack(self.value_in(q, span))),
                Rule::given_recording => {
                    let environment = child(q.clone(), Rule::name).map(|n| self.name(&n));
                    let file = child(q, Rule::text).map(|t| self.text(&t))?;
                    return Some(TestLineKind::Recording { file, environment });
                }
                Rule::population => population = Some(self.name(&q)),
                Rule::given_what => what = Some(self.value(q)),
                Rule::given_value => {
                    let (first, second) = self.two_values(q)?;
                    value = Some(match second {
                        Some(rate) => Given::Of { share: first, rate },
                        None => Given::Value(first),
                    });
                }
                Rule::given_ramp => {
                    let (from, to) = self.two_values(q)?;
                    value = to.map(|to| Given::Ramp { from, to });
                }
                _ => {}
            }
        }
        Some(TestLineKind::Given { population, what: what?, value: value? })
    }

    fn two_values(&mut self, p: P<'_>) -> Option<(Expr, Option<Expr>)> {
        let mut values = p.into_inner().filter(|q| q.as_rule() == Rule::value);
        let first = values.next().map(|v| self.value(v))?;
        Some((first, values.next().map(|v| self.value(v))))
    }

    fn operator(&mut self, p: P<'_>) -> Option<OperatorAct> {
        p.into_inner().find_map(|q| match q.as_rule() {
            Rule::approves => child(q, Rule::text).map(|t| OperatorAct::Approves(self.text(&t))),
            Rule::kw_pauses => Some(OperatorAct::Pauses),
            Rule::kw_resumes => Some(OperatorAct::Resumes),
            Rule::kw_aborts => Some(OperatorAct::Aborts),
            Rule::resets => child(q, Rule::said).map(|n| OperatorAct::Resets(self.name(&n))),
            Rule::kills => child(q, Rule::said).map(|n| OperatorAct::Kills(self.name(&n))),
            _ => None,
        })
    }

    fn expect(&mut self, p: P<'_>) -> Option<TestLineKind> {
        let (mut not, mut what, mut because) = (false, None, None);
        for q in p.into_inner() {
            match q.as_rule() {
                Rule::expect_not => not = true,
                Rule::because => because = child(q, Rule::name).map(|n| self.name(&n)),
                _ => what = what.or_else(|| self.expected(q)),
            }
        }
        Some(TestLineKind::Expect { not, what: what?, because })
    }

    fn expected(&mut self, p: P<'_>) -> Option<Expect> {
        let name = |b: &Self, p: &P<'_>| {
            p.clone().into_inner().find(|n| matches!(n.as_rule(), Rule::name | Rule::said)).map(|n| b.name(&n))
        };
        match p.as_rule() {
            Rule::expect_rollback => Some(Expect::Rollback(name(self, &p))),
            Rule::kw_promoted => Some(Expect::Promoted),
            Rule::kw_paused => Some(Expect::Paused),
            Rule::kw_refused => Some(Expect::Refused),
            Rule::kw_snapshot => Some(Expect::Snapshot),
            Rule::expect_phase => name(self, &p).map(Expect::Phase),
            Rule::expect_guard => {
                let mut names = p.into_inner().filter(|n| n.as_rule() == Rule::name).map(|n| self.name(&n));
                names.next().zip(names.next()).map(|(guard, word)| Expect::Guard { guard, word })
            }
            Rule::expect_port => {
                let value = child(p.clone(), Rule::value).map(|v| self.value(v));
                let port = child(p, Rule::reference).map(|r| self.reference(r, &mut 0));
                port.zip(value).map(|(port, value)| Expect::Port { port, value })
            }
            Rule::expect_notified => name(self, &p).map(Expect::Notified),
            Rule::expect_ran => {
                let action = name(self, &p)?;
                let span = self.span(&p);
                let times = child(p, Rule::times).map(|t| self.value_in(t, span));
                Some(Expect::Ran { action, times })
            }
            Rule::expect_killed => child(p, Rule::reference).map(|r| Expect::Killed(self.reference(r, &mut 0))),
            _ => None,
        }
    }
}
