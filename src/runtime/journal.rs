//! The run's journal: events and state in one transaction, with what could not be written kept for later.
//!
//! Fencing and journal stand in front of raising exposure only. While the store is out of reach the executor makes its checks
//! as if they were not live, so nothing is raised; what has happened meanwhile is kept and written when the store is back.

use super::clock::duration;
use crate::engine::record::Thrower;
use crate::engine::{Record, State};
use crate::plan::{Millis, Time};
use crate::store::{
    BUSY, Beside, Command, Latch, LeaseGuard, NewEvent, NewLatch, NewNotice, NewRun, NoticeMark, Reset, Run, RunId,
    Store, StoreError,
};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Events kept while the store is out of reach; beyond this the oldest are dropped and counted, but for those that latch a kill
/// switch.
const KEPT: usize = 10_000;

/// Writes one run's events.
pub struct Journal {
    store: Arc<Store>,
    run: RunId,
    environment: String,
    /// The name that the run was told of under before it was in the store, if that was taken.
    alias: Option<RunId>,
    /// A run that is not in the store yet: entered with its first events.
    unborn: Option<NewRun>,
    lease: LeaseGuard,
    patience: Duration,
    waiting: Vec<Waiting>,
    /// Notices that are not kept yet, and what became of notices that is not written yet.
    untold: Vec<NewNotice>,
    marks: Vec<NoticeMark>,
    /// The last attempt to write marks alone has failed: they go with what is written next, so that a locked store does not
    /// hold up the run once for each of them.
    marks_wait: bool,
    dropped: u64,
    last_command: i64,
    trouble: Option<String>,
    taken: bool,
}

/// An event that is to be written.
#[derive(Clone)]
struct Waiting {
    at: Time,
    kind: &'static str,
    body: Value,
    /// The kill switch that it latches: written in the same transaction, now or when the store is back.
    latch: Option<NewLatch>,
}

impl Journal {
    /// The journal of a run whose checks are this far apart. A store that somebody else keeps locked may hold up a check by a
    /// quarter of that at most, and not at all once it is known to.
    #[must_use]
    pub fn new(store: Arc<Store>, run: &Run, lease: LeaseGuard, check_every: Millis) -> Self {
        Self::of(store, run.id.clone(), run.environment.clone(), lease, check_every)
    }

    fn of(store: Arc<Store>, run: RunId, environment: String, lease: LeaseGuard, check_every: Millis) -> Self {
        let patience = duration((check_every / 4).clamp(10, 1_000));
        store.set_patience(patience);
        Self {
            store,
            run,
            environment,
            alias: None,
            unborn: None,
            lease,
            patience,
            waiting: Vec::new(),
            untold: Vec::new(),
            marks: Vec::new(),
            marks_wait: false,
            dropped: 0,
            last_command: 0,
            trouble: None,
            taken: false,
        }
    }

    /// The journal of a run that is entered into the store with its first events: what it does must not wait for a store that
    /// cannot be written. It has its name and environment all the same: people are told of it before.
    #[must_use]
    pub fn of_new_run(store: Arc<Store>, new: NewRun, lease: LeaseGuard, check_every: Millis) -> Self {
        let proposed = RunId::proposed(new.started, std::process::id());
        let run = proposed.unwrap_or_else(|| RunId::from("not in the store yet"));
        let environment = new.environment.clone();
        Self { unborn: Some(new), ..Self::of(store, run, environment, lease, check_every) }
    }

    fn enter(&mut self) -> Result<(), StoreError> {
        if let Some(new) = &self.unborn {
            let entered = self.store.create_run_as(&self.run, new)?;
            self.unborn = None;
            if entered != self.run {
                self.alias = Some(std::mem::replace(&mut self.run, entered));
            }
        }
        Ok(())
    }

    /// Whether a write waits as long as any other process's would, or only as long as a check can be held up. A start is in no
    /// hurry: it is refused when it cannot be journalled.
    pub fn wait_for_others(&self, patiently: bool) {
        self.store.set_patience(if patiently { BUSY } else { self.patience });
    }

    /// Whether this runner still holds its lease and was not fenced off: otherwise it does nothing any more.
    pub fn holds(&mut self) -> bool {
        if let Err(e) = self.lease.confirm() {
            self.trouble = Some(e.to_string());
            self.taken = true;
        }
        !self.taken
    }

