//! Keeps everything that reaches the engine of a sliced run, beside its journal: observations only, no decision.
//!
//! As [`crate::runtime::recorder`] does of one life, by the same thread and in the same kind of side file, a line a step. What makes
//! its lines a chain is another thing: a digest of a hundred thousand lives at each step would cost more than the step. The engine
//! is a function, so a state is what its inputs make of it: a line's mark is the digest of the mark before it and of what it holds,
//! and the mark of the last line is kept with the state, in the same transaction. Where a line begins at an earlier mark than the
//! line before it has left, what is between never happened for the journal, and is dropped when the file is read.

use super::Kept;
use crate::engine::Operator;
use crate::engine::fleet::{FleetInput, Observed, SliceId};
use crate::plan::{Answer, Bucket, InputId, Millis, Missing, Plan, Population, PortId, Reading, Setting, Time};
use crate::runtime::recorder::{Head, Recorder, finite, scan};
use crate::sim::recording::Happened;
use crate::sim::recording::sliced::{Begun, Read, Sliced};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::io::{Read as _, Seek, SeekFrom};
use std::path::Path;

/// The version of the side file; 1 is that of a run without slices.
const VERSION: u32 = 2;
/// So many of the latest groups of slices are looked through for one that reads the same.
const LATEST: usize = 64;

/// Where the recording of a run stands: kept with its state.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mark {
    /// The mark that the last line has left.
    pub digest: String,
    /// So many slices the recording tells of.
    pub slices: u32,
    /// The run has gone on without being recorded.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub left: bool,
    /// Where recordings of the run in other files have ended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub others: Vec<String>,
}

impl Mark {
    /// Where a recording of the run in another file stands that begins now.
    #[must_use]
    pub fn anew(before: Option<Self>) -> Option<Self> {
        let Self { digest, mut others, .. } = before?;
        others.push(digest);
        others.retain(|d| !d.is_empty());
        Some(Self { others, ..Self::default() })
    }
}

/// What a line holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Body {
    /// What reached the engine in one step, in order.
    pub happened: Vec<Happened>,
    /// The answers of a check among it, by input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<Column>,
    /// What was before the slices that may begin at it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub before: Vec<(u32, InputId, Answer)>,
}

/// What one input was answered at a check, slice by slice; one answer where it is not asked by slice.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// Which.
    pub input: InputId,
    /// Whether the numbers are increases.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    increase: bool,
    /// The numbers; none where one is missing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    values: Vec<Option<f64>>,
    /// In their place, where buckets were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    buckets: Vec<Option<Vec<Bucket>>>,
    /// When the newest sample was taken, and of how many neighbours.
    sampled: Vec<(Option<Time>, u32)>,
    /// How many series stood behind it, and behind how many neighbours.
    series: Vec<(u32, u32)>,
    /// Why there is no number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    missing: Vec<(u32, Missing)>,
}

fn run<T: PartialEq>(runs: &mut Vec<(T, u32)>, value: T) {
    match runs.last_mut() {
        Some((last, n)) if *last == value => *n += 1,
        _ => runs.push((value, 1)),
    }
}

impl Column {
    fn of(input: InputId, answers: impl Iterator<Item = Answer>) -> Self {
        let mut out = Self {
            input,
            increase: false,
            values: Vec::new(),
            buckets: Vec::new(),
            sampled: Vec::new(),
            series: Vec::new(),
            missing: Vec::new(),
        };
        for (i, answer) in answers.enumerate() {
            let place = u32::try_from(i).unwrap_or(u32::MAX);
            let Answer { value, sampled_at, series } = finite(&answer);
            run(&mut out.sampled, sampled_at);
            run(&mut out.series, series);
            let (mut number, mut buckets) = (None, None);
            match value {
                Ok(Reading::Value(v)) => number = Some(v),
                Ok(Reading::Increase(v)) => (out.increase, number) = (true, Some(v)),
                Ok(Reading::Buckets(b)) => buckets = Some(b),
                Err(why) => out.missing.push((place, why)),
            }
            // of one input all are of one kind: numbers, or buckets
            if buckets.is_some() || !out.buckets.is_empty() {
                out.buckets.resize(i, None);
                out.buckets.push(buckets);
            }
            out.values.push(number);
        }
        if !out.buckets.is_empty() {
            out.buckets.resize(out.values.len(), None);
            out.values.clear();
        }
        out
    }

