//! Modules: `use std.http(service: "checkout") as http`.
//!
//! A module is a file whose params the importing file binds. Its declarations are put in place of the `use`, each called by the
//! alias (`http.errors`), its params with the values that were given; what a name inside it means is decided inside it. The
//! rest of the checker sees ordinary declarations, with places in the module's own text.
//!
//! Does no I/O: files come from a [`Files`].

mod bind;
pub mod library;
mod names;
mod rename;

use crate::check::{head, suggest};
use crate::syntax::ast::{self, Imported, Item, Module, Use};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::read::ReadError;
use crate::syntax::source::{FileId, SourceMap, Span};
use names::{declared, exported};
use rename::Renamer;
use std::collections::{BTreeMap, BTreeSet};

/// How deep modules may import modules.
const DEEPEST: usize = 16;
/// How many modules one file may put in, those of modules counted in: two imports a level would double without end.
const MOST: usize = 200;
/// How much text they may have together, in bytes.
const MOST_BYTES: u64 = 8 * 1024 * 1024;

/// A module's text, found.
#[derive(Debug, Clone)]
pub struct Source {
    /// What tells it from all others, however it is written: two paths to one file have one key.
    pub key: String,
    /// How it is called in messages.
    pub name: String,
    /// Its text, or why it is none.
    pub text: Result<String, ReadError>,
}

/// Why there is no such text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Registered code: E0210 (not there) or E0211 (outside of the repository).
    pub code: &'static str,
    /// What is wrong, in one line.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// Where texts come from.
pub trait Files {
    /// The file that `path` means in a text that is known by `key`.
    ///
    /// # Errors
    /// Why it cannot be had.
    fn find(&mut self, key: &str, path: &str) -> Result<Source, Refusal>;
}

/// No files at all: only `std.*` can be imported.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoFiles;

impl Files for NoFiles {
    fn find(&mut self, _: &str, path: &str) -> Result<Source, Refusal> {
        Err(Refusal {
            code: "E0210",
            message: format!("`{path}` cannot be looked for: this text is in no file"),
            help: String::from("put it into a file, beside which the module stands"),
        })
    }
}

/// Puts modules in place of their `use`s. One for all files of a run, so that each text is read and parsed once.
pub struct Modules<'f> {
    files: &'f mut dyn Files,
    known: BTreeMap<String, Known>,
    found: Vec<Diagnostic>,
    told: BTreeSet<(Span, String)>,
    instances: usize,
    bytes: u64,
    /// Told that there are too many.
    full: bool,
}

/// A text that was parsed.
#[derive(Clone)]
struct Known {
    id: FileId,
    name: String,
    tree: ast::File,
    /// The text or a part of it could not be understood.
    broken: bool,
}

/// Where an instance stands.
struct At {
    /// `team.http.`, or nothing for the file that was given.
    prefix: String,
    /// The key and name of each file on the way, the one that is read last.
    path: Vec<(String, String)>,
    /// The `use`s that lead here, the nearest first.
    uses: Vec<Span>,
}

impl<'f> Modules<'f> {
    /// With files from `files`.
    pub fn new(files: &'f mut dyn Files) -> Self {
        Self {
            files,
            known: BTreeMap::new(),
            found: Vec::new(),
            told: BTreeSet::new(),
            instances: 0,
            bytes: 0,
            full: false,
        }
    }

    /// Tells of a file that was parsed by the caller, so that a `use` of it is the same text.
    pub fn know(&mut self, key: &str, name: &str, tree: &ast::File) {
        let broken = broken(tree);
        let known = Known { id: tree.span.file, name: name.to_owned(), tree: tree.clone(), broken };
        self.known.insert(key.to_owned(), known);
    }

    /// The file with its modules in place. `key` is what [`Files`] knows it by, `name` how messages call it.
    pub fn expand(&mut self, map: &mut SourceMap, key: &str, name: &str, file: ast::File) -> ast::File {
        (self.instances, self.bytes, self.full) = (0, 0, false);
        if !file.items.iter().any(|i| matches!(i, Item::Use(_))) {
            return file;
        }
        let at = At { prefix: String::new(), path: vec![(key.to_owned(), name.to_owned())], uses: Vec::new() };
        let span = file.span;
        ast::File { items: self.instance(map, file.items, &at), span }
    }

