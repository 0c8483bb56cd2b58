//! `canary run`: executes a rollout, or goes on with one that was stopped.

use super::connect::connect;
use super::exit::{Refusal, Status, because};
use super::load::{Compiled, Target, compile};
use super::{Format, dry_run, lab, provenance, report, run_record, run_slices, switches};
use crate::engine::{State, Verdict};
use crate::lab::{Fault, Lab};
use crate::plan::{Arg, Bindings, Plan, PortId, Time};
use crate::report::lines::{JsonLines, Lines};
use crate::report::live::Live;
use crate::report::provenance::{Provenance, Window};
use crate::report::style::Style;
use crate::runtime::executor::Beginning;
use crate::runtime::fetch::with_help;
use crate::runtime::journal::Journal;
use crate::runtime::preflight::Ready;
use crate::runtime::recorder::Recorder;
use crate::runtime::{Executor, Observer, Outcome, clock::now, preflight};
use crate::store::{Documents, Holder, LeaseGuard, NewRun, Run, RunFilter, Store};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::watch;

/// How long the answers of each check, and notices that nothing more comes of, are kept: 30 days, in milliseconds.
pub(super) const OBSERVATIONS_KEPT: i64 = 30 * 24 * 3_600_000;

/// What `canary run --help` says of exit statuses.
const STATUSES: &str = "Exit status:
  0  promoted (with --dry-run: it would start)
  1  rolled back
  2  wrong usage, or an invalid policy or environment; nothing was changed
  3  refused before anything was changed (with --dry-run: it would be refused)
  4  aborted or killed by a person
  5  not finished: stopped, the state is kept for --resume";

/// Arguments of `canary run`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUSES)]
pub struct Args {
    #[command(flatten)]
    pub(super) target: Target,
    /// Read everything, show what would happen, change nothing
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Write a JSON report (`canary.report/1`) when the run ends, is stopped, or is refused; `-` is standard output, and the
    /// lines for people then go to standard error
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(super) report: Option<PathBuf>,
    /// Go on with the rollout's unfinished run, with the plan that it began with
    #[arg(long, conflicts_with = "dry_run")]
    resume: bool,
    /// How to report: one line an event on a pipe, a live view on a terminal, one JSON object an event
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// On the lab: faults to inject into the canary, such as `slow=400ms at 50%`, `errors=20% after 10s`, `crash at 50%`; where
    /// only flags are set, into the requests that meet them: `errors=5% at on`
    #[arg(long, value_name = "FAULT")]
    pub(super) fault: Option<String>,
    /// Record everything that the run goes by (answers, read-backs, what people said), to replay it: a Parquet file, written when
    /// the run ends or is stopped
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    record: Option<PathBuf>,
}

