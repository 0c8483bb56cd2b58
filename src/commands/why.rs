//! `canary why`: why a run is where it is, and what any of its checks said.

use super::Format;
use super::exit::{Status, because};
use super::runs::{StoreArg, events, find, open, pinned};
use crate::backend::quoted;
use crate::engine::{Observation, Record, State};
use crate::plan::{Millis, Time, show};
use crate::report::check_at::{self, Look};
use crate::report::document::Happened;
use crate::report::style::Style;
use crate::report::why::{Subject, json, text};
use crate::runtime::fleet::{Found, Kept, Noted};
use crate::store::{Around, Run, Store};
use chrono::DateTime;
use serde_json::Value;
use std::io::IsTerminal;

/// Arguments of `canary why`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run's id, or a rollout (its newest run); the newest run of all when left out
    name: Option<String>,
    /// What the check at or before this moment said: so long after the run's first check (`12m30s`), or an instant
    /// (`2026-11-21T18:00:00Z`)
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    at: Option<Moment>,
    /// Of one guard only
    #[arg(long, value_name = "GUARD", requires = "at")]
    rule: Option<String>,
    #[command(flatten)]
    slice: super::slices::SliceArg,
    #[command(flatten)]
    store: StoreArg,
    /// How to report
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A moment of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// So long after its first check.
    After(Millis),
    /// An instant.
    At(Time),
}

/// `12m30s`, or `2026-11-21T18:00:00Z`.
pub(super) fn moment(text: &str) -> Result<Moment, String> {
    if let Some(d) = duration(text) {
        return Ok(Moment::After(d));
    }
    if text.strip_prefix('-').and_then(duration).is_some() {
        return Err(String::from("there is no check before the first one: leave the `-` out"));
    }
    // seconds may be left out, as in a policy
    let full = text.len() == "2026-11-21T18:00Z".len() && text.ends_with('Z');
    let full = if full { text.replace('Z', ":00Z") } else { text.to_owned() };
    DateTime::parse_from_rfc3339(&full).map(|t| Moment::At(t.timestamp_millis())).map_err(|_| {
        String::from("a time since the first check is written as `12m30s`, and an instant as `2026-11-21T18:00:00Z`")
    })
}

/// Milliseconds of `1h30m`: units descending, each once.
pub(super) fn duration(text: &str) -> Option<Millis> {
    const UNITS: [(&str, Millis); 6] =
        [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];
    let (mut rest, mut total, mut next) = (text, 0, 0);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, tail) = rest.split_at_checked(digits)?;
        let unit = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_lowercase()).len();
        let (unit, tail) = tail.split_at_checked(unit)?;
        let rank = UNITS.iter().position(|(name, _)| *name == unit).filter(|rank| *rank >= next)?;
        let (_, size) = UNITS.get(rank)?;
        total = number.parse::<Millis>().ok()?.checked_mul(*size)?.checked_add(total)?;
        (rest, next) = (tail, rank + 1);
    }
    (!text.is_empty()).then_some(total)
}

/// Slices that are named.
const NAMED: usize = 20;

/// A run of many lives is where it is for many reasons.
fn say_which(run: &Run, events: &[Happened]) -> Status {
    let mut decided: Vec<String> = Vec::new();
    for e in events.iter().rev() {
        let told = matches!(e.record, Record::Rollback { .. } | Record::Paused { .. } | Record::Refused { .. });
        if let (true, Some(slice)) = (told && decided.len() < NAMED, &e.slice) {
            let line = format!("\n  --slice {}", quoted(&slice.text()));
            if !decided.contains(&line) {
                decided.push(line);
            }
        }
    }
    let list = match decided.is_empty() {
        true => String::from(" (nothing was taken back or paused yet)"),
        false => format!("; those of which something was decided last:{}", decided.concat()),
    };
    because(Status::Wrong, &format!("{} has a life a slice: say which one{list}", run.rollout))
}

/// Prints the explanation.
#[must_use]
pub fn main(args: &Args) -> Status {
    match explain(args) {
        Ok(()) => Status::Success,
        Err(status) => status,
    }
}

