//! Signoffs: which artifact says that which conditions were true, and for how long.

use super::Cx;
use super::expr::{Lower, Place};
use super::scope::Decl;
use crate::plan::{Node, NodeId, Outside, Require, Signoff};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, SignoffLine};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

const SHAPE: &str =
    "for example `signoff m4 { artifact \"signoffs/m4.json\"   require shadow_runs >= 100   expires 14d }`";

impl<'a> Cx<'a> {
    fn once_in(&self, seen: &mut Vec<(&'static str, Span)>, what: &'static str, here: Span) -> bool {
        if let Some((_, first)) = seen.iter().find(|(w, _)| *w == what) {
            self.push(
                Diagnostic::error("E0443", format!("`{what}` is given twice"), here, "again here")
                    .also(*first, "first given here")
                    .help("keep one of them"),
            );
            return false;
        }
        seen.push((what, here));
        true
    }
}

impl<'a> Lower<'_, 'a> {
    /// A signoff; what is wrong with it is reported.
    pub(super) fn signoff(&mut self, s: &'a ast::Signoff) -> Option<Signoff> {
        let cx = self.cx;
        let mut out = Signoff {
            name: s.name.node.clone(),
            artifact: String::new(),
            requires: Vec::new(),
            by: None,
            expires: None,
        };
        let mut seen = Vec::new();
        let mut whole = true;
        // asked when the signoff is made, not at each check
        let outer = (self.auxiliary, self.place);
        self.auxiliary = true;
        for line in &s.body {
            match line {
                SignoffLine::Artifact(path, span) => {
                    whole &= cx.once_in(&mut seen, "artifact", *span);
                    let inside = !path.node.is_empty()
                        && !path.node.starts_with('/')
                        && !path.node.split('/').any(|part| part == "..")
                        && !path.node.contains("://");
                    if !inside {
                        whole = false;
                        cx.push(
                            Diagnostic::error("E0443", "an artifact is a file of this repository", path.span, "")
                                .help("give its path from the policy's folder: `artifact \"signoffs/m4.json\"`"),
                        );
                    }
                    out.artifact.clone_from(&path.node);
                }
                SignoffLine::Require { cond, why, .. } => {
                    let text = cx.as_written(cond.span);
                    match self.condition_at(Place::Require, cond) {
                        Some(cond) => {
                            let why = why.as_ref().map_or_else(|| text.clone(), |w| w.node.clone());
                            out.requires.push(Require { cond, text, why });
                        }
                        None => whole = false,
                    }
                }
                SignoffLine::By(group, span) => {
                    whole &= cx.once_in(&mut seen, "by", *span);
                    out.by = Some(group.node.clone());
                }
                SignoffLine::Expires(d, span) => {
                    whole &= cx.once_in(&mut seen, "expires", *span);
                    out.expires = cx.duration(d, "`expires`", 1);
                    whole &= out.expires.is_some();
                }
                SignoffLine::Junk(_) => whole = false,
            }
        }
        (self.auxiliary, self.place) = outer;
        if whole && out.artifact.is_empty() {
            let message = format!("signoff `{}` names no artifact", s.name.node);
            cx.push(Diagnostic::error("E0443", message, s.name.span, "").help(SHAPE));
            return None;
        }
        whole.then_some(out)
    }

    /// `signed_off(m4)`
    pub(super) fn signed_off(&mut self, e: &'a Expr, args: &'a [Arg]) -> Option<NodeId> {
        let cx = self.cx;
        let name = match args {
            [Arg { name: None, value: Expr { kind: ExprKind::Name(path), .. } }] => cx.one_name(path, "a signoff")?,
            [Arg { value: Expr { kind: ExprKind::Hole, .. }, .. }] => return None,
            _ => {
                cx.push(
                    Diagnostic::error("E0207", "wrong arguments", e.span, "")
                        .help("write `signed_off(m4)`, with the name of a signoff"),
                );
                return None;
            }
        };
        let is_signoff = |d: &Decl<'_>| matches!(d, Decl::Signoff(_));
        let how = "declare it with `signoff name { artifact \"…\"   require … }`";
        let Some(Decl::Signoff(s)) = cx.expect_decl(name, "signoffs", how, is_signoff) else { return None };
        self.later("signed_off", e.span);
        let at = match self.signoffs.iter().position(|o| o.name == s.name.node) {
            Some(at) => at,
            None => {
                let made = self.signoff(s)?;
                self.signoffs.push(made);
                self.signoffs.len() - 1
            }
        };
        Some(self.push(Node::Outside(Outside::SignedOff(u32::try_from(at).ok()?))))
    }
}
