//! Leases: two runners never act on one rollout or one port of this store.
//!
//! A lease is an advisory lock of the operating system on a file in `<store>.locks/`. The system frees it when the process
//! ends, however it ends, so there is no timeout that could be too short or too long. The file says in words who holds it.

use super::{Store, StoreError, open};
use crate::plan::Time;
use crate::plan::hash::sha256_hex;
use chrono::DateTime;
use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Who holds a lease, in words for the one who finds it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: u32,
    /// The host's name.
    pub host: String,
    /// The user's name.
    pub user: String,
    /// Since when.
    pub since: Time,
}

impl Holder {
    /// This process.
    #[must_use]
    pub fn this_process(since: Time) -> Self {
        Self { pid: std::process::id(), host: host(), user: user(), since }
    }
}

/// What [`user`] says when nobody is named anywhere.
pub const NOBODY: &str = "unknown";

/// The login name: `USER`, else `LOGNAME`, else what the list of users says of this process's effective user, else [`NOBODY`].
#[must_use]
pub fn user() -> String {
    let var = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let listed = || {
        let list = std::fs::read_to_string("/etc/passwd").ok()?;
        let uid = rustix::process::geteuid().as_raw().to_string();
        // name:password:uid:…
        list.lines().find_map(|l| {
            let mut fields = l.split(':');
            let name = fields.next()?;
            (fields.nth(1) == Some(uid.as_str()) && !name.is_empty()).then(|| name.to_owned())
        })
    };
    var("USER").or_else(|| var("LOGNAME")).or_else(listed).unwrap_or_else(|| String::from(NOBODY))
}

/// This host's name.
#[must_use]
pub fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {} on {} by {}", self.pid, self.host, self.user)?;
        match DateTime::from_timestamp_millis(self.since) {
            Some(since) => write!(f, " since {}", since.format("%Y-%m-%d %H:%M:%S UTC")),
            None => Ok(()),
        }
    }
}

/// Leases that are held until this is dropped, or the process ends.
#[derive(Debug)]
#[must_use = "the leases are freed when this is dropped"]
pub struct LeaseGuard {
    locks: Vec<Lock>,
}

#[derive(Debug)]
struct Lock {
    name: String,
    path: PathBuf,
    file: File,
}

/// How often, and after what pause, a lock that is held is tried again: one that is only being looked at by
/// [`Store::lease_holder`], or whose holder has not written its words yet.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);

impl Store {
    /// Takes all the named leases (`rollout/checkout`, `port/production/checkout`), or none.
    ///
    /// # Errors
    /// [`StoreError::Held`] with the name of the first one that another runner holds, and who that is. Does not wait for it.
    pub fn lease(&self, names: &[String], holder: &Holder) -> Result<LeaseGuard, StoreError> {
        let folder = self.lock_folder();
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(|e| StoreError::io(&folder, &e))?;
        // in one order for all: of two runners that want the same two leases one gets both
        let mut names: Vec<&String> = names.iter().collect();
        names.sort_unstable();
        names.dedup();
        let mut locks = Vec::with_capacity(names.len());
        for name in names {
            locks.push(Lock::take(name, folder.join(file_name(name)), holder)?);
        }
        Ok(LeaseGuard { locks })
    }

    /// Who holds a lease now; `None` when nobody does.
    pub fn lease_holder(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.lock_folder().join(file_name(name));
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io(&path, &e)),
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(words(&mut file))),
            Err(TryLockError::Error(e)) => Err(StoreError::io(&path, &e)),
        }
    }

    fn lock_folder(&self) -> PathBuf {
        open::beside(&self.path, ".locks")
    }
}

impl LeaseGuard {
    /// Confirms that the leases are still held: a lock lasts as long as the process, but when its file is deleted or replaced
    /// another runner finds a file that is not locked. To be asked before exposure is raised.
    pub fn confirm(&self) -> Result<(), StoreError> {
        for lock in &self.locks {
            if !same_file(&lock.file, &lock.path) {
                return Err(StoreError::LeaseLost { name: lock.name.clone() });
            }
        }
        Ok(())
    }

    /// The names of the leases, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.locks.iter().map(|lock| lock.name.as_str())
    }
}

impl Lock {
    fn take(name: &str, path: PathBuf, holder: &Holder) -> Result<Self, StoreError> {
        let io = |e: &std::io::Error| StoreError::io(&path, e);
        let mut tries = 0;
        loop {
            let mut file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)
                .map_err(|e| io(&e))?;
            tries += 1;
            match file.try_lock() {
                // locked, but meanwhile the path may lead to another file, which somebody else can lock
                Ok(()) if same_file(&file, &path) => {
                    // Words for people only: a full disk must not stand in the way of a rollback.
                    let _ = file.set_len(0).and_then(|()| file.write_all(format!("{holder}\n").as_bytes()));
                    return Ok(Self { name: name.to_owned(), path, file });
                }
                Ok(()) if tries < TRIES => {}
                Ok(()) => {
                    return Err(StoreError::LeaseLost { name: name.to_owned() });
                }
                Err(TryLockError::WouldBlock) if tries < TRIES => std::thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Held { name: name.to_owned(), by: words(&mut file) });
                }
                Err(TryLockError::Error(e)) => return Err(io(&e)),
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: deleting it could take the lock away from the next one. Closing it frees the lock; `unlock` frees
        // it even if a child process has inherited the open file.
        let _ = self.file.set_len(0);
        let _ = self.file.unlock();
    }
}

fn same_file(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(a), Ok(b)) => (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

fn words(file: &mut File) -> String {
    let mut text = Vec::new();
    let _ = file.take(500).read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    match text.lines().next().map(str::trim) {
        Some(line) if !line.is_empty() => line.to_owned(),
        _ => "it has not said who it is".to_owned(),
    }
}

/// A file's name for a lease's name: readable, without anything that means something in a path, at most 200 bytes.
fn file_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for &byte in name.as_bytes() {
        if byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'_') {
            out.push(char::from(byte));
        } else {
            // upper case too: some file systems do not tell it from lower case
            out.push_str(&format!("%{byte:02x}"));
        }
    }
    if out.is_empty() {
        out.push('%');
    }
    if out.len() > 200 {
        out = format!("sha256-{}", sha256_hex(name.as_bytes()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_leases_never_share_a_file() {
        let long = |end: &str| format!("rollout/{}{end}", "x".repeat(300));
        let names = [
            "a/b".to_owned(),
            "a%2fb".to_owned(),
            "a_b".to_owned(),
            "A/b".to_owned(),
            "..".to_owned(),
            String::new(),
            "ü".to_owned(),
            long("1"),
            long("2"),
        ];
        let files: std::collections::HashSet<String> = names.iter().map(|n| file_name(n)).collect();
        assert_eq!(files.len(), names.len());
        for file in files {
            assert!(file.len() <= 200 && !file.contains(['/', '.', '\0']), "{file}");
        }
    }
}
