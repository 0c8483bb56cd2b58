//! What an entry is, by its first words.

use crate::repl::COMMANDS;

/// A text with what the grammar wants around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrapped {
    pub(super) before: String,
    pub(super) entry: String,
    pub(super) after: &'static str,
}

impl Wrapped {
    pub(super) fn text(&self) -> String {
        format!("{}{}{}", self.before, self.entry, self.after)
    }

    /// A declaration: nothing is wanted around it.
    pub(super) fn declaration(entry: &str) -> Self {
        Self { before: String::new(), entry: entry.to_owned(), after: "\n" }
    }

    /// A statement of a rollout.
    pub(super) fn statement(entry: &str, rollout: &str) -> Self {
        Self { before: format!("rollout {rollout} {{ "), entry: entry.to_owned(), after: "\n}\n" }
    }

    /// An expression.
    pub(super) fn expression(entry: &str) -> Self {
        Self { before: String::from("let it = "), entry: entry.to_owned(), after: "\n" }
    }
}

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry<'e> {
    /// Nothing.
    Empty,
    /// `:step 5m`
    Command {
        /// With its colon.
        name: &'e str,
        /// What stands behind it.
        rest: &'e str,
    },
    /// `let …`, `param …`
    Declaration(&'e str),
    /// `guard …`, `on …`
    Statement(&'e str),
    /// `errors @ 12m30s`
    Expression {
        /// `errors`
        text: &'e str,
        /// `12m30s`
        at: Option<&'e str>,
    },
}

/// Words that begin a declaration.
const DECLARATIONS: [&str; 22] = [
    "edition",
    "use",
    "param",
    "let",
    "metric",
    "traffic",
    "flag",
    "flags",
    "action",
    "channel",
    "killswitch",
    "environment",
    "rollout",
    "slice",
    "probe",
    "load",
    "window",
    "signoff",
    "slo",
    "score",
    "test",
    "import",
];

/// Words that begin a statement of a rollout, or of a phase, which stands in one.
const STATEMENTS: [&str; 27] = [
    "guard",
    "phase",
    "on",
    "every",
    "at",
    "when",
    "check",
    "no",
    "settle",
    "baseline",
    "require",
    "advance",
    "cooldown",
    "release",
    "drift",
    "route",
    "after",
    "owner",
    "link",
    "start",
    "hold",
    "run",
    "ramp",
    "promote",
    "mirror",
    "irreversible",
    "snapshot",
];

/// Words that go on with an expression: what stands before one is a name, whatever it means elsewhere.
const GOES_ON: [&str; 6] = ["and", "or", "in", "for", "is", "confidence"];

impl<'e> Entry<'e> {
    /// Reads an entry.
    pub(super) fn of(text: &'e str) -> Self {
        let text = text.trim();
        if text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
            return Self::Empty;
        }
        if text.starts_with(':') {
            let (name, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
            return Self::Command { name, rest: rest.trim() };
        }
        if text == "?" || text == "help" || text == "quit" || text == "exit" {
            return Self::Command { name: if text == "?" || text == "help" { ":help" } else { ":quit" }, rest: "" };
        }
        match begins(text) {
            Some(word) if DECLARATIONS.contains(&word) => Self::Declaration(text),
            Some(word) if STATEMENTS.contains(&word) => Self::Statement(text),
            _ => {
                let (text, at) = moment(text);
                Self::Expression { text, at }
            }
        }
    }
}

/// The first word of a text, where what follows shows that it is a keyword and no name.
fn begins(text: &str) -> Option<&str> {
    let word_like = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let code: Vec<&str> = text.lines().skip_while(|l| l.trim_start().starts_with('#') || l.trim().is_empty()).collect();
    let text = code.first().map(|l| l.trim_start())?;
    let word = text.split(|c| !word_like(c)).next().filter(|w| !w.is_empty())?;
    let behind = text.get(word.len()..)?;
    if !behind.is_empty() && !behind.starts_with(char::is_whitespace) {
        return None;
    }
    let behind = behind.trim_start();
    // `at` alone is asked for as a name; `load < 90%` compares it
    if behind.is_empty() && code.len() < 2
        || behind.starts_with(['<', '>', '=', '!', '+', '-', '*', '/', '@', '.', ')'])
    {
        return None;
    }
    let next = behind.split(|c| !word_like(c)).next().unwrap_or("");
    // `guard slow` asks for it, `guard slow: …` declares it
    let alone =
        behind.get(next.len()..).is_some_and(|rest| rest.trim().is_empty() || rest.trim_start().starts_with('@'));
    if word == "guard" && alone && code.len() < 2 {
        return None;
    }
    (!GOES_ON.contains(&next)).then_some(word)
}

/// Cuts `@ MOMENT` off: the last `@` outside of quotes.
fn moment(text: &str) -> (&str, Option<&str>) {
    let (mut quote, mut found, mut escaped) = (None, None, false);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            (Some('"'), '\\') if !escaped => {
                escaped = true;
                continue;
            }
            (Some(q), c) if q == c && !escaped => quote = None,
            (None, '"' | '`') => quote = Some(c),
            (None, '@') => found = Some(i),
            _ => {}
        }
        escaped = false;
    }
    match found.and_then(|i| Some((text.get(..i)?, text.get(i + 1..)?))) {
        Some((before, behind)) => (before.trim(), Some(behind.trim())),
        None => (text, None),
    }
}

