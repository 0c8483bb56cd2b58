//! What a rollout reads, as a test can name it.

use crate::plan::{InputId, Metric, Millis, Node, NodeId, Plan, Population, SliceValues, Step, Window, show};
use std::collections::BTreeSet;

/// The nodes that something reads: a condition, a `hold until`, or who is a slice. What stands in the program only so that `query`
/// can show a metric is not among them.
pub(super) fn live(plan: &Plan) -> BTreeSet<NodeId> {
    let nodes = &plan.program.nodes;
    let below: BTreeSet<NodeId> = nodes.iter().flat_map(Node::operands).collect();
    let shown: BTreeSet<NodeId> = plan.metrics.iter().filter_map(|m| m.value).collect();
    let mut todo: Vec<NodeId> =
        (0..nodes.len()).map(NodeId::at).filter(|n| !below.contains(n) && !shown.contains(n)).collect();
    todo.extend(plan.metrics.iter().filter(|m| counted(plan, m) || tells_slices(plan, m)).filter_map(|m| m.value));
    let mut out = BTreeSet::new();
    while let Some(n) = todo.pop() {
        if out.insert(n)
            && let Some(node) = nodes.get(n.index())
        {
            todo.extend(node.operands());
        }
    }
    out
}

/// Whether a `hold until` counts the events of a metric: the step itself reads only its `total`.
fn counted(plan: &Plan, metric: &Metric) -> bool {
    let of = format!(" events of {}", metric.name);
    let counts = |s: &Step| matches!(s, Step::HoldUntil { text, .. } if text.ends_with(&of));
    metric.kind == "events" && plan.phases.iter().any(|p| p.steps.iter().any(counts))
}

/// Whether a dimension is `of` a metric, so that its series say which slices there are.
pub(super) fn tells_slices(plan: &Plan, metric: &Metric) -> bool {
    plan.slices.iter().any(|s| matches!(&s.values, SliceValues::Of(name) if *name == metric.name))
}

/// The length of the window over which an input is asked.
pub(super) fn window(plan: &Plan, input: InputId) -> Option<Millis> {
    use crate::plan::Ask;
    match &plan.inputs.get(input.index())?.ask {
        Ask::Increase(_, Window::Last(d)) | Ask::Buckets(_, Window::Last(d)) => Some(*d),
        _ => None,
    }
}

/// Everything that a test can give, as it would write it, in the order of the plan.
#[must_use]
pub fn readable(plan: &Plan) -> Vec<String> {
    let mut out = Vec::new();
    for id in live(plan) {
        if let Some(text) = text(plan, id)
            && !out.contains(&text)
        {
            out.push(text);
        }
    }
    out
}

/// What a node is called in a `given`; none for what is only reckoned.
#[must_use]
pub fn text(plan: &Plan, id: NodeId) -> Option<String> {
    let node = plan.program.nodes.get(id.index())?;
    if let Node::OverTime { of, how, window, .. } = *node {
        let text = text(plan, of)?;
        // `stable avg(m, 5m)`
        let (population, name) = match text.split_once(' ') {
            Some((p @ ("stable" | "before"), name)) => (format!("{p} "), name),
            _ => (String::new(), text.as_str()),
        };
        return Some(format!("{population}{}", how.written(name, &show::duration(window))));
    }
    let first = node.inputs().next()?;
    let input = plan.inputs.get(first.index())?;
    let population = match input.population {
        Population::Canary => "",
        Population::Stable => "stable ",
        Population::Before => "before ",
    };
    let of = |name: &str| format!("{population}{name}");
    // the window of `before` is the baseline, which nobody writes
    let last = |d: Option<Millis>| match d {
        Some(d) if input.population != Population::Before => format!(", {}", show::duration(d)),
        _ => String::new(),
    };
    Some(match node {
        Node::Gauge(_) => of(&input.metric),
        Node::Increase(i, _) => of(&format!("increase({}{})", input.metric, last(window(plan, *i)))),
        Node::Accumulated { since_phase: true, .. } => of(&format!("increase({}, since phase)", input.metric)),
        Node::Accumulated { .. } => of(&format!("increase({})", input.metric)),
        Node::Events { bad, total } => {
            let same = |m: &&crate::plan::Metric| {
                m.kind == "events"
                    && m.value.and_then(|v| plan.program.nodes.get(v.index())).is_some_and(|n| {
                        let names = |n: &Node| -> Vec<String> {
                            n.inputs().filter_map(|i| plan.inputs.get(i.index())).map(|i| i.metric.clone()).collect()
                        };
                        names(n) == names(node)
                    })
            };
            let metric = plan.metrics.iter().find(same)?;
            let usual = metric.value == Some(id);
            let w = window(plan, *total).or_else(|| window(plan, *bad));
            match w {
                Some(w) if !usual && input.population == Population::Canary => {
                    of(&format!("{}({})", metric.name, show::duration(w)))
                }
                _ => of(&metric.name),
            }
        }
        Node::Share { below, .. } => {
            let unit = plan.metrics.iter().find(|m| m.name == input.metric)?.unit;
            of(&format!("share({} < {})", input.metric, show::value(*below, unit)))
        }
        Node::Quantile { q, .. } => match (q * 100.0).round() {
            p if (q * 100.0 - p).abs() < 1e-9 && [50.0, 95.0, 99.0].contains(&p) => {
                of(&format!("p{p}({})", input.metric))
            }
            _ => of(&format!("quantile({}, {})", input.metric, show::number(*q))),
        },
        _ => return None,
    })
}
