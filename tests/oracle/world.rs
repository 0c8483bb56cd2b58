//! A world by chance: what sources answer, how requests and actions end, what people and the machine do. It hears what the
//! engine wants done and makes the next event of it; the events are written down, so that the run can be repeated without it.

use super::dice::Dice;
use canary::engine::{Effect, Explanation, Input, Operator, Record};
use canary::plan::{
    Answer, Ask, Bucket, GroupId, Missing, Plan, Population, PortId, PortKind, Reading, Setting, SwitchId, Time,
};

#[path = "fleet/life.rs"]
mod life;

/// What reaches the engine, with everything that it needs.
#[derive(Debug, Clone)]
pub enum Event {
    Start {
        at: Time,
        originals: Vec<(PortId, Setting)>,
        answers: Vec<Answer>,
        baseline: Vec<Option<Answer>>,
        rolled_back: Option<Time>,
    },
    Tick {
        at: Time,
        answers: Vec<Answer>,
        ports: Vec<Option<Setting>>,
        ports_epoch: u32,
        live: bool,
    },
    Verified {
        at: Time,
        epoch: u32,
        read: Vec<(PortId, Setting)>,
    },
    ActionEnded {
        at: Time,
        token: u32,
        ok: bool,
    },
    Operator {
        at: Time,
        act: Operator,
    },
    /// Another life of the rollout has halted this one.
    Halted {
        at: Time,
        explanation: Box<Explanation>,
    },
    Recovered {
        at: Time,
    },
}

impl Event {
    pub fn input(&self) -> Input<'_> {
        match self.clone() {
            Self::Start { at, originals, baseline, rolled_back, .. } => {
                Input::Start { at, originals, answers: self.answers(), baseline, rolled_back }
            }
            Self::Tick { at, ports_epoch, live, .. } => {
                let Self::Tick { ports, .. } = self else { unreachable!() };
                Input::Tick { at, answers: self.answers(), ports, ports_epoch, live }
            }
            Self::Verified { at, epoch, read } => Input::Verified { at, epoch, read },
            Self::ActionEnded { at, token, ok } => {
                Input::ActionEnded { at, token, ok, how: String::from("by chance"), output: String::new() }
            }
            Self::Operator { at, act } => {
                Input::Operator { at, act, who: String::from("ada"), why: String::from("because") }
            }
            Self::Halted { at, .. } => {
                let Self::Halted { explanation, .. } = self else { unreachable!() };
                Input::Halted { at, explanation }
            }
            Self::Recovered { at } => Input::Recovered { at },
        }
    }

    pub fn answers(&self) -> &[Answer] {
        match self {
            Self::Start { answers, .. } | Self::Tick { answers, .. } => answers,
            _ => &[],
        }
    }
}

/// What an input answers for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Good,
    Bad,
    /// Just at a limit.
    Edge,
    /// Too few of what is counted.
    Few,
    Between,
    Failed,
    Empty,
    Stale,
    NaN,
    Ambiguous,
    NotAsked,
}
use Mood::{Ambiguous, Bad, Between, Edge, Empty, Failed, Few, Good, NaN, NotAsked, Stale};

/// What is known to happen in a world, for the tally.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    MissedChecks,
    BackFilled,
    BackFilledUnasked,
    Restart,
    LateReadBack,
    OtherEpoch,
    Drift,
    Unreadable,
    ActionFails,
    ActionLate,
    SameTime,
    Backwards,
    Jitter,
    SourceFails,
    SeriesGone,
    Stales,
    NoNumber,
    Ambiguity,
    StartExposed,
    RolledBackBefore,
    Halted,
}

/// A request's number, its settings, and for how many checks it is not read back.
type Request = (u32, Vec<(PortId, Setting)>, usize);

