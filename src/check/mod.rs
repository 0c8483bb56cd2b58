//! From tree to plan: names, constants, types and units, PromQL, environments. Knows nothing of time and does no I/O: texts
//! come in as trees, diagnostics and plans go out.
//!
//! Every check goes on after an error. A declaration that could not be made sense of is *poisoned*: its uses are silent, so
//! that each mistake is reported once.

mod arguments;
pub mod ask;
mod bindings;
pub mod codes;
mod comparison;
mod confidence;
mod consts;
mod declarations;
mod environment;
mod expr;
mod fields;
mod floors;
mod functions;
mod groups;
mod guards;
mod head;
mod inputs;
mod lab_environment;
mod lasting;
mod later;
mod lets;
mod limits;
mod metrics;
pub mod modules;
mod nodes;
mod objectives;
mod outside;
mod over_time;
mod params;
mod people;
mod phases;
mod placeholders;
mod promql;
mod pronouns;
mod queries;
mod reactions;
pub mod registry;
mod requests;
mod rollout;
mod scope;
mod scores;
mod settings;
pub mod signatures;
mod signoffs;
mod slices;
mod statements;
mod steps;
mod suggest;
pub mod suppress;
mod switches;
mod temporal;
pub mod tests;
mod types;
mod units;
mod unused;
mod uses;
mod variants;
mod windows;

use crate::plan::{Bindings, Plan};
use crate::syntax::ast;
use crate::syntax::diagnostic::{Diagnostic, Fix, Label};
use crate::syntax::source::{FileId, SourceMap, Span};
pub use later::{cannot_bind, cannot_run};
pub use scope::PREDECLARED;
use scope::Scope;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

/// The language edition that this compiler understands.
pub const EDITION: u32 = 2026;

/// What was found in a set of files.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Checked {
    /// Everything that is wrong or worth a look, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
    /// Names of the rollouts, in the order of the text.
    pub rollouts: Vec<String>,
    /// Names of the declared environments, sorted; the built-in `lab` is not among them.
    pub environments: Vec<String>,
}

