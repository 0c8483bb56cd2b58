//! What may stand where the cursor is.

use super::place::{Place, in_language, place};
use super::scope::Scope;
use crate::check::registry;
use crate::repl::{Argument, COMMANDS, NameKind};
use rustyline::completion::{FilenameCompleter, Pair};

/// Words of a fault, by those before it: `from` and `to` behind what it is.
const WHEN: [&str; 2] = ["from", "to"];

/// What may be entered in the place of what stands from the first offset up to the cursor.
pub(super) fn complete(scope: &Scope, text: &str, pos: usize) -> (usize, Vec<Pair>) {
    match place(text, pos) {
        Place::Argument { command, argument, start, typed, before } => {
            // the value of a setting: its own place
            if let Some((name, value)) = typed.split_once('=')
                && matches!(argument, Argument::Setting | Argument::Range)
            {
                let from = start + name.len() + 1;
                return match in_language(value, from) {
                    Place::Unit { start, typed } => (start, units(scope, typed, fits(scope, name))),
                    other => here(scope, other, pos),
                };
            }
            if matches!(argument, Argument::Duration | Argument::Moment | Argument::Fault)
                && let Place::Unit { start, typed } =
                    in_language(typed.trim_start_matches(['+', '-']), pos_of(start, typed))
            {
                let kind = if argument == Argument::Fault { Fits::All } else { Fits::Of("duration") };
                return (start, units(scope, typed, kind));
            }
            if argument == Argument::File {
                return files(start, typed);
            }
            let whole_rest = matches!(argument, Argument::Shown) || command.name == ":explain";
            if whole_rest && !plain(typed) {
                return here(scope, in_language(typed, start), pos);
            }
            (start, argued(scope, argument, command.name, typed, &before))
        }
        Place::Name { start, typed, .. }
            if text.get(..start).is_some_and(|before| before.trim_end().ends_with('@')) =>
        {
            (start, argued(scope, Argument::Moment, "", typed, &[]))
        }
        other => here(scope, other, pos),
    }
}

/// Where a number begins behind its sign.
fn pos_of(start: usize, typed: &str) -> usize {
    start + typed.len() - typed.trim_start_matches(['+', '-']).len()
}

/// Nothing but a name as far as it is typed.
fn plain(typed: &str) -> bool {
    typed.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':'))
}

fn here(scope: &Scope, at: Place<'_>, pos: usize) -> (usize, Vec<Pair>) {
    match at {
        Place::Nowhere | Place::Argument { .. } => (pos, Vec::new()),
        Place::Command { start, typed } => (start, commands(typed)),
        Place::Unit { start, typed } => (start, units(scope, typed, Fits::All)),
        Place::Name { start, typed: "", first: true } => {
            // all that there is would be too much: what to begin with
            let shown = |k| matches!(k, NameKind::Metric | NameKind::Guard | NameKind::Param | NameKind::Let);
            let mut out = commands("");
            out.extend(named(scope, "", shown));
            (start, out)
        }
        Place::Name { start, typed, .. } => {
            (start, named(scope, typed, |k| !matches!(k, NameKind::Field | NameKind::Unit)))
        }
    }
}

fn same(text: &str) -> Pair {
    Pair { display: text.to_owned(), replacement: text.to_owned() }
}

fn commands(typed: &str) -> Vec<Pair> {
    let fits = COMMANDS.iter().filter(|c| c.name.starts_with(typed));
    let with_blank = |c: &crate::repl::Command| if c.arguments.is_empty() { "" } else { " " };
    fits.map(|c| Pair { display: c.name.to_owned(), replacement: format!("{}{}", c.name, with_blank(c)) }).collect()
}

/// Which units fit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fits<'t> {
    All,
    /// Those of a type: `duration`.
    Of(&'t str),
}

/// The units of what is set: by the first word that is told of it, its type.
fn fits<'s>(scope: &'s Scope, name: &'s str) -> Fits<'s> {
    let of = scope.all(name).find(|n| matches!(n.kind, NameKind::Field | NameKind::Param));
    of.and_then(|n| n.hint.split_whitespace().next()).map_or(Fits::All, Fits::Of)
}

/// Units that may follow a number.
fn units(scope: &Scope, typed: &str, which: Fits<'_>) -> Vec<Pair> {
    let names = scope.beginning(typed, |k| k == NameKind::Unit);
    let fits = |hint: &str| match which {
        Fits::All => true,
        Fits::Of(kind) => hint.strip_prefix(kind).is_some_and(|rest| rest.is_empty() || rest.starts_with(':')),
    };
    names.filter(|n| fits(&n.hint)).map(|n| same(&n.text)).collect()
}

/// Names, each once; a function with the bracket that it wants.
fn named<'s>(scope: &'s Scope, typed: &'s str, wanted: impl Fn(NameKind) -> bool + 's) -> Vec<Pair> {
    let mut out: Vec<Pair> = Vec::new();
    for name in scope.beginning(typed, wanted) {
        let text = if name.kind == NameKind::Function { format!("{}(", name.text) } else { name.text.clone() };
        if out.last().is_none_or(|o| o.display.trim_end_matches('(') != name.text) {
            out.push(Pair { display: text.clone(), replacement: text });
        }
    }
    out
}

