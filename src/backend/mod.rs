//! Ports to the world, and one adapter a file. Knows nothing of the engine's rules: it reads, sets and tells what it is told
//! to, and reports what came of it.
//!
//! An adapter never panics, never prints, never holds a secret where `Debug` could show it, and bounds each call in time: the
//! caller gives a deadline and drops the future when it has passed, so a call must be safe to drop at any await.

pub mod buckets;
pub mod command;
pub mod command_port;
pub mod discord;
pub mod exposition;
pub mod flag;
pub mod flag_file;
mod flag_text;
pub mod haproxy;
pub mod http;
mod json_path;
pub mod notice;
mod process;
pub mod prometheus;
mod rows;
pub mod scrape;
pub mod secret;
pub mod selector;
pub mod series;
pub mod share;
pub mod slack;
pub mod teams;
mod webhook;

pub use notice::{Fact, Notice};
pub(crate) use process::quoted;
pub use rows::Rows;
pub use secret::Secret;

use crate::plan::{Answer, Ask, Millis, Missing, Setting, Time};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Why a backend did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendError {
    /// What happened, in one line, without secrets: `haproxy: no server "v3" in backend "be_checkout"`.
    pub message: String,
    /// What a person can do, in one line.
    pub help: Option<String>,
    /// Whether trying again may help: a refused connection, yes; an unknown server, no.
    pub transient: bool,
    /// How long the backend asks to be left alone (`Retry-After`), where it says so.
    pub retry_after: Option<Duration>,
}

impl BackendError {
    /// An error that trying again will not mend.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, transient: false, retry_after: None }
    }

    /// An error that may pass.
    pub fn transient(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None, transient: true, retry_after: None }
    }

    /// Adds what a person can do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl std::fmt::Display for BackendError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BackendError {}

/// A source of metrics.
#[async_trait]
pub trait Metrics: Send + Sync {
    /// Answers a question as of a planned time `at`. `since` is the time of the last answered check, for
    /// [`crate::plan::Window::SinceLast`]. `ask` has its `${where}` filled in. Staleness is not judged here: the answer carries
    /// the newest sample's own time. A failure is part of the answer.
    async fn ask(&self, ask: &Ask, at: Time, since: Option<Time>) -> Answer;

    /// Reaches the source and returns what it is (`Prometheus 2.42.0 at http://…`), or why it cannot be used.
    async fn ready(&self) -> Result<String, BackendError>;

    /// Whether [`Metrics::ask`] can be asked about times that have passed before this process started: then missed checks are
    /// back-filled, and a baseline is read at once instead of being waited for.
    fn has_history(&self) -> bool;

    /// What the source's own clock says now, so that a run does not begin on two clocks that disagree; of several clocks the
    /// one that is furthest from this machine's. `None` where the source does not say.
    async fn clock(&self) -> Result<Option<Time>, BackendError> {
        Ok(None)
    }

    /// The mean of a question's value at the points of a stretch, for a baseline: NaN and absent points are left out; with fewer
    /// than half of the points there is no mean ([`crate::plan::Missing::Empty`]). A source without history computes it from
    /// what it has collected; one that has not collected anything says so, as this default does.
    async fn mean(&self, _ask: &Ask, _over: Stretch) -> Answer {
        Answer::failed("this source keeps no past values to take a mean of")
    }

    /// As [`Metrics::ask`] at the end of a stretch, for a question whose window is all of it, for a baseline: with samples at
    /// fewer than half of its points there is no answer ([`crate::plan::Missing::Empty`]). A window answers from the samples
    /// that it has, and those of the last minute say little of the last day.
    async fn whole(&self, ask: &Ask, over: Stretch) -> Answer;

    /// What [`Metrics::ask`] (with `by` also [`Metrics::ask_by`]) would answer at each time of a stretch, for a recording; without
    /// `by` there is one slice, which has no values. Increments since the last check are of one step each. A slice has no answer at
    /// a time at which it has no row.
    ///
    /// # Errors
    /// The source did not answer, would answer with too much, or has no past that can be asked for so, as this default.
    async fn range(&self, _ask: &Ask, _by: &[String], _over: Stretch) -> Result<Ranged, BackendError> {
        Err(no_range())
    }

    /// As [`Metrics::range`], of a baseline that is `length` long and ends at each of the times: what a run that starts then would be
    /// answered. `bad_part`: it counts bad events, of which none may have existed.
    ///
    /// # Errors
    /// As [`Metrics::range`].
    async fn range_before(
        &self,
        _ask: &Ask,
        _by: &[String],
        _over: Stretch,
        _length: Millis,
        _bad_part: bool,
    ) -> Result<Ranged, BackendError> {
        Err(no_range())
    }

    /// As [`Metrics::ask`], for all slices at once: one query, however many slices there are. `by` are the labels whose values
    /// tell slices apart. A slice with more than one series is [`Missing::Ambiguous`]; one without a row has none. The error
    /// is of the question as a whole. A source that cannot be asked so says so, as this default does.
    async fn ask_by(&self, _ask: &Ask, _by: &[String], _at: Time, _since: Option<Time>) -> Result<Rows, Missing> {
        Err(not_by_slices())
    }

