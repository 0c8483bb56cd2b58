//! Runs in a world of their own, recorded: what reached the engine as a recording, and what it decided as a journal.

use canary::check;
use canary::engine::{Effect, Input, Operator, Record, Stage, State, since, step};
use canary::plan::{
    Answer, Ask, Bucket, InputId, Missing, Plan, Population, PortId, PortKind, Reading, Setting, Time, Window,
};
use canary::sim::recording::{About, Happened, Key, Recording, Series};
use canary::syntax::{self, source::SourceMap};

/// 2026-11-21 10:00:00 UTC
pub const START: Time = 1_795_255_200_000;

/// The plan of the only rollout in a text.
pub fn plan(text: &str) -> Plan {
    let mut map = SourceMap::default();
    let id = map.add("policy.canary", text);
    let (file, found) = syntax::parse(id, text);
    assert!(found.is_empty(), "{found:#?}");
    let (made, found) = check::compile_alone(&[file], &map, None, &[]);
    let made = made.unwrap_or_else(|| panic!("{found:#?}"));
    assert!(made.unbuilt.is_empty(), "{:?}", made.unbuilt);
    made
}

/// The same for the built-in lab: another plan, since setting a port takes its time there.
pub fn plan_on_the_lab(text: &str) -> Plan {
    plan_on(text, "lab")
}

/// The plan in an environment, of the text or built in.
pub fn plan_on(text: &str, environment: &str) -> Plan {
    let mut map = SourceMap::default();
    let id = map.add("policy.canary", text);
    let (file, _) = syntax::parse(id, text);
    let (made, found) = check::compile(&[file], &map, None, Some(environment), &[]);
    made.unwrap_or_else(|| panic!("{found:#?}")).0
}

/// Chance that is the same on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

/// A histogram with so many events, a share of which is slow.
pub fn buckets(events: f64, slow: f64) -> Reading {
    let fast = events * (1.0 - slow);
    let rows = [(Some(0.1), fast * 0.5), (Some(0.3), fast), (Some(1.0), events), (None, events)];
    Reading::Buckets(rows.into_iter().map(|(le, count)| Bucket { le, count }).collect())
}

pub fn about(plan: &Plan, to: Time) -> About {
    About {
        version: 1,
        writer: String::from("canary test"),
        rollout: plan.rollout.clone(),
        policy: plan.hash.clone(),
        run: None,
        environment: None,
        incomplete: false,
        step: plan.check_every,
        from: START,
        to,
        slices: Vec::new(),
        queries: Vec::new(),
    }
}

/// Rows by input, of which one key can have several.
pub fn rows(plan: &Plan, checks: &[(Time, Vec<Answer>)]) -> Vec<Series> {
    let mut out: Vec<Series> = Vec::new();
    for (i, input) in plan.inputs.iter().enumerate() {
        let key = Key::of(input, &[]);
        if out.iter().any(|s| s.key == key) {
            continue;
        }
        let mut series = Series::new(key).unwrap();
        for (at, answers) in checks {
            // what was before is asked for once
            if input.population != Population::Before || *at == checks[0].0 {
                series.push(*at, answers[i].clone()).unwrap();
            }
        }
        out.push(series);
    }
    out.sort_by(|a, b| a.key.cmp(&b.key));
    out
}

pub fn off(plan: &Plan) -> Vec<Setting> {
    let one = |kind: &PortKind| match kind {
        PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(0.0),
        PortKind::BoolFlag => Setting::Bool(false),
        PortKind::CountFlag(_) => Setting::Count(0),
    };
    plan.ports.iter().map(|p| one(&p.kind)).collect()
}

/// An answer as it comes: mostly well, sometimes bad for a while, now and then missing or old.
fn answer(plan: &Plan, i: usize, at: Time, bad: bool, dice: &mut Dice) -> Answer {
    let input = &plan.inputs[i];
    let fine = input.population != Population::Canary || !bad;
    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    let noise = dice.roll(1000) as f64 / 1000.0;
    if input.population != Population::Before && dice.one_in(60) {
        return match dice.roll(3) {
            0 => Answer::failed("connection refused"),
            1 => Answer::missing(Missing::Empty { others: None }),
            _ => Answer::missing(Missing::NotANumber),
        };
    }
    let value = match (&input.ask, input.metric.as_str()) {
        (Ask::Buckets(..), _) => buckets(200.0 + noise * 50.0, if fine { 0.01 } else { 0.3 }),
        (Ask::Increase(..), "failed") => Reading::Increase(if fine { noise } else { 20.0 + noise }),
        (Ask::Increase(..), _) => Reading::Increase(200.0 + noise * 100.0),
        (Ask::Gauge(_) | Ask::PromQl { .. }, _) => Reading::Value(0.2 + noise * 0.1),
    };
    let old = if dice.one_in(40) { 600_000 } else { 1_000 };
    let sampled_at = (!dice.one_in(30)).then_some(at - old);
    Answer { value: Ok(value), sampled_at, series: 1 }
}

