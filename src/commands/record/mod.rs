//! `canary record`: asks a policy's sources what every check of a past stretch would have been answered, and keeps it.

mod ask;
mod chunks;
mod finishing;
mod importing;
mod progress;
mod whole;

use super::connect::connect_sources;
use super::exit::{Status, because};
use super::load::{Compiled, compile};
use super::run::stop_on_signals;
use super::why::{Moment, duration, moment};
use super::{Format, load};
use crate::backend::Stretch;
use crate::plan::{InputId, Millis, Plan, Population, Time, show};
use crate::runtime::clock::now;
use crate::runtime::fetch::{matchers, with_help};
use crate::runtime::{Backends, preflight};
use crate::sim::recording::{Key, Recording};
use ask::{Job, chunk};
use chunks::{Chunks, Wanted};
use importing::Text;
use progress::Progress;
use std::path::{Path, PathBuf};

/// What `canary record --help` says of exit statuses.
const STATUSES: &str = "Exit status:
  0  recorded
  1  a source did not answer; what it answered is kept, and the same command goes on
  2  wrong usage, or an invalid policy or environment
  5  stopped; what was answered is kept, and the same command goes on";

/// Arguments of `canary record`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUSES)]
pub struct Args {
    #[command(flatten)]
    target: load::Target,
    /// The first check: an instant (`2026-11-21T18:00:00Z`), or so long ago (`2h`)
    #[arg(long, value_name = "TIME", value_parser = when, required_unless_present_any = ["import", "finish"])]
    from: Option<When>,
    /// The last check, or a little before; now when left out
    #[arg(long, value_name = "TIME", value_parser = when, conflicts_with_all = ["import", "finish"])]
    to: Option<When>,
    /// The recording: a Parquet file
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The distance of checks, a multiple of the policy's `check every`, which it is when left out
    #[arg(long, value_name = "DURATION", value_parser = step)]
    step: Option<Millis>,
    /// The most answers that are asked for
    #[arg(long, value_name = "ANSWERS", default_value_t = 20_000_000)]
    limit: u64,
    /// Ask no source: make the recording of samples that others kept. `--from` is then when the values of promtool's series begin
    /// (1970 when left out); other formats have their own times
    #[arg(long, value_name = "DATA", requires = "format")]
    import: Option<PathBuf>,
    /// What the imported text is in
    #[arg(long, value_enum, requires = "import")]
    format: Option<Text>,
    /// Which imported series is which metric: `stable served = requests_total{version="v1"}`; without it a series is the metric of
    /// its name
    #[arg(long, value_name = "RULE", requires = "import")]
    map: Vec<String>,
    /// Ask no source: make the recording of the side file (`FILE.part`) that a recorded run has left which nobody goes on with. The
    /// side file stays
    #[arg(long, value_name = "PART", conflicts_with_all = ["import", "from", "step"])]
    finish: Option<PathBuf>,
}

/// A time as it was typed.
#[derive(Debug, Clone)]
struct When {
    text: String,
    moment: Moment,
}

impl When {
    /// The instant that it means. Round times make the same questions of two recordings.
    fn at(&self, now: Time, every: Millis) -> Time {
        match self.moment {
            Moment::At(at) => at,
            Moment::After(ago) => (now - ago).div_euclid(every) * every,
        }
    }
}

fn when(text: &str) -> Result<When, String> {
    moment(text)
        .map(|moment| When { text: text.to_owned(), moment })
        .map_err(|_| String::from("how long ago is written as `12m30s`, and an instant as `2026-11-21T18:00:00Z`"))
}

fn step(text: &str) -> Result<Millis, String> {
    duration(text).filter(|d| *d > 0).ok_or_else(|| String::from("a duration is written as `30s` or `5m`"))
}

/// Records.
#[must_use]
pub fn main(args: &Args) -> Status {
    match record(args) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

fn wrong(text: &str) -> Status {
    because(Status::Wrong, text)
}

fn record(args: &Args) -> Result<(), Status> {
    let compiled = compile(&args.target, Format::Human)?;
    compiled.executable(Format::Human)?;
    let plan = &compiled.plan;
    let every = args.step.unwrap_or(plan.check_every);
    if every % plan.check_every.max(1) != 0 {
        let (every, check) = (show::duration(every), show::duration(plan.check_every));
        return Err(wrong(&format!("--step {every} is no multiple of the policy's `check every {check}`")));
    }
    if args.output.is_dir() || args.output.as_os_str() == "-" {
        return Err(wrong(&format!("{}: a recording is a file: name one with `-o`", args.output.display())));
    }
    if args.output.exists() {
        return Err(wrong(&format!(
            "{} is there already: name another file with `-o`, or remove it",
            args.output.display()
        )));
    }
    if let Some(side) = &args.finish {
        return finishing::finish(args, side, &compiled);
    }
    let now = now();
    if let (Some(file), Some(format)) = (&args.import, args.format) {
        let from = args.from.as_ref().map_or(0, |when| when.at(now, every));
        return importing::import(args, file, format, &compiled, every, from);
    }
    let Some(from) = &args.from else { return Err(wrong("--from is missing: when the first check was")) };
    refuse_the_lab(&compiled)?;
    let wanted = wanted(args, from, &compiled, every, now)?;
    let chunks = Chunks::open(&args.output, wanted).map_err(|e| wrong(&e))?;
    let over = Stretch { from: chunks.wanted.from, to: chunks.wanted.to, step: every, max_age: 0 };
    let runtime = super::runs::tokio().map_err(|e| wrong(&format!("cannot start the async runtime: {e}")))?;
    let inside = runtime.enter();
    let backends = connect_sources(plan, &compiled.bindings).map_err(|reasons| wrong(&reasons.join("\ncanary: ")))?;
    let jobs = jobs(plan, &backends)?;
    let checks = u64::try_from((over.to - over.from) / every + 1).unwrap_or(0);
    let answers = checks.saturating_mul(jobs.len() as u64);
    let slices = if plan.slices.is_empty() { "" } else { " for each slice" };
    let what = format!(
        "{} questions at {checks} checks, every {} from {} to {}: {answers} answers{slices}",
        jobs.len(),
        show::duration(every),
        show::utc(over.from),
        show::utc(over.to)
    );
    if answers > args.limit {
        chunks.remove_if_empty();
        return Err(wrong(&format!(
            "{what}, more than `--limit {}`: ask for a shorter stretch, a longer `--step`, or raise `--limit`",
            args.limit
        )));
    }
    eprintln!("canary: {what}");
    drop(inside);
    let done = runtime.block_on(async {
        let mut stop = stop_on_signals();
        tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => Err(Status::Unfinished),
            done = fetch(&chunks, &jobs, &backends, over, answers) => done.map_err(|e| because(Status::Bad, &e)),
        }
    });
    if let Err(status) = done {
        if chunks.remove_if_empty() {
            return Err(status);
        }
        eprintln!("canary: what was answered is kept in {}: the same command goes on", chunks.shown());
        return Err(status);
    }
    let recording = whole::recording(&compiled, &chunks, &jobs, over).map_err(|e| because(Status::Bad, &e))?;
    super::recording::write(&recording, &args.output).map_err(|e| because(Status::Bad, &e))?;
    chunks.remove();
    say_done(&args.output, &recording);
    Ok(())
}

