//! Asks everything a check needs: all inputs and all ports at once, each within the check's deadline.

use super::backends::Backends;
use super::clock::duration;
use crate::engine::{State, since};
use crate::plan::{Answer, InputId, Millis, Missing, Plan, Population, PortId, Setting, Time};
use std::time::Duration;
use tokio::task::JoinSet;

/// What a check was answered.
#[derive(Debug, Clone)]
pub struct Fetched {
    /// The planned time.
    pub at: Time,
    /// By input.
    pub answers: Vec<Answer>,
    /// By port; `None` where it could not be read.
    pub ports: Vec<Option<Setting>>,
    /// The request that was verified when the ports were read; 0 for none.
    pub ports_epoch: u32,
    /// Whether it was asked at its time.
    pub live: bool,
}

/// An answer for what nobody asked.
#[must_use]
pub fn unasked() -> Answer {
    Answer { value: Err(Missing::NotAsked), sampled_at: None, series: 0 }
}

/// How long a check's questions may take: four fifths of the interval, at most 10 s.
#[must_use]
pub fn deadline(check_every: Millis) -> Duration {
    duration((check_every * 4 / 5).clamp(200, 10_000))
}

/// The label matchers of a population.
#[must_use]
pub fn matchers(backends: &Backends, population: Population) -> &str {
    let name = match population {
        Population::Canary => "canary",
        // before the first change everybody is stable
        Population::Stable | Population::Before => "stable",
    };
    backends.variants.get(name).map_or("", String::as_str)
}

/// When each input's disjoint increments are to be counted from.
#[must_use]
pub fn sinces(plan: &Plan, state: &State) -> Vec<Option<Time>> {
    (0..plan.inputs.len()).map(|i| since(plan, state, InputId::at(i))).collect()
}

/// Asks all inputs but those of the baseline, as of `at`.
pub async fn inputs(
    plan: &Plan,
    backends: &Backends,
    sinces: &[Option<Time>],
    at: Time,
    within: Duration,
    history_only: bool,
) -> Vec<Answer> {
    let mut tasks: JoinSet<(usize, Answer)> = JoinSet::new();
    let mut answers = vec![unasked(); plan.inputs.len()];
    for (i, input) in plan.inputs.iter().enumerate() {
        if input.population == Population::Before {
            continue;
        }
        let Some(source) = backends.sources.get(&input.source).cloned() else { continue };
        if history_only && !source.has_history() {
            continue;
        }
        let ask = input.ask.filled(matchers(backends, input.population));
        let from = sinces.get(i).copied().flatten();
        tasks.spawn(async move {
            let answer = tokio::time::timeout(within, source.ask(&ask, at, from)).await.unwrap_or_else(|_| Answer {
                value: Err(Missing::Failed { message: format!("no answer within {}ms", within.as_millis()) }),
                sampled_at: None,
                series: 0,
            });
            // a check that was missed and cannot be made up for stays missed; it says nothing of the source
            let answer =
                if history_only && matches!(answer.value, Err(Missing::Failed { .. })) { unasked() } else { answer };
            (i, answer)
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Ok((i, answer)) = done
            && let Some(slot) = answers.get_mut(i)
        {
            *slot = answer;
        }
    }
    answers
}

/// Reads all ports that are bound.
pub async fn ports(plan: &Plan, backends: &Backends, within: Duration) -> Vec<Result<Setting, String>> {
    let mut tasks: JoinSet<(usize, Result<Setting, String>)> = JoinSet::new();
    let mut out: Vec<Result<Setting, String>> = plan.ports.iter().map(|_| Err(String::from("not bound"))).collect();
    for i in 0..plan.ports.len() {
        let Some(port) = backends.port(PortId::at(i)).cloned() else { continue };
        tasks.spawn(async move {
            let read = tokio::time::timeout(within, port.read()).await;
            let read = match read {
                Ok(Ok(setting)) => Ok(setting),
                Ok(Err(e)) => Err(with_help(&e)),
                Err(_) => Err(format!("{}: no answer within {}ms", port.describe(), within.as_millis())),
            };
            (i, read)
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Ok((i, read)) = done
            && let Some(slot) = out.get_mut(i)
        {
            *slot = read;
        }
    }
    out
}

/// An error with what a person can do about it.
#[must_use]
pub fn with_help(e: &crate::backend::BackendError) -> String {
    match &e.help {
        Some(help) => format!("{e} ({help})"),
        None => e.to_string(),
    }
}