fn explain(args: &Args) -> Result<(), Status> {
    let store = open(&args.store.store)?;
    let run = find(&store, args.name.as_deref())?;
    let (plan, bindings) = pinned(&store, &run)?;
    args.slice.fits(&store, &run)?;
    let mut events = events(&store, &run)?;
    let (mut slice, mut waits) = (None, None);
    if !plan.slices.is_empty() {
        let Some(meant) = &args.slice.slice else { return Err(say_which(&run, &events)) };
        // what concerns all of them concerns this one
        events.retain(|e| e.slice.as_ref().is_none_or(|s| meant.covers(s)));
        let mut named: Vec<Vec<String>> =
            events.iter().filter_map(|e| e.slice.as_ref()).map(|m| m.values(&plan.slices)).collect();
        // one that was seen and has not begun has no events yet
        let kept = super::run_slices::kept(&store, &run).ok().flatten();
        if let Some(Kept { fleet, .. }) = &kept {
            let seen = fleet.slices().filter_map(|s| Some(fleet.key(s)?.to_vec()));
            named.extend(seen.filter(|values| meant.is(&plan.slices, values)));
        }
        named.sort_unstable();
        named.dedup();
        match named.len() {
            0 => return Err(because(Status::Wrong, "no such slice was seen in this run")),
            1 => slice = named.pop(),
            n => {
                return Err(because(
                    Status::Wrong,
                    &format!("{n} slices are meant by that: name all dimensions of one"),
                ));
            }
        }
        waits = kept.zip(slice.as_deref()).and_then(|(kept, values)| waits_for(&kept, values));
    }
    let subject = Subject {
        plan: &plan,
        slice: slice.as_deref(),
        bindings: &bindings,
        run: run.id.as_str(),
        started: run.started,
        verdict: run.verdict.as_deref(),
        events: &events,
    };
    if let Some(moment) = args.at {
        return past(args, &store, &run, &subject, slice.as_deref(), moment);
    }
    let style = Style::for_terminal(std::io::stdout().is_terminal());
    match args.format {
        Format::Human => {
            out!("{}", text(&subject, style));
            if let Some(waits) = &waits {
                outln!("\nthis slice was seen and has not begun: {waits}");
            }
        }
        Format::Json => {
            let mut whole = json(&subject);
            if let (Some(o), Some(waits)) = (whole.as_object_mut(), waits) {
                o.insert("not_begun".into(), waits.into());
            }
            outln!("{whole}");
        }
    }
    Ok(())
}

/// Why a slice that was seen has not begun; none of one that has.
fn waits_for(kept: &Kept, values: &[String]) -> Option<String> {
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let reasons = kept.fleet.waits(kept.fleet.slice(&values)?)?;
    Some(match (reasons, kept.fleet.halted()) {
        (_, Some(halted)) => format!("nobody begins while all are paused ({})", halted.why),
        ([], None) => String::from("it waits for its turn"),
        (reasons, None) => format!("its start was refused, and is tried again: {}", reasons.join("; ")),
    })
}