/// A recorded run with random faults: bad stretches, silent sources, slow and failing actions, ports that cannot be read or that
/// somebody else has set, people, and a runner that stops and comes back.
pub fn run(plan: &Plan, seed: u64, checks: usize) -> (Recording, Vec<(Time, Record)>) {
    let mut dice = Dice::new(seed);
    let mut w = World {
        plan,
        state: State::new(plan),
        out: Vec::new(),
        happened: Vec::new(),
        journal: Vec::new(),
        asked: None,
        ends: Vec::new(),
        ports: off(plan),
    };
    let mut answered: Vec<(Time, Vec<Answer>)> = Vec::new();
    let every = plan.check_every;
    let (mut bad, mut k) = (false, 0);
    while k < checks && w.state.verdict().is_none() {
        let at = START + every * i64::try_from(k).unwrap();
        if k > 0 && dice.one_in(50) {
            // the runner is gone for some checks, and asks for those that it missed, or not
            let long = 1 + usize::try_from(dice.roll(6)).unwrap();
            (w.asked, w.ends) = (None, Vec::new());
            if dice.one_in(2) {
                for m in 0..long {
                    let at = at + every * i64::try_from(m).unwrap();
                    let answers = all(plan, at, bad, &mut dice);
                    w.check(at, &answers, &vec![None; plan.ports.len()], 0, false);
                    answered.push((at, answers));
                }
            }
            k += long;
            let at = START + every * i64::try_from(k).unwrap() - 700;
            w.tell(Happened::Recovered { at });
            continue;
        }
        if k > 0 {
            w.between(at - every, &mut dice);
        }
        if dice.one_in(12) {
            bad = !bad;
        }
        let answers = all(plan, at, bad && k > 0, &mut dice);
        if k == 0 {
            w.start(at, &answers);
        } else {
            let read: Vec<_> = w.ports.iter().map(|s| (!dice.one_in(80)).then_some(*s)).collect();
            let epoch = if w.state.target.verified.is_some() { w.state.target.epoch } else { 0 };
            w.check(at, &answers, &read, epoch, true);
        }
        answered.push((at, answers));
        k += 1;
    }
    let to = answered.last().unwrap().0;
    let about = About { run: Some(format!("run-{seed}")), ..about(plan, to) };
    (Recording { about, series: rows(plan, &answered), happened: w.happened }, w.journal)
}

fn all(plan: &Plan, at: Time, bad: bool, dice: &mut Dice) -> Vec<Answer> {
    (0..plan.inputs.len()).map(|i| answer(plan, i, at, bad, dice)).collect()
}

struct World<'p> {
    plan: &'p Plan,
    state: State,
    out: Vec<Effect>,
    happened: Vec<Happened>,
    journal: Vec<(Time, Record)>,
    asked: Option<(u32, Vec<(PortId, Setting)>)>,
    /// Token, when it ends, how.
    ends: Vec<(u32, Time, bool)>,
    ports: Vec<Setting>,
}

