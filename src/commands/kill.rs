//! `canary kill`: throws a kill switch, whatever is under way. A live runner is told; without one this process takes an unfinished
//! run over; where nothing runs it sets what the switch sets. Nothing stands in front of that: no reason, no lock, no store.

use super::Format;
use super::connect::connect_to_take_back;
use super::exit::{Status, because};
use super::kill_slices::sliced;
use super::load::{Compiled, Target, compile, rollouts};
use super::people::{runner, who};
use super::provenance::at_once;
use super::run::{lease_names, new_run, stop_on_signals, store_path};
use super::runs::{DEFAULT_STORE, at};
use super::side_by_side::observer_of;
use super::switches::{Pinned, deeds, newest, unfinished};
use crate::engine::{Operator, State};
use crate::plan::{Bindings, Plan, SwitchId};
use crate::report::provenance::{Git, Provenance};
use crate::runtime::clock::now;
use crate::runtime::executor::Beginning;
use crate::runtime::journal::Journal;
use crate::runtime::{Executor, Outcome};
use crate::store::{Holder, LeaseGuard, Store, StoreError};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long somebody else may hold what is to be taken back and not say what it runs.
const HELD: Duration = Duration::from_secs(5);

/// How long a store that somebody keeps locked may hold up each thing that is asked of it.
const LOCKED: Duration = Duration::from_secs(1);

/// Arguments of `canary kill`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The kill switch
    pub(super) switch: String,
    /// The policy that declares it; not needed where a run in the store has it
    #[arg(requires = "env")]
    pub(super) file: Option<PathBuf>,
    /// The environment; not needed where only one has the switch
    #[arg(long, value_name = "NAME")]
    env: Option<String>,
    /// Only this rollout
    #[arg(long, value_name = "NAME")]
    rollout: Option<String>,
    /// Set a param of FILE: `--set max_errors=2%`
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::load::assignment, requires = "file")]
    sets: Vec<(String, String)>,
    /// Why; kept in the journal
    #[arg(long, default_value = "")]
    pub(super) why: String,
    /// Which slices
    #[command(flatten)]
    pub(super) slice: super::slices::SliceArg,
    /// The store; else the one that the environment of FILE binds, else `$CANARY_STORE`, else `.canary/store.db`
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
}

/// Throws it.
#[must_use]
pub fn main(args: &Args) -> Status {
    match Kill::prepared(args).and_then(|k| k.all()) {
        Ok(status) | Err(status) => status,
    }
}

/// One kill.
pub(super) struct Kill<'a> {
    pub(super) args: &'a Args,
    given: Option<Compiled>,
    pub(super) store: Arc<Store>,
    /// Why the store that was meant cannot be used: `store` is another one then, which only this kill writes.
    lost: Option<(StoreError, PathBuf)>,
    pub(super) runtime: tokio::runtime::Runtime,
}

/// What came of one look.
pub(super) enum Look {
    Done(Status),
    /// What was found has changed under our hands.
    Again,
}

impl<'a> Kill<'a> {
    fn prepared(args: &'a Args) -> Result<Self, Status> {
        let given = match (&args.file, &args.env) {
            (Some(file), Some(env)) => Some(compiled(args, file, env)?),
            _ => None,
        };
        let path = args.store.clone().unwrap_or_else(|| match &given {
            Some(c) => store_path(&c.bindings),
            None => std::env::var_os("CANARY_STORE").map_or_else(|| PathBuf::from(DEFAULT_STORE), PathBuf::from),
        });
        let opened = if given.is_some() { Store::open(&path) } else { Store::open_existing(&path) };
        let (store, lost) = match opened {
            Ok(store) => (store, None),
            Err(e) if given.is_some() => {
                let (store, folder) = another_store(&e)?;
                (store, Some((e, folder)))
            }
            Err(e) => {
                let s = &args.switch;
                let message =
                    format!("{e}; without a store say where it is declared: `canary kill {s} POLICY --env ENV`");
                return Err(because(Status::Wrong, &message));
            }
        };
        // who keeps the store locked does not keep the kill from being made past it
        store.set_patience(LOCKED);
        let runtime = super::runs::tokio()
            .map_err(|e| because(Status::Unfinished, &format!("cannot start the async runtime: {e}")))?;
        Ok(Self { args, given, store: Arc::new(store), lost, runtime })
    }

