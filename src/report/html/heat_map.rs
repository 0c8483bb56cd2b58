//! What other values would have come to: a map of letters, and the same as text.

use super::markup::{Markup, name};
use crate::plan::{Millis, show};
use crate::report::chart::sweep::{Grid, Same, grids, now, same};
use crate::report::chart::time::elapsed;
use crate::report::chart::words::{VERDICTS, of_verdict};
use crate::sim::replay::outcome::{AxisValue, Cell, Outcome, Sweep};

/// More cells than these cannot be told apart in a page.
const CELLS: usize = 20_000;
/// Nor read as text, so many stretches.
const STRETCHES: usize = 3_000;
/// In a map with so few columns each cell also says when it was decided.
const ROOMY: usize = 12;

/// The section.
pub fn section(m: &mut Markup, outcome: &Outcome, sweep: &Sweep) {
    m.own("<section id=\"sweep\" aria-labelledby=\"sweep-title\">\n<h2 id=\"sweep-title\">Other values</h2>\n");
    let grids = grids(sweep);
    if grids.is_empty() {
        m.own("<p>Nothing was varied.</p></section>\n");
        return;
    }
    m.element("p", &[], &summary(sweep));
    legend(m, sweep);
    let mut left = CELLS;
    m.own("<div class=\"maps\">");
    for grid in &grids {
        if let Some(rest) = left.checked_sub(grid.cells.len()) {
            left = rest;
            map(m, outcome, grid);
        }
    }
    m.own("</div>");
    if sweep.cells.len() > CELLS {
        let text =
            format!("Of {} combinations no more than {CELLS} are drawn; `--format json` has all.", sweep.cells.len());
        m.element("p", &[], &text);
    }
    text(m, outcome, sweep, &same(&grids));
    m.own("</section>\n");
}

/// How many ended how.
fn summary(sweep: &Sweep) -> String {
    let count = |v| sweep.cells.iter().filter(|c| c.verdict == v).count();
    let ended: Vec<String> =
        VERDICTS.iter().filter(|v| count(**v) > 0).map(|v| format!("{} {}", count(*v), of_verdict(*v).text)).collect();
    let axes: Vec<String> = sweep.axes.iter().map(|a| name(&a.name)).collect();
    let n = sweep.cells.len();
    format!("The same recording with other values of {}: of {n} combinations {}.", axes.join(" and "), ended.join(", "))
}

fn legend(m: &mut Markup, sweep: &Sweep) {
    m.own("<ul class=\"legend\" aria-label=\"What the letters mean\">");
    for v in VERDICTS.iter().filter(|v| sweep.cells.iter().any(|c| c.verdict == **v)) {
        let sign = of_verdict(*v);
        m.open("li", &[]);
        m.element(
            "b",
            &[("class", &format!("chip v-{}", sign.class)), ("aria-hidden", "true")],
            &sign.letter.to_string(),
        );
        m.text(&format!(" {}", sign.text));
        m.close();
    }
    if sweep.axes.iter().any(|a| a.now.is_some()) {
        m.own("<li><b class=\"chip now-cell\" aria-hidden=\"true\"></b> framed: as the policy says</li>");
    }
    m.own("</ul>\n");
}

