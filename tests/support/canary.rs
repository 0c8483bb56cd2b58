//! The binary as a user runs it: in a folder of its own, with a policy, an environment and a store.

use super::eventually;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The program under test.
pub const CANARY: &str = env!("CARGO_BIN_EXE_canary");

/// A user's folder.
pub struct Work {
    pub folder: tempfile::TempDir,
    env: Vec<(String, String)>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Done {
    pub status: ExitStatus,
    pub out: String,
    pub err: String,
}

impl Done {
    /// The exit code; -1 for one that a signal ended.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or(-1)
    }

    /// Checks the exit code; what was printed is shown when it is another.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }

    /// Checks that standard error says something.
    #[track_caller]
    pub fn says(self, part: &str) -> Self {
        assert!(self.err.contains(part), "no `{part}` in stderr:\n{}", self.err);
        self
    }

    /// Checks that standard output shows something.
    #[track_caller]
    pub fn shows(self, part: &str) -> Self {
        assert!(self.out.contains(part), "no `{part}` in stdout:\n{}", self.out);
        self
    }
}

impl Work {
    /// A folder with copies of fixtures: a policy and its environments.
    pub fn new(policy: &str, environments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/e2e");
        std::fs::create_dir(folder.path().join("environments")).unwrap();
        std::fs::copy(from.join(policy), folder.path().join("checkout.canary")).unwrap();
        for e in environments {
            let name = format!("environments/{e}.canary");
            std::fs::copy(from.join(&name), folder.path().join(&name)).unwrap();
        }
        Self { folder, env: Vec::new() }
    }

    /// A folder with copies of a policy that the project ships and of its environment, some words of which are replaced:
    /// a scrape interval is nothing that the command line can set.
    pub fn of_policy(policy: &str, environment: &str, edits: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("policies");
        std::fs::create_dir(folder.path().join("environments")).unwrap();
        std::fs::copy(from.join(policy), folder.path().join(policy)).unwrap();
        let name = format!("environments/{environment}.canary");
        let mut text = std::fs::read_to_string(from.join(&name)).unwrap();
        for (old, new) in edits {
            assert!(text.contains(old), "no `{old}` in {name}");
            text = text.replace(old, new);
        }
        std::fs::write(folder.path().join(&name), text).unwrap();
        Self { folder, env: Vec::new() }
    }

    /// A folder with a policy, `policy.canary`, that declares its own environment.
    pub fn of_text(policy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("policy.canary"), policy).unwrap();
        Self { folder, env: Vec::new() }
    }

    /// Writes an executable script: by another process, since a file that this one has open for writing while another test
    /// forks cannot be run ("text file busy").
    pub fn script(&self, name: &str, text: &str) {
        let write = "printf '#!/bin/sh\\n%s\\n' \"$2\" >\"$1\" && chmod 755 \"$1\"";
        let status =
            Command::new("sh").args(["-c", write, "sh", name, text]).current_dir(self.folder.path()).status().unwrap();
        assert!(status.success());
    }

    /// With an environment variable.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.env.push((name.to_owned(), value.into()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut c = Command::new(CANARY);
        c.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        // nothing of the caller's own environment may help or disturb
        for name in ["CANARY_STORE", "CANARY_FAULT", "CREDENTIALS_DIRECTORY", "PROMETHEUS_URL"] {
            c.env_remove(name);
        }
        c.env("USER", "tester").envs(self.env.iter().map(|(k, v)| (k, v)));
        c
    }

    /// Runs a command to its end; none may take longer than a minute.
    pub fn canary(&self, args: &[&str]) -> Done {
        self.start(args).end(Duration::from_secs(60))
    }

    /// Starts a command.
    pub fn start(&self, args: &[&str]) -> Live {
        Live::of(self.command(args))
    }

    /// The events of the newest run.
    pub fn history(&self) -> Vec<Value> {
        self.history_of("checkout")
    }

    /// The events of the newest run of a rollout.
    pub fn history_of(&self, rollout: &str) -> Vec<Value> {
        let done = self.canary(&["history", rollout, "--format", "json"]).exits(0);
        let whole: Value = serde_json::from_str(&done.out).unwrap();
        whole["events"].as_array().unwrap().clone()
    }

    /// Checks that the newest run's hash chain holds.
    #[track_caller]
    pub fn verify(&self) {
        self.canary(&["history", "checkout", "--verify"]).exits(0).shows("the chain holds");
    }

    /// A file as JSON.
    pub fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    /// The names and bytes of everything in the folder but sockets.
    pub fn contents(&self) -> Vec<(PathBuf, Vec<u8>)> {
        fn walk(folder: &Path, out: &mut Vec<(PathBuf, Vec<u8>)>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    walk(&path, out);
                } else if path.is_file() {
                    let bytes = std::fs::read(&path).unwrap();
                    out.push((path, bytes));
                }
            }
        }
        let mut out = Vec::new();
        walk(self.folder.path(), &mut out);
        out.sort();
        out
    }
}

