//! Windows of civil time, membership in them and in lists: `now in office`, `step in [1, 2]`.

use super::Cx;
use super::expr::Lower;
use super::scope::Decl;
use super::suggest;
use super::types::{self, Ty, Value};
use crate::plan::window::{DAY, is_zone, zones};
use crate::plan::{CivilWindow, Compare, Node, NodeId};
use crate::syntax::ast::{self, Expr, ExprKind, Hours, Name};
use crate::syntax::diagnostic::Diagnostic;

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl<'a> Cx<'a> {
    /// A window; what is wrong with it is reported.
    pub(super) fn window(&self, w: &'a ast::CivilWindow) -> Option<CivilWindow> {
        let mut days: Vec<u8> = Vec::new();
        let mut ok = true;
        for (from, to) in &w.days {
            let first = self.day(from);
            let last = to.as_ref().map_or(first, |t| self.day(t));
            let (Some(first), Some(last)) = (first, last) else {
                ok = false;
                continue;
            };
            // sat..mon goes round the end of the week
            let length = (last + 7 - first) % 7;
            days.extend((0..=length).map(|i| (first + i) % 7));
        }
        days.sort_unstable();
        if days.windows(2).any(|w| matches!(w, [a, b] if a == b))
            && let Some((first, _)) = w.days.first()
        {
            ok = false;
            let span = w.days.last().map_or(first.span, |(from, to)| first.span.to(to.as_ref().unwrap_or(from).span));
            self.push(
                Diagnostic::error("E0442", "a day stands here twice", span, "")
                    .help("name each day once: `mon..fri, sun`"),
            );
        }
        if w.days.is_empty() {
            self.holes.set(true);
            ok = false;
        }
        for (i, h) in w.hours.iter().enumerate() {
            ok &= self.hours(h);
            // half open: 12:00 ends one and begins the other
            let meets = |o: &&Hours| {
                let end = |h: &Hours| if h.to > h.from { h.to } else { h.to + DAY };
                h.from < end(o) && o.from < end(h)
            };
            if let Some(first) = w.hours.iter().take(i).find(meets) {
                ok = false;
                self.push(
                    Diagnostic::error("E0442", "these hours meet others of the same window", h.span, "")
                        .also(first.span, "these")
                        .help("write them as one"),
                );
            }
        }
        if w.hours.is_empty() {
            // the parser has said so
            self.holes.set(true);
            ok = false;
        }
        if !is_zone(&w.zone.node) {
            ok = false;
            let all: Vec<&str> = zones().collect();
            let message = format!("no time zone {:?}", w.zone.node);
            let help = match suggest::nearest(&w.zone.node, all.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => String::from(
                    "a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\": it knows when clocks change",
                ),
            };
            self.push(Diagnostic::error("E0442", message, w.zone.span, "").help(help));
        }
        let hours = w.hours.iter().map(|h| (h.from, h.to)).collect();
        ok.then(|| CivilWindow { name: w.name.node.clone(), days, hours, zone: w.zone.node.clone() })
    }

    fn day(&self, name: &Name) -> Option<u8> {
        match DAYS.iter().position(|d| *d == name.node) {
            Some(i) => u8::try_from(i).ok(),
            None => {
                let message = format!("no day `{}`", name.node);
                self.push(
                    Diagnostic::error("E0442", message, name.span, "")
                        .help(suggest::help(&name.node, &DAYS, "days", "")),
                );
                None
            }
        }
    }

    fn hours(&self, h: &Hours) -> bool {
        let bad = if h.from >= DAY || h.to > DAY {
            Some(("a day has 24 hours", "from `00:00` to `24:00`"))
        } else if h.from == h.to {
            Some(("these hours begin and end at the same time", "a whole day is `00:00..24:00`"))
        } else {
            None
        };
        if let Some((message, help)) = bad {
            self.push(Diagnostic::error("E0442", message, h.span, "").help(help));
        }
        bad.is_none()
    }
}

fn shape() -> &'static str {
    "for example `window office = mon..fri 09:00..17:00 zone \"Europe/Berlin\"`"
}

impl<'a> Lower<'_, 'a> {
    /// `now in office`, `step in [1, 2]`
    pub(super) fn member(&mut self, e: &'a Expr, left: &'a Expr, right: &'a Expr) -> Option<NodeId> {
        let cx = self.cx;
        if is_now(left) {
            return self.now_in(right);
        }
        let ExprKind::List(items) = &right.kind else {
            if !matches!(right.kind, ExprKind::Hole) {
                cx.push(
                    Diagnostic::error("E0321", "`in` asks for membership in a list", right.span, "not a list")
                        .help("for example `step in [1, 2]`; of the time it is asked `now in office`"),
                );
            }
            return None;
        };
        if items.is_empty() {
            cx.push(
                Diagnostic::error("E0321", "nothing is in an empty list", right.span, "always false")
                    .help("name the values"),
            );
            return None;
        }
        if cx.is_const(left) {
            cx.push(
                Diagnostic::error(
                    "E0305",
                    "a constant is looked for among constants",
                    e.span,
                    "always the same answer",
                )
                .help("the left side must be measured"),
            );
            return None;
        }
        let value = self.value(left)?;
        let mut any = None;
        for item in items {
            let v = cx.constant(item, "a value of a list")?;
            let number = match &v {
                Value::Num(n, ty) => types::common(value.ty, false, *ty, v.is_zero()).map(|t| (*n, t)),
                Value::Bool(b) if value.ty == Ty::Bool => Some((f64::from(u8::from(*b)), Ty::Bool)),
                _ => None,
            };
            let Some((n, ty)) = number else {
                cx.wants(item, &v, value.ty, "this list");
                return None;
            };
            let constant = self.push(Node::Const(n));
            let unit = ty.unit();
            let same =
                self.push(Node::Compare { op: Compare::Eq, left: value.node, right: constant, at_least: None, unit });
            any = Some(match any {
                None => same,
                Some(before) => self.push(Node::Or(before, same)),
            });
        }
        any
    }

    fn now_in(&mut self, right: &'a Expr) -> Option<NodeId> {
        let cx = self.cx;
        let name = match &right.kind {
            ExprKind::Hole => return None,
            ExprKind::Name(path) => cx.one_name(path, "a window")?,
            ExprKind::Paren(x) => return self.now_in(x),
            _ => {
                cx.push(
                    Diagnostic::error("E0321", "`now in` asks for a window", right.span, "not the name of one")
                        .help(format!("declare one, {}", shape())),
                );
                return None;
            }
        };
        let is_window = |d: &Decl<'_>| matches!(d, Decl::Window(_));
        let how = "declare it with `window name = mon..fri 09:00..17:00 zone \"…\"`";
        let Some(Decl::Window(w)) = cx.expect_decl(name, "windows", how, is_window) else { return None };
        let made = cx.window(w)?;
        let at = match self.windows.iter().position(|o| o.name == made.name) {
            Some(at) => at,
            None => {
                self.windows.push(made);
                self.windows.len() - 1
            }
        };
        Some(self.push(Node::InWindow(u32::try_from(at).ok()?)))
    }
}

pub(super) fn is_now(e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Name(path) => matches!(path.as_slice(), [n] if n.node == "now"),
        ExprKind::Paren(x) => is_now(x),
        _ => false,
    }
}
