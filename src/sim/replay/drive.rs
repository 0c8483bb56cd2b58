//! The runner of a replay: what was recorded, in its order, and what is made up where nothing was.

use super::answers::baseline;
use super::assumed::{self, MADE_UP};
use super::exposed::{Exposed, Meter, share};
use super::inject::{Fault, Injected};
use super::life::Life;
use super::outcome::Outcome;
use super::ports::{most, planned};
use super::track::Track;
use super::watch::Watch;
use super::{Scenario, began, first_check, span};
use crate::engine::{Effect, Input, Operator, Seen, Stage};
use crate::plan::{Plan, Population, PortId, Setting, Time, show};
use crate::sim::catch_up;
use crate::sim::hands::{Ended, Hands};
use crate::sim::recording::{Happened, Recording};

/// A replay under way.
pub(super) struct Driver<'a> {
    pub(super) plan: &'a Plan,
    pub(super) recording: &'a Recording,
    scenario: &'a Scenario,
    start: Time,
    /// No check is made behind it.
    pub(super) until: Time,
    /// Somebody who looks on.
    pub(super) watch: Option<&'a mut dyn Watch>,
    pub(super) life: Life<'a>,
    /// The policy as it was, beside, as long as both ask for the same.
    beside: Option<Life<'a>>,
    /// The world is the recorded one.
    pub(super) recorded: bool,
    hands: Hands,
    /// Room for what ports are read as.
    pub(super) ports: Vec<Option<Setting>>,
    track: Track,
    meter: Meter,
    /// The most that each port was ever read as in the recording; none where it was never read.
    most: Vec<Option<Setting>>,
    /// The most that any phase sets each port to.
    planned: Vec<f64>,
    /// The last check.
    pub(super) last: Time,
    /// The runner is gone until then; the checks that it has missed, and what people have said meanwhile.
    gone: Option<Time>,
    missed: Vec<Time>,
    unheard: Vec<&'a Happened>,
}

impl<'a> Driver<'a> {
    pub(super) fn new(plan: &'a Plan, recording: &'a Recording, scenario: &'a Scenario) -> Self {
        let start = first_check(recording, scenario.start);
        let injected: Vec<Injected> = scenario.injections.iter().flat_map(|i| i.on(plan, start)).collect();
        let of = |p: &Plan| p.hash == recording.about.policy;
        // with other checks than the recorded ones it is not what happened then
        let its_own = began(recording) == Some(start) && plan.check_every == recording.about.step;
        let changed = !of(plan) || !scenario.injections.is_empty();
        // the policy that the run had, where it is at hand
        let then = scenario.unchanged.as_ref().filter(|p| of(p)).or_else(|| of(plan).then_some(plan));
        let beside = then.filter(|_| its_own && changed).map(|p| Life::new(p, recording, Vec::new()));
        Self {
            plan,
            recording,
            scenario,
            start,
            until: Time::MAX,
            watch: None,
            life: Life::new(plan, recording, injected),
            beside,
            recorded: its_own && then.is_some(),
            hands: Hands::untouched(plan),
            ports: vec![None; plan.ports.len()],
            track: Track::new(plan, start, span(recording).1, scenario.detail),
            meter: Meter::new(plan),
            most: most(plan, recording),
            planned: planned(plan),
            last: start,
            gone: None,
            missed: Vec::new(),
            unheard: Vec::new(),
        }
    }

