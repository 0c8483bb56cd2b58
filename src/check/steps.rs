//! Steps of a phase beside `run`, `hold d` and `promote when`: ramps, mirrors, holds without an end or until events were counted.

use super::expr::Lower;
use super::inputs::How;
use super::metrics::Body;
use super::rollout::Builder;
use super::scope::Decl;
use crate::plan::{Compare, Node, NodeId, PortId, PortKind, Setting, Step, Unit, Window};
use crate::syntax::ast::{Expr, Name, SetKeyword};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// More steps than anybody can mean.
const MOST_STEPS: f64 = 1000.0;

impl<'a> Builder<'_, 'a> {
    /// `ramp x from 5% to 50% by 5% every 10m`
    pub(super) fn ramp(
        &mut self,
        port: &'a Name,
        [from, to, by]: [&'a Expr; 3],
        every: &'a Expr,
        span: Span,
    ) -> Option<Step> {
        let cx = self.cx;
        let every = cx.duration(every, "`every` of a ramp", 1);
        let is_port = |d: &Decl<'_>| matches!(d, Decl::Traffic(_) | Decl::Flag(_) | Decl::Flags(_));
        let decl = cx.expect_decl(port, "ports", "declare it with `traffic name` or `flag name: ratio`", is_port)?;
        if let Decl::Flags(_) = decl {
            cx.push(
                Diagnostic::error(
                    "E0425",
                    format!("`{}` is a group, and a ramp raises one port", port.node),
                    port.span,
                    "",
                )
                .also(decl.span(), "declared here")
                .help("write a phase for each step: a group is set as one"),
            );
            return None;
        }
        let keyword = if matches!(decl, Decl::Traffic(_)) { SetKeyword::Traffic } else { SetKeyword::Flag };
        let ends = (self.settings(keyword, port, from), self.settings(keyword, port, to));
        let (Some([(id, from_to)]), Some([(_, to_to)])) = (ends.0.as_deref(), ends.1.as_deref()) else { return None };
        let (id, start, end) = (*id, *from_to, *to_to);
        let kind = self.ports.get(id.index())?.kind.clone();
        let step = match kind {
            PortKind::BoolFlag => {
                cx.push(
                    Diagnostic::error(
                        "E0425",
                        format!("`{}` is on or off: nothing lies between", port.node),
                        port.span,
                        "",
                    )
                    .also(decl.span(), "declared here")
                    .help(format!("write `flag {} = on`", port.node)),
                );
                return None;
            }
            PortKind::CountFlag(_) => Setting::Count(i64::from(cx.count(by, "`by` of a ramp", 1)?)),
            PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(cx.ratio(by, "`by` of a ramp", 1e-6, 1.0)?),
        };
        let (a, b, d) = (start.size(), end.size(), step.size());
        if a >= b {
            cx.push(
                Diagnostic::error("E0425", format!("a ramp rises, and {end} is not above {start}"), to.span, "the end")
                    .also(from.span, "the beginning")
                    .help("turn them round; what goes down is a rollback, or a phase of its own"),
            );
            return None;
        }
        if (b - a) / d > MOST_STEPS {
            cx.push(
                Diagnostic::error("E0425", format!("this ramp has more than {MOST_STEPS} steps"), by.span, "too small")
                    .help("take larger steps"),
            );
            return None;
        }
        let listed: Option<Vec<Setting>> = match &kind {
            PortKind::CountFlag(l) if !l.is_empty() => Some(l.iter().map(|n| Setting::Count(*n)).collect()),
            PortKind::RatioFlag(l) if !l.is_empty() => Some(l.iter().map(|r| Setting::Share(*r)).collect()),
            _ => None,
        };
        if let Some(listed) = listed
            && let Some(stray) = values(start, end, step).into_iter().find(|v| !listed.iter().any(|l| l.same(*v)))
        {
            let words: Vec<String> = listed.iter().map(ToString::to_string).collect();
            cx.push(
                Diagnostic::error(
                    "E0425",
                    format!("this ramp comes to {stray}, and `{}` cannot be that", port.node),
                    span,
                    "",
                )
                .help(format!("it takes {}: write a phase for each", words.join(", "))),
            );
            return None;
        }
        Some(Step::Ramp { port: id, from: start, to: end, by: step, every: every? })
    }

    /// `mirror x = 20%`
    pub(super) fn mirror(&mut self, port: &'a Name, value: &'a Expr, span: Span) -> Option<(PortId, f64)> {
        let cx = self.cx;
        let is_traffic = |d: &Decl<'_>| matches!(d, Decl::Traffic(_));
        let decl = cx.expect_decl(port, "traffic ports", "declare it with `traffic name`", is_traffic);
        let share = cx.ratio(value, "`mirror`", 0.0, 1.0);
        let Some(Decl::Traffic(t)) = decl else { return None };
        self.same_dims(&t.per, port, t.name.span)?;
        let share = share?;
        self.needs.traffic.entry(port.node.clone()).or_insert(port.span);
        self.lower.later("mirror", span);
        Some((self.traffic_port(t), share))
    }
}

impl<'a> Lower<'_, 'a> {
    /// `500 events of errors`, counted since the phase's settings were verified.
    pub(super) fn events_counted(
        &mut self,
        n: &'a Expr,
        of: Option<&'a [Name]>,
        span: Span,
    ) -> Option<(NodeId, String)> {
        let cx = self.cx;
        let least = cx.count(n, "`hold until … events`", 1);
        let metric = match of {
            Some(path) => cx.one_name(path, "an `events` metric")?,
            None => return self.which_events(span),
        };
        let is_events = |d: &Decl<'_>| matches!(d, Decl::Metric(m) if m.kind.node == "events");
        let how = "declare it with `metric name: events = events(bad: …, total: …)`";
        let Some(Decl::Metric(m)) = cx.expect_decl(metric, "`events` metrics", how, is_events) else { return None };
        let name = m.name.node.as_str();
        let made = cx.metric(name)?;
        self.reads(name);
        let Body::Events { total, .. } = &made.body else { return None };
        let source = self.counter(total)?;
        let input = self.input(total, source, How::Increase(Window::SinceLast), metric.span)?;
        let slot = self.program.accumulators;
        self.program.accumulators += 1;
        let counted = self.push(Node::Accumulated { input, slot, since_phase: true });
        let least = least?;
        let wanted = self.push(Node::Const(f64::from(least)));
        let (op, unit) = (Compare::Ge, Unit::Count);
        let node = self.push(Node::Compare { op, left: counted, right: wanted, at_least: None, unit });
        Some((node, format!("{least} events of {name}")))
    }

    fn which_events(&self, span: Span) -> Option<(NodeId, String)> {
        let known = self.cx.scope().of_kind(|d| matches!(d, Decl::Metric(m) if m.kind.node == "events"));
        let example = known.first().copied().unwrap_or("errors");
        self.cx.push(
            Diagnostic::error("E0426", "events of what?", span, "does not say which are counted")
                .help(format!("name an `events` metric: `hold until 500 events of {example}`")),
        );
        None
    }
}

/// All values that a ramp comes to; the last step is shorter where it has to be.
fn values(from: Setting, to: Setting, by: Setting) -> Vec<Setting> {
    let mut out = vec![from];
    let mut at = from;
    while at.size() < to.size() && out.len() < 2000 {
        at = at.raised(by, to);
        out.push(at);
    }
    out
}
