//! A recording to Parquet.

use super::super::error::{Fault, RecordingError, VERSION};
use super::super::key::{Kind, word};
use super::super::series::bound;
use super::super::{Happened, Key, NOT_KNOWN, Recording, Series, Values};
use super::columns::{self, Column};
use crate::plan::Plan;
use bytes::Bytes;
use parquet::basic::{Compression, Encoding};
use parquet::data_type::{ByteArray, ByteArrayType, DataType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;
use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

/// The most rows of a group: it bounds the memory of writing and reading, and 30 days at 15 s fit in one.
const GROUP: usize = 1 << 18;
/// From so many rows on a series has groups of its own.
const OWN: usize = 1 << 13;

/// The bytes of a recording.
///
/// # Errors
/// [`Fault::Unfit`]: its series are not sorted, each once, with rising times and finite numbers, or their lengths do not agree.
pub fn encode(recording: &Recording) -> Result<Vec<u8>, RecordingError> {
    let mut out = Vec::new();
    encode_to(recording, &mut out)?;
    Ok(out)
}

/// As [`encode`], with the plan that a run had, so that another version of its policy can be replayed beside what it was.
///
/// # Errors
/// As [`encode`].
pub fn encode_with_plan(recording: &Recording, plan: &Plan) -> Result<Vec<u8>, RecordingError> {
    let mut out = Vec::new();
    fit(recording).map_err(unfit)?;
    let plan = serde_json::to_string(plan).map_err(|e| unfit(e.to_string()))?;
    write(recording, Some(plan), &mut out).map_err(|e| unfit(e.to_string()))?;
    Ok(out)
}

/// Writes a recording as it goes: no more than one group of rows is held beside it.
///
/// # Errors
/// As [`encode`]; and what the writer says.
pub fn encode_to<W: Write + Send>(recording: &Recording, out: W) -> Result<(), RecordingError> {
    fit(recording).map_err(unfit)?;
    write(recording, None, out).map_err(|e| unfit(e.to_string()))
}

fn unfit(what: String) -> RecordingError {
    RecordingError { name: String::new(), fault: Fault::Unfit { what } }
}

fn fit(recording: &Recording) -> Result<(), String> {
    let about = &recording.about;
    if about.version != VERSION {
        return Err(format!("version {} of the format; this canary writes version {VERSION}", about.version));
    }
    let mut seen = HashSet::new();
    if let Some(twice) = about.slices.iter().find(|d| !seen.insert(*d)) {
        return Err(format!("the dimension `{twice}` stands twice"));
    }
    for pair in recording.series.windows(2) {
        if let [a, b] = pair
            && a.key >= b.key
        {
            return Err(format!("the series are not sorted by key, each once: {} stands before {}", a.key, b.key));
        }
    }
    recording.series.iter().try_for_each(|s| fit_series(s, about.slices.len()).map_err(|e| format!("{}: {e}", s.key)))
}

fn fit_series(s: &Series, dimensions: usize) -> Result<(), String> {
    let rows = s.times.len();
    let (kind, width, values) = match &s.values {
        Values::Value(v) => (Kind::Value, 1, v),
        Values::Increase(v) => (Kind::Increase, 1, v),
        Values::Buckets { bounds, counts } => (Kind::Buckets, bounds.len(), counts),
    };
    if Kind::of(&s.key.question) != Some(kind) {
        return Err(format!("the numbers are of the kind {kind:?}, which the question is not"));
    }
    if !s.key.slice.is_empty() && s.key.slice.len() != dimensions {
        return Err(format!("{} values for {dimensions} dimensions of slices", s.key.slice.len()));
    }
    if values.len() != rows * width || s.sampled.len() != rows || s.counts.len() != rows {
        return Err(format!("{rows} times, and another number of values"));
    }
    if !s.times.is_sorted_by(|a, b| a < b) {
        return Err(String::from("the times do not rise"));
    }
    if s.missing.keys().any(|row| *row >= rows) {
        return Err(String::from("a reason for a row that there is not"));
    }
    if s.counts.iter().any(|n| i32::try_from(*n).is_err()) {
        return Err(String::from("more than 2,147,483,647 series behind an answer"));
    }
    if let Values::Buckets { bounds, counts } = &s.values {
        if !bounds.is_sorted_by(|a, b| bound(*a) < bound(*b)) || bounds.iter().flatten().any(|b| !b.is_finite()) {
            return Err(String::from("the bounds of the buckets do not rise"));
        }
        return if counts.iter().any(|n| n.is_infinite()) { Err(String::from("a count is infinite")) } else { Ok(()) };
    }
    match values.iter().enumerate().find(|(row, v)| !v.is_finite() && !s.missing.contains_key(row)) {
        Some((row, v)) => Err(format!("row {row} is {v}; a row without a number needs a reason")),
        None => Ok(()),
    }
}

fn write<W: Write + Send>(recording: &Recording, plan: Option<String>, out: W) -> Result<(), ParquetError> {
    let about = serde_json::to_string(&recording.about).map_err(|e| ParquetError::General(e.to_string()))?;
    let schema = columns::schema(&recording.about.slices)?;
    let mut file = SerializedFileWriter::new(out, schema, Arc::new(properties(about, plan)))?;
    let mut group = Group::new(&recording.about.slices);
    for s in &recording.series {
        let own = s.times.len() >= OWN;
        if own || group.rows() + s.times.len() > GROUP {
            group.flush(&mut file)?;
        }
        let key = group.key(&s.key);
        for row in 0..s.times.len() {
            group.answer(&key, s, row)?;
            if group.rows() >= GROUP {
                group.flush(&mut file)?;
            }
        }
        if own {
            group.flush(&mut file)?;
        }
    }
    group.flush(&mut file)?;
    for (seq, what) in recording.happened.iter().enumerate() {
        group.event(seq, what)?;
        if group.rows() >= GROUP {
            group.flush(&mut file)?;
        }
    }
    group.flush(&mut file)?;
    file.close().map(|_| ())
}

fn properties(about: String, plan: Option<String>) -> WriterProperties {
    let pair = |key: &str, value| KeyValue::new(String::from(key), value);
    let pairs = std::iter::once(pair(columns::METADATA, about)).chain(plan.map(|p| pair(columns::PLAN, p)));
    let path = |c: Column| ColumnPath::from(c.name());
    let mut props = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_key_value_metadata(Some(pairs.collect()))
        .set_max_row_group_row_count(None)
        // the reader takes the key of a group from them: whole, and of the group
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_statistics_truncate_length(None)
        .set_offset_index_disabled(true)
        .set_data_page_row_count_limit(GROUP);
    for c in [Column::Time, Column::SampledAt] {
        // checks are a step apart: a time takes a bit or none
        props = props
            .set_column_dictionary_enabled(path(c), false)
            .set_column_encoding(path(c), Encoding::DELTA_BINARY_PACKED);
    }
    props.set_column_dictionary_enabled(path(Column::Value), false).build()
}

/// The cells of a column: those that there are, and for every row whether there is one.
struct Cells<T> {
    values: Vec<T>,
    levels: Vec<i16>,
}

impl<T> Cells<T> {
    fn new() -> Self {
        Self { values: Vec::new(), levels: Vec::new() }
    }

    fn push(&mut self, value: Option<T>) {
        self.levels.push(i16::from(value.is_some()));
        self.values.extend(value);
    }
}

/// The texts of a key, once for all of its rows.
struct KeyText {
    metric: ByteArray,
    population: ByteArray,
    question: ByteArray,
    slice: Vec<Option<ByteArray>>,
}

/// The rows of a group, before they are written.
struct Group {
    time: Vec<i64>,
    metric: Cells<ByteArray>,
    population: Cells<ByteArray>,
    question: Cells<ByteArray>,
    le: Cells<f64>,
    slices: Vec<Cells<ByteArray>>,
    value: Cells<f64>,
    sampled: Cells<i64>,
    series: Cells<i32>,
    missing: Cells<ByteArray>,
    event: Cells<ByteArray>,
    seq: Cells<i32>,
}

impl Group {
    fn new(dimensions: &[String]) -> Self {
        Self {
            time: Vec::new(),
            metric: Cells::new(),
            population: Cells::new(),
            question: Cells::new(),
            le: Cells::new(),
            slices: dimensions.iter().map(|_| Cells::new()).collect(),
            value: Cells::new(),
            sampled: Cells::new(),
            series: Cells::new(),
            missing: Cells::new(),
            event: Cells::new(),
            seq: Cells::new(),
        }
    }

    fn rows(&self) -> usize {
        self.time.len()
    }

    fn key(&self, key: &Key) -> KeyText {
        let text = |s: &str| ByteArray::from(Bytes::copy_from_slice(s.as_bytes()));
        KeyText {
            metric: text(&key.metric),
            population: text(word(key.population)),
            question: text(&key.question),
            slice: (0..self.slices.len()).map(|i| key.slice.get(i).map(|v| text(v))).collect(),
        }
    }

    fn answer(&mut self, key: &KeyText, s: &Series, row: usize) -> Result<(), ParquetError> {
        if let Some(why) = s.missing.get(&row) {
            let why = serde_json::to_vec(why).map_err(|e| ParquetError::General(e.to_string()))?;
            self.row(key, s, row, (None, None), Some(ByteArray::from(why)));
            return Ok(());
        }
        match &s.values {
            Values::Value(v) | Values::Increase(v) => self.row(key, s, row, (None, v.get(row).copied()), None),
            Values::Buckets { bounds, counts } => {
                let cells = counts.get(row * bounds.len()..(row + 1) * bounds.len()).unwrap_or_default();
                let mut any = false;
                for (le, n) in bounds.iter().zip(cells).filter(|(_, n)| !n.is_nan()) {
                    self.row(key, s, row, (Some(bound(*le)), Some(*n)), None);
                    any = true;
                }
                if !any {
                    self.row(key, s, row, (None, None), None);
                }
            }
        }
        Ok(())
    }

    fn row(
        &mut self,
        key: &KeyText,
        s: &Series,
        row: usize,
        (le, value): (Option<f64>, Option<f64>),
        why: Option<ByteArray>,
    ) {
        self.time.extend(s.times.get(row));
        self.metric.push(Some(key.metric.clone()));
        self.population.push(Some(key.population.clone()));
        self.question.push(Some(key.question.clone()));
        self.le.push(le);
        for (cells, value) in self.slices.iter_mut().zip(&key.slice) {
            cells.push(value.clone());
        }
        self.value.push(value);
        self.sampled.push(s.sampled.get(row).copied().filter(|t| *t != NOT_KNOWN));
        self.series.push(s.counts.get(row).and_then(|n| i32::try_from(*n).ok()));
        self.missing.push(why);
        self.event.push(None);
        self.seq.push(None);
    }

    fn event(&mut self, seq: usize, what: &Happened) -> Result<(), ParquetError> {
        let text = serde_json::to_vec(what).map_err(|e| ParquetError::General(e.to_string()))?;
        let seq = i32::try_from(seq).map_err(|e| ParquetError::General(e.to_string()))?;
        self.time.push(what.at());
        for cells in [&mut self.metric, &mut self.population, &mut self.question, &mut self.missing] {
            cells.push(None);
        }
        for cells in &mut self.slices {
            cells.push(None);
        }
        self.le.push(None);
        self.value.push(None);
        self.sampled.push(None);
        self.series.push(None);
        self.event.push(Some(ByteArray::from(text)));
        self.seq.push(Some(seq));
        Ok(())
    }

    /// Writes the rows, in the order of [`columns::schema`], and forgets them.
    fn flush<W: Write + Send>(&mut self, file: &mut SerializedFileWriter<W>) -> Result<(), ParquetError> {
        if self.time.is_empty() {
            return Ok(());
        }
        let mut out = file.next_row_group()?;
        column::<Int64Type, W>(&mut out, &self.time, None)?;
        cells::<ByteArrayType, W>(&mut out, &mut self.metric)?;
        cells::<ByteArrayType, W>(&mut out, &mut self.population)?;
        cells::<ByteArrayType, W>(&mut out, &mut self.question)?;
        cells::<DoubleType, W>(&mut out, &mut self.le)?;
        for c in &mut self.slices {
            cells::<ByteArrayType, W>(&mut out, c)?;
        }
        cells::<DoubleType, W>(&mut out, &mut self.value)?;
        cells::<Int64Type, W>(&mut out, &mut self.sampled)?;
        cells::<Int32Type, W>(&mut out, &mut self.series)?;
        cells::<ByteArrayType, W>(&mut out, &mut self.missing)?;
        cells::<ByteArrayType, W>(&mut out, &mut self.event)?;
        cells::<Int32Type, W>(&mut out, &mut self.seq)?;
        self.time.clear();
        out.close().map(|_| ())
    }
}

fn cells<T: DataType, W: Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    cells: &mut Cells<T::T>,
) -> Result<(), ParquetError> {
    column::<T, W>(out, &cells.values, Some(&cells.levels))?;
    cells.values.clear();
    cells.levels.clear();
    Ok(())
}

fn column<T: DataType, W: Write + Send>(
    out: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let missing = || ParquetError::General(String::from("the schema has fewer columns than a row"));
    let mut column = out.next_column()?.ok_or_else(missing)?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
