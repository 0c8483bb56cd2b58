//! One value of a YAML text. `saphyr-parser` (YAML 1.2, the maintained one of the parsers that report places) says where
//! everything stands; the edit is made to the text.
//!
//! A key that is not there is added behind the last entry of its mapping: on a line of its own in a block, before the brace in
//! a flow mapping. Mappings that had to be made on the way are written `{ key: value }`, a blank inside each brace, while a key
//! put into an empty one that was there stands without (`{key: value}`), as in JSON: so the way back is known. A parent that is
//! written without a value (`flags:`) gets a block, and is left without a value when our key goes.
//!
//! Refused, with the place: several documents, anchors, aliases, tags and merge keys at our key or on the way to it.

use super::splice::{Splice, line_at, line_behind, line_break, place, short, spliced, without_line};
use super::{Found, Key};
use saphyr_parser::{Event, Parser, ScalarStyle, Span};
use std::ops::Range;

/// Mappings and lists deeper than this are not read.
const DEEPEST: usize = 64;

/// A node of the text.
#[derive(Debug)]
struct Node<'t> {
    kind: Kind<'t>,
    /// Bytes of a scalar; of a mapping or list from its first to its last byte.
    range: Range<usize>,
    /// Why nothing at or below it can be edited.
    doubt: Option<&'static str>,
    /// A text behind `|` or `>`.
    block: bool,
}

#[derive(Debug)]
enum Kind<'t> {
    /// A text without quotes.
    Plain(std::borrow::Cow<'t, str>),
    /// A text in quotes or in a block.
    Text(std::borrow::Cow<'t, str>),
    /// In braces, or in a block.
    Map {
        flow: bool,
        entries: Vec<(Node<'t>, Node<'t>)>,
    },
    List(Vec<Node<'t>>),
    Alias,
}

impl Node<'_> {
    fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Plain(t) | Kind::Text(t) => Some(t),
            _ => None,
        }
    }

    /// Whether nothing stands there.
    fn is_nothing(&self) -> bool {
        self.range.is_empty() && matches!(&self.kind, Kind::Plain(_))
    }
}

pub(super) fn find(text: &str, key: &Key) -> Result<Option<Found>, String> {
    let root = parse(text)?;
    let walk = walk(text, root.as_ref(), key)?;
    Ok(walk.entry.map(|(_, value)| Found {
        scalar: match &value.kind {
            Kind::Plain(_) if !value.is_nothing() => text.get(value.range.clone()).map(str::to_owned),
            _ => None,
        },
        what: what(text, value),
        place: place(text, value.range.start),
    }))
}

pub(super) fn edit(text: &str, key: &Key, value: Option<&str>) -> Result<String, String> {
    let root = parse(text)?;
    let walk = walk(text, root.as_ref(), key)?;
    let splice = match (walk.entry, value) {
        (None, None) => return Ok(text.to_owned()),
        (Some((_, old)), Some(v)) => (old.range.clone(), v.to_owned()),
        (Some(entry), None) => removal(text, &walk, entry),
        (None, Some(v)) => {
            let splice = addition(text, root.as_ref(), &walk, v)?;
            // a line break behind it would become a part of it
            if splice.0.start == text.len()
                && !text.ends_with('\n')
                && let Some(block) = root.as_ref().and_then(last_block)
            {
                let here = place(text, block);
                return Err(format!("{here}: a block of text ends the file without a line break: end its last line"));
            }
            splice
        }
    };
    let out = spliced(text, vec![splice]);
    // everything else must still say what it said
    let after = parse(&out).map_err(|why| format!("the file would be damaged: {why}"))?;
    if others(root.as_ref(), key) != others(after.as_ref(), key) {
        return Err(format!("{}: {key} cannot be edited here: write the file by hand", place(text, text.len())));
    }
    Ok(out)
}

