//! Live expressions: typed and lowered to nodes in one walk.

use super::Cx;
use super::environment::Chosen;
use super::inputs::{How, Inputs};
use super::metrics::{Body, Metric};
use super::scope::Decl;
use super::types::{self, Ty, Value};
use crate::plan::{Compare, InputId, Millis, Node, NodeId, Population, Program, Window};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::BTreeSet;

/// Where a condition stands; some words mean something only in some places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Guard,
    Promote,
    Require,
    When,
    /// A derived metric, by itself.
    Metric,
}

/// A lowered value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Val {
    pub(super) node: NodeId,
    pub(super) ty: Ty,
    /// The constant 0 without a unit.
    pub(super) zero: bool,
    /// Reads something that is measured.
    pub(super) live: bool,
}

/// The program of one rollout while it grows.
pub(super) struct Lower<'c, 'a> {
    pub(super) cx: &'c Cx<'a>,
    /// The environment it is compiled for; `None` while it is only checked.
    pub(super) env: Option<&'c Chosen<'a>>,
    pub(super) program: Program,
    pub(super) inputs: Inputs,
    pub(super) place: Place,
    /// Whose numbers a metric's name stands for.
    pub(super) population: Population,
    /// What `stable` and `before` stand for: the metric on the other side of the comparison.
    pub(super) target: Option<&'a Expr>,
    /// The pronoun that is being expanded.
    pub(super) pronoun: Option<Span>,
    pub(super) baseline: Millis,
    pub(super) reads_before: bool,
    /// `at least n events` of the guard that is being lowered, and whether a comparison took it.
    pub(super) at_least: Option<u64>,
    pub(super) at_least_used: bool,
    /// New inputs are asked only for `query`.
    pub(super) auxiliary: bool,
    /// Metrics that the rollout reads, in order of first use.
    pub(super) metrics: Vec<&'a str>,
}

impl<'c, 'a> Lower<'c, 'a> {
    pub(super) fn new(cx: &'c Cx<'a>, env: Option<&'c Chosen<'a>>, baseline: Millis) -> Self {
        Self {
            cx,
            env,
            program: Program::default(),
            inputs: Inputs::default(),
            place: Place::Metric,
            population: Population::Canary,
            target: None,
            pronoun: None,
            baseline,
            reads_before: false,
            at_least: None,
            at_least_used: false,
            auxiliary: false,
            metrics: Vec::new(),
        }
    }

    /// Adds a node, or finds the same one. Nodes with a slot have a state of their own and are never shared.
    pub(super) fn push(&mut self, node: Node) -> NodeId {
        let stateful = matches!(node, Node::For { .. } | Node::Accumulated { .. });
        if let (false, Some(at)) = (stateful, self.program.nodes.iter().position(|n| *n == node)) {
            return NodeId::at(at);
        }
        self.program.nodes.push(node);
        NodeId::at(self.program.nodes.len() - 1)
    }

    /// A condition at its place.
    pub(super) fn condition_at(&mut self, place: Place, e: &'a Expr) -> Option<NodeId> {
        self.place = place;
        self.condition(e)
    }

