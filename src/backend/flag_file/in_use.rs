//! What the readers of a flag file use now: `in_use: ["./flag-of-pods.sh", "PCT"]`.

use crate::backend::BackendError;
use crate::backend::command_port::parse;
use crate::backend::flag::FlagKind;
use crate::backend::json_path::JsonPath;
use crate::backend::process::{self, How, Spec};
use crate::plan::Setting;
use std::path::PathBuf;
use std::time::Duration;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(8);

/// A command that prints the value that is in use.
#[derive(Debug, Clone)]
pub struct InUse {
    argv: Vec<String>,
    read: Option<JsonPath>,
    cwd: PathBuf,
}

impl InUse {
    /// `read` finds the value in the JSON that the command prints; without it all that it prints is the value.
    ///
    /// # Errors
    /// A command without a program, a path that cannot be read.
    pub fn new(argv: Vec<String>, read: Option<&str>, cwd: impl Into<PathBuf>) -> Result<Self, BackendError> {
        if argv.first().is_none_or(String::is_empty) {
            return Err(BackendError::permanent("`in_use` names no program"));
        }
        let read =
            read.map(JsonPath::parse).transpose().map_err(|why| BackendError::permanent(format!("read: {why}")))?;
        Ok(Self { argv, read, cwd: cwd.into() })
    }

    /// Whether its program is there.
    ///
    /// # Errors
    /// Why it cannot be started.
    pub fn ready(&self) -> Result<(), BackendError> {
        process::startable(&self.argv, &self.cwd).map_err(|why| BackendError::permanent(format!("cannot start {why}")))
    }

    /// Asks.
    pub(super) async fn read(&self, kind: FlagKind) -> Result<Setting, BackendError> {
        let spec = Spec { argv: &self.argv, cwd: &self.cwd, vars: &[], timeout: PATIENCE, merged: false };
        let ended = process::run(&spec).await;
        let line = process::pasted(&self.argv);
        if !ended.how.ok() {
            let said = ended.err.text();
            let reason = said.lines().rev().find(|l| !l.trim().is_empty()).map(|l| format!(": {}", l.trim()));
            let message = format!("{line}: {}{}", ended.how, reason.unwrap_or_default());
            return Err(match ended.how {
                How::CannotStart(_) => BackendError::permanent(message),
                _ => BackendError::transient(message),
            });
        }
        // what answers while a restart is under way may be anything: that passes
        parse(kind, self.read.as_ref(), &line, &ended.out.text()).map_err(|e| BackendError { transient: true, ..e })
    }
}
