//! What tests against real servers share.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub mod canary;
pub mod haproxy;
pub mod load;
pub mod page;
pub mod servers;

use std::process::Child;
use std::time::{Duration, Instant};

/// A port of the loopback interface that nobody has right now.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server that is ended, by its own process id, when this is dropped.
pub struct Server(pub Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether a server's program is installed. If not, says so loudly, or (with `CANARY_REQUIRE_SERVERS=1`) fails.
pub fn require(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let here = std::env::split_paths(&path)
        // where Debian puts servers, which is not on every user's PATH
        .chain(["/usr/sbin".into(), "/usr/local/sbin".into()])
        .any(|folder| folder.join(program).is_file());
    if !here {
        assert!(
            std::env::var("CANARY_REQUIRE_SERVERS").as_deref() != Ok("1"),
            "{program} is not installed, and CANARY_REQUIRE_SERVERS=1"
        );
        println!("SKIPPED: {program} is not installed");
    }
    here
}

/// Waits for something that a real server does, at most ten seconds.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(10), "not within 10s: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
