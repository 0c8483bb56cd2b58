//! A review in words, as `canary plan` prints it.

use super::{PhaseReview, Review, Worst};
use crate::plan::{Millis, show};
use std::fmt::Write as _;

/// The parts that stand behind the plan's own.
#[must_use]
pub fn write(review: &Review) -> String {
    let mut out = String::new();
    worst(&review.worst_cases, &review.phases, &mut out);
    if !review.questions.is_empty() {
        out.push_str("\nhow much is asked\n");
        for q in &review.questions {
            let _ = write!(out, "  {}: {} a check", q.source, counted(q.each_check, "question"));
            if q.only_to_tell_apart > 0 {
                let _ =
                    write!(out, ", {} of them only to tell a silent canary from a silent source", q.only_to_tell_apart);
            }
            if q.once > 0 {
                let _ = write!(out, "; {} once", q.once);
            }
            out.push('\n');
        }
    }
    if !review.actions.is_empty() {
        out.push_str("\nactions\n");
        for a in &review.actions {
            let by = if a.started_by.is_empty() { String::from("nothing") } else { a.started_by.join(", ") };
            let _ = writeln!(out, "  {} (at most {}) started by {by}", a.name, show::duration(a.timeout_ms));
            match &a.undone_by {
                Some(undo) => {
                    let _ = writeln!(out, "             undone by {undo}");
                }
                // what undoes is not undone itself
                None if review.actions.iter().any(|b| b.undone_by.as_ref() == Some(&a.name)) => {}
                None => out.push_str("             not undone by a rollback\n"),
            }
        }
    }
    out.push_str("\npeople\n");
    for p in &review.people {
        let _ = writeln!(out, "  {p}");
    }
    out
}

fn worst(cases: &[Worst], phases: &[PhaseReview], out: &mut String) {
    if cases.is_empty() {
        return;
    }
    out.push_str("\nat worst, from a fault to traffic as it was\n");
    let width = cases.iter().map(|c| c.guard.chars().count()).max().unwrap_or(0);
    for c in cases {
        let part = |ms: Millis, what: &str| (ms > 0).then(|| format!("{} {what}", show::duration(ms)));
        let parts: Vec<String> = [
            part(c.window_ms, "window"),
            part(c.scrape_ms, "scrape"),
            part(c.lasting_ms, "lasting"),
            part(c.tolerance_ms, "tolerance"),
            part(c.interval_ms, "to the next check"),
            part(c.actuation_ms, "to set it and read it back"),
        ]
        .into_iter()
        .flatten()
        .collect();
        let _ = writeln!(out, "  {:<width$}  {:<8} = {}", c.guard, show::duration(c.total_ms), parts.join(" + "));
    }
    for p in phases {
        if let Some(why) = &p.irreversible {
            let _ = writeln!(
                out,
                "  from phase {} on (irreversible: {why}) nothing is taken back across it: without limit, until a person acts",
                p.name
            );
        }
    }
    out.push_str("  (while the source answers; what happens without it stands under `no data`)\n");
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
