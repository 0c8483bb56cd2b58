//! The runner of a rollout with slices: the same checks for many lives at once, driven by [`fleet_step`] as in a real run.

use super::catch_up;
use super::life::{Life, Lines, operator, why};
use super::runner::{back, beginning, limit};
use super::trace::{Event, Row, SliceTrace, Trace};
use super::world;
use crate::check::tests::{Index, Test};
use crate::engine::fleet::{Begin, Fleet, FleetEffect, FleetInput, Observed, SliceId, fleet_step};
use crate::engine::{Effect, Given, Record, Stage, State};
use crate::plan::{Answer, Happening, InputId, Millis, Missing, Plan, PortId, Time};

/// A slice that a test names.
struct Member<'t> {
    key: &'t [String],
    life: Life<'t>,
    /// Once it was seen.
    id: Option<SliceId>,
    /// Its state after the last step; none before it has begun.
    state: Option<State>,
    effects: Vec<Effect>,
}

/// A test of a sliced rollout on its way.
pub(super) struct Sliced<'t> {
    test: &'t Test,
    plan: &'t Plan,
    start: Time,
    fleet: Fleet,
    members: Vec<Member<'t>>,
    index: Index<'t>,
    /// By slice, in the order in which they were seen: its place among the members.
    order: Vec<usize>,
    observed: Observed,
    out: Vec<FleetEffect>,
    /// What concerns all of them.
    rows: Vec<Row>,
    events: Vec<(Millis, Event)>,
}

