//! What is kept of a check of all slices, beside the journal: of each slice what is kept of a rollout with one life, one in full and
//! the others as what is different. It is bounded: slices that are not well, or of which something was decided, come first.

use super::alike::{applied, difference};
use crate::engine::Observation;
use crate::engine::fleet::{Fleet, Observed, SliceId};
use crate::plan::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What is kept of one check takes no more, in bytes of JSON: 256 KiB.
pub const MOST_OF_A_CHECK: usize = 256 << 10;
/// What is kept of all checks of a run takes no more, in bytes: 1 GiB, and [`TRIMMED_EVERY`] more until it is looked at again.
pub const MOST_OF_A_RUN: u64 = 1 << 30;
/// After so many bytes more it is looked at again: 64 MiB.
pub const TRIMMED_EVERY: u64 = 64 << 20;

/// What is kept of a check of all slices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    /// Slices of which nothing is kept, because there is no room.
    pub left_out: usize,
    /// Those of them that were not well, or of which something was decided.
    pub left_out_unwell: usize,
    /// What the others are like.
    like: Value,
    /// Slices by their values, with what is different.
    slices: Vec<(Vec<String>, Option<Value>)>,
}

/// What is kept of a slice's check.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Everything.
    Kept(Box<Observation>),
    /// Nothing: there was no room for all, and it is one of those that were left out, or was in no life.
    LeftOut,
    /// Nothing: it had not begun, or was over.
    NotThere,
}

impl Noted {
    /// Of the check that has just been made, at which something was `decided` of some slices, in no more than `most` bytes; none where no slice was in a life.
    #[must_use]
    pub fn of(
        plan: &Plan,
        before: &Fleet,
        fleet: &Fleet,
        decided: &BTreeSet<SliceId>,
        (observed, live): (&Observed, bool),
        most: usize,
    ) -> Option<Self> {
        let tells = |s: &SliceId| decided.contains(s) || !fleet.is_well(*s);
        let checked = |s: &SliceId| fleet.was_checked(*s);
        let (first, then): (Vec<_>, Vec<_>) = fleet.slices().filter(checked).partition(tells);
        let told = first.len();
        let mut out =
            Self { left_out: first.len() + then.len(), left_out_unwell: told, like: Value::Null, slices: Vec::new() };
        let mut size = 0;
        for (i, slice) in first.into_iter().chain(then).enumerate() {
            let Some(o) = fleet.observation(plan, before, slice, observed, live) else { continue };
            let Ok(whole) = serde_json::to_value(o) else { continue };
            let different = if i == 0 { None } else { difference(&out.like, &whole) };
            let values = fleet.key(slice).map(<[String]>::to_vec).unwrap_or_default();
            let row = (values, different);
            size += serde_json::to_string(&row).map_or(0, |s| s.len());
            size += if i == 0 { whole.to_string().len() } else { 0 };
            if size > most {
                break;
            }
            if i == 0 {
                out.like = whole;
            }
            out.slices.push(row);
            out.left_out -= 1;
            out.left_out_unwell -= usize::from(i < told);
        }
        (out.left_out > 0 || !out.slices.is_empty()).then_some(out)
    }

    /// How many slices something is kept of.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slices.len()
    }

    /// Whether nothing is kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// What is kept of a slice, by its values in the order of [`Plan::slices`].
    ///
    /// # Errors
    /// What is kept cannot be read by this version.
    pub fn find(&self, values: &[String]) -> Result<Found, String> {
        let Some((_, different)) = self.slices.iter().find(|(v, _)| v == values) else {
            return Ok(if self.left_out == 0 { Found::NotThere } else { Found::LeftOut });
        };
        let whole = applied(&self.like, different.as_ref()).ok_or("it does not fit together")?;
        let o = serde_json::from_value(whole).map_err(|e| e.to_string())?;
        Ok(Found::Kept(Box::new(o)))
    }
}
