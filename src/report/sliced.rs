//! How the slices of a replayed rollout ended, as lines of text.

use super::style::Style;
use super::text::{cut, pad, printable};
use crate::engine::Verdict;
use crate::plan::{Time, show};
use crate::sim::replay::outcome::{OfSlice, Outcome, Slices};

/// So many slices have a line; the others are counted.
const LISTED: usize = 20;
/// A name takes so many columns at most.
const NAME: usize = 48;
/// So many columns of why.
const WHY: usize = 90;

/// The lines: how many ended how, and the worst of them. `start` is the first check.
#[must_use]
pub fn lines(slices: &Slices, start: Time, style: Style) -> Vec<String> {
    let mut out = vec![style.bold(&slices.counts.text())];
    let places: Vec<usize> = slices.by_badness().into_iter().take(LISTED).collect();
    let listed: Vec<&OfSlice> = places.iter().filter_map(|i| slices.list.get(*i)).collect();
    let name = |s: &OfSlice| cut(&printable(s.slice.written()).replace('\n', " "), NAME);
    let wide = listed.iter().map(|s| name(s).chars().count()).max().unwrap_or(0);
    let ends: Vec<String> = listed.iter().map(|s| end(s, start)).collect();
    let wide_end = ends.iter().map(|e| e.chars().count()).max().unwrap_or(0);
    for (s, end) in listed.iter().zip(&ends) {
        let end = if s.why.is_empty() { end.clone() } else { pad(end, wide_end) };
        let end = match s.cell.verdict {
            None => style.unsure(&end),
            Some(Verdict::Promoted) => style.good(&end),
            Some(_) => style.bad(&end),
        };
        let why = cut(&printable(&s.why).replace('\n', " "), WHY);
        let why = if why.is_empty() { why } else { format!("  {why}") };
        let shown = if slices.shown.as_ref() == Some(&s.slice) { '>' } else { ' ' };
        out.push(format!("{shown} {}  {end}{why}", pad(&name(s), wide)));
    }
    let more = slices.list.len() - listed.len();
    if more > 0 {
        out.push(style.faint(&format!("  and {more} more: `--format json` has all of them, `--slice` looks at one")));
    }
    out
}

/// How one ended: `rolled back at 12m`.
#[must_use]
pub fn end(s: &OfSlice, start: Time) -> String {
    let at = s.cell.decided_at.map_or_else(String::new, |t| format!(" at {}", show::roughly(t - start)));
    match (s.cell.verdict, s.began) {
        (Some(v), _) => format!("{}{at}", v.text().replace('_', " ")),
        (None, Some(_)) => format!("in phase {}", s.cell.phase),
        (None, None) => String::from("not begun"),
    }
}

/// Which slice is looked at closely, as a line; none without slices.
#[must_use]
pub fn shown(outcome: &Outcome) -> Option<String> {
    let slices = outcome.slices.as_ref()?;
    let shown = slices.shown.as_ref()?;
    Some(format!("of all slices, and of {}", printable(shown.written())))
}
