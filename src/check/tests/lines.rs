//! One test: its rollout, its params, its lines.

use super::super::inputs::Inputs;
use super::super::scope::Decl;
use super::super::{Cx, head, suggest};
use super::{Act, ActLine, ActionLine, PortLine, Slices, SourceFault, SourceLine, Stretch, Test, nodes};
use crate::check::expr::{Lower, Place};
use crate::check::types::{Ty, Value};
use crate::plan::show;
use crate::plan::{ActionId, Millis, NodeId, Plan, Population, PortId, PortKind, Setting, SwitchId};
use crate::syntax::ast::{self, Expr, ExprKind, Name, OperatorAct, TestLine, TestLineKind};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The most checks of one test: half a million are three months of checks every 15s.
const MOST_CHECKS: Millis = 500_000;

/// Plans of rollouts as they stand, by name; `None`: it cannot be compiled, which is said elsewhere.
#[derive(Default)]
pub(super) struct Plans(BTreeMap<String, Option<Arc<Plan>>>);

/// Compiles a test; none, and a finding, if something is wrong with it.
pub(super) fn test<'a>(cx: &Cx<'a>, t: &'a ast::Test, plans: &mut Plans) -> Option<Test> {
    let Some(r) = cx.scope().rollouts.iter().find(|r| r.name.node == t.rollout.node).copied() else {
        let known: Vec<&str> = cx.scope().rollouts.iter().map(|r| r.name.node.as_str()).collect();
        cx.push(
            Diagnostic::error("E0201", format!("unknown rollout `{}`", t.rollout.node), t.rollout.span, "not declared")
                .help(suggest::help(&t.rollout.node, &known, "the rollouts here", "no rollout is declared here")),
        );
        return None;
    };
    if t.with.is_empty() {
        let plan = plans.0.entry(r.name.node.clone()).or_insert_with(|| super::plan_of(cx, r).map(Arc::new)).clone()?;
        return compile(cx, t, r, plan);
    }
    // with params of its own: the whole policy is looked at once more
    let values = cx.test_params(t)?;
    let sub = Cx::with_params(cx.files, cx.map, cx.others, values);
    let plan = super::plan_of(&sub, r).map(Arc::new);
    let made = plan.and_then(|plan| compile(&sub, t, r, plan));
    for name in sub.used.borrow().iter() {
        cx.use_name(name);
    }
    // what the text says of itself was found already
    for d in sub.finish() {
        cx.push(d);
    }
    made
}

fn compile<'a>(cx: &Cx<'a>, t: &'a ast::Test, r: &'a ast::Rollout, plan: Arc<Plan>) -> Option<Test> {
    let before = cx.found.borrow().len();
    let made = Compiler::new(cx, &plan).test(t, r, &plan);
    // a test with a finding is not half run
    let broken = cx.found.borrow().iter().skip(before).any(Diagnostic::is_error);
    made.filter(|_| !broken)
}

/// A test on its way.
pub(super) struct Compiler<'c, 'a> {
    pub(super) cx: &'c Cx<'a>,
    pub(super) plan: &'c Plan,
    /// The plan's program, open for more: what is lowered and found in it already is what the test means.
    pub(super) lower: RefCell<Lower<'c, 'a>>,
    pub(super) live: BTreeSet<NodeId>,
    /// Of which slices lines speak, with the brackets that say so.
    pub(super) named: RefCell<Vec<(Slices, Span)>>,
    /// The slices that a `given` names by all their values, with their places in the order of the text.
    pub(super) keys: RefCell<BTreeMap<Vec<String>, usize>>,
}

