//! What a recording answers at a check.

use super::inject::Injected;
use crate::plan::{
    Answer, Ask, Bucket, Input, InputId, Millis, Missing, Plan, Population, Reading, Time, Window, show,
};
use crate::sim::recording::{Happened, Key, NOT_KNOWN, Recording, Series, Values};

/// When the question behind an input was last answered, for increments from check to check.
type Since<'a> = &'a dyn Fn(InputId) -> Option<Time>;

/// One input's place in a recording.
struct Column<'r> {
    /// It is asked at every check; otherwise once, before the start.
    asked: bool,
    /// It is asked what came since the last answer.
    since_last: bool,
    series: Option<&'r Series>,
    /// The rows before it are not later than the check that was looked at last.
    next: usize,
    /// The first row, from that check on, that has no number; behind the last one where there is none.
    numberless: usize,
    /// The checks, first and last, at which nobody had asked: of the stretch under way.
    silent: Option<(Time, Time)>,
}

impl<'r> Column<'r> {
    fn of(input: &Input, recording: &'r Recording) -> Self {
        let series = series(recording, input, &[]);
        Self {
            asked: input.population != Population::Before,
            since_last: from_check_to_check(input),
            series,
            next: 0,
            numberless: series.map_or(usize::MAX, |s| numberless(s, 0)),
            silent: None,
        }
    }

    /// Whether a row, not before the last one that was asked for, has a number.
    fn has_number(&mut self, series: &Series, row: usize) -> bool {
        if self.numberless < row {
            self.numberless = numberless(series, row);
        }
        self.numberless != row
    }
}

/// The first row without a number from a row on.
fn numberless(series: &Series, from: usize) -> usize {
    series.missing.range(from..).next().map_or(usize::MAX, |(row, _)| *row)
}

/// A stretch of checks at which a recording has nothing of an input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    pub(super) input: InputId,
    pub(super) from: Time,
    pub(super) to: Time,
}

/// Answers out of a recording, one check after the other.
pub(super) struct Answers<'a> {
    plan: &'a Plan,
    columns: Vec<Column<'a>>,
    injected: Vec<Injected>,
    now: Vec<Answer>,
    silences: Vec<Silence>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(plan: &'a Plan, recording: &'a Recording, injected: Vec<Injected>) -> Self {
        Self {
            plan,
            columns: plan.inputs.iter().map(|input| Column::of(input, recording)).collect(),
            injected,
            now: vec![Answer::missing(Missing::NotAsked); plan.inputs.len()],
            silences: Vec::new(),
        }
    }

    /// Looks at the check at `at`. `since` is when each question was last answered; `None`: rows are taken as they stand, because
    /// it was this very run that they were asked for. `exposure` is the share of the traffic that the canary has.
    pub(super) fn look(&mut self, at: Time, since: Option<Since<'_>>, exposure: f64) {
        for (i, (column, answer)) in self.columns.iter_mut().zip(&mut self.now).enumerate() {
            if !column.asked {
                continue;
            }
            let row = column.series.and_then(|s| Some((s, row_at(s, &mut column.next, at)?)));
            let Some((series, row)) = row else {
                *answer = Answer::missing(Missing::NotAsked);
                column.silent = Some((column.silent.map_or(at, |(from, _)| from), at));
                continue;
            };
            if let Some((from, to)) = column.silent.take() {
                self.silences.push(Silence { input: InputId::at(i), from, to });
            }
            if column.has_number(series, row) {
                put(series, row, answer);
            } else {
                *answer = series.answer(row).unwrap_or_else(|| Answer::missing(Missing::NotAsked));
            }
            if column.since_last
                && let Some(from) = since.and_then(|s| s(InputId::at(i)))
                && let (Some(input), Ok(reading)) = (self.plan.inputs.get(i), &mut answer.value)
            {
                add_skipped(series, row, from, input.max_age, reading);
            }
        }
        for injected in &mut self.injected {
            let last = since.and_then(|s| s(injected.input)).unwrap_or(at - self.plan.check_every);
            injected.apply(self.plan, &mut self.now, at, last, exposure);
        }
    }

    /// What was answered at the check that was looked at last.
    pub(super) fn now(&self) -> &[Answer] {
        &self.now
    }

    /// Every stretch in which nobody had asked.
    pub(super) fn silences(&mut self) -> Vec<Silence> {
        for (i, column) in self.columns.iter_mut().enumerate() {
            if let Some((from, to)) = column.silent.take() {
                self.silences.push(Silence { input: InputId::at(i), from, to });
            }
        }
        std::mem::take(&mut self.silences)
    }
}

