//! All lives in columns. A life is loaded into one [`State`] that is used again and again, stepped by the same step as a rollout
//! with one life, and stored back: a hundred thousand lives take a few hundred bytes each, and a check allocates nothing.
//!
//! A new field of [`State`] stops the build in `lives/pack.rs`: most belong into `rare!`.

mod guard;
mod once;
mod pack;

use super::cells::{F64, I48, U32, cells};
use super::rare::Rare;
use super::table::{Shared, Sparse, Table};
use crate::engine::monitor::Monitor;
use crate::engine::monitor::packed::MonitorCells;
use crate::engine::past::Past;
use crate::engine::state::{Stage, State, Verdict, Word, goals, subtree};
use crate::plan::{Answer, Node, PhaseId, Plan, PortId, Setting, Time};
use guard::GuardCells;
use once::Core;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

cells! {
    /// A sum.
    SumCells { sum: F64, flags: u8, }
}

cells! {
    /// What a sum was when goals began to count.
    BeforeCells { sum: F64, }
}

cells! {
    /// When an input was last answered.
    AnsweredCells { at: I48, }
}

cells! {
    /// A reaction.
    ReactionCells { due: I48, high: u8, }
}

/// The lives of some slices that lie one behind the other: of up to [`SHARD`](super::shards::SHARD).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Lives {
    /// A life that has not started.
    blank: Box<State>,
    stages: Table<u8>,
    core: Table<Core>,
    guards: Table<GuardCells>,
    /// The guards', then those of conditions, then that of `no data`.
    monitors: Table<MonitorCells>,
    sums: Table<SumCells>,
    /// As many as `sums` where a goal reads one, else none.
    #[serde(default = "no_column")]
    befores: Table<BeforeCells>,
    answered: Table<AnsweredCells>,
    reactions: Table<ReactionCells>,
    settings: Shared<Vec<(PortId, Setting)>>,
    mementos: Shared<Vec<(PortId, String)>>,
    /// Monitors that have a window, by their place in `monitors`.
    windowed: Sparse<Monitor>,
    /// Values over time, so many a life, one life behind the other.
    pasts: Vec<Past>,
    /// What was answered over the baseline, where anything was.
    baselines: Sparse<Vec<Option<Answer>>>,
    rare: Sparse<Rare>,
    /// Lives that do not fit into cells, whole: times beyond all calendars, a plan with twenty steps in a phase.
    odd: BTreeMap<usize, Box<State>>,
    /// How many are over.
    ended: usize,
}

impl super::cells::Cells for u8 {
    const FIELDS: usize = 1;
    fn each(&self, f: &mut dyn FnMut(usize, i64)) {
        f(0, i64::from(*self));
    }
    fn made(next: &mut dyn FnMut(usize) -> Option<i64>) -> Option<Self> {
        Self::try_from(next(0)?).ok()
    }
}

const VERDICTS: [Verdict; 5] =
    [Verdict::Promoted, Verdict::RolledBack, Verdict::Aborted, Verdict::Killed, Verdict::Refused];
const WORDS: [Word; 8] =
    [Word::Ok, Word::Failing, Word::Breached, Word::Warming, Word::Thin, Word::Undecided, Word::Dark, Word::Blind];
const IDLE: u8 = 0;
const IN_PHASE: u8 = 1;
const BACK: u8 = 2;
const DONE: u8 = 7;
fn place<T: PartialEq>(list: &[T], value: &T) -> u8 {
    list.iter().position(|v| v == value).and_then(|i| u8::try_from(i).ok()).unwrap_or(0)
}

fn coded(stage: Stage) -> u8 {
    match stage {
        Stage::Idle => IDLE,
        Stage::Phase(_) => IN_PHASE,
        Stage::RollingBack(v) => BACK + place(&VERDICTS, &v),
        Stage::Done(v) => DONE + place(&VERDICTS, &v),
    }
}

fn stage_of(code: u8, phase: PhaseId) -> Stage {
    let verdict = |from: u8| VERDICTS.get(usize::from(code - from)).copied().unwrap_or(Verdict::Refused);
    match code {
        IDLE => Stage::Idle,
        IN_PHASE => Stage::Phase(phase),
        BACK..DONE => Stage::RollingBack(verdict(BACK)),
        _ => Stage::Done(verdict(DONE)),
    }
}

fn no_column() -> Table<BeforeCells> {
    Table::new(0)
}

/// Whether a phase waits for something that is summed.
fn goals_sum(plan: &Plan) -> bool {
    let mut sums = false;
    for goal in (0..plan.phases.len()).map(PhaseId::at).flat_map(|phase| goals(plan, phase)) {
        subtree(plan, goal, &mut |_, node| sums |= matches!(node, Node::Accumulated { since_phase: true, .. }));
    }
    sums
}

impl Lives {
    pub fn new(plan: &Plan) -> Self {
        let blank = Box::new(State::new(plan));
        let befores = if goals_sum(plan) { blank.accumulators.len() } else { 0 };
        Self::of_blank(blank, befores)
    }

    /// No lives, of the same plan.
    pub fn empty(&self) -> Self {
        Self::of_blank(self.blank.clone(), self.befores.width())
    }

