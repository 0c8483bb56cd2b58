//! `canary query`: what a metric answers now, with its age and series.

use super::Format;
use super::connect::connect;
use super::exit::{Status, because};
use super::load::{Target, compile};
use crate::engine::eval::{Check, Value, eval};
use crate::engine::explain::{InputReport, input_reports};
use crate::engine::state::Owner;
use crate::engine::{Given, State};
use crate::plan::{Bindings, InputId, Metric, Plan, Population, Reading, show};
use crate::report::why::query as question;
use crate::runtime::preflight::Ready;
use crate::runtime::{Backends, clock::now, fetch};
use serde_json::{Value as Json, json};
use std::time::Duration;

/// Arguments of `canary query`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The metric
    metric: String,
    #[command(flatten)]
    target: Target,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Asks.
#[must_use]
pub fn main(args: &Args) -> Status {
    match ask(args) {
        Ok(status) | Err(status) => status,
    }
}

fn ask(args: &Args) -> Result<Status, Status> {
    let compiled = compile(&args.target, args.format)?;
    let (plan, bindings) = (&compiled.plan, &compiled.bindings);
    let Some(metric) = plan.metrics.iter().find(|m| m.name == args.metric) else {
        let names: Vec<&str> = plan.metrics.iter().map(|m| m.name.as_str()).collect();
        let message = format!("{} reads no metric `{}`; it reads {}", plan.rollout, args.metric, names.join(", "));
        return Err(because(Status::Wrong, &message));
    };
    let runtime =
        super::runs::tokio().map_err(|e| because(Status::Wrong, &format!("cannot start the async runtime: {e}")))?;
    runtime.block_on(async {
        let lab = if super::lab::is_needed(bindings) {
            let lab = super::lab::start_for(plan, Vec::new()).await;
            Some(lab.map_err(|e| because(Status::Wrong, &format!("the lab does not start: {e}")))?)
        } else {
            None
        };
        let backends = connect(plan, bindings, lab.as_ref())
            .map_err(|reasons| because(Status::Wrong, &reasons.join("\ncanary: ")))?;
        for (name, source) in &backends.sources {
            if let Err(e) = source.ready().await {
                return Err(because(Status::Wrong, &format!("source {name}: {}", fetch::with_help(&e))));
            }
            if !source.has_history() {
                // a scraped page has no past: let a window's worth of it come in
                let reach = plan.inputs.iter().map(|i| i.reach).max().unwrap_or(0).clamp(2_000, 10_000);
                tokio::time::sleep(Duration::from_millis(u64::try_from(reach).unwrap_or(2_000))).await;
            }
        }
        let status = answer(plan, bindings, &backends, metric, args.format).await;
        if let Some(lab) = lab {
            lab.stop().await;
        }
        Ok(status)
    })
}

async fn answer(plan: &Plan, bindings: &Bindings, backends: &Backends, metric: &Metric, format: Format) -> Status {
    let at = now();
    let sinces = vec![None; plan.inputs.len()];
    let answers = fetch::inputs(plan, backends, &sinces, at, Duration::from_secs(10), false).await;
    let mut state = State::new(plan);
    state.started = Some(at);
    let check = Check { plan, at, answers: &answers, given: Given::NONE };
    let inputs: Vec<InputId> = metric
        .inputs
        .iter()
        .copied()
        .filter(|i| plan.inputs.get(i.index()).is_some_and(|x| x.population != Population::Before))
        .collect();
    let reports = input_reports(check, &state, &inputs);
    let value = metric.value.map(|node| eval(check, &mut state, node, Owner::Rollout));
    let known = match value {
        Some(Value::Num(n)) => n.shown(),
        _ => None,
    };
    match format {
        Format::Human => {
            match (metric.value, known) {
                (None, _) => outln!("{}: {}", metric.name, metric.kind),
                (Some(_), Some(v)) => outln!("{} = {}", metric.name, show::brief(v, metric.unit)),
                (Some(node), None) if plan.program.looks_back(node) => {
                    outln!("{} has no value: it is made of the checks of a run", metric.name);
                }
                (Some(_), None) => outln!("{} has no value", metric.name),
            }
            for r in &reports {
                outln!("  {}", input_line(r, &answers));
                if let Some(q) = question(plan, bindings, r.input) {
                    outln!("    {q}");
                }
            }
        }
        Format::Json => {
            let list: Vec<Json> = reports
                .iter()
                .map(|r| json!({ "answer": r, "query": question(plan, bindings, r.input), "series": series(r, &answers) }))
                .collect();
            let whole = json!({
                "schema": "canary.query/1",
                "metric": metric.name,
                "kind": metric.kind,
                "value": known,
                "inputs": list,
            });
            outln!("{whole}");
        }
    }
    if reports.iter().all(|r| r.missing.is_some()) { Status::Bad } else { Status::Success }
}

fn series(r: &InputReport, answers: &[crate::plan::Answer]) -> u32 {
    answers.get(r.input.index()).map_or(0, |a| a.series)
}

fn input_line(r: &InputReport, answers: &[crate::plan::Answer]) -> String {
    let who = match r.population {
        Population::Canary => "canary",
        Population::Stable => "stable",
        Population::Before => "before",
    };
    let age = r.age.map_or(String::new(), |a| format!(", sampled {} ago", show::duration(a)));
    let n = series(r, answers);
    let of = format!("{n} series{age}");
    match (&r.missing, r.value) {
        (Some(m), _) => format!("{} of {who}: {m}{age}", r.metric),
        (None, Some(v)) => {
            let buckets = match answers.get(r.input.index()).map(|a| &a.value) {
                Some(Ok(Reading::Buckets(b))) => {
                    let list: Vec<String> = b
                        .iter()
                        .map(|b| {
                            format!("{}: {}", b.le.map_or_else(|| String::from("+Inf"), |v| v.to_string()), b.count)
                        })
                        .collect();
                    format!("; buckets {}", list.join(", "))
                }
                _ => String::new(),
            };
            format!("{} of {who}: {v} ({of}{buckets})", r.metric)
        }
        (None, None) => format!("{} of {who}: – ({of})", r.metric),
    }
}

/// Every input as it was answered, for a dry run: with a line for people.
#[must_use]
pub fn inputs(plan: &Plan, bindings: &Bindings, ready: &Ready) -> Vec<Json> {
    let mut state = State::new(plan);
    state.baseline.clone_from(&ready.baseline);
    let check = Check { plan, at: ready.at, answers: &ready.answers, given: Given::NONE };
    let now = |i: &InputId| plan.inputs.get(i.index()).is_some_and(|x| x.population != Population::Before);
    let all: Vec<InputId> = (0..plan.inputs.len()).map(InputId::at).filter(now).collect();
    let reports = input_reports(check, &state, &all);
    let shown = |r: &InputReport| {
        json!({
            "input": r.input,
            "metric": r.metric,
            "population": r.population,
            "query": question(plan, bindings, r.input),
            "value": r.value,
            "missing": r.missing,
            "age_ms": r.age,
            "series": series(r, &ready.answers),
            "text": input_line(r, &ready.answers),
        })
    };
    reports.iter().map(shown).collect()
}
