//! A sliced run on virtual time: who is seen, what everybody is answered, how requests and actions end.

use canary::check;
use canary::engine::fleet::{Begin, Fleet, FleetEffect, FleetInput, Observed, SliceId, fleet_step, fleet_steps};
use canary::engine::{Effect, Given, Operator, Record, Stage, State, Verdict};
use canary::plan::{Answer, Ask, InputId, Missing, Plan, Population, PortId, PortKind, Reading, Setting, Time, show};
use canary::syntax::{self, source::SourceMap};
use std::collections::{BTreeMap, BTreeSet};

pub const SECOND: i64 = 1_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

const PRELUDE: &str = r#"
edition 2026
slice severity in ["low", "medium", "high"]
slice tenant of load label "tenant_id"
metric load:   number  = prometheus(`load`)
metric queue:  number  = prometheus(`queue`)
metric leaks:  counter = prometheus(`leaks_total`)
flag cache: bool per tenant, severity
flag depth: count in [0, 1, 2] per tenant, severity
action smoke timeout 60s, undo none
action migrate timeout 60s, undo smoke
channel oncall, team
killswitch stop per tenant, severity { flag cache = off  run smoke }
environment here {
  prometheus = prometheus(url: "http://127.0.0.1:9090", scrape: 15s)
  cache   = json_file(path: "flags.json", key: "cache/${tenant}/${severity}")
  depth   = json_file(path: "flags.json", key: "depth/${tenant}/${severity}")
  smoke   = command(["./smoke"])
  migrate = command(["./migrate"])
  oncall  = slack(url: secret("ONCALL"))
  team    = slack(url: secret("TEAM"))
}
"#;

/// Compiles a rollout per tenant and severity.
pub fn plan(body: &str) -> Plan {
    plan_with("", body)
}

/// The same with more declarations.
pub fn plan_with(more: &str, body: &str) -> Plan {
    compile(&format!("{PRELUDE}{more}\nrollout shop \"Shop\" per tenant, severity {{\n{body}\n}}\n"), Some("here"))
}

pub fn compile(text: &str, env: Option<&str>) -> Plan {
    let mut map = SourceMap::default();
    let id = map.add("test.canary", text.to_owned());
    let (file, found) = syntax::parse(id, text);
    assert!(found.is_empty(), "{found:#?}\n{text}");
    let (made, found) = check::compile(&[file], &map, None, env, &[]);
    made.unwrap_or_else(|| panic!("{found:#?}\n{text}")).0
}

/// What a slice's metric is at a check: none, no series.
pub type Says<'a> = dyn Fn(&str, &str, Time) -> Option<f64> + 'a;

pub struct World<'a> {
    pub plan: &'a Plan,
    pub fleet: Fleet,
    /// Lives as a list of whole states, driven by the same inputs by hand.
    pub naive: Option<Vec<State>>,
    pub start: Time,
    /// The next check.
    pub next: Time,
    pub says: Box<Says<'a>>,
    /// Slices that exist, with when they are first seen.
    pub shown: Vec<(Vec<String>, Time)>,
    pub ports: BTreeMap<(SliceId, PortId), Setting>,
    applying: BTreeMap<SliceId, (u32, Vec<(PortId, Setting)>)>,
    epochs: BTreeMap<SliceId, u32>,
    running: Vec<(Option<SliceId>, u32, bool)>,
    /// Actions that fail, by name.
    pub failing: BTreeSet<String>,
    /// Everything that was wanted, with when.
    pub log: Vec<(Time, FleetEffect)>,
    observed: Observed,
}

impl<'a> World<'a> {
    pub fn new(plan: &'a Plan, slices: &[&str], says: impl Fn(&str, &str, Time) -> Option<f64> + 'a) -> Self {
        Self {
            plan,
            fleet: Fleet::new(plan),
            naive: None,
            start: 1_785_000_000_000,
            next: 0,
            says: Box::new(says),
            shown: slices.iter().map(|s| (s.split('/').map(str::to_owned).collect(), 0)).collect(),
            ports: BTreeMap::new(),
            applying: BTreeMap::new(),
            epochs: BTreeMap::new(),
            running: Vec::new(),
            failing: BTreeSet::new(),
            log: Vec::new(),
            observed: Observed::new(plan, 0),
        }
    }

    /// Compares with a list of whole states at every step.
    pub fn compared(mut self) -> Self {
        self.naive = Some(Vec::new());
        self
    }

    pub fn late(mut self, slice: &str, from: Time) -> Self {
        self.shown.push((slice.split('/').map(str::to_owned).collect(), from));
        self
    }

    pub fn id(&self, slice: &str) -> SliceId {
        let values: Vec<&str> = slice.split('/').collect();
        self.fleet.slice(&values).unwrap_or_else(|| panic!("{slice} was not seen"))
    }

