//! The loop of a sliced run: as `executor.rs` drives one life, this drives many. One grouped question a metric, one read and one
//! write a file, one transaction a step; each slice's requests, actions and read-backs are its own.

mod alike;
pub mod apply;
pub mod ask;
mod backfill;
mod check;
pub mod kept;
mod noted;
mod people;
pub mod recorder;

pub use kept::Kept;
pub use noted::{Found, Noted};
pub use people::{NONE_MEANT, SLICES};

use super::apply::Request;
use super::backends::Backends;
use super::clock::{next_check, now};
use super::executor::{NOTICE_GRACE, Outcome, word};
use super::fault;
use super::journal::{Journal, OfSlice};
use super::notices::Told;
use super::observe::Observer;
use super::teller::Teller;
use super::watcher::Watcher;
use crate::backend::{ActionOutcome, Port};
use crate::engine::fleet::{FleetEffect, FleetInput, Observed, SliceId, fleet_steps};
use crate::engine::given::Given;
use crate::engine::{Effect, Operator, Record, RunCause, Stage};
use crate::plan::{ActionId, Plan, Time, slices};
use crate::store::Latch;
use apply::{Applied, Requests, applier};
use check::Fetched;
use recorder::{Body, FleetRecorder};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How often the store is asked for people's commands.
const COMMAND_POLL: Duration = Duration::from_millis(250);
/// How long a stop waits for rollbacks under way to be read back.
const ROLLBACK_GRACE: Duration = Duration::from_secs(30);
/// How long the end of a run waits for a store that cannot be written.
const CLOSING: Duration = Duration::from_secs(10);
/// A snapshot larger than this, in bytes of JSON, is not written at checks at which nothing happened but every
/// [`QUIET_CHECKS`]; those checks are asked again after a stop.
const LARGE: usize = 256 * 1024;
const QUIET_CHECKS: u32 = 10;

/// Ended actions that are one step.
const ENDED_AT_ONCE: usize = 1_000;
/// Lines that may wait for who watches: a step can have several a slice.
const ROOM: usize = 1 << 15;

/// How a sliced run begins.
pub enum Beginning {
    /// From the start.
    Start {
        /// The first check's planned time.
        at: Time,
        /// When this rollout was last rolled back, by an earlier run.
        rolled_back: Option<Time>,
    },
    /// From a kept state.
    Recovered(Box<Kept>),
    /// From a kept state, only to take back.
    TakeBack {
        /// The state.
        kept: Box<Kept>,
        /// Of which slices; none: of all. Where others still go on, the run stops when these are read back, and stays as it is.
        slices: Vec<SliceId>,
        /// [`Operator::Abort`] or [`Operator::Kill`].
        act: Operator,
        /// Who asks for it.
        who: String,
        /// Why.
        why: String,
    },
}

/// What the loop knows of a slice beside its life.
struct Slot {
    /// Its name.
    of: OfSlice,
    /// Its values.
    values: Vec<String>,
    /// Its ports; none where they could not be made.
    ports: Option<Arc<Vec<Arc<dyn Port>>>>,
    /// Its newest request.
    epoch: u32,
    /// Whether that was read back.
    verified: bool,
    /// Whether its last attempt to set something failed, or its ports could not be read: said once.
    troubled: bool,
}

/// One sliced run.
pub struct FleetExecutor {
    plan: Arc<Plan>,
    kept: Kept,
    backends: Backends,
    journal: Journal,
    watcher: Watcher,
    slots: Vec<Slot>,
    /// Values seen that have no life here: why.
    left_out: BTreeMap<Vec<String>, LeftOut>,
    requests: Arc<Requests>,
    applied: mpsc::Receiver<Vec<Applied>>,
    applier: JoinHandle<()>,
    ended_tx: mpsc::Sender<Ended>,
    ended: mpsc::Receiver<Ended>,
    actions: Vec<(Option<SliceId>, u32, JoinHandle<()>)>,
    teller: Teller,
    /// Where what reaches the engine is kept, if it is to be.
    recorder: Option<FleetRecorder>,
    fetching: Option<JoinHandle<Fetched>>,
    /// What is being read for slices that begin at a later check.
    late: Option<tokio::sync::oneshot::Receiver<check::Beginners>>,
    recovery_pending: bool,
    checked: Instant,
    /// Latches as they were last looked at.
    thrown: Vec<Latch>,
    /// Checks since the state was last written, and how large it was.
    unwritten: u32,
    size: usize,
    /// Bytes of what was kept of checks since that was last trimmed.
    untrimmed: u64,
    /// Things that were said once.
    said: BTreeSet<&'static str>,
    /// This process is here only to take these back; nothing else moves.
    only: Vec<SliceId>,
    /// So many threads may compute a check.
    threads: NonZero<usize>,
}

