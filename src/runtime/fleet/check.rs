//! A check of all slices: ask, see who is there, read what those need that begin, step.

use super::ask::{self, Read, Reply, Wanted};
use super::{FleetExecutor, LeftOut};
use crate::engine::Stage;
use crate::engine::fleet::{Begin, FleetInput, Observed, SliceId};
use crate::plan::{Answer, Plan, SliceValues, Time, slices};
use crate::runtime::clock::{duration, now};
use crate::runtime::fetch::deadline;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How long the reading of ports may hold up a check whose questions are answered already.
const PORTS: Duration = Duration::from_secs(2);
/// How long the baseline of slices that begin may take.
const BASELINE: Duration = Duration::from_secs(10);
/// How long reading for slices that begin may hold up the check of those that have begun; then they begin at a later one.
const HOLD_UP: Duration = Duration::from_secs(2);
/// Slices of one run: as many as were measured (docs/operations.md).
pub const MOST_SLICES: usize = 5_000;
/// Slices that are named when they are left out; the others are counted.
const NAMED: usize = 5;

/// What a check was answered.
pub struct Fetched {
    /// The planned time.
    at: Time,
    replies: Vec<Reply>,
    reads: Vec<Read>,
    /// Which request of each slice was verified when its ports were read; 0 for none.
    epochs: Vec<u32>,
    live: bool,
    /// What those need that begin, read after the others were seen.
    begins: Option<Beginners>,
    /// The same, still being read: for a later check.
    late: Option<oneshot::Receiver<Beginners>>,
}

/// What was read for slices that begin.
#[derive(Default)]
pub(super) struct Beginners {
    /// When it began to be read.
    at: Time,
    due: Vec<SliceId>,
    originals: Vec<Read>,
    baseline: Vec<Reply>,
}

impl FleetExecutor {
    /// Begins to ask for the check at `at`.
    pub(super) fn fetch(&mut self, at: Time) {
        let (plan, backends) = (Arc::clone(&self.plan), self.backends.clone());
        let sinces = self.kept.sinces(&self.plan);
        let wanted: Vec<Wanted> = self.kept.active().flat_map(|s| self.wanted(s)).collect();
        let epochs = self.slots.iter().map(|s| if s.verified { s.epoch } else { 0 }).collect();
        self.fetching = Some(tokio::spawn(async move {
            let within = deadline(plan.check_every);
            let (replies, reads) = tokio::join!(
                ask::inputs(&plan, &backends, &sinces, at, within, false),
                ask::ports(wanted, within.min(PORTS))
            );
            Fetched { at, replies, reads, epochs, live: true, begins: None, late: None }
        }));
    }

    /// The ports of a slice.
    fn wanted(&self, slice: SliceId) -> Vec<Wanted> {
        let ports = self.slots.get(slice.index()).and_then(|s| s.ports.as_ref());
        let all = ports.into_iter().flat_map(|p| p.iter().enumerate());
        all.map(|(i, at)| Wanted { slice, port: crate::plan::PortId::at(i), at: Arc::clone(at) }).collect()
    }

    /// A check for which nothing can be asked: the planned time lies in this clock's future.
    pub(super) fn check_blindly(&mut self) {
        let at = self.kept.fleet.last().unwrap_or_else(now) + self.plan.check_every;
        let why = Reply::All(Answer::failed("this machine's clock was set back"));
        let replies = vec![why; self.plan.inputs.len()];
        let begins = Some(Beginners::default());
        self.on_fetched(Some(Fetched {
            at,
            replies,
            reads: Vec::new(),
            epochs: Vec::new(),
            live: false,
            begins,
            late: None,
        }));
    }

    pub(super) fn on_fetched(&mut self, fetched: Option<Fetched>) {
        self.fetching = None;
        let Some(mut fetched) = fetched else {
            self.checked = Instant::now();
            return;
        };
        let fresh = now() - fetched.at < self.plan.check_every.max(1);
        let known = self.obey_latches();
        if !known {
            // nobody is seen and nobody begins while it is not known what is latched; at the first check that is no refusal
            fetched.live &= self.kept.fleet.last().is_some();
            fetched.begins = Some(Beginners::default());
        }
        if let Some(late) = fetched.late.take() {
            // the others do not wait for it
            self.late = Some(late);
        } else if fetched.begins.is_none() && fetched.live && fresh && self.kept.closing.is_none() {
            self.see(fetched.at, &fetched.replies);
            fetched.begins = self.read_late(fetched.at);
            // with the journal out of reach nothing begins
            let due = match self.journal.trouble() {
                None => self.kept.fleet.due(&self.plan, fetched.at),
                Some(_) => Vec::new(),
            };
            if !due.is_empty() && fetched.begins.is_none() && self.late.is_none() {
                self.prepare(fetched, due);
                return;
            }
        }
        self.checked = Instant::now();
        self.check(&fetched);
        if !fresh && let Some(begins) = fetched.begins.take().filter(|b| !b.due.is_empty()) {
            // read too late for its own check, and in time for the next one
            let (tell, late) = oneshot::channel();
            self.late = tell.send(begins).is_ok().then_some(late);
        }
    }

