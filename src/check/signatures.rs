//! The backends that an environment can bind, in one table: a new backend is a row here and an adapter, never new syntax.

/// What a backend can be bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A source of metrics.
    Metrics,
    /// A traffic port.
    Traffic,
    /// A flag.
    Flag,
    /// A channel to people.
    Channel,
    /// An action.
    Action,
    /// The store of runs.
    Store,
    /// Where evidence goes.
    Evidence,
    /// Where a probe or a load sends its requests.
    Requests,
}

impl Role {
    /// With its article, for messages.
    #[must_use]
    pub fn a(self) -> &'static str {
        match self {
            Self::Metrics => "a source of metrics",
            Self::Traffic => "a traffic port",
            Self::Flag => "a flag",
            Self::Channel => "a channel",
            Self::Action => "an action",
            Self::Store => "the store",
            Self::Evidence => "where evidence goes",
            Self::Requests => "a probe or load",
        }
    }
}

/// The type of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArgType {
    /// `"text"`, `env("X")` or `secret("X")`.
    Text,
    /// A text that gives access by itself: only `secret("X")`.
    Secret,
    /// `15s`
    Duration,
    /// `["./smoke.sh", "--strict"]`: not empty.
    Words,
    /// `json("$.canary")`: held as the path's text.
    JsonPath,
}

impl ArgType {
    /// What is to be written.
    #[must_use]
    pub fn example(self) -> &'static str {
        match self {
            Self::Text => "\"…\"",
            Self::Secret => "secret(\"NAME\")",
            Self::Duration => "15s",
            Self::Words => "[\"…\", \"…\"]",
            Self::JsonPath => "json(\"$.…\")",
        }
    }
}

/// An argument of a backend.
#[derive(Debug, Clone, Copy)]
pub struct ArgSignature {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub ty: ArgType,
    /// Whether it must be given.
    pub required: bool,
}

/// A backend in one of its roles.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// Its name in an environment.
    pub backend: &'static str,
    /// What it can be bound to.
    pub roles: &'static [Role],
    /// Its arguments; an unnamed one is the first of them.
    pub args: &'static [ArgSignature],
    /// What it is, in one line.
    pub doc: &'static str,
}

const fn must(name: &'static str, ty: ArgType) -> ArgSignature {
    ArgSignature { name, ty, required: true }
}

const fn may(name: &'static str, ty: ArgType) -> ArgSignature {
    ArgSignature { name, ty, required: false }
}

/// What all flag files take.
const FLAG_FILE: &[ArgSignature] = &[
    must("path", ArgType::Text),
    must("key", ArgType::Text),
    may("reload", ArgType::Words),
    may("reload_within", ArgType::Duration),
    may("in_use", ArgType::Words),
    may("read", ArgType::JsonPath),
];

/// Arguments that mean nothing without another one.
pub const BELONG_TO: &[(&str, &str)] = &[("reload_within", "reload"), ("read", "in_use")];

