//! `canary run` of a rollout with a life a slice.

use super::connect::{connect, connect_to_take_back};
use super::exit::{Refusal, Status, because};
use super::load::Compiled;
use super::run::{Args, OBSERVATIONS_KEPT, create_run, last_rollback, not_latched};
use super::run_record::Target;
use super::runs::{at as at_store, to_resume};
use super::{Format, lab};
use crate::engine::fleet::{Fleet, nobody_seen};
use crate::engine::{Operator, Verdict};
use crate::plan::slices::{as_json, switch_of, written};
use crate::plan::{Bindings, Plan, PortId};
use crate::report::lines::Lines;
use crate::report::provenance::Provenance;
use crate::report::style::Style;
use crate::runtime::clock::now;
use crate::runtime::fleet::Beginning;
use crate::runtime::fleet::recorder::FleetRecorder;
use crate::runtime::fleet::{FleetExecutor, Kept, ask};
use crate::runtime::journal::Journal;
use crate::runtime::{Backends, Observer, Outcome, preflight};
use crate::store::{LeaseGuard, Run, Store};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::watch;

/// What a sliced rollout cannot have yet.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn refuse(args: &Args, compiled: &Compiled) -> Result<(), Status> {
    if compiled.plan.slices.is_empty() {
        return Ok(());
    }
    let why = if args.report.is_some() {
        "a report of a sliced run is not built yet: `canary history` and `canary why` tell of each slice"
    } else if compiled.bindings.environment == "lab" {
        "the lab has no slices: run a sliced rollout on an environment with a Prometheus"
    } else if lab::is_needed(&compiled.bindings) {
        let bound = compiled.bindings.bindings.iter().filter(|(_, b)| b.backend == "lab");
        let bound: Vec<&str> = bound.map(|(name, _)| name.as_str()).collect();
        let why = format!(
            "environment {} binds {} to `lab()`, and the lab cannot run beside slices: bind {} to something real",
            compiled.bindings.environment,
            bound.join(", "),
            if bound.len() == 1 { "it" } else { "them" },
        );
        return Err(because(Status::Wrong, &why));
    } else {
        return Ok(());
    };
    Err(because(Status::Wrong, why))
}

/// Starts from the beginning.
///
/// # Errors
/// Why it cannot start.
pub async fn fresh(
    args: &Args,
    compiled: &Compiled,
    provenance: &Provenance,
    store: &Arc<Store>,
    lease: LeaseGuard,
    stop: watch::Receiver<bool>,
    mut observer: Box<dyn Observer>,
) -> Result<Status, Refusal> {
    not_latched(store, compiled)?;
    if let Some(target) = args.recorded() {
        target.is_free()?;
    }
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, None).map_err(Refusal::all)?;
    let rolled_back = last_rollback(store, &plan)?;
    let warnings = preflight::reach(&plan, &backends, observer.as_mut()).await.map_err(Refusal::all)?;
    if *stop.borrow() {
        return Err(Refusal::one("stopped before anything was changed"));
    }
    for w in warnings {
        observer.remark(now(), &format!("warning: {w}"));
    }
    // events are kept for ever, notices that nothing more comes of are not
    let _ = store.prune_observations(now() - OBSERVATIONS_KEPT);
    let _ = store.prune_notices(now() - OBSERVATIONS_KEPT);
    let at = now();
    let run = create_run(args, compiled, provenance, store, at)?;
    let recorder = match args.recorded().map(|target| target.begin_slices(&plan, &run, false)) {
        // a disk that filled up just now costs the recording, not the run
        Some(Err(e)) => {
            observer.remark(now(), &format!("the run is not recorded: {}", e.reasons.join("; ")));
            None
        }
        Some(Ok(recorder)) => Some(recorder),
        None => None,
    };
    let recorded = Recorded::of(args, compiled, recorder);
    let beginning = Beginning::Start { at, rolled_back };
    Ok(drive(store, &run, lease, plan, backends, beginning, stop, observer, recorded).await)
}

/// Where a run is recorded, and by whom.
struct Recorded<'a> {
    target: Target,
    bindings: &'a Bindings,
    recorder: Option<FleetRecorder>,
}

impl<'a> Recorded<'a> {
    fn of(args: &Args, compiled: &'a Compiled, recorder: Option<FleetRecorder>) -> Option<Self> {
        Some(Self { target: args.recorded()?, bindings: &compiled.bindings, recorder })
    }
}

