//! What a run stands on, and what can be done to it.

use super::faults::Act;
use super::policy::{Ground, Policy};
use super::support::canary::Work;
use super::support::page::Page;
use super::support::servers::Servers;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

const FLAGS: &str = "{\"search\": false, \"workers\": 0, \"part\": 0}\n";

pub struct World {
    lines: Arc<Mutex<BTreeMap<&'static str, &'static str>>>,
    up: Arc<AtomicBool>,
    servers: Option<Servers>,
    alone: Option<Work>,
    crashed: bool,
    /// A small file system of the recording's own, where one may be mounted.
    small: Option<PathBuf>,
    locks: Vec<JoinHandle<()>>,
    _page: Page,
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

impl World {
    pub fn new(ground: Ground, policy: &Policy, small: bool) -> Self {
        let lines = Arc::new(Mutex::new(BTreeMap::from([("harm", "0.01"), ("depth", "7"), ("lost_total", "2")])));
        let up = Arc::new(AtomicBool::new(true));
        let (shown, answers) = (Arc::clone(&lines), Arc::clone(&up));
        let page = Page::start(move || {
            let kind = |n: &str| if n.ends_with("_total") { "counter" } else { "gauge" };
            let line = |(n, v): (&&str, &&str)| format!("# TYPE {n} {}\n{n} {v}\n", kind(n));
            answers.load(Ordering::Relaxed).then(|| shown.lock().unwrap().iter().map(line).collect())
        });
        let work = Work::of_text(&policy.text).with("METRICS_URL", page.url());
        std::fs::write(work.path("flags.json"), FLAGS).unwrap();
        std::fs::write(work.path("other.json"), "{}\n").unwrap();
        // output that is no text, and long enough to be cut
        work.script(
            "smoke",
            "echo smoke $CANARY_PHASE $CANARY_CAUSE; printf 'caf\\351 \\303\\251 \\001\\t\"x\"\\n'\n\
             test ! -e slow || sleep 1\ntest ! -e hang || exec sleep 9\ntest ! -e fail || exit 3",
        );
        work.script("tidy", "echo tidy $CANARY_CAUSE\ntest ! -e fail || exit 7");
        let small = small.then(|| work.path("small")).filter(|folder| mounted(folder));
        let (servers, alone) =
            if ground == Ground::Servers { (Some(Servers::on(work, 2)), None) } else { (None, Some(work)) };
        Self { lines, up, servers, alone, crashed: false, small, locks: Vec::new(), _page: page }
    }

    pub fn work(&self) -> &Work {
        self.servers.as_ref().map(|s| &s.work).or(self.alone.as_ref()).unwrap()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.work().path(name)
    }

    /// Where the recording is to be, as it is said.
    pub fn recording(&self) -> &'static str {
        if self.small.is_some() { "small/rec.parquet" } else { "rec.parquet" }
    }

    /// Keeps the folder when this is dropped.
    pub fn keep(&mut self) -> PathBuf {
        let work = match &mut self.servers {
            Some(s) => &mut s.work,
            None => self.alone.as_mut().unwrap(),
        };
        work.folder.disable_cleanup(true);
        work.folder.path().to_owned()
    }

    fn page(&self, name: &'static str, value: Option<&'static str>) {
        let mut lines = self.lines.lock().unwrap();
        match value {
            Some(v) => lines.insert(name, v),
            None => lines.remove(name),
        };
    }

    fn flags(&self, text: Option<&str>) {
        let (file, new) = (self.path("flags.json"), self.path("flags.new"));
        let _ = match text {
            // in one step, as an editor does
            Some(text) => std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &file)),
            None => std::fs::remove_file(&file),
        };
    }

    fn lock(&mut self, ms: u64) {
        let store = self.path(".canary/store.db");
        self.locks.push(std::thread::spawn(move || {
            let Ok(db) = rusqlite::Connection::open(&store) else { return };
            if db.execute_batch("BEGIN IMMEDIATE").is_ok() {
                std::thread::sleep(Duration::from_millis(ms));
                let _ = db.execute_batch("ROLLBACK");
            }
        }));
    }

    /// Does what is done to the world; what is done to the runner is not its matter.
    pub fn does(&mut self, act: &Act) {
        match act {
            Act::Page(name, value) => self.page(name, *value),
            Act::PageUp(up) => self.up.store(*up, Ordering::Relaxed),
            Act::File(name, true) => std::fs::write(self.path(name), "").unwrap(),
            Act::File(name, false) => drop(std::fs::remove_file(self.path(name))),
            Act::Flags(text) => self.flags(*text),
            Act::Lock(ms) => self.lock(*ms),
            Act::Full => {
                if let Some(small) = &self.small {
                    // what is there may be given back: by the byte
                    let mut filler = std::fs::File::create(small.join("filler")).unwrap();
                    while std::io::Write::write(&mut filler, &[7]).is_ok_and(|n| n > 0) {}
                }
            }
            _ => self.of_servers(act),
        }
    }

    fn of_servers(&mut self, act: &Act) {
        let Some(s) = &mut self.servers else { return };
        let stop = |stopped: bool| if stopped { Signal::STOP } else { Signal::CONT };
        match act {
            Act::Service(true, _) if self.crashed => {}
            Act::Service(canary, text) => {
                let service = if *canary { &s.v2 } else { &s.v1 };
                service.fault(&serde_json::from_str(text).unwrap());
            }
            Act::Crash if !self.crashed => {
                s.v2.kill();
                self.crashed = true;
            }
            Act::Prometheus(false) => s.prometheus.stop(),
            Act::Prometheus(true) if s.prometheus.pid().is_none() => s.prometheus.restart(),
            Act::PrometheusStopped(stopped) => {
                if let Some(pid) = s.prometheus.pid() {
                    signal(pid, stop(*stopped));
                }
            }
            Act::ProxyStopped(stopped) => signal(s.haproxy.pid(), stop(*stopped)),
            Act::Socket(there) => {
                let (socket, away) = (s.haproxy.socket.clone(), s.haproxy.socket.with_extension("away"));
                let (from, to) = if *there { (away, socket) } else { (socket, away) };
                if from.exists() && !to.exists() {
                    std::fs::rename(from, to).unwrap();
                }
            }
            Act::Drift(share) => s.haproxy.drift(*share),
            _ => {}
        }
    }

    /// Everything answers again, so that a run can come to its end.
    pub fn heal(&mut self) {
        for act in [Act::ProxyStopped(false), Act::PrometheusStopped(false), Act::Socket(true), Act::PageUp(true)] {
            self.does(&act);
        }
        for file in ["fail", "hang", "slow"] {
            self.does(&Act::File(file, false));
        }
        if !canary_can_read(&self.path("flags.json")) {
            self.flags(Some(FLAGS));
        }
        for lock in self.locks.drain(..) {
            let _ = lock.join();
        }
    }
}

fn canary_can_read(file: &Path) -> bool {
    std::fs::read(file).is_ok_and(|b| serde_json::from_slice::<serde_json::Value>(&b).is_ok())
}

/// A file system of 96 KiB; none where nobody lets us.
fn mounted(folder: &Path) -> bool {
    std::fs::create_dir(folder).unwrap();
    let mount = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=96k", "tmpfs"])
        .arg(folder)
        .stderr(std::process::Stdio::null())
        .status();
    mount.is_ok_and(|s| s.success())
}

impl Drop for World {
    fn drop(&mut self) {
        if let Some(small) = &self.small {
            let _ = std::process::Command::new("umount").arg("--lazy").arg(small).status();
        }
    }
}
