//! One life in a test: the world around it, its ports, its actions under way, and what came of it. A rollout has one, or one for
//! each of its slices.

use super::coverage::Seen;
use super::hands::{Ended, Hands};
use super::trace::{Cause, Event, Mark, Row, Trace};
use super::world::World;
use crate::check::tests::{Act, ActionLine, Given, Index, PortLine, Test};
use crate::engine::{Effect, Operator, Record, Stage, State};
use crate::plan::{GuardId, Millis, PhaseId, Plan, PortId, PortKind, Setting, Time};
use crate::syntax::ast::ActionFault;

/// The lines of a test that speak of one life, in the order of the text.
#[derive(Default)]
pub(super) struct Lines<'t> {
    givens: Vec<&'t Given>,
    actions: Vec<&'t ActionLine>,
    ports: Vec<&'t PortLine>,
}

impl<'t> Lines<'t> {
    /// All of them: of a rollout with one life.
    pub(super) fn all(test: &'t Test) -> Self {
        Self {
            givens: test.givens.iter().collect(),
            actions: test.actions.iter().collect(),
            ports: test.ports.iter().collect(),
        }
    }

    /// By slice of the test.
    pub(super) fn by_slice(test: &'t Test, index: &mut Index<'_>) -> Vec<Self> {
        let mut out: Vec<Self> = test.slices.iter().map(|_| Self::default()).collect();
        for line in &test.givens {
            index
                .meant(&line.slices)
                .iter()
                .for_each(|i| out.get_mut(*i).into_iter().for_each(|o| o.givens.push(line)));
        }
        for line in &test.actions {
            index
                .meant(&line.slices)
                .iter()
                .for_each(|i| out.get_mut(*i).into_iter().for_each(|o| o.actions.push(line)));
        }
        for line in &test.ports {
            index.meant(&line.slices).iter().for_each(|i| out.get_mut(*i).into_iter().for_each(|o| o.ports.push(line)));
        }
        out
    }
}

/// A life.
pub(super) struct Life<'t> {
    plan: &'t Plan,
    pub(super) world: World<'t>,
    /// The lines of the test that speak of this life.
    actions: Vec<&'t ActionLine>,
    lines: Vec<&'t PortLine>,
    hands: Hands,
    pub(super) trace: Trace,
}

