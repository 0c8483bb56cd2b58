//! Environments: what each port, source, channel and action of a policy is bound to.

use super::lab_environment as lab;
use super::scope::{Decl, duplicate};
use super::signatures::{self, ArgSignature, ArgType, Role, SIGNATURES, Signature};
use super::types::{Ty, Value};
use super::{Cx, rollout, suggest};
use crate::plan::{Arg, Binding, Bindings, Millis, Secret};
use crate::syntax::ast::{self, EnvEntry, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeMap;

/// What a rollout needs of its environment, each with the place of one use.
#[derive(Debug, Default)]
pub(super) struct Needs {
    pub(super) sources: BTreeMap<String, Span>,
    pub(super) traffic: BTreeMap<String, Span>,
    pub(super) flags: BTreeMap<String, Span>,
    pub(super) actions: BTreeMap<String, Span>,
    pub(super) channels: BTreeMap<String, Span>,
    /// A query with `${where}`.
    pub(super) separable: Option<Span>,
}

impl Needs {
    fn all(&self) -> impl Iterator<Item = (Role, &str, Span)> {
        [
            (Role::Metrics, &self.sources),
            (Role::Traffic, &self.traffic),
            (Role::Flag, &self.flags),
            (Role::Action, &self.actions),
            (Role::Channel, &self.channels),
        ]
        .into_iter()
        .flat_map(|(role, map)| map.iter().map(move |(n, s)| (role, n.as_str(), *s)))
    }
}

/// The environment that a plan is compiled for.
pub(super) struct Chosen<'a> {
    name: String,
    /// `None`: the lab.
    declared: Option<&'a ast::Environment>,
    bound: BTreeMap<&'a str, (Option<Binding>, Span)>,
    variants: Vec<Variants<'a>>,
}

/// A `variants PORT { … }` line.
struct Variants<'a> {
    port: &'a Name,
    matchers: BTreeMap<String, String>,
    span: Span,
}

/// The environment that was asked for, or the only one that is declared.
pub(super) fn choose<'a>(cx: &Cx<'a>, name: Option<&str>) -> Option<Chosen<'a>> {
    let declared = &cx.scope().environments;
    let start = cx
        .files
        .first()
        .map_or_else(Span::default, |f| f.span.head());
    let mut names: Vec<&str> = declared.keys().copied().collect();
    names.push(lab::NAME);
    let found = match (name, declared.len()) {
        (Some(n), _) => match declared.get(n) {
            Some(e) => Some(*e),
            None if n == lab::NAME => None,
            None => {
                cx.push(
                    Diagnostic::error("E0511", format!("no environment `{n}`"), start, "")
                        .help(suggest::help(n, &names, "the environments here", "")),
                );
                return None;
            }
        },
        (None, 1) => declared.values().next().copied(),
        (None, _) => {
            cx.push(
                Diagnostic::error("E0511", "no environment is chosen", start, "")
                    .help(format!("say which: {}", suggest::list(&names))),
            );
            return None;
        }
    };
    Some(Chosen {
        name: found.map_or_else(|| lab::NAME.to_owned(), |e| e.name.node.clone()),
        declared: found,
        bound: found.map(|e| cx.bindings(e)).unwrap_or_default(),
        variants: found.map(|e| cx.variants(e)).unwrap_or_default(),
    })
}

/// Finds everything that is wrong with an environment by itself.
pub(super) fn check<'a>(cx: &Cx<'a>, e: &'a ast::Environment) {
    for entry in &e.entries {
        if let EnvEntry::Unbuilt(u) = entry {
            cx.not_built(u);
        }
    }
    let _ = cx.bindings(e);
    let _ = cx.variants(e);
}

impl<'a> Chosen<'a> {
    /// How often a source takes samples, if it is known.
    pub(super) fn scrape(&self, source: &str) -> Option<Millis> {
        if self.declared.is_none() {
            return Some(lab::SCRAPE);
        }
        let (binding, _) = self.bound.get(source)?;
        let binding = binding.as_ref()?;
        match binding.arg("scrape").or_else(|| binding.arg("every")) {
            Some(Arg::Duration(ms)) => Some(*ms),
            _ => None,
        }
    }

    /// The backend of a source, if it reads bare selectors only.
    pub(super) fn page_only(&self, source: &str) -> Option<&str> {
        if self.declared.is_none() {
            return Some("lab_scrape");
        }
        let (binding, _) = self.bound.get(source)?;
        let backend = binding.as_ref()?.backend.as_str();
        (backend != "prometheus").then_some(backend)
    }

