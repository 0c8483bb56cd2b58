//! Pairs of policy and trace: run, compared, watched, repeated, counted; and made small where they fail.

use super::invariants::Watch;
use super::run::Pair;
use super::tally::{Reached, Tally};
use super::world::{Event, World};
use super::{dice::Dice, fleet, generate};
use canary::engine::{State, step};
use canary::plan::Plan;
use canary::syntax::format::format;
use canary::syntax::source::FileId;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// So many traces share one policy: compiling takes longer than running.
pub const TRACES: u64 = 20;

/// A pair that fails, by its number: the policy's is the number / [`TRACES`].
#[derive(Debug)]
pub struct Failure {
    pub number: u64,
    pub events: Vec<Event>,
    pub what: String,
}

/// One pair. Everything that comes in is kept, to be repeated.
pub fn pair(plan: &Plan, number: u64) -> Result<Reached, Failure> {
    let (mut world, mut both, mut watch) = (World::new(plan, number), Pair::new(plan), Watch::new(plan));
    let (mut reached, mut events, mut effects) = (Reached::default(), Vec::new(), Vec::new());
    let failure = |events, what| Failure { number, events, what };
    while let Some(event) = world.next() {
        let before = both.state.clone();
        let took = both.take(&event).and_then(|()| watch.saw(&event, &both.effects));
        let recovered = matches!(event, Event::Recovered { .. });
        events.push(event);
        if let Err(what) = took {
            return Err(failure(events, what));
        }
        reached.saw(plan, &before, &both.state, &both.effects, recovered);
        world.hears(&both.effects);
        effects.append(&mut both.effects);
    }
    reached.ended(&world, &both.state);
    // 7: once more, the state written down and read at random points
    let mut again = Vec::new();
    let mut state = State::new(plan);
    let mut dice = Dice::new(number);
    for event in &events {
        if dice.percent(5) {
            state = stored(&state);
        }
        let mut out = Vec::new();
        step(plan, &mut state, event.input(), &mut out);
        again.append(&mut out);
    }
    let bytes = number.is_multiple_of(16);
    let same = effects.len() == again.len()
        && if bytes { format!("{effects:?}") == format!("{again:?}") } else { effects == again };
    let text = |s: &State| serde_json::to_string(s).unwrap();
    let same_state = if bytes { text(&both.state) == text(&state) } else { both.state == state };
    if !same || !same_state {
        let differ = effects.iter().zip(&again).find(|(a, b)| a != b);
        let states = (text(&both.state), text(&state));
        let states = if states.0 == states.1 { None } else { Some(states) };
        let what = format!("the same inputs gave something else the second time: {differ:#?} {states:#?}");
        return Err(failure(events, what));
    }
    Ok(reached)
}

/// A state as it comes back from the journal.
pub fn stored(state: &State) -> State {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}

/// What is wrong with a list of events, and at which.
fn wrong(plan: &Plan, events: &[Event]) -> Option<(usize, String)> {
    let (mut both, mut watch) = (Pair::new(plan), Watch::new(plan));
    for (i, event) in events.iter().enumerate() {
        if let Err(what) = both.take(event).and_then(|()| watch.saw(event, &both.effects)) {
            return Some((i, what));
        }
    }
    None
}

/// Cuts what comes after the failure, and leaves out every event without which it still fails.
pub fn shrink(plan: &Plan, failure: Failure) -> Failure {
    let Some((last, _)) = wrong(plan, &failure.events) else { return failure };
    let mut events = failure.events;
    events.truncate(last + 1);
    let mut i = events.len();
    while i > 1 {
        i -= 1;
        let mut fewer = events.clone();
        fewer.remove(i);
        if let Some((last, _)) = wrong(plan, &fewer) {
            fewer.truncate(last + 1);
            events = fewer;
            i = i.min(events.len());
        }
    }
    let what = wrong(plan, &events).map_or(failure.what, |(_, what)| what);
    Failure { number: failure.number, events, what }
}

/// A failure as a person reads it; policy and trace stand in a file.
pub fn report(text: &str, plan: &Plan, failure: Failure) -> String {
    let whole = failure.events.len();
    let small = shrink(plan, failure);
    let file = format!("{}/oracle-{}.txt", env!("CARGO_TARGET_TMPDIR"), small.number);
    let trace: Vec<String> = small.events.iter().map(|e| format!("{e:?}")).collect();
    let rollout = text.find("\nrollout").map_or(text, |i| &text[i..]);
    std::fs::write(&file, format!("{text}\n\n{}\n\n{}\n", trace.join("\n"), small.what)).unwrap();
    format!(
        "{}\n{rollout}\n{} events, made {}: with the whole policy in {file}\nagain: CANARY_SEED={} cargo test --test oracle replay -- --nocapture",
        small.what,
        whole,
        small.events.len(),
        small.number
    )
}

/// Runs so many pairs from a number on, on all cores; stops at the first that fails.
pub fn run(first: u64, pairs: u64) -> (Tally, Option<String>) {
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let all = Mutex::new((Tally::default(), None));
    let policies = pairs.div_ceil(TRACES);
    let work = || {
        let mut tally = Tally::default();
        loop {
            let policy = next.fetch_add(1, Ordering::Relaxed);
            if policy >= policies || failed.load(Ordering::Relaxed) {
                break;
            }
            if let Err(what) = one_policy(first + policy, &mut tally) {
                failed.store(true, Ordering::Relaxed);
                all.lock().unwrap().1.get_or_insert(what);
            }
        }
        all.lock().unwrap().0.merge(tally);
    };
    std::thread::scope(|s| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            s.spawn(work);
        }
    });
    all.into_inner().unwrap()
}

/// Every so-manieth policy is one of slices.
const SLICED: u64 = 16;

fn is_sliced(policy: u64) -> bool {
    policy % SLICED == SLICED - 1
}

fn text_of(policy: u64) -> String {
    if is_sliced(policy) { generate::sliced(policy) } else { generate::text(policy) }
}

fn one_policy(policy: u64, tally: &mut Tally) -> Result<(), String> {
    let text = text_of(policy);
    let plan = generate::compile(&text).map_err(|e| format!("policy {policy} is not valid: {e}"))?;
    let formatted = format(FileId(0), &text).map_err(|e| format!("policy {policy} cannot be formatted: {e:?}"))?;
    let again = format(FileId(0), &formatted).map_err(|e| format!("policy {policy} cannot be formatted: {e:?}"))?;
    if formatted != again || generate::compile(&formatted).map(|p| p.hash) != Ok(plan.hash.clone()) {
        return Err(format!("policy {policy} is not what it was once it is formatted:\n{formatted}"));
    }
    for trace in 0..TRACES {
        let number = policy * TRACES + trace;
        if is_sliced(policy) {
            tally.add(fleet::pair(&plan, number).map_err(|f| fleet::report(&text, &plan, number, f))?);
            continue;
        }
        match pair(&plan, number) {
            Ok(reached) => tally.add(reached),
            Err(failure) => return Err(report(&text, &plan, failure)),
        }
    }
    Ok(())
}

/// One pair by its number: what is wrong with it.
pub fn replay(number: u64) -> Option<String> {
    let text = text_of(number / TRACES);
    let plan = generate::compile(&text).unwrap_or_else(|e| panic!("{e}"));
    if is_sliced(number / TRACES) {
        return fleet::pair(&plan, number).err().map(|f| fleet::report(&text, &plan, number, f));
    }
    pair(&plan, number).err().map(|f| report(&text, &plan, f))
}
