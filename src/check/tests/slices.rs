//! `[tenant: "acme", severity: "low"]`: of which slices of the rollout a line speaks, and which slices there are.

use super::lines::Compiler;
use crate::plan::Plan;
use crate::syntax::ast::{Dims, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeMap;

/// Of which slices a line speaks: by dimension of the plan, in its order, a value, or `None` for any. Empty: of all, and of a
/// rollout with one life.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slices(Vec<Option<String>>);

impl Slices {
    /// Whether it speaks of a slice, by its values in the order of [`Plan::slices`].
    #[must_use]
    pub fn mean(&self, key: &[String]) -> bool {
        self.0.iter().zip(key).all(|(want, is)| want.as_ref().is_none_or(|w| w == is))
    }

    /// Whether it speaks of all slices there are.
    #[must_use]
    pub fn all(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// The values of the one slice that it names; none if it leaves a dimension out.
    #[must_use]
    pub fn one(&self) -> Option<Vec<String>> {
        if self.0.is_empty() { None } else { self.0.iter().cloned().collect() }
    }
}

/// Slices by their values: those of which a line speaks are found without looking at all others, so that a test with a line a slice
/// costs as much as it has lines.
#[derive(Debug)]
pub struct Index<'k> {
    keys: Vec<&'k [String]>,
    /// By which dimensions a line names: by their values, the places of the slices.
    by: BTreeMap<Vec<bool>, BTreeMap<Vec<String>, Vec<usize>>>,
}

impl<'k> Index<'k> {
    /// Of slices by their values in the order of [`Plan::slices`].
    pub fn new(keys: impl IntoIterator<Item = &'k [String]>) -> Self {
        Self { keys: keys.into_iter().collect(), by: BTreeMap::new() }
    }

    /// The places of those of which a line speaks ([`Slices::mean`]), in their order.
    pub fn meant(&mut self, slices: &Slices) -> &[usize] {
        let named: Vec<bool> = slices.0.iter().map(Option::is_some).collect();
        let keys = &self.keys;
        let found = self.by.entry(named).or_insert_with_key(|named| {
            let mut found: BTreeMap<Vec<String>, Vec<usize>> = BTreeMap::new();
            for (i, key) in keys.iter().enumerate() {
                let values = key.iter().zip(named).filter(|(_, named)| **named).map(|(v, _)| v.clone());
                found.entry(values.collect()).or_default().push(i);
            }
            found
        });
        let values: Vec<String> = slices.0.iter().flatten().cloned().collect();
        found.get(&values).map_or(&[], Vec::as_slice)
    }
}

impl<'a> Compiler<'_, 'a> {
    /// What stands before the brackets, and which slices they name.
    pub(super) fn indexed(&self, e: &'a Expr) -> Option<(&'a Expr, Slices)> {
        match &e.kind {
            ExprKind::Index { base, dims } => {
                let brackets = Span { start: base.span.end, ..e.span };
                Some((base, self.slices(dims, brackets)?))
            }
            _ => Some((e, Slices::default())),
        }
    }

    /// The slices of a line that has them behind its verb or its name.
    pub(super) fn of(&self, dims: Option<&'a Dims>) -> Option<Slices> {
        match dims {
            Some(d) => self.slices(&d.dims, d.span),
            None => Some(Slices::default()),
        }
    }

    fn slices(&self, dims: &'a [(Name, Expr)], brackets: Span) -> Option<Slices> {
        let plan = self.plan;
        if plan.slices.is_empty() {
            self.cx.push(
                Diagnostic::error("E0486", format!("rollout `{}` has no slices", plan.rollout), brackets, "of which?")
                    .help("leave the brackets out")
                    .fix(brackets, ""),
            );
            return None;
        }
        let named = self.cx.slice_dims(dims);
        let known: Vec<&str> = plan.slices.iter().map(|s| s.name.as_str()).collect();
        let mut strangers = false;
        for (name, _) in dims {
            // what nothing declares was said
            let declared =
                matches!(self.cx.scope().names.get(name.node.as_str()), Some(crate::check::scope::Decl::Slice(_)));
            if declared && !known.contains(&name.node.as_str()) {
                strangers = true;
                self.unknown("dimension", name, &known, "its dimensions", "it has none");
            }
        }
        let named = named.filter(|_| !strangers)?;
        let value = |name: &str| named.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let out = Slices(plan.slices.iter().map(|s| value(&s.name)).collect());
        self.named.borrow_mut().push((out.clone(), brackets));
        Some(out)
    }

    /// Says where a line speaks of a slice that is not there: a slice is there once a `given` names it.
    pub(super) fn all_are_there(&self, slices: &[Vec<String>], title: Span) {
        let plan = self.plan;
        if plan.slices.is_empty() {
            return;
        }
        if slices.is_empty() {
            let dims: Vec<String> = plan.slices.iter().map(|s| format!("{}: \"…\"", s.name)).collect();
            let dims = dims.join(", ");
            let metric = super::nodes::readable(plan).into_iter().next().unwrap_or_else(|| String::from("metric"));
            self.cx.push(
                Diagnostic::error("E0486", "no slice is there in this test", title, "nothing would begin").help(
                    format!("a slice is there once a `given` names all its values: `given {metric}[{dims}] = …`"),
                ),
            );
            return;
        }
        let mut index = Index::new(slices.iter().map(Vec::as_slice));
        for (named, span) in self.named.borrow().iter() {
            if !index.meant(named).is_empty() {
                continue;
            }
            let known: Vec<String> = slices.iter().take(4).map(|s| written(plan, s)).collect();
            let more = if slices.len() > known.len() { ", …" } else { "" };
            self.cx.push(
                Diagnostic::error("E0486", "no such slice is there in this test", *span, "no `given` names it")
                    .help(format!("those that a `given` names: {}{more}", known.join(", "))),
            );
        }
    }
}