impl<'c, 'a> Compiler<'c, 'a> {
    fn new(cx: &'c Cx<'a>, plan: &'c Plan) -> Self {
        let mut lower = Lower::new(cx, None, plan.baseline.unwrap_or(head::BASELINE));
        lower.place = Place::Guard;
        lower.program.clone_from(&plan.program);
        lower.groups.clone_from(&plan.groups);
        lower.slices.clone_from(&plan.slices);
        lower.windows.clone_from(&plan.windows);
        lower.signoffs.clone_from(&plan.signoffs);
        lower.inputs = Inputs::of(&plan.inputs);
        for (i, node) in plan.program.nodes.iter().enumerate() {
            if let Some(key) = crate::check::nodes::key(node) {
                lower.shared.entry(key).or_insert(NodeId::at(i));
            }
        }
        Self {
            cx,
            plan,
            lower: RefCell::new(lower),
            live: nodes::live(plan),
            named: RefCell::default(),
            keys: RefCell::default(),
        }
    }

    fn test(self, t: &'a ast::Test, r: &'a ast::Rollout, plan: &Arc<Plan>) -> Option<Test> {
        let mut out = Test {
            title: t.title.node.clone(),
            span: t.span,
            title_span: t.title.span,
            plan: Arc::clone(plan),
            assume_healthy: false,
            starts: None,
            rolled_back: None,
            recording: None,
            slices: Vec::new(),
            givens: Vec::new(),
            sources: Vec::new(),
            stops: Vec::new(),
            actions: Vec::new(),
            acts: Vec::new(),
            ports: Vec::new(),
            expects: Vec::new(),
            last_named: None,
        };
        let found = self.cx.found.borrow().len();
        let mut assumed: Option<Span> = None;
        for line in &t.body {
            if matches!(line.kind, TestLineKind::AssumeHealthy)
                && let Some(first) = assumed.replace(line.span)
            {
                self.cx.push(
                    Diagnostic::error("E0484", "`assume healthy` stands twice", line.span, "again here")
                        .also(first, "first here")
                        .help("keep one of them"),
                );
            }
            self.line(line, &mut out);
        }
        self.recorded(t, &mut out);
        let mut slices: Vec<(Vec<String>, usize)> = self.keys.take().into_iter().collect();
        slices.sort_unstable_by_key(|(_, place)| *place);
        out.slices = slices.into_iter().map(|(key, _)| key).collect();
        // a line that is wrong may have been the one that names a slice
        if !self.cx.found.borrow().iter().skip(found).any(Diagnostic::is_error) {
            self.all_are_there(&out.slices, t.title.span);
        }
        if t.body.iter().all(|l| !matches!(l.kind, TestLineKind::Expect { .. } | TestLineKind::Junk)) {
            self.cx.push(
                Diagnostic::error(
                    "E0482",
                    format!("test \"{}\" of `{}` expects nothing", t.title.node, r.name.node),
                    t.title.span,
                    "would pass whatever happens",
                )
                .help(
                    "say what is to happen, for example `expect rollback at 17m because slow`, or `expect no rollback`",
                ),
            );
        }
        // every check is one of each slice
        let lives = Millis::try_from(out.slices.len().max(1)).unwrap_or(Millis::MAX);
        let checks = (out.last_named.unwrap_or(0) / self.plan.check_every.max(1)).saturating_mul(lives);
        if checks > MOST_CHECKS {
            self.cx.push(
                Diagnostic::error(
                    "E0484",
                    "this test takes too many checks",
                    t.title.span,
                    format!("{checks} of them"),
                )
                .help(format!("at most {MOST_CHECKS}: name earlier times, or give the rollout a longer `check every`")),
            );
        }
        Some(out)
    }

