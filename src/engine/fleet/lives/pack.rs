//! One life out of its columns and back, exactly.

use super::super::cells::{F64, I48, U32};
use super::super::rare::Rare;
use super::{Core, DONE, GuardCells, IDLE, Lives, ReactionCells, STEPS, SumCells, WORDS, coded, place, stage_of};
use crate::engine::monitor::packed::{bits, truth};
use crate::engine::monitor::{Monitor, Stopwatch};
use crate::engine::past::Past;
use crate::engine::state::{Accumulator, GuardReading, GuardState, Stage, State, StepRun, Target, Word};
use crate::plan::PhaseId;

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
        let Some(c) = self.core.row(i).first() else { return };
        // every field is named: one that is new stops the build here
        let State {
            stage,
            started,
            last,
            phase,
            furthest,
            entered,
            originals,
            mementos,
            target: Target { epoch, settings, lowers, requested, verified, settled, goes_on },
            paused: _,
            ramp: _,
            waiting: _,
            promoted,
            gate,
            step,
            step_run,
            hold,
            within,
            within_fired,
            elapsed,
            observed,
            promote,
            guards,
            monitors: own,
            pasts: _,
            accumulators,
            no_data,
            no_data_fired,
            baseline,
            answered,
            reactions,
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
            next_token,
            drifted: _,
            corrected: _,
            stuck: _,
            slow_told: _,
            explanation: _,
        } = s;
        *phase = PhaseId(c.phase.get());
        *stage = stage_of(self.stages.row(i).first().copied().unwrap_or(IDLE), *phase);
        *started = c.started.maybe();
        *last = c.last.maybe();
        *furthest = PhaseId(c.furthest.get());
        *entered = c.entered.get();
        originals.clear();
        originals.extend_from_slice(self.settings.get(c.originals.get()).map_or(&[], Vec::as_slice));
        mementos.clear();
        *epoch = c.epoch.get();
        settings.clear();
        settings.extend_from_slice(self.settings.get(c.settings.get()).map_or(&[], Vec::as_slice));
        *lowers = c.flags & 8 != 0;
        *requested = c.requested.get();
        *verified = c.verified.maybe();
        *settled = c.settled.maybe();
        *step = c.step.get() as usize;
        *step_run = match c.run & 3 {
            0 => None,
            1 => Some(StepRun::Running),
            2 => Some(StepRun::Succeeded),
            _ => Some(StepRun::Failed),
        };
        *hold = Stopwatch::of_parts(c.hold_at.maybe(), c.flags & 1 != 0, c.hold.get());
        *within = Stopwatch::of_parts(c.within_at.maybe(), c.flags & 2 != 0, c.within.get());
        *elapsed = Stopwatch::of_parts(c.elapsed_at.maybe(), c.flags & 4 != 0, c.elapsed.get());
        *observed = Stopwatch::of_parts(c.observed_at.maybe(), c.flags & 128 != 0, c.observed.get());
        *within_fired = c.flags & 16 != 0;
        *no_data_fired = c.flags & 32 != 0;
        *goes_on = c.flags & 64 != 0;
        *promoted = c.promoted.maybe();
        *gate = truth(c.run >> 2);
        *next_token = c.next_token.get();
        let held = c.promote.get();
        promote.clear();
        promote.extend((0..held >> 28).filter_map(|k| truth((held >> (2 * k)) as u8 & 3)));
        let cells = self.guards.row(i);
        if guards.len() != cells.len() {
            guards.resize_with(cells.len(), blank_guard);
        }
        let packed = self.monitors.row(i);
        fit(own, packed.len().saturating_sub(cells.len() + 1));
        let mut packed = packed.iter().copied();
        for (g, c) in guards.iter_mut().zip(cells) {
            g.active = c.flags & 1 != 0;
            g.fired = c.flags & 2 != 0;
            g.untold = c.flags & 64 != 0;
            g.word = usize::from(c.word).checked_sub(1).and_then(|w| WORDS.get(w)).copied();
            g.since = c.since.get();
            let there = |bit: u8, v: F64| (c.flags & bit != 0).then(|| v.get());
            g.reading = GuardReading {
                value: there(4, c.value),
                limit: there(8, c.limit),
                margin: there(16, c.margin),
                events: there(32, c.events),
                used: c.used.get(),
                age: c.age.maybe(),
            };
            g.monitor.unpack(packed.next().unwrap_or_default());
        }
        for m in own {
            m.unpack(packed.next().unwrap_or_default());
        }
        no_data.unpack(packed.next().unwrap_or_default());
        let sums = self.sums.row(i);
        fit(accumulators, sums.len());
        for (a, c) in accumulators.iter_mut().zip(sums) {
            *a = Accumulator {
                sum: c.sum.get(),
                behind: c.flags & 1 != 0,
                short: c.flags & 2 != 0,
                fresh: c.flags & 4 != 0,
                before: None,
            };
        }
        for ((a, c), before) in accumulators.iter_mut().zip(sums).zip(self.befores.row(i)) {
            a.before = (c.flags & 8 != 0).then(|| before.sum.get());
        }
        let times = self.answered.row(i);
        fit(answered, times.len());
        for (a, c) in answered.iter_mut().zip(times) {
            *a = c.at.maybe();
        }
        if baseline.len() != times.len() {
            *baseline = vec![None; times.len()];
        }
        let cells = self.reactions.row(i);
        fit(reactions, cells.len());
        for (r, c) in reactions.iter_mut().zip(cells) {
            (r.due, r.high) = (c.due.get(), c.high != 0);
            r.runs.clear();
        }
        match self.rare.get(i) {
            Some(rare) => rare.put(s),
            None => Rare::clear(s),
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
            && s.reactions.iter().all(|r| r.runs.is_empty())
            && s.promote.len() <= STEPS;
        if !sound {
            return None;
        }
        let core = self.core.row_mut(i).first_mut()?;
        let (hold_at, hold_runs, hold) = s.hold.parts();
        let (within_at, within_runs, within) = s.within.parts();
        let (elapsed_at, elapsed_runs, elapsed) = s.elapsed.parts();
        let (observed_at, observed_runs, observed) = s.observed.parts();
        let target = &s.target;
        let flags = [
            hold_runs,
            within_runs,
            elapsed_runs,
            target.lowers,
            s.within_fired,
            s.no_data_fired,
            target.goes_on,
            observed_runs,
        ];
        let mut promote = u32::try_from(s.promote.len()).ok()? << 28;
        for (k, t) in s.promote.iter().enumerate() {
            promote |= u32::from(bits(Some(*t))) << (2 * k);
        }
        *core = Core {
            started: I48::or_none(s.started)?,
            last: I48::or_none(s.last)?,
            entered: I48::of(s.entered)?,
            phase: U32::of(s.phase.0),
            furthest: U32::of(s.furthest.0),
            originals: U32::of(self.settings.place(core.originals.get(), &s.originals)),
            settings: U32::of(self.settings.place(core.settings.get(), &s.target.settings)),
            mementos: core.mementos,
            epoch: U32::of(s.target.epoch),
            requested: I48::of(s.target.requested)?,
            verified: I48::or_none(s.target.verified)?,
            settled: I48::or_none(s.target.settled)?,
            step: U32::of(u32::try_from(s.step).ok()?),
            hold_at: I48::or_none(hold_at)?,
            hold: I48::of(hold)?,
            within_at: I48::or_none(within_at)?,
            within: I48::of(within)?,
            elapsed_at: I48::or_none(elapsed_at)?,
            elapsed: I48::of(elapsed)?,
            observed_at: I48::or_none(observed_at)?,
            observed: I48::of(observed)?,
            promote: U32::of(promote),
            next_token: U32::of(s.next_token),
            flags: flags.iter().enumerate().map(|(k, on)| u8::from(*on) << k).sum(),
            promoted: I48::or_none(s.promoted)?,
            run: bits(s.gate) << 2
                | match s.step_run {
                    None => 0,
                    Some(StepRun::Running) => 1,
                    Some(StepRun::Succeeded) => 2,
                    Some(StepRun::Failed) => 3,
                },
        };
        for (c, g) in self.guards.row_mut(i).iter_mut().zip(&s.guards) {
            let GuardReading { value, limit, margin, events, used, age } = g.reading;
            let there =
                [g.active, g.fired, value.is_some(), limit.is_some(), margin.is_some(), events.is_some(), g.untold];
            *c = GuardCells {
                since: I48::of(g.since)?,
                used: I48::of(used)?,
                age: I48::or_none(age)?,
                value: F64::of(value.unwrap_or_default()),
                limit: F64::of(limit.unwrap_or_default()),
                margin: F64::of(margin.unwrap_or_default()),
                events: F64::of(events.unwrap_or_default()),
                word: g.word.map_or(0, |w| place(&WORDS, &w) + 1),
                flags: there.iter().enumerate().map(|(k, on)| u8::from(*on) << k).sum(),
            };
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
        for (c, m) in self.monitors.row_mut(i).iter_mut().zip(monitors(s)) {
            if m.has_window() {
                windows = true;
            } else {
                // where one does not fit the whole life is kept elsewhere, and nobody reads these cells
                *c = m.packed()?;
            }
        }
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
