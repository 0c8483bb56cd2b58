//! `canary run --record` of a rollout with slices: as [`super::run_record`] records one life.

use super::exit::Refusal;
use super::recording::{about, write_with_plan};
use super::run_record::{Target, of_plan};
use crate::plan::{Answer, Bindings, InputId, Plan, Time, show};
use crate::runtime::fault;
use crate::runtime::fleet::Kept;
use crate::runtime::fleet::recorder::{Body, Chain, FleetRecorder, Mark};
use crate::sim::recording::sliced::Sliced;
use crate::sim::recording::{Happened, Key, Recording, Series};
use crate::store::Run;
use std::collections::BTreeMap;
use std::path::Path;

impl Target {
    /// The recorder of a sliced run that begins. `begun`: it has begun before, and nothing of it reached the journal.
    ///
    /// # Errors
    /// The side file is another run's, or cannot be written.
    pub fn begin_slices(&self, plan: &Plan, run: &Run, begun: bool) -> Result<FleetRecorder, Refusal> {
        let refused = |e: String| Refusal::one(format!("--record: {e}"));
        if begun && self.part().exists() {
            let chain = self.chain(plan, run)?;
            return FleetRecorder::go_on(self.part(), chain.whole, plan.check_every).map_err(refused);
        }
        FleetRecorder::create(self.part(), &FleetRecorder::head(plan, run.id.as_str()), plan.check_every)
            .map_err(refused)
    }

    /// The recorder of a sliced run that goes on from where it was left, and what should be known.
    ///
    /// # Errors
    /// The side file is another run's, or does not lead there; it cannot be written.
    pub fn go_on_slices(
        &self,
        plan: &Plan,
        run: &Run,
        kept: &mut Kept,
    ) -> Result<(FleetRecorder, Option<String>), Refusal> {
        let refused = |e: String| Refusal::one(format!("--record: {e}"));
        if !self.part().exists() {
            self.is_free()?;
            let head = FleetRecorder::head(plan, run.id.as_str());
            let recorder = FleetRecorder::create(self.part(), &head, plan.check_every).map_err(refused)?;
            kept.recorded = Mark::anew(kept.recorded.take());
            let text = kept.fleet.last().map(|_| {
                format!(
                    "the recording begins in the middle of run {}: what came before it is not in {}",
                    run.id,
                    self.file().display()
                )
            });
            return Ok((recorder, text));
        }
        let chain = self.chain(plan, run)?;
        // nothing of the run was journalled yet: it begins once more
        let fresh = kept.recorded.is_none() && kept.fleet.last().is_none();
        if !fresh && !chain.leads_to(kept.recorded.as_ref()) {
            let since = kept.fleet.last().map_or_else(String::new, |at| format!(" (last check {})", show::utc(at)));
            return Err(Refusal::one(format!(
                "--record: {} does not lead to where run {} was left{since}: what came between was not recorded. \
                 `--record` with another file records from here on; without `--record` the run goes on unrecorded",
                self.part().display(),
                run.id
            )));
        }
        Ok((FleetRecorder::go_on(self.part(), chain.whole, plan.check_every).map_err(refused)?, None))
    }

    /// Writes what was recorded of a sliced run that ended when nobody recorded it any more. Nothing where there is no side file of it.
    pub fn salvage_slices(&self, plan: &Plan, bindings: &Bindings, run: &Run, kept: &Kept) {
        if self.part().exists() && self.chain(plan, run).is_ok() {
            self.finish_slices(plan, bindings, run, kept, true);
            if self.file().exists() {
                eprintln!(
                    "canary: what was recorded of run {}, which is over, is in {}",
                    run.id,
                    self.file().display()
                );
            }
        }
    }

    /// The side file, if it is this run's.
    fn chain(&self, plan: &Plan, run: &Run) -> Result<Chain, Refusal> {
        let chain = Chain::read(self.part())
            .map_err(|e| Refusal::one(format!("--record: {e}: name another file, or remove it")))?;
        if chain.head == FleetRecorder::head(plan, run.id.as_str()) {
            return Ok(chain);
        }
        Err(self.of_another(&chain.head.run, run))
    }

    /// Writes the recording of a sliced run as it was left. `over`: it will not go on. What went wrong is said on standard error: the
    /// exit status is about the run.
    pub fn finish_slices(&self, plan: &Plan, bindings: &Bindings, run: &Run, kept: &Kept, over: bool) {
        let read = Chain::read(self.part()).map(|chain| (chain.head.clone(), chain));
        let mut chain = match self.of_this(run, read, &FleetRecorder::head(plan, run.id.as_str())) {
            Ok(chain) => chain,
            Err(why) => return eprintln!("canary: {why}"),
        };
        let all = chain.until(kept.recorded.as_ref());
        if chain.is_empty() {
            // nothing has reached the journal
            let _ = std::fs::remove_file(self.part());
            return;
        }
        let mut made = Made::of(plan);
        let read = chain.each(self.part(), |body| made.add(body));
        fault::point("gathered");
        let written = read
            .map(|()| made.recording(bindings, run.id.as_str(), all))
            .and_then(|r| write_with_plan(&r, plan, self.file()));
        fault::point("written");
        self.say_written(written, all, over);
    }
}