/// The series of an input; `slice` is empty for what is not asked by slice.
pub(super) fn series<'r>(recording: &'r Recording, input: &Input, slice: &[String]) -> Option<&'r Series> {
    let key = Key::of(input, slice);
    let i = recording.series.binary_search_by(|s| s.key.cmp(&key)).ok()?;
    recording.series.get(i)
}

/// Whether it is asked for what came since the last answer.
pub(super) fn from_check_to_check(input: &Input) -> bool {
    matches!(input.ask, Ask::Increase(_, Window::SinceLast) | Ask::Buckets(_, Window::SinceLast))
}

/// The row at a time; `next` goes on to the first row behind it.
pub(super) fn row_at(series: &Series, next: &mut usize, at: Time) -> Option<usize> {
    // a row a check: nearly always it is the next one
    if series.times.get(*next) == Some(&at) {
        *next += 1;
        return Some(*next - 1);
    }
    let ahead = series.times.get(*next..)?;
    *next += ahead.partition_point(|t| *t <= at);
    let row = next.checked_sub(1)?;
    (series.times.get(row) == Some(&at)).then_some(row)
}

/// [`Series::answer`] of any row, into an answer that is there already.
pub(super) fn put_any(series: &Series, row: usize, out: &mut Answer) {
    if series.missing.contains_key(&row) {
        *out = series.answer(row).unwrap_or_else(|| Answer::missing(Missing::NotAsked));
    } else {
        put(series, row, out);
    }
}

/// [`Series::answer`] of a row with a number, into an answer that is there already: no memory is asked for at a check like the one
/// before.
fn put(series: &Series, row: usize, out: &mut Answer) {
    out.sampled_at = series.sampled.get(row).copied().filter(|t| *t != NOT_KNOWN);
    out.series = series.counts.get(row).copied().unwrap_or(0);
    match (&series.values, &mut out.value) {
        (Values::Value(v), Ok(Reading::Value(slot))) | (Values::Increase(v), Ok(Reading::Increase(slot))) => {
            *slot = v.get(row).copied().unwrap_or(f64::NAN);
        }
        (Values::Buckets { bounds, counts }, Ok(Reading::Buckets(slot))) => fill(bounds, counts, row, slot),
        // the first one, and the first one behind one without a number
        (_, slot) => *slot = series.answer(row).map_or(Err(Missing::NotAsked), |a| a.value),
    }
}

/// The buckets of a row.
fn fill(bounds: &[Option<f64>], counts: &[f64], row: usize, out: &mut Vec<Bucket>) {
    out.clear();
    let row = counts.get(row * bounds.len()..(row + 1) * bounds.len()).unwrap_or(&[]);
    let known = bounds.iter().zip(row).filter(|(_, n)| !n.is_nan());
    out.extend(known.map(|(le, n)| Bucket { le: *le, count: *n }));
}

/// Adds what came between the last answer and the row before: checks that were not made this time. A row that was too old when
/// it came was no answer: what it counted stands in the next one.
pub(super) fn add_skipped(series: &Series, row: usize, since: Time, max_age: Millis, reading: &mut Reading) {
    for r in (0..row).rev() {
        let Some(t) = series.times.get(r).copied().filter(|t| *t > since) else { return };
        let sampled = series.sampled.get(r).copied().unwrap_or(NOT_KNOWN);
        if series.missing.contains_key(&r) || (sampled != NOT_KNOWN && t - sampled > max_age) {
            continue;
        }
        match (&series.values, &mut *reading) {
            (Values::Increase(v), Reading::Increase(sum)) => *sum += v.get(r).copied().unwrap_or(0.0),
            (Values::Buckets { bounds, counts }, Reading::Buckets(sum)) => add_row(bounds, counts, r, sum),
            _ => return,
        }
    }
}

