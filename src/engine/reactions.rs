//! Reactions: they tell and do chores, and never steer.

use super::advance::run;
use super::eval::{Check, eval};
use super::explain::guard_reports;
use super::past;
use super::record::Record;
use super::state::{Owner, RunCause, State};
use super::step::Effect;
use super::tick::snapshot;
use super::truth::Truth;
use crate::plan::{Act, ActionId, Happening, Millis, Plan, Time, Trigger};

/// What has happened is told again, further on: notices only, since what `on …` runs was run when it happened.
pub(super) fn told(
    plan: &Plan,
    state: &mut State,
    at: Time,
    what: Happening,
    title: &str,
    text: &str,
    out: &mut Vec<Effect>,
) {
    react(plan, state, at, what, |a| matches!(a, Act::Notify(_)), title, text, out);
}

/// Something happened: notifies and runs what `on …` asks for.
pub(super) fn happened(
    plan: &Plan,
    state: &mut State,
    at: Time,
    what: Happening,
    title: &str,
    text: &str,
    out: &mut Vec<Effect>,
) {
    react(plan, state, at, what, |_| true, title, text, out);
}

#[expect(clippy::too_many_arguments, reason = "one happening and all it needs to be told")]
fn react(
    plan: &Plan,
    state: &mut State,
    at: Time,
    what: Happening,
    which: impl Fn(&Act) -> bool,
    title: &str,
    text: &str,
    out: &mut Vec<Effect>,
) {
    for i in 0..plan.reactions.len() {
        let Some(reaction) = plan.reactions.get(i) else {
            continue;
        };
        let Trigger::On(list) = &reaction.trigger else {
            continue;
        };
        if list.contains(&what) && which(&reaction.act) {
            act(plan, state, at, i, Some(what), title, text, out);
        }
    }
}

#[expect(clippy::too_many_arguments, reason = "one reaction and all it needs to be told")]
fn act(
    plan: &Plan,
    state: &mut State,
    at: Time,
    index: usize,
    happening: Option<Happening>,
    title: &str,
    text: &str,
    out: &mut Vec<Effect>,
) {
    let Some(reaction) = plan.reactions.get(index) else {
        return;
    };
    match &reaction.act {
        Act::Notify(channels) => out.push(Effect::Notify {
            channels: channels.clone(),
            happening,
            title: format!("{}: {title}", plan.rollout),
            text: text.to_owned(),
            facts: Vec::new(),
        }),
        Act::Run { action, limit } => run_limited(plan, state, at, index, *action, *limit, out),
        Act::Snapshot => {
            out.push(Effect::record(Record::Snapshot {
                guards: guard_reports(plan, state),
                inputs: Vec::new(),
                early: false,
            }));
        }
    }
}

/// Starts an action unless it was started `n` times in the last `d`.
fn run_limited(
    plan: &Plan,
    state: &mut State,
    at: Time,
    index: usize,
    action: ActionId,
    limit: Option<(u32, Millis)>,
    out: &mut Vec<Effect>,
) {
    if let Some(r) = state.reactions.get_mut(index)
        && let Some((n, d)) = limit
    {
        r.runs.retain(|t| at - *t < d);
        if r.runs.len() >= n as usize {
            return;
        }
        r.runs.push(at);
    }
    run(plan, state, at, action, RunCause::Reaction, out);
}

/// How many times of a reaction have come due.
pub(super) fn due(trigger: &Trigger, elapsed: Millis) -> i64 {
    match trigger {
        Trigger::On(_) | Trigger::When(_) => 0,
        Trigger::Every(d) => elapsed / (*d).max(1),
        Trigger::At(times) => i64::try_from(times.iter().filter(|t| elapsed >= **t).count()).unwrap_or(i64::MAX),
    }
}

/// What a slice's life is told in the place of what it has seen come due: a snapshot is due now by the run's clock, which began
/// before its own, and it is the `n`th.
pub(super) fn due_now(n: i64) -> i64 {
    -1 - n
}

fn run_due(told: i64) -> Option<i64> {
    (told < 0).then_some(-1 - told)
}

