//! `canary run --record`: where what reaches the engine is kept while it runs, and the recording that is made of it, by the run or,
//! where nobody goes on with it, by `canary record --finish`.

use super::exit::{Refusal, Status, because};
use super::recording::{Gathered, about, write_with_plan};
use super::run_record_slices::left_slices;
use crate::backend::quoted;
use crate::engine::State;
use crate::plan::{Bindings, Plan, show};
use crate::runtime::fault;
use crate::runtime::recorder::{Head, Part, Recorder, digest, read, run_of};
use crate::sim::recording::{Happened, Recording, decode};
use crate::sim::replay::outcome::Decision;
use crate::sim::replay::{Scenario, replay};
use crate::store::{Event, EventFilter, Run, Store};
use std::path::{Path, PathBuf};

/// Where a run is to be recorded.
#[derive(Debug, Clone)]
pub struct Target {
    file: PathBuf,
    part: PathBuf,
}

impl Target {
    /// A recording, and the side file that it is made of.
    #[must_use]
    pub fn of(file: &Path) -> Self {
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        Self { file: file.to_owned(), part: PathBuf::from(part) }
    }

    /// Refuses what cannot be recorded.
    ///
    /// # Errors
    /// The exit status; it was said on standard error.
    pub fn check(&self) -> Result<(), Status> {
        let shown = self.file.display();
        let why = if self.file.is_dir() {
            format!("--record: {shown} is a folder: name a file in it")
        } else if self.file.as_os_str() == "-" {
            "--record: a recording is a Parquet file, and cannot go to standard output: name a file".to_owned()
        } else {
            return Ok(());
        };
        Err(because(Status::Wrong, &why))
    }

    /// Whether a new recording could begin: said before preflight takes its time.
    ///
    /// # Errors
    /// Something is in its place.
    pub fn is_free(&self) -> Result<(), Refusal> {
        let (file, part) = (self.file.display(), self.part.display());
        if self.part.exists() {
            let of = run_of(&self.part).map_or_else(String::new, |run| format!(" of run {run}"));
            return Err(Refusal::one(format!(
                "--record: {part} holds an unfinished recording{of}: with `--resume` it goes on, `canary record … --finish {part}` \
                 makes a recording of what there is; otherwise name another file, or remove it"
            )));
        }
        if self.file.exists() {
            return Err(Refusal::one(format!("--record: {file} is there already: name another file, or remove it")));
        }
        // found out now, and not when there is a run in the store already
        let tried = std::fs::OpenOptions::new().write(true).create_new(true).open(&self.part);
        tried.map_err(|e| Refusal::one(format!("--record: {part} cannot be written: {e}")))?;
        let _ = std::fs::remove_file(&self.part);
        Ok(())
    }

    /// The recorder of a run that begins. `begun`: it has begun before, and nothing of it reached the journal.
    ///
    /// # Errors
    /// The side file is another run's, or cannot be written.
    pub fn begin(&self, plan: &Plan, run: &Run, begun: bool) -> Result<Recorder, Refusal> {
        let refused = |e: String| Refusal::one(format!("--record: {e}"));
        if begun && self.part.exists() {
            let part = self.of_run(plan, run)?;
            return Recorder::go_on(&self.part, &part, plan.check_every).map_err(refused);
        }
        Recorder::create(&self.part, &Head::of(plan, run.id.as_str()), plan.check_every).map_err(refused)
    }

    /// The recorder of a run that goes on from a state, and what should be known.
    ///
    /// # Errors
    /// The side file is another run's, or does not lead to this state; it cannot be written.
    pub fn go_on(&self, plan: &Plan, run: &Run, state: &State) -> Result<(Recorder, Option<String>), Refusal> {
        let refused = |e: String| Refusal::one(format!("--record: {e}"));
        if !self.part.exists() {
            self.is_free()?;
            let recorder = Recorder::create(&self.part, &Head::of(plan, run.id.as_str()), plan.check_every);
            let text = format!(
                "the recording begins in the middle of run {}: what came before it is not in {}",
                run.id,
                self.file.display()
            );
            return Ok((recorder.map_err(refused)?, Some(text)));
        }
        let part = self.of_run(plan, run)?;
        if !part.lines.is_empty() && !part.lines.iter().any(|l| l.after == digest(state)) {
            let last = part.lines.iter().rev().find_map(|l| match l.happened {
                Happened::Start { at, .. } | Happened::Check { at, .. } => Some(at),
                _ => None,
            });
            let until = last.map_or_else(String::new, |at| format!("; its last check is that of {}", show::utc(at)));
            let since = state.last.map_or_else(String::new, |at| format!(", that of the run {}", show::utc(at)));
            return Err(Refusal::one(format!(
                "--record: {} does not lead to where run {} was left{until}{since}: what came between was not recorded. \
                 `--record` with another file records from here on; without `--record` the run goes on unrecorded",
                self.part.display(),
                run.id
            )));
        }
        Ok((Recorder::go_on(&self.part, &part, plan.check_every).map_err(refused)?, None))
    }