    pub(super) fn go(mut self) -> (Outcome, Exposed) {
        self.say_what_is_not_known();
        let recording = self.recording;
        let mut events = recording.happened.iter();
        self.begin();
        // what reached a run when it was over, as the end of an action, reaches it again
        let until = self.until;
        while let Some(event) = events.next().filter(|e| e.at() <= until && (self.recorded || self.goes_on())) {
            if event.at() > self.start || (self.recorded && !matches!(event, Happened::Start { .. })) {
                self.event(event);
            }
        }
        // behind what a run has recorded, or from the beginning, there is a row a check
        let every = self.plan.check_every.max(1);
        let end = span(recording).1.min(until);
        while let Some(at) = self.last.checked_add(every).filter(|at| *at <= end && self.goes_on()) {
            self.at_check(at, true, &[], 0);
        }
        for s in self.life.answers.silences() {
            let Some(input) = self.plan.inputs.get(s.input.index()) else { continue };
            let whose = match input.population {
                Population::Canary => "",
                Population::Stable => " of the stable population",
                Population::Before => " before the start",
            };
            let (from, to) = (show::duration(s.from - self.start), show::duration(s.to - self.start));
            let long = if s.from == s.to { format!("at {from}") } else { format!("from {from} to {to}") };
            let text =
                format!("{}{whose}: the recording has nothing {long}: not known, and taken for nothing", input.metric);
            self.track.assume(Some(s.from), text);
        }
        // what is being taken back needs no more answers: it is seen to its end, unless it is for the run's own recording to tell
        for _ in 0..TAIL {
            let at = self.last.saturating_add(every);
            if self.recorded || !matches!(self.life.state.stage, Stage::RollingBack(_)) || at > until {
                break;
            }
            self.at_check(at, true, &[], 0);
        }
        self.look_on();
        (self.track.done(&self.life.state), self.meter.sum())
    }

    fn goes_on(&self) -> bool {
        self.life.state.verdict().is_none()
    }

    /// What stands at the beginning of the assumptions.
    fn say_what_is_not_known(&mut self) {
        let exposed = self.most.iter().any(Option::is_some);
        for (since, text) in assumed::all(self.plan, self.recording, self.scenario, self.start, self.recorded, exposed)
        {
            self.track.assume(since, text);
        }
        if !self.recorded {
            self.track.ports_assumed(self.start);
        }
    }

    fn begin(&mut self) {
        let at = self.start;
        let first = self.recording.happened.iter().find(|h| matches!(h, Happened::Start { .. }));
        let mut rolled_back = None;
        if let Some(Happened::Start { at: then, originals, rolled_back: back }) = first {
            rolled_back = back.filter(|_| *then == at);
            for (name, is) in originals {
                if let Some(port) = self.port(name) {
                    self.hands.put(port, *is);
                }
            }
        }
        let originals: Vec<_> = self.hands.ports().collect();
        for (port, is) in &originals {
            self.track.observed(at, *port, *is);
        }
        let exposure = self.exposure();
        let recorded = self.recorded;
        let (before, said) = baseline(self.plan, self.recording, at);
        for text in said {
            self.track.assume(None, text);
        }
        self.life.look(at, recorded, exposure);
        self.life.start(at, originals.clone(), before, rolled_back);
        if let Some(beside) = &mut self.beside {
            let before = baseline(beside.plan, self.recording, at).0;
            beside.look(at, recorded, exposure);
            beside.start(at, originals, before, rolled_back);
        }
        self.perform(at);
        self.track.checked(at, &self.life.state);
        if self.watch.is_some() {
            self.ports = self.hands.ports().map(|(_, is)| Some(is)).collect();
            // nothing is asked of ports before the first change
            self.show(at, Seen::of_tick(&crate::engine::State::new(self.plan), &self.ports, 0, true), false);
        }
    }

    fn port(&self, name: &str) -> Option<PortId> {
        self.plan.ports.iter().position(|p| p.name == name).map(PortId::at)
    }

    /// Something that was recorded.
    fn event(&mut self, event: &'a Happened) {
        match event {
            // of a run that checked oftener: the answers at this policy's checks, each with its own sample's time
            Happened::Check { at, .. } if self.is_between(*at) => {}
            Happened::Check { at, ports, ports_epoch, live } => self.at_check(*at, *live, ports, *ports_epoch),
            Happened::Operator { at, .. } => {
                if self.is_away(*at) {
                    self.unheard.push(event);
                } else {
                    self.said(*at, event);
                }
            }
            // of runs with slices: no recording has both
            Happened::Start { .. } | Happened::Sliced(_) => {}
            _ if self.is_away(event.at()) => {}
            Happened::Recovered { at } => {
                self.hands.stopped();
                self.tell(*at, &Input::Recovered { at: *at });
            }
            Happened::Verified { at, epoch, read } => {
                if self.recorded {
                    let read: Vec<_> = read.iter().filter_map(|(n, s)| Some((self.port(n)?, *s))).collect();
                    if self.hands.awaits(*epoch) {
                        let _ = self.hands.verified(|_| false);
                    }
                    for (port, is) in &read {
                        self.hands.put(*port, *is);
                        self.track.observed(*at, *port, *is);
                    }
                    self.tell(*at, &Input::Verified { at: *at, epoch: *epoch, read });
                }
            }
            Happened::ActionEnded { at, token, ok, how, output } => {
                if self.recorded {
                    self.hands.ends(*token);
                    let (how, output) = (how.clone(), output.clone());
                    self.tell(*at, &Input::ActionEnded { at: *at, token: *token, ok: *ok, how, output });
                }
            }
        }
    }