/// One world.
pub struct World<'p> {
    plan: &'p Plan,
    dice: Dice,
    at: Time,
    /// Checks that are still to come.
    left: usize,
    moods: Vec<(Mood, usize)>,
    /// Of a hundred new moods, so many are bad, missing.
    bad: usize,
    missing: usize,
    /// Of a hundred checks, so many have a fault of the machine, a word of a person.
    faults: usize,
    people: usize,
    ports: Vec<Setting>,
    asked: Option<Request>,
    verified: u32,
    /// Token, checks until it ends, whether well.
    running: Vec<(u32, usize, bool)>,
    /// What comes before the next check.
    queue: std::collections::VecDeque<Event>,
    over: usize,
    pub happened: std::collections::BTreeSet<Fault>,
    pub said: Vec<Operator>,
    started: bool,
    /// What another life may halt this one for.
    others_say: Option<Explanation>,
    /// The switch that was thrown last.
    thrown: Option<SwitchId>,
}

fn original(dice: &mut Dice, kind: &PortKind, exposed: bool) -> Setting {
    match kind {
        PortKind::Traffic => Setting::Share(if exposed { 0.05 } else { 0.0 }),
        PortKind::RatioFlag(_) => Setting::Share(if exposed { 0.1 } else { 0.0 }),
        PortKind::BoolFlag if dice.percent(20) => Setting::Absent,
        PortKind::BoolFlag => Setting::Bool(exposed),
        PortKind::CountFlag(_) if exposed => Setting::Count(i64::from(dice.percent(50)) * 7 + 1),
        PortKind::CountFlag(_) => Setting::Count(0),
    }
}

impl<'p> World<'p> {
    pub fn new(plan: &'p Plan, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let wild = dice.percent(50);
        let quiet = dice.percent(30);
        Self {
            plan,
            at: 1_700_000_000_000,
            left: 15 + dice.below(45),
            moods: vec![(Good, 0); plan.inputs.len()],
            bad: if wild { 25 } else { dice.one(&[0, 4, 10]) },
            missing: if wild { 25 } else { dice.one(&[0, 4, 10]) },
            faults: if quiet { 0 } else { dice.one(&[2, 6, 15]) },
            people: match (quiet, plan.groups.is_empty()) {
                (false, true) => dice.one(&[0, 2, 6, 12]),
                // where people are asked they have much to say
                (false, false) => dice.one(&[2, 6, 12, 20]),
                (true, true) => 0,
                (true, false) => 8,
            },
            ports: Vec::new(),
            asked: None,
            verified: 0,
            running: Vec::new(),
            queue: std::collections::VecDeque::new(),
            over: 0,
            happened: std::collections::BTreeSet::new(),
            said: Vec::new(),
            started: false,
            others_say: None,
            thrown: None,
            dice,
        }
    }

    /// Hears what the engine wants done.
    pub fn hears(&mut self, effects: &[Effect]) {
        for e in effects {
            match e {
                Effect::Apply { epoch, settings, .. } => {
                    let late = if self.dice.percent(6) { 1 + self.dice.below(7) } else { 0 };
                    let late = if late > 0 && self.dice.percent(20) { 1000 } else { late };
                    if late > 0 {
                        self.happened.insert(Fault::LateReadBack);
                    }
                    self.asked = Some((*epoch, settings.clone(), late));
                }
                Effect::Run { token, .. } => {
                    self.running.retain(|r| r.0 != *token);
                    let late = if self.dice.percent(15) { 1 + self.dice.below(8) } else { 0 };
                    let ok = !self.dice.percent(if self.faults > 0 { 25 } else { 8 });
                    if late > 0 {
                        self.happened.insert(Fault::ActionLate);
                    }
                    if !ok {
                        self.happened.insert(Fault::ActionFails);
                    }
                    self.running.push((*token, late, ok));
                }
                Effect::CancelRuns => {
                    for r in &mut self.running {
                        // what is cancelled ends badly, unless it was done already
                        (r.1, r.2) = (0, self.dice.percent(10));
                    }
                }
                Effect::Finish(_) => self.over = 1,
                Effect::Record(r) => match r.as_ref() {
                    Record::Paused { explanation } => self.others_say = Some(explanation.clone()),
                    Record::KillSwitch { switch, .. } => self.thrown = self.plan.switch(switch),
                    _ => {}
                },
                Effect::Halt { .. } | Effect::Throw { .. } | Effect::Notify { .. } => {}
            }
        }
    }

