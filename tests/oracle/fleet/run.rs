//! One sliced run: the engine and the reference side by side, compared after every input, and the engine once more from its stored
//! states.

use super::reference::{Done, Lives};
use super::world::Slices;
use super::{Event, Row};
use crate::reference::Did;
use crate::run::of_engine;
use crate::tally::Reached;
use canary::engine::fleet::{Begin, Fleet, FleetEffect, FleetInput, Observed, SliceId, fleet_step};
use canary::engine::record::Thrower;
use canary::engine::{Effect, Given, Record, Stage};
use canary::plan::{InputId, Plan, PortId};

/// Gives the engine an event.
fn engine(plan: &Plan, fleet: &mut Fleet, event: &Event, out: &mut Vec<FleetEffect>) {
    let no_given = |_: SliceId| Given::NONE;
    let text = || (String::from("by chance"), String::new());
    let mut observed = Observed::new(plan, fleet.len());
    let chosen: Vec<SliceId>;
    let input = match event {
        Event::Seen { values, at } => {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            fleet.see(plan, &values, *at);
            // what is seen is a part of what comes in: so that both may say that the run is over
            return;
        }
        Event::Stored => {
            *fleet = serde_json::from_str(&serde_json::to_string(fleet).unwrap()).unwrap();
            return;
        }
        Event::Tick { at, rows, begins, rolled_back, live } => {
            for (i, Row { answers, ports, epoch }) in rows.iter().enumerate() {
                let slice = SliceId::at(i);
                answers.iter().enumerate().for_each(|(k, a)| observed.answer(slice, InputId::at(k), a.clone()));
                ports.iter().enumerate().for_each(|(k, p)| observed.port(slice, PortId::at(k), *p));
                observed.epoch(slice, *epoch);
            }
            let begins = begins.iter().map(|b| Begin {
                slice: SliceId::at(b.slice),
                originals: Ok(b.originals.clone()),
                baseline: b.baseline.clone(),
            });
            let (at, rolled_back, live) = (*at, *rolled_back, *live);
            FleetInput::Tick { at, observed: &observed, begins: begins.collect(), rolled_back, live }
        }
        Event::Verified { slice, at, epoch, read } => {
            FleetInput::Verified { slice: SliceId::at(*slice), at: *at, epoch: *epoch, read: read.clone() }
        }
        Event::ActionEnded { slice, at, token, ok } => {
            let (how, output) = text();
            FleetInput::ActionEnded { slice: SliceId::at(*slice), at: *at, token: *token, ok: *ok, how, output }
        }
        Event::OwnActionEnded { at, token, ok } => {
            let (how, output) = text();
            FleetInput::OwnActionEnded { at: *at, token: *token, ok: *ok, how, output }
        }
        Event::Operator { slices, at, act } => {
            chosen = slices.iter().map(|s| SliceId::at(*s)).collect();
            let (who, why) = (String::from("ada"), String::from("because"));
            FleetInput::Operator { slices: &chosen, at: *at, act: *act, who, why }
        }
        Event::Recovered { at } => FleetInput::Recovered { at: *at },
    };
    fleet_step(plan, fleet, input, &no_given, out);
}

/// Acts slice by slice in their order, notices once each, kinds of records as they come.
fn seen(all: Vec<Done>) -> String {
    let (mut acts, mut notices, mut records) = (Vec::new(), Vec::new(), Vec::new());
    for (slice, did) in all {
        match did {
            // why is not compared, so neither is whether it is another reason
            Did::Wrote("refused") if slice.is_some() => {}
            Did::Wrote(kind) => records.push((slice, kind)),
            Did::Told { channels, happening } => notices.push(format!("{channels:?} {happening:?}")),
            _ => acts.push((slice, did)),
        }
    }
    acts.sort_by_key(|(slice, _)| *slice);
    notices.sort_unstable();
    notices.dedup();
    records.sort_unstable();
    format!("acts {acts:?}\n  notices {notices:?}\n  records {records:?}")
}

pub struct Both<'p> {
    plan: &'p Plan,
    pub fleet: Fleet,
    pub lives: Lives<'p>,
    pub effects: Vec<FleetEffect>,
}

impl<'p> Both<'p> {
    pub fn new(plan: &'p Plan) -> Self {
        Self { plan, fleet: Fleet::new(plan), lives: Lives::new(plan), effects: Vec::new() }
    }

    fn take(&mut self, event: &Event) -> Result<(), String> {
        self.effects.clear();
        engine(self.plan, &mut self.fleet, event, &mut self.effects);
        let mut did = Vec::new();
        for e in &self.effects {
            did.extend(of_engine(&e.effect).map(|d| (e.slice.map(SliceId::index), d)));
        }
        let stands = self.fleet.slices().map(|s| {
            let state = self.fleet.state(s).unwrap();
            let words: Vec<_> = state.guards.iter().map(|g| (g.active, g.word)).collect();
            let stage = self.fleet.stage(s).unwrap();
            format!("{stage:?} {} {} {} {words:?}", state.phase.index(), state.step, state.paused.is_some())
        });
        let engine = format!(
            "{:?} halted {}\n  {:?}\n  {}",
            self.fleet.verdict(),
            self.fleet.halted().is_some(),
            stands.collect::<Vec<_>>(),
            seen(did)
        );
        let did = self.lives.take(event);
        let stands = self.lives.lives.iter().map(|l| {
            let words: Vec<_> = l.is.guards.iter().map(|g| (g.active, g.word)).collect();
            format!("{:?} {} {} {} {words:?}", l.stage(), l.is.phase, l.is.step, l.is.paused)
        });
        let reference = format!(
            "{:?} halted {}\n  {:?}\n  {}",
            self.lives.verdict,
            self.lives.halted,
            stands.collect::<Vec<_>>(),
            seen(did)
        );
        if engine == reference { Ok(()) } else { Err(format!("engine    {engine}\nreference {reference}")) }
    }
}

