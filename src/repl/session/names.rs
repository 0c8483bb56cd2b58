//! Everything that an entry may name, with its type and what it is for.

use super::world::World;
use crate::plan::show;
use crate::repl::{Name, NameKind};
use crate::sim::replay::change;
use crate::syntax::ast::Item;
use crate::syntax::docs::{DeclarationDocs, declarations};

/// All names of a world: what it declares, then what the language has.
pub(super) fn of(world: &World) -> Vec<Name> {
    let mut out = Vec::new();
    declared(world, &mut out);
    planned(world, &mut out);
    out.extend(FUNCTIONS.iter().map(|(text, hint, doc)| name(text, NameKind::Function, *hint, *doc)));
    out.extend(KEYWORDS.iter().map(|(text, hint, doc)| name(text, NameKind::Keyword, *hint, *doc)));
    out.extend(UNITS.iter().map(|(text, hint)| name(text, NameKind::Unit, *hint, "")));
    out
}

fn name(text: &str, kind: NameKind, hint: impl Into<String>, doc: impl Into<String>) -> Name {
    Name { text: text.to_owned(), kind, hint: hint.into(), doc: doc.into() }
}

/// What the texts declare.
fn declared(world: &World, out: &mut Vec<Name>) {
    let policy = &world.of.policy;
    let line = |doc: &str| doc.lines().next().unwrap_or("").to_owned();
    for item in policy.files().iter().flat_map(|f| &f.items) {
        if let Item::Param(p) = item {
            let value = world.plan.params.iter().find(|(n, _)| *n == p.name.node).map(|(_, v)| v.as_str());
            let bound = |word: &str, e: &Option<crate::syntax::ast::Expr>| {
                e.as_ref().map_or_else(String::new, |e| format!(" {word} {}", policy.written(e.span)))
            };
            let value = value.map_or_else(String::new, |v| format!(" = {v}"));
            let hint =
                format!("{}{value}{}{}", p.ty.node, bound("at least", &p.at_least), bound("at most", &p.at_most));
            let doc = p.doc.as_ref().map_or("", |d| d.node.as_str());
            out.push(name(&p.name.node, NameKind::Param, hint, line(doc)));
            continue;
        }
        for d in declarations(item, policy.map()) {
            let Some((kind, hint)) = kind(&d, item, world) else { continue };
            out.push(name(&d.name, kind, hint, line(&d.doc)));
        }
    }
}

/// What a declaration can be used for in an entry; nothing for those that cannot.
fn kind(d: &DeclarationDocs, item: &Item, world: &World) -> Option<(NameKind, String)> {
    Some(match d.keyword {
        "metric" => (NameKind::Metric, d.kind.clone().unwrap_or_default()),
        "let" => match item {
            Item::Let(l) => (NameKind::Let, format!("= {}", world.of.policy.written(l.value.span))),
            _ => return None,
        },
        "traffic" => (NameKind::Port, String::from("traffic")),
        "flag" => (NameKind::Port, format!("flag: {}", d.kind.as_deref().unwrap_or("bool"))),
        "score" => (NameKind::Metric, String::from("score → ratio")),
        "probe" | "load" | "slo" => (NameKind::Metric, d.keyword.to_owned()),
        "window" => (NameKind::Keyword, String::from("window: now in it")),
        _ => return None,
    })
}

/// What the plan has: guards with their fields, phases, members of groups, sources.
fn planned(world: &World, out: &mut Vec<Name>) {
    let plan = &world.plan;
    for g in &plan.guards {
        out.push(name(&g.name, NameKind::Guard, g.text.clone(), format!("else {}", g.otherwise.word())));
        for (field, doc) in [
            ("limit", "what it compares with"),
            ("tolerate", "how long it may be false"),
            ("at_least", "with fewer events it is thin"),
        ] {
            let text = format!("{}.{field}", g.name);
            if let Some((value, _)) = change::value_now(plan, &text) {
                let unit = match field {
                    "limit" => g.unit.word(),
                    "tolerate" => "duration",
                    _ => "count",
                };
                out.push(name(&text, NameKind::Field, format!("{unit} = {value}"), doc));
            }
        }
    }
    for p in &plan.phases {
        let sets: Vec<String> = p.settings.iter().map(|(port, s)| format!("{} = {s}", plan.port_name(*port))).collect();
        out.push(name(&p.name, NameKind::Phase, sets.join(", "), p.purpose.clone().unwrap_or_default()));
    }
    for p in plan.ports.iter().filter(|p| p.group.is_some()) {
        out.push(name(&p.name, NameKind::Port, "flag of a group", ""));
    }
    let mut sources: Vec<&str> = plan.inputs.iter().map(|i| i.source.as_str()).collect();
    sources.sort_unstable();
    sources.dedup();
    for s in sources {
        let every = show::duration(plan.check_every);
        out.push(name(s, NameKind::Source, format!("asked every {every}"), ""));
    }
}

