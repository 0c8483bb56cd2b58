//! What stands before a raise of exposure, and ramps.

use super::condition::Owner;
use super::temporal::Watch;
use super::truth::Truth::True;
use super::{Look, Reference, Wait};
use canary::engine::{Stage, Word};
use canary::plan::{Consequence, Happening, PhaseId, PortId, Setting, Step, SwitchId, Time};

pub fn amount(s: Setting) -> f64 {
    match s {
        Setting::Share(r) => r,
        Setting::Bool(b) => f64::from(u8::from(b)),
        Setting::Count(n) => n as f64,
        Setting::Absent => 0.0,
    }
}

impl Reference<'_> {
    /// `advance when` is asked at every check.
    pub fn ask_gate(&mut self, look: Look<'_>) {
        if let Some(g) = &self.plan.advance {
            self.gate = self.truth(look, g.when, Owner::Rollout).0;
        }
    }

    /// A thrown switch sets this port.
    pub fn barred(&self, port: PortId) -> Option<SwitchId> {
        let sets = |k: &&SwitchId| self.plan.switches[k.index()].settings.iter().any(|(p, _)| *p == port);
        self.killed.iter().find(sets).copied()
    }

    /// What is asked for now, or what was read before anything was.
    pub fn now(&self, port: PortId) -> Setting {
        let of = |list: &[(PortId, Setting)]| list.iter().find(|(p, _)| *p == port).map(|(_, s)| *s);
        of(&self.asked.settings).or_else(|| of(&self.originals)).unwrap_or(Setting::Absent)
    }

    /// `advance when` is not true, and these settings raise something.
    fn shut(&self, settings: &[(PortId, Setting)]) -> Option<Wait> {
        let raises = settings.iter().any(|(port, to)| {
            let now = self.now(*port);
            amount(*to) > amount(now) && !to.same(now)
        });
        (self.plan.advance.is_some() && self.gate != True && raises).then_some(Wait::Advance)
    }

    /// What keeps a phase from being entered: a thrown switch that sets one of its ports, or `advance when`.
    pub fn before_phase(&self, phase: usize) -> Option<Wait> {
        self.plan.phases.get(phase)?;
        let switch = self.ports_up_to(phase).into_iter().find_map(|port| self.barred(port));
        switch.map(Wait::Switch).or_else(|| self.shut(&self.settings_of(phase)))
    }

    /// What a phase and all before it set: settings persist.
    pub fn ports_up_to(&self, phase: usize) -> Vec<PortId> {
        let mut out = Vec::new();
        for p in &self.plan.phases[..=phase] {
            out.extend(p.settings.iter().map(|(port, _)| *port));
            for s in &p.steps {
                if let Step::Ramp { port, .. } = s {
                    out.push(*port);
                }
            }
        }
        out
    }

    /// While a thrown switch keeps down what the phase sets nothing of the phase goes on; once it is reset the phase begins anew.
    pub fn held_down(&mut self, before: Option<Wait>, at: Time) {
        let switch = self.ports_up_to(self.phase).into_iter().find_map(|port| self.barred(port));
        match switch.map(Wait::Switch).or_else(|| self.shut(&self.settings_of(self.phase))) {
            Some(on) => self.wait(on, before),
            // what a guard says is bad raises nothing
            None if self.plan.guards.iter().zip(&self.guards).any(|(g, s)| {
                let bad = matches!(s.word, Some(Word::Failing | Word::Breached));
                s.active && g.otherwise != Consequence::Tell && bad
            }) => {}
            None => self.enter(self.phase, at),
        }
    }

    pub fn is_held_down(&self) -> bool {
        self.anew || self.ports_up_to(self.phase).into_iter().any(|port| self.barred(port).is_some())
    }

    /// Waits; that it begins to wait for something is written down. `before`: what it has waited for up to this check.
    pub fn wait(&mut self, on: Wait, before: Option<Wait>) {
        if before != Some(on) {
            self.wrote("waiting");
        }
        self.waiting = Some(on);
    }

    /// Enters the first phase, or waits before it.
    pub fn begin(&mut self, at: Time, may_start: bool) {
        let before = self.waiting.take();
        match self.before_phase(0).or((!may_start).then_some(Wait::Start)) {
            None => self.enter(0, at),
            Some(on) => {
                self.stage = Stage::Phase(PhaseId(0));
                self.asked.verified = Some(at);
                self.wait(on, before);
            }
        }
    }

    /// `hold forever` is reached with all guards ok: that is the promotion.
    pub fn stay(&mut self, at: Time) {
        if !self.promoted {
            self.promoted = true;
            self.wrote("promoted");
            self.happened(Happening::Promote, at);
        }
    }

    /// A check of a ramp: each raise comes after `every` of observed time since the value before it has settled, at a check at which
    /// all guards are ok and all ports are as asked for (`sound`). Whether the last value is reached.
    pub fn ramp(&mut self, step: &Step, sound: bool, before: Option<Wait>, at: Time) -> bool {
        let Step::Ramp { port, from, to, by, every } = *step else { unreachable!() };
        let now = self.asked.settings.iter().find(|(p, _)| *p == port).map(|(_, s)| *s);
        let exposed = self.asked.settings.iter().any(|(_, s)| s.exposes());
        let value = match self.ramp {
            None if now.is_some_and(|n| n.same(from)) => {
                self.ramp = Some(from);
                return from.same(to);
            }
            // nothing is exposed yet: there may be nothing to be seen
            None if sound || !exposed => from,
            // a switch has held it down: back to where it had come
            Some(v) if sound && !now.is_some_and(|n| n.same(v)) => v,
            Some(v) if now.is_some_and(|n| n.same(v)) && v.same(to) => return true,
            Some(v) if sound && self.hold.counted(self.plan.check_every) >= every => next(v, by, to),
            _ => return false,
        };
        let mut settings = self.asked.settings.clone();
        settings.push((port, value));
        let settings = self.in_order_of_setting(settings);
        if let Some(on) = self.barred(port).map(Wait::Switch).or_else(|| self.shut(&settings)) {
            self.wait(on, before);
            return false;
        }
        self.ramp = Some(value);
        self.hold = Watch::default();
        self.ask(settings, false, at);
        self.asked.goes_on = true;
        self.wrote("raised");
        self.apply();
        false
    }
}

/// One step more, and never above the end.
fn next(v: Setting, by: Setting, to: Setting) -> Setting {
    match (v, by, to) {
        (Setting::Count(v), Setting::Count(by), Setting::Count(to)) => Setting::Count((v + by).min(to)),
        (Setting::Share(v), Setting::Share(by), Setting::Share(end)) if v + by < end - 1e-9 => Setting::Share(v + by),
        _ => to,
    }
}