/// What is kept of a check.
enum Check {
    /// Everything.
    Kept(Time, Box<Observation>),
    /// Nothing, and why.
    Not(Time, &'static str),
}

/// What is kept of a check of one slice.
fn of_slice(body: Value, at: Time, slice: &[String], begun: bool) -> Result<Check, String> {
    let noted: Noted = serde_json::from_value(body).map_err(|e| e.to_string())?;
    Ok(match noted.find(slice)? {
        Found::Kept(o) => Check::Kept(at, o),
        _ if !begun => Check::Not(at, "this slice had not begun by this check"),
        Found::NotThere => Check::Not(at, "this slice was over by this check"),
        Found::LeftOut if noted.left_out_unwell == 0 => Check::Not(
            at,
            "what was read of this slice at this check is not kept: there was room only for those that were not ok or of which \
             something was decided, and some others",
        ),
        Found::LeftOut => Check::Not(
            at,
            "what was read of this slice at this check is not kept: so many slices were not ok that there was no room for all",
        ),
    })
}

/// What one check of the past said.
fn past(
    args: &Args,
    store: &Store,
    run: &Run,
    subject: &Subject<'_>,
    slice: Option<&[String]>,
    moment: Moment,
) -> Result<(), Status> {
    let wrong = |text: &str| because(Status::Wrong, text);
    let failed = |e: &dyn std::fmt::Display| wrong(&format!("run {} cannot be read: {e}", run.id));
    if let Some(rule) = &args.rule
        && !subject.plan.guards.iter().any(|g| g.name == *rule)
    {
        let known: Vec<&str> = subject.plan.guards.iter().map(|g| g.name.as_str()).collect();
        return Err(wrong(&format!("{} has no guard {rule}, only {}", run.rollout, known.join(", "))));
    }
    let state = store.state(&run.id).map_err(|e| failed(&e))?.map(|(_, v)| v);
    let (first, baseline) = match slice {
        Some(slice) => {
            let kept: Option<Kept> = state.and_then(|v| serde_json::from_value(v).ok());
            let values: Vec<&str> = slice.iter().map(String::as_str).collect();
            let life = kept.as_ref().and_then(|k| k.fleet.state(k.fleet.slice(&values)?));
            (kept.map(|k| k.started), life.map(|s| s.baseline))
        }
        None => (None, state.and_then(|v| serde_json::from_value::<State>(v).ok()).map(|s| s.baseline)),
    };
    let Some(first) = first.or(subject.events.first().map(|e| e.at)) else {
        return Err(wrong(&format!("run {} has not made a check yet", run.id)));
    };
    let asked = match moment {
        Moment::After(d) => first.saturating_add(d),
        Moment::At(t) => t,
    };
    if asked < first {
        let text = format!(
            "run {} made its first check at {}, {} after that moment: there is nothing before it",
            run.id,
            show::utc(first),
            show::duration(first.saturating_sub(asked))
        );
        return Err(wrong(&text));
    }
    let Around { found, next } = store.observation_at(&run.id, asked).map_err(|e| failed(&e))?;
    let begun = |at| subject.events.iter().any(|e| e.slice.is_some() && e.at <= at);
    let check = found
        .map(|(at, body)| match slice {
            Some(slice) => of_slice(body, at, slice, begun(at)),
            None => serde_json::from_value(body).map(|o| Check::Kept(at, o)).map_err(|e| e.to_string()),
        })
        .transpose()
        .map_err(|e| wrong(&format!("what was kept of that check cannot be read by this version: {e}")))?;
    let look = Look {
        subject,
        asked,
        first,
        check: match &check {
            Some(Check::Kept(at, o)) => Some((*at, o)),
            _ => None,
        },
        unkept: match check {
            Some(Check::Not(at, why)) => Some((at, why)),
            _ => None,
        },
        next,
        ended: run.finished,
        baseline: &baseline.unwrap_or_default(),
        rule: args.rule.as_deref(),
    };
    match args.format {
        Format::Human => {
            out!("{}", check_at::text(&look, Style::for_terminal(std::io::stdout().is_terminal())));
        }
        Format::Json => outln!("{}", check_at::json(&look)),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_time_since_the_first_check_or_an_instant() {
        assert_eq!(moment("12m30s"), Ok(Moment::After(750_000)));
        assert_eq!(moment("0s"), Ok(Moment::After(0)));
        assert_eq!(moment("1d2h3m4s5ms"), Ok(Moment::After(93_784_005)));
        assert_eq!(moment("2w"), Ok(Moment::After(1_209_600_000)));
        assert!(moment("-5s").unwrap_err().contains("no check before the first one"));
        assert_eq!(moment("2026-11-21T18:00:00Z"), Ok(Moment::At(1_795_284_000_000)));
        assert_eq!(moment("2026-11-21T18:00Z"), moment("2026-11-21T19:00:00+01:00"));
        for wrong in
            ["", "12", "m", "30s12m", "12m12m", "1.5h", "99999999999999999d", "yesterday", "2026-11-21", "-5m", "5 m"]
        {
            assert!(moment(wrong).is_err(), "{wrong}");
        }
    }
}
