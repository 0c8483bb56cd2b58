//! A plan for people: what will happen, in which order, what is asked, what is needed.

use super::review::{self, Review};
use super::{
    Action, Arg, Ask, Binding, Bindings, Consequence, Guard, Input, Millis, PhaseId, Plan, Population, PortId,
    Tolerance, Trigger, Window, also, show,
};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// The name under which a signature keeps a command's list.
const COMMAND: &str = "argv";

/// A credential or address that a run reads when it starts, by name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    /// The variable, or the file in `$CREDENTIALS_DIRECTORY`.
    pub name: String,
    /// Whether it is a secret; else it is a variable that may be shown.
    pub secret: bool,
    /// The ports and sources that need it.
    pub used_by: Vec<String>,
}

/// Everything that the bindings read from outside, sorted by name.
#[must_use]
pub fn credentials(bindings: &Bindings) -> Vec<Credential> {
    let mut found: BTreeSet<(String, bool, String)> = BTreeSet::new();
    for (name, binding) in all(bindings) {
        for arg in binding.args.values() {
            outside(arg, &mut |variable, secret| {
                found.insert((variable.to_owned(), secret, name.to_owned()));
            });
        }
    }
    let mut out: Vec<Credential> = Vec::new();
    for (name, secret, user) in found {
        match out.last_mut() {
            Some(c) if c.name == name && c.secret == secret => c.used_by.push(user),
            _ => out.push(Credential { name, secret, used_by: vec![user] }),
        }
    }
    out
}

/// Everything that an environment binds for a plan.
fn all(bindings: &Bindings) -> impl Iterator<Item = (&str, &Binding)> {
    let ports = bindings.bindings.iter().map(|(n, b)| (n.as_str(), b));
    let store = bindings.store.iter().map(|b| ("store", b));
    ports.chain(store).chain(bindings.evidence.iter().map(|b| ("evidence", b)))
}

fn outside(arg: &Arg, found: &mut dyn FnMut(&str, bool)) {
    match arg {
        Arg::Env(v) => found(v, false),
        Arg::Secret(s) => found(&s.0, true),
        Arg::List(items) => items.iter().for_each(|i| outside(i, found)),
        Arg::Text(_) | Arg::Duration(_) | Arg::Number(_) | Arg::Bool(_) => {}
    }
}

/// The earliest time from the first check at which the rollout can end: in each phase one check to verify the settings (or
/// the settling time), the longest window of its guards to fill, and its holds; nothing for what has to be waited for. `None`
/// when it overflows.
#[must_use]
pub fn earliest_end(plan: &Plan) -> Option<Millis> {
    review::times(plan).last().and_then(|t| t.0)
}

/// The plan as `canary plan` prints it.
#[must_use]
pub fn text(plan: &Plan, bindings: &Bindings) -> String {
    let mut out = String::new();
    let seen = review::review(plan, bindings);
    head(plan, bindings, &seen, &mut out);
    timeline(plan, &seen, &mut out);
    guards(plan, &mut out);
    switches(plan, &mut out);
    reactions(plan, &mut out);
    also::declared(plan, &mut out);
    queries(plan, bindings, &mut out);
    rollback(plan, &mut out);
    out.push_str(&review::text(&seen));
    bound(bindings, &mut out);
    also::unbuilt(plan, &mut out);
    let _ = write!(out, "\nplan      {}\nbindings  {}\n", plan.hash, bindings.hash);
    out
}

