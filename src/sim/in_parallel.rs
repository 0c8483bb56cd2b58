//! The same work for each of many things, on all cores.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Fewer things than these are done one after the other: threads would take longer to begin than a policy takes to check.
const FEW: usize = 16;

/// What a worker may use of stack, in bytes: as much as the main thread has, since what runs there must run here, too.
const STACK: usize = 8 * 1024 * 1024;

/// `f` of each item, in the order of the items.
pub fn map<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    spread(items, items.len() / FEW, f)
}

/// As [`map`], for work of which each piece takes longer than a thread takes to begin.
pub fn map_each<T: Sync, R: Send>(items: &[T], f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    spread(items, items.len(), f)
}

fn spread<T: Sync, R: Send>(items: &[T], most: usize, f: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let workers = thread::available_parallelism().map_or(1, NonZeroUsize::get).min(most);
    if workers < 2 {
        return items.iter().map(f).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return done };
            done.push((i, f(item)));
        }
    };
    let mut done = thread::scope(|scope| {
        // where no thread can be had, this one does it all
        let others: Vec<_> = (1..workers)
            .filter_map(|_| thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work).ok())
            .collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(part) => done.extend(part),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_unstable_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, r)| r).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_is_that_of_the_items_and_each_is_done_once() {
        for n in [0, 1, 15, 16, 33, 5_000] {
            let items: Vec<usize> = (0..n).collect();
            let seen = AtomicUsize::new(0);
            let out = map(&items, |i| {
                seen.fetch_add(1, Ordering::Relaxed);
                i * 2
            });
            assert_eq!(out, items.iter().map(|i| i * 2).collect::<Vec<_>>());
            assert_eq!(seen.load(Ordering::Relaxed), n);
            assert_eq!(map_each(&items, |i| i + 1), items.iter().map(|i| i + 1).collect::<Vec<_>>());
        }
    }

    #[test]
    #[should_panic(expected = "item 77")]
    fn a_panic_is_not_swallowed() {
        let items: Vec<usize> = (0..100).collect();
        map(&items, |i| assert!(*i != 77, "item {i}"));
    }
}
