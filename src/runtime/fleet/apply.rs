//! Makes the world equal to the newest request of each slice and reads it back, again and again until it holds.
//!
//! What lowers exposure comes first, of all slices together, and what raises it makes way for it between two calls. The values of
//! one file are one write, however many slices they are of; where a raise cannot be written whole, each slice is tried by itself.

use super::ask::{self, Wanted};
use crate::backend::{Port, SharedWrite};
use crate::engine::fleet::SliceId;
use crate::plan::{PortId, Setting, Time};
use crate::runtime::apply::{CALL, Request};
use crate::runtime::clock::now;
use crate::runtime::fault;
use crate::runtime::fetch::with_help;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// Slices that are set by one write of their file, once more has failed: the more, the longer it takes, and [`CALL`] bounds it.
const AT_A_WRITE: usize = 250;
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What came of requests.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// Read back as asked for.
    Verified {
        /// Whose.
        slice: SliceId,
        /// When.
        at: Time,
        /// Which request.
        epoch: u32,
        /// What was read.
        read: Vec<(PortId, Setting)>,
    },
    /// An attempt failed; it is tried again.
    Trouble {
        /// Whose.
        slice: SliceId,
        /// Which request.
        epoch: u32,
        /// How many attempts have failed.
        attempt: u32,
        /// What went wrong.
        message: String,
    },
}

/// A slice's newest request.
#[derive(Clone)]
struct Slot {
    request: Request,
    ports: Arc<Vec<Arc<dyn Port>>>,
    attempt: u32,
    pause: Duration,
    due: Instant,
}

/// The requests of all slices that do not hold yet.
#[derive(Default)]
pub struct Requests {
    open: Mutex<BTreeMap<SliceId, Slot>>,
    /// Something came.
    came: Notify,
    /// Something came that lowers.
    lowering: Notify,
}

impl Requests {
    fn open(&self) -> MutexGuard<'_, BTreeMap<SliceId, Slot>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for something; it replaces what was asked for this slice before.
    pub fn ask(&self, slice: SliceId, request: Request, ports: Arc<Vec<Arc<dyn Port>>>) {
        let lowers = request.lowers;
        let slot = Slot { request, ports, attempt: 0, pause: FIRST_PAUSE, due: Instant::now() };
        self.open().insert(slice, slot);
        self.came.notify_one();
        if lowers {
            self.lowering.notify_waiters();
        }
    }

    /// Those that are to be tried now, and when the next one is.
    fn due(&self) -> (Vec<(SliceId, Slot)>, Option<Instant>) {
        let now = Instant::now();
        let open = self.open();
        let due: Vec<_> = open.iter().filter(|(_, s)| s.due <= now).map(|(id, s)| (*id, s.clone())).collect();
        (due, open.values().map(|s| s.due).min())
    }

    /// Whether this is still what is asked for.
    fn is_newest(&self, slice: SliceId, epoch: u32) -> bool {
        self.open().get(&slice).is_some_and(|s| s.request.epoch == epoch)
    }

    /// Whether something that lowers is to be done now.
    fn lowers(&self) -> bool {
        let now = Instant::now();
        self.open().values().any(|s| s.request.lowers && s.due <= now)
    }

    fn settled(&self, slice: SliceId, epoch: u32) {
        let mut open = self.open();
        if open.get(&slice).is_some_and(|s| s.request.epoch == epoch) {
            open.remove(&slice);
        }
    }

    /// A failed attempt; how many there were. `None`: it was replaced meanwhile.
    fn failed(&self, slice: SliceId, epoch: u32) -> Option<u32> {
        let mut open = self.open();
        let slot = open.get_mut(&slice).filter(|s| s.request.epoch == epoch)?;
        slot.attempt += 1;
        slot.due = Instant::now() + slot.pause;
        slot.pause = (slot.pause * 2).min(LONGEST_PAUSE);
        Some(slot.attempt)
    }
}

/// Works for ever.
pub async fn applier(requests: Arc<Requests>, tell: mpsc::Sender<Vec<Applied>>) {
    loop {
        let (due, next) = requests.due();
        if due.is_empty() {
            tokio::select! {
                () = requests.came.notified() => {}
                () = async { match next { Some(at) => tokio::time::sleep_until(at).await, None => std::future::pending().await } } => {}
            }
            continue;
        }
        let lowering: Vec<_> = due.iter().filter(|(_, s)| s.request.lowers).cloned().collect();
        // what raises waits for what lowers
        let batch = if lowering.is_empty() { due } else { lowering };
        let done = attempt(&requests, batch).await;
        let mut out = Vec::new();
        for (slice, epoch, outcome) in done {
            match outcome {
                Ok(read) => {
                    requests.settled(slice, epoch);
                    out.push(Applied::Verified { slice, at: now(), epoch, read });
                }
                Err(message) => {
                    if let Some(attempt) = requests.failed(slice, epoch) {
                        out.push(Applied::Trouble { slice, epoch, attempt, message });
                    }
                }
            }
        }
        if !out.is_empty() && tell.send(out).await.is_err() {
            return;
        }
    }
}