impl Args {
    /// Where the run is to be recorded.
    pub(super) fn recorded(&self) -> Option<run_record::Target> {
        self.record.as_deref().map(run_record::Target::of)
    }
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
    compiled.executable(args.format)?;
    run_slices::refuse(args, &compiled)?;
    args.report.as_deref().map_or(Ok(()), |file| check_report(args, file))?;
    args.recorded().map_or(Ok(()), |r| r.check())?;
    if args.record.is_some() && args.record == args.report {
        return Err(because(Status::Wrong, "`--record` and `--report` name the same file: give each its own"));
    }
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
    let status = runtime.block_on(async {
        if args.dry_run && !compiled.plan.slices.is_empty() {
            return said(run_slices::dry(&compiled, args.format).await);
        }
        if args.dry_run {
            let shown = async |lab: Option<&Lab>| dry_run::show(&compiled, lab, args.format).await;
            return said(on_the_lab(on_lab, &compiled, faults, shown).await);
        }
        // before anything is changed: nothing of it ever stands in front of a rollback
        let (begun, provenance) = (now(), provenance::collect(&compiled).await);
        let work = async |lab: Option<&Lab>| real_run(args, &compiled, &provenance, lab).await;
        let done = on_the_lab(on_lab, &compiled, faults, work).await;
        if let (Err(refusal), Some(file)) = (&done, &args.report) {
            let document = report::of_refusal(&compiled, provenance, (begun, now()), &refusal.reasons);
            if let Err(e) = report::write(&document, file) {
                eprintln!("canary: the report of this refusal cannot be written to {}: {e}", file.display());
            }
        }
        said(done)
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(status)
}

fn said(done: Result<Status, Refusal>) -> Status {
    done.unwrap_or_else(|refusal| refusal.say())
}

/// Does something with a lab of its own, if the environment is the lab.
async fn on_the_lab(
    on_lab: bool,
    compiled: &Compiled,
    faults: Vec<Fault>,
    work: impl AsyncFnOnce(Option<&Lab>) -> Result<Status, Refusal>,
) -> Result<Status, Refusal> {
    if !on_lab {
        return work(None).await;
    }
    let lab = lab::start_for(&compiled.plan, faults).await;
    let lab = lab.map_err(|e| Refusal::one(format!("the lab does not start: {e}")))?;
    let done = work(Some(&lab)).await;
    lab.stop().await;
    lab::clean_up();
    done
}

/// Whether the report could be written where it is to go.
fn check_report(args: &Args, file: &Path) -> Result<(), Status> {
    if report::is_out(file) && args.format == Format::Json {
        let why = "`--report -` and `--format json` both want standard output: give the report a file";
        return Err(because(Status::Wrong, why));
    }
    report::check(file)
}

/// A rollout whose kill switch is latched does not start.
pub(super) fn not_latched(store: &Store, compiled: &Compiled) -> Result<(), Refusal> {
    let latched = switches::latched(store, &compiled.plan, &compiled.bindings.environment);
    let latched = latched.map_err(|e| Refusal::one(e.to_string()))?;
    if latched.is_empty() { Ok(()) } else { Err(Refusal::all(latched)) }
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
///
/// # Errors
/// Who holds them.
pub fn lease(store: &Store, plan: &Plan, environment: &str) -> Result<LeaseGuard, Refusal> {
    store
        .lease(&lease_names(plan, environment), &Holder::this_process(now()))
        .map_err(|e| Refusal::one(format!("{e} (see `canary status{}`)", super::runs::at(store))))
}

async fn real_run(
    args: &Args,
    compiled: &Compiled,
    provenance: &Provenance,
    lab: Option<&Lab>,
) -> Result<Status, Refusal> {
    let path = store_path(&compiled.bindings);
    let store = Arc::new(Store::open(&path).map_err(|e| Refusal::one(e.to_string()))?);
    let lease = lease(&store, &compiled.plan, &compiled.bindings.environment)?;
    let unfinished = store.unfinished_run(&compiled.plan.rollout).map_err(|e| Refusal::one(e.to_string()))?;
    let stop = stop_on_signals();
    let aside = args.report.as_deref().is_some_and(report::is_out);
    let sliced = !compiled.plan.slices.is_empty();
    let observer = observer(args.format, &compiled.bindings.environment, aside);
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
            return Err(Refusal::one(message));
        }
        (None, true) => {
            // the run may have ended while its last notices were still to be delivered
            if let Ok(Some(last)) = store.latest_run(&compiled.plan.rollout) {
                if let (Some(target), true) = (args.recorded(), sliced) {
                    if let Ok(Some(kept)) = run_slices::kept(&store, &last) {
                        target.salvage_slices(&compiled.plan, &compiled.bindings, &last, &kept);
                    }
                } else if let (Some(target), Ok(Some(state))) = (args.recorded(), kept_state(&store, &last)) {
                    target.salvage(&compiled.plan, &compiled.bindings, &store, &last, &state);
                }
                let (plan, bindings) = (compiled.plan.clone(), &compiled.bindings);
                if last.environment == bindings.environment {
                    super::left::deliver(&store, &last, lease, plan, bindings).await;
                }
            }
            let (rollout, at) = (&compiled.plan.rollout, super::runs::at(&store));
            let message = format!("{rollout} has no unfinished run to resume (see `canary history{at}`)");
            return Err(Refusal::one(message));
        }
        (Some(run), true) => {
            check_pinned(&store, &run, compiled)?;
            run
        }
        (None, false) if sliced => {
            return run_slices::fresh(args, compiled, provenance, &store, lease, stop, observer).await;
        }
        (None, false) => {
            return fresh_run(args, compiled, provenance, &store, lease, lab, stop, observer, None).await;
        }
    };
    if sliced {
        return run_slices::resume(args, compiled, &store, &run, lease, stop, observer).await;
    }
    let Some(state) = kept_state(&store, &run)? else {
        return fresh_run(args, compiled, provenance, &store, lease, lab, stop, observer, Some(run)).await;
    };
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, lab).map_err(Refusal::all)?;
    if compiled.bindings.environment == "lab" {
        restore_lab(&state, &backends).await;
    }
    let mut observer = observer;
    let recorder = match args.recorded() {
        Some(target) => {
            let (recorder, text) = target.go_on(&plan, &run, &state)?;
            if let Some(text) = text {
                observer.remark(now(), &text);
            }
            Some(recorder)
        }
        None => None,
    };
    let beginning = Beginning::Recovered(Box::new(state));
    let with = With { args, bindings: &compiled.bindings, recorder };
    Ok(resume_with(&store, &run, lease, plan, backends, beginning, stop, observer, Some(with)).await)
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
fn check_pinned(store: &Store, run: &Run, compiled: &Compiled) -> Result<(), Refusal> {
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
    Err(Refusal::one(format!(
        "run {} began with another policy: {} changed. With the files of then it goes on by `{}`; \
         `canary abort {}{}` takes it back",
        run.id,
        changed.join(" and "),
        super::runs::to_resume(store, run),
        run.rollout,
        super::runs::at(store)
    )))
}

/// The state that a run was left in. None: its runner stopped before it had journalled the start, and as exposure is raised only
/// by what is in the journal, nothing was changed.
///
/// # Errors
/// Why it cannot be read.
pub fn kept_state(store: &Store, run: &Run) -> Result<Option<State>, Refusal> {
    let kept = store.state(&run.id).map_err(|e| Refusal::one(e.to_string()))?;
    let Some((_, value)) = kept else { return Ok(None) };
    serde_json::from_value(value)
        .map(Some)
        .map_err(|e| Refusal::one(format!("the state of run {} was written by another version: {e}", run.id)))
}

/// Starts from the beginning: a new run, or one that has `begun` in the store and nowhere else.
#[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
async fn fresh_run(
    args: &Args,
    compiled: &Compiled,
    provenance: &Provenance,
    store: &Arc<Store>,
    lease: LeaseGuard,
    lab: Option<&Lab>,
    mut stop: watch::Receiver<bool>,
    mut observer: Box<dyn Observer>,
    begun: Option<Run>,
) -> Result<Status, Refusal> {
    not_latched(store, compiled)?;
    if let (Some(target), None) = (args.recorded(), &begun) {
        target.is_free()?;
    }
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, lab).map_err(Refusal::all)?;
    let rolled_back = last_rollback(store, &plan)?;
    let ready = preflight::read(&plan, &backends, observer.as_mut(), &mut stop, rolled_back, false)
        .await
        .map_err(Refusal::all)?;
    let Some(ready) = ready.filter(|_| !*stop.borrow()) else {
        return Err(Refusal::one("stopped before anything was changed"));
    };
    // a baseline takes its time
    not_latched(store, compiled)?;
    for w in &ready.warnings {
        observer.remark(now(), &format!("warning: {w}"));
    }
    // events are kept for ever, what was answered at each check is not; a store that cannot do it now does it next time
    let _ = store.prune_observations(now() - OBSERVATIONS_KEPT);
    let _ = store.prune_notices(now() - OBSERVATIONS_KEPT);
    let again = begun.is_some();
    let run = match begun {
        Some(run) => run,
        None => {
            let baseline = ready.baseline_window.map(|(from, to)| Window { from, to });
            create_run(args, compiled, &Provenance { baseline, ..provenance.clone() }, store, ready.at)?
        }
    };
    let Ready { at, originals, answers, baseline, .. } = ready;
    let beginning = Beginning::Start { at, originals, answers, baseline, rolled_back };
    let recorder = match args.recorded().map(|target| target.begin(&plan, &run, again)) {
        Some(Err(e)) if again => return Err(e),
        // a disk that filled up just now costs the recording, not the run
        Some(Err(e)) => {
            observer.remark(now(), &format!("the run is not recorded: {}", e.reasons.join("; ")));
            None
        }
        Some(Ok(recorder)) => Some(recorder),
        None => None,
    };
    let with = With { args, bindings: &compiled.bindings, recorder };
    Ok(resume_with(store, &run, lease, plan, backends, beginning, stop, observer, Some(with)).await)
}

