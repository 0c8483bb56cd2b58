//! `canary run`: executes a rollout, or goes on with one that was stopped.

use super::connect::connect;
use super::exit::{Status, because};
use super::load::{Compiled, Target, compile};
use super::{Format, lab, switches};
use crate::engine::{State, Verdict};
use crate::lab::{Fault, Lab};
use crate::plan::{Arg, Bindings, Plan, PortId, Time};
use crate::report::document::{Provenance, Source, report};
use crate::report::lines::{JsonLines, Lines};
use crate::report::live::Live;
use crate::report::style::Style;
use crate::runtime::executor::Beginning;
use crate::runtime::fetch::with_help;
use crate::runtime::journal::Journal;
use crate::runtime::{Executor, Observer, Outcome, clock::now, preflight};
use crate::store::{Documents, Holder, LeaseGuard, NewRun, Run, Store, StoreError, host, user};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// How long the answers of each check, and notices that nothing more comes of, are kept: 30 days, in milliseconds.
const OBSERVATIONS_KEPT: i64 = 30 * 24 * 3_600_000;

/// Arguments of `canary run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    target: Target,
    /// Read everything, show what would happen, change nothing
    #[arg(long)]
    dry_run: bool,
    /// Write a JSON report (`canary.report/1`) when the run ends
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Go on with the rollout's unfinished run, with the plan that it began with
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
    /// How to report: one line an event on a pipe, a live view on a terminal, one JSON object an event
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// On the lab: faults to inject into the canary, such as `slow=400ms at 50%`, `errors=20% after 10s`, `crash at 50%`; where
    /// only flags are set, into the requests that meet them: `errors=5% at on`
    #[arg(long, value_name = "FAULT")]
    fault: Option<String>,
}

/// Executes.
#[must_use]
pub fn main(args: &Args) -> Status {
    match prepare_and_run(args) {
        Ok(status) | Err(status) => status,
    }
}

