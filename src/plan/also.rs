//! More of a plan for people: releases and gates, slices, windows, signoffs, probes, and what this version cannot do of it.

use super::{Bindings, Drift, Load, Millis, Plan, PortId, Probe, Setting, SliceValues, Step, show};
use std::fmt::Write as _;

/// The head's lines beside those that every plan has: what, and the text.
pub(super) fn head(plan: &Plan) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    if let Some(r) = &plan.release {
        let stable = r.stable.as_ref().map_or(String::new(), |s| format!(", compared with {s}"));
        let proof = r.proven_by.as_ref().map_or(String::new(), |m| format!(", proven by {m}"));
        out.push(("release", format!("{}{stable}{proof}", r.canary)));
    }
    if let Some(g) = &plan.advance {
        out.push(("gate", format!("exposure is raised only while {}", g.text)));
    }
    if let Some(d) = plan.cooldown {
        out.push(("cooldown", format!("{} after a rollback", show::duration(d))));
    }
    if plan.drift != Drift::Pause {
        out.push(("drift", plan.drift.word().to_owned()));
    }
    for a in &plan.after {
        out.push(("after", format!("{} promoted within {}", a.rollout, show::duration(a.within))));
    }
    for r in &plan.routes {
        let value = r.value.as_ref().map_or(String::new(), |v| format!(" {v:?}"));
        let text = format!("{} by {} {:?}{value} to the canary", plan.port_name(r.port), r.by.word(), r.key);
        out.push(("route", text));
    }
    out
}

/// Slices, windows, signoffs, probes and loads.
pub(super) fn declared(plan: &Plan, out: &mut String) {
    if !plan.slices.is_empty() {
        out.push_str("\none life a slice\n");
        for s in &plan.slices {
            let values = match &s.values {
                SliceValues::Listed(l) => l.join(", "),
                SliceValues::Of(m) => format!("as seen in {m}"),
            };
            let _ = writeln!(out, "  {} (label {})  {values}", s.name, s.label);
        }
        if let Some(s) = &plan.start_slices {
            let limit = s.limit.map_or(String::new(), |(n, d)| format!(", at most {n} per {}", show::duration(d)));
            let _ = writeln!(out, "  started by {}{limit}", s.by);
        }
    }
    if !plan.windows.is_empty() {
        out.push_str("\nwindows\n");
    }
    for w in &plan.windows {
        let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let days: Vec<&str> = w.days.iter().filter_map(|d| names.get(usize::from(*d)).copied()).collect();
        let clock = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
        let hours: Vec<String> = w.hours.iter().map(|(a, b)| format!("{}..{}", clock(*a), clock(*b))).collect();
        let _ = writeln!(out, "  {}  {} {} {}", w.name, days.join(" "), hours.join(", "), w.zone);
    }
    if !plan.signoffs.is_empty() {
        out.push_str("\nsignoffs\n");
    }
    for s in &plan.signoffs {
        let by = s.by.as_ref().map_or(String::new(), |g| format!(" by {g}"));
        let expires = s.expires.map_or(String::new(), |d| format!(", good for {}", show::duration(d)));
        let _ = writeln!(out, "  {}  {}{by}{expires}", s.name, s.artifact);
        for r in &s.requires {
            let _ = writeln!(out, "             require {}", r.text);
        }
    }
    let loads: Vec<(&str, &Load, Millis)> =
        plan.actions.iter().filter_map(|a| Some((a.name.as_str(), a.load.as_ref()?, a.timeout))).collect();
    if !plan.probes.is_empty() || !loads.is_empty() {
        out.push_str("\nrequests of our own\n");
    }
    for p in &plan.probes {
        probe(p, out);
    }
    for (name, l, within) in loads {
        let via = l.via.as_ref().map_or(String::new(), |v| format!(" via {v}"));
        let _ = writeln!(
            out,
            "  {name}  {} times {} {} by {} users, {} at a time, within {}{via}",
            l.requests,
            l.method,
            l.path,
            l.users,
            l.parallel,
            show::duration(within)
        );
    }
}

fn probe(p: &Probe, out: &mut String) {
    let _ = writeln!(out, "  {}  every {}, within {}", p.name, show::duration(p.every), show::duration(p.timeout));
    for s in &p.steps {
        let mut line = format!("             {}  {} {}", s.name, s.request.method, s.request.path);
        if let Some(n) = s.status {
            let _ = write!(line, "  status {n}");
        }
        if let Some(d) = s.within {
            let _ = write!(line, "  within {}", show::duration(d));
        }
        if let Some(f) = &s.found {
            let _ = write!(line, "  has {f}");
        }
        for (name, path) in &s.captures {
            let _ = write!(line, "  keeps {path} as {name}");
        }
        let _ = writeln!(out, "{line}");
    }
}

/// What people and places an environment names beside its bindings.
pub(super) fn named(bindings: &Bindings, out: &mut String) {
    for (group, people) in &bindings.people {
        let _ = writeln!(out, "  {group} are {}", people.join(", "));
    }
}

/// What this version cannot do of it; last, so that nobody misses it.
pub(super) fn unbuilt(plan: &Plan, out: &mut String) {
    if plan.unbuilt.is_empty() {
        return;
    }
    out.push_str("\nthis version cannot run it: not built yet are\n");
    let width = plan.unbuilt.iter().map(|u| u.what.chars().count()).max().unwrap_or(0);
    for u in &plan.unbuilt {
        let _ = writeln!(out, "  {:<width$}  {}", u.what, u.place);
    }
}

/// How often a ramp raises its port above the first value.
pub(super) fn ramp_raises(step: &Step) -> i64 {
    let Step::Ramp { from, to, by, .. } = step else { return 0 };
    let size = |s: &Setting| match s {
        Setting::Share(r) => *r,
        #[expect(clippy::cast_precision_loss, reason = "a flag's count is small")]
        Setting::Count(n) => *n as f64,
        Setting::Bool(_) | Setting::Absent => 0.0,
    };
    let steps = ((size(to) - size(from)) / size(by) - 1e-9).ceil();
    #[expect(clippy::cast_possible_truncation, reason = "a cast of a float saturates")]
    if steps.is_finite() { (steps as i64).max(0) } else { 0 }
}

/// What a phase mirrors.
pub(super) fn mirrors(plan: &Plan, mirrors: &[(PortId, f64)], out: &mut String) {
    for (port, share) in mirrors {
        let _ = writeln!(out, "             mirror {} = {}", plan.port_name(*port), Setting::Share(*share));
    }
}
