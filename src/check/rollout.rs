//! A rollout: its head, and its plan put together.

use super::environment::{Chosen, Needs};
use super::expr::{Lower, Place};
use super::head::{BASELINE, CHECK_EVERY, NO_DATA};
use super::scope::{Decl, duplicate};
use super::slices::seen_in;
use super::{Cx, EDITION, suggest};
use crate::plan::{self, Bindings, Consequence, Input, Metric, PhaseId, Plan, Tolerance, hash};
use crate::syntax::ast::{self, ConsequenceKind, Item, Name, Statement};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// The rollout that was asked for, or the only one.
pub(super) fn choose<'a>(cx: &Cx<'a>, name: Option<&str>) -> Option<&'a ast::Rollout> {
    let all = &cx.scope().rollouts;
    let names: Vec<&str> = all.iter().map(|r| r.name.node.as_str()).collect();
    let start = cx.files.first().map_or_else(Span::default, |f| f.span.head());
    match (name, all.as_slice()) {
        (Some(n), _) => {
            let found = all.iter().find(|r| r.name.node == n).copied();
            if found.is_none() {
                cx.push(Diagnostic::error("E0411", format!("no rollout `{n}`"), start, "").help(suggest::help(
                    n,
                    &names,
                    "the rollouts here",
                    "no rollout is declared here",
                )));
            }
            found
        }
        (None, [only]) => Some(only),
        (None, []) => {
            cx.push(
                Diagnostic::error("E0411", "no rollout is declared here", start, "")
                    .help("a policy has a `rollout name { … }`"),
            );
            None
        }
        (None, _) => {
            cx.push(
                Diagnostic::error("E0411", "there is more than one rollout", start, "")
                    .help(format!("say which: {}", suggest::list(&names))),
            );
            None
        }
    }
}

/// Finds everything that is wrong with a rollout, whatever the environment.
pub(super) fn check<'a>(cx: &Cx<'a>, r: &'a ast::Rollout) {
    let (plan, _) = Builder::new(cx, r, None).plan();
    for e in cx.scope().environments.values() {
        cx.same_keys(e, &plan.ports);
    }
}

/// The plan of a rollout in an environment. May be given although errors were reported.
pub(super) fn compile<'a>(cx: &Cx<'a>, r: &'a ast::Rollout, env: Chosen<'a>) -> Option<(Plan, Bindings)> {
    let builder = Builder::new(cx, r, Some(&env));
    let (mut plan, needs) = builder.plan();
    if !whole(cx, r, &plan) {
        return None;
    }
    env.names_groups(cx, r, &plan.groups);
    let bindings = env.bind(cx, r, &needs, plan.release.as_ref())?;
    plan.verify_within += env.longest_reload(&needs);
    plan.hash = hash_of(&content(&plan))?;
    Some((plan, bindings))
}

/// What of a plan is hashed: places move when a comment is added above them, they are no part of the content.
fn content(plan: &Plan) -> Plan {
    let mut content = plan.clone();
    content.unbuilt.iter_mut().for_each(|u| u.place = String::new());
    content
}

/// The plan of a rollout whatever the environment, for its tests and for what-if; none where something is left out of it. Its hash
/// is that of any environment that lets no reload take long.
pub(super) fn plan_alone<'a>(cx: &Cx<'a>, r: &'a ast::Rollout) -> Option<Plan> {
    let (mut plan, _) = Builder::new(cx, r, None).plan();
    if !whole(cx, r, &plan) {
        return None;
    }
    plan.hash = hash_of(&content(&plan))?;
    Some(plan)
}

/// As [`plan_alone`] or, with an environment, [`compile`], with something asked beside it. The plan's hash is left out: what is asked
/// is no part of it.
pub(super) fn plan_asked<'a>(
    cx: &Cx<'a>,
    r: &'a ast::Rollout,
    env: Option<&Chosen<'a>>,
    ask: &'a ast::Expr,
) -> Option<(Plan, super::ask::Asked)> {
    let builder = Builder { ask: Some(ask), ..Builder::new(cx, r, env) };
    let (mut plan, needs, asked) = builder.plan_and_answer();
    plan.verify_within += env.map_or(0, |e| e.longest_reload(&needs));
    Some((plan, asked?))
}

