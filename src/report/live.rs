//! The live view: a block at the foot of the terminal that is drawn anew at each check, with the events scrolling above it.

use super::lines::line;
use super::style::Style;
use super::text::{clock, cut, pad, printable, used};
use crate::engine::{GuardReport, Record, Stage, State, Verdict, Word, step_text, waits_for};
use crate::plan::{Consequence, Millis, PhaseId, Plan, PortId, PortKind, Setting, Step, Time, show};
use crate::runtime::{Observer, View};
use std::collections::BTreeMap;
use std::io::Write;

/// How many values a sparkline shows.
const SPARK: usize = 24;

/// The live view on a terminal.
pub struct Live<W> {
    out: W,
    style: Style,
    environment: String,
    /// Lines of the block that stands on the screen.
    drawn: usize,
    /// Newest values by guard.
    history: BTreeMap<String, Vec<Option<f64>>>,
    last_check: Option<Time>,
    block: Vec<String>,
    /// The run is over and its last picture is drawn.
    over: bool,
}

impl<W: Write + Send> Live<W> {
    /// On a terminal.
    pub fn new(out: W, style: Style, environment: &str) -> Self {
        Self {
            out,
            style,
            environment: environment.to_owned(),
            drawn: 0,
            history: BTreeMap::new(),
            last_check: None,
            block: Vec::new(),
            over: false,
        }
    }

    fn erase(&mut self) {
        if self.drawn > 0 {
            let _ = write!(self.out, "\x1b[{}A\r\x1b[J", self.drawn);
        }
        self.drawn = 0;
    }

    fn draw(&mut self) {
        let (width, height) = size();
        // a block taller than the screen could not be erased again
        for l in self.block.iter().take(height.saturating_sub(1)) {
            let _ = writeln!(self.out, "{}", cut_styled(l, width));
        }
        self.drawn = self.block.len().min(height.saturating_sub(1));
        let _ = self.out.flush();
    }

    fn above(&mut self, text: &str) {
        self.erase();
        let _ = writeln!(self.out, "{text}");
        self.draw();
    }
}

impl<W: Write + Send> Observer for Live<W> {
    fn record(&mut self, at: Time, record: &Record) {
        let text = format!("{} {}", self.style.faint(&clock(at)), line(record, self.style));
        self.above(&text);
    }

    fn of_slice(&mut self, at: Time, slice: &str, record: &Record) {
        let text = format!("{} {} {}", self.style.faint(&clock(at)), printable(slice), line(record, self.style));
        self.above(&text);
    }

    fn view(&mut self, view: View<'_>) {
        if self.over || view.state.stage == Stage::Idle || view.state.verdict() == Some(Verdict::Refused) {
            return;
        }
        if view.state.last != self.last_check {
            self.last_check = view.state.last;
            for (guard, s) in view.plan.guards.iter().zip(&view.state.guards) {
                let values = self.history.entry(guard.name.clone()).or_default();
                values.push(s.reading.value.filter(|_| s.active));
                let over = values.len().saturating_sub(SPARK);
                values.drain(..over);
            }
        }
        self.block = block(&view, &self.environment, &self.history, self.style);
        self.erase();
        self.draw();
        if view.state.verdict().is_some() {
            // the last picture stays; what is still to be said comes below it
            self.over = true;
            self.drawn = 0;
            self.block.clear();
        }
    }

    fn remark(&mut self, at: Time, text: &str) {
        let text = format!("{} {}", self.style.faint(&clock(at)), self.style.faint(&printable(text)));
        self.above(&text);
    }
}

/// Width and height of the terminal; 100 by 40 where nobody knows.
fn size() -> (usize, usize) {
    terminal_size::terminal_size().map_or((100, 40), |(w, h)| (usize::from(w.0).max(40), usize::from(h.0).max(6)))
}

