//! The head of a rollout: the statements of which it has one, links, and what is asked before the start.

use super::expr::Place;
use super::rollout::Builder;
use super::{Cx, EDITION};
use crate::plan::{After, Consequence, Drift, Gate, Millis, NoData, Release, Require, RouteBy, StartSlices, Tolerance};
use crate::syntax::ast::{self, ConsequenceKind, Item, Name, Statement};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// `check every` of a rollout that does not say.
pub(super) const CHECK_EVERY: Millis = 15_000;
/// `baseline` of a rollout that does not say.
pub(super) const BASELINE: Millis = 300_000;
/// `no data tolerate` of a rollout that does not say.
pub(super) const NO_DATA: NoData = NoData { tolerate: Tolerance::Checks(4), otherwise: Consequence::Pause };

/// Every file says its edition.
pub(super) fn edition(cx: &Cx<'_>, file: &ast::File) {
    for d in edition_of(file) {
        cx.push(d);
    }
}

/// What is wrong with a file's edition.
pub(super) fn edition_of(file: &ast::File) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let mut first: Option<Span> = None;
    for item in &file.items {
        let Item::Edition(e) = item else { continue };
        if let Some(span) = first {
            found.push(
                Diagnostic::error("E0401", "the edition is given twice", e.span, "")
                    .also(span, "first given here")
                    .help("keep one of them"),
            );
            continue;
        }
        first = Some(e.span);
        if e.node != EDITION {
            found.push(
                Diagnostic::error("E0401", format!("edition {} is not known", e.node), e.span, "")
                    .help(format!("this tool reads edition {EDITION}"))
                    .fix(e.span, format!("{EDITION}")),
            );
        }
    }
    // in a broken text the line may be there and not have been understood
    let broken = file.items.iter().any(|i| matches!(i, Item::Junk(_)));
    if first.is_none() && !broken {
        found.push(
            Diagnostic::error("E0401", "the edition is missing", file.span.head(), "the first line of every file")
                .help(format!("write `edition {EDITION}` at the top"))
                .fix(file.span.head(), format!("edition {EDITION}\n\n")),
        );
    }
    found
}

/// The statements of which a rollout has one.
#[derive(Default)]
pub(super) struct Head<'a> {
    pub(super) owner: Option<&'a str>,
    pub(super) check_every: Option<Millis>,
    pub(super) settle: Option<Millis>,
    pub(super) no_data: Option<NoData>,
    pub(super) links: Vec<(String, String)>,
    pub(super) requires: Vec<Require>,
    pub(super) release: Option<Release>,
    pub(super) advance: Option<Gate>,
    pub(super) cooldown: Option<Millis>,
    pub(super) start_slices: Option<StartSlices>,
    pub(super) drift: Option<Drift>,
    /// Port, by what, its name, its value, the statement.
    pub(super) routes: Vec<(&'a Name, RouteBy, String, Option<String>, Span)>,
    pub(super) after: Vec<After>,
    seen: Vec<(&'static str, Span)>,
}

impl<'a> Head<'a> {
    pub(super) fn once(&mut self, cx: &Cx<'a>, what: &'static str, span: Span) -> bool {
        if let Some((_, first)) = self.seen.iter().find(|(w, _)| *w == what) {
            cx.push(
                Diagnostic::error("E0408", format!("`{what}` is given twice"), span, "again here")
                    .also(*first, "first given here")
                    .help("keep one of them"),
            );
            return false;
        }
        self.seen.push((what, span));
        true
    }
}

impl<'a> Builder<'_, 'a> {
    /// Reads the head; what is wrong with it is reported.
    pub(super) fn head(&mut self) -> Head<'a> {
        let cx = self.cx;
        let mut head = Head::default();
        for s in &self.rollout.body {
            match s {
                Statement::Owner(o) => {
                    if head.once(cx, "owner", o.span) {
                        head.owner = Some(&o.node);
                    }
                }
                Statement::Link { kind, target, .. } => {
                    head.links.push((kind.node.clone(), target.node.clone()));
                }
                Statement::CheckEvery(d, span) => {
                    let every = cx.duration(d, "`check every`", 100);
                    if head.once(cx, "check every", *span) {
                        head.check_every = every;
                    }
                }
                Statement::Settle(d, span) => {
                    let settle = cx.duration(d, "`settle`", 0);
                    if head.once(cx, "settle", *span) {
                        head.settle = settle;
                    }
                }
                Statement::Baseline(_, span) => {
                    head.once(cx, "baseline", *span);
                }
                Statement::NoData { tolerate, otherwise, span } => {
                    let made = self.no_data(tolerate.as_ref(), otherwise);
                    if head.once(cx, "no data", *span) {
                        head.no_data = made;
                    }
                }
                Statement::Require { cond, why, .. } => {
                    if let Some(node) = self.lower.condition_at(Place::Require, cond) {
                        cx.require_that_must_last(cond);
                        let text = cx.as_written(cond.span);
                        head.requires.push(Require {
                            cond: node,
                            why: why.as_ref().map_or_else(|| text.clone(), |w| w.node.clone()),
                            text,
                        });
                    }
                }
                Statement::Guard(_) | Statement::Phase(_) | Statement::Reaction(_) | Statement::Junk(_) => {}
                other => {
                    self.head_statement(other, &mut head);
                }
            }
        }
        head
    }

    fn no_data(&mut self, tolerate: Option<&'a ast::Tolerance>, otherwise: &'a ast::Consequence) -> Option<NoData> {
        let tolerate = match tolerate {
            Some(t) => self.tolerance(t),
            None => Some(Tolerance::For(0)),
        };
        let allowed = [ConsequenceKind::Hold, ConsequenceKind::Pause, ConsequenceKind::Rollback];
        let otherwise = self.consequence(otherwise, "no data", &allowed, self.phases.len());
        Some(NoData { tolerate: tolerate?, otherwise: otherwise? })
    }
}
