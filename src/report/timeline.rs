//! What came of a replay, for people: the decisions with their times, and what was assumed.

use super::lines::line;
use super::sliced;
use super::style::Style;
use super::text::{pad, printable, reading, used};
use crate::engine::{Explanation, Verdict, Word};
use crate::plan::{Millis, Time, Unit, show};
use crate::sim::replay::backtest::{Backtest, Run};
use crate::sim::replay::outcome::{Cell, Decision, Outcome, Sweep, closely};

/// Puts every decision in words: as `run` prints it.
pub fn tell(outcome: &mut Outcome) {
    for d in &mut outcome.decisions {
        d.text = line(&d.record, Style::PLAIN);
    }
}

/// The decision timeline.
#[must_use]
pub fn text(outcome: &Outcome, style: Style) -> String {
    let whole = outcome;
    let outcome = &*closely(whole);
    let mut out = format!(
        "{} from {} to {}, a check every {}\n\n",
        style.bold(&outcome.rollout),
        show::utc(outcome.start),
        show::utc(outcome.end),
        show::duration(outcome.every)
    );
    if let Some(shown) = sliced::shown(outcome) {
        out.push_str(&format!("{shown}\n\n"));
    }
    out.push_str(&all(&outcome.decisions, outcome.start, outcome.slices.is_some(), style));
    let over = show::duration(outcome.end - outcome.start);
    out.push_str(&end(
        whole,
        &format!("the recording was over after {over}"),
        "What the recording could not know",
        style,
    ));
    out
}

/// Decisions with their times since `start` and what was read for them.
#[must_use]
pub fn decisions(list: &[Decision], start: Time, style: Style) -> String {
    all(list, start, false, style)
}

/// Decisions; `sliced`: those that are of no slice are of all.
fn all(list: &[Decision], start: Time, sliced: bool, style: Style) -> String {
    let width = list.iter().map(|d| show::roughly(d.at - start).len()).max().unwrap_or(0).max(4);
    let whose = |d: &Decision| if sliced && d.slice.is_none() { "all slices: " } else { "" };
    list.iter().map(|d| one(d, start, width, whose(d), style)).collect()
}

/// One decision with its time and its reasons. `width`: the room for how long after the start it was.
#[must_use]
pub fn decision(d: &Decision, start: Time, width: usize, style: Style) -> String {
    one(d, start, width, "", style)
}

fn one(d: &Decision, start: Time, width: usize, whose: &str, style: Style) -> String {
    let since = show::roughly(d.at - start);
    let told = printable(&line(&d.record, Style::PLAIN));
    let told = if style.colours() { line(&d.record, style) } else { told };
    let gap = " ".repeat(width.saturating_sub(since.len()));
    let mut lines = told.lines();
    let first = lines.next().unwrap_or("");
    let mut out = format!("{gap}{since}  {}  {whose}{first}\n", style.faint(&hour(d.at)));
    let room = " ".repeat(width + 12);
    lines.for_each(|l| out.push_str(&format!("{room}{l}\n")));
    for l in d.explanation.iter().filter(|_| !matches!(d.record, crate::engine::Record::Finished { .. })).flat_map(why)
    {
        out.push_str(&format!("{room}{}\n", style.faint(&printable(&l))));
    }
    out
}

/// How it ended, of each slice too, and what was assumed; `open`: what is said where nothing was decided.
#[must_use]
pub fn end(outcome: &Outcome, open: &str, title: &str, style: Style) -> String {
    let mut out = format!("\n{}\n", verdict(outcome, open, style));
    if let Some(slices) = &outcome.slices {
        out.push('\n');
        for line in sliced::lines(slices, outcome.start, style) {
            out.push_str(&format!("{line}\n"));
        }
    }
    if !outcome.assumptions.is_empty() {
        out.push_str(&format!("\n{}\n", style.bold(title)));
        for a in &outcome.assumptions {
            let since = match a.since {
                None => String::from("all along"),
                Some(t) => format!("from {}", show::duration((t - outcome.start).max(0))),
            };
            out.push_str(&format!("  {}  {}\n", pad(&since, 12), printable(&a.text)));
        }
    }
    out
}

/// `12:04:15`, UTC; what is taken to be just before a check is shown at it.
fn hour(at: Time) -> String {
    let whole = show::utc((at + 1).div_euclid(1000) * 1000);
    whole.get(11..19).unwrap_or(&whole).to_owned()
}

