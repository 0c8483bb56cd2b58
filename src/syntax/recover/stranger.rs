//! What to say of a piece of text whose first word begins nothing where it stands.

use super::explain::quoted;
use super::forms::{CONTEXTS, Context, nearest};
use super::habits;
use super::hints::EXPECTED;
use crate::syntax::build::Builder;
use crate::syntax::codes;
use crate::syntax::diagnostic::Diagnostic;

/// A piece whose first word begins nothing here.
pub(super) fn stranger(b: &Builder<'_>, first: &str, text: &str, at: usize, context: Context) -> Diagnostic {
    let len = if first.is_empty() { text.chars().next().map_or(0, char::len_utf8) } else { first.len() };
    let place = b.patched.span(at, at + len);
    let shown = quoted(text.get(..len).unwrap_or(""));
    if context == Context::Test
        && let Some((message, help)) = in_a_test(first)
    {
        return Diagnostic::error(codes::UNKNOWN_STATEMENT, format!("{shown} {message}"), place, "unknown word")
            .help(help);
    }
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
    if let [only] = context.forms()
        && !first.is_empty()
    {
        let start = b.patched.span(at, at);
        let d = unknown("unknown word").help(format!(
            "{} begins with `{}`: `{}`",
            context.wants(),
            only.keyword,
            only.shape
        ));
        let value = behind.starts_with(['=', '<']) && !behind.starts_with("==");
        return if value { d.fix(start, format!("{} ", only.keyword)) } else { d };
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

/// Words that are said in another way in a test.
fn in_a_test(first: &str) -> Option<(&'static str, &'static str)> {
    Some(match first {
        "at" => (
            "begins no line of a test",
            "times stand at the end: `expect rollback at 17m`, `operator approves \"group\" at 20m`",
        ),
        "approve" | "approves" | "pause" | "pauses" | "resume" | "resumes" | "abort" | "aborts" | "kill" | "kills"
        | "reset" | "resets" => (
            "stands behind `operator` in a test",
            "write `operator approves \"group\" at 20m`, `operator pauses at 25m`",
        ),
        "notify" => ("is the act of a reaction", "a test says what is expected: `expect notified CHANNEL at 17m`"),
        _ if EXPECTED.contains(&first) && CONTEXTS.iter().all(|c| c.form(first).is_none()) => {
            ("stands behind `expect` in a test", "write `expect` before it: `expect rollback at 17m because GUARD`")
        }
        _ => return None,
    })
}

fn list(context: Context) -> String {
    let words: Vec<&str> = context.forms().iter().map(|f| f.keyword).collect();
    match context {
        Context::Environment => format!("its lines are `NAME = BACKEND(…)`, or begin with `{}`", words.join("`, `")),
        Context::Top => format!("declarations begin with `{}`", words.join("`, `")),
        _ => format!("statements {} begin with `{}`", context.place(), words.join("`, `")),
    }
}
