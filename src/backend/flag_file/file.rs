//! How a flag file is changed so that a reader never sees half of it and two writers never lose an update:
//! 1. `.x.json.lock` beside the file is locked (`flock`, exclusive). It is a file of its own because the flag file is replaced by
//!    another at each change; it is left in place, because removing a lock file lets two processes hold it. Other writers must
//!    take the same lock; one that does not is noticed when it writes between step 2 and step 4, and the change is begun again.
//! 2. The file is read, and our values alone are changed in its text: every other byte stays.
//! 3. `.x.json.canary.tmp` beside it is written with the file's mode and (where allowed) owner, and synced to disk.
//! 4. It is renamed over the file, and the folder is synced.
//!
//! A symbolic link is followed: its target is replaced, the link stays. Hard links to the file keep the old content; access
//! control lists and extended attributes are not carried over.

use super::BackendError;
use super::Format;
use crate::backend::process::plain;
use std::fs::{File, Metadata, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long to wait for another writer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A flag file is not greater than this: a change reads it several times, and must be done within a call's time.
const MAX_SIZE: u64 = 4 << 20;
/// How often a change is begun again because somebody wrote without the lock.
const ATTEMPTS: usize = 8;

/// A file that several processes write.
#[derive(Debug)]
pub(super) struct Guarded {
    format: Format,
    path: PathBuf,
    /// How long to wait for another writer.
    pub(super) patience: Duration,
}

impl Guarded {
    pub(super) fn new(format: Format, path: PathBuf) -> Self {
        Self { format, path, patience: PATIENCE }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn name(&self) -> &'static str {
        self.format.name()
    }

    /// An error of the file system. `doing` is what was tried: `cannot read flags/x.json`.
    fn failed(&self, doing: &str, at: &Path, e: &std::io::Error) -> BackendError {
        let message = format!("{}: {doing} {}: {}", self.name(), at.display(), plain(e));
        match e.kind() {
            ErrorKind::NotFound if doing == "cannot read" => {
                BackendError::permanent(format!("{}: no such file: {}", self.name(), at.display()))
                    .help(format!("create it with {}, or mend the path in the environment", self.format.least()))
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem if doing != "cannot read" => {
                BackendError::permanent(message).help(format!(
                    "the folder {} must be writable: the file is replaced by another, with a lock file beside it",
                    at.parent().unwrap_or(at).display()
                ))
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem | ErrorKind::NotADirectory => {
                BackendError::permanent(message)
            }
            _ => BackendError::transient(message),
        }
    }

    /// Something else stands where a file of ours is to be.
    fn in_the_way(&self, doing: &str, at: &Path) -> BackendError {
        let what = match std::fs::symlink_metadata(at) {
            Ok(m) if m.is_dir() => "a folder",
            Ok(m) if m.is_symlink() => "a link",
            _ => "no ordinary file",
        };
        BackendError::permanent(format!("{}: {doing} {}: it is {what}", self.name(), at.display()))
            .help("remove it: a file of this name is made and kept by every writer")
    }

    /// Whether the file can be replaced: its folder must be writable. A file that is not there is told by whoever reads it.
    pub(super) fn replaceable(&self) -> Result<(), BackendError> {
        use rustix::fs::{Access, AtFlags, CWD, accessat};
        let Ok(target) = std::fs::canonicalize(&self.path) else { return Ok(()) };
        let folder = target.parent().unwrap_or(&target);
        match accessat(CWD, folder, Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS).map_err(std::io::Error::from)
        {
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem) => {
                Err(self.failed("cannot replace", &target, &e))
            }
            // what a kernel cannot tell is told by the write
            _ => Ok(()),
        }
    }

    pub(super) fn load(&self, at: &Path) -> Result<(String, Metadata), BackendError> {
        let failed = |e: &std::io::Error| self.failed("cannot read", at, e);
        let permanent = |why: &str| BackendError::permanent(format!("{}: {}: {why}", self.name(), self.path.display()));
        // asked before it is opened: to open a pipe would wait for its writer
        if !std::fs::metadata(at).map_err(|e| failed(&e))?.is_file() {
            return Err(permanent("not an ordinary file"));
        }
        let file = File::open(at).map_err(|e| failed(&e))?;
        let meta = file.metadata().map_err(|e| failed(&e))?;
        let mut bytes = Vec::new();
        (&file).take(MAX_SIZE + 1).read_to_end(&mut bytes).map_err(|e| failed(&e))?;
        if bytes.len() as u64 > MAX_SIZE {
            return Err(permanent("greater than 4 MiB").help("keep the flags of a rollout in a file of their own"));
        }
        match String::from_utf8(bytes) {
            Ok(text) => Ok((text, meta)),
            Err(e) => Err(permanent(&format!("not UTF-8 at byte {}", e.utf8_error().valid_up_to()))),
        }
    }

    /// Replaces the file by what `edit` makes of its text; `false` where that is what it says already.
    pub(super) fn change(
        &self,
        given_up: &AtomicBool,
        mut edit: impl FnMut(&str) -> Result<String, BackendError>,
    ) -> Result<bool, BackendError> {
        let target = std::fs::canonicalize(&self.path).map_err(|e| self.failed("cannot read", &self.path, &e))?;
        // a file that cannot be edited is told before a lock file is made beside it
        let (before, _) = self.load(&target)?;
        let mut edited = Some(edit(&before)?);
        let says_so = edited.as_ref() == Some(&before);
        let _lock = match self.lock(&target, given_up) {
            // where nothing can be written, nothing has to be: a rollback of what could never be raised comes to an end
            Err(e) if says_so && !e.transient => return Ok(false),
            lock => lock?,
        };
        for _ in 0..ATTEMPTS {
            if given_up.load(Ordering::SeqCst) {
                return Err(BackendError::transient(format!("{}: given up before the change", self.name())));
            }
            let (text, meta) = self.load(&target)?;
            // an edit of thousands of keys takes its time, and is the same of the same text
            let new = match edited.take().filter(|_| text == before) {
                Some(new) => new,
                None => edit(&text)?,
            };
            if new == text {
                return Ok(false);
            }
            if self.replace(&target, &meta, new.as_bytes(), given_up)? {
                return Ok(true);
            }
        }
        Err(BackendError::transient(format!(
            "{}: {} changes faster than it can be replaced: somebody writes it without its lock",
            self.name(),
            self.path.display()
        )))
    }

    /// Takes the lock, or says who has it.
    fn lock(&self, target: &Path, given_up: &AtomicBool) -> Result<File, BackendError> {
        let at = beside(target, "lock");
        // a link put here by somebody else must not make us write to a file of ours, nor a pipe make us wait
        let flags = (rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits().cast_signed();
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o666)
            .custom_flags(flags)
            .open(&at)
            .or_else(|e| match e.kind() {
                // another user's: it can be locked all the same
                ErrorKind::PermissionDenied => {
                    OpenOptions::new().read(true).custom_flags(flags).open(&at).map_err(|_| e)
                }
                _ => Err(e),
            });
        let ordinary = |file: &File| file.metadata().is_ok_and(|m| m.is_file());
        let mut file = match opened {
            Ok(file) if ordinary(&file) => file,
            Err(e) if std::fs::symlink_metadata(&at).map_or(true, |m| m.is_file()) => {
                return Err(self.failed("cannot lock", &at, &e));
            }
            Ok(_) | Err(_) => return Err(self.in_the_way("cannot lock", &at)),
        };
        let start = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(self.failed("cannot lock", &at, &e)),
                Err(TryLockError::WouldBlock) => {}
            }
            if given_up.load(Ordering::SeqCst) {
                return Err(BackendError::transient(format!("{}: given up while waiting", self.name())));
            }
            if start.elapsed() >= self.patience {
                let mut holder = String::new();
                // only a help: another tool may hold the lock without saying so
                let _ = (&file).take(64).read_to_string(&mut holder);
                let by = match holder.trim() {
                    "" => String::new(),
                    who => format!(" by {who}"),
                };
                return Err(BackendError::transient(format!(
                    "{}: {} has been locked{by} for {}s",
                    self.name(),
                    at.display(),
                    self.patience.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let note = format!("process {}\n", std::process::id());
        // whoever waits can then say for whom; the lock holds without it
        let _ = file.rewind().and_then(|()| file.set_len(0)).and_then(|()| file.write_all(note.as_bytes()));
        Ok(file)
    }

    /// Puts new content in the file's place; `false` if the file is no longer the one that was read.
    pub(super) fn replace(
        &self,
        target: &Path,
        read: &Metadata,
        content: &[u8],
        given_up: &AtomicBool,
    ) -> Result<bool, BackendError> {
        struct Temporary<'p>(&'p Path);
        impl Drop for Temporary<'_> {
            fn drop(&mut self) {
                // after the rename there is none, and that is well
                let _ = std::fs::remove_file(self.0);
            }
        }
        let at = beside(target, "canary.tmp");
        let failed = |e: std::io::Error| self.failed("cannot write", &at, &e);
        // under the lock no one else has one: this is what a process that was killed has left
        match std::fs::remove_file(&at) {
            Err(_) if at.is_dir() => return Err(self.in_the_way("cannot write", &at)),
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&at).map_err(failed)?;
        let _temporary = Temporary(&at);
        file.write_all(content).map_err(failed)?;
        let mine = file.metadata().map_err(failed)?;
        if (mine.uid(), mine.gid()) != (read.uid(), read.gid()) {
            // not allowed to most users; then the file is ours from now on, with the same mode
            let _ = fchown(&file, Some(read.uid()), Some(read.gid()));
        }
        // after the owner, whose change would take away set-id bits
        file.set_permissions(std::fs::Permissions::from_mode(read.mode() & 0o7777)).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let now = std::fs::metadata(target).map_err(|e| self.failed("cannot read", target, &e))?;
        if stamp(&now) != stamp(read) {
            return Ok(false);
        }
        if given_up.load(Ordering::SeqCst) {
            // the caller has turned to something else: a late change could undo its rollback
            return Err(BackendError::transient(format!("{}: given up before the change", self.name())));
        }
        std::fs::rename(&at, target).map_err(failed)?;
        if let Some(folder) = target.parent() {
            // some file systems cannot sync a folder; the change is made all the same
            let _ = File::open(folder).and_then(|f| f.sync_all());
        }
        Ok(true)
    }
}

/// `flags/x.json` → `flags/.x.json.lock`
fn beside(target: &Path, ending: &str) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(target.file_name().unwrap_or_default());
    name.push(".");
    name.push(ending);
    target.with_file_name(name)
}

/// What changes whenever a file does.
pub(super) fn stamp(m: &Metadata) -> (u64, u64, u64, i64, i64) {
    (m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec())
}
