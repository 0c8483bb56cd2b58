//! What to say of a piece of text whose first word begins nothing where it stands.

use super::explain::quoted;
use super::forms::{CONTEXTS, Context, nearest};
use super::habits;
use crate::syntax::build::Builder;
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;

/// A piece whose first word begins nothing here.
pub(super) fn stranger(b: &Builder<'_>, first: &str, text: &str, at: usize, context: Context) -> Diagnostic {
    let len = if first.is_empty() { text.chars().next().map_or(0, char::len_utf8) } else { first.len() };
    let place = b.patched.span(at, at + len);
    let shown = quoted(text.get(..len).unwrap_or(""));
    if let Some(home) = CONTEXTS.into_iter().find(|c| c.form(first).is_some()) {
        let shape = home.form(first).map_or("", |f| f.shape);
        return Diagnostic::error(
            codes::MISPLACED,
            format!("{shown} stands {}, not {}", home.place(), context.place()),
            place,
            format!("not {}", context.wants()),
        )
        .help(format!("move it: `{shape}`"));
    }
    let unknown = |label: &str| {
        Diagnostic::error(codes::UNKNOWN_STATEMENT, format!("{shown} does not begin {}", context.wants()), place, label)
    };
    if let Some(near) = nearest(first, context.forms().iter().map(|f| f.keyword)) {
        return unknown("unknown word").help(format!("did you mean `{near}`?")).fix(place, near);
    }
    let behind = text.get(first.len()..).unwrap_or("").trim_start();
    if let Some(h) = habits::of(first, behind, context) {
        let d = Diagnostic::error(codes::HABIT, h.message, place, h.label).help(h.help);
        let value = behind.split_once('=').is_some_and(|(name, _)| name.trim().chars().all(char::is_alphanumeric));
        return if matches!(first, "const" | "var" | "local" | "define") && value { d.fix(place, "let") } else { d };
    }
    match (first, context) {
        ("notify" | "snapshot", Context::Rollout | Context::Phase) => {
            return unknown("an act without its occasion")
                .help("say when: `on breach, rollback: notify CHANNEL`, `at 15m: snapshot`");
        }
        ("wait" | "sleep" | "bake", Context::Phase) => {
            return unknown("unknown word").help("a phase lasts with `hold 30m`");
        }
        ("weight" | "setWeight" | "percent", Context::Phase) if !behind.starts_with(':') => {
            return unknown("unknown word").help("exposure is set with `traffic PORT = 5%`");
        }
        ("stage" | "step" | "wave" | "ring" | "stages" | "steps", Context::Rollout) if !behind.starts_with(':') => {
            return unknown("unknown word")
                .help("a stretch of constant exposure is a `phase NAME { … }`")
                .fix(place, "phase");
        }
        ("rule" | "alert" | "assert" | "ensure" | "expect" | "monitor", Context::Rollout) => {
            return unknown("unknown word")
                .help("what must be true is said by a guard: `guard NAME: CONDITION else CONSEQUENCE`");
        }
        ("rollback" | "pause", Context::Rollout) => {
            return unknown("a consequence without its cause")
                .help(format!("a consequence stands behind what it follows from: `guard NAME: HEALTHY else {first}`"));
        }
        _ => {}
    }
    if is_key(first, text) {
        let line = "a line begins with its keyword, there are no `key: value` pairs";
        let d = Diagnostic::error(
            codes::HABIT,
            format!("{shown} does not begin {}", context.wants()),
            place,
            "written as in YAML",
        );
        return match habits::of_key(first, context) {
            Some(help) => d.help(format!("{line}; {help}")),
            None => d.help(format!("{line}; {}", list(context))),
        };
    }
    if !first.is_empty() && behind.starts_with('=') {
        return unknown("unknown word")
            .help(format!("a line begins with its keyword, there are no `key = value` pairs; {}", list(context)));
    }
    unknown("unknown word").help(list(context))
}

/// `key: value`, or `key:` with lines below it.
pub(super) fn is_key(first: &str, text: &str) -> bool {
    !first.is_empty() && text.get(first.len()..).is_some_and(|behind| behind.trim_start().starts_with(':'))
}

fn list(context: Context) -> String {
    let words: Vec<&str> = context.forms().iter().map(|f| f.keyword).collect();
    match context {
        Context::Environment => format!("its lines are `NAME = BACKEND(…)`, or begin with `{}`", words.join("`, `")),
        Context::Top => format!("declarations begin with `{}`", words.join("`, `")),
        _ => format!("statements {} begin with `{}`", context.place(), words.join("`, `")),
    }
}
