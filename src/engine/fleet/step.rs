//! One step of all lives: `(plan, fleet, input) → effects`, each with the slice that it is of.

use super::begin::Begin;
use super::halt::WentOn;
use super::keys::SliceId;
use super::observed::Observed;
use super::throw::Throw;
use super::work::Work;
use super::{Fleet, notices};
use crate::engine::given::Given;
use crate::engine::state::{Stage, Verdict};
use crate::engine::step::{Effect, Input, Operator, step_given};
use crate::plan::{Answer, Plan, PortId, Setting, Time};
use serde::Serialize;

/// What reaches a sliced run.
#[derive(Debug, Clone)]
pub enum FleetInput<'a> {
    /// A check: the slices in `begins` begin, all that have begun before are checked.
    Tick {
        /// Its planned time.
        at: Time,
        /// What was answered, a row for every slice that was seen.
        observed: &'a Observed,
        /// Those of [`Fleet::due`] for which everything could be read. Nobody begins at a check that is not live.
        begins: Vec<Begin>,
        /// When this rollout was last rolled back, by a run before this one; for `cooldown`.
        rolled_back: Option<Time>,
        /// Whether it was asked at its time.
        live: bool,
    },
    /// A slice's request was read back as asked for.
    Verified {
        /// Whose.
        slice: SliceId,
        /// When.
        at: Time,
        /// Which request.
        epoch: u32,
        /// What was read.
        read: Vec<(PortId, Setting)>,
    },
    /// An action ended.
    ActionEnded {
        /// The slice that ran it.
        slice: SliceId,
        /// When.
        at: Time,
        /// Which attempt.
        token: u32,
        /// Whether it succeeded.
        ok: bool,
        /// How it ended.
        how: String,
        /// Its output's end.
        output: String,
    },
    /// An action of the run itself ended: one that was started without a slice, by `every d` or `at …`.
    OwnActionEnded {
        /// When.
        at: Time,
        /// Which attempt.
        token: u32,
        /// Whether it succeeded.
        ok: bool,
        /// How it ended.
        how: String,
        /// Its output's end.
        output: String,
    },
    /// A person's word. A slice that waits can be aborted and killed; it cannot be paused by itself, only with all the others.
    Operator {
        /// To which slices; empty: to all, and to those that are still to begin.
        slices: &'a [SliceId],
        /// When.
        at: Time,
        /// What.
        act: Operator,
        /// Who.
        who: String,
        /// Why.
        why: String,
    },
    /// A runner has loaded this state after a stop.
    Recovered {
        /// When.
        at: Time,
    },
}

/// An effect, and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FleetEffect {
    /// The slice; none for what concerns all of them ([`Effect::Finish`] is then the end of the whole run).
    pub slice: Option<SliceId>,
    /// What is to be done.
    pub effect: Effect,
}

/// What is said instead of measured, by slice.
pub(super) type Said<'a, 'g> = dyn Fn(SliceId) -> Given<'g> + Sync + 'a;

/// A step under way.
pub(super) struct Step<'a, 'g> {
    pub plan: &'a Plan,
    pub fleet: &'a mut Fleet,
    pub given: &'a Said<'a, 'g>,
    pub desk: Box<Work>,
    /// What was answered, at a check.
    pub observed: Option<&'a Observed>,
    pub out: &'a mut Vec<FleetEffect>,
    /// A life that halts all of them, and why.
    pub halt: Option<(SliceId, crate::engine::explain::Explanation)>,
    /// Switches that are one for all and that lives have thrown.
    pub throw: Throw,
}

/// Takes one input, changes the state, and appends what is to be done to `out`. `given` is what is said instead of measured, by
/// slice.
pub fn fleet_step<'g>(
    plan: &Plan,
    fleet: &mut Fleet,
    input: FleetInput<'_>,
    given: &(dyn Fn(SliceId) -> Given<'g> + Sync),
    out: &mut Vec<FleetEffect>,
) {
    fleet_steps(plan, fleet, [input], given, out);
}

