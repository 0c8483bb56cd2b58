//! Makes the world equal to the newest request and reads it back, again and again until it holds or a newer request comes.

use super::backends::Backends;
use super::clock::now;
use super::fault;
use super::fetch::with_help;
use crate::backend::Shared;
use crate::plan::{PortId, Setting, Time};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// How long one call of a backend may take.
pub const CALL: Duration = Duration::from_secs(10);
/// Pause after the first failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A request of the engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Its number.
    pub epoch: u32,
    /// What to set, in this order.
    pub settings: Vec<(PortId, Setting)>,
    /// It takes exposure back.
    pub lowers: bool,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Applied {
    /// Read back as asked for.
    Verified {
        /// When.
        at: Time,
        /// Which request.
        epoch: u32,
        /// What was read.
        read: Vec<(PortId, Setting)>,
    },
    /// An attempt failed; it is tried again.
    Trouble {
        /// Which request.
        epoch: u32,
        /// How many attempts have failed.
        attempt: u32,
        /// What went wrong.
        message: String,
    },
}

/// Works until the sender of requests is dropped.
pub async fn applier(backends: Backends, mut requests: watch::Receiver<Option<Request>>, tell: mpsc::Sender<Applied>) {
    loop {
        let request = requests.borrow_and_update().clone();
        let Some(request) = request else {
            if requests.changed().await.is_err() {
                return;
            }
            continue;
        };
        let mut pause = FIRST_PAUSE;
        let mut attempt = 0;
        // one request, until it holds or is replaced
        loop {
            match attempt_once(&backends, &request, &requests).await {
                Attempt::Holds(read) => {
                    let done = Applied::Verified { at: now(), epoch: request.epoch, read };
                    if tell.send(done).await.is_err() {
                        return;
                    }
                    if requests.changed().await.is_err() {
                        return;
                    }
                    break;
                }
                Attempt::Replaced => break,
                Attempt::Failed(message) => {
                    attempt += 1;
                    let trouble = Applied::Trouble { epoch: request.epoch, attempt, message };
                    if tell.send(trouble).await.is_err() {
                        return;
                    }
                    tokio::select! {
                        changed = requests.changed() => {
                            if changed.is_err() { return; }
                            break;
                        }
                        () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    }
                }
            }
        }
    }
}

enum Attempt {
    Holds(Vec<(PortId, Setting)>),
    Replaced,
    Failed(String),
}

async fn attempt_once(backends: &Backends, request: &Request, requests: &watch::Receiver<Option<Request>>) -> Attempt {
    let mut troubles = Vec::new();
    let mut written: Vec<Shared> = Vec::new();
    for (port, to) in &request.settings {
        let Some(backend) = backends.port(*port) else { continue };
        if let Some(shared) = backend.shared() {
            if written.iter().any(|w| Arc::ptr_eq(&w.write, &shared.write)) {
                continue;
            }
            match set_together(backends, request, &shared, requests).await {
                None => return Attempt::Replaced,
                Some(Ok(())) => {}
                Some(Err(trouble)) => {
                    troubles.push(trouble);
                    if !request.lowers {
                        return Attempt::Failed(troubles.join("; "));
                    }
                }
            }
            written.push(shared);
            if requests.has_changed().unwrap_or(false) {
                return Attempt::Replaced;
            }
            continue;
        }
        // a call under way is never dropped half-way for a newer request: its late effect could land behind the newer one
        let result = tokio::time::timeout(CALL, backend.set(*to)).await;
        let trouble = match result {
            Ok(Ok(())) => None,
            Ok(Err(e)) => Some(with_help(&e)),
            Err(_) => Some(format!("{}: no answer within {}s", backend.describe(), CALL.as_secs())),
        };
        if let Some(t) = trouble {
            troubles.push(t);
            // raising stops at the first failure: traffic must not go where a flag is not set
            if !request.lowers {
                return Attempt::Failed(troubles.join("; "));
            }
        }
        if requests.has_changed().unwrap_or(false) {
            return Attempt::Replaced;
        }
    }
    fault::point("performed");
    let mut read = Vec::with_capacity(request.settings.len());
    let mut newer = requests.clone();
    for (port, asked) in &request.settings {
        let Some(backend) = backends.port(*port) else { continue };
        // a read-back under way is dropped for a newer request: it has no effect that could come late
        let result = tokio::select! {
            result = tokio::time::timeout(CALL, backend.read()) => result,
            _ = newer.changed() => return Attempt::Replaced,
        };
        match result {
            Ok(Ok(got)) if got.same(*asked) => read.push((*port, got)),
            Ok(Ok(got)) => troubles.push(format!("{}: read back {got}, asked for {asked}", backend.describe())),
            Ok(Err(e)) => troubles.push(with_help(&e)),
            Err(_) => troubles.push(format!("{}: no answer within {}s", backend.describe(), CALL.as_secs())),
        }
    }
    // what hinders the writing hinders the reading as well
    let mut said = std::collections::BTreeSet::new();
    troubles.retain(|t| said.insert(t.clone()));
    if troubles.is_empty() { Attempt::Holds(read) } else { Attempt::Failed(troubles.join("; ")) }
}

/// One write, and one reload, for all ports of a request that share them. None: a newer request has come.
async fn set_together(
    backends: &Backends,
    request: &Request,
    shared: &Shared,
    requests: &watch::Receiver<Option<Request>>,
) -> Option<Result<(), String>> {
    let write = &shared.write;
    let ours = |port: &PortId| backends.port(*port).and_then(|p| p.shared()).filter(|s| Arc::ptr_eq(&s.write, write));
    let settings: Vec<(usize, Setting)> =
        request.settings.iter().filter_map(|(port, to)| ours(port).map(|s| (s.member, *to))).collect();
    let late = |within: Duration| format!("{}: no answer within {}s", write.describe(), within.as_secs());
    let trouble = match tokio::time::timeout(CALL, write.write(&settings, request.lowers)).await {
        Ok(Ok(())) => None,
        Ok(Err(e)) => Some(with_help(&e)),
        Err(_) => Some(late(CALL)),
    };
    // what was put back in part is read anew as well
    if trouble.is_some() && !request.lowers {
        return Some(Err(trouble.unwrap_or_default()));
    }
    let within = write.reload_within().unwrap_or_default() + CALL;
    let mut newer = requests.clone();
    // unlike a write, a reload under way is dropped for a newer request: a rollback does not wait for it, and does its own
    let reloaded = tokio::select! {
        biased;
        _ = newer.changed() => return None,
        reloaded = tokio::time::timeout(within, write.reload()) => reloaded,
    };
    let second = match reloaded {
        Ok(Ok(())) => None,
        Ok(Err(e)) => Some(with_help(&e)),
        Err(_) => Some(late(within)),
    };
    let all: Vec<String> = [trouble, second].into_iter().flatten().collect();
    Some(if all.is_empty() { Ok(()) } else { Err(all.join("; ")) })
}
