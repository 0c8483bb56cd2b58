//! A world of slices by chance: each has its own; who is seen, when checks are, and what people say is common.

use super::{Begins, Event};
use crate::dice::Dice;
use crate::world::{Event as Of, World};
use canary::engine::fleet::FleetEffect;
use canary::engine::{Effect, Operator};
use canary::plan::{GroupId, Plan, SwitchId, Time};
use std::collections::{BTreeMap, BTreeSet};

pub struct Slices<'p> {
    plan: &'p Plan,
    dice: Dice,
    seed: u64,
    pub at: Time,
    left: usize,
    one: Vec<World<'p>>,
    /// Whose series are gone, and for how many checks still.
    gone: BTreeMap<usize, usize>,
    /// The run's own actions: when they end.
    own: Vec<u32>,
    /// Values that are still to be seen.
    unseen: Vec<Vec<String>>,
    faults: usize,
    people: usize,
    rolled_back: Option<Time>,
    over: bool,
    pub happened: BTreeSet<&'static str>,
}

impl<'p> Slices<'p> {
    pub fn new(plan: &'p Plan, seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0xF1EE7);
        let mut unseen = Vec::new();
        for tenant in ["acme", "orb", "initech"] {
            for severity in ["high", "low", "medium"] {
                if dice.percent(50) {
                    unseen.push(vec![String::from(severity), String::from(tenant)]);
                }
            }
        }
        let at = 1_700_000_000_000;
        Self {
            plan,
            seed,
            at,
            left: 10 + dice.below(30),
            one: Vec::new(),
            gone: BTreeMap::new(),
            own: Vec::new(),
            unseen,
            faults: dice.one(&[0, 5, 15]),
            people: dice.one(&[0, 6, 20]),
            rolled_back: dice.percent(10).then_some(at - 1_000_000),
            over: false,
            happened: BTreeSet::new(),
            dice,
        }
    }

    /// Hears what is wanted.
    pub fn hears(&mut self, effects: &[FleetEffect]) {
        for e in effects {
            match (e.slice, &e.effect) {
                (Some(slice), effect) => {
                    if let Some(one) = self.one.get_mut(slice.index()) {
                        one.hears(std::slice::from_ref(effect));
                    }
                }
                (None, Effect::Run { token, .. }) => self.own.push(*token),
                (None, Effect::Finish(_)) => self.over = true,
                _ => {}
            }
        }
    }

    /// A slice was taken in.
    pub fn joins(&mut self) {
        self.one.push(World::new(self.plan, self.seed * 64 + self.one.len() as u64));
    }

    /// What comes up to the next check; the check itself is made once it is known who may begin.
    pub fn before_a_check(&mut self) -> Vec<Event> {
        let every = self.plan.check_every;
        let mut out = Vec::new();
        let first = self.one.is_empty();
        let seen = if first { 1 + self.dice.below(4) } else { usize::from(self.dice.percent(8)) };
        for _ in 0..seen.min(self.unseen.len()) {
            if !first {
                self.happened.insert("late");
            }
            let i = self.dice.below(self.unseen.len());
            out.push(Event::Seen { values: self.unseen.swap_remove(i), at: self.at });
        }
        if self.dice.percent(6) {
            self.happened.insert("unlisted");
            let values: &[&str] = self.dice.one(&[
                &["enormous", "acme"] as &[&str],
                &["low", ""],
                &["low"],
                &["low", "acme", "more"],
                &["acme", "low"],
            ]);
            out.push(Event::Seen { values: values.iter().map(|v| String::from(*v)).collect(), at: self.at });
        }
        if self.dice.percent(self.faults) {
            self.happened.insert("recovered");
            out.push(Event::Stored);
            out.push(Event::Recovered { at: self.at + self.dice.between(0, every - 1) });
            self.own.clear();
            self.one.iter_mut().for_each(World::forgets);
        }
        if self.dice.percent(self.people) {
            out.push(self.person());
        }
        let next = self.at + every;
        for slice in 0..self.one.len() {
            for e in self.one[slice].ends_before(next) {
                match e {
                    Of::Verified { at, epoch, read } => out.push(Event::Verified { slice, at, epoch, read }),
                    Of::ActionEnded { at, token, ok } => out.push(Event::ActionEnded { slice, at, token, ok }),
                    _ => {}
                }
            }
        }
        if self.dice.percent(70) {
            for token in self.own.drain(..) {
                out.push(Event::OwnActionEnded { at: next - 1, token, ok: true });
            }
        }
        if self.dice.percent(10) {
            out.push(Event::Stored);
        }
        out
    }

    fn person(&mut self) -> Event {
        let some = |dice: &mut Dice, of: usize| (0..of).filter(|_| dice.percent(50)).collect::<Vec<usize>>();
        let all = self.dice.percent(50);
        let slices = if all { Vec::new() } else { some(&mut self.dice, self.one.len()) };
        let act = match self.dice.below(14) {
            0..=2 => Operator::Pause,
            3..=7 => Operator::Resume,
            8 => Operator::Abort,
            9 if !self.plan.switches.is_empty() => {
                Operator::Kill(SwitchId::at(self.dice.below(self.plan.switches.len())))
            }
            10 if !self.plan.switches.is_empty() => {
                Operator::Reset(SwitchId::at(self.dice.below(self.plan.switches.len())))
            }
            _ if !self.plan.groups.is_empty() => {
                Operator::Approve(GroupId::at(self.dice.below(self.plan.groups.len())))
            }
            _ => Operator::Resume,
        };
        self.happened.insert(if slices.is_empty() { "said to all" } else { "said to some" });
        Event::Operator { slices, at: self.at + self.dice.between(0, self.plan.check_every - 1), act }
    }

    /// The next check; none when it is over.
    pub fn check(&mut self, due: &[usize]) -> Option<Event> {
        if self.left == 0 || self.over && self.dice.percent(50) {
            return None;
        }
        self.left -= 1;
        let every = self.plan.check_every;
        let mut at = self.at + every;
        if self.dice.percent(self.faults) {
            at += match self.dice.below(4) {
                0 => every * self.dice.between(1, 8),
                1 => self.dice.between(-every / 3, every / 3),
                2 => -every,
                _ => -every - self.dice.between(1, 20_000),
            };
        }
        let live = self.one.is_empty() || !self.dice.percent(self.faults);
        if !live {
            self.happened.insert("back-filled");
        }
        let mut rows = Vec::new();
        for i in 0..self.one.len() {
            if self.dice.percent(3) {
                self.happened.insert("vanished");
                self.gone.insert(i, 1 + self.dice.below(8));
            }
            let gone = self.gone.get_mut(&i).is_some_and(|left| {
                *left = left.saturating_sub(1);
                *left > 0
            });
            rows.push(self.one[i].row(at, gone));
        }
        let mut begins = Vec::new();
        for slice in due.iter().copied() {
            if self.dice.percent(8) {
                self.happened.insert("unreadable");
                continue;
            }
            let (originals, baseline) = self.one[slice].before_it_begins(at);
            begins.push(Begins { slice, originals, baseline });
        }
        // what is not due must not begin
        if self.dice.percent(5) && !self.one.is_empty() {
            let slice = self.dice.below(self.one.len());
            if !due.contains(&slice) {
                let (originals, baseline) = self.one[slice].before_it_begins(at);
                begins.push(Begins { slice, originals, baseline });
            }
        }
        self.at = self.at.max(at);
        Some(Event::Tick { at, rows, begins, rolled_back: self.rolled_back, live })
    }
}
