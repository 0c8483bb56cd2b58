//! The decisions in the order of time, each with its explanation.

use super::Made;
use super::markup::{Markup, name};
use crate::engine::{Explanation, GuardReport};
use crate::plan::{Population, show};
use crate::report::chart::decisions::{explanation, headline, mark};
use crate::report::chart::time;
use crate::report::chart::words::of_word;
use crate::report::text::used;

/// The section.
pub fn section(m: &mut Markup, made: &Made<'_>) {
    let o = made.outcome;
    m.own(
        "<section id=\"decisions\" aria-labelledby=\"decisions-title\">\n<h2 id=\"decisions-title\">Decisions</h2>\n",
    );
    if o.decisions.is_empty() {
        m.own("<p>None.</p></section>\n");
        return;
    }
    let (all, listed) = (o.decisions.len(), made.listed.len());
    if listed < all {
        let text = format!(
            "{listed} of {all} are listed, those that change the course first; `--format json` has all of them."
        );
        m.element("p", &[], &text);
    }
    m.own("<p><label><input type=\"checkbox\" id=\"small\" checked> also changes of words, read-backs and actions</label></p>\n<ol class=\"decisions\">\n");
    for &i in &made.listed {
        let Some(d) = o.decisions.get(i) else { continue };
        let k = mark(&d.record);
        let class = if k.major { "major" } else { "minor" };
        m.open("li", &[("id", &format!("d{i}")), ("class", class), ("tabindex", "-1")]);
        m.open("a", &[("class", "when"), ("href", &format!("#m{i}"))]);
        m.element("b", &[], &made.span.since_start(d.at));
        m.element("time", &[("datetime", &crate::report::text::rfc3339(d.at))], &time::clock(d.at));
        m.close();
        m.element("span", &[("class", &format!("sign k-{}", k.class)), ("aria-hidden", "true")], &k.sign.to_string());
        m.open("div", &[("class", "told")]);
        m.element("p", &[("class", "line")], headline(d));
        let more: Vec<&str> = d.text.lines().skip(1).collect();
        if !more.is_empty() {
            m.element("pre", &[], &more.join("\n"));
        }
        if let Some(e) = explanation(d) {
            why(m, made, d.text.as_str(), e);
        }
        m.close();
        m.close();
    }
    m.own("</ol></section>\n");
}

fn why(m: &mut Markup, made: &Made<'_>, text: &str, e: &Explanation) {
    m.own("<details open><summary>why</summary>");
    let rule = if e.rule.is_empty() { e.kind.clone() } else { format!("{} {}", e.kind, name(&e.rule)) };
    m.open("p", &[]);
    m.element("b", &[], &rule);
    // the sentence is said once
    if !text.contains(&e.summary) {
        m.text(&format!(": {}", e.summary));
    }
    if e.at != made.span.from {
        m.text(&format!(" (check at {})", made.span.since_start(e.at)));
    }
    m.close();
    if e.guard.is_some() || !e.others.is_empty() {
        m.own("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Guards at this check\"><table><thead><tr><th scope=\"col\">guard</th><th scope=\"col\">word</th><th scope=\"col\">value</th><th scope=\"col\">limit</th><th scope=\"col\">margin</th><th scope=\"col\">tolerance used</th></tr></thead><tbody>\n");
        if let Some(g) = &e.guard {
            guard(m, g, "decider");
        }
        for g in &e.others {
            guard(m, g, "");
        }
        m.own("</tbody></table></div>\n");
    }
    if !e.inputs.is_empty() {
        m.own("<p class=\"aside\">read for it: ");
        for (i, input) in e.inputs.iter().enumerate() {
            m.text(if i == 0 { "" } else { "; " });
            m.text(&format!("{} ({}) ", name(&input.metric), whose(input.population)));
            match (&input.value, &input.missing) {
                (Some(v), _) => m.text(&show::number(*v)),
                (None, why) => m.text(why.as_deref().unwrap_or("unknown")),
            }
            if let Some(age) = input.age {
                m.text(&format!(", sampled {} before", show::roughly(age)));
            }
        }
        m.own("</p>");
    }
    m.own("</details>\n");
}

fn whose(population: Population) -> &'static str {
    match population {
        Population::Canary => "canary",
        Population::Stable => "stable",
        Population::Before => "before",
    }
}

fn guard(m: &mut Markup, g: &GuardReport, class: &'static str) {
    let sign = of_word(Some(g.word));
    let value = |v: Option<f64>| v.map_or_else(|| String::from("–"), |v| show::brief(v, g.unit));
    m.open("tr", &[("class", class)]);
    m.element("th", &[("scope", "row")], &name(&g.guard));
    m.open("td", &[]);
    m.element("b", &[("class", &format!("chip w-{}", sign.class)), ("aria-hidden", "true")], &sign.letter.to_string());
    m.text(&format!(" {}", sign.text));
    m.close();
    m.element("td", &[("class", "number")], &value(g.reading.value));
    m.element("td", &[("class", "number")], &value(g.reading.limit));
    let margin = g.reading.margin.map_or_else(|| String::from("–"), |v| show::difference(v, g.unit));
    m.element("td", &[("class", "number")], &margin);
    m.element("td", &[], &used(g).unwrap_or_else(|| String::from("–")));
    m.close();
}
