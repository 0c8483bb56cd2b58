//! Rows to series.

use super::super::error::{Fault, shown};
use super::super::key::Kind;
use super::super::{Happened, Key, NOT_KNOWN, Series, Values};
use super::buckets::Pending;
use super::cells::{Cells, Run};
use super::columns::Column;
use crate::plan::{Missing, Population, Time, show};
use parquet::data_type::{ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use std::sync::atomic::{AtomicU64, Ordering};

/// The columns of a row group, a batch of rows at a time.
pub struct Batch {
    pub time: Cells<Int64Type>,
    pub metric: Cells<ByteArrayType>,
    pub population: Cells<ByteArrayType>,
    pub question: Cells<ByteArrayType>,
    pub le: Cells<DoubleType>,
    pub slices: Vec<Cells<ByteArrayType>>,
    pub value: Cells<DoubleType>,
    pub sampled: Cells<Int64Type>,
    pub series: Cells<Int32Type>,
    pub missing: Cells<ByteArrayType>,
    pub event: Cells<ByteArrayType>,
    pub seq: Cells<Int32Type>,
}

impl Batch {
    /// Whether all rows of the group have one key.
    pub fn is_of_one_series(&self) -> bool {
        [&self.metric, &self.population, &self.question].into_iter().chain(&self.slices).all(Cells::constant)
    }

    /// Reads the next rows of every column.
    ///
    /// # Errors
    /// The data is damaged, or a column has fewer rows.
    pub fn read(&mut self, rows: usize) -> Result<(), ParquetError> {
        self.time.read(rows)?;
        let texts = [&mut self.metric, &mut self.population, &mut self.question, &mut self.missing, &mut self.event];
        texts.into_iter().chain(&mut self.slices).try_for_each(|c| c.read(rows))?;
        self.le.read(rows)?;
        self.value.read(rows)?;
        self.sampled.read(rows)?;
        self.series.read(rows)?;
        self.seq.read(rows)
    }
}

/// What a byte of a file may come to in memory: the densest that an honest writer gets is about half of it.
const DENSEST: u64 = 128;
/// What may be taken whatever the size of the file.
const ALWAYS: u64 = 256 << 20;
/// What a row of a series takes: a time, a number, the time of a sample, a count.
const ROW: u64 = 28;
/// What a reason takes beside its text.
pub(super) const REASON: u64 = 96;
/// What a series or an event takes beside its texts.
const THING: u64 = 512;
/// No count of series: no row has it.
const NO_COUNT: i32 = -1;

/// The series that is being read.
pub(super) struct Open {
    pub series: Series,
    kind: Kind,
    /// The row in which it began, for errors.
    began: u64,
    /// Of buckets: the check whose bounds are still coming.
    pub pending: Option<Pending>,
}

/// What a file may come to in memory, and what it has come to: one for all that read it.
pub struct Purse {
    limit: u64,
    taken: AtomicU64,
}

impl Purse {
    /// For a file of so many bytes.
    pub fn of(size: usize) -> Self {
        Self { limit: ALWAYS + DENSEST * size as u64, taken: AtomicU64::new(0) }
    }

    fn pay(&self, bytes: u64) -> Result<(), Fault> {
        let before = self.taken.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.limit { Err(Fault::TooBig { limit: self.limit }) } else { Ok(()) }
    }
}

/// What rows have come to: series with the row in which each began, and what happened.
pub type Part = (Vec<(Series, u64)>, Vec<Happened>);

/// What is known so far of a recording, or of a part of its rows.
pub struct Assembly<'a> {
    dimensions: usize,
    purse: &'a Purse,
    /// Rows before this batch.
    before: u64,
    /// So many rows of one series are announced: room for them is made at once.
    expected: usize,
    done: Vec<(Series, u64)>,
    pub(super) open: Option<Open>,
    happened: Vec<Happened>,
    // the batch, a cell a row
    pub(super) value: Vec<f64>,
    pub(super) le: Vec<f64>,
    pub(super) sampled: Vec<i64>,
    pub(super) counts: Vec<i32>,
    seq: Vec<i32>,
}

