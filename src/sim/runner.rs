//! The runner on virtual time: the checks one after the other, and between them what the world does.

use super::coverage::Seen;
use super::trace::{Cause, Event, Mark, Row, Trace};
use super::world::World;
use crate::check::tests::{Act, PortLine, Test};
use crate::engine::{Effect, Input, Operator, Record, RunCause, Stage, State, step_given};
use crate::plan::{ActionId, GuardId, Millis, PhaseId, Plan, PortId, PortKind, Setting, Time};
use crate::syntax::ast::ActionFault;

/// When the first check of a test is that does not say: the first second of 2026, UTC.
const BEGINNING: Time = 1_767_225_600_000;
/// How long a test goes on behind the last time that it names.
const AFTER: Millis = 3_600_000;
/// How a cancelled action ends.
const CANCELLED: &str = "cancelled";

/// Runs a test on a plan: its own, or one that differs from it in a rule.
#[must_use]
pub fn run(test: &Test, plan: &Plan) -> Trace {
    let mut runner = Runner::new(test, plan);
    runner.go(None);
    runner.trace
}

/// The state right after the last check at or before `at`.
#[must_use]
pub fn look(test: &Test, plan: &Plan, at: Millis) -> State {
    let mut runner = Runner::new(test, plan);
    runner.go(Some(at));
    runner.state
}

/// The moment of a test's first check.
#[must_use]
pub fn beginning(test: &Test) -> Time {
    test.starts.unwrap_or(BEGINNING)
}

/// An action under way.
struct Under {
    token: u32,
    action: ActionId,
    since: Millis,
    cancelled: bool,
}

struct Runner<'t> {
    test: &'t Test,
    plan: &'t Plan,
    start: Time,
    world: World<'t>,
    state: State,
    /// What every port is.
    ports: Vec<Setting>,
    /// The request that is not read back yet.
    asked: Option<(u32, Vec<(PortId, Setting)>)>,
    running: Vec<Under>,
    /// Room for a step's effects.
    effects: Vec<Effect>,
    trace: Trace,
}

impl<'t> Runner<'t> {
    fn new(test: &'t Test, plan: &'t Plan) -> Self {
        let start = beginning(test);
        let off = |kind: &PortKind| match kind {
            PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(0.0),
            PortKind::BoolFlag => Setting::Bool(false),
            PortKind::CountFlag(_) => Setting::Count(0),
        };
        let ports: Vec<Setting> = plan.ports.iter().map(|p| off(&p.kind)).collect();
        let trace = Trace {
            rows: Vec::new(),
            marks: Vec::new(),
            guards: plan.guards.len(),
            ports: ports.iter().enumerate().map(|(i, s)| (0, PortId::at(i), *s)).collect(),
            events: Vec::new(),
            end: 0,
            verdict: None,
            seen: Seen::of(plan),
        };
        Self {
            test,
            plan,
            start,
            world: World::new(test, plan, start),
            state: State::new(plan),
            ports,
            asked: None,
            running: Vec::new(),
            effects: Vec::new(),
            trace,
        }
    }

    /// Goes through the checks until the run is over, or the test, or the check at `until` was made.
    fn go(&mut self, until: Option<Millis>) {
        let every = self.plan.check_every.max(1);
        let limit = self.test.last_named.unwrap_or(0).saturating_add(AFTER).min(until.unwrap_or(Millis::MAX));
        self.world.at(0, &self.state, true);
        let originals = self.ports.iter().enumerate().map(|(i, s)| (PortId::at(i), *s)).collect();
        let (answers, baseline) = (self.world.answers().to_vec(), self.world.baseline());
        let rolled_back = self.test.rolled_back.map(|ago| self.start - ago);
        let input = Input::Start { at: self.start, originals, answers: &answers, baseline, rolled_back };
        self.feed(0, input);
        self.trace.seen.started(&self.state, &self.world.given());
        self.row(0);
        let mut at = every;
        while at <= limit && self.state.verdict().is_none() {
            if let Some(stop) = self.test.stops.iter().find(|s| s.holds(at)).copied() {
                at = self.recover(at, stop.to);
                continue;
            }
            self.between(at);
            if self.state.verdict().is_none() {
                self.tick(at, true);
            } else {
                // nobody checks any more; what was read back last stays readable
                self.read(at);
            }
            self.row(at);
            at += every;
        }
        self.trace.end = self.trace.rows.last().map_or(0, |r| r.at);
        self.trace.verdict = self.state.verdict();
    }

