//! How far ports go: in a plan, and in a recording.

use crate::plan::{Phase, Plan, PortId, Setting, Step};
use crate::sim::recording::sliced::Sliced;
use crate::sim::recording::{Happened, Recording};

/// The most that any phase sets each port to.
pub(super) fn planned(plan: &Plan) -> Vec<f64> {
    let most = |port: PortId| {
        let sets = |p: &Phase| {
            let ramped = p.steps.iter().filter_map(|s| match s {
                Step::Ramp { port: q, to, .. } if *q == port => Some(to.size()),
                _ => None,
            });
            let set = p.settings.iter().filter(|(q, _)| *q == port).map(|(_, s)| s.size());
            set.chain(ramped).fold(0.0, f64::max)
        };
        plan.phases.iter().map(sets).fold(0.0, f64::max)
    };
    (0..plan.ports.len()).map(|i| most(PortId::at(i))).collect()
}

/// The most that each port was read as.
pub(super) fn most(plan: &Plan, recording: &Recording) -> Vec<Option<Setting>> {
    let mut out: Vec<Option<Setting>> = vec![None; plan.ports.len()];
    let mut reads = |read: &[(String, Setting)]| {
        for (name, is) in read {
            let i = plan.ports.iter().position(|p| p.name == *name);
            if let Some(slot) = i.and_then(|i| out.get_mut(i))
                && slot.is_none_or(|was| was.size() < is.size())
            {
                *slot = Some(*is);
            }
        }
    };
    for h in &recording.happened {
        match h {
            Happened::Start { originals: read, .. }
            | Happened::Check { ports: read, .. }
            | Happened::Verified { read, .. }
            | Happened::Sliced(Sliced::Verified { read, .. }) => reads(read),
            Happened::Sliced(Sliced::Check { read, begins, .. }) => {
                read.iter().for_each(|r| reads(&r.ports));
                begins.iter().filter_map(|b| b.originals.as_ref().ok()).for_each(|read| reads(read));
            }
            _ => {}
        }
    }
    out
}