/// When a run of this rollout was last rolled back by a rule or a kill switch, where the policy asks for a cooldown.
///
/// # Errors
/// The store cannot be read.
pub fn last_rollback(store: &Store, plan: &Plan) -> Result<Option<Time>, Refusal> {
    if plan.cooldown.is_none() {
        return Ok(None);
    }
    let mut last = None;
    for verdict in [Verdict::RolledBack, Verdict::Killed] {
        let filter = RunFilter {
            rollout: Some(plan.rollout.clone()),
            verdict: Some(verdict.text().to_owned()),
            ..RunFilter::default()
        };
        // the newest start need not be the newest end: a run may have been resumed long after another
        let runs = store.runs(&filter).map_err(|e| Refusal::one(e.to_string()))?;
        last = last.max(runs.iter().filter_map(|r| r.finished).max());
    }
    Ok(last)
}

pub(super) fn create_run(
    args: &Args,
    compiled: &Compiled,
    provenance: &Provenance,
    store: &Store,
    started: Time,
) -> Result<Run, Refusal> {
    store
        .create_run(&new_run(
            &compiled.plan,
            &compiled.bindings,
            &args.target.file,
            &Provenance { again: args.target.to_repeat(), ..provenance.clone() },
            started,
        ))
        .and_then(|id| store.run(&id))
        .map_err(|e| Refusal::one(format!("nothing was changed: {e}")))
}

