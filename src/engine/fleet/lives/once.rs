//! What every life has once: where it stands, what it wants the world to be, its clocks.

use super::super::cells::{I48, U32, cells};
use super::super::table::Shared;
use super::stage_of;
use crate::engine::monitor::Stopwatch;
use crate::engine::monitor::packed::{bits, truth};
use crate::engine::state::{State, StepRun, Target};
use crate::plan::{PhaseId, PortId, Setting};

/// As many steps of a phase fit into [`Core::promote`].
const STEPS: u32 = 14;

cells! {
    /// What every life has once.
    Core {
        started: I48,
        last: I48,
        entered: I48,
        phase: U32,
        furthest: U32,
        originals: U32,
        settings: U32,
        mementos: U32,
        epoch: U32,
        requested: I48,
        verified: I48,
        settled: I48,
        step: U32,
        hold_at: I48,
        hold: I48,
        within_at: I48,
        within: I48,
        elapsed_at: I48,
        elapsed: I48,
        observed_at: I48,
        observed: I48,
        /// Two bits a step; in the highest four how many.
        promote: U32,
        next_token: U32,
        promoted: I48,
        /// Those of [`HOLDS`] and the like.
        flags: u8,
        /// How the awaited action ended; what the gate says.
        run: u8,
    }
}

const HOLDS: u8 = 1;
const WITHIN: u8 = 2;
const ELAPSES: u8 = 4;
const LOWERS: u8 = 8;
const WITHIN_FIRED: u8 = 16;
const NO_DATA_FIRED: u8 = 32;
const GOES_ON: u8 = 64;
const OBSERVES: u8 = 128;

/// A flag if it is up.
#[inline]
fn flag(on: bool, flag: u8) -> u8 {
    if on { flag } else { 0 }
}

impl Core {
    /// Gives it to a life; how its originals are written stays behind.
    #[inline]
    pub(super) fn put(&self, stage: u8, kept: &Shared<Vec<(PortId, Setting)>>, s: &mut State) {
        let list = |at: U32| kept.get(at.get()).map_or(&[][..], Vec::as_slice);
        let up = |flag: u8| self.flags & flag != 0;
        s.phase = PhaseId(self.phase.get());
        s.stage = stage_of(stage, s.phase);
        s.started = self.started.maybe();
        s.last = self.last.maybe();
        s.furthest = PhaseId(self.furthest.get());
        s.entered = self.entered.get();
        s.originals.clear();
        s.originals.extend_from_slice(list(self.originals));
        s.mementos.clear();
        let Target { epoch, settings, lowers, requested, verified, settled, goes_on } = &mut s.target;
        *epoch = self.epoch.get();
        settings.clear();
        settings.extend_from_slice(list(self.settings));
        *lowers = up(LOWERS);
        *requested = self.requested.get();
        *verified = self.verified.maybe();
        *settled = self.settled.maybe();
        *goes_on = up(GOES_ON);
        s.step = self.step.get() as usize;
        s.step_run = match self.run & 3 {
            0 => None,
            1 => Some(StepRun::Running),
            2 => Some(StepRun::Succeeded),
            _ => Some(StepRun::Failed),
        };
        s.hold = Stopwatch::of_parts(self.hold_at.maybe(), up(HOLDS), self.hold.get());
        s.within = Stopwatch::of_parts(self.within_at.maybe(), up(WITHIN), self.within.get());
        s.elapsed = Stopwatch::of_parts(self.elapsed_at.maybe(), up(ELAPSES), self.elapsed.get());
        s.observed = Stopwatch::of_parts(self.observed_at.maybe(), up(OBSERVES), self.observed.get());
        s.within_fired = up(WITHIN_FIRED);
        s.no_data_fired = up(NO_DATA_FIRED);
        s.promoted = self.promoted.maybe();
        s.gate = truth(self.run >> 2);
        s.next_token = self.next_token.get();
        let held = self.promote.get();
        s.promote.clear();
        s.promote.extend((0..held >> 28).filter_map(|k| truth((held >> (2 * k)) as u8 & 3)));
    }

    /// A life's; `None` where it does not fit.
    #[inline]
    pub(super) fn of(&self, kept: &mut Shared<Vec<(PortId, Setting)>>, s: &State) -> Option<Self> {
        let (hold_at, holds, hold) = s.hold.parts();
        let (within_at, within_runs, within) = s.within.parts();
        let (elapsed_at, elapses, elapsed) = s.elapsed.parts();
        let (observed_at, observes, observed) = s.observed.parts();
        let steps = u32::try_from(s.promote.len()).ok().filter(|n| *n <= STEPS)?;
        let mut promote = steps << 28;
        for (k, t) in s.promote.iter().enumerate() {
            promote |= u32::from(bits(Some(*t))) << (2 * k);
        }
        let run = match s.step_run {
            None => 0,
            Some(StepRun::Running) => 1,
            Some(StepRun::Succeeded) => 2,
            Some(StepRun::Failed) => 3,
        };
        Some(Self {
            started: I48::or_none(s.started)?,
            last: I48::or_none(s.last)?,
            entered: I48::of(s.entered)?,
            phase: U32::of(s.phase.0),
            furthest: U32::of(s.furthest.0),
            originals: U32::of(kept.place(self.originals.get(), &s.originals)),
            settings: U32::of(kept.place(self.settings.get(), &s.target.settings)),
            mementos: self.mementos,
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
            flags: flag(holds, HOLDS)
                | flag(within_runs, WITHIN)
                | flag(elapses, ELAPSES)
                | flag(s.target.lowers, LOWERS)
                | flag(s.within_fired, WITHIN_FIRED)
                | flag(s.no_data_fired, NO_DATA_FIRED)
                | flag(s.target.goes_on, GOES_ON)
                | flag(observes, OBSERVES),
            promoted: I48::or_none(s.promoted)?,
            run: bits(s.gate) << 2 | run,
        })
    }
}
