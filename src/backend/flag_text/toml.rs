//! One value of a TOML text. `toml_edit` parses and says where everything stands; the edit is made to the text.
//!
//! A key that is not there is added as a line behind the last key of the table that is nearest to it, dotted where tables are
//! missing (`a.b.c = true`), so that no table has to be made and the line alone has to go again. In an inline table it is
//! added at the end.

use super::splice::{line_at, line_behind, line_break, place, short, spliced, without_line};
use super::{Found, Key};
use std::ops::Range;
use toml_edit::{Document, InlineTable, Item, Table, TableLike, Value};

type Doc<'t> = Document<&'t str>;

pub(super) fn find(text: &str, key: &Key) -> Result<Option<Found>, String> {
    let doc = parse(text)?;
    Ok(walk(&doc, key)?.item.map(|item| {
        let span = item.span().unwrap_or_default();
        let raw = text.get(span.clone()).unwrap_or("");
        let scalar = matches!(item, Item::Value(Value::Boolean(_) | Value::Integer(_) | Value::Float(_)));
        Found { scalar: scalar.then(|| raw.to_owned()), what: what(item, raw), place: place(text, span.start) }
    }))
}

pub(super) fn edit(text: &str, key: &Key, value: Option<&str>) -> Result<String, String> {
    let doc = parse(text)?;
    let walk = walk(&doc, key)?;
    let splice = match (walk.item, value) {
        (None, None) => return Ok(text.to_owned()),
        (Some(item), Some(v)) => (item.span().unwrap_or_default(), v.to_owned()),
        (Some(item), None) => removal(text, &walk, item)?,
        (None, Some(v)) => addition(text, &doc, &walk, v)?,
    };
    let out = spliced(text, vec![splice]);
    // everything else must still say what it said
    let after = parse(&out).map_err(|why| format!("the file would be damaged: {why}"))?;
    if others(&doc, key) != others(&after, key) {
        return Err(format!("{}: {key} cannot be edited here: write the file by hand", place(text, text.len())));
    }
    Ok(out)
}

fn parse(text: &str) -> Result<Doc<'_>, String> {
    if text.starts_with('\u{feff}') {
        return Err("1:1: begins with a byte order mark".to_owned());
    }
    Doc::parse(text).map_err(|e| {
        let at = e.span().map_or(0, |s| s.start);
        let why = e.message().lines().collect::<Vec<_>>().join(", ");
        format!("{}: {why}", place(text, at))
    })
}

/// The way to a key.
struct Walk<'d, 'k> {
    /// The last table that was found, by the way it is written.
    table: Holder<'d>,
    /// The parts of the key that lead from the last table with a header, or the inline table, to the key.
    rest: &'k [String],
    item: Option<&'d Item>,
    /// The key's own place.
    own: Option<Range<usize>>,
}

#[derive(Clone, Copy)]
enum Holder<'d> {
    Table(&'d Table),
    Inline(&'d InlineTable),
}

fn walk<'d, 'k>(doc: &'d Doc<'_>, key: &'k Key) -> Result<Walk<'d, 'k>, String> {
    let text = doc.raw();
    let mut like: &dyn TableLike = doc.as_table();
    let mut table = Holder::Table(doc.as_table());
    let mut rest = key.0.as_slice();
    let mut parts = key.0.as_slice();
    while let Some((name, after)) = parts.split_first() {
        let Some((own, item)) = like.get_key_value(name) else { break };
        if after.is_empty() {
            return Ok(Walk { table, rest, item: Some(item), own: own.span() });
        }
        match item {
            Item::Table(t) => {
                like = t;
                // a dotted or implied table has no place of its own where a line could be added
                if !t.is_dotted() && !t.is_implicit() {
                    (table, rest) = (Holder::Table(t), after);
                }
            }
            Item::Value(Value::InlineTable(t)) => {
                like = t;
                if !t.is_dotted() {
                    (table, rest) = (Holder::Inline(t), after);
                }
            }
            other => {
                let span = other.span().unwrap_or_default();
                let raw = text.get(span.clone()).unwrap_or("");
                return Err(format!(
                    "{}: {name:?} was expected to be a table, here is {}",
                    place(text, span.start),
                    what(other, raw)
                ));
            }
        }
        parts = after;
    }
    Ok(Walk { table, rest, item: None, own: None })
}

/// The ends of the values that stand in a table itself, dotted ones included.
fn ends(table: &Table, out: &mut Vec<usize>) {
    for (_, item) in table.iter() {
        match item {
            Item::Table(t) if t.is_dotted() => ends(t, out),
            Item::Value(v) => out.extend(v.span().map(|s| s.end)),
            _ => {}
        }
    }
}

fn addition(text: &str, doc: &Doc<'_>, walk: &Walk<'_, '_>, value: &str) -> Result<(Range<usize>, String), String> {
    let name = walk.rest.iter().map(|p| written(p)).collect::<Vec<_>>().join(".");
    let line = format!("{name} = {value}");
    match walk.table {
        Holder::Inline(t) => {
            let span = t.span().unwrap_or_default();
            let mut last = Vec::new();
            inline_ends(t, &mut last);
            Ok(match last.into_iter().max() {
                Some(end) => (end..end, format!(", {line}")),
                None => (span.start + 1..span.start + 1, line),
            })
        }
        Holder::Table(t) => {
            let mut all = Vec::new();
            ends(t, &mut all);
            if let Some(end) = all.into_iter().max() {
                let own = line_at(text, end);
                let indent = indent(text, t);
                return Ok(line_behind(text, own.end, &format!("{indent}{line}")));
            }
            let is_root = std::ptr::eq(t, doc.as_table());
            if !is_root {
                let header = t.span().unwrap_or_default();
                return Ok(line_behind(text, line_at(text, header.start).end, &line));
            }
            // before the first header, and the comments that belong to it
            let mut first = first_header(doc.as_table()).map(|at| line_at(text, at).start);
            while let Some(at) = first {
                let above = at.checked_sub(1).map(|end| line_at(text, end));
                match above {
                    Some(l) if text.get(l.clone()).is_some_and(|t| t.trim_start().starts_with('#')) => {
                        first = Some(l.start)
                    }
                    _ => break,
                }
            }
            Ok(match first {
                Some(at) => (at..at, format!("{line}{}", line_break(text))),
                None => line_behind(text, text.len(), &line),
            })
        }
    }
}

/// The blanks before a table's first key.
fn indent<'t>(text: &'t str, table: &Table) -> &'t str {
    let first = table.iter().next().and_then(|(k, _)| table.key(k)).and_then(toml_edit::Key::span);
    let Some(span) = first else { return "" };
    let line = line_at(text, span.start);
    let head = text.get(line.start..span.start).unwrap_or("");
    if head.trim().is_empty() { head } else { "" }
}

