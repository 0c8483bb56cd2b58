//! Slices: the dimensions along which a rollout has many lives, and in which order these begin.

use super::Millis;
use serde::{Deserialize, Serialize};

/// A dimension of a sliced rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slice {
    /// Its name in the policy.
    pub name: String,
    /// The label that tells its value, as the environment or the declaration says it; else its name.
    pub label: String,
    /// Where its values come from.
    pub values: SliceValues,
}

/// Where the values of a dimension come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SliceValues {
    /// These and no others, the least risky first.
    Listed(Vec<String>),
    /// Those seen in the labels of this metric.
    Of(String),
}

/// `start slices by severity limit 200 per 1h`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartSlices {
    /// The listed dimension whose order counts.
    pub by: String,
    /// At most so many in any stretch of so long.
    pub limit: Option<(u32, Millis)>,
}