    /// Something that is true, false or unknown.
    pub(super) fn condition(&mut self, e: &'a Expr) -> Option<NodeId> {
        match &e.kind {
            ExprKind::Hole => None,
            ExprKind::Paren(x) => self.condition(x),
            ExprKind::Not(x) => {
                let x = self.condition(x)?;
                Some(self.push(Node::Not(x)))
            }
            ExprKind::Binary {
                op: op @ (BinaryOp::And | BinaryOp::Or),
                left,
                right,
                ..
            } => {
                // both sides are looked at, also when the first is bad
                let l = self.condition(left);
                let r = self.condition(right);
                let (l, r) = (l?, r?);
                Some(self.push(if *op == BinaryOp::And {
                    Node::And(l, r)
                } else {
                    Node::Or(l, r)
                }))
            }
            ExprKind::Binary {
                op, left, right, ..
            } if op.is_comparison() => self.comparison(*op, e, left, right),
            ExprKind::Binary {
                op: BinaryOp::In,
                op_span,
                ..
            } => self.refuse("in", *op_span),
            ExprKind::For { of, span } => self.temporal(of, span),
            ExprKind::Confidence { of, .. } => {
                let tail = Span {
                    start: of.span.end.saturating_add(1),
                    ..e.span
                };
                self.refuse("confidence", tail)
            }
            ExprKind::Index { .. } => self.refuse("[…]", e.span),
            ExprKind::Name(path) => self.condition_name(e, path),
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "missing") => {
                self.missing(e, args)
            }
            _ => self.truth(e),
        }
    }

    fn condition_name(&mut self, e: &'a Expr, path: &'a [Name]) -> Option<NodeId> {
        if let [n] = path {
            match n.node.as_str() {
                "healthy" => return self.healthy(e),
                "undecided" => return self.refuse("confidence", e.span),
                "now" => return self.refuse("now", e.span),
                _ => {}
            }
            if let Some(Decl::Let(l)) = self.cx.scope().names.get(n.node.as_str()) {
                self.cx.use_name(&n.node);
                let cx = self.cx;
                return match cx.guarded(&l.name.node, || self.condition(&l.value)) {
                    Some(c) => c,
                    None => {
                        cx.cycle(&l.name.node, l.name.span);
                        None
                    }
                };
            }
        }
        self.truth(e)
    }

    fn healthy(&mut self, e: &Expr) -> Option<NodeId> {
        if self.place == Place::Guard {
            self.cx.push(
                Diagnostic::error(
                    "E0410",
                    "`healthy` asks the guards, and cannot stand inside one",
                    e.span,
                    "",
                )
                .help("write the condition itself"),
            );
            return None;
        }
        Some(self.push(Node::Healthy))
    }

    /// A value used as a condition: only a bool is one.
    fn truth(&mut self, e: &'a Expr) -> Option<NodeId> {
        if let ExprKind::Literal(_) | ExprKind::Name(_) | ExprKind::Paren(_) = &e.kind
            && self.cx.is_const(e)
        {
            let v = self.cx.constant(e, "a condition")?;
            if let Value::Bool(b) = v {
                return Some(self.push(Node::Bool(b)));
            }
            self.not_a_condition(e, v.a());
            return None;
        }
        let v = self.value(e)?;
        if v.ty == Ty::Bool {
            let zero = self.push(Node::Const(0.0));
            return Some(self.push(Node::Compare {
                op: Compare::Ne,
                left: v.node,
                right: zero,
                at_least: None,
                unit: Ty::Bool.unit(),
            }));
        }
        self.not_a_condition(e, v.ty.a());
        None
    }

    fn not_a_condition(&self, e: &Expr, what: &str) {
        let written = self.cx.as_written(e.span);
        self.cx.push(
            Diagnostic::error(
                "E0308",
                format!("a condition is needed, and this is {what}"),
                e.span,
                "compared with nothing",
            )
            .help(format!("compare it: `{written} < …`")),
        );
    }

    /// A number.
    pub(super) fn value(&mut self, e: &'a Expr) -> Option<Val> {
        if self.cx.is_const(e) {
            return self.const_value(e);
        }
        match &e.kind {
            ExprKind::Hole => None,
            ExprKind::Paren(x) => self.value(x),
            ExprKind::Neg(x) => {
                let v = self.value(x)?;
                if v.ty == Ty::Bool {
                    self.cx.push(Diagnostic::error(
                        "E0303",
                        "a bool has no negative",
                        e.span,
                        "",
                    ));
                    return None;
                }
                let node = self.push(Node::Neg(v.node));
                Some(Val { node, ..v })
            }
            ExprKind::Binary {
                op: op @ (BinaryOp::Add | BinaryOp::Sub | BinaryOp::Mul | BinaryOp::Div),
                left,
                right,
                ..
            } => self.arithmetic(*op, e, left, right),
            ExprKind::Name(path) => self.value_name(e, path),
            ExprKind::Call { callee, args } => self.call(e, callee, args),
            ExprKind::Index { .. } => {
                self.refuse("[…]", e.span);
                None
            }
            ExprKind::List(_) | ExprKind::Raw(_) | ExprKind::Text(_) | ExprKind::Literal(_) => {
                self.cx.push(Diagnostic::error(
                    "E0308",
                    "a number is needed here",
                    e.span,
                    "",
                ));
                None
            }
            ExprKind::Binary { .. }
            | ExprKind::Not(_)
            | ExprKind::For { .. }
            | ExprKind::Confidence { .. } => {
                self.cx.push(
                    Diagnostic::error(
                        "E0308",
                        "a value is needed here, and this is a condition",
                        e.span,
                        "true or false",
                    )
                    .help("join conditions with `and`, `or`"),
                );
                None
            }
        }
    }

    fn const_value(&mut self, e: &'a Expr) -> Option<Val> {
        let v = self.cx.constant(e, "a value")?;
        let zero = v.is_zero();
        let (n, ty) = match v {
            Value::Num(n, ty) => (n, ty),
            Value::Bool(b) => (f64::from(u8::from(b)), Ty::Bool),
            other => {
                self.cx.push(Diagnostic::error(
                    "E0308",
                    format!("a number is needed here, and this is {}", other.a()),
                    e.span,
                    "",
                ));
                return None;
            }
        };
        let node = self.push(Node::Const(n));
        Some(Val {
            node,
            ty,
            zero,
            live: false,
        })
    }

    fn arithmetic(
        &mut self,
        op: BinaryOp,
        e: &'a Expr,
        left: &'a Expr,
        right: &'a Expr,
    ) -> Option<Val> {
        let l = self.value(left);
        let r = self.value(right);
        let (l, r) = (l?, r?);
        let ty = match op {
            BinaryOp::Add | BinaryOp::Sub => types::sum(
                op == BinaryOp::Sub,
                l.ty,
                l.zero,
                r.ty,
                r.zero,
                l.live && r.live,
            ),
            BinaryOp::Mul => types::product(l.ty, r.ty),
            _ => types::quotient(l.ty, r.ty),
        };
        let Some(ty) = ty else {
            self.cx
                .bad_arithmetic(op, e.span, (left, l.ty), (right, r.ty));
            return None;
        };
        let node = self.push(match op {
            BinaryOp::Add => Node::Add(l.node, r.node),
            BinaryOp::Sub => Node::Sub(l.node, r.node),
            BinaryOp::Mul => Node::Mul(l.node, r.node),
            _ => Node::Div(l.node, r.node),
        });
        Some(Val {
            node,
            ty,
            zero: false,
            live: true,
        })
    }

    fn value_name(&mut self, e: &'a Expr, path: &'a [Name]) -> Option<Val> {
        let live = |node, ty| {
            Some(Val {
                node,
                ty,
                zero: false,
                live: true,
            })
        };
        let n = match path {
            [n] => n,
            [root, field] => match (root.node.as_str(), field.node.as_str()) {
                ("phase", "elapsed") => return live(self.push(Node::PhaseElapsed), Ty::Duration),
                ("rollout", "elapsed") => {
                    return live(self.push(Node::RolloutElapsed), Ty::Duration);
                }
                ("phase" | "rollout", other) => {
                    self.cx.push(
                        Diagnostic::error(
                            "E0201",
                            format!("`{}` has no field `{other}`", root.node),
                            field.span,
                            "",
                        )
                        .help(format!("there is `{}.elapsed`", root.node)),
                    );
                    return None;
                }
                _ => {
                    self.cx.module_path(root, e.span);
                    return None;
                }
            },
            _ => {
                if let Some(root) = path.first() {
                    self.cx.module_path(root, e.span);
                }
                return None;
            }
        };
        match n.node.as_str() {
            "stable" => return self.pronoun(e, Population::Stable),
            "before" => return self.pronoun(e, Population::Before),
            "now" | "undecided" => {
                self.refuse(if n.node == "now" { "now" } else { "confidence" }, e.span);
                return None;
            }
            "healthy" | "phase" | "rollout" | "canary" => {
                self.cx.push(
                    Diagnostic::error("E0204", format!("`{}` is not a number", n.node), e.span, "")
                        .help("write a metric; the time in a phase is `phase.elapsed`"),
                );
                return None;
            }
            _ => {}
        }
        match self.cx.scope().names.get(n.node.as_str()) {
            Some(Decl::Metric(m)) => self.metric(&m.name.node, None, e.span),
            Some(Decl::Let(l)) => {
                self.cx.use_name(&n.node);
                let cx = self.cx;
                match cx.guarded(&l.name.node, || self.value(&l.value)) {
                    Some(v) => v,
                    None => {
                        cx.cycle(&l.name.node, l.name.span);
                        None
                    }
                }
            }
            Some(Decl::Unbuilt(_)) => {
                self.cx.use_name(&n.node);
                None
            }
            Some(d) => {
                self.cx.use_name(&n.node);
                self.cx.push(
                    Diagnostic::error(
                        "E0204",
                        format!("`{}` is {}, and has no value to compare", n.node, d.a()),
                        e.span,
                        "",
                    )
                    .also(d.span(), "declared here"),
                );
                None
            }
            None => {
                self.cx.unknown_name(&n.node, e.span);
                None
            }
        }
    }

    /// The present population's value of a metric; `window` is the one in the call.
    pub(super) fn metric(
        &mut self,
        name: &'a str,
        window: Option<Millis>,
        at: Span,
    ) -> Option<Val> {
        self.cx.use_name(name);
        let cx = self.cx;
        let m: &Metric<'a> = cx.metric(name)?;
        self.reads(name);
        let (node, ty) = match &m.body {
            Body::Gauge(s) => {
                if window.is_some() && !s.windowed() {
                    cx.push(
                        Diagnostic::error(
                            "E0207",
                            format!("`{name}` takes no window"),
                            at,
                            "its query has no `${window}`",
                        )
                        .also(s.raw, "the query")
                        .help("write `[${window}]` in the query, or use the metric without parentheses"),
                    );
                    return None;
                }
                let w = window.or(s.window).unwrap_or_else(|| self.usual_window(s));
                (Node::Gauge(self.input(name, s, How::Value(w), at)?), m.ty)
            }
            Body::Events {
                bad,
                total,
                window: own,
            } => {
                let (Some(b), Some(t)) = (self.counter(bad), self.counter(total)) else {
                    return None;
                };
                let w = match self.population {
                    Population::Before => self.baseline,
                    _ => window.or(*own).unwrap_or_else(|| self.usual_window(b)),
                };
                let how = How::Increase(Window::Last(w));
                let bad_input = self.input(bad, b, how, at);
                let total_input = self.input(total, t, how, at);
                (
                    Node::Events {
                        bad: bad_input?,
                        total: total_input?,
                    },
                    Ty::Ratio,
                )
            }
            Body::Derived(value) => {
                if window.is_some() {
                    cx.push(
                        Diagnostic::error("E0207", format!("`{name}` takes no window"), at, "")
                            .also(m.ast.name.span, "it is an expression over other metrics")
                            .help("give the windows to the metrics inside it"),
                    );
                    return None;
                }
                return self.derived(m, value);
            }
            Body::Counter(_) => {
                cx.push(
                    Diagnostic::error(
                        "E0309",
                        format!("`{name}` is a counter: its value only ever grows"),
                        at,
                        "count its increments",
                    )
                    .help("`increase(c)` counts since the guard watches, `increase(c, 5m)` in a window")
                    .fix(at, format!("increase({name})")),
                );
                return None;
            }
            Body::Histogram(_) => {
                let example = if m.ty == Ty::Duration {
                    "300ms"
                } else {
                    m.ty.example()
                };
                cx.push(
                    Diagnostic::error(
                        "E0309",
                        format!("`{name}` is a histogram, not one number"),
                        at,
                        "ask for a share or a quantile",
                    )
                    .help(format!("`share({name} < {example})` or `p95({name})`")),
                );
                return None;
            }
        };
        let node = self.push(node);
        Some(Val {
            node,
            ty,
            zero: false,
            live: true,
        })
    }

    /// A derived metric by itself, used or not.
    pub(super) fn check_derived(&mut self, m: &Metric<'a>) -> Option<Val> {
        match &m.body {
            Body::Derived(value) => self.derived(m, value),
            _ => None,
        }
    }

    fn derived(&mut self, m: &Metric<'a>, value: &'a Expr) -> Option<Val> {
        let cx = self.cx;
        let name = m.ast.name.node.as_str();
        let Some(v) = cx.guarded(&m.ast.name.node, || self.value(value)) else {
            cx.cycle(name, m.ast.name.span);
            return None;
        };
        let v = v?;
        if !types::fits(v.ty, v.zero, m.ty) {
            cx.push(
                Diagnostic::error(
                    "E0301",
                    format!(
                        "`{name}` is declared as {}, and this is {}",
                        m.ty.a(),
                        v.ty.a()
                    ),
                    value.span,
                    format!("this is {}", v.ty.a()),
                )
                .also(m.ast.kind.span, format!("declared as {}", m.ty.a()))
                .help("change the kind, or the expression"),
            );
            return None;
        }
        Some(Val { ty: m.ty, ..v })
    }

    /// The source of a counter by name.
    pub(super) fn counter(&mut self, name: &'a str) -> Option<&'c super::metrics::Source<'a>> {
        self.cx.use_name(name);
        let cx = self.cx;
        let m = cx.metric(name)?;
        self.reads(name);
        match &m.body {
            Body::Counter(s) => Some(s),
            _ => None,
        }
    }

    pub(super) fn reads(&mut self, name: &'a str) {
        if !self.metrics.contains(&name) {
            self.metrics.push(name);
        }
    }

    fn comparison(
        &mut self,
        op: BinaryOp,
        e: &'a Expr,
        left: &'a Expr,
        right: &'a Expr,
    ) -> Option<NodeId> {
        if self.cx.is_const(left) && self.cx.is_const(right) {
            // a poisoned side makes no second finding
            let sides = (
                self.cx.constant(left, "a value"),
                self.cx.constant(right, "a value"),
            );
            if let (Some(_), Some(_)) = sides {
                self.cx.push(
                    Diagnostic::error(
                        "E0305",
                        "two constants are compared",
                        e.span,
                        "always the same answer",
                    )
                    .help("one side must be measured"),
                );
            }
            return None;
        }
        let (l, r) = self.sides(left, right);
        let (l, r) = (l?, r?);
        let Some(ty) = types::common(l.ty, l.zero, r.ty, r.zero) else {
            self.cx
                .mismatch("cannot compare", (left, l.ty), (right, r.ty));
            return None;
        };
        if ty == Ty::Bool && !matches!(op, BinaryOp::Eq | BinaryOp::Ne) {
            self.cx.push(
                Diagnostic::error("E0301", "bools have no order", e.span, "")
                    .help("compare them with `==` or `!=`"),
            );
            return None;
        }
        if ty == Ty::Count {
            for (side, v) in [(left, l), (right, r)] {
                if let Some(Node::Const(n)) = self.program.nodes.get(v.node.index())
                    && n.fract() != 0.0
                {
                    self.cx.push(
                        Diagnostic::error(
                            "E0306",
                            "counts are whole",
                            side.span,
                            "not a whole number",
                        )
                        .help("write a whole number"),
                    );
                    return None;
                }
            }
        }
        let at_least = self
            .at_least
            .filter(|_| self.sized(l.node) || self.sized(r.node));
        self.at_least_used |= at_least.is_some();
        Some(self.push(Node::Compare {
            op: compare(op),
            left: l.node,
            right: r.node,
            at_least,
            unit: ty.unit(),
        }))
    }

    /// Whether a value is computed from counted events.
    fn sized(&self, node: NodeId) -> bool {
        match self.program.nodes.get(node.index()) {
            Some(Node::Events { .. } | Node::Share { .. } | Node::Quantile { .. }) => true,
            Some(n) => operands(n).into_iter().any(|o| self.sized(o)),
            None => false,
        }
    }

    /// The inputs below a node, without those of `before`: they are read once, before anything changes.
    pub(super) fn inputs_below(&self, node: NodeId) -> Vec<InputId> {
        let mut out = BTreeSet::new();
        let mut todo = vec![node];
        while let Some(n) = todo.pop() {
            if let Some(n) = self.program.nodes.get(n.index()) {
                out.extend(asked(n));
                todo.extend(operands(n));
            }
        }
        out.into_iter()
            .filter(|i| {
                self.inputs
                    .list
                    .get(i.index())
                    .is_some_and(|i| i.population != Population::Before)
            })
            .collect()
    }

    /// The first comparison of a condition, in the order of the text.
    pub(super) fn first_comparison(&self, node: NodeId) -> Option<NodeId> {
        match self.program.nodes.get(node.index())? {
            Node::Compare { .. } => Some(node),
            n => operands(n)
                .into_iter()
                .find_map(|o| self.first_comparison(o)),
        }
    }

    /// Refuses something that is not built.
    pub(super) fn refuse(&self, what: &str, span: Span) -> Option<NodeId> {
        self.cx.push(super::not_built(what, span, self.cx.map));
        None
    }
}

