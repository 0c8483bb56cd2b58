//! What letters and patterns mean, as far as they are used.

use super::Made;
use super::markup::Markup;
use crate::report::chart::words::{WORDS, of_word};

/// The words that some guard had.
pub fn words(m: &mut Markup, made: &Made<'_>) {
    let said = |word| made.outcome.guards.iter().any(|g| g.words.iter().any(|(_, w)| *w == word));
    m.own("<ul class=\"legend\" aria-label=\"What the letters under the curves mean\">");
    for word in WORDS.into_iter().rev().filter(|w| w.is_some() && said(*w)) {
        let sign = of_word(word);
        m.open("li", &[]);
        m.own("<svg class=\"swatch\" aria-hidden=\"true\">");
        m.shape("rect", &[("class", &format!("w-{}", sign.class)), ("width", "100%"), ("height", "100%")]);
        let class = format!("letter on-{}", sign.class);
        m.element("text", &[("class", &class), ("x", "50%"), ("y", "12")], &sign.letter.to_string());
        m.own("</svg> ");
        m.text(sign.text);
        m.close();
    }
    m.own("<li><svg class=\"swatch\" aria-hidden=\"true\"><path class=\"limit\" d=\"M1 8H25\"/></svg> limit</li>");
    if made.outcome.ports.iter().any(|p| p.assumed_since.is_some()) {
        m.own("<li><svg class=\"swatch\" aria-hidden=\"true\"><path class=\"line dashed\" d=\"M1 8H25\"/></svg> assumed, not recorded</li>");
    }
    m.own("</ul>\n");
}
