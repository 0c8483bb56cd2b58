//! What was entered, kept for the next conversation: a file of one's own, which nobody else can read.

use super::helper::Guide;
use rustyline::error::ReadlineError;
use rustyline::history::{FileHistory, History as _};
use rustyline::{Editor, Result};
use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// How many entries are kept.
pub const DEFAULT_LENGTH: usize = 1_000;

/// Where entries are kept, as long as that can be done.
pub(super) struct Kept {
    file: Option<PathBuf>,
}

impl Kept {
    /// Reads what was entered before. Why that cannot be had is said, once: a conversation goes on without.
    pub(super) fn read(editor: &mut Editor<Guide, FileHistory>, file: Option<&Path>, say: impl FnOnce(&str)) -> Self {
        let Some(file) = file else { return Self { file: None } };
        match load(editor, file) {
            Ok(()) => Self { file: Some(file.to_owned()) },
            Err(e) => {
                say(&format!("entries are not kept: cannot read {}: {}", file.display(), plain(&e)));
                Self { file: None }
            }
        }
    }

    /// Keeps an entry at once: who is stopped later has lost nothing.
    pub(super) fn keep(&mut self, editor: &mut Editor<Guide, FileHistory>, entry: &str, say: impl FnOnce(&str)) {
        let added = editor.add_history_entry(entry);
        let (Ok(true), Some(file)) = (added, self.file.as_deref()) else { return };
        if let Err(e) = store(editor, file) {
            say(&format!("entries are not kept: cannot write {}: {}", file.display(), plain(&e)));
            self.file = None;
        }
    }
}

fn load(editor: &mut Editor<Guide, FileHistory>, file: &Path) -> Result<()> {
    match editor.load_history(file) {
        Err(ReadlineError::Io(e)) if e.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    }
    // of the same entry, the last: the file has one line for each, however often it was asked
    let all: Vec<String> = editor.history().iter().cloned().collect();
    let mut seen = std::collections::HashSet::new();
    let mut once: Vec<&String> = all.iter().rev().filter(|e| seen.insert(*e)).collect();
    if once.len() < all.len() {
        once.reverse();
        editor.history_mut().clear()?;
        for entry in once {
            editor.history_mut().add(entry)?;
        }
        // where it cannot be written, the first entry will say so
        let _ = editor.save_history(file);
    }
    Ok(())
}

fn store(editor: &mut Editor<Guide, FileHistory>, file: &Path) -> Result<()> {
    if let Some(folder) = file.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    editor.append_history(file)
}

/// An error in the system's words.
fn plain(e: &ReadlineError) -> String {
    match e {
        ReadlineError::Io(e) if e.kind() == ErrorKind::InvalidData => String::from("it is not UTF-8 text"),
        ReadlineError::Io(e) => {
            let text = e.to_string();
            text.split(" (os error").next().unwrap_or(&text).to_owned()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::style::Style;
    use rustyline::Config;
    use std::os::unix::fs::PermissionsExt as _;

    fn editor() -> Editor<Guide, FileHistory> {
        let config = Config::builder().max_history_size(3).unwrap().history_ignore_space(true).build();
        let mut editor = Editor::with_config(config).unwrap();
        editor.set_helper(Some(Guide::new(Style::PLAIN)));
        editor
    }

    fn never(why: &str) {
        panic!("{why}");
    }

    fn session(file: &Path, entries: &[&str]) {
        let mut editor = editor();
        let mut kept = Kept::read(&mut editor, Some(file), never);
        for entry in entries {
            kept.keep(&mut editor, entry, never);
        }
    }

    fn remembered(file: &Path) -> Vec<String> {
        let mut editor = editor();
        Kept::read(&mut editor, Some(file), never);
        editor.history().iter().cloned().collect()
    }

    #[test]
    fn entries_are_kept_once_each_as_many_as_are_wanted_and_for_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("state/canary/repl_history");
        session(&file, &[]);
        assert!(!file.exists(), "nothing was entered, and a file was made");
        session(&file, &["errors", "errors", "", " secret", "guard x: (\n  a\\b\n)"]);
        assert_eq!(remembered(&file), ["errors", "guard x: (\n  a\\b\n)"]);
        session(&file, &["errors"]);
        assert_eq!(remembered(&file), ["guard x: (\n  a\\b\n)", "errors"]);
        session(&file, &["a", "b"]);
        assert_eq!(remembered(&file), ["errors", "a", "b"]);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(file.parent().unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o700);
        let lines = std::fs::read_to_string(&file).unwrap().lines().count();
        assert_eq!(lines, 4, "a line for each, and the first");
    }

    #[test]
    fn two_conversations_at_once_lose_nothing_of_each_other() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("repl_history");
        let (mut one, mut two) = (editor(), editor());
        let mut kept_one = Kept::read(&mut one, Some(&file), never);
        let mut kept_two = Kept::read(&mut two, Some(&file), never);
        kept_one.keep(&mut one, "a", never);
        kept_two.keep(&mut two, "b", never);
        kept_one.keep(&mut one, "c", never);
        let mut all = remembered(&file);
        all.sort();
        assert_eq!(all, ["a", "b", "c"]);
    }

    #[test]
    fn what_cannot_be_kept_is_said_once() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("file"), "").unwrap();
        let file = folder.path().join("file/canary/repl_history");
        let mut editor = editor();
        let mut said = Vec::new();
        let mut kept = Kept::read(&mut editor, Some(&file), |why| said.push(why.to_owned()));
        kept.keep(&mut editor, "a", |why| said.push(why.to_owned()));
        kept.keep(&mut editor, "b", |why| said.push(why.to_owned()));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("entries are not kept: cannot ") && said[0].contains("Not a directory"),
            "{said:?}"
        );
        // what was entered can be called back all the same
        assert_eq!(editor.history().len(), 2);
    }

    #[test]
    fn a_file_that_is_something_else_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("repl_history");
        std::fs::write(&file, b"\xff\xfe\n").unwrap();
        let mut editor = editor();
        let mut said = Vec::new();
        let mut kept = Kept::read(&mut editor, Some(&file), |why| said.push(why.to_owned()));
        kept.keep(&mut editor, "a", |why| said.push(why.to_owned()));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("not UTF-8"), "{said:?}");
        assert_eq!(std::fs::read(&file).unwrap(), b"\xff\xfe\n");
    }
}
