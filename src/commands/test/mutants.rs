//! `--mutate`: which rules could be changed without a test noticing.

use super::Policy;
use crate::report::style::Style;
use crate::sim::mutate::mutate;
use crate::syntax::ast::{File, Item, Statement};
use crate::syntax::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::fmt::Write;

/// One rollout.
pub(super) struct Mutated {
    rollout: String,
    mutants: usize,
    /// Place, guard, and what was changed.
    pub(super) survivors: Vec<(String, String, String)>,
}

/// Every rollout that has a test.
pub(super) fn of(policies: &[Policy], map: &SourceMap) -> Vec<Mutated> {
    let mut out = Vec::new();
    for p in policies {
        for plan in &p.rollouts {
            let own = p.done.iter().filter(|d| d.test.plan.rollout == plan.rollout);
            let tests: Vec<_> = own.map(super::Done::case).collect();
            if tests.is_empty() {
                continue;
            }
            let report = mutate(&tests);
            let survivors = report.survivors.into_iter().map(|s| {
                let place = guard(&p.file, &plan.rollout, &s.guard).map_or_else(String::new, |span| map.place(span));
                (place, s.guard, s.what)
            });
            out.push(Mutated {
                rollout: plan.rollout.clone(),
                mutants: report.mutants,
                survivors: survivors.collect(),
            });
        }
    }
    out
}

/// Where a guard stands.
fn guard(file: &File, rollout: &str, name: &str) -> Option<Span> {
    let r = file.items.iter().find_map(|i| match i {
        Item::Rollout(r) if r.name.node == rollout => Some(r),
        _ => None,
    })?;
    r.body.iter().find_map(|s| match s {
        Statement::Guard(g) if g.name.node == name => Some(g.span),
        _ => None,
    })
}

pub(super) fn text(all: &[Mutated], style: Style) -> String {
    let mut out = String::new();
    for m in all {
        let noticed = m.mutants - m.survivors.len();
        let _ = writeln!(out, "\nmutants of {}: {noticed} of {} noticed", style.bold(&m.rollout), m.mutants);
        for (place, guard, what) in &m.survivors {
            let _ = writeln!(out, "  {} {place}: guard {guard}: {what}", style.bad("survived"));
        }
        if !m.survivors.is_empty() {
            let _ =
                writeln!(out, "  no test fails when this is changed: give values near the limit, and expect a time");
        }
    }
    out
}

pub(super) fn json(all: &[Mutated]) -> Value {
    let one = |m: &Mutated| {
        let survivor =
            |(place, guard, what): &(String, String, String)| json!({ "place": place, "guard": guard, "change": what });
        json!({
            "rollout": m.rollout,
            "mutants": m.mutants,
            "survivors": m.survivors.iter().map(survivor).collect::<Vec<_>>(),
        })
    };
    all.iter().map(one).collect()
}