    /// The run's id.
    #[must_use]
    pub fn run(&self) -> &RunId {
        &self.run
    }

    /// The run's environment.
    #[must_use]
    pub fn environment(&self) -> &str {
        &self.environment
    }

    /// Whether another runner has taken this run over: then this one does nothing any more.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.taken
    }

    /// How many events were given up for want of a store since this was last asked: their place in the chain is lost.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Why the store cannot be written at the moment.
    #[must_use]
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Whether a notice is not kept yet.
    #[must_use]
    pub fn is_unkept(&self, channel: &str, number: u64) -> bool {
        self.untold.iter().any(|n| n.channel == channel && n.number == number)
    }

    /// Writes what became of notices, at once when the store can be written, else with what is written next.
    pub fn mark(&mut self, mut mark: NoticeMark) {
        if self.alias.as_ref() == Some(&mark.run) {
            mark.run = self.run.clone();
        }
        // only the newest word on a notice counts
        let of_one = |m: &NoticeMark| (m.run == mark.run && m.number == mark.number) && m.channel == mark.channel;
        self.marks.retain(|m| !of_one(m));
        self.marks.push(mark);
        if !self.marks_wait {
            self.write_marks();
        }
    }

    /// Writes the marks that wait, unless notices wait as well: those are kept first, by [`Journal::write`].
    pub fn write_marks(&mut self) {
        if self.trouble.is_some() || !self.untold.is_empty() || self.marks.is_empty() {
            return;
        }
        match self.store.mark_notices(&self.marks) {
            Ok(()) => self.marks.clear(),
            Err(_) => self.marks_wait = true,
        }
    }

    /// Writes records, the state behind them and the notices that tell of them, and everything that is still waiting, in one
    /// transaction. On failure they wait, unless `raises` says that the caller takes the step back; before a raise the lease is
    /// confirmed as well.
    pub fn write(
        &mut self,
        at: Time,
        records: &[&Record],
        state: &State,
        observation: Option<&Value>,
        notices: &[NewNotice],
        raises: bool,
    ) -> Result<(), StoreError> {
        let state = serde_json::to_value(state).unwrap_or(Value::Null);
        let records: Vec<(Option<&OfSlice>, &Record)> = records.iter().map(|r| (None, *r)).collect();
        self.write_all(at, &records, Some(&state), observation, notices, raises)
    }

    /// As [`Journal::write`], of records that may be of slices; no state: the one that was written last stays.
    pub fn write_all(
        &mut self,
        at: Time,
        records: &[(Option<&OfSlice>, &Record)],
        state: Option<&Value>,
        observation: Option<&Value>,
        notices: &[NewNotice],
        raises: bool,
    ) -> Result<(), StoreError> {
        let mut untold = self.untold.clone();
        untold.extend_from_slice(notices);
        let mut events = self.waiting.clone();
        for (slice, r) in records {
            events.push(event(at, *slice, r));
        }
        let new: Vec<NewEvent<'_>> =
            events.iter().map(|w| NewEvent { at: w.at, kind: w.kind, body: w.body.clone() }).collect();
        let latches: Vec<NewLatch> = events.iter().filter_map(|w| w.latch.clone()).collect();
        let held = if raises { self.lease.confirm() } else { Ok(()) };
        let result = held.and_then(|()| self.enter()).and_then(|()| {
            let observation = observation.map(|o| (at, o));
            let beside = Beside { latches: &latches, notices: &untold, marks: &self.marks };
            self.store.append_with(&self.run, &new, state, observation, &beside).map(|_| ())
        });
        match &result {
            Ok(()) => {
                self.waiting.clear();
                self.untold.clear();
                self.marks.clear();
                self.marks_wait = false;
                if self.trouble.take().is_some() {
                    self.store.set_patience(self.patience);
                }
            }
            Err(e) => {
                if self.trouble.replace(e.to_string()).is_none() {
                    self.store.set_patience(Duration::ZERO);
                }
                self.taken |= e.is_taken();
                if !raises {
                    self.waiting = events;
                    let over = self.waiting.len().saturating_sub(KEPT);
                    let before = self.waiting.len();
                    let mut left = over;
                    self.waiting.retain(|w| {
                        let goes = left > 0 && w.latch.is_none();
                        left -= usize::from(goes);
                        !goes
                    });
                    self.dropped += (before - self.waiting.len()) as u64;
                    let over = untold.len().saturating_sub(KEPT);
                    untold.drain(..over);
                    self.untold = untold;
                }
            }
        }
        result
    }

    /// Keeps what is kept of this run's checks within so many bytes; a store out of reach is left alone.
    pub fn trim_observations(&self, most: u64) {
        if self.unborn.is_none() && self.trouble.is_none() {
            // it is tried again after as many bytes more
            let _ = self.store.trim_observations(&self.run, most);
        }
    }

    /// What people have asked for since the last call. A store out of reach has nothing to say.
    pub fn commands(&mut self) -> Vec<Command> {
        let Ok(commands) = self.store.take_commands(&self.run, self.last_command) else { return Vec::new() };
        if let Some(last) = commands.last() {
            self.last_command = last.id;
        }
        commands
    }

    /// The kill switches that are latched where this run is. A store out of reach has nothing to say.
    pub fn latches(&self) -> Vec<Latch> {
        if self.unborn.is_some() { Vec::new() } else { self.store.latches_for_run(&self.run).unwrap_or_default() }
    }

    /// Every time that switches were thrown where this run is, the last one first.
    ///
    /// # Errors
    /// The store cannot be read: what is latched is then not known.
    pub fn thrown(&self) -> Result<Vec<Latch>, StoreError> {
        if self.unborn.is_some() { Ok(Vec::new()) } else { self.store.thrown(Some(&self.environment)) }
    }

    /// Who has reset a switch that this run has thrown, and why; `None` while it is latched, and while that is not known.
    #[must_use]
    pub fn reset_of(&self, switch: &str) -> Option<Reset> {
        if self.unborn.is_some() || self.unlatched().contains(&switch) {
            return None;
        }
        // the last time that it was thrown comes first
        let thrown = self.store.thrown(Some(&self.environment)).ok()?;
        thrown.into_iter().find(|l| l.switch == switch)?.reset
    }

    /// The kill switches that were thrown and could not be latched yet.
    #[must_use]
    pub fn unlatched(&self) -> Vec<&str> {
        self.waiting.iter().filter_map(|w| w.latch.as_ref()).map(|l| l.switch.as_str()).collect()
    }

    /// Says what came of a command.
    pub fn acknowledge(&self, command: &Command, at: Time, outcome: &str) {
        // a person who waits for the answer sees the run itself when this fails
        let _ = self.store.acknowledge(command.id, at, outcome);
    }

    /// Marks the run as over.
    pub fn finish(&self, verdict: &str, at: Time) -> Result<(), StoreError> {
        self.store.finish_run(&self.run, verdict, at)
    }
}

