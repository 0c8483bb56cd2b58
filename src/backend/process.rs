//! One process in a group of its own: started without a shell, bounded in time and output, ended with everything it started.
//!
//! A process that leaves its group on purpose (`setsid`) is not followed.

use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};

/// How much output is kept: the last so many bytes.
pub(super) const KEPT: usize = 64 * 1024;
/// How long a group has between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How long to wait for the kernel after SIGKILL, and for the last output.
const LAST: Duration = Duration::from_secs(1);

/// What to start.
pub(super) struct Spec<'a> {
    /// The program and its arguments.
    pub argv: &'a [String],
    /// Where it runs; a relative program with a `/` in its name is looked up from here.
    pub cwd: &'a Path,
    /// Variables besides those of this process.
    pub vars: &'a [(String, String)],
    /// How long it may run.
    pub timeout: Duration,
    /// Whether standard error goes into `out`, in the order in which both were written.
    pub merged: bool,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum How {
    /// By itself, or by somebody's signal; and whether it left processes behind, which were then ended.
    Ended(ExitStatus, bool),
    /// It was still running after so long.
    TimedOut(Duration),
    /// It was never there.
    CannotStart(String),
}

impl How {
    pub fn ok(&self) -> bool {
        matches!(self, Self::Ended(status, _) if status.success())
    }
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ended(status, left_behind) => {
                match (status.code(), status.signal()) {
                    (Some(code), _) => write!(f, "exit status {code}")?,
                    (None, Some(signal)) => write!(f, "ended by signal {signal}")?,
                    (None, None) => write!(f, "{status}")?,
                }
                if *left_behind {
                    f.write_str(" (what it left running was ended)")?;
                }
                Ok(())
            }
            Self::TimedOut(after) => write!(f, "timed out after {}", seconds(*after)),
            Self::CannotStart(why) => write!(f, "cannot start {why}"),
        }
    }
}

/// What is known when it has ended.
pub(super) struct Ended {
    pub how: How,
    pub out: Tail,
    pub err: Tail,
}

/// The last [`KEPT`] bytes of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Tail {
    bytes: Vec<u8>,
    cut: u64,
}

impl Tail {
    fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
        // trimmed at twice the size, so that each byte is moved once at most
        if self.bytes.len() > 2 * KEPT {
            self.trim();
        }
    }

    fn trim(&mut self) {
        let extra = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..extra);
        self.cut += extra as u64;
    }

    /// Whether its beginning is gone.
    pub fn is_cut(&self) -> bool {
        self.cut > 0
    }

    /// As text; bytes that are not UTF-8 become `�`; a first line says what is missing.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.bytes);
        if self.is_cut() { format!("[{} bytes before this are not kept]\n{text}", self.cut) } else { text.into_owned() }
    }
}

/// Starts it and waits until it and its group have ended: at most `timeout` and three seconds. Dropped before that, the group
/// is killed.
pub(super) async fn run(spec: &Spec<'_>) -> Ended {
    let out = Arc::new(Mutex::new(Tail::default()));
    let err = Arc::new(Mutex::new(Tail::default()));
    let mut pumps = JoinSet::new();
    let how = match start(spec, &out, &err, &mut pumps) {
        Ok(child) => wait(spec, child).await,
        Err(why) => How::CannotStart(why),
    };
    // the pipes close with the last of the group; one that left it may hold them open, and is not waited for
    let _ = timeout(LAST, async { while pumps.join_next().await.is_some() {} }).await;
    Ended { how, out: taken(&out), err: taken(&err) }
}

fn taken(tail: &Mutex<Tail>) -> Tail {
    let mut tail = std::mem::take(&mut *tail.lock().unwrap_or_else(PoisonError::into_inner));
    tail.trim();
    tail
}

