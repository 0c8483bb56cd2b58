//! A value over the checks of the last so many minutes: `avg(pool, 5m)` and its kin, computed by the tool and never by the source.

use super::Cx;
use super::expr::{Lower, Place, Val};
use super::inputs::How;
use super::metrics::Body;
use super::scope::Decl;
use super::types::Ty;
use crate::plan::{Millis, Node, NodeId, OverTime, Population, Window, show};
use crate::syntax::ast::{Arg, Expr, ExprKind};
use crate::syntax::diagnostic::Diagnostic;

/// The functions, but for `quantile`, which histograms have too.
pub(super) const WORDS: [&str; 7] = ["avg", "max", "min", "sum", "stddev", "delta", "rate"];

impl<'a> Lower<'_, 'a> {
    /// `avg(pool, 5m)`
    pub(super) fn over_time(&mut self, word: &str, e: &'a Expr, args: &'a [Arg]) -> Option<Val> {
        let [Arg { name: None, value: of }, Arg { name: None, value: window }] = args else {
            self.cx.push(
                Diagnostic::error("E0207", "wrong arguments", e.span, "")
                    .help(format!("write `{word}(pool, 5m)`: a value, and how far back")),
            );
            return None;
        };
        if word == "rate" && self.names(of, "counter") {
            return self.rate_of_counter(of, window);
        }
        let how = match word {
            "max" => OverTime::Max,
            "min" => OverTime::Min,
            "sum" => OverTime::Sum,
            "stddev" => OverTime::Stddev,
            "delta" => OverTime::Delta,
            "rate" => OverTime::Rate,
            _ => OverTime::Avg,
        };
        self.window_of(word, how, e, of, window)
    }

    /// `quantile(pool, 0.9, 5m)` of a gauge.
    pub(super) fn quantile_over_time(&mut self, q: f64, e: &'a Expr, of: &'a Expr, window: &'a Expr) -> Option<Val> {
        self.window_of("quantile", OverTime::Quantile(q), e, of, window)
    }

    fn window_of(&mut self, word: &str, how: OverTime, e: &'a Expr, of: &'a Expr, window: &'a Expr) -> Option<Val> {
        let cx = self.cx;
        let window_at = window.span;
        let window = cx.duration(window, "a window", 1);
        let value = self.value(of)?;
        let window = window?;
        if !value.live {
            cx.push(Diagnostic::error("E0305", "a constant is always the same", of.span, "").help("write a metric"));
            return None;
        }
        if self.sized(value.node) {
            cx.push(
                Diagnostic::error(
                    "E0309",
                    format!("`{word}` is taken of a gauge, and this counts events"),
                    of.span,
                    "",
                )
                .help("give it its window: `errors(10m)`, `share(latency < 300ms, 10m)`"),
            );
            return None;
        }
        let ty = match (how, value.ty) {
            (_, Ty::Bool | Ty::Time) => None,
            (OverTime::Rate, Ty::Number | Ty::Count | Ty::Quotient) => Some(Ty::Rate),
            (OverTime::Rate, _) => None,
            (OverTime::Delta | OverTime::Stddev, Ty::Ratio) => Some(Ty::Points),
            (OverTime::Delta, Ty::Quotient) => Some(Ty::Number),
            (OverTime::Avg | OverTime::Stddev | OverTime::Quantile(_), Ty::Count) => Some(Ty::Number),
            (_, ty) => Some(ty),
        };
        let Some(ty) = ty else {
            cx.push(
                Diagnostic::error(
                    "E0301",
                    format!("`{word}` of {} has no meaning", value.ty.a()),
                    of.span,
                    format!("this is {}", value.ty.a()),
                )
                .help(if word == "rate" {
                    "how much it changes is `delta(m, 5m)`"
                } else {
                    "compare it as it is"
                }),
            );
            return None;
        };
        if self.place == Place::Require {
            self.cx.window_before_the_start(word, how, e, (of, window_at));
            return None;
        }
        if matches!(how, OverTime::Delta | OverTime::Rate) {
            self.changes.push((window, window_at));
        }
        // the baseline is one value already: its mean
        let node = if self.population == Population::Before && how == OverTime::Avg {
            value.node
        } else if self.population == Population::Before {
            cx.push(
                Diagnostic::error(
                    "E0313",
                    format!("`before` is one value, and `{word}` wants many"),
                    self.pronoun.unwrap_or(e.span),
                    "",
                )
                .help("compare with a constant, or `avg(…)` with `before`"),
            );
            return None;
        } else {
            self.past_of(value.node, how, window)
        };
        Some(Val { node, ty, zero: false, live: true })
    }

    /// A change from the first check of a window to its last, where it holds one check alone, is never known.
    pub(super) fn changes_within_a_check(&mut self, check_every: Millis) {
        for (window, at) in std::mem::take(&mut self.changes) {
            if window <= check_every {
                let every = show::duration(check_every);
                self.cx.push(
                    Diagnostic::error(
                        "E0306",
                        "nothing changes within one check",
                        at,
                        format!("never holds two checks, which are {every} apart"),
                    )
                    .help(format!(
                        "look back farther, for example `{}`, or make `check every` shorter",
                        show::duration(check_every.saturating_mul(4))
                    )),
                );
            }
        }
    }

    /// The node of a window, with one past for all who look back at the same.
    fn past_of(&mut self, of: NodeId, how: OverTime, window: Millis) -> NodeId {
        let (slot, before) = (self.program.pasts, self.program.nodes.len());
        let id = self.push(Node::OverTime { of, how, window, slot });
        if self.program.nodes.len() > before {
            self.program.pasts += 1;
        }
        id
    }

    /// `rate(c, 5m)`: the increase, a second.
    fn rate_of_counter(&mut self, of: &'a Expr, window: &'a Expr) -> Option<Val> {
        let w = self.cx.duration(window, "a window", 1);
        let (name, metric) = self.named(of, "counter", "counters")?;
        let Body::Counter(source) = &metric.body else { return None };
        let w = match self.population {
            Population::Before => self.baseline,
            _ => w?,
        };
        let input = self.input(name, source, How::Increase(Window::Last(w)), of.span)?;
        let node = self.push(Node::Increase(input, 1.0 / seconds(w)));
        Some(Val { node, ty: Ty::Rate, zero: false, live: true })
    }

    /// Whether an expression is the name of a metric of a kind.
    pub(super) fn names(&self, e: &Expr, kind: &str) -> bool {
        match &e.kind {
            ExprKind::Paren(x) => self.names(x, kind),
            ExprKind::Name(path) => match path.as_slice() {
                [n] => is_kind(self.cx, &n.node, kind),
                [root, field] => kind == "histogram" && field.node == "latency" && self.cx.has_fields(root),
                _ => false,
            },
            _ => false,
        }
    }
}

fn is_kind(cx: &Cx<'_>, name: &str, kind: &str) -> bool {
    matches!(cx.scope().names.get(name), Some(Decl::Metric(m)) if m.kind.node == kind)
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds stay below 2^53")]
fn seconds(ms: Millis) -> f64 {
    ms as f64 / 1000.0
}
