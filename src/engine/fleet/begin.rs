//! Which slices begin: the least risky first, so many in so long.

use super::Fleet;
use super::keys::SliceId;
use crate::plan::{Answer, Plan, PortId, Setting, SliceValues, Time};

/// A slice that begins at a check, with what was read for it before anything of it is changed.
#[derive(Debug, Clone)]
pub struct Begin {
    /// Which.
    pub slice: SliceId,
    /// What every port of it was read as.
    pub originals: Vec<(PortId, Setting)>,
    /// What every input of the baseline was answered for it; `None` for the others.
    pub baseline: Vec<Option<Answer>>,
}

impl Fleet {
    /// The slices that begin at a check at `at`, in their order: those that wait, the least risky first (`start slices by`), of
    /// equal risk those seen first, as many as the limit leaves. Nobody begins while everything is halted.
    #[must_use]
    pub fn due(&self, plan: &Plan, at: Time) -> Vec<SliceId> {
        if self.halted.is_some() || self.verdict.is_some() {
            return Vec::new();
        }
        let by = plan.start_slices.as_ref().and_then(|s| plan.slices.iter().position(|d| d.name == s.by));
        let rank = |slice: SliceId| -> usize {
            let listed = by.and_then(|i| Some((plan.slices.get(i)?, self.key(slice)?.get(i)?)));
            match listed {
                Some((dim, value)) => match &dim.values {
                    SliceValues::Listed(list) => list.iter().position(|v| v == value).unwrap_or(list.len()),
                    SliceValues::Of(_) => 0,
                },
                None => 0,
            }
        };
        let mut order: Vec<(usize, Time, SliceId)> = self.waiting.iter().map(|(s, t)| (rank(*s), *t, *s)).collect();
        order.sort_unstable();
        let room = match plan.start_slices.as_ref().and_then(|s| s.limit) {
            None => order.len(),
            Some((n, d)) => (n as usize).saturating_sub(self.starts.iter().filter(|t| at - **t < d).count()),
        };
        order.into_iter().take(room).map(|(_, _, s)| s).collect()
    }
}
