//! One life out of its columns and back, exactly.

use super::super::cells::{F64, I48};
use super::super::rare::Rare;
use super::{DONE, GuardCells, IDLE, Lives, ReactionCells, SumCells, coded};
use crate::engine::monitor::Monitor;
use crate::engine::past::Past;
use crate::engine::state::{Accumulator, GuardReading, GuardState, Stage, State, Target, Word};

/// Every field by its name: one that is new stops the build here. It belongs into `rare.rs`, or into cells.
const _: fn(State) = |s| {
    let State {
        // in `once.rs`
        stage: _,
        started: _,
        last: _,
        phase: _,
        furthest: _,
        entered: _,
        originals: _,
        mementos: _,
        target: Target { epoch: _, settings: _, lowers: _, requested: _, verified: _, settled: _, goes_on: _ },
        promoted: _,
        gate: _,
        step: _,
        step_run: _,
        hold: _,
        within: _,
        within_fired: _,
        elapsed: _,
        observed: _,
        promote: _,
        no_data_fired: _,
        next_token: _,
        // here
        guards: _,
        monitors: _,
        no_data: _,
        pasts: _,
        accumulators: _,
        baseline: _,
        answered: _,
        reactions: _,
        // in `rare.rs`
        paused: _,
        ramp: _,
        waiting: _,
        running: _,
        to_undo: _,
        undo_ran: _,
        undo_tries: _,
        undo_failed: _,
        killed: _,
        anew: _,
        kill_actions: _,
        kill_tries: _,
        kill_failed: _,
        approvals: _,
        drifted: _,
        corrected: _,
        stuck: _,
        slow_told: _,
        explanation: _,
    } = s;
};

/// The monitors of a life, in the order of their cells.
fn monitors(s: &mut State) -> impl Iterator<Item = &mut Monitor> {
    s.guards.iter_mut().map(|g| &mut g.monitor).chain(&mut s.monitors).chain(std::iter::once(&mut s.no_data))
}

/// As many as there must be, whatever an odd life has left.
fn fit<T: Clone + Default>(list: &mut Vec<T>, n: usize) {
    if list.len() != n {
        list.resize(n, T::default());
    }
}

impl Lives {
    /// Loads a life to be stepped; [`Lives::store`] must follow. Its baseline and how its originals are written stay behind.
    pub fn load(&mut self, i: usize, s: &mut State) {
        self.unpack(i, s);
        if !self.odd.contains_key(&i) {
            self.swap_windows(i, s);
            self.swap_pasts(i, s);
        }
    }

    /// A copy of a life, without its baseline and how its originals are written.
    pub fn copy(&self, i: usize, s: &mut State) {
        self.unpack(i, s);
        let width = self.monitors.row(i).len();
        for (k, m) in monitors(s).enumerate() {
            if let Some(kept) = self.windowed.get(i * width + k) {
                m.clone_from(kept);
            }
        }
        if !self.odd.contains_key(&i) {
            s.pasts.clear();
            s.pasts.extend_from_slice(self.pasts.get(self.pasts_of(i)).unwrap_or_default());
        }
    }

    fn pasts_of(&self, i: usize) -> std::ops::Range<usize> {
        let width = self.blank.pasts.len();
        i * width..(i + 1) * width
    }

    fn swap_pasts(&mut self, i: usize, s: &mut State) {
        let range = self.pasts_of(i);
        if s.pasts.len() != range.len() {
            s.pasts.clone_from(&self.blank.pasts);
        }
        if let Some(kept) = self.pasts.get_mut(range) {
            kept.swap_with_slice(&mut s.pasts);
        }
    }

    fn swap_windows(&mut self, i: usize, s: &mut State) {
        if self.windowed.is_unused() {
            return;
        }
        let width = self.monitors.row(i).len();
        for (k, m) in monitors(s).enumerate() {
            if let Some(kept) = self.windowed.get_mut(i * width + k) {
                std::mem::swap(kept, m);
            }
        }
    }

    fn unpack(&self, i: usize, s: &mut State) {
        if let Some(odd) = self.odd.get(&i) {
            s.clone_from(odd);
            return;
        }
        let Some(core) = self.core.row(i).first() else { return };
        core.put(self.stages.row(i).first().copied().unwrap_or(IDLE), &self.settings, s);
        self.unpack_monitors(i, s);
        let sums = self.sums.row(i);
        fit(&mut s.accumulators, sums.len());
        for (a, c) in s.accumulators.iter_mut().zip(sums) {
            *a = Accumulator {
                sum: c.sum.get(),
                behind: c.flags & 1 != 0,
                short: c.flags & 2 != 0,
                fresh: c.flags & 4 != 0,
                before: None,
            };
        }
        for ((a, c), before) in s.accumulators.iter_mut().zip(sums).zip(self.befores.row(i)) {
            a.before = (c.flags & 8 != 0).then(|| before.sum.get());
        }
        let times = self.answered.row(i);
        fit(&mut s.answered, times.len());
        for (a, c) in s.answered.iter_mut().zip(times) {
            *a = c.at.maybe();
        }
        if s.baseline.len() != times.len() {
            s.baseline = vec![None; times.len()];
        }
        let cells = self.reactions.row(i);
        fit(&mut s.reactions, cells.len());
        for (r, c) in s.reactions.iter_mut().zip(cells) {
            (r.due, r.high) = (c.due.get(), c.high != 0);
            r.runs.clear();
        }
        match self.rare.get(i) {
            Some(rare) => rare.put(s),
            None => Rare::clear(s),
        }
    }

