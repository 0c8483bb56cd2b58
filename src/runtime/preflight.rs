//! Everything that must be in reach and in order before anything is changed; all reasons are reported together.

use super::backends::Backends;
use super::clock::{duration, now};
use super::observe::Observer;
use super::{clocks, fetch};
use crate::backend::Stretch;
use crate::engine::value::Num;
use crate::engine::{Effect, Input, Record, State, step};
use crate::plan::{Answer, Ask, Input as Asked, InputId, Node, Plan, Population, PortId, Reading, Setting, Time, show};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How the engine begins to say that a baseline is missing.
const NO_BASELINE: &str = "no baseline for ";
/// How long a backend may take to answer before the start.
pub const REACH: Duration = super::apply::CALL;

/// What preflight read.
#[derive(Debug, Clone)]
pub struct Ready {
    /// The first check's planned time.
    pub at: Time,
    /// What every port was read as.
    pub originals: Vec<(PortId, Setting)>,
    /// What every input was answered.
    pub answers: Vec<Answer>,
    /// What every input of the baseline was answered.
    pub baseline: Vec<Option<Answer>>,
    /// From when to when the baseline was read; none where nothing was.
    pub baseline_window: Option<(Time, Time)>,
    /// Reasons why the start would be refused by the rollout's own rules (`require`, exposure, guards, baseline).
    pub refused: Vec<String>,
    /// What should be known but does not stand in the way.
    pub warnings: Vec<String>,
}

/// Reaches every backend. Returns what should be known, or all reasons why the run cannot start.
pub async fn reach(plan: &Plan, backends: &Backends, observer: &mut dyn Observer) -> Result<Vec<String>, Vec<String>> {
    let mut reasons = sources(backends, observer).await;
    match &backends.slices {
        // the ports of a slice are read when it begins
        Some(slices) => reasons.extend(slices.ready()),
        None => {
            for (i, read) in fetch::ports(plan, backends, REACH).await.into_iter().enumerate() {
                if let Err(e) = read {
                    reasons.push(format!("{}: {e}", plan.port_name(PortId::at(i))));
                }
            }
        }
    }
    reasons.extend(unacceptable(plan, backends));
    let clocks = clocks::compare(backends, REACH).await;
    reasons.extend(clocks.refused);
    reasons.sort();
    if reasons.is_empty() { Ok(clocks.warnings) } else { Err(reasons) }
}

/// Reaches every source, and nothing else. Returns what should be known, or all reasons why they cannot be asked.
pub async fn reach_sources(backends: &Backends, observer: &mut dyn Observer) -> Result<Vec<String>, Vec<String>> {
    let mut reasons = sources(backends, observer).await;
    let clocks = clocks::compare(backends, REACH).await;
    reasons.extend(clocks.refused);
    reasons.sort();
    if reasons.is_empty() { Ok(clocks.warnings) } else { Err(reasons) }
}

/// Why sources cannot be reached; what those that can are is remarked.
async fn sources(backends: &Backends, observer: &mut dyn Observer) -> Vec<String> {
    let mut tasks: JoinSet<Result<String, String>> = JoinSet::new();
    for (name, source) in backends.sources.clone() {
        tasks.spawn(async move {
            match tokio::time::timeout(REACH, source.ready()).await {
                Ok(Ok(what)) => Ok(format!("{name}: {what}")),
                Ok(Err(e)) => Err(format!("source {name}: {}", fetch::with_help(&e))),
                Err(_) => Err(format!("source {name}: no answer within {}s", REACH.as_secs())),
            }
        });
    }
    let mut reasons = Vec::new();
    while let Some(done) = tasks.join_next().await {
        match done {
            Ok(Ok(text)) => observer.remark(now(), &text),
            Ok(Err(reason)) => reasons.push(reason),
            Err(e) => reasons.push(format!("preflight: {e}")),
        }
    }
    reasons
}

/// Settings of phases and kill switches that a backend could not take: found before the first is set.
fn unacceptable(plan: &Plan, backends: &Backends) -> Vec<String> {
    let mut out = Vec::new();
    let of_phases = plan.phases.iter().map(|p| (format!("phase {}", p.name), &p.settings));
    let of_switches = plan.switches.iter().map(|s| (format!("kill switch {}", s.name), &s.settings));
    for (what, settings) in of_phases.chain(of_switches) {
        for (port, setting) in settings {
            if let Some(Err(e)) = backends.port(*port).map(|b| b.accepts(*setting)) {
                out.push(format!("{what}: {} = {setting}: {}", plan.port_name(*port), fetch::with_help(&e)));
            }
        }
    }
    out
}

