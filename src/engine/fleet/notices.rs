//! One step tells a channel once what happened, however many slices it happened to.

use super::clock::status;
use super::step::FleetEffect;
use super::{Fleet, SliceId};
use crate::engine::rollback;
use crate::engine::step::Effect;
use crate::plan::{ChannelId, Happening, Plan};

/// So many slices are named; the others are counted.
const NAMED: usize = 3;

/// What was told of one slice.
struct Told {
    slice: SliceId,
    title: String,
    text: String,
    facts: Vec<(String, String)>,
}

/// The first few by name: `acme/low, acme/high and 9 more`.
pub(super) fn names(fleet: &Fleet, slices: &[SliceId]) -> String {
    let named: Vec<String> = slices.iter().take(NAMED).map(|s| fleet.name(*s)).collect();
    match slices.len().saturating_sub(NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn word(happening: Happening) -> &'static str {
    match happening {
        Happening::Breach => "breach",
        Happening::Pause => "paused",
        Happening::Rollback => "rollback",
        Happening::Promote => "promoted",
        Happening::Blind => "blind or dark",
        Happening::Kill => "kill",
        Happening::Done => "over",
    }
}

/// To which channels, about what.
type About = (Vec<ChannelId>, Option<Happening>);

/// Of the lives' notices behind `from` those to the same channels about the same happening become one, which stands behind
/// everything else of the step.
pub(super) fn merge(plan: &Plan, fleet: &Fleet, out: &mut Vec<FleetEffect>, from: usize) {
    let told = |e: &FleetEffect| e.slice.is_some() && matches!(e.effect, Effect::Notify { .. });
    if !out.iter().skip(from).any(told) {
        return;
    }
    let mut groups: Vec<(About, Vec<Told>)> = Vec::new();
    let step: Vec<FleetEffect> = out.drain(from..).collect();
    for e in step {
        match e {
            FleetEffect { slice: Some(slice), effect: Effect::Notify { channels, happening, title, text, facts } } => {
                let what = (channels, happening);
                let told = Told { slice, title, text, facts };
                match groups.iter_mut().find(|(w, _)| *w == what) {
                    Some((_, list)) => list.push(told),
                    None => groups.push((what, vec![told])),
                }
            }
            other => out.push(other),
        }
    }
    for ((channels, happening), list) in groups {
        out.push(notice(plan, fleet, channels, happening, list));
    }
}

fn notice(
    plan: &Plan,
    fleet: &Fleet,
    channels: Vec<ChannelId>,
    happening: Option<Happening>,
    mut list: Vec<Told>,
) -> FleetEffect {
    let own = |title: &str| {
        let prefix = format!("{}: ", plan.rollout);
        title.strip_prefix(&prefix).map_or_else(|| title.to_owned(), str::to_owned)
    };
    if list.len() == 1
        && let Some(Told { slice, title, text, facts }) = list.pop()
    {
        let title = format!("{}: {}: {}", plan.rollout, fleet.name(slice), own(&title));
        return FleetEffect { slice: Some(slice), effect: Effect::Notify { channels, happening, title, text, facts } };
    }
    // a life may tell twice in one step
    let mut slices: Vec<SliceId> = list.iter().map(|t| t.slice).collect();
    slices.dedup();
    let all_are = |word: &str| list.iter().all(|t| own(&t.title).starts_with(word));
    let what = match (happening, list.first()) {
        // a rollback is told twice: when it begins, and when it is read back
        (Some(Happening::Rollback), _) if all_are(rollback::SET) => rollback::SET.to_owned(),
        (Some(Happening::Rollback), _) if all_are(rollback::TAKEN_BACK) => rollback::TAKEN_BACK.to_owned(),
        (Some(happening), _) => word(happening).to_owned(),
        (None, first) => first.map_or_else(String::new, |t| own(&t.title)),
    };
    let title = format!("{}: {} slices: {what}: {}", plan.rollout, slices.len(), names(fleet, &slices));
    let mut lines = Vec::new();
    for t in list.iter().take(NAMED) {
        lines.push(format!("{}: {}", fleet.name(t.slice), own(&t.title)));
        lines.extend(t.text.lines().map(|l| format!("  {}", own(l))));
    }
    if list.len() > NAMED {
        lines.push(format!("and {} more", list.len() - NAMED));
    }
    let mut facts = vec![
        (String::from("slices"), format!("{} of {}", slices.len(), fleet.len())),
        (String::from("all slices"), status(plan, fleet)),
    ];
    // the others' are in the journal
    if let Some(first) = list.into_iter().next() {
        let of = fleet.name(first.slice);
        facts.extend(first.facts.into_iter().map(|(name, fact)| (format!("{of}: {name}"), fact)));
    }
    let effect = Effect::Notify { channels, happening, title, text: lines.join("\n"), facts };
    FleetEffect { slice: None, effect }
}
