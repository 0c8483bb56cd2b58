//! Reads what `env("X")` and `secret("X")` name: all missing ones are reported together, none is ever printed.

use crate::backend::secret::Secret;
use crate::plan::{Arg, Binding, Bindings};
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Resolves arguments of bindings and remembers what is missing or of the wrong kind.
#[derive(Debug, Default)]
pub struct Resolver {
    missing: RefCell<BTreeSet<String>>,
    wrong: RefCell<BTreeSet<String>>,
}

/// The variable of that name, else the file of that name in `$CREDENTIALS_DIRECTORY` (systemd's credentials).
#[must_use]
pub fn secret_value(name: &str) -> Option<Secret> {
    if let Ok(v) = std::env::var(name)
        && !v.trim().is_empty()
    {
        return Some(Secret::new(v));
    }
    let file = std::env::var_os("CREDENTIALS_DIRECTORY").map(|d| PathBuf::from(d).join(name))?;
    let text = std::fs::read_to_string(file).ok()?;
    let text = text.trim_end_matches(['\n', '\r']);
    (!text.is_empty()).then(|| Secret::new(text))
}

/// All secrets that bindings name and that are there, to keep them out of what is shown.
#[must_use]
pub fn secrets(bindings: &Bindings) -> Vec<Secret> {
    let all = crate::plan::render::credentials(bindings);
    all.iter().filter(|c| c.secret).filter_map(|c| secret_value(&c.name)).collect()
}

impl Resolver {
    /// Everything that stood in the way, in words.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        self.missing.borrow().iter().chain(self.wrong.borrow().iter()).cloned().collect()
    }

    fn env(&self, name: &str) -> Option<String> {
        match std::env::var(name) {
            Ok(v) if !v.trim().is_empty() => Some(v),
            Ok(_) => {
                self.missing.borrow_mut().insert(format!("environment variable {name} is empty"));
                None
            }
            Err(std::env::VarError::NotPresent) => {
                self.missing.borrow_mut().insert(format!("environment variable {name} is not set"));
                None
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                self.wrong.borrow_mut().insert(format!("environment variable {name} is not UTF-8"));
                None
            }
        }
    }

    fn secret(&self, name: &str) -> Option<Secret> {
        let found = secret_value(name);
        if found.is_some() {
            return found;
        }
        self.missing.borrow_mut().insert(format!(
            "secret {name} is missing: neither a variable of that name nor a file $CREDENTIALS_DIRECTORY/{name}"
        ));
        None
    }

    /// A text argument.
    #[must_use]
    pub fn text(&self, binding: &Binding, name: &str) -> Option<String> {
        self.text_of(binding, name, binding.arg(name)?)
    }

    fn text_of(&self, binding: &Binding, name: &str, arg: &Arg) -> Option<String> {
        match arg {
            Arg::Text(t) => Some(t.clone()),
            Arg::Env(e) => self.env(e),
            Arg::Secret(s) => self.secret(&s.0).map(|s| s.expose().to_owned()),
            Arg::Duration(_) | Arg::Number(_) | Arg::Bool(_) | Arg::List(_) => {
                self.wrong
                    .borrow_mut()
                    .insert(format!("{}: argument `{name}` of {} is to be a text", binding.place, binding.backend));
                None
            }
        }
    }

    /// A secret argument.
    #[must_use]
    pub fn secret_arg(&self, binding: &Binding, name: &str) -> Option<Secret> {
        match binding.arg(name)? {
            Arg::Secret(s) => self.secret(&s.0),
            other => self.text_of(binding, name, other).map(Secret::new),
        }
    }

    /// A command's arguments. A secret is refused here, too: bindings that were pinned by an older version may hold one, and
    /// argument lists are seen in the list of processes and in what is printed to be typed by hand.
    #[must_use]
    pub fn words(&self, binding: &Binding, name: &str) -> Vec<String> {
        if let Some(Arg::List(list)) = binding.arg(name)
            && list.iter().any(|a| matches!(a, Arg::Secret(_)))
        {
            self.wrong.borrow_mut().insert(format!(
                "{}: a secret in the argument list `{name}` of {}: commands inherit the environment: let the command read the \
                 variable itself",
                binding.place, binding.backend
            ));
            return Vec::new();
        }
        self.texts(binding, name)
    }

    /// A list of texts.
    #[must_use]
    pub fn texts(&self, binding: &Binding, name: &str) -> Vec<String> {
        match binding.arg(name) {
            Some(Arg::List(list)) => list.iter().filter_map(|a| self.text_of(binding, name, a)).collect(),
            Some(one) => self.text_of(binding, name, one).into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// A duration, in milliseconds.
    #[must_use]
    pub fn duration(&self, binding: &Binding, name: &str) -> Option<i64> {
        match binding.arg(name)? {
            Arg::Duration(d) => Some(*d),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn all_that_is_missing_is_told_at_once_and_no_value_is() {
        let r = Resolver::default();
        let args = BTreeMap::from([
            (String::from("url"), Arg::Env(String::from("CANARY_TEST_NO_SUCH_URL"))),
            (String::from("bearer"), Arg::Secret(crate::plan::Secret(String::from("CANARY_TEST_NO_SUCH_TOKEN")))),
            (String::from("scrape"), Arg::Duration(1000)),
        ]);
        let b = Binding { backend: String::from("prometheus"), args, place: String::from("e:1:1") };
        assert_eq!(r.text(&b, "url"), None);
        assert!(r.secret_arg(&b, "bearer").is_none());
        assert_eq!(r.duration(&b, "scrape"), Some(1000));
        let reasons = r.reasons();
        assert_eq!(reasons.len(), 2);
        assert!(reasons.iter().any(|m| m.contains("CANARY_TEST_NO_SUCH_URL")));
        assert!(reasons.iter().any(|m| m.contains("CANARY_TEST_NO_SUCH_TOKEN")));
    }

    #[test]
    fn a_secret_never_gets_into_an_argument_list() {
        let r = Resolver::default();
        // a variable that every process has
        let list = vec![Arg::Text(String::from("./set.sh")), Arg::Secret(crate::plan::Secret(String::from("PATH")))];
        let args = BTreeMap::from([(String::from("set"), Arg::List(list))]);
        let b = Binding { backend: String::from("command"), args, place: String::from("e:1:1") };
        assert_eq!(r.words(&b, "set"), [""; 0]);
        let reasons = r.reasons();
        assert_eq!(reasons.len(), 1);
        assert!(reasons.iter().all(|m| m.starts_with("e:1:1: a secret in the argument list `set` of command")));
    }
}
