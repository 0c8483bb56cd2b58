//! Ports that are set and read by commands:
//! `edge = command(set: ["lb", "split", "${percent}"], get: ["lb", "show", "--json"], read: json("$.canary"))`.
//!
//! `${percent}` (shares: `5`, `0.5`) and `${value}` (the same for shares; `on`/`off` flags as `true`/`false`; counts as whole
//! numbers) are replaced inside an argument, whose bounds do not move: there is no shell. Shares are read as percentages.

use super::flag::FlagKind;
use super::json_path::JsonPath;
use super::process::{self, How, Spec};
use super::{BackendError, Port};
use crate::plan::Setting;
use async_trait::async_trait;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

/// How long either command may take.
const PATIENCE: Duration = Duration::from_secs(9);

/// A port behind two commands.
#[derive(Debug, Clone)]
pub struct CommandPort {
    kind: FlagKind,
    set: Vec<String>,
    get: Vec<String>,
    read: Option<JsonPath>,
    cwd: PathBuf,
}

impl CommandPort {
    /// `read` finds the value in the JSON that `get` prints; without it all that it prints is the value. Both commands run in
    /// `cwd`, the folder of the environment file.
    ///
    /// # Errors
    /// An empty command, a `set` that never says the value, an unknown `${…}`, an unreadable path.
    pub fn new(
        kind: FlagKind,
        set: Vec<String>,
        get: Vec<String>,
        read: Option<&str>,
        cwd: impl Into<PathBuf>,
    ) -> Result<Self, BackendError> {
        let bad = |why: String| BackendError::permanent(format!("command: {why}"));
        for (what, argv) in [("set", &set), ("get", &get)] {
            if argv.first().is_none_or(String::is_empty) {
                return Err(bad(format!("`{what}` names no program")));
            }
        }
        let port = Self { kind, set, get, read: read.map(JsonPath::parse).transpose().map_err(bad)?, cwd: cwd.into() };
        let mut says_value = false;
        for arg in &port.set {
            says_value |= port.fill(arg, "").map_err(bad)? != *arg;
        }
        if !says_value {
            return Err(bad("`set` has no `${value}`: every setting would run the same command".to_owned())
                .help("give the place of the value: set: [\"lb\", \"split\", \"${percent}\"]"));
        }
        if let Some(arg) = port.get.iter().find(|a| a.contains("${")) {
            return Err(bad(format!("`get` sets nothing, so {arg:?} has nothing to stand for")));
        }
        Ok(port)
    }

    /// Whether both programs are there, so that a rollout does not find out only when it sets the first share.
    ///
    /// # Errors
    /// All that cannot be started.
    pub fn ready(&self) -> Result<(), BackendError> {
        let mut why: Vec<String> =
            [&self.set, &self.get].into_iter().filter_map(|argv| process::startable(argv, &self.cwd).err()).collect();
        why.dedup();
        if why.is_empty() {
            Ok(())
        } else {
            Err(BackendError::permanent(format!("cannot start {}", why.join(", nor "))))
        }
    }

    /// One argument with its placeholders replaced.
    fn fill(&self, arg: &str, value: &str) -> Result<String, String> {
        let mut out = String::with_capacity(arg.len());
        let mut rest = arg;
        while let Some((head, tail)) = rest.split_once("${") {
            out.push_str(head);
            let name = tail.split_once('}');
            match name {
                Some(("value", after)) => {
                    out.push_str(value);
                    rest = after;
                }
                Some(("percent", after)) if self.kind == FlagKind::Ratio => {
                    out.push_str(value);
                    rest = after;
                }
                Some(("percent", _)) => {
                    return Err("`${percent}` is for shares: write `${value}`".to_owned());
                }
                Some((other, _)) => {
                    return Err(format!("`${{{other}}}` is not known in {arg:?}: `${{percent}}` and `${{value}}` are"));
                }
                None => return Err(format!("`${{` is not closed in {arg:?}")),
            }
        }
        out.push_str(rest);
        Ok(out)
    }

    fn argv(&self, to: Setting) -> Result<Vec<String>, BackendError> {
        let value = self.kind.text(to).ok_or_else(|| {
            BackendError::permanent(format!(
                "{}: cannot be set to `{to}`: it holds {}",
                self.describe(),
                self.kind.expected()
            ))
        })?;
        self.set.iter().map(|a| self.fill(a, &value).map_err(BackendError::permanent)).collect()
    }

    /// Runs one of the two and returns what it printed on standard output.
    async fn call(&self, argv: &[String]) -> Result<String, BackendError> {
        let ended = process::run(&Spec { argv, cwd: &self.cwd, vars: &[], timeout: PATIENCE, merged: false }).await;
        let line = process::pasted(argv);
        if !ended.how.ok() {
            // its last line is most often its reason
            let said = ended.err.text();
            let reason = said.lines().rev().find(|l| !l.trim().is_empty());
            let reason = reason.map(|l| format!(": {}", l.trim())).unwrap_or_default();
            return Err(match ended.how {
                How::CannotStart(_) => BackendError::permanent(format!("{line}: {}", ended.how)),
                // a command that failed may succeed when what it talks to is back
                _ => BackendError::transient(format!("{line}: {}{reason}", ended.how)),
            });
        }
        if ended.out.is_cut() {
            return Err(BackendError::permanent(format!("{line}: printed more than {} KiB", process::KEPT / 1024)));
        }
        Ok(ended.out.text())
    }