    /// Looks and acts until what was looked at held still.
    fn all(&self) -> Result<Status, Status> {
        let begun = Instant::now();
        let mut failed = Status::Success;
        loop {
            match self.once(begun.elapsed() > HELD, &mut failed)? {
                Look::Done(status) => return Ok(worse(status, failed)),
                Look::Again => std::thread::sleep(Duration::from_millis(100)),
            }
        }
    }

    /// `patient_enough`: whoever holds what is to be set has had the time to say what it runs.
    /// `failed`: what cannot be mended by another look.
    fn once(&self, patient_enough: bool, failed: &mut Status) -> Result<Look, Status> {
        let args = self.args;
        let sliced = sliced(&self.store, &args.switch, args.env.as_deref(), args.rollout.as_deref())?;
        if !sliced.is_empty() {
            one_environment(&args.switch, sliced.iter().map(|p| p.run.environment.as_str()))?;
            for p in &sliced {
                args.slice.fits(&self.store, &p.run)?;
                self.may_be_of_slices(&p.plan)?;
            }
            return self.sliced(&sliced, patient_enough);
        }
        if args.slice.slice.is_some() {
            return self.nothing_runs(patient_enough);
        }
        let found = unfinished(&self.store, &args.switch, args.env.as_deref(), args.rollout.as_deref())?;
        if args.env.is_none() {
            one_environment(&args.switch, found.iter().map(|p| p.run.environment.as_str()))?;
        }
        if found.is_empty() {
            return self.nothing_runs(patient_enough);
        }
        let (live, left): (Vec<Pinned>, Vec<Pinned>) =
            found.into_iter().partition(|p| runner(&self.store, &p.run).is_some());
        // all are told before any is waited for
        let told: Vec<_> = live.iter().map(|p| (p, self.tell(&p.run))).collect();
        let several = left.len() + live.len() > 1;
        // side by side: what cannot be taken back, or told to people, stands in front of nothing else
        let looks: Vec<Result<Look, Status>> = std::thread::scope(|all| {
            let left = left.iter().map(|p| all.spawn(move || self.take_over(p, patient_enough, several)));
            let left: Vec<_> = left.collect();
            let told = told.into_iter().map(|(p, id)| all.spawn(move || self.awaited(p, id, several)));
            let told: Vec<_> = told.collect();
            let broken = |_| Err(because(Status::Unfinished, "a part of the kill has ended unexpectedly: kill again"));
            left.into_iter().chain(told).map(|t| t.join().unwrap_or_else(broken)).collect()
        });
        let (mut worst, mut again) = (Status::Success, false);
        for look in looks {
            match look {
                Ok(Look::Again) => again = true,
                Ok(Look::Done(status)) | Err(status) => worst = worse(worst, status),
            }
        }
        // one that is to be looked at again is not left because of another one that cannot be killed
        if again {
            if worst == Status::Bad {
                *failed = worst;
            }
            return Ok(Look::Again);
        }
        let environment = live.first().or(left.first()).map_or("", |p| p.run.environment.as_str());
        let done = live.iter().chain(&left).flat_map(|p| deeds(&p.plan, &p.bindings, &args.switch)).collect();
        let worst = worse(worst, self.called_the_same(environment, &done));
        Ok(Look::Done(self.latched(environment, None, worst)))
    }

