//! Flag files as text: one value found, replaced, added and removed, with every byte around it left as it is.
//!
//! Pure functions. Edits are made to the text at the places that a parser reports, never by printing a tree. What was added
//! can be taken away again without a trace, also by another process: each format says in its file how it knows what it made.

mod env;
mod json;
mod key;
pub(super) mod spelling;
mod splice;
mod toml;
mod yaml;

pub(super) use key::Key;

/// The format of a flag file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// JSON with comments and trailing commas.
    Json,
    /// YAML 1.2, booleans as YAML 1.1 spells them too.
    Yaml,
    /// TOML 1.0.
    Toml,
    /// `KEY=value` lines, as shells and dotenv read them.
    Env,
}

/// What stands at the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) struct Found {
    /// A scalar that may be a flag's value, as it is written, quotes included; `None` for anything else.
    pub scalar: Option<String>,
    /// What it is in words: `the string "on"`, `an object`.
    pub what: String,
    /// `line:column`, both from 1, in characters.
    pub place: String,
}

/// What stands at a key, at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::backend) enum Glance {
    /// A scalar that may be a flag's value, as it is written.
    Scalar(String),
    /// Nothing.
    Absent,
    /// Something else, or what cannot be told at a glance: [`Format::find`] says what.
    Other,
}

impl Format {
    /// The backend's name in an environment.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json_file",
            Self::Yaml => "yaml_file",
            Self::Toml => "toml_file",
            Self::Env => "env_file",
        }
    }

    /// The format of a backend.
    #[must_use]
    pub fn of_backend(name: &str) -> Option<Self> {
        [Self::Json, Self::Yaml, Self::Toml, Self::Env].into_iter().find(|f| f.name() == name)
    }

    /// The least that such a file holds, in words.
    #[must_use]
    pub fn least(self) -> &'static str {
        match self {
            Self::Json => "at least `{}` in it",
            Self::Yaml | Self::Toml | Self::Env => "nothing in it",
        }
    }

    /// A key from an environment.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn key(self, text: &str) -> Result<Key, String> {
        if self != Self::Env {
            return Key::parse(text);
        }
        let mut chars = text.chars();
        let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
        if first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            Ok(Key(vec![text.to_owned()]))
        } else {
            Err("no name of a variable: letters, digits and `_`, not beginning with a digit".to_owned())
        }
    }

    /// Finds a key's value; `None` where the key, or something on the way to it, is not there.
    ///
    /// # Errors
    /// `line:column: why`: text that is not of this format, something else on the way, a key that stands there twice.
    pub(super) fn find(self, text: &str, key: &Key) -> Result<Option<Found>, String> {
        match self {
            Self::Json => json::find(text, key),
            Self::Yaml => yaml::find(text, key),
            Self::Toml => toml::find(text, key),
            Self::Env => env::find(text, key),
        }
    }

    /// What stands at many keys, read at once; none where they have to be read one by one: in formats that cannot, and
    /// in a text that cannot be read.
    pub(super) fn glance(self, text: &str, keys: &[&Key]) -> Option<Vec<Glance>> {
        match self {
            Self::Json => json::many::glance(text, keys),
            Self::Yaml | Self::Toml | Self::Env => None,
        }
    }

    /// As [`Format::edit`] of one key after the other, at once; none where it has to be done one by one.
    pub(super) fn edit_all(self, text: &str, edits: &[(&Key, Option<String>)]) -> Option<String> {
        match self {
            Self::Json => json::many::edit(text, edits),
            Self::Yaml | Self::Toml | Self::Env => None,
        }
    }

    /// The text with a key's value set, or (`None`) with the key gone. The result is read again before it is believed.
    ///
    /// # Errors
    /// As [`Format::find`], and a place where this edit cannot be made without changing something else.
    pub(super) fn edit(self, text: &str, key: &Key, value: Option<&str>) -> Result<String, String> {
        let out = match self {
            Self::Json => json::edit(text, key, value),
            Self::Yaml => yaml::edit(text, key, value),
            Self::Toml => toml::edit(text, key, value),
            Self::Env => env::edit(text, key, value),
        }?;
        let read = self.find(&out, key).map_err(|why| format!("the file would be damaged: {why}"))?;
        match (value, read) {
            (None, None) => Ok(out),
            (Some(v), Some(Found { scalar: Some(s), .. })) if s == v => Ok(out),
            _ => Err(format!("1:1: {key} cannot be edited here: write the file by hand")),
        }
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "readers_tests.rs"]
mod readers_tests;