/// Shows the slices that are seen now, how their ports are set, and who would begin first; changes nothing.
///
/// # Errors
/// Why it would not start.
pub async fn dry(compiled: &Compiled, format: Format) -> Result<Status, Refusal> {
    let (plan, at) = (&compiled.plan, now());
    let backends = connect(plan, &compiled.bindings, None).map_err(Refusal::all)?;
    let mut observer = Lines::new(std::io::stderr(), Style::PLAIN);
    preflight::reach(plan, &backends, &mut observer).await.map_err(Refusal::all)?;
    let sinces = vec![None; plan.inputs.len()];
    let replies = ask::inputs(plan, &backends, &sinces, at, preflight::REACH, false).await;
    let mut fleet = Fleet::new(plan);
    let (mut ports, mut left_out) = (Vec::new(), Vec::new());
    // a store that is not there yet has latched nothing
    let path = super::run::store_path(&compiled.bindings);
    let latches = match path.exists() {
        true => Store::open_existing(&path).and_then(|s| s.latches(Some(&compiled.bindings.environment))),
        false => Ok(Vec::new()),
    };
    let latches = latches.map_err(|e| Refusal::one(e.to_string()))?;
    for row in ask::seen(plan, &replies) {
        let values: Vec<String> = row.iter().map(|v| (*v).to_owned()).collect();
        if fleet.slice(&row).is_some() {
            continue;
        }
        let ours = |switch: &str| plan.switches.iter().any(|s| switch == switch_of(&s.name, &plan.slices, &values));
        if latches.iter().any(|l| ours(&l.switch) || plan.switch(&l.switch).is_some()) {
            left_out.push((values, String::from("a kill switch is latched: held until it is reset")));
            continue;
        }
        let made = backends.slices.as_ref().map_or_else(|| Err(String::from("not bound")), |s| s.make(&values));
        match made {
            Err(why) => left_out.push((values, why)),
            Ok(made) => match fleet.see(plan, &row, at) {
                Some(slice) => ports.push((slice, made)),
                None => left_out.push((values, String::from("the policy does not list these values"))),
            },
        }
    }
    let wanted = ports.iter().flat_map(|(slice, made)| {
        let each = made.iter().enumerate();
        each.map(|(i, at)| ask::Wanted { slice: *slice, port: PortId::at(i), at: Arc::clone(at) })
    });
    let read = ask::ports(wanted.collect(), preflight::REACH).await;
    let due = fleet.due(plan, at);
    let mut list = Vec::new();
    for slice in fleet.slices() {
        let values = fleet.key(slice).unwrap_or_default();
        let set = read.iter().filter(|(s, ..)| *s == slice).map(|(_, port, r)| {
            let text = r.as_ref().map_or_else(Clone::clone, ToString::to_string);
            (plan.port_name(*port).to_owned(), json!(text))
        });
        let set: serde_json::Map<String, Value> = set.collect();
        list.push((written(&plan.slices, values), due.contains(&slice), as_json(&plan.slices, values), set));
    }
    if format == Format::Json {
        let slices = list.iter().map(|(_, begins, slice, set)| json!({ "slice": slice, "begins": begins, "now": set }));
        let out = left_out.iter().map(|(v, why)| json!({ "slice": as_json(&plan.slices, v), "why": why }));
        outln!(
            "{}",
            json!({
                "schema": "canary.dry_run/1", "rollout": plan.rollout, "environment": compiled.bindings.environment,
                "would_start": !due.is_empty(), "slices": slices.collect::<Vec<_>>(), "left_out": out.collect::<Vec<_>>(),
            })
        );
    } else {
        outln!("canary dry run of {} on {}: nothing is changed", plan.rollout, compiled.bindings.environment);
        outln!("\n{} slices are seen, {} of them would begin at the first check", list.len(), due.len());
        for (name, begins, _, set) in &list {
            let set: Vec<String> =
                set.iter().map(|(port, s)| format!("{port} = {}", s.as_str().unwrap_or(""))).collect();
            outln!("  {}  {name}  {}", if *begins { "begins" } else { "waits " }, set.join(", "));
        }
        for (values, why) in &left_out {
            outln!("  left out  {}: {why}", written(&plan.slices, values));
        }
        let set = plan.phases.iter().map(|p| {
            let list: Vec<String> =
                p.settings.iter().map(|(port, s)| format!("{} = {s}", plan.port_name(*port))).collect();
            format!(
                "  phase {}: {}",
                p.name,
                if list.is_empty() { String::from("sets nothing") } else { list.join(", ") }
            )
        });
        outln!("\nwhat each would set\n{}", set.collect::<Vec<_>>().join("\n"));
    }
    if fleet.is_empty() && left_out.is_empty() {
        return Err(Refusal::one(nobody_seen(plan)));
    }
    if due.is_empty() {
        return Err(Refusal::one("no slice that could begin is seen now"));
    }
    Ok(Status::Success)
}

