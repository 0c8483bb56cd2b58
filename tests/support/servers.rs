//! What a checkout service stands on: two instances, HAProxy in front of them, Prometheus that scrapes both every second, and
//! customers.

use super::canary::{Live, Service, Work};
use super::load::{Load, exchange};
use super::{Server, eventually, free_port};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// All of it; stopped by process id when it is dropped.
pub struct Servers {
    pub work: Work,
    pub v1: Service,
    pub v2: Service,
    pub prometheus: Prometheus,
    pub haproxy: Haproxy,
    // last: customers go when everything else is gone
    _load: Load,
}

impl Servers {
    /// Started, scraped, and under load: about 160 requests a second, all of them to v1. None where a server is not installed.
    pub fn start() -> Option<Self> {
        if !super::require("haproxy") || !super::require("prometheus") {
            return None;
        }
        Some(Self::on(Work::new("checkout.canary", &["servers"]), 8))
    }

    /// The same for what a folder holds, with so many customers, each of whom asks 20 times a second at most.
    pub fn on(work: Work, customers: usize) -> Self {
        let (v1, v2) = (Service::start("v1"), Service::start("v2"));
        let haproxy = Haproxy::start(work.folder.path(), v1.port, v2.port);
        let load = Load::start(haproxy.port, customers, Duration::from_millis(50));
        let prometheus = Prometheus::start(work.folder.path(), &[v1.port, v2.port]);
        let work = work
            .with("PROMETHEUS_URL", format!("http://127.0.0.1:{}", prometheus.port))
            .with("HAPROXY_SOCKET", haproxy.socket.to_str().unwrap());
        // enough samples for a rate over four seconds
        eventually("Prometheus has scraped both versions", || {
            prometheus.value("min(count_over_time(up[4s]) * up)").is_some_and(|v| v >= 3.0)
        });
        Self { work, v1, v2, prometheus, haproxy, _load: load }
    }

    /// `canary run` with more arguments.
    pub fn run(&self, more: &[&str]) -> Live {
        let mut args = vec!["run", "checkout.canary", "--env", "servers"];
        args.extend(more);
        self.work.start(&args)
    }
}

/// A Prometheus with a folder of its own.
pub struct Prometheus {
    pub port: u16,
    folder: std::path::PathBuf,
    server: Option<Server>,
}

impl Prometheus {
    /// Started in a folder of its own below `folder`; it scrapes ports of the loopback interface every second.
    pub fn start(folder: &Path, targets: &[u16]) -> Self {
        let folder = folder.join("prometheus");
        std::fs::create_dir(&folder).unwrap();
        let targets: Vec<String> = targets.iter().map(|p| format!("'127.0.0.1:{p}'")).collect();
        let config = format!(
            "global:
  scrape_interval: 1s
  scrape_timeout: 1s
  query_log_file: {}
scrape_configs:
  - job_name: checkout
    static_configs:
      - targets: [{}]
",
            folder.join("queries.log").display(),
            targets.join(", ")
        );
        std::fs::write(folder.join("prometheus.yml"), config).unwrap();
        let mut prometheus = Self { port: free_port(), folder, server: None };
        prometheus.restart();
        prometheus
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Its process; none while it is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Server::pid)
    }

    /// Every query that it was asked, and as of when, by its own log.
    pub fn queries(&self) -> Vec<(String, String)> {
        let log = std::fs::read_to_string(self.folder.join("queries.log")).unwrap_or_default();
        let lines = log.lines().filter_map(|l| serde_json::from_str::<serde_json::Value>(l).ok());
        let text = |v: &serde_json::Value| v.as_str().unwrap_or("").to_owned();
        lines.map(|l| (text(&l["params"]["query"]), text(&l["params"]["end"]))).collect()
    }

    /// Starts it, with the data it had, and waits until it answers.
    pub fn restart(&mut self) {
        let log = std::fs::File::create(self.folder.join("log")).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", self.folder.join("prometheus.yml").display()))
            .arg(format!("--storage.tsdb.path={}", self.folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port))
            .arg("--log.level=warn")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(Server::of(child));
        eventually("Prometheus is ready", || {
            exchange(self.port, "GET /-/ready HTTP/1.0\r\n\r\n").is_ok_and(|a| a.starts_with("HTTP/1.0 200"))
        });
    }

    /// What a query answers now: its first series.
    pub fn value(&self, query: &str) -> Option<f64> {
        let query: String = query.bytes().map(|b| format!("%{b:02x}")).collect();
        let answer = exchange(self.port, &format!("GET /api/v1/query?query={query} HTTP/1.0\r\n\r\n")).ok()?;
        let body: serde_json::Value = serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()?;
        body["data"]["result"][0]["value"][1].as_str()?.parse().ok()
    }
}

