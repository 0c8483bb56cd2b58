//! What makes a flag file's readers read it anew: `reload: ["./restart-workers.sh"]`.

use crate::backend::BackendError;
use crate::backend::process::{self, How, Spec};
use std::path::PathBuf;
use std::time::Duration;

/// A command that is run after a file was changed.
#[derive(Debug, Clone)]
pub struct Reload {
    argv: Vec<String>,
    cwd: PathBuf,
    within: Duration,
}

impl Reload {
    /// `argv` runs in `cwd`, in a process group of its own, and has succeeded when it ends with 0 within the time.
    ///
    /// # Errors
    /// A command without a program.
    pub fn new(argv: Vec<String>, cwd: impl Into<PathBuf>, within: Duration) -> Result<Self, BackendError> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(BackendError::permanent("`reload` names no program"));
        }
        Ok(Self { argv, cwd: cwd.into(), within })
    }

    /// How long it may take.
    #[must_use]
    pub fn within(&self) -> Duration {
        self.within
    }

    /// Whether its program is there.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub fn ready(&self) -> Result<(), BackendError> {
        process::startable(&self.argv, &self.cwd).map_err(|why| BackendError::permanent(format!("cannot start {why}")))
    }

    /// Runs it. Dropped, its whole process group is ended.
    ///
    /// # Errors
    /// It failed or took too long: its last line says why, most often.
    pub(super) async fn run(&self) -> Result<(), BackendError> {
        let spec = Spec { argv: &self.argv, cwd: &self.cwd, vars: &[], timeout: self.within, merged: true };
        let ended = process::run(&spec).await;
        if ended.how.ok() {
            return Ok(());
        }
        let said = ended.out.text();
        let reason = said.lines().rev().find(|l| !l.trim().is_empty()).map(|l| format!(": {}", l.trim()));
        let message = format!("reload {self}: {}{}", ended.how, reason.unwrap_or_default());
        Err(match ended.how {
            How::CannotStart(_) => BackendError::permanent(message),
            _ => BackendError::transient(message),
        })
    }
}

impl std::fmt::Display for Reload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&process::pasted(&self.argv))
    }
}