/// Adds a row of buckets to others; a bound that only one side has stays as it is there.
pub(super) fn add_row(bounds: &[Option<f64>], counts: &[f64], row: usize, sum: &mut [Bucket]) {
    let row = counts.get(row * bounds.len()..(row + 1) * bounds.len()).unwrap_or(&[]);
    for (le, n) in bounds.iter().zip(row).filter(|(_, n)| !n.is_nan()) {
        if let Some(b) = sum.iter_mut().find(|b| b.le == *le) {
            b.count += n;
        }
    }
}

/// What the stable population was before a start, by input; and, in words, how that was found where it is not simply recorded.
pub(super) fn baseline(plan: &Plan, recording: &Recording, start: Time) -> (Vec<Option<Answer>>, Vec<String>) {
    let mut said = Vec::new();
    let one = |input: &Input| {
        if input.population != Population::Before {
            return None;
        }
        // a run has asked once, when it began
        let began = |h: &Happened| matches!(h, Happened::Start { at, .. } if *at == start);
        let its_own = recording.happened.iter().any(began);
        let row = series(recording, input, &[]).and_then(|s| {
            let row = s.times.binary_search(&start).ok();
            s.answer(row.or_else(|| if its_own { s.times.len().checked_sub(1) } else { None })?)
        });
        Some(row.unwrap_or_else(|| {
            let (answer, how) = made_up(plan, recording, &[], input, start);
            if !said.contains(&how) {
                said.push(how);
            }
            answer
        }))
    };
    let out = plan.inputs.iter().map(one).collect();
    (out, said)
}

/// A baseline out of what the stable population was over the stretch before the start.
pub(super) fn made_up(
    plan: &Plan,
    recording: &Recording,
    slice: &[String],
    input: &Input,
    start: Time,
) -> (Answer, String) {
    let length = plan.baseline.unwrap_or(0);
    let (what, long) = (format!("{} before the start", input.metric), show::duration(length));
    let not = |why: &str| (Answer::missing(Missing::NotAsked), format!("{what}: not known: {why}"));
    let same = |s: &&Input| s.metric == input.metric && s.population == Population::Stable;
    let Some((stable, series)) =
        plan.inputs.iter().filter(same).find_map(|s| series(recording, s, slice).map(|series| (s, series)))
    else {
        return not(
            "the recording has no baseline for this start, and nothing of the stable population to reckon one from",
        );
    };
    // each row stands for the stretch behind it
    let covers = match &stable.ask {
        Ask::Increase(_, Window::Last(d)) | Ask::Buckets(_, Window::Last(d)) => *d,
        _ => recording.about.step,
    };
    let covers = covers.max(1);
    if length % covers != 0 {
        return not("the baseline is no multiple of the stretch that a recorded row stands for");
    }
    let mut rows = Vec::new();
    let mut at = start;
    while at > start - length {
        let row = series.times.binary_search(&at).ok().filter(|r| !series.missing.contains_key(r));
        let Some(row) = row else {
            let gap = show::duration(start - at);
            return not(&format!("the {long} before it are not recorded without a gap ({gap} before it nothing is)"));
        };
        rows.push(row);
        at -= covers;
    }
    let sum = |v: &[f64]| rows.iter().rev().filter_map(|r| v.get(*r)).sum::<f64>();
    #[expect(clippy::cast_precision_loss, reason = "a count of rows")]
    let n = rows.len() as f64;
    let reading = match &series.values {
        Values::Value(v) => Reading::Value(sum(v) / n),
        Values::Increase(v) => Reading::Increase(sum(v)),
        Values::Buckets { bounds, counts } => {
            let mut out: Vec<Bucket> = bounds.iter().map(|le| Bucket { le: *le, count: 0.0 }).collect();
            for r in rows.iter().rev() {
                add_row(bounds, counts, *r, &mut out);
            }
            Reading::Buckets(out)
        }
    };
    let text = format!("{what}: reckoned from what the recording has of the stable population in the {long} before");
    (Answer { value: Ok(reading), sampled_at: Some(start), series: 1 }, text)
}
