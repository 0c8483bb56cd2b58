//! Names of a module as the importing file says them: what is declared gets the alias in front, and what refers to it follows.
//!
//! A path such as `http.errors` becomes one name, so that nothing behind this needs to know of modules; what stands behind a
//! declared name stays its field (`http.journey.success`).

use crate::check::functions;
use crate::check::scope::PREDECLARED;
use crate::syntax::ast::{
    Act, ActionFault, Arg, Consequence, EnvEntry, Expect, Expr, ExprKind, ForSpan, Given, Item, Name, OperatorAct,
    PhaseStatement, SignoffLine, SliceValues, Statement, TestLineKind, Tolerance, Trigger, Undo,
};
use std::collections::{BTreeMap, BTreeSet};

/// What a name that nothing declares may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// A value: unknown inside this file, so it must not become another file's.
    Value,
    /// What is called: a function, a source or a backend.
    Called,
    /// Where names are made on the way: what a probe captures.
    Loose,
}

/// Renames what stands in one file.
pub(super) struct Renamer<'p> {
    declared: BTreeSet<String>,
    /// What each alias brings.
    aliases: BTreeMap<String, BTreeSet<String>>,
    prefix: &'p str,
    used: BTreeSet<String>,
    loose: bool,
}

impl<'p> Renamer<'p> {
    pub(super) fn new(
        declared: BTreeSet<String>,
        aliases: BTreeMap<String, BTreeSet<String>>,
        prefix: &'p str,
    ) -> Self {
        Self { declared, aliases, prefix, used: BTreeSet::new(), loose: false }
    }

    /// The aliases that are said somewhere.
    pub(super) fn used(self) -> BTreeSet<String> {
        self.used
    }

    /// A whole item.
    pub(super) fn item(&mut self, item: &mut Item) {
        match item {
            Item::Param(d) => {
                self.own(&mut d.name);
                self.expr(&mut d.default);
                self.some(&mut d.at_least);
                self.some(&mut d.at_most);
            }
            Item::Let(d) => {
                self.own(&mut d.name);
                self.expr(&mut d.value);
            }
            Item::Metric(d) => {
                self.own(&mut d.name);
                self.expr(&mut d.value);
            }
            Item::Traffic(d) => {
                self.own(&mut d.name);
                self.some(&mut d.about);
                self.names(&mut d.per);
            }
            Item::Flag(d) => {
                self.own(&mut d.name);
                self.some(&mut d.values);
                self.names(&mut d.per);
            }
            Item::Flags(d) => {
                // the members are the names of flags elsewhere, not of this file
                self.own(&mut d.name);
                self.some(&mut d.values);
                self.names(&mut d.per);
            }
            Item::Action(d) => {
                self.own(&mut d.name);
                self.some(&mut d.timeout);
                if let Some(Undo::Action(other)) = &mut d.undo {
                    self.name(other);
                }
            }
            Item::Channel(names) => names.iter_mut().for_each(|n| self.own(n)),
            Item::Killswitch(d) => {
                self.own(&mut d.name);
                self.names(&mut d.per);
                d.body.iter_mut().for_each(|s| self.phase_statement(s));
            }
            Item::Use(d) => {
                self.own(&mut d.alias);
                self.args(&mut d.args);
            }
            Item::Slice(d) => {
                self.own(&mut d.name);
                match &mut d.values {
                    SliceValues::In(list) => self.expr(list),
                    SliceValues::Of { metric, .. } => self.path(metric, Stands::Value),
                }
            }
            Item::Probe(d) => {
                self.own(&mut d.name);
                self.expr(&mut d.every);
                self.some(&mut d.timeout);
                self.loose = true;
                d.steps.iter_mut().for_each(|s| self.expr(&mut s.call));
                self.loose = false;
            }
            Item::Load(d) => {
                self.own(&mut d.name);
                self.loose = true;
                self.expr(&mut d.value);
                self.loose = false;
            }
            Item::Window(d) => self.own(&mut d.name),
            Item::Signoff(d) => {
                self.own(&mut d.name);
                for line in &mut d.body {
                    match line {
                        SignoffLine::Require { cond, .. } => self.expr(cond),
                        SignoffLine::Expires(d, _) => self.expr(d),
                        SignoffLine::Artifact(..) | SignoffLine::By(..) | SignoffLine::Junk(_) => {}
                    }
                }
            }
            Item::Slo(d) => {
                self.own(&mut d.name);
                for o in &mut d.objectives {
                    self.expr(&mut o.of);
                    self.expr(&mut o.over);
                }
            }
            Item::Score(d) => {
                self.own(&mut d.name);
                for p in &mut d.parts {
                    self.expr(&mut p.value);
                    self.expr(&mut p.bad);
                    self.expr(&mut p.good);
                    self.some(&mut p.weight);
                }
            }
            Item::Environment(e) => e.entries.iter_mut().for_each(|entry| self.entry(entry)),
            Item::Rollout(r) => {
                self.names(&mut r.per);
                r.body.iter_mut().for_each(|s| self.statement(s));
            }
            Item::Test(t) => {
                t.with.iter_mut().for_each(|(_, value)| self.expr(value));
                for line in &mut t.body {
                    self.some(&mut line.from);
                    self.some(&mut line.to);
                    self.some(&mut line.at);
                    self.test_line(&mut line.kind);
                    for (dim, value) in line.slices.iter_mut().flat_map(|s| &mut s.dims) {
                        self.name(dim);
                        self.expr(value);
                    }
                }
            }
            Item::Edition(_) | Item::Imported(_) | Item::Junk(_) => {}
        }
    }