    /// What was read for slices that begin since an earlier check, once it is there; too old, it says nothing of now.
    fn read_late(&mut self, at: Time) -> Option<Beginners> {
        match self.late.as_mut()?.try_recv() {
            Err(oneshot::error::TryRecvError::Empty) => None,
            read => {
                self.late = None;
                let oldest = at - 2 * self.plan.check_every - BASELINE.as_millis() as Time;
                read.ok().filter(|b| b.at >= oldest)
            }
        }
    }

    /// Reads what slices need before they begin; the check is made when it is there, or when those that have begun cannot wait.
    fn prepare(&mut self, mut fetched: Fetched, due: Vec<SliceId>) {
        let (plan, backends) = (Arc::clone(&self.plan), self.backends.clone());
        let wanted: Vec<Wanted> = due.iter().flat_map(|s| self.wanted(*s)).collect();
        let others = self.kept.active().next().is_some();
        // the check stays one of its own time
        let left = duration((fetched.at + plan.check_every * 9 / 10 - now()).min(plan.check_every / 2));
        let hold_up = if others { HOLD_UP.min(left) } else { BASELINE + PORTS };
        let (tell, mut late) = oneshot::channel();
        let at = fetched.at;
        tokio::spawn(async move {
            let (originals, baseline) =
                tokio::join!(ask::ports(wanted, PORTS), ask::baseline(&plan, &backends, at, BASELINE));
            let _ = tell.send(Beginners { at, due, originals, baseline });
        });
        self.fetching = Some(tokio::spawn(async move {
            match tokio::time::timeout(hold_up, &mut late).await {
                Ok(read) => fetched.begins = Some(read.unwrap_or_default()),
                Err(_) => fetched.late = Some(late),
            }
            fetched
        }));
    }

    /// Notes the slices that rows tell of.
    fn see(&mut self, at: Time, replies: &[Reply]) {
        let plan = Arc::clone(&self.plan);
        let unlabelled = plan.seen_in.iter().filter_map(|i| match replies.get(i.index()) {
            Some(Reply::Rows(rows)) => Some(rows.unlabelled),
            _ => None,
        });
        let unlabelled: usize = unlabelled.sum();
        if unlabelled > 0 && self.said.insert("unlabelled") {
            let labels: Vec<&str> = plan.slices.iter().map(|d| d.label.as_str()).collect();
            let text =
                format!("{unlabelled} series have not all of the labels {}: they are of no slice", labels.join(", "));
            self.watcher.remark(at, &text);
        }
        let mut out: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
        for row in ask::seen(&plan, replies) {
            if self.kept.fleet.slice(&row).is_some() {
                continue;
            }
            let values: Vec<String> = row.iter().map(|v| (*v).to_owned()).collect();
            let why = self.why_not(&row, &values, at);
            match (why, self.left_out.get(&values)) {
                (None, _) => {
                    self.left_out.remove(&values);
                }
                (Some((why, _)), Some(known)) if why == *known => {}
                (Some((why, text)), _) => {
                    self.left_out.insert(values.clone(), why);
                    out.entry(text).or_default().push(slices::written(&plan.slices, &values));
                }
            }
        }
        for (why, which) in out {
            let more = which.len().saturating_sub(NAMED);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            let named: Vec<&str> = which.iter().take(NAMED).map(String::as_str).collect();
            self.watcher.remark(at, &format!("left out: {}{more}: {why}", named.join(" · ")));
        }
    }

    /// Why values that are seen have no life; `None`: they have one now.
    fn why_not(&mut self, row: &[&str], values: &[String], at: Time) -> Option<(LeftOut, &'static str)> {
        match self.left_out.get(values) {
            Some(LeftOut::NoPorts) => return Some((LeftOut::NoPorts, "")),
            Some(LeftOut::Stranger) => return Some((LeftOut::Stranger, "")),
            _ => {}
        }
        let plan = Arc::clone(&self.plan);
        let written = slices::written(&plan.slices, values);
        if self.latched(&written).is_some() {
            return Some((LeftOut::Latched, "a kill switch is latched: held until it is reset"));
        }
        if self.kept.fleet.len() >= MOST_SLICES {
            return Some((
                LeftOut::TooMany,
                "there are 5000 slices already, the most that one run has: split the rollout",
            ));
        }
        // a dimension with a list has no other values; nothing is made for them
        let listed = plan.slices.iter().zip(row).all(|(dim, v)| match &dim.values {
            SliceValues::Listed(list) => list.iter().any(|l| l == v),
            SliceValues::Of(_) => true,
        });
        if !listed {
            return Some((LeftOut::Stranger, "the policy does not list these values"));
        }
        let made = self.backends.slices.as_ref().map_or_else(|| Err(String::from("not bound")), |s| s.make(values));
        match made {
            Err(why) => {
                self.watcher.remark(at, &format!("left out: {written}: {why}"));
                self.left_out.insert(values.to_vec(), LeftOut::NoPorts);
                Some((LeftOut::NoPorts, ""))
            }
            Ok(ports) => {
                let slice = self.kept.fleet.see(&plan, row, at)?;
                self.slot_of(slice, values.to_vec(), Some(Arc::new(ports)));
                None
            }
        }
    }

