//! The loop of a run: one input at a time into the engine, its effects journalled, then performed.

use super::apply::{Applied, Request, applier};
use super::backends::Backends;
use super::clock::{duration, next_check, now};
use super::fault;
use super::fetch::{self, Fetched, deadline};
use super::journal::Journal;
use super::notices::Told;
use super::observe::{Observer, View};
use super::recorder::Recorder;
use super::teller::Teller;
use super::watcher::Watcher;
use crate::backend::ActionOutcome;
use crate::engine::{Effect, Input, Observation, Operator, Record, RunCause, Seen, Stage, State, Verdict, step};
use crate::plan::{ActionId, Answer, Plan, PortId, Setting, Time};
use crate::sim::catch_up;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How often the store is asked for people's commands.
const COMMAND_POLL: Duration = Duration::from_millis(250);
/// Missed checks are back-filled after a stop for at most so long (and at most [`catch_up::MOST`] of them).
const BACKFILL_TIME: Duration = Duration::from_secs(20);
/// How long the reading of ports may hold up a check whose questions are answered already.
const PORTS: Duration = Duration::from_secs(2);
/// How long a stop waits for a rollback under way to be read back.
const ROLLBACK_GRACE: Duration = Duration::from_secs(30);
/// How long the end of a run waits for a store that cannot be written.
const CLOSING: Duration = Duration::from_secs(10);
/// How long the end of a run waits for notices that are still being delivered.
pub const NOTICE_GRACE: Duration = Duration::from_secs(20);

/// The answer to a person who asks for a rollback behind a point of no return.
pub const STANDS: &str = "not rolled back: it is past a point of no return, and paused";
/// The same where the rollback came with a kill switch.
pub const STANDS_KILLED: &str =
    "kill switch thrown; not rolled back besides: it is past a point of no return, and paused";

/// How the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The run is over.
    Finished(Verdict),
    /// The process was asked to stop; the state is kept.
    Stopped,
    /// Another runner has taken the run over, or the lease was lost: this one has done nothing since. Why, in words.
    Taken(String),
}

/// How a run begins.
pub enum Beginning {
    /// From the start, with what preflight read.
    Start {
        /// The first check's planned time.
        at: Time,
        /// What every port was read as.
        originals: Vec<(PortId, Setting)>,
        /// What every input was answered.
        answers: Vec<Answer>,
        /// What every input of the baseline was answered.
        baseline: Vec<Option<Answer>>,
        /// When this rollout was last rolled back, by an earlier run.
        rolled_back: Option<Time>,
    },
    /// From a kept state.
    Recovered(Box<State>),
    /// From a kept state, only to take everything back; from the state of a run that has not started, to throw a kill switch
    /// where nothing runs.
    TakeBack {
        /// The state.
        state: Box<State>,
        /// [`Operator::Abort`] or [`Operator::Kill`].
        act: Operator,
        /// Who asks for it.
        who: String,
        /// Why.
        why: String,
    },
}

/// One run.
pub struct Executor {
    plan: Arc<Plan>,
    state: State,
    backends: Backends,
    journal: Journal,
    watcher: Watcher,
    requests: watch::Sender<Option<Request>>,
    applied: mpsc::Receiver<Applied>,
    applier: JoinHandle<()>,
    ended_tx: mpsc::Sender<(u32, ActionOutcome)>,
    ended: mpsc::Receiver<(u32, ActionOutcome)>,
    actions: Vec<(u32, JoinHandle<()>)>,
    teller: Teller,
    /// Where what reaches the engine is kept, if it is to be.
    recorder: Option<Recorder>,
    fetching: Option<JoinHandle<Fetched>>,
    /// Ports that could not be read at the last check.
    unread: Vec<String>,
    /// What was asked for before the stop could not be journalled when it was to be asked for again.
    recovery_pending: bool,
    /// When the last check was made, on the clock that cannot be set.
    checked: Instant,
    answers: Vec<Answer>,
    ports: Vec<Option<Setting>>,
    apply_trouble: Option<String>,
    /// It was taken over only to take everything back.
    only_back: bool,
}