    /// The answers, in the order of the slices.
    pub fn answers(&self) -> impl Iterator<Item = Answer> + '_ {
        let sampled = self.sampled.iter().flat_map(|(at, n)| std::iter::repeat_n(*at, *n as usize));
        let mut series = self.series.iter().flat_map(|(s, n)| std::iter::repeat_n(*s, *n as usize));
        let mut missing = self.missing.iter().peekable();
        sampled.enumerate().map(move |(i, sampled_at)| {
            let why = missing.next_if(|(place, _)| *place as usize == i).map(|(_, why)| why.clone());
            let number = || {
                let v = self.values.get(i).copied().flatten()?;
                Some(if self.increase { Reading::Increase(v) } else { Reading::Value(v) })
            };
            let buckets = || self.buckets.get(i).cloned().flatten().map(Reading::Buckets);
            let value = match why {
                Some(why) => Err(why),
                None => number().or_else(buckets).ok_or(Missing::NotAsked),
            };
            Answer { value, sampled_at, series: series.next().unwrap_or(0) }
        })
    }
}

/// A line of the side file, but for what it holds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Marks {
    before: String,
    after: String,
}

/// A line of the side file.
#[derive(Debug, Deserialize)]
struct Line {
    body: Body,
}

/// The lines of a side file that reached the journal.
#[derive(Debug)]
pub struct Chain {
    /// Its head.
    pub head: Head,
    /// Its lines: the mark that each has left, and where it stands.
    lines: Vec<(String, u64, usize)>,
    /// How many bytes are whole lines.
    pub whole: u64,
}

impl Chain {
    /// Reads a side file's marks. A last line that is not whole is left out.
    ///
    /// # Errors
    /// It cannot be read, or is no side file of this version; in words, with the path.
    pub fn read(path: &Path) -> Result<Self, String> {
        let mut lines: Vec<(String, u64, usize)> = Vec::new();
        let (head, whole) = scan(path, VERSION, &mut |bytes, at| {
            let marks: Marks = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            match lines.iter().rposition(|(after, ..)| *after == marks.before) {
                Some(last) => lines.truncate(last + 1),
                // the beginning, or one in the middle of a run
                None => lines.clear(),
            }
            lines.push((marks.after, at, bytes.len()));
            Ok(())
        })?;
        Ok(Self { head, lines, whole })
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether it leads to where a run was left.
    #[must_use]
    pub fn leads_to(&self, mark: Option<&Mark>) -> bool {
        mark.is_some_and(|m| !m.left && self.lines.iter().any(|(after, ..)| *after == m.digest))
    }

    /// Drops what stands behind where a run was left. Returns whether it leads there.
    pub fn until(&mut self, mark: Option<&Mark>) -> bool {
        let leads = self.leads_to(mark);
        if mark.is_none() {
            self.lines.clear();
        }
        let ends = |m: &Mark, after: &String| *after == m.digest || m.others.contains(after);
        if let Some(last) = mark.and_then(|m| self.lines.iter().rposition(|(after, ..)| ends(m, after))) {
            self.lines.truncate(last + 1);
        }
        leads
    }

    /// Reads what the lines hold, one after the other.
    ///
    /// # Errors
    /// The file cannot be read; what `take` says.
    pub fn each(&self, path: &Path, mut take: impl FnMut(Body) -> Result<(), String>) -> Result<(), String> {
        let failed = |e: &dyn std::fmt::Display| format!("{} cannot be read: {e}", path.display());
        let mut file = std::fs::File::open(path).map_err(|e| failed(&e))?;
        let mut bytes = Vec::new();
        for (_, at, length) in &self.lines {
            bytes.resize(*length, 0);
            file.seek(SeekFrom::Start(*at)).map_err(|e| failed(&e))?;
            file.read_exact(&mut bytes).map_err(|e| failed(&e))?;
            let line: Line = serde_json::from_slice(&bytes).map_err(|e| failed(&e))?;
            take(line.body)?;
        }
        Ok(())
    }
}

/// Writes what reaches the engine of one sliced run.
pub struct FleetRecorder(Recorder);

impl FleetRecorder {
    /// The head of a run's side file.
    #[must_use]
    pub fn head(plan: &Plan, run: &str) -> Head {
        Head { part: VERSION, ..Head::of(plan, run) }
    }

    /// Begins a new side file.
    ///
    /// # Errors
    /// It is there already, or cannot be written; in words, with the path.
    pub fn create(path: &Path, head: &Head, check_every: Millis) -> Result<Self, String> {
        Recorder::create(path, head, check_every).map(Self)
    }