impl<'t> Life<'t> {
    /// A life, with the lines that speak of it.
    pub(super) fn new(test: &'t Test, plan: &'t Plan, start: Time, lines: Lines<'t>) -> Self {
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
            slices: Vec::new(),
        };
        Self {
            plan,
            world: World::new(test, plan, start, lines.givens),
            actions: lines.actions,
            lines: lines.ports,
            hands: Hands::new(ports),
            trace,
        }
    }

    /// What every port is, before anything is changed.
    pub(super) fn originals(&self) -> Vec<(PortId, Setting)> {
        self.hands.ports().collect()
    }

    /// The runner is gone: actions go down with it, and nobody waits for what was asked for.
    pub(super) fn stopped(&mut self) {
        self.hands.stopped();
    }

    /// The actions that end just before the check at `at`.
    pub(super) fn ended(&mut self, at: Millis) -> Vec<Ended> {
        let (plan, actions) = (self.plan, &self.actions);
        self.hands.ended(|action, since| {
            let line = actions.iter().rev().find(|l| l.action == action && l.during.holds(since));
            let timeout = plan.actions.get(action.index()).map_or(0, |a| a.timeout);
            match line.map(|l| l.how) {
                None => Some(Ended::well()),
                Some(ActionFault::Fails) => Some((false, String::from("exit status 1"))),
                Some(ActionFault::Hangs) => (at - since >= timeout)
                    .then(|| (false, format!("not done within {}", crate::plan::show::duration(timeout)))),
            }
        })
    }

    /// What others have set from `from` up to the check at `at`.
    pub(super) fn drift(&mut self, at: Millis, from: Millis) {
        for line in &self.lines {
            if let PortLine { ports, drifts_to: Some(to), during, .. } = line
                && (from..=at).contains(&during.from)
            {
                for port in ports {
                    self.hands.put(*port, *to);
                }
            }
        }
    }

    /// The request that is read back just before the check at `at`, if it is.
    pub(super) fn verified(&mut self, at: Millis) -> Option<(u32, Vec<(PortId, Setting)>)> {
        let lines = &self.lines;
        self.hands.verified(|port| port_fails(lines, port, at))
    }

    fn port_fails(&self, port: PortId, at: Millis) -> bool {
        port_fails(&self.lines, port, at)
    }

    /// What a check reads of the ports, with the request that was verified by then.
    pub(super) fn ports(&self, at: Millis, state: &State, live: bool) -> (Vec<Option<Setting>>, u32) {
        let epoch = if live && state.target.verified.is_some() { state.target.epoch } else { 0 };
        let one = |(port, is)| (live && !self.port_fails(port, at)).then_some(is);
        (self.hands.ports().map(one).collect(), epoch)
    }

    /// Notes what ports are read as at a check.
    pub(super) fn read(&mut self, at: Millis) {
        for (port, is) in self.hands.ports() {
            if !port_fails(&self.lines, port, at) && self.trace.port(at, port) != Some(is) {
                self.trace.ports.push((at, port, is));
            }
        }
    }

    /// Notes how things stand after a check.
    pub(super) fn row(&mut self, at: Millis, state: &State) {
        row(&mut self.trace, at, state, |g| self.world.assumes(g));
    }

    /// Does what a step asked for, and notes it; `state` is that after the step.
    pub(super) fn perform(&mut self, at: Millis, state: &State, effects: &mut Vec<Effect>) {
        self.trace.seen.happened(self.plan, state, effects);
        for e in effects.drain(..) {
            self.hands.does(at, &e);
            note(self.plan, at, e, &mut self.trace.events);
        }
    }
}

/// Notes how things stand after a check; `assumed`: which guards a test takes for healthy.
pub(super) fn row(trace: &mut Trace, at: Millis, state: &State, assumed: impl Fn(GuardId) -> bool) {
    let phase = match state.stage {
        Stage::Phase(p) => Some(p),
        _ => None,
    };
    trace.rows.push(Row { at, phase, paused: state.paused.is_some() });
    for (i, g) in state.guards.iter().enumerate() {
        trace.marks.push(match g.word {
            Some(_) if g.active && assumed(GuardId::at(i)) => Mark::Assumed,
            Some(w) if g.active => Mark::Word(w),
            _ => Mark::Off,
        });
    }
}

/// Notes what a step asks for, as far as a test can expect it.
pub(super) fn note(plan: &Plan, at: Millis, effect: Effect, events: &mut Vec<(Millis, Event)>) {
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
        Effect::Run { action, cause, .. } => Some(Event::Ran(action, cause)),
        Effect::Apply { .. } | Effect::CancelRuns => None,
        Effect::Notify { channels, .. } => {
            events.extend(channels.into_iter().map(|c| (at, Event::Notified(c))));
            None
        }
        // whoever joins the lives has told the others
        Effect::Halt { .. } | Effect::Throw { .. } => None,
        Effect::Finish(verdict) => Some(Event::Finished(verdict)),
    };
    events.extend(event.map(|e| (at, e)));
}

fn port_fails(lines: &[&PortLine], port: PortId, at: Millis) -> bool {
    lines.iter().any(|l| l.drifts_to.is_none() && l.during.holds(at) && l.ports.contains(&port))
}

/// What a person's line is to the engine.
pub(super) fn operator(act: Act) -> Operator {
    match act {
        Act::Approve(group) => Operator::Approve(group),
        Act::Pause => Operator::Pause,
        Act::Resume => Operator::Resume,
        Act::Abort => Operator::Abort,
        Act::Kill(switch) => Operator::Kill(switch),
        Act::Reset(switch) => Operator::Reset(switch),
    }
}

/// Why it is done: a reset wants a reason, and the line is one.
pub(super) fn why(act: Act) -> String {
    String::from(if matches!(act, Act::Reset(_)) { "the test says so" } else { "" })
}
