//! Which row groups of a file can be read by themselves, and reading them by as many threads as the machine has.

use super::cells::absent;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The row groups, split where one ends a series and the next begins another one, as far as their statistics tell: what stands in
/// such a stretch has nothing to do with what stands before it. What happened is counted through: it is one stretch behind all
/// others, or nothing is split. `keys` are the places of the columns that make up a key, the metric first.
pub fn stretches(groups: &[RowGroupMetaData], keys: &[usize]) -> Vec<Range<usize>> {
    let is_event = |g: &&RowGroupMetaData| metric(g, keys).is_some_and(absent);
    let tail = groups.len() - groups.iter().rev().take_while(is_event).count();
    if !groups.iter().take(tail).all(|g| metric(g, keys).and_then(range).is_some()) {
        return std::iter::once(0..groups.len()).collect();
    }
    let cuts = groups.windows(2).enumerate().filter_map(|(i, w)| match w {
        [a, b] if i + 1 == tail || (i + 1 < tail && differ(a, b, keys)) => Some(i + 1),
        _ => None,
    });
    let ends: Vec<usize> = cuts.chain([groups.len()]).collect();
    let begins = std::iter::once(0).chain(ends.iter().copied());
    begins.zip(&ends).map(|(from, to)| from..*to).collect()
}

fn metric<'g>(group: &'g RowGroupMetaData, keys: &[usize]) -> Option<&'g ColumnChunkMetaData> {
    group.columns().get(*keys.first()?)
}

/// Whether no key of one group is one of the other.
fn differ(a: &RowGroupMetaData, b: &RowGroupMetaData, keys: &[usize]) -> bool {
    keys.iter().any(|c| {
        let range = |g: &RowGroupMetaData| g.columns().get(*c).and_then(range);
        matches!((range(a), range(b)), (Some((low, high)), Some((other_low, other_high))) if high < other_low || other_high < low)
    })
}

/// The texts between which those of a column lie, of which every row has one.
fn range(column: &ColumnChunkMetaData) -> Option<(Vec<u8>, Vec<u8>)> {
    let s = column.statistics().filter(|s| s.null_count_opt() == Some(0) && !s.is_min_max_deprecated())?;
    Some((s.min_bytes_opt()?.to_vec(), s.max_bytes_opt()?.to_vec()))
}

/// `f` of each, in their order, by all cores; `None` where one has come to nothing, or where there is but one.
pub fn each<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> Option<R> + Sync) -> Option<Vec<R>> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(items.len());
    if workers < 2 {
        return None;
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let done = Mutex::new(Vec::with_capacity(items.len()));
    let work = || {
        while failed.load(Ordering::Relaxed) == 0 {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return };
            // what stops the library in one of them is found again by whoever reads all of them
            match (catch_unwind(AssertUnwindSafe(|| f(item))), done.lock()) {
                (Ok(Some(r)), Ok(mut done)) => done.push((i, r)),
                _ => failed.store(1, Ordering::Relaxed),
            }
        }
    };
    let all_went = thread::scope(|scope| {
        // where no thread can be had, this one does it all
        let others: Vec<_> =
            (1..workers).filter_map(|_| thread::Builder::new().spawn_scoped(scope, work).ok()).collect();
        work();
        others.into_iter().all(|t| t.join().is_ok())
    });
    let mut done = done.into_inner().ok().filter(|d| all_went && d.len() == items.len())?;
    done.sort_unstable_by_key(|(i, _)| *i);
    Some(done.into_iter().map(|(_, r)| r).collect())
}
