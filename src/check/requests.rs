//! Requests that a policy writes out: the steps of a probe and bursts of load. Paths only; where they go is the environment's.

use super::Cx;
use super::rollout::Builder;
use super::scope::duplicate;
use super::suggest;
use super::types::Value;
use crate::plan::{Action, ActionId, Load, Millis, Probe, ProbeStep, Request};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;

/// How long a flow may take that does not say.
const FLOW: Millis = 10_000;
/// How long a burst may take that does not say.
const BURST: Millis = 120_000;
/// How many requests of a burst are under way at a time where it does not say.
const PARALLEL: u32 = 10;

const METHODS: [&str; 6] = ["get", "head", "post", "put", "patch", "delete"];
const STEP: &str =
    "for example `step basket = get(\"/basket\", bearer: token, status: 200, within: 800ms, json: `$.items[0].id`)`";
const LOAD: &str =
    "for example `burst(get: \"/search?q=${n}\", requests: 100, users: 5, parallel: 10, within: 2m, via: canary)`";

impl<'a> Cx<'a> {
    /// A probe; what is wrong with it is reported.
    pub(super) fn probe(&self, p: &'a ast::Probe) -> Option<Probe> {
        let every = self.duration(&p.every, "`every` of a probe", 1000);
        let timeout = match &p.timeout {
            Some(t) => self.duration(t, "`timeout` of a probe", 1),
            None => every.map(|e| FLOW.min(e)),
        };
        if let (Some(e), Some(t), Some(at)) = (every, timeout, &p.timeout)
            && t > e
        {
            self.push(
                Diagnostic::error(
                    "E0440",
                    "a flow may take longer than the next one waits",
                    at.span,
                    "longer than `every`",
                )
                .also(p.every.span, "the next flow begins")
                .help("let `timeout` be at most `every`: flows of one probe do not overlap"),
            );
            return None;
        }
        if p.steps.is_empty() {
            self.push(
                Diagnostic::error(
                    "E0440",
                    format!("probe `{}` has no step", p.name.node),
                    p.name.span,
                    "would ask nothing",
                )
                .help(STEP),
            );
            return None;
        }
        let mut steps: Vec<ProbeStep> = Vec::new();
        let mut whole = true;
        let mut captured: Vec<String> = Vec::new();
        for (i, s) in p.steps.iter().enumerate() {
            if let Some(first) = p.steps.iter().take(i).find(|o| o.name.node == s.name.node) {
                whole = false;
                self.push(duplicate(&s.name.node, s.name.span, first.name.span));
            }
            match self.probe_step(s, &captured) {
                Some(made) => {
                    captured.extend(made.captures.iter().map(|(n, _)| n.clone()));
                    steps.push(made);
                }
                None => whole = false,
            }
        }
        if !whole {
            return None;
        }
        Some(Probe { name: p.name.node.clone(), every: every?, timeout: timeout?, steps })
    }

    fn probe_step(&self, s: &'a ast::ProbeStep, captured: &[String]) -> Option<ProbeStep> {
        let (method, args) = match &s.call.kind {
            ExprKind::Hole => return None,
            ExprKind::Call { callee, args } if callee.len() == 1 => (callee.first()?, args),
            _ => {
                self.push(
                    Diagnostic::error("E0440", "a step sends a request", s.call.span, "not a request").help(STEP),
                );
                return None;
            }
        };
        if !METHODS.contains(&method.node.as_str()) {
            self.push(
                Diagnostic::error("E0440", format!("unknown method `{}`", method.node), method.span, "")
                    .help(suggest::help(&method.node, &METHODS, "methods", "")),
            );
            return None;
        }
        let sends = matches!(method.node.as_str(), "post" | "put" | "patch");
        let mut request = Request {
            method: method.node.to_uppercase(),
            path: String::new(),
            body: None,
            bearer: None,
            headers: Vec::new(),
        };
        let mut out = ProbeStep {
            name: s.name.node.clone(),
            request: request.clone(),
            status: None,
            within: None,
            found: None,
            captures: Vec::new(),
        };
        let mut path = None;
        let mut ok = true;
        for arg in args {
            let Some(name) = &arg.name else {
                if path.is_some() {
                    ok = false;
                    self.unknown_argument(arg, &method.node, &[], STEP);
                } else {
                    path = Some(self.path(&arg.value, captured));
                }
                continue;
            };
            ok &= match name.node.as_str() {
                "status" => {
                    out.status = self.status(&arg.value);
                    out.status.is_some()
                }
                "within" => {
                    out.within = self.duration(&arg.value, "`within:`", 1);
                    out.within.is_some()
                }
                "json" if sends => {
                    request.body = self.body(&arg.value, captured);
                    request.body.is_some()
                }
                "json" => {
                    out.found = self.json_path(&arg.value);
                    out.found.is_some()
                }
                "capture" => match self.capture(&arg.value) {
                    Some(c) => {
                        out.captures.push(c);
                        true
                    }
                    None => false,
                },
                "bearer" => {
                    request.bearer = self.captured_name(&arg.value, captured);
                    request.bearer.is_some()
                }
                "header" => match self.header(&arg.value, captured) {
                    Some(h) => {
                        request.headers.push(h);
                        true
                    }
                    None => false,
                },
                _ => {
                    let known = ["status", "within", "json", "capture", "bearer", "header"];
                    self.unknown_argument(arg, &method.node, &known, STEP);
                    false
                }
            };
        }
        let Some(path) = path else {
            self.push(
                Diagnostic::error("E0440", format!("`{}` needs a path", method.node), s.call.span, "").help(STEP),
            );
            return None;
        };
        request.path = path?;
        out.request = request;
        ok.then_some(out)
    }

