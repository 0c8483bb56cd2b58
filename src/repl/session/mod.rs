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

mod ask;
mod changes;
mod diff;
mod entry;
mod expressions;
mod help;
mod merge;
mod moment;
mod moves;
mod names;
mod parts;
mod plot;
mod policy;
mod tell;
mod world;

pub use policy::Policy;
pub use world::Recorded;

use super::{Name, Reply, Talk};
use crate::plan::{Plan, Time, show};
use crate::report::style::Style;
use crate::sim::incident::Incident;
use entry::{Entry, command};
use policy::Talked;
use world::{Makings, Refused, Replayed, World};

/// A conversation.
#[derive(Debug)]
pub struct Session {
    recorded: Option<Recorded>,
    /// The policy as it was read, and behind it one for each change; never empty.
    worlds: Vec<World>,
    /// The check that everything is asked about.
    at: Time,
    style: Style,
    width: usize,
    names: Vec<Name>,
    keeper: Option<Box<dyn Keep>>,
}

/// Who keeps what happens in a conversation as a test: files are not this room's.
pub trait Keep: std::fmt::Debug + Send + Sync {
    /// Writes the test and its recording; `then` is the plan that the recorded run had. What was written, a line each.
    ///
    /// # Errors
    /// Why nothing was written, with a way out.
    fn keep(&self, what: &Incident<'_>, then: &Plan, target: &str) -> Result<String, String>;
}

/// What an entry comes to: a text, or why it could not be done.
type Answer = Result<String, String>;

impl Session {
    /// Begins a conversation. `style` is whether to colour, `width` the terminal's columns.
    ///
    /// # Errors
    /// What is wrong with the policy, or why the recording does not fit it, with a way out: lines of text.
    pub fn new(policy: Policy, recorded: Option<Recorded>, style: Style, width: usize) -> Result<Self, String> {
        let mut policy = Talked::new(policy);
        let plan = match policy.compile(&[]) {
            Ok((plan, _)) => plan,
            Err(found) => return Err(policy.tell(&found, style, width)),
        };
        policy.means(&plan.rollout);
        let recorded = recorded.map(|r| {
            let then = r.then.filter(|p| p.hash == r.recording.about.policy);
            let then = then.or_else(|| (plan.hash == r.recording.about.policy).then(|| plan.clone()));
            Recorded { then, ..r }
        });
        let of = Makings { change: String::new(), policy, sets: Vec::new(), faults: Vec::new() };
        let world = World::make(of, recorded.as_ref()).map_err(|e| refused(e, style, width))?;
        let at = world.replayed.as_ref().map_or(0, Replayed::start);
        let names = names::of(&world);
        Ok(Self { recorded, worlds: vec![world], at, style, width, names, keeper: None })
    }

    /// What to say before the first entry, with its line ends: what is loaded, and how to ask for help.
    #[must_use]
    pub fn greeting(&self) -> String {
        let Some(world) = self.worlds.last() else { return String::new() };
        let rollout = self.style.bold(&world.plan.rollout);
        let help = self.style.faint(":help lists the commands, :quit ends");
        match (&world.replayed, &self.recorded) {
            (Some(r), Some(recorded)) => format!(
                "{rollout} over {}: {} from {}, {} checks\n{help}\n",
                recorded.name,
                show::duration(r.last() - r.start()),
                show::utc(r.start()),
                r.checks.len()
            ),
            _ => format!("{rollout}, without a recording: declarations, `:plan` and constants can be tried\n{help}\n"),
        }
    }

    /// The terminal has another width now, in columns.
    pub fn set_width(&mut self, width: usize) {
        self.width = width;
    }

    /// The world as it is now.
    fn world(&self) -> Result<&World, String> {
        self.worlds.last().ok_or_else(|| String::from("nothing is loaded"))
    }

    /// What came of it, with the recording.
    fn replayed(&self) -> Result<(&World, &Replayed, &Recorded), String> {
        let world = self.world()?;
        match (&world.replayed, &self.recorded) {
            (Some(r), Some(recorded)) => Ok((world, r, recorded)),
            _ => Err(String::from(NO_RECORDING)),
        }
    }

    fn answer(&mut self, entry: &str) -> Answer {
        match Entry::of(entry) {
            Entry::Empty => Ok(String::new()),
            Entry::Command { name, rest } => self.command(name, rest),
            Entry::Declaration(text) => self.declare(text, false),
            Entry::Statement(text) => self.declare(text, true),
            Entry::Expression { text, at } => self.expression(text, at),
        }
    }