/// The cells of a batch that are runs of text.
struct Texts {
    /// Metric, population, question, then the slice's dimensions.
    keys: Vec<Vec<Run>>,
    missing: Vec<Run>,
    event: Vec<Run>,
}

impl<'a> Assembly<'a> {
    /// Nothing yet; so many rows of the file are somebody else's to read.
    pub fn new(dimensions: usize, before: u64, purse: &'a Purse) -> Self {
        Self {
            dimensions,
            purse,
            before,
            expected: 0,
            done: Vec::new(),
            open: None,
            happened: Vec::new(),
            value: Vec::new(),
            le: Vec::new(),
            sampled: Vec::new(),
            counts: Vec::new(),
            seq: Vec::new(),
        }
    }

    pub(super) fn pay(&self, bytes: u64) -> Result<(), Fault> {
        self.purse.pay(bytes)
    }

    /// The next rows, so many, are said to be of one series.
    pub fn expects(&mut self, rows: usize) {
        self.expected = rows;
    }

    pub(super) fn wrong(&self, row: usize, column: Column, what: impl Into<String>, help: &str) -> Fault {
        Fault::Row {
            row: self.before + row as u64 + 1,
            column: column.name(),
            series: self.open.as_ref().map(|o| shown_key(&o.series.key)),
            what: what.into(),
            help: String::from(help),
        }
    }

    /// Takes a batch of so many rows.
    ///
    /// # Errors
    /// [`Fault::Row`]: what is wrong in which row; [`Fault::TooBig`].
    pub fn take(&mut self, batch: &Batch, rows: usize) -> Result<(), Fault> {
        if batch.time.absent() || batch.time.values.len() != rows {
            return Err(self.wrong(0, Column::Time, "a row without a time", "give every row a time, or drop it"));
        }
        for (cells, column) in [(&batch.value, Column::Value), (&batch.le, Column::Le)] {
            let bad =
                |v: &f64| if column == Column::Le { v.is_nan() || *v == f64::NEG_INFINITY } else { !v.is_finite() };
            if let Some(n) = cells.values.iter().position(bad) {
                let what = format!("{} is no number", cells.values.get(n).copied().unwrap_or(f64::NAN));
                let help = "a row without a number has no `value`, and says why in `missing`";
                self.open = None;
                return Err(self.wrong(cells.row_of(n), column, what, help));
            }
        }
        batch.value.spread(rows, f64::NAN, &mut self.value);
        batch.le.spread(rows, f64::NAN, &mut self.le);
        batch.sampled.spread(rows, NOT_KNOWN, &mut self.sampled);
        batch.series.spread(rows, NO_COUNT, &mut self.counts);
        batch.seq.spread(rows, NO_COUNT, &mut self.seq);
        let mut texts = Texts { keys: Vec::new(), missing: Vec::new(), event: Vec::new() };
        for c in [&batch.metric, &batch.population, &batch.question].into_iter().chain(&batch.slices) {
            let mut runs = Vec::new();
            c.runs(&mut runs);
            texts.keys.push(runs);
        }
        batch.missing.runs(&mut texts.missing);
        batch.event.runs(&mut texts.event);
        let mut from = 0;
        while from < rows {
            let key: Vec<Option<&ByteArray>> = texts.keys.iter().map(|runs| cell(runs, from)).collect();
            let to = texts.keys.iter().map(|runs| end(runs, from, rows)).min().unwrap_or(rows).max(from + 1);
            if key.first().is_some_and(Option::is_some) {
                self.enter(&key, from)?;
                self.answers(&batch.time.values, &texts.missing, from, to)?;
            } else {
                self.leave();
                self.events(&batch.time.values, &texts.event, from, to)?;
            }
            from = to;
        }
        self.before += rows as u64;
        Ok(())
    }