    /// A switch that is one for all slices is thrown for all or not at all.
    fn may_be_of_slices(&self, plan: &Plan) -> Result<(), Status> {
        let name = &self.args.switch;
        let switch = plan.switch(name).and_then(|s| plan.switches.get(s.index()));
        if self.args.slice.slice.is_none() || !switch.is_some_and(|s| s.for_all) {
            return Ok(());
        }
        let message = format!(
            "kill switch {name} is one for all slices of {}: `canary kill {name}` without `--slice` throws it for all; for one \
             slice it has to be declared `per` the rollout's dimensions. Nothing was set",
            plan.rollout
        );
        Err(because(Status::Wrong, &message))
    }

    /// No run is under way: what the switch sets is set and read back, its actions are run; journalled as a run of its own.
    fn nothing_runs(&self, patient_enough: bool) -> Result<Look, Status> {
        let pinned;
        let (plan, bindings, policy, files) = match &self.given {
            Some(c) => (&c.plan, &c.bindings, self.args.file.clone().unwrap_or_default(), c.files.clone()),
            None => {
                pinned = self.newest()?;
                (&pinned.plan, &pinned.bindings, PathBuf::from(&pinned.run.policy_path), Vec::new())
            }
        };
        if bindings.environment == "lab" {
            let message =
                "no run is under way on the lab, and the lab is gone with its runner: nothing is left to be killed";
            return Err(because(Status::Wrong, message));
        }
        if !plan.slices.is_empty() {
            self.may_be_of_slices(plan)?;
            let look = self.over(plan, bindings, &[], patient_enough)?;
            let Look::Done(status) = look else { return Ok(look) };
            let others = self.called_the_same(&bindings.environment, &deeds(plan, bindings, self.args.switch.as_str()));
            return Ok(Look::Done(worse(status, others)));
        }
        if self.args.slice.slice.is_some() {
            return Err(because(Status::Wrong, &format!("{} has one life for all: it has no slices", plan.rollout)));
        }
        let lease = match self.leased(plan, bindings)? {
            Some(lease) => lease,
            // whoever holds it is starting a run, which will be there to be told
            None if !patient_enough => return Ok(Look::Again),
            None => {
                eprintln!("canary: somebody else holds what is to be set: setting it all the same");
                no_lease(&self.store)?
            }
        };
        // whoever held it may have begun a run before that
        let (switch, env) = (self.args.switch.as_str(), bindings.environment.as_str());
        if !unfinished(&self.store, switch, Some(env), self.args.rollout.as_deref())?.is_empty() {
            return Ok(Look::Again);
        }
        let status = self.alone(plan, bindings, &policy, &files, lease, false)?;
        let status = worse(status, self.called_the_same(env, &deeds(plan, bindings, switch)));
        Ok(Look::Done(self.latched(env, Some(plan.rollout.as_str()), status)))
    }

    pub(super) fn alone(
        &self,
        plan: &Plan,
        bindings: &Bindings,
        policy: &Path,
        files: &[PathBuf],
        lease: LeaseGuard,
        several: bool,
    ) -> Result<Status, Status> {
        let Some(switch) = plan.switch(&self.args.switch) else {
            return Err(because(Status::Wrong, &format!("{} has no kill switch {}", plan.rollout, self.args.switch)));
        };
        let backends = self.connected(plan, bindings)?;
        // nothing but what is known at once: a kill waits for no git
        let git = Git { why: Some(String::from("not asked: a kill waits for nothing")), ..Git::default() };
        let provenance = Provenance { git, ..at_once(files) };
        let new = new_run(plan, bindings, policy, &provenance, now());
        let journal = Journal::of_new_run(Arc::clone(&self.store), new, lease, plan.check_every);
        let beginning = self.beginning(State::new(plan), switch);
        let plan = Arc::new(plan.clone());
        let name = plan.rollout.clone();
        let names: Vec<String> = plan.actions.iter().map(|a| a.name.clone()).collect();
        let (outcome, state) = self.runtime.block_on(async {
            let observer = observer_of(&plan.rollout, &bindings.environment, several);
            let stop = stop_on_signals();
            Executor::new(plan, backends, journal, observer).run(beginning, stop).await
        });
        Ok(match outcome {
            Outcome::Finished(_) => undone(&name, &names, &state),
            Outcome::Stopped => because(Status::Unfinished, "stopped before everything was read back"),
            Outcome::Taken(why) => because(Status::Unfinished, &why),
        })
    }

