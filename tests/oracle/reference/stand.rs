//! What is left where nothing can be taken back: a point of no return; and what `drift correct` sets again.

use super::truth::Truth;
use super::{Did, Reference};
use canary::engine::{Stage, Word};
use canary::plan::{Consequence, Happening, Millis, PhaseId, PortId, Time};

const HOUR: Millis = 3_600_000;

impl Reference<'_> {
    /// Whether a rollback to a phase, or (none) of everything, would lead back across the beginning of a phase that was entered and
    /// is irreversible.
    pub fn crosses(&self, to: Option<PhaseId>) -> bool {
        // what is on its way back has left every point behind, or never came to one
        let none = self.asked.epoch == 0 || matches!(self.stage, Stage::RollingBack(_));
        let entered = if none { 0 } else { self.furthest + 1 };
        (0..entered).any(|i| self.plan.phases[i].irreversible.is_some() && to < Some(PhaseId::at(i)))
    }

    /// There is no rollback: who waits for one is told, and it pauses.
    pub fn stand(&mut self, at: Time) {
        self.wrote("not_rolled_back");
        self.told(Happening::Rollback);
        self.pause(at);
    }

    /// A kill behind a point of no return sets what its switches set, and takes nothing else back.
    pub fn set_switches_only(&mut self, at: Time) {
        self.lay_switches_over(at);
        self.apply();
        self.stand(at);
    }

    /// Asks for what is asked for, with what thrown switches set over it.
    pub fn lay_switches_over(&mut self, at: Time) {
        let mut settings = self.asked.settings.clone();
        for k in &self.killed {
            settings.extend(&self.plan.switches[k.index()].settings);
        }
        self.ask(self.in_order_of_taking_back(settings), true, at);
        self.wrote("set_again");
    }

    /// Told the first time, and once more at the third time with no hour of peace between.
    pub fn tell_correction(&mut self, port: PortId) {
        let times: Vec<Time> = self.corrected.iter().filter(|(p, _)| *p == port).map(|(_, t)| *t).collect();
        let peace = times.windows(2).rposition(|w| w[1] - w[0] > HOUR).map_or(0, |i| i + 1);
        if matches!(times.len() - peace, 1 | 3) {
            self.told(Happening::Pause);
        }
    }

    /// What is read as more is lowered at once; else all of it is raised again, at a live check, while nothing is paused, the gate
    /// is open, and every guard is ok, or has too few events to say.
    pub fn set_again(&mut self, off: &[(PortId, bool)], live: bool, at: Time) {
        let lowers = off.iter().any(|(_, above)| *above);
        let forbids = self.plan.guards.iter().zip(&self.guards).any(|(g, s)| {
            let lets = matches!(s.word, Some(Word::Ok | Word::Thin | Word::Undecided));
            s.active && g.otherwise != Consequence::Tell && !lets
        });
        let shut = self.plan.advance.is_some() && self.gate != Truth::True;
        if !lowers && (!live || self.paused || forbids || shut) {
            return;
        }
        self.ask(self.asked.settings.clone(), lowers, at);
        self.asked.goes_on = true;
        if lowers {
            // these are still as somebody else has set them
            self.drifted = off.iter().filter(|(_, above)| !above).map(|(port, _)| *port).collect();
        }
        self.wrote("set_again");
        self.apply_again();
    }

    /// Hands over the request in force, without what is to be raised only once the rest is lowered.
    pub fn apply_again(&mut self) {
        let mut settings = self.asked.settings.clone();
        settings.retain(|(port, _)| !self.drifted.contains(port));
        let (epoch, lowers) = (self.asked.epoch, self.asked.lowers);
        self.did.push(Did::Apply { epoch, settings, lowers });
    }
}