    /// Whether a recorded check is none of this policy's, which checks less often.
    fn is_between(&self, at: Time) -> bool {
        let every = self.plan.check_every.max(1);
        every != self.recording.about.step && (at - self.start) % every != 0
    }

    /// A check, unless the runner is gone.
    fn at_check(&mut self, at: Time, live: bool, read: &[(String, Setting)], epoch: u32) {
        if self.is_away(at) {
            self.missed.push(at);
            self.last = at;
            return;
        }
        self.comes_back();
        if !self.recorded && !self.goes_on() {
            return;
        }
        if self.recorded {
            let mut ports = std::mem::take(&mut self.ports);
            ports.iter_mut().for_each(|p| *p = None);
            for (name, is) in read {
                let Some(port) = self.port(name) else { continue };
                self.hands.put(port, *is);
                self.track.observed(at, port, *is);
                if let Some(slot) = ports.get_mut(port.index()) {
                    *slot = Some(*is);
                }
            }
            self.ports = ports;
            self.check(at, epoch, live);
        } else {
            if live {
                self.between(at);
            }
            if self.goes_on() {
                self.made_up_check(at, live);
            }
        }
    }

    /// What happens just before a check where nobody knows what did: actions end, requests are read back.
    fn between(&mut self, at: Time) {
        let just = at - 1;
        for e in self.hands.ended(|_, _| Some(Ended::well())) {
            let ended = Input::ActionEnded { at: just, token: e.token, ok: e.ok, how: e.how, output: String::new() };
            self.tell(just, &ended);
        }
        if let Some((epoch, read)) = self.hands.verified(|_| false) {
            for (port, is) in &read {
                self.track.observed(just, *port, *is);
            }
            self.tell(just, &Input::Verified { at: just, epoch, read });
        }
    }

    fn made_up_check(&mut self, at: Time, live: bool) {
        let target = &self.life.state.target;
        let epoch = if live && target.verified.is_some() { target.epoch } else { 0 };
        for (slot, (_, is)) in self.ports.iter_mut().zip(self.hands.ports()) {
            *slot = live.then_some(is);
        }
        self.check(at, epoch, live);
    }

    fn check(&mut self, at: Time, epoch: u32, live: bool) {
        let (recorded, exposure) = (self.recorded, self.exposure());
        self.life.look(at, recorded, exposure);
        self.meter.check(at, exposure, &self.life.answers);
        let kept = self.watch.as_ref().map(|_| Seen::of_tick(&self.life.state, &self.ports, epoch, live));
        let over = self.is_over();
        self.life.tick(at, &self.ports, epoch, live);
        if let Some(beside) = &mut self.beside {
            beside.look(at, recorded, exposure);
            beside.tick(at, &self.ports, epoch, live);
        }
        self.perform(at);
        self.last = at;
        self.track.checked(at, &self.life.state);
        if let Some(kept) = kept {
            self.show(at, kept, over);
        }
    }

    fn tell(&mut self, at: Time, input: &Input<'_>) {
        self.life.tell(input.clone());
        if let Some(beside) = &mut self.beside {
            beside.tell(input.clone());
        }
        self.perform(at);
    }