fn prepare_and_run(args: &Args) -> Result<Status, Status> {
    let compiled = compile(&args.target, args.format)?;
    args.report.as_deref().map_or(Ok(()), check_report)?;
    let on_lab = lab::is_needed(&compiled.bindings);
    if args.fault.is_some() && !on_lab {
        let why = "`--fault` injects into the lab: it goes with `--env lab`, or with an environment that binds its source to `lab()`";
        return Err(because(Status::Wrong, why));
    }
    let faults = match args.fault.as_deref().map(Fault::parse).transpose() {
        Ok(f) => f.unwrap_or_default(),
        Err(e) => return Err(because(Status::Wrong, &format!("--fault: {}", with_help(&e)))),
    };
    let runtime = super::runs::tokio()
        .map_err(|e| because(Status::Unfinished, &format!("cannot start the async runtime: {e}")))?;
    let done = runtime.block_on(async {
        let lab = if on_lab { Some(start_lab(&compiled, faults).await?) } else { None };
        let result = if args.dry_run {
            dry_run(&compiled, lab.as_ref()).await
        } else {
            real_run(args, &compiled, lab.as_ref()).await
        };
        if let Some(lab) = lab {
            lab.stop().await;
        }
        lab::clean_up();
        result
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done
}

async fn start_lab(compiled: &Compiled, faults: Vec<Fault>) -> Result<Lab, Status> {
    let lab = lab::start_for(&compiled.plan, faults).await;
    lab.map_err(|e| because(Status::Refused, &format!("the lab does not start: {e}")))
}

/// Says all reasons and that nothing was changed.
fn refused(reasons: &[String]) -> Status {
    eprintln!("canary: refused, nothing was changed:");
    for r in reasons {
        eprintln!("  - {r}");
    }
    Status::Refused
}

async fn dry_run(compiled: &Compiled, lab: Option<&Lab>) -> Result<Status, Status> {
    let (plan, bindings) = (&compiled.plan, &compiled.bindings);
    // told beside whatever else stands in the way
    let latched = latched_already(plan, bindings)?;
    let all = |reasons: Vec<String>| refused(&latched.iter().cloned().chain(reasons).collect::<Vec<_>>());
    let backends = connect(plan, bindings, lab).map_err(all)?;
    let style = Style::for_terminal(std::io::stdout().is_terminal());
    let mut observer = Lines::new(std::io::stderr(), Style::PLAIN);
    let (_stop, mut never) = watch::channel(false);
    let ready = preflight::read(plan, &backends, &mut observer, &mut never, true).await.map_err(all)?;
    let Some(mut ready) = ready else { return Ok(Status::Unfinished) };
    ready.refused.extend(latched.iter().cloned());
    outln!("{} dry run of {} on {}: nothing is changed", style.bold("canary"), plan.rollout, bindings.environment);
    outln!("\nwhat is set now");
    for (name, setting) in plan.shown(&ready.originals) {
        outln!("  {name} = {setting}");
    }
    outln!("\nwhat would be set");
    let mut set = ready.originals.clone();
    for phase in &plan.phases {
        let mut changes = Vec::new();
        for (port, to) in &phase.settings {
            if let Some((_, now)) = set.iter_mut().find(|(p, _)| p == port) {
                changes.push((*port, (*now, *to)));
                *now = *to;
            }
        }
        let changes: Vec<String> =
            plan.shown(&changes).into_iter().map(|(name, (now, to))| format!("{name} {now} → {to}")).collect();
        outln!("  phase {}: {}", phase.name, if changes.is_empty() { "nothing".into() } else { changes.join(", ") });
    }
    outln!("\nwhat is read now");
    for line in super::query::inputs(plan, &ready) {
        outln!("  {line}");
    }
    for w in &ready.warnings {
        outln!("\nwarning: {w}");
    }
    if ready.refused.is_empty() {
        outln!("\nit would start");
        Ok(Status::Success)
    } else {
        outln!("\nit would be refused:");
        for r in &ready.refused {
            outln!("  - {r}");
        }
        Ok(Status::Refused)
    }
}

/// As [`switches::latched`], of a store that may not be there yet.
fn latched_already(plan: &Plan, bindings: &Bindings) -> Result<Vec<String>, Status> {
    match Store::open_readonly(&store_path(bindings)) {
        Ok(store) => switches::latched(&store, plan, &bindings.environment),
        Err(StoreError::NoRuns { .. }) => Ok(Vec::new()),
        Err(e) => Ok(vec![e.to_string()]),
    }
}

/// Where the environment says that runs are kept.
pub fn store_path(bindings: &Bindings) -> PathBuf {
    let bound = bindings.store.as_ref().and_then(|b| match b.arg("path") {
        Some(Arg::Text(t)) => Some(PathBuf::from(t)),
        Some(Arg::Env(e)) => std::env::var_os(e).map(PathBuf::from),
        _ => None,
    });
    bound
        .or_else(|| std::env::var_os("CANARY_STORE").map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from(super::runs::DEFAULT_STORE))
}

/// The rollout and its ports, as leases.
pub fn lease_names(plan: &Plan, environment: &str) -> Vec<String> {
    let mut names = vec![format!("rollout/{}", plan.rollout)];
    // sorted behind the rollout: who finds both held is told of the rollout
    // what only a kill switch sets is nobody's: rollouts that share a switch run side by side, and to take away twice is to take away
    let raised = plan.ports.iter().enumerate().filter(|(i, _)| plan.is_set_by_a_phase(PortId::at(*i)));
    names.extend(raised.map(|(_, p)| format!("setting/{environment}/{}", p.name)));
    names
}

/// Takes the rollout and its ports for this process.
pub fn lease(store: &Store, plan: &Plan, environment: &str) -> Result<LeaseGuard, Status> {
    store
        .lease(&lease_names(plan, environment), &Holder::this_process(now()))
        .map_err(|e| because(Status::Refused, &format!("{e} (see `canary status{}`)", super::runs::at(store))))
}

async fn real_run(args: &Args, compiled: &Compiled, lab: Option<&Lab>) -> Result<Status, Status> {
    let path = store_path(&compiled.bindings);
    let store = Store::open(&path).map_err(|e| because(Status::Refused, &e.to_string()))?;
    let store = Arc::new(store);
    let lease = lease(&store, &compiled.plan, &compiled.bindings.environment)?;
    let unfinished =
        store.unfinished_run(&compiled.plan.rollout).map_err(|e| because(Status::Refused, &e.to_string()))?;
    let stop = stop_on_signals();
    let observer = observer(args.format, &compiled.bindings.environment);
    let run = match (unfinished, args.resume) {
        (Some(run), false) => {
            let message = format!(
                "run {} of {} is not finished: `{}` goes on with it, `canary abort {}{}` takes it back",
                run.id,
                run.rollout,
                super::runs::to_resume(&store, &run),
                run.rollout,
                super::runs::at(&store)
            );
            return Err(because(Status::Refused, &message));
        }
        (None, true) => {
            // the run may have ended while its last notices were still to be delivered
            if let Ok(Some(last)) = store.latest_run(&compiled.plan.rollout) {
                let (plan, bindings) = (compiled.plan.clone(), &compiled.bindings);
                if last.environment == bindings.environment {
                    super::left::deliver(&store, &last, lease, plan, bindings).await;
                }
            }
            let (rollout, at) = (&compiled.plan.rollout, super::runs::at(&store));
            let message = format!("{rollout} has no unfinished run to resume (see `canary history{at}`)");
            return Err(because(Status::Refused, &message));
        }
        (Some(run), true) => {
            check_pinned(&store, &run, compiled)?;
            run
        }
        (None, false) => return fresh_run(args, compiled, &store, lease, lab, stop, observer, None).await,
    };
    let Some(state) = kept_state(&store, &run)? else {
        return fresh_run(args, compiled, &store, lease, lab, stop, observer, Some(run)).await;
    };
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, lab).map_err(|r| refused(&r))?;
    if compiled.bindings.environment == "lab" {
        restore_lab(&state, &backends).await;
    }
    let beginning = Beginning::Recovered(Box::new(state));
    resume_with(&store, &run, lease, plan, backends, beginning, stop, observer, Some(args)).await
}

/// The lab that the run was on has gone with its process: the new one is set to what was last verified.
async fn restore_lab(state: &State, backends: &crate::runtime::Backends) {
    if state.target.verified.is_none() {
        return;
    }
    for (port, setting) in &state.target.settings {
        if let Some(b) = backends.port(*port) {
            let _ = b.set(*setting).await;
        }
    }
}

/// A run goes on with the plan and bindings that it began with, or not at all.
fn check_pinned(store: &Store, run: &Run, compiled: &Compiled) -> Result<(), Status> {
    let short = |h: &str| h.chars().take(12).collect::<String>();
    let mut changed = Vec::new();
    if run.plan_hash != compiled.plan.hash {
        changed.push(format!("the plan ({} then, {} now)", short(&run.plan_hash), short(&compiled.plan.hash)));
    }
    if run.bindings_hash != compiled.bindings.hash {
        let (then, now) = (short(&run.bindings_hash), short(&compiled.bindings.hash));
        changed.push(format!("the environment's bindings ({then} then, {now} now)"));
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(because(
        Status::Refused,
        &format!(
            "run {} began with another policy: {} changed. With the files of then it goes on by `{}`; \
             `canary abort {}{}` takes it back",
            run.id,
            changed.join(" and "),
            super::runs::to_resume(store, run),
            run.rollout,
            super::runs::at(store)
        ),
    ))
}

/// The state that a run was left in. None: its runner stopped before it had journalled the start, and as exposure is raised only
/// by what is in the journal, nothing was changed.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn kept_state(store: &Store, run: &Run) -> Result<Option<State>, Status> {
    let kept = store.state(&run.id).map_err(|e| because(Status::Refused, &e.to_string()))?;
    let Some((_, value)) = kept else { return Ok(None) };
    serde_json::from_value(value).map(Some).map_err(|e| {
        because(Status::Refused, &format!("the state of run {} was written by another version: {e}", run.id))
    })
}

/// Starts from the beginning: a new run, or one that has `begun` in the store and nowhere else.
#[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
async fn fresh_run(
    args: &Args,
    compiled: &Compiled,
    store: &Arc<Store>,
    lease: LeaseGuard,
    lab: Option<&Lab>,
    mut stop: watch::Receiver<bool>,
    mut observer: Box<dyn Observer>,
    begun: Option<Run>,
) -> Result<Status, Status> {
    let latched = switches::latched(store, &compiled.plan, &compiled.bindings.environment)?;
    if !latched.is_empty() {
        return Err(refused(&latched));
    }
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, lab).map_err(|r| refused(&r))?;
    let ready =
        preflight::read(&plan, &backends, observer.as_mut(), &mut stop, false).await.map_err(|r| refused(&r))?;
    let Some(ready) = ready else {
        return Err(because(Status::Refused, "stopped before anything was changed"));
    };
    if *stop.borrow() {
        return Err(because(Status::Refused, "stopped before anything was changed"));
    }
    // a baseline takes its time
    let latched = switches::latched(store, &compiled.plan, &compiled.bindings.environment)?;
    if !latched.is_empty() {
        return Err(refused(&latched));
    }
    for w in &ready.warnings {
        observer.remark(now(), &format!("warning: {w}"));
    }
    // events are kept for ever, what was answered at each check is not; a store that cannot do it now does it next time
    let _ = store.prune_observations(now() - OBSERVATIONS_KEPT);
    let _ = store.prune_notices(now() - OBSERVATIONS_KEPT);
    let run = match begun {
        Some(run) => run,
        None => create_run(args, compiled, store, ready.at)?,
    };
    let beginning =
        Beginning::Start { at: ready.at, originals: ready.originals, answers: ready.answers, baseline: ready.baseline };
    resume_with(store, &run, lease, plan, backends, beginning, stop, observer, Some(args)).await
}

