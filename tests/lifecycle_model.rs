//! Every course that one life can take within small bounds: two phases, two guards, three values, requests that are read back
//! late or never, actions that end well or badly, somebody else's hands on a port, people, a restart. stateright walks all of
//! them over the engine's real step, and each state must keep the invariants of the design.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    missing_docs,
    reason = "a test may stop at the first surprise"
)]

use canary::check;
use canary::engine::state::GuardReading;
use canary::engine::{Effect, Input, Operator, Record, Stage, State, Verdict, Word, step};
use canary::plan::{Answer, PhaseId, Plan, PortId, Reading, Setting, SwitchId, Time};
use canary::syntax::{self, source::SourceMap};
use stateright::{Checker, Model, Property};
use std::hash::{Hash, Hasher};

const POLICY: &str = r#"
edition 2026
metric load:  number = prometheus(`load{${where}}`)
metric queue: number = prometheus(`queue_depth`)
traffic checkout
action scale timeout 60s, undo unscale
action unscale timeout 60s, undo none
killswitch stop { traffic checkout = 0% }
environment here {
  prometheus = prometheus(url: "http://127.0.0.1:9090", scrape: 15s)
  checkout   = haproxy(socket: "/run/haproxy.sock", backend: "be", canary: "v2", stable: "v1")
  scale      = command(["./scale", "up"])
  unscale    = command(["./scale", "down"])
  variants checkout { canary = `version="v2"`   stable = `version="v1"` }
}
rollout shop {
  check every 15s
  no data tolerate 2 checks else pause
  guard back: load < 5   from two   else rollback to one
  guard harm: queue < 5  tolerate 15s  else rollback
  phase one { traffic checkout = 10%  hold 15s }
  phase two { traffic checkout = 50%  run scale else pause  promote when queue < 5 for 15s }
}
"#;
/// Checks in every course where nobody says how many (`CANARY_CHECKS`).
const CHECKS: u8 = 4;
const EVERY: Time = 15_000;
const BEGIN: Time = 1_700_000_000_000;

/// What both metrics say at a check: good, bad, or nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Says {
    Good,
    LoadBad,
    QueueBad,
    Silent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Act {
    Check(Says),
    ReadBack,
    ActionEnds(bool),
    Person(Operator2),
    /// Somebody else sets the port.
    Drift,
    Restart,
}

/// [`Operator`] as far as it is used here, with what a model asks of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Operator2 {
    Pause,
    Resume,
    Abort,
    Kill,
}

/// The engine's state and the world around it.
#[derive(Debug, Clone)]
struct Life {
    state: State,
    /// The engine's state without what is only shown: two lives with the same key go on in the same way.
    key: String,
    now: Time,
    checks: u8,
    asked: Option<(u32, Vec<(PortId, Setting)>)>,
    verified: u32,
    share: i64,
    running: Vec<u32>,
    people: u8,
    faults: u8,
    /// Everything is being taken back, or was.
    final_rollback: bool,
    /// Checks since the phase was entered and read back that count for it: in the first one all at which the source answered, in the
    /// second one those at which all was good since the last bad one.
    good: u8,
    broken: Option<String>,
}

impl Life {
    fn facts(&self) -> impl Hash + PartialEq + '_ {
        (
            &self.key,
            self.now,
            self.checks,
            self.asked.as_ref().map(|a| a.0),
            (self.verified, self.share),
            &self.running,
            (self.people, self.faults),
            (self.final_rollback, self.good, self.broken.is_some()),
        )
    }
}

impl Hash for Life {
    fn hash<H: Hasher>(&self, h: &mut H) {
        self.facts().hash(h);
    }
}

impl PartialEq for Life {
    fn eq(&self, o: &Self) -> bool {
        self.facts() == o.facts()
    }
}

impl Eq for Life {}

fn share(s: Setting) -> i64 {
    match s {
        Setting::Share(r) => (r * 100.0).round() as i64,
        _ => 0,
    }
}