    /// A person's word.
    fn said(&mut self, at: Time, event: &Happened) {
        let Happened::Operator { act, of, who, why, .. } = event else { return };
        let name = of.as_deref().unwrap_or("");
        let word = word(self.plan, act, name);
        let of = if name.is_empty() { String::new() } else { format!(" {name}") };
        let Some(act_now) = word else {
            let text = format!("{who} said `{act}{of}`: this policy has nothing of that name, and nothing came of it");
            self.leave(at);
            self.track.assume(Some(at), text);
            return;
        };
        if !self.recorded {
            let text = "people say what was recorded of them, when they said it then: to what came of it this time they might have \
                        said something else";
            self.track.assume(Some(at), String::from(text));
        }
        self.tell(at, &Input::Operator { at, act: act_now, who: who.clone(), why: why.clone() });
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
            self.hands.stopped();
        }
        self.gone = Some(self.gone.map_or(to, |t| t.max(to)));
        true
    }

    /// The runner is back, as `run` is: what people said meanwhile comes first, then what is not confirmed is asked for again, and then
    /// the checks that were missed are asked of the past.
    fn comes_back(&mut self) {
        let Some(to) = self.gone.take() else { return };
        let every = self.plan.check_every;
        for event in std::mem::take(&mut self.unheard) {
            self.said(to, event);
        }
        self.tell(to, &Input::Recovered { at: to });
        let mut missed = std::mem::take(&mut self.missed);
        missed.retain(|at| *at <= to - every);
        let most = usize::try_from(catch_up::MOST).unwrap_or(usize::MAX);
        let too_many = missed.len().saturating_sub(most);
        for at in missed.drain(..).skip(too_many) {
            if matches!(self.life.state.stage, Stage::Phase(_)) {
                self.made_up_check(at, false);
            }
        }
        if too_many > 0 {
            let text = format!("{} checks were missed, and the newest {most} of them are asked for", too_many + most);
            self.track.assume(Some(to), text);
        }
        let text = "checks that were missed are asked for afterwards, as far as they are recorded: their source must keep a history";
        self.track.assume(Some(to), String::from(text));
    }

    /// From here on it is not the recorded world any more.
    fn leave(&mut self, at: Time) {
        if !self.recorded {
            return;
        }
        self.recorded = false;
        self.beside = None;
        let text = format!("from here on this is not what happened then: {MADE_UP}");
        self.track.assume(Some(at), text);
        self.track.ports_assumed(at);
    }

    /// Does what the last step asks for.
    fn perform(&mut self, at: Time) {
        if let Some(beside) = &mut self.beside {
            let same = self.life.wants().eq(beside.wants());
            beside.effects.clear();
            if !same {
                self.leave(at);
            }
        }
        let mut effects = std::mem::take(&mut self.life.effects);
        if let Some(watch) = &mut self.watch {
            watch.happened(at, &self.life.state, &effects);
        }
        for effect in effects.drain(..) {
            if let Effect::Apply { settings, .. } = &effect {
                self.exposes(at, settings);
            }
            if let (Effect::Run { .. }, false) = (&effect, self.recorded) {
                let text = "actions end well, just before the check after they were begun";
                self.track.assume(Some(at), String::from(text));
            }
            self.hands.does(at, &effect);
            self.track.happened(at, effect);
        }
        // hardly ever is there anything in it: its room is kept
        self.life.effects = effects;
    }

    /// Says where a request asks for more than the recording has ever seen.
    fn exposes(&mut self, at: Time, settings: &[(PortId, Setting)]) {
        for (port, to) in settings {
            let Some(most) = self.most.get(port.index()).copied().flatten() else { continue };
            if to.size() > most.size() + 1e-6 {
                let name = self.plan.port_name(*port);
                let text = format!(
                    "{name} at {to}: the recording has it at {most} at most; the numbers are those measured then"
                );
                self.track.assume(Some(at), text);
            }
        }
    }

    /// The share of the traffic that the canary has.
    pub(super) fn exposure(&self) -> f64 {
        share(self.plan, &self.planned, &self.hands)
    }
}

/// What a person's recorded word is in a policy; none where that has nothing of the name.
pub(super) fn word(plan: &Plan, act: &str, name: &str) -> Option<Operator> {
    match act {
        "pause" => Some(Operator::Pause),
        "resume" => Some(Operator::Resume),
        "abort" => Some(Operator::Abort),
        "approve" => plan.group(name).map(Operator::Approve),
        "kill" => plan.switch(name).map(Operator::Kill),
        "reset" => plan.switch(name).map(Operator::Reset),
        _ => None,
    }
}

/// So many checks behind the recording's end what is being taken back is seen to its end.
pub(super) const TAIL: usize = 100;
