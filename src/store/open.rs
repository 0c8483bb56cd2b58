//! Opening a store: its file, its settings, its schema.

use super::{BUSY, Claims, Inner, Store, StoreError};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The schema that this canary writes.
const SCHEMA: i64 = 2;

/// Written into the file's header, where `file(1)` and other tools see it: `cnry`.
const APPLICATION_ID: i64 = 0x636e_7279;

/// What each version added, the first one first.
const VERSIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_2.sql")];

/// Creating a file and closing it again drops every POSIX lock that this process holds on it; SQLite in another thread may
/// just have taken one. So this process opens one store at a time.
static OPENING: Mutex<()> = Mutex::new(());

/// A file as it was when it was opened.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) path: PathBuf,
    device: u64,
    inode: u64,
}

impl Opened {
    fn see(path: PathBuf) -> Option<Self> {
        let seen = std::fs::metadata(&path).ok()?;
        Some(Self { path, device: seen.dev(), inode: seen.ino() })
    }

    /// Whether the path leads to no file, or to another one. A file system that does not answer is no proof of that.
    pub(super) fn is_gone(&self) -> bool {
        match std::fs::metadata(&self.path) {
            Ok(now) => (now.dev(), now.ino()) != (self.device, self.inode),
            Err(e) => matches!(e.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory),
        }
    }
}

impl Store {
    /// Opens the store at `path`; creates it (mode 0600) and its folder (mode 0700) when it is not there.
    ///
    /// # Errors
    /// [`StoreError::NotAStore`], [`StoreError::Newer`], [`StoreError::Corrupt`] for what is there; [`StoreError::ReadOnly`],
    /// [`StoreError::Full`], [`StoreError::Busy`], [`StoreError::Io`] for what hinders.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        create(path)?;
        open_writable(path)
    }

    /// Opens the store at `path` for writing, as a person's command does: [`StoreError::NoRuns`] when there is none.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        open_writable(path)
    }

    /// Opens the store at `path` for reading, while a runner writes or not, also from a file system that is read-only.
    /// [`StoreError::NoRuns`] when there is none; every write is [`StoreError::ReadOnly`].
    pub fn open_readonly(path: &Path) -> Result<Self, StoreError> {
        let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let path = existing(path)?;
        let conn = open_reader(&path, READER)?;
        read_by(conn, path)
    }

    /// As [`Store::open_readonly`], and leaves no new file behind: reading creates the companion files of the write-ahead log.
    /// Where there is no log nobody has the store open, and the file is read as it stands.
    pub fn peek(path: &Path) -> Result<Self, StoreError> {
        if beside(path, "-wal").exists() {
            return Self::open_readonly(path);
        }
        let _one = OPENING.lock().unwrap_or_else(PoisonError::into_inner);
        let path = existing(path)?;
        let conn = open_immutable(&path, READER).map_err(|e| StoreError::sqlite(&path, &e))?;
        read_by(conn, path)
    }
}

const READER: OpenFlags = OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

fn read_by(conn: Connection, path: PathBuf) -> Result<Store, StoreError> {
    let Some(version) = schema(&conn, &path)? else {
        return Err(StoreError::NoRuns { path });
    };
    add_versions(&conn, &path, version, "temp")?;
    Ok(store(conn, path, true))
}

fn open_immutable(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let uri = format!("file:{}?immutable=1", uri_path(path));
    Connection::open_with_flags(uri, flags | OpenFlags::SQLITE_OPEN_URI)
}

fn open_writable(path: &Path) -> Result<Store, StoreError> {
    let path = existing(path)?;
    let sql = |e| StoreError::sqlite(&path, &e);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(&path, flags).map_err(sql)?;
    conn.busy_timeout(BUSY).map_err(sql)?;
    // SQLite falls back to reading where it may not write
    if conn.is_readonly("main").map_err(sql)? {
        return Err(StoreError::ReadOnly { path });
    }
    // looked at before anything is changed: it may be somebody else's database
    let known = schema(&conn, &path)?;
    settings(&conn, &path)?;
    if known != Some(SCHEMA) {
        bring_up_to_date(&mut conn, &path)?;
    }
    Ok(store(conn, path, false))
}

fn store(conn: Connection, path: PathBuf, read_only: bool) -> Store {
    conn.set_prepared_statement_cache_capacity(64);
    let files = ["", "-wal", "-shm"].into_iter().filter_map(|end| Opened::see(beside(&path, end))).collect();
    Store { inner: Mutex::new(Inner { conn, claims: Claims::default() }), path, files, read_only }
}

/// `path` with something added to its last part.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Creates the folder and an empty file, for this user alone; SQLite gives its companion files the same mode.
fn create(path: &Path) -> Result<(), StoreError> {
    let io = |e: std::io::Error| StoreError::io(path, &e);
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(io)?;
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    match created {
        // the new name must outlive a power cut as well
        Ok(_) => std::fs::File::open(parent).and_then(|folder| folder.sync_all()).map_err(io),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        // a store that is there already on a file system that became read-only: opening it says so
        Err(_) if path.is_file() => Ok(()),
        Err(e) => Err(io(e)),
    }
}

