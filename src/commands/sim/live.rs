//! `canary sim --live`: what a rollout would do now, on the metrics of an environment. Sources are asked, as `run` asks them; ports,
//! actions and channels are not even connected, and no store is opened.

use super::super::Format;
use super::super::connect::connect_sources;
use super::super::exit::{Status, because};
use super::super::load::{self, Compiled, compile};
use super::super::policy::{apply, wrong};
use super::super::recording::{Gathered, about, write};
use super::super::run::stop_on_signals;
use super::super::runs::tokio;
use super::{Args, of, style};
use crate::plan::{Answer, InputId, Plan, Population, Time, show};
use crate::report::lines::Lines;
use crate::report::style::Style;
use crate::report::timeline;
use crate::runtime::clock::{duration, next_check, now};
use crate::runtime::{Backends, fetch, preflight};
use crate::sim::recording::Recording;
use crate::sim::replay::outcome::Outcome;
use crate::sim::replay::{Live, change};
use serde_json::json;
use std::path::Path;
use tokio::sync::watch;

/// The room for how long after the start something was: `1d12h30m`.
const WIDTH: usize = 8;

/// Watches until the rollout would be over, or somebody has seen enough.
pub(super) fn live(args: &Args) -> Result<Status, Status> {
    let Some(env) = &args.env else {
        return Err(wrong("--live: whose metrics? name an environment with `--env`"));
    };
    let (fields, sets): (Vec<_>, Vec<_>) = args.sets.iter().cloned().partition(|(name, _)| change::is_field(name));
    let (file, env, rollout) = (args.file.clone(), env.clone(), args.rollout.clone());
    let compiled = compile(&load::Target { file, env, rollout, sets, watch: None }, Format::Human)?;
    compiled.executable(Format::Human)?;
    let plan = apply(compiled.plan.clone(), &fields).map_err(|e| wrong(&format!("--set: {e}")))?;
    refuse(&plan, &compiled, args.record.as_deref())?;
    let runtime = tokio().map_err(|e| wrong(&format!("cannot start the async runtime: {e}")))?;
    runtime.block_on(async {
        let backends = connect_sources(&plan, &compiled.bindings).map_err(|r| wrong(&r.join("\ncanary: ")))?;
        let mut stop = stop_on_signals();
        let mut watched = Watched { plan: &plan, compiled: &compiled, backends, args, gathered: Gathered::default() };
        watched.go(&mut stop).await
    })
}

/// What cannot be watched.
fn refuse(plan: &Plan, compiled: &Compiled, record: Option<&Path>) -> Result<(), Status> {
    if !plan.slices.is_empty() {
        return Err(wrong("a rollout with slices cannot be simulated yet: take one without `per`, of one slice"));
    }
    let is_lab = |input: &crate::plan::Input| {
        let bound = compiled.bindings.bindings.get(&input.source);
        bound.is_some_and(|b| matches!(b.backend.as_str(), "lab" | "lab_scrape"))
    };
    if plan.inputs.iter().any(is_lab) {
        return Err(wrong(
            "the lab is there only while a run is: `canary run … --env lab` runs on it, and changes nothing of yours",
        ));
    }
    match record {
        Some(file) if file.exists() => {
            Err(wrong(&format!("--record: {} is there already: name another file, or remove it", file.display())))
        }
        Some(file) if file.as_os_str() == "-" => {
            Err(wrong("--record: a recording is a Parquet file, and cannot go to standard output: name a file"))
        }
        _ => Ok(()),
    }
}

struct Watched<'a> {
    plan: &'a Plan,
    compiled: &'a Compiled,
    backends: Backends,
    args: &'a Args,
    gathered: Gathered,
}