    /// The runner is gone until `to`; actions go down with it. Then it asks for the checks that it has missed, as far as sources
    /// can still be asked. Returns the next check that it makes at its time.
    fn recover(&mut self, from: Millis, to: Millis) -> Millis {
        let every = self.plan.check_every.max(1);
        self.running.clear();
        self.asked = None;
        self.act(to, from);
        self.feed(to, Input::Recovered { at: self.start + to });
        let mut at = from;
        while at <= to - every && matches!(self.state.stage, Stage::Phase(_)) && self.world.has_history(at) {
            self.tick(at, false);
            self.row(at);
            at += every;
        }
        // checks stand on one grid, whenever the runner comes back
        from + (to - from + every - 1).div_euclid(every) * every
    }

    /// What happens just before the check at `at`, in a fixed order: actions end, people speak, requests are read back.
    fn between(&mut self, at: Millis) {
        let just = at - 1;
        for under in std::mem::take(&mut self.running) {
            let line = self.test.actions.iter().rev().find(|l| l.action == under.action && l.during.holds(under.since));
            let timeout = self.plan.actions.get(under.action.index()).map_or(0, |a| a.timeout);
            let how = line.map(|l| l.how);
            if how == Some(ActionFault::Hangs) && !under.cancelled && at - under.since < timeout {
                self.running.push(under);
                continue;
            }
            let (ok, how) = match (under.cancelled, how) {
                (true, _) => (false, CANCELLED.to_owned()),
                (false, None) => (true, String::from("exit status 0")),
                (false, Some(ActionFault::Fails)) => (false, String::from("exit status 1")),
                (false, Some(ActionFault::Hangs)) => {
                    (false, format!("not done within {}", crate::plan::show::duration(timeout)))
                }
            };
            let ended =
                Input::ActionEnded { at: self.start + just, token: under.token, ok, how, output: String::new() };
            self.feed(at, ended);
        }
        self.act(at, at - self.plan.check_every.max(1) + 1);
        let fails = |port: PortId| self.port_fails(port, at);
        if self.asked.as_ref().is_some_and(|(_, settings)| !settings.iter().any(|(p, _)| fails(*p)))
            && let Some((epoch, settings)) = self.asked.take()
        {
            for (port, to) in &settings {
                if let Some(slot) = self.ports.get_mut(port.index()) {
                    *slot = *to;
                }
            }
            self.feed(at, Input::Verified { at: self.start + just, epoch, read: settings });
        }
    }

    /// What people and others have done from `from` up to the check at `at`.
    fn act(&mut self, at: Millis, from: Millis) {
        let test = self.test;
        let due = |t: Millis| from <= t && t <= at;
        for line in test.acts.iter().filter(|l| due(l.at)) {
            let act = match line.act {
                Act::Approve(group) => Operator::Approve(group),
                Act::Pause => Operator::Pause,
                Act::Resume => Operator::Resume,
                Act::Abort => Operator::Abort,
                Act::Kill(switch) => Operator::Kill(switch),
                Act::Reset(switch) => Operator::Reset(switch),
            };
            // a reset wants a reason, and the line is one
            let why = if matches!(act, Operator::Reset(_)) { "the test says so" } else { "" };
            let (who, why) = (line.who.clone(), why.to_owned());
            self.feed(at, Input::Operator { at: self.start + at - 1, act, who, why });
        }
        for line in test.ports.iter().filter(|l| due(l.during.from)) {
            let PortLine { ports, drifts_to: Some(to), .. } = line else { continue };
            for port in ports {
                if let Some(slot) = self.ports.get_mut(port.index()) {
                    *slot = *to;
                }
            }
        }
    }

    fn port_fails(&self, port: PortId, at: Millis) -> bool {
        let line = |l: &PortLine| l.drifts_to.is_none() && l.during.holds(at) && l.ports.contains(&port);
        self.test.ports.iter().any(line)
    }