fn head(plan: &Plan, bindings: &Bindings, seen: &Review, out: &mut String) {
    let _ = writeln!(out, "{} ({})", plan.title, plan.rollout);
    let mut line = |what: &str, text: &str| {
        let _ = writeln!(out, "  {what:<12} {text}");
    };
    if let Some(owner) = &plan.owner {
        line("owner", owner);
    }
    for (kind, target) in &plan.links {
        line(kind, target);
    }
    line("environment", &bindings.environment);
    line("checks", &format!("every {}", show::duration(plan.check_every)));
    if plan.verify_within != super::VERIFY_WITHIN {
        line(
            "read back",
            &format!("within {} of being set, reloads included, else rollback", show::duration(plan.verify_within)),
        );
    }
    if let Some(b) = plan.baseline {
        line("baseline", &format!("{} before the first change", show::duration(b)));
    }
    line("no data", &format!("tolerated {}, then {}", tolerance(plan.no_data.tolerate), plan.no_data.otherwise.word()));
    if !plan.params.is_empty() {
        let params: Vec<String> = plan.params.iter().map(|(n, v)| format!("{n} = {v}")).collect();
        line("params", &params.join(", "));
    }
    for (what, text) in also::head(plan) {
        line(what, &text);
    }
    if let Some(end) = seen.earliest_end_ms {
        line("earliest end", &format!("{} after the first check", show::duration(end)));
    }
    match seen.latest_end_ms {
        Some(end) => line("latest end", &format!("{}, if no guard blocks and nobody pauses", show::duration(end))),
        None => line("latest end", &format!("none: {}", seen.unlimited.join("; "))),
    }
    if !plan.requires.is_empty() {
        out.push_str("\nbefore the start\n");
        for r in &plan.requires {
            let _ = writeln!(out, "  require {}", r.text);
            if r.why != r.text {
                let _ = writeln!(out, "          {}", r.why);
            }
        }
    }
}

fn timeline(plan: &Plan, seen: &Review, out: &mut String) {
    out.push_str("\ntimeline\n");
    for (phase, seen) in plan.phases.iter().zip(&seen.phases) {
        let _ = write!(out, "  T+{:<8} phase {}", show::duration(seen.earliest_ms.unwrap_or(0)), phase.name);
        if let Some(p) = &phase.purpose {
            let _ = write!(out, " \"{p}\"");
        }
        out.push('\n');
        let set = plan.shown(&phase.settings);
        for (name, to) in &set {
            let _ = writeln!(out, "             set {name} = {to}");
        }
        let still: Vec<String> =
            seen.exposes.iter().filter(|e| !set.contains(e)).map(|(name, to)| format!("{name} = {to}")).collect();
        if !still.is_empty() {
            let _ = writeln!(out, "             still {}", still.join(", "));
        }
        also::mirrors(plan, &phase.mirrors, out);
        if let Some(why) = &phase.irreversible {
            let _ = writeln!(out, "             no rollback crosses its beginning: {why}");
        }
        for gate in &seen.gates {
            let _ = writeln!(out, "             {gate}");
        }
        if seen.guards.is_empty() {
            out.push_str("             watched by nobody\n");
        } else {
            let _ = writeln!(out, "             watched by {}", seen.guards.join(", "));
        }
        if !seen.armed.is_empty() && seen.armed != seen.guards {
            let _ = writeln!(out, "             newly armed: {}", seen.armed.join(", "));
        }
    }
    if let Some(end) = review::times(plan).last().and_then(|t| t.0) {
        let _ = writeln!(out, "  T+{:<8} done, at the earliest", show::duration(end));
    }
}

/// ` within d else …`
pub(super) fn until(plan: &Plan, within: Option<(Millis, Consequence)>) -> String {
    within.map_or(String::new(), |(d, c)| format!(" within {} else {}", show::duration(d), consequence(plan, c)))
}

pub(super) fn watches(g: &Guard, phase: PhaseId) -> bool {
    g.from <= phase && g.until.is_none_or(|u| phase < u)
}