    /// What was found in the modules and in how they are imported.
    #[must_use]
    pub fn finish(self) -> Vec<Diagnostic> {
        self.found
    }

    /// A file's items, called by the prefix, with those of its modules.
    fn instance(&mut self, map: &mut SourceMap, items: Vec<Item>, at: &At) -> Vec<Item> {
        let mut loaded: BTreeMap<usize, Known> = BTreeMap::new();
        let mut exports = BTreeMap::new();
        for (i, item) in items.iter().enumerate() {
            let Item::Use(u) = item else { continue };
            if exports.contains_key(&u.alias.node) {
                // the alias is declared twice, which is reported like any other name
                continue;
            }
            let module = self.load(map, u, at);
            exports.insert(u.alias.node.clone(), module.as_ref().map(|m| exported(&m.tree)).unwrap_or_default());
            if let Some(m) = module {
                loaded.insert(i, m);
            }
        }
        let mut renamer = Renamer::new(declared(&items), exports, &at.prefix);
        let mut own: Vec<Item> = items;
        for item in &mut own {
            renamer.item(item);
        }
        let used = renamer.used();
        let mut out = Vec::with_capacity(own.len());
        for (i, item) in own.into_iter().enumerate() {
            let Item::Use(u) = item else {
                // what is tried out, bound or rolled out is the business of the file that is checked
                if at.uses.is_empty() || names::importable(&item) {
                    out.push(item);
                }
                continue;
            };
            let module = loaded.remove(&i);
            let alias = u.alias.node.strip_prefix(at.prefix.as_str()).unwrap_or(&u.alias.node);
            out.push(Item::Imported(Imported {
                alias: u.alias.clone(),
                file: module.as_ref().map(|m| m.id),
                broken: module.as_ref().is_none_or(|m| m.broken),
                used: used.contains(alias),
                span: u.span,
            }));
            if let Some(module) = module {
                out.extend(self.inside(map, &u, module, at));
            }
        }
        out
    }

    /// A module's items with its params bound.
    fn inside(&mut self, map: &mut SourceMap, u: &Use, module: Known, at: &At) -> Vec<Item> {
        let key = key_of(&self.known, module.id);
        let mut inner = At {
            prefix: format!("{}.", u.alias.node),
            path: at.path.clone(),
            uses: std::iter::once(u.span).chain(at.uses.iter().copied()).collect(),
        };
        inner.path.push((key, module.name.clone()));
        let name = shown(&u.module);
        let bound = bind::arguments(u, &name, &module.tree.items, &mut |d| {
            // in a broken text a param may be there and not have been understood
            if !module.broken {
                self.push(d, &at.uses);
            }
        });
        let mut items = self.instance(map, module.tree.items, &inner);
        bind::put(&mut items, &inner.prefix, bound);
        items
    }

    /// The module that a `use` names; what is wrong with it is reported.
    fn load(&mut self, map: &mut SourceMap, u: &Use, at: &At) -> Option<Known> {
        let span = place(&u.module);
        let source = match &u.module {
            Module::Library(path) => self.library(path, span, at)?,
            Module::File(path) => {
                let from = at.path.last().map_or("", |(key, _)| key.as_str());
                if library::is_key(from) {
                    let d = Diagnostic::error("E0211", "a module of the library imports no file", span, "");
                    self.push(d.help("only `std.*` can be imported here"), &at.uses);
                    return None;
                }
                match self.files.find(from, &path.node) {
                    Ok(source) => source,
                    Err(r) => {
                        self.push(Diagnostic::error(r.code, r.message, span, "").help(r.help), &at.uses);
                        return None;
                    }
                }
            }
        };
        if at.path.iter().any(|(key, _)| *key == source.key) {
            let round = at.path.iter().skip_while(|(key, _)| *key != source.key);
            let mut chain: Vec<String> = round.map(|(_, name)| format!("`{name}`")).collect();
            chain.push(format!("`{}`", source.name));
            let what =
                if chain.len() == 2 { "a module imports itself" } else { "modules import each other in a circle" };
            let d = Diagnostic::error("E0209", what, span, "leads back").help(chain.join(" → "));
            self.push(d, &at.uses);
            return None;
        }
        let known = self.parsed(map, source, u.span, at);
        self.instances += 1;
        self.bytes += u64::from(known.tree.span.end);
        let much = if at.path.len() >= DEEPEST {
            format!("modules import modules more than {DEEPEST} deep")
        } else if self.instances > MOST {
            format!("more than {MOST} modules come together here")
        } else if self.bytes > MOST_BYTES {
            format!("the modules here have more than {} MiB together", MOST_BYTES / (1024 * 1024))
        } else {
            return Some(known);
        };
        if !std::mem::replace(&mut self.full, true) {
            let d = Diagnostic::error("E0213", much, span, "here the limit was reached");
            self.push(d.help("import what is needed directly, and each thing once"), &at.uses);
        }
        None
    }

