//! Guards in figures: how long each had which word, and how far its value came.

use super::Made;
use super::markup::{Markup, name};
use crate::engine::Word;
use crate::plan::{Millis, show};
use crate::report::chart::numbers::{bad, brief, farthest};
use crate::report::chart::words::{of_word, stretches, totals};
use crate::sim::replay::outcome::GuardTrack;

/// The section.
pub fn section(m: &mut Markup, made: &Made<'_>) {
    m.own(
        "<section id=\"figures\" aria-labelledby=\"figures-title\">\n<h2 id=\"figures-title\">Guards in figures</h2>\n",
    );
    m.own("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Guards in figures\"><table class=\"cards\"><thead><tr><th scope=\"col\">Guard</th>");
    m.own("<th scope=\"col\">Nearest to its limit, or farthest beyond</th><th scope=\"col\">Limit then</th><th scope=\"col\">When</th><th scope=\"col\">Words</th></tr></thead><tbody>\n");
    for guard in &made.outcome.guards {
        m.open("tr", &[]);
        m.open("th", &[("scope", "row")]);
        m.text(&name(&guard.name));
        m.element("span", &[("class", "aside condition")], &name(&guard.condition));
        m.close();
        match farthest(guard) {
            Some((at, value, limit)) => {
                let class = if bad(guard, value, limit) { "number beyond" } else { "number" };
                m.element("td", &[("class", class), ("data-label", "value")], &brief(Some(value), &guard.unit));
                m.element("td", &[("class", "number"), ("data-label", "limit")], &brief(Some(limit), &guard.unit));
                m.element("td", &[("data-label", "when")], &made.span.since_start(at));
            }
            None => m.own("<td data-label=\"value\">never known</td><td data-label=\"limit\">–</td><td data-label=\"when\">–</td>"),
        }
        m.open("td", &[("data-label", "words")]);
        for (word, ms) in words(made, guard) {
            let sign = of_word(word);
            m.open("span", &[("class", "said")]);
            m.element(
                "b",
                &[("class", &format!("chip w-{}", sign.class)), ("aria-hidden", "true")],
                &sign.letter.to_string(),
            );
            m.text(&format!(" {} {}", sign.text, show::roughly(ms)));
            m.close();
            m.own(" ");
        }
        m.close();
        m.close();
    }
    m.own("</tbody></table></div></section>\n");
}

fn words(made: &Made<'_>, guard: &GuardTrack) -> Vec<(Option<Word>, Millis)> {
    totals(&stretches(&guard.words, made.span.to))
}

/// A guard's lane in words.
pub fn told(made: &Made<'_>, guard: &GuardTrack) -> String {
    let words: Vec<String> =
        words(made, guard).iter().map(|(w, ms)| format!("{} for {}", of_word(*w).text, show::roughly(*ms))).collect();
    let far = farthest(guard).map_or_else(
        || String::from("its value was never known"),
        |(at, value, limit)| {
            let how = if bad(guard, value, limit) { "farthest beyond its limit" } else { "nearest to its limit" };
            let (value, limit) = (brief(Some(value), &guard.unit), brief(Some(limit), &guard.unit));
            format!("{how} with {value} (limit {limit}) at {}", made.span.since_start(at))
        },
    );
    format!("{}: {}; {far}", name(&guard.name), words.join(", "))
}