/// What the store is to know of a run that this process starts.
pub fn new_run(plan: &Plan, bindings: &Bindings, policy: &Path, provenance: &Provenance, started: Time) -> NewRun {
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
            provenance_json: serde_json::to_string(provenance).unwrap_or_default(),
        },
        started,
    }
}

/// What `canary run` asks for beside the run itself.
pub struct With<'a> {
    args: &'a Args,
    bindings: &'a Bindings,
    recorder: Option<Recorder>,
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
    mut with: Option<With<'_>>,
) -> Status {
    let by_hand = backends.clone();
    let journal = Journal::new(Arc::clone(store), run, lease, plan.check_every);
    let recorder = with.as_mut().and_then(|w| w.recorder.take());
    let executor = Executor::new(Arc::clone(&plan), backends, journal, observer).recording(recorder);
    let (outcome, state) = executor.run(beginning, stop).await;
    if let Some((target, bindings)) = with.as_ref().and_then(|w| Some((w.args.recorded()?, w.bindings)))
        && !matches!(outcome, Outcome::Taken(_))
    {
        target.finish(&plan, bindings, store, run, &state, matches!(outcome, Outcome::Finished(_)));
    }
    if let Some(file) = with.as_ref().and_then(|w| w.args.report.as_ref()) {
        // said on standard error; the exit status is about the run, not about what became of its report
        if let Err(e) = report::of_run(store, run).map(|document| report::write(&document, file)).unwrap_or(Ok(())) {
            eprintln!("canary: the run is over, but its report cannot be written to {}: {e}", file.display());
        }
    }
    match outcome {
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
    }
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

/// The view for where standard output goes. `aside`: standard output belongs to something else, people read standard error.
pub fn observer(format: Format, environment: &str, aside: bool) -> Box<dyn Observer> {
    let terminal = if aside { std::io::stderr().is_terminal() } else { std::io::stdout().is_terminal() };
    let style = Style::for_terminal(terminal);
    let out: Box<dyn Write + Send> = if aside { Box::new(std::io::stderr()) } else { Box::new(std::io::stdout()) };
    match format {
        Format::Json => Box::new(JsonLines::new(out)),
        Format::Human if terminal && std::env::var_os("TERM").is_none_or(|t| t != "dumb") => {
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