    /// Goes on with a side file, behind its whole lines.
    ///
    /// # Errors
    /// It cannot be written; in words, with the path.
    pub fn go_on(path: &Path, whole: u64, check_every: Millis) -> Result<Self, String> {
        Recorder::behind(path, whole, check_every).map(Self)
    }

    /// What a step's inputs are in a recording; `None` where the engine passes over them, or nothing is written any more.
    #[must_use]
    pub fn note(&self, plan: &Plan, kept: &Kept, inputs: &[FleetInput<'_>]) -> Option<Body> {
        if self.0.has_ended() {
            return None;
        }
        let mut body = Body::default();
        let fleet = &kept.fleet;
        let first = inputs.first().map_or(kept.started, at);
        if kept.recorded.is_none() && fleet.last().is_none() {
            let (at, rolled_back) = (first, kept.rolled_back);
            body.happened.push(Happened::Sliced(Sliced::Start { at, rolled_back }));
        }
        body.happened.extend(seen(kept, first));
        let before = body.happened.len();
        for input in inputs {
            // the engine passes over a check that is not later than the last one
            if matches!(input, FleetInput::Tick { at, .. } if fleet.last().is_some_and(|last| *at <= last)) {
                continue;
            }
            one(plan, kept, input, &mut body);
        }
        (body.happened.len() > before).then_some(body)
    }

    /// Keeps a step's inputs. Returns where the recording stands then, and what people should know: it has ended here.
    pub fn keep(&mut self, body: &Body, kept: &Kept) -> (Option<Mark>, Option<String>) {
        let before = kept.recorded.as_ref().map_or("", |m| m.digest.as_str());
        let slices = u32::try_from(kept.fleet.len()).unwrap_or(u32::MAX);
        let bytes = match serde_json::to_vec(body) {
            Ok(bytes) => bytes,
            Err(e) => return (None, self.0.put_bytes(Err(e.to_string()))),
        };
        let mut digest = Sha256::new();
        digest.update(before.as_bytes());
        digest.update(&bytes);
        let mut after = String::with_capacity(32);
        for byte in digest.finalize().iter().take(16) {
            // a String takes all that is written
            let _ = write!(after, "{byte:02x}");
        }
        let mut line = format!("{{\"before\":\"{before}\",\"after\":\"{after}\",\"body\":").into_bytes();
        line.extend(bytes);
        line.extend(b"}\n");
        let said = self.0.put_bytes(Ok(line));
        let others = kept.recorded.as_ref().map(|m| m.others.clone()).unwrap_or_default();
        (Some(Mark { digest: after, slices, left: false, others }).filter(|_| said.is_none()), said)
    }

    /// Whether nothing is written any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.has_ended()
    }

