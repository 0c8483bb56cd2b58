//! What a run shows while it goes on. The shells implement [`Observer`]; the executor knows nothing of terminals.

use crate::engine::{Record, State};
use crate::plan::{Answer, Plan, Setting, Time};

/// What can be seen after each check.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The plan.
    pub plan: &'a Plan,
    /// The engine's state.
    pub state: &'a State,
    /// The run's id.
    pub run: &'a str,
    /// What every input was answered at the last check.
    pub answers: &'a [Answer],
    /// What every port was last read as.
    pub ports: &'a [Option<Setting>],
    /// When the next check is planned.
    pub next_check: Time,
    /// What stands in the way at the moment: a store out of reach, a backend that does not answer.
    pub troubles: &'a [String],
}

/// Someone who watches a run.
pub trait Observer: Send {
    /// A transition was journalled.
    fn record(&mut self, at: Time, record: &Record);

    /// A transition of one slice of a sliced rollout was journalled; `slice` as people write it: `severity=low,tenant=acme`.
    fn of_slice(&mut self, at: Time, slice: &str, record: &Record);

    /// A check was made, or something changed between checks.
    fn view(&mut self, view: View<'_>);

    /// Something that is no transition but worth a line: preflight progress, an attempt that failed, a notice that could not
    /// be delivered.
    fn remark(&mut self, at: Time, text: &str);
}
