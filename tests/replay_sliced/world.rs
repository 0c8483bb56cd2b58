//! Sliced runs in a world of their own, recorded: what reached the engine as a recording, and what it decided as a journal.

use super::plain::{Dice, START};
use canary::engine::fleet::{Begin, Fleet, FleetEffect, FleetInput, Observed, SliceId, fleet_steps};
use canary::engine::{Effect, Given, Operator, Record};
use canary::plan::{Answer, Ask, InputId, Missing, Plan, Population, PortId, Reading, Setting, Time, Window};
use canary::sim::recording::sliced::{Begun, Read, Sliced};
use canary::sim::recording::{About, Happened, Key, Recording, Series};
use std::collections::BTreeMap;

/// Lives joined by nothing but who begins; a baseline, and a sum from check to check.
pub const APART: &str = r#"
edition 2026
slice severity in ["low", "high"]
slice tenant of queue label "tenant_id"
metric queue:  number  = prometheus(`queue{${where}}`)
metric load:   number  = prometheus(`load{${where}}`)
metric leaks:  counter = prometheus(`leaks_total{${where}}`)
flag cache: bool per tenant, severity
action smoke timeout 60s, undo none
channel oncall
rollout shop "Shop" per tenant, severity {
  check every 15s
  start slices by severity limit 2 per 1m
  baseline 1m
  no data tolerate 2m else pause
  guard queue: queue < 20  tolerate 45s  else rollback
  guard load:  load < before + 8  tolerate 30s  else pause
  guard leaks: increase(leaks) < 400  else rollback
  phase dark  { run smoke  hold 2m }
  phase light { flag cache = on  promote when queue < 18 for 1m }
  phase calm  { hold 4m }
}
"#;

/// Lives that join: a halt, a switch for all, a limit that counts over all.
pub const JOINED: &str = r#"
edition 2026
slice tenant of queue label "tenant_id"
metric queue:  number  = prometheus(`queue{${where}}`)
metric load:   number  = prometheus(`load{${where}}`)
metric whole:  number  = prometheus(`sum(requests_in_flight)`)
flag cache: bool per tenant
action smoke timeout 60s, undo none
channel oncall
killswitch stop { flag cache = off }
rollout shop "Shop" per tenant {
  check every 15s
  no data tolerate 1m else pause
  guard queue: queue < 20  tolerate 45s  else rollback to dark
  guard load:  load < 9    tolerate 30s  else halt
  guard whole: whole < 30                else rollback to dark, kill stop
  on pause: notify oncall
  on rollback: run smoke limit 2 per 10m
  phase dark  { hold 1m }
  phase light { flag cache = on  hold 3m }
  phase calm  { hold forever }
}
"#;

/// What was decided: when, of which slice (none: of all), what.
pub type Told = (Time, Option<Vec<String>>, Record);

/// The slices of a world.
pub fn keys(plan: &Plan) -> Vec<Vec<String>> {
    let tenants = ["acme", "beta", "orb", "zoo"];
    let severities: &[&str] = if plan.slices.len() == 2 { &["high", "low", "odd"] } else { &[] };
    let mut out = Vec::new();
    for tenant in tenants {
        match severities {
            [] => out.push(vec![tenant.to_owned()]),
            all => out.extend(all.iter().map(|severity| {
                let of = |name: &str| if name == "tenant" { tenant.to_owned() } else { (*severity).to_owned() };
                plan.slices.iter().map(|d| of(&d.name)).collect::<Vec<_>>()
            })),
        }
    }
    out
}

pub fn about(plan: &Plan, to: Time) -> About {
    let slices = plan.slices.iter().map(|d| d.name.clone()).collect();
    About { slices, ..super::plain::about(plan, to) }
}

/// What each slice was answered at each check; none where it was not seen.
pub type Checks = Vec<(Time, BTreeMap<Vec<String>, Vec<Answer>>)>;