/// The events of a kind.
pub fn of_kind<'a>(events: &'a [Value], kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["kind"] == kind).collect()
}

/// An event's time in milliseconds since 1970.
pub fn at(event: &Value) -> i64 {
    time(event["at"].as_str().unwrap())
}

/// An RFC 3339 time in milliseconds since 1970.
pub fn time(text: &str) -> i64 {
    chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis()
}

/// What a guard became, in order: (guard, word, event).
pub fn words<'a>(events: &'a [Value], guard: &str) -> Vec<(String, &'a Value)> {
    of_kind(events, "guard")
        .into_iter()
        .filter(|e| e["report"]["guard"] == guard)
        .map(|e| (e["report"]["word"].as_str().unwrap().to_owned(), e))
        .collect()
}

/// A command that runs; ended by its own process id when this is dropped.
pub struct Live {
    child: Child,
    out: Arc<Mutex<String>>,
    err: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

fn collect(from: impl Read + Send + 'static, into: &Arc<Mutex<String>>) -> JoinHandle<()> {
    let into = Arc::clone(into);
    std::thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

impl Live {
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (out, err) = (Arc::default(), Arc::default());
        let readers = vec![collect(child.stdout.take().unwrap(), &out), collect(child.stderr.take().unwrap(), &err)];
        Self { child, out, err, readers }
    }

    pub fn out(&self) -> String {
        self.out.lock().unwrap().clone()
    }

    /// Waits until standard output shows something.
    #[track_caller]
    pub fn until(&mut self, part: &str, within: Duration) {
        let begin = Instant::now();
        while !self.out().contains(part) {
            let ended = self.child.try_wait().unwrap();
            assert!(
                begin.elapsed() < within && ended.is_none(),
                "no `{part}` after {:?}, ended: {ended:?}\nstdout:\n{}\nstderr:\n{}",
                begin.elapsed(),
                self.out(),
                self.err.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether it has ended.
    pub fn is_over(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end.
    #[track_caller]
    pub fn end(mut self, within: Duration) -> Done {
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                begin.elapsed() < within,
                "not over after {within:?}\nstdout:\n{}\nstderr:\n{}",
                self.out(),
                self.err.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(5));
        };
        for r in self.readers.drain(..) {
            r.join().unwrap();
        }
        let (out, err) = (self.out(), self.err.lock().unwrap().clone());
        Done { status, out, err }
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An instance of the lab's service in a process of its own.
pub struct Service {
    live: Live,
    pub port: u16,
}

impl Service {
    pub fn start(version: &str) -> Self {
        let mut c = Command::new(CANARY);
        c.args(["lab", "service", "--version", version]).stdin(Stdio::null());
        let mut live = Live::of(c);
        live.until("\n", Duration::from_secs(10));
        let port = live.out().trim().rsplit(':').next().unwrap().parse().unwrap();
        Self { live, port }
    }

    /// Switches faults on: `{"latency_ms": 400}`.
    pub fn fault(&self, change: &Value) {
        let body = change.to_string();
        let answer = super::load::exchange(
            self.port,
            &format!(
                "POST /fault HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ),
        );
        assert!(answer.as_ref().is_ok_and(|a| a.contains(" 200 ")), "{answer:?}");
    }

    /// As `kill -9` does it.
    pub fn kill(&mut self) {
        self.live.signal(Signal::KILL);
        let child = &mut self.live.child;
        eventually("the service is gone", || child.try_wait().unwrap().is_some());
    }
}
