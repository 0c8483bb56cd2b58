//! A sweep in a terminal: a letter a combination.

use super::{NARROW, WIDE};
use crate::engine::Verdict;
use crate::plan::{Time, show};
use crate::report::chart::sweep::{Grid, grids, now, same};
use crate::report::chart::time::elapsed;
use crate::report::chart::words::{VERDICTS, of_verdict};
use crate::report::style::Style;
use crate::report::text::{cut, pad, printable};
use crate::sim::replay::outcome::Sweep;

/// So many maps are drawn; the report has all of them.
const MAPS: usize = 12;
/// So many stretches are told of a sweep with one axis.
const TOLD: usize = 20;

/// The map, `width` columns wide at most (between 40 and 220). `start` is the first check: what times are counted from. What the policy
/// says is marked with `>` and `^`. Ends with a line break.
#[must_use]
pub fn heat_map(sweep: &Sweep, start: Time, width: usize, style: Style) -> String {
    let width = width.clamp(NARROW, WIDE);
    let grids = grids(sweep);
    if grids.is_empty() {
        return String::from("nothing was varied\n");
    }
    let mut out = String::new();
    for grid in grids.iter().take(MAPS) {
        map(&mut out, grid, width, style);
        out.push('\n');
    }
    if grids.len() > MAPS {
        out.push_str(&format!("{} more maps like these\n", grids.len() - MAPS));
    }
    let count = |v| sweep.cells.iter().filter(|c| c.verdict == v).count();
    let legend: Vec<String> = VERDICTS
        .iter()
        .filter(|v| count(**v) > 0)
        .map(|v| {
            format!("{} {} ({})", paint(*v, &of_verdict(*v).letter.to_string(), style), of_verdict(*v).text, count(*v))
        })
        .collect();
    out.push_str(&format!("{}\n", legend.join(", ")));
    // of one axis what came of it can be said in words
    if let ([axis], stretches) = (sweep.axes.as_slice(), same(&grids)) {
        for s in stretches.iter().take(TOLD) {
            let range = if s.from == s.to { s.from.text.clone() } else { format!("{} to {}", s.from.text, s.to.text) };
            let by = s.rule.map_or_else(String::new, |r| format!(" by {r}"));
            let at = |t: Time| elapsed(t.saturating_sub(start));
            let when = match s.decided {
                None => String::new(),
                Some((a, b)) if a == b => format!(" at {}", at(a)),
                Some((a, b)) => format!(" at {} to {}", at(a), show::roughly(b.saturating_sub(start))),
            };
            let text = format!("  {} = {range}: {}{by}{when}", axis.name, of_verdict(s.verdict).text);
            out.push_str(&cut(&one_line(&text), width));
            out.push('\n');
        }
        if stretches.len() > TOLD {
            out.push_str(&format!("  {} more\n", stretches.len() - TOLD));
        }
    }
    out
}

fn map(out: &mut String, grid: &Grid<'_>, width: usize, style: Style) {
    let mut line = |text: &str| {
        out.push_str(text.trim_end());
        out.push('\n');
    };
    if !grid.fixed.is_empty() {
        let fixed: Vec<String> = grid.fixed.iter().map(|(a, v)| format!("{} = {}", a.name, v.text)).collect();
        line(&style.bold(&cut(&one_line(&fixed.join(", ")), width)));
    }
    let across = &grid.columns.name;
    let title = match grid.rows {
        Some(rows) => format!("{} down, {across} across", rows.name),
        None => across.clone(),
    };
    line(&style.bold(&cut(&one_line(&title), width)));
    let longest = grid.rows.map_or(0, |r| r.values.iter().map(|v| v.text.chars().count()).max().unwrap_or(0));
    let label = longest.min(width / 3);
    let room = width - label - 3;
    let n = grid.columns.values.len();
    let step = if n * 2 <= room { 2 } else { 1 };
    // what does not fit side by side goes below
    let each = (room / step).max(1);
    for from in (0..n).step_by(each) {
        let values = grid.columns.values.get(from..n.min(from + each)).unwrap_or_default();
        for (row, cells) in grid.lines() {
            let is_now = matches!((grid.rows, row), (Some(axis), Some(v)) if now(axis, v));
            let name = row.map_or_else(String::new, |v| one_line(&v.text));
            let mark = if is_now { '>' } else { ' ' };
            let cells = cells.get(from..from + values.len()).unwrap_or_default();
            let letters: Vec<String> =
                cells.iter().map(|c| paint(c.verdict, &of_verdict(c.verdict).letter.to_string(), style)).collect();
            let gap = if step == 2 { " " } else { "" };
            line(&format!("{mark} {} {}", pad(&cut(&name, label), label), letters.join(gap)));
        }
        let blank = " ".repeat(label + 3);
        if let Some(at) = values.iter().position(|v| now(grid.columns, v)) {
            let text = values.get(at).map_or_else(String::new, |v| one_line(&v.text));
            line(&cut(&format!("{blank}{}^ {text}", " ".repeat(at * step)), width));
        }
        if let (Some(first), Some(last)) = (values.first(), values.last()) {
            let text = if first == last { first.text.clone() } else { format!("{} to {}", first.text, last.text) };
            line(&style.faint(&cut(&format!("{blank}{}", one_line(&text)), width)));
        }
    }
}

fn one_line(text: &str) -> String {
    printable(text).replace(['\n', '\t'], " ")
}

fn paint(verdict: Option<Verdict>, text: &str, style: Style) -> String {
    match verdict {
        Some(Verdict::Promoted) => style.good(text),
        Some(Verdict::RolledBack | Verdict::Killed | Verdict::Aborted) => style.bad(text),
        Some(Verdict::Refused) | None => style.unsure(text),
    }
}
