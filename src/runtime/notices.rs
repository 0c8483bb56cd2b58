//! Delivers notices beside the run: each channel has a queue of its own that is worked through in order, so that one channel
//! does not hold up another, and nothing here ever holds up the run. Nobody waits for a delivery: what became of a notice comes
//! back as a [`Told`].

use super::clock;
use crate::backend::{BackendError, Notice, Notifier};
use crate::plan::{Millis, Time};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How long one try may take.
const CALL: Duration = Duration::from_secs(10);
/// Pause after the first failure; doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// The longest pause that a channel may ask for.
const LONGEST_WISH: Duration = Duration::from_secs(300);
/// A notice this old is not tried any more: 24 hours.
pub const TOO_OLD: Millis = 24 * 3_600_000;
/// A notice that comes later than this says so: a minute.
const LATE: Millis = 60_000;

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The channel's place in the plan.
    pub channel: usize,
    /// The notice.
    pub notice: Notice,
    /// How often it was tried.
    pub tries: u32,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The channel took it.
    Delivered,
    /// It is tried again.
    Failed(String),
    /// It is not tried any more.
    GivenUp(String),
    /// It was a status, and a newer one has come before it could be delivered.
    Replaced,
}

impl Outcome {
    /// Whether nothing more comes of this notice.
    #[must_use]
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}

/// What time it is: of the system, or of a test.
pub type Clock = Arc<dyn Fn() -> Time + Send + Sync>;

/// The queues of all channels.
pub struct Outbox {
    queues: Vec<mpsc::UnboundedSender<Notice>>,
    workers: Vec<JoinHandle<()>>,
}

impl Outbox {
    /// Queues for these channels, and where it comes back what became of notices.
    #[must_use]
    pub fn new(channels: &[Arc<dyn Notifier>]) -> (Self, mpsc::UnboundedReceiver<Told>) {
        Self::with_clock(channels, &(Arc::new(clock::now) as Clock))
    }

    /// As [`Outbox::new`], by another clock.
    #[must_use]
    pub fn with_clock(channels: &[Arc<dyn Notifier>], clock: &Clock) -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (tell, told) = mpsc::unbounded_channel();
        let mut out = Self { queues: Vec::new(), workers: Vec::new() };
        for (i, channel) in channels.iter().enumerate() {
            let (queue, notices) = mpsc::unbounded_channel();
            let worker = Worker {
                place: i,
                channel: Arc::clone(channel),
                queue: VecDeque::new(),
                tell: tell.clone(),
                clock: Arc::clone(clock),
            };
            out.queues.push(queue);
            out.workers.push(tokio::spawn(worker.work(notices)));
        }
        (out, told)
    }

    /// Leaves a notice to be delivered. Returns at once; false when there is no such channel.
    pub fn send(&self, channel: usize, notice: Notice) -> bool {
        self.queues.get(channel).is_some_and(|q| q.send(notice).is_ok())
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        for w in &self.workers {
            w.abort();
        }
    }
}

/// A notice that waits for its turn.
struct Waiting {
    notice: Notice,
    tries: u32,
    error: String,
}

struct Worker {
    place: usize,
    channel: Arc<dyn Notifier>,
    queue: VecDeque<Waiting>,
    tell: mpsc::UnboundedSender<Told>,
    clock: Clock,
}

impl Worker {
    /// Works until the outbox is gone.
    async fn work(mut self, mut notices: mpsc::UnboundedReceiver<Notice>) {
        let mut pause = FIRST_PAUSE;
        loop {
            while let Ok(notice) = notices.try_recv() {
                self.push(notice);
            }
            if self.queue.is_empty() {
                let Some(notice) = notices.recv().await else { return };
                self.push(notice);
                continue;
            }
            let Some(error) = self.try_first().await else {
                pause = FIRST_PAUSE;
                continue;
            };
            // the longer one of its own pause and of what the channel asks for, within bounds
            let until = tokio::time::Instant::now() + error.retry_after.unwrap_or(pause).clamp(pause, LONGEST_WISH);
            pause = (pause * 2).min(LONGEST_PAUSE);
            // the pause is the channel's: a new notice does not shorten it
            while let Ok(Some(notice)) = tokio::time::timeout_at(until, notices.recv()).await {
                self.push(notice);
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// A status takes the place of those that still wait; everything else waits behind what is there.
    fn push(&mut self, notice: Notice) {
        if notice.is_status() {
            let (old, kept) = std::mem::take(&mut self.queue).into_iter().partition(|w| w.notice.is_status());
            self.queue = kept;
            let old: VecDeque<Waiting> = old;
            for w in old {
                self.say(w.notice, w.tries, Outcome::Replaced);
            }
        }
        self.queue.push_back(Waiting { notice, tries: 0, error: String::new() });
    }

    /// Tries the first notice once. Returns why it has to be tried again.
    async fn try_first(&mut self) -> Option<BackendError> {
        let first = self.queue.front_mut()?;
        let age = (self.clock)() - first.notice.at;
        first.notice.late = (age >= LATE).then_some(age);
        // one that nobody was there to try is tried once, however old it is
        if age >= TOO_OLD && first.tries > 0 {
            let why = format!("{}; it is more than 24 hours old", first.error);
            self.end(Outcome::GivenUp(why));
            return None;
        }
        first.tries += 1;
        let result = tokio::time::timeout(CALL, self.channel.notify(&first.notice)).await;
        let slow = || BackendError::transient(format!("no answer within {}s", CALL.as_secs()));
        match result.unwrap_or_else(|_| Err(slow())) {
            Ok(()) => {
                self.end(Outcome::Delivered);
                None
            }
            Err(e) if !e.transient => {
                self.end(Outcome::GivenUp(super::fetch::with_help(&e)));
                None
            }
            Err(e) => {
                first.error = e.to_string();
                let (notice, tries) = (first.notice.clone(), first.tries);
                self.say(notice, tries, Outcome::Failed(e.to_string()));
                Some(e)
            }
        }
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(w) = self.queue.pop_front() {
            self.say(w.notice, w.tries, outcome);
        }
    }

    fn say(&self, notice: Notice, tries: u32, outcome: Outcome) {
        // who does not listen any more has ended the run
        let _ = self.tell.send(Told { channel: self.place, notice, tries, outcome });
    }
}

#[cfg(test)]
#[path = "notices_tests.rs"]
mod tests;
