//! Moments as people name them: `12m30s`, `2026-11-21T10:00Z`, a phase, `start`, `end`, `now`.

use super::world::Replayed;
use crate::plan::{Plan, Time, show};
use crate::sim::replay::inject::duration;
use crate::sim::replay::when;

/// Reads a moment. One that no check can be at is refused.
///
/// # Errors
/// What is wrong with it, with a way out.
pub(super) fn read(text: &str, now: Time, plan: &Plan, world: &Replayed) -> Result<Time, String> {
    let text = text.trim();
    let start = world.start();
    let at = match text {
        "start" | "begin" | "beginning" => return Ok(start),
        "end" => return Ok(world.end()),
        "now" | "here" => return Ok(now),
        "" => return Err(format!("a moment is wanted: {FORMS}")),
        _ => match phase(text, plan, world) {
            Some(entered) => return entered,
            None => time(text, start)?,
        },
    };
    if at < start {
        return Err(format!("nothing is before the first check, at {}: `:goto start` goes there", show::utc(start)));
    }
    if at > world.last() {
        let long = show::roughly(world.last() - start);
        return Err(format!("`{text}` is behind the last check, at {long}: `:goto end` goes to where it ends"));
    }
    Ok(world.check_at(at))
}

/// How a moment is written.
pub(super) const FORMS: &str = "`12m30s`, `2026-11-21T10:00Z`, a phase's name, `start`, `end`";

/// When a phase is entered first.
fn phase(text: &str, plan: &Plan, world: &Replayed) -> Option<Result<Time, String>> {
    plan.phases.iter().find(|p| p.name == text)?;
    let band = world.outcome.phases.iter().find(|b| b.name == text);
    Some(band.map(|b| world.check_at(b.from)).ok_or_else(|| {
        let entered = |name: &&str| world.outcome.phases.iter().any(|b| b.name == *name);
        let reached: Vec<&str> = plan.phases.iter().map(|p| p.name.as_str()).filter(entered).collect();
        let how = if reached.is_empty() { String::from("none was") } else { format!("{} were", reached.join(", ")) };
        format!("phase {text} was never entered: {how}")
    }))
}

fn time(text: &str, start: Time) -> Result<Time, String> {
    if text.starts_with('-') {
        return Err(String::from("nothing is before the first check: leave the `-` out"));
    }
    let bare = text.trim_start_matches('+');
    if bare.starts_with(|c: char| c.is_ascii_digit())
        && let Ok(d) = duration(bare)
    {
        return Ok(start.saturating_add(d));
    }
    when::time(text).map_err(|_| format!("`{text}` is no moment: write {FORMS}"))
}

/// `12m30s after the start`, as a prompt and headings have it: to the second.
pub(super) fn since(at: Time, start: Time) -> String {
    show::roughly(at - start)
}
