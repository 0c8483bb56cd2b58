//! The workflow service of the M4 rollout: an HTTP service that reads the flag file at each request, as the real one does, and
//! shows real series on `/metrics`. A driver sends it a fixed number of workflows a second.

use super::http::{Pages, Reply};
use super::load::exchange;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Workflows a second. The driver counts what is due since it began, so that a machine that stalls does not change the rate.
pub const WORKFLOWS: f64 = 50.0;
/// How long a workflow takes, in seconds.
const USUAL: f64 = 0.2;
const BOUNDS: [f64; 6] = [0.1, 0.25, 0.5, 1.0, 2.5, f64::INFINITY];

/// What the flag does to the service.
#[derive(Debug, Clone, Copy, Default)]
pub struct Character {
    /// Share of workflows that fail.
    pub errors: f64,
    /// The same while the flag is on.
    pub errors_on: f64,
    /// By how many seconds the flag slows a workflow down. It is reported, not slept: a workflow is a job, and who asks for one
    /// does not wait for it.
    pub slower_on: f64,
    /// Share of workflows that do not match their golden record while the flag is on.
    pub mismatches_on: f64,
}

#[derive(Debug, Default)]
struct Counts {
    total: u64,
    errors: u64,
    mismatches: u64,
    /// By bound, not cumulative.
    durations: [u64; 6],
    sum: f64,
    /// What has gathered towards the next error and mismatch: exact shares, no chance.
    due: (f64, f64),
    /// Why the flags could not be read.
    unread: Vec<String>,
    /// Flags as each workflow found them, repetitions left out: (catalog, hints).
    seen: Vec<(bool, bool)>,
}

/// Runs until it is dropped.
pub struct Nova {
    pub port: u16,
    counts: Arc<Mutex<Counts>>,
    stop: Arc<AtomicBool>,
    driver: Option<JoinHandle<()>>,
    pages: Option<Pages>,
}

impl Nova {
    pub fn start(flags: PathBuf, character: Character) -> Self {
        let counts: Arc<Mutex<Counts>> = Arc::default();
        let of_pages = Arc::clone(&counts);
        let pages = Pages::serve(move |request| match request.path.as_str() {
            "/metrics" => Reply::text(&page(&of_pages.lock().unwrap())),
            _ => {
                let flags = read(&flags);
                let mut counts = of_pages.lock().unwrap();
                match flags {
                    Ok(flags) => workflow(&mut counts, character, flags),
                    Err(why) => counts.unread.push(why),
                }
                Reply::text("done\n")
            }
        });
        let (port, stop) = (pages.port, Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop);
        let driver = std::thread::spawn(move || {
            let (begin, mut sent) = (Instant::now(), 0_u64);
            while !stopped.load(Ordering::Relaxed) {
                if (sent as f64) < begin.elapsed().as_secs_f64() * WORKFLOWS {
                    // a service that died is what one of the tests is about
                    let _ = exchange(port, "POST /run HTTP/1.0\r\n\r\n");
                    sent += 1;
                } else {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
        Self { port, counts, stop, driver: Some(driver), pages: Some(pages) }
    }

    /// The flags (catalog, hints) as the workflows found them, in order; each of them found a whole file.
    #[track_caller]
    pub fn seen(&self) -> Vec<(bool, bool)> {
        let counts = self.counts.lock().unwrap();
        assert_eq!(counts.unread, [] as [&str; 0]);
        counts.seen.clone()
    }

    /// Its port is closed from now on.
    pub fn die(&mut self) {
        self.pages = None;
    }
}

impl Drop for Nova {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(driver) = self.driver.take() {
            let _ = driver.join();
        }
    }
}

/// The two flags. A reader never meets half a file: that is a promise of the port.
fn read(file: &Path) -> Result<(bool, bool), String> {
    let text = std::fs::read_to_string(file).map_err(|e| e.to_string())?;
    let flags: serde_json::Value = serde_json::from_str(&text).map_err(|e| format!("{e} in {text:?}"))?;
    let flag = |name: &str| flags[name].as_bool().ok_or(format!("no {name} in {text:?}"));
    Ok((flag("failure_catalog")?, flag("failure_hints")?))
}

fn workflow(counts: &mut Counts, character: Character, flags: (bool, bool)) {
    if counts.seen.last() != Some(&flags) {
        counts.seen.push(flags);
    }
    let on = flags.0;
    counts.total += 1;
    counts.due.0 += if on { character.errors_on } else { character.errors };
    counts.due.1 += if on { character.mismatches_on } else { 0.0 };
    // not exactly 1: ten times a tenth is a little less
    if counts.due.0 > 0.9999 {
        (counts.due.0, counts.errors) = (counts.due.0 - 1.0, counts.errors + 1);
    }
    if counts.due.1 > 0.9999 {
        (counts.due.1, counts.mismatches) = (counts.due.1 - 1.0, counts.mismatches + 1);
    }
    let took = USUAL + if on { character.slower_on } else { 0.0 };
    let bound = BOUNDS.iter().position(|b| took <= *b).unwrap();
    counts.durations[bound] += 1;
    counts.sum += took;
}

fn page(counts: &Counts) -> String {
    let mut out = format!("# TYPE nova_workflow_total counter\nnova_workflow_total {}\n", counts.total);
    // series that nobody has counted in yet do not exist, as with most client libraries' labels
    for (name, n) in [("nova_workflow_error_total", counts.errors), ("nova_golden_mismatch_total", counts.mismatches)] {
        if n > 0 {
            writeln!(out, "# TYPE {name} counter\n{name} {n}").unwrap();
        }
    }
    let name = "nova_workflow_duration_seconds";
    writeln!(out, "# TYPE {name} histogram").unwrap();
    let mut below = 0;
    for (bound, n) in BOUNDS.iter().zip(counts.durations) {
        below += n;
        let le = if bound.is_finite() { bound.to_string() } else { String::from("+Inf") };
        writeln!(out, "{name}_bucket{{le=\"{le}\"}} {below}").unwrap();
    }
    writeln!(out, "{name}_sum {}\n{name}_count {below}", counts.sum).unwrap();
    out
}
