//! Asks everything that a check of all slices needs: one grouped question an input, and the ports of all slices, those of one
//! file by one read.

use crate::backend::{Port, Rows, SharedWrite, Stretch};
use crate::engine::fleet::{Observed, SliceId};
use crate::plan::{Answer, Ask, InputId, Missing, Plan, Population, PortId, Setting, Time};
use crate::runtime::backends::Backends;
use crate::runtime::fetch::{matchers, with_help};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Commands that may run at once, so that a thousand slices do not start a thousand processes.
pub const AT_ONCE: usize = 16;

/// What one input was answered.
#[derive(Debug, Clone)]
pub enum Reply {
    /// Nobody asked.
    Unasked,
    /// A row a slice.
    Rows(Rows),
    /// One answer for all of them: a question that is not split, or one that failed.
    All(Answer),
}

impl Reply {
    /// Whether anybody was answered.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        match self {
            Self::Unasked => false,
            Self::Rows(rows) => rows.by_slice.values().any(|a| a.value.is_ok()),
            Self::All(answer) => answer.value.is_ok(),
        }
    }
}

/// A row's values in the order of the plan's dimensions; `None` where the question is split by other labels.
#[must_use]
pub fn in_order<'r>(plan: &Plan, input: InputId, row: &'r [String]) -> Option<Vec<&'r str>> {
    let by = &plan.inputs.get(input.index())?.by;
    let place = |label: &String| by.iter().position(|b| b == label);
    plan.slices.iter().map(|d| Some(row.get(place(&d.label)?)?.as_str())).collect()
}

/// The values that the rows of the plan's dimensions tell of, each once.
#[must_use]
pub fn seen<'r>(plan: &Plan, replies: &'r [Reply]) -> BTreeSet<Vec<&'r str>> {
    let mut seen = BTreeSet::new();
    for input in &plan.seen_in {
        if let Some(Reply::Rows(rows)) = replies.get(input.index()) {
            seen.extend(rows.by_slice.keys().filter_map(|row| in_order(plan, *input, row)));
        }
    }
    seen
}

/// Asks all inputs but those of the baseline, as of `at`.
pub async fn inputs(
    plan: &Plan,
    backends: &Backends,
    sinces: &[Option<Time>],
    at: Time,
    within: Duration,
    history_only: bool,
) -> Vec<Reply> {
    let mut tasks: JoinSet<(usize, Reply)> = JoinSet::new();
    let mut replies = vec![Reply::Unasked; plan.inputs.len()];
    for (i, input) in plan.inputs.iter().enumerate() {
        if input.population == Population::Before {
            continue;
        }
        let Some(source) = backends.sources.get(&input.source).cloned() else { continue };
        if history_only && !source.has_history() {
            continue;
        }
        let ask = input.ask.filled(matchers(backends, input.population));
        let (from, by) = (sinces.get(i).copied().flatten(), input.by.clone());
        tasks.spawn(async move {
            let answering = async {
                if by.is_empty() {
                    return Reply::All(source.ask(&ask, at, from).await);
                }
                match source.ask_by(&ask, &by, at, from).await {
                    Ok(rows) => Reply::Rows(rows),
                    Err(why) => Reply::All(Answer::missing(why)),
                }
            };
            let late = || Answer::failed(format!("no answer within {}ms", within.as_millis()));
            let reply = tokio::time::timeout(within, answering).await.unwrap_or_else(|_| Reply::All(late()));
            // a check that was missed and cannot be made up for stays missed; it says nothing of the source
            let failed = matches!(&reply, Reply::All(a) if matches!(a.value, Err(Missing::Failed { .. })));
            (i, if history_only && failed { Reply::Unasked } else { reply })
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Ok((i, reply)) = done
            && let Some(slot) = replies.get_mut(i)
        {
            *slot = reply;
        }
    }
    replies
}

/// Asks for the baseline of all slices at once, over the stretch that ends at `at`.
pub async fn baseline(plan: &Plan, backends: &Backends, at: Time, within: Duration) -> Vec<Reply> {
    let mut out = vec![Reply::Unasked; plan.inputs.len()];
    let Some(length) = plan.baseline else { return out };
    let mut tasks: JoinSet<(usize, Reply)> = JoinSet::new();
    for (i, input) in plan.inputs.iter().enumerate().filter(|(_, i)| i.population == Population::Before) {
        let Some(source) = backends.sources.get(&input.source).cloned() else { continue };
        let ask = input.ask.filled(matchers(backends, Population::Before));
        let over = Stretch { from: at - length, to: at, step: plan.check_every, max_age: input.max_age };
        let (by, bad_part) = (input.by.clone(), plan.is_bad_part(InputId::at(i)));
        tasks.spawn(async move {
            let answering = async {
                let rows = match &ask {
                    Ask::Gauge(_) | Ask::PromQl { .. } => source.mean_by(&ask, &by, over).await,
                    // it began to exist with the first bad event: before, none were counted
                    Ask::Increase(..) if bad_part => source.ask_by(&ask, &by, at, None).await,
                    Ask::Increase(..) | Ask::Buckets(..) => source.whole_by(&ask, &by, over).await,
                };
                match rows {
                    Ok(rows) => Reply::Rows(rows),
                    Err(why) => Reply::All(Answer::missing(why)),
                }
            };
            let late = || Answer::failed(format!("no answer within {}ms", within.as_millis()));
            (i, tokio::time::timeout(within, answering).await.unwrap_or_else(|_| Reply::All(late())))
        });
    }
    while let Some(done) = tasks.join_next().await {
        if let Ok((i, reply)) = done
            && let Some(slot) = out.get_mut(i)
        {
            *slot = reply;
        }
    }
    out
}

/// The baselines of all slices, by input: each slice's is looked up, where looking for it among the rows would be quadratic.
pub struct Baselines<'r>(Vec<OfInput<'r>>);

/// The baseline of one input.
enum OfInput<'r> {
    Unasked,
    All(&'r Answer),
    Rows(BTreeMap<Vec<&'r str>, &'r Answer>),
}

impl<'r> Baselines<'r> {
    /// Of what was answered.
    #[must_use]
    pub fn of(plan: &Plan, replies: &'r [Reply]) -> Self {
        let one = |(i, reply): (usize, &'r Reply)| match reply {
            Reply::Unasked => OfInput::Unasked,
            Reply::All(answer) => OfInput::All(answer),
            Reply::Rows(rows) => {
                let rows = rows.by_slice.iter();
                OfInput::Rows(rows.filter_map(|(row, a)| Some((in_order(plan, InputId::at(i), row)?, a))).collect())
            }
        };
        Self(replies.iter().enumerate().map(one).collect())
    }

    /// Of one slice, by its values.
    #[must_use]
    pub fn slice(&self, values: &[String]) -> Vec<Option<Answer>> {
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let one = |input: &OfInput<'r>| match input {
            OfInput::Unasked => None,
            OfInput::All(answer) => Some((*answer).clone()),
            OfInput::Rows(rows) => Some(match rows.get(&values) {
                Some(answer) => (*answer).clone(),
                None => Answer::missing(Missing::Empty { others: Some(!rows.is_empty()) }),
            }),
        };
        self.0.iter().map(one).collect()
    }
}

