//! A run's notices: made of what the engine wants told, kept in the store with the events they tell of, delivered beside the run,
//! and marked when they are. What earlier runs of the rollout have left undelivered is taken up as well.

use super::backends::Backends;
use super::clock::now;
use super::fault;
use super::journal::Journal;
use super::notices::{Outbox, Outcome, Told};
use crate::backend::{Fact, Notice};
use crate::engine::Effect;
use crate::plan::{Plan, Time};
use crate::store::{Fate, NewNotice, NoticeMark, RunId};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// A notice and the place of its channel in the plan.
pub type Addressed = (usize, Notice);

/// Makes, sends and marks notices.
pub struct Teller {
    plan: Arc<Plan>,
    backends: Backends,
    environment: String,
    run: RunId,
    /// The number of the next notice.
    next: u64,
    outbox: Outbox,
    told: mpsc::UnboundedReceiver<Told>,
    /// What is with the outbox.
    open: Vec<Addressed>,
}

impl Teller {
    /// For a run. Where the store does not answer, numbers begin at 1: run, number and time still tell notices apart.
    #[must_use]
    pub fn new(plan: &Arc<Plan>, backends: &Backends, journal: &Journal) -> Self {
        let (store, run) = (journal.store(), journal.run().clone());
        let (outbox, told) = Outbox::new(&backends.channels);
        Self {
            plan: Arc::clone(plan),
            backends: backends.clone(),
            environment: journal.environment().to_owned(),
            next: store.last_notice(&run).unwrap_or(0) + 1,
            run,
            outbox,
            told,
            open: Vec::new(),
        }
    }

