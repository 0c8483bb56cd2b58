//! Parquet to a recording.

use super::super::error::{Fault, RecordingError, VERSION, shown};
use super::super::{About, Recording};
use super::assemble::{Assembly, Batch, Part, Purse, joined};
use super::cells::Cells;
use super::columns::{self, Column, Holds};
use super::guard;
use super::stretches::{each, stretches};
use crate::plan::Plan;
use bytes::Bytes;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit, Type as Physical};
use parquet::data_type::{ByteArrayType, DoubleType, Int32Type, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader};
use parquet::file::serialized_reader::SerializedFileReader;
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor};
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Rows that are read at once: what they need stays in a core's own cache.
const BATCH: usize = 1 << 14;
/// Fewer rows than these are read by one thread: others would take longer to begin than it takes.
const FEW: i64 = 1 << 16;
/// For so many rows room is made before they are read: more than that no group has that this program writes.
const GROUP: usize = 1 << 18;
/// How a Parquet file begins and ends.
const MAGIC: &[u8] = b"PAR1";
/// The shortest file: magic, an empty footer, its length, magic.
const SHORTEST: usize = 12;

/// The recording that the bytes are; `name` says in errors where they come from. Copies the bytes: [`decode_owned`] does not.
///
/// # Errors
/// [`RecordingError`]: what is wrong, where, and a way out.
pub fn decode(bytes: &[u8], name: &str) -> Result<Recording, RecordingError> {
    whole(Bytes::copy_from_slice(bytes), name)
}

/// As [`decode`], of bytes that nobody else needs.
///
/// # Errors
/// As [`decode`].
pub fn decode_owned(bytes: Vec<u8>, name: &str) -> Result<Recording, RecordingError> {
    whole(Bytes::from(bytes), name)
}

/// The plan of the run that wrote a recording, where it stands in the file, is the one that the recording is of, and was written in a
/// form that this version reads.
#[must_use]
pub fn decode_plan(bytes: &[u8]) -> Option<Plan> {
    let read = || -> Option<Plan> {
        let bytes = Bytes::copy_from_slice(bytes);
        guard::footer(&bytes).ok()?;
        let file = SerializedFileReader::new(bytes).ok()?;
        let pairs = file.metadata().file_metadata().key_value_metadata()?;
        let text = |key: &str| pairs.iter().find(|p| p.key == key)?.value.as_deref();
        let plan: Plan = serde_json::from_str(text(columns::PLAN)?).ok()?;
        let about = about(text(columns::METADATA)?).ok()?;
        Some(plan).filter(|p| p.hash == about.policy)
    };
    catch_unwind(AssertUnwindSafe(read)).unwrap_or(None)
}

fn whole(bytes: Bytes, name: &str) -> Result<Recording, RecordingError> {
    from(bytes, name, FEW)
}

/// The recording; one with so many rows is read by several threads.
pub(super) fn from(bytes: Bytes, name: &str, many: i64) -> Result<Recording, RecordingError> {
    // what was found that stops the library in the midst is refused before (see `guard`); what was not found is told as damage
    let read = catch_unwind(AssertUnwindSafe(|| read(bytes, many)));
    let stopped = |_| Err(Fault::Damaged { detail: String::from("its data contradicts itself") });
    read.unwrap_or_else(stopped).map_err(|fault| RecordingError { name: String::from(name), fault })
}

fn damaged(e: &ParquetError) -> Fault {
    let text = e.to_string();
    let text = text.strip_prefix("Parquet error: ").or_else(|| text.strip_prefix("EOF: ")).unwrap_or(&text);
    Fault::Damaged { detail: shown_long(text) }
}

fn shown_long(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(200).collect()
}

