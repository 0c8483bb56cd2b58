//! Events and the state they led to.

use super::run::{no_run, sql_limit};
use super::{Claims, Fault, Head, NewLatch, NewNotice, NoticeMark, RunId, Store, StoreError, chain, latch, notice};
use crate::plan::Time;
use crate::plan::hash::{canonical, sha256_hex};
use rusqlite::types::Value as Sql;
use rusqlite::{OptionalExtension, Row, Transaction, params, params_from_iter};
use serde::Serialize;
use serde_json::Value;

/// The most bytes that an event's body may have as canonical JSON: 1 MiB.
pub const MAX_BODY: usize = 1 << 20;

/// How deep a value may be nested: what is written must be readable again (the JSON reader stops at 128).
const MAX_DEPTH: usize = 100;

/// Something that happened, to be journalled.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent<'a> {
    /// When: planned time of the check that it belongs to.
    pub at: Time,
    /// What: `started`, `breach`, `set`, …
    pub kind: &'a str,
    /// The particulars.
    pub body: Value,
}

/// What is written in the transaction of events besides them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Beside<'a> {
    /// The kill switches that they throw.
    pub latches: &'a [NewLatch],
    /// Notices that tell people of them, to be kept until they are delivered.
    pub notices: &'a [NewNotice],
    /// What became of earlier notices.
    pub marks: &'a [NoticeMark],
}

/// An event of a journal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Event {
    /// Its number in the run, from 1 without gaps.
    pub seq: u64,
    /// When.
    pub at: Time,
    /// What.
    pub kind: String,
    /// The particulars.
    pub body: Value,
    /// The hash of the event before it; of the run's header for the first.
    pub prev_hash: String,
    /// Its own hash.
    pub hash: String,
}

/// Which events.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Of these kinds only; empty: of all.
    pub kinds: Vec<String>,
    /// After this event.
    pub since_seq: u64,
    /// At or after this time.
    pub since: Option<Time>,
    /// Before this time.
    pub until: Option<Time>,
    /// At most so many: the first ones, or with `newest` the last ones.
    pub limit: Option<usize>,
    /// Keep the newest where `limit` cuts; the order stays that of the journal.
    pub newest: bool,
}

