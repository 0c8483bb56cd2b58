//! How far long work is, on standard error, where that is a terminal.

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

/// A bar.
pub struct Progress {
    what: &'static str,
    all: usize,
    done: AtomicUsize,
    shown: bool,
}

/// So many columns.
const WIDE: usize = 30;

impl Progress {
    /// Of so many things.
    pub fn of(all: usize, what: &'static str) -> Self {
        Self { what, all, done: AtomicUsize::new(0), shown: std::io::stderr().is_terminal() && all > 1 }
    }

    /// One of them is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        // a hundred times at most: a terminal is slower than a replay
        if self.shown && (done * 100 / self.all != (done - 1) * 100 / self.all) {
            let full = done * WIDE / self.all;
            let bar = format!("{}{}", "#".repeat(full), ".".repeat(WIDE - full));
            let _ = write!(std::io::stderr(), "\r[{bar}] {done} of {} {}", self.all, self.what);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown {
            let _ = write!(std::io::stderr(), "\r\x1b[K");
        }
    }
}