    fn request_text(&self, e: &'a Expr, what: &str) -> Option<String> {
        match &e.kind {
            ExprKind::Hole => None,
            ExprKind::Raw(t) | ExprKind::Text(t) => Some(t.clone()),
            _ => {
                let got = self.constant(e, what)?;
                match got {
                    Value::Text(t) => Some(t),
                    other => {
                        self.wants(e, &other, super::types::Ty::Text, what);
                        None
                    }
                }
            }
        }
    }

    /// A path below the base: it begins with `/`, and an address is the environment's.
    fn path(&self, e: &'a Expr, known: &[String]) -> Option<String> {
        let path = self.request_text(e, "a path")?;
        if path.contains("://") || !path.starts_with('/') {
            self.push(
                Diagnostic::error("E0440", "a request names a path, not an address", e.span, "begins with `/`")
                    .help("write `\"/basket\"`; the environment binds the address: `http(base: env(\"SHOP_URL\"))`"),
            );
            return None;
        }
        self.filled_with(&path, e, known)?;
        Some(path)
    }

    /// Whether everything between `${` and `}` is there to be filled in.
    fn filled_with(&self, text: &str, e: &Expr, known: &[String]) -> Option<()> {
        for part in text.split("${").skip(1) {
            let name = part.split('}').next().unwrap_or("").trim();
            if !part.contains('}') || !known.iter().any(|k| k == name) {
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                self.push(Diagnostic::error("E0440", format!("nothing fills `${{{name}}}`"), e.span, "").help(
                    suggest::help(
                        name,
                        &known,
                        "can be filled in",
                        "an earlier step captures it: `capture: token(\"$.token\")`",
                    ),
                ));
                return None;
            }
        }
        Some(())
    }

    fn body(&self, e: &'a Expr, known: &[String]) -> Option<String> {
        let text = self.request_text(e, "`json:`")?;
        self.filled_with(&text, e, known)?;
        let mut plain = text.clone();
        for name in known {
            plain = plain.replace(&format!("${{{name}}}"), "0");
        }
        if let Err(why) = serde_json::from_str::<serde_json::Value>(&plain) {
            self.push(
                Diagnostic::error("E0440", format!("this body is no JSON: {why}"), e.span, "")
                    .help("for example ``json: `{\"user\": \"probe\"}` ``"),
            );
            return None;
        }
        Some(text)
    }

    fn json_path(&self, e: &'a Expr) -> Option<String> {
        let text = self.request_text(e, "a JSON path")?;
        if !text.starts_with('$') {
            self.push(
                Diagnostic::error("E0440", "a JSON path begins with `$`", e.span, "")
                    .help("for example ``json: `$.items[0].id` ``"),
            );
            return None;
        }
        Some(text)
    }

    /// `token("$.token")`
    fn capture(&self, e: &'a Expr) -> Option<(String, String)> {
        match &e.kind {
            ExprKind::Call { callee, args } => match (callee.as_slice(), args.as_slice()) {
                ([name], [Arg { name: None, value }]) => Some((name.node.clone(), self.json_path(value)?)),
                _ => self.no_capture(e),
            },
            ExprKind::Hole => None,
            _ => self.no_capture(e),
        }
    }

    fn no_capture<T>(&self, e: &Expr) -> Option<T> {
        self.push(
            Diagnostic::error("E0440", "`capture:` says a name and where in the answer it stands", e.span, "")
                .help("for example `capture: token(\"$.token\")`"),
        );
        None
    }

    fn captured_name(&self, e: &'a Expr, known: &[String]) -> Option<String> {
        let ExprKind::Name(path) = &e.kind else {
            self.push(
                Diagnostic::error("E0440", "`bearer:` is the name of what an earlier step captured", e.span, "")
                    .help("a token that is always the same is bound by the environment: `http(base: …, bearers: [secret(\"NAME\")])`"),
            );
            return None;
        };
        let [n] = path.as_slice() else { return self.no_capture(e) };
        if !known.contains(&n.node) {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            self.push(
                Diagnostic::error("E0440", format!("no earlier step captures `{}`", n.node), n.span, "")
                    .help(suggest::help(&n.node, &known, "captured are", "capture it: `capture: token(\"$.token\")`")),
            );
            return None;
        }
        Some(n.node.clone())
    }

