//! One run by chance, and its replay.

use super::dice::Dice;
use super::faults::{Act, schedule};
use super::policy::{Ground, Policy, policy};
use super::support::canary::{Done, Live};
use super::world::World;
use canary::sim::recording::decode;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

/// So long after its beginning a run is stopped, a calm one later.
const LIMIT: u64 = 16_000;
const CALM_LIMIT: u64 = 22_000;
/// Nothing takes so long, whatever else the machine has to do.
const FOREVER: u64 = 120_000;

/// What stands in a journal and is no decision of the engine: nothing does. A journal holds the engine's records alone; what people
/// said stands beside it until the engine hears it, and so do notices, observations and what the runner remarks.
const NOT_DECISIONS: [&str; 0] = [];

/// What came of one seed.
#[derive(Debug, Default)]
pub struct Summary {
    /// No run was begun: preflight refused it.
    pub refused: bool,
    /// Decisions that were compared.
    pub decisions: usize,
    /// How often each kind of record was among them.
    pub kinds: BTreeMap<String, usize>,
    /// How often the runner was killed, and how often it went on.
    pub kills: usize,
    pub resumes: usize,
    /// What was done.
    pub acts: Vec<String>,
    /// `promoted`, …; `open` for one that was stopped.
    pub verdict: String,
    /// The journal has more than was recorded, for a known reason.
    pub prefix: Option<String>,
    /// The recording was made of the side file that a killed runner has left, without the journal.
    pub finished: bool,
}

struct Course {
    world: World,
    policy: Policy,
    ground: Ground,
    dice: Dice,
    live: Option<Live>,
    people: Vec<Live>,
    back: Option<u64>,
    log: String,
    summary: Summary,
    /// What keeps the recording from being whole.
    gap: Option<String>,
}

/// What a command of a runner has come to.
enum Next {
    Over,
    Again,
}

/// Runs a seed; the difference between journal and replay, if there is one.
pub fn one(seed: u64, ground: Ground) -> Result<Summary, String> {
    let mut dice = Dice::new(seed);
    let policy = policy(&mut dice, ground);
    let acts = schedule(&mut dice, ground, &policy);
    let small = acts.iter().any(|(_, a)| *a == Act::Full);
    let for_good = dice.percent(15);
    let world = World::new(ground, &policy, small);
    let mut course = Course {
        world,
        policy,
        ground,
        dice,
        live: None,
        people: Vec::new(),
        back: None,
        log: String::new(),
        summary: Summary::default(),
        gap: None,
    };
    let done = course.all(acts, for_good);
    if let Err(e) = done {
        let folder = course.world.keep();
        std::fs::write(folder.join("log.txt"), &course.log).unwrap();
        let acts = course.summary.acts.join("\n    ");
        return Err(format!(
            "{ground:?} seed {seed}: {e}\n  repeated by CANARY_FIRST={seed} CANARY_SEEDS=1; kept in {}\n    {acts}",
            folder.display()
        ));
    }
    Ok(course.summary)
}

