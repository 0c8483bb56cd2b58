//! A world on virtual time: what every input answers, how requests and actions end, what people say. It drives
//! [`canary::engine::step`] check by check and writes down the course of the run as lines that a test compares.

use super::watch::Watch;
use canary::check;
use canary::engine::{Effect, Input, Observation, Operator, Record, RunCause, Seen, Stage, State, Word, step};
use canary::plan::{
    Answer, Ask, Bindings, Bucket, InputId, Millis, Missing, Plan, Population, PortId, PortKind, Reading, Setting,
};
use canary::plan::{Time, show};
use canary::syntax::{self, source::SourceMap};

/// Declarations and an environment that all tests share.
const PRELUDE: &str = include_str!("prelude.canary");
/// The end of time.
pub const EVER: Time = i64::MAX;

/// Compiles a rollout's body behind the shared declarations. Warnings are of no interest here.
pub fn plan(body: &str) -> Plan {
    plan_with("", body)
}

/// As [`plan`], with declarations of its own.
pub fn plan_with(declared: &str, body: &str) -> Plan {
    compiled(declared, body).0
}

/// The plan and how its ports are bound.
pub fn compiled(declared: &str, body: &str) -> (Plan, Bindings) {
    let text = format!("{PRELUDE}\n{declared}\nrollout shop \"Shop\" {{\n{body}\n}}\n");
    let mut map = SourceMap::default();
    let id = map.add("test.canary", text.clone());
    let (file, found) = syntax::parse(id, &text);
    assert!(found.is_empty(), "{found:#?}\n{text}");
    let (made, found) = check::compile(&[file], &map, None, Some("here"), &[]);
    made.unwrap_or_else(|| panic!("{found:#?}\n{text}"))
}

/// `5m`, `1h30m15s` as milliseconds.
pub fn ms(text: &str) -> Millis {
    let (mut total, mut digits, mut rest) = (0, 0, text);
    while let Some(c) = rest.chars().next() {
        rest = &rest[1..];
        let unit = match c {
            '0'..='9' => {
                digits = digits * 10 + i64::from(c as u8 - b'0');
                continue;
            }
            'm' if rest.starts_with('s') => {
                rest = &rest[1..];
                1
            }
            's' => 1_000,
            'm' => 60_000,
            'h' => 3_600_000,
            'd' => 86_400_000,
            other => panic!("no unit {other} in {text}"),
        };
        total += digits * unit;
        digits = 0;
    }
    assert_eq!(digits, 0, "a unit is missing in {text}");
    total
}

/// What an input answers at a check.
#[derive(Debug, Clone, PartialEq)]
pub enum Says {
    /// This number, sampled at the check: a gauge's value, or increments.
    Is(f64),
    /// This number, sampled so long before the check.
    Old(f64, Millis),
    /// These cumulative buckets.
    Buckets(Vec<(f64, f64)>),
    /// The source failed.
    Failed,
    /// No series.
    Empty,
    /// Too many series.
    Ambiguous,
    /// The source itself says that it is no number.
    NotANumber,
    /// Nobody asked.
    NotAsked,
}
pub use Says::{Ambiguous, Empty, Failed, Is, NotANumber, NotAsked, Old};

impl Says {
    fn answer(&self, at: Time, ask: &Ask) -> Answer {
        let number = |v: f64| match ask {
            Ask::Increase(..) => Reading::Increase(v),
            _ => Reading::Value(v),
        };
        let of = |r, age| Answer { value: Ok(r), sampled_at: Some(at - age), series: 1 };
        match self {
            Is(v) => of(number(*v), 0),
            Old(v, age) => of(number(*v), *age),
            Self::Buckets(b) => {
                let bucket = |(le, count): &(f64, f64)| Bucket { le: le.is_finite().then_some(*le), count: *count };
                of(Reading::Buckets(b.iter().map(bucket).collect()), 0)
            }
            Failed => Answer::failed("connection refused"),
            Empty => Answer::missing(Missing::Empty { others: None }),
            Ambiguous => Answer::missing(Missing::Ambiguous { series: 2 }),
            NotANumber => Answer::missing(Missing::NotANumber),
            NotAsked => Answer::missing(Missing::NotAsked),
        }
    }
}