    fn check(&mut self, fetched: &Fetched) {
        let plan = Arc::clone(&self.plan);
        let observed = self.observed(&plan, fetched);
        let begins = self.begins(&plan, fetched);
        let rolled_back = self.kept.rolled_back;
        let tick = |live: bool, begins: Vec<Begin>| {
            vec![FleetInput::Tick { at: fetched.at, observed: &observed, begins, rolled_back, live }]
        };
        // what was answered long ago (this machine slept, or was starved) says nothing of now
        let fresh = now() - fetched.at < self.plan.check_every.max(1);
        // with the journal out of reach a check may lower, never raise
        let live = fetched.live && fresh && self.journal.trouble().is_none();
        let begins = if live { begins } else { Vec::new() };
        for b in &begins {
            let ports = self.slots.get(b.slice.index()).and_then(|s| s.ports.clone()).unwrap_or_default();
            let mementos = ports.iter().enumerate();
            let kept = mementos.filter_map(|(i, p)| Some((crate::plan::PortId::at(i), p.memento()?))).collect();
            self.kept.fleet.remember(b.slice, kept);
        }
        self.feed(fetched.at, tick(live, begins), live.then(|| tick(false, Vec::new())));
        if self.recovery_pending && self.journal.trouble().is_none() {
            self.recover();
        }
    }

    /// Answers and reads, a row a slice.
    pub(super) fn observed(&self, plan: &Plan, fetched: &Fetched) -> Observed {
        let mut observed = self.answered(plan, &fetched.replies, fetched.at);
        for (slice, port, read) in &fetched.reads {
            observed.port(*slice, *port, read.as_ref().ok().copied());
        }
        for (i, epoch) in fetched.epochs.iter().enumerate() {
            observed.epoch(SliceId::at(i), *epoch);
        }
        observed
    }

    /// Answers, a row a slice.
    pub(super) fn answered(&self, plan: &Plan, replies: &[Reply], at: Time) -> Observed {
        let mut observed = Observed::new(plan, self.kept.fleet.len());
        ask::enter(plan, replies, |row| self.kept.fleet.slice(row), &mut observed);
        observed.complete(plan, at);
        observed
    }

    /// Those of the slices that are due that were looked at.
    fn begins(&self, plan: &Plan, fetched: &Fetched) -> Vec<Begin> {
        let Some(b) = &fetched.begins else { return Vec::new() };
        let mut out = Vec::new();
        let mut by_slice: BTreeMap<SliceId, Vec<&Read>> = BTreeMap::new();
        for read in &b.originals {
            by_slice.entry(read.0).or_default().push(read);
        }
        let baselines = ask::Baselines::of(plan, &b.baseline);
        for slice in &b.due {
            if self.kept.fleet.stage(*slice) != Some(Stage::Idle) {
                continue;
            }
            let Some(slot) = self.slots.get(slice.index()) else { continue };
            let latched = self.latched(&slot.of.written);
            let latched = latched.map(|s| format!("kill switch {s} is latched: held until it is reset"));
            let reads = by_slice.remove(slice).unwrap_or_default();
            let read = reads.iter().map(|(_, p, r)| r.as_ref().map(|r| (*p, *r)).map_err(Clone::clone));
            let mut originals = latched.map_or_else(|| read.collect::<Result<Vec<_>, _>>(), Err);
            if let Ok(list) = &mut originals {
                list.sort_by_key(|(p, _)| *p);
                if list.len() != plan.ports.len() {
                    originals = Err(String::from("its ports cannot be read"));
                }
            }
            // who cannot begin is handed over as well: it has been tried, and keeps nobody else from beginning
            let baseline = baselines.slice(&slot.values);
            out.push(Begin { slice: *slice, originals, baseline });
        }
        out
    }
}

/// Whether nobody was answered anything.
#[must_use]
pub fn nobody_answered(replies: &[Reply]) -> bool {
    !replies.iter().any(Reply::is_answered)
}
