//! A field of a guard, set by name: `errors.limit = 2%`, `errors.tolerate = 1m`. The policy's text stays as it is.

use super::inject::{Kind, Quantity, quantity};
use crate::plan::{Guard, GuardId, Millis, Node, NodeId, Plan, Tolerance, hash, show};
use crate::sim::mutate::{comparisons, replace};

/// A field of a guard that can be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// The constant that its first comparison is against.
    Limit,
    /// How long it may be false: a duration, or a number of checks.
    Tolerate,
    /// `at least n events` of its first comparison.
    AtLeast,
}

/// The names of the fields.
const FIELDS: [(&str, Field); 4] =
    [("limit", Field::Limit), ("tolerate", Field::Tolerate), ("for", Field::Tolerate), ("at_least", Field::AtLeast)];

/// Whether a name means a field of a guard, and not a param: it has a dot behind the guard's name.
#[must_use]
pub fn is_field(name: &str) -> bool {
    name.contains('.')
}

/// The plan with a guard's field set. Where that changes nothing it is the same plan, hash and all.
///
/// # Errors
/// What is wrong with it, with a way out.
pub fn set(plan: &Plan, name: &str, value: &str) -> Result<Plan, String> {
    let (id, field) = find(plan, name)?;
    let guard = plan.guards.get(id.index()).ok_or_else(|| no_guard(plan, name))?;
    let mut out = plan.clone();
    let before = now(plan, guard, field);
    match field {
        Field::Tolerate => {
            let to = tolerance(value).map_err(|e| format!("`{name}={value}`: {e}"))?;
            if to == guard.tolerate {
                return Ok(out);
            }
            if let Some(g) = out.guards.get_mut(id.index()) {
                g.tolerate = to;
            }
        }
        Field::Limit => {
            let (at, node, limit) = constant(plan, guard, name)?;
            let to = quantity(value).map_err(|e| format!("`{name}={value}`: {e}"))?;
            if !to.kind.is(guard.unit) || to.number < 0.0 {
                let example = show::value(limit, guard.unit);
                return Err(format!(
                    "`{name}={value}`: the limit of {} is {example}: write another like it",
                    guard.name
                ));
            }
            if same(to.number, limit) {
                return Ok(out);
            }
            let Some(Node::Compare { op, left, right, at_least, unit }) = plan.program.nodes.get(at.index()).cloned()
            else {
                return Err(no_limit(guard));
            };
            out.program.nodes.push(Node::Const(to.number));
            let new = NodeId::at(out.program.nodes.len() - 1);
            let (left, right) = if node == left { (new, right) } else { (left, new) };
            replace(&mut out, id.index(), at, Node::Compare { op, left, right, at_least, unit });
        }
        Field::AtLeast => {
            let at = first(plan, guard).ok_or_else(|| no_limit(guard))?;
            let events = whole(value).ok_or_else(|| format!("`{name}={value}`: a whole number of events is wanted"))?;
            let Some(Node::Compare { op, left, right, at_least: Some(was), unit }) =
                plan.program.nodes.get(at.index()).cloned()
            else {
                return Err(format!("guard {} has no `at least n events` to set", guard.name));
            };
            if was == events {
                return Ok(out);
            }
            replace(&mut out, id.index(), at, Node::Compare { op, left, right, at_least: Some(events), unit });
        }
    }
    if let Some(g) = out.guards.get_mut(id.index()) {
        let word = FIELDS.iter().find(|(_, f)| *f == field).map_or("", |(w, _)| w).replace('_', " ");
        let was = before.map_or_else(String::new, |(text, _)| format!(" instead of {text}"));
        g.text = format!("{} [{word} {value}{was}]", g.text);
    }
    Ok(hashed(out))
}

/// What a field says now: as text, and as a number in base units.
#[must_use]
pub fn value_now(plan: &Plan, name: &str) -> Option<(String, f64)> {
    let (id, field) = find(plan, name).ok()?;
    now(plan, plan.guards.get(id.index())?, field)
}

