//! People's words to a runner, from another process.

use super::{RunId, Store, StoreError, run};
use crate::plan::Time;
use rusqlite::{OptionalExtension, Row, params};
use serde::Serialize;
use std::time::{Duration, Instant};

/// The most bytes of a command's kind, who and why together.
const MAX_COMMAND: usize = 16 * 1024;

/// How often [`Store::await_command`] looks.
const LOOK: Duration = Duration::from_millis(50);

/// A person's word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Its number, rising.
    pub id: i64,
    /// The run that it is for.
    pub run: RunId,
    /// `pause`, `resume`, `abort`
    pub kind: String,
    /// Who says so.
    pub who: String,
    /// Why.
    pub why: String,
    /// When it was said.
    pub at: Time,
    /// When the runner took it up; `None` while it has not.
    pub acknowledged: Option<Time>,
    /// What came of it.
    pub outcome: Option<String>,
}

const COLUMNS: &str = "id, run, kind, who, why, at, acknowledged, outcome";

impl Store {
    /// Leaves a command for the run's runner and returns its number.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when the run has ended, or `kind` or `who` is empty.
    pub fn post_command(&self, run: &RunId, kind: &str, who: &str, why: &str, at: Time) -> Result<i64, StoreError> {
        if kind.is_empty() || who.is_empty() {
            return Err(StoreError::refused("a command says what is to be done, and who says so"));
        }
        let size = kind.len() + who.len() + why.len();
        if size > MAX_COMMAND {
            return Err(StoreError::TooLarge {
                what: format!("the command `{}`", kind.chars().take(20).collect::<String>()),
                size,
                limit: MAX_COMMAND,
            });
        }
        self.write(|tx, _| {
            if let Some(verdict) = run::read(tx, run)?.verdict {
                return Err(StoreError::refused(format!(
                    "run {run} has ended (`{verdict}`): there is nothing to {kind}"
                ))
                .into());
            }
            tx.execute(
                "INSERT INTO commands (run, kind, who, why, at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![run.as_str(), kind, who, why, at],
            )?;
            Ok(tx.last_insert_rowid())
        })
    }

    /// The commands for a run that nobody has acknowledged, with numbers above `after`, in the order in which they came.
    pub fn take_commands(&self, run: &RunId, after: i64) -> Result<Vec<Command>, StoreError> {
        self.read(|tx| {
            let mut stmt = tx.prepare_cached(&format!(
                "SELECT {COLUMNS} FROM commands WHERE run = ?1 AND id > ?2 AND acknowledged IS NULL ORDER BY id"
            ))?;
            let rows = stmt.query_map(params![run.as_str(), after], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Enters that a command was taken up, and what came of it. The first word stands; another one is refused.
    pub fn acknowledge(&self, id: i64, at: Time, outcome: &str) -> Result<(), StoreError> {
        self.write(|tx, _| {
            let before = find(tx, id)?;
            match before.outcome {
                None => {
                    tx.execute(
                        "UPDATE commands SET acknowledged = ?2, outcome = ?3 WHERE id = ?1",
                        params![id, at, outcome],
                    )?;
                    Ok(())
                }
                Some(same) if same == outcome => Ok(()),
                Some(other) => {
                    Err(StoreError::refused(format!("command {id} has its outcome already: `{other}`")).into())
                }
            }
        })
    }

    /// A command by its number.
    pub fn command(&self, id: i64) -> Result<Command, StoreError> {
        self.read(|tx| find(tx, id))
    }

    /// All commands for a run, acknowledged or not, in the order in which they came.
    pub fn commands(&self, run: &RunId) -> Result<Vec<Command>, StoreError> {
        self.read(|tx| {
            let mut stmt = tx.prepare_cached(&format!("SELECT {COLUMNS} FROM commands WHERE run = ?1 ORDER BY id"))?;
            let rows = stmt.query_map([run.as_str()], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Waits until a command is acknowledged, at most for `patience`; returns it as it is then. Blocks the thread.
    pub fn await_command(&self, id: i64, patience: Duration) -> Result<Command, StoreError> {
        let start = Instant::now();
        loop {
            let command = self.command(id)?;
            let left = patience.saturating_sub(start.elapsed());
            if command.acknowledged.is_some() || left.is_zero() {
                return Ok(command);
            }
            std::thread::sleep(LOOK.min(left));
        }
    }
}

fn find(tx: &rusqlite::Transaction<'_>, id: i64) -> Result<Command, super::Fault> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM commands WHERE id = ?1"))?
        .query_row([id], from_row)
        .optional()?
        .ok_or_else(|| StoreError::NotFound { what: format!("command {id}") }.into())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Command> {
    Ok(Command {
        id: row.get(0)?,
        run: RunId::from(row.get::<_, String>(1)?),
        kind: row.get(2)?,
        who: row.get(3)?,
        why: row.get(4)?,
        at: row.get(5)?,
        acknowledged: row.get(6)?,
        outcome: row.get(7)?,
    })
}