/// What decides: the state without explanations and readings.
fn key(state: &State) -> String {
    let mut state = state.clone();
    state.explanation = None;
    for g in &mut state.guards {
        g.reading = GuardReading::default();
    }
    if let Some(p) = &mut state.paused {
        p.why.clear();
    }
    serde_json::to_string(&state).unwrap()
}

struct Lives {
    plan: Plan,
    checks: u8,
}

impl Lives {
    fn new() -> Self {
        let mut map = SourceMap::default();
        let id = map.add("model.canary", String::from(POLICY));
        let (file, found) = syntax::parse(id, POLICY);
        assert!(found.is_empty(), "{found:#?}");
        let (made, found) = check::compile(&[file], &map, None, Some("here"), &[]);
        let checks = std::env::var("CANARY_CHECKS").map_or(CHECKS, |n| n.parse().unwrap());
        Self { plan: made.unwrap_or_else(|| panic!("{found:#?}")).0, checks }
    }

    fn answers(&self, at: Time, says: Says) -> Vec<Answer> {
        let one = |metric: &str| {
            let v = match (metric, says) {
                (_, Says::Silent) => return Answer::failed("no route"),
                ("load", Says::LoadBad) | ("queue", Says::QueueBad) => 9.0,
                _ => 1.0,
            };
            Answer { value: Ok(Reading::Value(v)), sampled_at: Some(at), series: 1 }
        };
        self.plan.inputs.iter().map(|i| one(&i.metric)).collect()
    }

    /// Gives the engine an input and makes the world hear what it wants done.
    fn feed(&self, life: &mut Life, input: Input<'_>, says: Option<Says>) {
        let before = life.state.clone();
        let recovered = matches!(input, Input::Recovered { .. });
        let mut out = Vec::new();
        step(&self.plan, &mut life.state, input, &mut out);
        if let (Stage::Phase(p), Some(says), Some(_)) = (before.stage, says, before.target.verified) {
            life.good = match says {
                Says::QueueBad if p.index() == 1 => 0,
                Says::Good => life.good + 1,
                Says::LoadBad | Says::QueueBad if p.index() == 0 => life.good + 1,
                _ => life.good,
            };
        }
        let applies = out.iter().any(|e| matches!(e, Effect::Apply { .. }));
        let rolling = matches!(before.stage, Stage::RollingBack(_));
        if recovered && rolling && before.target.verified.is_none() && !applies {
            life.broken = Some(String::from("an unfinished rollback is not asked for again"));
        }
        for e in out {
            if let Some(what) = self.hear(life, &before, e, says) {
                life.broken.get_or_insert(what);
            }
        }
    }