    /// The notices that a step's effects ask for. They count as made when they are [`Teller::send`].
    #[must_use]
    pub fn make<'e>(&self, at: Time, effects: impl IntoIterator<Item = &'e Effect>) -> Vec<Addressed> {
        let mut out = Vec::new();
        let mut number = self.next;
        for effect in effects {
            let Effect::Notify { channels, happening, title, text, facts } = effect else { continue };
            let notice = Notice {
                rollout: self.plan.rollout.clone(),
                environment: self.environment.clone(),
                run: self.run.to_string(),
                number,
                at,
                happening: happening.map_or_else(|| String::from("status"), |h| super::executor::word(&h)),
                title: self.placed(title),
                text: text.clone(),
                facts: self.facts(facts),
                links: self.plan.links.clone(),
                late: None,
            }
            .bounded();
            out.extend(channels.iter().map(|id| (id.index(), notice.clone())));
            number += 1;
        }
        out
    }

    /// The engine's title with the environment, which it does not know: `checkout on production: rolling back: …`
    fn placed(&self, title: &str) -> String {
        let rollout = &self.plan.rollout;
        let what = title.strip_prefix(rollout.as_str()).and_then(|t| t.strip_prefix(": ")).unwrap_or(title);
        format!("{rollout} on {}: {what}", self.environment)
    }

    /// The engine's facts, and those that it does not know: whose, and how to look.
    fn facts(&self, of_engine: &[(String, String)]) -> Vec<Fact> {
        let fact = |name: &str, value: String| Fact { name: name.to_owned(), value };
        let mut out = Vec::new();
        for (name, value) in of_engine {
            out.push(fact(name, value.clone()));
            if name == "now" {
                out.push(fact("look", format!("canary why {}", self.run)));
                out.extend(self.plan.owner.iter().map(|o| fact("owner", o.clone())));
            }
        }
        out
    }

    /// As the store keeps them.
    #[must_use]
    pub fn to_keep(&self, notices: &[Addressed]) -> Vec<NewNotice> {
        notices
            .iter()
            .filter_map(|(channel, n)| {
                Some(NewNotice {
                    channel: self.plan.channels.get(*channel)?.clone(),
                    number: n.number,
                    at: n.at,
                    body: serde_json::to_value(n).ok()?,
                })
            })
            .collect()
    }

    /// Hands notices to their channels' queues; nobody waits. Returns what is worth a line.
    pub fn send(&mut self, notices: Vec<Addressed>) -> Vec<String> {
        let mut remarks = Vec::new();
        for (channel, notice) in notices {
            if notice.run == self.run.as_str() {
                self.next = self.next.max(notice.number + 1);
            }
            let connected = self.backends.channels.get(channel).is_some_and(|c| c.connected());
            if connected && self.outbox.send(channel, notice.clone()) {
                self.open.push((channel, notice));
            } else {
                let name = self.name(channel);
                remarks.push(format!("notice `{}` is kept: {name} is not connected", notice.title));
            }
        }
        remarks
    }

    /// Takes up what this rollout's earlier runs on this environment, and this run before a stop, have left undelivered.
    pub fn take_up(&mut self, journal: &Journal) -> Vec<String> {
        let Ok(kept) = journal.store().open_notices(&self.plan.rollout) else { return Vec::new() };
        let mut left = Vec::new();
        let (mut unknown, mut unread) = (BTreeSet::new(), 0);
        for k in kept.into_iter().filter(|k| k.environment == self.environment) {
            let Some(channel) = self.plan.channels.iter().position(|c| *c == k.channel) else {
                unknown.insert(k.channel);
                continue;
            };
            match serde_json::from_value::<Notice>(k.body) {
                // the row says what run it is of, and what became of it is written there
                Ok(notice) => left.push((channel, Notice { run: k.run.to_string(), ..notice })),
                Err(_) => unread += 1,
            }
        }
        let mut remarks = Vec::new();
        if !left.is_empty() {
            remarks.push(format!("{} notices were left undelivered: delivering them now", left.len()));
        }
        remarks.extend(
            unknown.iter().map(|c| format!("notices to {c} stay undelivered: this rollout has no such channel")),
        );
        if unread > 0 {
            remarks.push(format!("{unread} notices were written by another version and stay undelivered"));
        }
        remarks.extend(self.send(left));
        remarks
    }

    /// What became of a notice, as soon as anything has. Never ends while channels are at work.
    pub async fn told(&mut self) -> Told {
        match self.told.recv().await {
            Some(told) => told,
            None => std::future::pending().await,
        }
    }

    /// Enters what became of a notice, and says it where that is worth a line.
    pub fn settle(&mut self, told: &Told, journal: &mut Journal, at: Time) -> Option<String> {
        let Told { channel, notice, tries, outcome } = told;
        if *outcome == Outcome::Delivered {
            fault::point("delivered");
        }
        if outcome.is_final() {
            self.open.retain(|(c, n)| !(c == channel && n.run == notice.run && n.number == notice.number));
        }
        let (name, title) = (self.name(*channel), &notice.title);
        let (fate, remark) = match outcome {
            Outcome::Delivered if notice.late.is_some() => {
                (Fate::Delivered(at), Some(format!("told {name}, late, of run {}: {title}", notice.run)))
            }
            Outcome::Delivered => (Fate::Delivered(at), Some(format!("told {name}: {title}"))),
            Outcome::Failed(why) => {
                let first = *tries == 1;
                (
                    Fate::Failed(why.clone()),
                    first.then(|| format!("notice `{title}` is not delivered to {name} yet: {why}")),
                )
            }
            Outcome::GivenUp(why) => (
                Fate::GivenUp(at, why.clone()),
                Some(format!("NOT TOLD: notice `{title}` was not delivered to {name} and is given up: {why}")),
            ),
            Outcome::Replaced => (Fate::Replaced, None),
        };
        journal.mark(NoticeMark {
            run: RunId::from(notice.run.as_str()),
            channel: self.plan.channels.get(*channel).cloned().unwrap_or_default(),
            number: notice.number,
            tries: *tries,
            fate,
        });
        remark
    }

    /// Waits for what is open, at most so long, and says what became of it and what is left.
    pub async fn finish(&mut self, journal: &mut Journal, grace: Duration, mut say: impl FnMut(&str)) {
        let until = tokio::time::Instant::now() + grace;
        while !self.open.is_empty() {
            let Ok(told) = tokio::time::timeout_at(until, self.told()).await else { break };
            self.settle(&told, journal, now()).iter().for_each(|text| say(text));
        }
        journal.write_marks();
        self.left(journal).iter().for_each(|text| say(text));
    }

    /// What is said of notices that are still open at the end.
    fn left(&self, journal: &Journal) -> Vec<String> {
        let rollout = &self.plan.rollout;
        let line = |(channel, n): &Addressed| {
            let name = self.name(*channel);
            let kept = self.plan.channels.get(*channel).is_some_and(|c| !journal.is_unkept(c, n.number));
            let what = format!("not delivered before the end: notice `{}` to {name}", n.title);
            if kept {
                format!("{what}: it is kept, the next `canary run` or `canary abort` of {rollout} delivers it")
            } else {
                format!("{what}: it could not be kept either, the store is out of reach")
            }
        };
        self.open.iter().map(line).collect()
    }

    fn name(&self, channel: usize) -> String {
        self.backends.channels.get(channel).map_or_else(|| String::from("nobody"), |c| c.describe())
    }
}

/// The notice in a store's row, for who lists them.
#[must_use]
pub fn title(body: &Value) -> &str {
    body.get("title").and_then(Value::as_str).unwrap_or("")
}
