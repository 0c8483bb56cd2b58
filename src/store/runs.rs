//! Runs: one row each, written once at the start and once at the end.

use super::{Store, StoreError};
use crate::plan::Time;
use chrono::{TimeZone, Utc};
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

/// A run's id: `20261121-091502-k3f9`, sortable by its start (UTC).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(String);

impl RunId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a run is made of at its start.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The rollout's name.
    pub rollout: String,
    /// Its title.
    pub title: String,
    /// The environment's name.
    pub environment: String,
    /// The policy file as given.
    pub policy_path: String,
    /// The pinned plan.
    pub plan: Value,
    /// Its hash.
    pub plan_hash: String,
    /// The pinned bindings; secrets by name only.
    pub bindings: Value,
    /// Their hash.
    pub bindings_hash: String,
    /// Version, user, host, files.
    pub provenance: Value,
    /// When it began.
    pub started: Time,
}

/// A run.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Its id.
    pub id: RunId,
    /// The rollout's name.
    pub rollout: String,
    /// Its title.
    pub title: String,
    /// The environment's name.
    pub environment: String,
    /// The policy file as given.
    pub policy_path: String,
    /// The pinned plan.
    pub plan: Value,
    /// Its hash.
    pub plan_hash: String,
    /// The pinned bindings.
    pub bindings: Value,
    /// Their hash.
    pub bindings_hash: String,
    /// Version, user, host, files.
    pub provenance: Value,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Option<Time>,
    /// `promoted`, `rolled_back`, `aborted`, `refused`; none while it is not over.
    pub verdict: Option<String>,
}

/// Which runs are asked for; newest first.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this rollout.
    pub rollout: Option<String>,
    /// With this verdict.
    pub verdict: Option<String>,
    /// Only those that are not over.
    pub unfinished: bool,
    /// Begun at or after this.
    pub since: Option<Time>,
    /// At most so many.
    pub limit: Option<u32>,
}

const COLUMNS: &str = "id, rollout, title, environment, policy_path, plan, plan_hash, bindings, bindings_hash, provenance, \
                       started, ended, verdict";

fn read(row: &Row<'_>) -> rusqlite::Result<Run> {
    let json = |i: usize| -> rusqlite::Result<Value> {
        let text: String = row.get(i)?;
        serde_json::from_str(&text)
            .map_err(|e| rusqlite::Error::FromSqlConversionFailure(i, rusqlite::types::Type::Text, Box::new(e)))
    };
    Ok(Run {
        id: RunId(row.get(0)?),
        rollout: row.get(1)?,
        title: row.get(2)?,
        environment: row.get(3)?,
        policy_path: row.get(4)?,
        plan: json(5)?,
        plan_hash: row.get(6)?,
        bindings: json(7)?,
        bindings_hash: row.get(8)?,
        provenance: json(9)?,
        started: row.get(10)?,
        ended: row.get(11)?,
        verdict: row.get(12)?,
    })
}

impl Store {
    /// Writes a new run.
    ///
    /// # Errors
    /// The store's.
    pub fn create_run(&self, new: &NewRun) -> Result<RunId, StoreError> {
        let second = Utc
            .timestamp_millis_opt(new.started)
            .single()
            .map_or_else(|| new.started.to_string(), |t| t.format("%Y%m%d-%H%M%S").to_string());
        let c = self.lock();
        let sql = format!("insert into run ({COLUMNS}) values (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,null,null)");
        // two runs of one second differ in their tail: which one is taken depends on what is free
        for n in 0_u32.. {
            let tail = tail(&format!("{}{}{n}", new.rollout, new.started));
            let id = RunId(format!("{second}-{tail}"));
            let done = c.execute(
                &sql,
                params![
                    id.0,
                    new.rollout,
                    new.title,
                    new.environment,
                    new.policy_path,
                    new.plan.to_string(),
                    new.plan_hash,
                    new.bindings.to_string(),
                    new.bindings_hash,
                    new.provenance.to_string(),
                    new.started
                ],
            );
            match done {
                Ok(_) => return Ok(id),
                Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) && n < 1000 => {}
                Err(e) => return Err(self.failed(&e)),
            }
        }
        Err(StoreError::NoRun { run: second })
    }

    /// A run by its id.
    ///
    /// # Errors
    /// [`StoreError::NoRun`], or the store's.
    pub fn run(&self, id: &RunId) -> Result<Run, StoreError> {
        self.run_by_name(&id.0)?.ok_or_else(|| StoreError::NoRun { run: id.0.clone() })
    }

    /// A run by what a person typed.
    ///
    /// # Errors
    /// The store's.
    pub fn run_by_name(&self, id: &str) -> Result<Option<Run>, StoreError> {
        self.lock()
            .query_row(&format!("select {COLUMNS} from run where id = ?1"), [id], read)
            .optional()
            .map_err(|e| self.failed(&e))
    }

    /// Runs, newest first.
    ///
    /// # Errors
    /// The store's.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, StoreError> {
        let sql = format!(
            "select {COLUMNS} from run where (?1 is null or rollout = ?1) and (?2 is null or verdict = ?2) \
             and (?3 = 0 or verdict is null) and (?4 is null or started >= ?4) order by started desc, id desc limit ?5"
        );
        let c = self.lock();
        let mut statement = c.prepare_cached(&sql).map_err(|e| self.failed(&e))?;
        let limit = filter.limit.map_or(-1, i64::from);
        let rows = statement
            .query_map(params![filter.rollout, filter.verdict, filter.unfinished, filter.since, limit], read)
            .map_err(|e| self.failed(&e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(&e))
    }

    /// The rollout's run that is not over, if there is one.
    ///
    /// # Errors
    /// The store's.
    pub fn unfinished_run(&self, rollout: &str) -> Result<Option<Run>, StoreError> {
        let filter =
            RunFilter { rollout: Some(rollout.to_owned()), unfinished: true, limit: Some(1), ..RunFilter::default() };
        Ok(self.runs(&filter)?.into_iter().next())
    }

    /// Marks a run as over; a run that is over already stays as it is.
    ///
    /// # Errors
    /// The store's.
    pub fn finish_run(&self, id: &RunId, verdict: &str, at: Time) -> Result<(), StoreError> {
        self.lock()
            .execute(
                "update run set verdict = ?2, ended = ?3 where id = ?1 and verdict is null",
                params![id.0, verdict, at],
            )
            .map(drop)
            .map_err(|e| self.failed(&e))
    }
}

/// Four characters that tell runs of one second apart.
fn tail(of: &str) -> String {
    crate::plan::hash::sha256_hex(of.as_bytes()).chars().take(4).collect()
}