fn create_run(args: &Args, compiled: &Compiled, store: &Store, started: Time) -> Result<Run, Status> {
    store
        .create_run(&new_run(
            &compiled.plan,
            &compiled.bindings,
            &args.target.file,
            &compiled.files,
            args.target.to_repeat(),
            started,
        ))
        .and_then(|id| store.run(&id))
        .map_err(|e| because(Status::Refused, &format!("nothing was changed: {e}")))
}

/// What the store is to know of a run that this process starts.
pub fn new_run(
    plan: &Plan,
    bindings: &Bindings,
    policy: &Path,
    files: &[PathBuf],
    arguments: Vec<String>,
    started: Time,
) -> NewRun {
    let provenance = Provenance {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        user: user(),
        host: host(),
        pid: std::process::id(),
        files: files.iter().map(|f| f.display().to_string()).collect(),
        arguments,
    };
    NewRun {
        rollout: plan.rollout.clone(),
        title: plan.title.clone(),
        environment: bindings.environment.clone(),
        policy_path: policy.display().to_string(),
        plan_hash: plan.hash.clone(),
        bindings_hash: bindings.hash.clone(),
        documents: Documents {
            plan_json: serde_json::to_string(plan).unwrap_or_default(),
            bindings_json: serde_json::to_string(bindings).unwrap_or_default(),
            provenance_json: serde_json::to_string(&provenance).unwrap_or_default(),
        },
        started,
    }
}