    fn tick(&mut self, at: Millis, live: bool) {
        self.world.at(at, &self.state, live);
        let verified = live && self.state.target.verified.is_some();
        let ports_epoch = if verified { self.state.target.epoch } else { 0 };
        let ports: Vec<Option<Setting>> = self
            .ports
            .iter()
            .enumerate()
            .map(|(i, s)| (live && !self.port_fails(PortId::at(i), at)).then_some(*s))
            .collect();
        if live {
            self.read(at);
        }
        let answers = self.world.answers().to_vec();
        self.feed(at, Input::Tick { at: self.start + at, answers: &answers, ports: &ports, ports_epoch, live });
        self.trace.seen.checked(self.plan, &self.state, &self.world.given());
    }

    /// Notes what ports are read as at a check.
    fn read(&mut self, at: Millis) {
        for (i, is) in self.ports.iter().enumerate() {
            let port = PortId::at(i);
            if !self.port_fails(port, at) && self.trace.port(at, port) != Some(*is) {
                self.trace.ports.push((at, port, *is));
            }
        }
    }

    fn row(&mut self, at: Millis) {
        let phase = match self.state.stage {
            Stage::Phase(p) => Some(p),
            _ => None,
        };
        self.trace.rows.push(Row { at, phase, paused: self.state.paused.is_some() });
        for (i, g) in self.state.guards.iter().enumerate() {
            self.trace.marks.push(match g.word {
                Some(_) if g.active && self.world.assumes(GuardId::at(i)) => Mark::Assumed,
                Some(w) if g.active => Mark::Word(w),
                _ => Mark::Off,
            });
        }
    }

    fn feed(&mut self, at: Millis, input: Input<'_>) {
        let mut effects = std::mem::take(&mut self.effects);
        effects.clear();
        step_given(self.plan, &mut self.state, input, self.world.given(), &mut effects);
        self.trace.seen.happened(self.plan, &self.state, &effects);
        for e in effects.drain(..) {
            self.perform(at, e);
        }
        self.effects = effects;
    }

    fn perform(&mut self, at: Millis, effect: Effect) {
        let plan = self.plan;
        let phase = |name: &str| plan.phases.iter().position(|p| p.name == name).map(PhaseId::at);
        let event = match effect {
            Effect::Record(r) => match *r {
                Record::Refused { reasons } => Some(Event::Refused(reasons)),
                Record::Entered { phase: name, .. } => phase(&name).map(Event::Entered),
                Record::Passed { phase: name, .. } => phase(&name).map(Event::Passed),
                Record::Paused { explanation } => Some(Event::Paused(Cause::of(&explanation))),
                Record::Resumed { .. } => Some(Event::Resumed),
                Record::Promoted { .. } => Some(Event::Promoted),
                Record::Rollback { to, explanation, .. } => {
                    Some(Event::Rollback(to.and_then(|t| phase(&t)), Cause::of(&explanation)))
                }
                Record::KillSwitch { switch, explanation, .. } => {
                    plan.switch(&switch).map(|s| Event::Killed(s, Cause::of(&explanation)))
                }
                Record::Snapshot { .. } => Some(Event::Snapshot),
                _ => None,
            },
            Effect::Apply { epoch, settings, .. } => {
                self.asked = Some((epoch, settings));
                None
            }
            Effect::Run { token, action, cause } => {
                self.running.push(Under { token, action, since: at, cancelled: false });
                self.ran(at, action, cause);
                None
            }
            Effect::CancelRuns => {
                // what is cancelled ends badly, and says so before the next check
                self.running.iter_mut().for_each(|r| r.cancelled = true);
                None
            }
            Effect::Notify { channels, .. } => {
                self.trace.events.extend(channels.into_iter().map(|c| (at, Event::Notified(c))));
                None
            }
            // nobody else to be paused
            Effect::Halt { .. } => None,
            Effect::Finish(verdict) => Some(Event::Finished(verdict)),
        };
        self.trace.events.extend(event.map(|e| (at, e)));
    }

    fn ran(&mut self, at: Millis, action: ActionId, cause: RunCause) {
        self.trace.events.push((at, Event::Ran(action, cause)));
    }
}
