//! Values over time, as `tests/vectors/window_reference.py` defines them: the window is collected anew at every check. That one
//! rounds its result once; here it is computed as one would by hand, and the generated policies compare it with limits that no
//! rounding reaches.

use super::condition::{Owner, Value};
use super::truth::{NOTHING, Number, SILENT, THIN, Why};
use super::{Look, Reference};
use canary::plan::{Millis, Node, NodeId, OverTime, Time};

/// What a value was at each check: the number, or why there was none.
pub type Log = Vec<(Time, Result<f64, Why>)>;

impl Reference<'_> {
    /// Writes down what every windowed value is at a check; what stands inside another window comes before it.
    pub fn look_at_windows(&mut self, look: Look<'_>) {
        for node in &self.plan.program.nodes {
            if let Node::OverTime { of, slot, .. } = *node {
                let sample = match self.value(look, of, Owner::Rollout) {
                    Value::Number(n) if n.lo == n.hi && n.why == NOTHING => Ok(n.lo),
                    Value::Number(n) => Err(if n.why == NOTHING { THIN.and(SILENT) } else { n.why }),
                    Value::Truth(_, why) => Err(why.and(THIN)),
                };
                self.windows[slot as usize].push((look.at, sample));
            }
        }
    }

    /// What is made of a window at the last check.
    pub fn over_time(&self, slot: usize, how: OverTime, window: Millis) -> Number {
        let log = &self.windows[slot];
        let (now, sample) = *log.last().unwrap();
        let inside = log.iter().filter(|(t, _)| *t > now - window);
        let samples: Vec<(Time, f64)> = inside.filter_map(|(t, s)| s.ok().map(|v| (*t, v))).collect();
        let n = samples.len();
        let enough = 2 * i64::try_from(n).unwrap() * self.plan.check_every >= window;
        match if enough && n > 0 { made_of(how, &samples) } else { None } {
            Some(v) => Number::known(v),
            // too few: of those that there are none says that there is nothing
            None => Number::missing(sample.err().unwrap_or(THIN.and(SILENT))),
        }
    }

    /// Whether a window below a node, or what is read there, still reaches before the settings were read back. `ago`: what is
    /// read is read as it was so long ago.
    pub fn reaches_back(&self, look: Look<'_>, node: NodeId, ago: Millis) -> bool {
        let node = &self.plan.program.nodes[node.index()];
        let mut ago = ago;
        if let Node::OverTime { window, .. } = node {
            ago += window;
            if self.asked.verified.is_none_or(|v| look.at - ago < v) {
                return true;
            }
        }
        node.inputs().any(|i| self.warming(look, i, ago)) || node.operands().any(|o| self.reaches_back(look, o, ago))
    }
}

fn made_of(how: OverTime, samples: &[(Time, f64)]) -> Option<f64> {
    let n = samples.len() as f64;
    let values = || samples.iter().map(|(_, v)| *v);
    let sum: f64 = values().sum();
    let (first, last) = (samples[0], samples[samples.len() - 1]);
    let (change, seconds) = (last.1 - first.1, (last.0 - first.0) as f64 / 1000.0);
    Some(match how {
        OverTime::Sum => sum,
        OverTime::Avg => sum / n,
        OverTime::Max => values().fold(f64::NEG_INFINITY, f64::max),
        OverTime::Min => values().fold(f64::INFINITY, f64::min),
        OverTime::Stddev => (values().map(|v| (v - sum / n) * (v - sum / n)).sum::<f64>() / n).sqrt(),
        OverTime::Delta | OverTime::Rate if samples.len() < 2 => return None,
        OverTime::Delta => change,
        OverTime::Rate => change / seconds,
        OverTime::Quantile(q) => {
            let mut sorted: Vec<f64> = values().collect();
            sorted.sort_by(f64::total_cmp);
            let place = q * (n - 1.0);
            let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
            below + (above - below) * (place - place.floor())
        }
    })
}
