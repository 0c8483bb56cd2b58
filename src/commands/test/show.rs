//! What came of tests, for people and for programs.

use super::{Done, Policy};
use crate::engine::explain::guard_reports;
use crate::plan::{GuardId, Plan, Tolerance, show};
use crate::report::style::Style;
use crate::sim::trace::Mark;
use crate::sim::{self, Failure, SliceTrace, Trace};
use crate::syntax::source::{SourceMap, Span};
use serde_json::{Value, json};
use std::fmt::Write;
use std::time::Duration;

/// The tests of a policy, one line each, and what failed below it.
pub(super) fn policy(p: &Policy, map: &SourceMap, style: Style, width: usize) -> String {
    let mut out = String::new();
    if p.done.is_empty() && p.refused.is_empty() {
        return out;
    }
    let _ = writeln!(out, "{}", style.bold(&p.name));
    for d in &p.done {
        let lasted = show::duration(d.trace.end);
        let title = &d.test.title;
        if d.failures.is_empty() {
            let _ = writeln!(out, "  {}      {title}  ({lasted})", style.good("ok"));
            continue;
        }
        let _ = writeln!(out, "  {}  {title}  ({lasted})", style.bad("FAILED"));
        for (i, f) in d.failures.iter().enumerate() {
            let _ = writeln!(out, "\n    {}", style.bold(&f.cause));
            out.push_str(&excerpt(map, f.span));
            // the course is one and the same: it is shown for what is first
            if i == 0 {
                out.push_str(&course(d, f, width));
            }
        }
        for text in &d.assumed {
            let _ = writeln!(out, "    assumed: {text}");
        }
        out.push('\n');
    }
    for (test, why) in &p.refused {
        let _ = writeln!(out, "  {} {}", style.unsure("REFUSED"), test.title);
        for w in why {
            let _ = writeln!(out, "      {w}");
        }
        let _ = writeln!(out, "      a policy is tested as it stands or not at all");
    }
    out
}

/// The check at which the run first differs, and the whole of it in letters.
fn course(d: &Done, f: &Failure, width: usize) -> String {
    let slice = f.slice.and_then(|i| d.trace.slices.get(i));
    let trace = slice.map_or(&d.trace, |s| &s.trace);
    if trace.rows.is_empty() || (slice.is_none() && !d.trace.slices.is_empty()) {
        return String::new();
    }
    let mut out = format!("\n{}\n", check(d, f, slice.map(SliceTrace::name), trace));
    let strip = sim::strip::strip(&d.test.plan, trace, f.expected, f.actual, width.saturating_sub(2));
    for line in strip.lines() {
        let _ = writeln!(out, "  {line}");
    }
    out
}

/// The line of the test, with its place.
fn excerpt(map: &SourceMap, span: Span) -> String {
    let Some(file) = map.get(span.file) else { return String::new() };
    let (line, column) = file.line_col(span.start);
    let text = file.text.lines().nth(line.saturating_sub(1)).unwrap_or("").trim_end();
    let number = line.to_string();
    let pad = " ".repeat(number.len());
    let under = map.slice(span).lines().next().unwrap_or("").trim_end().chars().count().max(1);
    let before: String =
        text.chars().take(column.saturating_sub(1)).map(|c| if c == '\t' { '\t' } else { ' ' }).collect();
    format!("    {pad}--> {}\n    {number} | {text}\n    {pad} | {before}{}\n", map.place(span), "^".repeat(under))
}