/// Takes several inputs one after the other, as [`fleet_step`] does; what they tell of slices is told together: read-backs that come at
/// once tell a channel once.
pub fn fleet_steps<'g, 'i>(
    plan: &Plan,
    fleet: &mut Fleet,
    inputs: impl IntoIterator<Item = FleetInput<'i>>,
    given: &(dyn Fn(SliceId) -> Given<'g> + Sync),
    out: &mut Vec<FleetEffect>,
) {
    let from = out.len();
    let mut ends = Vec::new();
    for input in inputs {
        one(plan, fleet, input, given, out);
        if fleet.verdict.is_none()
            && let Some(verdict) = over(fleet)
        {
            fleet.verdict = Some(verdict);
            ends.push(FleetEffect { slice: None, effect: Effect::Finish(verdict) });
        }
    }
    notices::merge(plan, fleet, out, from);
    out.append(&mut ends);
}

fn one<'g>(
    plan: &Plan,
    fleet: &mut Fleet,
    input: FleetInput<'_>,
    given: &(dyn Fn(SliceId) -> Given<'g> + Sync),
    out: &mut Vec<FleetEffect>,
) {
    let desk = match fleet.desk.first.take() {
        Some(desk) if desk.hash == plan.hash => desk,
        _ => Box::new(Work::new(plan)),
    };
    let observed = match &input {
        FleetInput::Tick { observed, .. } => Some(*observed),
        _ => None,
    };
    let mut step = Step { plan, fleet, given, desk, observed, out, halt: None, throw: Throw::default() };
    step.know_what_is_due();
    step.take(input);
    let Step { fleet, desk, .. } = step;
    fleet.desk.first = Some(desk);
}

impl<'a> Step<'a, '_> {
    fn take(&mut self, input: FleetInput<'_>) {
        match input {
            FleetInput::Tick { at, begins, rolled_back, live, .. } => self.tick(at, begins, rolled_back, live),
            FleetInput::Verified { slice, at, epoch, read } => {
                self.feed(slice, at, Input::Verified { at, epoch, read });
                self.joined(at, true, Vec::new());
            }
            FleetInput::ActionEnded { slice, at, token, ok, how, output } => {
                self.feed(slice, at, Input::ActionEnded { at, token, ok, how, output });
                self.joined(at, true, Vec::new());
            }
            FleetInput::OwnActionEnded { token, ok, how, output, .. } => self.own_ended(token, ok, how, output),
            FleetInput::Operator { slices, at, act, who, why } => self.person(slices, at, act, &who, &why),
            FleetInput::Recovered { at } => {
                for slice in self.fleet.slices() {
                    if self.fleet.lives.is_under_way(slice.index()) {
                        self.feed(slice, at, Input::Recovered { at });
                    }
                }
                self.own_forgotten();
            }
        }
    }

    fn tick(&mut self, at: Time, begins: Vec<Begin>, rolled_back: Option<Time>, live: bool) {
        if self.fleet.verdict.is_some() || self.fleet.last.is_some_and(|last| at <= last) {
            return;
        }
        self.fleet.started.get_or_insert(at);
        let fires = self.clock(at, live);
        self.desk.answered.clear();
        if self.desk.joins_lives() {
            self.check_joined(at, live);
        } else {
            self.check_all(at, live);
        }
        if live {
            self.begin(at, begins, rolled_back);
        }
        for input in self.desk.answered.drain(..) {
            if let Some(slot) = self.fleet.answered.get_mut(input) {
                *slot = Some(at);
            }
        }
        if self.fleet.verdict.is_none() {
            self.fire(at, fires);
        }
        self.fleet.last = Some(at);
    }

    /// A check of all lives, one after the other, where one can change what another's comes to.
    fn check_joined(&mut self, at: Time, live: bool) {
        // what another's halt takes back: the lives that went on at this check, as they were before it
        let mut went_on = Vec::new();
        for i in 0..self.fleet.lives.len() {
            if !self.fleet.lives.is_under_way(i) {
                continue;
            }
            let slice = SliceId::at(i);
            if self.desk.joins {
                self.fleet.lives.copy(i, &mut self.desk.before);
                self.desk.count_runs(self.fleet, at);
            }
            let from = self.out.len();
            self.check(slice, at, live);
            if self.desk.joins && self.out.get(from..).unwrap_or_default().iter().any(goes_on) {
                let counted = std::mem::take(&mut self.desk.counted);
                self.desk.count_runs(self.fleet, at);
                let ran = self.desk.counted.iter().zip(counted).map(|(now, before)| now.saturating_sub(before));
                went_on.push(WentOn {
                    slice,
                    wanted: from..self.out.len(),
                    before: self.desk.before.clone(),
                    ran: ran.collect(),
                });
            }
        }
        self.joined(at, live, went_on);
    }

    /// A check of one life.
    pub(super) fn check(&mut self, slice: SliceId, at: Time, live: bool) {
        let Some(observed) = self.observed else { return };
        let (answers, ports, ports_epoch) = (observed.answers(slice), observed.ports(slice), observed.verified(slice));
        self.feed(slice, at, Input::Tick { at, answers, ports, ports_epoch, live });
    }

    /// What a slice was answered at this check.
    pub(super) fn answers(&self, slice: SliceId) -> &'a [Answer] {
        self.observed.map_or(&[], |o| o.answers(slice))
    }

    /// Lets one life take an input.
    pub(super) fn feed(&mut self, slice: SliceId, at: Time, input: Input<'_>) {
        let i = slice.index();
        if i >= self.fleet.lives.len() {
            return;
        }
        self.load(i);
        self.fleet.lives.swap_baseline(i, &mut self.desk.state);
        if self.observed.is_some() {
            self.desk.mind_the_gap(&self.fleet.answered);
        }
        step_given(self.plan, &mut self.desk.state, input, (self.given)(slice), &mut self.desk.effects);
        self.fleet.lives.swap_baseline(i, &mut self.desk.state);
        self.store(slice, at);
    }

    /// Puts a life on the desk.
    pub(super) fn load(&mut self, i: usize) {
        self.fleet.lives.load(i, &mut self.desk.state);
        self.desk.lend(self.fleet);
    }

    /// Takes the life from the desk, and what it wants done.
    pub(super) fn store(&mut self, slice: SliceId, at: Time) {
        self.desk.note_answered(at);
        self.desk.unload(self.fleet);
        self.fleet.lives.store(slice.index(), &mut self.desk.state);
        for effect in self.desk.effects.drain(..) {
            match effect {
                Effect::Halt { explanation } => {
                    self.halt.get_or_insert((slice, *explanation));
                }
                Effect::Throw { thrown, to } => self.throw.add(&self.fleet.keys, slice, thrown, to),
                effect => self.out.push(FleetEffect { slice: Some(slice), effect }),
            }
        }
    }

    /// An effect that is no life's.
    pub(super) fn tell_run(&mut self, effect: Effect) {
        self.out.push(FleetEffect { slice: None, effect });
    }
}

