//! Live expressions: typed and lowered to nodes in one walk.

use super::Cx;
use super::environment::Chosen;
use super::inputs::Inputs;
use super::scope::Decl;
use super::types::{self, Ty, Value};
use crate::plan::{Compare, Millis, Node, NodeId, Population, Program};
use crate::syntax::ast::{BinaryOp, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;
use std::collections::HashMap;

/// Where a condition stands; some words mean something only in some places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Guard,
    Promote,
    Require,
    When,
    /// A derived metric, by itself.
    Metric,
    /// Nowhere in the policy: somebody asks. Sums count from the first check on.
    Asked,
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
    /// Nodes that can be shared, by their debug text: numbers in them have no hash.
    pub(super) shared: HashMap<String, NodeId>,
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
    /// Groups of people whose approval is asked for.
    pub(super) groups: Vec<String>,
    /// Metrics that the rollout reads, in order of first use.
    pub(super) metrics: Vec<&'a str>,
    /// What the plan carries and no engine does yet.
    pub(super) unbuilt: Vec<(String, Span)>,
    /// Windows from whose first check to their last something is asked, with their places.
    pub(super) changes: Vec<(Millis, Span)>,
    /// The dimensions of the rollout.
    pub(super) slices: Vec<crate::plan::Slice>,
    /// Windows and signoffs that are asked about, probes that are read, in order of first use.
    pub(super) windows: Vec<crate::plan::CivilWindow>,
    pub(super) signoffs: Vec<crate::plan::Signoff>,
    pub(super) probes: Vec<&'a crate::syntax::ast::Probe>,
}

impl<'c, 'a> Lower<'c, 'a> {
    pub(super) fn new(cx: &'c Cx<'a>, env: Option<&'c Chosen<'a>>, baseline: Millis) -> Self {
        Self {
            cx,
            env,
            program: Program::default(),
            shared: HashMap::new(),
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
            groups: Vec::new(),
            metrics: Vec::new(),
            unbuilt: Vec::new(),
            changes: Vec::new(),
            slices: Vec::new(),
            windows: Vec::new(),
            signoffs: Vec::new(),
            probes: Vec::new(),
        }
    }

    /// A condition at its place.
    pub(super) fn condition_at(&mut self, place: Place, e: &'a Expr) -> Option<NodeId> {
        self.place = place;
        self.condition(e)
    }

    /// Something that is true, false or unknown.
    pub(super) fn condition(&mut self, e: &'a Expr) -> Option<NodeId> {
        let cx = self.cx;
        cx.step(e.span, || self.condition_here(e))?
    }

