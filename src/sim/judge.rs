//! Whether a run was as its test expects, and if not, in what it first differs.

use super::trace::{Cause, Event, Trace};
use crate::check::tests::{Expectation, Expected, Index, Test};
use crate::engine::Verdict;
use crate::plan::{Millis, PhaseId, Plan, show};
use crate::syntax::source::Span;

/// One expectation that was not met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The cause in one line.
    pub cause: String,
    /// The line of the test.
    pub span: Span,
    /// The check at which the run first differs from what is expected.
    pub at: Millis,
    /// The time that the test names, to be marked.
    pub expected: Option<Millis>,
    /// The time at which it happened instead, to be marked.
    pub actual: Option<Millis>,
    /// Of which slice that is, by its place in [`Trace::slices`]; none where it is of all, or there are no slices.
    pub slice: Option<usize>,
}

/// Every expectation that was not met, in the order of the text.
#[must_use]
pub fn judge(test: &Test, plan: &Plan, trace: &Trace) -> Vec<Failure> {
    let mut index = index(trace);
    test.expects.iter().filter_map(|e| one(e, plan, trace, &mut index)).collect()
}

/// Whether every expectation was met: [`judge`] without words.
#[must_use]
pub fn passes(test: &Test, plan: &Plan, trace: &Trace) -> bool {
    let mut index = index(trace);
    test.expects.iter().all(|e| one(e, plan, trace, &mut index).is_none())
}

fn index(trace: &Trace) -> Index<'_> {
    Index::new(trace.slices.iter().map(|s| s.key.as_slice()))
}

/// One expectation: of a rollout with slices it is met if one of those that it speaks of does it, and one with `not` if none does.
fn one(expect: &Expectation, plan: &Plan, trace: &Trace, index: &mut Index<'_>) -> Option<Failure> {
    if trace.slices.is_empty() {
        return Judge { plan, trace, expect }.judge();
    }
    let meant = index.meant(&expect.slices).iter().filter_map(|i| Some((*i, trace.slices.get(*i)?)));
    let mut failures: Vec<Failure> = Vec::new();
    let mut met = false;
    for (i, s) in meant {
        match (Judge { plan, trace: &s.trace, expect }).judge() {
            Some(f) => failures.push(Failure { slice: Some(i), ..f }),
            None => met = true,
        }
    }
    // a notice can tell of all slices at once, and the run's own clock runs actions for none of them
    if expect.slices.all() && matches!(expect.what, Expected::Notified(_) | Expected::Ran(..)) {
        match (Judge { plan, trace, expect }).judge() {
            Some(f) if expect.not => failures.push(f),
            None if !expect.not => met = true,
            _ => {}
        }
    }
    if met && !expect.not {
        return None;
    }
    let n = failures.len();
    // the slice that comes nearest to it
    let far = |f: &Failure| match (f.actual, expect.at) {
        (Some(actual), Some(at)) => (0, (actual - at).abs()),
        (Some(actual), None) => (0, actual),
        (None, _) => (1, f.at),
    };
    let mut nearest = failures.into_iter().min_by_key(far)?;
    let name = nearest.slice.and_then(|i| trace.slices.get(i)).map(super::SliceTrace::name);
    let of = match (name, expect.not || n == 1) {
        (Some(name), true) => format!("{name}: "),
        (Some(name), false) => format!("none of {n} slices; {name}: "),
        (None, _) => String::new(),
    };
    nearest.cause =
        format!("{}{of}{}", written(expect), nearest.cause.strip_prefix(&written(expect)).unwrap_or_default());
    Some(nearest)
}

/// `expected rollback at 17m: `
fn written(expect: &Expectation) -> String {
    format!("expected {}: ", expect.text.strip_prefix("expect ").unwrap_or(&expect.text))
}

struct Judge<'a> {
    plan: &'a Plan,
    trace: &'a Trace,
    expect: &'a Expectation,
}

