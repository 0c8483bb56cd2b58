//! The room where people ask "what if": a policy, a recording, and one entry at a time. `session` knows what an entry means and
//! nothing of terminals; `line` knows terminals and nothing of rollouts. Between them stand [`Talk`] and the table of [`COMMANDS`].

pub mod line;
pub mod session;

/// Whom the editor talks to.
pub trait Talk {
    /// Takes one whole entry, of one line or several, and answers it. What is wrong with it is an answer too.
    fn enter(&mut self, entry: &str) -> Reply;
    /// What may be named now, for completion, hints and highlighting: changes when an entry declares something.
    fn names(&self) -> &[Name];
    /// What stands in front of the cursor: where the replay is, as `12m30s`.
    fn prompt(&self) -> String;
}

/// The answer to an entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Reply {
    /// What to print, with its line ends; empty where there is nothing to say.
    pub text: String,
    /// The entry could not be done: a script that goes on after it would talk about something else.
    pub failed: bool,
    /// The conversation is over.
    pub ends: bool,
}

/// Something that an entry may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As it is written: `errors`, `errors.limit`, `canary`.
    pub text: String,
    /// What it is.
    pub kind: NameKind,
    /// Its type and unit, or its signature, as a hint shows it: `ratio`, `increase(m: counter, over: duration) → number`.
    pub hint: String,
    /// What it is for, in a line; empty where nobody said.
    pub doc: String,
}

/// What a name is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NameKind {
    /// A metric.
    Metric,
    /// A guard.
    Guard,
    /// A field of a guard that `:set` and `:vary` take: `errors.limit`.
    Field,
    /// A param, likewise.
    Param,
    /// A `let`, a const.
    Let,
    /// A phase.
    Phase,
    /// A port: what exposure is set by.
    Port,
    /// A source of metrics.
    Source,
    /// A function of the language or of a module.
    Function,
    /// A keyword or a population.
    Keyword,
    /// A unit that may follow a number.
    Unit,
}

/// A command of the conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// As it is entered, with its colon.
    pub name: &'static str,
    /// What it takes, as help shows it.
    pub takes: &'static str,
    /// What its arguments are, in their order, for completion; the last one may stand several times.
    pub arguments: &'static [Argument],
    /// What it does, in a line.
    pub does: &'static str,
}

/// What an argument of a command is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    /// How long: `5m`.
    Duration,
    /// A moment of the replay (`12m30s`) or of the world (`2026-11-21T10:00Z`), or a phase's name: when it begins.
    Moment,
    /// A field of a guard, or a param, with what it is set to: `errors.limit=2%`.
    Setting,
    /// A field of a guard, or a param, with a range: `errors.limit=0.5%..5%:0.5%`.
    Range,
    /// A fault, as `canary sim --inject` takes it.
    Fault,
    /// An expression.
    Expression,
    /// A guard, a metric or a port.
    Shown,
    /// A command's name, or a finding's code.
    Topic,
    /// A file.
    File,
    /// One of these words.
    Word(&'static [&'static str]),
}

/// The commands, in the order in which help lists them.
pub const COMMANDS: &[Command] = &[
    Command {
        name: ":step",
        takes: "[DURATION]",
        arguments: &[Argument::Duration],
        does: "go on: one check, or so long",
    },
    Command { name: ":run", takes: "", arguments: &[], does: "go on to the end, or to where it is decided" },
    Command {
        name: ":goto",
        takes: "TIME",
        arguments: &[Argument::Moment],
        does: "go to a moment, back or forth: 12m30s, 2026-11-21T10:00Z, a phase, start, end",
    },
    Command {
        name: ":why",
        takes: "[TIME]",
        arguments: &[Argument::Moment],
        does: "say why the rollout is where it is, or was",
    },
    Command { name: ":state", takes: "", arguments: &[], does: "show phase, exposure and each guard with its reading" },
    Command { name: ":plan", takes: "", arguments: &[], does: "show the compiled plan" },
    Command {
        name: ":timeline",
        takes: "",
        arguments: &[],
        does: "show the decisions up to here, as `canary sim` does",
    },
    Command {
        name: ":set",
        takes: "[NAME=VALUE …]",
        arguments: &[Argument::Setting],
        does: "set a guard's field or a param; alone: show what is set",
    },
    Command {
        name: ":inject",
        takes: "[FAULT]",
        arguments: &[Argument::Fault],
        does: "put a fault in: latency +300ms from 20m to 40m; alone: show those that are in",
    },
    Command {
        name: ":vary",
        takes: "NAME=FROM..TO:STEP …",
        arguments: &[Argument::Range],
        does: "replay with each value and show what comes of it",
    },
    Command {
        name: ":plot",
        takes: "[NAME …]",
        arguments: &[Argument::Shown],
        does: "draw phases, exposure and guards, or an expression over time",
    },
    Command {
        name: ":diff",
        takes: "",
        arguments: &[],
        does: "show what the last change has changed of the decisions",
    },
    Command {
        name: ":save",
        takes: "test FILE",
        arguments: &[Argument::Word(&["test"]), Argument::File],
        does: "keep what happens here as a test with its recording",
    },
    Command { name: ":undo", takes: "", arguments: &[], does: "take the last change back" },
    Command {
        name: ":help",
        takes: "[TOPIC]",
        arguments: &[Argument::Topic],
        does: "show the commands, or one of them",
    },
    Command {
        name: ":explain",
        takes: "CODE | EXPRESSION",
        arguments: &[Argument::Topic],
        does: "say what a finding's code means, or how an expression comes to its value",
    },
    Command { name: ":quit", takes: "", arguments: &[], does: "end" },
];
