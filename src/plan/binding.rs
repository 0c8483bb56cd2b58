//! What an environment binds: ports and sources to backends, with their arguments. Secrets are named, never held.

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

impl Binding {
    /// An argument.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&Arg> {
        self.args.get(name)
    }
}
