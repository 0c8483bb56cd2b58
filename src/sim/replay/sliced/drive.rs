//! The runner of a replay of slices: what was recorded, in its order, and what is made up where nothing was. As
//! [`crate::sim::replay::drive`] drives one life, this drives many.

mod recorded;

use super::lives::{Lives, Read};
use super::notes::Notes;
use crate::engine::fleet::{Begin, FleetEffect, FleetInput, SliceId};
use crate::engine::{Effect, Stage, Verdict};
use crate::plan::{InputId, Millis, Plan, Population, PortId, Setting, Time, show};
use crate::sim::hands::{Ended, Hands};
use crate::sim::recording::sliced::{self, Sliced};
use crate::sim::recording::{Happened, Recording};
use crate::sim::replay::assumed::{self, MADE_UP};
use crate::sim::replay::exposed::{Exposed, rate, share, traffic};
use crate::sim::replay::inject::{Fault, Injected};
use crate::sim::replay::outcome::Outcome;
use crate::sim::replay::ports::{most, planned};
use crate::sim::replay::{Detail, Scenario, began, first_check, span};
use std::collections::BTreeSet;

/// So many checks behind the recording's end what is being taken back is seen to its end.
const TAIL: usize = 100;

/// What the driver knows of a slice beside its life.
struct Slot {
    hands: Hands,
    /// Its newest request.
    epoch: u32,
    /// Whether that was read back.
    verified: bool,
    /// Its share of the traffic since the last check.
    exposed: f64,
}

/// A replay under way.
pub(super) struct Driver<'a> {
    plan: &'a Plan,
    recording: &'a Recording,
    scenario: &'a Scenario,
    start: Time,
    lives: Lives<'a>,
    /// The policy as it was, beside, as long as both ask for the same.
    beside: Option<Lives<'a>>,
    /// The world is the recorded one.
    recorded: bool,
    slots: Vec<Slot>,
    /// Slices with a request that is not read back, or an action under way.
    busy: BTreeSet<SliceId>,
    /// The run's own actions.
    own: Hands,
    rolled_back: Option<Time>,
    /// A person has ended the whole so.
    closing: Option<Verdict>,
    notes: Notes<'a>,
    most: Vec<Option<Setting>>,
    planned: Vec<f64>,
    traffic: Vec<(InputId, Millis)>,
    exposed: Exposed,
    /// The last check; none was made yet where it lies before the start.
    last: Time,
    /// The runner is gone until then; the checks that it has missed, and what people have said meanwhile.
    gone: Option<Time>,
    missed: Vec<Time>,
    unheard: Vec<&'a Sliced>,
}

impl<'a> Driver<'a> {
    pub(super) fn new(
        plan: &'a Plan,
        recording: &'a Recording,
        scenario: &'a Scenario,
        shown: Option<Vec<String>>,
        detail: Detail,
    ) -> Self {
        let start = first_check(recording, scenario.start);
        let injected: Vec<Injected> = scenario.injections.iter().flat_map(|i| i.on(plan, start)).collect();
        let of = |p: &Plan| p.hash == recording.about.policy;
        let its_own = began(recording) == Some(start);
        let changed = !of(plan) || !scenario.injections.is_empty();
        // the policy that the run had, where it is at hand
        let then = scenario.unchanged.as_ref().filter(|p| of(p)).or_else(|| of(plan).then_some(plan));
        let beside = then.filter(|_| its_own && changed).map(|p| Lives::new(p, recording, Vec::new()));
        let rolled_back = recording.happened.iter().find_map(|h| match h {
            Happened::Sliced(Sliced::Start { at, rolled_back }) if *at == start => *rolled_back,
            _ => None,
        });
        let traffic = traffic(plan);
        let requests = (!traffic.is_empty()).then_some(0.0);
        Self {
            plan,
            recording,
            scenario,
            start,
            lives: Lives::new(plan, recording, injected),
            beside,
            recorded: its_own && then.is_some(),
            slots: Vec::new(),
            busy: BTreeSet::new(),
            own: Hands::new(Vec::new()),
            rolled_back,
            closing: None,
            notes: Notes::new(plan, start, span(recording).1, detail, shown),
            most: most(plan, recording),
            planned: planned(plan),
            traffic,
            exposed: Exposed { exposure_seconds: 0.0, requests },
            last: start.saturating_sub(1),
            gone: None,
            missed: Vec::new(),
            unheard: Vec::new(),
        }
    }