    /// The next event, as long as there is one.
    pub fn next(&mut self) -> Option<Event> {
        if !self.started {
            self.started = true;
            return Some(self.start());
        }
        if let Some(e) = self.queue.pop_front() {
            return Some(e);
        }
        if self.over > 0 {
            self.over += 1;
            if self.over > 3 {
                return None;
            }
        }
        if self.left == 0 {
            return None;
        }
        self.left -= 1;
        self.stretch();
        self.queue.pop_front()
    }

    fn start(&mut self) -> Event {
        let exposed = self.dice.percent(2);
        if exposed {
            self.happened.insert(Fault::StartExposed);
        }
        self.ports = self.plan.ports.iter().map(|p| original(&mut self.dice, &p.kind, exposed)).collect();
        let originals = self.ports.iter().enumerate().map(|(i, s)| (PortId::at(i), *s)).collect();
        let healthy = !self.dice.percent(4);
        let answers = self.answers(healthy);
        let baseline = (0..self.plan.inputs.len())
            .map(|i| (self.plan.inputs[i].population == Population::Before).then(|| self.answer(i, self.at)))
            .collect();
        let rolled_back = self.dice.percent(20).then(|| self.at - self.dice.between(0, 5_000_000));
        if rolled_back.is_some() {
            self.happened.insert(Fault::RolledBackBefore);
        }
        if self.dice.percent(1) {
            // a switch is thrown where nothing runs
            self.people();
        }
        Event::Start { at: self.at, originals, answers, baseline, rolled_back }
    }

    /// All that happens up to the next check, and the check.
    fn stretch(&mut self) {
        let every = self.plan.check_every;
        let faulty = self.dice.percent(self.faults);
        let mut next = self.at + every;
        if faulty {
            match self.dice.below(6) {
                0 => {
                    self.happened.insert(Fault::Jitter);
                    next += self.dice.between(-every / 3, every / 3);
                }
                1 => {
                    self.happened.insert(Fault::MissedChecks);
                    next += every * self.dice.between(1, 9) + self.dice.between(0, 1);
                }
                2 | 3 => return self.restart(),
                4 => {
                    self.happened.insert(Fault::SameTime);
                    self.tick(self.at, true);
                }
                _ => {
                    self.happened.insert(Fault::Backwards);
                    let at = self.at - self.dice.between(1, 40_000);
                    self.tick(at, true);
                }
            }
        }
        let rate = if self.thrown.is_some() { self.people.max(15) } else { self.people };
        if self.dice.percent(rate) {
            self.people();
        }
        if let Some(explanation) = self.others_say.clone().filter(|_| self.dice.percent(self.people)) {
            self.happened.insert(Fault::Halted);
            self.queue.push_back(Event::Halted { at: self.at, explanation: Box::new(explanation) });
        }
        self.ends(next);
        self.at = next;
        self.tick(next, true);
    }

    /// The runner stops, and another one begins where it was.
    fn restart(&mut self) {
        self.happened.insert(Fault::Restart);
        let every = self.plan.check_every;
        let missed = if self.dice.percent(30) { 0 } else { self.dice.between(1, 10) };
        let back = self.at + every * missed + self.dice.between(0, every - 1);
        // a new runner does not hear of what the old one began
        self.running.clear();
        self.queue.push_back(Event::Recovered { at: back });
        if missed > 0 && self.dice.percent(70) {
            let asked = self.dice.percent(60);
            self.happened.insert(if asked { Fault::BackFilled } else { Fault::BackFilledUnasked });
            for _ in 0..missed {
                self.at += every;
                let answers = if asked {
                    self.answers(false)
                } else {
                    vec![Answer::missing(Missing::NotAsked); self.plan.inputs.len()]
                };
                let seen = self.dice.percent(50);
                let ports = self.ports.iter().map(|s| seen.then_some(*s)).collect();
                let ports_epoch = self.verified;
                self.queue.push_back(Event::Tick { at: self.at, answers, ports, ports_epoch, live: false });
            }
        } else {
            self.at += every * missed;
        }
    }