    pub fn stage(&self, slice: &str) -> Stage {
        self.fleet.stage(self.id(slice)).unwrap()
    }

    /// The phase of a slice by name, or how it ended.
    pub fn at(&self, slice: &str) -> String {
        match self.stage(slice) {
            Stage::Idle => String::from("idle"),
            Stage::Phase(p) => self.plan.phase_name(p).to_owned(),
            Stage::RollingBack(v) => format!("rolling back as {}", v.text()),
            Stage::Done(v) => v.text().to_owned(),
        }
    }

    pub fn state(&self, slice: &str) -> State {
        self.fleet.state(self.id(slice)).unwrap()
    }

    /// Checks up to a time, that one included.
    pub fn to(&mut self, until: Time) {
        while self.next <= until && self.fleet.verdict().is_none() {
            let at = self.next;
            self.between(at);
            self.tick(at, true);
            self.next += self.plan.check_every;
        }
    }

    /// The runner is gone for checks before `until`; what was missed is asked afterwards if `history`.
    pub fn stops(&mut self, until: Time, history: bool) {
        let mut missed = Vec::new();
        while self.next < until {
            missed.push(self.next);
            self.next += self.plan.check_every;
        }
        self.feed(until, FleetInput::Recovered { at: self.start + until });
        for at in missed {
            if history {
                self.tick(at, false);
            }
        }
    }

    pub fn see(&mut self, at: Time) {
        for i in 0..self.shown.len() {
            let (key, from) = &self.shown[i];
            if *from <= at {
                let values: Vec<&str> = key.iter().map(String::as_str).collect();
                let name = key.join("/");
                let seen = self.plan.seen_in.iter().any(|x| {
                    let metric = &self.plan.inputs[x.index()].metric;
                    (self.says)(&name, metric, at).is_some()
                });
                if seen || self.fleet.slice(&values).is_some() {
                    self.fleet.see(self.plan, &values, self.start + at);
                }
            }
        }
        if let Some(naive) = &mut self.naive {
            naive.resize_with(self.fleet.len(), || State::new(self.plan));
        }
    }

    fn answer(&self, slice: SliceId, input: InputId, at: Time) -> Answer {
        let x = &self.plan.inputs[input.index()];
        match (self.says)(&self.fleet.name(slice), &x.metric, at) {
            Some(v) => {
                let value = match x.ask {
                    Ask::Increase(..) => Reading::Increase(v),
                    _ => Reading::Value(v),
                };
                Answer { value: Ok(value), sampled_at: Some(self.start + at), series: 1 }
            }
            None => Answer::missing(Missing::Empty { others: None }),
        }
    }

    pub fn tick(&mut self, at: Time, live: bool) {
        self.see(at);
        let now = self.start + at;
        let mut observed = std::mem::replace(&mut self.observed, Observed::new(self.plan, 0));
        observed.clear(self.fleet.len());
        for i in (0..self.plan.inputs.len()).map(InputId::at) {
            let population = self.plan.inputs[i.index()].population;
            if population == Population::Canary {
                let all = self.fleet.slices().map(|s| (s, self.answer(s, i, at)));
                let rows: Vec<(SliceId, Answer)> = all.filter(|(_, a)| a.value.is_ok()).collect();
                observed.grouped(i, rows);
            }
        }
        for s in self.fleet.slices() {
            for p in (0..self.plan.ports.len()).map(PortId::at) {
                observed.port(s, p, Some(self.port(s, p)));
            }
            observed.epoch(s, self.epochs.get(&s).copied().unwrap_or(0));
        }
        observed.complete(self.plan, now);
        let begins: Vec<Begin> = if live { self.fleet.due(self.plan, now) } else { Vec::new() }
            .into_iter()
            .map(|slice| Begin { slice, originals: Ok(self.originals(slice)), baseline: self.baseline(slice, at) })
            .collect();
        self.feed(at, FleetInput::Tick { at: now, observed: &observed, begins, rolled_back: None, live });
        self.observed = observed;
    }

    fn originals(&self, slice: SliceId) -> Vec<(PortId, Setting)> {
        (0..self.plan.ports.len()).map(PortId::at).map(|p| (p, self.port(slice, p))).collect()
    }

    fn baseline(&self, slice: SliceId, at: Time) -> Vec<Option<Answer>> {
        let of = |i: InputId| {
            let before = self.plan.inputs[i.index()].population == Population::Before;
            before.then(|| self.answer(slice, i, at))
        };
        (0..self.plan.inputs.len()).map(InputId::at).map(of).collect()
    }

    pub fn port(&self, slice: SliceId, port: PortId) -> Setting {
        let off = match self.plan.ports[port.index()].kind {
            PortKind::CountFlag(_) => Setting::Count(0),
            PortKind::BoolFlag => Setting::Bool(false),
            _ => Setting::Share(0.0),
        };
        self.ports.get(&(slice, port)).copied().unwrap_or(off)
    }

