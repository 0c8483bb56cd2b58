//! Puts what was typed in into the trees of a policy: what has the same name is replaced, the rest is added.

use crate::syntax::ast::{self, Item, Name, Rollout, Statement};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::{FileId, Span};
use std::mem::discriminant;

/// What became of one part of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Merged {
    /// `guard errors`
    pub(super) what: String,
    /// It took the place of another one.
    pub(super) replaced: bool,
}

/// The name that an item declares. Channels are several.
pub(super) fn declared(item: &Item) -> Option<&Name> {
    Some(match item {
        Item::Param(d) => &d.name,
        Item::Let(d) => &d.name,
        Item::Metric(d) => &d.name,
        Item::Traffic(d) => &d.name,
        Item::Flag(d) => &d.name,
        Item::Flags(d) => &d.name,
        Item::Action(d) => &d.name,
        Item::Killswitch(d) => &d.name,
        Item::Slice(d) => &d.name,
        Item::Probe(d) => &d.name,
        Item::Load(d) => &d.name,
        Item::Window(d) => &d.name,
        Item::Signoff(d) => &d.name,
        Item::Slo(d) => &d.name,
        Item::Score(d) => &d.name,
        Item::Channel(names) => names.first()?,
        Item::Rollout(d) => &d.name,
        Item::Environment(d) => &d.name,
        Item::Imported(d) => &d.alias,
        Item::Edition(_) | Item::Use(_) | Item::Test(_) | Item::Junk(_) => return None,
    })
}

/// The keyword of an item.
fn keyword(item: &Item) -> &'static str {
    match item {
        Item::Edition(_) => "edition",
        Item::Param(_) => "param",
        Item::Let(_) => "let",
        Item::Metric(_) => "metric",
        Item::Traffic(_) => "traffic",
        Item::Flag(_) => "flag",
        Item::Flags(_) => "flags",
        Item::Action(_) => "action",
        Item::Channel(_) => "channel",
        Item::Killswitch(_) => "killswitch",
        Item::Environment(_) => "environment",
        Item::Rollout(_) => "rollout",
        Item::Use(_) | Item::Imported(_) => "use",
        Item::Slice(_) => "slice",
        Item::Probe(_) => "probe",
        Item::Load(_) => "load",
        Item::Window(_) => "window",
        Item::Signoff(_) => "signoff",
        Item::Slo(_) => "slo",
        Item::Score(_) => "score",
        Item::Test(_) => "test",
        Item::Junk(_) => "text",
    }
}

/// Puts the items of `typed` into a policy. Where statements of a rollout were typed, `rollout` is the one that stands around them: they
/// go into the policy's own.
pub(super) fn merge(
    files: &mut [ast::File],
    typed: &ast::File,
    file: FileId,
    rollout: Option<&str>,
) -> Result<Vec<Merged>, Vec<Diagnostic>> {
    let mut done = Vec::new();
    for item in &typed.items {
        match item {
            Item::Rollout(r) if Some(r.name.node.as_str()) == rollout => {
                statements(files, r, &mut done);
            }
            _ => one(files, item, file, &mut done)?,
        }
    }
    Ok(done)
}

fn one(files: &mut [ast::File], item: &Item, file: FileId, done: &mut Vec<Merged>) -> Result<(), Vec<Diagnostic>> {
    let refused = |span: Span, what: &str, help: &str| {
        Err(vec![Diagnostic::error("E0114", format!("{what} is not taken into a conversation"), span, "").help(help)])
    };
    match item {
        Item::Test(t) => {
            return refused(t.span, "a test", "write it into the policy's file, and run it with `canary test`");
        }
        Item::Use(u) => {
            let help = "no file is read while we talk: write it into the policy's file, and begin again";
            return refused(u.span, "an import", help);
        }
        Item::Environment(e) => {
            return refused(e.name.span, "an environment", "begin again with `--env NAME`");
        }
        Item::Edition(e) => return refused(e.span, "an edition", "the policy's file says it"),
        Item::Junk(span) => {
            let span = Span { file, ..*span };
            return Err(vec![Diagnostic::error("E0113", "this is not understood", span, "")]);
        }
        _ => {}
    }
    let Some(name) = declared(item).map(|n| n.node.clone()) else { return Ok(()) };
    let same =
        |i: &&mut Item| discriminant(*i as &Item) == discriminant(item) && declared(i).is_some_and(|n| n.node == name);
    let place = files.iter_mut().flat_map(|f| &mut f.items).find(same);
    let replaced = place.is_some();
    match place {
        Some(place) => *place = item.clone(),
        None => {
            if let Some(first) = files.first_mut() {
                first.items.push(item.clone());
            }
        }
    }
    done.push(Merged { what: format!("{} {name}", keyword(item)), replaced });
    Ok(())
}

fn statements(files: &mut [ast::File], typed: &Rollout, done: &mut Vec<Merged>) {
    let all = files.iter_mut().flat_map(|f| &mut f.items).filter_map(|i| match i {
        Item::Rollout(r) => Some(r),
        _ => None,
    });
    let Some(rollout) = all.into_iter().find(|r| r.name.node == typed.name.node) else { return };
    for s in &typed.body {
        let same = |o: &&mut Statement| match (s, &**o) {
            (Statement::Guard(a), Statement::Guard(b)) => a.name.node == b.name.node,
            (Statement::Phase(a), Statement::Phase(b)) => a.name.node == b.name.node,
            (
                Statement::Reaction(_) | Statement::Require { .. } | Statement::Link { .. } | Statement::Route { .. },
                _,
            )
            | (Statement::After { .. } | Statement::Guard(_) | Statement::Phase(_), _) => false,
            (a, b) => discriminant(a) == discriminant(b),
        };
        let place = rollout.body.iter_mut().find(same);
        let replaced = place.is_some();
        match place {
            Some(place) => *place = s.clone(),
            None => rollout.body.push(s.clone()),
        }
        done.push(Merged { what: said(s), replaced });
    }
}

/// A statement in a word or two.
fn said(s: &Statement) -> String {
    match s {
        Statement::Guard(g) => format!("guard {}", g.name.node),
        Statement::Phase(p) => format!("phase {}", p.name.node),
        other => String::from(match other {
            Statement::Owner(_) => "owner",
            Statement::Link { .. } => "link",
            Statement::CheckEvery(..) => "check every",
            Statement::Settle(..) => "settle",
            Statement::Baseline(..) => "baseline",
            Statement::Require { .. } => "require",
            Statement::NoData { .. } => "no data",
            Statement::Reaction(_) => "the reaction",
            Statement::Release { .. } => "release",
            Statement::Advance(..) => "advance when",
            Statement::Cooldown { .. } => "cooldown",
            Statement::StartSlices { .. } => "start slices",
            Statement::Drift(..) => "drift",
            Statement::Route { .. } => "route",
            Statement::After { .. } => "after",
            Statement::Guard(_) | Statement::Phase(_) | Statement::Junk(_) => "the text",
        }),
    }
}
