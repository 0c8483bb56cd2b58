//! Why data cannot be imported.

use std::fmt;

/// What is wrong, where, and a way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportError {
    /// Where: `line 7`; empty where it is nowhere in particular.
    pub place: String,
    /// What is wrong.
    pub what: String,
    /// A way out.
    pub help: String,
}

impl ImportError {
    /// Nowhere in particular.
    #[must_use]
    pub fn new(what: impl Into<String>, help: &str) -> Self {
        Self::at("", what, help)
    }

    /// At a place.
    #[must_use]
    pub fn at(place: &str, what: impl Into<String>, help: &str) -> Self {
        Self { place: String::from(place), what: what.into(), help: String::from(help) }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.place.is_empty() {
            write!(f, "{}: ", self.place)?;
        }
        write!(f, "{}; {}", self.what, self.help)
    }
}

impl std::error::Error for ImportError {}
