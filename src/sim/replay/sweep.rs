//! Sweeps: the same replay with other values. A grid over one or several of them.

use super::change;
use super::inject::{Kind, Quantity, quantity};
use super::outcome::{Axis, AxisValue, Cell, Outcome};
use crate::engine::{Record, Verdict};
use crate::plan::{Plan, show};

/// So many combinations at most.
const MOST: usize = 100_000;

/// Reads `errors.limit=0.5%..5%:0.5%`, or `errors.limit=1%,2%,5%`.
///
/// # Errors
/// What is wrong with it, with a way out.
pub fn axis(text: &str) -> Result<Axis, String> {
    let wrong = |why: &str| {
        format!("`--vary {text}`: {why}; a range is `errors.limit=0.5%..5%:0.5%`, a list `errors.limit=1%,2%,5%`")
    };
    let (name, values) = text.split_once('=').ok_or_else(|| wrong("no `=` in it"))?;
    let (name, values) = (name.trim(), values.trim());
    if name.is_empty() || values.is_empty() {
        return Err(wrong("a name and its values are wanted"));
    }
    let number = |t: &str| quantity(t).map_err(|e| wrong(&e));
    let mut out = Vec::new();
    if let Some((from, rest)) = values.split_once("..") {
        let (to, by) = rest.split_once(':').ok_or_else(|| wrong("a range wants a step behind a `:`"))?;
        let (from, to, by) = (number(from)?, number(to)?, number(by)?);
        let alike = |a: Quantity, b: Quantity| a.kind == b.kind || a.number == 0.0 || b.number == 0.0;
        let points = |q: Quantity| if q.kind == Kind::Points { Quantity { kind: Kind::Ratio, ..q } } else { q };
        let (from, to, by) = (points(from), points(to), points(by));
        if !alike(from, to) || !alike(from, by) || !alike(to, by) {
            return Err(wrong("its ends and its step are not of one unit"));
        }
        if by.number <= 0.0 || to.number < from.number {
            return Err(wrong("it must rise"));
        }
        let steps = ((to.number - from.number) / by.number + 1e-9).floor();
        if steps >= 100_000.0 {
            return Err(wrong("these are more than 100000 values"));
        }
        let mut i = 0.0;
        while i <= steps {
            // rounded: 0.5 % and ten times 0.1 % are 1.5 %, not a hair more
            let v = rounded(from.number + i * by.number);
            out.push(AxisValue { text: written(v, by.kind), number: v });
            i += 1.0;
        }
    } else {
        for value in values.split(',').map(str::trim) {
            out.push(AxisValue { text: value.to_owned(), number: number(value)?.number });
        }
        out.sort_by(|a, b| a.number.total_cmp(&b.number));
        out.dedup_by(|a, b| a.number.to_bits() == b.number.to_bits());
    }
    Ok(Axis { name: name.to_owned(), values: out, now: None })
}

fn rounded(v: f64) -> f64 {
    format!("{v:.12}").parse().unwrap_or(v)
}

/// A value as a policy would have it.
fn written(v: f64, kind: Kind) -> String {
    use crate::plan::Unit;
    let unit = match kind {
        Kind::Number => Unit::Number,
        Kind::Ratio => Unit::Ratio,
        Kind::Points => return show::points(v),
        Kind::Duration => Unit::Duration,
        Kind::Rate => Unit::Rate,
        Kind::Bytes => Unit::Bytes,
    };
    show::value(v, unit)
}

/// Every combination: the last axis varies fastest.
///
/// # Errors
/// That there are too many.
pub fn grid(axes: &[Axis]) -> Result<Vec<Vec<usize>>, String> {
    let many = axes.iter().try_fold(1_usize, |n, a| n.checked_mul(a.values.len())).filter(|n| *n <= MOST);
    let Some(many) = many else { return Err(format!("`--vary`: these are more than {MOST} combinations")) };
    let one = |i: usize| {
        let mut rest = i;
        let mut place: Vec<usize> = axes
            .iter()
            .rev()
            .map(|a| {
                let n = a.values.len().max(1);
                let at = rest % n;
                rest /= n;
                at
            })
            .collect();
        place.reverse();
        place
    };
    Ok((0..many).map(one).collect())
}

/// What a policy says now of what is varied: a guard's field, or a param.
#[must_use]
pub fn now(plan: &Plan, name: &str) -> Option<AxisValue> {
    if change::is_field(name) {
        return change::value_now(plan, name).map(|(text, number)| AxisValue { text, number });
    }
    let (_, text) = plan.params.iter().find(|(n, _)| n == name)?;
    quantity(text).ok().map(|q| AxisValue { text: text.clone(), number: q.number })
}

/// A replay in a few words.
#[must_use]
pub fn cell(outcome: &Outcome) -> Cell {
    if let Some(slices) = &outcome.slices {
        return slices.cell(outcome.verdict);
    }
    let mut phase = String::new();
    let (mut decided_at, mut rule, mut person) = (None, None, false);
    for d in &outcome.decisions {
        match &d.record {
            Record::Entered { phase: name, .. } | Record::Rollback { to: Some(name), .. } => phase.clone_from(name),
            Record::Rollback { to: None, explanation, .. } => {
                (decided_at, rule) = (Some(d.at), Some(explanation.rule.clone()));
                person = explanation.kind == "person";
            }
            // somebody took it back that a rule had promoted: the rollback counts
            Record::Promoted { .. } | Record::Refused { .. } => decided_at = decided_at.or(Some(d.at)),
            Record::Finished { verdict: Verdict::Promoted | Verdict::Killed, .. } => {
                decided_at = decided_at.or(Some(d.at));
            }
            _ => {}
        }
    }
    if outcome.verdict.is_none() {
        // what was being taken back when the recording was over is decided all the same
        let verdict = rule.as_ref().map(|_| if person { Verdict::Aborted } else { Verdict::RolledBack });
        return Cell { verdict, decided_at, phase, rule, slices: None };
    }
    Cell { verdict: outcome.verdict, decided_at, phase, rule, slices: None }
}
