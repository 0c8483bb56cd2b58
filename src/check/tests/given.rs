//! `given …`: what it stands for in the plan, and its values.

use super::super::suggest;
use super::lines::Compiler;
use super::{Course, Given, Replaced, Stretch, nodes, series};
use crate::check::metrics::Body;
use crate::check::scope::Decl;
use crate::check::types::{self, Ty, Value};
use crate::plan::{Millis, Node, NodeId, Population};
use crate::syntax::ast::{self, Arg, Expr, ExprKind, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// What an expression of a test is in the plan.
struct Target {
    what: Replaced,
    /// The type of its values.
    ty: Ty,
    /// The window over which its events are counted, where it counts some.
    counted: Option<Millis>,
}

impl<'a> Compiler<'_, 'a> {
    pub(super) fn given(
        &self,
        population: Option<&Name>,
        what: &'a Expr,
        value: &'a ast::Given,
        during: Stretch,
        timed: bool,
        span: Span,
    ) -> Option<Given> {
        let population = match population.map(|n| (n, n.node.as_str())) {
            None | Some((_, "canary")) => Population::Canary,
            Some((_, "stable")) => Population::Stable,
            Some((_, "before")) => Population::Before,
            Some((n, _)) => {
                self.unknown("population", n, &["stable", "before", "canary"], "there are", "");
                return None;
            }
        };
        if population == Population::Before && timed {
            self.cx.push(
                Diagnostic::error("E0483", "`before` is read once, before the first change", span, "has no course")
                    .help("leave `from` and `to` out"),
            );
            return None;
        }
        let (what, slices) = self.indexed(what)?;
        let target = self.target(population, what)?;
        // what is read before the first change is read of a slice that is there
        if let (Some(key), true) = (slices.one(), population != Population::Before) {
            let mut keys = self.keys.borrow_mut();
            let next = keys.len();
            keys.entry(key).or_insert(next);
        }
        let (course, rate) = match value {
            ast::Given::Value(e) => (self.value(&target, what, e)?, None),
            ast::Given::Of { share, rate } => {
                let per_second = match self.cx.constant(rate, "`of`")? {
                    Value::Num(v, Ty::Rate) if v >= 0.0 => v,
                    other => {
                        self.cx.wants(rate, &other, Ty::Rate, "`of`");
                        return None;
                    }
                };
                if target.counted.is_none() {
                    self.cx.push(
                        Diagnostic::error("E0483", "this has no number of events", rate.span, "so many of what?")
                            .also(what.span, "no `events` metric, and no share or quantile of a histogram")
                            .help("leave `of …` out"),
                    );
                    return None;
                }
                (Course::Steady(self.number(&target, what, share)?), Some(per_second))
            }
            ast::Given::Ramp { from, to } => {
                if during.to == Millis::MAX {
                    self.cx.push(
                        Diagnostic::error("E0483", "a ramp has an end", span, "until when?")
                            .help("say so: `ramps 70% to 90% from 5m to 10m`"),
                    );
                    return None;
                }
                (Course::Ramp(self.number(&target, what, from)?, self.number(&target, what, to)?), None)
            }
        };
        self.is_a_share(&target, what, &course)?;
        let during = match &course {
            // behind its last value a series says nothing
            Course::Series { values, step } => {
                let length = i64::try_from(values.len()).unwrap_or(Millis::MAX).saturating_mul(*step);
                Stretch { from: during.from, to: during.to.min(during.from.saturating_add(length)) }
            }
            _ => during,
        };
        Some(Given { what: target.what, slices, course, rate, window: target.counted.unwrap_or(0), during, span })
    }

    /// Lowers what is given, and looks where it stands in the plan.
    fn target(&self, population: Population, what: &'a Expr) -> Option<Target> {
        if let Some(counter) = self.counter(population, what)? {
            return Some(counter);
        }
        let found = self.cx.found.borrow().len();
        let mut lower = self.lower.borrow_mut();
        lower.population = population;
        // a condition by itself can be given too: whether a signoff is there is no number
        let condition = matches!(&what.kind, ExprKind::Call { callee, .. }
            if matches!(callee.as_slice(), [n] if matches!(n.node.as_str(), "signed_off" | "alert_firing" | "silenced")));
        let lowered = if condition {
            lower.condition(what).map(|node| (node, Ty::Bool))
        } else {
            lower.value(what).map(|v| (v.node, v.ty))
        };
        let asked = lowered.and_then(|(n, _)| lower.program.nodes.get(n.index()).cloned());
        lower.population = Population::Canary;
        drop(lower);
        let (node, ty) = match lowered {
            Some(x) => x,
            None => {
                // what is wrong with it was said; should it not have been, it is not passed over
                if self.cx.found.borrow().len() == found {
                    self.nothing(population, what);
                }
                return None;
            }
        };
        let matches = self.matching(node, asked.as_ref());
        if matches.is_empty() {
            self.nothing(population, what);
            return None;
        }
        let counted = matches.iter().find_map(|n| match self.plan.program.nodes.get(n.index())? {
            Node::Events { total, .. } => nodes::window(self.plan, *total),
            Node::Share { buckets, .. } | Node::Quantile { buckets, .. } => nodes::window(self.plan, *buckets),
            _ => None,
        });
        Some(Target { what: Replaced::Nodes(matches), ty, counted })
    }

    /// The nodes of the plan that say what `asked` says.
    fn matching(&self, node: NodeId, asked: Option<&Node>) -> Vec<NodeId> {
        if let Some(Node::Accumulated { input, since_phase, .. }) = asked {
            // each guard sums by itself; `increase(c)` is meant of all that count from an event
            let same = |n: &NodeId| {
                matches!(self.plan.program.nodes.get(n.index()), Some(Node::Accumulated { input: i, since_phase: s, .. })
                    if i == input && (*s || !since_phase))
            };
            return self.live.iter().copied().filter(same).collect();
        }
        if self.live.contains(&node) { vec![node] } else { Vec::new() }
    }

    /// A counter, named by itself: its readings are given. `Some(None)`: it is something else.
    #[expect(clippy::option_option, reason = "wrong, not a counter, or one: three answers")]
    fn counter(&self, population: Population, what: &'a Expr) -> Option<Option<Target>> {
        let ExprKind::Name(path) = &what.kind else { return Some(None) };
        let [n] = path.as_slice() else { return Some(None) };
        let Some(Decl::Metric(m)) = self.cx.scope().names.get(n.node.as_str()) else { return Some(None) };
        let metric = self.cx.metric(&m.name.node)?;
        match metric.body {
            Body::Counter(_) => {}
            Body::Histogram(_) => {
                self.cx.use_name(&n.node);
                let asked = nodes::readable(self.plan);
                let asked: Vec<&str> =
                    asked.iter().map(String::as_str).filter(|t| t.contains(&format!("({}", n.node))).collect();
                let help = if asked.is_empty() {
                    format!("the rollout asks nothing of `{}`", n.node)
                } else {
                    format!("give what the rollout asks of it: {}", suggest::list(&asked))
                };
                self.cx.push(
                    Diagnostic::error("E0483", format!("`{}` is a histogram, not one number", n.node), n.span, "")
                        .help(help),
                );
                return None;
            }
            _ => return Some(None),
        }
        self.cx.use_name(&n.node);
        if population == Population::Before {
            self.cx.push(
                Diagnostic::error("E0483", "a counter's reading before the first change says nothing", what.span, "")
                    .help(format!("give what is read of it: `given before increase({}, 5m) = …`", n.node)),
            );
            return None;
        }
        let tells = self.plan.metrics.iter().any(|m| m.name == n.node && nodes::tells_slices(self.plan, m));
        let of = |i: &crate::plan::Input| i.metric == n.node && i.population == population;
        let read = self.plan.inputs.iter().any(|i| of(i) && (tells || !i.auxiliary));
        if !read {
            self.nothing(population, what);
            return None;
        }
        let what = Replaced::Counter { metric: n.node.clone(), population };
        Some(Some(Target { what, ty: Ty::Count, counted: None }))
    }

    /// The given thing stands nowhere in the rollout.
    fn nothing(&self, population: Population, what: &Expr) {
        let written = self.cx.as_written(what.span);
        let word = match population {
            Population::Canary => "",
            Population::Stable => "stable ",
            Population::Before => "before ",
        };
        let written = format!("{word}{written}");
        let known = nodes::readable(self.plan);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        self.cx.push(
            Diagnostic::error(
                "E0480",
                format!("rollout `{}` does not read `{written}`", self.plan.rollout),
                what.span,
                "nothing would change",
            )
            .help(suggest::help(&written, &known, "it reads", "it reads nothing that is measured")),
        );
    }

    fn value(&self, target: &Target, what: &Expr, e: &'a Expr) -> Option<Course> {
        match &e.kind {
            ExprKind::Name(path) if matches!(path.as_slice(), [n] if n.node == "missing") => {
                return Some(Course::Missing);
            }
            ExprKind::Call { callee, args } if matches!(callee.as_slice(), [n] if n.node == "series") => {
                return self.series(target, what, e, args);
            }
            ExprKind::Call { callee, .. } if matches!(callee.as_slice(), [n] if n.node == "buckets") => {
                self.cx.push(super::super::not_built("buckets", e.span, self.cx.map));
                return None;
            }
            _ => {}
        }
        if target.ty == Ty::Bool {
            return match self.cx.constant(e, "`given`")? {
                Value::Bool(b) if matches!(what.kind, ExprKind::Call { .. }) => Some(Course::Truth(b)),
                Value::Bool(b) => Some(Course::Steady(f64::from(u8::from(b)))),
                other => {
                    self.cx.wants(e, &other, Ty::Bool, &self.named(what));
                    None
                }
            };
        }
        Some(Course::Steady(self.number(target, what, e)?))
    }

    /// A share of counted events is one of nothing to all of them; a gauge can read anything.
    fn is_a_share(&self, target: &Target, what: &Expr, course: &Course) -> Option<()> {
        if target.counted.is_none() || !matches!(target.ty, Ty::Ratio | Ty::Quotient) {
            return Some(());
        }
        let values: Vec<f64> = match course {
            Course::Steady(v) => vec![*v],
            Course::Ramp(from, to) => vec![*from, *to],
            Course::Series { values, .. } => {
                values.iter().filter_map(|s| if let super::Sample::Is(v) = s { Some(*v) } else { None }).collect()
            }
            Course::Truth(_) | Course::Missing => Vec::new(),
        };
        let Some(beyond) = values.into_iter().find(|v| !(0.0..=1.0).contains(v)) else { return Some(()) };
        let is = crate::plan::show::brief(beyond, crate::plan::Unit::Ratio);
        self.cx.push(
            Diagnostic::error("E0483", format!("{} of counted events cannot be", is), what.span, "a share of events")
                .help("give a share from 0% to 100%"),
        );
        None
    }

    fn named(&self, what: &Expr) -> String {
        format!("`given {}`", self.cx.as_written(what.span))
    }

    /// A constant of the type of what is given, in base units.
    fn number(&self, target: &Target, what: &Expr, e: &'a Expr) -> Option<f64> {
        match self.cx.constant(e, &self.named(what))? {
            Value::Num(v, ty) if types::fits(ty, v == 0.0, target.ty) => Some(v),
            other => {
                let want = if target.ty == Ty::Quotient { Ty::Ratio } else { target.ty };
                self.cx.wants(e, &other, want, &self.named(what));
                None
            }
        }
    }

    /// ``series(`70 70 _x3`, step: 1m, unit: 1%)``
    fn series(&self, target: &Target, what: &Expr, e: &'a Expr, args: &'a [Arg]) -> Option<Course> {
        let (mut text, mut step, mut unit) = (None, None, None);
        for a in args {
            match (a.name.as_ref().map(|n| n.node.as_str()), &a.value.kind) {
                (None, ExprKind::Raw(t) | ExprKind::Text(t)) if text.is_none() => text = Some((t, a.value.span)),
                (Some("step"), _) if step.is_none() => step = Some(self.cx.duration(&a.value, "`step:`", 1)?),
                (Some("unit"), _) if unit.is_none() => unit = Some(self.number(target, what, &a.value)?),
                _ => {
                    text = None;
                    break;
                }
            }
        }
        let (Some((text, at)), Some(step)) = (text, step) else {
            self.cx.push(
                Diagnostic::error("E0207", "wrong arguments", e.span, "")
                    .help("write ``series(`70 70 _x3`, step: 1m, unit: 1%)``"),
            );
            return None;
        };
        let plain = matches!(target.ty, Ty::Count | Ty::Number | Ty::Quotient | Ty::Bool);
        if unit.is_none() && !plain {
            self.cx.push(
                Diagnostic::error("E0301", "these numbers have no unit", at, format!("this is {}", target.ty.a()))
                    .help(format!("say what a 1 stands for: `unit: {}`", one(target.ty))),
            );
            return None;
        }
        match series::parse(text, unit.unwrap_or(1.0)) {
            Ok(values) if !values.is_empty() => Some(Course::Series { values, step }),
            Ok(_) => {
                self.cx.push(Diagnostic::error("E0483", "a series has values", at, "none").help("`70 70 _x3 70+2x10`"));
                None
            }
            Err((token, why)) => {
                self.cx.push(
                    Diagnostic::error("E0483", format!("`{token}` is no value of a series"), at, why)
                        .help("values are `70`, `70x3`, `70+2x10`, `_`, `_x3`, `stale`, `NaN`"),
                );
                None
            }
        }
    }
}

/// One of a type's usual unit.
fn one(ty: Ty) -> &'static str {
    match ty {
        Ty::Ratio | Ty::Quotient => "1%",
        Ty::Points => "1pp",
        Ty::Duration => "1ms",
        Ty::Rate => "1/s",
        Ty::Bytes => "1MiB",
        _ => "1",
    }
}