    fn of_blank(blank: Box<State>, befores: usize) -> Self {
        Self {
            stages: Table::new(1),
            core: Table::new(1),
            guards: Table::new(blank.guards.len()),
            monitors: Table::new(blank.guards.len() + blank.monitors.len() + 1),
            sums: Table::new(blank.accumulators.len()),
            befores: Table::new(befores),
            answered: Table::new(blank.answered.len()),
            reactions: Table::new(blank.reactions.len()),
            settings: Shared::new(Vec::new()),
            mementos: Shared::new(Vec::new()),
            windowed: Sparse::new(),
            pasts: Vec::new(),
            baselines: Sparse::new(),
            rare: Sparse::new(),
            odd: BTreeMap::new(),
            ended: 0,
            blank,
        }
    }

    pub fn len(&self) -> usize {
        self.stages.rows()
    }

    /// A life more, which has not started.
    pub fn grow(&mut self) {
        let i = self.len();
        self.stages.grow();
        self.core.grow();
        self.guards.grow();
        self.monitors.grow();
        self.sums.grow();
        self.befores.grow();
        self.answered.grow();
        self.reactions.grow();
        self.pasts.extend_from_slice(&self.blank.pasts);
        self.forget(i);
    }

    /// Where a life stands.
    #[inline]
    pub fn stage(&self, i: usize) -> Option<Stage> {
        if let Some(odd) = self.odd.get(&i) {
            return Some(odd.stage);
        }
        let code = *self.stages.row(i).first()?;
        Some(stage_of(code, PhaseId(self.core.row(i).first()?.phase.get())))
    }

    /// Whether all lives are over.
    pub fn all_over(&self) -> bool {
        self.ended == self.len()
    }

    /// Whether a check can change a life at all: it has begun and is not over.
    #[inline]
    pub fn is_under_way(&self, i: usize) -> bool {
        self.stages.row(i).first().is_some_and(|code| (IN_PHASE..DONE).contains(code))
    }

    /// The last check that a life was in.
    pub fn last(&self, i: usize) -> Option<Time> {
        match self.odd.get(&i) {
            Some(odd) => odd.last,
            None if i < self.len() => self.core.row(i).first()?.last.maybe(),
            None => None,
        }
    }

    /// What the guards that watch a life say, those that were judged.
    pub fn words(&self, i: usize) -> impl Iterator<Item = Word> + '_ {
        let odd = self.odd.get(&i);
        let whole = odd.into_iter().flat_map(|s| s.guards.iter().filter(|g| g.active).filter_map(|g| g.word));
        let cells = self.guards.row(i).iter().filter(move |c| odd.is_none() && c.flags & guard::ACTIVE != 0);
        whole.chain(cells.filter_map(|c| WORDS.get(usize::from(c.word).checked_sub(1)?).copied()))
    }

    /// A life as it is, whole.
    pub fn state(&self, i: usize) -> Option<State> {
        if i >= self.len() {
            return None;
        }
        let mut into = self.blank.as_ref().clone();
        self.copy(i, &mut into);
        if let Some(b) = self.baselines.get(i) {
            into.baseline.clone_from(b);
        }
        if let Some(m) = self.core.row(i).first().and_then(|c| self.mementos.get(c.mementos.get())) {
            into.mementos.clone_from(m);
        }
        Some(into)
    }

    /// Bytes that all lives take.
    pub fn bytes(&self) -> usize {
        let cells = self.stages.bytes() + self.core.bytes() + self.guards.bytes() + self.monitors.bytes();
        let more = self.sums.bytes() + self.befores.bytes() + self.answered.bytes() + self.reactions.bytes();
        let windows: usize = self.windowed.iter().map(|(_, m)| m.window_bytes()).sum();
        let answers: usize = self.baselines.iter().map(|(_, b)| b.capacity() * size_of::<Option<Answer>>()).sum();
        let pasts: usize = self.pasts.iter().map(Past::bytes).sum();
        let odd = self.odd.len() * size_of::<State>();
        cells
            + more
            + pasts
            + self.windowed.bytes()
            + windows
            + self.baselines.bytes()
            + answers
            + self.rare.bytes()
            + odd
    }

    /// Keeps how a life's originals are written where they stand.
    pub fn remember(&mut self, i: usize, mementos: &Vec<(PortId, String)>) {
        if let Some(core) = self.core.row_mut(i).first_mut() {
            core.mementos = U32::of(self.mementos.place(core.mementos.get(), mementos));
        }
    }

    /// Puts what a life's baseline was answered into a loaded state, and, called again, back: nothing changes it after the start.
    pub fn swap_baseline(&mut self, i: usize, s: &mut State) {
        if let Some(b) = self.baselines.get_mut(i) {
            std::mem::swap(b, &mut s.baseline);
        }
    }

    /// Takes the baseline out of a state that has just started.
    pub fn keep_baseline(&mut self, i: usize, s: &mut State) {
        let inputs = self.answered.row(i).len();
        if s.baseline.len() != inputs || s.baseline.iter().any(Option::is_some) {
            self.baselines.set(i, std::mem::replace(&mut s.baseline, vec![None; inputs]));
        }
    }
}