fn argued(scope: &Scope, argument: Argument, command: &str, typed: &str, before: &[&str]) -> Vec<Pair> {
    let words = |words: &[&str]| -> Vec<Pair> {
        words
            .iter()
            .filter(|w| w.starts_with(typed))
            .map(|w| Pair { display: (*w).to_owned(), replacement: format!("{w} ") })
            .collect()
    };
    match argument {
        Argument::Duration | Argument::Expression | Argument::File => Vec::new(),
        Argument::Moment => {
            let mut out = named(scope, typed, |k| k == NameKind::Phase);
            out.extend(["start", "end"].iter().filter(|w| w.starts_with(typed)).map(|w| same(w)));
            out
        }
        Argument::Setting | Argument::Range => {
            let names = named(scope, typed, |k| matches!(k, NameKind::Field | NameKind::Param));
            names.into_iter().map(|p| Pair { replacement: format!("{}=", p.replacement), ..p }).collect()
        }
        Argument::Fault => match before {
            [] => {
                let mut out = named(scope, typed, |k| k == NameKind::Metric);
                out.iter_mut().for_each(|p| p.replacement.push(' '));
                out.extend(words(&["source", "runner"]));
                out
            }
            ["source"] => {
                let mut out = named(scope, typed, |k| k == NameKind::Source);
                out.iter_mut().for_each(|p| p.replacement.push(' '));
                out
            }
            ["runner"] | ["source", _] => words(&["outage"]),
            [_] => words(&["missing", "stale"]),
            [.., last] if WHEN.contains(last) => Vec::new(),
            _ => {
                let left: Vec<&str> = WHEN.into_iter().filter(|w| !before.contains(w)).collect();
                // `to` stands behind `from`
                if before.contains(&"to") { Vec::new() } else { words(&left) }
            }
        },
        Argument::Shown => named(scope, typed, |k| {
            matches!(
                k,
                NameKind::Guard
                    | NameKind::Metric
                    | NameKind::Port
                    | NameKind::Param
                    | NameKind::Let
                    | NameKind::Function
            )
        }),
        Argument::Topic => topics(scope, command, typed),
        Argument::Word(choice) => words(choice),
    }
}

/// Commands, codes of findings once one begins, and behind `:explain` what an expression may begin with.
fn topics(scope: &Scope, command: &str, typed: &str) -> Vec<Pair> {
    let explains = command == ":explain";
    let mut out: Vec<Pair> = Vec::new();
    if explains {
        out.extend(named(scope, typed, |k| !matches!(k, NameKind::Field | NameKind::Unit | NameKind::Keyword)));
    } else {
        out.extend(COMMANDS.iter().map(|c| c.name).filter(|n| n.starts_with(typed) && *n != ":help").map(same));
    }
    if !typed.is_empty() {
        let upper = typed.to_ascii_uppercase();
        out.extend(registry::all().map(|c| c.0).filter(|c| c.starts_with(&upper)).map(same));
    }
    out
}

/// Files of the folder that is typed.
fn files(start: usize, typed: &str) -> (usize, Vec<Pair>) {
    let found = FilenameCompleter::new().complete_path(typed, typed.len());
    found.map_or_else(|_| (start, Vec::new()), |(from, pairs)| (start + from, pairs))
}

#[cfg(test)]
mod tests {
    use super::super::fake;
    use super::*;

    /// The text as it is with each of what is offered, the cursor at `|`.
    fn offered(text: &str) -> Vec<String> {
        let scope = Scope::new(&fake::names());
        let pos = text.find('|').unwrap();
        let text = text.replace('|', "");
        let (start, pairs) = complete(&scope, &text, pos);
        pairs.iter().map(|p| format!("{}{}", &text[..start], p.replacement)).collect()
    }

    #[test]
    fn names_come_from_what_may_be_named() {
        assert_eq!(offered("err|"), ["errors"]);
        assert_eq!(offered("la|"), ["latency"]);
        assert_eq!(offered("inc|"), ["increase("]);
        assert_eq!(offered("errors < max_|"), ["errors < max_errors"]);
        assert_eq!(offered("gu|"), ["guard"]);
        // fields are for `:set`
        assert_eq!(offered("errors.l|"), Vec::<String>::new());
        assert_eq!(offered("nonsense|"), Vec::<String>::new());
        // in the middle of a text
        assert_eq!(offered("share(la| < 300ms)"), ["share(latency"]);
    }

    #[test]
    fn behind_an_at_stands_a_moment() {
        assert_eq!(offered("errors @ s|"), ["errors @ start"]);
        assert_eq!(offered("errors @|"), ["errors @half", "errors @taste", "errors @start", "errors @end"]);
    }