/// A slice as a test writes it: `[tenant: "acme", severity: "low"]`.
fn written(plan: &Plan, key: &[String]) -> String {
    let dims: Vec<String> = plan.slices.iter().zip(key).map(|(s, v)| format!("{}: {v:?}", s.name)).collect();
    format!("`[{}]`", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use super::{Index, Slices};

    #[test]
    fn an_index_finds_what_a_line_means() {
        let all = ["a", "b", "c"].map(|t| ["low", "high"].map(|s| vec![t.to_owned(), s.to_owned()]));
        let keys: Vec<Vec<String>> = all.into_iter().flatten().collect();
        let mut index = Index::new(keys.iter().map(Vec::as_slice));
        let some = |s: &str| Some(s.to_owned());
        for line in [
            Slices::default(),
            Slices(vec![None, None]),
            Slices(vec![some("b"), None]),
            Slices(vec![None, some("high")]),
            Slices(vec![some("c"), some("low")]),
            Slices(vec![some("d"), None]),
        ] {
            let one_by_one: Vec<usize> = (0..keys.len()).filter(|i| line.mean(&keys[*i])).collect();
            assert_eq!(index.meant(&line), one_by_one, "{line:?}");
        }
    }

    #[test]
    fn what_is_left_out_is_any() {
        let key = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        let acme = Slices(vec![Some(String::from("acme")), None]);
        assert!(acme.mean(&key("acme", "low")) && acme.mean(&key("acme", "high")) && !acme.mean(&key("orb", "low")));
        assert_eq!((acme.one(), acme.all()), (None, false));
        let one = Slices(vec![Some(String::from("acme")), Some(String::from("low"))]);
        assert_eq!(one.one(), Some(key("acme", "low")));
        let all = Slices::default();
        assert!(all.all() && all.mean(&[]) && all.mean(&key("acme", "low")) && all.one().is_none());
    }
}