/// Snapshots that are due at a check: before anything is decided, so that they stand in the journal before the end they may
/// coincide with.
pub(super) fn snapshots(check: Check<'_>, state: &mut State, out: &mut Vec<Effect>) {
    let Some(started) = state.started else { return };
    let mut taken = false;
    for (reaction, r) in check.plan.reactions.iter().zip(&mut state.reactions) {
        let due = run_due(r.due).unwrap_or_else(|| due(&reaction.trigger, check.at - started));
        if matches!(reaction.act, Act::Snapshot) && due > r.due {
            (r.due, taken) = (due, true);
        }
    }
    if taken {
        out.push(Effect::record(snapshot(check, state)));
    }
}

/// `every d`, `at …`, `when C` at a check. Only a live one begins anything: what a back-filled check sees is hours old, and a
/// limit that counts planned times would let all of it begin at once.
pub(super) fn timed(check: Check<'_>, state: &mut State, live: bool, out: &mut Vec<Effect>) {
    let (plan, at) = (check.plan, check.at);
    let Some(started) = state.started else { return };
    for i in 0..plan.reactions.len() {
        let Some(reaction) = plan.reactions.get(i) else {
            continue;
        };
        let due = match &reaction.trigger {
            Trigger::On(_) => continue,
            Trigger::Every(_) | Trigger::At(_) => due(&reaction.trigger, at - started),
            Trigger::When(cond) => {
                let (mut truth, _) = eval(check, state, *cond, Owner::Rollout).truth();
                // checks from before the settings were verified say nothing of what there is now
                if past::reaches_back(check, state, *cond, 0, &|_, _| false) {
                    truth = Truth::Unknown;
                }
                let Some(r) = state.reactions.get_mut(i) else {
                    continue;
                };
                let rising = truth == Truth::True && !r.high;
                // unknown neither fires nor re-arms; a rise that is back-filled is left to the first live check, which fires
                // if it still stands
                if truth == Truth::False || (truth == Truth::True && live) {
                    r.high = truth == Truth::True;
                }
                if !rising {
                    continue;
                }
                r.due + 1
            }
        };
        // several that fell due during a stop are one, at the first live check
        if !live {
            continue;
        }
        let Some(r) = state.reactions.get_mut(i) else {
            continue;
        };
        if due <= r.due {
            continue;
        }
        r.due = due;
        if matches!(reaction.act, Act::Snapshot) {
            out.push(Effect::record(snapshot(check, state)));
            continue;
        }
        act(plan, state, at, i, None, &reaction_title(plan, state, at), "", out);
    }
}

fn reaction_title(plan: &Plan, state: &State, at: Time) -> String {
    let elapsed = crate::plan::show::duration(at - state.started.unwrap_or(at));
    let paused = state.paused.as_ref().map_or(String::new(), |p| format!(", paused: {}", p.why));
    format!("phase {} after {elapsed}{paused}", plan.phase_name(state.phase))
}

/// A snapshot that was still to come when the run ends is taken now, once, and marked.
pub(super) fn early_snapshot(plan: &Plan, state: &State, out: &mut Vec<Effect>) {
    let pending = plan.reactions.iter().zip(&state.reactions).any(|(r, s)| match (&r.trigger, &r.act) {
        (Trigger::At(times), Act::Snapshot) => i64::try_from(times.len()).is_ok_and(|n| s.due < n),
        _ => false,
    });
    if pending {
        let guards = guard_reports(plan, state);
        out.push(Effect::record(Record::Snapshot { guards, inputs: Vec::new(), early: true }));
    }
}

/// One step tells a channel once: of several notices to the same channels the last one, which says where the run is now, gets the
/// others' titles as its first lines.
pub(super) fn merge_notices(out: &mut Vec<Effect>) {
    let mut i = 0;
    while i < out.len() {
        let later = out.iter().enumerate().skip(i + 1).find_map(|(j, e)| match (out.get(i), e) {
            (Some(Effect::Notify { channels: a, .. }), Effect::Notify { channels: b, .. }) if a == b => Some(j),
            _ => None,
        });
        let Some(j) = later else {
            i += 1;
            continue;
        };
        let earlier = out.remove(i);
        if let (Effect::Notify { title: first, .. }, Some(Effect::Notify { title, text, .. })) =
            (earlier, out.get_mut(j - 1))
            && first != *title
        {
            *text = if text.is_empty() { first } else { format!("{first}\n{text}") };
        }
    }
}
