//! Phases: what is set, what is run, what is waited for.

use super::expr::Place;
use super::rollout::Builder;
use super::scope::Decl;
use super::types::{Ty, Value};
use crate::plan::{Consequence, Phase, Port, PortId, PortKind, Setting, Step};
use crate::syntax::ast::{self, ConsequenceKind, Expr, Name, PhaseStatement, SetKeyword};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

/// What may follow a step that did not succeed.
const STEP_ELSE: [ConsequenceKind; 2] = [ConsequenceKind::Pause, ConsequenceKind::Rollback];

impl<'a> Builder<'_, 'a> {
    /// All phases in the order of the text.
    pub(super) fn lower_phases(&mut self) -> Vec<Phase> {
        let mut out: Vec<Phase> = Vec::new();
        // what each port was last set to, to notice a phase that lowers exposure
        let mut last: Vec<(PortId, Setting)> = Vec::new();
        for (i, p) in self.phases.clone().into_iter().enumerate() {
            out.push(self.lower_phase(i, p, &mut last));
        }
        out
    }

    fn lower_phase(&mut self, index: usize, p: &'a ast::Phase, last: &mut Vec<(PortId, Setting)>) -> Phase {
        let cx = self.cx;
        let mut settings: Vec<(PortId, Setting, Span)> = Vec::new();
        let mut steps = Vec::new();
        // the first step, and the `promote` that ends the phase
        let (mut step, mut promote): (Option<Span>, Option<Span>) = (None, None);
        for s in &p.body {
            let span = match s {
                PhaseStatement::Set { span, .. }
                | PhaseStatement::Run { span, .. }
                | PhaseStatement::Hold(_, span)
                | PhaseStatement::Promote { span, .. } => *span,
                PhaseStatement::Unbuilt(u) => {
                    cx.not_built(u);
                    continue;
                }
                PhaseStatement::Junk(_) => continue,
            };
            if let (Some(first), PhaseStatement::Set { .. }) = (step, s) {
                cx.push(
                    Diagnostic::error("E0404", "settings stand first in a phase", span, "set after a step")
                        .also(first, "the first step")
                        .help("move it up, or begin a new phase: a phase is a stretch of constant exposure"),
                );
            }
            if let Some(first) = promote {
                cx.push(
                    Diagnostic::error(
                        "E0404",
                        "`promote when` is the last statement of a phase",
                        span,
                        "comes after it",
                    )
                    .also(first, "the `promote`")
                    .help("move it up; several conditions are joined by `and`"),
                );
            }
            if !matches!(s, PhaseStatement::Set { .. }) {
                step.get_or_insert(span);
            }
            match s {
                PhaseStatement::Set { keyword, port, value, .. } => {
                    if let Some((id, to)) = self.setting(*keyword, port, value) {
                        if let Some((_, _, first)) = settings.iter().find(|(q, ..)| *q == id) {
                            cx.push(
                                Diagnostic::error(
                                    "E0404",
                                    format!("`{}` is set twice in one phase", port.node),
                                    span,
                                    "again here",
                                )
                                .also(*first, "first set here")
                                .help("keep one, or make two phases"),
                            );
                            continue;
                        }
                        self.lowers(last, id, to, port, span);
                        settings.push((id, to, span));
                    }
                }
                PhaseStatement::Run { action, otherwise, .. } => {
                    let otherwise = match otherwise {
                        None => Some(Consequence::Rollback(None)),
                        Some(c) => self.consequence(c, "run", &STEP_ELSE, index + 1),
                    };
                    let action = self.action(action);
                    if let (Some(action), Some(otherwise)) = (action, otherwise) {
                        steps.push(Step::Run { action, otherwise });
                    }
                }
                PhaseStatement::Hold(d, _) => {
                    steps.extend(cx.duration(d, "`hold`", 1).map(Step::Hold));
                }
                PhaseStatement::Promote { when, within, .. } => {
                    promote = Some(span);
                    let node = self.lower.condition_at(Place::Promote, when);
                    let within = match within {
                        None => Some(None),
                        Some((d, c)) => {
                            let d = cx.duration(d, "`within`", 1);
                            let c = self.consequence(c, "promote … within", &STEP_ELSE, index + 1);
                            d.zip(c).map(Some)
                        }
                    };
                    if let (Some(when_node), Some(within)) = (node, within) {
                        steps.push(Step::Promote { when: when_node, text: cx.as_written(when.span), within });
                    }
                }
                PhaseStatement::Unbuilt(_) | PhaseStatement::Junk(_) => {}
            }
        }
        let traffic = |id: PortId| self.ports.get(id.index()).is_some_and(|p| p.kind == PortKind::Traffic);
        // flags first: whoever is exposed finds them set
        settings.sort_by_key(|(id, ..)| traffic(*id));
        Phase {
            name: p.name.node.clone(),
            purpose: p.purpose.as_ref().map(|t| t.node.clone()),
            settings: settings.into_iter().map(|(id, to, _)| (id, to)).collect(),
            steps,
        }
    }

    fn lowers(&self, last: &mut Vec<(PortId, Setting)>, id: PortId, to: Setting, port: &Name, span: Span) {
        let before = last.iter_mut().find(|(q, _)| *q == id);
        let lower = match (&before, to) {
            (Some((_, Setting::Share(a))), Setting::Share(b)) => b < *a,
            (Some((_, Setting::Bool(a))), Setting::Bool(b)) => *a && !b,
            (Some((_, Setting::Count(a))), Setting::Count(b)) => b < *a,
            _ => false,
        };
        if let (true, Some((_, was))) = (lower, &before) {
            self.cx.push(
                Diagnostic::warning(
                    "W0602",
                    format!("this phase lowers `{}` from {was} to {to}", port.node),
                    span,
                    "less than the phase before",
                )
                .help("exposure usually grows from phase to phase; a guard takes it back"),
            );
        }
        match before {
            Some(slot) => slot.1 = to,
            None => last.push((id, to)),
        }
    }

    /// One `traffic x = 5%` or `flag y = on`.
    pub(super) fn setting(
        &mut self,
        keyword: SetKeyword,
        name: &'a Name,
        value: &'a Expr,
    ) -> Option<(PortId, Setting)> {
        let cx = self.cx;
        let decl = cx.expect_decl(name, "ports", "declare it with `traffic name` or `flag name: bool`", |d| {
            matches!(d, Decl::Traffic(_) | Decl::Flag(_))
        })?;
        let (word, other) = match (keyword, &decl) {
            (SetKeyword::Traffic, Decl::Flag(_)) => ("traffic", "flag"),
            (SetKeyword::Flag, Decl::Traffic(_)) => ("flag", "traffic"),
            _ => ("", ""),
        };
        if !word.is_empty() {
            cx.push(
                Diagnostic::error(
                    "E0403",
                    format!("`{}` is set as {word}, and is declared as {other}", name.node),
                    name.span,
                    format!("write `{other} {} = …`", name.node),
                )
                .also(decl.span(), "declared here"),
            );
            return None;
        }
        let kind = match &decl {
            Decl::Flag(f) => self.flag_kind(f)?,
            _ => PortKind::Traffic,
        };
        let to = self.port_value(&kind, name, value)?;
        let id = match self.ports.iter().position(|p| p.name == name.node) {
            Some(i) => PortId::at(i),
            None => {
                self.ports.push(Port { name: name.node.clone(), kind });
                PortId::at(self.ports.len() - 1)
            }
        };
        let needed = if matches!(decl, Decl::Traffic(_)) { &mut self.needs.traffic } else { &mut self.needs.flags };
        needed.entry(name.node.clone()).or_insert(name.span);
        Some((id, to))
    }

    fn flag_kind(&self, f: &'a ast::Flag) -> Option<PortKind> {
        self.cx.flag_kind(f)
    }

    fn port_value(&self, kind: &PortKind, name: &Name, value: &'a Expr) -> Option<Setting> {
        let cx = self.cx;
        let what = format!("`{}`", name.node);
        let setting = match kind {
            PortKind::Traffic | PortKind::RatioFlag(_) => Setting::Share(cx.ratio(value, &what, 0.0, 1.0)?),
            PortKind::BoolFlag => match cx.constant(value, &what)? {
                Value::Bool(b) => Setting::Bool(b),
                other => {
                    cx.wants(value, &other, Ty::Bool, &what);
                    return None;
                }
            },
            PortKind::CountFlag(_) => Setting::Count(i64::from(cx.count(value, &what, 0)?)),
        };
        let listed: Option<Vec<Setting>> = match kind {
            PortKind::CountFlag(list) if !list.is_empty() => Some(list.iter().map(|n| Setting::Count(*n)).collect()),
            PortKind::RatioFlag(list) if !list.is_empty() => Some(list.iter().map(|r| Setting::Share(*r)).collect()),
            _ => None,
        };
        if let Some(listed) = listed
            && !listed.iter().any(|l| l.same(setting))
        {
            let words: Vec<String> = listed.iter().map(ToString::to_string).collect();
            cx.push(
                Diagnostic::error(
                    "E0403",
                    format!("`{}` cannot be {setting}", name.node),
                    value.span,
                    "not one of its values",
                )
                .help(format!("it takes {}", words.join(", "))),
            );
            return None;
        }
        Some(setting)
    }
}