/// The nodes that a node reads.
pub(super) fn operands(n: &Node) -> Vec<NodeId> {
    match *n {
        Node::Const(_)
        | Node::Bool(_)
        | Node::Gauge(_)
        | Node::Increase(..)
        | Node::Accumulated { .. }
        | Node::Events { .. }
        | Node::Share { .. }
        | Node::Quantile { .. }
        | Node::PhaseElapsed
        | Node::RolloutElapsed
        | Node::Healthy => Vec::new(),
        Node::Neg(a) | Node::Missing(a) | Node::Not(a) | Node::For { of: a, .. } => vec![a],
        Node::Add(a, b)
        | Node::Sub(a, b)
        | Node::Mul(a, b)
        | Node::Div(a, b)
        | Node::Greater(a, b)
        | Node::Lesser(a, b)
        | Node::Default(a, b)
        | Node::And(a, b)
        | Node::Or(a, b)
        | Node::Compare {
            left: a, right: b, ..
        } => vec![a, b],
    }
}

/// The inputs that a node reads itself.
fn asked(n: &Node) -> Vec<InputId> {
    match *n {
        Node::Gauge(i) | Node::Increase(i, _) | Node::Accumulated { input: i, .. } => vec![i],
        Node::Share { buckets, .. } | Node::Quantile { buckets, .. } => vec![buckets],
        Node::Events { bad, total } => vec![bad, total],
        _ => Vec::new(),
    }
}

fn compare(op: BinaryOp) -> Compare {
    match op {
        BinaryOp::Ne => Compare::Ne,
        BinaryOp::Lt => Compare::Lt,
        BinaryOp::Le => Compare::Le,
        BinaryOp::Gt => Compare::Gt,
        BinaryOp::Ge => Compare::Ge,
        // the callers pass comparisons only
        _ => Compare::Eq,
    }
}