/// Whose a record is.
#[derive(Debug, Clone, PartialEq)]
pub struct OfSlice {
    /// The slice as people write it: `severity=low,tenant=acme`.
    pub written: String,
    /// The slice as the journal has it.
    pub json: Value,
}

fn event(at: Time, slice: Option<&OfSlice>, record: &Record) -> Waiting {
    let mut body = serde_json::to_value(record).unwrap_or_else(|e| Value::String(e.to_string()));
    if let (Some(slice), Some(body)) = (slice, body.as_object_mut()) {
        body.insert(String::from("slice"), slice.json.clone());
    }
    Waiting { at, kind: record.kind(), latch: latch(at, slice, record), body }
}

/// The latch that a record brings with it.
fn latch(at: Time, slice: Option<&OfSlice>, record: &Record) -> Option<NewLatch> {
    let Record::KillSwitch { switch, by, all, who, why, .. } = record else { return None };
    let who = match by {
        Thrower::Person => who.clone(),
        Thrower::Guard => format!("guard {who}"),
    };
    let switch = match slice {
        // one for all slices is latched once, for all of them
        Some(slice) if !all => format!("{switch}[{}]", slice.written),
        _ => switch.clone(),
    };
    Some(NewLatch { switch, who, why: why.clone(), at })
}
