//! One run of the engine and of the reference side by side, compared after every input.

use super::reference::{Did, Reference};
use super::world::Event;
use canary::engine::{Effect, Stage, State, Word, step};
use canary::plan::Plan;

/// An effect of the engine in the reference's words.
pub fn of_engine(effect: &Effect) -> Option<Did> {
    Some(match effect.clone() {
        Effect::Record(r) if r.kind() == "guard" => return None,
        Effect::Record(r) => Did::Wrote(r.kind()),
        Effect::Apply { epoch, settings, lowers } => Did::Apply { epoch, settings, lowers },
        Effect::Run { token, action, cause } => Did::Run { token, action, cause },
        Effect::CancelRuns => Did::CancelRuns,
        Effect::Notify { channels, happening, .. } => Did::Told { channels, happening },
        Effect::Halt { .. } => Did::Halt,
        Effect::Throw { thrown, to } => Did::Throw { switches: thrown.into_iter().map(|(k, _)| k).collect(), to },
        Effect::Finish(v) => Did::Finish(v),
    })
}

/// What is compared: acts in their order, notices in theirs, kinds of records as they come.
#[derive(Debug, PartialEq)]
struct Seen {
    stage: Stage,
    phase: usize,
    step: usize,
    paused: bool,
    words: Vec<(bool, Option<Word>)>,
    acts: Vec<Did>,
    notices: Vec<Did>,
    records: Vec<&'static str>,
}

impl Seen {
    fn new(all: Vec<Did>) -> Self {
        let mut out = Self {
            stage: Stage::Idle,
            phase: 0,
            step: 0,
            paused: false,
            words: Vec::new(),
            acts: Vec::new(),
            notices: Vec::new(),
            records: Vec::new(),
        };
        for d in all {
            match d {
                Did::Wrote(kind) => out.records.push(kind),
                Did::Told { .. } => out.notices.push(d),
                _ => out.acts.push(d),
            }
        }
        out.records.sort_unstable();
        out
    }
}

pub struct Pair<'p> {
    plan: &'p Plan,
    pub state: State,
    reference: Reference<'p>,
    pub effects: Vec<Effect>,
}

impl<'p> Pair<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        Self { plan, state: State::new(plan), reference: Reference::new(plan), effects: Vec::new() }
    }

    /// Gives both the same event; the difference, if there is one.
    pub fn take(&mut self, event: &Event) -> Result<(), String> {
        self.effects.clear();
        if matches!(event, Event::Recovered { .. }) {
            self.state = super::harness::stored(&self.state);
        }
        step(self.plan, &mut self.state, event.input(), &mut self.effects);
        let did = self.reference.take(&event.input());
        let (s, r) = (&self.state, &self.reference);
        let engine = Seen {
            stage: s.stage,
            phase: s.phase.index(),
            step: s.step,
            paused: s.paused.is_some(),
            words: s.guards.iter().map(|g| (g.active, g.word)).collect(),
            ..Seen::new(self.effects.iter().filter_map(of_engine).collect())
        };
        let reference = Seen {
            stage: r.stage,
            phase: r.phase,
            step: r.step,
            paused: r.paused,
            words: r.guards.iter().map(|g| (g.active, g.word)).collect(),
            ..Seen::new(did)
        };
        if engine == reference {
            return Ok(());
        }
        Err(format!("engine    {engine:?}\nreference {reference:?}"))
    }
}