/// Whether a program is there and may be executed: a path with a `/` from `cwd`, any other on `PATH`. What the kernel says to
/// its contents is found out when it is started.
pub(super) fn startable(argv: &[String], cwd: &Path) -> Result<(), String> {
    let Some(program) = argv.first().filter(|p| !p.is_empty()) else {
        return Err("nothing: the argument list is empty".to_owned());
    };
    if !cwd.is_dir() {
        return Err(format!("{program}: no folder {}", cwd.display()));
    }
    if program.contains('/') {
        return executable(&cwd.join(program)).map_err(|why| format!("{program}: {why}"));
    }
    // where execvp looks when there is no PATH
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let found = std::env::split_paths(&path).any(|folder| executable(&cwd.join(folder).join(program)).is_ok());
    if found { Ok(()) } else { Err(format!("{program}: not found on PATH")) }
}

fn executable(file: &Path) -> Result<(), String> {
    let about = std::fs::metadata(file).map_err(|e| plain(&e))?;
    if !about.is_file() {
        return Err("it is no file".to_owned());
    }
    rustix::fs::access(file, rustix::fs::Access::EXEC_OK)
        .map_err(|e| format!("{} (is it executable?)", plain(&std::io::Error::from(e))))
}

/// Must be called inside a tokio runtime.
fn start(
    spec: &Spec<'_>,
    out: &Arc<Mutex<Tail>>,
    err: &Arc<Mutex<Tail>>,
    pumps: &mut JoinSet<()>,
) -> Result<Child, String> {
    let Some((program, args)) = spec.argv.split_first() else {
        return Err("nothing: the argument list is empty".to_owned());
    };
    if !spec.cwd.is_dir() {
        return Err(format!("{program}: no folder {}", spec.cwd.display()));
    }
    let why = |e: &std::io::Error| format!("{program}: {}", plain(e));
    let pipe = || std::io::pipe().map_err(|e| why(&e));
    let (read, write) = pipe()?;
    // whether a relative program is looked up before or after the change of folder differs between systems: made absolute
    let mut command = if program.contains('/') && Path::new(program).is_relative() {
        let mut c = Command::new(spec.cwd.join(program));
        c.arg0(program);
        c
    } else {
        Command::new(program)
    };
    command
        .args(args)
        .current_dir(spec.cwd)
        .envs(spec.vars.iter().map(|(k, v)| (k, v)))
        .stdin(Stdio::null())
        .process_group(0)
        .kill_on_drop(true);
    let mut readers = vec![(read, out)];
    if spec.merged {
        // one pipe for both: the order in which they were written is the order in which they are read
        command.stderr(write.try_clone().map_err(|e| why(&e))?);
    } else {
        let (read, write) = pipe()?;
        command.stderr(write);
        readers.push((read, err));
    }
    command.stdout(write);
    let child = command.spawn().map_err(|e| {
        let hint = match e.raw_os_error().map(rustix::io::Errno::from_raw_os_error) {
            Some(rustix::io::Errno::ACCESS) => " (is it executable?)",
            Some(rustix::io::Errno::NOEXEC) => " (does its first line begin with `#!`?)",
            _ => "",
        };
        format!("{program}: {}{hint}", plain(&e))
    })?;
    // our copies of the writing ends live in `command`: while one is open the pipe never ends
    drop(command);
    for (read, tail) in readers {
        match Receiver::from_owned_fd(OwnedFd::from(read)) {
            Ok(pipe) => {
                pumps.spawn(pump(pipe, Arc::clone(tail)));
            }
            // `child` is dropped here, which kills it
            Err(e) => return Err(why(&e)),
        }
    }
    Ok(child)
}

async fn pump(mut pipe: Receiver, tail: Arc<Mutex<Tail>>) {
    let mut buffer = vec![0_u8; 8 * 1024];
    while let Ok(n @ 1..) = pipe.read(&mut buffer).await {
        if let Some(more) = buffer.get(..n) {
            tail.lock().unwrap_or_else(PoisonError::into_inner).push(more);
        }
    }
}

/// A process group that is killed when this is dropped, unless it is known to have ended.
struct Group(Option<Pid>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(id) = self.0 {
            // the only failure that can come here is that nobody is left
            let _ = kill_process_group(id, signal);
        }
    }

    fn lives(&self) -> bool {
        self.0.is_some_and(|id| test_kill_process_group(id).is_ok() && !only_zombies(id))
    }

    /// Waits for nobody to be left, until a deadline.
    async fn gone(&mut self, deadline: Instant) -> bool {
        let mut pause = Duration::from_millis(2);
        while self.lives() {
            if Instant::now() >= deadline {
                return false;
            }
            sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
        // the number may be given to others from now on
        self.0 = None;
        true
    }
}

