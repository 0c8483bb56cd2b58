//! Kill switches that were thrown, and who reset them. A latch outlives every run and every process; a reset keeps the row.

use super::{Fault, RunId, Store, StoreError};
use crate::plan::Time;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::Serialize;

/// A kill switch that was thrown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Latch {
    /// The environment in which it was thrown.
    pub environment: String,
    /// The switch.
    pub switch: String,
    /// The run whose journal tells of it.
    pub run: RunId,
    /// Who or what threw it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Time,
    /// How it was reset; `None` while it is latched.
    pub reset: Option<Reset>,
}

/// How a latch was cleared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reset {
    /// When.
    pub at: Time,
    /// By whom.
    pub who: String,
    /// Why.
    pub why: String,
}

/// A switch that is to be latched in the environment of the run that threw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewLatch {
    /// The switch.
    pub switch: String,
    /// Who or what threw it.
    pub who: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: Time,
}

const COLUMNS: &str = "environment, switch, run, who, why, at, reset_at, reset_by, reset_why";

impl Store {
    /// Latches a switch; one that is latched already stays as it is. Runners latch with the event that tells of it:
    /// [`Store::append_with`].
    ///
    /// # Errors
    /// [`StoreError::NotFound`] for the run; those with [`StoreError::is_unavailable`] for what hinders.
    pub fn latch(&self, run: &RunId, new: &NewLatch) -> Result<(), StoreError> {
        self.write(|tx, _| {
            super::journal::known(tx, run)?;
            insert(tx, run, new)
        })
    }

    /// The switches that are latched, of one environment or of all, those thrown last first.
    pub fn latches(&self, environment: Option<&str>) -> Result<Vec<Latch>, StoreError> {
        self.list("reset_at IS NULL AND (?1 IS NULL OR environment = ?1)", environment)
    }

    /// The switches that are latched in the environment of a run.
    pub fn latches_for_run(&self, run: &RunId) -> Result<Vec<Latch>, StoreError> {
        let here = "reset_at IS NULL AND environment = (SELECT environment FROM runs WHERE id = ?1)";
        self.list(here, Some(run.as_str()))
    }

    /// Every time that switches were thrown, reset or not, of one environment or of all, the last one first.
    pub fn thrown(&self, environment: Option<&str>) -> Result<Vec<Latch>, StoreError> {
        self.list("(?1 IS NULL OR environment = ?1)", environment)
    }

    /// Clears a latch. The row stays, with who did it and why.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] when it is not latched, [`StoreError::Refused`] without a name or a reason.
    pub fn reset_latch(
        &self,
        environment: &str,
        switch: &str,
        who: &str,
        why: &str,
        at: Time,
    ) -> Result<Latch, StoreError> {
        if who.trim().is_empty() || why.trim().is_empty() {
            return Err(StoreError::refused("a kill switch is reset by somebody, for a reason"));
        }
        self.write(|tx, _| {
            let here = "environment = ?1 AND switch = ?2 AND reset_at IS NULL";
            let before = tx
                .prepare_cached(&format!("SELECT {COLUMNS} FROM latches WHERE {here}"))?
                .query_row([environment, switch], from_row)
                .optional()?;
            let Some(before) = before else {
                let what = format!("a latched kill switch {switch} in environment {environment}");
                return Err(StoreError::NotFound { what }.into());
            };
            tx.execute(
                &format!("UPDATE latches SET reset_at = ?3, reset_by = ?4, reset_why = ?5 WHERE {here}"),
                params![environment, switch, at, who, why],
            )?;
            let reset = Reset { at, who: who.to_owned(), why: why.to_owned() };
            Ok(Latch { reset: Some(reset), ..before })
        })
    }

    fn list(&self, which: &str, value: Option<&str>) -> Result<Vec<Latch>, StoreError> {
        self.read(|tx| {
            let sql = format!("SELECT {COLUMNS} FROM latches WHERE {which} ORDER BY at DESC, id DESC");
            let mut stmt = tx.prepare_cached(&sql)?;
            let rows = stmt.query_map([value], from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }
}

/// Latches in a transaction that is under way, in the run's environment.
pub(super) fn insert(tx: &Transaction<'_>, run: &RunId, new: &NewLatch) -> Result<(), Fault> {
    tx.prepare_cached(
        "INSERT INTO latches (environment, switch, run, who, why, at)
         SELECT environment, ?2, id, ?3, ?4, ?5 FROM runs WHERE id = ?1 ON CONFLICT DO NOTHING",
    )?
    .execute(params![run.as_str(), new.switch, new.who, new.why, new.at])?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Latch> {
    let reset_at: Option<Time> = row.get(6)?;
    let reset = match reset_at {
        None => None,
        Some(at) => Some(Reset {
            at,
            who: row.get::<_, Option<String>>(7)?.unwrap_or_default(),
            why: row.get::<_, Option<String>>(8)?.unwrap_or_default(),
        }),
    };
    Ok(Latch {
        environment: row.get(0)?,
        switch: row.get(1)?,
        run: RunId::from(row.get::<_, String>(2)?),
        who: row.get(3)?,
        why: row.get(4)?,
        at: row.get(5)?,
        reset,
    })
}
