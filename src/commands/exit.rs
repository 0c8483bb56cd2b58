//! Exit statuses.

/// How a command ended, for whoever called it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Done; promoted; clean.
    Success,
    /// The thing asked about is bad: findings of `check`, a run that was rolled back.
    Bad,
    /// The request is wrong: usage, an unreadable file, an invalid policy or environment.
    Wrong,
    /// Refused before anything was changed.
    Refused,
    /// Stopped by a person: aborted, killed.
    Person,
    /// Not finished; the state is kept for `--resume`.
    Unfinished,
}

impl Status {
    /// The process's exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Bad => 1,
            Self::Wrong => 2,
            Self::Refused => 3,
            Self::Person => 4,
            Self::Unfinished => 5,
        }
    }
}

/// Says on standard error why a command does not go on, and returns the status.
#[must_use]
pub fn because(status: Status, message: &str) -> Status {
    eprintln!("canary: {message}");
    status
}

/// Why nothing was started, and nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// All reasons.
    pub reasons: Vec<String>,
    /// Whether they are a list, however long, or one sentence that says it all.
    list: bool,
}

impl Refusal {
    /// One sentence.
    pub fn one(reason: impl Into<String>) -> Self {
        Self { reasons: vec![reason.into()], list: false }
    }

    /// A list of what stood in the way.
    #[must_use]
    pub fn all(reasons: Vec<String>) -> Self {
        Self { reasons, list: true }
    }

    /// Says it on standard error.
    #[must_use]
    pub fn say(&self) -> Status {
        if !self.list {
            return because(Status::Refused, &self.reasons.join("; "));
        }
        eprintln!("canary: refused, nothing was changed:");
        for r in &self.reasons {
            eprintln!("  - {r}");
        }
        Status::Refused
    }
}