    /// Requests and actions that end before a check.
    fn ends(&mut self, next: Time) {
        let at = |dice: &mut Dice| (next - dice.between(0, 2_000)).max(self.at);
        if let Some((epoch, settings, late)) = self.asked.take() {
            if late > 0 {
                self.asked = Some((epoch, settings, late - 1));
                if self.dice.percent(10) {
                    self.happened.insert(Fault::OtherEpoch);
                    let epoch = if self.dice.percent(50) { epoch + 1 } else { epoch.saturating_sub(1).max(1) };
                    if epoch != self.verified {
                        let at = at(&mut self.dice);
                        self.queue.push_back(Event::Verified { at, epoch, read: Vec::new() });
                    }
                }
            } else {
                for (port, s) in &settings {
                    self.ports[port.index()] = *s;
                }
                self.verified = epoch;
                let at = at(&mut self.dice);
                self.queue.push_back(Event::Verified { at, epoch, read: settings });
            }
        }
        for (token, late, ok) in std::mem::take(&mut self.running) {
            if late > 0 {
                self.running.push((token, late - 1, ok));
            } else {
                let at = at(&mut self.dice);
                self.queue.push_back(Event::ActionEnded { at, token, ok });
                if self.dice.percent(2) {
                    // said twice
                    self.queue.push_back(Event::ActionEnded { at, token, ok: !ok });
                }
            }
        }
    }

    fn people(&mut self) {
        let asked = !self.plan.groups.is_empty() && self.dice.percent(50);
        let act = match if asked { 19 } else { self.dice.below(20) } {
            0..=4 => Operator::Pause,
            5..=10 => Operator::Resume,
            11 => Operator::Abort,
            13 | 14 | 19 if self.thrown.is_some() => Operator::Reset(self.thrown.unwrap_or(SwitchId(0))),
            12 if !self.plan.switches.is_empty() => {
                Operator::Kill(SwitchId::at(self.dice.below(self.plan.switches.len())))
            }
            _ if !self.plan.groups.is_empty() => {
                Operator::Approve(GroupId::at(self.dice.below(self.plan.groups.len())))
            }
            _ => Operator::Resume,
        };
        self.said.push(act);
        let at = self.at + self.dice.between(0, self.plan.check_every - 1);
        self.queue.push_back(Event::Operator { at, act });
    }

    fn tick(&mut self, at: Time, live: bool) {
        let answers = self.answers(false);
        let mut ports: Vec<Option<Setting>> = self.ports.iter().copied().map(Some).collect();
        if self.dice.percent(self.faults / 2) {
            let i = self.dice.below(ports.len());
            if self.dice.percent(50) {
                self.happened.insert(Fault::Unreadable);
                ports[i] = None;
            } else {
                self.happened.insert(Fault::Drift);
                self.ports[i] = match self.plan.ports[i].kind {
                    PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(self.dice.one(&[0.42, 0.001])),
                    PortKind::BoolFlag => Setting::Bool(self.dice.percent(50)),
                    PortKind::CountFlag(_) => Setting::Count(self.dice.one(&[2, 0])),
                };
                ports[i] = Some(self.ports[i]);
            }
        }
        if self.dice.percent(self.faults / 4) {
            // somebody changes all of them at once
            for (i, read) in ports.iter_mut().enumerate() {
                if self.plan.ports[i].kind == PortKind::BoolFlag {
                    self.ports[i] = Setting::Bool(self.dice.percent(50));
                } else if self.plan.ports[i].kind == PortKind::Traffic {
                    self.ports[i] = Setting::Share(self.dice.one(&[0.0, 0.995]));
                }
                *read = Some(self.ports[i]);
            }
        }
        let ports_epoch = if self.dice.percent(1) { self.verified.saturating_sub(1) } else { self.verified };
        self.queue.push_back(Event::Tick { at, answers, ports, ports_epoch, live });
    }

    fn answers(&mut self, healthy: bool) -> Vec<Answer> {
        for i in 0..self.moods.len() {
            let (_, left) = self.moods[i];
            self.moods[i] = if healthy {
                (Good, self.dice.below(6))
            } else if left > 0 {
                (self.moods[i].0, left - 1)
            } else {
                let dice = self.dice.below(100);
                let mood = if dice < self.bad {
                    self.dice.one(&[Bad, Bad, Bad, Edge, Few, Between])
                } else if dice < self.bad + self.missing {
                    self.dice.one(&[Failed, Failed, Empty, Empty, Empty, Stale, NaN, Ambiguous, NotAsked])
                } else {
                    Good
                };
                (mood, self.dice.below(if mood == Good { 12 } else { 9 }))
            };
        }
        (0..self.moods.len()).map(|i| self.answer(i, self.at)).collect()
    }

