//! Why the store did not do what it was asked.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// What went wrong, each in one line with the store's path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreError {
    /// There is no store yet.
    Absent {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The disk (or quota) is full.
    Full {
        /// The store.
        path: PathBuf,
    },
    /// The file or its file system cannot be written.
    ReadOnly {
        /// The store.
        path: PathBuf,
    },
    /// Another process keeps it locked.
    Busy {
        /// The store.
        path: PathBuf,
    },
    /// The file is no store, or is damaged.
    Corrupt {
        /// The store.
        path: PathBuf,
        /// SQLite's words.
        detail: String,
    },
    /// It was written by a newer version.
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema's version.
        version: i64,
    },
    /// Someone else holds what was asked for.
    Held {
        /// What: `rollout/checkout`.
        name: String,
        /// By whom, in the holder's own words.
        by: String,
    },
    /// There is no such run.
    NoRun {
        /// Its id.
        run: String,
    },
    /// An event is larger than a journal should hold.
    TooLarge {
        /// The event's kind.
        kind: String,
        /// Its size in bytes.
        size: usize,
    },
    /// The system refused.
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's words.
        detail: String,
    },
}

impl StoreError {
    pub(super) fn of(path: &Path, e: &rusqlite::Error) -> Self {
        let path = path.to_path_buf();
        let detail = e.to_string();
        match e.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full { path },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Self::ReadOnly { path },
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { path },
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, detail },
            _ => Self::Io { path, detail },
        }
    }

    pub(super) fn of_io(path: &Path, e: &std::io::Error) -> Self {
        let path = path.to_path_buf();
        match e.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { path },
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path },
            _ => Self::Io { path, detail: e.to_string() },
        }
    }

    /// Whether the store cannot be written at the moment: the runtime may then only lower exposure.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::ReadOnly { .. } | Self::Busy { .. } | Self::Corrupt { .. } | Self::Io { .. }
        )
    }
}

impl std::fmt::Display for StoreError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent { path } => {
                write!(f, "no runs yet: there is no store at {} (another one: `--store FILE`)", path.display())
            }
            Self::Full { path } => write!(f, "the disk is full: cannot write the store {}", path.display()),
            Self::ReadOnly { path } => {
                write!(f, "the store {} cannot be written: no permission, or read-only", path.display())
            }
            Self::Busy { path } => {
                write!(f, "the store {} is locked by another process for more than 5s", path.display())
            }
            Self::Corrupt { path, detail } => {
                write!(
                    f,
                    "{} is not a readable store ({detail}): move it away, or restore it from a backup",
                    path.display()
                )
            }
            Self::Newer { path, version } => {
                write!(f, "the store {} was written by a newer canary (schema {version}): use that one", path.display())
            }
            Self::Held { name, by } => write!(f, "{name} is held by {by}"),
            Self::NoRun { run } => write!(f, "no run {run} in this store"),
            Self::TooLarge { kind, size } => {
                write!(f, "an event `{kind}` of {size} bytes is too large for the journal")
            }
            Self::Io { path, detail } => write!(f, "{}: {detail}", path.display()),
        }
    }
}

impl std::error::Error for StoreError {}
