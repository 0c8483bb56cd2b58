//! The journal: runs, their hash-chained events, their state, observations, and people's commands, in one SQLite file.
//!
//! Knows nothing of the engine or the runtime: it keeps JSON and text. Transitions and effects are hash-chained and never
//! changed; observations stand beside them and can be pruned. Everything that is read later (status, history, why, recovery)
//! is read from here.

mod commands;
mod error;
mod events;
mod lease;
mod runs;
mod schema;

pub use commands::Command;
pub use error::StoreError;
pub use events::{ChainError, Event, EventFilter, NewEvent};
pub use lease::LeaseGuard;
pub use runs::{NewRun, Run, RunFilter, RunId};

use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a call waits for another process that writes.
const BUSY: Duration = Duration::from_secs(5);

/// An open store. Calls are short and block; share it behind an [`std::sync::Arc`].
#[derive(Debug)]
pub struct Store {
    connection: Mutex<Connection>,
    path: PathBuf,
}

impl Store {
    /// Opens a store to read and write; makes it, with its folder, when there is none. Readable by its owner only.
    ///
    /// # Errors
    /// A folder or file that cannot be made, a file that is no store, a store of a newer version.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        make_private_folder(path)?;
        make_private_file(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| StoreError::of(path, &e))?;
        let store = Self { connection: Mutex::new(connection), path: path.to_path_buf() };
        {
            let c = store.lock();
            c.busy_timeout(BUSY).map_err(|e| store.failed(&e))?;
            schema::prepare(&c).map_err(|e| e.at(path))?;
        }
        Ok(store)
    }

    /// Opens a store to read.
    ///
    /// # Errors
    /// No such file, a file that is no store, a store of another version.
    pub fn open_readonly(path: &Path) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Absent { path: path.to_path_buf() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|e| StoreError::of(path, &e))?;
        connection.busy_timeout(BUSY).map_err(|e| StoreError::of(path, &e))?;
        schema::check(&connection).map_err(|e| e.at(path))?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_path_buf() })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        // a panic while the lock was held left at most an open transaction, which SQLite rolls back
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, e: &rusqlite::Error) -> StoreError {
        StoreError::of(&self.path, e)
    }

    /// Limits the file to so many pages: makes "disk full" happen where a test needs it.
    #[cfg(test)]
    fn limit_pages(&self, pages: u32) {
        self.lock().pragma_update(None, "max_page_count", pages).unwrap();
    }
}

fn make_private_folder(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::DirBuilderExt;
    let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| StoreError::of_io(folder, &e))
}

fn make_private_file(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    // SQLite makes its own files beside with the mode of this one
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map(drop)
        .map_err(|e| StoreError::of_io(path, &e))
}

#[cfg(test)]
mod tests;