impl Watched<'_> {
    async fn go(&mut self, stop: &mut watch::Receiver<bool>) -> Result<Status, Status> {
        let plan = self.plan;
        let mut observer = Lines::new(std::io::stderr(), Style::PLAIN);
        let reached = preflight::reach_sources(&self.backends, &mut observer).await;
        // a run would be refused
        let warnings = reached.map_err(|reasons| because(Status::Refused, &reasons.join("\ncanary: ")))?;
        warnings.iter().for_each(|w| eprintln!("canary: {w}"));
        let before = preflight::baseline(plan, &self.backends, &mut observer, stop, false).await;
        let Some((baseline, _)) = before else { return Ok(Status::Unfinished) };
        let start = now();
        let Some(answers) = self.ask(start, &vec![None; plan.inputs.len()], plan.check_every.max(2_500), stop).await
        else {
            return Ok(Status::Unfinished);
        };
        self.keep(start, &answers, Population::Canary);
        let of_before: Vec<Answer> = baseline.iter().map(|a| a.clone().unwrap_or_else(fetch::unasked)).collect();
        self.keep(start, &of_before, Population::Before);
        self.say(&format!(
            "{} on {}, watched from {}, a check every {}: what a run would do; nothing is set\n\n",
            style().bold(&plan.rollout),
            self.compiled.bindings.environment,
            show::utc(start),
            show::duration(plan.check_every)
        ));
        let mut live = Live::start(plan, start, &answers, baseline);
        let (mut last, mut told) = (start, 0);
        loop {
            told = self.tell(live.decisions(), start, told);
            if live.is_over() {
                break;
            }
            let next = next_check(start, plan.check_every, last, now());
            tokio::select! {
                biased;
                _ = stop.wait_for(|s| *s) => break,
                () = tokio::time::sleep(duration(next - now())) => {}
            }
            let since = fetch::sinces(plan, live.state());
            let Some(answers) = self.ask(next, &since, plan.check_every, stop).await else { break };
            self.keep(next, &answers, Population::Canary);
            live.check(next, &answers);
            last = next;
        }
        let mut outcome = live.outcome();
        self.tell(&outcome.decisions, start, told);
        timeline::tell(&mut outcome);
        self.report(&outcome);
        self.record(start, last)?;
        Ok(of(&outcome))
    }

    /// Asks everything as of a check; nothing where somebody has seen enough meanwhile.
    async fn ask(
        &self,
        at: Time,
        since: &[Option<Time>],
        every: i64,
        stop: &mut watch::Receiver<bool>,
    ) -> Option<Vec<Answer>> {
        tokio::select! {
            biased;
            _ = stop.wait_for(|s| *s) => None,
            answers = fetch::inputs(self.plan, &self.backends, since, at, fetch::deadline(every), false) => Some(answers),
        }
    }

    /// Keeps what was answered, for `--record`: of the baseline, or of everybody else.
    fn keep(&mut self, at: Time, answers: &[Answer], whose: Population) {
        if self.args.record.is_none() {
            return;
        }
        for (i, answer) in answers.iter().enumerate() {
            let Some(input) = self.plan.inputs.get(InputId::at(i).index()) else { continue };
            if (input.population == Population::Before) == (whose == Population::Before)
                && let Err(e) = self.gathered.add(input, &[], at, answer.clone())
            {
                eprintln!("canary: --record: an answer of {} is left out: {e}", input.metric);
            }
        }
    }

    /// Tells decisions as they come; in JSON they come at the end.
    fn tell(&self, decisions: &[crate::sim::replay::outcome::Decision], start: Time, told: usize) -> usize {
        for d in decisions.iter().skip(told) {
            self.say(&timeline::decision(d, start, WIDTH, style()));
        }
        decisions.len()
    }

    fn say(&self, text: &str) {
        if self.args.format == Format::Human {
            out!("{text}");
        }
    }

    fn report(&self, outcome: &Outcome) {
        let over = format!("stopped after {}", show::duration(outcome.end - outcome.start));
        match self.args.format {
            Format::Human => {
                out!("{}", timeline::end(outcome, &over, "What was taken for granted", style()));
            }
            Format::Json => {
                let live = json!({ "environment": self.compiled.bindings.environment, "policy": self.plan.hash });
                let whole = json!({ "schema": "canary.sim/1", "live": live, "outcome": outcome });
                outln!("{whole:#}");
            }
        }
    }

    fn record(&mut self, from: Time, to: Time) -> Result<(), Status> {
        let Some(file) = &self.args.record else { return Ok(()) };
        let mut about = about(self.plan, &self.compiled.bindings);
        (about.from, about.to) = (from, to);
        let series = std::mem::take(&mut self.gathered).series();
        write(&Recording { about, series, happened: Vec::new() }, file).map_err(|e| wrong(&e))?;
        eprintln!("canary: what was answered is in {}", file.display());
        Ok(())
    }
}
