//! What is told to people, before any channel gives it its form.

use crate::plan::show::{self, utc};
use crate::plan::{Millis, Time};
use serde::{Deserialize, Serialize};

/// The most characters of a title, of the text, and of a fact: more than any channel shows, and little enough for a store.
const TITLE: usize = 1_000;
const TEXT: usize = 8_000;
const FACT: usize = 2_000;
/// The longest address of a link, which cannot be cut, and the longest name of one.
const LINK: usize = 900;
const LINK_NAME: usize = 80;
/// The most facts.
const FACTS: usize = 100;

/// What is told to people. It is kept in the store until it is delivered, so it stands by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Notice {
    /// The rollout.
    pub rollout: String,
    /// The environment.
    pub environment: String,
    /// The run's id.
    pub run: String,
    /// Its number in the run, from 1. A notice that arrives twice has the same run and number both times.
    pub number: u64,
    /// When it happened, not when it is delivered.
    pub at: Time,
    /// What happened: `breach`, `rollback`, `promote`, …; `status` for `every d` and `at …`.
    pub happening: String,
    /// One line.
    pub title: String,
    /// More lines, or none.
    #[serde(default)]
    pub text: String,
    /// What a person needs to see at once, the most important first: the guard that is bad, exposure, what was done.
    #[serde(default)]
    pub facts: Vec<Fact>,
    /// The policy's links: kind and target.
    #[serde(default)]
    pub links: Vec<(String, String)>,
    /// How long after it happened it is being delivered, in milliseconds, when that is long: set at each try, not kept.
    #[serde(skip)]
    pub late: Option<Millis>,
}

/// A name and its value, one line each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// `exposure`
    pub name: String,
    /// `checkout = 5%, read back`
    pub value: String,
}

impl Notice {
    /// Whether a newer one of its kind says all that it says.
    #[must_use]
    pub fn is_status(&self) -> bool {
        self.happening == "status"
    }

    /// The same without control characters, and cut to what a channel could show at all.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        self.title = cut(&one_line(&self.title), TITLE);
        self.text = cut(&clean(&self.text), TEXT);
        self.facts = at_most(&self.facts, FACTS);
        for f in &mut self.facts {
            f.name = cut(&one_line(&f.name), FACT);
            f.value = cut(&one_line(&f.value), FACT);
        }
        self.links.truncate(FACTS);
        for (kind, target) in &mut self.links {
            *kind = cut(&one_line(kind), FACT);
            *target = cut(&one_line(target), FACT);
        }
        self
    }

    /// The line by which a receiver tells one notice from another: `checkout · production · run 20261121-0915-k3f9 · notice 3 ·
    /// rollback · 2026-11-21 09:20:05 UTC`.
    #[must_use]
    pub fn context(&self) -> String {
        let Self { rollout, environment, run, number, happening, .. } = self;
        let at = utc(self.at);
        one_line(&format!("{rollout} · {environment} · run {run} · notice {number} · {happening} · {at}"))
    }

    /// The text, behind a line that says how late it comes where it does.
    #[must_use]
    pub fn told(&self) -> String {
        let text = clean(&self.text);
        match self.late {
            None => text,
            Some(ms) => {
                let ago = show::duration(ms / 1000 * 1000);
                let late = format!("told late: this happened {ago} ago, at {}", utc(self.at));
                if text.is_empty() { late } else { format!("{late}\n{text}") }
            }
        }
    }

    /// The links that a browser can open, and the others as facts behind the facts.
    #[must_use]
    pub fn split_links(&self) -> (Vec<(String, &str)>, Vec<Fact>) {
        let (mut web, mut facts) = (Vec::new(), self.facts.clone());
        for (kind, target) in &self.links {
            if is_web(target) {
                // a bar parts name and address in Slack's form
                web.push((cut(&one_line(&kind.replace('|', "/")), LINK_NAME), target.as_str()));
            } else {
                facts.push(Fact { name: kind.clone(), value: target.clone() });
            }
        }
        (web, facts)
    }
}

/// Whether a link's target is an address of the web, short enough to be shown whole and written in characters that no channel takes for
/// markup.
fn is_web(target: &str) -> bool {
    let rest = target.strip_prefix("https://").or_else(|| target.strip_prefix("http://"));
    rest.is_some_and(|r| {
        !r.is_empty()
            && target.len() <= LINK
            && r.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/?#&=%+,;@!$".contains(&b))
    })
}

/// At most `most` facts; where there are more, the last one says how many are left out.
pub(super) fn at_most(facts: &[Fact], most: usize) -> Vec<Fact> {
    if facts.len() <= most {
        return facts.to_vec();
    }
    let shown = most.saturating_sub(1);
    let mut out: Vec<Fact> = facts.iter().take(shown).cloned().collect();
    out.push(Fact { name: String::from("not shown"), value: format!("{} more lines", facts.len() - shown) });
    out
}

/// A text of at most `most` characters; one that was cut ends with `…`.
pub(super) fn cut(text: &str, most: usize) -> String {
    if length(text) <= most {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut left = most.saturating_sub(1);
    for c in text.chars() {
        let Some(rest) = left.checked_sub(c.len_utf16()) else { break };
        left = rest;
        out.push(c);
    }
    out.push('…');
    out
}

/// How long a text is as the services count it, who do not say how: in UTF-16, where an emoji is two, nothing is too long in any
/// way of counting characters.
pub(super) fn length(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// A text in one line.
pub(super) fn one_line(text: &str) -> String {
    clean(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text without what a terminal or a chat obeys instead of showing it: control characters but the line's end, and the signs
/// that turn the direction of writing (Unicode TR 9), which can make a text read as another one.
fn clean(text: &str) -> String {
    let turns = |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .filter(|c| !turns(*c) && *c != '\r')
        .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounded_means_no_control_character_and_no_text_without_end() {
        let n = Notice {
            title: format!("a\u{7}\r\nb\u{202e}c {}", "x".repeat(10_000)),
            text: format!("one\r\ntwo\u{1b}[31m{}", "y".repeat(20_000)),
            facts: (0..300).map(|i| Fact { name: format!("n\n{i}"), value: "v".repeat(9_000) }).collect(),
            ..Notice::default()
        }
        .bounded();
        assert!(n.title.starts_with("a bc x") && n.title.ends_with('…'), "{}", n.title);
        assert_eq!(n.title.chars().count(), TITLE);
        assert!(n.text.starts_with("one\ntwo [31my"), "{}", &n.text[..30]);
        assert_eq!(n.text.chars().count(), TEXT);
        assert_eq!(n.facts.len(), FACTS);
        assert_eq!(n.facts[0].name, "n 0");
        assert_eq!(n.facts[FACTS - 1].value, "201 more lines");
        assert!(n.facts.iter().all(|f| f.value.chars().count() <= FACT));
    }

    #[test]
    fn a_late_one_says_when_it_happened() {
        let mut n = Notice { at: 1_795_252_500_000, text: "more".into(), ..Notice::default() };
        assert_eq!(n.told(), "more");
        n.late = Some(7_384_900);
        assert_eq!(n.told(), "told late: this happened 2h3m4s ago, at 2026-11-21 09:15:00 UTC\nmore");
    }

    #[test]
    fn only_plain_addresses_are_links() {
        for (target, web) in [
            ("https://wiki.example.com/x_y?a=1&b=%20#top", true),
            ("docs/runbooks/checkout.md", false),
            ("https://", false),
            ("https://a b", false),
            ("https://x/<!channel>", false),
            ("https://x/](https://y", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(is_web(target), web, "{target}");
        }
    }
}
