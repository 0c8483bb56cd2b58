//! A plan on its way through a recording: the engine's state of all slices, and what they are answered.

use super::answers::Answers;
use crate::engine::fleet::{Begin, Fleet, FleetEffect, FleetInput, Observed, SliceId, fleet_steps};
use crate::engine::{Effect, Given};
use crate::plan::{Plan, PortId, Setting, Time};
use crate::sim::recording::Recording;
use crate::sim::replay::inject::Injected;

/// The lives of all slices.
pub(super) struct Lives<'a> {
    pub(super) plan: &'a Plan,
    pub(super) fleet: Fleet,
    pub(super) answers: Answers<'a>,
    observed: Observed,
    /// By the recording's place of a slice: which it is here.
    places: Vec<Option<SliceId>>,
    /// What the last step asks for.
    pub(super) effects: Vec<FleetEffect>,
}

/// What was read of a slice's ports at a check, and which of its requests was verified then.
pub(super) type Read = (SliceId, Vec<(PortId, Setting)>, u32);

impl<'a> Lives<'a> {
    pub(super) fn new(plan: &'a Plan, recording: &'a Recording, injected: Vec<Injected>) -> Self {
        Self {
            plan,
            fleet: Fleet::new(plan),
            answers: Answers::new(plan, recording, injected),
            observed: Observed::new(plan, 0),
            places: Vec::new(),
            effects: Vec::new(),
        }
    }

    /// Slices were seen in the recorded run.
    pub(super) fn see(&mut self, at: Time, slices: &[Vec<String>]) {
        for values in slices {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            self.places.push(self.fleet.see(self.plan, &values, at));
        }
        self.answers.follow(&self.fleet);
    }

    /// One more than the last place of a slice of the recording that is known.
    pub(super) fn known(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// A slice of the recording.
    pub(super) fn slice(&self, place: u32) -> Option<SliceId> {
        self.places.get(place as usize).copied().flatten()
    }

    /// Slices of the recording; `None` where some are meant and none of them is a slice here.
    pub(super) fn slices(&self, places: &[u32]) -> Option<Vec<SliceId>> {
        let found: Vec<SliceId> = places.iter().filter_map(|p| self.slice(*p)).collect();
        (places.is_empty() || !found.is_empty()).then_some(found)
    }

    /// Looks up the answers of a check.
    pub(super) fn look(&mut self, at: Time, anew: bool, exposure: impl Fn(usize) -> f64) {
        self.answers.look(at, anew, &self.fleet, exposure, &mut self.observed);
    }

    /// A slice's answers at the check that was looked at last.
    pub(super) fn answered(&self, slice: SliceId) -> &[crate::plan::Answer] {
        self.observed.answers(slice)
    }

    /// Makes the check that was looked at last.
    pub(super) fn tick(
        &mut self,
        at: Time,
        read: impl IntoIterator<Item = Read>,
        begins: Vec<Begin>,
        rolled_back: Option<Time>,
        live: bool,
    ) {
        for (slice, ports, epoch) in read {
            for (port, is) in ports {
                self.observed.port(slice, port, Some(is));
            }
            self.observed.epoch(slice, epoch);
        }
        let tick = FleetInput::Tick { at, observed: &self.observed, begins, rolled_back, live };
        fleet_steps(self.plan, &mut self.fleet, [tick], &|_| Given::NONE, &mut self.effects);
    }

    pub(super) fn tell(&mut self, inputs: Vec<FleetInput<'_>>) {
        fleet_steps(self.plan, &mut self.fleet, inputs, &|_| Given::NONE, &mut self.effects);
    }

    /// What the last step wants of the world, by slice.
    pub(super) fn wants(&self) -> impl Iterator<Item = (Option<&[String]>, &Effect)> {
        let of_the_world = |e: &Effect| {
            matches!(e, Effect::Apply { .. } | Effect::Run { .. } | Effect::CancelRuns | Effect::Finish(_))
        };
        let all = self.effects.iter().filter(move |e| of_the_world(&e.effect));
        all.map(|e| (e.slice.and_then(|s| self.fleet.key(s)), &e.effect))
    }
}