    fn condition_here(&mut self, e: &'a Expr) -> Option<NodeId> {
        match &e.kind {
            ExprKind::Hole => None,
            ExprKind::Paren(x) => self.condition(x),
            ExprKind::Not(x) => {
                let x = self.condition(x)?;
                Some(self.push(Node::Not(x)))
            }
            ExprKind::Binary { op: op @ (BinaryOp::And | BinaryOp::Or), left, right, .. } => {
                // both sides are looked at, also when the first is bad
                let l = self.condition(left);
                let r = self.condition(right);
                let (l, r) = (l?, r?);
                Some(self.push(if *op == BinaryOp::And { Node::And(l, r) } else { Node::Or(l, r) }))
            }
            ExprKind::Binary { op, left, right, .. } if op.is_comparison() => self.comparison(*op, e, left, right),
            ExprKind::Binary { op: BinaryOp::In, left, right, .. } => self.member(e, left, right),
            ExprKind::For { of, span } => self.temporal(of, span),
            ExprKind::Confidence { of, level, or_undecided } => self.confidence(e, of, level, *or_undecided),
            ExprKind::Name(path) => self.condition_name(e, path),
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "missing") => {
                self.missing(e, args)
            }
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "approved") => {
                self.approved(e, args)
            }
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "signed_off") => {
                self.signed_off(e, args)
            }
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "alert_firing" || n.node == "silenced") =>
            {
                let word = callee.first().map_or("", |n| n.node.as_str());
                self.alert(word, e, args)
            }
            _ => self.truth(e),
        }
    }

    fn condition_name(&mut self, e: &'a Expr, path: &'a [Name]) -> Option<NodeId> {
        if let [n] = path {
            match n.node.as_str() {
                "healthy" => return self.healthy(e),
                "undecided" | "now" => {
                    self.lonely(&n.node, e.span);
                    return None;
                }
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
        let why = match self.place {
            Place::Guard => Some("`healthy` asks the guards, and cannot stand inside one"),
            Place::Require => Some("`healthy` asks the guards, and before the start none watches"),
            Place::Promote | Place::When | Place::Metric | Place::Asked => None,
        };
        if let Some(why) = why {
            self.cx.push(Diagnostic::error("E0410", why, e.span, "").help("write the condition itself"));
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
        let cx = self.cx;
        cx.step(e.span, || self.value_here(e))?
    }

    fn value_here(&mut self, e: &'a Expr) -> Option<Val> {
        if self.cx.is_const(e) {
            return self.const_value(e);
        }
        match &e.kind {
            ExprKind::Hole => None,
            ExprKind::Paren(x) => self.value(x),
            ExprKind::Neg(x) => {
                let v = self.value(x)?;
                if v.ty == Ty::Bool {
                    self.cx.push(Diagnostic::error("E0303", "a bool has no negative", e.span, ""));
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
            ExprKind::Index { base, dims } => self.at_slice(e, base, dims),
            ExprKind::List(_) | ExprKind::Raw(_) | ExprKind::Text(_) | ExprKind::Literal(_) => {
                self.cx.push(Diagnostic::error("E0308", "a number is needed here", e.span, ""));
                None
            }
            ExprKind::Binary { .. } | ExprKind::Not(_) | ExprKind::For { .. } | ExprKind::Confidence { .. } => {
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
        Some(Val { node, ty, zero, live: false })
    }

    fn arithmetic(&mut self, op: BinaryOp, e: &'a Expr, left: &'a Expr, right: &'a Expr) -> Option<Val> {
        let l = self.value(left);
        let r = self.value(right);
        let (l, r) = (l?, r?);
        let ty = match op {
            BinaryOp::Add | BinaryOp::Sub => {
                types::sum(op == BinaryOp::Sub, l.ty, l.zero, r.ty, r.zero, l.live && r.live)
            }
            BinaryOp::Mul => types::product(l.ty, r.ty),
            _ => types::quotient(l.ty, r.ty),
        };
        let Some(ty) = ty else {
            self.cx.bad_arithmetic(op, e.span, (left, l.ty), (right, r.ty));
            return None;
        };
        let node = self.push(match op {
            BinaryOp::Add => Node::Add(l.node, r.node),
            BinaryOp::Sub => Node::Sub(l.node, r.node),
            BinaryOp::Mul => Node::Mul(l.node, r.node),
            _ => Node::Div(l.node, r.node),
        });
        Some(Val { node, ty, zero: false, live: true })
    }

    fn value_name(&mut self, e: &'a Expr, path: &'a [Name]) -> Option<Val> {
        let live = |node, ty| Some(Val { node, ty, zero: false, live: true });
        let n = match path {
            [n] => n,
            [root, field] => match (root.node.as_str(), field.node.as_str()) {
                ("phase", "elapsed") => return live(self.push(Node::PhaseElapsed), Ty::Duration),
                ("rollout", "elapsed") => {
                    return live(self.push(Node::RolloutElapsed), Ty::Duration);
                }
                ("phase" | "rollout", other) => {
                    self.cx.push(
                        Diagnostic::error("E0201", format!("`{}` has no field `{other}`", root.node), field.span, "")
                            .help(format!("there is `{}.elapsed`", root.node)),
                    );
                    return None;
                }
                _ if self.cx.has_fields(root) => return self.field(e, root, field, None),
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
            word @ ("now" | "undecided") => {
                self.lonely(word, e.span);
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
            Some(Decl::Score(s)) => self.score(s),
            Some(Decl::Later(_)) => {
                self.cx.use_name(&n.node);
                None
            }
            Some(Decl::Module(m)) => {
                self.cx.not_in_module(m, e.span);
                None
            }
            Some(d) => {
                self.cx.use_name(&n.node);
                let found = Diagnostic::error(
                    "E0204",
                    format!("`{}` is {}, and has no value to compare", n.node, d.a()),
                    e.span,
                    "",
                )
                .also(d.span(), "declared here");
                self.cx.push(match d {
                    Decl::Window(_) => found.help(format!("write `now in {}`", n.node)),
                    Decl::Signoff(_) => found.help(format!("write `signed_off({})`", n.node)),
                    Decl::Probe(_) => {
                        found.help(format!("it has `{0}.success`, `{0}.latency`, `{0}.availability(7d)`", n.node))
                    }
                    Decl::Load(_) => found.help(format!("it has `{0}.success`, `{0}.latency`", n.node)),
                    Decl::Slo(_) => found.help(format!("it has `{0}.burn(1h)`, `{0}.spent`", n.node)),
                    _ => found,
                });
                None
            }
            None => {
                self.cx.unknown_name(&n.node, e.span);
                None
            }
        }
    }

    /// A word that means something only beside others.
    fn lonely(&self, word: &str, span: Span) {
        let (what, help) = if word == "now" {
            ("`now` is asked for its window only", "write `now in office`, with the name of a `window`")
        } else {
            ("`undecided` stands behind `confidence` only", "write `errors <= stable confidence 99% or undecided`")
        };
        self.cx.push(Diagnostic::error("E0204", what, span, "").help(help));
    }
}
