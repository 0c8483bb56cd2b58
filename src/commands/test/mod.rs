//! `canary test`: policies' own tests, by the real engine, on virtual time. Reads files and nothing else.

mod coverage;
mod incident;
mod junit;
mod mutants;
mod recordings;
mod show;

use super::exit::{Status, because};
use super::load::{assignment, load, policies, print_diagnostics};
use super::runs::StoreArg;
use crate::check::tests::{Compiled, Test, compile};
use crate::report::style::Style;
use crate::sim::{Case, Failure, Trace, judge};
use crate::syntax::ast::{File, Item};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::SourceMap;
pub(super) use incident::Keeper;
use recordings::{Read, Recordings};
use serde_json::json;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Arguments of `canary test`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Policy files, or folders that hold some
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Run only the tests whose title contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Output,
    /// Say what of each rollout no test exercises
    #[arg(long)]
    coverage: bool,
    /// As `--coverage`, and fail where less than this is exercised
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    coverage_min: Option<u8>,
    /// Change each rule of each guard in turn and see that a test fails
    #[arg(long)]
    mutate: bool,
    /// Write a test of what happened: of a run that was recorded (its id, or its rollout: the newest one), or of a recording's file.
    /// It is added to the policy, with its recording beside it in `recordings`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["filter", "format", "coverage", "coverage_min", "mutate"])]
    from_run: Option<String>,
    /// With --from-run: the recording, where it is not where the run has written it
    #[arg(long, value_name = "FILE", requires = "from_run")]
    recording: Option<PathBuf>,
    /// With --from-run: write the policy with the test to a new file, and leave the policy as it is
    #[arg(long, value_name = "FILE", requires = "from_run")]
    out: Option<PathBuf>,
    /// With --from-run: which rollout, when the file declares several
    #[arg(long, value_name = "NAME", requires = "from_run")]
    rollout: Option<String>,
    /// With --from-run and a recording's file: a param that the run had set
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment, requires = "from_run")]
    sets: Vec<(String, String)>,
    #[command(flatten)]
    store: StoreArg,
}

/// How results are reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Output {
    /// For people
    #[default]
    Human,
    /// For programs: schema `canary.test/1`
    Json,
    /// JUnit's XML, for CI servers
    Junit,
}

/// What came of one test.
pub(super) struct Done {
    pub(super) test: Test,
    pub(super) trace: Trace,
    pub(super) failures: Vec<Failure>,
    /// The recording that it names.
    pub(super) recording: Option<Arc<Read>>,
    /// Of a test of a recording that failed: what the recording could not know.
    pub(super) assumed: Vec<String>,
    /// How long it took, on a real clock.
    pub(super) took: Duration,
}

impl Done {
    pub(super) fn case(&self) -> Case<'_> {
        case(&self.test, self.recording.as_deref())
    }
}

fn case<'a>(test: &'a Test, read: Option<&'a Read>) -> Case<'a> {
    Case { test, recording: read.map(|r| &r.recording), then: read.and_then(|r| r.plan.as_ref()) }
}

/// One policy file with what came of its tests.
pub(super) struct Policy {
    pub(super) name: String,
    pub(super) file: File,
    pub(super) rollouts: Vec<crate::plan::Plan>,
    pub(super) done: Vec<Done>,
    /// Tests that cannot be run: each with what stands in the way.
    pub(super) refused: Vec<(Test, Vec<String>)>,
}

/// Runs the tests.
#[must_use]
pub fn main(args: &Args) -> Status {
    if let Some(run) = &args.from_run {
        return incident::write(args, run);
    }
    let begun = Instant::now();
    let Ok(paths) = policies(&args.paths) else { return Status::Wrong };
    let Ok(loaded) = load(&paths) else { return Status::Wrong };
    let mut errors: Vec<Diagnostic> = loaded.diagnostics.iter().filter(|d| d.is_error()).cloned().collect();
    let mut out = Vec::new();
    for (path, file) in paths.iter().zip(&loaded.files) {
        let broken = loaded.diagnostics.iter().any(|d| d.is_error() && d.span().file == file.span.file);
        let policy = |i: &Item| matches!(i, Item::Rollout(_) | Item::Test(_));
        if broken || !file.items.iter().any(policy) {
            continue;
        }
        let compiled = compile(std::slice::from_ref(file), &loaded.map);
        let wrong: Vec<Diagnostic> = compiled.diagnostics.iter().filter(|d| d.is_error()).cloned().collect();
        if wrong.is_empty() {
            out.push(run(path, file, compiled, args));
        }
        errors.extend(wrong);
    }
    if !errors.is_empty() {
        let err = &mut std::io::stderr();
        print_diagnostics(&errors, &loaded.map, super::Format::Human, err, std::io::stderr().is_terminal());
        return Status::Wrong;
    }
    if out.iter().all(|p| p.done.is_empty() && p.refused.is_empty()) {
        let none = "no test in these files: a test is `test \"what it shows\" for ROLLOUT { … }`";
        return match &args.filter {
            Some(f) => because(Status::Wrong, &format!("no test has `{f}` in its title")),
            // who asks how much is tested is not content with nothing
            None if args.coverage_min.is_some() || args.mutate => because(Status::Bad, none),
            None => because(Status::Success, none),
        };
    }
    report(args, &out, &loaded.map, begun)
}

