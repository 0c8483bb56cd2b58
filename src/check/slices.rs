//! Slices: their dimensions, which ports have one for each, and one slice's value in a condition.

use super::Cx;
use super::environment::Chosen;
use super::expr::{Lower, Val};
use super::rollout::Builder;
use super::scope::Decl;
use super::suggest;
use super::types::Value;
use crate::plan::{Guard, Input, InputId, Metric, Node, Population, Slice, SliceValues, Window};
use crate::syntax::ast::{self, Expr, Name};
use crate::syntax::diagnostic::Diagnostic;

impl<'a> Cx<'a> {
    /// A dimension by itself, used or not.
    pub(super) fn check_slice(&self, s: &'a ast::Slice) {
        let _ = self.slice_values(s);
    }

    /// Where a dimension's values come from; what is wrong is reported.
    fn slice_values(&self, s: &'a ast::Slice) -> Option<SliceValues> {
        match &s.values {
            ast::SliceValues::In(list) => {
                let Value::List(items) = self.constant(list, "a slice")? else {
                    self.bad_slice(list.span, "a list of values is needed");
                    return None;
                };
                let mut out: Vec<String> = Vec::new();
                for item in items {
                    match item {
                        Value::Text(t) if t.is_empty() => {
                            self.bad_slice(list.span, "a value of a slice is empty");
                            return None;
                        }
                        Value::Text(t) if out.contains(&t) => {
                            self.bad_slice(list.span, &format!("{t:?} stands twice in slice `{}`", s.name.node));
                            return None;
                        }
                        Value::Text(t) => out.push(t),
                        other => {
                            self.bad_slice(
                                list.span,
                                &format!("the values of a slice are texts, and this is {}", other.a()),
                            );
                            return None;
                        }
                    }
                }
                if out.is_empty() {
                    self.bad_slice(list.span, &format!("slice `{}` has no value", s.name.node));
                    return None;
                }
                Some(SliceValues::Listed(out))
            }
            ast::SliceValues::Of { metric, label } => {
                let metric = self.one_name(metric, "a metric")?;
                let is_metric = |d: &Decl<'_>| matches!(d, Decl::Metric(_));
                self.expect_decl(metric, "metrics", "declare it with `metric name: kind = …`", is_metric)?;
                if let Some(label) = label
                    && !is_label(&label.node)
                {
                    self.bad_slice(label.span, &format!("{:?} cannot be a label's name", label.node));
                    return None;
                }
                Some(SliceValues::Of(metric.node.clone()))
            }
        }
    }

    fn bad_slice(&self, span: crate::syntax::source::Span, message: &str) {
        self.push(Diagnostic::error("E0431", message, span, "").help(
            "for example `slice severity in [\"low\", \"high\"]`, or `slice tenant of agreement label \"tenant_id\"`",
        ));
    }

