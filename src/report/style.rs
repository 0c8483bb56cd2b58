//! Colour, only where it is wanted.

use crate::engine::Word;

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colour: bool,
}

impl Style {
    /// Plain text.
    pub const PLAIN: Self = Self { colour: false };

    /// In colours, wherever the test runs.
    #[cfg(test)]
    pub(crate) const COLOURED: Self = Self { colour: true };

    /// Colour on a terminal, unless `NO_COLOR` is set to anything (<https://no-color.org>) or the terminal is dumb.
    #[must_use]
    pub fn for_terminal(is_terminal: bool) -> Self {
        let no = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb");
        Self { colour: is_terminal && !no && !dumb }
    }

    /// Whether it colours.
    #[must_use]
    pub fn colours(self) -> bool {
        self.colour
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// Bold.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    /// Faint.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    /// Good news.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.paint("32", text)
    }

    /// Bad news.
    #[must_use]
    pub fn bad(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    /// Neither.
    #[must_use]
    pub fn unsure(self, text: &str) -> String {
        self.paint("33", text)
    }

    /// A name that is known.
    #[must_use]
    pub fn known(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// What is pointed at.
    #[must_use]
    pub fn marked(self, text: &str) -> String {
        self.paint("1;4", text)
    }

    /// A guard's word in its colour; `text` is the word, perhaps padded.
    #[must_use]
    pub fn word(self, word: Word, text: &str) -> String {
        match word {
            Word::Ok => self.good(text),
            Word::Failing | Word::Breached | Word::Dark => self.bad(text),
            Word::Warming | Word::Thin | Word::Undecided | Word::Blind => self.unsure(text),
        }
    }
}