/// One pair; else what came in up to where they differ, and how.
pub fn pair(plan: &Plan, number: u64) -> Result<Reached, (Vec<Event>, String)> {
    let (mut world, mut both) = (Slices::new(plan, number), Both::new(plan));
    let (mut reached, mut events, mut effects) = (Reached::default(), Vec::new(), Vec::new());
    reached.note(String::from("fleet"));
    loop {
        let mut next = world.before_a_check();
        while !next.is_empty() {
            let event = next.remove(0);
            let many = both.fleet.len();
            let took = both.take(&event);
            events.push(event);
            took.map_err(|what| (events.clone(), what))?;
            (many..both.fleet.len()).for_each(|_| world.joins());
            world.hears(&both.effects);
            effects.append(&mut both.effects);
        }
        let due: Vec<usize> =
            both.fleet.due(plan, world.at + plan.check_every).into_iter().map(SliceId::index).collect();
        let may = both.lives.may_begin(world.at + plan.check_every);
        if due != may {
            return Err((events, format!("due by the engine {due:?}, by the reference {may:?}")));
        }
        let Some(event) = world.check(&due) else { break };
        let (waited, halted) = (due.len(), both.fleet.halted().is_some());
        let took = both.take(&event);
        events.push(event);
        took.map_err(|what| (events.clone(), what))?;
        if both.fleet.slices().any(|s| both.fleet.waits(s).is_some_and(|why| !why.is_empty())) {
            reached.note(String::from("fleet a slice is refused"));
        }
        if waited < both.fleet.slices().filter(|s| both.fleet.stage(*s) == Some(Stage::Idle)).count() {
            reached.note(String::from("fleet a limit or a halt keeps one"));
        }
        let thrown = |e: &FleetEffect| match &e.effect {
            Effect::Record(r) => {
                matches!(r.as_ref(), Record::KillSwitch { by: Thrower::Guard, all: true, .. })
            }
            _ => false,
        };
        if both.effects.iter().any(thrown) {
            reached.note(String::from("fleet a guard throws a switch for all"));
        }
        if !halted && both.fleet.halted().is_some() {
            reached.note(String::from("fleet a life halts all"));
        }
        world.hears(&both.effects);
        effects.append(&mut both.effects);
    }
    let verdict = both.fleet.verdict().map_or("none", canary::engine::Verdict::text);
    reached.note(format!("fleet verdict {verdict}"));
    for what in &world.happened {
        reached.note(format!("fleet {what}"));
    }
    // without the round trips: they change nothing
    let (mut fleet, mut again) = (Fleet::new(plan), Vec::new());
    for event in events.iter().filter(|e| !matches!(e, Event::Stored)) {
        engine(plan, &mut fleet, event, &mut again);
    }
    let states = |f: &Fleet| f.slices().map(|s| f.state(s)).collect::<Vec<_>>();
    // not the columns: one life may be written down in two ways
    if states(&fleet) != states(&both.fleet) || again != effects {
        let differ = again.iter().zip(&effects).find(|(a, b)| a != b);
        let text = |f: &Fleet| serde_json::to_string(f).unwrap();
        let (with, without) = (text(&both.fleet), text(&fleet));
        return Err((events, format!("a stored state went on otherwise: {differ:#?}\n{with}\n{without}")));
    }
    Ok(reached)
}

/// At which event they differ, and how.
fn wrong(plan: &Plan, events: &[Event]) -> Option<(usize, String)> {
    let mut both = Both::new(plan);
    events.iter().enumerate().find_map(|(i, e)| Some((i, both.take(e).err()?)))
}

/// A failure as a person reads it, with as few events as it needs.
pub fn report(text: &str, plan: &Plan, number: u64, failure: (Vec<Event>, String)) -> String {
    let (mut events, mut what) = failure;
    let whole = events.len();
    if wrong(plan, &events).is_some() {
        let mut i = events.len();
        while i > 0 {
            i -= 1;
            // rows are by slice: nobody who is seen can be left out
            if i >= events.len() || matches!(events[i], Event::Seen { .. }) {
                continue;
            }
            let mut fewer = events.clone();
            fewer.remove(i);
            if let Some((last, _)) = wrong(plan, &fewer) {
                fewer.truncate(last + 1);
                events = fewer;
            }
        }
        what = wrong(plan, &events).map_or(what, |(_, what)| what);
    }
    let file = format!("{}/oracle-{number}.txt", env!("CARGO_TARGET_TMPDIR"));
    let trace: Vec<String> = events.iter().map(|e| format!("{e:?}")).collect();
    std::fs::write(&file, format!("{text}\n\n{}\n\n{what}\n", trace.join("\n"))).unwrap();
    let rollout = text.find("\nrollout").map_or(text, |i| &text[i..]);
    format!(
        "{what}\n{rollout}\n{whole} events of slices, made {}: with the whole policy in {file}\nagain: CANARY_SEED={number} cargo test --test oracle replay -- --nocapture",
        events.len()
    )
}
