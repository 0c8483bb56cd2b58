//! What can go wrong with the store, each in one line that says where and what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// There is no store at this path yet, or nothing in it.
    NoRuns {
        /// The store's file.
        path: PathBuf,
    },
    /// There is no such run or command.
    NotFound {
        /// `run 20261121-0915-k3f9`, `command 7`
        what: String,
    },
    /// No space is left. The same [`super::Store`] works again once there is.
    Full {
        /// The store's file.
        path: PathBuf,
    },
    /// The file or its file system cannot be written.
    ReadOnly {
        /// The store's file.
        path: PathBuf,
    },
    /// Another process held the database for longer than [`super::BUSY`].
    Busy {
        /// The store's file.
        path: PathBuf,
    },
    /// The database is damaged.
    Corrupt {
        /// The store's file.
        path: PathBuf,
        /// What is damaged.
        detail: String,
    },
    /// The file is something else than a store.
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What it is.
        detail: String,
    },
    /// The store was written by a newer canary.
    Newer {
        /// The store's file.
        path: PathBuf,
        /// The schema version found.
        found: i64,
        /// The newest schema version that this canary knows.
        known: i64,
    },
    /// The store's file was deleted, moved or replaced while it was open: what is written would be lost.
    Gone {
        /// The file that is missing or another one now.
        path: PathBuf,
    },
    /// The operating system refused.
    Io {
        /// The file.
        path: PathBuf,
        /// Its words.
        detail: String,
    },
    /// Another runner holds the lease.
    Held {
        /// The name of the lease: `rollout/checkout`.
        name: String,
        /// Who holds it: `pid 4711 on host1 by eva since 2026-11-21 09:15:00 UTC`.
        by: String,
    },
    /// This runner does not hold its lease any more: its lock file was deleted or replaced.
    LeaseLost {
        /// The name of the lease.
        name: String,
    },
    /// Another runner has taken over this run's journal: this one must do nothing more.
    Fenced {
        /// The run.
        run: String,
    },
    /// Something is larger than the store takes.
    TooLarge {
        /// What: `the body of event "breach"`.
        what: String,
        /// Its size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The request makes no sense.
    Refused {
        /// Why, and what would.
        why: String,
    },
}

impl StoreError {
    /// Whether the journal cannot be relied on at the moment: a runner may then only lower exposure, until a write succeeds
    /// again. [`StoreError::Held`], [`StoreError::LeaseLost`] and [`StoreError::Fenced`] are not among these: with the store in
    /// reach and the lease lost a runner does nothing.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::NoRuns { .. }
            | Self::Full { .. }
            | Self::ReadOnly { .. }
            | Self::Busy { .. }
            | Self::Corrupt { .. }
            | Self::NotAStore { .. }
            | Self::Newer { .. }
            | Self::Gone { .. }
            | Self::Io { .. } => true,
            Self::NotFound { .. }
            | Self::Held { .. }
            | Self::LeaseLost { .. }
            | Self::Fenced { .. }
            | Self::TooLarge { .. }
            | Self::Refused { .. } => false,
        }
    }

    /// Whether another runner is (or may be) at work on the same rollout, port or run: this one must then do nothing.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::LeaseLost { .. } | Self::Fenced { .. })
    }

    /// What a refusal of the operating system means.
    pub(super) fn io(path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let path = path.to_path_buf();
        match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Self::Full { path },
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { path, detail: error.to_string() },
        }
    }

    /// What an answer of SQLite means.
    pub(super) fn sqlite(path: &Path, error: &rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        let path = path.to_path_buf();
        let detail = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
                Self::Busy { path }
            }
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, detail },
            Some(ErrorCode::NotADatabase) => Self::NotAStore { path, detail: "the file is not a database".to_owned() },
            Some(ErrorCode::TooBig) => {
                Self::refused("a document is larger than the store takes (1 GB): split the rollout into smaller ones")
            }
            // SQLite knows one word for "no space" only; a quota, or a shared-memory file that cannot grow, comes as an
            // I/O error. What the file system itself says to a small file beside the store is clearer.
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen) => {
                probe(&path).err().unwrap_or(Self::Io { path, detail })
            }
            _ => match error {
                // a column of another type than the schema says, or a value that is not UTF-8
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::Utf8Error(..) => Self::Corrupt { path, detail },
                _ => Self::Io { path, detail },
            },
        }
    }

    pub(super) fn corrupt(path: &Path, detail: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_path_buf(), detail: detail.into() }
    }

    pub(super) fn refused(why: impl Into<String>) -> Self {
        Self::Refused { why: why.into() }
    }
}

/// Writes a page beside the store and removes it again.
fn probe(store: &Path) -> Result<(), StoreError> {
    use std::io::Write;
    let mut name = store.as_os_str().to_owned();
    name.push(format!(".probe-{}", std::process::id()));
    let path = PathBuf::from(name);
    let written =
        std::fs::File::create(&path).and_then(|mut file| file.write_all(&[0; 65536]).and_then(|()| file.sync_all()));
    // best effort: the answer is what was asked for
    let _ = std::fs::remove_file(&path);
    written.map_err(|e| StoreError::io(store, &e))
}

/// The way out where a store cannot be made or written: people start a run from wherever they are.
const WRITABLE: &str = ": its folder must be writable, since a lock and a journal stand beside it; start in another folder, or name \
    the file with `CANARY_STORE` or the environment's `store = sqlite(path: …)`";

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRuns { path } => {
                write!(f, "no runs yet: there is nothing in store {}", path.display())
            }
            Self::NotFound { what } => write!(f, "there is no {what} in the store"),
            Self::Full { path } => {
                write!(f, "no space left for store {}: free some; it is used again at once", path.display())
            }
            Self::ReadOnly { path } => write!(
                f,
                "store {} cannot be written: make the file and its file system writable for this user",
                path.display()
            ),
            Self::Busy { path } => write!(
                f,
                "store {} is locked by another process for more than {}s: end what holds it (`fuser {}` shows it)",
                path.display(),
                super::BUSY.as_secs(),
                path.display()
            ),
            Self::Corrupt { path, detail } => write!(
                f,
                "store {} is damaged ({detail}): keep a copy, then restore it from a backup or move it away",
                path.display()
            ),
            Self::NotAStore { path, detail } => {
                write!(f, "{} is not a store of canary ({detail}): move it away or name another path", path.display())
            }
            Self::Newer { path, found, known } => write!(
                f,
                "store {} was written by a newer canary (schema {found}, this one knows {known}): update this canary",
                path.display()
            ),
            Self::Gone { path } => write!(
                f,
                "{} was deleted or replaced while in use: put it back and start again with `--resume`",
                path.display()
            ),
            Self::Io { path, detail } => {
                write!(f, "store {}: {detail}", path.display())?;
                if detail.contains("Permission denied") {
                    f.write_str(WRITABLE)?;
                }
                Ok(())
            }
            Self::Held { name, by } => {
                write!(f, "{name} is held by another runner ({by}): wait for it, or end it first")
            }
            Self::LeaseLost { name } => write!(
                f,
                "the lease on {name} is lost: its lock file was deleted or replaced, another runner may be at work"
            ),
            Self::Fenced { run } => write!(f, "another runner has taken over run {run}: this one does nothing more"),
            Self::TooLarge { what, size, limit } => {
                write!(f, "{what} has {size} bytes, the store takes at most {limit}")
            }
            Self::Refused { why } => f.write_str(why),
        }
    }
}

impl std::error::Error for StoreError {}