    pub(super) fn beginning(&self, state: State, switch: SwitchId) -> Beginning {
        let act = Operator::Kill(switch);
        Beginning::TakeBack { state: Box::new(state), act, who: who(), why: self.args.why.clone() }
    }

    pub(super) fn connected(&self, plan: &Plan, bindings: &Bindings) -> Result<crate::runtime::Backends, Status> {
        // adapters start tasks of their own
        let _in_runtime = self.runtime.enter();
        let (backends, without) = connect_to_take_back(plan, bindings).map_err(|reasons| {
            because(Status::Refused, &format!("nothing was set:\n  - {}", reasons.join("\n  - ")))
        })?;
        for w in without {
            eprintln!("canary: killing without it: {w}");
        }
        Ok(backends)
    }

    /// The rollout and its ports for this process; `None` while somebody else holds them.
    pub(super) fn leased(&self, plan: &Plan, bindings: &Bindings) -> Result<Option<LeaseGuard>, Status> {
        match lease_quietly(&self.store, plan, &bindings.environment) {
            Ok(lease) => Ok(Some(lease)),
            Err(StoreError::Held { .. }) => Ok(None),
            // no lock may stand in front of it
            Err(_) => no_lease(&self.store).map(Some),
        }
    }

    /// The newest run in the store that has the switch; on the lab only when there is no other.
    fn newest(&self) -> Result<Pinned, Status> {
        let args = self.args;
        let mut all = newest(&self.store, args.rollout.as_deref(), |plan| plan.switch(&args.switch).is_some())?;
        all.retain(|p| args.env.as_ref().is_none_or(|e| *e == p.run.environment));
        if all.iter().any(|p| p.run.environment != "lab") {
            all.retain(|p| p.run.environment != "lab");
        }
        one_environment(&args.switch, all.iter().map(|p| p.run.environment.as_str()))?;
        if !all.is_empty() {
            return Ok(all.swap_remove(0));
        }
        let known = newest(&self.store, None, |plan| !plan.switches.is_empty())?;
        let mut names: Vec<String> = known
            .iter()
            .flat_map(|p| p.plan.switches.iter().map(|s| format!("{} ({})", s.name, p.run.environment)))
            .collect();
        names.sort();
        names.dedup();
        let known = if names.is_empty() { String::new() } else { format!("; known are {}", names.join(", ")) };
        let s = &args.switch;
        let message = format!(
            "no run in this store has a kill switch {s}{known}; say where it is declared: `canary kill {s} POLICY --env ENV`"
        );
        Err(because(Status::Wrong, &message))
    }

    /// Says which other rollouts on the environment have a switch of this name that does something else: it was not thrown.
    pub(super) fn called_the_same(&self, environment: &str, done: &BTreeSet<String>) -> Status {
        let name = &self.args.switch;
        if self.args.rollout.is_some() || self.given.is_some() {
            return Status::Success;
        }
        let others = newest(&self.store, None, |plan| plan.switch(name).is_some()).unwrap_or_default();
        let mut status = Status::Success;
        for p in others.iter().filter(|p| p.run.environment == environment) {
            if !deeds(&p.plan, &p.bindings, name).is_subset(done) {
                let (rollout, at) = (&p.run.rollout, at(&self.store));
                let message = format!(
                    "{rollout} has a kill switch {name} that does something else and was NOT thrown: \
                     `canary kill {name} --rollout {rollout} --env {environment}{at}` throws it"
                );
                status = because(Status::Unfinished, &message);
            }
        }
        status
    }

