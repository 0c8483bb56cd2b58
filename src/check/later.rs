//! What parses and has no meaning in the plan yet: refused by name, never ignored.

use crate::syntax::ast::{EnvEntry, Item, Name, PhaseStatement, Statement};
use crate::syntax::source::Span;

/// An item's own word, the name that it declares, and where it stands.
pub(super) fn item(i: &Item) -> Option<(&'static str, Option<&Name>, Span)> {
    Some(match i {
        Item::Use(d) => ("use", Some(&d.alias), d.span),
        Item::Slice(d) => ("slice", Some(&d.name), d.span),
        Item::Probe(d) => ("probe", Some(&d.name), d.span),
        Item::Load(d) => ("load", Some(&d.name), d.span),
        Item::Window(d) => ("window", Some(&d.name), d.span),
        Item::Signoff(d) => ("signoff", Some(&d.name), d.span),
        Item::Slo(d) => ("slo", Some(&d.name), d.span),
        Item::Score(d) => ("score", Some(&d.name), d.span),
        Item::Test(d) => ("test", None, d.span),
        _ => return None,
    })
}

/// A statement's own words, and where it stands.
pub(super) fn statement(s: &Statement) -> Option<(&'static str, Span)> {
    Some(match s {
        Statement::Release { span, .. } => ("release", *span),
        Statement::Advance(_, span) => ("advance when", *span),
        Statement::Cooldown { span, .. } => ("cooldown", *span),
        Statement::StartSlices { span, .. } => ("start slices by", *span),
        Statement::Drift(_, span) => ("drift", *span),
        Statement::Route { span, .. } => ("route", *span),
        Statement::After { span, .. } => ("after", *span),
        _ => return None,
    })
}

/// An environment's line in its own word, and where it stands.
pub(super) fn entry(e: &EnvEntry) -> Option<(&'static str, Span)> {
    Some(match e {
        EnvEntry::Labels { span, .. } => ("labels", *span),
        EnvEntry::People { span, .. } => ("people", *span),
        EnvEntry::Bind { .. } | EnvEntry::Variants { .. } => return None,
    })
}

/// A phase statement's own words, and where it stands.
pub(super) fn phase(s: &PhaseStatement) -> Option<(&'static str, Span)> {
    Some(match s {
        PhaseStatement::Ramp { span, .. } => ("ramp", *span),
        PhaseStatement::Mirror { span, .. } => ("mirror", *span),
        PhaseStatement::HoldForever(span) => ("hold forever", *span),
        PhaseStatement::HoldUntil { span, .. } => ("hold until", *span),
        PhaseStatement::Irreversible(_, span) => ("irreversible", *span),
        _ => return None,
    })
}