/// A write, and the requests that have a part in it.
type OfWrite<'b> = (Arc<dyn SharedWrite>, Vec<&'b (SliceId, Slot)>);

/// What was read back, or what is wrong.
type Outcome = Result<Vec<(PortId, Setting)>, String>;

/// One try of several requests, all of which lower or all of which raise. Those that made way for others are not in the outcome.
async fn attempt(requests: &Arc<Requests>, batch: Vec<(SliceId, Slot)>) -> Vec<(SliceId, u32, Outcome)> {
    let lowers = batch.iter().all(|(_, s)| s.request.lowers);
    let mut troubles: BTreeMap<SliceId, Vec<String>> = BTreeMap::new();
    let mut written: BTreeSet<(SliceId, PortId)> = BTreeSet::new();
    let rounds = batch.iter().map(|(_, s)| s.request.settings.len()).max().unwrap_or(0);
    // the settings of each slice in their order: a flag before the traffic that needs it
    for round in 0..rounds {
        let mut files: Vec<OfWrite<'_>> = Vec::new();
        let mut alone = Vec::new();
        for entry in &batch {
            let (slice, slot) = entry;
            let Some((port, to)) = slot.request.settings.get(round).copied() else { continue };
            if written.contains(&(*slice, port)) || (!lowers && troubles.contains_key(slice)) {
                continue;
            }
            let Some(backend) = slot.ports.get(port.index()) else { continue };
            if let Some(shared) = backend.shared() {
                match files.iter_mut().find(|(w, _)| Arc::ptr_eq(w, &shared.write)) {
                    Some((_, of)) => of.push(entry),
                    None => files.push((shared.write, vec![entry])),
                }
                continue;
            }
            written.insert((*slice, port));
            alone.push((*slice, slot.request.epoch, Arc::clone(backend), to));
        }
        if !lowers && requests.lowers() {
            return Vec::new();
        }
        for (slice, why) in set_each(requests, alone, lowers).await {
            troubles.entry(slice).or_default().push(why);
        }
        for (write, of) in files {
            if !lowers && requests.lowers() {
                return Vec::new();
            }
            let of: Vec<_> = of.into_iter().filter(|(s, slot)| requests.is_newest(*s, slot.request.epoch)).collect();
            for (slice, slot) in &of {
                written.extend(members(slot, &write).map(|(port, ..)| (*slice, port)));
            }
            for (slice, why) in write_together(requests, &write, &of, lowers).await {
                troubles.entry(slice).or_default().push(why);
            }
        }
    }
    fault::point("performed");
    read_back(requests, batch, troubles, lowers).await
}

/// Sets ports that share nothing, some at once; what went wrong, by slice.
async fn set_each(
    requests: &Arc<Requests>,
    alone: Vec<(SliceId, u32, Arc<dyn Port>, Setting)>,
    lowers: bool,
) -> Vec<(SliceId, String)> {
    let turns = Arc::new(tokio::sync::Semaphore::new(ask::AT_ONCE));
    let mut tasks = tokio::task::JoinSet::new();
    for (slice, epoch, backend, to) in alone {
        let (turns, requests) = (Arc::clone(&turns), Arc::clone(requests));
        tasks.spawn(async move {
            let _turn = turns.acquire().await;
            if !lowers && requests.lowers() {
                return Some((slice, String::from("made way for a rollback")));
            }
            if !requests.is_newest(slice, epoch) {
                return None;
            }
            match tokio::time::timeout(CALL, backend.set(to)).await {
                Ok(Ok(())) => None,
                Ok(Err(e)) => Some((slice, with_help(&e))),
                Err(_) => Some((slice, format!("{}: no answer within {}s", backend.describe(), CALL.as_secs()))),
            }
        });
    }
    let mut out = Vec::new();
    while let Some(done) = tasks.join_next().await {
        out.extend(done.ok().flatten());
    }
    out
}

/// The ports of a slice that a write sets: which, as which of its members, to what.
fn members<'s>(slot: &'s Slot, write: &'s Arc<dyn SharedWrite>) -> impl Iterator<Item = (PortId, usize, Setting)> + 's {
    slot.request.settings.iter().filter_map(move |(port, to)| {
        let shared = slot.ports.get(port.index())?.shared()?;
        Arc::ptr_eq(&shared.write, write).then_some((*port, shared.member, *to))
    })
}

