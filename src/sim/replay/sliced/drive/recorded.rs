//! What was recorded of a sliced run, given to its engine again.

use super::Driver;
use crate::engine::fleet::{Begin, FleetInput, SliceId};
use crate::engine::{Operator, Verdict};
use crate::plan::{PortId, Setting, SwitchId, Time};
use crate::sim::recording::Happened;
use crate::sim::recording::sliced::{self, Sliced};
use crate::sim::replay::drive::word;
use crate::sim::replay::sliced::lives::{Lives, Read};

/// What was read of a slice of the recording that may begin.
type Originals = (u32, Result<Vec<(PortId, Setting)>, String>);

impl<'a> Driver<'a> {
    /// Something that was recorded.
    pub(super) fn event(&mut self, event: &'a Happened) {
        let event = match event {
            Happened::Sliced(event) => event,
            Happened::Recovered { at } => {
                if !self.is_away(*at) {
                    self.stopped();
                    self.tell(*at, vec![FleetInput::Recovered { at: *at }]);
                }
                return;
            }
            // of runs without slices: no recording has both
            _ => return,
        };
        match event {
            Sliced::Start { .. } => {}
            Sliced::Seen { at, slices } => {
                if self.recorded {
                    self.lives.see(*at, slices);
                    if let Some(beside) = &mut self.beside {
                        beside.see(*at, slices);
                    }
                    self.follow();
                }
            }
            Sliced::Check { at, live, read, begins } => self.at_check(*at, *live, Some((read, begins))),
            Sliced::Operator { at, .. } => {
                if self.is_away(*at) {
                    self.unheard.push(event);
                } else {
                    self.said(*at, event);
                }
            }
            _ if self.is_away(event.at()) || !self.recorded => {}
            Sliced::Verified { at, slice, epoch, read } => {
                let read = self.named(read);
                if let Some(own) = self.lives.slice(*slice) {
                    if let Some(slot) = self.slots.get_mut(own.index()) {
                        if slot.hands.awaits(*epoch) {
                            let _ = slot.hands.verified(|_| false);
                        }
                        slot.verified |= slot.epoch == *epoch;
                    }
                    for (port, is) in &read {
                        self.read_as(*at, own, *port, *is);
                    }
                }
                let input = |slice| FleetInput::Verified { slice, at: *at, epoch: *epoch, read: read.clone() };
                self.recorded_input(*at, |lives| lives.slice(*slice).map(input));
            }
            Sliced::ActionEnded { at, slice, token, ok, how, output } => {
                let hands = match slice {
                    None => Some(&mut self.own),
                    Some(s) => self.lives.slice(*s).and_then(|s| self.slots.get_mut(s.index())).map(|s| &mut s.hands),
                };
                if let Some(hands) = hands {
                    hands.ends(*token);
                }
                let (at, token, ok) = (*at, *token, *ok);
                self.recorded_input(at, |lives| {
                    let (how, output) = (how.clone(), output.clone());
                    Some(match slice {
                        None => FleetInput::OwnActionEnded { at, token, ok, how, output },
                        Some(s) => {
                            let slice = lives.slice(*s)?;
                            FleetInput::ActionEnded { slice, at, token, ok, how, output }
                        }
                    })
                });
            }
        }
    }