/// As `canary record` and a run put answers down: a row a slice that the check knew of.
pub fn rows(plan: &Plan, checks: &Checks) -> Vec<Series> {
    let mut out: BTreeMap<Key, Series> = BTreeMap::new();
    for (at, by_slice) in checks {
        for (values, answers) in by_slice {
            for (input, answer) in plan.inputs.iter().zip(answers) {
                let slice: &[String] = if input.by.is_empty() { &[] } else { values };
                let key = Key::of(input, slice);
                let series = out.entry(key.clone()).or_insert_with(|| Series::new(key).unwrap());
                if series.times.last() != Some(at) {
                    series.push(*at, answer.clone()).unwrap();
                }
            }
        }
    }
    out.into_values().collect()
}

#[allow(clippy::cast_precision_loss, reason = "small numbers")]
fn answer(plan: &Plan, i: usize, at: Time, bad: bool, dice: &mut Dice) -> Answer {
    let input = &plan.inputs[i];
    let noise = dice.roll(1000) as f64 / 1000.0;
    let bad = bad && input.population == Population::Canary;
    if dice.one_in(70) {
        return match dice.roll(3) {
            0 => Answer::missing(Missing::Empty { others: Some(true) }),
            1 => Answer::missing(Missing::NotANumber),
            _ => Answer::missing(Missing::Ambiguous { series: 2 }),
        };
    }
    let value = match (&input.ask, input.metric.as_str()) {
        (Ask::Increase(..), _) => Reading::Increase(if bad { 40.0 } else { noise * 3.0 }),
        (_, "queue") => Reading::Value(if bad { 25.0 } else { 12.0 + noise }),
        (_, "whole") => Reading::Value(if bad && dice.one_in(9) { 31.0 } else { 20.0 }),
        _ => Reading::Value(if bad && dice.one_in(3) { 90.0 } else { 4.0 + noise }),
    };
    let old = if dice.one_in(50) { 900_000 } else { 1_000 };
    Answer { value: Ok(value), sampled_at: (!dice.one_in(40)).then_some(at - old), series: 1 }
}

/// A sliced run under way.
pub struct World<'p> {
    pub plan: &'p Plan,
    pub fleet: Fleet,
    pub journal: Vec<Told>,
    pub happened: Vec<Happened>,
    pub checks: Checks,
    observed: Observed,
    asked: BTreeMap<SliceId, (u32, Vec<(PortId, Setting)>)>,
    verified: BTreeMap<SliceId, u32>,
    ports: BTreeMap<(SliceId, PortId), Setting>,
    running: Vec<(Option<SliceId>, u32, bool)>,
}

fn named(plan: &Plan, list: &[(PortId, Setting)]) -> Vec<(String, Setting)> {
    list.iter().map(|(p, s)| (plan.port_name(*p).to_owned(), *s)).collect()
}

