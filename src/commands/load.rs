//! Reads policy and environment files and hands them to the front end.

use super::Format;
use super::exit::{Status, because};
use super::in_parallel;
use super::modules::Disk;
use crate::check::{self, modules::Modules, suppress};
use crate::plan::hash::sha256_hex;
use crate::plan::{Bindings, Plan};
use crate::report::provenance::SourceFile;
use crate::report::style::Style;
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{FileId, SourceMap, Span};
use crate::syntax::{ast, codes, parse, read_source, render};
use std::collections::BTreeSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// Parsed files with everything that is to be said of them so far.
pub struct Loaded {
    /// The texts.
    pub map: SourceMap,
    /// The trees, in the order in which the files were given.
    pub files: Vec<ast::File>,
    /// Findings of the parser.
    pub diagnostics: Vec<Diagnostic>,
    /// What was read, byte for byte: the files that were given, then the modules that they import.
    pub sources: Vec<SourceFile>,
    /// The files of those modules, as they are shown.
    pub modules: Vec<PathBuf>,
    /// The texts of modules.
    pub imported: BTreeSet<FileId>,
}

/// Reads and parses files, and puts the modules that they import in place. An unreadable one is said on standard error.
///
/// # Errors
/// The exit status when a file cannot be read at all.
pub fn load(paths: &[PathBuf]) -> Result<Loaded, Status> {
    let mut out = Loaded {
        map: SourceMap::default(),
        files: Vec::new(),
        diagnostics: Vec::new(),
        sources: Vec::new(),
        modules: Vec::new(),
        imported: BTreeSet::new(),
    };
    let mut failed = false;
    let mut texts = Vec::new();
    for path in paths {
        let name = path.display().to_string();
        match std::fs::read(path) {
            Err(e) => {
                let _ = because(Status::Wrong, &format!("cannot read {name}: {}", plain(&e)));
                failed = true;
            }
            Ok(bytes) => {
                out.sources.push(SourceFile { path: name.clone(), sha256: sha256_hex(&bytes) });
                match read_source(bytes, &name) {
                    Err(e) => {
                        // the text itself cannot be shown: it is no text
                        let id = out.map.add(name, "");
                        out.diagnostics.push(e.diagnostic(id));
                        out.files.push(ast::File { items: Vec::new(), span: Span::new(id, 0, 0) });
                    }
                    Ok(text) => {
                        let id = out.map.add(name, text);
                        texts.push((out.files.len(), id));
                        out.files.push(ast::File { items: Vec::new(), span: Span::new(id, 0, 0) });
                    }
                }
            }
        }
    }
    let map = &out.map;
    let parsed = in_parallel::map(&texts, |(_, id)| parse(*id, map.get(*id).map_or("", |f| f.text.as_str())));
    for ((i, _), (file, found)) in texts.into_iter().zip(parsed) {
        if let Some(place) = out.files.get_mut(i) {
            *place = file;
        }
        out.diagnostics.extend(found);
    }
    if failed {
        return Err(Status::Wrong);
    }
    import(paths, &mut out);
    Ok(out)
}

/// Puts modules in place of the `use`s of all files.
fn import(paths: &[PathBuf], loaded: &mut Loaded) {
    let mut disk = Disk::default();
    let named: Vec<(String, String)> = paths.iter().map(|p| (disk.key(p), p.display().to_string())).collect();
    let mut modules = Modules::new(&mut disk);
    for ((key, name), file) in named.iter().zip(&loaded.files) {
        modules.know(key, name, file);
    }
    let files = std::mem::take(&mut loaded.files);
    for ((key, name), file) in named.iter().zip(files) {
        loaded.files.push(modules.expand(&mut loaded.map, key, name, file));
    }
    loaded.diagnostics.extend(modules.finish());
    loaded.sources.append(&mut disk.sources);
    loaded.modules.append(&mut disk.paths);
    loaded.imported = loaded
        .files
        .iter()
        .flat_map(|f| &f.items)
        .filter_map(|i| match i {
            ast::Item::Imported(m) => m.file,
            _ => None,
        })
        .collect();
}

impl Loaded {
    /// What two findings have in common that say the same. Of a module it is the place and the code: each policy that imports it
    /// finds the same mistake, under names of its own.
    #[must_use]
    pub fn said(&self, d: &Diagnostic) -> (Span, String, String) {
        let message = if self.imported.contains(&d.span().file) { String::new() } else { d.message.clone() };
        (d.span(), d.code.clone(), message)
    }
}

