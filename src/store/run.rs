//! Runs: one execution of a plan each.

use super::{Fault, Store, StoreError, chain, journal};
use crate::plan::Time;
use chrono::DateTime;
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A run's name: `20261121-0915-k3f9`. The minute of its start in UTC, then the time within that minute, so that the order
/// of names is the order of starts. Unique within a store.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(String);

impl RunId {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for RunId {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for RunId {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// The large texts of a run, as they were pinned when it started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Documents {
    /// The plan.
    pub plan_json: String,
    /// The bindings; secrets by name only.
    pub bindings_json: String,
    /// Where it came from: who started it, on which host, from which commit, with which canary.
    pub provenance_json: String,
}

/// What is known of a run when it starts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NewRun {
    /// The rollout's name.
    pub rollout: String,
    /// Its title.
    pub title: String,
    /// The environment's name.
    pub environment: String,
    /// The policy's file.
    pub policy_path: String,
    /// [`crate::plan::Plan::hash`]
    pub plan_hash: String,
    /// [`crate::plan::Bindings::hash`]
    pub bindings_hash: String,
    /// The plan, the bindings and where they came from.
    pub documents: Documents,
    /// When it starts.
    pub started: Time,
}

/// A run; its [`Documents`] are read apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// The rollout's name.
    pub rollout: String,
    /// Its title.
    pub title: String,
    /// The environment's name.
    pub environment: String,
    /// The policy's file.
    pub policy_path: String,
    /// The plan's hash.
    pub plan_hash: String,
    /// The bindings' hash.
    pub bindings_hash: String,
    /// When it started.
    pub started: Time,
    /// The hash from which its journal's chain begins.
    pub header_hash: String,
    /// How it ended: `promoted`, `rolled back`, …; `None` while it has not.
    pub verdict: Option<String>,
    /// When it ended.
    pub finished: Option<Time>,
    /// The newest event when it ended.
    pub finished_seq: Option<u64>,
    /// The hash over how it ended.
    pub seal: Option<String>,
}

/// Which runs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RunFilter {
    /// Of this rollout only.
    pub rollout: Option<String>,
    /// Started at or after.
    pub since: Option<Time>,
    /// Started before.
    pub until: Option<Time>,
    /// That ended so.
    pub verdict: Option<String>,
    /// That have not ended.
    pub unfinished: bool,
    /// At most so many, the newest.
    pub limit: Option<usize>,
}

const COLUMNS: &str = "id, rollout, title, environment, policy_path, plan_hash, bindings_hash, started, header_hash, \
     verdict, finished, finished_seq, seal";

impl Store {
    /// Enters a run with an empty journal, which this store then writes.
    pub fn create_run(&self, new: &NewRun) -> Result<RunId, StoreError> {
        self.create_run_as(new, None)
    }

    /// As [`Store::create_run`], under this name where no run has it yet: what a run tells before it is in the store is told under
    /// the name that it then has.
    pub fn create_run_as(&self, new: &NewRun, wanted: Option<&RunId>) -> Result<RunId, StoreError> {
        for (what, text) in [
            ("plan", &new.documents.plan_json),
            ("bindings", &new.documents.bindings_json),
            ("provenance", &new.documents.provenance_json),
        ] {
            if let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
                return Err(StoreError::refused(format!("the run's {what} is not JSON: {e}")));
            }
        }
        self.write(|tx, claims| {
            let id = free_id(tx, new.started, wanted)?;
            let header = chain::header_hash(&id, new);
            tx.prepare_cached(
                "INSERT INTO runs (id, rollout, title, environment, policy_path, plan_hash, bindings_hash, started, header_hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?
            .execute(params![
                id.as_str(),
                new.rollout,
                new.title,
                new.environment,
                new.policy_path,
                new.plan_hash,
                new.bindings_hash,
                new.started,
                header
            ])?;
            let documents = &new.documents;
            tx.execute(
                "INSERT INTO documents (run, plan, bindings, provenance) VALUES (?1, ?2, ?3, ?4)",
                params![id.as_str(), documents.plan_json, documents.bindings_json, documents.provenance_json],
            )?;
            tx.execute(
                "INSERT INTO heads (run, seq, hash, fence) VALUES (?1, 0, ?2, 1)",
                params![id.as_str(), header],
            )?;
            claims.pending = Some((id.clone(), 1));
            Ok(id)
        })
    }

    /// A run by its name.
    pub fn run(&self, id: &RunId) -> Result<Run, StoreError> {
        self.read(|tx| read(tx, id))
    }

    /// A run's plan, bindings and provenance.
    pub fn documents(&self, id: &RunId) -> Result<Documents, StoreError> {
        let found = self.read(|tx| read_documents(tx, id))?;
        found.ok_or_else(|| no_run(id))
    }

    /// The run of a rollout that started last.
    pub fn latest_run(&self, rollout: &str) -> Result<Option<Run>, StoreError> {
        let filter = RunFilter { rollout: Some(rollout.to_owned()), limit: Some(1), ..RunFilter::default() };
        Ok(self.runs(&filter)?.pop())
    }

    /// The run of a rollout that has not ended; the newest, should there be several.
    pub fn unfinished_run(&self, rollout: &str) -> Result<Option<Run>, StoreError> {
        let filter =
            RunFilter { rollout: Some(rollout.to_owned()), unfinished: true, limit: Some(1), ..RunFilter::default() };
        Ok(self.runs(&filter)?.pop())
    }