/// Reads everything that the start needs. Unless it is a `dry` run, waits for the baseline where a source has no history; `None` when asked to stop
/// meanwhile. `rolled_back` is when this rollout was last rolled back.
pub async fn read(
    plan: &Plan,
    backends: &Backends,
    observer: &mut dyn Observer,
    stop: &mut watch::Receiver<bool>,
    rolled_back: Option<Time>,
    dry: bool,
) -> Result<Option<Ready>, Vec<String>> {
    let mut warnings = reach(plan, backends, observer).await?;
    let Some((baseline, baseline_window)) = baseline(plan, backends, observer, stop, dry).await else {
        return Ok(None);
    };
    let at = now();
    let within = fetch::deadline(plan.check_every.max(2_500));
    let sinces = vec![None; plan.inputs.len()];
    let answers = fetch::inputs(plan, backends, &sinces, at, within, false).await;
    let mut originals = Vec::new();
    let mut reasons = Vec::new();
    for (i, read) in fetch::ports(plan, backends, REACH).await.into_iter().enumerate() {
        match read {
            Ok(setting) => originals.push((PortId::at(i), setting)),
            Err(e) => reasons.push(format!("{}: {e}", plan.port_name(PortId::at(i)))),
        }
    }
    if !reasons.is_empty() {
        return Err(reasons);
    }
    warnings.extend(bounds_warnings(plan, &answers));
    // ask the engine itself on a state that is thrown away: there is no second opinion
    let mut state = State::new(plan);
    let mut effects = Vec::new();
    let (originals_read, baseline_read) = (originals.clone(), baseline.clone());
    let input = Input::Start { at, originals: originals_read, answers: &answers, baseline: baseline_read, rolled_back };
    step(plan, &mut state, input, &mut effects);
    let refused = effects
        .into_iter()
        .find_map(|e| match e {
            Effect::Record(r) => match *r {
                Record::Refused { reasons } => Some(reasons),
                _ => None,
            },
            _ => None,
        })
        .unwrap_or_default();
    // what a dry run did not collect is no reason
    let collected = baseline.iter().any(Option::is_some) || !dry;
    let refused = refused.into_iter().filter(|r| collected || !r.starts_with(NO_BASELINE)).collect();
    Ok(Some(Ready { at, originals, answers, baseline, baseline_window, refused, warnings }))
}

/// What every input was answered over the baseline, and over which stretch.
type Baseline = (Vec<Option<Answer>>, Option<(Time, Time)>);

/// Asks for the stable population's numbers over the baseline: by input, and over which stretch. Unless it is a `dry` run, waits for them
/// where a source has no history; `None` when asked to stop meanwhile.
pub async fn baseline(
    plan: &Plan,
    backends: &Backends,
    observer: &mut dyn Observer,
    stop: &mut watch::Receiver<bool>,
    dry: bool,
) -> Option<Baseline> {
    let mut out = vec![None; plan.inputs.len()];
    let wanted: Vec<(usize, &Asked)> =
        plan.inputs.iter().enumerate().filter(|(_, i)| i.population == Population::Before).collect();
    let (Some(length), false) = (plan.baseline, wanted.is_empty()) else { return Some((out, None)) };
    let waits = wanted.iter().any(|(_, i)| backends.sources.get(&i.source).is_some_and(|s| !s.has_history()));
    if waits && dry {
        let text =
            format!("a run would collect the baseline for {} first: not done in a dry run", show::duration(length));
        observer.remark(now(), &text);
        return Some((out, None));
    }
    if waits {
        let text = format!("collecting the baseline for {}: the source keeps no history", show::duration(length));
        observer.remark(now(), &text);
        for quarter in 1..=4 {
            tokio::select! {
                () = tokio::time::sleep(duration(length) / 4) => {}
                _ = stop.wait_for(|s| *s) => return None,
            }
            if quarter < 4 {
                let (so_far, whole) = (show::duration(length * quarter / 4), show::duration(length));
                observer.remark(now(), &format!("collecting the baseline: {so_far} of {whole}"));
            }
        }
    }
    let at = now();
    for (i, input) in wanted {
        let Some(source) = backends.sources.get(&input.source) else { continue };
        let ask = input.ask.filled(fetch::matchers(backends, Population::Before));
        let over = Stretch { from: at - length, to: at, step: plan.check_every, max_age: input.max_age };
        let answering = async {
            match &ask {
                Ask::Gauge(_) | Ask::PromQl { .. } => source.mean(&ask, over).await,
                // it began to exist with the first bad event: before, none were counted
                Ask::Increase(..) if plan.is_bad_part(InputId::at(i)) => source.ask(&ask, at, None).await,
                Ask::Increase(..) | Ask::Buckets(..) => source.whole(&ask, over).await,
            }
        };
        let answer = tokio::time::timeout(REACH, answering)
            .await
            .unwrap_or_else(|_| Answer::failed(format!("no answer within {}s", REACH.as_secs())));
        if let Some(slot) = out.get_mut(i) {
            *slot = Some(answer);
        }
    }
    Some((out, Some((at - length, at))))
}

/// `share(h < v)` with a bound that the histogram does not have can only be told to lie between two others.
fn bounds_warnings(plan: &Plan, answers: &[Answer]) -> Vec<String> {
    let mut out = Vec::new();
    for node in &plan.program.nodes {
        let Node::Share { buckets, below } = *node else { continue };
        let (Some(input), Some(answer)) = (plan.inputs.get(buckets.index()), answers.get(buckets.index())) else {
            continue;
        };
        let Ok(Reading::Buckets(b)) = &answer.value else { continue };
        let share = crate::engine::eval::share_below(b, below / input.scale);
        if exact(share) {
            continue;
        }
        let bounds: Vec<String> = b.iter().filter_map(|b| b.le).map(|le| (le * input.scale).to_string()).collect();
        let text = format!(
            "share({} < {below}): no bucket ends at {below} s; the bounds are {}; between two of them the guard may stay undecided",
            input.metric,
            bounds.join(", ")
        );
        if !out.contains(&text) {
            out.push(text);
        }
    }
    out
}

#[expect(clippy::float_cmp, reason = "both ends come from the same division")]
fn exact(n: Num) -> bool {
    n.is_missing() || n.lo == n.hi
}