fn guards(plan: &Plan, out: &mut String) {
    if plan.guards.is_empty() {
        return;
    }
    out.push_str("\nguards\n");
    let width = plan.guards.iter().map(|g| g.name.chars().count()).max().unwrap_or(0);
    for g in &plan.guards {
        let _ = write!(out, "  {:<width$}  {}", g.name, g.text);
        if let Some(n) = g.shown.and_then(|s| plan.program.nodes.get(s.index())).and_then(|n| match n {
            super::Node::Compare { at_least, .. } => *at_least,
            _ => None,
        }) {
            let _ = write!(out, "  at least {n} events");
        }
        if g.from.index() > 0 {
            let _ = write!(out, "  from {}", plan.phase_name(g.from));
        }
        if let Some(u) = g.until {
            let _ = write!(out, "  until {}", plan.phase_name(u));
        }
        match g.tolerate {
            Tolerance::For(0) => {}
            t => {
                let _ = write!(out, "  tolerate {}", tolerance(t));
            }
        }
        if g.never_waived {
            out.push_str("  never waived");
        }
        let kill = g.kill.map_or(String::new(), |k| format!(", kill {}", plan.switch_name(k)));
        let _ = writeln!(out, "  else {}{kill}", consequence(plan, g.otherwise));
    }
}

fn switches(plan: &Plan, out: &mut String) {
    if plan.switches.is_empty() {
        return;
    }
    out.push_str("\nkill switches (each takes everything back, and stays thrown until `canary reset`)\n");
    for s in &plan.switches {
        let by: Vec<&str> = plan
            .guards
            .iter()
            .filter(|g| g.kill.is_some_and(|k| plan.switch_name(k) == s.name))
            .map(|g| g.name.as_str())
            .collect();
        let by = if by.is_empty() {
            String::from("by hand only")
        } else {
            format!("by hand, or by guard {}", by.join(", "))
        };
        let all = if s.for_all { ", for all slices" } else { "" };
        let _ = writeln!(out, "  {}  thrown {by}{all}", s.name);
        for (port, to) in &s.settings {
            let _ = writeln!(out, "             set {} = {to}", plan.port_name(*port));
        }
        for action in &s.actions {
            let _ = writeln!(out, "             run {} (never undone)", plan.action_name(*action));
        }
    }
}

fn reactions(plan: &Plan, out: &mut String) {
    if plan.reactions.is_empty() {
        return;
    }
    out.push_str("\nreactions\n");
    for r in &plan.reactions {
        let _ = writeln!(out, "  {}", r.text);
        if let Trigger::At(times) = &r.trigger {
            let late = earliest_end(plan).unwrap_or(Millis::MAX);
            if times.iter().any(|t| *t > late) {
                out.push_str("    (only if the run takes that long)\n");
            }
        }
    }
}

