//! The cells of a column, a batch of rows at a time.

use super::guard::Checked;
use parquet::column::reader::{ColumnReaderImpl, get_column_reader};
use parquet::data_type::{ByteArray, ByteArrayType, DataType};
use parquet::errors::ParquetError;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::reader::RowGroupReader;

/// A column of a row group.
pub struct Cells<T: DataType> {
    source: Source<T>,
    /// Those that there are, of the batch, in order.
    pub values: Vec<T::T>,
    /// Of every row of the batch whether there is one (1) or not (0); empty: there is one in every row.
    pub levels: Vec<i16>,
}

enum Source<T: DataType> {
    /// No row has one: so the statistics say.
    Absent,
    /// Every row has this one: so the statistics say.
    Always(T::T),
    Rows {
        reader: Box<ColumnReaderImpl<T>>,
        optional: bool,
    },
}

impl<T: DataType> Cells<T> {
    /// Opens a column whose type is known to be `T`.
    ///
    /// # Errors
    /// The column's header is damaged.
    pub fn open(group: &dyn RowGroupReader, column: usize) -> Result<Self, ParquetError> {
        let meta = chunk(group, column)?;
        if absent(meta) {
            return Ok(Self { source: Source::Absent, values: Vec::new(), levels: Vec::new() });
        }
        let optional = meta.column_descr().max_def_level() > 0;
        let pages = Box::new(Checked::new(group.get_column_page_reader(column)?));
        let reader = T::get_column_reader(get_column_reader(meta.column_descr_ptr(), pages))
            .ok_or_else(|| ParquetError::General(String::from("a column of another type")))?;
        Ok(Self { source: Source::Rows { reader: Box::new(reader), optional }, values: Vec::new(), levels: Vec::new() })
    }

    /// Reads the next `rows` rows in the place of the last ones.
    ///
    /// # Errors
    /// The data is damaged, or there are fewer rows.
    pub fn read(&mut self, rows: usize) -> Result<(), ParquetError> {
        let Source::Rows { reader, optional } = &mut self.source else { return Ok(()) };
        self.values.clear();
        self.levels.clear();
        let levels = optional.then_some(&mut self.levels);
        let (records, values, _) = reader.read_records(rows, levels, None, &mut self.values)?;
        if records != rows || self.values.len() != values || (*optional && self.levels.len() != rows) {
            return Err(ParquetError::General(format!("{rows} rows are announced, and {records} are there")));
        }
        if values == rows {
            self.levels.clear();
        }
        Ok(())
    }

    /// Whether no row of the group has one.
    pub fn absent(&self) -> bool {
        matches!(self.source, Source::Absent)
    }

    /// Whether every row of the group has the same one, or none has.
    pub fn constant(&self) -> bool {
        matches!(self.source, Source::Absent | Source::Always(_))
    }

    /// The row of the batch in which the `n`th of [`Self::values`] stands.
    pub fn row_of(&self, n: usize) -> usize {
        if self.levels.is_empty() {
            return n;
        }
        self.levels.iter().enumerate().filter(|(_, l)| **l > 0).nth(n).map_or(n, |(row, _)| row)
    }
}

impl<T: DataType> Cells<T>
where
    T::T: Copy,
{
    /// The cells of every row into `out`, with `none` where there is none.
    pub fn spread(&self, rows: usize, none: T::T, out: &mut Vec<T::T>) {
        out.clear();
        match &self.source {
            Source::Absent => out.resize(rows, none),
            Source::Always(v) => out.resize(rows, *v),
            Source::Rows { .. } if self.levels.is_empty() => out.extend_from_slice(&self.values),
            Source::Rows { .. } => {
                let mut values = self.values.iter();
                out.extend(
                    self.levels.iter().map(|l| if *l > 0 { values.next().copied().unwrap_or(none) } else { none }),
                );
            }
        }
    }
}

/// A stretch of rows of a batch with the same text: where it begins, and the text.
pub type Run = (usize, Option<ByteArray>);

impl Cells<ByteArrayType> {
    /// As [`Cells::open`]; does without the rows where the statistics say that they are all the same.
    ///
    /// # Errors
    /// The column's header is damaged.
    pub fn open_text(group: &dyn RowGroupReader, column: usize) -> Result<Self, ParquetError> {
        if let Some(s) = chunk(group, column)?.statistics()
            && s.null_count_opt() == Some(0)
            && s.min_is_exact()
            && s.max_is_exact()
            && let (Some(min), Some(max)) = (s.min_bytes_opt(), s.max_bytes_opt())
            && min == max
        {
            return Ok(Self { source: Source::Always(ByteArray::from(min)), values: Vec::new(), levels: Vec::new() });
        }
        Self::open(group, column)
    }

    /// The stretches of the batch into `out`; at least one.
    pub fn runs(&self, out: &mut Vec<Run>) {
        out.clear();
        match &self.source {
            Source::Absent => out.push((0, None)),
            Source::Always(v) => out.push((0, Some(v.clone()))),
            Source::Rows { .. } if self.levels.is_empty() => {
                for (row, v) in self.values.iter().enumerate() {
                    run(out, row, Some(v));
                }
            }
            Source::Rows { .. } => {
                let mut values = self.values.iter();
                for (row, level) in self.levels.iter().enumerate() {
                    run(out, row, if *level > 0 { values.next() } else { None });
                }
            }
        }
    }
}

fn run(out: &mut Vec<Run>, row: usize, value: Option<&ByteArray>) {
    let same = match (out.last(), value) {
        (Some((_, Some(last))), Some(v)) => {
            // values of a dictionary are the same bytes in the same place
            let (a, b) = (last.data(), v.data());
            a.len() == b.len() && (std::ptr::eq(a, b) || a == b)
        }
        (Some((_, None)), None) => true,
        _ => false,
    };
    if !same {
        out.push((row, value.cloned()));
    }
}

/// Whether no row of a group has one: so the statistics say.
pub fn absent(column: &ColumnChunkMetaData) -> bool {
    let all = u64::try_from(column.num_values()).ok();
    all.is_some() && column.statistics().is_some_and(|s| s.null_count_opt() == all)
}

fn chunk(group: &dyn RowGroupReader, column: usize) -> Result<&ColumnChunkMetaData, ParquetError> {
    let all = group.metadata().columns();
    all.get(column).ok_or(ParquetError::IndexOutOfBound(column, all.len()))
}