    fn line(&self, line: &'a TestLine, out: &mut Test) -> Option<()> {
        let stretch = self.stretch(line)?;
        let at = match &line.at {
            Some(e) => Some(self.cx.duration(e, "`at`", 0)?),
            None => None,
        };
        let ends = [Some(stretch.from), Some(stretch.to), at].into_iter().flatten().filter(|t| *t < Millis::MAX);
        out.last_named = out.last_named.max(ends.max().filter(|t| *t > 0));
        match &line.kind {
            TestLineKind::Junk => {}
            TestLineKind::AssumeHealthy => out.assume_healthy = true,
            TestLineKind::Starts(e) => out.starts = Some(self.time(e)?),
            TestLineKind::Given { population, what, value } => {
                let timed = line.from.is_some() || line.to.is_some();
                out.givens.push(self.given(population.as_ref(), what, value, stretch, timed, line.span)?);
            }
            // looked at together, when all lines are known
            TestLineKind::Recording { .. } | TestLineKind::Inject(_) => {}
            TestLineKind::GivenRolledBack(e) => {
                out.rolled_back = Some(self.cx.duration(e, "`rolled back … ago`", 0)?)
            }
            TestLineKind::Source { source, fault } => out.sources.push(self.source(source, fault, stretch)?),
            TestLineKind::RunnerStops => {
                if line.to.is_none() {
                    self.cx.push(
                        Diagnostic::error("E0484", "the runner never comes back", line.span, "until when?")
                            .help("say when it goes on: `runner stops from 3m to 5m`"),
                    );
                    return None;
                }
                out.stops.push(stretch);
            }
            TestLineKind::Action { action, how } => {
                out.actions.push(ActionLine {
                    action: self.action(action)?,
                    slices: self.of(line.slices.as_ref())?,
                    how: *how,
                    during: stretch,
                });
            }
            TestLineKind::Operator { act, who } => {
                let at = self.moment(at, line, "operator aborts at 20m")?;
                let act = self.act(act)?;
                if let (Some(s), Act::Kill(switch) | Act::Reset(switch)) = (&line.slices, act)
                    && self.plan.switches.get(switch.index()).is_some_and(|s| s.for_all)
                {
                    let message = format!("kill switch `{}` is one for all slices", self.plan.switch_name(switch));
                    self.cx.push(
                        Diagnostic::error("E0430", message, s.span, "cannot be thrown or reset for some of them")
                            .help("leave the brackets out, or declare the switch `per` the dimensions of the rollout"),
                    );
                    return None;
                }
                let who = who.as_ref().map_or_else(|| String::from("operator"), |w| w.node.clone());
                out.acts.push(ActLine { act, slices: self.of(line.slices.as_ref())?, who, at });
            }
            TestLineKind::Port { port, drifts_to } => {
                let ports = self.ports(port, &[])?;
                let (drifts_to, during) = match drifts_to {
                    None => (None, stretch),
                    Some(value) => {
                        let at = self.moment(at, line, "port checkout drifts to 20% at 10m")?;
                        (Some(self.setting(*ports.first()?, value)?), Stretch { from: at, to: Millis::MAX })
                    }
                };
                out.ports.push(PortLine { ports, slices: self.of(line.slices.as_ref())?, drifts_to, during });
            }
            TestLineKind::Expect { not, what, because } => {
                out.expects.push(self.expect(*not, what, because.as_ref(), at, line)?);
            }
        }
        Some(())
    }