impl Course {
    fn all(&mut self, acts: Vec<(u64, Act)>, for_good: bool) -> Result<(), String> {
        self.live = Some(self.run(false));
        let part = self.world.path(&format!("{}.part", self.world.recording()));
        let begun = Instant::now();
        while !part.exists() && !self.live.as_mut().is_some_and(Live::is_over) {
            if begun.elapsed() > Duration::from_millis(FOREVER) {
                return Err(String::from("the run does not begin"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.drive(acts, for_good)?;
        self.world.heal();
        for person in std::mem::take(&mut self.people) {
            let done = person.end(Duration::from_millis(FOREVER));
            self.log.push_str(&format!("--- {}\n{}{}\n", done.code(), done.out, done.err));
            if done.err.contains("panicked") {
                return Err(format!("a command ended with {:?}: {}", done.status, done.err));
            }
        }
        self.compare(for_good)
    }

    fn run(&mut self, resume: bool) -> Live {
        let env = self.ground.environment();
        let mut args = vec!["run", "policy.canary", "--env", env, "--record", self.world.recording()];
        if resume {
            args.push("--resume");
        }
        if let Some(fault) = &self.policy.fault {
            args.extend(["--fault", fault]);
        }
        self.world.work().start(&args)
    }

    fn drive(&mut self, acts: Vec<(u64, Act)>, for_good: bool) -> Result<(), String> {
        let begun = Instant::now();
        let mut acts = acts.into_iter().peekable();
        let mut last = false;
        let (mut limit, mut tries) = (if self.policy.calm { CALM_LIMIT } else { LIMIT }, 0);
        loop {
            let now = u64::try_from(begun.elapsed().as_millis()).unwrap();
            if now > FOREVER {
                return Err(format!("not over after {FOREVER} ms"));
            }
            while let Some((_, act)) = acts.next_if(|(at, _)| *at <= now && !last) {
                self.summary.acts.push(format!("{now} {act:?}"));
                self.act(&act, now);
            }
            if let Some(mut live) = self.live.take() {
                if live.is_over() {
                    match self.ended(live, last, now, &mut tries)? {
                        Next::Over => return Ok(()),
                        Next::Again => {}
                    }
                } else {
                    self.live = Some(live);
                }
            } else if self.back.is_some_and(|at| at <= now) {
                self.back = None;
                self.summary.resumes += 1;
                self.live = Some(self.run(true));
                limit = limit.max(now + 1_500);
            }
            if now > limit && !last {
                last = true;
                self.world.heal();
                if let Some(live) = &self.live {
                    live.signal(Signal::CONT);
                    live.signal(if for_good { Signal::KILL } else { Signal::TERM });
                    self.summary.kills += usize::from(for_good);
                } else if for_good {
                    return Ok(());
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn act(&mut self, act: &Act, now: u64) {
        let send = |live: &Option<Live>, signal: Signal| {
            if let Some(live) = live {
                live.signal(signal);
            }
        };
        match act {
            Act::Kill(ms) => {
                self.back = self.live.is_some().then_some(now + ms).or(self.back);
                self.summary.kills += usize::from(self.live.is_some());
                send(&self.live, Signal::KILL);
            }
            Act::Stop(ms) => {
                self.back = self.live.is_some().then_some(now + ms).or(self.back);
                send(&self.live, Signal::CONT);
                send(&self.live, Signal::TERM);
            }
            Act::Asleep(asleep) => send(&self.live, if *asleep { Signal::STOP } else { Signal::CONT }),
            Act::Say(words) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                self.people.push(self.world.work().start(&words));
            }
            _ => self.world.does(act),
        }
    }

    /// A runner has ended.
    fn ended(&mut self, live: Live, last: bool, now: u64, tries: &mut usize) -> Result<Next, String> {
        let done = live.end(Duration::from_secs(10));
        self.log.push_str(&format!("--- {now}: {:?}\n{}{}\n", done.status, done.out, done.err));
        sound(&done)?;
        let said = |part: &str| done.err.contains(part) || done.out.contains(part);
        if said("the recording ends here") || said("the run is not recorded") || said("the recording is not complete") {
            self.gap.get_or_insert_with(|| String::from("the disk of the recording was full"));
        }
        match (done.status.signal(), done.code()) {
            (Some(9 | 15), _) | (_, 5) if last => Ok(Next::Over),
            // stopped before it could hear it
            (Some(9 | 15), _) | (_, 5) => {
                let pause = u64::try_from(self.dice.below(800)).unwrap();
                self.back = Some(self.back.unwrap_or(now + pause).max(now));
                Ok(Next::Again)
            }
            (_, 0 | 1 | 4) => Ok(Next::Over),
            (_, 3) if said("has no unfinished run") => {
                self.summary.refused = self.summary.resumes == 0;
                Ok(Next::Over)
            }
            (_, 3) if said("does not lead to where run") || said("unfinished recording") => {
                if self.gap.is_none() && !self.takes_over() {
                    return Err(format!("the side file does not lead to the journal's state:\n{}", done.err));
                }
                self.gap.get_or_insert_with(|| String::from("another process went on with the run"));
                Ok(Next::Over)
            }
            (_, 3) if self.summary.resumes == 0 => {
                self.summary.refused = true;
                Ok(Next::Over)
            }
            // somebody else has it at the moment; the last word is to be said all the same
            (_, 3) if *tries < 60 => {
                *tries += 1;
                self.back = Some(now + 500);
                Ok(Next::Again)
            }
            _ => Err(format!("ended with {:?}:\n{}", done.status, done.err)),
        }
    }

    /// Whether somebody has said what a process does by itself where no runner hears it.
    fn takes_over(&self) -> bool {
        self.summary.acts.iter().any(|a| a.contains("\"abort\"") || a.contains("\"kill\""))
    }

    fn compare(&mut self, for_good: bool) -> Result<(), String> {
        let (env, file) = (self.ground.environment(), self.world.recording());
        let work = self.world.work();
        let history = work.canary(&["history", "checkout", "--format", "json"]);
        if history.code() != 0 {
            // no run was begun
            self.summary.refused = true;
            return Ok(());
        }
        let runs = work.canary(&["history", "--format", "json"]).exits(0);
        let runs: Value = serde_json::from_str(&runs.out).unwrap();
        let verdict = runs["runs"][0]["verdict"].as_str().map(str::to_owned);
        let part = work.path(&format!("{file}.part"));
        if self.gap.is_none() && part.exists() && verdict.is_some() && !for_good {
            // killed at the very end, or taken over
            let args = ["run", "policy.canary", "--env", env, "--record", file, "--resume"];
            let done = work.canary(&args).exits(3);
            self.log.push_str(&done.err);
        }
        let told = work.canary(&["history", "checkout"]).exits(0).out;
        let history: Value = serde_json::from_str(&history.out).unwrap();
        let journal: Vec<Value> = history["events"].as_array().unwrap().clone();
        self.summary.verdict = verdict.unwrap_or_else(|| String::from("open"));
        // the journal is gone
        std::fs::rename(work.path(".canary"), work.path("deleted")).unwrap();
        // a full disk has no room for the recording either; what was written at an earlier stop ends there
        let at = if part.exists() && (for_good || file.starts_with("small")) { "elsewhere.parquet" } else { file };
        if part.exists() && (at != file || !work.path(file).exists()) {
            let part = format!("{file}.part");
            let args = ["record", "policy.canary", "--env", env, "--finish", &part, "-o", at];
            let done = work.canary(&args);
            self.log.push_str(&done.err);
            if done.code() != 0 {
                return Err(format!("the side file cannot be finished: {}", done.err));
            }
            self.summary.finished = true;
        }
        let Ok(bytes) = std::fs::read(work.path(at)) else {
            return if journal.is_empty() { Ok(()) } else { Err(format!("there is no recording: {}", self.log)) };
        };
        let recording = decode(&bytes, at).map_err(|e| e.to_string())?;
        let sim = work.canary(&["sim", "policy.canary", "--env", env, "--recording", at, "--format", "json"]);
        sound(&sim)?;
        let replay: Value = serde_json::from_str(&sim.out).map_err(|e| format!("sim: {e}: {}", sim.err))?;
        std::fs::write(work.path("replay.json"), &sim.out).unwrap();
        std::fs::write(work.path("journal.json"), format!("{history:#}")).unwrap();
        let whole = !recording.about.incomplete;
        if !whole && self.gap.is_none() && !self.takes_over() && !self.summary.finished {
            return Err(String::from("the recording is not complete, and nobody knows why"));
        }
        let whole = whole && !self.summary.finished && self.gap.is_none();
        self.same(&journal, &told, &replay["outcome"], whole)
    }

    /// Every decision: its time, its record with the explanation, and its words as people read them.
    fn same(&mut self, journal: &[Value], told: &str, outcome: &Value, whole: bool) -> Result<(), String> {
        let decisions = outcome["decisions"].as_array().ok_or("no decisions")?;
        let journal: Vec<(String, String)> = journal
            .iter()
            .filter(|e| !NOT_DECISIONS.contains(&e["kind"].as_str().unwrap()))
            .map(|e| {
                let mut body = e.as_object().unwrap().clone();
                let at = body.shift_remove("at").unwrap();
                body.shift_remove("seq");
                (at.as_str().unwrap().to_owned(), Value::Object(body).to_string())
            })
            .collect();
        let utc = |at: &Value| {
            let at = chrono::DateTime::from_timestamp_millis(at.as_i64().unwrap()).unwrap();
            at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
        };
        let replayed: Vec<(String, String)> =
            decisions.iter().map(|d| (utc(&d["at"]), d["record"].to_string())).collect();
        for (i, (there, here)) in journal.iter().zip(&replayed).enumerate() {
            if there != here {
                return Err(format!(
                    "event {i} differs\n  journal {} {}\n  replay  {} {}",
                    there.0, there.1, here.0, here.1
                ));
            }
        }
        // an explanation is part of its record; beside it, it is the same
        for d in decisions {
            let within = d["record"].get("explanation").unwrap_or(&Value::Null);
            if d["explanation"] != *within {
                return Err(format!("an explanation is not that of its record: {d}"));
            }
        }
        let common = journal.len().min(replayed.len());
        if whole && journal.len() != replayed.len() {
            return Err(format!(
                "the journal has {} events, the replay {}; behind the common ones:\n  {:?}\n  {:?}",
                journal.len(),
                replayed.len(),
                journal.get(common),
                replayed.get(common)
            ));
        }
        let local = |at: &Value| {
            let at = chrono::DateTime::from_timestamp_millis(at.as_i64().unwrap()).unwrap();
            at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S").to_string()
        };
        let said: String = decisions
            .iter()
            .take(common)
            .map(|d| format!("{} {}\n", local(&d["at"]), d["text"].as_str().unwrap()))
            .collect();
        if !told.starts_with(&said) {
            let differs = said.lines().zip(told.lines()).find(|(a, b)| a != b);
            return Err(format!("the words differ: {differs:?}"));
        }
        if common < 2 && journal.len() > 2 {
            return Err(format!("next to nothing was recorded: {common} of {} events", journal.len()));
        }
        for (_, body) in journal.iter().take(common) {
            let body: Value = serde_json::from_str(body).unwrap();
            *self.summary.kinds.entry(body["kind"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        self.summary.decisions = common;
        if journal.len() != replayed.len() {
            let why = self.gap.clone().unwrap_or_else(|| {
                String::from(if self.summary.finished { "killed for good" } else { "another process took it back" })
            });
            self.summary.prefix = Some(format!("{} of {}: {why}", replayed.len(), journal.len()));
        }
        Ok(())
    }
}

/// No command may panic.
fn sound(done: &Done) -> Result<(), String> {
    if done.err.contains("panicked") || done.code() == 101 || done.code() == 2 {
        return Err(format!("a command ended with {:?}: {}", done.status, done.err));
    }
    Ok(())
}