fn read(bytes: Bytes, many: i64) -> Result<Recording, Fault> {
    let (size, begins, ends) = (bytes.len(), bytes.starts_with(MAGIC), bytes.ends_with(MAGIC));
    if !begins {
        return Err(Fault::NotParquet);
    }
    if !ends || size < SHORTEST {
        return Err(Fault::Truncated);
    }
    guard::footer(&bytes).map_err(|e| damaged(&e))?;
    let file = SerializedFileReader::new(bytes.clone()).map_err(|e| damaged(&e))?;
    let meta = file.metadata().file_metadata();
    let schema = meta.schema_descr();
    let pairs = meta.key_value_metadata().map(Vec::as_slice).unwrap_or_default();
    let Some(text) = pairs.iter().find(|p| p.key == columns::METADATA) else {
        return Err(Fault::Foreign { columns: schema.columns().iter().map(|c| c.path().string()).collect() });
    };
    let about = about(text.value.as_deref().unwrap_or_default())?;
    let places = Places::of(schema, &about.slices)?;
    let groups = file.metadata().row_groups();
    for group in groups {
        group.columns().iter().try_for_each(|c| guard::pages(&bytes, c)).map_err(|e| damaged(&e))?;
    }
    let keys: Vec<usize> =
        [places.metric, places.population, places.question].into_iter().chain(places.slices.clone()).collect();
    let part = |groups: Range<usize>, purse: &Purse| read_part(&file, &places, groups, purse);
    let rows = groups.iter().fold(0_i64, |n, g| n.saturating_add(g.num_rows()));
    let purse = Purse::of(size);
    let apart = (rows >= many).then(|| each(&stretches(groups, &keys), |s| part(s.clone(), &purse).ok()));
    let (series, happened) = match apart.flatten().and_then(|parts| joined(parts).ok()) {
        Some(all) => all,
        // what is wrong is told the plain way: the first in the file's order, whichever was found first
        None => joined(vec![part(0..groups.len(), &Purse::of(size))?])?,
    };
    Ok(Recording { about, series, happened })
}

/// Reads some row groups.
fn read_part(
    file: &SerializedFileReader<Bytes>,
    places: &Places,
    groups: Range<usize>,
    purse: &Purse,
) -> Result<Part, Fault> {
    let before = file.metadata().row_groups().iter().take(groups.start).map(|g| g.num_rows().max(0).unsigned_abs());
    let mut assembly = Assembly::new(places.slices.len(), before.fold(0, u64::saturating_add), purse);
    for i in groups {
        let group = file.get_row_group(i).map_err(|e| damaged(&e))?;
        read_group(group.as_ref(), places, &mut assembly)?;
    }
    Ok(assembly.finish())
}

fn about(text: &str) -> Result<About, Fault> {
    let bad = |e: serde_json::Error| Fault::About { detail: shown_long(&e.to_string()) };
    let value: serde_json::Value = serde_json::from_str(text).map_err(bad)?;
    match value.get("version").and_then(serde_json::Value::as_u64) {
        Some(found) if found > u64::from(VERSION) => return Err(Fault::Newer { found }),
        Some(0) => return Err(Fault::About { detail: String::from("version 0 of the format, which there never was") }),
        _ => {}
    }
    let mut about: About = serde_json::from_value(value).map_err(bad)?;
    // where it stood before it had a field
    if let Some(writer) = about.writer.strip_suffix(", incomplete") {
        (about.writer, about.incomplete) = (writer.to_owned(), true);
    }
    for (i, d) in about.slices.iter().enumerate() {
        if about.slices.iter().skip(i + 1).any(|other| other == d) {
            return Err(Fault::About { detail: format!("the dimension `{}` stands twice", shown(d)) });
        }
    }
    Ok(about)
}

/// Where the columns stand in the file.
struct Places {
    time: usize,
    metric: usize,
    population: usize,
    question: usize,
    le: usize,
    slices: Vec<usize>,
    value: usize,
    sampled: usize,
    series: usize,
    missing: usize,
    event: usize,
    seq: usize,
}

