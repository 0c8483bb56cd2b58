//! One line of an environment: the backend's signature, and the arguments against it.

use super::Cx;
use super::scope::{Decl, duplicate};
use super::signatures::{self, Role, SIGNATURES, Signature};
use super::suggest;
use crate::plan::{Arg, Binding};
use crate::syntax::ast::{self, EnvEntry, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeMap;

impl<'a> Cx<'a> {
    pub(super) fn bindings(&self, e: &'a ast::Environment) -> BTreeMap<&'a str, (Option<Binding>, Span)> {
        let mut out: BTreeMap<&'a str, (Option<Binding>, Span)> = BTreeMap::new();
        for entry in &e.entries {
            let EnvEntry::Bind { name, value, .. } = entry else {
                continue;
            };
            if let Some((_, first)) = out.get(name.node.as_str()) {
                self.push(duplicate(&name.node, name.span, *first));
                continue;
            }
            let binding = self.binding(name, value);
            out.insert(&name.node, (binding, name.span));
        }
        out
    }

    /// The roles that a name can be bound in; `None` after a report.
    fn roles_of(&self, name: &Name, backend: &str) -> Option<Vec<Role>> {
        self.use_name(&name.node);
        if name.node == "store" {
            return Some(vec![Role::Store]);
        }
        if name.node == "evidence" {
            return Some(vec![Role::Evidence]);
        }
        let at_its_word =
            || Some(SIGNATURES.iter().filter(|s| s.backend == backend).flat_map(|s| s.roles.iter().copied()).collect());
        Some(vec![match self.scope().names.get(name.node.as_str()) {
            Some(Decl::Traffic(_)) => Role::Traffic,
            Some(Decl::Flag(_) | Decl::Flags(_)) => Role::Flag,
            Some(Decl::Action(_)) => Role::Action,
            Some(Decl::Channel(_)) => Role::Channel,
            Some(Decl::Probe(_) | Decl::Load(_)) => Role::Requests,
            Some(Decl::Later(_)) => return None,
            // bound for another policy that shares this environment
            None
            | Some(
                Decl::Param(_)
                | Decl::Let(_)
                | Decl::Metric(_)
                | Decl::Slice(_)
                | Decl::Window(_)
                | Decl::Signoff(_)
                | Decl::Slo(_)
                | Decl::Score(_),
            ) if self.others.contains(&name.node) => {
                return at_its_word();
            }
            Some(
                d @ (Decl::Param(_)
                | Decl::Let(_)
                | Decl::Metric(_)
                | Decl::Switch(_)
                | Decl::Slice(_)
                | Decl::Window(_)
                | Decl::Signoff(_)
                | Decl::Slo(_)
                | Decl::Score(_)),
            ) => {
                self.push(
                    Diagnostic::error(
                        "E0507",
                        format!("`{}` is {}, and cannot be bound", name.node, d.a()),
                        name.span,
                        "",
                    )
                    .also(d.span(), "declared here")
                    .help("an environment binds ports, channels, actions and the sources behind metrics"),
                );
                return None;
            }
            None if self.is_source(&name.node) => Role::Metrics,
            // an environment beside no policy: each name is taken at its word
            None if self.scope().rollouts.is_empty() => return at_its_word(),
            // a source that no metric of this policy reads
            None if signatures::of_role(Role::Metrics).any(|s| s.backend == backend) => Role::Metrics,
            None => {
                let known = self.scope().of_kind(|d| {
                    use Decl::{Action, Channel, Flag, Flags, Load, Probe, Traffic};
                    matches!(d, Traffic(_) | Flag(_) | Flags(_) | Action(_) | Channel(_) | Probe(_) | Load(_))
                });
                self.push(
                    Diagnostic::error(
                        "E0507",
                        format!("`{}` is bound, and not declared", name.node),
                        name.span,
                        "no port, channel, action or source",
                    )
                    .help(suggest::help(
                        &name.node,
                        &known,
                        "declared are",
                        "declare it in the policy, or remove the line",
                    )),
                );
                return None;
            }
        }])
    }

    fn is_source(&self, name: &str) -> bool {
        use super::metrics::Body;
        self.metrics.get().into_iter().flatten().any(|(_, m)| {
            m.as_ref().is_some_and(|m| match &m.body {
                Body::Gauge(s) | Body::Counter(s) | Body::Histogram(s) => s.port.node == name,
                Body::Events { .. } | Body::Derived(_) => false,
            })
        })
    }

    fn binding(&self, name: &'a Name, value: &'a Expr) -> Option<Binding> {
        let (callee, args) = match &value.kind {
            ExprKind::Hole => return None,
            ExprKind::Call { callee, args } if callee.len() == 1 => (callee.first()?, args),
            _ => {
                self.push(
                    Diagnostic::error("E0501", "a backend is needed here", value.span, "")
                        .help("for example `checkout = haproxy(socket: \"…\", …)`"),
                );
                return None;
            }
        };
        let roles = self.roles_of(name, &callee.node)?;
        let known: Vec<&Signature> = SIGNATURES.iter().filter(|s| s.backend == callee.node).collect();
        if known.is_empty() {
            let mut fit: Vec<&str> = SIGNATURES
                .iter()
                .filter(|s| roles.is_empty() || roles.iter().any(|r| s.roles.contains(r)))
                .map(|s| s.backend)
                .collect();
            fit.dedup();
            self.push(
                Diagnostic::error("E0501", format!("unknown backend `{}`", callee.node), callee.span, "")
                    .help(suggest::help(&callee.node, &fit, "what can stand here", "")),
            );
            return None;
        }
        let role = roles.first().copied();
        let mut fitting = known.iter().filter(|s| s.roles.iter().any(|r| roles.contains(r)));
        let signature = match (fitting.next(), fitting.next()) {
            (Some(one), None) => one,
            // `command` without a policy beside it: told apart by its first argument
            (Some(one), Some(other)) => {
                let named = args.iter().any(|a| a.name.is_some());
                if named == (one.args.len() == 1) { other } else { one }
            }
            (None, _) => {
                let role = role?;
                let fit: Vec<String> = signatures::of_role(role).map(|s| format!("`{}`", s.written())).collect();
                self.push(
                    Diagnostic::error(
                        "E0504",
                        format!("`{}` is {}, and `{}` cannot be one", name.node, role.a(), callee.node),
                        callee.span,
                        known.first().map_or("", |s| s.doc),
                    )
                    .help(format!("{} can be bound to {}", role.a(), fit.join(" or "))),
                );
                return None;
            }
        };
        let written = args;
        let args = self.arguments(signature, callee, args)?;
        self.placeholders(name, callee, signature, written)?;
        Some(Binding { backend: callee.node.clone(), args, place: self.map.place(name.span) })
    }

    fn arguments(&self, signature: &Signature, callee: &Name, args: &'a [ast::Arg]) -> Option<BTreeMap<String, Arg>> {
        let mut out = BTreeMap::new();
        let mut seen: Vec<(&str, Span)> = Vec::new();
        let mut ok = true;
        for (i, arg) in args.iter().enumerate() {
            let sig = match &arg.name {
                Some(n) => signature.arg(&n.node),
                None if i == 0 => signature.args.first(),
                None => None,
            };
            let Some(sig) = sig else {
                ok = false;
                self.unknown_backend_argument(signature, arg);
                continue;
            };
            if let Some((_, first)) = seen.iter().find(|(n, _)| *n == sig.name) {
                ok = false;
                self.push(
                    Diagnostic::error("E0502", format!("`{}` is given twice", sig.name), arg.value.span, "again here")
                        .also(*first, "first given here"),
                );
                continue;
            }
            seen.push((sig.name, arg.value.span));
            match self.argument(signature, sig, &arg.value) {
                Some(v) => {
                    out.insert(sig.name.to_owned(), v);
                }
                None => ok = false,
            }
        }
        let missing: Vec<&str> = signature
            .args
            .iter()
            .filter(|a| a.required && !seen.iter().any(|(n, _)| *n == a.name))
            .map(|a| a.name)
            .collect();
        // a misspelt name is not reported a second time as a missing one
        if !missing.is_empty() && (ok || seen.len() == args.len()) {
            ok = false;
            self.push(
                Diagnostic::error(
                    "E0503",
                    format!("`{}` needs {}", callee.node, suggest::list(&missing)),
                    callee.span,
                    "",
                )
                .help(format!("write `{}`", signature.written())),
            );
        }
        // half a login is none
        let has = |n: &str| seen.iter().any(|(s, _)| *s == n);
        if signature.arg("password").is_some() && has("user") != has("password") {
            ok = false;
            self.push(
                Diagnostic::error("E0503", "`user` and `password` belong together", callee.span, "")
                    .help(format!("write `{}`", signature.written())),
            );
        }
        for (one, other) in signatures::BELONG_TO {
            if signature.arg(other).is_some() && has(one) && !has(other) {
                ok = false;
                let span = seen.iter().find(|(s, _)| s == one).map_or(callee.span, |(_, span)| *span);
                self.push(
                    Diagnostic::error("E0503", format!("`{one}` means nothing without `{other}`"), span, "")
                        .help(format!("write `{}`", signature.written())),
                );
            }
        }
        ok.then_some(out)
    }

    fn unknown_backend_argument(&self, signature: &Signature, arg: &ast::Arg) {
        let names: Vec<&str> = signature.args.iter().map(|a| a.name).collect();
        let (message, span, near) = match &arg.name {
            Some(n) => (
                format!("`{}` has no argument `{}`", signature.backend, n.node),
                n.span,
                suggest::nearest(&n.node, names.iter().copied()),
            ),
            None => (format!("this argument of `{}` has no name", signature.backend), arg.value.span, None),
        };
        let written = signature.written();
        self.push(Diagnostic::error("E0502", message, span, "").help(match near {
            Some(n) => format!("did you mean `{n}`? It is written `{written}`"),
            None => format!("it is written `{written}`"),
        }));
    }
}