/// An I/O error without Rust's `(os error 2)`.
pub fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_lowercase()
}

/// The file that declares an environment: `environments/NAME.canary` beside the policy, or in the current folder. None when
/// there is none: then the policy itself must declare it, or it is built in.
#[must_use]
pub fn environment_file(policy: &Path, name: &str) -> Option<PathBuf> {
    let beside = policy.parent().unwrap_or_else(|| Path::new("")).join("environments");
    [beside, PathBuf::from("environments")]
        .into_iter()
        .map(|folder| folder.join(format!("{name}.canary")))
        .find(|p| p.is_file())
}

/// The finding that an environment is not known.
const NO_ENVIRONMENT: &str = "E0511";

/// The names of all environments that [`environment_file`] finds for a policy.
#[must_use]
pub fn environment_files(policy: &Path) -> Vec<String> {
    let beside = policy.parent().unwrap_or_else(|| Path::new("")).join("environments");
    let mut names: Vec<String> = [beside, PathBuf::from("environments")]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.filter_map(Result::ok))
        .filter_map(|e| Some(e.file_name().to_str()?.strip_suffix(".canary")?.to_owned()))
        .collect();
    names.sort();
    names.dedup();
    names
}

/// All `.canary` files of the given files and folders, folders walked in order of name.
///
/// # Errors
/// The exit status when a path cannot be read or holds no policy; it was said on standard error.
pub fn policies(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Status> {
    let mut out = Vec::new();
    let mut failed = false;
    for path in paths {
        let path = path.strip_prefix("./").unwrap_or(path);
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        if !path.is_dir() {
            out.push(path.to_path_buf());
            continue;
        }
        let before = out.len();
        if let Err(e) = walk(path, &mut out, 0) {
            let _ = because(Status::Wrong, &format!("cannot read {}: {}", path.display(), plain(&e)));
            failed = true;
        } else if out.len() == before {
            let _ = because(Status::Wrong, &format!("no .canary file in {}", path.display()));
            failed = true;
        }
    }
    if failed { Err(Status::Wrong) } else { Ok(out) }
}

fn walk(folder: &Path, out: &mut Vec<PathBuf>, depth: usize) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?.iter().map(std::fs::DirEntry::path).collect();
    entries.sort();
    for path in entries {
        let path = path.strip_prefix("./").map(Path::to_path_buf).unwrap_or(path);
        let hidden = path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.'));
        // a folder reached through a link is not walked: links can lead round in a circle
        let link = path.is_symlink();
        if path.is_dir() {
            if !hidden && !link && depth < 32 && path.file_name().is_some_and(|n| n != "target") {
                walk(&path, out, depth + 1)?;
            }
        } else if path.extension().is_some_and(|e| e == "canary") {
            out.push(path);
        }
    }
    Ok(())
}

/// What `plan`, `run` and `query` are asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Target {
    /// The policy file
    pub file: PathBuf,
    /// The environment: `environments/NAME.canary` beside the policy, one declared in it, or `lab` (built in)
    #[arg(long, value_name = "NAME")]
    pub env: String,
    /// Which rollout, when the file declares several
    #[arg(long, value_name = "NAME")]
    pub rollout: Option<String>,
    /// Set a param, as it would be written in the policy: `--set max_errors=2%`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    pub sets: Vec<(String, String)>,
    /// How long to watch, in seconds or as a duration (`300`, `5m`): short for `--set watch=300s`
    #[arg(long, value_name = "SECONDS", value_parser = watched)]
    pub watch: Option<String>,
}

impl Target {
    /// All params that the command line sets; `watch` is an ordinary one.
    fn all_sets(&self) -> Vec<(String, String)> {
        let watch = self.watch.iter().map(|w| (String::from(WATCH), w.clone()));
        self.sets.iter().cloned().chain(watch).collect()
    }
}

/// The param that `--watch` sets.
const WATCH: &str = "watch";

/// A bare number is seconds; a duration is taken as it is, the front end reads it.
fn watched(text: &str) -> Result<String, String> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let duration = text.starts_with(|c: char| c.is_ascii_digit())
        && text.ends_with(['s', 'm', 'h', 'd'])
        && text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b's' | b'm' | b'h' | b'd' | b'_'));
    match (plain, duration) {
        (true, _) => Ok(format!("{text}s")),
        (false, true) => Ok(text.to_owned()),
        (false, false) => Err(String::from("expected seconds such as `300`, or a duration such as `5m`")),
    }
}

