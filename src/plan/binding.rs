//! What an environment binds: ports and sources to backends, with their arguments. Secrets are named, never held.

use super::{Port, PortKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All bindings that a plan needs, by port or source name.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Bindings {
    /// The environment's name.
    pub environment: String,
    /// Port, source, channel or action → backend.
    pub bindings: BTreeMap<String, Binding>,
    /// Label matchers of each population: `canary`, `stable`, `all`.
    pub variants: BTreeMap<String, String>,
    /// Groups of people who may approve or sign, as they are known to the tool.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub people: BTreeMap<String, Vec<String>>,
    /// Where evidence goes; `None`: nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Binding>,
    /// The store; `None`: `sqlite(path: ".canary/store.db")`.
    pub store: Option<Binding>,
    /// SHA-256 over the canonical JSON of everything above (secrets by name only), in hex.
    pub hash: String,
}

/// One `NAME = backend(arg: value, …)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Binding {
    /// `prometheus`, `haproxy`, `json_file`, …
    pub backend: String,
    /// Arguments by name; a first unnamed argument has the name that the backend's signature gives it.
    pub args: BTreeMap<String, Arg>,
    /// `file:line:column` of the binding, for messages.
    pub place: String,
}

/// An argument's value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arg {
    /// `"text"`
    Text(String),
    /// `env("X")`: read when the run starts, may be shown.
    Env(String),
    /// `secret("X")`: read when the run starts, never shown.
    Secret(Secret),
    /// `15s`, in milliseconds.
    Duration(i64),
    /// `3`, `50%`
    Number(f64),
    /// `on`, `off`
    Bool(bool),
    /// `["a", "b"]`
    List(Vec<Arg>),
}

/// The name of a secret: the variable of that name, else the file of that name in `$CREDENTIALS_DIRECTORY`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

/// What stands for the name of a flag in the texts of its binding.
pub const FLAG_NAME: &str = "${flag}";

/// How often a source takes a sample that does not say, in milliseconds: Prometheus' own example.
pub const SCRAPE: i64 = 15_000;
/// The same of the built-in lab.
pub const LAB_SCRAPE: i64 = 1_000;

impl Bindings {
    /// How often a source takes a sample, in milliseconds.
    #[must_use]
    pub fn scrape(&self, source: &str) -> i64 {
        let Some(binding) = self.bindings.get(source) else { return SCRAPE };
        if matches!(binding.backend.as_str(), "lab" | "lab_scrape") {
            return LAB_SCRAPE;
        }
        match binding.arg("scrape").or_else(|| binding.arg("every")) {
            Some(Arg::Duration(ms)) => *ms,
            _ => SCRAPE,
        }
    }
}

/// What is filled in today: what a port is set to, where it is set, and a flag's name, when it is connected.
const FILLED: [&str; 3] = ["${percent}", "${value}", FLAG_NAME];

impl Arg {
    /// Whether it holds a placeholder that nobody fills in yet: a slice's value, another port's share.
    #[must_use]
    pub fn is_unfilled(&self) -> bool {
        match self {
            Self::Text(t) => FILLED.iter().fold(t.clone(), |t, f| t.replace(f, "")).contains("${"),
            Self::List(items) => items.iter().any(Self::is_unfilled),
            Self::Env(_) | Self::Secret(_) | Self::Duration(_) | Self::Number(_) | Self::Bool(_) => false,
        }
    }
}

impl Binding {
    /// An argument.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&Arg> {
        self.args.get(name)
    }

    /// The binding of one port: [`FLAG_NAME`] is its name, or that of the member of a group.
    #[must_use]
    pub fn for_port(&self, port: &Port) -> Self {
        let mut out = self.clone();
        if port.kind != PortKind::Traffic {
            out.args.values_mut().for_each(|a| fill(a, port.flag_name()));
        }
        out
    }
}

fn fill(arg: &mut Arg, name: &str) {
    match arg {
        Arg::Text(t) => *t = t.replace(FLAG_NAME, name),
        Arg::List(items) => items.iter_mut().for_each(|i| fill(i, name)),
        Arg::Env(_) | Arg::Secret(_) | Arg::Duration(_) | Arg::Number(_) | Arg::Bool(_) => {}
    }
}

impl Port {
    /// The name under which an environment binds it: that of its group, or its own.
    #[must_use]
    pub fn bound_as(&self) -> &str {
        self.group.as_deref().unwrap_or(&self.name)
    }

    /// The flag's own name: that of the member in its group, or its own, without the module that declares it.
    #[must_use]
    pub fn flag_name(&self) -> &str {
        let member = self.group.as_deref().and_then(|g| self.name.strip_prefix(g)?.strip_prefix('.'));
        member.or_else(|| self.name.rsplit('.').next()).unwrap_or(&self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_flag_is_filled_in_everywhere_but_in_what_is_named_outside() {
        let port = Port { name: "m4.a.b".into(), kind: PortKind::BoolFlag, group: Some("m4".into()), per: Vec::new() };
        assert_eq!((port.bound_as(), port.flag_name()), ("m4", "a.b"));
        let text = |t: &str| Arg::Text(t.into());
        let args = [
            ("key", text("x/${flag}/${flag}")),
            ("set", Arg::List(vec![text("set"), text("${flag}=${value}")])),
            ("url", Arg::Env("${flag}".into())),
        ];
        let args = args.into_iter().map(|(n, a)| (n.to_owned(), a)).collect();
        let bound = Binding { backend: "x".into(), args, place: String::new() };
        let made = bound.for_port(&port);
        assert_eq!(made.arg("key"), Some(&text("x/a.b/a.b")));
        assert_eq!(made.arg("set"), Some(&Arg::List(vec![text("set"), text("a.b=${value}")])));
        assert_eq!(made.arg("url"), Some(&Arg::Env("${flag}".into())));
        let single = Port { name: "search".into(), kind: PortKind::BoolFlag, group: None, per: Vec::new() };
        assert_eq!((single.bound_as(), single.flag_name()), ("search", "search"));
        assert_eq!(bound.for_port(&single).arg("key"), Some(&text("x/search/search")));
        // the name that a policy gives a module is nothing that a flag file knows
        let imported = Port { name: "team.search".into(), kind: PortKind::BoolFlag, group: None, per: Vec::new() };
        assert_eq!((imported.bound_as(), imported.flag_name()), ("team.search", "search"));
        let member =
            Port { name: "team.m4.a".into(), kind: PortKind::BoolFlag, group: Some("team.m4".into()), per: Vec::new() };
        assert_eq!((member.bound_as(), member.flag_name()), ("team.m4", "a"));
    }
}
