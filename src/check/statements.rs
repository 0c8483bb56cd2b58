//! Statements of a rollout's head that say what goes with it: releases, gates, cooldown, slices' order, drift, routes, what must have
//! gone before.

use super::expr::Place;
use super::head::Head;
use super::rollout::Builder;
use super::scope::Decl;
use super::suggest;
use crate::plan::{After, Drift, Gate, Release, Route, RouteBy, SliceValues, StartSlices};
use crate::syntax::ast::{self, Name, Statement};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Builder<'_, 'a> {
    /// One of these statements; `false` when it is another.
    pub(super) fn head_statement(&mut self, s: &'a Statement, head: &mut Head<'a>) -> bool {
        let cx = self.cx;
        match s {
            Statement::Release { canary, stable, proven_by, span } => {
                let made = self.release(canary, stable.as_ref(), proven_by.as_deref(), *span);
                if head.once(cx, "release", *span) {
                    head.release = made;
                }
            }
            Statement::Advance(cond, span) => {
                let node = self.lower.condition_at(Place::Promote, cond);
                if head.once(cx, "advance when", *span) {
                    head.advance = node.map(|when| Gate { when, text: cx.as_written(cond.span) });
                }
            }
            Statement::Cooldown { length, after, span } => {
                let d = cx.duration(length, "`cooldown`", 1);
                if after.node != "rollback" {
                    cx.push(
                        Diagnostic::error(
                            "E0434",
                            format!("no cooldown after `{}`", after.node),
                            after.span,
                            "only after `rollback`",
                        )
                        .help("write `cooldown 24h after rollback`")
                        .fix(after.span, "rollback"),
                    );
                }
                if head.once(cx, "cooldown", *span) {
                    head.cooldown = d;
                }
            }
            Statement::StartSlices { by, limit, span } => {
                let made = self.start_slices(by, limit.as_ref());
                if head.once(cx, "start slices by", *span) {
                    head.start_slices = made;
                }
            }
            Statement::Drift(word, span) => {
                let drift = self.drift(word);
                if let Some(Drift::Correct | Drift::Tell) = drift {
                    self.lower.later(&format!("drift {}", word.node), *span);
                }
                if head.once(cx, "drift", *span) {
                    head.drift = drift;
                }
            }
            Statement::Route { port, by, key, value, span } => {
                self.lower.later("route", *span);
                if let Some((name, by)) = self.route(port, by) {
                    let known = head.routes.iter().any(|(n, b, k, v, _)| {
                        n.node == name.node
                            && *b == by
                            && *k == key.node
                            && *v == value.as_ref().map(|v| v.node.clone())
                    });
                    if known {
                        let what = format!("this route of `{}` stands here twice", name.node);
                        cx.push(Diagnostic::error("E0436", what, *span, "again here").help("keep one of them"));
                    }
                    head.routes.push((name, by, key.node.clone(), value.as_ref().map(|v| v.node.clone()), *span));
                }
            }
            Statement::After { rollout, within, span } => {
                self.lower.later("after", *span);
                let within = cx.duration(within, "`within`", 1);
                if rollout.node == self.rollout.name.node {
                    cx.push(
                        Diagnostic::error(
                            "E0437",
                            format!("rollout `{}` waits for itself", rollout.node),
                            rollout.span,
                            "never promoted before",
                        )
                        .help("name another rollout; after a failed try there is `cooldown 24h after rollback`"),
                    );
                } else if head.after.iter().any(|a| a.rollout == rollout.node) {
                    let what = format!("`after {}` stands here twice", rollout.node);
                    cx.push(Diagnostic::error("E0437", what, *span, "again here").help("keep one of them"));
                } else if let Some(within) = within {
                    // it may be declared in another file: nothing is said of a name that is not here, unless it is nearly one that is
                    let names: Vec<&str> = cx.scope().rollouts.iter().map(|r| r.name.node.as_str()).collect();
                    let near = suggest::nearest(&rollout.node, names.iter().copied());
                    if let (Some(near), false) = (near, names.contains(&rollout.node.as_str())) {
                        cx.push(
                            Diagnostic::error("E0201", format!("unknown rollout `{}`", rollout.node), rollout.span, "")
                                .help(format!("did you mean `{near}`?")),
                        );
                    }
                    head.after.push(After { rollout: rollout.node.clone(), within });
                }
            }
            _ => return false,
        }
        true
    }

    fn release(
        &mut self,
        canary: &'a crate::syntax::source::Spanned<String>,
        stable: Option<&'a crate::syntax::source::Spanned<String>>,
        proven_by: Option<&'a [Name]>,
        span: Span,
    ) -> Option<Release> {
        let cx = self.cx;
        for text in std::iter::once(canary).chain(stable) {
            // it stands between quotes of label matchers, in notices and in arguments
            let plain = |c: char| !c.is_control() && !matches!(c, '"' | '\\' | '`' | '$');
            if text.node.is_empty() || !text.node.chars().all(plain) {
                cx.push(
                    Diagnostic::error(
                        "E0438",
                        format!("{:?} cannot be the name of a release", text.node),
                        text.span,
                        "",
                    )
                    .help("the name of a branch, tag or version, without quotes, `\\`, `$` and line breaks"),
                );
                return None;
            }
        }
        if let Some(s) = stable.filter(|s| s.node == canary.node) {
            cx.push(
                Diagnostic::error("E0438", "canary and stable are the same release", s.span, "the same")
                    .also(canary.span, "as this")
                    .help("nothing would be compared: name two"),
            );
            return None;
        }
        let proven_by = match proven_by {
            None => None,
            Some(path) => {
                let name = cx.one_name(path, "a metric")?;
                let is_metric = |d: &Decl<'_>| matches!(d, Decl::Metric(_));
                cx.expect_decl(name, "metrics", "declare it with `metric name: kind = …`", is_metric)?;
                self.lower.later("release … proven by", span);
                Some(name.node.clone())
            }
        };
        Some(Release { canary: canary.node.clone(), stable: stable.map(|s| s.node.clone()), proven_by })
    }

    fn start_slices(&self, by: &'a Name, limit: Option<&'a (ast::Expr, ast::Expr)>) -> Option<StartSlices> {
        let cx = self.cx;
        let limit = match limit {
            None => Some(None),
            Some((n, d)) => {
                let (n, d) = (cx.count(n, "`limit`", 1), cx.duration(d, "`limit … per`", 1));
                n.zip(d).map(Some)
            }
        };
        let dims: Vec<&str> = self.rollout.per.iter().map(|n| n.node.as_str()).collect();
        if !dims.contains(&by.node.as_str()) {
            cx.push(
                Diagnostic::error("E0433", format!("`{}` is no dimension of this rollout", by.node), by.span, "").help(
                    suggest::help(&by.node, &dims, "its dimensions", "it has no slices: write `per` behind its name"),
                ),
            );
            return None;
        }
        let listed = self.lower.slices.iter().find(|s| s.name == by.node);
        if let Some(SliceValues::Of(metric)) = listed.map(|s| &s.values) {
            cx.push(
                Diagnostic::error("E0433", format!("the values of `{}` have no order", by.node), by.span, format!("seen in `{metric}`"))
                    .help("start by a dimension that is listed, the least risky first: `slice severity in [\"low\", \"high\"]`"),
            );
            return None;
        }
        Some(StartSlices { by: by.node.clone(), limit: limit? })
    }

    fn drift(&self, word: &Name) -> Option<Drift> {
        let words = [Drift::Pause, Drift::Correct, Drift::Tell];
        let found = words.into_iter().find(|d| d.word() == word.node);
        if found.is_none() {
            self.cx.push(
                Diagnostic::error("E0435", format!("`drift` is not followed by `{}`", word.node), word.span, "")
                    .help(suggest::help(&word.node, &words.map(Drift::word), "it takes", "")),
            );
        }
        found
    }

    fn route(&self, port: &'a Name, by: &Name) -> Option<(&'a Name, RouteBy)> {
        let cx = self.cx;
        let is_traffic = |d: &Decl<'_>| matches!(d, Decl::Traffic(_));
        let port = cx.expect_decl(port, "traffic ports", "declare it with `traffic name`", is_traffic).map(|_| port);
        let words = [RouteBy::Header, RouteBy::Cookie];
        let Some(by) = words.into_iter().find(|b| b.word() == by.node) else {
            cx.push(
                Diagnostic::error("E0436", format!("nothing is routed by `{}`", by.node), by.span, "")
                    .help(suggest::help(&by.node, &words.map(RouteBy::word), "it is routed by", "")),
            );
            return None;
        };
        Some((port?, by))
    }

    /// The routes, now that the ports have their places; one of a port that no phase sets leads nowhere.
    pub(super) fn routes(&self, head: &Head<'a>) -> Vec<Route> {
        let mut out = Vec::new();
        for (name, by, key, value, span) in &head.routes {
            let Some(port) = self.ports.iter().position(|p| p.name == name.node) else {
                self.cx.push(
                    Diagnostic::error(
                        "E0436",
                        format!("`{}` is routed, and no phase sets it", name.node),
                        *span,
                        "leads nowhere",
                    )
                    .help("set it in a phase, or remove the route"),
                );
                continue;
            };
            out.push(Route { port: crate::plan::PortId::at(port), by: *by, key: key.clone(), value: value.clone() });
        }
        out
    }
}
