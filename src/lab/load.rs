//! A load generator: so many requests a second, whatever becomes of them.

use super::http::{self, Pool};
use http_body_util::{BodyExt, Empty};
use hyper::Uri;
use hyper::body::Bytes;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

/// The most requests that may be under way at once: more than a hanging canary can hold at the default rate.
const AT_ONCE: usize = 2048;
/// Open files that are left to the rest of this process: the engine writes its journal beside a canary that hangs.
const FILES_FOR_OTHERS: usize = 384;
/// How long a client waits. Longer than the proxy's own patience, so that its 504 is seen.
const PATIENCE: Duration = Duration::from_secs(10);
/// The closest that two wake-ups come; above 500 requests a second several are sent at each.
const TICK: Duration = Duration::from_millis(2);

/// What the load generator saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen {
    /// Answers by status code.
    pub answers: BTreeMap<u16, u64>,
    /// Requests without an answer.
    pub failed: u64,
    /// Requests not sent because too many were under way.
    pub skipped: u64,
}

impl Seen {
    /// All requests that were due.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.answers.values().sum::<u64>() + self.failed + self.skipped
    }
}

/// The generator's counts.
#[derive(Debug, Default)]
pub(crate) struct Load {
    seen: Mutex<Seen>,
}

impl Load {
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, what: impl FnOnce(&mut Seen)) {
        what(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Sends `rate` requests a second to `url`: an open loop, so a slow service does not slow the load. Requests that fell due
    /// while this task did not run are sent when it runs again. Ends only by being dropped, and its requests with it.
    pub(crate) async fn run(self: Arc<Self>, url: Uri, rate: u32) {
        let pool: Pool<Empty<Bytes>> = http::pool();
        let places = Arc::new(Semaphore::new(at_once(open_files())));
        let mut requests = JoinSet::new();
        let started = Instant::now();
        let mut due_so_far = 0_u64;
        let mut tick = tokio::time::interval(TICK.max(Duration::from_secs(1) / rate.max(1)));
        tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            tokio::select! {
                Some(_) = requests.join_next() => continue,
                _ = tick.tick() => {}
            }
            let due = (started.elapsed().as_nanos() * u128::from(rate) / 1_000_000_000) as u64;
            for _ in due_so_far..due {
                let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                    self.note(|seen| seen.skipped += 1);
                    continue;
                };
                let (load, pool, url) = (Arc::clone(&self), pool.clone(), url.clone());
                requests.spawn(async move {
                    let status = tokio::time::timeout(PATIENCE, get(&pool, url)).await;
                    drop(place);
                    load.note(|seen| match status {
                        Ok(Some(code)) => *seen.answers.entry(code).or_default() += 1,
                        Ok(None) | Err(_) => seen.failed += 1,
                    });
                });
            }
            due_so_far = due;
        }
    }
}

/// The status that `url` answers, once its body has been read: only then can the connection serve again.
async fn get(pool: &Pool<Empty<Bytes>>, url: Uri) -> Option<u16> {
    let answer = pool.get(url).await.ok()?;
    let code = answer.status().as_u16();
    answer.into_body().collect().await.ok()?;
    Some(code)
}

/// How many requests may be under way when the process may have so many files open. Each holds four: both ends of its connection
/// to the proxy, and both of the proxy's to the service.
fn at_once(open_files: usize) -> usize {
    (open_files.saturating_sub(FILES_FOR_OTHERS) / 4).clamp(32, AT_ONCE)
}

/// How many files this process may have open (proc(5)); where that cannot be read, what is usual at least.
fn open_files() -> usize {
    std::fs::read_to_string("/proc/self/limits")
        .ok()
        .and_then(|limits| {
            let line = limits.lines().find_map(|l| l.strip_prefix("Max open files"))?;
            let soft = line.split_whitespace().next()?;
            soft.parse().ok()
        })
        .unwrap_or(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_leave_files_for_others() {
        assert_eq!(at_once(1024), 160);
        assert_eq!(at_once(1_000_000), AT_ONCE);
        assert_eq!(at_once(100), 32);
        assert!(open_files() >= 64);
    }
}