/// Whether everything that is written stands in the plan. What the parser could not take, or a hole in a condition, leaves
/// something out, and a plan without one of its guards must never run.
fn whole(cx: &Cx<'_>, r: &ast::Rollout, plan: &Plan) -> bool {
    let junk = |f: &ast::File| f.items.iter().any(|i| matches!(i, Item::Junk(_)));
    if cx.holes.get() || cx.files.iter().any(junk) {
        return false;
    }
    let (mut guards, mut requires, mut reactions, mut phases, mut routes, mut after) = (0, 0, 0, 0, 0, 0);
    let mut said = true;
    for s in &r.body {
        match s {
            Statement::Guard(_) => guards += 1,
            Statement::Require { .. } => requires += 1,
            Statement::Reaction(_) => reactions += 1,
            Statement::Phase(p) => {
                let Some(made) = plan.phases.get(phases) else {
                    return false;
                };
                let written: usize = p.body.iter().map(|s| parts(cx, s)).sum();
                if made.settings.len() + made.mirrors.len() + made.steps.len() != written {
                    return false;
                }
                phases += 1;
            }
            Statement::Route { .. } => routes += 1,
            Statement::After { .. } => after += 1,
            Statement::Release { .. } => said &= plan.release.is_some(),
            Statement::Advance(..) => said &= plan.advance.is_some(),
            Statement::Cooldown { .. } => said &= plan.cooldown.is_some(),
            Statement::StartSlices { .. } => said &= plan.start_slices.is_some(),
            Statement::Owner(_)
            | Statement::Drift(..)
            | Statement::Link { .. }
            | Statement::CheckEvery(..)
            | Statement::Settle(..)
            | Statement::Baseline(..)
            | Statement::NoData { .. } => {}
            _ => return false,
        }
    }
    let switches_whole = plan.switches.iter().all(|made| {
        matches!(cx.scope().names.get(made.name.as_str()), Some(Decl::Switch(k))
            if made.settings.len() + made.actions.len() == k.body.iter().map(|s| parts(cx, s)).sum::<usize>())
    });
    switches_whole
        && said
        && plan.slices.len() == r.per.len()
        && routes == plan.routes.len()
        && after == plan.after.len()
        && guards == plan.guards.len()
        && requires == plan.requires.len()
        && reactions == plan.reactions.len()
        && phases == plan.phases.len()
}

/// How many settings or steps a statement of a phase becomes: one, but for the settings of a group.
fn parts(cx: &Cx<'_>, s: &ast::PhaseStatement) -> usize {
    match s {
        ast::PhaseStatement::Set { port, .. } => {
            cx.group(&port.node).map_or(1, |g| cx.members(g).map_or(0, |m| m.len()))
        }
        ast::PhaseStatement::Irreversible(..) => 0,
        _ => 1,
    }
}

/// SHA-256 over the canonical JSON of something whose own `hash` is empty.
pub(super) fn hash_of(value: &impl serde::Serialize) -> Option<String> {
    let json = serde_json::to_value(value).ok()?;
    Some(hash::sha256_hex(hash::canonical(&json).as_bytes()))
}

/// A rollout on its way to a plan.
pub(super) struct Builder<'c, 'a> {
    pub(super) cx: &'c Cx<'a>,
    pub(super) rollout: &'a ast::Rollout,
    pub(super) lower: Lower<'c, 'a>,
    /// Phases in the order of the text, those declared twice left out.
    pub(super) phases: Vec<&'a ast::Phase>,
    pub(super) ports: Vec<plan::Port>,
    pub(super) actions: Vec<plan::Action>,
    pub(super) channels: Vec<String>,
    /// Kill switches by name, in the order of the plan.
    pub(super) switches: Vec<&'a str>,
    pub(super) needs: Needs,
    /// The dimensions of what is being lowered, and its name for messages.
    pub(super) dims: &'a [Name],
    pub(super) dims_of: &'static str,
    /// They are not known here: a port may be of any.
    pub(super) any_dims: bool,
    /// What somebody asks beside what is written, and what was made of it.
    pub(super) ask: Option<&'a ast::Expr>,
    pub(super) asked: Option<super::ask::Asked>,
    env: Option<&'c Chosen<'a>>,
}

impl<'c, 'a> Builder<'c, 'a> {
    pub(super) fn new(cx: &'c Cx<'a>, rollout: &'a ast::Rollout, env: Option<&'c Chosen<'a>>) -> Self {
        let mut phases: Vec<&ast::Phase> = Vec::new();
        for s in &rollout.body {
            if let Statement::Phase(p) = s {
                match phases.iter().find(|q| q.name.node == p.name.node) {
                    Some(first) => {
                        cx.push(duplicate(&p.name.node, p.name.span, first.name.span));
                    }
                    None => {
                        cx.not_predeclared(&p.name, "phase");
                        phases.push(p);
                    }
                }
            }
        }
        // `before` is lowered with the baseline's length, wherever that statement stands
        let baseline = rollout
            .body
            .iter()
            .find_map(|s| match s {
                Statement::Baseline(d, _) => Some(cx.duration(d, "`baseline`", 1)),
                _ => None,
            })
            .flatten()
            .unwrap_or(BASELINE);
        Self {
            cx,
            rollout,
            lower: Lower::new(cx, env, baseline),
            phases,
            ports: Vec::new(),
            actions: Vec::new(),
            channels: Vec::new(),
            switches: Vec::new(),
            needs: Needs::default(),
            dims: &rollout.per,
            dims_of: "this rollout",
            any_dims: false,
            ask: None,
            asked: None,
            env,
        }
    }