    /// `header: "X-Canary: 1"`
    fn header(&self, e: &'a Expr, known: &[String]) -> Option<(String, String)> {
        let text = self.request_text(e, "`header:`")?;
        self.filled_with(&text, e, known)?;
        let token = |n: &str| !n.is_empty() && n.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
        match text.split_once(':').map(|(n, v)| (n.trim(), v.trim())) {
            Some((n, v)) if token(n) && !v.is_empty() && !v.contains(['\r', '\n']) => {
                Some((n.to_owned(), v.to_owned()))
            }
            _ => {
                self.push(
                    Diagnostic::error("E0440", "a header has a name and a value", e.span, "")
                        .help("for example `header: \"X-Probe: 1\"`"),
                );
                None
            }
        }
    }

    fn status(&self, e: &'a Expr) -> Option<u16> {
        let n = self.count(e, "`status:`", 100)?;
        match u16::try_from(n) {
            Ok(s) if s < 600 => Some(s),
            _ => {
                self.push(
                    Diagnostic::error("E0440", format!("{n} is no status of HTTP"), e.span, "")
                        .help("between 100 and 599"),
                );
                None
            }
        }
    }

    /// A burst of load with how long it may take; what is wrong with it is reported.
    pub(super) fn load(&self, l: &'a ast::Load) -> Option<(Load, Millis)> {
        let args = match &l.value.kind {
            ExprKind::Hole => return None,
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "burst") => args,
            _ => {
                self.push(Diagnostic::error("E0441", "a load is a `burst`", l.value.span, "not `burst(…)`").help(LOAD));
                return None;
            }
        };
        let known = [String::from("n")];
        let mut out = Load {
            method: String::new(),
            path: String::new(),
            body: None,
            requests: 0,
            users: 1,
            parallel: PARALLEL,
            via: None,
        };
        let (mut within, mut seen, mut ok) = (BURST, Vec::new(), true);
        for arg in args {
            let Some(name) = &arg.name else {
                ok = false;
                self.unknown_argument(arg, "burst", &[], LOAD);
                continue;
            };
            if seen.contains(&name.node.as_str()) {
                ok = false;
                self.push(
                    Diagnostic::error("E0441", format!("`{}` is given twice", name.node), name.span, "again here")
                        .help(LOAD),
                );
            }
            seen.push(&name.node);
            let mut whole = |slot: &mut u32, what| match self.count(&arg.value, what, 1) {
                Some(n) => *slot = n,
                None => ok = false,
            };
            match name.node.as_str() {
                "requests" => whole(&mut out.requests, "`requests:`"),
                "users" => whole(&mut out.users, "`users:`"),
                "parallel" => whole(&mut out.parallel, "`parallel:`"),
                method @ ("get" | "post") => match self.path(&arg.value, &known) {
                    Some(p) => (out.method, out.path) = (method.to_uppercase(), p),
                    None => ok = false,
                },
                "json" => match self.body(&arg.value, &known) {
                    Some(b) => out.body = Some(b),
                    None => ok = false,
                },
                "within" => match self.duration(&arg.value, "`within:`", 1) {
                    Some(d) => within = d,
                    None => ok = false,
                },
                "via" => match &arg.value.kind {
                    ExprKind::Name(p) if matches!(p.as_slice(), [n] if n.node == "canary" || n.node == "stable") => {
                        out.via = p.first().map(|n| n.node.clone());
                    }
                    _ => {
                        ok = false;
                        self.push(
                            Diagnostic::error("E0441", "`via:` names a population", arg.value.span, "")
                                .help("write `via: canary` or `via: stable`, or leave it out"),
                        );
                    }
                },
                _ => {
                    ok = false;
                    let known = ["get", "post", "json", "requests", "users", "parallel", "within", "via"];
                    self.unknown_argument(arg, "burst", &known, LOAD);
                }
            }
        }
        if !ok {
            return None;
        }
        let paths = seen.iter().filter(|n| matches!(**n, "get" | "post")).count();
        let problem = if paths != 1 {
            "a burst has one path: `get:` or `post:`"
        } else if out.requests == 0 {
            "a burst is bounded: say how many `requests:`"
        } else if out.body.is_some() && out.method == "GET" {
            "a `get:` has no body"
        } else if out.users > out.requests {
            "more users than requests"
        } else {
            return Some((out, within));
        };
        self.push(Diagnostic::error("E0441", problem, l.value.span, "").help(LOAD));
        None
    }
}

impl<'a> Builder<'_, 'a> {
    /// A burst that the rollout runs, as an action: nothing of it is to be undone.
    pub(super) fn add_load(&mut self, l: &'a ast::Load, used: &Name) -> Option<ActionId> {
        if let Some(i) = self.actions.iter().position(|b| b.name == l.name.node) {
            return Some(ActionId::at(i));
        }
        let (load, timeout) = self.cx.load(l)?;
        self.needs.requests.entry(l.name.node.clone()).or_insert(used.span);
        self.actions.push(Action { name: l.name.node.clone(), timeout, undo: None, load: Some(load) });
        Some(ActionId::at(self.actions.len() - 1))
    }
}