impl<'t> Sliced<'t> {
    pub(super) fn new(test: &'t Test, plan: &'t Plan) -> Self {
        let start = beginning(test);
        let mut index = Index::new(test.slices.iter().map(Vec::as_slice));
        let lines = Lines::by_slice(test, &mut index);
        let member = |(key, lines): (&'t Vec<String>, Lines<'t>)| Member {
            key,
            life: Life::new(test, plan, start, lines),
            id: None,
            state: None,
            effects: Vec::new(),
        };
        Self {
            test,
            plan,
            start,
            fleet: Fleet::new(plan),
            members: test.slices.iter().zip(lines).map(member).collect(),
            index,
            order: Vec::new(),
            observed: Observed::new(plan, 0),
            out: Vec::new(),
            rows: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The whole test.
    pub(super) fn run(mut self) -> Trace {
        self.go(None);
        let verdict = self.fleet.verdict();
        let end = self.rows.last().map_or(0, |r| r.at);
        let mut seen = super::coverage::Seen::of(self.plan);
        let slices = self.members.into_iter().map(|m| {
            let mut trace = m.life.trace;
            trace.end = end;
            trace.verdict = m.state.as_ref().and_then(State::verdict);
            seen.add(&trace.seen);
            SliceTrace { key: m.key.to_vec(), trace }
        });
        let slices = slices.collect();
        Trace {
            rows: self.rows,
            marks: Vec::new(),
            guards: 0,
            ports: Vec::new(),
            events: self.events,
            end,
            verdict,
            seen,
            slices,
        }
    }

    /// The state of a slice after the last check at or before `at`.
    pub(super) fn look(mut self, slice: usize, at: Millis) -> State {
        self.go(Some(at));
        let state = self.members.get_mut(slice).and_then(|m| m.state.take());
        state.unwrap_or_else(|| State::new(self.plan))
    }

    fn go(&mut self, until: Option<Millis>) {
        let every = self.plan.check_every.max(1);
        let limit = limit(self.test).min(until.unwrap_or(Millis::MAX));
        let mut at = 0;
        while at <= limit && self.fleet.verdict().is_none() {
            if let Some(stop) = self.test.stops.iter().find(|s| at > 0 && s.holds(at)).copied() {
                at = self.recover(at, stop.to);
                continue;
            }
            self.between(at);
            if self.fleet.verdict().is_none() {
                self.tick(at, true);
            } else {
                // nobody checks any more; what was read back last stays readable
                for m in &mut self.members {
                    m.life.read(at);
                }
            }
            self.row(at);
            at += every;
        }
    }

    /// The runner is gone until `to`; see [`super::runner`]. No slice is discovered in what is asked for afterwards.
    fn recover(&mut self, from: Millis, to: Millis) -> Millis {
        let every = self.plan.check_every.max(1);
        for m in &mut self.members {
            m.life.stopped();
        }
        self.act(to, from);
        self.feed(to, FleetInput::Recovered { at: self.start + to });
        let on_its_way = |m: &Member<'_>| m.state.as_ref().is_some_and(|s| matches!(s.stage, Stage::Phase(_)));
        let mut at = catch_up::first_asked(from, to - every, every);
        while at <= to - every && self.members.iter().any(on_its_way) && world::has_history(self.test, self.plan, at) {
            self.tick(at, false);
            self.row(at);
            at += every;
        }
        back(from, to, every)
    }

    fn between(&mut self, at: Millis) {
        let just = self.start + at - 1;
        for i in 0..self.members.len() {
            let ended = self.members.get_mut(i).map(|m| m.life.ended(at)).unwrap_or_default();
            for e in ended {
                let Some(slice) = self.members.get(i).and_then(|m| m.id) else { continue };
                let (token, ok, how, output) = (e.token, e.ok, e.how, String::new());
                self.feed(at, FleetInput::ActionEnded { slice, at: just, token, ok, how, output });
            }
        }
        self.act(at, at - self.plan.check_every.max(1) + 1);
        for i in 0..self.members.len() {
            let verified = self.members.get_mut(i).and_then(|m| Some((m.id?, m.life.verified(at)?)));
            if let Some((slice, (epoch, read))) = verified {
                self.feed(at, FleetInput::Verified { slice, at: just, epoch, read });
            }
        }
    }

    /// What people and others have done from `from` up to the check at `at`.
    fn act(&mut self, at: Millis, from: Millis) {
        let test = self.test;
        for line in test.acts.iter().filter(|l| (from..=at).contains(&l.at)) {
            let meant = self.index.meant(&line.slices).iter();
            let mut slices: Vec<SliceId> = meant.filter_map(|i| self.members.get(*i)?.id).collect();
            if line.slices.all() {
                // all of them is a word of its own: it holds for what joins all lives too
                slices.clear();
            } else if slices.is_empty() {
                continue;
            }
            let (act, who, why) = (operator(line.act), line.who.clone(), why(line.act));
            let at_time = self.start + at - 1;
            self.feed(at, FleetInput::Operator { slices: &slices, at: at_time, act, who, why });
        }
        for m in &mut self.members {
            m.life.drift(at, from);
        }
    }

    fn tick(&mut self, at: Millis, live: bool) {
        let now = self.start + at;
        if live {
            self.discover(at);
        }
        let new = State::new(self.plan);
        self.observed.clear(self.fleet.len());
        for m in &mut self.members {
            let Some(slice) = m.id else { continue };
            let state = m.state.as_ref().unwrap_or(&new);
            m.life.world.at(at, &|input| self.fleet.since(self.plan, input), live);
            let (ports, epoch) = m.life.ports(at, state, live);
            for (i, is) in ports.into_iter().enumerate() {
                self.observed.port(slice, PortId::at(i), is);
            }
            self.observed.epoch(slice, epoch);
            if live {
                m.life.read(at);
            }
        }
        self.answers();
        let begins = if live { self.fleet.due(self.plan, now) } else { Vec::new() };
        let begin = |slice: &SliceId| {
            let life = &self.members.get(*self.order.get(slice.index())?)?.life;
            Some(Begin { slice: *slice, originals: Ok(life.originals()), baseline: life.world.baseline() })
        };
        let first: Vec<SliceId> = begins.clone();
        let begins = begins.iter().filter_map(begin).collect();
        let rolled_back = self.test.rolled_back.map(|ago| self.start - ago);
        let observed = std::mem::replace(&mut self.observed, Observed::new(self.plan, 0));
        self.feed(at, FleetInput::Tick { at: now, observed: &observed, begins, rolled_back, live });
        self.observed = observed;
        for m in &mut self.members {
            let (Some(id), Some(state)) = (m.id, &m.state) else { continue };
            let given = m.life.world.given();
            if first.contains(&id) {
                m.life.trace.seen.started(state, &given);
            } else {
                m.life.trace.seen.checked(self.plan, state, &given);
            }
        }
    }

    /// The slices that are seen at a check for the first time.
    fn discover(&mut self, at: Millis) {
        for (i, m) in self.members.iter_mut().enumerate() {
            if m.id.is_some() || !m.life.world.shows(at) {
                continue;
            }
            let values: Vec<&str> = m.key.iter().map(String::as_str).collect();
            m.id = self.fleet.see(self.plan, &values, self.start + at);
            if m.id.is_some() {
                m.life.world.begins(at);
                self.order.push(i);
            }
        }
    }

    /// What each slice was answered. One question is asked for all: a slice without a row is dark where another has one.
    fn answers(&mut self) {
        let seen = || self.members.iter().filter_map(|m| Some((m.id?, m.life.world.answers())));
        for (i, input) in self.plan.inputs.iter().enumerate() {
            let some = seen().any(|(_, answers)| answers.get(i).is_some_and(|a| a.value.is_ok()));
            for (slice, answers) in seen() {
                let Some(answer) = answers.get(i) else { continue };
                let none = matches!(answer.value, Err(Missing::Empty { others: None }));
                let answer = if none && some && !input.by.is_empty() {
                    Answer::missing(Missing::Empty { others: Some(true) })
                } else {
                    answer.clone()
                };
                self.observed.answer(slice, InputId::at(i), answer);
            }
        }
    }

    fn row(&mut self, at: Millis) {
        self.rows.push(Row { at, phase: None, paused: self.fleet.halted().is_some() });
        for m in &mut self.members {
            if let Some(state) = &m.state {
                m.life.row(at, state);
            }
        }
    }

    /// What concerns all of them; `touched` are the places of the members of whom the step said something.
    fn own(&mut self, at: Millis, effects: Vec<Effect>, touched: &[usize]) {
        for effect in effects {
            match effect {
                Effect::Finish(verdict) => self.events.push((at, Event::Finished(verdict))),
                Effect::Notify { channels, happening, .. } => {
                    // one notice for all to whom it happened: each of them is told of
                    let told = |m: &Member<'_>| happening.is_some_and(|h| m.effects.iter().any(|e| is_of(e, h)));
                    for i in touched {
                        let Some(m) = self.members.get_mut(*i).filter(|m| told(m)) else { continue };
                        m.life.trace.events.extend(channels.iter().map(|c| (at, Event::Notified(*c))));
                    }
                    self.events.extend(channels.into_iter().map(|c| (at, Event::Notified(c))));
                }
                Effect::Run { action, cause, .. } => self.events.push((at, Event::Ran(action, cause))),
                Effect::Record(_)
                | Effect::Apply { .. }
                | Effect::CancelRuns
                | Effect::Halt { .. }
                | Effect::Throw { .. } => {}
            }
        }
    }

    fn feed(&mut self, at: Millis, input: FleetInput<'_>) {
        // whose state may be another one afterwards, though nothing is said of it; `None`: anybody's
        let changed: Option<Vec<SliceId>> = match &input {
            FleetInput::Verified { slice, .. } | FleetInput::ActionEnded { slice, .. } => Some(vec![*slice]),
            FleetInput::Operator { slices, .. } if !slices.is_empty() => Some(slices.to_vec()),
            _ => None,
        };
        let (members, order) = (&self.members, &self.order);
        let life = |slice: SliceId| order.get(slice.index()).and_then(|i| members.get(*i)).map(|m| &m.life);
        let given = |slice: SliceId| life(slice).map_or(Given::NONE, |l| l.world.given());
        fleet_step(self.plan, &mut self.fleet, input, &given, &mut self.out);
        let (mut own, mut touched) = (Vec::new(), Vec::new());
        for FleetEffect { slice, effect } in self.out.drain(..) {
            let place = slice.and_then(|s| self.order.get(s.index()).copied());
            match place.and_then(|i| Some((i, self.members.get_mut(i)?))) {
                Some((i, m)) => {
                    touched.push(i);
                    m.effects.push(effect);
                }
                None => own.push(effect),
            }
        }
        touched.sort_unstable();
        touched.dedup();
        self.own(at, own, &touched);
        let mut after = match changed {
            None => (0..self.members.len()).collect(),
            Some(slices) => {
                touched.extend(slices.iter().filter_map(|s| self.order.get(s.index())));
                touched
            }
        };
        after.sort_unstable();
        after.dedup();
        for i in after {
            self.after(at, i);
        }
    }

    /// A member after a step: what was said of it is done, and its state is looked at anew.
    fn after(&mut self, at: Millis, i: usize) {
        let Some(m) = self.members.get_mut(i) else { return };
        let Some(id) = m.id else { return };
        // a slice that waits has no life yet
        let idle = m.state.is_none() && self.fleet.stage(id).is_none_or(|s| s == Stage::Idle);
        if m.effects.is_empty() && idle {
            return;
        }
        let Some(state) = self.fleet.state(id) else { return };
        m.life.perform(at, &state, &mut m.effects);
        // one whose start was refused may still wait for another
        m.state = Some(state).filter(|s| s.stage != Stage::Idle);
    }
}

/// Whether an effect records what a notice of that kind tells of.
fn is_of(effect: &Effect, happening: Happening) -> bool {
    let Effect::Record(record) = effect else { return false };
    matches!(
        (happening, &**record),
        (Happening::Breach | Happening::Blind, Record::Guard { .. })
            | (Happening::Pause, Record::Paused { .. } | Record::Drift { .. })
            | (Happening::Rollback, Record::Rollback { .. } | Record::RollbackSlow { .. } | Record::Finished { .. })
            | (Happening::Promote, Record::Passed { .. })
            | (Happening::Kill, Record::KillSwitch { .. })
            | (Happening::Done, Record::Finished { .. })
    )
}
