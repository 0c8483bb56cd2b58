//! `canary run --record`: where what reaches the engine is kept while it runs, and the recording that is made of it.

use super::exit::{Refusal, Status, because};
use super::recording::{Gathered, about, write};
use crate::backend::quoted;
use crate::engine::State;
use crate::plan::{Bindings, Plan, show};
use crate::runtime::recorder::{Head, Part, Recorder, digest, read, run_of};
use crate::sim::recording::{Happened, Recording};
use crate::store::Run;
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
                "--record: {part} holds an unfinished recording{of}: with `--resume` it goes on; otherwise name another file, or \
                 remove it"
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
    pub fn salvage(&self, plan: &Plan, bindings: &Bindings, run: &Run, state: &State) {
        if self.part.exists() && self.of_run(plan, run).is_ok() {
            self.finish(plan, bindings, run, state, true);
            if self.file.exists() {
                eprintln!("canary: what was recorded of run {}, which is over, is in {}", run.id, self.file.display());
            }
        }
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

    /// Writes the recording of a run that was left in a state. `over`: it will not go on. What went wrong is said on standard error:
    /// the exit status is about the run.
    pub fn finish(&self, plan: &Plan, bindings: &Bindings, run: &Run, state: &State, over: bool) {
        let mut part = match read(&self.part) {
            Ok(part) => part,
            Err(e) => return eprintln!("canary: the run was not recorded: {e}"),
        };
        let all = part.until(&digest(state));
        if part.lines.is_empty() {
            // nothing has reached the journal
            let _ = std::fs::remove_file(&self.part);
            return;
        }
        let written = recording(plan, bindings, run, part, all).and_then(|r| write(&r, &self.file));
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

/// The recording that a side file is made into. `all`: it leads to the end.
fn recording(plan: &Plan, bindings: &Bindings, run: &Run, part: Part, all: bool) -> Result<Recording, String> {
    let mut about = about(plan, bindings);
    about.run = Some(run.id.to_string());
    if !all {
        about.writer.push_str(", incomplete");
    }
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