/// The file's one true path.
fn existing(path: &Path) -> Result<PathBuf, StoreError> {
    let seen = std::fs::metadata(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => StoreError::NoRuns { path: path.to_path_buf() },
        _ => StoreError::io(path, &e),
    })?;
    if !seen.is_file() {
        let detail = if seen.is_dir() { "it is a folder" } else { "it is not a regular file" };
        return Err(StoreError::NotAStore { path: path.to_path_buf(), detail: detail.to_owned() });
    }
    std::fs::canonicalize(path).map_err(|e| StoreError::io(path, &e))
}

fn open_reader(path: &Path, flags: OpenFlags) -> Result<Connection, StoreError> {
    let sql = |e| StoreError::sqlite(path, &e);
    let conn = Connection::open_with_flags(path, flags).map_err(sql)?;
    conn.busy_timeout(BUSY).map_err(sql)?;
    let looked: rusqlite::Result<i64> = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0));
    match looked {
        Ok(_) => Ok(conn),
        // A log in use needs a writable folder to coordinate readers. Where nothing can be written and the log is empty,
        // nobody else writes either: read the file as it stands.
        Err(e)
            if matches!(
                e.sqlite_error_code(),
                Some(rusqlite::ErrorCode::CannotOpen | rusqlite::ErrorCode::ReadOnly)
            ) && std::fs::metadata(beside(path, "-wal")).map_or(0, |log| log.len()) == 0 =>
        {
            open_immutable(path, flags).map_err(sql)
        }
        Err(e) => Err(sql(e)),
    }
}

fn uri_path(path: &Path) -> String {
    use std::fmt::Write;
    use std::os::unix::ffi::OsStrExt;
    let mut out = String::new();
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// The version of a store of ours, `None` for an empty file; anything else is an error.
fn schema(conn: &Connection, path: &Path) -> Result<Option<i64>, StoreError> {
    let sql = |e| StoreError::sqlite(path, &e);
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sql)?;
    if tables == 0 {
        return Ok(None);
    }
    let application: i64 = conn.query_row("PRAGMA application_id", [], |row| row.get(0)).map_err(sql)?;
    if application != APPLICATION_ID {
        return Err(StoreError::NotAStore {
            path: path.to_path_buf(),
            detail: "it is a database of another program".to_owned(),
        });
    }
    let found: Option<i64> = conn
        .query_row("SELECT max(version) FROM schema_version", [], |row| row.get(0))
        .optional()
        .map_err(sql)?
        .flatten();
    match found {
        Some(1..=SCHEMA) => Ok(found),
        Some(found) if found > SCHEMA => Err(StoreError::Newer { path: path.to_path_buf(), found, known: SCHEMA }),
        _ => Err(StoreError::corrupt(path, "its schema version is missing")),
    }
}

fn settings(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let sql = |e| StoreError::sqlite(path, &e);
    // two processes that open a new file at once: this change does not wait for the other's lock by itself
    let start = Instant::now();
    let mode: String = loop {
        match conn.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)) {
            Err(e) if e.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) && start.elapsed() < BUSY => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => break other.map_err(sql)?,
        }
    };
    if mode != "wal" {
        return Err(StoreError::Io {
            path: path.to_path_buf(),
            detail: "its file system cannot keep a write-ahead log: put the store on a local disk".to_owned(),
        });
    }
    // FULL: a commit is on disk when it returns, also through a power cut (fullfsync: also on macOS)
    conn.execute_batch(
        "PRAGMA synchronous = FULL;
         PRAGMA fullfsync = ON;
         PRAGMA checkpoint_fullfsync = ON;
         PRAGMA journal_size_limit = 67108864;
         PRAGMA trusted_schema = OFF;
         PRAGMA cell_size_check = ON;",
    )
    .map_err(sql)
}

/// Creates what is not there yet. A store of an older version keeps all it has.
fn bring_up_to_date(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let sql = |e| StoreError::sqlite(path, &e);
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sql)?;
    // another process may have been first
    let found = schema(&tx, path)?;
    if found != Some(SCHEMA) {
        add_versions(&tx, path, found.unwrap_or(0), "main")?;
        tx.pragma_update(None, "application_id", APPLICATION_ID).map_err(sql)?;
        tx.execute("DELETE FROM schema_version", []).map_err(sql)?;
        tx.execute("INSERT INTO schema_version (version) VALUES (?1)", [SCHEMA]).map_err(sql)?;
    }
    tx.commit().map_err(sql)
}

/// Adds the tables of the versions after `found`. A store that is only read gets them, empty, in its connection's own memory
/// (`temp`): what reads them need not know how old the file is.
fn add_versions(conn: &Connection, path: &Path, found: i64, into: &str) -> Result<(), StoreError> {
    for tables in VERSIONS.iter().skip(usize::try_from(found).unwrap_or(0)) {
        let tables = match into {
            "temp" => tables.replace("CREATE TABLE ", "CREATE TABLE temp.").replace("INDEX ", "INDEX temp."),
            _ => (*tables).to_owned(),
        };
        conn.execute_batch(&tables).map_err(|e| StoreError::sqlite(path, &e))?;
    }
    Ok(())
}
