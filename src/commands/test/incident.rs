//! `canary test --from-run`: an incident as a test of the policy, with its recording. Nothing is written unless the test passes.

use super::super::exit::{Status, because};
use super::super::load::{environment_files, load, plain};
use super::super::policy::Policy;
use super::super::runs::{at, find, open, pinned};
use super::super::sim::read;
use super::super::whole;
use super::recordings::Recordings;
use super::{Args, one};
use crate::backend::quoted;
use crate::check::tests::compile;
use crate::plan::Plan;
use crate::repl::session::Keep;
use crate::report::provenance::Provenance;
use crate::sim::incident::{self, Incident};
use crate::sim::recording::{Happened, Recording, decode_owned, decode_plan, encode, encode_with_plan};
use crate::sim::replay::outcome::Outcome;
use crate::sim::replay::{self, Scenario, change, misfit_watched};
use crate::store::{Run, Store};
use crate::syntax::ast::Item;
use std::path::{Path, PathBuf};

/// The folder beside a policy in which recordings of its tests are kept.
const FOLDER: &str = "recordings";

/// Writes the test.
pub(super) fn write(args: &Args, run: &str) -> Status {
    match made(args, run) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

fn wrong(message: &str) -> Status {
    because(Status::Wrong, message)
}

/// What a test is made of.
struct Source {
    recording: Recording,
    file: PathBuf,
    /// The environment that the run had, where that is known.
    environment: Option<String>,
    /// The params that the run had.
    params: Params,
    /// How the run ended.
    verdict: Option<String>,
}

/// What is known of params.
enum Params {
    /// All of them, with their values.
    All(Vec<(String, String)>),
    /// What was set.
    Set(Vec<(String, String)>),
}

fn made(args: &Args, run: &str) -> Result<(), Status> {
    let [policy] = args.paths.as_slice() else {
        return Err(wrong("--from-run: name one policy, to which the test is added"));
    };
    if policy.is_dir() {
        return Err(wrong(&format!("--from-run: {} is a folder: name the policy in it", policy.display())));
    }
    if let Some((name, value)) = args.sets.iter().find(|(name, _)| change::is_field(name)) {
        return Err(wrong(&format!(
            "--set {name}={value}: a test is of the policy as it stands: write the value into the policy; `canary sim --set` tries it"
        )));
    }
    let target = args.out.as_deref().unwrap_or(policy);
    if args.out.is_some() && target.exists() {
        return Err(wrong(&format!("{} is there already, and is left as it is: name another file", target.display())));
    }
    let source = source(args, run)?;
    let chosen = chosen(args, policy, &source)?;
    let scenario = Scenario { unchanged: Some(chosen.plan.clone()), ..Scenario::default() };
    if let Some(why) = misfit_watched(&chosen.plan, &source.recording, &scenario) {
        return Err(wrong(&format!("{}: {why}", source.file.display())));
    }
    let outcome = replay::replay(&chosen.plan, &source.recording, &scenario);
    same_end(&source, &outcome)?;
    let incident = Incident {
        plan: &chosen.plan,
        recording: &source.recording,
        scenario: &scenario,
        outcome: &outcome,
        file: "",
        environment: chosen.environment.as_deref(),
        with: &chosen.with,
        fields: &[],
    };
    let added = add(policy, target, &source, &chosen.plan, &incident).map_err(|e| wrong(&e))?;
    outln!("{added}");
    Ok(())
}

/// Adds the test to the policy, or to a copy of it; what was written, a line each. `then` is the plan that the run had.
fn add(policy: &Path, target: &Path, source: &Source, then: &Plan, incident: &Incident<'_>) -> Result<String, String> {
    let kept = kept(source, then, target, incident.outcome)?;
    let incident = Incident { file: &kept.named, ..*incident };
    let (title, block) = (incident::title(&incident), incident::write(&incident)?);
    let text = std::fs::read_to_string(policy);
    let text = text.map_err(|e| format!("cannot read {}: {}", policy.display(), plain(&e)))?;
    if let Some(line) = line_of(policy, &title)? {
        return Err(format!(
            "{}:{line}: test \"{title}\" is there already: `canary test {}` runs it",
            policy.display(),
            quoted(&policy.display().to_string())
        ));
    }
    let whole_text = format!("{}\n\n{block}", text.trim_end());
    keep(target, &whole_text, &title, &kept)?;
    let there = if kept.bytes.is_none() { ", which was there already" } else { "" };
    Ok(format!(
        "{}: test \"{title}\"\n{}: its recording{there}\nrun it: canary test {}",
        target.display(),
        kept.file.display(),
        quoted(&target.display().to_string())
    ))
}

/// Keeps what happens in a conversation as a test.
#[derive(Debug)]
pub(in super::super) struct Keeper {
    /// The policy's file.
    pub(in super::super) policy: PathBuf,
    /// The recording's.
    pub(in super::super) recording: PathBuf,
}

impl Keep for Keeper {
    fn keep(&self, what: &Incident<'_>, then: &Plan, target: &str) -> Result<String, String> {
        let target = Path::new(target);
        let same = || Some(target.canonicalize().ok()? == self.policy.canonicalize().ok()?);
        if target.exists() && same() != Some(true) {
            return Err(format!("{} is there already, and is left as it is: name another file", target.display()));
        }
        let source = Source {
            recording: what.recording.clone(),
            file: self.recording.clone(),
            environment: what.environment.map(str::to_owned),
            params: Params::Set(what.with.to_vec()),
            verdict: None,
        };
        add(&self.policy, target, &source, then, what)
    }
}

/// What cannot be read was said on standard error.
fn unread(file: &Path) -> String {
    format!("{} cannot be read", file.display())
}

/// The recording, and what the store knows of its run.
fn source(args: &Args, run: &str) -> Result<Source, Status> {
    let file = Path::new(run);
    if file.is_file() {
        if args.recording.is_some() {
            return Err(wrong(&format!("--from-run {run} is a recording itself: leave `--recording` out")));
        }
        let recording = read(file)?;
        whole_run(&recording, file)?;
        let params = Params::Set(args.sets.clone());
        return Ok(Source { recording, file: file.to_owned(), environment: None, params, verdict: None });
    }
    if let Some((name, value)) = args.sets.first() {
        return Err(wrong(&format!("--set {name}={value}: what run {run} had set is known: leave it out")));
    }
    let store = open(&args.store.store)?;
    let run = find(&store, Some(run))?;
    let Some(verdict) = run.verdict.clone() else {
        return Err(wrong(&format!(
            "run {} of {} is not over: a test is of how a run ended (`canary status{}` says where it is)",
            run.id,
            run.rollout,
            at(&store)
        )));
    };
    let (plan, _) = pinned(&store, &run)?;
    let file = match &args.recording {
        Some(file) => file.clone(),
        None => where_it_is(&store, &run)?,
    };
    let recording = read(&file)?;
    if recording.about.run.as_deref() != Some(run.id.as_str()) {
        let of = recording.about.run.as_ref().map_or_else(|| String::from("of no run"), |r| format!("of run {r}"));
        return Err(wrong(&format!("{} is a recording {of}, and not of run {}: name its own", file.display(), run.id)));
    }
    whole_run(&recording, &file)?;
    Ok(Source {
        recording,
        file,
        environment: Some(run.environment.clone()),
        params: Params::All(plan.params),
        verdict: Some(verdict),
    })
}

/// Refuses a run's recording that has not all of it.
fn whole_run(recording: &Recording, file: &Path) -> Result<(), Status> {
    let about = &recording.about;
    let Some(run) = &about.run else { return Ok(()) };
    let shown = file.display();
    if about.writer.ends_with("incomplete") {
        return Err(wrong(&format!(
            "{shown} is not complete: it ends before run {run} did, so that how that was decided cannot be replayed; `canary sim` \
             shows what there is"
        )));
    }
    if !recording.happened.iter().any(|h| matches!(h, Happened::Start { .. })) {
        return Err(wrong(&format!(
            "{shown} begins in the middle of run {run}, so that it cannot be replayed from its start; `canary sim` shows what there is"
        )));
    }
    Ok(())
}

/// Where a run has written its recording.
fn where_it_is(store: &Store, run: &Run) -> Result<PathBuf, Status> {
    let kept = store.documents(&run.id).ok();
    let provenance = kept.and_then(|d| serde_json::from_str::<Provenance>(&d.provenance_json).ok()).unwrap_or_default();
    let mut arguments = provenance.arguments.iter();
    let named = arguments.find_map(|a| match a.strip_prefix("--record=") {
        Some(file) => Some(Some(file.to_owned())),
        None => (a == "--record").then_some(None),
    });
    let named = match named {
        Some(None) => arguments.next().cloned(),
        Some(Some(file)) => Some(file),
        None => None,
    };
    let Some(named) = named.map(PathBuf::from) else {
        return Err(wrong(&format!(
            "run {} was begun without `--record`, and nothing of it can be replayed; where its sources keep a past, `canary record {} \
             --env {} --from … --to … -o rec.parquet` asks them, and `--from-run rec.parquet` makes a test of that. The next run is \
             recorded by `canary run … --record rec.parquet`",
            run.id,
            quoted(&run.policy_path),
            run.environment
        )));
    };
    if !named.is_file() {
        return Err(wrong(&format!(
            "the recording of run {} is not at {}, where the run has written it: `--recording FILE` says where it is now",
            run.id,
            named.display()
        )));
    }
    Ok(named)
}

/// The plan to replay.
struct Chosen {
    plan: Plan,
    /// Named in the test, where the plan is not that of any environment.
    environment: Option<String>,
    with: Vec<(String, String)>,
}

/// The policy's plan as it was recorded: with its params, in its environment.
fn chosen(args: &Args, file: &Path, source: &Source) -> Result<Chosen, Status> {
    let about = &source.recording.about;
    let alone = Policy::read(file, None, args.rollout.as_deref())?;
    let rollout = args.rollout.clone().or_else(|| alone.rollouts().into_iter().find(|r| *r == about.rollout));
    if rollout.is_none() && about.run.is_some() {
        let (is, file, known) = (&about.rollout, file.display(), alone.rollouts().join(", "));
        return Err(wrong(&format!(
            "the recording is of the rollout `{is}`, and {file} has {known}: name that rollout's policy"
        )));
    }
    let alone = Policy::read(file, None, rollout.as_deref())?;
    // what is wrong with the policy is said here
    let plain = alone.plan(&[])?;
    let with: Vec<(String, String)> = match &source.params {
        Params::Set(sets) => sets.clone(),
        Params::All(all) => all.iter().filter(|p| !plain.params.contains(p)).cloned().collect(),
    };
    let plan = if with.is_empty() { plain } else { alone.changed(&with).map_err(|e| another(source, &e))? };
    if about.policy.is_empty() || plan.hash == about.policy {
        return Ok(Chosen { plan, environment: None, with });
    }
    let mut names: Vec<String> = source.environment.iter().cloned().collect();
    if names.is_empty() {
        names = environment_files(file);
        names.extend(alone.environments());
        names.push(String::from("lab"));
    }
    for name in names {
        let there = Policy::read(file, Some(&name), rollout.as_deref());
        if let Some(plan) = there.ok().and_then(|p| p.changed(&with).ok()).filter(|p| p.hash == about.policy) {
            return Ok(Chosen { plan, environment: Some(name), with });
        }
    }
    if about.run.is_none() {
        // what sources were asked is theirs to say, whoever asked
        return Ok(Chosen { plan, environment: None, with });
    }
    Err(another(source, "it compiles to another plan"))
}

/// The policy is not the one that was recorded.
fn another(source: &Source, why: &str) -> Status {
    let about = &source.recording.about;
    let run = about.run.as_deref().unwrap_or("?");
    let hash: String = about.policy.chars().take(8).collect();
    let params = match source.params {
        Params::All(_) => "",
        Params::Set(_) => " (params that the run had set are set by `--set NAME=VALUE`)",
    };
    wrong(&format!(
        "the policy is not the one that run {run} had (plan {hash}…): {why}{params}. A test of the run is made of the policy as it was: \
         take that from version control, make the test, then change the policy; `canary sim` shows what this one would have done"
    ))
}

/// The replay must come to what the run came to.
fn same_end(source: &Source, outcome: &Outcome) -> Result<(), Status> {
    let plainly = |v: &str| v.replace('_', " ");
    let (Some(then), run) = (&source.verdict, source.recording.about.run.as_deref().unwrap_or("?")) else {
        return Ok(());
    };
    let now = outcome.verdict.map_or_else(|| String::from("nothing"), |v| plainly(v.text()));
    if plainly(then) == now {
        return Ok(());
    }
    Err(wrong(&format!(
        "run {run} was {}, and its recording comes to {now}: what ended it is not recorded (another process did), so that no test of it \
         would be true",
        plainly(then)
    )))
}

/// Where the recording is kept.
struct Kept {
    file: PathBuf,
    /// As the test names it.
    named: String,
    /// What is to be written there; nothing where it is there already.
    bytes: Option<Vec<u8>>,
}

/// A recording that lies beside the policy, or below it, with the plan that its run had, stays where it is. Of any other one there is a
/// copy.
fn kept(source: &Source, plan: &Plan, target: &Path, outcome: &Outcome) -> Result<Kept, String> {
    let folder = target.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let real = folder.canonicalize();
    let real = real.map_err(|e| format!("{} cannot be written: {}", target.display(), plain(&e)))?;
    let unreadable = |e| format!("cannot read {}: {}", source.file.display(), plain(&e));
    let own = source.file.canonicalize().map_err(unreadable)?;
    let about = &source.recording.about;
    let needs_plan = about.run.is_some() && decode_plan(&std::fs::read(&own).map_err(unreadable)?).is_none();
    if let Some(inside) = own.strip_prefix(&real).ok().and_then(Path::to_str).filter(|_| !needs_plan) {
        return Ok(Kept { file: source.file.clone(), named: inside.to_owned(), bytes: None });
    }
    let name = about.run.clone().unwrap_or_else(|| format!("{}-{}", outcome.rollout, outcome.start / 1000));
    let named = format!("{FOLDER}/{name}.parquet");
    let file = if folder == Path::new(".") { PathBuf::from(&named) } else { folder.join(&named) };
    let made = if about.run.is_some() { encode_with_plan(&source.recording, plan) } else { encode(&source.recording) };
    let bytes = made.map_err(|e| e.to_string())?;
    if !file.exists() {
        return Ok(Kept { file, named, bytes: Some(bytes) });
    }
    let there = std::fs::read(&file).ok().and_then(|b| Some((decode_plan(&b), decode_owned(b, &named).ok()?)));
    if there.is_some_and(|(then, r)| r == source.recording && (then.is_some() || about.run.is_none())) {
        return Ok(Kept { file, named, bytes: None });
    }
    Err(format!(
        "{} is another recording, and is left as it is: move it away, or keep the recording inside of {}",
        file.display(),
        folder.display()
    ))
}

/// The line at which a policy has a test of that title.
fn line_of(policy: &Path, title: &str) -> Result<Option<usize>, String> {
    let loaded = load(&[policy.to_owned()]).map_err(|_| unread(policy))?;
    let items = loaded.files.iter().flat_map(|f| &f.items);
    let mut found = items.filter_map(|i| match i {
        Item::Test(t) if t.title.node == title => Some(t.title.span),
        _ => None,
    });
    Ok(found.next().map(|span| loaded.map.get(span.file).map_or(0, |f| f.line_col(span.start).0)))
}

/// Puts the recording and the policy in their places, once the test has passed as it will be run there.
fn keep(target: &Path, text: &str, title: &str, kept: &Kept) -> Result<(), String> {
    let name = target.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let tried = target.with_file_name(format!(".{name}.tried.canary"));
    let cannot = |file: &Path, e: &std::io::Error| format!("{} cannot be written: {}", file.display(), plain(e));
    let mut made: Vec<PathBuf> = Vec::new();
    let mut all = || -> Result<(), String> {
        if let Some(bytes) = &kept.bytes {
            let folder = kept.file.parent().unwrap_or_else(|| Path::new("."));
            std::fs::create_dir_all(folder).map_err(|e| cannot(folder, &e))?;
            whole::replace(&kept.file, bytes, &whole::part_of(&kept.file)).map_err(|e| cannot(&kept.file, &e))?;
            made.push(kept.file.clone());
        }
        made.push(tried.clone());
        std::fs::write(&tried, text).map_err(|e| cannot(&tried, &e))?;
        passes(&tried, title)?;
        whole::write(target, text).map_err(|e| cannot(target, &e))
    };
    let done = all();
    if done.is_ok() {
        made.retain(|f| *f == tried);
    }
    for file in made {
        let _ = std::fs::remove_file(file);
    }
    done
}

/// Whether a policy's test of that title passes.
fn passes(policy: &Path, title: &str) -> Result<(), String> {
    let loaded = load(&[policy.to_owned()]).map_err(|_| unread(policy))?;
    let compiled = compile(&loaded.files, &loaded.map);
    let errors: Vec<_> = loaded.diagnostics.iter().chain(&compiled.diagnostics).filter(|d| d.is_error()).collect();
    if let Some(first) = errors.first() {
        let text = format!("the policy with its test would not be valid, and nothing was written: {}", first.message);
        return Err(text);
    }
    let Some(test) = compiled.tests.into_iter().rev().find(|t| t.title == title) else {
        return Err(String::from("the test cannot be read back, and nothing was written"));
    };
    match one(test, policy, &mut Recordings::default()) {
        Err(refused) => Err(format!("the test cannot be run, and nothing was written: {}", refused.1.join("; "))),
        Ok(done) => match done.failures.first() {
            Some(f) => Err(format!("the test would not pass, and nothing was written: {}", f.cause)),
            None => Ok(()),
        },
    }
}