    fn library(&mut self, path: &[ast::Name], span: Span, at: &At) -> Option<Source> {
        let written = path.iter().map(|n| n.node.as_str()).collect::<Vec<_>>().join(".");
        if let Some(text) = library::text(&written) {
            return Some(Source { key: library::key(&written), name: written, text: Ok(text.to_owned()) });
        }
        let d = Diagnostic::error("E0210", format!("no module `{written}`"), span, "not in the library");
        let mut help = suggest::help(&written, &library::NAMES, "the library has", "");
        if path.first().is_none_or(|n| n.node != "std") {
            help.push_str("; a file is named in quotes: `use \"./team.canary\" as team`");
        }
        self.push(d.help(help), &at.uses);
        None
    }

    /// A module's tree: parsed once, its own findings told once.
    fn parsed(&mut self, map: &mut SourceMap, source: Source, import: Span, at: &At) -> Known {
        if let Some(known) = self.known.get(&source.key) {
            return known.clone();
        }
        let uses: Vec<Span> = std::iter::once(import).chain(at.uses.iter().copied()).collect();
        let known = match source.text {
            Err(e) => {
                let id = map.add(source.name.clone(), "");
                self.push(e.diagnostic(id), &uses);
                let tree = ast::File { items: Vec::new(), span: Span::new(id, 0, 0) };
                Known { id, name: source.name, tree, broken: true }
            }
            Ok(text) => {
                let id = map.add(source.name.clone(), text.clone());
                let (tree, found) = crate::syntax::parse(id, &text);
                let broken = broken(&tree) || found.iter().any(Diagnostic::is_error);
                for d in found {
                    self.push(d, &uses);
                }
                for d in head::edition_of(&tree) {
                    self.push(d, &uses);
                }
                Known { id, name: source.name, tree, broken }
            }
        };
        self.known.insert(source.key, known.clone());
        known
    }

    /// Reports something once, with the `use`s that lead to it.
    fn push(&mut self, mut d: Diagnostic, uses: &[Span]) {
        if self.told.insert((d.span(), d.code.clone())) {
            for span in uses {
                d = d.also(*span, IMPORTED);
            }
            self.found.push(d);
        }
    }
}

/// What is said of the `use` of a module with a mistake in it.
pub(super) const IMPORTED: &str = "imported here";

/// Whether a tree lacks something that its text may have had.
fn broken(tree: &ast::File) -> bool {
    tree.items.iter().any(|i| matches!(i, Item::Junk(_)))
}

fn key_of(known: &BTreeMap<String, Known>, id: FileId) -> String {
    known.iter().find(|(_, k)| k.id == id).map_or_else(String::new, |(key, _)| key.clone())
}

/// Where a `use` names its module.
fn place(module: &Module) -> Span {
    match module {
        Module::File(path) => path.span,
        Module::Library(path) => match (path.first(), path.last()) {
            (Some(first), Some(last)) => first.span.to(last.span),
            _ => Span::default(),
        },
    }
}

/// A module as its `use` writes it.
fn shown(module: &Module) -> String {
    match module {
        Module::File(path) => path.node.clone(),
        Module::Library(path) => path.iter().map(|n| n.node.as_str()).collect::<Vec<_>>().join("."),
    }
}
