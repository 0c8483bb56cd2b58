//! Guards: their words, their tolerance, and what a check decides.

use super::condition::Owner;
use super::temporal::Past;
use super::truth::Truth::{self, False, True, Unknown};
use super::{Did, Look, Reference};
use canary::engine::{Verdict, Word};
use canary::plan::{Consequence, Happening, InputId, Missing, PhaseId, PortId, SwitchId, Temporal, Time, Tolerance};

/// What the rules of one check ask for.
#[derive(Default)]
pub struct Asks {
    /// Switches, and how far back each leads.
    kills: Vec<(SwitchId, Option<PhaseId>)>,
    /// To a phase, or (none) to the beginning, which is before every phase.
    rollbacks: Vec<Option<PhaseId>>,
    pause: bool,
    halt: bool,
    /// One of the two is for `no data`, for the first time.
    silent: bool,
    /// What is read as something else and is to be set again: whether as more.
    off: Vec<(PortId, bool)>,
}

impl Asks {
    pub fn pause(&mut self) {
        self.pause = true;
    }

    pub fn off(&mut self, port: PortId, above: bool) {
        self.off.push((port, above));
    }

    fn roll_back(&mut self, to: Option<PhaseId>) {
        self.rollbacks.push(to);
    }
}

pub fn tolerance(t: Tolerance) -> Temporal {
    match t {
        Tolerance::For(d) => Temporal::For(d),
        Tolerance::Checks(n) => Temporal::Checks(n),
    }
}

