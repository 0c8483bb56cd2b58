//! A real HAProxy with a backend of two servers, both answered by itself.

use super::{Server, eventually, free_port};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// HAProxy in a folder of its own. `be_checkout` has the servers `v1` (weight 100) and `v2` (weight 0), `be_static` the same
/// with a static algorithm.
pub struct Haproxy {
    pub folder: tempfile::TempDir,
    /// The port of the frontend.
    pub port: u16,
    /// The port of a stats socket over TCP.
    pub admin_port: u16,
    server: Option<Server>,
}

impl Haproxy {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (port, admin_port, v1, v2) = (free_port(), free_port(), free_port(), free_port());
        let at = folder.path().display();
        let config = format!(
            "global
  stats socket {at}/admin.sock mode 600 level admin
  stats socket {at}/user.sock mode 600 level user
  stats socket ipv4@127.0.0.1:{admin_port} level admin
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
frontend entry
  bind 127.0.0.1:{port}
  default_backend be_checkout
frontend first
  bind 127.0.0.1:{v1}
  http-request return status 200 content-type text/plain string v1
frontend second
  bind 127.0.0.1:{v2}
  http-request return status 200 content-type text/plain string v2
backend be_checkout
  balance roundrobin
  server v1 127.0.0.1:{v1} weight 100
  server v2 127.0.0.1:{v2} weight 0
backend be_static
  balance static-rr
  server v1 127.0.0.1:{v1} weight 100
  server v2 127.0.0.1:{v2} weight 0
"
        );
        std::fs::write(folder.path().join("haproxy.cfg"), config).unwrap();
        let mut haproxy = Self { folder, port, admin_port, server: None };
        haproxy.restart();
        haproxy
    }

    /// A stats socket's path: `admin.sock`, `user.sock`.
    pub fn socket(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    /// Ends it, if it runs, and starts it again with the weights of its configuration.
    pub fn restart(&mut self) {
        self.stop();
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let child = Command::new("haproxy")
            .env("PATH", "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/bin")
            .args(["-db", "-f"])
            .arg(self.folder.path().join("haproxy.cfg"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(Server::of(child));
        let socket = self.socket("admin.sock");
        let port = self.port;
        eventually("HAProxy is ready", || {
            UnixStream::connect(&socket).is_ok() && TcpStream::connect(("127.0.0.1", port)).is_ok()
        });
    }

    /// Sends a line to the admin socket, as a person would.
    pub fn say(&self, line: &str) -> String {
        let mut stream = UnixStream::connect(self.socket("admin.sock")).unwrap();
        writeln!(stream, "{line}").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }

    /// How many of `n` requests each server answered (503: nobody did).
    pub fn count(&self, n: usize) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for _ in 0..n {
            let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
            write!(stream, "GET / HTTP/1.0\r\nHost: x\r\n\r\n").unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            let who = if text.contains(" 200 ") {
                text.rsplit("\r\n\r\n").next().unwrap().to_owned()
            } else {
                text.split(' ').nth(1).unwrap().to_owned()
            };
            *counts.entry(who).or_default() += 1;
        }
        counts
    }
}
