//! What stands faint behind the cursor: what a command takes, a function's signature with the argument one is at, a name's type.

use super::entry::goes_on;
use super::place::{Place, call, command, in_language, place};
use super::scope::{Scope, called};
use crate::repl::{Argument, Name, NameKind};
use crate::syntax::typing::{TokenKind, shape, tokens};

/// A hint for a text with the cursor at its end.
pub(super) fn hint(scope: &Scope, text: &str) -> Option<String> {
    if text.ends_with('\n') {
        return goes_on(text).then(|| String::from("it goes on; an empty line ends it"));
    }
    match place(text, text.len()) {
        Place::Nowhere | Place::Unit { .. } => within(scope, text),
        Place::Command { typed, .. } => {
            let c = command(typed)?;
            let meant = if typed == c.name { "" } else { c.name };
            Some([meant, c.takes, c.does].into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join("   "))
        }
        Place::Argument { command, typed: "", before, .. } if before.is_empty() => Some(command.takes.to_owned()),
        Place::Argument { argument: Argument::File, typed: "", .. } => Some(String::from("FILE")),
        Place::Argument { argument, typed, start, .. } => match argument {
            Argument::Setting | Argument::Range => {
                let (name, value) = typed.split_once('=').unwrap_or((typed, ""));
                value.is_empty().then(|| setting(scope, name, argument))?
            }
            Argument::Fault | Argument::Moment | Argument::Shown => named(scope, typed),
            Argument::Topic => command(typed).map(|c| c.does.to_owned()).or_else(|| named(scope, typed)),
            _ => match in_language(typed, start) {
                Place::Name { typed, .. } => named(scope, typed),
                _ => None,
            },
        },
        Place::Name { typed, .. } => named(scope, typed).or_else(|| within(scope, text)),
    }
}

/// The signature of the call that the cursor is in, with the argument first that is being typed.
fn within(scope: &Scope, text: &str) -> Option<String> {
    if let Some(TokenKind::Comment | TokenKind::Text { open: true } | TokenKind::Raw { open: true }) =
        tokens(text).last().filter(|t| t.end == text.len()).map(|t| t.kind)
    {
        return None;
    }
    let (name, nth) = call(text)?;
    let function = scope.function(name)?;
    Some(match arguments(&function.hint).get(nth) {
        Some(argument) => format!("{argument}   of {}", function.hint),
        None => function.hint.clone(),
    })
}

/// The arguments of a signature such as `increase(m: counter, over: duration) → number`.
fn arguments(signature: &str) -> Vec<&str> {
    let Some(inside) = signature.split_once('(').map(|(_, rest)| rest) else { return Vec::new() };
    let (mut depth, mut from, mut out) = (0_usize, 0, Vec::new());
    for (i, c) in inside.char_indices() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' if depth > 0 => depth -= 1,
            ')' | ',' if depth == 0 => {
                out.extend(inside.get(from..i).map(str::trim).filter(|a| !a.is_empty()));
                from = i + 1;
                if c == ')' {
                    break;
                }
            }
            _ => {}
        }
    }
    out
}

/// What is known of a name that is written to its end: all that are called so.
fn named(scope: &Scope, typed: &str) -> Option<String> {
    let said: Vec<String> = scope.all(typed).filter(|n| n.kind != NameKind::Unit).filter_map(said).collect();
    (!said.is_empty()).then(|| said.join("; "))
}

fn said(name: &Name) -> Option<String> {
    let what = match name.kind {
        NameKind::Keyword if name.hint.is_empty() => return shape(&name.text).map(str::to_owned),
        NameKind::Function | NameKind::Keyword => name.hint.clone(),
        // its kind alone says little of what has a type
        kind if name.hint.is_empty() => called(kind).to_owned(),
        kind if name.hint.starts_with(called(kind)) => name.hint.clone(),
        kind => format!("{} {}", called(kind), name.hint),
    };
    let parts = [what.as_str(), name.doc.as_str()];
    Some(parts.into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(": "))
}

/// What a field or a param is set to.
fn setting(scope: &Scope, name: &str, argument: Argument) -> Option<String> {
    let of = scope.all(name).find(|n| matches!(n.kind, NameKind::Field | NameKind::Param))?;
    let form = if argument == Argument::Range { "FROM..TO:STEP, or a list" } else { "VALUE" };
    Some(match of.hint.as_str() {
        "" => form.to_owned(),
        hint => format!("{form}   {hint}"),
    })
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    fn shown(text: &str) -> String {
        hint(&Scope::new(&fake::names()), text).unwrap_or_default()
    }

    #[test]
    fn a_command_says_what_it_takes_and_does() {
        assert_eq!(shown(":step"), "[DURATION]   go on: one check, or so long");
        assert_eq!(shown(":undo"), "take the last change back");
        assert_eq!(shown(":step "), "[DURATION]");
        assert_eq!(shown(":st"), "");
        assert_eq!(shown(":und"), ":undo   take the last change back");
        assert_eq!(shown(":help :undo"), "take the last change back");
    }

    #[test]
    fn a_setting_says_what_it_is_set_to() {
        assert_eq!(shown(":set errors.limit"), "VALUE   ratio");
        assert_eq!(shown(":vary errors.limit="), "FROM..TO:STEP, or a list   ratio");
        assert_eq!(shown(":set errors.limit=2"), "");
    }

    #[test]
    fn a_call_says_the_argument_that_one_is_at() {
        let whole = "increase(m: counter, over: duration) → number";
        assert_eq!(shown("increase("), format!("m: counter   of {whole}"));
        assert_eq!(shown("increase(failed, "), format!("over: duration   of {whole}"));
        assert_eq!(shown("increase(failed, 5m"), format!("over: duration   of {whole}"));
        assert_eq!(shown("increase(failed, 5m, 3"), whole);
        assert_eq!(shown("increase(failed, 5m)"), "");
        assert_eq!(
            shown("share(latency < "),
            "m: histogram < duration   of share(m: histogram < duration, over: duration) → ratio"
        );
        // one's own name says more
        assert_eq!(shown("increase(failed"), "metric counter");
    }

    #[test]
    fn a_name_says_its_type_and_what_it_is_for() {
        assert_eq!(shown("errors"), "metric ratio: failed of all requests; guard");
        assert_eq!(shown("1% < max_errors"), "param ratio: at most so many");
        assert_eq!(shown("increase"), "increase(m: counter, over: duration) → number: how much a counter has grown");
        assert_eq!(shown("guard"), shape("guard").unwrap());
        assert_eq!(shown("nonsense"), "");
    }

    #[test]
    fn nothing_is_said_in_strings_and_comments() {
        for text in ["\"errors", "`errors", "# errors", "increase(`", "increase(\"a", "increase( # errors", ""] {
            assert_eq!(shown(text), "", "{text}");
        }
    }

    #[test]
    fn an_open_entry_says_how_it_ends() {
        assert_eq!(shown("guard x: (\n"), "it goes on; an empty line ends it");
        assert_eq!(shown("errors\n"), "");
    }
}
