//! `:plot`: the whole replay, some of its guards and ports, or an expression over time.

use super::ask::{Probe, number};
use super::entry::Entry;
use super::moment::since;
use super::world::{Recorded, Replayed, World};
use super::{Answer, Session};
use crate::check::ask::Asked;
use crate::engine::eval::Value;
use crate::engine::truth::Truth;
use crate::engine::value::Num;
use crate::plan::{Compare, Node, Plan, Time, Unit};
use crate::report::chart::time::{Span, elapsed};
use crate::report::picture;
use crate::report::style::Style;
use crate::report::text::{cut, pad};

/// Rows of a chart.
const ROWS: usize = 8;
/// Narrower, nothing can be told apart; wider, nobody follows a row with the eye.
const WIDTHS: (usize, usize) = (40, 220);
/// The blocks that fill an eighth of a row each.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Session {
    /// `:plot`, `:plot errors slow`, `:plot p99(latency)`
    pub(super) fn plot(&mut self, rest: &str) -> Answer {
        let (world, replayed, recorded) = self.replayed()?;
        if rest.is_empty() {
            return Ok(picture::timeline(&replayed.outcome, self.width, self.style));
        }
        if let Some(text) = named(world, replayed, rest, self.width, self.style) {
            return Ok(text);
        }
        let Entry::Expression { text, at: None } = Entry::of(rest) else {
            return Err(format!("`:plot {rest}`: guards, ports or one expression are drawn, over the whole replay"));
        };
        let question = self.question(text)?;
        if let Asked::Constant { written, .. } = &question.asked {
            return Err(format!("`{text}` is {written} at any time: there is nothing to draw"));
        }
        let Some(probe) = Probe::of(&question) else { return Ok(String::new()) };
        if let Some(why) = probe.lacks(replayed, recorded) {
            return Err(why);
        }
        Ok(draw(text, &probe, replayed, recorded, self.width, self.style))
    }
}

/// The picture of some guards and ports alone; none where one of the names is of neither.
fn named(world: &World, replayed: &Replayed, rest: &str, width: usize, style: Style) -> Option<String> {
    let names: Vec<&str> = rest.split_whitespace().collect();
    let known =
        |n: &&str| world.plan.guards.iter().any(|g| g.name == **n) || world.plan.ports.iter().any(|p| p.name == **n);
    if !names.iter().all(|n| known(&n)) {
        return None;
    }
    let mut outcome = replayed.outcome.clone();
    outcome.guards.retain(|g| names.contains(&g.name.as_str()));
    outcome.ports.retain(|p| names.contains(&p.name.as_str()));
    outcome.assumptions.clear();
    Some(picture::timeline(&outcome, width, style))
}

/// One value at one check.
type Point = (Time, Option<f64>);

fn draw(text: &str, probe: &Probe<'_>, replayed: &Replayed, r: &Recorded, width: usize, style: Style) -> String {
    let plan = probe.plan;
    // of a comparison its left side is drawn, against the other where that is a number
    let compared = match plan.program.nodes.get(probe.node.index()) {
        Some(Node::Compare { op, left, right, unit, .. }) if *unit != Unit::Bool => Some((*op, *left, *right, *unit)),
        _ => None,
    };
    let limit = compared.and_then(|(op, _, right, _)| match plan.program.nodes.get(right.index()) {
        Some(Node::Const(v)) => Some((op, *v)),
        _ => None,
    });
    let drawn = match compared {
        Some((_, left, _, unit)) => Probe { plan, node: left, unit, kind: probe.kind, condition: false },
        None => Probe { plan, node: probe.node, unit: probe.unit, kind: probe.kind, condition: probe.condition },
    };
    let (values, _) = drawn.follow(replayed, r, replayed.last());
    let span = Span { from: replayed.start(), to: replayed.last().max(replayed.start() + 1) };
    let points: Vec<Point> = values
        .iter()
        .map(|(at, v)| match v {
            Value::Num(n) => (*at, n.shown()),
            Value::Truth(Truth::True, _) => (*at, Some(1.0)),
            Value::Truth(Truth::False, _) => (*at, Some(0.0)),
            Value::Truth(Truth::Unknown, _) => (*at, None),
        })
        .collect();
    let chart = Chart { span, width: width.clamp(WIDTHS.0, WIDTHS.1), style };
    let mut out = format!("{}\n", style.bold(&cut(text, chart.width)));
    if drawn.condition {
        out.push_str(&chart.truth(&points));
    } else {
        out.push_str(&chart.number(&points, drawn.unit, drawn.kind, limit));
    }
    out.push_str(&summary(&points, &drawn, replayed, plan));
    out
}

/// The least and the greatest, with their times; how long it was true.
fn summary(points: &[Point], drawn: &Probe<'_>, replayed: &Replayed, _: &Plan) -> String {
    let known: Vec<(Time, f64)> = points.iter().filter_map(|(t, v)| Some((*t, (*v)?))).collect();
    let unknown = points.len() - known.len();
    let unknown =
        if unknown > 0 { format!("; unknown at {unknown} of {} checks", points.len()) } else { String::new() };
    if drawn.condition {
        let yes = known.iter().filter(|(_, v)| *v > 0.0).count();
        return format!("true at {yes} of {} checks{unknown}\n", points.len());
    }
    let least = known.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let most = known.iter().max_by(|a, b| a.1.total_cmp(&b.1));
    let said = |p: &(Time, f64)| {
        let value = number(&Num::known(p.1), drawn.unit, drawn.kind);
        format!("{value} at {}", since(p.0, replayed.start()))
    };
    match (least, most) {
        (Some(least), Some(most)) => format!("least {}, most {}{unknown}\n", said(least), said(most)),
        _ => String::from("unknown all along\n"),
    }
}