/// All backends that can be named in a file.
pub const SIGNATURES: &[Signature] = &[
    Signature {
        backend: "prometheus",
        roles: &[Role::Metrics],
        args: &[
            must("url", ArgType::Text),
            may("bearer", ArgType::Secret),
            may("user", ArgType::Text),
            may("password", ArgType::Secret),
            may("scrape", ArgType::Duration),
            may("timeout", ArgType::Duration),
        ],
        doc: "a server with the Prometheus query API",
    },
    Signature {
        backend: "scrape",
        roles: &[Role::Metrics],
        args: &[must("urls", ArgType::Words), may("every", ArgType::Duration)],
        doc: "metrics pages, read by this tool itself",
    },
    Signature {
        backend: "haproxy",
        roles: &[Role::Traffic],
        args: &[
            must("socket", ArgType::Text),
            must("backend", ArgType::Text),
            must("canary", ArgType::Text),
            must("stable", ArgType::Text),
        ],
        doc: "weights of two servers of an HAProxy backend, through its runtime socket",
    },
    Signature { backend: "json_file", roles: &[Role::Flag], args: FLAG_FILE, doc: "a value in a JSON file" },
    Signature { backend: "yaml_file", roles: &[Role::Flag], args: FLAG_FILE, doc: "a value in a YAML file" },
    Signature { backend: "toml_file", roles: &[Role::Flag], args: FLAG_FILE, doc: "a value in a TOML file" },
    Signature {
        backend: "env_file",
        roles: &[Role::Flag],
        args: FLAG_FILE,
        doc: "a variable in an env file (`KEY=value`)",
    },
    Signature {
        backend: "command",
        roles: &[Role::Action],
        args: &[must("argv", ArgType::Words)],
        doc: "a command with its arguments, never a shell line",
    },
    Signature {
        backend: "command",
        roles: &[Role::Traffic, Role::Flag],
        args: &[must("set", ArgType::Words), must("get", ArgType::Words), may("read", ArgType::JsonPath)],
        doc: "a port that is set and read by commands",
    },
    Signature {
        backend: "slack",
        roles: &[Role::Channel],
        args: &[must("url", ArgType::Secret)],
        doc: "an incoming webhook of Slack",
    },
    Signature {
        backend: "discord",
        roles: &[Role::Channel],
        args: &[must("url", ArgType::Secret)],
        doc: "a webhook of a Discord channel",
    },
    Signature {
        backend: "teams",
        roles: &[Role::Channel],
        args: &[must("url", ArgType::Secret)],
        doc: "a Workflows webhook of Microsoft Teams",
    },
    Signature {
        backend: "sqlite",
        roles: &[Role::Store],
        args: &[must("path", ArgType::Text)],
        doc: "a store in one file",
    },
    Signature {
        backend: "pagerduty",
        roles: &[Role::Channel],
        args: &[must("key", ArgType::Secret)],
        doc: "incidents of a PagerDuty service",
    },
    Signature {
        backend: "http",
        roles: &[Role::Requests],
        args: &[must("base", ArgType::Text), may("bearers", ArgType::Words)],
        doc: "where requests go, and the tokens of the users who send them",
    },
    Signature {
        backend: "folder",
        roles: &[Role::Evidence],
        args: &[must("path", ArgType::Text), may("sign", ArgType::Secret)],
        doc: "a folder that holds the evidence of each run",
    },
    // last: what is proposed first is what production would use
    Signature {
        backend: "lab",
        roles: &[Role::Metrics, Role::Channel],
        args: &[],
        doc: "the pages of the built-in lab, which runs as long as the rollout; as a channel, nobody",
    },
];

impl Signature {
    /// How it is written: `haproxy(socket: "…", backend: "…", …)`; what may be left out stands in brackets.
    #[must_use]
    pub fn written(&self) -> String {
        let alone = self.args.len() == 1;
        let args: Vec<String> = self
            .args
            .iter()
            .map(|a| {
                let text = if alone { a.ty.example().to_owned() } else { format!("{}: {}", a.name, a.ty.example()) };
                if a.required { text } else { format!("[{text}]") }
            })
            .collect();
        format!("{}({})", self.backend, args.join(", "))
    }

    /// An argument by name.
    #[must_use]
    pub fn arg(&self, name: &str) -> Option<&'static ArgSignature> {
        self.args.iter().find(|a| a.name == name)
    }
}

/// Backends that are known and bound, and have no adapter yet: what they bind is checked, and no run begins with them.
const UNBUILT: &[&str] = &["pagerduty", "http", "folder", "lab_http"];

/// Whether a backend has an adapter.
#[must_use]
pub fn is_built(backend: &str) -> bool {
    !UNBUILT.contains(&backend)
}

/// The backends of a role.
pub fn of_role(role: Role) -> impl Iterator<Item = &'static Signature> {
    SIGNATURES.iter().filter(move |s| s.roles.contains(&role))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_has_one_signature_for_a_role() {
        for (i, a) in SIGNATURES.iter().enumerate() {
            for b in SIGNATURES.iter().skip(i + 1) {
                let shared = a.roles.iter().any(|r| b.roles.contains(r));
                assert!(!(a.backend == b.backend && shared), "{} twice", a.backend);
            }
        }
    }

    #[test]
    fn every_role_can_be_filled() {
        use Role::{Action, Channel, Evidence, Flag, Metrics, Requests, Store, Traffic};
        for role in [Metrics, Traffic, Flag, Channel, Action, Store, Evidence, Requests] {
            assert!(of_role(role).next().is_some(), "{role:?}");
        }
    }
}