impl Checked {
    /// Whether nothing stands in the way of a plan.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        !self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Checks files that share one namespace: a policy, and environments beside it. The parser's own findings are not repeated.
#[must_use]
pub fn check_files(files: &[ast::File], map: &SourceMap) -> Checked {
    check_beside(files, map, &BTreeSet::new())
}

/// As [`check_files`], with what `others` declare: policies that share the environments. What an environment binds for
/// them is no mistake.
#[must_use]
pub fn check_beside(files: &[ast::File], map: &SourceMap, others: &BTreeSet<String>) -> Checked {
    let cx = Cx::new(files, map, &[], others);
    cx.check_all();
    Checked {
        diagnostics: cx.finish(),
        rollouts: cx.scope().rollouts.iter().map(|r| r.name.node.clone()).collect(),
        environments: cx.scope().environments.keys().map(|n| (*n).to_owned()).collect(),
    }
}

/// As [`check_beside`]; where that finds no error, every rollout is compiled in each environment that `meant` names, to find what
/// an environment does not bind and what a bound backend cannot answer. Names, metrics and queries are made sense of once for all.
#[must_use]
pub fn check_everywhere(
    files: &[ast::File],
    map: &SourceMap,
    others: &BTreeSet<String>,
    meant: impl Fn(&str) -> bool,
) -> Checked {
    let cx = Cx::new(files, map, &[], others);
    cx.check_all();
    let environments: Vec<String> = cx.scope().environments.keys().map(|n| (*n).to_owned()).collect();
    if !cx.found.borrow().iter().any(Diagnostic::is_error) {
        for name in environments.iter().filter(|n| meant(n)) {
            for r in &cx.scope().rollouts {
                cx.effort.renew();
                if let Some(e) = environment::choose(&cx, Some(name)) {
                    let _ = rollout::compile(&cx, r, e);
                }
            }
        }
    }
    Checked {
        diagnostics: cx.finish(),
        rollouts: cx.scope().rollouts.iter().map(|r| r.name.node.clone()).collect(),
        environments,
    }
}

/// Compiles one rollout for one environment, with `sets` (`--set name=value`) in force. Without `rollout` there must be
/// exactly one; without `environment` there must be exactly one declared. There is no plan if a diagnostic is an error,
/// or if the parser left anything out of the trees. The parser's own findings are not repeated here, and it may have mended a
/// text so that it compiles: a caller refuses to go on when *they* have an error.
#[must_use]
pub fn compile(
    files: &[ast::File],
    map: &SourceMap,
    rollout: Option<&str>,
    environment: Option<&str>,
    sets: &[(String, String)],
) -> (Option<(Plan, Bindings)>, Vec<Diagnostic>) {
    compile_beside(files, map, rollout, environment, sets, &BTreeSet::new())
}

/// As [`compile`], with what `others` declare: policies that share the environment.
#[must_use]
pub fn compile_beside(
    files: &[ast::File],
    map: &SourceMap,
    rollout: Option<&str>,
    environment: Option<&str>,
    sets: &[(String, String)],
    others: &BTreeSet<String>,
) -> (Option<(Plan, Bindings)>, Vec<Diagnostic>) {
    let cx = Cx::new(files, map, sets, others);
    cx.check_all();
    let chosen = rollout::choose(&cx, rollout);
    let env = environment::choose(&cx, environment);
    let made = match (chosen, env) {
        (Some(r), Some(e)) => rollout::compile(&cx, r, e),
        _ => None,
    };
    let diagnostics = cx.finish();
    if diagnostics.iter().any(Diagnostic::is_error) {
        return (None, diagnostics);
    }
    (made, diagnostics)
}

/// Compiles one rollout whatever the environment, with `sets` in force: what its rules are needs none. As [`compile`] otherwise.
#[must_use]
pub fn compile_alone(
    files: &[ast::File],
    map: &SourceMap,
    rollout: Option<&str>,
    sets: &[(String, String)],
) -> (Option<Plan>, Vec<Diagnostic>) {
    let others = BTreeSet::new();
    let cx = Cx::new(files, map, sets, &others);
    cx.check_all();
    let made = rollout::choose(&cx, rollout).and_then(|r| rollout::plan_alone(&cx, r));
    let diagnostics = cx.finish();
    let broken = diagnostics.iter().any(Diagnostic::is_error);
    (made.filter(|_| !broken), diagnostics)
}

/// The names that a policy declares and an environment can bind.
#[must_use]
pub fn bindable(file: &ast::File, map: &SourceMap) -> BTreeSet<String> {
    let none = BTreeSet::new();
    let cx = Cx::new(std::slice::from_ref(file), map, &[], &none);
    let known = cx.scope().of_kind(|d| {
        use scope::Decl::{Let, Metric, Module, Param, Score, Signoff, Slo, Switch, Window};
        // a slice is not bound itself, and an environment says its label
        !matches!(d, Param(_) | Let(_) | Metric(_) | Switch(_) | Module(_) | Window(_) | Signoff(_) | Slo(_) | Score(_))
    });
    known.into_iter().map(str::to_owned).collect()
}

/// What every check needs: the trees, the names, the constants, and where findings go.
pub(crate) struct Cx<'a> {
    files: &'a [ast::File],
    map: &'a SourceMap,
    sets: &'a [(String, String)],
    /// What policies declare that share the environments.
    others: &'a BTreeSet<String>,
    scope: OnceCell<Scope<'a>>,
    /// Params by name; `None` is poisoned.
    params: RefCell<BTreeMap<&'a str, Option<types::Value>>>,
    /// Metrics by name; `None` is poisoned.
    metrics: OnceCell<BTreeMap<&'a str, Option<metrics::Metric<'a>>>>,
    /// Lets that are being instantiated, to find cycles.
    open: RefCell<Vec<&'a str>>,
    /// Circles that were reported, each as the sorted names of its members.
    circles: RefCell<BTreeSet<Vec<String>>>,
    used: RefCell<BTreeSet<String>>,
    /// A constant was left out by the parser: what is made with a default in its place must not run.
    holes: Cell<bool>,
    found: RefCell<Vec<Diagnostic>>,
    /// The texts of modules, each with a `use` that leads to it.
    imports: BTreeMap<FileId, Span>,
    /// Place, code and message of everything in `found`.
    told: RefCell<BTreeSet<(Span, String, String)>>,
    effort: limits::Effort,
}

impl<'a> Cx<'a> {
    fn new(
        files: &'a [ast::File],
        map: &'a SourceMap,
        sets: &'a [(String, String)],
        others: &'a BTreeSet<String>,
    ) -> Self {
        Self::made(files, map, sets, others, Vec::new())
    }