/// The one document of a text; `None` where it holds nothing.
fn parse(text: &str) -> Result<Option<Node<'_>>, String> {
    if text.starts_with('\u{feff}') {
        return Err("1:1: begins with a byte order mark".to_owned());
    }
    let bytes = Bytes::of(text);
    let mut root = None;
    let mut documents = 0;
    let mut open: Vec<Open<'_>> = Vec::new();
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|e| {
            let (mark, why) = (e.marker(), e.info());
            format!("{}:{}: {why}", mark.line(), mark.col() + 1)
        })?;
        let range = bytes.range(span);
        let done = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(format!("{}: a second document begins here", place(text, range.start)));
                }
                None
            }
            Event::Scalar(value, style, anchor, tag) => {
                let kind = if style == ScalarStyle::Plain { Kind::Plain(value) } else { Kind::Text(value) };
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                Some(Node { kind, range, doubt: doubt(anchor, tag.is_some()), block })
            }
            Event::Alias(_) => Some(Node { kind: Kind::Alias, range, doubt: Some("an alias"), block: false }),
            Event::MappingStart(..) | Event::SequenceStart(..) if open.len() >= DEEPEST => {
                return Err(format!("{}: nested deeper than {DEEPEST} levels", place(text, range.start)));
            }
            Event::MappingStart(anchor, tag) => {
                let flow = text.get(range.start..).is_some_and(|t| t.starts_with('{'));
                let doubt = doubt(anchor, tag.is_some());
                open.push(Open { flow, map: true, start: range.start, doubt, nodes: Vec::new() });
                None
            }
            Event::SequenceStart(anchor, tag) => {
                let doubt = doubt(anchor, tag.is_some());
                let flow = text.get(range.start..).is_some_and(|t| t.starts_with('['));
                open.push(Open { flow, map: false, start: range.start, doubt, nodes: Vec::new() });
                None
            }
            Event::MappingEnd | Event::SequenceEnd => {
                // the parser counts the blanks behind a bracket to it
                let bracket = text.get(range.start..).is_some_and(|t| t.starts_with(['}', ']']));
                open.pop().map(|o| o.close(bracket.then_some(range.start + 1)))
            }
            _ => None,
        };
        if let Some(node) = done {
            match open.last_mut() {
                Some(parent) => parent.nodes.push(node),
                None => root = Some(node),
            }
        }
    }
    Ok(root.filter(|r: &Node<'_>| !r.is_nothing()))
}

fn doubt(anchor: usize, tagged: bool) -> Option<&'static str> {
    match (anchor, tagged) {
        (0, false) => None,
        (0, true) => Some("a tag"),
        _ => Some("an anchor, which other places may repeat"),
    }
}

/// A mapping or list that is being read.
struct Open<'t> {
    flow: bool,
    map: bool,
    start: usize,
    doubt: Option<&'static str>,
    nodes: Vec<Node<'t>>,
}

impl<'t> Open<'t> {
    /// `bracket` is behind the closing bracket, where one stands.
    fn close(self, bracket: Option<usize>) -> Node<'t> {
        let start = self.start;
        let last = self.nodes.last().map_or(start, |n| n.range.end);
        // a block ends with what it holds; its end event may stand at the next line's text
        let end = bracket.filter(|_| self.flow).unwrap_or(last);
        let kind = if self.map {
            let mut entries = Vec::with_capacity(self.nodes.len() / 2);
            let mut nodes = self.nodes.into_iter();
            while let (Some(key), Some(value)) = (nodes.next(), nodes.next()) {
                entries.push((key, value));
            }
            Kind::Map { flow: self.flow, entries }
        } else {
            Kind::List(self.nodes)
        };
        Node { kind, range: start..end, doubt: self.doubt, block: false }
    }
}

/// From characters to bytes.
struct Bytes(Vec<usize>);

impl Bytes {
    fn of(text: &str) -> Self {
        Self(text.char_indices().map(|(i, _)| i).chain([text.len()]).collect())
    }

    fn range(&self, span: Span) -> Range<usize> {
        let at = |n: usize| self.0.get(n).or(self.0.last()).copied().unwrap_or(0);
        at(span.start.index())..at(span.end.index())
    }
}

/// The way to a key.
struct Walk<'d, 't, 'k> {
    /// The mappings passed, outermost first.
    parents: Vec<&'d Node<'t>>,
    /// A key without a value, which is to become a mapping.
    empty: Option<&'d Node<'t>>,
    entry: Option<&'d (Node<'t>, Node<'t>)>,
    missing: &'k [String],
}

fn walk<'d, 't, 'k>(text: &str, root: Option<&'d Node<'t>>, key: &'k Key) -> Result<Walk<'d, 't, 'k>, String> {
    let mut out = Walk { parents: Vec::new(), empty: None, entry: None, missing: &key.0 };
    let Some(mut node) = root else { return Ok(out) };
    let mut parts = key.0.as_slice();
    while let Some((name, after)) = parts.split_first() {
        if let Some(why) = node.doubt {
            return Err(format!("{}: {why} stands on the way to {key}", place(text, node.range.start)));
        }
        let Kind::Map { entries, .. } = &node.kind else {
            return Err(format!(
                "{}: a mapping was expected, here is {}",
                place(text, node.range.start),
                what(text, node)
            ));
        };
        out.parents.push(node);
        let mut same = entries.iter().filter(|(k, _)| k.text() == Some(name));
        let Some(entry) = same.next() else {
            if let Some((merge, _)) = entries.iter().find(|(k, _)| k.text() == Some("<<")) {
                let here = place(text, merge.range.start);
                return Err(format!("{here}: a merge key may bring {name:?} from elsewhere"));
            }
            out.missing = parts;
            return Ok(out);
        };
        if let Some((second, _)) = same.next() {
            return Err(format!(
                "{}: the key {name:?} stands here a second time (first at {})",
                place(text, second.range.start),
                place(text, entry.0.range.start)
            ));
        }
        for n in [&entry.0, &entry.1] {
            if let Some(why) = n.doubt {
                return Err(format!("{}: {why} stands on the way to {key}", place(text, n.range.start)));
            }
        }
        if after.is_empty() {
            out.entry = Some(entry);
            out.missing = &[];
            return Ok(out);
        }
        if entry.1.is_nothing() {
            out.empty = Some(&entry.0);
            out.missing = after;
            return Ok(out);
        }
        node = &entry.1;
        parts = after;
    }
    Ok(out)
}