impl World<'_> {
    fn named(&self, list: &[(PortId, Setting)]) -> Vec<(String, Setting)> {
        list.iter().map(|(p, s)| (self.plan.port_name(*p).to_owned(), *s)).collect()
    }

    fn start(&mut self, at: Time, answers: &[Answer]) {
        let originals: Vec<_> = self.ports.iter().enumerate().map(|(i, s)| (PortId::at(i), *s)).collect();
        let baseline = self
            .plan
            .inputs
            .iter()
            .zip(answers)
            .map(|(i, a)| (i.population == Population::Before).then(|| a.clone()))
            .collect();
        let named = self.named(&originals);
        self.happened.push(Happened::Start { at, originals: named, rolled_back: None });
        step(
            self.plan,
            &mut self.state,
            Input::Start { at, originals, answers, baseline, rolled_back: None },
            &mut self.out,
        );
        self.perform(at);
    }

    fn check(&mut self, at: Time, answers: &[Answer], read: &[Option<Setting>], ports_epoch: u32, live: bool) {
        let ports: Vec<_> = read.iter().enumerate().filter_map(|(i, s)| Some((PortId::at(i), (*s)?))).collect();
        let named = self.named(&ports);
        self.happened.push(Happened::Check { at, ports: named, ports_epoch, live });
        let input = Input::Tick { at, answers, ports: read, ports_epoch, live };
        step(self.plan, &mut self.state, input, &mut self.out);
        self.perform(at);
    }

    fn tell(&mut self, what: Happened) {
        let at = what.at();
        let input = match what.clone() {
            Happened::Verified { at, epoch, read } => {
                let id = |n: &str| PortId::at(self.plan.ports.iter().position(|p| p.name == n).unwrap());
                Input::Verified { at, epoch, read: read.iter().map(|(n, s)| (id(n), *s)).collect() }
            }
            Happened::ActionEnded { at, token, ok, how, output } => Input::ActionEnded { at, token, ok, how, output },
            Happened::Recovered { at } => Input::Recovered { at },
            Happened::Operator { at, act, of, who, why } => {
                let act = match act.as_str() {
                    "pause" => Operator::Pause,
                    "resume" => Operator::Resume,
                    "approve" => Operator::Approve(self.plan.group(of.as_deref().unwrap()).unwrap()),
                    "kill" => Operator::Kill(self.plan.switch(of.as_deref().unwrap()).unwrap()),
                    _ => Operator::Abort,
                };
                Input::Operator { at, act, who, why }
            }
            Happened::Start { .. } | Happened::Check { .. } | Happened::Sliced(_) => unreachable!(),
        };
        self.happened.push(what);
        step(self.plan, &mut self.state, input, &mut self.out);
        self.perform(at);
    }

    fn between(&mut self, from: Time, dice: &mut Dice) {
        // a backend that is slow leaves a request for the next stretch
        if !dice.one_in(10)
            && let Some((epoch, settings)) = self.asked.take()
        {
            for (port, to) in &settings {
                self.ports[port.index()] = *to;
            }
            let read = self.named(&settings);
            self.tell(Happened::Verified { at: from + 1_300, epoch, read });
        }
        for (token, at, ok) in std::mem::take(&mut self.ends) {
            if at > from + self.plan.check_every {
                self.ends.push((token, at, ok));
                continue;
            }
            let how = String::from(if ok { "exit status 0" } else { "exit status 7" });
            self.tell(Happened::ActionEnded { at: from + 2_600, token, ok, how, output: String::from("done\n") });
        }
        if dice.one_in(90) {
            // somebody else sets a port
            self.ports[0] = Setting::Share(0.03);
        }
        let act = match dice.roll(150) {
            0 => Some(("pause", None)),
            1..8 => Some(("resume", None)),
            8 => Some(("abort", None)),
            9..14 => Some(("approve", Some("sre"))),
            14 => Some(("kill", Some("stop"))),
            _ => None,
        };
        if let Some((act, of)) = act {
            let (act, of) = (act.to_owned(), of.map(str::to_owned));
            self.tell(Happened::Operator {
                at: from + 3_100,
                act,
                of,
                who: String::from("ada"),
                why: String::from("why not"),
            });
        }
    }

    fn perform(&mut self, at: Time) {
        for effect in std::mem::take(&mut self.out) {
            match effect {
                Effect::Record(r) => self.journal.push((at, *r)),
                Effect::Apply { epoch, settings, .. } => self.asked = Some((epoch, settings)),
                Effect::Run { token, .. } => {
                    let long = if token % 3 == 0 { 40_000 } else { 3_000 };
                    self.ends.push((token, at + long, token % 4 != 0));
                }
                Effect::CancelRuns => self.ends.iter_mut().for_each(|e| *e = (e.0, at, false)),
                _ => {}
            }
        }
    }
}

/// A recording of answers alone: what `one` says of each input at each check.
pub fn range(plan: &Plan, checks: usize, mut one: impl FnMut(usize, usize) -> Answer) -> Recording {
    let every = plan.check_every;
    let at = |k: usize| START + every * i64::try_from(k).unwrap();
    let answered: Vec<(Time, Vec<Answer>)> =
        (0..checks).map(|k| (at(k), (0..plan.inputs.len()).map(|i| one(k, i)).collect())).collect();
    Recording { about: about(plan, at(checks - 1)), series: rows(plan, &answered), happened: Vec::new() }
}