    /// As [`Cx::new`], with the values of some params: they were checked already.
    fn with_params(
        files: &'a [ast::File],
        map: &'a SourceMap,
        others: &'a BTreeSet<String>,
        values: Vec<(&'a str, types::Value)>,
    ) -> Self {
        Self::made(files, map, &[], others, values)
    }

    fn made(
        files: &'a [ast::File],
        map: &'a SourceMap,
        sets: &'a [(String, String)],
        others: &'a BTreeSet<String>,
        values: Vec<(&'a str, types::Value)>,
    ) -> Self {
        let cx = Self {
            files,
            map,
            sets,
            others,
            scope: OnceCell::new(),
            params: RefCell::new(values.into_iter().map(|(n, v)| (n, Some(v))).collect()),
            metrics: OnceCell::new(),
            open: RefCell::default(),
            circles: RefCell::default(),
            used: RefCell::default(),
            holes: Cell::new(false),
            found: RefCell::default(),
            imports: imports(files),
            told: RefCell::default(),
            effort: limits::Effort::for_texts(files),
        };
        let scope = Scope::collect(files, &cx);
        // each cell is filled once, here: metrics read params and lets, which read the names
        let _ = cx.scope.set(scope);
        params::check(&cx);
        let metrics = metrics::elaborate(&cx);
        let _ = cx.metrics.set(metrics);
        cx
    }

    /// Finds everything that is wrong whatever the environment; the tests that could be compiled.
    fn check_all(&self) -> Vec<tests::Test> {
        for file in self.files {
            head::edition(self, file);
        }
        self.check_declarations();
        for r in &self.scope().rollouts {
            rollout::check(self, r);
        }
        for e in self.scope().environments.values() {
            environment::check(self, e);
        }
        // tests show what the policy does as it stands, and not with what a command line sets: there every time could be another
        if !self.sets.is_empty() && self.files.iter().flat_map(|f| &f.items).any(|i| matches!(i, ast::Item::Test(_))) {
            return Vec::new();
        }
        // a test may be all that reads a param
        let tests = tests::check(self);
        unused::warn(self);
        tests
    }

    fn scope(&self) -> &Scope<'a> {
        self.scope.get_or_init(Scope::default)
    }

    /// A metric that could be made sense of.
    fn metric(&self, name: &str) -> Option<&metrics::Metric<'a>> {
        self.metrics.get()?.get(name)?.as_ref()
    }

    fn push(&self, mut d: Diagnostic) {
        // a suggestion is an edit as well, where the place is the one word that it replaces
        let one_word = |s: &str| !s.is_empty() && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if d.fix.is_none()
            && let Some(near) = d.help.as_deref().and_then(suggest::meant)
            && one_word(self.map.slice(d.span()))
        {
            d.fix = Some(Fix { span: d.span(), replacement: near.to_owned() });
        }
        // a rollout is walked once to check it and once to compile it: what both find is said once; a mistake in a module that is
        // imported twice is one as well, though it is about `a.errors` and `b.errors`
        let message = if self.imports.contains_key(&d.span().file) { String::new() } else { d.message.clone() };
        let key = (d.span(), d.code.clone(), message);
        if self.told.borrow_mut().insert(key) {
            self.found.borrow_mut().push(d);
        }
    }

    /// Refuses what [`later`] names.
    fn later(&self, found: Option<(&str, Span)>) {
        if let Some((what, span)) = found {
            self.push(not_built(what, span, self.map));
        }
    }

    fn use_name(&self, name: &str) {
        self.used.borrow_mut().insert(name.to_owned());
    }

    /// Source text on one line, without comments.
    fn as_written(&self, span: Span) -> String {
        one_line(self.map.slice(span))
    }

    /// A finding inside a module names the `use`s that lead to it, unless it does already.
    fn say_who_imports(&self, d: &mut Diagnostic) {
        let mut at = d.span();
        // modules import each other in no circle, or they would not be here; the bound is for what is made by hand
        for _ in 0..self.imports.len() {
            let Some(span) = self.imports.get(&at.file) else { return };
            at = *span;
            if !d.labels.iter().any(|l| l.span == at) {
                d.labels.push(Label { span: at, text: String::from(modules::IMPORTED) });
            }
        }
    }

    fn finish(&self) -> Vec<Diagnostic> {
        let mut all = std::mem::take(&mut *self.found.borrow_mut());
        for d in &mut all {
            self.say_who_imports(d);
        }
        all.sort_by_key(|d| (d.span().file, d.span().start));
        once(all)
    }
}

/// The texts of modules in these files, each with the first `use` that leads to it. A text that is checked by itself as well is
/// no module here.
fn imports(files: &[ast::File]) -> BTreeMap<FileId, Span> {
    let mut out = BTreeMap::new();
    for item in files.iter().flat_map(|f| &f.items) {
        if let ast::Item::Imported(m) = item
            && let Some(file) = m.file.filter(|f| !files.iter().any(|g| g.span.file == *f))
        {
            out.entry(file).or_insert(m.span);
        }
    }
    out
}

