//! Where modules are read from: beside the file that imports them, inside the repository that it stands in.

use super::load::plain;
use crate::check::modules::{Files, Refusal, Source};
use crate::plan::hash::sha256_hex;
use crate::report::provenance::SourceFile;
use crate::syntax::read_source;
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

/// The longest chain of folders that is gone up to find a repository.
const UP: usize = 64;

/// Reads modules from the disk. A file is known by its resolved path, so that it is one file however it is reached.
#[derive(Debug, Default)]
pub struct Disk {
    /// What was read for the first time here, in order, byte for byte.
    pub sources: Vec<SourceFile>,
    /// The paths of what was read, as they are shown.
    pub paths: Vec<PathBuf>,
    /// How each file that is known was named, and the folder that nothing which it imports may lie outside of.
    known: BTreeMap<PathBuf, (PathBuf, PathBuf)>,
}

impl Disk {
    /// The key of a file that the user named. One that cannot be resolved has its own name as key.
    pub fn key(&mut self, path: &Path) -> String {
        let key = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let text = key.to_string_lossy().into_owned();
        let root = root_of(key.parent().unwrap_or_else(|| Path::new(".")));
        self.known.entry(key).or_insert_with(|| (path.to_path_buf(), root));
        text
    }
}

impl Files for Disk {
    fn find(&mut self, key: &str, path: &str) -> Result<Source, Refusal> {
        let from = PathBuf::from(key);
        let folder = from.parent().unwrap_or_else(|| Path::new("."));
        let (named, root) = self.known.get(&from).cloned().unwrap_or_else(|| (from.clone(), root_of(folder)));
        let real = match within(folder, &root, path) {
            Ok(real) => real,
            Err(Outside::Lies(message)) => {
                let help = "a policy reads nothing but its own repository: write a path from this file, and put the module inside";
                return Err(Refusal { code: "E0211", message, help: String::from(help) });
            }
            Err(Outside::NoPath) => return Err(missing(format!("`{path:?}` is no path"))),
            Err(Outside::NotThere(wanted, why)) => return Err(self.not_there(path, &wanted, &why)),
        };
        if !real.is_file() {
            let what = if real.is_dir() { "a folder" } else { "no file" };
            return Err(missing(format!("`{path}` is {what}")));
        }
        if real.extension().is_none_or(|e| e != "canary") {
            return Err(missing(format!("`{path}` is no policy: its name does not end in `.canary`")));
        }
        let shown = beside(&named, Path::new(path));
        let name = shown.display().to_string();
        let bytes = std::fs::read(&real).map_err(|e| missing(format!("cannot read `{path}`: {}", plain(&e))))?;
        if !self.known.contains_key(&real) {
            self.sources.push(SourceFile { path: name.clone(), sha256: sha256_hex(&bytes) });
            self.paths.push(shown.clone());
            self.known.insert(real.clone(), (shown, root));
        }
        Ok(Source { key: real.to_string_lossy().into_owned(), text: read_source(bytes, &name), name })
    }
}

impl Disk {
    fn not_there(&self, path: &str, wanted: &Path, why: &str) -> Refusal {
        let mut refusal = missing(format!("cannot read module `{path}`: {why}"));
        let Some(folder) = wanted.parent() else { return refusal };
        let mut beside: Vec<String> = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|e| e.file_name().into_string().ok())
            .filter(|n| n.ends_with(".canary"))
            .collect();
        beside.sort();
        let name = wanted.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let near = beside.iter().map(|n| (strsim::damerau_levenshtein(n, &name), n)).min();
        if let Some((distance, near)) = near
            && distance <= (name.chars().count() / 3).max(1)
        {
            refusal.help = format!("did you mean `{near}`?");
        } else if path.starts_with("std.") {
            refusal.help = format!("a module of the library stands without quotes: `use {path}`");
        }
        refusal
    }
}

fn missing(message: String) -> Refusal {
    Refusal {
        code: "E0210",
        message,
        help: String::from("the path is seen from the folder of this file: `use \"./team.canary\" as team`"),
    }
}

/// Why a file that a policy names is not read.
#[derive(Debug)]
pub enum Outside {
    /// It lies where a policy reads nothing; in words.
    Lies(String),
    /// It cannot be a path.
    NoPath,
    /// There is none: where it was looked for, and what the system says.
    NotThere(PathBuf, String),
}

/// The real place of a file that a policy names, seen from its folder: inside of its repository, or else of the folder itself.
///
/// # Errors
/// It is not there, or outside.
pub fn beside_policy(policy: &Path, path: &str) -> Result<PathBuf, Outside> {
    let real = policy.canonicalize().map_err(|e| Outside::NotThere(policy.to_path_buf(), plain(&e)))?;
    let folder = real.parent().unwrap_or_else(|| Path::new("."));
    within(folder, &root_of(folder), path)
}

fn within(folder: &Path, root: &Path, path: &str) -> Result<PathBuf, Outside> {
    let written = Path::new(path);
    if written.is_absolute() || written.components().any(|c| matches!(c, Component::Prefix(_))) {
        return Err(Outside::Lies(format!("`{path}` is an absolute path")));
    }
    if path.contains('\0') {
        return Err(Outside::NoPath);
    }
    // by the words of the path alone, before anything is looked up: what lies outside is not even asked for
    if joined(folder, written).is_none_or(|p| !p.starts_with(root)) {
        return Err(Outside::Lies(format!("`{path}` leads out of {}", said(root))));
    }
    let wanted = folder.join(written);
    let real = wanted.canonicalize().map_err(|e| Outside::NotThere(wanted, plain(&e)))?;
    // through links
    if !real.starts_with(root) {
        return Err(Outside::Lies(format!("`{path}` is a link that leads out of {}", said(root))));
    }
    Ok(real)
}

/// The folder that nothing is read outside of: the nearest one above with a `.git`, or else the folder itself.
fn root_of(folder: &Path) -> PathBuf {
    folder
        .ancestors()
        .take(UP)
        .find(|f| f.join(".git").exists())
        .map_or_else(|| folder.to_path_buf(), Path::to_path_buf)
}

fn said(root: &Path) -> String {
    if root.join(".git").exists() {
        String::from("this repository")
    } else {
        String::from("the folder of this policy, which is in no repository")
    }
}

/// A folder and a path from it, `.` and `..` taken out by their words; `None` above the root.
fn joined(folder: &Path, path: &Path) -> Option<PathBuf> {
    let mut out = folder.to_path_buf();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                if !out.pop() {
                    return None;
                }
            }
            Component::Normal(name) => out.push(name),
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    Some(out)
}

/// A path as it is shown: from where the user stands, `.` and `..` taken out as far as they can be.
fn beside(file: &Path, path: &Path) -> PathBuf {
    let mut out = file.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_short_as_it_can_be() {
        let shown = |file: &str, path: &str| beside(Path::new(file), Path::new(path)).display().to_string();
        assert_eq!(shown("p.canary", "./lib/a.canary"), "lib/a.canary");
        assert_eq!(shown("policies/p.canary", "../lib/a.canary"), "lib/a.canary");
        assert_eq!(shown("p.canary", "../lib/a.canary"), "../lib/a.canary");
        assert_eq!(joined(Path::new("/a"), Path::new("../../b")), None);
        assert_eq!(joined(Path::new("/a/b"), Path::new("./../c")), Some(PathBuf::from("/a/c")));
    }
}