    /// What came of it, whom it has reached, and which slice ended worst.
    pub(super) fn go(mut self) -> (Outcome, Exposed, Option<Vec<String>>) {
        let known = self.most.iter().any(Option::is_some);
        for (since, text) in assumed::all(self.plan, self.recording, self.scenario, self.start, self.recorded, known) {
            self.notes.assume(since, text);
        }
        if !self.recorded {
            self.notes.ports_assumed(self.start);
        }
        let recording = self.recording;
        for event in &recording.happened {
            // what reached a run when it was over, as the end of an action, reaches it again
            if self.recorded || (self.goes_on() && event.at() >= self.start) {
                self.event(event);
            }
        }
        // behind what a run has recorded, or from the beginning, there is a row a check
        let every = self.plan.check_every.max(1);
        let (_, end) = span(recording);
        let mut at = if self.last < self.start { self.start } else { self.last.saturating_add(every) };
        while at <= end && self.goes_on() {
            self.at_check(at, true, None);
            at = at.saturating_add(every);
        }
        self.say_what_was_silent();
        // what is being taken back needs no more answers: it is seen to its end, unless it is for the run's own recording to tell
        for _ in 0..TAIL {
            let fleet = &self.lives.fleet;
            if self.recorded || !fleet.slices().any(|s| matches!(fleet.stage(s), Some(Stage::RollingBack(_)))) {
                break;
            }
            self.between(at);
            at = at.saturating_add(every);
        }
        let closing = self.closing.filter(|_| !self.is_active());
        let (outcome, worst) = self.notes.done(&self.lives.fleet, closing);
        (outcome, self.exposed, worst)
    }

    fn is_active(&self) -> bool {
        let fleet = &self.lives.fleet;
        fleet.slices().any(|s| matches!(fleet.stage(s), Some(Stage::Phase(_) | Stage::RollingBack(_))))
    }

    fn goes_on(&self) -> bool {
        self.lives.fleet.verdict().is_none() && (self.closing.is_none() || self.is_active())
    }

    fn say_what_was_silent(&mut self) {
        let silences: Vec<_> = self.lives.answers.silences().collect();
        for s in silences {
            let Some(input) = self.plan.inputs.get(s.input.index()) else { continue };
            let whose = if input.population == Population::Stable { " of the stable population" } else { "" };
            let (from, to) = (show::duration(s.from - self.start), show::duration(s.to - self.start));
            let many = match s.answers {
                1 => format!("one answer at {from}"),
                n => format!("{n} answers of slices between {from} and {to}"),
            };
            let text = format!("{}{whose}: the recording lacks {many}: not known, and taken for nothing", input.metric);
            self.notes.assume(Some(s.from), text);
        }
    }

    fn port(&self, name: &str) -> Option<PortId> {
        self.plan.ports.iter().position(|p| p.name == name).map(PortId::at)
    }

    fn named(&self, read: &[(String, Setting)]) -> Vec<(PortId, Setting)> {
        read.iter().filter_map(|(n, s)| Some((self.port(n)?, *s))).collect()
    }

    /// Makes room for the slices that were seen since.
    fn follow(&mut self) {
        self.notes.follow(&self.lives.fleet);
        for _ in self.slots.len()..self.lives.fleet.len() {
            self.slots.push(Slot { hands: Hands::untouched(self.plan), epoch: 0, verified: false, exposed: 0.0 });
        }
    }

    /// A port of a slice was read.
    fn read_as(&mut self, at: Time, slice: SliceId, port: PortId, is: Setting) {
        if let Some(slot) = self.slots.get_mut(slice.index()) {
            slot.hands.put(port, is);
        }
        self.notes.observed(at, slice, port, is);
    }

