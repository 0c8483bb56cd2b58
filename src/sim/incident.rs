//! An incident as a test: what a replay came to, as the `test` block that a person would write of it, with its recording.
//!
//! The test says what was decided, when and why, and what exposure was; not every word of every guard, so that whoever changes a
//! policy is told what became other, and nothing else.

use super::recorded::check_at;
use super::recording::Recording;
use super::replay::outcome::{Decision, GuardTrack, Outcome};
use super::replay::{Scenario, first_check};
use super::trace::Cause;
use crate::check::tests::CAUSES;
use crate::engine::{Record, Verdict, Word};
use crate::plan::{Millis, Plan, Time, show};
use chrono::DateTime;

/// What a test is to be written of.
#[derive(Debug, Clone, Copy)]
pub struct Incident<'a> {
    /// The plan that was replayed.
    pub plan: &'a Plan,
    /// What it was replayed over.
    pub recording: &'a Recording,
    /// How: its beginning, and what was put in.
    pub scenario: &'a Scenario,
    /// What came of it, in full detail.
    pub outcome: &'a Outcome,
    /// The recording's file as the test is to name it: seen from the folder of the policy.
    pub file: &'a str,
    /// The environment that the plan was compiled for; `None`: the plan is that of any environment.
    pub environment: Option<&'a str>,
    /// The params that are set otherwise than the policy's text says, with their values as the language writes them.
    pub with: &'a [(String, String)],
    /// The fields of guards that are set otherwise than the policy's text says: `errors.limit`, `2%`.
    pub fields: &'a [(String, String)],
}

/// What a test of an incident is called: after the run, or the moment, and what came of it.
#[must_use]
pub fn title(incident: &Incident<'_>) -> String {
    let (outcome, about) = (incident.outcome, &incident.recording.about);
    let which = match &about.run {
        Some(run) if first_check(incident.recording, None) == outcome.start => format!("run {run}"),
        _ => format!("{} from {}", outcome.rollout, show::utc(outcome.start)),
    };
    let last = outcome.decisions.iter().rev();
    let why = last.clone().find_map(|d| match &d.record {
        Record::Rollback { to: None, explanation, .. } => Some(format!(" because {}", Cause::of(explanation).word())),
        _ => None,
    });
    let how = match outcome.verdict {
        Some(Verdict::RolledBack) => format!("rolled back{}", why.unwrap_or_default()),
        Some(v) => v.text().replace('_', " "),
        None if why.is_some() => format!("being rolled back{}", why.unwrap_or_default()),
        None => String::from("not decided"),
    };
    format!("{which}: {how}")
}

/// The test: comments, then one block, with its line ends.
///
/// # Errors
/// What cannot be said in a test, with a way out.
pub fn write(incident: &Incident<'_>) -> Result<String, String> {
    let plan = incident.plan;
    if let Some((name, value)) = incident.fields.first() {
        return Err(format!(
            "`{name}={value}` is a change of the policy, and a test is of the policy as it stands: write it into the policy \
             (`{}`), then save the test",
            name.split('.').next().map_or_else(String::new, |g| format!("guard {g}: …"))
        ));
    }
    if !plan.slices.is_empty() {
        return Err(String::from(
            "a rollout with slices cannot be replayed yet: give what was read with `given` lines",
        ));
    }
    let expects = Expects { incident }.lines();
    if expects.is_empty() {
        return Err(String::from("nothing was decided in this recording, so that a test of it would show nothing"));
    }
    let starts = starts(incident)?;
    let mut out = String::new();
    for line in comments(incident) {
        out.push_str(&format!("# {}\n", one_line(&line)));
    }
    let with: Vec<String> = incident.with.iter().map(|(n, v)| format!("{n} = {v}")).collect();
    let with = if with.is_empty() { String::new() } else { format!(" with {}", with.join(", ")) };
    out.push_str(&format!("test {} for {}{with} {{\n", text(&title(incident)), plan.rollout));
    let of = incident.environment.map_or_else(String::new, |e| format!(" in {e}"));
    out.push_str(&format!("  given recording {}{of}\n", text(incident.file)));
    if let Some(at) = starts {
        out.push_str(&format!("  starts at {at}\n"));
    }
    for injection in &incident.scenario.injections {
        out.push_str(&format!("  inject {}\n", text(&injection.text)));
    }
    for line in expects {
        out.push_str(&format!("  {line}\n"));
    }
    out.push_str("}\n");
    Ok(out)
}

