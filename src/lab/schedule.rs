//! Lets faults begin when their time or share has come, through the service's own `/fault`, as a person with curl would.

use super::fault::{Fault, FaultKind, Trigger};
use super::process::Service;
use crate::backend::BackendError;
use crate::plan::Time;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// How often an injection is tried: the service may be between a crash and its restart.
const TRIES: u32 = 5;

/// A fault that has begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Injected {
    /// Which.
    pub fault: Fault,
    /// When, in milliseconds since 1970-01-01T00:00:00Z.
    pub at: Time,
    /// Why it could not be injected, if it could not.
    pub failed: Option<BackendError>,
}

/// What has been injected so far, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<Injected>>>);

impl Log {
    pub(crate) fn entries(&self) -> Vec<Injected> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, entry: Injected) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
}

/// Waits for one fault's trigger and injects it into `victim`. `peak` is the highest share so far: that the proxy was set to, or,
/// `behind_flags`, that the flags expose.
pub(crate) async fn inject(
    fault: Fault,
    mut peak: watch::Receiver<f64>,
    behind_flags: bool,
    victim: Service,
    log: Log,
) {
    match fault.after {
        Trigger::Start => {}
        Trigger::After(time) => tokio::time::sleep(time).await,
        Trigger::AtShare(share) => {
            // Weights hold a share to one part in a million.
            if peak.wait_for(|peak| *peak >= share - 1e-6).await.is_err() {
                return; // the lab is gone
            }
        }
    }
    // nobody meets what is behind a flag that is off, and a process that nobody kills does not end
    if behind_flags && fault.what == FaultKind::Crash && peak.wait_for(|peak| *peak > 0.0).await.is_err() {
        return;
    }
    let mut failed = None;
    for _ in 0..TRIES {
        match victim.set_fault(fault.what.change()).await {
            Ok(_) => {
                failed = None;
                break;
            }
            Err(error) => {
                let again = error.transient;
                failed = Some(error);
                if !again {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    log.note(Injected { fault, at: Time::try_from(now.as_millis()).unwrap_or(Time::MAX), failed });
}
