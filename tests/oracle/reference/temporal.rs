//! The temporal operators, as `tests/vectors/temporal_reference.py` defines them: each is recomputed at every check from the
//! whole past of its operand.

use super::truth::Truth::{self, False, True, Unknown};
use canary::plan::{Millis, Temporal, Time};

/// What an operand was at each check since its operator began to look, and the clock that it is judged by.
pub struct Past<'a> {
    pub log: &'a [(Time, Truth)],
    pub every: Millis,
    /// The longest unknown stretch that is bridged; none: any.
    pub bridge: Option<Millis>,
}

impl Past<'_> {
    fn value(&self, k: usize) -> Truth {
        self.log[k].1
    }

    fn length(&self, k: usize) -> Millis {
        self.log[k].0 - self.log[k - 1].0
    }

    fn gap(&self, k: usize) -> bool {
        self.length(k) > 2 * self.every
    }

    /// What stood over the stretch that ends with check k.
    fn stood(&self, k: usize) -> Truth {
        if self.gap(k) { Unknown } else { self.value(k - 1) }
    }

    fn missed(&self, k: usize) -> i64 {
        if k > 0 && self.gap(k) { self.length(k) / self.every - 1 } else { 0 }
    }

    /// How long nothing had been known, without a break, when check k came.
    fn unknown_before(&self, mut k: usize) -> Millis {
        let mut total = 0;
        while k > 0 && self.stood(k) == Unknown {
            total += self.length(k);
            k -= 1;
            if self.value(k) != Unknown {
                break;
            }
        }
        total
    }

    /// The last check, from `first` on, at which evidence was thrown away.
    fn blackout(&self, first: usize) -> usize {
        let Some(bridge) = self.bridge else { return first };
        (first..self.log.len()).rev().find(|k| self.unknown_before(*k) > bridge).unwrap_or(first)
    }

    /// The first check of the run without a false one that ends now.
    fn run_start(&self) -> usize {
        self.log.iter().rposition(|(_, v)| *v == False).map_or(0, |k| k + 1)
    }

    /// The operator's value at the last check.
    pub fn now(&self, op: Temporal) -> Truth {
        let last = self.log.len() - 1;
        let (enough, possible) = match op {
            Temporal::For(_) | Temporal::Checks(_) if self.value(last) == False => (false, false),
            Temporal::For(d) => {
                let start = self.run_start();
                let from = self.blackout(start);
                let known: Millis = (from + 1..=last).filter(|k| self.stood(*k) == True).map(|k| self.length(k)).sum();
                // it may have begun at the first missed check after the last false one
                let begin = if self.missed(start) > 0 { self.log[start - 1].0 + self.every } else { self.log[start].0 };
                (self.value(last) == True && known >= d, self.log[last].0 - begin >= d)
            }
            Temporal::Checks(n) => {
                let start = self.run_start();
                let known = (self.blackout(start)..=last).filter(|k| self.value(*k) == True).count();
                let missed: i64 = (start..=last).map(|k| self.missed(k)).sum();
                let possible = i64::try_from(last - start + 1).unwrap() + missed;
                (self.value(last) == True && known >= n as usize, possible >= i64::from(n))
            }
            Temporal::KOfN(k, n) => {
                let mut checks = Vec::new();
                for i in 0..=last {
                    checks.extend((0..self.missed(i)).map(|_| Unknown));
                    checks.push(self.value(i));
                }
                let window = &checks[checks.len().saturating_sub(n as usize)..];
                let known = window.iter().filter(|v| **v == True).count();
                let possible = window.iter().filter(|v| **v != False).count();
                (known >= k as usize, possible >= k as usize)
            }
            Temporal::ShareOf(millionths, d) => {
                let start = self.log[last].0 - d;
                let inside = |k: usize| (self.log[k].0 - self.log[k - 1].0.max(start)).max(0);
                let known: Millis = (1..=last).filter(|k| self.stood(*k) == True).map(inside).sum();
                let possible: Millis = (1..=last).filter(|k| self.stood(*k) != False).map(inside).sum();
                let asked = i64::from(millionths) * d;
                (known * 1_000_000 >= asked, possible * 1_000_000 >= asked)
            }
        };
        match (enough, possible) {
            (true, _) => True,
            (false, true) => Unknown,
            (false, false) => False,
        }
    }
}

/// A stopwatch (`hold`, `within`, `phase.elapsed`): the time between neighbouring live checks after which it ran.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    marks: Vec<(Time, bool, bool)>,
}

impl Watch {
    pub fn mark(&mut self, at: Time, live: bool, runs: bool) {
        self.marks.push((at, live, runs));
    }

    pub fn counted(&self, every: Millis) -> Millis {
        let counts = |p: &&[(Time, bool, bool)]| p[0].1 && p[0].2 && p[1].1 && p[1].0 - p[0].0 <= 2 * every;
        self.marks.windows(2).filter(counts).map(|p| p[1].0 - p[0].0).sum()
    }
}
