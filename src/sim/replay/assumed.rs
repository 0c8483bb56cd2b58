//! What a recording cannot know from the beginning, in words.

use super::{Scenario, began, span};
use crate::plan::{Plan, Time, show};
use crate::sim::recording::{Recording, notes};

/// How the world is where nobody knows.
pub(super) const MADE_UP: &str =
    "what is asked for is read back just before the next check, as asked for, and nobody else sets anything";

/// What stands at the beginning of the assumptions, with since when. `recorded`: the world is the recorded one; `exposed`: how much the
/// canary was exposed is known.
pub(super) fn all(
    plan: &Plan,
    recording: &Recording,
    scenario: &Scenario,
    start: Time,
    recorded: bool,
    exposed: bool,
) -> Vec<(Option<Time>, String)> {
    let mut out = Vec::new();
    if let Some(asked) = scenario.start.filter(|t| *t != start) {
        let (start, asked) = (show::utc(start), show::utc(asked));
        out.push((None, format!("begun at {start}, the first recorded check at or after {asked}")));
    }
    if !recorded {
        let why = if recording.happened.is_empty() {
            String::from("the recording is of answers alone")
        } else if began(recording) != Some(start) {
            String::from("the recorded run began at another time")
        } else if plan.check_every != recording.about.step {
            let (every, step) = (show::duration(plan.check_every), show::duration(recording.about.step));
            format!("the recorded run checked every {step}, of which those are taken that come every {every}")
        } else {
            String::from("the recorded run had another policy")
        };
        out.push((None, format!("{why}: {MADE_UP}")));
    }
    if !exposed {
        let text = "how much the canary was exposed when this was recorded is not known: the numbers are taken as they are, \
                    whatever a phase asks for";
        out.push((None, String::from(text)));
    }
    for note in notes(recording, scenario.unchanged.as_ref().unwrap_or(plan)) {
        // said above, with what follows from it
        if recording.happened.is_empty() || !note.contains("another version of the policy") {
            out.push((None, note));
        }
    }
    if recording.about.incomplete {
        let text = "the recording ends before the run does: what came after it is not known";
        out.push((Some(span(recording).1), String::from(text)));
    }
    if recording.about.policy.is_empty() {
        out.push((None, String::from("the recording was imported: for which policy it was made is not known")));
    }
    for injection in &scenario.injections {
        if let Some(text) = injection.told(plan) {
            out.push((Some(start.saturating_add(injection.from)), text));
        }
    }
    out
}
