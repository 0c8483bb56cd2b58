//! What tests against real servers share: a free port, a process that ends with its test, waiting until it answers.
#![allow(dead_code, reason = "each test file uses its part")]

pub mod canary;
pub mod haproxy;
pub mod http;
pub mod load;
pub mod materializers;
pub mod nova;
pub mod page;
pub mod prometheus;
pub mod recorded;
pub mod report;
pub mod servers;
pub mod webhooks;

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whether a program is installed.
pub fn installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        // where Debian puts servers, which is not on every user's PATH
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .any(|dir| dir.join(program).is_file())
}

/// Whether a program is installed. If not, says loudly that a test is skipped; with `CANARY_REQUIRE_SERVERS=1`, fails instead.
pub fn require(program: &str) -> bool {
    let found = installed(program);
    if !found {
        let why = format!("`{program}` is not installed");
        assert!(std::env::var("CANARY_REQUIRE_SERVERS").as_deref() != Ok("1"), "{why}, and CANARY_REQUIRE_SERVERS=1");
        // past the test runner's capture: a skipped test must not look like one that passed
        let _ = writeln!(std::io::stderr(), "SKIPPED: {why}");
    }
    found
}

/// A port of 127.0.0.1 that was free a moment ago.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A server's process: killed, by its own id, when this is dropped.
pub struct Server {
    child: Child,
    log: PathBuf,
}

/// Waits for something that a real server does, at most ten seconds.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "not within 10s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Server {
    /// A process that was started already and keeps no log.
    pub fn of(child: Child) -> Self {
        Self { child, log: PathBuf::new() }
    }

    /// Starts a program; what it prints goes to `log`.
    pub fn spawn(program: &str, args: &[String], log: &Path) -> Self {
        let out = File::create(log).unwrap();
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(out.try_clone().unwrap())
            .stderr(out)
            .spawn()
            .unwrap();
        Self { child, log: log.to_owned() }
    }

    /// Waits until `probe` succeeds; fails with the server's log when it has ended or takes longer than 20 s.
    pub fn wait_ready(&mut self, probe: impl Fn() -> bool) {
        let began = Instant::now();
        while !probe() {
            let ended = self.child.try_wait().unwrap();
            assert!(
                ended.is_none() && began.elapsed() < Duration::from_secs(20),
                "the server is not ready ({ended:?}); its log:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
