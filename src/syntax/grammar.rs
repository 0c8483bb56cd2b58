//! pest's machine for `grammar/canary.pest`. Private: what it generates is no interface.

use pest::Parser as _;
use pest::error::Error;
use pest::iterators::Pairs;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/canary.pest"]
struct Grammar;

/// Steps of pest's machine that a byte of text may take. The grammar is linear (a test measures it), so the limit only
/// stops what would be a mistake in it: such a text ends in an error, not in a hang.
const STEPS_PER_BYTE: usize = 4_000;

/// pest's limit is one for the whole process: it only grows here, so that no thread takes away another's.
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Runs a rule on the beginning of a text.
pub(crate) fn run(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>, Error<Rule>> {
    let wanted = text.len().saturating_add(1_000).saturating_mul(STEPS_PER_BYTE);
    if LIMIT.fetch_max(wanted, Ordering::SeqCst) < wanted {
        pest::set_call_limit(NonZeroUsize::new(LIMIT.load(Ordering::SeqCst)));
    }
    Grammar::parse(rule, text)
}