    /// Runs, the newest first.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let mut sql = format!("SELECT {COLUMNS} FROM runs WHERE 1");
        let mut args: Vec<Sql> = Vec::new();
        let mut narrow = |clause: &str, value: Sql| {
            args.push(value);
            sql.push_str(clause);
        };
        if let Some(rollout) = &filter.rollout {
            narrow(" AND rollout = ?", Sql::Text(rollout.clone()));
        }
        if let Some(since) = filter.since {
            narrow(" AND started >= ?", Sql::Integer(since));
        }
        if let Some(until) = filter.until {
            narrow(" AND started < ?", Sql::Integer(until));
        }
        if let Some(verdict) = &filter.verdict {
            narrow(" AND verdict = ?", Sql::Text(verdict.clone()));
        }
        if filter.unfinished {
            sql.push_str(" AND verdict IS NULL");
        }
        sql.push_str(" ORDER BY started DESC, id DESC LIMIT ?");
        args.push(Sql::Integer(sql_limit(filter.limit)));
        self.read(|tx| {
            let mut stmt = tx.prepare_cached(&sql)?;
            let rows = stmt.query_map(params_from_iter(args), from_row)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
    }

    /// Enters how a run ended. Saying the same once more changes nothing; saying something else is refused.
    pub fn finish_run(&self, id: &RunId, verdict: &str, at: Time) -> Result<(), StoreError> {
        if verdict.is_empty() {
            return Err(StoreError::refused("a run ends with a verdict"));
        }
        self.write(|tx, claims| {
            let run = read(tx, id)?;
            if let Some(before) = run.verdict {
                if before == verdict {
                    return Ok(());
                }
                return Err(StoreError::refused(format!(
                    "run {id} has ended already, as `{before}`: it cannot end as `{verdict}`"
                ))
                .into());
            }
            let head = journal::claimed_head(tx, id, claims)?;
            tx.execute(
                "UPDATE runs SET verdict = ?2, finished = ?3, finished_seq = ?4, seal = ?5 WHERE id = ?1",
                params![id.as_str(), verdict, at, journal::sql_seq(head.seq), chain::seal(id, &head, verdict, at)],
            )?;
            Ok(())
        })
    }
}

pub(super) fn no_run(id: &RunId) -> StoreError {
    StoreError::NotFound { what: format!("run {id}") }
}

/// SQLite's way of saying "no limit" is a negative one.
pub(super) fn sql_limit(limit: Option<usize>) -> i64 {
    limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX))
}

pub(super) fn read(tx: &Transaction<'_>, id: &RunId) -> Result<Run, Fault> {
    tx.prepare_cached(&format!("SELECT {COLUMNS} FROM runs WHERE id = ?1"))?
        .query_row([id.as_str()], from_row)
        .optional()?
        .ok_or_else(|| no_run(id).into())
}

pub(super) fn read_documents(tx: &Transaction<'_>, id: &RunId) -> Result<Option<Documents>, Fault> {
    Ok(tx
        .query_row("SELECT plan, bindings, provenance FROM documents WHERE run = ?1", [id.as_str()], |row| {
            Ok(Documents { plan_json: row.get(0)?, bindings_json: row.get(1)?, provenance_json: row.get(2)? })
        })
        .optional()?)
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Run> {
    let finished_seq: Option<i64> = row.get(11)?;
    Ok(Run {
        id: RunId(row.get(0)?),
        rollout: row.get(1)?,
        title: row.get(2)?,
        environment: row.get(3)?,
        policy_path: row.get(4)?,
        plan_hash: row.get(5)?,
        bindings_hash: row.get(6)?,
        started: row.get(7)?,
        header_hash: row.get(8)?,
        verdict: row.get(9)?,
        finished: row.get(10)?,
        finished_seq: finished_seq.map(|seq| u64::try_from(seq).unwrap_or(u64::MAX)),
        seal: row.get(12)?,
    })
}

/// Digits and letters in the order of their codes, without those that are taken for one another.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Four digits hold 32⁴ = 1,048,576 numbers: 17 for each millisecond of a minute.
const PER_MILLISECOND: u32 = 17;

impl RunId {
    /// A name for a run that starts at a time, made without a store; `None` where that is no point in time. Processes that start
    /// one in the same millisecond should not agree on it.
    #[must_use]
    pub fn proposed(started: Time) -> Option<Self> {
        let (minute, within) = minute_and_number(started)?;
        Some(Self(format!("{minute}-{}", digits(within + std::process::id() % PER_MILLISECOND))))
    }
}

/// The minute as names begin with it, and the first number of the millisecond.
fn minute_and_number(started: Time) -> Option<(String, u32)> {
    let minute = DateTime::from_timestamp_millis(started)?.format("%Y%m%d-%H%M").to_string();
    Some((minute, u32::try_from(started.rem_euclid(60_000)).unwrap_or(0) * PER_MILLISECOND))
}

fn free_id(tx: &Transaction<'_>, started: Time, wanted: Option<&RunId>) -> Result<RunId, Fault> {
    let Some((minute, within)) = minute_and_number(started) else {
        return Err(StoreError::refused(format!("{started} is no point in time that a run can start at")).into());
    };
    let mut taken = tx.prepare_cached("SELECT 1 FROM runs WHERE id = ?1")?;
    if let Some(wanted) = wanted
        && !taken.exists([wanted.as_str()])?
    {
        return Ok(wanted.clone());
    }
    for number in within..32_u32.pow(4) {
        let id = format!("{minute}-{}", digits(number));
        if !taken.exists([&id])? {
            return Ok(RunId(id));
        }
    }
    Err(StoreError::refused(format!("too many runs have started in the minute {minute}")).into())
}

fn digits(number: u32) -> String {
    [15, 10, 5, 0]
        .into_iter()
        .filter_map(|shift| DIGITS.get((number >> shift) as usize & 31))
        .map(|digit| char::from(*digit))
        .collect()
}
