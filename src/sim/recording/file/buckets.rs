//! Rows of buckets to answers: one answer is many rows.

use super::super::error::Fault;
use super::super::series::{bound, push_buckets};
use super::super::{NOT_KNOWN, Values};
use super::assemble::{Assembly, Open, REASON, cell, shown_key};
use super::cells::Run;
use super::columns::Column;
use crate::plan::{Bucket, Missing, Time};

/// The check of a series of buckets whose bounds are still coming.
pub(super) struct Pending {
    time: Time,
    buckets: Vec<Bucket>,
    sampled: Time,
    count: u32,
    /// Whether more bounds may come: not after a reason, nor after a row without a bound.
    open: bool,
}

impl Assembly<'_> {
    /// Takes rows of a series of buckets: a check's bounds may go on in the next batch.
    ///
    /// # Errors
    /// As [`Assembly::take`].
    pub(super) fn buckets(&mut self, times: &[i64], missing: &[Run], from: usize) -> Result<(), Fault> {
        for (i, time) in times.iter().enumerate() {
            let row = from + i;
            let of = |cells: &[f64]| cells.get(row).copied().filter(|v| !v.is_nan());
            let (le, value, why) = (of(&self.le), of(&self.value), cell(missing, row));
            let why = why.map(|text| self.reason(text, row).map(|why| (why, text.len()))).transpose()?;
            let bucket = match (le, value) {
                (Some(le), Some(count)) => Some(Bucket { le: le.is_finite().then_some(le), count }),
                (None, None) => None,
                (Some(_), None) => {
                    return Err(self.wrong(row, Column::Value, "a bound without a count", "drop the row, or count"));
                }
                (None, Some(_)) => {
                    return Err(self.wrong(
                        row,
                        Column::Le,
                        "a count without a bound",
                        "write the bucket's upper bound",
                    ));
                }
            };
            if bucket.is_some() && why.is_some() {
                let help = "an answer has one of them; empty the other";
                return Err(self.wrong(row, Column::Missing, "a number, and a reason why there is none", help));
            }
            self.bucket(*time, bucket, why, row)?;
        }
        Ok(())
    }

    fn bucket(
        &mut self,
        time: Time,
        bucket: Option<Bucket>,
        why: Option<(Missing, usize)>,
        row: usize,
    ) -> Result<(), Fault> {
        let Some(mut open) = self.open.take() else { return Ok(()) };
        let result = self.bucket_of(&mut open, time, bucket, why, row);
        self.open = Some(open);
        result.map_err(|fault| match fault {
            Fault::Row { row, column, what, help, .. } => {
                let series = self.open.as_ref().map(|o| shown_key(&o.series.key));
                Fault::Row { row, column, series, what, help }
            }
            other => other,
        })
    }

    fn bucket_of(
        &mut self,
        open: &mut Open,
        time: Time,
        bucket: Option<Bucket>,
        why: Option<(Missing, usize)>,
        row: usize,
    ) -> Result<(), Fault> {
        let sampled = self.sampled.get(row).copied().unwrap_or(NOT_KNOWN);
        let count = self.counts.get(row).copied().unwrap_or_default().cast_unsigned();
        if let Some(p) = &mut open.pending
            && p.time == time
        {
            let Some(bucket) = bucket.filter(|_| p.open && why.is_none()) else {
                return Err(self.unsorted(row, time, time));
            };
            if p.sampled != sampled || p.count != count {
                let what = "another sample's time or number of series than the bound before";
                return Err(self.wrong(row, Column::SampledAt, what, "the bounds of one answer have the same"));
            }
            if p.buckets.last().is_some_and(|last| bound(last.le) >= bound(bucket.le)) {
                return Err(self.wrong(
                    row,
                    Column::Le,
                    "the bounds do not rise",
                    "sort the rows by series, time and bound; each bound once",
                ));
            }
            p.buckets.push(bucket);
            return self.widen(open);
        }
        let last = open.pending.as_ref().map(|p| p.time).or_else(|| open.series.times.last().copied());
        if let Some(last) = last.filter(|last| *last >= time) {
            return Err(self.unsorted(row, last, time));
        }
        open.settle();
        if let Some((why, len)) = why {
            self.pay(REASON + len as u64)?;
            open.series.missing.insert(open.series.times.len(), why);
            open.pending = Some(Pending { time, buckets: Vec::new(), sampled, count, open: false });
        } else {
            let some = bucket.is_some();
            open.pending = Some(Pending { time, buckets: bucket.into_iter().collect(), sampled, count, open: some });
        }
        self.widen(open)
    }

    /// Pays for what the rows of an open series of buckets come to.
    fn widen(&mut self, open: &Open) -> Result<(), Fault> {
        let Values::Buckets { bounds, .. } = &open.series.values else { return Ok(()) };
        let known = |b: &Bucket| bounds.binary_search_by(|le| bound(*le).total_cmp(&bound(b.le))).is_ok();
        let new = open.pending.as_ref().and_then(|p| p.buckets.last()).is_some_and(|b| !known(b));
        let cells = if new { open.series.times.len() } else { 0 }
            + if open.pending.as_ref().is_some_and(|p| p.buckets.len() <= 1) { bounds.len() + 1 } else { 1 };
        self.pay(8 * cells as u64)
    }
}

impl Open {
    /// The check whose bounds were coming is complete.
    pub(super) fn settle(&mut self) {
        let Some(p) = self.pending.take() else { return };
        let rows = self.series.times.len();
        if let Values::Buckets { bounds, counts } = &mut self.series.values {
            push_buckets(bounds, counts, rows, &p.buckets);
        }
        self.series.times.push(p.time);
        self.series.sampled.push(p.sampled);
        self.series.counts.push(p.count);
    }
}