    /// As [`Metrics::mean`], for all slices at once.
    async fn mean_by(&self, _ask: &Ask, _by: &[String], _over: Stretch) -> Result<Rows, Missing> {
        Err(not_by_slices())
    }

    /// As [`Metrics::whole`], for all slices at once.
    async fn whole_by(&self, _ask: &Ask, _by: &[String], _over: Stretch) -> Result<Rows, Missing> {
        Err(not_by_slices())
    }
}

/// Answers by slice, of rising times.
pub type Ranged = BTreeMap<Vec<String>, Vec<(Time, Answer)>>;

fn no_range() -> BackendError {
    BackendError::permanent("this source has no range API")
        .help("bind it to `prometheus`, or record a run as it goes: `canary run … --record FILE`")
}

fn not_by_slices() -> Missing {
    Missing::Failed {
        message: String::from("this source cannot be asked for all slices at once: bind it to `prometheus`"),
    }
}

/// Times at which checks would have been made: `from`, `from + step`, … up to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch {
    /// The first.
    pub from: Time,
    /// None is later.
    pub to: Time,
    /// Their distance.
    pub step: Millis,
    /// How old a sample may be to count at one of them. A server with a history judges that by itself: it marks the end of a
    /// series.
    pub max_age: Millis,
}

/// Something that is set and read back: traffic, or a flag.
#[async_trait]
pub trait Port: Send + Sync {
    /// What it is set to now, as the backend says. A value of the wrong type, an unknown server, a missing file: an error.
    async fn read(&self) -> Result<Setting, BackendError>;

    /// Sets it. The caller reads back.
    async fn set(&self, to: Setting) -> Result<(), BackendError>;

    /// The write that this port shares with others, if it does: then several are set in one.
    fn shared(&self) -> Option<Shared> {
        None
    }

    /// How the first setting that was read is written, so that it can be put back to the byte. It is kept with the run, and
    /// given back to [`Port::remember`] by another process.
    fn memento(&self) -> Option<String> {
        None
    }

    /// Takes a memento back, before anything is read. One that cannot be understood is left.
    fn remember(&self, memento: &str) {
        let _ = memento;
    }

    /// Whether this backend can hold a setting at all, told without reaching it, so that preflight can try every phase's
    /// settings before anything changes: a share that no pair of weights makes, a count for a flag that is on or off.
    fn accepts(&self, to: Setting) -> Result<(), BackendError> {
        let _ = to;
        Ok(())
    }

    /// What a person would type to set it by hand (printed when a rollback does not hold).
    fn by_hand(&self, to: Setting) -> String;

    /// What it is, in a few words: `haproxy be_checkout at /run/haproxy.sock`.
    fn describe(&self) -> String;
}

/// A port's place in a write that it shares.
#[derive(Clone)]
pub struct Shared {
    /// The write; ports of the same write have the same one (by address).
    pub write: Arc<dyn SharedWrite>,
    /// Which of its members the port is.
    pub member: usize,
    /// Whether [`SharedWrite::read`] says all that [`Port::read`] does.
    pub together: bool,
}

/// Sets several ports at once: the values of one file.
#[async_trait]
pub trait SharedWrite: Send + Sync {
    /// Sets members, all of them or none. What `lowers` exposure is set as far as it can be: one that cannot be set does not
    /// keep the others exposed, and is the error.
    async fn write(&self, settings: &[(usize, Setting)], lowers: bool) -> Result<(), BackendError>;

    /// For how many slices one write should set members at most, so that it is done within a call's time.
    fn at_once(&self, lowers: bool) -> usize;

    /// Lets what runs read it anew, where that has to be done and was not done since the last write. It may be dropped at any
    /// await for a newer request; then it is done again after that one's write.
    async fn reload(&self) -> Result<(), BackendError>;

    /// Reads members at once, in their order.
    async fn read(&self, members: &[usize]) -> Vec<Result<Setting, BackendError>>;

    /// How long [`SharedWrite::reload`] may take; `None` where there is nothing to do.
    fn reload_within(&self) -> Option<Duration>;

    /// What it is, in a few words.
    fn describe(&self) -> String;
}

/// A channel to people.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Delivers a notice once; the caller retries when the error is transient.
    async fn notify(&self, notice: &Notice) -> Result<(), BackendError>;

    /// What it is, without its URL's secret part.
    fn describe(&self) -> String;

    /// Whether anything can be delivered at all. A channel that could not be connected (its secret is missing) keeps its notices
    /// in the store for a process that can.
    fn connected(&self) -> bool {
        true
    }
}

/// How an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionOutcome {
    /// Whether it succeeded.
    pub ok: bool,
    /// `exit status 3`, `timed out after 60s`, `ended by signal 9`, …
    pub how: String,
    /// The last 64 KiB of its standard output and error, in the order in which they came.
    pub output: String,
}

/// Something that can be run.
#[async_trait]
pub trait Runner: Send + Sync {
    /// Runs it to its end or its timeout, whichever comes first; then its whole process group has ended.
    async fn run(&self, timeout: Duration, vars: &[(String, String)]) -> ActionOutcome;

    /// Whether it could be started now, told without starting it, so that a rollout does not find out half way that its
    /// program is not there.
    fn ready(&self) -> Result<(), BackendError> {
        Ok(())
    }

    /// What it is: its argument list.
    fn describe(&self) -> String;
}
