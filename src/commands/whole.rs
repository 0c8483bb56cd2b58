//! Files that a command writes: a reader, and a full disk, leave the old text or the new one, never half of one.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name under which a text is written before it is whole.
pub fn part_of(file: &Path) -> PathBuf {
    let mut part = OsString::from(file);
    part.push(".part");
    PathBuf::from(part)
}

/// Puts a text in a file's place; what a link leads to is replaced, and keeps its mode.
///
/// # Errors
/// What the system says; then nothing is changed.
pub fn write(file: &Path, text: &str) -> io::Result<()> {
    let target = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let part = part_of(&target);
    replace(&target, text.as_bytes(), &part)
}

/// Puts bytes in a file's place, by way of `part`, a name beside it that nobody else uses.
///
/// # Errors
/// What the system says; then nothing is changed.
pub fn replace(target: &Path, bytes: &[u8], part: &Path) -> io::Result<()> {
    let mode = std::fs::metadata(target).ok().map(|m| m.permissions());
    let written = File::create(part).and_then(|mut f| {
        f.write_all(bytes)?;
        if let Some(mode) = mode {
            f.set_permissions(mode)?;
        }
        f.sync_all()
    });
    let done = written.and_then(|()| std::fs::rename(part, target));
    if done.is_err() {
        let _ = std::fs::remove_file(part);
    }
    done
}
