//! What parses and has no meaning yet, refused by name; and what a plan carries that no engine does yet: accepted here, and refused
//! by whoever would run the plan.

use super::expr::Lower;
use super::signatures;
use crate::plan::placeholder::{has_slices, is_unfilled};
use crate::plan::{Bindings, Plan, Unbuilt};
use crate::syntax::ast::{Item, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{SourceMap, Span};

/// An item's own word, the name that it declares, and where it stands.
pub(super) fn item(i: &Item) -> Option<(&'static str, Option<&Name>, Span)> {
    Some(match i {
        Item::Use(d) => ("use", Some(&d.alias), d.span),
        _ => return None,
    })
}

impl Lower<'_, '_> {
    /// Notes something that the plan carries and no engine does yet.
    pub(super) fn later(&mut self, what: &str, span: Span) {
        if !self.unbuilt.iter().any(|(w, s)| w == what && *s == span) {
            self.unbuilt.push((what.to_owned(), span));
        }
    }

    /// All that was noted, in the order of the text.
    pub(super) fn unbuilt(&self) -> Vec<Unbuilt> {
        let mut all = self.unbuilt.clone();
        all.sort_by_key(|(_, s)| (s.file, s.start, s.end));
        all.into_iter().map(|(what, span)| Unbuilt { what, place: self.cx.map.place(span) }).collect()
    }
}

/// Everything that keeps a plan from being run by this version, each with its place and a way out. Nothing of it is a mistake: the
/// plan can be shown.
#[must_use]
pub fn cannot_run(plan: &Plan, map: &SourceMap) -> Vec<Diagnostic> {
    plan.unbuilt.iter().map(|u| refused(&u.what, &u.place, map)).collect()
}

/// The same for what an environment binds.
#[must_use]
pub fn cannot_bind(plan: &Plan, bindings: &Bindings, map: &SourceMap) -> Vec<Diagnostic> {
    let mut out = Vec::new();
    let all = bindings.bindings.iter().map(|(n, b)| (n.as_str(), b));
    for (name, b) in all.chain(bindings.evidence.iter().map(|b| ("evidence", b))) {
        if !signatures::is_built(&b.backend) {
            out.push(refused(&format!("{} = {}(…)", name, b.backend), &b.place, map));
        } else if !plan.slices.is_empty() && plan.ports.iter().any(|p| p.bound_as() == name) && !has_slices(&b.backend)
        {
            out.push(refused(&format!("{}(…) for each slice", b.backend), &b.place, map));
        } else if is_unfilled(plan, name, b) {
            out.push(refused("${…} in an environment", &b.place, map));
        }
    }
    out
}

fn refused(what: &str, place: &str, map: &SourceMap) -> Diagnostic {
    match span_of(place, map) {
        Some(span) => super::not_built(what, span, map),
        None => {
            let start = Span::default();
            super::not_built(&format!("{what} ({place})"), start, map)
        }
    }
}

/// The rest of the line at a `file:line:column`.
fn span_of(place: &str, map: &SourceMap) -> Option<Span> {
    let mut parts = place.rsplitn(3, ':');
    let (column, line, name) = (parts.next()?, parts.next()?, parts.next()?);
    let (column, line): (usize, usize) = (column.parse().ok()?, line.parse().ok()?);
    let (i, file) = map.files().iter().enumerate().find(|(_, f)| f.name == name)?;
    let mut before = 0;
    let mut rest = file.text.split_inclusive('\n');
    for _ in 1..line {
        before += rest.next()?.len();
    }
    let text = rest.next()?;
    let at: usize = text.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    let end = text.trim_end().len().max(at);
    Some(Span {
        file: crate::syntax::source::FileId(u32::try_from(i).ok()?),
        start: u32::try_from(before + at).ok()?,
        end: u32::try_from(before + end).ok()?,
    })
}