/// Functions, each with its signature.
const FUNCTIONS: &[(&str, &str, &str)] = &[
    ("share", "share(h < bound, over: duration) → ratio", "the share of a histogram's events below a bound"),
    ("p50", "p50(h: histogram, over: duration) → value", "the median of a histogram"),
    ("p95", "p95(h: histogram, over: duration) → value", "the value below which 95% of the events lie"),
    ("p99", "p99(h: histogram, over: duration) → value", "the value below which 99% of the events lie"),
    (
        "quantile",
        "quantile(h: histogram | gauge, q, over: duration) → value",
        "a quantile of a histogram, or of a gauge over time",
    ),
    ("increase", "increase(c: counter, over: duration | since phase) → count", "how much a counter has counted"),
    ("greater", "greater(a, b) → value", "the greater of two"),
    ("lesser", "lesser(a, b) → value", "the lesser of two"),
    ("default", "default(a, b) → value", "the first, or the second where the first is missing"),
    ("missing", "missing(m) → bool", "whether there is no number"),
    ("avg", "avg(m: gauge, over: duration) → value", "the mean over a stretch of checks"),
    ("max", "max(m: gauge, over: duration) → value", "the greatest over a stretch of checks"),
    ("min", "min(m: gauge, over: duration) → value", "the least over a stretch of checks"),
    ("sum", "sum(m: gauge, over: duration) → value", "the sum over a stretch of checks"),
    ("stddev", "stddev(m: gauge, over: duration) → value", "how far the values of a stretch lie apart"),
    ("delta", "delta(m: gauge, over: duration) → value", "the last less the first of a stretch"),
    ("rate", "rate(m: gauge, over: duration) → rate", "how much it changes a second"),
    ("approved", "approved(group, valid: duration) → bool", "whether somebody of a group has said yes to this phase"),
];

/// Words of the language, each with what it is.
const KEYWORDS: &[(&str, &str, &str)] = &[
    ("stable", "population", "the same metric of the concurrent stable population"),
    ("before", "population", "the same metric over the baseline, before the first change"),
    ("healthy", "bool", "every guard that watches is ok"),
    ("phase.elapsed", "duration", "observed time since the phase's settings were verified"),
    ("rollout.elapsed", "duration", "observed time since the first check"),
    ("now", "now in WINDOW → bool", "whether the check lies in a window of civil time"),
    ("and", "bool and bool", ""),
    ("or", "bool or bool", ""),
    ("not", "not bool", ""),
    (
        "for",
        "condition for 5m, for 3 checks, for 3 of 5 checks, for 80% of 10m",
        "how long a condition must have been true",
    ),
    ("in", "value in list", ""),
    ("is", "GUARD is failing", "a guard's word"),
    ("on", "bool", ""),
    ("off", "bool", ""),
    ("true", "bool", ""),
    ("false", "bool", ""),
    ("let", "let NAME = EXPRESSION", "names an expression"),
    ("param", "param NAME: TYPE = VALUE", "a value that `:set` sets"),
    ("metric", "metric NAME: KIND = SOURCE(…)", "something that is measured"),
    ("guard", "guard NAME: CONDITION tolerate 1m else rollback", "what must hold"),
    ("phase", "phase NAME { traffic x = 5%  hold 10m }", "a stretch of constant exposure"),
    ("check", "check every 15s", "the distance of checks"),
    ("require", "require CONDITION \"why\"", "what must hold at the start"),
    ("when", "when CONDITION: run a", "a reaction to a condition"),
    ("every", "every 5m: notify ch", "a reaction to time"),
    ("tolerate", "tolerate 1m", "how long a guard may be false"),
    ("else", "else hold | pause | rollback", "what follows"),
];

/// What may follow a number.
const UNITS: &[(&str, &str)] = &[
    ("ms", "duration: milliseconds"),
    ("s", "duration: seconds"),
    ("m", "duration: minutes"),
    ("h", "duration: hours"),
    ("d", "duration: days of 24 h"),
    ("w", "duration: weeks"),
    ("%", "ratio"),
    ("pp", "difference of two ratios"),
    ("/s", "rate: a second"),
    ("/m", "rate: a minute"),
    ("/h", "rate: an hour"),
    ("B", "bytes"),
    ("kB", "bytes: 1000"),
    ("KiB", "bytes: 1024"),
    ("MB", "bytes"),
    ("MiB", "bytes"),
    ("GB", "bytes"),
    ("GiB", "bytes"),
];