    /// Writes what was recorded of a run that ended when nobody recorded it any more: its runner was killed at the very end, or
    /// `abort` took it over. Nothing where there is no side file of it.
    pub fn salvage(&self, plan: &Plan, bindings: &Bindings, store: &Store, run: &Run, state: &State) {
        if self.part.exists() && self.of_run(plan, run).is_ok() {
            self.finish(plan, bindings, store, run, state, true);
            if self.file.exists() {
                eprintln!("canary: what was recorded of run {}, which is over, is in {}", run.id, self.file.display());
            }
        }
    }

    /// Whether the recording that is there is an earlier one of this run.
    fn is_of(&self, run: &Run) -> bool {
        let found = std::fs::read(&self.file).ok().and_then(|bytes| decode(&bytes, "").ok());
        found.is_some_and(|r| r.about.run.as_deref() == Some(run.id.as_str()))
    }

    /// The side file, if it is this run's.
    fn of_run(&self, plan: &Plan, run: &Run) -> Result<Part, Refusal> {
        let part =
            read(&self.part).map_err(|e| Refusal::one(format!("--record: {e}: name another file, or remove it")))?;
        if part.head == Head::of(plan, run.id.as_str()) {
            return Ok(part);
        }
        Err(self.of_another(&part.head.run, run))
    }

    /// The recording.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The side file that it is made of.
    pub(super) fn part(&self) -> &Path {
        &self.part
    }

    /// The side file is that of another run.
    pub(super) fn of_another(&self, other: &str, run: &Run) -> Refusal {
        Refusal::one(format!(
            "--record: {} is the recording of run {other}, and this is run {}: name another file",
            self.part.display(),
            run.id
        ))
    }

    /// What a side file held, if it is still this run's and nothing stands in the recording's place; else why nothing is written.
    pub(super) fn of_this<T>(&self, run: &Run, read: Result<(Head, T), String>, head: &Head) -> Result<T, String> {
        let (file, part) = (self.file.display(), self.part.display());
        let held = match read {
            Ok((found, held)) if found == *head => held,
            Ok((Head { run: other, .. }, _)) => {
                return Err(format!(
                    "the run is not recorded: {part} is of run {other} by now; {MOVED}, if this run's is still there"
                ));
            }
            Err(e) => return Err(format!("the run is not recorded: {e}; {MOVED}, if it was moved away")),
        };
        if self.file.exists() && !self.is_of(run) {
            return Err(format!(
                "the recording is not written, {part} is kept: {file} is something else by now; {MOVED}"
            ));
        }
        Ok(held)
    }

    /// Writes the recording of a run that was left in a state. `over`: it will not go on. What went wrong is said on standard error:
    /// the exit status is about the run.
    pub fn finish(&self, plan: &Plan, bindings: &Bindings, store: &Store, run: &Run, state: &State, over: bool) {
        let read =
            self.of_this(run, read(&self.part).map(|part| (part.head.clone(), part)), &Head::of(plan, run.id.as_str()));
        let mut part = match read {
            Ok(part) => part,
            Err(why) => return eprintln!("canary: {why}"),
        };
        let all = part.until(&digest(state));
        if !all {
            // the process that wrote the last lines may have ended before the journal had them, and another one gone on without
            let told = store.events(&run.id, &EventFilter::default()).unwrap_or_default();
            part = agreed(plan, bindings, part, &told);
        }
        if part.lines.is_empty() {
            // nothing has reached the journal
            let _ = std::fs::remove_file(&self.part);
            return;
        }
        fault::point("gathered");
        let written = recording(plan, bindings, part, all).and_then(|r| write_with_plan(&r, plan, &self.file));
        fault::point("written");
        self.say_written(written, all, over);
    }

