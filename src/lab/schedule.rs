//! Lets faults begin when their time or share has come, through the canary's own `/fault`, as a person with curl would.

use super::fault::{Fault, Trigger};
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

/// Waits for one fault's trigger and injects it into `canary`. `peak` is the highest share that the proxy was set to.
pub(crate) async fn inject(fault: Fault, mut peak: watch::Receiver<f64>, canary: Service, log: Log) {
    match fault.after {
        Trigger::Start => {}
        Trigger::After(time) => tokio::time::sleep(time).await,
        Trigger::AtShare(share) => {
            // Weights hold a share to one part in a million.
            if peak.wait_for(|peak| *peak >= share - 1e-6).await.is_err() {
                return; // the proxy is gone
            }
        }
    }
    let mut failed = None;
    for _ in 0..TRIES {
        match canary.set_fault(fault.what.change()).await {
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
