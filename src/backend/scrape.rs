//! A metric source for those who have no Prometheus: reads the `/metrics` pages of a few targets itself, keeps their samples
//! in memory for a while, and answers the same questions from them.
//!
//! Where the two differ from each other: nothing is extrapolated here, so an increase is what the samples say, where
//! Prometheus' `increase` is a fraction of a scrape interval more; and since the pages between two samples are known, a counter
//! that is born inside a window counts from zero, where `increase` begins at its first sample.

mod store;

use super::exposition::{self, Exposed, Format};
use super::http::{Auth, BODY_LIMIT, Endpoint, Redirects, exchange, one_line};
use super::{BackendError, Metrics, Secret, Stretch, http};
use crate::plan::{Answer, Ask, Millis, Time};
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

pub use store::{Limits, Store};

/// What to read, and how often.
#[derive(Debug, Clone)]
pub struct ScrapeConfig {
    /// The pages. May carry `user:password@` and a query; neither is ever shown.
    pub urls: Vec<Secret>,
    /// Distance between two reads of a page.
    pub every: Duration,
    /// How long one read may take; never longer than 10 s.
    pub timeout: Duration,
    /// How long samples are kept: the longest window that is asked, and five minutes.
    pub keep: Duration,
    /// How many series all pages may have together. A sample that differs from the one before it takes 24 bytes; with the
    /// defaults the worst case, in which every series changes with every read, is 430 MB, and what is usual less than a tenth.
    pub max_series: usize,
    /// A bearer token for all pages.
    pub bearer: Option<Secret>,
}

impl ScrapeConfig {
    /// Every 2 s, kept for an hour, at most 10,000 series.
    pub fn new(urls: impl IntoIterator<Item = Secret>) -> Self {
        Self {
            urls: urls.into_iter().collect(),
            every: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            keep: Duration::from_secs(3600),
            max_series: 10_000,
            bearer: None,
        }
    }
}

/// Pages that are read in the background until this is dropped.
#[derive(Debug)]
pub struct Scrape {
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
    /// How long [`Metrics::ready`] waits for the first pages.
    patience: Duration,
}

#[derive(Debug)]
struct Shared {
    store: Mutex<Store>,
    /// By target: how far its clock was ahead of this machine's when its page was last read.
    ahead: Mutex<Vec<Option<Millis>>>,
    /// Changes with every page.
    pages: watch::Sender<u64>,
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scrape {
    /// Starts reading. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// No page, a URL that cannot be used, two kinds of credentials, a distance of zero, no runtime.
    pub fn start(config: &ScrapeConfig) -> Result<Self, BackendError> {
        let runtime =
            Handle::try_current().map_err(|e| BackendError::permanent(format!("scrape: it cannot be started: {e}")))?;
        if config.urls.is_empty() {
            return Err(BackendError::permanent("scrape: there is no page to read")
                .help("name at least one: `scrape(urls: [\"http://127.0.0.1:8080/metrics\"])`"));
        }
        if config.every.is_zero() {
            return Err(BackendError::permanent("scrape: the distance between two reads must be more than 0s"));
        }
        let timeout = config.timeout.min(Duration::from_secs(10));
        let mut targets = Vec::new();
        for url in &config.urls {
            targets.push(Target::new(url, config.bearer.as_ref(), timeout)?);
        }
        let limits = Limits { keep: millis(config.keep), every: millis(config.every), max_series: config.max_series };
        let names = targets.iter().map(|t| (t.endpoint.shown(), t.endpoint.host_port()));
        let shared = Arc::new(Shared {
            store: Mutex::new(Store::new(names, limits)),
            ahead: Mutex::new(vec![None; targets.len()]),
            pages: watch::Sender::new(0),
        });
        let tasks = targets
            .into_iter()
            .enumerate()
            .map(|(i, target)| runtime.spawn(read_forever(i, target, Arc::clone(&shared), config.every)))
            .collect();
        Ok(Self { shared, tasks, patience: timeout + Duration::from_secs(1) })
    }
}

impl Drop for Scrape {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn millis(d: Duration) -> Millis {
    Millis::try_from(d.as_millis()).unwrap_or(Millis::MAX)
}

#[derive(Debug)]
struct Target {
    endpoint: Endpoint,
    client: reqwest::Client,
    auth: Auth,
    timeout: Duration,
}

impl Target {
    fn new(url: &Secret, bearer: Option<&Secret>, timeout: Duration) -> Result<Self, BackendError> {
        let endpoint = Endpoint::parse(url).map_err(|e| BackendError { message: format!("scrape: {e}"), ..e })?;
        let auth = match (bearer, endpoint.auth()) {
            (None, auth) => auth.clone(),
            (Some(token), Auth::None) => Auth::Bearer(token.clone()),
            (Some(_), _) => {
                return Err(BackendError::permanent(format!(
                    "scrape of {}: it is given two kinds of credentials",
                    endpoint.shown()
                ))
                .help("keep the bearer token or the credentials in the URL"));
            }
        };
        Ok(Self { client: http::client(&endpoint, timeout, Redirects::Follow)?, endpoint, auth, timeout })
    }