#[expect(clippy::cast_precision_loss, reason = "numbers of events that somebody wrote")]
fn now(plan: &Plan, guard: &Guard, field: Field) -> Option<(String, f64)> {
    match (field, guard.tolerate) {
        (Field::Tolerate, Tolerance::For(d)) => Some((show::duration(d), crate::engine::eval::seconds(d))),
        (Field::Tolerate, Tolerance::Checks(n)) => Some((format!("{n} checks"), f64::from(n))),
        (Field::Limit, _) => {
            let (_, _, limit) = constant(plan, guard, "").ok()?;
            Some((show::value(limit, guard.unit), limit))
        }
        (Field::AtLeast, _) => match plan.program.nodes.get(first(plan, guard)?.index())? {
            Node::Compare { at_least: Some(n), .. } => Some((n.to_string(), *n as f64)),
            _ => None,
        },
    }
}

fn find(plan: &Plan, name: &str) -> Result<(GuardId, Field), String> {
    let (guard, field) = name.rsplit_once('.').ok_or_else(|| no_guard(plan, name))?;
    let id = plan.guards.iter().position(|g| g.name == guard).ok_or_else(|| no_guard(plan, guard))?;
    let field = FIELDS
        .iter()
        .find(|(word, _)| *word == field)
        .map(|(_, f)| *f)
        .ok_or_else(|| format!("guard {guard} has no `{field}` to set; it has `limit`, `tolerate`, `at_least`"))?;
    Ok((GuardId::at(id), field))
}

fn no_guard(plan: &Plan, name: &str) -> String {
    let names: Vec<&str> = plan.guards.iter().map(|g| g.name.as_str()).collect();
    let near = names.iter().map(|n| (strsim::damerau_levenshtein(n, name), *n)).min().filter(|(d, _)| *d <= 2);
    let help = near.map_or_else(
        || if names.is_empty() { String::from("it has none") } else { format!("it has {}", names.join(", ")) },
        |(_, n)| format!("did you mean `{n}`?"),
    );
    format!("{} has no guard `{name}`: {help}", plan.rollout)
}

/// The comparison that is shown, or the first one.
fn first(plan: &Plan, guard: &Guard) -> Option<NodeId> {
    guard.shown.or_else(|| comparisons(plan, guard.healthy).first().copied())
}

/// The first comparison, the side of it that is a constant, and that.
fn constant(plan: &Plan, guard: &Guard, name: &str) -> Result<(NodeId, NodeId, f64), String> {
    let at = first(plan, guard).ok_or_else(|| no_limit(guard))?;
    let Some(Node::Compare { left, right, .. }) = plan.program.nodes.get(at.index()) else {
        return Err(no_limit(guard));
    };
    let value = |id: NodeId| match plan.program.nodes.get(id.index()) {
        Some(Node::Const(v)) => Some((id, *v)),
        _ => None,
    };
    let (node, limit) = value(*right).or_else(|| value(*left)).ok_or_else(|| {
        format!(
            "`{name}`: the limit of {} is reckoned (`{}`), it is no number that could be set",
            guard.name, guard.text
        )
    })?;
    Ok((at, node, limit))
}

fn no_limit(guard: &Guard) -> String {
    format!("guard {} compares nothing with a limit: `{}`", guard.name, guard.text)
}

fn whole(value: &str) -> Option<u64> {
    let digits: String = value.trim().chars().filter(|c| *c != '_').collect();
    digits.parse().ok()
}

/// `5m`, `0s`, `3 checks`.
fn tolerance(value: &str) -> Result<Tolerance, String> {
    let words: Vec<&str> = value.split_whitespace().collect();
    if let [n, "checks" | "check"] = words.as_slice() {
        let n = whole(n).and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0);
        return n.map(Tolerance::Checks).ok_or_else(|| String::from("a number of checks from 1 on is wanted"));
    }
    match quantity(value)? {
        Quantity { number, kind: Kind::Duration } if number >= 0.0 => Ok(Tolerance::For(millis(number))),
        Quantity { number: 0.0, .. } => Ok(Tolerance::For(0)),
        _ => Err(String::from("a duration such as `5m`, or a number of checks such as `3 checks`, is wanted")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the parser bounds durations")]
fn millis(seconds: f64) -> Millis {
    (seconds * 1000.0).round() as Millis
}

fn same(a: f64, b: f64) -> bool {
    a.to_bits() == b.to_bits()
}

/// With the hash of what it says now.
pub(in crate::sim) fn hashed(mut plan: Plan) -> Plan {
    plan.hash = String::new();
    let mut content = plan.clone();
    content.unbuilt.iter_mut().for_each(|u| u.place = String::new());
    let json = serde_json::to_value(&content).unwrap_or_default();
    plan.hash = hash::sha256_hex(hash::canonical(&json).as_bytes());
    plan
}