struct Given {
    metric: String,
    population: Option<Population>,
    from: Time,
    to: Time,
    says: Says,
}

enum Act {
    Say(Operator),
    Drift(PortId, Setting),
}

/// A world. Times are since the first check; a later line wins over an earlier one; `to` is excluded.
pub struct World {
    /// The plan under test.
    pub plan: Plan,
    given: Vec<Given>,
    acts: Vec<(Time, Act)>,
    withheld: Vec<(Time, Time)>,
    unread: Vec<(PortId, Time, Time)>,
    stops: Vec<(Time, Time, bool)>,
    actions: Vec<(String, Time, Time, Ends)>,
    originals: Vec<(PortId, Setting)>,
    /// What the inputs answer by chance, where no line says it.
    noise: Option<Noise>,
    /// Whether the state goes through the store before every step.
    stored: bool,
}

/// Answers by chance: the same for the same seed, metric, population and stretch of four checks.
#[derive(Debug, Clone, Copy)]
pub struct Noise {
    pub seed: u64,
    /// Of a hundred stretches, so many are bad.
    pub bad: u64,
    /// And so many are missing.
    pub missing: u64,
}

impl Noise {
    fn says(self, metric: &str, population: Population, at: Time, every: Millis) -> Says {
        let stretch = at.div_euclid(4 * every).unsigned_abs();
        let mut h = self.seed ^ stretch.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ ((population as u64) << 60);
        for b in metric.bytes() {
            h = (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01B3);
        }
        h = (h ^ (h >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        h = (h ^ (h >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        h ^= h >> 31;
        // the start is healthy, or most runs would be refused
        let dice = if at == 0 { 99 } else { h % 100 };
        if dice < self.bad {
            return bad(metric);
        }
        if dice < self.bad + self.missing {
            return match (h >> 8) % 8 {
                0 => Failed,
                1 | 2 => Empty,
                3 => Old(1.0, 90_000),
                4 => Is(f64::NAN),
                5 => Is(f64::INFINITY),
                6 => Ambiguous,
                _ => NotAsked,
            };
        }
        good(metric)
    }
}

fn good(metric: &str) -> Says {
    match metric {
        "failed" | "leaks" => Is(0.0),
        "served" => Is(1000.0),
        "latency" => Says::Buckets(vec![(0.1, 900.0), (0.3, 1000.0), (f64::INFINITY, 1000.0)]),
        _ => Is(1.0),
    }
}

fn bad(metric: &str) -> Says {
    match metric {
        "failed" => Is(500.0),
        "leaks" => Is(3.0),
        "served" => Is(10.0),
        "latency" => Says::Buckets(vec![(0.1, 0.0), (0.3, 10.0), (f64::INFINITY, 1000.0)]),
        _ => Is(9.0),
    }
}

/// How an action ends, just before the check after its start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    Well,
    Badly,
    Never,
}

/// What came of a run.
pub struct Run {
    /// Transitions, without guards' words: `17m rollback because slow`.
    pub course: Vec<String>,
    /// `17m slow failing`
    pub words: Vec<String>,
    /// `17m oncall: …`
    pub notices: Vec<String>,
    /// Reasons for a refused start.
    pub refused: Vec<String>,
    /// All effects in order.
    pub effects: Vec<(Time, Effect)>,
    /// The state at the end.
    pub state: State,
    /// The state after each check.
    pub states: Vec<(Time, State)>,
    /// What is kept of each check.
    pub observations: Vec<(Time, Observation)>,
    /// What is set at the end.
    pub ports: Vec<Option<Setting>>,
}

impl World {
    /// A healthy world: every gauge 1, every thousand requests without a failure, every histogram fast.
    pub fn of(body: &str) -> Self {
        Self::of_plan(plan(body))
    }

    /// The same around a plan.
    pub fn of_plan(plan: Plan) -> Self {
        let originals = (0..plan.ports.len())
            .map(|i| {
                let zero = match plan.ports[i].kind {
                    PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(0.0),
                    PortKind::BoolFlag => Setting::Bool(false),
                    PortKind::CountFlag(_) => Setting::Count(0),
                };
                (PortId::at(i), zero)
            })
            .collect();
        Self {
            plan,
            given: Vec::new(),
            acts: Vec::new(),
            withheld: Vec::new(),
            unread: Vec::new(),
            stops: Vec::new(),
            actions: Vec::new(),
            originals,
            noise: None,
            stored: false,
        }
    }

    /// Answers by chance where nothing else is said.
    pub fn noise(mut self, noise: Noise) -> Self {
        self.noise = Some(noise);
        self
    }

    /// With every state written to and read back from the store before it is used.
    pub fn stored(mut self) -> Self {
        self.stored = true;
        self
    }

    fn add(mut self, metric: &str, population: Option<Population>, from: Time, to: Time, says: Says) -> Self {
        self.given.push(Given { metric: metric.to_owned(), population, from, to, says });
        self
    }

    /// For everybody and always.
    pub fn all(self, metric: &str, says: Says) -> Self {
        self.add(metric, None, i64::MIN, EVER, says)
    }

    /// Every population, from and to.
    pub fn during(self, metric: &str, from: &str, to: &str, says: Says) -> Self {
        let (from, to) = (ms(from), ms(to));
        self.add(metric, None, from, to, says)
    }

    /// Every population from then on.
    pub fn from(self, metric: &str, from: &str, says: Says) -> Self {
        let from = ms(from);
        self.add(metric, None, from, EVER, says)
    }

    /// The canary alone, from and to.
    pub fn canary(self, metric: &str, from: &str, to: &str, says: Says) -> Self {
        let (from, to) = (ms(from), ms(to));
        self.add(metric, Some(Population::Canary), from, to, says)
    }

    /// One population, always.
    pub fn of_population(self, metric: &str, population: Population, says: Says) -> Self {
        self.add(metric, Some(population), i64::MIN, EVER, says)
    }

    /// A person says something just before the check at that time.
    pub fn operator(mut self, act: Operator, at: &str) -> Self {
        self.acts.push((ms(at), Act::Say(act)));
        self
    }

    /// Somebody else sets a port just before the check at that time.
    pub fn drifts(mut self, port: &str, to: Setting, at: &str) -> Self {
        let id = PortId::at(self.plan.ports.iter().position(|p| p.name == port).unwrap());
        self.acts.push((ms(at), Act::Drift(id, to)));
        self
    }

    /// Requests are not read back between these times.
    pub fn withholds(mut self, from: &str, to: &str) -> Self {
        self.withheld.push((ms(from), ms(to)));
        self
    }

    /// A port cannot be read at the checks between these times.
    pub fn unread(mut self, port: &str, from: &str, to: &str) -> Self {
        let id = PortId::at(self.plan.ports.iter().position(|p| p.name == port).unwrap());
        self.unread.push((id, ms(from), ms(to)));
        self
    }

    /// No check is made from `from` on; the first one is made at `to`, after a recovery from the kept state.
    pub fn stops(mut self, from: &str, to: &str, backfilled: bool) -> Self {
        self.stops.push((ms(from), ms(to), backfilled));
        self
    }

    /// How an action that is started between these times ends.
    pub fn action(mut self, name: &str, from: &str, to: &str, ends: Ends) -> Self {
        let to = if to.is_empty() { EVER } else { ms(to) };
        self.actions.push((name.to_owned(), ms(from), to, ends));
        self
    }

    /// What a port is before the first change.
    pub fn original(mut self, port: &str, setting: Setting) -> Self {
        let at = self.plan.ports.iter().position(|p| p.name == port).unwrap();
        self.originals[at].1 = setting;
        self
    }

    /// What a metric answers at a check.
    pub fn says(&self, metric: &str, population: Population, at: Time) -> Says {
        let fits = |g: &&Given| {
            g.metric == metric && g.population.is_none_or(|p| p == population) && g.from <= at && at < g.to
        };
        let by_chance = || match self.noise {
            Some(n) => n.says(metric, population, at, self.plan.check_every),
            None => good(metric),
        };
        self.given.iter().rev().find(fits).map_or_else(by_chance, |g| g.says.clone())
    }

    fn answers(&self, at: Time) -> Vec<Answer> {
        let one = |i: &canary::plan::Input| self.says(&i.metric, i.population, at).answer(at, &i.ask);
        self.plan.inputs.iter().map(one).collect()
    }

    fn baseline(&self) -> Vec<Option<Answer>> {
        let one = |i: &canary::plan::Input| {
            (i.population == Population::Before).then(|| self.says(&i.metric, i.population, 0).answer(0, &i.ask))
        };
        self.plan.inputs.iter().map(one).collect()
    }

    fn ends(&self, name: &str, at: Time) -> Ends {
        let fits = |(n, from, to, _): &&(String, Time, Time, Ends)| n == name && *from <= at && at < *to;
        self.actions.iter().rev().find(fits).map_or(Ends::Well, |a| a.3)
    }

    /// Runs until the end of the run, or that time.
    pub fn run(&self, until: &str) -> Run {
        Driver::new(self).run(ms(until))
    }
}

struct Driver<'w> {
    world: &'w World,
    state: State,
    watch: Watch,
    run: Run,
    /// The request that is not read back yet.
    asked: Option<(u32, Vec<(PortId, Setting)>)>,
    /// Actions under way: token, name, since; cancelled ones have no name.
    running: Vec<(u32, String, Time)>,
}

impl<'w> Driver<'w> {
    fn new(world: &'w World) -> Self {
        let state = State::new(&world.plan);
        let run = Run {
            course: Vec::new(),
            words: Vec::new(),
            notices: Vec::new(),
            refused: Vec::new(),
            effects: Vec::new(),
            state: state.clone(),
            states: Vec::new(),
            observations: Vec::new(),
            ports: world.originals.iter().map(|(_, s)| Some(*s)).collect(),
        };
        Self { world, state, watch: Watch::default(), run, asked: None, running: Vec::new() }
    }

    fn run(mut self, until: Time) -> Run {
        let world = self.world;
        let answers = world.answers(0);
        let originals = world.originals.clone();
        self.feed(
            0,
            Input::Start { at: 0, originals, answers: &answers, baseline: world.baseline(), rolled_back: None },
        );
        let every = world.plan.check_every;
        let mut at = every;
        while at <= until && self.state.verdict().is_none() {
            if let Some(&(_, to, backfilled)) = world.stops.iter().find(|(from, to, _)| *from <= at && at < *to) {
                self.recover(at, to, backfilled);
                at = to;
                continue;
            }
            self.between(at);
            if self.state.verdict().is_some() {
                break;
            }
            self.tick(at, true);
            at += every;
        }
        // what ends after the last check
        while self.state.verdict().is_none() && matches!(self.state.stage, Stage::RollingBack(_)) && at <= until {
            self.between(at);
            self.tick(at, true);
            at += every;
        }
        self.run.state = self.state;
        self.run
    }

    /// The runner is gone until `to`; actions go down with it.
    fn recover(&mut self, from: Time, to: Time, backfilled: bool) {
        let text = serde_json::to_string(&self.state).unwrap();
        self.state = serde_json::from_str(&text).unwrap();
        self.running.clear();
        self.asked = None;
        let every = self.world.plan.check_every;
        let at = to - every + 1;
        self.feed(at, Input::Recovered { at });
        if backfilled {
            let mut t = from;
            while t < to {
                self.tick(t, false);
                t += every;
            }
        }
    }

    /// What happens just before the check at `at`, in a fixed order: actions end, people speak, requests are read back.
    fn between(&mut self, at: Time) {
        let just = at - 1;
        for (token, name, since) in std::mem::take(&mut self.running) {
            let ends = if name.is_empty() { Ends::Badly } else { self.world.ends(&name, since) };
            if ends == Ends::Never {
                self.running.push((token, name, since));
                continue;
            }
            let ok = ends == Ends::Well;
            let how = String::from(if ok { "exit status 0" } else { "exit status 1" });
            self.feed(just, Input::ActionEnded { at: just, token, ok, how, output: String::new() });
        }
        let world = self.world;
        let due = |t: Time| at - world.plan.check_every < t && t <= at;
        for (_, act) in world.acts.iter().filter(|(t, _)| due(*t)) {
            match act {
                Act::Say(op) => {
                    let why = if matches!(op, Operator::Reset(_)) { "mended" } else { "" };
                    let (who, why) = (String::from("kim"), why.to_owned());
                    self.feed(just, Input::Operator { at: just, act: *op, who, why });
                }
                Act::Drift(port, to) => self.run.ports[port.index()] = Some(*to),
            }
        }
        let withheld = world.withheld.iter().any(|(from, to)| *from <= just && just < *to);
        if !withheld && let Some((epoch, settings)) = self.asked.take() {
            for (p, s) in &settings {
                self.run.ports[p.index()] = Some(*s);
            }
            self.feed(just, Input::Verified { at: just, epoch, read: settings });
        }
    }

    fn tick(&mut self, at: Time, live: bool) {
        let answers = self.world.answers(at);
        let ports_epoch = if self.state.target.verified.is_some() { self.state.target.epoch } else { 0 };
        let mut ports = if live { self.run.ports.clone() } else { vec![None; self.run.ports.len()] };
        for (port, ..) in self.world.unread.iter().filter(|(_, from, to)| *from <= at && at < *to) {
            ports[port.index()] = None;
        }
        let ports_epoch = if live { ports_epoch } else { 0 };
        self.feed(at, Input::Tick { at, answers: &answers, ports: &ports, ports_epoch, live });
        self.run.states.push((at, self.state.clone()));
    }

    fn feed(&mut self, at: Time, input: Input<'_>) {
        let mut effects = Vec::new();
        if self.world.stored {
            self.state = serde_json::from_str(&serde_json::to_string(&self.state).unwrap()).unwrap();
        }
        self.watch.before(&self.world.plan, &self.state, &input);
        let seen = Seen::of(&self.state, &input);
        let read = match &input {
            Input::Tick { answers, ports, .. } => (answers.to_vec(), ports.to_vec()),
            Input::Start { answers, .. } => (answers.to_vec(), self.run.ports.clone()),
            _ => (Vec::new(), Vec::new()),
        };
        step(&self.world.plan, &mut self.state, input, &mut effects);
        self.watch.after(&self.world.plan, &self.state, &effects);
        if let Some(seen) = seen.filter(|_| self.state.last == Some(at)) {
            let kept = Observation::of(&self.world.plan, &self.state, seen, &read.0, &read.1);
            self.run.observations.push((at, kept));
        }
        for e in &effects {
            self.perform(at, e);
        }
        self.run.effects.extend(effects.into_iter().map(|e| (at, e)));
    }

    fn perform(&mut self, at: Time, effect: &Effect) {
        let plan = &self.world.plan;
        let when = when(at);
        let mut line = |what: String| self.run.course.push(format!("{when} {what}"));
        match effect {
            Effect::Record(r) => match r.as_ref() {
                Record::Guard { report, .. } => {
                    self.run.words.push(format!("{when} {} {}", report.guard, report.word.text()));
                }
                Record::Refused { reasons } => {
                    self.run.refused.clone_from(reasons);
                    line(String::from("refused"));
                }
                Record::Entered { phase, .. } => line(format!("entered {phase}")),
                Record::Paused { explanation } => line(format!("paused because {}", explanation.rule)),
                Record::Resumed { .. } => line(String::from("resumed")),
                Record::Approved { group, phase, who, .. } => line(format!("approved {phase} for {group} by {who}")),
                Record::Rollback { to: None, explanation, .. } => {
                    line(format!("rollback because {}", explanation.rule))
                }
                Record::Rollback { to: Some(p), explanation, .. } => {
                    line(format!("rollback to {p} because {}", explanation.rule));
                }
                Record::KillReset { switch, who, why } => line(format!("reset {switch} by {who}: {why}")),
                Record::NotRolledBack { explanation } => line(format!("not rolled back: {}", explanation.rule)),
                Record::SetAgain { .. } => line(String::from("set again")),
                Record::Waiting { what, .. } => line(format!("waits for {what}")),
                Record::Raised { port, to, .. } => line(format!("raised {port} to {to}")),
                Record::Promoted { phase, .. } => line(format!("promoted in {phase}")),
                Record::KillSwitch { switch, who, .. } => line(format!("killed {switch} by {who}")),
                Record::RollbackSlow { .. } => line(String::from("rollback is slow")),
                Record::Drift { port, read, .. } => line(format!("{port} drifted to {read}")),
                Record::ActionStarted { action, .. } => line(format!("ran {action}")),
                Record::ActionEnded { action, ok: false, .. } => line(format!("{action} failed")),
                Record::Snapshot { early, .. } => {
                    line(String::from(if *early { "snapshot, early" } else { "snapshot" }))
                }
                Record::Finished { verdict, .. } => line(verdict.text().replace('_', " ")),
                Record::Started { .. }
                | Record::Verified { .. }
                | Record::ActionEnded { .. }
                | Record::StepDone { .. }
                | Record::Passed { .. } => {}
            },
            Effect::Apply { epoch, settings, .. } => self.asked = Some((*epoch, settings.clone())),
            Effect::Run { token, action, .. } => {
                self.running.push((*token, plan.action_name(*action).to_owned(), at));
            }
            Effect::CancelRuns => {
                // what is cancelled ends badly, and says so before the next check
                for r in &mut self.running {
                    r.1.clear();
                }
            }
            Effect::Notify { channels, title, .. } => {
                for c in channels {
                    self.run.notices.push(format!("{when} {}: {title}", plan.channels[c.index()]));
                }
            }
            Effect::Throw { .. } => line(String::from("throws for all")),
            Effect::Halt { explanation } => line(format!("halts because {}", explanation.rule)),
            Effect::Finish(_) => {}
        }
    }
}

/// A moment: those just before a check are written as that check.
fn when(at: Time) -> String {
    let to_second = (at + 999).div_euclid(1000) * 1000;
    if to_second == 0 { String::from("0s") } else { show::duration(to_second) }
}

impl Run {
    /// The words of a guard with the checks at which it took them: `["15s warming", "1m15s ok"]`.
    pub fn words_of(&self, guard: &str) -> Vec<String> {
        let one = |l: &String| {
            let mut parts = l.split(' ');
            let (at, name, word) = (parts.next()?, parts.next()?, parts.next()?);
            (name == guard).then(|| format!("{at} {word}"))
        };
        self.words.iter().filter_map(one).collect()
    }

    /// The word of a guard at a check.
    pub fn word(&self, plan: &Plan, guard: &str, at: &str) -> Option<Word> {
        let i = plan.guards.iter().position(|g| g.name == guard).unwrap();
        self.states.iter().rev().find(|(t, _)| *t <= ms(at)).and_then(|(_, s)| s.guards[i].word)
    }

    /// Requests in order: `15s checkout 5%, cache on`.
    pub fn requests(&self, plan: &Plan) -> Vec<String> {
        let one = |(at, e): &(Time, Effect)| match e {
            Effect::Apply { settings, .. } => {
                let all: Vec<String> = settings.iter().map(|(p, s)| format!("{} {s}", plan.port_name(*p))).collect();
                Some(format!("{} {}", when(*at), all.join(", ")))
            }
            _ => None,
        };
        self.effects.iter().filter_map(one).collect()
    }

    /// How often an action was started for a cause.
    pub fn runs(&self, plan: &Plan, name: &str, cause: RunCause) -> usize {
        let fits = |e: &&(Time, Effect)| matches!(&e.1, Effect::Run { action, cause: c, .. } if *c == cause && plan.action_name(*action) == name);
        self.effects.iter().filter(fits).count()
    }

    /// An input by metric and population.
    pub fn input(plan: &Plan, metric: &str, population: Population) -> InputId {
        InputId::at(plan.inputs.iter().position(|i| i.metric == metric && i.population == population).unwrap())
    }
}
