//! What holds of every text. The fuzz targets of this package ask it of texts that a fuzzer makes; `tests/laws.rs` includes this
//! file and asks it of every policy of the project and of hostile texts.
//!
//! A law that is broken panics, with the text's part that shows it.

pub mod recordings;

use canary::syntax::ast::File;
use canary::syntax::diagnostic::Diagnostic;
use canary::syntax::format::{FormatError, format};
use canary::syntax::render::{self, Style};
use canary::syntax::source::{FileId, SourceMap};
use canary::{check, syntax};
use serde_json::Value;

/// Parsing: any text gives a tree whose items hold every byte that is no blank and no comment, in the order of the text, and
/// findings that can be shown. Returns the tree and the findings.
pub fn parser(text: &str) -> (File, Vec<Diagnostic>) {
    let (tree, found) = syntax::parse(FileId(0), text);
    places_are_sound(text, &serde_json::to_value(&tree).unwrap_or_default());
    findings_are_sound(text, &found);
    let value = serde_json::to_value(&tree.items).unwrap_or_default();
    let mut at = 0;
    for item in value.as_array().into_iter().flatten() {
        let Some((word, (start, end))) = item_place(item) else { panic!("an item without a place: {item}") };
        assert!(start >= at, "items overlap at {start}: {item}");
        assert!(end > start, "an empty item at {start}: {item}");
        blank_or_told(text, at, start, word, &found);
        at = end;
    }
    blank_or_told(text, at, text.len(), "", &found);
    (tree, found)
}

/// An item's place, and the word before it where the place begins behind that: `edition`, `channel`.
fn item_place(item: &Value) -> Option<(&str, (usize, usize))> {
    let (kind, value) = item.as_object()?.iter().next()?;
    match (kind.as_str(), value) {
        ("channel", Value::Array(names)) => Some(("channel", (place(names.first()?)?.0, place(names.last()?)?.1))),
        ("edition", v) => Some(("edition", place(v)?)),
        (_, v) => Some(("", place(v)?)),
    }
}

/// Formatting: what can be read can be formatted, means the same afterwards, keeps its comments, and is formatted then.
pub fn formatter(text: &str) {
    let once = match format(FileId(0), text) {
        Ok(once) => once,
        Err(FormatError::Syntax(_)) => return,
        Err(FormatError::Unfaithful(why)) => panic!("{why}:\n{text}"),
    };
    match format(FileId(0), &once) {
        Ok(twice) => assert_eq!(once, twice, "formatted twice is not formatted once"),
        Err(e) => panic!("what was formatted cannot be formatted again: {e:?}\n{once}"),
    }
    // not by the formatter's own comparison
    assert_eq!(bare(text), bare(&once), "the tree changed");
}

/// Checking and compiling: an end, and findings that can be shown, whatever the text; the same ones each time.
pub fn checker(text: &str) {
    let mut map = SourceMap::default();
    let id = map.add("text.canary", text);
    let (file, _) = syntax::parse(id, text);
    let files = [file];
    let checked = check::check_files(&files, &map);
    findings_are_sound(text, &checked.diagnostics);
    assert_eq!(checked, check::check_files(&files, &map), "checked twice is not checked once");
    let environments = checked.environments.iter().map(String::as_str).chain(["lab"]).take(4);
    for environment in environments {
        for rollout in checked.rollouts.iter().take(4) {
            let (made, found) = check::compile(&files, &map, Some(rollout), Some(environment), &[]);
            findings_are_sound(text, &found);
            if let Some((plan, _)) = made {
                assert!(!found.iter().any(Diagnostic::is_error), "a plan in spite of an error");
                let written =
                    serde_json::to_string(&plan).unwrap_or_else(|e| panic!("a plan that cannot be kept: {e}"));
                let read: canary::plan::Plan =
                    serde_json::from_str(&written).unwrap_or_else(|e| panic!("a plan that cannot be read back: {e}"));
                assert_eq!(plan, read, "a plan that is another one after it was kept");
            }
        }
    }
}

/// Between items there are blanks, comments, and the word of the item that follows; what else was left out is told there.
fn blank_or_told(text: &str, from: usize, to: usize, word: &str, found: &[Diagnostic]) {
    let Some(gap) = text.get(from..to) else { panic!("an item that ends inside a character: {from}..{to}") };
    // only the first hundred findings are kept
    if found.len() > 100 {
        return;
    }
    let mut rest = gap;
    while let Some(c) = rest.chars().next() {
        let at = to - rest.len();
        // comments of other languages are told at their beginning, and are comments then
        let skip = if c == '#' || rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |i| i + 2)
        } else if !word.is_empty() && rest.starts_with(word) {
            word.len()
        } else {
            // a character that is told, and taken out, may stand in the middle of a word that is read without it
            let blank = |c: char| c.is_whitespace();
            let begin = text.get(..at).and_then(|t| t.rfind(blank)).unwrap_or(0);
            let close = rest.find(blank).map_or(text.len(), |i| at + i);
            let told = found.iter().flat_map(|d| &d.labels).any(|l| {
                let (start, end) = (l.span.start as usize, l.span.end as usize);
                (start <= at && at < end.max(start + 1)) || (begin <= start && start < close)
            });
            let blank = c.is_whitespace() || c == '\u{feff}';
            assert!(blank || told, "nobody takes {c:?} at {at}, and no finding says so:\n{text}\n{found:#?}");
            c.len_utf8()
        };
        rest = rest.get(skip..).unwrap_or_default();
    }
}

fn findings_are_sound(text: &str, found: &[Diagnostic]) {
    for d in found {
        assert!(!d.message.is_empty() && !d.message.starts_with("unexpected"), "{d:?}");
        let number = d.code.strip_prefix(['E', 'W']).unwrap_or_default();
        assert!(number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()), "{} is no code", d.code);
    }
    places_are_sound(text, &serde_json::to_value(found).unwrap_or_default());
    let mut map = SourceMap::default();
    map.add("text.canary", text);
    let _ = render::human(&map, found, Style::default());
    let _ = render::json(&map, found);
}

fn place(v: &Value) -> Option<(usize, usize)> {
    let o = v.as_object()?;
    let at = |key: &str| usize::try_from(o.get(key)?.as_u64()?).ok();
    match (at("start"), at("end")) {
        (Some(s), Some(e)) => Some((s, e)),
        _ => o.get("span").and_then(place),
    }
}

/// Every place of a tree or a finding lies in the text, between characters.
fn places_are_sound(text: &str, v: &Value) {
    if let Some((start, end)) = v.as_object().filter(|o| o.contains_key("start")).and_then(|_| place(v)) {
        assert!(text.get(start..end).is_some(), "{start}..{end} is no place in a text of {} bytes", text.len());
    }
    match v {
        Value::Object(o) => o.values().for_each(|v| places_are_sound(text, v)),
        Value::Array(a) => a.iter().for_each(|v| places_are_sound(text, v)),
        _ => {}
    }
}

/// The tree without its places.
fn bare(text: &str) -> Value {
    fn strip(v: Value) -> Value {
        match v {
            Value::Object(o) if o.contains_key("start") && o.contains_key("end") && o.contains_key("file") => {
                Value::Null
            }
            Value::Object(o) => Value::Object(o.into_iter().map(|(k, v)| (k, strip(v))).collect()),
            Value::Array(a) => Value::Array(a.into_iter().map(strip).collect()),
            v => v,
        }
    }
    strip(serde_json::to_value(syntax::parse(FileId(0), text).0.items).unwrap_or_default())
}