fn map(m: &mut Markup, outcome: &Outcome, grid: &Grid<'_>) {
    let columns = grid.columns.values.len();
    let roomy = columns <= ROOMY;
    let label = match grid.rows {
        Some(rows) => format!("{} (down) and {} (across)", name(&rows.name), name(&grid.columns.name)),
        None => name(&grid.columns.name),
    };
    m.open("div", &[("class", "scroll map"), ("role", "region"), ("tabindex", "0"), ("aria-label", &label)]);
    m.open("table", &[("class", if roomy { "heat roomy" } else { "heat" })]);
    m.open("caption", &[]);
    let fixed: Vec<String> = grid.fixed.iter().map(|(a, v)| format!("{} = {}", name(&a.name), name(&v.text))).collect();
    if !fixed.is_empty() {
        m.element("b", &[], &fixed.join(", "));
        m.text(": ");
    }
    m.text(&label);
    m.close();
    m.own("<thead><tr>");
    if let Some(rows) = grid.rows {
        m.open("th", &[("class", "corner")]);
        m.text(&format!("{} ↓ ", name(&rows.name)));
        m.text(&format!("{} →", name(&grid.columns.name)));
        m.close();
    }
    // of many columns those are named that there is room for
    let each = columns.div_ceil(30).max(1);
    for (i, value) in grid.columns.values.iter().enumerate() {
        let class = if now(grid.columns, value) { "now-axis" } else { "" };
        let text = if i % each == 0 || !class.is_empty() { name(&value.text) } else { String::new() };
        m.element("th", &[("scope", "col"), ("class", class)], &text);
    }
    m.own("</tr></thead><tbody>\n");
    for (row, cells) in grid.lines() {
        m.own("<tr>");
        let row_now = match (grid.rows, row) {
            (Some(axis), Some(value)) => {
                let is = now(axis, value);
                m.element("th", &[("scope", "row"), ("class", if is { "now-axis" } else { "" })], &name(&value.text));
                is
            }
            _ => true,
        };
        for (value, cell) in grid.columns.values.iter().zip(cells) {
            let is_now = row_now && now(grid.columns, value) && grid.is_now();
            one(m, outcome, cell, is_now, roomy);
        }
        m.own("</tr>\n");
    }
    m.own("</tbody>");
    m.close();
    m.close();
}

fn one(m: &mut Markup, outcome: &Outcome, cell: &Cell, is_now: bool, roomy: bool) {
    let sign = of_verdict(cell.verdict);
    let class = format!("v-{}{}", sign.class, if is_now { " now-cell" } else { "" });
    let decided = cell.decided_at.map(|t| elapsed(t.saturating_sub(outcome.start)));
    let mut told = String::from(sign.text);
    if let Some(rule) = &cell.rule {
        told.push_str(&format!(" by {}", name(rule)));
    }
    if let Some(t) = &decided {
        told.push_str(&format!(" at {t}"));
    }
    if !cell.phase.is_empty() {
        told.push_str(&format!(" in phase {}", name(&cell.phase)));
    }
    m.open("td", &[("class", &class), ("title", &told)]);
    m.element("b", &[], &sign.letter.to_string());
    if let Some(t) = decided.filter(|_| roomy) {
        m.element("small", &[], &t);
    }
    m.close();
}

fn text(m: &mut Markup, outcome: &Outcome, sweep: &Sweep, stretches: &[Same<'_>]) {
    m.own("<details class=\"as-text\"><summary>the same as text</summary>\n<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"The sweep as text\"><table><thead><tr>");
    for axis in &sweep.axes {
        m.element("th", &[("scope", "col")], &name(&axis.name));
    }
    m.own("<th scope=\"col\">ends</th><th scope=\"col\">by</th><th scope=\"col\">last phase</th><th scope=\"col\">decided</th></tr></thead><tbody>\n");
    for s in stretches.iter().take(STRETCHES) {
        m.own("<tr>");
        for v in &s.fixed {
            m.element("td", &[], &name(&v.text));
        }
        m.element("td", &[], &range(s.from, s.to));
        m.element("td", &[], of_verdict(s.verdict).text);
        m.element("td", &[], &s.rule.map_or_else(|| String::from("–"), name));
        m.element("td", &[], &name(if s.phase.is_empty() { "–" } else { s.phase }));
        m.element("td", &[], &s.decided.map_or_else(|| String::from("–"), |(a, b)| when(outcome, a, b)));
        m.own("</tr>\n");
    }
    m.own("</tbody></table></div>\n");
    if stretches.len() > STRETCHES {
        m.element("p", &[], &format!("{} more stretches; `--format json` has all.", stretches.len() - STRETCHES));
    }
    m.own("</details>\n");
}

fn range(from: &AxisValue, to: &AxisValue) -> String {
    if from == to { name(&from.text) } else { format!("{} to {}", name(&from.text), name(&to.text)) }
}

fn when(outcome: &Outcome, first: Millis, last: Millis) -> String {
    let at = |t: Millis| elapsed(t.saturating_sub(outcome.start));
    if first == last {
        at(first)
    } else {
        format!("{} to {}", at(first), show::roughly(last.saturating_sub(outcome.start)))
    }
}
