//! One run on virtual time, check by check, at the speed of the engine: the caller says what every input answers, requests are read
//! back before the next check, actions end well.

use super::counting::allocations;
use canary::check;
use canary::engine::{Effect, Input, Operator, State, step};
use canary::plan::{Answer, Ask, InputId, Millis, Missing, Plan, Population, PortKind, Reading, Setting, Time};
use canary::syntax::{self, source::SourceMap};

/// The plan of the only rollout in some files, for one environment. Warnings are of no interest here.
pub fn compiled(texts: &[String], env: &str) -> Plan {
    let mut map = SourceMap::default();
    let mut files = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let id = map.add(format!("{i}.canary"), text.clone());
        let (file, found) = syntax::parse(id, text);
        assert!(found.is_empty(), "{found:#?}\n{text}");
        files.push(file);
    }
    let (made, found) = check::compile(&files, &map, None, Some(env), &[]);
    made.unwrap_or_else(|| panic!("{found:#?}")).0
}

/// A file of the repository.
pub fn file(path: &str) -> String {
    std::fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What a step was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// It asked for nothing and told of nothing.
    pub quiet: bool,
    /// How often it asked for memory.
    pub allocations: u64,
}

/// A run.
pub struct Course {
    pub plan: Plan,
    pub state: State,
    /// The last check's time.
    pub at: Time,
    /// What every input answers.
    pub answers: Vec<Answer>,
    /// How long before the check its samples were taken.
    pub age: Millis,
    /// Nothing is read back.
    pub withheld: bool,
    ports: Vec<Option<Setting>>,
    epoch: u32,
    asked: Option<(u32, Vec<(canary::plan::PortId, Setting)>)>,
    out: Vec<Effect>,
}

impl Course {
    /// A run whose first check is still to come, and all is well.
    pub fn of(plan: Plan) -> Self {
        let zero = |kind: &PortKind| match kind {
            PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(0.0),
            PortKind::BoolFlag => Setting::Bool(false),
            PortKind::CountFlag(_) => Setting::Count(0),
        };
        Self {
            state: State::new(&plan),
            at: 0,
            answers: (0..plan.inputs.len())
                .map(|i| Answer { value: Ok(healthy(&plan, i)), sampled_at: None, series: 1 })
                .collect(),
            age: 0,
            withheld: false,
            ports: plan.ports.iter().map(|p| Some(zero(&p.kind))).collect(),
            epoch: 0,
            asked: None,
            out: Vec::new(),
            plan,
        }
    }

    /// The inputs of a metric.
    pub fn inputs(&self, metric: &str, population: Option<Population>) -> Vec<usize> {
        let fits = |i: &canary::plan::Input| i.metric == metric && population.is_none_or(|p| p == i.population);
        let found: Vec<usize> = self.plan.inputs.iter().enumerate().filter(|(_, i)| fits(i)).map(|(i, _)| i).collect();
        assert!(!found.is_empty(), "no input of {metric} in {:?}", self.plan.inputs);
        found
    }

    /// What a metric answers from the next check on, to everybody.
    pub fn say(&mut self, metric: &str, value: Result<f64, Missing>) {
        for i in self.inputs(metric, None) {
            self.say_input(i, value.clone());
        }
    }

    /// What one input answers from the next check on.
    pub fn say_input(&mut self, i: usize, value: Result<f64, Missing>) {
        let number = |v| match self.plan.inputs[i].ask {
            Ask::Increase(..) => Reading::Increase(v),
            _ => Reading::Value(v),
        };
        self.answers[i].value = value.map(number);
    }

    /// The first check.
    pub fn start(&mut self) {
        let originals =
            self.plan.ports.iter().enumerate().map(|(i, _)| (canary::plan::PortId::at(i), self.ports[i].unwrap()));
        let originals = originals.collect();
        let before = |i: usize| self.plan.inputs[i].population == Population::Before;
        let baseline = (0..self.answers.len()).map(|i| before(i).then(|| self.answers[i].clone())).collect();
        self.fresh();
        let input = Input::Start { at: self.at, originals, answers: &self.answers, baseline, rolled_back: None };
        step(&self.plan, &mut self.state, input, &mut self.out);
        self.perform();
        assert_eq!(self.state.verdict(), None, "the start was refused");
    }

    fn fresh(&mut self) {
        for a in &mut self.answers {
            a.sampled_at = a.value.is_ok().then_some(self.at - self.age);
        }
    }

    /// The next check, after whatever the one before asked for was done.
    pub fn tick(&mut self) -> Taken {
        self.read_back();
        self.at += self.plan.check_every;
        self.fresh();
        let input = Input::Tick {
            at: self.at,
            answers: &self.answers,
            ports: &self.ports,
            ports_epoch: self.epoch,
            live: true,
        };
        let before = allocations();
        step(&self.plan, &mut self.state, input, &mut self.out);
        let taken = Taken { quiet: self.out.is_empty(), allocations: allocations() - before };
        self.perform();
        taken
    }

    /// A person says something after the last check.
    pub fn operator(&mut self, act: Operator) {
        let input = Input::Operator { at: self.at, act, who: String::from("ann"), why: String::new() };
        step(&self.plan, &mut self.state, input, &mut self.out);
        self.perform();
    }

    fn read_back(&mut self) {
        if self.withheld {
            return;
        }
        if let Some((epoch, settings)) = self.asked.take() {
            for (port, setting) in &settings {
                self.ports[port.index()] = Some(*setting);
            }
            self.epoch = epoch;
            let input = Input::Verified { at: self.at + self.plan.check_every / 2, epoch, read: settings };
            step(&self.plan, &mut self.state, input, &mut self.out);
            self.perform();
        }
    }

    fn perform(&mut self) {
        while !self.out.is_empty() {
            for effect in std::mem::take(&mut self.out) {
                match effect {
                    Effect::Apply { epoch, settings, .. } => self.asked = Some((epoch, settings)),
                    Effect::Run { token, .. } => {
                        let (how, output) = (String::from("exit status 0"), String::new());
                        let input = Input::ActionEnded { at: self.at, token, ok: true, how, output };
                        step(&self.plan, &mut self.state, input, &mut self.out);
                    }
                    _ => {}
                }
            }
        }
    }
}

/// Every counter has counted a thousand, those of bad events none, and every gauge is 1.
fn healthy(plan: &Plan, i: usize) -> Reading {
    match plan.inputs[i].ask {
        Ask::Increase(..) => Reading::Increase(if plan.is_bad_part(InputId::at(i)) { 0.0 } else { 1000.0 }),
        Ask::Buckets(..) => buckets(0.99),
        _ => Reading::Value(1.0),
    }
}

/// A thousand events, this share of them within 0.1 s and the rest within 1 s.
pub fn buckets(fast: f64) -> Reading {
    let bucket = |le, count| canary::plan::Bucket { le, count };
    Reading::Buckets(vec![
        bucket(Some(0.1), 1000.0 * fast),
        bucket(Some(0.3), 1000.0 * fast),
        bucket(Some(1.0), 1000.0),
        bucket(None, 1000.0),
    ])
}

/// Numbers by chance, the same for the same seed (SplitMix64, <https://prng.di.unimi.it/splitmix64.c>).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// One of so many.
    pub fn of(&mut self, n: u64) -> u64 {
        self.roll() % n
    }
}
