//! The world of one slice.

use super::{Event, World, original};
use crate::fleet::Row;
use canary::plan::{Answer, Missing, Population, PortId, Setting, Time};

impl World<'_> {
    /// What is read of it before it begins.
    pub fn before_it_begins(&mut self, at: Time) -> (Vec<(PortId, Setting)>, Vec<Option<Answer>>) {
        let exposed = self.dice.percent(5);
        if self.verified == 0 && self.asked.is_none() {
            self.ports = self.plan.ports.iter().map(|p| original(&mut self.dice, &p.kind, exposed)).collect();
        }
        let baseline = (0..self.plan.inputs.len())
            .map(|i| (self.plan.inputs[i].population == Population::Before).then(|| self.answer(i, at)))
            .collect();
        (self.ports.iter().enumerate().map(|(i, s)| (PortId::at(i), *s)).collect(), baseline)
    }

    /// Requests and actions that end before a check.
    pub fn ends_before(&mut self, next: Time) -> Vec<Event> {
        self.ends(next);
        self.queue.drain(..).collect()
    }

    /// What a check finds. `gone`: its series are not there, those of others are.
    pub fn row(&mut self, at: Time, gone: bool) -> Row {
        self.at = at;
        if self.ports.is_empty() {
            self.ports = self.plan.ports.iter().map(|p| original(&mut self.dice, &p.kind, false)).collect();
        }
        self.tick(at, true);
        let Some(Event::Tick { mut answers, ports, ports_epoch, .. }) = self.queue.pop_back() else { unreachable!() };
        if gone {
            for (input, a) in self.plan.inputs.iter().zip(&mut answers) {
                if input.population != Population::Before {
                    *a = Answer::missing(Missing::Empty { others: Some(true) });
                }
            }
        }
        Row { answers, ports, epoch: ports_epoch }
    }

    /// A new runner does not hear of what the old one began.
    pub fn forgets(&mut self) {
        self.running.clear();
    }
}