    fn plan(self) -> (Plan, Needs) {
        let (plan, needs, _) = self.plan_and_answer();
        (plan, needs)
    }

    /// The plan, and with it what was asked beside it: its nodes stand behind those of the rollout, which are what they are
    /// without it.
    fn plan_and_answer(mut self) -> (Plan, Needs, Option<super::ask::Asked>) {
        let cx = self.cx;
        let r = self.rollout;
        let slices = self.lower_slices(self.env);
        let head = self.head();
        if self.phases.is_empty() && !r.body.iter().any(|s| matches!(s, Statement::Junk(_))) {
            cx.push(
                Diagnostic::error(
                    "E0402",
                    format!("rollout `{}` has no phase", r.name.node),
                    r.name.span,
                    "would do nothing",
                )
                .help("for example `phase taste { traffic checkout = 5%   hold 10m }`"),
            );
        }
        // phases first: guards and reactions name them; then what guards may throw
        let phases = self.lower_phases();
        let switches = self.lower_switches();
        let guards = self.lower_guards();
        let reactions = self.lower_reactions();
        if let Some(e) = self.ask {
            self.asked = self.lower.asked(e);
        }
        let baseline = self.lower.reads_before.then_some(self.lower.baseline);
        let routes = self.routes(&head);
        self.ask_for_slices(&slices);
        let metrics = self.metrics();
        let probes = std::mem::take(&mut self.lower.probes).into_iter().filter_map(|p| cx.probe(p)).collect();
        let params = self.params();
        for (name, span) in &self.lower.inputs.sources {
            let own = matches!(cx.scope().names.get(name.as_str()), Some(Decl::Probe(_) | Decl::Load(_)));
            let needed = if own { &mut self.needs.requests } else { &mut self.needs.sources };
            needed.insert(name.clone(), *span);
        }
        self.needs.separable = self.lower.inputs.separable;
        self.lower.changes_within_a_check(head.check_every.unwrap_or(CHECK_EVERY));
        let unbuilt = self.lower.unbuilt();
        let seen_in = seen_in(&slices, &self.lower.inputs.list, &guards, &metrics);
        let plan = Plan {
            schema: String::from("canary.plan/1"),
            edition: EDITION,
            rollout: r.name.node.clone(),
            title: r.title.as_ref().map_or_else(|| r.name.node.clone(), |t| t.node.clone()),
            owner: head.owner.map(str::to_owned),
            links: head.links,
            params,
            check_every: head.check_every.unwrap_or(CHECK_EVERY),
            settle: head.settle,
            verify_within: plan::VERIFY_WITHIN,
            baseline,
            no_data: head.no_data.unwrap_or(NO_DATA),
            requires: head.requires,
            release: head.release,
            advance: head.advance,
            cooldown: head.cooldown,
            drift: head.drift.unwrap_or_default(),
            routes,
            after: head.after,
            slices,
            seen_in,
            start_slices: head.start_slices,
            windows: std::mem::take(&mut self.lower.windows),
            signoffs: std::mem::take(&mut self.lower.signoffs),
            probes,
            ports: self.ports,
            inputs: self.lower.inputs.list,
            program: self.lower.program,
            guards,
            phases,
            actions: self.actions,
            channels: self.channels,
            groups: self.lower.groups,
            reactions,
            switches,
            unbuilt,
            metrics,
            hash: String::new(),
        };
        (plan, self.needs, self.asked)
    }

    pub(super) fn tolerance(&self, t: &'a ast::Tolerance) -> Option<Tolerance> {
        Some(match t {
            ast::Tolerance::For(d) => Tolerance::For(self.cx.duration(d, "`tolerate`", 0)?),
            ast::Tolerance::Checks(n) => Tolerance::Checks(self.cx.count(n, "`tolerate … checks`", 1)?),
        })
    }