    fn parse(&self, printed: &str) -> Result<Setting, BackendError> {
        parse(self.kind, self.read.as_ref(), &process::pasted(&self.get), printed)
    }
}

/// What a command printed, as a setting; `line` is the command, for messages.
pub(super) fn parse(
    kind: FlagKind,
    read: Option<&JsonPath>,
    line: &str,
    printed: &str,
) -> Result<Setting, BackendError> {
    let bad = |why: String| BackendError::permanent(format!("{line}: {why}"));
    let text = match read {
        None => printed.trim().to_owned(),
        Some(path) => {
            let root: Value = serde_json::from_str(printed)
                .map_err(|e| bad(format!("did not print JSON: {e}: {}", shortened(printed))))?;
            match path.find(&root) {
                Some(v @ (Value::Bool(_) | Value::Number(_))) => v.to_string(),
                // `"5"`: some tools print numbers as strings
                Some(Value::String(s)) => s.clone(),
                Some(v) => {
                    return Err(bad(format!("at {path} stands {}", shortened(&v.to_string()))));
                }
                None => return Err(bad(format!("printed nothing at {path}"))),
            }
        }
    };
    kind.setting(&text)
        .ok_or_else(|| bad(format!("printed {} where {} was expected", shortened(&text), kind.expected())))
}

/// A text in quotes, at most 60 characters of it.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}

#[async_trait]
impl Port for CommandPort {
    async fn read(&self) -> Result<Setting, BackendError> {
        self.parse(&self.call(&self.get).await?)
    }

    async fn set(&self, to: Setting) -> Result<(), BackendError> {
        self.call(&self.argv(to)?).await.map(|_| ())
    }

    fn accepts(&self, to: Setting) -> Result<(), BackendError> {
        self.argv(to).map(|_| ())
    }

    fn by_hand(&self, to: Setting) -> String {
        match self.argv(to) {
            Ok(argv) => process::pasted(&argv),
            Err(e) => format!("# {e}"),
        }
    }

    fn describe(&self) -> String {
        format!("command {}", process::pasted(&self.set))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(words: &[&str]) -> Vec<String> {
        words.iter().map(|w| (*w).to_owned()).collect()
    }

    fn ratio(read: Option<&str>) -> CommandPort {
        CommandPort::new(FlagKind::Ratio, list(&["lb", "split", "--to=${percent}%"]), list(&["lb", "show"]), read, ".")
            .unwrap()
    }

    #[test]
    fn the_value_stands_inside_one_argument() {
        let p = ratio(None);
        assert_eq!(p.by_hand(Setting::Share(0.07)), "lb split --to=7%");
        assert_eq!(p.by_hand(Setting::Share(0.005)), "lb split --to=0.5%");
        assert!(p.by_hand(Setting::Bool(true)).starts_with("# "));
        assert!(p.accepts(Setting::Share(1.5)).is_err());
        assert!(p.accepts(Setting::Absent).is_err());
    }

    #[test]
    fn bad_commands_are_refused() {
        let new = |set: &[&str], get: &[&str], read| {
            CommandPort::new(FlagKind::Bool, list(set), list(get), read, ".").unwrap_err().message
        };
        assert_eq!(new(&[], &["g"], None), "command: `set` names no program");
        assert!(new(&["s", "on"], &["g"], None).contains("has no `${value}`"));
        assert!(new(&["s", "${percent}"], &["g"], None).contains("write `${value}`"));
        assert!(new(&["s", "${user}"], &["g"], None).contains("`${user}` is not known"));
        assert!(new(&["s", "${value"], &["g"], None).contains("is not closed"));
        assert!(new(&["s", "${value}"], &["g", "${value}"], None).contains("`get` sets nothing"));
        assert!(new(&["s", "${value}"], &["g"], Some("x")).contains("begin with `$`"));
    }

    #[test]
    fn what_is_printed_is_read_by_its_kind() {
        let whole = ratio(None);
        assert_eq!(whole.parse(" 12.5\n"), Ok(Setting::Share(0.125)));
        assert!(whole.parse("").unwrap_err().message.contains("printed \"\" where a percentage"));
        assert!(whole.parse("101").is_err());
        assert!(whole.parse("NaN").is_err());
        let json = ratio(Some("$.canary"));
        assert_eq!(json.parse("{\"canary\": 5}"), Ok(Setting::Share(0.05)));
        assert_eq!(json.parse("{\"canary\": \"5\"}"), Ok(Setting::Share(0.05)));
        assert!(json.parse("oops").unwrap_err().message.contains("did not print JSON"));
        assert!(json.parse("{}").unwrap_err().message.contains("nothing at $.canary"));
        assert!(json.parse("{\"canary\": []}").unwrap_err().message.contains("at $.canary stands"));
    }
}