    /// The guards, and all monitors.
    fn unpack_monitors(&self, i: usize, s: &mut State) {
        let cells = self.guards.row(i);
        if s.guards.len() != cells.len() {
            s.guards.resize_with(cells.len(), blank_guard);
        }
        let packed = self.monitors.row(i);
        fit(&mut s.monitors, packed.len().saturating_sub(cells.len() + 1));
        let mut packed = packed.iter();
        for ((g, c), m) in s.guards.iter_mut().zip(cells).zip(&mut packed) {
            c.put(g);
            g.monitor.unpack(m);
        }
        for (m, c) in s.monitors.iter_mut().chain([&mut s.no_data]).zip(packed) {
            m.unpack(c);
        }
    }

    /// Stores a life.
    pub fn store(&mut self, i: usize, s: &mut State) {
        if let Some(code) = self.stages.row_mut(i).first_mut() {
            let now = coded(s.stage);
            self.ended += usize::from(now >= DONE && *code < DONE);
            // the halt of another life takes back an end of the same check
            self.ended -= usize::from(now < DONE && *code >= DONE);
            *code = now;
        }
        if self.pack(i, s).is_none() {
            let width = self.monitors.row(i).len();
            (0..width).for_each(|k| self.windowed.remove(i * width + k));
            let range = self.pasts_of(i);
            if let Some(kept) = self.pasts.get_mut(range) {
                kept.fill(Past::default());
            }
            self.odd.insert(i, Box::new(s.clone()));
        } else if !self.odd.is_empty() {
            self.odd.remove(&i);
        }
    }

    fn pack(&mut self, i: usize, s: &mut State) -> Option<()> {
        let sound = !matches!(s.stage, Stage::Phase(p) if p != s.phase)
            && s.guards.len() == self.guards.row(i).len()
            && s.guards.len() + s.monitors.len() + 1 == self.monitors.row(i).len()
            && s.accumulators.len() == self.sums.row(i).len()
            // of a journal that knew of no such sums
            && (self.befores.row(i).len() == s.accumulators.len() || s.accumulators.iter().all(|a| a.before.is_none()))
            && s.answered.len() == self.answered.row(i).len()
            && s.pasts.len() == self.blank.pasts.len()
            && s.reactions.len() == self.reactions.row(i).len()
            && s.reactions.iter().all(|r| r.runs.is_empty());
        if !sound {
            return None;
        }
        let core = self.core.row_mut(i).first_mut()?;
        *core = core.of(&mut self.settings, s)?;
        for (c, g) in self.guards.row_mut(i).iter_mut().zip(&s.guards) {
            *c = GuardCells::of(g)?;
        }
        for (c, a) in self.sums.row_mut(i).iter_mut().zip(&s.accumulators) {
            let flags = [a.behind, a.short, a.fresh, a.before.is_some()];
            let flags = flags.iter().enumerate().map(|(k, on)| u8::from(*on) << k).sum();
            *c = SumCells { sum: F64::of(a.sum), flags };
        }
        for (c, a) in self.befores.row_mut(i).iter_mut().zip(&s.accumulators) {
            c.sum = F64::of(a.before.unwrap_or_default());
        }
        for (c, a) in self.answered.row_mut(i).iter_mut().zip(&s.answered) {
            c.at = I48::or_none(*a)?;
        }
        for (c, r) in self.reactions.row_mut(i).iter_mut().zip(&s.reactions) {
            *c = ReactionCells { due: I48::of(r.due)?, high: u8::from(r.high) };
        }
        if Rare::none_in(s) {
            self.rare.remove(i);
        } else if !self.rare.get(i).is_some_and(|r| r.is_in(s)) {
            self.rare.set(i, Rare::of(s));
        }
        self.pack_monitors(i, s)?;
        self.swap_pasts(i, s);
        Some(())
    }

    /// A life as if it had never been loaded: of a slice whose start was refused.
    pub fn forget(&mut self, i: usize) {
        let mut blank = self.blank.as_ref().clone();
        self.store(i, &mut blank);
    }

    fn pack_monitors(&mut self, i: usize, s: &mut State) -> Option<()> {
        let mut windows = !self.windowed.is_unused();
        let cells = self.monitors.row_mut(i);
        // a loop a kind: a chain of all kinds asks at each monitor where it stands
        let (of_guards, others) = cells.split_at_mut_checked(s.guards.len())?;
        for (c, g) in of_guards.iter_mut().zip(&s.guards) {
            windows |= g.monitor.pack(c)?;
        }
        let (of_no_data, of_conditions) = others.split_last_mut()?;
        for (c, m) in of_conditions.iter_mut().zip(&s.monitors) {
            windows |= m.pack(c)?;
        }
        windows |= s.no_data.pack(of_no_data)?;
        // only now: no window is taken out of a life that does not fit
        if windows {
            self.keep_windows(i, s);
        }
        Some(())
    }

    fn keep_windows(&mut self, i: usize, s: &mut State) {
        let width = self.monitors.row(i).len();
        for (k, m) in monitors(s).enumerate() {
            if !m.has_window() {
                self.windowed.remove(i * width + k);
            } else if let Some(kept) = self.windowed.get_mut(i * width + k) {
                std::mem::swap(kept, m);
            } else {
                self.windowed.set(i * width + k, std::mem::take(m));
            }
        }
    }
}

fn blank_guard() -> GuardState {
    GuardState {
        active: false,
        word: None::<Word>,
        since: 0,
        monitor: Monitor::default(),
        fired: false,
        untold: false,
        reading: GuardReading::default(),
    }
}
