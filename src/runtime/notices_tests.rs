use super::*;
use crate::backend::Notifier;
use async_trait::async_trait;
use std::sync::Mutex;
use tokio::time::Instant;

/// A channel that answers as it is told, on tokio's clock, and notes when it was asked for what.
struct Channel {
    begun: Instant,
    /// What is answered to the nth try; the last one stands for all that follow. None: it hangs.
    answers: Mutex<VecDeque<Option<Result<(), BackendError>>>>,
    asked: Mutex<Vec<(f64, u64)>>,
}

impl Channel {
    fn new(answers: Vec<Option<Result<(), BackendError>>>) -> Arc<Self> {
        Arc::new(Self { begun: Instant::now(), answers: Mutex::new(answers.into()), asked: Mutex::default() })
    }

    /// When it was asked, in seconds, and for which number.
    fn asked(&self) -> Vec<(f64, u64)> {
        self.asked.lock().unwrap().clone()
    }
}

#[async_trait]
impl Notifier for Channel {
    async fn notify(&self, notice: &Notice) -> Result<(), BackendError> {
        let second = (self.begun.elapsed().as_secs_f64() * 10.0).round() / 10.0;
        self.asked.lock().unwrap().push((second, notice.number));
        let answer = {
            let mut answers = self.answers.lock().unwrap();
            if answers.len() > 1 { answers.pop_front().unwrap() } else { answers[0].clone() }
        };
        match answer {
            Some(result) => result,
            None => std::future::pending().await,
        }
    }

    fn describe(&self) -> String {
        String::from("a channel")
    }
}

fn down() -> Option<Result<(), BackendError>> {
    Some(Err(BackendError::transient("down")))
}

fn busy(seconds: u64) -> Option<Result<(), BackendError>> {
    Some(Err(BackendError { retry_after: Some(Duration::from_secs(seconds)), ..BackendError::transient("busy") }))
}

fn ok() -> Option<Result<(), BackendError>> {
    Some(Ok(()))
}

fn outbox(channels: &[&Arc<Channel>]) -> (Outbox, mpsc::UnboundedReceiver<Told>) {
    let all: Vec<Arc<dyn Notifier>> = channels.iter().map(|c| Arc::clone(c) as Arc<dyn Notifier>).collect();
    Outbox::with_clock(&all, &clock())
}

/// Of tokio's clock, which a test sets forward.
fn clock() -> Clock {
    let begun = Instant::now();
    Arc::new(move || Time::try_from(begun.elapsed().as_millis()).unwrap())
}

fn notice(number: u64, happening: &str) -> Notice {
    Notice { number, happening: happening.to_owned(), ..Notice::default() }
}

/// What became of the next `n` notices that are over: their number and outcome, tries left out.
async fn ends(told: &mut mpsc::UnboundedReceiver<Told>, n: usize) -> Vec<(u64, Outcome)> {
    let mut out = Vec::new();
    while out.len() < n {
        let t = told.recv().await.unwrap();
        if t.outcome.is_final() {
            out.push((t.notice.number, t.outcome));
        }
    }
    out
}

