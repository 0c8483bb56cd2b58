//! Notices to people, kept from the transaction that tells of what happened until they are delivered.
//!
//! A notice is named by its run, its channel and its number. What became of one is written when the store can be written; a
//! process that ends between a delivery and that leaves a notice that is delivered once more.

use super::run::no_run;
use super::{Fault, RunId, Store, StoreError, journal};
use crate::plan::Time;
use rusqlite::{Row, Transaction, params};
use serde::Serialize;
use serde_json::Value;

/// A notice to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct NewNotice {
    /// The channel's name.
    pub channel: String,
    /// Its number in the run: [`NoticeMark`] finds it by that.
    pub number: u64,
    /// When it happened.
    pub at: Time,
    /// What is told; its `number` is the number.
    pub body: Value,
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeMark {
    /// Of which run.
    pub run: RunId,
    /// To which channel.
    pub channel: String,
    /// Which one.
    pub number: u64,
    /// How often it was tried in all, since it was last taken up.
    pub tries: u32,
    /// What.
    pub fate: Fate,
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It could not be delivered yet.
    Failed(String),
    /// The channel took it.
    Delivered(Time),
    /// It is not tried any more.
    GivenUp(Time, String),
    /// A newer one says all that it says: it is removed.
    Replaced,
}

/// A notice as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KeptNotice {
    /// Of which run.
    pub run: RunId,
    /// The run's rollout.
    pub rollout: String,
    /// The run's environment.
    pub environment: String,
    /// To which channel.
    pub channel: String,
    /// What is told.
    pub body: Value,
    /// When it happened.
    pub at: Time,
    /// How often it was tried.
    pub tries: u32,
    /// Why the last try failed.
    pub error: Option<String>,
    /// When it was delivered.
    pub delivered: Option<Time>,
    /// When it was given up.
    pub given_up: Option<Time>,
}

const COLUMNS: &str =
    "n.run, r.rollout, r.environment, n.channel, n.body, n.at, n.tries, n.error, n.delivered, n.given_up";

impl Store {
    /// Writes what became of notices.
    pub fn mark_notices(&self, marks: &[NoticeMark]) -> Result<(), StoreError> {
        self.write(|tx, _| mark(tx, marks))
    }

    /// Notices of a run, in the order in which they were kept.
    pub fn notices(&self, run: &RunId) -> Result<Vec<KeptNotice>, StoreError> {
        self.kept("WHERE n.run = ?1", run.as_str())
    }

    /// Notices that are neither delivered nor given up, of all runs of a rollout, the oldest first.
    pub fn open_notices(&self, rollout: &str) -> Result<Vec<KeptNotice>, StoreError> {
        self.kept("WHERE n.delivered IS NULL AND n.given_up IS NULL AND r.rollout = ?1", rollout)
    }

    /// Notices that have not been delivered: all that are open, and those given up since a time; of one rollout, or of all.
    pub fn undelivered_notices(&self, rollout: Option<&str>, since: Time) -> Result<Vec<KeptNotice>, StoreError> {
        let all = self.kept("WHERE n.delivered IS NULL AND (?1 = '' OR r.rollout = ?1)", rollout.unwrap_or(""))?;
        Ok(all.into_iter().filter(|n| n.given_up.is_none_or(|at| at >= since)).collect())
    }

    /// Removes notices that happened before a time and that nothing more comes of; returns how many.
    pub fn prune_notices(&self, older_than: Time) -> Result<usize, StoreError> {
        self.write(|tx, _| {
            Ok(tx.execute(
                "DELETE FROM notices WHERE at < ?1 AND (delivered IS NOT NULL OR given_up IS NOT NULL)",
                [older_than],
            )?)
        })
    }

    /// The highest number that a notice of a run has; 0 when it has none.
    pub fn last_notice(&self, run: &RunId) -> Result<u64, StoreError> {
        let last: i64 = self.read(|tx| {
            Ok(tx
                .prepare_cached("SELECT coalesce(max(body ->> 'number'), 0) FROM notices WHERE run = ?1")?
                .query_row([run.as_str()], |row| row.get(0))?)
        })?;
        Ok(u64::try_from(last).unwrap_or(0))
    }

    fn kept(&self, which: &str, arg: &str) -> Result<Vec<KeptNotice>, StoreError> {
        let sql = format!("SELECT {COLUMNS} FROM notices n JOIN runs r ON r.id = n.run {which} ORDER BY n.id");
        self.read(|tx| {
            let mut stmt = tx.prepare_cached(&sql)?;
            let mut rows = stmt.query([arg])?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(self.kept_notice(row)?);
            }
            Ok(out)
        })
    }

    fn kept_notice(&self, row: &Row<'_>) -> Result<KeptNotice, Fault> {
        let text: String = row.get(4)?;
        let damaged = |_| StoreError::corrupt(&self.path, "a notice is not what was written".to_owned());
        Ok(KeptNotice {
            run: RunId::from(row.get::<_, String>(0)?),
            rollout: row.get(1)?,
            environment: row.get(2)?,
            channel: row.get(3)?,
            body: serde_json::from_str(&text).map_err(damaged)?,
            at: row.get(5)?,
            tries: row.get(6)?,
            error: row.get(7)?,
            delivered: row.get(8)?,
            given_up: row.get(9)?,
        })
    }
}

/// Keeps notices of a run, their bodies checked before.
pub(super) fn keep(tx: &Transaction<'_>, run: &RunId, new: &[(&NewNotice, String)]) -> Result<(), Fault> {
    if new.is_empty() {
        return Ok(());
    }
    if journal::head(tx, run)?.is_none() {
        return Err(no_run(run).into());
    }
    let mut insert = tx.prepare_cached("INSERT INTO notices (run, channel, body, at) VALUES (?1, ?2, ?3, ?4)")?;
    for (notice, body) in new {
        insert.execute(params![run.as_str(), notice.channel, body, notice.at])?;
    }
    Ok(())
}

/// Writes what became of notices. One that is not there (it was replaced, or never kept) is no error.
pub(super) fn mark(tx: &Transaction<'_>, marks: &[NoticeMark]) -> Result<(), Fault> {
    const WHICH: &str = "WHERE run = ?1 AND channel = ?2 AND body ->> 'number' = ?3 AND delivered IS NULL";
    for m in marks {
        let number = journal::sql_seq(m.number);
        let (run, channel) = (m.run.as_str(), &m.channel);
        let (error, delivered, given_up) = match &m.fate {
            Fate::Replaced => {
                tx.prepare_cached(&format!("DELETE FROM notices {WHICH}"))?.execute(params![run, channel, number])?;
                continue;
            }
            Fate::Failed(why) => (Some(why), None, None),
            Fate::Delivered(at) => (None, Some(at), None),
            Fate::GivenUp(at, why) => (Some(why), None, Some(at)),
        };
        tx.prepare_cached(&format!(
            "UPDATE notices SET tries = ?4, error = coalesce(?5, error), delivered = ?6, given_up = ?7 {WHICH}"
        ))?
        .execute(params![run, channel, number, m.tries, error, delivered, given_up])?;
    }
    Ok(())
}