/// Guards, their words and their values at the first check that differs.
fn check(d: &Done, f: &Failure, slice: Option<String>, trace: &Trace) -> String {
    let plan: &Plan = &d.test.plan;
    let state = d.case().look(plan, f.slice, f.at);
    let row = trace.row_at(f.at);
    let place = match row.and_then(|r| trace.rows.get(r)).and_then(|r| r.phase) {
        Some(p) => format!("in phase {}", plan.phase_name(p)),
        None if row.is_none() => String::from("it has not begun"),
        None => state.verdict().map_or_else(|| String::from("taking everything back"), |v| v.text().replace('_', " ")),
    };
    let of = slice.map_or_else(String::new, |s| format!(" of {s}"));
    let mut out = format!("    the check{of} at {} ({place})\n", show::duration(f.at));
    let reports = guard_reports(plan, &state);
    let width = plan.guards.iter().map(|g| g.name.chars().count()).max().unwrap_or(0);
    for (i, guard) in plan.guards.iter().enumerate() {
        let mark = row.map_or(Mark::Off, |r| trace.mark(r, GuardId::at(i)));
        let name = format!("{:width$}", guard.name);
        let Some(report) = reports.iter().find(|r| r.guard == guard.name).filter(|_| mark != Mark::Off) else {
            let _ = writeln!(out, "      {name}  does not watch");
            continue;
        };
        if mark == Mark::Assumed {
            let _ = writeln!(out, "      {name}  ok         assumed");
            continue;
        }
        let reading = report.reading;
        let value = reading.value.map_or_else(|| String::from("no value"), |v| show::brief(v, report.unit));
        let limit = reading.limit.map_or_else(String::new, |l| format!(", limit {}", show::brief(l, report.unit)));
        let events = reading.events.map_or_else(String::new, |n| format!(" of {} events", show::number(n)));
        let used = match report.tolerate {
            Tolerance::For(0) => String::new(),
            Tolerance::For(t) => format!(", bad for {} of {}", show::duration(reading.used), show::duration(t)),
            Tolerance::Checks(n) => format!(", bad for {} of {n} checks", reading.used),
        };
        let _ = writeln!(out, "      {name}  {:<9}  {value}{events}{limit}{used}", report.word.text());
    }
    out
}

/// A slice's values by the names of its dimensions.
fn by_dimension(plan: &Plan, key: &[String]) -> Value {
    let one = |(s, v): (&crate::plan::Slice, &String)| (s.name.clone(), Value::from(v.as_str()));
    Value::Object(plan.slices.iter().zip(key).map(one).collect())
}

/// `3 passed, 1 failed, in 12 ms`
pub(super) fn summary(policies: &[Policy], took: Duration, style: Style) -> String {
    let all = policies.iter().flat_map(|p| &p.done);
    let (passed, failed): (Vec<&Done>, Vec<&Done>) = all.partition(|d| d.failures.is_empty());
    let refused: usize = policies.iter().map(|p| p.refused.len()).sum();
    let mut parts = vec![format!("{} passed", passed.len())];
    if !failed.is_empty() {
        parts.push(style.bad(&format!("{} failed", failed.len())));
    }
    if refused > 0 {
        parts.push(style.unsure(&format!("{refused} refused")));
    }
    format!("{} in {} ms\n", parts.join(", "), took.as_millis())
}

/// Every test of a policy as a value.
pub(super) fn json(p: &Policy, map: &SourceMap) -> Vec<Value> {
    let failure = |d: &Done, f: &Failure| {
        let mut whole = json!({
            "cause": f.cause,
            "place": map.place(f.span),
            "at_ms": f.at,
            "expected_ms": f.expected,
            "actual_ms": f.actual,
        });
        if let (Some(slice), Some(w)) = (f.slice.and_then(|i| d.trace.slices.get(i)), whole.as_object_mut()) {
            w.insert(String::from("slice"), by_dimension(&d.test.plan, &slice.key));
        }
        whole
    };
    let done = p.done.iter().map(|d| {
        let mut whole = json!({
            "policy": p.name,
            "rollout": d.test.plan.rollout,
            "title": d.test.title,
            "place": map.place(d.test.title_span),
            "result": if d.failures.is_empty() { "passed" } else { "failed" },
            "checks": d.trace.rows.len(),
            "lasted_ms": d.trace.end,
            "verdict": d.trace.verdict.map(crate::engine::Verdict::text),
            "assumed": d.assumed,
            "failures": d.failures.iter().map(|f| failure(d, f)).collect::<Vec<_>>(),
            "took_us": u64::try_from(d.took.as_micros()).unwrap_or(u64::MAX),
        });
        if let (false, Some(w)) = (d.trace.slices.is_empty(), whole.as_object_mut()) {
            let one = |s: &SliceTrace| {
                json!({
                    "slice": by_dimension(&d.test.plan, &s.key),
                    "began_ms": s.trace.rows.first().map(|r| r.at),
                    "verdict": s.trace.verdict.map(crate::engine::Verdict::text),
                })
            };
            w.insert(String::from("slices"), d.trace.slices.iter().map(one).collect());
        }
        whole
    });
    let refused = p.refused.iter().map(|(t, why)| {
        json!({
            "policy": p.name,
            "rollout": t.plan.rollout,
            "title": t.title,
            "place": map.place(t.title_span),
            "result": "refused",
            "why": why,
        })
    });
    done.chain(refused).collect()
}