/// One write and one reload for several slices; what went wrong, by slice.
async fn write_together(
    requests: &Requests,
    write: &Arc<dyn SharedWrite>,
    of: &[&(SliceId, Slot)],
    lowers: bool,
) -> Vec<(SliceId, String)> {
    let set = |of: &[&(SliceId, Slot)]| -> Vec<(usize, Setting)> {
        of.iter().flat_map(|(_, slot)| members(slot, write).map(|(_, member, to)| (member, to))).collect()
    };
    let late = |within: Duration| format!("{}: no answer within {}s", write.describe(), within.as_secs());
    let writing = async |settings: Vec<(usize, Setting)>| match tokio::time::timeout(
        CALL,
        write.write(&settings, lowers),
    )
    .await
    {
        Ok(Ok(())) => Ok(()),
        Ok(Err(e)) => Err(with_help(&e)),
        Err(_) => Err(late(CALL)),
    };
    let mut troubles = Vec::new();
    let again = of.iter().any(|(_, slot)| slot.attempt > 0);
    let most = if again { write.at_once(lowers).min(AT_A_WRITE) } else { write.at_once(lowers) };
    for part in of.chunks(most.max(1)) {
        if !lowers && requests.lowers() {
            // also what was written already: it is not in use before the reload that does not come
            return of.iter().map(|(slice, _)| (*slice, String::from("made way for a rollback"))).collect();
        }
        // between two writes somebody may have asked for something else
        let part: Vec<_> =
            part.iter().copied().filter(|(s, slot)| requests.is_newest(*s, slot.request.epoch)).collect();
        if part.is_empty() {
            continue;
        }
        let Err(why) = writing(set(&part)).await else { continue };
        match part.as_slice() {
            [(slice, _)] => troubles.push((*slice, why)),
            // what cannot be raised of one slice does not keep the others; what was lowered is read back by each
            _ if lowers => {}
            _ => {
                for entry in &part {
                    if requests.lowers() {
                        troubles.push((entry.0, String::from("made way for a rollback")));
                        continue;
                    }
                    if let Err(why) = writing(set(std::slice::from_ref(entry))).await {
                        troubles.push((entry.0, why));
                    }
                }
            }
        }
    }
    let within = write.reload_within().unwrap_or_default() + CALL;
    let newer = requests.lowering.notified();
    tokio::pin!(newer);
    // heard from here on, also before it is waited for
    newer.as_mut().enable();
    // unlike a write, a reload under way is dropped for what lowers: a rollback does not wait for it, and does its own
    let reloaded = tokio::select! {
        biased;
        () = newer => Err(String::from("the reload made way for a rollback")),
        reloaded = tokio::time::timeout(within, write.reload()) => match reloaded {
            Ok(Ok(())) => Ok(()),
            Ok(Err(e)) => Err(with_help(&e)),
            Err(_) => Err(late(within)),
        },
    };
    if let Err(why) = reloaded {
        troubles.extend(of.iter().map(|(slice, _)| (*slice, why.clone())));
    }
    troubles
}

async fn read_back(
    requests: &Requests,
    batch: Vec<(SliceId, Slot)>,
    mut troubles: BTreeMap<SliceId, Vec<String>>,
    lowers: bool,
) -> Vec<(SliceId, u32, Outcome)> {
    let of_slice = |(slice, slot): &(SliceId, Slot)| -> Vec<Wanted> {
        if !requests.is_newest(*slice, slot.request.epoch) || (!lowers && troubles.contains_key(slice)) {
            return Vec::new();
        }
        let settings = slot.request.settings.iter();
        let wanted = settings.filter_map(|(port, _)| Some((*port, Arc::clone(slot.ports.get(port.index())?))));
        wanted.map(|(port, at)| Wanted { slice: *slice, port, at }).collect()
    };
    let wanted: Vec<Wanted> = batch.iter().flat_map(of_slice).collect();
    let mut read: BTreeMap<(SliceId, PortId), Result<Setting, String>> = BTreeMap::new();
    for (slice, port, got) in ask::ports(wanted, CALL).await {
        read.insert((slice, port), got);
    }
    let mut out = Vec::new();
    for (slice, slot) in batch {
        if !requests.is_newest(slice, slot.request.epoch) {
            continue;
        }
        let mut wrong = troubles.remove(&slice).unwrap_or_default();
        let mut got = Vec::new();
        for (port, asked) in &slot.request.settings {
            let name = || slot.ports.get(port.index()).map(|p| p.describe()).unwrap_or_default();
            match read.remove(&(slice, *port)) {
                Some(Ok(is)) if is.same(*asked) => got.push((*port, is)),
                Some(Ok(is)) => wrong.push(format!("{}: read back {is}, asked for {asked}", name())),
                Some(Err(why)) => wrong.push(why),
                None if wrong.is_empty() => wrong.push(format!("{}: it was not read back", name())),
                None => {}
            }
        }
        let mut said = BTreeSet::new();
        wrong.retain(|t| said.insert(t.clone()));
        out.push((slice, slot.request.epoch, if wrong.is_empty() { Ok(got) } else { Err(wrong.join("; ")) }));
    }
    out
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests;
