//! The checks that a stop has missed: asked of sources that keep a history, for all slices at once. They feed conditions, never
//! `hold`; no slice begins at one.

use super::FleetExecutor;
use super::{ask, check};
use crate::engine::fleet::FleetInput;
use crate::runtime::clock::{next_check, now};
use crate::runtime::fetch::deadline;
use crate::sim::catch_up;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Missed checks are asked for at most so long (and at most [`catch_up::MOST`] of them).
const BACKFILL_TIME: Duration = Duration::from_secs(20);

impl FleetExecutor {
    /// Makes the checks that a stop has missed.
    pub(super) async fn backfill(&mut self, stop: &mut watch::Receiver<bool>) {
        let Some(last) = self.kept.fleet.last() else { return };
        let history = self.backends.sources.values().any(|s| s.has_history());
        if self.kept.active().next().is_none() || !history {
            return;
        }
        let every = self.plan.check_every.max(1);
        let until = now() - every;
        let mut at = catch_up::first_asked(next_check(self.kept.started, every, last, last), until, every);
        let asked = catch_up::missed(at, until, every);
        if asked == 0 {
            return;
        }
        self.watcher.remark(now(), &format!("asking the sources for {asked} missed checks"));
        let plan = Arc::clone(&self.plan);
        let begun = Instant::now();
        while at <= until && self.kept.active().next().is_some() {
            // a live check must not wait long for those that were missed
            if begun.elapsed() > BACKFILL_TIME {
                self.watcher.remark(now(), "the sources are slow: the rest of the missed checks stay missed");
                return;
            }
            self.on_commands(false);
            let sinces = self.kept.sinces(&plan);
            let replies = tokio::select! {
                replies = ask::inputs(&plan, &self.backends, &sinces, at, deadline(2_500), true) => replies,
                _ = stop.wait_for(|s| *s) => return,
            };
            if check::nobody_answered(&replies) {
                self.watcher.remark(now(), "the sources have no answers: the missed checks stay missed");
                return;
            }
            let observed = self.answered(&plan, &replies, at);
            let tick = FleetInput::Tick { at, observed: &observed, begins: Vec::new(), rolled_back: None, live: false };
            self.feed(at, vec![tick], None);
            at += every;
        }
    }
}
