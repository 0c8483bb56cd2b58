//! Metric declarations: where a number comes from, of what kind it is, and which query asks for it.

use super::promql::{Inspected, Template};
use super::scope::{Decl, home};
use super::types::{Ty, Value};
use super::{Cx, suggest};
use crate::plan::Millis;
use crate::syntax::ast::{self, Arg, BinaryOp, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeMap;

/// A metric that could be made sense of.
#[derive(Debug)]
pub(super) struct Metric<'a> {
    pub(super) ast: &'a ast::Metric,
    /// The type of its values; of a histogram, of what it counts.
    pub(super) ty: Ty,
    pub(super) body: Body<'a>,
}

/// Where its values come from.
#[derive(Debug)]
pub(super) enum Body<'a> {
    Gauge(Source<'a>),
    Counter(Source<'a>),
    Histogram(Source<'a>),
    Events {
        bad: &'a str,
        total: &'a str,
        window: Option<Millis>,
    },
    /// An expression over other metrics, instantiated where it is used.
    Derived(&'a Expr),
}

/// A query to a source port.
#[derive(Debug)]
pub(super) struct Source<'a> {
    pub(super) port: &'a Name,
    pub(super) template: Template,
    /// The raw text with its backticks.
    pub(super) raw: Span,
    pub(super) window: Option<Millis>,
    pub(super) max_age: Option<Millis>,
    pub(super) lag: Millis,
    /// Factor to base units.
    pub(super) scale: f64,
    /// What the query asks, with the window that is usual for it.
    pub(super) asked: Inspected,
}

impl Source<'_> {
    /// Whether the query tells populations apart.
    pub(super) fn separable(&self) -> bool {
        self.template.has("where")
    }

    /// Whether the query wants to be told a window.
    pub(super) fn windowed(&self) -> bool {
        self.template.has("window")
    }
}

/// All kinds of metrics, in the language's words.
const KINDS: [&str; 11] =
    ["counter", "events", "histogram", "bool", "number", "count", "ratio", "duration", "rate", "bytes", "time"];

/// Elaborates every metric; `None` where an error was reported.
pub(super) fn elaborate<'a>(cx: &Cx<'a>) -> BTreeMap<&'a str, Option<Metric<'a>>> {
    cx.scope()
        .names
        .iter()
        .filter_map(|(name, decl)| match decl {
            Decl::Metric(m) => Some((*name, cx.elaborate_metric(m))),
            _ => None,
        })
        .collect()
}

/// Whether an expression is a call of a source port: neither a function nor a metric.
fn source_call<'a>(cx: &Cx<'_>, e: &'a Expr) -> Option<(&'a Name, &'a [Arg])> {
    let ExprKind::Call { callee, args } = &e.kind else {
        return None;
    };
    let [name] = callee.as_slice() else {
        return None;
    };
    let known = super::functions::is_function(&name.node) || cx.scope().names.contains_key(name.node.as_str());
    (!known).then_some((name, args))
}

/// Whether a word is a kind of metric.
pub(super) fn is_kind(word: &str) -> bool {
    matches!(word, "counter" | "events" | "histogram") || Ty::declared(word).is_some_and(|t| t != Ty::Text)
}

