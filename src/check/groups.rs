//! Groups of flags: `flags m4: ["failure_catalog", "strict_golden"]`. Each member becomes a port of its own, so that what stood
//! before the rollout is remembered, restored and watched member by member.

use super::Cx;
use super::scope::Decl;
use super::types::{Ty, Value};
use crate::plan::PortKind;
use crate::syntax::ast::{self, Expr, ExprKind};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// The name of a member's port: `m4.failure_catalog`. A declared name holds no dot, so it is nobody else's.
pub(super) fn member_port(group: &str, member: &str) -> String {
    format!("{group}.{member}")
}

impl<'a> Cx<'a> {
    /// Checks a group by itself, used or not.
    pub(super) fn check_group(&self, g: &'a ast::Flags) {
        let _ = self.members(g);
        let _ = self.group_kind(g);
        let _ = self.dims(&g.per);
    }

    /// The members of a group, at least one, each once; what is wrong with them is reported.
    pub(super) fn members(&self, g: &'a ast::Flags) -> Option<Vec<&'a str>> {
        let ExprKind::List(items) = &g.members.kind else {
            return None;
        };
        if items.is_empty() {
            self.push(
                Diagnostic::error(
                    "E0416",
                    format!("group `{}` has no flag", g.name.node),
                    g.members.span,
                    "would set nothing",
                )
                .help("name its flags: `[\"failure_catalog\", \"strict_golden\"]`"),
            );
            return None;
        }
        let mut out: Vec<(&'a str, Span)> = Vec::new();
        let mut ok = true;
        for item in items {
            match self.member(item) {
                None => ok = false,
                Some(name) => match out.iter().find(|(n, _)| *n == name) {
                    Some((_, first)) => {
                        ok = false;
                        self.push(
                            Diagnostic::error(
                                "E0416",
                                format!("`{name}` is twice in group `{}`", g.name.node),
                                item.span,
                                "again here",
                            )
                            .also(*first, "first here")
                            .help("keep one of them"),
                        );
                    }
                    None => out.push((name, item.span)),
                },
            }
        }
        ok.then(|| out.into_iter().map(|(n, _)| n).collect())
    }

    /// One member: a bare name, or one in quotes.
    fn member(&self, e: &'a Expr) -> Option<&'a str> {
        let name = match &e.kind {
            ExprKind::Hole => {
                self.holes.set(true);
                return None;
            }
            ExprKind::Name(path) if path.len() == 1 => path.first().map(|n| n.node.as_str()),
            ExprKind::Text(t) => Some(t.as_str()),
            _ => None,
        };
        let Some(name) = name else {
            self.push(
                Diagnostic::error("E0416", "a group is a list of names", e.span, "not the name of a flag")
                    .help("name the flags as their backend does: `[\"failure_catalog\", \"strict_golden\"]`"),
            );
            return None;
        };
        // it becomes a part of keys, paths and arguments: nothing in it may mean something there
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
        if name.is_empty() || name.starts_with(['-', '.']) || !name.chars().all(plain) {
            self.push(
                Diagnostic::error(
                    "E0416",
                    format!("{name:?} cannot be the name of a flag"),
                    e.span,
                    "it becomes a part of keys and paths",
                )
                .help(
                    "a name is made of letters, digits, `_`, `-`, `.` and `:`, and begins with neither `-` nor `.`; \
                     what stands around it belongs to the environment: `key: \"features/${flag}\"`",
                ),
            );
            return None;
        }
        Some(name)
    }

    /// What can be set on each flag of a group: on and off, or what the list holds.
    pub(super) fn group_kind(&self, g: &'a ast::Flags) -> Option<PortKind> {
        let Some(values) = &g.values else {
            return Some(PortKind::BoolFlag);
        };
        let list = self.value_list(values)?;
        let what = format!("group `{}`", g.name.node);
        if list.is_empty() {
            self.push(
                Diagnostic::error("E0403", format!("{what} has no value to be set to"), values.span, "")
                    .help("list its values: `in [0%, 10%, 100%]`, or leave `in` out for flags that are on or off"),
            );
            return None;
        }
        // one ratio makes it a list of ratios: a bare 0 is either
        let ratio = list.iter().any(|e| matches!(self.constant(e, &what), Some(Value::Num(_, Ty::Ratio))));
        self.listed_kind(list, if ratio { Ty::Ratio } else { Ty::Count }, &what)
    }

    /// The declaration of a group by name.
    pub(super) fn group(&self, name: &str) -> Option<&'a ast::Flags> {
        match self.scope().names.get(name) {
            Some(Decl::Flags(g)) => Some(g),
            _ => None,
        }
    }
}