fn queries(plan: &Plan, bindings: &Bindings, out: &mut String) {
    if plan.inputs.is_empty() {
        return;
    }
    out.push_str("\nasked at each check\n");
    let mut lines: Vec<String> = Vec::new();
    for input in plan.inputs.iter().filter(|i| i.population != Population::Before) {
        let line = query(input, bindings);
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    for line in &lines {
        let _ = writeln!(out, "  {line}");
    }
    let before: Vec<&Input> = plan.inputs.iter().filter(|i| i.population == Population::Before).collect();
    if !before.is_empty() {
        out.push_str("\nasked once, before the first change\n");
        for input in before {
            let _ = writeln!(out, "  {}", query(input, bindings));
        }
    }
}

/// One question in PromQL, as a PromQL source is asked.
fn query(input: &Input, bindings: &Bindings) -> String {
    let population = match input.population {
        Population::Canary => "canary",
        Population::Stable | Population::Before => "stable",
    };
    let matchers = bindings.variants.get(population).map_or("", String::as_str);
    let range = |w: Window| match w {
        Window::Last(d) => show::duration(d),
        Window::SinceLast => String::from("since the last check"),
    };
    // the tool composes the grouping of counts by slice; a gauge's own query says it
    let by = |first: &[&str]| {
        let labels: Vec<&str> = first.iter().copied().chain(input.by.iter().map(String::as_str)).collect();
        if labels.is_empty() { String::new() } else { format!(" by ({}) ", labels.join(", ")) }
    };
    let text = match input.ask.filled(matchers) {
        Ask::PromQl { query, .. } => query,
        Ask::Gauge(s) => s.0,
        Ask::Increase(s, w) => format!("sum{}(increase({}[{}]))", by(&[]), s.0, range(w)),
        Ask::Buckets(s, w) => format!("sum{}(increase({}[{}]))", by(&["le"]), s.0, range(w)),
    };
    let who = if input.separable { population } else { "all" };
    let note = if input.auxiliary { "  (to tell a silent canary from a silent source)" } else { "" };
    format!("{:<10} {who:<7} {text}{note}", input.metric)
}

fn rollback(plan: &Plan, out: &mut String) {
    out.push_str("\na rollback restores\n");
    // what only a kill switch sets is not restored
    let of_a_phase = |i: usize| plan.is_set_by_a_phase(PortId::at(i));
    let set = plan.ports.iter().enumerate().filter(|(i, _)| of_a_phase(*i)).map(|(_, p)| p);
    let (traffic, flags): (Vec<_>, Vec<_>) = set.partition(|p| p.kind == super::PortKind::Traffic);
    for (what, ports) in [("traffic", traffic), ("flag", flags)] {
        let named: Vec<_> = ports.iter().map(|p| (p.name.clone(), ())).collect();
        for (name, ()) in super::groups::together(&named) {
            let _ = writeln!(out, "  {what} {name} to what was read before the first change");
        }
    }
    let undone = |a: &Action| -> Option<String> { Some(format!("  {} by {}", a.name, plan.action_name(a.undo?))) };
    for line in plan.actions.iter().filter_map(undone) {
        let _ = writeln!(out, "{line}");
    }
    for g in &plan.guards {
        if let Consequence::Rollback(Some(p)) = g.otherwise {
            let _ = writeln!(out, "  (guard {} goes back to phase {} only)", g.name, plan.phase_name(p));
        }
    }
}

fn bound(bindings: &Bindings, out: &mut String) {
    let _ = writeln!(out, "\nbound by environment {}", bindings.environment);
    for (name, b) in all(bindings) {
        let _ = writeln!(out, "  {name} = {}", backend(b));
    }
    for (population, matchers) in &bindings.variants {
        if !matchers.is_empty() {
            let _ = writeln!(out, "  {population} is {{{matchers}}}");
        }
    }
    also::named(bindings, out);
    let needed = credentials(bindings);
    if !needed.is_empty() {
        out.push_str("\nread when the run starts\n");
        for c in needed {
            let what = if c.secret { "secret" } else { "variable" };
            let _ = writeln!(out, "  {what:<8} {} ({})", c.name, c.used_by.join(", "));
        }
    }
}

fn backend(b: &Binding) -> String {
    // a command is written without a name before its list
    let named = |n: &str, a: &Arg| if n == COMMAND { argument(a) } else { format!("{n}: {}", argument(a)) };
    let args: Vec<String> = b.args.iter().map(|(n, a)| named(n, a)).collect();
    format!("{}({})", b.backend, args.join(", "))
}

fn argument(a: &Arg) -> String {
    match a {
        Arg::Text(t) => format!("{t:?}"),
        Arg::Env(v) => format!("env({v:?})"),
        Arg::Secret(s) => format!("secret({:?})", s.0),
        Arg::Duration(d) => show::duration(*d),
        Arg::Number(n) => show::number(*n),
        Arg::Bool(b) => String::from(if *b { "on" } else { "off" }),
        Arg::List(items) => {
            let items: Vec<String> = items.iter().map(argument).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn tolerance(t: Tolerance) -> String {
    match t {
        Tolerance::For(d) => show::duration(d),
        Tolerance::Checks(1) => String::from("1 check"),
        Tolerance::Checks(n) => format!("{n} checks"),
    }
}

pub(super) fn consequence(plan: &Plan, c: Consequence) -> String {
    match c {
        Consequence::Rollback(Some(p)) => format!("rollback to {}", plan.phase_name(p)),
        other => other.word().to_owned(),
    }
}