/// What is to be known of the test before it is read.
fn comments(incident: &Incident<'_>) -> Vec<String> {
    let outcome = incident.outcome;
    let (from, to, every) = (show::utc(outcome.start), show::utc(outcome.end), show::duration(outcome.every));
    let mut out = vec![format!("From a recording: {from} to {to}, a check every {every}.")];
    let decided = outcome.decisions.iter().filter_map(|d| match &d.record {
        Record::Rollback { explanation, .. } | Record::Paused { explanation } => Some(explanation.summary.clone()),
        _ => None,
    });
    out.extend(decided.take(MOST));
    let assumed: Vec<&str> = outcome.assumptions.iter().map(|a| a.text.as_str()).collect();
    out.extend(assumed.iter().take(MOST).map(|a| format!("Assumed: {a}")));
    if assumed.len() > MOST {
        out.push(format!("and {} more assumptions, which `canary sim` lists", assumed.len() - MOST));
    }
    out
}

/// So many decisions, and so many assumptions, stand above a test.
const MOST: usize = 4;

/// `starts at …`, where the test does not begin where its recording does. Literals have no milliseconds.
fn starts(incident: &Incident<'_>) -> Result<Option<String>, String> {
    let (recording, start) = (incident.recording, incident.outcome.start);
    if incident.scenario.start.is_none() || first_check(recording, None) == start {
        return Ok(None);
    }
    let floor = start.div_euclid(1000) * 1000;
    let same = |at: &Time| first_check(recording, Some(*at)) == start;
    let Some(at) = [floor, start - 1].into_iter().map(|t| t.div_euclid(1000) * 1000).find(same) else {
        return Err(format!(
            "the test would begin at {}.{:03}, and a time is written to the second: begin at another check",
            show::utc(start).trim_end_matches(" UTC"),
            start.rem_euclid(1000)
        ));
    };
    let at = DateTime::from_timestamp_millis(at).map(|t| t.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    at.map(Some).ok_or_else(|| String::from("the test would begin at no time that can be written"))
}

struct Expects<'a> {
    incident: &'a Incident<'a>,
}