    /// The series of a key begins or goes on.
    fn enter(&mut self, key: &[Option<&ByteArray>], row: usize) -> Result<(), Fault> {
        if self.open.as_ref().is_some_and(|o| same(&o.series.key, key)) {
            return Ok(());
        }
        self.leave();
        let text = |i: usize, column: Column| -> Result<String, Fault> {
            let Some(cell) = key.get(i).copied().flatten() else {
                return Err(self.wrong(row, column, "empty, and the row has a metric", "an answer has all of its key"));
            };
            let text = cell.as_utf8().map_err(|_| self.wrong(row, column, "not UTF-8", "record it again"))?;
            Ok(String::from(text))
        };
        let (metric, population, question) =
            (text(0, Column::Metric)?, text(1, Column::Population)?, text(2, Column::Question)?);
        let population = match population.as_str() {
            "canary" => Population::Canary,
            "stable" => Population::Stable,
            "before" => Population::Before,
            other => {
                let what = format!("`{}` is no population", shown(other));
                return Err(self.wrong(row, Column::Population, what, "there are `canary`, `stable` and `before`"));
            }
        };
        let Some(kind) = Kind::of(&question) else {
            let what = format!("`{}` is no question", shown(&question));
            let help = "there are `value`, `value over 5m`, `increase over 5m`, `increase since last`, `buckets over 5m`, `buckets since last`";
            return Err(self.wrong(row, Column::Question, what, help));
        };
        let slice = match key.get(3..).unwrap_or_default() {
            cells if cells.iter().all(Option::is_none) => Vec::new(),
            cells if cells.len() == self.dimensions => {
                let mut slice = Vec::new();
                for cell in cells {
                    let Some(cell) = cell else {
                        let what = "some dimensions of its slice have a value, and some have none";
                        return Err(self.wrong(row, Column::Metric, what, "give all of them a value, or none"));
                    };
                    let bad = |_| self.wrong(row, Column::Metric, "a slice's value is not UTF-8", "record it again");
                    slice.push(String::from(cell.as_utf8().map_err(bad)?));
                }
                slice
            }
            _ => Vec::new(),
        };
        let key = Key { metric, population, question, slice };
        self.pay(
            THING
                + (key.metric.len() + key.question.len()) as u64
                + key.slice.iter().map(|v| v.len() as u64).sum::<u64>(),
        )?;
        let unknown = self.wrong(row, Column::Question, "no such question", "record it again");
        let mut series = Series::new(key).map_err(|_| unknown)?;
        let expected = std::mem::take(&mut self.expected);
        if let Values::Value(v) | Values::Increase(v) = &mut series.values {
            v.reserve(expected);
            series.times.reserve(expected);
            series.sampled.reserve(expected);
            series.counts.reserve(expected);
        }
        self.open = Some(Open { series, kind, began: self.before + row as u64 + 1, pending: None });
        Ok(())
    }

    /// The open series is over.
    fn leave(&mut self) {
        if let Some(mut open) = self.open.take() {
            open.settle();
            self.done.push((open.series, open.began));
        }
    }

    fn answers(&mut self, times: &[i64], missing: &[Run], from: usize, to: usize) -> Result<(), Fault> {
        let rows = from..to;
        let Some(times) = times.get(rows.clone()) else { return Ok(()) };
        self.pay(ROW * times.len() as u64)?;
        if let Some(n) = self.counts.get(rows.clone()).and_then(|c| c.iter().position(|n| *n < 0)) {
            return Err(self.wrong(
                from + n,
                Column::Series,
                "not a number of series",
                "write how many series stood behind the answer",
            ));
        }
        if self.open.as_ref().is_some_and(|o| o.kind == Kind::Buckets) {
            return self.buckets(times, missing, from);
        }
        if let Some(n) = self.le.get(rows.clone()).and_then(|c| c.iter().position(|le| !le.is_nan())) {
            return Err(self.wrong(
                from + n,
                Column::Le,
                "a bound, and the question is not about buckets",
                "leave it empty",
            ));
        }
        self.rising(times, from)?;
        self.reasons(missing, from, to)?;
        let (Some(open), Some(new), Some(sampled), Some(counts)) =
            (&mut self.open, self.value.get(rows.clone()), self.sampled.get(rows.clone()), self.counts.get(rows))
        else {
            return Ok(());
        };
        open.series.times.extend_from_slice(times);
        open.series.sampled.extend_from_slice(sampled);
        open.series.counts.extend(counts.iter().map(|n| n.cast_unsigned()));
        if let Values::Value(v) | Values::Increase(v) = &mut open.series.values {
            v.extend_from_slice(new);
        }
        Ok(())
    }

