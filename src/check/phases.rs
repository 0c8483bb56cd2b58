//! Phases: what is set, what is run, what is waited for.

use super::expr::Place;
use super::rollout::Builder;
use crate::plan::{Consequence, Phase, PortId, PortKind, Setting, Step};
use crate::syntax::ast::{self, ConsequenceKind, Name, PhaseStatement};
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
        let mut forever: Option<Span> = None;
        let mut mirrors: Vec<(PortId, f64)> = Vec::new();
        let mut irreversible = None;
        let mut first_word = true;
        for s in &p.body {
            let span = match s {
                PhaseStatement::Set { span, .. }
                | PhaseStatement::Run { span, .. }
                | PhaseStatement::Hold(_, span)
                | PhaseStatement::Promote { span, .. }
                | PhaseStatement::Ramp { span, .. }
                | PhaseStatement::Mirror { span, .. }
                | PhaseStatement::HoldForever(span)
                | PhaseStatement::HoldUntil { span, .. }
                | PhaseStatement::Irreversible(_, span) => *span,
                PhaseStatement::Junk(_) => continue,
            };
            let begins = std::mem::replace(&mut first_word, false);
            if let PhaseStatement::Irreversible(why, _) = s {
                if begins {
                    irreversible = Some(why.node.clone());
                    self.lower.later("irreversible", span);
                } else {
                    cx.push(
                        Diagnostic::error(
                            "E0427",
                            "`irreversible` is the first word of a phase",
                            span,
                            "comes too late",
                        )
                        .help("move it up: from the moment the phase's settings are asked for no rollback leads back"),
                    );
                }
                continue;
            }
            if let Some(first) = forever {
                cx.push(
                    Diagnostic::error("E0404", "nothing comes after `hold forever`", span, "never reached")
                        .also(first, "holds for good")
                        .help("remove it, or give the hold an end"),
                );
            }
            if let (Some(first), PhaseStatement::Set { .. } | PhaseStatement::Mirror { .. }) = (step, s) {
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
            if !matches!(s, PhaseStatement::Set { .. } | PhaseStatement::Mirror { .. }) {
                step.get_or_insert(span);
            }
            match s {
                PhaseStatement::Set { keyword, port, value, .. } => {
                    for (id, to) in self.settings(*keyword, port, value).into_iter().flatten() {
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
                PhaseStatement::Ramp { port, from, to, by, every, .. } => {
                    if let Some(made) = self.ramp(port, [from, to, by], every, span) {
                        if let Step::Ramp { port: id, from, to, .. } = made {
                            self.lowers(last, id, from, port, span);
                            self.lowers(last, id, to, port, span);
                        }
                        steps.push(made);
                    }
                }
                PhaseStatement::Mirror { port, value, .. } => {
                    if let Some((id, share)) = self.mirror(port, value, span) {
                        if mirrors.iter().any(|(q, _)| *q == id) {
                            let message = format!("`{}` is mirrored twice in one phase", port.node);
                            cx.push(Diagnostic::error("E0404", message, span, "again here").help("keep one of them"));
                        } else {
                            mirrors.push((id, share));
                        }
                    }
                }
                PhaseStatement::HoldForever(_) => {
                    forever = Some(span);
                    if index + 1 < self.phases.len() {
                        cx.push(
                            Diagnostic::error(
                                "E0426",
                                "`hold forever` in a phase that is not the last",
                                span,
                                "the next one never begins",
                            )
                            .help("give the hold an end, or remove the phases behind it"),
                        );
                    }
                    steps.push(Step::HoldForever);
                }
                PhaseStatement::HoldUntil { events, of, within, .. } => {
                    self.lower.place = Place::Promote;
                    let counted = self.lower.events_counted(events, of.as_deref(), span);
                    let within = match within {
                        None => Some(None),
                        Some((d, c)) => {
                            let d = cx.duration(d, "`within`", 1);
                            let c = self.consequence(c, "hold until … within", &STEP_ELSE, index + 1);
                            d.zip(c).map(Some)
                        }
                    };
                    if let (Some((when, text)), Some(within)) = (counted, within) {
                        steps.push(Step::HoldUntil { when, text, within });
                    }
                }
                PhaseStatement::Irreversible(..) | PhaseStatement::Junk(_) => {}
            }
        }
        let traffic = |id: PortId| self.ports.get(id.index()).is_some_and(|p| p.kind == PortKind::Traffic);
        // flags first: whoever is exposed finds them set
        settings.sort_by_key(|(id, ..)| traffic(*id));
        Phase {
            name: p.name.node.clone(),
            purpose: p.purpose.as_ref().map(|t| t.node.clone()),
            settings: settings.into_iter().map(|(id, to, _)| (id, to)).collect(),
            mirrors,
            irreversible,
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
}
