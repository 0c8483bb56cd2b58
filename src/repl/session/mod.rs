//! What an entry means: a policy and a recording, a cursor in virtual time over the replay, and what was changed since the beginning.
//!
//! Who opens a conversation reads the files, and nothing is read afterwards. `commands::policy::conversation` does it from paths:
//!
//! ```text
//! let mut talk = policy::conversation(&args.file, args.env.as_deref(), args.rollout.as_deref(), args.recording.as_deref(),
//!                                     Style::for_terminal(stdout.is_terminal()), width)?;
//! print!("{}", talk.greeting());
//! let reply = talk.enter(line);
//! ```
//!
//! [`Session::set_width`] follows a terminal that changes its size.

mod policy;

pub use policy::Policy;

use super::{Name, Reply, Talk};
use crate::report::style::Style;
use crate::sim::recording::Recording;

/// A conversation.
#[derive(Debug)]
pub struct Session {
    policy: Policy,
    recording: Option<(String, Recording)>,
    style: Style,
    width: usize,
    names: Vec<Name>,
}

impl Session {
    /// Begins a conversation. `recording` is what was recorded with the name it goes by, `style` whether to colour, `width` the
    /// terminal's columns.
    ///
    /// # Errors
    /// What is wrong with the policy, or why the recording does not fit it, with a way out: lines of text.
    pub fn new(
        policy: Policy,
        recording: Option<(String, Recording)>,
        style: Style,
        width: usize,
    ) -> Result<Self, String> {
        Ok(Self { policy, recording, style, width, names: Vec::new() })
    }

    /// What to say before the first entry, with its line ends: what is loaded, and how to ask for help.
    #[must_use]
    pub fn greeting(&self) -> String {
        String::new()
    }

    /// The terminal has another width now, in columns.
    pub fn set_width(&mut self, width: usize) {
        self.width = width;
    }
}

impl Talk for Session {
    fn enter(&mut self, entry: &str) -> Reply {
        match entry.trim() {
            "" => Reply::default(),
            ":quit" => Reply { ends: true, ..Reply::default() },
            _ => Reply { text: String::from("not built yet\n"), failed: true, ends: false },
        }
    }

    fn names(&self) -> &[Name] {
        &self.names
    }

    fn prompt(&self) -> String {
        String::from("0s")
    }
}
