//! `given recording "…"`: the world of a test is a recorded one, and no other line says what it was.

use super::lines::Compiler;
use super::{Recorded, Test};
use crate::syntax::ast::{self, TestLine, TestLineKind};
use crate::syntax::diagnostic::Diagnostic;
use crate::syntax::source::Span;

impl<'a> Compiler<'_, 'a> {
    /// The recording of a test, and what is put into it.
    pub(super) fn recorded(&self, t: &'a ast::Test, out: &mut Test) {
        let mut injections: Vec<(String, Span)> = Vec::new();
        for line in &t.body {
            match &line.kind {
                TestLineKind::Recording { file, environment } => {
                    self.recording(t, line, file, environment.as_ref(), out)
                }
                TestLineKind::Inject(text) => injections.push((text.node.clone(), line.span)),
                _ => {}
            }
        }
        let Some(recorded) = &mut out.recording else {
            for (_, span) in injections {
                self.cx
                    .push(Diagnostic::error("E0484", "there is no recording to put this into", span, "into what?").help(
                    "say which: `given recording \"recordings/NAME.parquet\"`; without a recording give what is read: \
                         `given errors = 2% from 3m to 5m`",
                ));
            }
            return;
        };
        recorded.injections = injections;
        let of = recorded.span;
        for line in &t.body {
            let Some(help) = instead(&line.kind) else { continue };
            self.cx.push(
                Diagnostic::error(
                    "E0484",
                    "the recording says what was read and what was done",
                    line.span,
                    "says it again",
                )
                .also(of, "the recording")
                .help(help),
            );
        }
    }

    fn recording(
        &self,
        t: &'a ast::Test,
        line: &'a TestLine,
        file: &'a crate::syntax::source::Spanned<String>,
        environment: Option<&ast::Name>,
        out: &mut Test,
    ) {
        if let Some(first) = &out.recording {
            self.cx.push(
                Diagnostic::error("E0484", "a test has one recording", line.span, "another one")
                    .also(first.span, "the first one")
                    .help("keep one of them, and write a test of its own for the other"),
            );
            return;
        }
        if file.node.trim().is_empty() {
            self.cx.push(Diagnostic::error("E0484", "which recording?", file.span, "no file is named").help(
                "name a file, seen from the folder of the policy: `given recording \"recordings/NAME.parquet\"`",
            ));
            return;
        }
        out.recording = Some(Recorded {
            file: file.node.clone(),
            environment: environment.map(|n| n.node.clone()),
            injections: Vec::new(),
            with: t.with.iter().map(|(n, _)| n.node.clone()).collect(),
            span: line.span,
        });
    }
}

/// What to write in the place of a line that cannot stand beside a recording; nothing for those that can.
fn instead(line: &TestLineKind) -> Option<&'static str> {
    match line {
        TestLineKind::Recording { .. }
        | TestLineKind::Inject(_)
        | TestLineKind::Starts(_)
        | TestLineKind::Expect { .. }
        | TestLineKind::Junk => None,
        TestLineKind::Given { .. } => {
            Some("put it into the recording: `inject \"errors +1pp from 3m to 5m\"`, `inject \"errors missing\"`")
        }
        TestLineKind::Source { .. } => {
            Some("put it into the recording: `inject \"source prometheus outage from 5m to 9m\"`")
        }
        TestLineKind::RunnerStops => Some("put it into the recording: `inject \"runner outage from 3m to 5m\"`"),
        TestLineKind::AssumeHealthy
        | TestLineKind::GivenRolledBack(_)
        | TestLineKind::Action { .. }
        | TestLineKind::Operator { .. }
        | TestLineKind::Port { .. } => Some("leave it out, or write a test without a recording"),
    }
}