/// An action that ended: whose (none: the run's own), which attempt, how.
type Ended = (Option<SliceId>, u32, ActionOutcome);

/// Why values that are seen have no life.
#[derive(Debug, Clone, PartialEq, Eq)]
enum LeftOut {
    /// The policy does not list them.
    Stranger,
    /// Their ports cannot be made.
    NoPorts,
    /// Their kill switch is latched.
    Latched,
    /// There are too many already.
    TooMany,
}

impl FleetExecutor {
    /// A run of `plan` on `backends`, journalled in `journal`.
    pub fn new(plan: Arc<Plan>, backends: Backends, journal: Journal, observer: Box<dyn Observer>) -> Self {
        let requests = Arc::new(Requests::default());
        let (tell, applied) = mpsc::channel(64);
        let (ended_tx, ended) = mpsc::channel(64);
        Self {
            kept: Kept::new(&plan, now(), None),
            teller: Teller::new(&plan, &backends, &journal),
            applier: tokio::spawn(applier(Arc::clone(&requests), tell)),
            plan,
            backends,
            journal,
            watcher: Watcher::with_room(observer, ROOM),
            slots: Vec::new(),
            left_out: BTreeMap::new(),
            requests,
            applied,
            ended_tx,
            ended,
            actions: Vec::new(),
            recorder: None,
            fetching: None,
            late: None,
            recovery_pending: false,
            checked: Instant::now(),
            thrown: Vec::new(),
            unwritten: u32::MAX,
            size: 0,
            // another process may have kept much before
            untrimmed: noted::TRIMMED_EVERY,
            said: BTreeSet::new(),
            only: Vec::new(),
            threads: std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN),
        }
    }

    /// With a recorder that is given everything that reaches the engine.
    #[must_use]
    pub fn recording(self, recorder: Option<FleetRecorder>) -> Self {
        Self { recorder, ..self }
    }

    /// Runs until the rollout is over or `stop` becomes true.
    pub async fn run(mut self, beginning: Beginning, mut stop: watch::Receiver<bool>) -> (Outcome, Kept) {
        if *stop.borrow() && !matches!(beginning, Beginning::TakeBack { .. }) {
            // asked to stop before anything was asked for: nothing is
            if let Beginning::Recovered(kept) = beginning {
                self.kept = *kept;
            }
            self.watcher.finish();
            return (Outcome::Stopped, self.kept);
        }
        let left = self.teller.take_up(&self.journal);
        self.remarks(&left);
        match beginning {
            Beginning::Start { at, rolled_back } => {
                self.kept = Kept::new(&self.plan, at, rolled_back);
                // the run is in the store before the first slice is seen
                self.write(at, &[], None, &[], false);
                self.fetch(at);
            }
            Beginning::Recovered(kept) => {
                self.take_up(*kept);
                let (run, at) = (self.journal.run().clone(), now());
                let text = format!("run {run} goes on: {}", self.summary());
                self.watcher.remark(at, &text);
                // what people said to the runner that stopped comes first: an abort must not wait for a raise
                self.on_commands(true);
                self.recover();
                self.backfill(&mut stop).await;
            }
            Beginning::TakeBack { kept, slices, act, who, why } => {
                self.take_up(*kept);
                self.take_back(slices, act, who, why);
            }
        }
        let outcome = self.main_loop(&mut stop).await;
        if let Outcome::Finished(verdict) = outcome {
            let text =
                format!("run {} is over, {}: {}", self.journal.run(), verdict.text().replace('_', " "), self.summary());
            self.watcher.remark(now(), &text);
            self.last_actions(&mut stop).await;
            self.close_journal(verdict, &mut stop).await;
        }
        // who asked for a stop is not kept waiting: what is not delivered by then is named
        let grace = if matches!(outcome, Outcome::Finished(_)) { NOTICE_GRACE } else { Duration::from_secs(1) };
        self.wind_down(grace).await;
        if let Some(why) = self.recorder.take().and_then(FleetRecorder::close) {
            self.watcher.remark(now(), &format!("the recording is not complete: {why}"));
        }
        self.watcher.finish();
        (outcome, self.kept)
    }

    /// Takes a kept state over: makes the ports of all its slices, and tells them how their originals were written.
    fn take_up(&mut self, kept: Kept) {
        self.kept = kept;
        for slice in self.kept.fleet.slices() {
            let values = self.kept.fleet.key(slice).map(<[String]>::to_vec).unwrap_or_default();
            self.slot(slice, values);
            let (Some(state), Some(slot)) = (self.kept.fleet.state(slice), self.slots.get_mut(slice.index())) else {
                continue;
            };
            (slot.epoch, slot.verified) = (state.target.epoch, state.target.verified.is_some());
            for (port, memento) in &state.mementos {
                if let Some(p) = slot.ports.as_ref().and_then(|p| p.get(port.index())) {
                    p.remember(memento);
                }
            }
        }
    }

    /// Notes a slice that is the next one of the fleet.
    fn slot(&mut self, slice: SliceId, values: Vec<String>) {
        let made = self.backends.slices.as_ref().map_or_else(|| Err(String::from("not bound")), |s| s.make(&values));
        if let Err(why) = &made {
            let written = slices::written(&self.plan.slices, &values);
            self.watcher.remark(now(), &format!("{written}: {why}: nothing of this slice can be set"));
        }
        self.slot_of(slice, values, made.ok().map(Arc::new));
    }

    /// As [`Self::slot`], with its ports.
    fn slot_of(&mut self, slice: SliceId, values: Vec<String>, ports: Option<Arc<Vec<Arc<dyn Port>>>>) {
        if slice.index() != self.slots.len() {
            return;
        }
        let of = OfSlice {
            written: slices::written(&self.plan.slices, &values),
            json: slices::as_json(&self.plan.slices, &values),
        };
        self.slots.push(Slot { of, values, ports, epoch: 0, verified: false, troubled: false });
    }

    fn name(&self, slice: SliceId) -> &str {
        self.slots.get(slice.index()).map_or("", |s| s.of.written.as_str())
    }

    async fn main_loop(&mut self, stop: &mut watch::Receiver<bool>) -> Outcome {
        let mut poll = tokio::time::interval(COMMAND_POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut grace_until: Option<tokio::time::Instant> = None;
        loop {
            if let Some(verdict) = self.kept.verdict() {
                return Outcome::Finished(verdict);
            }
            if self.journal.is_taken() {
                return Outcome::Taken(self.journal.trouble().unwrap_or("the lease was lost").to_owned());
            }
            if *stop.borrow() || !self.only.is_empty() {
                // rollback comes first: those under way are read back before we go
                let back = |s| matches!(self.kept.fleet.stage(s), Some(Stage::RollingBack(_)));
                let rolling_back = match self.only.as_slice() {
                    [] => self.kept.fleet.slices().any(back),
                    only => only.iter().copied().any(back),
                };
                let until = *grace_until.get_or_insert_with(|| tokio::time::Instant::now() + ROLLBACK_GRACE);
                if !rolling_back || tokio::time::Instant::now() >= until {
                    return Outcome::Stopped;
                }
            }
            let next = self.next_check();
            let (wait, set_back) = self.wait_for(next);
            tokio::select! {
                biased;
                changed = stop.changed(), if !*stop.borrow() => {
                    if changed.is_err() { return Outcome::Stopped; }
                }
                Some(applied) = self.applied.recv() => self.on_applied(applied),
                Some(ended) = self.ended.recv() => self.on_ended(ended),
                told = self.teller.told() => self.on_told(&told),
                fetched = join(&mut self.fetching), if self.fetching.is_some() => self.on_fetched(fetched),
                () = tokio::time::sleep(wait), if self.fetching.is_none() && self.only.is_empty() => {
                    if set_back { self.check_blindly() } else { self.fetch(next) }
                }
                _ = poll.tick() => if self.only.is_empty() { self.on_commands(false) },
                _ = &mut self.applier => self.restart_applier(),
            }
        }
    }

    /// Steps the engine with inputs, journals what came of them in one transaction, and performs it. `retry` are the same inputs
    /// as of a check that is not live, for when the journal cannot be written. Returns how many records of each kind came of it.
    fn feed(
        &mut self,
        at: Time,
        inputs: Vec<FleetInput<'_>>,
        retry: Option<Vec<FleetInput<'_>>>,
    ) -> BTreeMap<&'static str, usize> {
        self.kept.fleet.spread(self.threads);
        let before = self.kept.clone();
        let recorded = self.recorder.as_ref().and_then(|r| r.note(&self.plan, &self.kept, &inputs));
        let mut effects = Vec::new();
        let mut check = None;
        for input in &inputs {
            if let FleetInput::Tick { observed, live, .. } = input {
                check = Some((*observed, *live));
            }
        }
        fleet_steps(&self.plan, &mut self.kept.fleet, inputs, &|_| Given::NONE, &mut effects);
        let raises = effects.iter().any(|e| matches!(e.effect, Effect::Apply { lowers: false, .. }));
        let lowers = effects.iter().any(|e| matches!(e.effect, Effect::Apply { lowers: true, .. }));
        if raises || lowers {
            fault::point("decided");
        }
        let urgent = lowers && self.journal.holds();
        if urgent {
            // nothing stands in front of a rollback, not even the journal
            for e in &effects {
                self.apply(e, true);
            }
        }
        self.keep(at, recorded);
        if raises || lowers {
            fault::point("recorded");
        }
        let mut counts = BTreeMap::new();
        for e in &effects {
            if let Effect::Record(r) = &e.effect {
                *counts.entry(r.kind()).or_insert(0) += 1;
            }
        }
        let notices = self.teller.make(at, effects.iter().map(|e| &e.effect));
        let keep = self.teller.to_keep(&notices);
        // what is to be set does not wait for what only explains it
        let check = check.filter(|_| self.kept.fleet.last() == Some(at));
        let decided: BTreeSet<SliceId> = effects.iter().filter_map(|e| e.slice).collect();
        let later = raises || lowers;
        let noted = if later { None } else { self.noted(&before, &decided, check) };
        if !self.write(at, &effects, noted.as_ref(), &keep, raises) {
            // it never happened: exposure is raised only by what is in the journal
            self.kept = before;
            if let Some(again) = retry {
                return self.feed(at, again, None);
            }
            return BTreeMap::new();
        }
        if raises || lowers {
            fault::point("journalled");
        }
        for e in &effects {
            if let Effect::Record(r) = &e.effect {
                match e.slice.and_then(|s| self.slots.get(s.index())) {
                    Some(slot) => self.watcher.of_slice(at, &slot.of.written, r),
                    None => self.watcher.record(at, r),
                }
            }
        }
        for e in effects {
            if !(urgent && matches!(e.effect, Effect::Apply { lowers: true, .. })) {
                self.perform(e);
            }
        }
        let kept = self.teller.send(notices);
        self.remarks(&kept);
        if let Some(noted) = later.then(|| self.noted(&before, &decided, check)).flatten() {
            // a store out of reach has said so already
            let _ = self.journal.write_all(at, &[], None, Some(&noted), &[], false);
        }
        counts
    }

    /// Keeps a step's inputs ahead of the journal, in which stands how far the recording goes.
    fn keep(&mut self, at: Time, recorded: Option<Body>) {
        let text = match (&mut self.recorder, recorded) {
            (Some(recorder), Some(body)) => {
                let (mark, text) = recorder.keep(&body, &self.kept);
                if mark.is_some() {
                    self.kept.recorded = mark;
                }
                text
            }
            _ => None,
        };
        // one that nobody records any more
        if self.recorder.as_ref().is_none_or(FleetRecorder::has_ended)
            && let Some(mark) = &mut self.kept.recorded
        {
            mark.left = true;
        }
        if let Some(text) = text {
            self.watcher.remark(at, &text);
        }
    }

    /// What is kept of the check that has just been made; none where this was no check.
    fn noted(
        &mut self,
        before: &Kept,
        decided: &BTreeSet<SliceId>,
        check: Option<(&Observed, bool)>,
    ) -> Option<serde_json::Value> {
        if self.untrimmed >= noted::TRIMMED_EVERY {
            self.untrimmed = 0;
            self.journal.trim_observations(noted::MOST_OF_A_RUN);
        }
        let noted = Noted::of(&self.plan, &before.fleet, &self.kept.fleet, decided, check?, noted::MOST_OF_A_CHECK)?;
        let value = serde_json::to_value(noted).ok()?;
        self.untrimmed += value.to_string().len() as u64;
        Some(value)
    }

    /// Journals effects and the state behind them. False: they raise and could not be journalled.
    fn write(
        &mut self,
        at: Time,
        effects: &[FleetEffect],
        noted: Option<&serde_json::Value>,
        keep: &[crate::store::NewNotice],
        raises: bool,
    ) -> bool {
        let records: Vec<(Option<&OfSlice>, &Record)> = effects
            .iter()
            .filter_map(|e| match &e.effect {
                Effect::Record(r) => Some((e.slice.and_then(|s| self.slots.get(s.index())).map(|s| &s.of), r.as_ref())),
                _ => None,
            })
            .collect();
        let in_reach = self.journal.trouble().is_none();
        // what is journalled and what it led to stand together; a check at which nothing happened can be asked again
        let quiet = effects.is_empty() && in_reach && self.size > LARGE && self.unwritten < QUIET_CHECKS;
        let state = if quiet { None } else { serde_json::to_value(&self.kept).ok() };
        if quiet {
            self.unwritten += 1;
        } else {
            self.unwritten = 0;
            self.size = state.as_ref().map_or(0, |s| s.to_string().len());
        }
        if quiet && noted.is_none() {
            return true;
        }
        let written = self.journal.write_all(at, &records, state.as_ref(), noted, keep, raises);
        match self.journal.trouble() {
            Some(t) if in_reach => {
                let text = format!(
                    "{t}: nothing is raised until the store can be written; notices are sent, and cannot be kept until then"
                );
                self.watcher.remark(at, &text);
            }
            None if !in_reach => self.watcher.remark(at, "the store can be written again: what was kept back is in it"),
            _ => {}
        }
        let dropped = self.journal.take_dropped();
        if dropped > 0 {
            let text = format!("{dropped} events were given up: the store was out of reach for too long");
            self.watcher.remark(at, &text);
        }
        match written {
            Err(e) if raises => {
                self.watcher.remark(at, &format!("not raised, the journal cannot be written: {e}"));
                false
            }
            _ => true,
        }
    }

    /// Hands a request on, if the effect is one.
    fn apply(&mut self, e: &FleetEffect, lowering: bool) {
        let (Some(slice), Effect::Apply { epoch, settings, lowers }) = (e.slice, &e.effect) else { return };
        if *lowers != lowering {
            return;
        }
        let Some(slot) = self.slots.get_mut(slice.index()) else { return };
        (slot.epoch, slot.verified) = (*epoch, false);
        let Some(ports) = slot.ports.clone() else {
            let text = format!("{}: its settings cannot be set: set them by hand", slot.of.written);
            self.watcher.remark(now(), &text);
            return;
        };
        self.requests.ask(slice, Request { epoch: *epoch, settings: settings.clone(), lowers: *lowers }, ports);
    }

    fn perform(&mut self, e: FleetEffect) {
        if let Effect::Apply { lowers, .. } = &e.effect {
            let lowers = *lowers;
            self.apply(&e, lowers);
            return;
        }
        match e.effect {
            Effect::Run { token, action, cause } => self.start_action(e.slice, token, action, cause),
            Effect::CancelRuns => {
                let (ours, others) = std::mem::take(&mut self.actions).into_iter().partition(|(s, ..)| *s == e.slice);
                self.actions = others;
                let ours: Vec<(Option<SliceId>, u32, JoinHandle<()>)> = ours;
                // dropping the future ends the whole process group
                for (slice, token, handle) in ours {
                    handle.abort();
                    self.end_unrun(slice, token, "ended by the rollback");
                }
            }
            _ => {}
        }
    }

    fn end_unrun(&self, slice: Option<SliceId>, token: u32, how: &str) {
        let outcome = ActionOutcome { ok: false, how: how.to_owned(), output: String::new() };
        let tell = self.ended_tx.clone();
        tokio::spawn(async move {
            let _ = tell.send((slice, token, outcome)).await;
        });
    }

    fn start_action(&mut self, slice: Option<SliceId>, token: u32, action: ActionId, cause: RunCause) {
        let Some(runner) = self.backends.action(action).cloned() else {
            self.end_unrun(slice, token, "not bound");
            return;
        };
        let declared = self.plan.actions.get(action.index());
        let timeout = declared.map_or(Duration::from_secs(60), |a| super::clock::duration(a.timeout));
        let phase = slice.and_then(|s| self.kept.fleet.state(s)).map(|s| self.plan.phase_name(s.phase).to_owned());
        let mut vars = vec![
            (String::from("CANARY_ROLLOUT"), self.plan.rollout.clone()),
            (String::from("CANARY_RUN"), self.journal.run().to_string()),
            (String::from("CANARY_PHASE"), phase.unwrap_or_default()),
            (String::from("CANARY_CAUSE"), word(&cause)),
        ];
        if let Some(slot) = slice.and_then(|s| self.slots.get(s.index())) {
            vars.push((String::from("CANARY_SLICE"), slot.of.written.clone()));
            let dims = self.plan.slices.iter().zip(&slot.values);
            vars.extend(dims.map(|(d, v)| (format!("CANARY_SLICE_{}", d.name.to_uppercase()), v.clone())));
        }
        let tell = self.ended_tx.clone();
        let handle = tokio::spawn(async move {
            let outcome = runner.run(timeout, &vars).await;
            let _ = tell.send((slice, token, outcome)).await;
        });
        self.actions.retain(|(_, _, h)| !h.is_finished());
        self.actions.push((slice, token, handle));
    }

    /// All that was read back, and all that was not, in one step.
    fn on_applied(&mut self, applied: Vec<Applied>) {
        let at = now();
        let (mut inputs, mut troubles) = (Vec::new(), Vec::new());
        for a in applied {
            match a {
                Applied::Verified { slice, at, epoch, read } => {
                    if let Some(slot) = self.slots.get_mut(slice.index()).filter(|s| s.epoch == epoch) {
                        (slot.verified, slot.troubled) = (true, false);
                    }
                    inputs.push(FleetInput::Verified { slice, at, epoch, read });
                }
                Applied::Trouble { slice, epoch, attempt, message } => {
                    let Some(slot) = self.slots.get_mut(slice.index()).filter(|s| s.epoch == epoch) else { continue };
                    if !std::mem::replace(&mut slot.troubled, true) {
                        troubles.push((slot.of.written.clone(), attempt, message));
                    }
                }
            }
        }
        if let Some((slice, attempt, message)) = troubles.first() {
            let more = troubles.len() - 1;
            let more = if more > 0 { format!(" (and {more} more slices)") } else { String::new() };
            let text = format!("{slice}: settings do not hold yet (attempt {attempt}): {message}{more}");
            self.watcher.remark(at, &text);
        }
        if !inputs.is_empty() {
            self.feed(at, inputs, None);
            fault::point("confirmed");
        }
    }

    /// All actions that have ended by now, in one step: each step writes all lives.
    fn on_ended(&mut self, first: Ended) {
        let at = now();
        let mut inputs = Vec::new();
        let mut next = Some(first);
        while let Some((slice, token, ActionOutcome { ok, how, output })) = next {
            inputs.push(match slice {
                Some(slice) => FleetInput::ActionEnded { slice, at, token, ok, how, output },
                None => FleetInput::OwnActionEnded { at, token, ok, how, output },
            });
            next = if inputs.len() < ENDED_AT_ONCE { self.ended.try_recv().ok() } else { None };
        }
        self.feed(at, inputs, None);
    }

    fn on_told(&mut self, told: &Told) {
        let at = now();
        if let Some(text) = self.teller.settle(told, &mut self.journal, at) {
            self.watcher.remark(at, &text);
        }
    }

    fn remarks(&mut self, texts: &[String]) {
        for text in texts {
            self.watcher.remark(now(), text);
        }
    }

    fn next_check(&self) -> Time {
        let last = self.kept.fleet.last();
        match last {
            Some(last) => next_check(self.kept.started, self.plan.check_every, last, now()),
            None => self.kept.started.max(now()),
        }
    }

    /// How long until the next check, and whether this machine's clock was set back so far that no check would come for more
    /// than two intervals.
    fn wait_for(&self, next: Time) -> (Duration, bool) {
        let every = self.plan.check_every;
        let wait = next - now();
        if wait <= 2 * every {
            return (super::clock::duration(wait), false);
        }
        (super::clock::duration(every).saturating_sub(self.checked.elapsed()), true)
    }

    /// Asks again for what was asked for and is not confirmed. When that raises and cannot be journalled, it is tried again
    /// once the store is back.
    fn recover(&mut self) {
        let at = now();
        self.feed(at, vec![FleetInput::Recovered { at }], None);
        self.recovery_pending = self.journal.trouble().is_some();
    }

    /// The applier is this run's only way to take anything back: if it ever ends, another one takes the requests up.
    fn restart_applier(&mut self) {
        self.watcher.remark(now(), "the task that sets ports has ended unexpectedly: starting another one");
        let (tell, applied) = mpsc::channel(64);
        self.applier = tokio::spawn(applier(Arc::clone(&self.requests), tell));
        self.applied = applied;
    }

    /// `6 slices: 3 in shadow, 2 in canary, 1 not begun`
    fn summary(&self) -> String {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for slice in self.kept.fleet.slices() {
            let place = match self.kept.fleet.stage(slice) {
                Some(Stage::Phase(p)) => format!("in {}", self.plan.phase_name(p)),
                Some(Stage::RollingBack(_)) => String::from("rolling back"),
                Some(Stage::Done(v)) => v.text().replace('_', " "),
                Some(Stage::Idle) | None => String::from("not begun"),
            };
            *counts.entry(place).or_insert(0) += 1;
        }
        let list: Vec<String> = counts.iter().map(|(place, n)| format!("{n} {place}")).collect();
        match list.is_empty() {
            true => String::from("no slice was seen yet"),
            false => format!("{} slices: {}", self.kept.fleet.len(), list.join(", ")),
        }
    }

    /// What reactions have started by the end of the run runs to its own end; its timeout bounds it.
    async fn last_actions(&mut self, stop: &mut watch::Receiver<bool>) {
        self.actions.retain(|(_, _, h)| !h.is_finished());
        while !self.actions.is_empty() && !*stop.borrow() {
            tokio::select! {
                ended = self.ended.recv() => match ended {
                    Some(ended) => self.on_ended(ended),
                    None => return,
                },
                _ = stop.changed() => {}
            }
            self.actions.retain(|(_, _, h)| !h.is_finished());
        }
        if let Ok(ended) = self.ended.try_recv() {
            self.on_ended(ended);
        }
    }

    /// Writes what is still waiting and the verdict; a store that is out of reach is waited for a little.
    async fn close_journal(&mut self, verdict: crate::engine::Verdict, stop: &mut watch::Receiver<bool>) {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let at = now();
            let state = serde_json::to_value(&self.kept).ok();
            let written = self.journal.write_all(at, &[], state.as_ref(), None, &[], false);
            let Err(e) = written.and_then(|()| self.journal.finish(verdict.text(), at)) else { return };
            if !told {
                told = true;
                self.watcher.remark(at, &format!("the end is not in the store yet, trying on: {e}"));
            }
            if begun.elapsed() > CLOSING || *stop.borrow() {
                let text = "the end of this run is NOT in the store: it still holds the run as unfinished";
                self.watcher.remark(at, text);
                for switch in self.journal.unlatched() {
                    let text =
                        format!("kill switch {switch} is NOT latched: latch it with `canary kill` once it can be");
                    self.watcher.remark(at, &text);
                }
                return;
            }
            tokio::time::sleep(COMMAND_POLL).await;
        }
    }

    async fn wind_down(&mut self, grace: Duration) {
        if let Some(f) = self.fetching.take() {
            f.abort();
        }
        for (_, _, handle) in self.actions.drain(..) {
            handle.abort();
        }
        self.applier.abort();
        // what quiet checks have counted since the last snapshot
        if self.unwritten > 0 && self.journal.trouble().is_none() && !self.journal.is_taken() {
            let state = serde_json::to_value(&self.kept).ok();
            let _ = self.journal.write_all(now(), &[], state.as_ref(), None, &[], false);
        }
        let watcher = &mut self.watcher;
        self.teller.finish(&mut self.journal, grace, |text| watcher.remark(now(), text)).await;
    }
}

async fn join(fetching: &mut Option<JoinHandle<Fetched>>) -> Option<Fetched> {
    match fetching {
        Some(handle) => handle.await.ok(),
        None => None,
    }
}