    fn entry(&mut self, entry: &mut EnvEntry) {
        match entry {
            EnvEntry::Bind { name, .. } => self.name(name),
            EnvEntry::Variants { port, .. } => self.name(port),
            EnvEntry::Labels { entries, .. } => entries.iter_mut().for_each(|(n, _)| self.name(n)),
            EnvEntry::People { .. } => {}
        }
    }

    fn statement(&mut self, s: &mut Statement) {
        match s {
            Statement::CheckEvery(d, _) | Statement::Settle(d, _) | Statement::Baseline(d, _) => self.expr(d),
            Statement::Require { cond, .. } | Statement::Advance(cond, _) => self.expr(cond),
            Statement::NoData { tolerate, otherwise, .. } => {
                self.tolerance(tolerate.as_mut());
                self.consequence(otherwise);
            }
            Statement::Guard(g) => {
                self.expr(&mut g.healthy);
                self.some(&mut g.at_least);
                self.tolerance(g.tolerate.as_mut());
                self.consequence(&mut g.otherwise);
            }
            Statement::Phase(p) => p.body.iter_mut().for_each(|s| self.phase_statement(s)),
            Statement::Reaction(r) => {
                match &mut r.trigger {
                    Trigger::On(_) => {}
                    Trigger::Every(d) | Trigger::When(d) => self.expr(d),
                    Trigger::At(times) => times.iter_mut().for_each(|t| self.expr(t)),
                }
                match &mut r.act {
                    Act::Notify(channels) => self.names(channels),
                    Act::Run { action, limit } => {
                        self.name(action);
                        self.pair(limit.as_mut());
                    }
                    Act::Snapshot(_) => {}
                }
            }
            Statement::Release { proven_by, .. } => {
                if let Some(path) = proven_by {
                    self.path(path, Stands::Value);
                }
            }
            Statement::Cooldown { length, .. } => self.expr(length),
            Statement::StartSlices { by, limit, .. } => {
                self.name(by);
                self.pair(limit.as_mut());
            }
            Statement::Route { port, .. } => self.name(port),
            Statement::After { within, .. } => self.expr(within),
            Statement::Owner(_) | Statement::Link { .. } | Statement::Drift(..) | Statement::Junk(_) => {}
        }
    }

    fn phase_statement(&mut self, s: &mut PhaseStatement) {
        match s {
            PhaseStatement::Set { port, value, .. } | PhaseStatement::Mirror { port, value, .. } => {
                self.name(port);
                self.expr(value);
            }
            PhaseStatement::Run { action, otherwise, .. } => {
                self.name(action);
                if let Some(c) = otherwise {
                    self.consequence(c);
                }
            }
            PhaseStatement::Hold(d, _) => self.expr(d),
            PhaseStatement::Promote { when, within, .. } => {
                self.expr(when);
                self.within(within.as_mut());
            }
            PhaseStatement::Ramp { port, from, to, by, every, .. } => {
                self.name(port);
                [from, to, by, every].into_iter().for_each(|e| self.expr(e));
            }
            PhaseStatement::HoldUntil { events, of, within, .. } => {
                self.expr(events);
                if let Some(path) = of {
                    self.path(path, Stands::Value);
                }
                self.within(within.as_mut());
            }
            PhaseStatement::HoldForever(_) | PhaseStatement::Irreversible(..) | PhaseStatement::Junk(_) => {}
        }
    }