impl Executor {
    /// A run of `plan` on `backends`, journalled in `journal`.
    pub fn new(plan: Arc<Plan>, backends: Backends, journal: Journal, observer: Box<dyn Observer>) -> Self {
        let (requests, rx) = watch::channel(None);
        let (tell, applied) = mpsc::channel(64);
        let (ended_tx, ended) = mpsc::channel(64);
        let applier = tokio::spawn(applier(backends.clone(), rx, tell));
        let (inputs, ports) = (plan.inputs.len(), plan.ports.len());
        Self {
            state: State::new(&plan),
            teller: Teller::new(&plan, &backends, &journal),
            plan,
            backends,
            journal,
            watcher: Watcher::new(observer),
            requests,
            applied,
            applier,
            ended_tx,
            ended,
            actions: Vec::new(),
            recorder: None,
            fetching: None,
            unread: Vec::new(),
            recovery_pending: false,
            checked: Instant::now(),
            answers: vec![fetch::unasked(); inputs],
            ports: vec![None; ports],
            apply_trouble: None,
            only_back: false,
        }
    }

    /// With a recorder that is given everything that reaches the engine.
    #[must_use]
    pub fn recording(self, recorder: Option<Recorder>) -> Self {
        Self { recorder, ..self }
    }

    /// The state as it stands.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Runs until the rollout is over or `stop` becomes true.
    pub async fn run(mut self, beginning: Beginning, mut stop: watch::Receiver<bool>) -> (Outcome, State) {
        if *stop.borrow() && !matches!(beginning, Beginning::TakeBack { .. }) {
            // asked to stop before anything was asked for: nothing is
            if let Beginning::Recovered(state) = beginning {
                self.state = *state;
            }
            self.watcher.finish();
            return (Outcome::Stopped, self.state);
        }
        let left = self.teller.take_up(&self.journal);
        self.remarks(&left);
        match beginning {
            Beginning::Start { at, originals, answers, baseline, rolled_back } => {
                let mementos = self.backends.ports.iter().enumerate();
                self.state.mementos = mementos.filter_map(|(i, p)| Some((PortId::at(i), p.memento()?))).collect();
                self.answers.clone_from(&answers);
                for (port, setting) in &originals {
                    if let Some(slot) = self.ports.get_mut(port.index()) {
                        *slot = Some(*setting);
                    }
                }
                let input = Input::Start { at, originals, answers: &answers, baseline, rolled_back };
                self.journal.wait_for_others(true);
                self.feed(at, input, None);
                if self.journal.trouble().is_none() {
                    self.journal.wait_for_others(false);
                }
            }
            Beginning::Recovered(state) => {
                self.state = *state;
                self.remember();
                let (run, at) = (self.journal.run(), now());
                let place = match self.state.stage {
                    Stage::Idle => String::from("nothing was changed yet"),
                    Stage::Phase(p) => format!("in phase {}", self.plan.phase_name(p)),
                    Stage::RollingBack(_) => String::from("it was rolling back"),
                    Stage::Done(v) => v.text().replace('_', " "),
                };
                self.watcher.remark(at, &format!("run {run} goes on: {place}"));
                // what people said to the runner that stopped comes first: an abort must not wait for a raise
                self.on_commands(true);
                self.recover();
                self.backfill(&mut stop).await;
            }
            Beginning::TakeBack { state, act, who, why } => {
                self.state = *state;
                self.remember();
                let at = now();
                // a rollback that was under way goes on; anything else begins one, and nothing is asked for before it
                if act != Operator::Abort || !matches!(self.state.stage, Stage::RollingBack(_)) {
                    self.feed(at, Input::Operator { at, act, who, why }, None);
                }
                // what the runner that stopped had under way ended with it, or is begun again
                self.feed(at, Input::Recovered { at }, None);
                self.only_back = true;
            }
        }
        let outcome = self.main_loop(&mut stop).await;
        if let Outcome::Finished(verdict) = outcome {
            self.last_actions(&mut stop).await;
            self.close_journal(verdict, &mut stop).await;
        }
        // who asked for a stop is not kept waiting: what is not delivered by then is named
        let grace = if matches!(outcome, Outcome::Finished(_)) { NOTICE_GRACE } else { Duration::from_secs(1) };
        self.wind_down(grace).await;
        if let Some(why) = self.recorder.take().and_then(Recorder::close) {
            self.watcher.remark(now(), &format!("the recording is not complete: {why}"));
        }
        self.watcher.finish();
        (outcome, self.state)
    }