    /// All bindings that a rollout needs; everything that is missing is reported together.
    pub(super) fn bind(&self, cx: &Cx<'a>, r: &'a ast::Rollout, needs: &Needs) -> Option<Bindings> {
        let mut out = Bindings {
            environment: self.name.clone(),
            ..Bindings::default()
        };
        let mut missing: Vec<(Role, &str, Span)> = Vec::new();
        let mut bad = matches!(self.bound.get("store"), Some((None, _)));
        for (role, name, span) in needs.all() {
            let binding = match self.declared {
                None => lab::binding(name, role),
                Some(_) => match self.bound.get(name) {
                    Some((b, _)) => b.clone(),
                    None => {
                        missing.push((role, name, span));
                        continue;
                    }
                },
            };
            match binding {
                Some(b) => {
                    out.bindings.insert(name.to_owned(), b);
                }
                // there, and bad: that was reported
                None => bad = true,
            }
        }
        self.report_missing(cx, &missing);
        if self.declared.is_none() && needs.traffic.len() > 1 {
            let mut spans = needs.traffic.values();
            let first = spans.next().copied().unwrap_or(r.name.span);
            let mut d = Diagnostic::error(
                "E0510",
                "the lab has one balancer, and this rollout sets more than one traffic port",
                first,
                "",
            )
            .help("declare an environment of your own for it");
            for s in spans {
                d = d.also(*s, "and this one");
            }
            cx.push(d);
        }
        out.variants = self.variants_of(cx, needs)?;
        if bad {
            return None;
        }
        out.store = self.bound.get("store").and_then(|(b, _)| b.clone());
        // places move when a comment is added above them: they are no part of the content
        let mut content = out.clone();
        for b in content.bindings.values_mut().chain(&mut content.store) {
            b.place = String::new();
        }
        out.hash = rollout::hash_of(&content)?;
        Some(out)
    }

    fn report_missing(&self, cx: &Cx<'a>, missing: &[(Role, &str, Span)]) {
        let Some((first_role, first, span)) = missing.first() else {
            return;
        };
        let names: Vec<&str> = missing.iter().map(|(_, n, _)| *n).collect();
        let mut d = Diagnostic::error(
            "E0506",
            format!(
                "environment `{}` does not bind {}",
                self.name,
                suggest::list(&names)
            ),
            *span,
            format!("`{first}` is {}", first_role.a()),
        );
        for (role, name, span) in missing.iter().skip(1) {
            d = d.also(*span, format!("`{name}` is {}", role.a()));
        }
        if let Some(e) = self.declared {
            d = d.also(e.name.span, "the environment");
        }
        let unused: Vec<&str> = self.bound.keys().copied().collect();
        let near = suggest::nearest(first, unused.iter().copied());
        let lines: Vec<String> = missing
            .iter()
            .map(|(role, name, _)| {
                let shape = signatures::of_role(*role)
                    .next()
                    .map(Signature::written)
                    .unwrap_or_default();
                format!("`{name} = {shape}`")
            })
            .collect();
        d = d.help(match near {
            Some(n) => format!(
                "it binds `{n}`: is that what was meant? else add, for example, {}",
                lines.join(", ")
            ),
            None => format!("add to it, for example, {}", lines.join(", ")),
        });
        cx.push(d);
    }

    /// What `${where}` is for the ports of a rollout.
    fn variants_of(&self, cx: &Cx<'a>, needs: &Needs) -> Option<BTreeMap<String, String>> {
        if self.declared.is_none() {
            return Some(lab::variants());
        }
        let ours: Vec<&Variants<'_>> = self
            .variants
            .iter()
            .filter(|v| {
                needs.traffic.contains_key(&v.port.node) || needs.flags.contains_key(&v.port.node)
            })
            .collect();
        let Some(first) = ours.first() else {
            if let Some(span) = needs.separable {
                let port = needs.traffic.keys().chain(needs.flags.keys()).next();
                let port = port.map_or("PORT", String::as_str);
                let mut d = Diagnostic::error(
                    "E0509",
                    format!(
                        "environment `{}` does not say what `${{where}}` is for `{port}`",
                        self.name
                    ),
                    span,
                    "this query tells the canary from the rest",
                );
                if let Some(e) = self.declared {
                    d = d.also(e.name.span, "the environment");
                }
                cx.push(d.help(format!(
                    "add ``variants {port} {{ canary = `version=\"v2\"`   stable = `version=\"v1\"` }}``"
                )));
                return None;
            }
            return Some(BTreeMap::new());
        };
        if let Some(other) = ours.iter().find(|v| v.matchers != first.matchers) {
            cx.push(
                Diagnostic::error(
                    "E0490",
                    "two ports with different variants in one rollout are not built yet",
                    other.span,
                    format!("other than those of `{}`", first.port.node),
                )
                .also(first.span, "these")
                .help("make two rollouts of it"),
            );
            return None;
        }
        Some(first.matchers.clone())
    }
}

