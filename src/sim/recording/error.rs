//! What can be wrong with a recording's bytes, each with its place and a way out.

use super::file::columns;
use std::fmt;

/// Why bytes are no recording, or a recording no bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingError {
    /// The name of what was read, as the caller gave it.
    pub name: String,
    /// What is wrong.
    pub fault: Fault,
}

/// What is wrong with a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The bytes are not those of a Parquet file.
    NotParquet,
    /// They begin like a Parquet file and do not end like one.
    Truncated,
    /// The Parquet format is violated.
    Damaged {
        /// Where and what, in the words of the reader.
        detail: String,
    },
    /// A Parquet file that is no recording.
    Foreign {
        /// Its columns.
        columns: Vec<String>,
    },
    /// Written by a newer canary.
    Newer {
        /// The format's version in the file.
        found: u64,
    },
    /// The metadata cannot be read.
    About {
        /// What is wrong in it.
        detail: String,
    },
    /// A column is absent.
    NoColumn {
        /// Its name.
        column: String,
    },
    /// A column is of another type.
    Type {
        /// Its name.
        column: String,
        /// What it is.
        found: String,
        /// What it has to be.
        wanted: &'static str,
    },
    /// Something in a row.
    Row {
        /// The row, counted from 1.
        row: u64,
        /// The column.
        column: &'static str,
        /// The series that it belongs to, where it is known.
        series: Option<String>,
        /// What is wrong.
        what: String,
        /// The way out.
        help: String,
    },
    /// The recording that is to be written is none.
    Unfit {
        /// What is wrong.
        what: String,
    },
    /// It would take more memory than its size can explain.
    TooBig {
        /// The bytes that it may take in memory.
        limit: u64,
    },
}

/// The newest version of the format that this canary reads, and the one that it writes.
pub const VERSION: u32 = 1;

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.name.is_empty() {
            write!(f, "{}: ", self.name)?;
        }
        write!(f, "{}", self.fault)
    }
}

impl std::error::Error for RecordingError {}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotParquet => f.write_str(
                "not a recording: a recording is a Parquet file, and this is none; `canary record FILE --import` makes one of CSV, \
                 OpenMetrics, Prometheus JSON and promtool series",
            ),
            Self::Truncated => {
                f.write_str("the recording ends too early: its footer is missing; copy or record it again")
            }
            Self::Damaged { detail } => write!(f, "the recording is damaged: {detail}; copy or record it again"),
            Self::Foreign { columns } => write!(
                f,
                "a Parquet file, but no recording of canary: it has no `{}` in its metadata; its columns are {}; save it as CSV \
                 with `time`, `metric`, `value` and import it with `canary record FILE --import`",
                columns::METADATA,
                listed(columns)
            ),
            Self::Newer { found } => write!(
                f,
                "the recording has version {found} of the format, and this canary reads up to {VERSION}; read it with a newer canary"
            ),
            Self::About { detail } => {
                write!(f, "the recording's metadata `{}` cannot be read: {detail}; record it again", columns::METADATA)
            }
            Self::NoColumn { column } => write!(
                f,
                "the recording lacks the column `{column}`; a program that changes a recording must keep all of its columns"
            ),
            Self::Type { column, found, wanted } => {
                write!(f, "the column `{column}` is {found}, and has to be {wanted}; convert it, or record again")
            }
            Self::Row { row, column, series, what, help } => {
                write!(f, "row {row}, column `{column}`")?;
                if let Some(series) = series {
                    write!(f, ", {series}")?;
                }
                write!(f, ": {what}; {help}")
            }
            Self::Unfit { what } => write!(f, "cannot be written: {what}"),
            Self::TooBig { limit } => write!(
                f,
                "the recording would take more than {} MiB in memory, far more than its size explains; it is damaged or was made to \
                 harm; record fewer metrics or a shorter time if it is neither",
                limit / (1 << 20)
            ),
        }
    }
}

fn listed(columns: &[String]) -> String {
    const SHOWN: usize = 12;
    let mut text = columns.iter().take(SHOWN).map(|c| format!("`{}`", shown(c))).collect::<Vec<_>>().join(", ");
    if columns.len() > SHOWN {
        text.push_str(&format!(" and {} more", columns.len() - SHOWN));
    }
    if text.is_empty() { String::from("none") } else { text }
}

/// A text of a stranger, short and on one line.
pub(super) fn shown(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut out: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect();
    if text.chars().nth(SHOWN).is_some() {
        out.push('…');
    }
    out
}
