//! `canary sim`: what a policy would have done over a recording. Reads files and nothing else.

mod policy;
mod progress;
mod when;

use super::Format;
use super::exit::Status;
use super::load::{assignment, environment_files};
use super::{in_parallel, whole};
use crate::engine::Verdict;
use crate::plan::slices::Meant;
use crate::plan::{Plan, Time};
use crate::report::style::Style;
use crate::report::{html, picture, timeline};
use crate::sim::recording::{Recording, decode_owned};
use crate::sim::replay::backtest::{self, Backtest};
use crate::sim::replay::outcome::{Axis, Outcome, Sweep};
use crate::sim::replay::{self, Detail, Scenario, change, inject, misfit, sweep};
use policy::{Policy, apply, wrong};
use progress::Progress;
use serde_json::{Value, json};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// What `canary sim --help` says of exit statuses.
const STATUSES: &str = "Exit status:
  0  promoted; with --vary or --backtest: done
  1  rolled back
  2  wrong usage, an invalid policy, or a recording that does not fit it
  3  the start was refused
  4  aborted or killed: by a person's recorded word
  5  not decided: the recording was over first";

/// Arguments of `canary sim`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUSES)]
pub struct Args {
    /// The policy file
    file: PathBuf,
    /// What was recorded: a file that `canary record` or `canary run --record` has written
    #[arg(long, value_name = "FILE")]
    recording: PathBuf,
    /// The environment, where the plan depends on it: the one that a run was recorded in
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Which rollout, when the file declares several
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// Set a param, or a field of a guard: `--set max_errors=2%`, `--set errors.limit=2%`, `--set errors.tolerate=1m`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = assignment)]
    sets: Vec<(String, String)>,
    /// Replay with each of these values: `--vary errors.limit=0.5%..5%:0.5%`; with several, each combination
    #[arg(long = "vary", value_name = "NAME=FROM..TO:STEP", conflicts_with = "backtest")]
    vary: Vec<String>,
    /// Put a fault in: `latency +300ms from 20m to 40m`, `errors +1pp`, `errors missing`, `errors stale`, `source prometheus outage
    /// from 5m to 10m`, `runner outage from 20m to 40m`
    #[arg(long = "inject", value_name = "FAULT")]
    inject: Vec<String>,
    /// Begin here instead of at the recording's first check: a time (`2026-11-21T10:00Z`), or how long behind it (`2h`)
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Begin a rollout again and again over the recording: `every 1h`
    #[arg(long, value_name = "every DURATION")]
    backtest: Option<String>,
    /// With --backtest: a stretch in which nothing was wrong, so that a rollback in it is a false alarm
    #[arg(long, value_name = "FROM..TO", requires = "backtest")]
    healthy: Vec<String>,
    /// Draw it: phases, exposure, each guard against its limit; with --vary a map
    #[arg(long, conflicts_with_all = ["backtest", "format"])]
    picture: bool,
    /// Write a report as one page besides, which needs nothing but a browser
    #[arg(long, value_name = "FILE", conflicts_with = "backtest")]
    html: Option<PathBuf>,
    /// Of a rollout with slices: the one to look at closely, `tenant=acme,severity=low`; the one that ended worst when left out
    #[arg(long, value_name = "DIM=VALUE,…", value_parser = Meant::parse, conflicts_with = "backtest")]
    slice: Option<Meant>,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Replays.
#[must_use]
pub fn main(args: &Args) -> Status {
    match sim(args) {
        Ok(status) | Err(status) => status,
    }
}

fn sim(args: &Args) -> Result<Status, Status> {
    let mut policy = Policy::read(&args.file, args.env.as_deref(), args.rollout.as_deref())?;
    let (fields, params): (Vec<_>, Vec<_>) = args.sets.iter().cloned().partition(|(name, _)| change::is_field(name));
    let mut set = policy.plan(&params)?;
    let recording = read(&args.recording)?;
    if let Some((own, plan)) = its_own(args, &set, &params, &recording) {
        (policy, set) = (own, plan);
    }
    let plan = apply(set.clone(), &fields).map_err(|e| wrong(&format!("--set: {e}")))?;
    let injections = args.inject.iter().map(|text| inject::parse(text, &plan));
    let injections = injections.collect::<Result<_, _>>().map_err(|e| wrong(&format!("--inject: {e}")))?;
    let start = args.start.as_deref().map(|t| when::start(t, &recording)).transpose();
    let start = start.map_err(|e| wrong(&format!("--start: {e}")))?;
    let unchanged = then(&policy, set, &params, &recording);
    let scenario = Scenario { start, unchanged, injections, detail: Detail::Full, slice: args.slice.clone() };
    if let Some(why) = misfit(&plan, &recording, &scenario) {
        return Err(wrong(&why));
    }
    if let Some(every) = &args.backtest {
        let test = backtest(args, every, &plan, &recording, &scenario)?;
        return Ok(shown(args, &recording, &json!({ "backtest": test }), &timeline::backtest(&test, style())));
    }
    let mut outcome = replay::replay(&plan, &recording, &scenario);
    timeline::tell(&mut outcome);
    let swept = if args.vary.is_empty() { None } else { Some(vary(args, &policy, &plan, &recording, &scenario)?) };
    if let Some(file) = &args.html {
        let page = html::page(&outcome, swept.as_ref());
        whole::write(file, &page)
            .map_err(|e| wrong(&format!("cannot write {}: {}", file.display(), super::load::plain(&e))))?;
    }
    let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
    if let Some(sweep) = &swept {
        let text = if args.picture {
            picture::heat_map(sweep, outcome.start, width, style())
        } else {
            timeline::sweep(sweep, outcome.start, style())
        };
        return Ok(shown(args, &recording, &json!({ "outcome": outcome, "sweep": sweep }), &text));
    }
    let status = of(&outcome);
    let text =
        if args.picture { picture::timeline(&outcome, width, style()) } else { timeline::text(&outcome, style()) };
    let _ = shown(args, &recording, &json!({ "outcome": outcome }), &text);
    Ok(status)
}

fn style() -> Style {
    Style::for_terminal(std::io::stdout().is_terminal())
}

/// The exit status of one replay.
fn of(outcome: &Outcome) -> Status {
    match outcome.verdict {
        Some(Verdict::Promoted) => Status::Success,
        Some(Verdict::RolledBack) => Status::Bad,
        Some(Verdict::Refused) => Status::Refused,
        Some(Verdict::Aborted | Verdict::Killed) => Status::Person,
        None => Status::Unfinished,
    }
}

/// Prints.
fn shown(args: &Args, recording: &Recording, body: &Value, text: &str) -> Status {
    match args.format {
        Format::Human => out!("{text}"),
        Format::Json => {
            let mut whole = json!({ "schema": "canary.sim/1", "recording": recording.about });
            if let (Some(w), Some(b)) = (whole.as_object_mut(), body.as_object()) {
                w.extend(b.clone());
            }
            outln!("{whole:#}");
        }
    }
    Status::Success
}

/// The policy as it was when the recording was made, where these files tell it: without what is set now, or with the params alone.
fn then(policy: &Policy, set: Plan, params: &[(String, String)], recording: &Recording) -> Option<Plan> {
    let was = |p: &Plan| p.hash == recording.about.policy;
    if was(&set) || params.is_empty() {
        return Some(set).filter(was);
    }
    policy.changed(&[]).ok().filter(was)
}

/// Each combination, on all cores, in the order of the grid.
fn vary(
    args: &Args,
    policy: &Policy,
    plan: &Plan,
    recording: &Recording,
    scenario: &Scenario,
) -> Result<Sweep, Status> {
    let axes =
        args.vary.iter().map(|text| sweep::axis(text)).collect::<Result<Vec<Axis>, _>>().map_err(|e| wrong(&e))?;
    let twice = |name: &str| args.vary.len() > 1 && axes.iter().filter(|a| a.name == name).count() > 1;
    for name in axes.iter().map(|a| a.name.as_str()) {
        if twice(name) || args.sets.iter().any(|(n, _)| n == name) {
            return Err(wrong(&format!("--vary {name}: it is set or varied twice: keep one of them")));
        }
    }
    let axes: Vec<Axis> = axes.into_iter().map(|a| Axis { now: sweep::now(plan, &a.name), ..a }).collect();
    let places = sweep::grid(&axes).map_err(|e| wrong(&e))?;
    let brief = Scenario { detail: Detail::Brief, ..scenario.clone() };
    // fields of guards are set in the plan; a param wants another compilation
    let params = axes.iter().any(|a| !change::is_field(&a.name));
    let progress = Progress::of(places.len(), "replays");
    let cells = in_parallel::map_each(&places, |place| {
        let values = axes.iter().zip(place).filter_map(|(a, i)| Some((a.name.clone(), a.values.get(*i)?.text.clone())));
        let values: Vec<(String, String)> = values.collect();
        let varied = if params {
            policy.changed(&args.sets.iter().cloned().chain(values.clone()).collect::<Vec<_>>())
        } else {
            apply(plan.clone(), &values)
        };
        let varied = varied.map_err(|e| {
            let point: Vec<String> = values.iter().map(|(n, v)| format!("{n}={v}")).collect();
            format!("--vary {}: {e}", point.join(", "))
        });
        let cell = varied.map(|plan| sweep::cell(&replay::replay(&plan, recording, &brief)));
        progress.step();
        cell
    });
    drop(progress);
    let cells = cells.into_iter().collect::<Result<_, _>>().map_err(|e| wrong(&e))?;
    Ok(Sweep { axes, cells })
}

/// A rollout begun again and again.
fn backtest(
    args: &Args,
    every: &str,
    plan: &Plan,
    recording: &Recording,
    scenario: &Scenario,
) -> Result<Backtest, Status> {
    let distance = when::every(every).map_err(|e| wrong(&format!("--backtest: {e}")))?;
    let stretches = args.healthy.iter().map(|t| when::stretch(t, recording)).collect::<Result<Vec<(Time, Time)>, _>>();
    let stretches = stretches.map_err(|e| wrong(&format!("--healthy: {e}")))?;
    let starts = backtest::starts(recording, scenario.start, distance);
    let progress = Progress::of(starts.len(), "rollouts");
    let runs = in_parallel::map_each(&starts, |start| {
        let one = Scenario { start: Some(*start), detail: Detail::Brief, ..scenario.clone() };
        let (outcome, exposed) = replay::replay_exposed(plan, recording, &one);
        progress.step();
        backtest::run(&outcome, exposed)
    });
    drop(progress);
    Ok(backtest::sum(plan, distance, runs, &stretches))
}

/// The policy in the environment that a run was recorded in, where none is named and the plan as it is by itself is another one.
fn its_own(args: &Args, alone: &Plan, params: &[(String, String)], recording: &Recording) -> Option<(Policy, Plan)> {
    let was = |p: &Plan| p.hash == recording.about.policy;
    if args.env.is_some() || recording.happened.is_empty() || was(alone) {
        return None;
    }
    let files = environment_files(&args.file);
    files.iter().map(String::as_str).chain(["lab"]).find_map(|name| {
        let policy = Policy::read(&args.file, Some(name), args.rollout.as_deref()).ok()?;
        let set = policy.changed(params).ok()?;
        (was(&set) || policy.changed(&[]).is_ok_and(|p| was(&p))).then_some((policy, set))
    })
}

/// Reads a recording.
fn read(file: &Path) -> Result<Recording, Status> {
    let name = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|e| wrong(&format!("cannot read {name}: {}", super::load::plain(&e))))?;
    let recording = decode_owned(bytes, &name).map_err(|e| wrong(&e.to_string()))?;
    Ok(recording)
}