impl<'a> Cx<'a> {
    fn bindings(&self, e: &'a ast::Environment) -> BTreeMap<&'a str, (Option<Binding>, Span)> {
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
            self.push(super::not_built("evidence", name.span, self.map));
            return None;
        }
        Some(vec![match self.scope().names.get(name.node.as_str()) {
            Some(Decl::Traffic(_)) => Role::Traffic,
            Some(Decl::Flag(_)) => Role::Flag,
            Some(Decl::Action(_)) => Role::Action,
            Some(Decl::Channel(_)) => Role::Channel,
            Some(Decl::Unbuilt(_)) => return None,
            Some(d @ (Decl::Param(_) | Decl::Let(_) | Decl::Metric(_))) => {
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
            None if self.scope().rollouts.is_empty() => {
                return Some(
                    SIGNATURES
                        .iter()
                        .filter(|s| s.backend == backend)
                        .flat_map(|s| s.roles.iter().copied())
                        .collect(),
                );
            }
            // a source that no metric of this policy reads
            None if signatures::of_role(Role::Metrics).any(|s| s.backend == backend) => {
                Role::Metrics
            }
            None => {
                let known = self.scope().of_kind(|d| {
                    matches!(
                        d,
                        Decl::Traffic(_) | Decl::Flag(_) | Decl::Action(_) | Decl::Channel(_)
                    )
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
        let roles = self.roles_of(name, &callee.node);
        let known: Vec<&Signature> = SIGNATURES
            .iter()
            .filter(|s| s.backend == callee.node)
            .collect();
        if known.is_empty() {
            let fit: Vec<&str> = SIGNATURES
                .iter()
                .filter(|s| {
                    roles
                        .as_ref()
                        .is_none_or(|r| r.iter().any(|r| s.roles.contains(r)))
                })
                .map(|s| s.backend)
                .collect();
            self.push(
                Diagnostic::error(
                    "E0501",
                    format!("unknown backend `{}`", callee.node),
                    callee.span,
                    "",
                )
                .help(suggest::help(&callee.node, &fit, "what can stand here", "")),
            );
            return None;
        }
        let roles = roles?;
        let role = roles.first().copied();
        let mut fitting = known
            .iter()
            .filter(|s| s.roles.iter().any(|r| roles.contains(r)));
        let signature = match (fitting.next(), fitting.next()) {
            (Some(one), None) => one,
            // `command` without a policy beside it: told apart by its first argument
            (Some(one), Some(other)) => {
                let named = args.iter().any(|a| a.name.is_some());
                if named == (one.args.len() == 1) {
                    other
                } else {
                    one
                }
            }
            (None, _) => {
                let role = role?;
                let fit: Vec<String> = signatures::of_role(role)
                    .map(|s| format!("`{}`", s.written()))
                    .collect();
                self.push(
                    Diagnostic::error(
                        "E0504",
                        format!(
                            "`{}` is {}, and `{}` cannot be one",
                            name.node,
                            role.a(),
                            callee.node
                        ),
                        callee.span,
                        known.first().map_or("", |s| s.doc),
                    )
                    .help(format!(
                        "{} can be bound to {}",
                        role.a(),
                        fit.join(" or ")
                    )),
                );
                return None;
            }
        };
        let args = self.arguments(signature, callee, args)?;
        Some(Binding {
            backend: callee.node.clone(),
            args,
            place: self.map.place(name.span),
        })
    }

    fn arguments(
        &self,
        signature: &Signature,
        callee: &Name,
        args: &'a [ast::Arg],
    ) -> Option<BTreeMap<String, Arg>> {
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
                    Diagnostic::error(
                        "E0502",
                        format!("`{}` is given twice", sig.name),
                        arg.value.span,
                        "again here",
                    )
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
                Diagnostic::error(
                    "E0503",
                    "`user` and `password` belong together",
                    callee.span,
                    "",
                )
                .help(format!("write `{}`", signature.written())),
            );
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
            None => (
                format!("this argument of `{}` has no name", signature.backend),
                arg.value.span,
                None,
            ),
        };
        let written = signature.written();
        self.push(
            Diagnostic::error("E0502", message, span, "").help(match near {
                Some(n) => format!("did you mean `{n}`? It is written `{written}`"),
                None => format!("it is written `{written}`"),
            }),
        );
    }

    fn argument(&self, of: &Signature, sig: &ArgSignature, e: &'a Expr) -> Option<Arg> {
        let what = format!("`{}`", sig.name);
        match sig.ty {
            ArgType::Duration => Some(Arg::Duration(self.duration(e, &what, 1)?)),
            ArgType::Words => {
                let ExprKind::List(items) = &e.kind else {
                    return self.wrong_argument(of, sig, e);
                };
                if items.is_empty() {
                    self.push(
                        Diagnostic::error("E0512", format!("{what} is an empty list"), e.span, "")
                            .help(format!("write `{}`", of.written())),
                    );
                    return None;
                }
                let items: Vec<_> = items.iter().map(|i| self.text(of, sig, i)).collect();
                items.into_iter().collect::<Option<Vec<_>>>().map(Arg::List)
            }
            ArgType::JsonPath => match &e.kind {
                ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "json") => {
                    match args.as_slice() {
                        [
                            ast::Arg {
                                name: None,
                                value:
                                    Expr {
                                        kind: ExprKind::Text(path),
                                        ..
                                    },
                            },
                        ] => Some(Arg::Text(path.clone())),
                        _ => self.wrong_argument(of, sig, e),
                    }
                }
                _ => self.wrong_argument(of, sig, e),
            },
            ArgType::Text | ArgType::Secret => self.text(of, sig, e),
        }
    }

    /// `"text"`, `env("X")`, `secret("X")`.
    fn text(&self, of: &Signature, sig: &ArgSignature, e: &'a Expr) -> Option<Arg> {
        let secret = sig.ty == ArgType::Secret;
        match &e.kind {
            ExprKind::Hole => None,
            ExprKind::Paren(x) => self.text(of, sig, x),
            ExprKind::Text(_) if secret => {
                let name = format!("{}_{}", of.backend, sig.name).to_uppercase();
                self.push(
                    Diagnostic::error(
                        "E0505",
                        format!("`{}` of `{}` is a secret, given in plain text", sig.name, of.backend),
                        e.span,
                        "whoever reads this file has it",
                    )
                    .help(format!(
                        "write `secret(\"{name}\")`, and take this one out of use: it stands in the history of the file"
                    ))
                    .fix(e.span, format!("secret(\"{name}\")")),
                );
                None
            }
            ExprKind::Text(t) => {
                if let Some(user) = login_in(t) {
                    self.push(
                        Diagnostic::error(
                            "E0505",
                            format!("this address holds the password of `{user}`"),
                            e.span,
                            "a secret in plain text",
                        )
                        .help("give the whole address as `secret(\"NAME\")`, or use `user:` and `password:` where there are such"),
                    );
                    return None;
                }
                Some(Arg::Text(t.clone()))
            }
            ExprKind::Call { callee, args } => {
                let [
                    ast::Arg {
                        name: None,
                        value:
                            Expr {
                                kind: ExprKind::Text(variable),
                                span,
                            },
                    },
                ] = args.as_slice()
                else {
                    return self.wrong_argument(of, sig, e);
                };
                let word = callee.first().map_or("", |n| n.node.as_str());
                if callee.len() != 1 || !matches!(word, "env" | "secret") {
                    return self.wrong_argument(of, sig, e);
                }
                if !is_variable(variable) {
                    self.push(
                        Diagnostic::error(
                            "E0512",
                            format!("`{word}` takes the name of a variable"),
                            *span,
                            "not such a name",
                        )
                        .help(format!("for example `{word}(\"PROMETHEUS_URL\")`")),
                    );
                    return None;
                }
                match word {
                    "env" if secret => {
                        self.push(
                            Diagnostic::error(
                                "E0505",
                                format!(
                                    "`{}` of `{}` is a secret, and `env` is shown in plans",
                                    sig.name, of.backend
                                ),
                                e.span,
                                "",
                            )
                            .help("`secret` reads the same variable and never shows it")
                            .fix(e.span, format!("secret(\"{variable}\")")),
                        );
                        None
                    }
                    "env" => Some(Arg::Env(variable.clone())),
                    _ => Some(Arg::Secret(Secret(variable.clone()))),
                }
            }
            ExprKind::Name(_) if self.is_const(e) && !secret => {
                match self.constant(e, &format!("`{}`", sig.name))? {
                    Value::Text(t) => Some(Arg::Text(t)),
                    other => {
                        self.wants(e, &other, Ty::Text, &format!("`{}`", sig.name));
                        None
                    }
                }
            }
            _ => self.wrong_argument(of, sig, e),
        }
    }

    fn wrong_argument(&self, of: &Signature, sig: &ArgSignature, e: &Expr) -> Option<Arg> {
        if !matches!(e.kind, ExprKind::Hole) {
            let strings = match sig.ty {
                ArgType::Text | ArgType::Words => {
                    "; a text is `\"…\"`, `env(\"NAME\")` or `secret(\"NAME\")`"
                }
                _ => "",
            };
            self.push(
                Diagnostic::error(
                    "E0512",
                    format!("`{}` of `{}` takes something else", sig.name, of.backend),
                    e.span,
                    format!("expected `{}`", sig.ty.example()),
                )
                .help(format!("write `{}`{strings}", of.written())),
            );
        }
        None
    }

    fn variants(&self, e: &'a ast::Environment) -> Vec<Variants<'a>> {
        let mut out: Vec<Variants<'a>> = Vec::new();
        for entry in &e.entries {
            let EnvEntry::Variants {
                port,
                entries,
                span,
            } = entry
            else {
                continue;
            };
            if let Some(first) = out.iter().find(|v| v.port.node == port.node) {
                self.push(duplicate(&port.node, port.span, first.port.span));
                continue;
            }
            let is_port = |d: &Decl<'_>| matches!(d, Decl::Traffic(_) | Decl::Flag(_));
            let alone = self.scope().rollouts.is_empty();
            if !(alone && !self.scope().names.contains_key(port.node.as_str()))
                && self
                    .expect_decl(port, "ports", "declare it with `traffic name`", is_port)
                    .is_none()
            {
                continue;
            }
            if let Some(matchers) = self.matchers(port, entries, *span) {
                out.push(Variants {
                    port,
                    matchers,
                    span: *span,
                });
            }
        }
        out
    }

    fn matchers(
        &self,
        port: &Name,
        entries: &'a [(Name, crate::syntax::source::Spanned<String>)],
        span: Span,
    ) -> Option<BTreeMap<String, String>> {
        let mut out = BTreeMap::new();
        let mut ok = true;
        for (population, text) in entries {
            if !["canary", "stable", "all"].contains(&population.node.as_str()) {
                ok = false;
                self.push(
                    Diagnostic::error(
                        "E0509",
                        format!("unknown population `{}`", population.node),
                        population.span,
                        "",
                    )
                    .help("there are `canary`, `stable` and `all`"),
                );
                continue;
            }
            let query = format!("x{{{}}}", text.node);
            let parsed = super::promql::parse(&query);
            if let Err(bad) = parsed {
                ok = false;
                self.push(
                    Diagnostic::error(
                        "E0509",
                        format!("these are not label matchers: {}", bad.message),
                        text.span,
                        "",
                    )
                    .help("for example `` `version=\"v2\"` ``"),
                );
                continue;
            }
            if out
                .insert(population.node.clone(), text.node.trim().to_owned())
                .is_some()
            {
                ok = false;
                self.push(
                    Diagnostic::error(
                        "E0509",
                        format!("`{}` is given twice", population.node),
                        population.span,
                        "",
                    )
                    .help("keep one of them"),
                );
            }
        }
        if ok && (!out.contains_key("canary") || !out.contains_key("stable")) {
            self.push(
                Diagnostic::error(
                    "E0509",
                    format!("`variants {}` must name `canary` and `stable`", port.node),
                    span,
                    "",
                )
                .help("the matchers that tell them apart: ``canary = `version=\"v2\"`   stable = `version=\"v1\"` ``"),
            );
            return None;
        }
        if ok && out.get("canary") == out.get("stable") {
            self.push(
                Diagnostic::error(
                    "E0509",
                    "canary and stable have the same matchers",
                    span,
                    "nothing tells them apart",
                )
                .help("name the label that differs"),
            );
            return None;
        }
        out.entry(String::from("all")).or_default();
        ok.then_some(out)
    }
}

/// The user of a `scheme://user:password@host` address.
fn login_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (login, _) = authority.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    (!password.is_empty()).then_some(user)
}

fn is_variable(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_password_is_seen() {
        assert_eq!(login_in("https://bob:hush@prom:9090/x"), Some("bob"));
        assert_eq!(login_in("https://prom:9090/a:b@c"), None);
        assert_eq!(login_in("/run/haproxy.sock"), None);
    }
}
