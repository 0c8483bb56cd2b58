//! Drift: a port that is read as something else than was asked for, though it was read back before. `drift pause` pauses and tells,
//! `drift tell` only tells, `drift correct` sets it again.

use super::advance::{named, request, watching};
use super::explain::Explanation;
use super::gate;
use super::reactions;
use super::record::Record;
use super::state::{Correction, State, Word};
use super::step::{Effect, Wish};
use crate::plan::{Drift, Happening, Millis, Plan, PortId, Setting, Time};

/// A port that was left alone for so long and is changed again is told about anew.
const QUIET: Millis = 3_600_000;
/// So often set again within that time, somebody keeps changing it.
const KEEPS: u32 = 3;

/// What is to be done about what was read at a check.
pub(super) fn drift(
    plan: &Plan,
    state: &mut State,
    at: Time,
    ports: &[Option<Setting>],
    ports_epoch: u32,
    out: &mut Vec<Effect>,
) -> Vec<Wish> {
    if state.target.verified.is_none() || ports_epoch != state.target.epoch {
        return Vec::new();
    }
    let mut wishes = Vec::new();
    let mut off = Vec::new();
    // by place: nothing is copied at a check at which nobody has changed anything
    for i in 0..state.target.settings.len() {
        let Some((port, asked)) = state.target.settings.get(i).copied() else { continue };
        let Some(read) = ports.get(port.index()).copied().flatten() else {
            continue;
        };
        if read.same(asked) {
            state.drifted.retain(|p| *p != port);
            continue;
        }
        let above = read.size() > asked.size();
        off.push((port, above));
        if state.drifted.contains(&port) {
            continue;
        }
        state.drifted.push(port);
        let name = plan.port_name(port).to_owned();
        let summary = format!("{name} was read as {read}, asked for was {asked}: somebody else changed it");
        out.push(Effect::record(Record::Drift { port: name.clone(), asked, read }));
        match plan.drift {
            Drift::Pause => {
                if state.paused.is_some() {
                    wishes.push(Wish::Tell(Happening::Pause, summary.clone()));
                }
                wishes.push(Wish::Pause(Explanation::plain(plan, state, at, "drift", &name, summary)));
            }
            Drift::Tell => reactions::told(plan, state, at, Happening::Pause, &format!("drift: {summary}"), "", out),
            Drift::Correct => tell_correction(plan, state, at, port, above, &summary, out),
        }
    }
    if plan.drift == Drift::Correct && !off.is_empty() {
        wishes.push(Wish::Correct(off));
    }
    wishes
}

/// Tells that a port is set again: the first time, and once when somebody keeps changing it.
fn tell_correction(
    plan: &Plan,
    state: &mut State,
    at: Time,
    port: PortId,
    above: bool,
    summary: &str,
    out: &mut Vec<Effect>,
) {
    let known = state.corrected.iter_mut().find(|c| c.port == port);
    let times = match known {
        Some(c) if at - c.last <= QUIET => {
            (c.times, c.last) = (c.times.saturating_add(1), at);
            c.times
        }
        Some(c) => {
            (c.times, c.last) = (1, at);
            1
        }
        None => {
            state.corrected.push(Correction { port, times: 1, last: at });
            1
        }
    };
    let text = match times {
        1 if above => format!("drift: {summary}: it is set again"),
        1 => format!("drift: {summary}: it is set again as soon as it may be raised"),
        KEEPS => format!("drift: {summary}, {KEEPS} times by now: it is set again each time, and stays told"),
        _ => return,
    };
    reactions::told(plan, state, at, Happening::Pause, &text, "", out);
}

/// Whether a guard that says this lets what was lowered be raised again. What is failing, breached, dark or blind never does. A window
/// that reaches before the read-back hides bad news and passes by itself: it is waited for. Thin and undecided may be so because
/// of the very drift, for want of events, and would then be so for good: they let it.
fn lets_raise(word: Option<Word>) -> bool {
    matches!(word, Some(Word::Ok | Word::Thin | Word::Undecided))
}

/// Sets again what was read as something else. What was read as more is lowered at once, whatever else holds; what was read as less
/// is raised again as anything is raised: at a live check, while nothing is paused, `advance when` is true, and every guard lets it.
pub(super) fn correct(
    plan: &Plan,
    state: &mut State,
    at: Time,
    off: &[(PortId, bool)],
    live: bool,
    out: &mut Vec<Effect>,
) {
    let lowers = off.iter().any(|(_, above)| *above);
    if !lowers
        && (!live || state.paused.is_some() || !gate::open(plan, state) || !watching(plan, state).all(lets_raise))
    {
        return;
    }
    let settings = state.target.settings.clone();
    // what is below is not raised along the way that nothing stands in front of: its turn comes when this is read back
    let left = |port: PortId| lowers && off.iter().any(|(p, above)| *p == port && !above);
    let asked: Vec<(PortId, Setting)> = settings.iter().copied().filter(|(p, _)| !left(*p)).collect();
    request(state, at, settings, lowers);
    state.target.goes_on = true;
    // still as somebody has set them: neither told anew, nor raised by a runner that asks again for what is not read back
    state.drifted.extend(off.iter().map(|(port, _)| *port).filter(|port| left(*port)));
    let epoch = state.target.epoch;
    out.push(Effect::record(Record::SetAgain { settings: named(plan, &asked), epoch }));
    out.push(Effect::Apply { epoch, settings: asked, lowers });
}