/// The guard that decided, what was read for it, and those that had nothing to do with it.
fn why(e: &Explanation) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(g) = &e.guard {
        let used = used(g).map_or_else(String::new, |u| format!(", tolerated {u}"));
        out.push(format!("{}: {}: {}{used}", g.guard, g.condition, reading(g)));
    }
    for i in &e.inputs {
        let value = match (&i.value, &i.missing) {
            (_, Some(m)) => m.clone(),
            (Some(v), _) => show::brief(*v, Unit::Number),
            (None, None) => String::from("nothing"),
        };
        let whose = match i.population {
            crate::plan::Population::Canary => "",
            crate::plan::Population::Stable => " (stable)",
            crate::plan::Population::Before => " (before)",
        };
        out.push(format!("  {}{whose}: {value}", i.metric));
    }
    if !e.others.is_empty() {
        let others: Vec<String> = e.others.iter().map(|g| format!("{} {}", g.guard, g.word.text())).collect();
        let bad = e.others.iter().any(|g| matches!(g.word, Word::Failing | Word::Breached));
        out.push(format!("{}: {}", if bad { "the others" } else { "not because of" }, others.join(", ")));
    }
    out
}

/// How it ended, in a line.
fn verdict(outcome: &Outcome, open: &str, style: Style) -> String {
    let long = show::duration(outcome.end - outcome.start);
    match outcome.verdict {
        None => style.unsure(&format!("not decided: {open}")),
        Some(v) => {
            let word = v.text().replace('_', " ");
            let word = if v == Verdict::Promoted { style.good(&word) } else { style.bad(&word) };
            format!("{word} after {long}")
        }
    }
}

fn outcome_of(cell: &Cell, start: Time) -> String {
    let at = |t: Option<Time>| t.map_or_else(String::new, |t| format!(" at {}", since(t - start)));
    let rule = cell.rule.as_ref().map_or_else(String::new, |r| format!(" because {r}"));
    if let Some(counts) = &cell.slices {
        if cell.verdict == Some(Verdict::Refused) {
            return format!("refused: {}", counts.text());
        }
        let first = match (counts.rolled_back + counts.stopped, cell.decided_at) {
            (1.., Some(_)) => format!("; the first{}{rule}", at(cell.decided_at)),
            _ => String::new(),
        };
        return format!("{}{first}", counts.text());
    }
    match cell.verdict {
        None => format!("not decided, in phase {}", cell.phase),
        Some(Verdict::Promoted) => format!("promoted{}", at(cell.decided_at)),
        Some(v) => format!("{}{}{rule}", v.text().replace('_', " "), at(cell.decided_at)),
    }
}

fn since(ms: Millis) -> String {
    show::duration(ms)
}

fn painted(cell: &Cell, text: &str, style: Style) -> String {
    if cell.slices.is_some_and(|n| n.rolled_back + n.stopped > 0) {
        return style.bad(text);
    }
    match cell.verdict {
        None => style.unsure(text),
        Some(Verdict::Promoted) => style.good(text),
        Some(_) => style.bad(text),
    }
}

/// How slices ended, in a few words: `3/40 back 12m`.
fn few(cell: &Cell, start: Time) -> String {
    let n = cell.slices.unwrap_or_default();
    match (n.rolled_back + n.stopped, cell.decided_at) {
        (back @ 1.., Some(t)) => format!("{back}/{} back {}", n.seen, since(t - start)),
        _ if cell.verdict == Some(Verdict::Refused) => String::from("refused"),
        _ if n.promoted == n.seen => String::from("promoted"),
        _ => format!("{}/{} promoted", n.promoted, n.seen),
    }
}