    fn command(&mut self, name: &str, rest: &str) -> Answer {
        let name = command(name).map_err(|near| match near {
            Some(near) => format!("there is no command `{name}`: did you mean `{near}`?"),
            None => format!("there is no command `{name}`: `:help` lists them"),
        })?;
        match name {
            ":step" => self.step(rest),
            ":run" => self.bare(name, rest).and_then(|()| self.run()),
            ":goto" => self.goto(rest),
            ":why" => self.why(rest),
            ":state" => self.bare(name, rest).and_then(|()| self.state()),
            ":plan" => self.bare(name, rest).and_then(|()| self.plan()),
            ":timeline" => self.bare(name, rest).and_then(|()| self.timeline()),
            ":set" => self.set(rest),
            ":inject" => self.inject(rest),
            ":vary" => self.vary(rest),
            ":plot" => self.plot(rest),
            ":diff" => self.bare(name, rest).and_then(|()| self.diff()),
            ":save" => self.save(rest),
            ":undo" => self.bare(name, rest).and_then(|()| self.undo()),
            ":help" => help::text(rest, self.style),
            ":explain" => self.explain(rest),
            _ => Ok(String::new()),
        }
    }

    /// Refuses what stands behind a command that takes nothing.
    fn bare(&self, name: &str, rest: &str) -> Result<(), String> {
        if rest.is_empty() {
            Ok(())
        } else {
            Err(format!("`{name}` takes nothing behind it, and `{rest}` stands there"))
        }
    }

    /// Who keeps tests; without anybody `:save` is refused.
    pub fn keeps(&mut self, keeper: Box<dyn Keep>) {
        self.keeper = Some(keeper);
    }

    /// `:save test FILE`
    fn save(&self, rest: &str) -> Answer {
        const FORM: &str =
            "`:save test FILE` keeps what happens here as a test: FILE is the policy's own, or a new one";
        let Some(file) = rest.strip_prefix("test").filter(|r| r.starts_with(char::is_whitespace)).map(str::trim) else {
            return Err(String::from(FORM));
        };
        let (world, replayed, recorded) = self.replayed()?;
        if let Some(text) = self.worlds.iter().rev().find(|w| w.typed()).map(|w| &w.of.change) {
            return Err(format!(
                "a test is of the policy as its file says it, and `{text}` was typed in: write it into the file, and begin again"
            ));
        }
        let Some(keeper) = &self.keeper else { return Err(String::from("nobody keeps files in this conversation")) };
        let (fields, with): (Vec<_>, Vec<_>) =
            world.of.sets.iter().cloned().partition(|(n, _)| crate::sim::replay::change::is_field(n));
        let incident = Incident {
            plan: &world.plan,
            recording: &recorded.recording,
            scenario: &replayed.scenario,
            outcome: &replayed.outcome,
            file: "",
            environment: world.of.policy.environment(),
            with: &with,
            fields: &fields,
        };
        keeper.keep(&incident, recorded.then.as_ref().unwrap_or(&world.plan), file.trim_matches('"'))
    }
}

/// What to do where there is nothing to look at.
const NO_RECORDING: &str = "there is no recording to look at: begin again with `--recording FILE`; `canary record` asks a source for one, \
                            `canary run --record FILE` writes one while it runs";

fn refused(why: Refused, style: Style, width: usize) -> String {
    match why {
        Refused::Findings(policy, found) => policy.tell(&found, style, width),
        Refused::Words(text) => text,
    }
}

impl Talk for Session {
    fn enter(&mut self, entry: &str) -> Reply {
        if let Entry::Command { name, rest: "" } = Entry::of(entry)
            && command(name) == Ok(":quit")
        {
            return Reply { ends: true, ..Reply::default() };
        }
        let (text, failed) = match self.answer(entry) {
            Ok(text) => (text, false),
            Err(text) => (text, true),
        };
        let text = if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" };
        Reply { text, failed, ends: false }
    }

    fn names(&self) -> &[Name] {
        &self.names
    }

    fn prompt(&self) -> String {
        match self.worlds.last().and_then(|w| w.replayed.as_ref()) {
            Some(r) => moment::since(self.at, r.start()),
            None => String::from("no recording"),
        }
    }
}