/// A value as the source counts it, sampled at the check.
pub fn known(reading: Reading, k: usize, plan: &Plan) -> Answer {
    let at = START + plan.check_every * i64::try_from(k).unwrap();
    Answer { value: Ok(reading), sampled_at: Some(at), series: 1 }
}

/// The plainest driver that can be: the engine over a recording of answers alone, requests read back just before the next check.
pub fn plainly(plan: &Plan, recording: &Recording) -> Vec<(Time, Record)> {
    let (mut state, mut out, mut journal) = (State::new(plan), Vec::new(), Vec::new());
    let mut ports = off(plan);
    let mut asked: Option<(u32, Vec<(PortId, Setting)>)> = None;
    let mut running: Vec<u32> = Vec::new();
    let look = |state: &State, at: Time| -> Vec<Answer> {
        let one = |(i, input): (usize, &canary::plan::Input)| {
            let series = recording.find(&Key::of(input, &[]));
            let Some(row) = series.and_then(|s| s.times.iter().position(|t| *t == at)) else {
                return Answer::missing(Missing::NotAsked);
            };
            let series = series.unwrap();
            let mut answer = series.answer(row).unwrap();
            if let (Ask::Increase(_, Window::SinceLast), Some(then), Ok(Reading::Increase(n))) =
                (&input.ask, since(plan, state, InputId::at(i)), &mut answer.value)
            {
                let between = (0..row).rev().take_while(|r| series.times[*r] > then);
                *n += between
                    .filter_map(|r| match series.answer(r).unwrap() {
                        Answer { value: Ok(Reading::Increase(v)), sampled_at, .. }
                            if sampled_at.is_none_or(|s| series.times[r] - s <= input.max_age) =>
                        {
                            Some(v)
                        }
                        _ => None,
                    })
                    .sum::<f64>();
            }
            answer
        };
        plan.inputs.iter().enumerate().map(one).collect()
    };
    let mut at = START;
    let back = |state: &State| matches!(state.stage, Stage::RollingBack(_));
    while (at <= recording.about.to || back(&state)) && state.verdict().is_none() {
        if at > START {
            for token in std::mem::take(&mut running) {
                let how = String::from("exit status 0");
                let ended = Input::ActionEnded { at: at - 1, token, ok: true, how, output: String::new() };
                step(plan, &mut state, ended, &mut out);
                note(at - 1, &mut out, &mut journal, &mut asked, &mut running);
            }
            if let Some((epoch, read)) = asked.take() {
                read.iter().for_each(|(p, s)| ports[p.index()] = *s);
                step(plan, &mut state, Input::Verified { at: at - 1, epoch, read }, &mut out);
                note(at - 1, &mut out, &mut journal, &mut asked, &mut running);
            }
        }
        if state.verdict().is_some() {
            break;
        }
        let answers = look(&state, at);
        if at == START {
            let originals = ports.iter().enumerate().map(|(i, s)| (PortId::at(i), *s)).collect();
            let before = |(i, x): (usize, &canary::plan::Input)| {
                (x.population == Population::Before).then(|| answers[i].clone())
            };
            let baseline = plan.inputs.iter().enumerate().map(before).collect();
            let start = Input::Start { at, originals, answers: &answers, baseline, rolled_back: None };
            step(plan, &mut state, start, &mut out);
        } else {
            let read: Vec<_> = ports.iter().map(|s| Some(*s)).collect();
            let ports_epoch = if state.target.verified.is_some() { state.target.epoch } else { 0 };
            step(
                plan,
                &mut state,
                Input::Tick { at, answers: &answers, ports: &read, ports_epoch, live: true },
                &mut out,
            );
        }
        note(at, &mut out, &mut journal, &mut asked, &mut running);
        at += plan.check_every;
    }
    journal
}

fn note(
    at: Time,
    out: &mut Vec<Effect>,
    journal: &mut Vec<(Time, Record)>,
    asked: &mut Option<(u32, Vec<(PortId, Setting)>)>,
    running: &mut Vec<u32>,
) {
    for effect in out.drain(..) {
        match effect {
            Effect::Record(r) => journal.push((at, *r)),
            Effect::Apply { epoch, settings, .. } => *asked = Some((epoch, settings)),
            Effect::Run { token, .. } => running.push(token),
            Effect::CancelRuns
            | Effect::Halt { .. }
            | Effect::Throw { .. }
            | Effect::Notify { .. }
            | Effect::Finish(_) => {}
        }
    }
}