impl Judge<'_> {
    fn judge(&self) -> Option<Failure> {
        match &self.expect.what {
            Expected::Guard(guard, word) => {
                let at = |t: Millis| self.trace.mark(self.trace.row_at(t)?, *guard).text();
                self.state(
                    at,
                    |found| *found == word,
                    |found| match found {
                        Some(w) => format!("it is {w}"),
                        None => String::from("it does not watch then"),
                    },
                )
            }
            Expected::Port(ports, setting) => {
                let at = |t: Millis| ports.iter().map(|p| self.trace.port(t, *p)).collect::<Option<Vec<_>>>();
                self.state(
                    at,
                    |found| found.iter().all(|s| s.same(*setting)),
                    |found| {
                        let mut words: Vec<String> = found.into_iter().flatten().map(|s| s.to_string()).collect();
                        words.dedup();
                        format!("it is {}", words.join(", "))
                    },
                )
            }
            _ => self.event(),
        }
    }

    /// Something that holds at a check, or at some check.
    fn state<T>(
        &self,
        at: impl Fn(Millis) -> Option<T>,
        fits: impl Fn(&T) -> bool,
        words: impl Fn(Option<T>) -> String,
    ) -> Option<Failure> {
        let e = self.expect;
        if let Some(t) = e.at {
            let found = at(t);
            let met = found.as_ref().is_some_and(&fits) != e.not;
            return (!met).then(|| self.failure(&words(found), t.min(self.trace.end), None));
        }
        let first = self.trace.rows.iter().map(|r| r.at).find(|t| at(*t).as_ref().is_some_and(&fits));
        match (first, e.not) {
            (Some(_), false) | (None, true) => None,
            (None, false) => Some(self.failure("it never is", self.trace.end, None)),
            (Some(t), true) => {
                let text = format!("it is at {}", show::duration(t));
                Some(self.failure(&text, t, Some(t)))
            }
        }
    }

    /// Something that happens at a check.
    fn event(&self) -> Option<Failure> {
        let e = self.expect;
        // of that kind, whenever and for whatever cause
        let alike: Vec<&(Millis, Event)> = self.trace.events.iter().filter(|(_, ev)| self.is_kind(ev)).collect();
        let fits = |x: &&&(Millis, Event)| {
            e.at.is_none_or(|t| t == x.0) && e.because.as_ref().is_none_or(|b| self.because(&x.1, b))
        };
        let found = alike.iter().filter(fits).count();
        if let Expected::Ran(_, Some(times)) = &e.what {
            let met = (found == *times as usize) != e.not;
            let last = alike.last().map(|x| x.0);
            return (!met).then(|| {
                let text = match found {
                    0 => String::from("it never ran"),
                    1 => String::from("it ran once"),
                    n => format!("it ran {n} times"),
                };
                self.failure(&text, e.at.or(last).unwrap_or(self.trace.end), last)
            });
        }
        if (found > 0) != e.not {
            return None;
        }
        if e.not {
            let first = alike.iter().find(fits).map_or(0, |x| x.0);
            let text = alike.iter().find(fits).map_or_else(String::new, |x| self.tell(x));
            return Some(self.failure(&text, first, Some(first)));
        }
        // the one that was meant most likely: the nearest in time, else one for the same cause, else the first
        let nearest = match e.at {
            Some(t) => alike.iter().min_by_key(|x| (x.0 - t).abs()),
            None => {
                let same = alike.iter().find(|x| e.because.as_ref().is_some_and(|b| self.because(&x.1, b)));
                same.or_else(|| alike.first())
            }
        };
        let actual = nearest.map(|x| x.0);
        let text = match nearest {
            Some(x) => self.tell(x),
            None => self.instead(),
        };
        // a rollback that was not expected ends the run before anything else could happen
        let broken_off = self.broken_off().filter(|_| nearest.is_none()).map(|(t, _)| t);
        let actual = actual.or(broken_off);
        let at = [actual, e.at].into_iter().flatten().min().unwrap_or(self.trace.end).min(self.trace.end);
        Some(self.failure(&text, at, actual))
    }

    fn is_kind(&self, event: &Event) -> bool {
        match (&self.expect.what, event) {
            (Expected::Rollback(None), Event::Rollback(..))
            | (Expected::Promoted, Event::Promoted | Event::Finished(Verdict::Promoted))
            | (Expected::Paused, Event::Paused(_))
            | (Expected::Refused, Event::Refused(_))
            | (Expected::Snapshot, Event::Snapshot) => true,
            (Expected::Rollback(Some(p)), Event::Rollback(to, _)) => Some(*p) == *to,
            // a rollback to a phase enters it anew
            (Expected::Phase(p), Event::Entered(q) | Event::Rollback(Some(q), _)) => p == q,
            (Expected::Notified(c), Event::Notified(d)) => c == d,
            (Expected::Ran(a, _), Event::Ran(b, _)) => a == b,
            (Expected::Killed(s), Event::Killed(t, _)) => s == t,
            _ => false,
        }
    }

    fn because(&self, event: &Event, name: &str) -> bool {
        match event {
            Event::Rollback(_, c) | Event::Paused(c) | Event::Killed(_, c) => c.is(name),
            Event::Refused(reasons) => reasons.iter().any(|r| refused_by(r, name)),
            // what else happens at a check has the cause of what was decided there
            _ => {
                let at = self.trace.events.iter().find(|(_, e)| e == event).map(|(t, _)| *t);
                self.trace
                    .events
                    .iter()
                    .any(|(t, e)| Some(*t) == at && matches!(e, Event::Rollback(_, c) | Event::Paused(c) if c.is(name)))
            }
        }
    }

    /// What happened of that kind: `it rolled back at 16m because errors`.
    fn tell(&self, (t, event): &(Millis, Event)) -> String {
        let at = show::duration(*t);
        let why = |c: &Cause| format!(" because {}", c.word());
        match event {
            Event::Rollback(None, c) => format!("it rolled back at {at}{}", why(c)),
            Event::Rollback(Some(p), c) => format!("it rolled back to {} at {at}{}", self.phase(*p), why(c)),
            Event::Paused(c) => format!("it paused at {at}{}", why(c)),
            Event::Killed(_, c) => format!("it was thrown at {at}{}", why(c)),
            Event::Refused(reasons) => format!("it was refused: {}", reasons.join("; ")),
            Event::Finished(v) => format!("it was {} at {at}", v.text().replace('_', " ")),
            Event::Promoted => format!("it was promoted at {at}"),
            Event::Entered(p) => format!("{} was entered at {at}", self.phase(*p)),
            Event::Passed(p) => format!("{} was passed at {at}", self.phase(*p)),
            Event::Notified(_) => format!("it was told at {at}"),
            Event::Ran(..) => format!("it ran at {at}"),
            Event::Snapshot => format!("one was taken at {at}"),
            Event::Resumed => format!("it went on at {at}"),
        }
    }

    /// What happened instead of something that did not happen at all.
    fn instead(&self) -> String {
        if let Some((t, event)) = self.broken_off() {
            return self.tell(&(t, event.clone()));
        }
        if let Some((t, Event::Finished(v))) =
            self.trace.events.iter().rev().find(|(_, e)| matches!(e, Event::Finished(_)))
        {
            return format!("it was {} at {}", v.text().replace('_', " "), show::duration(*t));
        }
        if self.trace.rows.is_empty() {
            return format!("it has not begun by {}", show::duration(self.trace.end));
        }
        let row = self.expect.at.and_then(|t| self.trace.row_at(t)).or_else(|| self.trace.rows.len().checked_sub(1));
        let Some(row) = row.and_then(|r| self.trace.rows.get(r)) else { return String::from("nothing happened") };
        let place = match row.phase {
            Some(p) => format!("in phase {}", self.phase(p)),
            None => String::from("being taken back"),
        };
        let paused = if row.paused { ", paused" } else { "" };
        let end = if self.expect.at.is_none() {
            String::from(
                " (the test ends there, an hour after the last time that it names: say `at …` to go on longer)",
            )
        } else {
            String::new()
        };
        format!("at {} it is {place}{paused}{end}", show::duration(row.at))
    }

    /// What ended the run's way through the phases: a refusal, a rollback, a pause that nobody ended.
    fn broken_off(&self) -> Option<(Millis, &Event)> {
        let refused = self.trace.events.iter().find(|(_, e)| matches!(e, Event::Refused(_)));
        let back = self.trace.events.iter().find(|(_, e)| matches!(e, Event::Rollback(None, _)));
        let paused = self
            .trace
            .events
            .iter()
            .rev()
            .find(|(_, e)| matches!(e, Event::Paused(_) | Event::Resumed))
            .filter(|(_, e)| matches!(e, Event::Paused(_)));
        let found = refused.or(back).or(paused)?;
        Some((found.0, &found.1))
    }

    fn phase(&self, p: PhaseId) -> String {
        self.plan.phase_name(p).to_owned()
    }

    fn failure(&self, text: &str, at: Millis, actual: Option<Millis>) -> Failure {
        Failure {
            cause: format!("{}{text}", written(self.expect)),
            span: self.expect.span,
            at,
            expected: self.expect.at,
            actual,
            slice: None,
        }
    }
}

/// Whether a reason for a refused start is of that name.
fn refused_by(reason: &str, name: &str) -> bool {
    reason.starts_with(&format!("guard {name} is false"))
        || reason.starts_with(&format!("{name}:"))
        || reason.starts_with(&format!("{name} is already"))
}