#[tokio::test(start_paused = true)]
async fn it_is_tried_with_longer_pauses_up_to_a_minute() {
    let c = Channel::new([vec![down(); 9], vec![ok()]].concat());
    let (out, mut told) = outbox(&[&c]);
    assert!(out.send(0, notice(1, "rollback")));
    assert_eq!(ends(&mut told, 1).await, [(1, Outcome::Delivered)]);
    let at: Vec<f64> = c.asked().iter().map(|(t, _)| *t).collect();
    assert_eq!(at, [0.0, 1.0, 3.0, 7.0, 15.0, 31.0, 63.0, 123.0, 183.0, 243.0]);
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_asks_to_wait_is_obeyed_within_five_minutes() {
    let c = Channel::new(vec![busy(37), busy(86_400), busy(0), ok()]);
    let (out, mut told) = outbox(&[&c]);
    out.send(0, notice(1, "rollback"));
    assert_eq!(ends(&mut told, 1).await, [(1, Outcome::Delivered)]);
    let at: Vec<f64> = c.asked().iter().map(|(t, _)| *t).collect();
    // 37 s as asked; a day is five minutes; no pause at all is still the own one, by then of four seconds
    assert_eq!(at, [0.0, 37.0, 337.0, 341.0]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_mended_is_given_up_at_once_and_the_next_one_follows() {
    let gone = BackendError::permanent("gone").help("make a new one");
    let c = Channel::new(vec![Some(Err(gone)), ok()]);
    let (out, mut told) = outbox(&[&c]);
    out.send(0, notice(1, "breach"));
    out.send(0, notice(2, "rollback"));
    let given_up = Outcome::GivenUp(String::from("gone (make a new one)"));
    assert_eq!(ends(&mut told, 2).await, [(1, given_up), (2, Outcome::Delivered)]);
    assert_eq!(c.asked(), [(0.0, 1), (0.0, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_day_is_the_end_but_who_is_older_is_tried_once() {
    let c = Channel::new(vec![down()]);
    let (out, mut told) = outbox(&[&c]);
    out.send(0, notice(1, "rollback"));
    let why = Outcome::GivenUp(String::from("down; it is more than 24 hours old"));
    assert_eq!(ends(&mut told, 1).await, [(1, why.clone())]);
    let tries = c.asked().len();
    // 63 s of growing pauses, then one try a minute
    assert!((1_440..1_450).contains(&tries), "{tries}");
    let last = c.asked().last().unwrap().0;
    assert!((86_340.0..86_400.0).contains(&last), "{last}");
    // from a run before the weekend
    out.send(0, notice(2, "rollback"));
    assert_eq!(ends(&mut told, 1).await, [(2, why)]);
    assert_eq!(c.asked().len(), tries + 1);
}

#[tokio::test(start_paused = true)]
async fn a_channel_keeps_its_order_and_holds_up_no_other() {
    let (slow, quick) = (Channel::new(vec![None, down(), ok()]), Channel::new(vec![ok()]));
    let (out, mut told) = outbox(&[&slow, &quick]);
    for n in 1..=3 {
        out.send(0, notice(n, "promote"));
        out.send(1, notice(n, "promote"));
    }
    let first: Vec<usize> = {
        let mut out = Vec::new();
        while out.len() < 3 {
            let t = told.recv().await.unwrap();
            if t.outcome.is_final() {
                out.push(t.channel);
            }
        }
        out
    };
    assert_eq!(first, [1, 1, 1], "the quick one is through while the slow one hangs");
    ends(&mut told, 3).await;
    // it hangs for ten seconds, is down once, and goes on with the same one
    assert_eq!(slow.asked(), [(0.0, 1), (11.0, 1), (13.0, 1), (13.0, 2), (13.0, 3)]);
    assert_eq!(quick.asked(), [(0.0, 1), (0.0, 2), (0.0, 3)]);
}

#[tokio::test(start_paused = true)]
async fn a_day_of_status_behind_a_channel_that_is_down_is_one() {
    let c = Channel::new([vec![down(); 1_000], vec![ok()]].concat());
    let (out, mut told) = outbox(&[&c]);
    // every five minutes for almost 16 hours, with two things that happened in between; the channel is up again after 1,000 tries
    for n in 1..=190_u64 {
        let happening = if n == 20 || n == 100 { "breach" } else { "status" };
        out.send(0, Notice { at: i64::try_from(n - 1).unwrap() * 300_000, ..notice(n, happening) });
        tokio::time::sleep(Duration::from_secs(300)).await;
    }
    let all = ends(&mut told, 190).await;
    let arrived: Vec<u64> = all.iter().filter(|(_, o)| *o == Outcome::Delivered).map(|(n, _)| *n).collect();
    assert_eq!(arrived, [20, 100, 190], "what happened, and the newest status");
    assert_eq!(all.iter().filter(|(_, o)| *o == Outcome::Replaced).count(), 187);
}

#[tokio::test(start_paused = true)]
async fn a_late_one_says_so() {
    let c = Channel::new([vec![down(); 7], vec![ok()]].concat());
    let (out, mut told) = outbox(&[&c]);
    out.send(0, notice(1, "rollback"));
    let mut lates = Vec::new();
    loop {
        let t = told.recv().await.unwrap();
        lates.push(t.notice.late);
        if t.outcome.is_final() {
            break;
        }
    }
    assert_eq!(lates, [None, None, None, None, None, None, Some(63_000), Some(123_000)]);
}