/// Whether everybody of a group has ended and only waits to be reaped: orphans are reaped by process 1, which in a container
/// may be slow at it or never do it. `false` where there is no `/proc` to tell.
fn only_zombies(group: Pid) -> bool {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return false;
    };
    let group = group.as_raw_pid().to_string();
    let mut seen = false;
    for process in processes.flatten() {
        // `pid (name) state ppid pgrp …`; the name may hold anything, also `) `
        let Ok(stat) = std::fs::read_to_string(process.path().join("stat")) else {
            continue;
        };
        let mut fields = stat.rsplit(") ").next().unwrap_or("").split(' ');
        let state = fields.next().unwrap_or("");
        if fields.nth(1) == Some(group.as_str()) {
            if !matches!(state, "Z" | "X") {
                return false;
            }
            seen = true;
        }
    }
    seen
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

async fn wait(spec: &Spec<'_>, mut child: Child) -> How {
    // declared after `child`, so dropped before it: while the child has not been reaped, its number is nobody else's
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let ended = timeout(spec.timeout, child.wait()).await;
    let now = Instant::now();
    match ended {
        Ok(Ok(status)) => {
            let left_behind = group.lives();
            if left_behind {
                group.signal(Signal::TERM);
                finish(&mut group, now + GRACE).await;
            } else {
                group.0 = None;
            }
            How::Ended(status, left_behind)
        }
        Ok(Err(e)) => {
            group.signal(Signal::KILL);
            How::CannotStart(format!("and watch it: {}", plain(&e)))
        }
        Err(_) => {
            group.signal(Signal::TERM);
            // the group counts as living until the child is reaped, so both are waited for
            let _ = timeout_at(now + GRACE, child.wait()).await;
            if !group.gone(now + GRACE).await {
                group.signal(Signal::KILL);
                let _ = timeout(LAST, child.wait()).await;
                let _ = group.gone(Instant::now() + LAST).await;
            }
            How::TimedOut(spec.timeout)
        }
    }
}

async fn finish(group: &mut Group, deadline: Instant) {
    if !group.gone(deadline).await {
        group.signal(Signal::KILL);
        let _ = group.gone(Instant::now() + LAST).await;
    }
}

/// An I/O error in its own words, without the number that Rust adds: `No such file or directory`.
pub(super) fn plain(e: &std::io::Error) -> String {
    let text = e.to_string();
    match text.find(" (os error ") {
        Some(at) => text.get(..at).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// `60s`, `1500ms`
pub(super) fn seconds(d: Duration) -> String {
    if d.subsec_nanos() == 0 { format!("{}s", d.as_secs()) } else { format!("{}ms", d.as_millis()) }
}

/// A word as a POSIX shell reads it back, for lines that a person pastes.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// An argument list as a line that a person can paste into a shell.
pub(super) fn pasted(argv: &[String]) -> String {
    argv.iter().map(|a| quoted(a)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_keeps_the_end_and_says_what_is_gone() {
        let mut t = Tail::default();
        for i in 0..40_000_u32 {
            t.push(format!("{i:07}\n").as_bytes());
        }
        t.trim();
        let text = t.text();
        assert!(t.is_cut() && text.ends_with("0039999\n"));
        assert!(text.starts_with("[254464 bytes before this are not kept]\n"), "{}", &text[..60]);
        assert_eq!(t.bytes.len(), KEPT);
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        for (word, want) in
            [("plain-1.sh", "plain-1.sh"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$(x)", "'$(x)'")]
        {
            assert_eq!(quoted(word), want);
        }
    }

    #[test]
    fn durations_and_errors_are_short() {
        assert_eq!(seconds(Duration::from_secs(60)), "60s");
        assert_eq!(seconds(Duration::from_millis(1500)), "1500ms");
        assert_eq!(plain(&std::io::Error::from_raw_os_error(2)), "No such file or directory");
    }
}