impl Store {
    /// Appends events, replaces the state's snapshot and keeps observations (of one time; those kept for it before are
    /// replaced), all in one transaction: when this returns, all of it is on disk, after a crash all of it or none. After an
    /// error none of it is there; only when the disk fails at the very last sync may the next process find it, whole.
    ///
    /// A run that has ended still takes events: a notification that arrives late is part of its story.
    ///
    /// The store that appends to a run is its runner: the first append (or [`Store::create_run`]) takes the run's fencing
    /// token, and whoever held it before gets [`StoreError::Fenced`] from then on. Other processes use
    /// [`Store::post_command`].
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] for a body above [`MAX_BODY`], [`StoreError::Refused`] for one nested deeper than 100;
    /// [`StoreError::NotFound`] for the run; those with [`StoreError::is_unavailable`] for what hinders.
    pub fn append(
        &self,
        run: &RunId,
        events: &[NewEvent<'_>],
        state: Option<&Value>,
        observations: Option<(Time, &Value)>,
    ) -> Result<Vec<Event>, StoreError> {
        self.append_with(run, events, state, observations, &Beside::default())
    }

    /// As [`Store::append`], with what belongs to the events in the same transaction.
    pub fn append_with(
        &self,
        run: &RunId,
        events: &[NewEvent<'_>],
        state: Option<&Value>,
        observations: Option<(Time, &Value)>,
        beside: &Beside<'_>,
    ) -> Result<Vec<Event>, StoreError> {
        // everything that takes time or can be refused comes before the lock
        let bodies = events.iter().map(body_text).collect::<Result<Vec<_>, _>>()?;
        let state = state.map(|s| checked(s, "the state")).transpose()?;
        let observations =
            observations.map(|(at, o)| Ok::<_, StoreError>((at, checked(o, "an observation")?))).transpose()?;
        let notices = beside
            .notices
            .iter()
            .map(|n| Ok((n, checked(&n.body, "a notice")?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        self.write(|tx, claims| {
            let mut head = claimed_head(tx, run, claims)?;
            let mut out = Vec::with_capacity(events.len());
            let mut insert = tx.prepare_cached(
                "INSERT INTO events (run, seq, at, kind, body, prev_hash, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?;
            for (event, body) in events.iter().zip(&bodies) {
                let seq = head.seq + 1;
                let hash = chain::event_hash(&head.hash, run, seq, event.at, event.kind, body);
                insert.execute(params![run.as_str(), sql_seq(seq), event.at, event.kind, body, head.hash, hash])?;
                let prev_hash = std::mem::replace(&mut head, Head { seq, hash: hash.clone() }).hash;
                out.push(Event {
                    seq,
                    at: event.at,
                    kind: event.kind.to_owned(),
                    body: event.body.clone(),
                    prev_hash,
                    hash,
                });
            }
            if !out.is_empty() {
                tx.prepare_cached("UPDATE heads SET seq = ?2, hash = ?3 WHERE run = ?1")?.execute(params![
                    run.as_str(),
                    sql_seq(head.seq),
                    head.hash
                ])?;
            }
            if let Some(state) = &state {
                tx.prepare_cached("INSERT OR REPLACE INTO states (run, seq, body, sha256) VALUES (?1, ?2, ?3, ?4)")?
                    .execute(params![run.as_str(), sql_seq(head.seq), state, sha256_hex(state.as_bytes())])?;
            }
            for new in beside.latches {
                latch::insert(tx, run, new)?;
            }
            if let Some((at, text)) = &observations {
                tx.prepare_cached("INSERT OR REPLACE INTO observations (run, at, body) VALUES (?1, ?2, ?3)")?
                    .execute(params![run.as_str(), at, text])?;
            }
            notice::keep(tx, run, &notices)?;
            notice::mark(tx, beside.marks)?;
            Ok(out)
        })
    }

    /// Events of a run in the order of the journal.
    pub fn events(&self, run: &RunId, filter: &EventFilter) -> Result<Vec<Event>, StoreError> {
        let mut sql = "SELECT seq, at, kind, body, prev_hash, hash FROM events WHERE run = ? AND seq > ?".to_owned();
        let mut args = vec![Sql::Text(run.as_str().to_owned()), Sql::Integer(sql_seq(filter.since_seq))];
        if !filter.kinds.is_empty() {
            sql.push_str(" AND kind IN (SELECT value FROM json_each(?))");
            args.push(Sql::Text(canonical(&Value::from(filter.kinds.clone()))));
        }
        if let Some(since) = filter.since {
            sql.push_str(" AND at >= ?");
            args.push(Sql::Integer(since));
        }
        if let Some(until) = filter.until {
            sql.push_str(" AND at < ?");
            args.push(Sql::Integer(until));
        }
        sql.push_str(if filter.newest { " ORDER BY seq DESC LIMIT ?" } else { " ORDER BY seq LIMIT ?" });
        args.push(Sql::Integer(sql_limit(filter.limit)));
        let mut events = self.read(|tx| {
            known(tx, run)?;
            let mut stmt = tx.prepare_cached(&sql)?;
            let mut rows = stmt.query(params_from_iter(args))?;
            let mut out = Vec::new();
            while let Some(row) = rows.next()? {
                out.push(self.event(row)?);
            }
            Ok(out)
        })?;
        if filter.newest {
            events.reverse();
        }
        Ok(events)
    }

    /// The newest snapshot of a run's state, and the event as of which it was taken (0: before the first).
    ///
    /// # Errors
    /// [`StoreError::Corrupt`] when it is not what was written.
    pub fn state(&self, run: &RunId) -> Result<Option<(u64, Value)>, StoreError> {
        let found: Option<(i64, String, String)> = self.read(|tx| {
            known(tx, run)?;
            Ok(tx
                .prepare_cached("SELECT seq, body, sha256 FROM states WHERE run = ?1")?
                .query_row([run.as_str()], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
                .optional()?)
        })?;
        let Some((seq, text, hash)) = found else {
            return Ok(None);
        };
        let damaged = || StoreError::corrupt(&self.path, format!("the state of run {run} is not what was written"));
        if sha256_hex(text.as_bytes()) != hash {
            return Err(damaged());
        }
        let seq = u64::try_from(seq).map_err(|_| damaged())?;
        Ok(Some((seq, serde_json::from_str(&text).map_err(|_| damaged())?)))
    }

    fn event(&self, row: &Row<'_>) -> Result<Event, Fault> {
        let (seq, text): (i64, String) = (row.get(0)?, row.get(3)?);
        let damaged = || StoreError::corrupt(&self.path, format!("event {seq} is not what was written"));
        Ok(Event {
            seq: u64::try_from(seq).map_err(|_| damaged())?,
            at: row.get(1)?,
            kind: row.get(2)?,
            body: serde_json::from_str(&text).map_err(|_| damaged())?,
            prev_hash: row.get(4)?,
            hash: row.get(5)?,
        })
    }
}

fn body_text(event: &NewEvent<'_>) -> Result<String, StoreError> {
    let what = || format!("the body of event `{}`", event.kind);
    let text = checked(&event.body, &what())?;
    if text.len() > MAX_BODY {
        return Err(StoreError::TooLarge { what: what(), size: text.len(), limit: MAX_BODY });
    }
    Ok(text)
}

/// The canonical text of a value that can be read again.
pub(super) fn checked(value: &Value, what: &str) -> Result<String, StoreError> {
    if !fits(value, MAX_DEPTH) {
        return Err(StoreError::refused(format!("{what} is nested deeper than {MAX_DEPTH} levels")));
    }
    Ok(canonical(value))
}

fn fits(value: &Value, depth: usize) -> bool {
    match value {
        Value::Array(items) => depth > 0 && items.iter().all(|v| fits(v, depth - 1)),
        Value::Object(members) => depth > 0 && members.values().all(|v| fits(v, depth - 1)),
        _ => true,
    }
}

/// A number of an event as SQLite holds it.
pub(super) fn sql_seq(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}

/// Fails unless there is such a run.
pub(super) fn known(tx: &Transaction<'_>, run: &RunId) -> Result<(), Fault> {
    match chain::stored_header_hash(tx, run)? {
        Some(_) => Ok(()),
        None => Err(no_run(run).into()),
    }
}

/// The end of a run's chain, and its fencing token.
pub(super) fn head(tx: &Transaction<'_>, run: &RunId) -> Result<Option<(Head, i64)>, Fault> {
    Ok(tx
        .prepare_cached("SELECT seq, hash, fence FROM heads WHERE run = ?1")?
        .query_row([run.as_str()], |row| {
            let seq: i64 = row.get(0)?;
            let head = Head { seq: u64::try_from(seq).unwrap_or(0), hash: row.get(1)? };
            Ok((head, row.get(2)?))
        })
        .optional()?)
}

/// The end of the chain of a run that this store may write: takes its fencing token at the first call, checks it later.
pub(super) fn claimed_head(tx: &Transaction<'_>, run: &RunId, claims: &mut Claims) -> Result<Head, Fault> {
    let Some((head, fence)) = head(tx, run)? else {
        return Err(no_run(run).into());
    };
    match claims.held.get(run) {
        Some(&mine) if mine == fence => {}
        Some(_) => {
            return Err(StoreError::Fenced { run: run.to_string() }.into());
        }
        None => {
            tx.execute("UPDATE heads SET fence = ?2 WHERE run = ?1", params![run.as_str(), fence + 1])?;
            claims.pending = Some((run.clone(), fence + 1));
        }
    }
    Ok(head)
}
