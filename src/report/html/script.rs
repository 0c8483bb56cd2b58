//! The page's script, and what it reads: what held when, already as text.

use super::markup::{Markup, name};
use super::{COLUMNS, Made};
use crate::engine::Word;
use crate::plan::{Setting, Time};
use crate::report::chart::columns::thin;
use crate::report::chart::decisions::headline;
use crate::report::chart::numbers::brief;
use crate::report::chart::words::{WORDS, of_word};
use crate::sim::replay::outcome::{GuardTrack, PortTrack};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const SCRIPT: &str = include_str!("script.js");

/// The script.
pub fn script(m: &mut Markup) {
    // between the tags stands what the hash is of, to the byte
    m.own("<script>");
    m.own(SCRIPT);
    m.own("</script>\n");
}

/// The script's hash, as a content security policy names it (<https://www.w3.org/TR/CSP3/#grammardef-hash-source>).
#[must_use]
pub fn hash() -> String {
    format!("sha256-{}", base64(&Sha256::digest(SCRIPT.as_bytes())))
}

/// RFC 4648: twelve lines, for one hash, against another dependency.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let byte = |i: usize| u32::from(group.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4_usize {
            let sextet = (bits >> (18 - 6 * i)) & 63;
            let letter = ALPHABET.get(sextet as usize).copied().map_or('=', char::from);
            out.push(if i > group.len() { '=' } else { letter });
        }
    }
    out
}

/// What the script reads. Times are milliseconds since the first check.
pub fn data(m: &mut Markup, made: &Made<'_>) {
    let o = made.outcome;
    let since = |t: Time| t.saturating_sub(made.span.from);
    let decisions: Vec<Value> = made
        .listed
        .iter()
        .filter_map(|i| o.decisions.get(*i).map(|d| json!([since(d.at), format!("m{i}"), name(headline(d))])))
        .collect();
    let phases: Vec<Value> = o
        .phases
        .iter()
        .map(|p| {
            let paused: Vec<Value> = p.paused.iter().map(|(a, b)| json!([since(*a), since(*b)])).collect();
            json!([since(p.from), since(p.to), name(&p.name), paused])
        })
        .collect();
    let first = crate::report::chart::decisions::decisive(o).map(|i| format!("m{i}"));
    let json = json!({
        "from": made.span.from,
        "length": made.span.length(),
        "every": o.every.max(1),
        "first": first,
        "words": WORDS.map(|w| [of_word(w).text, of_word(w).class]),
        "decisions": decisions,
        "phases": phases,
        "ports": o.ports.iter().map(|p| port(p, &since)).collect::<Vec<_>>(),
        "guards": o.guards.iter().map(|g| guard(made, g, &since)).collect::<Vec<_>>(),
    });
    m.data("data", &json);
}

fn port(p: &PortTrack, since: &impl Fn(Time) -> Time) -> Value {
    let changes =
        |of: &[(Time, Setting)]| of.iter().map(|(t, s)| json!([since(*t), s.to_string()])).collect::<Vec<_>>();
    json!({
        "name": name(&p.name),
        "asked": changes(&p.requested),
        "read": changes(&p.observed),
        "assumed": p.assumed_since.map(since),
    })
}

fn guard(made: &Made<'_>, g: &GuardTrack, since: &impl Fn(Time) -> Time) -> Value {
    let keep: Vec<Time> = made.listed.iter().filter_map(|i| made.outcome.decisions.get(*i)).map(|d| d.at).collect();
    let points = thin(&g.points, made.span, COLUMNS, &keep);
    // only what is new is written: a limit is mostly the same
    let changes = |text: &dyn Fn(usize) -> Option<String>| {
        let mut last: Option<Option<String>> = None;
        let mut out = Vec::new();
        for (i, p) in points.iter().enumerate() {
            let text = text(i);
            if last.as_ref() != Some(&text) {
                out.push(json!([since(p.at), text]));
                last = Some(text);
            }
        }
        out
    };
    let number = |v: Option<f64>| v.map(|v| brief(Some(v), &g.unit));
    let place = |word: &Option<Word>| WORDS.iter().position(|w| w == word);
    let words: Vec<Value> = g.words.iter().map(|(t, w)| json!([since(*t), place(w)])).collect();
    json!({
        "name": name(&g.name),
        "values": changes(&|i| number(points.get(i).and_then(|p| p.value))),
        "limits": changes(&|i| number(points.get(i).and_then(|p| p.limit))),
        "words": words,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_rfc_4648() {
        for (bytes, want) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(bytes.as_bytes()), want);
        }
        assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
    }
}