    /// Reads the page once; the error is one line without secrets. Beside it, how far the server's clock is ahead.
    async fn read(&self) -> (Result<Vec<Exposed>, String>, Option<Millis>) {
        let began = now();
        let mut date = None;
        let page = self.page(&mut date).await;
        // somewhere between the request and the answer the server has read its clock
        (page, date.map(|d: Time| d - d.clamp(began, now().max(began))))
    }

    async fn page(&self, date: &mut Option<Time>) -> Result<Vec<Exposed>, String> {
        let request = self.client.get(self.endpoint.url().clone()).header(
            reqwest::header::ACCEPT,
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        );
        let named = |words: &str| format!("scrape of {}: {}", self.endpoint.shown(), self.auth.redact(words));
        let got = exchange(self.auth.apply(request), self.timeout, BODY_LIMIT).await.map_err(|e| named(&e.message))?;
        *date = got.date;
        if !got.status.is_success() {
            let said = if got.is_html() { String::new() } else { one_line(&got.text()) };
            let colon = if said.is_empty() { "" } else { ": " };
            return Err(named(&format!("it answers {}{colon}{said}", got.status)));
        }
        if got.is_html() {
            return Err(named("it is a web page, not a page of metrics"));
        }
        let text = std::str::from_utf8(&got.body).map_err(|e| {
            let before = got.body.get(..e.valid_up_to()).unwrap_or(&[]);
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            named(&format!("line {line}: not UTF-8"))
        })?;
        exposition::parse(text, Format::of(&got.content_type, text)).map_err(|e| named(&e.to_string()))
    }
}

async fn read_forever(index: usize, target: Target, shared: Arc<Shared>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let began = now();
        let (page, ahead) = target.read().await;
        if let Some(slot) = shared.ahead.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            *slot = ahead;
        }
        shared.store().page(index, began, page);
        shared.pages.send_modify(|n| *n += 1);
    }
}

fn now() -> Time {
    chrono::Utc::now().timestamp_millis()
}

#[async_trait]
impl Metrics for Scrape {
    async fn ask(&self, ask: &Ask, at: Time, since: Option<Time>) -> Answer {
        self.shared.store().answer(ask, at, since)
    }

    /// Waits for the first read of every page.
    async fn ready(&self) -> Result<String, BackendError> {
        let mut pages = self.shared.pages.subscribe();
        let first_pages = async {
            while !self.shared.store().all_tried() {
                if pages.changed().await.is_err() {
                    break;
                }
            }
        };
        // when time is up, the store says which page is missing
        let _ = tokio::time::timeout(self.patience, first_pages).await;
        self.shared.store().status().map_err(BackendError::transient)
    }

    fn has_history(&self) -> bool {
        false
    }

    async fn clock(&self) -> Result<Option<Time>, BackendError> {
        let ahead = self.shared.ahead.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(ahead.into_iter().flatten().max_by_key(|a| a.abs()).map(|a| now() + a))
    }

    async fn mean(&self, ask: &Ask, over: Stretch) -> Answer {
        self.shared.store().mean(ask, over)
    }

    async fn whole(&self, ask: &Ask, over: Stretch) -> Answer {
        self.shared.store().whole(ask, over)
    }
}
