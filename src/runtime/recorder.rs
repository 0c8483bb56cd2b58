//! Keeps everything that reaches the engine of a run, beside its journal: observations only, no decision.
//!
//! One line of JSON an input, in a side file, written ahead of the journal and by threads of their own: a disk that is full or slow
//! costs the recording and never a check. One thread writes and another one waits for the disk: behind a line that the disk takes
//! long over the next ones are in the system's hands all the same, which outlives this process. Each line has a digest of the engine's state before and after it. Lines are a chain by
//! these: where one begins at an earlier state than the line before it has left, what is between never happened for the journal (the
//! process ended between the two writes, or the journal could not be written), and is dropped when the file is read.

use crate::engine::{Input, Operator, State};
use crate::plan::{Answer, InputId, Millis, Missing, Plan, Population, PortId, Reading, Setting};
use crate::sim::recording::Happened;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

/// Lines that may wait for a slow disk; with more the recording ends.
const WAITING: usize = 256;
/// How long the end of a run waits for lines that are still being written.
const CLOSING: Duration = Duration::from_secs(5);
/// The version of the side file.
const VERSION: u32 = 1;

/// The first line of a side file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the side file: 1.
    pub part: u32,
    /// The run.
    pub run: String,
    /// Its rollout.
    pub rollout: String,
    /// The hash of its plan.
    pub policy: String,
}

impl Head {
    /// The head of a run's side file.
    #[must_use]
    pub fn of(plan: &Plan, run: &str) -> Self {
        Self { part: VERSION, run: run.to_owned(), rollout: plan.rollout.clone(), policy: plan.hash.clone() }
    }
}

/// One input, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The digest of the state before it.
    pub before: String,
    /// The digest of the state after it.
    pub after: String,
    /// What it was, but for answers.
    pub happened: Happened,
    /// The answers that came with it, by input. A number that is none (NaN, ∞) is [`Missing::NotANumber`], as which the engine takes
    /// it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<(InputId, Answer)>,
}

/// What is left of a side file that was read.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its head.
    pub head: Head,
    /// The inputs that reached the journal, in order.
    pub lines: Vec<Line>,
    /// How many bytes are whole lines; behind them a line may stand that was being written when the process ended.
    pub whole: u64,
}

impl Part {
    /// Drops what stands behind the state with a digest. Returns whether there is such a state; else nothing is dropped.
    pub fn until(&mut self, digest: &str) -> bool {
        let last = self.lines.iter().rposition(|l| l.after == digest);
        if let Some(last) = last {
            self.lines.truncate(last + 1);
        }
        last.is_some()
    }
}

