//! Events: appended in one transaction with the state behind them, hash-chained per run.
//!
//! The hash of an event is SHA-256 over the previous event's hash, a line feed, and the canonical JSON of
//! `{"at","body","kind","run","seq"}`; the first event's predecessor is the SHA-256 of the canonical JSON of the run's header
//! (`bindings_hash`, `environment`, `id`, `plan_hash`, `rollout`, `started`). So a changed, removed, inserted or reordered
//! event, and a changed header, are found.

use super::{Run, RunId, Store, StoreError};
use crate::plan::Time;
use crate::plan::hash::{canonical, sha256_hex};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};

/// Larger events are refused: an action's output is cut long before.
const LARGEST: usize = 1 << 20;

/// An event to be appended.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When.
    pub at: Time,
    /// What: `entered`, `rollback`, …
    pub kind: String,
    /// All of it.
    pub body: Value,
}

/// An event in the journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its place in the run, from 1.
    pub seq: i64,
    /// When.
    pub at: Time,
    /// What.
    pub kind: String,
    /// All of it.
    pub body: Value,
    /// The hash before it.
    pub prev: String,
    /// Its hash.
    pub hash: String,
}

/// Which events are asked for, in their order.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Only of these kinds; empty: all.
    pub kinds: Vec<String>,
    /// Only after this place.
    pub after: i64,
}

/// Where a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainError {
    /// This event is not what was appended.
    Broken {
        /// Its place.
        seq: i64,
        /// What does not fit.
        what: String,
    },
    /// The store could not be read.
    Store(StoreError),
}

impl std::fmt::Display for ChainError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broken { seq, what } => write!(f, "the chain breaks at event {seq}: {what}"),
            Self::Store(e) => write!(f, "{e}"),
        }
    }
}

fn header_hash(run: &Run) -> String {
    let header = json!({
        "id": run.id.as_str(),
        "rollout": run.rollout,
        "environment": run.environment,
        "plan_hash": run.plan_hash,
        "bindings_hash": run.bindings_hash,
        "started": run.started,
    });
    sha256_hex(canonical(&header).as_bytes())
}

fn event_hash(prev: &str, run: &RunId, seq: i64, at: Time, kind: &str, body: &Value) -> String {
    let whole = json!({ "run": run.as_str(), "seq": seq, "at": at, "kind": kind, "body": body });
    sha256_hex(format!("{prev}\n{}", canonical(&whole)).as_bytes())
}

fn last(c: &Connection, run: &RunId) -> rusqlite::Result<Option<(i64, String)>> {
    c.query_row("select seq, hash from event where run = ?1 order by seq desc limit 1", [run.as_str()], |r| {
        Ok((r.get(0)?, r.get(1)?))
    })
    .optional()
}

impl Store {
    /// Appends events, replaces the run's state, and keeps an observation, all in one transaction.
    ///
    /// # Errors
    /// The store's; then nothing of it was written.
    pub fn append(
        &self,
        run: &RunId,
        events: &[NewEvent],
        state: Option<&Value>,
        observation: Option<(Time, &Value)>,
    ) -> Result<Vec<Event>, StoreError> {
        // the header is part of the chain: read it before the lock below is taken
        let header = self.run(run)?;
        let c = self.lock();
        self.append_locked(&c, &header, events, state, observation)
    }