impl Places {
    fn of(schema: &SchemaDescriptor, dimensions: &[String]) -> Result<Self, Fault> {
        let at = |name: &str, holds: Holds| -> Result<usize, Fault> {
            let found = schema.columns().iter().position(|c| matches!(c.path().parts(), [only] if only == name));
            let place = found.ok_or_else(|| Fault::NoColumn { column: shown(name) })?;
            let column = schema.column(place);
            if column.max_rep_level() == 0 && column.max_def_level() <= 1 && is(&column, holds) {
                return Ok(place);
            }
            Err(Fault::Type { column: shown(name), found: called(&column), wanted: wanted(holds) })
        };
        let of = |c: Column| at(c.name(), c.holds());
        for c in schema.columns() {
            if let [only] = c.path().parts()
                && let Some(d) = only.strip_prefix(columns::SLICE)
                && !dimensions.iter().any(|known| known == d)
            {
                let detail =
                    format!("there is a column `{}`, and `{}` is no dimension of its slices", shown(only), shown(d));
                return Err(Fault::About { detail });
            }
        }
        Ok(Self {
            time: of(Column::Time)?,
            metric: of(Column::Metric)?,
            population: of(Column::Population)?,
            question: of(Column::Question)?,
            le: of(Column::Le)?,
            slices: dimensions.iter().map(|d| at(&columns::of_dimension(d), Holds::Text)).collect::<Result<_, _>>()?,
            value: of(Column::Value)?,
            sampled: of(Column::SampledAt)?,
            series: of(Column::Series)?,
            missing: of(Column::Missing)?,
            event: of(Column::Event)?,
            seq: of(Column::Seq)?,
        })
    }
}

fn is(c: &ColumnDescriptor, holds: Holds) -> bool {
    match holds {
        Holds::Timestamp => {
            let millis = match c.logical_type_ref() {
                Some(LogicalType::Timestamp(t)) => t.unit == TimeUnit::MILLIS,
                Some(_) => false,
                None => c.converted_type() == ConvertedType::TIMESTAMP_MILLIS,
            };
            c.physical_type() == Physical::INT64 && millis
        }
        Holds::Text => c.physical_type() == Physical::BYTE_ARRAY,
        Holds::Double => c.physical_type() == Physical::DOUBLE,
        Holds::Int => c.physical_type() == Physical::INT32,
    }
}

fn wanted(holds: Holds) -> &'static str {
    match holds {
        Holds::Timestamp => "a timestamp in milliseconds (INT64)",
        Holds::Text => "text (BYTE_ARRAY, UTF-8)",
        Holds::Double => "numbers of 64 bits (DOUBLE)",
        Holds::Int => "whole numbers of 32 bits (INT32)",
    }
}

fn called(c: &ColumnDescriptor) -> String {
    if c.max_rep_level() > 0 || c.max_def_level() > 1 {
        return String::from("nested");
    }
    let physical = c.physical_type();
    match c.logical_type_ref() {
        Some(LogicalType::Timestamp(t)) => format!("a timestamp in {:?} ({physical})", t.unit),
        Some(logical) => format!("{logical:?} ({physical})"),
        None => format!("{physical}"),
    }
}

fn read_group(group: &dyn RowGroupReader, at: &Places, assembly: &mut Assembly<'_>) -> Result<(), Fault> {
    let total = group.metadata().num_rows();
    let mut left =
        usize::try_from(total).map_err(|_| Fault::Damaged { detail: format!("a row group of {total} rows") })?;
    let mut batch = open(group, at).map_err(|e| damaged(&e))?;
    if batch.is_of_one_series() {
        // what is announced need not come
        assembly.expects(left.min(GROUP));
    }
    while left > 0 {
        let rows = left.min(BATCH);
        batch.read(rows).map_err(|e| damaged(&e))?;
        assembly.take(&batch, rows)?;
        left -= rows;
    }
    Ok(())
}

fn open(group: &dyn RowGroupReader, at: &Places) -> Result<Batch, ParquetError> {
    let text = |column| Cells::<ByteArrayType>::open_text(group, column);
    Ok(Batch {
        time: Cells::<Int64Type>::open(group, at.time)?,
        metric: text(at.metric)?,
        population: text(at.population)?,
        question: text(at.question)?,
        le: Cells::<DoubleType>::open(group, at.le)?,
        slices: at.slices.iter().map(|c| text(*c)).collect::<Result<_, _>>()?,
        value: Cells::<DoubleType>::open(group, at.value)?,
        sampled: Cells::<Int64Type>::open(group, at.sampled)?,
        series: Cells::<Int32Type>::open(group, at.series)?,
        missing: text(at.missing)?,
        event: text(at.event)?,
        seq: Cells::<Int32Type>::open(group, at.seq)?,
    })
}