    #[test]
    fn nothing_is_offered_in_strings_and_comments() {
        for text in ["\"err|", "`err|", "# err|", "let x = 5 # err|", ":run err|", ":nonsense err|"] {
            assert_eq!(offered(text), Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn units_follow_numbers() {
        assert_eq!(
            offered("errors < 1|"),
            [
                "errors < 1%",
                "errors < 1MiB",
                "errors < 1h",
                "errors < 1m",
                "errors < 1ms",
                "errors < 1pp",
                "errors < 1s"
            ]
        );
        assert_eq!(offered("errors < 1p|"), ["errors < 1pp"]);
        assert_eq!(offered(":step 1h30|"), [":step 1h30h", ":step 1h30m", ":step 1h30ms", ":step 1h30s"]);
        assert_eq!(offered(":step 5m|"), [":step 5m", ":step 5ms"]);
        // of what is set, by its type
        assert_eq!(offered(":set errors.limit=2|"), [":set errors.limit=2%"]);
        assert_eq!(offered(":set errors.tolerate=2m|"), [":set errors.tolerate=2m", ":set errors.tolerate=2ms"]);
        assert_eq!(offered(":set nonsense=2p|"), [":set nonsense=2pp"]);
        assert_eq!(offered(":vary errors.limit=1%..5|"), [":vary errors.limit=1%..5%"]);
        assert_eq!(offered(":inject latency +300m|"), [":inject latency +300m", ":inject latency +300ms"]);
    }

    #[test]
    fn commands_and_what_they_take() {
        assert_eq!(offered(":st|"), [":step ", ":state"]);
        assert_eq!(offered("  :q|"), ["  :quit"]);
        assert_eq!(offered(":goto |"), [":goto half", ":goto taste", ":goto start", ":goto end"]);
        assert_eq!(offered(":set e|"), [":set errors.limit=", ":set errors.tolerate="]);
        assert_eq!(offered(":set errors.limit=1% max|"), [":set errors.limit=1% max_errors="]);
        assert_eq!(offered(":plot che|"), [":plot checkout"]);
        assert_eq!(offered(":plot increase(fa|"), [":plot increase(failed"]);
        assert_eq!(offered(":save |"), [":save test "]);
        assert_eq!(offered(":help :g|"), [":help :goto"]);
        assert_eq!(offered(":explain e0302|"), [":explain E0302"]);
        assert_eq!(offered(":explain err|"), [":explain errors"]);
        assert_eq!(offered(":explain share(la|"), [":explain share(latency"]);
    }

    #[test]
    fn a_fault_is_led_word_by_word() {
        assert_eq!(
            offered(":inject |"),
            [":inject errors ", ":inject failed ", ":inject latency ", ":inject source ", ":inject runner "]
        );
        assert_eq!(offered(":inject source |"), [":inject source prometheus "]);
        assert_eq!(offered(":inject source prometheus |"), [":inject source prometheus outage "]);
        assert_eq!(offered(":inject runner |"), [":inject runner outage "]);
        assert_eq!(offered(":inject errors |"), [":inject errors missing ", ":inject errors stale "]);
        assert_eq!(offered(":inject errors stale |"), [":inject errors stale from ", ":inject errors stale to "]);
        assert_eq!(offered(":inject errors stale from 5m |"), [":inject errors stale from 5m to "]);
        assert_eq!(offered(":inject errors stale from |"), Vec::<String>::new());
        // each word is one that the reader of faults knows
        for word in ["source", "runner", "outage", "missing", "stale", "from", "to"] {
            assert!(crate::sim::replay::inject::FORMS.contains(word), "{word}");
        }
    }

    #[test]
    fn files_are_paths() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("incident.canary"), "").unwrap();
        std::fs::create_dir(folder.path().join("inner")).unwrap();
        let path = folder.path().display().to_string();
        assert_eq!(offered(&format!(":save test {path}/inc|")), [format!(":save test {path}/incident.canary")]);
        assert_eq!(offered(&format!(":save test {path}/inn|")), [format!(":save test {path}/inner/")]);
        assert_eq!(offered(&format!(":save test {path}/none/x|")), Vec::<String>::new());
    }

    #[test]
    fn an_empty_entry_offers_what_to_begin_with() {
        let all = offered("|");
        assert!(all.contains(&String::from(":step ")) && all.contains(&String::from("errors")), "{all:?}");
        assert!(!all.contains(&String::from("increase(")), "{all:?}");
    }

    #[test]
    fn no_text_is_too_strange() {
        let scope = Scope::new(&fake::names());
        for text in [
            "é",
            ":é x",
            ": x",
            "::",
            "5é",
            "`",
            "\"",
            "(((((",
            ":set =",
            ":set ==",
            ":inject +",
            "1..",
            ".",
            "\u{feff}:",
        ] {
            for pos in (0..=text.len()).filter(|p| text.is_char_boundary(*p)) {
                let (start, _) = complete(&scope, text, pos);
                assert!(start <= pos && text.is_char_boundary(start), "{text} at {pos}: {start}");
            }
        }
    }
}