/// Drives a run to its end or to a stop, and reports.
#[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
pub async fn resume_with(
    store: &Arc<Store>,
    run: &Run,
    lease: LeaseGuard,
    plan: Arc<Plan>,
    backends: crate::runtime::Backends,
    beginning: Beginning,
    stop: watch::Receiver<bool>,
    observer: Box<dyn Observer>,
    args: Option<&Args>,
) -> Result<Status, Status> {
    let by_hand = backends.clone();
    let journal = Journal::new(Arc::clone(store), run.id.clone(), lease, plan.check_every);
    let executor = Executor::new(Arc::clone(&plan), backends, journal, observer);
    let (outcome, state) = executor.run(beginning, stop).await;
    if let Some(file) = args.and_then(|a| a.report.as_ref()) {
        // said on standard error; the exit status is about the run, not about what became of its report
        let _ = write_report(store, run, &plan, file);
    }
    Ok(match outcome {
        Outcome::Finished(Verdict::Promoted) => Status::Success,
        Outcome::Finished(Verdict::RolledBack) => Status::Bad,
        Outcome::Finished(Verdict::Aborted | Verdict::Killed) => Status::Person,
        Outcome::Finished(Verdict::Refused) => Status::Refused,
        Outcome::Taken(why) => {
            eprintln!("canary: run {} is no longer this runner's, which does nothing any more: {why}", run.id);
            say_by_hand(&state, &by_hand);
            Status::Unfinished
        }
        Outcome::Stopped => {
            let env = &run.environment;
            eprintln!("\ncanary: stopped; the state of run {} is kept", run.id);
            eprintln!("  go on     {}", super::runs::to_resume(store, run));
            eprintln!("  take back canary abort {}{}", run.rollout, super::runs::at(store));
            // the lab has gone with its process: there is nothing to set
            if env != "lab" {
                say_by_hand(&state, &by_hand);
            }
            Status::Unfinished
        }
    })
}