    fn rising(&self, times: &[i64], from: usize) -> Result<(), Fault> {
        let last = self.open.as_ref().and_then(|o| o.series.times.last().copied());
        let first = times.first().copied();
        if let (Some(last), Some(first)) = (last, first)
            && last >= first
        {
            return Err(self.unsorted(from, last, first));
        }
        if times.is_sorted_by(|a, b| a < b) {
            return Ok(());
        }
        match times.windows(2).enumerate().find_map(|(i, w)| match w {
            [a, b] if a >= b => Some((i + 1, *a, *b)),
            _ => None,
        }) {
            Some((i, a, b)) => Err(self.unsorted(from + i, a, b)),
            None => Ok(()),
        }
    }

    pub(super) fn unsorted(&self, row: usize, before: Time, this: Time) -> Fault {
        if before == this {
            let what = format!("a second answer for {}", show::utc(this));
            return self.wrong(
                row,
                Column::Time,
                what,
                "keep one row for each check time (of buckets, one for each bound)",
            );
        }
        let what = format!("{} stands behind {}", show::utc(this), show::utc(before));
        self.wrong(row, Column::Time, what, "sort the rows by series, then by time")
    }

    /// Why rows have no number. Every one without has to say it.
    fn reasons(&mut self, missing: &[Run], from: usize, to: usize) -> Result<(), Fault> {
        let none = |v: &f64| v.is_nan();
        if let [(_, None)] = missing {
            let Some(n) = self.value.get(from..to).and_then(|v| v.iter().position(none)) else { return Ok(()) };
            return Err(self.no_reason(from + n));
        }
        let mut row = from;
        while row < to {
            let till = end(missing, row, to);
            let here = self.value.get(row..till).unwrap_or_default();
            match cell(missing, row) {
                None => {
                    if let Some(n) = here.iter().position(none) {
                        return Err(self.no_reason(row + n));
                    }
                }
                Some(text) => {
                    if let Some(n) = here.iter().position(|v| !v.is_nan()) {
                        let help = "an answer has one of them; empty the other";
                        return Err(self.wrong(
                            row + n,
                            Column::Missing,
                            "a number, and a reason why there is none",
                            help,
                        ));
                    }
                    self.pay((till - row) as u64 * (REASON + text.len() as u64))?;
                    let why = self.reason(text, row)?;
                    if let Some(open) = &mut self.open {
                        let first = open.series.times.len() + (row - from);
                        open.series.missing.extend((first..first + (till - row)).map(|at| (at, why.clone())));
                    }
                }
            }
            row = till;
        }
        Ok(())
    }

    fn no_reason(&self, row: usize) -> Fault {
        let help = r#"say why there is none: `{"why":"not_asked"}` if nobody asked"#;
        self.wrong(row, Column::Value, "neither a number nor a reason in `missing`", help)
    }

    pub(super) fn reason(&self, text: &ByteArray, row: usize) -> Result<Missing, Fault> {
        serde_json::from_slice(text.data()).map_err(|e| {
            let found = shown(&String::from_utf8_lossy(text.data()));
            let help = r#"it is JSON like `{"why":"empty"}`, with `failed`, `empty`, `stale`, `not_a_number`, `ambiguous` or `not_asked`"#;
            self.wrong(row, Column::Missing, format!("`{found}` is no reason ({})", shown(&e.to_string())), help)
        })
    }

