//! A conversation for the editor's own tests: it has names, and answers with what it was told.

use crate::repl::{Name, NameKind, Reply, Talk};

/// Names of a small rollout.
pub(super) fn names() -> Vec<Name> {
    use NameKind::{Field, Function, Guard, Keyword, Metric, Param, Phase, Port, Source, Unit};
    [
        ("errors", Metric, "ratio", "failed of all requests"),
        ("errors", Guard, "", ""),
        ("latency", Metric, "histogram of seconds", ""),
        ("failed", Metric, "counter", ""),
        ("errors.limit", Field, "ratio", ""),
        ("errors.tolerate", Field, "duration", ""),
        ("max_errors", Param, "ratio", "at most so many"),
        ("taste", Phase, "", ""),
        ("half", Phase, "", ""),
        ("checkout", Port, "traffic", ""),
        ("prometheus", Source, "", ""),
        ("increase", Function, "increase(m: counter, over: duration) → number", "how much a counter has grown"),
        ("share", Function, "share(m: histogram < duration, over: duration) → ratio", ""),
        ("guard", Keyword, "", ""),
        ("and", Keyword, "", ""),
        ("ms", Unit, "duration", ""),
        ("s", Unit, "duration", ""),
        ("m", Unit, "duration", ""),
        ("h", Unit, "duration", ""),
        ("%", Unit, "ratio", ""),
        ("pp", Unit, "points", ""),
        ("MiB", Unit, "bytes", ""),
    ]
    .into_iter()
    .map(|(text, kind, hint, doc)| Name { text: text.into(), kind, hint: hint.into(), doc: doc.into() })
    .collect()
}

/// Says back what it hears; `bad` fails, `:quit` ends.
#[derive(Default)]
pub(super) struct Echo {
    pub(super) heard: Vec<String>,
}

impl Talk for Echo {
    fn enter(&mut self, entry: &str) -> Reply {
        self.heard.push(entry.to_owned());
        Reply { text: format!("heard {entry:?}\n"), failed: entry.starts_with("bad"), ends: entry == ":quit" }
    }

    fn names(&self) -> &[Name] {
        &[]
    }

    fn prompt(&self) -> String {
        format!("{}m", self.heard.len())
    }
}