    /// As [`Recorder::close`].
    pub fn close(self) -> Option<String> {
        self.0.close()
    }
}

/// When an input reaches the engine.
fn at(input: &FleetInput<'_>) -> Time {
    match input {
        FleetInput::Tick { at, .. }
        | FleetInput::Verified { at, .. }
        | FleetInput::ActionEnded { at, .. }
        | FleetInput::OwnActionEnded { at, .. }
        | FleetInput::Operator { at, .. }
        | FleetInput::Recovered { at } => *at,
    }
}

/// The slices that the recording does not tell of yet, in their order.
fn seen(kept: &Kept, now: Time) -> Vec<Happened> {
    let fleet = &kept.fleet;
    let known = kept.recorded.as_ref().map_or(0, |m| m.slices as usize);
    let mut times = vec![now; fleet.len().saturating_sub(known)];
    for (slice, since) in fleet.waiting_since() {
        if let Some(time) = slice.index().checked_sub(known).and_then(|i| times.get_mut(i)) {
            *time = since;
        }
    }
    let mut out: Vec<(Time, Vec<Vec<String>>)> = Vec::new();
    for (i, time) in times.into_iter().enumerate() {
        let values = fleet.key(SliceId::at(known + i)).map(<[String]>::to_vec).unwrap_or_default();
        match out.last_mut().filter(|(t, _)| *t == time) {
            Some((_, slices)) => slices.push(values),
            None => out.push((time, vec![values])),
        }
    }
    out.into_iter().map(|(at, slices)| Happened::Sliced(Sliced::Seen { at, slices })).collect()
}

fn named(plan: &Plan, list: &[(PortId, Setting)]) -> Vec<(String, Setting)> {
    list.iter().map(|(p, s)| (plan.port_name(*p).to_owned(), *s)).collect()
}

fn one(plan: &Plan, kept: &Kept, input: &FleetInput<'_>, body: &mut Body) {
    let happened = match input {
        FleetInput::Tick { at, observed, begins, live, .. } => {
            body.answers.extend(columns(plan, kept.fleet.len(), observed));
            for b in begins {
                let of = b.baseline.iter().enumerate();
                body.before.extend(of.filter_map(|(i, a)| Some((b.slice.0, InputId::at(i), finite(a.as_ref()?)))));
            }
            let begun = begins.iter().map(|b| Begun {
                slice: b.slice.0,
                originals: b.originals.as_ref().map(|o| named(plan, o)).map_err(Clone::clone),
            });
            let read = read(plan, kept.fleet.len(), observed);
            Happened::Sliced(Sliced::Check { at: *at, live: *live, read, begins: begun.collect() })
        }
        FleetInput::Verified { slice, at, epoch, read } => {
            Happened::Sliced(Sliced::Verified { at: *at, slice: slice.0, epoch: *epoch, read: named(plan, read) })
        }
        FleetInput::ActionEnded { slice, at, token, ok, how, output } => {
            ended(*at, Some(slice.0), *token, *ok, how, output)
        }
        FleetInput::OwnActionEnded { at, token, ok, how, output } => ended(*at, None, *token, *ok, how, output),
        FleetInput::Operator { slices, at, act, who, why } => {
            let (act, of) = match act {
                Operator::Pause => ("pause", None),
                Operator::Resume => ("resume", None),
                Operator::Abort => ("abort", None),
                Operator::Approve(group) => ("approve", Some(plan.group_name(*group))),
                Operator::Kill(switch) => ("kill", Some(plan.switch_name(*switch))),
                Operator::Reset(switch) => ("reset", Some(plan.switch_name(*switch))),
            };
            Happened::Sliced(Sliced::Operator {
                at: *at,
                slices: slices.iter().map(|s| s.0).collect(),
                act: act.to_owned(),
                of: of.map(str::to_owned),
                who: who.clone(),
                why: why.clone(),
            })
        }
        FleetInput::Recovered { at } => Happened::Recovered { at: *at },
    };
    body.happened.push(happened);
}

fn ended(at: Time, slice: Option<u32>, token: u32, ok: bool, how: &str, output: &str) -> Happened {
    let (how, output) = (how.to_owned(), output.to_owned());
    Happened::Sliced(Sliced::ActionEnded { at, slice, token, ok, how, output })
}

/// The answers of a check, a column an input.
fn columns(plan: &Plan, slices: usize, observed: &Observed) -> Vec<Column> {
    let inputs = plan.inputs.iter().enumerate().filter(|(_, x)| x.population != Population::Before);
    let one = |(i, input): (usize, &crate::plan::Input)| {
        let many = if input.by.is_empty() { slices.min(1) } else { slices };
        let unasked = || Answer::missing(Missing::NotAsked);
        let of = |s: usize| observed.answers(SliceId::at(s)).get(i).cloned().unwrap_or_else(unasked);
        Column::of(InputId::at(i), (0..many).map(of))
    };
    inputs.map(one).filter(|c| !c.sampled.is_empty()).collect()
}

/// What ports were read as, of slices that read the same together.
fn read(plan: &Plan, slices: usize, observed: &Observed) -> Vec<Read> {
    let mut out: Vec<Read> = Vec::new();
    for s in 0..slices {
        let slice = SliceId::at(s);
        let epoch = observed.verified(slice);
        let ports = observed.ports(slice).iter().enumerate();
        let ports: Vec<(PortId, Setting)> = ports.filter_map(|(i, is)| Some((PortId::at(i), (*is)?))).collect();
        if ports.is_empty() && epoch == 0 {
            continue;
        }
        let ports = named(plan, &ports);
        let from = out.len().saturating_sub(LATEST);
        let same = |r: &&mut Read| r.epoch == epoch && r.ports == ports;
        match out.iter_mut().skip(from).find(same) {
            None => out.push(Read { ports, epoch, of: vec![(slice.0, slice.0)] }),
            Some(r) => match r.of.last_mut().filter(|(_, last)| *last + 1 == slice.0) {
                Some((_, last)) => *last = slice.0,
                None => r.of.push((slice.0, slice.0)),
            },
        }
    }
    out
}