/// The command that a name means: a beginning that only one has will do. Else the nearest one, for a message.
pub(super) fn command(name: &str) -> Result<&'static str, Option<&'static str>> {
    let known = || COMMANDS.iter().map(|c| c.name);
    if let Some(same) = known().find(|c| *c == name) {
        return Ok(same);
    }
    let begins: Vec<&str> = known().filter(|c| name.len() > 1 && c.starts_with(name)).collect();
    if let [one] = begins.as_slice() {
        return Ok(one);
    }
    let near = known().map(|c| (strsim::damerau_levenshtein(c, name), c)).min();
    Err(begins.first().copied().or(near.filter(|(d, c)| *d <= 2 && *d + 1 < c.len()).map(|(_, c)| c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_known_by_its_first_words() {
        let expression = |text, at| Entry::Expression { text, at };
        for (text, want) in [
            ("", Entry::Empty),
            ("  # only a word\n", Entry::Empty),
            (":step  5m ", Entry::Command { name: ":step", rest: "5m" }),
            ("?", Entry::Command { name: ":help", rest: "" }),
            ("let a = 1", Entry::Declaration("let a = 1")),
            ("# why\nguard a: b else hold", Entry::Statement("# why\nguard a: b else hold")),
            ("no data tolerate 1m else pause", Entry::Statement("no data tolerate 1m else pause")),
            ("load < 90%", expression("load < 90%", None)),
            ("load", expression("load", None)),
            ("load for 5m", expression("load for 5m", None)),
            ("phase.elapsed", expression("phase.elapsed", None)),
            ("when (a < b): snapshot", Entry::Statement("when (a < b): snapshot")),
            ("guard slow", expression("guard slow", None)),
            ("guard slow @ 5m", expression("guard slow", Some("5m"))),
            ("guard slow: a < b", Entry::Statement("guard slow: a < b")),
            ("errors @ 12m30s", expression("errors", Some("12m30s"))),
            ("x == \"a@b\"", expression("x == \"a@b\"", None)),
            ("x == \"a\\\"@b\" @ end", expression("x == \"a\\\"@b\"", Some("end"))),
            ("@", expression("", Some(""))),
        ] {
            assert_eq!(Entry::of(text), want, "{text}");
        }
    }

    #[test]
    fn a_command_is_meant_by_its_beginning() {
        assert_eq!(command(":step"), Ok(":step"));
        assert_eq!(command(":ti"), Ok(":timeline"));
        assert_eq!(command(":stp"), Err(Some(":step")));
        assert_eq!(command(":e"), Ok(":explain"));
        assert!(command(":s").is_err() && command(":").is_err());
        assert_eq!(command(":frobnicate"), Err(None));
    }
}