impl<'p> World<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        Self {
            plan,
            fleet: Fleet::new(plan),
            journal: Vec::new(),
            happened: Vec::new(),
            checks: Vec::new(),
            observed: Observed::new(plan, 0),
            asked: BTreeMap::new(),
            verified: BTreeMap::new(),
            ports: BTreeMap::new(),
            running: Vec::new(),
        }
    }

    fn port(&self, slice: SliceId, port: PortId) -> Setting {
        self.ports.get(&(slice, port)).copied().unwrap_or(super::plain::off(self.plan)[port.index()])
    }

    pub fn feed(&mut self, at: Time, input: FleetInput<'_>) {
        let mut out: Vec<FleetEffect> = Vec::new();
        fleet_steps(self.plan, &mut self.fleet, [input], &|_| Given::NONE, &mut out);
        for FleetEffect { slice, effect } in out {
            match effect {
                Effect::Record(r) => {
                    let name = slice.and_then(|s| self.fleet.key(s)).map(<[String]>::to_vec);
                    self.journal.push((at, name, *r));
                }
                Effect::Apply { epoch, settings, .. } => {
                    self.verified.remove(&slice.unwrap());
                    self.asked.insert(slice.unwrap(), (epoch, settings));
                }
                Effect::Run { token, .. } => self.running.push((slice, token, token % 3 != 0)),
                Effect::CancelRuns => {
                    self.running.iter_mut().filter(|r| r.0 == slice).for_each(|r| r.2 = false);
                }
                _ => {}
            }
        }
    }

    /// What actions and requests come to before a check; a slow backend leaves some for later.
    pub fn between(&mut self, at: Time, mut late: impl FnMut() -> bool, well: bool) {
        let mut own_first: Vec<_> = std::mem::take(&mut self.running);
        own_first.sort_by_key(|(slice, ..)| *slice);
        for (slice, token, ok) in own_first {
            let ok = ok || well;
            let how = String::from(if ok { "exit status 0" } else { "exit status 7" });
            let output = String::new();
            let of = slice.map(|s| s.0);
            self.happened.push(Happened::Sliced(Sliced::ActionEnded {
                at,
                slice: of,
                token,
                ok,
                how: how.clone(),
                output: output.clone(),
            }));
            self.feed(
                at,
                match slice {
                    None => FleetInput::OwnActionEnded { at, token, ok, how, output },
                    Some(slice) => FleetInput::ActionEnded { slice, at, token, ok, how, output },
                },
            );
        }
        for (slice, (epoch, read)) in std::mem::take(&mut self.asked) {
            if late() {
                self.asked.insert(slice, (epoch, read));
                continue;
            }
            self.verified.insert(slice, epoch);
            self.ports.extend(read.iter().map(|(p, s)| ((slice, *p), *s)));
            let names = named(self.plan, &read);
            self.happened.push(Happened::Sliced(Sliced::Verified { at, slice: slice.0, epoch, read: names }));
            self.feed(at, FleetInput::Verified { slice, at, epoch, read });
        }
    }

    pub fn say(&mut self, at: Time, slices: &[SliceId], act: &str, of: Option<&str>) {
        let operator = match act {
            "pause" => Operator::Pause,
            "resume" => Operator::Resume,
            "kill" => Operator::Kill(self.plan.switch(of.unwrap()).unwrap()),
            "reset" => Operator::Reset(self.plan.switch(of.unwrap()).unwrap()),
            _ => Operator::Abort,
        };
        let (who, why) = (String::from("ada"), String::from("why not"));
        self.happened.push(Happened::Sliced(Sliced::Operator {
            at,
            slices: slices.iter().map(|s| s.0).collect(),
            act: act.to_owned(),
            of: of.map(str::to_owned),
            who: who.clone(),
            why: why.clone(),
        }));
        self.feed(at, FleetInput::Operator { slices, at, act: operator, who, why });
    }

    /// A check with what everybody is answered; who is answered for the first time is seen.
    pub fn tick(
        &mut self,
        at: Time,
        given: BTreeMap<Vec<String>, Vec<Answer>>,
        live: bool,
        mut unread: impl FnMut() -> bool,
    ) {
        let plan = self.plan;
        if live {
            let mut new = Vec::new();
            for values in given.keys() {
                let list: Vec<&str> = values.iter().map(String::as_str).collect();
                let tells = |i: &InputId| {
                    let empty = |m: &Missing| matches!(m, Missing::Empty { .. } | Missing::Failed { .. });
                    given[values][i.index()].value.as_ref().map_or_else(|m| !empty(m), |_| true)
                };
                if self.fleet.slice(&list).is_none()
                    && plan.seen_in.iter().any(tells)
                    && self.fleet.see(plan, &list, at).is_some()
                {
                    new.push(values.clone());
                }
            }
            if !new.is_empty() {
                self.happened.push(Happened::Sliced(Sliced::Seen { at, slices: new }));
            }
        }
        let mut observed = std::mem::replace(&mut self.observed, Observed::new(plan, 0));
        observed.clear(self.fleet.len());
        let mut read: Vec<Read> = Vec::new();
        for slice in self.fleet.slices() {
            let values = self.fleet.key(slice).unwrap().to_vec();
            for (i, input) in plan.inputs.iter().enumerate().filter(|(_, x)| x.population != Population::Before) {
                let answer = given.get(&values).map_or_else(|| Answer::missing(Missing::NotAsked), |g| g[i].clone());
                let first = given.values().next().filter(|_| input.by.is_empty()).map(|g| g[i].clone());
                observed.answer(slice, InputId::at(i), first.unwrap_or(answer));
            }
            let mut ports = Vec::new();
            for port in (0..plan.ports.len()).map(PortId::at) {
                if live && !unread() {
                    observed.port(slice, port, Some(self.port(slice, port)));
                    ports.push((port, self.port(slice, port)));
                }
            }
            let epoch = self.verified.get(&slice).copied().filter(|_| live).unwrap_or(0);
            observed.epoch(slice, epoch);
            read.push(Read { ports: named(plan, &ports), epoch, of: vec![(slice.0, slice.0)] });
        }
        observed.complete(plan, at);
        let due = if live { self.fleet.due(plan, at) } else { Vec::new() };
        let mut begins = Vec::new();
        let mut begun = Vec::new();
        for slice in due {
            let list: Vec<_> = (0..plan.ports.len()).map(PortId::at).map(|p| (p, self.port(slice, p))).collect();
            let originals = if unread() { Err(String::from("its ports cannot be read")) } else { Ok(list) };
            let values = self.fleet.key(slice).unwrap();
            let baseline = plan
                .inputs
                .iter()
                .enumerate()
                .map(|(i, input)| (input.population == Population::Before).then(|| given[values][i].clone()));
            begun.push(Begun {
                slice: slice.0,
                originals: originals.as_ref().map(|l| named(plan, l)).map_err(Clone::clone),
            });
            begins.push(Begin { slice, originals, baseline: baseline.collect() });
        }
        self.happened.push(Happened::Sliced(Sliced::Check { at, live, read, begins: begun }));
        self.feed(at, FleetInput::Tick { at, observed: &observed, begins, rolled_back: None, live });
        self.observed = observed;
        self.checks.push((at, given));
    }
}

