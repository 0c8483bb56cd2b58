//! `canary check`: everything that is wrong with policies and environments, in one run.

use super::Format;
use super::exit::Status;
use super::findings::{github, junit, sarif, short};
use super::in_parallel;
use super::load::{Loaded, declared_beside, first_causes, is_undeclared, load, policies, print_diagnostics};
use crate::check::suppress::{self, Suppressed};
use crate::syntax::ast::{EnvEntry, File, Item};
use crate::syntax::diagnostic::{Diagnostic, Severity};
use crate::syntax::render;
use crate::syntax::source::SourceMap;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// Arguments of `canary check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy and environment files, or folders that hold some
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Output,
    /// Let warnings fail the check as well
    #[arg(long, value_name = "WHAT", value_parser = ["warnings"])]
    deny: Option<String>,
}

/// How findings are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// For people
    #[default]
    Human,
    /// One line a finding, as compilers write it: for editors and `grep`
    Short,
    /// For programs: schema `canary.check/1`
    Json,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of a GitHub workflow
    Github,
    /// JUnit's XML, for CI servers
    Junit,
}

/// Checks each policy with the environments beside it.
#[must_use]
pub fn main(args: &Args) -> Status {
    let Ok(asked) = policies(&args.paths) else { return Status::Wrong };
    let paths = with_neighbours(&asked);
    let Ok(mut loaded) = load(&paths) else { return Status::Wrong };
    let mut diagnostics = std::mem::take(&mut loaded.diagnostics);
    let neighbours = Neighbours::default();
    let found = in_parallel::map(&groups(&paths, &loaded), |group| check_group(group, &paths, &loaded, &neighbours));
    let mut said: BTreeSet<_> = diagnostics.iter().map(|d| loaded.said(d)).collect();
    for d in found.into_iter().flatten() {
        // an environment that several policies share is reported once
        if said.insert(loaded.said(&d)) {
            diagnostics.push(d);
        }
    }
    let judged = suppress::apply(&loaded.files, &loaded.map, first_causes(diagnostics), super::load::today());
    let (diagnostics, suppressed) = (judged.diagnostics, judged.suppressed);
    let out = &mut std::io::stdout();
    let deny = args.deny.is_some();
    let map = &loaded.map;
    match args.format {
        Output::Human => print_diagnostics(&diagnostics, map, Format::Human, out, std::io::stdout().is_terminal()),
        Output::Json => outln!("{}", json_with(&suppressed, map, &diagnostics)),
        Output::Short => out!("{}", short::short(map, &diagnostics)),
        Output::Sarif => outln!("{:#}", sarif::sarif(map, &diagnostics, &suppressed)),
        Output::Github => out!("{}", github::github(map, &diagnostics)),
        Output::Junit => out!("{}", junit::junit(map, &diagnostics, deny)),
    }
    let warnings = diagnostics.iter().filter(|d| d.severity == Severity::Warning).count();
    if args.format == Output::Human && diagnostics.is_empty() {
        let files = asked.len();
        let _ = writeln!(out, "{files} file{} checked, nothing to say", if files == 1 { "" } else { "s" });
    }
    if args.format == Output::Human && !suppressed.is_empty() {
        let n = suppressed.len();
        let _ = match n {
            1 => writeln!(out, "1 warning let pass by a comment"),
            _ => writeln!(out, "{n} warnings let pass by comments"),
        };
    }
    if diagnostics.iter().any(Diagnostic::is_error) || (deny && warnings > 0) { Status::Bad } else { Status::Success }
}

/// Schema `canary.check/1`, with what comments let pass.
fn json_with(suppressed: &[Suppressed], map: &SourceMap, diagnostics: &[Diagnostic]) -> Value {
    let passed: Vec<Value> = suppressed
        .iter()
        .map(|s| {
            json!({
                "code": s.finding.code,
                "message": s.finding.message,
                "place": map.place(s.finding.span()),
                "comment": map.place(s.comment),
                "reason": s.reason,
                "until": s.until.map(|d| d.to_string()),
            })
        })
        .collect();
    let mut report = render::json(map, diagnostics);
    if let Some(o) = report.as_object_mut() {
        o.insert(String::from("suppressed"), json!(passed));
    }
    report
}

/// What the policies of a folder declare together, by the folder of their environments: read when it is needed, and once.
type Neighbours = Mutex<BTreeMap<PathBuf, Arc<BTreeSet<String>>>>;

