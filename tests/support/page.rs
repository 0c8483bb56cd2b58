//! A metrics page whose text the test decides, and a flag file that is watched from outside.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A page at `http://127.0.0.1:PORT/metrics`.
pub struct Page {
    pub port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Page {
    /// Each read of the page calls `text`; none: the connection is dropped, as by a service that died.
    pub fn start(text: impl Fn() -> Option<String> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(mut stream), Some(body)) = (stream, text()) else { continue };
                let mut asked: Vec<u8> = Vec::new();
                let mut part = [0; 1024];
                while !asked.windows(4).any(|w| w == b"\r\n\r\n") {
                    match stream.read(&mut part) {
                        Ok(n) if n > 0 => asked.extend(&part[..n]),
                        _ => break,
                    }
                }
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { port, stop, thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.port)
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = std::net::TcpStream::connect(("127.0.0.1", self.port));
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}

/// What the flag stands at, from 0 to 1 (the file holds per cent).
pub fn flag(file: &Path) -> f64 {
    // a reader never meets half a file: that is a promise of the port too
    let value: serde_json::Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    value["checkout"].as_f64().unwrap() / 100.0
}

/// Reads the flag file all the time.
pub struct Watched {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Vec<(i64, f64)>>>,
}

impl Watched {
    pub fn start(file: PathBuf) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut seen: Vec<(i64, f64)> = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let value = flag(&file);
                if seen.last().is_none_or(|(_, last)| *last != value) {
                    seen.push((now(), value));
                }
                std::thread::sleep(Duration::from_millis(2));
            }
            seen
        });
        Self { stop, thread: Some(thread) }
    }

    /// All changes: when, to what.
    pub fn end(mut self) -> Vec<(i64, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

/// Milliseconds since 1970.
pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A number that the test and the page share.
#[derive(Clone, Default)]
pub struct Dial(Arc<Mutex<f64>>);

impl Dial {
    pub fn set(&self, to: f64) {
        *self.0.lock().unwrap() = to;
    }

    pub fn get(&self) -> f64 {
        *self.0.lock().unwrap()
    }
}

pub use super::canary::Work;

/// The policy `flag.canary` on the environment `page`: the flag stands at 0, the watched gauge is what `harm` says of the flag.
pub struct Flagged {
    pub work: Work,
    pub page: Page,
    pub file: PathBuf,
}

impl Flagged {
    pub fn new(harm: impl Fn(f64) -> f64 + Send + 'static) -> Self {
        let work = Work::new("flag.canary", &["page"]);
        let file = work.path("flags.json");
        std::fs::write(&file, "{\n  \"checkout\": 0\n}\n").unwrap();
        let read = file.clone();
        let page = Page::start(move || {
            // some tests take the file away
            let flag = if read.is_file() { flag(&read) } else { 0.0 };
            Some(format!("# TYPE error_share gauge\nerror_share {}\n", harm(flag)))
        });
        let work = work.with("METRICS_URL", page.url()).with("FLAG_FILE", file.to_str().unwrap());
        Self { work, page, file }
    }

    pub fn flag(&self) -> f64 {
        flag(&self.file)
    }
}