/// A sweep: of two values a table, else a line each.
#[must_use]
pub fn sweep(sweep: &Sweep, start: Time, style: Style) -> String {
    let mut out = String::new();
    if let [down, across] = sweep.axes.as_slice() {
        let short = |c: &Cell| match c.verdict {
            _ if c.slices.is_some() => few(c, start),
            None => String::from("open"),
            Some(Verdict::Promoted) => String::from("promoted"),
            Some(v) => {
                let at = c.decided_at.map_or_else(String::new, |t| format!(" {}", since(t - start)));
                let word = if v == Verdict::RolledBack { "back" } else { v.text() };
                format!("{word}{at}")
            }
        };
        let words: Vec<String> = sweep.cells.iter().map(short).collect();
        let head = format!("{} \\ {}", down.name, across.name);
        let first = down.values.iter().map(|v| v.text.len()).max().unwrap_or(0).max(head.len());
        let wide = words.iter().map(String::len).chain(across.values.iter().map(|v| v.text.len())).max().unwrap_or(0);
        out.push_str(&pad(&head, first));
        across.values.iter().for_each(|v| out.push_str(&format!("  {}", pad(&v.text, wide))));
        out = out.trim_end().to_owned() + "\n";
        let mut cells = sweep.cells.iter().zip(&words);
        for row in &down.values {
            let mut text = pad(&row.text, first);
            for _ in &across.values {
                let Some((cell, word)) = cells.next() else { break };
                text.push_str(&format!("  {}", painted(cell, &pad(word, wide), style)));
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
    } else {
        let places = crate::sim::replay::sweep::grid(&sweep.axes).unwrap_or_default();
        for (place, cell) in places.iter().zip(&sweep.cells) {
            for (axis, i) in sweep.axes.iter().zip(place) {
                let wide = axis.values.iter().map(|v| v.text.len()).max().unwrap_or(0);
                let value = axis.values.get(*i).map_or("", |v| v.text.as_str());
                out.push_str(&format!("{} = {}  ", axis.name, pad(value, wide)));
            }
            out.push_str(&painted(cell, &outcome_of(cell, start), style));
            out.push('\n');
        }
    }
    for axis in &sweep.axes {
        if let Some(now) = &axis.now {
            out.push_str(&style.faint(&format!("the policy says {} = {}", axis.name, now.text)));
            out.push('\n');
        }
    }
    out
}

/// A backtest: a line a rollout, then what they come to.
#[must_use]
pub fn backtest(test: &Backtest, style: Style) -> String {
    let mut out = String::new();
    for run in &test.runs {
        let text = outcome_of(&run.cell, run.start);
        out.push_str(&format!("{}  {}", show::utc(run.start), painted(&run.cell, &pad(&text, 40), style)));
        out.push_str(&format!("  {}\n", reached(run)));
    }
    let count = |v: Option<Verdict>| test.runs.iter().filter(|r| r.cell.verdict == v).count();
    let (promoted, back) = (count(Some(Verdict::Promoted)), test.runs.iter().filter(|r| r.is_back()).count());
    let open = test.runs.iter().filter(|r| r.cell.verdict.is_none() && !r.is_back()).count();
    let other = test.runs.len().saturating_sub(promoted + back + open);
    out.push_str(&format!(
        "\n{} rollouts, one every {}: {promoted} promoted, {back} rolled back, {open} not decided",
        test.runs.len(),
        show::duration(test.every)
    ));
    out.push_str(&if other > 0 { format!(", {other} refused or stopped\n") } else { String::from("\n") });
    if let Some(median) = median(test) {
        out.push_str(&format!("half of the rollbacks came within {}\n", since(median)));
    }
    let wide = test.guards.iter().map(|g| g.guard.len()).max().unwrap_or(0);
    for g in &test.guards {
        let name = pad(&g.guard, wide);
        let worth = match (g.decided, g.agreed) {
            (0, 0) => style.faint("never had anything against it"),
            (0, n) => format!("decided none; was against it in {n} that another rule took back"),
            (n, more) => {
                let more = if more > 0 { format!("; was against it in {more} more") } else { String::new() };
                format!("took back {n}, {} of them alone{more}", g.alone)
            }
        };
        out.push_str(&format!("guard {name}  {worth}\n"));
    }
    if let Some(h) = &test.healthy {
        let share = h.share().map_or_else(String::new, |s| format!(" ({})", show::brief(s, Unit::Ratio)));
        out.push_str(&format!("false alarms: {} of {} rollouts in healthy stretches{share}\n", h.rolled_back, h.runs));
    }
    out
}

/// Whom a rollout has reached.
fn reached(run: &Run) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "shown to the second")]
    let seconds = run.exposed.exposure_seconds.round() as Millis;
    match run.exposed.requests {
        Some(n) => format!("{n:.0} requests met it"),
        None => format!("{} of full exposure", show::duration(seconds.saturating_mul(1000))),
    }
}

/// Time from start to decision of the rollback in the middle.
fn median(test: &Backtest) -> Option<Millis> {
    let back = test.runs.iter().filter(|r| r.is_back());
    let mut times: Vec<Millis> = back.filter_map(|r| Some(r.cell.decided_at? - r.start)).collect();
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? / 2).copied()
}
