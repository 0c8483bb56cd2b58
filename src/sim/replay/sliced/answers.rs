//! What a recording answers at a check of all slices.

use crate::engine::fleet::{Fleet, Observed, SliceId};
use crate::plan::{Answer, Input, InputId, Missing, Plan, Population, Time};
use crate::sim::recording::{Key, Recording, Series};
use crate::sim::replay::answers::{add_skipped, from_check_to_check, made_up, put_any, row_at, series};
use crate::sim::replay::inject::Injected;
use std::collections::BTreeMap;

/// An input's place in a recording, of one slice or of all.
#[derive(Debug, Clone, Copy)]
struct Column<'r> {
    series: &'r Series,
    /// The rows before it are not later than the check that was looked at last.
    next: usize,
}

/// Answers at which nobody had asked, of an input: the first and the last check, and how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silent {
    pub(super) input: InputId,
    pub(super) from: Time,
    pub(super) to: Time,
    pub(super) answers: usize,
}

/// A slice of the recording.
struct Place<'r> {
    values: &'r [String],
    /// By input; none where it is not asked by slice, or has no series.
    columns: Vec<Option<Column<'r>>>,
    /// It has its place among the slices of the run already.
    known: bool,
}

/// Answers out of a recording, one check after the other.
pub(super) struct Answers<'a> {
    plan: &'a Plan,
    recording: &'a Recording,
    /// The slices that it has, sorted by values.
    places: Vec<Place<'a>>,
    /// By input: of what is not asked by slice.
    shared: Vec<Option<Column<'a>>>,
    /// By slice of the run: its place; none where the recording has no series of it.
    order: Vec<Option<usize>>,
    injections: Vec<Injected>,
    /// By slice of the run: what is put into its answers.
    injected: Vec<Vec<Injected>>,
    silent: Vec<Option<Silent>>,
    /// Room for one slice's answers.
    row: Vec<Answer>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(plan: &'a Plan, recording: &'a Recording, injections: Vec<Injected>) -> Self {
        let by_slice = |i: &Input| !i.by.is_empty();
        // one pass over the series, however many slices there are
        let mut inputs: BTreeMap<Key, Vec<usize>> = BTreeMap::new();
        for (i, input) in plan.inputs.iter().enumerate().filter(|(_, i)| by_slice(i)) {
            inputs.entry(Key::of(input, &[])).or_default().push(i);
        }
        let mut places: BTreeMap<&'a [String], Vec<Option<Column<'a>>>> = BTreeMap::new();
        for s in recording.series.iter().filter(|s| s.key.slice.len() == plan.slices.len()) {
            let asked = Key { slice: Vec::new(), ..s.key.clone() };
            for i in inputs.get(&asked).into_iter().flatten() {
                let columns = places.entry(s.key.slice.as_slice()).or_insert_with(|| vec![None; plan.inputs.len()]);
                if let Some(slot) = columns.get_mut(*i) {
                    *slot = Some(Column { series: s, next: 0 });
                }
            }
        }
        let shared = |input: &Input| series(recording, input, &[]).filter(|_| !by_slice(input));
        Self {
            plan,
            recording,
            places: places.into_iter().map(|(values, columns)| Place { values, columns, known: false }).collect(),
            shared: plan.inputs.iter().map(|i| shared(i).map(|series| Column { series, next: 0 })).collect(),
            order: Vec::new(),
            injections,
            injected: Vec::new(),
            silent: vec![None; plan.inputs.len()],
            row: Vec::new(),
        }
    }

    /// Notes the slices that are seen at a check for the first time, as a run does: by rows of what tells of slices.
    pub(super) fn discover(&mut self, at: Time, fleet: &mut Fleet) {
        let plan = self.plan;
        for place in self.places.iter_mut().filter(|p| !p.known) {
            let seen = plan.seen_in.iter().any(|input| {
                let column = place.columns.get_mut(input.index()).and_then(Option::as_mut);
                column.is_some_and(|c| row_at(c.series, &mut c.next, at).is_some_and(|row| tells(c.series, row)))
            });
            if seen {
                let values: Vec<&str> = place.values.iter().map(String::as_str).collect();
                // what is none of this rollout never will be
                place.known = true;
                fleet.see(plan, &values, at);
            }
        }
        self.follow(fleet);
    }

    /// Finds the places of slices that the run knows since.
    pub(super) fn follow(&mut self, fleet: &Fleet) {
        for id in self.order.len()..fleet.len() {
            let key = fleet.key(SliceId::at(id)).unwrap_or_default();
            let place = self.places.binary_search_by(|p| p.values.cmp(key)).ok();
            if let Some(place) = place.and_then(|i| self.places.get_mut(i)) {
                place.known = true;
            }
            self.order.push(place);
            self.injected.push(self.injections.iter().filter(|i| i.is_on(&self.plan.slices, key)).cloned().collect());
        }
    }

    /// Enters what was answered at the check at `at`. `anew`: increments are counted since this run's last answer, not since the
    /// recorded one's. `exposure` is the share of the traffic that a slice's canary has.
    pub(super) fn look(
        &mut self,
        at: Time,
        anew: bool,
        fleet: &Fleet,
        exposure: impl Fn(usize) -> f64,
        observed: &mut Observed,
    ) {
        let plan = self.plan;
        observed.clear(fleet.len());
        let since: Vec<Option<Time>> = plan
            .inputs
            .iter()
            .enumerate()
            .map(|(i, input)| if anew && from_check_to_check(input) { fleet.since(plan, InputId::at(i)) } else { None })
            .collect();
        for id in 0..fleet.len() {
            let slice = SliceId::at(id);
            self.row.resize(plan.inputs.len(), Answer::missing(Missing::NotAsked));
            let mut own = self.order.get(id).copied().flatten().and_then(|p| self.places.get_mut(p));
            for (i, answer) in self.row.iter_mut().enumerate() {
                let Some(input) = plan.inputs.get(i).filter(|x| x.population != Population::Before) else { continue };
                let columns = match (input.by.is_empty(), &mut own) {
                    (true, _) => Some(&mut self.shared),
                    (false, Some(place)) => Some(&mut place.columns),
                    (false, None) => None,
                };
                let column = columns.and_then(|c| c.get_mut(i)?.as_mut());
                let found = column.and_then(|c| Some((c.series, row_at(c.series, &mut c.next, at)?)));
                let Some((series, row)) = found else {
                    *answer = Answer::missing(Missing::NotAsked);
                    if let Some(silent) = self.silent.get_mut(i) {
                        let first = Silent { input: InputId::at(i), from: at, to: at, answers: 0 };
                        let silent = silent.get_or_insert(first);
                        (silent.to, silent.answers) = (at, silent.answers + 1);
                    }
                    continue;
                };
                put_any(series, row, answer);
                if let (Some(from), Ok(reading)) = (since.get(i).copied().flatten(), &mut answer.value) {
                    add_skipped(series, row, from, input.max_age, reading);
                }
            }
            for injected in self.injected.get_mut(id).into_iter().flatten() {
                let last = since.get(injected.input.index()).copied().flatten().unwrap_or(at - plan.check_every);
                injected.apply(plan, &mut self.row, at, last, exposure(id));
            }
            for (i, answer) in self.row.iter_mut().enumerate() {
                // buckets keep their room
                match answer.value {
                    Ok(crate::plan::Reading::Buckets(_)) => observed.answer(slice, InputId::at(i), answer.clone()),
                    _ => {
                        let answer = std::mem::replace(answer, Answer::missing(Missing::NotAsked));
                        observed.answer(slice, InputId::at(i), answer);
                    }
                }
            }
        }
        if !self.injections.is_empty() {
            self.tell_the_others(fleet, observed);
        }
        observed.complete(plan, at);
    }

    /// One question is asked for all: of whom a fault leaves no row is dark where another has one.
    fn tell_the_others(&self, fleet: &Fleet, observed: &mut Observed) {
        for (i, input) in self.plan.inputs.iter().enumerate().filter(|(_, i)| !i.by.is_empty()) {
            if !self.injections.iter().any(|x| x.input.index() == i) || input.population == Population::Before {
                continue;
            }
            let of = |observed: &Observed, s: SliceId| observed.answers(s).get(i).map(|a| a.value.clone());
            let others = Some(fleet.slices().any(|s| {
                let empty =
                    |m: &Missing| matches!(m, Missing::Empty { .. } | Missing::NotAsked | Missing::Failed { .. });
                of(observed, s).is_some_and(|v| v.map_or_else(|m| !empty(&m), |_| true))
            }));
            for s in fleet.slices() {
                if matches!(of(observed, s), Some(Err(Missing::Empty { .. }))) {
                    observed.answer(s, InputId::at(i), Answer::missing(Missing::Empty { others }));
                }
            }
        }
    }

    /// What was before the start of a slice, by input. `recorded`: what was recorded then and nothing else; otherwise, where it is not
    /// recorded, it is reckoned: `said` takes how.
    pub(super) fn baseline(
        &self,
        slice: SliceId,
        at: Time,
        recorded: bool,
        said: &mut dyn FnMut(String),
    ) -> Vec<Option<Answer>> {
        let values = self.order.get(slice.index()).copied().flatten().and_then(|p| self.places.get(p));
        let values = values.map_or(&[][..], |p| p.values);
        let one = |input: &Input| {
            if input.population != Population::Before {
                return None;
            }
            let of = if input.by.is_empty() { &[][..] } else { values };
            let there = series(self.recording, input, of);
            let row = there.and_then(|s| s.answer(s.times.binary_search(&at).ok()?));
            if recorded || row.is_some() {
                return row;
            }
            let (answer, how) = made_up(self.plan, self.recording, of, input, at);
            said(how);
            Some(answer)
        };
        let inputs = self.plan.inputs.iter();
        inputs.map(one).collect()
    }

    /// Whatever nobody had asked.
    pub(super) fn silences(&self) -> impl Iterator<Item = Silent> + '_ {
        self.silent.iter().copied().flatten()
    }
}

/// Whether a row tells of its slice: there was a series. What a whole question came to (it failed, nobody asked) tells of nobody.
fn tells(series: &Series, row: usize) -> bool {
    let nobody = |m: &Missing| matches!(m, Missing::Empty { .. } | Missing::Failed { .. } | Missing::NotAsked);
    series.missing.get(&row).is_none_or(|m| !nobody(m))
}