impl Expects<'_> {
    /// The `expect` lines, in the order of time; at one check decisions come before what came of them.
    fn lines(&self) -> Vec<String> {
        let outcome = self.incident.outcome;
        let mut out: Vec<(Millis, u8, String)> = Vec::new();
        let mut back = false;
        for d in &outcome.decisions {
            back |= matches!(d.record, Record::Rollback { .. });
            out.extend(self.decision(d));
            out.extend(self.began_to_fail(d));
        }
        out.extend(self.exposure());
        out.sort_by_key(|(at, rank, _)| (*at, *rank));
        let mut out: Vec<String> = out.into_iter().map(|(_, _, line)| line).collect();
        out.dedup();
        let decided = outcome.decisions.iter().any(|d| matches!(d.record, Record::Refused { .. }));
        if !back && !decided && !out.is_empty() {
            out.push(String::from("expect no rollback"));
        }
        if outcome.verdict.is_none() && !back && !out.is_empty() {
            out.push(String::from("expect not promoted"));
        }
        out
    }

    fn at(&self, at: Time) -> Millis {
        check_at(self.incident.outcome.start, self.incident.plan.check_every, at)
    }

    fn decision(&self, d: &Decision) -> Option<(Millis, u8, String)> {
        let at = self.at(d.at);
        let when = show::duration(at);
        let line = match &d.record {
            Record::Entered { phase, .. } => format!("expect phase {phase} at {when}"),
            Record::Rollback { to, explanation, .. } => {
                let to = to.as_ref().map_or_else(String::new, |p| format!(" to {p}"));
                format!("expect rollback{to} at {when}{}", self.because(&Cause::of(explanation)))
            }
            Record::Paused { explanation } => {
                format!("expect paused at {when}{}", self.because(&Cause::of(explanation)))
            }
            Record::KillSwitch { switch, explanation, .. } if written(switch) => {
                format!("expect killed {switch} at {when}{}", self.because(&Cause::of(explanation)))
            }
            Record::Refused { .. } => format!("expect refused at {when}"),
            Record::Promoted { .. } | Record::Finished { verdict: Verdict::Promoted, .. } => {
                format!("expect promoted at {when}")
            }
            _ => return None,
        };
        Some((at, 0, line))
    }

    /// ` because slow`, where a test can name the cause.
    fn because(&self, cause: &Cause) -> String {
        let plan = self.incident.plan;
        let word = cause.word();
        let guards = plan.guards.iter().map(|g| &g.name);
        let others = plan.actions.iter().map(|a| &a.name).chain(plan.phases.iter().map(|p| &p.name));
        let known = guards.chain(others).chain(plan.ports.iter().map(|p| &p.name)).any(|n| n == word);
        let known = (known && one_word(word)) || CAUSES.contains(&word);
        if known { format!(" because {word}") } else { String::new() }
    }

    /// Since when the guard that decided was bad: its limit stands between that check and the one before.
    fn began_to_fail(&self, d: &Decision) -> Option<(Millis, u8, String)> {
        let (Record::Rollback { explanation, .. } | Record::Paused { explanation }) = &d.record else { return None };
        let guard =
            self.incident.outcome.guards.iter().find(|g| explanation.kind == "guard" && g.name == explanation.rule)?;
        let since = failing(guard, d.at)?;
        let at = self.at(since);
        (at < self.at(d.at))
            .then(|| (at, 1, format!("expect guard {} is failing at {}", guard.name, show::duration(at))))
    }

    /// What every port was read as, whenever that became another; of a group whose flags agree the group.
    fn exposure(&self) -> Vec<(Millis, u8, String)> {
        let (plan, outcome) = (self.incident.plan, self.incident.outcome);
        let mut out: Vec<(Millis, u8, String)> = Vec::new();
        for (port, track) in plan.ports.iter().zip(&outcome.ports) {
            let changes = |t: &super::replay::outcome::PortTrack| -> Vec<(Millis, String)> {
                let mut seen: Vec<(Millis, String)> = Vec::new();
                for (at, is) in t.observed.iter().skip(1) {
                    let at = self.at(*at);
                    // of several values between two checks the last one is what is read
                    seen.retain(|(t, _)| *t != at);
                    seen.push((at, is.to_string()));
                }
                seen
            };
            let own = changes(track);
            let name = match &port.group {
                Some(group) => {
                    let members =
                        plan.ports.iter().zip(&outcome.ports).filter(|(p, _)| p.group.as_ref() == Some(group));
                    if members.clone().all(|(_, t)| changes(t) == own) { group } else { &port.name }
                }
                None => &port.name,
            };
            // a flag that is called as no name can be is not spoken of, and neither is one that is not there
            if written(name) {
                let line =
                    |(at, is): (Millis, String)| (at, 2, format!("expect {name} is {is} at {}", show::duration(at)));
                let known = own.into_iter().filter(|(_, is)| is != "absent").map(line);
                out.extend(known.filter(|l| !out.contains(l)).collect::<Vec<_>>());
            }
        }
        out
    }
}

/// When a guard began to fail for the last time before a moment.
fn failing(guard: &GuardTrack, before: Time) -> Option<Time> {
    let mut since = None;
    for (at, word) in guard.words.iter().filter(|(at, _)| *at < before) {
        since = (*word == Some(Word::Failing)).then_some(*at);
    }
    since
}

/// Whether a name can be written in an expression, with the members of a group and the names of a module.
fn written(name: &str) -> bool {
    name.split('.').all(one_word)
}

fn one_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// A text between quotes.
fn text(plain: &str) -> String {
    let mut out = String::from("\"");
    for c in plain.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A comment ends with its line.
fn one_line(text: &str) -> String {
    text.split(char::is_control).collect::<Vec<_>>().join(" ")
}
