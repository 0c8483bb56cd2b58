//! What is asked of others than the sources of metrics: alerts, silences, and how often this rollout was rolled back.

use super::expr::{Lower, Val};
use super::types::{Ty, Value};
use crate::plan::{Node, NodeId, Outside};
use crate::syntax::ast::{Arg, Expr};
use crate::syntax::diagnostic::Diagnostic;

impl<'a> Lower<'_, 'a> {
    /// `alert_firing("Name")`, `silenced("x")`
    pub(super) fn alert(&mut self, word: &str, e: &'a Expr, args: &'a [Arg]) -> Option<NodeId> {
        let cx = self.cx;
        let [Arg { name: None, value }] = args else {
            cx.push(
                Diagnostic::error("E0207", "wrong arguments", e.span, "")
                    .help(format!("write `{word}(\"NAME\")`, with a name in quotes")),
            );
            return None;
        };
        let name = match cx.constant(value, &format!("`{word}`"))? {
            Value::Text(t) if !t.is_empty() => t,
            Value::Text(_) => {
                cx.push(
                    Diagnostic::error("E0207", "an empty name", value.span, "")
                        .help(format!("write `{word}(\"NAME\")`")),
                );
                return None;
            }
            other => {
                cx.wants(value, &other, Ty::Text, &format!("`{word}`"));
                return None;
            }
        };
        self.later(word, e.span);
        let what = if word == "silenced" { Outside::Silenced(name) } else { Outside::AlertFiring(name) };
        Some(self.push(Node::Outside(what)))
    }

    /// `rollbacks(within: 1d)`
    pub(super) fn rollbacks(&mut self, e: &'a Expr, args: &'a [Arg]) -> Option<Val> {
        let within = match args {
            [Arg { name: Some(n), value }] if n.node == "within" => self.cx.duration(value, "`within:`", 1)?,
            _ => {
                self.cx.push(
                    Diagnostic::error("E0207", "wrong arguments", e.span, "").help("write `rollbacks(within: 1d)`"),
                );
                return None;
            }
        };
        self.later("rollbacks", e.span);
        let node = self.push(Node::Outside(Outside::Rollbacks(within)));
        Some(Val { node, ty: Ty::Count, zero: false, live: true })
    }
}