/// What there is in a recording now.
fn say_done(file: &Path, recording: &Recording) {
    let missing: usize = recording.series.iter().map(|s| s.missing.len()).sum();
    let rows: usize = recording.series.iter().map(|s| s.times.len()).sum();
    outln!("{}: {} series, {rows} answers, {missing} of them missing", file.display(), recording.series.len());
    if missing == rows {
        eprintln!("canary: no answer is a number: `canary query` shows what is asked, and what is answered now");
    }
}

/// The lab begins with the command that starts it.
fn refuse_the_lab(compiled: &Compiled) -> Result<(), Status> {
    let is_lab = |input: &crate::plan::Input| {
        let bound = compiled.bindings.bindings.get(&input.source);
        bound.is_some_and(|b| matches!(b.backend.as_str(), "lab" | "lab_scrape"))
    };
    if compiled.plan.inputs.iter().any(is_lab) {
        return Err(wrong("the lab has no past to be asked for: record a run on it, `canary run … --record FILE`"));
    }
    Ok(())
}

/// What is to be recorded, in times.
fn wanted(args: &Args, from: &When, compiled: &Compiled, every: Millis, now: Time) -> Result<Wanted, Status> {
    let to = args.to.as_ref().map_or_else(|| now.div_euclid(every) * every, |when| when.at(now, every));
    let (from, typed) = (from.at(now, every), &from.text);
    let to_text = args.to.as_ref().map_or("now", |w| w.text.as_str());
    if to > now {
        return Err(wrong(&format!("--to {to_text} lies in the future: a source knows the past")));
    }
    if from >= to {
        return Err(wrong(&format!("--from {typed} is not before --to {to_text}")));
    }
    Ok(Wanted {
        part: 1,
        rollout: compiled.plan.rollout.clone(),
        policy: compiled.plan.hash.clone(),
        environment: compiled.bindings.environment.clone(),
        bindings: compiled.bindings.hash.clone(),
        typed: (typed.clone(), to_text.to_owned()),
        from,
        to: from + (to - from) / every * every,
        step: every,
    })
}

/// One job a question: inputs that ask the same have one answer.
fn jobs(plan: &Plan, backends: &Backends) -> Result<Vec<Job>, Status> {
    let mut jobs: Vec<Job> = Vec::new();
    for (i, input) in plan.inputs.iter().enumerate() {
        let key = Key::of(input, &[]);
        let before = match (input.population, plan.baseline) {
            (Population::Before, Some(length)) => Some((length, plan.is_bad_part(InputId::at(i)))),
            (Population::Before, None) => continue,
            _ => None,
        };
        if jobs.iter().any(|j| j.key == key) {
            continue;
        }
        let Some(source) = backends.sources.get(&input.source).cloned() else { continue };
        let ask = input.ask.filled(matchers(backends, input.population));
        jobs.push(Job { input: i, key, ask, by: input.by.clone(), source, before });
    }
    if jobs.is_empty() {
        return Err(wrong(&format!("{} asks no source anything: there is nothing to record", plan.rollout)));
    }
    Ok(jobs)
}

/// Asks what was not answered yet.
async fn fetch(chunks: &Chunks, jobs: &[Job], backends: &Backends, over: Stretch, answers: u64) -> Result<(), String> {
    for (name, source) in &backends.sources {
        match tokio::time::timeout(preflight::REACH, source.ready()).await {
            Ok(Ok(_)) => {}
            Ok(Err(e)) => return Err(format!("source {name}: {}", with_help(&e))),
            Err(_) => return Err(format!("source {name}: no answer within {}s", preflight::REACH.as_secs())),
        }
    }
    let mut progress = Progress::new(answers);
    for (j, job) in jobs.iter().enumerate() {
        for (c, over) in job.chunks(over).enumerate() {
            let points = u64::try_from((over.to - over.from) / over.step + 1).unwrap_or(0);
            if chunks.has(j, c) {
                progress.had(points);
                continue;
            }
            let answered = chunk(job, over).await.map_err(|e| format!("{}: {}", job.key, with_help(&e)))?;
            chunks.keep(j, c, &answered)?;
            progress.made(points);
        }
    }
    progress.end();
    Ok(())
}