    fn test_line(&mut self, line: &mut TestLineKind) {
        match line {
            TestLineKind::Given { what, value, .. } => {
                self.expr(what);
                match value {
                    Given::Value(v) => self.expr(v),
                    Given::Of { share, rate } => [share, rate].into_iter().for_each(|e| self.expr(e)),
                    Given::Ramp { from, to } => [from, to].into_iter().for_each(|e| self.expr(e)),
                }
            }
            TestLineKind::Starts(e) | TestLineKind::GivenRolledBack(e) => self.expr(e),
            TestLineKind::Action { action, how: ActionFault::Fails | ActionFault::Hangs } => self.name(action),
            TestLineKind::Operator { act: OperatorAct::Kills(switch) | OperatorAct::Resets(switch), .. } => {
                self.name(switch)
            }
            TestLineKind::Port { port, drifts_to } => {
                self.name(port);
                self.some(drifts_to);
            }
            TestLineKind::Expect { what, .. } => match what {
                Expect::Port { port, value } => [port, value].into_iter().for_each(|e| self.expr(e)),
                Expect::Notified(name) => self.name(name),
                Expect::Ran { action, times } => {
                    self.name(action);
                    self.some(times);
                }
                Expect::Killed(e) => self.expr(e),
                Expect::Rollback(_)
                | Expect::Promoted
                | Expect::Paused
                | Expect::Refused
                | Expect::Phase(_)
                | Expect::Guard { .. }
                | Expect::Snapshot => {}
            },
            TestLineKind::AssumeHealthy
            | TestLineKind::Recording { .. }
            | TestLineKind::Inject(_)
            | TestLineKind::Source { .. }
            | TestLineKind::RunnerStops
            | TestLineKind::Operator { .. }
            | TestLineKind::Junk => {}
        }
    }

    fn tolerance(&mut self, t: Option<&mut Tolerance>) {
        if let Some(Tolerance::For(e) | Tolerance::Checks(e)) = t {
            self.expr(e);
        }
    }

    fn consequence(&mut self, c: &mut Consequence) {
        if let Some(kill) = &mut c.kill {
            self.name(kill);
        }
    }

    fn within(&mut self, within: Option<&mut (Expr, Consequence)>) {
        if let Some((d, c)) = within {
            self.expr(d);
            self.consequence(c);
        }
    }

    fn pair(&mut self, pair: Option<&mut (Expr, Expr)>) {
        if let Some((a, b)) = pair {
            self.expr(a);
            self.expr(b);
        }
    }

    fn some(&mut self, e: &mut Option<Expr>) {
        if let Some(e) = e {
            self.expr(e);
        }
    }

    fn args(&mut self, args: &mut [Arg]) {
        args.iter_mut().for_each(|a| self.expr(&mut a.value));
    }

    fn expr(&mut self, e: &mut Expr) {
        match &mut e.kind {
            ExprKind::List(items) => items.iter_mut().for_each(|i| self.expr(i)),
            ExprKind::Name(path) => self.path(path, if self.loose { Stands::Loose } else { Stands::Value }),
            ExprKind::Call { callee, args } => {
                self.path(callee, Stands::Called);
                self.args(args);
            }
            ExprKind::Index { base, dims } => {
                self.expr(base);
                for (dim, value) in dims {
                    self.name(dim);
                    self.expr(value);
                }
            }
            ExprKind::Neg(x) | ExprKind::Not(x) | ExprKind::Paren(x) => self.expr(x),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::For { of, span } => {
                self.expr(of);
                match span.as_mut() {
                    ForSpan::Duration(d) | ForSpan::Checks(d) => self.expr(d),
                    ForSpan::KOfN(a, b) | ForSpan::ShareOf(a, b) => {
                        self.expr(a);
                        self.expr(b);
                    }
                }
            }
            ExprKind::Confidence { of, level, .. } => {
                self.expr(of);
                self.expr(level);
            }
            ExprKind::Literal(_) | ExprKind::Text(_) | ExprKind::Raw(_) | ExprKind::Hole => {}
        }
    }

    /// The name that an item of this file declares.
    fn own(&mut self, name: &mut Name) {
        name.node.insert_str(0, self.prefix);
    }

    fn names(&mut self, names: &mut [Name]) {
        names.iter_mut().for_each(|n| self.name(n));
    }

    /// A name that stands where only one can: a port, an action, a channel, a switch, a dimension.
    fn name(&mut self, name: &mut Name) {
        if let Some((alias, _)) = name.node.split_once('.')
            && self.aliases.contains_key(alias)
        {
            self.used.insert(alias.to_owned());
        }
        if !PREDECLARED.contains(&name.node.as_str()) {
            self.own(name);
        }
    }

    /// A path in an expression.
    fn path(&mut self, path: &mut Vec<Name>, stands: Stands) {
        let Some(first) = path.first().map(|n| n.node.clone()) else { return };
        if let Some(brings) = self.aliases.get(&first) {
            self.used.insert(first.clone());
            if path.get(1).is_some_and(|n| brings.contains(&n.node)) {
                let alias = path.remove(0);
                if let Some(head) = path.first_mut() {
                    head.span = alias.span.to(head.span);
                    head.node = format!("{}{first}.{}", self.prefix, head.node);
                }
                return;
            }
        }
        let known = self.declared.contains(&first) || self.aliases.contains_key(&first);
        let stays = match stands {
            Stands::Loose => true,
            Stands::Called => path.len() == 1 || functions::is_function(&first),
            Stands::Value => false,
        };
        // `since phase`, before it was understood as two words
        let since = first == "since" && path.len() == 2;
        let said_here = known || !(stays || since || PREDECLARED.contains(&first.as_str()));
        if let (true, Some(head)) = (said_here, path.first_mut()) {
            self.own(head);
        }
    }
}
