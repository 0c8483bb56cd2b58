//! How far a recording is: one line on a terminal, nothing elsewhere.

use crate::plan::show;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Counts answers.
pub struct Progress {
    total: u64,
    done: u64,
    /// Answers of this process alone: what was kept before says nothing of how fast it goes.
    made: u64,
    begun: Instant,
    terminal: bool,
}

impl Progress {
    /// Nothing yet.
    pub fn new(total: u64) -> Self {
        Self { total, done: 0, made: 0, begun: Instant::now(), terminal: std::io::stderr().is_terminal() }
    }

    /// Answers that were kept before.
    pub fn had(&mut self, answers: u64) {
        self.done += answers;
    }

    /// Answers that were given now.
    pub fn made(&mut self, answers: u64) {
        self.done += answers;
        self.made += answers;
        if self.terminal {
            eprint!("\r\x1b[K{}", self.line(self.begun.elapsed().as_millis()));
            let _ = std::io::stderr().flush();
        }
    }

    /// Takes the line away.
    pub fn end(&self) {
        if self.terminal && self.made > 0 {
            eprint!("\r\x1b[K");
        }
    }

    fn line(&self, elapsed: u128) -> String {
        let percent = self.done.saturating_mul(100) / self.total.max(1);
        let left = u128::from(self.total.saturating_sub(self.done)) * elapsed / u128::from(self.made.max(1));
        let left = show::roughly(i64::try_from(left).unwrap_or(i64::MAX));
        format!("{percent}%, {} of {} answers, {left} left", self.done, self.total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_before_makes_nothing_faster() {
        let mut p = Progress { total: 1000, done: 0, made: 0, begun: Instant::now(), terminal: false };
        p.had(500);
        p.made(100);
        // 100 in 10 s: the 400 that are left take 40
        assert_eq!(p.line(10_000), "60%, 600 of 1000 answers, 40s left");
    }
}