    /// The dimensions behind a `per`, each declared, each once.
    pub(super) fn dims(&self, per: &'a [Name]) -> Vec<&'a ast::Slice> {
        let mut out: Vec<&'a ast::Slice> = Vec::new();
        for name in per {
            let is_slice = |d: &Decl<'_>| matches!(d, Decl::Slice(_));
            let how = "declare it with `slice name in [\"a\", \"b\"]` or `slice name of metric`";
            let Some(Decl::Slice(s)) = self.expect_decl(name, "slices", how, is_slice) else { continue };
            if out.iter().any(|o| o.name.node == s.name.node) {
                self.push(
                    Diagnostic::error(
                        "E0430",
                        format!("`{}` stands twice behind `per`", name.node),
                        name.span,
                        "again here",
                    )
                    .help("keep one of them"),
                );
                continue;
            }
            out.push(s);
        }
        out
    }

    /// A path of one word.
    pub(super) fn one_name(&self, path: &'a [Name], what: &str) -> Option<&'a Name> {
        match path {
            [n] => Some(n),
            [first, .., last] => {
                let span = first.span.to(last.span);
                match self.scope().names.get(first.node.as_str()) {
                    Some(Decl::Later(_)) => self.use_name(&first.node),
                    _ => self.push(
                        Diagnostic::error("E0204", format!("{what} is needed here, by its name"), span, "")
                            .help("name it with `metric name: kind = …`"),
                    ),
                }
                None
            }
            [] => None,
        }
    }
}

/// What a label may be called.
pub(super) fn is_label(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The inputs whose rows tell which slices there are.
pub(super) fn seen_in(slices: &[Slice], inputs: &[Input], guards: &[Guard], metrics: &[Metric]) -> Vec<InputId> {
    if slices.is_empty() {
        return Vec::new();
    }
    let named = slices.iter().filter_map(|s| match &s.values {
        SliceValues::Of(metric) => metrics.iter().find(|m| m.name == *metric),
        SliceValues::Listed(_) => None,
    });
    let named: Vec<InputId> = named.flat_map(|m| m.inputs.iter().copied()).collect();
    let canary = |i: &Input| i.population == Population::Canary && !i.by.is_empty();
    let tells = |id: &InputId| match named.is_empty() {
        true => guards.iter().any(|g| g.inputs.contains(id)),
        false => named.contains(id),
    };
    (0..inputs.len()).map(InputId::at).filter(|id| inputs.get(id.index()).is_some_and(canary) && tells(id)).collect()
}

impl<'a> Builder<'_, 'a> {
    /// The dimensions of the rollout, as the plan holds them.
    pub(super) fn lower_slices(&mut self, env: Option<&Chosen<'a>>) -> Vec<Slice> {
        let cx = self.cx;
        let dims = cx.dims(&self.rollout.per);
        let mut out = Vec::new();
        for s in dims {
            let declared = match &s.values {
                ast::SliceValues::Of { label: Some(l), .. } => Some(l.node.clone()),
                _ => None,
            };
            let label = env.and_then(|e| e.label(&s.name.node)).map(str::to_owned).or(declared);
            let Some(values) = cx.slice_values(s) else { continue };
            let label = label.unwrap_or_else(|| s.name.node.clone());
            out.push(Slice { name: s.name.node.clone(), label, values });
        }
        self.lower.slices = out.clone();
        out
    }

    /// Has the metrics asked whose labels tell which slices there are, though no rule may read them.
    pub(super) fn ask_for_slices(&mut self, slices: &[Slice]) {
        use super::inputs::How;
        use super::metrics::Body;
        let cx = self.cx;
        self.lower.auxiliary = true;
        for dim in self.cx.dims(&self.rollout.per) {
            let ast::SliceValues::Of { metric, .. } = &dim.values else { continue };
            let Some(name) = metric.first().map(|n| n.node.as_str()) else { continue };
            if !slices.iter().any(|s| s.name == dim.name.node) || self.lower.metrics.contains(&name) {
                continue;
            }
            self.lower.metrics.push(name);
            // what is shown by no single value is asked over the usual window
            if let Some(m) = cx.metric(name) {
                let _ = match &m.body {
                    Body::Counter(source) => {
                        let window = Window::Last(self.lower.usual_window(source));
                        self.lower.input(name, source, How::Increase(window), dim.name.span)
                    }
                    Body::Histogram(source) => {
                        let window = Window::Last(self.lower.usual_window(source));
                        self.lower.input(name, source, How::Buckets(window), dim.name.span)
                    }
                    _ => None,
                };
            }
        }
        self.lower.auxiliary = false;
    }

    /// Whether a port has one for each slice of what sets it, and for no other; why not is reported.
    pub(super) fn same_dims(&self, per: &'a [Name], used: &Name, declared: crate::syntax::source::Span) -> Option<()> {
        let names = |list: &[Name]| {
            let mut out: Vec<String> = list.iter().map(|n| n.node.clone()).collect();
            out.sort_unstable();
            out.dedup();
            out
        };
        if self.any_dims || names(per) == names(self.dims) {
            return Some(());
        }
        let written = |list: &[Name]| match list {
            [] => String::from("has one life for all"),
            list => format!("is `per {}`", list.iter().map(|n| n.node.as_str()).collect::<Vec<_>>().join(", ")),
        };
        let what = self.dims_of;
        let want: Vec<&str> = self.dims.iter().map(|n| n.node.as_str()).collect();
        self.cx.push(
            Diagnostic::error(
                "E0430",
                format!("`{}` {}, and {what} {}", used.node, written(per), written(self.dims)),
                used.span,
                "would be set by one slice for another",
            )
            .also(declared, "declared here")
            .help(if want.is_empty() {
                format!("leave `per` out of its declaration, or write it behind {what}")
            } else {
                format!("declare it `per {}`", want.join(", "))
            }),
        );
        None
    }
}

impl<'a> Lower<'_, 'a> {
    /// `precision[tenant: "acme"]`
    pub(super) fn at_slice(&mut self, e: &'a Expr, base: &'a Expr, dims: &'a [(Name, Expr)]) -> Option<Val> {
        let dims = self.cx.slice_dims(dims);
        let base = self.value(base)?;
        let dims = dims?;
        self.later("[…]", e.span);
        let node = self.push(Node::AtSlice { of: base.node, dims });
        Some(Val { node, ..base })
    }
}

impl<'a> Cx<'a> {
    /// `[tenant: "acme", severity: "low"]`: each dimension declared, once, with a value that it has; what is wrong is reported.
    pub(super) fn slice_dims(&self, dims: &'a [(Name, Expr)]) -> Option<Vec<(String, String)>> {
        let cx = self;
        let mut out: Vec<(String, String)> = Vec::new();
        let mut ok = true;
        for (name, value) in dims {
            let is_slice = |d: &Decl<'_>| matches!(d, Decl::Slice(_));
            let how = "declare it with `slice name in [\"a\", \"b\"]` or `slice name of metric`";
            let Some(Decl::Slice(s)) = cx.expect_decl(name, "slices", how, is_slice) else {
                ok = false;
                continue;
            };
            let text = match cx.constant(value, "the value of a slice") {
                Some(Value::Text(t)) if t.is_empty() => {
                    ok = false;
                    cx.push(
                        Diagnostic::error("E0432", "the value of a slice is empty", value.span, "no slice has it")
                            .help(format!("name one, or leave `{}` out", name.node)),
                    );
                    continue;
                }
                Some(Value::Text(t)) => t,
                Some(other) => {
                    ok = false;
                    cx.wants(value, &other, super::types::Ty::Text, "the value of a slice");
                    continue;
                }
                None => {
                    ok = false;
                    continue;
                }
            };
            if let Some(SliceValues::Listed(known)) = cx.slice_values(s)
                && !known.contains(&text)
            {
                ok = false;
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                cx.push(
                    Diagnostic::error("E0432", format!("slice `{}` has no value {text:?}", name.node), value.span, "")
                        .also(s.name.span, "declared here")
                        .help(suggest::help(&text, &known, "its values", "")),
                );
                continue;
            }
            if out.iter().any(|(d, _)| *d == name.node) {
                ok = false;
                cx.push(
                    Diagnostic::error("E0432", format!("`{}` is given twice", name.node), name.span, "again here")
                        .help("keep one of them"),
                );
                continue;
            }
            out.push((name.node.clone(), text));
        }
        ok.then_some(out)
    }
}