fn run(path: &Path, file: &File, compiled: Compiled, args: &Args) -> Policy {
    let mut recordings = Recordings::default();
    let name = path.display().to_string();
    let mut out =
        Policy { name, file: file.clone(), rollouts: compiled.rollouts, done: Vec::new(), refused: Vec::new() };
    for test in compiled.tests {
        if args.filter.as_ref().is_some_and(|f| !test.title.contains(f.as_str())) {
            continue;
        }
        match one(test, path, &mut recordings) {
            Ok(done) => out.done.push(done),
            Err(refused) => out.refused.push(refused),
        }
    }
    out
}

/// Runs one test, or says what stands in the way.
fn one(mut test: Test, path: &Path, recordings: &mut Recordings) -> Result<Done, (Test, Vec<String>)> {
    let mut recording = None;
    if test.recording.is_some() {
        match recordings.of(&mut test, path) {
            Ok(there) => recording = Some(there),
            Err(why) => return Err((test, vec![why])),
        }
    }
    let lacking = test.plan.unbuilt.iter();
    let mut why: Vec<String> = lacking.map(|u| format!("E0490: `{}` is not built yet ({})", u.what, u.place)).collect();
    let begun = Instant::now();
    let case = case(&test, recording.as_deref());
    if why.is_empty() {
        why.extend(case.misfit());
    }
    if !why.is_empty() {
        return Err((test, why));
    }
    let trace = case.run(&test.plan);
    let failures = judge(&test, &test.plan, &trace);
    let assumed = if failures.is_empty() { Vec::new() } else { case.assumed(&test.plan) };
    Ok(Done { test, trace, failures, recording, assumed, took: begun.elapsed() })
}

fn report(args: &Args, policies: &[Policy], map: &SourceMap, begun: Instant) -> Status {
    let style = Style::for_terminal(std::io::stdout().is_terminal());
    let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0).clamp(60, 160));
    let failed = policies.iter().flat_map(|p| &p.done).filter(|d| !d.failures.is_empty()).count();
    let refused = policies.iter().map(|p| p.refused.len()).sum::<usize>();
    let covered = (args.coverage || args.coverage_min.is_some()).then(|| coverage::of(policies));
    // a mutant that fails a test which fails anyway says nothing
    let mutants = (args.mutate && failed == 0).then(|| mutants::of(policies, map));
    match args.format {
        Output::Human => {
            for p in policies {
                out!("{}", show::policy(p, map, style, width));
            }
            out!("{}", show::summary(policies, begun.elapsed(), style));
            if let Some(c) = &covered {
                out!("{}", coverage::text(c, style));
            }
            if let Some(m) = &mutants {
                out!("{}", mutants::text(m, style));
            }
        }
        Output::Json => {
            let mut whole = json!({
                "schema": "canary.test/1",
                "tests": policies.iter().flat_map(|p| show::json(p, map)).collect::<Vec<_>>(),
            });
            if let Some(w) = whole.as_object_mut() {
                w.extend(covered.as_ref().map(|c| (String::from("coverage"), coverage::json(c))));
                w.extend(mutants.as_ref().map(|m| (String::from("mutants"), mutants::json(m))));
            }
            outln!("{whole:#}");
        }
        Output::Junit => out!("{}", junit::junit(policies, map, begun.elapsed())),
    }
    if args.mutate && failed > 0 {
        let _ = because(Status::Bad, "no mutants were tried: a test fails as it is");
    }
    let low = args.coverage_min.zip(covered.as_ref()).is_some_and(|(min, c)| {
        let below: Vec<_> = c.iter().filter(|r| r.percent() < f64::from(min)).collect();
        for r in &below {
            let text = format!("{}: {:.0} % of its rules are exercised, {min} % are asked", r.rollout, r.percent());
            let _ = because(Status::Bad, &text);
        }
        !below.is_empty()
    });
    let survived = mutants.as_ref().is_some_and(|m| m.iter().any(|r| !r.survivors.is_empty()));
    match (failed, refused) {
        (0, 0) if !low && !survived => Status::Success,
        (0, 1..) => Status::Wrong,
        _ => Status::Bad,
    }
}
