//! Markup that cannot be broken out of: tags and names of attributes are the program's own text, everything else is escaped.

/// A piece of a page.
#[derive(Debug, Default)]
pub struct Markup {
    out: String,
    open: Vec<&'static str>,
}

/// An attribute and its value.
pub type Attribute<'a> = (&'static str, &'a str);

/// A name longer than this is cut: nobody reads on, and the JSON has all of it.
const NAME: usize = 160;
/// The same for a sentence.
const SENTENCE: usize = 4_000;

impl Markup {
    /// The program's own markup.
    pub fn own(&mut self, markup: &'static str) {
        self.out.push_str(markup);
    }

    /// Opens an element.
    pub fn open(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.tag(tag, attributes, ">");
        self.open.push(tag);
    }

    /// An element without an end: `meta`, `input`.
    pub fn void(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.tag(tag, attributes, ">");
    }

    /// An element of SVG without content.
    pub fn shape(&mut self, tag: &'static str, attributes: &[Attribute<'_>]) {
        self.tag(tag, attributes, "/>");
    }

    fn tag(&mut self, tag: &'static str, attributes: &[Attribute<'_>], end: &str) {
        self.out.push('<');
        self.out.push_str(tag);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.escaped(value, usize::MAX);
            self.out.push('"');
        }
        self.out.push_str(end);
    }

    /// Closes the element that was opened last.
    pub fn close(&mut self) {
        if let Some(tag) = self.open.pop() {
            self.out.push_str("</");
            self.out.push_str(tag);
            self.out.push_str(">\n");
        }
    }

    /// An element with text alone.
    pub fn element(&mut self, tag: &'static str, attributes: &[Attribute<'_>], text: &str) {
        self.tag(tag, attributes, ">");
        self.text(text);
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    /// Text, at most a sentence's length of it.
    pub fn text(&mut self, text: &str) {
        self.escaped(text, SENTENCE);
    }

    fn escaped(&mut self, text: &str, most: usize) {
        for (i, c) in text.chars().enumerate() {
            if i == most {
                self.out.push('…');
                break;
            }
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\n' | '\t' => self.out.push(c),
                c if c.is_control() || turns_text_round(c) => self.out.push('\u{fffd}'),
                c => self.out.push(c),
            }
        }
    }

    /// Data for the page's script: JSON in which no `<` stands, so that nothing in it can end the element.
    pub fn data(&mut self, id: &'static str, json: &serde_json::Value) {
        self.tag("script", &[("type", "application/json"), ("id", id)], ">");
        for c in json.to_string().chars() {
            match c {
                '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => self.out.push(c),
            }
        }
        self.out.push_str("</script>\n");
    }

    /// The page; what is still open is closed.
    #[must_use]
    pub fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.out
    }
}

/// Characters that show text in another order than it is written, so that it reads as something else
/// (<https://trojansource.codes>, CVE-2021-42574).
fn turns_text_round(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

/// A name, cut where nobody reads on. The page's script gets it, too, so what must not be shown is replaced already here.
#[must_use]
pub fn name(text: &str) -> String {
    let shown = |c: char| if c.is_control() || turns_text_round(c) { '\u{fffd}' } else { c };
    let mut out: String = text.chars().take(NAME).map(shown).collect();
    if text.chars().nth(NAME).is_some() {
        out.push('…');
    }
    out
}

/// A place as a style: `left:12.5%`.
#[must_use]
pub fn left(share: f64) -> String {
    format!("left:{}", percent(share))
}

/// `12.5%`
#[must_use]
pub fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_data_becomes_markup() {
        let mut m = Markup::default();
        let evil = "\"><script>alert('1')</script>&\u{202e}\u{0}\u{1b}[2J";
        m.open("p", &[("title", evil)]);
        m.text(evil);
        m.data("data", &serde_json::json!({ "a": "</script><!-- \u{2028} &amp; <b>" }));
        let page = m.finish();
        assert_eq!(page.matches('<').count(), 4, "{page}");
        assert!(
            !page.contains("<!--") && !page.contains("<b>") && !page.contains('\u{202e}') && !page.contains('\u{1b}')
        );
        assert!(page.starts_with("<p title=\"&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;\u{fffd}"));
        let json = page.split("json\" id=\"data\">").nth(1).unwrap().split("</script>").next().unwrap();
        let back: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(back["a"], "</script><!-- \u{2028} &amp; <b>");
    }

    #[test]
    fn long_names_are_cut_and_elements_closed() {
        assert_eq!(name(&"ü".repeat(1_000)).chars().count(), NAME + 1);
        assert_eq!(name("ü"), "ü");
        let mut m = Markup::default();
        m.open("section", &[]);
        m.element("p", &[], &"x".repeat(10_000));
        let page = m.finish();
        assert!(page.len() < 5_000 && page.ends_with("…</p></section>\n"));
    }
}
