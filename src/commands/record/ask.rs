//! Asks for one question over a stretch: in pieces that the source can answer, and as often as it takes within reason.

use crate::backend::prometheus::is_too_much;
use crate::backend::{BackendError, Metrics, Ranged, Stretch};
use crate::plan::{Answer, Ask, Millis};
use crate::sim::recording::Key;
use std::sync::Arc;
use std::time::Duration;

/// Points of one question: Prometheus grants 11,000 a series, and progress is kept by this many.
const POINTS: i64 = 2_000;
/// The same of a question that is answered for all slices at once.
const POINTS_OF_SLICES: i64 = 250;
/// How often one piece is asked for.
const TRIES: u32 = 6;
/// How long is waited before it is asked for again, at first; it doubles.
const WAIT: Duration = Duration::from_millis(500);
/// The longest wait that a source may ask for.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// Checks at which a source may refuse a question that it answers at others.
const REFUSED: u32 = 50;

/// One question.
pub struct Job {
    /// The input that it is of.
    pub input: usize,
    /// What it is called in a recording, without a slice.
    pub key: Key,
    /// The question, filled.
    pub ask: Ask,
    /// The labels that it is split by.
    pub by: Vec<String>,
    /// Who is asked.
    pub source: Arc<dyn Metrics>,
    /// Of a baseline: its length, and whether it counts bad events.
    pub before: Option<(Millis, bool)>,
}

impl Job {
    /// The stretches that are asked for one by one.
    pub fn chunks(&self, over: Stretch) -> impl Iterator<Item = Stretch> + use<> {
        let points = if self.by.is_empty() { POINTS } else { POINTS_OF_SLICES };
        let width = points * over.step;
        (0..).map(move |i| over.from + i * width).take_while(move |from| *from <= over.to).map(move |from| Stretch {
            from,
            to: over.to.min(from + width - over.step),
            ..over
        })
    }

    async fn once(&self, over: Stretch) -> Result<Ranged, BackendError> {
        match self.before {
            None => self.source.range(&self.ask, &self.by, over).await,
            Some((length, bad)) => self.source.range_before(&self.ask, &self.by, over, length, bad).await,
        }
    }

    /// Tries again what may pass, after as long as the source asks for.
    async fn patiently(&self, over: Stretch) -> Result<Ranged, BackendError> {
        let mut wait = WAIT;
        for _ in 1..TRIES {
            match self.once(over).await {
                Err(e) if e.transient && !(is_too_much(&e) && halves(over).is_some()) => {
                    tokio::time::sleep(e.retry_after.unwrap_or(wait).min(LONGEST_WAIT)).await;
                    wait *= 2;
                }
                done => return done,
            }
        }
        self.once(over).await
    }
}

fn halves(over: Stretch) -> Option<(Stretch, Stretch)> {
    let steps = (over.to - over.from) / over.step.max(1);
    let middle = over.from + steps / 2 * over.step;
    (steps > 0).then_some((Stretch { to: middle, ..over }, Stretch { from: middle + over.step, ..over }))
}

/// The answers of one stretch. What is too much at once is asked for in halves, and so is a query that the source refuses: it may do
/// so because of a single moment (two series where one is matched), and a check at that moment would have failed as well.
pub async fn chunk(job: &Job, over: Stretch) -> Result<Ranged, BackendError> {
    let mut out = Ranged::new();
    let mut refused = 0;
    let mut to_ask = vec![over];
    while let Some(over) = to_ask.pop() {
        let e = match job.patiently(over).await {
            Ok(answers) => {
                for (slice, answers) in answers {
                    out.entry(slice).or_default().extend(answers);
                }
                continue;
            }
            Err(e) => e,
        };
        let of_the_query = is_too_much(&e) || (!e.transient && e.message.contains("it refused the query"));
        match halves(over) {
            Some((first, second)) if of_the_query => to_ask.extend([second, first]),
            None if of_the_query && !e.transient && refused < REFUSED => {
                refused += 1;
                out.entry(Vec::new()).or_default().push((over.from, Answer::failed(e.message)));
            }
            _ => return Err(e),
        }
    }
    Ok(out)
}