    /// `from` and `to`, where they may stand.
    fn stretch(&self, line: &'a TestLine) -> Option<Stretch> {
        let cx = self.cx;
        let (from, to) = (line.from.as_ref(), line.to.as_ref());
        let may = matches!(
            line.kind,
            TestLineKind::Given { .. }
                | TestLineKind::Source { .. }
                | TestLineKind::RunnerStops
                | TestLineKind::Action { .. }
                | TestLineKind::Port { drifts_to: None, .. }
        );
        let at = matches!(
            line.kind,
            TestLineKind::Operator { .. } | TestLineKind::Expect { .. } | TestLineKind::Port { drifts_to: Some(_), .. }
        );
        if let (false, Some(e)) = (may, from.or(to)) {
            let d = Diagnostic::error("E0484", "this line takes no `from` and no `to`", e.span, "");
            cx.push(if at { d.help("it happens at one time: `at 5m`") } else { d.help("it holds throughout") });
            return None;
        }
        if let (false, Some(e)) = (at, &line.at) {
            let d = Diagnostic::error("E0484", "this line takes no `at`", e.span, "");
            cx.push(if may { d.help("say how long: `from 5m to 9m`") } else { d.help("it holds throughout") });
            return None;
        }
        let start = match from {
            Some(e) => cx.duration(e, "`from`", 0)?,
            None => 0,
        };
        let end = match to {
            Some(e) => cx.duration(e, "`to`", 0)?,
            None => Millis::MAX,
        };
        if end <= start {
            cx.push(
                Diagnostic::error("E0484", "this line holds at no time", to.or(from).map_or(line.span, |e| e.span), "")
                    .help("`to` is excluded, and must come after `from`"),
            );
            return None;
        }
        // nothing happens between two checks, so a line that holds between them alone does nothing
        let every = self.plan.check_every.max(1);
        if end < Millis::MAX && start.saturating_add(every - 1) / every * every >= end {
            cx.push(
                Diagnostic::error(
                    "E0484",
                    "this line holds at no check",
                    to.or(from).map_or(line.span, |e| e.span),
                    "",
                )
                .help(format!("checks are made every {}: let it hold at one of them", show::duration(every))),
            );
            return None;
        }
        Some(Stretch { from: start, to: end })
    }

    fn moment(&self, at: Option<Millis>, line: &TestLine, example: &str) -> Option<Millis> {
        if at.is_none() {
            self.cx.push(
                Diagnostic::error("E0484", "when does this happen?", line.span, "no `at`")
                    .help(format!("for example `{example}`")),
            );
        }
        at
    }

    fn time(&self, e: &'a Expr) -> Option<crate::plan::Time> {
        match self.cx.constant(e, "`starts at`")? {
            Value::Num(s, Ty::Time) => Some(crate::check::consts::to_millis(s)),
            other => {
                self.cx.wants(e, &other, Ty::Time, "`starts at`");
                None
            }
        }
    }

    fn source(&self, source: &Name, fault: &ast::SourceFault, during: Stretch) -> Option<SourceLine> {
        let known: BTreeSet<&str> = self.plan.inputs.iter().map(|i| i.source.as_str()).collect();
        if !known.contains(source.node.as_str()) {
            let known: Vec<&str> = known.into_iter().collect();
            self.unknown("source", source, &known, "its sources", "it asks no source");
            return None;
        }
        let fault = match fault {
            ast::SourceFault::Fails => SourceFault::Fails,
            ast::SourceFault::KeepsNoHistory => SourceFault::NoHistory,
            ast::SourceFault::Lacks(who) => SourceFault::Lacks(match who.node.as_str() {
                "canary" => Population::Canary,
                "stable" => Population::Stable,
                _ => {
                    self.unknown("population", who, &["canary", "stable"], "there are", "");
                    return None;
                }
            }),
        };
        Some(SourceLine { source: source.node.clone(), fault, during })
    }

    fn act(&self, act: &OperatorAct) -> Option<Act> {
        Some(match act {
            OperatorAct::Pauses => Act::Pause,
            OperatorAct::Resumes => Act::Resume,
            OperatorAct::Aborts => Act::Abort,
            OperatorAct::Kills(name) => Act::Kill(self.switch(name)?),
            OperatorAct::Resets(name) => Act::Reset(self.switch(name)?),
            OperatorAct::Approves(group) => {
                let Some(id) = self.plan.group(&group.node) else {
                    let known: Vec<&str> = self.plan.groups.iter().map(String::as_str).collect();
                    self.unknown("group", group, &known, "whose approval it asks for", "it asks for nobody's approval");
                    return None;
                };
                Act::Approve(id)
            }
        })
    }

    /// A name that the rollout has not.
    pub(super) fn unknown(&self, what: &str, name: &Name, known: &[&str], kinds: &str, none: &str) {
        self.cx.push(
            Diagnostic::error(
                "E0201",
                format!("unknown {what} `{}`", name.node),
                name.span,
                format!("rollout `{}` has none of this name", self.plan.rollout),
            )
            .help(suggest::help(&name.node, known, kinds, none)),
        );
    }