impl<'a> Cx<'a> {
    fn elaborate_metric(&self, m: &'a ast::Metric) -> Option<Metric<'a>> {
        let kind = m.kind.node.as_str();
        match kind {
            "events" => return self.events(m),
            "counter" | "histogram" => {
                let Some((port, args)) = source_call(self, &m.value) else {
                    if !matches!(m.value.kind, ExprKind::Hole) {
                        self.push(
                            Diagnostic::error(
                                "E0309",
                                format!("a {kind} comes straight from a source"),
                                m.value.span,
                                "not a call of a source",
                            )
                            .help("write `prometheus(`…`)` with a bare selector between the backticks"),
                        );
                    }
                    return None;
                };
                return self.counted(m, port, args);
            }
            _ => {}
        }
        let Some(ty) = Ty::declared(kind).filter(|t| *t != Ty::Text) else {
            self.push(
                Diagnostic::error(
                    "E0315",
                    format!("unknown kind of metric `{kind}`"),
                    m.kind.span,
                    "not a kind of metric",
                )
                .help(suggest::help(kind, &KINDS, "kinds", "")),
            );
            return None;
        };
        // `prometheus(`…`) * 1ms` gives the answer a unit
        if let ExprKind::Binary { op: BinaryOp::Mul, left, right, .. } = &m.value.kind
            && let Some((port, args)) = source_call(self, left)
        {
            return self.gauge(m, ty, port, args, Some(right));
        }
        match source_call(self, &m.value) {
            Some((port, args)) => self.gauge(m, ty, port, args, None),
            None if matches!(m.value.kind, ExprKind::Hole) => None,
            None => Some(Metric { ast: m, ty, body: Body::Derived(&m.value) }),
        }
    }

    fn gauge(
        &self,
        m: &'a ast::Metric,
        ty: Ty,
        port: &'a Name,
        args: &'a [Arg],
        factor: Option<&'a Expr>,
    ) -> Option<Metric<'a>> {
        let (mut source, unit) = self.source(port, args, m.value.span, home(&m.name.node))?;
        let unit = factor.or(unit);
        let asked = &source.asked;
        if !asked.numbers {
            self.push(
                Diagnostic::error(
                    "E0310",
                    "this query answers with a range or a text, not with a number",
                    source.raw,
                    "needs a function such as `rate(…)` around it",
                )
                .help("a metric has one number at each check"),
            );
            return None;
        }
        if let (Some(_), false) = (source.window, source.windowed()) {
            self.push(
                Diagnostic::error("E0207", "`window:` has no use here: the query has no `${window}`", m.value.span, "")
                    .help("write `[${window}]` in the query, or leave `window:` out"),
            );
            return None;
        }
        if let Some(u) = unit {
            source.scale = self.scale(u, Some(ty))?.0;
        }
        Some(Metric { ast: m, ty, body: Body::Gauge(source) })
    }