    /// What was asked for is read back, and what runs ends, just before a check.
    fn between(&mut self, at: Time) {
        for (slice, token, ok) in std::mem::take(&mut self.running) {
            let (at_time, how, output) = (self.start + at - 1, String::from("ended"), String::new());
            match slice {
                Some(slice) => {
                    self.feed(at, FleetInput::ActionEnded { slice, at: at_time, token, ok, how, output });
                }
                None => self.feed(at, FleetInput::OwnActionEnded { at: at_time, token, ok, how, output }),
            }
        }
        for (slice, (epoch, read)) in std::mem::take(&mut self.applying) {
            self.epochs.insert(slice, epoch);
            self.ports.extend(read.iter().map(|(p, s)| ((slice, *p), *s)));
            self.feed(at, FleetInput::Verified { slice, at: self.start + at - 1, epoch, read });
        }
    }

    /// Everything that was asked for is read back at once, and taken together.
    pub fn reads_back_together(&mut self) {
        let at = self.next;
        let read = std::mem::take(&mut self.applying).into_iter();
        let inputs =
            read.map(|(slice, (epoch, read))| FleetInput::Verified { slice, at: self.start + at - 1, epoch, read });
        let mut out = Vec::new();
        fleet_steps(self.plan, &mut self.fleet, inputs, &|_| Given::NONE, &mut out);
        self.log.extend(out.into_iter().map(|e| (at, e)));
    }

    pub fn say(&mut self, slices: &[&str], act: Operator) {
        let slices: Vec<SliceId> = slices.iter().map(|s| self.id(s)).collect();
        let at = self.next;
        let (time, who, why) = (self.start + at - 1, String::from("ada"), String::from("because"));
        self.feed(at, FleetInput::Operator { slices: &slices, at: time, act, who, why });
    }

    pub fn feed(&mut self, at: Time, input: FleetInput<'_>) {
        if let Some(mut naive) = self.naive.take() {
            super::naive::feed(self, &mut naive, &input);
            self.naive = Some(naive);
        }
        let mut out = Vec::new();
        fleet_step(self.plan, &mut self.fleet, input, &|_| Given::NONE, &mut out);
        for e in out {
            match (&e.effect, e.slice) {
                (Effect::Apply { epoch, settings, .. }, Some(slice)) => {
                    self.applying.insert(slice, (*epoch, settings.clone()));
                }
                (Effect::Run { token, action, .. }, slice) => {
                    let ok = !self.failing.contains(self.plan.action_name(*action));
                    self.running.push((slice, *token, ok));
                }
                (Effect::CancelRuns, Some(slice)) => {
                    for r in self.running.iter_mut().filter(|r| r.0 == Some(slice)) {
                        r.2 = false;
                    }
                }
                _ => {}
            }
            self.log.push((at, e));
        }
        if let Some(naive) = &self.naive {
            for (s, state) in self.fleet.slices().zip(naive) {
                assert_eq!(self.fleet.state(s).as_ref(), Some(state), "slice {} at {at}", self.fleet.name(s));
            }
        }
    }

    /// Times and slices of the records of a kind.
    pub fn records(&self, kind: &str) -> Vec<String> {
        self.log
            .iter()
            .filter_map(|(at, e)| match &e.effect {
                Effect::Record(r) if r.kind() == kind => Some((at, e.slice)),
                _ => None,
            })
            .map(|(at, s)| format!("{} {}", show::duration(*at), s.map_or(String::from("all"), |s| self.fleet.name(s))))
            .collect()
    }

    /// Reasons of refusals.
    pub fn refusals(&self) -> Vec<String> {
        self.log
            .iter()
            .filter_map(|(at, e)| match &e.effect {
                Effect::Record(r) => match &**r {
                    Record::Refused { reasons } => Some((at, e.slice, reasons.join("; "))),
                    _ => None,
                },
                _ => None,
            })
            .map(|(at, s, r)| {
                format!("{} {}: {r}", show::duration(*at), s.map_or(String::from("all"), |s| self.fleet.name(s)))
            })
            .collect()
    }

    /// Times, channels and titles of notices.
    pub fn notices(&self) -> Vec<String> {
        self.log
            .iter()
            .filter_map(|(at, e)| match &e.effect {
                Effect::Notify { channels, title, .. } => {
                    let to: Vec<&str> = channels.iter().map(|c| self.plan.channels[c.index()].as_str()).collect();
                    Some(format!("{} {}: {title}", show::duration(*at), to.join("+")))
                }
                _ => None,
            })
            .collect()
    }

    pub fn finished(&self) -> Option<(Time, Verdict)> {
        self.log.iter().find_map(|(at, e)| match (e.slice, &e.effect) {
            (None, Effect::Finish(v)) => Some((*at, *v)),
            _ => None,
        })
    }
}