    /// A check, unless the runner is gone.
    fn at_check(&mut self, at: Time, live: bool, recorded: Option<(&[sliced::Read], &[sliced::Begun])>) {
        if self.is_away(at) {
            self.missed.push(at);
            self.last = at;
            return;
        }
        self.comes_back();
        if !self.recorded && !self.goes_on() {
            return;
        }
        match recorded.filter(|_| self.recorded) {
            Some((read, begins)) => self.recorded_check(at, live, read, begins),
            None => {
                // behind the run's own record nobody knows what ports were
                self.leave(at);
                if live && at > self.start {
                    self.between(at);
                }
                if self.goes_on() {
                    self.made_up_check(at, live);
                }
            }
        }
    }

    /// What happens just before a check where nobody knows what did: actions end, requests are read back.
    fn between(&mut self, at: Time) {
        let just = at - 1;
        let mut ended: Vec<FleetInput<'static>> = Vec::new();
        for e in self.own.ended(|_, _| Some(Ended::well())) {
            let output = String::new();
            ended.push(FleetInput::OwnActionEnded { at: just, token: e.token, ok: e.ok, how: e.how, output });
        }
        for slice in &self.busy {
            let Some(slot) = self.slots.get_mut(slice.index()) else { continue };
            for e in slot.hands.ended(|_, _| Some(Ended::well())) {
                let (slice, output) = (*slice, String::new());
                ended.push(FleetInput::ActionEnded { slice, at: just, token: e.token, ok: e.ok, how: e.how, output });
            }
        }
        if !ended.is_empty() {
            self.tell(just, ended);
        }
        let mut verified = Vec::new();
        for slice in std::mem::take(&mut self.busy) {
            let Some(slot) = self.slots.get_mut(slice.index()) else { continue };
            if let Some((epoch, read)) = slot.hands.verified(|_| false) {
                slot.verified |= slot.epoch == epoch;
                for (port, is) in &read {
                    self.notes.observed(just, slice, *port, *is);
                }
                verified.push(FleetInput::Verified { slice, at: just, epoch, read });
            }
            if slot.hands.is_busy() {
                self.busy.insert(slice);
            }
        }
        if !verified.is_empty() {
            self.tell(just, verified);
        }
    }

    fn made_up_check(&mut self, at: Time, live: bool) {
        if live {
            self.lives.answers.discover(at, &mut self.lives.fleet);
            self.follow();
        }
        self.look(at);
        let mut begins = Vec::new();
        if live {
            for slice in self.lives.fleet.due(self.plan, at) {
                let mut said = Vec::new();
                let baseline = self.lives.answers.baseline(slice, at, false, &mut |text| said.push(text));
                for text in said {
                    self.notes.assume(Some(at), text);
                }
                let Some(slot) = self.slots.get(slice.index()) else { continue };
                let originals: Vec<_> = slot.hands.ports().collect();
                for (port, is) in &originals {
                    self.notes.observed(at, slice, *port, *is);
                }
                begins.push(Begin { slice, originals: Ok(originals), baseline });
            }
        }
        let fleet = &self.lives.fleet;
        let active = |i: &usize| live && matches!(fleet.stage(SliceId::at(*i)), Some(s) if s != Stage::Idle);
        let read = |i: usize| {
            let slot = self.slots.get(i)?;
            Some((SliceId::at(i), slot.hands.ports().collect(), if slot.verified { slot.epoch } else { 0 }))
        };
        let read: Vec<Read> = (0..self.slots.len()).filter(active).filter_map(read).collect();
        self.lives.tick(at, read, begins, self.rolled_back, live);
        self.checked(at);
    }

    /// Looks up what this check is answered.
    fn look(&mut self, at: Time) {
        let (plan, planned, slots) = (self.plan, &self.planned, &self.slots);
        let exposure = |i: usize| slots.get(i).map_or(0.0, |s| share(plan, planned, &s.hands));
        self.lives.look(at, !self.recorded, exposure);
    }

    /// Behind a check of all: what was exposed since the one before was so until now.
    fn checked(&mut self, at: Time) {
        let since = crate::engine::eval::seconds(at - self.last.max(self.start));
        for (i, slot) in self.slots.iter_mut().enumerate() {
            if slot.exposed > 0.0 {
                let exposed = slot.exposed * since;
                self.exposed.exposure_seconds += exposed;
                if let Some(sum) = &mut self.exposed.requests {
                    *sum += exposed * rate(&self.traffic, self.lives.answered(SliceId::at(i)));
                }
            }
            slot.exposed = share(self.plan, &self.planned, &slot.hands);
        }
        self.perform(at);
        self.last = at;
        self.notes.checked(at, &self.lives.fleet);
    }