    pub(super) fn action(&self, name: &Name) -> Option<ActionId> {
        let found = self.plan.actions.iter().position(|a| a.name == name.node).map(ActionId::at);
        if found.is_none() {
            let known: Vec<&str> = self.plan.actions.iter().map(|a| a.name.as_str()).collect();
            self.unknown("action", name, &known, "what it can run", "it runs nothing");
        }
        found
    }

    pub(super) fn switch(&self, name: &Name) -> Option<SwitchId> {
        let found = self.plan.switch(&name.node);
        if found.is_none() {
            let known: Vec<&str> = self.plan.switches.iter().map(|s| s.name.as_str()).collect();
            self.unknown("kill switch", name, &known, "its kill switches", "it has no kill switch");
        }
        found
    }

    /// A port, or the members of a group, by name and member.
    pub(super) fn ports(&self, name: &Name, member: &[Name]) -> Option<Vec<PortId>> {
        let whole = std::iter::once(name).chain(member).map(|n| n.node.as_str()).collect::<Vec<_>>().join(".");
        let found: Vec<PortId> = self
            .plan
            .ports
            .iter()
            .enumerate()
            .filter(|(_, p)| p.name == whole || p.group.as_deref() == Some(&whole))
            .map(|(i, _)| PortId::at(i))
            .collect();
        if found.is_empty() {
            let mut known: Vec<&str> = self.plan.ports.iter().map(crate::plan::Port::bound_as).collect();
            known.dedup();
            self.unknown("port", name, &known, "what it sets", "it sets nothing");
            return None;
        }
        Some(found)
    }

    /// A value that a port may be read as: its type is checked, not its list, since others may set it too.
    pub(super) fn setting(&self, port: PortId, e: &'a Expr) -> Option<Setting> {
        let port = self.plan.ports.get(port.index())?;
        let what = format!("`{}`", port.bound_as());
        Some(match port.kind {
            PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(self.cx.ratio(e, &what, 0.0, 1.0)?),
            PortKind::CountFlag(_) => Setting::Count(i64::from(self.cx.count(e, &what, 0)?)),
            PortKind::BoolFlag => match self.cx.constant(e, &what)? {
                Value::Bool(b) => Setting::Bool(b),
                other => {
                    self.cx.wants(e, &other, Ty::Bool, &what);
                    return None;
                }
            },
        })
    }

    /// A name as it is written in an expression: its words.
    pub(super) fn path<'e>(&self, e: &'e Expr) -> Option<&'e [Name]> {
        match &e.kind {
            ExprKind::Name(path) => Some(path),
            ExprKind::Hole => None,
            _ => {
                self.cx.push(Diagnostic::error("E0484", "a name is needed here", e.span, "").help("name a port"));
                None
            }
        }
    }
}

impl<'a> Cx<'a> {
    /// `with max_errors = 2%`: typed and checked against the param's bounds, as `--set` is.
    fn test_params(&self, t: &'a ast::Test) -> Option<Vec<(&'a str, Value)>> {
        let mut out: Vec<(&'a str, Value)> = Vec::new();
        let mut whole = true;
        for (name, value) in &t.with {
            if out.iter().any(|(n, _)| *n == name.node) {
                self.push(
                    Diagnostic::error("E0484", format!("`{}` is set twice", name.node), name.span, "again here")
                        .help("keep one of them"),
                );
                whole = false;
                continue;
            }
            let decl = self.expect_decl(name, "params", "declare it with `param name: type = …`", |d| {
                matches!(d, Decl::Param(_))
            });
            match decl {
                Some(Decl::Param(p)) => match self.param_set_to(p, value) {
                    Some(v) => out.push((&p.name.node, v)),
                    None => whole = false,
                },
                _ => whole = false,
            }
        }
        whole.then_some(out)
    }
}
