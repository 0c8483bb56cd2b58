//! People's commands: posted by one process, taken and answered by the runner.

use super::{RunId, Store, StoreError};
use crate::plan::Time;
use rusqlite::{OptionalExtension, params};

/// A person's word to a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its number in the store.
    pub id: i64,
    /// `pause`, `resume`, `abort`.
    pub kind: String,
    /// Who said it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Time,
}

impl Store {
    /// Posts a command and returns its number.
    ///
    /// # Errors
    /// The store's.
    pub fn post_command(&self, run: &RunId, kind: &str, who: &str, why: &str, at: Time) -> Result<i64, StoreError> {
        let c = self.lock();
        c.execute(
            "insert into command (run, kind, who, why, at) values (?1,?2,?3,?4,?5)",
            params![run.as_str(), kind, who, why, at],
        )
        .map_err(|e| self.failed(&e))?;
        Ok(c.last_insert_rowid())
    }

    /// Commands for a run that came after `after`, oldest first.
    ///
    /// # Errors
    /// The store's.
    pub fn take_commands(&self, run: &RunId, after: i64) -> Result<Vec<Command>, StoreError> {
        let c = self.lock();
        let sql = "select id, kind, who, why, at from command where run = ?1 and id > ?2 order by id";
        let mut statement = c.prepare_cached(sql).map_err(|e| self.failed(&e))?;
        let rows = statement
            .query_map(params![run.as_str(), after], |r| {
                Ok(Command { id: r.get(0)?, kind: r.get(1)?, who: r.get(2)?, why: r.get(3)?, at: r.get(4)? })
            })
            .map_err(|e| self.failed(&e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(&e))
    }

    /// The newest command's number; 0 when there is none.
    ///
    /// # Errors
    /// The store's.
    pub fn last_command(&self, run: &RunId) -> Result<i64, StoreError> {
        self.lock()
            .query_row("select coalesce(max(id), 0) from command where run = ?1", [run.as_str()], |r| r.get(0))
            .map_err(|e| self.failed(&e))
    }

    /// Says what came of a command.
    ///
    /// # Errors
    /// The store's.
    pub fn acknowledge(&self, id: i64, at: Time, outcome: &str) -> Result<(), StoreError> {
        self.lock()
            .execute("update command set taken = ?2, outcome = ?3 where id = ?1", params![id, at, outcome])
            .map(drop)
            .map_err(|e| self.failed(&e))
    }

    /// What came of a command, once the runner has said so.
    ///
    /// # Errors
    /// The store's.
    pub fn command_outcome(&self, id: i64) -> Result<Option<String>, StoreError> {
        let found: Option<Option<String>> = self
            .lock()
            .query_row("select outcome from command where id = ?1", [id], |r| r.get(0))
            .optional()
            .map_err(|e| self.failed(&e))?;
        Ok(found.flatten())
    }
}
