//! The notices of one step: what several slices tell the same people of the same happening is one notice.

use crate::engine::Effect;
use crate::engine::fleet::{FleetEffect, SliceId};
use crate::plan::{ChannelId, Happening};

/// Slices that a notice names; the others are counted.
const NAMED: usize = 20;

/// Of one happening, for the same channels.
struct Same<'e> {
    channels: &'e [ChannelId],
    happening: Option<Happening>,
    told: Vec<(Option<SliceId>, &'e Effect)>,
}

/// Merges them, in the order of the first of each.
pub fn merged(rollout: &str, effects: &[FleetEffect], name: impl Fn(SliceId) -> String) -> Vec<Effect> {
    let mut all: Vec<Same<'_>> = Vec::new();
    for FleetEffect { slice, effect } in effects {
        let Effect::Notify { channels, happening, .. } = effect else { continue };
        let same = |s: &&mut Same<'_>| s.channels == channels.as_slice() && s.happening == *happening;
        match all.iter_mut().find(same) {
            Some(s) => s.told.push((*slice, effect)),
            None => all.push(Same { channels, happening: *happening, told: vec![(*slice, effect)] }),
        }
    }
    all.into_iter().filter_map(|s| one(rollout, &s, &name)).collect()
}

fn one(rollout: &str, same: &Same<'_>, name: &impl Fn(SliceId) -> String) -> Option<Effect> {
    let what = |title: &str| {
        let bare = title.strip_prefix(rollout).and_then(|t| t.strip_prefix(": ")).unwrap_or(title);
        bare.to_owned()
    };
    let named = |slice: Option<SliceId>, title: &str| match slice {
        Some(slice) => format!("{}: {}", name(slice), what(title)),
        None => what(title),
    };
    let (first, effect) = same.told.first()?;
    let Effect::Notify { channels, happening, title, text, facts } = effect else { return None };
    if same.told.len() == 1 {
        return Some(Effect::Notify {
            channels: channels.clone(),
            happening: *happening,
            title: format!("{rollout}: {}", named(*first, title)),
            text: text.clone(),
            facts: facts.clone(),
        });
    }
    let lines = same.told.iter().take(NAMED).filter_map(|(slice, e)| match e {
        Effect::Notify { title, .. } => Some(named(*slice, title)),
        _ => None,
    });
    let mut lines: Vec<String> = lines.collect();
    let more = same.told.len().saturating_sub(NAMED);
    if more > 0 {
        lines.push(format!("and {more} more slices"));
    }
    Some(Effect::Notify {
        channels: channels.clone(),
        happening: *happening,
        title: format!("{rollout}: {} slices: the first is {}", same.told.len(), named(*first, title)),
        text: lines.join("\n"),
        facts: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(slice: u32, channel: u32, title: &str) -> FleetEffect {
        let effect = Effect::Notify {
            channels: vec![ChannelId(channel)],
            happening: Some(Happening::Promote),
            title: format!("r: {title}"),
            text: String::new(),
            facts: vec![(String::from("a"), String::from("b"))],
        };
        FleetEffect { slice: Some(SliceId(slice)), effect }
    }

    #[test]
    fn the_same_of_many_slices_is_told_once() {
        let name = |s: SliceId| format!("tenant=t{}", s.0);
        let one = merged("r", &[notice(0, 0, "phase a passed")], name);
        let [Effect::Notify { title, facts, .. }] = one.as_slice() else { panic!("{one:?}") };
        assert_eq!((title.as_str(), facts.len()), ("r: tenant=t0: phase a passed", 1));
        let mut many: Vec<FleetEffect> = (0..30).map(|i| notice(i, 0, "phase a passed")).collect();
        many.push(notice(7, 1, "phase a passed"));
        let out = merged("r", &many, name);
        assert_eq!(out.len(), 2);
        let Effect::Notify { title, text, .. } = &out[0] else { panic!("{out:?}") };
        assert_eq!(title, "r: 30 slices: the first is tenant=t0: phase a passed");
        assert!(text.starts_with("tenant=t0: phase a passed\n") && text.ends_with("and 10 more slices"), "{text}");
    }
}
