//! Fields of what a policy declares: `journey.success`, `journey.availability(7d)`, `burst.latency`, `platform_slo.burn(1h)`. A probe
//! and a load answer like a source of metrics of their own name, whose series are these.

use super::Cx;
use super::expr::{Lower, Val};
use super::inputs::How;
use super::metrics::Source;
use super::promql::{self, Template};
use super::scope::Decl;
use super::suggest;
use super::types::Ty;
use crate::plan::{InputId, Millis, Node, Population, Window};
use crate::syntax::ast::{self, Arg, Name};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// Flows or requests that failed, all of them, and how long they took in seconds.
const FAILED: &str = "requests_failed_total";
const ALL: &str = "requests_total";
const TOOK: &str = "requests_duration_seconds_bucket";

/// How long a probe's results are taken to be fresh: so many flows.
const FLOWS: Millis = 4;
/// What a burst counts is its last one, however long ago: the answer of the source, not a window of it.
const LAST_BURST: Millis = 86_400_000;

/// What has fields.
#[derive(Clone, Copy)]
enum Root<'a> {
    Probe(&'a ast::Probe),
    Load(&'a ast::Load),
    Slo(&'a ast::Slo),
}

impl<'a> Cx<'a> {
    /// The declaration in front of a field, if it has fields.
    pub(super) fn has_fields(&self, root: &Name) -> bool {
        self.root(root).is_some()
    }

    fn root(&self, root: &Name) -> Option<Root<'a>> {
        match self.scope().names.get(root.node.as_str())? {
            Decl::Probe(p) => Some(Root::Probe(p)),
            Decl::Load(l) => Some(Root::Load(l)),
            Decl::Slo(s) => Some(Root::Slo(s)),
            _ => None,
        }
    }

    /// The series of a probe or load.
    fn field_source(&self, root: Root<'a>, series: &str) -> Option<Source<'a>> {
        let (port, raw, window, max_age) = match root {
            Root::Probe(p) => {
                let made = self.probe(p)?;
                let fresh = made.every.saturating_mul(FLOWS);
                (&p.name, p.name.span, fresh.max(60_000), fresh + made.timeout)
            }
            Root::Load(l) => {
                let (_, within) = self.load(l)?;
                (&l.name, l.name.span, LAST_BURST, LAST_BURST.max(within))
            }
            Root::Slo(_) => return None,
        };
        let template = Template::scan(series).ok()?;
        let asked = promql::inspect(&promql::parse(series).ok()?);
        Some(Source { port, template, raw, window: Some(window), max_age: Some(max_age), lag: 0, scale: 1.0, asked })
    }
}

impl<'a> Lower<'_, 'a> {
    /// `n.field` or `n.field(window)` as a value; `None` where it was reported.
    pub(super) fn field(
        &mut self,
        e: &ast::Expr,
        root: &'a Name,
        field: &'a Name,
        args: Option<&'a [Arg]>,
    ) -> Option<Val> {
        let cx = self.cx;
        cx.use_name(&root.node);
        let of = cx.root(root)?;
        let window = match args {
            None => None,
            Some([Arg { name: None, value }]) => Some(cx.duration(value, "a window", 1)?),
            Some(_) => {
                let shape = format!("write `{}.{}(7d)`", root.node, field.node);
                cx.push(Diagnostic::error("E0207", "wrong arguments", e.span, "").help(shape));
                return None;
            }
        };
        let (node, ty) = match (of, field.node.as_str(), window) {
            (Root::Slo(s), "burn", Some(w)) => {
                let objective = cx.objective(s)?;
                return self.burnt(s, objective, Some(w), e.span);
            }
            (Root::Slo(s), "spent", None) => {
                let objective = cx.objective(s)?;
                return self.burnt(s, objective, None, e.span);
            }
            (Root::Probe(_) | Root::Load(_), "success", w) => {
                let (bad, total) = self.counted_field(of, root, w, e.span)?;
                (Node::Events { bad, total }, Ty::Ratio)
            }
            (Root::Probe(_), "availability", Some(w)) => {
                let (bad, total) = self.counted_field(of, root, Some(w), e.span)?;
                (Node::Availability { bad, total }, Ty::Ratio)
            }
            (Root::Probe(_) | Root::Load(_), "latency", _) => {
                let name = format!("{}.latency", root.node);
                cx.push(
                    Diagnostic::error(
                        "E0309",
                        format!("`{name}` is a histogram, not one number"),
                        e.span,
                        "ask for a share or a quantile",
                    )
                    .help(format!("`share({name} < 300ms)` or `p95({name})`")),
                );
                return None;
            }
            (of, word, _) => {
                self.no_field(of, root, field, word);
                return None;
            }
        };
        let node = self.push(node);
        Some(Val { node, ty, zero: false, live: true })
    }

    fn no_field(&self, of: Root<'_>, root: &Name, field: &Name, word: &str) {
        let known: &[&str] = match of {
            Root::Probe(_) => &["success", "latency", "availability"],
            Root::Load(_) => &["success", "latency"],
            Root::Slo(_) => &["burn", "spent"],
        };
        let n = &root.node;
        let shape = match (of, known.contains(&word)) {
            (Root::Slo(_), true) => format!("write `{n}.burn(1h)` or `{n}.spent`"),
            (_, true) => format!("write `{n}.availability(7d)`"),
            _ => suggest::help(word, known, "its fields", ""),
        };
        let (code, message) = if known.contains(&word) {
            ("E0207", format!("`{n}.{word}` is not written like this"))
        } else {
            ("E0201", format!("`{n}` has no field `{word}`"))
        };
        self.cx.push(Diagnostic::error(code, message, field.span, "").help(shape));
    }

    /// Failed and all flows or requests, over a window.
    fn counted_field(
        &mut self,
        of: Root<'a>,
        root: &Name,
        window: Option<Millis>,
        at: Span,
    ) -> Option<(InputId, InputId)> {
        let bad = self.field_input(of, root, "success", FAILED, window, at, How::Increase);
        let total = self.field_input(of, root, "success", ALL, window, at, How::Increase);
        Some((bad?, total?))
    }

    #[expect(clippy::too_many_arguments, reason = "one question, its name and its place")]
    fn field_input(
        &mut self,
        of: Root<'a>,
        root: &Name,
        field: &str,
        series: &str,
        window: Option<Millis>,
        at: Span,
        how: impl Fn(Window) -> How,
    ) -> Option<InputId> {
        let cx = self.cx;
        if self.population == Population::Stable {
            cx.push(
                Diagnostic::error(
                    "E0313",
                    format!("`{}` has one population: there is no `stable` of it", root.node),
                    self.pronoun.unwrap_or(at),
                    "",
                )
                .help("compare it with a constant, or with `before`"),
            );
            return None;
        }
        let source = cx.field_source(of, series)?;
        let w = match self.population {
            Population::Before => self.baseline,
            _ => window.or(source.window)?,
        };
        match of {
            Root::Probe(p) => {
                self.later("probe", p.span);
                if !self.probes.iter().any(|q| q.name.node == p.name.node) {
                    self.probes.push(p);
                }
            }
            Root::Load(_) | Root::Slo(_) => {}
        }
        let id = self.input(&format!("{}.{field}", root.node), &source, how(Window::Last(w)), at)?;
        if let (Root::Load(_), Some(input)) = (of, self.inputs.list.get_mut(id.index())) {
            // the last burst, whenever it was: nothing of it reaches back to before the settings
            input.reach = 0;
        }
        Some(id)
    }

    /// The buckets of `n.latency`, for a share or a quantile: with their name.
    pub(super) fn latency_field(
        &mut self,
        root: &'a Name,
        field: &'a Name,
        window: Option<Millis>,
        at: Span,
    ) -> Option<InputId> {
        self.cx.use_name(&root.node);
        let of = self.cx.root(root)?;
        match (of, field.node.as_str()) {
            (Root::Probe(_) | Root::Load(_), "latency") => {
                self.field_input(of, root, "latency", TOOK, window, at, How::Buckets)
            }
            (_, word @ ("success" | "availability" | "burn" | "spent")) => {
                self.cx.push(
                    Diagnostic::error("E0204", format!("`{}.{word}` is not one of the histograms", root.node), at, "")
                        .help("a probe and a load have `.latency`"),
                );
                None
            }
            (of, word) => {
                self.no_field(of, root, field, word);
                None
            }
        }
    }
}