impl Reference<'_> {
    /// Guards that are active in a phase begin to watch; after a rollback to it all of them anew.
    pub fn arm(&mut self, phase: usize, anew: bool) {
        let plan = self.plan;
        for (i, g) in plan.guards.iter().enumerate() {
            let watches = g.from.index() <= phase && g.until.is_none_or(|u| phase < u.index());
            let begins = watches && (anew || !self.guards[i].active);
            self.guards[i].active = watches;
            if begins {
                let s = &mut self.guards[i];
                s.unhealthy.clear();
                s.word = None;
                s.silent = None;
                // what has taken back must have been ok before it does so again
                s.fired &= anew && matches!(g.otherwise, Consequence::Rollback(_));
                self.anew(g.healthy, &|since_phase| !since_phase);
            }
        }
    }

    /// One check decides once: kill before rollback before halt and pause. Whether something is taken back.
    pub fn decide(&mut self, at: Time, live: bool, asks: Asks) -> bool {
        let (silent, was_paused) = (asks.silent, self.paused);
        let back = self.decide_on(at, live, asks);
        if silent && back && !was_paused && !self.paused {
            // a rollback came before it: it is still to come
            self.no_data_fired = false;
        }
        back
    }

    fn decide_on(&mut self, at: Time, live: bool, asks: Asks) -> bool {
        // whatever becomes of this life, the others are paused
        if asks.halt {
            self.did.push(Did::Halt);
        }
        // a switch that is one for all slices is thrown in the others too
        let anew =
            |k: &&(SwitchId, Option<PhaseId>)| self.plan.switches[k.0.index()].for_all && !self.killed.contains(&k.0);
        let shared: Vec<&(SwitchId, Option<PhaseId>)> = asks.kills.iter().filter(anew).collect();
        if let Some(to) = shared.iter().map(|k| k.1).min() {
            self.did.push(Did::Throw { switches: shared.iter().map(|k| k.0).collect(), to });
        }
        // of several the earliest target, with a switch or without
        let targets: Vec<_> = asks.rollbacks.iter().copied().chain(asks.kills.iter().map(|k| k.1)).collect();
        // what would lead back across a point of no return is a pause
        let stands = targets.iter().any(|to| self.crosses(*to));
        let to = targets.iter().copied().filter(|to| !self.crosses(*to)).min();
        let kills: Vec<SwitchId> = asks.kills.iter().map(|k| k.0).collect();
        match to {
            Some(to) if !kills.is_empty() => self.kill(at, &kills, to, Verdict::RolledBack),
            Some(None) => self.roll_back(at, Verdict::RolledBack),
            Some(Some(to)) => self.roll_back_to(at, to.index()),
            // what the switches set is set, and that is all
            None if !kills.is_empty() => {
                self.kill(at, &kills, None, Verdict::RolledBack);
                return true;
            }
            None => {
                if stands {
                    self.stand(at);
                    self.kill_next();
                }
                if asks.pause || asks.halt {
                    self.pause(at);
                }
                if !asks.off.is_empty() {
                    self.set_again(&asks.off, live, at);
                }
                return stands;
            }
        }
        if stands {
            self.stand(at);
        }
        true
    }

    /// Every active guard gets its word; whose tolerance is used up asks for its consequence, once until it is ok again.
    /// Returns how many breaches are to be told.
    pub fn check_guards(&mut self, look: Look<'_>, asks: &mut Asks) -> usize {
        let mut breaches = 0;
        for (i, g) in self.plan.guards.iter().enumerate() {
            if !self.guards[i].active {
                continue;
            }
            let (truth, why) = self.truth(look, g.healthy, Owner::Guard(i));
            let warming = self.reaches_back(look, g.healthy, 0);
            // the first that fits
            let (word, healthy) = if truth == Unknown && why.blind {
                (Word::Blind, Unknown)
            } else if truth == Unknown && why.dark {
                (Word::Dark, False)
            } else if warming {
                (Word::Warming, if truth == False { False } else { Unknown })
            } else if truth == Unknown && why.thin {
                (Word::Thin, Unknown)
            } else if truth == Unknown {
                (Word::Undecided, Unknown)
            } else if truth == False {
                (Word::Failing, False)
            } else {
                (Word::Ok, True)
            };
            let s = &mut self.guards[i];
            s.unhealthy.push((look.at, healthy.not()));
            let past = Past { log: &s.unhealthy, every: self.plan.check_every, bridge: None };
            let used_up = past.now(tolerance(g.tolerate)) == True;
            s.word = Some(if word == Word::Failing && used_up { Word::Breached } else { word });
            s.fired &= word != Word::Ok;
            if used_up && !s.fired {
                s.fired = true;
                breaches += 1;
                match (g.otherwise, g.kill) {
                    (Consequence::Tell | Consequence::Hold, _) => {}
                    (Consequence::Pause, _) => asks.pause = true,
                    (Consequence::Halt, _) => asks.halt = true,
                    // back to where it is, or on, is no way back
                    (Consequence::Rollback(Some(to)), _) if to.index() >= self.phase => {}
                    (Consequence::Rollback(to), Some(switch)) => asks.kills.push((switch, to)),
                    (Consequence::Rollback(to), None) => asks.roll_back(to),
                }
            }
        }
        breaches
    }

    /// Nobody has asked: a check that is back-filled, of a source that keeps no history.
    fn unasked(&self, look: Look<'_>, guard: usize) -> bool {
        let mut inputs = self.read_below(self.plan.guards[guard].healthy);
        // what was before the first change is never asked again
        inputs.retain(|i| self.plan.inputs[i.index()].population != canary::plan::Population::Before);
        let missing: Vec<Missing> = inputs.iter().filter_map(|i: &InputId| self.reading(look, *i).err()).collect();
        !missing.is_empty() && missing.iter().all(|m| *m == Missing::NotAsked)
    }

    /// Guards that are blind, and those that are dark, since this check: told once each.
    pub fn newly_silent(&mut self, look: Look<'_>) -> usize {
        let mut newly = (false, false);
        for i in 0..self.guards.len() {
            let s = &self.guards[i];
            let silent = s.word.filter(|w| s.active && matches!(w, Word::Blind | Word::Dark));
            if silent.is_some() && self.unasked(look, i) {
                // that nobody asked is nothing to tell; what is told already stays told
                self.guards[i].silent = self.guards[i].silent.filter(|told| Some(*told) == silent);
                continue;
            }
            if silent != s.silent {
                newly.0 |= silent == Some(Word::Blind);
                newly.1 |= silent == Some(Word::Dark);
            }
            self.guards[i].silent = silent;
        }
        usize::from(newly.0) + usize::from(newly.1)
    }

    /// `no data tolerate … else …`: its clock runs while a guard is blind that can do more than tell. A check that nobody asked
    /// at neither runs it nor clears it.
    pub fn no_data(&mut self, look: Look<'_>, asks: &mut Asks) {
        let plan = self.plan;
        let blind: Vec<usize> = (0..plan.guards.len())
            .filter(|i| self.guards[*i].active && self.guards[*i].word == Some(Word::Blind))
            .filter(|i| plan.guards[*i].otherwise != Consequence::Tell)
            .collect();
        let asked = blind.iter().any(|i| !self.unasked(look, *i));
        if !blind.is_empty() && !asked {
            return;
        }
        self.blind.push((look.at, Truth::of(asked)));
        let past = Past { log: &self.blind, every: plan.check_every, bridge: None };
        let over = past.now(tolerance(plan.no_data.tolerate)) == True;
        self.no_data_fired &= asked;
        if over && !self.no_data_fired {
            self.no_data_fired = true;
            asks.silent = matches!(plan.no_data.otherwise, Consequence::Pause | Consequence::Halt);
            match plan.no_data.otherwise {
                Consequence::Pause => asks.pause = true,
                Consequence::Halt => asks.halt = true,
                Consequence::Rollback(to) => asks.roll_back(to),
                Consequence::Tell | Consequence::Hold => {}
            }
        }
    }

    /// Settings that are not read back in time are taken back.
    pub fn unverified(&mut self, at: Time, asks: &mut Asks) {
        if self.asked.verified.is_none() && self.unverified_for(at) >= self.plan.verify_within {
            // behind a point of no return it stays as it is: said once
            if self.crosses(None) && self.stuck.replace(self.asked.epoch) == Some(self.asked.epoch) {
                return;
            }
            asks.roll_back(None);
        }
    }

    pub fn pause(&mut self, at: Time) {
        if !self.paused {
            self.paused = true;
            self.wrote("paused");
            self.happened(Happening::Pause, at);
        }
    }
}
