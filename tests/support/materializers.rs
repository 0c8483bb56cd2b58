//! The materializers: a service that does attempts all the time, by the variables that it was last restarted with, and shows what
//! it counts on its own `/metrics` page. There is no Prometheus.

use super::http::{Pages, Reply};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Attempts a second, counted as due since the start: a machine that stalls does not change the rate.
const ATTEMPTS: f64 = 200.0;

/// What the test sets, and what the service has seen and done.
#[derive(Debug)]
pub struct State {
    /// The share of successes that the page shows, from 0 to 1.
    pub success: f64,
    /// The share of attempts that fail.
    pub errors: f64,
    /// The depth of the queue that the page shows.
    pub queue: u64,
    /// Per cent as the attempts found them, repetitions left out; 0 while the switch is off.
    pub seen: Vec<f64>,
    /// Why the flags could not be read.
    pub unread: Vec<String>,
    attempted: u64,
    failed: u64,
    due: f64,
}

/// Runs until it is dropped.
pub struct Materializers {
    pub state: Arc<Mutex<State>>,
    url: String,
    stop: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
    pages: Option<Pages>,
}

impl Materializers {
    /// All is well, until the test says otherwise.
    pub fn start(flags: PathBuf) -> Self {
        let state = Arc::new(Mutex::new(State {
            success: 0.99,
            errors: 0.01,
            queue: 20,
            seen: Vec::new(),
            unread: Vec::new(),
            attempted: 0,
            failed: 0,
            due: 0.0,
        }));
        let shown = Arc::clone(&state);
        let pages = Pages::serve(move |_| Reply::text(&page(&shown.lock().unwrap())));
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, worked) = (Arc::clone(&stop), Arc::clone(&state));
        let worker = std::thread::spawn(move || {
            let (begin, mut done) = (Instant::now(), 0_u64);
            while !stopped.load(Ordering::Relaxed) {
                if (done as f64) < begin.elapsed().as_secs_f64() * ATTEMPTS {
                    let percent = read(&flags);
                    attempt(&mut worked.lock().unwrap(), percent);
                    done += 1;
                } else {
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        });
        Self { state, url: pages.url() + "/metrics", stop, worker: Some(worker), pages: Some(pages) }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// What the attempts found, in order; each of them found a whole file.
    #[track_caller]
    pub fn seen(&self) -> Vec<f64> {
        let state = self.state.lock().unwrap();
        assert_eq!(state.unread, [] as [&str; 0]);
        state.seen.clone()
    }

    pub fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Its page is gone from now on.
    pub fn die(&mut self) {
        self.pages = None;
    }
}

impl Drop for Materializers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn read(file: &Path) -> Result<f64, String> {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let value = |name: &str| {
        let line = text.lines().find_map(|l| l.trim_start_matches("export ").strip_prefix(name)?.strip_prefix('='));
        let value = line.map(|l| l.split(" #").next().unwrap_or(l).trim().trim_matches(['"', '\'']));
        value.map(str::to_owned).ok_or(format!("no {name} in {text:?}"))
    };
    let on = match value("ASYNC_MATERIALIZERS")?.as_str() {
        "on" => true,
        "off" => false,
        other => return Err(format!("the switch is {other:?}")),
    };
    let percent: f64 = value("MATERIALIZERS_PCT")?.parse().map_err(|e| format!("{e} in {text:?}"))?;
    Ok(if on { percent } else { 0.0 })
}

fn attempt(state: &mut State, percent: Result<f64, String>) {
    match percent {
        Ok(p) if state.seen.last() != Some(&p) => state.seen.push(p),
        Ok(_) => {}
        Err(why) => state.unread.push(why),
    }
    state.attempted += 1;
    state.due += state.errors;
    if state.due > 0.9999 {
        (state.due, state.failed) = (state.due - 1.0, state.failed + 1);
    }
}

fn page(s: &State) -> String {
    format!(
        "# TYPE materializer_success_rate gauge\nmaterializer_success_rate {}\n\
         # TYPE materializer_attempts_total counter\nmaterializer_attempts_total {}\n\
         # TYPE materializer_errors_total counter\nmaterializer_errors_total {}\n\
         # TYPE async_queue_depth gauge\nasync_queue_depth {}\n",
        s.success, s.attempted, s.failed, s.queue
    )
}
