//! The columns of a recording's file: the one place that knows their names and types.

use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::{Type, TypePtr};
use std::sync::Arc;

/// The key of the file's metadata under which [`super::super::About`] stands.
pub const METADATA: &str = "canary.recording";
/// The key under which the plan stands that a run had.
pub const PLAN: &str = "canary.plan";
/// Before the name of a slice's dimension.
pub const SLICE: &str = "slice_";

/// A column beside those of the slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Column {
    /// The check time, or when something happened.
    Time,
    /// The metric; absent where something happened.
    Metric,
    /// Whose numbers.
    Population,
    /// What was asked.
    Question,
    /// The upper bound of a bucket, `+Inf` as infinity.
    Le,
    /// The number.
    Value,
    /// When the newest sample was taken.
    SampledAt,
    /// How many series stood behind it.
    Series,
    /// Why there is no number, as JSON.
    Missing,
    /// What happened, as JSON.
    Event,
    /// Its place in the order of what happened, from 0.
    Seq,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Milliseconds since 1970, UTC.
    Timestamp,
    /// Text.
    Text,
    /// A number.
    Double,
    /// A whole number.
    Int,
}

impl Column {
    /// Those before the slices' columns, in the file's order.
    pub const BEFORE: [Self; 5] = [Self::Time, Self::Metric, Self::Population, Self::Question, Self::Le];
    /// Those behind them.
    pub const BEHIND: [Self; 6] = [Self::Value, Self::SampledAt, Self::Series, Self::Missing, Self::Event, Self::Seq];

    /// Its name in the file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Metric => "metric",
            Self::Population => "population",
            Self::Question => "question",
            Self::Le => "le",
            Self::Value => "value",
            Self::SampledAt => "sampled_at",
            Self::Series => "series",
            Self::Missing => "missing",
            Self::Event => "event",
            Self::Seq => "seq",
        }
    }

    /// What it holds.
    #[must_use]
    pub fn holds(self) -> Holds {
        match self {
            Self::Time | Self::SampledAt => Holds::Timestamp,
            Self::Metric | Self::Population | Self::Question | Self::Missing | Self::Event => Holds::Text,
            Self::Le | Self::Value => Holds::Double,
            Self::Series | Self::Seq => Holds::Int,
        }
    }
}

/// The name of the column of a slice's dimension.
#[must_use]
pub fn of_dimension(dimension: &str) -> String {
    format!("{SLICE}{dimension}")
}

/// The schema of a recording with slices of these dimensions.
///
/// # Errors
/// The library refuses a name.
pub fn schema(dimensions: &[String]) -> Result<TypePtr, ParquetError> {
    let mut fields = Vec::new();
    for c in Column::BEFORE {
        fields.push(Arc::new(field(c.name(), c.holds(), c == Column::Time)?));
    }
    for d in dimensions {
        fields.push(Arc::new(field(&of_dimension(d), Holds::Text, false)?));
    }
    for c in Column::BEHIND {
        fields.push(Arc::new(field(c.name(), c.holds(), false)?));
    }
    Ok(Arc::new(Type::group_type_builder("recording").with_fields(fields).build()?))
}

fn field(name: &str, holds: Holds, required: bool) -> Result<Type, ParquetError> {
    let (physical, logical) = match holds {
        Holds::Timestamp => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MILLIS))),
        Holds::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Holds::Double => (Physical::DOUBLE, None),
        Holds::Int => (Physical::INT32, None),
    };
    let repetition = if required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
    Type::primitive_type_builder(name, physical).with_logical_type(logical).with_repetition(repetition).build()
}