    /// Whether a rollback was asked for that cannot be, and what could be done is done: a kill switch's settings and actions.
    fn stands(&self) -> bool {
        matches!(self.state.stage, Stage::Phase(_))
            && self.state.kill_actions.is_empty()
            && (self.state.killed.is_empty() || self.state.target.verified.is_some())
    }

    /// Tells the ports how the originals were written, which another process has read.
    fn remember(&self) {
        for (port, memento) in &self.state.mementos {
            if let Some(p) = self.backends.port(*port) {
                p.remember(memento);
            }
        }
    }

    async fn main_loop(&mut self, stop: &mut watch::Receiver<bool>) -> Outcome {
        let mut poll = tokio::time::interval(COMMAND_POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut grace_until: Option<tokio::time::Instant> = None;
        loop {
            if let Some(verdict) = self.state.verdict() {
                return Outcome::Finished(verdict);
            }
            if self.only_back && self.stands() {
                // nothing leads back across the point; the phase itself is left to a runner
                return Outcome::Stopped;
            }
            if self.journal.is_taken() {
                return Outcome::Taken(self.journal.trouble().unwrap_or("the lease was lost").to_owned());
            }
            if *stop.borrow() {
                // rollback comes first: one that is under way is read back before we go
                let rolling_back = matches!(self.state.stage, Stage::RollingBack(_));
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
                Some((token, outcome)) = self.ended.recv() => self.on_ended(token, outcome),
                told = self.teller.told() => self.on_told(&told),
                fetched = join(&mut self.fetching), if self.fetching.is_some() => self.on_fetched(fetched),
                () = tokio::time::sleep(wait), if self.fetching.is_none() => {
                    if set_back { self.check_blindly() } else { self.fetch(next) }
                }
                _ = poll.tick() => self.on_commands(false),
                _ = &mut self.applier => self.restart_applier(),
            }
        }
    }

    /// Steps the engine with one input, journals what came of it, and performs it. `retry` is the same input as a check that
    /// is not live, for when the journal cannot be written.
    fn feed(&mut self, at: Time, input: Input<'_>, retry: Option<Input<'_>>) {
        let before = self.state.clone();
        let noted = self.recorder.as_ref().and_then(|r| r.note(&self.plan, &self.state, &input));
        let seen = Seen::of(&self.state, &input);
        let mut effects = Vec::new();
        step(&self.plan, &mut self.state, input, &mut effects);
        let raises = effects.iter().any(|e| matches!(e, Effect::Apply { lowers: false, .. }));
        let applies = effects.iter().any(|e| matches!(e, Effect::Apply { .. }));
        if applies {
            fault::point("decided");
        }
        let urgent = effects.iter().any(|e| matches!(e, Effect::Apply { lowers: true, .. }));
        if urgent && self.journal.holds() {
            // nothing stands in front of a rollback, not even the journal
            self.perform_lowering(&effects);
        }
        if let (Some(recorder), Some(noted)) = (&mut self.recorder, noted)
            && let Some(text) = recorder.keep(noted, &before, &self.state)
        {
            self.watcher.remark(at, &text);
        }
        if applies {
            fault::point("recorded");
        }
        let records: Vec<&Record> = effects
            .iter()
            .filter_map(|e| match e {
                Effect::Record(r) => Some(r.as_ref()),
                _ => None,
            })
            .collect();
        let observation = self.observation(at, seen);
        let notices = self.teller.make(at, &effects);
        let keep = self.teller.to_keep(&notices);
        let in_reach = self.journal.trouble().is_none();
        let written = self.journal.write(at, &records, &self.state, observation.as_ref(), &keep, raises);
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
        if raises && let Err(e) = written {
            // it never happened: exposure is raised only by what is in the journal
            self.state = before;
            self.watcher.remark(at, &format!("not raised, the journal cannot be written: {e}"));
            if let Some(again) = retry {
                self.feed(at, again, None);
            } else if self.state.stage == Stage::Idle {
                self.state.stage = Stage::Done(Verdict::Refused);
            }
            return;
        }
        let dropped = self.journal.take_dropped();
        if dropped > 0 {
            let text = format!("{dropped} events were given up: the store was out of reach for too long");
            self.watcher.remark(at, &text);
        }
        if applies {
            fault::point("journalled");
        }
        for r in &records {
            self.watcher.record(at, r);
        }
        for effect in effects {
            self.perform(effect, urgent);
        }
        let kept = self.teller.send(notices);
        self.remarks(&kept);
        self.show();
    }

    fn remarks(&mut self, texts: &[String]) {
        for text in texts {
            self.watcher.remark(now(), text);
        }
    }

    fn on_told(&mut self, told: &Told) {
        let at = now();
        if let Some(text) = self.teller.settle(told, &mut self.journal, at) {
            self.watcher.remark(at, &text);
        }
    }

    /// What was read at a check, kept beside the journal for explanations.
    fn observation(&self, at: Time, seen: Option<Seen>) -> Option<serde_json::Value> {
        let seen = seen.filter(|_| self.state.last == Some(at))?;
        serde_json::to_value(Observation::of(&self.plan, &self.state, seen, &self.answers, &self.ports)).ok()
    }

    fn perform_lowering(&self, effects: &[Effect]) {
        for e in effects {
            if let Effect::Apply { epoch, settings, lowers: true } = e {
                let request = Request { epoch: *epoch, settings: settings.clone(), lowers: true };
                self.requests.send_replace(Some(request));
            }
        }
    }

    fn perform(&mut self, effect: Effect, lowered: bool) {
        match effect {
            Effect::Record(_) => {}
            Effect::Apply { lowers: true, .. } if lowered => {}
            Effect::Apply { epoch, settings, lowers } => {
                self.apply_trouble = None;
                self.requests.send_replace(Some(Request { epoch, settings, lowers }));
            }
            Effect::Run { token, action, cause } => self.start_action(token, action, cause),
            Effect::CancelRuns => {
                // dropping the future ends the whole process group
                for (token, handle) in self.actions.drain(..) {
                    handle.abort();
                    let outcome =
                        ActionOutcome { ok: false, how: String::from("ended by the rollback"), output: String::new() };
                    let tell = self.ended_tx.clone();
                    tokio::spawn(async move {
                        let _ = tell.send((token, outcome)).await;
                    });
                }
            }
            // a rollout with one life has no other that could be paused
            Effect::Halt { .. } | Effect::Throw { .. } | Effect::Notify { .. } | Effect::Finish(_) => {}
        }
    }

    fn start_action(&mut self, token: u32, action: ActionId, cause: RunCause) {
        let Some(runner) = self.backends.action(action).cloned() else {
            let outcome = ActionOutcome { ok: false, how: String::from("not bound"), output: String::new() };
            let tell = self.ended_tx.clone();
            tokio::spawn(async move {
                let _ = tell.send((token, outcome)).await;
            });
            return;
        };
        let timeout = self.plan.actions.get(action.index()).map_or(Duration::from_secs(60), |a| duration(a.timeout));
        let vars = vec![
            (String::from("CANARY_ROLLOUT"), self.plan.rollout.clone()),
            (String::from("CANARY_RUN"), self.journal.run().to_string()),
            (String::from("CANARY_PHASE"), self.plan.phase_name(self.state.phase).to_owned()),
            (String::from("CANARY_CAUSE"), word(&cause)),
        ];
        let tell = self.ended_tx.clone();
        let handle = tokio::spawn(async move {
            let outcome = runner.run(timeout, &vars).await;
            let _ = tell.send((token, outcome)).await;
        });
        self.actions.retain(|(_, h)| !h.is_finished());
        self.actions.push((token, handle));
    }

    fn on_applied(&mut self, applied: Applied) {
        match applied {
            Applied::Verified { at, epoch, read } => {
                let current = epoch == self.state.target.epoch && self.state.target.verified.is_none();
                if current {
                    self.apply_trouble = None;
                    for (port, setting) in &read {
                        if let Some(slot) = self.ports.get_mut(port.index()) {
                            *slot = Some(*setting);
                        }
                    }
                }
                self.feed(at, Input::Verified { at, epoch, read }, None);
                if current {
                    fault::point("confirmed");
                }
            }
            Applied::Trouble { epoch, attempt, message } => {
                if epoch == self.state.target.epoch {
                    self.watcher.remark(now(), &format!("settings do not hold yet (attempt {attempt}): {message}"));
                    self.apply_trouble = Some(message);
                    self.show();
                }
            }
        }
    }

    fn on_ended(&mut self, token: u32, outcome: ActionOutcome) {
        let at = now();
        let ActionOutcome { ok, how, output } = outcome;
        self.feed(at, Input::ActionEnded { at, token, ok, how, output }, None);
    }

    /// Obeys people's commands and latched kill switches. `late`: they were said to a runner that has stopped since; then nothing is obeyed that raises.
    fn on_commands(&mut self, late: bool) {
        for command in self.journal.commands() {
            let at = now();
            if late && (command.kind == "resume" || command.kind.starts_with("approve ")) {
                self.journal.acknowledge(
                    &command,
                    at,
                    "not obeyed: the runner it was said to has stopped; say it again",
                );
                continue;
            }
            let act = match command.kind.as_str() {
                "pause" => Operator::Pause,
                "resume" => Operator::Resume,
                "abort" => Operator::Abort,
                approve if approve.starts_with("approve ") => {
                    let group = approve.trim_start_matches("approve ");
                    match self.plan.group(group) {
                        Some(id) => Operator::Approve(id),
                        None => {
                            let asked = self.plan.groups.join(", ");
                            let text = if asked.is_empty() {
                                String::from("its plan asks for nobody's approval")
                            } else {
                                format!("its plan asks for no approval of {group}, only of {asked}")
                            };
                            self.journal.acknowledge(&command, at, &text);
                            continue;
                        }
                    }
                }
                other => match other.strip_prefix("kill ").map(|name| (name, self.plan.switch(name))) {
                    Some((_, Some(switch))) => Operator::Kill(switch),
                    Some((name, None)) => {
                        self.journal.acknowledge(&command, at, &format!("its plan has no kill switch {name}"));
                        continue;
                    }
                    None => {
                        self.journal.acknowledge(&command, at, &format!("this runner does not know `{other}`"));
                        continue;
                    }
                },
            };
            let was = (self.state.stage, self.state.paused.is_some());
            let thrown = self.state.killed.len();
            let approved = self.state.approvals.len();
            let input = Input::Operator { at, act, who: command.who.clone(), why: command.why.clone() };
            self.feed(at, input, None);
            let is = (self.state.stage, self.state.paused.is_some());
            let outcome = match (act, was == is) {
                // behind a point of no return: see `irreversible`
                (Operator::Abort, _) if matches!(is.0, Stage::Phase(_)) => STANDS,
                (Operator::Kill(_), _) if matches!(is.0, Stage::Phase(_)) => STANDS_KILLED,
                (Operator::Pause, false) => "paused",
                (Operator::Pause, true) if was.1 => "it was paused already",
                (Operator::Resume, false) => "resumed",
                (Operator::Resume, true) => "it was not paused",
                (Operator::Abort, false) => "rolling back",
                (Operator::Approve(_), _) if self.state.approvals.len() > approved => "approved",
                (Operator::Kill(_), _)
                    if self.state.killed.len() > thrown || (was != is && matches!(is.0, Stage::RollingBack(_))) =>
                {
                    "killed, rolling back"
                }
                (Operator::Kill(switch), _) if self.state.killed.contains(&switch) => "killed already, rolling back",
                _ => "too late: it is being rolled back, or over",
            };
            self.journal.acknowledge(&command, at, outcome);
        }
        self.obey_latches();
    }

    /// A switch that was latched without a word to this runner (by another rollout's guard, or while nobody ran this one) is
    /// thrown here as well: while it is latched nothing that it concerns is exposed.
    fn obey_latches(&mut self) {
        if self.plan.switches.is_empty() || !matches!(self.state.stage, Stage::Phase(_) | Stage::RollingBack(_)) {
            return;
        }
        self.obey_resets();
        for latch in self.journal.latches() {
            let Some(switch) = self.plan.switch(&latch.switch).filter(|s| !self.state.killed.contains(s)) else {
                continue;
            };
            let at = now();
            let act = Operator::Kill(switch);
            self.feed(at, Input::Operator { at, act, who: latch.who, why: latch.why }, None);
        }
    }

    /// A switch that a guard has thrown, and with which this run lives on, was reset by a person: the store says so, whether this runner
    /// was there or not.
    fn obey_resets(&mut self) {
        if !matches!(self.state.stage, Stage::Phase(_)) {
            return;
        }
        for switch in self.state.killed.clone() {
            let Some(latch) = self.journal.reset_of(self.plan.switch_name(switch)) else { continue };
            let at = now();
            let act = Operator::Reset(switch);
            self.feed(at, Input::Operator { at, act, who: latch.who, why: latch.why }, None);
        }
    }

    fn next_check(&self) -> Time {
        let started = self.state.started.unwrap_or_else(now);
        let last = self.state.last.unwrap_or(started);
        next_check(started, self.plan.check_every, last, now())
    }

    /// How long until the next check, and whether this machine's clock was set back so far that no check would come for more
    /// than two intervals.
    fn wait_for(&self, next: Time) -> (Duration, bool) {
        let every = self.plan.check_every;
        let wait = next - now();
        if wait <= 2 * every {
            return (duration(wait), false);
        }
        (duration(every).saturating_sub(self.checked.elapsed()), true)
    }

    /// A check for which nothing can be asked: the planned time lies in this clock's future. Unknown never helps the canary, so
    /// the guards are blind until the clock has caught up, and `no data` runs.
    fn check_blindly(&mut self) {
        let at = self.state.last.unwrap_or_else(now) + self.plan.check_every;
        let why = Answer::failed("this machine's clock was set back");
        let answers = vec![why; self.plan.inputs.len()];
        let ports = vec![None; self.plan.ports.len()];
        self.on_fetched(Some(Fetched { at, answers, ports, ports_epoch: 0, live: false }));
    }

    /// Begins to ask for the check at `at`.
    fn fetch(&mut self, at: Time) {
        let (plan, backends) = (Arc::clone(&self.plan), self.backends.clone());
        let sinces = fetch::sinces(&plan, &self.state);
        let ports_epoch = if self.state.target.verified.is_some() { self.state.target.epoch } else { 0 };
        self.fetching = Some(tokio::spawn(async move {
            let within = deadline(plan.check_every);
            let (answers, ports) = tokio::join!(
                fetch::inputs(&plan, &backends, &sinces, at, within, false),
                fetch::ports(&plan, &backends, within.min(PORTS))
            );
            Fetched { at, answers, ports: ports.into_iter().map(Result::ok).collect(), ports_epoch, live: true }
        }));
    }

    fn on_fetched(&mut self, fetched: Option<Fetched>) {
        self.fetching = None;
        self.checked = Instant::now();
        let Some(fetched) = fetched else { return };
        self.answers.clone_from(&fetched.answers);
        for (slot, read) in self.ports.iter_mut().zip(&fetched.ports) {
            // a port that could not be read keeps what it was last read as: the view says how old its trouble is
            *slot = read.or(*slot);
        }
        let unread: Vec<String> = self
            .state
            .target
            .settings
            .iter()
            .filter(|(p, _)| fetched.ports_epoch != 0 && fetched.ports.get(p.index()).copied().flatten().is_none())
            .map(|(p, _)| self.plan.port_name(*p).to_owned())
            .collect();
        if !unread.is_empty() && self.unread.is_empty() {
            let text = format!("{} cannot be read back: no phase ends until it can", unread.join(", "));
            self.watcher.remark(now(), &text);
        }
        self.unread = unread;
        let tick = |live: bool| Input::Tick {
            at: fetched.at,
            answers: &fetched.answers,
            ports: &fetched.ports,
            ports_epoch: fetched.ports_epoch,
            live,
        };
        // what was answered long ago (this machine slept, or was starved) says nothing of now
        let fresh = now() - fetched.at < self.plan.check_every.max(1);
        // with the journal out of reach a check may lower, never raise
        let live = fetched.live && fresh && self.journal.trouble().is_none();
        self.feed(fetched.at, tick(live), live.then(|| tick(false)));
        if self.recovery_pending && self.journal.trouble().is_none() {
            self.recover();
        }
    }

    /// Asks again for what was asked for and is not confirmed. When that raises and cannot be journalled, it is tried again
    /// once the store is back.
    fn recover(&mut self) {
        let at = now();
        self.feed(at, Input::Recovered { at }, None);
        self.recovery_pending = self.journal.trouble().is_some();
    }

    /// The applier is this run's only way to take anything back: if it ever ends, another one takes the newest request up.
    fn restart_applier(&mut self) {
        self.watcher.remark(now(), "the task that sets ports has ended unexpectedly: starting another one");
        let newest = self.requests.borrow().clone();
        let (requests, rx) = watch::channel(newest);
        let (tell, applied) = mpsc::channel(64);
        self.applier = tokio::spawn(applier(self.backends.clone(), rx, tell));
        (self.requests, self.applied) = (requests, applied);
    }

    /// Makes the checks that a stop has missed, from the sources' history: they feed conditions, never `hold`.
    async fn backfill(&mut self, stop: &mut watch::Receiver<bool>) {
        let (Some(started), Some(last)) = (self.state.started, self.state.last) else { return };
        if !matches!(self.state.stage, Stage::Phase(_)) || !self.backends.sources.values().any(|s| s.has_history()) {
            return;
        }
        let every = self.plan.check_every.max(1);
        let until = now() - every;
        let mut at = catch_up::first_asked(next_check(started, every, last, last), until, every);
        let asked = catch_up::missed(at, until, every);
        if asked == 0 {
            return;
        }
        self.watcher.remark(now(), &format!("asking the sources for {asked} missed checks"));
        let begun = Instant::now();
        while at <= until && matches!(self.state.stage, Stage::Phase(_)) {
            // a live check must not wait long for those that were missed
            if begun.elapsed() > BACKFILL_TIME {
                self.watcher.remark(now(), "the sources are slow: the rest of the missed checks stay missed");
                return;
            }
            self.on_commands(false);
            let sinces = fetch::sinces(&self.plan, &self.state);
            let within = deadline(2_500);
            let answers = tokio::select! {
                answers = fetch::inputs(&self.plan, &self.backends, &sinces, at, within, true) => answers,
                _ = stop.wait_for(|s| *s) => return,
            };
            if !answers.iter().any(|a| a.value.is_ok()) {
                self.watcher.remark(now(), "the sources have no answers: the missed checks stay missed");
                return;
            }
            let ports = vec![None; self.plan.ports.len()];
            self.answers.clone_from(&answers);
            self.feed(at, Input::Tick { at, answers: &answers, ports: &ports, ports_epoch: 0, live: false }, None);
            at += every;
        }
    }

    fn show(&mut self) {
        let mut troubles: Vec<String> = Vec::new();
        if let Some(t) = self.journal.trouble() {
            troubles.push(format!("store: {t}: nothing is raised until it can be written"));
        }
        if let Some(t) = &self.apply_trouble {
            troubles.push(format!("settings do not hold yet: {t}"));
        }
        if !self.unread.is_empty() {
            troubles.push(format!("{} cannot be read back: no phase ends until it can", self.unread.join(", ")));
        }
        let next_check = self.next_check();
        self.watcher.view(
            &self.plan,
            View {
                plan: &self.plan,
                state: &self.state,
                run: self.journal.run().as_str(),
                answers: &self.answers,
                ports: &self.ports,
                next_check,
                troubles: &troubles,
            },
        );
    }

    /// What reactions have started by the end of the run (`on rollback: run …`) runs to its own end; its timeout bounds it.
    async fn last_actions(&mut self, stop: &mut watch::Receiver<bool>) {
        while !self.state.running.is_empty() && !*stop.borrow() {
            tokio::select! {
                ended = self.ended.recv() => match ended {
                    Some((token, outcome)) => self.on_ended(token, outcome),
                    None => return,
                },
                _ = stop.changed() => {}
            }
        }
    }

    /// Writes what is still waiting and the verdict. A store that is out of reach at the end of a run is waited for a little:
    /// otherwise the next runner would find the run where it was before.
    async fn close_journal(&mut self, verdict: Verdict, stop: &mut watch::Receiver<bool>) {
        let begun = Instant::now();
        let mut told = false;
        loop {
            let at = now();
            let written = match self.journal.trouble() {
                None => Ok(()),
                Some(_) => self.journal.write(at, &[], &self.state, None, &[], false),
            };
            let Err(e) = written.and_then(|()| self.journal.finish(verdict.text(), at)) else { return };
            if !told {
                told = true;
                self.watcher.remark(at, &format!("the end is not in the store yet, trying on: {e}"));
            }
            if begun.elapsed() > CLOSING || *stop.borrow() {
                let text = "the end of this run is NOT in the store: it still holds the run as unfinished";
                self.watcher.remark(at, text);
                for switch in self.journal.unlatched() {
                    let text = format!(
                        "kill switch {switch} is NOT latched: `canary kill {switch}` latches it once the store can be written"
                    );
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
        for (_, handle) in self.actions.drain(..) {
            handle.abort();
        }
        self.applier.abort();
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

/// A serde name as a word.
pub(super) fn word<T: serde::Serialize>(v: &T) -> String {
    serde_json::to_value(v).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
