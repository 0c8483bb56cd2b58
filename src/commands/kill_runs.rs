//! `canary kill` where a run is under way: its runner is told, or, where nobody runs it, this process takes it over.

use super::exit::{Status, because};
use super::kill::{Kill, Look, no_lease, undone, worse};
use super::lab;
use super::people::{runner, who};
use super::run::{kept_state, resume_with, stop_on_signals};
use super::runs::at;
use super::side_by_side::observer_of;
use super::switches::Pinned;
use crate::engine::{Effect, Input, Operator, Record, State, step};
use crate::plan::SwitchId;
use crate::runtime::clock::now;
use crate::runtime::executor::STANDS_KILLED;
use crate::runtime::journal::Journal;
use crate::store::{LeaseGuard, Run, StoreError};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a live runner may take to answer.
const ANSWER: Duration = Duration::from_secs(10);
/// How long a runner that was not told may take to obey the latch.
const LATCH: Duration = Duration::from_secs(5);
/// How long to wait for a live runner's rollback.
const ROLLBACK: Duration = Duration::from_secs(120);

impl Kill<'_> {
    pub(super) fn tell(&self, run: &Run) -> Result<i64, StoreError> {
        let kind = format!("kill {}", self.args.switch);
        self.store.post_command(&run.id, &kind, &who(), &self.args.why, now())
    }

    /// Waits until a live runner has taken everything back; one that does not hear leaves it to this process.
    pub(super) fn awaited(&self, p: &Pinned, told: Result<i64, StoreError>, several: bool) -> Result<Look, Status> {
        let run = &p.run;
        let id = match told {
            Ok(id) => id,
            // it has ended meanwhile
            Err(StoreError::Refused { .. }) => return Ok(Look::Again),
            Err(e) => {
                return self.unheard(p, &format!("the runner of {} cannot be told: {e}", run.rollout), true, several);
            }
        };
        let begun = Instant::now();
        let answer = loop {
            if let Some(answer) = self.store.command(id).ok().and_then(|c| c.outcome) {
                break answer;
            }
            if self.verdict(run).is_some() || runner(&self.store, run).is_none() {
                return Ok(Look::Again);
            }
            if begun.elapsed() > ANSWER {
                let text = format!("the runner of {} has not answered within {}s", run.rollout, ANSWER.as_secs());
                return self.unheard(p, &text, true, several);
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if answer.starts_with("this runner does not know") {
            return self.unheard(
                p,
                &format!("the runner of {} is of a version without kill switches", run.rollout),
                true,
                several,
            );
        }
        outln!("{} run {}: {answer}", run.rollout, run.id);
        if answer == STANDS_KILLED {
            return Ok(Look::Done(because(Status::Bad, &format!("{} is not taken back: act by hand", run.rollout))));
        }
        let begun = Instant::now();
        // it was over before it heard: what the switch sets is still to be set
        let heard = answer.starts_with("killed");
        while begun.elapsed() < ROLLBACK {
            match self.verdict(run).as_deref() {
                Some("killed" | "rolled_back" | "aborted") if heard => {
                    outln!("{} run {}: taken back", run.rollout, run.id);
                    return Ok(Look::Done(self.of_run(p)));
                }
                // it ended before it heard, or its runner did
                Some(_) => return Ok(Look::Again),
                None if runner(&self.store, run).is_none() && self.verdict(run).is_none() => return Ok(Look::Again),
                None => std::thread::sleep(Duration::from_millis(100)),
            }
        }
        let see = format!("canary status{}", at(&self.store));
        let message = format!("{} is not read back yet; its runner keeps trying (see `{see}`)", run.rollout);
        Ok(Look::Done(because(Status::Unfinished, &message)))
    }

    /// What became of the switch's actions, as the run's last state tells.
    fn of_run(&self, p: &Pinned) -> Status {
        let names: Vec<String> = p.plan.actions.iter().map(|a| a.name.clone()).collect();
        match kept_state(&self.store, &p.run) {
            Ok(Some(state)) => undone(&p.run.rollout, &names, &state),
            Ok(None) | Err(_) => Status::Success,
        }
    }

    fn verdict(&self, run: &Run) -> Option<String> {
        self.store.run(&run.id).ok().and_then(|r| r.verdict)
    }

    /// A run that cannot be taken back from here, because its runner (if it is `live`) does not hear or for another reason: what
    /// the switch takes away is taken away past it. A runner will see that somebody else has changed its ports, and pause.
    fn unheard(&self, p: &Pinned, why: &str, live: bool, several: bool) -> Result<Look, Status> {
        eprintln!("canary: {why}: setting what the switch sets without it");
        let done =
            self.alone(&p.plan, &p.bindings, Path::new(&p.run.policy_path), &[], no_lease(&self.store)?, several)?;
        // it may hear now: a runner obeys what is latched
        let begun = Instant::now();
        while live && begun.elapsed() < LATCH {
            let alive = runner(&self.store, &p.run).is_some();
            if self.verdict(&p.run).is_some() {
                return Ok(Look::Done(worse(done, self.of_run(p))));
            }
            if !alive {
                return Ok(Look::Again);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let message = format!(
            "{} (run {}) is not taken back: only what the switch itself sets is set; say `canary kill {}{}` again",
            p.run.rollout,
            p.run.id,
            self.args.switch,
            at(&self.store)
        );
        Ok(Look::Done(worse(done, because(Status::Unfinished, &message))))
    }

    /// Nobody runs it: this process takes it over, only to take it back, with the plan and bindings that it began with.
    ///
    /// `patient_enough`: whoever holds its ports has had the time to let go.
    pub(super) fn take_over(&self, p: &Pinned, patient_enough: bool, several: bool) -> Result<Look, Status> {
        let Some(switch) = p.plan.switch(&self.args.switch) else { return Ok(Look::Again) };
        let Some(lease) = self.leased(&p.plan, &p.bindings)? else {
            if patient_enough {
                return self.unheard(p, &format!("somebody else holds what run {} has set", p.run.id), false, several);
            }
            return Ok(Look::Again);
        };
        if self.verdict(&p.run).is_some() {
            return Ok(Look::Again);
        }
        // a run that had not changed anything yet: only the switch's own settings are asked for
        let Ok(state) = kept_state(&self.store, &p.run) else {
            drop(lease);
            return self.unheard(p, &format!("run {} cannot be taken over", p.run.id), false, several);
        };
        let state = state.unwrap_or_else(|| State::new(&p.plan));
        if p.bindings.environment == "lab" {
            return self.lab_has_gone(p, state, switch, lease);
        }
        let plan = Arc::new(p.plan.clone());
        let backends = self.connected(&p.plan, &p.bindings)?;
        // its runner was stopped between its end and the entry of that: only the entry is made here, and nothing is set
        let over = state.verdict().is_some();
        let beginning = self.beginning(state, switch);
        let status = self.runtime.block_on(async {
            let observer = observer_of(&p.run.rollout, &p.bindings.environment, several);
            let stop = stop_on_signals();
            resume_with(&self.store, &p.run, lease, plan, backends, beginning, stop, observer, None).await
        });
        Ok(match status {
            Status::Success | Status::Bad | Status::Person | Status::Refused if over => Look::Again,
            // what was asked for is done, whether this call or a rollback under way did it
            Status::Person | Status::Bad => Look::Done(self.of_run(p)),
            other => Look::Done(other),
        })
    }

    /// The lab went away with the process that ran it: nothing is left that could be exposed; it is journalled and latched.
    fn lab_has_gone(&self, p: &Pinned, mut state: State, switch: SwitchId, lease: LeaseGuard) -> Result<Look, Status> {
        let (at, mut effects) = (now(), Vec::new());
        let act = Operator::Kill(switch);
        let input = Input::Operator { at, act, who: who(), why: self.args.why.clone() };
        step(&p.plan, &mut state, input, &mut effects);
        let records: Vec<&Record> = effects
            .iter()
            .filter_map(|e| match e {
                Effect::Record(r) => Some(r.as_ref()),
                _ => None,
            })
            .collect();
        let mut journal = Journal::new(Arc::clone(&self.store), &p.run, lease, p.plan.check_every);
        let written = journal.write(at, &records, &state, None, &[], false).and_then(|()| journal.finish("killed", at));
        lab::clean_up();
        written.map_err(|e| because(Status::Unfinished, &format!("not latched: {e}")))?;
        outln!("{} run {}: killed (its lab is gone already)", p.run.rollout, p.run.id);
        Ok(Look::Done(Status::Success))
    }
}