/// A recorded sliced run with random faults: bad stretches of some slices, slices that come and go, silent sources, failing actions,
/// ports that cannot be read, people, and a runner that stops and comes back.
pub fn run(plan: &Plan, seed: u64, checks: usize) -> (Recording, Vec<Told>) {
    let mut dice = Dice::new(seed);
    let mut w = World::new(plan);
    let mut shown: Vec<(Vec<String>, bool, bool)> =
        keys(plan).into_iter().map(|k| (k, !dice.one_in(3), false)).collect();
    shown[0].1 = true;
    w.happened.push(Happened::Sliced(Sliced::Start { at: START, rolled_back: None }));
    let (every, mut k) = (plan.check_every, 0);
    let time = |k: usize| START + every * i64::try_from(k).unwrap();
    while k < checks && w.fleet.verdict().is_none() {
        let at = time(k);
        for (_, there, bad) in &mut shown {
            *there ^= dice.one_in(if *there { 90 } else { 20 });
            *bad ^= dice.one_in(if *bad { 6 } else { 60 });
        }
        let down = dice.one_in(60);
        let mut all = || -> BTreeMap<Vec<String>, Vec<Answer>> {
            let mut out: BTreeMap<Vec<String>, Vec<Answer>> = BTreeMap::new();
            for (values, there, bad) in &shown {
                let known = w.fleet.slice(&values.iter().map(String::as_str).collect::<Vec<_>>()).is_some();
                let answers = (0..plan.inputs.len()).map(|i| match (*there, down) {
                    (_, true) => Answer::failed("connection refused"),
                    (true, _) => answer(plan, i, at, *bad && k > 0, &mut dice),
                    (false, _) => Answer::missing(Missing::Empty { others: Some(true) }),
                });
                let answers: Vec<Answer> = answers.collect();
                if *there || known {
                    out.insert(values.clone(), answers);
                }
            }
            // what is one for all is one
            let first: Option<Vec<Answer>> = out.values().next().cloned();
            for answers in out.values_mut() {
                for (i, input) in plan.inputs.iter().enumerate().filter(|(_, x)| x.by.is_empty()) {
                    answers[i] = first.as_ref().unwrap()[i].clone();
                    let _ = input;
                }
            }
            out
        };
        let given = all();
        if k > 0 && dice.one_in(50) {
            // the runner is gone for a check or some, and asks for those that it missed, or not
            (w.asked, w.running) = (BTreeMap::new(), Vec::new());
            if dice.one_in(2) {
                w.tick(at, given, false, || false);
            }
            k += 1;
            let at = time(k) - 700;
            w.happened.push(Happened::Recovered { at });
            w.feed(at, FleetInput::Recovered { at });
            continue;
        }
        if k > 0 {
            w.between(at - 2_000, || dice.one_in(10), false);
            let some: Vec<SliceId> = w.fleet.slices().filter(|_| dice.one_in(3)).collect();
            let some = if dice.one_in(2) { Vec::new() } else { some };
            let word = match dice.roll(170) {
                0 => Some(("pause", None)),
                1..9 => Some(("resume", None)),
                9 => Some(("abort", None)),
                10 => Some(("kill", Some("stop"))),
                11..16 => Some(("reset", Some("stop"))),
                _ => None,
            };
            if let Some((act, of)) = word.filter(|(_, of)| of.is_none() || !plan.switches.is_empty()) {
                w.say(at - 1_000, &some, act, of);
            }
        }
        w.tick(at, given, true, || dice.one_in(40));
        k += 1;
    }
    let to = w.checks.last().unwrap().0;
    let about = About { run: Some(format!("run-{seed}")), ..about(plan, to) };
    (Recording { about, series: rows(plan, &w.checks), happened: w.happened }, w.journal)
}