    fn answer(&mut self, i: usize, at: Time) -> Answer {
        let input = &self.plan.inputs[i];
        let mood = self.moods[i].0;
        let sampled_at = match self.dice.below(12) {
            0 => None,
            1 => Some(at - 14_000),
            2 => Some(at - input.max_age),
            3 => Some(at + 500),
            _ => Some(at),
        };
        let full = |value, sampled_at| Answer { value: Ok(value), sampled_at, series: 1 };
        match mood {
            Good | Bad | Edge | Few | Between => full(number(&input.metric, &input.ask, mood), sampled_at),
            Failed => {
                self.happened.insert(Fault::SourceFails);
                Answer::failed("no route")
            }
            Empty => {
                self.happened.insert(Fault::SeriesGone);
                Answer::missing(Missing::Empty { others: None })
            }
            Stale => {
                self.happened.insert(Fault::Stales);
                full(number(&input.metric, &input.ask, Good), Some(at - input.max_age - 1))
            }
            NaN => {
                self.happened.insert(Fault::NoNumber);
                if self.dice.percent(50) {
                    return Answer::missing(Missing::NotANumber);
                }
                let v = self.dice.one(&[f64::NAN, f64::INFINITY, f64::NEG_INFINITY]);
                full(
                    match number(&input.metric, &input.ask, Good) {
                        Reading::Value(_) => Reading::Value(v),
                        Reading::Increase(_) => Reading::Increase(v),
                        Reading::Buckets(_) => Reading::Buckets(vec![Bucket { le: None, count: v }]),
                    },
                    sampled_at,
                )
            }
            Ambiguous => {
                self.happened.insert(Fault::Ambiguity);
                Answer::missing(Missing::Ambiguous { series: 2 })
            }
            NotAsked => Answer::missing(Missing::NotAsked),
        }
    }
}

/// What a metric is in a mood. Limits of the generated policies: 5 for gauges, 80 % for the pool, 1 % for errors, 95 % below
/// 300 ms and 1 s for latency.
fn number(metric: &str, ask: &Ask, mood: Mood) -> Reading {
    let v = match (metric, mood) {
        ("pool", Bad) => 0.93,
        ("pool", Edge) => 0.8,
        ("pool", Between) => 0.805,
        ("pool", _) => 0.5,
        ("ready", Bad | Edge) => 0.0,
        ("failed", Bad) => 500.0,
        ("failed", Edge) => 10.0,
        ("failed", Few) => 2.0,
        ("failed" | "leaks", Good) => 0.0,
        ("served", Few | Bad) => 12.0,
        ("served", Between) => 0.0,
        ("served", _) => 1000.0,
        ("leaks", Bad) => 3.0,
        ("leaks", _) => 1.0,
        (_, Bad) => 9.0,
        (_, Edge) => 5.0,
        (_, Between) => 5.5,
        (_, Few) => 0.0,
        _ => 1.0,
    };
    let buckets = |of: [f64; 4]| {
        let les = [Some(0.1), Some(0.3), Some(1.0), None];
        Reading::Buckets(les.into_iter().zip(of).map(|(le, count)| Bucket { le, count }).collect())
    };
    match (ask, mood) {
        (Ask::Buckets(..), Good) => buckets([900.0, 1000.0, 1000.0, 1000.0]),
        (Ask::Buckets(..), Bad) => buckets([0.0, 10.0, 100.0, 1000.0]),
        (Ask::Buckets(..), Edge) => buckets([50.0, 95.0, 100.0, 100.0]),
        (Ask::Buckets(..), Few) => buckets([3.0, 4.0, 4.0, 4.0]),
        (Ask::Buckets(..), _) => buckets([0.0, 0.0, 0.0, 0.0]),
        (Ask::Increase(..), _) => Reading::Increase(v),
        _ => Reading::Value(v),
    }
}