/// An HAProxy in front of both services; `v2` begins with weight 0.
pub struct Haproxy {
    pub port: u16,
    pub socket: std::path::PathBuf,
    server: Server,
}

impl Haproxy {
    fn start(folder: &Path, v1: u16, v2: u16) -> Self {
        let (port, socket) = (free_port(), folder.join("admin.sock"));
        let config = format!(
            "global
  stats socket {} mode 600 level admin
defaults
  mode http
  timeout connect 1s
  timeout client 2s
  timeout server 2s
frontend entry
  bind 127.0.0.1:{port}
  default_backend be_checkout
backend be_checkout
  balance roundrobin
  server v1 127.0.0.1:{v1} weight 100
  server v2 127.0.0.1:{v2} weight 0
",
            socket.display()
        );
        let file = folder.join("haproxy.cfg");
        std::fs::write(&file, config).unwrap();
        let log = std::fs::File::create(folder.join("haproxy.log")).unwrap();
        let child = Command::new("haproxy")
            .env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin")
            .args(["-db", "-f"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let server = Server::of(child);
        eventually("HAProxy is ready", || UnixStream::connect(&socket).is_ok());
        Self { port, socket, server }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.pid()
    }

    /// Sets the canary's share behind everybody's back, in per cent.
    pub fn drift(&self, share: u32) {
        if let Ok(mut stream) = UnixStream::connect(&self.socket) {
            let _ = writeln!(
                stream,
                "set weight be_checkout/v1 {}; set weight be_checkout/v2 {share}",
                100_u32.saturating_sub(share)
            );
            // it may be stopped
            let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
            let _ = stream.read_to_string(&mut String::new());
        }
    }

    /// The canary's share as HAProxy itself has it, in per cent.
    pub fn share(&self) -> f64 {
        share(&self.socket).unwrap()
    }

    /// Watches the share from outside, all the time.
    pub fn watch(&self) -> Shares {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (socket, stopped, into) = (self.socket.clone(), Arc::clone(&stop), Arc::clone(&seen));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                if let Some(share) = share(&socket) {
                    let mut seen = into.lock().unwrap();
                    if seen.last().is_none_or(|(_, last): &(i64, f64)| (last - share).abs() > 1e-9) {
                        seen.push((super::page::now(), share));
                    }
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        });
        Shares { stop, seen, thread: Some(thread) }
    }
}

/// One server's weight line is `256 (initial 100)`.
fn share(socket: &Path) -> Option<f64> {
    let mut stream = UnixStream::connect(socket).ok()?;
    writeln!(stream, "get weight be_checkout/v1; get weight be_checkout/v2").ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    let weights: Vec<f64> =
        text.lines().filter_map(|l| l.split_once(" (initial")).filter_map(|(w, _)| w.trim().parse().ok()).collect();
    match weights[..] {
        [v1, v2] => Some((v2 / (v1 + v2) * 1e6).round() / 1e4),
        _ => None,
    }
}

/// Milliseconds; a phase lasts a second at least.
const A_MOMENT: i64 = 500;

/// Shares that were seen.
pub struct Shares {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<(i64, f64)>>>,
    thread: Option<JoinHandle<()>>,
}

impl Shares {
    /// All changes so far: when, to what per cent.
    pub fn so_far(&self) -> Vec<(i64, f64)> {
        self.seen.lock().unwrap().clone()
    }

    /// The shares alone, see [`settled`].
    pub fn values(&self) -> Vec<f64> {
        settled(&self.so_far())
    }
}

/// The shares without their times. A share is made of two weights, which HAProxy sets and tells one after the other: what stood
/// for a moment only, between the old share and the new one, is neither of them and is left out. What lies outside of the two stays.
pub fn settled(seen: &[(i64, f64)]) -> Vec<f64> {
    let on_the_way = |i: usize| {
        let (Some((_, old)), Some((at, half)), Some((then, new))) =
            (i.checked_sub(1).and_then(|i| seen.get(i)), seen.get(i), seen.get(i + 1))
        else {
            return false;
        };
        then - at < A_MOMENT && *half > old.min(*new) && *half < old.max(*new)
    };
    (0..seen.len()).filter(|i| !on_the_way(*i)).map(|i| seen[i].1).collect()
}

impl Drop for Shares {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(t) = self.thread.take() {
            let _ = t.join();
        }
    }
}
