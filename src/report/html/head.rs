//! The head of the page: what was replayed, and what came of it.

use super::Made;
use super::markup::{Markup, name};
use super::script;
use crate::plan::show;
use crate::report::chart::{decisions, time, words};
use crate::sim::replay::outcome::Sweep;

/// `<head>`.
pub fn document(m: &mut Markup, made: &Made<'_>) {
    let o = made.outcome;
    let verdict = words::of_verdict(o.verdict).text;
    m.open("head", &[]);
    m.void("meta", &[("charset", "utf-8")]);
    m.void("meta", &[("name", "viewport"), ("content", "width=device-width, initial-scale=1")]);
    m.void("meta", &[("name", "color-scheme"), ("content", "light dark")]);
    // no request, and no script but the page's own, whatever a name in it may hold
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src '{}'; base-uri 'none'; form-action 'none'",
        script::hash()
    );
    m.void("meta", &[("http-equiv", "Content-Security-Policy"), ("content", &policy)]);
    m.element("title", &[], &format!("{}: {verdict} ({})", name(&o.rollout), time::minute(o.start)));
    m.own("<style>\n");
    m.own(include_str!("style.css"));
    m.own("</style>\n");
    m.close();
}

/// What was replayed, and what came of it.
pub fn summary(m: &mut Markup, made: &Made<'_>, sweep: Option<&Sweep>) {
    let o = made.outcome;
    let verdict = words::of_verdict(o.verdict);
    m.open("header", &[]);
    themes(m);
    m.element("p", &[("class", "kicker")], "Replay of a recording");
    m.element("h1", &[], &name(&o.rollout));
    m.open("p", &[("class", "verdict")]);
    m.element("strong", &[("class", &format!("badge v-{}", verdict.class))], verdict.text);
    m.text(" ");
    m.open("span", &[("class", "because")]);
    match decisions::decisive(o).and_then(|i| o.decisions.get(i).map(|d| (i, d))) {
        Some((i, d)) => {
            let text = decisions::explanation(d).map_or_else(|| decisions::headline(d), |e| e.summary.as_str());
            m.text(text);
            m.text(" ");
            m.element("a", &[("href", &format!("#d{i}"))], &made.span.since_start(d.at));
        }
        None => m.text("nothing was decided that changed the course"),
    }
    m.close();
    m.close();
    if o.verdict.is_none() {
        m.element("p", &[], "The recording was over before the rollout was.");
    }
    m.open("dl", &[("class", "facts")]);
    let mut fact = |term: &str, text: &str, class: &'static str| {
        m.open("div", &[]);
        m.element("dt", &[], term);
        m.element("dd", &[("class", class)], text);
        m.close();
    };
    fact("First check", &show::utc(o.start), "");
    fact("Last check", &show::utc(o.end), "");
    let checks = o.end.saturating_sub(o.start) / o.every.max(1) + 1;
    let length = show::duration(o.end.saturating_sub(o.start));
    fact("Length", &format!("{length}: {checks} checks, every {}", show::duration(o.every)), "");
    if let Some(slices) = &o.slices {
        fact("Slices", &slices.counts.text(), "");
        if let Some(shown) = &slices.shown {
            fact("Looked at closely", &name(shown.written()), "");
        }
    }
    fact("Policy", &name(&o.policy), "hash");
    m.close();
    if !o.assumptions.is_empty() {
        let n = o.assumptions.len();
        m.open("p", &[("class", "assumes")]);
        m.text(&format!("The recording could not know everything: {n} thing{} taken instead. ", s_are(n)));
        m.own("<a href=\"#assumptions\">What is assumed</a>");
        m.close();
    }
    m.own("<nav aria-label=\"Parts of this report\"><a href=\"#timeline\">Timeline</a> <a href=\"#figures\">Guards in figures</a> ");
    m.own("<a href=\"#assumptions\">Assumptions</a> <a href=\"#decisions\">Decisions</a>");
    if o.slices.is_some() {
        m.own(" <a href=\"#slices\">Slices</a>");
    }
    if sweep.is_some() {
        m.own(" <a href=\"#sweep\">Other values</a>");
    }
    m.own("</nav>\n");
    m.close();
}

fn s_are(n: usize) -> &'static str {
    if n == 1 { " was" } else { "s were" }
}

/// The choice of light or dark: radio buttons that styles read, so that it needs no script.
fn themes(m: &mut Markup) {
    m.own("<fieldset class=\"themes\"><legend class=\"aside\">Colours</legend>");
    m.own("<label><input type=\"radio\" name=\"theme\" id=\"auto\" checked> system</label>");
    m.own("<label><input type=\"radio\" name=\"theme\" id=\"light\"> light</label>");
    m.own("<label><input type=\"radio\" name=\"theme\" id=\"dark\"> dark</label></fieldset>\n");
}
