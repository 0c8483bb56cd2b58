//! `canary sim`: what a policy would have done over a recording. Reads files and nothing else, but for `--live`.

mod live;
mod progress;

use super::Format;
use super::exit::Status;
use super::load::assignment;
use super::policy::{Policy, apply, its_own, wrong};
use super::{in_parallel, whole};
use crate::engine::Verdict;
use crate::plan::slices::Meant;
use crate::plan::{Plan, Time};
use crate::report::style::Style;
use crate::report::{html, picture, timeline};
use crate::sim::recording::{About, Recording, decode_owned, decode_plan};
use crate::sim::replay::backtest::{self, Backtest};
use crate::sim::replay::outcome::{Axis, Outcome, Sweep};
use crate::sim::replay::{self, Detail, Scenario, change, inject, misfit, sweep, when};
use progress::Progress;
use serde::Serialize;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

/// What `canary sim --help` says of exit statuses.
const STATUSES: &str = "Exit status:
  0  promoted; with --vary or --backtest: done
  1  rolled back
  2  wrong usage, an invalid policy, or a recording that does not fit it
  3  the start was refused; with --live also: a source is out of reach
  4  aborted or killed: by a person's recorded word
  5  not decided: the recording was over first, or (--live) somebody had seen enough";

/// Arguments of `canary sim`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUSES)]
pub struct Args {
    /// The policy file
    file: PathBuf,
    /// What was recorded: a file that `canary record` or `canary run --record` has written
    #[arg(long, value_name = "FILE", required_unless_present = "live")]
    recording: Option<PathBuf>,
    /// Watch the present instead: ask the metrics of an environment (`--env`) at every check, and tell what a run would do. Nothing is
    /// set, run or sent; Ctrl-C ends it
    #[arg(long, conflicts_with_all = ["recording", "vary", "inject", "start", "backtest", "picture", "html"])]
    live: bool,
    /// With --live: keep what was answered, as a recording
    #[arg(long, value_name = "FILE", requires = "live")]
    record: Option<PathBuf>,
    /// The environment, where the plan depends on it: the one that a run was recorded in; with --live the one whose metrics are asked
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
    if args.live {
        return live::live(args);
    }
    let Some(file) = &args.recording else {
        return Err(wrong("which recording? name one with `--recording`, or `--live`"));
    };
    let mut policy = Policy::read(&args.file, args.env.as_deref(), args.rollout.as_deref())?;
    let (fields, params): (Vec<_>, Vec<_>) = args.sets.iter().cloned().partition(|(name, _)| change::is_field(name));
    let mut set = policy.plan(&params)?;
    let recording = read(file)?;
    if args.env.is_none()
        && let Some((own, plan)) = its_own(&args.file, args.rollout.as_deref(), &set, &params, &recording)
    {
        (policy, set) = (own, plan);
    }
    let plan = apply(set.clone(), &fields).map_err(|e| wrong(&format!("--set: {e}")))?;
    let injections = args.inject.iter().map(|text| inject::parse(text, &plan));
    let injections = injections.collect::<Result<_, _>>().map_err(|e| wrong(&format!("--inject: {e}")))?;
    let start = args.start.as_deref().map(|t| when::start(t, &recording)).transpose();
    let start = start.map_err(|e| wrong(&format!("--start: {e}")))?;
    let unchanged = then(&policy, set, &params, &recording).or_else(|| decode_plan(&std::fs::read(file).ok()?));
    // what is told in words needs no curves
    let drawn = args.picture || args.html.is_some() || args.format == Format::Json;
    let detail = if drawn { Detail::Full } else { Detail::Brief };
    let scenario = Scenario { start, unchanged, injections, detail, slice: args.slice.clone() };
    if let Some(why) = misfit(&plan, &recording, &scenario) {
        return Err(wrong(&why));
    }
    if let Some(every) = &args.backtest {
        let test = backtest(args, every, &plan, &recording, &scenario)?;
        let body = Body { backtest: Some(&test), ..Body::of(&recording) };
        return Ok(shown(args, &body, || timeline::backtest(&test, style())));
    }
    let mut outcome = replay::replay(&plan, &recording, &scenario);
    if drawn {
        timeline::tell(&mut outcome);
    }
    let swept = if args.vary.is_empty() { None } else { Some(vary(args, &policy, &plan, &recording, &scenario)?) };
    if let Some(file) = &args.html {
        let page = html::page(&outcome, swept.as_ref());
        whole::write(file, &page)
            .map_err(|e| wrong(&format!("cannot write {}: {}", file.display(), super::load::plain(&e))))?;
    }
    let width = terminal_size::terminal_size().map_or(100, |(w, _)| usize::from(w.0));
    let body = Body { outcome: Some(&outcome), sweep: swept.as_ref(), ..Body::of(&recording) };
    if let Some(sweep) = &swept {
        return Ok(shown(args, &body, || {
            if args.picture {
                picture::heat_map(sweep, outcome.start, width, style())
            } else {
                timeline::sweep(sweep, outcome.start, style())
            }
        }));
    }
    let _ = shown(args, &body, || {
        if args.picture { picture::timeline(&outcome, width, style()) } else { timeline::text(&outcome, style()) }
    });
    Ok(of(&outcome))
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

/// What is printed as JSON.
#[derive(Serialize)]
struct Body<'a> {
    schema: &'static str,
    recording: &'a About,
    #[serde(skip_serializing_if = "Option::is_none")]
    backtest: Option<&'a Backtest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep: Option<&'a Sweep>,
}

impl<'a> Body<'a> {
    fn of(recording: &'a Recording) -> Self {
        Self { schema: "canary.sim/1", recording: &recording.about, backtest: None, outcome: None, sweep: None }
    }
}

/// Prints.
fn shown(args: &Args, body: &Body<'_>, text: impl FnOnce() -> String) -> Status {
    match args.format {
        Format::Human => out!("{}", text()),
        Format::Json => {
            // as it goes: a month's decisions are many megabytes. A reader that went away is no error
            let mut out = BufWriter::new(std::io::stdout().lock());
            let _ = serde_json::to_writer_pretty(&mut out, body).map(|()| writeln!(out));
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
    let brief = Scenario { detail: Detail::Course, ..scenario.clone() };
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
        let one = Scenario { start: Some(*start), detail: Detail::Course, ..scenario.clone() };
        let (outcome, exposed) = replay::replay_exposed(plan, recording, &one);
        progress.step();
        backtest::run(&outcome, exposed)
    });
    drop(progress);
    Ok(backtest::sum(plan, distance, runs, &stretches))
}

/// Reads a recording.
///
/// # Errors
/// The exit status; it was said on standard error.
pub fn read(file: &Path) -> Result<Recording, Status> {
    let name = file.display().to_string();
    let bytes = std::fs::read(file).map_err(|e| wrong(&format!("cannot read {name}: {}", super::load::plain(&e))))?;
    let recording = decode_owned(bytes, &name).map_err(|e| wrong(&e.to_string()))?;
    Ok(recording)
}