fn addition(text: &str, root: Option<&Node<'_>>, walk: &Walk<'_, '_, '_>, value: &str) -> Result<Splice, String> {
    let (first, rest) = walk.missing.split_first().ok_or("1:1: an empty key")?;
    let mut entry = format!("{}: ", written(first));
    for part in rest {
        entry.push_str(&format!("{{ {}: ", written(part)));
    }
    entry.push_str(value);
    entry.push_str(&" }".repeat(rest.len()));
    if let Some(parent) = walk.empty {
        let line = line_at(text, parent.range.end);
        let indent = column(text, parent.range.start);
        // inside braces there is no line of its own
        if walk.parents.last().is_some_and(|p| matches!(p.kind, Kind::Map { flow: true, .. })) {
            let here = place(text, parent.range.start);
            return Err(format!("{here}: this key has no value: write `{{}}` behind it"));
        }
        return Ok(line_behind(text, line.end, &format!("{}{entry}", " ".repeat(indent + 2))));
    }
    let Some(map) = walk.parents.last() else {
        debug_assert!(root.is_none(), "a root without a mapping is an error of the walk");
        return Ok(end_of(text, &entry));
    };
    let Kind::Map { flow, entries } = &map.kind else { return Err("1:1: not a mapping".to_owned()) };
    let last = entries.last();
    if *flow {
        let open = map.range.start + 1;
        return Ok(match last {
            Some((k, v)) => {
                let end = if v.is_nothing() { k.range.end } else { v.range.end };
                (end..end, format!(", {entry}"))
            }
            None => (open..open, entry),
        });
    }
    let (first, last) = match (entries.first(), last) {
        (Some(f), Some(l)) => (f, l),
        _ => return Err(format!("{}: an empty block", place(text, map.range.start))),
    };
    let end = if last.1.is_nothing() { last.0.range.end } else { last.1.range.end };
    // a text in a block ends with its line break already
    let at = if text.get(..end).is_some_and(|h| h.ends_with('\n')) { end - 1 } else { end };
    let indent = " ".repeat(column(text, first.0.range.start));
    Ok(line_behind(text, line_at(text, at).end, &format!("{indent}{entry}")))
}

/// Where the block of text begins that is the last value of all, if it is one.
fn last_block(node: &Node<'_>) -> Option<usize> {
    match &node.kind {
        Kind::Map { entries, .. } => entries.last().and_then(|(_, v)| last_block(v)),
        Kind::List(nodes) => nodes.last().and_then(last_block),
        Kind::Text(_) if node.block => Some(node.range.start),
        _ => None,
    }
}

/// A line at the end of a text that holds no document yet.
fn end_of(text: &str, entry: &str) -> Splice {
    // `...` ends a document: nothing may stand behind it
    let end = text
        .lines()
        .position(|l| l == "...")
        .map_or(text.len(), |n| text.split_inclusive('\n').take(n).map(str::len).sum());
    if end < text.len() {
        return (end..end, format!("{entry}{}", line_break(text)));
    }
    line_behind(text, end, entry)
}

fn removal(text: &str, walk: &Walk<'_, '_, '_>, entry: &(Node<'_>, Node<'_>)) -> Splice {
    // mappings that we made go with our key
    let mut child: Range<usize> = entry.0.range.start..entry.1.range.end;
    let mut parents = walk.parents.iter().rev().peekable();
    while let Some(map) = parents.next() {
        let Kind::Map { flow, entries } = &map.kind else { break };
        let inside = |a: usize, b: usize| text.get(a..b) == Some(" ");
        let made_here = *flow
            && entries.len() == 1
            && inside(map.range.start + 1, child.start)
            && inside(child.end, map.range.end.saturating_sub(1));
        if let (true, Some(outer)) = (made_here, parents.peek()) {
            let Kind::Map { entries, .. } = &outer.kind else { break };
            if let Some((k, v)) = entries.iter().find(|(_, v)| v.range == map.range) {
                child = k.range.start..v.range.end;
                continue;
            }
        }
        return without(text, *flow, map, entries, child);
    }
    (child, String::new())
}