    /// A counter or a histogram: a bare selector.
    fn counted(&self, m: &'a ast::Metric, port: &'a Name, args: &'a [Arg]) -> Option<Metric<'a>> {
        let (mut source, unit) = self.source(port, args, m.value.span, home(&m.name.node))?;
        let asked = &source.asked;
        let histogram = m.kind.node == "histogram";
        if !asked.bare {
            let composes = if histogram { "`increase` by bucket" } else { "`increase`" };
            let d = Diagnostic::error(
                "E0311",
                format!("a {} is given as a bare selector", m.kind.node),
                source.raw,
                "more than a selector",
            )
            .help(format!("give the selector; the tool composes {composes}, so that every source can answer it"));
            self.push(match asked.selectors.as_slice() {
                [only] => d.fix(source.raw, format!("`{}`", only.0)),
                _ => d,
            });
            return None;
        }
        if !histogram {
            if let Some(u) = unit {
                self.push(
                    Diagnostic::error("E0207", "a counter has no unit", u.span, "")
                        .help("leave `unit:` out: a counter counts"),
                );
                return None;
            }
            return Some(Metric { ast: m, ty: Ty::Count, body: Body::Counter(source) });
        }
        if let Some(name) = asked.name.as_ref().filter(|n| !n.ends_with("_bucket")) {
            self.push(
                Diagnostic::error(
                    "E0311",
                    "a histogram is given by its `_bucket` series",
                    source.raw,
                    format!("`{name}` is not one"),
                )
                .help(format!("write `{name}_bucket`")),
            );
            return None;
        }
        let (scale, ty) = match unit {
            Some(u) => self.scale(u, None)?,
            None => (1.0, Ty::Number),
        };
        source.scale = scale;
        Some(Metric { ast: m, ty, body: Body::Histogram(source) })
    }

    /// `events(bad: failed, total: served, window: 2m)`
    fn events(&self, m: &'a ast::Metric) -> Option<Metric<'a>> {
        let shape = "for example `events(bad: failed, total: served, window: 2m)`, both counters";
        let (callee, args) = match &m.value.kind {
            ExprKind::Hole => return None,
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "events") => (callee, args),
            _ => {
                self.push(
                    Diagnostic::error(
                        "E0309",
                        "a metric of kind `events` is made of two counters",
                        m.value.span,
                        "not `events(…)`",
                    )
                    .help(shape),
                );
                return None;
            }
        };
        let (mut bad, mut total, mut window) = (None, None, None);
        let mut ok = true;
        for arg in args {
            match arg.name.as_ref().map(|n| n.node.as_str()) {
                Some("bad") => bad = self.counter_name(&arg.value),
                Some("total") => total = self.counter_name(&arg.value),
                Some("window") => {
                    window = self.duration(&arg.value, "`window:`", 1);
                    ok &= window.is_some();
                }
                _ => {
                    ok = false;
                    let known = ["bad", "total", "window"];
                    self.unknown_argument(arg, "events", &known, shape);
                }
            }
        }
        // an argument that is misspelt is not missing as well
        let misspelt = |name: &str| {
            args.iter().filter_map(|a| a.name.as_ref()).any(|n| super::suggest::nearest(&n.node, [name]).is_some())
        };
        for (name, there) in [("bad", has(args, "bad")), ("total", has(args, "total"))] {
            if !there && !misspelt(name) {
                ok = false;
                let span = callee.first().map_or(m.value.span, |n| n.span);
                self.push(Diagnostic::error("E0207", format!("`events` needs `{name}:`"), span, "").help(shape));
            }
        }
        if !ok {
            return None;
        }
        Some(Metric { ast: m, ty: Ty::Ratio, body: Body::Events { bad: bad?, total: total?, window } })
    }

    /// The name of a counter.
    fn counter_name(&self, e: &'a Expr) -> Option<&'a str> {
        let ExprKind::Name(path) = &e.kind else {
            if !matches!(e.kind, ExprKind::Hole) {
                self.push(
                    Diagnostic::error("E0207", "the name of a counter is needed", e.span, "")
                        .help("declare it with `metric name: counter = …` and give its name"),
                );
            }
            return None;
        };
        let [name] = path.as_slice() else {
            if let Some(first) = path.first() {
                self.module_path(first, e.span);
            }
            return None;
        };
        let counter = |d: &Decl<'_>| matches!(d, Decl::Metric(m) if m.kind.node == "counter");
        match self.expect_decl(name, "counters", "declare it with `metric name: counter = …`", counter)? {
            Decl::Metric(m) => Some(&m.name.node),
            _ => None,
        }
    }

    /// `pool.errors`, where nothing has this name as a whole.
    pub(super) fn module_path(&self, first: &Name, span: Span) {
        self.use_name(&first.node);
        match self.scope().names.get(first.node.as_str()) {
            // reported where it stands
            Some(Decl::Later(_)) => {}
            Some(Decl::Module(m)) => self.not_in_module(m, span),
            Some(d) => self.push(
                Diagnostic::error("E0204", format!("`{}` is {}, it has no fields", first.node, d.a()), span, "")
                    .also(d.span(), "declared here"),
            ),
            None => self.unknown_name(&first.node, first.span),
        }
    }

    pub(super) fn unknown_argument(&self, arg: &Arg, of: &str, known: &[&str], shape: &str) {
        let d = match &arg.name {
            Some(n) => {
                Diagnostic::error("E0207", format!("`{of}` has no argument `{}`", n.node), n.span, "unknown argument")
                    .help(suggest::help(&n.node, known, "its arguments", shape))
            }
            None => Diagnostic::error(
                "E0207",
                format!("an argument of `{of}` too many, or without its name"),
                arg.value.span,
                "",
            )
            .help(shape.to_owned()),
        };
        self.push(d);
    }

    /// The factor and type of a `unit:`.
    fn scale(&self, e: &'a Expr, want: Option<Ty>) -> Option<(f64, Ty)> {
        let v = self.constant(e, "`unit:`")?;
        let (n, ty) = match (&v, want) {
            (Value::Num(n, ty), None) => (*n, *ty),
            (Value::Num(n, ty), Some(w)) if super::types::fits(*ty, false, w) => (*n, w),
            (Value::Num(n, Ty::Number), Some(w)) => (*n, w),
            (other, w) => {
                self.wants(e, other, w.unwrap_or(Ty::Duration), "`unit:`");
                return None;
            }
        };
        if n <= 0.0 {
            self.push(
                Diagnostic::error("E0306", "a unit is greater than zero", e.span, v.show())
                    .help("for example `unit: 1ms`"),
            );
            return None;
        }
        Some((n, ty))
    }
}

fn has(args: &[Arg], name: &str) -> bool {
    args.iter().any(|a| a.name.as_ref().is_some_and(|n| n.node == name))
}