    fn events(&mut self, times: &[i64], event: &[Run], from: usize, to: usize) -> Result<(), Fault> {
        for row in from..to {
            let Some(text) = cell(event, row) else {
                return Err(self.wrong(
                    row,
                    Column::Metric,
                    "neither a metric nor an event",
                    "name the metric, or drop the row",
                ));
            };
            self.pay(THING + 4 * text.len() as u64)?;
            let expected = self.happened.len();
            if self.seq.get(row).is_none_or(|n| usize::try_from(*n) != Ok(expected)) {
                let what = format!("not {expected}, though {expected} events stand before it");
                return Err(self.wrong(
                    row,
                    Column::Seq,
                    what,
                    "sort the rows by series, time and `seq`, and drop none",
                ));
            }
            let what: Happened = serde_json::from_slice(text.data()).map_err(|e| {
                let found = shown(&String::from_utf8_lossy(text.data()));
                let what = format!("`{found}` is no event ({})", shown(&e.to_string()));
                self.wrong(row, Column::Event, what, "keep the events as the run wrote them, or drop all of them")
            })?;
            if times.get(row).is_some_and(|t| *t != what.at()) {
                return Err(self.wrong(row, Column::Time, "another time than its event has", "make them equal"));
            }
            self.happened.push(what);
        }
        Ok(())
    }

    /// What the rows have come to.
    pub fn finish(mut self) -> Part {
        self.leave();
        (self.done, self.happened)
    }
}

/// The series, sorted by key, and what happened, out of all parts in their order.
///
/// # Errors
/// The rows of a series stand in two places.
pub fn joined(parts: Vec<Part>) -> Result<(Vec<Series>, Vec<Happened>), Fault> {
    let (mut done, mut happened) = (Vec::new(), Vec::new());
    for (series, events) in parts {
        done.extend(series);
        happened.extend(events);
    }
    done.sort_by(|a, b| a.0.key.cmp(&b.0.key).then(a.1.cmp(&b.1)));
    for pair in done.windows(2) {
        if let [(a, _), (b, row)] = pair
            && a.key == b.key
        {
            return Err(Fault::Row {
                row: *row,
                column: Column::Metric.name(),
                series: Some(shown_key(&b.key)),
                what: String::from("the rows of this series stand in more than one place"),
                help: String::from("sort the rows by series, then by time"),
            });
        }
    }
    Ok((done.into_iter().map(|(s, _)| s).collect(), happened))
}

pub(super) fn shown_key(key: &Key) -> String {
    format!("series {}", shown(&key.to_string()))
}

fn same(key: &Key, cells: &[Option<&ByteArray>]) -> bool {
    let is = |cell: Option<&Option<&ByteArray>>, text: &str| {
        cell.copied().flatten().is_some_and(|c| c.data() == text.as_bytes())
    };
    let slice = cells.get(3..).unwrap_or_default();
    is(cells.first(), &key.metric)
        && is(cells.get(1), super::super::key::word(key.population))
        && is(cells.get(2), &key.question)
        && if key.slice.is_empty() {
            slice.iter().all(Option::is_none)
        } else {
            slice.len() == key.slice.len() && slice.iter().zip(&key.slice).all(|(c, v)| is(Some(c), v))
        }
}

/// The text of a row.
pub(super) fn cell(runs: &[Run], row: usize) -> Option<&ByteArray> {
    runs.get(at(runs, row)).and_then(|(_, text)| text.as_ref())
}

/// Where the stretch of a row ends, at most at `till`.
fn end(runs: &[Run], row: usize, till: usize) -> usize {
    runs.get(at(runs, row) + 1).map_or(till, |(start, _)| *start).min(till)
}

fn at(runs: &[Run], row: usize) -> usize {
    runs.partition_point(|(start, _)| *start <= row).saturating_sub(1)
}