/// A policy with its environments: what they bind for another policy beside it is no mistake.
fn check_group(group: &[usize], paths: &[PathBuf], loaded: &Loaded, neighbours: &Neighbours) -> Vec<Diagnostic> {
    let found = check(group, loaded, &BTreeSet::new());
    let environment = group
        .iter()
        .filter_map(|i| paths.get(*i))
        .find(|p| p.parent().is_some_and(|folder| folder.ends_with("environments")));
    match environment {
        Some(path) if group.len() > 1 && found.iter().any(is_undeclared) => {
            let folder = path.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
            let others = {
                // who comes second waits for what the first one reads
                let mut all = neighbours.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(all.entry(folder).or_insert_with(|| Arc::new(declared_beside(path))))
            };
            check(group, loaded, &others)
        }
        _ => found,
    }
}

fn check(group: &[usize], loaded: &Loaded, others: &BTreeSet<String>) -> Vec<Diagnostic> {
    let files: Vec<File> = group.iter().filter_map(|i| loaded.files.get(*i).cloned()).collect();
    crate::check::check_everywhere(&files, &loaded.map, others, |name| is_meant_for(&files, name)).diagnostics
}

/// Whether an environment binds anything that these files declare: one that several policies share may be another's alone.
fn is_meant_for(files: &[File], environment: &str) -> bool {
    let items = || files.iter().flat_map(|f| &f.items);
    let declared: BTreeSet<&str> = items()
        .filter_map(|i| match i {
            Item::Traffic(t) => Some(t.name.node.as_str()),
            Item::Flag(f) => Some(f.name.node.as_str()),
            Item::Flags(f) => Some(f.name.node.as_str()),
            _ => None,
        })
        .collect();
    items().any(|i| match i {
        Item::Environment(e) if e.name.node == environment => e
            .entries
            .iter()
            .any(|entry| matches!(entry, EnvEntry::Bind { name, .. } if declared.contains(name.node.as_str()))),
        _ => false,
    })
}

/// The folder of a policy's environments: `environments` beside it.
fn environments_of(policy: &Path) -> PathBuf {
    policy.parent().unwrap_or_else(|| Path::new("")).join("environments")
}

/// The files asked for, and what they cannot be judged without: a policy's environments, an environment's policies.
fn with_neighbours(asked: &[PathBuf]) -> Vec<PathBuf> {
    let mut out = asked.to_vec();
    let mut seen: BTreeSet<PathBuf> = asked.iter().cloned().collect();
    for path in asked {
        let folder = path.parent().unwrap_or_else(|| Path::new(""));
        let neighbours = if folder.ends_with("environments") {
            folder.parent().map(Path::to_path_buf)
        } else {
            Some(environments_of(path))
        };
        for found in neighbours.into_iter().filter_map(|f| std::fs::read_dir(here(&f)).ok()).flatten().flatten() {
            let found = found.path();
            let found = found.strip_prefix("./").map(Path::to_path_buf).unwrap_or(found);
            if found.extension().is_some_and(|e| e == "canary") && found.is_file() && seen.insert(found.clone()) {
                out.push(found);
            }
        }
    }
    out
}

fn here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// Each policy with the environments of its folder; what is left over is checked alone.
fn groups(paths: &[PathBuf], loaded: &Loaded) -> Vec<Vec<usize>> {
    let only_environments = |file: &File| {
        !file.items.is_empty() && file.items.iter().all(|i| matches!(i, Item::Environment(_) | Item::Edition(_)))
    };
    let mut environments: BTreeMap<PathBuf, Vec<usize>> = BTreeMap::new();
    let mut policies = Vec::new();
    for (i, (path, file)) in paths.iter().zip(&loaded.files).enumerate() {
        if only_environments(file) {
            let folder = path.parent().unwrap_or_else(|| Path::new("")).to_path_buf();
            environments.entry(folder).or_default().push(i);
        } else {
            policies.push(i);
        }
    }
    let mut used = BTreeSet::new();
    let mut out = Vec::new();
    for i in policies {
        let mut group = vec![i];
        if let Some(beside) = paths.get(i).and_then(|p| environments.get(&environments_of(p))) {
            used.extend(beside.iter().copied());
            group.extend(beside.iter().copied());
        }
        out.push(group);
    }
    out.extend(environments.into_values().flatten().filter(|i| !used.contains(i)).map(|i| vec![i]));
    out
}