/// A name that nothing declares, or that is something else, is one mistake however often it is used.
fn once(all: Vec<Diagnostic>) -> Vec<Diagnostic> {
    /// Further places that are shown.
    const PLACES: usize = 4;
    let mut out: Vec<Diagnostic> = Vec::with_capacity(all.len());
    for d in all {
        let mergeable = matches!(d.code.as_str(), "E0201" | "E0204");
        // the others are not looked through for nothing: there can be as many as words
        let first = out
            .iter_mut()
            .take(if mergeable { usize::MAX } else { 0 })
            .find(|o| o.code == d.code && o.message == d.message && o.help == d.help && o.span().file == d.span().file);
        match first {
            Some(first) => {
                // one edit would leave the other places as they are
                first.fix = None;
                if first.labels.iter().filter(|l| l.text == "and here").count() < PLACES {
                    first.labels.push(Label { span: d.span(), text: String::from("and here") });
                }
            }
            None => out.push(d),
        }
    }
    out
}

/// "not built yet", under the construct's first line only.
fn not_built(what: &str, span: Span, map: &SourceMap) -> Diagnostic {
    let first = map.slice(span).lines().next().unwrap_or("").trim_end().len();
    let end = span.start.saturating_add(u32::try_from(first).unwrap_or(0));
    let d = Diagnostic::error(
        "E0490",
        format!("`{what}` is not built yet"),
        Span { end: end.min(span.end), ..span },
        "this version cannot run it",
    );
    match instead(what) {
        Some(help) => d.help(help),
        None => d.help("leave it out for now: a policy is run as it stands or not at all"),
    }
}

/// What can be written today in place of something that is not built yet.
fn instead(what: &str) -> Option<&'static str> {
    // an environment's line: `oncall = pagerduty(…)`
    let backend = what.split_once(" = ").map(|(_, b)| b.trim_end_matches("(…)"));
    Some(match backend.unwrap_or(what) {
        "${…} in an environment" => {
            "write the value out; `${percent}` stands in the `set:` of a command only, `${flag}` in what binds a flag"
        }
        w if w.ends_with(" for each slice") => {
            "a flag file (`json_file`, …) or a `command` can have one for each slice"
        }
        "use" => "this text is in no file, from which a module could be looked for",
        "confidence" => "compare with a margin and a minimum sample: `errors <= stable + 0.5pp at least 500 events`",
        "per" | "[…]" | "start slices by" => {
            "one rollout is one population for now: one environment and one run a slice"
        }
        "release … proven by" => "leave `proven by` out, and `require` a metric that counts the release's processes",
        "after" => "`require` a metric that says so, or let a person start the run",
        "route" | "mirror" => "leave it to the balancer's own configuration",
        "signed_off" => "ask for it before the start: `require` with a metric, or a person who starts the run",
        "alert_firing" => {
            "read the source's own series: `sum(ALERTS{alertname=\"…\", alertstate=\"firing\"}) or vector(0)`"
        }
        "silenced" => "let a person start the run",
        "rollbacks" => "`cooldown 24h after rollback` waits after the last one",
        "probe" => "let another tool probe, and read what it exports",
        "pagerduty" => "bind the channel to `slack`, `discord` or `teams`",
        "http" => "bind the numbers of a load tool's own page, and `run` an action that starts it",
        "folder" => "leave it out: `--report FILE` keeps the report of a run",
        "test" => "run the policy in the lab: `--env lab`",
        _ => return None,
    })
}

/// Collapses blanks and drops comments, outside strings and backticks.
fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match quote {
            Some(q) => {
                out.push(c);
                if c == '\\' && q == '"' {
                    out.extend(chars.next());
                } else if c == q {
                    quote = None;
                }
            }
            None if c == '#' => {
                for c in chars.by_ref() {
                    if c == '\n' {
                        break;
                    }
                }
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            None if c.is_whitespace() => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            None => {
                if c == '"' || c == '`' {
                    quote = Some(c);
                }
                out.push(c);
            }
        }
    }
    out.trim().to_owned()
}

#[cfg(test)]
mod one_line_tests {
    use super::one_line;

    #[test]
    fn a_condition_is_shown_on_one_line_without_comments() {
        assert_eq!(one_line("errors   < 1%  # a limit\n   and \"a # b\" == x"), "errors < 1% and \"a # b\" == x");
    }
}
