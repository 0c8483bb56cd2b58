//! The store: runs, their journals, leases and people's commands, in one SQLite file.
//!
//! A run's journal is a list of events that only grows; each carries the SHA-256 of the one before it, the first that of the
//! run's header (see `chain.rs`). An append is one transaction that is on disk when the call returns: what is decided is
//! journalled before it is performed. Beside the journal stand the newest snapshot of the engine's state, which is replaced,
//! and observations, which can be pruned; and latches, the kill switches that were thrown and not reset.
//!
//! It knows nothing of the engine or of how a rollout runs: it holds text and JSON values. It is synchronous, calls are short,
//! and a [`Store`] can be shared between threads. Times come from the caller; there is no clock in here.

mod chain;
mod command;
mod error;
mod journal;
mod latch;
mod lease;
mod notice;
mod observation;
mod open;
mod run;

pub use chain::{ChainError, Head, VerifyError};
pub use command::Command;
pub use error::StoreError;
pub use journal::{Beside, Event, EventFilter, MAX_BODY, NewEvent};
pub use latch::{Latch, NewLatch, Reset};
pub use lease::{Holder, LeaseGuard, NOBODY, host, user};
pub use notice::{Fate, KeptNotice, NewNotice, NoticeMark};
pub use observation::Around;
pub use run::{Documents, NewRun, Run, RunFilter, RunId};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a call waits while another process writes.
pub const BUSY: Duration = Duration::from_secs(5);

/// An open store.
#[derive(Debug)]
pub struct Store {
    inner: Mutex<Inner>,
    /// Absolute, without symbolic links: two ways to one store must find the same locks.
    path: PathBuf,
    /// The database and its companions as they were when it was opened.
    files: Vec<open::Opened>,
    read_only: bool,
}

#[derive(Debug)]
struct Inner {
    conn: Connection,
    claims: Claims,
}

/// The fencing tokens of the runs whose journals this store writes.
#[derive(Debug, Default)]
struct Claims {
    held: HashMap<RunId, i64>,
    /// Taken in the transaction that is under way: held when it is committed.
    pending: Option<(RunId, i64)>,
}

/// An error inside a transaction, before the store's path is known to it.
enum Fault {
    Sql(rusqlite::Error),
    Store(StoreError),
}

impl From<rusqlite::Error> for Fault {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sql(e)
    }
}

impl From<StoreError> for Fault {
    fn from(e: StoreError) -> Self {
        Self::Store(e)
    }
}

impl Store {
    /// How long a call waits for another process that keeps the store locked; [`BUSY`] unless set.
    pub fn set_patience(&self, patience: Duration) {
        // a connection that cannot take it keeps the one it has
        let _ = self.inner().conn.busy_timeout(patience);
    }

    /// Its file: absolute, symbolic links resolved.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads every page and index of the database and reports the first damage. Takes time in proportion to its size: for
    /// `canary doctor`, not for each run.
    pub fn check_integrity(&self) -> Result<(), StoreError> {
        let found: String = self.read(|tx| Ok(tx.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?))?;
        if found == "ok" { Ok(()) } else { Err(StoreError::corrupt(&self.path, found.replace('\n', "; "))) }
    }

    // A panic inside a call has rolled its transaction back: the connection is as good as before.
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `f` on one consistent view of the store.
    fn read<T>(&self, f: impl FnOnce(&Transaction<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        self.still_there()?;
        let mut inner = self.inner();
        let tx = inner.conn.transaction().map_err(|e| StoreError::sqlite(&self.path, &e))?;
        f(&tx).map_err(|fault| self.store_error(fault))
    }

    /// Runs `f` in one transaction that is on disk when this returns `Ok`, and has left no trace otherwise.
    fn write<T>(&self, f: impl FnOnce(&Transaction<'_>, &mut Claims) -> Result<T, Fault>) -> Result<T, StoreError> {
        if self.read_only {
            return Err(StoreError::ReadOnly { path: self.path.clone() });
        }
        self.still_there()?;
        let mut inner = self.inner();
        let Inner { conn, claims } = &mut *inner;
        let sql = |e| StoreError::sqlite(&self.path, &e);
        // IMMEDIATE: what is read inside is still true when it is written
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
        claims.pending = None;
        let out = f(&tx, claims).map_err(|fault| self.store_error(fault))?;
        tx.commit().map_err(sql)?;
        if let Some((run, token)) = claims.pending.take() {
            claims.held.insert(run, token);
        }
        // deleted while writing: the bytes went into a file that nobody will find
        self.still_there()?;
        Ok(out)
    }

    fn store_error(&self, fault: Fault) -> StoreError {
        match fault {
            Fault::Sql(e) => StoreError::sqlite(&self.path, &e),
            Fault::Store(e) => e,
        }
    }

    /// SQLite goes on writing into a file that was deleted or replaced; the journal would be lost without a word.
    fn still_there(&self) -> Result<(), StoreError> {
        for file in &self.files {
            if file.is_gone() {
                return Err(StoreError::Gone { path: file.path.clone() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