/// The recording of a side file alone, and whether it begins with its run.
///
/// # Errors
/// It is no side file of a sliced run, or of another plan, or empty; in words.
pub fn left_slices(plan: &Plan, bindings: &Bindings, side: &Path) -> Result<(Recording, bool), String> {
    let chain = Chain::read(side)?;
    of_plan(plan, side, &chain.head, chain.is_empty())?;
    let mut made = Made::of(plan);
    chain.each(side, |body| made.add(body))?;
    let recording = made.recording(bindings, &chain.head.run, true);
    let begins = matches!(recording.happened.first(), Some(Happened::Sliced(Sliced::Start { .. })));
    Ok((recording, begins))
}

/// A recording in the making.
struct Made<'p> {
    plan: &'p Plan,
    /// By input, the place of its question: inputs that ask the same have one series.
    question: Vec<usize>,
    /// By question and slice; of what is not asked by slice, at the first place.
    series: Vec<Vec<Option<Series>>>,
    slices: Vec<Vec<String>>,
    happened: Vec<Happened>,
    checks: Vec<Time>,
}

impl<'p> Made<'p> {
    fn of(plan: &'p Plan) -> Self {
        let mut known: BTreeMap<Key, usize> = BTreeMap::new();
        let mut question = Vec::new();
        for input in &plan.inputs {
            let next = known.len();
            question.push(*known.entry(Key::of(input, &[])).or_insert(next));
        }
        let series = known.iter().map(|_| Vec::new()).collect();
        Self { plan, question, series, slices: Vec::new(), happened: Vec::new(), checks: Vec::new() }
    }

    /// Adds a step.
    fn add(&mut self, body: Body) -> Result<(), String> {
        let mut check = None;
        for h in body.happened {
            match &h {
                Happened::Sliced(Sliced::Seen { slices, .. }) => self.slices.extend(slices.iter().cloned()),
                Happened::Sliced(Sliced::Check { at, .. }) => {
                    check = Some(*at);
                    self.checks.push(*at);
                }
                _ => {}
            }
            self.happened.push(h);
        }
        let Some(at) = check else { return Ok(()) };
        for column in &body.answers {
            for (slice, answer) in column.answers().enumerate() {
                self.push(column.input, slice, at, answer)?;
            }
        }
        for (slice, input, answer) in body.before {
            self.push(input, slice as usize, at, answer)?;
        }
        Ok(())
    }

    fn push(&mut self, id: InputId, slice: usize, at: Time, answer: Answer) -> Result<(), String> {
        let unknown = "its side file names an input or a slice that there is not";
        let input = self.plan.inputs.get(id.index()).ok_or(unknown)?;
        let by_slice = !input.by.is_empty();
        let place = if by_slice { slice } else { 0 };
        let values: &[String] = match by_slice {
            true => self.slices.get(slice).ok_or(unknown)?,
            false => &[],
        };
        let of = self.question.get(id.index()).and_then(|q| self.series.get_mut(*q)).ok_or(unknown)?;
        if of.len() <= place {
            of.resize_with(place + 1, || None);
        }
        let Some(slot) = of.get_mut(place) else { return Ok(()) };
        let series = match slot {
            Some(series) => series,
            None => slot.insert(Series::new(Key::of(input, values)).map_err(|e| e.to_string())?),
        };
        // two inputs ask the same; of a baseline that is one for all, several slices begin at once
        if series.times.last() == Some(&at) { Ok(()) } else { series.push(at, answer).map_err(|e| e.to_string()) }
    }

    /// All of it. `all`: it leads to the end of the run.
    fn recording(self, bindings: &Bindings, run: &str, all: bool) -> Recording {
        let mut about = about(self.plan, bindings);
        about.run = Some(run.to_owned());
        about.incomplete = !all;
        let first = self.happened.first().map_or(0, Happened::at);
        about.from = self.checks.first().copied().unwrap_or(first);
        about.to = self.checks.last().copied().unwrap_or(first);
        let mut series: Vec<Series> = self.series.into_iter().flatten().flatten().collect();
        series.sort_by(|a, b| a.key.cmp(&b.key));
        Recording { about, series, happened: self.happened }
    }
}
