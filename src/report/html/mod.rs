//! The report of a replay as one page: it needs no network, no font, no library, and says the same without its script, on paper, in
//! the dark, on a narrow screen and to who cannot tell colours apart.
//!
//! The curves are SVG that is stretched to the width there is; what must not be stretched (text, hatching, marks) lies beside them
//! in HTML, placed in per cent. A policy in the head of the page lets nothing be loaded and no script run but its own.

mod assumptions;
mod decisions;
mod figures;
mod guards;
mod head;
mod heat_map;
mod legend;
mod markup;
mod ports;
mod script;
mod slices;
mod timeline;

use super::chart::time::Span;
use crate::sim::replay::outcome::{Outcome, Sweep, closely};
use markup::Markup;

/// Columns that a curve is drawn in: as many as a wide screen has pixels for it.
const COLUMNS: usize = 900;
/// Columns of a strip of words: narrower stretches could not be told apart.
const STRIP: usize = 450;
/// So many decisions are listed; beyond that those that change the course.
const LISTED: usize = 1_500;

/// What every part of the page is made from.
struct Made<'a> {
    outcome: &'a Outcome,
    span: Span,
    /// The places of the decisions that are listed, in order.
    listed: Vec<usize>,
}

/// The page.
#[must_use]
pub fn page(outcome: &Outcome, sweep: Option<&Sweep>) -> String {
    let whole = outcome;
    let outcome = &*closely(whole);
    let made = Made { outcome, span: Span::of(outcome), listed: super::chart::decisions::shown(outcome, LISTED) };
    let mut m = Markup::default();
    m.own("<!doctype html>\n");
    m.open("html", &[("lang", "en")]);
    head::document(&mut m, &made);
    m.open("body", &[]);
    m.own("<a class=\"skip\" href=\"#timeline\">to the timeline</a>\n");
    m.own(include_str!("patterns.svg"));
    m.open("main", &[]);
    head::summary(&mut m, &made, sweep);
    timeline::section(&mut m, &made);
    figures::section(&mut m, &made);
    slices::section(&mut m, whole);
    assumptions::section(&mut m, &made);
    decisions::section(&mut m, &made);
    if let Some(sweep) = sweep {
        heat_map::section(&mut m, outcome, sweep);
    }
    m.open("footer", &[]);
    m.text(concat!(
        "Written by canary ",
        env!("CARGO_PKG_VERSION"),
        ". All times are UTC, or since the first check (+). "
    ));
    m.text("Nothing here was done: a replay asks the engine of a run what it would have decided.");
    m.close();
    m.close();
    script::data(&mut m, &made);
    script::script(&mut m);
    m.finish()
}