/// Cuts a line that may hold colour codes: the codes have no width.
fn cut_styled(text: &str, width: usize) -> String {
    let plain: String = strip(text);
    if cut(&plain, width) == plain { text.to_owned() } else { cut(&plain, width) }
}

fn strip(text: &str) -> String {
    let mut out = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            for c in chars.by_ref() {
                if c == 'm' {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The block's lines.
#[must_use]
pub fn block(
    view: &View<'_>,
    environment: &str,
    history: &BTreeMap<String, Vec<Option<f64>>>,
    style: Style,
) -> Vec<String> {
    let (plan, state) = (view.plan, view.state);
    let now = state.last.unwrap_or(view.next_check);
    let elapsed = show::duration(round(now - state.started.unwrap_or(now)));
    let mut out = vec![
        String::new(),
        format!(
            "{}  {}",
            style.bold(&plan.title),
            style.faint(&format!("{} on {environment} · run {} · {elapsed}", plan.rollout, view.run)),
        ),
        headline(plan, state, style),
        exposure(view, style),
        String::new(),
    ];
    out.extend(guard_table(plan, state, history, style));
    out.push(String::new());
    if state.verdict().is_none() {
        let next = next(plan, state, view.next_check);
        out.extend(format!("next  {next}").lines().map(str::to_owned));
    }
    for t in view.troubles {
        out.push(style.bad(&printable(t)));
    }
    out
}

fn headline(plan: &Plan, state: &State, style: Style) -> String {
    match (&state.paused, state.stage) {
        (Some(p), Stage::Phase(_)) => style.unsure(&format!("PAUSED: {}", p.why)),
        (_, Stage::RollingBack(Verdict::Aborted)) => style.bad("ABORTING"),
        (_, Stage::RollingBack(Verdict::Killed)) => style.bad("KILLING"),
        (_, Stage::RollingBack(_)) => style.bad("ROLLING BACK"),
        (_, Stage::Phase(p)) => {
            let promoted =
                if state.promoted.is_some() { format!("{} ", style.good("PROMOTED")) } else { String::new() };
            let purpose = plan.phases.get(p.index()).and_then(|p| p.purpose.clone());
            let purpose = purpose.map_or(String::new(), |p| format!(" “{p}”"));
            let (n, of) = (p.index() + 1, plan.phases.len());
            format!(
                "{promoted}phase {}{purpose} {}",
                style.bold(plan.phase_name(p)),
                style.faint(&format!("{n} of {of}"))
            )
        }
        (_, Stage::Done(Verdict::Promoted)) => style.good("PROMOTED"),
        (_, Stage::Done(v)) => style.bad(&v.text().replace('_', " ").to_uppercase()),
        (_, Stage::Idle) => String::new(),
    }
}

fn exposure(view: &View<'_>, style: Style) -> String {
    let mut parts = Vec::new();
    let traffic = |name: &str| view.plan.ports.iter().any(|p| p.name == name && p.kind == PortKind::Traffic);
    let read = |port: PortId| -> Option<Setting> { view.ports.get(port.index()).copied().flatten() };
    let settings: Vec<_> = view.state.target.settings.iter().map(|(p, s)| (*p, (*s, read(*p)))).collect();
    for (name, (asked, read)) in view.plan.shown(&settings) {
        let back = match read {
            Some(r) if r.same(asked) => style.good(&format!("read back {r}")),
            Some(r) => style.bad(&format!("read back {r}")),
            None => style.unsure("not read back"),
        };
        let bar = match (traffic(&name), read) {
            (true, Some(Setting::Share(s))) => format!(" {}", bar(s, 20)),
            _ => String::new(),
        };
        parts.push(format!("{name}{bar} asked {asked}, {back}"));
    }
    format!("{}  {}", style.faint("exposure"), parts.join("; "))
}

fn bar(share: f64, width: usize) -> String {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a bar of a few columns")]
    #[expect(clippy::cast_precision_loss, reason = "a bar of a few columns")]
    let full = ((share * width as f64).round() as usize).min(width);
    // something is exposed: show it
    let full = if share > 0.0 { full.max(1) } else { 0 };
    format!("{}{}", "█".repeat(full), "░".repeat(width - full))
}

fn guard_table(plan: &Plan, state: &State, history: &BTreeMap<String, Vec<Option<f64>>>, style: Style) -> Vec<String> {
    let reports: Vec<GuardReport> = crate::engine::explain::guard_reports(plan, state);
    let name_width = reports.iter().map(|g| g.guard.chars().count()).max().unwrap_or(5).max(5);
    let head = format!(
        "{}  {}  {}  {}  {}",
        pad("guard", name_width),
        pad("state", 9),
        pad("value", 9),
        pad("limit", 9),
        pad("margin", 9),
    );
    let mut out = vec![style.faint(&head)];
    for g in &reports {
        let show = |v: Option<f64>| v.map_or_else(|| String::from("–"), |v| show::brief(v, g.unit));
        let margin = g.reading.margin.map_or_else(|| String::from("–"), |m| show::difference(m, g.unit));
        let spark = history.get(&g.guard).map_or_else(String::new, |h| sparkline(h));
        let bad = matches!(g.word, Word::Failing | Word::Dark | Word::Breached)
            || (g.word == Word::Warming && g.reading.used > 0);
        let tail = match (bad, used(g)) {
            (true, Some(u)) => format!("{u}, then {}", g.otherwise),
            (true, None) => g.otherwise.clone(),
            (false, _) => g.reading.events.map_or_else(String::new, |n| format!("{n:.0} events")),
        };
        out.push(format!(
            "{}  {}  {}  {}  {}  {}  {spark}",
            pad(&g.guard, name_width),
            style.word(g.word, &pad(g.word.text(), 9)),
            pad(&show(g.reading.value), 9),
            pad(&show(g.reading.limit), 9),
            pad(&margin, 9),
            // what follows a breach must be seen on a narrow terminal too; the sparkline is cut first
            pad(&tail, 24),
        ));
    }
    out
}

/// Values as columns of eight heights between their smallest and largest; a missing one is a dot.
#[must_use]
pub fn sparkline(values: &[Option<f64>]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let known = values.iter().flatten().copied();
    let (lo, hi) = (known.clone().fold(f64::INFINITY, f64::min), known.fold(f64::NEG_INFINITY, f64::max));
    values
        .iter()
        .map(|v| match v {
            None => '·',
            Some(v) => {
                let at = if hi > lo { (v - lo) / (hi - lo) * 7.0 } else { 0.0 };
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 7")]
                BARS.get(at.round() as usize).copied().unwrap_or('█')
            }
        })
        .collect()
}

/// What comes next, and when.
fn next(plan: &Plan, state: &State, next_check: Time) -> String {
    let check = format!("check at {}", clock(next_check));
    match state.stage {
        Stage::RollingBack(_) if state.target.verified.is_none() => {
            format!("read-back of {}", settings(plan, &state.target.settings))
        }
        Stage::RollingBack(_) => String::from("undo of what was run"),
        Stage::Idle | Stage::Done(_) => String::new(),
        Stage::Phase(p) => {
            let mut parts = vec![check];
            let phase = plan.phases.get(p.index());
            if let Some(w) = state.waiting {
                parts.push(format!("waiting for {}", waits_for(plan, w.on)));
            } else if state.target.verified.is_none() {
                parts.push(String::from("waiting for the read-back"));
            } else if let Some(step) = phase.and_then(|ph| ph.steps.get(state.step)) {
                parts.push(match step {
                    Step::Hold(d) => {
                        let left: Millis = round((*d - state.hold.counted).max(0));
                        let frozen = frozen_by(plan, state);
                        let frozen = frozen.map_or(String::new(), |why| format!(" (stands still: {why})"));
                        format!("{}: {} left{frozen}", step_text(plan, step), show::duration(left))
                    }
                    Step::HoldForever => step_text(plan, step),
                    Step::Run { .. } => format!("waiting for {}", step_text(plan, step)),
                    Step::Ramp { every, .. } => {
                        let left: Millis = round((*every - state.hold.counted).max(0));
                        format!(
                            "{}: {} to the next raise, with all guards ok",
                            step_text(plan, step),
                            show::duration(left)
                        )
                    }
                    Step::Promote { within, .. } | Step::HoldUntil { within, .. } => {
                        let until = within.map_or(String::new(), |(d, otherwise): (Millis, Consequence)| {
                            let left = show::duration(round((d - state.within.counted).max(0)));
                            format!(", {left} left, else {}", otherwise.word())
                        });
                        match super::approvals::awaited(plan, state).as_slice() {
                            [] => format!("waiting to {}{until}", step_text(plan, step)),
                            groups => format!("{}{until}", super::approvals::text(plan, groups)),
                        }
                    }
                });
            } else {
                let waits: Vec<String> = crate::engine::explain::guard_reports(plan, state)
                    .into_iter()
                    .filter(|g| g.word != Word::Ok && g.otherwise != "tell")
                    .map(|g| format!("{} is {}", g.guard, g.word.text()))
                    .collect();
                parts.push(format!("all steps done, waiting for guards: {}", waits.join(", ")));
            }
            let after = PhaseId::at(if state.target.epoch == 0 { 0 } else { p.index() + 1 });
            if state.paused.is_some() {
                parts.push(format!("`canary resume {}` lets it go on", plan.rollout));
            }
            let then = if after.index() < plan.phases.len() {
                format!("phase {}: {}", plan.phase_name(after), settings(plan, &plan.settings_at(after)))
            } else if phase.is_some_and(|ph| ph.steps.contains(&Step::HoldForever)) {
                return parts.join(" · ");
            } else {
                String::from("promoted")
            };
            format!("{}\nthen  {then}", parts.join(" · "))
        }
    }
}

fn frozen_by(plan: &Plan, state: &State) -> Option<String> {
    let names: Vec<String> = plan
        .guards
        .iter()
        .zip(&state.guards)
        .filter(|(g, s)| s.active && g.otherwise != Consequence::Tell && s.word.is_some_and(Word::freezes_hold))
        .map(|(g, s)| format!("{} is {}", g.name, s.word.map_or("?", Word::text)))
        .collect();
    if state.paused.is_some() {
        return Some(String::from("paused"));
    }
    (!names.is_empty()).then(|| names.join(", "))
}

fn settings(plan: &Plan, list: &[(PortId, Setting)]) -> String {
    plan.shown(list).iter().map(|(name, s)| format!("{name} = {s}")).collect::<Vec<_>>().join(", ")
}

/// To whole seconds, for people.
fn round(ms: Millis) -> Millis {
    if ms < 1000 { ms } else { (ms + 500) / 1000 * 1000 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sparkline_spans_its_values() {
        assert_eq!(sparkline(&[Some(0.0), Some(1.0), None, Some(0.5)]), "▁█·▅");
        assert_eq!(sparkline(&[Some(3.0), Some(3.0)]), "▁▁");
        assert_eq!(sparkline(&[None]), "·");
    }

    #[test]
    fn codes_have_no_width() {
        assert_eq!(strip("\x1b[1;31mab\x1b[0mc"), "abc");
        assert_eq!(cut_styled("\x1b[1mabc\x1b[0m", 3), "\x1b[1mabc\x1b[0m");
        assert_eq!(cut_styled("\x1b[1mabcd\x1b[0m", 3), "ab…");
    }

    #[test]
    fn a_little_exposure_is_seen() {
        assert_eq!(bar(0.01, 4), "█░░░");
        assert_eq!(bar(0.0, 4), "░░░░");
        assert_eq!(bar(1.0, 4), "████");
    }
}
