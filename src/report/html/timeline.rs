//! The timeline: phases as bands, decisions as marks, and below them the lanes of ports and guards, all on one axis.

use super::markup::{Markup, left, name, percent};
use super::{Made, guards, legend, ports};
use crate::report::chart::decisions::{headline, mark};
use crate::report::chart::time;

/// Marks of decisions lie in so many rows where they would cover each other.
const ROWS: usize = 4;
/// The width of a mark on a narrow screen, as a share of the axis.
const WIDE: f64 = 0.062;

/// What a band is called in which everything is taken back; no phase can have this name.
const ROLLING_BACK: &str = "rolling back";

/// The section.
pub fn section(m: &mut Markup, made: &Made<'_>) {
    m.own("<section id=\"timeline\" aria-labelledby=\"timeline-title\">\n<h2 id=\"timeline-title\">Timeline</h2>\n");
    m.own("<p class=\"hint scripted\">The arrow keys on the marks (or a finger or pointer on the curves) move the cursor; Enter goes to the decision.</p>\n");
    legend::words(m, made);
    m.own("<div id=\"now\" class=\"now scripted\" role=\"status\" aria-live=\"polite\" aria-atomic=\"true\"></div>\n");
    m.open("div", &[("id", "lanes"), ("class", "lanes")]);
    axis(m, made);
    phases(m, made);
    marks(m, made);
    for (i, port) in made.outcome.ports.iter().enumerate() {
        ports::lane(m, made, i, port);
    }
    for (i, guard) in made.outcome.guards.iter().enumerate() {
        guards::lane(m, made, i, guard);
    }
    m.close();
    m.own("</section>\n");
}

fn axis(m: &mut Markup, made: &Made<'_>) {
    let span = made.span;
    m.own("<div class=\"lane axis\" aria-hidden=\"true\"><div class=\"label\"></div><div class=\"plot\">");
    for (i, tick) in span.ticks(9).into_iter().enumerate() {
        let at = span.from.saturating_add(tick);
        let share = span.share(at);
        // a text that would stick out on the right ends at its mark; on a narrow screen every second one gives way
        let side = if share > 0.93 { " last" } else { "" };
        let second = if i % 2 == 1 { " second" } else { "" };
        m.open("span", &[("class", &format!("tick{side}{second}")), ("style", &left(share))]);
        m.element("b", &[], &if tick == 0 { String::from("0") } else { time::elapsed(tick) });
        m.own("<br>");
        let clock = time::clock(at);
        m.text(clock.strip_suffix(":00").unwrap_or(&clock));
        m.close();
    }
    m.own("</div><div class=\"side\"></div></div>\n");
}

fn phases(m: &mut Markup, made: &Made<'_>) {
    m.own("<div class=\"lane phases\"><h3 class=\"label\">Phase</h3><div class=\"plot\">");
    for band in &made.outcome.phases {
        let (from, to) = (made.span.share(band.from), made.span.share(band.to));
        let class = if band.name == ROLLING_BACK { "band back" } else { "band" };
        let style = format!("{};width:{}", left(from), percent(to - from));
        let told =
            format!("{}: {} to {}", name(&band.name), made.span.since_start(band.from), made.span.since_start(band.to));
        let told = band.paused.iter().fold(told, |t, (a, b)| {
            format!("{t}; paused {} to {}", made.span.since_start(*a), made.span.since_start(*b))
        });
        m.open("div", &[("class", class), ("style", &style), ("title", &told)]);
        m.element("span", &[], &name(&band.name));
        m.close();
        for (a, b) in &band.paused {
            let (a, b) = (made.span.share(*a), made.span.share(*b));
            let style = format!("{};width:{}", left(a), percent(b - a));
            m.open("div", &[("class", "paused"), ("style", &style), ("title", "paused")]);
            m.element("span", &[], "paused");
            m.close();
        }
    }
    m.own("</div><div class=\"side\"></div></div>\n");
}

fn marks(m: &mut Markup, made: &Made<'_>) {
    let o = made.outcome;
    let decided = || made.listed.iter().filter_map(|&i| o.decisions.get(i).map(|d| (i, d, mark(&d.record))));
    // where each row's last mark lies
    let mut rows: Vec<f64> = Vec::new();
    let mut placed = Vec::new();
    for (i, d, k) in decided() {
        let at = made.span.share(d.at);
        let row = if k.major {
            let free = rows.iter().position(|last| at - last >= WIDE);
            let row = match free {
                Some(row) => row,
                None if rows.len() < ROWS => {
                    rows.push(at);
                    rows.len() - 1
                }
                None => rows.iter().enumerate().min_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(row, _)| row),
            };
            if let Some(last) = rows.get_mut(row) {
                *last = at;
            }
            Some(row)
        } else {
            None
        };
        placed.push((i, d, k, at, row));
    }
    let height = format!("height:{}px", rows.len().max(1) * 24 + 14);
    m.own("<div class=\"lane marks\"><h3 class=\"label\">Decisions</h3>");
    m.open(
        "div",
        &[("class", "plot"), ("role", "group"), ("aria-label", "Decisions in the order of time"), ("style", &height)],
    );
    for (i, d, k, at, row) in placed {
        let (href, id) = (format!("#d{i}"), format!("m{i}"));
        let told = format!("{}: {}", made.span.since_start(d.at), name(headline(d)));
        let style = match row {
            Some(row) => format!("{};top:{}px", left(at), row * 24),
            None => left(at),
        };
        let class = format!("mark k-{}{}", k.class, if k.major { "" } else { " minor" });
        let mut attributes = vec![
            ("class", class.as_str()),
            ("id", &id),
            ("href", &href),
            ("style", &style),
            ("aria-label", &told),
            ("title", &told),
        ];
        if !k.major {
            // they stand in the list; with the keyboard the arrows reach them
            attributes.push(("tabindex", "-1"));
        }
        m.element("a", &attributes, &if k.major { k.sign.to_string() } else { String::new() });
    }
    m.close();
    m.own("<div class=\"side\"></div></div>\n");
}