/// The plainest driver that can be: the lives of all slices over a recording of answers alone.
pub fn plainly(plan: &Plan, recording: &Recording) -> Vec<Told> {
    let mut w = World::new(plan);
    let all = keys(plan);
    let mut at = START;
    while at <= recording.about.to && w.fleet.verdict().is_none() {
        if at > START {
            w.between(at - 1, || false, true);
        }
        if w.fleet.verdict().is_some() {
            break;
        }
        let mut given = BTreeMap::new();
        for values in &all {
            let mut some = false;
            let answers = plan.inputs.iter().enumerate().map(|(i, input)| {
                let slice: &[String] = if input.by.is_empty() { &[] } else { values };
                let series = recording.find(&Key::of(input, slice));
                let Some(row) = series.and_then(|s| s.times.iter().position(|t| *t == at)) else {
                    return Answer::missing(Missing::NotAsked);
                };
                some |= !input.by.is_empty();
                let series = series.unwrap();
                let mut answer = series.answer(row).unwrap();
                if let (Ask::Increase(_, Window::SinceLast), Some(then), Ok(Reading::Increase(n))) =
                    (&input.ask, w.fleet.since(plan, InputId::at(i)), &mut answer.value)
                {
                    let between = (0..row).rev().take_while(|r| series.times[*r] > then);
                    let whole = |r: usize| match series.answer(r).unwrap() {
                        Answer { value: Ok(Reading::Increase(v)), sampled_at, .. }
                            if sampled_at.is_none_or(|s| series.times[r] - s <= input.max_age) =>
                        {
                            Some(v)
                        }
                        _ => None,
                    };
                    *n += between.filter_map(whole).sum::<f64>();
                }
                answer
            });
            let answers: Vec<Answer> = answers.collect();
            let known = w.fleet.slice(&values.iter().map(String::as_str).collect::<Vec<_>>()).is_some();
            if some || known {
                given.insert(values.clone(), answers);
            }
        }
        w.tick(at, given, true, || false);
        at += plan.check_every;
    }
    w.journal
}
