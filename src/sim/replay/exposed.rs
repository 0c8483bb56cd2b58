//! Whom a rollout has reached: exposure times time, and where the traffic is known, requests.

use super::answers::Answers;
use crate::engine::eval::seconds;
use crate::plan::{Answer, Ask, InputId, Millis, Node, Plan, Population, PortId, Reading, Setting, Time, Window};
use crate::sim::hands::Hands;
use serde::Serialize;

/// Exposure, summed up over a run.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Exposed {
    /// Seconds times the canary's share of the traffic: a minute at 50 % is 30.
    pub exposure_seconds: f64,
    /// Requests times the canary's share: so many would have met it. `None` where no `events` metric tells how many there are.
    pub requests: Option<f64>,
}

/// Sums exposure up.
pub(super) struct Meter {
    /// What counts all requests together, with the windows that it is asked over.
    traffic: Vec<(InputId, Millis)>,
    last: Option<(Time, f64)>,
    sum: Exposed,
}

impl Meter {
    pub(super) fn new(plan: &Plan) -> Self {
        let traffic = traffic(plan);
        let requests = (!traffic.is_empty()).then_some(0.0);
        Self { traffic, last: None, sum: Exposed { exposure_seconds: 0.0, requests } }
    }

    /// A check: what was exposed since the one before was so until now.
    pub(super) fn check(&mut self, at: Time, exposure: f64, answers: &Answers<'_>) {
        if let Some((then, was)) = self.last.filter(|(_, was)| *was > 0.0) {
            let exposed = was * seconds(at - then);
            self.sum.exposure_seconds += exposed;
            if let Some(sum) = &mut self.sum.requests {
                *sum += exposed * rate(&self.traffic, answers.now());
            }
        }
        self.last = Some((at, exposure));
    }

    pub(super) fn sum(&self) -> Exposed {
        self.sum
    }
}

/// Requests a second.
pub(super) fn rate(traffic: &[(InputId, Millis)], answers: &[Answer]) -> f64 {
    let one = |(id, window): &(InputId, Millis)| match answers.get(id.index()).map(|a| &a.value) {
        Some(Ok(Reading::Increase(n))) if *window > 0 && n.is_finite() => n / seconds(*window),
        _ => 0.0,
    };
    traffic.iter().map(one).sum()
}

/// The whole of the first `events` metric that counts everybody: its canary's part and the stable one's, or one for both.
pub(super) fn traffic(plan: &Plan) -> Vec<(InputId, Millis)> {
    let window = |id: InputId| match plan.inputs.get(id.index())?.ask {
        Ask::Increase(_, Window::Last(d)) => Some((id, d)),
        _ => None,
    };
    let totals = plan.program.nodes.iter().filter_map(|n| match *n {
        Node::Events { total, .. } => Some(total),
        _ => None,
    });
    for total in totals {
        let Some(input) = plan.inputs.get(total.index()).filter(|i| i.population == Population::Canary) else {
            continue;
        };
        let other = plan
            .inputs
            .iter()
            .position(|i| i.metric == input.metric && i.population == Population::Stable && i.ask == input.ask);
        match (input.separable, other) {
            (false, _) => return window(total).into_iter().collect(),
            (true, Some(other)) => return window(total).into_iter().chain(window(InputId::at(other))).collect(),
            (true, None) => {}
        }
    }
    Vec::new()
}

/// The share of the traffic that a canary has: of several ports the most; without traffic, how far flags are on their way to the most
/// that a phase sets.
pub(super) fn share(plan: &Plan, planned: &[f64], hands: &Hands) -> f64 {
    let traffic = |p: PortId| plan.is_traffic(p);
    let share = hands.ports().filter(|(p, _)| traffic(*p)).map(|(_, s)| s.size()).reduce(f64::max);
    share.unwrap_or_else(|| {
        let part =
            |((_, is), most): ((PortId, Setting), &f64)| if *most > 0.0 { (is.size() / most).min(1.0) } else { 0.0 };
        hands.ports().zip(planned).map(part).fold(0.0, f64::max)
    })
}
