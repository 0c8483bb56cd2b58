//! `canary status`: kill switches that are latched, then runs that are live or wait to be resumed, and how they stand.

use super::exit::Status;
use super::kill_over::some;
use super::kill_slices::{EACH, apart};
use super::killswitch::thrown;
use super::runs::{StoreArg, at, open, pinned, to_resume};
use super::switches::said;
use super::{Format, slices};
use crate::engine::{Stage, State, Word, waits_for};
use crate::plan::{Plan, show};
use crate::report::approvals;
use crate::report::style::Style;
use crate::report::text::{date_time, reading, rfc3339};
use crate::runtime::clock::now;
use crate::runtime::teller::title;
use crate::store::{KeptNotice, Latch, Run, RunFilter, Store};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::IsTerminal;

/// How long a notice that was given up is shown: 7 days, in milliseconds.
const GIVEN_UP_SHOWN: i64 = 7 * 24 * 3_600_000;

/// Arguments of `canary status`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this rollout
    rollout: Option<String>,
    #[command(flatten)]
    slice: slices::SliceArg,
    #[command(flatten)]
    store: StoreArg,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints how every run that is not over stands.
#[must_use]
pub fn main(args: &Args) -> Status {
    match print(args) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

fn print(args: &Args) -> Result<(), Status> {
    let store = open(&args.store.store)?;
    let filter = RunFilter { rollout: args.rollout.clone(), unfinished: true, ..RunFilter::default() };
    let runs = store.runs(&filter).map_err(|e| super::exit::because(Status::Wrong, &e.to_string()))?;
    let latched = store.latches(None).map_err(|e| super::exit::because(Status::Wrong, &e.to_string()))?;
    if args.format == Format::Human {
        let style = Style::for_terminal(std::io::stdout().is_terminal());
        human_latches(&latched, style);
    }
    let untold = store
        .undelivered_notices(args.rollout.as_deref(), now() - GIVEN_UP_SHOWN)
        .map_err(|e| super::exit::because(Status::Wrong, &e.to_string()))?;
    let mut list = Vec::new();
    for run in &runs {
        let (plan, _) = pinned(&store, run)?;
        if !plan.slices.is_empty() {
            let runner = store.lease_holder(&format!("rollout/{}", run.rollout)).ok().flatten();
            let (runner, only) = (runner.as_deref(), args.slice.slice.as_ref());
            args.slice.fits(&store, run)?;
            match args.format {
                Format::Human => slices::human(&store, run, &plan, runner, &latched, only),
                Format::Json => list.push(slices::machine(&store, run, &plan, runner, &latched, only)),
            }
            continue;
        }
        let state: Option<State> =
            store.state(&run.id).ok().flatten().and_then(|(_, v)| serde_json::from_value(v).ok());
        let runner = store.lease_holder(&format!("rollout/{}", run.rollout)).ok().flatten();
        match args.format {
            Format::Human => human(&store, run, &plan, state.as_ref(), runner.as_deref()),
            Format::Json => list.push(machine(run, &plan, state.as_ref(), runner.as_deref())),
        }
    }
    match args.format {
        Format::Human => {
            if runs.is_empty() {
                outln!("nothing is running, and nothing waits to be resumed");
            }
            untold.iter().for_each(human_untold);
        }
        Format::Json => {
            let notices: Vec<Value> = untold.iter().map(machine_untold).collect();
            let latched = latches(&latched);
            outln!(
                "{}",
                json!({ "schema": "canary.status/1", "latched": latched, "runs": list, "undelivered": notices })
            );
        }
    }
    Ok(())
}

/// A line a latch; those of many slices by one switch are one.
fn human_latches(latched: &[Latch], style: Style) {
    let mut of_slices: BTreeMap<(&str, &str), Vec<(String, &Latch)>> = BTreeMap::new();
    for l in latched {
        if let Some((switch, slice)) = apart(&l.switch) {
            of_slices.entry((switch, &l.environment)).or_default().push((slice.text(), l));
        }
    }
    of_slices.retain(|_, all| all.len() > EACH);
    for l in latched {
        if !apart(&l.switch).is_some_and(|(switch, _)| of_slices.contains_key(&(switch, l.environment.as_str()))) {
            outln!("{} (run {})", style.bad(&said(l)), l.run);
        }
    }
    for ((switch, environment), mut all) in of_slices {
        all.sort_by(|a, b| a.0.cmp(&b.0));
        let names: Vec<String> = all.iter().map(|(name, _)| name.clone()).collect();
        let since = all.iter().map(|(_, l)| l.at).min().unwrap_or_default();
        let text = format!(
            "kill switch {switch} is latched on {environment} for {} slices, the first since {}: {}",
            names.len(),
            date_time(since),
            some(&names)
        );
        outln!("{}", style.bad(&text));
    }
}

fn latches(latched: &[Latch]) -> Vec<Value> {
    let one = |l: &Latch| {
        let mut whole = json!({ "switch": l.switch, "environment": l.environment });
        if let (Some(w), Value::Object(how)) = (whole.as_object_mut(), thrown(l)) {
            w.extend(how);
        }
        whole
    };
    latched.iter().map(one).collect()
}

fn human_untold(n: &KeptNotice) {
    let style = Style::for_terminal(std::io::stdout().is_terminal());
    let what = if n.given_up.is_some() { "given up" } else { "waiting" };
    let tries = if n.tries == 1 { "1 try" } else { &format!("{} tries", n.tries) };
    outln!("{} {}: {}", style.bad("not told"), n.channel, title(&n.body));
    outln!("  of {}, run {}; {what} after {tries}", date_time(n.at), n.run);
    if let Some(e) = &n.error {
        outln!("  {e}");
    }
}

fn machine_untold(n: &KeptNotice) -> Value {
    json!({
        "run": n.run.as_str(),
        "rollout": n.rollout,
        "environment": n.environment,
        "channel": n.channel,
        "number": n.body.get("number"),
        "happening": n.body.get("happening"),
        "title": title(&n.body),
        "at": rfc3339(n.at),
        "tries": n.tries,
        "error": n.error,
        "given_up": n.given_up.map(rfc3339),
    })
}

fn stage(plan: &Plan, state: &State) -> String {
    match (&state.paused, state.stage) {
        (Some(p), _) => format!("paused since {}: {}", date_time(p.since), p.why),
        (None, Stage::Idle) => String::from("not started"),
        (None, Stage::Phase(p)) => {
            let waits = state.waiting.map_or_else(String::new, |w| {
                format!(", waiting since {} for {}", date_time(w.since), waits_for(plan, w.on))
            });
            let promoted = state.promoted.map_or_else(String::new, |at| format!(", promoted {}", date_time(at)));
            format!("in phase {}{promoted}{waits}", plan.phase_name(p))
        }
        (None, Stage::RollingBack(_)) => String::from("rolling back"),
        (None, Stage::Done(v)) => v.text().replace('_', " "),
    }
}

fn human(store: &Store, run: &Run, plan: &Plan, state: Option<&State>, runner: Option<&str>) {
    let style = Style::for_terminal(std::io::stdout().is_terminal());
    outln!("{} on {}, run {}, began {}", style.bold(&run.rollout), run.environment, run.id, date_time(run.started));
    match runner {
        Some(r) => outln!("  runner    {r}"),
        None => {
            outln!("  runner    {}", style.bad("none"));
            outln!("  go on     {}", to_resume(store, run));
            outln!("  take back canary abort {}{}", run.rollout, at(store));
        }
    }
    let Some(state) = state else {
        outln!("  state     not readable by this version");
        return;
    };
    outln!("  stage     {}", stage(plan, state));
    let groups = approvals::awaited(plan, state);
    if !groups.is_empty() {
        outln!("  approval  {}", style.unsure(&approvals::text(plan, &groups)));
    }
    for (name, asked) in plan.shown(&state.target.settings) {
        let verified = state.target.verified.map_or_else(
            || style.unsure("not read back yet"),
            |at| format!("read back {} ago", show::duration((now() - at) / 1000 * 1000)),
        );
        outln!("  exposure  {name} = {asked}, {verified}");
    }
    for g in crate::engine::explain::guard_reports(plan, state) {
        outln!("  guard     {} {} ({})", g.guard, style.word(g.word, g.word.text()), reading(&g));
    }
    if let Some(last) = state.last {
        outln!("  checked   {} ago", show::duration((now() - last) / 1000 * 1000));
    }
}

fn machine(run: &Run, plan: &Plan, state: Option<&State>, runner: Option<&str>) -> Value {
    json!({
        "run": run.id.as_str(),
        "rollout": run.rollout,
        "environment": run.environment,
        "started": rfc3339(run.started),
        "runner": runner,
        "stage": state.map(|s| stage(plan, s)),
        "phase": state.map(|s| plan.phase_name(s.phase)),
        "promoted": state.and_then(|s| s.promoted).map(rfc3339),
        "waiting": state.and_then(|s| s.waiting).map(|w| waits_for(plan, w.on)),
        "awaits_approval": state.map(|s| approvals::awaited(plan, s)),
        "paused": state.and_then(|s| s.paused.as_ref()).map(|p| p.why.clone()),
        "settings": state.map(|s| {
            let list = s.target.settings.iter().map(|(p, v)| (plan.port_name(*p).to_owned(), json!(v)));
            list.collect::<serde_json::Map<_, _>>()
        }),
        "verified": state.and_then(|s| s.target.verified).map(rfc3339),
        "guards": state.map(|s| crate::engine::explain::guard_reports(plan, s)),
        "all_ok": state.map(|s| crate::engine::explain::guard_reports(plan, s).iter().all(|g| g.word == Word::Ok)),
    })
}
