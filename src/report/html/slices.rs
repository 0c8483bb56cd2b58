//! How the slices ended: a table, the worst first.

use super::markup::{Markup, name};
use crate::plan::show;
use crate::report::chart::words::of_verdict;
use crate::report::sliced::end;
use crate::sim::replay::outcome::{OfSlice, Outcome};

/// So many slices have a row.
const LISTED: usize = 500;

/// The section; none without slices.
pub fn section(m: &mut Markup, outcome: &Outcome) {
    let Some(slices) = &outcome.slices else { return };
    m.own("<section id=\"slices\" aria-labelledby=\"slices-title\">\n<h2 id=\"slices-title\">Slices</h2>\n");
    m.element("p", &[], &slices.counts.text());
    if let Some(shown) = &slices.shown {
        let text = format!(
            "The timeline, the figures and the decisions of this page are those of {}; `--slice` chooses another one.",
            name(shown.written())
        );
        m.element("p", &[("class", "aside")], &text);
    }
    let listed: Vec<&OfSlice> =
        slices.by_badness().into_iter().take(LISTED).filter_map(|i| slices.list.get(i)).collect();
    if listed.len() < slices.list.len() {
        let text = format!(
            "{} of {} are listed, those that ended worst; `--format json` has all of them.",
            listed.len(),
            slices.list.len()
        );
        m.element("p", &[], &text);
    }
    if !listed.is_empty() {
        m.own("<div class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Slices\"><table><thead><tr><th scope=\"col\">slice</th><th scope=\"col\">began</th><th scope=\"col\">end</th><th scope=\"col\">rule</th><th scope=\"col\">why</th></tr></thead><tbody>\n");
        for s in listed {
            let class = if slices.shown.as_ref() == Some(&s.slice) { "decider" } else { "" };
            m.open("tr", &[("class", class)]);
            m.element("th", &[("scope", "row")], &name(s.slice.written()));
            let began = s.began.map_or_else(|| String::from("–"), |t| format!("+{}", show::roughly(t - outcome.start)));
            m.element("td", &[("class", "number")], &began);
            m.open("td", &[]);
            let verdict = of_verdict(s.cell.verdict);
            m.element("span", &[("class", &format!("badge v-{}", verdict.class))], &end(s, outcome.start));
            m.close();
            m.element("td", &[], &s.cell.rule.as_deref().map_or_else(|| String::from("–"), name));
            m.element("td", &[], &s.why);
            m.close();
        }
        m.own("</tbody></table></div>\n");
    }
    m.own("</section>\n");
}