/// Goes on with a run.
///
/// # Errors
/// Why it cannot.
pub async fn resume(
    args: &Args,
    compiled: &Compiled,
    store: &Arc<Store>,
    run: &Run,
    lease: LeaseGuard,
    stop: watch::Receiver<bool>,
    mut observer: Box<dyn Observer>,
) -> Result<Status, Refusal> {
    let plan = Arc::new(compiled.plan.clone());
    let backends = connect(&plan, &compiled.bindings, None).map_err(Refusal::all)?;
    let (beginning, recorder) = match kept(store, run)? {
        Some(mut kept) => {
            let recorder = args.recorded().map(|target| target.go_on_slices(&plan, run, &mut kept)).transpose()?;
            if let Some((_, Some(text))) = &recorder {
                observer.remark(now(), text);
            }
            (Beginning::Recovered(Box::new(kept)), recorder.map(|(recorder, _)| recorder))
        }
        None => {
            // its runner stopped before it had journalled anything: nothing was changed
            preflight::reach(&plan, &backends, observer.as_mut()).await.map_err(Refusal::all)?;
            let recorder = args.recorded().map(|target| target.begin_slices(&plan, run, true)).transpose()?;
            (Beginning::Start { at: now(), rolled_back: last_rollback(store, &plan)? }, recorder)
        }
    };
    let recorded = Recorded::of(args, compiled, recorder);
    Ok(drive(store, run, lease, plan, backends, beginning, stop, observer, recorded).await)
}

/// Takes a run back that nobody runs.
///
/// # Errors
/// The exit status; it was said on standard error.
#[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
pub async fn take_back(
    store: &Arc<Store>,
    run: &Run,
    lease: LeaseGuard,
    plan: Plan,
    bindings: &Bindings,
    act: Operator,
    (who, why): (String, String),
    stop: watch::Receiver<bool>,
    observer: Box<dyn Observer>,
) -> Result<Status, Refusal> {
    let Some(kept) = kept(store, run)? else {
        store.finish_run(&run.id, "aborted", now()).map_err(|e| Refusal::one(e.to_string()))?;
        outln!("{} run {}: aborted before it had changed anything", run.rollout, run.id);
        return Ok(Status::Person);
    };
    let plan = Arc::new(plan);
    let (backends, without) = connect_to_take_back(&plan, bindings).map_err(Refusal::all)?;
    for w in without {
        eprintln!("canary: taking back without it: {w}");
    }
    let beginning = Beginning::TakeBack { kept: Box::new(kept), slices: Vec::new(), act, who, why };
    Ok(drive(store, run, lease, plan, backends, beginning, stop, observer, None).await)
}

/// The state that a run was left in.
///
/// # Errors
/// Why it cannot be read.
pub fn kept(store: &Store, run: &Run) -> Result<Option<Kept>, Refusal> {
    let kept = store.state(&run.id).map_err(|e| Refusal::one(e.to_string()))?;
    let Some((_, value)) = kept else { return Ok(None) };
    serde_json::from_value(value)
        .map(Some)
        .map_err(|e| Refusal::one(format!("the state of run {} was written by another version: {e}", run.id)))
}

/// Drives a run to its end or to a stop.
#[expect(clippy::too_many_arguments, reason = "everything that one run is made of")]
async fn drive(
    store: &Arc<Store>,
    run: &Run,
    lease: LeaseGuard,
    plan: Arc<Plan>,
    backends: Backends,
    beginning: Beginning,
    stop: watch::Receiver<bool>,
    observer: Box<dyn Observer>,
    mut recorded: Option<Recorded<'_>>,
) -> Status {
    let journal = Journal::new(Arc::clone(store), run, lease, plan.check_every);
    let recorder = recorded.as_mut().and_then(|r| r.recorder.take());
    let executor = FleetExecutor::new(Arc::clone(&plan), backends, journal, observer).recording(recorder);
    let (outcome, kept) = executor.run(beginning, stop).await;
    if let Some(r) = recorded
        && !matches!(outcome, Outcome::Taken(_))
    {
        r.target.finish_slices(&plan, r.bindings, run, &kept, matches!(outcome, Outcome::Finished(_)));
    }
    match outcome {
        Outcome::Finished(Verdict::Promoted) => Status::Success,
        Outcome::Finished(Verdict::RolledBack) => Status::Bad,
        Outcome::Finished(Verdict::Aborted | Verdict::Killed) => Status::Person,
        Outcome::Finished(Verdict::Refused) => Status::Refused,
        Outcome::Taken(why) => {
            eprintln!("canary: run {} is no longer this runner's, which does nothing any more: {why}", run.id);
            Status::Unfinished
        }
        Outcome::Stopped => {
            eprintln!("\ncanary: stopped; the state of run {} is kept", run.id);
            eprintln!("  go on     {}", to_resume(store, run));
            eprintln!("  take back canary abort {}{}", run.rollout, at_store(store));
            Status::Unfinished
        }
    }
}