/// The digest of a state: two are equal when everything that a run goes on from is.
#[must_use]
pub fn digest(state: &State) -> String {
    let mut hex = String::with_capacity(32);
    let bytes = serde_json::to_vec(state).unwrap_or_default();
    for byte in Sha256::digest(bytes).iter().take(16) {
        // a String takes all that is written
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Reads a side file. A last line that is not whole is left out.
///
/// # Errors
/// It cannot be read, or is no side file of this version; in words, with the path.
pub fn read(path: &Path) -> Result<Part, String> {
    let mut part = Vec::new();
    let (head, whole) = scan(path, VERSION, &mut |bytes, _| {
        let line: Line = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        take(&mut part, line);
        Ok(())
    })?;
    Ok(Part { head, lines: part, whole })
}

/// The run that a side file is of, whatever run that is.
#[must_use]
pub fn run_of(path: &Path) -> Option<String> {
    let mut first = Vec::new();
    BufReader::new(File::open(path).ok()?).read_until(b'\n', &mut first).ok()?;
    serde_json::from_slice::<Head>(&first).ok().map(|head| head.run)
}

/// What is done with a line of a side file that stands at so many bytes.
type Each<'a> = dyn FnMut(&[u8], u64) -> Result<(), String> + 'a;

/// Reads a side file line by line: `each` is given every whole line behind the head, and where it stands. Returns the head, and how
/// many bytes are whole lines.
pub(super) fn scan(path: &Path, version: u32, each: &mut Each<'_>) -> Result<(Head, u64), String> {
    let shown = path.display();
    let file = File::open(path).map_err(|e| format!("{shown} cannot be read: {e}"))?;
    let mut lines = BufReader::new(file);
    let mut head: Option<Head> = None;
    let (mut whole, mut number) = (0_u64, 0_u64);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        let n = lines.read_until(b'\n', &mut bytes).map_err(|e| format!("{shown} cannot be read: {e}"))?;
        number += 1;
        if n == 0 || bytes.last() != Some(&b'\n') {
            break;
        }
        match &head {
            None => {
                let found = serde_json::from_slice::<Head>(&bytes).ok().filter(|h| h.part == version);
                let why =
                    || format!("{shown} is no side file of a recording that this version of canary can go on with");
                head = Some(found.ok_or_else(why)?);
            }
            Some(_) => {
                each(&bytes, whole).map_err(|e| format!("{shown} is damaged: line {number} cannot be read: {e}"))?;
            }
        }
        whole += n as u64;
    }
    let head = head.ok_or_else(|| format!("{shown} has no first line: it is no side file of a recording"))?;
    Ok((head, whole))
}

/// Appends a line to a chain. What the journal has not got is dropped: a line that begins where the chain does not end.
fn take(lines: &mut Vec<Line>, line: Line) {
    if matches!(line.happened, Happened::Start { .. }) {
        lines.clear();
    } else if let Some(last) = lines.iter().rposition(|l| l.after == line.before) {
        lines.truncate(last + 1);
    } else {
        // a recording that begins in the middle of a run, or whose first line was dropped
        lines.clear();
    }
    lines.push(line);
}

/// Writes what reaches the engine of one run.
pub struct Recorder {
    path: PathBuf,
    lines: Option<SyncSender<Vec<u8>>>,
    written: Receiver<Result<(), String>>,
    /// Lines of which the threads have not said yet what became of them.
    open: usize,
    /// How long a step may wait for its line; not at all while an earlier one is on its way.
    patience: Duration,
    trouble: Option<String>,
}

/// An input on its way: its engine has not stepped yet.
#[derive(Debug)]
pub struct Noted {
    happened: Happened,
    answers: Vec<(InputId, Answer)>,
}

impl Recorder {
    /// Begins a new side file.
    ///
    /// # Errors
    /// It is there already, or cannot be written; in words, with the path.
    pub fn create(path: &Path, head: &Head, check_every: Millis) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("{} cannot be written: {e}", path.display());
        let mut file = OpenOptions::new().append(true).create_new(true).open(path).map_err(failed)?;
        let mut first = serde_json::to_vec(head).map_err(|e| e.to_string())?;
        first.push(b'\n');
        file.write_all(&first).and_then(|()| file.sync_all()).map_err(failed)?;
        Self::on(path, file, check_every).map_err(failed)
    }

    /// Goes on with a side file, behind its whole lines.
    ///
    /// # Errors
    /// It cannot be written; in words, with the path.
    pub fn go_on(path: &Path, part: &Part, check_every: Millis) -> Result<Self, String> {
        Self::behind(path, part.whole, check_every)
    }

    /// Goes on with a side file of which so many bytes are whole lines.
    pub(super) fn behind(path: &Path, whole: u64, check_every: Millis) -> Result<Self, String> {
        let failed = |e: std::io::Error| format!("{} cannot be written: {e}", path.display());
        let file = OpenOptions::new().append(true).open(path).map_err(failed)?;
        file.set_len(whole).and_then(|()| file.sync_all()).map_err(failed)?;
        Self::on(path, file, check_every).map_err(failed)
    }

    fn on(path: &Path, mut file: File, check_every: Millis) -> std::io::Result<Self> {
        let synced = file.try_clone()?;
        // what is to be ahead of the journal has to be on the disk before it
        Ok(Self::by(path, check_every, move |line| file.write_all(line), move || synced.sync_data()))
    }

    fn by(
        path: &Path,
        check_every: Millis,
        mut put: impl FnMut(&[u8]) -> std::io::Result<()> + Send + 'static,
        mut sync: impl FnMut() -> std::io::Result<()> + Send + 'static,
    ) -> Self {
        let (lines, to_write) = sync_channel::<Vec<u8>>(WAITING);
        let (pass_on, to_sync) = channel::<()>();
        let (tell, written) = channel::<Result<(), String>>();
        let failed = tell.clone();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let writes = thread("recorder").spawn(move || {
            for line in to_write {
                // behind a line that was cut off nothing can be read any more: the first failure is the last line
                match put(&line) {
                    Ok(()) if pass_on.send(()).is_ok() => {}
                    Ok(()) => return,
                    Err(e) => {
                        let _ = failed.send(Err(e.to_string()));
                        return;
                    }
                }
            }
        });
        let syncs = thread("recorder's disk").spawn(move || {
            while to_sync.recv().is_ok() {
                // one wait for the disk is for all that is written by then
                let lines = 1 + to_sync.try_iter().count();
                let done = sync().map_err(|e| e.to_string());
                for _ in 0..lines {
                    if tell.send(done.clone()).is_err() {
                        return;
                    }
                }
                if done.is_err() {
                    return;
                }
            }
        });
        let started = writes.and(syncs);
        let patience = Duration::from_millis(u64::try_from((check_every / 20).clamp(5, 50)).unwrap_or(5));
        Self {
            path: path.to_owned(),
            lines: Some(lines),
            written,
            open: 0,
            patience,
            trouble: started.err().map(|e| e.to_string()),
        }
    }

    /// What an input is in a recording; `None` for one that the engine passes over.
    #[must_use]
    pub fn note(&self, plan: &Plan, state: &State, input: &Input<'_>) -> Option<Noted> {
        if self.trouble.is_some() {
            return None;
        }
        let by_name = |list: &[(PortId, Setting)]| -> Vec<(String, Setting)> {
            list.iter().map(|(p, s)| (plan.port_name(*p).to_owned(), *s)).collect()
        };
        let mut answered = Vec::new();
        let happened = match input {
            Input::Start { at, originals, answers, baseline, rolled_back } => {
                answered = measured(plan, answers);
                let before = baseline.iter().enumerate();
                answered.extend(before.filter_map(|(i, a)| Some((InputId::at(i), finite(a.as_ref()?)))));
                answered.sort_by_key(|(i, _)| *i);
                Happened::Start { at: *at, originals: by_name(originals), rolled_back: *rolled_back }
            }
            // the engine passes over a check that is not later than the last one
            Input::Tick { at, .. } if state.last.is_some_and(|last| *at <= last) => return None,
            Input::Tick { at, answers, ports, ports_epoch, live } => {
                answered = measured(plan, answers);
                let read = ports.iter().enumerate().filter_map(|(i, s)| Some((PortId::at(i), (*s)?)));
                let ports = by_name(&read.collect::<Vec<_>>());
                Happened::Check { at: *at, ports, ports_epoch: *ports_epoch, live: *live }
            }
            Input::Verified { at, epoch, read } => Happened::Verified { at: *at, epoch: *epoch, read: by_name(read) },
            Input::ActionEnded { at, token, ok, how, output } => {
                Happened::ActionEnded { at: *at, token: *token, ok: *ok, how: how.clone(), output: output.clone() }
            }
            Input::Operator { at, act, who, why } => {
                let (act, of) = match act {
                    Operator::Pause => ("pause", None),
                    Operator::Resume => ("resume", None),
                    Operator::Abort => ("abort", None),
                    Operator::Approve(group) => ("approve", Some(plan.group_name(*group))),
                    Operator::Kill(switch) => ("kill", Some(plan.switch_name(*switch))),
                    Operator::Reset(switch) => ("reset", Some(plan.switch_name(*switch))),
                };
                Happened::Operator {
                    at: *at,
                    act: act.to_owned(),
                    of: of.map(str::to_owned),
                    who: who.clone(),
                    why: why.clone(),
                }
            }
            Input::Recovered { at } => Happened::Recovered { at: *at },
            // of rollouts with several lives, which are recorded by another recorder
            Input::Halted { .. } | Input::Thrown { .. } => return None,
        };
        Some(Noted { happened, answers: answered })
    }

    /// Keeps an input with the states before and after it. Returns what people should know: the recording has ended here.
    pub fn keep(&mut self, noted: Noted, before: &State, after: &State) -> Option<String> {
        let (before, after) = (digest(before), digest(after));
        self.put(&Line { before, after, happened: noted.happened, answers: noted.answers })
    }

    fn put(&mut self, line: &Line) -> Option<String> {
        let bytes = serde_json::to_vec(line).map(|mut b| {
            b.push(b'\n');
            b
        });
        self.put_bytes(bytes.map_err(|e| e.to_string()))
    }

    /// Whether nothing is written any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.lines.is_none() || self.trouble.is_some()
    }

    /// Writes a line, its end included. Returns what people should know: the recording has ended here.
    pub(super) fn put_bytes(&mut self, bytes: Result<Vec<u8>, String>) -> Option<String> {
        let sent = match (&self.lines, bytes) {
            (None, _) => return None,
            (_, Err(e)) => Err(e),
            _ if self.open >= WAITING => Err(too_slow()),
            (Some(lines), Ok(bytes)) => lines.try_send(bytes).map_err(|e| match e {
                TrySendError::Full(_) => too_slow(),
                // why is among what it has said
                TrySendError::Disconnected(_) => String::from("it cannot be written"),
            }),
        };
        if sent.is_ok() {
            self.open += 1;
            if self.open == 1 {
                match self.written.recv_timeout(self.patience) {
                    Ok(done) => self.note_done(done),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => self.give_up("its thread has ended"),
                }
            }
        }
        while let Ok(done) = self.written.try_recv() {
            self.note_done(done);
        }
        if let Err(why) = sent {
            self.give_up(&why);
        }
        match (&self.trouble, self.lines.is_some()) {
            (Some(why), true) => {
                self.lines = None;
                Some(self.ended(why))
            }
            _ => None,
        }
    }

    fn note_done(&mut self, done: Result<(), String>) {
        self.open = self.open.saturating_sub(1);
        if let Err(why) = done {
            self.give_up(&why);
        }
    }

    fn give_up(&mut self, why: &str) {
        self.trouble.get_or_insert_with(|| why.to_owned());
    }

    fn ended(&self, why: &str) -> String {
        format!("the recording ends here, the run goes on: {}: {why}", self.path.display())
    }

    /// Waits a little for what is still being written. Returns why the recording is not complete, if it is not.
    pub fn close(mut self) -> Option<String> {
        self.lines = None;
        while self.open > 0 && self.trouble.is_none() {
            match self.written.recv_timeout(CLOSING) {
                Ok(done) => self.note_done(done),
                Err(RecvTimeoutError::Timeout) => {
                    self.give_up(&format!("{} inputs were not written within {}s", self.open, CLOSING.as_secs()));
                }
                Err(RecvTimeoutError::Disconnected) => self.give_up("its thread has ended"),
            }
        }
        self.trouble
    }
}

fn too_slow() -> String {
    format!("the disk is too slow: {WAITING} inputs wait to be written")
}

/// The answers to what is asked at a check, as they are kept.
fn measured(plan: &Plan, answers: &[Answer]) -> Vec<(InputId, Answer)> {
    let at_checks = |i: usize| plan.inputs.get(i).is_some_and(|x| x.population != Population::Before);
    let answers = answers.iter().enumerate().filter(|(i, _)| at_checks(*i));
    answers.map(|(i, a)| (InputId::at(i), finite(a))).collect()
}

/// An answer as it can be kept: a number that is none (NaN, ∞) is [`Missing::NotANumber`], as which the engine takes it.
#[must_use]
pub fn finite(answer: &Answer) -> Answer {
    let finite = match &answer.value {
        Ok(Reading::Value(v) | Reading::Increase(v)) => v.is_finite(),
        Ok(Reading::Buckets(buckets)) => buckets.iter().all(|b| b.count.is_finite()),
        Err(_) => true,
    };
    if finite { answer.clone() } else { Answer { value: Err(Missing::NotANumber), ..*answer } }
}

#[cfg(test)]
mod tests;
