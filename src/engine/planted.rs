//! Bugs that are planted in the engine to see that the random harness finds them (`tests/oracle/planted.rs`). Built only with the
//! feature `planted`, which no release has; without it nothing of them remains.

#[cfg(feature = "planted")]
use std::sync::atomic::{AtomicU8, Ordering};

#[cfg(feature = "planted")]
/// What each planted bug does, by its number less one.
pub const BUGS: [&str; 12] = [
    "what is not decided counts as true",
    "hold runs while a guard is blind",
    "a tolerance is used up at more than its time, and not at its time",
    "checks that nobody asked at clear the clock of `no data`",
    "of several rollbacks the latest target wins",
    "a condition to promote that was true once stays true",
    "a back-filled check begins steps and ends phases",
    "a guard with `from` is armed one phase late",
    "what is not known resets a tolerance",
    "actions are undone in the order in which they were run",
    "any read-back counts for the request in force",
    "a rollback to a phase does not void approvals",
];

#[cfg(feature = "planted")]
static PLANTED: AtomicU8 = AtomicU8::new(0);

/// Plants one bug in all of the process; 0: none.
#[cfg(feature = "planted")]
pub fn plant(bug: u8) {
    PLANTED.store(bug, Ordering::SeqCst);
}

#[cfg(feature = "planted")]
pub(super) fn is(bug: u8) -> bool {
    PLANTED.load(Ordering::Relaxed) == bug
}

/// Whether the bug of this number is planted: `false` itself without the feature.
macro_rules! planted {
    ($bug:literal) => {{
        #[cfg(feature = "planted")]
        let is = crate::engine::planted::is($bug);
        #[cfg(not(feature = "planted"))]
        let is = false;
        is
    }};
}
pub(super) use planted;
