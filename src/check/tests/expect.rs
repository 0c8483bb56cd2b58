//! `expect …`: every name looked up, every value typed, every time one of a check.

use super::super::suggest;
use super::lines::Compiler;
use super::{CAUSES, Expectation, Expected, Slices, WORDS};
use crate::plan::{ChannelId, GuardId, Millis, PhaseId, show};
use crate::syntax::ast::{self, Name, TestLine};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Compiler<'_, 'a> {
    pub(super) fn expect(
        &self,
        not: bool,
        what: &'a ast::Expect,
        because: Option<&Name>,
        at: Option<Millis>,
        line: &'a TestLine,
    ) -> Option<Expectation> {
        let (what, slices) = self.expected(what, line)?;
        if let (
            Some(b),
            Expected::Promoted | Expected::Phase(_) | Expected::Guard(..) | Expected::Port(..) | Expected::Snapshot,
        ) = (because, &what)
        {
            self.cx.push(
                Diagnostic::error("E0484", "nothing decides this, so there is no `because`", b.span, "")
                    .help("rollbacks, pauses, refusals and kills have a cause: `expect rollback at 17m because slow`"),
            );
            return None;
        }
        let because = match because {
            Some(b) => Some(self.because(b)?),
            None => None,
        };
        if let (Some(at), Some(e)) = (at, &line.at) {
            self.at_a_check(at, e.span)?;
        }
        Some(Expectation { what, slices, not, because, at, text: self.cx.as_written(line.span), span: line.span })
    }

    fn expected(&self, what: &'a ast::Expect, line: &'a TestLine) -> Option<(Expected, Slices)> {
        let mut slices = self.of(line.slices.as_ref())?;
        let what = match what {
            ast::Expect::Rollback(to) => Expected::Rollback(match to {
                Some(p) => Some(self.phase(p)?),
                None => None,
            }),
            ast::Expect::Promoted => Expected::Promoted,
            ast::Expect::Paused => Expected::Paused,
            ast::Expect::Refused => Expected::Refused,
            ast::Expect::Phase(p) => Expected::Phase(self.phase(p)?),
            ast::Expect::Guard { guard, word } => {
                let guard = self.guard(guard);
                if !WORDS.contains(&word.node.as_str()) {
                    self.cx.push(
                        Diagnostic::error("E0485", format!("a guard is never `{}`", word.node), word.span, "")
                            .help(suggest::help(&word.node, &WORDS, "a guard is one of", "")),
                    );
                    return None;
                }
                Expected::Guard(guard?, word.node.clone())
            }
            ast::Expect::Port { port, value } => {
                let (port, of) = self.indexed(port)?;
                slices = of;
                let (first, rest) = self.path(port)?.split_first()?;
                let ports = self.ports(first, rest)?;
                let setting = self.setting(*ports.first()?, value)?;
                Expected::Port(ports, setting)
            }
            ast::Expect::Notified(channel) => {
                let found = self.plan.channels.iter().position(|c| *c == channel.node);
                let Some(i) = found else {
                    let known: Vec<&str> = self.plan.channels.iter().map(String::as_str).collect();
                    self.unknown("channel", channel, &known, "whom it tells", "it tells nobody");
                    return None;
                };
                Expected::Notified(ChannelId::at(i))
            }
            ast::Expect::Ran { action, times } => {
                let action = self.action(action)?;
                let times = match times {
                    Some(e) => Some(self.cx.count(e, "`… times`", 0)?),
                    None => None,
                };
                Expected::Ran(action, times)
            }
            ast::Expect::Killed(e) => {
                let (e, of) = self.indexed(e)?;
                slices = of;
                match self.path(e)? {
                    [n] => Expected::Killed(self.switch(n)?),
                    [root, ..] => {
                        self.cx.module_path(root, e.span);
                        return None;
                    }
                    [] => return None,
                }
            }
            ast::Expect::Snapshot => Expected::Snapshot,
        };
        Some((what, slices))
    }

    fn phase(&self, name: &Name) -> Option<PhaseId> {
        let found = self.plan.phases.iter().position(|p| p.name == name.node).map(PhaseId::at);
        if found.is_none() {
            let known: Vec<&str> = self.plan.phases.iter().map(|p| p.name.as_str()).collect();
            self.unknown("phase", name, &known, "its phases", "it has none");
        }
        found
    }

    fn guard(&self, name: &Name) -> Option<GuardId> {
        let found = self.plan.guards.iter().position(|g| g.name == name.node).map(GuardId::at);
        if found.is_none() {
            let known: Vec<&str> = self.plan.guards.iter().map(|g| g.name.as_str()).collect();
            self.unknown("guard", name, &known, "its guards", "it has none");
        }
        found
    }

    /// What can be the cause of something.
    fn because(&self, name: &Name) -> Option<String> {
        let plan = self.plan;
        let mut known: Vec<&str> = plan.guards.iter().map(|g| g.name.as_str()).collect();
        known.extend(plan.actions.iter().map(|a| a.name.as_str()));
        known.extend(plan.phases.iter().map(|p| p.name.as_str()));
        known.extend(plan.ports.iter().map(|p| p.name.as_str()));
        known.extend(CAUSES);
        if known.contains(&name.node.as_str()) {
            return Some(name.node.clone());
        }
        let guards: Vec<&str> = plan.guards.iter().map(|g| g.name.as_str()).collect();
        let near = suggest::nearest(&name.node, known.iter().copied());
        let help = match near {
            Some(n) => format!("did you mean `{n}`?"),
            None => format!("its guards: {}", suggest::list(&guards)),
        };
        self.cx.push(
            Diagnostic::error(
                "E0201",
                format!("nothing here is called `{}`", name.node),
                name.span,
                "because of what?",
            )
            .help(help),
        );
        None
    }

    /// An expected time is that of a check.
    fn at_a_check(&self, at: Millis, span: Span) -> Option<()> {
        let every = self.plan.check_every.max(1);
        if at % every == 0 {
            return Some(());
        }
        let (before, after) = (at - at % every, at - at % every + every);
        self.cx.push(
            Diagnostic::error(
                "E0481",
                format!("there is no check at {}", show::duration(at)),
                span,
                format!("checks are made every {}", show::duration(every)),
            )
            .help(format!("write `{}` or `{}`", show::duration(before), show::duration(after)))
            .fix(span, show::duration(after)),
        );
        None
    }
}
