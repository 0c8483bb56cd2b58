//! What was answered so far, a file a chunk, in a folder beside the recording that it is to become: a command that was stopped goes
//! on where it was.

use crate::backend::Ranged;
use crate::commands::whole::replace;
use crate::plan::{Answer, Millis, Time, show};
use crate::runtime::recorder::finite;
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The version of the folder: 1.
    pub part: u32,
    /// The rollout.
    pub rollout: String,
    /// The hash of its plan.
    pub policy: String,
    /// The environment.
    pub environment: String,
    /// The hash of its bindings.
    pub bindings: String,
    /// `--from` and `--to` as they were typed.
    pub typed: (String, String),
    /// The first check.
    pub from: Time,
    /// The last one.
    pub to: Time,
    /// Their distance.
    pub step: Millis,
}

/// The folder.
pub struct Chunks {
    folder: PathBuf,
    /// What is recorded: of a folder that was there, what it began with.
    pub wanted: Wanted,
    /// Held as long as this process writes there.
    _lock: File,
}

/// Files in the folder beside chunks.
const OURS: [&str; 4] = ["lock", "about.json", "about.new", "chunk.new"];

/// A chunk as it is kept.
type Kept = Vec<(Vec<String>, Vec<(Time, Answer)>)>;

impl Chunks {
    /// The folder of a recording: a new one, or that of the same recording.
    ///
    /// # Errors
    /// It is that of another recording, or cannot be written; in words, with a way out.
    pub fn open(output: &Path, wanted: Wanted) -> Result<Self, String> {
        let mut folder = output.as_os_str().to_owned();
        folder.push(".part");
        let folder = PathBuf::from(folder);
        let shown = folder.display().to_string();
        let failed = |e: std::io::Error| format!("{shown} cannot be written: {e}");
        if folder.is_file() {
            return Err(format!("{shown} is the side file of a run's recording: name another file with `-o`"));
        }
        std::fs::create_dir(&folder).or_else(|e| if folder.is_dir() { Ok(()) } else { Err(failed(e)) })?;
        let lock = File::create(folder.join("lock")).map_err(failed)?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(format!("another `canary record` is writing {}: wait for it", output.display()));
        }
        let about = folder.join("about.json");
        let wanted = match std::fs::read(&about) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                // what lies there is removed at the end: only what was put there
                let ours = |e: std::fs::DirEntry| OURS.contains(&e.file_name().to_string_lossy().as_ref());
                if !std::fs::read_dir(&folder).map_err(failed)?.flatten().all(ours) {
                    return Err(format!(
                        "{shown} is no folder of a recording that goes on: name another file with `-o`, or move it away"
                    ));
                }
                let text = serde_json::to_vec(&wanted).map_err(|e| e.to_string())?;
                replace(&about, &text, &folder.join("about.new")).map_err(failed)?;
                wanted
            }
            Err(e) => return Err(format!("{} cannot be read: {e}", about.display())),
            Ok(bytes) => {
                let there: Option<Wanted> = serde_json::from_slice(&bytes).ok();
                let out = format!("name another file with `-o`, or remove the folder {shown}");
                let there = there.ok_or_else(|| format!("{shown} is no folder of a recording that goes on: {out}"))?;
                if let Some(other) = there.differs(&wanted) {
                    return Err(format!("{shown} is of another recording, {other}: {out}"));
                }
                there
            }
        };
        Ok(Self { folder, wanted, _lock: lock })
    }

    /// The folder's name.
    pub fn shown(&self) -> String {
        self.folder.display().to_string()
    }

    fn file(&self, job: usize, chunk: usize) -> PathBuf {
        self.folder.join(format!("{job:03}-{chunk:05}.json"))
    }

    /// Whether a chunk is there, and can be read.
    pub fn has(&self, job: usize, chunk: usize) -> bool {
        self.read(job, chunk).is_ok()
    }

    /// Keeps a chunk.
    ///
    /// # Errors
    /// It cannot be written; in words.
    pub fn keep(&self, job: usize, chunk: usize, answers: &Ranged) -> Result<(), String> {
        let kept: Kept = answers
            .iter()
            .map(|(slice, rows)| (slice.clone(), rows.iter().map(|(at, a)| (*at, finite(a))).collect()))
            .collect();
        let file = self.file(job, chunk);
        let text = serde_json::to_vec(&kept).map_err(|e| e.to_string())?;
        replace(&file, &text, &self.folder.join("chunk.new"))
            .map_err(|e| format!("{} cannot be written: {e}", file.display()))
    }

    /// A chunk that was kept.
    ///
    /// # Errors
    /// It cannot be read; in words.
    pub fn read(&self, job: usize, chunk: usize) -> Result<Ranged, String> {
        let file = self.file(job, chunk);
        let failed = |e: &dyn std::fmt::Display| format!("{} cannot be read: {e}", file.display());
        let bytes = std::fs::read(&file).map_err(|e| failed(&e))?;
        let kept: Kept = serde_json::from_slice(&bytes).map_err(|e| failed(&e))?;
        Ok(kept.into_iter().collect())
    }

    /// Removes the folder with what was put there: the recording is written. What somebody else has put there stays.
    pub fn remove(&self) {
        for entry in std::fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            if is_chunk(&entry) || OURS.contains(&entry.file_name().to_string_lossy().as_ref()) {
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let _ = std::fs::remove_dir(&self.folder);
    }

    /// Removes a folder that holds no chunk, and says whether it did.
    pub fn remove_if_empty(&self) -> bool {
        let empty = std::fs::read_dir(&self.folder).is_ok_and(|entries| !entries.flatten().any(|e| is_chunk(&e)));
        if empty {
            self.remove();
        }
        empty
    }
}

fn is_chunk(entry: &std::fs::DirEntry) -> bool {
    let name = entry.file_name();
    let digits = |c: char| c.is_ascii_digit() || c == '-';
    name.to_string_lossy().strip_suffix(".json").is_some_and(|name| !name.is_empty() && name.chars().all(digits))
}

impl Wanted {
    /// How what was begun differs from what is asked for now. `2h` of then goes on with the times of then.
    fn differs(&self, now: &Self) -> Option<String> {
        let same_times = self.typed == now.typed || (self.from, self.to) == (now.from, now.to);
        Some(if self.part != now.part {
            String::from("made by another version of canary")
        } else if self.rollout != now.rollout {
            format!("of {} and not of {}", self.rollout, now.rollout)
        } else if self.policy != now.policy {
            String::from("made for another policy")
        } else if self.environment != now.environment || self.bindings != now.bindings {
            format!("made with another environment ({})", self.environment)
        } else if self.step != now.step {
            format!("every {}", show::duration(self.step))
        } else if !same_times {
            format!("from {} to {}", show::utc(self.from), show::utc(self.to))
        } else {
            return None;
        })
    }
}