/// What a person would type to take everything back.
fn say_by_hand(state: &State, backends: &crate::runtime::Backends) {
    if !state.target.settings.iter().any(|(_, s)| s.exposes()) {
        return;
    }
    eprintln!("  by hand:");
    for (port, original) in &state.originals {
        if let Some(b) = backends.port(*port) {
            eprintln!("    {}", b.by_hand(*original));
        }
    }
}

/// The name under which a report is written before it is whole.
fn part_of(report: &Path) -> PathBuf {
    let mut part = report.as_os_str().to_owned();
    part.push(".part");
    PathBuf::from(part)
}

/// Whether a report could be written: a run may take hours, and its report is made at its end.
fn check_report(file: &Path) -> Result<(), Status> {
    let part = part_of(file);
    let failed = |why: &str| {
        because(Status::Wrong, &format!("nothing was changed: no report can be written to {}: {why}", file.display()))
    };
    if file.is_dir() {
        return Err(failed("it is a folder"));
    }
    let was_there = part.exists();
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(&part);
    opened.map_err(|e| failed(&e.to_string()))?;
    if !was_there {
        let _ = std::fs::remove_file(&part);
    }
    Ok(())
}

fn write_report(store: &Store, run: &Run, plan: &Plan, file: &Path) -> Result<(), Status> {
    let failed = |e: &dyn std::fmt::Display| {
        because(
            Status::Unfinished,
            &format!("the run is over, but its report cannot be written to {}: {e}", file.display()),
        )
    };
    let run = store.run(&run.id).map_err(|e| failed(&e))?;
    let events = super::runs::events(store, &run)?;
    let chain = store.verify(&run.id).map_err(|e| failed(&e))?.hash;
    let documents = store.documents(&run.id).map_err(|e| failed(&e))?;
    let document = report(&Source {
        plan,
        bindings_hash: &run.bindings_hash,
        environment: &run.environment,
        run: run.id.as_str(),
        started: run.started,
        ended: run.finished,
        verdict: run.verdict.as_deref(),
        provenance: serde_json::from_str(&documents.provenance_json).unwrap_or_default(),
        events: &events,
        chain: &chain,
    });
    let text = serde_json::to_string_pretty(&document).unwrap_or_default() + "\n";
    // a reader never finds half a report
    let part = part_of(file);
    std::fs::write(&part, text).and_then(|()| std::fs::rename(&part, file)).map_err(|e| failed(&e))
}

/// The view for where standard output goes.
pub fn observer(format: Format, environment: &str) -> Box<dyn Observer> {
    let out = std::io::stdout();
    let style = Style::for_terminal(out.is_terminal());
    match format {
        Format::Json => Box::new(JsonLines::new(out)),
        Format::Human if out.is_terminal() && std::env::var_os("TERM").is_none_or(|t| t != "dumb") => {
            Box::new(Live::new(out, style, environment))
        }
        Format::Human => Box::new(Lines::new(out, style)),
    }
}

/// Becomes true on the first Ctrl-C, SIGTERM or SIGHUP; the second one ends the process at once.
pub fn stop_on_signals() -> watch::Receiver<bool> {
    use tokio::signal::unix::{SignalKind, signal};
    let (tell, stop) = watch::channel(false);
    let kinds = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
    for mut s in kinds.into_iter().filter_map(|k| signal(k).ok()) {
        let tell = tell.clone();
        tokio::spawn(async move {
            while s.recv().await.is_some() {
                if *tell.borrow() {
                    eprintln!("canary: ended at once; the state that was journalled last is kept");
                    std::process::exit(i32::from(Status::Unfinished.code()));
                }
                let _ = tell.send(true);
            }
        });
    }
    stop
}