/// `--watch` needs a param to set, and nobody else who sets it.
fn check_watch(target: &Target, loaded: &Loaded) -> Result<(), Status> {
    let Some(watch) = &target.watch else { return Ok(()) };
    if target.sets.iter().any(|(name, _)| name == WATCH) {
        return Err(because(Status::Wrong, "`--watch` and `--set watch=` set the same param: keep one of them"));
    }
    if loaded.diagnostics.iter().any(Diagnostic::is_error) {
        // the param may stand in what could not be read
        return Ok(());
    }
    let param = loaded.files.iter().flat_map(|f| &f.items).find_map(|i| match i {
        ast::Item::Param(p) if p.name.node == WATCH => Some(p),
        _ => None,
    });
    let file = target.file.display();
    match param {
        Some(p) if p.ty.node == "duration" => Ok(()),
        Some(p) => Err(because(
            Status::Wrong,
            &format!("`--watch` sets a duration, and `watch` in {file} is a {}: use `--set watch=…`", p.ty.node),
        )),
        None => Err(because(
            Status::Wrong,
            &format!(
                "`--watch` sets the param `watch`, and {file} declares none: add the line `param watch: duration = {watch}` \
                 and write `hold watch` in the phase that is to be watched"
            ),
        )),
    }
}

impl Target {
    /// The arguments that decide which plan is made, as they would be said again.
    #[must_use]
    pub fn to_repeat(&self) -> Vec<String> {
        let rollout = self.rollout.iter().flat_map(|r| [String::from("--rollout"), r.clone()]);
        let sets = self.all_sets().into_iter().flat_map(|(k, v)| [String::from("--set"), format!("{k}={v}")]);
        rollout.chain(sets).collect()
    }
}

/// `NAME=VALUE`
///
/// # Errors
/// What was expected instead.
pub fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(String::from("expected NAME=VALUE, such as `max_errors=2%`")),
    }
}

/// A compiled rollout with what it was made of.
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// The bindings.
    pub bindings: Bindings,
    /// The files.
    pub files: Vec<PathBuf>,
    /// The same files with what was in them.
    pub sources: Vec<SourceFile>,
    /// What keeps this version from executing it, each with its place; it can be shown all the same.
    cannot: Vec<Diagnostic>,
    map: SourceMap,
}

impl Compiled {
    /// Refuses what this version cannot execute: all of it together, with places and ways out.
    ///
    /// # Errors
    /// The exit status when there is any; it was said on standard error.
    pub fn executable(&self, format: Format) -> Result<(), Status> {
        if self.cannot.is_empty() {
            return Ok(());
        }
        print_diagnostics(&self.cannot, &self.map, format, &mut std::io::stderr(), std::io::stderr().is_terminal());
        Err(Status::Wrong)
    }
}

/// The names of the rollouts that a file declares, in its order.
///
/// # Errors
/// The exit status when the file cannot be read; it was said on standard error.
pub fn rollouts(file: &Path) -> Result<Vec<String>, Status> {
    let loaded = load(&[file.to_owned()])?;
    Ok(check::check_files(&loaded.files, &loaded.map).rollouts)
}

