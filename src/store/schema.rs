//! Tables, and which version of them a file has.

use super::StoreError;
use rusqlite::Connection;
use std::path::Path;

/// The version of the tables below, kept in SQLite's `user_version`.
const VERSION: i64 = 1;

const TABLES: &str = "
create table run (
    id text primary key, rollout text not null, title text not null, environment text not null, policy_path text not null,
    plan text not null, plan_hash text not null, bindings text not null, bindings_hash text not null,
    provenance text not null, started integer not null, ended integer, verdict text
) strict;
create index run_by_rollout on run (rollout, started);
create table event (
    run text not null references run (id), seq integer not null, at integer not null, kind text not null, body text not null,
    prev text not null, hash text not null, primary key (run, seq)
) strict, without rowid;
create table state (run text primary key references run (id), seq integer not null, body text not null) strict;
create table observation (
    run text not null references run (id), at integer not null, body text not null, primary key (run, at)
) strict, without rowid;
create table command (
    id integer primary key autoincrement, run text not null references run (id), kind text not null, who text not null,
    why text not null, at integer not null, taken integer, outcome text
) strict;
";

/// An error that does not know its path yet.
pub(super) enum Problem {
    Sqlite(rusqlite::Error),
    Newer(i64),
    Foreign(String),
}

impl Problem {
    pub(super) fn at(self, path: &Path) -> StoreError {
        match self {
            Self::Sqlite(e) => StoreError::of(path, &e),
            Self::Newer(version) => StoreError::Newer { path: path.to_path_buf(), version },
            Self::Foreign(detail) => StoreError::Corrupt { path: path.to_path_buf(), detail },
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(e: rusqlite::Error) -> Self {
        Self::Sqlite(e)
    }
}

/// Makes the tables of a new store, and sets how this connection writes.
pub(super) fn prepare(c: &Connection) -> Result<(), Problem> {
    c.pragma_update(None, "journal_mode", "wal")?;
    // what raises exposure must be on the disk before it is performed
    c.pragma_update(None, "synchronous", "full")?;
    c.pragma_update(None, "foreign_keys", true)?;
    let tx = rusqlite::Transaction::new_unchecked(c, rusqlite::TransactionBehavior::Immediate)?;
    if version(&tx)? == 0 {
        let tables: i64 = tx.query_row("select count(*) from sqlite_schema", [], |r| r.get(0))?;
        if tables > 0 {
            return Err(Problem::Foreign(String::from("it is a database of something else")));
        }
        tx.execute_batch(TABLES)?;
        tx.pragma_update(None, "user_version", VERSION)?;
    }
    tx.commit()?;
    check(c)
}

/// Whether this version can read the file.
pub(super) fn check(c: &Connection) -> Result<(), Problem> {
    match version(c)? {
        VERSION => Ok(()),
        v if v > VERSION => Err(Problem::Newer(v)),
        _ => Err(Problem::Foreign(String::from("it holds no runs of canary"))),
    }
}

fn version(c: &Connection) -> Result<i64, rusqlite::Error> {
    c.query_row("pragma user_version", [], |r| r.get(0))
}
