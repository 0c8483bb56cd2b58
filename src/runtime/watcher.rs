//! Stands between the run and whoever watches it: a terminal that is held (Ctrl-S), a dead connection or a reader that does not
//! read must never hold up a guard.
//!
//! The observer works on a thread of its own behind a bounded queue. When the queue is full, views are dropped (the next one
//! shows the same and more) and lines are counted; how many were lost is said as soon as there is room again.

use super::observe::{Observer, View};
use crate::engine::{Record, State};
use crate::plan::{Answer, Plan, Setting, Time};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Messages that may wait.
const QUEUE: usize = 1024;
/// How long the end of a run waits for a watcher to catch up.
const GRACE: Duration = Duration::from_secs(2);

enum Message {
    Record(Time, Option<String>, Box<Record>),
    Remark(Time, String),
    View(Box<Picture>),
}

/// A [`View`] that stands by itself.
struct Picture {
    plan: Arc<Plan>,
    state: State,
    run: String,
    answers: Vec<Answer>,
    ports: Vec<Option<Setting>>,
    next_check: Time,
    troubles: Vec<String>,
}

/// The run's side.
pub struct Watcher {
    queue: Option<SyncSender<Message>>,
    thread: Option<JoinHandle<Box<dyn Observer>>>,
    lost: u64,
}

impl Watcher {
    /// Lets `observer` watch from a thread of its own.
    #[must_use]
    pub fn new(observer: Box<dyn Observer>) -> Self {
        Self::with_room(observer, QUEUE)
    }

    /// As [`Watcher::new`], with room for so many messages: one step of many lives has much to say.
    #[must_use]
    pub fn with_room(observer: Box<dyn Observer>, room: usize) -> Self {
        let (queue, messages) = sync_channel(room);
        let thread = std::thread::spawn(move || watch(observer, &messages));
        Self { queue: Some(queue), thread: Some(thread), lost: 0 }
    }

    /// A transition was journalled.
    pub fn record(&mut self, at: Time, record: &Record) {
        self.send(at, Message::Record(at, None, Box::new(record.clone())));
    }

    /// A transition of a slice was journalled.
    pub fn of_slice(&mut self, at: Time, slice: &str, record: &Record) {
        self.send(at, Message::Record(at, Some(slice.to_owned()), Box::new(record.clone())));
    }

    /// Something that is no transition but worth a line.
    pub fn remark(&mut self, at: Time, text: &str) {
        self.send(at, Message::Remark(at, text.to_owned()));
    }

    /// A check was made, or something changed between checks.
    pub fn view(&mut self, plan: &Arc<Plan>, view: View<'_>) {
        let picture = Picture {
            plan: Arc::clone(plan),
            state: view.state.clone(),
            run: view.run.to_owned(),
            answers: view.answers.to_vec(),
            ports: view.ports.to_vec(),
            next_check: view.next_check,
            troubles: view.troubles.to_vec(),
        };
        if let Some(queue) = &self.queue {
            let _ = queue.try_send(Message::View(Box::new(picture)));
        }
    }

    fn send(&mut self, at: Time, message: Message) {
        let Some(queue) = &self.queue else { return };
        if self.lost > 0 {
            let text = format!("{} lines were lost here: nobody read them", self.lost);
            if queue.try_send(Message::Remark(at, text)).is_ok() {
                self.lost = 0;
            }
        }
        if let Err(TrySendError::Full(_)) = queue.try_send(message) {
            self.lost += 1;
        }
    }

    /// Waits a little until everything was shown. A watcher that is stuck is left behind.
    pub fn finish(&mut self) {
        self.queue = None;
        let begun = Instant::now();
        while let Some(thread) = &self.thread {
            if thread.is_finished() {
                break;
            }
            if begun.elapsed() > GRACE {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(mut observer: Box<dyn Observer>, messages: &Receiver<Message>) -> Box<dyn Observer> {
    for message in messages {
        match message {
            Message::Record(at, None, record) => observer.record(at, &record),
            Message::Record(at, Some(slice), record) => observer.of_slice(at, &slice, &record),
            Message::Remark(at, text) => observer.remark(at, &text),
            Message::View(p) => observer.view(View {
                plan: &p.plan,
                state: &p.state,
                run: &p.run,
                answers: &p.answers,
                ports: &p.ports,
                next_check: p.next_check,
                troubles: &p.troubles,
            }),
        }
    }
    observer
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Shows nothing until it is let go.
    struct Stuck {
        go: mpsc::Receiver<()>,
        seen: mpsc::Sender<String>,
        waited: bool,
    }

    impl Observer for Stuck {
        fn record(&mut self, _at: Time, _record: &Record) {}
        fn of_slice(&mut self, _at: Time, _slice: &str, _record: &Record) {}
        fn view(&mut self, _view: View<'_>) {}
        fn remark(&mut self, _at: Time, text: &str) {
            if !self.waited {
                self.go.recv().unwrap();
                self.waited = true;
            }
            let _ = self.seen.send(text.to_owned());
        }
    }

    #[test]
    fn one_who_does_not_read_holds_nobody_up_and_is_told_what_he_missed() {
        let (let_go, go) = mpsc::channel();
        let (seen, read) = mpsc::channel();
        let mut w = Watcher::new(Box::new(Stuck { go, seen, waited: false }));
        // twice what fits: this returns although nobody reads
        for i in 0..2 * QUEUE {
            w.remark(0, &i.to_string());
        }
        assert!(w.lost > 0);
        let lost = w.lost;
        let_go.send(()).unwrap();
        // the queue drains, and there is room again
        assert_eq!(read.recv().unwrap(), "0");
        while w.lost > 0 {
            std::thread::yield_now();
            w.remark(0, "late");
        }
        w.finish();
        let texts: Vec<String> = read.try_iter().collect();
        let said: Vec<&String> = texts.iter().filter(|t| t.contains("lines were lost")).collect();
        // once, or twice where the queue was full again at once
        let n: u64 = said.iter().map(|t| t.split(' ').next().unwrap().parse::<u64>().unwrap()).sum();
        assert!(n >= lost, "{said:?}");
    }
}