    fn tell(&mut self, at: Time, inputs: Vec<FleetInput<'_>>) {
        if let Some(beside) = &mut self.beside {
            beside.tell(inputs.clone());
        }
        self.lives.tell(inputs);
        self.perform(at);
    }

    /// Whether an injected outage has the runner at that time. At its first moment it takes actions down with it.
    fn is_away(&mut self, at: Time) -> bool {
        let start = self.start;
        let outages = self.scenario.injections.iter().filter(|i| i.what == Fault::Runner);
        let until = outages.filter_map(|i| i.to.map(|to| (start + i.from, start + to)));
        let Some((_, to)) = until.filter(|(from, to)| (*from..*to).contains(&at)).max_by_key(|(_, to)| *to) else {
            return false;
        };
        if self.gone.is_none() {
            self.leave(at);
            self.stopped();
        }
        self.gone = Some(self.gone.map_or(to, |t| t.max(to)));
        true
    }

    /// Actions go down with the runner, and nobody waits for what was asked for.
    fn stopped(&mut self) {
        self.own.stopped();
        self.slots.iter_mut().for_each(|s| s.hands.stopped());
        self.busy.clear();
    }

    /// The runner is back, as `run` is: what people said meanwhile comes first, then what is not confirmed is asked for again, and then
    /// the checks that were missed are asked of the past.
    fn comes_back(&mut self) {
        let Some(to) = self.gone.take() else { return };
        let every = self.plan.check_every;
        for event in std::mem::take(&mut self.unheard) {
            self.said(to, event);
        }
        self.tell(to, vec![FleetInput::Recovered { at: to }]);
        for at in std::mem::take(&mut self.missed) {
            if at <= to - every && self.is_active() {
                self.made_up_check(at, false);
            }
        }
        let text = "checks that were missed are asked for afterwards, as far as they are recorded: their source must keep a history";
        self.notes.assume(Some(to), String::from(text));
    }

    /// From here on it is not the recorded world any more.
    fn leave(&mut self, at: Time) {
        if !self.recorded {
            return;
        }
        self.recorded = false;
        self.beside = None;
        self.notes.assume(Some(at), format!("from here on this is not what happened then: {MADE_UP}"));
        self.notes.ports_assumed(at);
    }

    /// Does what the last step asks for.
    fn perform(&mut self, at: Time) {
        if let Some(beside) = &mut self.beside {
            let same = self.lives.wants().eq(beside.wants());
            beside.effects.clear();
            if !same {
                self.leave(at);
            }
        }
        let mut effects = std::mem::take(&mut self.lives.effects);
        for e in effects.drain(..) {
            self.one(at, &e);
        }
        // hardly ever is there anything in it: its room is kept
        self.lives.effects = effects;
    }

    fn one(&mut self, at: Time, e: &FleetEffect) {
        if let (Effect::Run { .. }, false) = (&e.effect, self.recorded) {
            self.notes.assume(Some(at), String::from("actions end well, just before the check after they were begun"));
        }
        match e.slice {
            None => self.own.does(at, &e.effect),
            Some(slice) => {
                if let Some(slot) = self.slots.get_mut(slice.index()) {
                    slot.hands.does(at, &e.effect);
                    if slot.hands.is_busy() {
                        self.busy.insert(slice);
                    }
                    if let Effect::Apply { epoch, .. } = &e.effect {
                        (slot.epoch, slot.verified) = (*epoch, false);
                    }
                }
            }
        }
        if let Effect::Apply { settings, .. } = &e.effect {
            for (port, to) in settings {
                let Some(most) = self.most.get(port.index()).copied().flatten() else { continue };
                if to.size() > most.size() + 1e-6 {
                    let name = self.plan.port_name(*port);
                    let text = format!(
                        "{name} at {to}: the recording has it at {most} at most; the numbers are those measured then"
                    );
                    self.notes.assume(Some(at), text);
                }
            }
        }
        self.notes.happened(at, e);
    }
}