/// Loads and compiles a rollout; everything that is wrong is printed on standard error.
///
/// # Errors
/// The exit status when there is no plan.
pub fn compile(target: &Target, format: Format) -> Result<Compiled, Status> {
    let mut paths = vec![target.file.clone()];
    let environment = environment_file(&target.file, &target.env);
    paths.extend(environment.clone());
    let loaded = load(&paths)?;
    check_watch(target, &loaded)?;
    let sets = target.all_sets();
    let compiled = |others: &BTreeSet<String>| {
        let (rollout, env) = (target.rollout.as_deref(), Some(target.env.as_str()));
        check::compile_beside(&loaded.files, &loaded.map, rollout, env, &sets, others)
    };
    let (mut made, mut found) = compiled(&BTreeSet::new());
    if let Some(environment) = environment.as_deref()
        && found.iter().any(is_undeclared)
    {
        // a name that this policy does not have may be that of another one
        (made, found) = compiled(&declared_beside(environment));
    }
    let mut diagnostics = loaded.diagnostics.clone();
    let said: BTreeSet<_> = loaded.diagnostics.iter().map(|d| loaded.said(d)).collect();
    diagnostics.extend(found.into_iter().filter(|d| !said.contains(&loaded.said(d))));
    let mut diagnostics = suppress::apply(&loaded.files, &loaded.map, first_causes(diagnostics), today()).diagnostics;
    // one rollout does not show what a comment of another lets pass; `check` tells of those that are not needed
    diagnostics.retain(|d| d.code != "W0690");
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    if !diagnostics.is_empty() {
        print_diagnostics(&diagnostics, &loaded.map, format, &mut std::io::stderr(), std::io::stderr().is_terminal());
    }
    if format == Format::Human && environment.is_none() && diagnostics.iter().any(|d| d.code == NO_ENVIRONMENT) {
        let files = environment_files(&target.file);
        if !files.is_empty() {
            eprintln!("environments in files: {}", files.join(", "));
        }
    }
    match made {
        Some((plan, bindings)) if !broken => {
            let mut cannot = check::cannot_run(&plan, &loaded.map);
            cannot.extend(check::cannot_bind(&plan, &bindings, &loaded.map));
            let bindings = anchored(bindings);
            paths.extend(loaded.modules);
            Ok(Compiled { plan, bindings, files: paths, sources: loaded.sources, cannot, map: loaded.map })
        }
        _ => Err(Status::Wrong),
    }
}

/// Today in UTC: until when a comment lets a warning pass is a matter of whole days.
#[must_use]
pub fn today() -> suppress::Day {
    chrono::Utc::now().date_naive()
}

/// Whether a finding says that an environment binds a name that nobody declares: a binding, or a line of `variants`.
pub fn is_undeclared(d: &Diagnostic) -> bool {
    d.code == "E0507" || d.code == "E0201"
}

/// What all policies declare that share an environment's file. One that cannot be read declares nothing; why is said where it
/// is asked for.
#[must_use]
pub fn declared_beside(environment: &Path) -> BTreeSet<String> {
    let folder = environment.parent().and_then(Path::parent).unwrap_or_else(|| Path::new(""));
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let mut out = BTreeSet::new();
    for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()) {
        if path.extension().is_none_or(|e| e != "canary") {
            continue;
        }
        let Some(text) = std::fs::read(&path).ok().and_then(|bytes| read_source(bytes, "").ok()) else { continue };
        let mut map = SourceMap::default();
        let name = path.display().to_string();
        let id = map.add(name.clone(), text.clone());
        let mut disk = Disk::default();
        let key = disk.key(&path);
        let whole = Modules::new(&mut disk).expand(&mut map, &key, &name, parse(id, &text).0);
        out.extend(check::bindable(&whole, &map));
    }
    out
}

/// With absolute places: bindings are kept with a run, and whoever takes it back may stand in another folder.
fn anchored(mut bindings: Bindings) -> Bindings {
    for b in bindings.bindings.values_mut().chain(&mut bindings.store).chain(&mut bindings.evidence) {
        // what is built in stands in no file
        if b.place.matches(':').count() >= 2
            && let Ok(whole) = std::path::absolute(&b.place)
        {
            b.place = whole.display().to_string();
        }
    }
    bindings
}

/// Without what follows from a file's text being unreadable or empty: of such a file only that is worth saying.
#[must_use]
pub fn first_causes(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let no_text = |code: &str| [codes::ENCODING, codes::TOO_LARGE, codes::EMPTY].contains(&code);
    let dead: Vec<FileId> = diagnostics.iter().filter(|d| no_text(&d.code)).map(|d| d.span().file).collect();
    // beside a statement that could not be read, nobody knows what is not used
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    diagnostics
        .into_iter()
        .filter(|d| no_text(&d.code) || !dead.contains(&d.span().file))
        .filter(|d| !(broken && d.code == "W0601"))
        .collect()
}

/// Prints findings in the chosen format.
pub fn print_diagnostics(
    diagnostics: &[Diagnostic],
    map: &SourceMap,
    format: Format,
    out: &mut dyn std::io::Write,
    is_terminal: bool,
) {
    let text = match format {
        Format::Human => {
            let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0).clamp(60, 120));
            let style = render::Style { colour: Style::for_terminal(is_terminal).colours(), width };
            render::human(map, diagnostics, style)
        }
        Format::Json => render::json(map, diagnostics).to_string() + "\n",
    };
    let _ = out.write_all(text.as_bytes());
}