/// Whether a life has gone on at this check: passed a step or a phase, or raised something.
fn goes_on(e: &FleetEffect) -> bool {
    use crate::engine::record::Record;
    match &e.effect {
        Effect::Apply { lowers, .. } => !lowers,
        Effect::Run { cause, .. } => *cause == crate::engine::state::RunCause::Step,
        Effect::Finish(verdict) => *verdict == Verdict::Promoted,
        Effect::Record(r) => matches!(**r, Record::StepDone { .. } | Record::Passed { .. } | Record::Entered { .. }),
        _ => false,
    }
}

/// How the whole run has ended: when no slice waits and every one has; badly if one has.
fn over(fleet: &Fleet) -> Option<Verdict> {
    if fleet.started.is_none() && !fleet.closed || !fleet.waiting.is_empty() || !fleet.lives.all_over() {
        return None;
    }
    let badness = |v: Verdict| match v {
        Verdict::Promoted => 0,
        Verdict::Refused => 1,
        Verdict::Aborted => 2,
        Verdict::RolledBack => 3,
        Verdict::Killed => 4,
    };
    let ends = fleet.slices().filter_map(|s| match fleet.stage(s)? {
        Stage::Done(v) => Some(v),
        _ => None,
    });
    ends.max_by_key(|v| badness(*v))
}