struct Chart {
    span: Span,
    width: usize,
    style: Style,
}

impl Chart {
    /// In each column the greatest of its values; a column between two checks has that of the one before. The second: something in it
    /// is not known.
    fn columns(&self, points: &[Point], columns: usize) -> Vec<(Option<f64>, bool)> {
        let mut out: Vec<Option<(Option<f64>, bool)>> = vec![None; columns];
        for (at, v) in points {
            if let Some(slot) = out.get_mut(self.span.column(*at, columns)) {
                let (most, unknown) = slot.unwrap_or((None, false));
                let most = match (most, *v) {
                    (Some(a), Some(b)) => Some(a.max(b)),
                    (a, b) => a.or(b),
                };
                *slot = Some((most, unknown || v.is_none()));
            }
        }
        let mut last = (None, false);
        out.into_iter()
            .map(|c| {
                last = c.unwrap_or(last);
                last
            })
            .collect()
    }

    fn truth(&self, points: &[Point]) -> String {
        let row: String = self
            .columns(points, self.width)
            .into_iter()
            .map(|(v, unknown)| match v {
                Some(v) if v > 0.0 => '█',
                _ if unknown => '·',
                Some(_) => '_',
                None => ' ',
            })
            .collect();
        format!("{row}\n{}{}\n", self.axis(0, self.width), self.style.faint("█ true, _ false, · unknown"))
    }

    fn number(&self, points: &[Point], unit: Unit, kind: &str, limit: Option<(Compare, f64)>) -> String {
        let known = || points.iter().filter_map(|(_, v)| *v).filter(|v| v.is_finite());
        let top = known().chain(limit.map(|(_, l)| l)).fold(f64::NEG_INFINITY, f64::max);
        let low = known().chain(limit.map(|(_, l)| l)).fold(0.0, f64::min);
        let top = if top > low { top } else { low + 1.0 };
        let said = |v: f64| number(&Num::known(v), unit, kind);
        let label = [said(top), said(low)].iter().map(|l| l.chars().count()).max().unwrap_or(0);
        let label = limit.map_or(label, |(op, l)| label.max(said(l).chars().count() + op.text().len() + 1));
        let columns = self.width.saturating_sub(label + 2).max(10);
        let cells = self.columns(points, columns);
        #[expect(clippy::cast_precision_loss, reason = "eight rows")]
        let eighths = |v: f64| ((v - low) / (top - low)).clamp(0.0, 1.0) * (ROWS * 8) as f64;
        let limit_row = limit.map(|(_, l)| whole((eighths(l) / 8.0).floor()).min(ROWS - 1));
        let mut out = String::new();
        for row in (0..ROWS).rev() {
            let name = match limit.filter(|_| limit_row == Some(row)) {
                Some((op, l)) => format!("{} {}", op.text(), said(l)),
                None if row == ROWS - 1 => said(top),
                None if row == 0 => said(low),
                None => String::new(),
            };
            let line: String = cells
                .iter()
                .map(|(v, unknown)| match v {
                    // whatever is there is seen, 0 too
                    Some(v) => {
                        let least = if row == 0 { 1 } else { 0 };
                        let full = whole(eighths(*v)).saturating_sub(row * 8).clamp(least, 8);
                        match BLOCKS.get(full) {
                            Some(' ') | None if limit_row == Some(row) => '╌',
                            Some(c) => *c,
                            None => ' ',
                        }
                    }
                    None if row == 0 && *unknown => '·',
                    None if limit_row == Some(row) => '╌',
                    None => ' ',
                })
                .collect();
            let name = self.style.faint(&format!("{}{name}", " ".repeat(label - name.chars().count().min(label))));
            out.push_str(format!("{name} ┤{line}").trim_end());
            out.push('\n');
        }
        out.push_str(&self.axis(label + 2, columns));
        out
    }

    /// Times below.
    fn axis(&self, left: usize, columns: usize) -> String {
        let mut row = vec![' '; columns];
        let mut free = 0;
        for tick in self.span.ticks((columns / 10).clamp(2, 9)) {
            let text = if tick == 0 { String::from("╵0") } else { format!("╵{}", elapsed(tick)) };
            let column = self.span.column(self.span.from.saturating_add(tick), columns);
            if column >= free && column + text.chars().count() <= columns {
                for (to, c) in row.iter_mut().skip(column).zip(text.chars()) {
                    *to = c;
                }
                free = column + text.chars().count() + 1;
            }
        }
        let row: String = row.into_iter().collect();
        format!("{}\n", self.style.faint(pad(&format!("{}{row}", " ".repeat(left)), 0).trim_end()))
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 64")]
fn whole(v: f64) -> usize {
    v.round() as usize
}