    /// One effect; what it breaks.
    fn hear(&self, life: &mut Life, before: &State, effect: Effect, says: Option<Says>) -> Option<String> {
        match effect {
            Effect::Apply { epoch, settings, lowers } => {
                // 1 and 2: no more than the phase sets, and nothing after a final rollback
                let most = match life.state.stage {
                    Stage::Phase(p) if life.state.killed.is_empty() => [10, 50][p.index()],
                    _ => 0,
                };
                let asked: i64 = settings.iter().map(|(_, s)| share(*s)).max().unwrap_or(0);
                if matches!(life.state.stage, Stage::RollingBack(_)) {
                    life.final_rollback = true;
                }
                life.asked = Some((epoch, settings));
                if asked > most || (life.final_rollback && (asked > 0 || !lowers)) {
                    return Some(format!("{asked}% asked for where {most}% is set"));
                }
            }
            Effect::Run { token, .. } => {
                if !life.running.contains(&token) {
                    life.running.push(token);
                }
            }
            Effect::Record(r) => match r.as_ref() {
                Record::Passed { .. } => {
                    // 3: on real observations, for the time demanded: two checks are 15 s apart
                    let good = if before.stage == Stage::Phase(PhaseId(0)) {
                        matches!(says, Some(Says::Good | Says::LoadBad))
                    } else {
                        says == Some(Says::Good)
                    };
                    let sound = good && life.good >= 2 && before.paused.is_none();
                    let asked = before.target.verified.is_some() && share(before.target.settings[0].1) == life.share;
                    if !sound || !asked || life.final_rollback || life.checks == 0 {
                        return Some(String::from("a phase ended without what it asks for"));
                    }
                    let armed = |g: &canary::engine::state::GuardState| g.active && g.word.is_some();
                    if life.state.guards.iter().filter(|g| armed(g)).any(|g| g.word != Some(Word::Ok)) {
                        return Some(String::from("a phase ended with a guard that is not ok"));
                    }
                }
                Record::Entered { .. } | Record::Rollback { .. } => {
                    life.good = 0;
                }
                Record::Finished { verdict: Verdict::RolledBack | Verdict::Aborted | Verdict::Killed, .. }
                    if life.share != 0 =>
                {
                    return Some(String::from("taken back, and exposed still"));
                }
                _ => {}
            },
            Effect::CancelRuns
            | Effect::Notify { .. }
            | Effect::Finish(_)
            | Effect::Halt { .. }
            | Effect::Throw { .. } => {}
        }
        None
    }

    fn tick(&self, life: &mut Life, says: Says) {
        life.now += EVERY;
        let (at, answers) = (life.now, self.answers(life.now, says));
        let ports = [Some(Setting::Share(life.share as f64 / 100.0))];
        let ports_epoch = life.verified;
        self.feed(life, Input::Tick { at, answers: &answers, ports: &ports, ports_epoch, live: true }, Some(says));
    }

    fn read_back(&self, life: &mut Life) {
        if let Some((epoch, settings)) = life.asked.take() {
            if let Some((_, s)) = settings.first() {
                life.share = share(*s);
            }
            life.verified = epoch;
            let at = life.now;
            self.feed(life, Input::Verified { at, epoch, read: settings }, None);
        }
    }

    fn ended(&self, life: &mut Life, ok: bool) {
        let token = life.running.remove(0);
        let at = life.now;
        self.feed(life, Input::ActionEnded { at, token, ok, how: String::new(), output: String::new() }, None);
    }

    fn person(&self, life: &mut Life, act: Operator) {
        let at = life.now;
        self.feed(life, Input::Operator { at, act, who: String::from("ada"), why: String::from("so") }, None);
    }

    /// Whether a healthy world, with somebody who resumes, leads to an end from here: no course gets stuck for good.
    fn comes_to_an_end(&self, life: &Life) -> bool {
        let mut life = life.clone();
        for _ in 0..14 {
            if life.state.verdict().is_some() {
                return true;
            }
            if life.state.paused.is_some() {
                self.person(&mut life, Operator::Resume);
            }
            self.read_back(&mut life);
            while !life.running.is_empty() {
                self.ended(&mut life, true);
                self.read_back(&mut life);
            }
            self.tick(&mut life, Says::Good);
        }
        life.state.verdict().is_some()
    }
}

impl Model for Lives {
    type State = Life;
    type Action = Act;

    fn init_states(&self) -> Vec<Life> {
        let mut life = Life {
            state: State::new(&self.plan),
            key: String::new(),
            now: BEGIN,
            checks: 0,
            asked: None,
            verified: 0,
            share: 0,
            running: Vec::new(),
            people: 0,
            faults: 0,
            final_rollback: false,
            good: 0,
            broken: None,
        };
        let answers = self.answers(BEGIN, Says::Good);
        let originals = vec![(PortId(0), Setting::Share(0.0))];
        let start = Input::Start {
            at: BEGIN,
            originals,
            answers: &answers,
            baseline: vec![None; answers.len()],
            rolled_back: None,
        };
        self.feed(&mut life, start, None);
        life.key = key(&life.state);
        vec![life]
    }