/// One entry taken out of its mapping.
fn without(text: &str, flow: bool, map: &Node<'_>, entries: &[(Node<'_>, Node<'_>)], child: Range<usize>) -> Splice {
    if !flow {
        let (first, last) = (line_at(text, child.start), line_at(text, child.end.max(child.start)));
        let head = text.get(first.start..child.start).unwrap_or("");
        if head.trim().is_empty() {
            return without_line(text, first.start..last.end);
        }
        // behind `- ` or `? `: the next entry takes its place
        let next = entries.iter().find(|(k, _)| k.range.start > child.end).map(|(k, _)| k.range.start);
        return (child.start..next.unwrap_or(child.end), String::new());
    }
    let at = entries.iter().position(|(k, _)| k.range.start == child.start).unwrap_or(0);
    let end_of = |(k, v): &(Node<'_>, Node<'_>)| if v.is_nothing() { k.range.end } else { v.range.end };
    match (at.checked_sub(1).and_then(|i| entries.get(i)), entries.get(at + 1)) {
        (Some(previous), _) if text.get(end_of(previous)..child.start).is_some_and(|t| t.contains('#')) => {
            // what is said of the one before stays; one comma goes, behind that one or before ours
            let between = text.get(end_of(previous)..child.start).unwrap_or("");
            let comma = if between.trim_start().starts_with(',') { between.find(',') } else { between.rfind(',') };
            let at = comma.unwrap_or(between.len());
            let kept = format!("{}{}", between.get(..at).unwrap_or(""), between.get(at + 1..).unwrap_or(""));
            (end_of(previous)..child.end, kept)
        }
        (Some(previous), _) => (end_of(previous)..child.end, String::new()),
        (None, Some((next, _))) => (child.start..next.range.start, String::new()),
        (None, None) => {
            // alone: a comma behind it goes too
            let tail = text.get(child.end..map.range.end).unwrap_or("");
            let blanks = tail.len() - tail.trim_start().len();
            let comma = if tail.trim_start().starts_with(',') { blanks + 1 } else { 0 };
            (child.start..child.end + comma, String::new())
        }
    }
}

/// Columns of blanks before a place; what else stands there (`- `) counts as blanks.
fn column(text: &str, at: usize) -> usize {
    text.get(line_at(text, at).start..at).unwrap_or("").chars().count()
}

/// A key as it is written: plain where no reader takes it for something else than a text.
fn written(name: &str) -> String {
    let special = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan", "inf"];
    let mut chars = name.chars();
    let plain = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-' || c == '.')
        && !special.contains(&name.to_ascii_lowercase().as_str());
    if plain {
        return name.to_owned();
    }
    // a JSON string is a YAML text in double quotes, but for line breaks of Unicode, which YAML 1.1 breaks lines at, and what
    // it does not print
    let mut out = String::new();
    for c in serde_json::Value::from(name).to_string().chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

fn what(text: &str, node: &Node<'_>) -> String {
    let raw = text.get(node.range.clone()).unwrap_or("");
    match &node.kind {
        Kind::Plain(_) if node.is_nothing() => "nothing".to_owned(),
        Kind::Plain(_) => format!("`{}`", short(raw)),
        Kind::Text(_) if raw.starts_with(['"', '\'']) => format!("the text {}", short(raw)),
        Kind::Text(_) => "a block of text".to_owned(),
        Kind::Map { .. } => "a mapping".to_owned(),
        Kind::List(_) => "a list".to_owned(),
        Kind::Alias => "an alias".to_owned(),
    }
}

/// Every scalar but that of a key, in the order of the text, with its path.
fn others(root: Option<&Node<'_>>, key: &Key) -> Vec<(Vec<String>, String)> {
    fn collect(node: &Node<'_>, path: &mut Vec<String>, key: &Key, out: &mut Vec<(Vec<String>, String)>) {
        match &node.kind {
            Kind::Plain(t) | Kind::Text(t) => {
                // a key without a value may become a mapping, and a mapping that held our key alone a key without one
                if *path != key.0 && !(node.is_nothing() && key.0.starts_with(path)) {
                    out.push((path.clone(), t.to_string()));
                }
            }
            Kind::Map { entries, .. } => {
                for (k, v) in entries {
                    path.push(k.text().unwrap_or("?").to_owned());
                    collect(v, path, key, out);
                    path.pop();
                }
            }
            Kind::List(nodes) => {
                for (i, n) in nodes.iter().enumerate() {
                    path.push(i.to_string());
                    collect(n, path, key, out);
                    path.pop();
                }
            }
            Kind::Alias => out.push((path.clone(), String::from("*"))),
        }
    }
    let mut out = Vec::new();
    if let Some(root) = root {
        collect(root, &mut Vec::new(), key, &mut out);
    }
    out
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
