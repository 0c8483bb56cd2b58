//! Reactions: they tell and do chores, and steer nothing.

use super::condition::Owner;
use super::truth::Truth::{False, True};
use super::{Did, Look, Reference};
use canary::engine::RunCause;
use canary::plan::{Act, Happening, Millis, Time, Trigger};

impl Reference<'_> {
    /// Something happened: `on …` tells and runs.
    pub fn happened(&mut self, what: Happening, at: Time) {
        for (i, r) in self.plan.reactions.iter().enumerate() {
            if matches!(&r.trigger, Trigger::On(list) if list.contains(&what)) {
                self.act(i, Some(what), at);
            }
        }
    }

    /// What has happened is told once more, and nothing is run.
    pub fn told(&mut self, what: Happening) {
        for r in &self.plan.reactions {
            if let (Trigger::On(list), Act::Notify(channels)) = (&r.trigger, &r.act)
                && list.contains(&what)
            {
                self.did.push(Did::Told { channels: channels.clone(), happening: Some(what) });
            }
        }
    }

    fn act(&mut self, i: usize, happening: Option<Happening>, at: Time) {
        match &self.plan.reactions[i].act {
            Act::Notify(channels) => self.did.push(Did::Told { channels: channels.clone(), happening }),
            Act::Snapshot => self.wrote("snapshot"),
            Act::Run { action, limit } => {
                let recent = |d: Millis| self.reacted[i].runs.iter().filter(|t| at - **t < d).count();
                if limit.is_none_or(|(n, d)| recent(d) < n as usize) {
                    self.reacted[i].runs.push(at);
                    self.run(*action, RunCause::Reaction);
                }
            }
        }
    }

    /// How many times of `every` and `at` lie behind.
    fn due(&self, i: usize, at: Time) -> usize {
        let elapsed = at - self.clock.unwrap_or(self.started);
        match &self.plan.reactions[i].trigger {
            Trigger::Every(d) => usize::try_from(elapsed / d).unwrap(),
            Trigger::At(times) => times.iter().filter(|t| **t <= elapsed).count(),
            Trigger::On(_) | Trigger::When(_) => 0,
        }
    }

    /// Snapshots that are due, before anything is decided: one record for all.
    pub fn snapshots(&mut self, at: Time) {
        let mut taken = false;
        for i in 0..self.reacted.len() {
            let due = self.due(i, at);
            if matches!(self.plan.reactions[i].act, Act::Snapshot) && due > self.reacted[i].due {
                self.reacted[i].due = due;
                taken = true;
            }
        }
        if taken {
            self.wrote("snapshot");
        }
    }

    /// `every`, `at` and `when`, in a phase. What a back-filled check sees begins nothing: it is left to the first live one.
    pub fn timed(&mut self, look: Look<'_>, live: bool) {
        let plan = self.plan;
        for (i, r) in plan.reactions.iter().enumerate() {
            let fires = match &r.trigger {
                Trigger::On(_) => false,
                // the run's, not each slice's
                Trigger::Every(_) | Trigger::At(_) if self.clock.is_some() => false,
                Trigger::Every(_) | Trigger::At(_) => {
                    let due = self.due(i, look.at);
                    let fires = live && due > self.reacted[i].due;
                    if live {
                        self.reacted[i].due = due;
                    }
                    fires
                }
                Trigger::When(c) => {
                    let truth = self.truth(look, *c, Owner::Rollout).0;
                    let fires = live && truth == True && !self.reacted[i].high;
                    // what is not known neither fires nor re-arms
                    match truth {
                        True if live => self.reacted[i].high = true,
                        False => self.reacted[i].high = false,
                        _ => {}
                    }
                    fires
                }
            };
            if fires {
                self.act(i, None, look.at);
            }
        }
    }

    /// A snapshot that is still to come when the run ends is taken now.
    pub fn early_snapshot(&mut self) {
        let pending = |(i, r): (usize, &canary::plan::Reaction)| match (&r.trigger, &r.act) {
            (Trigger::At(times), Act::Snapshot) => self.reacted[i].due < times.len(),
            _ => false,
        };
        if self.plan.reactions.iter().enumerate().any(pending) {
            self.wrote("snapshot");
        }
    }

    /// One step tells a channel once: of several notices to the same ones the last stays.
    pub fn one_notice_a_channel(&mut self) -> Vec<Did> {
        let all = std::mem::take(&mut self.did);
        let to = |d: &Did| if let Did::Told { channels, .. } = d { Some(channels.clone()) } else { None };
        let again = |i: usize, d: &Did| to(d).is_some() && all[i + 1..].iter().any(|later| to(later) == to(d));
        all.iter().enumerate().filter(|(i, d)| !again(*i, d)).map(|(_, d)| d.clone()).collect()
    }
}
