//! The entry: text to tree, whatever the text.

use super::ast::{File, Item};
use super::build::Builder;
use super::codes;
use super::diagnostic::{Diagnostic, Label};
use super::grammar::{self, Rule};
use super::patch::Patched;
use super::scan::scan;
use super::source::{FileId, Span};

/// Findings that are told of one file; who has more has something else than a policy.
const MAX_FINDINGS: usize = 100;

/// Findings after which no more are looked for: a text of nothing else must not cost more than a policy.
pub(crate) const ENOUGH: usize = 1_000;

/// Parses a text. Never fails: what cannot be understood is left out of the tree (or stands in it as junk) and is told in
/// the diagnostics, in the order of the text. Codes: E0103 to E0120 of [`codes::CODES`].
#[must_use]
pub fn parse(file: FileId, text: &str) -> (File, Vec<Diagnostic>) {
    let whole = Span::new(file, 0, text.len());
    let scan = scan(file, text);
    let junk = || File { items: vec![Item::Junk(whole)], span: whole };
    if scan.too_deep {
        return (junk(), in_order(scan.diagnostics));
    }
    let (edits, mut diagnostics, poisoned) = (scan.edits, scan.diagnostics, scan.poisoned);
    let patched = Patched::new(file, text, edits);
    let mut builder = Builder::new(&patched, text);
    builder.poisoned = poisoned;
    let tree = match grammar::run(Rule::file, &patched.text).map(|mut pairs| pairs.next()) {
        Ok(Some(p)) => builder.file(p, whole),
        Ok(None) | Err(_) => {
            // only pest's step limit ends here: the rule takes any balanced text
            builder.report(
                Diagnostic::error(codes::EXPECTED, "this text is too tangled to be read", whole.head(), "given up")
                    .help("split the file, and look for text that is no policy"),
            );
            junk()
        }
    };
    diagnostics.append(&mut builder.diagnostics);
    closed_too_early(&mut diagnostics);
    if tree.items.is_empty() && diagnostics.is_empty() {
        diagnostics.push(
            Diagnostic::error(codes::EMPTY, "empty policy", whole.head(), "nothing is declared")
                .help("a policy holds at least a `rollout NAME { … }`; `docs/language.md` shows a whole one"),
        );
    }
    (tree, in_order(diagnostics))
}

/// Where a block was closed too early, what belongs into it stands outside: that is one mistake, and the bracket that is left over
/// at the end is not the one that is too many.
fn closed_too_early(diagnostics: &mut Vec<Diagnostic>) {
    let outside = |d: &Diagnostic| d.code == codes::MISPLACED && d.message.ends_with("not at the top of a file");
    let Some(stray) = diagnostics.iter().filter(|d| d.code == codes::STRAY_CLOSER).map(Diagnostic::span).next_back()
    else {
        return;
    };
    let first = diagnostics.iter().filter(|d| outside(d) && d.span().start < stray.start).map(Diagnostic::span).min();
    let Some(first) = first else { return };
    diagnostics.retain(|d| !(outside(d) && d.span().start < stray.start));
    for d in diagnostics.iter_mut().filter(|d| d.code == codes::STRAY_CLOSER && d.span() == stray) {
        d.fix = None;
        d.help = Some(String::from("look above for a `}` that closes a block too early"));
        d.labels.push(Label { span: first, text: String::from("this stands outside of its block already") });
    }
}

fn in_order(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics.sort_by_key(|d| (d.span().start, d.span().end));
    diagnostics.dedup_by(|a, b| a.span() == b.span() && a.message == b.message);
    if diagnostics.len() > MAX_FINDINGS {
        let more = diagnostics.len() - MAX_FINDINGS;
        diagnostics.truncate(MAX_FINDINGS);
        let last = diagnostics.last().map(Diagnostic::span).unwrap_or_default();
        diagnostics.push(
            Diagnostic::error(
                codes::TOO_MANY,
                format!("and at least {more} more findings in this file"),
                last,
                "the last one that is shown",
            )
            .help("mend these first"),
        );
    }
    diagnostics
}