fn inline_ends(table: &InlineTable, out: &mut Vec<usize>) {
    for (_, v) in table.iter() {
        match v {
            Value::InlineTable(t) if t.is_dotted() => inline_ends(t, out),
            v => out.extend(v.span().map(|s| s.end)),
        }
    }
}

fn first_header(table: &Table) -> Option<usize> {
    let own = |t: &Table| if t.is_dotted() || t.is_implicit() { None } else { t.span().map(|s| s.start) };
    table
        .iter()
        .filter_map(|(_, item)| match item {
            Item::Table(t) => [own(t), first_header(t)].into_iter().flatten().min(),
            Item::ArrayOfTables(a) => a.iter().filter_map(|t| t.span().map(|s| s.start)).min(),
            _ => None,
        })
        .min()
}

fn removal(text: &str, walk: &Walk<'_, '_>, item: &Item) -> Result<(Range<usize>, String), String> {
    let span = item.span().unwrap_or_default();
    match walk.table {
        Holder::Table(_) => {
            let own = walk.own.clone().unwrap_or_default();
            let (first, last) = (line_at(text, own.start), line_at(text, span.end));
            Ok(without_line(text, first.start..last.end))
        }
        Holder::Inline(t) => {
            let open = t.span().unwrap_or_default().start + 1;
            let before = text.get(open..span.start).unwrap_or("");
            // from behind the value before ours; its comma goes with us
            let mut others = Vec::new();
            inline_ends(t, &mut others);
            let previous = others.iter().copied().filter(|e| *e < span.start).max();
            let next = others.iter().copied().filter(|e| *e > span.end).min();
            Ok(match (previous, next) {
                (Some(end), _) => (end..span.end, String::new()),
                (None, None) => (open + (before.len() - before.trim_start().len())..span.end, String::new()),
                (None, Some(_)) => {
                    let comma = text.get(span.end..).and_then(|t| t.find(',')).map_or(span.end, |i| span.end + i + 1);
                    let tail = text.get(comma..).unwrap_or("");
                    let blanks = tail.len() - tail.trim_start_matches([' ', '\t']).len();
                    (open + (before.len() - before.trim_start().len())..comma + blanks, String::new())
                }
            })
        }
    }
}

/// A key as TOML writes it.
fn written(name: &str) -> String {
    if !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') {
        return name.to_owned();
    }
    // a JSON string is a TOML basic string
    serde_json::Value::from(name).to_string()
}

fn what(item: &Item, raw: &str) -> String {
    match item {
        Item::Value(Value::String(_)) => format!("the string {}", short(raw)),
        Item::Value(Value::Integer(_) | Value::Float(_)) => format!("the number {}", short(raw)),
        Item::Value(Value::Boolean(_)) => raw.to_owned(),
        Item::Value(Value::Datetime(_)) => format!("the time {}", short(raw)),
        Item::Value(Value::Array(_)) | Item::ArrayOfTables(_) => "a list".to_owned(),
        Item::Value(Value::InlineTable(_)) | Item::Table(_) => "a table".to_owned(),
        Item::None => "nothing".to_owned(),
    }
}

/// Every value but that of a key, by its path.
fn others(doc: &Doc<'_>, key: &Key) -> Vec<(Vec<String>, String)> {
    let mut out = Vec::new();
    let mut todo: Vec<(Vec<String>, &Item)> = vec![(Vec::new(), doc.as_item())];
    let text = doc.raw();
    while let Some((path, item)) = todo.pop() {
        if let Some(like) = item.as_table_like() {
            for (k, inner) in like.iter() {
                let mut path = path.clone();
                path.push(k.to_owned());
                todo.push((path, inner));
            }
        } else if path != key.0 {
            let raw = match item {
                Item::ArrayOfTables(a) => a.to_string_of(text),
                other => text.get(other.span().unwrap_or_default()).unwrap_or("").to_owned(),
            };
            out.push((path, raw));
        }
    }
    out.sort();
    out
}

trait ToStringOf {
    fn to_string_of(&self, text: &str) -> String;
}

impl ToStringOf for toml_edit::ArrayOfTables {
    fn to_string_of(&self, text: &str) -> String {
        let one = |t: &Table| {
            let values = t.iter().map(|(k, v)| format!("{k}={}", text.get(v.span().unwrap_or_default()).unwrap_or("")));
            values.collect::<Vec<_>>().join(";")
        };
        self.iter().map(one).collect::<Vec<_>>().join("|")
    }
}

#[cfg(test)]
#[path = "toml_tests.rs"]
mod tests;