/// Enters replies as the answers of all slices that are known.
pub fn enter(plan: &Plan, replies: &[Reply], known: impl Fn(&[&str]) -> Option<SliceId>, observed: &mut Observed) {
    for (i, reply) in replies.iter().enumerate() {
        let input = InputId::at(i);
        match reply {
            Reply::Unasked => {}
            Reply::All(answer) => observed.everyone(input, answer),
            Reply::Rows(rows) => {
                let rows = rows.by_slice.iter();
                let rows = rows.filter_map(|(row, a)| Some((known(&in_order(plan, input, row)?)?, a.clone())));
                observed.grouped(input, rows);
            }
        }
    }
}

/// A port of a slice, to be read.
#[derive(Clone)]
pub struct Wanted {
    /// Whose.
    pub slice: SliceId,
    /// Which.
    pub port: PortId,
    /// Where it stands.
    pub at: Arc<dyn Port>,
}

/// What a port was read as; why not, in one line.
pub type Read = (SliceId, PortId, Result<Setting, String>);

/// A write, and the ports that are members of it.
type OfWrite = (Arc<dyn SharedWrite>, Vec<(usize, Wanted)>);

/// Reads ports, each within so long; those that share a write by one read.
pub async fn ports(wanted: Vec<Wanted>, within: Duration) -> Vec<Read> {
    let mut shared: Vec<OfWrite> = Vec::new();
    let mut alone = Vec::new();
    for w in wanted {
        match w.at.shared().filter(|s| s.together) {
            Some(s) => match shared.iter_mut().find(|(write, _)| Arc::ptr_eq(write, &s.write)) {
                Some((_, members)) => members.push((s.member, w)),
                None => shared.push((s.write, vec![(s.member, w)])),
            },
            None => alone.push(w),
        }
    }
    let mut tasks: JoinSet<Vec<Read>> = JoinSet::new();
    for (write, members) in shared {
        tasks.spawn(async move {
            let indices: Vec<usize> = members.iter().map(|(i, _)| *i).collect();
            let late = || format!("{}: no answer within {}ms", write.describe(), within.as_millis());
            let each: Vec<Result<Setting, String>> = match tokio::time::timeout(within, write.read(&indices)).await {
                Ok(each) => each.into_iter().map(|r| r.map_err(|e| with_help(&e))).collect(),
                Err(_) => members.iter().map(|_| Err(late())).collect(),
            };
            members.into_iter().zip(each).map(|((_, w), read)| (w.slice, w.port, read)).collect()
        });
    }
    let turns = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    for w in alone {
        let turns = Arc::clone(&turns);
        tasks.spawn(async move {
            let reading = async {
                let _turn = turns.acquire().await;
                w.at.read().await
            };
            let read = match tokio::time::timeout(within, reading).await {
                Ok(Ok(setting)) => Ok(setting),
                Ok(Err(e)) => Err(with_help(&e)),
                Err(_) => Err(format!("{}: no answer within {}ms", w.at.describe(), within.as_millis())),
            };
            vec![(w.slice, w.port, read)]
        });
    }
    let mut out = Vec::new();
    while let Some(done) = tasks.join_next().await {
        out.extend(done.unwrap_or_default());
    }
    out
}
