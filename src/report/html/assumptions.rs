//! What the recording could not know.

use super::Made;
use super::markup::Markup;

/// The section. It is there when nothing is assumed, too: that is worth knowing.
pub fn section(m: &mut Markup, made: &Made<'_>) {
    let o = made.outcome;
    m.own("<section id=\"assumptions\" aria-labelledby=\"assumptions-title\">\n<h2 id=\"assumptions-title\">Assumptions</h2>\n");
    if o.assumptions.is_empty() {
        m.own("<p>None: everything that the engine was given stands in the recording.</p></section>\n");
        return;
    }
    m.own("<p>These stand in no recording. What follows from them is as good as they are; their stretches of the curves are dashed.</p>\n<ol class=\"assumptions\">\n");
    for a in &o.assumptions {
        m.open("li", &[]);
        let since =
            a.since.map_or_else(|| String::from("all along"), |t| format!("since {}", made.span.since_start(t)));
        m.element("b", &[("class", "since")], &since);
        m.text(" ");
        m.text(&a.text);
        m.close();
    }
    m.own("</ol></section>\n");
}
