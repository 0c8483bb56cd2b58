//! Calls in conditions: what is asked of a metric, and choices between values.

use super::expr::{Lower, Place, Val};
use super::inputs::How;
use super::metrics::{Body, Source};
use super::scope::Decl;
use super::suggest;
use super::types::{self, Ty, Value};
use crate::plan::{GroupId, Millis, Node, NodeId, Population, Window};
use crate::syntax::ast::{Arg, BinaryOp, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// Functions that work, and how each is written.
const BUILT: [(&str, &str); 21] = [
    ("share", "share(latency < 300ms) or share(latency < 300ms, 10m)"),
    ("p50", "p50(latency) or p50(latency, 10m)"),
    ("p95", "p95(latency) or p95(latency, 10m)"),
    ("p99", "p99(latency) or p99(latency, 10m)"),
    ("quantile", "quantile(latency, 0.9) or quantile(latency, 0.9, 10m)"),
    ("increase", "increase(c), increase(c, since phase) or increase(c, 5m)"),
    ("greater", "greater(a, b)"),
    ("lesser", "lesser(a, b)"),
    ("default", "default(a, b)"),
    ("missing", "missing(m)"),
    ("avg", "avg(pool, 5m)"),
    ("max", "max(pool, 5m)"),
    ("min", "min(pool, 5m)"),
    ("sum", "sum(queue, 5m)"),
    ("stddev", "stddev(pool, 5m)"),
    ("delta", "delta(queue, 5m)"),
    ("rate", "rate(queue, 5m)"),
    ("signed_off", "signed_off(m4)"),
    ("alert_firing", "alert_firing(\"Name\")"),
    ("silenced", "silenced(\"name\")"),
    ("rollbacks", "rollbacks(within: 1d)"),
];

/// Functions that are conditions, not values.
const CONDITIONS: [&str; 5] = ["missing", "signed_off", "alert_firing", "silenced", "approved"];

/// Whether a name is a function (or `events`, which makes a metric).
pub(super) fn is_function(name: &str) -> bool {
    matches!(name, "events" | "approved") || BUILT.iter().any(|(n, _)| *n == name)
}

/// Whether a function chooses between its arguments, so that a pronoun's metric may stand among them.
pub(super) fn chooses(name: &str) -> bool {
    matches!(name, "greater" | "lesser" | "default")
}

fn live(node: NodeId, ty: Ty) -> Val {
    Val { node, ty, zero: false, live: true }
}

impl<'c, 'a> Lower<'c, 'a> {
    /// A call as a value.
    pub(super) fn call(&mut self, e: &'a Expr, callee: &'a [Name], args: &'a [Arg]) -> Option<Val> {
        let name = match callee {
            [n] => n,
            [root, field] if self.cx.has_fields(root) => return self.field(e, root, field, Some(args)),
            _ => {
                if let Some(root) = callee.first() {
                    self.cx.module_path(root, e.span);
                }
                return None;
            }
        };
        match name.node.as_str() {
            "share" => self.share(e, args),
            "p50" => self.quantile(e, args, Some(0.5)),
            "p95" => self.quantile(e, args, Some(0.95)),
            "p99" => self.quantile(e, args, Some(0.99)),
            "quantile" => self.quantile(e, args, None),
            "increase" => self.increase(e, args),
            "greater" | "lesser" | "default" => self.choice(&name.node, e, args),
            word if CONDITIONS.contains(&word) => {
                let message = format!("a value is needed here, and `{word}(…)` is a condition");
                let help = match word {
                    "missing" => "`default(a, b)` is the value `b` where `a` is missing",
                    "approved" => "write it by itself: `promote when approved(\"engineering\", valid: 1h)`",
                    _ => "it stands alone, or is joined by `and`, `or`, `not`",
                };
                self.cx.push(Diagnostic::error("E0308", message, e.span, "true or false").help(help));
                None
            }
            "rollbacks" => self.rollbacks(e, args),
            word if super::over_time::WORDS.contains(&word) => self.over_time(word, e, args),
            _ => self.call_of_name(e, name, args),
        }
    }

    /// `errors(10m)`, or something that is no call at all.
    fn call_of_name(&mut self, e: &'a Expr, name: &'a Name, args: &'a [Arg]) -> Option<Val> {
        match self.cx.scope().names.get(name.node.as_str()) {
            Some(Decl::Metric(m)) => {
                let [Arg { name: None, value: window }] = args else {
                    return self.wrong_shape(e, &format!("{}(10m)", name.node));
                };
                let w = self.cx.duration(window, "a window", 1)?;
                self.metric(&m.name.node, Some(w), e.span)
            }
            Some(Decl::Later(_)) => {
                self.cx.use_name(&name.node);
                None
            }
            Some(d) => {
                self.cx.use_name(&name.node);
                self.cx.push(
                    Diagnostic::error("E0204", format!("`{}` is {}, not a function", name.node, d.a()), name.span, "")
                        .also(d.span(), "declared here"),
                );
                None
            }
            None => {
                let source = args.iter().any(|a| matches!(a.value.kind, ExprKind::Raw(_)));
                let d = Diagnostic::error("E0206", format!("unknown function `{}`", name.node), name.span, "");
                let words: Vec<_> = BUILT.iter().map(|(n, _)| *n).collect();
                self.cx.push(if source {
                    d.help("a query stands in a declaration: `metric name: kind = prometheus(`…`)`")
                } else {
                    d.help(suggest::help(&name.node, &words, "functions", ""))
                });
                None
            }
        }
    }

    fn wrong_shape(&self, e: &Expr, shape: &str) -> Option<Val> {
        self.cx.push(
            Diagnostic::error("E0207", "wrong arguments", e.span, "")
                .help(format!("write `{}`", shape.replace(" or ", "` or `").replace(", increase", "`, `increase"))),
        );
        None
    }

    fn shape_of(&self, e: &Expr, function: &str) -> Option<Val> {
        let shape = BUILT.iter().find(|(n, _)| *n == function).map_or(function, |(_, s)| *s);
        self.wrong_shape(e, shape)
    }

    /// A histogram or counter named by an expression.
    pub(super) fn named(
        &mut self,
        e: &'a Expr,
        kind: &str,
        kinds: &str,
    ) -> Option<(&'a str, &'c super::metrics::Metric<'a>)> {
        let name = match &e.kind {
            ExprKind::Hole => return None,
            ExprKind::Paren(x) => return self.named(x, kind, kinds),
            ExprKind::Name(path) => match path.as_slice() {
                [n] => n,
                _ => {
                    if let Some(root) = path.first() {
                        self.cx.module_path(root, e.span);
                    }
                    return None;
                }
            },
            _ => {
                self.cx.push(
                    Diagnostic::error("E0309", format!("the name of a {kind} is needed"), e.span, "")
                        .help(format!("declare it with `metric name: {kind} = …`")),
                );
                return None;
            }
        };
        let decl = self.cx.expect_decl(
            name,
            kinds,
            &format!("declare it with `metric {}: {kind} = …`", name.node),
            |d| matches!(d, Decl::Metric(m) if m.kind.node == kind),
        )?;
        let Decl::Metric(m) = decl else { return None };
        let cx = self.cx;
        let metric = cx.metric(&m.name.node)?;
        self.reads(&m.name.node);
        Some((&m.name.node, metric))
    }

    /// The histogram's buckets over the window that holds here.
    fn buckets(
        &mut self,
        name: &str,
        source: &Source<'a>,
        window: Option<Millis>,
        at: Span,
    ) -> Option<crate::plan::InputId> {
        let w = match self.population {
            Population::Before => self.baseline,
            _ => window.or(source.window).unwrap_or_else(|| self.usual_window(source)),
        };
        self.input(name, source, How::Buckets(Window::Last(w)), at)
    }

    /// A window as the last argument, where there is one.
    fn window_arg(&self, arg: Option<&'a Arg>) -> Option<Option<Millis>> {
        match arg {
            None => Some(None),
            Some(a) => Some(Some(self.cx.duration(&a.value, "a window", 1)?)),
        }
    }

    fn share(&mut self, e: &'a Expr, args: &'a [Arg]) -> Option<Val> {
        let (inner, window) = match args {
            [a] if a.name.is_none() => (&a.value, None),
            [a, w] if a.name.is_none() && w.name.is_none() => (&a.value, Some(w)),
            _ => return self.shape_of(e, "share"),
        };
        let (op, left, right) = match &inner.kind {
            ExprKind::Hole => return None,
            ExprKind::Binary { op: op @ (BinaryOp::Lt | BinaryOp::Le), left, right, .. } => (op, left, right),
            ExprKind::Binary { op: BinaryOp::Gt | BinaryOp::Ge, op_span, .. } => {
                self.cx.push(
                    Diagnostic::error(
                        "E0309",
                        "a share is counted from below",
                        *op_span,
                        "buckets count what lies below a bound",
                    )
                    .help("write `share(latency < 300ms) >= 95%`, not the share above"),
                );
                return None;
            }
            _ => return self.shape_of(e, "share"),
        };
        let _ = op;
        let window = self.window_arg(window)?;
        if let Some((root, field)) = self.field_path(left) {
            let below = super::objectives::anchor(self.cx, right, Ty::Duration, "the bound of a share")?;
            let buckets = self.latency_field(root, field, window, e.span)?;
            return Some(live(self.push(Node::Share { buckets, below }), Ty::Ratio));
        }
        let (name, metric) = self.named(left, "histogram", "histograms")?;
        let Body::Histogram(source) = &metric.body else {
            return None;
        };
        let bound = self.cx.constant(right, "the bound of a share")?;
        let below = match &bound {
            Value::Num(v, ty) if types::common(metric.ty, false, *ty, bound.is_zero()).is_some() => *v,
            Value::Num(_, ty) => {
                if metric.ty == Ty::Number {
                    self.cx.push(
                        Diagnostic::error(
                            "E0301",
                            format!("`{name}` has no unit, and this is {}", ty.a()),
                            right.span,
                            format!("this is {}", ty.a()),
                        )
                        .also(metric.ast.name.span, "counts in numbers without unit")
                        .help("give the histogram its unit: `prometheus(`…`, unit: 1s)`"),
                    );
                } else {
                    self.cx.mismatch("cannot compare", (left, metric.ty), (right, *ty));
                }
                return None;
            }
            other => {
                self.cx.wants(right, other, metric.ty, "the bound of a share");
                return None;
            }
        };
        let buckets = self.buckets(name, source, window, e.span)?;
        Some(live(self.push(Node::Share { buckets, below }), Ty::Ratio))
    }

    fn quantile(&mut self, e: &'a Expr, args: &'a [Arg], q: Option<f64>) -> Option<Val> {
        if args.iter().any(|a| a.name.is_some()) {
            return self.shape_of(e, "quantile");
        }
        let (histogram, q, window) = match (args, q) {
            ([h], Some(q)) => (h, Some(q), None),
            ([h, w], Some(q)) => (h, Some(q), Some(w)),
            ([h, q], None) => (h, self.level(&q.value), None),
            ([h, q, w], None) => (h, self.level(&q.value), Some(w)),
            (_, Some(_)) => return self.shape_of(e, "p95"),
            (_, None) => return self.shape_of(e, "quantile"),
        };
        // a gauge's past, where it is not a histogram's present
        if let (Some(w), true) = (window, is_gauge(self.cx, &histogram.value)) {
            return self.quantile_over_time(q?, e, &histogram.value, &w.value);
        }
        let window = self.window_arg(window);
        if let Some((root, field)) = self.field_path(&histogram.value) {
            let buckets = self.latency_field(root, field, window?, e.span)?;
            return Some(live(self.push(Node::Quantile { buckets, q: q? }), Ty::Duration));
        }
        let (name, metric) = self.named(&histogram.value, "histogram", "histograms")?;
        let (q, window) = (q?, window?);
        let Body::Histogram(source) = &metric.body else {
            return None;
        };
        let buckets = self.buckets(name, source, window, e.span)?;
        Some(live(self.push(Node::Quantile { buckets, q }), metric.ty))
    }

    /// `journey.latency`, of something that has fields.
    fn field_path(&self, e: &'a Expr) -> Option<(&'a Name, &'a Name)> {
        match &e.kind {
            ExprKind::Paren(x) => self.field_path(x),
            ExprKind::Name(path) => match path.as_slice() {
                [root, field] if self.cx.has_fields(root) => Some((root, field)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The level of a quantile: `0.9` or `90%`.
    fn level(&self, e: &'a Expr) -> Option<f64> {
        let v = self.cx.constant(e, "the level of a quantile")?;
        match v {
            Value::Num(q, Ty::Number | Ty::Ratio) if (0.0..=1.0).contains(&q) => Some(q),
            other => {
                self.cx.push(
                    Diagnostic::error("E0306", "the level of a quantile is between 0 and 1", e.span, other.show())
                        .help("for example `quantile(latency, 0.9)`"),
                );
                None
            }
        }
    }

    fn increase(&mut self, e: &'a Expr, args: &'a [Arg]) -> Option<Val> {
        enum Since {
            Guard,
            Phase,
            Last(Millis),
        }
        let (counter, since) = match args {
            [c] if c.name.is_none() => (&c.value, Since::Guard),
            [c, p] if c.name.is_none() && is_since_phase(p) => (&c.value, Since::Phase),
            [c, w] if c.name.is_none() && w.name.is_none() => {
                let w = self.cx.duration(&w.value, "a window", 1);
                (&c.value, Since::Last(w?))
            }
            _ => return self.shape_of(e, "increase"),
        };
        let (name, metric) = self.named(counter, "counter", "counters")?;
        let Body::Counter(source) = &metric.body else {
            return None;
        };
        let windowless = !matches!(since, Since::Last(_));
        let nowhere = match (self.population, self.place) {
            (Population::Before, _) => Some("`before` has no beginning to count from"),
            (_, Place::Require) => Some("before the start there is nothing to count from"),
            (_, Place::When | Place::Metric) => Some("here nothing says from when to count"),
            _ => None,
        };
        if let (true, Some(why)) = (windowless, nowhere) {
            self.cx.push(
                Diagnostic::error(
                    "E0313",
                    format!("`{}` needs a window: {why}", self.cx.as_written(e.span)),
                    e.span,
                    "counts since an event",
                )
                .help("say over which time")
                .fix(e.span, format!("increase({name}, 5m)")),
            );
            return None;
        }
        let node = match since {
            Since::Last(d) => {
                let (window, factor) = if self.population == Population::Before {
                    #[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
                    let factor = d as f64 / self.baseline as f64;
                    (self.baseline, factor)
                } else {
                    (d, 1.0)
                };
                let how = How::Increase(Window::Last(window));
                Node::Increase(self.input(name, source, how, e.span)?, factor)
            }
            Since::Guard | Since::Phase => {
                let how = How::Increase(Window::SinceLast);
                let input = self.input(name, source, how, e.span)?;
                let slot = self.program.accumulators;
                self.program.accumulators += 1;
                Node::Accumulated {
                    input,
                    slot,
                    since_phase: matches!(since, Since::Phase) || self.place == Place::Promote,
                }
            }
        };
        Some(live(self.push(node), Ty::Count))
    }

    fn choice(&mut self, which: &str, e: &'a Expr, args: &'a [Arg]) -> Option<Val> {
        let [Arg { name: None, value: left }, Arg { name: None, value: right }] = args else {
            return self.shape_of(e, which);
        };
        let l = self.value(left);
        let r = self.value(right);
        let (l, r) = (l?, r?);
        let Some(ty) = types::common(l.ty, l.zero, r.ty, r.zero).filter(|t| *t != Ty::Bool) else {
            self.cx.mismatch(&format!("`{which}` cannot choose between"), (left, l.ty), (right, r.ty));
            return None;
        };
        let node = self.push(match which {
            "greater" => Node::Greater(l.node, r.node),
            "lesser" => Node::Lesser(l.node, r.node),
            _ => Node::Default(l.node, r.node),
        });
        Some(Val { node, ty, zero: l.zero && r.zero, live: l.live || r.live })
    }

    /// `missing(m)`: unknown only where no source has answered.
    pub(super) fn missing(&mut self, e: &'a Expr, args: &'a [Arg]) -> Option<NodeId> {
        let [Arg { name: None, value }] = args else {
            self.shape_of(e, "missing");
            return None;
        };
        let v = self.value(value)?;
        if !v.live {
            self.cx
                .push(Diagnostic::error("E0305", "a constant is never missing", value.span, "").help("write a metric"));
            return None;
        }
        Some(self.push(Node::Missing(v.node)))
    }
}

/// Whether an expression is the name of a gauge or of a metric made of others.
fn is_gauge(cx: &super::Cx<'_>, e: &Expr) -> bool {
    match &e.kind {
        ExprKind::Paren(x) => is_gauge(cx, x),
        ExprKind::Name(path) => matches!(path.as_slice(), [n] if matches!(
            cx.metric(&n.node).map(|m| &m.body),
            Some(Body::Gauge(_) | Body::Derived(_))
        )),
        _ => false,
    }
}

impl<'a> Lower<'_, 'a> {
    /// `approved("group", valid: 1h)`: never unknown, and only of the phase that the run is in.
    pub(super) fn approved(&mut self, e: &'a Expr, args: &'a [Arg]) -> Option<NodeId> {
        const SHAPE: &str = "approved(\"engineering\") or approved(\"engineering\", valid: 1h)";
        let (group, valid) = match args {
            [Arg { name: None, value }] => (value, None),
            [Arg { name: None, value }, Arg { name: Some(n), value: valid }] if n.node == "valid" => {
                (value, Some(valid))
            }
            _ => {
                self.wrong_shape(e, SHAPE);
                return None;
            }
        };
        let ExprKind::Text(name) = &group.kind else {
            if !matches!(group.kind, ExprKind::Hole) {
                self.wrong_shape(e, SHAPE);
            }
            return None;
        };
        let valid = match valid {
            None => None,
            Some(d) => Some(self.cx.duration(d, "`valid:`", 1)?),
        };
        if !matches!(self.place, Place::Promote | Place::Asked) {
            self.cx.push(
                Diagnostic::error("E0424", "`approved` stands where no phase waits for it", e.span, "asked of whom?")
                    .help("a person approves of the phase that a run is in: write it behind `promote when`"),
            );
            return None;
        }
        let group = match self.groups.iter().position(|g| g == name) {
            Some(i) => i,
            None => {
                self.groups.push(name.clone());
                self.groups.len() - 1
            }
        };
        Some(self.push(Node::Approved { group: GroupId::at(group), valid }))
    }
}

/// `since phase` as the second argument.
fn is_since_phase(arg: &Arg) -> bool {
    let is = |e: &Expr, words: &[&str]| {
        matches!(&e.kind, ExprKind::Name(path)
            if path.iter().map(|n| n.node.as_str()).eq(words.iter().copied()))
    };
    match &arg.name {
        Some(n) => n.node == "since" && is(&arg.value, &["phase"]),
        None => is(&arg.value, &["since", "phase"]),
    }
}