    /// An input of the recorded run, in the words of each plan.
    fn recorded_input<'i>(&mut self, at: Time, of: impl Fn(&Lives<'a>) -> Option<FleetInput<'i>>) {
        let (own, beside) = (of(&self.lives), self.beside.as_ref().and_then(&of));
        if let Some(own) = own {
            self.lives.tell(vec![own]);
        }
        if let (Some(lives), Some(input)) = (&mut self.beside, beside) {
            lives.tell(vec![input]);
        }
        self.perform(at);
    }

    /// A check of the recorded run.
    pub(super) fn recorded_check(&mut self, at: Time, live: bool, read: &[sliced::Read], begins: &[sliced::Begun]) {
        let ports: Vec<(Vec<(PortId, Setting)>, &sliced::Read)> =
            read.iter().map(|r| (self.named(&r.ports), r)).collect();
        let own = |lives: &Lives<'_>| -> Vec<Read> {
            let each = ports.iter().flat_map(|(named, r)| {
                let of = r.of.iter().flat_map(|(first, last)| *first..=(*last).min(lives.known()));
                of.map(move |place| (place, named, r.epoch))
            });
            each.filter_map(|(place, named, epoch)| Some((lives.slice(place)?, named.clone(), epoch))).collect()
        };
        let mut reads = own(&self.lives);
        for (slice, named, _) in &reads {
            for (port, is) in named {
                self.read_as(at, *slice, *port, *is);
            }
        }
        let originals: Vec<_> = begins
            .iter()
            .map(|b| (b.slice, b.originals.as_ref().map(|o| self.named(o)).map_err(Clone::clone)))
            .collect();
        for (place, originals) in &originals {
            let Some(slice) = self.lives.slice(*place) else { continue };
            for (port, is) in originals.iter().flatten() {
                self.read_as(at, slice, *port, *is);
            }
        }
        let begin = |lives: &Lives<'_>| -> Vec<Begin> {
            let one = |(place, originals): &Originals| {
                let slice = lives.slice(*place)?;
                let baseline = lives.answers.baseline(slice, at, true, &mut |_| {});
                Some(Begin { slice, originals: originals.clone(), baseline })
            };
            originals.iter().filter_map(one).collect()
        };
        self.look(at);
        let begins = begin(&self.lives);
        self.lives.tick(at, reads.drain(..), begins, self.rolled_back, live);
        if let Some(beside) = &mut self.beside {
            beside.look(at, false, |_| 0.0);
            let (read, begins) = (own(beside), begin(beside));
            beside.tick(at, read, begins, self.rolled_back, live);
        }
        self.checked(at);
    }

    /// A person's word.
    pub(super) fn said(&mut self, at: Time, event: &Sliced) {
        let Sliced::Operator { slices, act, of, who, why, .. } = event else { return };
        let name = of.as_deref().unwrap_or("");
        let word = word(self.plan, act, name);
        let meant = self.meant(slices);
        let of = if name.is_empty() { String::new() } else { format!(" {name}") };
        let (Some(act), Some(meant)) = (word, meant) else {
            let text = format!("{who} said `{act}{of}`: here is nothing that it could mean, and nothing came of it");
            self.leave(at);
            self.notes.assume(Some(at), text);
            return;
        };
        if !self.recorded {
            let text = "people say what was recorded of them, when they said it then: to what came of it this time they might have \
                        said something else";
            self.notes.assume(Some(at), String::from(text));
        }
        let for_all = |s: SwitchId| self.plan.switches.get(s.index()).is_some_and(|s| s.for_all);
        match act {
            Operator::Abort if meant.is_empty() => {
                self.closing.get_or_insert(Verdict::Aborted);
            }
            Operator::Kill(s) if meant.is_empty() || for_all(s) => {
                self.closing.get_or_insert(Verdict::Killed);
            }
            _ => {}
        }
        let beside = self.beside.as_ref().and_then(|b| b.slices(slices));
        let input = |slices| FleetInput::Operator { slices, at, act, who: who.clone(), why: why.clone() };
        self.lives.tell(vec![input(&meant)]);
        if let (Some(lives), Some(meant)) = (&mut self.beside, beside) {
            lives.tell(vec![input(&meant)]);
        }
        self.perform(at);
    }

    /// The slices that a recorded word means; `None`: none that there is.
    fn meant(&self, places: &[u32]) -> Option<Vec<SliceId>> {
        if self.recorded || places.is_empty() {
            return self.lives.slices(places);
        }
        // the recorded run's slices may have been seen in another order: found by their values
        let all: Vec<&Vec<String>> = self
            .recording
            .happened
            .iter()
            .flat_map(|h| match h {
                Happened::Sliced(Sliced::Seen { slices, .. }) => slices.as_slice(),
                _ => &[],
            })
            .collect();
        let find = |place: &u32| {
            let values: Vec<&str> = all.get(*place as usize)?.iter().map(String::as_str).collect();
            self.lives.fleet.slice(&values)
        };
        let found: Vec<SliceId> = places.iter().filter_map(find).collect();
        (!found.is_empty()).then_some(found)
    }
}