    fn actions(&self, life: &Life, acts: &mut Vec<Act>) {
        if life.checks == self.checks || life.state.verdict().is_some() || life.broken.is_some() {
            return;
        }
        acts.extend([Says::Good, Says::LoadBad, Says::QueueBad, Says::Silent].map(Act::Check));
        if life.asked.is_some() {
            acts.push(Act::ReadBack);
        }
        if !life.running.is_empty() {
            acts.extend([true, false].map(Act::ActionEnds));
        }
        if life.people < 1 {
            acts.extend([Operator2::Pause, Operator2::Abort, Operator2::Kill].map(Act::Person));
        }
        if life.state.paused.is_some() {
            acts.push(Act::Person(Operator2::Resume));
        }
        if life.faults < 1 {
            acts.extend([Act::Restart, Act::Drift]);
        }
    }

    fn next_state(&self, last: &Life, act: Act) -> Option<Life> {
        let mut life = last.clone();
        match act {
            Act::Check(says) => {
                life.checks += 1;
                self.tick(&mut life, says);
            }
            Act::ReadBack => self.read_back(&mut life),
            Act::ActionEnds(ok) => self.ended(&mut life, ok),
            Act::Person(p) => {
                life.people += u8::from(p != Operator2::Resume);
                let act = match p {
                    Operator2::Pause => Operator::Pause,
                    Operator2::Resume => Operator::Resume,
                    Operator2::Abort => Operator::Abort,
                    Operator2::Kill => Operator::Kill(SwitchId(0)),
                };
                self.person(&mut life, act);
            }
            Act::Drift => {
                life.faults += 1;
                life.share = 90;
            }
            Act::Restart => {
                life.faults += 1;
                life.state = serde_json::from_str(&serde_json::to_string(&life.state).unwrap()).unwrap();
                // the new runner has not heard what the old one was asked
                life.asked = None;
                life.running.clear();
                life.now += 3 * EVERY;
                let at = life.now;
                self.feed(&mut life, Input::Recovered { at }, None);
            }
        }
        life.key = key(&life.state);
        Some(life)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("every invariant holds", |_, l: &Life| l.broken.is_none()),
            Property::always("a healthy world leads to an end", |m: &Self, l: &Life| {
                l.checks < m.checks || m.comes_to_an_end(l)
            }),
            Property::sometimes("promoted", |_, l: &Life| l.state.verdict() == Some(Verdict::Promoted)),
            Property::sometimes("rolled back", |_, l: &Life| l.state.verdict() == Some(Verdict::RolledBack)),
            Property::sometimes("aborted", |_, l: &Life| l.state.verdict() == Some(Verdict::Aborted)),
            Property::sometimes("killed", |_, l: &Life| l.state.verdict() == Some(Verdict::Killed)),
            Property::sometimes("paused", |_, l: &Life| l.state.paused.is_some()),
            Property::sometimes("back in phase one", |_, l: &Life| {
                l.state.furthest.index() == 1 && matches!(l.state.stage, Stage::Phase(p) if p.index() == 0)
            }),
            Property::sometimes("undone", |_, l: &Life| l.state.undo_ran),
        ]
    }
}

#[test]
fn every_course_of_one_life_keeps_the_invariants() {
    let begun = std::time::Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let checker = Lives::new().checker().threads(threads).spawn_bfs().join();
    println!(
        "{} states, {} of them different, up to {} acts deep, in {:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        begun.elapsed()
    );
    for (what, path) in checker.discoveries() {
        if what == "every invariant holds" || what == "a healthy world leads to an end" {
            let broken = path.last_state().broken.clone();
            panic!("{what}: {broken:?}\n{:#?}\n{}", path.into_actions(), "in this order");
        }
    }
    checker.assert_properties();
    assert!(checker.unique_state_count() > 1_000, "too few to mean anything");
}