    fn append_locked(
        &self,
        c: &Connection,
        header: &Run,
        events: &[NewEvent],
        state: Option<&Value>,
        observation: Option<(Time, &Value)>,
    ) -> Result<Vec<Event>, StoreError> {
        let run = &header.id;
        let mut out = Vec::with_capacity(events.len());
        let failed = |e: rusqlite::Error| self.failed(&e);
        let tx = rusqlite::Transaction::new_unchecked(c, rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
        let (mut seq, mut prev) = last(&tx, run).map_err(failed)?.unwrap_or_else(|| (0, header_hash(header)));
        for e in events {
            let body = canonical(&e.body);
            if body.len() > LARGEST {
                return Err(StoreError::TooLarge { kind: e.kind.clone(), size: body.len() });
            }
            seq += 1;
            let hash = event_hash(&prev, run, seq, e.at, &e.kind, &e.body);
            tx.prepare_cached("insert into event (run, seq, at, kind, body, prev, hash) values (?1,?2,?3,?4,?5,?6,?7)")
                .and_then(|mut s| s.execute(params![run.as_str(), seq, e.at, e.kind, body, prev, hash]))
                .map_err(failed)?;
            let event = Event { seq, at: e.at, kind: e.kind.clone(), body: e.body.clone(), prev, hash: hash.clone() };
            out.push(event);
            prev = hash;
        }
        if let Some(state) = state {
            tx.prepare_cached(
                "insert into state (run, seq, body) values (?1,?2,?3) \
                 on conflict (run) do update set seq = excluded.seq, body = excluded.body",
            )
            .and_then(|mut s| s.execute(params![run.as_str(), seq, state.to_string()]))
            .map_err(failed)?;
        }
        if let Some((at, body)) = observation {
            tx.prepare_cached("insert or replace into observation (run, at, body) values (?1,?2,?3)")
                .and_then(|mut s| s.execute(params![run.as_str(), at, body.to_string()]))
                .map_err(failed)?;
        }
        tx.commit().map_err(failed)?;
        Ok(out)
    }

    /// Events of a run in their order.
    ///
    /// # Errors
    /// The store's.
    pub fn events(&self, run: &RunId, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let c = self.lock();
        let sql = "select seq, at, kind, body, prev, hash from event where run = ?1 and seq > ?2 order by seq";
        let mut statement = c.prepare_cached(sql).map_err(|e| self.failed(&e))?;
        let rows = statement
            .query_map(params![run.as_str(), filter.after], |r| {
                let body: String = r.get(3)?;
                Ok(Event {
                    seq: r.get(0)?,
                    at: r.get(1)?,
                    kind: r.get(2)?,
                    // an altered body that is no JSON any more stays readable; the chain tells
                    body: serde_json::from_str(&body).unwrap_or(Value::String(body)),
                    prev: r.get(4)?,
                    hash: r.get(5)?,
                })
            })
            .map_err(|e| self.failed(&e))?;
        let all: Vec<Event> = rows.collect::<Result<_, _>>().map_err(|e| self.failed(&e))?;
        Ok(all.into_iter().filter(|e| filter.kinds.is_empty() || filter.kinds.contains(&e.kind)).collect())
    }

    /// The state that a run was left in, with the event it belongs to.
    ///
    /// # Errors
    /// The store's.
    pub fn state(&self, run: &RunId) -> Result<Option<(i64, Value)>, StoreError> {
        let row: Option<(i64, String)> = self
            .lock()
            .query_row("select seq, body from state where run = ?1", [run.as_str()], |r| Ok((r.get(0)?, r.get(1)?)))
            .optional()
            .map_err(|e| self.failed(&e))?;
        row.map(|(seq, body)| {
            serde_json::from_str(&body).map(|v| (seq, v)).map_err(|e| StoreError::Corrupt {
                path: self.path.clone(),
                detail: format!("state of run {run}: {e}"),
            })
        })
        .transpose()
    }

    /// Observations of a run in a stretch of time, both ends included.
    ///
    /// # Errors
    /// The store's.
    pub fn observations(&self, run: &RunId, from: Time, to: Time) -> Result<Vec<(Time, Value)>, StoreError> {
        let c = self.lock();
        let sql = "select at, body from observation where run = ?1 and at between ?2 and ?3 order by at";
        let mut statement = c.prepare_cached(sql).map_err(|e| self.failed(&e))?;
        let rows = statement
            .query_map(params![run.as_str(), from, to], |r| {
                let body: String = r.get(1)?;
                Ok((r.get(0)?, serde_json::from_str(&body).unwrap_or(Value::Null)))
            })
            .map_err(|e| self.failed(&e))?;
        rows.collect::<Result<_, _>>().map_err(|e| self.failed(&e))
    }

    /// Removes observations from before `before`; events stay. Returns how many were removed.
    ///
    /// # Errors
    /// The store's.
    pub fn prune_observations(&self, before: Time) -> Result<usize, StoreError> {
        self.lock().execute("delete from observation where at < ?1", [before]).map_err(|e| self.failed(&e))
    }

    /// The chain's last hash.
    ///
    /// # Errors
    /// The store's.
    pub fn head(&self, run: &RunId) -> Result<String, StoreError> {
        let header = self.run(run)?;
        let found = last(&self.lock(), run).map_err(|e| self.failed(&e))?;
        Ok(found.map_or_else(|| header_hash(&header), |(_, hash)| hash))
    }

    /// Recomputes a run's chain.
    ///
    /// # Errors
    /// The first event that does not fit.
    pub fn verify(&self, run: &RunId) -> Result<(), ChainError> {
        let header = self.run(run).map_err(ChainError::Store)?;
        let mut prev = header_hash(&header);
        let mut seq = 0;
        for e in self.events(run, &EventFilter::default()).map_err(ChainError::Store)? {
            seq += 1;
            let broken = |what: &str| Err(ChainError::Broken { seq: e.seq, what: what.to_owned() });
            if e.seq != seq {
                return Err(ChainError::Broken { seq, what: String::from("it is missing") });
            }
            if e.prev != prev {
                return broken("it does not follow the one before it, or the run's header was changed");
            }
            if event_hash(&prev, run, e.seq, e.at, &e.kind, &e.body) != e.hash {
                return broken("its content was changed");
            }
            prev = e.hash;
        }
        // what was cut off at the end: the state remembers how far the chain reached
        match self.state(run).map_err(ChainError::Store)? {
            Some((reached, _)) if reached > seq => {
                Err(ChainError::Broken { seq: seq + 1, what: String::from("it and what followed are missing") })
            }
            _ => Ok(()),
        }
    }
}