    /// What stands behind `else`. `end` is one past the last phase in which it can happen: a `rollback to` must lead to one
    /// before it.
    pub(super) fn consequence(
        &self,
        c: &'a ast::Consequence,
        of: &str,
        allowed: &[ConsequenceKind],
        end: usize,
    ) -> Option<Consequence> {
        let cx = self.cx;
        if let Some(kill) = &c.kill {
            self.kill_allowed(c, kill, of)?;
        }
        if let (Some(to), true) = (&c.to, c.kind != ConsequenceKind::Rollback) {
            let message = format!("`{}` goes to no phase", word(c.kind));
            cx.push(Diagnostic::error("E0407", message, to.span, "only `rollback` does").help(format!(
                "write `else {}`, or `else rollback to {}`",
                word(c.kind),
                to.node
            )));
            return None;
        }
        if !allowed.contains(&c.kind) {
            let words: Vec<&str> = allowed.iter().map(|k| word(*k)).collect();
            cx.push(
                Diagnostic::error("E0407", format!("`{of}` cannot be followed by `else {}`", word(c.kind)), c.span, "")
                    .help(format!("it takes {}", suggest::list(&words))),
            );
            return None;
        }
        Some(match c.kind {
            ConsequenceKind::Tell => Consequence::Tell,
            ConsequenceKind::Hold => Consequence::Hold,
            ConsequenceKind::Pause => Consequence::Pause,
            ConsequenceKind::Halt => Consequence::Halt,
            ConsequenceKind::Rollback => Consequence::Rollback(match &c.to {
                None => None,
                Some(to) => {
                    let id = self.phase(to)?;
                    if id.index() + 1 >= end {
                        cx.push(
                            Diagnostic::error(
                                "E0405",
                                format!("`rollback to {}` leads nowhere back", to.node),
                                to.span,
                                "not before the phase it happens in",
                            )
                            .help("name an earlier phase, or say `rollback` to take everything back"),
                        );
                        return None;
                    }
                    Some(id)
                }
            }),
        })
    }

    /// A phase by name.
    pub(super) fn phase(&self, name: &Name) -> Option<PhaseId> {
        let found = self.phases.iter().position(|p| p.name.node == name.node);
        if found.is_none() {
            let known: Vec<&str> = self.phases.iter().map(|p| p.name.node.as_str()).collect();
            self.cx.push(
                Diagnostic::error(
                    "E0201",
                    format!("unknown phase `{}`", name.node),
                    name.span,
                    "not a phase of this rollout",
                )
                .help(suggest::help(&name.node, &known, "its phases", "it has none")),
            );
        }
        found.map(PhaseId::at)
    }

    /// The metrics that the rollout reads, each with its value as `query` shows it.
    fn metrics(&mut self) -> Vec<Metric> {
        use super::metrics::Body;
        let cx = self.cx;
        self.lower.place = Place::Metric;
        self.lower.auxiliary = true;
        let mut out: Vec<Metric> = Vec::new();
        let mut at = 0;
        // showing one may read another
        while let Some(name) = self.lower.metrics.get(at).copied() {
            at += 1;
            let Some(m) = cx.metric(name) else { continue };
            let value = match m.body {
                Body::Counter(_) | Body::Histogram(_) => None,
                _ => self.lower.metric(name, None, m.ast.name.span).map(|v| v.node),
            };
            let own: Vec<_> = match value {
                Some(v) => self.lower.inputs_below(v),
                None => Vec::new(),
            };
            let of_name = |i: &Input| i.metric == name;
            let inputs = self
                .lower
                .inputs
                .list
                .iter()
                .enumerate()
                .filter(|(i, input)| of_name(input) || own.iter().any(|o| o.index() == *i))
                .map(|(i, _)| plan::InputId::at(i))
                .collect();
            out.push(Metric { name: name.to_owned(), kind: m.ast.kind.node.clone(), unit: m.ty.unit(), value, inputs });
        }
        out
    }

    /// Params with the values in force; those that could not be evaluated are left out.
    fn params(&self) -> Vec<(String, String)> {
        let cx = self.cx;
        cx.scope()
            .of_kind(|d| matches!(d, super::scope::Decl::Param(_)))
            .into_iter()
            .filter_map(|n| Some((n.to_owned(), cx.param(n)?.show())))
            .collect()
    }
}

/// The word of a consequence.
pub(super) fn word(k: ConsequenceKind) -> &'static str {
    match k {
        ConsequenceKind::Tell => "tell",
        ConsequenceKind::Hold => "hold",
        ConsequenceKind::Pause => "pause",
        ConsequenceKind::Halt => "halt",
        ConsequenceKind::Rollback => "rollback",
    }
}
