//! A pseudo-terminal with the program in it, and somebody who types. Waits for what is printed, never for time to pass.

use rustix::fs::OFlags;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// What must happen happens within this; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct Printed {
    bytes: Vec<u8>,
    over: bool,
}

/// A terminal.
pub struct Pty {
    master: Option<File>,
    slave: File,
    child: Child,
    printed: Arc<(Mutex<Printed>, Condvar)>,
    /// Up to where it was looked at.
    seen: usize,
}

impl Pty {
    /// Runs a program in a terminal of so many columns, whose controlling terminal it is.
    pub fn run(program: &str, args: &[&str], folder: &Path, env: &[(&str, &str)], columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let no_terminal_of_ours = i32::try_from(OFlags::NOCTTY.bits()).unwrap();
        let mut open = OpenOptions::new();
        open.read(true).write(true).custom_flags(no_terminal_of_ours);
        let slave = open.open(name.to_str().unwrap()).unwrap();
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).unwrap();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).args(args).current_dir(folder);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("TERM", "xterm");
        command.envs(env.iter().copied());
        let end = || slave.try_clone().unwrap();
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let master = File::from(master);
        let printed = Arc::new((Mutex::new(Printed::default()), Condvar::new()));
        let (mut reader, shared) = (master.try_clone().unwrap(), Arc::clone(&printed));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let n = reader.read(&mut buffer).unwrap_or(0);
                let mut printed = shared.0.lock().unwrap();
                printed.bytes.extend_from_slice(&buffer[..n]);
                printed.over = n == 0;
                shared.1.notify_all();
                if n == 0 {
                    return;
                }
            }
        });
        Self { master: Some(master), slave, child, printed, seen: 0 }
    }

    /// Types.
    pub fn types(&mut self, keys: &str) -> &mut Self {
        self.master.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
        self
    }

    /// Waits until something is shown behind what was waited for before; escape sequences are left out. Gives what was shown.
    #[track_caller]
    pub fn shows(&mut self, text: &str) -> String {
        self.waits(text, bare)
    }

    /// Waits for a prompt that was not there before: the editor takes the terminal anew for each. Keys that come between an
    /// interrupt and that are thrown away with the line, and an end of file before it is none, as in every shell.
    #[track_caller]
    pub fn prompts(&mut self) {
        self.waits("\x1b[?2004h", |bytes| String::from_utf8_lossy(bytes).into_owned());
        self.waits("› ", bare);
    }

    #[track_caller]
    fn waits(&mut self, text: &str, read: fn(&[u8]) -> String) -> String {
        let deadline = Instant::now() + PATIENCE;
        let (lock, changed) = &*self.printed;
        let mut printed = lock.lock().unwrap();
        loop {
            let all = printed.bytes[self.seen..].to_vec();
            // as short a stretch as shows it
            if read(&all).contains(text) {
                let (mut low, mut high) = (0, all.len());
                while low < high {
                    let middle = (low + high) / 2;
                    if read(&all[..middle]).contains(text) { high = middle } else { low = middle + 1 }
                }
                self.seen += low;
                return read(&all[..low]);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || printed.over {
                drop(printed);
                panic!("no {text:?} in {:?}, which is {:?}", String::from_utf8_lossy(&all), bare(&all));
            }
            printed = changed.wait_timeout(printed, left).unwrap().0;
        }
    }

    /// All that was printed, to the byte.
    pub fn raw(&self) -> String {
        String::from_utf8_lossy(&self.printed.0.lock().unwrap().bytes).into_owned()
    }

    /// Whether the terminal echoes and takes whole lines, as a shell's does.
    pub fn is_plain(&self) -> bool {
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        modes.contains(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    /// Waits for the end.
    #[track_caller]
    pub fn ends(&mut self) -> ExitStatus {
        let began = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(began.elapsed() < PATIENCE, "it does not end: {:?}", bare(self.raw().as_bytes()));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The program.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A text without escape sequences and returns, as far as it is text yet.
pub fn bare(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\x1b' if rest.peek() == Some(&'[') => {
                rest.next();
                while rest.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c)) {}
            }
            '\r' => {}
            c => out.push(c),
        }
    }
    out
}
