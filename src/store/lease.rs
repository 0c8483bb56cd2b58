//! Leases: one process a rollout and a port. An operating system's file lock, so that a killed process frees it at once.

use super::{Store, StoreError};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

/// Holds names until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct LeaseGuard {
    files: Vec<File>,
}

impl Drop for LeaseGuard {
    fn drop(&mut self) {
        for f in &mut self.files {
            // the words of a holder that is gone would mislead
            let _ = f.set_len(0);
            let _ = f.unlock();
        }
    }
}

impl Store {
    /// Takes all names or none. `holder` says in words who holds them.
    ///
    /// # Errors
    /// [`StoreError::Held`] with the holder's words, or the system's.
    pub fn lease(&self, names: &[String], holder: &str) -> Result<LeaseGuard, StoreError> {
        // in one order everywhere: two that want the same names cannot each get a part
        let mut names: Vec<&String> = names.iter().collect();
        names.sort();
        names.dedup();
        let mut guard = LeaseGuard { files: Vec::with_capacity(names.len()) };
        for name in names {
            let (path, mut file) = self.lock_file(name)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(StoreError::Held { name: name.clone(), by: words(&mut file) });
                }
                Err(TryLockError::Error(e)) => return Err(StoreError::of_io(&path, &e)),
            }
            let write = file
                .set_len(0)
                .and_then(|()| file.seek(SeekFrom::Start(0)))
                .and_then(|_| file.write_all(holder.as_bytes()));
            // on a full disk the lock still holds, only its holder's words are missing
            drop(write);
            guard.files.push(file);
        }
        Ok(guard)
    }

    /// Who holds a name, in the holder's words; none when nobody does.
    ///
    /// # Errors
    /// The system's.
    pub fn holder(&self, name: &str) -> Result<Option<String>, StoreError> {
        let path = self.lock_path(name);
        if !path.exists() {
            return Ok(None);
        }
        let mut file = File::open(&path).map_err(|e| StoreError::of_io(&path, &e))?;
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => Ok(Some(words(&mut file))),
            Err(TryLockError::Error(e)) => Err(StoreError::of_io(&path, &e)),
        }
    }

    fn lock_path(&self, name: &str) -> PathBuf {
        let mut folder = self.path.clone().into_os_string();
        folder.push(".locks");
        let plain: String =
            name.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '+' }).collect();
        // two names may read alike once made plain: the hash keeps them apart
        let hash = crate::plan::hash::sha256_hex(name.as_bytes());
        PathBuf::from(folder).join(format!("{plain}-{}", hash.get(..8).unwrap_or("")))
    }

    fn lock_file(&self, name: &str) -> Result<(PathBuf, File), StoreError> {
        let path = self.lock_path(name);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| StoreError::of_io(folder, &e))?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        file.map_err(|e| StoreError::of_io(&path, &e)).map(|f| (path, f))
    }
}

fn words(file: &mut File) -> String {
    let mut text = String::new();
    let _ = file.take(4096).read_to_string(&mut text);
    if text.trim().is_empty() { String::from("another process") } else { text }
}