    /// The status, or that the switch is not latched: what it sets is set all the same, but a rollout could start.
    pub(super) fn latched(&self, environment: &str, rollout: Option<&str>, status: Status) -> Status {
        let switch = &self.args.switch;
        if let Some((e, folder)) = &self.lost {
            let folder = folder.display();
            let message = format!("{switch} is thrown but NOT latched: {e}; what was done is journalled in {folder}");
            return worse(status, because(Status::Unfinished, &message));
        }
        let latches = self.store.latches(Some(environment)).unwrap_or_default();
        if latches.iter().any(|l| l.switch == *switch) {
            if status == Status::Success {
                let killed = rollout.map_or(String::new(), |r| format!("{r} on {environment}: killed; "));
                let at = at(&self.store);
                outln!("{killed}{switch} is latched until `canary reset {switch} --env {environment} --why WHY{at}`");
            }
            return status;
        }
        if status != Status::Success {
            return status;
        }
        let message = format!(
            "{switch} is thrown but NOT latched: the store could not be written; `canary kill {switch}{}` latches it once it can",
            at(&self.store)
        );
        because(Status::Unfinished, &message)
    }
}

/// The plan of FILE's rollout that has the switch.
fn compiled(args: &Args, file: &Path, env: &str) -> Result<Compiled, Status> {
    let target = |rollout: Option<String>| Target {
        file: file.to_owned(),
        env: env.to_owned(),
        rollout,
        sets: args.sets.clone(),
        watch: None,
    };
    let names = match &args.rollout {
        Some(name) => vec![name.clone()],
        None => rollouts(file)?,
    };
    if names.is_empty() {
        // said by the compiler
        return compile(&target(None), Format::Human);
    }
    for name in names {
        let made = compile(&target(Some(name)), Format::Human)?;
        if made.plan.switch(&args.switch).is_some() {
            return Ok(made);
        }
    }
    let message = format!("no rollout of {} has a kill switch {} (see `canary plan`)", file.display(), args.switch);
    Err(because(Status::Wrong, &message))
}

/// At 3 am nobody should have to guess which environment was meant.
fn one_environment<'a>(switch: &str, environments: impl Iterator<Item = &'a str>) -> Result<(), Status> {
    let mut all: Vec<&str> = environments.collect();
    all.sort_unstable();
    all.dedup();
    if all.len() < 2 {
        return Ok(());
    }
    let commands: Vec<String> = all.iter().map(|e| format!("\n  canary kill {switch} --env {e}")).collect();
    Err(because(Status::Wrong, &format!("{switch} is known in several environments; say which:{}", commands.concat())))
}

fn lease_quietly(store: &Store, plan: &Plan, environment: &str) -> Result<LeaseGuard, StoreError> {
    store.lease(&lease_names(plan, environment), &Holder::this_process(now()))
}

/// A guard of nothing: for what must be done past everybody.
pub(super) fn no_lease(store: &Store) -> Result<LeaseGuard, Status> {
    store.lease(&[], &Holder::this_process(now())).map_err(|e| because(Status::Unfinished, &e.to_string()))
}

/// A store that only this kill writes, because the one that was meant cannot be opened.
fn another_store(why: &StoreError) -> Result<(Store, PathBuf), Status> {
    eprintln!("canary: {why}: killing without it");
    let file = std::env::temp_dir().join(format!("canary-kill-{}", std::process::id())).join("store.db");
    match Store::open(&file) {
        Ok(store) => Ok((store, file)),
        Err(e) => Err(because(Status::Unfinished, &format!("no store can be written at all: {e}"))),
    }
}

/// Success, unless an action of a switch has failed for good: then somebody must act.
pub(super) fn undone(rollout: &str, actions: &[String], state: &State) -> Status {
    let failed: Vec<&str> =
        state.kill_failed.iter().filter_map(|a| actions.get(a.index())).map(String::as_str).collect();
    if failed.is_empty() {
        return Status::Success;
    }
    because(Status::Bad, &format!("{rollout}: everything is set, but {} failed: act by hand", failed.join(", ")))
}

pub(super) fn worse(a: Status, b: Status) -> Status {
    if a == Status::Success { b } else { a }
}