    /// Says what became of a recording, and removes the side file where nothing more comes of it. `all`: it leads to the end.
    pub(super) fn say_written(&self, written: Result<(), String>, all: bool, over: bool) {
        let said = |text: &str| eprintln!("canary: {text}");
        let shown = self.file.display();
        match written {
            Err(e) => said(&format!("the recording is not written, {} is kept: {e}", self.part.display())),
            Ok(()) if over => {
                let _ = std::fs::remove_file(&self.part);
                if !all {
                    said(&format!("the recording {shown} is not complete: it ends before the run does"));
                }
            }
            Ok(()) => {
                let file = quoted(&shown.to_string());
                said(&format!("what was recorded so far is in {shown}; with `--resume --record {file}` it goes on"));
            }
        }
    }
}

/// What becomes of a side file that no run finishes.
const MOVED: &str = "`canary record … --finish` makes a recording of a side file";

/// The recording of a side file alone, for a run that nobody goes on with, whether there is a journal of it or not; and whether it
/// leads to the run's end.
///
/// # Errors
/// It is no side file, or of another plan, or empty; in words.
pub fn left(plan: &Plan, bindings: &Bindings, side: &Path) -> Result<(Recording, bool), String> {
    let (mut made, begins) = if plan.slices.is_empty() {
        let part = read(side)?;
        of_plan(plan, side, &part.head, part.lines.is_empty())?;
        let begins = begins(&part);
        (recording(plan, bindings, part, true)?, begins)
    } else {
        left_slices(plan, bindings, side)?
    };
    // nobody but the engine knows where the run stood
    let over = begins && replay(plan, &made, &Scenario::default()).verdict.is_some();
    if !over {
        made.about.incomplete = true;
    }
    Ok((made, over))
}

/// Refuses a side file of another plan, or with nothing in it.
pub(super) fn of_plan(plan: &Plan, side: &Path, head: &Head, empty: bool) -> Result<(), String> {
    let (shown, Head { run, rollout, policy, .. }) = (side.display(), head);
    if *policy != plan.hash {
        let short = |h: &str| h.chars().take(12).collect::<String>();
        return Err(format!(
            "{shown} is of run {run} of {rollout}, which had another plan ({} then, {} now): with the files, `--env` and `--set` of \
             then it is made into a recording",
            short(policy),
            short(&plan.hash)
        ));
    }
    if empty {
        return Err(format!("{shown} is of run {run}, and nothing of it was recorded"));
    }
    Ok(())
}

/// A side file without the last lines that come to something else than the journal says.
fn agreed(plan: &Plan, bindings: &Bindings, part: Part, journal: &[Event]) -> Part {
    let first = |n: usize| Part { lines: part.lines.iter().take(n).cloned().collect(), ..part.clone() };
    let agrees = |n: usize| {
        let Ok(made) = recording(plan, bindings, first(n), true) else { return true };
        let decisions = replay(plan, &made, &Scenario::default()).decisions;
        let same = |d: &Decision, e: &Event| {
            d.at == e.at && serde_json::to_value(&d.record).is_ok_and(|record| record == e.body)
        };
        decisions.len() <= journal.len() && decisions.iter().zip(journal).all(|(d, e)| same(d, e))
    };
    // from the middle of a run nobody can say what its inputs come to
    if !begins(&part) || agrees(part.lines.len()) {
        return part;
    }
    // what a line comes to does not depend on those behind it
    let (mut good, mut bad) = (0, part.lines.len());
    while bad - good > 1 {
        let middle = good.midpoint(bad);
        if agrees(middle) { good = middle } else { bad = middle }
    }
    first(good)
}

/// Whether a side file begins with its run.
fn begins(part: &Part) -> bool {
    matches!(part.lines.first().map(|l| &l.happened), Some(Happened::Start { .. }))
}

/// The recording that a side file is made into. `all`: it leads to the end.
fn recording(plan: &Plan, bindings: &Bindings, part: Part, all: bool) -> Result<Recording, String> {
    let mut about = about(plan, bindings);
    about.run = Some(part.head.run);
    about.incomplete = !all;
    let mut gathered = Gathered::default();
    let mut happened = Vec::with_capacity(part.lines.len());
    let mut checks = Vec::new();
    for line in part.lines {
        let at = line.happened.at();
        if matches!(line.happened, Happened::Start { .. } | Happened::Check { .. }) {
            checks.push(at);
        }
        for (id, answer) in line.answers {
            let input = plan.inputs.get(id.index()).ok_or("its side file names an input that the plan has not")?;
            gathered.add(input, &[], at, answer)?;
        }
        happened.push(line.happened);
    }
    let first = happened.first().map_or(0, Happened::at);
    about.from = checks.first().copied().unwrap_or(first);
    about.to = checks.last().copied().unwrap_or(first);
    Ok(Recording { about, series: gathered.series(), happened })
}
