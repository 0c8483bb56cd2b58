//! Metric declarations: where a number comes from, of what kind it is, and which query asks for it.

use super::promql::{self, Filled, Stand, Template};
use super::scope::Decl;
use super::types::{Ty, Value};
use super::{Cx, suggest};
use crate::plan::{Millis, show};
use crate::syntax::ast::{self, Arg, BinaryOp, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeMap;
use std::ops::Range;

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
    /// Nothing but an instant selector: any source can answer it.
    pub(super) bare: bool,
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
const KINDS: [&str; 11] = [
    "counter",
    "events",
    "histogram",
    "bool",
    "number",
    "count",
    "ratio",
    "duration",
    "rate",
    "bytes",
    "time",
];

/// The window while a query is checked without one being asked for.
const SOME_WINDOW: Millis = 60_000;

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
    let known = super::functions::is_function(&name.node)
        || cx.scope().names.contains_key(name.node.as_str());
    (!known).then_some((name, args))
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
        if let ExprKind::Binary {
            op: BinaryOp::Mul,
            left,
            right,
            ..
        } = &m.value.kind
            && let Some((port, args)) = source_call(self, left)
        {
            return self.gauge(m, ty, port, args, Some(right));
        }
        match source_call(self, &m.value) {
            Some((port, args)) => self.gauge(m, ty, port, args, None),
            None if matches!(m.value.kind, ExprKind::Hole) => None,
            None => Some(Metric {
                ast: m,
                ty,
                body: Body::Derived(&m.value),
            }),
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
        let (mut source, unit) = self.source(port, args, m.value.span)?;
        let unit = factor.or(unit);
        let asked = self.ask_parsed(&source)?;
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
        source.bare = asked.bare;
        if let (Some(_), false) = (source.window, source.windowed()) {
            self.push(
                Diagnostic::error(
                    "E0207",
                    "`window:` has no use here: the query has no `${window}`",
                    m.value.span,
                    "",
                )
                .help("write `[${window}]` in the query, or leave `window:` out"),
            );
            return None;
        }
        if let Some(u) = unit {
            source.scale = self.scale(u, Some(ty))?.0;
        }
        Some(Metric {
            ast: m,
            ty,
            body: Body::Gauge(source),
        })
    }

    /// A counter or a histogram: a bare selector.
    fn counted(&self, m: &'a ast::Metric, port: &'a Name, args: &'a [Arg]) -> Option<Metric<'a>> {
        let (mut source, unit) = self.source(port, args, m.value.span)?;
        let asked = self.ask_parsed(&source)?;
        let histogram = m.kind.node == "histogram";
        if !asked.bare {
            let composes = if histogram {
                "`increase` by bucket"
            } else {
                "`increase`"
            };
            let d = Diagnostic::error(
                "E0311",
                format!("a {} is given as a bare selector", m.kind.node),
                source.raw,
                "more than a selector",
            )
            .help(format!(
                "give the selector; the tool composes {composes}, so that every source can answer it"
            ));
            self.push(match asked.selectors.as_slice() {
                [only] => d.fix(source.raw, format!("`{}`", only.0)),
                _ => d,
            });
            return None;
        }
        source.bare = true;
        if !histogram {
            if let Some(u) = unit {
                self.push(
                    Diagnostic::error("E0207", "a counter has no unit", u.span, "")
                        .help("leave `unit:` out: a counter counts"),
                );
                return None;
            }
            return Some(Metric {
                ast: m,
                ty: Ty::Count,
                body: Body::Counter(source),
            });
        }
        if let Some(name) = asked.name.filter(|n| !n.ends_with("_bucket")) {
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
        Some(Metric {
            ast: m,
            ty,
            body: Body::Histogram(source),
        })
    }

    /// `events(bad: failed, total: served, window: 2m)`
    fn events(&self, m: &'a ast::Metric) -> Option<Metric<'a>> {
        let shape = "for example `events(bad: failed, total: served, window: 2m)`, both counters";
        let (callee, args) = match &m.value.kind {
            ExprKind::Hole => return None,
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "events") => {
                (callee, args)
            }
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
        for (name, there) in [("bad", has(args, "bad")), ("total", has(args, "total"))] {
            if !there {
                ok = false;
                let span = callee.first().map_or(m.value.span, |n| n.span);
                self.push(
                    Diagnostic::error("E0207", format!("`events` needs `{name}:`"), span, "")
                        .help(shape),
                );
            }
        }
        if !ok {
            return None;
        }
        Some(Metric {
            ast: m,
            ty: Ty::Ratio,
            body: Body::Events {
                bad: bad?,
                total: total?,
                window,
            },
        })
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
        match self.expect_decl(
            name,
            "counters",
            "declare it with `metric name: counter = …`",
            counter,
        )? {
            Decl::Metric(m) => Some(&m.name.node),
            _ => None,
        }
    }

    /// `http.errors`: modules are not built.
    pub(super) fn module_path(&self, first: &Name, span: Span) {
        self.use_name(&first.node);
        match self.scope().names.get(first.node.as_str()) {
            // reported where it stands
            Some(Decl::Unbuilt(_)) => {}
            Some(d) => self.push(
                Diagnostic::error(
                    "E0204",
                    format!("`{}` is {}, it has no fields", first.node, d.a()),
                    span,
                    "",
                )
                .also(d.span(), "declared here"),
            ),
            None => self.unknown_name(&first.node, first.span),
        }
    }

    pub(super) fn unknown_argument(&self, arg: &Arg, of: &str, known: &[&str], shape: &str) {
        let d = match &arg.name {
            Some(n) => Diagnostic::error(
                "E0207",
                format!("`{of}` has no argument `{}`", n.node),
                n.span,
                "unknown argument",
            )
            .help(suggest::help(&n.node, known, "its arguments", shape)),
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

    /// A call of a source port: the query and its settings; the `unit:` is left to the caller.
    fn source(
        &self,
        port: &'a Name,
        args: &'a [Arg],
        span: Span,
    ) -> Option<(Source<'a>, Option<&'a Expr>)> {
        const KNOWN: [&str; 4] = ["max_age", "lag", "unit", "window"];
        let mut query = None;
        let mut unit = None;
        let (mut window, mut max_age, mut lag) = (None, None, 0);
        let mut ok = true;
        for arg in args {
            let Some(name) = &arg.name else {
                match &arg.value.kind {
                    ExprKind::Raw(raw) if query.is_none() => query = Some((raw, arg.value.span)),
                    ExprKind::Hole => return None,
                    _ => {
                        ok = false;
                        self.push(
                            Diagnostic::error(
                                "E0207",
                                format!("`{}` takes one query between backticks", port.node),
                                arg.value.span,
                                "not that query",
                            )
                            .help("for example `prometheus(`up{job=\"shop\"}`)`"),
                        );
                        // what follows would only repeat it
                        query = query.or(None);
                    }
                }
                continue;
            };
            let mut time = |slot: &mut Option<Millis>, min| {
                *slot = self.duration(&arg.value, &format!("`{}:`", name.node), min);
                ok &= slot.is_some();
            };
            match name.node.as_str() {
                "window" => time(&mut window, 1),
                "max_age" => time(&mut max_age, 1),
                "lag" => {
                    let mut given = None;
                    time(&mut given, 0);
                    lag = given.unwrap_or(0);
                }
                "unit" => unit = Some(&arg.value),
                _ => {
                    ok = false;
                    self.unknown_argument(arg, &port.node, &KNOWN, "");
                }
            }
        }
        let Some((raw, raw_span)) = query else {
            if ok {
                self.push(
                    Diagnostic::error(
                        "E0207",
                        format!("`{}` needs a query between backticks", port.node),
                        span,
                        "",
                    )
                    .help("for example `prometheus(`up{job=\"shop\"}`)`; a function is one of those in `docs/language.md`"),
                );
            }
            return None;
        };
        let template = match Template::scan(raw) {
            Ok(t) => t,
            Err(p) => {
                self.template_problem(&p, raw_span);
                return None;
            }
        };
        ok.then_some((
            Source {
                port,
                template,
                raw: raw_span,
                window,
                max_age,
                lag,
                scale: 1.0,
                bare: false,
            },
            unit,
        ))
    }

    /// Fills a query for a window and parses it; reports what is wrong inside the policy's own text.
    fn ask_parsed(&self, source: &Source<'a>) -> Option<promql::Inspected> {
        let filled = match self.fill(&source.template, source.window.unwrap_or(SOME_WINDOW)) {
            Ok(f) => f,
            Err(p) => {
                self.template_problem(&p, source.raw);
                return None;
            }
        };
        match promql::parse(&filled.text) {
            Ok(expr) => Some(promql::inspect(&expr)),
            Err(bad) => {
                self.push(
                    Diagnostic::error(
                        "E0310",
                        format!("malformed PromQL: {}", bad.message),
                        inside(source.raw, filled.source(bad.range)),
                        "here",
                    )
                    .help("the text between the backticks is PromQL; `${where}`, `${by}`, `${window}` and params are filled in"),
                );
                None
            }
        }
    }

    /// A query with every placeholder replaced; `${where}` by [`promql::WHERE`].
    pub(super) fn fill(
        &self,
        template: &Template,
        window: Millis,
    ) -> Result<Filled, promql::Problem> {
        template.fill(|name, stand| match name {
            "where" if stand == Stand::Braces => Ok(promql::WHERE.to_owned()),
            "where" => Err((
                String::from("`${where}` stands for label matchers"),
                String::from("put it between `{` and `}`: `requests_total{${where}}`"),
            )),
            // no slices: grouped by nothing
            "by" if stand == Stand::Open => Ok(String::new()),
            "by" => Err((
                String::from("`${by}` stands for label names"),
                String::from("put it behind `by`: `sum by (${by}) (…)`"),
            )),
            "window" => Ok(show::duration(window)),
            _ => self.placeholder(name, stand),
        })
    }

    fn placeholder(&self, name: &str, stand: Stand) -> Result<String, (String, String)> {
        let value = match self.scope().names.get(name) {
            Some(Decl::Param(_)) => {
                self.use_name(name);
                self.param(name)
            }
            Some(Decl::Let(l)) if self.is_const(&l.value) => {
                self.use_name(name);
                self.constant(&l.value, "a value in a query")
            }
            _ => {
                let mut known = self.scope().of_kind(|d| matches!(d, Decl::Param(_)));
                known.extend(["where", "by", "window"]);
                return Err((
                    format!("unknown `${{{name}}}` in a query"),
                    match suggest::nearest(name, known.iter().copied()) {
                        Some(near) => format!("did you mean `${{{near}}}`?"),
                        None => String::from(
                            "`${where}`, `${by}`, `${window}` and params can be filled in; a dollar is written `$$`",
                        ),
                    },
                ));
            }
        };
        // a poisoned param was reported where it is declared
        let Some(value) = value else {
            return Ok(String::from("1"));
        };
        match (value, stand) {
            (Value::Text(t), Stand::Quoted(q)) => Ok(escape(&t, q)),
            (Value::Text(_), _) => Err((
                format!("`${{{name}}}` is a string, and stands outside quotes"),
                format!("write `\"${{{name}}}\"`"),
            )),
            (Value::Num(v, Ty::Duration), Stand::Range | Stand::Quoted(_)) => {
                Ok(show::duration(super::consts::to_millis(v)))
            }
            (Value::Num(..), Stand::Braces) => Err((
                format!("`${{{name}}}` cannot stand between label matchers"),
                String::from("put it between quotes, as a label's value"),
            )),
            (Value::Num(v, _), _) => Ok(plain(v)),
            (Value::Bool(b), _) => Ok(String::from(if b { "1" } else { "0" })),
            (Value::List(_), _) => Err((
                format!("`${{{name}}}` is a list"),
                String::from("a query takes single values"),
            )),
        }
    }

    fn template_problem(&self, p: &promql::Problem, raw: Span) {
        self.push(
            Diagnostic::error("E0312", p.message.clone(), inside(raw, p.range.clone()), "")
                .help(p.help.clone()),
        );
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
    args.iter()
        .any(|a| a.name.as_ref().is_some_and(|n| n.node == name))
}

/// A range of a raw text as a place in the file: the text begins behind its backtick.
fn inside(raw: Span, range: Range<usize>) -> Span {
    let at = |i: usize| {
        raw.start
            .saturating_add(1)
            .saturating_add(u32::try_from(i).unwrap_or(0))
            .min(raw.end.saturating_sub(1))
    };
    let (start, end) = (at(range.start), at(range.end));
    Span {
        start,
        end: end.max(start),
        ..raw
    }
}

/// A number as PromQL reads it: no exponent needed for what policies hold.
fn plain(v: f64) -> String {
    format!("{v}")
}

/// A text inside a PromQL string.
fn escape(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn a_string_cannot_leave_its_quotes() {
        assert_eq!(
            escape("a\"}) or vector(0) #\\", '"'),
            "a\\\"}) or vector(0) #\\\\"
        );
        assert_eq!(escape("it's \"x\"\n", '\''), "it\\'s \"x\"\\n");
    }
}
