//! What was seen at each check: beside the journal, so that it can be pruned without breaking the chain.

use super::{Fault, RunId, Store, StoreError, journal};
use crate::plan::Time;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

/// Rows that one transaction of a pruning removes: a runner never waits long for it.
const CHUNK: i64 = 2000;

/// What is kept of the checks around a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Around {
    /// The newest observation at or before it.
    pub found: Option<(Time, Value)>,
    /// When the next one after it was made.
    pub next: Option<Time>,
}

impl Store {
    /// Observations of a run from `from` up to, not including, `to`, in the order of time.
    pub fn observations(&self, run: &RunId, from: Time, to: Time) -> Result<Vec<(Time, Value)>, StoreError> {
        let mut out = Vec::new();
        self.each_observation(run, from, to, |at, body| out.push((at, body)))?;
        Ok(out)
    }

    /// As [`Store::observations`], one at a time: thirty days of checks need not fit into memory. `f` must not call the store.
    pub fn each_observation(
        &self,
        run: &RunId,
        from: Time,
        to: Time,
        mut f: impl FnMut(Time, Value),
    ) -> Result<(), StoreError> {
        self.read(|tx| {
            journal::known(tx, run)?;
            let mut stmt = tx.prepare_cached(
                "SELECT at, body FROM observations WHERE run = ?1 AND at >= ?2 AND at < ?3 ORDER BY at",
            )?;
            let mut rows = stmt.query(params![run.as_str(), from, to])?;
            while let Some(row) = rows.next()? {
                let (at, body) = self.observation(row)?;
                f(at, body);
            }
            Ok(())
        })
    }

    /// The newest observation of a run.
    pub fn last_observation(&self, run: &RunId) -> Result<Option<(Time, Value)>, StoreError> {
        self.read(|tx| {
            journal::known(tx, run)?;
            let mut stmt =
                tx.prepare_cached("SELECT at, body FROM observations WHERE run = ?1 ORDER BY at DESC LIMIT 1")?;
            let mut rows = stmt.query([run.as_str()])?;
            rows.next()?.map(|row| self.observation(row)).transpose()
        })
    }

    /// The newest observation of a run at or before a time, and when the next one was made.
    pub fn observation_at(&self, run: &RunId, at: Time) -> Result<Around, StoreError> {
        self.read(|tx| {
            journal::known(tx, run)?;
            let mut before = tx.prepare_cached(
                "SELECT at, body FROM observations WHERE run = ?1 AND at <= ?2 ORDER BY at DESC LIMIT 1",
            )?;
            let mut rows = before.query(params![run.as_str(), at])?;
            let found = rows.next()?.map(|row| self.observation(row)).transpose()?;
            let mut after =
                tx.prepare_cached("SELECT at FROM observations WHERE run = ?1 AND at > ?2 ORDER BY at LIMIT 1")?;
            let next = after.query_row(params![run.as_str(), at], |row| row.get(0)).optional()?;
            Ok(Around { found, next })
        })
    }

    /// Removes the observations of all runs that are older than a time; returns how many. Events stay.
    pub fn prune_observations(&self, older_than: Time) -> Result<usize, StoreError> {
        let mut pruned = 0;
        // run by run: the key leads with the run
        let mut after = String::new();
        loop {
            let next: Option<String> = self.read(|tx| {
                Ok(tx
                    .prepare_cached("SELECT run FROM observations WHERE run > ?1 ORDER BY run LIMIT 1")?
                    .query_row([&after], |row| row.get(0))
                    .optional()?)
            })?;
            let Some(run) = next else {
                return Ok(pruned);
            };
            loop {
                let removed = self.write(|tx, _| {
                    Ok(tx
                        .prepare_cached(
                            "DELETE FROM observations WHERE run = ?1 AND at IN
                             (SELECT at FROM observations WHERE run = ?1 AND at < ?2 ORDER BY at LIMIT ?3)",
                        )?
                        .execute(params![run, older_than, CHUNK])?)
                })?;
                if removed == 0 {
                    break;
                }
                pruned += removed;
            }
            after = run;
        }
    }

    /// Removes the oldest observations of one run, so that those that are left take no more than so many bytes; returns how many
    /// it removed.
    pub fn trim_observations(&self, run: &RunId, most: u64) -> Result<usize, StoreError> {
        let oldest_kept: Option<Time> = self.read(|tx| {
            // the length stands in front of a value: a body is not read for it
            let mut stmt =
                tx.prepare_cached("SELECT at, octet_length(body) FROM observations WHERE run = ?1 ORDER BY at DESC")?;
            let (mut rows, mut sum, mut kept) = (stmt.query([run.as_str()])?, 0_u64, None);
            while let Some(row) = rows.next()? {
                sum = sum.saturating_add(row.get::<_, u32>(1)?.into());
                if sum > most {
                    // the newest one stays, however large it is
                    return Ok(kept.or(Some(row.get(0)?)));
                }
                kept = Some(row.get(0)?);
            }
            Ok(None)
        })?;
        let Some(before) = oldest_kept else { return Ok(0) };
        let mut trimmed = 0;
        loop {
            let removed = self.write(|tx, _| {
                Ok(tx
                    .prepare_cached(
                        "DELETE FROM observations WHERE run = ?1 AND at IN
                         (SELECT at FROM observations WHERE run = ?1 AND at < ?2 ORDER BY at LIMIT ?3)",
                    )?
                    .execute(params![run.as_str(), before, CHUNK / 10])?)
            })?;
            if removed == 0 {
                return Ok(trimmed);
            }
            trimmed += removed;
        }
    }

    fn observation(&self, row: &Row<'_>) -> Result<(Time, Value), Fault> {
        let (at, text): (Time, String) = (row.get(0)?, row.get(1)?);
        let body = serde_json::from_str(&text)
            .map_err(|_| StoreError::corrupt(&self.path, format!("the observation at {at} is not what was written")))?;
        Ok((at, body))
    }
}
